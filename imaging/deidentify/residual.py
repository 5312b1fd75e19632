"""The last look: at the bytes that are about to be written, for everything that is known of the patient."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from imaging.deidentify.identifiers import Known

__all__ = ["residual"]

#: Pieces at least this long are pixel data: searched for text only where there is some.
_LARGE = 1 << 16
#: Letters, digits and bytes of Chinese in a row, from which on a piece may hold text.
_RUN = 4
#: Below, the upper byte of a value is no letter, digit or part of a Chinese sign: no two such bytes follow each other.
_TWELVE_BITS = 0x3000
#: Shorter UIDs are not told from other numbers.
_UID_LENGTH = 20


def residual(pieces: Sequence[bytes], known: Known, uids: Collection[str]) -> int:
    """Return how many identifiers stand in a file that is about to be written.

    Parameters
    ----------
    pieces : sequence of bytes
        The file.
    known : Known
        What is known of the patient.
    uids : collection of str
        UIDs that were replaced.

    Examples
    --------
    >>> from imaging.deidentify.identifiers import known
    >>> someone = known(frozenset({"王^小东"}), frozenset({"P0012345"}))
    >>> residual([b"abc" + "王小东".encode("utf-16-le"), b"id p0012345"], someone, ())
    2
    """
    small = b"".join(piece for piece in pieces if len(piece) < _LARGE)
    large = [piece for piece in pieces if len(piece) >= _LARGE and _may_hold_text(piece)]
    old = [uid.encode() for uid in uids if len(uid) >= _UID_LENGTH]
    return sum(known.hits(piece) + sum(_stands(uid, piece) for uid in old) for piece in (small, *large))


def _stands(uid: bytes, data: bytes) -> bool:
    """Say whether a UID stands in bytes and is not the beginning of a longer one."""
    at = data.find(uid)
    while at >= 0:
        if data[at + len(uid) : at + len(uid) + 1] not in _GOES_ON:
            return True
        at = data.find(uid, at + 1)
    return False


_GOES_ON = frozenset(bytes([sign]) for sign in b".0123456789")


def _may_hold_text(piece: bytes) -> bool:
    """Say whether letters, digits or bytes of Chinese follow each other: values of 12 bits never look so."""
    if len(piece) % 2 == 0 and np.frombuffer(piece, "<u2").max() < _TWELVE_BITS:
        return False
    text = _signs()[np.frombuffer(piece, np.uint8)]
    runs = text[: 1 - _RUN].copy()
    for by in range(1, _RUN):
        runs &= text[by : len(text) - _RUN + 1 + by]
    return bool(runs.any())


@cache
def _signs() -> np.ndarray:
    found = np.zeros(256, bool)
    found[[*range(0x30, 0x3A), *range(0x41, 0x5B), *range(0x61, 0x7B), *range(0x81, 0xFF)]] = True
    return found
