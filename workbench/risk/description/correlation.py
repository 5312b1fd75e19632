"""How predictors go together: correlation of each pair, and what of a predictor the others already tell.

References
----------
.. [1] Fox and Monette, "Generalized collinearity diagnostics", JASA 1992; 87: 178-183.
.. [2] Belsley, Kuh and Welsch, "Regression Diagnostics", Wiley 1980, section 3.2: scaled to unit length, not centred; more than 30 is much.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pandas as pd

from workbench import disclosure
from workbench.cohort.figures import Chart
from workbench.errors import DataError
from workbench.locale import tr
from workbench.risk.description.heat_map import draw_heat_map
from workbench.risk.description.people import chosen, people

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workbench.disclosure import DisclosurePolicy
    from workbench.risk.extraction.dataset import StudyData

__all__ = ["Collinearity", "collinearity", "correlation"]

#: Size of a correlation beyond which a pair is named.
_STRONG = 0.8

_MOST_NAMED = 12


class Collinearity(NamedTuple):
    """What the predictors tell of each other.

    Parameters
    ----------
    table : DataFrame
        All text: by predictor, its degrees of freedom, GVIF and GVIF to the power 1 / (2 df), which is comparable between them.
    condition_number : float
        Of the design [2]_; infinite where one column follows from others.
    note : str
        How it was worked out.
    """

    table: pd.DataFrame
    condition_number: float
    note: str


def correlation(
    data: StudyData | pd.DataFrame,
    *,
    columns: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    method: Literal["spearman", "pearson"] = "spearman",
    policy: DisclosurePolicy | None = None,
) -> Chart:
    """Draw the correlation of each pair of predictors.

    Parameters
    ----------
    data : StudyData or DataFrame
        A study, or a table with one row a person.
    columns : sequence of str, optional
        Which; all predictors where None.
    labels : mapping of str to str, optional
        What is shown for a column.
    method : {"spearman", "pearson"}
        Of two numbers. Of two categories it is Cramér's V, of a number and a category the correlation ratio (of ranks for Spearman);
        these have no sign.
    policy : DisclosurePolicy, optional
        The centre's where None.

    Returns
    -------
    Chart
        Hidden is a pair that fewer persons than the threshold have both of, or in which fewer than that differ from the commonest value.
        Its note names the pairs beyond 0.8. A predictor with one value, or none, is left out.

    Raises
    ------
    DataError
        If fewer than two predictors vary.
    DefinitionError
        If there is no such column.

    Examples
    --------
    >>> from workbench.disclosure import DisclosurePolicy
    >>> table = pd.DataFrame({"a": np.arange(50.0), "b": np.arange(50.0) ** 2})
    >>> correlation(table, policy=DisclosurePolicy(threshold=10, rounding=5)).counts.iloc[1, 2]
    '1.00'
    """
    policy = policy or disclosure.load_policy()
    found = people(data, labels=labels)
    frame = found.frame[chosen(found, columns)]
    asked = frame.shape[1]
    frame = frame[[name for name in frame if frame[name].nunique() > 1]]
    if frame.shape[1] < 2:
        raise DataError("fewer than two predictors vary", zh="取值有差别的预测因子不足两个", hint="leave the figure out")
    matrix = _matrix(frame, method, policy.threshold)
    named = [found.labels.get(name, str(name)) for name in frame]
    table = pd.DataFrame(
        [[_told(value, below=at >= other) for other, value in enumerate(row)] for at, row in enumerate(matrix)], columns=named
    )
    table.insert(0, tr("变量", "Variable"), named)
    table.insert(1, tr("人数", "Persons"), _persons(frame, policy))
    note = _note(frame, matrix, named, method)
    if asked > frame.shape[1]:
        note += tr("另有 {0} 个变量没有变化，未画出。", " {0} predictors do not vary and are left out.").format(asked - frame.shape[1])
    return Chart(tr("预测因子相关性", "Correlation of predictors"), draw_heat_map(matrix, named), table, policy, note)


def collinearity(
    data: StudyData | pd.DataFrame,
    *,
    columns: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    policy: DisclosurePolicy | None = None,
) -> Collinearity:
    """Return variance inflation factors and the condition number of the predictors.

    Parameters
    ----------
    data, columns, labels, policy
        As in :func:`correlation`.

    Returns
    -------
    Collinearity
        Missing numbers count as the median, missing categories as the commonest. A predictor in which fewer persons than the threshold
        differ from the commonest value is left out.

    Raises
    ------
    DataError
        If there are fewer than two such predictors, or not more persons than columns.

    Notes
    -----
    The generalised factor of a category of several columns [1]_; of one column it is the usual VIF.
    """
    policy = policy or disclosure.load_policy()
    found = people(data, labels=labels)
    frame = found.frame[chosen(found, columns)]
    names = [name for name in frame if _others(pd.factorize(frame[name].dropna())[0]) >= policy.threshold]
    blocks = [_block(frame[name]) for name in names]
    widths = [block.shape[1] for block in blocks]
    if len(names) < 2 or sum(widths) >= len(frame):
        raise DataError(
            f"{len(names)} predictors that vary enough, of {sum(widths)} columns; wanted two or more, and more persons than columns",
            zh=f"取值有足够差别的预测因子 {len(names)} 个，共 {sum(widths)} 列；须有两个以上，且人数多于列数",
            hint="describe fewer predictors",
        )
    design = np.hstack(blocks)
    whole = np.corrcoef(design, rowvar=False)
    ends = np.cumsum([0, *widths])
    rows, persons = [], _persons(frame[names], policy)
    for at, (name, width) in enumerate(zip(names, widths, strict=True)):
        factor = _inflation(whole, np.arange(ends[at], ends[at + 1]))
        rows.append((found.labels.get(name, str(name)), persons[at], str(width), _factor(factor), _factor(factor ** (0.5 / width))))
    condition = _condition_number(design)
    heads = [tr("变量", "Variable"), tr("人数", "Persons"), tr("自由度", "df"), "GVIF", "GVIF^(1/2df)"]
    note = tr(
        "缺失数值以中位数、缺失类别以众数代入。条件数 {0}（超过 30 提示明显共线）。",
        "Missing numbers: median; missing categories: the commonest. Condition number {0} (more than 30 is much).",
    ).format(_factor(condition))
    return Collinearity(pd.DataFrame(rows, columns=heads), condition, note)


def _persons(frame: pd.DataFrame, policy: DisclosurePolicy) -> list[str]:
    """Say how many have a value of each predictor, as the figure of missing values does."""
    total = disclosure.suppress_flow([len(frame)], policy=policy)[0].remaining
    known = frame.notna().sum().tolist()
    return [str(disclosure.suppress_table([len(frame) - n, n], policy=policy, total=total).cells[0][1]) for n in known]


# Pairs ----------------------------------------------------------------------------------------------------------------


def _matrix(frame: pd.DataFrame, method: Literal["spearman", "pearson"], threshold: int) -> np.ndarray:
    """Return the measure of each pair, NaN where it may not be shown."""
    numeric = [pd.api.types.is_numeric_dtype(frame[name]) for name in frame]
    matrix = np.eye(frame.shape[1])
    numbers = frame.loc[:, numeric].astype(float).replace([np.inf, -np.inf], np.nan)
    at = np.flatnonzero(numeric)
    matrix[np.ix_(at, at)] = numbers.corr(method=method, min_periods=threshold).to_numpy()
    codes = [pd.factorize(frame[name])[0] for name in frame]
    for one, two in combinations(range(frame.shape[1]), 2):
        both = (codes[one] >= 0) & (codes[two] >= 0)
        if both.sum() < threshold or min(_others(codes[one][both]), _others(codes[two][both])) < threshold:
            matrix[one, two] = matrix[two, one] = np.nan
        elif not (numeric[one] and numeric[two]):
            first, second = (frame.iloc[both, each] for each in ((one, two) if numeric[one] else (two, one)))
            matrix[one, two] = matrix[two, one] = _of_category(first, second, ranked=method == "spearman")
    np.fill_diagonal(matrix, 1.0)
    return matrix


def _others(codes: np.ndarray) -> int:
    """Count the persons whose value is not the commonest."""
    return len(codes) - int(np.bincount(codes).max()) if len(codes) else 0


def _of_category(first: pd.Series, category: pd.Series, *, ranked: bool) -> float:
    """Return the correlation ratio of a number and a category, or Cramér's V of two categories, of persons who have both."""
    codes = pd.factorize(category)[0]
    if pd.api.types.is_numeric_dtype(first):
        values = first.astype(float).rank().to_numpy() if ranked else first.to_numpy(float)
        sizes = np.bincount(codes)
        means = np.bincount(codes, weights=values) / sizes
        spread = values.var() * len(values)
        return float(np.sqrt(np.sum(sizes * (means - values.mean()) ** 2) / spread)) if spread > 0 else float("nan")
    table = pd.crosstab(pd.factorize(first)[0], codes).to_numpy(float)
    awaited = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    smaller = min(table.shape) - 1
    return float(np.sqrt(((table - awaited) ** 2 / awaited).sum() / table.sum() / smaller)) if smaller else float("nan")


def _told(value: float, *, below: bool) -> str:
    return "" if not below else tr("已抑制", "hidden") if np.isnan(value) else f"{value:z.2f}"


def _note(frame: pd.DataFrame, matrix: np.ndarray, named: Sequence[str], method: str) -> str:
    words = [f"{method.capitalize()} " + tr("相关系数", "correlation")]
    if not all(pd.api.types.is_numeric_dtype(frame[name]) for name in frame):
        words.append(
            tr(
                "分类变量之间为 Cramér V，数值与分类之间为相关比（均无符号）",
                "Categories: Cramér's V; number and category: correlation ratio",
            )
        )
    strong = [(abs(matrix[a, b]), a, b) for a, b in combinations(range(len(named)), 2) if abs(matrix[a, b]) > _STRONG]
    pairs = [f"{named[a]} ~ {named[b]} ({matrix[a, b]:.2f})" for _, a, b in sorted(strong, reverse=True)]
    if pairs:
        more = tr("等 {0} 对", " and others, {0} pairs").format(len(pairs)) if len(pairs) > _MOST_NAMED else ""
        words.append(tr("绝对值大于 0.8：", "Beyond 0.8: ") + tr("；", "; ").join(pairs[:_MOST_NAMED]) + more)
    else:
        words.append(tr("没有绝对值大于 0.8 的变量对", "No pair is beyond 0.8"))
    if np.isnan(matrix).any():
        words.append(tr("人数过少的变量对已抑制（斜纹）", "Pairs of too few persons are hidden (hatched)"))
    return tr("。", ". ").join(words) + tr("。", ".")


# All together ---------------------------------------------------------------------------------------------------------


def _block(column: pd.Series) -> np.ndarray:
    """Return the columns of a predictor in a design: itself, or one a category but the first."""
    if pd.api.types.is_numeric_dtype(column):
        values = column.to_numpy(dtype=float, na_value=np.nan)
        values = np.where(np.isfinite(values), values, np.nan)
        return np.where(np.isnan(values), np.nanmedian(values), values)[:, None]
    codes = column.astype("category").cat.remove_unused_categories().cat.codes.to_numpy()
    codes = np.where(codes < 0, np.bincount(codes[codes >= 0]).argmax(), codes)
    return np.eye(codes.max() + 1)[codes][:, 1:]


def _inflation(whole: np.ndarray, own: np.ndarray) -> float:
    """Return the generalised variance inflation factor of some columns of a correlation matrix."""
    rest = np.setdiff1d(np.arange(len(whole)), own)
    log = [np.linalg.slogdet(whole[np.ix_(part, part)]) for part in (own, rest, np.arange(len(whole)))]
    if log[1].sign <= 0 or np.isneginf(log[1].logabsdet):
        return float("nan")  # the others follow from each other: nothing can be said of this one
    return float(np.exp(log[0].logabsdet + log[1].logabsdet - log[2].logabsdet)) if log[2].sign > 0 else float("inf")


def _condition_number(design: np.ndarray) -> float:
    whole = np.column_stack([np.ones(len(design)), design])
    values = np.linalg.svd(whole / np.sqrt((whole**2).sum(axis=0)), compute_uv=False)
    return float(values[0] / values[-1]) if values[-1] > 1e-12 * values[0] else float("inf")


def _factor(value: float) -> str:
    return "—" if np.isnan(value) else "∞" if value > 1e6 else f"{value:.2f}" if value < 100 else f"{value:,.0f}"
