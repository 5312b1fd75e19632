"""Boosted decision trees as plain numbers: answered by numpy alone, stored as JSON, no pickle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Trees"]


class Trees(NamedTuple):
    """Trees for several classes, all nodes in one table.

    Parameters
    ----------
    baseline : ndarray of shape (n_classes,)
        Score of each class before any tree.
    roots : ndarray of shape (n_trees,)
        Place of each tree's first node; the trees of the classes take turns.
    feature, left, right : ndarray of shape (n_nodes,)
        The feature that a node asks for, and where to go on: left where it is at most the threshold. A leaf points to itself.
    threshold, value : ndarray of shape (n_nodes,)
        The threshold, and what a leaf adds to its class's score.

    Examples
    --------
    >>> trees = Trees.read(
    ...     {
    ...         "baseline": [0, 0],
    ...         "roots": [0, 3],
    ...         "feature": [0, 0, 0, 0],
    ...         "threshold": [1.5, 0, 0, 0],
    ...         "left": [1, 1, 2, 3],
    ...         "right": [2, 1, 2, 3],
    ...         "value": [0, -1, 1, 0],
    ...     }
    ... )
    >>> trees.probabilities(np.array([[1.0], [2.0]])).round(2)
    array([[0.27, 0.73],
           [0.73, 0.27]])
    """

    baseline: np.ndarray
    roots: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Trees:
        """Make trees of what `numbers` gave."""
        whole = ("roots", "feature", "left", "right")
        return cls(**{name: np.asarray(data[name], np.int64 if name in whole else np.float64) for name in cls._fields})

    @classmethod
    def of(cls, model: Any) -> Trees:
        """Take the numbers out of a fitted scikit-learn ``HistGradientBoostingClassifier`` without categories or missing values."""
        tables, roots, offset = [], [], 0
        for round_ in model._predictors:
            for tree in round_:
                nodes = tree.nodes
                own = np.arange(len(nodes)) + offset
                leaf = nodes["is_leaf"].astype(bool)
                left = np.where(leaf, own, nodes["left"].astype(np.int64) + offset)
                right = np.where(leaf, own, nodes["right"].astype(np.int64) + offset)
                tables.append((nodes["feature_idx"].astype(np.int64), nodes["num_threshold"], left, right, nodes["value"]))
                roots.append(offset)
                offset += len(nodes)
        feature, threshold, left, right, value = (np.concatenate(column) for column in zip(*tables, strict=True))
        threshold = np.where(np.isfinite(threshold), threshold, 1e12)
        return cls(np.ravel(model._baseline_prediction), np.array(roots), feature, threshold, left, right, value)

    def numbers(self) -> dict[str, list]:
        """Return the trees as lists of numbers, for JSON."""
        lists = {name: getattr(self, name).tolist() for name in self._fields}
        # Thresholds stay exact: one may be a value that a feature takes.
        return lists | {name: [float(f"{number:.5g}") for number in lists[name]] for name in ("baseline", "value")}

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Return the probability of each class.

        Parameters
        ----------
        features : ndarray of shape (n_rows, n_features)
            Numbers without gaps.

        Returns
        -------
        ndarray of shape (n_rows, n_classes)
            Each row sums to 1.
        """
        rows = np.arange(len(features))[:, None]
        at = np.broadcast_to(self.roots, (len(features), len(self.roots)))
        while True:
            below = np.where(features[rows, self.feature[at]] <= self.threshold[at], self.left[at], self.right[at])
            if np.array_equal(below, at):
                break
            at = below
        scores = self.baseline + self.value[at].reshape(len(features), -1, len(self.baseline)).sum(1)
        scores = np.exp(scores - scores.max(1, keepdims=True))
        return scores / scores.sum(1, keepdims=True)
