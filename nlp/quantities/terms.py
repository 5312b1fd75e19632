"""One number with its power of ten, its 余 and its unit, and the chain of numbers that operators join."""

from __future__ import annotations

import re
from typing import NamedTuple

from nlp.quantities.other_numbers import DATE, may_be_ratio
from nlp.quantities.unit_places import match_unit
from nlp.quantities.units import Unit, parse_unit

__all__ = ["NUMBER", "Term", "chain"]

NUMBER = re.compile(r"[0-9]+(?:,[0-9]{3}(?![0-9]))*(?:\.[0-9]+)?")
_OP = re.compile(
    r"\s{0,2}(?:(?P<size>[*×xX✕╳＊])|(?P<range>-{1,2}|[~—–～〜－−]{1,2}|[至到])|(?P<ratio>[/／])|(?P<colon>[:：]))\s{0,2}(?=约?\s?[0-9])约?\s?"
)
_OP_FIRST = frozenset(" *×xX✕╳＊-~—–～〜－−至到/／:：")
_SCIENTIFIC = re.compile(r"[eE]([+-]?\d{1,2})(?![\d/])")
_POWER = re.compile(
    r"\s?[*×xX✕·•]?\s?10\s?(?:(?:\^|~|～|\*\*?|[eE]|ˆ)\s?(?P<e>-?\d{1,2})|(?P<plain>3|6|9|12)(?=\s?/))(?!\d)(?P<below>\s?[/／]\s?(?:L|[uμµ]?L|升|[uμµ]l|ml)(?![A-Za-z]))?",
    re.IGNORECASE,
)
_OCR = re.compile(
    r"(?:。(\d{1,2})|[,，](\d)(?=\s?℃)|\s[.](\d{1,2}))(?=\s?(?:cm|mm|℃|mg|ml|kg|g|mmol|umol|%|ng|u/|厘米|毫米))", re.IGNORECASE
)
_GESTATION = re.compile(r"\s?(?:周|[wW])?\s?[+＋]\s?([0-6])\s?(?:周|天|[wW](?![A-Za-z])|[dD](?![A-Za-z]))")
_MORE = re.compile(
    r"[余多来]?个?[余多](?=[年月周天日次个枚小分])|[余多](?=\s?[a-zA-Z年月周天日次枚小分片支毫厘公条处颗米个克升粒])|来(?=[年月周天次个])|[+＋]\s?(?=(?:个?[月周]|[年天次]|小时))"
)


class Term(NamedTuple):
    """A number of a chain with its own unit; `more` is the comparator of 余 and the like."""

    start: int
    end: int
    value: float
    unit: Unit | None = None
    more: str = ""
    digits: int = 0


def chain(text: str, match: re.Match[str]) -> tuple[list[Term], list[str]]:
    """Read a number and those that operators join to it."""
    terms, ops = [_term(text, match)], []
    while len(terms) < 4:
        last = terms[-1]
        if text[last.end : last.end + 1] not in _OP_FIRST:
            break
        op = _OP.match(text, last.end)
        if not op or not _may_join(text, last, op):
            break
        following = NUMBER.match(text, op.end())
        terms.append(_term(text, following))
        ops.append({"size": "×", "range": "-", "ratio": "/", "colon": ":"}[op.lastgroup])
    return terms, ops


def _may_join(text: str, last: Term, op: re.Match[str]) -> bool:
    if op.lastgroup == "colon":
        return last.unit is None and may_be_ratio(text, last.start, last.end)
    if last.unit is None:
        return not (op.lastgroup == "range" and DATE.match(text, op.end()) and text[op.end() : op.end() + 2] in ("19", "20"))
    if op.lastgroup == "ratio":
        return last.unit.dimension == "pressure"
    return op.lastgroup != "size" or last.unit.dimension == "length"


def _term(text: str, match: re.Match[str]) -> Term:
    """Read a number with power of ten, 万, 余 and unit."""
    start, end, digits = match.start(), match.end(), match[0]
    if "," in digits:
        if len(digits.split(",")[0]) > 3 or text[end : end + 1] == ",":
            digits = digits.split(",")[0]
            end = start + len(digits)
        digits = digits.replace(",", "")
    value, whole = float(digits), "." not in digits
    following = text[end : end + 1]
    if following in _SPECIAL:
        special = _special(text, start, end, value, following, whole=whole)
        if special:
            return special
    elif (
        following == "^"
        and digits.endswith("10")
        and len(digits) > 2
        and (power := re.match(r"\^(\d{1,2})\s?/\s?(?:L|[uμ]l)", text[end : end + 9], re.IGNORECASE))
    ):
        return Term(start, end + power.end(), float(digits[:-2].rstrip(".") or 0), parse_unit("10" + power[0]))
    return _with_unit(text, start, end, value)


_SPECIAL = frozenset("eE*×xX✕·• 。,，+＋余多来万亿千百个周wW1")


def _special(text: str, start: int, end: int, value: float, following: str, *, whole: bool) -> Term | None:
    if following in "eE" and (scientific := _SCIENTIFIC.match(text, end)):
        return _with_unit(text, start, scientific.end(), value * 10.0 ** int(scientific[1]))
    if following in "*×xX✕·• " and (power := _POWER.match(text, end)):
        return _with_power(text, start, value, power)
    if following in "。,， " and whole and (ocr := _OCR.match(text, end)):
        return _with_unit(text, start, ocr.end(), float(f"{value:.0f}.{ocr[1] or ocr[2] or ocr[3]}"))
    if following in "+＋周wW" and whole and 4 <= value <= 42 and (gestation := _GESTATION.match(text, end)):
        return Term(start, gestation.end(), round(value + int(gestation[1]) / 7, 4), parse_unit("周"))
    if following in "余多来+＋个" and (more := _MORE.match(text, end)):
        return _with_unit(text, start, more.end(), value, more=">" if "来" not in more[0] else "~")
    if following in "万亿千百" and not match_unit(text, end):
        return _with_unit(text, start, end + 1, value * {"万": 1e4, "亿": 1e8, "千": 1e3, "百": 1e2}[following])
    if following == "个" and text.startswith("个半", end) and (unit := match_unit(text, end + 2)):
        return Term(start, unit[0], value + 0.5, unit[1])
    return None


def _with_power(text: str, start: int, value: float, power: re.Match[str]) -> Term:
    """Read ×10^9/L as a unit, any other power of ten as part of the number."""
    exponent = int(power["e"] or power["plain"])
    if power["below"]:
        return Term(start, power.end(), value, parse_unit(f"10^{exponent}{power['below'].strip()}"))
    scaled = _with_unit(text, start, power.end(), float(f"{value:.12g}e{exponent}"))
    return scaled if scaled.unit else Term(start, power.end(), value, parse_unit(f"10^{exponent}") if exponent > 0 else None)


def _with_unit(text: str, start: int, end: int, value: float, *, more: str = "") -> Term:
    position = end
    while text[position : position + 1] in (" ", "\u3000") and position < end + 3:
        position += 1
    if not more and text[position : position + 1] in ("余", "多") and (found := _MORE.match(text, position)):
        more, position = ">", found.end()
    found = match_unit(text, position)
    if not found or not _fits(text, start, value, position, *found):
        return Term(start, end, value, more=more, digits=end - start)
    stop, unit = found
    if unit.name in ("mo", "yr", "wk", "d", "h") and text[stop : stop + 1] == "半":
        return Term(start, stop + 1, value + 0.5, unit, more)
    if unit.name == "°" and (33 <= value <= 43):
        lead = text[max(0, start - 8) : start]
        unit = parse_unit("℃") if value % 1 or "体温" in lead or "热" in lead or "烧" in lead or "T" in lead else unit
    return Term(start, stop, value, unit, more, end - start)


_CHECKED = frozenset(["d", "年", "月", "日", "C", "c", "度", "°", "f", "W", "#", "分"])
_MONTHS_BEFORE = frozenset("余前来后内多大以")


def _fits(text: str, start: int, value: float, position: int, stop: int, unit: Unit) -> bool:
    """Tell whether a unit makes sense with its number: dates, grades and look-alikes do not."""
    spelled = text[position:stop]
    if unit.decimal and not value % 1 and text[start - 1 : start] not in ("-", "+", "－", "＋"):
        return "." in text[start:position]
    if spelled not in _CHECKED:
        return True
    checks = {
        "d": not text[stop : stop + 1].isdigit() or "." not in text[start:position],
        "年": value < 200 and not text[stop : stop + 1].isdigit(),
        "月": text[position - 1] in "余多+＋" or (text[stop : stop + 1] in _MONTHS_BEFORE and value <= 120),
        "日": text[start - 1 : start] not in ("于", "在", "月", "自"),
        "C": 30 <= value <= 45,
        "c": 30 <= value <= 45,
        "度": value > 4,
        "°": value > 4 or value % 1 != 0,
        "f": text[start - 1 : start] == "/",
        "W": value == int(value) and 4 <= value <= 42,
        "#": not text[stop : stop + 1].isdigit(),
        "分": value <= 1000,
    }
    return checks[spelled]
