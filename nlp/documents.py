"""Kinds of documents: their names, how they are titled, which sections they can have. The kinds are data."""

from __future__ import annotations

import re
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
    "is_title",
    "longest_titles",
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
    """A kind of document: what its title looks like, the sections it can have in order of precedence, those that give it away."""

    name: str
    titles: tuple[str, ...]
    sections: tuple[str, ...]
    signs: tuple[str, ...]
    short: bool
    entries: bool


@cache
def document_kinds() -> Mapping[str, Kind]:
    """Return the kinds of documents by name, with the sections that each can have."""
    data = _data()
    kinds = {}
    for name, row in data["kinds"].items():
        kinds[name] = Kind(
            name,
            tuple(row["titles"]),
            tuple(dict.fromkeys(ungrouped(row["sections"]))),
            tuple(row.get("signs", ())),
            bool(row.get("short")),
            bool(row.get("entries")),
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
    """A section whose title may be left out, and how its first line begins."""

    name: str
    opens: re.Pattern[str]


@cache
def followers(sections: tuple[str, ...]) -> Mapping[str, tuple[Follower, ...]]:
    """Return those of some sections that are told without a title by how they begin, by the section that they stand behind."""
    found: dict[str, tuple[Follower, ...]] = {}
    for row in _data()["follows"]:
        if row["means"] in sections:
            follower = Follower(row["means"], re.compile(row["opens"]))
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


@cache
def _kind_titles() -> _KindTitles:
    """Return the titles of all kinds: an automaton for the plain ones, compiled patterns for the few others."""
    rows = [(title, kind.name) for kind in document_kinds().values() for title in kind.titles]
    plain = {title: name for title, name in rows if re.escape(title).replace("\\-", "-") == title}
    patterns = tuple((re.compile(title), name) for title, name in rows if title not in plain)
    return _KindTitles(longest_titles(list(plain)), tuple(plain.values()), patterns)


def longest_titles(titles: list[str]) -> ahocorasick_rs.AhoCorasick:
    """Return an automaton that finds titles in one pass, the longest where several begin."""
    return ahocorasick_rs.AhoCorasick(
        titles,
        matchkind=ahocorasick_rs.MatchKind.LeftmostLongest,
        implementation=ahocorasick_rs.Implementation.ContiguousNFA,
        store_patterns=False,
    )


@cache
def standard_kind(title: str) -> str:
    """Return the kind that a title or a source's document type names; the words themselves where no kind is known by them.

    Parameters
    ----------
    title : str
        Such as 出院小结 or 胸部CT检查报告.

    Returns
    -------
    str
        A name of ``nlp/data/documents.yaml``, or `title`.

    Examples
    --------
    >>> standard_kind("出院小结")
    '出院记录'
    """
    return title if title in document_kinds() else _kind_in(title.replace(" ", "")) or title


def _kind_in(line: str) -> str:
    """Return the kind whose title is the longest in a line."""
    titles = _kind_titles()
    found = [(end - start, titles.owners[number]) for number, start, end in titles.literal.find_matches_as_indexes(line)]
    if _PATTERN_SIGNS.search(line):
        found += [(match.end() - match.start(), name) for pattern, name in titles.patterns if (match := pattern.search(line))]
    return max(found, key=lambda pair: pair[0], default=(0, ""))[1]


def told_kind(text: ClinicalText) -> str:
    """Return the kind that the source or the title names, "" where neither does."""
    if text.note.document_type:
        return standard_kind(text.note.document_type)
    return _kind_on_top(text.text[:_HEAD_CHARACTERS])


@lru_cache(maxsize=1)
def _kind_on_top(top: str) -> str:
    """Return the kind that the first lines name; kept for the component that asks next about the same text."""
    lines = [line for line in top.split("\n") if line.strip()][:_HEAD_LINES]
    for line in lines:
        head = line.replace(" ", "")
        if (len(head) <= _TITLE_LINE or line is lines[0]) and (kind := _titled(head)):
            return kind
    return ""


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


def is_title(line: str) -> bool:
    """Return whether a line, blanks aside, is the title of a document and nothing else."""
    words = line.replace(" ", "")
    return any(end - start == len(words) for _, start, end in _kind_titles().literal.find_matches_as_indexes(words))


def is_heading(line: str) -> bool:
    """Return whether a line only heads what follows: a document's or a hospital's name, a date; no sentence and nothing labelled."""
    return len(line.strip()) <= _TITLE_LINE and _SPOKEN.search(line) is None
