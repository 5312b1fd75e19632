"""Intervals of performance, and of what one model has more than another, by drawing persons whose predictions are made already."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.errors import DataError, DefinitionError
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
        (:class:`~workbench.risk.validation.measures.Measure`), and percentiles as `lower` and `upper`.

    Raises
    ------
    DataError
        If outcomes or predictions cannot be evaluated.

    Notes
    -----
    Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 13. The predictions stay as they are: the interval is that of
    this model's performance, not of the way of making models.
    """
    table, draws = _drawn(y, {"": risk}, scoring, persons, train, resamples, seed, workers, progress=progress)
    columns = {name: np.full(len(table), np.nan) for name in ("std_error", "lower", "upper")}
    for place, measure in enumerate(table["measure"]):
        values = draws[np.isfinite(draws[:, 0, place]), 0, place]
        if resamples and len(values) >= (1 - _LACKING) * resamples:
            columns["std_error"][place] = _spread(MEASURES[measure].on_scale(values))
            columns["lower"][place], columns["upper"][place] = _ends(values, level)
    table = table.assign(**columns)
    table["note"] = table.pop("note")
    bare = table["value"].notna() & table["lower"].isna() & (table["note"] == "") & bool(resamples)
    table.loc[bare, "note"] = "no interval: too many resamples have no value"
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
    table, draws = _drawn(y, risks, scoring, persons, train, resamples, seed, workers, progress=progress)
    parts = np.split(np.arange(len(table)), len(names))
    rows = []
    for number, (name, part) in enumerate(zip(names[1:], parts[1:], strict=True), 1):
        own = table.iloc[part].reset_index(drop=True)
        own.insert(0, "model", name)
        own.insert(1, "reference", names[0])
        own["difference"] = own["value"] - table["value"].iloc[parts[0]].to_numpy()
        gaps = draws[:, number] - draws[:, 0]
        own["lower"], own["upper"] = np.transpose([_ends(gaps[:, k], level) for k in range(gaps.shape[1])])
        rows.append(own.assign(note=own.pop("note")))
    return pd.concat(rows, ignore_index=True)


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
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the table of all models below each other, and the values of each draw: of shape (resamples, models, measures)."""
    if resamples < 0:
        raise DefinitionError(f"resamples={resamples}: wanted 0 or more")
    y = np.asarray(y)
    stacks = [_repeats(risk, len(y)) for risk in risks.values()]
    tables = [pd.DataFrame(scoring.scores(y, stack[0], train=train)) for stack in stacks]
    for table, stack in zip(tables, stacks, strict=True):
        table["value"] = _means(y, stack, scoring, train)
    table = pd.concat(tables, ignore_index=True)
    table.attrs["ties"] = TIE_RULE
    given = (y, stacks, scoring, Persons.of(persons, len(y)), train)
    draws = list(spread(_one, given, seeds(seed, resamples), workers=workers, progress=progress, label="intervals"))
    return table, np.reshape(draws, (resamples, len(stacks), len(tables[0])))


def _repeats(risk: ArrayLike, n: int) -> np.ndarray:
    risk = np.asarray(risk, float)
    return risk if risk.ndim == 3 else risk.reshape(1, n, -1) if len(risk) == n else risk[None]


def _means(y: np.ndarray, stack: np.ndarray, scoring: Scoring, train: np.ndarray | None) -> np.ndarray:
    return np.mean([[score.value for score in scoring.scores(y, risk, train=train)] for risk in stack], axis=0)


def _one(
    y: np.ndarray,
    stacks: list[np.ndarray],
    scoring: Scoring,
    persons: Persons,
    train: np.ndarray | None,
    seed: np.random.SeedSequence,
) -> list[np.ndarray]:
    rows = persons.drawn(np.random.default_rng(seed))
    return [_means(y[rows], stack[:, rows], scoring, train) for stack in stacks]


def _spread(values: np.ndarray) -> float:
    return float(np.std(values, ddof=1)) if np.isfinite(values).all() else np.nan


def _ends(values: np.ndarray, level: float) -> np.ndarray:
    kept = values[np.isfinite(values)]
    few = not len(values) or len(kept) < (1 - _LACKING) * len(values)
    return np.full(2, np.nan) if few else np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
