"""Lengths of time: what has lasted, what lies before or after an anchor, windows that end with the note."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from nlp.annotations import TimeExpression
from nlp.times.calendar import BOUNDARY, SPEAKERS, CalendarReader, Moment
from nlp.times.grammar import suffixes
from nlp.times.words import Amount, Unit, amount_of, day_bounds, number, shift, tables, unit_of

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["LengthReader"]

_CURVE = re.compile(r"\)|\s?:?\s?\d|$")
_SEX = re.compile(r"[男女]性?[,:\s]{0,2}$")
_OFTEN = re.compile(r"/|\s?(?:生存|存活|无病|复发率|死亡率)|\s?(?:[\d一二两三四五六七八九十数]+\s?(?:[-~]\s?\d+)?\s?[余多]?次(?!日))")
_GROWN = re.compile(r"大(?!便|量|汗|出|小|咯|面|致|部|力)")
_ADMITTED = re.compile(r"[^,。;\n]{0,14}?(?:入院|收住|收入|住院)|[\"')]*,?\s?(?:门诊|急诊)?于[^。\n]{0,24}?(?:入院|收住|收入|住院)")
_CURVE_VALUE = re.compile(r"\s?:?\s?(?:\d+\.\d|\d+\s?(?:mmol|m?U/|μU|pmol|mg/))", re.IGNORECASE)
_MINUTES = re.compile(r"(\d{1,2})分(?![之级类次])")
_SMALLER = {"年": "月", "月": "周天", "周": "天", "天": ("小时",), "小时": ("分钟",)}


class _Free(NamedTuple):
    """A length without an anchor: where it begins, with and without the word of a window, ends without and with its suffix."""

    begin: int
    hedge: int
    end: int
    stop: int
    suffix: str
    groups: dict


class _Anchored(NamedTuple):
    """A length with an anchor: on which side of it, whether counted (第3天), and what follows (前, 后, 内)."""

    start: int
    end: int
    anchor: str
    side: str
    nth: bool
    suffix: str


@cache
def _anchor_names() -> dict[str, str]:
    return {word: name for name, row in tables()["anchors"].items() for word in row["words"]}


class LengthReader(CalendarReader):
    """Reads lengths of time besides."""

    def _length(self, start: int) -> TimeExpression | int | None:
        text = self.text
        match = self.patterns.length.match(text, start)
        if not match:
            return None
        end = match.end()
        if match["u1"] is None and self._no_time(match, start):
            return end
        floor = max(self.done, start - 12)
        left = self.patterns.before.search(text, floor, start)
        if left and (left["each"] or left["age"] or left["test"]):
            return end
        amount, unit = self._amount(match, left["hedge"] if left else None)
        if rest := self._rest(match, unit):
            amount, unit, end = self._summed(amount, unit, rest)
        elif unit.name == "小时" and (minutes := _MINUTES.match(text, end)):
            sixty, unit, end = int(minutes[1]), unit_of("分钟"), minutes.end()
            amount = amount._replace(low=amount.low * 60 + sixty, high=amount.high * 60 + sixty)
        return self._placed(left, start, end, amount, unit)

    def _rest(self, match: re.Match[str], unit: Unit) -> re.Match[str] | None:
        """Find the second half of 1年2个月 or 2小时30分钟."""
        if match["n2"] or match["many"] or unit.name not in _SMALLER:
            return None
        start = match.end() + self.text.startswith(("零", "又"), match.end())
        rest = self.patterns.length.match(self.text, start)
        if not rest or rest["n2"] or rest["many"] or unit_of(rest["unit"]).name not in _SMALLER[unit.name] or self._no_time(rest, start):
            return None
        return rest

    def _summed(self, amount: Amount, unit: Unit, rest: re.Match[str]) -> tuple[Amount, Unit, int]:
        more, smaller = self._amount(rest, None)
        ratio = unit.months / smaller.months if smaller.months else unit.days / smaller.days
        summed = Amount(amount.low * ratio + more.low, amount.high * ratio + more.high, more.fine, amount.hedged or more.hedged)
        return summed, smaller, rest.end()

    def _no_time(self, match: re.Match[str], start: int) -> bool:
        """Whether a length is a frequency, an age or the name of a test."""
        text, end = self.text, match.end()
        if _OFTEN.match(text, end) or text[start - 1 : start] == "岁" or _GROWN.match(text, end):
            return True
        unit = unit_of(match["unit"])
        if match.group() == "四周" and not suffixes().match(text, end) and "\u4e00" <= text[end : end + 1] <= "\u9fff":
            return True  # 四周 is also "all around"
        if unit.name == "小时" and _CURVE_VALUE.match(text, end):
            return True  # OGTT 1h 12.3mmol/L
        if unit.name == "小时" and text[start - 1 : start] == "(" and _CURVE.match(text, end):
            return True  # C肽(2h)0.02
        if unit.name == "小时" and text[end : end + 8].lstrip(" 的").lower().startswith(tuple(tables()["test_names"])):
            return True
        return unit.name in "月天小时" and not suffixes().match(text, end) and bool(_SEX.search(text, max(0, start - 5), start))

    def _amount(self, match: re.Match[str], hedge: str | None) -> tuple[Amount, Unit]:
        unit = unit_of(match["unit"])
        if match["many"]:
            key = "many_years" if unit.name == "年" else "several"
            return Amount(*tables()[key], hedged=True), unit
        first = number(match["n"])
        more = bool(match["more1"] or match["more2"] or (match["more"] and match["more"] != "来"))
        if match["n2"]:
            last = number(match["n2"])
            ratio = unit_of(match["u1"]).days / unit.days if match["u1"] else 1
            low, high = sorted((first.low * ratio, last.high))
            return amount_of(Amount(low, high, hedged=True), hedge=hedge or ""), unit
        about = bool(match["about"]) or match["more"] == "来"
        return amount_of(first, half=bool(match["half"] or match["tail"]), more=more, hedge=hedge or "", about=about), unit

    def _placed(self, left: re.Match[str] | None, start: int, end: int, amount: Amount, unit: Unit) -> TimeExpression | None:
        """Decide what a length is: a time before or after an anchor, a window up to the note, or a length."""
        groups = left.groupdict() if left else {}
        begin = (
            left.start()
            if left and (groups["hedge"] or groups["anchor"] or groups["nth2"] or groups["window"] or groups["front"])
            else start
        )
        anchor = _anchor_names().get(groups.get("anchor") or "")
        if anchor is not None and not self._true_anchor(anchor, begin):
            anchor, begin = None, start
        after = suffixes().match(self.text, end)
        suffix = after.group()[-1] if after else ""
        stop = after.end() if after else end
        days = (amount.low * unit.days, amount.high * unit.days)
        side = (groups.get("side") or "")[-1:]
        if anchor is not None and (side or groups["nth"] or suffix in ("前", "后") or groups["anchor"].startswith("入")):
            return self._anchored(
                _Anchored(begin, stop if suffix in ("前", "后", "内") else end, anchor, side, bool(groups["nth"]), suffix),
                groups["anchor"],
                amount,
                unit,
            )
        if anchor is not None:
            begin = start if not groups["hedge"] else left.start("hedge")
        if groups.get("nth2"):
            return TimeExpression(begin, end, "relative", unit.grain, days=days)
        return self._unanchored(
            _Free(begin, left.start("hedge") if left and groups["hedge"] else start, end, stop, suffix, groups), days, amount, unit
        )

    def _true_anchor(self, anchor: str, begin: int) -> bool:
        return not (begin and self.text[begin - 1] in tables()["anchors"][anchor].get("not_before", ()))

    def _unanchored(self, free: _Free, days: tuple[float, float], amount: Amount, unit: Unit) -> TimeExpression | None:
        hedge = free.groups.get("hedge") or ""
        before = self.text[free.begin - 1] if free.begin else " "
        open_before = before in BOUNDARY or before in SPEAKERS
        if free.suffix == "前":
            return self._ago(free, amount, unit)
        if free.suffix == "后":
            return self._later(free, days, amount, unit)
        window = free.groups.get("window") or free.groups.get("front")
        if window or free.suffix == "来" or (hedge in ("近", "将近") and (open_before or free.suffix == "内")):
            return self._window(free, amount, unit, exact=hedge == "近")
        if free.suffix == "内":
            return TimeExpression(free.begin, free.stop, "duration", unit.grain, days=(0.0, days[1]))
        if not self._lasting(free, before):
            return TimeExpression(free.begin, free.end, "duration", unit.grain, days=days)
        name, clock = self._base(free.end)
        return self._point(free.begin, free.end, "duration", name, clock, amount, unit, -1, days)

    def _lasting(self, free: _Free, before: str) -> bool:
        """Whether a length says how long something has lasted until the note: 腹痛3天, 高血压病史10年."""
        if not ("\u4e00" <= before <= "\u9fff" or before == ")") or before in SPEAKERS or before in "满够第的":
            return False
        if self.text.startswith(("的", "为一", "一次", "为1", "后", "/", "龄"), free.end):
            return False
        head = self.text[max(self.done, free.begin - 8) : free.begin]
        return not head.endswith(tuple(tables()["done"])) and "每次" not in head

    def _base(self, end: int) -> tuple[str, datetime | None]:
        clock = self.clock
        if clock.admitted and (clock.back(end) or _ADMITTED.match(self.text, end)):
            return "admitted", clock.admitted
        return "written", clock.written

    def _point(
        self, start: int, end: int, kind: str, name: str, clock: datetime | None, amount: Amount, unit: Unit, sign: int, days=None
    ) -> TimeExpression:
        """Give the time that lies a number of units before (sign -1) or after a clock, widened by the table of :mod:`nlp.times.words`."""
        if clock is None:
            return TimeExpression(start, end, kind, unit.grain, days=days, anchor=name)
        spread = 0 if amount.hedged else unit.spread / 2 if amount.fine else unit.spread
        if amount.fine and unit.name == "天":
            unit = unit_of("小时")
            amount, spread = amount._replace(low=amount.low * 24, high=amount.high * 24), 0 if amount.hedged else 6
        near, far = max(amount.low - spread, 0), amount.high + spread
        earliest, latest = sorted((shift(clock, sign * near, unit), shift(clock, sign * far, unit)))
        if unit.months or unit.hours >= 24:
            earliest, latest = day_bounds(earliest, latest)
        return TimeExpression(start, end, kind, unit.grain, earliest, latest, days, name)

    def _ago(self, free: _Free, amount: Amount, unit: Unit) -> TimeExpression:
        if free.groups.get("window"):  # 既往20年前 begins with its number
            free = free._replace(begin=free.hedge)
        name, clock = self._base(free.stop)
        if name == "admitted" and not self.clock.back(free.stop):
            name, clock = "written", self.clock.written
        made = self._point(free.begin, free.stop, "relative", name, clock, amount, unit, -1)
        return self._refined(made)

    def _refined(self, made: TimeExpression) -> TimeExpression:
        if made.grain != "day" or made.earliest is None or made.latest.date() != made.earliest.date():
            return made
        moment, end = self._time_of_day(Moment(made.earliest, made.latest, "day"), made.end)
        return made._replace(end=end, grain=moment.grain, earliest=moment.earliest, latest=moment.latest)

    def _later(self, free: _Free, days: tuple[float, float], amount: Amount, unit: Unit) -> TimeExpression:
        planned = self.text[free.stop : free.stop + 8].lstrip(" ,于来到至").startswith(tuple(tables()["plan_after"]))
        if planned:
            return self._point(free.begin, free.stop, "relative", "written", self.clock.written, amount, unit, 1)
        return TimeExpression(free.begin, free.stop, "relative", unit.grain, days=days)

    def _window(self, free: _Free, amount: Amount, unit: Unit, *, exact: bool) -> TimeExpression:
        name, clock = self._base(free.stop) if self.clock.written is None else ("written", self.clock.written)
        if exact:  # 近3天 in front of what happened is a window of 3 days, not "nearly 3 days"
            amount = amount._replace(low=amount.high)
        days = (amount.low * unit.days, amount.high * unit.days)
        end = free.stop if free.suffix in ("来", "内") else free.end
        if clock is None:
            return TimeExpression(free.begin, end, "relative", unit.grain, days=days, anchor="written")
        earliest = shift(clock, -amount.high, unit)
        if unit.months or unit.hours >= 24:
            earliest = day_bounds(earliest)[0]
        return TimeExpression(free.begin, end, "relative", unit.grain, earliest, clock, days, name)

    def _anchored(self, place: _Anchored, word: str, amount: Amount, unit: Unit) -> TimeExpression | None:
        clock = getattr(self.clock, place.anchor) if place.anchor else None
        days = (amount.low * unit.days, amount.high * unit.days)
        before = place.side == "前" or (not place.side and place.suffix == "前")
        if not place.anchor:
            return self._after_event(place, word, days, amount, unit, before=before)
        if place.anchor == "written" and not before:
            return TimeExpression(place.start, place.end, "duration", unit.grain, days=days)
        if place.nth:
            return self._nth(place, clock, amount, unit, before=before)
        sign = -1 if before else 1
        if place.suffix == "内":
            return self._within(place, clock, amount, unit, sign)
        if self._long_ago(place, clock, amount, unit):
            return self._point(place.start, place.end, "duration", "written", self.clock.written, amount, unit, -1, days)
        made = self._point(place.start, place.end, "relative", place.anchor, clock, amount, unit, sign)
        return self._refined(made)

    def _long_ago(self, place: _Anchored, clock: datetime | None, amount: Amount, unit: Unit) -> bool:
        """Whether 术后4年 speaks of an operation that the clock does not know: it closes its clause, and would lie after the note."""
        written = self.clock.written
        if place.anchor != "operated" or place.side != "后" or place.suffix or not written:
            return False
        closing = self.text[place.end : place.end + 1]
        if closing and closing not in BOUNDARY and not _ADMITTED.match(self.text, place.end):
            return False
        return clock is None or shift(clock, amount.low - unit.spread, unit) > written

    def _within(self, place: _Anchored, clock: datetime | None, amount: Amount, unit: Unit, sign: int) -> TimeExpression:
        if clock is None:
            return TimeExpression(place.start, place.end, "relative", unit.grain, anchor=place.anchor)
        earliest, latest = sorted((clock, shift(clock, sign * amount.high, unit)))
        if unit.grain != "hour" and unit.grain != "minute":
            earliest, latest = day_bounds(earliest, latest)
        return TimeExpression(place.start, place.end, "relative", unit.grain, earliest, latest, None, place.anchor)

    def _nth(self, place: _Anchored, clock: datetime | None, amount: Amount, unit: Unit, *, before: bool) -> TimeExpression:
        if clock is None:
            return TimeExpression(place.start, place.end, "relative", unit.grain, anchor=place.anchor)
        if before:
            return self._refined(self._point(place.start, place.end, "relative", place.anchor, clock, amount, unit, -1))
        if unit.name != "天":
            counted = Amount(amount.low - 1, amount.high, hedged=True)
            return self._point(place.start, place.end, "relative", place.anchor, clock, counted, unit, 1)
        offset = tables()["anchors"][place.anchor]["day"] - 1
        counted = amount._replace(low=amount.low + offset, high=amount.high + offset)
        return self._refined(self._point(place.start, place.end, "relative", place.anchor, clock, counted, unit, 1))

    def _after_event(
        self, place: _Anchored, word: str, days: tuple[float, float], amount: Amount, unit: Unit, *, before: bool
    ) -> TimeExpression:
        """Place what is counted from an event that has no clock: only an onset at the end of its clause is as far back as it says."""
        closing = self.text[place.end : place.end + 1]
        onset = word in tables()["onsets"] and not before and not place.nth and place.suffix != "后"
        if onset and (not closing or closing in BOUNDARY or _ADMITTED.match(self.text, place.end)):
            name, clock = self._base(place.end)
            return self._point(place.start, place.end, "duration", name, clock, amount, unit, -1, days)
        return TimeExpression(place.start, place.end, "relative", unit.grain, days=days)
