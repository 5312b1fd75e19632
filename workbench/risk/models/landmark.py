"""Landmark models: one model for all times of prediction, learnt from predictions stacked on each other."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import expit

from workbench.errors import DataError, DefinitionError
from workbench.locale import tr
from workbench.risk.evaluation.horizon import binary
from workbench.risk.extraction.dataset import Feature
from workbench.risk.models.linear import CoxModel, LogisticModel
from workbench.risk.models.ridge import PartialLikelihood
from workbench.risk.survival.outcome import follow, outcome
from workbench.risk.survival.partial_likelihood import score_residuals

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from workbench.risk.extraction.dataset import StudyData
    from workbench.risk.models.pipeline import RiskPipeline

__all__ = ["clustered", "person_weights", "stacked"]

#: The predictor that says when a prediction is made.
LANDMARK = "landmark_hours"


def stacked(data: StudyData, *, horizon_days: float | None = None) -> StudyData:
    """Make the data of a landmark supermodel: the time of each prediction is a predictor, and nobody is followed beyond the horizon.

    Parameters
    ----------
    data : StudyData
        With landmarks: ``landmark_hours`` in its rows.
    horizon_days : float, optional
        From each prediction; needed with times, and only there.

    Returns
    -------
    StudyData
        With the predictor ``landmark_hours``; a model with splines bends it like others.

    Raises
    ------
    DataError
        If the study has no landmarks.
    DefinitionError
        If a horizon is needed, or not above 0.

    Notes
    -----
    van Houwelingen (2007), Scand J Stat 34:70; van Houwelingen and Putter (2012), Dynamic Prediction in Clinical Survival Analysis,
    chapter 7: the supermodel, whose effects may bend with the landmark, and administrative censoring at the horizon.
    """
    if LANDMARK not in data.rows:
        raise DataError("the study has no landmarks", hint="index: {landmarks: {every_hours: 24, until_hours: 240}}")
    hours = data.rows[LANDMARK].to_numpy(float)
    feature = Feature(LANDMARK, tr("预测时点", "Time of prediction"), "h", "number", "person")
    told = pd.DataFrame([{"feature": LANDMARK, "source": "person", "asked": LANDMARK, "known": len(hours), "records": len(hours)}])
    features = replace(
        data.features,
        X=data.X.assign(**{LANDMARK: hours}),
        columns=(*data.features.columns, feature),
        provenance=pd.concat([data.features.provenance, told], ignore_index=True),
    )
    return replace(data, features=features, cohort=replace(data.cohort, y=_up_to(data.y, horizon_days)))


def _up_to(y: np.ndarray, horizon_days: float | None) -> np.ndarray:
    """Return outcomes with everybody censored at the horizon, causes kept."""
    if y.dtype.names is None:
        return y
    if horizon_days is None or not horizon_days > 0:
        raise DefinitionError(f"horizon_days={horizon_days!r}: an outcome with times needs one above 0")
    given = follow(y)
    return outcome(np.minimum(given.time, horizon_days), np.where(given.time <= horizon_days, given.event, 0), entry=given.entry)


def person_weights(persons: ArrayLike) -> np.ndarray:
    """Return weights by which persons count alike, however many predictions they have.

    Parameters
    ----------
    persons : array-like of shape (n,)
        The person of each row.

    Returns
    -------
    ndarray of float, shape (n,)
        Of mean 1.

    Examples
    --------
    >>> person_weights(["a", "a", "b"]).tolist()
    [0.75, 0.75, 1.5]
    """
    _, codes, rows = np.unique(np.asarray(persons), return_inverse=True, return_counts=True)
    return len(codes) / len(rows) / rows[codes]


def clustered(
    pipeline: RiskPipeline, X: pd.DataFrame, y: np.ndarray, persons: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> RiskPipeline:
    """Give a linear model standard errors that know which rows are one person's.

    Parameters
    ----------
    pipeline : RiskPipeline
        Fitted: logistic or Cox.
    X : DataFrame of shape (n, q)
        Training data.
    y : ndarray of shape (n,)
        Their outcomes.
    persons : array-like of shape (n,)
        The person of each row.
    sample_weight : array-like of float, shape (n,), optional
        As in `fit`.

    Returns
    -------
    RiskPipeline
        The same, whose ``covariance_``, and so the errors of its equation, are the sandwich by person.

    Raises
    ------
    DefinitionError
        If the model is neither.

    Notes
    -----
    Lin and Wei (1989), JASA 84:1074, for Cox; Liang and Zeger (1986), Biometrika 73:13; without a correction for few persons. With a ridge
    its penalty is in the bread and not in the filling.
    """
    model = copy(pipeline[-1])
    if not isinstance(model, CoxModel | LogisticModel):
        raise DefinitionError(
            f"{type(model).__name__} has no standard errors that know persons", hint="logistic or cox; or resample by person"
        )
    columns = np.asarray(pipeline[:-1].transform(X), float)
    weight = np.ones(len(columns)) if sample_weight is None else np.asarray(sample_weight, float)
    scores, bread = (_of_cox if isinstance(model, CoxModel) else _of_logistic)(model, columns, y, weight)
    _, person = np.unique(np.asarray(persons), return_inverse=True)
    filling = np.column_stack([np.bincount(person, column) for column in scores.T])
    pulls = filling @ np.nan_to_num(bread)
    model.covariance_ = np.where(np.isnan(bread), np.nan, pulls.T @ pulls)
    return type(pipeline)([*pipeline.steps[:-1], (pipeline.steps[-1][0], model)])


def _of_cox(model: CoxModel, columns: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what each row adds to the score, and the inverse information: the model's own errors know the weights already."""
    likelihood = PartialLikelihood(columns, y, weight, efron=model.ties == "efron")
    sets = likelihood.sets
    x = np.vstack([np.ones(len(columns)), columns[sets.order].T])
    scores = np.empty_like(columns)
    scores[sets.order] = score_residuals(sets, x, model.coef_)
    return scores, likelihood.covariance(model.coef_, model.alpha_)


def _of_logistic(model: LogisticModel, columns: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    off = weight * (binary(y) - expit(model.intercept_ + columns @ model.coef_))
    return off[:, None] * np.column_stack([np.ones(len(columns)), columns]), model.covariance_
