"""What the judges of a candidate see: how the searches found it, letters in common, its code, and the better candidates beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nlp.coding.index import COLUMNS
from nlp.coding.sparse import flat, row_dots, sums

if TYPE_CHECKING:
    from nlp.coding.codebook import Entry
    from nlp.coding.index import Lookup, NameIndex, Queries
    from nlp.coding.memory import PairMemory

__all__ = ["Rows", "best_units", "features_of", "plain_scores", "same_source", "sieve_features", "with_context"]

_NEIGHBOURS = 15  # better candidates that the second judge compares a candidate with
_VAGUE = ("未特指", "其他")
_RULES = {"whole": 0, "": 1, "left out": 2, "shared": 3}


class Rows(NamedTuple):
    """Candidates, the unit of the term that each fits best, and what the first judge sees: a row for each (term, entry)."""

    term: np.ndarray
    entry: np.ndarray
    unit: np.ndarray
    features: np.ndarray


def plain_scores(lookup: Lookup) -> np.ndarray:
    """Return a score for each candidate that needs no learning: likeness, coverage and known terms.

    Parameters
    ----------
    lookup : Lookup
        Candidates.

    Returns
    -------
    ndarray of shape (n_candidates,)
        Between 0 and 1.
    """
    found = dict(zip(COLUMNS, lookup.found.T, strict=True))
    near = np.maximum(found["near_whole"] * found["votes_whole"] ** 0.1, found["near_part"] * found["votes_part"] ** 0.1)
    covered = found["covered_rank"] * np.minimum(found["covered"] / 10, 1)
    return np.clip(np.maximum(found["cosine"], 0.98 * near) * 0.97 + 0.03 * covered, 0, 1)


def same_source(lookup: Lookup, rows: list[int]) -> list[bool]:
    """Return which candidates answer together with the first: those of the same known term, if a known term made it the first.

    Parameters
    ----------
    lookup : Lookup
        Candidates.
    rows : list of int
        Those of one term, best first.

    Returns
    -------
    list of bool
        One a row.
    """
    near = lookup.found[rows][:, [COLUMNS.index("near_whole"), COLUMNS.index("near_part")]].max(1, initial=0)
    cosine = lookup.found[rows][:, COLUMNS.index("cosine")]
    known = len(rows) > 0 and near[0] > cosine[0]
    return [rank == 0 or bool(known and near[rank] == near[0]) for rank in range(len(rows))]


def sieve_features(lookup: Lookup, memory: PairMemory, queries: Queries) -> np.ndarray:
    """Return what the sieve sees of each candidate."""
    units = np.diff(queries.first)[lookup.term]
    return np.column_stack([lookup.found, np.log1p(memory.prior[lookup.entry]), units])


def features_of(index: NameIndex, memory: PairMemory, queries: Queries, lookup: Lookup) -> Rows:
    """Return what the first judge sees of each candidate."""
    row, unit, form = _compared(index, queries, lookup)
    entry = lookup.entry[row]
    ones = flat(queries.counts)
    mass = sums(ones.multiply(index.idf).tocsr())
    shared = row_dots(ones, unit, index.mass, form)
    cosine = row_dots(queries.tfidf, unit, index.tfidf, form)
    centre = row_dots(queries.tfidf, unit, memory.centre, entry)
    singles = row_dots(ones[:, index.singles], unit, flat(index.mass[:, index.singles]), form)
    lengths = np.array([len(name) for name in index.forms], np.float32)
    whole = unit == queries.first[lookup.term][row]
    best = _largest_at(row, cosine, unit, len(lookup.term))
    columns = [
        *lookup.found.T,
        _most(row, cosine, len(lookup.term)),
        _most(row[whole], cosine[whole], len(lookup.term)),
        _most(row, centre, len(lookup.term)),
        _most(row[whole], centre[whole], len(lookup.term)),
        _most(row, shared / index.mass_sum[form], len(lookup.term)),
        _most(row, shared / np.maximum(mass[unit], 1e-6), len(lookup.term)),
        _most(row, shared, len(lookup.term)),
        _most(row, singles / lengths[form], len(lookup.term)),
        _most(row, row_dots(ones, unit, memory.speaks_t, entry), len(lookup.term)),
        _most(row, row_dots(ones, unit, memory.speaks_t, entry, largest=True), len(lookup.term)),
    ]
    features = np.column_stack([*columns, _letters(index, queries, lookup, best), _kinds(index, memory, queries, lookup, best)])
    return Rows(lookup.term, lookup.entry, best, features.astype(np.float32))


def _compared(index: NameIndex, queries: Queries, lookup: Lookup) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (row, unit, form) for every unit of the row's term and every form of its entry."""
    units = np.diff(queries.first)[lookup.term]
    forms = np.diff(index.form_start)[lookup.entry]
    row = np.repeat(np.arange(len(units)), units * forms)
    place = np.arange(len(row)) - np.repeat(np.cumsum(units * forms) - units * forms, units * forms)
    unit = queries.first[lookup.term][row] + place // forms[row]
    return row, unit, index.form_start[lookup.entry][row] + place % forms[row]


def best_units(index: NameIndex, queries: Queries, lookup: Lookup) -> np.ndarray:
    """Return for each candidate the unit of its term that is most like one of its forms.

    Parameters
    ----------
    index : NameIndex
        The names.
    queries : Queries
        The terms.
    lookup : Lookup
        Candidates.

    Returns
    -------
    ndarray of int, shape (n_candidates,)
        Places in the units of `queries`.
    """
    row, unit, form = _compared(index, queries, lookup)
    return _largest_at(row, row_dots(queries.tfidf, unit, index.tfidf, form), unit, len(lookup.term))


def _letters(index: NameIndex, queries: Queries, lookup: Lookup, best: np.ndarray) -> np.ndarray:
    """Return what only the order of characters tells: longest common run, common tail, lengths, sides."""
    out = np.zeros((len(lookup.term), 8), np.float32)
    whole = [queries.units[first].text for first in queries.first[:-1]]
    for row, (term, entry, unit) in enumerate(zip(lookup.term.tolist(), lookup.entry.tolist(), best.tolist(), strict=True)):
        text, name, part = whole[term], index.names[entry], queries.units[unit]
        run = _common_run(text, name)
        out[row] = (
            run,
            run / len(name),
            _common_tail(part.text, name),
            len(part.text),
            len(name),
            len(text),
            ("左" in name and "左" in text) + ("右" in name and "右" in text) - (("左" in name) != ("左" in text)),
            text.find(name[:2]) / len(text) if name[:2] in text else -1,
        )
    return out


def _kinds(index: NameIndex, memory: PairMemory, queries: Queries, lookup: Lookup, best: np.ndarray) -> np.ndarray:
    """Return what is known of the entry, its code and its class among the candidates, and of the unit that fits best."""
    votes = lookup.found[:, COLUMNS.index("votes_whole")] + lookup.found[:, COLUMNS.index("votes_part")]
    both = lookup.term.astype(np.int64) << 32 | index.group[lookup.entry]
    _, place = np.unique(both, return_inverse=True)
    in_group = np.bincount(place, votes, minlength=1)[place] if len(place) else votes
    of_entry = np.array([_of_code(index.entries[entry]) for entry in lookup.entry.tolist()], np.float32).reshape(-1, 6)
    rules = np.array([_RULES.get(queries.units[unit].rule, 4) for unit in best.tolist()], np.float32)
    return np.column_stack(
        [
            in_group,
            of_entry,
            np.log1p(memory.prior[lookup.entry]),
            np.diff(queries.first)[lookup.term],
            np.bincount(queries.owner[_is_part(queries)], minlength=len(queries.first))[lookup.term],
            rules,
        ]
    )


def _is_part(queries: Queries) -> np.ndarray:
    return np.array([unit.rule == "" for unit in queries.units], bool)


def _of_code(entry: Entry) -> tuple[float, ...]:
    code, name = entry.code, entry.name
    return (
        len(code),
        ord(code[0]) if code else 0,
        code.startswith("M") and "/" in code,
        _VAGUE[0] in name,
        _VAGUE[1] in name,
        "[" in name,
    )


def _common_run(text: str, name: str) -> int:
    """Return the length of the longest part of a name that stands in a text."""
    best = 0
    for start in range(len(name)):
        while start + best < len(name) and name[start : start + best + 1] in text:
            best += 1
    return best


def _common_tail(text: str, name: str) -> int:
    same = 0
    for one, other in zip(reversed(text), reversed(name), strict=False):
        if one != other:
            break
        same += 1
    return same


def with_context(index: NameIndex, memory: PairMemory, rows: Rows, score: np.ndarray) -> np.ndarray:
    """Return what the second judge sees: the first one's view and score, and the better candidates of the same term."""
    order = np.lexsort((rows.entry, -score, rows.term))
    seen = np.zeros((len(score), 11), np.float32)
    stops = np.flatnonzero(np.diff(rows.term[order], append=-1)) + 1
    start = 0
    for stop in stops.tolist():
        group = order[start:stop]
        chances = score[group]
        seen[group, 0] = np.arange(len(group))
        seen[group, 1] = chances[0]
        seen[group, 2] = chances / chances[0]
        seen[group, 3] = chances.sum()
        seen[group, 4] = [chances[1] if len(chances) > 1 else 0, *[chances[0]] * (len(group) - 1)]
        seen[group, 5] = np.cumsum(chances) - chances
        close = group[:_NEIGHBOURS]
        seen[close, 6:11] = _beside_better(index, memory, rows, close, chances)
        start = stop
    return np.column_stack([rows.features, score, seen]).astype(np.float32)


def _beside_better(index: NameIndex, memory: PairMemory, rows: Rows, group: np.ndarray, chances: np.ndarray) -> list[tuple[float, ...]]:
    """Return how each candidate stands to the better ones: alike, contained, of the same unit, given together before."""
    entries = rows.entry[group].tolist()
    units = rows.unit[group].tolist()
    letters = [set(index.names[entry]) for entry in entries]
    together = memory.together[entries][:, entries].toarray() / np.maximum(memory.prior[entries], 1)[None, :]
    found = []
    for here in range(len(entries)):
        alike = [len(letters[here] & letters[other]) / len(letters[here] | letters[other]) for other in range(here)]
        found.append(
            (
                max(alike, default=0),
                max((value * chances[other] for other, value in enumerate(alike)), default=0),
                max((chances[other] for other in range(here) if letters[here] <= letters[other]), default=0),
                max((chances[other] for other in range(here) if units[other] == units[here]), default=0),
                max((chances[other] * together[here, other] for other in range(here)), default=0),
            )
        )
    return found


def _most(row: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
    out = np.zeros(size, np.float32)
    np.maximum.at(out, row, values)
    return out


def _largest_at(row: np.ndarray, values: np.ndarray, what: np.ndarray, size: int) -> np.ndarray:
    """Return for each row the thing with the largest value, the first among equals."""
    order = np.lexsort((np.arange(len(row)), -values, row))
    first = np.flatnonzero(np.diff(row[order], prepend=-1))
    out = np.zeros(size, np.int64)
    out[row[order][first]] = what[order][first]
    return out
