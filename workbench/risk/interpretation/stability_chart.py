"""How much a person's risk would change had the model been made from another sample, drawn so that it tells of groups only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from workbench import disclosure
from workbench.cohort.figures import Chart
from workbench.cohort.plotting import ACCENT, GRID, MUTED, new_figure, style, tidy
from workbench.errors import DataError
from workbench.locale import tr

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from workbench.disclosure import DisclosurePolicy
    from workbench.risk.validation.stability import Stability

__all__ = ["stability_chart"]


def stability_chart(found: Stability, *, policy: DisclosurePolicy | None = None) -> Chart:
    """Draw the mean range of risks of the resamples' models, and their calibration curves.

    Parameters
    ----------
    found : Stability
        Of :func:`workbench.risk.validation.stability.stability`.
    policy : DisclosurePolicy, optional
        The centre's where None.

    Returns
    -------
    Chart

    Raises
    ------
    DataError
        If a group of similar risk holds fewer persons than the threshold.

    Notes
    -----
    Riley and Collins (2023), Biometrical Journal 65:2200302. Their plot has a point a person; here ranges are means over groups, and curves
    reach from the mean risk of the lowest group to that of the highest.
    """
    policy, groups = policy or disclosure.load_policy(), found.by_risk
    if groups["n"].min() < policy.threshold:
        raise DataError(
            f"a group of similar risk has fewer than {policy.threshold} persons",
            zh=f"风险相近的一组不足 {policy.threshold} 人",
            hint="leave the figure out",
        )
    low, high = groups["risk"].min(), groups["risk"].max()
    curves = found.calibration[found.calibration["predicted"].between(low, high)]
    told = pd.DataFrame(
        {
            tr("组", "Group"): [str(at + 1) for at in range(len(groups))],
            tr("人数", "Persons"): [str(disclosure.suppress_count(int(n), policy=policy)) for n in groups["n"]],
            # Not as percentages: of a group's persons these would read as counts of some of them.
            tr("平均风险", "Mean risk"): [f"{value:.3f}" for value in groups["risk"]],
            tr("重抽样模型的风险范围（2.5%–97.5%，平均）", "Range by models of resamples (2.5-97.5%, mean)"): [
                f"{row.lower:.3f}–{row.upper:.3f}" for row in groups.itertuples()
            ],
            "MAPE": [f"{value:.3f}" for value in groups["mape"]],
        }
    )
    note = tr(
        "左：同一患者的风险随建模样本变动的范围，按风险分组取平均；右：各重抽样模型的校准曲线。全体平均绝对预测差 {0:.1f}%。",
        "Left: a person's risk by models of resamples, mean by group; right: their calibration. Mean difference {0:.1f}%.",
    ).format(100 * found.mape)
    with style():
        return Chart(tr("预测稳定性", "Stability of predictions"), _draw(groups, curves), told, policy, note)


def _draw(groups: pd.DataFrame, curves: pd.DataFrame) -> Figure:
    figure = new_figure(7.4, 3.7)
    left, right = figure.subplots(1, 2)
    top = 1.05 * max(groups["upper"].max(), curves["observed"].max() if len(curves) else 0)
    for axes in (left, right):
        tidy(axes)
        axes.grid(visible=True, axis="both", color=GRID)
        axes.plot([0, top], [0, top], color=MUTED, linestyle="--", linewidth=1)
        axes.set(xlim=(0, top), ylim=(0, top), xlabel=tr("预测风险", "Predicted risk"))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
    left.vlines(groups["risk"], groups["lower"], groups["upper"], color=ACCENT, linewidth=2)
    left.plot(groups["risk"], groups["risk"], marker="o", markersize=4, linestyle="", color=ACCENT)
    left.set_ylabel(tr("重抽样模型的风险", "Risk by models of resamples"))
    for _, curve in curves.groupby("curve"):
        right.plot(curve["predicted"], curve["observed"], color=ACCENT, alpha=0.25, linewidth=0.8)
    right.set_ylabel(tr("观察风险", "Observed risk"))
    return figure
