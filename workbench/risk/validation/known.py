"""What is known of outcomes before any prediction is looked at: worked out once, for many predictions and many measures."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from workbench.risk.evaluation.cox_slope import cox_slope
from workbench.risk.evaluation.horizon import censoring_weights, checked_times, several_causes, until, watched
from workbench.risk.evaluation.pseudo import pseudo_observations
from workbench.risk.evaluation.shares import shares_among

if TYPE_CHECKING:
    from workbench.risk.survival.outcome import Follow

__all__ = ["AtHorizon", "Known"]


class AtHorizon(NamedTuple):
    """Outcomes at a horizon.

    Parameters
    ----------
    case : ndarray of bool, shape (n,)
        Who had the event by then.
    weight : ndarray of float, shape (n,)
        The inverse of the probability to be known; 0 for who was censored before.
    share : float
        That had the event: one minus Kaplan-Meier, or Aalen-Johansen.
    """

    case: np.ndarray
    weight: np.ndarray
    share: float


class Known:
    """Outcomes with times, and what follows from them alone.

    Parameters
    ----------
    y : structured ndarray of shape (n,)
        Outcomes; cause 1 is the event.
    train : structured ndarray, optional
        Outcomes from which the censoring is estimated; by default `y`.
    """

    def __init__(self, y: np.ndarray, train: np.ndarray | None = None) -> None:
        self.y, self.train = y, train
        self._at: dict[float, AtHorizon] = {}
        self._pseudo: dict[float, np.ndarray] = {}

    @cached_property
    def follow(self) -> Follow:
        """Times and events; refused where somebody entered late."""
        return watched(self.y)

    @cached_property
    def competing(self) -> bool:
        """Whether events have several causes, also where the rows at hand show one of them."""
        event = self.y[self.y.dtype.names[0]]
        return event.dtype != bool and (several_causes(self.y) or bool((event > 1).any()))

    def at(self, horizon: float) -> AtHorizon:
        """Return the outcomes at a horizon.

        Parameters
        ----------
        horizon : float
            In days.

        Returns
        -------
        AtHorizon

        Raises
        ------
        DataError
            If nobody had the event by then, or nobody was followed so far.
        """
        if horizon not in self._at:
            times = checked_times(horizon, self.follow, 1)
            (found,) = censoring_weights(self.follow, times, self.train, 1)
            share = shares_among(self.y, [np.ones(len(self.y), bool)], horizon=horizon)[0]
            self._at[horizon] = AtHorizon(*found, float(share))
        return self._at[horizon]

    def pseudo(self, horizon: float) -> np.ndarray:
        """Return pseudo-observations at a horizon, of shape (n,)."""
        if horizon not in self._pseudo:
            self._pseudo[horizon] = pseudo_observations(self.y, horizon)
        return self._pseudo[horizon]

    def slope(self, x: np.ndarray, horizon: float) -> float:
        """Return the coefficient of one covariate in Cox's regression, everybody censored at a horizon."""
        ended = until(self.y, horizon)
        return cox_slope(x, ended["time"], ended["event"])[0]
