"""What every model that scores spans shares: windows of a long text, which spans may stand together, the choice among candidates."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nlp.entities import Entity, Example

__all__ = ["FLOOR", "Nesting", "SpanTagger", "choose", "cut_windows", "learn_nesting"]

#: Candidates below this probability are dropped at once.
FLOOR = 0.02

_SENTENCE_END = re.compile(r"[。；;！？!?\n]+")
_SOFT_END = re.compile(r"[，,、：:\s]")
#: A pair of labels has to be seen nested this often, and in this share of the inner label's mentions, to be allowed.
_SEEN = 3
_SHARE = 0.002


def cut_windows(text: str, limit: int = 128) -> list[tuple[int, int]]:
    """Cut a text into stretches that a model reads at once: whole sentences, as many as fit.

    Parameters
    ----------
    text : str
        Any text.
    limit : int, default 128
        Longest stretch in characters. A longer sentence is cut at a comma, or anywhere where it has none.

    Returns
    -------
    list of (int, int)
        Start and end of each stretch; together they are the text.

    Examples
    --------
    >>> cut_windows("腹痛。发热，咳嗽。", limit=7)
    [(0, 3), (3, 9)]
    """
    windows: list[tuple[int, int]] = []
    for start, end in _pieces(text, limit):
        if windows and end - windows[-1][0] <= limit:
            windows[-1] = (windows[-1][0], end)
        else:
            windows.append((start, end))
    return windows


def _pieces(text: str, limit: int) -> Iterable[tuple[int, int]]:
    start = 0
    for end in (*(found.end() for found in _SENTENCE_END.finditer(text)), len(text)):
        while end - start > limit:
            soft = [found.end() for found in _SOFT_END.finditer(text, start + limit // 2, start + limit)]
            cut = soft[-1] if soft else start + limit
            yield start, cut
            start = cut
        if end > start:
            yield start, end
            start = end


class Nesting(NamedTuple):
    """Which labels may lie inside which: pairs of (outer, inner). The same stretch never bears two labels."""

    pairs: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def of(cls, pairs: Iterable[Sequence[str]]) -> Nesting:
        """Return the nesting of pairs as a model's folder lists them."""
        return cls(frozenset((outer, inner) for outer, inner in pairs))

    def allows(self, one: Entity, other: Entity) -> bool:
        """Tell whether two spans may both stand: apart, or one inside the other in a pair of labels that nests."""
        if one.end <= other.start or other.end <= one.start:
            return True
        outer, inner = (one, other) if one.end - one.start > other.end - other.start else (other, one)
        if outer[:2] == inner[:2]:
            return False
        return outer.start <= inner.start and inner.end <= outer.end and (outer.label, inner.label) in self.pairs


class SpanTagger(ABC):
    """A model that gives spans a probability and answers with the likeliest that may stand together.

    Parameters
    ----------
    labels : iterable of str
        The labels that it can give.
    nesting : Nesting
        Which labels may lie inside which.
    threshold : float
        Least probability of an answer.
    version : str
        Name and hash, as written into results.
    """

    def __init__(self, labels: Iterable[str], *, nesting: Nesting, threshold: float, version: str) -> None:
        self.labels, self.nesting, self.threshold, self.version = tuple(sorted(set(labels))), nesting, threshold, version

    @abstractmethod
    def candidates(self, texts: Sequence[str]) -> Iterator[list[Entity]]:
        """Yield, for each text, every span whose probability reaches :data:`FLOOR`, overlapping ones included, in any order.

        Parameters
        ----------
        texts : sequence of str
            Any texts, of any length.

        Yields
        ------
        list of Entity
            `score` is the span's probability.
        """

    def tag(self, texts: Sequence[str]) -> list[tuple[Entity, ...]]:
        """Find the entities of each text.

        Parameters
        ----------
        texts : sequence of str
            Any texts, of any length.

        Returns
        -------
        list of tuple of Entity
            In order of (start, -end, label).
        """
        return [choose(found, threshold=self.threshold, nesting=self.nesting) for found in self.candidates(texts)]


def learn_nesting(examples: Sequence[Example]) -> Nesting:
    """Return the pairs of labels that nest in a corpus often enough to be meant.

    Parameters
    ----------
    examples : sequence of Example
        With all entities.

    Returns
    -------
    Nesting
        Empty where the corpus is flat.
    """
    pairs: Counter[tuple[str, str]] = Counter()
    inner_total: Counter[str] = Counter()
    for example in examples:
        ordered = sorted(example.entities, key=lambda entity: (entity.start, -entity.end))
        for place, outer in enumerate(ordered):
            inner_total[outer.label] += 1
            for inner in ordered[place + 1 :]:
                if inner.start >= outer.end:
                    break
                if inner.end <= outer.end and inner[:2] != outer[:2]:
                    pairs[outer.label, inner.label] += 1
    return Nesting(frozenset(pair for pair, count in pairs.items() if count >= max(_SEEN, _SHARE * inner_total[pair[1]])))


def choose(candidates: Iterable[Entity], *, threshold: float, nesting: Nesting) -> tuple[Entity, ...]:
    """Choose the best candidates that may stand together.

    Parameters
    ----------
    candidates : iterable of Entity
        Spans with their probabilities.
    threshold : float
        Least probability.
    nesting : Nesting
        What may lie inside what.

    Returns
    -------
    tuple of Entity
        In order of (start, -end, label).

    Examples
    --------
    >>> from nlp.entities import Entity
    >>> found = [Entity(0, 4, "sym", 0.9), Entity(0, 2, "bod", 0.6), Entity(2, 6, "sym", 0.7)]
    >>> [entity[:3] for entity in choose(found, threshold=0.5, nesting=Nesting(frozenset({("sym", "bod")})))]
    [(0, 4, 'sym'), (0, 2, 'bod')]
    """
    chosen: list[Entity] = []
    covered: dict[int, list[Entity]] = {}
    for entity in sorted((each for each in candidates if each.score >= threshold), key=lambda each: (-each.score, each)):
        rivals = {other for place in range(entity.start, entity.end) for other in covered.get(place, ())}
        if all(nesting.allows(entity, other) for other in rivals):
            chosen.append(entity)
            for place in range(entity.start, entity.end):
                covered.setdefault(place, []).append(entity)
    return tuple(sorted(chosen, key=lambda each: (each.start, -each.end, each.label)))
