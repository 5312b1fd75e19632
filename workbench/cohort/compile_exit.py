"""From kept entries to the rows of a cohort: end dates, censoring, merging, clipping."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis

from workbench.cohort.compile_criteria import union_of
from workbench.cohort.compile_events import add_days

if TYPE_CHECKING:
    from datetime import date

    import ibis.expr.types as ir

    from workbench.cohort.plan import Plan
    from workbench.cohort.query import Cohort, Events, Exit

__all__ = ["exit_rows", "merge_runs"]


def exit_rows(cohort: Cohort, kept: ir.Table, plan: Plan) -> ir.Table:
    """Give kept entries their end dates and return the cohort's rows.

    Parameters
    ----------
    cohort : Cohort
        For exit, censor, collapse_gap_days and date_range.
    kept : ibis Table
        Entries with ``period_start`` and ``period_end``, which are null where no observation period holds the index date.
    plan : Plan
        Takes the steps.

    Returns
    -------
    ibis Table
        Columns person_id, start_date, end_date.
    """
    ended = _with_end(cohort.exit, kept, plan)
    ended = ended.mutate(end_date=_earlier(ended.end_date, ended.period_end))
    if cohort.censor:
        ended = _censored(cohort.censor, ended, plan)
    rows = ended.filter(ended.end_date >= ended.index_date).select("person_id", "end_date", start_date="index_date")
    if cohort.collapse_gap_days is not None:
        rows = merge_runs(rows, cohort.collapse_gap_days)
    return _clipped(rows, *cohort.date_range).select("person_id", "start_date", "end_date")


def merge_runs(rows: ir.Table, gap_days: int) -> ir.Table:
    """Merge rows of a person that start at most `gap_days` after the latest end before them."""
    order = {"group_by": "person_id", "order_by": ["start_date", "end_date"]}
    rows = rows.mutate(_latest=rows.end_date.max().over(ibis.window(**order, preceding=(None, 1))))
    rows = rows.mutate(_opens=(rows._latest.isnull() | (rows.start_date.delta(rows._latest, unit="day") > gap_days)).cast("int64"))
    # Of rows that are alike the one that opens a run comes first, whichever the window above took for it.
    order["order_by"] = [*order["order_by"], ibis.desc("_opens")]
    rows = rows.mutate(_run=rows._opens.sum().over(ibis.window(**order, preceding=(None, 0))))
    return rows.group_by("person_id", "_run").agg(start_date=rows.start_date.min(), end_date=rows.end_date.max()).drop("_run")


def _with_end(rule: Exit, kept: ir.Table, plan: Plan) -> ir.Table:
    edge = kept.index_date if rule.edge == "start" else kept.event_end_date
    until = ibis.coalesce(kept.period_end, kept.event_end_date)
    if rule.kind == "offset":
        return kept.mutate(end_date=add_days(edge, rule.days))
    if rule.kind == "observation":
        return kept.mutate(end_date=until)
    runs = merge_runs(_lasting(rule, plan), rule.gap_days)
    runs = plan.keep(runs.select(_run_person="person_id", _run_start="start_date", _run_end="end_date"), "runs")
    holds = [kept.person_id == runs._run_person, kept.index_date >= runs._run_start, kept.index_date <= runs._run_end]
    found = kept.inner_join(runs, holds).group_by("entry_id").agg(_run_end=ibis._["_run_end"].max())
    found = found.select(_run_entry="entry_id", _run_end="_run_end")
    joined = kept.left_join(found, kept.entry_id == found._run_entry)
    return joined.mutate(end_date=ibis.coalesce(joined._run_end, until)).drop("_run_entry", "_run_end")


def _lasting(rule: Exit, plan: Plan) -> ir.Table:
    """Return the events that keep an era alive, each for as long as it lasts."""
    events = union_of(rule.events, plan)
    end = events.end_date if rule.supply_days is None else add_days(events.start_date, rule.supply_days)
    return events.select("person_id", "start_date", end_date=add_days(end, rule.days))


def _censored(censor: tuple[Events, ...], ended: ir.Table, plan: Plan) -> ir.Table:
    events = union_of(censor, plan).select(_censor_person="person_id", _censor_date="start_date")
    after = [ended.person_id == events._censor_person, events._censor_date >= ended.index_date]
    first = ended.inner_join(events, after).group_by("entry_id").agg(_censor_date=ibis._["_censor_date"].min())
    first = plan.keep(first.select(_censor_entry="entry_id", _censor_date="_censor_date"), "censored")
    joined = ended.left_join(first, ended.entry_id == first._censor_entry)
    return joined.mutate(end_date=_earlier(joined.end_date, joined._censor_date)).drop("_censor_entry", "_censor_date")


def _clipped(rows: ir.Table, low: date | None, high: date | None) -> ir.Table:
    if low is not None:
        rows = rows.mutate(start_date=ibis.greatest(rows.start_date, ibis.literal(low)))
    if high is not None:
        rows = rows.mutate(end_date=ibis.least(rows.end_date, ibis.literal(high)))
    return rows.filter(rows.start_date <= rows.end_date) if (low or high) else rows


def _earlier(day: ir.DateValue, limit: ir.DateValue) -> ir.DateValue:
    return ibis.ifelse(limit.notnull() & (limit < day), limit, day)
