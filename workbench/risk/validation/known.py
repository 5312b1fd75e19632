"""What is known of outcomes before any prediction is looked at: worked out once, for many predictions and many measures."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

from workbench.errors import DataError
from workbench.risk.evaluation.horizon import censoring_weights, checked_times, several_causes, until, watched
from workbench.risk.evaluation.pseudo import pseudo_observations
from workbench.risk.evaluation.shares import shares_among

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from workbench.risk.survival.outcome import Follow

__all__ = ["AtHorizon", "Known", "cox_slope", "weighted_auc"]

_STEPS = 50


class AtHorizon(NamedTuple):
    """Outcomes at a horizon.

    Parameters
    ----------
    case : ndarray of bool, shape (n,)
        Who had the event by then.
    weight : ndarray of float, shape (n,)
        The inverse of the probability to be known; 0 for who was censored before.
    share : float
        That had the event: one minus Kaplan-Meier, or Aalen-Johansen.
    """

    case: np.ndarray
    weight: np.ndarray
    share: float


class Known:
    """Outcomes with times, and what follows from them alone.

    Parameters
    ----------
    y : structured ndarray of shape (n,)
        Outcomes; cause 1 is the event.
    train : structured ndarray, optional
        Outcomes from which the censoring is estimated; by default `y`.
    """

    def __init__(self, y: np.ndarray, train: np.ndarray | None = None) -> None:
        self.y, self.train = y, train
        self._at: dict[float, AtHorizon] = {}
        self._pseudo: dict[float, np.ndarray] = {}

    @cached_property
    def follow(self) -> Follow:
        """Times and events; refused where somebody entered late."""
        return watched(self.y)

    @cached_property
    def competing(self) -> bool:
        """Whether events have several causes, also where the rows at hand show one of them."""
        event = self.y[self.y.dtype.names[0]]
        return event.dtype != bool and (several_causes(self.y) or bool((event > 1).any()))

    def at(self, horizon: float) -> AtHorizon:
        """Return the outcomes at a horizon.

        Parameters
        ----------
        horizon : float
            In days.

        Returns
        -------
        AtHorizon

        Raises
        ------
        DataError
            If nobody had the event by then, or nobody was followed so far.
        """
        if horizon not in self._at:
            times = checked_times(horizon, self.follow, 1)
            (found,) = censoring_weights(self.follow, times, self.train, 1)
            share = shares_among(self.y, [np.ones(len(self.y), bool)], horizon=horizon)[0]
            self._at[horizon] = AtHorizon(*found, float(share))
        return self._at[horizon]

    def pseudo(self, horizon: float) -> np.ndarray:
        """Return pseudo-observations at a horizon, of shape (n,)."""
        if horizon not in self._pseudo:
            self._pseudo[horizon] = pseudo_observations(self.y, horizon)
        return self._pseudo[horizon]

    def slope(self, x: np.ndarray, horizon: float) -> float:
        """Return the coefficient of one covariate in Cox's regression, everybody censored at a horizon."""
        ended = until(self.y, horizon)
        return cox_slope(x, ended["time"], ended["event"])


def weighted_auc(case: np.ndarray, weight: np.ndarray, risk: ArrayLike) -> float:
    """Return the share of pairs of a case and another in which the case has the higher risk, equal risks counting one half.

    Parameters
    ----------
    case : ndarray of bool, shape (n,)
        Who had the event.
    weight : ndarray of float, shape (n,)
        Of each, not negative.
    risk : array-like of float, shape (n,)
        Predictions.

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
        raise DataError("all who are known at the horizon have had the event, or nobody has", hint="choose another horizon")
    return float(cases @ (np.cumsum(others) - others / 2) / pairs)


def cox_slope(x: np.ndarray, time: np.ndarray, event: np.ndarray) -> float:
    """Return the coefficient of Cox's regression on one covariate, ties by Efron: as `CoxRegression`, in a fraction of the time.

    Parameters
    ----------
    x : ndarray of float, shape (n,)
        The covariate.
    time : ndarray of float, shape (n,)
        Follow-up.
    event : ndarray of bool, shape (n,)
        Whether there was an event.

    Returns
    -------
    float
        Not a number where all values of the covariate are equal.

    Raises
    ------
    DataError
        If it has no finite value.
    """
    spread = float(x.std())
    if spread <= 1e-12 * np.abs(x).max():
        return np.nan
    order = np.argsort(-time, kind="stable")
    slope, found = _newton((x[order] - x.mean()) / spread, time[order], event[order].astype(np.bool_))
    if not found:
        raise DataError(
            "calibration has no finite slope", hint="the predictions tell events apart without error, or too few persons had the event"
        )
    return float(slope) / spread


@numba.njit(cache=True, error_model="numpy")
def _newton(x, time, event):
    """Newton's method with step halving, rows sorted by falling time."""
    slope, step, best = 0.0, 0.0, -1e300
    for _ in range(_STEPS):
        value, pull, curve = _likelihood(slope + step, x, time, event)
        while not value >= best - 1e-12 * abs(best) and abs(step) > 1e-10:
            step /= 2
            value, pull, curve = _likelihood(slope + step, x, time, event)
        slope, best = slope + step, value
        if not curve > 1e-10:
            return slope, False
        step = pull / curve
        if abs(step) < 1e-9 * (1 + abs(slope)):
            return slope + step, abs(slope) < 30
    return slope, False


@numba.njit(cache=True, error_model="numpy")
def _likelihood(slope, x, time, event):
    s0 = s1 = s2 = value = pull = curve = 0.0
    begin = 0
    while begin < len(x):
        end, deaths = begin, 0
        d0 = d1 = d2 = 0.0
        while end < len(x) and time[end] == time[begin]:
            w = np.exp(slope * x[end])
            s0 += w
            s1 += w * x[end]
            s2 += w * x[end] * x[end]
            if event[end]:
                deaths += 1
                d0 += w
                d1 += w * x[end]
                d2 += w * x[end] * x[end]
                value += slope * x[end]
                pull += x[end]
            end += 1
        for tie in range(deaths):
            part = tie / deaths
            total = s0 - part * d0
            mean = (s1 - part * d1) / total
            value -= np.log(total)
            pull -= mean
            curve += (s2 - part * d2) / total - mean * mean
        begin = end
    return value, pull, curve
