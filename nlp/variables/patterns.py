"""Patterns that users write: compiled by ``regex``, tried before they are let near a note, and run under a time limit."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

import regex

from nlp.errors import VariableError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SEARCH_SECONDS", "compile_pattern", "is_pattern", "matches", "probe"]

#: Time that one pattern may take on one note.
SEARCH_SECONDS = 1.0

#: Time that one pattern may take on one adversarial text of PROBE_LENGTH characters: 结节.*?mm, quadratic, needs a tenth of it, whatever is
#: worse needs many times as much, so that the load of the machine does not decide.
PROBE_SECONDS = 0.1
PROBE_LENGTH = 500

_TRIES = 3


def is_pattern(word: str) -> bool:
    """Tell whether a word of a list is a pattern between slashes.

    Examples
    --------
    >>> is_pattern("/右(肺|侧)/"), is_pattern("和/或")
    (True, False)
    """
    return len(word) > 2 and word[0] == word[-1] == "/"


@lru_cache(maxsize=8192)
def compile_pattern(pattern: str) -> regex.Pattern:
    """Compile a pattern; letters match whatever their case.

    Parameters
    ----------
    pattern : str
        In the syntax of the ``regex`` package.

    Returns
    -------
    regex.Pattern
        Ready to search.

    Raises
    ------
    VariableError
        If it does not compile, or can match nothing at all.

    Examples
    --------
    >>> compile_pattern("ct|mri").search("胸部CT").group()
    'CT'
    """
    try:
        compiled = regex.compile(pattern, regex.IGNORECASE | regex.VERSION0)
    except (regex.error, RecursionError, OverflowError, ValueError) as reason:
        raise VariableError(f"pattern does not compile: {reason}") from None
    if compiled.match("") is not None:
        raise VariableError("pattern matches the empty text", hint="it would be found everywhere: ask for at least one character")
    return compiled


def matches(pattern: regex.Pattern, text: str, *, seconds: float = SEARCH_SECONDS) -> Iterator[regex.Match]:
    """Find a pattern within a time limit.

    Parameters
    ----------
    pattern : regex.Pattern
        What to find.
    text : str
        Where.
    seconds : float
        The limit for the whole text.

    Yields
    ------
    regex.Match
        Not empty, from left to right.

    Raises
    ------
    TimeoutError
        If the limit is passed.
    """
    for match in pattern.finditer(text, timeout=seconds):
        if match.end() > match.start():
            yield match


def probe(pattern: str) -> None:
    """Try a pattern on texts that make backtracking explode.

    Parameters
    ----------
    pattern : str
        A pattern that compiles.

    Raises
    ------
    VariableError
        If it passes the limit on one of them in each of three tries: a busy machine is no reason to refuse.

    Examples
    --------
    >>> probe("结节.{0,10}?([0-9]+)mm")
    >>> probe("(a+)+$")
    Traceback (most recent call last):
        ...
    nlp.errors.VariableError: pattern needs more than 0.1 s on a text of 500 characters
      -> bound what repeats ({0,20} for *), and let no repeated group hold another repetition
    """
    compiled = compile_pattern(pattern)
    for text in _adversarial(pattern):
        if all(_times_out(compiled, text) for _ in range(_TRIES)):
            raise VariableError(
                f"pattern needs more than {PROBE_SECONDS} s on a text of {PROBE_LENGTH} characters",
                hint="bound what repeats ({0,20} for *), and let no repeated group hold another repetition",
            )


def _times_out(compiled: regex.Pattern, text: str) -> bool:
    try:
        for _ in matches(compiled, text, seconds=PROBE_SECONDS):
            pass
    except TimeoutError:
        return True
    return False


def _adversarial(pattern: str) -> Iterator[str]:
    """Repeat what the pattern itself speaks of, and what its classes take, and end on something that cannot match.

    The pattern's own letters stand behind that: ``regex`` looks for the string that a match needs before it begins to try.
    """
    literals = re.sub(r"\\[a-zA-Z]|[^\w\s]", "", pattern)
    units = dict.fromkeys([*literals[:12], literals, "a", "0", "中", " ", "a0", "中0", "0.", "，", "中，"])
    for unit in units:
        if unit:
            yield (unit * PROBE_LENGTH)[:PROBE_LENGTH] + f"\x01{literals}"
            yield (unit * 30)[:30] + f"\x01{literals}"
