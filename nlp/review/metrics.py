"""How right a variable is, with bounds: precision, recall and F1 of a reviewed sample, and how many more items would make them sharp.

A note counts as one answer. Of the items where something was found, the share that is right is the precision. What was missed comes from
two places: found items whose answer had to be corrected (or beside whose answer another was missed), and the items where nothing was
found; both are carried to all notes by the sample's weights. With T right answers, M missed ones and N found in all,

    precision = T / N,    recall = T / (T + M) = 1 / (1 + M/T),    F1 = 2 T / (N + T + M) = 2 / (1 + (N + M)/T).

Intervals: each share has Wilson's interval at Kish's effective sample size; precision is such a share. Recall and F1 are functions of one
ratio, M/T or (N + M)/T, whose interval follows from those of its parts by the method of variance estimates recovery (MOVER), which needs
no normal approximation of the ratio and stays honest where nothing missed was seen among a few of many notes. In simulations with 100 items
a side the 95 % intervals held the truth in 94 to 97 % (recall 94 to 100 %) of 3,000 rounds (precision 0.6 to 0.95, up to 5 % missed).
The sample is taken as one of a larger practice: no finite population correction.

References
----------
.. [1] E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927) 209-212.
.. [2] L. Kish, Survey Sampling (1965), section 11.7: n_eff = (sum w)^2 / sum w^2.
.. [3] A. Donner and G. Y. Zou, Closed-form confidence intervals for functions of the normal mean and standard deviation, Stat. Methods
   Med. Res. 21 (2012) 347-359: MOVER for a sum and a ratio.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nlp.review.decisions import Decision, Final
    from nlp.review.items import Item

__all__ = ["TARGET", "Interval", "Measured", "VariableMetrics", "measure", "ratio_interval", "wilson"]

#: Half-width that "how many more" counts to.
TARGET = 0.03
_Z = 1.959964
_MOST = 1e4


class Interval(NamedTuple):
    """An estimate with its 95 % interval, and how many more items make it ±3 % (None where nothing can be said yet)."""

    value: float | None = None
    low: float = 0.0
    high: float = 1.0
    more: int | None = None


class VariableMetrics(NamedTuple):
    """What the review says of a variable so far.

    `found` and `not_found` count the judged items where something was found or not, `unsure` those left out because they cannot be told,
    `open` those on which reviewers differ; `items` is the size of the sample.
    """

    variable: str
    items: int
    found: int
    not_found: int
    unsure: int
    open: int
    precision: Interval
    recall: Interval
    f1: Interval


class Measured(NamedTuple):
    """A share with its interval."""

    value: float
    low: float
    high: float


class _Group(NamedTuple):
    """Judged items of one side: how many there are in all, weights, and of each whether it is right and how many were lost."""

    population: float
    weights: tuple[float, ...]
    right: tuple[bool, ...]
    lost: tuple[bool, ...]


def wilson(share: float, n: float, *, z: float = _Z) -> Measured:
    """Return Wilson's score interval of a share.

    Parameters
    ----------
    share : float
        Observed, 0 to 1.
    n : float
        Sample size, effective where items have weights; with 0 the interval is (0, 1).
    z : float
        Quantile of the normal distribution; 1.96 for 95 %.

    Returns
    -------
    Measured
        Share, low, high.

    Examples
    --------
    >>> [round(each, 4) for each in wilson(0.9, 100)]
    [0.9, 0.8256, 0.9448]
    """
    if n <= 0:
        return Measured(share, 0.0, 1.0)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Measured(share, min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half)))


def ratio_interval(top: Measured, bottom: Measured, *, correlation: float = 0.0) -> Measured:
    """Return the MOVER interval of a ratio of two estimates that are not negative.

    Parameters
    ----------
    top, bottom : Measured
        Estimates with their intervals.
    correlation : float
        Between the two.

    Returns
    -------
    Measured
        The upper end is infinite where `bottom` may be 0.

    Examples
    --------
    >>> [round(each, 3) for each in ratio_interval(Measured(10, 8, 12), Measured(5, 4, 6))]
    [2.0, 1.5, 2.667]
    """
    value = top.value / bottom.value if bottom.value else math.inf
    below, above = top.value - top.low, bottom.high - bottom.value
    a, c = bottom.high * (2 * bottom.value - bottom.high), top.low * (2 * top.value - top.low)
    b = top.value * bottom.value - correlation * below * above
    root = b + math.sqrt(max(b * b - a * c, 0.0))
    low = c / root if root > 0 else 0.0
    below, above = bottom.value - bottom.low, top.high - top.value
    a, c = bottom.low * (2 * bottom.value - bottom.low), top.high * (2 * top.value - top.high)
    b = top.value * bottom.value - correlation * below * above
    high = (b + math.sqrt(max(b * b - a * c, 0.0))) / a if a > 0 else math.inf
    return Measured(value, min(low, value), max(high, value))


def measure(items: Sequence[Item], finals: Mapping[str, Final], *, target: float = TARGET) -> list[VariableMetrics]:
    """Measure each variable of a sample.

    Parameters
    ----------
    items : sequence of Item
        The whole sample, judged or not.
    finals : mapping
        Item -> the verdict that stands; see :func:`nlp.review.decisions.finals`.
    target : float, default 0.03
        Half-width that "how many more" counts to.

    Returns
    -------
    list of VariableMetrics
        In order of the variables' first items.

    Examples
    --------
    >>> from nlp.review.decisions import Decision, finals
    >>> from nlp.review.items import Item
    >>> items = [Item(number, "cough", found=number % 2 == 0, weight=5) for number in range(200)]
    >>> made = [Decision(item.key, "a", "accept") for item in items]
    >>> measured = measure(items, finals(made))[0]
    >>> [round(each, 3) for each in measured.precision[:3]], measured.recall.more
    ([1.0, 0.963, 1.0], 0)
    """
    by_variable: dict[str, list[Item]] = {}
    for item in items:
        by_variable.setdefault(item.variable, []).append(item)
    return [_of_variable(name, own, finals, target) for name, own in by_variable.items()]


def _of_variable(name: str, items: Sequence[Item], finals: Mapping[str, Final], target: float) -> VariableMetrics:
    stand = [(item, finals[item.key].decision) for item in items if item.key in finals]
    judged = [(item, decision) for item, decision in stand if decision is not None and decision.verdict != "unsure"]
    sides = [_group(items, judged, found=found) for found in (True, False)]
    counts = [len(side.weights) for side in sides]
    unsure = sum(decision is not None and decision.verdict == "unsure" for _, decision in stand)
    open_ = sum(decision is None for _, decision in stand)
    waiting = max(0, math.ceil(sum(item.weight for item in items)) - sum(counts))
    own = [_with_more(place, sides, target, waiting) for place in range(3)]
    return VariableMetrics(name, len(items), *counts, unsure, open_, *own)


def _group(items: Iterable[Item], judged: Iterable[tuple[Item, Decision]], *, found: bool) -> _Group:
    mine = [(item, *_outcome(item, decision)) for item, decision in judged if item.found == found]
    weights, right, lost = zip(*((item.weight, good, missed) for item, good, missed in mine), strict=True) if mine else ((), (), ())
    return _Group(sum(item.weight for item in items if item.found == found), weights, right, lost)


def _outcome(item: Item, decision: Decision) -> tuple[bool, bool]:
    """Tell whether the answer is right, and whether an answer is missing."""
    if decision.verdict == "correct":
        right = (decision.value, decision.assertion or item.assertion) == (item.value, item.assertion)
        return right, not right  # another span alone leaves the answer right
    if not item.found:
        return False, decision.verdict == "missed"
    return decision.verdict in ("accept", "missed"), decision.verdict == "missed"


def _share(weights: Sequence[float], hits: Sequence[bool], factor: float) -> Measured:
    total, squares = sum(weights), sum(weight * weight for weight in weights)
    share = sum(weight for weight, hit in zip(weights, hits, strict=True) if hit) / total if total else 0.0
    return wilson(min(share, 1.0), factor * total * total / squares if squares else 0.0)


def _estimates(sides: Sequence[_Group], factor: float = 1.0) -> tuple[Interval, Interval, Interval]:
    """Return precision, recall and F1 as if `factor` times as many items had been judged alike."""
    found, rest = sides
    if not found.weights and found.population:
        return Interval(), Interval(), Interval()
    right, lost = _share(found.weights, found.right, factor), _share(found.weights, found.lost, factor)
    precision = Interval(*right) if found.weights else Interval()
    missed = _share(rest.weights, rest.lost, factor) if rest.population else Measured(0.0, 0.0, 0.0)
    if rest.population and not rest.weights:
        return precision, Interval(), Interval()
    answers = _scaled(right, found.population) if found.weights else Measured(0.0, 0.0, 0.0)
    all_lost = _sum(_scaled(lost, found.population) if found.weights else answers, _scaled(missed, rest.population))
    tie = _tie(right, lost, found.population, all_lost)
    every = Measured(*(found.population + each for each in all_lost))
    recall = _of_ratio(all_lost, answers, tie, 1.0)
    return precision, recall, _of_ratio(every, answers, tie, 2.0)


def _scaled(share: Measured, population: float) -> Measured:
    return Measured(*(population * each for each in share))


def _sum(one: Measured, other: Measured) -> Measured:
    value = one.value + other.value
    low = math.hypot(one.value - one.low, other.value - other.low)
    high = math.hypot(one.high - one.value, other.high - other.value)
    return Measured(value, max(0.0, value - low), value + high)


def _tie(right: Measured, lost: Measured, population: float, all_lost: Measured) -> float:
    """Return the correlation of what is right with all that is lost: an answer that had to be corrected is both not right and lost."""
    odds = right.value * lost.value / ((1 - right.value) * (1 - lost.value)) if right.value < 1 and lost.value < 1 else 0.0
    spread = all_lost.high - all_lost.low
    part = population * (lost.high - lost.low) / spread if spread else 0.0
    return -min(1.0, math.sqrt(odds)) * min(1.0, part)


def _of_ratio(top: Measured, bottom: Measured, correlation: float, times: float) -> Interval:
    if top.value == 0 and bottom.value == 0:
        return Interval()
    ratio = ratio_interval(top, bottom, correlation=correlation)
    value, low, high = (times / (1 + each) for each in (ratio.value, ratio.high, ratio.low))
    return Interval(value, max(0.0, low), min(1.0, high))


def _with_more(place: int, sides: Sequence[_Group], target: float, waiting: int) -> Interval:
    """Add to an estimate how many more items make it as sharp as `target`; at most all that wait."""
    now = _estimates(sides)[place]
    if now.value is None:
        return now
    judged = len(sides[0].weights) + (len(sides[1].weights) if place else 0)
    low, high = 1.0, 1.0
    while _half(_estimates(sides, high)[place]) > target and high < _MOST:
        low, high = high, high * 2
    if high == 1.0:
        return now._replace(more=0)
    while (high - low) * judged > 1:
        middle = (low + high) / 2
        low, high = (middle, high) if _half(_estimates(sides, middle)[place]) > target else (low, middle)
    return now._replace(more=min(waiting, math.ceil((high - 1) * judged)))


def _half(interval: Interval) -> float:
    return (interval.high - interval.low) / 2
