"""Conditions on the fields of an event as boolean columns; the nodes have checked operators and values already."""

from __future__ import annotations

from functools import reduce
from operator import and_, eq, ge, gt, le, lt, ne, or_
from typing import TYPE_CHECKING

import ibis

from workbench.cohort.query import COMMON_FIELDS
from workbench.cohort.words import normalise
from workbench.domains import SEXES, Domain, Field

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import ibis.expr.types as ir

    from workbench.cohort.plan import Plan
    from workbench.cohort.query import Condition, Scalar

__all__ = ["age_in_years", "calendar_age", "compare", "concept_ids", "holds_condition", "via_column"]

_COMPARE: dict[str, Callable[[ir.Value, ir.Value], ir.BooleanValue]] = {"eq": eq, "ne": ne, "lt": lt, "le": le, "gt": gt, "ge": ge}

#: Operators that DuckDB answers with true for a NaN, which is a missing value here.
_TRUE_FOR_NAN = ("ne", "gt", "ge", "not_in", "not_between")


def via_column(field: Field) -> str:
    """Name the column that holds a field: its own, or the one that the look-up through visit or provider adds."""
    return f"{field.via}__{field.column}" if field.via else field.column


def holds_condition(condition: Condition, domain: Domain, rows: ir.Table, plan: Plan) -> ir.BooleanValue:
    """Say of each row whether it meets a condition; false or null where a value is missing.

    Parameters
    ----------
    condition : Condition
        The condition, whose field the domain has.
    domain : Domain
        Where the rows come from.
    rows : ibis Table
        The domain's columns, those of :func:`via_column`, and ``start_date``, ``end_date``, ``gender_concept_id`` and the
        columns of birth where the condition needs them.
    plan : Plan
        Takes the search for a text.
    """
    field = domain.fields.get(condition.field, Field(condition.field, COMMON_FIELDS.get(condition.field, "")))
    if condition.operator == "contains":
        needles = tuple(normalise(str(value)) for value in condition.values)
        return rows[domain.key].isin(plan.text(domain.table, domain.key, field.column, needles).key)
    column = _column(condition.field, domain, rows)
    if condition.of:
        column = column.cast("float64") / _column(condition.of, domain, rows).cast("float64").nullif(0.0)
    if field.kind == "concept" and condition.values:
        ids = concept_ids(condition.values, SEXES if condition.field == "sex" else field.words)
        return column.isin(ids) if condition.operator in ("eq", "in") else column.notin(ids)
    return compare(column, condition.operator, condition.values)


def compare(column: ir.Value, operator: str, values: Sequence[Scalar]) -> ir.BooleanValue:
    """Compare a number, text or date with values; null wherever the column is missing."""
    nan = column.isnan() if column.type().is_floating() else ibis.literal(False)
    if operator in ("is_missing", "is_present"):
        missing = column.isnull() | nan
        return missing if operator == "is_missing" else ~missing
    answer = _ordered(column, operator, [_literal(value) for value in values])
    return answer & ~nan if column.type().is_floating() and operator in _TRUE_FOR_NAN else answer


def concept_ids(values: Sequence[Scalar], words: Mapping[str, tuple[int, ...]]) -> list[int]:
    """Return concept ids for ids and words."""
    return sorted({id_ for value in values for id_ in (words[value] if isinstance(value, str) else (int(value),))})


def calendar_age(day: ir.DateValue, year_of_birth: ir.IntegerValue) -> ir.IntegerValue:
    """Subtract years (circe-be's age)."""
    return day.year() - year_of_birth


def age_in_years(day: ir.DateValue, born: ir.Table) -> ir.IntegerValue:
    """Return the age by birthday; a missing month reads as July, a missing day as the 1st."""
    birthday = born.month_of_birth.fill_null(7) * 100 + born.day_of_birth.fill_null(1)
    before = day.month() * 100 + day.day() < birthday
    return day.year() - born.year_of_birth - before.cast("int64")


def _column(name: str, domain: Domain, rows: ir.Table) -> ir.Value:
    common: dict[str, Callable[[], ir.Value]] = {
        "start": lambda: rows.start_date,
        "end": lambda: rows.end_date,
        "duration_days": lambda: rows.end_date.delta(rows.start_date, unit="day"),
        "age": lambda: age_in_years(rows.start_date, rows),
        "calendar_age": lambda: calendar_age(rows.start_date, rows.year_of_birth),
        "sex": lambda: rows.gender_concept_id,
    }
    return common[name]() if name in common else rows[via_column(domain.fields[name])]


def _ordered(column: ir.Value, operator: str, values: Sequence[ir.Value]) -> ir.BooleanValue:
    if operator in _COMPARE:
        return _COMPARE[operator](column, values[0])
    if operator == "between":
        return (column >= values[0]) & (column <= values[1])
    if operator == "not_between":
        return (column < values[0]) | (column > values[1])
    if operator == "in":
        return reduce(or_, [column == value for value in values])
    return reduce(and_, [column != value for value in values])


def _literal(value: Scalar) -> ir.Value:
    if isinstance(value, float):  # a decimal literal would be rounded twice on its way to a double
        return ibis.literal(repr(value)).cast("float64")
    return ibis.literal(value)
