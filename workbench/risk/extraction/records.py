"""Timed results of plain tables: cleaned, a result a row, for the as-of join."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from workbench.errors import DefinitionError
from workbench.risk.cleaning.changes import Change
from workbench.risk.cleaning.clean import LongColumns, clean, clean_long
from workbench.risk.cleaning.values import read_numbers
from workbench.risk.extraction.facts import unusable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workbench.risk.extraction.columns import Columns, Part
    from workbench.risk.extraction.readers import PlainTable

__all__ = ["Records", "known_before", "read_records"]

_CELLS = LongColumns(patient="record", item="item", value="value", time="", unit="unit")


class Records(NamedTuple):
    """Results of items.

    Parameters
    ----------
    table : DataFrame
        ``person`` (the place in the index of persons), ``item``, ``taken``, ``known``, ``value``.
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
        Results without a time are left out. Of one item at one time of a patient one is left, the median.
    """
    tables, refused, changes = [], {}, []
    by_table: dict[int, list[Part]] = {}
    for part in wanted:
        by_table.setdefault(part.table, []).append(part)
    for place, parts in by_table.items():
        table = columns.tables[place]
        read = _results if table.form == "results" else _columns
        values, found, doubtful = read(columns, table, parts)
        rows = values.pop("row").to_numpy()
        person = persons.get_indexer(table.person.to_numpy()[rows])
        tables.append(values.assign(person=person, taken=table.taken.to_numpy()[rows], known=table.known.to_numpy()[rows]))
        refused |= doubtful
        changes += [*table.changes, *found]
    whole = pd.concat(tables, ignore_index=True) if tables else _empty()
    whole = whole[~whole["item"].isin(list(refused)) & whole["value"].notna() & (whole["person"] >= 0) & whole["taken"].notna()]
    return Records(_one_a_time(whole, changes), refused, tuple(changes))


def _empty() -> pd.DataFrame:
    times = pd.Series([], dtype="datetime64[ns]")
    texts = pd.Series([], dtype=object)
    return pd.DataFrame({"item": texts, "value": pd.Series([], dtype=float), "person": [], "taken": times, "known": times})


def _columns(columns: Columns, table: PlainTable, parts: list[Part]) -> tuple[pd.DataFrame, tuple[Change, ...], dict[str, Change]]:
    """Read items that stand in columns."""
    cells = table.cells[list(dict.fromkeys(part.name for part in parts))].reset_index(drop=True)
    cleaned = clean(cells, rules=columns.rules) if columns.layout.clean else None
    changes = list(cleaned.changes if cleaned else ())
    doubtful = unusable(changes)
    values = {}
    for key in dict.fromkeys(part.key for part in parts):
        if cleaned and key in cleaned.table and key not in doubtful:
            values[key] = _numbers(cleaned.table[key], key, changes)
        elif key not in doubtful:
            read = [_numbers(cells[part.name], key, changes) for part in parts if part.key == key]
            values[key] = pd.concat(read, axis=1).bfill(axis=1).iloc[:, 0].to_numpy()
    whole = [
        pd.DataFrame({"row": (rows := np.flatnonzero(~np.isnan(found))), "item": key, "value": found[rows]})
        for key, found in values.items()
    ]
    return pd.concat(whole, ignore_index=True) if whole else _empty()[["item", "value"]].assign(row=0), tuple(changes), doubtful


def _results(columns: Columns, table: PlainTable, parts: list[Part]) -> tuple[pd.DataFrame, tuple[Change, ...], dict[str, Change]]:
    """Read items that stand a result a row."""
    layout, cells = columns.layout, table.cells
    unit = cells[layout.unit].fillna("").astype(str).str.strip() if layout.unit in cells else pd.Series("", index=cells.index)
    long = pd.DataFrame(
        {"record": np.arange(len(cells)), "item": cells[layout.item].astype(object), "value": cells[layout.value], "unit": unit}
    )
    long["item"] = long["item"].map(lambda name: str(name).strip(), na_action="ignore")
    keys = {(part.name, part.unit): part.key for part in parts}
    long["key"] = [keys.get(pair) for pair in zip(long["item"], long["unit"], strict=True)]
    long = long[long["key"].notna()]
    if not columns.layout.clean or long.empty:
        changes: list[Change] = []
        values = _numbers(long["value"], layout.value, changes)
        return pd.DataFrame({"row": long["record"], "item": long["key"], "value": values}), tuple(changes), {}
    cleaned = clean_long(long.drop(columns="key"), columns=_CELLS, rules=columns.rules)
    changes, read = list(cleaned.changes), cleaned.table.sort_values("record")
    doubtful = unusable(changes)
    values = _numbers(read["value"], layout.value, changes)
    return pd.DataFrame({"row": read["record"].to_numpy(), "item": long["key"].to_numpy(), "value": values}), tuple(changes), doubtful


def _numbers(column: pd.Series, name: str, changes: list[Change]) -> np.ndarray:
    """Return numbers; what is none after cleaning has no place in an as-of join."""
    read = read_numbers(column)
    if column.notna().any() and not np.isfinite(read.values).any():
        raise DefinitionError(f"{name!r} holds words, not numbers", hint=f"column: {name} where it is a fact of the patient")
    changes += [Change(str(name), "", rule, count, int(column.notna().sum())) for rule, count in read.counts.items()]
    return read.values


def _one_a_time(whole: pd.DataFrame, changes: list[Change]) -> pd.DataFrame:
    """Join several results of one item at one time of a patient."""
    keys = ["person", "item", "taken", "known"]
    repeated = whole.duplicated(keys, keep=False)
    if not repeated.any():
        return whole
    joined = whole[repeated].groupby(keys, sort=False)["value"].median().reset_index()
    for item, count in whole[repeated].groupby("item").size().items():
        changes.append(Change(str(item), str(item), "repeats_joined", int(count), int((whole["item"] == item).sum()), "median"))
    return pd.concat([whole[~repeated], joined], ignore_index=True)
