"""What a template says when its parameters choose no note."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.errors import DataError
from workbench.locale import tr
from workbench.texts.notes import NoteSet

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["some_notes"]

_TOLD = 20


def some_notes(chosen: NoteSet) -> NoteSet:
    """Return the notes as they are, if there are any.

    Parameters
    ----------
    chosen : NoteSet
        What a template asks.

    Raises
    ------
    DataError
        If nothing is chosen; the kinds of note that the snapshot has are named.

    Examples
    --------
    ``structured = some_notes(wb.notes(result, kind=kinds)).structure(variables)``
    """
    if chosen.count():
        return chosen
    kinds = sorted(set(NoteSet(chosen.snapshot).facts()["kind"].to_pylist()) - {""})
    raise DataError(
        tr("没有符合条件的文书：请检查 kinds 和 days", "no note is chosen: look at kinds and days"),
        hint=tr(f"库中的文书类型：{_listed(kinds)}", f"kinds of note here: {_listed(kinds)}"),
    )


def _listed(names: Collection[str]) -> str:
    more = tr(f"等 {len(names)} 种", f" and {len(names) - _TOLD} more") if len(names) > _TOLD else ""
    return tr("、", ", ").join(list(names)[:_TOLD]) + more
