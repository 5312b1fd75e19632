"""Linear-chain conditional random fields in NumPy: training by stochastic gradient, exact marginals of tags and of spans.

Tags are O and, for each label, B I E S (first, inside, last, alone). A chain's scores are sums of the weights of hashed features
(``nlp.entities.features``), so that scoring is one sparse product; the chains of a batch run side by side, one step a character.

References
----------
.. [1] Lafferty, McCallum, Pereira: Conditional random fields. ICML 2001.
.. [2] Duchi, Hazan, Singer: Adaptive subgradient methods. JMLR 2011.
.. [3] Wang, Manning: Fast dropout training. ICML 2013 (features dropped at random as the regulariser).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Chain", "Plan", "Spans", "batches_of", "n_tags", "span_marginals", "train_chain"]

_TINY = np.float32(1e-30)
#: Characters of one training step and of one tagging step, padding included.
_STEP, _TAG_STEP = 3000, 6000
#: Few texts are learnt in shorter steps, so that there are at least about so many an epoch.
_STEPS, _SHORTEST_STEP = 32, 100
#: A training takes at least so many steps, in as many more epochs as that needs, up to a limit.
_FEWEST_STEPS, _MOST_EPOCHS = 200, 40
#: Adagrad starts from these sums of squares; transitions, seen in every step, start slower.
_START, _START_TRANSITIONS = 1e-2, 1.0


class Plan(NamedTuple):
    """Everything besides the data that decides a CRF's weights.

    Parameters
    ----------
    epochs : int
        Passes over the texts, more where they are few; the weights of the second half are averaged.
    rate : float
        Adagrad's step.
    drop : float
        Share of the features dropped at random in each step.
    shrink : float
        Weight decay for each character.
    bag : int
        Trainings with other orders and drops, whose weights are averaged.
    at_least : int
        How often a feature has to occur.
    folds : int
        The lexicon of a text is learnt from the other folds.
    seed : int
        Of the random orders.
    prune : float
        Features none of whose weights reaches this share of the largest (their 99th percentile) are forgotten: about a third of them, for
        less than a tenth of a point of F1.
    """

    epochs: int = 6
    rate: float = 0.05
    drop: float = 0.15
    shrink: float = 1e-6
    bag: int = 1
    at_least: int = 2
    folds: int = 8
    seed: int = 0
    prune: float = 0.15


class Chain(NamedTuple):
    """The weights of one CRF.

    Parameters
    ----------
    labels : tuple of str
        Its labels; tag 0 is O, 1 + 4 k to 4 + 4 k are B, I, E, S of label k.
    weights : ndarray of shape (n_rows, n_tags), float32
        Of the features; row 0 is zero.
    transitions : ndarray of shape (n_tags, n_tags), float32
        From tag to next tag; forbidden pairs are ignored.
    """

    labels: tuple[str, ...]
    weights: np.ndarray
    transitions: np.ndarray


class Spans(NamedTuple):
    """Spans of a batch, column by column: chain, start and end within it, label's number, probability."""

    chain: np.ndarray
    start: np.ndarray
    end: np.ndarray
    label: np.ndarray
    score: np.ndarray


class _Rules(NamedTuple):
    """Which tag may follow which (0 or 1), begin a chain, end it."""

    follow: np.ndarray
    first: np.ndarray
    last: np.ndarray


class _Sums(NamedTuple):
    """What one forward and one backward pass leave, each of shape (n_steps, n_chains, n_tags)."""

    marginals: np.ndarray
    alpha: np.ndarray
    ahead: np.ndarray


class _Batch(NamedTuple):
    """Chains side by side: their lengths, and for each character its place in the texts, its step and its chain."""

    lengths: np.ndarray
    places: np.ndarray
    steps: np.ndarray
    chains: np.ndarray


def n_tags(labels: Sequence[str]) -> int:
    """Return the number of tags of so many labels."""
    return 1 + 4 * len(labels)


def _rules(size: int) -> _Rules:
    kind = np.array(["O", *("BIES"[(tag - 1) % 4] for tag in range(1, size))])
    label = (np.arange(size) + 3) // 4
    closed, opens = np.isin(kind, ["O", "E", "S"]), np.isin(kind, ["O", "B", "S"])
    follow = np.where(closed[:, None], opens[None, :], ~opens[None, :] & (label[:, None] == label[None, :]))
    return _Rules(*(each.astype(np.float32) for each in (follow, opens, closed)))


def batches_of(pieces: Sequence[tuple[int, int]], *, size: int = _TAG_STEP) -> list[_Batch]:
    """Put chains of like length side by side.

    Parameters
    ----------
    pieces : sequence of (int, int)
        Where each chain starts and ends in the flat texts.
    size : int, optional
        Largest number of characters of a batch, padding included; a longer chain is a batch by itself.

    Returns
    -------
    list of batches
        Shortest chains first; chains of one length keep their order.
    """
    batches: list[_Batch] = []
    current: list[tuple[int, int]] = []
    for piece in sorted(pieces, key=lambda piece: piece[1] - piece[0]):
        if current and (len(current) + 1) * (piece[1] - piece[0]) > size:
            batches.append(_batch(current))
            current = []
        current.append(piece)
    return [*batches, _batch(current)] if current else batches


def _batch(pieces: list[tuple[int, int]]) -> _Batch:
    starts, ends = np.array(pieces, np.int64).T
    lengths = ends - starts
    chains = np.repeat(np.arange(len(pieces)), lengths)
    steps = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return _Batch(lengths, starts[chains] + steps, steps, chains)


def _padded(batch: _Batch, values: np.ndarray) -> np.ndarray:
    padded = np.zeros((int(batch.lengths.max()), len(batch.lengths), values.shape[1]), np.float32)
    padded[batch.steps, batch.chains] = values
    return padded


def _sums(scores: np.ndarray, lengths: np.ndarray, factors: np.ndarray, rules: _Rules) -> _Sums:
    """Run forward and backward over scores of shape (n_steps, n_chains, n_tags); each step is scaled to sum to one."""
    steps, chains, size = scores.shape
    psi = np.exp(scores - scores.max(axis=2, keepdims=True))
    alpha, ahead, marginals = np.empty_like(psi), np.empty_like(psi), np.empty_like(psi)
    now = psi[0] * rules.first
    for step in range(steps):
        if step:
            now = (now @ factors) * psi[step]
        now /= np.maximum(now.sum(axis=1, keepdims=True), _TINY)
        alpha[step] = now
    back, last = np.ascontiguousarray(factors.T), lengths - 1
    beta = np.broadcast_to(rules.last, (chains, size))
    for step in range(steps - 1, -1, -1):
        if step < steps - 1:
            beta = ahead[step + 1] @ back
            beta /= np.maximum(beta.sum(axis=1, keepdims=True), _TINY)
            ended = last <= step
            if ended.any():
                beta[ended] = rules.last
        np.multiply(psi[step], beta, out=ahead[step])
        np.multiply(alpha[step], beta, out=marginals[step])
    marginals /= np.maximum(marginals.sum(axis=2, keepdims=True), _TINY)
    return _Sums(marginals, alpha, ahead)


def span_marginals(chain: Chain, scores: np.ndarray, batch: _Batch, *, floor: float) -> Spans:
    """Return every span whose exact probability under the chain reaches a floor.

    The probability of a span is that of its whole tag sequence B I ... E (or S), summed over all else: not the product of the tags'
    marginals.

    Parameters
    ----------
    chain : Chain
        Labels and transitions.
    scores : ndarray of shape (n_places, n_tags), float32
        Sums of the feature weights of each place of the flat texts.
    batch : batch
        One of :func:`batches_of`.
    floor : float
        Least probability.

    Returns
    -------
    Spans
        In no particular order; each once.
    """
    factors, rules = _factors(chain.transitions)
    sums = _sums(_padded(batch, scores[batch.places]), batch.lengths, factors, rules)
    # What stands beyond a chain's end is padding: no span begins there.
    sums.marginals[np.arange(len(sums.marginals))[:, None] >= batch.lengths] = 0
    single = np.nonzero(sums.marginals[:, :, 4::4] >= floor)
    found = [(single[1], single[0], single[0] + 1, single[2], sums.marginals[:, :, 4::4][single])]
    step, number, label = np.nonzero(sums.marginals[:, :, 1::4] >= floor)
    begin, tag = step, 1 + 4 * label
    score = sums.marginals[step, number, tag]
    while len(step):
        going = step + 1 < batch.lengths[number]
        step, number, label, begin, tag, score = (each[going] for each in (step, number, label, begin, tag, score))
        inside, last = 2 + 4 * label, 3 + 4 * label
        step = step + 1
        stay = factors[tag, inside] * sums.ahead[step, number, inside]
        leave = factors[tag, last] * sums.ahead[step, number, last]
        total = np.maximum(stay + leave, _TINY)
        ends, score = score * leave / total, score * stay / total
        good = ends >= floor
        found.append((number[good], begin[good], step[good] + 1, label[good], ends[good]))
        going = score >= floor
        step, number, label, begin, tag, score = (each[going] for each in (step, number, label, begin, inside, score))
    return Spans(*(np.concatenate(column) for column in zip(*found, strict=True)))


def _factors(transitions: np.ndarray) -> tuple[np.ndarray, _Rules]:
    rules = _rules(len(transitions))
    return np.exp(transitions - transitions.max()) * rules.follow, rules


def train_chain(
    rows: np.ndarray,
    n_rows: int,
    pieces: Sequence[tuple[int, int]],
    gold: np.ndarray,
    labels: tuple[str, ...],
    plan: Plan,
    *,
    progress: Callable[[], None] | None = None,
    deadline: float | None = None,
) -> Chain:
    """Learn the weights of a chain.

    Parameters
    ----------
    rows : ndarray of shape (n_places, n_templates), int32
        Row of each feature of each place of the flat texts, 0 for none.
    n_rows : int
        Number of rows, row 0 included.
    pieces : sequence of (int, int)
        The chains.
    gold : ndarray of shape (n_places,), int64
        The right tags.
    labels : tuple of str
        What the tags stand for.
    plan : Plan
        How to train; its `bag` trainings differ by their seed only.
    progress : callable, optional
        Called after each epoch.
    deadline : float, optional
        By ``time.monotonic``: training ends then, with what it has.

    Returns
    -------
    Chain
        With the mean of the weights.
    """
    weights = transitions = None
    for number in range(plan.bag):
        run = _Training(rows, n_rows, pieces, gold, n_tags(labels), plan, plan.seed * 1000 + number)
        one, other = run.go(progress, deadline)
        weights = one if weights is None else weights + one
        transitions = other if transitions is None else transitions + other
    return Chain(labels, weights / np.float32(plan.bag), transitions / np.float32(plan.bag))


class _Training:
    """One training: the batches, the weights and Adagrad's sums."""

    def __init__(
        self, rows: np.ndarray, n_rows: int, pieces: Sequence[tuple[int, int]], gold: np.ndarray, size: int, plan: Plan, seed: int
    ) -> None:
        self.random, self.plan, self.gold, self.rules = np.random.default_rng(seed), plan, gold, _rules(size)
        size_of_step = min(_STEP, max(_SHORTEST_STEP, sum(end - start for start, end in pieces) // _STEPS))
        self.batches = batches_of([pieces[place] for place in self.random.permutation(len(pieces))], size=size_of_step)
        # Each batch knows its own features only: `used` are their rows, `inner` counts within them.
        self.used, self.inner = [], []
        for batch in self.batches:
            used, inner = np.unique(rows[batch.places], return_inverse=True)
            self.used.append(used)
            self.inner.append(inner.reshape(len(batch.places), -1).astype(np.int32))
        self.weights = np.zeros((n_rows, size), np.float32)
        self.squares = np.full((n_rows, size), _START, np.float32)
        self.transitions = np.zeros((size, size), np.float32)
        self.transition_squares = np.full((size, size), _START_TRANSITIONS, np.float32)

    def go(self, progress: Callable[[], None] | None, deadline: float | None) -> tuple[np.ndarray, np.ndarray]:
        """Train; return the means of the weights over the second half of the epochs, or the last ones where time ran out before."""
        total, total_transitions, counted = np.zeros_like(self.weights), np.zeros_like(self.transitions), 0
        epochs = max(self.plan.epochs, min(_MOST_EPOCHS, _FEWEST_STEPS // len(self.batches)))
        for epoch in range(epochs):
            if not self._epoch(deadline):
                break
            if epoch >= epochs // 2:
                total += self.weights
                total_transitions += self.transitions
                counted += 1
            if progress is not None:
                progress()
        if not counted:
            return self.weights, self.transitions
        return total / np.float32(counted), total_transitions / np.float32(counted)

    def _epoch(self, deadline: float | None) -> bool:
        """Go through all batches once; tell whether the time was enough."""
        for number in self.random.permutation(len(self.batches)):
            if deadline is not None and time.monotonic() >= deadline:
                return False
            self._step(self.batches[number], self.used[number], self.inner[number])
        return True

    def _step(self, batch: _Batch, used: np.ndarray, inner: np.ndarray) -> None:
        plan, count = self.plan, len(batch.places)
        kept = (self.random.random(inner.shape, dtype=np.float32) >= plan.drop).astype(np.float32) / np.float32(1 - plan.drop)
        if used[0] == 0:
            kept[inner == 0] = 0
        features = sparse.csr_matrix((kept.ravel(), inner.ravel(), np.arange(0, inner.size + 1, inner.shape[1])), shape=(count, len(used)))
        weights = self.weights[used]
        factors = np.exp(self.transitions) * self.rules.follow
        sums = _sums(_padded(batch, features @ weights), batch.lengths, factors, self.rules)
        slope = sums.marginals[batch.steps, batch.chains]
        gold = self.gold[batch.places]
        slope[np.arange(count), gold] -= 1
        gradient = features.T @ slope + np.float32(plan.shrink * count) * weights
        squares = self.squares[used] + gradient * gradient
        self.squares[used] = squares
        self.weights[used] = weights - np.float32(plan.rate) * gradient / np.sqrt(squares)
        self._step_transitions(batch, gold, sums, factors)

    def _step_transitions(self, batch: _Batch, gold: np.ndarray, sums: _Sums, factors: np.ndarray) -> None:
        steps, chains, size = sums.alpha.shape
        if steps < 2:
            return
        there = np.arange(1, steps)[:, None] < batch.lengths[None, :]
        total = np.einsum("tbl,tbl->tb", sums.alpha[:-1] @ factors, sums.ahead[1:])
        scaled = sums.alpha[:-1] * (there / np.maximum(total, _TINY)).astype(np.float32)[:, :, None]
        gradient = (scaled.reshape(-1, size).T @ sums.ahead[1:].reshape(-1, size)) * factors
        tags = np.zeros((steps, chains), np.int64)
        tags[batch.steps, batch.chains] = gold
        np.subtract.at(gradient, (tags[:-1][there], tags[1:][there]), 1)
        self.transition_squares += gradient * gradient
        self.transitions -= np.float32(self.plan.rate) * gradient / np.sqrt(self.transition_squares)
