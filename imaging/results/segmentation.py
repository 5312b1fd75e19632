"""A mask as a DICOM segmentation that refers to the images that it was drawn on (PS3.3 A.51)."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from imaging.dicom.quiet import quiet
from imaging.errors import TaskError
from imaging.measures import labels_over
from imaging.results.segments import NewSeries, declare_own_codes, describe
from imaging.results.sources import labels_by_frame, refused, sources_of

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    import highdicom
    from pydicom.dataset import Dataset

    from imaging.results.segments import Segment
    from imaging.volumes import Volume

__all__ = ["Encoding", "segmentation"]


class Encoding(StrEnum):
    """How a segmentation keeps its masks."""

    #: A bit a pixel and a frame a segment; read by every tool.
    BINARY = "BINARY"
    #: A byte a pixel, all segments in one frame; faster and larger, and unknown to tools older than 2024.
    LABELMAP = "LABELMAP"


def segmentation(
    volume: Volume,
    mask: np.ndarray | Volume,
    segments: Sequence[Segment],
    sources: Iterable[str | os.PathLike[str] | Dataset],
    *,
    encoding: Encoding | str = Encoding.BINARY,
    regrid: bool = False,
    series: NewSeries | None = None,
) -> highdicom.seg.Segmentation:
    """Return a mask as a segmentation image.

    Parameters
    ----------
    volume : Volume
        What the mask was drawn on, with its map of slices.
    mask : ndarray of shape (slices, rows, columns), or Volume
        Labels; 0 is background.
    segments : sequence of Segment
        One for each label. In the file they are numbered from 1 in the order of their labels.
    sources : iterable of path or Dataset
        The files that the volume was read from, or their headers.
    encoding : Encoding
        BINARY unless told otherwise.
    regrid : bool
        Whether the mask is brought back, voxel by nearest voxel, onto the slices that were scanned. Needed for a resampled volume.
    series : NewSeries, optional
        What the new series is called, and what made it.

    Returns
    -------
    highdicom.seg.Segmentation
        A data set for :func:`imaging.results.save`. Frames without a voxel are left out, unless none has any.

    Raises
    ------
    GeometryError
        If the mask lies on another grid, or slices were computed and `regrid` is not set.
    ImageDataError
        If a source is missing, broken or of another series.
    TaskError
        If segments and labels do not agree.

    References
    ----------
    .. [1] DICOM PS3.3, sections A.51 and C.8.20.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> from pydicom.sr.coding import Code
    >>> from imaging.results import ANATOMICAL, Segment
    >>> from imaging.volumes import read_volume
    >>> path = get_testdata_file("CT_small.dcm")
    >>> ct = read_volume([path])
    >>> lung = Segment(label=1, name="Lung", category=ANATOMICAL, kind=Code("39607008", "SCT", "Lung"))
    >>> result = segmentation(ct, ct.array < -500, [lung], [path])
    >>> result.SegmentationType, int(result.NumberOfFrames)
    ('BINARY', 1)
    """
    import highdicom

    chosen = _encoding(encoding)
    ordered = _ordered(segments)
    labels = _numbered(labels_over(volume, mask), ordered)
    found = sources_of(volume, sources, whole=regrid)
    laid = labels_by_frame(volume, labels, found, regrid=regrid)
    with refused("the segmentation"), quiet():
        result = highdicom.seg.Segmentation(
            source_images=found.headers,
            pixel_array=laid,
            segmentation_type=chosen.value,
            segment_descriptions=[describe(segment, number) for number, segment in enumerate(ordered, start=1)],
            content_label="SEGMENTATION",
            **(series or NewSeries()).arguments("Segmentation", 300),
        )
        declare_own_codes(result, ordered)
    return result


def _encoding(encoding: Encoding | str) -> Encoding:
    try:
        return Encoding(encoding)
    except ValueError:
        raise TaskError(f"encoding: found {encoding}, wanted {' or '.join(Encoding)}") from None


def _ordered(segments: Sequence[Segment]) -> list[Segment]:
    ordered = sorted(segments, key=lambda segment: segment.label)
    labels = [segment.label for segment in ordered]
    if not labels or len(set(labels)) < len(labels) or not 1 <= labels[0] <= labels[-1] <= 255:
        raise TaskError(f"segments: found labels {labels}, wanted one segment for each label from 1 to 255")
    return ordered


def _numbered(labels: np.ndarray, ordered: Sequence[Segment]) -> np.ndarray:
    """Return labels as segment numbers, which have no gaps (PS3.3 C.8.20.4)."""
    table = np.zeros(256, np.uint8)
    known = [segment.label for segment in ordered]
    table[known] = np.arange(1, len(known) + 1)
    # Bytes are searched at several times numpy's speed, and not one is widened.
    if unknown := set(labels.tobytes().translate(None, bytes([0, *known]))):
        raise TaskError(f"the mask has labels {sorted(unknown)} that no segment stands for", hint="name them, or set them to 0")
    return labels if known == list(range(1, len(known) + 1)) else table[labels]
