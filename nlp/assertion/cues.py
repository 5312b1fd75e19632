"""The cues of assertion and experiencer: reads ``nlp/data/cues.yaml`` and finds them all in one pass over a text."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from itertools import product
from typing import Any, NamedTuple

import ahocorasick_rs
import yaml

from nlp.annotations import Assertion
from nlp.assertion.boxes import Boxes
from nlp.dictionary import find_all
from nlp.errors import VariableError

__all__ = ["Cue", "Lexicon", "expand", "lexicon", "read_lexicon"]

_ROLES = ("before", "after", "either", "turn", "nothing", "kin", "other", "person", "kin_after", "heading")
_REACHES, _CHAINS = ("next", "clause", "row", "list", "sentence"), ("one", "list", "all")
_GROUP = re.compile(r"\(([^()]*\|[^()]*)\)")
# Punctuation that the walk over a text must see besides the breaks that the file declares.
_MARKS = {":": "colon", "(": "open", ")": "close"}


class Cue(NamedTuple):
    """A word and what it says; the fields are explained at the top of ``nlp/data/cues.yaml``."""

    word: str
    role: str
    group: str = ""
    written: str = ""
    assertion: str = Assertion.PRESENT
    reach: str = "clause"
    chain: str = "one"
    gap: int = 0
    priority: int = 0
    weak: bool = False
    opens: bool = False
    ends: bool = False
    firm: bool = False
    inside: bool = False
    item: bool = False
    textbook: bool = False
    asks: bool = False
    alone: bool = False
    labels: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()
    section: str = ""


_KEYS = {"name", "words", *Cue._fields} - {"word", "written", "group"}

# What the boxes of a form say.
_TICKS = (
    *(Cue("", "after", "box", assertion=said, chain="list", gap=8, priority=45) for said in (Assertion.ABSENT, Assertion.POSSIBLE)),
    Cue("", "before", "box", assertion=Assertion.ABSENT, priority=45),
    Cue("", "soft", "box", assertion=""),
)


class Lexicon(NamedTuple):
    """All cues, with what finds them and what their conditions need."""

    version: str
    cues: tuple[Cue, ...]
    automaton: Any
    within: dict[str, tuple[Cue, ...]]
    connectors: str
    labels: dict[str, frozenset[str]]
    sections: dict[str, str]
    procedure_endings: tuple[str, ...]
    symptom_endings: tuple[str, ...]
    kin_goes_on: tuple[str, ...]
    lasting: re.Pattern[str]
    reported: re.Pattern[str]
    requests: re.Pattern[str]
    answered: re.Pattern[str]
    boxes: Boxes
    ticks: dict[tuple[str, str], int]

    def find(self, text: str) -> list[tuple[int, int, int]]:
        """Return (place of the cue, start, end) of all cues, the longest at each place, none overlapping; what boxes say in their place."""
        found, boxes = find_all(self.automaton, text), self.boxes.find(text)
        if not boxes:
            return found
        covered = {place for said in boxes if said.role != "soft" for place in range(said.start, said.end)}
        kept = [row for row in found if row[1] not in covered]
        return sorted([*kept, *((self.ticks[said[2:]], *said[:2]) for said in boxes if said.role)], key=lambda row: row[1])


def expand(word: str) -> list[str]:
    """Return the words that a word with alternatives stands for.

    Examples
    --------
    >>> expand("无(明显|)诱因")
    ['无明显诱因', '无诱因']
    >>> expand("(-)")
    ['(-)']
    """
    parts = _GROUP.split(word)
    choices = [part.split("|") if place % 2 else [part] for place, part in enumerate(parts)]
    return ["".join(chosen) for chosen in product(*choices)]


@cache
def lexicon() -> Lexicon:
    """Return the cues of the package."""
    return read_lexicon((files("nlp") / "data" / "cues.yaml").read_text("utf-8"))


def read_lexicon(source: str) -> Lexicon:
    """Read cues from the text of a YAML file.

    Parameters
    ----------
    source : str
        As ``nlp/data/cues.yaml``.

    Raises
    ------
    VariableError
        If a group has an unknown key, role, reach, chain or assertion, or if two groups declare the same word.
    """
    data = yaml.safe_load(source)
    cues = [*_breaks(data), *(cue for group in data["groups"] for cue in _group(group))]
    declared: dict[str, str] = {}
    for cue in cues:
        if cue.word in declared:
            raise VariableError(
                f"the cue {cue.word!r} stands in the groups {declared[cue.word]!r} and {cue.group!r}; wanted in one of them"
            )
        declared[cue.word] = cue.group
    words = [cue.word for cue in cues]
    return Lexicon(
        version=str(data["version"]),
        cues=(*cues, *_TICKS),
        boxes=Boxes.of(data["boxes"]),
        ticks={(cue.role, cue.assertion): place for place, cue in enumerate(_TICKS, len(cues))},
        automaton=ahocorasick_rs.AhoCorasick(words, matchkind=ahocorasick_rs.MatchKind.LeftmostLongest),
        within={cue.word: _within(cue.word, cues) for cue in cues if cue.role == "nothing" and not cue.firm},
        connectors=re.escape(data["connectors"]),
        labels={name: frozenset(labels.split()) for name, labels in data["labels"].items()},
        sections={section: name for name, sections in data["sections"].items() for section in sections.split()},
        procedure_endings=tuple(data["procedure_endings"].split()),
        symptom_endings=tuple(data["symptom_endings"].split()),
        kin_goes_on=tuple(data["kin_goes_on"].split()),
        lasting=re.compile("|".join(data["lasting"].split())),
        requests=re.compile("|".join(data["requests"].split())),
        answered=re.compile("|".join(data["answered"].split())),
        reported=re.compile(rf"\s?(?:\([^()]{{0,16}}\))?(?:检查|结果|报告)*(?:{'|'.join(data['reported'].split())})"),
    )


def _breaks(data: dict) -> list[Cue]:
    pairs = [(word, role) for role in ("hard", "soft") for word in data[role]] + list(_MARKS.items())
    enumerators = [(f"{digit}{mark}", "enumerator") for digit in range(10) for mark in ".、)"]
    return [Cue(word, role, group=role) for word, role in [*pairs, (".", "enumerator"), *enumerators]]


def _within(word: str, cues: list[Cue]) -> tuple[Cue, ...]:
    """Return the cues that a pseudo-cue begins with."""
    return tuple(cue for cue in cues if cue.role in ("before", "either") and cue.word != word and word.startswith(cue.word))


def _group(group: dict) -> list[Cue]:
    name = group.get("name", "")
    for key in group.keys() - _KEYS:
        raise VariableError(f"group {name!r} of cues has the unknown key {key!r}; wanted one of {sorted(_KEYS)}")
    checks = (("role", _ROLES), ("reach", _REACHES), ("chain", _CHAINS), ("assertion", tuple(Assertion)))
    for key, allowed in checks:
        if key in group and group[key] not in allowed:
            raise VariableError(f"group {name!r} of cues has {key} {group[key]!r}; wanted one of {sorted(allowed)}")
    shared = {key: value for key, value in group.items() if key not in ("name", "words", "labels", "unlike")}
    shared |= {key: tuple(group.get(key, "").split()) for key in ("labels", "unlike")} | {"group": name}
    return [Cue(word=word, written=written, **shared) for written in str(group["words"]).split() for word in expand(written)]
