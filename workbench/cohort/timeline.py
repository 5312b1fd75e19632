"""One patient on a line of time: encounters as bars, what was recorded as marks. Person-level, for inside the session only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from workbench.cohort.plotting import ACCENT, INK, MUTED, PALETTE, columns, new_figure, style
from workbench.cohort.query import Events
from workbench.domains import DOMAINS
from workbench.errors import DataError
from workbench.locale import get_language, tr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from workbench.cohort.engine import Engine

__all__ = ["LANES", "draw_timeline"]


@dataclass(frozen=True)
class Lane:
    """One row of the drawing.

    Parameters
    ----------
    domain : str
        A word of :data:`workbench.domains.DOMAINS`.
    shape : {"bar", "mark"}
        Bars run from start to end, marks stand at the start.
    named : int
        At most so many different codes are written beside their first mark.
    """

    domain: str
    shape: str
    named: int = 0


LANES: tuple[Lane, ...] = (
    Lane("encounters", "bar"),
    Lane("diagnoses", "mark", named=8),
    Lane("medications", "bar", named=6),
    Lane("procedures", "mark", named=4),
    Lane("labs", "mark"),
    Lane("notes", "mark"),
    Lane("findings", "mark", named=4),
    Lane("deaths", "mark"),
)

#: Height of a lane in inches: bare, and for each line of names above its marks.
_LANE, _NAME = 0.34, 0.2
_NAME_LINES, _NAME_LENGTH = 3, 14
#: Width in inches of a half-width column of 8 pt, and of the drawing itself.
_COLUMN_IN, _DRAWN_IN = 0.062, 8.0


def draw_timeline(
    engine: Engine, person_id: int, index_dates: Sequence[pd.Timestamp], *, around_days: tuple[int, int] | None = None
) -> Figure:
    """Draw one patient.

    Parameters
    ----------
    engine : Engine
        Lists the events.
    person_id : int
        The person.
    index_dates : sequence of Timestamp
        Marked by a line each.
    around_days : (int, int), optional
        Days before (negative) and after the first index date to draw; all of the record where None.

    Returns
    -------
    Figure

    Raises
    ------
    DataError
        If the person has no event, or none in the days asked for.
    """
    lanes = [(lane, _events(engine, lane, person_id)) for lane in LANES]
    if around_days is not None and len(index_dates):
        first, last = _span(lanes, index_dates, around_days)
        lanes = [(lane, found[(found["start_date"] <= last) & (found["end_date"] >= first)]) for lane, found in lanes]
    lanes = [(lane, found) for lane, found in lanes if len(found)]
    if not lanes:
        raise DataError("this person has no event to draw", hint="look at around_days, or at the person's id")
    first, last = _span(lanes, index_dates, around_days)
    heights = [_LANE + _NAME * min(_NAME_LINES, lane.named, found["code"].nunique()) for lane, found in lanes]
    with style():
        figure = new_figure(9, 0.7 + sum(heights))
        axes = figure.add_subplot()
        base = sum(heights)
        axes.set(ylim=(0, base), xlim=(first, last))
        for number, ((lane, found), height) in enumerate(zip(lanes, heights, strict=True)):
            base -= height
            _draw_lane(axes, lane, found, base, colour=PALETTE[number % len(PALETTE)])
        _finish(axes, index_dates)
    return figure


def _span(
    lanes: Sequence[tuple[Lane, pd.DataFrame]], index_dates: Sequence[pd.Timestamp], around_days: tuple[int, int] | None
) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Say from when to when to draw: the days asked for, or the record with a little air on both sides."""
    if around_days is not None and len(index_dates):
        first, last = (index_dates[0] + pd.Timedelta(days=days) for days in around_days)
        return first, last
    first = min([found["start_date"].min() for _, found in lanes] + list(index_dates))
    last = max([found["end_date"].max() for _, found in lanes] + list(index_dates))
    air = max(pd.Timedelta(days=2), (last - first) * 0.02)
    return first - air, last + air


def _events(engine: Engine, lane: Lane, person_id: int) -> pd.DataFrame:
    return engine.events(Events(lane.domain), persons=[person_id]).to_pandas(date_as_object=False)


def _draw_lane(axes: Axes, lane: Lane, found: pd.DataFrame, base: float, *, colour: str) -> None:
    domain = DOMAINS[lane.domain]
    middle = base + _LANE / 2
    axes.axhline(base, color="#e4e8ec", linewidth=0.8, zorder=0)
    name = domain.word_zh if get_language() == "zh" else domain.word
    axes.text(-0.012, middle, f"{name}  {len(found)}", transform=axes.get_yaxis_transform(), ha="right", va="center", color=INK)
    start = found["start_date"]
    if lane.shape == "bar":
        length = (found["end_date"] - start).clip(lower=pd.Timedelta(days=1))
        axes.barh([middle] * len(found), length, left=start, height=0.16, color=colour, alpha=0.65, linewidth=0)
    else:
        axes.scatter(start, [middle] * len(found), s=22, color=colour, alpha=0.7, linewidth=0, zorder=3)
    _write_names(axes, found, lane.named, middle)


def _write_names(axes: Axes, found: pd.DataFrame, most: int, middle: float) -> None:
    """Write each code once, above its first mark, in the lowest line that is free there; what finds no room is left out."""
    first = found.sort_values("start_date").drop_duplicates("code")
    free = [pd.Timestamp.min] * min(_NAME_LINES, most)
    written = 0
    for row in first.itertuples():
        text = row.label or row.code or ""
        shown = text[:_NAME_LENGTH] + "…" * (len(text) > _NAME_LENGTH)
        line = next((number for number, until in enumerate(free) if until <= row.start_date), None)
        if line is None or written == most:
            continue
        written += 1
        free[line] = row.start_date + _room(axes, shown)
        height = middle + 0.13 + _NAME * line
        axes.annotate(shown, (row.start_date, height), fontsize=8, color=MUTED, va="bottom", annotation_clip=True)
        axes.plot([row.start_date] * 2, [middle, height], color="#c4ccd4", linewidth=0.6, zorder=1)


def _room(axes: Axes, text: str) -> pd.Timedelta:
    """Say how long a text of 8 pt is on the axis."""
    low, high = axes.get_xlim()
    return pd.Timedelta(days=(high - low) * (columns(text) + 2) * _COLUMN_IN / _DRAWN_IN)


def _finish(axes: Axes, index_dates: Sequence[pd.Timestamp]) -> None:
    import matplotlib.dates as dates

    for number, day in enumerate(index_dates):
        axes.axvline(day, color=ACCENT, linewidth=1.2, linestyle=(0, (4, 2)), zorder=2)
        if number == 0:
            label = tr("索引日期 {0}", "index date {0}").format(f"{day:%Y-%m-%d}")
            above = {"xycoords": ("data", "axes fraction"), "xytext": (0, 3), "textcoords": "offset points", "ha": "center"}
            axes.annotate(label, (day, 1.0), color=ACCENT, **above)
    locator = dates.AutoDateLocator(maxticks=9)
    axes.xaxis.set_major_locator(locator)
    formats = ["%Y", "%Y-%m", "%m-%d", "%H:%M", "%H:%M", "%S"]
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, formats=formats, show_offset=False))
    axes.set_yticks([])
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
