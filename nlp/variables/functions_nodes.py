"""A function of the catalogue that adds up the lymph nodes of a pathology report."""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from nlp.numerals import number_of
from nlp.variables.catalogue import Example, Found, Function, Parameter
from nlp.variables.definition import Bilingual

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nlp.variables.view import NoteView

__all__ = ["FUNCTIONS"]

_N = r"(?:[0-9]{1,3}|[一二三四五六七八九十两]{1,3})"
#: 2/15, as it stands in brackets or before 枚; not a date, a size or a share of the bowel's wall.
_FRACTION = re.compile(
    r"(?<![0-9./×x*])(?P<positive>[0-9]{1,3})\s?枚?\s?/\s?(?P<examined>[0-9]{1,3})(?![0-9./]|\s?(?:[年月周圈]|个?/?hpf?|个?/?高倍))\s?枚?",
    re.IGNORECASE,
)
#: 淋巴结15枚, 15枚淋巴结: how many there are; what is said of them follows, or follows the next group (淋巴结3个，肠旁淋巴结5个，均未见癌).
_COUNT = re.compile(
    rf"淋巴结[^。;\n0-9一二三四五六七八九十]{{0,8}}(?P<after>{_N})\s?[枚个]|(?P<before>{_N})\s?[枚个][^,，。;\n0-9]{{0,6}}淋巴结"
    rf"|(?:组|区|站|\))\s?:?\s?(?P<group>{_N})\s?枚(?![^,;。\n]{{0,6}}(?:息肉|结节|肿物|病灶|溃疡))"
)
_VERDICT = re.compile(
    rf"(?:其?中[^。;\n0-9一二三四五六七八九十]{{0,6}})(?P<positive>{_N})\s?[枚个]|(?P<plain>{_N})\s?[枚个](?=[^,，。;\n]{{0,3}}(?:见|有|转移|阳性))"
    rf"|(?<![未无])(?:转移癌?|阳性|见癌)(?:者|共|有)*\s?:?\s?(?P<counted>{_N})\s?[枚个]"
    r"|(?P<none>未见|未查见|无|阴性)|(?P<all>均可?见|均有|均为|全部|见癌|查见)"
)
_PART = re.compile("[^;]+")
_TOTAL = re.compile(r"(?:共|总|合计|累计|总计)[^。;\n]{0,12}$")
_NODES = re.compile(r"淋巴结|(?<![A-Za-z])LN(?![A-Za-z])", re.IGNORECASE)


class _Group(NamedTuple):
    """Nodes of one group, with where they are told and whether they are the total of all groups."""

    start: int
    end: int
    positive: float
    examined: float
    total: bool


def lymph_node_total(view: NoteView, *, which: str) -> Iterator[Found]:
    """Give the number of nodes of the section that tells of most: its total where it names one, else the sum of its groups.

    Yields
    ------
    Found
        One number for the note, where any is told.
    """
    by_section: dict[int, list[_Group]] = {}
    for group in _groups(view.text):
        by_section.setdefault(view.section_at(group.start).start, []).append(group)
    if not by_section:
        return
    chosen = max((_settled(groups) for groups in by_section.values()), key=lambda groups: sum(group.examined for group in groups))
    number = sum(group.positive if which == "positive" else group.examined for group in chosen)
    yield Found(number, chosen[0].start, chosen[-1].end)


def _settled(groups: list[_Group]) -> list[_Group]:
    """Return the total alone where one is named."""
    totals = [group for group in groups if group.total]
    return totals[-1:] or groups


def _groups(text: str) -> Iterator[_Group]:
    """Give the groups of nodes in order; a fraction counts where lymph nodes are named before it in its sentence, or right behind it.

    Of each part between semicolons the fractions count where it has any, and else what is said in words.
    """
    for start, end in (found.span() for found in re.finditer(r"[^。\n]+", text)):
        first = _NODES.search(text, start, end)
        if not first:
            continue
        parts = [part.span() for part in _PART.finditer(text, start, end)]
        for in_words, run in groupby(parts, key=lambda part: not _fractions(text, first, *part)):
            stretch = [*run]
            low, high = stretch[0][0], stretch[-1][1]
            if in_words:
                yield from _told(text, low, high)
            for item in _fractions(text, first, low, high):
                yield _group(text, low, item, float(item["positive"]), float(item["examined"]))


def _fractions(text: str, first: re.Match[str], low: int, high: int) -> list[re.Match[str]]:
    return [item for item in _FRACTION.finditer(text, low, high) if _of_nodes(text, first, item, high)]


def _of_nodes(text: str, first: re.Match[str], item: re.Match[str], end: int) -> bool:
    if int(item["positive"]) > int(item["examined"]) or "核分裂" in text[max(0, item.start() - 8) : item.start()]:
        return False
    return item.start() > first.start() or _NODES.search(text, item.end(), min(end, item.end() + 4)) is not None


def _told(text: str, start: int, end: int) -> Iterator[_Group]:
    """Give the groups whose nodes are counted in words, each with the verdict behind it, or behind the groups that follow."""
    counts = list(_COUNT.finditer(text, start, end))
    waiting: list[re.Match[str]] = []
    for place, count in enumerate(counts):
        verdict = _VERDICT.search(text, count.end(), counts[place + 1].start() if place + 1 < len(counts) else end)
        waiting.append(count)
        if verdict is None:
            continue
        told = verdict["positive"] or verdict["plain"] or verdict["counted"]
        for item in waiting[-1:] if told else waiting:
            examined = number_of(item["after"] or item["before"] or item["group"])
            positive = number_of(told) if told else (examined if verdict["all"] else 0.0)
            if examined is not None and positive is not None and positive <= examined:
                yield _group(text, start, item, positive, examined)
        waiting = []


def _group(text: str, start: int, item: re.Match[str], positive: float, examined: float) -> _Group:
    return _Group(*item.span(), positive, examined, bool(_TOTAL.search(text, start, item.start())))


FUNCTIONS = (
    Function(
        name="lymph_node_total",
        call=lymph_node_total,
        description=Bilingual(
            "各组淋巴结转移数或检出数之和；述及总数时取总数", "The sum of all groups of lymph nodes, or the total where one is told"
        ),
        parameters={
            "which": Parameter("choice", Bilingual("positive 或 examined", "positive or examined"), "positive", ("positive", "examined"))
        },
        examples=(
            Example("淋巴结：第1组（1/3）、第3组（2/6）。", (), (3.0,)),
            Example("送检淋巴结12枚，其中3枚见癌转移。", (("which", "examined"),), (12.0,)),
            Example("（中央）淋巴结4个，（肠旁）淋巴结3个，均未见癌转移。", (("which", "examined"),), (7.0,)),
            Example("淋巴结4枚，其中2枚见癌转移；（左颈II区）0/6。", (("which", "examined"),), (10.0,)),
            Example("核分裂象5/50HPF，淋巴结未见转移。", (), ()),
            Example("肿瘤占肠腔1/2周。", (), ()),
            Example("淋巴结三四枚，均未见癌转移。", (("which", "examined"),), ()),
        ),
        version="3",
    ),
)
