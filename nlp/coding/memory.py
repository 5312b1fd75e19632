"""What the pairs of a hospital teach: known terms and their names, which n-grams speak for which name, and which words mean the same."""

from __future__ import annotations

from collections import Counter, defaultdict
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from nlp.coding.codebook import key
from nlp.coding.sparse import association, both_ways, flat, incidence, sums, unit_rows
from nlp.coding.terms import units_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nlp.coding.index import NameIndex
    from nlp.coding.pairs import Pair
    from nlp.coding.terms import Domain

__all__ = ["PairMemory", "mine_aliases"]

_LONGEST_ALIAS = 8
_FEWEST_EXCHANGES = 2  # times that an exchange must have been seen to be learnt
_EXCHANGE_SHARE = 0.2  # of the times that the word was exchanged for anything
_ALIKE_FROM = 0.3  # likeness below which a known term says nothing
_ALIGN_IN_ORDER = 0.25  # what standing at the same place in text and answer is worth beside a cosine


class PairMemory:
    """What pairs of terms and names teach.

    Parameters
    ----------
    index : NameIndex
        The names.
    pairs : sequence of Pair
        Terms with names that are in the index.
    domain : Domain
        Rules by which terms are cut.
    mine : bool, default True
        Whether aliases are learnt.
    """

    def __init__(self, index: NameIndex, pairs: Sequence[Pair], domain: Domain, *, mine: bool = True) -> None:
        self.units, self.answers = _aligned(index, pairs, domain)
        size = len(index.entries)
        counts = index.counter.transform(self.units) if self.units else sp.csr_matrix((0, len(index.idf)), dtype=np.float32)
        self.tfidf, self.tfidf_t = both_ways(index.weigh(counts) if self.units else counts)
        given = incidence(self.answers, size)
        self.speaks, self.speaks_t = both_ways(association(flat(counts), given))
        self.given_t = given.T.tocsr()
        self.centre = unit_rows((given.T @ self.tfidf).tocsr())
        texts = incidence([[index.place[key(name)] for name in pair.names] for pair in pairs], size)
        self.prior = sums(texts.T)
        self.together = (texts.T @ texts).tocsr()
        self.aliases = _merged(domain.alike, mine_aliases(index, self.units, self.answers) if mine else {})

    def nearest(self, index: NameIndex, texts: Sequence[str], entries: Sequence[int]) -> list[str]:
        """Return for each text and entry the known term of that entry which the text is most like, or an empty text.

        Parameters
        ----------
        index : NameIndex
            The names.
        texts : sequence of str
            Folded.
        entries : sequence of int
            One a text.

        Returns
        -------
        list of str
            Folded terms.
        """
        known = [self.given_t.indices[self.given_t.indptr[entry] : self.given_t.indptr[entry + 1]] for entry in entries]
        if not any(map(len, known)):
            return [""] * len(texts)
        rows = index.weigh(index.counter.transform(texts), texts)
        found = []
        for row, its in enumerate(known):
            likeness = (self.tfidf[its] @ rows[row].T).toarray().ravel() if len(its) else np.zeros(0)
            best = int(likeness.argmax()) if len(its) else -1
            found.append(self.units[its[best]] if len(its) and likeness[best] >= _ALIKE_FROM else "")
        return found


def mine_aliases(index: NameIndex, units: Sequence[str], answers: Sequence[Sequence[int]]) -> dict[str, tuple[str, ...]]:
    """Learn which words are written for which, from terms beside the one name they stand for.

    Parameters
    ----------
    index : NameIndex
        The names.
    units : sequence of str
        Folded terms and parts.
    answers : sequence of sequence of int
        The entries of each; those with one are used.

    Returns
    -------
    dict of str to tuple of str
        Word -> what stood for it, the most frequent first, at most two.
    """
    seen: Counter[tuple[str, str]] = Counter()
    for unit, names in zip(units, answers, strict=True):
        if len(names) == 1 and len(unit) <= 40:
            name = index.names[names[0]]
            for tag, a, b, c, d in SequenceMatcher(None, unit, name, autojunk=False).get_opcodes():
                if tag == "replace" and b - a <= _LONGEST_ALIAS and d - c <= 2 * _LONGEST_ALIAS:
                    seen[unit[a:b], name[c:d]] += 1
    totals: Counter[str] = Counter()
    for (written, _), times in seen.items():
        totals[written] += times
    found: defaultdict[str, list[str]] = defaultdict(list)
    for (written, other), times in sorted(seen.items(), key=lambda item: (-item[1], item[0])):
        if times >= _FEWEST_EXCHANGES and times >= _EXCHANGE_SHARE * totals[written] and len(found[written]) < 2:
            found[written].append(other)
    return {written: tuple(others) for written, others in found.items() if others}


def _aligned(index: NameIndex, pairs: Sequence[Pair], domain: Domain) -> tuple[list[str], list[list[int]]]:
    """Return the terms with all their names, and their parts with those names that fit each best."""
    units: list[str] = []
    answers: list[list[int]] = []
    for pair in pairs:
        names = [index.place[key(name)] for name in pair.names]
        whole, *parts = [unit.text for unit in units_of(pair.text, domain, aliases={}) if unit.rule in {"", "whole"}]
        units.append(whole)
        answers.append(names)
        if parts:
            for part, given in _assigned(index, parts, names).items():
                units.append(part)
                answers.append(given)
    return units, answers


def _assigned(index: NameIndex, parts: list[str], names: list[int]) -> dict[str, list[int]]:
    likeness = (index.weigh(index.counter.transform(parts)) @ index.tfidf[index.form_start[names]].T).toarray()
    if len(parts) == len(names):
        likeness += _ALIGN_IN_ORDER * np.eye(len(parts))
    given: defaultdict[str, list[int]] = defaultdict(list)
    for column, name in enumerate(names):
        given[parts[int(likeness[:, column].argmax())]].append(name)
    return given


def _merged(first: Mapping[str, tuple[str, ...]], second: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {word: tuple(dict.fromkeys((*first.get(word, ()), *second.get(word, ())))) for word in {**first, **second}}
