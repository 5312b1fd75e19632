"""Learns the model of :mod:`nlp.assertion.dialogue`, and measures it by five-fold cross-validation by dialogue.

``python -m nlp.assertion.dialogue_training dialogues.jsonl nlp/data/dialogue_model.json``
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlp.assertion.dialogue import ATTRIBUTES, LEAST, Dialogue, Fold, Refused, digest, read_dialogues, score_table
from nlp.assertion.dialogue_features import describe, feature_names
from nlp.trees import Trees

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["main", "train"]

_FOLDS, _RESAMPLES = 5, 1000
_SHARED: dict[str, Any] = {"learning_rate": 0.12, "max_bins": 48, "early_stopping": False, "random_state": 0}
#: Three kinds of boosted trees, whose probabilities are averaged.
_SETTINGS: tuple[dict[str, Any], ...] = (
    {"max_iter": 60, "max_leaf_nodes": 10, "min_samples_leaf": 15, "l2_regularization": 5.0, "max_features": 0.4},
    {"max_iter": 70, "max_leaf_nodes": 8, "min_samples_leaf": 30, "l2_regularization": 15.0, "max_features": 0.25},
    {"max_iter": 90, "max_leaf_nodes": 6, "min_samples_leaf": 20, "l2_regularization": 5.0, "max_features": 0.2},
)
_OFFSETS = np.arange(-1.0, 2.01, 0.1)


class _Set:
    """Dialogues with their features and gold answers, cut into folds."""

    def __init__(self, dialogues: Sequence[Dialogue]) -> None:
        self.dialogues = dialogues
        self.features = [describe(dialogue) for dialogue in dialogues]
        self.answers = [np.array([ATTRIBUTES.index(mention.answer) for mention in dialogue.mentions]) for dialogue in dialogues]
        # Twins go into one fold: a copy among what is learnt would give the held-out one away.
        digests = np.array([digest(dialogue) for dialogue in dialogues])
        distinct = np.random.default_rng(0).permutation(np.unique(digests))
        self.folds = [np.flatnonzero(np.isin(digests, part)) for part in np.array_split(distinct, _FOLDS)]

    def without(self, fold: np.ndarray) -> np.ndarray:
        return np.setdiff1d(np.arange(len(self.dialogues)), fold)

    def learn(self, fold: np.ndarray) -> Fold:
        """Learn from all but a fold; the offsets come later."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        rest = self.without(fold)
        rows, wanted = np.vstack([self.features[place] for place in rest]), np.concatenate([self.answers[place] for place in rest])
        trees = tuple(Trees.of(HistGradientBoostingClassifier(**_SHARED, **settings).fit(rows, wanted)) for settings in _SETTINGS)
        return Fold(trees, np.zeros(len(ATTRIBUTES)), tuple(sorted({digest(self.dialogues[place]) for place in fold})))


def _f1(gold: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    hits = np.bincount(gold[gold == predicted], minlength=len(ATTRIBUTES))
    total = np.bincount(gold, minlength=len(ATTRIBUTES)) + np.bincount(predicted, minlength=len(ATTRIBUTES))
    return 2 * hits / np.maximum(total, 1)


def _best_offsets(probabilities: np.ndarray, gold: np.ndarray) -> np.ndarray:
    """Move the rare classes' thresholds so that macro-F1 is best."""
    scores, offsets = np.log(probabilities + LEAST), np.zeros(len(ATTRIBUTES))
    for place in (1, 2, 3, 1, 2, 3):
        tried = [np.where(np.arange(len(ATTRIBUTES)) == place, value, offsets) for value in _OFFSETS]
        offsets = max(tried, key=lambda offset: _f1(gold, (scores + offset).argmax(1)).mean())
    return offsets.round(2)


def _held_out(folds: Sequence[Fold], data: _Set, ask: Callable[[Fold, np.ndarray], np.ndarray]) -> list[np.ndarray]:
    """Ask of each dialogue the fold that has not seen it."""
    found = [np.zeros((0, len(ATTRIBUTES)))] * len(data.dialogues)
    for fold, places in zip(folds, data.folds, strict=True):
        for place in places:
            found[place] = ask(fold, data.features[place])
    return found


def _with_offsets(learnt: list[Fold], data: _Set) -> list[Fold]:
    """Give each fold the offsets that are best on all the others, so that its score is not flattered by the choice."""
    found, folds = _held_out(learnt, data, Fold.probabilities), []
    for fold, places in zip(learnt, data.folds, strict=True):
        rest = data.without(places)
        best = _best_offsets(np.vstack([found[place] for place in rest]), np.concatenate([data.answers[place] for place in rest]))
        folds.append(fold._replace(offsets=best))
    return folds


def _interval(answers: list[np.ndarray], predicted: list[np.ndarray]) -> dict[str, list[float]]:
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(_RESAMPLES):
        places = rng.integers(0, len(answers), len(answers))
        f1 = _f1(np.concatenate([answers[place] for place in places]), np.concatenate([predicted[place] for place in places]))
        drawn.append([f1.mean(), *f1])
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0).round(3)
    return {name: [float(low[at]), float(high[at])] for at, name in enumerate(("macro", *ATTRIBUTES))}


def train(dialogues: Sequence[Dialogue]) -> dict[str, Any]:
    """Learn the model and measure it; returns what is stored as JSON.

    Parameters
    ----------
    dialogues : sequence of Dialogue
        Every mention with its gold answer.

    Returns
    -------
    dict
        The folds with their trees, names of the features, and the card with the scores.
    """
    data = _Set(dialogues)
    folds = _with_offsets([data.learn(fold) for fold in data.folds], data)
    predicted = [scores.argmax(1) for scores in _held_out(folds, data, Fold.scores)]
    gold, said = np.concatenate(data.answers), np.concatenate(predicted)
    rows, macro = score_table([(ATTRIBUTES[a], ATTRIBUTES[b]) for a, b in zip(gold, said, strict=True)])
    card = {
        "corpus": "CHIP-MDCFNPC, public dialogues; weights only, no text",
        "dialogues": len(dialogues),
        "mentions": len(gold),
        "evaluation": "five-fold cross-validation by dialogue; thresholds chosen on the other folds, kinds of trees and patterns "
        "with all in view; 95 % bootstrap interval by dialogue",
        "macro_f1": round(macro, 4),
        "f1": {row[0]: round(row[4], 4) for row in rows},
        "interval": _interval(data.answers, predicted),
        "intended_use": "findings in doctor-patient chat, for people who read on; no decision about a patient",
    }
    return {
        "version": "2",
        "card": card,
        "classes": list(ATTRIBUTES),
        "features": list(feature_names()),
        "folds": [fold.record() for fold in folds],
    }


def _scored(dialogue: Dialogue) -> Dialogue:
    return dialogue._replace(mentions=tuple(mention for mention in dialogue.mentions if mention.answer))


def main(arguments: Sequence[str]) -> None:
    """Read the dialogues, learn, write the model and print its card."""
    source, out = map(Path, arguments)
    read = [_scored(row[1]) for row in read_dialogues(source) if not isinstance(row, Refused)]
    model = train([dialogue for dialogue in read if dialogue.mentions])
    out.write_text(json.dumps(model, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8")
    sys.stdout.write(json.dumps(model["card"], ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
