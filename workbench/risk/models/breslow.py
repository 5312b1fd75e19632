"""Cox's partial likelihood with Breslow's ties as a function of each person's score: what boosting climbs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from workbench.risk.survival.partial_likelihood import RiskSets, risk_sets

if TYPE_CHECKING:
    from workbench.risk.survival.outcome import Follow

__all__ = ["Breslow"]


class Breslow(NamedTuple):
    """The likelihood of some persons; scores are log hazard ratios.

    Parameters
    ----------
    sets : RiskSets
        Who was at risk when.
    weight : ndarray of float, shape (n,)
        Of each row in the order of `sets`; 0 where there was no event.
    """

    sets: RiskSets
    weight: np.ndarray

    @classmethod
    def of(cls, given: Follow, weight: np.ndarray) -> Self:
        """Sort persons into risk sets."""
        sets = risk_sets(given, weight=weight, efron=False)
        of_events = np.zeros(len(weight))
        of_events[sets.events] = sets.weight[sets.events]
        return cls(sets, of_events)

    def _parts(self, score: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        """Return scores and weighted hazard ratios in the order of the sets, sums of those at risk, and what was taken from the scores."""
        eta = score[self.sets.order]
        top = float(eta.max())
        ratio = self.sets.weight * np.exp(eta - top)
        gone = np.r_[0.0, np.cumsum(ratio[self.sets.leave])][self.sets.gone]
        return eta, ratio, np.cumsum(ratio)[self.sets.upto - 1] - gone, top

    def derivatives(self, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the gradient and the diagonal of the Hessian of the negative log likelihood, each of shape (n,)."""
        _, ratio, at_risk, _ = self._parts(score)
        hazard = self.sets.tied * self.sets.mean_weight / at_risk
        once, twice = (np.r_[0.0, np.cumsum(part)] for part in (hazard, hazard / at_risk))
        passed, squared = (total[self.sets.last] - total[self.sets.first] for total in (once, twice))
        gradient, hessian = np.empty(len(ratio)), np.empty(len(ratio))
        gradient[self.sets.order] = ratio * passed - self.weight
        hessian[self.sets.order] = np.maximum(ratio * passed - ratio**2 * squared, 1e-12)
        return gradient, hessian

    def loss(self, score: np.ndarray) -> float:
        """Return the negative log likelihood of an event; 0 where there is none."""
        eta, _, at_risk, top = self._parts(score)
        total = self.weight.sum()
        if not total:
            return 0.0
        return float(((self.sets.tied * self.sets.mean_weight) @ (np.log(at_risk) + top) - self.weight @ eta) / total)

    def baseline(self, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the event times, rising, and the cumulative hazard of a person whose score is 0."""
        _, _, at_risk, top = self._parts(score)
        return self.sets.time[::-1], np.cumsum((self.sets.tied * self.sets.mean_weight / at_risk)[::-1]) * np.exp(-top)
