"""What the pipeline finds in a note: plain records, with spans in code points.

Every record begins with ``start`` and ``end``, end exclusive. Records are tuples: cheap to make, equal by value, easy to write to a
table. Components fill the lists of one :class:`ClinicalText`; nothing else changes them. While the pipeline runs, records count in the
normalised text; its last component moves them all, so that whoever reads a finished note counts in the raw text as it came.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from nlp.normal import NormalText

__all__ = [
    "Assertion",
    "Clause",
    "ClinicalText",
    "Identifier",
    "Mention",
    "Note",
    "Quantity",
    "Relation",
    "Section",
    "Sentence",
    "TimeExpression",
]


class Assertion(StrEnum):
    """What a note says of a mention."""

    PRESENT = "present"
    ABSENT = "absent"
    POSSIBLE = "possible"
    HYPOTHETICAL = "hypothetical"
    HISTORICAL = "historical"


class Note(NamedTuple):
    """A note as it comes in, with what is known of it besides its text.

    Parameters
    ----------
    text : str
        The raw text.
    note_id : int or str
        Names the note in results; no part of its text.
    document_type : str
        Kind of document by the name in ``nlp/data/documents.yaml``, such as 入院记录; empty to let the pipeline tell.
    written, admitted, operated : datetime, optional
        Clock of the note: when it was written, when the stay began, when the (last) operation before it took place.
    department : str
        Department as the source names it.
    """

    text: str
    note_id: int | str = 0
    document_type: str = ""
    written: datetime | None = None
    admitted: datetime | None = None
    operated: datetime | None = None
    department: str = ""


class Section(NamedTuple):
    """A titled part of a note.

    `start` is where the title begins (or the text, for the part before any title), `body` where what it says begins, `end` where the
    next section starts. `name` is the standard name (WS/T 500 and ``nlp/data/sections.yaml``), empty before the first title;
    `title` is what stands in the note.
    """

    start: int
    end: int
    body: int
    name: str
    title: str


class Sentence(NamedTuple):
    """A sentence."""

    start: int
    end: int


class Clause(NamedTuple):
    """A part of a sentence between commas; `sentence` is the sentence's place in the list."""

    start: int
    end: int
    sentence: int


class Mention(NamedTuple):
    """A stretch of text that names something.

    `label` is the entity type (problem, symptom, sign, finding, test, drug, procedure, habit, anatomy, or a model's own), `term` the
    preferred name and `code` the code where a dictionary gave them, `source` the rule, dictionary or model with its version, `score`
    between 0 and 1. `assertion` (an :class:`Assertion`) and `experiencer` ("patient", "family", "other") come from the assertion
    component, `cue` is the span of the words that decided, or (-1, -1).
    """

    start: int
    end: int
    label: str
    term: str = ""
    code: str = ""
    source: str = ""
    score: float = 1.0
    assertion: str = Assertion.PRESENT
    experiencer: str = "patient"
    cue: tuple[int, int] = (-1, -1)


class Quantity(NamedTuple):
    """A number with what belongs to it.

    `kind` is scalar, range, size (a×b×c), ratio, score, stage, or reference (a reference range that stands alone). `values` holds one
    number, the two ends of a range, or the sides of a size, as written; `canonical` the same in `canonical_unit`, the unit of
    `dimension` (length, mass, ...), both empty where the unit is unknown. `comparator` is one of "", "<", "<=", ">", ">=", "~".
    `reference` is the reference range printed beside it, `flag` is "high", "low", "abnormal", "normal" or "". For a score or a stage
    `system` names it (TNM, NYHA, GCS, BI-RADS, ...) and `text` is its grade in one spelling (T2N0M0, III, 4A).
    """

    start: int
    end: int
    kind: str
    values: tuple[float, ...] = ()
    unit: str = ""
    comparator: str = ""
    dimension: str = ""
    canonical: tuple[float, ...] = ()
    canonical_unit: str = ""
    reference: tuple[float | None, float | None] | None = None
    flag: str = ""
    system: str = ""
    text: str = ""


class TimeExpression(NamedTuple):
    """A time as a note speaks of it.

    `kind` is absolute, relative or duration. `earliest` and `latest` bound the time on the note's clock, both inclusive, None where the
    clock is not known; `grain` is year, month, day, hour or minute. A duration has `days` (low, high); where it says how long something
    has lasted (腹痛3天), `earliest` and `latest` bound its beginning. `anchor` is what a relative time counts from: written, admitted,
    operated, or "".
    """

    start: int
    end: int
    kind: str
    grain: str
    earliest: datetime | None = None
    latest: datetime | None = None
    days: tuple[float, float] | None = None
    anchor: str = ""


class Relation(NamedTuple):
    """What belongs to a mention.

    `start` and `end` cover both. `mention` is the place of the mention in the list; `kind` is value, distance, site, laterality or time;
    `target` is the place of the quantity, the site's mention or the time in its list, -1 for a laterality, whose word is `text` (left,
    right, bilateral). The `text` of a distance is what it is measured from.
    """

    start: int
    end: int
    mention: int
    kind: str
    target: int = -1
    text: str = ""


class Identifier(NamedTuple):
    """A stretch of text that names a person or leads to one; `kind` is name, identity_number, phone, address, record_number, ..."""

    start: int
    end: int
    kind: str
    source: str = ""
    score: float = 1.0


@dataclass(slots=True)
class ClinicalText:
    """One note with all that was found in it.

    Parameters
    ----------
    note : Note
        What came in.
    normal : NormalText
        The text that components read, with the map of its offsets back to the raw text.
    finished : bool
        Whether the records count in the raw text; False while the pipeline runs.
    """

    note: Note
    normal: NormalText
    document_type: str = ""
    sections: list[Section] = field(default_factory=list)
    sentences: list[Sentence] = field(default_factory=list)
    clauses: list[Clause] = field(default_factory=list)
    mentions: list[Mention] = field(default_factory=list)
    quantities: list[Quantity] = field(default_factory=list)
    times: list[TimeExpression] = field(default_factory=list)
    relations: list[Relation] = field(default_factory=list)
    identifiers: list[Identifier] = field(default_factory=list)
    finished: bool = False

    @property
    def raw(self) -> str:
        """The text as it came."""
        return self.note.text

    @property
    def text(self) -> str:
        """The normalised text, which components read."""
        return self.normal.text

    def text_of(self, span: tuple) -> str:
        """Return the text of a record or of a (start, end) pair, in whichever text the records count now."""
        return (self.raw if self.finished else self.text)[span[0] : span[1]]

    def section_at(self, position: int) -> Section | None:
        """Return the section that holds a position."""
        place = bisect_right(self.sections, position, key=lambda section: section.start) - 1
        return self.sections[place] if place >= 0 else None
