"""Dates moved by a number of days: values of DA and DT, and dates within text in Chinese and English."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["has_dates", "shift_text", "shift_value"]

_VALUE = re.compile(r"(\d{4})([.\-/]?)(?:(\d{2})\2(?:(\d{2})(.*))?)?", re.DOTALL)
_AFTER = re.compile(r"[0-9.+\- ]*")

_YEAR, _MONTH, _DAY = r"((?:19|20)\d\d)", r"(1[0-2]|0?[1-9])", r"(3[01]|[12]\d|0?[1-9])"
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_WORD = rf"({'|'.join(_MONTHS)})[a-z]*\.?"
#: Each form of a date -> where its year, month and day stand.
_FORMS: tuple[tuple[re.Pattern[str], tuple[int, int, int]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), order)
    for pattern, order in (
        # Fourteen digits are a date and a time of day.
        (r"(?<!\d)((?:19|20)\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=\d{6}(?!\d)|(?!\d))", (1, 2, 3)),
        (rf"(?<!\d){_YEAR}\s*[-/._年\s]\s*{_MONTH}\s*[-/._月\s]\s*{_DAY}(?!\d)", (1, 2, 3)),
        (rf"(?<![\d.]){_DAY}[\s\-/.,]*{_WORD}[\s\-/.,]*{_YEAR}(?!\d)", (3, 2, 1)),
        (rf"(?<![a-z]){_WORD}[\s\-/.,]*{_DAY}(?:st|nd|rd|th)?[\s\-/.,]+{_YEAR}(?!\d)", (3, 1, 2)),
        (rf"(?<![\d.]){_MONTH}[-/.]{_DAY}[-/.]{_YEAR}(?!\d)", (3, 1, 2)),
        (rf"(?<![\d.]){_DAY}[-/.]{_MONTH}[-/.]{_YEAR}(?!\d)", (3, 2, 1)),
    )
)
_DIGIT = re.compile(r"(?:19|20)\d\d")


def shift_value(text: str, days: int) -> str | None:
    """Return values of DA or DT with their dates moved; time of day and zone stay.

    Parameters
    ----------
    text : str
        One or several values (PS3.5 section 6.2), also as ACR-NEMA wrote them.
    days : int
        How far.

    Returns
    -------
    str or None
        None for what is no date, and for a day that no calendar has.

    Examples
    --------
    >>> shift_value("20240229", 7), shift_value("20240229101112.5+0800", -7), shift_value("unknown", 7)
    ('20240307', '20240222101112.5+0800', None)
    """
    moved = [_shift_one(part.strip(" \0"), days) for part in text.split("\\")]
    return None if None in moved else "\\".join(moved)


def _shift_one(text: str, days: int) -> str | None:
    if not text:
        return ""
    found = _VALUE.fullmatch(text)
    if not found or not _AFTER.fullmatch(found[5] or ""):
        return None
    year, sign, month, day, rest = found.groups()
    moved = _moved(int(year), int(month or 7), int(day or (1 if month is None else 15)), days)
    if moved is None:
        return None
    return sign.join(f"{moved:%Y %m %d}".split()[: 1 + bool(month) + bool(day)]) + (rest or "")


def _moved(year: int, month: int, day: int, days: int) -> date | None:
    try:
        moved = date(year, month, day) + timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    return moved if moved.year >= 1000 else None


def has_dates(text: str) -> bool:
    """Say whether a text may hold a date.

    Parameters
    ----------
    text : str
        Any.
    """
    return bool(_DIGIT.search(text))


def shift_text(text: str, days: int | None) -> str:
    """Return a text with each date in it moved, in the form in which it was written, or without dates.

    Parameters
    ----------
    text : str
        Free text.
    days : int or None
        How far; None: dates are left out.

    Examples
    --------
    >>> shift_text("复查 2024年2月29日, before 3-Mar-2024, 20240301_101112", 7)
    '复查 2024年3月07日, before 10-Mar-2024, 20240308_101112'
    """
    if days == 0 or not has_dates(text):
        return text
    taken: list[tuple[int, int, str]] = []
    for pattern, order in _FORMS:
        for found in pattern.finditer(text):
            if all(found.end() <= start or found.start() >= end for start, end, _ in taken):
                taken.append((*found.span(), "" if days is None else _rewritten(found, order, days)))
    for start, end, new in sorted(taken, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _rewritten(found: re.Match[str], order: tuple[int, int, int], days: int) -> str:
    """Return a date as it was written, moved; nothing for a day that no calendar has."""
    year, month, day = (found[at] for at in order)
    number = int(month) if month.isdigit() else _MONTHS.index(month.lower()) + 1
    moved = _moved(int(year), number, int(day), days)
    if moved is None:
        return ""
    writes: dict[int, Callable[[], str]] = {
        order[0]: lambda: f"{moved.year}",
        order[1]: lambda: f"{moved.month:0{len(month)}d}" if month.isdigit() else _like(month, _MONTHS[moved.month - 1]),
        order[2]: lambda: f"{moved.day:0{len(day)}d}",
    }
    pieces, at = [], found.start()
    for group in sorted(writes):
        pieces += [found.string[at : found.start(group)], writes[group]()]
        at = found.end(group)
    return "".join([*pieces, found.string[at : found.end()]])


def _like(model: str, word: str) -> str:
    return word.upper() if model.isupper() else word.capitalize() if model[0].isupper() else word
