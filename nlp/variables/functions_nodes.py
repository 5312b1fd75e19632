"""A function of the catalogue that adds up the lymph nodes of a pathology report."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from nlp.variables.catalogue import Example, Found, Function, Parameter
from nlp.variables.definition import Bilingual
from nlp.variables.values import chinese_number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nlp.variables.view import NoteView

__all__ = ["FUNCTIONS"]

_N = r"(?:[0-9]{1,3}|[一二三四五六七八九十两]{1,3})"
#: 2/15, as it stands in brackets or before 枚; not a date, a size or a share of the bowel's wall.
_FRACTION = re.compile(r"(?<![0-9./×x*])(?P<positive>[0-9]{1,3})\s?枚?\s?/\s?(?P<examined>[0-9]{1,3})(?![0-9./]|\s?[年月周圈])\s?枚?")
#: 淋巴结15枚，其中2枚见癌转移; 淋巴结18枚，4枚见转移; 15枚淋巴结中2枚见转移; 淋巴结12枚，均未见癌转移.
_TOLD = re.compile(
    rf"(?:淋巴结[^。;\n0-9一二三四五六七八九十]{{0,8}}(?P<after>{_N})\s?[枚个]|(?P<before>{_N})\s?[枚个][^，。;\n]{{0,6}}淋巴结)"
    rf"[^。;\n0-9]{{0,10}}?(?:其?中[^。;\n0-9一二三四五六七八九十]{{0,6}}(?P<positive>{_N})\s?[枚个]"
    rf"|(?P<plain>{_N})\s?[枚个](?=[^,，。;\n]{{0,3}}(?:见|有|转移|阳性))|(?P<none>(?:均|皆)?(?:未见|无|阴性))|(?P<all>均见|均可见|均为|全部))"
)
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
    """Give the groups of nodes in order; a fraction counts where lymph nodes are named before it in its sentence."""
    spoken = [(found.start(), found.end()) for found in re.finditer(r"[^。;\n]+(?:;[^。;\n]+)*", text)]
    for start, end in spoken:
        first = _NODES.search(text, start, end)
        if not first:
            continue
        found = [item for item in _FRACTION.finditer(text, first.start(), end) if int(item["positive"]) <= int(item["examined"])]
        for item in found:
            yield _group(text, start, item, float(item["positive"]), float(item["examined"]))
        for item in () if found else _TOLD.finditer(text, start, end):
            examined = chinese_number(item["after"] or item["before"])
            positive = chinese_number(told) if (told := item["positive"] or item["plain"]) else (examined if item["all"] else 0.0)
            if positive <= examined:
                yield _group(text, start, item, positive, examined)


def _group(text: str, start: int, item: re.Match[str], positive: float, examined: float) -> _Group:
    return _Group(*item.span(), positive, examined, bool(_TOTAL.search(text, start, item.start())))


FUNCTIONS = (
    Function(
        name="lymph_node_total",
        call=lymph_node_total,
        description=Bilingual(
            "各组淋巴结转移数或检出数之和；述及总数时取总数", "The sum of all groups of lymph nodes, or the total where one is told"
        ),
        parameters={"which": Parameter("choice", Bilingual("positive 或 examined", "positive or examined"), "positive")},
        examples=(
            Example("淋巴结：第1组（1/3）、第3组（2/6）。", (), (3.0,)),
            Example("送检淋巴结12枚，其中3枚见癌转移。", (("which", "examined"),), (12.0,)),
            Example("肿瘤占肠腔1/2周。", (), ()),
        ),
    ),
)
