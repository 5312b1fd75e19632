"""The numbers of a baseline table ("table one"): exact, for use inside the session; :mod:`.baseline_view` shows them.

Rules, which the table's footnote repeats
-----------------------------------------
- A numeric column is continuous, unless it holds nothing but 0 and 1; any other column is categorical.
- Continuous: mean (SD), or median [quartiles] where the sample skewness of all patients together exceeds 1 in size,
  "highly skewed" after Bulmer [1]_.
- Test between groups: Welch's t (two groups) or one-way ANOVA for means, Kruskal-Wallis for medians, chi-squared for
  categories (Yates' correction in 2 x 2), Fisher's exact test in 2 x 2 where an expected count is below 5.
- Standardised mean difference (SMD): difference of means over the root of the mean variance [2]_; for categories the
  multinomial form [3]_; among more than two groups the largest of any pair.

References
----------
.. [1] Bulmer, "Principles of Statistics", 1979, p. 63.
.. [2] Austin, "Balance diagnostics ...", Stat Med 2009; 28: 3083-3107.
.. [3] Yang and Dalton, "A unified approach to measuring the effect size between two groups using SAS", SAS Global Forum
   2012, paper 335.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.errors import DataError, DefinitionError
from workbench.locale import tr

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from workbench.disclosure import DisclosurePolicy

__all__ = ["SKEWED", "BaselineTable", "Comparison", "Moments", "VariableSummary", "baseline_table"]

#: Absolute skewness above which a median is told instead of a mean.
SKEWED = 1.0

_MOST_DECIMALS = 3

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
    """

    n: int
    mean: float
    sd: float
    q25: float
    median: float
    q75: float


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


@dataclass(frozen=True)
class VariableSummary:
    """One variable of the table.

    Parameters
    ----------
    name, label, unit : str
        Column, what is shown, and the unit.
    kind : {"mean", "median", "category", "yes"}
        How it is told; ``yes`` is a variable of 0 and 1 (or false and true), told by its ones.
    missing : tuple of int, one for each group
        Persons without a value.
    moments : tuple of Moments
        Everyone, then each group (one entry where there is one group); empty for categories.
    levels : tuple of str
        Categories in the order shown; empty for numbers.
    counts : tuple of tuple of int, n_levels by n_groups
        Persons in each category and group.
    comparison : Comparison
        Between groups.
    declared : bool
        Whether the categories are those of the column's type, and not words found in the data.
    others : bool
        Whether the last category is of several joined.
    decimals : int
        Decimals with which moments are shown: three digits of the spread, and no finer than the values themselves (one more for a
        mean); more tell nothing of the group, and may tell of a person.
    """

    name: str
    label: str
    unit: str
    kind: str
    missing: tuple[int, ...]
    moments: tuple[Moments, ...] = ()
    levels: tuple[str, ...] = ()
    counts: tuple[tuple[int, ...], ...] = ()
    comparison: Comparison = Comparison()
    decimals: int = 0
    declared: bool = False
    others: bool = False

    @property
    def continuous(self) -> bool:
        """Whether the variable is told by moments."""
        return not self.levels


@dataclass(frozen=True)
class BaselineTable:
    """A baseline table with exact numbers; shown only through the centre's disclosure policy.

    Parameters
    ----------
    groups : tuple of str
        Names of the groups; one empty name where the patients are not grouped.
    sizes : tuple of int
        Persons in each group.
    variables : tuple of VariableSummary
        In the order shown.
    by : str
        What the groups are groups of; empty where there are none.
    """

    groups: tuple[str, ...]
    sizes: tuple[int, ...]
    variables: tuple[VariableSummary, ...]
    by: str = ""

    def to_frame(self, *, policy: DisclosurePolicy | None = None) -> pd.DataFrame:
        """Return the table as people may see it, all text; see :func:`workbench.cohort.baseline_view.to_frame`.

        Raises
        ------
        PolicyError
            If `policy` is None and the centre has set none.
        """
        from workbench.cohort import baseline_view

        return baseline_view.to_frame(self, policy=policy)

    def html(self, *, policy: DisclosurePolicy | None = None) -> str:
        """Return the table as people may see it, as HTML with its footnote."""
        from workbench.cohort import baseline_view

        return baseline_view.to_html(self, policy=policy)

    def _repr_html_(self) -> str:
        return self.html()


def baseline_table(
    frame: pd.DataFrame,
    *,
    by: str = "",
    columns: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    told_as: Mapping[str, str] | None = None,
    max_levels: int = 10,
) -> BaselineTable:
    """Summarise the columns of a table with one row a person.

    Parameters
    ----------
    frame : DataFrame, one row a person
        Numbers, truth values, texts or categories; missing where pandas says so.
    by : str, optional
        Column that groups the patients; persons without a group are left out.
    columns : sequence of str, optional
        Columns to summarise, in order; all but `by` where None.
    labels, units : mapping of str to str, optional
        What is shown for a column, and its unit.
    told_as : mapping of str to {"mean", "median", "category"}, optional
        Overrides the rules of this module for a column.
    max_levels : int
        Categories beyond this number, by frequency, are told together as others.

    Returns
    -------
    BaselineTable

    Raises
    ------
    DefinitionError
        If a column is not in the frame, or `told_as` asks for what a column cannot be.
    DataError
        If there is no row.

    Examples
    --------
    >>> table = baseline_table(pd.DataFrame({"age": [50.0, 60.0, 70.0]}))
    >>> table.variables[0].moments[0].mean
    60.0
    """
    names = [name for name in frame.columns if name != by] if columns is None else list(columns)
    _check(frame, [*names, *([by] if by else [])], told_as or {}, max_levels)
    if by:
        frame = frame[frame[by].notna()]
    if frame.empty:
        raise DataError("no patient to describe", hint="look at the attrition: which rule leaves nobody?")
    codes, groups = _groups(frame, by, (labels or {}).get(by, by))
    order = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes, minlength=len(groups))
    sorted_frame, sorted_codes = frame.iloc[order], codes[order]
    edges = np.concatenate([[0], np.cumsum(sizes)])
    variables = []
    for name in names:
        described = {"name": name, "label": (labels or {}).get(name, name), "unit": (units or {}).get(name, "")}
        column, wish = sorted_frame[name], (told_as or {}).get(name, "")
        if _is_continuous(column, wish):
            variables.append(_continuous(column, edges, wish=wish, **described))
        else:
            variables.append(_categorical(column, sorted_codes, sizes, max_levels=max_levels, **described))
    return BaselineTable(groups, tuple(sizes.tolist()), tuple(variables), (labels or {}).get(by, by))


def _check(frame: pd.DataFrame, names: Sequence[str], told_as: Mapping[str, str], max_levels: int) -> None:
    for name in names:
        if name not in frame.columns:
            raise DefinitionError(f"there is no column {name!r} to describe", hint=f"the table has {', '.join(map(str, frame.columns))}")
    for name, wish in told_as.items():
        if wish not in ("mean", "median", "category"):
            raise DefinitionError(f"told_as of {name!r} is {wish!r}; wanted mean, median or category")
    if max_levels < 2:
        raise DefinitionError(f"max_levels is {max_levels}; wanted 2 or more")


def _groups(frame: pd.DataFrame, by: str, label: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return a code for each row and the names of the groups, in order of their values."""
    if not by:
        return np.zeros(len(frame), dtype=np.int64), ("",)
    grouped = frame[by].astype("category").cat.remove_unused_categories()
    names = [_word(value) for value in grouped.cat.categories]
    if set(grouped.cat.categories) <= {0, 1}:
        names = [tr("{0}：{1}", "{0}: {1}").format(label, _word(bool(value))) for value in grouped.cat.categories]
    return grouped.cat.codes.to_numpy().astype(np.int64), tuple(names)


def _word(value: object) -> str:
    if isinstance(value, bool | np.bool_):
        return tr("是", "Yes") if value else tr("否", "No")
    return str(value)


def _is_continuous(column: pd.Series, wish: str) -> bool:
    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    if wish in ("mean", "median"):
        if not numeric:
            raise DefinitionError(f"{column.name!r} holds {column.dtype}, which has no {wish}", hint="leave it to be told as a category")
        return True
    known = column.dropna()
    return numeric and not wish and (known.empty or not known.isin((0, 1)).all())


# Continuous -----------------------------------------------------------------------------------------------------------


def _continuous(column: pd.Series, edges: np.ndarray, *, wish: str, name: str, label: str, unit: str) -> VariableSummary:
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    values = np.where(np.isfinite(values), values, np.nan)
    parts = [part[~np.isnan(part)] for part in np.split(values, edges[1:-1])]
    everyone = np.concatenate(parts)
    kind = wish or ("median" if abs(_skewness(everyone)) > SKEWED else "mean")
    moments = tuple(_moments(part) for part in ([everyone] if len(parts) == 1 else [everyone, *parts]))
    comparison = _compare_numbers(kind, parts, moments[1:]) if len(parts) > 1 else Comparison()
    missing = tuple(int(size) - part.size for size, part in zip(np.diff(edges), parts, strict=True))
    return VariableSummary(name, label, unit, kind, missing, moments, comparison=comparison, decimals=_decimals(everyone, moments[0], kind))


def _decimals(values: np.ndarray, moments: Moments, kind: str) -> int:
    of_values = next((d for d in range(_MOST_DECIMALS) if np.array_equal(values, np.round(values, d))), _MOST_DECIMALS)
    of_spread = int(np.clip(2 - np.floor(np.log10(moments.sd)), 0, _MOST_DECIMALS)) if moments.sd > 0 else 1
    return min(of_spread, of_values + (kind == "mean"))


def _moments(values: np.ndarray) -> Moments:
    nan = float("nan")
    if not values.size:
        return Moments(0, nan, nan, nan, nan, nan)
    sd = float(values.std(ddof=1)) if values.size > 1 else nan
    return Moments(values.size, float(values.mean()), sd, *(float(q) for q in np.percentile(values, (25, 50, 75))))


def _skewness(values: np.ndarray) -> float:
    """Fisher-Pearson coefficient of skewness (biased); 0 where all values are alike."""
    if values.size < 3:
        return 0.0
    away = values - values.mean()
    variance = np.mean(away**2)
    return float(np.mean(away**3) / variance**1.5) if variance > 1e-12 * max(1.0, np.mean(values**2)) else 0.0


def _compare_numbers(kind: str, parts: Sequence[np.ndarray], moments: Sequence[Moments]) -> Comparison:
    from scipy import stats

    smd = _largest(_smd_of_means(a, b) for a, b in combinations(moments, 2))
    everyone = np.concatenate(parts)
    if min(m.n for m in moments) < 2 or everyone.min() == everyone.max():
        return Comparison(smd=smd)
    if kind == "median":
        return Comparison(float(stats.kruskal(*parts).pvalue), "Kruskal-Wallis", smd)
    if sum(m.sd > 0 for m in moments) < len(moments):
        return Comparison(smd=smd)
    if len(parts) == 2:
        a, b = moments
        result = stats.ttest_ind_from_stats(a.mean, a.sd, a.n, b.mean, b.sd, b.n, equal_var=False)
        return Comparison(float(result.pvalue), "Welch t", smd)
    return Comparison(float(stats.f_oneway(*parts).pvalue), "ANOVA", smd)


def _largest(values: Iterable[float]) -> float:
    """Return the largest value, whatever the order; NaN only where all are (or there is none)."""
    return max((value for value in values if not np.isnan(value)), default=float("nan"))


def _smd_of_means(a: Moments, b: Moments) -> float:
    spread = np.sqrt((a.sd**2 + b.sd**2) / 2)
    return float(abs(a.mean - b.mean) / spread) if spread > 0 else float("nan")


# Categorical ----------------------------------------------------------------------------------------------------------


def _categorical(
    column: pd.Series, codes: np.ndarray, sizes: np.ndarray, *, max_levels: int, name: str, label: str, unit: str
) -> VariableSummary:
    levels, counts, yes_no = _count_levels(column, codes, len(sizes))
    others = not yes_no and len(levels) > max_levels
    levels, counts = _join_rare(levels, counts, max_levels) if others else (levels, counts)
    comparison = _compare_categories(counts) if len(sizes) > 1 else Comparison()
    missing = tuple((sizes - counts.sum(axis=0)).tolist())
    kept = tuple(tuple(row) for row in counts.tolist())
    return VariableSummary(
        name,
        label,
        unit,
        "yes" if yes_no else "category",
        missing,
        levels=levels,
        counts=kept,
        comparison=comparison,
        declared=isinstance(column.dtype, pd.CategoricalDtype),
        others=others,
    )


def _count_levels(column: pd.Series, codes: np.ndarray, n_groups: int) -> tuple[tuple[str, ...], np.ndarray, bool]:
    """Count persons by category and group: declared order for categories, yes before no, else most frequent first."""
    declared = isinstance(column.dtype, pd.CategoricalDtype)
    if declared:
        places, values = column.cat.codes.to_numpy(), column.cat.categories
    else:
        places, values = pd.factorize(column)
    known = places >= 0
    flat = np.bincount(places[known].astype(np.int64) * n_groups + codes[known], minlength=len(values) * n_groups)
    counts = flat.reshape(len(values), n_groups)
    yes_no = not declared and pd.api.types.is_numeric_dtype(column) and set(values) <= {0, 1}
    if yes_no:
        return (tr("是", "Yes"), tr("否", "No")), np.stack([counts[values == 1].sum(axis=0), counts[values == 0].sum(axis=0)]), True
    order = np.arange(len(values)) if declared else np.argsort(-counts.sum(axis=1), kind="stable")
    order = order[counts.sum(axis=1)[order] > 0]
    return tuple(_word(values[at]) for at in order), counts[order], False


def _join_rare(levels: tuple[str, ...], counts: np.ndarray, max_levels: int) -> tuple[tuple[str, ...], np.ndarray]:
    kept = np.sort(np.argsort(-counts.sum(axis=1), kind="stable")[: max_levels - 1])
    others = counts.sum(axis=0) - counts[kept].sum(axis=0)
    joined = tr("其他（{0} 类）", "Others ({0} categories)").format(len(levels) - len(kept))
    return (*(levels[at] for at in kept), joined), np.vstack([counts[kept], others])


def _compare_categories(counts: np.ndarray) -> Comparison:
    from scipy import stats

    smd = _largest(_smd_of_shares(counts[:, [a, b]]) for a, b in combinations(range(counts.shape[1]), 2))
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


def _smd_of_shares(counts: np.ndarray) -> float:
    """Multinomial SMD of two groups (Yang and Dalton); the first category is left out, for shares sum to one."""
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
