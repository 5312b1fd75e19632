"""Names of persons by a small network: how likely a surname with one or two characters is a name where it stands.

A list of contexts never ends, so none is listed here: every surname with one or two characters is a candidate. A network reads its
characters, those around it, and how it lies among the words of a dictionary (高血压 is a word; 王秀英 is none, and no word reaches over
its ends). What was learnt is numbers in ``nlp/data/name_model.safetensors``; :mod:`nlp.identifiers.training` says how.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from ahocorasick_rs import AhoCorasick

from nlp.identifiers.names import FIELD, LONGEST_WORD, dictionary, shapes, tables
from nlp.tensors import read_tensors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["LEFT", "RIGHT", "Candidate", "Cues", "Describer", "Found", "NameModel", "name_model", "squeezed"]

#: Characters that are read on each side of a candidate.
LEFT, RIGHT = 6, 5
_SLOTS = LEFT + 4 + RIGHT
_LONGEST_FOREIGN = 7
_COMMON = 240
_LEAST = -4.5
_ABOUT = 6.0
# The six bits of a byte of cues as numbers.
_SET = tuple(tuple(float(kinds >> bit & 1) for bit in range(6)) for kinds in range(64))
# How much a cue beside a candidate counts where a text names nobody otherwise.
_CUED = 5.0
_LEAST_GIVEN = -7.0
_LEAST_NAME = -4.0
_STAFF, _TITLE, _VERB, _CUES = 1 << 1, 1 << 3, 1 << 4, 0b1111
# What is asked beyond of a word of the dictionary, times its weight there.
_WORD_BESIDE, _WORD_ALONE = 1.5, 3.0
# Blanks between characters that stand apart (王 芳, 主 治 医 师); the last may run into the next field of a form (志 军性别男).
_BLANKS = re.compile(
    r"(?P<inner>(?:(?<![一-鿿]{2})|(?<=名[一-鿿]))(?<=[一-鿿])[ \t]{1,6}(?=(?![男女])[一-鿿]"
    r"(?:(?![一-鿿])|[男女]|性别|年龄|科室|床号|住院|民族|职业|电话)))"
    r"|[ \t_]{2,}|\t|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])"
)
_PAD, _UNKNOWN, _DIGIT, _LETTER = "\x00", "\x01", "0", "A"


class Candidate(NamedTuple):
    """A place where a name may stand.

    Parameters
    ----------
    start, end : int
        Place in the text, blanks inside included.
    word : str
        Its characters without blanks.
    family : int
        Characters of the surname, 1 or 2; 0 where it has none.
    """

    start: int
    end: int
    word: str
    family: int


class Cues(NamedTuple):
    """Which kinds of cues end and begin at each place of a text, one bit a kind."""

    text: str
    ending: bytearray
    beginning: bytearray

    def before(self, start: int) -> int:
        """Return the cues before a place, marks between them left out."""
        while start and self.text[start - 1] in ' :("|=_':
            start -= 1
        return self.ending[start]

    def apart(self, start: int) -> bool:
        """Return whether a mark or a cue stands before a place."""
        return not start or not _is_han(self.text[start - 1]) or self.ending[start] & _CUES > 0

    def beside(self, start: int, end: int) -> bool:
        """Return whether a label, a person or a title stands before a place, or a title or what persons do behind it."""
        return bool(self.before(start) & _CUES or self.beginning[end] & (_TITLE | _VERB))

    def titled(self, end: int) -> bool:
        """Return whether a title begins at a place, and none ends there (主任医师)."""
        return self.beginning[end] & _TITLE > 0 and not self.ending[end] & _TITLE

    def staff(self, start: int, end: int) -> bool:
        """Return whether a label or title of staff stands beside a name."""
        return bool((self.before(start) | self.beginning[end]) & (_STAFF | _TITLE))


class Found(NamedTuple):
    """A name: its place, its log-odds, and whether its cues are those of staff."""

    start: int
    end: int
    odds: float
    staff: bool


def _table(characters: str) -> np.ndarray:
    """Return the number of each character by its code point; digits share one, other letters another, the rest a third."""
    table = np.full(0x10000, characters.index(_UNKNOWN), np.int32)
    for point in range(0x80):
        table[point] = characters.index(_DIGIT if chr(point).isdecimal() else _LETTER if chr(point).isalpha() else _UNKNOWN)
    for number, character in enumerate(characters):
        table[ord(character)] = number
    return table


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


def _is_han(character: str) -> bool:
    return "一" <= character <= "\u9fff"


class Describer:
    """Finds candidates and says what stands in and around them, as numbers.

    Parameters
    ----------
    characters : str
        The characters that the network tells apart; the place of each is its number.
    odds : ndarray of shape (n_characters, 4), float32
        Log-odds of a character in a name against plain text: as a surname, as the first of a given name, as its last,
        in a name without a surname.
    """

    n_numbers = 32

    def __init__(self, characters: str, odds: np.ndarray) -> None:
        self._codes = _table(characters)
        self._surname, self._first, self._last, self._foreign = (
            {c: float(row[k]) for c, row in zip(characters, odds, strict=True)} for k in range(4)
        )
        self._sounds = frozenset(character for character, odds in self._foreign.items() if odds > _LEAST)
        self._plausible = frozenset(c for c in characters if max(self._first[c], self._last[c]) > _LEAST_GIVEN)
        self.shapes = shapes()
        self._words = dictionary()
        # Surnames of both parents (陈王雨涵) are looked for among the common ones.
        self._paired = frozenset("".join(tables()["surnames"].split())[:_COMMON])
        begins = self.shapes.surnames | self._sounds | {name[0] for name in self.shapes.compound}
        self._begins = re.compile(f"[{''.join(sorted(begins))}]")
        table = tables()
        lists = (table["labels"]["patient"], table["labels"]["staff"], table["persons"], table["titles"], table["verbs"], table["after"])
        bits: dict[str, int] = {}
        for bit, words in enumerate(lists):
            for word in words.split():
                bits[word] = bits.get(word, 0) | 1 << bit
        self._bits = tuple(bits.values())
        self._persons = frozenset(word for word, kinds in bits.items() if kinds & (_CUES | _VERB) and word[0] != "其")
        self._automaton = AhoCorasick(list(bits))

    def candidates(self, cues: Cues) -> Iterator[Candidate]:
        """Give every surname with one or two characters that given names are made of, also with blanks inside (王 芳).

        Behind a mark or a cue any character will do for a given name, and names that have no surname (扎西多吉) are looked for.
        """
        compound, surnames, sounds = self.shapes.compound, self.shapes.surnames, self._sounds
        text = cues.text
        for match in self._begins.finditer(text):
            start = match.start()
            pair = text[start : start + 2]
            if pair[0] in surnames:
                yield from self._from(cues, start, start + 1)
            if pair in compound or (pair[0] in self._paired and pair[1:] in self._paired):
                yield from self._from(cues, start, start + 2)
            if pair[0] in sounds and pair[1:] in sounds and cues.apart(start):
                yield from self._without_surname(cues, start)

    def _from(self, cues: Cues, start: int, after: int) -> Iterator[Candidate]:
        text = cues.text
        place, word = after, text[start:after]
        if (after - start == 1 or word in self.shapes.compound) and cues.beginning[after] & _TITLE:
            yield Candidate(start, after, word, after - start)
        apart = cues.apart(start)
        odds = self._surname.get(word[0], 4.0)
        for length in (1, 2):
            place += text[place : place + 1] == " "
            character = text[place : place + 1]
            if not character or not _is_han(character):
                return
            odds += max(self._first.get(character, -6.0), self._last.get(character, -6.0))
            if not apart and character not in self._plausible:
                return
            place += 1
            word += character
            if not apart and odds < _LEAST_NAME:
                continue
            if not self._persons.isdisjoint((word, word[:2], word[-2:])):
                continue  # 申请人, 向家属, 司机自
            if not apart and not cues.beginning[place] & _TITLE and (word in self._words or self.shapes.is_term(text, start)):
                continue
            if place - after > length == 2 and _is_han(text[place : place + 1]) and not FIELD.match(text, place):
                return  # a blank inside a name, and none behind it
            yield Candidate(start, place, word, after - start)

    def _without_surname(self, cues: Cues, start: int) -> Iterator[Candidate]:
        text, end, word = cues.text, start, ""
        while end < len(text) and len(word) < _LONGEST_FOREIGN and text[end] in self._sounds:
            word += text[end]
            end += 1
            closed = end == len(text) or text[end] not in self._sounds or cues.beginning[end]
            if closed and len(word) >= 2 and (len(word) > 3 or not self.shapes.family(word, 0)):
                yield Candidate(start, end, word, 0)

    def numbers(self, cues: Cues, candidates: list[Candidate]) -> tuple[np.ndarray, np.ndarray]:
        """Describe candidates.

        Returns
        -------
        slots : ndarray of shape (n_candidates, 15), int32
            Numbers of the characters: left, surname, given name, right.
        numbers : ndarray of shape (n_candidates, n_numbers), float32
            How it lies among words, and what it is made of.
        """
        codes = self._codes_of(_PAD * LEFT + cues.text + _PAD * RIGHT)
        starts = np.array([candidate.start for candidate in candidates], np.int32)
        ends = np.array([candidate.end for candidate in candidates], np.int32)
        slots = np.zeros((len(candidates), _SLOTS), np.int32)
        slots[:, :LEFT] = codes[starts[:, None] + np.arange(LEFT)]
        slots[:, -RIGHT:] = codes[ends[:, None] + np.arange(LEFT, LEFT + RIGHT)]
        inner = [word[: family or 2].ljust(2, _PAD) + word[family or 2 :][-2:].rjust(2, _PAD) for _, _, word, family in candidates]
        slots[:, LEFT:-RIGHT] = self._codes_of("".join(inner)).reshape(-1, 4)
        return slots, np.array([self._row(cues, candidate) for candidate in candidates], np.float32).reshape(-1, self.n_numbers)

    def _codes_of(self, text: str) -> np.ndarray:
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        return self._codes[np.minimum(points, len(self._codes) - 1)]

    def _row(self, cues: Cues, candidate: Candidate) -> list[float]:
        text = cues.text
        start, end, word, family = candidate
        words = self._words
        given = word[family:]
        double = word[:2] in self.shapes.compound
        before, behind = text[max(0, start - 3) : start], text[end : end + 3]
        around = before + word + behind
        a, b = len(before), len(before) + len(word)
        get = words.get
        over_left = over_right = out_left = out_right = 0.0
        for i in range(max(0, a - 3), a):
            out_left = max(out_left, get(around[i:a], 0.0))
            for j in range(a + 1, min(len(around), i + LONGEST_WORD) + 1):
                if (weight := get(around[i:j])) is not None and weight > over_left:
                    over_left = weight
        for j in range(b + 1, len(around) + 1):
            out_right = max(out_right, get(around[b:j], 0.0))
            for i in range(max(a, j - LONGEST_WORD), b):
                if (weight := get(around[i:j])) is not None and weight > over_right:
                    over_right = weight
        cue_left, cue_right = cues.before(start), cues.beginning[end]
        return [
            4.0 if double else self._surname.get(word[0], -6.0),
            self._first.get(given[-2], -6.0) if len(given) > 1 else 0.0,
            self._last.get(given[-1], -6.0) if given else 0.0,
            float(not given),
            sum(self._foreign.get(character, -6.0) for character in word) / len(word),
            float(len(given) > 1),
            float(family == 1),
            float(double),
            float(family == 0),
            len(word) / 4,
            float(end - start > len(word)),
            float(not start or not _is_han(text[start - 1])),
            float(end == len(text) or not _is_han(text[end])),
            words.get(word, 0.0),
            words.get(word[:2], 0.0) if len(word) > 2 else 0.0,
            words.get(word[1:3], 0.0) if len(word) > 2 else 0.0,
            over_left,
            over_right,
            out_left,
            out_right,
            *_SET[cue_left],
            *_SET[cue_right],
        ]

    def cues(self, text: str) -> Cues:
        """Find the words that persons stand beside."""
        ending, beginning = bytearray(len(text) + 1), bytearray(len(text) + 1)
        for which, start, end in self._automaton.find_matches_as_indexes(text, overlapping=True):
            ending[end] |= self._bits[which]
            beginning[start] |= self._bits[which]
        return Cues(text, ending, beginning)


class NameModel:
    """The network: an embedding of each character, one hidden layer, one answer.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        As the training wrote them.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._words = dictionary()
        characters = "".join(map(chr, arrays["characters"].tolist()))
        self.describer = Describer(characters, arrays["odds"].astype(np.float32))
        embedding, slots = (arrays[name].astype(np.float32) for name in ("embedding", "slots"))
        self._hidden = [embedding @ slots, arrays["numbers"].astype(np.float32), arrays["bias"].astype(np.float32)]
        self._out = [arrays[name].astype(np.float32) for name in ("out", "out_bias")]

    def find(self, text: str, *, alone: float, beside: float, sure: float | None = None) -> list[Found]:
        """Find names, in order, none overlapping another.

        Parameters
        ----------
        text : str
            Text in normal form.
        alone, beside : float
            Log-odds from which a candidate counts as a name: without and with a cue beside it (a label, a person, a title).
        sure : float, optional
            What one candidate at least must have, lest the text name nobody at all; a cue beside it counts for it.
        """
        short, places = squeezed(text)
        found = self.among(self.describer.cues(short), alone=alone, beside=beside, sure=sure)
        return [one._replace(start=places[one.start], end=places[one.end - 1] + 1) for one in found]

    def among(self, cues: Cues, *, alone: float, beside: float, sure: float | None = None) -> list[Found]:
        """Find names as :meth:`find` does, in a text that is :func:`squeezed` and whose cues are known."""
        candidates = list(self.describer.candidates(cues))
        if not candidates:
            return []
        margins = self.scores(cues, candidates) - np.array([self._asked(cues, candidate, alone, beside) for candidate in candidates])
        found = [
            (float(margins[place]), candidates[place])
            for place in np.flatnonzero(margins >= 0)
            if not self.describer.shapes.is_medical(cues.text, candidates[place].start, candidates[place].end)
        ]
        if sure is not None and not any(
            margin + (beside + _CUED if cues.beside(one.start, one.end) else alone) >= sure for margin, one in found
        ):
            return []
        return [Found(start, end, odds, cues.staff(start, end)) for start, (end, odds) in sorted(_apart(found).items())]

    def _asked(self, cues: Cues, candidate: Candidate, alone: float, beside: float) -> float:
        """Return the log-odds that are asked of a candidate: more of a word."""
        start, end, word, _ = candidate
        weight = self._words.get(word, 0.0)
        return beside + _WORD_BESIDE * weight if cues.beside(start, end) else alone + _WORD_ALONE * weight

    def scores(self, cues: Cues, candidates: list[Candidate]) -> np.ndarray:
        """Return the log-odds that each candidate is a name, of shape (n_candidates,)."""
        slots, numbers = self.describer.numbers(cues, candidates)
        table, weights, bias = self._hidden
        hidden = numbers @ weights + bias
        for slot in range(_SLOTS):
            hidden += table[slot, slots[:, slot]]
        np.maximum(hidden, 0.0, out=hidden)
        return hidden @ self._out[0] + self._out[1]


def _apart(sure: list[tuple[float, Candidate]]) -> dict[int, tuple[int, float]]:
    """Choose the surest of those that overlap; end and log-odds by start.

    A longer name with the same start that is about as sure is taken: rather a character too many than one left.
    """
    chosen: dict[int, tuple[int, float]] = {}
    taken: set[int] = set()
    for odds, (start, end, _, _) in sorted(sure, reverse=True):
        known, best = chosen.get(start, (start, odds))
        if end > known and odds > best - _ABOUT and taken.isdisjoint(range(known, end)):
            chosen[start] = (end, best)
            taken.update(range(known, end))
    return chosen


@cache
def name_model() -> NameModel:
    """Return the model of the package, read once."""
    return NameModel(read_tensors(Path(str(files("nlp").joinpath("data/name_model.safetensors")))))
