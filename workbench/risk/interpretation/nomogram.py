"""Nomograms: an equation to be worked out with a ruler, and its scoring table.

Each predictor has a scale of points, the widest of 0 to 100; the points of a patient are added, and the sum is read off as risks [1]_.

References
----------
.. [1] Harrell, "Regression Modeling Strategies", 2nd ed. 2015, section 5.3; Kattan and Marasco, "What is a real nomogram?", Semin Oncol
   2010; 37: 23-26.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from workbench import disclosure
from workbench.cohort.figures import Chart
from workbench.cohort.plotting import ACCENT, INK, MUTED, columns, new_figure, style
from workbench.errors import DefinitionError
from workbench.locale import tr
from workbench.risk.cleaning.shown import shown_word

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from workbench.disclosure import DisclosurePolicy
    from workbench.risk.extraction.dataset import Feature
    from workbench.risk.models.equation import Equation, Term

__all__ = ["Nomogram", "Scale", "nomogram", "safe_spans"]

#: Points of the widest scale.
WIDEST = 100.0

#: Risks that an axis marks, as far as it reaches.
_RISKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)

#: Marks on a scale of numbers, at most.
_MARKS = 14

#: Sums of points that the scoring table lists, at most.
_SUMS = 20

#: More scales than these nobody reads with a ruler.
_MOST_SCALES = 30

#: Marks so few that all are labelled, on the line's other side where they lie close.
_FEW = 7

#: Shares of the values that a scale leaves out at each end: a minimum or maximum is one person's.
_TAILS, _QUARTILES = [0.05, 0.95], [0.25, 0.75]

#: What a scale covers: the least and the greatest number, or the levels of a category.
Span = tuple[float, ...] | tuple[str, ...]


class Scale(NamedTuple):
    """The scale of one predictor.

    Parameters
    ----------
    feature, label : str
        Column, and what is shown.
    values : tuple of float or str
        What is marked; levels of a category.
    points : ndarray of shape (n_values,)
        0 or more.
    """

    feature: str
    label: str
    values: tuple[float | str, ...]
    points: np.ndarray

    @property
    def marks(self) -> list[str]:
        """The values in words."""
        if self.values == (0.0, 1.0):
            return [tr("否", "No"), tr("是", "Yes")]
        return [shown_word(value) if isinstance(value, str) else f"{value:g}" for value in self.values]


@dataclass(frozen=True, eq=False)
class Nomogram:
    """An equation as scales.

    Parameters
    ----------
    scales : tuple of Scale
        In the order of the equation.
    total : ndarray of shape (k,)
        Sums of points, from the least to the greatest.
    risks : DataFrame of k rows, a column a horizon in days
        Risk at each sum; one column named 0 where the outcome has no times.
    title : str
        Of the drawing.
    """

    scales: tuple[Scale, ...]
    total: np.ndarray
    risks: pd.DataFrame
    title: str

    def scores(self) -> pd.DataFrame:
        """Return the scoring table of the predictors: predictor, value, points."""
        rows = [
            (scale.label, value, f"{points:.0f}") for scale in self.scales for value, points in zip(scale.marks, scale.points, strict=True)
        ]
        return pd.DataFrame(rows, columns=[tr("预测因子", "Predictor"), tr("取值水平", "Level"), tr("得分", "Points")])

    def sums(self) -> pd.DataFrame:
        """Return the scoring table of sums: total points, and the risk by each horizon."""
        at = np.unique(np.linspace(0, len(self.total) - 1, _SUMS).round().astype(int))
        table = pd.DataFrame({tr("总分", "Total points"): [f"{total:.0f}" for total in self.total[at]]})
        for horizon in self.risks.columns:
            table[_risk_label(horizon)] = [f"{100 * risk:.1f}%" for risk in self.risks[horizon].to_numpy()[at]]
        return table

    def chart(self, *, policy: DisclosurePolicy | None = None) -> Chart:
        """Draw it, with the scoring table of the predictors beneath.

        Parameters
        ----------
        policy : DisclosurePolicy, optional
            The centre's where None. The scales come from the equation and from ranges that are safe already.
        """
        policy = policy or disclosure.load_policy()
        note = tr(
            "每个预测因子的取值向上对应得分，相加得总分，再向下读出风险。刻度范围为第 5 至第 95 百分位数。",
            "Read the points of each value, add them, and read the risk beneath the sum. Scales reach from the 5th to the 95th percentile.",
        )
        with style():
            return Chart(self.title, _draw(self), self.scores(), policy, note)


def safe_spans(X: pd.DataFrame, *, policy: DisclosurePolicy | None = None) -> dict[str, Span]:
    """Return what a scale of each predictor may cover.

    Parameters
    ----------
    X : DataFrame of shape (n, p)
        Predictors.
    policy : DisclosurePolicy, optional
        The centre's where None.

    Returns
    -------
    dict of str to tuple
        Of a number its 5th and 95th percentile, or its quartiles where persons are few; of words those that enough persons have. Predictors
        of too few persons are left out.
    """
    policy = policy or disclosure.load_policy()
    spans = {name: _levels(X[name], policy) if X[name].dtype == "category" else _range(X[name].dropna(), policy) for name in X}
    return {name: span for name, span in spans.items() if span}


def _levels(column: pd.Series, policy: DisclosurePolicy) -> tuple[str, ...]:
    counts = column.value_counts(sort=False)
    return tuple(str(level) for level, count in counts.items() if count >= policy.threshold)


def _range(known: pd.Series, policy: DisclosurePolicy) -> tuple[float, ...]:
    if known.isin((0, 1)).all() and len(known) >= policy.threshold:
        return (0.0, 1.0)
    for shares in (_TAILS, _QUARTILES):
        if disclosure.suppress_quantile(0.0, q=shares[0], contributors=len(known), policy=policy) is not None:
            return tuple(float(value) for value in known.quantile(shares))
    return ()


def nomogram(equation: Equation, spans: Mapping[str, Span], *, features: Sequence[Feature] = ()) -> Nomogram:
    """Turn an equation into scales of points.

    Parameters
    ----------
    equation : Equation
        Logistic or Cox, without interactions.
    spans : mapping of str to tuple
        What each scale covers; see :func:`safe_spans`. A category left out here is drawn at the levels of the equation.
    features : sequence of Feature
        Labels and units; the column's name where there is none.

    Returns
    -------
    Nomogram

    Raises
    ------
    DefinitionError
        If the equation has an interaction, nothing to draw, or a number without a span.

    Examples
    --------
    >>> from workbench.risk.models.equation import Equation, Factor, Term
    >>> age = Term((Factor("age"),), 0.05)
    >>> drawn = nomogram(Equation("死亡", (age,), "logistic", intercept=-4), {"age": (40, 80)})
    >>> drawn.scales[0].values[0], float(drawn.scales[0].points[-1])
    (40.0, 100.0)
    """
    effects = _effects(equation)
    if len(effects) > _MOST_SCALES:
        raise DefinitionError(
            f"the equation has {len(effects)} predictors; a nomogram has at most {_MOST_SCALES}",
            zh=f"方程有 {len(effects)} 个预测因子，列线图最多画 {_MOST_SCALES} 个",
            hint="use the equation",
        )
    labels = {feature.name: f"{feature.label} ({feature.unit})" if feature.unit else feature.label for feature in features}
    marked = {name: _marks(name, terms, spans.get(name, ())) for name, terms in effects.items()}
    parts = {name: _part(name, terms, marked[name]) for name, terms in effects.items()}
    widest = max((np.ptp(part) for part in parts.values()), default=0.0)
    if not widest > 0:
        raise DefinitionError(
            "the equation has no effect to draw",
            zh="方程没有可画的效应",
            hint="a nomogram wants at least one predictor that adds to the risk",
        )
    per_point = widest / WIDEST
    scales = tuple(
        Scale(name, labels.get(name, name), tuple(marked[name]), (part - part.min()) / per_point) for name, part in parts.items()
    )
    most = sum(scale.points.max() for scale in scales)
    total = np.linspace(0, most, 201)
    return Nomogram(
        scales,
        total,
        _risks(equation, sum(part.min() for part in parts.values()) + total * per_point),
        tr("列线图：{0}", "Nomogram: {0}").format(equation.name),
    )


def _effects(equation: Equation) -> dict[str, list[Term]]:
    """Sort the terms by their predictor."""
    effects: dict[str, list[Term]] = {}
    for term in equation.terms:
        names = {factor.feature for factor in term.factors}
        if len(names) != 1:
            raise DefinitionError(
                f"the term {term.label or ' × '.join(sorted(names))} is an interaction",
                zh=f"{term.label or ' × '.join(sorted(names))} 是交互项，列线图只画主效应",
                hint="a nomogram draws main effects only",
            )
        if term.factors[0].transform != "missing":
            effects.setdefault(names.pop(), []).append(term)
    return effects


def _marks(name: str, terms: Sequence[Term], span: Span) -> list[float | str]:
    """Return the values that a scale marks: levels, the reference first, or round numbers within the span."""
    factors = [factor for term in terms for factor in term.factors]
    if factors[0].transform == "level":
        known = {word for factor in factors for word in factor.all_words}
        levels = dict.fromkeys(factor.level for factor in factors)
        return [*([word for word in span if word not in known] or [tr("其他", "Other")]), *levels]
    if not span:
        raise DefinitionError(
            f"the predictor {name!r} has no span",
            zh=f"预测因子“{name}”有值的人太少，不能给出刻度范围",
            hint="give one, or leave out a predictor of so few persons",
        )
    low, high = span
    if (low, high) == (0.0, 1.0):
        return [low, high]
    inner = [float(value) for value in MaxNLocator(_MARKS - 1, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high) if low <= value <= high]
    return inner if len(inner) > 1 else [low, high]


def _part(name: str, terms: Sequence[Term], values: Sequence[float | str]) -> np.ndarray:
    """Return what a predictor adds to the linear predictor at each value."""
    table = pd.DataFrame({name: values})
    return np.sum([term.values(table) for term in terms], axis=0)


def _risks(equation: Equation, lp: np.ndarray) -> pd.DataFrame:
    if equation.kind == "logistic":
        return pd.DataFrame({0.0: 1 / (1 + np.exp(-(equation.intercept + lp)))})
    return pd.DataFrame({time: 1 - survival ** np.exp(lp - equation.mean) for time, survival in equation.baseline})


def _risk_label(horizon: float) -> str:
    return tr("风险", "Risk") if not horizon else tr("{0:g} 天风险", "Risk by {0:g} days").format(horizon)


# Drawing --------------------------------------------------------------------------------------------------------------


def _draw(drawn: Nomogram) -> Figure:
    lines = len(drawn.scales) + 2 + len(drawn.risks.columns)
    figure = new_figure(9.0, 0.9 + 0.52 * lines)
    axes = figure.subplots()
    axes.set_xlim(-0.5, WIDEST + 0.5)
    axes.set_ylim(-lines + 0.4, 0.6)
    axes.axis("off")
    names = [tr("得分", "Points"), *(scale.label for scale in drawn.scales), tr("总分", "Total points")]
    names += [_risk_label(horizon) for horizon in drawn.risks.columns]
    for place, name in enumerate(names):
        axes.text(-3, -place, name, ha="right", va="center", color=INK, fontsize=9)
    _ruler(axes, 0, np.arange(0, WIDEST + 1, 10), [f"{at:.0f}" for at in np.arange(0, WIDEST + 1, 10)])
    for place, scale in enumerate(drawn.scales, start=1):
        _ruler(axes, -place, scale.points, scale.marks, fold=True)
    _total(axes, drawn, -len(drawn.scales) - 1)
    return figure


def _total(axes: Axes, drawn: Nomogram, place: int) -> None:
    """Draw the sum and, beneath it, the risks."""
    most = float(drawn.total[-1])
    sums = MaxNLocator(10, integer=True).tick_values(0, most)
    sums = sums[(sums >= 0) & (sums <= most)]
    _ruler(axes, place, sums / most * WIDEST, [f"{at:.0f}" for at in sums])
    for below, horizon in enumerate(drawn.risks.columns, start=1):
        risk = drawn.risks[horizon].to_numpy()
        marks = [mark for mark in _RISKS if risk[0] <= mark <= risk[-1]]
        at = np.interp(marks, risk, drawn.total) / most * WIDEST
        kept = _apart(at)
        _ruler(axes, place - below, at[kept], [f"{100 * marks[k]:g}%" for k in kept], colour=ACCENT)


def _apart(at: np.ndarray, least: float = 4.0) -> list[int]:
    """Keep marks that do not run into each other, from the right."""
    kept: list[int] = []
    for place in reversed(range(len(at))):
        if not kept or at[kept[-1]] - at[place] >= least:
            kept.append(place)
    return kept[::-1]


def _ruler(axes: Axes, y: float, at: np.ndarray, labels: Sequence[str], *, colour: str = MUTED, fold: bool = False) -> None:
    """Draw a line with marks; on a scale that turns back, marks of the way back stand beneath the line."""
    if not len(at):
        return
    axes.plot([min(at), max(at)], [y, y], color=colour, linewidth=1.1, solid_capstyle="butt")
    up = np.ones(len(at), dtype=bool)
    if fold and len(at) > 2:
        steps = np.sign(np.diff(at))
        main = np.sign(at[-1] - at[0]) or 1.0
        up = np.r_[steps[0], steps] * main >= 0
    ends: dict[bool, float] = {}
    for x, label, above in sorted(zip(at, labels, up, strict=True), key=lambda mark: mark[0]):
        width = 0.9 * columns(label) + 0.6
        free = [side for side in (above, not above) if x - ends.get(side, -np.inf) >= width / 2]
        side = bool(free[0]) if free and (free[0] == above or not fold or len(at) < _FEW) else bool(above)
        axes.plot([x, x], [y, y + (0.12 if side else -0.12)], color=colour, linewidth=0.9)
        if free and side in free:
            axes.text(x, y + (0.17 if side else -0.17), label, ha="center", va="bottom" if side else "top", color=INK, fontsize=7.5)
            ends[side] = x + width / 2
