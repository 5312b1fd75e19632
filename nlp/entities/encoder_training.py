"""Training of the encoder against the clock: the learning rate falls to nothing when the time is up, whatever the machine managed by then.

Given `steps` instead of `minutes`, the same seed, data and number of threads give the same weights; a model's card says how many steps it
took.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from nlp.entities.encoder import EncoderPlan, EncoderSettings, EncoderTagger, batches, pack
from nlp.entities.networks import SpanNetwork, device, half_arrays, rebuilt, span_loss
from nlp.entities.pretrained import SPECIAL, keep_characters, rows_of
from nlp.entities.spans import cut_windows, learn_nesting
from nlp.errors import TextDataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nlp.entities import Example
    from nlp.entities.pretrained import Pretrained

__all__ = ["Trained", "train_network"]


class Trained(NamedTuple):
    """A trained tagger and what the training took."""

    tagger: EncoderTagger
    steps: int
    epochs: float
    seconds: float
    cpu_seconds: float

    def record(self) -> dict:
        """Return what the training took, for a model's card."""
        return {
            "steps": self.steps,
            "epochs": round(self.epochs, 2),
            "seconds": round(self.seconds, 1),
            "cpu_seconds": round(self.cpu_seconds, 1),
        }


class _Item(NamedTuple):
    rows: list[int]
    spans: list[tuple[int, int, int]]


def train_network(
    examples: Sequence[Example], pretrained: Pretrained, plan: EncoderPlan, *, progress: Callable[[float], None] | None = None
) -> Trained:
    """Train an encoder.

    Parameters
    ----------
    examples : sequence of Example
        Texts with all entities.
    pretrained : Pretrained
        Trunk to begin from.
    plan : EncoderPlan
        Time, seed and rates.
    progress : callable, optional
        Takes the share that is done, 0 to 1.

    Returns
    -------
    Trained
        Ready to use.

    Raises
    ------
    TextDataError
        If there is no entity to learn from.
    """
    labels = tuple(sorted({entity.label for example in examples for entity in example.entities}))
    if not labels:
        raise TextDataError("the training texts hold no entity", hint="give annotated texts")
    pretrained = keep_characters(pretrained, {character for example in examples for character in example.text})
    window = min(plan.window, pretrained.shape.positions - 2)  # the two outer tokens have places too
    settings = EncoderSettings(pretrained.name, pretrained.shape, pretrained.characters, labels, learn_nesting(examples), window)
    torch.manual_seed(plan.seed)
    network = SpanNetwork(pretrained.shape, len(pretrained.characters) + SPECIAL, len(labels))
    network.backbone.load_state_dict({name: torch.from_numpy(array) for name, array in pretrained.arrays.items()})
    run = _Run(network.to(device()), _items(examples, settings, network.head.width), plan, progress)
    run.go()
    # The weights that are kept are the weights that are judged: half precision from here on.
    network = rebuilt(settings.shape, len(labels), half_arrays(network))
    return Trained(EncoderTagger(settings, network), run.step, run.epochs, run.seconds, run.cpu_seconds)


def _items(examples: Sequence[Example], settings: EncoderSettings, width: int) -> list[_Item]:
    table = {character: row for row, character in enumerate(settings.characters, SPECIAL)}
    number = {label: place for place, label in enumerate(settings.labels)}
    items = []
    for example in examples:
        for start, end in cut_windows(example.text, settings.window):
            inside = [
                entity for entity in example.entities if start <= entity.start < entity.end <= end and entity.end - entity.start <= width
            ]
            spans = [(entity.start - start, entity.end - 1 - start, number[entity.label]) for entity in inside]
            items.append(_Item(rows_of(example.text[start:end], table), spans))
    return items


class _Run:
    """One training run."""

    def __init__(self, network: SpanNetwork, items: list[_Item], plan: EncoderPlan, progress: Callable[[float], None] | None) -> None:
        self.network, self.items, self.plan, self.progress = network, items, plan, progress
        self.step, self.seen = 0, 0
        self._started = time.monotonic(), time.process_time()
        self._order = np.random.default_rng(plan.seed)
        self._noise = torch.Generator().manual_seed(plan.seed)
        self._optimizer = torch.optim.AdamW(_groups(network, plan), betas=(0.9, 0.98), fused=True)
        self._size = sum(len(item.rows) for item in items)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started[0]

    @property
    def cpu_seconds(self) -> float:
        return time.process_time() - self._started[1]

    @property
    def epochs(self) -> float:
        return self.seen / max(1, self._size)

    @property
    def done(self) -> float:
        return self.step / self.plan.steps if self.plan.steps else self.seconds / (60 * self.plan.minutes)

    def go(self) -> None:
        self.network.train()
        for batch in self._batches():
            done = self.done
            if done >= 1:
                break
            self._learn(batch, done)
            if self.progress and self.step % 10 == 0:
                self.progress(min(1.0, self.done))

    def _batches(self) -> Iterator[list[_Item]]:
        lengths = [len(item.rows) for item in self.items]
        while True:
            # Texts of like length go together, not always the same ones.
            keys = np.asarray(lengths) + self._order.random(len(lengths)) * 8
            groups = batches(lengths, self.plan.batch, order=np.argsort(keys).tolist())
            for number in self._order.permutation(len(groups)):
                yield [self.items[place] for place in groups[number]]

    def _learn(self, batch: list[_Item], done: float) -> None:
        self._set_rates(done)
        where = self.network.head.bias.device
        rows = self._masked(torch.tensor(pack([item.rows for item in batch]))).to(where)
        lengths = torch.tensor([len(item.rows) for item in batch], device=where)
        gold = [(place, *span) for place, item in enumerate(batch) for span in item.spans]
        with torch.autocast(where.type, torch.bfloat16, enabled=where.type == "cuda"):
            logits = self.network(rows)
        loss = span_loss(logits.float(), torch.tensor(gold, device=where).reshape(-1, 4).long(), lengths, self.network.head.width)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
        self._optimizer.step()
        self.step += 1
        self.seen += sum(len(item.rows) for item in batch)

    def _masked(self, rows: torch.Tensor) -> torch.Tensor:
        hidden = torch.rand(rows.shape, generator=self._noise) < self.plan.masked
        return torch.where(hidden & (rows >= SPECIAL), 1, rows)

    def _set_rates(self, done: float) -> None:
        factor = min(1.0, (done + 0.002) / self.plan.warm_up) * (1 - done)
        for group in self._optimizer.param_groups:
            group["lr"] = group["base"] * factor


def _groups(network: SpanNetwork, plan: EncoderPlan) -> list[dict]:
    """Return the optimiser's groups: lower layers know more that is worth keeping, the head knows nothing yet."""
    layers = len(network.backbone.layers)
    groups = []
    for name, parameter in network.named_parameters():
        parts = name.split(".")
        depth = layers - 1 - int(parts[2]) if parts[1] == "layers" else layers
        rate = plan.head_rate if parts[0] == "head" else plan.rate * plan.layer_decay**depth
        groups.append({"params": [parameter], "lr": rate, "base": rate, "weight_decay": 0.01 if parameter.ndim > 1 else 0.0})
    return groups
