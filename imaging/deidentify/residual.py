"""The last look: at the bytes that are about to be written, for everything that is known of the patient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from imaging.deidentify.identifiers import Known

__all__ = ["residual"]

#: Pieces at least this long are pixel data.
_LARGE = 1 << 16
#: Words of 16 bits the upper byte of which is a digit or a letter, and those with two bytes of a Chinese sign.
_FIRST, _RANGE, _HIGH = 0x3000, 0x4B00, 0x8080
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
    found = known.hits(small) + sum(_stands(uid.encode(), small) for uid in uids if len(uid) >= _UID_LENGTH)
    return found + sum(_in_pixels(piece, known) for piece in pieces if len(piece) >= _LARGE)


def _in_pixels(piece: bytes, known: Known) -> int:
    """Return how many identifiers stand in pixel data, which few values look like."""
    words = np.frombuffer(piece, np.uint16, len(piece) // 2)
    if words.max() < _FIRST:
        return 0
    # Of four letters or digits in a row, two are the bytes of one word of 16 bits; values of 12 bits, signed or not, never look so.
    if ((words - np.uint16(_FIRST)) < _RANGE).any():
        return known.hits(piece)
    return known.hits_in_chinese(piece) if ((words & _HIGH) == _HIGH).any() else 0


def _stands(uid: bytes, data: bytes) -> bool:
    """Say whether a UID stands in bytes and is not the beginning of a longer one."""
    at = data.find(uid)
    while at >= 0:
        if data[at + len(uid) : at + len(uid) + 1] not in _GOES_ON:
            return True
        at = data.find(uid, at + 1)
    return False


_GOES_ON = frozenset(bytes([sign]) for sign in b".0123456789")
