"""Beds and wards: 床9号, 特41床, 监52, 床Ⅱ-30; 外四区, 3号楼15层C区, ICU-B区, 南院4病区, 肾内科病区."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from nlp.annotations import Identifier
from nlp.identifiers.places import departments

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["find_wards"]

# How far before a sign its name may begin.
_REACH = 16
_EXTRA = r"(?:[加特监抢观临走留备简]|走廊|抢救|监护|\+|[IVX]{1,4}-?|[A-Za-z]{1,3}-?)"
_NUMBER = rf"{_EXTRA}{{0,2}}[0-9]{{1,4}}[A-Za-z]?\+?(?:[-/][0-9]{{1,3}})?"
# No day, amount or measure follows the number of a bed.
_NO_UNIT = r"(?![0-9.:%]|[年月日天周次元张人个例余岁度分秒小时半多]|m[lgm]|cm|°|[-~]?[0-9])"
_TO_BED = re.compile(rf"(?<![0-9./~A-Za-z+])(?<![^-]-)第?(?:{_NUMBER}|[一二三四五六七八九十]{{1,3}}(?=号?床))号?病?床\Z")
_NO_BED = tuple("旁边上头垫单被位")
_VALUE = rf"[ \t|]*[:为|][ \t|]*(?P<value>{_NUMBER}(?:号?床|号)?|[一二三四五六七八九十]{{1,3}}[床号]?)"
_FROM_BED = re.compile(
    rf"床(?: ?号码?| ?位 ?号?码?)?{_VALUE}"
    rf"|床 ?(?:号|位号?)[ \t(\[|【】\]〕]{{0,4}}(?P<told>{_NUMBER}(?:号?床|号)?){_NO_UNIT}"
    rf"|床(?<![卧起离下临翻牙甲蹲骨坠]床)[ (]{{0,2}}(?P<bare>(?:{_EXTRA}{{1,2}}[0-9]{{1,3}}|[0-9]{{1,3}}-[0-9]{{1,2}}|[0-9]{{1,4}})"
    rf"(?:-[0-9]{{1,2}})?号?){_NO_UNIT}"
)
_OTHER_BEDS = (
    re.compile(rf"B(?:ed|ED)(?: ?No\.?)?{_VALUE}"),
    re.compile(r"[(|-](?P<extra>[加特监][0-9]{1,3}(?:-[0-9]{1,2})?)(?=[)|-])"),
    re.compile(rf"(?:病人|患者|病员|患儿|产妇):[^\s:,;()]{{2,9}}\((?P<of>{_NUMBER}号?)(?=\))"),
)

_ORDER = "[一二三四五六七八九十0-9A-Z甲乙丙丁]{1,3}"
_SIDE = "[东西南北中A-Z]"
_CAMPUS = "(?:[东南西北中本总老新分][院区部])?"
_LABELLED = re.compile(
    r"(?P<label>病\s?区|病\s?室|病\s?房|房\s?号|房间号|护理单元|Ward|WARD|Loc|Unit)(?:[ \t]*[:为][ \t]*|[ \t]+)"
    r"(?P<value>(?![0-9]{2,4}[-./])(?=[^\s,;。:()]{0,9}[0-9一二三四五六七八九十区楼])[^\s,;。:()]{1,12})"
)
# The department to which a ward belongs, whatever its name: 肿瘤科一病区, 中医康复一病区.
_DEPARTMENT = re.compile(r"(?:(?![收转入住至到由在于从的])[一-鿿]){1,4}(?:科|康复|中心)\Z")


class _Sign(NamedTuple):
    """What a ward ends in, where it begins with a sign that is quickly found, and what may stand before that."""

    sign: re.Pattern[str]
    before: re.Pattern[str]


def find_wards(text: str) -> Iterator[Identifier]:
    """Find beds and wards; hits may overlap.

    Examples
    --------
    >>> text = "ICU-B区 特41床,原床68-2"
    >>> [text[hit.start : hit.end] for hit in find_wards(text)]
    ['特41床', '68-2', 'ICU-B区']
    """
    for start, end in _beds(text):
        yield Identifier(start, end, "bed", "label")
    for start, end in _wards(text):
        if department := _DEPARTMENT.search(text, max(0, start - 6), start):
            start = department.start()
        yield Identifier(start, end, "ward", "label")


def _beds(text: str) -> Iterator[tuple[int, int]]:
    at = text.find("床")
    while at >= 0:
        match = None if text.startswith(_NO_BED, at + 1) else _TO_BED.search(text, max(0, at - _REACH), at + 1)
        if match := match or _FROM_BED.match(text, at):
            yield match.span(match.lastgroup or 0)
        at = text.find("床", at + 1)
    for pattern in _OTHER_BEDS:
        for match in pattern.finditer(text):
            yield match.span(match.lastgroup or 0)


def _wards(text: str) -> Iterator[tuple[int, int]]:
    named = [
        (name.start(), match.end())
        for sign, before in _signs()
        for match in sign.finditer(text)
        if (name := before.search(text, max(0, match.start() - _REACH), match.start()))
    ]
    ends = {end for _, end in named}
    yield from named
    for match in _LABELLED.finditer(text):
        if match.end("label") not in ends:  # 8病区 is a name, no label of what follows it
            yield match.span("value")


@cache
def _signs() -> tuple[_Sign, ...]:
    stem = f"(?:{'|'.join(sorted(departments(), key=len, reverse=True))}){{1,3}}"
    numbered = rf"{_CAMPUS}(?:第?{_ORDER}|(?<![A-Za-z])[A-Z][0-9]{{1,3}})[号楼]?(?:[东南西北]区?)?"
    ward = rf"{numbered}|{_CAMPUS}(?:{stem}科?|(?<=科))-?(?:{_ORDER}|[东南西北])"
    building = "(?:(?:[内外]科|住院|门诊|综合|外|内|病房)?"
    signs = (
        ("病[房室]|护理单元", rf"(?:{ward})\Z"),
        ("病区", rf"(?:{ward}|{building})[部楼]?{_ORDER}[层楼]{_SIDE}?|{_CAMPUS}{stem}科)\Z"),
        ("区(?![域别间段])", rf"{_CAMPUS}(?:{stem}科?|(?<=科))-?[一二三四五六七八九十甲乙丙东西南北A-Z]{{1,2}}\Z"),
        (rf"[0-9]{{1,2}}(?:号楼|栋|座|幢)[0-9]{{1,2}}[层楼F](?:{_SIDE}[区侧座])?", rf"(?<![0-9.]){_CAMPUS}\Z"),
        (rf"[0-9]{{1,2}}[层楼]{_SIDE}(?:病?区|侧)", rf"(?<![0-9.])(?:{_CAMPUS}|{building}))[大部楼]?\Z"),
        (rf"楼{_ORDER}[层楼](?:{_SIDE}?病?区|{_SIDE}侧)?", rf"{building})大?\Z"),
    )
    return tuple(_Sign(re.compile(sign), re.compile(before)) for sign, before in signs)
