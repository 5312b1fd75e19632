"""Move the dates of a note by a number of days, each in the form in which it stands."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date, timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["moved_dates"]

_CN = "〇零○一二三四五六七八九"
_CN_SMALL = "[一二三四五六七八九十廿卅]"
_UNLIKE = r"(?!\d|[-.]\d|/|\s?(?:[天周月年次个粒片级度支人岁分秒倍枚]|[%A-Za-z×*^]))"
_EVENT = (
    r"(?=\s?(?:入院|出院|复查|复诊|转入|转科|转院|手术|化验|查血|血常规|我院|外院|急诊|门诊|来院|起病|"
    r"发病|患者|凌晨|上午|下午|夜间|晨|晚|行(?!走)|查|给予|予|CT|MR|B超|超声|胸片))"
)
# Longest forms first; the group that ends a form tells which it is.
_DATE = re.compile(
    r"(?:(?<![\d.])|(?<=[-/.]\d\d))(?P<year>(?:19|20)\d\d)(?P<s1>\s?(?:--|[-/.年])\s?)(?P<month>\d{1,2})(?:(?P<s2>\s?(?:--|"
    r"[-/.月])\s?)(?P<day>\d{1,2}?(?=(?:19|20)\d\d[-/.])|\d{1,2})(?!(?!(?:19|20)\d\d[-/.])\d(?!\d:\d\d)|"
    r"\.\d)|(?=\s?月))(?P<full>)"
    r"|(?<![\dA-Za-z.])(?P<cy>(?:19|20)\d\d)(?P<cm>0[1-9]|1[0-2])(?P<cd>0[1-9]|[12]\d|3[01])(?!\.\d|[A-Za-z])(?=(?:\d{4}(?:\d\d)?)?(?!\d))(?P<compact>)"
    r"|(?<![\d./-])(?P<yy>\d\d)(?P<y1>[-./年])(?P<ym>\d{1,2})(?P<y2>(?P=y1)|(?<=\d)月)(?P<yd>\d{1,2})(?![\d%A-Za-z×*^]|"
    r"[-./]\d)(?P<short>)"
    r"|(?<![\d.])(?P<m>\d{1,2})(?P<ms>\s?月份?\s?)(?P<d>\d{1,2})(?=\s?[日号]|[\s,;。、~至到-](?!\s?\d{1,2}\s?[个天周])|"
    r"[行查入出复于患予晨晚]|$)(?P<plain>)"
    rf"|(?:(?<=[于自从至到])|(?<=[于自从至到]\s)|(?m:^)\s*(?=\d{{1,2}}/))(?P<lm>\d{{1,2}})(?P<ls>[-/])(?P<ld>\d{{1,2}}){_UNLIKE}(?P<led>)"
    rf"|(?:(?<=[于自从])|(?<=[于自从]\s))(?P<pm>\d{{1,2}})(?P<ps>\.)(?P<pd>\d{{1,2}}){_UNLIKE}(?P<pointed>)"
    rf"|(?<![\d./~-])(?P<em>\d{{1,2}})(?P<es>[-/.])(?P<ed>\d{{1,2}})(?!\d|[-/.]\d){_EVENT}(?P<event>)"
    r"|(?:(?<=[于至到])|(?<=本月)|(?<=当月))(?P<only>\d{1,2})(?=[日号](?![前后内间来余龄]))(?P<alone>)"
    rf"|(?P<cny>[一二][{_CN}]{{3}})年(?:(?P<cnm>{_CN_SMALL}{{1,2}})月(?:(?P<cnd>{_CN_SMALL}{{1,3}})(?=[日号]))?)?(?P<chinese>)"
    rf"|(?<!{_CN_SMALL})(?P<hm>{_CN_SMALL}{{1,2}})月(?P<hd>{_CN_SMALL}{{1,3}})(?=[日号])(?P<han>)"
    r"|(?<![\d.])(?P<alone_year>(?:19|20)\d\d)(?=年(?!版|级|代))(?P<yearly>)"
)
_RANGE = re.compile(
    r"(?P<gap>\s?[日号]?\s?(?:--|[-~至到、及和])\s?)(?:(?P<rm>\d{1,2})(?P<rs>[-./]|月)(?P<rd>\d{1,2})(?!\d|"
    r"\.\d|[-/]\d)|(?P<ro>\d{1,2})(?=[日号](?![前后内间余龄])))"
)
_NO_DATE_BEFORE = re.compile(r"(?:肌力|杂音|淋巴结?|阳性率?|比值?|评分|分级|血压|视力|约|近|每)[^,;。\n]{0,6}$")
_FAR = 60


class _Last(NamedTuple):
    """The date before, which lends its year and month to those that are written without."""

    day: date
    end: int


def moved_dates(text: str, shift_days: int, written: date | None) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and new text of every date of a note.

    Parameters
    ----------
    text : str
        The note in normal form (half width).
    shift_days : int
        Days to move by.
    written : date, optional
        Date of the note: lends year and month to dates without.

    Examples
    --------
    >>> list(moved_dates("3月28日至30日复查", 7, date(2021, 4, 1)))
    [(0, 5, '4月4日'), (6, 9, '6日')]
    """
    last: _Last | None = None
    at = 0
    while match := _DATE.search(text, at):
        at = max(match.end(), match.start() + 1)
        near = last if last and match.start() - last.end <= _FAR else None
        form = match.lastgroup or ""
        reader = _FORMS[form]
        if form in ("event", "led", "pointed") and _NO_DATE_BEFORE.search(text, max(0, match.start() - 12), match.start()):
            continue
        found = reader(match, _Shift(shift_days, written, near))
        if found is None:
            continue
        start, end, new, day = found
        yield _with_unit(text, start, end, new)
        last = _Last(day, end)
        at = max(end, at)
        while ranged := _RANGE.match(text, at):
            rest = _rest(ranged, _Shift(shift_days, written, last))
            if rest is None:
                break
            start, end, new, day = rest
            yield _with_unit(text, start, end, new)
            last, at = _Last(day, end), end


def _with_unit(text: str, start: int, end: int, new: str) -> tuple[int, int, str]:
    """Take the 日 or 号 behind a date into the edit, so that a span which ends with it is moved whole."""
    if text[end : end + 1] in ("日", "号") and ("月" in new or new.isdecimal()):
        return start, end + 1, new + text[end]
    return start, end, new


class _Shift(NamedTuple):
    days: int
    written: date | None
    last: _Last | None

    def year(self, month: int) -> int:
        """Return the year of a date that gives none: the last such month not far after the note, or that of the date before."""
        if self.last:
            return self.last.day.year
        if not self.written:
            return 2001
        return self.written.year - (month > self.written.month + 1)

    def move(self, year: int, month: int, day: int) -> tuple[date, date] | None:
        """Return a day and where it moves; a day that its month does not have counts as the month's last."""
        if not 1 <= month <= 12 or not 1 <= day <= 31 or not 1 < year < 9999:
            return None
        before = date(year, month, min(day, monthrange(year, month)[1]))
        return before, before + timedelta(days=self.days)


_Found = tuple[int, int, str, date] | None


def _full(match: re.Match[str], shift: _Shift) -> _Found:
    part = match.groupdict()
    days = shift.move(int(part["year"]), int(part["month"]), int(part["day"] or 15))
    if days is None:
        return None
    before, day = days
    new = f"{day.year}{part['s1']}{_padded(day.month, part['month'], part['s1'])}"
    new += "" if part["day"] is None else f"{part['s2']}{_padded(day.day, part['day'], part['s1'])}"
    return match.start(), match.end(), new, before


def _compact(match: re.Match[str], shift: _Shift) -> _Found:
    days = shift.move(int(match["cy"]), int(match["cm"]), int(match["cd"]))
    return days and (match.start(), match.end(), f"{days[1]:%Y%m%d}", days[0])


def _short(match: re.Match[str], shift: _Shift) -> _Found:
    year = 2000 + int(match["yy"])
    if match["y1"] != "年" and shift.written and not shift.written.year - 30 <= year <= shift.written.year + 1:
        return None
    days = shift.move(year, int(match["ym"]), int(match["yd"]))
    if days is None or (match["y1"] != "年" and match["y2"] != match["y1"]):
        return None
    day = days[1]
    month, number = _padded(day.month, match["ym"], match["y1"]), _padded(day.day, match["yd"], match["y1"])
    return match.start(), match.end(), f"{day.year % 100:02d}{match['y1']}{month}{match['y2']}{number}", days[0]


def _month_day(month: str, mark: str, number: str) -> Callable[[re.Match[str], _Shift], _Found]:
    def read(match: re.Match[str], shift: _Shift) -> _Found:
        days = shift.move(shift.year(int(match[month])), int(match[month]), int(match[number]))
        if days is None:
            return None
        between = match[mark]
        new = f"{_padded(days[1].month, match[month], '年' if '月' in between else '-')}{between}"
        new += _padded(days[1].day, match[number], "年" if "月" in between or match[number][0] != "0" else "-")
        return match.start(month), match.end(number), new, days[0]

    return read


def _alone(match: re.Match[str], shift: _Shift) -> _Found:
    return _day_only(match.start("only"), match.end("only"), int(match["only"]), shift)


def _day_only(start: int, end: int, number: int, shift: _Shift) -> _Found:
    base = shift.last.day if shift.last else shift.written
    if base is None:
        return None
    month = base.month
    year = base.year
    if shift.last and number < base.day and shift.last.end + 4 >= start:  # 3月28日至2日: the month after
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    days = shift.move(year, month, number)
    if days is None:
        return None
    stays = (base + timedelta(days=shift.days)).month == days[1].month
    return start, end, str(days[1].day) if stays else f"{days[1].month}月{days[1].day}", days[0]


def _rest(match: re.Match[str], shift: _Shift) -> _Found:
    """Read the second date of a range: its month and day, or its day."""
    if match["ro"]:
        return _day_only(match.start("ro"), match.end("ro"), int(match["ro"]), shift)
    if int(match["rm"]) > 12:
        return None
    return _month_day("rm", "rs", "rd")(match, shift)


def _chinese(match: re.Match[str], shift: _Shift) -> _Found:
    year = int("".join(str(max(0, "〇一二三四五六七八九".find(character))) for character in match["cny"]))
    month, number = match["cnm"], match["cnd"]
    days = shift.move(year, _small(month) if month else 7, _small(number) if number else 15 if month else 1)
    if days is None:
        return None
    new = "".join("〇一二三四五六七八九"[int(digit)] for digit in str(days[1].year)) + "年"
    new += f"{_han_number(days[1].month)}月" if month else ""
    return match.start(), match.end(), new + (_han_number(days[1].day) if number else ""), days[0]


def _han(match: re.Match[str], shift: _Shift) -> _Found:
    month = _small(match["hm"])
    days = shift.move(shift.year(month), month, _small(match["hd"]))
    return days and (match.start(), match.end(), f"{_han_number(days[1].month)}月{_han_number(days[1].day)}", days[0])


def _yearly(match: re.Match[str], shift: _Shift) -> _Found:
    days = shift.move(int(match["alone_year"]), 7, 1)
    return days and (match.start(), match.end(), str(days[1].year), days[0])


_FORMS: dict[str, Callable[[re.Match[str], _Shift], _Found]] = {
    "full": _full,
    "compact": _compact,
    "short": _short,
    "plain": _month_day("m", "ms", "d"),
    "led": _month_day("lm", "ls", "ld"),
    "pointed": _month_day("pm", "ps", "pd"),
    "event": _month_day("em", "es", "ed"),
    "alone": _alone,
    "chinese": _chinese,
    "han": _han,
    "yearly": _yearly,
}


def _small(written: str) -> int:
    """Return a number up to 39 that is written in Chinese."""
    digits = "〇一二三四五六七八九"
    written = written.replace("廿", "二十").replace("卅", "三十")
    head, ten, tail = written.partition("十")
    if not ten:
        return digits.find(written) if len(written) == 1 else 0
    return (digits.find(head) if head else 1) * 10 + (digits.find(tail) if tail else 0)


def _han_number(number: int) -> str:
    digits = "〇一二三四五六七八九"
    tens, ones = divmod(number, 10)
    return ("" if tens == 0 else "十" if tens == 1 else f"{digits[tens]}十") + (digits[ones] if ones else "")


def _padded(number: int, like: str, separator: str) -> str:
    """Write a number as wide as the one it replaces; 12月 says nothing about padding, 01月 and 2021-12 do."""
    return f"{number:0{len(like)}d}" if "年" not in separator or like.startswith("0") else str(number)
