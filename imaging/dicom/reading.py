"""One file as a pydicom data set, within limits: refused with file, tag and reason before memory or time are spent on it."""

from __future__ import annotations

import io
import os
import stat
import zlib
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import pydicom
from pydicom import config
from pydicom.dataelem import DataElement
from pydicom.multival import MultiValue
from pydicom.uid import UID

from imaging.dicom.quiet import quiet
from imaging.dicom.refusals import Problem, Refusal, problem
from imaging.dicom.structure import DEFLATED, Found, Limits, Start, find_start, walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydicom.dataset import Dataset, FileDataset

__all__ = ["HEAD_BYTES", "Layout", "Reading", "lay_out", "open_bounded", "open_file", "read_dataset"]

#: File meta information must end within these first bytes.
HEAD_BYTES = 1 << 20

_CHUNK = 1 << 20
_SYNTAX = 0x00020010
_TYPES = {"DS": (float, Decimal), "IS": int} | dict.fromkeys(("US", "SS", "UL", "SL", "UV", "SV"), int) | dict.fromkeys(("FD", "FL"), float)


class Reading(NamedTuple):
    """A data set every value of which can be read, and what was wrong with those that could not.

    An element that could not be converted stands in the data set with its bytes, as UN.
    """

    dataset: FileDataset
    problems: tuple[Problem, ...]


def read_dataset(source: str | os.PathLike[str] | bytes, *, pixels: bool = False, limits: Limits | None = None) -> Reading:
    """Read a file whole, every value converted.

    Parameters
    ----------
    source : path or bytes
        A file, or the bytes of one.
    pixels : bool, default False
        Whether pixel data are read too.
    limits : Limits, optional
        What is refused beyond; see there.

    Returns
    -------
    Reading
        The data set, and each value that its representation does not allow.

    Raises
    ------
    Refusal
        If the file is empty, not DICOM, cut short, wrongly nested or beyond the limits.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> reading = read_dataset(get_testdata_file("CT_small.dcm"))
    >>> reading.dataset.Modality, reading.problems
    ('CT', ())
    """
    dataset = open_bounded(source, pixels=pixels, limits=limits)
    problems: list[Problem] = []
    with quiet():
        _convert(dataset.file_meta, problems)
        _convert(dataset, problems)
    return Reading(dataset, tuple(problems))


class Layout(NamedTuple):
    """Where everything lies in a file.

    Parameters
    ----------
    data : bytes
        The file, inflated where it was deflated.
    start : Start
        Where the data set begins and how it is written, as the file says.
    elements : dict of int to Found
        By tag.
    """

    data: bytes
    start: Start
    elements: dict[int, Found]


def lay_out(data: bytes, *, limits: Limits | None = None) -> Layout:
    """Check the structure of a file and return where its elements lie; no value is read.

    Parameters
    ----------
    data : bytes
        A file, with its pixels.
    limits : Limits, optional
        What is refused beyond.

    Raises
    ------
    Refusal
        As :func:`read_dataset`.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> found = lay_out(Path(get_testdata_file("CT_small.dcm")).read_bytes())
    >>> place = found.elements[0x00080060]
    >>> place.vr, found.data[place.begin : place.begin + place.size]
    (b'CS', b'CT')
    """
    limits, elements = limits or Limits(), {}
    _check_size("bytes", len(data), limits, pixels=True)
    start = find_start(data[:HEAD_BYTES], "bytes")
    stream, deflated = _plain(io.BytesIO(data), len(data), "bytes", limits, pixels=True, found=elements)
    return Layout(stream.getvalue() if deflated else data, start, elements)


def open_bounded(
    source: str | os.PathLike[str] | bytes, *, pixels: bool = False, limits: Limits | None = None, tags: Iterable[int] | None = None
) -> FileDataset:
    """Check a file's structure and let pydicom read it, values as their bytes until they are asked for.

    Parameters
    ----------
    source : path or bytes
        A file, or the bytes of one.
    pixels : bool, default False
        Whether pixel data are read too.
    limits : Limits, optional
        What is refused beyond.
    tags : iterable of int, optional
        Only these elements.

    Raises
    ------
    Refusal
        As :func:`read_dataset`.
    """
    limits = limits or Limits()
    path = "bytes" if isinstance(source, bytes) else os.fspath(source)
    with _opened(source) as (stream, size):
        _check_size(path, size, limits, pixels=pixels)
        stream, deflated = _plain(stream, size, path, limits, pixels=pixels)
        try:
            with quiet():
                dataset = pydicom.dcmread(stream, stop_before_pixels=not pixels, force=True, specific_tags=list(tags) if tags else None)
        except Exception as error:
            # pydicom raises more kinds than it documents; what reaches a user is one kind with the file's name.
            raise Refusal(path, None, "broken", found=type(error).__name__) from error
        if deflated:
            # A new element: the file may have given its own another representation.
            dataset.file_meta[_SYNTAX] = DataElement(_SYNTAX, "UI", UID(DEFLATED))
    if not isinstance(source, bytes):
        dataset.filename = path
    return dataset


def _plain(
    stream: BinaryIO, size: int, path: str, limits: Limits, *, pixels: bool, found: dict[int, Found] | None = None
) -> tuple[BinaryIO, bool]:
    """Return the file with its structure checked, inflated where it was deflated, and whether it was."""
    head = stream.read(HEAD_BYTES)
    start = find_start(head, path)
    if start.syntax == DEFLATED:
        stream, size, start = _inflated(stream, head, start, path, limits)
    elif size - start.offset < 8:
        raise Refusal(path, None, "unfinished")
    if not _plausible(head):
        raise Refusal(path, None, "not-dicom", found="no preamble and no element at its beginning")
    walk(stream, start.offset, size, start.encoding, path=path, limits=limits, pixels=pixels, found=found)
    stream.seek(0)
    return stream, start.syntax == DEFLATED


def _plausible(head: bytes) -> bool:
    """Say whether a file without a preamble begins as a data set does: group 2, or group 8 in either order of bytes."""
    return head[128:132] == b"DICM" or head[:2] in (b"\x02\x00", b"\x08\x00", b"\x00\x08")


def _inflated(stream: BinaryIO, head: bytes, start: Start, path: str, limits: Limits) -> tuple[BinaryIO, int, Start]:
    """Inflate a deflated data set (PS3.5 section A.5) up to the limit; what is returned names explicit little endian instead."""
    stream.seek(start.offset)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    # A transfer syntax UID of the same length keeps every offset: "...1.2.1.99" becomes "...1.2.1" and padding.
    before, _, after = head[: start.offset].rpartition(DEFLATED.encode())
    plain = io.BytesIO()
    plain.write(before + b"1.2.840.10008.1.2.1".ljust(len(DEFLATED), b"\0") + after)
    try:
        while not inflater.eof and (packed := inflater.unconsumed_tail or stream.read(_CHUNK)):
            plain.write(inflater.decompress(packed, _CHUNK))
            if plain.tell() - start.offset > limits.inflated_bytes:
                raise Refusal(path, None, "wide-inflation", limit=limits.inflated_bytes)
    except zlib.error as error:
        raise Refusal(path, None, "deflate", found="broken stream") from error
    if not inflater.eof:
        raise Refusal(path, None, "deflate", found="cut short")
    size = plain.tell()
    plain.seek(0)
    return plain, size, start


def _check_size(path: str, size: int, limits: Limits, *, pixels: bool) -> None:
    if size == 0:
        raise Refusal(path, None, "empty")
    if pixels and size > limits.file_bytes:
        raise Refusal(path, None, "too-long", limit=limits.file_bytes)


@contextmanager
def _opened(source: str | os.PathLike[str] | bytes) -> Iterator[tuple[BinaryIO, int]]:
    if isinstance(source, bytes):
        yield io.BytesIO(source), len(source)
        return
    handle = open_file(source)
    with os.fdopen(handle, "rb") as stream:
        try:
            yield stream, os.fstat(handle).st_size
        except OSError as error:
            raise Refusal(source, None, "unreadable", found=os.strerror(error.errno or 0)) from error


def open_file(path: str | os.PathLike[str]) -> int:
    """Open a regular file without waiting: a pipe of that name would never answer.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    int
        Descriptor, to be closed by the caller.

    Raises
    ------
    Refusal
        If it cannot be opened or is no regular file.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Refusal(Path(path), None, "unreadable", found=os.strerror(error.errno or 0)) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Refusal(Path(path), None, "unreadable", found="no regular file")
    return handle


def _convert(dataset: Dataset, problems: list[Problem]) -> None:
    """Convert every element; one that does not convert is left as UN with its bytes."""
    for raw in list(dataset.values()):
        tag = raw.tag
        try:
            element = dataset[tag]
            right = element.VR == raw.VR or raw.VR in (None, "UN")
        except Exception:
            # pydicom's converters raise whatever their parsing meets.
            right = False
        if not right or not _fits(element):
            vr = getattr(raw, "VR", None) or "?"
            problems.append(problem(int(tag), "bad-value", vr=vr))
            dataset[tag] = _unknown(tag, raw.value if isinstance(raw.value, bytes) else b"")
        elif element.VR == "SQ":
            for content in element.value or ():
                _convert(content, problems)


def _unknown(tag: int, value: bytes) -> DataElement:
    """Return an element of bytes; pydicom would look its representation up again, and fail again."""
    config.replace_un_with_known_vr = False
    try:
        return DataElement(tag, "UN", value)
    finally:
        config.replace_un_with_known_vr = True


def _fits(element: DataElement) -> bool:
    """Say whether a value has its representation's type: of a number that it cannot read, pydicom makes text without a word."""
    wanted = _TYPES.get(element.VR)
    return wanted is None or element.is_empty or all(isinstance(value, wanted) or value == "" for value in _each(element.value))


def _each(value: object) -> Iterable[object]:
    return value if isinstance(value, (MultiValue, list)) else (value,)
