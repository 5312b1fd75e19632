"""Cleaning of laboratory items, vital signs and facts of a patient, with a log of every change.

Items are recognised by name, texts read, units converted, values beyond an item's limits set to missing, repeated values joined,
categories and times brought to one form. Nothing is guessed: a name of several items, a column whose values are plainly in another unit
than stated and codes without an agreed meaning stay as they are and are named (:attr:`workbench.risk.cleaning.changes.Cleaned.doubtful`).
Cleaning what is clean changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.errors import DataError
from workbench.risk.cleaning.changes import Change, Cleaned
from workbench.risk.cleaning.items import items
from workbench.risk.cleaning.steps import CleaningRules, Log, clean_values, is_one_item
from workbench.risk.cleaning.values import read_dates

__all__ = ["LongColumns", "clean", "clean_long"]

#: Kinds of which two columns are two things, whatever they are called.
_NEVER_JOINED = ("id", "code", "date")


@dataclass(frozen=True)
class LongColumns:
    """Names of the columns of a table that holds one result a row.

    Parameters
    ----------
    patient, item, value, time, unit : str
        `time` and `unit` may be empty where there is none.
    """

    patient: str = "patient_id"
    item: str = "item"
    value: str = "value"
    time: str = "time"
    unit: str = "unit"

    @property
    def present(self) -> tuple[str, ...]:
        """The columns that there are."""
        return tuple(name for name in (self.patient, self.item, self.value, self.time, self.unit) if name)


def clean(table: pd.DataFrame, *, rules: CleaningRules | None = None) -> Cleaned:
    """Clean a table of one row a patient, or a patient and time, with an item a column.

    Parameters
    ----------
    table : DataFrame of shape (n, p)
        Columns named as hospitals do, with or without the unit.
    rules : CleaningRules, optional
        What the user decides.

    Returns
    -------
    Cleaned
        The rows in their order, columns named by items' keys, and the log. Unknown and doubtful columns keep name and values.

    Notes
    -----
    Rules by kind of item: numbers as in :func:`~workbench.risk.cleaning.values.read_numbers`, then the unit, then the limits; grades,
    categories and times as in the readers there. Two columns of one item are joined: where only one has a value it counts; numbers that
    differ are joined by ``rules.repeats``, of grades and of yes and no the highest counts, other values that differ become missing.

    Examples
    --------
    >>> table = pd.DataFrame({"性别": ["男", "女", "女"], "血糖(mg/dL)": ["90", "<36", "未检"], "肌酐": [70, 88, 99999]})
    >>> cleaned = clean(table)
    >>> cleaned.table.round(1)
          sex  glucose  creatinine
    0    male      5.0        70.0
    1  female      1.0        88.0
    2  female      NaN         NaN
    """
    rules, changes = rules or CleaningRules(), []
    parts: dict[tuple[str, int], list[pd.Series]] = {}
    for place, name in enumerate(table.columns):
        column = table.iloc[:, place]
        found = rules.find(str(name))
        log = Log(str(name), found.items[0].key if len(found.items) == 1 else "", column.notna().sum(), changes)
        read = clean_values(column, found.items[0], found.unit, rules, log, str(name)) if is_one_item(column, found, log) else None
        key = (found.items[0].key, -1) if read else (name, place)
        if key in parts and found.items[0].kind in _NEVER_JOINED:
            key = (name, place)
        elif read and str(name) != key[0]:
            log.add("renamed")
        parts.setdefault(key, []).append(pd.Series(read.values, index=table.index) if read else column)
    columns = [_joined(name, series, rules, changes) for (name, _), series in parts.items()]
    return Cleaned(pd.concat(columns, axis=1) if columns else table.copy(), tuple(changes))


def clean_long(table: pd.DataFrame, *, columns: LongColumns | None = None, rules: CleaningRules | None = None) -> Cleaned:
    """Clean a table of one result a row.

    Parameters
    ----------
    table : DataFrame of shape (n, p)
        With the columns that `columns` names; others are dropped.
    columns : LongColumns, optional
        What they are called.
    rules : CleaningRules, optional
        What the user decides.

    Returns
    -------
    Cleaned
        Sorted by patient, time and item, with items' keys and units. Rows of unknown and doubtful items keep their words. Of one item at
        one time of a patient one row is left; rows without a patient or a time are not joined.

    Raises
    ------
    DataError
        If a column is missing.

    Notes
    -----
    As :func:`clean`, for each item and unit that occur together. Times are brought to one form first.

    Examples
    --------
    >>> table = pd.DataFrame(
    ...     {
    ...         "patient_id": [1, 1, 1],
    ...         "item": ["GLU", "血糖", "WBC"],
    ...         "value": ["99", "5.7", "8.1"],
    ...         "unit": ["mg/dL", "mmol/L", "10^9/L"],
    ...         "time": ["2020/1/31"] * 3,
    ...     }
    ... )
    >>> clean_long(table).table[["item", "value", "unit"]].round(2)
          item  value    unit
    0  glucose    5.6  mmol/L
    1      wbc    8.1  10^9/L
    """
    columns, rules, changes = columns or LongColumns(), rules or CleaningRules(), []
    if missing := [name for name in columns.present if name not in table.columns]:
        raise DataError(
            f"the table has no column {', '.join(missing)}", hint=f"it has {', '.join(map(str, table.columns))}; see LongColumns"
        )
    whole = table[list(columns.present)].reset_index(drop=True)
    if columns.time:
        whole[columns.time] = _times(whole[columns.time], columns.time, rules, changes)
    units = whole[columns.unit].fillna("").astype(str) if columns.unit else pd.Series("", index=whole.index)
    value, names, done = whole[columns.value].astype(object), whole[columns.item].astype(object), np.zeros(len(whole), bool)
    cleaned_unit = units.astype(object)
    for (name, unit), rows in whole.groupby([whole[columns.item].astype(str), units], sort=False).indices.items():
        found = rules.find(name, unit.strip())
        some = whole[columns.value].iloc[rows]
        log = Log(name, found.items[0].key if len(found.items) == 1 else "", some.notna().sum(), changes)
        read = clean_values(some, found.items[0], found.unit, rules, log, name) if is_one_item(some, found, log) else None
        if read:
            value.iloc[rows], names.iloc[rows], cleaned_unit.iloc[rows] = read.values, found.items[0].key, found.items[0].unit
            done[rows] = True
    whole[columns.item], whole[columns.value] = names, value
    if columns.unit:
        whole[columns.unit] = cleaned_unit
    joined = _one_a_time(whole, done, columns, rules, changes)
    return Cleaned(joined.assign(**{columns.value: joined[columns.value].infer_objects(copy=False)}), tuple(changes))


def _times(column: pd.Series, name: str, rules: CleaningRules, changes: list[Change]) -> pd.Series:
    read = read_dates(column, latest=rules.latest)
    log = Log(name, "record_time", column.notna().sum(), changes)
    for rule, count in read.counts.items():
        log.add(rule, count)
    return pd.Series(read.values, index=column.index)


def _one_a_time(whole: pd.DataFrame, done: np.ndarray, columns: LongColumns, rules: CleaningRules, changes: list[Change]) -> pd.DataFrame:
    """Leave one row of an item at a time of a patient."""
    keys = [name for name in (columns.patient, columns.time, columns.item) if name]
    same = done & whole[keys].notna().all(axis=1).to_numpy() & whole.duplicated(keys, keep=False).to_numpy() & bool(columns.time)
    groups = whole[same].groupby(columns.item, sort=False)
    kept = [whole[~same], *(_join_rows(rows, str(key), keys, columns.value, rules, changes) for key, rows in groups)]
    return pd.concat(kept)[list(whole.columns)].sort_values(keys, kind="stable", ignore_index=True, key=_sortable)


def _sortable(column: pd.Series) -> pd.Series:
    return column.astype(str) if column.dtype == object else column


def _join_rows(rows: pd.DataFrame, key: str, keys: list[str], value: str, rules: CleaningRules, changes: list[Change]) -> pd.DataFrame:
    """Join rows of one item that are alike in all keys."""
    log, how = Log(key, key, len(rows), changes), rules.joining(items()[key].kind)
    by = rows.assign(**{value: rows[value].astype(float)} if how else {}).groupby(keys, sort=False)[value]
    joined = by.agg(how or "first")
    log.add("repeats_joined", by.size().sum(), how or "first")
    if not how and (conflict := by.nunique() > 1).any():
        log.add("repeats_conflict", conflict.sum())
        joined = joined.mask(conflict)
    first = rows.drop_duplicates(keys).set_index(keys)
    return first.assign(**{value: joined}).reset_index()


def _joined(key: str, parts: list[pd.Series], rules: CleaningRules, changes: list[Change]) -> pd.Series:
    """Join the columns of one item."""
    if len(parts) == 1:
        return parts[0].rename(key)
    both = pd.concat(parts, axis=1, keys=range(len(parts)))
    repeated = both.notna().sum(axis=1) > 1
    first = parts[0].rename(key)
    for part in parts[1:]:
        first = first.where(first.notna(), part)
    differ = pd.concat([part.notna() & (part != first) for part in parts], axis=1).any(axis=1)
    log, how = Log(key, key, int(repeated.sum()), changes), rules.joining(items()[key].kind)
    log.add("repeats_joined", repeated.sum(), f"{len(parts)} columns, {how}" if how else f"{len(parts)} columns")
    if not differ.any():
        return first
    if how:
        return first.where(~differ, _reduce(both[differ].T, how))
    log.add("repeats_conflict", differ.sum())
    return first.mask(differ)


def _reduce(numbers: pd.DataFrame, how: str) -> pd.Series:
    """Reduce each column to one number."""
    if how in ("first", "last"):
        filled = numbers.bfill() if how == "first" else numbers.ffill()
        return filled.iloc[0 if how == "first" else -1]
    return numbers.agg(how)
