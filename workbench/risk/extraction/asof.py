"""What was known of each row at its prediction: records joined to predictions as of their times, and one value picked of them.

One expression serves tables and stores. It reads the records once for all features, and gives the same bits whatever the order of the
records: sums are taken in an order that the values themselves fix.
"""

from __future__ import annotations

from functools import cache, reduce
from typing import TYPE_CHECKING

import ibis
import pyarrow as pa

from workbench.cohort.plan import to_sql
from workbench.errors import DataError, DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    import ibis.expr.types as ir
    import pandas as pd

__all__ = ["HOUR_US", "PICKS", "RECORD_SCHEMA", "ROW_SCHEMA", "WANTED_SCHEMA", "asof", "collect", "counting", "end_of_day", "unbound"]

#: A prediction a row.
ROW_SCHEMA = pa.schema([("row", pa.int64()), ("person", pa.int64()), ("predicted_at", pa.timestamp("us"))])

#: What was recorded of a person, and when it was available. An event has no value.
RECORD_SCHEMA = pa.schema([("person", pa.int64()), ("item", pa.string()), ("time", pa.timestamp("us")), ("value", pa.float64())])

#: What is wanted of which item; no look-back reaches as far as the record goes. A feature may have several items, with one pick.
WANTED_SCHEMA = pa.schema(
    [
        ("feature", pa.string()),
        ("item", pa.string()),
        ("pick", pa.string()),
        ("look_back_hours", pa.float64()),
        ("gap_hours", pa.float64()),
    ]
)

_NUMBERED = RECORD_SCHEMA.append(pa.field("record", pa.int64()))

#: Microseconds an hour.
HOUR_US = 3_600_000_000

#: How one value is picked of several.
PICKS = ("last", "first", "min", "max", "mean", "slope", "count", "any")

_COUNTED = ("count", "any")


def asof(rows: ir.Table, records: ir.Table, wanted: ir.Table, *, picks: Collection[str] | None = None) -> ir.Table:
    """Aggregate what was known of each row before its prediction.

    A record counts for a feature where ``predicted_at - look_back <= time < predicted_at - gap``. Where a value is wanted, a record whose
    value is missing (or not a number) does not count; ``count`` and ``any`` count it.

    ``last`` and ``first`` take the greatest value of those with the same time; ``slope`` is that of least squares, per day, and missing
    with fewer than two different times; ``any`` is 1.

    Parameters
    ----------
    rows, records, wanted : ibis Table
        With the columns of :data:`ROW_SCHEMA`, :data:`RECORD_SCHEMA` and :data:`WANTED_SCHEMA`, times as ``timestamp(6)``; a feature may
        also be a number.
    picks : collection of str, optional
        Those that `wanted` holds, of :data:`PICKS`; all by default. The fewer, the faster.

    Returns
    -------
    ibis Table
        ``row``, ``feature``, ``value`` (float64), ``records`` (how many counted) and ``nearest_hours`` (the least time between one of them
        and the prediction), a row for each row and feature of which anything was known.

    Examples
    --------
    >>> tables = unbound("rows", ROW_SCHEMA), unbound("records", RECORD_SCHEMA), unbound("wanted", WANTED_SCHEMA)
    >>> asof(*tables, picks=["last"]).columns
    ('row', 'feature', 'value', 'records', 'nearest_hours')
    """
    picks = PICKS if picks is None else tuple(pick for pick in PICKS if pick in picks)
    counted = _counted(rows, records, wanted)
    if "slope" in picks:
        counted = counted.mutate(newest_us=counted.age_us.min().over(ibis.window(group_by=["row", "feature"])))
    grouped = counted.group_by("row", "feature", "pick").agg(
        records=counted.count(),
        nearest_hours=counted.age_us.min() / HOUR_US,
        **{f"_{pick}": _REDUCE[pick](counted, counted.pick == pick) for pick in picks if pick in _REDUCE},
        **(_slope_parts(counted) if "slope" in picks else {}),
    )
    return grouped.select("row", "feature", value=_value(grouped, picks), records="records", nearest_hours="nearest_hours")


def _counted(rows: ir.Table, records: ir.Table, wanted: ir.Table) -> ir.Table:
    """Pair records with the rows and features that they count for; ``age_us`` is their time before the prediction."""
    known = records.mutate(value=ibis.ifelse(records.value.isnan(), ibis.null("float64"), records.value))
    near = rows.inner_join(known, "person").inner_join(wanted, "item")
    near = near.mutate(age_us=near.predicted_at.delta(near.time, unit="microsecond"))
    far = (near.look_back_hours * HOUR_US).round()
    near = near.filter(near.age_us > (near.gap_hours * HOUR_US).round(), (near.age_us <= far) | near.look_back_hours.isnull())
    return near.filter(near.value.notnull() | near.pick.isin(_COUNTED))


def _mean(near: ir.Table, where: ir.BooleanValue) -> ir.Value:
    return near.value.collect(where=where).sort().means()


def _edge(latest: bool) -> Callable[[ir.Table, ir.BooleanValue], ir.Value]:
    """Take the value at the least or the greatest age; of equal ages the greatest value."""

    def pick(near: ir.Table, where: ir.BooleanValue) -> ir.Value:
        age = -near.age_us if latest else near.age_us
        return near.value.argmax(ibis.struct({"age": age, "value": near.value}), where=where)

    return pick


def _slope_parts(near: ir.Table) -> dict[str, ir.Value]:
    """Sum what least squares need; days count from the newest record, so that no digits are lost to its distance."""
    day = (near.newest_us - near.age_us) / (24.0 * HOUR_US)
    where = near.pick == "slope"
    parts = {"x": day, "y": near.value, "xx": day * day, "xy": day * near.value}
    return {f"_{name}": _sum(part, where) for name, part in parts.items()} | {"_oldest": day.min(where=where)}


def _sum(values: ir.FloatingColumn, where: ir.BooleanValue) -> ir.FloatingValue:
    return values.collect(where=where).sort().sums()


def _slope(grouped: ir.Table) -> ir.Value:
    n, x, y = grouped.records, grouped["_x"], grouped["_y"]
    slope = (n * grouped["_xy"] - x * y) / (n * grouped["_xx"] - x * x)
    return ibis.ifelse(grouped["_oldest"] < 0, slope, ibis.null("float64"))


def _value(grouped: ir.Table, picks: tuple[str, ...]) -> ir.Value:
    """Take what the row's own pick says."""
    made = {pick: grouped[f"_{pick}"] for pick in picks if f"_{pick}" in grouped.columns}
    made |= {"count": grouped.records.cast("float64"), "any": ibis.literal(1.0)}
    if "slope" in picks:
        made["slope"] = _slope(grouped)
    return reduce(lambda other, pick: ibis.ifelse(grouped.pick == pick, made[pick], other), picks, ibis.null("float64"))


_REDUCE: dict[str, Callable[[ir.Table, ir.BooleanValue], ir.Value]] = {
    "last": _edge(latest=True),
    "first": _edge(latest=False),
    "min": lambda near, where: near.value.min(where=where),
    "max": lambda near, where: near.value.max(where=where),
    "mean": _mean,
}


def end_of_day(day: ir.DateValue | pd.Series) -> ir.TimestampValue | pd.Series:
    """Return the last microsecond of a day: when what has a date and no time was available at the latest.

    Parameters
    ----------
    day : ibis date or Series of datetime64
        Days without a time.

    Returns
    -------
    ibis timestamp or Series of datetime64
        Of the same kind.
    """
    if isinstance(day, ibis.Value):
        return day.cast("timestamp(6)") + ibis.interval(days=1) - ibis.interval(microseconds=1)
    import pandas as pd

    return day.dt.normalize() + pd.Timedelta(days=1) - pd.Timedelta(microseconds=1)


def collect(rows: pd.DataFrame, records: pd.DataFrame | pa.Table, wanted: pd.DataFrame) -> pd.DataFrame:
    """Run :func:`asof` on frames.

    Parameters
    ----------
    rows : DataFrame
        ``row``, ``person``, ``predicted_at``.
    records : DataFrame or pyarrow.Table
        ``person``, ``item``, ``time``, ``value``; a value may be missing.
    wanted : DataFrame
        ``feature``, ``item``, ``pick``, ``look_back_hours`` (missing: as far as the record goes), ``gap_hours``.

    Returns
    -------
    DataFrame
        ``row``, ``feature``, ``value``, ``records``, ``nearest_hours``; in order of row and feature.

    Raises
    ------
    DataError
        If a column is missing or does not hold what it should.
    DefinitionError
        If a pick is unknown.

    Examples
    --------
    >>> import pandas as pd
    >>> noon = pd.Timestamp("2024-03-01 12:00")
    >>> rows = pd.DataFrame({"row": [0], "person": [7], "predicted_at": [noon]})
    >>> times = [noon - pd.Timedelta(hours=5), noon - pd.Timedelta(hours=2), noon]
    >>> records = pd.DataFrame({"person": 7, "item": "LDH", "time": times, "value": [300.0, 250.0, 900.0]})
    >>> wanted = pd.DataFrame({"feature": ["LDH"], "item": ["LDH"], "pick": ["last"], "look_back_hours": [24.0], "gap_hours": [0.0]})
    >>> collect(rows, records, wanted)
       row feature  value  records  nearest_hours
    0    0     LDH  250.0        2            2.0
    """
    unknown = sorted(set(wanted["pick"]) - set(PICKS)) if "pick" in wanted else []
    if unknown:
        raise DefinitionError(f"there is no pick {unknown[0]!r}", hint=f"one of: {', '.join(PICKS)}")
    return _run(
        _statement(frozenset(wanted["pick"])), rows=(rows, ROW_SCHEMA), records=(records, RECORD_SCHEMA), wanted=(wanted, WANTED_SCHEMA)
    )


def counting(rows: pd.DataFrame, records: pd.DataFrame, wanted: pd.DataFrame) -> pd.DataFrame:
    """Return the records that count in :func:`collect`, before one value is picked of them; its parameters are the same.

    Returns
    -------
    DataFrame
        ``row``, ``feature``, ``record`` (place in `records`), ``value`` and ``age_us`` (microseconds before the prediction), the newest of
        each row and feature first.

    Examples
    --------
    >>> import pandas as pd
    >>> noon = pd.Timestamp("2024-03-01 12:00")
    >>> rows = pd.DataFrame({"row": [0], "person": [7], "predicted_at": [noon]})
    >>> times = [noon - pd.Timedelta(hours=5), noon - pd.Timedelta(hours=2), noon]
    >>> records = pd.DataFrame({"person": 7, "item": "LDH", "time": times, "value": [300.0, 250.0, 900.0]})
    >>> wanted = pd.DataFrame({"feature": ["LDH"], "item": ["LDH"], "pick": ["last"], "look_back_hours": [24.0], "gap_hours": [0.0]})
    >>> counting(rows, records, wanted)["record"].tolist()
    [1, 0]
    """
    numbered = records.assign(record=range(len(records)))
    return _run(_counting_statement(), rows=(rows, ROW_SCHEMA), records=(numbered, _NUMBERED), wanted=(wanted, WANTED_SCHEMA))


def _run(statement: str, **given: tuple[pd.DataFrame | pa.Table, pa.Schema]) -> pd.DataFrame:
    import duckdb

    tables = {name: _as_arrow(name, table, schema) for name, (table, schema) in given.items()}
    with duckdb.connect() as connection:
        connection.execute("SET preserve_insertion_order = false")
        for name, table in tables.items():
            connection.register(f"_{name}", table)
        return connection.sql(statement).df()


@cache
def _counting_statement() -> str:
    counted = _counted(unbound("_rows", ROW_SCHEMA), unbound("_records", _NUMBERED), unbound("_wanted", WANTED_SCHEMA))
    return to_sql(counted.select("row", "feature", "record", "value", "age_us").order_by("row", "feature", "age_us", "record"))


@cache
def _statement(picks: frozenset[str]) -> str:
    tables = (unbound("_rows", ROW_SCHEMA), unbound("_records", RECORD_SCHEMA), unbound("_wanted", WANTED_SCHEMA))
    return to_sql(asof(*tables, picks=picks).order_by("row", "feature"))


def unbound(name: str, schema: pa.Schema) -> ir.Table:
    """Return a table of the runner's, to be named in an expression."""
    return ibis.table(ibis.Schema.from_pyarrow(schema), name=name)


def _as_arrow(name: str, table: pd.DataFrame | pa.Table, schema: pa.Schema) -> pa.Table:
    missing = [column for column in schema.names if column not in (table.column_names if isinstance(table, pa.Table) else table.columns)]
    if missing:
        raise DataError(f"{name} have no column {missing[0]!r}", hint=f"wanted: {', '.join(schema.names)}")
    try:
        whole = (
            table.select(schema.names) if isinstance(table, pa.Table) else pa.Table.from_pandas(table[schema.names], preserve_index=False)
        )
        return pa.table([whole[field.name].cast(field.type, safe=False) for field in schema], schema=schema)
    except pa.ArrowException as error:
        raise DataError(f"{name} do not fit {schema.names}: {type(error).__name__}", hint="numbers as numbers, times as times") from None
