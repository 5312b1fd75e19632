"""Volumes as NIfTI files, and back. NIfTI is in RAS and (column, row, slice); ours is in LPS and (slices, rows, columns)."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imaging.errors import GeometryError, ImageDataError, PlaceError
from imaging.geometry import TOLERANCES, Geometry, Verdict
from imaging.geometry.reasons import reason
from imaging.volumes.assembly import LIMIT_BYTES
from imaging.volumes.volume import Volume

if TYPE_CHECKING:
    import nibabel

__all__ = ["read_nifti", "write_nifti"]

#: LPS to RAS and back.
_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])

#: Codes of a NIfTI transform: of the scanner, or none.
_SCANNER, _NONE = 1, 0


def write_nifti(volume: Volume, path: str | os.PathLike[str]) -> Path:
    """Write a volume; the file is there whole or not at all.

    Parameters
    ----------
    volume : Volume
        Grey values. Where it has no affine, the file says so: both transform codes are 0. Where it is sheared only the sform tells the
        truth, and the qform code is 0.
    path : path
        Ends in .nii or .nii.gz.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    GeometryError
        If the volume has colours.
    PlaceError
        If the place cannot be written.
    """
    import nibabel

    target = Path(path)
    if volume.array.ndim != 3:
        raise GeometryError("NIfTI: found a volume of colours, wanted grey values", hint="convert it to one channel first", code="colours")
    if not target.name.endswith((".nii", ".nii.gz")):
        raise PlaceError(f"NIfTI: found a name that ends in {target.suffix or 'nothing'}, wanted .nii or .nii.gz")
    image = nibabel.Nifti1Image(volume.array.T, None if volume.affine is None else _FLIP @ volume.affine, dtype=volume.array.dtype)
    _place(image, volume)
    aside = target.with_name(f".{uuid.uuid4().hex}{'.nii.gz' if target.name.endswith('.gz') else '.nii'}")
    try:
        image.to_filename(aside)
        aside.replace(target)
    except OSError as error:
        raise PlaceError(f"{target}: cannot be written ({os.strerror(error.errno or 0)})") from error
    finally:
        aside.unlink(missing_ok=True)
    return target


def read_nifti(path: str | os.PathLike[str], *, limit_bytes: int = LIMIT_BYTES) -> Volume:
    """Read a NIfTI file of three dimensions.

    Parameters
    ----------
    path : path
        The file.
    limit_bytes : int
        Memory that the array may take.

    Returns
    -------
    Volume
        In the file's own order of voxels; scaled values where the file has a scale. Its verdict comes from the affine alone.

    Raises
    ------
    ImageDataError
        If it is no NIfTI file, broken, of other than three dimensions, or larger than the limit.
    """
    import nibabel

    try:
        image = nibabel.load(path)
        shape = tuple(image.shape)
    except Exception as error:
        # nibabel raises what gzip, zlib and numpy raise on broken bytes.
        raise ImageDataError(f"{os.fspath(path)}: cannot be read as NIfTI ({type(error).__name__})") from error
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != 3 or not isinstance(image, nibabel.Nifti1Image) or image.get_data_dtype().fields:
        raise ImageDataError(f"{os.fspath(path)}: found shape {shape}, wanted grey values in three dimensions in a NIfTI file")
    if int(np.prod(shape, dtype=object)) * 8 > limit_bytes:
        raise ImageDataError(f"{os.fspath(path)}: shape {shape} is beyond the limit of {limit_bytes} bytes")
    try:
        array = np.ascontiguousarray(np.asanyarray(image.dataobj).reshape(shape).T)
    except Exception as error:
        raise ImageDataError(f"{os.fspath(path)}: voxels cannot be read ({type(error).__name__})", hint="the file is cut short") from error
    geometry = _verdict(image, array.shape)
    return Volume(array=array, affine=geometry.affine, spacing_mm=geometry.spacing_mm, unit="", geometry=geometry)


def _place(image: nibabel.Nifti1Image, volume: Volume) -> None:
    """Say what the transforms are worth."""
    image.header.set_xyzt_units("mm")
    if volume.affine is None:
        image.set_sform(None, _NONE)
        image.set_qform(None, _NONE)
        return
    affine = _FLIP @ volume.affine
    image.set_sform(affine, _SCANNER)
    square = not _leans(volume.affine)
    image.set_qform(affine if square else None, _SCANNER if square else _NONE)
    image.header["pixdim"][1:4] = np.linalg.norm(affine[:3, :3], axis=0)


def _leans(affine: np.ndarray) -> bool:
    unit = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return bool(np.abs(unit.T @ unit - np.eye(3)).max() > TOLERANCES.shear_cosine)


def _verdict(image: nibabel.Nifti1Image, shape: tuple[int, int, int]) -> Geometry:
    codes = int(image.header["sform_code"]), int(image.header["qform_code"])
    affine = _FLIP @ image.affine
    common = {"order": tuple(range(shape[0])), "shape": shape}
    if codes == (_NONE, _NONE) or not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
        return Geometry(verdicts=(Verdict.UNPLACED,), reasons=(reason("position_missing", frames=shape[0]),), **common)
    columns, rows, slices = np.linalg.norm(affine[:3, :3], axis=0)
    normal = np.cross(affine[:3, 0], affine[:3, 1])
    spacing = float(abs(affine[:3, 2] @ normal) / np.linalg.norm(normal))
    verdicts, reasons = (Verdict.REGULAR,), ()
    if _leans(affine):
        degrees = float(np.degrees(np.arccos(min(spacing / slices, 1.0))))
        drift = float(np.sqrt(max(slices**2 - spacing**2, 0.0)) * (shape[0] - 1))
        verdicts, reasons = (Verdict.SHEARED,), (reason("sheared", degrees=degrees, drift_mm=drift),)
    affine.setflags(write=False)
    return Geometry(
        verdicts=verdicts,
        reasons=reasons,
        spacing_mm=(spacing, float(rows), float(columns)),
        affine=affine,
        offsets_mm=tuple((np.arange(shape[0]) * spacing).tolist()),
        **common,
    )
