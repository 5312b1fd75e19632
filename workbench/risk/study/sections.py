"""What a study's result tells beside its models' performance: sub-groups, hospitals, and whether the sample is large enough."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from workbench.locale import tr
from workbench.risk.cleaning.shown import shown_word
from workbench.risk.reporting.contents import SUBGROUP_COLUMNS
from workbench.risk.validation import sample_size
from workbench.risk.validation.persons import Persons
from workbench.risk.validation.sites import leave_one_site_out
from workbench.risk.validation.splits import happened, home_sites
from workbench.risk.validation.subgroups import groups_of, subgroups

if TYPE_CHECKING:
    from workbench.risk.extraction.dataset import StudyData
    from workbench.risk.models.multiple import MultiplyImputed
    from workbench.risk.models.pipeline import RiskPipeline
    from workbench.risk.study.result import Judged
    from workbench.risk.validation.performance import Scoring
    from workbench.risk.validation.sites import SiteValidation

__all__ = ["parameters_of", "sample_size_of", "sites_of", "subgroups_of"]

_RESAMPLES = 100


def _few(scoring: Scoring, *, binary: bool) -> Scoring:
    """Return what is told of a part of the persons: how well they are told apart, and calibration, by the last horizon."""
    measures = ("auroc" if binary else "harrell_c", "observed_expected", "slope")
    return replace(scoring, times=scoring.horizons, horizons=scoring.horizons[-1:], thresholds=(), measures=measures)


def sites_of(
    data: StudyData, pipeline: RiskPipeline | MultiplyImputed, scoring: Scoring, *, seed: int, workers: int | None, progress: bool
) -> SiteValidation | None:
    """Try the study's model at each hospital by a model made at the others; None where the protocol does not ask for it.

    Parameters
    ----------
    data : StudyData
        Of the development.
    pipeline : RiskPipeline or MultiplyImputed
        The study's model, not fitted.
    scoring : Scoring
        Horizons.
    seed, workers, progress : int, int, bool
        Of the resampling.

    Raises
    ------
    DataError
        As :func:`~workbench.risk.validation.sites.leave_one_site_out`, or if a hospital is missing.
    """
    asked = data.protocol.validation
    if not asked.leave_one_site_out:
        return None
    how = {"scoring": _few(scoring, binary=data.binary), "persons": data.rows["person"], "resamples": _RESAMPLES}
    way = {"seed": seed, "workers": workers, "progress": progress}
    return leave_one_site_out(pipeline, data.X, data.y, home_sites(data.rows, asked.site), **how, **way)


def subgroups_of(
    data: StudyData, judged: Judged, scoring: Scoring, model: str, *, seed: int, workers: int | None, progress: bool
) -> pd.DataFrame | None:
    """Return performance by sub-group of the study's model, columns as in the report; None where nothing parts the rows.

    Parameters
    ----------
    data : StudyData
        The study's.
    judged : Judged
        Predictions for rows that the model had not seen.
    scoring : Scoring
        Horizons.
    model : str
        Name of the study's model.
    seed, workers, progress : int, int, bool
        Of the resampling.
    """
    del progress  # a bar a group would tell nothing
    groups = groups_of(judged.data)
    if groups.empty:
        return None
    found = subgroups(
        judged.data.y,
        judged.risks[model],
        groups,
        scoring=_few(scoring, binary=data.binary),
        persons=judged.data.rows["person"],
        resamples=_RESAMPLES,
        seed=seed,
        workers=workers,
    ).table
    labels = {name: feature.label for feature in data.features.columns for name in (feature.item, feature.name) if name}
    labels |= {"year": tr("年份", "Year"), "care_site": tr("院区", "Hospital"), "department": tr("科室", "Department")}
    table = found.rename(columns={"by": "variable", "lower": "low", "upper": "high"})
    named = table.assign(variable=table["variable"].map(lambda name: labels.get(name, name)), group=table["group"].map(shown_word))
    return named.reindex(columns=list(SUBGROUP_COLUMNS))


def parameters_of(pipeline: RiskPipeline) -> int:
    """Return how many parameters a model has: its coefficients; the columns of what has none."""
    model = getattr(pipeline, "copies_", [pipeline])[0].steps[-1][1]
    coefficients = getattr(model, "coef_", None)
    return len(coefficients.ravel()) if coefficients is not None else int(model.n_features_in_)


def sample_size_of(data: StudyData, pipeline: RiskPipeline, horizons: tuple[float, ...]) -> pd.DataFrame:
    """Return what Riley's criteria ask of the sample and what it has, all text.

    Parameters
    ----------
    data : StudyData
        Of the development.
    pipeline : RiskPipeline
        The study's model.
    horizons : tuple of float
        In days.

    Returns
    -------
    DataFrame
        `criterion`, `n`; then the finding in one sentence.
    """
    one = Persons(data.rows["person"]).first(~happened(data.y))  # of several predictions the one that the outcome followed
    found = sample_size.check(data.y[one], parameters_of(pipeline), horizon=horizons[-1] if horizons else None)
    rows = [(need.label, f"{need.n:,}") for need in found.needs]
    return pd.DataFrame([*rows, (found.sentence, "")], columns=[tr("准则", "Criterion"), tr("所需人数", "Patients needed")])
