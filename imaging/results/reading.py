"""Segmentations, ours and others', back as a mask on a volume's grid."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from pydicom.sr.coding import Code

from imaging.dicom.reading import read_dataset
from imaging.errors import GeometryError, ImageDataError, TaskError
from imaging.geometry import Frame, frames_of
from imaging.geometry.attributes import count, items, numbers, text
from imaging.results.sources import frame_steps
from imaging.volumes.pixels import pixel_format, stored_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from pydicom.dataset import Dataset

    from imaging.volumes import Volume

__all__ = ["FoundSegment", "ReadSegmentation", "read_segmentation"]

_CLASSES = {"1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"}

#: How far a frame may lie from the volume's grid, in voxels: positions are written with few decimals.
_SAME_GRID = 0.05


class FoundSegment(NamedTuple):
    """A segment as the file describes it.

    Parameters
    ----------
    number : int
        Its value in the mask.
    name : str
        Segment Label.
    category, kind : Code or None
        As coded.
    algorithm : str
        MANUAL, SEMIAUTOMATIC, AUTOMATIC, and the algorithm's name.
    tracking_id, tracking_uid : str
        Where the file has them.
    """

    number: int
    name: str
    category: Code | None
    kind: Code | None
    algorithm: str
    tracking_id: str
    tracking_uid: str


class ReadSegmentation(NamedTuple):
    """A mask and what its labels stand for.

    Parameters
    ----------
    mask : ndarray of shape (slices, rows, columns), uint8
        Segment numbers on the volume's grid; 0 where no segment is.
    segments : tuple of FoundSegment
        Those that the file describes, or those asked for.
    instance : str
        SOP Instance UID, for the provenance of what is measured.
    """

    mask: np.ndarray
    segments: tuple[FoundSegment, ...]
    instance: str


def read_segmentation(
    path: str | os.PathLike[str],
    volume: Volume,
    *,
    segments: Collection[int] | None = None,
    at_least: float | None = None,
    other_images: bool = False,
) -> ReadSegmentation:
    """Read a segmentation onto a volume's grid, its frames in any order, empty ones left out or not.

    Parameters
    ----------
    path : path
        A file of BINARY, LABELMAP or FRACTIONAL type.
    volume : Volume
        What it was drawn on. Frames are placed by their position; where the volume or they have none, by the images that they refer to.
    segments : collection of int, optional
        Segment numbers to read, of all. Of segments that overlap, each has to be read by itself.
    at_least : float, optional
        For a FRACTIONAL segmentation, the share of its maximum from which a voxel belongs to the segment.
    other_images : bool
        Whether a segmentation is taken that refers to none of the volume's instances, as of another reconstruction of the same scan.

    Returns
    -------
    ReadSegmentation
        Mask and segments.

    Raises
    ------
    ImageDataError
        If the file is no segmentation, or broken.
    GeometryError
        If it lies on another grid, refers to other images, or its segments overlap.
    TaskError
        If a FRACTIONAL segmentation comes without `at_least`, or a segment is asked for that it does not have.
    """
    name = os.fspath(path)
    head = read_dataset(path).dataset
    if text(head, "SOPClassUID") not in _CLASSES:
        raise ImageDataError(f"{name}: found no segmentation", hint="its SOP class is another; RT structure sets hold contours")
    kind = text(head, "SegmentationType")
    share = _share(name, head, kind, at_least)
    described = _described(head)
    wanted = _wanted(described, segments)
    if not other_images:
        _check_reference(name, head, volume)
    mask = np.zeros(volume.shape[:3], np.uint8)
    frames = frames_of(head)
    placed = volume.affine is not None and all(frame.position and frame.orientation and frame.spacing_mm for frame in frames)
    place = _by_position(volume) if placed else _by_reference(head, volume)
    owners = [0 if kind == "LABELMAP" else _number(name, frame) for frame in frames]
    chosen = [n for n, owner in enumerate(owners) if not owner or owner in wanted]
    # The colours of a label map are for the eye.
    form = pixel_format(head)._replace(photometric="MONOCHROME2")
    stored = stored_frames(name, form, [frames[n].number for n in chosen])
    for n, values in zip(chosen, stored, strict=True):
        slice_, rows, columns = place(frames[n], n)
        if owners[n]:
            _add(mask[slice_, rows, columns], values >= share, owners[n], name)
        else:
            mask[slice_, rows, columns] = np.where(np.isin(values, wanted), values, 0)
    return ReadSegmentation(mask, tuple(segment for segment in described if segment.number in wanted), text(head, "SOPInstanceUID"))


def _share(name: str, head: Dataset, kind: str, at_least: float | None) -> float:
    """Return from which stored value a voxel belongs to a segment."""
    if kind != "FRACTIONAL":
        return 1
    if at_least is None or not 0 < at_least <= 1:
        raise TaskError(f"{name}: a FRACTIONAL segmentation; at_least: found {at_least}, wanted more than 0 and at most 1")
    return at_least * (count(head, "MaximumFractionalValue", 255) or 255)


def _described(head: Dataset) -> list[FoundSegment]:
    # A label map may describe its background as segment 0.
    return [_segment(item) for item in items(head, "SegmentSequence") if (count(item, "SegmentNumber") or 0) > 0]


def _segment(item: Dataset) -> FoundSegment:
    named = [text(algorithm, "AlgorithmName") for algorithm in items(item, "SegmentationAlgorithmIdentificationSequence")]
    return FoundSegment(
        number=count(item, "SegmentNumber"),
        name=text(item, "SegmentLabel"),
        category=_code(item, "SegmentedPropertyCategoryCodeSequence"),
        kind=_code(item, "SegmentedPropertyTypeCodeSequence"),
        algorithm=" ".join(filter(None, (text(item, "SegmentAlgorithmType"), text(item, "SegmentAlgorithmName") or "".join(named[:1])))),
        tracking_id=text(item, "TrackingID"),
        tracking_uid=text(item, "TrackingUID"),
    )


def _code(item: Dataset, keyword: str) -> Code | None:
    for concept in items(item, keyword):
        value = text(concept, "CodeValue") or text(concept, "LongCodeValue") or text(concept, "URNCodeValue")
        return Code(value, text(concept, "CodingSchemeDesignator"), text(concept, "CodeMeaning"))
    return None


def _wanted(described: list[FoundSegment], segments: Collection[int] | None) -> list[int]:
    known = [segment.number for segment in described]
    wanted = known if segments is None else list(segments)
    if unknown := [number for number in wanted if number not in known]:
        raise TaskError(f"segments: found {unknown}, the file describes {known}")
    if over := [number for number in wanted if number > 255]:
        raise TaskError(f"segments {over} do not fit into a mask of 255 labels", hint="read fewer segments at a time")
    return wanted


def _check_reference(name: str, head: Dataset, volume: Volume) -> None:
    """Refuse what was drawn on other images: positions alone would also fit another patient in the same scanner."""
    mine = {source.instance for source in volume.slices}
    series = items(head, "ReferencedSeriesSequence")
    named = {text(item, "ReferencedSOPInstanceUID") for each in series for item in items(each, "ReferencedInstanceSequence")}
    named |= {instance for frame in items(head, "PerFrameFunctionalGroupsSequence") for instance, _ in _sources(frame)}
    if mine and named and not mine & named:
        raise GeometryError(
            f"{name}: refers to {len(named)} instances, none of them the volume's",
            hint="read the volume that it was drawn on; set other_images if you know that it is the same scan",
        )


def _sources(group: Dataset) -> list[tuple[str, int]]:
    """Return instance and frame of the images that a frame was derived from."""
    found = [source for derivation in items(group, "DerivationImageSequence") for source in items(derivation, "SourceImageSequence")]
    return [(text(source, "ReferencedSOPInstanceUID"), int((numbers(source, "ReferencedFrameNumber") or (1,))[0])) for source in found]


def _number(name: str, frame: Frame) -> int:
    number = frame.dimensions.get("ReferencedSegmentNumber")
    if not number:
        raise ImageDataError(f"{name}: frame {frame.number} does not say which segment it belongs to")
    return int(number[0])


def _by_position(volume: Volume) -> Callable[[Frame, int], tuple[int, slice, slice]]:
    inverse, (slices, rows, columns) = np.linalg.inv(volume.affine), volume.shape[:3]

    def place(frame: Frame, _: int) -> tuple[int, slice, slice]:
        corners = np.array(frame.position)[:, None] + frame_steps(frame) @ [[0, frame.columns - 1], [0, frame.rows - 1]]
        index = inverse[:3, :3] @ corners + inverse[:3, 3:]
        first, last = np.rint(index).astype(int).T
        aside = float(np.abs(index - np.rint(index)).max())
        size = (frame.columns - 1, frame.rows - 1, 0)
        inside = (first >= 0).all() and (last < (columns, rows, slices)).all()
        if aside > _SAME_GRID or not np.array_equal(last - first, size) or not inside:
            raise GeometryError(
                f"frame {frame.number} of the segmentation does not lie on the volume's grid",
                hint="read the volume under the policy under which it was segmented, or resample the mask",
            )
        return int(first[2]), slice(first[1], last[1] + 1), slice(first[0], last[0] + 1)

    return place


def _by_reference(head: Dataset, volume: Volume) -> Callable[[Frame, int], tuple[int, slice, slice]]:
    known = {(source.instance, source.frame): n for n, source in enumerate(volume.slices) if not source.distance_mm}
    groups = items(head, "PerFrameFunctionalGroupsSequence")
    everything = slice(0, volume.shape[1]), slice(0, volume.shape[2])

    def place(frame: Frame, index: int) -> tuple[int, slice, slice]:
        found = [known[source] for source in _sources(groups[index]) if source in known] if index < len(groups) else []
        if len(set(found)) != 1 or (frame.rows, frame.columns) != volume.shape[1:3]:
            raise GeometryError(f"frame {frame.number} of the segmentation has no position, and refers to no one slice of the volume")
        return (found[0], *everything)

    return place


def _add(slot: np.ndarray, inside: np.ndarray, number: int, name: str) -> None:
    if taken := np.count_nonzero(slot[inside & (slot != number)]):
        others = sorted(set(slot[inside].tolist()) - {0, number})
        raise GeometryError(
            f"{name}: segment {number} overlaps segments {others} in {taken} voxels of a slice",
            hint="a mask holds one label a voxel: read the segments one by one, with segments=[...]",
        )
    slot[inside] = number
