"""Stages, grades and scores: TNM, NYHA, GCS, Child-Pugh, BI-RADS and a hundred more.

Names, grades and their order are data (``nlp/data/stages.yaml``); one pass of Aho-Corasick finds the names. A grade that its system does
not have (GCS 18, BI-RADS 7, E4V5M6=14) is no finding: it is not returned, and its digits are no quantity either.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from nlp.annotations import Quantity
from nlp.dictionary import find_all
from nlp.normal import fold
from nlp.numerals import number_of, roman_number
from nlp.quantities.stage_forms import (
    EYES,
    SIGNS,
    TNM_STARTS,
    WOUND,
    Found,
    read_apgar,
    read_eyes,
    read_gleason,
    read_her2,
    read_ki67,
    read_levine,
    read_stage,
    read_tnm,
    read_wound,
)
from nlp.reading import own_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import ahocorasick_rs

__all__ = ["System", "find_stages", "rank", "systems"]

_NUMERAL = r"(?:[ⅠⅡⅢⅣⅤⅥ]+|(?<![A-Za-z])[IVX]{1,4}|\d{1,2}(?:\.5)?|[一二三四五六])"
_GRADE = (
    rf"(?:{_NUMERAL}\s?(?:(?:[ABab][EeSs]|[A-ESa-esXx])(?![A-Za-z]))?(?:(?<=[A-Ca-c])[1-3](?!\d))?"
    r"|(?<![A-Za-z])[A-EM](?:\s?[12])?(?![A-Za-z]))"
)
_BETWEEN_GRADES = r"\s?[-~—–～至到/或及]\s?"
_COMPARATOR = r"(?P<sign>[><]=?|[≥≤]|大于|小于|超过|不足)?\s?"
_NOT_POINTS = r"(?!\d|\.\d|\s?(?:[%/×*]|[-~]\d{3}|天|日|次|年|月|周|小时|个|岁|mg|ml|级高血压|/|：\d|:\d|h\b))"


class System(NamedTuple):
    """A way to stage, grade or score; `grades` ascend, `low` and `high` bound points, `entry` is its place in the data."""

    name: str
    form: str
    grades: tuple[str, ...]
    low: float
    high: float
    entry: int


class _Names(NamedTuple):
    automaton: ahocorasick_rs.AhoCorasick
    readers: tuple[Callable[[str, int, int], Iterable[Found]], ...]
    guarded: tuple[bool, ...]


def _data() -> dict:
    return own_table("stages.yaml")


@cache
def _entries() -> tuple[tuple[dict, System], ...]:
    return tuple((entry, _system(entry, place)) for place, entry in enumerate(_data()["systems"]))


def systems() -> dict[str, System]:
    """Return the systems by name, the first entry of each name.

    Returns
    -------
    dict of str to System
        As ``nlp/data/stages.yaml`` lists them.

    Examples
    --------
    >>> systems()["NYHA"].grades
    ('I', 'II', 'III', 'IV')
    """
    known: dict[str, System] = {}
    for _, system in _entries():
        known.setdefault(system.name, system)
    return known


def rank(system: str, text: str) -> float | None:
    """Return the place of a grade in its system, so that the highest of several can be told.

    Parameters
    ----------
    system : str
        Such as BI-RADS.
    text : str
        The grade in its one spelling, as ``Quantity.text`` has it; of a range, the upper end counts.

    Returns
    -------
    float or None
        Place in the list of grades, or the number of points; None where the system has no order or the grade is not in it.

    Examples
    --------
    >>> rank("BI-RADS", "4B") > rank("BI-RADS", "4A") > rank("BI-RADS", "4")
    True
    """
    known = systems().get(system)
    upper = text.rsplit("-", 1)[-1] if not text.startswith("-") else text
    if known and upper in known.grades:
        return float(known.grades.index(upper))
    number = re.match(r"-?\d+(?:\.\d+)?", upper)
    return float(number[0]) if known and known.form == "points" and number else None


def _words(entry: dict) -> str:
    own = [str(word) for word in (*entry["names"], *entry.get("between", ()))]
    return "|".join(re.escape(word) for word in sorted({*own, *_data()["glue"]}, key=len, reverse=True))


def _system(entry: dict, place: int) -> System:
    grades = tuple(str(grade) for grade in entry.get("grades", ()))
    return System(entry["system"], entry["form"], grades, entry.get("low", 0), entry.get("high", 0), place)


@cache
def _patterns(place: int) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return the pattern of a grade after a name and of one before it; made when a name is first met."""
    entry = _data()["systems"][place]
    ends = entry.get("ends", "") + "°" * ("度" in entry.get("ends", ""))
    form, glue = entry["form"], rf"(?:[\s:：=()（）\[\]【】]|第[\d一二三四五六七八九]版|(?:19|20)\d\d版?|ajcc|uicc|{_words(entry)}){{0,8}}?"
    if form == "grade":
        end = rf"\s?[{ends}]"
        end = end if entry.get("strict") else rf"(?:{end}|(?![A-Za-z\d%.+]|\s?[天日次年月周/个cm]))"
        one = rf"(?P<one>{_GRADE})(?P<mark>[+-](?=\s?级))?" if entry.get("signed") else rf"(?P<one>{_GRADE})(?P<mark>)"
        after = rf"{glue}{_COMPARATOR}{one}(?:\s?[{ends}]?{_BETWEEN_GRADES}(?P<two>{_GRADE}))?{end}"
        bracket = "" if entry.get("first") else "[(（]"
        before = rf"(?:(?P<low>{_GRADE}){_BETWEEN_GRADES})?(?P<one>{_GRADE})\s?[{ends}](?:[IⅠⅡ]{{1,2}}型)?\s?{bracket}\s?$"
    else:
        end = r"\s?分(?![钟叶])" if entry.get("strict") else rf"{_NOT_POINTS}(?:\s?分(?![钟叶]))?"
        after = rf"{glue}{_COMPARATOR}(?P<one>-?\d{{1,3}}(?:\.\d)?)(?:\s?分?[-~—～至到]\s?(?P<two>\d{{1,3}}))?{end}"
        before = r"(?P<one>(?<![\d.])\d{1,3}(?:\.\d)?)\s?分\s?[(（]\s?$"
    return re.compile(after, re.IGNORECASE), re.compile(before, re.IGNORECASE)


@cache
def _names() -> _Names:
    import ahocorasick_rs

    readers: dict[str, Callable[[str, int, int], Iterable[Found]]] = {}
    for entry, system in _entries():
        for name in entry["names"]:
            readers.setdefault(name.lower(), _reader(system))
    for start in TNM_STARTS:
        readers[start] = read_tnm
    unnamed = tuple(_data()["not_stage"])
    readers |= {"期": lambda text, start, end: read_stage(text, start, end, unnamed), "/6级": read_levine, "/6收缩": read_levine}
    readers |= dict.fromkeys(WOUND, read_wound) | dict.fromkeys(EYES, read_eyes)
    automaton = ahocorasick_rs.AhoCorasick(list(readers), matchkind=ahocorasick_rs.MatchKind.LeftmostLongest)
    guarded = tuple(name[0].isascii() and name[0].isalpha() and reader is not read_tnm for name, reader in readers.items())
    return _Names(automaton, tuple(readers.values()), guarded)


def _reader(system: System) -> Callable[[str, int, int], Iterable[Found]]:
    special = {"gleason": read_gleason, "ki67": read_ki67, "her2": read_her2, "apgar": read_apgar}
    if system.form in special:
        return special[system.form]
    if system.form == "child":
        return lambda text, start, end: _read_child(system, text, start, end)
    read = _read_points if system.form == "points" else _read_grade
    return lambda text, start, end: read(system, text, start, end)


def _around(system: System, text: str, start: int, end: int) -> tuple[re.Match[str], int, int] | None:
    """Find the grade of a name: before it where a bracket opens or the system says so, else after it."""
    lead = max(0, start - 14)
    after, before = _patterns(system.entry)
    if start and (text[start - 1] in "(（" or _data()["systems"][system.entry].get("first")):
        found = before.search(text[lead:start])
        if found:
            return found, lead + found.start(), end
    found = after.match(text, end)
    return (found, start, found.end()) if found else None


# A letter may follow the unit: Ⅲ期B.
_LATE = re.compile(r"(?<=期)\s?[A-E](?![A-Za-z])")


def _read_grade(system: System, text: str, start: int, end: int) -> Iterable[Found]:
    around = _around(system, text, start, end)
    if around is None:
        return
    found, start, end = around
    groups = found.groupdict()
    written = [grade for grade in (groups.get("low"), groups["one"], groups.get("two")) if grade]
    late = _LATE.match(text, end)
    if late and _one_spelling(system, written[-1] + late[0].strip()):
        written[-1] += late[0].strip()
        end = late.end()
    grades = [_one_spelling(system, grade) for grade in written]
    if None in grades:
        yield start, end, None
        return
    values = tuple(_value(system, grade) for grade in grades)
    sign = SIGNS.get(groups.get("sign") or "", "")
    quantity = Quantity(
        start, end, "stage", values, comparator=sign, system=system.name, text="-".join(grades) + (groups.get("mark") or "")
    )
    yield start, end, quantity
    if system.name == "hypertension":
        yield from _risk(text, end)


_RISK = re.compile(r"[\s,，(（:：、;；分层组]{0,4}(?P<risk>低|中|很高|极高|高)危(?:组|险)?")


def _risk(text: str, start: int) -> Iterable[Found]:
    found = _RISK.match(text, start)
    if found:
        level = found["risk"].replace("极高", "很高") + "危"
        place = ("低危", "中危", "高危", "很高危").index(level) + 1
        begin = found.start("risk")
        yield begin, found.end(), Quantity(begin, found.end(), "stage", (float(place),), system="hypertension risk", text=level)


def _one_spelling(system: System, written: str) -> str | None:
    """Return a grade as its system spells it, None if the system has no such grade."""
    return _spellings(system.grades).get(_key(written))


@cache
def _spellings(grades: tuple[str, ...]) -> dict[tuple[float, str], str]:
    return {_key(grade): grade for grade in grades}


def _key(grade: str) -> tuple[float, str]:
    """Return what a grade is whatever its spelling: number and letters."""
    grade = grade.replace(" ", "")
    head = re.match(r"[ⅠⅡⅢⅣⅤⅥ]+|[IVX]+|\d+(?:\.\d)?|[一二三四五六]", grade, re.IGNORECASE)
    if not head:
        return -1.0, grade.upper()
    number = roman_number(head[0]) or number_of(head[0])
    return float(number if number is not None else -1), grade[head.end() :].upper()


def _value(system: System, grade: str) -> float:
    number, _ = _key(grade)
    return number if number >= 0 else float(system.grades.index(grade) + 1)


def _read_points(system: System, text: str, start: int, end: int) -> Iterable[Found]:
    around = _around(system, text, start, end)
    if around is None:
        return
    found, start, end = around
    groups = found.groupdict()
    values = tuple(float(number) for number in (groups["one"], groups.get("two")) if number)
    if not all(system.low <= value <= system.high for value in values):
        yield start, end, None
        return
    sign = SIGNS.get(groups.get("sign") or "", "")
    yield (
        start,
        end,
        Quantity(
            start, end, "score", values, unit="分", comparator=sign, system=system.name, text="-".join(f"{value:g}" for value in values)
        ),
    )


_CHILD = re.compile(
    r"(?:[\s:：=(（)）]|分级|评分|分期|评级|为|'s|pugh|-|—){0,7}?(?:"
    r"(?P<points>\d{1,2})\s?分[\s,，(（;、]{0,2}(?P<late>[A-Ca-c])\s?级?|(?P<letter>[A-Ca-c])(?![A-Za-z\d])\s?级?(?:[\s,，(（]{0,2}(?P<after>\d{1,2})\s?分)?|(?P<only>\d{1,2})\s?分)",
    re.IGNORECASE,
)


def _read_child(system: System, text: str, start: int, end: int) -> Iterable[Found]:
    found = _CHILD.match(text, end)
    if not found:
        return
    points = found["points"] or found["after"] or found["only"]
    letter = (found["late"] or found["letter"] or "").upper()
    if points and not system.low <= int(points) <= system.high:
        yield start, found.end(), None
        return
    grade = letter or "AABC"[1 + (int(points) > 6) + (int(points) > 9)]
    yield (
        start,
        found.end(),
        Quantity(
            start,
            found.end(),
            "stage",
            (float(points),) if points else (_value(system, grade),),
            unit="分" if points else "",
            system=system.name,
            text=grade,
        ),
    )


def find_stages(text: str) -> list[Found]:
    """Find stages, grades and scores.

    Parameters
    ----------
    text : str
        A note.

    Returns
    -------
    list of (int, int, Quantity or None)
        Start, end and record of each, by place, without overlaps; a stage (a grade) or a score (points), and None for a grade that its
        system does not have.

    Examples
    --------
    >>> found = find_stages("心功能Ⅱ-Ⅲ级(NYHA)，BI-RADS 4a类，pT3N1M0，GCS 18分")
    >>> [record and (record.system, record.text) for _, _, record in found]
    [('NYHA', 'II-III'), ('BI-RADS', '4A'), ('TNM', 'pT3N1M0'), None]
    """
    names = _names()
    lower = fold(text)
    found: list[Found] = []
    until = 0
    for place, start, end in find_all(names.automaton, lower):
        if start < until or (names.guarded[place] and start and lower[start - 1].isascii() and lower[start - 1].isalnum()):
            continue
        for item in names.readers[place](text, start, end):
            if item[0] >= until:
                found.append(_close(text, *item))
                until = found[-1][1]
    return found


def _close(text: str, start: int, end: int, quantity: Quantity | None) -> Found:
    """Take in the bracket that closes one within."""
    if text[end : end + 1] in (")", "）") and text.count("(", start, end) + text.count("（", start, end) > text.count(
        ")", start, end
    ) + text.count("）", start, end):
        end += 1
    return start, end, quantity._replace(end=end) if quantity else None
