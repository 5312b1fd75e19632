"""What follows from a mask alone (IBSI reference manual, section 3.1, morphological features)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from imaging.measures.diameters import longest_in_space
from imaging.measures.mesh import surface_of

__all__ = ["Moments", "moments_of", "shape_of"]


class Moments(NamedTuple):
    """How the voxels of a mask are spread.

    Parameters
    ----------
    count : int
        Voxels.
    mean : ndarray of shape (3,)
        Of their (column, row, slice).
    covariance : ndarray of shape (3, 3)
        Of the same, as of a sample.
    """

    count: int
    mean: np.ndarray
    covariance: np.ndarray


def moments_of(inside: np.ndarray) -> Moments:
    """Return the moments of a mask's voxels, from its three projections.

    Parameters
    ----------
    inside : ndarray of shape (slices, rows, columns), bool
        With at least one voxel.

    Examples
    --------
    >>> moments_of(np.ones((1, 2, 5), bool)).mean
    array([2. , 0.5, 0. ])
    """
    turned = inside.T
    axes = [np.arange(size, dtype=float) for size in turned.shape]
    count = int(np.count_nonzero(inside))
    mean, second = np.empty(3), np.empty((3, 3))
    for a, b in ((0, 1), (0, 2), (1, 2)):
        plane = turned.sum(axis=3 - a - b, dtype=np.int64)
        second[a, b] = second[b, a] = axes[a] @ plane @ axes[b]
        for axis, line in ((a, plane.sum(axis=1)), (b, plane.sum(axis=0))):
            mean[axis], second[axis, axis] = axes[axis] @ line / count, axes[axis] ** 2 @ line
    # The reference values of the IBSI phantom's axes are those of a sample (n - 1), not of a population.
    return Moments(count, mean, (second - count * np.outer(mean, mean)) / max(count - 1, 1))


def shape_of(inside: np.ndarray, moments: Moments, directions_mm: np.ndarray) -> dict[str, float]:
    """Return volume, surface and axes; the names are keys of :data:`imaging.measures.definitions.MEASURES`.

    Parameters
    ----------
    inside : ndarray of shape (slices, rows, columns), bool
        The mask, with at least one voxel.
    moments : Moments
        Of the same.
    directions_mm : ndarray of shape (3, 3)
        Steps along a column, a row and a slice index, as columns, in LPS mm; a sheared stack keeps its content, the determinant.
    """
    surface = surface_of(inside, directions_mm)
    # 4 x root of the principal variances: the axes of an ellipsoid with the same spread.
    spread = np.linalg.eigvalsh(directions_mm @ moments.covariance @ directions_mm.T)
    least, minor, major = 4 * np.sqrt(np.clip(spread, 0, None))
    shape = {
        "volume_ml": moments.count * abs(np.linalg.det(directions_mm)) / 1000,
        "mesh_volume_ml": surface.volume_mm3 / 1000,
        "surface_mm2": surface.area_mm2,
        "surface_to_volume": surface.area_mm2 / surface.volume_mm3,
        "sphericity": (36 * np.pi * surface.volume_mm3**2) ** (1 / 3) / surface.area_mm2,
        "diameter_3d_mm": longest_in_space(inside, directions_mm),
        "major_axis_mm": major,
        "minor_axis_mm": minor,
        "least_axis_mm": least,
    }
    if major > 0:
        shape |= {"elongation": minor / major, "flatness": least / major}
    return {key: float(value) for key, value in shape.items()}
