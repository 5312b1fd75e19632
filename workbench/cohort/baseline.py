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
- With weights: means, SD, quantiles and shares are weighted, and tests are those of :mod:`.baseline_weighted`, for a test that took
  weights for numbers of persons would find too much. Who is told by a median is decided without the weights; who is missing is counted
  in persons.

References
----------
.. [1] Bulmer, "Principles of Statistics", 1979, p. 63.
.. [2] Austin, "Balance diagnostics ...", Stat Med 2009; 28: 3083-3107.
.. [3] Yang and Dalton, "A unified approach to measuring the effect size between two groups using SAS", SAS Global Forum
   2012, paper 335.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from workbench.cohort import baseline_weighted
from workbench.cohort.baseline_compare import NOT_COMPARED, Comparison, Moments, compare_categories, compare_numbers, moments_of
from workbench.errors import DataError, DefinitionError
from workbench.locale import speaking, tr

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike

    from workbench.disclosure import DisclosurePolicy

__all__ = ["SKEWED", "BaselineTable", "Comparison", "Moments", "VariableSummary", "baseline_table"]

#: Absolute skewness above which a median is told instead of a mean.
SKEWED = 1.0

_MOST_DECIMALS = 3


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
    weighted : tuple of tuple of float, n_levels by (1 + n_groups)
        Sums of weights in each category, of everyone and by group, scaled to as many as there are persons; empty without weights.
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
    comparison: Comparison = NOT_COMPARED
    decimals: int = 0
    declared: bool = False
    others: bool = False
    weighted: tuple[tuple[float, ...], ...] = ()

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
    effective : tuple of float
        With weights: effective numbers (Kish) of everyone, then of each group.
    overall : bool
        Whether everyone is shown beside the groups.
    language : {"zh", "en"} or empty
        Language it is shown in; the one in force where empty.
    """

    groups: tuple[str, ...]
    sizes: tuple[int, ...] = field(repr=False)  # a notebook keeps an object's text beside its table
    variables: tuple[VariableSummary, ...] = field(repr=False)
    by: str = ""
    effective: tuple[float, ...] = field(default=(), repr=False)
    overall: bool = True
    language: str = ""

    def to_frame(self, *, policy: DisclosurePolicy | None = None) -> pd.DataFrame:
        """Return the table as people may see it, all text; see :func:`workbench.cohort.baseline_view.to_frame`.

        Raises
        ------
        PolicyError
            If `policy` is None and the centre has set none.
        """
        from workbench.cohort import baseline_view

        with speaking(self.language):
            return baseline_view.to_frame(self, policy=policy)

    def html(self, *, policy: DisclosurePolicy | None = None) -> str:
        """Return the table as people may see it, as HTML with its footnote."""
        from workbench.cohort import baseline_view

        with speaking(self.language):
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
    weights: ArrayLike | None = None,
    overall: bool = True,
    language: str = "",
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
    weights : array-like of float, shape (n_persons,), optional
        Of the persons (inverse probabilities of treatment or of sampling, say), 0 or more; who has none is left out.
    overall : bool
        Whether everyone is shown beside the groups.
    language : {"zh", "en"} or empty
        Language it is shown in; the one in force where empty.

    Returns
    -------
    BaselineTable

    Raises
    ------
    DefinitionError
        If a column is not in the frame, or `told_as` asks for what a column cannot be.
    DataError
        If there is no row, or a weight is negative, missing or infinite.

    Examples
    --------
    >>> table = baseline_table(pd.DataFrame({"age": [50.0, 60.0, 70.0]}))
    >>> table.variables[0].moments[0].mean
    60.0
    """
    names = [name for name in frame.columns if name != by] if columns is None else list(columns)
    _check(frame, [*names, *([by] if by else [])], told_as or {}, max_levels)
    weight = None if weights is None else baseline_weighted.checked_weights(weights, len(frame))
    kept = (frame[by].notna().to_numpy() if by else np.ones(len(frame), bool)) & (True if weight is None else weight > 0)
    if not kept.any():
        raise DataError("no patient to describe", hint="look at the attrition: which rule leaves nobody?")
    frame, weight = frame[kept], None if weight is None else weight[kept]
    with speaking(language):
        people = _sorted_by_group(frame, by, (labels or {}).get(by, by), weight)
        variables = []
        for name in names:
            described = {"name": name, "label": (labels or {}).get(name, name), "unit": (units or {}).get(name, "")}
            column, wish = people.frame[name], (told_as or {}).get(name, "")
            if _is_continuous(column, wish):
                variables.append(_continuous(column, people, wish=wish, **described))
            else:
                variables.append(_categorical(column, people, max_levels=max_levels, **described))
    effective = () if weight is None else baseline_weighted.effective_numbers(people.codes, len(people.groups), people.weight)
    sizes = tuple(people.sizes.tolist())
    return BaselineTable(people.groups, sizes, tuple(variables), (labels or {}).get(by, by), effective, overall, language)


class _People(NamedTuple):
    """The rows ordered by group, so that a group is a slice."""

    frame: pd.DataFrame
    codes: np.ndarray
    groups: tuple[str, ...]
    sizes: np.ndarray
    weight: np.ndarray | None

    def split(self, values: np.ndarray) -> list[np.ndarray]:
        return np.split(values, np.cumsum(self.sizes)[:-1])


def _sorted_by_group(frame: pd.DataFrame, by: str, label: str, weight: np.ndarray | None) -> _People:
    codes, groups = _groups(frame, by, label)
    order = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes, minlength=len(groups))
    return _People(frame.iloc[order], codes[order], groups, sizes, None if weight is None else weight[order])


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
    if column.isna().all():
        return True  # no category to tell: a row without numbers, and its missing persons
    return numeric and not wish and not column.dropna().isin((0, 1)).all()


# Continuous -----------------------------------------------------------------------------------------------------------


def _continuous(column: pd.Series, people: _People, *, wish: str, name: str, label: str, unit: str) -> VariableSummary:
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    values = np.where(np.isfinite(values), values, np.nan)
    known = ~np.isnan(values)
    parts = [part[have] for part, have in zip(people.split(values), people.split(known), strict=True)]
    everyone = values[known]
    kind = wish or ("median" if abs(_skewness(everyone)) > SKEWED else "mean")
    told_of = [everyone] if len(parts) == 1 else [everyone, *parts]
    if people.weight is None:
        moments = tuple(moments_of(part) for part in told_of)
        comparison = compare_numbers(kind, parts, moments[1:]) if len(parts) > 1 else NOT_COMPARED
    else:
        of_parts = [part[have] for part, have in zip(people.split(people.weight), people.split(known), strict=True)]
        weights = [people.weight[known], *of_parts][: len(told_of)]
        moments = tuple(baseline_weighted.moments_of(part, weight) for part, weight in zip(told_of, weights, strict=True))
        comparison = baseline_weighted.compare_numbers(kind, parts, of_parts, moments[1:]) if len(parts) > 1 else NOT_COMPARED
    missing = tuple(int(size) - part.size for size, part in zip(people.sizes, parts, strict=True))
    return VariableSummary(name, label, unit, kind, missing, moments, comparison=comparison, decimals=_decimals(everyone, moments[0], kind))


def _decimals(values: np.ndarray, moments: Moments, kind: str) -> int:
    of_values = next((d for d in range(_MOST_DECIMALS) if np.array_equal(values, np.round(values, d))), _MOST_DECIMALS)
    of_spread = int(np.clip(2 - np.floor(np.log10(moments.sd)), 0, _MOST_DECIMALS)) if moments.sd > 0 else 1
    return min(of_spread, of_values + (kind == "mean"))


def _skewness(values: np.ndarray) -> float:
    """Fisher-Pearson coefficient of skewness (biased); 0 where all values are alike."""
    if values.size < 3:
        return 0.0
    away = values - values.mean()
    variance = np.mean(away**2)
    return float(np.mean(away**3) / variance**1.5) if variance > 1e-12 * max(1.0, np.mean(values**2)) else 0.0


# Categorical ----------------------------------------------------------------------------------------------------------


def _categorical(column: pd.Series, people: _People, *, max_levels: int, name: str, label: str, unit: str) -> VariableSummary:
    found = _levels(column, max_levels)
    counts = _sums(found, people)
    comparison, weighted = NOT_COMPARED, ()
    if people.weight is not None:
        sums, squares = (_sums(found, people, people.weight**power) for power in (1, 2))
        weighted = baseline_weighted.as_persons(sums, people.codes, people.weight)
        if len(people.sizes) > 1:
            comparison = baseline_weighted.compare_categories(sums, squares, int(counts.sum()))
    elif len(people.sizes) > 1:
        comparison = compare_categories(counts)
    return VariableSummary(
        name,
        label,
        unit,
        "yes" if found.yes_no else "category",
        tuple((people.sizes - counts.sum(axis=0)).tolist()),
        levels=found.names,
        counts=tuple(tuple(row) for row in counts.tolist()),
        comparison=comparison,
        declared=isinstance(column.dtype, pd.CategoricalDtype),
        others=found.others,
        weighted=weighted,
    )


class _Levels(NamedTuple):
    """The categories of a column as they are shown, and where each row belongs; -1 where nothing is known."""

    names: tuple[str, ...]
    places: np.ndarray
    yes_no: bool = False
    others: bool = False


def _sums(levels: _Levels, people: _People, weight: np.ndarray | None = None) -> np.ndarray:
    """Add persons (or weights) by category and group."""
    known, groups = levels.places >= 0, len(people.groups)
    flat = levels.places[known] * groups + people.codes[known]
    sums = np.bincount(flat, weights=None if weight is None else weight[known], minlength=len(levels.names) * groups)
    return sums.reshape(len(levels.names), groups)


def _levels(column: pd.Series, max_levels: int) -> _Levels:
    """Order the categories: as declared, yes before no, else most frequent first; the rarest are joined beyond `max_levels`."""
    declared = isinstance(column.dtype, pd.CategoricalDtype)
    places, values = (column.cat.codes.to_numpy(), column.cat.categories) if declared else pd.factorize(column)
    if not declared and pd.api.types.is_numeric_dtype(column) and set(values) <= {0, 1}:
        lookup = np.array([*(0 if value == 1 else 1 for value in values), -1])
        return _Levels((tr("是", "Yes"), tr("否", "No")), lookup[places], yes_no=True)
    frequency = np.bincount(places[places >= 0], minlength=len(values))
    order = np.arange(len(values)) if declared else np.argsort(-frequency, kind="stable")
    order = order[frequency[order] > 0]
    others = len(order) > max_levels
    kept = order[np.sort(np.argsort(-frequency[order], kind="stable")[: max_levels - 1])] if others else order
    names = tuple(_word(values[at]) for at in kept)
    if others:
        names += (tr("其他（{0} 类）", "Others ({0} categories)").format(len(order) - len(kept)),)
    lookup = np.full(len(values) + 1, len(kept), dtype=np.int64)
    lookup[kept], lookup[-1] = np.arange(len(kept)), -1
    return _Levels(names, lookup[places], others=others)
