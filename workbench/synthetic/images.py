"""Images of a store's patients: geometric phantoms as DICOM series, of several geometries, with the nodules in them known.

Ellipsoids of CT numbers are sampled where a scanner's slices would lie, so that every series of a patient shows the same body.
Patient IDs are the person ids of the store, as de-identified images have them.
"""

from __future__ import annotations

import csv
from datetime import timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import ComputedRadiographyImageStorage, CTImageStorage, ExplicitVRLittleEndian, generate_uid

from imaging.results import NewSeries, Segment, coding_of, save, segmentation
from imaging.volumes import read_volume
from workbench.errors import DataError, DefinitionError
from workbench.outfile import check_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from pathlib import Path

    from workbench.store.snapshots import Snapshot

__all__ = ["MASKS", "SyntheticImages", "make_images"]

#: Name of the table of masks: series, its SEG file, and the nodule that was put there.
MASKS = "masks.csv"

_SIZE, _PIXEL_MM = 96, 3.6
_NOISE_HU, _OFFSET = 12, -1024
_UIDS = "1.2.826.0.1.3680043.10.543."
_MAKERS = (("SYNTHETIC A", "CT-64"), ("SYNTHETIC B", "CT-128"))


class Shape(NamedTuple):
    """An ellipsoid: CT number, centre and radii in LPS mm; what comes later covers what came before."""

    hu: float
    centre_mm: tuple[float, float, float]
    radii_mm: tuple[float, float, float]


class Kind(NamedTuple):
    """A kind of series: how often of a hundred, what it is called, what it shows, where its slices lie, and the gantry's tilt."""

    share: int
    description: str
    part: str
    shapes: tuple[Shape, ...]
    positions_mm: tuple[float, ...]
    tilt_degrees: float = 0.0


def _steps(*steps_mm: float) -> tuple[float, ...]:
    """Return positions from steps, their middle at 0."""
    places = list(accumulate(steps_mm, initial=0.0))
    return tuple(round(place - places[-1] / 2, 3) for place in places)


_CHEST = (
    Shape(40, (0, 0, 0), (165, 110, 400)),
    Shape(-830, (-75, -5, 0), (62, 80, 115)),
    Shape(-830, (75, -5, 0), (60, 80, 115)),
    Shape(45, (28, -30, -30), (52, 45, 55)),
    Shape(55, (12, 35, 0), (13, 13, 400)),
    Shape(380, (0, 78, 0), (20, 20, 400)),
)
_HEAD = (
    Shape(950, (0, 0, 0), (78, 98, 88)),
    Shape(35, (0, 0, 0), (70, 90, 80)),
    Shape(6, (-14, -5, 10), (7, 28, 14)),
    Shape(6, (14, -5, 10), (7, 28, 14)),
)
_KINDS = (
    Kind(50, "Chest 6.0", "CHEST", _CHEST, _steps(*[6.0] * 35)),
    Kind(15, "Chest 3.0", "CHEST", _CHEST, _steps(*[3.0] * 70)),
    Kind(10, "Chest 6.0, slices lost", "CHEST", _CHEST, _steps(*[6.0] * 14, 18.0, *[6.0] * 18)),
    Kind(10, "Chest 6.0 and 9.0", "CHEST", _CHEST, _steps(*[6.0] * 17, *[9.0] * 12)),
    Kind(15, "Head 7.0, tilted", "HEAD", _HEAD, _steps(*[7.0] * 22), 15.0),
)
#: A chest X-ray for each so many chest CTs; a nodule in each so many; its radii.
_RADIOGRAPH_EACH, _NODULE_EACH, _RADIUS_MM = 3, 2, (6.0, 14.0)


class SyntheticImages(NamedTuple):
    """What was made: patients, series and files; masks of nodules among them."""

    patients: int
    series: int
    files: int
    masks: int


class _Series(NamedTuple):
    """What the files of a series say alike."""

    person: int
    day: date
    study: str
    uid: str
    space: str
    kind: Kind
    maker: tuple[str, str]


def make_images(snapshot: Snapshot, out: Path, *, n_patients: int = 40, seed: int = 1) -> SyntheticImages:
    """Write images of some of a snapshot's patients: ``dicom/``, ``masks/`` and ``masks.csv``.

    Parameters
    ----------
    snapshot : Snapshot
        Whose persons and encounters they are of.
    out : Path
        Folder to make or an empty one.
    n_patients : int
        Of those with an encounter; all where there are fewer.
    seed : int
        The same seed, number and snapshot give the same images.

    Returns
    -------
    SyntheticImages
        Counts.

    Raises
    ------
    DefinitionError
        If the number is below 1, or the folder holds something.
    DataError
        If nobody has an encounter.
    """
    if n_patients < 1:
        raise DefinitionError(f"{n_patients} patients; wanted at least 1")
    check_folder(out)
    if out.exists() and any(out.iterdir()):
        raise DefinitionError(f"{out} is not empty", hint="name a new folder")
    days = _days(snapshot)
    if not days:
        raise DataError("nobody in the store has an encounter", hint="publish visit_occurrence first")
    people = np.random.default_rng(seed).permutation(sorted(days))[:n_patients].tolist()
    (out / "masks").mkdir(parents=True)
    rows, series, files = [], 0, 0
    for number, person in enumerate(people):
        chance = np.random.default_rng([seed, person])
        for written, row in _of_patient(person, days[person], number, chance, out):
            series, files = series + 1, files + written
            rows += [row] if row else []
    with (out / MASKS).open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, ("series_instance_uid", "mask", "diameter_mm", "volume_ml"))
        table.writeheader()
        table.writerows(rows)
    return SyntheticImages(len(people), series, files, len(rows))


def _days(snapshot: Snapshot) -> dict[int, date]:
    """Return person -> day of the first encounter."""
    table = snapshot.read("visit_occurrence", ["person_id", "visit_start_date"])
    days: dict[int, date] = {}
    for person, day in zip(table["person_id"].to_pylist(), table["visit_start_date"].to_pylist(), strict=True):
        days[person] = min(day, days.get(person, day))
    return days


def _of_patient(person: int, day: date, number: int, chance: np.random.Generator, out: Path) -> list[tuple[int, dict | None]]:
    """Write a patient's series; return for each how many files it has, and the row of its mask."""
    shares = np.cumsum([kind.share for kind in _KINDS])
    kind = _KINDS[int(np.searchsorted(shares, chance.integers(shares[-1]), side="right"))]
    nodule = _nodule(chance) if kind.part == "CHEST" and number % _NODULE_EACH == 0 else None
    study, day = _uid(person, "study"), day + timedelta(days=int(chance.integers(0, 4)))
    one = _Series(person, day, study, _uid(person, "ct"), _uid(person, "space"), kind, _MAKERS[int(chance.integers(len(_MAKERS)))])
    paths = _write(one, _slices(one, nodule, chance), out)
    done = [(len(paths), _mask(one, paths, nodule, out) if nodule else None)]
    if kind.part == "CHEST" and number % _RADIOGRAPH_EACH == 0:
        film = one._replace(uid=_uid(person, "cr"), kind=kind._replace(description="Chest PA"))
        done.append((len(_write(film, [_radiograph(film, nodule)], out)), None))
    return done


def _uid(person: int, what: str) -> str:
    return generate_uid(_UIDS, [str(person), what])


def _nodule(chance: np.random.Generator) -> Shape:
    """Return a ball within the right lung."""
    radius = float(chance.uniform(*_RADIUS_MM))
    return Shape(30, (float(chance.uniform(-95, -60)), float(chance.uniform(-30, 20)), float(chance.uniform(-45, 45))), (radius,) * 3)


def _hounsfield(shapes: Sequence[Shape], points_mm: np.ndarray) -> np.ndarray:
    """Return CT numbers at points of shape (..., 3) in LPS mm; air outside all shapes."""
    values = np.full(points_mm.shape[:-1], -1000.0)
    for shape in shapes:
        values[_inside(shape, points_mm)] = shape.hu
    return values


def _inside(shape: Shape, points_mm: np.ndarray) -> np.ndarray:
    apart = (points_mm - shape.centre_mm) / shape.radii_mm
    return np.einsum("...i,...i", apart, apart) <= 1


def _slices(one: _Series, nodule: Shape | None, chance: np.random.Generator) -> list[Dataset]:
    """Return the slices of a CT; the table moves along z whatever the tilt."""
    angle = np.radians(one.kind.tilt_degrees)
    right, down = np.array([1.0, 0, 0]), np.array([0, np.cos(angle), -np.sin(angle)])
    across = (np.arange(_SIZE) - (_SIZE - 1) / 2) * _PIXEL_MM
    plane = across[None, :, None] * right + across[:, None, None] * down
    shapes = one.kind.shapes + ((nodule,) if nodule else ())
    found = []
    for number, z in enumerate(one.kind.positions_mm, start=1):
        points = np.add(plane, (0, 0, z))
        values = _hounsfield(shapes, points) + chance.normal(scale=_NOISE_HU, size=(_SIZE, _SIZE))
        ds = _dataset(one, number, CTImageStorage, "CT", (np.rint(values) - _OFFSET).clip(0, 4095).astype("<u2"))
        ds.ImagePositionPatient = [f"{value:.6g}" for value in points[0, 0]]
        ds.ImageOrientationPatient = [f"{value:.8g}" for value in (*right, *down)]
        ds.FrameOfReferenceUID, ds.PixelSpacing, ds.KVP = one.space, [_PIXEL_MM, _PIXEL_MM], 120
        ds.SliceThickness, ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = min(np.diff(one.kind.positions_mm)), _OFFSET, 1, "HU"
        found.append(ds)
    return found


def _radiograph(one: _Series, nodule: Shape | None) -> Dataset:
    """Return a projection along y: bright where less gets through."""
    steps = (np.arange(2 * _SIZE) - _SIZE + 0.5) * _PIXEL_MM / 2
    points = np.stack(np.broadcast_arrays(steps[None, None, :], steps[None, ::6, None], -steps[:, None, None]), axis=-1)
    shapes = one.kind.shapes + ((nodule,) if nodule else ())
    thickness = (_hounsfield(shapes, points) + 1000).sum(axis=1)
    ds = _dataset(one, 1, ComputedRadiographyImageStorage, "CR", np.rint(4095 * thickness / thickness.max()).astype("<u2"))
    ds.ImagerPixelSpacing, ds.ViewPosition = [_PIXEL_MM / 2] * 2, "PA"
    return ds


def _dataset(one: _Series, number: int, sop_class: str, modality: str, pixels: np.ndarray) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    day = one.day.strftime("%Y%m%d")
    ds.SpecificCharacterSet, ds.ImageType = "ISO_IR 192", ["DERIVED", "PRIMARY", "AXIAL" if modality == "CT" else "POSTERO_ANTERIOR"]
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = sop_class, _uid(one.person, f"{one.uid} {number}"), modality
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = day
    ds.StudyTime, ds.AccessionNumber, ds.ReferringPhysicianName = "080000", "", ""
    ds.Manufacturer, ds.ManufacturerModelName = one.maker
    ds.StudyDescription, ds.SeriesDescription = "Synthetic phantom", one.kind.description
    ds.PatientName = ds.PatientID = str(one.person)
    ds.PatientBirthDate, ds.PatientSex, ds.PatientIdentityRemoved, ds.BurnedInAnnotation = "", "", "YES", "NO"
    ds.DeidentificationMethod = "Made up: a geometric phantom"
    ds.BodyPartExamined, ds.PatientPosition = one.kind.part, "HFS"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.StudyID = one.study, one.uid, "1"
    ds.SeriesNumber, ds.InstanceNumber = 1 if modality == "CT" else 2, number
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    (ds.Rows, ds.Columns), ds.BitsAllocated, ds.BitsStored, ds.HighBit = pixels.shape, 16, 12, 11
    ds.PixelData = pixels.tobytes()
    return ds


def _write(one: _Series, datasets: list[Dataset], out: Path) -> list[Path]:
    folder = out / "dicom" / str(one.person) / one.uid.rpartition(".")[2][:12]
    folder.mkdir(parents=True)
    paths = [folder / f"{number:03d}.dcm" for number in range(1, len(datasets) + 1)]
    for path, ds in zip(paths, datasets, strict=True):
        dcmwrite(path, ds, enforce_file_format=True)
    return paths


def _mask(one: _Series, paths: list[Path], nodule: Shape, out: Path) -> dict[str, object] | None:
    """Write the nodule as a segmentation of its series; None where the geometry allows no volume."""
    volume = read_volume(paths, "keep")
    if volume.affine is None:
        return None
    slices, rows, columns = np.indices(volume.shape)
    points = np.stack([columns, rows, slices], axis=-1) @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    made_by_hand = Segment(label=1, name="nodule", **coding_of("nodule", 1)._asdict())
    names = NewSeries(description="Nodule", uid=_uid(one.person, "seg"), instance_uid=_uid(one.person, "seg 1"))
    result = segmentation(volume, _inside(nodule, points), [made_by_hand], paths, series=names)
    name = f"{one.person}-{one.uid.rpartition('.')[2][:12]}.seg.dcm"
    save(result, out / "masks" / name)
    radius = nodule.radii_mm[0]
    true = {"diameter_mm": round(2 * radius, 2), "volume_ml": round(4 / 3 * np.pi * radius**3 / 1000, 4)}
    return {"series_instance_uid": one.uid, "mask": f"masks/{name}"} | true
