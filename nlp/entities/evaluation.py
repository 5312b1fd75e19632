"""How good a tagger is: strict precision, recall and F1 with intervals, and a list of what went wrong.

Strict means that start, end and label all have to be right. Intervals come from a bootstrap over groups (patients), since the entities
of one patient are not independent.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nlp.errors import TextDataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nlp.entities import Entity, Example

__all__ = ["Evaluation", "Mistake", "Score", "evaluate", "find_mistakes", "group_names", "split_groups"]

_ROUNDS = 1000
_PERCENTILES = (2.5, 97.5)


class Score(NamedTuple):
    """Counts of one label, or of all, with the F1 and its 95 % interval; NaN where there is nothing to score."""

    right: int
    found: int
    gold: int
    f1: float
    low: float
    high: float

    @property
    def precision(self) -> float:
        """Share of what was found that is right."""
        return self.right / self.found if self.found else float("nan")

    @property
    def recall(self) -> float:
        """Share of the gold that was found."""
        return self.right / self.gold if self.gold else float("nan")

    def record(self) -> dict:
        """Return what a card keeps: rounded shares and the counts.

        Returns
        -------
        dict
            precision, recall, f1, interval, gold, found; None for what cannot be said.
        """
        shares = {"precision": self.precision, "recall": self.recall, "f1": self.f1}
        rounded = {name: None if np.isnan(share) else round(share, 4) for name, share in shares.items()}
        interval = None if np.isnan(self.low) else [round(self.low, 4), round(self.high, 4)]
        return rounded | {"interval": interval, "gold": self.gold, "found": self.found}


class Evaluation(NamedTuple):
    """Scores of a tagger on annotated texts.

    Parameters
    ----------
    micro : Score
        Over all labels.
    labels : dict
        Label -> score, sorted by label.
    n_texts, n_groups : int
        What was scored.
    """

    micro: Score
    labels: dict[str, Score]
    n_texts: int
    n_groups: int

    def record(self) -> dict:
        """Return what a card keeps.

        Returns
        -------
        dict
            n_texts, n_groups, micro, labels.
        """
        labels = {label: score.record() for label, score in self.labels.items()}
        return {"n_texts": self.n_texts, "n_groups": self.n_groups, "micro": self.micro.record(), "labels": labels}


class Mistake(NamedTuple):
    """One thing that went wrong in one text.

    `kind` is "missed", "spurious", "wrong boundary" (right label, overlapping span) or "wrong type" (right span, other label). `gold` and
    `found` are the two spans, None where there is none.
    """

    text: int
    kind: str
    gold: Entity | None
    found: Entity | None


def group_names(examples: Sequence[Example]) -> list[str]:
    """Return the group of each example; a text without one is its own, so that equal texts stay together.

    Parameters
    ----------
    examples : sequence of Example
        Any examples.

    Returns
    -------
    list of str
        As many as examples.
    """
    return [example.group or f"\0{example.text}" for example in examples]


def split_groups(examples: Sequence[Example], *, folds: int, fold: int, seed: int = 0) -> tuple[list[Example], list[Example]]:
    """Hold the groups of one fold out.

    Parameters
    ----------
    examples : sequence of Example
        All examples.
    folds : int
        Into how many parts the groups are dealt, by the hash of their names.
    fold : int
        Which part is held out, 0 to folds - 1.
    seed : int, default 0
        Another seed deals otherwise.

    Returns
    -------
    list of Example
        The rest.
    list of Example
        Those held out; no group is on both sides.

    Raises
    ------
    TextDataError
        If one side is empty.

    Examples
    --------
    >>> from nlp.entities import Example
    >>> rest, held_out = split_groups([Example(f"第{number}例") for number in range(100)], folds=5, fold=0)
    >>> len(rest) + len(held_out)
    100
    """
    rest: list[Example] = []
    held_out: list[Example] = []
    for example, name in zip(examples, group_names(examples), strict=True):
        digest = hashlib.sha256(f"{seed}\0{name}".encode("utf-8", "surrogatepass")).digest()
        (held_out if int.from_bytes(digest[:8], "big") % folds == fold else rest).append(example)
    if not rest or not held_out:
        raise TextDataError(
            f"{len(examples)} texts of {len(set(group_names(examples)))} groups cannot be dealt into {folds} parts",
            hint="give more texts, or fewer folds",
        )
    return rest, held_out


def evaluate(examples: Sequence[Example], answers: Sequence[Iterable[Entity]], *, rounds: int = _ROUNDS, seed: int = 0) -> Evaluation:
    """Score the answers to annotated texts.

    Parameters
    ----------
    examples : sequence of Example
        The truth.
    answers : sequence of iterable of Entity
        What was found in each text.
    rounds : int, default 1000
        Bootstrap samples.
    seed : int, default 0
        Of the bootstrap.

    Returns
    -------
    Evaluation
        Micro and for each label that stands in the truth or the answers.

    Examples
    --------
    >>> from nlp.entities import Entity, Example
    >>> gold = [Example("腹痛发热", (Entity(0, 2, "sym"), Entity(2, 4, "sym")))]
    >>> round(evaluate(gold, [[Entity(0, 2, "sym")]]).micro.f1, 3)
    0.667
    """
    truth = [{entity[:3] for entity in example.entities} for example in examples]
    found = [{entity[:3] for entity in answer} for answer in answers]
    labels = sorted({entity[2] for entities in (*truth, *found) for entity in entities})
    names = {name: place for place, name in enumerate(dict.fromkeys(group_names(examples)))}
    place = {label: number for number, label in enumerate(labels)}
    counts = np.zeros((len(names), len(labels), 3))
    for group, gold, answer in zip(group_names(examples), truth, found, strict=True):
        for kind, entities in enumerate((gold & answer, answer, gold)):
            for entity in entities:
                counts[names[group], place[entity[2]], kind] += 1
    random = np.random.default_rng(seed)
    samples = random.multinomial(len(names), np.full(len(names), 1 / len(names)), size=rounds) if names else np.zeros((0, 0))
    scores = {label: _score(counts[:, number], samples) for label, number in place.items()}
    return Evaluation(_score(counts.sum(axis=1), samples), scores, len(examples), len(names))


def _score(counts: np.ndarray, samples: np.ndarray) -> Score:
    """Return the score of counts of shape (n_groups, 3): right, found, gold."""
    right, found, gold = counts.sum(axis=0)
    drawn = samples @ counts
    drawn = drawn[drawn[:, 1] + drawn[:, 2] > 0]
    low, high = np.percentile(2 * drawn[:, 0] / (drawn[:, 1] + drawn[:, 2]), _PERCENTILES) if len(drawn) else (np.nan, np.nan)
    f1 = 2 * right / (found + gold) if found + gold else np.nan
    return Score(int(right), int(found), int(gold), float(f1), float(low), float(high))


def find_mistakes(examples: Sequence[Example], answers: Sequence[Iterable[Entity]]) -> Iterator[Mistake]:
    """Yield everything that went wrong, text by text.

    Each wrong answer is paired with at most one gold entity that no answer got right: first one of the same span, then one of the same
    label that overlaps.

    Parameters
    ----------
    examples : sequence of Example
        The truth.
    answers : sequence of iterable of Entity
        What was found in each text.

    Yields
    ------
    Mistake
        In the order of the texts.
    """
    for number, (example, answer) in enumerate(zip(examples, answers, strict=True)):
        gold = {entity[:3]: entity for entity in example.entities}
        found = {entity[:3]: entity for entity in answer}
        open_gold = [entity for key, entity in sorted(gold.items()) if key not in found]
        open_found = [entity for key, entity in sorted(found.items()) if key not in gold]
        for kind, fits in (("wrong type", _same_span), ("wrong boundary", _same_label)):
            for entity in list(open_found):
                match = next((other for other in open_gold if fits(entity, other)), None)
                if match is not None:
                    yield Mistake(number, kind, match, entity)
                    open_gold.remove(match)
                    open_found.remove(entity)
        yield from (Mistake(number, "missed", entity, None) for entity in open_gold)
        yield from (Mistake(number, "spurious", None, entity) for entity in open_found)


def _same_span(one: Entity, other: Entity) -> bool:
    return one[:2] == other[:2]


def _same_label(one: Entity, other: Entity) -> bool:
    return one.label == other.label and one.start < other.end and other.start < one.end
