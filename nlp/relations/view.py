"""A sentence with all that stands in it: what relations are found in."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from nlp.reading import own_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nlp.annotations import ClinicalText, Quantity, TimeExpression

__all__ = ["Item", "View", "chain_before", "rules", "stripper", "views"]

# What joins the parts of a list: 左肾、右肾 and 咳嗽伴发热.
_JOINS = frozenset({"、", "及", "和", "与", "/", "并", "伴", "伴有", "以及", "或", "+", " ", "并发", "合并", ""})
_ROLES = ("problem", "symptom", "sign", "finding", "test", "drug", "procedure", "habit", "anatomy", "device", "other")
_PARTS = re.compile(r"[。;\n!?]")


class Item(NamedTuple):
    """A mention where it stands: `place` is its place in the list of mentions, `role` its label in this package's words."""

    start: int
    end: int
    place: int
    role: str


class View(NamedTuple):
    """A sentence: its span, its clauses, and the mentions, quantities and times in it, each in order of text with its place.

    `nested` tells whether any mention overlaps the one before it.
    """

    text: str
    start: int
    end: int
    clauses: list[tuple[int, int]]
    items: list[Item]
    quantities: list[tuple[Quantity, int]]
    times: list[tuple[TimeExpression, int]]
    nested: bool = False

    def clause(self, position: int) -> tuple[int, int]:
        """Return the clause that holds a position."""
        at = bisect_right(self.clauses, (position, self.end)) - 1
        return self.clauses[at] if at >= 0 else (self.start, self.end)

    def around(self, start: int, end: int, reach: int = 12) -> list[Item]:
        """Return the mentions that begin in a span and a few more on either side: no rule looks further, however long a sentence is."""
        return self.items[max(0, bisect_left(self.items, (start,)) - reach) : bisect_left(self.items, (end,)) + 2]


def rules() -> dict[str, Any]:
    """Return the tables of ``nlp/data/relations.yaml``."""
    return own_table("relations.yaml")


@cache
def stripper(table: str) -> re.Pattern[str]:
    """Return the expression that takes a table's words, brackets and blanks out of what stands between two things."""
    words = sorted(rules()[table], key=lambda word: (-len(word), word))
    return re.compile(r"\([^()]{0,24}\)|[\s:=↑↓→~<>≥≤\"']+|" + "|".join(re.escape(word) for word in words))


@cache
def _role(label: str) -> str:
    return label if label in _ROLES else rules()["labels"].get(label, "problem")


def views(text: ClinicalText) -> Iterator[View]:
    """Give the sentences that hold a mention, with what stands in them."""
    items = sorted(
        (Item(one.start, one.end, place, _role(one.label)) for place, one in enumerate(text.mentions)),
        key=lambda one: (one.start, -one.end),
    )
    if not items:
        return
    quantities = [(one, place) for place, one in enumerate(text.quantities)]
    times = [(one, place) for place, one in enumerate(text.times)]
    content = text.text
    spans: Iterable[tuple] = text.sentences or _parts(content)
    clauses = text.clauses
    at_item = at_quantity = at_time = at_clause = 0
    for start, end in _with_next_lines(text, spans, items):
        first, at_item = _within(items, at_item, start, end)
        if first == at_item:
            continue
        inside = items[first:at_item]
        first, at_clause = _within(clauses, at_clause, start, end)
        parts = [(one.start, one.end) for one in clauses[first:at_clause]] or _commas(content, start, end)
        first_quantity, at_quantity = _within(text.quantities, at_quantity, start, end)
        first_time, at_time = _within(text.times, at_time, start, end)
        nested = any(before.end > after.start for before, after in pairwise(inside))
        yield View(content, start, end, parts, inside, quantities[first_quantity:at_quantity], times[first_time:at_time], nested)


def _with_next_lines(text: ClinicalText, spans: Iterable[tuple], items: list[Item]) -> Iterator[tuple[int, int]]:
    """Give the sentences; a line that ends with a test's name goes on where the next begins with a value."""
    content, quantities = text.text, text.quantities
    start, end = -1, -1
    for span in spans:
        if start >= 0 and content[span[0]].isdigit() and "\n" in content[end : span[0]] and _awaits_value(content, items, start, end):
            at = bisect_left(quantities, (span[0],))
            if at < len(quantities) and quantities[at].start == span[0]:
                end = span[1]
                continue
        if start >= 0:
            yield start, end
        start, end = span[0], span[1]
    if start >= 0:
        yield start, end


def _awaits_value(content: str, items: list[Item], start: int, end: int) -> bool:
    name_end = len(content[start:end].rstrip(" :\n")) + start
    at = bisect_left(items, (name_end,))
    return any(item.end == name_end and item.role == "test" for item in items[max(0, at - 3) : at])


def _within(things: list, at: int, start: int, end: int) -> tuple[int, int]:
    """Return the places of the first thing from `at` on that begins in a span and of the first behind it."""
    while at < len(things) and things[at][0] < start:
        at += 1
    first = at
    while at < len(things) and things[at][0] < end:
        at += 1
    return first, at


def _parts(content: str) -> list[tuple[int, int]]:
    """Cut a text into sentences where no component did."""
    cuts = [0, *(match.end() for match in _PARTS.finditer(content)), len(content)]
    return [(start, end) for start, end in pairwise(cuts) if end > start]


def _commas(content: str, start: int, end: int) -> list[tuple[int, int]]:
    cuts, at = [start], content.find(",", start, end)
    while at >= 0:
        cuts.append(at + 1)
        at = content.find(",", at + 1, end)
    return list(zip(cuts, [*cuts[1:], end], strict=True))


def chain_before(view: View, item: Item) -> list[Item]:
    """Return the list that a mention closes, itself included: mentions of its kind with nothing but 、 or 及 between them."""
    chain = [item]
    for one in reversed(view.around(item.start, item.start, 30)):
        if one.start >= chain[-1].start or one.role != item.role:
            continue
        gap = view.text[one.end : chain[-1].start]
        if one.end > chain[-1].start:
            continue
        if gap not in _JOINS:
            break
        chain.append(one)
    return chain[::-1]
