"""Slices with gaps, uneven steps or a tilt, interpolated onto a regular grid with right angles.

All slices of a stack are parallel, so that linear interpolation in space is a bilinear shift within each slice and a weighted mean of
two neighbours: two slices at a time are in memory beside the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imaging.errors import TaskError
from imaging.geometry.stacks import normal_of
from imaging.volumes.assembly import Part, check_size
from imaging.volumes.values import apply, unit_of
from imaging.volumes.volume import SliceSource, Volume

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imaging.geometry import Frame

__all__ = ["FILL", "resampled"]

#: Unit -> value outside what was scanned: air; elsewhere 0.
FILL = {"HU": -1024.0}


def resampled(part: Part, *, step_mm: float | None, limit_bytes: int) -> Volume:
    """Return a stack on a regular grid along its slices' normal.

    Parameters
    ----------
    part : Part
        With positions, orientation and pixel spacing.
    step_mm : float or None
        Between slices; unless given, the step that slices are missing from, or the median one.
    limit_bytes : int
        Memory that the array may take.

    Returns
    -------
    Volume
        Rows and columns are added where a tilted stack reaches beyond its first slice; `slices` names the nearest measured slice of each.
    """
    series, geometry = part.series, part.geometry
    frames = [series.frames[index] for index in geometry.order]
    first = frames[0]
    offsets = np.array(geometry.offsets_mm)
    step = step_mm or geometry.step_mm or float(np.median(np.diff(offsets)))
    if not step > 0:
        raise TaskError(f"step_mm: found {step}, wanted more than 0")
    slices = int(offsets[-1] / step + 1e-6) + 1
    shifts = _shifts(frames)
    low, high = np.floor(shifts.min(axis=0) + 1e-6).astype(int), np.ceil(shifts.max(axis=0) - 1e-6).astype(int)
    plane = (first.rows + high[0] - low[0], first.columns + high[1] - low[1])
    unit, dtype = unit_of(series.places[index].meaning for index in geometry.order), series.dtype_of(geometry.order)
    fill = FILL.get(unit, 0.0)
    if dtype.kind in "iu":
        dtype = np.promote_types(dtype, np.min_scalar_type(int(fill)))  # what is stored may hold no value of air
    shape = (slices, *map(int, plane))
    check_size(shape, dtype, limit_bytes)
    array = np.empty(shape, dtype)
    targets = np.arange(slices) * step
    _blend(array, _planes(part, dtype, shifts - low, plane), offsets, targets, fill)
    affine = _grid_affine(first, step, low)
    nearest = np.abs(offsets[:, None] - targets[None]).argmin(axis=0)
    return Volume(
        array=array,
        affine=affine,
        spacing_mm=(step, *first.spacing_mm),
        unit=unit,
        geometry=geometry,
        slices=tuple(
            SliceSource(frames[index].instance, frames[index].number, round(abs(float(offsets[index] - target)), 6))
            for index, target in zip(nearest, targets, strict=True)
        ),
        low_is_white=first.photometric == "MONOCHROME1",
        key=part.key,
    )


def _shifts(frames: list[Frame]) -> np.ndarray:
    """Return how far each slice lies beside the first one, in rows and columns."""
    first = frames[0]
    moved = np.array([frame.position for frame in frames]) - np.array(first.position)
    row, column = np.array(first.orientation[:3]), np.array(first.orientation[3:])
    return np.stack([moved @ column / first.spacing_mm[0], moved @ row / first.spacing_mm[1]], axis=1)


def _grid_affine(first: Frame, step: float, low: np.ndarray) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, 0] = np.array(first.orientation[:3]) * first.spacing_mm[1]
    affine[:3, 1] = np.array(first.orientation[3:]) * first.spacing_mm[0]
    affine[:3, 2] = normal_of(first) * step
    affine[:3, 3] = np.array(first.position) + affine[:3, 1] * low[0] + affine[:3, 0] * low[1]
    return affine


def _planes(part: Part, dtype: np.dtype, shifts: np.ndarray, plane: tuple[int, int]) -> Iterator[np.ndarray]:
    """Yield each measured slice at its place in the widened plane, NaN around it."""
    series, order = part.series, part.geometry.order
    for index, stored, (down, right) in zip(order, series.stored(order), shifts, strict=True):
        values = np.empty(stored.shape, dtype)
        apply(stored, series.places[index].meaning, values)
        yield _shifted(values.astype(np.float64), down, right, plane)


def _shifted(values: np.ndarray, down: float, right: float, plane: tuple[int, int]) -> np.ndarray:
    """Return a slice moved by so many rows and columns, bilinearly, on a plane of another size."""
    out = np.full(plane, np.nan)
    top, left = int(np.floor(down + 1e-9)), int(np.floor(right + 1e-9))
    v, u = max(down - top, 0.0), max(right - left, 0.0)
    v, u = (0.0 if share < 1e-6 else share for share in (v, u))
    if v:
        values = (1 - v) * values[1:] + v * values[:-1]
        top += 1
    if u:
        values = (1 - u) * values[:, 1:] + u * values[:, :-1]
        left += 1
    out[top : top + values.shape[0], left : left + values.shape[1]] = values
    return out


def _blend(array: np.ndarray, planes: Iterator[np.ndarray], offsets: np.ndarray, targets: np.ndarray, fill: float) -> None:
    """Fill each target slice from the two measured ones about it; where one of them has nothing, neither has it."""
    lower, upper, index = next(planes), None, 0
    for slot, target in zip(array, targets, strict=True):
        while index + 1 < len(offsets) and offsets[index + 1] <= target + 1e-6:
            lower, upper, index = (next(planes) if upper is None else upper), None, index + 1
        share = (target - offsets[index]) / (offsets[index + 1] - offsets[index]) if index + 1 < len(offsets) else 0.0
        if share > 1e-6:
            upper = next(planes) if upper is None else upper
            mixed = (1 - share) * lower + share * upper
        else:
            mixed = lower
        mixed = np.where(np.isnan(mixed), fill, mixed)
        slot[...] = np.rint(mixed) if array.dtype.kind in "iu" else mixed
