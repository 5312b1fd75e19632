"""Judging rows: which may enter a snapshot, which are mended, which are refused and why. All of it is one SQL scan a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.ingest.omop import Prepared, cast_sql, fill_sql, missing_sql, null_sql
from workbench.ingest.sources import identifier
from workbench.store.arrange import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.tables import Column, Table

__all__ = ["BORN", "judge_sql", "repeats_sql"]

#: Table of accepted persons and the first day on which each can have been born.
BORN = "born"

_FIRST_YEAR, _LAST_YEAR = 1850, 2100


def judge_sql(prepared: Prepared) -> str:
    """Write the query that casts, mends and judges every row of a source table.

    Parameters
    ----------
    prepared : Prepared
        The source table and its columns. Where the table has a person, :data:`BORN` must be there.

    Returns
    -------
    str
        SQL whose rows have the columns of the contract, then ``_refused``, ``_emptied`` and ``_mended`` (lists of
        ``column|rule``) and ``_source`` (the source row as JSON, where it was refused or lost a value).
    """
    declared = prepared.declared
    names = ", ".join(identifier(name) for name in declared.names)
    return f"""
        WITH typed AS ({_typed(prepared)}),
        bounded AS ({_bounded(declared)}),
        filled AS ({_filled(prepared)}),
        judged AS ({_judged(declared)})
        SELECT {names}, _refused, _emptied, _mended,
               CASE WHEN len(_refused) + len(_emptied) > 0 THEN CAST(to_json(_raw) AS VARCHAR) END AS _source
        FROM judged"""


def _reasons(cases: list[tuple[str, str]]) -> str:
    """Write the list of the names of those conditions that hold; lists are costly, so first whether any does."""
    nothing = "CAST([] AS VARCHAR[])"
    if not cases:
        return nothing
    some = " OR ".join(f"({condition})" for condition, _ in cases)
    items = ", ".join(f"CASE WHEN {condition} THEN {quoted(reason)} END" for condition, reason in cases)
    return f"CASE WHEN {some} THEN list_filter([{items}], lambda reason: reason IS NOT NULL) ELSE {nothing} END"


def _typed(prepared: Prepared) -> str:
    """Cast each column; a value that says something and does not fit is emptied."""
    parts, lost = [], []
    for column in prepared.declared.columns:
        found = prepared.columns.get(column.name)
        if found is None:
            parts.append(f"{null_sql(column)} AS {identifier(column.name)}")
            continue
        source, kind = f"r.{identifier(found)}", prepared.source.columns[found]
        value = cast_sql(source, kind, column)
        parts.append(f"{value} AS {identifier(column.name)}")
        if column.type != "text":
            lost.append((f"({value}) IS NULL AND NOT {missing_sql(source, kind, column)}", f"{column.name}|not of type {column.type}"))
    return f"SELECT {', '.join(parts)}, {_reasons(lost)} AS _emptied, r AS _raw FROM {prepared.source.relation} AS r"


def _breaks_bounds(column: Column) -> list[str]:
    name = identifier(column.name)
    conditions = []
    if column.minimum is not None:
        conditions.append(f"{name} < {column.minimum}")
    if column.maximum is not None:
        conditions.append(f"{name} > {column.maximum}")
    if column.allowed:
        conditions.append(f"{name} NOT IN ({', '.join(map(quoted, column.allowed))})")
    return conditions


def _bounded(declared: Table) -> str:
    """Empty an optional value that is outside its bounds."""
    bounds = {
        column.name: " OR ".join(_breaks_bounds(column)) for column in declared.columns if _breaks_bounds(column) and not column.required
    }
    if not bounds:
        return "SELECT * FROM typed"
    replaced = ", ".join(
        f"CASE WHEN {broken} THEN NULL ELSE {identifier(name)} END AS {identifier(name)}" for name, broken in bounds.items()
    )
    lost = _reasons([(broken, f"{name}|outside its range") for name, broken in bounds.items()])
    return f"SELECT * REPLACE ({replaced}, list_concat(_emptied, {lost}) AS _emptied) FROM typed"


def _filled(prepared: Prepared) -> str:
    """Fill required values that something can stand in for."""
    fills = {}
    for column in prepared.declared.columns:
        fill = fill_sql(prepared.declared, column, absent=column.name not in prepared.columns) if column.required else None
        if fill is not None:
            fills[column.name] = fill
    if not fills:
        return f"SELECT *, {_reasons([])} AS _mended FROM bounded"
    replaced = ", ".join(f"coalesce({identifier(name)}, {value}) AS {identifier(name)}" for name, (value, _) in fills.items())
    mended = _reasons(
        [(f"{identifier(name)} IS NULL AND ({value}) IS NOT NULL", f"{name}|{rule}") for name, (value, rule) in _row_wise(fills)]
    )
    return f"SELECT * REPLACE ({replaced}), {mended} AS _mended FROM bounded"


def _row_wise(fills: dict[str, tuple[str, str]]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Give fills with a condition that needs no window: whether a number was given does not depend on which."""
    for name, (value, rule) in fills.items():
        yield name, ("1" if "OVER ()" in value else value, rule)


def _judged(declared: Table) -> str:
    cases = list(_refusals(declared))
    if not declared.person or declared.name == "person":
        return f"SELECT *, {_reasons(cases)} AS _refused FROM filled"
    return f"SELECT filled.*, {_reasons(cases)} AS _refused FROM filled LEFT JOIN {BORN} ON {BORN}.person = filled.{declared.person}"


def _refusals(declared: Table) -> Iterator[tuple[str, str]]:
    """List (condition, reason) of what keeps a row out."""
    for column in declared.columns:
        if column.required:
            yield f"{identifier(column.name)} IS NULL", f"{column.name}|required value missing"
            yield from ((broken, f"{column.name}|outside its range") for broken in _breaks_bounds(column))
    if declared.person and declared.name != "person":
        yield f"{declared.person} IS NOT NULL AND {BORN}.person IS NULL", f"{declared.person}|no such person"
    if declared.start:
        start = identifier(declared.start)
        yield f"year({start}) NOT BETWEEN {_FIRST_YEAR} AND {_LAST_YEAR}", f"{declared.start}|year outside {_FIRST_YEAR} to {_LAST_YEAR}"
        yield f"{start} < {BORN}.earliest", f"{declared.start}|before birth"
    if declared.end:
        yield f"{identifier(declared.end)} < {identifier(declared.start)}", f"{declared.end}|before {declared.start}"
    if {"span_start", "span_end"} <= set(declared.names):
        yield "span_end <= span_start", "span_end|not after span_start"


def repeats_sql(declared: Table, judged: str, repeated: str, *, referenced: bool) -> str:
    """Write the query that settles rows which share a key.

    Rows alike in every column are one row: the others are refused. Where they differ, each is a fact of its own under a
    number that was given twice: in tables that no other refers to, all but the first get a new number; in the others, where
    a new number would cut what refers to the row, all but the first are refused.

    Parameters
    ----------
    declared : Table
        The table; its key has at least one column.
    judged : str
        Relation with the rows of :func:`judge_sql`.
    repeated : str
        Relation with the keys that more than one accepted row has; only their rows are ranked.
    referenced : bool
        Whether other tables refer to this one by its key.

    Returns
    -------
    str
        SQL with the same columns.
    """
    key = ", ".join(identifier(name) for name in declared.key)
    everything = ", ".join(identifier(name) for name in declared.names)
    ranked = f"""SELECT *, row_number() OVER (PARTITION BY {key} ORDER BY {everything}) AS _nth,
                        row_number() OVER (PARTITION BY {everything}) AS _same
                 FROM {judged} SEMI JOIN {repeated} USING ({key}) WHERE len(_refused) = 0"""
    refused = f"SELECT * FROM {judged} WHERE len(_refused) > 0"
    alone = f"SELECT * FROM {judged} ANTI JOIN {repeated} USING ({key}) WHERE len(_refused) = 0"
    settle = _refuse_repeats if referenced or not _has_surrogate(declared) else _renumber_repeats
    return f"{refused} UNION ALL {alone} UNION ALL SELECT * EXCLUDE (_nth, _same) REPLACE ({settle(declared, judged)}) FROM ({ranked})"


def _has_surrogate(declared: Table) -> bool:
    return len(declared.key) == 1 and declared.key != ("person_id",) and declared[declared.key[0]].type == "integer"


def _refuse_repeats(declared: Table, _judged: str) -> str:
    name = declared.key[0]
    return f"""CASE WHEN _same > 1 THEN ['{name}|row is there twice'] WHEN _nth > 1 THEN ['{name}|key is there twice']
                    ELSE _refused END AS _refused,
               CASE WHEN _nth > 1 THEN CAST(to_json(struct_pack({_packed(declared)})) AS VARCHAR) ELSE _source END AS _source"""


def _renumber_repeats(declared: Table, judged: str) -> str:
    name = declared.key[0]
    again = "_nth > 1 AND _same = 1"
    everything = ", ".join(identifier(column) for column in declared.names)
    number = f"(SELECT max({name}) FROM {judged}) + row_number() OVER (PARTITION BY {again} ORDER BY {everything})"
    return f"""CASE WHEN _same > 1 THEN ['{name}|row is there twice'] ELSE _refused END AS _refused,
               CASE WHEN _same > 1 THEN CAST(to_json(struct_pack({_packed(declared)})) AS VARCHAR) ELSE _source END AS _source,
               CASE WHEN {again} THEN list_append(_mended, '{name}|key is there twice: new number') ELSE _mended END AS _mended,
               CASE WHEN {again} THEN {number} ELSE {name} END AS {name}"""


def _packed(declared: Table) -> str:
    return ", ".join(f"{identifier(name)} := {identifier(name)}" for name in declared.names)
