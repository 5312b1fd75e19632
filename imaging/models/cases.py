"""What a task learns from: cases with their patient, scanner and geometry verdict; images are read when they are asked for."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imaging.errors import ImageDataError, TaskError
from imaging.models.boxes import BOX, read_boxes, settled
from imaging.volumes import Policy, read_nifti, read_volume

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from imaging.models.task import Arrays, Catalogue, Nifti, Task
    from imaging.volumes import Volume

__all__ = ["PARTS", "Case", "Sample", "cases_of", "sample_of"]

#: Parts of a split.
PARTS = ("train", "validation", "test")

_SPELLED = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test", "": ""}
_NIFTI = (".nii.gz", ".nii")


class Sample(NamedTuple):
    """An image as it lies on the disk.

    Parameters
    ----------
    image : ndarray of shape (channels, slices, rows, columns) or (channels, rows, columns)
        Values in `unit`.
    mask : ndarray of shape (slices, rows, columns), or None
        Labels as the task numbers them.
    affine : ndarray of shape (4, 4) or None
        Maps (column, row, slice, 1) to LPS mm.
    unit : str
        HU, or empty where the file names none.
    boxes : ndarray of shape (n,), BOX, or None
        What is to be found, in LPS mm.
    """

    image: np.ndarray
    mask: np.ndarray | None = None
    affine: np.ndarray | None = None
    unit: str = ""
    boxes: np.ndarray | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One image and what is known of it.

    Parameters
    ----------
    key : str
        Names the case to the one who trains; never leaves with the model.
    patient : str
        Whose it is.
    read : callable
        Returns the :class:`Sample`.
    label : int or None
        Class, of a classification.
    part : str
        One of :data:`PARTS` where the data say it; empty else.
    scanner, verdict : str
        For results apart; empty where not known.
    files : tuple of Path
        What `read` reads, where that is worth to be kept prepared.
    """

    key: str
    patient: str
    read: Callable[[], Sample]
    label: int | None = None
    part: str = ""
    scanner: str = ""
    verdict: str = ""
    files: tuple[Path, ...] = ()


def cases_of(task: Task) -> list[Case]:
    """Return the cases of a task, sorted by their keys.

    Parameters
    ----------
    task : Task
        With paths that exist.

    Returns
    -------
    list of Case

    Raises
    ------
    ImageDataError, TaskError
        If files are missing, or do not say what the task needs.
    """
    found = {"arrays": _from_arrays, "nifti": _from_nifti, "catalogue": _from_catalogue}[task.data.form](task)
    if not found:
        raise ImageDataError("the task's data hold no case", hint="look at the paths under data:")
    for case in found:
        if case.label is not None and not 0 <= case.label < len(task.classes):
            raise TaskError(
                f"{case.key}: found label {case.label}, wanted 0 to {len(task.classes) - 1}", hint="one name under classes: a label"
            )
    return found


def sample_of(volume: Volume, mask: np.ndarray | None = None, boxes: np.ndarray | None = None) -> Sample:
    """Return a volume as a sample, greater values brighter.

    Parameters
    ----------
    volume : Volume
        Of grey values or three colours.
    mask : ndarray of shape (slices, rows, columns), optional
        Its labels.
    boxes : ndarray of shape (n,), BOX, optional
        What is to be found in it, in LPS mm.
    """
    volume = volume.brightened()
    image = volume.array[None] if volume.array.ndim == 3 else np.moveaxis(volume.array, -1, 0)
    return Sample(image, mask, volume.affine, volume.unit, None if boxes is None else settled(boxes, volume.shape[:3], volume.affine))


def _from_arrays(task: Task) -> list[Case]:
    data: Arrays = task.data
    try:
        with np.load(data.file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, KeyError, TypeError) as error:
        raise ImageDataError(f"{data.file}: cannot be read as npz without pickle ({type(error).__name__})") from error
    prefixes = [prefix for prefix in ("train_", "val_", "test_", "") if f"{prefix}images" in arrays]
    return [case for prefix in prefixes for case in _array_cases(arrays, prefix, data.file)]


def _array_cases(arrays: dict[str, np.ndarray], prefix: str, file: str) -> Iterator[Case]:
    images, labels = arrays[f"{prefix}images"], arrays.get(f"{prefix}labels")
    if images.ndim not in (3, 4) or images.dtype.kind not in "uif" or (images.ndim == 4 and images.shape[3] != 3):
        raise ImageDataError(
            f"{file}, {prefix}images: found shape {images.shape} of {images.dtype}, wanted (n, rows, columns[, 3]) of numbers"
        )
    if labels is None or labels.dtype.kind not in "uib" or labels.size != len(images):
        raise ImageDataError(f"{file}, {prefix}labels: wanted one whole number an image")
    known = {name: arrays.get(f"{prefix}{name}s") for name in ("patient", "scanner")}
    for name, values in known.items():
        if values is not None and values.shape != (len(images),):
            raise ImageDataError(f"{file}, {prefix}{name}s: found shape {values.shape}, wanted ({len(images)},)")
    for number, (image, label) in enumerate(zip(images, labels.reshape(-1), strict=True)):
        key = f"{prefix}{number:06d}"
        yield Case(
            key=key,
            patient=key if known["patient"] is None else str(known["patient"][number]),
            scanner="" if known["scanner"] is None else str(known["scanner"][number]),
            read=partial(_array_sample, image),
            label=int(label),
            part=_SPELLED[prefix.removesuffix("_")],
        )


def _array_sample(image: np.ndarray) -> Sample:
    return Sample(image[None] if image.ndim == 2 else np.moveaxis(image, -1, 0))


def _from_nifti(task: Task) -> list[Case]:
    data: Nifti = task.data
    images = _nifti_files(data.images)
    rows = {row["file"]: row for row in _rows(data.table, ("file",))} if data.table else {name: {"file": name} for name in images}
    for name in sorted(rows.keys() - images.keys()):
        raise ImageDataError(f"{name}: found no image of that name", hint="the table names files of the folder of images")
    truth = _boxes(task, "file", rows.keys()) if data.boxes else _label_maps(data, rows.keys())
    return [
        Case(
            key=name,
            patient=row.get("patient") or name,
            read=partial(_nifti_sample, images[name], data.unit, truth[name], len(task.classes)),
            part=_part(row, name),
            scanner=row.get("scanner") or "",
            files=(images[name], Path(data.boxes) if data.boxes else truth[name]),
        )
        for name, row in sorted(rows.items())
    ]


def _label_maps(data: Nifti, names: Iterable[str]) -> dict[str, Path]:
    labels = _nifti_files(data.labels or "")
    for name in sorted(set(names) - labels.keys()):
        raise ImageDataError(f"{name}: found no pair of image and label map of that name", hint="both folders hold a file of each name")
    return labels


def _boxes(task: Task, key: str, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Return the boxes of each case; a case that the table does not name has none."""
    path = task.data.boxes
    found = read_boxes(_rows(path, (key,), once=False), key, task.classes, path)
    for name in sorted(found.keys() - set(names)):
        raise ImageDataError(f"{path}: {name} is none of the cases", hint="take its boxes out, or give the image")
    return {name: found.get(name, np.empty(0, BOX)) for name in names}


def _nifti_files(folder: str) -> dict[str, Path]:
    if not Path(folder).is_dir():
        raise ImageDataError(f"{folder} is no folder", hint="name folders of .nii or .nii.gz files under data:")
    return {path.name: path for path in sorted(Path(folder).iterdir()) if path.name.endswith(_NIFTI) and not path.name.startswith(".")}


def _nifti_sample(image: Path, unit: str, truth: Path | np.ndarray, classes: int) -> Sample:
    return _with_truth(replace(read_nifti(image), unit=unit), truth, classes)


def _with_truth(volume: Volume, truth: Path | np.ndarray | None, classes: int) -> Sample:
    """Return a volume with its label map, its boxes, or neither."""
    if isinstance(truth, Path):
        return sample_of(volume, _mask(truth, volume, classes))
    return sample_of(volume, boxes=truth)


def _mask(path: Path, volume: Volume, classes: int) -> np.ndarray:
    """Return a label map that lies on the volume's grid."""
    labels = read_nifti(path)
    if labels.shape != volume.shape[:3]:
        raise ImageDataError(f"{path}: found shape {labels.shape}, wanted the image's, {volume.shape[:3]}")
    placed = labels.affine is not None and volume.affine is not None
    if placed and not np.allclose(labels.affine, volume.affine, atol=1e-2):
        raise ImageDataError(f"{path}: lies elsewhere than its image", hint="resample the label map onto the image's grid")
    mask = np.rint(labels.array)
    if not np.isfinite(mask).all() or mask.min() < 0 or mask.max() >= classes:
        raise ImageDataError(f"{path}: wanted labels from 0 to {classes - 1}", hint="one name under classes: a label, background first")
    return mask.astype(np.uint8)


def _from_catalogue(task: Task) -> list[Case]:
    import pyarrow.parquet as pq

    data: Catalogue = task.data
    wanted = ("series_instance_uid",) if data.boxes else ("series_instance_uid", "label")
    rows = {row["series_instance_uid"]: row for row in _rows(data.table, wanted)}
    boxes = _boxes(task, "series_instance_uid", rows.keys()) if data.boxes else {}
    chosen = [("series_instance_uid", "in", list(rows))]
    columns = ["series_instance_uid", "path", "patient_id", "manufacturer", "manufacturer_model_name"]
    try:
        instances = pq.read_table(Path(data.catalogue, "instances.parquet"), columns=[*columns, "duplicate_of"], filters=chosen).to_pylist()
        series = pq.read_table(
            Path(data.catalogue, "series.parquet"), columns=["series_instance_uid", "verdicts"], filters=chosen
        ).to_pylist()
    except (OSError, ValueError, KeyError) as error:
        raise ImageDataError(f"{data.catalogue}: cannot be read as a catalogue ({type(error).__name__})") from error
    verdicts = {row["series_instance_uid"]: " ".join(row["verdicts"] or ()) for row in series}
    files: dict[str, list[dict]] = {uid: [] for uid in sorted(rows)}
    for instance in instances:
        if instance["duplicate_of"] is None:
            files[instance["series_instance_uid"]].append(instance)
    return [_series_case(task, rows[uid] | {"verdict": verdicts.get(uid, "")}, found, boxes.get(uid)) for uid, found in files.items()]


def _series_case(task: Task, row: dict[str, str], instances: list[dict], boxes: np.ndarray | None) -> Case:
    from imaging.dicom.files import path_from_text

    data: Catalogue = task.data
    uid = row["series_instance_uid"]
    if not instances:
        raise ImageDataError(f"series {uid} is in {data.table} and not in the catalogue", hint="index the folder again")
    first = instances[0]
    paths = [Path(data.root, path_from_text(instance["path"])) for instance in instances]
    label, truth, source = None, boxes, data.boxes
    if task.kind == "segmentation":
        source = truth = Path(data.table).parent / row["label"]
    elif boxes is None and row["label"] in task.classes:
        label = task.classes.index(row["label"])
    elif boxes is None:
        raise TaskError(f"series {uid}: its label in {data.table} is none of the task's classes", hint=f"wanted {', '.join(task.classes)}")
    return Case(
        key=uid,
        patient=row.get("patient") or first["patient_id"] or uid,
        read=partial(_series_sample, paths, data.policy, truth, len(task.classes)),
        label=label,
        part=_part(row, uid),
        scanner=" ".join(filter(None, (first["manufacturer"], first["manufacturer_model_name"]))),
        verdict=row["verdict"],
        files=(*paths, *map(Path, filter(None, (source,)))),
    )


def _series_sample(paths: list[Path], policy: str, truth: Path | np.ndarray | None, classes: int) -> Sample:
    return _with_truth(read_volume(paths, Policy(policy)), truth, classes)


def _rows(path: str, wanted: tuple[str, ...], *, once: bool = True) -> list[dict[str, str]]:
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows, columns = list(reader), reader.fieldnames or ()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ImageDataError(f"{path}: cannot be read as CSV in UTF-8 ({type(error).__name__})") from error
    missing = [name for name in wanted if name not in columns]
    if missing:
        raise ImageDataError(f"{path}: found no column {', '.join(missing)}", hint="the first line names the columns")
    keys = [row[wanted[0]] for row in rows]
    if once and len(set(keys)) < len(keys):
        raise ImageDataError(f"{path}: a value of {wanted[0]} stands twice", hint="one row each")
    return rows


def _part(row: dict[str, str], key: str) -> str:
    given = (row.get("split") or "").strip().lower()
    if given not in _SPELLED:
        raise ImageDataError(f"{key}: its split is none of {', '.join(PARTS)}")
    return _SPELLED[given]
