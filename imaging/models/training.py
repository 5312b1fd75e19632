"""From a task to a bundle: one loop for one process or many, that a kill at any moment does not change.

Everything that chance decides is drawn from the task's seed, the epoch and the case, and the checkpoint holds the rest: the same task on
the same machine with as many threads gives the same weights, with or without a kill between. With N processes (torchrun) each takes every
Nth case of a batch: gradients are those of one process but for rounding (and batch normalisation, which looks at a process's cases).
"""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import distributed
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from imaging.errors import MissingPart, ModelError, PlaceError, TaskError
from imaging.models.augmenting import augmented, generator_for
from imaging.models.bundle import load_weights, open_bundle
from imaging.models.cases import cases_of
from imaging.models.checkpoint import State, read_checkpoint, write_checkpoint
from imaging.models.evaluation import VALIDATED, evaluate, score_of, threshold_of, truth_of
from imaging.models.inference import Model
from imaging.models.logs import EventFile
from imaging.models.networks import build_network, laid_out
from imaging.models.packing import Learnt, check_free, write_bundle
from imaging.models.preparing import CaseSet
from imaging.models.split import kept_apart, split_cases, write_leaks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import nn

    from imaging.models.bundle import Bundle
    from imaging.models.cases import Case
    from imaging.models.task import Task

__all__ = ["Epoch", "Step", "train"]


class Epoch(NamedTuple):
    """What an epoch came to.

    Parameters
    ----------
    epoch, epochs : int
        Which one, from 1, of at most how many.
    loss : float
        Mean of the training.
    score : float
        Of validation: area under the curve, mean Dice, or mean sensitivity of the free-response curve.
    best, best_epoch : float, int
        Best score so far, and when.
    seconds : float
        That it took.
    """

    epoch: int
    epochs: int
    loss: float
    score: float
    best: float
    best_epoch: int
    seconds: float


class Step(NamedTuple):
    """Where within an epoch a training stands.

    Parameters
    ----------
    epoch, epochs : int
        Which one, from 1, of at most how many.
    step, steps : int
        Steps of it that are done, and how many it has.
    seconds : float
        Since it began.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    seconds: float


class _Place(NamedTuple):
    """Which process this is, of how many, and what it computes on."""

    rank: int
    world: int
    device: str


def train(
    task: Task,
    out: str | os.PathLike[str],
    *,
    work: str | os.PathLike[str] | None = None,
    cache: str | os.PathLike[str] | None = None,
    device: str = "",
    progress: Callable[[Epoch], None] | None = None,
    steps: Callable[[Step], None] | None = None,
    force: bool = False,
) -> Bundle | None:
    """Train what a task asks for, or go on where a killed training stood, and write the bundle.

    Parameters
    ----------
    task : Task
        With paths that exist.
    out : path
        Folder of the bundle.
    work : path, optional
        Folder of checkpoint, event files, and leaks.csv where cases are on both sides of the split; `out` with .work unless given. It holds
        weights, scores, and the keys of those cases.
    cache : path, optional
        Folder of prepared cases, which are images of patients. Unless given they are kept in memory.
    device : str, optional
        cpu, cuda ...; cuda where there is one, unless given. Under torchrun each process takes its own.
    progress : callable, optional
        Called after each epoch, in the first process.
    steps : callable, optional
        Called after each step, in the first process.
    force : bool
        Whether a bundle at `out` is replaced.

    Returns
    -------
    Bundle or None
        As written and opened again; None in every process but the first.

    Raises
    ------
    TaskError
        If the task does not go with its data, or cases for training leak into validation or test.
    ImageDataError, ModelError, PlaceError, MissingPart
        If data, checkpoint, place or device are not what they must be.
    """
    out = Path(out)
    check_free(out, force=force)
    work = Path(work or f"{out}.work")
    with _processes(device) as place:
        try:
            trainer = _Trainer(task, work, Path(cache) if cache else None, place)
            trainer.run(progress or (lambda _: None), steps or (lambda _: None))
            return None if place.rank else trainer.write(out, force=force)
        except OSError as error:  # of event files and of data that went away; the others are told where they happen
            raise PlaceError(
                f"{error.filename or work}: {error.strerror or type(error).__name__}", hint="make room; look at the paths"
            ) from error


@contextmanager
def _processes(device: str) -> Iterator[_Place]:
    """Join the other processes that torchrun started, if it did; the device and its switches for the time of the training."""
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if device.startswith("cuda"):
        if not torch.cuda.is_available():
            raise MissingPart("there is no CUDA device here", hint="leave the device out, or say cpu")
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if device == "cuda" else device
        torch.cuda.set_device(device)
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    filled, torch.utils.deterministic.fill_uninitialized_memory = torch.utils.deterministic.fill_uninitialized_memory, False
    torch.use_deterministic_algorithms(True, warn_only=True)
    joined = world > 1 and not distributed.is_initialized()
    if joined:
        distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield _Place(rank, world, device)
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.utils.deterministic.fill_uninitialized_memory = filled
        if joined:
            distributed.destroy_process_group()


class _Trainer:
    """One training: network, running mean, optimiser, and where it stands."""

    def __init__(self, task: Task, work: Path, cache: Path | None, place: _Place) -> None:
        self.task, self.place, self.work = task, place, work
        parts = split_cases(cases_of(task), task.split)
        whole = CaseSet([case for part in parts for case in part], task.transforms, cache)
        self.data_digest = whole.look_at_all()
        self.parts, self.leaks = kept_apart(parts, whole.marks, task.split)
        self.train, self.validation, self.test = (whole.of(part) for part in self.parts)
        self.channels = self.train[0].image.shape[0]
        self._build()

    def _build(self) -> None:
        task, training = self.task, self.task.training
        torch.manual_seed(training.seed)
        sizes = {"dims": len(task.window), "channels": self.channels, "classes": len(task.classes)}
        self.network = build_network(task.network, kind=task.kind, **sizes)
        if task.initial:
            load_weights(self.network, task.initial.file, sha256=task.initial.sha256)
        laid_out(self.network, len(task.window), self.place.device)
        _check_window(self.network, self.channels, task.window, self.place.device)
        self.average = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        self.best = dict(self.average)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=0.0, weight_decay=training.weight_decay)
        self.scaler = torch.amp.GradScaler(self.place.device.split(":")[0], enabled=training.precision == "float16")
        digest = hashlib.sha256(f"{task.model_dump_json(exclude={'data'})}{self.data_digest}".encode()).hexdigest()
        self.state = State(task=digest)
        self.weights = _class_weights(self.train, len(task.classes)) if training.balance else None

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return max(1, len(self.train) * self.task.training.patches // self.task.training.batch)

    def run(self, progress: Callable[[Epoch], None], steps: Callable[[Step], None]) -> None:
        """Train until the last epoch, or until validation has not improved for long enough."""
        self._resume()
        events = None
        if self.place.rank == 0:
            events = EventFile(self.work / "events")
            write_leaks(self.work / "leaks.csv", self.leaks)
        whole = DistributedDataParallel(self.network) if self.place.world > 1 else self.network
        training, state = self.task.training, self.state
        while state.epoch < training.epochs and state.epoch - state.best_epoch < training.patience:
            began = time.monotonic()
            loss = self._epoch(whole, state.epoch, steps)
            score = self._score()
            state.epoch += 1
            if score >= state.best:
                state.best, state.best_epoch = score, state.epoch
                self.best = {name: tensor.clone() for name, tensor in self.average.items()}
            state.history.append({"epoch": state.epoch, "loss": loss, "score": score})
            if events:
                write_checkpoint(self.work / "checkpoint.safetensors", state, self._tensors())
                events.write(state.epoch, {"loss/train": loss, "score/validation": score})
                progress(Epoch(state.epoch, training.epochs, loss, score, state.best, state.best_epoch, time.monotonic() - began))

    def write(self, out: Path, *, force: bool) -> Bundle:
        """Measure the best weights on the test cases, once, and write the bundle."""
        self.network.load_state_dict(self.best)
        model = self._model(flips=self.task.flips, precision="float32")  # as the bundle will be asked
        threshold = threshold_of(self.task, model, self.validation)
        results = {"validation": evaluate(self.task, model, self.validation, threshold)}
        if len(self.test):
            results["test"] = evaluate(self.task, model, self.test, threshold)
        data = {
            part: {"n_cases": len(cases), "n_patients": len({case.patient for case in cases})} | _by_class(cases, self.task.classes)
            for part, cases in self.parts._asdict().items()
        }
        learnt = Learnt(
            task=self.task,
            network=self.network.cpu(),
            channels=self.channels,
            threshold=threshold,
            results=results,
            data=data | {"sha256": self.data_digest, "leaks": dict(sorted(Counter(leak.kind for leak in self.leaks).items()))},
            history=self.state.history,
            best_epoch=self.state.best_epoch,
        )
        write_bundle(learnt, out, force=force)
        return open_bundle(out)

    def _model(self, *, precision: str, flips: tuple[str, ...] = ()) -> Model:
        task = self.task
        return Model(
            self.network,
            window=task.window,
            classes=len(task.classes),
            flips=flips,
            device=self.place.device,
            precision=precision,
        )

    def _epoch(self, whole: nn.Module, epoch: int, steps: Callable[[Step], None]) -> float:
        """Learn from every patch once and return the mean loss."""
        training, place = self.task.training, self.place
        order = torch.randperm(len(self.train) * training.patches, generator=generator_for(training.seed, epoch)).tolist()
        whole.train()
        total, began = torch.zeros((), dtype=torch.float64), time.monotonic()
        for step in range(self.steps):
            chosen = order[step * training.batch : (step + 1) * training.batch]
            if len(chosen) < place.world:
                raise TaskError(f"found {len(chosen)} cases a step for {place.world} processes", hint="a larger batch, or fewer processes")
            mine = chosen[: len(chosen) // place.world * place.world][place.rank :: place.world]
            total += self._step(whole, mine, epoch, epoch * self.steps + step)
            if place.rank == 0:
                steps(Step(epoch + 1, training.epochs, step + 1, self.steps, time.monotonic() - began))
        if place.world > 1:
            total = total.to(place.device)
            distributed.all_reduce(total)
        loss = float(total) / self.steps / place.world
        if not math.isfinite(loss):
            raise ModelError("the loss is no number any more", hint="a smaller learning_rate, or float32")
        return loss

    def _step(self, whole: nn.Module, chosen: list[int], epoch: int, step: int) -> float:
        training = self.task.training
        images, truth = self._batch(chosen, epoch)
        torch.manual_seed(generator_for(training.seed, step, self.place.rank, 1).initial_seed())  # of dropout
        for group in self.optimiser.param_groups:
            group["lr"] = training.learning_rate * _pace(step / (self.steps * training.epochs))
        kind = getattr(torch, training.precision)
        with torch.autocast(self.place.device.split(":")[0], dtype=kind, enabled=kind is not torch.float32):
            scores = whole(images)
        loss = self._loss(scores.float(), truth)
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self._follow(step)
        return float(loss.detach())

    def _batch(self, chosen: list[int], epoch: int) -> tuple[torch.Tensor, torch.Tensor | list[np.ndarray]]:
        task = self.task
        images, truth = [], []
        for number in chosen:
            index, chance = number % len(self.train), generator_for(task.training.seed, epoch, number, 2)
            image, known = augmented(self.train[index], task.window, task.augment, chance, task.axis_spacing)
            images.append(image)
            truth.append(torch.tensor(self.train.cases[index].label) if known is None else known)
        told = truth if task.kind == "detection" else torch.stack(truth).to(self.place.device)
        return torch.stack(images).to(self.place.device), told

    def _loss(self, scores: torch.Tensor, truth: torch.Tensor | list[np.ndarray]) -> torch.Tensor:
        training = self.task.training
        if training.loss == "atss":
            return self.network.loss(scores, truth, self.task.window)
        entropy = functional.cross_entropy(scores, truth, reduction="none", label_smoothing=training.label_smoothing)
        if self.weights is not None:
            entropy = entropy * self.weights.to(truth.device)[truth]
        if training.loss == "cross_entropy":
            return entropy.mean()
        from monai.losses import DiceLoss

        return entropy.mean() + DiceLoss(softmax=True, to_onehot_y=True)(scores, truth[:, None])

    def _follow(self, step: int) -> None:
        """Move the running mean of the weights; it moves faster at first, when there is little to remember."""
        decay = min(self.task.training.average, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, tensor in self.network.state_dict().items():
                if tensor.is_floating_point():
                    self.average[name].lerp_(tensor, 1 - decay)
                else:
                    self.average[name].copy_(tensor)

    def _score(self) -> float:
        """Return the validation of the running mean; each process asks of its share of the cases."""
        place, cases = self.place, self.validation
        mine = range(place.rank, len(cases), place.world)
        last = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        self.network.load_state_dict(self.average)
        model = self._model(precision=self.task.training.precision)
        found = VALIDATED[self.task.kind](model, cases, mine)
        self.network.load_state_dict(last)
        table = torch.zeros((len(cases), found.shape[1]), dtype=torch.float64, device=place.device)
        table[list(mine)] = torch.from_numpy(found).double().to(place.device)
        if place.world > 1:
            distributed.all_reduce(table)
        return score_of(table.cpu().numpy(), self.validation)

    def _tensors(self) -> dict[str, dict[str, torch.Tensor]]:
        moments = {
            f"{index}.{name}": value for index, those in self.optimiser.state_dict()["state"].items() for name, value in those.items()
        }
        self.state.scaler = self.scaler.state_dict()
        return {"network": self.network.state_dict(), "average": self.average, "best": self.best, "optimiser": moments}

    def _resume(self) -> None:
        found = read_checkpoint(self.work / "checkpoint.safetensors", self.state.task)
        if found is None:
            return
        self.state, tensors = found
        self.network.load_state_dict(tensors["network"])
        self.average, self.best = ({name: each.to(self.place.device) for name, each in tensors[key].items()} for key in ("average", "best"))
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for name, value in tensors["optimiser"].items():
            index, _, rest = name.partition(".")
            moments.setdefault(int(index), {})[rest] = value
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": moments})
        self.scaler.load_state_dict(self.state.scaler)


def _by_class(cases: Sequence[Case], classes: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return how many cases each class has; nothing where a case has no class."""
    counts = Counter(case.label for case in cases if case.label is not None)
    return {"by_class": {name: counts[number] for number, name in enumerate(classes)}} if counts else {}


def _check_window(network: nn.Module, channels: int, window: tuple[int, ...], device: str) -> None:
    """Show the network one empty window, so that one that its steps do not divide is refused before the training."""
    try:
        with torch.inference_mode():
            network.eval()(torch.zeros(1, channels, *window, device=device))
    except (RuntimeError, ValueError) as error:
        raise TaskError(
            f"the network cannot take windows of {' x '.join(map(str, window))}",
            hint="lengths that its steps divide, such as multiples of 32",
        ) from error


def _class_weights(cases: CaseSet, classes: int) -> torch.Tensor:
    """Return weights with which each class counts the same, 1 on average over the cases."""
    counts = np.bincount(truth_of(cases.cases), minlength=classes)
    return torch.from_numpy(counts.sum() / (np.maximum(counts, 1) * (counts > 0).sum())).float()


def _pace(share: float) -> float:
    """Return the learning rate's part of its peak after a share of all steps: up for a tenth, then down by a cosine."""
    return share / 0.1 if share < 0.1 else (1 + math.cos(math.pi * (share - 0.1) / 0.9)) / 2
