"""Tables in a note: values that stand below or beside their label, written anew as label and value.

A row of labels, then rows with as many cells; cells parted by bars, tabs, blanks or commas. A label with its value in the next cell. A
label alone on a line, its value on the next. No rule here says what an identifier is: ``住院号:00123456`` is read as anywhere else.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from nlp.identifiers.codes import code_labels, form_fields
from nlp.identifiers.names import tables
from nlp.identifiers.places import place_labels

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Unrolled", "unroll"]

# What parts the cells of a row, the surest first; the last two only where every cell of the first row is a label.
_BARS, _TABS, _GAPS, _COMMAS, _BLANKS = (re.compile(mark) for mark in (r"[|│┃¦]", r"\t", r" {2,}", r"[,;]", r" +"))
_SURE = re.compile(r"[|│┃¦\t]| {2}")
_LINE = re.compile(r"[^\n]+")
_RULE = re.compile(r"[\s|│┃¦+=:_─━┼├┤┌┐└┘-]+")
_NOISE = re.compile(r"[\s:()【】\[\]*_]+")
# Characters of a label, of one with the blanks in it, and of a row.
_LONGEST_LABEL, _LONGEST_WRITTEN, _LONGEST_ROW = 12, 24, 400
_MOST_ROWS = 200

Cell = tuple[int, int]


class Unrolled(NamedTuple):
    """Labels and values of tables, a line each, and where the values stand in the text they are from."""

    text: str
    values: tuple[tuple[int, int, int], ...]

    def place(self, start: int, end: int) -> Cell | None:
        """Return where what was found in :attr:`text` stands in the note, None where it is no part of a value."""
        for at, stop, origin in self.values:
            if at < end and start < stop:
                return origin + max(start, at) - at, origin + min(end, stop) - at
        return None


def unroll(text: str) -> Unrolled:
    r"""Write the values of tables behind their labels.

    Parameters
    ----------
    text : str
        Text in normal form.

    Examples
    --------
    >>> unroll("姓名\t性别\t住院号\n王芳\t女\t00123456\n").text
    '姓名:王芳\n性别:女\n住院号:00123456\n'
    """
    pieces: list[str] = []
    values: list[tuple[int, int, int]] = []
    at = 0
    for label, (start, end) in _pairs(text):
        pieces.append(f"{label}:{text[start:end]}\n")
        values.append((at + len(label) + 1, at + len(pieces[-1]) - 1, start))
        at += len(pieces[-1])
    return Unrolled("".join(pieces), tuple(values))


def _pairs(text: str) -> Iterator[tuple[str, Cell]]:
    """Give each label with the place of its value."""
    lines = [match.span() for match in _LINE.finditer(text) if not _RULE.fullmatch(match.group())]
    heads: list[str] = []  # the labels of the table that goes on
    mark, left = _TABS, 0
    for start, end in lines:
        if end - start > _LONGEST_ROW:
            heads = []
            continue
        found = _head(text, start, end)
        if found:
            mark, heads = found
            left = _MOST_ROWS if len(heads) > 1 else 1
            continue
        cells = _cells(text, start, end, mark) if heads else []
        if heads and left and _fits(cells, heads, mark):
            left -= 1
            yield from ((label, cell) for label, cell in zip(heads, cells, strict=False) if label and cell[0] < cell[1])
            continue
        heads = []
        yield from _beside(text, start, end)


def _fits(cells: list[Cell], heads: list[str], mark: re.Pattern[str]) -> bool:
    if mark in (_BARS, _TABS):  # cells left out at the end of a row are no loss
        return len(heads) / 2 < len(cells) <= len(heads)
    return len(cells) == len(heads)


def _head(text: str, start: int, end: int) -> tuple[re.Pattern[str], list[str]] | None:
    """Return what parts the cells of a row of labels, and the labels; None for any other row."""
    for mark in (_COMMAS, _BLANKS) if not _SURE.search(text, start, end) else (_BARS, _TABS, _GAPS):
        first = mark.search(text, start, end)
        if not first or (mark in (_COMMAS, _BLANKS) and _word(text, start, first.start()) not in _labels()):
            continue
        words = [_word(text, *cell) for cell in _cells(text, start, end, mark)]
        filled = [word for word in words if word]
        exact = sum(word in _labels() for word in filled)
        if mark in (_COMMAS, _BLANKS):
            if exact == len(filled) >= 3:
                return mark, words
        elif (exact == len(filled) == 1 and mark is _BARS) or (exact >= 2 and all(map(_is_like_label, filled)) and _mostly(filled)):
            return mark, words
        else:
            return None
    word = _word(text, start, end)
    return (_GAPS, [word]) if word in _labels() else None


def _word(text: str, start: int, end: int) -> str:
    """Return a cell as a label is written, without blanks, colons and brackets, and what is too long for one as it is."""
    return _NOISE.sub("", text[start:end]) if end - start <= _LONGEST_WRITTEN else text[start:end]


def _mostly(words: list[str]) -> bool:
    """Return whether most cells are labels, or end like one (家属电话)."""
    return 2 * sum(word in _labels() or word[-2:] in _labels() for word in words) > len(words)


def _is_like_label(word: str) -> bool:
    return len(word) <= _LONGEST_LABEL and sum(character.isdecimal() for character in word) <= 1


def _beside(text: str, start: int, end: int) -> Iterator[tuple[str, Cell]]:
    """Give labels whose value stands in the next cell of the row."""
    for mark in (_BARS, _TABS, _GAPS):
        if mark.search(text, start, end):
            cells = _cells(text, start, end, mark)
            words = [_word(text, *cell) for cell in cells]
            for place in range(len(cells) - 1):
                if words[place] in _labels() and words[place + 1] and words[place + 1] not in _labels():
                    yield words[place], cells[place + 1]
            return


def _cells(text: str, start: int, end: int, mark: re.Pattern[str]) -> list[Cell]:
    """Return the places of the cells of a row without the blanks around them; empty cells at its end are left out."""
    if mark is _GAPS:  # blanks before the first column part nothing
        start += len(text[start:end]) - len(text[start:end].lstrip(" "))
    edges = [start, *(edge for match in mark.finditer(text, start, end) for edge in match.span()), end]
    cells = [_stripped(text, first, last) for first, last in zip(edges[::2], edges[1::2], strict=True)]
    while cells and cells[-1][0] == cells[-1][1]:
        cells.pop()
    return cells


def _stripped(text: str, start: int, end: int) -> Cell:
    while start < end and text[start] in " \t":
        start += 1
    while end > start and text[end - 1] in " \t":
        end -= 1
    return start, end


@cache
def _labels() -> frozenset[str]:
    """Return every word that labels a field of a form."""
    people = tables()["labels"]
    return frozenset((*people["patient"].split(), *people["staff"].split(), *code_labels(), *place_labels(), *form_fields()))
