"""Which rows, and which words in which note, made a rule true for one entry of a person."""

# ruff: noqa: ARG001 - every function of a dispatch table takes the same arguments

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import singledispatch
from typing import TYPE_CHECKING, TypeAlias

from workbench.cohort.engine import VALUE_FIELDS, EventRow, RuleEvidence
from workbench.cohort.query import AllOf, AnyOf, AtLeast, AtMost, Events, InCohort, IndexDate, Not, Observed, Occurs
from workbench.cohort.words import find
from workbench.store.memory_criteria import counted, holds, lies_in
from workbench.store.memory_events import Event, number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from workbench.cohort.query import Cohort, Criterion
    from workbench.store.memory_criteria import Context
    from workbench.store.memory_events import EventStore

__all__ = ["event_row", "found", "rule_evidence"]

#: An event, and the set that asked for it.
Found: TypeAlias = tuple[Events, Event]


def rule_evidence(cohort: Cohort, context: Context, index: Event, event_set: int) -> tuple[RuleEvidence, ...]:
    """Return why each rule holds or not for one entry: the entry event itself, then every rule in order."""
    entered = RuleEvidence(cohort.name, "entry", True, _shown(context, _sequence(cohort.entry.events[event_set], context, index)))
    rules = (
        RuleEvidence(rule.name, rule.kind, holds(rule.criterion, context, index), _shown(context, found(rule.criterion, context, index)))
        for rule in cohort.rules
    )
    return entered, *rules


def event_row(event: Event, store: EventStore, spans: tuple[tuple[int, int], ...] = ()) -> EventRow:
    """Return an event as it is shown to people; see :data:`workbench.cohort.engine.EVENT_SCHEMA`."""
    place, row = event.place, event.row
    fields = {name: row.get(declared.column) for name, declared in place.fields.items() if not declared.via}
    concept = str(event.concept) if event.concept else ""
    return EventRow(
        domain=event.domain,
        table=place.table,
        key=event.key,
        start_date=event.start,
        start_datetime=event.start_time,
        code=row.get(place.source_value) or concept,
        label=(fields["title"] or "") if "title" in fields else store.concept_name(event.concept),
        value=next((number(fields[name]) for name in VALUE_FIELDS if name in fields), None),
        unit=fields.get("unit") or "",
        spans=spans,
    )


# ------------------------------------------------------------------------------------------- rows behind a criterion


@singledispatch
def found(criterion: Criterion, context: Context, index: Event) -> Iterator[Found]:
    """Yield the events that a criterion looked at and took, each with the set that asked for it."""
    yield from ()


@found.register(Occurs)
def _(criterion: Occurs, context: Context, index: Event) -> Iterator[Found]:
    for events in criterion.events:
        for event in counted(replace(criterion, events=(events,)), context, index):
            yield from _sequence(events, context, event)


def _sequence(events: Events, context: Context, event: Event) -> Iterator[Found]:
    """Yield an event, then those that follow it by its set's nested criterion."""
    yield events, event
    if events.nested is not None:
        yield from found(events.nested, context, event)


@found.register(IndexDate)
def _(criterion: IndexDate, context: Context, index: Event) -> Iterator[Found]:
    yield Events(index.domain), index


@found.register(Observed)
def _(criterion: Observed, context: Context, index: Event) -> Iterator[Found]:
    periods = Events("observation_periods")
    for event in context.of_person(periods, index.person_id):
        if event.start <= index.start <= event.end:
            yield periods, event


@found.register(InCohort)
def _(criterion: InCohort, context: Context, index: Event) -> Iterator[Found]:
    rows = context.cohort_rows(criterion.cohort, index.person_id)
    taken = [row for row in rows if criterion.window is None or lies_in(criterion.window, index, row)]
    for events, event in context.entry_events(criterion.cohort, index.person_id):
        if any(row.start <= event.start <= row.end for row in taken):
            yield events, event


@found.register(Not)
def _(criterion: Not, context: Context, index: Event) -> Iterator[Found]:
    yield from found(criterion.criterion, context, index)


@found.register(AllOf)
@found.register(AnyOf)
@found.register(AtLeast)
@found.register(AtMost)
def _(criterion: AllOf | AnyOf | AtLeast | AtMost, context: Context, index: Event) -> Iterator[Found]:
    for each in criterion.criteria:
        yield from found(each, context, index)


# ------------------------------------------------------------------------------------------------- words behind a row


def _shown(context: Context, taken: Iterable[Found]) -> tuple[EventRow, ...]:
    """Show each event once, with the words that any of the sets asked for."""
    events: dict[tuple[str, int], Event] = {}
    spans: dict[tuple[str, int], set[tuple[int, int]]] = defaultdict(set)
    for asked, event in taken:
        events.setdefault((event.domain, event.key), event)
        spans[event.domain, event.key] |= _spans(asked, event)
    return tuple(event_row(event, context.store, tuple(sorted(spans[key]))) for key, event in events.items())


def _spans(events: Events, event: Event) -> set[tuple[int, int]]:
    """Return where the words asked for stand in the note, or the span that a finding was read from."""
    if event.domain == "findings":
        return {(event.row["span_start"], event.row["span_end"])} if event.row.get("span_start") is not None else set()
    asked = [condition for condition in events.conditions if condition.operator == "contains"]
    texts = {condition.field: event.row.get(event.place.fields[condition.field].column) or "" for condition in asked}
    return {span for condition in asked for word in condition.values for span in find(texts[condition.field], str(word))}
