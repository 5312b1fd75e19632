"""Stored pixels for the reader of text: rendered to 8 bits for it, filled where it found some, and written back without loss."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from imaging.dicom.quiet import quiet
from imaging.errors import ImageDataError
from imaging.geometry.attributes import numbers
from imaging.volumes.pixels import settle_bits, stored_frames

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pydicom.dataset import Dataset

    from imaging.deidentify.pixels_text import Box
    from imaging.volumes.formats import PixelFormat

__all__ = ["fill", "frames", "projections", "renderings", "without_spare_bits", "written"]

_EXPLICIT = "1.2.840.10008.1.2.1"
_BIG = "1.2.840.10008.1.2.2"
_NATIVE = ("1.2.840.10008.1.2", _EXPLICIT, _BIG, "1.2.840.10008.1.2.1.99")
_RLE, _RLE_BITS = "1.2.840.10008.1.2.5", (8, 16)

#: What is black, by Photometric Interpretation (PS3.3 C.7.6.3.1.2), in stored values of 8 bits; 4:2:2 is two luminances and both colours.
_BLACK = {
    "RGB": (0, 0, 0),
    "YBR_FULL": (0, 128, 128),
    "YBR_FULL_422": (0, 0, 128, 128),
    "YBR_PARTIAL_422": (16, 16, 128, 128),
}
#: Two renderings that differ less than this on average (of 255) are read once.
_SAME = 2.0


def frames(path: str, form: PixelFormat, *, coloured: bool = True) -> Iterator[np.ndarray]:
    """Yield every frame of a file as it is stored; a palette applied only where colours are wanted.

    Parameters
    ----------
    path : str
        The file.
    form : PixelFormat
        What its header says.
    coloured : bool, default True
        Whether a palette image is wanted in its colours; its indices otherwise.

    Yields
    ------
    ndarray of shape (rows, columns) or (rows, columns, 3)
        See :func:`imaging.volumes.pixels.stored_frames`.
    """
    plain = form.photometric == "PALETTE COLOR" and not coloured
    yield from stored_frames(path, form._replace(photometric="MONOCHROME2") if plain else form, range(1, form.frames + 1))


def projections(each: Iterable[np.ndarray], count: int) -> list[np.ndarray]:
    """Return few images that hold what any of many frames shows: first, middle, last, and the brightest and darkest of every point.

    Parameters
    ----------
    each : iterable of ndarray
        Frames, read once, one at a time.
    count : int
        How many there are.

    Examples
    --------
    >>> [image.item() for image in projections((np.full((1, 1), value) for value in (3, 1, 7, 5)), 4)]
    [3, 7, 5, 7, 1]
    """
    kept, brightest, darkest = [], None, None
    wanted = {0, count // 2, count - 1}
    for number, frame in enumerate(each):
        if number in wanted:
            kept.append(frame)
        brightest = frame if brightest is None else np.maximum(brightest, frame)
        darkest = frame if darkest is None else np.minimum(darkest, frame)
    return kept if count == 1 else [*kept, brightest, darkest]


def renderings(values: np.ndarray, form: PixelFormat, dataset: Dataset) -> list[np.ndarray]:
    """Return an image as 8 bits, white for what the viewer shows white: its whole range, nearly all of it, and its own window.

    Parameters
    ----------
    values : ndarray of shape (rows, columns) or (rows, columns, 3)
        Stored values.
    form : PixelFormat
        How they are stored.
    dataset : Dataset
        The header, for window and rescale.

    Returns
    -------
    list of ndarray, uint8
        One to three, none like another: text at the end of the range stands out in the first, text as bright as tissue in the others.
    """
    if values.ndim == 3:
        return [_stretched(values, 0, form.limits[1])] if form.stored > 8 else [values.astype(np.uint8)]
    found: list[np.ndarray] = []
    for low, high in filter(None, ((float(values.min()), float(values.max())), _usual(values), _window(values, dataset))):
        image = _stretched(values, low, high)
        if all(np.abs(image.astype(np.int16) - other).mean() > _SAME for other in found):
            found.append(image)
    return [255 - image for image in found] if form.photometric == "MONOCHROME1" else found


def _usual(values: np.ndarray) -> tuple[float, float]:
    """Return between which values all but a hundredth at each end lie."""
    low, high = np.percentile(values[::3, ::3], (1, 99))
    return float(low), float(high)


def _window(values: np.ndarray, dataset: Dataset) -> tuple[float, float] | None:
    """Return the stored values at the ends of the header's window, where it has one that holds any of these values."""
    centre, width = numbers(dataset, "WindowCenter"), numbers(dataset, "WindowWidth")
    if not centre or not width or width[0] <= 1:
        return None
    slope = (numbers(dataset, "RescaleSlope", 1) or (1.0,))[0] or 1.0
    intercept = (numbers(dataset, "RescaleIntercept", 1) or (0.0,))[0]
    low, high = sorted((centre[0] + side * width[0] / 2 - intercept) / slope for side in (-1, 1))
    return (low, high) if low < values.max() and high > values.min() else None


def _stretched(values: np.ndarray, low: float, high: float) -> np.ndarray:
    scaled = (values.astype(np.float32) - low) * (255 / max(high - low, 1e-6))
    return np.clip(scaled, 0, 255).astype(np.uint8)


def fill(values: np.ndarray, boxes: Sequence[Box], value: object) -> np.ndarray:
    """Return a copy of an image with one value within each box.

    Parameters
    ----------
    values : ndarray of shape (rows, columns, ...)
        The image.
    boxes : sequence of Box
        Where.
    value : number or array
        What.
    """
    values = values.copy()
    for box in boxes:
        values[box.top : box.bottom, box.left : box.right] = value
    return values


def written(path: str, dataset: Dataset, form: PixelFormat, boxes: Sequence[Box], ends: tuple[float, float]) -> dict[str, Any]:
    """Return the attributes of an image with its boxes filled in every frame: its pixel data, and what has to say how they stand.

    Uncompressed pixels are changed in place, whatever they mean; compressed ones are decoded and written as RLE, without loss. What the
    header says of an earlier lossy compression stays true, and stays.

    Parameters
    ----------
    path : str
        The file.
    dataset : Dataset
        What was read from it, with its pixel data.
    form : PixelFormat
        How they are stored.
    boxes : sequence of Box
        Where.
    ends : tuple of (float, float)
        Smallest and largest value of a grey image: one of them is what it shows black.

    Returns
    -------
    dict
        By keyword; ``TransferSyntaxUID`` belongs to the file meta information.

    Raises
    ------
    ImageDataError
        If the pixels are of a kind that cannot be filled, or cannot be decoded.
    """
    if form.syntax in _NATIVE:
        return _filled_in_place(path, dataset, form, boxes, ends)
    from pydicom.encaps import encapsulate

    coloured = form.samples == 3
    form = form._replace(photometric="RGB", high=form.stored - 1) if coloured else form._replace(high=form.stored - 1)
    black = _black(path, dataset, form, ends)
    filled = (fill(values, boxes, black).astype(form.dtype) for values in frames(path, form, coloured=False))
    if form.allocated in _RLE_BITS:
        found = {"PixelData": encapsulate([_packed(values, form) for values in filled]), "TransferSyntaxUID": _RLE}
    else:
        found = {"PixelData": b"".join(values.tobytes() for values in filled), "TransferSyntaxUID": _EXPLICIT}
    return found | {"HighBit": form.high} | ({"PhotometricInterpretation": "RGB", "PlanarConfiguration": 0} if coloured else {})


def _packed(values: np.ndarray, form: PixelFormat) -> bytes:
    """Return one frame as RLE Lossless (PS3.5 annex G)."""
    from pydicom.pixels.encoders import RLELosslessEncoder

    about = {
        "rows": form.rows,
        "columns": form.columns,
        "samples_per_pixel": form.samples,
        "photometric_interpretation": form.photometric,
        "bits_allocated": form.allocated,
        "bits_stored": form.stored,
        "pixel_representation": int(form.signed),
        "number_of_frames": 1,
    } | ({"planar_configuration": 0} if form.samples > 1 else {})
    return RLELosslessEncoder.encode(np.ascontiguousarray(values), encoding_plugin="pylibjpeg", **about)


def without_spare_bits(dataset: Dataset, form: PixelFormat) -> bytes | None:
    """Return uncompressed pixel data with nothing in the bits that hold no pixel, or None where nothing is there.

    Overlays lay there until 2004 (PS3.5 section 8.1.2), and anything else can.

    Parameters
    ----------
    dataset : Dataset
        With its pixel data.
    form : PixelFormat
        How they are stored.
    """
    if form.syntax not in _NATIVE or form.stored == form.allocated or form.allocated not in (8, 16, 32) or "PixelData" not in dataset:
        return None
    order = ">" if form.syntax == _BIG else "<"
    raw = np.frombuffer(dataset.PixelData, f"{order}u{form.allocated // 8}")
    bits = ((1 << form.stored) - 1) << (form.high + 1 - form.stored)
    if not (raw & raw.dtype.type((1 << form.allocated) - 1 - bits)).any():
        return None
    kept = raw & raw.dtype.type(bits)
    if form.signed and form.high + 1 == form.stored:
        # A sign carried on to the left of its bit is no other value: many writers do so, and readers that do not mask need it.
        kept = (
            settle_bits(raw.view(raw.dtype.str.replace("u", "i")), form).astype(f"i{form.allocated // 8}").view(f"u{form.allocated // 8}")
        )
        if np.array_equal(kept, raw):
            return None
    return kept.astype(raw.dtype).tobytes()


def _filled_in_place(path: str, dataset: Dataset, form: PixelFormat, boxes: Sequence[Box], ends: tuple[float, float]) -> dict[str, Any]:
    keyword = next(name for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData") if name in dataset)
    data = without_spare_bits(dataset, form) or dataset[keyword].value
    # Big endian words hold two pixels of 8 bits in the other order (PS3.5 section 8.2).
    swapped = form.syntax == _BIG and form.allocated == 8 and dataset[keyword].VR == "OW"
    data = np.frombuffer(data, np.uint16).byteswap().tobytes() if swapped else data
    values = np.frombuffer(data, np.uint8 if form.allocated == 1 else _kind(form)).copy()
    bits = np.unpackbits(values, bitorder="little") if form.allocated == 1 else values
    shape, boxes, last = _layout(dataset, form, boxes)
    count = math.prod(shape)
    if len(bits) < count:
        raise ImageDataError(f"{path}: Pixel Data (7FE0,0010): found {len(bits)} values, wanted {count}", hint="the file is cut short")
    grid = bits[:count].reshape(shape)
    grid = grid if last else np.moveaxis(grid, 1, -1)
    black = _black(path, dataset, form, ends)
    for box in boxes:
        grid[:, box.top : box.bottom, box.left : box.right] = black
    out = (np.packbits(bits, bitorder="little") if form.allocated == 1 else values).tobytes()
    return {keyword: np.frombuffer(out, np.uint16).byteswap().tobytes() if swapped else out}


def _kind(form: PixelFormat) -> np.dtype:
    kind = np.dtype(f"f{form.allocated // 8}") if form.floating else form.dtype
    return kind.newbyteorder(">" if form.syntax == _BIG else "<")


def _layout(dataset: Dataset, form: PixelFormat, boxes: Sequence[Box]) -> tuple[tuple[int, ...], Sequence[Box], bool]:
    """Return the shape in which uncompressed values lie, the boxes in it, and whether a pixel's samples are its last axis."""
    if form.samples == 1:
        return (form.frames, form.rows, form.columns), boxes, True
    if form.photometric.endswith("_422"):
        # Two pixels share their colours, and a box holds both or none.
        halves = [box._replace(left=box.left // 2, right=box.right // 2) for box in boxes]
        return (form.frames, form.rows, form.columns // 2, 4), halves, True
    if (numbers(dataset, "PlanarConfiguration", 1) or (0,))[0] == 1:
        return (form.frames, 3, form.rows, form.columns), boxes, False
    return (form.frames, form.rows, form.columns, 3), boxes, True


def _black(path: str, dataset: Dataset, form: PixelFormat, ends: tuple[float, float]) -> np.ndarray:
    """Return the stored value, or values, of what the viewer shows black."""
    if form.samples == 3 and form.photometric not in _BLACK:
        raise ImageDataError(f"{path}: Photometric Interpretation (0028,0004): found none of {', '.join(_BLACK)}, whose black is known")
    if form.samples == 3:
        return np.asarray(_BLACK[form.photometric]) << (form.stored - 8)
    if form.photometric == "PALETTE COLOR":
        return np.asarray(_darkest(dataset))
    value = ends[form.photometric == "MONOCHROME1"]
    # Where unused bits lie to the right, they are part of what stands in the file.
    return np.asarray(value if form.floating else int(value) << (form.high + 1 - form.stored))


def _darkest(dataset: Dataset) -> int:
    """Return the index of the darkest colour of a palette (PS3.3 C.7.6.3.1.5)."""
    from pydicom.pixels import apply_color_lut

    length, first, _ = numbers(dataset, "RedPaletteColorLookupTableDescriptor", 3) or (256, 0, 0)
    indices = np.arange(int(first), int(first) + (int(length) or 65_536))
    with quiet():
        return int(indices[apply_color_lut(indices.reshape(1, -1), dataset).astype(np.int64).sum(axis=-1).argmin()])
