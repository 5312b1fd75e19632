"""Take identifiers out of a note and move its dates, keeping track of every offset.

First form: what the patient index and the staff list know of is replaced wherever it stands, identity and phone numbers
are found by their form, and dates move by the patient's shift. Names that no list knows (a relative's) stay: SECURITY.md
says so, and the text-structuring work adds a recogniser.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from ahocorasick_rs import AhoCorasick, MatchKind

from workbench.identifiers import scan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Edit", "Known", "Scrubbed", "scrub"]

_DATES = re.compile(
    r"(?<![\d.])(?P<year>(?:19|20)\d\d)(?P<s1>[-/.年])(?P<month>\d{1,2})(?:(?P<s2>[-/.月])(?P<day>\d{1,2})(?!\d|\.\d)|(?=月))"
    r"|(?<!\d)(?P<m>\d{1,2})月(?P<d>\d{1,2})(?=日|号)"
)


class Known:
    """Identifiers that a list knows, found all at once in one pass over a text (Aho-Corasick, longest match first).

    Parameters
    ----------
    kinds : mapping of str to str
        Identifier -> the kind shown in its place, as in ``{"王芳": "姓名"}``.
    """

    def __init__(self, kinds: Mapping[str, str]) -> None:
        self._shown = [f"【{kind}】" for kind in kinds.values()]
        self._automaton = AhoCorasick(list(kinds), matchkind=MatchKind.LeftmostLongest) if kinds else None

    def edits(self, text: str) -> list[Edit]:
        """Return a replacement for each occurrence, none overlapping another."""
        if self._automaton is None:
            return []
        return [Edit(start, end, self._shown[which]) for which, start, end in self._automaton.find_matches_as_indexes(text)]


@dataclass(frozen=True)
class Edit:
    """One replacement: code points `start` to `end` of the old text became `text`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Scrubbed:
    """A note without identifiers, and how its offsets moved."""

    text: str
    edits: tuple[Edit, ...]

    def move(self, start: int, end: int) -> tuple[int, int]:
        """Return where a span of the old text lies in the new; a span cut by an edit grows to hold all of it."""
        return self._at(start, after=False), self._at(end, after=True)

    def _at(self, position: int, *, after: bool) -> int:
        shift = 0
        for edit in self.edits[: bisect_right(self.edits, position, key=lambda edit: edit.start)]:
            if position < edit.end:
                if position == edit.start:
                    return edit.start + shift
                return edit.start + shift + (len(edit.text) if after else 0)
            shift += len(edit.text) - (edit.end - edit.start)
        return position + shift


def scrub(text: str, *known: Known, shift_days: int = 0, written: date | None = None) -> Scrubbed:
    """Replace identifiers in a note and move its dates.

    Parameters
    ----------
    text : str
        The raw note.
    *known : Known
        Identifiers of the patient, of the staff.
    shift_days : int
        Days by which every date moves.
    written : date, optional
        Date of the note: the year of a date that gives only month and day.

    Returns
    -------
    Scrubbed
        The new text and the edits, in order and without overlap.

    Examples
    --------
    >>> scrub("患者王芳，2021-03-01入院。", Known({"王芳": "姓名"}), shift_days=7).text
    '患者【姓名】，2021-03-08入院。'
    """
    found = [
        *(edit for each in known for edit in each.edits(text)),
        *(Edit(hit.start, hit.end, f"【{hit.kind_zh}】") for hit in scan(text)),
    ]
    if shift_days:
        found += _dates(text, shift_days, written)
    edits: list[Edit] = []
    for edit in sorted(found, key=lambda edit: (edit.start, -edit.end)):
        if not edits or edit.start >= edits[-1].end:
            edits.append(edit)
        elif edit.end > edits[-1].end:  # two identifiers that share characters: both go
            edits[-1] = Edit(edits[-1].start, edit.end, edits[-1].text)
    pieces, at = [], 0
    for edit in edits:
        pieces += [text[at : edit.start], edit.text]
        at = edit.end
    return Scrubbed("".join([*pieces, text[at:]]), tuple(edits))


def _dates(text: str, shift_days: int, written: date | None) -> Iterator[Edit]:
    for match in _DATES.finditer(text):
        moved = _moved(match, shift_days, written)
        if moved is not None:
            yield Edit(match.start(), match.end(), moved)


def _moved(match: re.Match[str], shift_days: int, written: date | None) -> str | None:
    part = match.groupdict()
    if part["m"] is not None:
        day = _date(written.year if written else 2001, int(part["m"]), int(part["d"]), shift_days)
        return day and f"{day.month}月{day.day}"
    day = _date(int(part["year"]), int(part["month"]), int(part["day"] or 15), shift_days)
    if day is None:
        return None
    moved = f"{day.year}{part['s1']}{_padded(day.month, part['month'], part['s1'])}"
    return moved if part["day"] is None else f"{moved}{part['s2']}{_padded(day.day, part['day'], part['s1'])}"


def _padded(number: int, like: str, separator: str) -> str:
    """Write a number as wide as the one it replaces; 12月 says nothing about padding, 01月 and 2021-12 do."""
    return f"{number:0{len(like)}d}" if separator != "年" or like.startswith("0") else str(number)


def _date(year: int, month: int, day: int, shift_days: int) -> date | None:
    if not (1 <= month <= 12 and 1 <= day <= monthrange(year, month)[1]):
        return None
    return date(year, month, day) + timedelta(days=shift_days)
