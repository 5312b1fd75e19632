"""Harrell's optimism bootstrap: how much better a model looks on the data that made it than it is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from workbench.errors import DataError, DefinitionError
from workbench.locale import tr
from workbench.risk.validation.fitting import Sample, counted_warnings, reason
from workbench.risk.validation.known import Known
from workbench.risk.validation.measures import TIE_RULE
from workbench.risk.validation.performance import KEYS
from workbench.risk.validation.spread import seeds, spread

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from sklearn.base import BaseEstimator

    from workbench.risk.validation.performance import Score, Scoring

__all__ = ["Bootstrap", "bootstrap"]

#: More resamples than this share may not fail: what is left would be of the samples that were easy to fit.
_FAILING = 0.1


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """What a bootstrap found.

    Parameters
    ----------
    table : DataFrame
        `measure`, `horizon_days`, `threshold`; `apparent`, on the data that made the model; `optimism`, the mean over resamples of what
        the model of a resample has there more than on all data; `corrected`, their difference; `lower` and `upper`; `resamples` with a
        value; `note`.
    model : estimator
        Fitted to all data.
    risk : ndarray of float, shape (n, m)
        Its predictions.
    risks : ndarray of float32, shape (resamples, n), or None
        What the models of the resamples predict by the last time, for :mod:`workbench.risk.validation.stability`.
    resamples : int
        That were drawn.
    failures, warnings : dict of str to int
        Why resamples failed, and what was warned of in resamples: in how many.
    """

    table: pd.DataFrame
    model: BaseEstimator
    risk: np.ndarray
    risks: np.ndarray | None
    resamples: int
    failures: dict[str, int]
    warnings: dict[str, int]

    @property
    def failed(self) -> int:
        """How many resamples failed."""
        return sum(self.failures.values())


class _Resample(NamedTuple):
    inside: list[float]  # on the resample itself
    outside: list[float]  # on all data
    risk: np.ndarray | None
    failure: str
    warnings: Counter[str]


def bootstrap(
    estimator: BaseEstimator,
    X: ArrayLike,
    y: ArrayLike,
    *,
    scoring: Scoring,
    persons: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    resamples: int = 200,
    level: float = 0.95,
    seed: int = 0,
    keep_risks: bool = False,
    workers: int | None = None,
    progress: bool = False,
) -> Bootstrap:
    """Correct performance for optimism.

    Parameters
    ----------
    estimator : estimator
        The whole pipeline, with ``predict_risk``: all of it is learnt again in each resample.
    X : DataFrame or array-like of shape (n, p)
        Predictors.
    y : structured ndarray or array-like of bool, shape (n,)
        Outcomes.
    scoring : Scoring
        What is measured. Where it names no measures, those are left out that cost more than a fit (whole curves, ICI).
    persons : array-like of shape (n,), optional
        Whose the rows are: persons are drawn, each with all rows.
    sample_weight : array-like of float, shape (n,), optional
        For the fit.
    resamples : int
        At least 2.
    level : float
        Of the intervals.
    seed : int
        Of the draws. Results do not depend on the number of workers.
    keep_risks : bool
        Whether the predictions of the resamples' models are kept.
    workers : int, optional
        Processes; chosen by the work where None.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    Bootstrap

    Raises
    ------
    DataError
        If the model cannot be fitted to all data, or more than a tenth of the resamples fail: the error names why.
    DefinitionError
        If there are fewer than 2 resamples, or the estimator predicts no risks.

    Notes
    -----
    Harrell, Lee and Mark (1996), Statistics in Medicine 15:361. The interval is the bootstrap's basic one, of how far the apparent value
    lies above that on all data. The location-shifted interval of Noma et al. (2021), Statistics in Medicine 40:5691, is that of the
    apparent values alone: it misses what they cannot show (the apparent O/E of a logistic regression is always 1). Of 150 simulated
    studies of 200 patients with 10 predictors 95 % intervals held the true C in 87 % (Noma's: 71), O/E in 94 and slope in 89 (0).

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from workbench.risk.validation.performance import Scoring
    >>> class Logistic(LogisticRegression):
    ...     def predict_risk(self, X, times=None):
    ...         return self.predict_proba(X)[:, 1:]
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(100, 10)), rng.random(100) < 0.5
    >>> row = bootstrap(Logistic(), X, y, scoring=Scoring(measures=("auroc",)), resamples=20).table.iloc[0]
    >>> bool(row["corrected"] < row["apparent"] - 0.05)
    True
    """
    if resamples < 2 or not 0 < level < 1:
        raise DefinitionError(f"resamples={resamples} with level={level}", hint="wanted 2 resamples or more (200 are usual), 0 < level < 1")
    sample, scoring = Sample.of(X, y, persons, sample_weight), scoring.quick()
    model = sample.fit(estimator)
    risk = sample.risk(model, scoring)
    apparent = scoring.scores(sample.y, risk)
    known = None if sample.y.dtype.names is None else Known(sample.y)
    given = (estimator, sample, scoring, known, keep_risks)
    drawn = list(spread(_resampled, given, seeds(seed, resamples), workers=workers, progress=progress, label="bootstrap"))
    done = [one for one in drawn if not one.failure]
    failures = Counter(one.failure for one in drawn if one.failure)
    if sum(failures.values()) > _FAILING * resamples:
        _refuse(failures, resamples)
    told = sum((one.warnings for one in drawn), Counter())
    risks = np.stack([one.risk for one in done]) if keep_risks else None
    return Bootstrap(_table(apparent, done, level), model, risk, risks, resamples, dict(failures), dict(told))


def _resampled(
    estimator: BaseEstimator, sample: Sample, scoring: Scoring, known: Known | None, keep_risks: bool, seed: np.random.SeedSequence
) -> _Resample:
    """Draw persons, learn the pipeline again, and measure it on them and on all."""
    rows, told = sample.persons.drawn(np.random.default_rng(seed)), Counter()
    try:
        with counted_warnings(told):
            risk = sample.risk(sample.fit(estimator, rows), scoring)
    except Exception as error:
        return _Resample([], [], None, reason(error), told)
    inside, outside = scoring.scores(sample.y[rows], risk[rows]), scoring.scores(sample.y, risk, known=known)
    kept = risk[:, -1].astype(np.float32) if keep_risks else None
    return _Resample([score.value for score in inside], [score.value for score in outside], kept, "", told)


def _refuse(failures: Counter[str], resamples: int) -> None:
    told = "; ".join(f"{count}: {why}" for why, count in failures.most_common(3))
    raise DataError(
        f"{sum(failures.values())} of {resamples} resamples failed ({told})",
        hint="the model is too large for these data: choose fewer predictors, join rare categories, or a penalty",
    )


def _table(apparent: list[Score], done: list[_Resample], level: float) -> pd.DataFrame:
    inside, outside = (np.array([getattr(one, part) for one in done]) for part in ("inside", "outside"))
    gaps = inside - outside
    usable, tails = np.isfinite(gaps), ((1 + level) / 2, (1 - level) / 2)
    rows = []
    for place, score in enumerate(apparent):
        kept = gaps[usable[:, place], place]
        few = len(kept) < (1 - _FAILING) * len(done)
        optimism, *limits = (np.nan,) * 3 if few else (float(kept.mean()), *np.quantile(kept, tails))
        note = score.note or (
            tr(f"{len(done)} 次重抽样中仅 {len(kept)} 次有值", f"has a value in {len(kept)} of {len(done)} resamples only") if few else ""
        )
        shifted = (score.value - gap for gap in (optimism, *limits))
        rows.append((*score[:3], score.value, optimism, *shifted, len(kept), note))
    columns = [*KEYS, "apparent", "optimism", "corrected", "lower", "upper", "resamples", "note"]
    table = pd.DataFrame(rows, columns=columns)
    table.attrs["ties"] = TIE_RULE
    return table
