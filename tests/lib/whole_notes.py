"""Reads the marked whole notes of tests/corpus and says which of a clinician's expectations a structured note misses."""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from nlp.annotations import Note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nlp.annotations import ClinicalText

CORPUS = Path(__file__).parents[1] / "corpus" / "whole_notes.yaml"
WRITTEN, ADMITTED, OPERATED = (datetime(2023, 5, day, 9) for day in (10, 8, 9))
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[/x-]\d+(?:\.\d+)?)*")
_DAYS = {"d": 1, "y": 365, "h": 1 / 24}


@cache
def whole_notes() -> list[dict]:
    return yaml.safe_load(CORPUS.read_text(encoding="utf-8"))["notes"]


def note_of(case: dict) -> Note:
    return Note(case["text"], written=WRITTEN, admitted=ADMITTED, operated=OPERATED)


def misses(case: dict, text: ClinicalText) -> Iterator[tuple[str, str, bool]]:
    """Yield (kind, expectation, whether met) for everything marked in a note."""
    names = [section.name for section in text.sections]
    yield from (("section", name, name in names) for name in case.get("sections", ()))
    if "document" in case:
        yield "document", case["document"], text.document_type == case["document"]
    yield from (("mention", one, _mention(one, text)) for one in case.get("m", ()))
    yield from (("quantity", one, _quantity(one, text)) for one in case.get("q", ()))
    yield from (("time", one, _time(one, text)) for one in case.get("t", ()))
    yield from (("relation", one, _relation(one, text)) for one in case.get("r", ()))


def _mention(one: str, text: ClinicalText) -> bool:
    words, assertion, experiencer = (*one.split("|"), "patient")[:3]
    words, _, number = words.partition("@")
    start = -1
    for _ in range(int(number or 1)):
        start = text.raw.find(words, start + 1)
    end = start + len(words)
    if start < 0:
        raise ValueError(f"{words} is not in the note")
    held = [mention for mention in text.mentions if mention.start <= start and end <= mention.end]
    exact = [mention for mention in held if (mention.start, mention.end) == (start, end)] or held[:1]
    return bool(exact) and all(mention.assertion == assertion and mention.experiencer == experiencer for mention in exact)


def _places(words: str, text: ClinicalText) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(re.escape(words), text.raw)]


def _quantity(one: str, text: ClinicalText) -> bool:
    words, _, wanted = one.rpartition(" = ")
    if not (places := _places(words, text)):
        raise ValueError(f"{words} is not in the note")
    value, _, unit = wanted.strip().partition(" ")
    near = [quantity for quantity in text.quantities if any(quantity.start < end and start < quantity.end for start, end in places)]
    if _NUMBER.fullmatch(value):
        return any(_values(value) == quantity.values and _plain(unit) in ("", _plain(quantity.unit)) for quantity in near)
    grades = {unit.upper(), *(_ROMAN.get(unit, unit),)}
    return any(quantity.system.upper().startswith(value.upper()) and quantity.text.upper() in grades for quantity in near)


def _plain(unit: str) -> str:
    return unit.lower().replace("μ", "u").replace("iu", "u")


_ROMAN = {"I": "1", "II": "2", "III": "3", "IV": "4"}


def _values(value: str) -> tuple[float, ...]:
    return tuple(float(part) for part in re.findall(r"(?:^-)?\d+(?:\.\d+)?", value))


def _time(one: str, text: ClinicalText) -> bool:
    words, _, wanted = one.rpartition(" = ")
    if not (places := _places(words, text)):
        raise ValueError(f"{words} is not in the note")
    near = [time for time in text.times if any(start <= time.start < end or time.start <= start < time.end for start, end in places)]
    if length := re.fullmatch(r"([\d.]+)-([\d.]+) ([dyh])", wanted):
        low, high = (float(length[place]) * _DAYS[length[3]] for place in (1, 2))
        return any(time.days and time.days[1] >= low and time.days[0] <= high for time in near)
    return any(time.earliest and re.match(wanted, time.earliest.isoformat()) for time in near)


def _relation(one: str, text: ClinicalText) -> bool:
    mention, _, target = one.partition(" > ")
    targets = {"value": text.quantities, "distance": text.quantities, "site": text.mentions, "time": text.times}
    for relation in text.relations:
        found = text.text_of(targets[relation.kind][relation.target]) if relation.kind in targets else relation.text
        named = text.text_of(text.mentions[relation.mention])
        if mention in named and (target in found or found.lstrip("约大") in target):
            return True
    return False
