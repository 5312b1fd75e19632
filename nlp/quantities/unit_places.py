"""Where a unit stands in a text: the longest spelling from a place on, with what stands below its line."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from nlp.quantities.units import Unit, find_unit, unit_data

__all__ = ["match_unit"]

# What may follow a Latin unit directly: doses run into days and routes (50mgd1, 240mgivgtt).
_LATIN_END = r"(?=[^A-Za-z]|$|[xX]\s?\d|(?-i:d)\d|iv|po(?![A-Za-z\d])|q[dnhow\d]|[bt]id|im(?![A-Za-z])|ih|sc(?![A-Za-z])|st(?![A-Za-z]))"


def _escape(spelling: str, not_before: str) -> str:
    latin = spelling[-1].isascii() and spelling[-1].isalpha()
    return re.escape(spelling) + (_LATIN_END if latin else "") + (f"(?![{not_before}])" if not_before else "")


class _Scanner(NamedTuple):
    """Patterns by first character: of units, and of what may stand below a line."""

    upper: dict[str, re.Pattern[str]]
    below: dict[str, re.Pattern[str]]


@cache
def _scanner() -> _Scanner:
    upper: dict[str, str] = {}
    below: dict[str, str] = {}
    for entry in unit_data()["units"]:
        guards = entry.get("not", {})
        for spelling in entry["as"]:
            source = _escape(spelling, guards.get(spelling, ""))
            below[spelling] = source if not entry.get("below") else re.escape(spelling) + (_LATIN_END if spelling[-1] in "hHpPfF" else "")
            if not entry.get("below"):
                upper[spelling] = source
        for spelling in entry.get("exact", ()):
            upper["\0" + spelling] = below["\0" + spelling] = f"(?-i:{_escape(spelling, '')})"
    upper |= {"\0" + word: f"(?-i:{_escape(word, '')})" for word in unit_data()["words"]}
    return _Scanner(_by_first(upper), _by_first(below))


def _by_first(sources: dict[str, str]) -> dict[str, re.Pattern[str]]:
    first: dict[str, dict[str, str]] = {}
    for key, source in sources.items():
        letter = key.lstrip("\0")[0]
        for case in {letter, letter.upper(), letter.lower()}:
            first.setdefault(case, {})[key] = source
    return {letter: re.compile(_longest_first(known), re.IGNORECASE) for letter, known in first.items()}


def _longest_first(sources: dict[str, str]) -> str:
    return "|".join(sources[key] for key in sorted(sources, key=lambda key: -len(key.lstrip("\0"))))


_LINE = re.compile(r"\s?[/／]\s?\(?|[·*](?=[A-Za-z\d.]+-1)|·(?=[dhkm1])|[.](?=(?:[dh]|min|kg-1)(?![A-Za-z]))|[.](?=(?:min|h|d)-1)")
_LINE_FIRST = frozenset("/／·.* ")
_ALONE = frozenset(["number_concentration", "number_by_high_field", "number_by_low_field", "rate"])
_BELOW_TIMED = re.compile(r"\d{1,2}\s?(?:h(?![A-Za-z])|小时|hr|min|分钟)", re.IGNORECASE)


def _below_line(text: str, start: int) -> int:
    """Return where the units below a line end that begins at a place, else the place."""
    end = start
    while text[end : end + 1] in _LINE_FIRST and (line := _LINE.match(text, end)):
        position = line.end()
        first = text[position : position + 1]
        pattern = _BELOW_TIMED if "2" <= first <= "9" else _scanner().below.get(first)
        found = pattern and (pattern.match(text, position) or (first == "1" and _BELOW_TIMED.match(text, position)))
        if not found:
            break
        end = found.end()
        if "(" in line[0]:
            inner = re.compile(r"[·.*×]").match(text, end)
            second = inner and (pattern := _scanner().below.get(text[inner.end() : inner.end() + 1])) and pattern.match(text, inner.end())
            end = second.end() if second else end
            end += text[end : end + 1] == ")"
        elif text.startswith("-1", end):
            end += 2
    return end


def match_unit(text: str, start: int) -> tuple[int, Unit] | None:
    """Return the end and the unit of what is spelled at a place of a text, if it is a unit.

    Parameters
    ----------
    text : str
        A note.
    start : int
        Where the unit would begin.

    Returns
    -------
    tuple of (int, Unit) or None
        End of the spelling, exclusive, and what it means.

    Examples
    --------
    >>> end, unit = match_unit("尿素7.2mmol/L，", 5)
    >>> end, unit.name
    (11, 'mmol/L')
    """
    first = text[start : start + 1]
    if first in ("/", "／"):
        end = _below_line(text, start)
        unit = find_unit(text[start:end]) if end > start else None
        return (end, unit) if unit and unit.dimension in _ALONE and unit.name != "/s" else None
    pattern = _scanner().upper.get(first)
    found = pattern.match(text, start) if pattern else None
    if found is None:
        return None
    end = _below_line(text, found.end())
    unit = find_unit(text[start:end])
    if unit is None and end > found.end():
        end = found.end()
        unit = find_unit(found[0])
    return (end, unit) if unit else None
