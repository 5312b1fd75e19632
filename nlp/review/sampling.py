"""Stratified samples with known weights.

Every stratum gives at least a floor of units, the rest is shared in proportion to size, so that every unit had a known chance to be drawn
and its weight, the inverse of that chance, carries a result from the sample to all. The weights of a sample sum to the number of units.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

__all__ = ["BANDS", "Sample", "allocate", "confidence_band", "draw_sample", "merge_small"]

#: Lower ends of the bands of confidence, from the surest.
BANDS = (0.95, 0.8, 0.0)


class Sample(NamedTuple):
    """What was drawn: `places` of the units in random order, the weight of each, and stratum -> (units, drawn)."""

    places: np.ndarray
    weights: np.ndarray
    strata: dict[Hashable, tuple[int, int]]


def confidence_band(confidence: float) -> str:
    """Name the band that a confidence lies in.

    Parameters
    ----------
    confidence : float
        Between 0 and 1.

    Returns
    -------
    str
        ">=0.95", ">=0.8" or ">=0".

    Examples
    --------
    >>> confidence_band(0.9)
    '>=0.8'
    """
    return f">={next((low for low in BANDS if confidence >= low), 0.0):g}"


def allocate(sizes: Mapping[Hashable, int], n: int, *, floor: int = 2) -> dict[Hashable, int]:
    """Share `n` draws among strata: a floor for each, the rest in proportion to size by largest remainders.

    Parameters
    ----------
    sizes : mapping
        Stratum -> its units.
    n : int
        Draws; never more than there are units, never fewer than one for each stratum.
    floor : int, default 2
        Fewest draws of a stratum, where it has as many; lowered to what `n` allows.

    Returns
    -------
    dict
        Stratum -> draws.

    Examples
    --------
    >>> allocate({"many": 900, "few": 10}, 50, floor=5)
    {'many': 45, 'few': 5}
    """
    held = {stratum: size for stratum, size in sizes.items() if size}
    least = max(1, min(floor, n // max(len(held), 1)))
    drawn = {stratum: min(least, size) for stratum, size in held.items()}
    left = min(n, sum(held.values())) - sum(drawn.values())
    while left > 0:
        open_ = {stratum: held[stratum] * n / sum(held.values()) - drawn[stratum] for stratum in held if drawn[stratum] < held[stratum]}
        wanting = {stratum: max(want, 0.0) for stratum, want in open_.items()}
        total = sum(wanting.values()) or None
        shares = {stratum: left * want / total if total else left / len(open_) for stratum, want in wanting.items()}
        before = left
        for stratum, share in shares.items():
            more = min(int(share), held[stratum] - drawn[stratum])
            drawn[stratum] += more
            left -= more
        if left == before:  # only fractions are left
            for stratum in sorted(shares, key=lambda each: (-shares[each], str(each)))[:left]:
                drawn[stratum] += 1
                left -= 1
    return drawn


def merge_small(strata: Sequence[Hashable], *, at_most: int, other: Hashable = "other") -> list[Hashable]:
    """Put the smallest strata together where there are more than a sample can serve.

    Parameters
    ----------
    strata : sequence of hashable
        Stratum of each unit.
    at_most : int
        Most strata to keep, the common one included.
    other : hashable
        Name of the common one.

    Returns
    -------
    list of hashable
        Stratum of each unit.
    """
    sizes = Counter(strata)
    if len(sizes) <= max(at_most, 1):
        return list(strata)
    kept = {stratum for stratum, _ in sorted(sizes.items(), key=lambda pair: (-pair[1], str(pair[0])))[: max(at_most, 1) - 1]}
    return [stratum if stratum in kept else other for stratum in strata]


def draw_sample(strata: Sequence[Hashable], n: int, *, seed: int = 0, floor: int = 2) -> Sample:
    """Draw a stratified sample without replacement.

    Parameters
    ----------
    strata : sequence of hashable
        Stratum of each unit; small ones are put together where there are more than ``n / floor``.
    n : int
        Units to draw; all where there are no more.
    seed : int, default 0
        Of the draw: equal seed and units give equal samples.
    floor : int, default 2
        Fewest units of a stratum, where it has as many.

    Returns
    -------
    Sample
        In random order, so that a review that stops early has seen a random part.

    References
    ----------
    .. [1] W. G. Cochran, Sampling Techniques, 3rd ed., chapter 5 (stratified random sampling).

    Examples
    --------
    >>> sample = draw_sample(["CT"] * 90 + ["MR"] * 10, 20, seed=1)
    >>> sample.strata, float(sample.weights.sum())
    ({'CT': (90, 18), 'MR': (10, 2)}, 100.0)
    """
    random = np.random.default_rng(seed)
    served = merge_small(strata, at_most=max(1, n // max(floor, 1)))
    places: dict[Hashable, list[int]] = {}
    for place, stratum in enumerate(served):
        places.setdefault(stratum, []).append(place)
    sizes = {stratum: len(places[stratum]) for stratum in sorted(places, key=str)}
    drawn = allocate(sizes, n, floor=floor)
    chosen = [random.choice(places[stratum], size=count, replace=False) for stratum, count in drawn.items()]
    weights = [np.full(count, sizes[stratum] / count) for stratum, count in drawn.items()]
    if not chosen:
        return Sample(np.zeros(0, np.int64), np.zeros(0), {})
    order = random.permutation(sum(drawn.values()))
    return Sample(np.concatenate(chosen)[order], np.concatenate(weights)[order], {each: (sizes[each], drawn[each]) for each in drawn})
