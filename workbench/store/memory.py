"""The reference engine: cohorts over tables in memory, plain Python, obviously right rather than fast.

Every other engine must give the same answers (``tests/property/test_engines_agree.py``). It also finds the evidence of
one person, for which another engine hands it that person's rows.
"""

from __future__ import annotations

from datetime import date, timedelta
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from workbench.cohort.engine import ENTRY_SCHEMA, EVENT_SCHEMA, ROW_SCHEMA, Answer
from workbench.cohort.query import Cohort, Combination
from workbench.store.memory_criteria import CohortRow, holding_periods, holds, is_observed
from workbench.store.memory_events import Event, EventStore, by_person
from workbench.store.memory_evidence import event_row, rule_evidence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from workbench.cohort.engine import RuleEvidence
    from workbench.cohort.query import Definition, Events, Exit, Limit, Rule

__all__ = ["MemoryEngine"]


class Entry(NamedTuple):
    """An event that starts a person's clock, and the position of its set in the union."""

    event: Event
    event_set: int

    @property
    def order(self) -> tuple[date, int, int]:
        """Order of a person's entries."""
        return self.event.start, self.event.key, self.event_set


class Row(NamedTuple):
    """A row of the cohort."""

    person_id: int
    start: date
    end: date


class MemoryEngine:
    """Answer cohort definitions over tables in memory.

    Parameters
    ----------
    tables : mapping of str to pyarrow.Table
        By OMOP name; a table that is not there is empty.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from datetime import date
    >>> from workbench.cohort.query import Cohort, Entry, Events
    >>> death = pa.table({"person_id": [1, 2], "death_date": [date(2024, 1, 31), date(2024, 2, 1)]})
    >>> engine = MemoryEngine({"death": death})
    >>> engine.run(Cohort("deaths", Entry((Events("deaths"),)))).rows.column("person_id").to_pylist()
    [1, 2]
    """

    def __init__(self, tables: Mapping[str, pa.Table]) -> None:
        self.store = EventStore(tables)
        self._selected: dict[Events, dict[int, list[Event]]] = {}
        self._rows: dict[Definition, dict[int, list[CohortRow]]] = {}

    def run(self, definition: Definition) -> Answer:
        """Answer a definition; see :mod:`workbench.cohort.query` for what it means."""
        if isinstance(definition, Combination):
            return self._combine(definition)
        masks = self._masks(definition)
        kept = _kept(definition, masks)
        rows = [row for entry in kept if (row := self._row(definition, entry.event)) is not None]
        if definition.collapse_gap_days is not None:
            rows = _collapse(rows, definition.collapse_gap_days)
        return Answer(_row_table(_clip(rows, *definition.date_range)), _entry_table(masks, set(kept)))

    def events(self, events: Events, persons: Sequence[int] | None = None) -> pa.Table:
        """List the events of a set, ordered by person, start date and key, for some persons or for all."""
        found = [event for group in self._select(events).values() for event in group if persons is None or event.person_id in persons]
        return pa.Table.from_pylist([self._listed(event) for event in found], schema=EVENT_SCHEMA)

    def evidence(self, cohort: Cohort, person_id: int) -> tuple[tuple[RuleEvidence, ...], ...]:
        """For each entry of a person in order: the entry event itself, then every rule in order."""
        entries = [entry for entry in self._entries(cohort) if entry.event.person_id == person_id]
        return tuple(rule_evidence(cohort, self, entry.event, entry.event_set) for entry in entries)

    # ------------------------------------------------------------------------------------- what a criterion looks at

    def of_person(self, events: Events, person_id: int) -> list[Event]:
        """Return the events of a set that one person has."""
        return self._select(events).get(person_id, [])

    def cohort_rows(self, definition: Definition, person_id: int) -> Sequence[CohortRow]:
        """Return the rows that one person has in another cohort."""
        if definition not in self._rows:
            rows = self.run(definition).rows.to_pylist()
            self._rows[definition] = {
                person: [CohortRow(row["start_date"], row["end_date"]) for row in group]
                for person, group in groupby(rows, key=lambda row: row["person_id"])
            }
        return self._rows[definition].get(person_id, [])

    def entry_events(self, definition: Definition, person_id: int) -> Sequence[tuple[Events, Event]]:
        """Return the kept entry events that one person has in another cohort, each with its set."""
        if isinstance(definition, Combination):
            return [found for cohort in definition.cohorts for found in self.entry_events(cohort, person_id)]
        kept = _kept(definition, self._masks(definition))
        return [(definition.entry.events[entry.event_set], entry.event) for entry in kept if entry.event.person_id == person_id]

    def _select(self, events: Events) -> dict[int, list[Event]]:
        if events not in self._selected:
            found = self.store.select(events)
            nested = events.nested
            self._selected[events] = by_person(event for event in found if nested is None or holds(nested, self, event))
        return self._selected[events]

    def _listed(self, event: Event) -> dict[str, object]:
        shown = event_row(event, self.store)
        return {
            "person_id": event.person_id,
            "domain": event.domain,
            "key": event.key,
            "start_date": event.start,
            "start_datetime": event.start_time,
            "end_date": event.end,
            "visit_occurrence_id": event.visit,
            "code": shown.code,
            "label": shown.label,
            "value": shown.value,
            "unit": shown.unit,
        }

    # ------------------------------------------------------------------------------------------------ step 1: entries

    def _entries(self, cohort: Cohort) -> list[Entry]:
        """Return the entries, ordered by person, index date, event set and key."""
        asked = cohort.entry
        found = [
            Entry(event, position)
            for position, events in enumerate(asked.events)
            for group in self._select(events).values()
            for event in group
            if asked.observed is None or is_observed(asked.observed, self, event)
        ]
        found = _limit(found, asked.limit)
        if asked.qualifying is not None:
            found = [entry for entry in found if holds(asked.qualifying, self, entry.event)]
        found = _limit(found, asked.qualified_limit)
        return sorted(found, key=lambda entry: (entry.event.person_id, entry.event.start, entry.event_set, entry.event.key))

    # -------------------------------------------------------------------------------------------------- step 2: rules

    def _masks(self, cohort: Cohort) -> dict[Entry, int]:
        """Return every entry in order, each with a bit for every rule that holds."""
        return {
            entry: sum(1 << position for position, rule in enumerate(cohort.rules) if holds(rule.criterion, self, entry.event))
            for entry in self._entries(cohort)
        }

    # --------------------------------------------------------------------------------------------------- step 3: exit

    def _row(self, cohort: Cohort, index: Event) -> Row | None:
        """Return the row of a kept entry, None where it would end before it starts."""
        observed_until = max((period.end for period in holding_periods(self, index)), default=None)
        ends = [_EXITS[cohort.exit.kind](self, cohort.exit, index, observed_until)]
        if observed_until is not None:
            ends.append(observed_until)
        ends += [event.start for events in cohort.censor for event in self.of_person(events, index.person_id) if event.start >= index.start]
        return Row(index.person_id, index.start, min(ends)) if min(ends) >= index.start else None

    def _exit_by_observation(self, _: Exit, index: Event, observed_until: date | None) -> date:
        return index.end if observed_until is None else observed_until

    def _exit_by_offset(self, asked: Exit, index: Event, _: date | None) -> date:
        return (index.start if asked.edge == "start" else index.end) + timedelta(days=asked.days)

    def _exit_by_era(self, asked: Exit, index: Event, observed_until: date | None) -> date:
        for start, end in self._runs(asked, index.person_id):
            if start <= index.start <= end:
                return end
        return self._exit_by_observation(asked, index, observed_until)

    def _runs(self, asked: Exit, person_id: int) -> list[tuple[date, date]]:
        """Return the unbroken runs of events that keep an exit by era alive."""
        events = [event for each in asked.events for event in self.of_person(each, person_id)]
        spans = sorted((event.start, _lasts_until(event, asked)) for event in events)
        return [(row.start, row.end) for row in _collapse([Row(person_id, *span) for span in spans], asked.gap_days)]

    # --------------------------------------------------------------------------------------------------- combinations

    def _combine(self, combination: Combination) -> Answer:
        parts = tuple(self.run(cohort) for cohort in combination.cohorts)
        rows = _COMBINED[combination.operator]([_rows_of(part) for part in parts])
        return Answer(_row_table(rows), ENTRY_SCHEMA.empty_table(), parts)


_EXITS: dict[str, Callable[[MemoryEngine, Exit, Event, date | None], date]] = {
    "observation": MemoryEngine._exit_by_observation,
    "offset": MemoryEngine._exit_by_offset,
    "era": MemoryEngine._exit_by_era,
}


def _kept(cohort: Cohort, masks: dict[Entry, int]) -> list[Entry]:
    return _limit([entry for entry, mask in masks.items() if _is_met(cohort.rules, mask)], cohort.keep)


def _is_met(rules: tuple[Rule, ...], mask: int) -> bool:
    return all(bool(mask >> position & 1) == (rule.kind == "require") for position, rule in enumerate(rules))


def _limit(entries: list[Entry], limit: Limit) -> list[Entry]:
    """Keep all entries of each person, the first, or the first of those on the latest date."""
    if limit == "all":
        return entries
    kept = []
    for _, group in groupby(sorted(entries, key=lambda entry: entry.event.person_id), key=lambda entry: entry.event.person_id):
        ordered = sorted(group, key=attrgetter("order"))
        latest = max(entry.event.start for entry in ordered)
        kept.append(next(entry for entry in ordered if limit == "first" or entry.event.start == latest))
    return kept


def _lasts_until(event: Event, asked: Exit) -> date:
    end = event.end if asked.supply_days is None else event.start + timedelta(days=asked.supply_days)
    return end + timedelta(days=asked.days)


def _collapse(rows: Iterable[Row], gap_days: int) -> list[Row]:
    """Merge each row into the one before it where it starts at most `gap_days` after the latest end so far."""
    merged: list[Row] = []
    for row in sorted(rows):
        last = merged[-1] if merged else None
        if last is not None and last.person_id == row.person_id and (row.start - last.end).days <= gap_days:
            merged[-1] = last._replace(end=max(last.end, row.end))
        else:
            merged.append(row)
    return merged


def _clip(rows: list[Row], first: date | None, last: date | None) -> list[Row]:
    clipped = (row._replace(start=max(row.start, first or row.start), end=min(row.end, last or row.end)) for row in rows)
    return [row for row in clipped if row.start <= row.end]


def _union(parts: list[list[Row]]) -> list[Row]:
    taken: set[tuple[int, date]] = set()
    rows: list[Row] = []
    for part in parts:
        rows += [row for row in part if (row.person_id, row.start) not in taken]
        taken |= {(row.person_id, row.start) for row in part}
    return rows


def _intersection(parts: list[list[Row]]) -> list[Row]:
    return [row for row in parts[0] if all(row.person_id in _persons(part) for part in parts[1:])]


def _difference(parts: list[list[Row]]) -> list[Row]:
    return [row for row in parts[0] if not any(row.person_id in _persons(part) for part in parts[1:])]


_COMBINED = {"union": _union, "intersection": _intersection, "difference": _difference}


def _persons(rows: list[Row]) -> set[int]:
    return {row.person_id for row in rows}


def _rows_of(answer: Answer) -> list[Row]:
    return [Row(row["person_id"], row["start_date"], row["end_date"]) for row in answer.rows.to_pylist()]


def _row_table(rows: list[Row]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(ROW_SCHEMA.names, row, strict=True)) for row in sorted(rows)], schema=ROW_SCHEMA)


def _entry_table(masks: dict[Entry, int], kept: set[Entry]) -> pa.Table:
    listed = [
        {
            "person_id": entry.event.person_id,
            "index_date": entry.event.start,
            "index_datetime": entry.event.start_time,
            "event_end_date": entry.event.end,
            "event_set": entry.event_set,
            "event_key": entry.event.key,
            "visit_occurrence_id": entry.event.visit,
            "mask": mask,
            "kept": entry in kept,
        }
        for entry, mask in masks.items()
    ]
    return pa.Table.from_pylist(listed, schema=ENTRY_SCHEMA)
