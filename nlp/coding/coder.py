"""Terms as written -> names and codes of the hospital's own codebook, with the evidence.

A :class:`Coder` is made of a codebook alone, or learns besides from pairs of terms and names that the hospital has coded before. It answers
every term with ranked candidates and with the names chosen, several where the term names several things.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nlp.coding.codebook import Codebook, Entry, key
from nlp.coding.features import best_units, plain_scores, same_source
from nlp.coding.index import NameIndex, look_up, queries_of
from nlp.coding.memory import PairMemory
from nlp.coding.pairs import Pair, fold_of
from nlp.coding.rank import Settings, judge, learn, rankers_arrays, rankers_of, top
from nlp.coding.terms import domain_rules, units_of
from nlp.errors import ModelError, TextDataError
from nlp.models import ModelCard, open_card, package_versions, write_model
from nlp.tensors import read_tensors, write_tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from nlp.coding.index import Queries
    from nlp.coding.rank import Rankers
    from nlp.coding.terms import Domain, Unit

__all__ = ["Candidate", "Coded", "Coder"]

_BATCH = 200  # terms compared at a time: the similarities of 200 terms with 40,000 names take about 200 MB
_FEWEST_PAIRS = 300  # pairs below which the judges would learn chance
_PLAIN_THRESHOLD = 0.45
_SHOWN = 20  # candidates of a part that are looked at without learning


class Candidate(NamedTuple):
    """A name that may answer a term.

    Parameters
    ----------
    code, name : str
        Of the codebook; `code` is empty for a name that only the pairs know.
    score : float
        Probability of being an answer where the coder has learnt, else a likeness between 0 and 1.
    start, end : int
        Where in the term stands what fits best.
    rule : str
        How it fits: "known term" and "name" (the same as one), "like" (similar as it stands), "left out" (similar without words that say
        nothing), "shared" (completed by a neighbour's head or tail), or ``a=b`` (similar with b in place of a).
    known : str
        The nearest known term with this name, of those that the coder learnt from.
    """

    code: str
    name: str
    score: float
    start: int
    end: int
    rule: str
    known: str = ""


class Coded(NamedTuple):
    """A term with the names chosen, in order of their place in the term, and all candidates, best first."""

    term: str
    answers: tuple[Candidate, ...]
    candidates: tuple[Candidate, ...]


class Coder:
    """Codes terms with a codebook.

    Parameters
    ----------
    codebook : Codebook
        The hospital's own.
    domain : {"diagnosis", "procedure", "drug", "lab"}
        Whose rules apply.
    pairs : sequence of Pair
        Terms coded before; empty without any.
    rankers : Rankers, optional
        What :meth:`train` learnt; without it candidates are ranked by likeness and known terms.
    settings : Settings, optional
        As in learning.
    metrics : dict, optional
        Scores on the pairs, each judged by what was learnt from the others.

    Raises
    ------
    TextDataError
        If the codebook is empty.

    Notes
    -----
    CHIP-CDN, learnt from 4,000 diagnoses, 2,000 others held out by hash: strict F1 0.667 [0.651, 0.681], recall at 10 of diagnoses with one
    name 0.795 [0.767, 0.819]; Yidu-N7K procedures, 3,006 and 994: F1 0.806 [0.782, 0.828]. ``tests/bench/bench_coding.py`` measures both.

    Examples
    --------
    >>> coder = Coder(Codebook.of([("I25.103", "冠状动脉粥样硬化性心脏病"), ("I48.x01", "心房颤动"), ("I10", "高血压")]))
    >>> [(answer.code, answer.rule) for answer in coder.code(["冠心病，房颤；高血压"])[0].answers]
    [('I25.103', '冠心病=冠状动脉粥样硬化性心脏病'), ('I48.x01', '房颤=心房颤动'), ('I10', 'name')]
    """

    def __init__(
        self,
        codebook: Codebook,
        *,
        domain: str = "diagnosis",
        pairs: Sequence[Pair] = (),
        rankers: Rankers | None = None,
        settings: Settings | None = None,
        metrics: dict[str, float] | None = None,
    ) -> None:
        if not codebook.entries:
            raise TextDataError("the codebook has no name", hint="wanted a table: code, name, synonyms")
        self.codebook = codebook
        self.domain = domain_rules(domain)
        self.pairs = tuple(pairs)
        self.rankers = rankers
        self.settings = settings or Settings()
        self.metrics = metrics or {}
        self._index = _index_of(codebook, self.pairs)
        self._memory = PairMemory(self._index, self.pairs, self.domain, mine=self.settings.mine)
        self._exact = _agreed(self.pairs)
        self.version = f"coder-{self.domain.name}@{self._hash()}"

    @classmethod
    def train(
        cls,
        codebook: Codebook,
        pairs: Sequence[Pair],
        *,
        domain: str = "diagnosis",
        settings: Settings | None = None,
        progress: Callable[[float, str], None] | None = None,
    ) -> Coder:
        """Return a coder that learnt from pairs.

        Parameters
        ----------
        codebook : Codebook
            The hospital's own.
        pairs : sequence of Pair
            Terms with their names. Names that the codebook lacks are learnt too and answered without a code.
        domain : {"diagnosis", "procedure", "drug", "lab"}
            Whose rules apply.
        settings : Settings, optional
            What is learnt.
        progress : callable, optional
            Takes the share that is done, 0 to 1, and what is done next.

        Returns
        -------
        Coder
            With judges where there are at least 300 pairs, else with the known terms alone. The same for the same input.
        """
        settings = settings or Settings()
        rankers, metrics = None, {}
        # Below that, and where all are one and the same term, nothing can be learnt crosswise.
        if len(pairs) >= _FEWEST_PAIRS and len({fold_of(pair.text, settings.folds) for pair in pairs}) > 1:
            rankers, metrics = learn(_index_of(codebook, pairs), pairs, domain_rules(domain), settings, progress=progress)
        return cls(codebook, domain=domain, pairs=pairs, rankers=rankers, settings=settings, metrics=metrics)

    def code(self, terms: Iterable[str], *, candidates: int = 10) -> list[Coded]:
        """Answer terms.

        Parameters
        ----------
        terms : iterable of str
            As written.
        candidates : int, default 10
            How many candidates to give with each.

        Returns
        -------
        list of Coded
            One a term, in order; pure.
        """
        terms = list(terms)
        ask = self._judged if self.rankers else self._likened
        answer = []
        for start in range(0, len(terms), _BATCH):
            batch = terms[start : start + _BATCH]
            for term, (found, chosen) in zip(batch, ask(batch), strict=True):
                found, chosen = self._with_exact(term, found, chosen)
                answer.append(Coded(term, self._with_known(term, _in_place(chosen)), tuple(found[:candidates])))
        return answer

    # ------------------------------------------------------------------------------------------------------------------------ model folder
    def save(self, folder: Path | str, *, force: bool = False) -> ModelCard:
        """Write the coder as a folder; it holds the codebook and the terms it learnt from.

        Parameters
        ----------
        folder : Path or str
            Where.
        force : bool, default False
            Whether a model that lies there is replaced.

        Returns
        -------
        ModelCard
            As written.
        """
        card = ModelCard(
            name=f"coder-{self.domain.name}",
            kind="coder",
            labels=(),
            data={"name": self.codebook.name, "n_names": len(self.codebook.entries), "n_pairs": len(self.pairs)},
            metrics=self.metrics,
            licence="that of the codebook",
            intended_use="Coding terms of clinical notes with this codebook; the folder holds the terms that it learnt from.",
            settings={"domain": self.domain.name, "rules": self.domain.version, **self.settings._asdict()},
            packages=package_versions(["numpy", "scipy", "scikit-learn"]),
        )
        return write_model(folder, card, self._write, force=force)

    @classmethod
    def open(cls, folder: Path | str) -> Coder:
        """Open a coder after checking every byte of its folder.

        Parameters
        ----------
        folder : Path or str
            As :meth:`save` left it.

        Returns
        -------
        Coder
            The same as was saved.

        Raises
        ------
        ModelError
            If a file is missing, changed or not in the card, or the model is no coder.
        """
        folder = Path(folder)
        card = open_card(folder)
        if card.kind != "coder":
            raise ModelError(f"{folder} is a model of the kind {card.kind!r}, no coder", hint="give the folder that Coder.save wrote")
        codebook = json.loads((folder / "codebook.json").read_text(encoding="utf-8"))
        entries = tuple(Entry(name, tuple(codes), tuple(synonyms)) for name, codes, synonyms in codebook["entries"])
        pairs = [Pair(text, tuple(names)) for text, names in json.loads((folder / "pairs.json").read_text(encoding="utf-8"))]
        settings = Settings(**{name: card.settings[name] for name in Settings._fields})
        learnt = folder / "rankers.safetensors"
        return cls(
            Codebook(entries, codebook["name"]),
            domain=card.settings["domain"],
            pairs=pairs,
            rankers=rankers_of(read_tensors(learnt)) if learnt.exists() else None,
            settings=settings,
            metrics=card.metrics,
        )

    def _write(self, folder: Path) -> None:
        book = {"name": self.codebook.name, "entries": [list(entry) for entry in self.codebook.entries]}
        (folder / "codebook.json").write_text(json.dumps(book), encoding="utf-8")
        (folder / "pairs.json").write_text(json.dumps([list(pair) for pair in self.pairs]), encoding="utf-8")
        if self.rankers:
            write_tensors(folder / "rankers.safetensors", rankers_arrays(self.rankers))

    def _hash(self) -> str:
        learnt = (
            "".join(sha256(array.tobytes()).hexdigest() for _, array in sorted(rankers_arrays(self.rankers).items()))
            if self.rankers
            else ""
        )
        told = json.dumps([self.codebook.version, self.domain.name, self.domain.version, self.settings, self.pairs, learnt])
        return sha256(told.encode("ascii")).hexdigest()[:12]

    # --------------------------------------------------------------------------------------------------------------------------- answering
    def _judged(self, terms: Sequence[str]) -> Iterator[tuple[list[Candidate], list[Candidate]]]:
        """Yield the candidates and the chosen ones of each term, by what was learnt."""
        queries = queries_of(self._index, self._memory, terms, self.domain, forms=self.settings.forms)
        judged = judge(self._index, self._memory, self.rankers, queries, self.settings)  # type: ignore[arg-type]
        bounds = np.searchsorted(judged.term, np.arange(len(terms) + 1)).tolist()
        for start, stop in pairwise(bounds):
            rows = zip(judged.entry[start:stop].tolist(), judged.score[start:stop].tolist(), judged.unit[start:stop].tolist(), strict=True)
            found = [self._candidate(queries, *row) for row in rows]
            threshold = self.rankers.threshold  # type: ignore[union-attr]
            yield found, [each for rank, each in enumerate(found) if rank == 0 or each.score >= threshold]

    def _likened(self, terms: Sequence[str]) -> Iterator[tuple[list[Candidate], list[Candidate]]]:
        """Yield the candidates of each term and the best of each of its parts, by likeness."""
        pieces = [_pieces(term, self.domain, self._index.known) for term in terms]
        texts = [piece.text for found in pieces for piece in found]
        queries = queries_of(self._index, self._memory, texts, self.domain, forms=self.settings.forms)
        lookup = look_up(self._index, self._memory, queries)
        lookup = top(lookup, plain_scores(lookup), _SHOWN)
        scores, units = plain_scores(lookup), best_units(self._index, queries, lookup)
        order = np.lexsort((lookup.entry, -scores, lookup.term))
        bounds = np.searchsorted(lookup.term[order], np.arange(len(texts) + 1)).tolist()
        number = 0
        for its in pieces:
            found: list[Candidate] = []
            chosen: list[Candidate] = []
            for piece in its:
                rows = order[bounds[number] : bounds[number + 1]].tolist()
                here = [self._likely(queries, piece, int(lookup.entry[row]), float(scores[row]), int(units[row])) for row in rows]
                found += here
                tied = zip(here, same_source(lookup, rows), strict=True)
                chosen += [each for each, too in tied if too and here[0].score >= _PLAIN_THRESHOLD]
                number += 1
            yield _once(found), chosen

    def _likely(self, queries: Queries, piece: Unit, entry: int, score: float, unit: int) -> Candidate:
        found = self._candidate(queries, entry, score, unit)
        rule = piece.rule if piece.rule == "shared" and found.rule in {"name", "like"} else found.rule
        return found._replace(start=piece.start, end=piece.end, rule=rule)

    def _candidate(self, queries: Queries, entry: int, score: float, unit: int) -> Candidate:
        of, form = self._index.entries[entry], queries.units[unit]
        rule = form.rule if form.rule not in {"", "whole"} else "name" if form.text in self._forms(entry) else "like"
        return Candidate(of.code, of.name, round(score, 4), form.start, form.end, rule)

    def _forms(self, entry: int) -> list[str]:
        return self._index.forms[self._index.form_start[entry] : self._index.form_start[entry + 1]]

    def _with_known(self, term: str, chosen: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
        """Name the nearest known term beside each answer that a known term speaks for."""
        units = [key(term[each.start : each.end]) for each in chosen]
        nearest = self._memory.nearest(self._index, units, [self._index.place[key(each.name)] for each in chosen])
        return tuple(each if each.known else each._replace(known=known) for each, known in zip(chosen, nearest, strict=True))

    def _with_exact(self, term: str, found: list[Candidate], chosen: list[Candidate]) -> tuple[list[Candidate], list[Candidate]]:
        """Put first what was coded before as it stands, or is a name of the codebook as it stands."""
        names, rule = self._exact.get(key(term), ()), "known term"
        if not names and (entry := self.codebook.get(term)):
            names, rule = (entry.name,), "name"
        if not names:
            return found, chosen
        entries = [self._index.entries[self._index.place[key(name)]] for name in names]
        exact = [Candidate(entry.code, entry.name, 1.0, 0, len(term), rule, term if rule == "known term" else "") for entry in entries]
        return _once([*exact, *found]), exact


def _index_of(codebook: Codebook, pairs: Sequence[Pair]) -> NameIndex:
    """Return the index of the codebook's names and of those names that only pairs have."""
    outside: dict[str, str] = {}
    for pair in pairs:
        for name in pair.names:
            if codebook.get(name) is None:
                outside.setdefault(key(name), name)
    return NameIndex([*codebook.entries, *map(Entry, outside.values())], (key(pair.text) for pair in pairs))


def _agreed(pairs: Sequence[Pair]) -> dict[str, tuple[str, ...]]:
    """Return each known term with the names that it was given most often."""
    given: defaultdict[str, Counter[tuple[str, ...]]] = defaultdict(Counter)
    for pair in pairs:
        given[key(pair.text)][pair.names] += 1
    return {text: counts.most_common(1)[0][0] for text, counts in given.items()}


def _pieces(term: str, domain: Domain, known: frozenset[str]) -> list[Unit]:
    """Return the parts of a term, or the whole where it has but one."""
    units = units_of(term, domain, aliases={}, known=known)
    return [unit for unit in units if unit.rule in {"", "shared"}] or units[:1]


def _once(found: list[Candidate]) -> list[Candidate]:
    """Return candidates best first, each name once."""
    best: dict[str, Candidate] = {}
    for each in sorted(found, key=lambda candidate: -candidate.score):
        best.setdefault(each.name, each)
    return list(best.values())


def _in_place(chosen: list[Candidate]) -> tuple[Candidate, ...]:
    once = {each.name: each for each in reversed(chosen)}
    return tuple(sorted(once.values(), key=lambda each: (each.start, -each.score, each.name)))
