"""What a character CRF looks at: hashed features of every character, computed for a whole batch of texts by array arithmetic.

One 64-bit number stands for one feature (a character 3-gram two places to the left, the word that covers the character, ...), one column
for one template. No string is built and nothing is done character by character in Python, which is why features cost about a microsecond
a character; :class:`RowTable` finds the weights of the features that were kept in training, exactly, without any collision but that of two
64-bit hashes.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["FEATURES_VERSION", "Flat", "RowTable", "feature_hashes", "flatten"]

#: Goes up whenever a template, a table or a hash changes: weights learnt with one version mean nothing to another.
FEATURES_VERSION = 1

#: Zeros between texts: more than the widest template reaches, so that no feature sees the text beside.
_GAP = 8
#: Size of an n-gram -> offsets of its first character from the character it describes.
_NGRAMS: dict[int, tuple[int, ...]] = {
    1: (-3, -2, -1, 0, 1, 2, 3),
    2: (-3, -2, -1, 0, 1, 2),
    3: (-3, -2, -1, 0, 1),
    4: (-3, -2, -1, 0),
    5: (-4, -2, 0),
}
#: Characters that a CRF should tell apart by kind; the rest is 1, CJK 2. Later rows win.
_CLASSES: tuple[tuple[int, str], ...] = (
    (3, "0123456789"),
    (4, "abcdefghijklmnopqrstuvwxyz"),
    (5, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    (6, "。！？!?；;\n\r"),
    (7, "，,"),
    (8, "、"),
    (9, "：:"),
    (10, "()（）[]【】<>《》"),
    (11, "."),
    (12, "+-*/×%~="),
    (13, " \t\u3000"),
    (14, "一二三四五六七八九十两半"),
    (15, "左右双上下前后内外中"),
)
_CJK = ((0x3400, 0xA000), (0x20000, 0x33480))
_CODE_POINTS = 0x110000
_U = np.uint64


class Flat(NamedTuple):
    """Texts laid end to end with a gap between.

    Parameters
    ----------
    texts : tuple of str
        The texts, folded: half width and lower case, length for length; what cannot be UTF-8 is a question mark.
    starts : ndarray of shape (n_texts,), int64
        Place of each text's first character.
    codes : ndarray of shape (n_places,), uint64
        Folded code point plus one, 0 in the gaps.
    classes : ndarray of shape (n_places,), uint64
        Kind of character, 0 in the gaps.
    """

    texts: tuple[str, ...]
    starts: np.ndarray
    codes: np.ndarray
    classes: np.ndarray


@cache
def _tables() -> tuple[np.ndarray, np.ndarray]:
    """Return, for every code point, its folded form and its class."""
    folded = np.arange(_CODE_POINTS, dtype=np.uint32)
    folded[0xFF01:0xFF5F] -= 0xFEE0
    folded[0x3000] = 0x20
    classes = np.ones(_CODE_POINTS, np.uint8)
    for start, end in _CJK:
        classes[start:end] = 2
    for number, letters in _CLASSES:
        classes[[ord(letter) for letter in letters]] = number
    wide = classes == 1
    classes[wide] = classes[folded[wide]]
    upper = (folded >= ord("A")) & (folded <= ord("Z"))
    folded[upper] += 32
    folded[0xD800:0xE000] = ord("?")
    return folded, classes


def flatten(texts: Sequence[str]) -> Flat:
    """Lay texts end to end.

    Parameters
    ----------
    texts : sequence of str
        Any texts, lone surrogates included.

    Returns
    -------
    Flat
        With a gap before, between and after.

    Examples
    --------
    >>> flatten(["ＣＴ示", ""]).texts
    ('ct示', '')
    """
    fold, kinds = _tables()
    length = sum(len(text) + _GAP for text in texts) + _GAP
    codes, classes = np.zeros(length, np.uint64), np.zeros(length, np.uint64)
    starts, folded, place = np.zeros(len(texts), np.int64), [], _GAP
    for number, text in enumerate(texts):
        raw = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        plain = fold[raw]
        folded.append(plain.tobytes().decode("utf-32-le"))
        codes[place : place + len(raw)] = plain + np.uint32(1)
        classes[place : place + len(raw)] = kinds[raw] + np.uint8(1)
        starts[number] = place
        place += len(raw) + _GAP
    return Flat(tuple(folded), starts, codes, classes)


def feature_hashes(flat: Flat, marks: Iterable[np.ndarray] = ()) -> np.ndarray:
    """Return the features of every place.

    Parameters
    ----------
    flat : Flat
        The texts.
    marks : iterable of ndarray of shape (n_places,), int64
        What lexicons say of each place (see ``nlp.entities.lexicon``), one array a lexicon.

    Returns
    -------
    ndarray of shape (n_places, n_templates), uint64
        One hash a template. Places in gaps hold hashes too; nothing reads them.
    """
    columns: list[np.ndarray] = []

    def put(values: np.ndarray) -> None:
        # The number of the template goes into the hash: the same 2-gram is another feature at another offset.
        columns.append(_mix(values + _U((len(columns) + 1) * 0xD6E8FEB86659FD93 & 0xFFFFFFFFFFFFFFFF)))

    grams = _ngrams(flat.codes)
    for size, offsets in _NGRAMS.items():
        for offset in offsets:
            put(_shift(grams[size], offset))
    put(_shift(grams[1], -1) * _U(31) + _shift(grams[1], 1))
    _shape_features(flat.classes, grams[1], put)
    _word_features(flat, put)
    for mark in marks:
        _mark_features(mark.astype(np.uint64) + _U(1), grams[1], put)
    return np.stack(columns, axis=1)


def _mix(values: np.ndarray) -> np.ndarray:
    """Scatter 64-bit numbers (the finaliser of a good hash: two multiplications, three shifts); in place on its own copy."""
    values = values ^ (values >> _U(31))
    values *= _U(0x9E3779B97F4A7C15)
    values ^= values >> _U(29)
    values *= _U(0xBF58476D1CE4E5B9)
    values ^= values >> _U(32)
    return values


def _shift(values: np.ndarray, offset: int) -> np.ndarray:
    """Return what stands `offset` places to the right; the gaps at both ends take what comes round."""
    return np.roll(values, -offset) if offset else values


def _ngrams(codes: np.ndarray) -> dict[int, np.ndarray]:
    grams = {1: _mix(codes)}
    for size in range(2, max(_NGRAMS) + 1):
        grams[size] = _mix(grams[size - 1] * _U(0x100000001B3) + _shift(codes, size - 1))
    return grams


def _shape_features(classes: np.ndarray, letters: np.ndarray, put) -> None:
    three = _mix(_shift(classes, -1) * _U(65536) + classes * _U(256) + _shift(classes, 1))
    five = _mix(three + _mix(_shift(classes, -2) * _U(256) + _shift(classes, 2)))
    put(three)
    put(five)
    put(_mix(five + _mix(_shift(classes, -3) * _U(256) + _shift(classes, 3))))
    put(_mix(three + letters))


def _word_features(flat: Flat, put) -> None:
    """Features of the word that covers a character and of the words beside it."""
    size = len(flat.codes)
    starts, ends = _words(flat)
    here = np.arange(size)
    # A word's hash: the sum over its characters of a hash of (character, place in the word).
    sums = np.zeros(size + 1, np.uint64)
    np.cumsum(_mix(flat.codes + (here - starts + 1).astype(np.uint64) * _U(0x51ED270B)), out=sums[1:])
    words = _mix(sums[ends] - sums[starts])
    lengths = np.minimum(ends - starts, 6).astype(np.uint64)
    inside = np.select([ends - starts == 1, here == starts, here == ends - 1], [0, 1, 2], 3).astype(np.uint64)
    before, after = words[np.maximum(starts - 1, 0)], words[np.minimum(ends, size - 1)]
    put(words + inside)
    put(inside * _U(16) + lengths)
    put(before + inside)
    put(after + inside)
    put(before * _U(3) + words + inside)
    put(words * _U(3) + after + inside)
    put(_shift(inside, -1) * _U(16) + inside * _U(4) + _shift(inside, 1))


def _words(flat: Flat) -> tuple[np.ndarray, np.ndarray]:
    """Return start and end of the word that covers each place; a place in a gap is a word by itself."""
    import rjieba

    starts = np.arange(len(flat.codes), dtype=np.int64)
    ends = starts + 1
    for text, first in zip(flat.texts, flat.starts, strict=True):
        if not text:
            continue
        lengths = np.fromiter(map(len, rjieba.cut(text, True)), np.int64)
        stops = np.cumsum(lengths)
        if stops[-1] != len(text):  # a word list that drops characters says nothing of where words stand
            continue
        starts[first : first + len(text)] = np.repeat(stops - lengths, lengths) + first
        ends[first : first + len(text)] = np.repeat(stops, lengths) + first
    return starts, ends


def _mark_features(mark: np.ndarray, letters: np.ndarray, put) -> None:
    """Features of what a lexicon says here and up to two places away."""
    put(mark)
    put(_shift(mark, -1) * _U(1 << 20) + mark)
    put(mark * _U(1 << 20) + _shift(mark, 1))
    put(mark * _U(1 << 24) + letters)
    put(_shift(mark, -2) * _U(1 << 40) + mark)
    put(_shift(mark, 2) * _U(1 << 40) + mark)


class RowTable:
    """Hash of a feature -> row of the weights; row 0 for a feature that training did not keep.

    Parameters
    ----------
    hashes : ndarray of shape (n_kept,), uint64
        Sorted, each once; the hash at place i has row i + 1.
    """

    def __init__(self, hashes: np.ndarray) -> None:
        self.hashes = hashes
        # Hashes are uniform: their first bits say nearly where they stand, so a look-up is one step, rarely two.
        bits = max(1, len(hashes).bit_length() + 1)
        self._shift = _U(64 - bits)
        edges = np.arange(1 << bits, dtype=np.uint64) << self._shift
        self._first = np.append(np.searchsorted(hashes, edges), len(hashes)).astype(np.int32)
        self._padded = np.append(hashes, _U(0))

    @classmethod
    def fit(cls, hashes: np.ndarray, *, at_least: int = 2) -> RowTable:
        """Keep the features that occur often enough.

        Parameters
        ----------
        hashes : ndarray of shape (n_places, n_templates), uint64
            Features of the training texts.
        at_least : int, default 2
            How often.

        Returns
        -------
        RowTable
            Of those.
        """
        kept = []
        for column in hashes.T:  # a hash stands in the column of its template only
            found, counts = np.unique(column, return_counts=True)
            kept.append(found[counts >= at_least])
        return cls(np.unique(np.concatenate(kept)))

    def __len__(self) -> int:
        """Return the number of rows, row 0 included."""
        return len(self.hashes) + 1

    def rows(self, hashes: np.ndarray) -> np.ndarray:
        """Look features up.

        Parameters
        ----------
        hashes : ndarray of any shape, uint64
            The features.

        Returns
        -------
        ndarray of the same shape, int32
            Their rows.

        Examples
        --------
        >>> RowTable(np.array([5, 1 << 63], np.uint64)).rows(np.array([1 << 63, 6, 5], np.uint64))
        array([2, 0, 1], dtype=int32)
        """
        flat = hashes.ravel()
        slots = (flat >> self._shift).astype(np.int64)
        places, last = self._first[slots], self._first[slots + 1]
        rows = np.where(self._padded[places] == flat, places + 1, 0).astype(np.int32)
        rows[places >= last] = 0
        open_ = np.flatnonzero((rows == 0) & (places + 1 < last))
        step = 1
        while len(open_):
            there = places[open_] + step
            hit = self._padded[there] == flat[open_]
            rows[open_[hit]] = there[hit] + 1
            open_ = open_[~hit & (there + 1 < last[open_])]
            step += 1
        return rows.reshape(hashes.shape)
