"""A note as variables and functions look at it: where things stand, and what lies around them.

A view counts in the normalised text, whether the records of its :class:`~nlp.annotations.ClinicalText` count there or, in a finished note,
in the raw text; :meth:`NoteView.raw` leads back.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from nlp.annotations import Assertion, Section
from nlp.normal import fold
from nlp.pipeline import unfinished
from nlp.variables.words import words

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from nlp.annotations import ClinicalText, Mention, Quantity, Relation, TimeExpression

__all__ = ["Hit", "NoteView", "longest"]


#: How far a clause or a sentence reaches from a hit at most, in characters.
_REACH = 400


class Hit(NamedTuple):
    """A place where what was looked for stands, and what the note says of it.

    `inner` is the span of the part that the value is taken from (a pattern's group ``value``), or (-1, -1). `mention` is the place of the
    mention behind the hit, -1 where there is none; `asserted` tells whether a component judged the hit's assertion.
    """

    start: int
    end: int
    assertion: str = Assertion.PRESENT
    experiencer: str = "patient"
    mention: int = -1
    inner: tuple[int, int] = (-1, -1)
    score: float = 1.0
    asserted: bool = True


class NoteView:
    """A note, ready to be asked.

    Parameters
    ----------
    text : ClinicalText
        Finished or not; it is not changed.
    index : datetime, optional
        The index date of the note's patient.
    """

    def __init__(self, text: ClinicalText, *, index: datetime | None = None) -> None:
        text = unfinished(text)
        self.normal = text.normal
        self.note = text.note
        self.document_type = text.document_type
        self.index = index
        self.text = text.text
        self.folded = fold(text.text)
        self.sections: list[Section] = text.sections
        self.mentions: list[Mention] = text.mentions
        self.quantities: list[Quantity] = text.quantities
        self.times: list[TimeExpression] = text.times
        self.relations = text.relations
        self._clauses = text.clauses
        self._sentences = text.sentences

    def raw(self, start: int, end: int) -> tuple[int, int]:
        """Return a span of the view as a span of the raw text."""
        return self.normal.raw(start, end)

    # --- where ---
    @property
    def has_sections(self) -> bool:
        """Whether the note has any section with a name."""
        return any(section.name for section in self.sections)

    def section_at(self, position: int) -> Section:
        """Return the section that holds a position; a nameless one over the whole text where there is none."""
        place = bisect_right(self.sections, position, key=lambda section: section.start) - 1
        if place >= 0 and position < self.sections[place].end:
            return self.sections[place]
        return Section(0, len(self.text), 0, "", "")

    def scope(self, name: str, start: int, end: int) -> tuple[int, int]:
        """Return the clause, sentence, section or note round a span; (start, end) at least.

        Parameters
        ----------
        name : str
            clause, sentence, section or note.
        start, end : int
            The span.

        Returns
        -------
        (int, int)
            The stretch.
        """
        if name == "clause":
            low, high = self._around(self._clauses or self._sentences, start, end)
        elif name == "sentence":
            low, high = self._around(self._sentences, start, end)
        elif name == "section":
            section = self.section_at(start)
            low, high = section.body, section.end
        else:
            low, high = 0, len(self.text)
        if name in ("clause", "sentence"):  # a text without a stop is one sentence: a megabyte looked through for each hit
            low, high = max(low, start - _REACH), min(high, end + _REACH)
        return min(low, start), max(high, end)

    def _around(self, records: list, start: int, end: int) -> tuple[int, int]:
        first = bisect_right(records, start, key=lambda record: record.start) - 1
        last = bisect_left(records, end, key=lambda record: record.start) - 1
        low = records[first].start if first >= 0 and records[first].end > start else (records[first].end if first >= 0 else 0)
        if last >= 0 and records[last].end >= end:
            return low, records[last].end
        following = last + 1
        return low, records[following].start if following < len(records) else len(self.text)

    def gap(self, one: tuple, other: tuple) -> int:
        """Return how many characters lie between two spans, 0 where they touch or overlap."""
        return max(other[0] - one[1], one[0] - other[1], 0)

    # --- what ---
    def find(self, listed: tuple[str, ...], start: int = 0, end: int | None = None) -> Iterator[Hit]:
        """Give the hits of words (or patterns between slashes) in a stretch, longest at each place, in order, with their assertion.

        Parameters
        ----------
        listed : tuple of str
            What to find.
        start, end : int, optional
            The stretch; the whole note if not said.

        Yields
        ------
        Hit
            From left to right, none overlapping another.
        """
        spans = words(listed).find(self.folded, start, len(self.text) if end is None else end)
        for low, high in longest(spans):
            yield self.hit(low, high)

    def hit(self, start: int, end: int, *, inner: tuple[int, int] = (-1, -1)) -> Hit:
        """Return a span as a hit, judged as the mention that it is, or that covers it, or that overlaps it."""
        place = self._mention_for(start, end)
        if place < 0:
            return Hit(start, end, inner=inner, asserted=False)
        mention = self.mentions[place]
        same = (mention.start, mention.end) == (start, end)
        return Hit(start, end, mention.assertion, mention.experiencer, place if same else -1, inner, asserted=same)

    def _mention_for(self, start: int, end: int) -> int:
        places = self._by_span
        if (start, end) in places:
            return places[start, end]
        best, best_overlap = -1, 0
        for place in self._mentions_over(start, end):
            mention = self.mentions[place]
            overlap = min(mention.end, end) - max(mention.start, start)
            if overlap > best_overlap:
                best, best_overlap = place, overlap
        return best

    def _mentions_over(self, start: int, end: int) -> Iterator[int]:
        """Give the places of mentions that overlap a span; mentions longer than 40 characters are not sought far back."""
        place = bisect_left(self._starts, start - 40)
        while place < len(self._starts) and self._starts[place] < end:
            if self.mentions[place].end > start:
                yield place
            place += 1

    @cached_property
    def _starts(self) -> list[int]:
        return [mention.start for mention in self.mentions]

    @cached_property
    def _by_span(self) -> dict[tuple[int, int], int]:
        return {(mention.start, mention.end): place for place, mention in reversed(list(enumerate(self.mentions)))}

    @cached_property
    def _related(self) -> dict[str, dict[int, list[Relation]]]:
        """Relations by kind and mention."""
        out: dict[str, dict[int, list[Relation]]] = {}
        for relation in self.relations:
            out.setdefault(relation.kind, {}).setdefault(relation.mention, []).append(relation)
        return out

    def related(self, hit: Hit, kind: str) -> list[Relation]:
        """Return the relations of a kind that bind something to a hit: of its own mention, or of one that overlaps it."""
        table = self._related.get(kind)
        if not table:
            return []
        if hit.mention in table:
            return table[hit.mention]
        return [relation for place in self._mentions_over(hit.start, hit.end) for relation in table.get(place, ())]

    @cached_property
    def owners(self) -> dict[int, list[int]]:
        """By the place of a quantity: the mentions whose value it is."""
        out: dict[int, list[int]] = {}
        for mention, relations in self._related.get("value", {}).items():
            for relation in relations:
                out.setdefault(relation.target, []).append(mention)
        return out

    def between(self, records: list, start: int, end: int) -> list[int]:
        """Return the places of records that lie inside a stretch; the records are in order of start."""
        place = bisect_left(records, start, key=lambda record: record.start)
        out = []
        while place < len(records) and records[place].start < end:
            if records[place].end <= end:
                out.append(place)
            place += 1
        return out

    def time_of(self, hit: Hit) -> tuple[datetime | None, datetime | None]:
        """Return the earliest and the latest time of what a hit says: the time bound to it, or when the note was written."""
        for relation in self.related(hit, "time"):
            time = self.times[relation.target]
            if time.earliest or time.latest:
                return time.earliest, time.latest
        return self.note.written, self.note.written


def longest(spans: Iterator[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return spans from left to right without overlap, at each place the longest."""
    kept: list[tuple[int, int]] = []
    for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
        if not kept or start >= kept[-1][1]:
            kept.append((start, end))
    return kept
