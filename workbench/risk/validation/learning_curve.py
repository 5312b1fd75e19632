"""Learning curve: what more patients would bring."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.errors import DataError, DefinitionError
from workbench.locale import tr
from workbench.risk.validation.fitting import Sample, reason
from workbench.risk.validation.performance import KEYS
from workbench.risk.validation.splits import happened, person_folds
from workbench.risk.validation.spread import spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike
    from sklearn.base import BaseEstimator

    from workbench.risk.validation.performance import Scoring

__all__ = ["learning_curve"]


def learning_curve(
    estimator: BaseEstimator,
    X: ArrayLike,
    y: ArrayLike,
    *,
    scoring: Scoring,
    persons: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    shares: Sequence[float] = (0.2, 0.4, 0.6, 0.8, 1.0),
    folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
    workers: int | None = None,
    progress: bool = False,
) -> pd.DataFrame:
    """Measure models made of ever more persons, on persons that none of them knew.

    Parameters
    ----------
    estimator : estimator
        The whole pipeline, with ``predict_risk``.
    X : DataFrame or array-like of shape (n, p)
        Predictors.
    y : structured ndarray or array-like of bool, shape (n,)
        Outcomes.
    scoring : Scoring
        What is measured.
    persons : array-like of shape (n,), optional
        Whose the rows are.
    sample_weight : array-like of float, shape (n,), optional
        For the fit.
    shares : sequence of float
        Of the persons outside of a fold, greater than 0, up to 1, rising; each holds those before it.
    folds, repeats : int
        Folds on which models are tried, and how often they are dealt anew.
    seed : int
        Of deals and draws.
    workers : int, optional
        Processes; chosen by the work where None.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    DataFrame
        By share and measure: `persons` and `events` that models were made of, on average; `mean`, `least` and `most` over folds and
        repeats; `fits` with a value; `note`, why others have none.

    Raises
    ------
    DataError
        If no model can be fitted, or fewer than two persons had the outcome.
    DefinitionError
        If shares do not rise from above 0 up to 1, or there are no repeats.
    """
    if not len(shares) or not (np.diff([0, *shares]) > 0).all() or shares[-1] > 1 or repeats < 1:
        raise DefinitionError(f"shares={tuple(shares)} with repeats={repeats}", hint="shares rise from above 0 up to 1; repeats >= 1")
    sample, scoring = Sample.of(X, y, persons, sample_weight), scoring.quick()
    fold = np.stack([person_folds(sample.persons.codes, sample.y, folds=folds, seed=seed + again) for again in range(repeats)])
    parts = [(again, one, share) for again in range(repeats) for one in range(fold[again].max() + 1) for share in shares]
    given = (estimator, sample, scoring, fold, seed)
    found = list(spread(_one, given, parts, workers=workers, progress=progress, label="learning curve"))
    rows = [row for part in found for row in part]
    if not any(row["measure"] for row in rows):
        raise DataError(f"no model could be fitted ({rows[0]['note']})", hint="look at the model and at the shares")
    return _summary(pd.DataFrame(rows))


def _one(
    estimator: BaseEstimator, sample: Sample, scoring: Scoring, fold: np.ndarray, seed: int, part: tuple[int, int, float]
) -> list[dict[str, object]]:
    again, one, share = part
    inside = fold[again] == one
    others = np.unique(sample.persons.codes[~inside])
    some = np.random.default_rng([seed, again, one]).permutation(others)[: max(1, round(share * len(others)))]
    rows = sample.persons.rows(some)
    where = {"share": share, "persons": len(some), "events": int(happened(sample.y[rows]).sum())}
    try:
        risk = sample.risk(sample.fit(estimator, rows), scoring, np.flatnonzero(inside))
    except Exception as error:  # a small part may be too small for the model: that is what the curve shows
        return [{**where, "measure": "", "horizon_days": np.nan, "threshold": np.nan, "value": np.nan, "note": reason(error)}]
    return [{**where, **score._asdict()} for score in scoring.scores(sample.y[inside], risk)]


def _summary(rows: pd.DataFrame) -> pd.DataFrame:
    sizes = rows.drop_duplicates(["share", "persons", "events", "measure"]).groupby("share")[["persons", "events"]].mean()
    failed = (
        rows[rows["measure"] == ""]
        .groupby("share")["note"]
        .agg(lambda notes: tr(f"{len(notes)} 次拟合失败：{notes.iloc[0]}", f"{len(notes)} fits failed: {notes.iloc[0]}"))
    )
    parts = rows[rows["measure"] != ""].groupby(["share", *KEYS], dropna=False, sort=False)
    table = parts["value"].agg(mean="mean", least="min", most="max", fits="count").reset_index()
    notes = parts["note"].agg(lambda notes: next((one for one in notes if one), "")).to_numpy()
    told = table["share"].map(failed).fillna("")
    table["note"] = [tr("；", "; ").join(filter(None, pair)) for pair in zip(told, notes, strict=True)]
    return (
        sizes.reset_index().merge(table, on="share", how="left").assign(note=lambda whole: whole["note"].fillna(whole["share"].map(failed)))
    )
