"""Baseline tables of weighted persons: what is told of a group, and tests whose variance is that of the weighted sampling.

A weight (an inverse probability of treatment or of sampling) is no number of persons: a test that took it for one would find too much.
So variances are those of weighted means of independent persons (linearised, "sandwich"), as R's survey package has them:

- means: a Wald F test of the weighted means; with two groups it is the square of ``svyttest``'s t [1]_;
- medians: the same test on weighted mid-ranks, ``svyranktest`` [2]_;
- categories: Pearson's chi-squared with Rao and Scott's second-order correction, ``svychisq`` [3]_.

References
----------
.. [1] Lumley, "Complex Surveys", Wiley 2010, sections 2.2 and 5.2.
.. [2] Lumley and Scott, "Two-sample rank tests under complex sampling", Biometrika 2013; 100: 831-842.
.. [3] Rao and Scott, "On chi-squared tests for multiway contingency tables ...", Ann Stat 1984; 12: 46-60.
.. [4] Kish, "Survey Sampling", Wiley 1965, section 11.7.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from workbench.cohort.baseline_compare import Comparison, Moments, largest, smd_of_means, smd_of_shares
from workbench.errors import DataError
from workbench.locale import tr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

__all__ = ["as_persons", "checked_weights", "compare_categories", "compare_numbers", "effective_numbers", "moments_of"]


def checked_weights(weights: ArrayLike, n: int) -> np.ndarray:
    """Return weights as an array of shape (n,); refuse another shape, and what is negative, missing or infinite."""
    weight = np.asarray(weights, dtype=np.float64)
    if weight.shape != (n,):
        raise DataError(f"weights have the shape {weight.shape}; wanted ({n},)", hint="give one weight for each row")
    wrong = ~(np.isfinite(weight) & (weight >= 0))
    if wrong.any():
        raise DataError(f"{int(wrong.sum())} of {n} weights are negative, missing or infinite", hint="0 leaves a person out")
    return weight


def moments_of(values: np.ndarray, weight: np.ndarray) -> Moments:
    """Return what is told of the values of one group.

    Parameters
    ----------
    values, weight : ndarray of float, shape (n,)
        Known values, and weights above 0.

    Returns
    -------
    Moments
        The SD has n / (n - 1) as R's ``svyvar``; quantiles are the least value that half (or a quarter) of the weight does not exceed.

    Examples
    --------
    >>> moments_of(np.array([1.0, 2.0, 4.0]), np.array([1.0, 1.0, 2.0])).mean
    2.75
    """
    n = values.size
    if not n:
        return Moments(0, *(float("nan"),) * 5, effective=0.0)
    mean = float(np.average(values, weights=weight))
    sd = float(np.sqrt(np.average((values - mean) ** 2, weights=weight) * n / (n - 1))) if n > 1 else float("nan")
    quartiles = (float(q) for q in np.quantile(values, (0.25, 0.5, 0.75), weights=weight, method="inverted_cdf"))
    return Moments(n, mean, sd, *quartiles, effective=_effective(weight))


def effective_numbers(codes: np.ndarray, n_groups: int, weight: np.ndarray) -> tuple[float, ...]:
    """Return the effective numbers of persons [4]_: of everyone and, where there are several groups, of each."""
    sums, squares = (np.bincount(codes, weights=weight**power, minlength=n_groups) for power in (1, 2))
    return (_effective(weight), *(sums**2 / squares).tolist()) if n_groups > 1 else (_effective(weight),)


def as_persons(sums: np.ndarray, codes: np.ndarray, weight: np.ndarray) -> tuple[tuple[float, ...], ...]:
    """Scale sums of weights, of shape (n_levels, n_groups), to numbers of persons: of everyone, then (if several) within each group."""
    groups = np.bincount(codes, weights=weight, minlength=sums.shape[1])
    everyone = sums.sum(axis=1, keepdims=True) * (len(weight) / weight.sum())
    scaled = np.hstack([everyone, sums * (np.bincount(codes) / groups)]) if sums.shape[1] > 1 else everyone
    return tuple(tuple(row) for row in scaled.tolist())


def compare_numbers(kind: str, parts: Sequence[np.ndarray], weights: Sequence[np.ndarray], told: Sequence[Moments]) -> Comparison:
    """Test whether a number differs between groups.

    Parameters
    ----------
    kind : {"mean", "median"}
        What is compared: values, or their weighted ranks.
    parts, weights : sequence of ndarray of float, one a group
        Known values and weights.
    told : sequence of Moments, one a group
        Of these.

    Returns
    -------
    Comparison
        Without P where a group has fewer than two persons or the values do not vary.
    """
    smd = largest(smd_of_means(a, b) for a, b in combinations(told, 2))
    if min(each.n for each in told) < 2:
        return Comparison(smd=smd)
    if kind == "median":
        ranks = _mid_ranks(np.concatenate(parts), np.concatenate(weights))
        parts = np.split(ranks, np.cumsum([part.size for part in parts])[:-1])
    p = _wald(parts, weights)
    name = (
        tr("加权秩检验", "weighted rank test")
        if kind == "median"
        else tr("加权 t", "weighted t")
        if len(parts) == 2
        else tr("加权 F", "weighted F")
    )
    return Comparison(smd=smd) if np.isnan(p) else Comparison(p, name, smd)


def compare_categories(sums: np.ndarray, squares: np.ndarray, persons: int) -> Comparison:
    """Test whether categories differ between groups.

    Parameters
    ----------
    sums, squares : ndarray of float, shape (n_levels, n_groups)
        Sums of weights and of their squares.
    persons : int
        How many have a category.

    Returns
    -------
    Comparison
        Without P where there is one category, or a group has nobody with one.
    """
    from scipy import stats

    smd = largest(smd_of_shares(sums[:, [a, b]]) for a, b in combinations(range(sums.shape[1]), 2))
    some = sums.sum(axis=1) > 0
    sums, squares = sums[some], squares[some]
    if len(sums) < 2 or (sums.sum(axis=0) == 0).any():
        return Comparison(smd=smd)
    share = sums / sums.sum()
    awaited = np.outer(share.sum(axis=1), share.sum(axis=0))
    pearson = persons * float(((share - awaited) ** 2 / awaited).sum())
    design = _design_effects(share.ravel(), squares.ravel() / sums.sum() ** 2, share.shape, persons)
    freedom = np.trace(design) ** 2 / np.trace(design @ design)
    p = stats.f.sf(pearson / np.trace(design), freedom, freedom * (persons - 1))
    return Comparison(float(p), "Rao-Scott χ²", smd)


def _design_effects(share: np.ndarray, squares: np.ndarray, shape: tuple[int, int], persons: int) -> np.ndarray:
    """Return the matrix whose eigenvalues are the design effects of the interaction: 1 each where all weigh alike."""
    covariance = np.diag(squares) - np.outer(squares, share) - np.outer(share, squares) + np.outer(share, share) * squares.sum()
    covariance *= persons / (persons - 1)
    rows, columns = (np.eye(levels)[:, 1:] for levels in shape)
    one = [np.ones((levels, 1)) for levels in shape]
    main = np.hstack([np.kron(*one), np.kron(rows, one[1]), np.kron(one[0], columns)])
    both = np.kron(rows, columns)
    contrast = both - main @ np.linalg.lstsq(main, both, rcond=None)[0]
    inverse = np.divide(1, share, out=np.zeros_like(share), where=share > 0)[:, None]
    alike = contrast.T @ (inverse * contrast) / persons
    return np.linalg.lstsq(alike, (inverse * contrast).T @ covariance @ (inverse * contrast), rcond=None)[0]


def _wald(parts: Sequence[np.ndarray], weights: Sequence[np.ndarray]) -> float:
    """Return P of equal weighted means; NaN where they do not vary."""
    from scipy import stats

    n, groups = sum(part.size for part in parts), len(parts)
    means = np.array([np.average(part, weights=weight) for part, weight in zip(parts, weights, strict=True)])
    spread = [np.sum((weight * (part - mean)) ** 2) / weight.sum() ** 2 for part, weight, mean in zip(parts, weights, means, strict=True)]
    variance = np.array(spread) * n / (n - 1)
    if not (variance > 0).all() or n <= groups:
        return float("nan")
    gap = means[1:] - means[0]
    f = float(gap @ np.linalg.solve(np.diag(variance[1:]) + variance[0], gap)) / (groups - 1)
    return float(stats.f.sf(f, groups - 1, n - groups))


def _mid_ranks(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the share of the weight below each value, and half of that which lies at it."""
    _, place = np.unique(values, return_inverse=True)
    at = np.bincount(place, weights=weight)
    return ((np.cumsum(at) - at / 2) / weight.sum())[place]


def _effective(weight: np.ndarray) -> float:
    return float(weight.sum() ** 2 / (weight**2).sum()) if weight.size else 0.0
