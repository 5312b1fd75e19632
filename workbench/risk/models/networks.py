"""Small neural networks trained side by side: one array holds a layer of all of them, so that a step costs little more than one's."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from workbench.risk.models.extras import needed

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

__all__ = ["Networks", "Teaching", "Training", "log_shares", "train"]


class Teaching(NamedTuple):
    """What networks learn from; k intervals of time, c causes.

    Parameters
    ----------
    X : ndarray of float, shape (n, p)
        Standardised inputs.
    exposed : ndarray of float, shape (n, k)
        The part of each interval that each row was watched.
    happened : ndarray of float, shape (n, k, c)
        1 where the row's event was.
    weight : ndarray of float, shape (n,)
        Of each row.
    part : ndarray of int, shape (n,)
        The network from which the row is held out.
    """

    X: np.ndarray
    exposed: np.ndarray
    happened: np.ndarray
    weight: np.ndarray
    part: np.ndarray


class Training(NamedTuple):
    """How networks are trained; as :class:`workbench.risk.models.hazard_net.HazardNet` says."""

    hidden: tuple[int, ...]
    dropout: float
    learning_rate: float
    weight_decay: float
    batch: int
    max_epochs: int
    patience: int
    seed: int


class Networks(NamedTuple):
    """Trained networks, as plain arrays.

    Parameters
    ----------
    layers : tuple of (ndarray, ndarray)
        Weights of shape (m, inputs, outputs) and biases of shape (m, 1, outputs) of each layer, for m networks.
    causes : int
        Causes, c.
    epochs : int
        Passes through the data that training took.
    """

    layers: tuple[tuple[np.ndarray, np.ndarray], ...]
    causes: int
    epochs: int

    def logits(self, X: np.ndarray) -> np.ndarray:
        """Return the outputs for standardised inputs, of shape (m, n, k, c)."""
        now = X.astype(np.float32)[None]
        for weights, biases in self.layers[:-1]:
            now = np.maximum(now @ weights + biases, 0)
        weights, biases = self.layers[-1]
        out = (now @ weights + biases).astype(float)
        return out.reshape(*out.shape[:2], -1, self.causes)


def log_shares(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the logarithm of the share without an event in each interval, and of the share with one of each cause.

    Parameters
    ----------
    logits : ndarray of float, shape (..., k, c)
        Outputs.

    Returns
    -------
    tuple of ndarray
        Of shape (..., k), and (..., k, c): a softmax whose first input is 0; with one cause it is the logistic function.
    """
    total = np.logaddexp.reduce(np.concatenate((np.zeros((*logits.shape[:-1], 1)), logits), axis=-1), axis=-1)
    return -total, logits - total[..., None]


def train(teaching: Teaching, how: Training) -> Networks:
    """Train one network for each part, which is held out from it and says when to stop.

    Parameters
    ----------
    teaching : Teaching
        Rows.
    how : Training
        How.

    Returns
    -------
    Networks
        Each as it was when it did best on its part.

    Notes
    -----
    The likelihood is that of Gensheimer and Narasimhan (2019), PeerJ 7:e6257, and Kvamme and Borgan (2021), Lifetime Data Anal 27:710;
    steps are AdamW's (Loshchilov and Hutter 2019). One thread, and a generator of its own: the same numbers each time, and torch's state is
    left as it was.
    """
    torch = needed("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _Trainer(teaching, how).run()
    finally:
        torch.set_num_threads(threads)


class _Trainer:
    def __init__(self, teaching: Teaching, how: Training) -> None:
        torch = needed("torch")
        self.torch, self.how, self.members = torch, how, int(teaching.part.max()) + 1
        self.draw = torch.Generator().manual_seed(how.seed)
        self.X, self.exposed, self.happened, self.weight = (
            torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)) for array in teaching[:-1]
        )
        self.held = torch.from_numpy(teaching.part[None] == np.arange(self.members)[:, None]) * self.weight
        self.rows = [torch.from_numpy(np.flatnonzero(teaching.part != member)) for member in range(self.members)]
        self.layers = self._started(teaching)

    def _started(self, teaching: Teaching) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Return layers as He et al. (2015) start them; the last gives the shares of all rows, whatever its input."""
        sizes = (teaching.X.shape[1], *self.how.hidden)
        layers = [
            (self.torch.randn(self.members, a, b, generator=self.draw) * (2 / a) ** 0.5, self.torch.zeros(self.members, 1, b))
            for a, b in pairwise(sizes)
        ]
        bias = self.torch.from_numpy(_crude_logits(teaching).astype(np.float32)).reshape(1, 1, -1).repeat(self.members, 1, 1)
        weights = self.torch.randn(self.members, sizes[-1], bias.shape[-1], generator=self.draw) * 0.01
        return [(w.requires_grad_(), b.requires_grad_()) for w, b in (*layers, (weights, bias))]

    def _forward(self, x: torch.Tensor, dropout: float = 0.0) -> torch.Tensor:
        *inner, (weights, biases) = self.layers
        for w, b in inner:
            x = self.torch.relu(self.torch.baddbmm(b, x, w))
            if dropout:
                x = x * (self.torch.rand(x.shape, generator=self.draw) >= dropout) / (1 - dropout)
        return self.torch.baddbmm(biases, x, weights).unflatten(-1, self.happened.shape[1:])

    def _loss(self, logits: torch.Tensor, exposed: torch.Tensor, happened: torch.Tensor) -> torch.Tensor:
        """Return the negative log likelihood of each row, of shape (members, rows)."""
        if logits.shape[-1] == 1:
            total = self.torch.nn.functional.softplus(logits[..., 0])
        else:
            total = self.torch.nn.functional.pad(logits, (1, 0)).logsumexp(-1)
        return (exposed * total).sum(-1) - (happened * logits).sum((-1, -2))

    def _batches(self) -> Iterator[torch.Tensor]:
        """Yield rows of one pass through the data, of shape (members, batch): each network has its own, in its own order."""
        size = min(map(len, self.rows))
        order = self.torch.stack([rows[self.torch.randperm(len(rows), generator=self.draw)[:size]] for rows in self.rows])
        for start in range(0, size, self.how.batch):
            yield order[:, start : start + self.how.batch]

    def run(self) -> Networks:
        torch, how = self.torch, self.how
        decays = [{"params": [w for w, _ in self.layers], "weight_decay": how.weight_decay}]
        steps = torch.optim.AdamW([*decays, {"params": [b for _, b in self.layers], "weight_decay": 0.0}], lr=how.learning_rate)
        best, kept, idle, epoch = torch.full((self.members,), torch.inf), self._copies(), 0, 0
        while idle < how.patience and epoch < how.max_epochs:
            epoch += 1
            for rows in self._batches():
                steps.zero_grad()
                loss = self._loss(self._forward(self.X[rows], how.dropout), self.exposed[rows], self.happened[rows])
                (loss * self.weight[rows]).mean(1).sum().backward()
                steps.step()
            now = self._held_out_loss()
            better = now < best - 1e-5
            best = torch.where(better, now, best)
            for (old_w, old_b), (w, b) in zip(kept, self._copies(), strict=True):
                old_w[better], old_b[better] = w[better], b[better]
            idle = 0 if better.any() else idle + 1
        return Networks(tuple((w.numpy(), b.numpy()) for w, b in kept), self.happened.shape[-1], epoch)

    def _held_out_loss(self) -> torch.Tensor:
        with self.torch.no_grad():
            loss = self._loss(self._forward(self.X.expand(self.members, *self.X.shape)), self.exposed, self.happened)
            return (loss * self.held).sum(1) / self.held.sum(1).clamp_min(1e-12)

    def _copies(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        return [(w.detach().clone(), b.detach().clone()) for w, b in self.layers]


def _crude_logits(teaching: Teaching) -> np.ndarray:
    """Return the logits of the shares of all rows in each interval, of shape (k, c); half an event is added to each."""
    events = np.einsum("i,ikc->kc", teaching.weight, teaching.happened) + 0.5
    left = np.maximum(teaching.weight @ teaching.exposed - events.sum(1), 0) + 0.5
    return np.log(events) - np.log(left)[:, None]
