"""Shapes of dates, clock times and lengths of time, as regular expressions built from ``nlp/data/times.yaml``."""

from __future__ import annotations

import re
from calendar import monthrange
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from nlp.times.words import number, tables

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["JOIN", "YEAR_START", "Day", "Patterns", "any_of", "other_words", "patterns", "read_day", "suffixes"]

_CN_DIGITS = "〇零○一二三四五六七八九"
_CN_NUMBER = "一二两三四五六七八九十百廿卅"
_YEAR4 = rf"(?P<y>(?:1[89]|20)\d\d|[一二][{_CN_DIGITS}Oo0]{{3}})"
_MONTH = r"(?P<m>\d{1,2}|十[一二]?|[一二三四五六七八九])"
_DAY = r"(?P<d>\d{1,2}|[一二三]?十[一二三四五六七八九]?|[廿卅][一二三四五六七八九]?|[一二三四五六七八九])"
# What may follow a day that is written without its 日.
_BARE = r"(?=[\s,。;:、()\"'\-~]|[至到行于在入出我本外患复因予开检查给再就晨上下凌晚]|$)"
# Neither a unit nor more of a number may follow a date of digits only.
_OPEN = r"(?![\dA-Za-z%×*^μ]|\.\d|\s?(?:[cmkμ]?[mgl]\b|[个次片粒级度倍支瓶袋枚岁分元]))"
_NUMERAL = rf"\d{{1,4}}(?:\.\d{{1,2}})?|数十|几十|数百|[一二三四五六七八九]?十[几数]|[{_CN_NUMBER}]{{1,5}}|数|几|半"
YEAR_START = re.compile(rf"(?:1[89]|20)\d\d|[一二][{_CN_DIGITS}Oo0]{{3}}")
JOIN = re.compile(r"\s?(?:-{1,2}|~|直至|持续至|起?至|到)\s?")


class Day(NamedTuple):
    """A date as written, not yet put on a clock: any of year, month and day may be missing; `style` is "." "-" or "/" where digits only."""

    year: int | None
    month: int | None
    day: int | None
    end: int
    style: str = ""
    two_digit_year: bool = False

    @property
    def possible(self) -> bool:
        """Whether there is such a day; a year of 29 February is assumed to be a leap year where it is not written."""
        if self.month is not None and not 1 <= self.month <= 12:
            return False
        if self.day is None:
            return True
        return 1 <= self.day <= monthrange(self.year or 2000, self.month or 1)[1]


class Patterns(NamedTuple):
    """Everything that is compiled from the tables."""

    numbers: re.Pattern[str]
    words: re.Pattern[str]
    length: re.Pattern[str]
    before: re.Pattern[str]
    clock: re.Pattern[str]


_FULL = (
    re.compile(
        rf"{_YEAR4}\s?年度?(?:\s?{_MONTH}(?:\s?月份?|(?P<s>[-./、])(?=\d\d?(?:[日号]|{_BARE})))"
        rf"(?:\s?{_DAY}(?![\d个+余多几]|\.\d)(?:\s?[日号]|(?<=\d){_BARE}))?)?"
    ),
    re.compile(rf"{_YEAR4}\s?(?P<s>[-./])-?\s?{_MONTH}\s?(?:[-./月]|--|-\s)\s?{_DAY}(?!\d(?!\d:\d\d|[09]\d\d\s?[-./年]))日?"),
    re.compile(rf"{_YEAR4}(?P<s>[-./]){_MONTH}(?:月份?)?(?![-./]\d){_OPEN}"),
    re.compile(r"(?P<y>(?:19|20)\d\d)(?P<m>\d\d)(?P<d>\d\d)(?![\dA-Za-z.])(?P<s>)"),
)
_SHORT_YEAR = (
    re.compile(rf"(?P<y>\d\d)\s?年\s?{_MONTH}\s?月份?(?:\s?{_DAY}(?:\s?[日号]|(?<=\d){_BARE}))?(?P<s>)"),
    re.compile(r"(?P<y>\d\d)(?P<s>[-./])(?P<m>\d\d?)(?P=s)(?P<d>\d\d?)(?!\d|[-./]\d|日?[A-Za-z%×*^])" + _OPEN),
)
_NO_YEAR = (
    re.compile(rf"{_MONTH}\s?月份?\s?{_DAY}(?![\d个+余多几]|\.\d)(?:\s?[日号]|(?<=\d){_BARE})(?P<s>)"),
    re.compile(r"(?P<m>\d\d)(?P<s>-)(?P<d>\d\d)(?![-./]\d)" + _OPEN),
)
_PARTIAL = {
    ".": re.compile(r"(?P<m>\d{1,2})\.(?P<d>\d{1,2})(?![\d.])"),
    "-": re.compile(r"(?P<m>\d{1,2})-(?P<d>\d{1,2})(?![\d.-])"),
    "/": re.compile(r"(?P<m>\d{1,2})/(?P<d>\d{1,2})(?![\d./])"),
}
_DAY_ONLY = re.compile(rf"{_DAY}\s?[日号](?!\d)")
_MONTH_ONLY = re.compile(rf"{_MONTH}\s?月份?")


_SUFFIXES = {"前": ("之前", "以前"), "后": ("之后", "以后"), "来": ("以来",), "内": ("以内", "之内")}


@cache
def other_words(character: str) -> tuple[str, ...]:
    """Return the words that make something else of a unit when they follow it, such as 龄 after 年."""
    return tuple(tables()["not_after"].get(character, ()))


def any_of(words: Iterable[str]) -> str:
    """Return an alternation of words, the longest first."""
    return "|".join(re.escape(word) for word in sorted(words, key=lambda word: (-len(word), word)))


@cache
def suffixes() -> re.Pattern[str]:
    """Return the expression of what may follow a length (前, 后, 来, 内), where it is no part of another word."""
    guards = {char: any_of(other_words(char)) for char in "前后来内"}
    return re.compile("|".join(f"{'|'.join(longer)}|{char}(?!{guards[char]})" for char, longer in _SUFFIXES.items()))


def _guarded(spelling: str) -> str:
    if spelling.isascii():
        tail = r"(?![A-Za-z\d])"
        guard = f"(?!{any_of(other_words(spelling[0]))})" if other_words(spelling[0]) else ""
        return re.escape(spelling) + tail + guard
    words = other_words(spelling) or other_words(spelling[-1])
    return spelling + (f"(?!{any_of(words)})" if words else "")


def _length() -> re.Pattern[str]:
    spellings = sorted({word for words in tables()["spellings"].values() for word in words}, key=lambda word: (-len(word), word))
    unit = "|".join(_guarded(word) for word in spellings)
    more = "余|多|有余"
    # Most numbers are no lengths: whether a unit comes at all is seen at once.
    begins = "".join(sorted({spelling[0] for spelling in spellings}))
    return re.compile(
        rf"(?=[\d.{_CN_NUMBER}数几半百个余多有来+\s~、\-至到或]*[{begins}])"
        rf"(?:(?P<n>{_NUMERAL})(?:\s?(?P<ge1>个)?(?P<u1>{unit})?\s?(?:[-~、]|--|至|到|或)\s?(?P<n2>{_NUMERAL}))?\s?(?P<more>{more}|来|\+)?|(?P<many>多)(?!个))"
        rf"\s?(?P<ge>个)?(?P<half>半)?(?P<more1>{more})?\s?(?P<unit>{unit})(?P<tail>半(?!年|月|天|小时|个))?(?P<more2>{more}|\+|以上)?(?P<about>左右|上下|许)?"
    )


@cache
def patterns() -> Patterns:
    """Return the expressions, compiled once."""
    table = tables()
    anchors = [word for row in table["anchors"].values() for word in row["words"]]
    at_anchor = [word for words in table["at_anchor"].values() for word in words]
    words = [*table["days"], *table["day_parts"], *table["weeks"], *table["months"], *table["years"], *table["recent"], *table["now"]]
    words += [*table["previous"], *table["previous_parts"], *at_anchor, *table["now_alone"], "同年", "同月", "次年", "翌年", "POD", "pod"]
    words += [*(part for part in table["parts"] if len(part) > 1), "晨", "晚", "早"]
    numerals = f"0-9{_CN_DIGITS}{_CN_NUMBER}半数几多"
    return Patterns(
        numbers=re.compile(
            rf"[{numerals}]{{1,16}}(?=[-./:+~\s、]|[至到余多来有个或年月日号天周星礼小时点旬钟刻分昼世hHdwmDMy]|(?<=(?:19|20)\d{{6}}))"
        ),
        words=re.compile(any_of(words)),
        length=_length(),
        before=re.compile(
            rf"(?:(?P<each>{any_of(table['each'])}|\bq)|(?P<age>{any_of(table['ages'])})[约:\s]*|(?P<test>{any_of(table['tests'])})"
            rf"|(?P<anchor>{any_of(anchors)})(?P<side>之?[前后]|以[前后])?的?(?P<nth>第)?|(?P<nth2>第)|(?P<window>最近|近期|过去|此前|既往)"
            rf"|(?P<front>前)(?=\s?$))?\s?(?P<hedge>{any_of(table['hedges'])})?\s?的?$"
        ),
        clock=re.compile(
            rf"(?P<gap>(?:\s|[,;:T](?=\d\d?:)|的)*)(?P<part>{any_of(table['parts'])})?\s?(?P<about>约)?"
            r"(?:(?P<h>\d{1,2})(?::(?P<mi>\d{2})(?::(?P<s>\d{2}))?(?!\d|:\d|%)"
            rf"|\s?(?:时(?!{any_of(other_words('时'))})|点钟?(?!{any_of(other_words('点'))}))(?:(?P<mi2>\d{{1,2}})分?(?!\d)|(?P<half>半))?)"
            r"(?P<tail>左右|许|余)?)?"
        ),
    )


def _read(pattern: re.Pattern[str], text: str, start: int) -> Day | None:
    match = pattern.match(text, start)
    if not match:
        return None
    parts = match.groupdict()
    return Day(_year(parts.get("y")), _small(parts.get("m")), _small(parts.get("d")), match.end(), parts.get("s") or "")


def _year(written: str | None) -> int | None:
    digits = (char if char in "0123456789" else str(max("〇一二三四五六七八九".find(char), 0)) for char in written or "")
    return int("".join(digits)) if written else None


def _small(written: str | None) -> int | None:
    return int(number(written).low) if written else None


def read_day(text: str, start: int, *, after: Day | None = None) -> Day | None:
    """Read a date where it begins.

    Parameters
    ----------
    text : str
        Text in normal form.
    start : int
        Where the date begins.
    after : Day, optional
        The beginning of a range, whose year and month an unfinished end ("-1.10", 至5日) takes over.

    Returns
    -------
    Day or None
        As written, possible or not.

    Examples
    --------
    >>> read_day("2020.1.3-1.10", 0)
    Day(year=2020, month=1, day=3, end=8, style='.', two_digit_year=False)
    """
    for pattern in _FULL if YEAR_START.match(text, start) else ():
        if day := _read(pattern, text, start):
            return day
    if after and (day := _rest_of_range(text, start, after)):
        return day
    for pattern in _SHORT_YEAR:
        if day := _read(pattern, text, start):
            return day._replace(two_digit_year=True)
    for pattern in _NO_YEAR:
        if day := _read(pattern, text, start):
            return day
    return None


def _rest_of_range(text: str, start: int, after: Day) -> Day | None:
    patterns_of_rest = [_NO_YEAR[0]]
    if after.style and after.day is not None:
        patterns_of_rest.append(_PARTIAL[after.style])
    if after.day is not None:
        patterns_of_rest.append(_DAY_ONLY)
    elif after.month is not None:
        patterns_of_rest.append(_MONTH_ONLY)
    for pattern in patterns_of_rest:
        if day := _read(pattern, text, start):
            return day._replace(year=after.year, month=day.month or after.month, style=after.style)
    return None
