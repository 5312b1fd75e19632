"""Stages and scores with a grammar of their own: TNM, stage groups, GCS components, Gleason, Apgar, Ki-67, HER2, murmurs, wounds.

Each reader takes a text and the span of the word that called it, and yields (start, end, record); None for a grade that cannot be.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nlp.annotations import Quantity
from nlp.numerals import number_of, roman_number, to_roman

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "EYES",
    "SIGNS",
    "TNM_STARTS",
    "WOUND",
    "Found",
    "read_apgar",
    "read_eyes",
    "read_gleason",
    "read_her2",
    "read_ki67",
    "read_levine",
    "read_stage",
    "read_tnm",
    "read_wound",
]

#: A record with its span, or the span of something impossible that no one else is to read.
Found = tuple[int, int, Quantity | None]

#: Comparators as they stand before a grade, in one spelling.
_SPELLED = {">": "> 大于 超过", "<": "< 小于 不足", "~": "约 约为 大约 近", ">=": ">= ≥", "<=": "<= ≤"}
SIGNS = {word: sign for sign, words in _SPELLED.items() for word in words.split()}

TNM_STARTS = ("t0", "t1", "t2", "t3", "t4", "tx", "tis", "ta", "t₀", "t₁", "t₂", "t₃", "t₄", "t 1", "t 2", "t 3", "t 4")
EYES = ("e1", "e2", "e3", "e4", "e 1", "e 2", "e 3", "e 4")
WOUND = ("/甲", "/乙", "/丙")

_SUBSCRIPTS = str.maketrans("₀₁₂₃₄", "01234")
_GAP = r"[\s,，、;；]{0,2}(?:\([^()]{1,8}\)|（[^（）]{1,8}）)?[\s,，、;；]{0,2}(?:y?[cp])?"
_TNM = re.compile(
    r"T\s?(?P<t>is|[0-4₀-₄][a-e]?(?:mi)?(?:-[0-4][a-d]?)?|x|a(?![a-z]))(?:\(m\))?"
    rf"(?:{_GAP}N\s?(?P<n>[0-3₀-₃](?:mi|[a-c])?(?:-[1-3][a-c]?)?|x|\+))?"
    rf"(?:{_GAP}M\s?(?P<m>[01₀₁][a-e]?|x|o(?![a-z])))?",
    re.IGNORECASE,
)
_PREFIX = re.compile(r"(?<![A-Za-z])(?:y?[cpra]|yr[cp])\s?$", re.IGNORECASE)
_TNM_WORDS = re.compile(r"分期|TNM|浸润深度|肿瘤", re.IGNORECASE)
_AFTER_TNM = re.compile(r"[\s,，、(（]{0,2}(?P<number>[ⅠⅡⅢⅣ]|III|II|IV|I)\s?(?P<letter>[A-Ca-c])?[1-3]?(?![A-Za-z\d期])", re.IGNORECASE)


def read_tnm(text: str, start: int, end: int) -> Iterator[Found]:
    """Read T, N and M from the T on; a T alone counts only with a prefix or where a stage is spoken of.

    Yields
    ------
    tuple of (int, int, Quantity or None)
        Where it begins and ends, and the record.
    """
    found = _TNM.match(text, start)
    if not found:
        return
    end = found.end()
    prefix = _PREFIX.search(text[max(0, start - 4) : start])
    begin = start - len(prefix[0]) if prefix else start
    if not prefix and begin and text[begin - 1].isascii() and text[begin - 1].isalnum():
        return
    if not (found["n"] or found["m"]) and not _alone(text, begin, end, prefix):
        return
    if text[end : end + 1].isdigit():
        return
    parts = [f"{letter}{_tidy(found[key])}" for letter, key in (("T", "t"), ("N", "n"), ("M", "m")) if found[key]]
    spelled = (prefix[0].strip().lower() if prefix else "") + "".join(parts)
    yield begin, end, Quantity(begin, end, "stage", system="TNM", text=spelled)
    group = _AFTER_TNM.match(text, end)
    if group:
        yield from _stage_group(group.start("number"), group.end(), group["number"], group["letter"] or "", "")


def _tidy(part: str) -> str:
    part = part.translate(_SUBSCRIPTS).lower()
    return {"x": "X", "o": "0"}.get(part, part)


def _alone(text: str, begin: int, end: int, prefix: re.Match[str] | None) -> bool:
    following = text[end : end + 1]
    if following.isascii() and (following.isalnum() or following in (".", "%", "/")) and following:
        return False
    if text[end : end + 2] in ("加权", "像", "信号", "椎体") or following in "椎腰胸信压加长短、-":
        return bool(prefix) and following in "、-"
    exact = bool(prefix) and "T" in text[begin:end] and prefix[0].strip()[-1] in "cp"
    lettered = bool(prefix) and bool(re.search(r"[0-4][a-e]|is", text[begin:end], re.IGNORECASE))
    return exact or lettered or following == "期" or bool(_TNM_WORDS.search(text[max(0, begin - 10) : begin]))


_BEFORE_STAGE = re.compile(
    r"(?:(?P<low>[ⅠⅡⅢⅣ]|(?<![A-Za-z])[IV]{1,3}|[0-4]|[一二三四])\s?(?P<lowletter>[A-Ca-c])?\s?[-~—～至到/]\s?)?"
    r"(?P<number>[ⅠⅡⅢⅣ]+|(?:(?<![A-Za-z])|(?<=[0-4x][a-e])|(?<=m[01x]))(?:III|II|IV|I)|(?<![\d.A-Za-z])[0-4]|[一二三四])\s?(?P<letter>[A-Ca-c])?\s?(?P<more>[1-3])?[bs]?\s?$",
    re.IGNORECASE,
)
_TUMOUR = re.compile(r"癌|瘤|分期|TNM|恶性|白血病|骨髓瘤|病理", re.IGNORECASE)


def read_stage(text: str, start: int, end: int, not_before: tuple[str, ...]) -> Iterator[Found]:
    """Read a stage group without a name: ⅢA期, iiib期; with Arabic or Chinese numerals only where a tumour is near.

    Yields
    ------
    tuple of (int, int, Quantity or None)
        Where it begins and ends, and the record.
    """
    if text.startswith(not_before, end):
        return
    lead = max(0, start - 12)
    found = _BEFORE_STAGE.search(text[lead:start])
    if not found:
        return
    begin = lead + found.start()
    roman = roman_number(found["number"]) is not None
    if not roman and (text[max(0, begin - 2) : begin] in ("分为", "分成") or not _TUMOUR.search(text[max(0, begin - 16) : begin])):
        return
    low = f"{_roman(found['low'])}{(found['lowletter'] or '').upper()}" if found["low"] else ""
    yield from _stage_group(begin, end, found["number"], found["letter"] or "", found["more"] or "", low=low)


def _roman(written: str) -> str:
    return to_roman(int(roman_number(written) or number_of(written) or 0))


def _stage_group(start: int, end: int, number: str, letter: str, more: str, *, low: str = "") -> Iterator[Found]:
    grade = _roman(number) + letter.upper() + more
    values = (float(roman_number(re.match(r"[IV0]+", grade)[0]) or 0),)
    if low:
        values = (float(roman_number(re.match(r"[IV0]+", low)[0]) or 0), *values)
    yield start, end, Quantity(start, end, "stage", values, system="stage", text=f"{low}-{grade}" if low else grade)


_EYES = re.compile(
    r"E\s?(?P<e>[1-4])\s?[+,，、]?\s?V\s?(?P<v>[1-5T])\s?[+,，、]?\s?M\s?(?P<m>[1-6])(?!\d)(?:\s?[=＝为,，]?\s?(?P<sum>\d{1,2})\s?分?)?",
    re.IGNORECASE,
)


def read_eyes(text: str, start: int, _end: int) -> Iterator[Found]:
    """Read E4V5M6; a total that is written after it has to be the sum.

    Yields
    ------
    tuple of (int, int, Quantity or None)
        Where it begins and ends, and the record.
    """
    found = _EYES.match(text, start)
    if not found or (start and text[start - 1].isascii() and text[start - 1].isalnum()):
        return
    verbal = 1 if found["v"] in "Tt" else int(found["v"])
    total = int(found["e"]) + verbal + int(found["m"])
    if found["sum"] and int(found["sum"]) != total:
        yield start, found.end(), None
        return
    spelled = f"E{found['e']}V{found['v'].upper()}M{found['m']}"
    yield start, found.end(), Quantity(start, found.end(), "score", (float(total),), unit="分", system="GCS", text=spelled)


_GLEASON = re.compile(
    r"(?:[\s:：=(（]|评分|分级|积分|总分|得分|score|'s|’s|为|约|示|系统|[IⅠⅡⅢV]{1,3}级){0,6}(?:(?P<one>\d)\s?[+＋]\s?(?P<two>\d)\s?分?(?:\s?[=＝为]\s?(?P<sum>\d{1,2}))?|(?P<only>10|\d)(?!\d|\s?[+＋]))\s?分?",
    re.IGNORECASE,
)


def read_gleason(text: str, start: int, end: int) -> Iterator[Found]:
    """Read 3+4=7; both patterns lie between 1 and 5 and the total has to be their sum.

    Yields
    ------
    tuple of (int, int, Quantity or None)
        Where it begins and ends, and the record.
    """
    found = _GLEASON.match(text, end)
    if not found:
        return
    if found["only"]:
        total, spelled, good = int(found["only"]), found["only"], 2 <= int(found["only"]) <= 10
    else:
        one, two = int(found["one"]), int(found["two"])
        total, spelled = one + two, f"{one}+{two}={one + two}"
        good = 1 <= one <= 5 and 1 <= two <= 5 and (not found["sum"] or int(found["sum"]) == total)
    record = Quantity(start, found.end(), "score", (float(total),), unit="分", system="Gleason", text=spelled)
    yield start, found.end(), record if good else None


_APGAR = re.compile(
    r"\s*(?:(?P<time>(?:10|[15一五十])\s?(?:分钟|min))|(?P<score>\d{1,2})(?![\d.])\s?(?:分(?!钟)|['’′])?"
    r"|(?P<glue>[:：=(（)）,，、;；/~～—-]|阿氏|评分|得分|分别|[均为各评得]|生后|出生|后|'s))",
    re.IGNORECASE,
)


def read_apgar(text: str, start: int, end: int) -> Iterator[Found]:
    """Read one to three Apgar scores (9-10-10; 1分钟9分，5分钟10分).

    Yields
    ------
    tuple of (int, int, Quantity or None)
        Where it begins and ends, and the record.
    """
    scores: list[float] = []
    position = stop = end
    for _ in range(24):
        found = _APGAR.match(text, position)
        if not found or len(scores) == 3:
            break
        position = found.end()
        if found["score"]:
            scores.append(float(found["score"]))
            stop = position
    if scores:
        spelled = "-".join(f"{score:g}" for score in scores)
        record = Quantity(start, stop, "score", tuple(scores), unit="分", system="Apgar", text=spelled)
        yield start, stop, record if max(scores) <= 10 else None


_KI67 = re.compile(
    r"(?:[\s:：=(（)）,，]|阳性|标记|增殖|细胞|指数|表达|热点|区域?|率|最高|index|li|为|是|达|示|肿瘤|癌|\d\+|[+＋]+|-(?=\d)|、){0,12}?"
    r"(?P<sign>[><]=?|[≥≤]|约为?|大约|近|小于|大于|超过|不足)?\s?[+＋]?\s?(?P<sign2>[><≥≤约])?\s?(?P<one>\d{1,3}(?:\.\d+)?)\s?%?(?:\s?[-~—～至到]\s?(?P<two>\d{1,3}(?:\.\d+)?))?\s?%[+＋]?",
    re.IGNORECASE,
)


def read_ki67(text: str, start: int, end: int) -> Iterator[Found]:
    """Read the share of Ki-67 positive cells.

    Yields
    ------
    tuple of (int, int, Quantity or None)
        Where it begins and ends, and the record.
    """
    found = _KI67.match(text, end)
    if not found:
        return
    values = tuple(float(number) for number in (found["one"], found["two"]) if number)
    sign = found["sign"] or found["sign2"] or ""
    spelled = "-".join(f"{value:g}" for value in values) + "%"
    record = Quantity(start, found.end(), "score", values, "%", SIGNS.get(sign, ""), "fraction", values, "%", system="Ki-67", text=spelled)
    yield start, found.end(), record if max(values) <= 100 else None


_HER2 = re.compile(
    r"(?:[\s:：=(（]|蛋白|表达|评分|为|示|ihc|肿瘤|癌|约){0,5}(?:(?P<digit>\d)\s?(?P<plus>[+＋])?(?![\d.%])|(?P<signs>[+＋]{1,4})|(?P<minus>[-－—])(?=\s*[)）,，;；。、\s]|$))",
    re.IGNORECASE,
)


def read_her2(text: str, start: int, end: int) -> Iterator[Found]:
    """Read HER2 immunohistochemistry: 0, 1+, 2+, 3+; a minus is 0, (+) is 1+.

    Yields
    ------
    tuple of (int, int, Quantity or None)
        Where it begins and ends, and the record.
    """
    found = _HER2.match(text, end)
    if not found:
        return
    number = 0 if found["minus"] else len(found["signs"]) if found["signs"] else int(found["digit"])
    if found["digit"] and not found["plus"] and number:
        return
    stop = found.end()
    record = Quantity(start, stop, "score", (float(number),), system="HER2", text=f"{number}+" if number else "0")
    yield start, stop, record if number <= 3 else None


_LEVINE = re.compile(
    r"(?:(?P<low>[1-6ⅠⅡⅢⅣⅤⅥ]|[IV]{1,3})(?:/6)?\s?[-~～—至]\s?)?(?P<one>[ⅠⅡⅢⅣⅤⅥ]|(?<![A-Za-z])[IV]{1,3}|(?<!\d)[1-6])级?$", re.IGNORECASE
)


def read_levine(text: str, start: int, end: int) -> Iterator[Found]:
    """Read the loudness of a murmur (3/6级, Ⅱ-Ⅲ/6级).

    Yields
    ------
    tuple of (int, int, Quantity or None)
        Where it begins and ends, and the record.
    """
    lead = max(0, start - 9)
    found = _LEVINE.search(text[lead:start])
    if not found:
        return
    grades = [
        roman_number(grade) or int(grade) for grade in (found["low"], found["one"]) if grade and (grade.isdigit() or roman_number(grade))
    ]
    begin, stop = lead + found.start(), end - (2 if text[end - 2 : end] == "收缩" else 0)
    spelled = "-".join(str(grade) for grade in grades) + "/6"
    yield begin, stop, Quantity(begin, stop, "stage", tuple(float(grade) for grade in grades), system="Levine", text=spelled)


_WOUND = re.compile(r"(?P<class>[ⅠⅡⅢ]|(?<![A-Za-z])I{1,3}|[123一二三])\s?(?:类|级|期)?\s?$", re.IGNORECASE)


def read_wound(text: str, start: int, end: int) -> Iterator[Found]:
    """Read how a wound healed (Ⅱ/甲).

    Yields
    ------
    tuple of (int, int, Quantity or None)
        Where it begins and ends, and the record.
    """
    lead = max(0, start - 5)
    found = _WOUND.search(text[lead:start])
    if not found:
        return
    begin = lead + found.start()
    number = roman_number(found["class"]) or number_of(found["class"])
    yield (
        begin,
        end,
        Quantity(begin, end, "stage", (float(number),), system="wound healing", text=f"{to_roman(int(number))}/{text[end - 1]}"),
    )
