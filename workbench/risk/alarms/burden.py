"""Alarm burden: how many alarms a warning gives, how many of them are true, and how early they come."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from workbench.errors import DefinitionError
from workbench.risk.alarms.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike

__all__ = ["alarm_burden", "at_workload"]

#: Thresholds that are tried for a workload: so many quantiles of the predictions.
_CANDIDATES = 500
#: Numbers that are held at once: samples times persons.
_CELLS = 2_000_000


class _Tally(NamedTuple):
    """Of each person at a threshold: alarms, true ones, hours watched, whether the event came and an alarm before it, and how early."""

    alarms: np.ndarray
    true: np.ndarray
    hours: np.ndarray
    event: np.ndarray
    warned: np.ndarray
    lead: np.ndarray


def alarm_burden(
    rows: pd.DataFrame,
    y: np.ndarray,
    risk: ArrayLike,
    thresholds: ArrayLike,
    *,
    silence_hours: float = 0.0,
    horizon_hours: float | None = None,
    every_hours: float | None = None,
    resamples: int = 500,
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Return what comes of an alarm at each prediction that reaches a threshold.

    Parameters
    ----------
    rows : DataFrame of n rows
        ``person``, and ``predicted_at`` or ``landmark_hours``, of each prediction.
    y : ndarray of shape (n,)
        Whether the event came within the horizon of each prediction; or outcomes with times, in days from it. Who leaves before without the
        event counts as without.
    risk : array-like of float, shape (n,) or (n, 1)
        Predictions, out of sample.
    thresholds : float or array-like of float, shape (m,)
        From where on there is an alarm.
    silence_hours : float
        After an alarm there is no other of the same person for so long.
    horizon_hours : float, optional
        With times: an alarm is true if the event comes within so many hours.
    every_hours : float, optional
        For how long a prediction stands at most; the commonest time between two of a person.
    resamples : int
        Bootstrap samples of persons, for the intervals.
    level : float
        Of the intervals.
    seed : int
        Of the samples.

    Returns
    -------
    DataFrame
        By ``threshold`` and ``silence_hours`` (0 and, if another is asked for, that): ``alarms``; ``alarms_per_100_days`` of the time that
        predictions stand for; ``ppv``, the share of alarms that are true; ``events``, persons to whom the event came within the horizon of
        a prediction, and ``sensitivity``, the share of them with a true alarm; ``lead_hours``, the median from a person's first true alarm
        to the event, with ``lead_hours_q1`` and ``lead_hours_q3`` (not numbers where the outcome has no times); each with its interval in
        ``..._lower`` and ``..._upper``. A share of nothing is not a number.

    Raises
    ------
    DataError
        As :meth:`workbench.risk.alarms.watch.Watch.of`.
    DefinitionError
        If a parameter is none.

    Notes
    -----
    Alarms and their predictive value by alarm, sensitivity by patient: Romero-Brufau et al. (2015), Crit Care 19:285; alarms by patient and
    day, silence after an alarm, and warning by event: Hyland et al. (2020), Nat Med 26:364. Persons are resampled whole (percentiles).

    Examples
    --------
    >>> rows = pd.DataFrame({"person": [1, 1, 1, 2, 2], "landmark_hours": [0, 24, 48, 0, 24]})
    >>> y, risk = np.array([False, True, True, False, False]), [0.1, 0.6, 0.7, 0.6, 0.2]
    >>> table = alarm_burden(rows, y, risk, 0.5, resamples=0)
    >>> table[["alarms", "alarms_per_100_days", "ppv", "sensitivity"]].iloc[0].round(2).tolist()
    [3.0, 60.0, 0.67, 1.0]
    """
    watch = Watch.of(rows, y, risk, horizon_hours=horizon_hours, every_hours=every_hours)
    thresholds = np.atleast_1d(np.asarray(thresholds, float))
    _check(thresholds, silence_hours, resamples, level)
    asked = list(product(thresholds.tolist(), sorted({0.0, float(silence_hours)})))
    figures = _figures([_tally(watch, *one) for one in asked], resamples=resamples, level=level, seed=seed)
    return pd.DataFrame(figures, pd.MultiIndex.from_tuples(asked, names=["threshold", "silence_hours"]))


def at_workload(
    rows: pd.DataFrame,
    y: np.ndarray,
    risk: ArrayLike,
    workloads: ArrayLike = (2, 5, 10),
    *,
    silence_hours: float = 0.0,
    horizon_hours: float | None = None,
    every_hours: float | None = None,
    resamples: int = 500,
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Return what comes of the most alarms that a ward can answer.

    Parameters
    ----------
    rows, y, risk
        As :func:`alarm_burden` takes them.
    workloads : float or array-like of float, shape (m,)
        Alarms per 100 patient-days, at most.
    silence_hours, horizon_hours, every_hours, resamples, level, seed
        As :func:`alarm_burden` takes them.

    Returns
    -------
    DataFrame
        By ``workload``: the lowest of 500 thresholds, quantiles of the predictions, down to which alarms stay within it, and the columns of
        :func:`alarm_burden` there; not a number, and no alarm, where even the highest gives too many. Intervals take the threshold as
        given.

    Raises
    ------
    DataError
        As :func:`alarm_burden`.
    DefinitionError
        If a workload is not above 0, or a parameter is none.
    """
    watch = Watch.of(rows, y, risk, horizon_hours=horizon_hours, every_hours=every_hours)
    workloads = np.atleast_1d(np.asarray(workloads, float))
    _check(workloads, silence_hours, resamples, level)
    if not (workloads > 0).all():
        raise DefinitionError("a workload must be above 0")
    candidates = np.unique(np.quantile(watch.risk, np.linspace(0, 1, _CANDIDATES), method="higher"))[::-1]
    days = watch.covered.sum() / 24
    load = np.array([100 * watch.alarms(threshold, silence_hours).sum() / days for threshold in candidates])
    within = [int(np.argmax(load > workload)) if (load > workload).any() else len(load) for workload in workloads]
    chosen = [candidates[count - 1] if count else np.nan for count in within]
    figures = _figures([_tally(watch, threshold, silence_hours) for threshold in chosen], resamples=resamples, level=level, seed=seed)
    table = pd.DataFrame(figures, pd.Index(workloads, name="workload"))
    table.insert(0, "threshold", chosen)
    return table


def _check(values: np.ndarray, silence_hours: float, resamples: int, level: float) -> None:
    if not len(values) or not np.isfinite(values).all():
        raise DefinitionError("thresholds and workloads must be finite numbers, one or more")
    if not silence_hours >= 0 or resamples < 0 or not 0 < level < 1:
        raise DefinitionError(f"silence_hours={silence_hours!r}, resamples={resamples!r}, level={level!r}: wanted 0 or more, and 0 to 1")


def _tally(watch: Watch, threshold: float, silence_hours: float) -> _Tally:
    raised = watch.alarms(threshold, silence_hours)
    hit, persons = raised & watch.true, watch.person.max() + 1
    warned, first = np.unique(watch.person[hit], return_index=True)
    lead = np.full(persons, np.nan)
    lead[warned] = watch.lead[hit][first]
    return _Tally(
        alarms=np.bincount(watch.person, raised, persons),
        true=np.bincount(watch.person, hit, persons),
        hours=np.bincount(watch.person, watch.covered, persons),
        event=np.bincount(watch.person, watch.true, persons) > 0,
        warned=np.isin(np.arange(persons), warned),
        lead=lead,
    )


def _figures(tallies: Sequence[_Tally], *, resamples: int, level: float, seed: int) -> list[dict[str, float]]:
    """Return the figures of each tally, with intervals from samples of persons; the same samples for all."""
    whole = [_shares(tally, np.ones((1, len(tally.hours)))) for tally in tallies]
    parts = [[_shares(tally, drawn) for tally in tallies] for drawn in _samples(len(tallies[0].hours), resamples, seed)]
    found = []
    for place, (tally, figures) in enumerate(zip(tallies, whole, strict=True)):
        row = {"alarms": float(tally.alarms.sum()), "events": float(tally.event.sum())}
        for name, value in figures.items():
            drawn = np.concatenate([np.empty(0), *(part[place][name] for part in parts)])
            known = drawn[~np.isnan(drawn)]
            low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2]) if len(known) else (np.nan, np.nan)
            row |= {name: float(value[0]), f"{name}_lower": float(low), f"{name}_upper": float(high)}
        found.append(row)
    return found


def _samples(persons: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Yield how often each person is in some bootstrap samples, of shape (samples, persons), as many as memory likes."""
    rng, size = np.random.default_rng(seed), max(1, _CELLS // persons)
    for start in range(0, resamples, size):
        yield rng.multinomial(persons, np.full(persons, 1 / persons), size=min(size, resamples - start)).astype(float)


def _shares(tally: _Tally, drawn: np.ndarray) -> dict[str, np.ndarray]:
    """Return the figures of each sample, each of shape (samples,)."""
    alarms, true, hours, event, warned = (drawn @ of_person for of_person in tally[:-1])
    return {
        "alarms_per_100_days": 2400 * alarms / hours,
        "ppv": _ratio(true, alarms),
        "sensitivity": _ratio(warned, event),
        "lead_hours": _quantile(tally.lead, drawn, 0.5),
        "lead_hours_q1": _quantile(tally.lead, drawn, 0.25),
        "lead_hours_q3": _quantile(tally.lead, drawn, 0.75),
    }


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, where=whole > 0, out=np.full(len(whole), np.nan))


def _quantile(lead: np.ndarray, drawn: np.ndarray, share: float) -> np.ndarray:
    """Return a quantile of the lead in each sample: the least value that reaches the share."""
    known = np.flatnonzero(~np.isnan(lead))
    if not len(known):
        return np.full(len(drawn), np.nan)
    order = known[np.argsort(lead[known])]
    reached = np.cumsum(drawn[:, order], axis=1)
    total = reached[:, -1]
    place = (reached < np.ceil(share * total)[:, None]).sum(axis=1)
    return np.where(total > 0, lead[order[np.minimum(place, len(order) - 1)]], np.nan)
