"""The flow chart of a cohort: boxes down the middle for those who stay, boxes beside for those who leave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib.patches import FancyBboxPatch

from workbench.cohort.plotting import ACCENT, INK, MUTED, new_figure, style, wrap
from workbench.locale import tr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from workbench.cohort.attrition import ShownStep

__all__ = ["draw"]

# Sizes in inches; a line of text at 9.5 pt is 0.19 high.
_LINE, _PAD, _GAP = 0.19, 0.1, 0.36
_MAIN_WIDTH, _SIDE_WIDTH, _BETWEEN = 3.6, 1.7, 0.4
_MAIN_COLUMNS = 42


@dataclass(frozen=True)
class _Box:
    left: float
    top: float
    width: float
    title: tuple[str, ...]
    count: str
    edge: str
    fill: str

    @property
    def height(self) -> float:
        return 2 * _PAD + _LINE * (len(self.title) + 1)

    @property
    def middle(self) -> float:
        return self.left + self.width / 2


def draw(name: str, steps: Sequence[ShownStep]) -> Figure:
    """Draw the flow of persons through the steps of a cohort.

    Parameters
    ----------
    name : str
        Title of the chart.
    steps : sequence of ShownStep
        Entry first, cohort last; numbers are drawn as they stand.

    Returns
    -------
    Figure
        Sized to its content.
    """
    boxes, sides, bottom = _layout(steps)
    width = _MAIN_WIDTH + (_BETWEEN + _SIDE_WIDTH if any(sides) else 0) + 0.1
    with style():
        figure = new_figure(width, 0.4 - bottom)
        axes = figure.add_subplot()
        axes.set(xlim=(-0.05, width - 0.05), ylim=(bottom - 0.05, 0.35), aspect="equal")
        axes.axis("off")
        axes.text(0, 0.2, name, fontsize=11, color=INK, va="center")
        for box in (*boxes, *filter(None, sides)):
            _draw_box(axes, box)
        for upper, lower, side in zip(boxes[:-1], boxes[1:], sides, strict=True):
            _draw_arrows(axes, upper, lower, side)
    return figure


def _layout(steps: Sequence[ShownStep]) -> tuple[list[_Box], list[_Box | None], float]:
    """Place a main box for every step, and beside the arrow that leads to it a box for those who leave."""
    boxes: list[_Box] = []
    sides: list[_Box | None] = []
    top = 0.0
    for step in steps:
        if boxes:
            side = _side_box(step, top - _GAP / 3)
            sides.append(side)
            top -= _GAP * 2 / 3 + side.height if side else _GAP
        boxes.append(_main_box(step, top))
        top -= boxes[-1].height
    return boxes, sides, top


def _main_box(step: ShownStep, top: float) -> _Box:
    name = tr("排除：{0}", "Without: {0}").format(step.name) if step.kind == "exclude" else step.name
    count = tr("{0} 人", "{0} persons").format(step.persons)
    if step.index_dates != step.persons:
        count += tr("，{0} 个索引日期", ", {0} index dates").format(step.index_dates)
    edge, fill = (ACCENT, "#e6f1f4") if step.kind in ("entry", "cohort") else ("#9fb0bf", "white")
    return _Box(0, top, _MAIN_WIDTH, tuple(wrap(name, _MAIN_COLUMNS)), count, edge, fill)


def _side_box(step: ShownStep, top: float) -> _Box | None:
    if not step.excluded:
        return None
    said = tr("不符合 {0} 人", "{0} persons without") if step.kind == "require" else tr("移出 {0} 人", "{0} persons leave")
    return _Box(_MAIN_WIDTH + _BETWEEN, top, _SIDE_WIDTH, (), said.format(step.excluded), "#cfd6dd", "#f7f8f9")


def _draw_box(axes: Axes, box: _Box) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (box.left, box.top - box.height),
            box.width,
            box.height,
            boxstyle="round,pad=0,rounding_size=0.06",
            linewidth=1.1,
            edgecolor=box.edge,
            facecolor=box.fill,
        )
    )
    for number, line in enumerate((*box.title, box.count)):
        colour = INK if number < len(box.title) else MUTED
        axes.text(box.middle, box.top - _PAD - _LINE * (number + 0.5), line, ha="center", va="center", color=colour)


def _draw_arrows(axes: Axes, upper: _Box, lower: _Box, side: _Box | None) -> None:
    arrow = {"arrowstyle": "-|>", "color": MUTED, "linewidth": 1.0, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 9}
    axes.annotate("", (lower.middle, lower.top), (upper.middle, upper.top - upper.height), arrowprops=arrow)
    if side is not None:
        height = side.top - side.height / 2
        axes.annotate("", (side.left, height), (upper.middle, height), arrowprops=arrow)
