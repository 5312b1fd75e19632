"""Stored pixel values of a file, decoded by its transfer syntax; lossless ones bit for bit.

Uncompressed grey frames are read straight from their place in the file; everything else goes through pydicom's decoders (GDCM,
pylibjpeg, pyjpegls), and JPEG Extended of 12 bits, which none of them reads, through SimpleITK.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from pydicom.uid import UID

from imaging.dicom.quiet import quiet
from imaging.dicom.reading import open_bounded
from imaging.errors import ImageDataError
from imaging.geometry.attributes import count, present, text
from imaging.volumes.jpeg12 import JPEG_EXTENDED, decode_jpeg12

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydicom.dataset import Dataset

__all__ = ["TOP_LEVEL", "PixelFormat", "pixel_format", "settle_bits", "stored_frames"]

#: Attributes that a reader has to keep for :func:`pixel_format`.
TOP_LEVEL = (
    "SamplesPerPixel",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PhotometricInterpretation",
    "NumberOfFrames",
)

_LITTLE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")
_BITS = (1, 8, 16, 32, 64)


class PixelFormat(NamedTuple):
    """How one file's pixels are stored (PS3.5 section 8).

    Parameters
    ----------
    rows, columns, samples, frames : int
        Size.
    allocated, stored, high : int
        Bits Allocated, Bits Stored, High Bit.
    signed : bool
        Pixel Representation.
    photometric : str
        Photometric Interpretation.
    syntax : str
        Transfer Syntax UID.
    floating : bool
        Whether values are floats (Float Pixel Data): such an image has no Bits Stored.
    """

    rows: int
    columns: int
    samples: int
    frames: int
    allocated: int
    stored: int
    high: int
    signed: bool
    photometric: str
    syntax: str
    floating: bool = False

    @property
    def frame_bytes(self) -> int:
        """Bytes of one uncompressed frame."""
        return self.rows * self.columns * self.samples * self.allocated // 8

    @property
    def dtype(self) -> np.dtype:
        """Type of stored values, little endian."""
        return np.dtype(f"<{'i' if self.signed else 'u'}{max(self.allocated, 8) // 8}")

    @property
    def limits(self) -> tuple[int, int]:
        """Smallest and largest stored value."""
        return (-(1 << self.stored - 1), (1 << self.stored - 1) - 1) if self.signed else (0, (1 << self.stored) - 1)


def pixel_format(dataset: Dataset) -> PixelFormat:
    """Return how the pixels of a file are stored.

    Parameters
    ----------
    dataset : Dataset
        Header with its file meta information.

    Returns
    -------
    PixelFormat
        The format.

    Raises
    ------
    ImageDataError
        If bits allocated, bits stored and high bit do not go together.
    """
    allocated = count(dataset, "BitsAllocated", 16)
    stored = count(dataset, "BitsStored", allocated)
    high = count(dataset, "HighBit", (stored or 1) - 1)
    if allocated not in _BITS or stored is None or high is None or not 0 < stored <= high + 1 <= allocated:
        raise ImageDataError(
            f"Bits Allocated, Bits Stored, High Bit: found {allocated}, {stored}, {high}; wanted 1, 8, 16, 32 or 64, and the others within",
            hint="the header is broken: ask the sender for the original",
        )
    samples = count(dataset, "SamplesPerPixel", 1)
    if samples not in (1, 3):
        raise ImageDataError(f"Samples per Pixel (0028,0002): found {samples}, wanted 1 or 3")
    syntax = text(getattr(dataset, "file_meta", dataset), "TransferSyntaxUID") or _LITTLE[0]
    return PixelFormat(
        rows=count(dataset, "Rows"),
        columns=count(dataset, "Columns"),
        samples=samples,
        frames=count(dataset, "NumberOfFrames", 1),
        allocated=allocated,
        stored=stored,
        high=high,
        signed=count(dataset, "PixelRepresentation", 0) == 1,
        photometric=text(dataset, "PhotometricInterpretation") or "MONOCHROME2",
        syntax=syntax,
        floating=not present(dataset, "BitsStored") and allocated >= 32,
    )


def stored_frames(path: str, form: PixelFormat, numbers: Sequence[int]) -> Iterator[np.ndarray]:
    """Yield the stored values of some frames of a file.

    Parameters
    ----------
    path : str
        The file.
    form : PixelFormat
        What its header says.
    numbers : sequence of int
        Frames, counted from 1, in the order in which they are wanted.

    Yields
    ------
    ndarray of shape (rows, columns) or (rows, columns, 3)
        As stored, unused bits cleared and signs extended; colours as RGB, a palette applied.

    Raises
    ------
    ImageDataError
        If pixel data are missing, short, or cannot be decoded.
    """
    offset = _plain_offset(path, form)
    if offset is not None:
        for number in numbers:
            at = offset + (number - 1) * form.frame_bytes
            flat = np.fromfile(path, form.dtype, form.rows * form.columns, offset=at)
            yield settle_bits(flat, form).reshape(form.rows, form.columns)
        return
    dataset = open_bounded(path, pixels=True)
    if not any(name in dataset for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise ImageDataError(f"{path}: found no pixel data, wanted {form.frames} frames", hint="the file is a header only")
    for number in numbers:
        yield _decoded(path, dataset, form, number - 1)


def settle_bits(values: np.ndarray, form: PixelFormat) -> np.ndarray:
    """Clear the bits that hold no pixel (PS3.5 section 8.1.1; old overlays lie there) and extend the sign; in place where it can.

    Parameters
    ----------
    values : ndarray
        As they stand in the file.
    form : PixelFormat
        Which bits are the pixel's.

    Examples
    --------
    >>> form = PixelFormat(1, 2, 1, 1, 16, 12, 11, True, "MONOCHROME2", "")
    >>> settle_bits(np.array([0x0FFF, 0x1001], "<i2"), form).tolist()
    [-1, 1]
    """
    spare = form.allocated - form.stored
    if spare == 0 or values.dtype.kind not in "iu" or values.dtype.itemsize * 8 != form.allocated:
        return values
    left = form.allocated - 1 - form.high
    return (values << left) >> spare


def _plain_offset(path: str, form: PixelFormat) -> int | None:
    """Return where uncompressed grey pixels begin when they are the last element of the file, as they nearly always are."""
    grey = not form.floating and form.samples == 1 and form.photometric.startswith("MONOCHROME") and form.allocated in (8, 16, 32)
    if form.syntax not in _LITTLE or not grey:
        return None
    size = form.frame_bytes * form.frames
    size += size % 2
    tag, length = b"\xe0\x7f\x10\x00", size.to_bytes(8, "little")[:4]
    wanted = (tag + length,) if form.syntax == _LITTLE[0] else (tag + b"OW\0\0" + length, tag + b"OB\0\0" + length)
    with open(path, "rb") as stream:  # noqa: PTH123 - a path of bytes that are no UTF-8 is no Path's business
        start = os.fstat(stream.fileno()).st_size - size
        before = len(wanted[0])
        if start <= before or size > 0xFFFFFFFE:
            return None
        stream.seek(start - before)
        return start if stream.read(before) in wanted else None


def _decoded(path: str, dataset: Dataset, form: PixelFormat, index: int) -> np.ndarray:
    from pydicom.pixels import apply_color_lut, get_decoder

    try:
        if form.syntax == JPEG_EXTENDED and form.stored > 8:
            return decode_jpeg12(dataset, form.rows, form.columns, form.stored, index, form.frames)
        with quiet():
            values = get_decoder(UID(form.syntax)).as_array(dataset, index=index)[0]
            if form.photometric == "PALETTE COLOR":
                values = apply_color_lut(values, dataset)
                return (values >> 8).astype(np.uint8) if values.dtype.itemsize > 1 else values
    except ImageDataError:
        raise
    except MemoryError as error:
        raise ImageDataError(f"{path}: frame {index + 1} does not fit into memory") from error
    except Exception as error:
        # Decoders raise whatever their libraries do, some with values of the header in the text.
        raise ImageDataError(
            f"{path}: frame {index + 1} cannot be decoded ({type(error).__name__}) from transfer syntax {form.syntax}",
            hint="the file is cut short or broken, or its syntax needs a decoder that is not installed",
        ) from error
    wanted = (form.rows, form.columns, form.samples)[: 3 if form.samples > 1 else 2]
    if values.shape != wanted:
        raise ImageDataError(f"{path}: frame {index + 1} has shape {values.shape}, its header says {wanted}")
    return settle_bits(values, form) if form.samples == 1 else values
