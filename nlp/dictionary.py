"""Mentions by dictionary: Aho-Corasick over normalised, case-folded characters.

A dictionary file is a table in TSV or CSV with a heading line. Columns: ``term`` and ``label``, and where wanted ``preferred`` (the name
that results carry; the term itself if empty), ``code`` and ``synonyms`` (more terms of the same row, parted by ``|``). Lines that begin
with ``#`` are comments.
"""

from __future__ import annotations

import csv
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nlp.annotations import ClinicalText, Mention
from nlp.errors import TextDataError
from nlp.normal import fold, normalise, without_surrogates

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import ahocorasick_rs

__all__ = ["Dictionary", "DictionaryMentions", "Problem", "Term", "base_dictionary", "find_all", "read_dictionary"]

_COLUMNS = ("term", "label", "preferred", "code", "synonyms")
_LONGEST_TERM = 200


class Term(NamedTuple):
    """A way of naming something: the words, the entity type, the preferred name and the code."""

    term: str
    label: str
    preferred: str = ""
    code: str = ""


class Problem(NamedTuple):
    """A term that was left out: its place among the terms given, counted from 1, and why (empty, long, duplicate)."""

    place: int
    why: str


class Dictionary:
    """Terms ready to be found.

    Parameters
    ----------
    terms : iterable of Term
        In any number; of terms that are equal once normalised and folded the first counts, and the others are listed in `problems`.
    name : str, default "dictionary"
        Part of the version, which results carry.

    Attributes
    ----------
    terms : list of Term
        The terms kept.
    problems : list of Problem
        What was left out.
    version : str
        Name and hash of the terms kept.

    Examples
    --------
    >>> drugs = Dictionary([Term("阿司匹林", "drug"), Term("CA", "finding")])
    >>> [drugs.terms[hit].term for _, _, hit in drugs.find("服阿司匹林, ca19-9升高")]
    ['阿司匹林']
    """

    def __init__(self, terms: Iterable[Term], *, name: str = "dictionary") -> None:
        self.terms: list[Term] = []
        self.problems: list[Problem] = []
        patterns: dict[str, None] = {}
        digest = hashlib.sha256()
        for place, term in enumerate(terms, start=1):
            pattern = fold(normalise(term.term).text.strip())
            if why := _unfit(pattern, patterns):
                self.problems.append(Problem(place, why))
                continue
            patterns[pattern] = None
            self.terms.append(term)
            digest.update("\t".join(term).encode("utf-8", "surrogatepass") + b"\n")
        self.version = f"{name}-{digest.hexdigest()[:12]}"
        # 1: begins with a Latin letter or digit, 2: ends with one. Only such terms have words around them that could swallow them.
        self._edges = bytes(_is_latin(pattern[0]) | _is_latin(pattern[-1]) << 1 for pattern in patterns)
        self._patterns = list(patterns)
        self._longest = self._nested = None

    def __len__(self) -> int:
        return len(self.terms)

    def find(self, text: str, *, nested: bool = False, crossing: bool = False) -> list[tuple[int, int, int]]:
        """Return (start, end, place in `terms`) of every term in a folded, normalised text, in order.

        Parameters
        ----------
        text : str
            Normalised by :func:`nlp.normal.normalise`, folded by :func:`nlp.normal.fold`.
        nested : bool, default False
            Keep terms that lie inside longer ones. Of terms that cross, the one that begins first and then the longer is kept either way.
        crossing : bool, default False
            Keep all, those that cross too: what several askers want of one pass. They come in the order of their ends.

        Returns
        -------
        list of (int, int, int)
            Sorted by start, longer ones first.
        """
        if not self._patterns:
            return []
        overlapping = nested or crossing
        hits = find_all(self._automaton(overlapping), text, overlapping=overlapping)
        edges = self._edges
        found = [(start, end, place) for place, start, end in hits if not edges[place] or _stands_alone(text, start, end, edges[place])]
        return _without_crossing(found, text) if nested and not crossing else found

    def _automaton(self, nested: bool):
        import ahocorasick_rs

        def build(kind: ahocorasick_rs.MatchKind) -> ahocorasick_rs.AhoCorasick:
            contiguous = ahocorasick_rs.Implementation.ContiguousNFA
            return ahocorasick_rs.AhoCorasick(self._patterns, matchkind=kind, store_patterns=False, implementation=contiguous)

        if nested:
            self._nested = self._nested or build(ahocorasick_rs.MatchKind.Standard)
            return self._nested
        self._longest = self._longest or build(ahocorasick_rs.MatchKind.LeftmostLongest)
        return self._longest


def find_all(automaton: ahocorasick_rs.AhoCorasick, text: str, *, overlapping: bool = False) -> list[tuple[int, int, int]]:
    """Return (pattern, start, end) of all that an automaton finds; a lone surrogate, which no pattern holds, is passed over."""
    try:
        return automaton.find_matches_as_indexes(text, overlapping=overlapping)
    except UnicodeEncodeError:
        return automaton.find_matches_as_indexes(without_surrogates(text), overlapping=overlapping)


def _unfit(pattern: str, known: dict[str, None]) -> str:
    if not pattern:
        return "empty"
    if len(pattern) > _LONGEST_TERM:
        return "long"
    return "duplicate" if pattern in known else ""


def _is_latin(character: str) -> bool:
    return character.isascii() and character.isalnum()


# What may follow a Latin term at once and is its value: WBC12.5, Cr88umol/L, BP120/80, P80次/分; but CA125 and T2 are other words.
_UNITS = r"[%‰℃*×↑↓]|次|m?mol|[uμnp]mol|m?i?u/|[mkμunp]?g(?:/|$|[^a-z])|m?l|mm|cm|10\^|bpm|/min"
_VALUE = re.compile(rf"[0-9]{{1,6}}(?:(\.[0-9]|/[0-9]| ?(?:{_UNITS}))|(?![0-9a-z.-]))")
_PLAIN_VALUE_FROM = 3


def _stands_alone(text: str, start: int, end: int, edges: int) -> bool:
    """Tell whether a term that begins or ends with a Latin letter or digit is a word by itself, not a piece of CA19-9 or HER-2."""
    if edges & 1 and start and _joined(text[max(start - 2, 0) : start][::-1]):
        return False
    if not edges & 2 or not _joined(text[end : end + 2]):
        return True
    return _value_follows(text, start, end)


def _joined(beside: str) -> bool:
    """Tell whether the one or two characters beside a term, nearest first, go on with its word."""
    return _is_latin(beside[0]) or (beside[0] == "-" and len(beside) > 1 and _is_latin(beside[1])) if beside else False


def _value_follows(text: str, start: int, end: int) -> bool:
    if not text[end].isdigit() or text[end - 1].isdigit():
        return False
    value = _VALUE.match(text, end)
    return value is not None and (value.group(1) is not None or end - start >= _PLAIN_VALUE_FROM)


def _without_crossing(found: list[tuple[int, int, int]], text: str) -> list[tuple[int, int, int]]:
    """Keep what lies apart or inside; of two that cross, the one that begins first, save that 无尿频 denies 尿频 and holds no 无尿."""
    found.sort(key=lambda hit: (hit[0], -hit[1]))
    kept: list[tuple[int, int, int]] = []
    reach = 0
    for hit in found:
        if hit[0] >= reach:
            reach = hit[1]
        elif hit[1] > reach:
            if text[kept[-1][0]] != "无" or kept[-1][1] != reach or hit[0] != kept[-1][0] + 1:
                continue
            kept.pop()
            reach = hit[1]
        kept.append(hit)
    return kept


def read_dictionary(path: Path | str, *, name: str = "", label: str = "") -> Dictionary:
    """Read a dictionary file.

    Parameters
    ----------
    path : Path or str
        A ``.tsv`` or ``.csv`` file in UTF-8, as this module describes it.
    name : str, optional
        Name in the version; the file's own name if empty.
    label : str, optional
        Entity type of rows that have none.

    Returns
    -------
    Dictionary
        Its `problems` count terms, synonyms included.

    Raises
    ------
    TextDataError
        If the file cannot be read, lacks a column, or has a line with another number of columns than its heading; the line is named.
    """
    path = Path(path)
    return Dictionary(_rows(path, label), name=name or path.stem)


def _rows(path: Path, label: str) -> Iterator[Term]:
    heading: list[str] = []
    for number, row in _lines(path):
        if not heading:
            heading = _heading(path, number, row, label)
            continue
        if len(row) != len(heading):
            raise TextDataError(f"{path.name} line {number}: {len(row)} columns, the heading has {len(heading)}", hint=_FORMAT)
        cells = dict(zip(heading, (cell.strip() for cell in row), strict=True))
        kind = cells.get("label") or label
        if not kind:
            raise TextDataError(f"{path.name} line {number}: no label", hint="give the line a label, or read_dictionary(..., label=...)")
        preferred = cells.get("preferred") or cells["term"]
        synonyms = [synonym for synonym in cells.get("synonyms", "").split("|") if synonym]
        for term in [cells["term"], *synonyms]:
            yield Term(term, kind, preferred, cells.get("code", ""))


_FORMAT = "a dictionary file is TSV or CSV with a heading of term, label and perhaps preferred, code, synonyms"


def _heading(path: Path, number: int, row: list[str], label: str) -> list[str]:
    heading = [cell.strip().lower() for cell in row]
    wanted = {"term"} if label else {"term", "label"}
    if missing := sorted(wanted - set(heading)):
        raise TextDataError(f"{path.name} line {number}: the heading lacks {', '.join(missing)}", hint=_FORMAT)
    if unknown := sorted(set(heading) - set(_COLUMNS)):
        raise TextDataError(f"{path.name} line {number}: unknown column {', '.join(map(repr, unknown))}", hint=_FORMAT)
    return heading


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            tabs = path.suffix.lower() != ".csv"
            reader = csv.reader(file, delimiter="\t" if tabs else ",", quoting=csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL)
            for row in reader:
                if row and not row[0].startswith("#"):
                    yield reader.line_num, row
    except OSError as error:
        raise TextDataError(f"the dictionary {path.name} cannot be opened: {error.strerror}", hint="check the path") from error
    except UnicodeDecodeError as error:
        raise TextDataError(f"{path.name} is not UTF-8 (byte {error.start})", hint="save the file as UTF-8") from error
    except csv.Error as error:
        raise TextDataError(f"{path.name} line {reader.line_num}: {error}", hint=_FORMAT) from error


@cache
def base_dictionary() -> Dictionary:
    """Return the dictionary that comes with the package: common problems, symptoms, signs, findings, tests, drugs, procedures, sites."""
    return read_dictionary(Path(__file__).parent / "data" / "dictionary.tsv", name="base")


class DictionaryMentions:
    """Mentions of the terms of a dictionary.

    Parameters
    ----------
    dictionary : Dictionary or path, optional
        What to find; without it, :func:`base_dictionary`.
    nested : bool, default True
        Keep terms that lie inside longer ones.
    """

    def __init__(self, *, dictionary: Dictionary | Path | str | None = None, nested: bool = True) -> None:
        if not isinstance(dictionary, Dictionary):
            dictionary = read_dictionary(dictionary) if dictionary else base_dictionary()
        self.dictionary = dictionary
        self.nested = nested
        self.version = dictionary.version
        self._rest = [(term.label, term.preferred or term.term, term.code, self.version) for term in dictionary.terms]

    def predict(self, text: ClinicalText) -> list[Mention]:
        """Return a mention for every term found, in order of (start, -end)."""
        rest = self._rest
        return [Mention(start, end, *rest[place]) for start, end, place in self.dictionary.find(fold(text.text), nested=self.nested)]
