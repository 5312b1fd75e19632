"""One frame of an image: where it lies, how it is sampled, and what tells it from its neighbours.

From plain images (PS3.3 C.7.6.2, Image Plane), from enhanced multi-frame images (PS3.3 C.7.6.16, functional groups shared and per
frame) and from dose grids (PS3.3 C.8.8.3). All positions and directions are in the patient's coordinates (LPS), in mm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from operator import mul
from typing import TYPE_CHECKING, NamedTuple

from pydicom.datadict import keyword_for_tag

from imaging.errors import ImageDataError
from imaging.geometry.attributes import count, items, named, numbers, parts, present, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom.dataset import Dataset

__all__ = ["DIMENSIONS", "MAX_FRAMES", "SEQUENCES", "TOP_LEVEL", "Dimension", "Frame", "frames_of"]

#: More frames in one file are taken for a broken header, before memory is spent on them.
MAX_FRAMES = 65_536

#: How far direction cosines may be from unit length and from a right angle before they are no orientation (highdicom: 1e-3).
_COSINE = 1e-3

#: Lengths beyond a kilometre or below a nanometre are broken values.
_LARGEST_MM, _SMALLEST_MM = 1e6, 1e-6

#: A normal that is so near to the z axis lies on it, and positions so near to each other are one.
_AXIAL, _SAME_PLACE_MM = 1e-6, 1e-3

Vector = tuple[float, float, float]


class Dimension(NamedTuple):
    """Something along which a scanner repeats the same position.

    Parameters
    ----------
    keyword : str
        The attribute.
    groups : tuple of str
        In an enhanced image, the sequences that lead to it.
    clock : bool
        Whether its values run with time, so that their rank within a position tells the phase.
    apart : bool
        Whether frames that differ in it are never one volume, even where no position is taken twice.
    """

    keyword: str
    groups: tuple[str, ...] = ()
    clock: bool = False
    apart: bool = False


#: In the order in which they are preferred where more than one explains the repetition.
DIMENSIONS = (
    Dimension("ReferencedSegmentNumber", ("SegmentIdentificationSequence",), apart=True),
    Dimension("TemporalPositionIdentifier"),
    Dimension("TemporalPositionIndex", ("FrameContentSequence",)),
    Dimension("DiffusionBValue", ("MRDiffusionSequence",), apart=True),
    Dimension("DiffusionGradientOrientation", ("MRDiffusionSequence", "DiffusionGradientDirectionSequence")),
    Dimension("EchoTime", apart=True),
    Dimension("EffectiveEchoTime", ("MREchoSequence",), apart=True),
    Dimension("EchoNumbers", apart=True),
    Dimension("InversionTime"),
    Dimension("FlipAngle"),
    Dimension("NominalPercentageOfCardiacPhase", ("CardiacSynchronizationSequence",)),
    Dimension("NominalCardiacTriggerDelayTime", ("CardiacSynchronizationSequence",), clock=True),
    Dimension("ImageType"),
    Dimension("FrameType", ("MRImageFrameTypeSequence",)),
    Dimension("FrameType", ("CTImageFrameTypeSequence",)),
    Dimension("ComplexImageComponent", ("MRImageFrameTypeSequence",), apart=True),
    Dimension("AcquisitionNumber"),
    Dimension("ConvolutionKernel", apart=True),
    Dimension("ConvolutionKernel", ("CTReconstructionSequence",), apart=True),
    Dimension("KVP", apart=True),
    Dimension("KVP", ("CTXRayDetailsSequence",), apart=True),
    Dimension("TriggerTime", clock=True),
    Dimension("AcquisitionTime", clock=True),
    Dimension("ContentTime", clock=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame.

    Parameters
    ----------
    rows, columns : int
        Its size in pixels.
    position : tuple of 3 float or None
        Centre of the first pixel in LPS mm (Image Position (Patient)).
    orientation : tuple of 6 float or None
        Unit vectors along a row (towards higher columns) and down a column (towards higher rows).
    spacing_mm : tuple of 2 float or None
        Between rows, then between columns, in the patient (Pixel Spacing).
    detector_mm : tuple of 2 float or None
        The same at the detector (Imager Pixel Spacing): not millimetres of the patient.
    thickness_mm, stated_mm : float or None
        Slice Thickness; Spacing Between Slices, which is compared with the positions and never used.
    instance : str
        SOP Instance UID.
    number : int
        Frame number within the instance, from 1.
    series, frame_of_reference, stack : str
        UIDs, and Stack ID of an enhanced image.
    image_type : tuple of str
        Image Type, or Frame Type of the frame.
    photometric : str
        Photometric Interpretation.
    samples : int
        Samples per Pixel.
    multi_frame : bool
        Whether its instance holds frames in the plural, or functional groups.
    dimensions : dict
        Name -> value of those of :data:`DIMENSIONS` that the header has.
    faults : tuple of str
        Codes of what could not be read: position_unreadable, orientation_unreadable, orientation_invalid, spacing_invalid.
    """

    rows: int
    columns: int
    position: Vector | None = None
    orientation: tuple[float, ...] | None = None
    spacing_mm: tuple[float, float] | None = None
    detector_mm: tuple[float, float] | None = None
    thickness_mm: float | None = None
    stated_mm: float | None = None
    instance: str = ""
    number: int = 1
    series: str = ""
    frame_of_reference: str = ""
    stack: str = ""
    image_type: tuple[str, ...] = ()
    photometric: str = "MONOCHROME2"
    samples: int = 1
    multi_frame: bool = False
    dimensions: dict[str, object]
    faults: tuple[str, ...] = ()


#: Sequences that hold what a frame needs; SEQUENCES and TOP_LEVEL together are what a reader has to keep of a header.
SEQUENCES = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "DimensionIndexSequence")
TOP_LEVEL = (
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "ImageType"),
    *("SOPInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"),
    *("SliceThickness", "SpacingBetweenSlices", "GridFrameOffsetVector"),
    *dict.fromkeys(dimension.keyword for dimension in DIMENSIONS),
)


def frames_of(dataset: Dataset) -> list[Frame]:
    """Return the frames of an image from its header; pixels are not touched.

    Parameters
    ----------
    dataset : Dataset
        Header of one instance; only :data:`TOP_LEVEL` and :data:`SEQUENCES` are read.

    Returns
    -------
    list of Frame
        In the order in which their pixels are stored.

    Raises
    ------
    ImageDataError
        If rows, columns or the number of frames are missing or impossible, or functional groups are not as many as frames.

    Examples
    --------
    >>> from pydicom.dataset import Dataset
    >>> dataset = Dataset()
    >>> dataset.Rows, dataset.Columns, dataset.ImagePositionPatient = 4, 4, [0, 0, 12.5]
    >>> frames_of(dataset)[0].position
    (0.0, 0.0, 12.5)
    """
    rows, columns = _whole(dataset, "Rows", 65_535), _whole(dataset, "Columns", 65_535)
    total = _whole(dataset, "NumberOfFrames", MAX_FRAMES, default=1)
    groups = items(dataset, "PerFrameFunctionalGroupsSequence")
    shared = next(iter(items(dataset, "SharedFunctionalGroupsSequence")), None)
    common = {
        "rows": rows,
        "columns": columns,
        "instance": text(dataset, "SOPInstanceUID"),
        "series": text(dataset, "SeriesInstanceUID"),
        "frame_of_reference": text(dataset, "FrameOfReferenceUID"),
        "photometric": text(dataset, "PhotometricInterpretation") or "MONOCHROME2",
        "samples": _whole(dataset, "SamplesPerPixel", 4, default=1),
        "multi_frame": total > 1 or bool(groups),
    }
    if not groups:
        return [Frame(**common, number=number, **values) for number, values in enumerate(_plain(dataset, total), 1)]
    if len(groups) != total:
        raise ImageDataError(
            f"Per-Frame Functional Groups (5200,9230): found {len(groups)} items, wanted one for each of {total} frames", code="pixel-count"
        )
    indices = _dimension_indices(dataset)
    return [
        Frame(**common, number=number, **_functional(_Groups(dataset, shared, group), indices)) for number, group in enumerate(groups, 1)
    ]


def _whole(dataset: Dataset, keyword: str, most: int, default: int | None = None) -> int:
    found = count(dataset, keyword, default)
    if found is None or not 1 <= found <= most:
        what = "nothing" if not present(dataset, keyword) else "another value" if found is None else str(found)
        raise ImageDataError(
            f"{named(keyword)}: found {what}, wanted a whole number from 1 to {most}",
            hint="the file is no image, or is broken",
            code="header-value",
        )
    return found


def _plain(dataset: Dataset, total: int) -> Iterator[dict]:
    """Yield the frames of an image without functional groups; of several frames only a dose grid's have positions."""
    values = _plane(dataset, dataset, dataset) | {"image_type": _image_type(dataset)}
    values["dimensions"] = {name: value for name in _DIMENSION_NAMES if name in dataset and (value := _value(dataset, name)) is not None}
    if total == 1:
        yield values
        return
    offsets = numbers(dataset, "GridFrameOffsetVector", total)
    for index in range(total):
        yield values | {"position": _of_dose(values, offsets[index], offsets[0]) if offsets else None}


def _of_dose(values: dict, offset_mm: float, first_mm: float) -> Vector | None:
    """Return the position of a plane of a dose grid: relative offsets begin at 0, absolute ones with z (PS3.3 C.8.8.3.2)."""
    position, orientation = values["position"], values["orientation"]
    if position is None or orientation is None:
        return None
    (a, b, c), (d, e, f) = orientation[:3], orientation[3:]
    normal = (b * f - c * e, c * d - a * f, a * e - b * d)
    if first_mm == 0:
        return tuple(start + offset_mm * direction for start, direction in zip(position, normal, strict=True))
    absolute = abs(abs(normal[2]) - 1) < _AXIAL and abs(first_mm - position[2]) < _SAME_PLACE_MM
    return (*position[:2], offset_mm) if absolute else None


class _Groups:
    """The functional groups of one frame: its own before the shared ones, and the top level where there is neither."""

    def __init__(self, dataset: Dataset, shared: Dataset | None, own: Dataset) -> None:
        self.dataset, self.shared, self.own = dataset, shared, own

    def find(self, *path: str) -> Dataset | None:
        """Return the item at the end of a path of sequences."""
        for place in (self.own, self.shared):
            for name in path:
                place = next(iter(items(place, name)), None) if place is not None else None
            if place is not None:
                return place
        return None

    def holder(self, sequence: str, keyword: str) -> Dataset:
        """Return what holds an attribute of a group."""
        found = self.find(sequence)
        return found if found is not None and present(found, keyword) else self.dataset


def _functional(groups: _Groups, indices: list[str]) -> dict:
    measures = groups.holder("PixelMeasuresSequence", "PixelSpacing")
    values = _plane(
        groups.holder("PlanePositionSequence", "ImagePositionPatient"),
        groups.holder("PlaneOrientationSequence", "ImageOrientationPatient"),
        measures,
    )
    content = groups.find("FrameContentSequence")
    found = {}
    for dimension in DIMENSIONS:
        place = groups.find(*dimension.groups) if dimension.groups else groups.dataset
        value = _value(place, dimension.keyword) if place is not None else None
        if value is not None:
            found[dimension.keyword] = value
    own = parts(content, "DimensionIndexValues") if content is not None else []
    if len(own) == len(indices):
        found |= {f"DimensionIndex:{name}": (float(value),) for name, value in zip(indices, own, strict=True)}
    frame_type = found.get("FrameType") or _image_type(groups.dataset)
    return values | {"dimensions": found, "image_type": frame_type, "stack": text(content, "StackID") if content is not None else ""}


def _plane(position: Dataset, orientation: Dataset, measures: Dataset) -> dict:
    """Read position, orientation and spacing, each from where it stands."""
    faults = []
    place = numbers(position, "ImagePositionPatient", 3)
    if place is not None and max(map(abs, place)) > _LARGEST_MM:
        place = None
    if place is None and present(position, "ImagePositionPatient"):
        faults.append("position_unreadable")
    cosines = numbers(orientation, "ImageOrientationPatient", 6)
    if cosines is None and present(orientation, "ImageOrientationPatient"):
        faults.append("orientation_unreadable")
    if cosines is not None and (cosines := _unit(cosines)) is None:
        faults.append("orientation_invalid")
    spacing = _positive(measures, "PixelSpacing", 2)
    if spacing is None and present(measures, "PixelSpacing"):
        faults.append("spacing_invalid")
    thickness, stated = _positive(measures, "SliceThickness", 1), numbers(measures, "SpacingBetweenSlices", 1)
    return {
        "position": place,
        "orientation": cosines,
        "spacing_mm": spacing,
        "detector_mm": _positive(measures, "ImagerPixelSpacing", 2) or _positive(measures, "NominalScannedPixelSpacing", 2),
        "thickness_mm": thickness[0] if thickness else None,
        "stated_mm": abs(stated[0]) if stated else None,
        "faults": tuple(faults),
    }


@lru_cache(maxsize=256)
def _unit(cosines: tuple[float, ...]) -> tuple[float, ...] | None:
    """Return direction cosines at exactly unit length, or None where they are no pair of perpendicular unit vectors."""
    row, column = cosines[:3], cosines[3:]
    lengths = math.hypot(*row), math.hypot(*column)
    if any(abs(length - 1) > _COSINE for length in lengths) or abs(sum(map(mul, row, column))) > _COSINE:
        return None
    return tuple(value / length for vector, length in zip((row, column), lengths, strict=True) for value in vector)


def _positive(dataset: Dataset, keyword: str, length: int) -> tuple[float, ...] | None:
    found = numbers(dataset, keyword, length)
    return found if found and min(found) >= _SMALLEST_MM and max(found) <= _LARGEST_MM else None


def _value(dataset: Dataset, keyword: str) -> tuple[float, ...] | tuple[str, ...] | None:
    """Return numbers where the attribute is numeric, so that 30 and 30.0 are one echo time, else its texts."""
    return numbers(dataset, keyword) or (tuple(map(str, parts(dataset, keyword))) if present(dataset, keyword) else None)


def _image_type(dataset: Dataset) -> tuple[str, ...]:
    return tuple(map(str, parts(dataset, "ImageType")))


def _dimension_indices(dataset: Dataset) -> list[str]:
    """Return the names of what an enhanced image says it is ordered by (PS3.3 C.7.6.17)."""
    pointers = [parts(item, "DimensionIndexPointer") for item in items(dataset, "DimensionIndexSequence")]
    found = [pointer[0] if pointer and isinstance(pointer[0], int) else 0 for pointer in pointers]
    return [keyword_for_tag(tag) or f"{tag:08X}" for tag in found]


#: Plain images have at their top level what enhanced ones have in groups, b-values for instance.
_DIMENSION_NAMES = tuple(dict.fromkeys(dimension.keyword for dimension in DIMENSIONS))
