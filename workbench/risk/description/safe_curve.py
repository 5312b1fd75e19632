"""At which times a curve may be told, and how exactly: no event can be read off it.

An estimate with a step at each event gives each event's day away, and with the number at risk its person. So a curve is told

- at times of a grid that does not depend on the events, a sixty-fourth of a tick of its axis: the span is parted again and again, in the
  middle if possible, as long as each part holds at least the policy's threshold of events (or a half none at all). Where a part is not
  parted a reader learns that one of its sides would hold fewer, as "<10" in a table tells, and no more: it may be any such number;
- up to the last eighth of a tick at which at least the threshold are still at risk;
- to the share that the policy's rounding is of the group, as every percentage is worked out from rounded counts.

A median is an event's own time: it is told in the finest unit whose rounding at least the threshold of events share.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from workbench.errors import DefinitionError
from workbench.locale import tr
from workbench.risk.survival.outcome import UNIT_DAYS, follow

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.disclosure import DisclosurePolicy

__all__ = ["Axis", "axis", "curve_end", "parts", "rounded_shares", "safe_axis", "safe_time", "safe_times"]

#: Parts of the space between two ticks: where a curve may be told, and where it may end.
_FINE, _PARTS = 64, 8

#: Where a part is parted, in this order.
_CUTS = (1 / 2, 1 / 4, 3 / 4, 1 / 8, 7 / 8, 1 / 16, 15 / 16, 1 / 32, 31 / 32, 1 / 64, 63 / 64)

#: Units of an axis, as shown.
_SHOWN = {"days": ("天", "days"), "weeks": ("周", "weeks"), "months": ("月", "months"), "years": ("年", "years")}

#: Unit by length of the axis in days, and steps between ticks.
_UNIT_UP_TO = (("days", 120.0), ("months", 1461.0), ("years", np.inf))
_MONTH_STEPS = (1, 2, 3, 6, 12, 24)

_DIGITS, _MOST_TICKS = 3, 7


class Axis(NamedTuple):
    """The axis of time.

    Parameters
    ----------
    unit : str
        Key of a unit.
    days : float
        Days in one.
    ticks : ndarray of float
        In that unit, from 0; the last is at or after the last time.
    """

    unit: str
    days: float
    ticks: np.ndarray

    @property
    def unit_name(self) -> str:
        """The unit, as shown."""
        return tr(*_SHOWN[self.unit])

    @property
    def label(self) -> str:
        """What stands at the axis."""
        return tr("时间（{0}）", "Time ({0})").format(self.unit_name)


def axis(longest_days: float, unit: str = "") -> Axis:
    """Choose unit and ticks of an axis.

    Parameters
    ----------
    longest_days : float
        What it must hold.
    unit : {"days", "weeks", "months", "years"} or empty
        By the length where empty.

    Returns
    -------
    Axis

    Raises
    ------
    DefinitionError
        If there is no such unit.

    Examples
    --------
    >>> axis(2000.0).unit, axis(2000.0).ticks.tolist()
    ('years', [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    """
    if unit and unit not in _SHOWN:
        raise DefinitionError(f"time_unit is {unit!r}; wanted {', '.join(_SHOWN)}")
    unit = unit or next(name for name, up_to in _UNIT_UP_TO if longest_days <= up_to)
    length = longest_days / UNIT_DAYS[unit]
    scale = 10.0 ** np.floor(np.log10(length / (_MOST_TICKS - 1)))
    steps = [factor * scale for factor in (1, 2, 5, 10)]
    if unit == "months" and length <= _MONTH_STEPS[-1] * (_MOST_TICKS - 1):
        steps = list(_MONTH_STEPS)
    step = next(each for each in steps if length / each <= _MOST_TICKS - 1 + 1e-9)
    return Axis(unit, UNIT_DAYS[unit], np.round(np.arange(np.ceil(length / step - 1e-9) + 1) * step, 10))


def safe_axis(y: np.ndarray, unit: str, policy: DisclosurePolicy) -> Axis:
    """Choose an axis that reaches as far as the policy's threshold of persons are watched."""
    return axis(float(np.sort(follow(y).time)[-policy.threshold]), unit)


def curve_end(at_risk_after: np.ndarray, edges: np.ndarray, threshold: int) -> float:
    """Return the last edge after which at least `threshold` are at risk; 0 where there is none."""
    enough = np.flatnonzero(at_risk_after >= threshold)
    return float(edges[enough[-1]]) if enough.size else 0.0


def parts(ticks: np.ndarray) -> np.ndarray:
    """Return the times at which a curve may end."""
    return np.linspace(ticks[0], ticks[-1], (len(ticks) - 1) * _PARTS + 1)


def safe_times(events: np.ndarray, ticks: np.ndarray, *, end: float, threshold: int) -> np.ndarray:
    """Return the times at which a curve may be told.

    Parameters
    ----------
    events : ndarray of float
        Times of the events that move it.
    ticks : ndarray of float
        Evenly from 0 on; they do not depend on the events.
    end : float
        Last time told, an eighth of a tick or a multiple of it.
    threshold : int
        Events between two times at the least, unless there are none.

    Returns
    -------
    ndarray of float
        From 0 on; 0 alone where the curve cannot be told.

    Examples
    --------
    >>> safe_times(np.arange(1.0, 41.0), np.array([0.0, 20.0, 40.0]), end=40.0, threshold=10).tolist()
    [0.0, 10.0, 20.0, 30.0, 40.0]
    >>> safe_times(np.array([3.0, 4.0]), np.array([0.0, 20.0, 40.0]), end=40.0, threshold=10).tolist()
    [0.0]
    """
    step = ticks[1] / _FINE
    grid = np.arange(round(end / step) + 1) * step
    below = np.searchsorted(np.sort(events), grid, side="right")

    def enough(start: int, stop: int, *, none: bool = True) -> bool:
        count = below[stop] - below[start]
        return count >= threshold or (none and count == 0)

    def parted(start: int, stop: int) -> list[int]:
        if below[start] == below[stop]:
            return [stop]
        for cut in _CUTS:
            at, middle = start + round((stop - start) * cut), cut == _CUTS[0]  # an empty side off the middle would end at the first event
            if start < at < stop and enough(start, at, none=middle) and enough(at, stop, none=middle):
                return [*parted(start, at), *parted(at, stop)]
        return [stop]

    edges = _joined([*range(0, len(grid) - 1, _FINE), len(grid) - 1], enough)
    return grid[[0, *(at for start, stop in pairwise(edges) for at in parted(start, stop))]]


def _joined(edges: list[int], enough: Callable[..., bool]) -> list[int]:
    """Join parts that hold some events but too few with the next, and the last of them with those before."""
    kept = [edges[0]]
    for at in edges[1:]:
        if enough(kept[-1], at):
            kept.append(at)
    while kept[-1] < edges[-1]:
        if enough(kept[-1], edges[-1]):
            return [*kept, edges[-1]]
        if len(kept) == 1:
            break
        kept.pop()
    return kept


def rounded_shares(shares: np.ndarray, persons: int, policy: DisclosurePolicy) -> np.ndarray:
    """Round shares of a group to what its rounded counts can tell, and to three decimals.

    Examples
    --------
    >>> from workbench.disclosure import DisclosurePolicy
    >>> rounded_shares(np.array([0.973, 0.512]), 100, DisclosurePolicy(threshold=10, rounding=5)).tolist()
    [0.95, 0.5]
    """
    grid = policy.rounding / max(persons, policy.rounding)
    return np.round(np.clip(np.round(shares / grid) * grid, 0, 1), 3)


def safe_time(time: float, events: np.ndarray, *, threshold: int) -> float | None:
    """Round an event's time so far that it is as well that of others.

    Parameters
    ----------
    time : float
        A median time, say.
    events : ndarray of float
        All times that it might be.
    threshold : int
        Events that the rounded time stands for at the least.

    Returns
    -------
    float or None
        To three digits or fewer; None where even the roughest would stand for too few.

    Examples
    --------
    >>> safe_time(412.0, np.array([250.0, 380.0, 412.0, 440.0]), threshold=3)
    400.0
    """
    if not np.isfinite(time) or time <= 0:
        return None
    first = np.floor(np.log10(time)) - _DIGITS + 1
    units = [factor * 10.0 ** (first + power) for power in range(_DIGITS) for factor in (1, 2, 5)]
    for unit in units:
        shown = np.round(time / unit) * unit
        if shown > 0 and np.count_nonzero(np.abs(events - shown) <= unit / 2) >= threshold:
            return float(np.round(shown, 10))
    return None
