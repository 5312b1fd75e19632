"""Accuracy of predictions at horizons: the area under the time-dependent ROC curve, and the Brier score.

Who was censored before a horizon does not count there; the others count with the inverse of the probability to be known
(:func:`workbench.risk.evaluation.horizon.censoring_weights`). That censoring does not depend on the predictors is assumed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from workbench.errors import DataError
from workbench.risk.evaluation.horizon import censoring_weights, checked_probabilities, checked_times, watched
from workbench.risk.evaluation.shares import incidence
from workbench.risk.survival.curves import at_times

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["IntegratedBrier", "brier", "dynamic_auc", "integrated_brier", "weighted_auc"]


class IntegratedBrier(NamedTuple):
    """Brier scores averaged over time.

    Parameters
    ----------
    brier : float
        Of the predictions; lower is better.
    null : float
        Of the same prediction for all.
    scaled : float
        One minus their ratio: 1 for perfect predictions, 0 for none.
    """

    brier: float
    null: float
    scaled: float


def dynamic_auc(y: np.ndarray, risk: ArrayLike, times: ArrayLike, *, train: np.ndarray | None = None, cause: int = 1) -> pd.Series:
    """Return the cumulative/dynamic AUC: how often who had the event by a horizon was given a higher risk than who had not.

    Parameters
    ----------
    y : structured ndarray of shape (n,)
        Outcomes.
    risk : array-like of float, shape (n,) or (n, m)
        Higher where the event is expected earlier; with a column for each horizon, or one for all.
    times : float or array-like of float, shape (m,)
        Horizons, rising, in the unit of the outcomes.
    train : structured ndarray, optional
        Outcomes from which the censoring is estimated; by default `y`.
    cause : int
        Of competing risks, whose events count. Who had another cause's by the horizon is one who had not.

    Returns
    -------
    Series of float, length m
        By horizon.

    Raises
    ------
    DataError
        If there is no event by the first horizon, nobody is followed to the last, nobody is without the event there, or a risk is missing.

    Notes
    -----
    Uno et al. (2007), JASA 102:527; Blanche, Dartigues and Jacqmin-Gadda (2013), Statistics in Medicine 32:5381 (with competing risks
    their second definition of controls). Equal risks count one half.

    Examples
    --------
    >>> from workbench.risk.survival.outcome import outcome
    >>> y = outcome([1, 2, 3, 4], [True, False, True, False])
    >>> dynamic_auc(y, [0.6, 0.9, 0.7, 0.1], [1, 3]).round(3).tolist()
    [0.333, 1.0]
    """
    given = watched(y)
    times = checked_times(times, given, cause)
    risk = _scores(risk, len(given.time), len(times))
    found = []
    for column, (case, weight) in enumerate(censoring_weights(given, times, train, cause)):
        found.append(weighted_auc(case, weight, risk[:, column if risk.shape[1] > 1 else 0], horizon=times[column]))
    return pd.Series(found, index=pd.Index(times, name="horizon"), name="auc")


def weighted_auc(case: np.ndarray, weight: np.ndarray, risk: ArrayLike, *, horizon: float) -> float:
    """Return the share of pairs of a case and another in which the case has the higher risk, equal risks counting one half.

    Parameters
    ----------
    case : ndarray of bool, shape (n,)
        Who had the event.
    weight : ndarray of float, shape (n,)
        Of each, not negative.
    risk : array-like of float, shape (n,)
        Predictions.
    horizon : float
        For which, named in the error.

    Returns
    -------
    float

    Raises
    ------
    DataError
        If there are no cases, or no others.
    """
    levels, rank = np.unique(risk, return_inverse=True)
    cases, others = (np.bincount(rank, np.where(who, weight, 0.0), minlength=len(levels)) for who in (case, ~case))
    pairs = cases.sum() * others.sum()
    if not pairs:
        raise DataError(
            f"all who are known at the horizon {horizon:g} have had the event, or nobody has",
            zh=f"到预测时点 {horizon:g} 天结局已知者全部发生或全部未发生结局",
            hint="choose another horizon",
        )
    return float(cases @ (np.cumsum(others) - others / 2) / pairs)


def brier(y: np.ndarray, risk: ArrayLike, times: ArrayLike, *, train: np.ndarray | None = None, cause: int = 1) -> pd.DataFrame:
    """Return the mean squared error of probabilities at horizons.

    Parameters
    ----------
    y : structured ndarray of shape (n,)
        Outcomes.
    risk : array-like of float, shape (n, m)
        Predicted probabilities of the event by each horizon; for one horizon (n,) will do.
    times : float or array-like of float, shape (m,)
        Horizons, rising, in the unit of the outcomes.
    train : structured ndarray, optional
        Outcomes from which the censoring is estimated; by default `y`.
    cause : int
        Of competing risks, whose events count; the predictions are then cumulative incidences.

    Returns
    -------
    DataFrame
        By horizon: `brier`; `null`, where all are given the share that had the event in `y` (Kaplan-Meier, or Aalen-Johansen); and
        `scaled`, one minus their ratio, also called the index of prediction accuracy.

    Raises
    ------
    DataError
        If a prediction is missing or not within 0 and 1, there is no event by the first horizon, or nobody is followed to the last.

    Notes
    -----
    Graf et al. (1999), Statistics in Medicine 18:2529; Kattan and Gerds (2018), Diagnostic and Prognostic Research 2:7.

    Examples
    --------
    >>> from workbench.risk.survival.outcome import outcome
    >>> brier(outcome([1, 2, 3, 4], [True, False, True, False]), [0.8, 0.4, 0.5, 0.1], 2).round(4).loc[2].tolist()
    [0.115, 0.1875, 0.3867]
    """
    given = watched(y)
    times = checked_times(times, given, cause)
    risk = checked_probabilities(risk, (len(given.time), len(times)))
    shares = at_times(incidence(given, cause)["estimate"], times, start=0)
    rows = [
        [float((weight * (case - each) ** 2).mean()) for each in (predicted, share)]
        for predicted, share, (case, weight) in zip(risk.T, shares, censoring_weights(given, times, train, cause), strict=True)
    ]
    table = pd.DataFrame(rows, columns=["brier", "null"], index=pd.Index(times, name="horizon"))
    return table.assign(scaled=1 - table["brier"] / table["null"])


def integrated_brier(
    y: np.ndarray, risk: ArrayLike, times: ArrayLike, *, train: np.ndarray | None = None, cause: int = 1
) -> IntegratedBrier:
    """Return the Brier score averaged from the first to the last horizon.

    Parameters
    ----------
    y : structured ndarray of shape (n,)
        Outcomes.
    risk : array-like of float, shape (n, m)
        Predicted probabilities of the event by each horizon.
    times : array-like of float, shape (m,)
        Two horizons or more, rising; the finer, the nearer to the integral.
    train : structured ndarray, optional
        Outcomes from which the censoring is estimated; by default `y`.
    cause : int
        Of competing risks, whose events count.

    Returns
    -------
    IntegratedBrier
        By the trapezoidal rule.

    Raises
    ------
    DataError
        As :func:`brier`, and for a single horizon.
    """
    table = brier(y, risk, times, train=train, cause=cause)
    if len(table) < 2:
        raise DataError(
            "an integrated Brier score needs two horizons or more",
            zh="积分 Brier 评分需要两个以上预测时点",
            hint="brier gives the score at one",
        )
    mean, null = (float(np.trapezoid(table[name], table.index) / np.ptp(table.index)) for name in ("brier", "null"))
    return IntegratedBrier(mean, null, 1 - mean / null)


def _scores(risk: ArrayLike, n: int, m: int) -> np.ndarray:
    risk = np.asarray(risk, float)
    if risk.shape not in {(n,), (n, 1), (n, m)}:
        raise DataError(
            f"risks of shape {risk.shape} for {n} persons and {m} horizons", hint="a row a person, a column a horizon or one for all"
        )
    if not np.isfinite(risk).all():
        raise DataError(f"{int((~np.isfinite(risk)).sum())} of {risk.size} risks are missing or infinite")
    return risk.reshape(n, -1)
