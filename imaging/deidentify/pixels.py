"""Text burned into pixels: found by reading the image, blacked out, and looked for again; what still shows any is not let out.

Which images are read is said by :data:`imaging.deidentify.pixels_rules.RULES`. All text that is found goes, but technical markers; what
is known of the patient goes in any case. Every pixel outside the boxes keeps its stored value (DICOM PS3.15 E.3.1, Clean Pixel Data).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from imaging.deidentify.pixels_rules import READ, SCREEN, SKIP, may_stay, names_someone, rule_for
from imaging.deidentify.pixels_stored import fill, frames, projections, renderings, without_spare_bits, written
from imaging.deidentify.pixels_text import Box, has_strokes, read_text
from imaging.errors import ImageDataError, TaskError
from imaging.volumes.pixels import pixel_format

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import numpy as np
    from pydicom.dataset import Dataset

    from imaging.deidentify.pixels_rules import Rule
    from imaging.deidentify.pixels_text import Reader
    from imaging.volumes.formats import PixelFormat

__all__ = ["OUTCOMES", "SETTLES", "PixelPolicy", "PixelResult", "Settled", "apply_pixels", "clean_pixels", "settle"]

#: What can become of an image's pixels.
OUTCOMES = {
    "no-pixels": "there are none",
    "not-read": "the rule says that such an image is not read",
    "no-strokes": "nothing in the image is as sharp as drawn text",
    "clean": "read, nothing to remove",
    "redacted": "text was removed, and a second reading found none",
    "quarantined": "it may not be let out",
}

#: What settles whether and how an image is read: SOP Class, Image Type, Conversion Type, Burned In Annotation, and how pixels stand.
SETTLES = (
    *(0x00080016, 0x00080008, 0x00080064, 0x00280301),
    *(0x00280002, 0x00280004, 0x00280008, 0x00280010, 0x00280011, 0x00280100, 0x00280101, 0x00280102, 0x00280103),
)

#: A second reading may find what the first text hid; after this many the image is given up.
_READINGS = 4
#: A box reaches beyond what was read by these shares of a character's height, across and along the line, and at least some pixels: the
#: reader cuts the last stroke, or half the last character.
_ACROSS, _ALONG, _PAD = 0.2, 1.0, 3


@dataclass(frozen=True, kw_only=True)
class PixelPolicy:
    """How pixels are cleaned.

    Parameters
    ----------
    reading : str, default "suspect"
        "suspect" follows the rules; "all" reads every image; "none" reads no image.
    markers : bool, default True
        Whether technical markers (laterality, exposure, scale) may stay.

    Raises
    ------
    TaskError
        If `reading` is another word.
    """

    reading: str = "suspect"
    markers: bool = True

    def __post_init__(self) -> None:
        if self.reading not in ("suspect", "all", "none"):
            raise TaskError("reading of burned-in text: found another word", hint="one of: suspect, all, none")


class PixelResult(NamedTuple):
    """What became of an image's pixels; no word that was read is in it.

    Parameters
    ----------
    outcome : str
        A key of :data:`OUTCOMES`.
    rule : str
        Name of the rule that decided on the reading.
    boxes : tuple of Box
        What was blacked out, in every frame.
    readings : int
        How often the image was read.
    reason : str
        Of a quarantine: "text-left", or "undecodable" for pixels that cannot be read or filled.
    attributes : dict
        What changes in the data set, by keyword; see :func:`apply_pixels`.
    """

    outcome: str
    rule: str
    boxes: tuple[Box, ...] = ()
    readings: int = 0
    reason: str = ""
    attributes: dict[str, Any] = {}  # noqa: RUF012 - never changed


class Settled(NamedTuple):
    """What the header says of the reading of an image; the same for most files of a series.

    Parameters
    ----------
    rule : Rule
        That the image falls under.
    form : PixelFormat, optional
        How its pixels are stored; None where the header does not say so.
    """

    rule: Rule
    form: PixelFormat | None


def settle(dataset: Dataset) -> Settled:
    """Return what a header says of the reading of an image.

    Parameters
    ----------
    dataset : Dataset
        At least :data:`SETTLES`, with the file meta information.
    """
    try:
        form = pixel_format(dataset)
    except ImageDataError:
        form = None
    return Settled(rule_for(dataset), form if form and form.rows and form.columns and form.frames else None)


def clean_pixels(
    path: str,
    dataset: Dataset,
    *,
    policy: PixelPolicy | None = None,
    identifiers: Collection[str] = (),
    reader: Reader = read_text,
    settled: Settled | None = None,
) -> PixelResult:
    """Find burned-in text of one file and return pixels without it.

    Parameters
    ----------
    path : str
        The file as it came.
    dataset : Dataset
        What was read from it, with its pixel data and file meta information; not changed.
    policy : PixelPolicy, optional
        What is read, and what may stay.
    identifiers : collection of str
        What is known of the patient, in every spelling that could be met; goes even where it looks like a marker.
    reader : callable
        Takes an image of 8 bits and returns its texts; see :func:`imaging.deidentify.pixels_text.read_text`.
    settled : Settled, optional
        What :func:`settle` returned for a file with the same header.

    Returns
    -------
    PixelResult
        What was done, and what has to be written.
    """
    policy = policy or PixelPolicy()
    rule, form = settled or settle(dataset)
    if not any(name in dataset for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        return PixelResult("no-pixels", rule.name)
    if form is None:
        return PixelResult("quarantined", rule.name, reason="undecodable")
    try:
        spare = without_spare_bits(dataset, form)
        attributes = {} if spare is None else {"PixelData": spare}
        reading = {"all": READ, "none": SKIP}.get(policy.reading, rule.reading)
        if reading == SKIP:
            return PixelResult("not-read", rule.name, attributes=attributes)
        images = projections(frames(path, form), form.frames)
        if reading == SCREEN and not any(map(has_strokes, images)):
            return PixelResult("no-strokes", rule.name, attributes=attributes)
        boxes, readings = _boxes(images, form, dataset, policy, identifiers, reader)
        if boxes is None:
            return PixelResult("quarantined", rule.name, readings=readings, reason="text-left")
        attributes["BurnedInAnnotation"] = "NO"
        if not boxes:
            return PixelResult("clean", rule.name, readings=readings, attributes=attributes)
        ends = (min(float(image.min()) for image in images), max(float(image.max()) for image in images))
        attributes |= written(path, dataset, form, boxes, ends)
        return PixelResult("redacted", rule.name, boxes, readings, attributes=attributes)
    except ImageDataError:
        return PixelResult("quarantined", rule.name, reason="undecodable")


def _boxes(
    images: Sequence[np.ndarray], form: PixelFormat, dataset: Dataset, policy: PixelPolicy, identifiers: Collection[str], reader: Reader
) -> tuple[tuple[Box, ...] | None, int]:
    """Return what has to go, and how often the images were read; None where text is still found after the last reading."""
    boxes: list[Box] = []
    for reading in range(1, _READINGS + 1):
        found = [
            _padded(text.box, form)
            for image in images
            for view in renderings(image, form, dataset)
            for text in reader(view)
            if names_someone(text.words, identifiers) or not (policy.markers and may_stay(text.words))
        ]
        if not found:
            return _outermost(boxes), reading
        boxes += found
        images = [fill(image, found, _dark(image, form)) for image in images]
    return None, _READINGS


def _outermost(boxes: Sequence[Box]) -> tuple[Box, ...]:
    """Return the boxes that lie in no other."""
    different = list(dict.fromkeys(boxes))
    return tuple(box for box in different if not any(_lies_in(box, other) for other in different if other is not box))


def _lies_in(box: Box, other: Box) -> bool:
    return other.left <= box.left and other.top <= box.top and box.right <= other.right and box.bottom <= other.bottom


def _dark(image: np.ndarray, form: PixelFormat) -> float:
    """Return black in an image as it was decoded."""
    return 0 if image.ndim == 3 else image.max() if form.photometric == "MONOCHROME1" else image.min()


def _padded(box: Box, form: PixelFormat) -> Box:
    wide, high = box.right - box.left, box.bottom - box.top
    by_x, by_y = (max(_PAD, round(share * min(wide, high))) for share in ((_ALONG, _ACROSS) if wide >= high else (_ACROSS, _ALONG)))
    left, right = max(box.left - by_x, 0), min(box.right + by_x, form.columns)
    if form.photometric.endswith("_422"):
        left, right = left - left % 2, min(right + right % 2, form.columns)
    return Box(left, max(box.top - by_y, 0), right, min(box.bottom + by_y, form.rows))


def apply_pixels(dataset: Dataset, result: PixelResult) -> None:
    """Write what :func:`clean_pixels` found into a data set.

    Parameters
    ----------
    dataset : Dataset
        With its file meta information; changed.
    result : PixelResult
        What has to change.
    """
    for keyword, value in result.attributes.items():
        setattr(dataset.file_meta if keyword == "TransferSyntaxUID" else dataset, keyword, value)
    if "PixelData" in result.attributes:
        dataset["PixelData"].is_undefined_length = dataset.file_meta.TransferSyntaxUID.is_compressed
        if dataset["PixelData"].is_undefined_length:
            dataset["PixelData"].VR = "OB"
