"""Sample size: whether there are patients enough to develop a model, by Riley's criteria."""

from __future__ import annotations

from math import ceil, exp, log, log1p, sqrt
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import log_expit, logit
from scipy.stats import norm

from workbench.errors import DataError, DefinitionError
from workbench.locale import tr
from workbench.risk.evaluation.horizon import watched
from workbench.risk.validation.splits import happened

__all__ = ["Need", "SampleSize", "check", "needed_for_binary", "needed_for_survival", "r2_of_c"]

#: Of the greatest possible Cox-Snell R2, what is taken where nothing is known (Riley et al. 2020, box 2).
_USUAL_R2 = 0.15
_Z = float(norm.ppf(0.975))
_STEPS = 1000


class Need(NamedTuple):
    """How many patients a criterion asks for."""

    criterion: str
    zh: str
    en: str
    n: int

    @property
    def label(self) -> str:
        """What the criterion keeps small, in the language of the session."""
        return tr(self.zh, self.en)


class SampleSize(NamedTuple):
    """What sample size was wanted, and what there is.

    Parameters
    ----------
    needs : tuple of Need
        One a criterion.
    wanted, found : int
        Patients: the most that a criterion asks for, and those there are.
    events : int
        Among those.
    parameters : int
        Candidate predictors, each spline term and category but the first counted.
    events_per_parameter : float
        Events by parameters.
    shrinkage : float
        Expected of a model made of the patients there are: 1 minus the overfitting.
    r2 : float
        Cox-Snell's, that was assumed.
    sentence : str
        The finding in words, in the language of the session.
    """

    needs: tuple[Need, ...]
    wanted: int
    found: int
    events: int
    parameters: int
    events_per_parameter: float
    shrinkage: float
    r2: float
    sentence: str

    @property
    def enough(self) -> bool:
        """Whether there are as many as wanted."""
        return self.found >= self.wanted

    def table(self) -> pd.DataFrame:
        """Return a row a criterion: `criterion`, `label`, `n`."""
        return pd.DataFrame([(need.criterion, need.label, need.n) for need in self.needs], columns=["criterion", "label", "n"])


def needed_for_binary(*, prevalence: float, parameters: int, r2: float | None = None, shrinkage: float = 0.9) -> tuple[Need, ...]:
    """Return how many patients a model of a binary outcome needs.

    Parameters
    ----------
    prevalence : float
        Share with the outcome, within 0 and 1.
    parameters : int
        Candidate predictors, each spline term and category but the first counted.
    r2 : float, optional
        Cox-Snell's, that is expected; 15 % of the greatest possible where None.
    shrinkage : float
        That is aimed at.

    Returns
    -------
    tuple of Need
        For a shrinkage so near to 1; for an optimism of R2 up to 0.05; for the overall risk within 0.05; and, of up to 30 parameters, for a
        mean absolute error of predictions up to 0.05.

    Raises
    ------
    DefinitionError
        If a figure cannot be.

    Notes
    -----
    Riley et al. (2019), Statistics in Medicine 38:1276; Riley et al. (2020), BMJ 368:m441; the last criterion: van Smeden et al. (2019),
    Stat Methods Med Res 28:2455.

    Examples
    --------
    >>> [need.n for need in needed_for_binary(prevalence=0.174, parameters=24, r2=0.288)]
    [623, 662, 221, 801]
    """
    _check(prevalence=prevalence, parameters=parameters)
    most = _most_of_binary(prevalence)
    common = _common(parameters, _r2(r2, most), most, shrinkage)
    risk = Need(
        "overall risk", "总体风险估计的误差 ≤ 0.05", "overall risk within 0.05", ceil((_Z / 0.05) ** 2 * prevalence * (1 - prevalence))
    )
    if parameters > 30:
        return *common, risk
    size = exp((-0.508 + 0.259 * log(prevalence) + 0.504 * log(parameters) - log(0.05)) / 0.544)
    return *common, risk, Need("prediction error", "预测的平均绝对误差 ≤ 0.05", "mean absolute error of predictions up to 0.05", ceil(size))


def needed_for_survival(
    *, rate: float, mean_follow_up: float, horizon: float, parameters: int, r2: float | None = None, shrinkage: float = 0.9
) -> tuple[Need, ...]:
    """Return how many patients a model of a time to an event needs.

    Parameters
    ----------
    rate : float
        Events by time at risk.
    mean_follow_up, horizon : float
        Mean time at risk, and the time at which risks are wanted; in the same unit.
    parameters : int
        Candidate predictors, each spline term and category but the first counted.
    r2 : float, optional
        Cox-Snell's, that is expected; 15 % of the greatest possible where None.
    shrinkage : float
        That is aimed at.

    Returns
    -------
    tuple of Need
        For a shrinkage so near to 1; for an optimism of R2 up to 0.05; for the overall risk at the horizon within 0.05.

    Raises
    ------
    DefinitionError
        If a figure cannot be.

    Notes
    -----
    Riley et al. (2019), Statistics in Medicine 38:1276, with events taken to come at a constant rate; the greatest R2 as ``pmsampsize``
    has it, from the expected events a person.

    Examples
    --------
    >>> [need.n for need in needed_for_survival(rate=0.065, mean_follow_up=2.07, horizon=2, parameters=30, r2=0.051)]
    [5143, 1039, 149]
    """
    _check(rate=rate, mean_follow_up=mean_follow_up, horizon=horizon, parameters=parameters)
    most = _most_of_survival(rate * mean_follow_up)
    common = _common(parameters, _r2(r2, most), most, shrinkage)
    # half the interval of 1 - exp(-rate * horizon), whose rate has the error sqrt(rate / time at risk)
    slope = horizon * exp(-rate * horizon)
    size = (_Z * slope / 0.05) ** 2 * rate / mean_follow_up
    return *common, Need("overall risk", "该时点总体风险估计的误差 ≤ 0.05", "overall risk at the horizon within 0.05", ceil(size))


def r2_of_c(c: float, prevalence: float) -> float:
    """Return the Cox-Snell R2 of a model of a binary outcome that has a known C.

    Parameters
    ----------
    c : float
        From 0.5 up to 1.
    prevalence : float
        Share with the outcome.

    Returns
    -------
    float

    Raises
    ------
    DefinitionError
        If a figure cannot be.

    Notes
    -----
    Riley, Van Calster and Collins (2021), Statistics in Medicine 40:859: linear predictors normal among those with and without the outcome,
    with one variance. Worked out by quadrature where they simulate.

    Examples
    --------
    >>> round(r2_of_c(0.89, 0.174), 3)
    0.291
    """
    _check(prevalence=prevalence)
    if not 0.5 <= c < 1:
        raise DefinitionError(f"c={c}: wanted from 0.5 to less than 1")
    apart = sqrt(2) * norm.ppf(c)
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    weights = weights / weights.sum()

    def log_odds(x: np.ndarray) -> np.ndarray:
        return apart * x - apart**2 / 2 + logit(prevalence)

    likelihood = prevalence * weights @ log_expit(log_odds(nodes + apart)) + (1 - prevalence) * weights @ log_expit(-log_odds(nodes))
    return float(1 - exp(2 * (_null_of_binary(prevalence) - likelihood)))


def check(
    y: np.ndarray,
    parameters: int,
    *,
    horizon: float | None = None,
    r2: float | None = None,
    c: float | None = None,
    shrinkage: float = 0.9,
) -> SampleSize:
    """Compare the patients of a study with those that its model needs.

    Parameters
    ----------
    y : structured ndarray or ndarray of bool, shape (n,)
        Outcomes, one a person; with several causes the first counts.
    parameters : int
        Candidate predictors, each spline term and category but the first counted; before any selection.
    horizon : float, optional
        By when risks are wanted, in days; none for a binary outcome.
    r2 : float, optional
        Cox-Snell's, from an earlier model; 15 % of the greatest possible where neither it nor `c` is given.
    c : float, optional
        Of an earlier model of a binary outcome.
    shrinkage : float
        That is aimed at.

    Returns
    -------
    SampleSize

    Raises
    ------
    DataError
        If nobody, or everybody, had the outcome.
    DefinitionError
        If a figure cannot be.
    """
    y = np.asarray(y)
    had, n = happened(y), len(y)
    events = int(had.sum())
    if not events or (events == n and y.dtype.names is None):
        raise DataError(f"{events} of {n} persons had the outcome, so no size can be told")
    if y.dtype.names is None:
        share = events / n
        assumed = r2 if c is None else r2_of_c(c, share)
        most = _most_of_binary(share)
        needs = needed_for_binary(prevalence=share, parameters=parameters, r2=assumed, shrinkage=shrinkage)
    else:
        if horizon is None or c is not None:
            raise DefinitionError("a time to an event wants a horizon, and r2 in place of c")
        time, assumed = float(watched(y).time.sum()), r2
        most = _most_of_survival(events / n)
        needs = needed_for_survival(
            rate=events / time, mean_follow_up=time / n, horizon=horizon, parameters=parameters, r2=r2, shrinkage=shrinkage
        )
    r2, wanted = _r2(assumed, most), max(need.n for need in needs)
    kept = _shrinkage(n, parameters, r2)
    return SampleSize(
        needs, wanted, n, events, parameters, events / parameters, kept, r2, _sentence(needs, n, events, parameters, kept, r2, assumed)
    )


def _sentence(needs: tuple[Need, ...], n: int, events: int, parameters: int, kept: float, r2: float, assumed: float | None) -> str:
    most = max(needs, key=lambda need: need.n)
    enough = n >= most.n
    source = tr("（按最大值的 15% 假定）", " (assumed: 15% of the greatest possible)") if assumed is None else ""
    return tr(
        f"{parameters} 个参数至少需要 {most.n} 人（{most.zh}）；现有 {n} 人、{events} 例结局，每参数 {events / parameters:.1f} 例，"
        f"{'足够' if enough else '不足'}。预期收缩系数 {kept:.2f}，Cox-Snell R² {r2:.3f}{source}。",
        f"{parameters} parameters need {most.n} patients ({most.en}); there are {n} with {events} events, {events / parameters:.1f} a "
        f"parameter: {'enough' if enough else 'too few'}. Expected shrinkage {kept:.2f}, Cox-Snell R2 {r2:.3f}{source}.",
    )


def _check(**figures: float) -> None:
    for name, value in figures.items():
        most = 1 if name == "prevalence" else np.inf
        if not 0 < value < most:
            raise DefinitionError(f"{name}={value}: wanted greater than 0{' and less than 1' if most == 1 else ''}")


def _null_of_binary(prevalence: float) -> float:
    return prevalence * log(prevalence) + (1 - prevalence) * log1p(-prevalence)


def _most_of_binary(prevalence: float) -> float:
    return 1 - exp(2 * _null_of_binary(prevalence))


def _most_of_survival(events: float) -> float:
    return 1 - exp(2 * events * (log(events) - 1))


def _r2(given: float | None, most: float) -> float:
    r2 = _USUAL_R2 * most if given is None else given
    if not 0 < r2 < most:
        raise DefinitionError(f"r2={r2}: wanted greater than 0 and less than {most:.3f}, the greatest possible here")
    return r2


def _common(parameters: int, r2: float, most: float, shrinkage: float) -> tuple[Need, Need]:
    if not r2 < shrinkage < 1:
        raise DefinitionError(f"shrinkage={shrinkage}: wanted within r2={r2:.3f} and 1")
    little = r2 / (r2 + 0.05 * most)
    return (
        Need("shrinkage", f"收缩系数 ≥ {shrinkage:g}", f"shrinkage of {shrinkage:g} or more", _size(parameters, r2, shrinkage)),
        Need("optimism", "R² 的乐观偏差 ≤ 0.05", "optimism of R2 up to 0.05", _size(parameters, r2, little)),
    )


def _size(parameters: int, r2: float, shrinkage: float) -> int:
    return ceil(parameters / ((shrinkage - 1) * log1p(-r2 / shrinkage)))


def _shrinkage(n: int, parameters: int, r2: float) -> float:
    """Return the shrinkage for which n patients are needed, as a fixed point; 0 where so few patients have none."""
    kept = 1.0
    for _ in range(_STEPS):
        before, kept = kept, 1 + parameters / (n * log1p(-r2 / kept))
        if kept <= r2:
            return 0.0
        if abs(before - kept) < 1e-9:
            break
    return kept
