"""Read digits as a person would: full width, Chinese numerals, blanks, dashes and invisible characters between them."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Run", "numbers_in", "plain", "runs"]

_NUMERALS = str.maketrans("〇零○一二三四五六七八九壹贰貳叁參肆伍陆陸柒捌玖幺两", "000123456789122334566789" + "12")
#: Digits of the shortest number that is looked for, a mobile phone's.
SHORTEST = 11
#: What may stand between two pieces of one number, at most three characters.
_BETWEEN = re.compile(r"[^\S\n]?[\-_.·•,，、/|;:：*()\t ]{1,2}")
_PIECES = re.compile(r"\d+[xX](?![A-Za-z0-9])|\d+|(?<![A-Za-z0-9])[xX](?![A-Za-z0-9])")


@dataclass(frozen=True)
class Run:
    """Pieces of digits that may be one number.

    Parameters
    ----------
    pieces : tuple of str
        The digits, an X at the end of an identity number included.
    between : tuple of str
        What stands between them; one fewer.
    before, after : str
        The characters next to the run ("" at an end).
    line : int
        Line of the text, from 1.
    """

    pieces: tuple[str, ...]
    between: tuple[str, ...]
    before: str
    after: str
    line: int

    def windows(self, length: int, *, most_pieces: int) -> Iterator[tuple[str, tuple[str, ...], int]]:
        """Give each stretch of whole pieces with `length` characters: the digits, what stands between, the first piece's number.

        A stretch has at most `most_pieces` pieces, or consists of single characters.
        """
        for first in range(len(self.pieces)):
            digits = ""
            for last in range(first, min(len(self.pieces), first + length)):
                digits += self.pieces[last]
                if len(digits) >= length:
                    n_pieces = last - first + 1
                    if len(digits) == length and (n_pieces <= most_pieces or n_pieces == length):
                        yield digits, self.between[first:last], first
                    break


class _Folding(dict):
    """What becomes of each character, worked out when it is first met (for ``str.translate``)."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if unicodedata.category(character) == "Cf":
            self[code] = ""
        else:
            self[code] = str(unicodedata.decimal(character)) if character.isdecimal() else character
        return self[code]


_FOLDING = _Folding(_NUMERALS)


def plain(text: str) -> str:
    """Fold width, Chinese numerals and the digits of other scripts, and drop invisible characters; line breaks stay."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text).translate(_FOLDING)


@lru_cache(maxsize=8)
def numbers_in(text: str) -> tuple[Run, ...]:
    """Give all runs of digits of a text; kept for the next check of the same text."""
    return tuple(runs(plain(text)))


def runs(text: str) -> Iterator[Run]:
    """Give the runs of digits of a plain text that are long enough to be a number of a person, none across a line break."""
    for number, line in enumerate(text.split("\n"), start=1):
        for pieces in _chains(line):
            if pieces[-1].end() - pieces[0].start() < SHORTEST:
                continue
            between = tuple(line[a.end() : b.start()] for a, b in pairwise(pieces))
            start, end = pieces[0].start(), pieces[-1].end()
            yield Run(tuple(p.group() for p in pieces), between, line[max(0, start - 1) : start], line[end : end + 1], number)


def _chains(line: str) -> Iterator[list[re.Match[str]]]:
    """Group pieces that stand close enough to be one number."""
    chain: list[re.Match[str]] = []
    for piece in _PIECES.finditer(line):
        if chain and _BETWEEN.fullmatch(line, chain[-1].end(), piece.start()) is None:
            yield chain
            chain = []
        chain.append(piece)
    if chain:
        yield chain
