"""Predictions made again and again, as one watch over each person: when, for how long, and what came."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

import numba
import numpy as np
import pandas as pd

from workbench.errors import DataError, DefinitionError
from workbench.risk.survival.outcome import follow

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Watch"]

#: Hours that the difference of two times may lack by rounding.
_ROUNDING = 1e-6


class Watch(NamedTuple):
    """The predictions of all persons, person by person, each person's in order of time.

    Parameters
    ----------
    person : ndarray of int, shape (n,)
        From 0.
    hours : ndarray of float, shape (n,)
        When each prediction was made; any origin for each person.
    covered : ndarray of float, shape (n,)
        Hours until the next prediction, or the end.
    true : ndarray of bool, shape (n,)
        Whether the event came within the horizon.
    lead : ndarray of float, shape (n,)
        Hours until the event; not a number where there was none, or the outcome has no times.
    risk : ndarray of float, shape (n,)
        Predictions.
    """

    person: np.ndarray
    hours: np.ndarray
    covered: np.ndarray
    true: np.ndarray
    lead: np.ndarray
    risk: np.ndarray

    @classmethod
    def of(cls, rows: pd.DataFrame, y: np.ndarray, risk: ArrayLike, *, horizon_hours: float | None, every_hours: float | None) -> Self:
        """Put predictions in order.

        Parameters
        ----------
        rows : DataFrame of n rows
            ``person``, and ``predicted_at`` or, where that is not known, ``landmark_hours``.
        y : ndarray of shape (n,)
            Whether the event came within the horizon; or outcomes with times, in days from each prediction.
        risk : array-like of float, shape (n,) or (n, 1)
            Predictions.
        horizon_hours : float or None
            Within how many hours an event makes an alarm true; needed with times, and only there.
        every_hours : float or None
            For how long a prediction stands at most; the commonest time between two of a person where None.

        Returns
        -------
        Watch
            All of them.

        Raises
        ------
        DataError
            If lengths differ, a prediction or its time is missing, a person has two predictions at one time, or nobody has the event.
        DefinitionError
            If `horizon_hours` or `every_hours` is needed, or not above 0.
        """
        risk = np.asarray(risk, float).reshape(len(risk), -1)[:, 0] if len(risk) else np.empty(0)
        person, hours = pd.factorize(rows["person"])[0], _hours(rows)
        if not len(rows) == len(y) == len(risk):
            raise DataError(f"{len(rows)} rows, {len(y)} outcomes and {len(risk)} predictions: wanted as many of each")
        if not np.isfinite(risk).all() or (person < 0).any() or np.isnan(hours).any():
            raise DataError("a prediction, its time or its person is missing", hint="leave out rows that were not predicted")
        true, lead = _came(y, horizon_hours)
        if not true.any():
            raise DataError("no prediction was followed by the event", hint="look at the outcome's definition, or at the horizon")
        order = np.lexsort((hours, person))
        person, hours = person[order], hours[order]
        return cls(person, hours, _covered(person, hours, _ends(y)[order], every_hours), true[order], lead[order], risk[order])

    def alarms(self, threshold: float, silence_hours: float) -> np.ndarray:
        """Return which predictions raise an alarm: those at the threshold or above, but not within the silence after one."""
        return _alarms(self.person, self.hours, self.risk >= threshold, silence_hours - _ROUNDING)


def _hours(rows: pd.DataFrame) -> np.ndarray:
    at = pd.to_datetime(rows.get("predicted_at"))
    if at is not None and at.notna().all():  # a person may have several stays, and landmarks count from the beginning of each
        return ((at - at.min()) / pd.Timedelta(hours=1)).to_numpy(float)
    if "landmark_hours" not in rows:
        raise DataError("the rows have neither landmark_hours nor predicted_at", hint="alarms need the time of each prediction")
    return rows["landmark_hours"].to_numpy(float)


def _came(y: np.ndarray, horizon_hours: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Return whether the event came within the horizon, and after how many hours."""
    if y.dtype.names is None:
        if horizon_hours is not None:
            raise DefinitionError("horizon_hours with an outcome that has no times", hint="the outcome itself says by when; leave it out")
        return y.astype(bool), np.full(len(y), np.nan)
    if horizon_hours is None or not horizon_hours > 0:
        raise DefinitionError(f"horizon_hours={horizon_hours!r}: an outcome with times needs one above 0")
    given = follow(y)
    had, hours = given.event.astype(int) == 1, 24 * given.time
    return had & (hours <= horizon_hours), np.where(had, hours, np.nan)


def _ends(y: np.ndarray) -> np.ndarray:
    """Return for how many hours each was followed after the prediction; without end where the outcome has no times."""
    return np.full(len(y), np.inf) if y.dtype.names is None else 24 * follow(y).time


def _covered(person: np.ndarray, hours: np.ndarray, end: np.ndarray, every: float | None) -> np.ndarray:
    same = person[1:] == person[:-1]
    gaps = np.diff(hours)[same]
    if (gaps <= 0).any():
        raise DataError(f"{int((gaps <= 0).sum())} predictions are at the time of another of the same person", hint="keep one of each")
    if every is None:
        if not len(gaps):
            raise DefinitionError("every person has one prediction, so every_hours must be given", hint="for how long does it stand?")
        every = float(pd.Series(gaps).mode().iloc[0])
    if not every > 0:
        raise DefinitionError(f"every_hours={every!r}: wanted a number above 0")
    following = np.full(len(hours), np.inf)
    following[:-1][same] = gaps
    return np.minimum(np.minimum(following, end), every)


@numba.njit(cache=True)
def _alarms(person, hours, high, silence):
    raised = np.zeros(len(person), np.bool_)
    current, since = -1, 0.0
    for i in range(len(person)):
        if high[i] and (person[i] != current or hours[i] - since >= silence):
            raised[i] = True
            current, since = person[i], hours[i]
    return raised
