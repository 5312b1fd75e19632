"""A neural network that predicts hazards in intervals of time; or, where the outcome has no times, a probability."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.preprocessing import QuantileTransformer
from sklearn.utils.validation import check_is_fitted, validate_data

from workbench.errors import DataError, DefinitionError
from workbench.risk.evaluation.horizon import binary
from workbench.risk.models.catalogue import Recipe
from workbench.risk.models.common import horizons
from workbench.risk.models.extras import needed
from workbench.risk.models.inner_split import inner_parts
from workbench.risk.models.networks import Networks, Teaching, Training, log_shares, train
from workbench.risk.survival.outcome import Follow, case_weights, follow

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["RECIPE", "HazardNet", "Intervals"]

#: Quantiles of a column that its ranks are interpolated from.
_QUANTILES = 200
#: Events that an interval should hold.
_EVENTS_AN_INTERVAL = 5


class Intervals(NamedTuple):
    """Time cut into intervals, open below and closed above.

    Parameters
    ----------
    edges : ndarray of float, shape (k + 1,)
        From 0 to the longest follow-up.
    """

    edges: np.ndarray

    @classmethod
    def of(cls, given: Follow, *, wanted: int) -> Self:
        """Cut where quantiles of the event times are, so that each interval holds as many events."""
        events = given.time[given.event.astype(bool)]
        count = int(np.clip(len(events) // _EVENTS_AN_INTERVAL, 1, wanted))
        inner = np.quantile(events, np.arange(1, count) / count)
        return cls(np.unique(np.r_[0.0, inner, given.time.max()]))

    def exposed(self, given: Follow) -> np.ndarray:
        """Return the part of each interval in which each was at risk, of shape (n, k); an event's interval counts whole."""
        low, high = self.edges[:-1], self.edges[1:]
        start = np.zeros(len(given.time)) if given.entry is None else given.entry
        part = np.clip(np.minimum(given.time[:, None], high) - np.maximum(start[:, None], low), 0, None) / (high - low)
        had = np.flatnonzero(given.event)
        part[had, self.place(given.time[had])] = 1
        return part

    def place(self, time: np.ndarray) -> np.ndarray:
        """Return the interval of each time."""
        return np.clip(np.searchsorted(self.edges, time) - 1, 0, len(self.edges) - 2)

    def incidence(self, logits: np.ndarray, times: np.ndarray, cause: int) -> np.ndarray:
        """Return the cumulative incidence of a cause, of shape (..., m), from logits of shape (..., k, c); hazards are constant within."""
        stay, go = log_shares(logits)
        before = np.cumsum(stay, axis=-1) - stay
        share = np.exp(go[..., cause - 1] - np.logaddexp.reduce(go, axis=-1))
        done = np.cumsum(share * np.exp(before) * -np.expm1(stay), axis=-1)
        done = np.concatenate((np.zeros((*done.shape[:-1], 1)), done), axis=-1)
        at = np.clip(times, 0, self.edges[-1])
        place = self.place(at)
        part = (at - self.edges[place]) / np.diff(self.edges)[place]
        return done[..., place] + share[..., place] * np.exp(before[..., place]) * -np.expm1(part * stay[..., place])


class HazardNet(BaseEstimator):
    """An ensemble of small neural networks for the hazard in intervals of time.

    It needs no proportional hazards, heeds delayed entry and competing causes, and takes a binary outcome as one interval.

    Parameters
    ----------
    intervals : int
        At most so many, cut at quantiles of the event times; fewer where events are few.
    hidden : tuple of int
        Units of each hidden layer.
    dropout : float
        Share of units left out at random in each step of training.
    learning_rate, weight_decay : float
        Of AdamW.
    batch : int
        Rows a step.
    max_epochs, patience : int
        Passes through the data at most, and without improvement on the rows held out.
    members : int
        Networks, each of which learns from all parts of the data but one; their risks are averaged.
    random_state : int
        Of split, start and dropout.

    Attributes
    ----------
    intervals_ : Intervals
        Of time; one for a binary outcome.
    networks_ : Networks
        The networks.
    causes_ : int
        Causes of the outcome; 1 without competing risks.
    ranks_ : QuantileTransformer
        From each column's values to ranks from 0 to 1.
    centre_, scale_ : ndarray of float, shape (p,)
        They standardise the ranks.
    last_time_ : float
        The longest follow-up; not a number for a binary outcome.

    Notes
    -----
    Gensheimer and Narasimhan (2019), PeerJ 7:e6257; hazards within an interval are constant (Kvamme and Borgan 2021, Lifetime Data Anal
    27:710), so that who is censored inside it counts for the part that was watched. Several causes share a softmax.

    The networks see ranks, so that neither a unit nor a slip of the pen by powers of ten matters, and a value beyond those of training
    counts as their edge. The ranks, and the edges of the intervals, come from patients' values: a fitted model never leaves a session.

    Examples
    --------
    >>> from workbench.risk.survival.outcome import outcome
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 2))
    >>> y = outcome(rng.exponential(np.exp(-X[:, 0])) + 0.01, np.ones(200, bool))
    >>> risk = HazardNet(members=2).fit(X, y).predict_risk([[-1.0, 0.0], [1.0, 0.0]], [0.5, 1.0])
    >>> bool(risk[1, 0] > risk[0, 0]), bool((risk[:, 1] > risk[:, 0]).all())
    (True, True)
    """

    def __init__(
        self,
        *,
        intervals: int = 10,
        hidden: tuple[int, ...] = (32, 32),
        dropout: float = 0.5,
        learning_rate: float = 0.01,
        weight_decay: float = 0.01,
        batch: int = 256,
        max_epochs: int = 500,
        patience: int = 10,
        members: int = 10,
        random_state: int = 0,
    ) -> None:
        self.intervals = intervals
        self.hidden = hidden
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch = batch
        self.max_epochs = max_epochs
        self.patience = patience
        self.members = members
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: np.ndarray, sample_weight: ArrayLike | None = None, groups: ArrayLike | None = None) -> Self:
        """Train the networks.

        Parameters
        ----------
        X : array-like of float, shape (n, p)
            Columns, none missing, on any scale.
        y : ndarray of shape (n,)
            Outcomes with times, or binary ones.
        sample_weight : array-like of float, shape (n,), optional
            Case weights.
        groups : array-like of shape (n,), optional
            The person of each row, where a person has several.

        Returns
        -------
        HazardNet
            This, fitted.

        Raises
        ------
        DataError
            If fewer persons had the event than there are members, or, of a binary outcome, fewer did not.
        ValueError
            If a value is missing or infinite.
        DefinitionError
            If a parameter is none.
        EnvironmentFault
            If torch is not installed.
        """
        self._check_parameters()
        needed("torch")
        X = validate_data(self, X, dtype=float, ensure_min_samples=2)
        given = _at_one(y) if _is_binary(y) else follow(y)
        if len(given.time) != len(X):
            raise DataError(f"{len(X)} rows have predictors and {len(given.time)} have an outcome")
        happened = given.event.astype(int)
        part = inner_parts(np.c_[X, given.time], happened, groups, parts=self.members, seed=self.random_state, both=_is_binary(y))
        self.causes_ = int(happened.max())
        self.last_time_ = float("nan") if _is_binary(y) else float(given.time.max())
        self.intervals_ = Intervals.of(given, wanted=1 if _is_binary(y) else self.intervals)
        self._learn_scale(X)
        target = np.zeros((len(X), len(self.intervals_.edges) - 1, self.causes_))
        had = np.flatnonzero(happened)
        target[had, self.intervals_.place(given.time[had]), happened[had] - 1] = 1
        weight = case_weights(sample_weight, len(X))
        teaching = Teaching(self._scaled(X), self.intervals_.exposed(given), target, weight / weight.mean(), part)
        self.networks_: Networks = train(teaching, self._training())
        return self

    def _check_parameters(self) -> None:
        whole = {"intervals": self.intervals, "batch": self.batch, "max_epochs": self.max_epochs, "patience": self.patience}
        wrong = [name for name, value in whole.items() if int(value) != value or value < 1]
        wrong += [name for name in ("learning_rate",) if not getattr(self, name) > 0]
        wrong += [name for name in ("weight_decay",) if not getattr(self, name) >= 0]
        wrong += ["dropout"] * (not 0 <= self.dropout < 1) + ["members"] * (self.members < 2)
        wrong += ["hidden"] * (not self.hidden or min(self.hidden) < 1)
        if wrong:
            told = ", ".join(f"{name}={getattr(self, name)!r}" for name in wrong)
            raise DefinitionError(f"the hazard net cannot have {told}", hint="counts of 1 or more, 2 or more members, dropout below 1")

    def _training(self) -> Training:
        return Training(
            tuple(self.hidden),
            self.dropout,
            self.learning_rate,
            self.weight_decay,
            self.batch,
            self.max_epochs,
            self.patience,
            self.random_state,
        )

    def _learn_scale(self, X: np.ndarray) -> None:
        self.ranks_ = QuantileTransformer(n_quantiles=min(_QUANTILES, len(X)), subsample=None).fit(X)
        ranks = self.ranks_.transform(X)
        spread = ranks.std(axis=0)
        self.centre_, self.scale_ = ranks.mean(axis=0), np.where(spread > 0, spread, np.inf)

    def _scaled(self, X: np.ndarray) -> np.ndarray:
        return (self.ranks_.transform(X) - self.centre_) / self.scale_

    def predict_risk(self, X: ArrayLike, times: ArrayLike | None = None, *, cause: int = 1) -> np.ndarray:
        """Return the risk by each horizon.

        Parameters
        ----------
        X : array-like of float, shape (n, p)
            Columns as in `fit`.
        times : array-like of float, shape (m,), optional
            Horizons, in the unit of the outcome; none for a binary outcome.
        cause : int
            Whose cumulative incidence.

        Returns
        -------
        ndarray of shape (n, m), or (n, 1) for a binary outcome
            The mean of the networks.

        Raises
        ------
        DefinitionError
            If a horizon is missing, or not above 0, or there is no such cause.
        """
        check_is_fitted(self)
        if not 1 <= cause <= self.causes_:
            raise DefinitionError(f"cause={cause!r}, and the outcome has {self.causes_}")
        X = validate_data(self, X, dtype=float, reset=False)
        at = np.array([1.0]) if np.isnan(self.last_time_) else horizons(times, self.last_time_)
        return self.intervals_.incidence(self.networks_.logits(self._scaled(X)), at, cause).mean(axis=0)


def _is_binary(y: np.ndarray) -> bool:
    return getattr(np.asarray(y).dtype, "names", None) is None


def _at_one(y: ArrayLike) -> Follow:
    """Return a binary outcome as one interval that all were watched to its end."""
    truth = binary(y)
    return Follow(np.ones(len(truth)), truth, None)


#: The row of the catalogue.
RECIPE = Recipe(HazardNet, ("binary", "survival", "competing"), {"knots": 0})
