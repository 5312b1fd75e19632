"""Validation by site: each hospital tries a model that was made at the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from workbench.errors import DataError
from workbench.risk.validation.crossval import one_fold
from workbench.risk.validation.fitting import Sample
from workbench.risk.validation.random_effects import joined
from workbench.risk.validation.splits import happened
from workbench.risk.validation.spread import spread
from workbench.risk.validation.subgroups import LEAST_EVENTS, within

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from sklearn.base import BaseEstimator

    from workbench.risk.validation.performance import Scoring

__all__ = ["SiteValidation", "leave_one_site_out"]


class SiteValidation(NamedTuple):
    """What validation by site found.

    Parameters
    ----------
    sites : DataFrame
        `site`, `rows`, `persons`, `events` (persons with the event), and the table of performance there of a model made without it, with
        intervals; one row without a measure for a site that was not evaluated.
    joined : DataFrame
        As :func:`~workbench.risk.validation.random_effects.joined` gives it.
    risk : ndarray of float, shape (n, m)
        Predictions for each row by the model made without its site; not numbers where the site was not evaluated.
    """

    sites: pd.DataFrame
    joined: pd.DataFrame
    risk: np.ndarray


def leave_one_site_out(
    estimator: BaseEstimator,
    X: ArrayLike,
    y: ArrayLike,
    sites: ArrayLike,
    *,
    scoring: Scoring,
    persons: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    least_events: int = LEAST_EVENTS,
    resamples: int = 200,
    level: float = 0.95,
    seed: int = 0,
    workers: int | None = None,
    progress: bool = False,
) -> SiteValidation:
    """Try at each site a model that was made at the others (internal-external validation).

    Parameters
    ----------
    estimator : estimator
        The whole pipeline, with ``predict_risk``.
    X : DataFrame or array-like of shape (n, p)
        Predictors.
    y : structured ndarray or array-like of bool, shape (n,)
        Outcomes.
    sites : array-like of shape (n,)
        Of each row, one site a person: :func:`workbench.risk.validation.splits.home_sites` gives them.
    scoring : Scoring
        What is measured.
    persons : array-like of shape (n,), optional
        Whose the rows are.
    sample_weight : array-like of float, shape (n,), optional
        For the fit.
    least_events : int
        A site where fewer persons had the event is not evaluated; it still helps to make the models of others.
    resamples : int
        Draws of persons within each site, for the intervals and the errors by which sites count.
    level : float
        Of the intervals.
    seed : int
        Of the draws.
    workers : int, optional
        Processes; chosen by the work where None.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    SiteValidation

    Raises
    ------
    DataError
        If there are fewer than two sites, a person is at two, at none enough had the event, or a model cannot be fitted.

    Notes
    -----
    Debray et al. (2017), BMJ 356:i6460; Steyerberg and Harrell (2016), J Clin Epidemiol 69:245. Sites are joined on the scale of the
    measure by :func:`workbench.risk.validation.random_effects.random_effects`.
    """
    sample = Sample.of(X, y, persons, sample_weight)
    codes, names = _sites(sample, sites)
    events = np.bincount(codes[sample.persons.first()], sample.persons.any(happened(sample.y)), minlength=len(names)).astype(int)
    places = np.flatnonzero(events >= least_events)
    if not len(places):
        raise DataError(f"no site has {least_events} persons with the event", hint="join sites into larger ones, or do without")
    given = (estimator, sample, scoring, codes[None])
    found = spread(one_fold, given, [(0, place) for place in places], workers=workers, progress=progress, label="sites")
    risk = np.full((len(codes), len(scoring.times) or 1), np.nan)
    for place, predicted in zip(places, found, strict=True):
        risk[codes == place] = predicted
    drawn = {"resamples": resamples, "level": level, "seed": seed, "workers": workers}
    who = sample.persons.codes
    table = within(sample.y, risk, names[codes], scoring=scoring, persons=who, least_events=least_events, drawn=drawn)
    return SiteValidation(table.rename(columns={"group": "site"}), joined(table.dropna(subset="measure"), level=level), risk)


def _sites(sample: Sample, sites: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of each row's site, and the names of sites."""
    codes, names = pd.factorize(np.asarray(sites, object))
    if len(codes) != len(sample.y) or (codes < 0).any():
        raise DataError(f"{int((codes >= 0).sum())} sites for {len(sample.y)} rows", hint="give each row the site of its person")
    if (codes != codes[sample.persons.first()][sample.persons.codes]).any():
        raise DataError("a person is at two sites", hint="splits.home_sites gives each person one")
    if len(names) < 2:
        raise DataError("there is one site only", hint="two are wanted at least: hold fewer sites out, or do without leave_one_site_out")
    return codes, names
