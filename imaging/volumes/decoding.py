"""Frames through pydicom's decoders (GDCM, pylibjpeg, pyjpegls); JPEG Extended of 12 bits, which none of them reads, through SimpleITK.

As a program (``python -m imaging.volumes.decoding``) it answers :mod:`imaging.volumes.apart`: a line of JSON asks, a line of JSON and the
bytes of a frame answer, for each frame. GDCM ends its process on some broken JPEG streams; then it is this one that ends.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from typing import TYPE_CHECKING

import numpy as np
from pydicom.uid import UID

from imaging.dicom.quiet import quiet
from imaging.dicom.reading import open_bounded
from imaging.errors import ImageDataError
from imaging.volumes.formats import PixelFormat, settle_bits
from imaging.volumes.jpeg12 import JPEG_EXTENDED, decode_jpeg12

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydicom.dataset import Dataset

__all__ = ["decode"]

#: Address space of the program: a small stream may declare a huge image.
_MEMORY_BYTES = 16 << 30


def decode(path: str, form: PixelFormat, numbers: Sequence[int]) -> Iterator[np.ndarray]:
    """Yield the stored values of some frames of a file, in this process.

    Parameters
    ----------
    path : str
        The file.
    form : PixelFormat
        What its header says.
    numbers : sequence of int
        Frames, counted from 1.

    Yields
    ------
    ndarray of shape (rows, columns) or (rows, columns, 3)
        See :func:`imaging.volumes.pixels.stored_frames`.

    Raises
    ------
    ImageDataError
        If pixel data are missing or cannot be decoded.
    """
    dataset = open_bounded(path, pixels=True)
    if not any(name in dataset for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise ImageDataError(f"{path}: found no pixel data, wanted {form.frames} frames", hint="the file is a header only")
    for number in numbers:
        yield _frame(path, dataset, form, number - 1)


def _frame(path: str, dataset: Dataset, form: PixelFormat, index: int) -> np.ndarray:
    try:
        values = _decoded(dataset, form, index)
    except MemoryError as error:
        raise ImageDataError(f"{path}: frame {index + 1} does not fit into memory") from error
    except Exception as error:
        # Decoders raise whatever their libraries do, some with values of the header in the text.
        raise ImageDataError(
            f"{path}: frame {index + 1} cannot be decoded ({type(error).__name__}) from transfer syntax {form.syntax}",
            hint="the file is cut short or broken, or its syntax needs a decoder that is not installed",
        ) from error
    colours = form.samples > 1 or form.photometric == "PALETTE COLOR"
    wanted = (form.rows, form.columns, 3) if colours else (form.rows, form.columns)
    if values.shape != wanted:
        raise ImageDataError(f"{path}: frame {index + 1} has shape {values.shape}, its header says {wanted}")
    return values if colours else settle_bits(values, form)


def _decoded(dataset: Dataset, form: PixelFormat, index: int) -> np.ndarray:
    from pydicom.pixels import apply_color_lut, get_decoder

    if form.syntax == JPEG_EXTENDED and form.stored > 8:
        return decode_jpeg12(dataset, form.rows, form.columns, form.stored, index, form.frames)
    with quiet():
        values = get_decoder(UID(form.syntax)).as_array(dataset, index=index)[0]
        if form.photometric != "PALETTE COLOR":
            return values
        values = apply_color_lut(values, dataset)
        return (values >> 8).astype(np.uint8) if values.dtype.itemsize > 1 else values


def _serve() -> None:
    """Answer until the other side hangs up; what the decoders print goes nowhere."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        try:
            for values in decode(asked["path"], PixelFormat(*asked["form"]), asked["numbers"]):
                answers.write(json.dumps({"dtype": values.dtype.str, "shape": values.shape}).encode() + b"\n")
                answers.write(np.ascontiguousarray(values).data)
                answers.flush()
        except ImageDataError as error:
            answers.write(json.dumps({"error": error.message, "hint": error.hint}).encode() + b"\n")
            answers.flush()


if __name__ == "__main__":
    _serve()
