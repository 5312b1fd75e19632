"""Pseudo-observations: what each person adds to the share that had the event by a horizon, whether or not they were censored."""

from __future__ import annotations

import numpy as np

from workbench.risk.evaluation.horizon import checked_times, watched

__all__ = ["pseudo_observations"]


def pseudo_observations(y: np.ndarray, horizon: float, *, cause: int = 1) -> np.ndarray:
    r"""Return jackknife pseudo-observations of the incidence at a horizon.

    Parameters
    ----------
    y : structured ndarray of shape (n,)
        Outcomes.
    horizon : float
        By when.
    cause : int
        Of competing risks, whose events count.

    Returns
    -------
    ndarray of float, shape (n,)
        :math:`n F - (n - 1) F_{-i}`, with F by Aalen and Johansen; they may lie outside of 0 and 1. Without censoring, who had the event.

    Raises
    ------
    DataError
        If nobody had the event by the horizon, nobody was followed up to it, or somebody entered after time 0.

    Notes
    -----
    Andersen, Klein and Rosthoj (2003), Biometrika 90:15. Exact, in O(n log n): without a person the numbers at risk up to their time are
    one less, and after it as they were.

    Examples
    --------
    >>> from workbench.risk.survival.outcome import outcome
    >>> pseudo_observations(outcome([1, 2, 3, 4], [True, False, True, False]), 3).round(3).tolist()
    [1.0, 0.5, 1.5, -0.5]
    """
    given = watched(y)
    checked_times(horizon, given, cause)
    n = len(given.time)
    before = given.time <= horizon
    had = given.event.astype(bool) & before
    own = had & (given.event.astype(int) == cause)
    instants, at = np.unique(np.r_[given.time[before], horizon], return_inverse=True)  # the horizon adds an instant without events
    place = np.full(n, len(instants) - 1)
    place[before] = at[:-1]
    every, ours = np.bincount(place[had], minlength=len(instants)), np.bincount(place[own], minlength=len(instants))
    risk = n - np.r_[0, np.cumsum(np.bincount(place, minlength=len(instants)))[:-1]]
    whole, survival = _cumulated(risk, every, ours)
    rest = np.divide(whole[-1] - whole, survival, where=survival > 0, out=np.zeros(len(whole)))[1:]
    # up to and with their own time one person fewer is at risk, and their own event is none
    fewer = np.maximum(risk - 1, 1)
    without, left = (curve[place] for curve in _cumulated(fewer, np.minimum(every, fewer), ours))
    without += left * (ours[place] - own) / fewer[place]
    left *= 1 - (every[place] - had) / fewer[place]
    return n * whole[-1] - (n - 1) * (without + left * rest[place])


def _cumulated(risk: np.ndarray, every: np.ndarray, ours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the incidence and the survival before each instant, and after the last."""
    survival = np.r_[1.0, np.cumprod(1 - every / risk)]
    return np.r_[0.0, np.cumsum(survival[:-1] * ours / risk)], survival
