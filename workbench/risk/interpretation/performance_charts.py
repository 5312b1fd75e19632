"""Figures of performance that give nobody away: calibration, ROC and decision curves.

Between two points of a curve lie at least the policy's threshold of persons with the event and as many without: a step a person would
tell that person's risk and outcome. Risks are shown between their outer quantiles only.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from workbench import disclosure
from workbench.cohort.figures import Chart
from workbench.cohort.plotting import ACCENT, GRID, INK, MUTED, PALETTE, new_figure, style, tidy
from workbench.errors import DataError
from workbench.locale import tr
from workbench.risk.evaluation.calibration import calibration_points
from workbench.risk.evaluation.calibration_curve import calibration_curve
from workbench.risk.evaluation.horizon import binary, censoring_weights, checked_probabilities, watched
from workbench.risk.evaluation.net_benefit import decision_curve
from workbench.risk.evaluation.shares import event_share

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

    from workbench.disclosure import DisclosurePolicy

__all__ = ["calibration_chart", "decision_chart", "roc_chart", "safe_cuts"]

_GROUPS, _ROC_POINTS, _SQUARE_IN = 10, 20, 4.4


class _Known(NamedTuple):
    """Who had the event by the horizon, and how much each row counts: 0 where that is not known."""

    case: np.ndarray
    weight: np.ndarray


def _known(y: np.ndarray, horizon: float | None) -> _Known:
    if horizon is None:
        truth = binary(y)
        return _Known(truth, np.ones(len(truth)))
    return _Known(*next(censoring_weights(watched(y), np.array([float(horizon)]), None, 1)))


def safe_cuts(
    risk: np.ndarray,
    case: np.ndarray,
    *,
    most: int,
    threshold: int,
    weight: np.ndarray | None = None,
    persons: np.ndarray | None = None,
) -> np.ndarray:
    """Return where to cut risks so that each part holds enough persons of either outcome.

    Parameters
    ----------
    risk : ndarray of shape (n,)
        Predictions.
    case : ndarray of bool, shape (n,)
        Who had the event.
    most : int
        Parts at most.
    threshold : int
        Persons with the event, and without it, that each part holds at least.
    weight : ndarray of shape (n,), optional
        Who has 0 counts for neither.
    persons : ndarray of shape (n,), optional
        Whose the rows are; each row another person's where None.

    Returns
    -------
    ndarray of shape (k,)
        Rising, fewer than `most`; a part begins at its cut. Empty where no two parts are possible.

    Examples
    --------
    >>> risk = np.arange(100) / 100
    >>> safe_cuts(risk, risk > 0.5, most=4, threshold=10).tolist()
    []
    >>> safe_cuts(risk, np.arange(100) % 2 == 0, most=4, threshold=10).tolist()
    [0.24, 0.49, 0.74]
    """
    known = np.ones(len(risk), bool) if weight is None else weight > 0
    wanted = np.unique(np.quantile(risk, np.linspace(0, 1, most + 1)[1:-1], method="lower"))
    cuts: list[float] = []
    for cut in wanted:
        inside = known & (risk < cut) & (risk >= (cuts[-1] if cuts else -np.inf))
        if min(_count(persons, inside & case), _count(persons, inside & ~case)) >= threshold:
            cuts.append(float(cut))
    while cuts:
        last = known & (risk >= cuts[-1])
        if min(_count(persons, last & case), _count(persons, last & ~case)) >= threshold:
            break
        cuts.pop()
    return np.array(cuts)


def _count(persons: np.ndarray | None, inside: np.ndarray) -> int:
    """Count the persons of some rows."""
    return int(inside.sum()) if persons is None else len(np.unique(persons[inside]))


def calibration_chart(
    y: np.ndarray,
    risk: ArrayLike,
    *,
    horizon: float | None = None,
    persons: ArrayLike | None = None,
    title: str = "",
    policy: DisclosurePolicy | None = None,
) -> Chart:
    """Draw what was observed against what was predicted: a smooth curve, and groups of similar risk with intervals.

    Parameters
    ----------
    y : structured ndarray or array-like of bool, shape (n,)
        Outcomes: with times, or binary.
    risk : array-like of float, shape (n,)
        Predicted probabilities of the event by the horizon, not from the data that the model was fitted to.
    horizon : float, optional
        In days; none for a binary outcome.
    persons : array-like of shape (n,), optional
        Whose the rows are, where a person has several.
    title : str
        Of the figure.
    policy : DisclosurePolicy, optional
        The centre's where None.

    Returns
    -------
    Chart
        Its table holds the groups; there are none where too few persons had, or did not have, the event. The note says so where no curve
        could be fitted.

    Raises
    ------
    DataError
        If a prediction is missing or not within 0 and 1, or there can be neither groups nor a curve.
    """
    policy = policy or disclosure.load_policy()
    y, risk = np.asarray(y), checked_probabilities(risk, (len(y),))
    groups, (curve, told) = _groups(y, risk, horizon, policy, _codes(persons)), _smooth(y, risk, horizon, policy)
    if groups.empty and curve.empty:
        raise DataError(
            "too few persons had, or did not have, the event for a calibration figure",
            zh="发生或未发生结局者太少，不能画校准曲线",
            hint="leave the figure out",
        )
    note = tr(
        "点为风险相近的各组（每组发生与未发生者均不少于 {0} 人）及 95% 置信区间，实线为平滑校准曲线，虚线为理想。",
        "Points: groups of similar risk (at least {0} with and without the event), 95% intervals; line: smooth curve; dashes: ideal. ",
    ).format(policy.threshold)
    with style():
        shown = _draw_calibration(curve, groups)
        return Chart(title or _title(tr("校准曲线", "Calibration"), horizon), shown, _told(groups), policy, note + told)


def _smooth(y: np.ndarray, risk: np.ndarray, horizon: float | None, policy: DisclosurePolicy) -> tuple[pd.DataFrame, str]:
    """Return the curve between the outer quantiles of the risk, and its indices in words."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # predictions of exactly 0 or 1 lie outside of what is shown
            smooth = calibration_curve(y, risk, horizon=horizon)
    except DataError as error:
        return pd.DataFrame(columns=["predicted", "observed"], dtype=float), tr("无法拟合平滑曲线：", "No smooth curve: ") + error.shown
    beyond = min(0.25, max(0.01, policy.threshold / len(risk)))
    curve = smooth.curve[smooth.curve["predicted"].between(*np.quantile(risk, [beyond, 1 - beyond]))]
    told = {"ICI": smooth.ici, "E50": smooth.e50, "E90": smooth.e90}
    return curve, tr("，", ", ").join(f"{name}={value:.3f}" for name, value in told.items())


def _codes(persons: ArrayLike | None) -> np.ndarray | None:
    return None if persons is None else pd.factorize(np.asarray(persons))[0]


def _groups(y: np.ndarray, risk: np.ndarray, horizon: float | None, policy: DisclosurePolicy, persons: np.ndarray | None) -> pd.DataFrame:
    """Return the groups, none where no two are possible; `n` counts persons, as they may be shown."""
    known = _known(y, horizon)
    cuts = safe_cuts(risk, known.case, most=_GROUPS, threshold=policy.threshold, weight=known.weight, persons=persons)
    points, part = calibration_points(y, risk, edges=cuts, horizon=horizon), np.searchsorted(cuts, risk, side="right")
    sizes = [str(disclosure.suppress_count(_count(persons, part == code), policy=policy)) for code in range(len(points))]
    return points.assign(n=sizes).reset_index(drop=True) if len(cuts) else points[:0]


def _told(groups: pd.DataFrame) -> pd.DataFrame:
    if groups.empty:
        return pd.DataFrame({tr("分组", "Groups"): [tr("发生结局者过少，不分组", "too few events for groups")]})
    shown = {tr("组", "Group"): [str(at + 1) for at in range(len(groups))], tr("人数", "Persons"): groups["n"]}
    shown[tr("预测风险", "Predicted")] = [f"{100 * each:.1f}%" for each in groups["predicted"]]
    shown[tr("观察风险（95% 置信区间）", "Observed (95% interval)")] = [
        f"{100 * each.observed:.1f}% ({100 * each.lower:.1f}, {100 * each.upper:.1f})" for each in groups.itertuples()
    ]
    return pd.DataFrame(shown)


def roc_chart(
    y: np.ndarray,
    risks: Mapping[str, ArrayLike],
    *,
    horizon: float | None = None,
    persons: ArrayLike | None = None,
    title: str = "",
    policy: DisclosurePolicy | None = None,
) -> Chart:
    """Draw ROC curves of one or more models: cumulative cases against those event-free at the horizon.

    Parameters
    ----------
    y : structured ndarray or array-like of bool, shape (n,)
        Outcomes, a person each.
    risks : mapping of str to array-like of float, shape (n,)
        Predicted probabilities by model.
    horizon : float, optional
        In days; none for a binary outcome.
    persons : array-like of shape (n,), optional
        Whose the rows are, where a person has several.
    title : str
        Of the figure.
    policy : DisclosurePolicy, optional
        The centre's where None.

    Returns
    -------
    Chart
        Its table holds the points that are drawn.

    Raises
    ------
    DataError
        If too few persons had, or did not have, the event for a curve.

    Notes
    -----
    With times, cases count with the inverse of the probability to be known (Uno et al. 2007, JASA 102:527).
    """
    policy = policy or disclosure.load_policy()
    y, known = np.asarray(y), _known(np.asarray(y), horizon)
    curves = {name: _roc(checked_probabilities(risk, (len(y),)), known, policy, _codes(persons)) for name, risk in risks.items()}
    rows = [(name, f"{100 * x:.0f}%", f"{100 * s:.0f}%") for name, points in curves.items() for x, s in points[1:-1]]
    heads = [tr("模型", "Model"), tr("1 − 特异度", "1 − specificity"), tr("灵敏度", "Sensitivity")]
    note = tr("相邻两点之间发生与未发生者均不少于 {0} 人。", "At least {0} persons with and without the event lie between two points.")
    with style():
        table = pd.DataFrame(rows, columns=heads)
        return Chart(title or _title("ROC", horizon), _draw_roc(curves, heads), table, policy, note.format(policy.threshold))


def _roc(risk: np.ndarray, known: _Known, policy: DisclosurePolicy, persons: np.ndarray | None) -> np.ndarray:
    cuts = safe_cuts(risk, known.case, most=_ROC_POINTS, threshold=policy.threshold, weight=known.weight, persons=persons)
    if not len(cuts):
        raise DataError(
            f"fewer than {2 * policy.threshold} persons have, or have not, the event: no ROC curve can be shown",
            zh=f"发生或未发生结局者不足 {2 * policy.threshold} 人，不能画 ROC 曲线",
            hint="leave the figure out",
        )
    cases, controls = known.weight * known.case, known.weight * ~known.case
    inside = [((controls * (risk >= cut)).sum() / controls.sum(), (cases * (risk >= cut)).sum() / cases.sum()) for cut in cuts[::-1]]
    return np.array([(0.0, 0.0), *inside, (1.0, 1.0)])


def decision_chart(
    y: np.ndarray,
    risks: Mapping[str, ArrayLike],
    *,
    horizon: float | None = None,
    persons: ArrayLike | None = None,
    thresholds: ArrayLike | None = None,
    title: str = "",
    policy: DisclosurePolicy | None = None,
) -> Chart:
    """Draw the net benefit of acting on predictions, against acting on everybody or on nobody.

    Parameters
    ----------
    y : structured ndarray or array-like of bool, shape (n,)
        Outcomes, a person each.
    risks : mapping of str to array-like of float, shape (n,)
        Predicted probabilities by model.
    horizon : float, optional
        In days; none for a binary outcome.
    persons : array-like of shape (n,), optional
        Whose the rows are, where a person has several.
    thresholds : array-like of float, optional
        At most 25, rising; evenly up to twice the share with the event where None.
    title : str
        Of the figure.
    policy : DisclosurePolicy, optional
        The centre's where None.

    Returns
    -------
    Chart
        Net benefits to three decimals; where fewer persons than the threshold lie above a threshold, or between one and the one before, the
        point is left out.

    Raises
    ------
    DataError
        As :func:`workbench.risk.evaluation.net_benefit.decision_curve`.
    """
    policy, y = policy or disclosure.load_policy(), np.asarray(y)
    share = event_share(y, horizon=horizon).estimate
    grid = np.round(np.linspace(0.01, min(0.99, max(0.1, 2 * share)), 20), 3) if thresholds is None else np.asarray(thresholds, float)
    curves = {}
    for name, given in risks.items():
        risk = checked_probabilities(given, (len(y),))
        table = decision_curve(y, risk, grid, horizon=horizon)
        curves[name] = table["net_benefit"].where(_enough(risk, grid, policy.threshold, _codes(persons)))
    curves[tr("全部干预", "Treat all")] = table["treat_all"]
    shown = pd.DataFrame(curves, index=pd.Index(grid))
    told = pd.DataFrame({tr("阈值", "Threshold"): [f"{at:.3f}" for at in grid]})
    told[tr("人数", "Persons")] = str(disclosure.suppress_count(_count(_codes(persons), np.ones(len(y), bool)), policy=policy))
    for name, values in curves.items():
        told[name] = ["—" if np.isnan(value) else f"{value:z.3f}" for value in values]
    note = tr(
        "净获益＝真阳性比例－假阳性比例×阈值/(1－阈值)；不干预为 0。",
        "Net benefit: true positives less false ones, weighted by the odds of the threshold.",
    )
    with style():
        return Chart(title or _title(tr("决策曲线", "Decision curve"), horizon), _draw_decision(shown, share), told, policy, note)


def _enough(risk: np.ndarray, grid: np.ndarray, threshold: int, persons: np.ndarray | None) -> np.ndarray:
    """Say where a point tells of enough persons: above it, and since the last that was kept."""
    kept, last = np.zeros(len(grid), bool), -np.inf
    for at, cut in enumerate(grid):
        since, above = _count(persons, (risk >= last) & (risk < cut)), _count(persons, risk >= cut)
        if not ((risk >= last) & (risk < cut)).any() or min(since, above) >= threshold:
            kept[at], last = True, cut
    return kept


def _title(what: str, horizon: float | None) -> str:
    return what if horizon is None else tr("{0}（{1:g} 天）", "{0} ({1:g} days)").format(what, horizon)


# Drawing --------------------------------------------------------------------------------------------------------------


def _square(figure: Figure) -> Axes:
    axes = figure.add_subplot()
    tidy(axes)
    axes.grid(visible=True, axis="both", color=GRID)
    axes.spines["left"].set_visible(True)
    return axes


def _percent(axes: Axes) -> None:
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{100 * value:g}%")


def _draw_calibration(curve: pd.DataFrame, groups: pd.DataFrame) -> Figure:
    figure = new_figure(_SQUARE_IN, _SQUARE_IN)
    axes = _square(figure)
    top = min(1.0, 1.05 * np.nanmax([*curve.to_numpy().ravel(), *groups["upper"]]))
    axes.plot([0, top], [0, top], color=MUTED, linestyle="--", linewidth=1)
    axes.plot(curve["predicted"], curve["observed"], color=ACCENT, linewidth=1.8)
    for group in groups.itertuples():
        axes.plot([group.predicted] * 2, [group.lower, group.upper], color=INK, linewidth=1)
        axes.plot(group.predicted, group.observed, marker="o", color=INK, markersize=4)
    axes.set(xlim=(0, top), ylim=(0, top), xlabel=tr("预测风险", "Predicted risk"), ylabel=tr("观察风险", "Observed risk"))
    _percent(axes)
    return figure


def _draw_roc(curves: Mapping[str, np.ndarray], heads: list[str]) -> Figure:
    figure = new_figure(_SQUARE_IN, _SQUARE_IN)
    axes = _square(figure)
    axes.plot([0, 1], [0, 1], color=MUTED, linestyle="--", linewidth=1)
    for place, (name, points) in enumerate(curves.items()):
        axes.plot(*points.T, color=PALETTE[place % len(PALETTE)], linewidth=1.6, marker="o", markersize=2.5, label=name)
    axes.set(xlim=(0, 1), ylim=(0, 1.005), xlabel=heads[1], ylabel=heads[2])
    axes.legend(loc="lower right")
    _percent(axes)
    return figure


def _draw_decision(curves: pd.DataFrame, share: float) -> Figure:
    figure = new_figure(5.4, 3.6)
    axes = _square(figure)
    axes.axhline(0, color=INK, linewidth=1, label=tr("不干预", "Treat none"))
    for place, name in enumerate(curves.columns):
        last = place == len(curves.columns) - 1
        known = curves[name].dropna()
        axes.plot(known.index, known, color=MUTED if last else PALETTE[place % len(PALETTE)], linewidth=1.2 if last else 1.8, label=name)
    axes.set(ylim=(-0.25 * share, 1.1 * share), xlabel=tr("阈值概率", "Threshold probability"), ylabel=tr("净获益", "Net benefit"))
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
    axes.legend()
    return figure
