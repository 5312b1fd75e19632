"""Labels of sections that are no titles of the catalogue, told by their form and by the words they are made of (离院时情况:, ◆住院处理◆).

The form: few characters at a line's start or behind a sentence, with or without number and brackets, ended by a colon, a bar, a tab,
blanks, a closing bracket or the line's end. The meaning: time, topic and head word together name the section, as far as the kind of
document has it (诊疗安排 a plan, 扫描方案 a method in a report). Words and meanings are data.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["DECORATIONS", "MARK", "Label", "label_words", "labels", "meant", "mended"]

# Signs that stand before a label and again behind it, as brackets do.
DECORATIONS = "◆■●▲★◇□▪☆◎※○"
MARK = (
    r"(?:\(?(?:[0-9]{1,2}(?:\.[0-9]{1,2}){0,2}|[一二三四五六七八九十]{1,3}|[IVXivx]{1,4}(?=[ .、)])|[A-Ha-h](?=[.、)])) ?[).、,:.]*|"
    rf"[①-⑳⑴-⒇*#>{DECORATIONS}-]{{1,3}}) ?"
)
_OPEN = rf"[【\[<「《〖『({DECORATIONS}]"
_CLOSE = rf"[】\]>」》〗』){DECORATIONS}]"
_COMPACT = "(?:[A-Z]{2,3})?[一-龥、/]{2,13}"
_SPACED = "(?:[A-Z]{2,3} )?[一-龥]{1,2}(?: {1,3}[一-龥]{1,2}){1,7}"
_START = re.compile(
    rf"(?P<edge>\A|[\n\t|。;!?] *|  )[ \t]*(?P<mark>{MARK})?[ \t]*(?P<open>{_OPEN})? *(?P<label>(?P<compact>{_COMPACT})|{_SPACED})\Z"
)
_REACH = 36
_LONG = 4


class Label(NamedTuple):
    """Where a label begins and the text behind it, and its words as they stand."""

    start: int
    body: int
    title: str

    @property
    def words(self) -> str:
        """The words without blanks between their characters."""
        return self.title.replace(" ", "")


class _Meaning(NamedTuple):
    words: frozenset[str]
    sections: tuple[str, ...]


class _Words(NamedTuple):
    pattern: re.Pattern[str]
    meanings: dict[str, str]
    heads: frozenset[str]
    alone: frozenset[str]
    misread: dict[int, str]
    rows: tuple[_Meaning, ...]
    end: re.Pattern[str]


@cache
def label_words() -> _Words:
    """Return the words of labels and what they mean, from ``nlp/data/labels.yaml``."""
    data = yaml.safe_load(files("nlp").joinpath("data", "labels.yaml").read_text(encoding="utf-8"))
    written = dict.fromkeys(data["fillers"], "")
    for group in ("modifiers", "heads"):
        written |= {word: meaning for meaning, words in data[group].items() for word in words}
    heads = frozenset(word for words in data["heads"].values() for word in words)
    alone = frozenset(data["alone"])
    last = {word[-1] for word in heads | alone}
    ends = "".join(sorted(last | {wrong for wrong, right in data["misread"].items() if right in last}))
    rows = [_Meaning(frozenset(words.split()), tuple(row["means"])) for row in data["meanings"] for words in row["words"]]
    return _Words(
        re.compile("|".join(sorted(map(re.escape, written), key=len, reverse=True))),
        written,
        heads,
        alone,
        str.maketrans(data["misread"]),
        tuple(rows),
        re.compile(rf"[{ends}](?=(?:\([^()\n]{{1,40}}\))? {{0,4}}(?P<after>[:|=\t\n]|{_CLOSE}|\Z)|(?P<gap> {{1,4}}))"),
    )


def labels(text: str) -> Iterator[Label]:
    """Yield what has the form of a label and ends like one, in order."""
    for found in label_words().end.finditer(text):
        end = found.end()
        start = _START.search(text, max(0, end - _REACH), end)
        if start is None:
            continue
        body = _body(text, start, found)
        if body >= 0:
            yield Label(start.end("edge"), body, start["label"])


def mended(words: str) -> str:
    """Return a label with the characters in their place that text recognition takes for others (辅助捡查)."""
    return words.translate(label_words().misread)


_AFTER_COLON = re.compile(r"[ \t]*")
_CLOSED = re.compile(rf" *{_CLOSE} *:?")
_UNTIL = re.compile(r"(?:\([^()\n]{1,40}\))? *[:|=\t]?")


def _body(text: str, start: re.Match[str], found: re.Match[str]) -> int:
    """Return where the text behind a label begins, -1 where what stands around it makes it none."""
    end, after = found.end(), found["after"]
    decorated = start["open"] or (start["mark"] or "").strip(" ")[-1:] in DECORATIONS
    if (start["open"] or (start["mark"] and decorated)) and (closed := _CLOSED.match(text, end)):
        return closed.end()
    if start["open"]:
        return -1
    if after == ":":
        return _UNTIL.match(text, end).end()
    if start["edge"].strip(" ") not in {"", "\n"} or (start["edge"] and start["edge"][0] == " "):
        return -1
    words = start["label"].replace(" ", "")
    if words in label_words().alone or (found["gap"] and len(found["gap"]) < 2 and (not start["compact"] or len(words) < _LONG)):
        return -1
    if after == "\t" and text[end : text.find("\n", end) % (len(text) + 1)].count("\t") > 1:
        return -1
    return -1 if after and after not in "|=\t\n" else _UNTIL.match(text, end).end()


@lru_cache(maxsize=4096)
def meant(words: str, sections: Sequence[str]) -> str:
    """Return which of a document's sections a label means by the words it is made of, "" where it means none.

    Parameters
    ----------
    words : str
        The label without blanks, number and brackets.
    sections : tuple of str
        Sections that the kind of document can have.

    Returns
    -------
    str
        Name of a section.

    Examples
    --------
    >>> meant("离院时情况", ("入院情况", "出院情况"))
    '出院情况'
    >>> meant("左肾", ("检查所见",))
    ''
    """
    rules = label_words()
    parts = _parts(words, rules) or _parts(mended(words), rules)
    found = {rules.meanings[part] for part in parts}
    fitting = (name for row in rules.rows if row.words <= found for name in row.sections if name in sections)
    return next(fitting, "")


def _parts(words: str, rules: _Words) -> list[str]:
    """Return the words a label is made of, none where some of it is no word or the last is no head."""
    parts = rules.pattern.findall(words)
    if sum(map(len, parts)) < len(words) or not (words in rules.alone or parts[-1] in rules.heads):
        return []
    return parts
