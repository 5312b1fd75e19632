"""The elements of a data set as they stand in a file's first bytes: stepped over in one loop, wanted ones kept.

It is a tenth of pydicom's work. What the loop cannot read exactly it leaves to pydicom.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from imaging.dicom.refusals import Refusal
from imaging.dicom.structure import BIG_ENDIAN, DEFLATED, IMPLICIT, LONG_VRS, SHORT_VRS, Limits
from imaging.dicom.tags import BY_TAG, PIXELS, UNDEFINED

if TYPE_CHECKING:
    import os

__all__ = ["CHARSET", "SYNTAX", "VRS", "WANTED", "BeyondError", "Found", "Scanned", "after_sequence", "check_pixels", "scan"]

#: Bytes of an element before its value: with a length of two bytes (or implicit), and with one of four after two reserved ones.
_SHORT_HEAD, _LONG_HEAD = 8, 12
_DEEPEST = Limits().depth

# A little-endian tag read as one number has its halves swapped; the tables are swapped instead, once.
# Representations are compared as numbers too: this loop is where the time goes.
_ELEMENT, _LENGTH, _IMPLICIT_ELEMENT = struct.Struct("<IHH"), struct.Struct("<I"), struct.Struct("<II")
_SHORT, _LONG = ({int.from_bytes(vr, "little"): vr.decode() for vr in vrs} for vrs in (SHORT_VRS, LONG_VRS))
_SQ, _UN = (int.from_bytes(vr, "little") for vr in (b"SQ", b"UN"))


def _swapped(tag: int) -> int:
    return (tag & 0xFFFF) << 16 | tag >> 16


#: Representation as a number -> its letters; tag, swapped -> the attribute.
VRS = _SHORT | _LONG
WANTED = {_swapped(tag): field for tag, field in BY_TAG.items()}
#: Specific Character Set and Transfer Syntax UID, swapped.
CHARSET, SYNTAX = _swapped(0x00080005), _swapped(0x00020010)

_PIXELS = frozenset(map(_swapped, PIXELS))
#: Where the loop does more than step on.
_STOPS = WANTED.keys() | _PIXELS
_ITEM, _ITEM_END, _SEQUENCE_END = (_swapped(tag) for tag in (0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD))

#: Wanted elements as they stand in a file: swapped tag -> representation (None where implicit) and bytes.
Found = dict[int, tuple[int | None, bytes]]


class Scanned(NamedTuple):
    """What a scan found.

    Parameters
    ----------
    found : dict
        Wanted elements.
    starts : list of int
        Where each element begins, file meta information first; empty for implicit ones.
    end : int
        Where pixel data begin, or the data set ends.
    """

    found: Found
    starts: list[int]
    end: int


class BeyondError(Exception):
    """The loop needs bytes after those it has."""


def scan(head: bytes, size: int, path: str | os.PathLike[str]) -> Scanned | None:
    """Step through the head of a file.

    Parameters
    ----------
    head : bytes
        The first bytes; where they are the whole file, zeros for one more element's head after them.
    size : int
        Of the file.
    path : path
        For what is refused.

    Returns
    -------
    Scanned or None
        None where only pydicom reads the file exactly.

    Raises
    ------
    BeyondError
        If the data set goes on after `head`.
    Refusal
        If a length leads out of the file.
    """
    if head[128:132] != b"DICM":
        return None
    scanned = Scanned({}, [], 0)
    at = _explicit(head, 132, size, path, scanned, meta=True)
    if at is None:
        return None
    syntax = scanned.found.get(SYNTAX, (None, b""))[1].rstrip(b" \0").decode("latin-1")
    if not syntax or syntax in (BIG_ENDIAN, DEFLATED):
        return None
    implicit = syntax == IMPLICIT
    at = _implicit(head, at, size, path, scanned.found) if implicit else _explicit(head, at, size, path, scanned)
    if at is None:
        return None
    check_pixels(head, at, size, path, implicit=implicit)
    return Scanned(scanned.found, [] if implicit else scanned.starts, at)


def _explicit(head: bytes, at: int, size: int, path: str | os.PathLike[str], scanned: Scanned, *, meta: bool = False) -> int | None:
    """Step over explicit elements, keep wanted ones, and return where the pixel data begin, or the data set after the meta information."""
    last = min(len(head) - _LONG_HEAD, size - _SHORT_HEAD)
    element, fields, short, long, have = _ELEMENT.unpack_from, _STOPS, _SHORT, _LONG, min(len(head), size)
    found, starts, _ = scanned
    while at <= last:
        key, vr, length = element(head, at)
        if meta and key & 0xFFFF != 2:
            return at
        if vr in short:
            begin = at + _SHORT_HEAD
        elif vr in long:
            (length,) = _LENGTH.unpack_from(head, at + _SHORT_HEAD)
            begin = at + _LONG_HEAD
        else:
            return at if key in _PIXELS else None
        end = begin + length
        if key in fields:
            if key in _PIXELS:
                return at
            if vr == _UN or length == UNDEFINED:
                return None
            if end > have:
                _check(key, length, begin, size, path)
                raise BeyondError
            found[key] = (vr, head[begin:end])
        elif length == UNDEFINED:
            end = after_sequence(head, begin) if vr == _SQ else None
            if end is None:
                return None
        elif end > size:
            _check(key, length, begin, size, path)
        starts.append(at)
        at = end
    return _ended(at, size)


def _implicit(head: bytes, at: int, size: int, path: str | os.PathLike[str], found: Found) -> int | None:
    """As :func:`_explicit`, for elements without representations."""
    last = min(len(head), size) - _SHORT_HEAD
    element, fields, have = _IMPLICIT_ELEMENT.unpack_from, _STOPS, len(head)
    if at <= last and 0x40 < head[at + 4] < 0x5B and 0x40 < head[at + 5] < 0x5B:
        return None  # explicit after all
    while at <= last:
        key, length = element(head, at)
        if key in _PIXELS:
            return at
        if length == UNDEFINED:
            return None
        begin = at + _SHORT_HEAD
        end = begin + length
        if end > size:
            _check(key, length, begin, size, path)
        if key in fields:
            if end > have:
                raise BeyondError
            found[key] = (None, head[begin:end])
        at = end
    return _ended(at, size)


def _check(key: int, length: int, begin: int, size: int, path: str | os.PathLike[str]) -> None:
    """Refuse a length that leads out of the file."""
    if begin + length > size:
        raise Refusal(path, _swapped(key), "cut-short", declared=length, left=max(size - begin, 0))


def _ended(at: int, size: int) -> int:
    """Return the end of a data set that has no pixel data."""
    if at + _SHORT_HEAD > size:
        return at
    raise BeyondError


def after_sequence(head: bytes, at: int) -> int | None:
    """Return the place after a sequence of undefined length, or None where that is not plain: pydicom then reads it.

    Parameters
    ----------
    head : bytes
        The first bytes of a file.
    at : int
        Where the first item begins.

    Raises
    ------
    BeyondError
        If the sequence goes on after `head`.
    """
    depth = 1
    last = len(head) - 12
    while at <= last:
        key, vr, length = _ELEMENT.unpack_from(head, at)
        if key in (_ITEM, _ITEM_END, _SEQUENCE_END):
            (length,) = _LENGTH.unpack_from(head, at + 4)
            at += 8
            if key == _SEQUENCE_END:
                depth -= 1
                if depth == 0:
                    return at
            elif key == _ITEM and length != UNDEFINED:
                at += length
        elif vr in _SHORT:
            at += 8 + length
        elif vr in _LONG:
            (length,) = _LENGTH.unpack_from(head, at + 8)
            at += 12
            if length != UNDEFINED:
                at += length
            elif vr == _SQ and depth < _DEEPEST:
                depth += 1
            else:
                return None
        else:
            return None
    raise BeyondError


def check_pixels(head: bytes, at: int, size: int, path: str | os.PathLike[str], *, implicit: bool = False) -> None:
    """Refuse pixel data that declare more bytes than the file has.

    Parameters
    ----------
    head : bytes
        The first bytes of a file.
    at : int
        Where pixel data begin.
    size : int
        Of the file.
    path : path
        For what is refused.
    implicit : bool
        Whether elements have no representation.

    Raises
    ------
    BeyondError
        If their length stands after `head`.
    """
    if at + _SHORT_HEAD > size:
        return
    if at + _LONG_HEAD > len(head):
        raise BeyondError
    key, vr, length = _ELEMENT.unpack_from(head, at)
    begin = at + (_SHORT_HEAD if implicit or vr in _SHORT else _LONG_HEAD)
    if implicit or vr not in _SHORT:
        (length,) = _LENGTH.unpack_from(head, begin - 4)
    if length != UNDEFINED:
        _check(key, length, begin, size, path)
