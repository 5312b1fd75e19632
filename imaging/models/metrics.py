"""How good predictions are, with intervals from drawing patients anew: the cases of a patient come and go together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["auc", "best_threshold", "classification", "dice", "intervals", "mean", "segmentation"]

#: Draws of patients, and how many of them are in memory at a time.
DRAWS = 2000
_AT_ONCE = 100


def intervals(
    statistics: Mapping[str, Callable[[np.ndarray], np.ndarray]], patients: Sequence[str], *, draws: int = DRAWS, seed: int = 1
) -> dict[str, dict[str, float | None]]:
    """Return statistics with 95 % percentile intervals.

    Parameters
    ----------
    statistics : mapping of str to callable
        Each takes weights of shape (n_draws, n_cases) and returns an array of shape (n_draws,), NaN where it is not defined.
    patients : sequence of str
        Whose each case is.
    draws, seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        Name -> value, low and high; None where a value is not defined, and where one patient leaves nothing to draw from.

    Examples
    --------
    >>> hit = np.array([1, 0, 1, 1])
    >>> found = intervals({"accuracy": lambda weights: weights @ hit / weights.sum(axis=1)}, ["a", "b", "c", "d"])
    >>> found["accuracy"]["value"], found["accuracy"]["high"]
    (0.75, 1.0)
    """
    _, member = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    count, chance = int(member.max()) + 1, np.random.default_rng(seed)
    drawn: dict[str, list[np.ndarray]] = {name: [] for name in statistics}
    for start in range(0, draws, _AT_ONCE):
        times = chance.multinomial(count, np.full(count, 1 / count), size=min(_AT_ONCE, draws - start))
        weights = times[:, member].astype(float)
        for name, statistic in statistics.items():
            drawn[name].append(statistic(weights))
    once = np.ones((1, len(member)))
    found = {name: _told(float(statistic(once)[0]), np.concatenate(drawn[name])) for name, statistic in statistics.items()}
    return found if count > 1 else {name: each | {"low": None, "high": None} for name, each in found.items()}


def _told(value: float, draws: np.ndarray) -> dict[str, float | None]:
    draws = draws[np.isfinite(draws)]
    if not np.isfinite(value) or not len(draws):
        return {"value": None, "low": None, "high": None}
    low, high = np.percentile(draws, [2.5, 97.5])
    return {"value": round(value, 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def auc(truth: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the area under the receiver operating characteristic; a tie counts half.

    Parameters
    ----------
    truth : ndarray of shape (n_cases,), bool
        Which cases are positive.
    score : ndarray of shape (n_cases,)
        Greater where positive is likelier.
    weights : ndarray of shape (n_draws, n_cases)
        How often each case counts.

    Returns
    -------
    ndarray of shape (n_draws,)
        NaN where there are no positives or no negatives.

    Examples
    --------
    >>> auc(np.array([False, True, True]), np.array([0.1, 0.1, 0.9]), np.ones((1, 3))).tolist()
    [0.75]
    """
    order = np.argsort(score, kind="stable")
    ties = np.flatnonzero(np.r_[True, np.diff(score[order]) > 0])
    positive = np.add.reduceat((weights * truth)[:, order], ties, axis=1)
    negative = np.add.reduceat((weights * ~truth)[:, order], ties, axis=1)
    below = np.cumsum(negative, axis=1) - negative / 2
    with np.errstate(invalid="ignore"):
        return (positive * below).sum(axis=1) / (positive.sum(axis=1) * negative.sum(axis=1))


def best_threshold(truth: np.ndarray, score: np.ndarray) -> float:
    """Return the threshold at which sensitivity plus specificity is greatest (Youden 1950), midway between two scores.

    Parameters
    ----------
    truth : ndarray of shape (n_cases,), bool
        Which cases are positive.
    score : ndarray of shape (n_cases,)
        Of validation cases, never of test cases.

    Examples
    --------
    >>> best_threshold(np.array([False, False, True]), np.array([0.1, 0.6, 0.8])).__round__(3)
    0.7
    """
    if truth.all() or not truth.any():
        return 0.5
    order = np.argsort(score, kind="stable")
    ordered, hits = score[order], truth[order]
    gain = np.cumsum(~hits) / (~hits).sum() - np.cumsum(hits) / hits.sum()
    gain[:-1][np.diff(ordered) == 0] = -np.inf
    best = int(gain[:-1].argmax()) if len(gain) > 1 else 0
    return float(ordered[best : best + 2].mean())


def classification(truth: np.ndarray, shares: np.ndarray, threshold: float | None) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Return the statistics of a classification.

    Parameters
    ----------
    truth : ndarray of shape (n_cases,), int
        Classes.
    shares : ndarray of shape (n_cases, n_classes)
        Predicted probabilities.
    threshold : float or None
        Of the second of two classes; None: the likeliest class.

    Returns
    -------
    dict
        auc (of more than two classes: the mean of each against the rest), accuracy, and of two classes sensitivity and specificity.
    """
    classes = shares.shape[1]
    decided = shares.argmax(axis=1) if threshold is None or classes > 2 else (shares[:, 1] >= threshold).astype(int)
    one_by_one = (1,) if classes == 2 else range(classes)
    found: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "auc": lambda weights: np.mean([auc(truth == each, shares[:, each], weights) for each in one_by_one], axis=0),
        "accuracy": lambda weights: mean(decided == truth, weights),
    }
    if classes == 2:
        found["sensitivity"] = lambda weights: mean(decided == 1, weights * (truth == 1))
        found["specificity"] = lambda weights: mean(decided == 0, weights * (truth == 0))
    return found


def segmentation(values: np.ndarray, classes: Sequence[str]) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Return the mean of each class's Dice coefficients.

    Parameters
    ----------
    values : ndarray of shape (n_cases, n_classes - 1)
        As :func:`dice` gives them.
    classes : sequence of str
        All names, the background's first.
    """
    return {
        f"dice {name}": lambda weights, column=column: mean(column, weights) for name, column in zip(classes[1:], values.T, strict=True)
    }


def mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted mean of what is defined.

    Parameters
    ----------
    values : ndarray of shape (n_cases,)
        NaN where not defined.
    weights : ndarray of shape (n_draws, n_cases)
        How often each case counts.

    Returns
    -------
    ndarray of shape (n_draws,)
        NaN where nothing is defined.
    """
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return weights @ np.where(known, values, 0) / (weights @ known)


def dice(truth: np.ndarray, found: np.ndarray, classes: int) -> np.ndarray:
    """Return the Dice coefficient of each class but the background.

    Parameters
    ----------
    truth, found : ndarray of equal shape, int
        Label maps.
    classes : int
        With the background.

    Returns
    -------
    ndarray of shape (classes - 1,)
        NaN where neither map has the class, 0 where one of them has it.

    Examples
    --------
    >>> dice(np.array([0, 1, 1]), np.array([0, 0, 1]), 3)
    array([0.66666667,        nan])
    """
    both = np.bincount(truth[truth == found].ravel(), minlength=classes)[1:classes]
    either = np.bincount(truth.ravel(), minlength=classes)[1:classes] + np.bincount(found.ravel(), minlength=classes)[1:classes]
    with np.errstate(invalid="ignore"):
        return np.where(either > 0, 2 * both / either, np.nan)
