"""What a variable answers: a value with its evidence, or why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["CONFIDENCE", "Answer", "Evaluation", "Refused", "Taken", "naive"]

#: What each doubt about an answer multiplies its confidence by; an answer without any has 1.
CONFIDENCE = {
    "document type unknown": 0.9,
    "sections unknown": 0.9,
    "assertion not judged": 0.8,
    "value in another clause": 0.9,
    "value not bound by a relation": 0.95,
    "number without a unit": 0.8,
    "about": 0.95,
    "assertion possible": 0.9,
}


class Taken(NamedTuple):
    """A value taken from round a hit: its span in the view, and what is doubtful about it; `why_not` where none could be taken."""

    value: float | str | None
    start: int
    end: int
    unit: str = ""
    comparator: str = ""
    doubts: tuple[str, ...] = ()
    why_not: str = ""


class Answer(NamedTuple):
    """What one place of a note answers to a variable.

    Parameters
    ----------
    variable, hash : str
        Name and hash of the variable: the rule that gave the answer.
    value : float, str or None
        By the variable's kind; None where `why_not` says why the place does not count.
    unit, comparator : str
        Of a quantity; comparator is one of "", "<", "<=", ">", ">=", "~".
    assertion, experiencer : str
        What the note says of the hit.
    start, end : int
        Span of the value in code points of the raw text.
    evidence : tuple of (int, int)
        Spans of all that led to it: the hit, the value.
    confidence : float
        The hit's score times the factors of :data:`CONFIDENCE` that apply.
    earliest, latest : datetime, optional
        When it is true: the time bound to the hit, or when the note was written.
    why_not : str
        "absent", "historical" and other assertions that do not count, "family", "outside window", "clock unknown", "no value",
        "implausible", "unit", "not near", "near what excludes it"; empty where the answer counts.
    """

    variable: str
    hash: str
    value: float | str | None
    unit: str = ""
    comparator: str = ""
    assertion: str = "present"
    experiencer: str = "patient"
    start: int = 0
    end: int = 0
    evidence: tuple[tuple[int, int], ...] = ()
    confidence: float = 1.0
    earliest: datetime | None = None
    latest: datetime | None = None
    why_not: str = ""


class Refused(NamedTuple):
    """A variable (or, where it is empty, all) that a note could not be asked, and why: no word of the note."""

    variable: str
    why: str


class Evaluation(NamedTuple):
    """All answers of a note, in order of the set's variables and then of the text, and what was refused."""

    answers: list[Answer]
    refused: tuple[Refused, ...] = ()


def naive(moment: datetime) -> datetime:
    """Return a time without its zone: the clocks of one hospital are compared as they are written."""
    return moment.replace(tzinfo=None)
