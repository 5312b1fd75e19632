"""Definitions compiled to SQL: frozen nodes -> ibis expressions -> statements (:class:`workbench.cohort.plan.Script`).

ibis is used as a compiler only; nothing here reads data or knows a connection.
"""

from __future__ import annotations

from functools import lru_cache, reduce
from operator import add
from typing import TYPE_CHECKING

import ibis

from workbench.cohort.compile_criteria import judge, observed, union_of, with_period
from workbench.cohort.compile_exit import exit_rows
from workbench.cohort.compile_listing import listed_events
from workbench.cohort.plan import Output, Plan, Script, sources, to_sql
from workbench.cohort.query import Cohort
from workbench.cohort.shared_scans import read_events, share_scans

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from workbench.cohort.query import Combination, Definition, Entry, Events, Limit, Rule

__all__ = ["ASKED", "compile_definition", "compile_events"]

#: Table of the runner, with one column ``person_id``: whose events are asked for.
ASKED = "_asked"

_ENTRY_COLUMNS = (
    "person_id",
    "index_date",
    "index_datetime",
    "event_end_date",
    "event_set",
    "event_key",
    "visit_occurrence_id",
)


@lru_cache(maxsize=64)
def compile_definition(definition: Definition, *, vocabulary: bool) -> Script:
    """Compile a definition to the statements that answer it.

    Parameters
    ----------
    definition : Cohort or Combination
        What to answer.
    vocabulary : bool
        Whether the store's ``concept`` has rows; without it concept ids are taken as they stand.

    Returns
    -------
    Script
        Statements for DuckDB, to be carried out in order.

    Examples
    --------
    >>> from workbench.cohort.query import Entry, Events
    >>> script = compile_definition(Cohort("死亡", Entry((Events("deaths"),))), vocabulary=False)
    >>> script.output.rows
    'SELECT * FROM "_rows_4" AS "t0" ORDER BY "t0"."person_id" ASC, "t0"."start_date" ASC, "t0"."end_date" ASC'
    """
    plan = _new_plan(vocabulary=vocabulary)
    _compiled(definition, plan)
    return Script(tuple(plan.steps), plan.cohorts[definition][1], frozenset(plan.tables))


@lru_cache(maxsize=256)
def compile_events(events: Events, *, of_asked: bool, vocabulary: bool) -> Script:
    """Compile an event set on its own; the output has the columns of :data:`workbench.cohort.engine.EVENT_SCHEMA`, in its order.

    With `of_asked`, only events of the persons in :data:`ASKED` are listed: a table of the runner's, for thousands of ids
    in the text would take longer to compile than to answer.
    """
    plan = _new_plan(vocabulary=vocabulary)
    rows = listed_events(events, plan, asked=ibis.table({"person_id": "int64"}, name=ASKED) if of_asked else None)
    rows = rows.order_by(["person_id", "start_date", "key"])
    return Script(tuple(plan.steps), Output(rows=to_sql(rows)), frozenset(plan.tables | sources(rows)))


def _new_plan(*, vocabulary: bool) -> Plan:
    plan = Plan(vocabulary=vocabulary, rows_of=lambda definition: _compiled(definition, plan)[0])
    return plan


def _compiled(definition: Definition, plan: Plan) -> tuple[ir.Table, Output]:
    if definition not in plan.cohorts:
        compiler = _compile_cohort if isinstance(definition, Cohort) else _compile_combination
        with plan.scope():
            plan.cohorts[definition] = compiler(definition, plan)
    return plan.cohorts[definition]


def _compile_cohort(cohort: Cohort, plan: Plan) -> tuple[ir.Table, Output]:
    criteria = [rule.criterion for rule in cohort.rules]
    later = read_events([*cohort.exit.events, *cohort.censor], criteria)
    entries = with_period(_entries(cohort.entry, later, plan), criteria, plan, always=True)
    share_scans(later, plan, persons=entries)
    wide, truths = judge(entries, criteria, plan)
    judged = _with_kept(wide.mutate(mask=_mask(truths)), cohort)
    judged = plan.keep(judged.select(*entries.columns, "mask", "kept"), "judged")
    rows = plan.keep(exit_rows(cohort, judged.filter(judged.kept), plan), "rows")
    order = ["person_id", "index_date", "event_set", "event_key"]
    return rows, Output(rows=_ordered_rows(rows), entries=to_sql(judged.select(*_ENTRY_COLUMNS, "mask", "kept").order_by(order)))


def _entries(entry: Entry, later: list[Events], plan: Plan) -> ir.Table:
    """Compile the events that start the clock, with the observation and the limits that the entry asks for.

    A table that the entry reads is read for everything that comes `later` too; the others wait until the persons are known.
    """
    own = read_events(entry.events, [])
    qualifying = read_events([], [entry.qualifying] if entry.qualifying else [])
    share_scans([*own, *qualifying, *later], plan, tables={events.place.table for events in own if events.codes})
    entries = union_of(entry.events, plan).rename(index_date="start_date", index_datetime="start_datetime", event_end_date="end_date")
    if entry.observed is not None:
        entries = observed(entries, entry.observed)
    entries = _limited(entries, entry.limit).select(*_ENTRY_COLUMNS, entry_id=ibis.row_number().over(ibis.window()))
    if entry.qualifying is None:
        return _limited(entries, entry.qualified_limit) if entry.qualified_limit != "all" else entries
    known = with_period(entries, [entry.qualifying], plan)
    share_scans(qualifying, plan, persons=known)
    wide, truths = judge(known, [entry.qualifying], plan)
    return _limited(wide.filter(truths[0]).select("entry_id", *_ENTRY_COLUMNS), entry.qualified_limit)


def _limited(rows: ir.Table, limit: Limit) -> ir.Table:
    """Keep the first, last or all rows of a person."""
    if limit == "all":
        return rows
    return rows.mutate(_place=_place(rows, limit, ["person_id"])).filter(ibis._["_place"] == 0).drop("_place")


def _place(rows: ir.Table, limit: Limit, group: list[str]) -> ir.IntegerValue:
    """Give each row its place among a person's; of several on the last day the first in order counts, as in circe-be."""
    order = [rows.index_date.desc() if limit == "last" else rows.index_date, "event_key", "event_set"]
    return ibis.row_number().over(ibis.window(group_by=group, order_by=order))


def _mask(truths: list[ir.BooleanValue]) -> ir.IntegerValue:
    bits = [truth.cast("int64") * ibis.literal(1 << at, "int64") for at, truth in enumerate(truths)]
    return reduce(add, bits, ibis.literal(0, "int64"))


def _with_kept(rows: ir.Table, cohort: Cohort) -> ir.Table:
    met = (rows.mask & _bits(cohort.rules, "require", "exclude")) == _bits(cohort.rules, "require")
    if cohort.keep == "all":
        return rows.mutate(kept=met)
    rows = rows.mutate(_met=met)
    return rows.mutate(kept=rows._met & (_place(rows, cohort.keep, ["person_id", "_met"]) == 0))


def _bits(rules: tuple[Rule, ...], *kinds: str) -> ir.IntegerScalar:
    return ibis.literal(sum(1 << at for at, rule in enumerate(rules) if rule.kind in kinds), "int64")


def _ordered_rows(rows: ir.Table) -> str:
    return to_sql(rows.order_by(["person_id", "start_date", "end_date"]))


# ------------------------------------------------------------------------------------------------------ combinations


def _compile_combination(combination: Combination, plan: Plan) -> tuple[ir.Table, Output]:
    parts = [_compiled(part, plan) for part in combination.cohorts]
    joined = _COMBINE[combination.operator]([rows for rows, _ in parts])
    rows = plan.keep(joined.select("person_id", "start_date", "end_date"), "rows")
    return rows, Output(rows=_ordered_rows(rows), parts=tuple(output for _, output in parts))


def _union(parts: list[ir.Table]) -> ir.Table:
    """Put rows together; a person's index date is taken from the cohort named first."""
    every = ibis.union(*(rows.mutate(_part=ibis.literal(at, "int64")) for at, rows in enumerate(parts)))
    first = every._part.min().over(ibis.window(group_by=["person_id", "start_date"]))
    return every.mutate(_first=first).filter(ibis._["_part"] == ibis._["_first"])


def _intersection(parts: list[ir.Table]) -> ir.Table:
    return reduce(lambda rows, other: rows.semi_join(other, "person_id"), parts[1:], parts[0])


def _difference(parts: list[ir.Table]) -> ir.Table:
    return reduce(lambda rows, other: rows.anti_join(other, "person_id"), parts[1:], parts[0])


_COMBINE = {"union": _union, "intersection": _intersection, "difference": _difference}
