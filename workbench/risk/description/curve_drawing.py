"""How curves with their numbers at risk are drawn: from safe points alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from workbench.cohort.plotting import INK, MUTED, PALETTE, new_figure, style, tidy, wrap
from workbench.locale import tr

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from workbench.risk.description.safe_curve import Axis

__all__ = ["MOST_GROUPS", "Line", "Panel", "draw"]

#: Groups that can be told apart by their colours.
MOST_GROUPS = len(PALETTE)

_WIDTH, _PANEL_HEIGHT, _ROW, _NAME_COLUMNS = 6.4, 3.2, 0.2, 20


class Line(NamedTuple):
    """A curve as it may be shown.

    Parameters
    ----------
    name : str
        Of the group or the cause; empty for everyone.
    number : int
        Of the group or the cause, counted from 0: its colour.
    points : DataFrame
        ``time`` (in the axis's unit), ``value``, ``lower``, ``upper``.
    """

    name: str
    number: int
    points: pd.DataFrame

    @property
    def colour(self) -> str:
        """The same for a group (or cause) in every panel."""
        return PALETTE[self.number % len(PALETTE)]


class Panel(NamedTuple):
    """Curves on one pair of axes, and the words of their test."""

    title: str
    lines: tuple[Line, ...]
    test: str


def draw(panels: Sequence[Panel], span: Axis, risk: Mapping[str, Sequence[str]], *, value: str) -> Figure:
    """Draw curves, one panel above the other, and beneath them how many are at risk.

    Parameters
    ----------
    panels : sequence of Panel
        What is drawn.
    span : Axis
        The axis of time.
    risk : mapping of str to sequence of str
        By group, one number a tick, in words.
    value : str
        What stands at the other axis.

    Returns
    -------
    Figure
    """
    names = {name: wrap(name, _NAME_COLUMNS) for name in risk}
    table = _ROW * (1.2 + sum(map(len, names.values())))
    with style():
        figure = new_figure(_WIDTH, _PANEL_HEIGHT * len(panels) + table + 0.3)
        rows = figure.subplots(len(panels) + 1, 1, height_ratios=[_PANEL_HEIGHT] * len(panels) + [table], squeeze=False)[:, 0]
        for axes, panel in zip(rows[:-1], panels, strict=True):
            _draw_panel(axes, panel, span, value)
        rows[-2].set_xlabel(span.label)
        _draw_risk(rows[-1], span, risk, names, {line.name: line.colour for panel in panels for line in panel.lines})
        end = max(line.points["time"].iloc[-1] for panel in panels for line in panel.lines)
        for axes in rows:
            axes.set_xlim(-0.02 * end, 1.02 * end)
    return figure


def _draw_panel(axes: Axes, panel: Panel, span: Axis, value: str) -> None:
    tidy(axes)
    highest = max((line.points["upper"].max() for line in panel.lines), default=1.0)
    for line in panel.lines:
        colour, points = line.colour, line.points
        axes.fill_between(points["time"], points["lower"], points["upper"], color=colour, alpha=0.15, linewidth=0)
        axes.plot(points["time"], points["value"], color=colour, linewidth=1.7, label="\n".join(wrap(line.name, 28)))
    falling = any(line.points["value"].iloc[0] == 1 for line in panel.lines)
    top = 1.0 if falling or highest > 0.6 else min(1.0, highest * 1.1 + 0.02)
    axes.set(ylim=(0, top), xticks=span.ticks, ylabel=value)
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f}%")
    if panel.title:
        axes.set_title(panel.title)
    if any(line.name for line in panel.lines):
        axes.legend(loc="best", fontsize=9, title=panel.test or None, title_fontsize=9, alignment="left")


def _draw_risk(
    axes: Axes, span: Axis, risk: Mapping[str, Sequence[str]], names: Mapping[str, list[str]], colours: Mapping[str, str]
) -> None:
    """Write the numbers at risk under their ticks, names to the left of them."""
    axes.axis("off")
    axes.set_ylim(1.2 + sum(map(len, names.values())), 0)
    beside = {"transform": axes.get_yaxis_transform(), "va": "center", "ha": "right", "fontsize": 9}
    axes.text(-0.05, 0.5, tr("在险人数", "At risk"), color=MUTED, **beside)
    at = 1.2
    for name, counts in risk.items():
        middle = at + len(names[name]) / 2
        axes.text(-0.05, middle, "\n".join(names[name]), color=colours.get(name, INK), linespacing=1.1, **beside)
        for tick, count in zip(span.ticks, counts, strict=True):
            axes.text(tick, middle, count, color=MUTED, fontsize=9, ha="center", va="center")
        at += len(names[name])
