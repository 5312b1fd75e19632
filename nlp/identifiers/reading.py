"""What is known of each place of a text: its words, and the labels, words for persons, titles and verbs that persons stand beside."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from ahocorasick_rs import AhoCorasick

from nlp.identifiers.names import LONGEST_WORD, dictionary, shapes, tables

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BITS", "Reading", "squeezed"]

#: Kinds of cues, one bit each: labels of patients and of staff, persons, titles, verbs, what may follow a name.
BITS = 6
_STAFF, _TITLE, _VERB, _CUES = 1 << 1, 1 << 3, 1 << 4, 0b1111
# Marks that may stand between a cue and a name.
_MARKS = ' :("|=_'
# How far before a name a term may begin; what the rarest word of the dictionary weighs.
_TERM_BACK, _LEAST_WEIGHT = 4, 1e-6
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


class Reading:
    """A text with what is known of each of its places; places may be one or an array of them.

    Parameters
    ----------
    text : str
        Text in normal form, :func:`squeezed`.
    """

    def __init__(self, text: str) -> None:
        lexicon = _lexicon()
        size = len(text) + 1
        self.text = text
        #: The characters as numbers, those beyond the basic plane as 0xFFFF.
        self.points = np.minimum(np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32), 0xFFFF)
        self.is_han = (self.points >= ord("一")) & (self.points <= 0x9FFF)
        found = np.array(lexicon.automaton.find_matches_as_indexes(text, overlapping=True), np.int32).reshape(-1, 3)
        self._find_words(found, size)
        cues = found[lexicon.bits[found[:, 0]] > 0]
        self._find_cues(cues, lexicon.bits[cues[:, 0]], size)
        cues = cues[lexicon.persons[cues[:, 0]]]
        #: Whether a word for a person, a label, a title or a verb of so many characters begins at each place, by its length.
        self.persons = np.zeros((LONGEST_WORD + 1, size), bool)
        lengths = cues[:, 2] - cues[:, 1]
        self.persons[np.where(lengths <= LONGEST_WORD, lengths, 0), cues[:, 1]] = True

    def _find_words(self, found: np.ndarray, size: int) -> None:
        lexicon = _lexicon()
        #: How common the word of so many characters is that begins at a place; columns are places moved by LONGEST_WORD.
        self.words = np.zeros((LONGEST_WORD + 1, size + 2 * LONGEST_WORD), np.float32)
        lengths = found[:, 2] - found[:, 1]
        short = found[lengths <= LONGEST_WORD]
        self.words[short[:, 2] - short[:, 1], short[:, 1] + LONGEST_WORD] = lexicon.weights[short[:, 0]]
        #: Where the longest clinical term that begins at a place ends, 0 where none does.
        self.terms = np.zeros(size, np.int32)
        terms = found[lexicon.is_term[found[:, 0]]]
        np.maximum.at(self.terms, terms[:, 1], terms[:, 2])

    def _find_cues(self, found: np.ndarray, bits: np.ndarray, size: int) -> None:
        self._ending, self.beginning = np.zeros((2, size), np.uint8)
        np.bitwise_or.at(self._ending, found[:, 2], bits)
        np.bitwise_or.at(self.beginning, found[:, 1], bits)
        self._behind_marks = np.arange(size)
        self._behind_marks[1:][_MARKED[self.points]] = 0
        np.maximum.accumulate(self._behind_marks, out=self._behind_marks)
        #: Whether a mark or a cue stands before each place.
        self.apart = self._ending & _CUES > 0
        self.apart[0] = True
        self.apart[1:] |= ~self.is_han

    def before(self, start: Any) -> Any:
        """Return the cues before a place, marks between them left out."""
        return self._ending[self._behind_marks[start]]

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

    def words_behind_staff(self) -> list[tuple[int, int]]:
        """Return where words of two or three characters stand behind labels of staff, and marks after them."""
        starts = np.flatnonzero(self._ending[self._behind_marks] & _STAFF)
        return [(start, start + length) for length in (2, 3) for start in starts[self.word(length, starts) > 0].tolist()]

    def word(self, length: Any, start: Any) -> Any:
        """Return how common words are, 0 for what is none."""
        return self.words[length, start + LONGEST_WORD]

    def in_term(self, starts: np.ndarray) -> np.ndarray:
        """Return whether places lie in a term together with the character behind (莫特罗 in 福莫特罗)."""
        reach = np.maximum.reduce([self.terms[np.maximum(starts - back, 0)] for back in range(_TERM_BACK + 1)])
        return reach >= starts + 2


_MARKED = np.zeros(0x10000, bool)
_MARKED[[ord(mark) for mark in _MARKS]] = True


class _Lexicon(NamedTuple):
    """Words with how common each is, whether it is a term, its kinds of cues, and whether it stands for a person."""

    automaton: Any
    weights: np.ndarray
    is_term: np.ndarray
    bits: np.ndarray
    persons: np.ndarray


@cache
def _lexicon() -> _Lexicon:
    table, words, terms = tables(), dictionary(), shapes().terms
    lists = (
        table["labels"]["patient"],
        table["labels"]["staff"],
        table["persons"],
        f"{table['titles']} {table['civil']}",
        table["verbs"],
        table["after"],
    )
    cues: dict[str, int] = {}
    for bit, written in enumerate(lists):
        for word in written.split():
            cues[word] = cues.get(word, 0) | 1 << bit
    every = list(dict.fromkeys((*words, *terms, *cues)))
    kinds = np.array([cues.get(word, 0) for word in every], np.uint8)
    return _Lexicon(
        automaton=AhoCorasick(every),
        weights=np.array([max(words[word], _LEAST_WEIGHT) if word in words else 0.0 for word in every], np.float32),
        is_term=np.array([word in terms for word in every]),
        bits=kinds,
        persons=np.array([word[0] != "其" for word in every]) & (kinds & (_CUES | _VERB) > 0),
    )
