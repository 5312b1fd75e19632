"""Sentences and clauses of clinical Chinese.

A sentence ends at ``。 ; ! ?`` and at the end of a line, not inside numbers (3.5, 1,000), nor where a question mark stands for doubt and
the sentence goes on (肺癌?待排), nor at a line that ends in the middle of a list (无发热、), nor where lines are wrapped at a fixed width.
A western full stop ends one after a Chinese character or a unit. Clauses end at commas besides, and begin at the numbers of a list; what 、
parts stays together.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from nlp.annotations import Clause, Sentence

if TYPE_CHECKING:
    from nlp.annotations import ClinicalText

__all__ = ["Clauses", "Sentences"]

_VERSION = "sentences-1"
_CLOSING = "[\"')】》」]*"
# Ends that need no second look, then those that do: a doubt's question mark, a full stop of the keyboard's other half, the end of a line.
# The pattern begins with one set of characters, so that the text between two ends is passed over quickly.
_END = re.compile(
    rf"[。;!?.\n](?:(?<=[。;!])[。;!]*{_CLOSING}(?<![0-9]。(?=[0-9](?![0-9]?[.、)])))|(?<=\?)\?*{_CLOSING}(?![待可不、,;。)?]|除外|考虑|或)"
    r"|(?:(?<=[一-龥)\]%]\.)|(?<=[a-zA-Z]{2}\.))(?=[\s一-龥])|(?<=\n))"
)
# A comma ends a clause but where it groups the digits of a number; a list's number begins one.
_CLAUSE_END = re.compile(
    r"[, \n\t。;:)?](?:(?<=,)(?<![0-9],(?=[0-9]{3}(?![0-9])))|(?=(?:\(?[0-9]{1,2}[)、]|[0-9]{1,2}\.(?![0-9])|[①-⑳])[ ]?[^\s0-9]))"
)
#: The number before a closing bracket is no list's where the bracket is open: (IM 33)见结节.
_OPENED = re.compile(r"\([^()\n]*$")
_GOES_ON = frozenset("、,及和与或伴并(/")
_OPENS_LINE = re.compile(r"\n[ \t]*(?:[(]?[0-9]{1,2}[.、)]|[①-⑳]|[一二三四五六七八九十]{1,3}[、.]|[【\[#*◆■●-]|[^\n:]{1,12}:)")
_WRAP_FROM = 20
_WRAP_SLACK = 4


class Sentences:
    r"""Sentences, without the blanks around them and with the mark that ends them; none crosses the beginning of a section.

    Examples
    --------
    >>> import nlp
    >>> text = nlp.load(components=["normalise", "sentences"])("体温3.5。无发热、\n咳嗽；考虑肺癌?待排")._.clinical
    >>> [text.text_of(sentence) for sentence in text.sentences]
    ['体温3.5。', '无发热、\n咳嗽；', '考虑肺癌?待排']
    """

    version = _VERSION

    def predict(self, text: ClinicalText) -> list[Sentence]:
        """Return the sentences in order."""
        content = text.text
        cuts = {match.end() for match in _END.finditer(content)}
        if "\n" in content:
            cuts -= _joined_lines(content)
        cuts.update(section.start for section in text.sections)
        cuts.add(len(content))
        return [Sentence(start, end) for start, end in _trimmed(content, sorted(cuts))]


def _trimmed(content: str, cuts: list[int]) -> list[tuple[int, int]]:
    """Return the stretches between cuts without the blanks around them, and without those that are blank."""
    spans, start = [], 0
    for cut in cuts:
        piece = content[start:cut]
        if body := piece.strip():
            first = start + piece.index(body[0])
            spans.append((first, first + len(body)))
        start = cut
    return spans


def _joined_lines(content: str) -> set[int]:
    """Return the places after line ends that end no sentence: lists that go on, and lines wrapped at one width."""
    lines = content.split("\n")
    wrapped = _is_wrapped(lines)
    joined, position = set(), 0
    for line, following in pairwise(lines):
        end = position + len(line)
        last = line.rstrip()[-1:]
        goes_on = last in _GOES_ON or (wrapped and _is_cut(line, last))
        if last and goes_on and following.strip() and _OPENS_LINE.match(content, end) is None:
            joined.add(end + 1)
        position = end + 1
    return joined


def _is_wrapped(lines: list[str]) -> bool:
    """Tell whether the lines of a text break at one width, as those from print or from a scan do, not where their sentences end."""
    widths = [len(line) for line in lines if line.strip()]
    widest = max(widths, default=0)
    if len(widths) < 3 or widest < _WRAP_FROM:
        return False
    return sum(width >= widest - _WRAP_SLACK for width in widths) * 2 > len(widths)


def _is_cut(line: str, last: str) -> bool:
    return len(line) >= _WRAP_FROM and (last.isalnum() or last in "(/-+*×~<>=")


class Clauses:
    """Clauses: the parts of sentences between commas; each knows the place of its sentence in the list."""

    version = _VERSION

    def predict(self, text: ClinicalText) -> list[Clause]:
        """Return the clauses in order; together they cover the sentences."""
        content = text.text
        ends = _CLAUSE_END.finditer(content)
        cuts = [end.end() for end in ends if end[0] != " " or not _OPENED.search(content, max(0, end.end() - 12), end.end())]
        cuts.append(len(content) + 1)
        clauses: list[Clause] = []
        at = 0
        for place, (start, end) in enumerate(text.sentences):
            while cuts[at] <= start:
                at += 1
            while cuts[at] < end:
                clauses.append(Clause(start, cuts[at], place))
                start = cuts[at]
                at += 1
            clauses.append(Clause(start, end, place))
        return clauses
