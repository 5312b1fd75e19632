"""Which candidates answer a term: three sets of boosted trees, learnt from the hospital's pairs.

A sieve keeps the best two dozen candidates by what the searches said. The first judge weighs each by itself. The second sees besides how
the others fared, so that it learns how many answers a term has: whether a better candidate speaks for the same characters already, and
which names go together (a tumour's site and its kind). Each learns from answers that the stage before it gave on terms that it had not
seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nlp.coding.codebook import key
from nlp.coding.features import features_of, sieve_features, with_context
from nlp.coding.index import COLUMNS, Lookup, look_up, queries_of
from nlp.coding.memory import PairMemory
from nlp.coding.pairs import fold_of
from nlp.trees import Trees, fit_trees

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nlp.coding.features import Rows
    from nlp.coding.index import NameIndex, Queries
    from nlp.coding.pairs import Pair
    from nlp.coding.terms import Domain

__all__ = ["Judged", "Rankers", "Settings", "judge", "learn", "rankers_arrays", "rankers_of", "top"]


class Settings(NamedTuple):
    """What is learnt and how; the switches exist to measure what each part is worth.

    Parameters
    ----------
    folds : int
        Parts of the pairs; each is judged by what was learnt from the others.
    kept : int
        Candidates that pass the sieve.
    forms : bool
        Whether parts are also looked up with words left out or exchanged.
    mine : bool
        Whether exchanges are learnt from the pairs.
    neighbours : bool
        Whether what the nearest known terms stand for are candidates.
    context : bool
        Whether there is a second judge.
    trees : int
        Trees of each judge.
    """

    folds: int = 4
    kept: int = 24
    forms: bool = True
    mine: bool = True
    neighbours: bool = True
    context: bool = True
    trees: int = 200


class Rankers(NamedTuple):
    """The sieve, both judges and the probability from which on a candidate is an answer."""

    sieve: Trees
    first: Trees
    second: Trees | None
    threshold: float


class Judged(NamedTuple):
    """Candidates with their probability: one row for each (term, entry), in order of term and of falling score; `unit` fits best."""

    term: np.ndarray
    entry: np.ndarray
    score: np.ndarray
    unit: np.ndarray


def judge(index: NameIndex, memory: PairMemory, rankers: Rankers, queries: Queries, settings: Settings) -> Judged:
    """Return the candidates of terms with the probability that each is an answer.

    Parameters
    ----------
    index : NameIndex
        The names.
    memory : PairMemory
        What is known from pairs.
    rankers : Rankers
        What was learnt.
    queries : Queries
        The terms.
    settings : Settings
        As they were in learning.

    Returns
    -------
    Judged
        In order of term and score.
    """
    sifted = _sifted(_found(index, memory, queries, settings, None), memory, rankers.sieve, queries, settings.kept)
    rows = features_of(index, memory, queries, sifted)
    score = rankers.first.predict(rows.features)
    if rankers.second is not None:
        score = rankers.second.predict(with_context(index, memory, rows, score))
    order = np.lexsort((rows.entry, -score, rows.term))
    return Judged(rows.term[order], rows.entry[order], score[order], rows.unit[order])


def _found(index: NameIndex, memory: PairMemory, queries: Queries, settings: Settings, allowed: np.ndarray | None) -> Lookup:
    lookup = look_up(index, memory, queries, allowed=allowed)
    if settings.neighbours:
        return lookup
    lookup.found[:, COLUMNS.index("near_whole") :] = 0
    keep = lookup.found.any(1)
    return Lookup(lookup.term[keep], lookup.entry[keep], lookup.found[keep])


def _sifted(lookup: Lookup, memory: PairMemory, sieve: Trees, queries: Queries, kept: int) -> Lookup:
    return top(lookup, sieve.predict(sieve_features(lookup, memory, queries)), kept)


def top(lookup: Lookup, score: np.ndarray, kept: int) -> Lookup:
    """Return each term's best candidates.

    Parameters
    ----------
    lookup : Lookup
        Candidates.
    score : ndarray of shape (n_candidates,)
        Of each.
    kept : int
        How many of a term.

    Returns
    -------
    Lookup
        In order of term and entry.
    """
    order = np.lexsort((lookup.entry, -score, lookup.term))
    keep = np.sort(order[_rank(lookup.term[order]) < kept])
    return Lookup(lookup.term[keep], lookup.entry[keep], lookup.found[keep])


def _rank(terms: np.ndarray) -> np.ndarray:
    """Return the place of each row within its term, rows of a term standing together."""
    starts = np.flatnonzero(np.diff(terms, prepend=-1))
    return np.arange(len(terms)) - np.repeat(starts, np.diff([*starts, len(terms)]))


def learn(
    index: NameIndex,
    pairs: Sequence[Pair],
    domain: Domain,
    settings: Settings,
    *,
    progress: Callable[[float, str], None] | None = None,
) -> tuple[Rankers, dict[str, float]]:
    """Learn the sieve and the judges.

    Parameters
    ----------
    index : NameIndex
        The names, those of the pairs included.
    pairs : sequence of Pair
        Terms with their names.
    domain : Domain
        Rules.
    settings : Settings
        What is learnt.
    progress : callable, optional
        Takes the share that is done, 0 to 1, and what is done next.

    Returns
    -------
    Rankers, dict
        What was learnt, and F1 and recall at 10 on terms that were judged by what was learnt from the others.
    """
    told = progress or (lambda share, stage: None)  # noqa: ARG005
    told(0.0, "candidates")
    parts = _parts(index, pairs, domain, settings)
    told(0.3, "sieve")
    seen = [sieve_features(part.found, part.memory, part.queries) for part in parts]
    right = [_right(part.gold, part.found.term, part.found.entry) for part in parts]
    sieve = fit_trees(np.vstack(seen), np.concatenate(right), trees=40, leaves=15, rate=0.15)
    told(0.45, "features")
    sifted = [_sifted(part.found, part.memory, sieve, part.queries, settings.kept) for part in parts]
    rows = [features_of(index, part.memory, part.queries, its) for part, its in zip(parts, sifted, strict=True)]
    right = [_right(part.gold, row.term, row.entry) for part, row in zip(parts, rows, strict=True)]
    told(0.6, "first judge")
    first, chances = _crossed([row.features for row in rows], right, settings)
    second = None
    if settings.context:
        told(0.8, "second judge")
        views = [with_context(index, part.memory, row, chance) for part, row, chance in zip(parts, rows, chances, strict=True)]
        second, chances = _crossed(views, right, settings)
    threshold, metrics = _decided(rows, chances, [part.gold for part in parts])
    told(1.0, "done")
    return Rankers(sieve, first, second, threshold), metrics


class _Part(NamedTuple):
    """A part of the pairs: what is known from the others, its terms, their candidates by that, and the right (term, entry)."""

    memory: PairMemory
    queries: Queries
    found: Lookup
    gold: set[tuple[int, int]]


def _parts(index: NameIndex, pairs: Sequence[Pair], domain: Domain, settings: Settings) -> list[_Part]:
    folds: dict[int, list[Pair]] = {number: [] for number in range(settings.folds)}
    for pair in pairs:
        folds[fold_of(pair.text, settings.folds)].append(pair)
    parts = []
    for number, own in folds.items():
        if own:
            others = [pair for other, its in folds.items() if other != number for pair in its]
            memory = PairMemory(index, others, domain, mine=settings.mine)
            queries = queries_of(index, memory, [pair.text for pair in own], domain, forms=settings.forms)
            parts.append(_Part(memory, queries, _found(index, memory, queries, settings, _reachable(index, memory)), _gold(index, own)))
    return parts


def _reachable(index: NameIndex, memory: PairMemory) -> np.ndarray:
    """Return which entries may be candidates: a name outside the codebook only where the memory knows it."""
    return np.array([bool(entry.codes) for entry in index.entries]) | (memory.prior > 0)


def _gold(index: NameIndex, pairs: Sequence[Pair]) -> set[tuple[int, int]]:
    return {(number, index.place[key(name)]) for number, pair in enumerate(pairs) for name in pair.names}


def _right(gold: set[tuple[int, int]], terms: np.ndarray, entries: np.ndarray) -> np.ndarray:
    return np.array([pair in gold for pair in zip(terms.tolist(), entries.tolist(), strict=True)], bool)


def _crossed(views: list[np.ndarray], right: list[np.ndarray], settings: Settings) -> tuple[Trees, list[np.ndarray]]:
    """Return trees learnt from all parts, and for each part the chances by trees learnt from the others."""
    chances = []
    for number, view in enumerate(views):
        others = [place for place in range(len(views)) if place != number]
        trees = fit_trees(
            np.vstack([views[place] for place in others]), np.concatenate([right[place] for place in others]), trees=settings.trees
        )
        chances.append(trees.predict(view))
    return fit_trees(np.vstack(views), np.concatenate(right), trees=settings.trees), chances


def _decided(rows: list[Rows], chances: list[np.ndarray], gold: list[set[tuple[int, int]]]) -> tuple[float, dict[str, float]]:
    """Return the threshold with the best F1, and the scores there."""
    right, score, rank, places = [], [], [], 0
    for row, chance, answers in zip(rows, chances, gold, strict=True):
        order = np.lexsort((row.entry, -chance, row.term))
        right.append(_right(answers, row.term[order], row.entry[order]))
        score.append(chance[order])
        rank.append(_rank(row.term[order]))
        places += len(answers)
    hit, chance, place = np.concatenate(right), np.concatenate(score), np.concatenate(rank)

    def f1(threshold: float) -> float:
        given = (chance >= threshold) | (place == 0)
        return 2 * float(hit[given].sum()) / max(float(given.sum() + places), 1.0)

    threshold = max((round(value, 2) for value in np.arange(0.1, 0.7, 0.01)), key=f1)
    return threshold, {"f1": round(f1(threshold), 4), "recall_at_10": round(float(hit[place < 10].sum()) / max(places, 1), 4)}


def rankers_arrays(rankers: Rankers) -> dict[str, np.ndarray]:
    """Return what was learnt as arrays by name."""
    stages = {name: trees for name in ("sieve", "first", "second") if (trees := getattr(rankers, name)) is not None}
    arrays = {name: array for stage, trees in stages.items() for name, array in trees.arrays(f"{stage}.").items()}
    return arrays | {"threshold": np.array([rankers.threshold])}


def rankers_of(arrays: Mapping[str, np.ndarray]) -> Rankers:
    """Return what :func:`rankers_arrays` wrote."""
    second = Trees.read(arrays, "second.") if "second.roots" in arrays else None
    return Rankers(Trees.read(arrays, "sieve."), Trees.read(arrays, "first."), second, float(arrays["threshold"][0]))
