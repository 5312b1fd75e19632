"""Quantities without Arabic digits: Chinese numerals (三枚, 半月余) and grades of pluses (++)."""

from __future__ import annotations

import re
from functools import cache

from nlp.annotations import Quantity
from nlp.numerals import chinese_number
from nlp.quantities.context import comparator_after, comparator_before, record_of, rules
from nlp.quantities.unit_places import match_unit

__all__ = ["chinese", "positives"]

_POSITIVE = re.compile(
    r"[(（±+＋](?:(?<=[(（])\s?(?P<digit>[1-4](?=\s?[+＋]))?\s?(?P<signs>[+＋]{1,4}(?![\d/])|±|[+＋]/[-－]|[-－—](?!\d)|[1-4][+＋])\s?[)）]"
    r"|(?:(?<=±)|(?<![\d+＋].)(?<=[+＋])[+＋]{1,3})(?![\d+＋.]))"
)
_CHINESE = re.compile(r"[一二两三四五六七八九十百千万半][一二两三四五六七八九十百千万零〇点]*")
_CHINESE_AFTER = re.compile(r"(?P<more>余|多|来)?(?P<half>个半(?=[月小钟疗周])|半(?=个?[月年周天小]))?(?P<mid>个?[余多](?=[月小周年天]))?")
_BEFORE_CHINESE = frozenset("第初期周数几再同上下之者这那某整全任唯万百千十分成其第统单无专归划")
_APPROXIMATE = "一二三四五六七八九"


def positives(text: str) -> list[Quantity]:
    """Read (++), 2+, ± and (-)."""
    found = []
    for match in _POSITIVE.finditer(text):
        signs = match["signs"] or match[0]
        if match["digit"]:
            grade = float(match["digit"])
        elif signs[0].isdigit():
            grade = float(signs[0])
        elif "±" in signs or "/" in signs:
            grade = 0.5
        else:
            grade = float(len(signs)) if signs[0] in "+＋" else 0.0
        spelled = {0.0: "-", 0.5: "±"}.get(grade) or f"{grade:g}+"
        found.append(Quantity(match.start(), match.end(), "score", (grade,), system="plus", text=spelled))
    return found


@cache
def _counted() -> re.Pattern[str]:
    return re.compile(rf"(?:{rules().counted})")


def chinese(text: str) -> list[Quantity]:
    """Read 三枚, 十余年, 一个半小时."""
    found: list[Quantity] = []
    for match in _CHINESE.finditer(text):
        start, end = match.span()
        if (
            (found and start < found[-1].end)
            or (text[start - 1 : start] in _BEFORE_CHINESE and start)
            or (start and text[start - 1].isdigit())
        ):
            continue
        record = _read_chinese(text, start, end, found[-1].end if found else 0)
        if record:
            found.append(record)
    return found


def _read_chinese(text: str, start: int, end: int, floor: int) -> Quantity | None:
    written = text[start:end]
    after = _CHINESE_AFTER.match(text, end)
    position = after.end()
    if not _counted().match(text, position):
        return None
    found = match_unit(text, position)
    values = _chinese_values(written)
    if not found or not values or not _fits_chinese(text, written, position, found[0], more=bool(after["more"] or after["mid"])):
        return None
    stop, unit = found
    if after["half"]:
        values = (values[-1] + 0.5,)
    elif unit.dimension == "time" and text[stop : stop + 1] == "半":
        stop, values = stop + 1, (values[-1] + 0.5,)
    begin, sign = comparator_before(text, start, time=unit.dimension == "time")
    begin, sign = (begin, sign) if begin >= floor else (start, "")
    stop, late = comparator_after(text, stop)
    more = ">" if after["more"] in ("余", "多") or after["mid"] else "~" if after["more"] else ""
    return record_of("range" if len(values) == 2 else "scalar", values, unit, begin, stop, late or sign or more, None)


def _chinese_values(written: str) -> tuple[float, ...] | None:
    """Read 三十 as one number, 三四 and 十二三 as two."""
    if len(written) > 1 and written[-1] in _APPROXIMATE and written[-2] in _APPROXIMATE + "两":
        one, two = chinese_number(written[:-1]), chinese_number(written[:-2] + written[-1])
        return (one, two) if one is not None and two is not None and one < two else None
    value = chinese_number(written)
    return None if value is None else (value,)


def _fits_chinese(text: str, written: str, position: int, stop: int, *, more: bool) -> bool:
    spelled = text[position:stop]
    if spelled in ("分", "两", "度", "个") and (spelled != "个" or written in ("十", "百", "千", "万")):
        return False
    if spelled == "月" and written != "半":
        return more or text[stop : stop + 1] in ("余", "前", "来", "后")
    if spelled in ("日", "年") and written in ("一", "二") and text[stop : stop + 1] in ("二", "三", "间", "级"):
        return False
    if written == "二" and spelled == "次":
        return text[max(0, position - 2) : position - 1] in ("日", "天", "每", "周")
    return spelled != "点"
