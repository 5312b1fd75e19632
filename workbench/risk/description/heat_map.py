"""A matrix of correlations as coloured squares: the lower half, with the predictors' names at its left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle

from workbench.cohort.plotting import ACCENT, FEMALE, INK, MUTED, new_figure, style, wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_heat_map"]

#: Up to so many predictors the numbers stand in the squares.
_MOST_WRITTEN = 16

_LABEL_COLUMNS, _DARK = 34, 0.6

#: So few that matplotlib draws the scale as shapes; of more it would make a picture, which nobody can check before release.
_COLOURS = 41


def draw_heat_map(matrix: np.ndarray, labels: Sequence[str]) -> Figure:
    """Draw a symmetric matrix of values from -1 to 1.

    Parameters
    ----------
    matrix : ndarray of shape (p, p)
        NaN is hatched.
    labels : sequence of str
        Written at the left with a number; the number stands beneath the column.

    Returns
    -------
    Figure
        Its squares stay large enough to be told apart, whatever their number.
    """
    n = len(labels)
    square, font = (0.42, 9.0) if n <= _MOST_WRITTEN else (0.24, 8.0)
    numbered = [f"{label}  {at}" for at, label in enumerate(("\n".join(wrap(label, _LABEL_COLUMNS)) for label in labels), start=1)]
    with style():
        figure = new_figure(3.2 + square * n, 0.8 + square * n)
        axes = figure.add_subplot()
        squares = axes.pcolormesh(
            np.arange(n), np.arange(n), _lower(matrix), cmap=_colours(), vmin=-1, vmax=1, edgecolor="face", linewidth=0.3
        )
        axes.set(aspect="equal", ylim=(n - 0.5, -0.5))
        _mark(axes, matrix, written=n <= _MOST_WRITTEN)
        axes.set_xticks(np.arange(n), [str(at) for at in range(1, n + 1)], fontsize=font)
        axes.set_yticks(np.arange(n), numbered, fontsize=font)
        axes.tick_params(length=0)
        for side in axes.spines.values():
            side.set_visible(False)
        bar = figure.colorbar(squares, ax=axes, shrink=min(0.6, 2.4 / (square * n)), ticks=[-1, -0.5, 0, 0.5, 1], pad=0.02)
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=0, labelcolor=MUTED)
    return figure


def _lower(matrix: np.ndarray) -> np.ma.MaskedArray:
    return np.ma.masked_where(np.triu(np.ones(matrix.shape, bool), 1) | np.isnan(matrix), matrix)


def _colours() -> LinearSegmentedColormap:
    return LinearSegmentedColormap.from_list("correlation", [ACCENT, "#ffffff", FEMALE], N=_COLOURS)


def _mark(axes: Axes, matrix: np.ndarray, *, written: bool) -> None:
    """Hatch what is hidden, and write the numbers where there is room."""
    for row, column in zip(*np.tril_indices(len(matrix), -1), strict=True):
        value = matrix[row, column]
        if np.isnan(value):
            axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor="white", edgecolor=MUTED, hatch="////", linewidth=0))
        elif written:
            colour = "white" if abs(value) > _DARK else INK
            axes.text(column, row, f"{value:z.2f}", ha="center", va="center", color=colour, fontsize=7.5)
