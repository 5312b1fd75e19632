"""An array with its geometry."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    from imaging.geometry import Geometry

__all__ = ["SliceSource", "Volume"]


class SliceSource(NamedTuple):
    """Where a slice came from.

    Parameters
    ----------
    instance : str
        SOP Instance UID; of a resampled slice, of the nearest one.
    frame : int
        Frame number, from 1.
    distance_mm : float
        To the slice that was measured; above 0 for a slice that was computed.
    """

    instance: str
    frame: int
    distance_mm: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Volume:
    """A series, or one stack of it, as an array.

    Parameters
    ----------
    array : ndarray of shape (slices, rows, columns) or (slices, rows, columns, 3)
        Values in `unit`.
    affine : ndarray of shape (4, 4) or None
        Maps (column, row, slice, 1) to LPS mm; None where no affine is true.
    spacing_mm : tuple of 3 float or None
        Between slices, rows and columns.
    unit : str
        HU, BQML, GML, SUVbw, GY ...; empty where the header names none.
    geometry : Geometry
        The verdict on the frames that it was made of.
    slices : tuple of SliceSource
        For each slice, where it came from.
    low_is_white : bool
        MONOCHROME1: the values are as stored, small ones are meant to be shown bright.
    key : dict
        What tells this stack from the others of its series.
    """

    array: np.ndarray
    affine: np.ndarray | None
    spacing_mm: tuple[float, float, float] | None
    unit: str
    geometry: Geometry
    slices: tuple[SliceSource, ...] = ()
    low_is_white: bool = False
    key: dict[str, object] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """Slices, rows, columns (and three colours)."""
        return self.array.shape

    def brightened(self) -> Volume:
        """Return the volume with greater values brighter: a MONOCHROME1 image turned about its own range, others as they are.

        Values of a turned image are no measurements any more, so that it has no unit.
        """
        if not self.low_is_white:
            return self
        low, high = self.array.min(), self.array.max()
        return replace(self, array=(high - self.array) + low, unit="", low_is_white=False)
