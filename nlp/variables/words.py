"""Lists of words and patterns, found in a stretch of a note."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from nlp.normal import fold, normalise
from nlp.variables.patterns import compile_pattern, is_pattern, matches

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Words", "literal", "words"]


def literal(word: str) -> str:
    """Return a word as it is compared: normalised, in lower case.

    Examples
    --------
    >>> literal("ＣＴ值")
    'ct值'
    """
    return fold(normalise(word).text.strip())


def _apart(text: str, start: int, end: int) -> bool:
    """Tell whether a Latin word or a number does not go on beside its ends: CA is not found in CA125."""
    first, last = text[start], text[end - 1]
    if first.isascii() and first.isalnum() and start and _joins(text[start - 1], first):
        return False
    return not (last.isascii() and last.isalnum() and end < len(text) and _joins(text[end], last))


def _joins(beside: str, edge: str) -> bool:
    if not (beside.isascii() and beside.isalnum()):
        return False
    return edge.isalpha() == beside.isalpha() or edge.isdigit()


class Words(NamedTuple):
    """Words and patterns, ready to be found."""

    literals: tuple[str, ...] = ()
    patterns: tuple = ()

    def find(self, text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Give the (start, end) of every hit inside a stretch of a folded text, word by word.

        Parameters
        ----------
        text : str
            Normalised and folded.
        start, end : int
            The stretch.

        Yields
        ------
        (int, int)
            A hit; a pattern may raise TimeoutError.
        """
        for word in self.literals:
            at = text.find(word, start, end)
            while at >= 0:
                if _apart(text, at, at + len(word)):
                    yield at, at + len(word)
                at = text.find(word, at + 1, end)
        for pattern in self.patterns:
            for match in matches(pattern, text[start:end]):
                yield start + match.start(), start + match.end()

    def any(self, text: str, start: int, end: int) -> bool:
        """Tell whether there is a hit."""
        return next(self.find(text, start, end), None) is not None


@lru_cache(maxsize=8192)
def words(listed: tuple[str, ...]) -> Words:
    """Prepare a list of words; those between slashes are patterns.

    Parameters
    ----------
    listed : tuple of str
        As a variable lists them.

    Returns
    -------
    Words
        Longer literals first.

    Examples
    --------
    >>> list(words(("肺", "/左.叶/")).find("左上叶肺", 0, 4))
    [(3, 4), (0, 3)]
    """
    literals = {literal(word) for word in listed if not is_pattern(word)}
    return Words(
        tuple(sorted(filter(None, literals), key=lambda word: (-len(word), word))),
        tuple(compile_pattern(word[1:-1]) for word in listed if is_pattern(word)),
    )
