"""Frames through pydicom's decoders (GDCM, pylibjpeg, pyjpegls); JPEG Extended of 12 bits, which none of them reads, through SimpleITK.

As a program (``python -m imaging.volumes.decoding``) it answers :mod:`imaging.volumes.apart`: a line of JSON asks, a line of JSON and the
bytes of a frame answer, for each frame. GDCM ends its process on some broken JPEG streams; then it is this one that ends.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydicom.uid import UID, RLELossless

from imaging.dicom.quiet import quiet
from imaging.dicom.reading import open_bounded
from imaging.dicom.structure import DEFLATED
from imaging.errors import ImageDataError
from imaging.volumes.formats import LITTLE, NATIVE, PixelFormat, settle_bits
from imaging.volumes.jpeg12 import JPEG_EXTENDED, decode_jpeg12
from imaging.volumes.packed import PIXEL_NAMES, bits_of, check_fragments, check_length

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydicom.dataset import Dataset

__all__ = ["decode"]

#: Address space of the program beyond what it has at first, and what a decoder may take for a byte of a frame: a small stream may
#: declare a huge image.
_WORKING_BYTES, _FRAME_COPIES, _MOST_BYTES = 1 << 30, 16, 16 << 30

#: Where bits beside the pixel's may hold something else; what other streams hold is the pixel's alone.
_SPARE_BITS = (*NATIVE, RLELossless)


def decode(path: str, form: PixelFormat, numbers: Sequence[int]) -> Iterator[np.ndarray]:
    """Yield what :func:`imaging.volumes.pixels.stored_frames` yields, in this process, through a decoder.

    Parameters
    ----------
    path, form, numbers : object
        See there.

    Yields
    ------
    ndarray
        See there.

    Raises
    ------
    ImageDataError
        If pixel data are missing, are not what the header says, or cannot be decoded.
    """
    dataset = open_bounded(path, pixels=True)
    if not any(name in dataset for name in PIXEL_NAMES):
        raise ImageDataError(
            f"{path}: found no pixel data, wanted {form.frames} frames", hint="the file is a header only", code="no-pixels"
        )
    with _telling(path, form):
        (check_length if form.syntax in NATIVE else check_fragments)(dataset, form)
    for number in numbers:
        with _telling(f"{path}: frame {number}", form):
            values = _frame(dataset, form, number - 1)
        yield values


@contextmanager
def _telling(where: str, form: PixelFormat) -> Iterator[None]:
    """Tell what goes wrong with where it went wrong."""
    try:
        yield
    except ImageDataError as error:
        raise ImageDataError(f"{where}: {error.message}", hint=error.hint, code=error.code) from error
    except MemoryError as error:
        raise ImageDataError(f"{where} does not fit into memory", code="too-large") from error
    except Exception as error:
        # Decoders raise whatever their libraries do, some with values of the header in the text.
        raise ImageDataError(
            f"{where} cannot be decoded ({type(error).__name__}) from transfer syntax {form.syntax}",
            hint="the file is cut short or broken, or its syntax needs a decoder that is not installed",
            code="undecodable",
        ) from error


def _frame(dataset: Dataset, form: PixelFormat, index: int) -> np.ndarray:
    values = _decoded(dataset, form, index)
    wanted = (form.rows, form.columns, 3) if form.colours else (form.rows, form.columns)
    if values.shape != wanted:
        raise ImageDataError(f"found shape {values.shape}, its header says {wanted}", code="pixel-count")
    if form.colours:
        return values
    if (values.dtype.kind == "f") != form.floating:
        raise ImageDataError(
            f"found pixels of type {values.dtype}, its Bits Stored says {'floats' if form.floating else 'integers'}", code="pixel-values"
        )
    if form.syntax not in _SPARE_BITS and not (form.limits[0] <= int(values.min()) and int(values.max()) < 1 << form.stored):
        raise ImageDataError(
            f"Bits Stored (0028,0101): found {form.stored}, but the stream has values from {values.min()} to {values.max()}",
            hint="the header is another image's, or was changed",
            code="pixel-values",
        )
    return settle_bits(values, form)


def _decoded(dataset: Dataset, form: PixelFormat, index: int) -> np.ndarray:
    from pydicom.pixels import apply_color_lut, get_decoder

    if form.syntax == JPEG_EXTENDED and form.stored > 8:
        return decode_jpeg12(dataset, form.rows, form.columns, form.stored, index, form.frames)
    if form.allocated == 1 and form.syntax in (*LITTLE, DEFLATED):
        return bits_of(dataset, form, index)
    with quiet():
        # pydicom takes the lowest bits for the pixel's whatever High Bit says.
        values = get_decoder(UID(form.syntax)).as_array(dataset, index=index, correct_unused_bits=form.colours)[0]
        if form.photometric != "PALETTE COLOR":
            return values
        values = apply_color_lut(values, dataset)
        return (values >> 8).astype(np.uint8) if values.dtype.itemsize > 1 else values


def _limit(form: PixelFormat, before: int) -> None:
    """Bound the memory that decoding one file may take."""
    soft = min(before + _WORKING_BYTES + _FRAME_COPIES * form.frame_bytes, _MOST_BYTES)
    resource.setrlimit(resource.RLIMIT_AS, (soft, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _serve() -> None:
    """Answer until the other side hangs up; what the decoders print goes nowhere."""
    before = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        form = PixelFormat(*asked["form"])
        _limit(form, before)
        try:
            for values in decode(asked["path"], form, asked["numbers"]):
                answers.write(json.dumps({"dtype": values.dtype.str, "shape": values.shape}).encode() + b"\n")
                answers.write(np.ascontiguousarray(values).data)
                answers.flush()
        except ImageDataError as error:
            answers.write(json.dumps({"error": error.message, "hint": error.hint, "code": error.code}).encode() + b"\n")
            answers.flush()


if __name__ == "__main__":
    _serve()
