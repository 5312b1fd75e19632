"""Nodules planted in real chest CTs: a truth that is known to the voxel, to try a recipe of detection before there are marked lesions.

``python -m imaging.models.planted CTS OUT`` takes NIfTI files in HU (``workbench imaging convert`` makes them) and writes what
``templates/tasks/nodules.yaml`` trains on. A nodule is an ellipsoid with bumps, 4 to 20 mm, solid or ground glass, its edge soft and every
voxel the mean over its own extent, so that slices of 8 mm show a nodule of 5 mm as faintly as a scanner would. It lies wholly within the
lung; a juxta-pleural one (``--pleural``) touches its border from inside. What a network does with them is a check of the recipe, no claim
about patients: real nodules differ from these, and lesions that are in the CT already are not marked.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

import numpy as np
from scipy import ndimage

from imaging.errors import ImageDataError, ImagingError, PlaceError
from imaging.models.boxes import BOX, COLUMNS, boxes_from, grid_to_lps, moved, plain_boxes
from imaging.volumes import read_nifti, write_nifti

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imaging.volumes import Volume

__all__ = ["lungs", "plant", "plant_folder"]

#: HU of lung, smoothed over a few mm; the smallest lung, in mL.
_LUNG_HU, _SMALLEST_ML = (-960, -500), 100

#: Sizes in mm; HU and how soft the edge is, in mm, of solid and of ground-glass nodules; share of the latter; noise in HU.
_DIAMETERS_MM = (4.0, 20.0)
_SOLID, _GLASS = ((-20, 80), 0.4), ((-700, -400), 0.9)
_GLASS_SHARE, _NOISE_HU = 0.25, 15

#: Step within a voxel over which a nodule is averaged, in mm, and most steps.
_STEP_MM, _MOST_STEPS = 0.6, 16

#: Most nodules of a case; draws before a nodule is given up.
_MOST, _DRAWS = 4, 200

#: With fewer patients, regions of the lungs are taken for what patients are: a lung to train, the halves of the other to validate and test.
_FEWEST_PATIENTS = 5


class _Shape(NamedTuple):
    """A nodule about its middle: half axes in mm, and bumps as directions, waves and phases."""

    halves: np.ndarray
    towards: np.ndarray
    waves: np.ndarray
    phases: np.ndarray

    def depth_mm(self, points: np.ndarray) -> np.ndarray:
        """Return how deep points of shape (..., 3) lie inside; negative outside."""
        scaled = points / self.halves
        far = np.linalg.norm(scaled, axis=-1)
        unit = scaled / np.maximum(far, 1e-6)[..., None]
        bumps = 0.1 * np.cos(self.waves * (unit @ self.towards.T) * np.pi + self.phases).sum(axis=-1)
        return (1 + bumps - far) * self.halves.mean()

    @property
    def reach_mm(self) -> float:
        """No point of the nodule is farther from its middle."""
        return float(self.halves.max() * (1 + 0.1 * len(self.waves)))


def lungs(volume: Volume) -> np.ndarray:
    """Return where the lungs are, with the vessels that lie within them and without the trachea.

    Parameters
    ----------
    volume : Volume
        Chest CT in HU, its slices axial.

    Returns
    -------
    ndarray of shape (slices, rows, columns), bool

    Raises
    ------
    ImageDataError
        If there is no geometry, or nothing like a lung.
    """
    if volume.affine is None or volume.spacing_mm is None:
        raise ImageDataError("the image has no geometry", hint="give a CT with spacing and orientation")
    smooth = ndimage.gaussian_filter(volume.array.astype(np.float32), [1.0 / each for each in volume.spacing_mm], truncate=2)
    labels, count = ndimage.label((smooth > _LUNG_HU[0]) & (smooth < _LUNG_HU[1]))
    border = np.unique(np.concatenate([labels[:, [0, -1]].ravel(), labels[:, :, [0, -1]].ravel()]))
    sizes = np.bincount(labels.ravel(), minlength=count + 1) * np.prod(volume.spacing_mm) / 1000
    sizes[border] = sizes[0] = 0
    found = np.isin(labels, np.flatnonzero(sizes >= _SMALLEST_ML))
    if not found.any():
        raise ImageDataError("found nothing like a lung", hint="give a chest CT in HU")
    return np.stack([ndimage.binary_fill_holes(plane) for plane in found])


def plant(
    volume: Volume, lung: np.ndarray, count: int, chance: np.random.Generator, *, pleural: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return a CT with nodules.

    Parameters
    ----------
    volume : Volume
        Chest CT in HU.
    lung : ndarray of shape (slices, rows, columns), bool
        Where nodules may be.
    count : int
        How many; fewer where there is no room.
    chance : Generator
        What is drawn from.
    pleural : float
        Share of nodules that touch the border of the lung.

    Returns
    -------
    array : ndarray of shape (slices, rows, columns)
        In the volume's type; equal to the volume's outside the lung, and nowhere darker but for noise.
    boxes : ndarray of shape (n,), BOX
        In LPS mm, about what was planted.
    """
    spacing = np.array(volume.spacing_mm)
    room = ndimage.distance_transform_edt(np.pad(lung, 1), sampling=spacing)[1:-1, 1:-1, 1:-1]
    array, boxes, taken = volume.array.astype(np.float32), [np.empty(0, BOX)], []
    for _ in range(count):
        shape, pleura = _shape(chance), chance.random() < pleural
        middle = _place(room, shape, pleura, taken, spacing, chance)
        if middle is None:
            continue
        part = _part(middle, shape.reach_mm + 1, spacing, array.shape)
        cover, ends = _cover(shape, middle, part, spacing, lung[part])
        if ends is not None:
            array[part] = _blended(array[part], cover, chance)
            boxes.append(boxes_from([ends.mean(axis=0)], [ends[1] - ends[0]]))
            taken.append((middle, shape.reach_mm))
    kind = volume.array.dtype
    array = np.where(array == volume.array, volume.array, np.rint(array)) if kind.kind in "iu" else array
    return array.astype(kind), moved(np.concatenate(boxes), grid_to_lps(volume.affine) @ np.diag([*1 / spacing, 1.0]))


def _shape(chance: np.random.Generator) -> _Shape:
    """Draw a nodule; small ones are more frequent, as in the lung."""
    low, high = np.log(_DIAMETERS_MM)
    halves = np.exp(chance.uniform(low, high)) / 2 * np.exp(chance.normal(0, 0.1, 3))
    towards = chance.normal(size=(3, 3))
    return _Shape(halves, towards / np.linalg.norm(towards, axis=1, keepdims=True), chance.uniform(1, 3, 3), chance.uniform(0, 6.3, 3))


def _place(
    room: np.ndarray, shape: _Shape, pleura: bool, taken: list[tuple[np.ndarray, float]], spacing: np.ndarray, chance: np.random.Generator
) -> np.ndarray | None:
    """Draw a middle, in mm from the corner of the array; None where there is no room besides what is there."""
    least = shape.halves.min()
    near = (room > 0.3 * least) & (room <= max(0.7 * least, spacing.max()))  # a voxel at the border is a voxel away
    places = np.argwhere(near if pleura else room > shape.reach_mm + 1)
    for _ in range(_DRAWS if len(places) else 0):
        middle = (places[chance.integers(len(places))] + 0.5 + chance.uniform(-0.3, 0.3, 3)) * spacing
        if all(np.linalg.norm(middle - other) > shape.reach_mm + reach + 1 for other, reach in taken):
            return middle
    return None


def _part(middle: np.ndarray, reach_mm: float, spacing: np.ndarray, shape: Sequence[int]) -> tuple[slice, ...]:
    low = np.maximum(np.floor((middle - reach_mm) / spacing).astype(int), 0)
    high = np.minimum(np.ceil((middle + reach_mm) / spacing).astype(int), shape)
    return tuple(map(slice, low, high))


def _cover(
    shape: _Shape, middle: np.ndarray, part: tuple[slice, ...], spacing: np.ndarray, lung: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return how deep each point of a finer grid lies in the nodule, and where the nodule begins and ends; in mm, 0 outside the lung."""
    steps = np.clip(np.ceil(spacing / _STEP_MM).astype(int), 1, _MOST_STEPS)
    along = [(np.arange(each.start * n, each.stop * n) + 0.5) / n * mm for each, n, mm in zip(part, steps, spacing, strict=True)]
    points = np.stack(np.meshgrid(*along, indexing="ij"), axis=-1)
    depth = shape.depth_mm(points - middle)
    depth[~lung.repeat(steps[0], 0).repeat(steps[1], 1).repeat(steps[2], 2)] = -np.inf
    inside = points[depth > 0]
    ends = np.stack([inside.min(axis=0), inside.max(axis=0)]) if len(inside) else None
    shaped = depth.reshape(np.stack([lung.shape, steps], axis=1).ravel())
    return shaped, None if ends is None else ends + np.array([[-1], [1]]) * spacing / steps / 2


def _blended(array: np.ndarray, depth: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """Return HU with a nodule; vessels within it stay as bright as they are."""
    (low, high), soft_mm = _GLASS if chance.random() < _GLASS_SHARE else _SOLID
    cover = (1 / (1 + np.exp(np.clip(-depth / soft_mm, -30, 30)))).mean(axis=(1, 3, 5)) * np.isfinite(depth).any(axis=(1, 3, 5))
    noise = ndimage.gaussian_filter(chance.normal(size=array.shape), (0, 0.7, 0.7)) * _NOISE_HU * 2.5  # smoothing leaves two fifths of it
    mixed = array + cover * (chance.uniform(low, high) + noise - array)
    return np.where(cover > 0.05, np.maximum(array, mixed), array)


def plant_folder(
    folder: Path | str, out: Path | str, *, cases: int = 40, seed: int = 1, pleural: float = 0.0, patients: dict[str, str] | None = None
) -> int:
    """Plant nodules in every CT of a folder and write images, boxes and cases.

    Parameters
    ----------
    folder : Path or str
        NIfTI files of chest CTs, in HU.
    out : Path or str
        Gets ``images``, ``boxes.csv`` and ``cases.csv``.
    cases : int
        How many to write, over all CTs; 0 to 4 nodules in each.
    seed : int
        Of all that is drawn.
    pleural : float
        Share of nodules that touch the border of the lung.
    patients : dict of str to str, optional
        File's name -> patient. Unless given each file is a patient of its own.

    Returns
    -------
    int
        Nodules planted.

    Raises
    ------
    ImageDataError
        If there is no CT, or one is not what it must be.
    PlaceError
        If `out` is taken or cannot be written.
    """
    names = sorted(path for path in Path(folder).glob("*.nii*") if path.name.endswith((".nii", ".nii.gz")) and path.name[0] != ".")
    if not names:
        raise ImageDataError(f"{folder} holds no .nii or .nii.gz", hint="workbench imaging convert makes them of DICOM series")
    if Path(out).exists():
        raise PlaceError(f"{out} is there already", hint="name a folder that is not there yet")
    aside = Path(out).with_name(f".{Path(out).name}.{uuid4().hex}.part")
    owner = {path.name: (patients or {}).get(path.name, path.name) for path in names}
    try:
        Path(aside, "images").mkdir(parents=True)
        count = _written(names, owner, aside, cases, seed, pleural)
        aside.rename(out)
    except OSError as error:
        raise PlaceError(f"{out}: {error.strerror}", hint="make room, or name another folder") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return count


def _written(names: list[Path], owner: dict[str, str], out: Path, cases: int, seed: int, pleural: float) -> int:
    """Write images and tables, and return how many nodules there are."""
    apart = len(set(owner.values())) >= _FEWEST_PATIENTS
    boxes, rows = [], []
    for number, path in enumerate(names):
        share = cases // len(names) + (number < cases % len(names))
        chance = np.random.default_rng([seed, number])
        for each in _cases_of(path, share, apart, pleural, chance):
            name = f"{len(rows):04d}.nii.gz"
            write_nifti(each.volume, out / "images" / name)
            patient = owner[path.name] if apart else f"{owner[path.name]} {each.region}"
            rows.append({"file": name, "patient": patient, "split": "" if apart else each.part})
            boxes += [{"file": name} | row for row in plain_boxes(each.boxes, ("background", "nodule"))]
    _write(out / "cases.csv", ("file", "patient", "split"), rows)
    _write(out / "boxes.csv", ("file", *COLUMNS, "class"), boxes)
    return len(boxes)


class _Planted(NamedTuple):
    """A case: a CT or a region of one, with nodules."""

    volume: Volume
    boxes: np.ndarray
    region: str
    part: str


def _cases_of(path: Path, count: int, whole: bool, pleural: float, chance: np.random.Generator) -> Iterator[_Planted]:
    try:
        volume = read_nifti(path)
        lung = lungs(volume)
    except ImageDataError as error:
        raise ImageDataError(f"{path}: {error.message}", hint=error.hint) from error
    regions = [("", "", count, tuple(map(slice, lung.shape)))] if whole else _regions(lung, count)
    for name, part, number, within in regions:
        there = _cut(volume, within)
        for _ in range(number):
            array, boxes = plant(there, lung[within], int(chance.integers(_MOST + 1)), chance, pleural=pleural)
            yield _Planted(replace(there, array=array), boxes, name, part)


def _regions(lung: np.ndarray, count: int) -> Iterator[tuple[str, str, int, tuple[slice, ...]]]:
    """Yield a lung for training, and the lower and upper half of the other one to validate and test, as boxes about them."""
    middle = (np.flatnonzero(lung.any(axis=(0, 1)))[[0, -1]].sum() + 1) // 2
    held = np.flatnonzero(lung[:, :, middle:].any(axis=(1, 2)))
    if not len(held):
        raise ImageDataError("found one lung only", hint=f"give a CT of both lungs, or CTs of {_FEWEST_PATIENTS} patients")
    half = (held[0] + held[-1] + 1) // 2
    test, validation = round(count * 0.3), round(count * 0.2)
    whole, side = slice(0, lung.shape[0]), slice(middle, lung.shape[2])
    for name, part, number, slices, columns in (
        ("one side", "train", count - test - validation, whole, slice(0, middle)),
        ("other side, first half", "validation", validation, slice(0, half), side),
        ("other side, second half", "test", test, slice(half, lung.shape[0]), side),
    ):
        rows = np.flatnonzero(lung[slices, :, columns].any(axis=(0, 2)))
        yield name, part, number, (slices, slice(rows[0], rows[-1] + 1), columns)


def _cut(volume: Volume, within: tuple[slice, ...]) -> Volume:
    """Return part of a volume, where it lies."""
    affine = volume.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ [each.start for each in within[::-1]]
    return replace(volume, array=np.ascontiguousarray(volume.array[within]), affine=affine, slices=())


def _write(path: Path, columns: Sequence[str], rows: Sequence[dict]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def main() -> int:
    """Plant nodules as the command line says; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m imaging.models.planted", description="Plant nodules in chest CTs.")
    parser.add_argument("folder", help="NIfTI files in HU")
    parser.add_argument("out", help="folder to make")
    parser.add_argument("--cases", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pleural", type=float, default=0.0, help="share of nodules at the border of the lung")
    parser.add_argument("--table", help="CSV file with the columns file and patient")
    given = parser.parse_args()
    try:
        patients = None
        if given.table:
            with Path(given.table).open(encoding="utf-8-sig", newline="") as file:
                patients = {row["file"]: row["patient"] for row in csv.DictReader(file)}
        count = plant_folder(given.folder, given.out, cases=given.cases, seed=given.seed, pleural=given.pleural, patients=patients)
    except (OSError, KeyError, UnicodeDecodeError) as error:
        sys.stderr.write(f"{given.table}: cannot be read as a table of file and patient ({type(error).__name__})\n")
        return ImageDataError.exit_code
    except ImagingError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stderr.write(f"{count} nodules in {given.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
