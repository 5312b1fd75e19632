"""What stands around a number: comparators, flags, reference ranges, names that end in digits, units that a name implies."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from nlp.annotations import Quantity
from nlp.quantities.unit_places import match_unit
from nlp.quantities.units import parse_unit
from nlp.reading import own_table

if TYPE_CHECKING:
    from nlp.quantities.units import Unit

__all__ = [
    "After",
    "after_test",
    "comparator_after",
    "comparator_before",
    "hopeless",
    "implied_unit",
    "is_reference",
    "limits",
    "name_end",
    "read_after",
    "record_of",
    "rules",
    "unit_before",
]

# Dimensions whose values a laboratory prints no reference range or arrow beside.
_UNMARKED = frozenset({"time", "count", "tablet", "ampoule", "bag", "bottle", "course", "meal", "finger", "points"})
_LOOSE = _UNMARKED | {"length", "volume", "area"}
_NUMBER = r"\d+(?:\.\d+)?"


class After(NamedTuple):
    """What follows a value: where it ends, its flag, its reference range, and a unit printed after them."""

    end: int
    flag: str = ""
    reference: tuple[float | None, float | None] | None = None
    unit: Unit | None = None


class _Rules(NamedTuple):
    before: re.Pattern[str]
    before_last: frozenset[str]
    signs: dict[str, str]
    after: re.Pattern[str]
    after_first: frozenset[str]
    after_signs: dict[str, str]
    flag: re.Pattern[str]
    flags: dict[str, str]
    next: frozenset[str]
    names: re.Pattern[str]
    implied: re.Pattern[str]
    implications: dict[str, list[dict]]
    leads: frozenset[str]
    counted: str
    bare: re.Pattern[str]
    bare_glued: re.Pattern[str]


def _choice(words: list[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


@cache
def rules() -> _Rules:
    """Return the words of ``nlp/data/quantities.yaml``, compiled."""
    data = own_table("quantities.yaml")
    signs, after_signs, flags = (_invert(data[key]) for key in ("before", "after", "flags"))
    latin = [word for word in flags if word.isascii()]
    other = [word for word in flags if not word.isascii()]
    implications: dict[str, list[dict]] = {}
    for entry in data["implied"]:
        for name in entry["after"]:
            implications.setdefault(name, []).append(entry)
    flag = re.compile(
        rf"[(（\[【]?\s?(?:(?P<word>{_choice(other)})(?![至到为了约明的率性素])|(?P<latin>{_choice(latin)})(?![A-Za-z/]))(?:\s?[)）\]】])?"
    )
    return _Rules(
        re.compile(rf"(?:{_choice(list(signs))})\s?$"),
        frozenset(word[-1] for word in signs) | {" "},
        signs,
        re.compile(rf"\s?[(（]?(?P<word>{_choice(list(after_signs))})"),
        frozenset(word[0] for word in after_signs),
        after_signs,
        flag,
        flags,
        frozenset(word[0] for word in flags) | frozenset("(（[【<≤>≥参正0123456789%/×*uUmgpnIμ|"),
        re.compile(_choice(data["names"]), re.IGNORECASE),
        re.compile(rf"(?<![A-Za-z])(?P<name>{_choice(list(implications))})\s?[:：=为]?\s?$"),
        implications,
        frozenset(word[-1] for word in [*signs, *implications]) | frozenset(" \t:：=为是-－|)）]】"),
        _choice(data["counted"]),
        re.compile(rf"(?<![A-Za-z\d-])(?:{_choice(data['bare'])})\s?(?:[:：=]|为|是)?\s?$", re.IGNORECASE),
        re.compile(rf"(?<![A-Za-z\d-])(?:{_choice(data['bare_glued'])})$", re.IGNORECASE),
    )


def _invert(table: dict[str, list[str]]) -> dict[str, str]:
    return {word: sign for sign, words in table.items() for word in words}


def comparator_before(text: str, start: int, *, time: bool = False) -> tuple[int, str]:
    """Return where the comparator before a number begins, and which it is; 近 before a time means "the last", not "about"."""
    known = rules()
    if start == 0 or text[start - 1] not in known.before_last:
        return start, ""
    lead = max(0, start - 7)
    found = known.before.search(text[lead:start])
    if not found:
        return start, ""
    word = found[0].strip()
    if word[0] == "大" and text[max(0, lead + found.start() - 1) : lead + found.start()] in ("最", "较"):
        return lead + found.start() + 1, known.signs[word]  # 最大约6mm is "the largest about"
    if time and word == "近":
        return start, ""
    return lead + found.start(), known.signs[word]


def comparator_after(text: str, end: int) -> tuple[int, str]:
    """Return where a comparator after a value ends, and which it is (以上, 左右, 余)."""
    known = rules()
    if text[end : end + 1] not in known.after_first:
        return end, ""
    found = known.after.match(text, end)
    return (found.end(), known.after_signs[found["word"]]) if found else (end, "")


def name_end(text: str, start: int) -> int:
    """Return where a name that ends in digits ends, if the digits at a place belong to one (CA199, IL-6), else the place itself."""
    lead = start
    while lead > start - 10 and lead > 0 and ((text[lead - 1].isalnum() and text[lead - 1].isascii()) or text[lead - 1] in "-αβγ"):
        lead -= 1
    for begin in range(lead, start):
        if begin > lead and text[begin - 1].isascii() and text[begin - 1].isalpha():
            continue
        found = rules().names.match(text, begin)
        # T36.5 is a temperature, SpO298 a saturation.
        if found and found.end() > start and (found.end() - begin > 2 or not text[found.end() : found.end() + 1].isdigit()):
            return found.end()
    return start


def implied_unit(text: str, start: int, values: tuple[float, ...]) -> Unit | None:
    """Return the unit of a number that is printed bare after a vital sign (BP130/80, T36.5)."""
    if start == 0:
        return None
    known = rules()
    if text[start - 1] not in known.leads:
        return None
    found = known.implied.search(text[max(0, start - 8) : start])
    for entry in known.implications[found["name"]] if found else ():
        if entry.get("pair", False) == (len(values) == 2) and all(entry["low"] <= value <= entry["high"] for value in values):
            return parse_unit(entry["unit"])
    return None


_RESULT = r"(?:检测|测定)?(?:结果|测值|值)"
#: A unit printed before its number: in brackets behind the name, as heads of tables have it, or with the reference range before the result.
_UNIT_BEFORE = re.compile(
    rf"(?:[(（\[【]\s?(?P<head>[^()（）\[\]【】\s]{{2,12}}|%)\s?[)）\]】]\s?(?:{_RESULT})?"
    rf"|(?P<beside>[^\s\d()（）,，;；]{{2,12}})\s?(?:参考(?:值|范围|区间))?[)）]?\s?[,，;；]\s?{_RESULT})\s?[:：=为]?\s?$"
)


def unit_before(text: str, start: int) -> Unit | None:
    """Return the unit that is printed before a number: CEA(ng/ml) 12.5; CEA 0-5ng/ml参考值,结果8.9."""
    found = _UNIT_BEFORE.search(text[max(0, start - 32) : start])
    spelled = found and (found["head"] or found["beside"])
    unit = match_unit(spelled, 0) if spelled else None
    return unit[1] if unit and unit[0] == len(spelled) and unit[1].dimension not in _UNMARKED else None


def after_test(text: str, start: int, *, glued: bool = False) -> bool:
    """Tell whether a laboratory name stands before a place, so that a whole number there is its value."""
    known = rules()
    return (known.bare_glued if glued else known.bare).search(text[max(0, start - 14) : start]) is not None


def hopeless(text: str, start: int, end: int) -> bool:
    """Tell whether nothing around a whole number without a unit can make it a quantity: no comparator, flag, range or name."""
    known = rules()
    return (
        (start == 0 or text[start - 1] not in known.leads) and text[end : end + 1] not in known.next and not text[end : end + 1].isspace()
    )


_REFERENCE = re.compile(
    r"(?P<gap>[\s,，;；:：|]{0,4})(?P<open>[(（\[【]?)\s?(?P<word>(?:正常)?参考(?:值|范围|区间)?|正常(?:值|范围|参考值)|ref(?:erence)?|范围)?(?:范围|区间)?\s?[:：为]?\s?"
    rf"(?:(?P<low>{_NUMBER})\s?(?:-{{1,3}}|[~～—–－−]{{1,2}}|至)\s?(?P<high>{_NUMBER})|(?P<sign>[<≤>≥]=?|小于|大于)\s?(?P<one>{_NUMBER}))(?![\d.])\s?",
    re.IGNORECASE,
)
_REFERENCE_BEFORE = re.compile(
    r"(?:(?P<said>参考(?:值|范围|区间|[:：]))|正常(?:(?:参考)?(?:值|范围))?|ref(?:erence)?(?:\srange)?)(?:范围|区间)?\s?[:：为是]?\s?[(（\[【]?\s?$",
    re.IGNORECASE,
)
_THEN_RESULT = re.compile(r"\s?[)）]\s?[:：]\s?[<>]?\d")
_REFERENCE_AFTER = re.compile(
    r"\s?[(（\[【]?\s?(?:[为是]\s?)?(?:正常参考|参考(?:值|范围|区间)|正常值)(?!范?围?\s?[:：为]?\s?[(（\[]?\s?[<≤>≥]?\s?\d)"
)
_CLOSE = re.compile(r"\s?[)）\]】]")
_NOT_RANGE = re.compile(r"[-./年月]\d|\s?[×xX*]\s?\d")


def is_reference(text: str, start: int, end: int, *, bound: bool) -> bool:
    """Tell whether a number is no result but a reference range that is named so; `bound` says that it is a range or has a comparator.

    A range in brackets is one, too, where a colon and a number follow: CEA(0-5ng/ml):3.2.
    """
    before = _REFERENCE_BEFORE.search(text[max(0, start - 14) : start])
    if before and (bound or before["said"]):
        return True
    if not bound:
        return False
    return bool(_REFERENCE_AFTER.match(text, end)) or (text[start - 1 : start] in ("(", "（") and bool(_THEN_RESULT.match(text, end)))


def read_after(text: str, end: int, unit: Unit | None, *, decimal: bool) -> After:
    """Read flags, the reference range and a late unit after a value, in any order."""
    known = rules()
    answer = After(end, unit=unit)
    for _ in range(4):
        position = answer.end
        while text[position : position + 1] in (" ", "\t", "\u3000", "|") and position < answer.end + 12:
            position += 1
        following = text[position : position + 1]
        if (following not in known.next and following not in (",", "，", ":", "：")) or not following:
            break
        longer = _longer(text, answer, position, end, decimal=decimal)
        if longer is None:
            break
        answer = longer
    return answer


def _longer(text: str, so_far: After, position: int, first: int, *, decimal: bool) -> After | None:
    """Take one more part: a flag, a unit that was missing, a reference range."""
    dimension = so_far.unit.dimension if so_far.unit else ""
    if dimension in _UNMARKED:
        return None
    if not so_far.flag and (flag := _flag(text, position)):
        return so_far._replace(end=flag[0], flag=flag[1])
    if so_far.unit is None and position > first and (late := _late_unit(text, position)):
        return so_far._replace(end=late[0], unit=late[1])
    if so_far.reference is None:
        return _reference(text, so_far, dimension, decimal=decimal)
    return None


def _flag(text: str, position: int) -> tuple[int, str] | None:
    found = rules().flag.match(text, position)
    if not found:
        return None
    if found["latin"] and (not text[position - 1].isspace() and text[position] in "HL" and found["latin"] == "L"):
        return None
    return found.end(), rules().flags[found["word"] or found["latin"]]


_LATE_POWER = re.compile(r"[x×*]?\s?10\s?[\^~～eE*]?\s?[1-9]\d?\s?/\s?(?:L|[uμµ]L)", re.IGNORECASE)


def _late_unit(text: str, position: int) -> tuple[int, Unit] | None:
    found = match_unit(text, position)
    if found:
        return found if found[1].dimension not in _LOOSE else None
    power = _LATE_POWER.match(text, position)
    return (power.end(), parse_unit(power[0])) if power else None


def _reference(text: str, so_far: After, dimension: str, *, decimal: bool) -> After | None:
    found = _REFERENCE.match(text, so_far.end)
    if not found or _NOT_RANGE.match(text, found.end()):
        return None
    low, high = _bounds(found)
    if low is not None and high is not None and low > high:
        return None
    end, unit = found.end(), so_far.unit
    late = None if text[end - 1] == "\n" else match_unit(text, end) or _late_unit(text, end)
    if late:
        if unit is not None and late[1].dimension != dimension:
            return None
        end, unit = late[0], unit or late[1]
    closed = _CLOSE.match(text, end) if found["open"] else None
    if not _trusted(text, found, end, dimension, unit, closed=bool(closed), decimal=decimal or bool(so_far.flag)):
        return None
    return so_far._replace(end=closed.end() if closed else end, reference=(low, high), unit=unit)


def _bounds(found: re.Match[str]) -> tuple[float | None, float | None]:
    if found["low"]:
        return float(found["low"]), float(found["high"])
    return limits((float(found["one"]),), "<" if found["sign"][0] in "<≤小" else ">")


def limits(values: tuple[float, ...], sign: str) -> tuple[float | None, float | None]:
    """Return the ends of a reference range, None where it has none; a number without a sign is its upper end."""
    if len(values) == 2:
        return values[0], values[1]
    return (values[0], None) if sign[:1] == ">" else (None, values[0])


def _trusted(text: str, found: re.Match[str], end: int, dimension: str, unit: Unit | None, *, closed: bool, decimal: bool) -> bool:
    """Tell a reference range from any other range: said so, in brackets, or printed after a gap with nothing of its own behind it."""
    if found["word"]:
        return closed or not found["open"]
    if dimension in _LOOSE:
        return False
    if found["open"]:
        return closed and (unit is not None or decimal)
    if found["sign"]:
        return False
    gap = found["gap"]
    following = text[end : end + 1]
    alone = not following or text[end - 1].isspace() or following in " \t\r\n,，;；。、)）↑↓|"
    return bool(gap) and gap.replace("|", " ").isspace() and "\n" not in gap and alone and (unit is not None or decimal)


def record_of(kind: str, values: tuple[float, ...], unit: Unit | None, start: int, end: int, sign: str, after: After | None) -> Quantity:
    """Return the record of values in a unit, with the same in the canonical unit."""
    flag, reference = (after.flag, after.reference) if after else ("", None)
    if unit is None:
        return Quantity(start, end, kind, values, comparator=sign, reference=reference, flag=flag)
    plain = unit.factor == 1.0 and not unit.offset
    canonical = values if plain else tuple(round(value * unit.factor + unit.offset, 9) for value in values)
    return Quantity(start, end, kind, values, unit.name, sign, unit.dimension, canonical, unit.canonical, reference, flag)
