"""A function of the catalogue that tells the dose of a drug, single or for a day."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from nlp.numerals import number_of
from nlp.relations.view import rules, stripper
from nlp.variables.catalogue import Example, Found, Function, Parameter
from nlp.variables.definition import Bilingual, Value
from nlp.variables.functions_numbers import TERMS
from nlp.variables.values import in_unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nlp.annotations import Quantity
    from nlp.variables.view import Hit, NoteView

__all__ = ["FUNCTIONS"]

_N = "[1-9]|[一二两三四五六]"
#: Times a day by what notes write for them; of the others a number stands in the note.
_NAMED = {
    "qd qn qm hs 每晚 每早 每晨 晨起 睡前": 1.0,
    "bid": 2.0,
    "tid": 3.0,
    "qid": 4.0,
    "qod 隔日 隔天": 0.5,
    "qw": 1 / 7,
    "biw": 2 / 7,
    "tiw": 3 / 7,
}
_TIMES = {word: many for words, many in _NAMED.items() for word in words.split()}
_DOTTED = r"\.?".join  # b.i.d
_FREQUENCY = re.compile(
    rf"(?P<named>(?:{'|'.join(map(_DOTTED, _TIMES))})(?![a-z]))"
    rf"|[日天]\s?(?P<day>{_N})\s?次|(?P<a_day>{_N})\s?次?\s?[/每]\s?[日天d]|周\s?(?P<week>{_N})\s?次|(?P<a_week>{_N})\s?次\s?/\s?周"
    r"|(?:每|q)\s?(?P<hours>[0-9]{1,2})\s?(?:小时|h)",
    re.IGNORECASE,
)
#: Parts of the day right before a dose: 早0.5g 晚1.0g, 早晚各1片, 三餐前各4U.
_PART = r"三餐|早|晨|中|午|晚|睡前"
_PARTS = re.compile(rf"(?P<parts>(?:(?:{_PART})[上起间饭餐前后中时、,和及]*)+)(?:各|均|口服|服用?|皮下注射|\s)*$")
#: The strength and the number in a box: 0.25g*48片.
_PACKED = re.compile(r"\s?[*×x]\s?\d+\s?(?:片|粒|丸|支|袋|瓶|枚|s(?![a-z]))", re.IGNORECASE)
#: A brand or a maker beside the name: 二甲双胍(格华止)0.5g.
_ASIDE = re.compile(r"\([^()\d]*\)")
_PIECE = re.compile(r"[、,;+及和与]([^、,;+\d.]*)")
_LETTERS = re.compile(r"[A-Za-z一-龥]")
_FAR = 40


class _Dose(NamedTuple):
    item: Quantity
    number: float
    daily: bool


def drug_with_dose(view: NoteView, *, terms: tuple[str, ...], unit: str, daily: bool) -> Iterator[Found]:
    """Give the dose that follows a drug before any other drug; for a day, where `daily` and the note tells how often."""
    hits = list(view.find(terms))
    for place, hit in enumerate(hits):
        high = _end(view, hits, place)
        doses = list(_doses(view, hit.end, high, unit))
        if not doses or not _own(view.text[hit.end : doses[0].item.start]):
            continue
        first = doses[0]
        number = _a_day(view.text, doses, hit.end, high) if daily else (None if first.daily else first.number)
        if number is not None:
            yield Found.at(hit, round(number, 6), span=first.item, unit=unit)


def _end(view: NoteView, hits: list[Hit], place: int) -> int:
    """Return where what is said of a drug ends: with the sentence, or at the next drug that stands in no brackets beside it."""
    hit = hits[place]
    _, high = view.scope("sentence", hit.start, hit.end)
    high = min(high, hits[place + 1].start) if place + 1 < len(hits) else high
    asides = [match.span() for match in _ASIDE.finditer(view.text, hit.end, high)]
    for at in view.between(view.mentions, hit.end, high):
        mention = view.mentions[at]
        other = rules()["labels"].get(mention.label, mention.label) == "drug"
        if other and not any(start < mention.start < end for start, end in asides):
            return mention.start
    return high


def _doses(view: NoteView, low: int, high: int, unit: str) -> Iterator[_Dose]:
    """Give the doses of a stretch: 0.5g, 0.5g/次, and for a day 1.5g/d; not the strength on a box."""
    single, each, a_day = (Value(kind="quantity", unit=unit + per) for per in ("", "/次", "/d"))
    for at in view.between(view.quantities, low, high):
        item = view.quantities[at]
        if _PACKED.match(view.text, item.end):
            continue
        if numbers := in_unit(item, single) or in_unit(item, each):
            yield _Dose(item, numbers[0], daily=False)
        elif numbers := in_unit(item, a_day):
            yield _Dose(item, numbers[0], daily=True)


def _own(gap: str) -> bool:
    """Tell whether nothing but words of a prescription lies between a drug and a dose: a word behind a comma may be another drug."""
    gap = _ASIDE.sub("", gap)
    for piece in _PIECE.finditer(gap):
        rest = _FREQUENCY.sub("", stripper("drug_words").sub("", piece[1]))
        if len(_LETTERS.findall(rest)) > 1:
            return False
    return len(gap) <= _FAR


def _a_day(text: str, doses: list[_Dose], low: int, high: int) -> float | None:
    """Return the dose for a day: as told, summed over the parts of a day, or times the frequency nearest behind it, else before it."""
    first = doses[0]
    if first.daily:
        return first.number
    total, before = 0.0, low
    for dose in doses:
        many = _parts(text[before : dose.item.start])
        if not many:
            break
        total, before = total + many * dose.number, dose.item.end
    if total:
        return total
    end = doses[1].item.start if len(doses) > 1 else high
    behind = _FREQUENCY.search(text, first.item.end, min(end, first.item.end + _FAR))
    ahead = [*_FREQUENCY.finditer(text, low, first.item.start)]
    match = behind or (ahead[-1] if ahead else None)
    return first.number * _times(match) if match else None


def _parts(before: str) -> int:
    match = _PARTS.search(before)
    return sum(3 if part == "三餐" else 1 for part in re.findall(_PART, match["parts"])) if match else 0


def _times(match: re.Match[str]) -> float:
    """Return how often a day a frequency says."""
    if match["named"]:
        return _TIMES[match["named"].replace(".", "").lower()]
    if match["hours"]:
        return 24 / max(float(match["hours"]), 1.0)
    a_week = match["week"] or match["a_week"]
    number = number_of(a_week or match["day"] or match["a_day"]) or 1.0
    return number / 7 if a_week else number


FUNCTIONS = (
    Function(
        name="drug_with_dose",
        call=drug_with_dose,
        unit="unit",
        description=Bilingual("药名之后的单次剂量，或每日剂量", "The dose that follows a drug, single or for a day"),
        parameters={
            "terms": TERMS,
            "unit": Parameter("unit", Bilingual("单位", "Unit")),
            "daily": Parameter("flag", Bilingual("按频次折算为每日", "For a day, by the frequency"), False),
        },
        examples=(
            Example("予阿司匹林肠溶片0.1g口服qd。", (("terms", ("阿司匹林肠溶片",)), ("unit", "mg")), (100.0,)),
            Example("二甲双胍 0.5g tid 口服。", (("daily", True), ("terms", ("二甲双胍",)), ("unit", "mg")), (1500.0,)),
            Example("二甲双胍早0.5g 晚1.0g。", (("daily", True), ("terms", ("二甲双胍",)), ("unit", "mg")), (1500.0,)),
            Example("二甲双胍、达格列净10mg qd。", (("terms", ("二甲双胍",)), ("unit", "mg")), ()),
        ),
        version="2",
    ),
)
