"""Words, numerals and arithmetic of times: the tables of ``nlp/data/times.yaml`` and what follows from them.

How uncertainty widens, n being the number as written:

==============================================  =====================================================================================
as written                                      means
==============================================  =====================================================================================
3天前, 2日                                      that calendar day
3小时, 2周, 5月, 1年                            n ± half a unit as a time; exactly n as a length
20分钟                                          n ± 2 minutes as a time
1年半, 半月, 3个半月                            n ± a quarter of a unit as a time
3-5天, 两三周, 1周至1月                         from the one to the other
3天余, 8+月, 半年多, 超过3天, 3年以上           n to the next number: halves to 1, 1 to 9 to n + 1, full tens to ten more, hundreds likewise
十余年, 十几天, 数十年                          10 to 20, 10 to 20, 30 to 90
数天, 几天; 多年                                3 to 9; 3 to 30 for years, else 3 to 9
约3天, 3天左右, 3天许                           n − 20 % to n + 20 %
近3天 (after what lasted)                       n − 20 % to n
不到3天, 3天内                                  0 to n
近3天, 最近3天, 3天来 (a window)                from n before the note to the note
上午9时许, 2020年左右                           half the grain more on either side of the hour; a whole grain for days, months, years
==============================================  =====================================================================================

A month counts 30 days and a year 365 as a length; on the clock both are calendar months. A bound that falls on a day is the day's first
or last second.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import datetime, timedelta
from functools import cache
from math import ceil, floor
from typing import Any, NamedTuple

from nlp.reading import own_table

__all__ = ["Amount", "Unit", "amount_of", "day_bounds", "month_bounds", "number", "shift", "tables", "unit_of", "year_bounds"]

_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)
_DIGITS = {char: place for place, char in enumerate("零一二三四五六七八九")} | {"〇": 0, "○": 0, "O": 0, "o": 0, "两": 2}
_TENS = {"十": 10, "廿": 20, "卅": 30, "百": 100}


class Unit(NamedTuple):
    """A unit of time; exactly one of `months` and `hours` is greater than 0. `spread` is half the width of a plain "3 units ago"."""

    name: str
    grain: str
    months: float
    hours: float
    days: float
    spread: float


class Amount(NamedTuple):
    """A number of units, from `low` to `high`; `fine` where halves are written, `hedged` where a word already widened it."""

    low: float
    high: float
    fine: bool = False
    hedged: bool = False


def tables() -> dict[str, Any]:
    """Return the tables of ``nlp/data/times.yaml``."""
    return own_table("times.yaml")


@cache
def unit_of(spelling: str) -> Unit:
    """Return the unit that a spelling names.

    Examples
    --------
    >>> unit_of("月").grain, unit_of("hrs").hours
    ('month', 1)
    """
    for name, spellings in tables()["spellings"].items():
        if spelling.lower() in spellings:
            row = tables()["units"][name]
            return Unit(
                name,
                row["grain"],
                row.get("months", 0),
                row.get("hours", 0),
                row["days"] if "days" in row else row["hours"] / 24,
                row["spread"],
            )
    raise KeyError(spelling)


@cache
def number(written: str) -> Amount:
    """Return what a number means, Chinese or Arabic, 半, 数 and 几 included.

    Examples
    --------
    >>> number("3.5"), number("二十五").low, number("数"), number("十几")[:2], number("两三")[:2]
    (Amount(low=3.5, high=3.5, fine=True, hedged=False), 25, Amount(low=3, high=9, fine=False, hedged=True), (10, 20), (2, 3))
    """
    several = tables()["several"]
    if written[0].isdecimal():
        value = float(written)
        return Amount(value, value, fine=value != int(value)) if "." in written else Amount(int(value), int(value))
    if written == "半":
        return Amount(0.5, 0.5, fine=True)
    if written[0] in "数几":
        factor = _TENS.get(written[1:], 1)
        return Amount(several[0] * factor, several[1] * factor, hedged=True)
    if written[-1] in "数几":
        base = _chinese(written[:-1])
        return Amount(base, base + 10, hedged=True)
    if len(written) == 2 and all(_DIGITS.get(char, 0) for char in written):
        return Amount(*sorted(_DIGITS[char] for char in written), hedged=True)
    value = _chinese(written)
    return Amount(value, value)


def _chinese(written: str) -> int:
    if not any(char in _TENS for char in written):
        return int("".join(str(_DIGITS[char]) for char in written))
    total, digit = 0, None
    for char in written:
        if char in _TENS:
            total += (1 if digit is None else digit) * _TENS[char]
            digit = None
        else:
            digit = _DIGITS[char]
    return total + (digit or 0)


def amount_of(first: Amount, *, half: bool = False, more: bool = False, hedge: str = "", about: bool = False) -> Amount:
    """Return a number with its half and its hedges, by the table of this module.

    Examples
    --------
    >>> amount_of(Amount(0.5, 0.5), more=True)[:2], amount_of(Amount(10, 10), more=True)[:2], amount_of(Amount(1, 1), half=True)[:2]
    ((0.5, 1), (10, 20), (1.5, 1.5))
    """
    low, high, fine, hedged = first
    if half:
        low, high, fine = low + 0.5, high + 0.5, True
    factors = tables()["hedges"].get(hedge)
    if more or factors == "more":
        return Amount(low, max(high, _next(low)), fine, hedged=True)
    if about and not factors:
        factors = tables()["hedges"]["约"]
    if factors:
        return Amount(low * factors[0], high * factors[1], fine, hedged=True)
    return Amount(low, high, fine, hedged)


def _next(value: float) -> float:
    if value < 1:
        return 1
    for step in (100, 10):
        if value >= step and value % step == 0:
            return value + step
    return floor(value) + 1


def shift(clock: datetime, units: float, unit: Unit) -> datetime:
    """Move a clock by a number of units, forward where it is positive; calendar months for years and months.

    Raises
    ------
    OverflowError, ValueError
        If the answer lies outside of the years 1 to 9999.

    Examples
    --------
    >>> shift(datetime(2021, 3, 31), -1, unit_of("月")), shift(datetime(2021, 3, 1), -1.5, unit_of("年"))
    (datetime.datetime(2021, 2, 28, 0, 0), datetime.datetime(2019, 9, 1, 0, 0))
    """
    if not unit.months:
        return clock + timedelta(hours=units * unit.hours)
    months = units * unit.months
    whole = ceil(months) if months < 0 else floor(months)
    years, month = divmod(clock.year * 12 + clock.month - 1 + whole, 12)
    day = min(clock.day, monthrange(years, month + 1)[1])
    return clock.replace(year=years, month=month + 1, day=day) + timedelta(days=round((months - whole) * 30))


def day_bounds(day: datetime, last: datetime | None = None) -> tuple[datetime, datetime]:
    """Return the first second of a day and the last of it, or of the day `last`."""
    first = datetime(day.year, day.month, day.day)
    last = last or day
    return first, datetime(last.year, last.month, last.day, 23, 59, 59)


def month_bounds(year: int, month: int, last_month: int | None = None) -> tuple[datetime, datetime]:
    """Return the first and the last second of a month, or of several; months past 12 lie in the next year."""
    years, last = divmod((last_month or month) - 1, 12)
    return datetime(year, month, 1), datetime(year + years, last + 1, monthrange(year + years, last + 1)[1], 23, 59, 59)


def year_bounds(year: int) -> tuple[datetime, datetime]:
    """Return the first and the last second of a year."""
    return month_bounds(year, 1, 12)
