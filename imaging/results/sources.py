"""The instances that a result is about: found, checked, and their headers in a state in which they can be referred to."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, MRImageStorage, PositronEmissionTomographyImageStorage
from pydicom.valuerep import DA, TM

from imaging.dicom.header import read_header
from imaging.dicom.quiet import quiet
from imaging.dicom.reading import open_bounded
from imaging.dicom.tags import BY_NAME, FIELDS
from imaging.errors import GeometryError, ImageDataError, ImagingError
from imaging.geometry import Frame, frames_of
from imaging.geometry.attributes import parts, present

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from imaging.dicom.header import Header
    from imaging.volumes import Volume

__all__ = ["Sources", "frame_steps", "labels_by_frame", "referable", "refused", "settled", "sources_of"]

#: What every result copies; empty where a source lacks it (PS3.3 C.7.1.1 and C.7.2.1, type 2).
_PATIENT_AND_STUDY = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
)
_NEEDED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Rows", "Columns", "Modality")
_SEXES = ("M", "F", "O")

#: Classes whose one frame stands at the top level, and what is kept of their headers.
_PLAIN = (CTImageStorage, MRImageStorage, PositronEmissionTomographyImageStorage)
_PLANE = (
    "FrameOfReferenceUID",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "SpacingBetweenSlices",
)
_SCANNED = {field.name for field in FIELDS if field.keyword in (*_NEEDED, *_PLANE)}
_PIXELS = 0x7FE00008  # the first element of pixel data

#: How far a slice may lie from its instance, in pixels: even steps are fitted to positions written with few decimals.
_SAME_PLACE = 0.5


class Sources(NamedTuple):
    """Headers of source instances and their frames, in one order.

    Parameters
    ----------
    headers : tuple of Dataset
        Either of single images or of one multi-frame image.
    frames : tuple of Frame
        Of all headers.
    """

    headers: tuple[Dataset, ...]
    frames: tuple[Frame, ...]


def sources_of(volume: Volume, sources: Iterable[str | os.PathLike[str] | Dataset], *, whole: bool = False) -> Sources:
    """Return the source instances of a volume.

    Parameters
    ----------
    volume : Volume
        With its map of slices.
    sources : iterable of path or Dataset
        The files of the series, more than the volume needs or as many, in any order; or their headers.
    whole : bool
        Whether instances that no slice came from are kept too.

    Returns
    -------
    Sources
        In the order of the volume's slices; with `whole`, those that no slice came from follow.

    Raises
    ------
    ImageDataError
        If an instance is not among the sources, lacks what a reference needs, or comes from another series than the rest.
    GeometryError
        If the volume does not say where its slices came from, or its slices come from more than one multi-frame image.
    """
    order = {source.instance: None for source in volume.slices}
    if not order:
        raise GeometryError("the volume does not say which instances its slices came from", hint="read it from DICOM files, not from NIfTI")
    found: dict[str, tuple[Dataset, str | os.PathLike[str] | Dataset]] = {}
    for source in sources:
        header = referable(source)
        if whole or header.SOPInstanceUID in order:
            found.setdefault(str(header.SOPInstanceUID), (header, source))
    if missing := [instance for instance in order if instance not in found]:
        raise ImageDataError(
            f"{len(missing)} of the volume's {len(order)} instances are not among the sources",
            hint="give the files that the volume was read from; if they were de-identified since, read the volume from the new ones",
        )
    first, *others = (found[instance] for instance in (*order, *(instance for instance in found if instance not in order)))
    # Patient and study are copied from the first.
    headers = (settled(first[1]), *(header for header, _ in others))
    _check_alike(headers)
    frames = [frames_of(header) for header in headers]
    if len(headers) > 1 and any(len(each) > 1 for each in frames):
        raise GeometryError("slices come from more than one multi-frame image", hint="write one result for each of them")
    return Sources(headers, tuple(frame for each in frames for frame in each))


def labels_by_frame(volume: Volume, labels: np.ndarray, sources: Sources, *, regrid: bool) -> np.ndarray:
    """Return labels laid over source frames.

    Parameters
    ----------
    volume : Volume
        On whose grid the labels lie.
    labels : ndarray of shape (slices, rows, columns), uint8
        The mask.
    sources : Sources
        With positions, unless the volume has no affine.
    regrid : bool
        Whether each pixel of a source takes the label of the nearest voxel, rather than slices standing for frames.

    Returns
    -------
    ndarray of shape (frames, rows, columns), uint8
        0 in frames that no slice came from.

    Raises
    ------
    GeometryError
        If slices lie beside their instances and `regrid` is false, or the sources have no positions.
    """
    if regrid:
        if len({(frame.rows, frame.columns) for frame in sources.frames}) > 1:
            raise GeometryError("the sources are of different sizes: one segmentation cannot refer to them all")
        return np.stack([_nearest(volume, labels, frame) for frame in sources.frames])
    numbers = {(frame.instance, frame.number): index for index, frame in enumerate(sources.frames)}
    first = sources.frames[0]
    laid = np.zeros((len(sources.frames), first.rows, first.columns), np.uint8)
    for slice_, (label, source) in enumerate(zip(labels, volume.slices, strict=True)):
        index = numbers.get((source.instance, source.frame))
        if index is None or not _stands_for(volume, slice_, sources.frames[index]):
            raise GeometryError(
                f"slice {slice_ + 1} was computed and stands for no instance",
                hint="set regrid, and the mask is brought back onto the slices that were scanned",
            )
        laid[index] = label
    return laid


def referable(source: str | os.PathLike[str] | Dataset) -> Dataset:
    """Return what a reference to an instance needs of its header; plain images are scanned, at a tenth of pydicom's work.

    Parameters
    ----------
    source : path or Dataset
        A file, or its header.

    Raises
    ------
    ImageDataError
        If it lacks what a reference needs.
    """
    header = None if isinstance(source, Dataset) else read_header(source)
    if header is None or not _is_plain(header):
        return settled(source)
    found = Dataset()
    with quiet():
        for name in _SCANNED & header.values.keys():
            value = header.values[name]
            setattr(found, BY_NAME[name].keyword, list(value) if isinstance(value, tuple) else value)
    return _needed(found)


def _is_plain(header: Header) -> bool:
    values = header.values
    return header.scanned and not header.problems and values.get("sop_class_uid") in _PLAIN and values.get("number_of_frames", 1) == 1


def settled(source: str | os.PathLike[str] | Dataset) -> Dataset:
    """Return a header without pixels, its patient and study attributes present and readable, be they empty.

    Parameters
    ----------
    source : path or Dataset
        A file, or its header, which is not changed.

    Raises
    ------
    ImageDataError
        If it lacks what a reference needs.
    """
    header = source if isinstance(source, Dataset) else open_bounded(source)
    found = header[:_PIXELS]  # a new data set, its values not converted
    with quiet():
        for keyword in _PATIENT_AND_STUDY:
            if keyword not in found or not _readable(keyword, found[keyword].value):
                setattr(found, keyword, "")
    return _needed(found)


def _needed(header: Dataset) -> Dataset:
    if lacking := [keyword for keyword in _NEEDED if len(parts(header, keyword)) != 1 or not present(header, keyword)]:
        raise ImageDataError(
            f"a source has no one {', '.join(lacking)}: it cannot be referred to", hint="repair the header, or leave it out"
        )
    return header


def _readable(keyword: str, value: object) -> bool:
    try:
        if keyword.endswith(("Date", "Time")):
            return isinstance(value, (str, DA, TM)) and (DA if keyword.endswith("Date") else TM)(value) is not None
        return keyword != "PatientSex" or value in _SEXES
    except (ValueError, TypeError):
        return False


def _check_alike(headers: tuple[Dataset, ...]) -> None:
    series = {(header.StudyInstanceUID, header.SeriesInstanceUID) for header in headers}
    if len(series) > 1:
        raise ImageDataError(f"the sources come from {len(series)} series, wanted one")


def _stands_for(volume: Volume, slice_: int, frame: Frame) -> bool:
    """Whether a slice of a volume lies, pixel for pixel, where a frame lies."""
    if volume.slices[slice_].distance_mm > 0 or volume.shape[1:3] != (frame.rows, frame.columns):
        return False
    if volume.affine is None or frame.position is None or frame.orientation is None or frame.spacing_mm is None:
        # Stacked as it was, a volume without an affine has its instances' own slices.
        return volume.affine is None
    corners = np.array([[0, 0], [frame.columns - 1, 0], [0, frame.rows - 1]]).T
    there = np.array(frame.position)[:, None] + frame_steps(frame) @ corners
    here = volume.affine[:3] @ np.vstack([corners, np.full(3, slice_), np.ones(3)])
    return bool(np.abs(there - here).max() <= _SAME_PLACE * min(frame.spacing_mm))


@contextmanager
def refused(what: str) -> Iterator[None]:
    """Turn what highdicom raises over a source's header into an error with no patient's value in it.

    Parameters
    ----------
    what : str
        Which result could not be made.

    Yields
    ------
    None
    """
    try:
        yield
    except ImagingError:
        raise
    except (AttributeError, KeyError, IndexError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ImageDataError(
            f"{what} cannot be made from these sources ({type(error).__name__})",
            hint="a source header lacks what a reference needs, or holds a value that DICOM does not allow",
        ) from error


def frame_steps(frame: Frame) -> np.ndarray:
    """Return the steps along column and row of a frame.

    Parameters
    ----------
    frame : Frame
        With orientation and spacing.

    Returns
    -------
    ndarray of shape (3, 2)
        In LPS mm.
    """
    return np.array([frame.orientation[:3], frame.orientation[3:]]).T * frame.spacing_mm[::-1]


def _nearest(volume: Volume, labels: np.ndarray, frame: Frame) -> np.ndarray:
    """Return for each pixel of a frame the label of the voxel nearest to it, 0 beyond the volume."""
    if volume.affine is None or frame.position is None or frame.orientation is None or frame.spacing_mm is None:
        raise GeometryError("a mask without an affine, or a source without a position, cannot be brought onto another grid")
    inverse = np.linalg.inv(volume.affine)
    right, down = (inverse[:3, :3] @ frame_steps(frame)).T
    start = (inverse @ (*frame.position, 1.0))[:3]
    inside, index = True, []
    for axis, size in zip(range(3), labels.shape[::-1], strict=True):
        line = start[axis] + down[axis] * np.arange(frame.rows)[:, None] + right[axis] * np.arange(frame.columns)[None]
        nearest = np.rint(line).astype(np.intp)
        inside = inside & (nearest >= 0) & (nearest < size)
        index.append(np.clip(nearest, 0, size - 1))
    column, row, slice_ = index
    return np.where(inside, labels[slice_, row, column], np.uint8(0))
