"""Free-response curves: which lesions are found at how many false positives a scan (Bunch et al. 1978), as LUNA16 counts them.

A found box is right for each lesion of its class that holds its middle. A lesion counts once, with the best score; a box that is right
for a lesion that is ignored counts neither way. The mean sensitivity at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false positives a scan is the
competition performance metric (CPM; Niemeijer et al. 2011); between two thresholds the curve is a line, as in LUNA16's own script.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imaging.models.boxes import corners

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["RATES", "found_table", "froc", "hits", "one_false_a_scan", "overlaps", "statistics"]

#: False positives a scan.
RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


def overlaps(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the intersection of each two boxes over their union, of shape (n_found, n_truth)."""
    here, there = corners(found)[:, None], corners(truth)[None]
    common = np.clip(np.minimum(here[..., 3:], there[..., 3:]) - np.maximum(here[..., :3], there[..., :3]), 0, None).prod(axis=-1)
    return common / (found["size"].prod(axis=1)[:, None] + truth["size"].prod(axis=1)[None] - common)


def hits(found: np.ndarray, truth: np.ndarray, *, iou: float | None = None) -> np.ndarray:
    """Return which found box is right for which lesion.

    Parameters
    ----------
    found, truth : ndarray of shape (n_found,) and (n_truth,), BOX
        In the same coordinates.
    iou : float, optional
        Right from this intersection over union on. Unless given: right if the middle is inside the lesion.

    Returns
    -------
    ndarray of shape (n_found, n_truth), bool
    """
    if iou is not None:
        right = overlaps(found, truth) >= iou
    else:
        away = (found["centre"][:, None] - truth["centre"][None]) / (truth["size"][None] / 2)
        right = (away**2).sum(axis=-1) < 1
    return right & (found["label"][:, None] == truth["label"][None])


def found_table(
    found: Sequence[np.ndarray], truth: Sequence[np.ndarray], width: tuple[int, int], *, iou: float | None = None
) -> np.ndarray:
    """Return, for each case, the score of each lesion and of each false positive.

    Parameters
    ----------
    found, truth : sequence of ndarray of BOX
        By case.
    width : tuple of 2 int
        Most lesions and most found boxes of a case.
    iou : float, optional
        See :func:`hits`.

    Returns
    -------
    ndarray of shape (n_cases, sum(width))
        Minus infinity for a lesion that was missed; NaN where there is nothing.
    """
    table = np.full((len(found), sum(width)), np.nan)
    for row, boxes, lesions in zip(table, found, truth, strict=True):
        right, counted = hits(boxes, lesions, iou=iou), ~lesions["ignored"]
        best = np.where(right[:, counted], boxes["score"][:, None], -np.inf).max(axis=0, initial=-np.inf)
        false = boxes["score"][~right.any(axis=1)]
        row[: len(best)] = best
        row[width[0] : width[0] + len(false)] = false
    return table


def froc(table: np.ndarray, lesions: int, weights: np.ndarray) -> np.ndarray:
    """Return sensitivities.

    Parameters
    ----------
    table : ndarray of shape (n_cases, n)
        Of :func:`found_table`.
    lesions : int
        How many of its columns are lesions.
    weights : ndarray of shape (n_draws, n_cases)
        How often each case counts.

    Returns
    -------
    ndarray of shape (n_draws, 7)
        At each of :data:`RATES`; NaN where there are no lesions.

    Examples
    --------
    >>> froc(np.array([[0.9, 0.1, 0.5]]), 2, np.ones((1, 1)))[0, [0, 3]].tolist()
    [0.5, 1.0]
    """
    case, column = np.nonzero(table > -np.inf)
    score, is_lesion = table[case, column], column < lesions
    order = np.argsort(-score, kind="stable")
    case, is_lesion, score = case[order], is_lesion[order], score[order]
    last = np.flatnonzero(np.r_[np.diff(score) != 0, True]) if len(score) else np.empty(0, int)  # of those with an equal score
    counts = weights @ (~np.isnan(table[:, :lesions])).sum(axis=1)
    drawn = weights[:, case]
    start = np.zeros((len(weights), 1))
    right, false = (np.hstack([start, np.cumsum(drawn * each, axis=1)[:, last]]) for each in (is_lesion, ~is_lesion))
    with np.errstate(invalid="ignore"):
        sensitivity, rate = right / counts[:, None], false / weights.sum(axis=1)[:, None]
    return np.array([np.interp(RATES, x, y) for x, y in zip(rate, sensitivity, strict=True)])


def statistics(table: np.ndarray, lesions: int) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Return the statistics of a detection, for ``metrics.intervals``.

    Parameters
    ----------
    table : ndarray of shape (n_cases, n)
        Of :func:`found_table`.
    lesions : int
        How many of its columns are lesions.
    """
    cpm = {"cpm": lambda weights: froc(table, lesions, weights).mean(axis=1)}
    return cpm | {
        f"sensitivity {rate:g} FP/scan": lambda weights, column=column: froc(table, lesions, weights)[:, column]
        for column, rate in enumerate(RATES)
    }


def one_false_a_scan(table: np.ndarray, lesions: int) -> float:
    """Return the least score above which there is at most one false positive a scan; 0 where there never are more."""
    false = np.sort(table[:, lesions:][~np.isnan(table[:, lesions:])])[::-1]
    return float(np.nextafter(false[len(table)], np.inf)) if len(false) > len(table) else 0.0
