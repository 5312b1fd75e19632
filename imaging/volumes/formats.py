"""How stored pixels stand in their bits (PS3.5 section 8)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["PixelFormat", "settle_bits"]


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
