"""Outcomes: whether, when, and from when on each person was watched."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from workbench.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["UNIT_DAYS", "Follow", "case_weights", "follow", "outcome"]

#: Days in each unit of follow-up; a year has 365.25, as survival analyses count, and a month is its twelfth.
UNIT_DAYS = {"hours": 1 / 24, "days": 1.0, "weeks": 7.0, "months": 30.4375, "years": 365.25}


class Follow(NamedTuple):
    """An outcome as plain arrays of one length, n.

    Parameters
    ----------
    time : ndarray of float, shape (n,)
        When the event or the censoring was.
    event : ndarray of bool or int, shape (n,)
        Whether there was an event; with competing risks its cause, 0 for none.
    entry : ndarray of float or None
        From when on the person was at risk; None if all were from time 0 on.
    """

    time: np.ndarray
    event: np.ndarray
    entry: np.ndarray | None


def outcome(time: ArrayLike, event: ArrayLike, *, entry: ArrayLike | None = None) -> np.ndarray:
    """Return outcomes as one structured array, as scikit-survival has it: the event first, then the time.

    Parameters
    ----------
    time : array-like of float, shape (n,)
        Follow-up, in one unit for all, greater than 0.
    event : array-like of bool or int, shape (n,)
        Whether there was an event; for competing risks the cause, counted from 1, and 0 for none.
    entry : array-like of float, optional
        From when on each was at risk (delayed entry, left truncation), before their time.

    Returns
    -------
    ndarray of shape (n,)
        With the fields ``event``, ``time`` and, if it is given, ``entry``.

    Raises
    ------
    DataError
        If lengths differ, a time is missing, infinite, not positive or not after its entry, or an event is none.

    Examples
    --------
    >>> y = outcome([5.0, 8.0], [True, False])
    >>> y.dtype.names, y["time"].tolist()
    (('event', 'time'), [5.0, 8.0])
    """
    given = _checked(np.asarray(time, float), _events(event), None if entry is None else np.asarray(entry, float))
    fields = {"event": given.event, "time": given.time} | ({} if given.entry is None else {"entry": given.entry})
    whole = np.empty(len(given.time), [(name, array.dtype) for name, array in fields.items()])
    for name, array in fields.items():
        whole[name] = array
    return whole


def follow(y: np.ndarray) -> Follow:
    """Return the parts of an outcome.

    Parameters
    ----------
    y : structured ndarray
        As :func:`outcome` or scikit-survival's ``Surv`` makes it: the event first, then the time.

    Returns
    -------
    Follow
        Its parts, checked.

    Raises
    ------
    DataError
        If it is no such array, or has a value that :func:`outcome` refuses.
    """
    names = getattr(getattr(y, "dtype", None), "names", None) or ()
    if len(names) not in (2, 3):
        raise DataError("the outcome is no structured array of event and time", hint="survival.outcome.outcome(time, event) makes one")
    event, time, *entry = (np.ascontiguousarray(y[name]) for name in names)
    return _checked(time.astype(float, copy=False), _events(event), entry[0] if entry else None)


def case_weights(sample_weight: ArrayLike | None, n: int) -> np.ndarray:
    """Return case weights, checked.

    Parameters
    ----------
    sample_weight : array-like of float, shape (n,), or None
        As given; None for 1 each.
    n : int
        Persons.

    Returns
    -------
    ndarray of float, shape (n,)
        The same.

    Raises
    ------
    DataError
        If there are not n of them, one is missing, infinite or negative, or all are 0.
    """
    weight = np.ones(n) if sample_weight is None else np.asarray(sample_weight, float)
    if weight.shape != (n,) or not np.isfinite(weight).all() or (weight < 0).any() or not weight.any():
        raise DataError(f"wanted {n} case weights that are finite and not negative, some positive")
    return weight


def _checked(time: np.ndarray, event: np.ndarray, entry: np.ndarray | None) -> Follow:
    shapes = [array.shape for array in (time, event, entry) if array is not None]
    if len(set(shapes)) > 1 or time.ndim != 1:
        raise DataError(f"the outcome's parts differ in shape: {', '.join(map(str, shapes))}", hint="give one value for each person")
    _refuse(~np.isfinite(time), "have a time that is missing or infinite", "drop them, or censor them at their last contact")
    _refuse(time <= 0, "have a time of zero or less", "an event on the index day may have time 0.5; or start follow-up the day after")
    if entry is not None:
        _refuse(~(entry < time), "enter at their time or after it, or have no entry", "who was never at risk does not belong to the study")
        _refuse(entry < 0, "enter before time 0", "time 0 is the index date")
    return Follow(time, event, entry)


def _events(event: ArrayLike) -> np.ndarray:
    event = np.asarray(event)
    if event.dtype == bool:
        return event
    numbers = event.astype(float)
    _refuse(
        ~np.isfinite(numbers) | (numbers < 0) | (numbers != np.floor(numbers)),
        "have an event that is no whole number",
        "0 for none, else the cause",
    )
    return numbers.astype(bool) if numbers.size == 0 or numbers.max() <= 1 else numbers.astype(np.int64)


def _refuse(wrong: np.ndarray, what: str, hint: str) -> None:
    if wrong.any():
        raise DataError(f"{int(wrong.sum())} of {wrong.size} persons {what} (the first in row {int(wrong.argmax())})", hint=hint)
