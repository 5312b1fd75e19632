"""The attributes of :mod:`imaging.dicom.tags` from the first bytes of a file.

Most files are plain: little endian, the geometry within a few kilobytes. Their elements are stepped over in one loop, a
tenth of pydicom's work. What the loop cannot read exactly it leaves to pydicom, within the limits of :mod:`imaging.dicom.reading`;
both give equal values.
"""

from __future__ import annotations

import os
import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from pydicom.multival import MultiValue

from imaging.dicom.reading import HEAD_BYTES, open_bounded, open_file
from imaging.dicom.refusals import Problem, Refusal
from imaging.dicom.structure import BIG_ENDIAN, DEFLATED, IMPLICIT, LONG_VRS, SHORT_VRS, Limits
from imaging.dicom.tags import BY_TAG, PIXELS, UNDEFINED
from imaging.dicom.values import read_value

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement, RawDataElement

__all__ = ["Header", "read_header"]

_FIRST_BYTES = 16 << 10
# The files of a series share most of their values; longer ones are not kept, so that what is kept stays small.
_KEPT_VALUES, _KEPT_BYTES = 20_000, 256
_CHARSET = 0x00080005
#: Bytes of an element before its value: with a length of two bytes (or implicit), and with one of four after two reserved ones.
_SHORT_HEAD, _LONG_HEAD = 8, 12
_DEEPEST = Limits().depth

# A little-endian tag read as one number has its halves swapped; the tables are swapped instead, once.
# Representations are compared as numbers too: this loop is where the time goes.
_ELEMENT, _LENGTH, _IMPLICIT_ELEMENT = struct.Struct("<IHH"), struct.Struct("<I"), struct.Struct("<II")
_SHORT, _LONG = ({int.from_bytes(vr, "little"): vr.decode() for vr in vrs} for vrs in (SHORT_VRS, LONG_VRS))
_VRS = _SHORT | _LONG
_SQ, _UN = (int.from_bytes(vr, "little") for vr in (b"SQ", b"UN"))


def _swapped(tag: int) -> int:
    return (tag & 0xFFFF) << 16 | tag >> 16


_FIELDS = {_swapped(tag): field for tag, field in BY_TAG.items()}
_PIXELS = frozenset(map(_swapped, PIXELS))
#: Where the loop does more than step on.
_STOPS = _FIELDS.keys() | _PIXELS
_RAW_CHARSET = _swapped(_CHARSET)
_SYNTAX = _swapped(0x00020010)
_ITEM, _ITEM_END, _SEQUENCE_END = (_swapped(tag) for tag in (0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD))


_ZEROS = bytes(_LONG_HEAD)


class Header(NamedTuple):
    """What the first bytes of a file tell.

    Parameters
    ----------
    values : dict
        Name of the attribute -> value; what the file does not have, or has wrongly, is not there.
    problems : tuple of Problem
        Values that are not what their representation allows.
    scanned : bool
        Whether the loop read it; else pydicom did.
    """

    values: dict[str, Any]
    problems: tuple[Problem, ...]
    scanned: bool


#: Wanted elements as they stand in a file: swapped tag -> representation (None where implicit) and bytes.
_Found = dict[int, tuple[int | None, bytes]]


class _Beyond(Exception):
    """The loop needs bytes after those it has."""


def read_header(path: str | os.PathLike[str], *, limits: Limits | None = None) -> Header:
    """Read the attributes of one file.

    Parameters
    ----------
    path : path
        A file.
    limits : Limits, optional
        What is refused beyond.

    Returns
    -------
    Header
        Values equal to pydicom's.

    Raises
    ------
    Refusal
        If the file is not DICOM, cut short, broken or beyond the limits.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> header = read_header(get_testdata_file("CT_small.dcm"))
    >>> header.values["modality"], header.values["rows"], header.values["image_position_patient"], header.scanned
    ('CT', 128, (-158.135803, -179.035797, -75.699997), True)
    """
    found = _scanned(path)
    if found is None:
        return _by_pydicom(path, limits)
    charset = found.get(_RAW_CHARSET, (None, b""))[1]
    values, problems = {}, []
    for key, (vr, data) in found.items():
        name, value, wrong = (_kept if len(data) <= _KEPT_BYTES else _named)(key, vr, data, charset)
        if value is not None:
            values[name] = value
        elif wrong is not None:
            problems.append(wrong)
    return Header(values, tuple(problems), scanned=True)


def _named(key: int, vr: int | None, data: bytes, charset: bytes) -> tuple[str, Any, Problem | None]:
    field = _FIELDS[key]
    value, wrong = read_value(field, field.vr if vr is None else _VRS[vr], data, charset)
    return field.name, value, wrong


_kept = lru_cache(maxsize=_KEPT_VALUES)(_named)


def _scanned(path: str | os.PathLike[str]) -> _Found | None:
    handle = open_file(path)
    try:
        size = os.fstat(handle).st_size
        if size == 0:
            raise Refusal(path, None, "empty")
        for wanted in (_FIRST_BYTES, HEAD_BYTES):
            head = os.pread(handle, wanted, 0)
            try:
                # Zeros after a file that is here whole: the loop may then read the head of its last element at once.
                return _scan(head + _ZEROS if len(head) >= size else head, size, path)
            except _Beyond:
                continue
        return None
    except OSError as error:
        raise Refusal(path, None, "unreadable", found=os.strerror(error.errno or 0)) from error
    finally:
        os.close(handle)


def _scan(head: bytes, size: int, path: str | os.PathLike[str]) -> _Found | None:
    """Return wanted elements, or None where only pydicom reads the file exactly.

    Raises
    ------
    _Beyond
        If the data set goes on after `head`.
    Refusal
        If a length leads out of the file.
    """
    if head[128:132] != b"DICM":
        return None
    found: _Found = {}
    at = _scan_explicit(head, 132, size, path, found, meta=True)
    if at is None:
        return None
    syntax = found.get(_SYNTAX, (None, b""))[1].rstrip(b" \0").decode("latin-1")
    if not syntax or syntax in (BIG_ENDIAN, DEFLATED):
        return None
    at = (_scan_implicit if syntax == IMPLICIT else _scan_explicit)(head, at, size, path, found)
    if at is None:
        return None
    _check_pixels(head, at, size, path, implicit=syntax == IMPLICIT)
    return found


def _scan_explicit(head: bytes, at: int, size: int, path: str | os.PathLike[str], found: _Found, *, meta: bool = False) -> int | None:
    """Step over explicit elements, keep wanted ones, and return where the pixel data begin, or the data set after the meta information."""
    last = min(len(head) - _LONG_HEAD, size - _SHORT_HEAD)
    element, fields, short, long, have = _ELEMENT.unpack_from, _STOPS, _SHORT, _LONG, len(head)
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
                raise _Beyond
            found[key] = (vr, head[begin:end])
        elif length == UNDEFINED:
            end = _after_sequence(head, begin) if vr == _SQ else None
            if end is None:
                return None
        elif end > size:
            _check(key, length, begin, size, path)
        at = end
    return _ended(at, size)


def _scan_implicit(head: bytes, at: int, size: int, path: str | os.PathLike[str], found: _Found) -> int | None:
    """As :func:`_scan_explicit`, for elements without representations."""
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
                raise _Beyond
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
    raise _Beyond


def _after_sequence(head: bytes, at: int) -> int | None:
    """Return the place after a sequence of undefined length, or None where that is not plain: pydicom then reads it."""
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
    raise _Beyond


def _check_pixels(head: bytes, at: int, size: int, path: str | os.PathLike[str], *, implicit: bool) -> None:
    """Refuse pixel data that declare more bytes than the file has."""
    if at + _SHORT_HEAD > size:
        return
    if at + _LONG_HEAD > len(head):
        raise _Beyond
    key, vr, length = _ELEMENT.unpack_from(head, at)
    begin = at + (_SHORT_HEAD if implicit or vr in _SHORT else _LONG_HEAD)
    if implicit or vr not in _SHORT:
        (length,) = _LENGTH.unpack_from(head, begin - 4)
    if length != UNDEFINED:
        _check(key, length, begin, size, path)


def _by_pydicom(path: str | os.PathLike[str], limits: Limits | None) -> Header:
    """Read the same attributes through pydicom, from the bytes that it found."""
    dataset = open_bounded(path, limits=limits, tags=BY_TAG)
    wanted = [element for part in (dataset.file_meta, dataset) for element in part.values() if element.tag in BY_TAG]
    charset = next((_bytes(element) for element in wanted if element.tag == _CHARSET), b"")
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for element in wanted:
        field = BY_TAG[int(element.tag)]
        vr = field.vr if element.VR in (None, "UN") else str(element.VR)
        value, wrong = read_value(field, vr, _bytes(element), charset, little=getattr(element, "is_little_endian", True))
        if value is not None:
            values[field.name] = value
        elif wrong is not None:
            problems.append(wrong)
    return Header(values, tuple(problems), scanned=False)


def _bytes(element: RawDataElement | DataElement) -> bytes:
    """Return an element's bytes; pydicom converts a few, all of them plain text, while it reads."""
    value = element.value or b""
    if isinstance(value, bytes):
        return value
    return ("\\".join(value) if isinstance(value, MultiValue) else str(value)).encode("latin-1", "replace")
