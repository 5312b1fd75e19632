"""Accuracy of predictions of a binary outcome, and of decisions made at a threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from workbench.errors import DefinitionError
from workbench.risk.evaluation.horizon import binary, checked_probabilities
from workbench.risk.evaluation.shares import wilson

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["BinaryAccuracy", "at_thresholds", "binary_accuracy"]

#: Share -> who has what is counted, among whom.
_SHARES = {
    "sensitivity": ("true_positive", "false_negative"),
    "specificity": ("true_negative", "false_positive"),
    "ppv": ("true_positive", "false_positive"),
    "npv": ("true_negative", "false_negative"),
}


class BinaryAccuracy(NamedTuple):
    """How well predictions tell who has the event.

    Parameters
    ----------
    auroc : float
        Area under the ROC curve: how often who had the event was given the higher risk.
    auprc : float
        Average precision, by steps; without any skill it is the share of events.
    brier : float
        The mean squared error.
    scaled_brier : float
        One minus its ratio to that of the share of events given to all.
    """

    auroc: float
    auprc: float
    brier: float
    scaled_brier: float


def binary_accuracy(y: ArrayLike, risk: ArrayLike) -> BinaryAccuracy:
    """Return the accuracy of predicted probabilities.

    Parameters
    ----------
    y : array-like of bool, shape (n,)
        Who had the event.
    risk : array-like of float, shape (n,)
        Predicted probabilities of it.

    Returns
    -------
    BinaryAccuracy
        By scikit-learn.

    Raises
    ------
    DataError
        If all had the same outcome, or a prediction is missing or not within 0 and 1.

    Examples
    --------
    >>> binary_accuracy([True, False, True, False], [0.8, 0.4, 0.6, 0.2]).auroc
    1.0
    """
    truth = binary(y)
    risk, share = checked_probabilities(risk, (len(truth),)), truth.mean()
    brier = float(brier_score_loss(truth, risk))
    return BinaryAccuracy(
        float(roc_auc_score(truth, risk)), float(average_precision_score(truth, risk)), brier, float(1 - brier / (share * (1 - share)))
    )


def at_thresholds(y: ArrayLike, risk: ArrayLike, thresholds: ArrayLike, *, level: float = 0.95) -> pd.DataFrame:
    """Return what comes of calling those positive whose predicted risk reaches a threshold.

    Parameters
    ----------
    y : array-like of bool, shape (n,)
        Who had the event.
    risk : array-like of float, shape (n,)
        Predicted probabilities of it.
    thresholds : float or array-like of float, shape (m,)
        From 0 to 1.
    level : float
        Of the intervals.

    Returns
    -------
    DataFrame
        By threshold: `true_positive`, `false_positive`, `true_negative` and `false_negative` persons; `sensitivity`, `specificity`, `ppv`
        and `npv`, each with Wilson's interval in `..._lower` and `..._upper`. A share of nobody is not a number.

    Raises
    ------
    DataError
        As :func:`binary_accuracy`.
    DefinitionError
        If a threshold is not from 0 to 1.

    Examples
    --------
    >>> table = at_thresholds([True, False, True, False], [0.8, 0.7, 0.6, 0.2], 0.65)
    >>> table[["sensitivity", "specificity", "ppv", "npv"]].loc[0.65].tolist()
    [0.5, 0.5, 0.5, 0.5]
    """
    truth, thresholds = binary(y), np.atleast_1d(np.asarray(thresholds, float))
    risk = checked_probabilities(risk, (len(truth),))
    if not ((thresholds >= 0) & (thresholds <= 1)).all():
        raise DefinitionError("thresholds must lie from 0 to 1")
    below, missed = (np.searchsorted(np.sort(some), thresholds) for some in (risk[~truth], risk[truth]))
    columns = {
        "true_positive": truth.sum() - missed,
        "false_positive": (~truth).sum() - below,
        "true_negative": below,
        "false_negative": missed,
    }
    for name, (right, wrong) in _SHARES.items():
        hits, n = columns[right], columns[right] + columns[wrong]
        lower, upper = wilson(hits, n, level=level)
        share = np.divide(hits, n, where=n > 0, out=np.full(len(thresholds), np.nan))
        columns |= {name: share, f"{name}_lower": lower, f"{name}_upper": upper}
    return pd.DataFrame(columns, index=pd.Index(thresholds, name="threshold"))
