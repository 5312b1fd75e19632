"""How stored pixels stand in their bits (PS3.5 section 8)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["LITTLE", "NATIVE", "PixelFormat", "settle_bits"]

#: Transfer syntaxes whose pixels stand in the file as they are, little endian ones and all.
LITTLE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")
NATIVE = (*LITTLE, "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99")


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
    def colours(self) -> bool:
        """Whether a frame comes as three colours, a palette's too."""
        return self.samples > 1 or self.photometric == "PALETTE COLOR"

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
    width = 8 * values.dtype.itemsize
    if width == form.stored or form.high >= width or values.dtype.kind not in "iu":
        return values
    values = values.view(f"{values.dtype.byteorder}{'i' if form.signed else 'u'}{values.dtype.itemsize}")
    return (values << (width - 1 - form.high)) >> (width - form.stored)
