"""How much to believe each of two models, and from which probability on: found on texts that neither learnt from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nlp.entities import Entity
from nlp.entities.spans import choose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nlp.entities.spans import Nesting

__all__ = ["WEIGHTS", "Mixture", "find_mixture", "mix"]

#: Weights of the encoder that are tried.
WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
_THRESHOLDS = (0.3, 0.35, 0.4, 0.45, 0.5)
#: Fewer held-out entities than this decide nothing: the usual mixture is taken.
_ENOUGH = 150


class Mixture(NamedTuple):
    """How the two are joined.

    Parameters
    ----------
    encoder : float
        Weight of the encoder's probability; the CRF's has the rest.
    threshold : float
        Least mean probability of an answer.
    """

    encoder: float = 0.6
    threshold: float = 0.35


def mix(one: Sequence[Entity], other: Sequence[Entity], weight: float) -> list[Entity]:
    """Return the weighted mean of two models' probabilities; a span that one does not name has 0 from it.

    Parameters
    ----------
    one, other : sequence of Entity
        Candidates for one text.
    weight : float
        Of the first; the second has the rest.

    Returns
    -------
    list of Entity
        In order of (start, end, label).

    Examples
    --------
    >>> mix([Entity(0, 2, "sym", 0.5)], [Entity(0, 2, "sym", 1.0), Entity(1, 2, "bod", 0.5)], 0.5)
    [Entity(start=0, end=2, label='sym', score=0.75), Entity(start=1, end=2, label='bod', score=0.25)]
    """
    scores: dict[tuple[int, int, str], float] = {}
    for entities, share in ((one, weight), (other, 1 - weight)):
        for start, end, label, score in entities:
            key = (start, end, label)
            scores[key] = scores.get(key, 0.0) + share * score
    return [Entity(*key, score) for key, score in sorted(scores.items())]


def find_mixture(
    gold: Sequence[Sequence[Entity]],
    one: Sequence[Sequence[Entity]],
    other: Sequence[Sequence[Entity]],
    nesting: Nesting,
    *,
    weights: Sequence[float] = WEIGHTS,
    usual: Mixture = Mixture(),  # noqa: B008  (a tuple of numbers)
) -> Mixture:
    """Return the mixture with the best strict micro-F1, by the mean with its neighbours.

    Parameters
    ----------
    gold : sequence of sequence of Entity
        The truth of each held-out text.
    one, other : sequence of sequence of Entity
        Candidates of encoder and CRF.
    nesting : Nesting
        Which labels may lie inside which.
    weights : sequence of float
        Weights of the encoder to try.
    usual : Mixture
        What is taken where too little is held out to tell.

    Returns
    -------
    Mixture
        The best.
    """
    truth = {(number, *entity[:3]) for number, entities in enumerate(gold) for entity in entities}
    if len(truth) < _ENOUGH:
        return usual
    scores: dict[Mixture, float] = {}
    for weight in weights:
        mixed = [mix(*pair, weight) for pair in zip(one, other, strict=True)]
        for threshold in _THRESHOLDS:
            chosen = (choose(each, threshold=threshold, nesting=nesting) for each in mixed)
            found = {(number, *entity[:3]) for number, entities in enumerate(chosen) for entity in entities}
            scores[Mixture(weight, threshold)] = 2 * len(found & truth) / max(1, len(found) + len(truth))
    # A held-out set of this size cannot tell neighbours apart: the mean over the neighbourhood can.
    return max(scores, key=lambda mixture: (_smoothed(mixture, scores), mixture))


def _smoothed(mixture: Mixture, scores: dict[Mixture, float]) -> float:
    near = [
        score
        for other, score in scores.items()
        if abs(other.encoder - mixture.encoder) < 0.11 and abs(other.threshold - mixture.threshold) < 0.06
    ]
    return sum(near) / len(near)
