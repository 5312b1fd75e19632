"""What a model without coefficients says of its predictors: how much each moves predictions, and in which direction by its value.

One row a person is explained, and what is drawn are means and quartiles of groups of persons, never a point a person.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from workbench import disclosure
from workbench.cohort.figures import Chart
from workbench.cohort.plotting import ACCENT, MUTED, new_figure, style, tidy, wrap
from workbench.errors import DataError
from workbench.locale import tr
from workbench.risk.cleaning.shown import shown_word
from workbench.risk.models.shap import ShapValues, shap_values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

    from workbench.disclosure import DisclosurePolicy, SafeCount
    from workbench.risk.extraction.dataset import Feature
    from workbench.risk.models.multiple import MultiplyImputed
    from workbench.risk.models.pipeline import RiskPipeline

__all__ = ["Explained", "dependence_chart", "explain", "importance_chart"]

#: Persons explained where SHAP values are worked out exactly; and where the model must be asked again and again, with the rows that stand
#: for all others: 75 predictors take a hazard net about 0.2 s a person.
_PERSONS, _PERSONS_ASKED, _BACKGROUND = 1000, 200, 30
_BINS, _ACROSS, _LABEL, _LEVEL = 8, 3, 30, 12


class Explained(NamedTuple):
    """SHAP values of one row a person, and the predictors of these rows."""

    found: ShapValues
    X: pd.DataFrame


class _Part(NamedTuple):
    """Persons of similar values of a predictor: where they lie, how many they are, and their SHAP values; no quartiles of too few."""

    label: str
    at: float
    n: SafeCount
    mean: float
    lower: float | None
    upper: float | None


class _Dependence(NamedTuple):
    """The parts of a predictor: levels, or bins of numbers in order; and who has no value, where they may be told."""

    parts: list[_Part]
    missing: list[_Part]
    levels: bool


def explain(
    model: RiskPipeline | MultiplyImputed,
    X: pd.DataFrame,
    persons: ArrayLike,
    *,
    horizon_days: float | None = None,
    most: int | None = None,
    seed: int = 0,
) -> Explained:
    """Return the SHAP values of a sample of persons, a row of each.

    Parameters
    ----------
    model : RiskPipeline or MultiplyImputed
        Fitted; of several completions the mean is taken, or the first where the model takes long to explain.
    X : DataFrame of shape (n, p)
        Predictors; also the background, 30 rows of it where the model takes long to explain.
    persons : array-like of shape (n,)
        Whose the rows are.
    horizon_days : float, optional
        Of the risk that is explained; none of a binary outcome.
    most : int, optional
        Persons; where None 1,000, or 200 where the model is neither trees nor an equation and takes long to explain.
    seed : int
        Of the sample.

    Returns
    -------
    Explained

    Raises
    ------
    DefinitionError, EnvironmentFault
        As :func:`workbench.risk.models.shap.shap_values`.
    """
    copies = getattr(model, "copies_", [model])
    exact = any(hasattr(copies[0].steps[-1][1], name) for name in ("contributions", "equation"))
    copies = copies if exact else copies[:1]
    order = np.random.default_rng(seed).permutation(len(X))
    first = ~pd.Series(np.asarray(persons)[order]).duplicated().to_numpy()
    rows = X.iloc[np.sort(order[first][: most or (_PERSONS if exact else _PERSONS_ASKED)])]
    background = X if exact else X.iloc[order[-_BACKGROUND:]]
    found = [shap_values(copy, rows, background=background, horizon_days=horizon_days, seed=seed) for copy in copies]
    tables = [pd.DataFrame(one.values, columns=one.features) for one in found]
    features = tuple(dict.fromkeys(name for table in tables for name in table))
    values = np.mean([table.reindex(columns=features, fill_value=0.0) for table in tables], axis=0)
    return Explained(ShapValues(values, float(np.mean([one.base for one in found])), features, found[0].scale), rows)


def importance_chart(
    explained: Explained, *, features: Sequence[Feature] = (), most: int = 20, policy: DisclosurePolicy | None = None
) -> Chart:
    """Draw how much each predictor moves predictions: the mean of its SHAP values' size, the largest first.

    Parameters
    ----------
    explained : Explained
        Of :func:`explain`.
    features : sequence of Feature
        Labels and units.
    most : int
        Predictors at most.
    policy : DisclosurePolicy, optional
        The centre's where None.

    Returns
    -------
    Chart

    Raises
    ------
    DataError
        If fewer persons than the threshold were explained.
    """
    policy = policy or disclosure.load_policy()
    shown, labels = _sizes(explained, policy)[:most], _labels(explained.found, features)
    persons, scale = str(disclosure.suppress_count(len(explained.X), policy=policy)), _scale(explained.found)
    told = pd.DataFrame(
        {
            tr("预测因子", "Predictor"): [labels[name] for name in shown.index],
            tr("平均 |SHAP|", "Mean |SHAP|"): [f"{value:.3f}" for value in shown],
            tr("人数", "Persons"): persons,
        }
    )
    note = tr(
        "SHAP 值为预测因子对每人{0}的贡献，取绝对值的平均；随机抽取 {1} 人，每人一行。共 {2} 个预测因子，列出前 {3} 个。",
        "What a predictor adds to each person's {0}; mean of the absolute values over {1} persons drawn at random, a row each. "
        "Predictors: {2}, of which the first {3} are shown.",
    ).format(scale, persons, len(explained.found.features), len(shown))
    with style():
        return Chart(
            tr("预测因子的重要性（SHAP）", "Importance of predictors (SHAP)"), _draw_bars(shown, labels, scale), told, policy, note
        )


def dependence_chart(
    explained: Explained, *, features: Sequence[Feature] = (), most: int = 6, policy: DisclosurePolicy | None = None
) -> Chart:
    """Draw how the SHAP values of the most important predictors depend on their values: means and quartiles by bins.

    Parameters
    ----------
    explained : Explained
        Of :func:`explain`.
    features : sequence of Feature
        Labels and units.
    most : int
        Predictors at most.
    policy : DisclosurePolicy, optional
        The centre's where None. Each bin holds at least twice the threshold of persons, four times where there are enough of
        them for quartiles; levels of fewer than the threshold are left out.

    Returns
    -------
    Chart

    Raises
    ------
    DataError
        If fewer persons than the threshold were explained, or no predictor can be parted into two.
    """
    policy = policy or disclosure.load_policy()
    sizes = _sizes(explained, policy)
    tried = {
        name: _dependence(explained.X[name], explained.found.values[:, explained.found.features.index(name)], policy)
        for name in sizes.index[sizes > 0]
        if name in explained.X
    }
    drawn = dict([(name, own) for name, own in tried.items() if len(own.parts) > 1][:most])
    if not drawn:
        raise DataError(
            "no predictor has enough persons for two bins", zh="没有一个预测因子的人数足以分成两段", hint="leave the figure out"
        )
    labels, scale = _labels(explained.found, features), _scale(explained.found)
    rows = [
        (labels[name], part.label, str(part.n), f"{part.mean:.3f}", _range(part))
        for name, own in drawn.items()
        for part in own.parts + own.missing
    ]
    heads = [tr("预测因子", "Predictor"), tr("取值水平", "Level"), tr("人数", "Persons")]
    told = pd.DataFrame(rows, columns=[*heads, tr("平均 SHAP 值", "Mean SHAP value"), tr("四分位数", "Quartiles (median level)")])
    note = tr(
        "各组 SHAP 值（{0}）的平均与四分位数；大于 0 表示使预测升高。灰点线为缺失者的平均。",
        "Mean and quartiles of SHAP values ({0}) by bin; above 0 they raise the prediction. Dotted: mean of those without a value.",
    ).format(scale)
    with style():
        return Chart(tr("SHAP 依赖图", "SHAP dependence"), _draw_dependence(drawn, labels), told, policy, note)


def _sizes(explained: Explained, policy: DisclosurePolicy) -> pd.Series:
    if len(explained.X) < policy.threshold:
        raise DataError(
            f"fewer than {policy.threshold} persons were explained", zh=f"给出解释的不足 {policy.threshold} 人", hint="leave the figure out"
        )
    return pd.Series(np.abs(explained.found.values).mean(axis=0), index=explained.found.features).sort_values(
        ascending=False, kind="stable"
    )


def _labels(found: ShapValues, features: Sequence[Feature]) -> dict[str, str]:
    known = {feature.name: f"{feature.label} ({feature.unit})" if feature.unit else feature.label for feature in features}
    return {name: known.get(name, name) for name in found.features}


def _scale(found: ShapValues) -> str:
    zh = {"log odds": "对数优势", "log hazard": "对数风险率", "log cumulative hazard": "对数累积风险"}
    return tr(zh[found.scale], found.scale)


def _range(part: _Part) -> str:
    return "—" if part.lower is None or part.upper is None else f"{part.lower:.3f}, {part.upper:.3f}"


def _dependence(column: pd.Series, values: np.ndarray, policy: DisclosurePolicy) -> _Dependence:
    """Part persons by the value of a predictor; parts whose counts are hidden are left out."""
    levels = column.dtype == "category" or bool(column.dropna().isin((0, 1)).all())
    codes, labels, places = _levels(column) if levels else _bins(column.to_numpy(float), policy.threshold)
    codes, labels, places = np.where(column.isna(), len(labels), codes), [*labels, tr("缺失", "missing")], [*places, np.nan]
    counts = np.bincount(codes, minlength=len(labels))
    cells = disclosure.suppress_table(counts, policy=policy).cells[0]
    parts = [
        _part(label, at, cell, values[codes == code], policy)
        for code, (label, at, cell) in enumerate(zip(labels, places, cells, strict=True))
        if counts[code] and not cell.hidden
    ]
    return _Dependence([part for part in parts if part.at == part.at], [part for part in parts if part.at != part.at], levels)


def _part(label: str, at: float, n: SafeCount, values: np.ndarray, policy: DisclosurePolicy) -> _Part:
    quartiles = (
        disclosure.suppress_quantile(float(np.quantile(values, q)), q=q, contributors=len(values), policy=policy) for q in (0.25, 0.75)
    )
    return _Part(label, at, n, float(values.mean()), *quartiles)


def _levels(column: pd.Series) -> tuple[np.ndarray, list[str], list[float]]:
    if column.dtype == "category":
        return column.cat.codes.to_numpy(int), list(map(shown_word, column.cat.categories)), list(range(len(column.cat.categories)))
    return column.fillna(0).to_numpy(int), [tr("否", "no"), tr("是", "yes")], [0, 1]


def _bins(values: np.ndarray, threshold: int) -> tuple[np.ndarray, list[str], list[float]]:
    """Cut numbers at rounded quantiles; open at both ends, each bin placed at the median of its values: it has enough persons for one."""
    known = values[~np.isnan(values)]
    size = (4 if len(known) >= 8 * threshold else 2) * threshold
    cuts: list[float] = []
    for cut in np.unique([float(f"{at:.3g}") for at in np.quantile(known, np.linspace(0, 1, _BINS + 1)[1:-1])]) if len(known) else ():
        inside = (known < cut) & (known >= (cuts[-1] if cuts else -np.inf))
        if min(inside.sum(), (known >= cut).sum()) >= size:
            cuts.append(float(cut))
    codes = np.searchsorted(cuts, values, side="right")
    marks = [f"{cut:g}" for cut in cuts]
    between = [f"{low}–{high}" for low, high in pairwise(marks)]
    labels = [f"<{marks[0]}", *between, f"≥{marks[-1]}"] if cuts else [tr("全部", "All")]
    return codes, labels, [float(np.nanmedian(values[codes == code])) if len(known) else np.nan for code in range(len(labels))]


# Drawing --------------------------------------------------------------------------------------------------------------


def _draw_bars(sizes: pd.Series, labels: Mapping[str, str], scale: str) -> Figure:
    figure = new_figure(6.4, 0.8 + 0.27 * max(3, len(sizes)))
    axes = figure.add_subplot()
    tidy(axes, grid="x")
    axes.barh(range(len(sizes)), sizes, height=0.66, color=ACCENT)
    names = ["\n".join(wrap(labels[name], _LABEL)) for name in sizes.index]
    axes.set(yticks=range(len(sizes)), yticklabels=names, ylim=(len(sizes) - 0.4, -0.6))
    axes.set_xlabel(tr("平均 |SHAP|（{0}）", "Mean |SHAP| ({0})").format(scale))
    return figure


def _draw_dependence(drawn: Mapping[str, _Dependence], labels: Mapping[str, str]) -> Figure:
    across = min(_ACROSS, len(drawn))
    down = -(-len(drawn) // across)
    figure = new_figure(2.8 * across + 0.4, 2.4 * down + 0.2)
    panels = figure.subplots(down, across, squeeze=False, sharey=True).ravel()
    for axes, (name, own) in zip(panels, drawn.items(), strict=False):
        tidy(axes)
        axes.axhline(0, color=MUTED, linewidth=0.8, linestyle="--")
        _draw_parts(axes, own)
        axes.set_title("\n".join(wrap(labels[name], _LABEL)), fontsize=9)
    for axes in panels[::across]:
        axes.set_ylabel(tr("SHAP 值", "SHAP value"))
    for axes in panels[len(drawn) :]:
        axes.set_visible(False)
    return figure


def _draw_parts(axes: Axes, own: _Dependence) -> None:
    at, mean = [part.at for part in own.parts], [part.mean for part in own.parts]
    known = [part for part in own.parts if part.lower is not None and part.upper is not None]
    axes.vlines([part.at for part in known], [part.lower for part in known], [part.upper for part in known], color=ACCENT, linewidth=1.6)
    axes.plot(at, mean, color=ACCENT, linewidth=0 if own.levels else 1, marker="o", markersize=4, markeredgecolor="white")
    if own.levels:
        axes.set_xticks(at, ["\n".join(wrap(part.label, _LEVEL)) for part in own.parts])
        axes.set_xlim(min(at) - 0.5, max(at) + 0.5)
    for part in own.missing:
        axes.axhline(part.mean, color=MUTED, linewidth=1.4, linestyle=":")
