"""Whether a mask may be laid over a volume, and whether the volume may be measured."""

from __future__ import annotations

from itertools import product

import numpy as np

from imaging.errors import GeometryError, TaskError
from imaging.geometry import Verdict
from imaging.volumes import Volume

__all__ = ["check_measurable", "labels_over"]

#: How far corners of two grids may lie apart, in voxels, and still be one grid: NIfTI keeps its affine in single precision.
_SAME_GRID = 0.01

#: Verdicts under which millimetres in the image are not millimetres in the patient, or values are no measurements.
_NOT_MEASURED = (Verdict.LOCALISER, Verdict.COLOUR, Verdict.MOSAIC, Verdict.UNCALIBRATED, Verdict.UNPLACED)


def labels_over(volume: Volume, mask: np.ndarray | Volume) -> np.ndarray:
    """Return a mask as labels on a volume's grid.

    Parameters
    ----------
    volume : Volume
        The volume.
    mask : ndarray of shape (slices, rows, columns), or Volume
        Whole numbers from 0 to 255, or booleans. A Volume's affine is compared too.

    Returns
    -------
    ndarray of shape (slices, rows, columns), uint8
        Not a copy where it need not be.

    Raises
    ------
    TaskError
        If values are no labels.
    GeometryError
        If the mask lies on another grid.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> from imaging.volumes import read_volume
    >>> ct = read_volume([get_testdata_file("CT_small.dcm")])
    >>> labels_over(ct, np.ones((1, 128, 128), bool)).sum()
    np.uint64(16384)
    """
    array = np.asarray(mask.array if isinstance(mask, Volume) else mask)
    if array.shape != volume.shape[:3] or volume.array.ndim != 3:
        raise GeometryError(
            f"the mask has shape {array.shape}, the volume {volume.shape}",
            hint="bring the mask onto the volume's grid, or read that volume",
        )
    if isinstance(mask, Volume):
        _check_grid(volume, mask)
    if array.dtype == bool:
        return array.view(np.uint8)
    if array.dtype.kind not in "iuf" or (array.size and not _are_labels(array)):
        raise TaskError(f"a mask holds whole numbers from 0 to 255; found others, as {array.dtype}", hint="threshold probabilities first")
    return array.astype(np.uint8, copy=False)


def check_measurable(volume: Volume) -> None:
    """Refuse a volume in which no length can be measured.

    Parameters
    ----------
    volume : Volume
        The volume.

    Raises
    ------
    GeometryError
        If it has no affine, or its verdict says that millimetres in it are not the patient's.
    """
    bad = [verdict for verdict in _NOT_MEASURED if volume.geometry.has(verdict)]
    if volume.affine is None or bad or volume.array.ndim != 3:
        found = ", ".join(bad or volume.geometry.verdicts)
        raise GeometryError(
            f"geometry is {found}: volumes and diameters in it would be wrong",
            hint="read the series with policy resample or split, where its verdict allows that",
        )
    if not np.isfinite(volume.affine).all() or abs(np.linalg.det(volume.affine[:3, :3])) < 1e-12:
        raise GeometryError("the affine has no content: a voxel of 0 mm3", hint="read the volume again from its source")


def _are_labels(array: np.ndarray) -> bool:
    low, high = array.min(), array.max()
    return bool(low >= 0 and high <= 255 and (array.dtype.kind != "f" or np.array_equal(array, np.rint(array))))


def _check_grid(volume: Volume, mask: Volume) -> None:
    if volume.affine is None or mask.affine is None:
        if (volume.affine is None) != (mask.affine is None):
            raise GeometryError("one of volume and mask has an affine, the other none", hint="read both under one policy")
        return
    corners = np.array([[*corner, 1] for corner in product(*((0, size - 1) for size in volume.shape[::-1]))], float)
    apart = np.abs(np.linalg.inv(volume.affine) @ (mask.affine - volume.affine) @ corners.T)[:3].max()
    if not apart <= _SAME_GRID:
        raise GeometryError(
            f"the mask's grid lies up to {apart:.3g} voxels beside the volume's", hint="resample the mask onto the volume's grid"
        )
