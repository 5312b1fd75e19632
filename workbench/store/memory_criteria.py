"""Whether a criterion holds around an index event: one small function a node, after the node's docstring."""

# ruff: noqa: ARG001 - every function of a dispatch table takes the same arguments

from __future__ import annotations

import operator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import singledispatch
from typing import TYPE_CHECKING, Any, Protocol

from workbench.cohort.query import (
    Age,
    AllOf,
    AnyOf,
    AtLeast,
    AtMost,
    Events,
    InCohort,
    IndexDate,
    Not,
    Observed,
    Occurs,
    Person,
    Window,
)
from workbench.domains import SEXES
from workbench.store.memory_events import TESTS, Event, EventStore, Period, age_years, calendar_age_years

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workbench.cohort.query import Criterion, Definition

__all__ = ["CohortRow", "Context", "Placed", "counted", "holding_periods", "holds", "is_observed", "lies_in"]


class Placed(Protocol):
    """Something with dates that a window can place: an event, a row of another cohort."""

    @property
    def start(self) -> date:
        """First day."""

    @property
    def end(self) -> date:
        """Last day."""

    @property
    def start_time(self) -> datetime | None:
        """Time of the start, where it is known."""


@dataclass(frozen=True)
class CohortRow:
    """A row of another cohort; it has dates only, so it lies in no window of hours."""

    start: date
    end: date
    start_time: None = None


class Context(Protocol):
    """What a criterion may look at."""

    store: EventStore

    def of_person(self, events: Events, person_id: int) -> list[Event]:
        """Return the events of a set that one person has."""

    def cohort_rows(self, definition: Definition, person_id: int) -> Sequence[CohortRow]:
        """Return the rows that one person has in another cohort."""

    def entry_events(self, definition: Definition, person_id: int) -> Sequence[tuple[Events, Event]]:
        """Return the kept entry events that one person has in another cohort, each with its set."""


@singledispatch
def holds(criterion: Criterion, context: Context, index: Event) -> bool:
    """Whether the criterion holds for the person of an index event, around that event."""
    raise TypeError(f"{type(criterion).__name__} is no criterion")


# ------------------------------------------------------------------------------------------------------------ events


@holds.register(Occurs)
def _(criterion: Occurs, context: Context, index: Event) -> bool:
    found = counted(criterion, context, index)
    return _COMPARE[criterion.operator](_DISTINCT[criterion.distinct](found), criterion.count)


def counted(criterion: Occurs, context: Context, index: Event) -> list[Event]:
    """Return the events that a criterion counts around an index event, set by set."""
    found = (event for events in criterion.events for event in context.of_person(events, index.person_id))
    return [event for event in found if _counts(criterion, context, index, event)]


def _counts(criterion: Occurs, context: Context, index: Event, event: Event) -> bool:
    return (
        all(lies_in(window, index, event) for window in criterion.windows)
        and (not criterion.same_visit or (index.visit is not None and event.visit == index.visit))
        and (not criterion.within_observation or _observed_with(criterion.windows, context, index, event))
    )


def lies_in(window: Window, index: Placed, event: Placed) -> bool:
    """Whether an event's edge lies in a window around an edge of the index."""
    if window.unit == "hours":
        return _lies_in_hours(window, index.start_time, event.start_time)
    offset = (_edge(event, window.event) - _edge(index, window.index)).days
    return (window.start is None or offset >= window.start) and (window.end is None or offset <= window.end)


def _lies_in_hours(window: Window, index: datetime | None, event: datetime | None) -> bool:
    if index is None or event is None:
        return False
    offset = event - index
    return (window.start is None or offset >= timedelta(hours=window.start)) and (
        window.end is None or offset <= timedelta(hours=window.end)
    )


def _edge(placed: Placed, edge: str) -> date:
    return placed.start if edge == "start" else placed.end


def _observed_with(windows: tuple[Window, ...], context: Context, index: Event, event: Event) -> bool:
    """Whether one observation period holds the index and the event, and bounds the open sides of the windows."""
    return any(
        period.holds(event.start) and all(_bounded(window, period, event) for window in windows)
        for period in holding_periods(context, index)
    )


def _bounded(window: Window, period: Period, event: Event) -> bool:
    day = _edge(event, window.event)
    return (window.start is not None or day >= period.start) and (window.end is not None or day <= period.end)


_COMPARE: dict[str, Callable[[int, int], bool]] = {name: getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge")}

_DISTINCT: dict[str, Callable[[list[Event]], int]] = {
    "": len,
    "day": lambda found: len({event.start for event in found}),
    "concept": lambda found: len({event.concept for event in found} - {None}),
    "visit": lambda found: len({event.visit for event in found} - {None}),
}


# ------------------------------------------------------------------------------------------------- person and time


def _meets(found: Any, operator_name: str, values: tuple[Any, ...]) -> bool:
    return found is not None and TESTS[operator_name](found, values)


@holds.register(Age)
def _(criterion: Age, context: Context, index: Event) -> bool:
    years = calendar_age_years if criterion.calendar else age_years
    return _meets(years(context.store, index.person_id, index.start), criterion.operator, criterion.values)


_PERSON_COLUMNS = {"sex": "gender_concept_id", "race": "race_concept_id", "ethnicity": "ethnicity_concept_id"}


@holds.register(Person)
def _(criterion: Person, context: Context, index: Event) -> bool:
    values = tuple(each for value in criterion.values for each in SEXES.get(str(value), (value,)))
    return _meets(context.store.person(index.person_id, _PERSON_COLUMNS[criterion.field]), criterion.operator, values)


@holds.register(IndexDate)
def _(criterion: IndexDate, context: Context, index: Event) -> bool:
    return _meets(_edge(index, criterion.edge), criterion.operator, criterion.values)


@holds.register(Observed)
def _(criterion: Observed, context: Context, index: Event) -> bool:
    return is_observed(criterion, context, index)


def is_observed(criterion: Observed, context: Context, index: Event) -> bool:
    """Whether one observation period holds the index date with the days asked for before and after it."""
    return any(
        (index.start - period.start).days >= criterion.before_days and (period.end - index.start).days >= criterion.after_days
        for period in holding_periods(context, index)
    )


def holding_periods(context: Context, index: Event) -> list[Period]:
    """Return the observation periods of the person that hold the index date."""
    return [period for period in context.store.periods(index.person_id) if period.holds(index.start)]


@holds.register(InCohort)
def _(criterion: InCohort, context: Context, index: Event) -> bool:
    rows = context.cohort_rows(criterion.cohort, index.person_id)
    return any(criterion.window is None or lies_in(criterion.window, index, row) for row in rows)


# ------------------------------------------------------------------------------------------------------------- logic


def _number_true(criteria: tuple[Criterion, ...], context: Context, index: Event) -> int:
    return sum(holds(criterion, context, index) for criterion in criteria)


@holds.register(AllOf)
def _(criterion: AllOf, context: Context, index: Event) -> bool:
    return all(holds(each, context, index) for each in criterion.criteria)


@holds.register(AnyOf)
def _(criterion: AnyOf, context: Context, index: Event) -> bool:
    return any(holds(each, context, index) for each in criterion.criteria)


@holds.register(AtLeast)
def _(criterion: AtLeast, context: Context, index: Event) -> bool:
    return _number_true(criterion.criteria, context, index) >= criterion.count


@holds.register(AtMost)
def _(criterion: AtMost, context: Context, index: Event) -> bool:
    return _number_true(criterion.criteria, context, index) <= criterion.count


@holds.register(Not)
def _(criterion: Not, context: Context, index: Event) -> bool:
    return not holds(criterion.criterion, context, index)
