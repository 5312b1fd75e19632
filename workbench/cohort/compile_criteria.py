"""Criteria as boolean columns over a table of entries.

Each criterion that looks at rows (events, observation periods, another cohort) is counted once for all entries, in a join
that is aggregated to one row an entry; what is left is boolean algebra on one wide table.
"""

from __future__ import annotations

from functools import reduce
from operator import and_, eq, ge, gt, le, lt, ne, or_
from typing import TYPE_CHECKING

import ibis

from workbench.cohort.compile_conditions import age_in_years, calendar_age, compare, concept_ids
from workbench.cohort.compile_events import BIRTH, end_date, event_rows
from workbench.cohort.plan import source
from workbench.cohort.query import Age, AllOf, AnyOf, AtLeast, AtMost, InCohort, IndexDate, Not, Observed, Occurs, Person
from workbench.domains import DOMAINS, SEXES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import ibis.expr.types as ir

    from workbench.cohort.plan import Plan
    from workbench.cohort.query import Criterion, Events, Window

__all__ = ["EVENT_COLUMNS", "judge", "leaves", "observed", "union_of", "with_period"]

#: Columns of an event set.
EVENT_COLUMNS = ("person_id", "event_key", "start_date", "start_datetime", "end_date", "visit_occurrence_id", "concept_id")

_COMPARE = {"eq": eq, "ne": ne, "lt": lt, "le": le, "gt": gt, "ge": ge}
_PERSON_COLUMNS = {"sex": "gender_concept_id", "race": "race_concept_id", "ethnicity": "ethnicity_concept_id"}
_HOUR_US = 3_600_000_000

#: Joins in one statement.
_JOINS = 12

#: (operator, count) that ask only whether there is an event -> whether there must be one.
_EXISTENCE = {("ge", 1): True, ("gt", 0): True, ("ne", 0): True, ("eq", 0): False, ("le", 0): False, ("lt", 1): False}


def judge(entries: ir.Table, criteria: Sequence[Criterion], plan: Plan) -> tuple[ir.Table, list[ir.BooleanValue]]:
    """Try criteria on entries.

    Parameters
    ----------
    entries : ibis Table
        With the columns entry_id, person_id, index_date, index_datetime, event_end_date and visit_occurrence_id, and the
        columns of :func:`with_period` where a criterion asks for observation.
    criteria : sequence of Criterion
        What to try.
    plan : Plan
        Takes the steps.

    Returns
    -------
    wide : ibis Table
        The entries and what the criteria counted.
    truths : list of boolean columns of `wide`
        One a criterion, never null.
    """
    found = list(dict.fromkeys(leaf for criterion in criteria for leaf in leaves(criterion)))
    names = {leaf: f"_leaf_{at}" for at, leaf in enumerate(found)}
    wide = entries
    if any(isinstance(leaf, Age | Person) for leaf in found):
        columns = (*BIRTH, "race_concept_id", "ethnicity_concept_id")
        person = source("person", ("person_id", *columns)).select(_person_key="person_id", **{name: name for name in columns})
        wide = wide.left_join(person, wide.person_id == person._person_key)
    wide = wide.select(*wide.columns)  # closes the chain of joins, so that its columns have one owner
    counted = [leaf for leaf in found if type(leaf) in _COUNTED]
    for first in range(0, len(counted), _JOINS):
        wide = _with_counts(wide, entries, {leaf: names[leaf] for leaf in counted[first : first + _JOINS]}, plan)
    return wide, [_truth(criterion, wide, names) for criterion in criteria]


def _with_counts(wide: ir.Table, entries: ir.Table, names: dict[Criterion, str], plan: Plan) -> ir.Table:
    """Add a column a criterion, with what it counted around each entry; null where that is nothing."""
    columns = [*wide.columns, *names.values()]
    for leaf, name in names.items():
        counted = plan.keep(_COUNTED[type(leaf)](leaf, entries, plan), "counted").select(**{f"_of{name}": "entry_id", name: "answer"})
        wide = wide.left_join(counted, wide.entry_id == counted[f"_of{name}"])
    wide = wide.select(*columns)
    return plan.keep(wide, "wide") if len(names) == _JOINS else wide


def leaves(criterion: Criterion) -> Iterator[Criterion]:
    """Walk the criteria that are no boolean algebra, in order."""
    if isinstance(criterion, Not):
        yield from leaves(criterion.criterion)
    elif isinstance(criterion, AllOf | AnyOf | AtLeast | AtMost):
        for part in criterion.criteria:
            yield from leaves(part)
    else:
        yield criterion


def union_of(event_sets: Sequence[Events], plan: Plan) -> ir.Table:
    """Put event sets below each other: :data:`EVENT_COLUMNS`, and the position of a row's set as ``event_set``."""
    parts = [_with_nested(events, plan).mutate(event_set=ibis.literal(at, "int32")) for at, events in enumerate(event_sets)]
    return ibis.union(*parts) if len(parts) > 1 else parts[0]


def _with_nested(events: Events, plan: Plan) -> ir.Table:
    """Compile an event set with its nested criterion."""
    rows = event_rows(events, plan)
    if events.nested is None:
        return rows
    entries = rows.mutate(
        entry_id=ibis.row_number().over(ibis.window()), index_date="start_date", index_datetime="start_datetime", event_end_date="end_date"
    )
    wide, truths = judge(with_period(entries, [events.nested], plan), [events.nested], plan)
    return plan.keep(wide.filter(truths[0]).select(*EVENT_COLUMNS), "nested")


def with_period(entries: ir.Table, criteria: Sequence[Criterion], plan: Plan, *, always: bool = False) -> ir.Table:
    """Keep entries as a table, with ``period_start`` and ``period_end`` of their observation where that is asked.

    Periods that hold the same index date overlap, so several count as one, from the first start to the last end.
    """
    asked = (leaf for criterion in criteria for leaf in leaves(criterion))
    entries = plan.keep(entries, "entries")
    if not (always or any(isinstance(leaf, Occurs) and leaf.within_observation for leaf in asked)):
        return entries
    periods = _periods()
    held = entries.inner_join(periods, _held(entries, periods))
    span = held.group_by(_period_entry="entry_id").agg(period_start=held._period_start.min(), period_end=held._period_end.max())
    joined = entries.left_join(span, entries.entry_id == span._period_entry)
    return plan.keep(joined.select(*entries.columns, "period_start", "period_end"), "entries")


def observed(entries: ir.Table, wanted: Observed) -> ir.Table:
    """Keep the entries that an observation period holds, with the days asked for before and after."""
    periods = _periods()
    return entries.semi_join(periods, [*_held(entries, periods), *_long_enough(wanted, entries, periods)])


def _periods() -> ir.Table:
    place = DOMAINS["observation_periods"]
    table = source(place.table, ("person_id", place.start, place.end))
    return table.filter(table[place.start].notnull()).select(
        _period_person="person_id", _period_start=place.start, _period_end=end_date(table, place)
    )


def _held(entries: ir.Table, periods: ir.Table) -> list[ir.BooleanValue]:
    return [
        entries.person_id == periods._period_person,
        entries.index_date >= periods._period_start,
        entries.index_date <= periods._period_end,
    ]


# ------------------------------------------------------------------------------------------ counted: one row an entry


def _count_events(leaf: Occurs, entries: ir.Table, plan: Plan) -> ir.Table:
    """Count the events of a criterion around each entry, or only say that there is one."""
    events = union_of(leaf.events, plan).rename(lambda name: f"_{name}")
    if _bounds_ends(leaf):
        return _counted(leaf, _near_by_period(leaf, entries, events))
    lies = _lies_near(leaf, entries, events)
    if leaf.within_observation:
        lies += [events._start_date >= entries.period_start, events._start_date <= entries.period_end]
    if _only_existence(leaf):
        return entries.semi_join(events, lies).select("entry_id", answer=ibis.literal(1, "int64"))
    return _counted(leaf, entries.inner_join(events, lies))


def _counted(leaf: Occurs, near: ir.Table) -> ir.Table:
    counted = {"": near.count(), "day": near._start_date, "concept": near._concept_id, "visit": near._visit_occurrence_id}[leaf.distinct]
    return near.group_by("entry_id").agg(answer=counted.nunique() if leaf.distinct else counted)


def _lies_near(leaf: Occurs, entries: ir.Table, events: ir.Table) -> list[ir.BooleanValue]:
    lies = [entries.person_id == events._person_id]
    lies += [test for window in leaf.windows for test in _inside(window, entries, events)]
    return [*lies, entries.visit_occurrence_id == events._visit_occurrence_id] if leaf.same_visit else lies


def _only_existence(leaf: Occurs) -> bool:
    """Whether a semi-join answers; a missing visit or concept counts nothing, so those have to be counted."""
    return leaf.distinct in ("", "day") and (leaf.operator, leaf.count) in _EXISTENCE


def _inside(window: Window, entries: ir.Table, events: ir.Table) -> list[ir.BooleanValue]:
    """Return the tests that place an event in a window."""
    if window.unit == "hours":
        offset = events._start_datetime.delta(entries.index_datetime, unit="microsecond")
        return [offset.notnull(), *_between(offset, window, _HOUR_US)]
    edge = events._start_date if window.event == "start" else events._end_date
    index = entries.index_date if window.index == "start" else entries.event_end_date
    return _between(edge.delta(index, unit="day"), window, 1)


def _between(offset: ir.IntegerValue, window: Window, unit: int) -> list[ir.BooleanValue]:
    bounds = [offset >= window.start * unit] if window.start is not None else []
    return [*bounds, offset <= window.end * unit] if window.end is not None else bounds


def _bounds_ends(leaf: Occurs) -> bool:
    """Whether the observation period also bounds the events' ends, as it does on an open side of a window on ends."""
    return leaf.within_observation and any(window.event == "end" and None in (window.start, window.end) for window in leaf.windows)


def _near_by_period(leaf: Occurs, entries: ir.Table, events: ir.Table) -> ir.Table:
    """Join events to entries through each observation period, which bounds an event's start and its end alike."""
    periods = _periods()
    held = entries.inner_join(periods, _held(entries, periods))
    lies = _lies_near(leaf, held, events)
    lies += [events._start_date >= held._period_start, events._start_date <= held._period_end]
    for window in leaf.windows:
        if window.event == "end" and window.start is None:
            lies.append(events._end_date >= held._period_start)
        if window.event == "end" and window.end is None:
            lies.append(events._end_date <= held._period_end)
    counted = ["entry_id", "_event_set", "_event_key", "_start_date", "_concept_id", "_visit_occurrence_id"]
    return held.inner_join(events, lies).select(*counted).distinct()


def _find_observation(leaf: Observed, entries: ir.Table, _plan: Plan) -> ir.Table:
    return observed(entries, leaf).select("entry_id", answer=ibis.literal(1, "int64"))


def _long_enough(wanted: Observed, entries: ir.Table, periods: ir.Table) -> list[ir.BooleanValue]:
    before = entries.index_date.delta(periods._period_start, unit="day")
    after = periods._period_end.delta(entries.index_date, unit="day")
    return [before >= wanted.before_days, after >= wanted.after_days]


def _find_in_cohort(leaf: InCohort, entries: ir.Table, plan: Plan) -> ir.Table:
    rows = plan.rows_of(leaf.cohort).select(
        _person_id="person_id", _start_date="start_date", _end_date="end_date", _start_datetime=ibis.null("timestamp(6)")
    )
    lies = [entries.person_id == rows._person_id]
    lies += _inside(leaf.window, entries, rows) if leaf.window else []
    return entries.semi_join(rows, lies).select("entry_id", answer=ibis.literal(1, "int64"))


_COUNTED: dict[type, Callable[..., ir.Table]] = {Occurs: _count_events, Observed: _find_observation, InCohort: _find_in_cohort}


# ------------------------------------------------------------------------------------------------------------- truth


def _truth(criterion: Criterion, wide: ir.Table, names: dict[Criterion, str]) -> ir.BooleanValue:
    """Say of each entry whether a criterion holds."""
    if isinstance(criterion, Not):
        return ~_truth(criterion.criterion, wide, names)
    if isinstance(criterion, AllOf | AnyOf | AtLeast | AtMost):
        return _combined(criterion, [_truth(part, wide, names) for part in criterion.criteria])
    return _LEAVES[type(criterion)](criterion, wide, names.get(criterion, "")).fill_null(False)


def _combined(criterion: AllOf | AnyOf | AtLeast | AtMost, parts: list[ir.BooleanValue]) -> ir.BooleanValue:
    if isinstance(criterion, AllOf):
        return reduce(and_, parts, ibis.literal(True))
    if isinstance(criterion, AnyOf):
        return reduce(or_, parts, ibis.literal(False))
    held = sum((part.cast("int64") for part in parts), ibis.literal(0, "int64"))
    return held >= criterion.count if isinstance(criterion, AtLeast) else held <= criterion.count


def _counted_enough(leaf: Occurs, wide: ir.Table, name: str) -> ir.BooleanValue:
    if _only_existence(leaf):
        found = wide[name].notnull()
        return found if _EXISTENCE[leaf.operator, leaf.count] else ~found
    return _COMPARE[leaf.operator](wide[name].fill_null(0), leaf.count)


def _age(leaf: Age, wide: ir.Table, _name: str) -> ir.BooleanValue:
    age = calendar_age(wide.index_date, wide.year_of_birth) if leaf.calendar else age_in_years(wide.index_date, wide)
    return compare(age, leaf.operator, leaf.values)


def _person(leaf: Person, wide: ir.Table, _name: str) -> ir.BooleanValue:
    column = wide[_PERSON_COLUMNS[leaf.field]]
    ids = concept_ids(leaf.values, SEXES if leaf.field == "sex" else {})
    return column.isin(ids) if leaf.operator == "in" else column.notin(ids)


def _index_date(leaf: IndexDate, wide: ir.Table, _name: str) -> ir.BooleanValue:
    return compare(wide.index_date if leaf.edge == "start" else wide.event_end_date, leaf.operator, leaf.values)


_LEAVES: dict[type, Callable[..., ir.BooleanValue]] = {
    Occurs: _counted_enough,
    Age: _age,
    Person: _person,
    IndexDate: _index_date,
    Observed: lambda _leaf, wide, name: wide[name].notnull(),
    InCohort: lambda _leaf, wide, name: wide[name].notnull(),
}
