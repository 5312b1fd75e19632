"""Candidates for a term: names that look like it, and names that like terms were given before.

Everything is a sparse matrix over character 1-, 2- and 3-grams. :class:`NameIndex` is made of the codebook alone; what pairs teach comes
from :class:`nlp.coding.memory.PairMemory`.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.feature_extraction.text import CountVectorizer

from nlp.coding.codebook import key
from nlp.coding.sparse import both_ways, flat, sums, unit_rows
from nlp.coding.terms import units_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nlp.coding.codebook import Entry
    from nlp.coding.memory import PairMemory
    from nlp.coding.terms import Domain, Unit

__all__ = ["COLUMNS", "Lookup", "NameIndex", "Queries", "look_up", "queries_of"]

_GRAMS = (1, 3)

#: What `look_up` says of a candidate: similarity and 1/rank by TF-IDF, by the share of the name that the text covers, by n-grams that
#: speak for it, and by the nearest known terms (likeness and share of votes, for the whole term and for a part).
COLUMNS = (
    "cosine",
    "cosine_rank",
    "covered",
    "covered_rank",
    "speaks",
    "speaks_rank",
    "near_whole",
    "near_part",
    "votes_whole",
    "votes_part",
)


class NameIndex:
    """The names of a codebook, ready to be compared.

    Parameters
    ----------
    entries : sequence of Entry
        Names with codes; a name outside the codebook has none.
    texts : iterable of str
        Folded texts whose n-grams are to be known besides those of the names.
    """

    def __init__(self, entries: Sequence[Entry], texts: Iterable[str] = ()) -> None:
        self.entries = tuple(entries)
        self.place = {key(entry.name): number for number, entry in enumerate(entries)}
        forms = [(number, form) for number, entry in enumerate(entries) for form in _forms_of(entry)]
        self.entry_of_form = np.array([number for number, _ in forms], np.int32)
        self.form_start = np.searchsorted(self.entry_of_form, np.arange(len(entries) + 1))
        self.forms = [form for _, form in forms]
        self.names = [key(entry.name) for entry in entries]
        self.known = frozenset(self.forms)
        self.counter = CountVectorizer(analyzer="char", ngram_range=_GRAMS, lowercase=False, dtype=np.float32)
        self.counter.fit([*self.forms, *texts])
        counts = self.counter.transform(self.forms)
        df = np.bincount(counts.indices, minlength=counts.shape[1])
        self.idf = (np.log((len(forms) + 1) / (df + 1)) + 1).astype(np.float32)
        self.tfidf, self.tfidf_t = both_ways(self.weigh(counts))
        self.mass, self.mass_t = both_ways(flat(counts).multiply(self.idf).tocsr().astype(np.float32))
        self.mass_sum = sums(self.mass)
        self.singles = np.array([len(gram) == 1 for gram in self.counter.get_feature_names_out()])
        groups = sorted({_group(entry) for entry in entries})
        number_of = {group: number for number, group in enumerate(groups)}
        self.group = np.array([number_of[_group(entry)] for entry in entries], np.int32)

    def weigh(self, counts: sp.csr_matrix, texts: Sequence[str] = ()) -> sp.csr_matrix:
        """Return counts of n-grams as TF-IDF rows, of length one together with those n-grams of `texts` that no name has."""
        weighted = counts.copy()
        weighted.data = 1 + np.log(weighted.data)
        unknown = np.zeros(counts.shape[0], np.float32)
        if texts:
            grams = [sum(max(len(text) - size + 1, 0) for size in range(_GRAMS[0], _GRAMS[1] + 1)) for text in texts]
            unknown = np.maximum(np.array(grams, np.float32) - sums(counts), 0)
        return unit_rows(weighted.multiply(self.idf).tocsr().astype(np.float32), unknown * float(self.idf.max(initial=1)) ** 2)


class Queries(NamedTuple):
    """Forms of several terms: `owner` is the term of each unit, `first` the first unit of each term."""

    units: list[Unit]
    owner: np.ndarray
    first: np.ndarray
    counts: sp.csr_matrix
    tfidf: sp.csr_matrix


class Lookup(NamedTuple):
    """Candidates: a row for each (term, entry), in order of term, with what the searches said of it (`COLUMNS` of `look_up`)."""

    term: np.ndarray
    entry: np.ndarray
    found: np.ndarray


def queries_of(index: NameIndex, memory: PairMemory, terms: Sequence[str], domain: Domain, *, forms: bool = True) -> Queries:
    """Return the units of terms with their n-grams.

    Parameters
    ----------
    index : NameIndex
        The names.
    memory : PairMemory
        For its aliases.
    terms : sequence of str
        As written.
    domain : Domain
        Rules.
    forms : bool, default True
        Whether parts with words left out or exchanged are among the units.

    Returns
    -------
    Queries
        In the order of the terms.
    """
    each = [units_of(term, domain, aliases=memory.aliases if forms else {}, known=index.known) for term in terms]
    if not forms:
        each = [[unit for unit in units if unit.rule in {"", "whole"}] for units in each]
    units = [unit for found in each for unit in found]
    owner = np.repeat(np.arange(len(each)), [len(found) for found in each]).astype(np.int32)
    texts = [unit.text for unit in units]
    counts = index.counter.transform(texts) if units else sp.csr_matrix((0, len(index.idf)), dtype=np.float32)
    return Queries(units, owner, np.searchsorted(owner, np.arange(len(each) + 1)), counts, index.weigh(counts, texts))


def look_up(index: NameIndex, memory: PairMemory, queries: Queries, *, allowed: np.ndarray | None = None) -> Lookup:
    """Return the candidates of terms.

    Parameters
    ----------
    index : NameIndex
        The names.
    memory : PairMemory
        What is known from pairs.
    queries : Queries
        The terms.
    allowed : ndarray of bool, shape (n_entries,), optional
        Entries that may be candidates.

    Returns
    -------
    Lookup
        One row for each term and entry, with the columns of :data:`COLUMNS`.
    """
    ones = flat(queries.counts)
    hits: list[tuple[int, int, int, float]] = []
    cosine = (queries.tfidf @ index.tfidf_t).tocsr()
    covered = (ones @ index.mass_t).tocsr()
    covered.data = (covered.data**1.5 / index.mass_sum[covered.indices]).astype(np.float32)
    speaks = (ones @ memory.speaks).tocsr()
    near = (queries.tfidf @ memory.tfidf_t).tocsr()
    for unit, form in enumerate(queries.units):
        whole = form.rule == "whole"
        most = 20 if whole else 12 if not form.rule else 6
        _add(hits, unit, 0, *_best(cosine, unit, most), index.entry_of_form)
        _add(hits, unit, 2, *_best(covered, unit, 12 if whole or not form.rule else 4), index.entry_of_form)
        _add(hits, unit, 4, *_best(speaks, unit, 12 if whole or not form.rule else 4), None)
        _vote(hits, unit, 6 if whole else 7, *_best(near, unit, 10), memory.answers)
    return _gather(hits, queries.owner, allowed)


def _best(matrix: sp.csr_matrix, row: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns and values of a row's largest numbers, largest first, the smaller column first among equals."""
    start, stop = matrix.indptr[row], matrix.indptr[row + 1]
    columns, values = matrix.indices[start:stop], matrix.data[start:stop]
    if len(values) > most:
        least = np.partition(values, -most)[-most]
        kept = values >= least
        columns, values = columns[kept], values[kept]
    order = np.lexsort((columns, -values))[:most]
    return columns[order], values[order]


def _add(hits: list, unit: int, column: int, found: np.ndarray, values: np.ndarray, entry_of: np.ndarray | None) -> None:
    entries = found if entry_of is None else entry_of[found]
    for rank, (entry, value) in enumerate(zip(entries.tolist(), values.tolist(), strict=True)):
        hits.append((unit, entry, column, value))
        hits.append((unit, entry, column + 1, 1 / (rank + 1)))


def _vote(hits: list, unit: int, column: int, found: np.ndarray, values: np.ndarray, answers: list[list[int]]) -> None:
    """Let the nearest known terms vote for their names."""
    votes: defaultdict[int, float] = defaultdict(float)
    for known, value in zip(found.tolist(), values.tolist(), strict=True):
        for entry in answers[known]:
            if entry not in votes:
                hits.append((unit, entry, column, value))
            votes[entry] += value
    total = float(values.sum()) or 1.0
    hits += [(unit, entry, column + 2, value / total) for entry, value in votes.items()]


def _gather(hits: list, owner: np.ndarray, allowed: np.ndarray | None) -> Lookup:
    """Join what was found of the same (term, entry), keeping the largest of each column."""
    if not hits:
        return Lookup(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros((0, len(COLUMNS)), np.float32))
    unit, entry, column, value = (np.array(part) for part in zip(*hits, strict=True))
    if allowed is not None:
        keep = allowed[entry]
        unit, entry, column, value = unit[keep], entry[keep], column[keep], value[keep]
    both = owner[unit].astype(np.int64) << 32 | entry
    rows, place = np.unique(both, return_inverse=True)
    found = np.zeros((len(rows), len(COLUMNS)), np.float32)
    np.maximum.at(found, (place, column), value.astype(np.float32))
    return Lookup((rows >> 32).astype(np.int32), (rows & 0xFFFFFFFF).astype(np.int32), found)


def _forms_of(entry: Entry) -> list[str]:
    """Return the ways a name may be written: as it is, without what stands in brackets, what stands in them, its synonyms."""
    name = key(entry.name)
    forms = [name]
    opening = name.find("[")
    if opening > 0 and name.endswith("]"):
        forms += [name[:opening], *name[opening + 1 : -1].split("/")]
    elif "(" in name:
        forms.append(_without_brackets(name))
    return list(dict.fromkeys(form for form in [*forms, *map(key, entry.synonyms)] if form))


def _without_brackets(name: str) -> str:
    before, _, rest = name.partition("(")
    return before + rest.partition(")")[2]


def _group(entry: Entry) -> str:
    """Return the class that an entry's code belongs to: the ICD-10 category, or the first digits of an ICD-9-CM-3 code."""
    return entry.code[: 4 if entry.code[:1].isdigit() else 3]
