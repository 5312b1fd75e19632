"""Guards: everything that is learnt from data is learnt inside the resample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from workbench.risk.guards.findings import Finding, refuse, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.risk.guards.case import Case

__all__ = ["fitted_before", "imputed_before", "scaled_before"]

_INSIDE = (
    "交出原始数据，把这一步放进模型流水线，在每次重抽样内重做",
    "give the data as they were: this is a step of the model, made anew in each resample",
)


def fitted_before(case: Case) -> Iterator[Finding]:
    """Refuse a model that is fitted already, or that holds a part which is: it has seen rows that are to judge it."""
    if case.model is None:
        return
    for name, part in _parts(case.model):
        if _fitted(part):
            yield refuse(
                name,
                (f"{type(part).__name__} 在重抽样之前已经拟合过", f"{type(part).__name__} was fitted before the resampling"),
                ("传入未拟合的模型（sklearn.base.clone）", "give the model unfitted (sklearn.base.clone)"),
            )


def _parts(model: object) -> list[tuple[str, object]]:
    """Return a model and every estimator in its parameters, with their names."""
    parts = [(type(model).__name__, model)]
    if hasattr(model, "get_params"):
        parts += [
            (name, value) for name, value in model.get_params(deep=True).items() if hasattr(value, "fit") and hasattr(value, "get_params")
        ]
    return list({id(part): (name, part) for name, part in parts}.values())


def _fitted(part: object) -> bool:
    """Whether an estimator has learnt something: what it learnt ends in an underscore. What learns nothing (a column chooser) has not."""
    if isinstance(part, type) or not hasattr(part, "fit"):
        return False
    learnt = [name for name in vars(part) if name.endswith("_") and not name.startswith("_")]
    if not learnt:
        return False
    try:
        check_is_fitted(part)
    except NotFittedError:
        return False
    except TypeError:
        return True
    return True


def scaled_before(case: Case) -> Iterator[Finding]:
    """Look for columns that were scaled over all rows: mean 0 and SD 1, median 0 and interquartile range 1, or exactly from 0 to 1."""
    found: dict[tuple[str, str], list[str]] = {}
    for name in case.numbers:
        values = case.data.X[name].dropna().to_numpy(float)
        if len(values) >= 20 and len(np.unique(values)) > 2 and (how := _scaling(values)) is not None:
            found.setdefault(how, []).append(name)
    for how, names in found.items():
        if how is _RANGE and len(names) < 3:  # a share of something may run from 0 to 1 by itself
            continue
        yield warn(
            ", ".join(names[:5]) + (" …" if len(names) > 5 else ""),
            (f"{len(names)} 列{how[0]}：应是用全部数据标准化过", f"{len(names)} columns have {how[1]}: they were scaled over all rows"),
            _INSIDE,
        )


_MOMENTS, _QUARTILES, _RANGE = (
    ("均值为 0、标准差为 1", "mean 0 and SD 1"),
    ("中位数为 0、四分位距为 1", "median 0 and interquartile range 1"),
    ("恰从 0 到 1", "a range of exactly 0 to 1"),
)


def _scaling(values: np.ndarray) -> tuple[str, str] | None:
    if abs(values.mean()) < 1e-6 and min(abs(values.std(ddof=k) - 1) for k in (0, 1)) < 1e-6:
        return _MOMENTS
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    if abs(middle) < 1e-9 and abs(high - low - 1) < 1e-9 and not (values == np.floor(values)).all():
        return _QUARTILES
    return _RANGE if values.min() == 0 and values.max() == 1 and len(np.unique(values)) > 20 else None


def imputed_before(case: Case) -> Iterator[Finding]:
    """Look for columns that were completed over all rows.

    They have more values than were known, or one value, the mean or median of the others, in too many rows.
    Values that were drawn or regressed look like any other: of a completed table without provenance that cannot be told.
    """
    told = case.data.features.provenance
    known = told[~told["pick"].isin(["count", "any"])].set_index("feature")["known"]  # of which nothing is 0, not missing
    for name in case.data.X:
        column = case.data.X[name]
        more = int(column.notna().sum() - known.get(name, np.inf)) if name in known.index else 0
        if more > 0:
            yield refuse(
                name,
                (
                    f"有值的行比取数时多 {more} 行：缺失值在取数之后被填补",
                    f"{more} more rows have a value than when it was extracted: missing ones were filled in",
                ),
                _INSIDE,
            )
        elif pd.api.types.is_numeric_dtype(column) and (filled := _filled(column.dropna().to_numpy(float))):
            yield warn(
                name,
                (
                    f"{filled[0]} 行恰为其余值的{filled[1]}：应是用全部数据填补过",
                    f"{filled[0]} rows have exactly the others' {filled[2]}: filled in over all rows",
                ),
                _INSIDE,
            )


def _filled(values: np.ndarray) -> tuple[int, str, str] | None:
    """Return how many values are the mean or the median of the others, where that is no coincidence."""
    found, counts = np.unique(values, return_counts=True)
    if len(found) < 20:
        return None
    often = int(counts.argmax())
    second = np.partition(counts, -2)[-2]
    if counts[often] < max(5, 0.01 * len(values)) or often in (0, len(found) - 1):
        return None
    others = np.delete(found, often), np.delete(counts, often)
    mean = float(np.average(others[0], weights=others[1]))
    outstanding = counts[often] >= 4 * second + 5
    exact = abs(found[often] - mean) <= 1e-9 * abs(mean) and not _may_be_measured(found[often], others[0])
    if exact or (outstanding and abs(found[often] - mean) <= 0.01 * float(np.std(values))):
        return int(counts[often]), "均值", "mean"
    below, above = counts[:often].sum(), counts[often + 1 :].sum()
    if outstanding and abs(below - above) <= max(second, 0.01 * len(values)):  # those equal to the median went with it
        return int(counts[often]), "中位数", "median"
    return None


def _may_be_measured(value: float, others: np.ndarray) -> bool:
    """Whether a value has no more decimals than the others: among whole years, or tenths, their mean falls by chance alone."""
    digits = next((digits for digits in range(9) if np.abs(others - others.round(digits)).max() < 1e-10), None)
    return digits is not None and abs(value - round(value, digits)) < 1e-10
