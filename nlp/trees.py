"""Gradient-boosted trees as plain arrays: learnt by scikit-learn, kept and asked without it, and without pickle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Trees", "fit_trees"]

_ROWS = 256  # so that what is looked up stays in the processor's cache
_BEYOND = 1e12  # JSON knows no infinity
_TYPES = {"threshold": np.float64, "value": np.float64, "baseline": np.float64}


class Trees(NamedTuple):
    """A classifier: the sum of the trees' leaves is a score a class, or the log-odds where there is one score.

    Parameters
    ----------
    feature, left, right : ndarray of int32, shape (n_nodes,)
        Column that a node asks and where it leads; a leaf leads to itself.
    threshold, value : ndarray of float64, shape (n_nodes,)
        A row goes left where its number is at most the threshold; what a leaf adds.
    roots : ndarray of int32, shape (n_trees,)
        First node of each tree; the trees of several classes take turns.
    baseline : ndarray of float64, shape (n_scores,)
        Scores before any tree.
    depth : ndarray of int32, shape (1,)
        Steps from a root to the farthest leaf.

    Examples
    --------
    >>> stump = Trees.read(
    ...     {
    ...         "baseline": [0],
    ...         "roots": [0],
    ...         "depth": [1],
    ...         "feature": [0, 0, 0],
    ...         "threshold": [1.5, 0, 0],
    ...         "left": [1, 1, 2],
    ...         "right": [2, 1, 2],
    ...         "value": [0, -1, 1],
    ...     }
    ... )
    >>> stump.predict(np.array([[1.0], [2.0]])).round(2)
    array([0.27, 0.73])
    """

    feature: np.ndarray
    left: np.ndarray
    right: np.ndarray
    threshold: np.ndarray
    value: np.ndarray
    roots: np.ndarray
    baseline: np.ndarray
    depth: np.ndarray

    @classmethod
    def read(cls, data: Mapping[str, Any], prefix: str = "") -> Trees:
        """Make trees of arrays or lists by name, as :meth:`arrays` and :meth:`numbers` give them."""
        return cls(**{name: np.asarray(data[prefix + name], _TYPES.get(name, np.int32)) for name in cls._fields})

    @classmethod
    def of(cls, model: Any) -> Trees:
        """Take the nodes out of a fitted scikit-learn ``HistGradientBoostingClassifier`` without categories or missing values."""
        parts = [tree.nodes for round_ in model._predictors for tree in round_]
        starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int32)
        nodes = np.concatenate(parts)
        own = np.arange(len(nodes), dtype=np.int32)
        leaf = nodes["is_leaf"].astype(bool)
        offset = np.repeat(starts[:-1], np.diff(starts))
        return cls(
            feature=np.where(leaf, 0, nodes["feature_idx"]).astype(np.int32),
            left=np.where(leaf, own, nodes["left"].astype(np.int32) + offset).astype(np.int32),
            right=np.where(leaf, own, nodes["right"].astype(np.int32) + offset).astype(np.int32),
            threshold=np.where(leaf, 0.0, np.clip(nodes["num_threshold"], -_BEYOND, _BEYOND)).astype(np.float64),
            value=np.where(leaf, nodes["value"], 0.0).astype(np.float64),
            roots=starts[:-1],
            baseline=np.ravel(model._baseline_prediction).astype(np.float64),
            depth=np.array([max((int(part["depth"].max()) for part in parts), default=0)], np.int32),
        )

    def arrays(self, prefix: str) -> dict[str, np.ndarray]:
        """Return the arrays by name, to be written to a file."""
        return {f"{prefix}{name}": array for name, array in self._asdict().items()}

    def numbers(self) -> dict[str, list]:
        """Return the trees as lists of numbers, for JSON."""
        lists = {name: getattr(self, name).tolist() for name in self._fields}
        # Thresholds stay exact: one may be a value that a feature takes.
        return lists | {name: [float(f"{number:.5g}") for number in lists[name]] for name in ("baseline", "value")}

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Return the probability of each row, where there is one score.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, n_features)
            Numbers, none missing.

        Returns
        -------
        ndarray of float64, shape (n_rows,)
            Between 0 and 1.
        """
        return 1 / (1 + np.exp(-self._scores(rows)[:, 0]))

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """Return the probability of each class, where there are several scores.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, n_features)
            Numbers, none missing.

        Returns
        -------
        ndarray of float64, shape (n_rows, n_classes)
            Each row sums to 1.
        """
        scores = self._scores(rows)
        scores = np.exp(scores - scores.max(1, keepdims=True))
        return scores / scores.sum(1, keepdims=True)

    def _scores(self, rows: np.ndarray) -> np.ndarray:
        scores = np.empty((len(rows), len(self.baseline)))
        for start in range(0, len(rows), _ROWS):
            scores[start : start + _ROWS] = self._some(np.ascontiguousarray(rows[start : start + _ROWS], np.float64))
        return scores

    def _some(self, rows: np.ndarray) -> np.ndarray:
        node = np.repeat(self.roots[None, :], len(rows), axis=0)
        numbers, start = rows.ravel(), (np.arange(len(rows)) * rows.shape[1])[:, None]
        for _ in range(int(self.depth[0])):
            left = numbers.take(start + self.feature.take(node)) <= self.threshold.take(node)
            node = np.where(left, self.left.take(node), self.right.take(node))
        return self.baseline + self.value.take(node).reshape(len(rows), -1, len(self.baseline)).sum(1)


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
    return Trees.of(learner)
