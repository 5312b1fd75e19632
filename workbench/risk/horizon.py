"""What is known at a horizon: who had had the event by then, who had not, and what share of all had."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm

from workbench.errors import DataError
from workbench.risk.curves import censoring_survival, cumulative_incidence, kaplan_meier
from workbench.risk.outcome import Follow, follow, outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import ArrayLike

__all__ = [
    "Share",
    "binary",
    "censoring_weights",
    "checked_probabilities",
    "checked_times",
    "event_share",
    "shares_among",
    "watched",
    "wilson",
]


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


def binary(y: ArrayLike) -> np.ndarray:
    """Return a binary outcome as truths.

    Parameters
    ----------
    y : array-like of bool, or of 0 and 1, shape (n,)
        Whether each person had the event.

    Returns
    -------
    ndarray of bool, shape (n,)
        The same.

    Raises
    ------
    DataError
        If it is no such array, a value is missing, or all are the same.
    """
    y = np.asarray(y)
    if y.dtype.names or y.ndim != 1:
        raise DataError("the outcome is not binary", hint="give one truth a person; for times to an event give the horizon")
    values = pd.unique(y)
    if pd.isna(values).any() or not np.isin(values, [0, 1]).all():
        raise DataError("a binary outcome has values other than 0 and 1, or missing ones", hint="drop or impute the missing ones")
    if len(values) < 2:
        raise DataError(f"all {len(y)} persons have the same outcome, so there is nothing to compare")
    return y.astype(bool)


def watched(y: np.ndarray) -> Follow:
    """Return the parts of an outcome whose follow-up began at time 0.

    Parameters
    ----------
    y : structured ndarray of shape (n,)
        Outcomes.

    Returns
    -------
    Follow
        Without entries.

    Raises
    ------
    DataError
        If somebody entered later than at 0: weights for censoring do not mend that.
    """
    given = follow(y)
    if given.entry is not None and (given.entry > 0).any():
        raise DataError(
            f"{int((given.entry > 0).sum())} of {len(given.time)} persons entered after time 0; evaluation wants all from the start on",
            hint="evaluate predictions made at the entry, with times counted from it",
        )
    return Follow(given.time, given.event, None)


def checked_times(times: ArrayLike, given: Follow, cause: int) -> np.ndarray:
    """Return horizons at which predictions can be evaluated.

    Parameters
    ----------
    times : float or array-like of float, shape (m,)
        Horizons, rising.
    given : Follow
        Outcomes.
    cause : int
        Whose events count.

    Returns
    -------
    ndarray of float, shape (m,)
        The same.

    Raises
    ------
    DataError
        If they do not rise from above 0, there is no event up to the first, or the follow-up does not reach the last.
    """
    times = np.atleast_1d(np.asarray(times, float))
    if times.ndim != 1 or not len(times) or not (np.isfinite(times).all() and times[0] > 0 and (np.diff(times) > 0).all()):
        raise DataError("horizons must be finite, greater than 0 and rise")
    if not ((given.event.astype(int) == cause) & (given.time <= times[0])).any():
        raise DataError(f"nobody had the event (cause {cause}) by the horizon {times[0]:g}", hint="choose a later horizon")
    if given.time.max() < times[-1]:
        raise DataError(f"nobody was followed up to the horizon {times[-1]:g}", hint="choose an earlier horizon")
    return times


def checked_probabilities(risk: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    """Return predicted probabilities.

    Parameters
    ----------
    risk : array-like of float
        Predictions.
    shape : tuple of int
        What is wanted: (n,), or (n, m) for m horizons; for one horizon (n,) will do.

    Returns
    -------
    ndarray of float
        Of that shape.

    Raises
    ------
    DataError
        If the shape differs, or a prediction is missing or not within 0 and 1.
    """
    risk = np.asarray(risk, float)
    found = risk.shape
    if risk.shape != shape and risk.size == np.prod(shape) and 1 in (*shape[1:], *found[1:]):
        risk = risk.reshape(shape)
    if risk.shape != shape:
        raise DataError(f"predictions of shape {found}, wanted {shape}", hint="a row a person, a column a horizon")
    missing = int(np.isnan(risk).sum())
    if missing:
        raise DataError(f"{missing} of {risk.size} predictions are missing")
    outside = int(((risk < 0) | (risk > 1)).sum())
    if outside:
        raise DataError(f"{outside} of {risk.size} predictions are not within 0 and 1", hint="give probabilities of the event, not scores")
    return risk


def censoring_weights(given: Follow, times: np.ndarray, train: np.ndarray | None, cause: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Go through horizons with who had the event by then, and the inverse probability of being known.

    Parameters
    ----------
    given : Follow
        Outcomes.
    times : ndarray of float, shape (m,)
        Horizons.
    train : structured ndarray or None
        Outcomes from which the censoring is estimated; by default the given ones.
    cause : int
        Whose events count; who had another cause's is known never to have it.

    Yields
    ------
    tuple of ndarray, shape (n,)
        Whether each had the event, and the weight: 0 for who was censored before the horizon.

    Raises
    ------
    DataError
        If everybody in `train` is censored before somebody's event, or before the horizon.

    Notes
    -----
    Graf et al. (1999), Statistics in Medicine 18:2529; with competing risks Blanche et al. (2015), Biometrics 71:102. A person's state at a
    horizon t is known with the probability not to be censored before min(T, t), left limits throughout: an event at the time of a
    censoring comes first, so who is censored at t itself, as all are where the study ends then, is known to be without event at t.
    """
    whole = np.empty(len(given.time), [("event", bool), ("time", float)])
    whole["event"], whole["time"] = given.event.astype(bool), given.time
    source = whole if train is None else train
    own, at = censoring_survival(source, given.time), censoring_survival(source, times)
    had = given.event.astype(bool)
    for horizon, left in zip(times, at, strict=True):
        early = given.time < horizon
        probability, known = np.where(early, own, left), had | ~early
        if (probability[known] <= 0).any():
            raise DataError(
                f"everybody is censored before the horizon {horizon:g} where the censoring is estimated", hint="choose an earlier horizon"
            )
        weight = np.divide(1.0, probability, where=known, out=np.zeros(len(known)))
        yield (given.event.astype(int) == cause) & (given.time <= horizon), weight


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
