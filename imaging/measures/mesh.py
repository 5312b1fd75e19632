"""The surface of a mask by marching cubes at half height: its area, the volume within, and its vertices.

A binary mask has 256 kinds of cells, so that nothing is kept but how often each kind occurs and where. Vertices lie half way between
a voxel inside and its neighbour outside (IBSI reference manual, section 3.1, "Mesh-based representation").
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np

__all__ = ["Surface", "outermost_of", "surface_of"]

#: The cell's corners as (column, row, slice); corner n is bit n of the cell's kind.
_CORNERS = np.array([corner[::-1] for corner in product((0, 1), repeat=3)])


class Surface(NamedTuple):
    """A closed surface.

    Parameters
    ----------
    area_mm2 : float
        Its area.
    volume_mm3 : float
        What it encloses.
    """

    area_mm2: float
    volume_mm3: float


def surface_of(inside: np.ndarray, directions_mm: np.ndarray) -> Surface:
    """Return area and content of a mask's surface.

    Parameters
    ----------
    inside : ndarray of shape (slices, rows, columns), bool
        The mask; beyond its edge nothing is inside.
    directions_mm : ndarray of shape (3, 3)
        Steps along a column, a row and a slice index, as columns, in LPS mm; they need not be at right angles.

    Examples
    --------
    One voxel of 2 mm is an octahedron, from centre to tip 1 mm.

    >>> surface = surface_of(np.ones((1, 1, 1), bool), 2 * np.eye(3))
    >>> round(surface.area_mm2, 6), round(surface.volume_mm3, 6)
    (6.928203, 1.333333)
    """
    solid = np.pad(inside, 1)
    slices, rows, columns = (size - 1 for size in solid.shape)
    kinds = np.zeros((slices, rows, columns), np.uint8)
    for bit, (c, r, s) in enumerate(_CORNERS):
        kinds |= solid[s : s + slices, r : r + rows, c : c + columns].view(np.uint8) << bit
    cut = np.flatnonzero((kinds != 0) & (kinds != 255))
    kinds_cut = kinds.ravel()[cut]
    counts = np.bincount(kinds_cut, minlength=256)
    s, r, c = np.unravel_index(cut, kinds.shape)
    places = np.stack([np.bincount(kinds_cut, weights=axis, minlength=256) for axis in (c, r, s)], axis=1)
    area = volume = 0.0
    for kind in np.flatnonzero(counts):
        triangles = _triangles()[kind]
        area += counts[kind] * _doubled_normals(triangles @ directions_mm.T)[1].sum() / 2
        # The divergence theorem: a cell adds the tetrahedra from the origin to its triangles, which moves with its place.
        normals, _ = _doubled_normals(triangles)
        volume += (counts[kind] * np.einsum("ij,ij->", triangles[:, 0], normals) + places[kind] @ normals.sum(axis=0)) / 6
    return Surface(float(area), float(volume * abs(np.linalg.det(directions_mm))))


def outermost_of(inside: np.ndarray, axes: tuple[int, ...] = (0, 1, 2)) -> np.ndarray:
    """Return the surface's vertices that are first or last on their line: all those that its convex hull can have.

    Parameters
    ----------
    inside : ndarray of shape (slices, rows, columns), bool
        The mask.
    axes : tuple of int
        Along which lines are looked at: (1, 2) for the outlines of slices.

    Returns
    -------
    ndarray of shape (n_points, 3)
        As (column, row, slice) in units of the index.
    """
    found = []
    for axis in axes:
        lines = np.argwhere(inside.any(axis=axis))
        crossed = inside.argmax(axis=axis), inside.shape[axis] - np.flip(inside, axis).argmax(axis=axis)
        found += [np.insert(lines.astype(float), axis, ends[tuple(lines.T)] - 0.5, axis=1) for ends in crossed]
    return np.concatenate(found)[:, ::-1]


def _doubled_normals(triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the triangles' normals, as long as twice their area, and that length."""
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    return normals, np.linalg.norm(normals, axis=1)


@cache
def _triangles() -> tuple[np.ndarray, ...]:
    """Return the triangles of each kind of cell, of shape (n, 3, 3), normals pointing outwards."""
    return tuple(_triangles_of([bool(kind >> bit & 1) for bit in range(8)]) for kind in range(256))


def _triangles_of(inside: list[bool]) -> np.ndarray:
    """Return loops of half-way points as triangles about each loop's middle, so that no diagonal is preferred."""
    following = {start: end for face in _faces() for start, end in _segments(face, inside)}
    triangles = []
    while following:
        first = point = next(iter(following))
        loop = []
        while not loop or point != first:
            loop.append(_CORNERS[list(point)].mean(axis=0))
            point = following.pop(point)
        middle = np.mean(loop, axis=0)
        triangles += [(middle, loop[n - 1], loop[n]) for n in range(len(loop))]
    return np.array(triangles).reshape(-1, 3, 3)


def _segments(face: list[int], inside: list[bool]) -> list[tuple[frozenset[int], frozenset[int]]]:
    """Return where the surface crosses a face, corner by corner: corners inside that touch only across the face stay apart."""
    edges = [(corner, face[(n + 1) % 4]) for n, corner in enumerate(face)]
    leaving = [n for n, (a, b) in enumerate(edges) if inside[a] and not inside[b]]
    segments = []
    for n in leaving:
        entered = next((n - back) % 4 for back in range(1, 5) if not inside[edges[(n - back) % 4][0]])
        segments.append((frozenset(edges[entered]), frozenset(edges[n])))
    return segments


@cache
def _faces() -> list[list[int]]:
    """Return the corners of the six faces, anticlockwise as seen from outside."""
    faces = []
    for axis, side in product(range(3), (0, 1)):
        cycle = []
        for u, v in ((0, 0), (1, 0), (1, 1), (0, 1)):
            corner = [0, 0, 0]
            corner[axis], corner[(axis + 1) % 3], corner[(axis + 2) % 3] = side, u, v
            cycle.append(corner[0] + 2 * corner[1] + 4 * corner[2])
        faces.append(cycle if side else cycle[::-1])
    return faces
