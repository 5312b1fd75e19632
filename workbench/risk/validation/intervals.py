"""Intervals of performance, and of what one model has more than another, by drawing persons whose predictions are made already."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm

from workbench.errors import DataError, DefinitionError
from workbench.locale import tr
from workbench.risk.validation.known import Known
from workbench.risk.validation.measures import MEASURES, TIE_RULE
from workbench.risk.validation.persons import Persons
from workbench.risk.validation.spread import seeds, spread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

    from workbench.risk.validation.performance import Scoring

__all__ = ["compare", "with_intervals"]

#: A measure that more resamples than this share lack has no interval.
_LACKING = 0.1
#: What a resample cannot afford is measured in each fifth only, and its interval is by the normal distribution on the measure's scale.
_EACH = 5
#: Figures that have no interval.
_BARE = ("d_calibration_p",)


def with_intervals(
    y: np.ndarray,
    risk: ArrayLike,
    *,
    scoring: Scoring,
    persons: ArrayLike | None = None,
    train: np.ndarray | None = None,
    resamples: int = 200,
    level: float = 0.95,
    seed: int = 0,
    workers: int | None = None,
    progress: bool = False,
) -> pd.DataFrame:
    """Return every measure of predictions with its interval.

    Parameters
    ----------
    y : structured ndarray or array-like of bool, shape (n,)
        Outcomes.
    risk : array-like of float, shape (n, m) or (repeats, n, m)
        Predictions of a model that was not made with these rows; of several repeats the mean of each measure counts.
    scoring : Scoring
        What is measured.
    persons : array-like of shape (n,), optional
        Whose the rows are; each row another person's where None.
    train : structured ndarray, optional
        Outcomes from which the censoring is estimated.
    resamples : int
        Draws of persons; 0 for no intervals.
    level : float
        Of the intervals.
    seed : int
        Of the draws.
    workers : int, optional
        Processes; chosen by the work where None.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    DataFrame
        As :func:`~workbench.risk.validation.performance.performance` gives it, with `std_error` on the scale of the measure
        (:class:`~workbench.risk.validation.measures.Measure`), and percentiles as `lower` and `upper`. Where the scoring names no measures,
        whole curves and ICI are drawn a fifth as often, and their intervals are by the normal distribution on that scale. A p has none.

    Raises
    ------
    DataError
        If outcomes or predictions cannot be evaluated.

    Notes
    -----
    Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 13. The predictions stay as they are: the interval is that of
    this model's performance, not of the way of making models.
    """
    found = _drawn(y, {"": risk}, scoring, persons, train, resamples, seed, workers, progress=progress)
    table, ends = found.table, []
    for place, (measure, value) in enumerate(zip(table["measure"], table["value"], strict=True)):
        scale, draws = MEASURES[measure], found.draws[found.tried[:, place], 0, place]
        kept = np.empty(0) if measure in _BARE else _enough(draws)
        error = _spread(scale.on_scale(kept))
        normal = scale.off_scale(scale.on_scale(value) + _tails(level) * error)
        ends.append((error, *(_ends(kept, level) if len(draws) == resamples else normal)))
    table[["std_error", "lower", "upper"]] = np.reshape(ends, (len(table), 3))
    table["note"] = table.pop("note")
    bare = table["value"].notna() & table["lower"].isna() & (table["note"] == "") & ~table["measure"].isin(_BARE) & bool(resamples)
    table.loc[bare, "note"] = tr("没有置信区间：无值的重抽样过多", "no interval: too many resamples have no value")
    return table


def compare(
    y: np.ndarray,
    risks: Mapping[str, ArrayLike],
    *,
    scoring: Scoring,
    persons: ArrayLike | None = None,
    train: np.ndarray | None = None,
    resamples: int = 200,
    level: float = 0.95,
    seed: int = 0,
    workers: int | None = None,
    progress: bool = False,
) -> pd.DataFrame:
    """Return what each model has more than the first, on the same persons.

    Parameters
    ----------
    y : structured ndarray or array-like of bool, shape (n,)
        Outcomes.
    risks : mapping of str to array-like of float, shape (n, m) or (repeats, n, m)
        Name of a model -> its predictions, all for the same rows (and of the same folds): a hold-out's, or out-of-fold ones.
    scoring : Scoring
        What is measured.
    persons : array-like of shape (n,), optional
        Whose the rows are.
    train : structured ndarray, optional
        Outcomes from which the censoring is estimated.
    resamples : int
        Draws of persons, the same for all models.
    level : float
        Of the intervals.
    seed : int
        Of the draws.
    workers : int, optional
        Processes.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    DataFrame
        `model`, `reference`, the columns of a table of performance, `value`, and `difference` with `lower` and `upper`; a row for each
        model but the first, and each measure.

    Raises
    ------
    DataError
        If there are fewer than two models, or their predictions differ in shape.
    """
    names = list(risks)
    shapes = {np.shape(risk) for risk in risks.values()}
    if len(names) < 2 or len(shapes) > 1:
        raise DataError(f"{len(names)} models with predictions of shapes {sorted(shapes)}", hint="two or more, for the same rows and times")
    found = _drawn(y, risks, scoring, persons, train, resamples, seed, workers, progress=progress)
    table, parts = found.table, np.split(np.arange(len(found.table)), len(names))
    rows = []
    for number, (name, part) in enumerate(zip(names[1:], parts[1:], strict=True), 1):
        own = table.iloc[part].reset_index(drop=True)
        own.insert(0, "model", name)
        own.insert(1, "reference", names[0])
        own["difference"] = own["value"] - table["value"].iloc[parts[0]].to_numpy()
        gaps, ends = found.draws[:, number] - found.draws[:, 0], []
        for place, difference in enumerate(own["difference"]):
            draws = gaps[found.tried[:, place], place]
            kept = _enough(draws)
            ends.append(_ends(kept, level) if len(draws) == resamples else difference + _tails(level) * _spread(kept))
        own[["lower", "upper"]] = np.reshape(ends, (len(own), 2))
        rows.append(own.assign(note=own.pop("note")))
    return pd.concat(rows, ignore_index=True)


class _Drawn(NamedTuple):
    table: pd.DataFrame  # of all models, below each other
    draws: np.ndarray  # of shape (resamples, models, measures)
    tried: np.ndarray  # of shape (resamples, measures): whether a draw was asked for the measure


def _drawn(
    y: np.ndarray,
    risks: Mapping[str, ArrayLike],
    scoring: Scoring,
    persons: ArrayLike | None,
    train: np.ndarray | None,
    resamples: int,
    seed: int,
    workers: int | None,
    *,
    progress: bool,
) -> _Drawn:
    if resamples < 0:
        raise DefinitionError(f"resamples={resamples}: wanted 0 or more")
    y = np.asarray(y)
    stacks = [_repeats(risk, len(y)) for risk in risks.values()]
    known = None if y.dtype.names is None else Known(y, train)
    tables = [pd.DataFrame(scoring.scores(y, stack[0], known=known)) for stack in stacks]
    for table, stack in zip(tables, stacks, strict=True):
        table["value"] = _means(y, stack, scoring, known)
    whole = pd.concat(tables, ignore_index=True)
    whole.attrs["ties"] = TIE_RULE
    spared = replace(scoring, spare=True)
    quick = {name for family in spared.families(binary=known is None) for name in family.names}
    full = np.arange(resamples) % _EACH == 0
    tried = full[:, None] | tables[0]["measure"].isin(quick).to_numpy()
    given = (y, stacks, scoring, spared, Persons.of(persons, len(y)), train)
    found = spread(_one, given, list(zip(seeds(seed, resamples), full, strict=True)), workers=workers, progress=progress, label="intervals")
    draws = np.full((resamples, len(stacks), len(tables[0])), np.nan)
    for number, values in enumerate(found):
        draws[number][:, tried[number]] = values
    return _Drawn(whole, draws, tried)


def _repeats(risk: ArrayLike, n: int) -> np.ndarray:
    risk = np.asarray(risk, float)
    return risk if risk.ndim == 3 else risk.reshape(1, n, -1) if len(risk) == n else risk[None]


def _means(y: np.ndarray, stack: np.ndarray, scoring: Scoring, known: Known | None) -> np.ndarray:
    return np.mean([[score.value for score in scoring.scores(y, risk, known=known)] for risk in stack], axis=0)


def _one(
    y: np.ndarray,
    stacks: list[np.ndarray],
    scoring: Scoring,
    spared: Scoring,
    persons: Persons,
    train: np.ndarray | None,
    item: tuple[np.random.SeedSequence, bool],
) -> list[np.ndarray]:
    seed, full = item
    rows = persons.drawn(np.random.default_rng(seed))
    known = None if y.dtype.names is None else Known(y[rows], train)
    return [_means(y[rows], stack[:, rows], scoring if full else spared, known) for stack in stacks]


def _enough(draws: np.ndarray) -> np.ndarray:
    """Return the draws that have a value; none where too many lack it."""
    kept = draws[np.isfinite(draws)]
    return kept if len(kept) > 1 and len(kept) >= (1 - _LACKING) * len(draws) else np.empty(0)


def _spread(values: np.ndarray) -> float:
    return float(np.std(values, ddof=1)) if len(values) and np.isfinite(values).all() else np.nan


def _tails(level: float) -> np.ndarray:
    return np.array([-1, 1]) * norm.ppf((1 + level) / 2)


def _ends(kept: np.ndarray, level: float) -> np.ndarray:
    return np.quantile(kept, [(1 - level) / 2, (1 + level) / 2]) if len(kept) else np.full(2, np.nan)
