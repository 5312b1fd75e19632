"""Guards on columns that name rows rather than describe patients: ids, dates as numbers, the order of the file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.risk.guards.findings import Finding, note, refuse, warn
from workbench.risk.guards.strength import order_strength

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.risk.guards.case import Case

__all__ = ["dates_as_numbers", "identifiers", "row_order"]

#: From how many rows on a whole number of its own in each is an id, and what share of the persons has one of its own.
_LEAST_ROWS, _OWN = 50, 0.98

#: From which AUROC on the order of rows tells the outcome.
_ORDERED = 0.9

_OUT = "从预测因子中去掉", "leave it out"


def identifiers(case: Case) -> Iterator[Finding]:
    """Look for ids among the predictors: words or whole numbers of which nearly every person has one of their own.

    A count of cells may be whole and rarely equal too, so numbers count only if they rise by even steps, follow the order of the file, or
    have more digits than a measurement.
    """
    for name in case.data.X:
        first = ~pd.Series(case.persons).duplicated().to_numpy()
        values = case.data.X[name][first].dropna()
        if len(values) < _LEAST_ROWS or values.nunique() < _OWN * len(values):
            continue
        if not pd.api.types.is_numeric_dtype(values) or _numbered(values):
            yield refuse(
                name, ("几乎每人的取值都不同，应是编号或姓名", "nearly every person has a value of their own: it is an id or a name"), _OUT
            )


def _numbered(values: pd.Series) -> bool:
    if not np.isfinite(values).all() or (values != np.floor(values)).any():
        return False
    steps = np.diff(np.sort(values))
    in_order = abs(values.corr(pd.Series(np.arange(len(values)), index=values.index), method="spearman")) > 0.99
    dense = len(values) > 0.7 * (values.max() - values.min() + 1)
    return bool(in_order or dense or values.abs().min() >= 1e7 or np.unique(steps).size <= 2)


def dates_as_numbers(case: Case) -> Iterator[Finding]:
    """Look for dates that were read as numbers: days written as 20200131, seconds since 1970, days since 1900 in a spreadsheet."""
    for name in case.numbers:
        values = case.data.X[name].dropna()
        if len(values) >= 20 and values.nunique() > 5 and (form := _date_form(name, values)) is not None:
            yield warn(
                name,
                (f"像是写成数字的日期（{form[0]}）", f"it looks like dates written as numbers ({form[1]})"),
                (
                    "日期会透露就诊年代甚至结局的时间：改为距预测时刻的天数，或去掉",
                    "a date tells the calendar time, or that of the outcome: make it an interval before the prediction, or leave it out",
                ),
            )


def _date_form(name: str, values: pd.Series) -> tuple[str, str] | None:
    whole = bool((values == np.floor(values)).all())
    if whole and values.between(19000101, 21001231).all() and _is_calendar(values):
        return "年月日", "year, month and day"
    for unit, factor in (("s", 1), ("ms", 1e3), ("us", 1e6), ("ns", 1e9)):
        if values.between(3e8 * factor, 2.5e9 * factor).all() and values.max() - values.min() > 3600 * factor:
            return f"1970 年以来的{unit}", f"{unit} since 1970"
    if re.search(r"日期|时间|date|time|_at$|^at_", name.lower()) and values.between(25_000, 60_000).all():
        return "电子表格日期", "a spreadsheet's days"
    return None


def _is_calendar(values: pd.Series) -> bool:
    return bool(pd.to_datetime(values.astype("int64").astype(str), format="%Y%m%d", errors="coerce").notna().mean() > 0.99)


def row_order(case: Case) -> Iterator[Finding]:
    """Look whether the file is sorted by the outcome, and whether a predictor gives the order of its rows away."""
    for target in case.ends[:1]:
        place = pd.Series(target.rows.astype(float))
        told = order_strength(place, target.event)
        if told < _ORDERED:
            return
        yield note(
            "rows",
            (
                f"数据行按结局排了序（行号对结局的 AUROC 为 {told:.3f}）",
                f"the rows are sorted by the outcome (the row's number has an AUROC of {told:.3f})",
            ),
            ("不要把行号或随行号变化的列用作预测因子", "use no row number, nor what goes with it, as a predictor"),
        )
        for name in case.numbers:
            column = case.data.X[name].iloc[target.rows].reset_index(drop=True)
            if column.notna().mean() > 0.5 and column.nunique() > 20 and abs(column.corr(place, method="spearman")) > 0.97:
                yield refuse(
                    name,
                    ("随行号变化，而数据行按结局排了序", "it goes with the row's number, and the rows are sorted by the outcome"),
                    _OUT,
                )
