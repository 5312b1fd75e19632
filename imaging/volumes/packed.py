"""Whether the bytes of pixel data are the frames that the header says: as many, as long, in their order.

pydicom and GDCM take the first bytes of what is too long, one image of several, and whatever a table of offsets points at, without a word.
Sources: DICOM PS3.5 section 8 (bits and bytes of pixels), A.4 (fragments and their tables of offsets).
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from pydicom.encaps import generate_fragments, parse_basic_offsets, parse_fragments
from pydicom.uid import RLELossless

from imaging.errors import ImageDataError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from imaging.volumes.formats import PixelFormat

__all__ = ["PIXEL_NAMES", "bits_of", "check_fragments", "check_length"]

#: Elements that hold pixels.
PIXEL_NAMES = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")

#: What stands in place of a table of offsets that is not needed: an item without bytes.
_NO_TABLE = b"\xfe\xff\x00\xe0\0\0\0\0"

#: How the images of JPEG, JPEG-LS and JPEG 2000 begin.
_BEGINNINGS = (b"\xff\xd8", b"\xff\x4f\xff\x51")

#: A frame beyond this is refused where its stream is less than this share of it: a few bytes may declare any size.
_LARGE_BYTES, _SMALLEST_SHARE = 64 << 20, 1e-4


def check_length(dataset: Dataset, form: PixelFormat) -> None:
    """Refuse uncompressed pixels of another length than the header says; zeros for less than two rows more are padding.

    Parameters
    ----------
    dataset : Dataset
        With its pixels.
    form : PixelFormat
        What its header says.

    Raises
    ------
    ImageDataError
        If there are too few bytes or too many.
    """
    data = next(dataset[name].value or b"" for name in PIXEL_NAMES if name in dataset)
    pixels = form.rows * form.columns * form.frames
    # Two pixels share their colours there (PS3.3 C.7.6.3.1.2).
    bits = 2 * form.allocated if form.photometric == "YBR_FULL_422" else form.samples * form.allocated
    wanted = (pixels * bits + 7) // 8
    more = len(data) - wanted
    if not 0 <= more <= max(form.columns * bits // 4 - 1, 1) or (more > 1 and any(data[wanted:])):
        raise ImageDataError(
            f"Pixel Data (7FE0,0010): found {len(data)} bytes, wanted {wanted} for {form.frames} x {form.rows} x {form.columns}",
            hint="the file is cut short, or its header is another image's",
            code="pixel-count",
        )


def check_fragments(dataset: Dataset, form: PixelFormat) -> None:
    """Refuse fragments that are not the frames that the header says; a table of offsets goes where each fragment is a frame.

    Parameters
    ----------
    dataset : Dataset
        With its compressed pixels; changed.
    form : PixelFormat
        What its header says.

    Raises
    ------
    ImageDataError
        If there are other frames than the header says, or offsets that lead elsewhere.
    """
    data = BytesIO(dataset.PixelData)
    basic = parse_basic_offsets(data)
    begin = data.tell()
    count, places = parse_fragments(data)
    if form.frame_bytes > max(_LARGE_BYTES, (len(dataset.PixelData) - begin) / form.frames / _SMALLEST_SHARE):
        raise _wrong(f"{len(dataset.PixelData)} bytes", f"{form.frames} x {form.frame_bytes} bytes of pixels")
    extended = dataset.get("ExtendedOffsetTable")
    if count == form.frames:
        dataset.PixelData = _NO_TABLE + dataset.PixelData[begin:]
        for name in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
            dataset.pop(name, None)
        return
    offsets = np.frombuffer(extended, "<u8").tolist() if extended else basic
    known = {place - begin for place in places}
    right = len(offsets) == form.frames and offsets[0] == 0 and sorted(set(offsets)) == offsets and known.issuperset(offsets)
    if form.syntax == RLELossless or extended or (offsets and not right):
        raise _wrong(f"{count} fragments and {len(offsets)} offsets", f"one for each of {form.frames} frames, in their order")
    images = sum(fragment.startswith(_BEGINNINGS) for fragment in generate_fragments(data))
    if images > form.frames:
        raise _wrong(f"{images} images", f"{form.frames} frames")


def bits_of(dataset: Dataset, form: PixelFormat, index: int) -> np.ndarray:
    """Return a frame of one bit a pixel; frames follow one another without padding (PS3.5 8.1.1), which pydicom takes for bytes.

    Parameters
    ----------
    dataset : Dataset
        With uncompressed little endian pixels.
    form : PixelFormat
        What its header says.
    index : int
        Frame, from 0.

    Returns
    -------
    ndarray of shape (rows, columns), uint8
        0 and 1.
    """
    size = form.rows * form.columns
    first = index * size
    packed = np.frombuffer(dataset.PixelData, np.uint8)[first // 8 : (first + size + 7) // 8]
    return np.unpackbits(packed, bitorder="little")[first % 8 :][:size].reshape(form.rows, form.columns)


def _wrong(found: str, wanted: str) -> ImageDataError:
    return ImageDataError(
        f"Pixel Data (7FE0,0010): found {found}, wanted {wanted}",
        hint="the header is another image's, or the file was put together wrongly",
        code="pixel-count",
    )
