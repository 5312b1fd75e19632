"""Net benefit: whether acting on predictions does more good than acting on everybody or on nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.errors import DefinitionError
from workbench.risk.evaluation.horizon import binary, checked_probabilities, checked_times, watched
from workbench.risk.evaluation.shares import shares_among

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["decision_curve"]

#: 1 % to 50 %, by 1 %.
_THRESHOLDS = np.arange(1, 51) / 100


def decision_curve(
    y: ArrayLike,
    risk: ArrayLike,
    thresholds: ArrayLike = _THRESHOLDS,
    *,
    horizon: float | None = None,
    cause: int = 1,
    harm: float = 0.0,
) -> pd.DataFrame:
    """Return the net benefit of acting where the predicted risk reaches a threshold.

    Parameters
    ----------
    y : structured ndarray or array-like of bool, shape (n,)
        Outcomes: with times, or binary.
    risk : array-like of float, shape (n,)
        Predicted probabilities of the event, by the horizon.
    thresholds : array-like of float, shape (m,)
        Within 0 and 1, rising: at p, one true positive is worth (1 - p) / p false ones.
    horizon : float, optional
        By when, in the unit of the outcomes; none for a binary outcome.
    cause : int
        Of competing risks, whose events count.
    harm : float
        Of predicting itself (a test's cost), in true positives a person.

    Returns
    -------
    DataFrame
        By threshold: `positive`, the share of persons whose risk reaches it; `true_positive` and `false_positive`, shares of all;
        `net_benefit`, and `treat_all` and `treat_none` to hold it against; `standardised`, the net benefit as a share of the greatest
        possible; `intervention_avoided`, the net share of persons spared, at no loss of true positives, against treating all. With times,
        not a number where nobody above the threshold was followed up to the horizon.

    Raises
    ------
    DataError
        If a prediction is missing or not within 0 and 1, nobody had the event, or nobody was followed up to the horizon.
    DefinitionError
        If thresholds do not rise within 0 and 1.

    Notes
    -----
    Vickers and Elkin (2006), Medical Decision Making 26:565. With times the share of events among the positive is one minus
    Kaplan-Meier, with competing risks that of Aalen and Johansen: Vickers et al. (2008), BMC Med Inform Decis Mak 8:53. The
    standardised net benefit: Kerr et al. (2016), J Clin Oncol 34:2534.

    Examples
    --------
    >>> y = [True, True, False, False]
    >>> decision_curve(y, [0.9, 0.4, 0.6, 0.1], [0.2, 0.5])["net_benefit"].tolist()
    [0.4375, 0.0]
    """
    thresholds = np.atleast_1d(np.asarray(thresholds, float))
    if not (len(thresholds) and (thresholds > 0).all() and (thresholds < 1).all() and (np.diff(thresholds) > 0).all()):
        raise DefinitionError("thresholds must rise, greater than 0 and less than 1", hint="a threshold is the risk from which on one acts")
    if horizon is None:
        y = binary(y)
    else:
        checked_times(horizon, watched(y), cause)
    risk = checked_probabilities(risk, (len(y),))
    above = [risk >= threshold for threshold in thresholds]
    *shares, prevalence = shares_among(y, [*above, np.ones(len(y), bool)], horizon=horizon, cause=cause)
    positive, odds = np.array([each.mean() for each in above]), thresholds / (1 - thresholds)
    true = np.array(shares) * positive
    benefit = true - odds * (positive - true) - harm
    treat_all = prevalence - odds * (1 - prevalence)
    columns = {"positive": positive, "true_positive": true, "false_positive": positive - true, "net_benefit": benefit}
    columns |= {"treat_all": treat_all, "treat_none": 0.0, "standardised": benefit / prevalence}
    columns["intervention_avoided"] = (benefit - treat_all) / odds
    return pd.DataFrame(columns, index=pd.Index(thresholds, name="threshold"))
