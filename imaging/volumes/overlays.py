"""Overlay planes: drawings of one bit over an image (PS3.3 C.9.2), packed in an element of their own or in spare bits of the pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from pydicom.uid import UID

from imaging.dicom.quiet import quiet
from imaging.dicom.reading import open_bounded
from imaging.errors import ImageDataError
from imaging.geometry.attributes import count

if TYPE_CHECKING:
    import os

    from pydicom.dataset import Dataset

__all__ = ["Overlay", "read_overlays"]

_ROWS, _COLUMNS, _FRAMES, _ORIGIN, _BITS, _BIT, _DATA = 0x10, 0x11, 0x15, 0x50, 0x100, 0x102, 0x3000


class Overlay(NamedTuple):
    """One overlay plane.

    Parameters
    ----------
    group : int
        0x6000 to 0x601E, even.
    origin : tuple of 2 int
        Row and column of the image, from 1, at which it begins; may lie outside.
    mask : ndarray of shape (frames, rows, columns), bool
        What is drawn.
    """

    group: int
    origin: tuple[int, int]
    mask: np.ndarray


def read_overlays(path: str | os.PathLike[str]) -> list[Overlay]:
    """Return the overlay planes of a file.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    list of Overlay
        In the order of their groups.

    Raises
    ------
    ImageDataError
        If a plane's size is missing, or its data are short.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> [(overlay.group, overlay.mask.shape) for overlay in read_overlays(get_testdata_file("examples_overlay.dcm"))]
    [(24576, (1, 300, 484))]
    """
    dataset = open_bounded(path, pixels=True)
    with quiet():
        return [_overlay(path, dataset, group) for group in range(0x6000, 0x6020, 2) if (group, _ROWS) in dataset]


def _overlay(path: str | os.PathLike[str], dataset: Dataset, group: int) -> Overlay:
    rows, columns, frames = (_whole(dataset, group, element, default) for element, default in ((_ROWS, 0), (_COLUMNS, 0), (_FRAMES, 1)))
    origin = dataset[group, _ORIGIN].value if (group, _ORIGIN) in dataset else (1, 1)
    size = rows * columns * frames
    if (group, _DATA) in dataset:
        packed = np.frombuffer(bytes(dataset[group, _DATA].value or b""), np.uint8)
        bits = np.unpackbits(packed[: size // 8 + 1], bitorder="little")[:size]
    else:
        bits = _embedded(dataset, _whole(dataset, group, _BIT, 0))
    if not size or len(bits) != size or not isinstance(origin[0], int):
        raise ImageDataError(f"{path}: overlay ({group:04X},3000) has {len(bits)} points, its header says {frames} x {rows} x {columns}")
    return Overlay(group, (int(origin[0]), int(origin[1])), bits.reshape(frames, rows, columns).astype(bool))


def _embedded(dataset: Dataset, bit: int) -> np.ndarray:
    """Return one bit of every pixel, as it was usual before 2004; only uncompressed pixels have spare bits that survive."""
    allocated = count(dataset, "BitsAllocated", 16)
    if UID(str(dataset.file_meta.TransferSyntaxUID)).is_compressed or allocated not in (8, 16) or not 0 < bit < allocated:
        return np.empty(0, np.uint8)
    order = "<" if dataset.file_meta.TransferSyntaxUID.is_little_endian else ">"
    return (np.frombuffer(dataset.PixelData, f"{order}u{allocated // 8}") >> bit & 1).astype(np.uint8)


def _whole(dataset: Dataset, group: int, element: int, default: int) -> int:
    value = dataset[group, element].value if (group, element) in dataset else default
    return value if isinstance(value, int) and value > 0 else default
