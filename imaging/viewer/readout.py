"""Measurements on what is shown, from the volume's own values: the browser only says where.

Lengths are through the affine and therefore true on oblique and sheared volumes; without an affine they are in pixels and say so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imaging.errors import TaskError

if TYPE_CHECKING:
    from imaging.viewer.planes import View
    from imaging.volumes import Volume

__all__ = ["Circle", "circle_in", "distance_between", "value_at"]


class Circle(NamedTuple):
    """Values within a circle of one slice.

    Parameters
    ----------
    voxels : int
        Whose centres lie within it.
    mean, deviation, lowest, highest : float
        Of their values, in the volume's unit; the deviation is that of a population.
    radius : float
        In mm, or pixels without an affine.
    """

    voxels: int
    mean: float
    deviation: float
    lowest: float
    highest: float
    radius: float


def value_at(volume: Volume, voxel: np.ndarray) -> float | list[int] | None:
    """Return the value of the voxel that a point lies in.

    Parameters
    ----------
    volume : Volume
        The volume.
    voxel : ndarray of shape (3,)
        Slice, row and column, in fractions.

    Returns
    -------
    float, list of 3 int or None
        The value, a colour, or None outside.
    """
    place = np.rint(voxel).astype(int)
    if (place < 0).any() or (place >= volume.array.shape[:3]).any():
        return None
    found = volume.array[tuple(place)]
    return found.tolist() if found.ndim else float(found)


def distance_between(view: View, one: np.ndarray, other: np.ndarray) -> float:
    """Return the distance of two points in mm, or in pixels without an affine.

    Parameters
    ----------
    view : View
        The plane.
    one, other : ndarray of shape (3,)
        Slice, row and column, in fractions.
    """
    apart = np.asarray(other) - np.asarray(one)
    return float(np.linalg.norm(apart if view.affine is None else view.affine[:3, :3] @ apart[::-1]))


def circle_in(volume: Volume, view: View, centre: np.ndarray, edge: np.ndarray) -> Circle:
    """Return what the values within a circle are.

    Parameters
    ----------
    volume : Volume
        Of grey values.
    view : View
        The plane; the circle lies in it.
    centre, edge : ndarray of shape (3,)
        Its centre and a point of its edge: slice, row and column, in fractions.

    Raises
    ------
    TaskError
        If the volume has colours, or no voxel's centre lies within the circle.
    """
    if volume.array.ndim != 3:
        raise TaskError("circle: found colours, wanted grey values")
    radius = distance_between(view, centre, edge)
    index = round(float(centre[view.axes[0]]))
    rows, columns = _around(view, centre, radius)
    grid = np.zeros((3, len(rows), len(columns)))
    grid[view.axes[1]], grid[view.axes[2]] = np.meshgrid(rows, columns, indexing="ij")
    grid[view.axes[0]] = index
    apart = grid - np.asarray(centre)[:, None, None]
    if view.affine is not None:
        apart = np.tensordot(view.affine[:3, :3], apart[::-1], axes=1)
    within = np.linalg.norm(apart, axis=0) <= radius
    values = volume.array[tuple(grid[:, within].astype(int))].astype(np.float64)
    if not values.size:
        raise TaskError("circle: found no voxel within it, wanted at least one", hint="draw it larger")
    return Circle(values.size, float(values.mean()), float(values.std()), float(values.min()), float(values.max()), radius)


def _around(view: View, centre: np.ndarray, radius: float) -> list[np.ndarray]:
    """Return the rows and columns that a circle may reach: a sheared grid's reach further than its steps say."""
    found = []
    for place, axis in enumerate(view.axes[1:]):
        reach = radius / view.steps_mm[place] * (np.hypot(1, view.lean) if place else 1)
        low, high = np.floor(centre[axis] - reach), np.ceil(centre[axis] + reach)
        found.append(np.arange(max(0, int(low)), min(view.shape[axis] - 1, int(high)) + 1))
    return found
