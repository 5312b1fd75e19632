"""Event sets as tables: from the declarations of :mod:`workbench.domains` to rows with an index date."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis

from workbench.cohort.codes import code_columns, holds_code
from workbench.cohort.compile_conditions import holds_condition
from workbench.cohort.plan import BY_CONCEPT, source

if TYPE_CHECKING:
    from collections.abc import Sequence

    import ibis.expr.types as ir

    from workbench.cohort.plan import Plan
    from workbench.cohort.query import Events
    from workbench.domains import Domain

__all__ = ["BIRTH", "add_days", "end_date", "event_rows"]

#: Columns of the person that conditions on age and sex need.
BIRTH = ("gender_concept_id", "year_of_birth", "month_of_birth", "day_of_birth")

_OF_PERSON = ("age", "calendar_age", "sex")


def event_rows(events: Events, plan: Plan) -> ir.Table:
    """Compile an event set, but for its nested criterion.

    Returns
    -------
    ibis Table
        Columns person_id, event_key, start_date, start_datetime, end_date, visit_occurrence_id and concept_id, one row an
        event.
    """
    place = events.place
    table = _coded(events, plan)
    if events.conditions:
        table = _with_look_ups(events, table.mutate(start_date=place.start, end_date=end_date(table, place)))
        table = table.filter(*(holds_condition(condition, place, table, plan) for condition in events.conditions))
    return table.select(
        person_id="person_id",
        event_key=place.key,
        start_date=place.start,
        start_datetime=table[place.start_time] if place.start_time else ibis.null("timestamp(6)"),
        end_date=end_date(table, place),
        visit_occurrence_id=table[place.visit] if place.visit else ibis.null("int64"),
        concept_id=table[place.concept] if place.concept else ibis.null("int64"),
    )


def _coded(events: Events, plan: Plan) -> ir.Table:
    """Return the rows of an event set's table whose codes match: the first of each person, or all."""
    place = events.place
    table = _table(events, plan)
    if place.via:
        table = _through_visit(table, place)
    tests = [table[place.start].notnull(), table.person_id.notnull()]
    table = table.filter(*tests, *([holds_code(events.codes, place, table, plan)] if events.codes else []))
    if not events.first:
        return table
    order = ibis.window(group_by="person_id", order_by=[place.start, place.key])
    return table.mutate(_place=ibis.row_number().over(order)).filter(ibis._["_place"] == 0)


def end_date(table: ir.Table, domain: Domain) -> ir.DateValue:
    """Return an event's end: as recorded, else after the days supplied, else the day after its start."""
    start = table[domain.start]
    known = [table[domain.end]] if domain.end else []
    supplied = [add_days(start, table[domain.supply])] if domain.supply else []
    last = add_days(start, 1)
    return ibis.coalesce(*known, *supplied, last) if known or supplied else last


def add_days(day: ir.DateValue, days: int | ir.IntegerValue) -> ir.DateValue:
    """Add days to a date; the casts keep it a date in DuckDB, where a date plus an interval is a timestamp."""
    interval = ibis.interval(days=days) if isinstance(days, int) else days.as_interval("D")
    return (day.cast("timestamp") + interval).cast("date")


def _table(events: Events, plan: Plan) -> ir.Table:
    """Choose where to read: rows shared with other event sets, the projection by concept, or the table."""
    shared = plan.shared.get(events)
    if shared is not None:
        return shared
    by_concept = events.codes is not None and code_columns(events.codes, events.place) == (events.place.concept,)
    table = events.place.table
    return source(BY_CONCEPT.get(table, table) if by_concept else table, columns_read(events))


def columns_read(events: Events) -> tuple[str, ...]:
    """Name the columns of its own table that an event set reads: its identity, its codes and what its conditions ask for."""
    place = events.place
    dated = () if place.via else ("person_id", place.start, place.start_time, place.end)
    asked = [name for condition in events.conditions if condition.operator != "contains" for name in (condition.field, condition.of)]
    fields = [place.fields[name] for name in asked if name in place.fields]
    reached = {"": tuple(field.column for field in fields if not field.via), "provider": ("provider_id",)}
    if place.table == "visit_occurrence":  # a visit's own fields are read where they stand
        reached |= {"visit": tuple(field.column for field in fields if field.via == "visit"), "care_site": ("care_site_id",)}
    found = [column for via in ("", *(field.via for field in fields)) for column in reached.get(via, ())]
    coded = code_columns(events.codes, place) if events.codes else ()
    return tuple(dict.fromkeys(name for name in (place.key, *dated, place.supply, place.visit, place.concept, *coded, *found) if name))


def _through_visit(table: ir.Table, domain: Domain) -> ir.Table:
    """Give rows of a table without person and dates those of their visit."""
    visits = source(domain.via, ("visit_occurrence_id", "person_id", domain.start, domain.start_time, domain.end))
    return table.inner_join(visits, table[domain.visit] == visits.visit_occurrence_id).drop("visit_occurrence_id")


def _with_look_ups(events: Events, rows: ir.Table) -> ir.Table:
    """Add the columns of visit, care site, provider and person that the conditions ask for."""
    domain = events.place
    asked = {name for condition in events.conditions for name in (condition.field, condition.of) if name}
    fields = [domain.fields[name] for name in sorted(asked & set(domain.fields)) if domain.fields[name].via]
    wanted = {via: sorted({field.column for field in fields if field.via == via}) for via in ("visit", "care_site", "provider")}
    if wanted["care_site"]:
        wanted["visit"] = sorted({*wanted["visit"], "care_site_id"})
    if wanted["visit"] and domain.table == "visit_occurrence":
        rows = rows.mutate(**{f"visit__{column}": column for column in wanted["visit"]})
    elif wanted["visit"]:
        rows = _looked_up(rows, domain.visit, "visit_occurrence", "visit", wanted["visit"])
    if wanted["care_site"]:
        rows = _looked_up(rows, "visit__care_site_id", "care_site", "care_site", wanted["care_site"])
    if wanted["provider"]:
        rows = _looked_up(rows, "provider_id", "provider", "provider", wanted["provider"])
    if asked & set(_OF_PERSON):
        person = source("person", ("person_id", *BIRTH)).select(_person_key="person_id", **{name: name for name in BIRTH})
        rows = rows.left_join(person, rows.person_id == person._person_key)
    return rows


def _looked_up(rows: ir.Table, key: str, table: str, via: str, columns: Sequence[str]) -> ir.Table:
    found = source(table, (f"{table}_id", *columns))
    found = found.select(**{f"_{via}_key": f"{table}_id"}, **{f"{via}__{column}": column for column in columns})
    return rows.left_join(found, rows[key] == found[f"_{via}_key"])
