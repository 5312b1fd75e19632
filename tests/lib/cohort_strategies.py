"""Hypothesis strategies: any cohort definition, and small data in which it may find something.

Few persons, dates that fall together, codes that are prefixes of one another, and a missing value in every column that may
miss one. Whatever the node docstrings define is drawn, also what the data contract forbids (an end before its start).
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from hypothesis import strategies as st

from workbench.codelists import CodeItem, Codelist
from workbench.cohort import query
from workbench.domains import DOMAINS, SETTINGS
from workbench.tables import TABLES, arrow_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hypothesis.strategies import SearchStrategy

__all__ = ["definitions", "event_sets", "snapshots"]

DAY_ZERO = date(2020, 2, 20)  # so that leap day and a change of month are near
PERSONS = (1, 1, 2, 3)
CODES = ("E11", "E11.9", "E11.90", "E12", "LDH")
CONCEPTS = (0, 1, 2, 3, 4)
TEXTS = ("糖尿病", "否认糖尿病", "糖尿病\n肾病，ＨｂＡ１ｃ 8%", "肾病", "")
NEEDLES = ("糖尿病", "肾病", "hba1c", "8%", "糖", "尿 病")
NUMBERS = (-1.0, 0.0, 1.0, 2.5, 6.5, 10.0)

_offsets = st.sampled_from((0, 0, 1, 2, 5, 9, 10, 30, 31, 365, -1, -30, -365, -366))
_lengths = st.sampled_from((None, None, 0, 1, 3, 9, 30, 400, -1))
_seldom = st.sampled_from((False,) * 6 + (True,))
_times = st.sampled_from((None, time(0), time(8), time(12), time(23, 59)))


def _maybe(values: tuple[Any, ...]) -> SearchStrategy[Any]:
    return st.sampled_from((None, *values, *values))


# --------------------------------------------------------------------------------------------------------------- data


@st.composite
def _row(draw: Callable[[SearchStrategy[Any]], Any], table: str) -> dict[str, Any]:
    """Draw one row; values of a column follow from its name and type."""
    row = {column.name: draw(_column(column.name, column.type)) for column in TABLES[table].columns if column.name in _USED}
    start = TABLES[table].start
    if start:
        day = DAY_ZERO + timedelta(days=draw(_offsets))
        row[start] = day if draw(st.sampled_from((*range(30), None))) is not None else None
        row |= _placed(TABLES[table].names, start, day, draw(_lengths), draw(_times))
    return row


def _placed(columns: tuple[str, ...], start: str, day: date, length: int | None, moment: time | None) -> dict[str, Any]:
    end, at = start.replace("start_date", "end_date"), start.replace("_date", "_datetime")
    required = start.startswith(("observation_period", "drug_era"))
    placed: dict[str, Any] = {}
    if end != start and end in columns:
        placed[end] = day + timedelta(days=abs(length or 0) if required else length) if required or length is not None else None
    if at in columns:
        placed[at] = None if moment is None else datetime.combine(day, moment)
    return placed


def _column(name: str, kind: str) -> SearchStrategy[Any]:
    if name in _POOLS:
        return st.sampled_from(_POOLS[name])
    if name.endswith("concept_id"):
        return _maybe(CONCEPTS)
    return _maybe({"number": NUMBERS, "text": CODES[:2], "integer": (0, 1, 2, 10)}[kind])


# Columns with values of their own.
_POOLS: dict[str, tuple[Any, ...]] = {
    "person_id": (*PERSONS, *PERSONS, *PERSONS, None),
    "visit_occurrence_id": (1, 1, 2, 3, 99, None),
    "cost_event_id": (1, 2, 3, 99, None),
    "care_site_id": (1, 2, 99, None),
    "provider_id": (1, 2, 99, None),
    "visit_concept_id": (9201, 9202, 262, 0, None),
    "gender_concept_id": (8532, 8507, 0, None),
    "specialty_concept_id": (1, 2, None),
    "year_of_birth": (1980, 2000, 2001, 2002, None),
    "month_of_birth": (1, 2, 7, 12, None),
    "day_of_birth": (1, 20, 29, None),
    "note_text": (*TEXTS, None),
    "unit_source_value": ("%", "g", None),
    "assertion": ("present", "absent", "possible"),
    "experiencer": ("patient", "family"),
    "days_supply": (None, 0, 1, 30),
    "concept_name": ("one", "two"),
    "concept_id_1": CONCEPTS,
    "concept_id_2": CONCEPTS,
    "ancestor_concept_id": CONCEPTS,
    "descendant_concept_id": CONCEPTS,
    "invalid_reason": (None, None, "D"),
    "relationship_id": ("Maps to", "Maps to", "Is a"),
    **{f"{stem}_source_value": (*CODES, None) for stem in ("condition", "drug", "procedure", "measurement", "finding", "cause")},
}

_DOMAINS = (
    "diagnoses",
    "diagnoses",
    "medications",
    "procedures",
    "labs",
    "labs",
    "encounters",
    "notes",
    "findings",
    "images",
    "deaths",
    "costs",
    "medication_eras",
    "observation_periods",
)
_TABLES = tuple(dict.fromkeys(DOMAINS[domain].table for domain in _DOMAINS))
_OTHER = ("person", "care_site", "provider", "concept", "concept_ancestor", "concept_relationship")

# Columns that a definition can ask for.
_USED = {
    "person_id",
    "provider_id",
    "care_site_id",
    "care_site_source_value",
    "specialty_concept_id",
    "days_supply",
    "span_start",
    "span_end",
    *_POOLS,
    *(
        column
        for word in _DOMAINS
        for place in (DOMAINS[word],)
        for column in (place.concept, place.source_value, place.source_concept, place.visit, *(f.column for f in place.fields.values()))
    ),
} - {""}


@st.composite
def _table(draw: Callable[[SearchStrategy[Any]], Any], table: str) -> pa.Table:
    """Draw a table; its key counts the rows, except where the key is the person."""
    rows = draw(st.lists(_row(table), min_size=draw(st.sampled_from((3, 3, 2, 0))), max_size=_MOST_ROWS.get(table, 7)))
    key = TABLES[table].key
    if len(key) == 1:
        rows = [row | {key[0]: position} for position, row in enumerate(rows, start=1)]
    return pa.Table.from_pylist(rows, schema=pa.schema([field.with_nullable(True) for field in arrow_schema(table)]))


_MOST_ROWS = {"person": 3, "care_site": 3, "provider": 3, "concept": 5, "visit_occurrence": 4, "death": 3}


class Tables(dict[str, pa.Table]):
    """Tables by name, shown as their rows without what is missing."""

    def __repr__(self) -> str:
        """Show what a failing example needs, and no schema."""
        rows = {
            name: [{column: value for column, value in row.items() if value is not None} for row in self[name].to_pylist()] for name in self
        }
        return repr(rows)


@st.composite
def snapshots(draw: Callable[[SearchStrategy[Any]], Any]) -> Mapping[str, pa.Table]:
    """Draw the tables of a small data set; some are not there."""
    there = [table for table in (*_TABLES, *_OTHER) if not draw(_seldom)]
    return Tables({table: draw(_table(table)) for table in there})


# -------------------------------------------------------------------------------------------------------- definitions

_offsets_of_windows = (None, -366, -365, -30, -2, -1, 0, 1, 2, 9, 30, 365)
_hours = (None, -720, -24, -12, -1, 0, 1, 8, 24, 240)


@st.composite
def _windows(draw: Callable[[SearchStrategy[Any]], Any]) -> query.Window:
    unit = draw(st.sampled_from(("days", "days", "days", "hours")))
    pool = st.sampled_from(_offsets_of_windows if unit == "days" else _hours)
    start, end = draw(pool), draw(pool)
    if start is not None and end is not None:
        start, end = min(start, end), max(start, end)
    edges = st.sampled_from(("start", "start", "end") if unit == "days" else ("start",))
    return query.Window(start, end, unit, draw(edges), draw(edges))


@st.composite
def _codelists(draw: Callable[[SearchStrategy[Any]], Any], domain: str) -> Codelist:
    place = DOMAINS[domain]
    source = st.builds(CodeItem, st.sampled_from((*CODES, "E", "E1")), st.just("ICD10CN"), st.booleans())
    choices = [source] if place.source_value else []
    systems = [system for system, column in (("concept", place.concept), ("source_concept", place.source_concept)) if column]
    choices.append(st.builds(CodeItem, st.sampled_from(CONCEPTS).map(str), st.sampled_from(systems), st.booleans(), st.booleans()))
    item = st.one_of(choices)
    return Codelist(tuple(draw(st.lists(item, min_size=1, max_size=2))), tuple(draw(st.lists(item, max_size=1))))


_DAYS = st.sampled_from(range(-40, 60)).map(lambda offset: DAY_ZERO + timedelta(days=offset))
_KINDS = {
    "number": st.sampled_from((*NUMBERS, 19, 20)),
    "string": st.sampled_from(("a", "%", "present", *CODES)),
    "concept": st.sampled_from((*CONCEPTS, 8532, 9201)),
    "date": _DAYS,
    "words": st.sampled_from(NEEDLES),
}
_ORDERED = ("eq", "ne", "lt", "le", "gt", "ge", "in", "not_in", "between", "not_between")
_EQUAL = ("eq", "ne", "in", "not_in")
_ASKED = {"number": _ORDERED, "date": _ORDERED, "string": _EQUAL, "concept": _EQUAL, "words": ("contains",)}
_SIZES = {"in": 3, "not_in": 3, "contains": 2}


@st.composite
def _conditions(draw: Callable[[SearchStrategy[Any]], Any], domain: str) -> query.Condition:
    fields = DOMAINS[domain].fields
    kinds = {name: declared.kind for name, declared in fields.items()} | query.COMMON_FIELDS
    name = draw(st.sampled_from(sorted(kinds)))
    operator = draw(st.sampled_from((*_ASKED[kinds[name]], "is_missing", "is_present")))
    words = {"setting": tuple(SETTINGS), "sex": ("female", "male")}.get(name, ())
    value = st.sampled_from(words) if words else _KINDS[kinds[name]]
    values = () if operator.startswith("is_") else tuple(draw(st.lists(value, **_number_of_values(operator))))
    numbers = [other for other, kind in kinds.items() if kind == "number"]
    of = draw(st.sampled_from(("", "", *numbers))) if kinds[name] == "number" else ""
    return query.Condition(name, operator, values, of)


def _number_of_values(operator: str) -> dict[str, int]:
    if operator in ("between", "not_between"):
        return {"min_size": 2, "max_size": 2}
    return {"min_size": 1, "max_size": _SIZES.get(operator, 1)}


@st.composite
def event_sets(draw: Callable[[SearchStrategy[Any]], Any], depth: int = 1) -> query.Events:
    """Draw an event set, nested at most `depth` deep."""
    domain = draw(st.sampled_from(_DOMAINS))
    return query.Events(
        domain,
        draw(st.one_of(st.none(), st.none(), _codelists(domain))),
        tuple(draw(st.lists(_conditions(domain), max_size=draw(st.sampled_from((0, 0, 1, 2)))))),
        draw(st.sampled_from((False, False, False, True))),
        draw(_criteria(depth - 1)) if depth and draw(_seldom) else None,
    )


_COMPARE = st.sampled_from(("eq", "ne", "lt", "le", "gt", "ge"))


def _sets(depth: int, *, smallest: int = 1) -> SearchStrategy[tuple[query.Events, ...]]:
    return st.lists(event_sets(depth), min_size=smallest, max_size=2).map(tuple)


@st.composite
def _occurs(draw: Callable[[SearchStrategy[Any]], Any], depth: int) -> query.Occurs:
    usual = draw(st.booleans())
    return query.Occurs(
        draw(_sets(depth)),
        tuple(draw(st.lists(_windows(), max_size=2))),
        "ge" if usual else draw(_COMPARE),
        1 if usual else draw(st.integers(0, 3)),
        draw(st.sampled_from(("", "", "", "day", "concept", "visit"))),
        draw(st.sampled_from((False, False, False, True))),
        draw(st.sampled_from((False, False, True))),
    )


@st.composite
def _compared(draw: Callable[[SearchStrategy[Any]], Any], value: SearchStrategy[Any]) -> tuple[str, tuple[Any, ...]]:
    operator = draw(st.sampled_from(_ORDERED))
    return operator, tuple(draw(st.lists(value, **_number_of_values(operator))))


_FACTS = st.one_of(
    st.builds(lambda compared, calendar: query.Age(*compared, calendar), _compared(st.integers(17, 41)), st.booleans()),
    st.builds(
        lambda field, operator, values: query.Person(field, operator, tuple(values) if field == "sex" else (1, 2)),
        st.sampled_from(("sex", "sex", "race", "ethnicity")),
        st.sampled_from(("in", "not_in")),
        st.lists(st.sampled_from(("female", "male", 0)), min_size=1, max_size=2),
    ),
    st.builds(lambda compared, edge: query.IndexDate(*compared, edge), _compared(_DAYS), st.sampled_from(("start", "end"))),
    st.builds(query.Observed, st.sampled_from((0, 1, 30)), st.sampled_from((0, 0, 1, 30))),
)


def _criteria(depth: int) -> SearchStrategy[query.Criterion]:
    """Draw a criterion, nested at most `depth` deep."""
    occurs = _occurs(max(depth, 0))
    if depth <= 0:
        return st.one_of(occurs, occurs, _FACTS)
    some = st.lists(st.deferred(lambda: _criteria(depth - 1)), max_size=3).map(tuple)
    joined = st.one_of(
        st.builds(query.AllOf, some),
        st.builds(query.AnyOf, some),
        st.builds(query.AtLeast, st.integers(0, 3), some),
        st.builds(query.AtMost, st.integers(0, 3), some),
        st.builds(query.Not, st.deferred(lambda: _criteria(depth - 1))),
        st.builds(query.InCohort, st.deferred(lambda: definitions(depth - 1)), st.one_of(st.none(), _windows())),
    )
    return st.one_of(occurs, occurs, occurs, _FACTS, joined)


_any_sets = st.lists(st.builds(query.Events, st.sampled_from(_DOMAINS)), min_size=1, max_size=2).map(tuple)
_LIMITS = st.sampled_from(("all", "all", "first", "last"))


@st.composite
def _entries(draw: Callable[[SearchStrategy[Any]], Any], depth: int) -> query.Entry:
    return query.Entry(
        draw(st.one_of(_any_sets, _any_sets, _any_sets, _sets(depth))),
        draw(_LIMITS),
        draw(st.one_of(st.none(), st.none(), st.none(), st.builds(query.Observed, st.sampled_from((0, 30)), st.sampled_from((0, 1))))),
        draw(_criteria(depth - 1)) if draw(_seldom) else None,
        draw(_LIMITS),
    )


@st.composite
def _exits(draw: Callable[[SearchStrategy[Any]], Any]) -> query.Exit:
    kind = draw(st.sampled_from(("observation", "offset", "era", "era")))
    days = draw(st.sampled_from((0, 1, 30)))
    if kind == "era":
        supply = draw(st.sampled_from((None, None, 0, 10)))
        return query.Exit(kind, days, "start", draw(_sets(0)), draw(st.sampled_from((0, 1, 30))), supply)
    return query.Exit(kind, days, draw(st.sampled_from(("start", "end"))))


@st.composite
def _cohorts(draw: Callable[[SearchStrategy[Any]], Any], depth: int) -> query.Cohort:
    criteria = draw(st.lists(_criteria(depth), max_size=3))
    kinds = st.sampled_from(("require", "require", "exclude"))
    return query.Cohort(
        "cohort",
        draw(_entries(depth)),
        tuple(query.Rule(f"rule {position}", draw(kinds), criterion) for position, criterion in enumerate(criteria)),
        draw(_LIMITS),
        draw(_exits()),
        draw(st.one_of(st.just(()), _sets(0))),
        draw(st.sampled_from((None, None, 0, 30))),
        draw(st.sampled_from((*((None, None),) * 6, (DAY_ZERO, None), (None, DAY_ZERO), (DAY_ZERO, DAY_ZERO + timedelta(days=9))))),
    )


def definitions(depth: int = 1) -> SearchStrategy[query.Definition]:
    """Draw a definition, nested at most `depth` deep."""
    if depth <= 0:
        return _cohorts(0)
    combined = st.builds(
        query.Combination,
        st.just("combination"),
        st.sampled_from(("union", "intersection", "difference")),
        st.lists(st.deferred(lambda: definitions(depth - 1)), min_size=2, max_size=3).map(tuple),
    )
    return st.one_of(_cohorts(depth), _cohorts(depth), _cohorts(depth), combined)
