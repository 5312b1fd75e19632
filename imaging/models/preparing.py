"""From an image as it lies to what a network sees: turned, resampled and scaled with units, by MONAI; and predictions back onto the image.

The part that chance has no share in: its result can be kept on the disk, as plain arrays.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

import numpy as np

from imaging.errors import ImageDataError, PlaceError
from imaging.models.boxes import grid_to_lps, moved
from imaging.models.split import fingerprint, thumbnail

if TYPE_CHECKING:
    from collections.abc import Iterable

    from monai.data import MetaTensor

    from imaging.models.cases import Case, Sample
    from imaging.models.task import Transforms

__all__ = ["CaseSet", "Prepared", "onto_grid", "prepare"]

#: LPS to RAS and back; MONAI, as NIfTI, is in RAS.
_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])

#: Share of an image's values above a task's range from which on it is taken for an image of another scale.
_BEYOND = 1 / 3

#: Changes whenever prepared images of equal settings would differ: what lies on the disk from before is then not used.
_EDITION = 2


class Prepared(NamedTuple):
    """What a network sees.

    Parameters
    ----------
    image : ndarray of shape (channels, slices, rows, columns) or (channels, rows, columns), float32
        Scaled.
    mask : ndarray of shape (slices, rows, columns), uint8, or None
        Labels.
    affine : ndarray of shape (4, 4) or None
        Maps (column, row, slice, 1) of the prepared grid to LPS mm.
    boxes : ndarray of shape (n,), BOX, or None
        In (slice, row, column) of the prepared grid, where voxel 0 goes from 0 to 1.
    """

    image: np.ndarray
    mask: np.ndarray | None = None
    affine: np.ndarray | None = None
    boxes: np.ndarray | None = None


def prepare(sample: Sample, transforms: Transforms) -> Prepared:
    """Return what a network sees of an image.

    Parameters
    ----------
    sample : Sample
        As read.
    transforms : Transforms
        Of the task.

    Returns
    -------
    Prepared

    Raises
    ------
    ImageDataError
        If the image is not in the unit, or has not the geometry, that the transforms need.
    """
    if transforms.window_hu and sample.unit != "HU":
        raise ImageDataError(
            f"found values in {sample.unit or 'no unit'}, wanted HU", hint="window_hu is for CT; take value_range or neither"
        )
    if not np.isfinite(sample.image).all():
        raise ImageDataError("the image has values that are no numbers")
    image, mask, affine = sample.image.astype(np.float32), sample.mask, sample.affine
    if transforms.spacing_mm:
        image, affine = _regrid(image, sample.affine, transforms.spacing_mm, "bilinear")
        if mask is not None:
            mask = _regrid(mask[None].astype(np.float32), sample.affine, transforms.spacing_mm, "nearest")[0][0].astype(np.uint8)
    window = transforms.size or transforms.patch
    image = _with_axes(image, len(window))
    mask = None if mask is None else _with_axes(mask[None], len(window))[0]
    if transforms.size:
        image = _resized(image, transforms.size)
    boxes = None if sample.boxes is None else moved(sample.boxes, np.linalg.inv(grid_to_lps(affine)))
    return Prepared(np.ascontiguousarray(_scaled(image, transforms)), mask, affine, boxes)


def _regrid(
    image: np.ndarray, affine: np.ndarray | None, spacing_mm: tuple[float, float, float], mode: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return an image along the patient's axes (slices to the head, rows to the back, columns to the left) with a given spacing."""
    from monai.transforms import Orientation, Spacing

    turned = Orientation(axcodes="LPS", labels=None)(_meta(image, affine))
    spaced = Spacing(pixdim=spacing_mm[::-1], mode=mode, padding_mode="border")(turned)
    return _plain(spaced), _FLIP @ np.asarray(spaced.affine, np.float64)


def _meta(image: np.ndarray, affine: np.ndarray | None) -> MetaTensor:
    """Return MONAI's kind of array: (channels, columns, rows, slices) with an affine to RAS."""
    import torch
    from monai.data import MetaTensor

    if affine is None or image.ndim != 4:
        raise ImageDataError("the image has no geometry to resample by", hint="leave spacing_mm out for images without one")
    return MetaTensor(torch.from_numpy(np.ascontiguousarray(image.transpose(0, 3, 2, 1))), affine=torch.from_numpy(_FLIP @ affine))


def _plain(image: MetaTensor) -> np.ndarray:
    return np.asarray(image.as_tensor()).transpose(0, 3, 2, 1)


def _with_axes(image: np.ndarray, axes: int) -> np.ndarray:
    """Return an image with so many axes: one slice is a plane, and a plane is one slice."""
    if image.ndim - 1 == axes:
        return image
    if axes == 2 and image.shape[1] == 1:
        return image[:, 0]
    if axes == 3 and image.ndim == 3:
        return image[:, None]
    raise ImageDataError(
        f"found an image of shape {image.shape[1:]}, wanted {axes} axes", hint="the task's size or patch says how many", code="other-axes"
    )


def _resized(image: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    from monai.transforms import Resize

    if image.shape[1:] == size:
        return image
    return np.asarray(Resize(size, mode="trilinear" if len(size) == 3 else "bilinear", anti_aliasing=True)(image).as_tensor())


def _scaled(image: np.ndarray, transforms: Transforms) -> np.ndarray:
    from monai.transforms import NormalizeIntensity, ScaleIntensity, ScaleIntensityRange

    bounds = transforms.window_hu or transforms.value_range
    if transforms.value_range and (beyond := float((image > bounds[1]).mean())) > _BEYOND:
        raise ImageDataError(
            f"{beyond:.0%} of the values lie above {bounds[1]:g}, which is white to this model",
            hint="an image of another scale, as of 12 bits where 8 are wanted; cut off at white, it would be another picture",
            code="other-scale",
        )
    scale = (
        ScaleIntensityRange(*bounds, 0.0, 1.0, clip=True) if bounds else NormalizeIntensity(nonzero=transforms.nonzero, channel_wise=True)
    )
    scaled = scale(image)
    return np.asarray(ScaleIntensity(*transforms.rescale)(scaled) if transforms.rescale else scaled, dtype=np.float32)


def onto_grid(shares: np.ndarray, affine: np.ndarray, sample: Sample) -> np.ndarray:
    """Return values of the prepared grid on the grid of the image that they were computed from.

    Parameters
    ----------
    shares : ndarray of shape (classes, slices, rows, columns)
        On the prepared grid.
    affine : ndarray of shape (4, 4)
        Of the prepared grid.
    sample : Sample
        The image as read.

    Returns
    -------
    ndarray of shape (classes, slices, rows, columns)
        Interpolated linearly.
    """
    import torch
    from monai.transforms import SpatialResample

    move = SpatialResample(mode="bilinear", padding_mode="border")
    there = torch.from_numpy(_FLIP @ sample.affine)
    return _plain(move(_meta(shares, affine), dst_affine=there, spatial_size=sample.image.shape[:0:-1]))


class CaseSet:
    """Cases as a network sees them, prepared once: kept in memory, or on the disk where there is a folder for it.

    Parameters
    ----------
    cases : iterable of Case
        The cases.
    transforms : Transforms
        Of the task.
    cache : Path, optional
        Folder of prepared cases. It holds images of patients: keep it where the images themselves may lie.
    """

    def __init__(self, cases: Iterable[Case], transforms: Transforms, cache: Path | None = None) -> None:
        self.cases = list(cases)
        self.marks: dict[str, tuple[str, np.ndarray]] = {}
        self._transforms = transforms
        self._cache = cache
        self._kept: dict[str, Prepared] = {}

    def of(self, cases: Iterable[Case]) -> CaseSet:
        """Return a set of other cases that shares what this one has prepared."""
        those = CaseSet(cases, self._transforms, self._cache)
        those.marks, those._kept = self.marks, self._kept
        return those

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, index: int) -> Prepared:
        """Return a case as the network sees it; its fingerprint and thumbnail are in `marks` from then on."""
        case = self.cases[index]
        if case.key in self._kept:
            return self._kept[case.key]
        path = self._path(case)
        if path and (found := self._read(path, case)):
            return found
        try:
            sample = self._sample(case)
            prepared = prepare(sample, self._transforms)
        except ImageDataError as error:
            told = error.message if case.key in error.message else f"{case.key}: {error.message}"
            raise ImageDataError(told, hint=error.hint) from error
        self.marks[case.key] = fingerprint(sample.image), thumbnail(sample.image)
        if path:
            self._write(path, case, prepared)
        else:
            self._kept[case.key] = prepared
        return prepared

    def look_at_all(self) -> str:
        """Prepare every case and return a hash of what they are; refuse cases that differ in their channels."""
        digest, channels = hashlib.sha256(), self[0].image.shape[0]
        for index, case in enumerate(self.cases):
            prepared = self[index]
            if prepared.image.shape[0] != channels:
                raise ImageDataError(
                    f"{case.key}: found {prepared.image.shape[0]} channels, others have {channels}", hint="train on one kind"
                )
            truth = [hashlib.sha256(each.tobytes()).hexdigest() for each in (prepared.mask, prepared.boxes) if each is not None]
            digest.update(f"{self.marks[case.key][0]} {' '.join(truth) or case.label}\n".encode())
        return digest.hexdigest()

    @staticmethod
    def _sample(case: Case) -> Sample:
        sample = case.read()
        if not sample.image.size:
            raise ImageDataError("the image is empty")
        return sample

    def _path(self, case: Case) -> Path | None:
        if self._cache is None or not case.files:
            return None
        states = [(str(path), stat.st_size, stat.st_mtime_ns) for path in case.files for stat in (path.stat(),)]
        said = json.dumps([_EDITION, case.key, states, self._transforms.model_dump(mode="json")])
        return self._cache / f"{hashlib.sha256(said.encode('ascii')).hexdigest()}.npz"

    def _read(self, path: Path, case: Case) -> Prepared | None:
        """Return what was kept; None where there is nothing that can be read."""
        try:
            with np.load(path, allow_pickle=False) as kept:
                self.marks[case.key] = str(kept["mark"]), kept["thumbnail"]
                return Prepared(kept["image"], kept.get("mask"), kept.get("affine"), kept.get("boxes"))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None

    def _write(self, path: Path, case: Case, prepared: Prepared) -> None:
        mark, small = self.marks[case.key]
        arrays = {name: array for name, array in prepared._asdict().items() if array is not None}
        aside = path.with_name(f".{uuid4().hex}.npz")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(aside, mark=np.array(mark), thumbnail=small, **arrays)
            aside.replace(path)
        except OSError as error:
            raise PlaceError(f"{path.parent}: cannot be written ({os.strerror(error.errno or 0)})", hint="choose another cache") from error
        finally:
            aside.unlink(missing_ok=True)
