"""Word segmentation for features and frequency views: jieba with medical words, rjieba where it is installed.

Numbers with their units, and Latin words with the digits, dots and dashes inside them (7.2%, CA19-9, HER-2), are taken first: jieba cuts
them, and never matches words of its user dictionary that hold such marks. What lies between goes to the segmenter.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

from nlp.errors import MissingPart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Segmenter", "segment"]

# A number with its unit, or a run of letters and digits with marks inside.
_WHOLE = re.compile(
    r"[<>≤≥]?[0-9]+(?:[.,:/][0-9]+)*(?:[*×xX]10\^?-?[0-9]+)?(?:/[A-Za-zμ]+[0-9]*|%|‰|℃|°|[A-Za-zμ]{1,6}(?:/[A-Za-zμ0-9.]{1,8}){0,2})?"
    r"|[A-Za-zα-ωΑ-Ω]+(?:[-+./·]?[A-Za-z0-9α-ωΑ-Ω]+)*[+%]?"
)
_CHINESE = re.compile("[一-龥]")


class Segmenter:
    """Cuts text into words.

    Parameters
    ----------
    words : iterable of str, optional
        Words to keep whole; those of two Chinese characters or more are used. The base dictionary's if not given.
    fast : bool, default True
        Use rjieba where it is installed and no words of one's own are given; it knows jieba's own words only.
    """

    def __init__(self, words: Iterable[str] | None = None, *, fast: bool = True) -> None:
        self._cut = (_rjieba() if fast and words is None else None) or _jieba(_base_words() if words is None else words)

    def segment(self, text: str) -> list[str]:
        """Return the words of a text; joined they are the text."""
        words: list[str] = []
        done = 0
        for match in _WHOLE.finditer(text):
            if done < match.start():
                words += self._between(text[done : match.start()])
            words.append(match.group())
            done = match.end()
        return words + self._between(text[done:]) if done < len(text) else words

    def _between(self, piece: str) -> list[str]:
        return list(self._cut(piece)) if _CHINESE.search(piece) else list(piece)


def _jieba(words: Iterable[str]) -> Callable[[str], list[str]]:
    if find_spec("jieba") is None:
        raise MissingPart("word segmentation needs jieba", hint="install the package jieba")
    import logging

    import jieba

    jieba.setLogLevel(logging.WARNING)
    tokenizer = jieba.Tokenizer()
    tokenizer.initialize()
    for word in words:
        if len(word) > 1 and all(_CHINESE.match(character) for character in word):
            tokenizer.add_word(word)
    return lambda piece: tokenizer.lcut(piece, HMM=False)


def _base_words() -> list[str]:
    from nlp.dictionary import base_dictionary

    return [term.term for term in base_dictionary().terms]


def _rjieba() -> Callable[[str], list[str]] | None:
    if find_spec("rjieba") is None:
        return None
    import rjieba

    return rjieba.cut


@lru_cache(maxsize=2)
def _segmenter(fast: bool) -> Segmenter:
    return Segmenter(fast=fast)


def segment(text: str, *, fast: bool = False) -> list[str]:
    """Cut a normalised text into words, with the medical words of the base dictionary kept whole.

    Parameters
    ----------
    text : str
        A text in the form of :mod:`nlp.normal`.
    fast : bool, default False
        Use rjieba where installed: twenty times as fast, without the medical words.

    Returns
    -------
    list of str
        Joined they are the text.

    Examples
    --------
    >>> segment("糖化血红蛋白7.2%,CA19-9升高")
    ['糖化血红蛋白', '7.2%', ',', 'CA19-9', '升高']
    """
    return _segmenter(fast).segment(text)
