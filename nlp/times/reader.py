"""Reads the times of one note, from left to right, onto its clock."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from nlp.annotations import TimeExpression
from nlp.times.calendar import BOUNDARY, FOUR_DIGIT_YEAR, MONTH_OR_DAY, NUMBER_CHARACTERS, SPEAKERS, Clock, Moment
from nlp.times.grammar import Day, read_day
from nlp.times.lengths import LengthReader
from nlp.times.words import Amount, day_bounds, number, shift, tables, unit_of

__all__ = ["Clock", "Reader"]

_GLUED_DATE = re.compile(r"(?:19|20)\d\d\s?[-./年]\s?[01]?\d[-./月]")
_GESTATION = re.compile(r"\d{1,2}\s?\+\s?\d\s?(?:周|天|w|d|W)")
_WEEKDAY = re.compile(r"(?:星期|周)?([一二三四五六日天])(?!次|天|日|周|月|年|个)")
_POD = re.compile(r"[\s#]{0,2}(\d{1,3})(?![\d.])")


@cache
def _word_kinds() -> dict[str, tuple[str, object]]:
    table = tables()
    kinds: dict[str, tuple[str, object]] = {}
    for kind in ("days", "day_parts", "weeks", "months", "years", "recent", "previous", "previous_parts"):
        kinds |= {word: (kind, value) for word, value in table[kind].items()}
    kinds |= dict.fromkeys(table["now"], ("now", False)) | dict.fromkeys(table["now_alone"], ("now", True))
    kinds |= {word: ("at_anchor", anchor) for anchor, words in table["at_anchor"].items() for word in words}
    kinds |= {word: ("year_of", offset) for word, offset in {"同年": 0, "次年": 1, "翌年": 1}.items()} | {"同月": ("month_of", 0)}
    return kinds | {"POD": ("pod", 0), "pod": ("pod", 0)}


class _Word(NamedTuple):
    """A word of the tables where it stands: what the table says of it, and the character before it."""

    start: int
    end: int
    value: Any
    before: str


class Reader(LengthReader):
    """Reads all times of one text: walks over what could begin one, numbers and words.

    Parameters
    ----------
    text : str
        Text in normal form.
    clock : Clock
        The note's clock.
    """

    def read(self) -> list[TimeExpression]:
        """Answer the times in order."""
        spots = [(match.start(), match.group()) for match in self.patterns.words.finditer(self.text)]
        spots += [(match.start(), "") for match in self.patterns.numbers.finditer(self.text)]
        spots.sort()
        for start, word in spots:
            if start < self.done:
                continue
            try:
                answer = self._word(start, word) if word else self._number(start)
            except (ValueError, OverflowError):  # outside of the calendar
                continue
            while isinstance(answer, TimeExpression):
                self.found.append(answer)
                self.done = answer.end
                answer = self._glued(answer.end)
            self.done = answer or self.done
        return self.found

    def _glued(self, start: int) -> TimeExpression | None:
        """Read the date that an export has glued to another: 2017-03-052017-03-28."""
        if not _GLUED_DATE.match(self.text, start) or not self.text[start - 1].isdigit():
            return None
        answer = self._calendar(start, " ")
        return answer if isinstance(answer, TimeExpression) else None

    def _number(self, start: int) -> TimeExpression | int | None:
        text = self.text
        before = text[start - 1] if start else " "
        if (before in "+:*×^%." or (before.isascii() and before.isalnum())) and not self._set_apart(start, before):
            return None
        if match := _GESTATION.match(text, start):
            return match.end()
        return self._calendar(start, before) or self._bare_clock(start, before) or self._length(start)

    def _set_apart(self, start: int, before: str) -> bool:
        """Whether a number stands for itself though a mark or a letter stands before it: 检查:2016-03-22, 1.2016年, LMP2015-9-20."""
        text = self.text
        ahead = text[start - 2] if start > 1 else " "
        if before == ":":
            return not ahead.isdigit()
        if before == "." and not (ahead.isascii() and ahead.isalnum()):
            return True
        return before not in "+*×^%" and not before.isdigit() and bool(FOUR_DIGIT_YEAR.match(text, start))

    def _word(self, start: int, word: str) -> TimeExpression | int | None:
        kind, value = _word_kinds().get(word, ("part", None))
        before = self.text[start - 1] if start else " "
        return getattr(self, f"_word_{kind}")(_Word(start, start + len(word), value, before))

    def _today(self) -> datetime | None:
        written = self.clock.written
        return written.replace(hour=0, minute=0, second=0, microsecond=0) if written else None

    def _said(self, start: int, end: int, moment: Moment, anchor: str = "written") -> TimeExpression:
        return TimeExpression(start, end, "relative", moment.grain, moment.earliest, moment.latest, None, anchor)

    def _word_days(self, word: _Word) -> TimeExpression | None:
        start, end = word.start, word.end
        if word.before in "院术目诊病发餐先说表证声食" or self.text.startswith(("性", "获"), end):
            return None
        today = self._today()
        moment = Moment(*day_bounds(today + timedelta(days=word.value)), "day") if today else Moment(None, None, "day")
        moment, end = self._time_of_day(moment, end)
        return self._said(start, end, moment)

    def _word_day_parts(self, word: _Word) -> TimeExpression:
        start, end = word.start, word.end
        return self._day_part(start, end, self._today(), word.value, "written")

    def _day_part(self, start: int, end: int, day: datetime | None, value: list, anchor: str) -> TimeExpression:
        offset, part = value
        match = self.patterns.clock.match(self.text, end - 1)  # the word's last character is the part of the day
        if day is None:
            return TimeExpression(start, match.end() if match and match["h"] else end, "relative", "hour", anchor=anchor)
        day += timedelta(days=offset)
        moment = self._clock_time(day, match) if match and match["h"] else None
        return self._said(start, match.end() if moment else end, moment or self._part(day, part), anchor)

    def _word_weeks(self, word: _Word) -> TimeExpression | None:
        start, end = word.start, word.end
        if self.text.startswith("期", end) and self.text[end - 1] == "周":
            return None
        weekday = _WEEKDAY.match(self.text, end) if self.text[end - 1] in "周期拜" else None
        today = self._today()
        stop = weekday.end() if weekday else end
        if today is None:
            return TimeExpression(start, stop, "relative", "day", anchor="written")
        monday = today + timedelta(days=7 * word.value - today.weekday())
        if weekday:
            day = monday + timedelta(days=min("一二三四五六日".find(weekday[1]) % 7, 6))
            moment, stop = self._time_of_day(Moment(*day_bounds(day), "day"), stop)
            return self._said(start, stop, moment)
        return self._said(start, stop, Moment(*day_bounds(monday, monday + timedelta(days=6)), "day"))

    def _word_months(self, word: _Word) -> TimeExpression | None:
        start, end = word.start, word.end
        if self.text.startswith(("经", "牙", "龄"), end) or (word.before in "以样" and self.text[start] in "上本"):
            return None
        today = self._today()
        if today is None:
            return TimeExpression(start, end, "relative", "month", anchor="written")
        first = shift(today.replace(day=1), word.value, unit_of("月"))
        return self._in_month(start, end, first)

    def _in_month(self, start: int, end: int, first: datetime, anchor: str = "written") -> TimeExpression | int:
        match = MONTH_OR_DAY.match(self.text, end)
        if match and match["u"] in "日号":
            day = Day(first.year, first.month, int(number(match["n"]).low), match.end())
            if not day.possible:
                return day.end
            moment, end = self._bounds(day, day.end)
            moment, end = self._time_of_day(moment, end)
            return self._said(start, end, moment, anchor)
        moment, end = self._month(first.year, first.month, end)
        return self._said(start, end, moment, anchor)

    def _word_years(self, word: _Word) -> TimeExpression | int | None:
        start, end = word.start, word.end
        if self.text.startswith(("龄", "级", "轻"), end) or word.before in "目空提":
            return None
        written = self.clock.written
        return self._in_year(start, end, written.year + word.value if written else None, "written")

    def _in_year(self, start: int, end: int, year: int | None, anchor: str) -> TimeExpression | int:
        rest = read_day(self.text, end + self.text.startswith(("的", " "), end))
        match = MONTH_OR_DAY.match(self.text, end)
        if rest and rest.year is None:
            day = rest._replace(year=year)
        elif match and match["u"] == "月":
            day = Day(year, int(number(match["n"]).low), None, match.end())
        else:
            day = Day(year, None, None, end)
        if not day.possible:
            return day.end
        if year is None:
            return TimeExpression(start, day.end, "relative", "day" if day.day else "month" if day.month else "year", anchor=anchor)
        moment, stop = self._bounds(day, day.end)
        if moment.grain == "day":
            moment, stop = self._time_of_day(moment, stop)
        moment, stop = self._range(day, moment, stop)
        return self._said(start, stop, moment, anchor)

    def _word_year_of(self, word: _Word) -> TimeExpression | int | None:
        start, end = word.start, word.end
        last = self._named_last(start)
        return self._in_year(start, end, last.year + word.value if last else None, "")

    def _word_month_of(self, word: _Word) -> TimeExpression | int | None:
        start, end = word.start, word.end
        last = self._named_last(start)
        return self._in_month(start, end, last.replace(day=1), "") if last else None

    def _named_last(self, start: int) -> datetime | None:
        """Return the beginning of the time named last in the paragraph."""
        for last in reversed(self.found[-3:]):
            if start - last.end < 1000 and last.earliest and last.kind != "duration" and "\n" not in self.text[last.end : start]:
                return last.earliest
        return None

    def _word_previous(self, word: _Word) -> TimeExpression | None:
        start, end = word.start, word.end
        last = self._named_last(start)
        if last is None:
            return TimeExpression(start, end, "relative", "day")
        moment = Moment(*day_bounds(last + timedelta(days=word.value)), "day")
        moment, end = self._time_of_day(moment, end)
        return self._said(start, end, moment, "")

    def _word_previous_parts(self, word: _Word) -> TimeExpression:
        start, end = word.start, word.end
        last = self._named_last(start)
        return self._day_part(start, end, day_bounds(last)[0] if last else None, word.value, "")

    def _word_recent(self, word: _Word) -> TimeExpression | None:
        start, end = word.start, word.end
        length = self.patterns.length.match(self.text, end + self.text.startswith((" ", "的"), end))
        if length and self.text[start:end] in ("最近", "近期"):
            return self._length(length.start())
        if self.text.startswith(("一次", "1次", "的一次"), end):
            return None
        if word.before in NUMBER_CHARACTERS or (self.text[start] in "前日" and not (word.before in BOUNDARY or word.before in SPEAKERS)):
            return None
        written = self.clock.written
        earliest = day_bounds(written - timedelta(days=word.value[1]))[0] if written else None
        return TimeExpression(start, end, "relative", "day", earliest, written, (float(word.value[0]), float(word.value[1])), "written")

    def _word_now(self, word: _Word) -> TimeExpression | None:
        start, end, alone = word.start, word.end, word.value
        after = self.text[end : end + 1]
        if alone and (word.before not in BOUNDARY or not after or after in tables()["not_now"] or after in BOUNDARY or after.isdigit()):
            return None
        today = self._today()
        moment = Moment(*day_bounds(today), "day") if today else Moment(None, None, "day")
        return self._said(start, end, moment)

    def _word_at_anchor(self, word: _Word) -> TimeExpression | None:
        start, end, anchor = word.start, word.end, word.value
        if anchor == "operated" and word.before in tables()["anchors"]["operated"]["not_before"]:
            return None
        clock = getattr(self.clock, anchor)
        moment = Moment(*day_bounds(clock), "day") if clock else Moment(None, None, "day")
        if self.text[end - 1] in "日天":
            moment, end = self._time_of_day(moment, end)
        return self._said(start, end, moment, anchor)

    def _word_pod(self, word: _Word) -> TimeExpression | None:
        start, end = word.start, word.end
        match = _POD.match(self.text, end)
        if not match or (word.before.isascii() and word.before.isalnum()):
            return None
        operated, day = self.clock.operated, unit_of("天")
        return self._point(start, match.end(), "relative", "operated", operated, Amount(int(match[1]), int(match[1])), day, 1)

    def _word_part(self, word: _Word) -> TimeExpression | int | None:
        start = word.start
        match = self.patterns.clock.match(self.text, start)
        if not match or not match["h"] or not match["part"]:
            return None
        return self._bare_clock(start, word.before)
