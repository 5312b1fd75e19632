"""What more patients would bring, drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from workbench import disclosure
from workbench.cohort.figures import Chart
from workbench.cohort.plotting import ACCENT, GRID, MUTED, new_figure, style, tidy
from workbench.errors import DataError
from workbench.locale import tr
from workbench.risk.validation.measures import MEASURES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure

    from workbench.disclosure import DisclosurePolicy

__all__ = ["learning_curve_chart"]

#: Measures that are drawn, those of the table that there are.
_DRAWN = ("auroc", "harrell_c", "auc", "slope", "brier")
_PANELS = 3


def learning_curve_chart(curve: pd.DataFrame, *, policy: DisclosurePolicy | None = None) -> Chart:
    """Draw how measures rise with the number of persons that a model is made of.

    Parameters
    ----------
    curve : DataFrame
        Of :func:`workbench.risk.validation.learning_curve.learning_curve`.
    policy : DisclosurePolicy, optional
        The centre's where None. Models of too few persons, with or without the event, are left out.

    Returns
    -------
    Chart

    Raises
    ------
    DataError
        If no two sizes hold enough persons.
    """
    policy = policy or disclosure.load_policy()
    enough = curve[["persons", "events"]].assign(others=curve["persons"] - curve["events"]).min(axis=1) >= policy.threshold
    known = curve[enough & curve["mean"].notna() & curve["threshold"].isna()]
    panels = {name: _last(known[known["measure"] == name]) for name in _DRAWN}
    panels = dict([(name, own) for name, own in panels.items() if len(own) > 1][:_PANELS])
    if not panels:
        raise DataError(
            "no two sizes hold enough persons for a learning curve",
            zh="人数足够的样本量不足两个，不能画学习曲线",
            hint="leave the figure out",
        )
    rows = [
        (MEASURES[name].label, _count(row.persons, policy), _count(row.events, policy), f"{row.mean:.3f} ({row.least:.3f}, {row.most:.3f})")
        for name, own in panels.items()
        for row in own.itertuples()
    ]
    heads = [tr("指标", "Measure"), tr("建模人数", "Persons in the model"), tr("事件数", "Events")]
    told = pd.DataFrame(rows, columns=[*heads, tr("平均值（最小，最大）", "Mean (least, most)")])
    note = tr(
        "每个模型由部分患者建成，在它未见过的患者中评价；线为各次平均，阴影为各次的范围。",
        "Models made of part of the patients, judged on those that they had not seen; line: mean, shaded: range over repeats.",
    )
    with style():
        return Chart(tr("学习曲线", "Learning curve"), _draw(panels), told, policy, note)


def _last(own: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the last horizon, where there are several."""
    return own[own["horizon_days"].isna() | (own["horizon_days"] == own["horizon_days"].max())].sort_values("persons")


def _count(value: float, policy: DisclosurePolicy) -> str:
    return str(disclosure.suppress_count(round(value), policy=policy))


def _draw(panels: Mapping[str, pd.DataFrame]) -> Figure:
    figure = new_figure(0.4 + 2.9 * len(panels), 2.9)
    for axes, (name, own) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        tidy(axes)
        axes.grid(visible=True, axis="both", color=GRID)
        if name == "slope":
            axes.axhline(1, color=MUTED, linewidth=1, linestyle="--")
        axes.fill_between(own["persons"], own["least"], own["most"], color=ACCENT, alpha=0.15, linewidth=0)
        axes.plot(own["persons"], own["mean"], color=ACCENT, linewidth=1.8, marker="o", markersize=4)
        axes.set(xlabel=tr("建模人数", "Persons in the model"))
        axes.set_title(MEASURES[name].label)
    return figure
