"""Landmark models: one model for all times of prediction, learnt from predictions stacked on each other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.errors import DataError, DefinitionError
from workbench.locale import tr
from workbench.risk.extraction.dataset import Feature
from workbench.risk.survival.outcome import follow, outcome

if TYPE_CHECKING:
    from workbench.risk.extraction.dataset import StudyData

__all__ = ["stacked"]

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
    feature = Feature(LANDMARK, tr("预测时刻", "Time of prediction"), "h", "number", "person")
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
