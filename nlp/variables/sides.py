"""Left, right or both: the side of what a hit names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nlp.variables.view import Hit, NoteView

__all__ = ["side_of"]

# Words that begin with a side and mean none: levo- and dextro- drugs, 左右 after a number is "about".
_SIDE = re.compile(
    r"(?P<bilateral>双侧|两侧|双|左右(?=[两侧叶肺肾乳])|左、?右)|(?P<left>左(?![旋氧乙甲炔卡西右]))|(?P<right>(?<!左)右(?![旋]))"
)


def side_of(view: NoteView, hit: Hit) -> str:
    """Tell the side of a hit: bound by a relation, else the nearest word for one in its clause, those before it first.

    Parameters
    ----------
    view : NoteView
        The note.
    hit : Hit
        The place.

    Returns
    -------
    str
        left, right, bilateral, or "" where none is said.
    """
    for relation in view.related(hit, "laterality"):
        return relation.text
    low, high = view.scope("clause", hit.start, hit.end)
    before = list(_SIDE.finditer(view.text, low, hit.end))
    if before:
        return before[-1].lastgroup or ""
    after = _SIDE.search(view.text, hit.end, high)
    return (after.lastgroup or "") if after else ""
