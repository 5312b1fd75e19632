"""By when an outcome is predicted, where a study does not say."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from workbench.errors import DataError
from workbench.locale import tr
from workbench.risk.survival.outcome import follow

if TYPE_CHECKING:
    from workbench.risk.extraction.dataset import StudyData

__all__ = ["HorizonsWarning", "horizons_of", "round_horizon"]

#: Horizons that clinicians use, in days.
ROUND = (1, 2, 3, 7, 14, 28, 30, 60, 90, 180, 365, 730, 1095, 1826, 3652)

#: Share of persons who have had an event or are still watched at a default horizon.
_WATCHED = 0.25


class HorizonsWarning(UserWarning):
    """The study names no horizon, and one was chosen by the follow-up."""


def round_horizon(y: np.ndarray) -> float:
    """Return the longest usual horizon to which a quarter of the persons are watched, and by which there are events.

    Parameters
    ----------
    y : structured ndarray of shape (n,)
        Outcomes with times in days.

    Returns
    -------
    float
        In days; where all usual ones are too long, the median follow-up to one digit.

    Examples
    --------
    >>> from workbench.risk.survival.outcome import outcome
    >>> round_horizon(outcome(np.linspace(1, 500, 100), np.arange(100) % 2 == 0))
    365.0
    """
    time = follow(y).time
    most = float(np.quantile(time, 1 - _WATCHED))
    return float(max((days for days in ROUND if days <= most), default=float(f"{np.median(time):.0e}")))


def horizons_of(data: StudyData) -> tuple[float, ...]:
    """Return the horizons of a study in days, rising; none of a binary outcome.

    Parameters
    ----------
    data : StudyData
        The study's data.

    Returns
    -------
    tuple of float
        Those of the protocol; a usual one where it names none, with a :class:`HorizonsWarning`.

    Raises
    ------
    DataError
        If nobody had the outcome by the first horizon, or nobody is followed to the last.
    """
    if data.binary:
        return ()
    stated = tuple(sorted(set(data.protocol.outcome.horizons_days)))
    if not stated:
        chosen = round_horizon(data.y)
        warnings.warn(
            tr(
                f"研究未指定预测时点，已按随访时间选定 {chosen:g} 天",
                f"the study names no horizon: {chosen:g} days were chosen by its follow-up",
            ),
            HorizonsWarning,
            stacklevel=2,
        )
        stated = (chosen,)
    given = follow(data.y)
    if not ((given.event.astype(int) == 1) & (given.time <= stated[0])).any():
        raise DataError(f"nobody had the outcome by {stated[0]:g} days", hint="choose later horizons_days")
    if given.time.max() < stated[-1]:
        raise DataError(
            f"nobody was followed up to {stated[-1]:g} days", hint=f"the longest usual horizon here is {round_horizon(data.y):g} days"
        )
    return stated
