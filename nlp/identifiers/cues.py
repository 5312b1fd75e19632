"""What persons stand beside in a text: labels, words for persons, titles, verbs; and texts whose characters stand apart."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from ahocorasick_rs import AhoCorasick

from nlp.identifiers.names import LONGEST_WORD, tables

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BITS", "Cues", "code_points", "matches", "squeezed"]

#: Kinds of cues, one bit each: labels of patients and of staff, persons, titles, verbs, what may follow a name.
BITS = 6
_STAFF, _TITLE, _VERB, _CUES = 1 << 1, 1 << 3, 1 << 4, 0b1111
# Marks that may stand between a cue and a name.
_MARKS = ' :("|=_'
# Blanks between characters that stand apart (王 芳, 主 治 医 师); the last may run into the next field of a form (志 军性别男).
_BLANKS = re.compile(
    r"[ \t_](?:(?P<inner>(?<=[一-鿿][ \t])(?:(?<![一-鿿]{2}[ \t])|(?<=名[一-鿿][ \t]))[ \t]{0,5}(?=(?![男女])[一-鿿]"
    r"(?:(?![一-鿿])|[男女]|性别|年龄|科室|床号|住院|民族|职业|电话)))"
    r"|[ \t_]+|(?<=\t)|(?<=_)(?:(?<![A-Za-z0-9]_)|(?![A-Za-z0-9])))"
)


def squeezed(text: str) -> tuple[str, Sequence[int]]:
    """Make one blank of several, and none between characters that stand apart; say where each character, and the end, stood.

    Examples
    --------
    >>> squeezed("姓  名: 王   芳")
    ('姓名: 王芳', [0, 3, 4, 5, 6, 10, 11])
    """
    if not _BLANKS.search(text):
        return text, range(len(text) + 1)
    pieces: list[str] = []
    places: list[int] = []
    done = 0
    for match in _BLANKS.finditer(text):
        keep = match.start() if match.lastgroup else match.start() + 1
        pieces += [text[done : match.start()], "" if match.lastgroup else " "]
        places += range(done, keep)
        done = match.end()
    places += range(done, len(text) + 1)
    return "".join([*pieces, text[done:]]), places


def code_points(text: str) -> np.ndarray:
    """Return the characters of a text as numbers, those beyond the basic plane as 0xFFFF, of shape (n_characters,)."""
    return np.minimum(np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32), 0xFFFF)


def matches(automaton: Any, text: str) -> np.ndarray:
    """Return which words stand where, as columns word, start, end; words may share characters."""
    return np.array(automaton.find_matches_as_indexes(text, overlapping=True), np.int32).reshape(-1, 3)


class Cues:
    """Which kinds of cues end and begin at each place of a text; places may be one or an array of them.

    Parameters
    ----------
    text : str
        Text in normal form, :func:`squeezed`.
    """

    def __init__(self, text: str) -> None:
        words = _words()
        self.text = text
        self.points = code_points(text)
        self.is_han = (self.points >= ord("一")) & (self.points <= 0x9FFF)
        found = matches(words.automaton, text)
        size = len(text) + 1
        self._ending, self.beginning = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
        np.bitwise_or.at(self._ending, found[:, 2], words.bits[found[:, 0]])
        np.bitwise_or.at(self.beginning, found[:, 1], words.bits[found[:, 0]])
        found = found[words.persons[found[:, 0]]]
        #: Whether a word for a person, a label, a title or a verb of so many characters begins at each place, by its length.
        self.persons = np.zeros((LONGEST_WORD + 1, size), bool)
        lengths = found[:, 2] - found[:, 1]
        self.persons[np.where(lengths <= LONGEST_WORD, lengths, 0), found[:, 1]] = True
        marked = _MARKED[self.points]
        self._behind = np.maximum.accumulate(np.where(np.concatenate(([False], marked)), 0, np.arange(size)))
        #: Whether a mark or a cue stands before each place.
        self.apart = np.concatenate(([True], ~self.is_han)) | (self._ending & _CUES > 0)

    def before(self, start: Any) -> Any:
        """Return the cues before a place, marks between them left out."""
        return self._ending[self._behind[start]]

    def beside(self, start: Any, end: Any) -> Any:
        """Return whether a label, a person or a title stands before a place, or a title or what persons do behind it."""
        return (self.before(start) & _CUES | self.beginning[end] & (_TITLE | _VERB)) > 0

    def titled(self, end: Any) -> Any:
        """Return whether a title begins at a place, and none ends there (主任医师)."""
        return (self.beginning[end] & ~self._ending[end] & _TITLE) > 0

    def before_title(self, end: Any) -> Any:
        """Return whether a title begins at a place."""
        return (self.beginning[end] & _TITLE) > 0

    def staff(self, start: Any, end: Any) -> Any:
        """Return whether a label or title of staff stands beside a name."""
        return ((self.before(start) | self.beginning[end]) & (_STAFF | _TITLE)) > 0


_MARKED = np.zeros(0x10000, bool)
_MARKED[[ord(mark) for mark in _MARKS]] = True


class _Words(NamedTuple):
    bits: np.ndarray
    persons: np.ndarray
    automaton: Any


@cache
def _words() -> _Words:
    table = tables()
    lists = (table["labels"]["patient"], table["labels"]["staff"], table["persons"], table["titles"], table["verbs"], table["after"])
    bits: dict[str, int] = {}
    for bit, words in enumerate(lists):
        for word in words.split():
            bits[word] = bits.get(word, 0) | 1 << bit
    persons = [kinds & (_CUES | _VERB) > 0 and word[0] != "其" for word, kinds in bits.items()]
    return _Words(np.array(list(bits.values()), np.uint8), np.array(persons), AhoCorasick(list(bits)))
