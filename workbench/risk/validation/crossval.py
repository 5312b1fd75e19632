"""Cross-validation by person, and by hospital."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.errors import DefinitionError
from workbench.risk.validation.fitting import Sample
from workbench.risk.validation.intervals import with_intervals
from workbench.risk.validation.splits import happened, person_folds
from workbench.risk.validation.spread import spread

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from sklearn.base import BaseEstimator

    from workbench.risk.validation.performance import Scoring

__all__ = ["CrossValidation", "cross_validate", "one_fold"]


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """What cross-validation found.

    Parameters
    ----------
    pooled : DataFrame
        A table of performance of the out-of-fold predictions of all rows together, with intervals; the mean over repeats.
    folds : DataFrame
        `repeat`, `fold`, `rows`, `events`, and the table of performance of each fold.
    risk : ndarray of float, shape (repeats, n, m)
        Out-of-fold predictions.
    fold : ndarray of int, shape (repeats, n)
        Of each row.
    """

    pooled: pd.DataFrame
    folds: pd.DataFrame
    risk: np.ndarray
    fold: np.ndarray


def cross_validate(
    estimator: BaseEstimator,
    X: ArrayLike,
    y: ArrayLike,
    *,
    scoring: Scoring,
    persons: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    folds: int = 5,
    repeats: int = 1,
    resamples: int = 200,
    level: float = 0.95,
    seed: int = 0,
    workers: int | None = None,
    progress: bool = False,
) -> CrossValidation:
    """Predict each person by models that were made without them.

    Parameters
    ----------
    estimator : estimator
        The whole pipeline, with ``predict_risk``: all of it is learnt again in each fold.
    X : DataFrame or array-like of shape (n, p)
        Predictors.
    y : structured ndarray or array-like of bool, shape (n,)
        Outcomes.
    scoring : Scoring
        What is measured.
    persons : array-like of shape (n,), optional
        Whose the rows are; a person is in one fold.
    sample_weight : array-like of float, shape (n,), optional
        For the fit.
    folds, repeats : int
        Folds, and how often they are dealt anew. The same seed deals the same folds to every model.
    resamples : int
        Draws of persons for the intervals.
    level : float
        Of the intervals.
    seed : int
        Of deals and draws.
    workers : int, optional
        Processes; chosen by the work where None.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    CrossValidation

    Raises
    ------
    DataError
        If a fold cannot be fitted, or fewer than two persons had the outcome.

    Notes
    -----
    Intervals draw persons, not folds: they hold for the predictions made, and do not tell how folds differ by their training data.
    """
    if repeats < 1:
        raise DefinitionError(f"repeats={repeats}: wanted 1 or more")
    sample = Sample.of(X, y, persons, sample_weight)
    fold = np.stack([person_folds(sample.persons.codes, sample.y, folds=folds, seed=seed + again) for again in range(repeats)])
    parts = [(again, one) for again in range(repeats) for one in range(fold[again].max() + 1)]
    found = spread(one_fold, (estimator, sample, scoring, fold), parts, workers=workers, progress=progress, label="folds")
    risk, rows = np.empty((repeats, len(sample.y), len(scoring.times) or 1)), []
    for (again, one), predicted in zip(parts, found, strict=True):
        inside = fold[again] == one
        risk[again, inside] = predicted
        where = {"repeat": again, "fold": one, "rows": int(inside.sum()), "events": int(happened(sample.y[inside]).sum())}
        rows += [{**where, **score._asdict()} for score in scoring.scores(sample.y[inside], predicted)]
    pooled = with_intervals(
        sample.y,
        risk,
        scoring=scoring,
        persons=sample.persons.codes,
        resamples=resamples,
        level=level,
        seed=seed,
        workers=workers,
        progress=progress,
    )
    return CrossValidation(pooled, pd.DataFrame(rows), risk, fold)


def one_fold(estimator: BaseEstimator, sample: Sample, scoring: Scoring, fold: np.ndarray, part: tuple[int, int]) -> np.ndarray:
    """Return the risks of one fold by a model made without it.

    Parameters
    ----------
    estimator : estimator
        With ``predict_risk``.
    sample : Sample
        All rows.
    scoring : Scoring
        Its times.
    fold : ndarray of int, shape (repeats, n)
        Of each row.
    part : tuple of int
        Repeat and fold.

    Returns
    -------
    ndarray of float, shape (rows of the fold, m)
    """
    inside = fold[part[0]] == part[1]
    model = sample.fit(estimator, np.flatnonzero(~inside))
    return sample.risk(model, scoring, np.flatnonzero(inside))
