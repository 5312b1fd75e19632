"""Functions of the catalogue that give numbers: sizes, counts, doses, durations, shares."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from nlp.annotations import ClinicalText, Note
from nlp.normal import NormalText
from nlp.numerals import number_of
from nlp.relations.values import another_measure
from nlp.times import Times
from nlp.variables.catalogue import Example, Found, Function, Parameter
from nlp.variables.definition import Bilingual, Value
from nlp.variables.values import in_unit, other_specimen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nlp.annotations import Quantity, TimeExpression
    from nlp.variables.view import Hit, NoteView

__all__ = ["FUNCTIONS", "TERMS"]

TERMS = Parameter("words", Bilingual("目标词", "The words of what is meant"))
_SCOPES = ("clause", "sentence", "section")
_WITHIN = Parameter(
    "choice", Bilingual("范围：clause、sentence、section", "How far to look: clause, sentence, section"), "sentence", _SCOPES
)


def _stretch(view: NoteView, hits: list[Hit], place: int, within: str) -> tuple[int, int]:
    """Return the stretch from a hit to the end of its scope or to the next hit."""
    hit = hits[place]
    _, high = view.scope(within, hit.start, hit.end)
    return hit.end, min(high, hits[place + 1].start) if place + 1 < len(hits) else high


def _quantities(view: NoteView, low: int, high: int) -> Iterator[Quantity]:
    for place in view.between(view.quantities, low, high):
        yield view.quantities[place]


def largest_size(view: NoteView, *, terms: tuple[str, ...], unit: str, within: str) -> Iterator[Found]:
    """Give for each hit the largest side of all sizes and lengths that follow it."""
    hits = list(view.find(terms))
    wanted = Value(kind="quantity", unit=unit)
    for place, hit in enumerate(hits):
        found = [
            (max(numbers), item) for item in _quantities(view, *_stretch(view, hits, place, within)) if (numbers := in_unit(item, wanted))
        ]
        if found:
            number, item = max(found, key=lambda pair: pair[0])
            yield Found.at(hit, number, span=item, unit=unit, comparator=item.comparator)


_COUNT = re.compile(
    r"(?P<number>[0-9]{1,3}|[一二两三四五六七八九十]{1,3})\s?(?:枚|个|处|颗|粒|块)|(?P<many>多发|多个|多枚|数个|数枚|若干|散在)|(?P<one>单发|孤立)"
)


def number_of_lesions(view: NoteView, *, terms: tuple[str, ...]) -> Iterator[Found]:
    """Give the number of lesions that the clause of each hit tells; 多发 is at least 2."""
    for hit in view.find(terms):
        low, high = view.scope("clause", hit.start, hit.end)
        match = min(_COUNT.finditer(view.text, low, high), key=lambda found: view.gap(hit, found.span()), default=None)
        number = _lesions(match) if match else None
        if number is not None:
            yield Found.at(hit, number, span=match.span(), comparator=">=" if match["many"] else "")


def _lesions(match: re.Match[str]) -> float | None:
    return number_of(match["number"]) if match["number"] else (1.0 if match["one"] else 2.0)


def value_near_term(view: NoteView, *, terms: tuple[str, ...], unit: str, gap: float) -> Iterator[Found]:
    """Give the value nearest to each hit, on either side, in its sentence."""
    wanted = Value(kind="quantity", unit=unit)
    for hit in view.find(terms):
        low, high = view.scope("sentence", hit.start, hit.end)
        near = [
            (view.gap(hit, item), item.start < hit.start, item)
            for item in _quantities(view, low, high)
            if in_unit(item, wanted) and (item.start < hit.end or not another_measure(view.text, hit.end, item.start))
        ]
        if near and min(near)[0] <= gap and not other_specimen(view, hit):
            item = min(near)[2]
            yield Found.at(hit, max(in_unit(item, wanted) or (0.0,)), span=item, unit=unit, comparator=item.comparator)


def count_mentions(view: NoteView, *, terms: tuple[str, ...]) -> Iterator[Found]:
    """Give how often the words are said to be present."""
    hits = [hit for hit in view.find(terms) if hit.assertion == "present" and hit.experiencer == "patient"]
    if hits:
        yield Found.at(hits[0], float(len(hits)))


def duration_before_note(view: NoteView, *, terms: tuple[str, ...], gap: float) -> Iterator[Found]:
    """Give for how many days what is meant has lasted: 咳嗽3天, 发现血压升高10余年, 3天前出现咳嗽."""
    for hit in view.find(terms):
        bound = [view.times[relation.target] for relation in view.related(hit, "time")]
        low, high = view.scope("sentence", hit.start, hit.end)
        near = [view.times[place] for place in view.between(view.times, low, high)]
        near.sort(key=lambda time: (view.gap(hit, time), time.start < hit.start))
        for time in (*bound, *(time for time in near if view.gap(hit, time) <= gap)):
            days = time.days[0] if time.days else _days_before(view, time)
            if days is not None:
                yield Found.at(hit, float(days), span=time, unit="d")
                break


_ANY_DAY = datetime(2024, 7, 1, 12)


def _days_before(view: NoteView, time: TimeExpression) -> float | None:
    """Return how many days before the note a relative time lies; asked of the words alone, so that no clock is needed."""
    if time.kind != "relative" or time.anchor != "written":
        return None
    words = view.text[time.start : time.end]
    found = Times().predict(ClinicalText(Note(words, written=_ANY_DAY), NormalText(words)))
    if not found or not found[0].earliest or not found[0].latest:
        return None
    middle = found[0].earliest + (found[0].latest - found[0].earliest) / 2
    days = (_ANY_DAY.date() - middle.date()).days
    return float(days) if days >= 0 else None


_SHARE = r"[0-9]{1,3}(?:\.[0-9])?"
#: Of a range the last number is the share.
_PERCENT = re.compile(rf"(?:{_SHARE}\s?%?\s?[-~至]\s?)?(?P<share>{_SHARE})\s?%")


def percent_positive(view: NoteView, *, terms: tuple[str, ...]) -> Iterator[Found]:
    """Give the share that follows a marker, of a range its upper end: Ki-67（+，约30%）, ER(90%+), Ki-67 60-70%."""
    hits = list(view.find(terms))
    for place in range(len(hits)):
        low, high = _stretch(view, hits, place, "sentence")
        match = _PERCENT.search(view.text, low, min(high, low + 20))
        if match and float(match["share"]) <= 100 and not re.search("[,，;；、][^(（]*[A-Za-z]", view.text[low : match.start()]):
            yield Found(float(match["share"]), match.start(), match.end(), "%")


_NODES = re.compile(r"\(?\s?([0-9]{1,3})\s?(?:/|枚?/)\s?([0-9]{1,3})\s?(?:枚|个)?\)?(?![0-9./]|年|月)")


def lymph_nodes(view: NoteView, *, which: str, terms: tuple[str, ...]) -> Iterator[Found]:
    """Give from 淋巴结（2/15） the number with metastasis, or of all examined."""
    for hit in view.find(terms):
        _, high = view.scope("sentence", hit.start, hit.end)
        for match in _NODES.finditer(view.text, hit.end, min(high, hit.end + 24)):
            positive, examined = int(match[1]), int(match[2])
            if positive <= examined:
                group = 1 if which == "positive" else 2
                yield Found.at(hit, float(match[group]), span=match.span(group))
                break


_BP = re.compile(r"(?P<systolic>[0-9]{2,3})\s?(?:mmhg)?\s?/\s?(?P<diastolic>[0-9]{2,3})\s?(?:mmhg|毫米汞柱)?", re.IGNORECASE)


def blood_pressure(view: NoteView, *, which: str, terms: tuple[str, ...]) -> Iterator[Found]:
    """Give the systolic or the diastolic pressure in mmHg that follows its name."""
    for hit in view.find(terms):
        match = _BP.search(view.text, hit.end, min(len(view.text), hit.end + 20))
        if match and 30 <= int(match["diastolic"]) < int(match["systolic"]) <= 300:
            yield Found.at(hit, float(match[which]), span=match.span(which), unit="mmHg")


FUNCTIONS = (
    Function(
        name="largest_size",
        call=largest_size,
        unit="unit",
        description=Bilingual("目标之后各大小、径线中的最大值", "The largest side of the sizes that follow what is meant"),
        parameters={"terms": TERMS, "unit": Parameter("unit", Bilingual("单位", "Unit"), "mm"), "within": _WITHIN},
        examples=(
            Example("右肺上叶见结节，大小约1.2cm×0.8cm。", (("terms", ("结节",)),), (12.0,)),
            Example("双肺未见结节。", (("terms", ("结节",)),), ()),
        ),
    ),
    Function(
        name="number_of_lesions",
        call=number_of_lesions,
        description=Bilingual("病灶个数；多发记为≥2", "The number of lesions; 多发 is at least 2"),
        parameters={"terms": TERMS},
        examples=(
            Example("胆囊内见3枚结石。", (("terms", ("结石",)),), (3.0,)),
            Example("双肺多发结节。", (("terms", ("结节",)),), (2.0,)),
            Example("胆囊内见三四枚结石。", (("terms", ("结石",)),), ()),
        ),
        version="2",
    ),
    Function(
        name="value_near_term",
        call=value_near_term,
        unit="unit",
        description=Bilingual("目标词前后最近的数值", "The value nearest to what is meant, on either side"),
        parameters={
            "terms": TERMS,
            "unit": Parameter("unit", Bilingual("单位", "Unit")),
            "gap": Parameter("number", Bilingual("最多相隔字数", "Characters between at most"), 15),
        },
        examples=(Example("血红蛋白 98g/L，白细胞 12.5×10^9/L。", (("terms", ("血红蛋白",)), ("unit", "g/L")), (98.0,)),),
    ),
    Function(
        name="count_mentions",
        call=count_mentions,
        description=Bilingual("肯定提及的次数", "How often it is said to be present"),
        parameters={"terms": TERMS},
        examples=(Example("咳嗽，夜间咳嗽加重，无发热。", (("terms", ("咳嗽",)),), (2.0,)),),
    ),
    Function(
        name="duration_before_note",
        call=duration_before_note,
        unit="d",
        description=Bilingual("到就诊时已持续的天数", "For how many days it has lasted"),
        parameters={"terms": TERMS, "gap": Parameter("number", Bilingual("最多相隔字数", "Characters between at most"), 12)},
        examples=(Example("咳嗽3天，无发热。", (("terms", ("咳嗽",)),), (3.0,)),),
    ),
    Function(
        name="percent_positive",
        call=percent_positive,
        unit="%",
        description=Bilingual(
            "免疫组化阳性百分比；区间取上限", "The share of positive cells that follows a marker; of a range the upper end"
        ),
        parameters={"terms": TERMS},
        examples=(
            Example("免疫组化：ER（90%+），PR（-），Ki-67（+，约30%）。", (("terms", ("Ki-67", "Ki67")),), (30.0,)),
            Example("Ki-67（60-70%+）。", (("terms", ("Ki-67", "Ki67")),), (70.0,)),
        ),
        version="2",
    ),
    Function(
        name="lymph_nodes",
        call=lymph_nodes,
        description=Bilingual("淋巴结转移数或检出数", "Lymph nodes with metastasis, or examined"),
        parameters={
            "which": Parameter("choice", Bilingual("positive 或 examined", "positive or examined"), "positive", ("positive", "examined")),
            "terms": Parameter("words", Bilingual("目标词", "Words"), ("淋巴结", "LN")),
        },
        examples=(
            Example("淋巴结转移（2/15）。", (), (2.0,)),
            Example("胃小弯淋巴结见癌转移 2/15。", (("which", "examined"),), (15.0,)),
        ),
    ),
    Function(
        name="blood_pressure",
        call=blood_pressure,
        unit="mmHg",
        description=Bilingual("收缩压或舒张压", "Systolic or diastolic pressure"),
        parameters={
            "which": Parameter(
                "choice", Bilingual("systolic 或 diastolic", "systolic or diastolic"), "systolic", ("systolic", "diastolic")
            ),
            "terms": Parameter("words", Bilingual("目标词", "Words"), ("血压", "BP", "Bp")),
        },
        examples=(Example("T36.5℃ P80次/分 BP 150/95mmHg。", (("which", "diastolic"),), (95.0,)),),
    ),
)
