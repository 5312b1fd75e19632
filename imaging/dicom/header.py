"""The attributes of :mod:`imaging.dicom.tags` from the first bytes of a file.

Most files are plain: little endian, the geometry within a few kilobytes. Their elements are stepped over in one loop, a
tenth of pydicom's work. What the loop cannot read exactly it leaves to pydicom, within the limits of :mod:`imaging.dicom.reading`;
both give equal values.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from pydicom.multival import MultiValue

from imaging.dicom.alike import Values, values_of
from imaging.dicom.reading import HEAD_BYTES, open_bounded, open_file
from imaging.dicom.refusals import Problem, Refusal
from imaging.dicom.scan import BeyondError, check_pixels, scan
from imaging.dicom.tags import BY_TAG
from imaging.dicom.values import read_value

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement, RawDataElement

    from imaging.dicom.alike import Alike
    from imaging.dicom.structure import Limits

__all__ = ["Header", "read_header"]

#: Most headers end within the first; beyond the last the file is for pydicom.
_HEADS = (16 << 10, 128 << 10, HEAD_BYTES)
#: Zeros after a file that is here whole: the loop may then read the head of its last element at once.
_ZEROS = bytes(12)
_CHARSET = 0x00080005


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


def read_header(path: str | os.PathLike[str], *, limits: Limits | None = None, alike: Alike | None = None) -> Header:
    """Read the attributes of one file.

    Parameters
    ----------
    path : path
        A file.
    limits : Limits, optional
        What is refused beyond.
    alike : Alike, optional
        What the files read before have in common, for many files one after another: those of a series are then read in a third of the time.

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
    found = _scanned(path, alike)
    return _by_pydicom(path, limits) if found is None else Header(*found, scanned=True)


def _scanned(path: str | os.PathLike[str], alike: Alike | None) -> Values | None:
    handle = open_file(path)
    try:
        size = os.fstat(handle).st_size
        if size == 0:
            raise Refusal(path, None, "empty")
        for wanted in _HEADS:
            head = os.pread(handle, wanted, 0)
            with suppress(BeyondError):
                return _values(head + _ZEROS if len(head) >= size else head, size, path, alike)
        return None
    except OSError as error:
        raise Refusal(path, None, "unreadable", found=os.strerror(error.errno or 0)) from error
    finally:
        os.close(handle)


def _values(head: bytes, size: int, path: str | os.PathLike[str], alike: Alike | None) -> Values | None:
    """Return the values of a header that is like one before it, or of a scan; None where only pydicom reads it exactly."""
    if alike and (known := alike.read(head)):
        values, end = known
        check_pixels(head, end, size, path)
        return values
    scanned = scan(head, size, path)
    if scanned is None:
        return None
    if alike:
        alike.learn(head, scanned)
    return values_of(scanned)


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
    return ("\\".join(map(str, value)) if isinstance(value, MultiValue) else str(value)).encode("latin-1", "replace")
