"""Numbers that are no quantities: dates, times of day, ages, ordinals, telephone and record numbers, digits in names."""

from __future__ import annotations

import re

from nlp.quantities.unit_places import match_unit

__all__ = ["DATE", "is_glued", "may_be_ratio", "skip"]

_DAY = r"(?:\d{2}(?=\d{2}[:：]|(?:19|20)\d\d\s?[-—./年])|\d{1,2}(?!\d))"
_CLOCK = r"\d{1,2}\s?[:：;；点]{1,2}\s?\d{1,2}(?:\s?[:：]\s?\d{1,2})?分?"
_MONTH = r"(?:1[0-2]|0?[1-9])"
DATE = re.compile(
    rf"(?:19|20)\d\d\s?年(?:\s?\d{{1,2}}\s?月份?(?:\s?\d{{1,2}}\s?[日号]?)?)?(?:\s?,?\s?{_CLOCK})?"
    rf"|(?:19|20)\d\d\s?[-—./、_]{{1,2}}\s?{_MONTH}(?!\d{{1,2}}(?![-\d:：]))(?:\s?[-—./、_]{{1,2}}\s?{_DAY})?日?(?:[\s,，T]{{0,3}}{_CLOCK})?(?:\s?[、,，及和~]\s?(?:\d{{1,2}}[-./月])?\d{{1,2}}日?(?![\d.]|\s?[a-zA-Z%*×℃]))*"
    r"|(?:19|20)\d{6}(?:\d{4}(?:\d\d)?)?(?![\d.])"
    rf"|\d\d年\s?{_MONTH}月(?:\d{{1,2}}日)?"
    rf"|{_MONTH}\s?月\s?(?:\d{{1,2}}\s?[日号]|份|底|初|中旬|上旬|下旬)(?:\s?{_CLOCK})?"
    rf"|{_MONTH}\s?[-/]\s?\d{{1,2}}\s?日"
)
_TIME_OF_DAY = re.compile(
    r"(?:[01]?\d|2[0-4])\s?[:：]\s?[0-5]\d(?:\s?[:：]\s?[0-5]\d)?(?!\d|\s?[:：])|(?:[01]?\d|2[0-4])(?:时(?!间)|点)(?:\d{1,2}分?|半|许|左右)?"
)
_SKIP_AFTER = re.compile(
    r"\s?(?:[、,，~-]\s?\d{1,3}\s?)*(?:周?岁|月龄|日龄|号|床|楼|单元|栋|室|[级期组型区类版](?![球])|导联|椎|肋|节段|y/?o\b|代)"
)
_ORDINAL = re.compile(r"\d+(?:\s?[、,，/~—-]\s?\d+)*")


#: O.5 is 0.5 and l2.5 is 12.5 misread by a scanner: what is left of them is no number; p.o.5mg and po.5mg are doses.
_MISREAD = re.compile(r"(?<![A-Za-z.])(?:[OoQ]\.|l)$")


def is_glued(text: str, start: int) -> bool:
    """Tell whether a letter, or a letter and a hyphen, stands directly before."""
    before = text[start - 1]
    if before in "-－" and start > 1:
        before = text[start - 2]
        return before.isalpha() and before.isascii()
    return before.isalpha() and (before.isascii() or "Ͱ" <= before <= "Ͽ")


def skip(text: str, start: int, end: int) -> int:
    """Return where to go on if the number is a date, a time of day, an age, an ordinal, a long number or a place; else 0."""
    before, after = text[start - 1 : start], text[end : end + 1]
    if before == "第":
        return _ORDINAL.match(text, start).end()
    length = end - start
    if (before == "." and start > 1 and text[start - 2].isdigit()) or (
        before in ".l" and before and _MISREAD.search(text[max(0, start - 3) : start])
    ):
        return end
    if (length >= 4 or (after in "年月-/—. " and after)) and (date := DATE.match(text, start)):
        return date.end()
    if (
        after in ":：时点"
        and after
        and not (before.isascii() and before.isalpha())
        and not may_be_ratio(text, start, end)
        and (clock := _TIME_OF_DAY.match(text, start))
    ):
        return clock.end()
    if after in _SKIP_FIRST and (other := _SKIP_AFTER.match(text, end)):
        return other.end()
    if length >= 7 and "." not in text[start:end] and "," not in text[start:end] and not match_unit(text, end):
        return end
    if before in ("*", "×") and start > 1 and text[start - 2].isalpha() and not match_unit(text, end):
        return end
    return 0


_SKIP_FIRST = frozenset("周岁月日号床楼单栋室级期组型区类版导椎肋节y代、,，~- ")


def may_be_ratio(text: str, start: int, end: int) -> bool:
    """Tell 1:320, 2:1 and 1.5:1 from a time of day."""
    following = re.match(r"\s?[:：]\s?(\d+)", text[end : end + 8])
    if not following:
        return False
    second, first = following[1], text[start:end]
    if len(second) != 2:
        return text[end + len(following[0]) : end + len(following[0]) + 1] not in (":", "：")
    if "." in first:
        return True
    return (
        first == "1"
        and second in {"10", "16", "20", "32", "40", "50", "64", "80"}
        and not re.search(r"[\d日号午晨时夜今于]\s?$", text[max(0, start - 3) : start])
    )
