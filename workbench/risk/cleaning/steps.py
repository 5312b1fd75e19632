"""The steps of cleaning one column of one item: which item it is, what its texts say, in which unit, and what cannot be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from workbench.errors import DefinitionError
from workbench.risk.cleaning.changes import Change
from workbench.risk.cleaning.items import Conversion, FoundItem, Item, conversion, find_item, item
from workbench.risk.cleaning.values import UNAGREED, Read, read_categories, read_dates, read_grades, read_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

__all__ = ["CleaningRules", "Log", "clean_values", "is_one_item"]

_KEPT = ("id", "code")
#: How repeated numbers of one item at one time are joined.
_JOINS = ("median", "mean", "min", "max", "first", "last")
#: So many values that are usual in another unit, and so many times as many as are usual in the stated one, put the unit in doubt.
_FEWEST, _MANY_TIMES = 3, 9
#: Single values are told apart only between units that lie so far apart; urea of 20 may be mg/dL or a sick kidney.
_FAR_APART = 10
#: So many times the upper limit, where the lower is 0; of nine in ten patients no D-dimer is so high.
_FAR_BEYOND = 100


@dataclass(frozen=True)
class CleaningRules:
    """What the user decides.

    Parameters
    ----------
    names : mapping of str to str
        Column, or name of an item -> item's key; empty for "leave it".
    units : mapping of str to str
        Column or item's key -> unit, where none is stated or a stated one is wrong. It is believed.
    codes : mapping of str to mapping
        Item's key -> what the hospital's codes mean, such as ``{"sex": {0: "female", 1: "male"}}``.
    limits : mapping of str to (float, float)
        Item's key -> other limits than the catalogue's, in the item's unit.
    below_detection : float
        A result ``<x`` becomes this share of x.
    repeats : {"median", "mean", "min", "max", "first", "last"}
        How several numbers of one item at one time become one. Of grades, and of yes and no, the highest counts.
    latest : Timestamp, optional
        Times after it cannot be.

    Raises
    ------
    DefinitionError
        If `repeats`, an item's key or a share is none.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    codes: Mapping[str, Mapping] = field(default_factory=dict)
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    below_detection: float = 0.5
    repeats: str = "median"
    latest: pd.Timestamp | None = None

    def __post_init__(self) -> None:
        if self.repeats not in _JOINS:
            raise DefinitionError(f"repeats={self.repeats!r} is none of {', '.join(_JOINS)}")
        if not 0 <= self.below_detection <= 1:
            raise DefinitionError(f"below_detection={self.below_detection!r}: wanted a share from 0 to 1")
        for key in [*filter(None, self.names.values()), *self.codes, *self.limits]:
            item(key)

    def find(self, name: str, unit: str = "") -> FoundItem:
        """Tell what a name means, the user's word before the catalogue's."""
        if name in self.names:
            key = self.names[name]
            unit = unit or find_item(name).unit
            return FoundItem((item(key),) if key else (), self.units.get(name, self.units.get(key, unit)))
        unit = self.units.get(name, unit)
        found = find_item(name, unit)
        key = found.items[0].key if len(found.items) == 1 else ""
        return FoundItem(found.items, self.units.get(name, self.units.get(key, found.unit)))

    def joining(self, kind: str) -> str:
        """Return how several values of a kind of item become one; empty where those that differ contradict each other."""
        return {"number": self.repeats, "grade": "max", "yes_no": "max"}.get(kind, "")

    def believes(self, name: str, key: str) -> bool:
        """Tell whether the user stated the unit."""
        return name in self.units or key in self.units


class Log:
    """Gathers the changes of one column.

    Parameters
    ----------
    column : str
        As the table has it.
    key : str
        Of the item; empty where none was found.
    of : int
        Values that are not missing.
    changes : list of Change
        Where they go.
    """

    def __init__(self, column: str, key: str, of: int, changes: list[Change]) -> None:
        self._column, self._key, self._of, self._changes = column, key, int(of), changes

    def add(self, rule: str, count: int = 0, note: str = "") -> None:
        """Note that a rule applied to so many values."""
        self._changes.append(Change(self._column, self._key, rule, int(count), self._of, note))


def is_one_item(column: pd.Series, found: FoundItem, log: Log) -> bool:
    """Tell whether a name means one item; log it where not, or where there is no value."""
    if len(found.items) > 1:
        log.add("ambiguous_item", note="/".join(one.key for one in found.items))
    elif not found.items:
        log.add("unknown_item")
    elif not column.notna().any():
        log.add("empty")
    return len(found.items) == 1


def clean_values(column: pd.Series, of: Item, unit: str, rules: CleaningRules, log: Log, name: str) -> Read | None:
    """Read one column of one item; None where somebody has to decide first."""
    if of.kind == "number":
        return _numbers(column, of, unit, rules, log, believed=rules.believes(name, of.key))
    if of.kind in _KEPT:
        return Read(column.to_numpy(), {}, np.zeros(len(column), bool))
    if of.kind == "date":
        read = read_dates(column, latest=rules.latest)
    elif of.kind == "grade":
        read = read_grades(column)
    else:
        read = read_categories(column, of.kind, codes=rules.codes.get(of.key))
        if read is None:
            log.add("codes_doubtful", note=", ".join(sorted(UNAGREED[of.kind][0])))
            return None
    for rule, count in read.counts.items():
        log.add(rule, count)
    return read


def _numbers(column: pd.Series, of: Item, unit: str, rules: CleaningRules, log: Log, *, believed: bool) -> Read | None:
    stated = conversion(of, unit)
    if stated is None:
        log.add("unit_unknown", note=f"{unit} / {of.unit}")
        return None
    read = read_numbers(column, below=rules.below_detection, convert=lambda written: conversion(of, written))
    raw = np.where(read.own_unit, np.nan, read.values)
    values = np.where(read.own_unit, read.values, stated.factor * read.values + stated.offset)
    if not believed and (other := _other_unit(raw, values, of, stated=bool(unit))):
        log.add("unit_doubtful", np.isfinite(raw).sum(), f"{unit or of.unit} / {other}?")
        return None
    for rule, count in read.counts.items():
        log.add(rule, count)
    if not unit and of.units and not read.own_unit.all():
        log.add("unit_assumed", note=of.unit)
    if stated != (1.0, 0.0):
        log.add("converted", np.isfinite(raw).sum(), f"{unit} -> {of.unit}")
    if not believed:
        for likely, count in _strays(raw, values, of):
            log.add("other_unit_likely", count, likely)
    low, high = rules.limits.get(of.key, (of.low, of.high))
    beyond = (values < low) | (values > high)
    if beyond.any():
        log.add("outlier", beyond.sum(), f"{low:g}-{high:g} {of.unit}".strip())
        values = np.where(beyond, np.nan, values)
    return read._replace(values=values)


def _other_units(of: Item) -> dict[Conversion, str]:
    """Return units in which the same values would mean something else; the item's own among them, for columns that state another."""
    units: dict[Conversion, str] = {}
    for name in (of.unit, *of.units):
        if factor := conversion(of, name):
            units.setdefault(factor, name)
    return units if len(units) > 1 else {}


def _other_unit(raw: np.ndarray, values: np.ndarray, of: Item, *, stated: bool) -> str:
    """Return the unit in which values are plainly meant, where it is not the stated one.

    Of what healthy people have none of (D-dimer, troponin) a high value is a sick patient's, not another unit's: there nearly all must lie
    far beyond, and no unit be stated.
    """
    low, high = of.usual_low / 2, of.usual_high * 2
    if not low and stated:
        return ""
    strange = (values < low) | (values > (high if low else _FAR_BEYOND * of.usual_high))
    usual = (~strange & np.isfinite(raw)).sum()
    for (factor, offset), name in _other_units(of).items():
        other = factor * raw + offset
        count = ((other >= low) & (other <= high) & strange).sum()
        if count >= max(_FEWEST, _MANY_TIMES * usual):
            return name
    return ""


def _strays(raw: np.ndarray, values: np.ndarray, of: Item) -> list[tuple[str, int]]:
    """Return units far from the stated one in which single values would be usual, and how many."""
    strange = np.flatnonzero((values < of.usual_low / 2) | (values > of.usual_high * 2))
    if not (len(strange) and of.usual_low > 0):
        return []
    found = []
    for (factor, offset), name in _other_units(of).items():
        other = factor * raw[strange] + offset
        with np.errstate(divide="ignore", invalid="ignore"):
            apart = np.abs(np.log(other / values[strange])) >= np.log(_FAR_APART)
        count = int(((other >= of.usual_low) & (other <= of.usual_high) & apart).sum())
        if count >= _FEWEST:
            found.append((name, count))
    return found
