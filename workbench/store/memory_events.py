"""Rows of in-memory OMOP tables as events: codes, conditions and dates, read the plain way."""

from __future__ import annotations

import math
import operator
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from workbench.cohort.words import normalise
from workbench.domains import DOMAINS, SEXES, Domain
from workbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import pyarrow as pa

    from workbench.cohort.query import CodeItem, Codelist, Condition, Events, Scalar

__all__ = ["TESTS", "Event", "EventStore", "Period", "age_years", "by_person", "calendar_age_years", "number"]

Row = dict[str, Any]


@dataclass(frozen=True)
class Period:
    """An observation period; both days belong to it."""

    start: date
    end: date

    def holds(self, day: date) -> bool:
        """Whether the day lies in the period."""
        return self.start <= day <= self.end


@dataclass(frozen=True, eq=False)
class Event:
    """One row of a domain, with its dates worked out; the row of the table as it stands is in `row`."""

    person_id: int
    domain: str
    key: int
    start: date
    start_time: datetime | None
    end: date
    visit: int | None
    concept: int | None
    row: Row

    @property
    def place(self) -> Domain:
        """The declaration of the table behind the event."""
        return DOMAINS[self.domain]


class EventStore:
    """Events, persons and observation periods of OMOP tables held in memory.

    Parameters
    ----------
    tables : mapping of str to pyarrow.Table
        By OMOP name; a table that is not there is empty.
    """

    def __init__(self, tables: Mapping[str, pa.Table]) -> None:
        self._tables = tables
        self._rows: dict[str, list[Row]] = {}
        self._by_key: dict[tuple[str, str], dict[Any, Row]] = {}
        self._domains: dict[str, list[Event]] = {}
        self._concepts: dict[CodeItem, frozenset[int]] = {}
        self._periods: dict[int, list[Event]] | None = None

    # ------------------------------------------------------------------------------------------------------ tables

    def rows(self, table: str, *columns: str) -> list[Row]:
        """Return the rows of a table that holds the named columns; a missing table has none.

        Raises
        ------
        DataError
            If the table is there and lacks one of the columns.
        """
        if table not in self._tables:
            return []
        for column in columns:
            if column not in self._tables[table].column_names:
                raise DataError(f"table {table} has no column {column!r}, which the definition asks for", hint="see the data dictionary")
        if table not in self._rows:
            self._rows[table] = self._tables[table].to_pylist()
        return self._rows[table]

    def _row(self, table: str, key: str, value: Any, column: str) -> Row:
        """Return the row with the key, or an empty one."""
        found = self.rows(table, key, column)
        if (table, key) not in self._by_key:
            self._by_key[table, key] = {row[key]: row for row in found if row[key] is not None}
        return self._by_key[table, key].get(value, {})

    def person(self, person_id: int, column: str) -> Any:
        """Return a fact of the person row, None where it is missing."""
        return self._row("person", "person_id", person_id, column).get(column)

    def concept_name(self, concept: int | None) -> str:
        """Return the name of a concept, empty where the store has none."""
        return self._row("concept", "concept_id", concept, "concept_name").get("concept_name") or ""

    def periods(self, person_id: int) -> list[Period]:
        """Return a person's observation periods."""
        if self._periods is None:
            self._periods = by_person(self.domain("observation_periods"))
        return [Period(event.start, event.end) for event in self._periods.get(person_id, ())]

    # ------------------------------------------------------------------------------------------------------ events

    def domain(self, word: str) -> list[Event]:
        """Return every event of a domain."""
        if word not in self._domains:
            self._domains[word] = list(self._read(DOMAINS[word]))
        return self._domains[word]

    def _read(self, place: Domain) -> Iterator[Event]:
        own = (place.key, place.visit) if place.via else (place.key, "person_id", place.start)
        for row in self.rows(place.table, *own):
            dated = self._row(place.via, f"{place.via}_id", row[place.visit], place.start) if place.via else row
            person_id, start = dated.get("person_id"), _day(dated.get(place.start))
            if person_id is None or start is None:
                continue
            yield Event(
                person_id=person_id,
                domain=place.word,
                key=row[place.key],
                start=start,
                start_time=dated.get(place.start_time),
                end=_end(place, start, dated),
                visit=row.get(place.visit),
                concept=row.get(place.concept),
                row=row,
            )

    def select(self, events: Events) -> list[Event]:
        """Return the events of a set, before its nested criterion, ordered by person, start and key."""
        found = [event for event in self.domain(events.domain) if events.codes is None or self._coded(event, events.codes)]
        found.sort(key=lambda event: (event.person_id, event.start, event.key))
        if events.first:
            earliest = {event.person_id: event for event in reversed(found)}
            found = [event for event in found if earliest[event.person_id] is event]
        return [event for event in found if all(self.meets(event, condition) for condition in events.conditions)]

    # ------------------------------------------------------------------------------------------------------- codes

    def _coded(self, event: Event, codes: Codelist) -> bool:
        return any(self._matches(event, item) for item in codes.include) and not any(self._matches(event, item) for item in codes.exclude)

    def _matches(self, event: Event, item: CodeItem) -> bool:
        place = event.place
        column = {"concept": place.concept, "source_concept": place.source_concept}.get(item.system, place.source_value)
        self.rows(place.table, column)
        found = event.row[column]
        if found is None:
            return False
        if item.is_concept:
            return found in self.concepts(item)
        return found.startswith(item.code) if item.descendants else found == item.code

    def concepts(self, item: CodeItem) -> frozenset[int]:
        """Return the concept ids that a concept item stands for."""
        if item not in self._concepts:
            self._concepts[item] = frozenset(self._expand(item))
        return self._concepts[item]

    def _expand(self, item: CodeItem) -> set[int]:
        concept = int(item.code)
        known = {row["concept_id"]: row.get("invalid_reason") for row in self.rows("concept", "concept_id")}
        found = {concept} if concept in known or not known else set()
        if item.descendants:
            ancestry = self.rows("concept_ancestor", "ancestor_concept_id", "descendant_concept_id")
            below = {row["descendant_concept_id"] for row in ancestry if row["ancestor_concept_id"] == concept}
            found |= {each for each in below if each in known and known[each] is None}
        if item.mapped:
            found |= {row["concept_id_1"] for row in self._valid_maps() if row["concept_id_2"] in found}
        return found

    def _valid_maps(self) -> Iterator[Row]:
        for row in self.rows("concept_relationship", "concept_id_1", "concept_id_2", "relationship_id"):
            if row["relationship_id"] == "Maps to" and row.get("invalid_reason") is None:
                yield row

    # -------------------------------------------------------------------------------------------------- conditions

    def meets(self, event: Event, condition: Condition) -> bool:
        """Whether an event meets a condition; a missing value meets none but ``is_missing``."""
        found = self.value(event, condition.field)
        if condition.of:
            found = _ratio(found, self.value(event, condition.of))
        if condition.operator in ("is_missing", "is_present"):
            return (found is None) == (condition.operator == "is_missing")
        if found is None:
            return False
        return TESTS[condition.operator](found, _ids(event.place, condition))

    def value(self, event: Event, name: str) -> Any:
        """Return what an event says in a field, None where it says nothing."""
        if name in _COMMON:
            return _COMMON[name](event, self)
        declared = event.place.fields[name]
        return _plain(_REACHED[declared.via](self, event, declared.column).get(declared.column))

    def own(self, event: Event, column: str) -> Row:
        """Return the event's own row, which has the column."""
        self.rows(event.place.table, column)
        return event.row

    def visit(self, event: Event, column: str) -> Row:
        """Return the row of the event's visit, empty where it has none."""
        return self._row("visit_occurrence", "visit_occurrence_id", event.visit, column)

    def care_site(self, event: Event, column: str) -> Row:
        """Return the row of the care site of the event's visit, empty where there is none."""
        return self._row("care_site", "care_site_id", self.visit(event, "care_site_id").get("care_site_id"), column)

    def provider(self, event: Event, column: str) -> Row:
        """Return the row of the event's provider, empty where it has none."""
        return self._row("provider", "provider_id", self.own(event, "provider_id")["provider_id"], column)


#: How the table of a field is reached, by the field's `via`.
_REACHED: dict[str, Callable[[EventStore, Event, str], Row]] = {
    "": EventStore.own,
    "visit": EventStore.visit,
    "care_site": EventStore.care_site,
    "provider": EventStore.provider,
}


def _ids(place: Domain, condition: Condition) -> tuple[Scalar, ...]:
    """Replace the words of a concept field by the concept ids that they stand for."""
    words = SEXES if condition.field == "sex" else place.fields[condition.field].words if condition.field in place.fields else {}
    return tuple(each for value in condition.values for each in words.get(value, (value,)))  # type: ignore[call-overload]


def _contains(text: str, wanted: tuple[Any, ...]) -> bool:
    searched = normalise(text)
    return any(normalise(each) in searched for each in wanted)


# `eq` and `ne` compare with each value, because one word (inpatient) may stand for several concepts.
TESTS: dict[str, Callable[[Any, tuple[Any, ...]], bool]] = {
    "eq": lambda found, values: found in values,
    "ne": lambda found, values: found not in values,
    "in": lambda found, values: found in values,
    "not_in": lambda found, values: found not in values,
    "lt": lambda found, values: operator.lt(found, values[0]),
    "le": lambda found, values: operator.le(found, values[0]),
    "gt": lambda found, values: operator.gt(found, values[0]),
    "ge": lambda found, values: operator.ge(found, values[0]),
    "between": lambda found, values: values[0] <= found <= values[1],
    "not_between": lambda found, values: not values[0] <= found <= values[1],
    "contains": _contains,
}


def age_years(store: EventStore, person_id: int, day: date) -> int | None:
    """Return the age in whole years: a missing month of birth is July, a missing day the 1st."""
    year = store.person(person_id, "year_of_birth")
    if year is None:
        return None
    month, born = (store.person(person_id, column) for column in ("month_of_birth", "day_of_birth"))
    birthday = (7 if month is None else month, 1 if born is None else born)
    return day.year - year - ((day.month, day.day) < birthday)


def calendar_age_years(store: EventStore, person_id: int, day: date) -> int | None:
    """Return the difference of the calendar years."""
    year = store.person(person_id, "year_of_birth")
    return None if year is None else day.year - year


_COMMON: dict[str, Callable[[Event, EventStore], Any]] = {
    "start": lambda event, _: event.start,
    "end": lambda event, _: event.end,
    "duration_days": lambda event, _: (event.end - event.start).days,
    "age": lambda event, store: age_years(store, event.person_id, event.start),
    "calendar_age": lambda event, store: calendar_age_years(store, event.person_id, event.start),
    "sex": lambda event, store: store.person(event.person_id, "gender_concept_id"),
}


def _day(value: Any) -> date | None:
    return value.date() if isinstance(value, datetime) else value


def _end(place: Domain, start: date, row: Row) -> date:
    """Return the end date: recorded, else by the days supplied, else the day after the start."""
    recorded = _day(row.get(place.end))
    if recorded is not None:
        return recorded
    supply = row.get(place.supply)
    return start + timedelta(days=1 if supply is None else int(supply))


def _plain(value: Any) -> Any:
    """Read a not-a-number as missing and a timestamp as its date."""
    return None if isinstance(value, float) and math.isnan(value) else _day(value)


def number(value: Any) -> float | None:
    """Return a number, None where there is none."""
    plain = _plain(value)
    return None if plain is None else float(plain)


def _ratio(above: Any, below: Any) -> float | None:
    return None if above is None or below is None or below == 0 else float(above) / float(below)


def by_person(events: Iterable[Event]) -> dict[int, list[Event]]:
    """Group events by person, in the order they come."""
    groups: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        groups[event.person_id].append(event)
    return groups
