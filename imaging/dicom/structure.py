"""Tags, lengths and nesting of a data set, walked without reading a value: what pydicom may then be trusted with.

pydicom believes the lengths that a file declares, recurses where sequences nest and inflates whatever it is given. This
walker follows the same rules of encoding (DICOM PS3.5 sections 7.1, 7.5, A.4) with one stack and a few bytes of memory, and refuses first.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from pydicom.datadict import dictionary_VR

from imaging.dicom.refusals import Refusal, tag_text
from imaging.dicom.tags import PIXELS, UNDEFINED

if TYPE_CHECKING:
    from os import PathLike

__all__ = ["BIG_ENDIAN", "DEFLATED", "IMPLICIT", "LONG_VRS", "SHORT_VRS", "Encoding", "Found", "Limits", "Start", "find_start", "walk"]

IMPLICIT = "1.2.840.10008.1.2"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"

#: Explicit value representations with a length of 2 bytes, and with one of 4 after two reserved bytes (PS3.5 section 7.1.2).
SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())

_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of a file is read before it is refused.

    Parameters
    ----------
    file_bytes : int
        Of a file whose pixels are read.
    header_bytes : int
        All that is not pixel data.
    inflated_bytes : int
        Of a deflated data set.
    depth : int
        Sequences within sequences.
    elements : int
        Elements and items, nested ones too; each costs about a kilobyte once it is read.
    """

    file_bytes: int = 8 << 30
    header_bytes: int = 256 << 20
    inflated_bytes: int = 1 << 30
    depth: int = 32
    elements: int = 1_000_000


class Encoding(NamedTuple):
    """How elements are written."""

    implicit: bool
    little: bool


class Start(NamedTuple):
    """Where a data set begins and how it is written."""

    offset: int
    encoding: Encoding
    syntax: str
    sop_class: str


@dataclass(slots=True)
class Found:
    """An element as it lies in a file.

    Parameters
    ----------
    vr : bytes
        Its representation; empty where the file has none.
    begin, size : int
        Where its value lies; without the delimiter.
    items : list of dict, optional
        Of a sequence: its data sets, by tag.
    open_ended : bool
        Whether a delimiter ends it.
    """

    vr: bytes
    begin: int
    size: int
    items: list[dict[int, Found]] | None = None
    open_ended: bool = False


@dataclass(slots=True)
class _Level:
    """A data set, or a sequence of items, that is being walked: where it must end, or that a delimiter ends it."""

    end: int
    items: bool
    delimited: bool
    encoding: Encoding
    tag: int | None = None
    #: Fragments of pixel data: their items hold bytes.
    fragments: bool = False
    #: Where to note what is found: in a data set by tag; of a sequence, the element that holds the items.
    elements: dict[int, Found] | None = None
    sequence: Found | None = None


def find_start(head: bytes, path: str | PathLike[str]) -> Start:
    """Return where the data set begins and its encoding, as pydicom finds them.

    Parameters
    ----------
    head : bytes
        The first bytes of a file: preamble, file meta information and the first element at least.
    path : path
        For what is refused.

    Raises
    ------
    Refusal
        If the file meta information does not end within `head`.
    """
    offset = 132 if head[128:132] == b"DICM" else 0
    found = {0x00020010: "", 0x00020002: ""}
    while head[offset : offset + 2] == b"\x02\x00":
        if len(head) < offset + 8:
            raise Refusal(path, None, "unfinished")
        tag = 0x00020000 | int.from_bytes(head[offset + 2 : offset + 4], "little")
        vr = head[offset + 4 : offset + 6]
        if vr in LONG_VRS:
            size, begin = int.from_bytes(head[offset + 8 : offset + 12], "little"), offset + 12
        elif _letters(vr):
            size, begin = int.from_bytes(head[offset + 6 : offset + 8], "little"), offset + 8
        else:
            size, begin = int.from_bytes(head[offset + 4 : offset + 8], "little"), offset + 8
        if begin + size > len(head):
            raise Refusal(path, tag, "cut-short", declared=size, left=len(head) - begin)
        if tag in found:
            found[tag] = head[begin : begin + size].decode("latin-1").rstrip(" \0")
        offset = begin + size
    encoding = _encoding(found[0x00020010], head[offset : offset + 8])
    return Start(offset, encoding, found[0x00020010], found[0x00020002])


def _encoding(syntax: str, first: bytes) -> Encoding:
    """Return how the data set is written: by its transfer syntax, put right by its first element, as many files need."""
    explicit = _letters(first[4:6])
    if syntax == DEFLATED:
        return Encoding(implicit=False, little=True)
    if not syntax:
        # A group above 0x0400 read as little endian is a low group in big endian.
        return Encoding(implicit=not explicit, little=not (explicit and int.from_bytes(first[:2], "little") >= 0x0400))
    return Encoding(implicit=not explicit if len(first) >= 6 else syntax == IMPLICIT, little=syntax != BIG_ENDIAN)


def walk(
    stream: BinaryIO,
    start: int,
    end: int,
    encoding: Encoding,
    *,
    path: str | PathLike[str],
    limits: Limits,
    pixels: bool = True,
    found: dict[int, Found] | None = None,
) -> int:
    """Walk a data set to its end and return how many elements and items it has.

    Parameters
    ----------
    stream : binary file
        Seekable.
    start, end : int
        Where the data set begins, and the end of the file.
    encoding : Encoding
        Of the data set.
    path : path
        For what is refused.
    limits : Limits
        What is refused beyond.
    pixels : bool
        Whether to go on over the pixel data; else the walk stops before it.
    found : dict of int to Found, optional
        Is given every element by its tag, the later one of two with the same.

    Returns
    -------
    int
        Elements and items, nested ones too.

    Raises
    ------
    Refusal
        At the first length that leads out of the file or of its sequence, item that is none, nesting or number beyond the limits.
    """
    return _Walk(stream, path, limits, pixels).run(start, end, encoding, found)


class _Walk:
    """One walk; holds what every step needs."""

    def __init__(self, stream: BinaryIO, path: str | PathLike[str], limits: Limits, pixels: bool) -> None:
        self.stream, self.path, self.limits, self.pixels = stream, path, limits, pixels
        self.levels: list[_Level] = []
        self.seen = 0
        self.header_bytes = 0

    def run(self, start: int, end: int, encoding: Encoding, found: dict[int, Found] | None) -> int:
        at = start
        self.levels = [_Level(end, items=False, delimited=False, encoding=encoding, elements=found)]
        while self.levels:
            level = self.levels[-1]
            if at >= level.end or (len(self.levels) == 1 and at + 8 > level.end):
                at = self._close(at, level)
                continue
            self.seen += 1
            if self.seen > self.limits.elements:
                raise self._refusal(level.tag, "too-many", limit=self.limits.elements)
            self.stream.seek(at)
            step = self._item if level.items else self._element
            after = step(at, level)
            if after is None:
                break
            at = after
        return self.seen

    def _close(self, at: int, level: _Level) -> int:
        """Leave a level whose end is reached."""
        if level.delimited:
            raise self._refusal(level.tag, "unfinished")
        self.levels.pop()
        return max(at, level.end) if len(self.levels) else at

    def _item(self, at: int, level: _Level) -> int:
        """Step over one item's head and into it."""
        tag, size = self._head(level)
        if tag == _SEQUENCE_END and level.delimited:
            if level.sequence is not None:
                level.sequence.size = at - level.sequence.begin
            self.levels.pop()
            return at + 8
        if tag != _ITEM:
            raise self._refusal(level.tag, "items", found=tag_text(tag))
        if level.fragments:
            self._fits(level.tag, size, at + 8, level.end)
            return at + 8 + size
        delimited = size == UNDEFINED
        if not delimited:
            self._fits(level.tag, size, at + 8, level.end)
        encoding = Encoding(level.encoding.implicit or self._is_implicit(), level.encoding.little)
        inner = _Level(level.end if delimited else at + 8 + size, items=False, delimited=delimited, encoding=encoding, tag=level.tag)
        if level.sequence is not None:
            inner.elements = {}
            level.sequence.items.append(inner.elements)
        self._enter(inner)
        return at + 8

    def _element(self, at: int, level: _Level) -> int | None:
        """Step over one element, or into it where it is a sequence; None at the pixel data where the walk stops there."""
        tag, vr, size, begin = self._element_head(at, level)
        if tag == _ITEM_END:
            if level.delimited:
                self.levels.pop()
                return at + 8
            return level.end
        stop = tag in PIXELS and len(self.levels) == 1 and not self.pixels
        if size != UNDEFINED:
            self._fits(tag, size, begin, level.end)
        if stop:
            return None
        if size == UNDEFINED:
            return self._open_ended(tag, vr, begin, level)
        if tag not in PIXELS:
            self._count(tag, size)
        if size >= 8 and self._holds_items(tag, vr, level.encoding):
            nested = level.encoding if vr != b"UN" else Encoding(self._is_implicit(8), level.encoding.little)
            inside = _noted(level, tag, Found(vr, begin, size, []))
            self._enter(_Level(begin + size, items=True, delimited=False, encoding=nested, tag=tag, sequence=inside))
            return begin
        _noted(level, tag, Found(vr, begin, size))
        return begin + size

    def _open_ended(self, tag: int, vr: bytes, begin: int, level: _Level) -> int:
        """Enter a sequence, or fragments, that a delimiter ends."""
        fragments = not self._holds_items(tag, vr, level.encoding)
        inside = _noted(level, tag, Found(vr, begin, 0, None if fragments else [], open_ended=True))
        self._enter(_Level(level.end, items=True, delimited=True, encoding=level.encoding, tag=tag, fragments=fragments, sequence=inside))
        return begin

    def _holds_items(self, tag: int, vr: bytes, encoding: Encoding) -> bool:
        """Say whether an element is a sequence: by its representation, the dictionary or, of a private one, its first bytes."""
        if vr == b"SQ":
            return True
        if vr not in (b"", b"UN"):
            return False
        try:
            return dictionary_VR(tag) == "SQ"
        except KeyError:
            where = self.stream.tell()
            first = self.stream.read(4)
            self.stream.seek(where)
            return first == (b"\xfe\xff\x00\xe0" if encoding.little else b"\xff\xfe\xe0\x00")

    def _enter(self, level: _Level) -> None:
        self.levels.append(level)
        if len(self.levels) > 2 * self.limits.depth + 1:
            raise self._refusal(level.tag, "too-deep", limit=self.limits.depth)

    def _head(self, level: _Level) -> tuple[int, int]:
        """Read a tag and a length of 4 bytes."""
        data = self.stream.read(8)
        if len(data) < 8:
            raise self._refusal(level.tag, "unfinished")
        group, number, size = struct.unpack("<HHI" if level.encoding.little else ">HHI", data)
        return group << 16 | number, size

    def _element_head(self, at: int, level: _Level) -> tuple[int, bytes, int, int]:
        """Read tag, representation (empty where implicit), length and where the value begins."""
        data = self.stream.read(8)
        order = "<" if level.encoding.little else ">"
        if len(data) < 8 or at + 8 > level.end:
            raise self._refusal(level.tag, "unfinished")
        group, number, vr, size = struct.unpack(f"{order}HH2sH", data)
        tag = group << 16 | number
        if level.encoding.implicit or not _letters(vr):
            return tag, b"", struct.unpack(f"{order}I", data[4:])[0], at + 8
        if vr in LONG_VRS:
            more = self.stream.read(4)
            if len(more) < 4:
                raise self._refusal(tag, "unfinished")
            return tag, vr, struct.unpack(f"{order}I", more)[0], at + 12
        return tag, vr, size, at + 8

    def _is_implicit(self, skip: int = 0) -> bool:
        """Look at the next element: whether letters stand where its representation would."""
        where = self.stream.tell()
        first = self.stream.read(skip + 6)[skip:]
        self.stream.seek(where)
        return len(first) == 6 and not _letters(first[4:6])

    def _fits(self, tag: int | None, size: int, begin: int, end: int) -> None:
        if begin + size > end:
            raise self._refusal(tag, "cut-short", declared=size, left=max(end - begin, 0))

    def _count(self, tag: int, size: int) -> None:
        if len(self.levels) == 1:
            self.header_bytes += size
            if self.header_bytes > self.limits.header_bytes:
                raise self._refusal(tag, "too-long", limit=self.limits.header_bytes)

    def _refusal(self, tag: int | None, reason: str, **parameters: object) -> Refusal:
        return Refusal(self.path, tag, reason, **parameters)


def _noted(level: _Level, tag: int, found: Found) -> Found | None:
    """Note an element where that is wanted."""
    if level.elements is None:
        return None
    level.elements[tag] = found
    return found


def _letters(vr: bytes) -> bool:
    """Say whether two bytes can be a representation: two capital letters."""
    return len(vr) == 2 and 0x40 < vr[0] < 0x5B and 0x40 < vr[1] < 0x5B
