"""What an engine must answer, and the form of the answer. Engines live in :mod:`workbench.store`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from workbench.cohort.query import Cohort, Definition, Events

__all__ = ["ENTRY_SCHEMA", "EVENT_SCHEMA", "ROW_SCHEMA", "VALUE_FIELDS", "Answer", "Engine", "EventRow", "RuleEvidence"]

#: One row an entry (see :mod:`workbench.cohort.query`): bit *i* of `mask` says that the criterion of rule *i* holds,
#: whether the rule requires or excludes. `kept` says that all rules are met and `keep` took the entry.
ENTRY_SCHEMA = pa.schema(
    [
        ("person_id", pa.int64()),
        ("index_date", pa.date32()),
        ("index_datetime", pa.timestamp("us")),
        ("event_end_date", pa.date32()),
        ("event_set", pa.int32()),
        ("event_key", pa.int64()),
        ("visit_occurrence_id", pa.int64()),
        ("mask", pa.int64()),
        ("kept", pa.bool_()),
    ]
)

#: The cohort itself, ordered by person and start date.
ROW_SCHEMA = pa.schema([("person_id", pa.int64()), ("start_date", pa.date32()), ("end_date", pa.date32())])

#: Fields of a domain of which the first that it declares is shown as an event's value.
VALUE_FIELDS = ("value", "total", "dose", "quantity")

#: Events of one set, as an engine lists them for timelines and evidence, ordered by person, start date and key. `code` is the
#: source value, else the standard concept id in digits (unless 0); `label` the title of a note, else the concept's name;
#: `unit` the field of that name. These three are empty, not null, where there is nothing to show.
EVENT_SCHEMA = pa.schema(
    [
        ("person_id", pa.int64()),
        ("domain", pa.string()),
        ("key", pa.int64()),
        ("start_date", pa.date32()),
        ("start_datetime", pa.timestamp("us")),
        ("end_date", pa.date32()),
        ("visit_occurrence_id", pa.int64()),
        ("code", pa.string()),
        ("label", pa.string()),
        ("value", pa.float64()),
        ("unit", pa.string()),
    ]
)


@dataclass(frozen=True)
class Answer:
    """What an engine found.

    Parameters
    ----------
    rows : pyarrow.Table
        Of `ROW_SCHEMA`, ordered by person_id, start_date, end_date.
    entries : pyarrow.Table
        Of `ENTRY_SCHEMA`, ordered by person_id, index_date, event_set, event_key; empty for a combination.
    parts : tuple of Answer
        The answers of a combination's cohorts, in order; empty for a cohort.
    """

    rows: pa.Table
    entries: pa.Table
    parts: tuple[Answer, ...] = ()


@dataclass(frozen=True)
class EventRow:
    """One row of the store that made something true, with the words in a note where text was asked for."""

    domain: str
    table: str
    key: int
    start_date: date
    start_datetime: datetime | None
    code: str
    label: str
    value: float | None
    unit: str
    spans: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class RuleEvidence:
    """Why one rule holds or does not for one entry of a person."""

    rule: str
    kind: str
    holds: bool
    events: tuple[EventRow, ...]


class Engine(Protocol):
    """A snapshot that can be asked."""

    def run(self, definition: Definition) -> Answer:
        """Answer a definition."""

    def events(self, events: Events, persons: Sequence[int] | None = None) -> pa.Table:
        """List the rows of an event set (of `EVENT_SCHEMA`), for some persons or for all."""

    def evidence(self, cohort: Cohort, person_id: int) -> tuple[tuple[RuleEvidence, ...], ...]:
        """For each entry of a person in order: the entry event itself, then every rule in order."""
