"""Plants names in sentences, from which the network of :mod:`nlp.identifiers.tagger` learns.

Names are those of jieba's dictionary (MIT) and their parts put together anew; sentences are the frames of ``nlp/data/name_frames.yaml`` and
real texts, in which names are put for persons, before titles and between clauses.
"""

from __future__ import annotations

import re
from collections import Counter
from importlib.resources import files
from typing import TYPE_CHECKING

import yaml

from nlp.identifiers.names import dictionary, jieba_words, shapes, tables

if TYPE_CHECKING:
    import random

__all__ = ["Maker", "Names", "Sentence"]

_SLOT = re.compile(r"\{(\w+)\}")
_CHOICE = re.compile(r"\(([^()]*\|[^()]*)\)")
_CLAUSE = re.compile(r"[^,。;:\n]{2,24}")
_PERSON = re.compile("患者|病人|患儿|家属|产妇|其子|其女|父亲|母亲|儿子|女儿|丈夫|妻子")
_STAFF = re.compile("主任医师|副主任|主任|主治医师|医师|医生|护士|教授|大夫")
_TOLD = re.compile(r"\{(?:sep|title|role|sexage|staffdid|call|field|family)\}|姓名|叫|名|/")
# How often a name is put for or beside what stands in a real text.
_PLANTED = {"border": 0.12, "anywhere": 0.5, "person": 0.6, "staff": 0.6}
# With what words for who does or is something end: 助产士, 护林员.
_AGENTS = "者员师士医长人生工官手家民友匠护"
_BORDER = re.compile(r"(?<=[,。;:\n])")

# (text, where names stand)
Sentence = tuple[str, list[tuple[int, int]]]


class Names:
    """Draws names: those of jieba's dictionary, their parts put together anew, rarer characters, words that are names too."""

    def __init__(self, dice: random.Random, others: list[str]) -> None:
        self._dice = dice
        self._others = [row.split() for row in others]
        table = shapes()
        count: Counter[str] = Counter()
        whole: list[str] = []
        words: list[str] = []
        for word, _, kind in jieba_words():
            family = table.family(word, 0)
            if not family or not 1 <= len(word) - family <= 2:
                continue
            good = all(character in table.given for character in word[family:])
            if kind.startswith("nr") and good and len(word) == 3:
                whole.append(word)
                count[word[:family]] += 1
            elif not kind.startswith("nr") and len(word) <= 3 and (good or table.forbidden.isdisjoint(word)):
                words.append(word)
        words += [term for term in table.terms if len(term) <= 3 and table.family(term, 0)]
        self._whole, self._words = whole, words
        self._first = [word[-2] for word in whole]
        self._last = [word[-1] for word in whole]
        self._given = sorted(table.given)
        self._odd = sorted(table.forbidden)
        self._compound = sorted(table.compound)
        self._common = list(count)
        self._weights = [(count[name] + 3) ** 0.8 for name in self._common]
        self._all = sorted(table.surnames)

    def surname(self) -> str:
        """Draw a surname: by how common it is, or any."""
        form = self._dice.random()
        if form < 0.05:
            return self._dice.choice(self._compound)
        if form < 0.15:
            return self._dice.choice(self._all)
        return self._dice.choices(self._common, self._weights)[0]

    def draw(self, *, words: bool = True) -> str:
        """Draw a name; with `words` it may be a word as well (高兴)."""
        form = self._dice.random()
        if form < 0.3:
            return self._dice.choice(self._whole)
        if words and form < 0.36:
            return self._dice.choice(self._words)
        if words and form < 0.40:
            return self.other()
        surname = self.surname()
        if form > 0.985 and len(surname) == 1:
            surname += self._dice.choices(self._common, self._weights)[0][:1]
            return surname + self._part(first=True) + self._part(first=False)
        if self._dice.random() < 0.45:
            return surname + self._part(first=False)
        return surname + self._part(first=True) + (self._part(first=False))

    def other(self) -> str:
        """Draw a name without a Chinese surname."""
        row = self._dice.choice(self._others)
        return "".join(self._dice.sample(row, self._dice.choice((1, 2, 2, 2))))[:7]

    def _part(self, *, first: bool) -> str:
        form = self._dice.random()
        if form < 0.012:
            return self._dice.choice(self._odd)
        if form < 0.2:
            return self._dice.choice(self._given)
        return self._dice.choice(self._first if first else self._last)


class Maker:
    """Makes sentences from frames, lists of words and clauses of real notes."""

    def __init__(self, texts: list[str], terms: list[str], dice: random.Random) -> None:
        data = yaml.safe_load(files("nlp").joinpath("data/name_frames.yaml").read_text("utf-8"))
        table = tables()
        self.dice, self.names = dice, Names(dice, data["other_names"])
        self.frames, self.not_names = data["frames"], data["not_names"]
        self._lists: dict[str, list[str]] = {
            **{key: [str(word) for word in words] for key, words in data["lists"].items()},
            "patient": table["labels"]["patient"].split(),
            "staff": table["labels"]["staff"].split(),
            "person": table["persons"].split(),
            "title": [*table["titles"].split(), *table["civil"].split()],
            "verb": table["verbs"].split(),
            "after": table["after"].split(),
            "eponym": table["eponyms"].split(),
            "text": [match.group() for text in texts[::3] for match in _CLAUSE.finditer(text)],
            "Z": _like_names(texts),
            **_kinds(),
            "T": terms,
            "W": sorted(word for word in dictionary() if len(word) < 4 and shapes().family(word, 0)),
        }

    def sentence(self, frame: str) -> Sentence:
        """Fill a frame."""
        while match := _CHOICE.search(frame):
            frame = frame[: match.start()] + self.dice.choice(match[1].split("|")) + frame[match.end() :]
        text, spans, at = "", [], 0
        told = _TOLD.search(frame) is not None  # only a label or the like tells a name that is a word from the word
        frame = frame.replace("[(]", "(").replace("[)]", ")")
        for slot in _SLOT.finditer(frame):
            text += frame[at : slot.start()]
            if slot[1] == "O":
                text += self.names.other() if self.dice.random() < 0.5 else self.names.draw()
            elif slot[1] == "S":
                text = self.plant(text, spans, self.names.surname())
            elif slot[1] == "N":
                text = self.plant(text, spans, self.names.draw(words=told))
            else:
                text += self.dice.choice(self._lists[slot[1]])
            at = slot.end()
        return text + frame[at:], spans

    def plant(self, text: str, spans: list[tuple[int, int]], name: str) -> str:
        """Write a name behind a text, now and then with a blank between two of its characters."""
        if len(name) > 2 and self.dice.random() < 0.05:
            cut = self.dice.randrange(1, len(name))
            name = f"{name[:cut]} {name[cut:]}"
        spans.append((len(text), len(text) + len(name)))
        return text + name

    def within(self, text: str) -> Sentence:
        """Put names into a real text: for or behind a word for a person, before a title, between clauses."""
        pieces, spans, at = "", [], 0
        places = [(match.span(), "person") for match in _PERSON.finditer(text)] + [
            (match.span(), "staff") for match in _STAFF.finditer(text)
        ]
        places += [((match.start(), match.start()), "border") for match in _BORDER.finditer(text)]
        places += [((place, place), "anywhere") for place in self._gaps(text)]
        for (start, end), kind in sorted(places):
            if start < at or self.dice.random() > _PLANTED[kind]:
                continue
            pieces += text[at:start]
            name = (
                self.names.surname() if kind == "staff" and self.dice.random() < 0.5 else self.names.draw(words=kind in ("person", "staff"))
            )
            if kind == "person" and self.dice.random() < 0.5:
                pieces += text[start:end]
            pieces = self.plant(pieces, spans, name)
            if kind == "staff":
                pieces += text[start:end]
            elif kind == "border" and self.dice.random() < 0.4:
                pieces += self.dice.choice((",", "。", " ", ":", "、", "("))
            at = end
        return pieces + text[at:], spans

    def _gaps(self, text: str) -> list[int]:
        """Draw places between words, wherever they lie."""
        words = dictionary()
        drawn = sorted(self.dice.sample(range(1, len(text)), len(text) // 25)) if len(text) > 25 else []
        return [at for at in drawn if all(text[at - left : at - left + size] not in words for size in (2, 3, 4) for left in range(1, size))]


def _like_names(texts: list[str]) -> list[str]:
    """Return clauses that begin with a surname."""
    table = shapes()
    clauses = (match.group() for text in texts for match in _CLAUSE.finditer(text))
    return [clause for clause in clauses if table.family(clause, 0)]


def _kinds() -> dict[str, list[str]]:
    """Return common verbs, nouns and words for who does or is something, of jieba's dictionary."""
    found: dict[str, list[str]] = {"v": [], "n": [], "agent": []}
    for word, count, kind in jieba_words():
        if kind == "n" and 2 <= len(word) <= 4 and word[-1] in _AGENTS and count >= 5:
            found["agent"].append(word)
        elif len(word) == 2 and kind in found and count >= 200:
            found[kind].append(word)
    return found
