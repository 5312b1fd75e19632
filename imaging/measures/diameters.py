"""Diameters in mm: the longest within a slice and the one across it, as RECIST 1.1 takes them, and the longest in space."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist, squareform

from imaging.measures.mesh import outermost_of

__all__ = ["Diameters", "axes_of_slices", "longest_in_space"]

#: Voxels of one slice that touch by a side or a corner are one piece.
_WITHIN_SLICE = np.array([np.zeros((3, 3)), np.ones((3, 3)), np.zeros((3, 3))], int)


class Diameters(NamedTuple):
    """The longest diameter of a lesion within one slice, and the longest at right angles to it in that slice.

    Parameters
    ----------
    long_mm, short_mm : float
        Their lengths.
    slice : int
        Index of the slice, from 0.
    long_ends, short_ends : ndarray of shape (2, 3)
        Where they end, as (column, row, slice) in units of the index.
    """

    long_mm: float
    short_mm: float
    slice: int
    long_ends: np.ndarray
    short_ends: np.ndarray


def axes_of_slices(inside: np.ndarray, directions_mm: np.ndarray) -> Diameters:
    """Return the diameters of a lesion by the rules of RECIST 1.1: within the slice in which it is longest.

    Parameters
    ----------
    inside : ndarray of shape (slices, rows, columns), bool
        The lesion, with at least one voxel.
    directions_mm : ndarray of shape (3, 3)
        Steps along a column, a row and a slice index, as columns, in LPS mm.

    Returns
    -------
    Diameters
        Of the outline that runs half way between voxels inside and outside, bridging its hollows. Pieces that do not touch within a
        slice are measured apart.

    References
    ----------
    .. [1] Eisenhauer EA et al. New response evaluation criteria in solid tumours: revised RECIST guideline (version 1.1). Eur J Cancer
       2009;45:228-247, sections 3.1 and 4.2.

    Examples
    --------
    >>> found = axes_of_slices(np.ones((1, 1, 9), bool), np.diag([0.5, 1.0, 5.0]))
    >>> found.long_mm, found.short_mm
    (4.5, 1.0)
    """
    in_plane = directions_mm[:, :2]
    pieces, _ = ndimage.label(inside, _WITHIN_SLICE)
    boxes = ndimage.find_objects(pieces)
    reach = np.array([_reach(box, in_plane) for box in boxes])
    best = None
    for index in np.argsort(-reach, kind="stable"):
        # No diameter is longer than its box's diagonal, so that of thousands of specks few are measured.
        if best is not None and reach[index] <= best.long_mm:
            break
        found = _axes_of_piece(pieces[boxes[index]] == index + 1, boxes[index], in_plane)
        if best is None or found.long_mm > best.long_mm:
            best = found
    return best


def longest_in_space(inside: np.ndarray, directions_mm: np.ndarray) -> float:
    """Return the largest distance in mm between vertices of a mask's surface (IBSI L0JK, maximum 3D diameter).

    Parameters
    ----------
    inside : ndarray of shape (slices, rows, columns), bool
        The mask, with at least one voxel.
    directions_mm : ndarray of shape (3, 3)
        As in :func:`axes_of_slices`.
    """
    points = outermost_of(inside) @ directions_mm.T
    return float(pdist(points[ConvexHull(points).vertices]).max())


def _reach(box: tuple[slice, slice, slice], in_plane: np.ndarray) -> float:
    down, right = ((side.stop - side.start) * in_plane[:, axis] for side, axis in zip(box[1:], (1, 0), strict=True))
    return float(max(np.linalg.norm(right + down), np.linalg.norm(right - down)))


def _axes_of_piece(piece: np.ndarray, box: tuple[slice, slice, slice], in_plane: np.ndarray) -> Diameters:
    start = np.array([side.start for side in box[::-1]])
    index = outermost_of(piece, axes=(1, 2)) + start
    points = index[:, :2] @ _plane(in_plane).T
    hull = ConvexHull(points).vertices
    index, points = index[hull], points[hull]
    distances = squareform(pdist(points))
    a, b = np.unravel_index(distances.argmax(), distances.shape)
    along = (points[b] - points[a]) / distances[a, b]
    chord, offset, low = _chord(points - points[a], along)
    ends = points[a] + offset * along + np.array([[low], [low + chord]]) * np.array([-along[1], along[0]])
    across = np.column_stack([np.linalg.solve(_plane(in_plane), ends.T).T, np.full(2, start[2])])
    return Diameters(float(distances[a, b]), float(chord), int(start[2]), index[[a, b]], across)


def _plane(in_plane: np.ndarray) -> np.ndarray:
    """Return the steps along column and row in two coordinates of their plane."""
    return np.linalg.qr(in_plane)[1]


def _chord(points: np.ndarray, along: np.ndarray) -> tuple[float, float, float]:
    """Return the longest chord of a convex outline at right angles to a direction: length, place along it, lower end.

    Between two corners its length changes evenly, so that the longest passes through a corner.
    """
    u, v = points @ along, points @ np.array([-along[1], along[0]])
    left, right = u.argmin(), u.argmax()
    rolled = np.roll(np.arange(len(u)), -left)
    split = int(np.flatnonzero(rolled == right)[0])
    chains = rolled[: split + 1], np.append(rolled[split:], left)[::-1]
    first, second = (np.interp(u, u[chain], v[chain]) for chain in chains)
    best = int(np.abs(first - second).argmax())
    return float(abs(first[best] - second[best])), float(u[best]), float(min(first[best], second[best]))
