"""Stored pixel values of a file, decoded by its transfer syntax; lossless ones bit for bit.

Uncompressed grey frames are read straight from their place in the file; everything else goes through :mod:`imaging.volumes.decoding`,
in a process of its own where a compressed file may end the process.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from imaging.errors import ImageDataError
from imaging.geometry.attributes import count, present, text
from imaging.volumes.apart import decode_apart
from imaging.volumes.decoding import decode
from imaging.volumes.formats import LITTLE, NATIVE, PixelFormat, settle_bits

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

_BITS = (1, 8, 16, 32, 64)

#: Samples per Pixel -> how their values may be meant (PS3.3 C.7.6.3.1.2); what is left out is retired or no picture.
_MEANT = {
    1: ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"),
    3: ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT"),
}


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
        If bits allocated, bits stored and high bit, or samples and photometric interpretation, do not go together.
    """
    allocated = count(dataset, "BitsAllocated", 16)
    stored = count(dataset, "BitsStored", allocated)
    high = count(dataset, "HighBit", (stored or 1) - 1)
    if allocated not in _BITS or stored is None or high is None or not 0 < stored <= high + 1 <= allocated:
        raise ImageDataError(
            f"Bits Allocated, Bits Stored, High Bit (0028,0100-0102): found {allocated}, {stored}, {high}; "
            "wanted 1, 8, 16, 32 or 64, and the others within",
            hint="the header is broken: ask the sender for the original",
            code="header-value",
        )
    signed = count(dataset, "PixelRepresentation", 0)
    if signed not in (0, 1):
        raise ImageDataError(f"Pixel Representation (0028,0103): found {signed}, wanted 0 or 1", code="header-value")
    samples = count(dataset, "SamplesPerPixel", 1)
    if samples not in _MEANT:
        raise ImageDataError(f"Samples per Pixel (0028,0002): found {samples}, wanted 1 or 3", code="header-value")
    photometric = text(dataset, "PhotometricInterpretation") or "MONOCHROME2"
    if photometric not in _MEANT[samples]:
        raise ImageDataError(
            f"Photometric Interpretation (0028,0004): found another than one of {', '.join(_MEANT[samples])} for {samples} samples a pixel",
            code="header-value",
        )
    if not photometric.startswith("MONOCHROME") and high != stored - 1:
        raise ImageDataError(f"High Bit (0028,0102): found {high} for colours of {stored} bits, wanted {stored - 1}", code="header-value")
    syntax = text(getattr(dataset, "file_meta", dataset), "TransferSyntaxUID") or LITTLE[0]
    return PixelFormat(
        rows=count(dataset, "Rows"),
        columns=count(dataset, "Columns"),
        samples=samples,
        frames=count(dataset, "NumberOfFrames", 1),
        allocated=allocated,
        stored=stored,
        high=high,
        signed=signed == 1,
        photometric=photometric,
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
    yield from (decode if form.syntax in NATIVE else decode_apart)(path, form, numbers)


def _plain_offset(path: str, form: PixelFormat) -> int | None:
    """Return where uncompressed grey pixels begin when they are the last element of the file, as they nearly always are."""
    grey = not form.floating and form.samples == 1 and form.photometric.startswith("MONOCHROME") and form.allocated in (8, 16, 32)
    if form.syntax not in LITTLE or not grey:
        return None
    size = form.frame_bytes * form.frames
    size += size % 2
    tag, length = b"\xe0\x7f\x10\x00", size.to_bytes(8, "little")[:4]
    wanted = (tag + length,) if form.syntax == LITTLE[0] else (tag + b"OW\0\0" + length, tag + b"OB\0\0" + length)
    with open(path, "rb") as stream:  # noqa: PTH123 - a path of bytes that are no UTF-8 is no Path's business
        start = os.fstat(stream.fileno()).st_size - size
        before = len(wanted[0])
        if start <= before or size > 0xFFFFFFFE:
            return None
        stream.seek(start - before)
        return start if stream.read(before) in wanted else None
