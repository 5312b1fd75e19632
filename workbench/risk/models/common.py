"""What linear models share: horizons, a refusal of coefficients without end, and terms of a pipeline's own predictors."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from workbench.errors import DataError, DefinitionError
from workbench.locale import tr
from workbench.risk.models.equation import Term
from workbench.risk.models.linear_columns import column_name
from workbench.risk.models.preparation import own_factors

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from sklearn.base import BaseEstimator
    from sklearn.pipeline import Pipeline

__all__ = ["BeyondFollowUp", "horizons", "refuse_endless", "terms_of"]

#: A Newton step of more standard deviations than this from where the search ended leads to infinity.
_ENDLESS = 0.01


class BeyondFollowUp(UserWarning):
    """A horizon that nobody of the training data was followed up to: the risk is that of the last day."""


def refuse_endless(model: BaseEstimator, step: np.ndarray) -> None:
    """Refuse a regression whose coefficients run to infinity.

    Parameters
    ----------
    model : estimator
        Whose columns they are of.
    step : ndarray of float, shape (p,)
        Newton's step from where the search ended, in standard deviations.

    Raises
    ------
    DataError
        If a step does not shrink.
    """
    endless = np.flatnonzero(np.abs(step) > _ENDLESS)
    if len(endless):
        names = getattr(model, "feature_names_in_", np.array([f"x{place}" for place in range(len(step))]))
        raise DataError(
            f"these columns tell events apart without error, so their coefficients have no finite value: {', '.join(names[endless])}",
            zh=f"以下各列完全区分了是否发生结局，系数没有有限的值：{'、'.join(names[endless])}",
            hint="look whether they are known before the event at all; else join categories, or give alpha for a penalty",
        )


def horizons(times: ArrayLike | None, last_time: float) -> np.ndarray:
    """Return horizons at which a risk is asked, checked.

    Parameters
    ----------
    times : array-like of float, shape (m,)
        Horizons.
    last_time : float
        The longest follow-up of the training data; :class:`BeyondFollowUp` warns of later horizons.

    Returns
    -------
    ndarray of float, shape (m,)
        The same.

    Raises
    ------
    DefinitionError
        If there is none, or one is not a number above 0.
    """
    wanted = np.atleast_1d(np.asarray(() if times is None else times, float))
    if not wanted.size or not (np.isfinite(wanted) & (wanted > 0)).all():
        raise DefinitionError(
            "a model of times needs horizons that are finite and above 0", hint="give horizons_days in the outcome of the study"
        )
    if (late := wanted[wanted > last_time]).size:
        told = ", ".join(f"{time:g}" for time in late)
        # How long exactly is one patient's value.
        warnings.warn(
            tr(
                f"无人随访到 {told} 天，给出的是到最长随访时间的风险",
                f"nobody was followed up to {told}; the risk by the longest follow-up is given",
            ),
            BeyondFollowUp,
            stacklevel=3,
        )
    return wanted


def terms_of(pipeline: Pipeline, coefficients: np.ndarray, std_errors: np.ndarray) -> tuple[Term, ...]:
    """Return the terms of a pipeline's linear predictor.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted, with the steps of :mod:`workbench.risk.models.preparation`.
    coefficients, std_errors : ndarray of float, shape (p,)
        Of the columns.

    Returns
    -------
    tuple of Term
        In terms of the pipeline's own predictors.
    """
    triples = zip(own_factors(pipeline), coefficients.tolist(), std_errors.tolist(), strict=True)
    return tuple(Term((factor,), value, error, label=column_name(factor)) for factor, value, error in triples)
