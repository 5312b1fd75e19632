"""What share of persons had the event by a horizon: of all with an interval, or of many groups at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.stats import norm

from workbench.risk.evaluation.horizon import watched
from workbench.risk.survival.curves import cumulative_incidence, kaplan_meier
from workbench.risk.survival.outcome import Follow, outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    from numpy.typing import ArrayLike

__all__ = ["Share", "event_share", "incidence", "shares_among", "wilson"]


class Share(NamedTuple):
    """The share of persons who had the event, with its interval.

    Parameters
    ----------
    estimate : float
        From 0 to 1.
    std_error : float
        Of the estimate.
    lower, upper : float
        The interval; not a number where nobody or everybody had the event and persons were censored.
    """

    estimate: float
    std_error: float
    lower: float
    upper: float


def wilson(events: ArrayLike, n: ArrayLike, *, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return Wilson's intervals of shares.

    Parameters
    ----------
    events, n : array-like of float
        How many had the event, of how many.
    level : float
        Of the intervals.

    Returns
    -------
    tuple of ndarray
        Lower and upper bounds; not numbers where n is 0.

    Notes
    -----
    Wilson (1927), JASA 22:209.

    Examples
    --------
    >>> [round(float(bound), 4) for bound in wilson(90, 100)]
    [0.8256, 0.9448]
    """
    events, n, z = np.asarray(events, float), np.asarray(n, float), norm.ppf((1 + level) / 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = events / n
        centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return np.where(share == 0, 0.0, centre - half), np.where(share == 1, 1.0, centre + half)


def event_share(y: ArrayLike, *, horizon: float | None = None, cause: int = 1, level: float = 0.95) -> Share:
    """Return the share of persons who had the event.

    Parameters
    ----------
    y : structured ndarray or array-like of bool, shape (n,)
        Outcomes: with times, or binary.
    horizon : float, optional
        By when; none for a binary outcome.
    cause : int
        Of competing risks, whose events count.
    level : float
        Of the interval.

    Returns
    -------
    Share
        By Wilson for a binary outcome, one minus Kaplan-Meier for times, by Aalen and Johansen with competing risks; all of it not a number
        where nobody who is left without event was followed up so far.
    """
    if horizon is None:
        truth = np.asarray(y, bool)
        lower, upper = wilson(truth.sum(), len(truth), level=level)
        return Share(truth.mean(), np.sqrt(truth.mean() * (1 - truth.mean()) / len(truth)), float(lower), float(upper))
    curve = incidence(watched(y), cause, level=level)
    last = curve.iloc[-1]
    if last.name < horizon and last["at_risk"] > last["events"] + last["others"]:
        return Share(*[np.nan] * 4)
    row = np.vstack([[0.0, 0.0, np.nan, np.nan], curve[list(Share._fields)]])[np.searchsorted(curve.index, horizon, side="right")]
    return Share(*map(float, row if 0 < row[0] < 1 else [row[0], row[1], np.nan, np.nan]))


def incidence(given: Follow, cause: int, *, level: float = 0.95) -> pd.DataFrame:
    """Return the share of persons who had the event by each time: one minus Kaplan-Meier, or Aalen-Johansen where there are other causes.

    Parameters
    ----------
    given : Follow
        Outcomes.
    cause : int
        Whose events count.
    level : float
        Of the intervals.

    Returns
    -------
    DataFrame
        By time: `at_risk`, `events`, `others`, and the columns of :class:`Share`.
    """
    own = given.event.astype(int) == cause
    if (given.event.astype(bool) == own).all() or not own.any():
        curve = kaplan_meier(outcome(given.time, own), level=level).assign(others=0)
        curve[["estimate", "lower", "upper"]] = 1 - curve[["survival", "upper", "lower"]].to_numpy()
        return curve
    return cumulative_incidence(outcome(given.time, given.event), cause=cause, level=level).rename(columns={"incidence": "estimate"})


def shares_among(y: ArrayLike, groups: Iterable[np.ndarray], *, horizon: float | None = None, cause: int = 1) -> np.ndarray:
    """Return the share of persons who had the event, in each of many groups.

    Parameters
    ----------
    y : structured ndarray or array-like of bool, shape (n,)
        Outcomes: with times, or binary.
    groups : iterable of ndarray of bool, shape (n,)
        Who belongs to each; groups may overlap.
    horizon : float, optional
        By when; none for a binary outcome.
    cause : int
        Of competing risks, whose events count.

    Returns
    -------
    ndarray of float, shape (n_groups,)
        As the estimate of :func:`event_share`, sorting once; 0 in a group without anybody.
    """
    if horizon is None:
        truth = np.asarray(y, bool)
        return np.array([truth[inside].mean() if inside.any() else 0.0 for inside in groups])
    given = watched(y)
    order = np.argsort(given.time)
    time = given.time[order]
    happened = given.event[order].astype(bool) & (time <= horizon)
    own = happened & (given.event[order].astype(int) == cause)
    instants = np.unique(time[happened])
    begin, end = np.searchsorted(time, instants), np.searchsorted(time, instants, side="right")
    reach = np.searchsorted(time, horizon)

    def share(inside: np.ndarray) -> float:
        every, ours, before = (np.r_[0, np.cumsum(inside[order] & some)] for some in (happened, own, True))
        risk = np.maximum(before[-1] - before[begin], 1)
        survival = np.r_[1.0, np.cumprod(1 - (every[end] - every[begin]) / risk)]
        followed = before[-1] > before[reach] or survival[-1] <= 0 or not before[-1]
        return float((survival[:-1] * (ours[end] - ours[begin]) / risk).sum()) if followed else np.nan

    return np.array([share(inside) for inside in groups])
