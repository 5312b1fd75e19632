"""Titles of sections in a text: on their own lines, run into their line, or inline in the middle of a paragraph.

Titles are found in one pass (Aho-Corasick over all titles, the blanks of spaced words left out), then each is judged by what stands before
and behind it: a colon, brackets, a line of its own, or, for titles that may run into their text, the words that follow (查体合作 is no
title, 查体T36.5 is). Which titles count depends on the kind of document; titles and sections are data.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from functools import cache
from importlib.resources import files
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

import yaml

from nlp.documents import document_kinds, heading_end, is_title, longest_titles, section_groups, ungrouped
from nlp.labels import DECORATIONS, MARK, labels, meant, mended

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import ahocorasick_rs

__all__ = ["JOINED", "Titled", "narrated", "section_names", "titled_sections"]


class SectionName(NamedTuple):
    """A section of the catalogue: its standard name, code (LOINC, as WS/T 500 gives it) and how its titles are written.

    The fields are those of ``nlp/data/sections.yaml``, which says what each means.
    """

    name: str
    standard: str
    titles: tuple[str, ...]
    runs_in: str
    colon_only: frozenset[str]
    not_before: re.Pattern[str] | None
    inside: str
    not_inside: frozenset[str]
    glued: frozenset[str]
    opens: re.Pattern[str] | None
    holds: frozenset[str]
    holds_lower: frozenset[str]


class Titled(NamedTuple):
    """Where a title begins and the text behind it, the standard name of its section, the title as it stands."""

    start: int
    body: int
    name: str
    title: str


@cache
def section_names() -> Mapping[str, SectionName]:
    """Return the catalogue of sections by standard name."""
    rows = _data()["sections"]
    return {
        name: SectionName(
            name,
            row.get("standard", ""),
            tuple(map(str, row["titles"])),
            row.get("runs_in", "never"),
            frozenset(row.get("colon_only", ())),
            re.compile(row["not_before"]) if "not_before" in row else None,
            row.get("inside", "never"),
            frozenset(row.get("not_inside", ())),
            frozenset(map(str, row["titles"]) if row.get("glued") == "all" else row.get("glued", ())),
            re.compile(row["opens"]) if "opens" in row else None,
            frozenset(ungrouped(row.get("holds", ()))),
            frozenset(ungrouped(row.get("holds_lower", ()))),
        )
        for name, row in rows.items()
    }


@cache
def _data() -> dict:
    return yaml.safe_load(files("nlp").joinpath("data", "sections.yaml").read_text(encoding="utf-8"))


# Sections whose titles are labels of a form: many in a row are one section.
JOINED = frozenset({"一般项目", "签名", "手术人员", "体检项目", "检验结果"})
_FRAME = frozenset({"一般项目", "签名"})
# What tells particulars behind other sections too; 一般情况 or 职业 stand in an exam and a history as well.
_LATE_PARTICULARS = ("一般项目", "日期", "时间", "天数")


@cache
def narrated() -> frozenset[str]:
    """Return the sections whose titles count in the middle of a line where the kind of document is not known."""
    groups = section_groups()
    return frozenset(name for group in ("frame", "history", "examination", "diagnoses", "reasoning", "stay") for name in groups[group])


class _Titles(NamedTuple):
    automaton: ahocorasick_rs.AhoCorasick
    titles: tuple[str, ...]


@cache
def _titles() -> _Titles:
    """Return all titles. Those of other kinds count as nobody's, so that 出院诊断 is not read as 诊断 where there is no such section."""
    titles = tuple(dict.fromkeys(title for section in section_names().values() for title in section.titles))
    return _Titles(longest_titles(list(titles)), titles)


class _Owners(NamedTuple):
    """The sections that a kind of document can have, and whose each title is there, by its words and in the order of all titles."""

    sections: tuple[str, ...]
    by_title: Mapping[str, SectionName]
    in_order: tuple[SectionName | None, ...]


@cache
def _owners(kind: str) -> _Owners:
    """Return the owners of titles in a kind of document; in an unknown one all count, the earlier section taking a title that two share."""
    known = document_kinds().get(kind)
    catalogue = section_names()
    sections = known.sections if known else tuple(catalogue)
    owners: dict[str, SectionName] = {}
    for name in sections:
        for title in catalogue[name].titles:
            owners.setdefault(title, catalogue[name])
    return _Owners(sections, owners, tuple(map(owners.get, _titles().titles)))


# Blanks between two Chinese characters one of which stands alone.
_BLANKS = re.compile(r" (?<=[一-龥] )(?:(?<![一-龥][一-龥] ) {0,3}(?=[一-龥])| {0,3}(?=[一-龥](?![一-龥])))")


def _hits(text: str, automaton: ahocorasick_rs.AhoCorasick) -> list[tuple[int, int, int]]:
    """Return number, start and end of every title in a text, those written with blanks between their characters (主 诉, 术 前诊断) too."""
    cuts = [match.span() for match in _BLANKS.finditer(text)] if " " in text else []
    if not cuts:
        return automaton.find_matches_as_indexes(text)
    starts, shifts, pieces, at, removed = [0], [0], [], 0, 0
    for start, end in cuts:
        pieces.append(text[at:start])
        removed += end - start
        starts.append(end - removed)
        shifts.append(removed)
        at = end
    return [
        (number, start + shifts[bisect_right(starts, start) - 1], end + shifts[bisect_right(starts, end - 1) - 1])
        for number, start, end in automaton.find_matches_as_indexes("".join([*pieces, text[at:]]))
    ]


# What stands before a title: the edge it follows, and a number or bullet of its own.
_LEAD = re.compile(
    r"(?P<edge>^|[\n\t。;,.!?、:)\]】|\"'])?"
    rf"(?P<start>[ \t]*(?P<mark>{MARK})?[ \t]*(?P<open>[【\[<「《〖『(])?[ \t]*)\Z"
)
_LEAD_REACH = 14
_AFTER = re.compile(
    rf"[ \t]*(?:(?P<close>[】\]>」》〗』){DECORATIONS}])[ \t]*:?|"
    r"(?:\([^()\n]{0,40}\))?[ \t]*(?:如下|结果|情况|所示|示|见|提示|回报|为|是)?[ \t]*(?P<colon>[:|=]|[-—]{2})|"
    r"(?P<joint>(?:[、/及和与][一-龥]{1,5}史){1,3}[ \t]*:?)|(?P<line>\n|\Z)|(?P<loose>;| +(?:-{1,2}|\.) )|(?P<gap>[ \t]))"
)
_AFTER_REACH = 64
# What can stand behind a title that has a word before it: between words it is none; most hits are of this sort.
_MAY_FOLLOW = frozenset(":=|-—\n】] \t(如结情所示见提回报为是") | {""}
_WORDS_ONLY = frozenset(",。;、")
_NUMERALS = frozenset("一二三四五六七八九十")
_SENTENCE_EDGES = "。;.!?"
# What begins the text of a section whose title has lost its colon and its line: a list, a full stop, the patient.
_TITLED_TEXT = re.compile(r"[ 。]?(?:\(?[1一](?![0-9.]*[0-9个例%-])|①|患者|患儿|因[“\"]|入院后)|。")
_LONG_TITLE = 4
_HISTORY_FOLLOWS = re.compile("[无否阴不同未有父母均健适已初]")
_NEVER_INSIDE_AFTER = frozenset("有无述追问诉其及与和等的善行于步关做做查予示")
_HEAD_REACH = 120
# Labels that also stand in the middle of a text; they sign a note only at a line's start.
_LOOSE_LABELS = re.compile("日期|时间|医师$|医生$")
# A name that ends the line.
_NAME_ENDS = re.compile(r" ?: ?[一-龥*×]{2,4}(?:/[一-龥*×]{2,4})? *(?:\n|\Z)")
_QUALIFIED_REACH = 14


class _Place(NamedTuple):
    """Where a title stands: at a line's start, after a sentence, after another edge, or inside a word run; in a column of its own."""

    start: int
    where: str
    bracket: bool
    column: bool = False


class _Candidate(NamedTuple):
    """Words that may be a title: where they stand, the title without blanks, its section, and whether short titles count here."""

    text: str
    start: int
    end: int
    title: str
    owner: SectionName
    place: _Place
    short: bool

    @property
    def is_long(self) -> bool:
        return len(self.title) >= _LONG_TITLE

    @property
    def is_history(self) -> bool:
        return self.title[-1] == "史"


# The character before a title that tells its place alone; and one that does where it does not end a number.
_PLACES = {"\n": "line"} | dict.fromkeys("。;!?", "sentence") | dict.fromkeys("】|\"'", "edge")
_COMMAS = frozenset(",、:")
_NUMBERED = re.compile(r"[0-9A-Za-z一二三四五六七八九十①-⑳⑴-⒇).、,: ]")
_DECORATIONS = frozenset(DECORATIONS)


def _place(text: str, start: int, end: int) -> _Place:
    before = text[start - 1] if start else "\n"
    if (sure := _PLACES.get(before)) is not None:
        return _Place(start, sure, bracket=False)
    if before.isalpha() and before not in _NUMERALS:
        return _qualified(text, start, end)
    if before == " " and not (blank := text[text.rfind("\n", 0, start) + 1 : start]).strip():
        return _Place(start, "line", bracket=False, column=len(blank) >= _COLUMN)
    if before in _COMMAS and not _NUMBERED.match(text, max(0, start - 2)):
        return _Place(start, "edge", bracket=False)
    lead = _LEAD.search(text, max(0, start - _LEAD_REACH), start)
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
    bracket = bool(lead["open"]) or (lead["mark"] or "").strip()[-1:] in _DECORATIONS
    return _Place(lead.start("start") + blanks, where, bracket, column=len(lead["start"]) >= _COLUMN and lead["start"].isspace())


@cache
def _qualifiers() -> re.Pattern[str]:
    return re.compile(rf"(?:(?<![一-龥])[一-龥]{{1,6}}[及与和、])?(?:{'|'.join(_data()['qualifiers'])})*\Z")


def _qualified(text: str, start: int, end: int) -> _Place:
    """Return the place of a title behind letters: that of the whole label where only qualifiers stand before it (补充病史:)."""
    inside = _Place(start, "inside", bracket=False)
    if text[end : end + 1] not in _LABEL_ENDS:
        return inside
    words = _qualifiers().search(text, max(0, start - _QUALIFIED_REACH), start)
    if words.start() == start or (words.start() and text[words.start() - 1].isalpha()):
        return inside
    place = _place(text, words.start(), end)
    return place if place.where in {"line", "sentence"} else inside


# Blanks that part the columns of a form.
_COLUMN = 2
_LABEL_ENDS = frozenset({":", "=", "(", "\n", "】", "]", "", "|"})


def _body(title: _Candidate) -> int:
    """Return where the text of a titled section begins, or -1 where the words are no title."""
    text, end, where = title.text, title.end, title.place.where
    after = _AFTER.match(text, end, min(len(text), end + _AFTER_REACH))
    kind = after.lastgroup if after else ""
    if kind == "close":
        return after.end() if title.place.bracket else -1
    if kind == "colon":
        return after.end() if _colon_counts(title) else -1
    if kind == "line":
        return end if where == "line" else -1
    if kind == "joint" and where != "inside" and title.is_history:
        return after.end() if where == "line" or text[after.end() - 1] == ":" else -1
    if kind in {"gap", "loose"} and (where == "line" or title.place.column or (where == "sentence" and (title.short or title.is_long))):
        # 手 术 记 录 only begins like 手术
        return -1 if is_title(text[title.start :].partition("\n")[0]) else after.end()
    return end if _is_glued(title) or _runs_in(title) else -1


def _is_glued(title: _Candidate) -> bool:
    """Tell whether a title that has lost its colon, and perhaps the line end before it, is one by what follows (咳嗽3天现病史患者3天前)."""
    owner, where = title.owner, title.place.where
    if title.title not in owner.glued or where not in {"line", "inside"}:
        return False
    if where == "inside" and (owner.inside != "always" or title.text[title.start - 1] in _NEVER_INSIDE_AFTER):
        return False
    return owner.opens is not None and owner.opens.match(title.text, title.end) is not None


def _colon_counts(title: _Candidate) -> bool:
    owner, long = title.owner, len(title.title) > 2
    if title.place.where == "inside":
        anywhere = owner.inside == "always" or (owner.inside == "reports" and title.short) or (title.is_long and owner.name != "签名")
        return anywhere and title.title not in owner.not_inside and title.text[title.start - 1] not in _NEVER_INSIDE_AFTER
    if owner.name == "签名" and title.place.where != "line" and not _NAME_ENDS.match(title.text, title.end):
        return _LOOSE_LABELS.search(title.title) is None or (len(title.title) > 3 and title.title[-2:] in {"医师", "医生"})
    return title.short or long or owner.runs_in != "never" or owner.name in JOINED or title.place.where == "line"


def _runs_in(title: _Candidate) -> bool:
    owner, where = title.owner, title.place.where
    if owner.runs_in == "never" or where == "inside" or title.title in owner.colon_only:
        return False
    if owner.not_before is not None and owner.not_before.match(title.text, title.end):
        return False
    if title.is_long and where in {"line", "sentence"} and _TITLED_TEXT.match(title.text, title.end):
        return True
    if title.text[title.end : title.end + 1] in {",", "。", "、", ")", ""}:
        return False
    if where == "line":
        return True
    if owner.runs_in != "sentence":
        return False
    return where == "sentence" or (title.is_history and _HISTORY_FOLLOWS.match(title.text, title.end) is not None)


def titled_sections(text: str, kind: str) -> list[Titled]:
    """Return the titles of sections that stand in a text, in order; "" is a kind that is not known."""
    known = document_kinds().get(kind)
    inline = narrated() if known is None else None
    heading = heading_end(text)
    found = _catalogued(text, kind, inline, heading)
    for label in _labelled(text, kind, inline):
        if label.start >= heading:
            found = _with_label(text, label, found)
    heads = _table_heads(text) if known and "检验结果" in known.sections else ()
    return [title for title in found if not any(start <= title.start < end for start, end in heads)] if heads else found


# The head of a table of results names its columns; what stands there is no title.
_TABLE_HEAD = re.compile(
    r"(?m)(?:项目|指标|名称|序号|代号|抗生素|药物)[^\n:。]*(?:结果|测定值|检测值|MIC)[^\n:。]*(?:参考|单位|提示|范围|敏感|解释|标志|状态)[^\n:。]*$"
)


def _table_heads(text: str) -> list[tuple[int, int]]:
    """Return where the heads of tables of results stand, in order."""
    return [match.span() for match in _TABLE_HEAD.finditer(text)]


def _catalogued(text: str, kind: str, inline: frozenset[str] | None, heading: int) -> list[Titled]:
    """Return the titles that stand in the catalogue."""
    short = kind in document_kinds() and document_kinds()[kind].short
    owners, (automaton, titles) = _owners(kind).in_order, _titles()
    found: list[Titled] = []
    content = False
    for number, start, end in _hits(text, automaton):
        owner, title = owners[number], titles[number]
        if owner is None or (content and owner.name == "一般项目" and not title.endswith(_LATE_PARTICULARS)):
            continue
        if start and text[start - 1].isalpha() and text[start - 1] not in _NUMERALS and not _may_end(text[end : end + 1], title, owner):
            continue
        place = _place(text, start, end)
        if start < heading and ":" not in text[end:heading]:
            continue
        if place.where != "line" and not _stands_inline(owner.name, place, found, inline):
            continue
        body = _body(_Candidate(text, start, end, title, owner, place, short))
        if body < 0 or (found and place.start < found[-1].body and place.start != found[-1].body):
            continue
        name = "一般项目" if owner.name == "签名" and not content and "签" not in title and place.start < len(text) // 2 else owner.name
        content = content or name not in _FRAME
        found.append(Titled(place.start, body, name, text[start:end]))
    return found


def _may_end(after: str, title: str, owner: SectionName) -> bool:
    return after in _MAY_FOLLOW or (title in owner.glued and after not in _WORDS_ONLY)


def _labelled(text: str, kind: str, inline: frozenset[str] | None) -> Iterator[Titled]:
    """Yield the labels that are no title of the catalogue but mean a section by their words."""
    owners = _owners(kind)
    for label in labels(text):
        words = label.words
        if words in owners.by_title:
            continue
        owner = owners.by_title.get(mended(words))
        name = owner.name if owner else meant(words, owners.sections)
        if name and (inline is None or name in inline or label.start == 0 or text[label.start - 1] == "\n"):
            yield Titled(label.start, label.body, name, label.title)


_start = attrgetter("start")


def _with_label(text: str, label: Titled, found: list[Titled]) -> list[Titled]:
    """Return the titles with a label among them: in the place of one that is only a part of its words, nowhere where one begins before it.

    Nor is it one where it would be the only text of the title before it (检查项目, below it 支气管镜检查).
    """
    first = bisect_left(found, label.start, key=_start)
    last = bisect_left(found, label.body, key=_start)
    before = found[first - 1] if first else None
    if before and (label.start < before.body or not (text[before.body : label.start].strip() or text[label.body - 1] in ":】]")):
        return found
    if any(label.title.startswith(title.title) or title.body > label.body for title in found[first:last]):
        return found
    return [*found[:first], label, *found[last:]]


def _stands_inline(name: str, place: _Place, found: list[Titled], inline: frozenset[str] | None) -> bool:
    """Tell whether a section can begin within a line: labels of a form beside others; in an unknown kind, what is narrated."""
    if name == "一般项目":
        return (place.start < _HEAD_REACH and not place.bracket) or bool(found and found[-1].name == name)
    return inline is None or name in inline
