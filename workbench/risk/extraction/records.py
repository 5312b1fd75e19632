"""Timed results of plain tables: cleaned, a result a row, for the as-of join."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from workbench.errors import DefinitionError
from workbench.risk.cleaning.changes import Change, Cleaned
from workbench.risk.cleaning.clean import LongColumns, clean, clean_long
from workbench.risk.cleaning.values import read_numbers
from workbench.risk.extraction.facts import unusable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workbench.risk.extraction.columns import Columns, Part
    from workbench.risk.extraction.readers import PlainTable

__all__ = ["Records", "joined_repeats", "known_before", "read_lines", "read_records"]

_CELLS = LongColumns(patient="row", item="item", value="value", time="", unit="unit")

#: No results.
_NONE = pd.DataFrame({"item": [], "value": [], "person": [], "taken": [], "known": [], "place": [], "row": []}).astype(
    {"item": object, "value": float, "person": "int64", "taken": "datetime64[ns]", "known": "datetime64[ns]", "place": int, "row": int}
)


class Records(NamedTuple):
    """Results of items.

    Parameters
    ----------
    table : DataFrame
        ``person`` (the place in the index of persons), ``item``, ``value``, ``taken``, ``known``.
    refused : dict of str to Change
        Items that cleaning could not decide, and why; they are not in the table.
    changes : tuple of Change
        What cleaning did.
    """

    table: pd.DataFrame
    refused: dict[str, Change]
    changes: tuple[Change, ...]


def known_before(columns: Columns, last: pd.Series, clock: str) -> Columns:
    """Keep the rows of timed tables whose time lies before the last prediction of their patient.

    Cleaning decides on whole columns: what it decides on must not hold what nobody knew yet.

    Parameters
    ----------
    columns : Columns
        The tables.
    last : Series of datetime64
        The last prediction of each person, by person.
    clock : {"available", "recorded"}
        Which time counts.

    Returns
    -------
    Columns
        With the tables in their places; those without times stay.
    """

    def cut(table: PlainTable) -> PlainTable:
        if table.form == "patients":
            return table
        times = table.known if clock == "available" else table.taken
        return table.rows((times < table.person.map(last)).to_numpy())

    return type(columns)(tuple(map(cut, columns.tables)), columns.layout)


def read_records(columns: Columns, wanted: Iterable[Part], persons: pd.Index) -> Records:
    """Read and clean the results of some items.

    Parameters
    ----------
    columns : Columns
        The tables, with no row that was known too late.
    wanted : iterable of Part
        Where the items stand, in timed tables.
    persons : Index
        The persons of the study.

    Returns
    -------
    Records
        Results without a time are left out. Of one item at one time of a patient one is left: the median, of grades the highest.
    """
    wanted = list(wanted)
    lines = read_lines(columns, wanted, persons)
    changes = list(lines.changes)
    return Records(joined_repeats(lines.table.drop(columns=["place", "row"]), wanted, changes), lines.refused, tuple(changes))


def read_lines(columns: Columns, wanted: Iterable[Part], persons: pd.Index) -> Records:
    """Read and clean the results of some items, each with where it stands; parameters as in :func:`read_records`.

    Returns
    -------
    Records
        Its table has ``place`` (of the table) and ``row`` (position in the table) besides; repeats are not joined.
    """
    by_table: dict[int, list[Part]] = {}
    for part in wanted:
        by_table.setdefault(part.table, []).append(part)
    tables, refused, changes = [_NONE], {}, []
    for place, parts in by_table.items():
        table = columns.tables[place]
        read = (_results if table.form == "results" else _columns)(columns, table, parts)
        rows = read.table.pop("row").to_numpy(int)
        person = persons.get_indexer(table.person.to_numpy()[rows])
        times = {"taken": table.taken.to_numpy()[rows], "known": table.known.to_numpy()[rows]}
        tables.append(read.table.assign(person=person, **times, place=place, row=rows))
        refused |= read.refused
        changes += [*table.changes, *read.changes]
    whole = pd.concat([table for table in tables if len(table)] or [_NONE], ignore_index=True)
    whole = whole[~whole["item"].isin(list(refused)) & (whole["person"] >= 0) & whole["taken"].notna()]
    return Records(whole, refused, tuple(changes))


def _columns(columns: Columns, table: PlainTable, parts: list[Part]) -> Records:
    """Read items that stand in columns; ``row`` is the place in the table."""
    keys = {part.name: part.key for part in parts}
    cells = table.cells[list(keys)].reset_index(drop=True)
    cleaned = clean(cells, rules=columns.rules) if columns.layout.clean else Cleaned(cells, ())
    refused = unusable(cleaned.changes)
    kept = [name for name in cleaned.table if keys.get(name, name) not in refused]
    long = [pd.DataFrame({"row": cells.index, "item": keys.get(name, name), "value": cleaned.table[name]}) for name in kept]
    return _numbers(pd.concat(long, ignore_index=True) if long else _NONE, refused, cleaned.changes)


def _results(columns: Columns, table: PlainTable, parts: list[Part]) -> Records:
    """Read items that stand a result a row."""
    layout, cells = columns.layout, table.cells
    item, unit = (_stripped(cells, name) for name in (layout.item, layout.unit))
    keys = {(part.name, part.unit): part.key for part in parts}
    key = np.array([keys.get(pair) for pair in zip(item, unit, strict=True)], object)
    rows = np.flatnonzero(key != None)  # noqa: E711 - of an array
    long = pd.DataFrame({"row": rows, "item": item[rows], "value": cells[layout.value].to_numpy()[rows], "unit": unit[rows]})
    cleaned = clean_long(long, columns=_CELLS, rules=columns.rules) if layout.clean and len(long) else Cleaned(long, ())
    values = cleaned.table.sort_values("row").assign(item=key[rows])
    return _numbers(values[["row", "item", "value"]], unusable(cleaned.changes), cleaned.changes)


def _stripped(cells: pd.DataFrame, name: str) -> np.ndarray:
    """Return a column of words; empty where there is none."""
    if name not in cells:
        return np.full(len(cells), "", object)
    codes, words = pd.factorize(cells[name].to_numpy(object))
    return np.array([*(str(word).strip() for word in words), ""], object)[codes]


def _numbers(long: pd.DataFrame, refused: dict[str, Change], changes: tuple[Change, ...]) -> Records:
    """Keep results that are numbers; words have no place in an as-of join."""
    read, more = [], []
    for item, values in long[~long["item"].isin(list(refused))].groupby("item", sort=False)["value"]:
        found = read_numbers(values.infer_objects(copy=False))
        given = int(values.notna().sum())
        if given and not np.isfinite(found.values).any():
            raise DefinitionError(f"{item!r} holds words, not numbers", hint=f"column: {item} where it is a fact of the patient")
        more += [Change(str(item), "", rule, count, given) for rule, count in found.counts.items()]
        read.append(pd.DataFrame({"row": long["row"].loc[values.index], "item": item, "value": found.values}))
    whole = pd.concat(read) if read else _NONE
    return Records(whole.loc[whole["value"].notna(), ["row", "item", "value"]], refused, (*changes, *more))


def joined_repeats(whole: pd.DataFrame, wanted: Iterable[Part], changes: list[Change]) -> pd.DataFrame:
    """Join several results of one item at one time of a patient: numbers by their median, of grades the highest."""
    highest = {part.key for part in wanted if part.item and part.item.kind in ("grade", "yes_no")}
    keys = ["person", "item", "taken", "known"]
    repeated = whole.duplicated(keys, keep=False)
    if not repeated.any():
        return whole
    graded = whole["item"].isin(highest)
    parts = [(whole[repeated & ~graded], "median"), (whole[repeated & graded], "max")]
    for rows, how in parts:
        for item, count in rows.groupby("item").size().items():
            changes.append(Change(str(item), str(item), "repeats_joined", int(count), int((whole["item"] == item).sum()), how))
    joined = [rows.groupby(keys, sort=False)["value"].agg(how).reset_index() for rows, how in parts if len(rows)]
    return pd.concat([whole[~repeated], *joined], ignore_index=True)
