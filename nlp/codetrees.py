"""Gradient-boosted trees as plain arrays: learnt by scikit-learn, kept and asked without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Trees", "fit_trees"]

_ROWS = 256  # so that what is looked up stays in the processor's cache


class Trees(NamedTuple):
    """A binary classifier: the sum of trees' leaves is the log-odds.

    Parameters
    ----------
    feature, left, right : ndarray of int32, shape (n_nodes,)
        Column that a node asks and where it leads; a leaf leads to itself.
    threshold, value : ndarray of float64, shape (n_nodes,)
        A row goes left where its number is at most the threshold; the log-odds that a leaf adds.
    roots : ndarray of int32, shape (n_trees,)
        First node of each tree.
    base : ndarray of float64, shape (1,)
        Log-odds before any tree.
    depth : ndarray of int32, shape (1,)
        Steps from a root to the farthest leaf.
    """

    feature: np.ndarray
    left: np.ndarray
    right: np.ndarray
    threshold: np.ndarray
    value: np.ndarray
    roots: np.ndarray
    base: np.ndarray
    depth: np.ndarray

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Return the probability of each row.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, n_features)
            Numbers, none missing.

        Returns
        -------
        ndarray of float64, shape (n_rows,)
            Between 0 and 1.
        """
        odds = np.empty(len(rows))
        for start in range(0, len(rows), _ROWS):
            odds[start : start + _ROWS] = self._odds(np.ascontiguousarray(rows[start : start + _ROWS], np.float64))
        return 1 / (1 + np.exp(-odds))

    def _odds(self, rows: np.ndarray) -> np.ndarray:
        node = np.repeat(self.roots[None, :], len(rows), axis=0)
        numbers, start = rows.ravel(), (np.arange(len(rows)) * rows.shape[1])[:, None]
        for _ in range(int(self.depth[0])):
            left = numbers.take(start + self.feature.take(node)) <= self.threshold.take(node)
            node = np.where(left, self.left.take(node), self.right.take(node))
        return self.base[0] + self.value.take(node).sum(1)

    def arrays(self, prefix: str) -> dict[str, np.ndarray]:
        """Return the arrays by name, to be written to a file."""
        return {f"{prefix}.{name}": array for name, array in self._asdict().items()}

    @classmethod
    def of_arrays(cls, prefix: str, arrays: Mapping[str, np.ndarray]) -> Trees:
        """Return the trees that :meth:`arrays` wrote."""
        return cls(*(arrays[f"{prefix}.{name}"] for name in cls._fields))


def fit_trees(
    rows: np.ndarray,
    wanted: np.ndarray,
    *,
    trees: int,
    leaves: int = 31,
    rate: float = 0.06,
    least: int = 30,
    weights: np.ndarray | None = None,
) -> Trees:
    """Learn trees from rows.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        Numbers, none missing.
    wanted : ndarray of bool, shape (n_rows,)
        The answer for each.
    trees : int
        How many.
    leaves : int, default 31
        Most leaves of a tree.
    rate : float, default 0.06
        Learning rate.
    least : int, default 30
        Fewest rows in a leaf.
    weights : ndarray of shape (n_rows,), optional
        What each row counts.

    Returns
    -------
    Trees
        The same for the same rows.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    learner = HistGradientBoostingClassifier(
        max_iter=trees,
        learning_rate=rate,
        max_leaf_nodes=leaves,
        min_samples_leaf=least,
        l2_regularization=1.0,
        max_bins=63,
        early_stopping=False,
        random_state=0,
    )
    # One thread: on a shared machine several wait for each other at every split, and the sums' order stays the same everywhere.
    with threadpool_limits(1):
        learner.fit(rows, wanted, sample_weight=weights)
    return _plain(learner)


def _plain(learner: object) -> Trees:
    """Take the nodes out of scikit-learn's trees."""
    parts = [predictor[0].nodes for predictor in learner._predictors]  # type: ignore[attr-defined]
    starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int32)
    nodes = np.concatenate(parts)
    own = np.arange(len(nodes), dtype=np.int32)
    leaf = nodes["is_leaf"].astype(bool)
    offset = np.repeat(starts[:-1], np.diff(starts))
    return Trees(
        feature=np.where(leaf, 0, nodes["feature_idx"]).astype(np.int32),
        left=np.where(leaf, own, nodes["left"].astype(np.int32) + offset).astype(np.int32),
        right=np.where(leaf, own, nodes["right"].astype(np.int32) + offset).astype(np.int32),
        threshold=np.where(leaf, 0.0, nodes["num_threshold"]).astype(np.float64),
        value=np.where(leaf, nodes["value"], 0.0).astype(np.float64),
        roots=starts[:-1],
        base=np.asarray(learner._baseline_prediction, np.float64).reshape(-1)[:1],  # type: ignore[attr-defined]
        depth=np.array([max((int(part["depth"].max()) for part in parts), default=0)], np.int32),
    )
