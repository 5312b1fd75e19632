"""Which time belongs to which mention."""

from __future__ import annotations

from bisect import bisect_right
from functools import cache
from typing import TYPE_CHECKING

from nlp.relations.view import chain_before, rules, stripper

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nlp.annotations import TimeExpression
    from nlp.relations.view import Item, View

__all__ = ["times"]


def times(view: View) -> Iterator[tuple[int, Item]]:
    """Give (place of the time, mention) for each time that is bound in a sentence.

    A time right behind a mention is the mention's, and its list's (咳嗽、咳痰3天); any other but a length dates what follows it, up to the
    next such time.
    """
    governing: list[tuple[TimeExpression, int]] = []
    for time, place in view.times:
        owner = _right_before(view, time)
        if owner:
            for one in chain_before(view, owner) if time.kind == "duration" else [owner]:
                yield place, one
        elif time.kind != "duration":
            governing.append((time, place))
    if not governing:
        return
    governed = rules()["governed"]
    for item in view.items:
        if item.role in governed and (place := _governor(governing, item)) is not None:
            yield place, item


@cache
def _lasting() -> frozenset[str]:
    return frozenset(rules()["lasting"])


def _right_before(view: View, time: TimeExpression) -> Item | None:
    """Find the mention that a time stands right behind, or that it runs out of (阑尾切除[术后3年])."""
    last = None
    for item in view.around(time.start, time.start):
        if item.start >= time.start:
            break
        if item.role in _lasting() and (last is None or item.end > last.end):
            last = item
    if last is None:
        return None
    if last.end > time.start:
        return last if last.end <= time.end else None
    gap = view.text[last.end : time.start]
    if len(gap) > 12:
        return None
    if time.kind != "duration" and not gap.startswith("(") and not gap.endswith("于"):
        return None
    rest = stripper("time_words").sub("", gap)
    return last if rest.strip("(") == "" else None


def _governor(governing: list[tuple[TimeExpression, int]], item: Item) -> int | None:
    at = bisect_right(governing, item.start, key=lambda pair: pair[0].end) - 1
    return governing[at][1] if at >= 0 else None
