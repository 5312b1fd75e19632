"""Event files that TensorBoard reads, of numbers over steps.

TensorBoard's own package is not needed to write them: an event is a small protocol-buffer message in a TFRecord, both stable since 2015.
The fields used are, of `Event`: wall_time 1 (double), step 2 (int64), file_version 3 (string), summary 5; of `Summary`: value 1; of
`Summary.Value`: tag 1 (string), simple_value 2 (float).
"""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["EventFile", "crc32c"]


def _table() -> tuple[int, ...]:
    rows = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        rows.append(byte)
    return tuple(rows)


_TABLE = _table()


def crc32c(data: bytes) -> int:
    """Return the CRC-32C (Castagnoli) of some bytes (RFC 3720, B.4).

    Parameters
    ----------
    data : bytes
        Any.

    Examples
    --------
    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


class EventFile:
    """Numbers over steps, in a file that TensorBoard watches.

    Parameters
    ----------
    folder : Path
        A run; made where it is not there. Each writer has a file of its own, so that a resumed training goes on in the same curves.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"events.out.tfevents.{time.time_ns() / 1e9:020.9f}.workbench"
        self._write(_field(3, b"brain.Event:2"))

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Append numbers.

        Parameters
        ----------
        step : int
            The epoch.
        values : mapping of str to float
            By tag.
        """
        summary = b"".join(_field(1, _field(1, tag.encode("utf-8")) + b"\x15" + struct.pack("<f", value)) for tag, value in values.items())
        self._write(b"\x10" + _varint(step) + _field(5, summary))

    def _write(self, event: bytes) -> None:
        data = b"\x09" + struct.pack("<d", time.time()) + event
        length = struct.pack("<Q", len(data))
        with self._path.open("ab") as file:
            file.write(length + _masked(length) + data + _masked(data))


def _masked(data: bytes) -> bytes:
    """Return a TFRecord's check: the CRC rotated and moved, so that a CRC over CRCs is sound."""
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _field(number: int, data: bytes) -> bytes:
    """Return a length-delimited field."""
    return bytes([number << 3 | 2]) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])
