"""Reads sentences whose mentions are marked in the text: ``否认<m assertion=absent>高血压</m>史。``.

The reader knows nothing of what is tested. It fails on a tag that does not close, on an attribute or value that nobody declared and on a
sentence without a mark, so that a slip of the pen cannot become a test that tests nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_TAG = re.compile(r"<(/?)m([^<>]*)>")
_ATTRIBUTE = re.compile(r"\s+([a-z]+)=([^\s=<>]+)")


class MarkedError(ValueError):
    """A marked-up sentence that cannot be read."""


class Mark(NamedTuple):
    """A marked stretch, in code points of the sentence without its tags."""

    start: int
    end: int
    attributes: dict[str, str]


class MarkedSentence(NamedTuple):
    """A sentence without its tags, and its marks; `line` is its place in the file, counted from 1."""

    text: str
    marks: tuple[Mark, ...]
    line: int


def read_marked(source: str, *, allowed: Mapping[str, frozenset[str]], line: int = 0) -> MarkedSentence:
    """Read one sentence.

    Parameters
    ----------
    source : str
        With tags ``<m name=value ...>`` and ``</m>``; marks may nest.
    allowed : mapping of str to frozenset of str
        Attribute -> the values that it may have.
    line : int, optional
        Named in errors.
    """
    parts: list[str] = []
    marks: list[Mark] = []
    opened: list[tuple[int, dict[str, str]]] = []
    length = place = 0
    for tag in _TAG.finditer(source):
        parts.append(source[place : tag.start()])
        length += tag.start() - place
        place = tag.end()
        if not tag[1]:
            opened.append((length, _attributes(tag[2], allowed, line)))
        elif not opened:
            raise MarkedError(f"line {line}: </m> closes nothing")
        else:
            start, attributes = opened.pop()
            marks.append(Mark(start, length, attributes))
    text = "".join([*parts, source[place:]])
    _check(text, marks, unclosed=len(opened), line=line)
    return MarkedSentence(text, tuple(sorted(marks, key=lambda mark: (mark.start, -mark.end))), line)


def read_marked_file(path: Path, *, allowed: Mapping[str, frozenset[str]]) -> list[MarkedSentence]:
    """Read a file of sentences, one a line; empty lines and lines that begin with # are skipped."""
    lines = path.read_text("utf-8").splitlines()
    return [read_marked(text, allowed=allowed, line=place) for place, text in enumerate(lines, 1) if text and not text.startswith("#")]


def _attributes(text: str, allowed: Mapping[str, frozenset[str]], line: int) -> dict[str, str]:
    found = dict(_ATTRIBUTE.findall(text))
    if _ATTRIBUTE.sub("", text).strip():
        raise MarkedError(f"line {line}: a tag's attributes cannot be read: {text!r}")
    for name, value in found.items():
        if value not in allowed.get(name, frozenset()):
            raise MarkedError(f"line {line}: {name}={value} is not among the declared attributes")
    return found


def _check(text: str, marks: list[Mark], *, unclosed: int, line: int) -> None:
    if unclosed:
        raise MarkedError(f"line {line}: {unclosed} mark(s) never close")
    if not marks:
        raise MarkedError(f"line {line}: no mark")
    if any(mark.start == mark.end for mark in marks):
        raise MarkedError(f"line {line}: an empty mark")
    if "<m" in text or "</m" in text:
        raise MarkedError(f"line {line}: a broken tag")
