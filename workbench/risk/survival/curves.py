"""What happened by when: survival, cumulative incidence, and tests that groups differ."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import chi2, norm

from workbench.errors import DataError
from workbench.locale import tr
from workbench.risk.survival.outcome import Follow, case_weights, follow

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["LogRank", "at_times", "censoring_survival", "cumulative_incidence", "kaplan_meier", "log_rank", "quantile"]


# A share that sums leave where nothing is left.
_ROUNDING = 1e-12


class _Counts(NamedTuple):
    """At each distinct time: who was at risk just before, who had an event, who was censored (sums of weights)."""

    time: np.ndarray
    at_risk: np.ndarray
    events: np.ndarray
    censored: np.ndarray


def _counts(given: Follow, event: np.ndarray, weight: np.ndarray | None) -> _Counts:
    order = np.argsort(given.time)
    time, happened = given.time[order], event[order].astype(float)
    start = np.flatnonzero(np.r_[True, time[1:] != time[:-1]])
    counted = np.ones(len(time)) if weight is None else weight[order]
    events, left = np.add.reduceat(happened * counted, start), np.add.reduceat(counted, start)
    entered = np.full(len(start), counted.sum())
    if given.entry is not None:
        by = np.argsort(given.entry)
        total = np.r_[0.0, np.cumsum(counted if weight is None else weight[by])]
        entered = total[np.searchsorted(given.entry[by], time[start])]
    return _Counts(time[start], entered - np.r_[0.0, np.cumsum(left)[:-1]], events, left - events)


def _weighted(y: np.ndarray, weight: ArrayLike | None) -> tuple[Follow, np.ndarray | None]:
    """Return the outcomes and weights of who weighs anything."""
    given = follow(y)
    if weight is None:
        return given, None
    weight = case_weights(weight, len(given.time))
    return Follow(*(None if part is None else part[weight > 0] for part in given)), weight[weight > 0]


def _warn_of_gap(count: _Counts) -> None:
    """Tell where all who had entered had the event while others were to come: the product stays 0, whatever happens to them."""
    empty = np.flatnonzero(count.at_risk[:-1] - count.events[:-1] < _ROUNDING)
    if len(empty):
        told = tr(
            "延迟进入：曾有时刻在观察者全部发生事件，此后曲线不再变化；请从进入者足够多的时刻算起",
            "delayed entry: at some time all who were watched had the event, so the curve cannot move after it; count from a later time",
        )
        warnings.warn(told, UserWarning, stacklevel=3)


def kaplan_meier(y: np.ndarray, *, weight: ArrayLike | None = None, level: float = 0.95) -> pd.DataFrame:
    """Return the Kaplan-Meier estimate of survival.

    Parameters
    ----------
    y : structured ndarray of shape (n,)
        Outcomes; of competing risks any cause is an event.
    weight : array-like of float, shape (n,), optional
        Case weights; 0 leaves a person out.
    level : float
        Of the intervals.

    Returns
    -------
    DataFrame
        By time: `at_risk` just before it, `events`, `censored`, `survival` from it on, and its `std_error`, `lower` and `upper`.

    Notes
    -----
    Kaplan and Meier (1958), JASA 53:457; Greenwood's variance; intervals on the scale of log(-log), which stay within 0 and 1.

    Examples
    --------
    >>> from workbench.risk.survival.outcome import outcome
    >>> kaplan_meier(outcome([1, 2, 2, 3], [True, True, False, False]))["survival"].tolist()
    [0.75, 0.5, 0.5]
    """
    given, weight = _weighted(y, weight)
    count = _counts(given, given.event.astype(bool), weight)
    _warn_of_gap(count)
    with np.errstate(divide="ignore", invalid="ignore"):
        survival = np.cumprod(1 - count.events / count.at_risk)
        greenwood = np.cumsum(count.events / (count.at_risk * (count.at_risk - count.events)))
        error = np.where(survival > 0, survival * np.sqrt(greenwood), np.nan)
    lower, upper = _within_bounds(survival, error, level)
    columns = {"at_risk": count.at_risk, "events": count.events, "censored": count.censored}
    columns |= {"survival": survival, "std_error": error, "lower": lower, "upper": upper}
    return pd.DataFrame(columns, index=pd.Index(count.time, name="time"))


def cumulative_incidence(y: np.ndarray, *, cause: int = 1, weight: ArrayLike | None = None, level: float = 0.95) -> pd.DataFrame:
    """Return the Aalen-Johansen estimate of the probability to have had an event of one cause, where other causes forestall it.

    Parameters
    ----------
    y : structured ndarray of shape (n,)
        Outcomes with causes.
    cause : int
        Which.
    weight : array-like of float, shape (n,), optional
        Case weights; 0 leaves a person out.
    level : float
        Of the intervals.

    Returns
    -------
    DataFrame
        By time: `at_risk`, `events` of the cause, `others` of other causes, `incidence`, and its `std_error`, `lower` and `upper`.

    Raises
    ------
    DataError
        If nobody had an event of the cause.

    Notes
    -----
    Aalen and Johansen (1978), Scand J Stat 5:141; variance by the delta method as in Marubini and Valsecchi (1995), section 10.2.
    One minus Kaplan-Meier, with other causes as censoring, would overstate it.
    """
    given, weight = _weighted(y, weight)
    if not (given.event.astype(int) == cause).any():
        raise DataError(f"nobody had an event of cause {cause}", zh=f"无人发生第 {cause} 种事件")
    of_all = _counts(given, given.event.astype(bool), weight)
    _warn_of_gap(of_all)
    events = _counts(given, given.event.astype(int) == cause, weight).events
    risk, every = of_all.at_risk, of_all.events
    with np.errstate(divide="ignore", invalid="ignore"):
        before = np.r_[1.0, np.cumprod(1 - every / risk)[:-1]]
        incidence = np.cumsum(before * events / risk)
        greenwood = np.where(risk > every, every / (risk * (risk - every)), 0.0)
    rise = before * events / risk**2
    squares = incidence**2 * np.cumsum(greenwood) - 2 * incidence * np.cumsum(greenwood * incidence) + np.cumsum(greenwood * incidence**2)
    own = np.cumsum(before**2 * events * (risk - events) / risk**3)
    cross = incidence * np.cumsum(rise) - np.cumsum(rise * incidence)
    error = np.sqrt(np.maximum(squares + own - 2 * cross, 0))
    upper, lower = (1 - bound for bound in _within_bounds(1 - incidence, error, level))
    columns = {"at_risk": risk, "events": events, "others": every - events, "incidence": incidence, "std_error": error}
    return pd.DataFrame(columns | {"lower": lower, "upper": upper}, index=pd.Index(of_all.time, name="time"))


def _within_bounds(share: np.ndarray, error: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the interval of a share that falls from 1, on the scale of log(-log); at 1 itself it has no width."""
    share = np.where(share < _ROUNDING, 0.0, share)
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.log(share)
        wide = norm.ppf((1 + level) / 2) * error / (share * log)
        lower, upper = share ** np.exp(-wide), share ** np.exp(wide)
    return np.where(share == 1, 1.0, lower), np.where(share == 1, 1.0, upper)


def at_times(curve: pd.Series, times: ArrayLike, *, start: float) -> np.ndarray:
    """Read a step curve at given times.

    Parameters
    ----------
    curve : Series
        A column of :func:`kaplan_meier` or :func:`cumulative_incidence`.
    times : array-like of float, shape (m,)
        Where.
    start : float
        Its value before the first time: 1 for survival, 0 for incidence.

    Returns
    -------
    ndarray of float, shape (m,)
        The value that holds from the last time not later on.
    """
    return np.r_[start, curve.to_numpy()][np.searchsorted(curve.index, np.asarray(times, float), side="right")]


def quantile(curve: pd.DataFrame, share: float = 0.5) -> tuple[float, float, float]:
    """Return the time by which a share of persons had the event, with its interval.

    Parameters
    ----------
    curve : DataFrame
        Of :func:`kaplan_meier`.
    share : float
        0.5 for the median.

    Returns
    -------
    tuple of float
        The time and its lower and upper bounds; infinite where the curve (or its bound) does not fall so far.

    Notes
    -----
    Brookmeyer and Crowley (1982), Biometrics 38:29.
    """
    found = []
    for name in ("survival", "lower", "upper"):
        low = np.flatnonzero(curve[name].fillna(0 if name != "upper" else 1).to_numpy() <= 1 - share + 1e-12)
        found.append(float(curve.index[low[0]]) if len(low) else np.inf)
    return found[0], found[1], found[2]


def censoring_survival(y: np.ndarray, times: ArrayLike) -> np.ndarray:
    """Return the probabilities not to be censored before given times.

    Parameters
    ----------
    y : structured ndarray of shape (n,)
        Outcomes.
    times : array-like of float, shape (m,)
        When.

    Returns
    -------
    ndarray of float, shape (m,)
        Left limits: what weights by the inverse probability of censoring divide by.

    Notes
    -----
    An event at the time of a censoring comes first, so who had it was not at risk of being censored then.
    """
    given = follow(y)
    count = _counts(given, given.event.astype(bool), None)
    survival = np.r_[
        1.0,
        np.cumprod(1 - np.divide(count.censored, count.at_risk - count.events, where=count.censored > 0, out=np.zeros(len(count.time)))),
    ]
    return survival[np.searchsorted(count.time, np.asarray(times, float))]


class LogRank(NamedTuple):
    """A log-rank test.

    Parameters
    ----------
    statistic : float
        Of the chi-squared distribution.
    freedom : int
        Its degrees of freedom.
    p : float
        The probability of one as large, if the groups do not differ.
    table : DataFrame
        Persons, observed and expected events of each group.
    """

    statistic: float
    freedom: int
    p: float
    table: pd.DataFrame


def log_rank(y: np.ndarray, group: ArrayLike, *, strata: ArrayLike | None = None) -> LogRank:
    """Test whether groups differ in when they have events.

    Parameters
    ----------
    y : structured ndarray of shape (n,)
        Outcomes; of competing risks any cause is an event.
    group : array-like of shape (n,)
        Of each person.
    strata : array-like of shape (n,), optional
        Groups are compared within them only.

    Returns
    -------
    LogRank
        With the test and what it compares.

    Raises
    ------
    DataError
        If there is one group alone, or somebody has none.

    Notes
    -----
    Mantel (1966), Cancer Chemother Rep 50:163; Peto and Peto (1972), JRSS A 135:185.
    """
    given = follow(y)
    codes, names = pd.factorize(np.asarray(group), sort=True)
    if (codes < 0).any():
        raise DataError(f"{int((codes < 0).sum())} persons have no group", hint="leave them out")
    if len(names) < 2:
        raise DataError("a test needs two groups or more", hint=f"found: {', '.join(map(str, names)) or 'none'}")
    layers = np.zeros(len(codes), int) if strata is None else pd.factorize(np.asarray(strata))[0]
    observed, expected, spread = np.zeros(len(names)), np.zeros(len(names)), np.zeros((len(names), len(names)))
    for layer in np.unique(layers):
        inside = layers == layer
        entry = None if given.entry is None else given.entry[inside]
        seen, awaited, varied = _compared(Follow(given.time[inside], given.event[inside].astype(bool), entry), codes[inside], len(names))
        observed, expected, spread = observed + seen, expected + awaited, spread + varied
    gap = (observed - expected)[:-1]
    statistic = float(gap @ np.linalg.pinv(spread[:-1, :-1]) @ gap)
    freedom = len(names) - 1
    table = pd.DataFrame({"persons": np.bincount(codes), "observed": observed, "expected": expected}, index=pd.Index(names, name="group"))
    return LogRank(statistic, freedom, float(chi2.sf(statistic, freedom)), table)


def _compared(given: Follow, codes: np.ndarray, groups: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return observed and expected events of each group, and the covariance of their difference."""
    by_group = [_counts(given, given.event, (codes == code).astype(float)) for code in range(groups)]
    risk, events = np.array([each.at_risk for each in by_group]), np.array([each.events for each in by_group])
    with_event = events.sum(axis=0) > 0
    risk, events = risk[:, with_event], events[:, with_event]
    every, all_events = risk.sum(axis=0), events.sum(axis=0)
    share = risk / every
    rest = np.divide(every - all_events, every - 1, where=every > 1, out=np.zeros_like(every)) * all_events
    return events.sum(axis=1), (share * all_events).sum(axis=1), np.diag((share * rest).sum(axis=1)) - (share * rest) @ share.T
