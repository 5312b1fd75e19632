"""What a study's result tells beside its models' performance: sub-groups, and whether the sample is large enough."""

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
    from workbench.risk.models.pipeline import RiskPipeline
    from workbench.risk.study.result import Judged
    from workbench.risk.validation.performance import Scoring

__all__ = ["parameters_of", "sample_size_of", "subgroups_of"]

_RESAMPLES = 100


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
    measures = ("auroc" if data.binary else "harrell_c", "observed_expected", "slope")
    short = replace(scoring, times=scoring.horizons, horizons=scoring.horizons[-1:], thresholds=(), measures=measures)
    found = subgroups(
        judged.data.y,
        judged.risks[model],
        groups,
        scoring=short,
        persons=judged.data.rows["person"],
        resamples=_RESAMPLES,
        seed=seed,
        workers=workers,
    ).table
    found["events"] = [_persons_with_event(judged.data, groups[row.by], row.group) for row in found.itertuples()]
    labels = {name: feature.label for feature in data.features.columns for name in (feature.item, feature.name) if name}
    labels |= {"year": tr("年份", "Year"), "care_site": tr("院区", "Hospital"), "department": tr("科室", "Department")}
    table = found.rename(columns={"by": "variable", "lower": "low", "upper": "high"})
    named = table.assign(variable=table["variable"].map(lambda name: labels.get(name, name)), group=table["group"].map(shown_word))
    return named.reindex(columns=list(SUBGROUP_COLUMNS))


def _persons_with_event(data: StudyData, groups: pd.Series, group: object) -> int:
    """Count persons: one with several predictions has the outcome once."""
    inside = (groups == group).to_numpy() if (groups == group).any() else groups.isna().to_numpy()
    return int(data.rows["person"][inside & happened(data.y)].nunique())


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
