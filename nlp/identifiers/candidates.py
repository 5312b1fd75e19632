"""Where names may stand in a text, and what stands in and around them as numbers, for all places at once.

Every surname with one or two characters is a candidate: a list of contexts never ends, so none is listed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nlp.identifiers.names import FIELD, LONGEST_WORD, dictionary, shapes, tables
from nlp.identifiers.reading import BITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nlp.identifiers.reading import Reading

__all__ = ["LEFT", "RIGHT", "SLOTS", "Candidates", "Describer"]

#: Characters that are read on each side of a candidate, and in all.
LEFT, RIGHT = 6, 5
SLOTS = LEFT + 4 + RIGHT
_LONGEST_FOREIGN = 7
_COMMON = 240
# Log-odds: of a character of names without surname; of one in a given name; of a name as a whole, where no cue stands before it;
# of characters that no name was seen to have; of a surname of which nothing is known.
_LEAST, _LEAST_GIVEN, _LEAST_NAME, _UNSEEN, _RARE = -4.5, -7.0, -4.0, -6.0, 4.0
_PAD, _UNKNOWN, _DIGIT, _LETTER = "\x00", "\x01", "0", "A"
_BLANK = ord(" ")


class Candidates(NamedTuple):
    """Places where names may stand, one a row.

    Parameters
    ----------
    starts, ends : ndarray of shape (n_candidates,), int
        Places in the text, blanks inside included.
    lengths : ndarray of shape (n_candidates,), int
        Characters without blanks.
    families : ndarray of shape (n_candidates,), int
        Characters of the surname, 1 or 2; 0 where it has none.
    weights : ndarray of shape (n_candidates,), float
        How common it is as a word, 0 where it is none.
    """

    starts: np.ndarray
    ends: np.ndarray
    lengths: np.ndarray
    families: np.ndarray
    weights: np.ndarray

    def take(self, chosen: Any) -> Candidates:
        """Return some of them."""
        return Candidates(*(column[chosen] for column in self))


def _points(characters: Any) -> np.ndarray:
    """Return a table by code points that says whether a character is among those given."""
    table = np.zeros(0x10000, bool)
    table[[ord(character) for character in characters]] = True
    return table


def _numbered(characters: str) -> np.ndarray:
    """Return the number of each character by its code point; digits share one, other letters another, the rest a third."""
    table = np.full(0x10000, characters.index(_UNKNOWN), np.int32)
    for point in range(0x80):
        table[point] = characters.index(_DIGIT if chr(point).isdecimal() else _LETTER if chr(point).isalpha() else _UNKNOWN)
    table[[ord(character) for character in characters]] = np.arange(len(characters))
    return table


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

    n_numbers = 20 + 2 * BITS

    def __init__(self, characters: str, odds: np.ndarray) -> None:
        self._numbers = _numbered(characters)
        points = [ord(character) for character in characters]
        by_point = np.full((4, 0x10000), _UNSEEN, np.float32)
        by_point[:, points] = odds.T
        self._surname, self._first, self._last, self._foreign = by_point
        self._given = np.maximum(self._first, self._last)
        self._plausible, self._sounds, seen = np.zeros((3, 0x10000), bool)
        seen[points] = True
        self._plausible = seen & (self._given > _LEAST_GIVEN)
        self._sounds = seen & (self._foreign > _LEAST)
        self._family = np.where(seen, self._surname, _RARE)
        self.shapes = shapes()
        self._is_surname = _points(self.shapes.surnames)
        # Surnames of both parents (陈王雨涵) are looked for among the common ones.
        self._paired = _points("".join(tables()["surnames"].split())[:_COMMON])
        self._compound_first = _points({name[0] for name in self.shapes.compound})

    def candidates(self, reading: Reading) -> Candidates:
        """Return every surname with one or two characters that given names are made of, also with blanks inside (王 芳).

        Behind a mark or a cue any character will do for a given name, and names that have no surname (扎西多吉) are looked for.
        """
        starts, families, alone = self._surnames(reading)
        parts = [self._titled(reading, starts, families, alone), *self._full(reading, starts, families), self._without_surname(reading)]
        return Candidates(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    def _surnames(self, reading: Reading) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return where surnames begin, of how many characters, and whether each can stand without a given name."""
        text, points = reading.text, reading.points
        single = np.flatnonzero(self._is_surname[points])
        compound = [at for at in np.flatnonzero(self._compound_first[points]).tolist() if text[at : at + 2] in self.shapes.compound]
        paired = self._paired[points]
        both = [at for at in np.flatnonzero(paired[:-1] & paired[1:]).tolist() if text[at : at + 2] not in self.shapes.compound]
        starts = np.concatenate((single, np.array(compound + both, single.dtype)))
        families = np.repeat([1, 2], (len(single), len(compound) + len(both)))
        return starts, families, np.repeat([True, False], (len(single) + len(compound), len(both)))

    @staticmethod
    def _titled(reading: Reading, starts: np.ndarray, families: np.ndarray, alone: np.ndarray) -> Candidates:
        chosen = alone & reading.before_title(starts + families)
        starts, families = starts[chosen], families[chosen]
        return Candidates(starts, starts + families, families, families, reading.word(families, starts))

    def _full(self, reading: Reading, starts: np.ndarray, families: np.ndarray) -> Iterator[Candidates]:
        """Give surnames with one character, and with two."""
        points, is_han = (np.concatenate((column, np.zeros(8, column.dtype))) for column in (reading.points, reading.is_han))
        apart = reading.apart[starts]
        odds = self._family[points[starts]]
        ends = starts + families
        going = np.ones(len(starts), bool)
        for length in (1, 2):
            at = ends + (points[ends] == _BLANK)
            going = going & is_han[at] & (apart | self._plausible[points[at]])
            odds = odds + self._given[points[at]]
            ends = np.where(going, at + 1, ends)
            chosen = going & (apart | (odds >= _LEAST_NAME))
            yield self._no_words(reading, starts[chosen], ends[chosen], families[chosen], families[chosen] + length)

    def _no_words(self, reading: Reading, starts: np.ndarray, ends: np.ndarray, families: np.ndarray, lengths: np.ndarray) -> Candidates:
        """Leave out words for persons, and words and terms where no cue stands beside them."""
        weights = reading.word(lengths, starts)
        spaced = np.flatnonzero(ends - starts > lengths)
        for row in spaced.tolist():
            weights[row] = dictionary().get(reading.text[starts[row] : ends[row]].replace(" ", ""), 0.0)
        pairs = reading.persons[2]
        person = pairs[starts] | pairs[ends - 2] | reading.persons[lengths, starts]  # 申请人, 向家属, 司机自
        kept = ~person & (reading.apart[starts] | reading.before_title(ends) | ~((weights > 0) | (reading.terms[starts] >= starts + 3)))
        for row in spaced.tolist():  # a blank inside a name, and none behind it (王小 芳病情); a sex behind a name (高峰 男)
            end = ends[row]
            goes_on = lengths[row] - families[row] == 2 and reading.is_han[end : end + 1].any() and not FIELD.match(reading.text, end)
            if goes_on or reading.text[end - 1] in "男女":
                kept[row] = False
        return Candidates(starts, ends, lengths, families, weights).take(kept)

    def _without_surname(self, reading: Reading) -> Candidates:
        sounds = self._sounds[reading.points]
        found = []
        for start in np.flatnonzero(sounds[:-1] & sounds[1:] & reading.apart[:-2]).tolist():
            run = sounds[start : start + _LONGEST_FOREIGN + 1]
            longest = min(_LONGEST_FOREIGN, len(run) if run.all() else int(run.argmin()))
            for length in range(2, longest + 1):
                end = start + length
                closed = end == len(sounds) or not sounds[end] or reading.beginning[end]
                if closed and (length > 3 or not self.shapes.family(reading.text, start)):
                    found.append((start, end, length))
        starts, ends, lengths = np.array(found, np.intp).reshape(-1, 3).T
        weights = np.where(lengths <= LONGEST_WORD, reading.word(np.minimum(lengths, LONGEST_WORD), starts), 0)
        return Candidates(starts, ends, lengths, np.zeros(len(found), np.intp), weights)

    def numbers(self, reading: Reading, candidates: Candidates) -> tuple[np.ndarray, np.ndarray]:
        """Describe candidates.

        Returns
        -------
        slots : ndarray of shape (n_candidates, 15), int32
            Numbers of the characters: left, surname, given name, right.
        numbers : ndarray of shape (n_candidates, n_numbers), float32
            How it lies among words, and what it is made of.
        """
        points = reading.points
        _, ends, lengths, families, _ = candidates
        before_last = ends - 2 - (points[ends - 2] == _BLANK)
        numbers = np.empty((len(ends), self.n_numbers), np.float32)
        made, lies = self._made_of(reading, candidates, before_last), self._lies_among(reading, candidates)
        for place, column in enumerate((*made, *lies)):
            numbers[:, place] = column
        return self._slots(points, candidates, before_last, lengths - np.where(families > 0, families, 2)), numbers

    def _slots(self, points: np.ndarray, candidates: Candidates, before_last: np.ndarray, n_given: np.ndarray) -> np.ndarray:
        starts, ends, _, families, _ = candidates
        pad = int(self._numbers[ord(_PAD)])
        codes = np.concatenate((np.full(LEFT, pad, np.int32), self._numbers[points], np.full(RIGHT, pad, np.int32)))
        slots = np.empty((len(starts), SLOTS), np.int32)
        slots[:, :LEFT] = codes[starts[:, None] + np.arange(LEFT)]
        slots[:, -RIGHT:] = codes[ends[:, None] + np.arange(LEFT, LEFT + RIGHT)]
        slots[:, LEFT] = codes[starts + LEFT]
        slots[:, LEFT + 1] = np.where(families == 1, pad, codes[starts + LEFT + 1])
        slots[:, LEFT + 2] = np.where(n_given > 1, codes[before_last + LEFT], pad)
        slots[:, LEFT + 3] = np.where(n_given > 0, codes[ends - 1 + LEFT], pad)
        return slots

    def _made_of(self, reading: Reading, candidates: Candidates, before_last: np.ndarray) -> Iterator[np.ndarray]:
        """Give what a candidate is made of, a column of numbers each."""
        points = reading.points
        starts, ends, lengths, families, _ = candidates
        n_given = lengths - families
        double = np.zeros(len(starts), bool)
        for row in np.flatnonzero(families == 2).tolist():
            double[row] = reading.text[starts[row] : starts[row] + 2] in self.shapes.compound
        sums = np.concatenate(([0.0], np.cumsum(np.where(points == _BLANK, 0.0, self._foreign[points]))))
        is_han = np.concatenate(([False], reading.is_han, [False]))
        yield np.where(double, _RARE, self._surname[points[starts]])
        yield np.where(n_given > 1, self._first[points[before_last]], 0.0)
        yield np.where(n_given > 0, self._last[points[ends - 1]], 0.0)
        yield n_given == 0
        yield (sums[ends] - sums[starts]) / lengths
        yield n_given > 1
        yield families == 1
        yield double
        yield families == 0
        yield lengths / 4
        yield ends - starts > lengths
        yield ~is_han[starts]
        yield ~is_han[ends + 1]

    @staticmethod
    def _lies_among(reading: Reading, candidates: Candidates) -> Iterator[np.ndarray]:
        """Give how a candidate lies among words and cues, a column of numbers each."""
        starts, ends, lengths, _, weights = candidates
        word = reading.word
        # The most common word that begins so many characters before each place and reaches over it.
        over = [
            np.maximum.reduce(
                [reading.words[length, LONGEST_WORD - left : -LONGEST_WORD - left] for length in range(left + 1, LONGEST_WORD + 1)]
            )
            for left in range(1, LONGEST_WORD)
        ]
        yield weights
        yield np.where(lengths > 2, word(2, starts), 0.0)
        yield np.where(lengths > 2, word(2, starts + 1), 0.0)
        yield np.maximum.reduce(over)[starts]
        yield np.maximum.reduce([np.where(ends - left >= starts, row[ends], 0.0) for left, row in enumerate(over, 1)])
        yield np.maximum(word(2, starts - 2), word(3, starts - 3))
        yield np.maximum(word(2, ends), word(3, ends))
        for cues in (reading.before(starts), reading.beginning[ends]):
            for bit in range(BITS):
                yield cues >> bit & 1
