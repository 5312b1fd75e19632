"""Kinds of documents: their names, how they are titled, which sections they can have. The kinds are data."""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

import ahocorasick_rs
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nlp.annotations import ClinicalText

__all__ = [
    "Follower",
    "Kind",
    "document_kinds",
    "followers",
    "heading_end",
    "is_heading",
    "is_open",
    "is_title",
    "kind_by_words",
    "longest_titles",
    "own_title",
    "section_groups",
    "standard_kind",
    "told_kind",
    "ungrouped",
]

_HEAD_CHARACTERS = 300
_HEAD_LINES = 4
_TITLE_LINE = 45
# A line with a word; the run of blanks before it is read once, so that a text of blanks only costs no more than another.
_LINE = re.compile(r"(?<![^\S\n])[^\S\n]*+\S[^\n]*")
_PATTERN_SIGNS = re.compile("CT|MR|镜|超|查房|术后|检|报告|常规")


_SPOKEN = re.compile("[,。;]")


class Kind(NamedTuple):
    """A kind of document: what its title looks like, the sections it can have in order of precedence, those that give it away.

    The fields are those of ``nlp/data/documents.yaml``, which says what each means.
    """

    name: str
    titles: tuple[str, ...]
    names: tuple[str, ...]
    sections: tuple[str, ...]
    signs: tuple[str, ...]
    words: re.Pattern[str] | None
    short: bool
    entries: bool
    any_of: bool


@cache
def document_kinds() -> Mapping[str, Kind]:
    """Return the kinds of documents by name, with the sections that each can have."""
    data = _data()
    kinds = {}
    for name, row in data["kinds"].items():
        kinds[name] = Kind(
            name,
            tuple(row["titles"]),
            tuple(row.get("names", ())),
            tuple(dict.fromkeys(ungrouped(row["sections"]))),
            tuple(row.get("signs", ())),
            re.compile(row["words"]) if "words" in row else None,
            bool(row.get("short")),
            bool(row.get("entries")),
            bool(row.get("any_of")),
        )
    return kinds


@cache
def _data() -> dict:
    return yaml.safe_load(files("nlp").joinpath("data", "documents.yaml").read_text(encoding="utf-8"))


@cache
def section_groups() -> Mapping[str, tuple[str, ...]]:
    """Return the groups of sections that kinds of documents share, by name."""
    return {name: tuple(sections) for name, sections in _data()["groups"].items()}


class Follower(NamedTuple):
    """A section whose title may be left out, how its first line begins, and those of its titles that may stand beside it."""

    name: str
    opens: re.Pattern[str]
    beside: frozenset[str]


@cache
def followers(sections: tuple[str, ...]) -> Mapping[str, tuple[Follower, ...]]:
    """Return those of some sections that are told without a title by how they begin, by the section that they stand behind."""
    found: dict[str, tuple[Follower, ...]] = {}
    for row in _data()["follows"]:
        if row["means"] in sections:
            follower = Follower(row["means"], re.compile(row["opens"]), frozenset(row.get("beside", ())))
            found |= {name: (*found.get(name, ()), follower) for name in row["after"]}
    return found


def ungrouped(names: Iterable[str]) -> list[str]:
    """Return names of sections with those of a group in its place."""
    groups = section_groups()
    return [section for name in names for section in groups.get(name, (name,))]


class _KindTitles(NamedTuple):
    literal: ahocorasick_rs.AhoCorasick
    owners: tuple[str, ...]
    patterns: tuple[tuple[re.Pattern[str], str], ...]
    names: re.Pattern[str]
    named: Mapping[str, str]
    # Names that count only where no other does.
    weak: frozenset[str]


@cache
def _kind_titles() -> _KindTitles:
    """Return the titles of all kinds: an automaton for the plain ones, compiled patterns for the few others; and their other names."""
    rows = [(title, kind.name) for kind in document_kinds().values() for title in kind.titles]
    plain = {title: name for title, name in rows if re.escape(title).replace("\\-", "-") == title}
    patterns = tuple((re.compile(title), name) for title, name in rows if title not in plain)
    named = {name: kind.name for kind in document_kinds().values() for name in kind.names}
    words = "|".join(map(_whole_word, sorted(named, key=len, reverse=True)))
    weak = {title for kind in document_kinds().values() if kind.any_of for title in (*kind.titles, *kind.names)}
    return _KindTitles(
        longest_titles(list(plain)), tuple(plain.values()), patterns, re.compile(words), named, frozenset([*_data()["visits"], *weak])
    )


_SHORT_NAME = 4


def _whole_word(name: str) -> str:
    """Return a pattern of a name; a short Latin one is no part of a longer word (MR in EMR)."""
    if len(name) > _SHORT_NAME:
        return re.escape(name)
    return ("(?<![A-Z])" if name[0].isascii() else "") + re.escape(name) + ("(?![A-Z])" if name[-1].isascii() else "")


def longest_titles(titles: list[str]) -> ahocorasick_rs.AhoCorasick:
    """Return an automaton that finds titles in one pass, the longest where several begin."""
    return ahocorasick_rs.AhoCorasick(
        titles,
        matchkind=ahocorasick_rs.MatchKind.LeftmostLongest,
        implementation=ahocorasick_rs.Implementation.ContiguousNFA,
        store_patterns=False,
    )


def standard_kind(title: str) -> str:
    """Return the kind that a title or a source's document type names; the words themselves where no kind is known by them.

    Parameters
    ----------
    title : str
        Such as 出院小结, 胸部CT检查报告 or 放射科-CT.

    Returns
    -------
    str
        A name of ``nlp/data/documents.yaml``, or `title`.

    Examples
    --------
    >>> standard_kind("出院小结"), standard_kind("放射科-CT")
    ('出院记录', 'CT报告')
    """
    return _typed(title) or title


_BETWEEN = re.compile(r"(?<=[一-龥]) +(?=[一-龥])")
_BRACKETED = re.compile(r"[(\[【<][^()\[\]【】<>]*[)\]】>]")


@lru_cache(maxsize=4096)
def _typed(title: str) -> str:
    """Return the kind that a source's document type names, the type itself where it is known to be none of them, "" where nothing is."""
    line = _BETWEEN.sub("", unicodedata.normalize("NFKC", title))
    if line in document_kinds():
        return line
    if any(word in line for word in _data()["others"]):
        return title
    # What brackets hold says which of a kind (病理(胃镜)), unless the kind itself (报告单(CT)).
    kind = _kind_in(_BRACKETED.sub("", line), named=True)
    return kind if not is_open(kind) else _kind_in(line, named=True)


def _kind_in(line: str, *, named: bool = False) -> str:
    """Return the kind whose title, or also other name, is the longest in a line, of two as long the later."""
    titles = _kind_titles()
    found = [(line[start:end], end, titles.owners[number]) for number, start, end in titles.literal.find_matches_as_indexes(line)]
    if _PATTERN_SIGNS.search(line):
        found += [(match.group(), match.end(), name) for pattern, name in titles.patterns if (match := pattern.search(line))]
    if named:
        found += [(match.group(), match.end(), titles.named[match.group()]) for match in titles.names.finditer(line.upper())]
    return max(found, key=lambda row: (row[0] not in titles.weak, len(row[0]), row[1]), default=("", 0, ""))[2]


def is_open(kind: str) -> bool:
    """Return whether a kind leaves open which it is: "" or a name of several kinds of report."""
    return not kind or (kind in document_kinds() and document_kinds()[kind].any_of)


def told_kind(text: ClinicalText) -> str:
    """Return the kind that the source names or, where its type names none or several, the title; "" where neither does."""
    typed = _typed(text.note.document_type) if text.note.document_type else ""
    if not is_open(typed):
        return typed
    return _kind_on_top(text.text[:_HEAD_CHARACTERS]) or typed


# The line of a form that names an examination.
_ITEM = re.compile(
    r"(?:检查|扫描|检测|影像)(?:项目|部位|名称|方法|类型|类别|技术|方式|设备|序列)[^\n:]{0,6}:[ \t]*([^\n]{1,40})|(CT|MRI?|DR|超声|X线)号?:"
)


def kind_by_words(text: str) -> str:
    """Return the kind of a report by the examination that it names, or by most of its words; "" where it has none.

    Parameters
    ----------
    text : str
        The normalised text of a report.

    Returns
    -------
    str
        A name of ``nlp/data/documents.yaml``, or "".

    Examples
    --------
    >>> kind_by_words("检查部位:胸部CT平扫"), kind_by_words("胆囊壁光滑,内见强回声")
    ('CT报告', '超声报告')
    """
    items = (_kind_in(item[1] or item[2], named=True) for item in _ITEM.finditer(text))
    if item := next((kind for kind in items if not is_open(kind)), ""):
        return item
    counts = {kind.name: len(kind.words.findall(text)) for kind in document_kinds().values() if kind.words}
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] else ""


@lru_cache(maxsize=1)
def _kind_on_top(top: str) -> str:
    """Return the kind that the first lines name; kept for the component that asks next about the same text."""
    lines = [line.replace(" ", "") for line in top.split("\n") if line.strip()][:_HEAD_LINES]
    kinds = [kind for number, head in enumerate(lines) if (len(head) <= _TITLE_LINE or not number) and (kind := _titled(head))]
    return next((kind for kind in kinds if not is_open(kind)), kinds[0] if kinds else "")


_NO_TITLE = re.compile(r"主诉|现病史|患者|因|入院(?!记|病|志)")


@lru_cache(maxsize=1024)
def _titled(head: str) -> str:
    """Return the kind that a line's beginning names; words deep in a sentence (门诊以...收入院) are no title."""
    cut = _SPOKEN.split(head, maxsplit=1)[0][:_TITLE_LINE]
    if _NO_TITLE.match(cut) or (":" in cut[:4] and not cut.startswith(("检查", "项目"))):
        return ""
    return _kind_in(cut)


# What the name of a document ends in, and the name of the place that made it.
_NAMED = re.compile(r"(?:报告|记录|病历|小结|病程|检查|病史|入院志|化验)(?:单|书|表)?(?:\([^()]*\))?$")
_MADE_BY = re.compile(r"(?:院|区|中心|科|室|站|所|部|大学)(?:\([^()]*\))?$")


def heading_end(text: str) -> int:
    """Return where the first lines end that name the document and nothing else, below who made it; 0 where none does."""
    end = 0
    for number, line in enumerate(_LINE.finditer(text, 0, _HEAD_CHARACTERS)):
        head = line.group().replace(" ", "")
        if number == _HEAD_LINES or len(head) > _TITLE_LINE or (number and ":" in head):
            break
        if _titled(head) and (not number or _NAMED.search(head)):
            end = line.end()
        elif not _MADE_BY.search(head):
            break
    return end if end < len(text) else 0


_WHEN = re.compile(r"(?<![0-9])[0-9]{1,4}(?:[-年月日时分:./ ]+[0-9]{0,4})+")
# The date above the text of a day.
_DAY = re.compile(r"(?m)^[ \t]*[0-9][0-9年月日时分:./ -]{5,20}[ \t]*\n[^\n]{12}")


def own_title(text: str, told: str) -> str:
    r"""Return the other kind than the told one that a line on top of a text names and no such line below gainsays; "" where none does.

    The course of many days has the titles or the dates of its days, so that its first title is not that of the whole.

    Parameters
    ----------
    text : str
        The normalised text.
    told : str
        The kind by its source.

    Returns
    -------
    str
        A name of ``nlp/data/documents.yaml``, or "".

    Examples
    --------
    >>> day = "首次病程记录\n病例特点:咳嗽\n"
    >>> own_title("某医院\n出院小结\n入院诊断:肺炎", "病程记录"), own_title(day + "主治医师查房记录\n患者好转", "病程记录")
    ('出院记录', '')
    """
    kinds, below = [], 0
    for number, line in enumerate(_LINE.finditer(text)):
        head = _WHEN.sub("", line.group()).replace(" ", "")
        named = len(head) <= _TITLE_LINE and ":" not in head and _NAMED.search(head)
        kind = _titled(head) if named else ""
        if number < _HEAD_LINES:
            below = line.end()
        elif not kinds or kinds[0] == told:
            break
        if not is_open(kind):
            kinds.append(kind)
    return kinds[0] if len(set(kinds)) == 1 and kinds[0] != told and not _DAY.search(text, below) else ""


def is_title(line: str) -> bool:
    """Return whether a line, blanks aside, is the title of a document and nothing else."""
    words = line.replace(" ", "")
    return any(end - start == len(words) for _, start, end in _kind_titles().literal.find_matches_as_indexes(words))


def is_heading(line: str) -> bool:
    """Return whether a line only heads what follows: a document's or a hospital's name, a date; no sentence and nothing labelled."""
    return len(line.strip()) <= _TITLE_LINE and _SPOKEN.search(line) is None
