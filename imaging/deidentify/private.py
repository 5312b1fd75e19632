"""Private attributes that may stay: those that the TCIA's knowledge base knows as safe, by creator, group and element."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from imaging.deidentify.profile import table_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Safe", "safe_private"]


class Safe(NamedTuple):
    """A private attribute that may stay: its VR, and the tag of the element that names its creator."""

    vr: str
    creator: int


def safe_private(tag: int, creators: Mapping[int, str]) -> Safe | None:
    """Return what is known of a private attribute that may stay, or None where it has to go.

    Parameters
    ----------
    tag : int
        Group (odd) and element in one number.
    creators : mapping of int to str
        Tags (gggg,0010) to (gggg,00FF) of the same data set, and what stands there (PS3.5 section 7.8.1).

    Examples
    --------
    >>> safe_private(0x0019100B, {0x00190010: "SIEMENS MR HEADER"})
    Safe(vr='DS', creator=1638416)
    >>> safe_private(0x0019100B, {0x00190010: "OWN"}) is None
    True
    """
    block = tag & 0xFFFF0000 | (tag >> 8 & 0xFF)
    creator = creators.get(block, "")
    vr = _table().get((creator, tag >> 16, tag & 0xFF)) if tag & 0xFFFF >= 0x1000 else None
    return Safe(vr, block) if vr else None


@cache
def _table() -> dict[tuple[str, int, int], str]:
    found = {}
    for creator, group, elements in table_lines("private.tsv")[1:]:
        for element in elements.split(" "):
            number, vr = element.split(":")
            found[creator, int(group, 16), int(number, 16)] = vr
    return found
