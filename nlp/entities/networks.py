"""The torch modules of the encoder: a BERT trunk and a head that scores every span for every label.

Imports torch, so that only code that is about to compute imports this module.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from nlp.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from nlp.entities.pretrained import Shape

__all__ = ["Backbone", "NoiseDropout", "SpanHead", "SpanNetwork", "device", "half_arrays", "probable_spans", "rebuilt", "span_loss"]

#: Rate of zeros in the noise; and how many numbers are drawn once and used again from another place each time.
DROPOUT = 0.1
_NOISE = 1 << 22


class NoiseDropout(nn.Module):
    """Dropout whose noise is drawn once and read from a random place.

    Drawing fresh noise takes as long on a CPU as a tenth of the layer it is for.
    """

    _noise: dict[tuple[float, str], torch.Tensor] = {}  # noqa: RUF012 - one table for all layers is the point

    def __init__(self, rate: float = DROPOUT) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Zero a part of the numbers while training."""
        if not self.training or self.rate == 0:
            return x
        if x.is_cuda or x.numel() > _NOISE // 2:
            return functional.dropout(x, self.rate)
        noise = self._table(x.dtype)
        start = int(torch.randint(_NOISE - x.numel(), ()))
        return x * noise[start : start + x.numel()].view(x.shape)

    def _table(self, dtype: torch.dtype) -> torch.Tensor:
        key = (self.rate, str(dtype))
        if key not in self._noise:
            generator = torch.Generator().manual_seed(0)
            self._noise[key] = ((torch.rand(_NOISE, generator=generator) >= self.rate) / (1 - self.rate)).to(dtype)
        return self._noise[key]


class _Layer(nn.Module):
    """Self-attention and feed-forward, each with a residual and a normalisation after it."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.attention = nn.Linear(shape.hidden, 3 * shape.hidden)
        self.mix = nn.Linear(shape.hidden, shape.hidden)
        self.mix_norm = nn.LayerNorm(shape.hidden, eps=shape.epsilon)
        self.widen = nn.Linear(shape.hidden, shape.feedforward)
        self.narrow = nn.Linear(shape.feedforward, shape.hidden)
        self.narrow_norm = nn.LayerNorm(shape.hidden, eps=shape.epsilon)
        self.dropout = NoiseDropout()

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        batch, length, hidden = x.shape
        query, key, value = self.attention(x).view(batch, length, 3, self.heads, hidden // self.heads).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = self.mix_norm(x + self.dropout(self.mix(mixed.transpose(1, 2).reshape(batch, length, hidden))))
        return self.narrow_norm(x + self.dropout(self.narrow(functional.gelu(self.widen(x)))))


class Backbone(nn.Module):
    """A BERT trunk over characters; names of its parameters are those of ``nlp.entities.pretrained.Pretrained``."""

    def __init__(self, shape: Shape, rows: int) -> None:
        super().__init__()
        self.words = nn.Embedding(rows, shape.hidden)
        self.positions = nn.Embedding(shape.positions, shape.hidden)
        self.norm = nn.LayerNorm(shape.hidden, eps=shape.epsilon)
        self.dropout = NoiseDropout()
        self.layers = nn.ModuleList(_Layer(shape) for _ in range(shape.layers))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Encode rows of shape (batch, length), 0 where padded, into (batch, length, hidden)."""
        x = self.words(rows) + self.positions.weight[: rows.shape[1]]
        x = self.dropout(self.norm(x))
        there = rows != 0
        mask = None if bool(there.all()) else there[:, None, None, :]
        for layer in self.layers:
            x = layer(x, mask)
        return x


class SpanHead(nn.Module):
    """Score of each span for each label.

    A sum of what its first character says, what its last says, what those inside say on average, its length, and a product of first and
    last under rotation by their places (global pointer). The first parts learn within a few hundred steps, the last one tells which
    first belongs to which last.
    """

    def __init__(self, hidden: int, labels: int, *, width: int = 64, pair: int = 32) -> None:
        super().__init__()
        self.labels, self.width, self.pair = labels, width, pair
        self.dropout = NoiseDropout()
        self.ends = nn.Linear(hidden, 3 * labels)
        self.pairs = nn.Linear(hidden, 2 * labels * pair)
        self.lengths = nn.Embedding(width, labels)
        nn.init.zeros_(self.lengths.weight)
        self.bias = nn.Parameter(torch.full((labels,), -4.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits of shape (batch, length, length, labels) for [first, last]; those with last < first mean nothing."""
        batch, length, _ = x.shape
        x = self.dropout(x)
        first, last, inside = self.ends(x).view(batch, length, 3, self.labels).unbind(2)
        sums = functional.pad(inside.cumsum(1), (0, 0, 1, 0))
        places = torch.arange(length, device=x.device)
        widths = (places[None, :] - places[:, None]).clamp(0, self.width - 1)
        mean = (sums[:, None, 1:] - sums[:, :-1, None]) / (widths + 1)[None, :, :, None]
        query, key = self._rotated(self.pairs(x).view(batch, length, 2, self.labels, self.pair)).unbind(2)
        pairs = torch.einsum("bslp,belp->bsel", query, key) / self.pair**0.5
        return first[:, :, None] + last[:, None] + mean + pairs + self.lengths(widths) + self.bias

    def _rotated(self, x: torch.Tensor) -> torch.Tensor:
        half = self.pair // 2
        angles = torch.arange(x.shape[1], device=x.device)[:, None] * 10000.0 ** (-torch.arange(half, device=x.device) / half)
        cosine, sine = angles.cos()[:, None, None], angles.sin()[:, None, None]
        low, high = x[..., :half], x[..., half:]
        return torch.cat([low * cosine - high * sine, high * cosine + low * sine], -1)


class SpanNetwork(nn.Module):
    """Trunk and head; answers for the characters between the first and the last token that every text is given."""

    def __init__(self, shape: Shape, rows: int, labels: int) -> None:
        super().__init__()
        self.backbone = Backbone(shape, rows)
        self.head = SpanHead(shape.hidden, labels)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the logits of all spans of rows that begin with the first and end with the last token."""
        return self.head(self.backbone(rows)[:, 1:-1])


def span_loss(logits: torch.Tensor, gold: torch.Tensor, lengths: torch.Tensor, width: int) -> torch.Tensor:
    """Return the binary cross entropy over all spans that can be, a tenth of the characters being its unit.

    Parameters
    ----------
    logits : Tensor of shape (batch, length, length, labels)
        From the network.
    gold : Tensor of shape (n, 4), int64
        (text, first, last, label) of each entity.
    lengths : Tensor of shape (batch,)
        Characters of each text.
    width : int
        Longest span in characters.

    Returns
    -------
    Tensor
        A number.
    """
    valid = _possible(logits.shape[1], lengths, width)
    wanted = torch.zeros_like(logits)
    wanted[gold.unbind(1)] = 1
    return functional.binary_cross_entropy_with_logits(logits[valid], wanted[valid], reduction="sum") / (lengths.sum() * 0.1)


@torch.inference_mode()
def probable_spans(network: SpanNetwork, rows: Sequence[Sequence[int]], floor: float) -> list[tuple[int, int, int, int, float]]:
    """Return the spans whose probability reaches a floor.

    Parameters
    ----------
    network : SpanNetwork
        In evaluation mode.
    rows : sequence of sequence of int
        As ``nlp.entities.encoder.pack`` gives them.
    floor : float
        Least probability.

    Returns
    -------
    list of (int, int, int, int, float)
        Text, first and last character, label, probability.
    """
    device = network.head.bias.device
    packed = torch.tensor(rows, device=device)
    lengths = (packed != 0).sum(1) - 2
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        logits = network(packed).float()
    logits = logits.masked_fill(~_possible(logits.shape[1], lengths, network.head.width)[..., None], -torch.inf)
    places = (logits >= math.log(floor / (1 - floor))).nonzero()
    scores = logits[tuple(places.unbind(1))].sigmoid()
    return [(*place, score) for place, score in zip(places.tolist(), scores.tolist(), strict=True)]


def half_arrays(network: SpanNetwork) -> dict[str, np.ndarray]:
    """Return a network's numbers in half precision, by name.

    Parameters
    ----------
    network : SpanNetwork
        Any.

    Returns
    -------
    dict of str to ndarray
        float16 arrays.
    """
    return {name: value.detach().cpu().half().numpy() for name, value in network.state_dict().items()}


def rebuilt(shape: Shape, labels: int, arrays: dict[str, np.ndarray]) -> SpanNetwork:
    """Return a network with given numbers, on the GPU where there is one.

    Parameters
    ----------
    shape : Shape
        Of its trunk.
    labels : int
        How many labels.
    arrays : dict of str to ndarray
        By name, of any precision.

    Returns
    -------
    SpanNetwork
        In single precision.

    Raises
    ------
    ModelError
        If the arrays are not those of such a network.
    """
    try:
        network = SpanNetwork(shape, len(arrays["backbone.words.weight"]), labels)
        network.load_state_dict({name: torch.from_numpy(array).float() for name, array in arrays.items()})
    except (KeyError, RuntimeError) as error:
        raise ModelError("the encoder's weights do not fit its settings", hint="train it anew, or copy the folder again") from error
    return network.to(device()).eval()


def device() -> torch.device:
    """Return the GPU where there is one, else the CPU.

    Returns
    -------
    torch.device
        Where to compute.
    """
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _possible(length: int, lengths: torch.Tensor, width: int) -> torch.Tensor:
    """Return which [first, last] can be spans, of shape (batch, length, length)."""
    places = torch.arange(length, device=lengths.device)
    reach = places[None, :] - places[:, None]
    return ((reach >= 0) & (reach < width))[None] & (places[None, None] < lengths[:, None, None])
