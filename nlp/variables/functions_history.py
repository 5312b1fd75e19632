"""Functions of the catalogue for histories: pack-years, and how long something has lasted in a unit of one's choice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nlp.numerals import number_of
from nlp.variables.catalogue import Example, Found, Function, Parameter
from nlp.variables.definition import Bilingual
from nlp.variables.functions_numbers import TERMS, duration_before_note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nlp.variables.view import Hit, NoteView

__all__ = ["FUNCTIONS"]

#: Days in a unit as notes count them: ten years are 3,650 days.
_NOMINAL_DAYS = {"年": 365.0, "月": 30.0, "周": 7.0, "天": 1.0, "小时": 1 / 24}


def _speaks_of(view: NoteView, terms: tuple[str, ...], found: Found) -> bool:
    """Tell whether a time stands in the clause of a hit, or alone in the next one: 高血压病史,10年余; not 高血压病史,3天前头晕."""
    low, high = view.scope("clause", found.start, found.end)
    if next(view.find(terms, low, high), None):
        return True
    return _ALONE.fullmatch(view.text, found.end, high) is not None and not view.text[low : found.start].strip(" ,，、")


def lasted(view: NoteView, *, terms: tuple[str, ...], unit: str, gap: float) -> Iterator[Found]:
    """Give how long what is meant has lasted, in years, months, weeks, days or hours as notes count them."""
    for found in duration_before_note(view, terms=terms, gap=gap):
        if isinstance(found.value, float) and _speaks_of(view, terms, found):
            yield found._replace(value=round(found.value / _NOMINAL_DAYS[unit], 2), unit=unit)


_ALONE = re.compile(r"[余多左右许前以上,，。;；\s]*")
_COUNT = r"[0-9]{1,3}(?:\.[0-9])?|[一二两三四五六七八九十]{1,3}|半"
_MORE = r"\s?(?:余|多|\+|来|几)?\s?"
_YEARS = re.compile(
    rf"(?<!戒烟)(?<!戒)(?<!戒烟约)(?<!已戒烟)(?P<years>[0-9]{{1,2}}|[一二两三四五六七八九十]{{1,3}}){_MORE}年(?![0-9代月]|前)"
)
_A_DAY = re.compile(
    rf"(?:每[日天]|日均|日|平均每[日天]|一天|1天)(?:吸烟|抽烟|吸|抽|约|平均|大约|\s)*(?P<many>{_COUNT})(?:\s?[-~至]\s?(?P<to>{_COUNT}))?{_MORE}(?P<unit>支|根|包|盒)(?P<half>半)?"
    rf"|(?P<many2>{_COUNT})(?:\s?[-~至]\s?(?P<to2>{_COUNT}))?{_MORE}(?P<unit2>支|根|包|盒)(?P<half2>半)?(?:左右)?\s?(?:/|每|一|、)?\s?[日天d]"
)
_WRITTEN = re.compile(r"(?P<packs>[0-9]{1,3}(?:\.[0-9])?)\s?(?:包\s?[·.*]?\s?年|年\s?[·.*]?\s?包)")
_INDEX = re.compile(
    r"(?:吸烟|烟龄)指数\s?(?:为|约|>|≥|:|：)?\s?(?P<index>[0-9]{2,4})|(?P<index2>[0-9]{2,4})\s?(?:年\s?[·.*]?\s?支|支\s?[·.*]?\s?年)"
)
_DRINKING = re.compile(r"[饮喝嗜酗白啤]酒|酒龄")
#: Smoking and drinking told in one breath: 吸烟、饮酒史20年.
_JOINED = re.compile(r"史?[、及和与/,]?")
_SMOKING = ("吸烟", "抽烟", "嗜烟", "烟龄", "吸烟史", "吸烟指数")
_CIGARETTES_IN_A_PACK = 20
_PAUSE = re.compile("[,;、]")


def _packs_a_day(match: re.Match[str]) -> float | None:
    numbers = [number_of(text) for text in (match["many"] or match["many2"], match["to"] or match["to2"]) if text]
    if None in numbers:
        return None
    number = sum(numbers) / len(numbers) + (0.5 if match["half"] or match["half2"] else 0.0)
    return number if (match["unit"] or match["unit2"]) in "包盒" else number / _CIGARETTES_IN_A_PACK


def _pack_years(text: str) -> float | None:
    """Return the pack-years that a stretch about smoking tells: as written, from the index, or packs a day times years."""
    if written := _WRITTEN.search(text):
        return float(written["packs"])
    if index := _INDEX.search(text):
        return float(index["index"] or index["index2"]) / _CIGARETTES_IN_A_PACK
    daily, years = _A_DAY.search(text), _YEARS.search(text)
    if not daily or not years:
        return None
    packs, lasted = _packs_a_day(daily), number_of(years["years"])
    return None if packs is None or lasted is None else packs * lasted


def _of_smoking(view: NoteView, hit: Hit) -> tuple[int, int]:
    """Return what is said of smoking: from the comma before the hit to where the sentence goes on to drinking or to a disease."""
    low, high = view.scope("sentence", hit.start, hit.end)
    low = max([low, *(match.end() for match in _PAUSE.finditer(view.text, low, hit.start))])
    drinking = [match.start() for match in _DRINKING.finditer(view.text, hit.end, high)]
    others = [at for at in drinking if not _JOINED.fullmatch(view.text, hit.end, at)]
    others += [view.mentions[at].start for at in view.between(view.mentions, hit.end, high) if view.mentions[at].label == "problem"]
    return low, min([high, *others])


def pack_years(view: NoteView) -> Iterator[Found]:
    """Give pack-years: 吸烟30年，每天20支; 40包年; 吸烟指数600年支. What the sentence says of drinking and of diseases is left out."""
    reach = -1
    for hit in view.find(_SMOKING):
        if hit.start < reach:
            continue
        low, high = _of_smoking(view, hit)
        number = _pack_years(view.text[low:high])
        if number is not None:
            yield Found.at(hit, round(number, 2), span=(low, high))
            reach = high


_HOURS = re.compile(
    r"(?P<hours>[0-9]{1,2}(?:\.[0-9])?)\s?(?:个)?(?:小时|h(?:rs?|ours?)?(?![a-z]))\s?(?:零)?(?:(?P<rest>[0-9]{1,2})\s?(?:分钟|分|min))?",
    re.IGNORECASE,
)
_MINUTES = re.compile(r"(?P<minutes>[0-9]{1,4})\s?(?:分钟|min(?![a-z])|分(?![之期级]))", re.IGNORECASE)
_MINUTES_IN_AN_HOUR = 60


def elapsed_minutes(view: NoteView, *, terms: tuple[str, ...], gap: float) -> Iterator[Found]:
    """Give how many minutes are said behind each hit: 手术历时2小时45分钟, 手术时间90min."""
    for hit in view.find(terms):
        _, high = view.scope("clause", hit.start, hit.end)
        matches = [match for pattern in (_HOURS, _MINUTES) if (match := pattern.search(view.text, hit.end, high))]
        match = min(matches, key=lambda found: found.start(), default=None)
        if match is None or match.start() - hit.end > gap:
            continue
        given = match.groupdict()
        minutes = float(given.get("hours") or 0) * _MINUTES_IN_AN_HOUR + float(given.get("rest") or given.get("minutes") or 0)
        yield Found.at(hit, minutes, span=match.span(), unit="min")


FUNCTIONS = (
    Function(
        name="elapsed_minutes",
        call=elapsed_minutes,
        unit="min",
        description=Bilingual("目标词之后写明的时长，按分钟", "The minutes that are said behind what is meant"),
        parameters={"terms": TERMS, "gap": Parameter("number", Bilingual("最多相隔字数", "Characters between at most"), 6)},
        examples=(
            Example("手术历时2小时45分钟。", (("terms", ("手术历时",)),), (165.0,)),
            Example("手术时间：90min", (("terms", ("手术时间",)),), (90.0,)),
            Example("手术时间：2023-05-06", (("terms", ("手术时间",)),), ()),
        ),
    ),
    Function(
        name="lasted",
        call=lasted,
        unit="unit",
        description=Bilingual("到就诊时已持续多久，按所选单位", "How long it has lasted, in a unit of one's choice"),
        parameters={
            "terms": TERMS,
            "unit": Parameter("choice", Bilingual("年、月、周、天、小时", "年, 月, 周, 天 or 小时"), "年", tuple(_NOMINAL_DAYS)),
            "gap": Parameter("number", Bilingual("最多相隔字数", "Characters between at most"), 12),
        },
        examples=(Example("高血压病史10年，糖尿病半年。", (("terms", ("糖尿病",)),), (0.5,)),),
    ),
    Function(
        name="pack_years",
        call=pack_years,
        description=Bilingual("吸烟包年", "Pack-years"),
        parameters={},
        examples=(
            Example("吸烟30年，每天20支，饮酒20年。", (), (30.0,)),
            Example("吸烟20年，未戒。", (), ()),
            Example("吸烟二三十年，每天20支。", (), ()),
            Example("饮酒20年，每日2两，吸烟30年，每日20支。", (), (30.0,)),
        ),
        version="3",
    ),
)
