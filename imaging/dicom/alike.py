"""Headers like those before them: what files have in common is compared at once, and only what differs is read.

The files of a series differ in a dozen of a hundred elements. Between these stand the same bytes, at a place that moves with the lengths
of the values before them; and the same bytes after the same elements are the same elements again.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from imaging.dicom.scan import CHARSET, SYNTAX, VRS, WANTED, BeyondError, Scanned, after_sequence
from imaging.dicom.structure import LONG_VRS
from imaging.dicom.tags import PIXELS, UNDEFINED
from imaging.dicom.values import read_value

if TYPE_CHECKING:
    from collections.abc import Callable

    from imaging.dicom.refusals import Problem
    from imaging.dicom.tags import Field

__all__ = ["Alike", "Values", "values_of"]

#: Series whose files come in turns have a layout each.
_LAYOUTS = 8
#: A layout that has served so many files meets another series where a file does not fit, no further element that varies.
_SERVED = 16
#: The files of a series share most of their values; longer ones are not kept, so that what is kept stays small.
_KEPT_VALUES, _KEPT_BYTES = 20_000, 256

_START, _MAGIC = 128, b"DICM"
#: Bytes of a tag, and of a tag and a representation the length of which has two bytes.
_TAG, _SHORT_STEM = 4, 6
_SHORT_LENGTH, _LONG_LENGTH = struct.Struct("<H"), struct.Struct("<I")
_PIXELS = frozenset(struct.pack("<HH", tag >> 16, tag & 0xFFFF) for tag in PIXELS)


class Values(NamedTuple):
    """Name of an attribute -> value, and what is wrong with the attributes that have none."""

    values: dict[str, Any]
    problems: tuple[Problem, ...]


def values_of(scanned: Scanned) -> Values:
    """Return the values of the elements that a scan found.

    Parameters
    ----------
    scanned : Scanned
        Of one file.
    """
    return _decoded([(key, vr, data) for key, (vr, data) in scanned.found.items()])


def _decoded(elements: list[tuple[int, int | None, bytes]]) -> Values:
    charset = next((data for key, _, data in elements if key == CHARSET), b"")
    values, problems = {}, []
    for key, vr, data in elements:
        name, value, wrong = (_kept if len(data) <= _KEPT_BYTES else _named)(key, vr, data, charset)
        if value is not None:
            values[name] = value
        elif wrong is not None:
            problems.append(wrong)
    return Values(values, tuple(problems))


def _named(key: int, vr: int | None, data: bytes, charset: bytes) -> tuple[str, Any, Problem | None]:
    field = WANTED[key]
    value, wrong = read_value(field, field.vr if vr is None else VRS[vr], data, charset)
    return field.name, value, wrong


_kept = lru_cache(maxsize=_KEPT_VALUES)(_named)


class Alike:
    """What the headers of files read one after another have in common: a few layouts, the last one that served first."""

    def __init__(self) -> None:
        self._layouts: list[_Layout] = []

    def read(self, head: bytes) -> tuple[Values, int] | None:
        """Read a header that is laid out as one before it.

        Parameters
        ----------
        head : bytes
            The first bytes of a file.

        Returns
        -------
        tuple of (Values, int), or None
            What :func:`values_of` gives of its scan, and where pixel data begin; None where it is not known to be like another.
        """
        for place, layout in enumerate(self._layouts):
            if found := layout.read(head):
                if place:
                    self._layouts.insert(0, self._layouts.pop(place))
                return found
        return None

    def learn(self, head: bytes, scanned: Scanned) -> None:
        """Take note of a header that was like none before it.

        Parameters
        ----------
        head : bytes
            The first bytes of a file.
        scanned : Scanned
            What the scan found in them.
        """
        pixels = head[scanned.end : scanned.end + _TAG]
        elements = [_element(head[start:end]) for start, end in pairwise([*scanned.starts, scanned.end])]
        # Of a tag that stands twice the last one counts: that is for the scan.
        if not elements or pixels not in _PIXELS or sum(element.key in WANTED for element in elements) > len(scanned.found):
            return
        stems = [element.stem for element in elements]
        layout = next((layout for layout in self._layouts if layout.stems == stems), None)
        if layout is None:
            layout = _Layout(stems)
            self._layouts = [layout, *self._layouts[: _LAYOUTS - 1]]
        layout.learn(elements, pixels)


class _Element(NamedTuple):
    """An element of a header: all its bytes, those before its length, and those of its value."""

    key: int
    vr: int
    stem: bytes
    value: bytes
    data: bytes


def _element(data: bytes) -> _Element:
    stem, begin = (8, 12) if data[4:6] in LONG_VRS else (6, 8)
    return _Element(int.from_bytes(data[:4], "little"), int.from_bytes(data[4:6], "little"), data[:stem], data[begin:], data)


class _Step(NamedTuple):
    """The same bytes in every file and how many they are, and after them an element that varies: how its length is read."""

    before: bytes
    passed: int
    length_of: Callable[[bytes, int], tuple[int]]
    width: int
    field: Field | None
    vr: str


class _Layout:
    """One sequence of elements: those that are the same in all files that were read, and those that vary."""

    def __init__(self, stems: list[bytes]) -> None:
        self.stems = stems
        self._elements: list[_Element] = []
        self._varying: set[int] = set()
        self._served = 0

    def learn(self, elements: list[_Element], pixels: bytes) -> None:
        """Widen what varies by how a file differs from the one before it, or take another series' common elements."""
        if self._served < _SERVED:
            pairs = zip(self._elements, elements, strict=False)
            self._varying |= {index for index, (old, new) in enumerate(pairs) if old.data != new.data}
        self._elements, self._served = elements, 0
        common = [element for index, element in enumerate(elements) if index not in self._varying and element.key in WANTED]
        self._common = _decoded([(element.key, element.vr, element.value) for element in common])
        self._charset = next((element.value for element in common if element.key == CHARSET), b"")
        # Its first elements say how a file is to be read: where these vary, every file is for the scan.
        self._plain = not {CHARSET, SYNTAX} & {elements[index].key for index in self._varying}
        self._steps = []
        run = _MAGIC
        for index, element in enumerate(elements):
            if index in self._varying:
                length = _LONG_LENGTH if len(element.stem) > _SHORT_STEM else _SHORT_LENGTH
                before = run + element.stem
                self._steps.append(_Step(before, len(before), length.unpack_from, length.size, WANTED.get(element.key), VRS[element.vr]))
            run = b"" if index in self._varying else run + element.data
        self._end = run + pixels

    def read(self, head: bytes) -> tuple[Values, int] | None:
        """Return the values, and where pixel data begin, of a header that has this layout and what is common to it."""
        if not self._plain:
            return None
        at, values, problems = _START, self._common.values.copy(), []
        try:
            for before, passed, length_of, width, field, vr in self._steps:
                if not head.startswith(before, at):
                    return None
                at += passed
                (length,) = length_of(head, at)
                begin = at + width
                at = begin + length
                if field is None:
                    if length == UNDEFINED and vr == "SQ":
                        at = after_sequence(head, begin) or UNDEFINED
                    continue
                value, wrong = read_value(field, vr, head[begin:at], self._charset)
                if value is not None:
                    values[field.name] = value
                elif wrong is not None:
                    problems.append(wrong)
        except (BeyondError, struct.error):
            return None
        if not head.startswith(self._end, at):
            return None
        self._served += 1
        return Values(values, (*self._common.problems, *problems)), at + len(self._end) - _TAG
