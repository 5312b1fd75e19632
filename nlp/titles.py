"""Titles of sections in a text: on their own lines, run into their line, or inline in the middle of a paragraph.

Titles are found in one pass (Aho-Corasick over all titles, with blanks inside them allowed for), then each is judged by what stands before
and behind it: a colon, brackets, a line of its own, or, for titles that may run into their text, the words that follow (查体合作 is no
title, 查体T36.5 is). Which titles count depends on the kind of document; titles and sections are data.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

import yaml

from nlp.documents import document_kinds, heading_end, longest_titles, section_groups

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ahocorasick_rs

__all__ = ["Titled", "section_names", "titled_sections"]


class SectionName(NamedTuple):
    """A section of the catalogue: its standard name, code (LOINC, as WS/T 500 gives it) and how its titles are written."""

    name: str
    standard: str
    titles: tuple[str, ...]
    runs_in: str
    colon_only: frozenset[str]
    not_before: re.Pattern[str] | None


class Titled(NamedTuple):
    """Where a title begins and the text behind it, the standard name of its section, the title as it stands."""

    start: int
    body: int
    name: str
    title: str


@cache
def section_names() -> Mapping[str, SectionName]:
    """Return the catalogue of sections by standard name."""
    rows = yaml.safe_load(files("nlp").joinpath("data", "sections.yaml").read_text(encoding="utf-8"))["sections"]
    return {
        name: SectionName(
            name,
            row.get("standard", ""),
            tuple(map(str, row["titles"])),
            row.get("runs_in", "never"),
            frozenset(row.get("colon_only", ())),
            re.compile(row["not_before"]) if "not_before" in row else None,
        )
        for name, row in rows.items()
    }


_GAPS = ("", " ", "  ", "   ", "    ")
# Sections whose titles are labels of a form: many in a row are one section.
_JOINED = frozenset({"一般项目", "签名", "手术人员", "体检项目", "检验结果"})
_FRAME = frozenset({"一般项目", "签名"})


@cache
def _narrated() -> frozenset[str]:
    """Return the sections whose titles count in the middle of a line where the kind of document is not known."""
    groups = section_groups()
    return frozenset(name for group in ("frame", "history", "examination", "diagnoses", "reasoning", "stay") for name in groups[group])


class _Titles(NamedTuple):
    automaton: ahocorasick_rs.AhoCorasick
    owners: tuple[SectionName | None, ...]


@cache
def _titles(kind: str) -> _Titles:
    """Return the titles that count in a kind of document; in an unknown one all do, the earlier section taking a title that two share."""
    known = document_kinds().get(kind)
    catalogue = section_names()
    order = list(known.sections) if known else list(catalogue)
    owners: dict[str, SectionName | None] = {}
    for name in order:
        for title in catalogue[name].titles:
            owners.setdefault(title, catalogue[name])
    # Titles of other kinds stay in as nobody's, so that 出院诊断 is not read as 诊断 where there is no section of that name.
    for section in catalogue.values():
        for title in section.titles:
            owners.setdefault(title, None)
    spaced = {_space(title, gap): owner for title, owner in owners.items() for gap in (_GAPS if _is_spaced(title) else ("",))}
    return _Titles(longest_titles(list(spaced)), tuple(spaced.values()))


def _space(title: str, gap: str) -> str:
    return gap.join(title)


def _is_spaced(title: str) -> bool:
    return len(title) <= 6 and not title.isascii()


# What stands before a title: the edge it follows, and a number or bullet of its own.
_LEAD = re.compile(
    r"(?P<edge>^|[\n\t。;,.!?、:)\]】|\"'])?(?P<start>[ \t]*(?P<mark>(?:\(?(?:[0-9]{1,2}|[一二三四五六七八九十]{1,3}) ?[).、,:.]*|"
    r"[①-⑳⑴-⒇*#◆■●○▲★◇□▪▶>-]{1,3}) ?)?[ \t]*(?P<open>[【\[<「《(])?[ \t]*)\Z"
)
_LEAD_REACH = 14
_AFTER = re.compile(
    r"[ \t]*(?:(?P<close>[】\]>」》)])[ \t]*:?|"
    r"(?:\([^()\n]{0,40}\))?[ \t]*(?:如下|结果|情况|所示|示|见|提示|回报|为|是)?[ \t]*(?P<colon>[:|])|"
    r"(?P<joint>(?:[、/及和与][一-龥]{1,5}史){1,3}[ \t]*:?)|(?P<line>\n|\Z)|(?P<loose>[;])|(?P<gap>[ \t]))"
)
_AFTER_REACH = 64
# A title spaced out goes on in the same way where it is only the beginning of another (手 术 记 录).
_SPACED_WORD = re.compile(r"[ \t]+[^\s:] {1,4}[^\s:]")
# Between a word before it and one of these after it a title is none, whatever the rest; most hits are of this sort.
_WORDS_ONLY = frozenset(",。;、\n")
_NUMERALS = frozenset("一二三四五六七八九十")
_SENTENCE_EDGES = "。;.!?"
# What begins the text of a section whose title has lost its colon and its line: a list, a full stop, the patient.
_TITLED_TEXT = re.compile(r"[ 。]?(?:\(?[1一](?![0-9.]*[0-9个例%-])|①|患者|患儿|因[“\"]|入院后)|。")
_LONG_TITLE = 4
_HISTORY_FOLLOWS = re.compile("[无否阴不同未有父母均健适已初]")
_NEVER_INSIDE_AFTER = frozenset("有无述追问诉其及与和等的善行于步关做做查予示")
_HEAD_REACH = 120
_INSIDE = frozenset(
    {"现病史", "既往史", "个人史", "婚育史", "月经史", "家族史", "体格检查", "专科检查", "辅助检查", "诊疗经过", "出院情况", "出院医嘱"}
)
# Labels that also stand in the middle of a text; they sign a note only at a line's start.
_LOOSE_LABELS = re.compile("日期|时间|医师$|医生$")


class _Place(NamedTuple):
    """Where a title stands: at a line's start, after a sentence, after another edge, or inside a word run."""

    start: int
    where: str
    bracket: bool


def _place(text: str, start: int) -> _Place:
    if start and text[start - 1].isalpha() and text[start - 1] not in _NUMERALS:
        return _Place(start, "inside", bracket=False)  # what mostly is; no lead ends with a letter
    lead = _LEAD.search(text, max(0, start - _LEAD_REACH), start)
    if lead is None:
        return _Place(start, "inside", bracket=False)
    edge = lead["edge"]
    if edge == "\n" or (not edge and lead.start() == 0):
        where = "line"
    elif edge and edge in _SENTENCE_EDGES:
        where = "sentence"
    elif edge:
        where = "edge"
    else:
        where = "sentence" if lead["mark"] and not lead["mark"].strip().isdigit() else "edge" if lead["mark"] or lead["start"] else "inside"
    blanks = len(lead["start"]) - len(lead["start"].lstrip(" \t"))
    return _Place(lead.start("start") + blanks, where, bool(lead["open"]))


def _body(text: str, start: int, end: int, place: _Place, owner: SectionName, short: bool) -> int:
    """Return where the text of a titled section begins, or -1 where the words are no title."""
    after = _AFTER.match(text, end, min(len(text), end + _AFTER_REACH))
    kind = after.lastgroup if after else ""
    if kind == "close":
        return after.end() if place.bracket else -1
    if kind == "colon":
        return after.end() if _colon_counts(text, start, end, place, owner, short) else -1
    if kind == "line":
        return end if place.where == "line" else -1
    if kind == "joint" and place.where != "inside" and text[end - 1] == "史":
        return after.end() if place.where == "line" or text[after.end() - 1] == ":" else -1
    if kind in {"gap", "loose"} and place.where == "line" and (end - start > 2 or owner.runs_in != "never"):
        return -1 if _SPACED_WORD.match(text, end) and " " in text[start:end] else after.end()
    if place.where == "inside" and _glued_title(text, start, end, owner):
        return end
    return end if text[start:end] not in owner.colon_only and _runs_in(text, end, place, owner, end - start) else -1


# What follows a title that has lost the line end before it and the colon behind it (...反复咳嗽3天现病史患者3天前...).
_GLUED = {
    "现病史": re.compile("患者|患儿|病人|缘于|于?[0-9半]"),
    "既往史": re.compile("患者|否认|平素|体健|有|无|[一-龥]{2,12}(?:病史)?[0-9]+余?年|高血压|糖尿病|身体"),
    "过敏史": re.compile("否认|无|有|对|青霉素|头孢"),
    "个人史": re.compile("患者|否认|无|有|生于|出生|吸烟|饮酒|原籍|久居|长期"),
    "婚育史": re.compile("已婚|未婚|适龄|离异|丧偶|[0-9]+岁|育有?"),
    "月经史": re.compile("初潮|[0-9]|已绝经|绝经|平素|月经"),
    "家族史": re.compile("否认|无|有|父|母|家族|兄|姐|其"),
    "体格检查": re.compile("T|P[0-9 :]|体温|BP|血压|神志|神清|生命|一般|皮肤|全身|心肺|心率|双肺|腹[软部平]"),
    "辅助检查": re.compile("[A-Z]{2}|血常规|胸部|头颅|腹部|心电图|暂缺|我院|外院|20[0-9]{2}"),
    "初步诊断": re.compile(r"[1一]\s?[.、,)]|①"),
    "入院诊断": re.compile(r"[1一]\s?[.、,)]|①"),
    "出院诊断": re.compile(r"[1一]\s?[.、,)]|①"),
}
_GLUED_TITLES = frozenset(
    {
        "现病史",
        "既往史",
        "过敏史",
        "药物过敏史",
        "个人史",
        "婚育史",
        "婚姻史",
        "月经史",
        "家族史",
        "体格检查",
        "查体",
        "辅助检查",
        "初步诊断",
        "入院诊断",
        "出院诊断",
    }
)


def _glued_title(text: str, start: int, end: int, owner: SectionName) -> bool:
    """Tell whether a title inside a word run begins a section, by the words that such a section opens with."""
    if text[start:end] not in _GLUED_TITLES or text[start - 1] in _NEVER_INSIDE_AFTER:
        return False
    opens = _GLUED.get(owner.name)
    return opens is not None and opens.match(text, end) is not None


def _colon_counts(text: str, start: int, end: int, place: _Place, owner: SectionName, short: bool) -> bool:
    if place.where == "inside":
        # 糖尿病史:无 and 心脏病史:无 are items of a history, no 病史.
        return owner.name in _INSIDE and text[start - 1] not in _NEVER_INSIDE_AFTER and text[start:end] != "病史"
    if owner.name == "签名" and place.where != "line":
        return _LOOSE_LABELS.search(text, start, end) is None or (end - start > 3 and text[end - 2 : end] in {"医师", "医生"})
    return short or end - start > 2 or owner.runs_in != "never" or place.where == "line"


def _runs_in(text: str, end: int, place: _Place, owner: SectionName, length: int) -> bool:
    if owner.runs_in == "never" or place.where == "inside":
        return False
    if owner.not_before is not None and owner.not_before.match(text, end):
        return False
    if length >= _LONG_TITLE and place.where in {"line", "sentence"} and _TITLED_TEXT.match(text, end):
        return True
    if text[end : end + 1] in {",", "。", "、", ")", ""}:
        return False
    if place.where == "line":
        return True
    if owner.runs_in != "sentence":
        return False
    return place.where == "sentence" or (text[end - 1] == "史" and _HISTORY_FOLLOWS.match(text, end) is not None)


def titled_sections(text: str, kind: str) -> list[Titled]:
    """Return the titles of sections that stand in a text, in order; "" is a kind that is not known."""
    titles = _titles(kind)
    known = document_kinds().get(kind)
    short = known is not None and known.short
    found: list[Titled] = []
    content = False
    heading = heading_end(text)
    narrated = _narrated()
    for number, start, end in titles.automaton.find_matches_as_indexes(text):
        owner = titles.owners[number]
        if owner is None or (content and owner.name == "一般项目" and text[start:end] != "一般项目"):
            continue
        if start and text[end : end + 1] in _WORDS_ONLY and text[start - 1] not in _NUMERALS and text[start - 1].isalpha():
            continue
        place = _place(text, start)
        if start < heading and ":" not in text[end:heading]:
            continue
        if place.where != "line" and not _stands_inline(owner.name, place, found, narrated if known is None else None):
            continue
        body = _body(text, start, end, place, owner, short)
        if body < 0 or (found and place.start < found[-1].body and place.start != found[-1].body):
            continue
        name = "一般项目" if owner.name == "签名" and not content else owner.name
        content = content or name not in _FRAME
        if not (found and name in _JOINED and found[-1].name == name):
            found.append(Titled(place.start, body, name, text[start:end]))
    return found


def _stands_inline(name: str, place: _Place, found: list[Titled], narrated: frozenset[str] | None) -> bool:
    """Tell whether a section can begin within a line: labels of a form beside others; in an unknown kind, what is narrated."""
    if name == "一般项目":
        return (place.start < _HEAD_REACH and not place.bracket) or bool(found and found[-1].name == name)
    return narrated is None or name in narrated
