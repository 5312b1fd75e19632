"""Figures of what a linear model says of its predictors: a forest plot, and the curve of each number's effect."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from workbench import disclosure
from workbench.cohort.figures import Chart
from workbench.cohort.plotting import ACCENT, INK, MUTED, new_figure, style, tidy, wrap
from workbench.errors import DataError
from workbench.locale import tr
from workbench.risk.cleaning.shown import shown_word
from workbench.risk.interpretation.contrasts import several_contrasts
from workbench.risk.interpretation.nomogram import safe_spans

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from sklearn.pipeline import Pipeline

    from workbench.disclosure import DisclosurePolicy
    from workbench.risk.extraction.dataset import Feature
    from workbench.risk.interpretation.contrasts import Contrasts

__all__ = ["effects_chart", "forest_chart"]

_POINTS, _ACROSS = 60, 3
#: Lines of a forest plot.
_MOST_LINES = 40
#: Ratios marked on an axis, as far as it reaches; it reaches no further than these.
_RATIOS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
_LABEL = 30


class _Line(NamedTuple):
    """A line of the forest plot."""

    label: str
    compared: str
    ratio: float
    lower: float
    upper: float


def forest_chart(
    pipeline: Pipeline, X: pd.DataFrame, *, features: Sequence[Feature] = (), ratio: str = "", policy: DisclosurePolicy | None = None
) -> Chart:
    """Draw the ratio of each predictor with its interval.

    Of numbers it is the upper against the lower quartile, else yes against no, or each level against the most frequent.

    Parameters
    ----------
    pipeline : Pipeline
        A fitted linear model of the catalogue.
    X : DataFrame of shape (n, p)
        Predictors of the data that it was fitted to.
    features : sequence of Feature
        Labels and units.
    ratio : str
        What the ratios are called (HR, OR).
    policy : DisclosurePolicy, optional
        The centre's where None. Quartiles and levels of too few persons are left out.

    Returns
    -------
    Chart

    Raises
    ------
    DataError
        If no predictor has enough persons.
    """
    policy, labels = policy or disclosure.load_policy(), _labels(X, features)
    asked = {str(name): pair for name in X.columns if (pair := _compared(X[name], policy))}
    found = several_contrasts(pipeline, X, asked) if asked else {}
    lines = _widest([line for one in found.values() for line in _told(one, labels[one.feature])])
    if not lines:
        raise DataError("no predictor has enough persons for a ratio", zh="没有一个预测因子的人数足以给出比值", hint="leave the figure out")
    ratio = ratio or tr("比值", "Ratio")
    heads = [tr("预测因子", "Predictor"), tr("比较", "Comparison"), tr("{0}（95% 置信区间）", "{0} (95% interval)").format(ratio)]
    told = pd.DataFrame([(line.label, line.compared, _interval(line)) for line in lines], columns=heads)
    note = tr(
        "数值型预测因子为上四分位数与下四分位数相比，其余预测因子不变。有岭惩罚时，区间未计入惩罚强度的选择。",
        "Numbers: upper against lower quartile, all else equal. With a ridge the intervals do not know that its strength was chosen.",
    )
    with style():
        return Chart(tr("森林图（{0}）", "Forest plot ({0})").format(ratio), _draw_forest(lines, ratio), told, policy, note)


def _labels(X: pd.DataFrame, features: Sequence[Feature]) -> dict[str, str]:
    known = {feature.name: f"{feature.label} ({feature.unit})" if feature.unit else feature.label for feature in features}
    return {str(name): known.get(str(name), str(name)) for name in X.columns}


def _compared(column: pd.Series, policy: DisclosurePolicy) -> tuple[float | str, list[float | str]] | None:
    """Return the reference of a predictor and what is held against it; None where persons are too few."""
    if column.dtype == "category":
        levels = safe_spans(column.to_frame(), policy=policy).get(str(column.name), ())
        common = column.value_counts().index[0] if len(levels) > 1 else None
        return (common, [level for level in levels if level != common]) if len(levels) > 1 else None
    known = column.dropna()
    if known.isin((0, 1)).all():
        return (0.0, [1.0]) if _both(known, policy) else None
    if disclosure.suppress_quantile(0.0, q=0.25, contributors=len(known), policy=policy) is None:
        return None
    low, high = (float(f"{value:.3g}") for value in known.quantile([0.25, 0.75]))
    return (low, [high]) if high > low else None


def _widest(lines: list[_Line]) -> list[_Line]:
    """Keep the lines that a figure can hold: those farthest from 1 for their error, in their order."""
    if len(lines) <= _MOST_LINES:
        return lines
    strength = [abs(np.log(line.ratio)) / max(np.log(line.upper / line.lower), 1e-12) for line in lines]
    kept = set(np.argsort(strength)[-_MOST_LINES:].tolist())
    return [line for place, line in enumerate(lines) if place in kept]


def _both(known: pd.Series, policy: DisclosurePolicy) -> bool:
    return min((known == 1).sum(), (known == 0).sum()) >= policy.threshold


def _told(found: Contrasts, label: str) -> list[_Line]:
    def word(value: float | str) -> str:
        yes_no = {0.0: tr("否", "no"), 1.0: tr("是", "yes")} if set(found.table["value"]) == {1.0} and found.reference == 0.0 else {}
        return shown_word(value) if isinstance(value, str) else yes_no.get(value, f"{value:g}")

    rows = found.table.itertuples()
    reference = word(found.reference)
    compared = tr("{0} 对 {1}", "{0} against {1}")
    return [_Line(label, compared.format(word(row.value), reference), row.ratio, row.lower, row.upper) for row in rows]


def _interval(line: _Line) -> str:
    return f"{line.ratio:.2f} ({line.lower:.2f}, {line.upper:.2f})"


def effects_chart(
    pipeline: Pipeline,
    X: pd.DataFrame,
    *,
    features: Sequence[Feature] = (),
    ratio: str = "",
    most: int = 9,
    policy: DisclosurePolicy | None = None,
) -> Chart:
    """Draw how the ratio depends on each number, against its median, with its interval; those of the widest effect first.

    Parameters
    ----------
    pipeline : Pipeline
        A fitted linear model of the catalogue.
    X : DataFrame of shape (n, p)
        Predictors of the data that it was fitted to.
    features : sequence of Feature
        Labels and units.
    ratio : str
        What the ratios are called.
    most : int
        Curves at most.
    policy : DisclosurePolicy, optional
        The centre's where None. Curves reach from the 5th to the 95th percentile, or between quartiles where persons are few.

    Returns
    -------
    Chart

    Raises
    ------
    DataError
        If there is no number with enough persons.
    """
    policy, labels, ratio = policy or disclosure.load_policy(), _labels(X, features), ratio or tr("比值", "Ratio")
    spans = {name: span for name, span in safe_spans(X, policy=policy).items() if _is_range(span) and X[name].nunique() > 2}
    asked = {name: (float(f"{X[name].median():.3g}"), np.linspace(*span, _POINTS).tolist()) for name, span in spans.items()}
    found = several_contrasts(pipeline, X, asked).values() if asked else []
    curves = sorted((curve for curve in found if np.ptp(curve.table["log_ratio"]) > 0), key=lambda c: -np.ptp(c.table["log_ratio"]))[:most]
    if not curves:
        raise DataError(
            "there is no number with enough persons for a curve", zh="没有人数足以画曲线的数值型预测因子", hint="leave the figure out"
        )
    rows = [
        (labels[curve.feature], f"{float(f'{row.value:.3g}'):g}", f"{row.ratio:.2f} ({row.lower:.2f}, {row.upper:.2f})")
        for curve in curves
        for row in curve.table.iloc[:: _POINTS // 5].itertuples()
    ]
    told = pd.DataFrame(
        rows, columns=[tr("预测因子", "Predictor"), tr("取值水平", "Level"), tr("{0}（95% 置信区间）", "{0} (95% interval)").format(ratio)]
    )
    note = tr("以中位数为参照（比值为 1），阴影为 95% 置信区间。", "Against the median, where the ratio is 1; shaded: 95% interval.")
    with style():
        return Chart(tr("各预测因子的效应", "Effects of predictors"), _draw_effects(curves, labels, ratio), told, policy, note)


def _is_range(span: tuple) -> bool:
    return len(span) == 2 and not isinstance(span[0], str) and span != (0.0, 1.0) and span[1] > span[0]


# Drawing --------------------------------------------------------------------------------------------------------------


def _ratio_axis(axes: Axes, which: str, low: float, high: float) -> None:
    """Mark ratios on a logarithmic axis that holds 1."""
    low, high = max(min(low, 0.8), _RATIOS[0]), min(max(high, 1.25), _RATIOS[-1])
    axis = axes.xaxis if which == "x" else axes.yaxis
    axes.set(**{f"{which}scale": "log", f"{which}lim": (low * 0.92, high * 1.08)})
    axis.set_major_locator(FixedLocator([mark for mark in _RATIOS if low * 0.92 <= mark <= high * 1.08]))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(lambda value, _: f"{value:g}")


def _draw_forest(lines: Sequence[_Line], ratio: str) -> Figure:
    figure = new_figure(8.2, 0.9 + 0.3 * len(lines))
    axes = figure.add_subplot()
    tidy(axes, grid="x")
    _ratio_axis(axes, "x", min(line.lower for line in lines), max(line.upper for line in lines))
    axes.axvline(1, color=MUTED, linewidth=1)
    low, high = axes.get_xlim()
    for place, line in enumerate(lines):
        axes.plot(np.clip([line.lower, line.upper], low, high), [place, place], color=INK, linewidth=1)
        axes.plot(np.clip(line.ratio, low, high), place, marker="s", markersize=4.5, color=ACCENT)
        axes.text(1.02, place, _interval(line), transform=axes.get_yaxis_transform(), va="center", fontsize=8.5)
    names = ["\n".join(wrap(f"{line.label}　{line.compared}", 2 * _LABEL)) for line in lines]
    axes.set(yticks=range(len(lines)), yticklabels=names, ylim=(len(lines) - 0.5, -0.7), xlabel=ratio)
    return figure


def _draw_effects(curves: Sequence[Contrasts], labels: Mapping[str, str], ratio: str) -> Figure:
    across = min(_ACROSS, len(curves))
    down = -(-len(curves) // across)
    figure = new_figure(2.7 * across + 0.4, 2.3 * down + 0.2)
    panels = figure.subplots(down, across, squeeze=False).ravel()
    low, high = (
        pick(getattr(curve.table, side).agg(how) for curve in curves) for pick, side, how in ((min, "lower", "min"), (max, "upper", "max"))
    )
    for axes, curve in zip(panels, curves, strict=False):
        tidy(axes)
        _ratio_axis(axes, "y", low, high)
        table = curve.table
        axes.fill_between(table["value"].astype(float), table["lower"], table["upper"], color=ACCENT, alpha=0.18, linewidth=0)
        axes.plot(table["value"].astype(float), table["ratio"], color=ACCENT, linewidth=1.8)
        axes.axhline(1, color=MUTED, linewidth=0.8, linestyle="--")
        axes.set_title("\n".join(wrap(labels[curve.feature], _LABEL)), fontsize=9)
    for axes in panels[::across]:
        axes.set_ylabel(ratio)
    for axes in panels[len(curves) :]:
        axes.set_visible(False)
    return figure
