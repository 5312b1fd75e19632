"""What can be evaluated at a horizon, and what is known there: who had had the event by then, and who had not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.errors import DataError
from workbench.risk.survival.curves import censoring_survival
from workbench.risk.survival.outcome import Follow, follow, outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike

__all__ = ["binary", "censoring_weights", "checked_probabilities", "checked_times", "several_causes", "until", "watched"]


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
        raise DataError(
            f"all {len(y)} persons have the same outcome, so there is nothing to compare", zh=f"{len(y)} 人的结局全部相同，无从比较"
        )
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
            zh=f"{len(given.time)} 人中有 {int((given.entry > 0).sum())} 人在起点之后才进入；评价要求全部从起点开始",
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
        raise DataError(
            f"nobody had the event (cause {cause}) by the horizon {times[0]:g}",
            zh=f"到预测时点 {times[0]:g} 天无人发生结局",
            hint="choose a later horizon",
        )
    if given.time.max() < times[-1]:
        raise DataError(
            f"nobody was followed up to the horizon {times[-1]:g}",
            zh=f"无人随访到预测时点 {times[-1]:g} 天",
            hint="choose an earlier horizon",
        )
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
        raise DataError(f"{missing} of {risk.size} predictions are missing", zh=f"{risk.size} 个预测值中有 {missing} 个缺失")
    outside = int(((risk < 0) | (risk > 1)).sum())
    if outside:
        raise DataError(
            f"{outside} of {risk.size} predictions are not within 0 and 1",
            zh=f"{risk.size} 个预测值中有 {outside} 个不在 0 与 1 之间",
            hint="give probabilities of the event, not scores",
        )
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
                f"everybody is censored before the horizon {horizon:g} where the censoring is estimated",
                zh=f"用来估计删失的数据在预测时点 {horizon:g} 天之前已全部删失",
                hint="choose an earlier horizon",
            )
        weight = np.divide(1.0, probability, where=known, out=np.zeros(len(known)))
        yield (given.event.astype(int) == cause) & (given.time <= horizon), weight


def several_causes(y: np.ndarray) -> bool:
    """Return whether events have more causes than one.

    Parameters
    ----------
    y : structured ndarray of shape (n,)
        Outcomes.

    Returns
    -------
    bool
        Whether there are competing risks.
    """
    event = follow(y).event
    return event.dtype != bool and len(np.unique(event[event > 0])) > 1


def until(y: np.ndarray, horizon: float) -> np.ndarray:
    """Return outcomes with everybody censored at a horizon.

    Parameters
    ----------
    y : structured ndarray of shape (n,)
        Outcomes.
    horizon : float
        Events at it still count.

    Returns
    -------
    structured ndarray of shape (n,)
        Without causes.
    """
    given = watched(y)
    return outcome(np.minimum(given.time, horizon), given.event.astype(bool) & (given.time <= horizon))
