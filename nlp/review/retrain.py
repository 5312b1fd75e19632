"""A model learns from corrections: trained beside the old one, compared with it on gold, taken over only when told to."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from nlp.entities.evaluation import evaluate, group_names, split_groups
from nlp.entities.training import Request, train_model
from nlp.errors import ModelError, TextDataError
from nlp.models import ModelCard, open_model, read_card

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nlp.entities import Entity, Example
    from nlp.entities.evaluation import Evaluation

__all__ = ["Changed", "Retrained", "TypeChange", "retrain", "swap_folders"]

_FOLDS, _SEEDS = 4, 32
_EXCHANGE = 2  # RENAME_EXCHANGE of renameat2(2)
_HERE = -100  # AT_FDCWD


class TypeChange(NamedTuple):
    """F1 of a label on the gold before and after, with how many gold entities it has; the label is empty for all together."""

    label: str
    n_gold: int
    before: float
    after: float


class Changed(NamedTuple):
    """A gold text that the two models answer differently, and how many of the entities each gets wrong (spurious and missed)."""

    example: Example
    before: tuple[Entity, ...]
    after: tuple[Entity, ...]
    wrong_before: int
    wrong_after: int


@dataclass(frozen=True)
class Retrained:
    """A model that waits to be taken over, beside the one in use.

    Parameters
    ----------
    model, candidate : Path
        Folder of the model in use and of the new one.
    card : ModelCard
        Of the new one.
    types : tuple of TypeChange
        All together first, then label by label.
    better, worse : tuple of Changed
        Gold texts with fewer or more wrong entities than before.
    n_gold : int
        Gold texts that both models were asked; neither learnt from them here.
    base_version : str
        Version of the model in use when this was made.
    """

    model: Path
    candidate: Path
    card: ModelCard
    types: tuple[TypeChange, ...]
    better: tuple[Changed, ...]
    worse: tuple[Changed, ...]
    n_gold: int
    base_version: str

    def take_over(self) -> Path:
        """Put the new model in the place of the old one, in one step; a reader finds the one or the other, never none.

        Returns
        -------
        Path
            Where the old model lies now, should it be wanted back.

        Raises
        ------
        ModelError
            If the model in use is another than the one this was compared with, or the new one's bytes were changed.
        """
        if read_card(self.model).version != self.base_version:
            raise ModelError(
                f"{self.model.name} was replaced since it was compared with the retrained model",
                hint="retrain: compare with what is in use",
            )
        open_model(self.candidate)  # checks every byte
        swap_folders(self.model, self.candidate)
        old = self.candidate.with_name(f"{self.model.name}.{self.base_version}.previous")
        if old.exists():
            shutil.rmtree(old)
        self.candidate.rename(old)
        return old

    def discard(self) -> None:
        """Remove the new model; the one in use stays."""
        shutil.rmtree(self.candidate, ignore_errors=True)


def retrain(
    model: Path | str,
    base: Sequence[Example],
    corrections: Sequence[Example],
    *,
    gold: Sequence[Example] | None = None,
    request: Request | None = None,
    progress: Callable[[float, str], None] | None = None,
) -> Retrained:
    """Train a model on its texts and the corrections, and compare it with the one in use on gold that it did not learn from.

    Nothing is taken over: see :meth:`Retrained.take_over`.

    Parameters
    ----------
    model : path
        Folder of the model in use.
    base : sequence of Example
        The texts that it learnt from.
    corrections : sequence of Example
        What the review gave; a text that stands in `base` too takes its place.
    gold : sequence of Example, optional
        What both models are asked; these texts and their groups are left out of the training. By default a quarter of the corrections,
        groups (patients) uncut, the same each time.
    request : Request, optional
        How to train; the kind of the CRF if not said, which takes seconds.
    progress : callable, optional
        As :func:`nlp.entities.training.train_model` takes it.

    Returns
    -------
    Retrained
        The comparison, and what takes the new model over.

    Raises
    ------
    TextDataError
        If there is no correction, or too few to hold any out and no `gold`.
    ModelError
        If the model in use cannot be opened.
    """
    model = Path(model)
    if not corrections:
        raise TextDataError("there is no correction to learn from", hint="review first: review.training_examples()")
    now, version = open_model(model), read_card(model).version
    learn, asked = _split(corrections, gold)
    texts = {example.text for example in (*asked, *learn)}
    groups = {example.group for example in asked if example.group}
    kept = [example for example in base if example.text not in texts and example.group not in groups]
    candidate = model.with_name(f".{model.name}.{uuid4().hex[:12]}.candidate")
    request = request or Request(kind="crf", name=model.name)
    try:
        card = train_model([*kept, *learn], candidate, request, data_name="base and corrections", progress=progress)
        # Both were compared on the same texts; the model in use may have learnt some of them, which can only flatter it.
        before, after = (tagger.tag([example.text for example in asked]) for tagger in (now, open_model(candidate)))
        better, worse = _changed(asked, before, after)
        return Retrained(model, candidate, card, _types(asked, before, after), better, worse, len(asked), version)
    except BaseException:
        shutil.rmtree(candidate, ignore_errors=True)
        raise


def _split(corrections: Sequence[Example], gold: Sequence[Example] | None) -> tuple[list[Example], list[Example]]:
    """Return what to learn from and what to ask; no text and no group stands in both."""
    if gold is None:
        learn, asked = _held_out(corrections)
    else:
        learn, asked = list(corrections), list(gold)
    texts, groups = {example.text for example in asked}, {example.group for example in asked if example.group}
    rest = [example for example in learn if example.text not in texts and example.group not in groups]
    if not rest or not asked:
        raise TextDataError("no correction is left to learn from beside the gold", hint="review more, or give other gold")
    return rest, asked


def _held_out(corrections: Sequence[Example]) -> tuple[list[Example], list[Example]]:
    folds = min(_FOLDS, len(set(group_names(corrections))))
    if folds < 2:
        raise TextDataError("the corrections come from one patient: none can be held out", hint="review more, or give gold=")
    for seed in range(_SEEDS):  # few groups may all fall on one side
        try:
            return split_groups(corrections, folds=folds, fold=0, seed=seed)
        except TextDataError:
            continue
    raise TextDataError("the corrections cannot be parted into two", hint="review more, or give gold=")


def _types(gold: Sequence[Example], before: Sequence[tuple], after: Sequence[tuple]) -> tuple[TypeChange, ...]:
    one, two = (evaluate(gold, answers, rounds=1) for answers in (before, after))
    labels = sorted({entity.label for example in gold for entity in example.entities} | set(one.labels) | set(two.labels))
    counts: dict[str, int] = defaultdict(int)
    for example in gold:
        for entity in example.entities:
            counts[entity.label] += 1
    rows = [TypeChange("", sum(counts.values()), one.micro.f1, two.micro.f1)]
    return tuple(rows + [TypeChange(label, counts[label], _f1(one, label), _f1(two, label)) for label in labels])


def _f1(evaluation: Evaluation, label: str) -> float:
    return evaluation.labels[label].f1 if label in evaluation.labels else float("nan")


def _changed(
    gold: Sequence[Example], before: Sequence[tuple[Entity, ...]], after: Sequence[tuple[Entity, ...]]
) -> tuple[tuple[Changed, ...], tuple[Changed, ...]]:
    better, worse = [], []
    for example, old, new in zip(gold, before, after, strict=True):
        truth = {entity[:3] for entity in example.entities}
        wrong = [len(truth ^ {entity[:3] for entity in answer}) for answer in (old, new)]
        if wrong[0] != wrong[1]:
            (better if wrong[1] < wrong[0] else worse).append(Changed(example, old, new, *wrong))
    return tuple(better), tuple(worse)


def swap_folders(one: Path, other: Path) -> None:
    """Exchange two folders of one file system in one step (Linux, renameat2 with RENAME_EXCHANGE).

    Where the file system cannot do so, the first is put aside and the second renamed to it: for a moment there is none, and a kill
    in it leaves both under other names.

    Parameters
    ----------
    one, other : Path
        Both exist.
    """
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is not None and rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0:
        return
    fault = ctypes.get_errno() if rename is not None else errno.ENOSYS
    if fault not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
        raise OSError(fault, os.strerror(fault), str(one))
    aside = one.with_name(f".{one.name}.{uuid4().hex}.old")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)
