"""How figures look: colours, Chinese text that is never a row of boxes, and SVG that carries no trace of its making."""

from __future__ import annotations

import io
import re
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes

__all__ = ["ACCENT", "FEMALE", "GRID", "INK", "MALE", "MUTED", "PALETTE", "columns", "new_figure", "style", "tidy", "to_svg", "wrap"]

INK, MUTED, GRID = "#1f2933", "#66727f", "#e4e8ec"
ACCENT, MALE, FEMALE = "#1d6f8a", "#3b7ea1", "#c8695b"

#: Okabe and Ito's colours, told apart by colour-blind readers, in an order that starts calm.
PALETTE = ("#1d6f8a", "#c8695b", "#8a9a3b", "#b07aa1", "#d29b2f", "#5b6b7a")

#: Fonts by preference: whichever of them is installed is used; the list also stands in the SVG for the reader's machine.
_LATIN = ("Noto Sans", "Source Sans 3", "DejaVu Sans")
_CHINESE = (
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "Microsoft YaHei",
    "PingFang SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "SimHei",
    "Droid Sans Fallback",
)


@cache
def _families() -> tuple[str, ...]:
    """Return the wanted fonts that this machine has; matplotlib warns of each that it cannot find."""
    known = {font.name for font in font_manager.fontManager.ttflist}
    return tuple(name for name in (*_LATIN, *_CHINESE) if name in known) or ("DejaVu Sans",)


@contextmanager
def style() -> Iterator[None]:
    """Draw in the house style while the context lasts; leaves matplotlib's settings as they were."""
    settings = {
        "font.family": list(_families()),
        "font.size": 9.5,
        "text.color": INK,
        "axes.labelcolor": MUTED,
        "axes.edgecolor": "#c4ccd4",
        "axes.titlesize": 10.5,
        "axes.titlelocation": "left",
        "axes.titleweight": "normal",
        "axes.titlecolor": INK,
        "axes.unicode_minus": False,
        "axes.axisbelow": True,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "grid.color": GRID,
        "grid.linewidth": 0.8,
        "legend.frameon": False,
        "figure.facecolor": "white",
        "svg.fonttype": "none",  # text stays text: it can be read, searched and checked before release
        "svg.hashsalt": "workbench",  # same figure, same bytes
    }
    with mpl.rc_context(settings):
        yield


def new_figure(width_in: float, height_in: float) -> Figure:
    """Make a figure outside pyplot's registry, so that nothing is shown twice or kept alive."""
    return Figure(figsize=(width_in, height_in), layout="constrained")


def tidy(axes: Axes, *, grid: str = "y") -> None:
    """Take away frame and tick marks, and lay a light grid."""
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(side == ("bottom" if grid == "y" else "left"))
    axes.tick_params(length=0)
    axes.grid(visible=True, axis=grid)


def to_svg(figure: Figure) -> str:
    """Return a figure as an ``<svg>`` element that scales with the page.

    Notes
    -----
    Metadata (date, creator) and the XML prologue are left out: the bytes depend on nothing but the picture. The font list
    is widened by the Chinese fonts of other systems, since the reader's machine need not have ours.
    """
    buffer = io.StringIO()
    with style():
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}, bbox_inches="tight")
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    return _SIZE.sub(_scalable, _FONT.sub("", text), count=1).strip()


_FONT = re.compile(r"font-family: [^;\"]+(?:; )?")
_SIZE = re.compile(r'<svg (?P<rest>[^>]*?)width="(?P<width>[\d.]+)pt" (?:height="[\d.]+pt" )?')


def _scalable(found: re.Match[str]) -> str:
    fonts = ", ".join(f"'{name}'" for name in (*_LATIN, *_CHINESE))
    return f'<svg {found["rest"]}style="width: 100%; max-width: {found["width"]}pt; height: auto; font-family: {fonts}, sans-serif" '


def wrap(text: str, width: int) -> list[str]:
    """Break a text into lines of at most `width` half-width columns; a Chinese character takes two and may end a line.

    Examples
    --------
    >>> wrap("前后90天HbA1c", 8)
    ['前后90天', 'HbA1c']
    """
    lines, line = [], ""
    for piece in re.findall(r"[\x21-\x7e]+|\s|.", text):
        if line and columns(line + piece) > width:
            lines.append(line.strip())
            line = ""
        line += piece
    return [*lines, line.strip()] if line.strip() else lines


def columns(text: str) -> int:
    """Return the width of a text in half-width columns."""
    return sum(2 if ord(character) > 0x2E7F else 1 for character in text)
