"""How the groups of a baseline table differ: tests, and standardised mean differences; what is told is in :mod:`.baseline`.

References
----------
.. [1] Austin, "Balance diagnostics ...", Stat Med 2009; 28: 3083-3107.
.. [2] Yang and Dalton, "A unified approach to measuring the effect size between two groups using SAS", SAS Global Forum
   2012, paper 335.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from workbench.locale import tr

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "NOT_COMPARED",
    "Comparison",
    "Moments",
    "compare_categories",
    "compare_numbers",
    "largest",
    "moments_of",
    "smd_of_means",
    "smd_of_shares",
]

#: Smallest expected count for which the chi-squared approximation is trusted (Cochran 1954).
_EXPECTED = 5


@dataclass(frozen=True)
class Moments:
    """What is told of the values of one group.

    Parameters
    ----------
    n : int
        Persons with a value.
    mean, sd, q25, median, q75 : float
        NaN where `n` is 0; the SD (n - 1 degrees of freedom) also where `n` is 1.
    effective : float
        Persons who count alike that would tell as much as these do with their weights (Kish); NaN where there are no weights.
    """

    n: int
    mean: float
    sd: float
    q25: float
    median: float
    q75: float
    effective: float = float("nan")

    @property
    def contributors(self) -> int:
        """Persons on whom the statistics rest: with weights never more than the effective number, for one may outweigh all."""
        return self.n if np.isnan(self.effective) else min(self.n, int(self.effective + 1e-9))


@dataclass(frozen=True)
class Comparison:
    """How groups differ.

    Parameters
    ----------
    p : float
        P value; NaN where no test was made.
    test : str
        Name of the test; empty where none was made.
    smd : float
        Standardised mean difference, 0 or more; NaN where it is not defined.
    """

    p: float = float("nan")
    test: str = ""
    smd: float = float("nan")


#: Of a variable that is not compared.
NOT_COMPARED = Comparison()


def moments_of(values: np.ndarray) -> Moments:
    """Return what is told of the values of one group, each person counting once."""
    nan = float("nan")
    if not values.size:
        return Moments(0, nan, nan, nan, nan, nan)
    sd = float(values.std(ddof=1)) if values.size > 1 else nan
    return Moments(values.size, float(values.mean()), sd, *(float(q) for q in np.percentile(values, (25, 50, 75))))


def compare_numbers(kind: str, parts: Sequence[np.ndarray], told: Sequence[Moments]) -> Comparison:
    """Test whether a number differs between groups, by the rules of :mod:`.baseline`."""
    from scipy import stats

    smd = largest(smd_of_means(a, b) for a, b in combinations(told, 2))
    everyone = np.concatenate(parts)
    if min(m.n for m in told) < 2 or everyone.min() == everyone.max():
        return Comparison(smd=smd)
    if kind == "median":
        return Comparison(float(stats.kruskal(*parts).pvalue), "Kruskal-Wallis", smd)
    if sum(m.sd > 0 for m in told) < len(told):
        return Comparison(smd=smd)
    if len(parts) == 2:
        a, b = told
        result = stats.ttest_ind_from_stats(a.mean, a.sd, a.n, b.mean, b.sd, b.n, equal_var=False)
        return Comparison(float(result.pvalue), "Welch t", smd)
    return Comparison(float(stats.f_oneway(*parts).pvalue), "ANOVA", smd)


def largest(values: Iterable[float]) -> float:
    """Return the largest value, whatever the order; NaN only where all are (or there is none)."""
    return max((value for value in values if not np.isnan(value)), default=float("nan"))


def smd_of_means(a: Moments, b: Moments) -> float:
    """Return the difference of two means over the root of their mean variance [1]_."""
    spread = np.sqrt((a.sd**2 + b.sd**2) / 2)
    return float(abs(a.mean - b.mean) / spread) if spread > 0 else float("nan")


def compare_categories(counts: np.ndarray) -> Comparison:
    """Test whether categories differ between groups; `counts` is of shape (n_levels, n_groups)."""
    from scipy import stats

    smd = largest(smd_of_shares(counts[:, [a, b]]) for a, b in combinations(range(counts.shape[1]), 2))
    table = counts[counts.sum(axis=1) > 0]
    if len(table) < 2 or (table.sum(axis=0) == 0).any():
        return Comparison(smd=smd)
    result = stats.chi2_contingency(table)
    if result.expected_freq.min() >= _EXPECTED:
        test = tr("χ²（Yates 校正）", "χ² (Yates' correction)") if table.shape == (2, 2) else "χ²"
        return Comparison(float(result.pvalue), test, smd)
    if table.shape == (2, 2):
        return Comparison(float(stats.fisher_exact(table).pvalue), "Fisher", smd)
    return Comparison(float(result.pvalue), "χ² (expected < 5)", smd)


def smd_of_shares(counts: np.ndarray) -> float:
    """Return the multinomial SMD of two groups [2]_; the first category is left out, for shares sum to one."""
    counts = counts[counts.sum(axis=1) > 0]
    sums = counts.sum(axis=0)
    if len(counts) < 2 or (sums == 0).any():
        return float("nan")
    a, b = (counts / sums)[1:].T
    covariance = sum(np.diag(share) - np.outer(share, share) for share in (a, b)) / 2
    try:
        distance = (a - b) @ np.linalg.solve(covariance, a - b)
    except np.linalg.LinAlgError:
        return float("nan")
    return float(np.sqrt(max(0.0, distance)))
