"""How far from something a mention is: 距肛缘8cm."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from nlp.relations.view import rules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nlp.annotations import Quantity
    from nlp.relations.view import Item, View

__all__ = ["distance_word", "distances"]

_LONGEST_LANDMARK = 16
_FARTHEST = 40
_BODIES = ("finding", "problem", "sign", "symptom", "procedure", "device")


@cache
def _heads() -> re.Pattern[str]:
    words = sorted(rules()["distances"], key=len, reverse=True)
    return re.compile(rf"(?:{'|'.join(words)})(?P<from>[^,。;、\d]*?)[ :约为仅大于小超过近]*$")


@cache
def _leads() -> re.Pattern[str]:
    return re.compile(rf"[^,。;\n]{{0,8}}?(?:{'|'.join(rules()['distance_leads'])})")


def distance_word(view: View, quantity: Quantity) -> re.Match[str] | None:
    """Return the words that make a length a distance, with what it is measured from in the group `from`; None for any other quantity."""
    if quantity.dimension != "length":
        return None
    head = view.text[max(view.start, quantity.start - _LONGEST_LANDMARK) : quantity.start]
    if not any(word in head for word in rules()["distances"]):
        return None
    return _heads().search(view.text, max(view.start, quantity.start - _LONGEST_LANDMARK), quantity.start)


def distances(view: View) -> Iterator[tuple[int, Item, str]]:
    """Give (place of the quantity, mention, what it is measured from) for each distance of a sentence."""
    for quantity, place in view.quantities:
        word = distance_word(view, quantity)
        if word and (owner := _owner(view, quantity, word)):
            yield place, owner, word["from"].strip()


def _owner(view: View, quantity: Quantity, word: re.Match[str]) -> Item | None:
    """Find what is that far away: what stands between (切缘距肿物3cm), what 见 leads to (距肛缘8cm见一肿物), or what is spoken of."""
    near = view.around(word.start(), quantity.end)
    bodies = [item for item in near if item.role in _BODIES]
    if within := [item for item in bodies if word.end() > item.start >= word.start()]:
        return within[0]
    lead = _leads().match(view.text, quantity.end)
    after = [item for item in view.around(quantity.end, quantity.end + _FARTHEST) if item.role in _BODIES and item.start >= quantity.end]
    if lead and after and _between_is_bare(view, lead.end(), after[0].start):
        return after[0]
    before = [item for item in bodies if item.end <= word.start() <= item.end + _FARTHEST]
    before = before or [item for item in near if item.role == "anatomy" and item.end <= word.start() <= item.end + 4]
    return max(before, key=lambda item: (item.end, -item.start), default=None)


def _between_is_bare(view: View, start: int, end: int) -> bool:
    return start <= end and not re.search(r"[,。;\n]", view.text[start:end])
