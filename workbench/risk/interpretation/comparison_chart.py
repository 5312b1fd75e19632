"""Performance side by side: of models, of sub-groups, and of hospitals."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from workbench import disclosure
from workbench.cohort.figures import Chart
from workbench.cohort.plotting import ACCENT, INK, MUTED, PALETTE, new_figure, style, tidy, wrap
from workbench.errors import DataError
from workbench.locale import tr
from workbench.risk.validation.measures import MEASURES
from workbench.risk.validation.random_effects import joined

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from workbench.disclosure import DisclosurePolicy
    from workbench.risk.validation.sites import SiteValidation

__all__ = ["comparison_chart", "safe_sites", "site_chart", "subgroup_chart"]

#: Measures that are drawn, those of them that there are.
_COMPARED = ("harrell_c", "auroc", "auc", "slope", "observed_expected")
_IDEAL, _VALUES = ("slope", "observed_expected"), ["value", "low", "high"]
_LABEL = 26


class _Panel(NamedTuple):
    """A measure: key, name, where a perfect model would be (not a number where out of sight), and each line's value and interval."""

    measure: str
    title: str
    best: float
    lines: dict[tuple[str, ...], tuple[float, float, float]]


def comparison_chart(performance: pd.DataFrame, *, persons: int, title: str = "", policy: DisclosurePolicy | None = None) -> Chart:
    """Draw discrimination and calibration of two or more models side by side.

    Parameters
    ----------
    performance : DataFrame
        `model`, `measure`, `horizon_days`, `threshold`, `value`, `low`, `high`; of one sample. Of several horizons the last is drawn.
    persons : int
        Persons of the sample.
    title : str
        Of the figure.
    policy : DisclosurePolicy, optional
        The centre's where None.

    Returns
    -------
    Chart

    Raises
    ------
    DataError
        If there are fewer persons than the threshold, or fewer than two models have a value.
    """
    policy = policy or disclosure.load_policy()
    panels = _panels(performance, ["model"])
    models = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    if persons < policy.threshold or len(models) < 2:
        raise DataError(
            f"wanted two models and {policy.threshold} persons to compare",
            zh=f"比较须有两个模型和 {policy.threshold} 人以上",
            hint="leave the figure out",
        )
    told = pd.DataFrame(
        {tr("模型", "Model"): [name for (name,) in models], tr("人数", "Persons"): str(disclosure.suppress_count(persons, policy=policy))}
    )
    for panel in panels:
        told[tr("{0}（95% 置信区间）", "{0} (95% interval)").format(panel.title)] = [_estimate(panel.lines.get(name)) for name in models]
    note = tr("虚线为理想值；横线为 95% 置信区间。", "Dashes: the value of a perfect model; lines: 95% intervals.")
    with style():
        figure = _draw(panels, models, [PALETTE[place % len(PALETTE)] for place in range(len(models))])
        return Chart(title or tr("各模型的比较", "Models compared"), figure, told, policy, note)


def subgroup_chart(subgroups: pd.DataFrame, *, policy: DisclosurePolicy | None = None) -> Chart:
    """Draw performance by sub-group with intervals.

    Parameters
    ----------
    subgroups : DataFrame
        `variable`, `group`, `persons`, `events`, `measure`, `horizon_days`, `value`, `low`, `high`; counts exact.
    policy : DisclosurePolicy, optional
        The centre's where None. What was worked out of fewer persons, with or without the event, than the threshold is hidden.

    Returns
    -------
    Chart

    Raises
    ------
    DataError
        If no variable has two groups of enough persons.
    """
    policy = policy or disclosure.load_policy()
    counts = subgroups[["events", "persons"]].assign(others=subgroups["persons"] - subgroups["events"])
    enough = subgroups[(counts >= policy.threshold).all(axis=1) & subgroups["measure"].isin(_COMPARED)]
    several = enough.groupby("variable")["group"].transform("nunique") > 1
    if not several.any():
        raise DataError("no variable has two groups of enough persons", zh="没有一个变量有两组人数足够", hint="leave the figure out")
    panels, sizes = _panels(enough[several], ["variable", "group"]), _sizes(subgroups, policy)
    lines = list(dict.fromkeys(zip(enough[several]["variable"].astype(str), enough[several]["group"].astype(str), strict=True)))
    cells = [(*line, sizes[line], *(_estimate(panel.lines.get(line)) for panel in panels)) for line in lines]
    measures = [tr("{0}（95% 置信区间）", "{0} (95% interval)").format(panel.title) for panel in panels]
    told = pd.DataFrame(cells, columns=[tr("变量", "Variable"), tr("组", "Group"), tr("人数", "Persons"), *measures])
    note = tr(
        "横线为 95% 置信区间，虚线为理想值；人数、事件数或未发生人数过少的组不列出。",
        "Lines: 95% intervals; dashes: ideal. Groups of too few persons, events or others are left out.",
    )
    variables = list(dict.fromkeys(variable for variable, _ in lines))
    colours = [(INK, ACCENT)[variables.index(variable) % 2] for variable, _ in lines]
    with style():
        return Chart(tr("亚组森林图", "Forest plot of sub-groups"), _draw(panels, lines, colours), told, policy, note)


def safe_sites(found: SiteValidation, *, policy: DisclosurePolicy) -> SiteValidation:
    """Return validation by site without the sites of too few persons; what is joined is joined of the others.

    Parameters
    ----------
    found : SiteValidation
        Of all sites.
    policy : DisclosurePolicy
        A site has at least its threshold of persons with the event, and without.

    Returns
    -------
    SiteValidation
        The risks stay.
    """
    sites = found.sites.dropna(subset="measure")
    enough = np.minimum(sites["events"], sites["persons"] - sites["events"]) >= policy.threshold
    return found._replace(sites=sites[enough], joined=joined(sites[enough]))


def site_chart(found: SiteValidation, *, policy: DisclosurePolicy | None = None) -> Chart:
    """Draw performance at each site of a model made at the others, and what it is over sites: the mean, and where a new one may lie.

    Parameters
    ----------
    found : SiteValidation
        As :func:`workbench.risk.validation.sites.leave_one_site_out` gives it.
    policy : DisclosurePolicy, optional
        The centre's where None. Sites are shown as :func:`safe_sites` has them.

    Returns
    -------
    Chart
        Its table also tells how much of the variance is between sites.

    Raises
    ------
    DataError
        If fewer than two sites have enough persons.

    Notes
    -----
    Debray et al. (2017), BMJ 356:i6460; Riley et al. (2016), BMJ 353:i3140.
    """
    policy = policy or disclosure.load_policy()
    safe = safe_sites(found, policy=policy)
    panels = _panels(safe.sites.rename(columns={"lower": "low", "upper": "high"}), ["site"])
    lines = list(dict.fromkeys(line for panel in panels for line in panel.lines))
    if len(lines) < 2:
        raise DataError("fewer than two sites have enough persons", zh="人数足够的中心不到两个", hint="leave the figure out")
    over = [safe.joined[safe.joined["measure"] == panel.measure].iloc[0] for panel in panels]
    mean, ahead = (tr("合并", "Joined"),), (tr("95% 预测区间", "95% prediction interval"),)
    for panel, row in zip(panels, over, strict=True):
        panel.lines[mean] = (row["estimate"], row["lower"], row["upper"])
    sizes = _sizes(found.sites.assign(variable="", group=found.sites["site"]), policy)
    cells = [(*line, sizes.get(("", *line), ""), *(_estimate(panel.lines.get(line)) for panel in panels)) for line in [*lines, mean]]
    cells.append((*ahead, "", *(_between(row["predicted_lower"], row["predicted_upper"]) for row in over)))
    cells.append((tr("中心间异质性 I²（P）", "Between sites: I² (P)"), "", *(_heterogeneity(row) for row in over)))
    measures = [tr("{0}（95% 置信区间）", "{0} (95% interval)").format(panel.title) for panel in panels]
    told = pd.DataFrame(cells, columns=[tr("中心", "Site"), tr("人数", "Persons"), *measures])
    note = tr(
        "每个中心由其余中心建立的模型预测。菱形为随机效应合并值及 95% 置信区间，浅色宽线为新中心的 95% 预测区间，虚线为理想值；"
        "发生或未发生结局者过少的中心不列出，也不合并。",
        "At each site a model made at the others. Diamond: the mean by random effects with its 95% interval; wide line: 95% prediction "
        "interval of a new site; dashes: ideal. Sites of too few persons with or without the event are left out.",
    )
    with style():
        figure = _draw(panels, [*lines, mean], [INK] * len(lines) + [ACCENT])
        for axes, row in zip(figure.axes, over, strict=True):
            _draw_joined(axes, row, len(lines))
        return Chart(tr("各中心的表现（逐中心验证）", "Performance site by site"), figure, told, policy, note)


def _between(low: float, high: float) -> str:
    return f"{low:z.3f}, {high:z.3f}" if np.isfinite(low) and np.isfinite(high) else "—"


def _heterogeneity(row: pd.Series) -> str:
    return "—" if np.isnan(row["i2"]) else f"{100 * row['i2']:.0f}% (" + ("<0.001" if row["p"] < 0.001 else f"{row['p']:.3f}") + ")"


def _panels(table: pd.DataFrame, keys: list[str]) -> list[_Panel]:
    """Return the measures that there are, of the last horizon, at no threshold."""
    rows = table[table["value"].notna() & (table["threshold"].isna() if "threshold" in table else True)]
    panels = []
    for measure in _COMPARED:
        own = rows[rows["measure"] == measure]
        own = own[own["horizon_days"].isna() | (own["horizon_days"] == own["horizon_days"].max())]
        lines = {
            tuple(map(str, key)): tuple(values) for key, values in zip(own[keys].to_numpy(), own[_VALUES].to_numpy(float), strict=True)
        }
        if lines:
            days = own["horizon_days"].max()
            title = MEASURES[measure].label + ("" if np.isnan(days) else tr("（{0:g} 天）", " ({0:g} days)").format(days))
            panels.append(_Panel(measure, title, 1.0 if measure in _IDEAL else np.nan, lines))
    return panels


def _sizes(subgroups: pd.DataFrame, policy: DisclosurePolicy) -> dict[tuple[str, str], str]:
    """Return how many persons each group has, hidden and rounded as in the report's table of sub-groups."""
    sizes = {}
    for variable, part in subgroups.groupby("variable", sort=False):
        groups = part.drop_duplicates("group")
        counts = np.stack([groups["events"], groups["persons"] - groups["events"]], axis=1).astype(int)
        totals = disclosure.suppress_table(counts, policy=policy).row_totals
        sizes |= {(str(variable), str(group)): str(total) for group, total in zip(groups["group"], totals, strict=True)}
    return sizes


def _estimate(values: tuple[float, float, float] | None) -> str:
    if values is None:
        return "—"
    value, low, high = values
    return f"{value:z.3f}" + (f" ({low:z.3f}, {high:z.3f})" if np.isfinite(low) and np.isfinite(high) else "")


# Drawing --------------------------------------------------------------------------------------------------------------


def _draw(panels: Sequence[_Panel], lines: Sequence[tuple[str, ...]], colours: Sequence[str]) -> Figure:
    figure = new_figure(1.6 + 2.3 * len(panels), 0.9 + 0.3 * max(2, len(lines)))
    for axes, panel in zip(figure.subplots(1, len(panels), sharey=True, squeeze=False)[0], panels, strict=True):
        tidy(axes, grid="x")
        _draw_panel(axes, panel, lines, colours)
        axes.set_title("\n".join(wrap(panel.title, _LABEL)))
        axes.locator_params(axis="x", nbins=5)
        names = ["\n".join(wrap("　".join(line), _LABEL)) for line in lines]
        axes.set(yticks=range(len(lines)), yticklabels=names, ylim=(len(lines) - 0.4, -0.6))
    return figure


def _draw_panel(axes: Axes, panel: _Panel, lines: Sequence[tuple[str, ...]], colours: Sequence[str]) -> None:
    if np.isfinite(panel.best):
        axes.axvline(panel.best, color=MUTED, linewidth=1, linestyle="--")
    for place, (line, colour) in enumerate(zip(lines, colours, strict=True)):
        if line in panel.lines:
            value, low, high = panel.lines[line]
            axes.plot([low, high], [place, place], color=colour, linewidth=1.3)
            axes.plot(value, place, marker="s", markersize=5, color=colour)


def _draw_joined(axes: Axes, row: pd.Series, place: int) -> None:
    """Mark the mean over sites, and where a new one may lie."""
    ahead = [row["predicted_lower"], row["predicted_upper"]]
    axes.plot(ahead, [place, place], color=ACCENT, linewidth=7, alpha=0.25, solid_capstyle="butt")
    axes.plot(row["estimate"], place, marker="D", markersize=7, color=ACCENT)
    axes.axvline(row["estimate"], color=ACCENT, linewidth=0.8, alpha=0.6, zorder=0)
    axes.axhline(place - 0.5, color=MUTED, linewidth=0.6)
