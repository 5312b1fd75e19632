"""Dates and times of day, onto the note's clock."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from nlp.annotations import TimeExpression
from nlp.times.grammar import JOIN, YEAR_START, Day, patterns, read_day, suffixes
from nlp.times.words import day_bounds, month_bounds, number, shift, tables, unit_of, year_bounds

if TYPE_CHECKING:
    from collections.abc import Callable

    from nlp.times.grammar import Patterns

__all__ = ["BOUNDARY", "FOUR_DIGIT_YEAR", "MONTH_OR_DAY", "NUMBER_CHARACTERS", "SPEAKERS", "CalendarReader", "Clock", "Moment"]

BOUNDARY = " \t\n,。;:、()\"'“”‘’[]【】《》<>!?…·-~"
_LINKS = "于至到在自从"
SPEAKERS = "者诉述于在且及但并因自女男家属其儿子为"
_SAME_SENTENCE = re.compile(r"[。\n]")
FOUR_DIGIT_YEAR = re.compile(r"(?:19|20)\d\d(?:年|[-./]\d{1,2}(?:[-./]|\D))")
# The least that a date begins with: most numbers of a note are results, and go no further.
_DATE_LIKE = re.compile(
    r"(?:1[89]|20)\d\d|[一二][〇零○Oo0一二三四五六七八九]{3}|[\d一二三四五六七八九十廿卅]{1,3}\s?[年月日号]"
    r"|\d\d(?:([-./])\d\d?\1\d|-\d\d)|\d0年代|20世纪"
)
_RECORD = re.compile(r"(?:号|ID|id|No\.?|NO\.?|编码|码|电话)[:\s]*$")
_YEARS = re.compile(r"(?P<y>(?:19|20)\d\d)年?\s?(?:[-~]|至|到)\s?(?P<y2>(?:19|20)\d\d)年")
_MONTHS = re.compile(r"(?P<y>(?:19|20)\d\d)年(?P<m>\d{1,2})月?\s?(?:[-~]|至|到)\s?(?P<m2>\d{1,2})月(?!\d|前)")
_DECADE = re.compile(r"(?:(?P<c>19|20)世纪|(?P<y>19|20))?(?P<t>[0-9])0年代|20世纪(?P<t2>[五六七八九])十年代")
MONTH_OR_DAY = re.compile(r"(?P<n>\d{1,2}|[一二三]?十[一二三四五六七八九]?|[一二三四五六七八九])\s?(?P<u>[日月号])(?P<f>份)?")
_AFTERNOON = {"下午", "午后", "傍晚"}
_EVENING = {"晚", "晚上", "晚间"}
_NIGHT = {"夜", "夜间", "夜里", "深夜", "半夜", "午夜"}
_NOON = {"中午", "午间", "正午"}
NUMBER_CHARACTERS = "0123456789.一二三四五六七八九十"


class Clock(NamedTuple):
    """What the times of a note count from; `back` says that the document looks back on a stay that is over."""

    written: datetime | None
    admitted: datetime | None
    operated: datetime | None
    back: Callable[[int], bool] = lambda _: False


class Moment(NamedTuple):
    """Bounds and grain of a time."""

    earliest: datetime | None
    latest: datetime | None
    grain: str


def _hour_of_day(hour: int, part: str) -> int:
    """Return the hour that a part of the day makes of a number: 下午3时 is 15, 晚12点 is 24, 夜间2时 is 26, of the next day."""
    if part in _EVENING | _NIGHT and hour < 5:
        return hour + 24
    if part in _EVENING | _NIGHT and hour <= 12:
        return hour + 12
    if part in _AFTERNOON and hour < 12:
        return hour + 12
    return hour + 12 if part in _NOON and hour < 4 else hour


class CalendarReader:
    """Reads dates and times of day.

    Parameters
    ----------
    text : str
        Text in normal form.
    clock : Clock
        The note's clock.
    """

    def __init__(self, text: str, clock: Clock) -> None:
        self.text = text
        self.clock = clock
        self.found: list[TimeExpression] = []
        self.done = 0
        self.patterns: Patterns = patterns()

    def _calendar(self, start: int, before: str) -> TimeExpression | int | None:
        text = self.text
        if not _DATE_LIKE.match(text, start):
            return None
        dated = YEAR_START.match(text, start)
        if before in "-/" and start > 1 and text[start - 2].isalnum() and not (dated and FOUR_DIGIT_YEAR.match(text, start)):
            return None
        for pattern, reader in (
            ((_YEARS, self._years), (_MONTHS, self._months), (_DECADE, self._decade)) if dated or text[start + 1 : start + 2] == "0" else ()
        ):
            if match := pattern.match(text, start):
                return reader(match)
        day = read_day(text, start)
        if day and self._written_out(day, start, before):
            return self._date(day, start) if day.possible else day.end
        return self._day_or_month(start, before)

    @staticmethod
    def _years(match: re.Match[str]) -> TimeExpression:
        first, last = int(match["y"]), int(match["y2"])
        return TimeExpression(
            match.start(), match.end(), "absolute", "year", year_bounds(min(first, last))[0], year_bounds(max(first, last))[1]
        )

    @staticmethod
    def _months(match: re.Match[str]) -> TimeExpression | int:
        first, last = int(match["m"]), int(match["m2"])
        if not 1 <= first <= last <= 12:
            return match.end()
        return TimeExpression(match.start(), match.end(), "absolute", "month", *month_bounds(int(match["y"]), first, last))

    @staticmethod
    def _decade(match: re.Match[str]) -> TimeExpression:
        tens = int(match["t"]) if match["t"] else "〇一二三四五六七八九".index(match["t2"])
        century = (int(match["c"]) - 1) * 100 if match["c"] else int(match["y"]) * 100 if match["y"] else 1900 if tens > 2 else 2000
        first = century + tens * 10
        return TimeExpression(match.start(), match.end(), "absolute", "year", year_bounds(first)[0], year_bounds(first + 9)[1])

    def _written_out(self, day: Day, start: int, before: str) -> bool:
        """Whether digits and marks alone are meant as a date: forms that numbers take too want a frame or a leading nought."""
        text = self.text
        if day.year and not day.two_digit_year:
            return not (day.end - start == 8 and text[start : day.end].isdecimal() and _RECORD.search(text[max(0, start - 6) : start]))
        if not day.style:
            return True
        if before not in BOUNDARY and before not in _LINKS and before != ".":
            return False
        if day.two_digit_year:
            return day.possible and (before in _LINKS or "0" in text[start : day.end].split(day.style)[1][:1] or self._plausible(day))
        last = self._previous(start)
        return "0" in (text[start], text[start + 3]) or before in _LINKS or bool(last and last.kind == "absolute" and last.grain == "day")

    def _plausible(self, day: Day) -> bool:
        written = self.clock.written
        return bool(written and day.year is not None and (written.year - day.year) % 100 <= 40 and day.style in ".-")

    def _date(self, day: Day, start: int) -> TimeExpression | int:
        day = self._with_year(day, start)
        end = day.end
        if day.month and day.day and day.year and not day.possible:
            return end
        moment, end = self._bounds(day, end)
        if moment.grain == "day":
            moment, end = self._time_of_day(moment, end)
        moment, end = self._until(moment, end)
        moment, end = self._range(day, moment, end)
        return TimeExpression(start, end, "absolute", moment.grain, moment.earliest, moment.latest)

    def _with_year(self, day: Day, start: int) -> Day:
        if day.year is not None and not day.two_digit_year:
            return day
        written = self.clock.written
        if day.two_digit_year:
            now = written.year % 100 + 1 if written else 40
            return day._replace(year=day.year + (2000 if day.year <= now else 1900))
        before = self._previous(start)
        if before and before.earliest and before.kind == "absolute":
            same = day._replace(year=before.earliest.year)
            later = (same.month, same.day or 31) >= (before.earliest.month, before.earliest.day if before.grain != "month" else 1)
            if same.possible and (later or before.grain == "year"):
                return same
        return self._latest_year(day)

    def _latest_year(self, day: Day) -> Day:
        written = self.clock.written
        if not written:
            return day
        for year in range(written.year, max(written.year - 9, 0), -1):
            dated = day._replace(year=year)
            if dated.possible and (dated.month, dated.day or 1) <= ((written.month, written.day) if year == written.year else (12, 31)):
                return dated
        return day

    def _previous(self, start: int) -> TimeExpression | None:
        if not self.found or start - self.found[-1].end > 200:
            return None
        last = self.found[-1]
        return None if _SAME_SENTENCE.search(self.text, last.end, start) else last

    def _bounds(self, day: Day, end: int) -> tuple[Moment, int]:
        if day.day is not None:
            if day.year is None or day.month is None:
                return Moment(None, None, "day"), end
            first = datetime(day.year, day.month, day.day)
            return Moment(*day_bounds(first), "day"), self._around_end(end)
        if day.month is not None:
            return self._month(day.year, day.month, end)
        return self._year(day.year, end)

    def _around_end(self, end: int) -> int:
        return end + 2 if self.text.startswith(("左右", "前后"), end) else end

    def _month(self, year: int | None, month: int, end: int) -> tuple[Moment, int]:
        if year is None:
            return Moment(None, None, "month"), end
        for word, (first, last) in tables()["month_parts"].items():
            if self.text.startswith(word, end) and (self.text[end - 1] in "月份" or len(word) == 2):
                begin, finish = month_bounds(year, month)
                return Moment(begin.replace(day=first), finish.replace(day=min(last, finish.day)), "month"), end + len(word)
        begin, finish = month_bounds(year, month)
        wide = self._around_end(end)
        if wide > end:
            begin, finish = shift(begin, -1, unit_of("月")), shift(finish, 1, unit_of("月"))
        return Moment(begin, finish, "month"), wide

    def _year(self, year: int, end: int) -> tuple[Moment, int]:
        longest = sorted(tables()["year_parts"].items(), key=lambda pair: -len(pair[0]))
        for word, (first, last) in longest:
            if self.text.startswith(word, end) and not (word == "中" and self.text[end + 1 : end + 2] not in "旬,。期"):
                return Moment(*month_bounds(year, first, last), "month"), end + len(word)
        begin, finish = year_bounds(year)
        wide = self._around_end(end)
        if wide > end:
            begin, finish = begin.replace(year=year - 1), finish.replace(year=year + 1)
        return Moment(begin, finish, "year"), wide

    def _range(self, day: Day, moment: Moment, end: int) -> tuple[Moment, int]:
        join = JOIN.match(self.text, end)
        if not join:
            return moment, end
        for word in ("目前", "现在", "今", "现"):
            if self.text.startswith(word, join.end()) and join.group().strip()[-1] in "至到-~":
                stop = join.end() + len(word) + self.text.startswith(("日", "天"), join.end() + len(word))
                return Moment(moment.earliest, self.clock.written, moment.grain), stop
        last = read_day(self.text, join.end(), after=day)
        if not last or not last.possible:
            return moment, end
        if last.year is None and moment.earliest is None:
            return moment, last.end
        last = (
            last
            if last.year and not last.two_digit_year
            else self._with_year(last._replace(year=last.year if last.two_digit_year else day.year), join.end())
        )
        until, stop = self._bounds(last, last.end)
        if until.grain == "day":
            until, stop = self._time_of_day(until, stop)
        if not until.latest or not moment.earliest or until.latest < moment.earliest:
            return moment, end
        return Moment(moment.earliest, until.latest, until.grain), stop

    def _day_or_month(self, start: int, before: str) -> TimeExpression | int | None:
        """Read 5日 or 3月 where they name a day or a month, not a length."""
        text = self.text
        match = MONTH_OR_DAY.match(text, start)
        if not match or before in NUMBER_CHARACTERS + "岁个第每":
            return None
        end = match.end()
        if match["u"] == "号" and before not in _LINKS:
            return None
        if suffixes().match(text, end) or text[end : end + 1] in ("余", "多", "+", "半", "龄"):
            return None
        last = self._previous(start)
        listed = bool(last and last.kind == "absolute" and start - last.end <= 3 and before in "、,和及")
        opening = (
            before in BOUNDARY and before not in '"“' and "\u4e00" <= text[end : end + 1] <= "\u9fff" and text[end] not in "无未不没内左许"
        )
        if not (match["f"] or before in _LINKS or listed or opening) or text[max(0, start - 2) : start] == "持续":
            return None
        value = int(number(match["n"]).low)
        day = Day(None, value, None, end) if match["u"] == "月" else self._day_of_month(value, end, last)
        return self._date(day, start) if day.possible else end

    def _day_of_month(self, value: int, end: int, last: TimeExpression | None) -> Day:
        if last and last.earliest and last.kind == "absolute":
            same = Day(last.earliest.year, last.earliest.month, value, end)
            if same.possible and value >= last.earliest.day:
                return same
        written = self.clock.written
        if not written or not 1 <= value <= 31:
            return Day(None, None, value, end)
        first = written.replace(day=1)
        for _ in range(4):
            day = Day(first.year, first.month, value, end)
            if day.possible and (first.year, first.month, value) <= (written.year, written.month, written.day):
                return day
            first = (first - timedelta(days=1)).replace(day=1)
        return Day(None, None, value, end)

    def _time_of_day(self, day: Moment, end: int) -> tuple[Moment, int]:
        """Add a part of the day or a clock time that follows a day."""
        match = self.patterns.clock.match(self.text, end)
        if not match or not (match["h"] or match["part"]) or day.earliest is None:
            return day, match.end() if match and match["h"] else end
        if not match["h"]:
            if len(match["part"]) == 1 and self.text[match.end("part") : match.end("part") + 1] in "期孕产餐饭搏泄尿班查":
                return day, end
            return self._part(day.earliest, match["part"]), match.end("part")
        moment = self._clock_time(day.earliest, match)
        return (moment, match.end()) if moment else (day, end)

    @staticmethod
    def _part(day: datetime, part: str) -> Moment:
        first, length = tables()["parts"][part]
        begin = day + timedelta(hours=first)
        return Moment(begin, begin + timedelta(hours=length, seconds=-1), "hour")

    @staticmethod
    def _clock_time(day: datetime, match: re.Match[str]) -> Moment | None:
        minute = int(match["mi"] or match["mi2"] or (30 if match["half"] else 0))
        second = int(match["s"] or 0)
        part = match["part"] or ""
        hour = _hour_of_day(int(match["h"]), part)
        if hour > 30 or minute > 59 or second > 59 or (not part and hour > 24):
            return None
        begin = day + timedelta(hours=hour, minutes=minute, seconds=second)
        exact = bool(match["mi"] or match["mi2"] or match["half"])
        width = timedelta(0) if match["s"] else timedelta(seconds=59) if exact else timedelta(minutes=59, seconds=59)
        slack = timedelta(minutes=30 if not exact else 15) if match["about"] or match["tail"] else timedelta(0)
        return Moment(begin - slack, begin + width + (slack if exact else timedelta(0)), "minute" if exact else "hour")

    def _bare_clock(self, start: int, before: str) -> TimeExpression | int | None:
        """Read 8:30 or 9时许 that follow no day: on the day named last in the sentence, else the last such hour before the note."""
        match = self.patterns.clock.match(self.text, start)
        if not match or not match["h"] or match["gap"]:
            return None
        if not self._clock_frame(match, before):
            return None
        last = self._previous(start)
        day = last.earliest if last and last.earliest and last.grain in ("day", "hour", "minute") else None
        written = self.clock.written
        today = (day or written).replace(hour=0, minute=0, second=0, microsecond=0) if day or written else None
        moment = self._clock_time(today or datetime(2000, 1, 1), match)
        if not moment:
            return match.end()
        if not today:
            return TimeExpression(start, match.end(), "absolute", moment.grain)
        if not day and moment.earliest > written:
            moment = moment._replace(earliest=moment.earliest - timedelta(days=1), latest=moment.latest - timedelta(days=1))
        moment, end = self._until(moment, match.end())
        return TimeExpression(start, end, "absolute", moment.grain, moment.earliest, moment.latest)

    def _until(self, moment: Moment, end: int) -> tuple[Moment, int]:
        """Add the end of 14:00-16:30."""
        join = JOIN.match(self.text, end) if moment.grain in ("hour", "minute") and moment.earliest else None
        match = self.patterns.clock.match(self.text, join.end()) if join else None
        if not match or not match["h"] or match["gap"]:
            return moment, end
        last = self._clock_time(day_bounds(moment.earliest)[0], match)
        if not last or last.latest < moment.earliest:
            return moment, end
        return Moment(moment.earliest, last.latest, last.grain), match.end()

    def _clock_frame(self, match: re.Match[str], before: str) -> bool:
        if match["part"]:
            return True
        colon = bool(match["mi"])
        if colon and self.text[max(0, match.start() - 3) : match.start()].rstrip(" ,;")[-1:].isdigit():
            return False  # what is left of a date that cannot be read
        framed = (
            before in _LINKS or before in "约晨" or (before in BOUNDARY and before not in ")]") or (colon and self._told(match, before))
        )
        if not framed or int(match["h"]) > 24:
            return False
        if colon:
            head = self.text[max(0, match.start() - 5) : match.start()].rstrip(" :")
            return (
                len(match["mi"]) == 2
                and not head.endswith(("比", "比例", "滴度", "稀释", "+", "性", "R", "A", "例", "率"))
                and int(match["mi"]) < 60
            )
        if "点" in match.group():
            return bool(match["mi2"] or match["half"] or match["tail"] or match["about"] or before in _LINKS)
        return True

    def _told(self, match: re.Match[str], before: str) -> bool:
        """Whether 8:30 stands amid words (患者8:30突发), and is not a titre (抗体1:40阳性)."""
        after = self.text[match.end() : match.end() + 1]
        return "\u4e00" <= before <= "\u9fff" and "\u4e00" <= after <= "\u9fff" and after not in "阳阴强弱稀的比"
