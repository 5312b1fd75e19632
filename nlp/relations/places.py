"""Where a mention is: its sites, and left, right or both."""

from __future__ import annotations

import re
from bisect import bisect_left
from functools import cache
from typing import TYPE_CHECKING

from nlp.relations.view import chain_before, rules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nlp.relations.view import Item, View

__all__ = ["Sides", "laterality", "sites"]

_LISTED = ("、", "及", "和", "与", "并", "伴", "伴有", "/")
_BETWEEN = re.compile(r"[^,。;\n]{0,12}")
_WORD = {"左": "left", "右": "right", "双": "bilateral", "两": "bilateral"}


def sites(view: View) -> dict[int, list[Item]]:
    """Return the sites of each mention that has any, by the place of the mention."""
    found: dict[int, list[Item]] = {}
    anatomy = [item for item in view.items if item.role == "anatomy"]
    if not anatomy:
        return found
    sited = rules()["sited"]
    previous: Item | None = None
    for item in view.items:
        if item.role in sited:
            near = _near(item, anatomy)
            places = _inside(item, near) or _beside(view, item, near, previous, found)
            if places:
                found[item.place] = places
            previous = item
        elif item.role == "test" and (
            places := _inside(item, near := _near(item, anatomy)) or [one for one in near if one.end == item.start]
        ):
            found[item.place] = places
    return found


def _near(item: Item, anatomy: list[Item]) -> list[Item]:
    """Return the sites in and around a mention, a few on either side."""
    return anatomy[max(0, bisect_left(anatomy, (item.start,)) - 8) : bisect_left(anatomy, (item.end,)) + 2]


def _inside(item: Item, anatomy: list[Item]) -> list[Item]:
    return [one for one in anatomy if item.start <= one.start and one.end <= item.end and one.end - one.start < item.end - item.start]


def _beside(view: View, item: Item, anatomy: list[Item], previous: Item | None, found: dict[int, list[Item]]) -> list[Item]:
    text = view.text
    start, _ = view.clause(item.start)
    before = [one for one in anatomy if one.end <= item.start]
    near = before[-1] if before else None
    own = near and previous and previous.start <= near.start and near.end <= previous.end
    if near and not own and near.start >= start and _BETWEEN.fullmatch(text, near.end, item.start):
        between = previous and near.end <= previous.start and previous.end <= item.start
        if not between:
            return chain_before(view, near)
        if text[previous.end : item.start] not in _LISTED:
            return []
    if previous and previous.place in found and text[previous.end : item.start] in _LISTED:
        return found[previous.place]
    if places := _behind(view, item, anatomy):
        return places
    if (
        near
        and text[start : item.start].strip() in _leads()
        and text[near.end : start].count(",") <= 1
        and (not previous or previous.end <= near.start)
    ):
        return chain_before(view, near)
    return []


@cache
def _leads() -> frozenset[str]:
    return frozenset(rules()["site_leads"])


@cache
def _pointing() -> re.Pattern[str]:
    return re.compile(rf",?\s?(?:主要|均|多|大部分)?(?:{'|'.join(rules()['site_after'])})[^,。;\n]{{0,4}}")


def _behind(view: View, item: Item, anatomy: list[Item]) -> list[Item]:
    """Find the sites that 位于 and the like lead to."""
    for one in anatomy:
        if one.start >= item.end:
            return [one] if one.start - item.end <= 12 and _pointing().fullmatch(view.text, item.end, one.start) else []
    return []


@cache
def _sides() -> re.Pattern[str]:
    table = rules()
    left, right, paired = ("|".join(table[name]) for name in ("left_not", "right_not", "paired"))
    return re.compile(
        rf"左(?:[、及和与]?右(?=侧|两|{paired})|侧|(?!右|{left}))|右(?:[、及和与]?左(?=侧|两|{paired})|侧|(?!{right}))|[双两](?:侧|(?={paired}))"
    )


class Sides:
    """The words of side in a text.

    Parameters
    ----------
    text : str
        Text in normal form.
    """

    def __init__(self, text: str) -> None:
        self.spans = [(match.start(), match.end(), _side(match.group())) for match in _sides().finditer(text)]
        self.text = text

    def of(self, start: int, end: int) -> str:
        """Return the side that stands in a span or right before it, "" where there is none."""
        sides = set()
        at = bisect_left(self.spans, (start - 3, 0, ""))
        while at < len(self.spans) and self.spans[at][0] < end:
            first, last, side = self.spans[at]
            if first >= start or last == start:
                sides.add(side)
            at += 1
        return _joined(sides)


def _side(word: str) -> str:
    return "bilateral" if "左" in word and "右" in word else _WORD[word[0]]


def _joined(sides: set[str]) -> str:
    """Return one side for several: left and right are both."""
    if len(sides) > 1:
        return "bilateral"
    return next(iter(sides), "")


def laterality(view: View, sides: Sides, places: dict[int, list[Item]]) -> Iterator[tuple[Item, str]]:
    """Give (mention, side) for the mentions of a sentence that have one: in it, right before it, or at its sites."""
    if not sides.spans:
        return
    sided = rules()["sided"]
    for item in view.items:
        if item.role not in sided:
            continue
        side = sides.of(item.start, item.end) or _joined(
            {side for site in places.get(item.place, ()) if (side := sides.of(site.start, site.end))}
        )
        if side:
            yield item, side
