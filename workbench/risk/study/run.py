"""A study run from its source to its result: extraction, guards, models, validation."""

from __future__ import annotations

import sys
import warnings
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from workbench.errors import DefinitionError
from workbench.locale import tr
from workbench.risk.extraction.dataset import extract
from workbench.risk.guards.audit import audit, check_model, check_split
from workbench.risk.models.catalogue import make_model
from workbench.risk.models.landmark import stacked
from workbench.risk.models.multiple import MultiplyImputed
from workbench.risk.reporting.contents import PERFORMANCE_COLUMNS
from workbench.risk.study.horizons import horizons_of
from workbench.risk.study.result import Judged, StudyResult
from workbench.risk.study.sections import sample_size_of, sites_of, subgroups_of
from workbench.risk.study.suspicion import warn_if_nothing_learnt, warn_if_too_good
from workbench.risk.validation.bootstrap import bootstrap
from workbench.risk.validation.crossval import cross_validate
from workbench.risk.validation.fitting import Sample
from workbench.risk.validation.holdout import split_key, try_hold_out
from workbench.risk.validation.performance import Scoring
from workbench.risk.validation.splits import hold_out

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from workbench.risk.extraction.dataset import Source, StudyData
    from workbench.risk.guards.findings import Audit
    from workbench.risk.models.pipeline import RiskPipeline
    from workbench.risk.protocol.parts import ModelChoice
    from workbench.risk.protocol.protocol import Protocol
    from workbench.risk.validation.bootstrap import Bootstrap
    from workbench.risk.validation.splits import Split

    Models = dict[str, RiskPipeline | MultiplyImputed]

__all__ = ["run"]

#: Times of a risk curve, for measures of whole curves.
_CURVE = 20


class _Way(NamedTuple):
    """How resampling is run."""

    seed: int
    workers: int | None
    progress: bool


class _Tried(NamedTuple):
    """What a way of validation gives: models, tables of performance, and predictions of rows that the models had not seen."""

    models: Models
    tables: list[pd.DataFrame]
    judged: Judged | None = None
    looks: int = 0


def run(
    study: Protocol,
    source: Source,
    *,
    models: Sequence[str] | None = None,
    looks: Path | None = None,
    progress: bool | None = None,
    workers: int | None = None,
) -> StudyResult:
    """Run a study; see :meth:`workbench.risk.study.study.Study.run`.

    Parameters
    ----------
    study : Protocol
        What is asked.
    source : Source
        Where it is asked.
    models : sequence of str, optional
        Of the study's models, those that are run.
    looks : Path, optional
        Journal of the looks at hold-outs; one in the user's home where None.
    progress : bool, optional
        Whether to show bars.
    workers : int, optional
        Processes.

    Returns
    -------
    StudyResult
    """
    way = _Way(study.seed, workers, sys.stderr.isatty() if progress is None else progress)
    with _told() as told, _steps(way.progress) as step:
        step(tr("提取数据", "extraction"))
        data = _with_horizons(extract(study, source))
        step(tr("检查泄漏", "guards"))
        found = audit(data, source).check()
        data = _with_landmarks(data)
        split = hold_out(data.rows, data.y, study.validation, seed=study.seed)
        if split is not None:
            check_split(data, split.development, split.held).check()
        development = data if split is None else data.take(split.development)
        pipelines = _pipelines(study, development, models)
        scoring = Scoring.of(data.protocol, curve=_CURVE)
        step(tr("交叉验证", "cross-validation"))
        sites = sites_of(development, next(iter(pipelines.values())), scoring, **way._asdict())
        tried = _cross_validated(study, development, pipelines, scoring, way)
        step(tr("自助法", "bootstrap"))
        resampled, tables = _resampled(study, development, pipelines, scoring, way)
        tables += tried.tables
        step(tr("最终模型", "final models"))
        final = _final(development, pipelines, resampled) if split is None else _held_out(data, split, pipelines, scoring, way, looks)
        judged = final.judged or tried.judged
        step(tr("亚组", "sub-groups"))
        performance = pd.concat(tables + final.tables, ignore_index=True)[list(PERFORMANCE_COLUMNS)]
        warn_if_too_good(performance)
        warn_if_nothing_learnt(final.models)
        subgroups = subgroups_of(data, judged, scoring, next(iter(final.models)), **way._asdict())
    return StudyResult(
        data=data,
        development=development,
        found=found,
        horizons=scoring.horizons,
        pipelines=final.models,
        performance=performance,
        judged=judged,
        resampled=resampled,
        sites=sites,
        subgroups=subgroups,
        sample_size=sample_size_of(development, next(iter(final.models.values())), scoring.horizons),
        looks=final.looks,
        warned=_all_told(told, found, resampled),
    )


# Around the steps -----------------------------------------------------------------------------------------------------


@contextmanager
def _steps(shown: bool):
    """Give a function that names the step that begins, on a bar."""
    with tqdm(total=6, disable=not shown, bar_format="{desc} |{bar}| {n_fmt}/{total_fmt} {elapsed}") as bar:
        begun = iter([0] + [1] * 6)

        def step(name: str) -> None:
            bar.update(next(begun))
            bar.set_description_str(name)

        yield step
        bar.update(1)


@contextmanager
def _told() -> Iterator[list[warnings.WarningMessage]]:
    """Collect what is warned of: it belongs to the result."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", UserWarning)
        yield told


def _all_told(told: list[warnings.WarningMessage], found: Audit, resampled: Bootstrap | None) -> tuple[str, ...]:
    lines = [f"{finding.about}{tr('：', ': ')}{finding.found}" for finding in found.warned] + [
        str(each.message) for each in told if issubclass(each.category, UserWarning)
    ]
    if resampled is not None:
        lines += [tr("{0} 次重抽样：{1}", "{0} resamples: {1}").format(count, what) for what, count in resampled.warnings.items()]
        lines += [tr("{0} 次重抽样失败：{1}", "{0} resamples failed: {1}").format(count, why) for why, count in resampled.failures.items()]
    return tuple(dict.fromkeys(lines))


def _with_horizons(data: StudyData) -> StudyData:
    """Complete the protocol by its horizons, so that what is reported is what was run."""
    horizons = horizons_of(data)
    if horizons == data.protocol.outcome.horizons_days:
        return data
    outcome = data.protocol.outcome.model_copy(update={"horizons_days": horizons})
    return replace(data, protocol=data.protocol.changed(outcome=outcome))


def _with_landmarks(data: StudyData) -> StudyData:
    """Make the time of a prediction a predictor, where there are several a patient."""
    if data.protocol.index.landmarks is None:
        return data
    return stacked(data, horizon_days=None if data.binary else data.protocol.outcome.horizons_days[-1])


# Models ---------------------------------------------------------------------------------------------------------------


def _pipelines(study: Protocol, data: StudyData, models: Sequence[str] | None) -> Models:
    """Make the study's models, not fitted."""
    chosen = [choice for choice in study.all_models if models is None or choice.name in models]
    if not chosen:
        raise DefinitionError(f"none of {models} is a model of the study", hint=f"it has {', '.join(c.name for c in study.all_models)}")
    return {choice.name: _made(choice, study, data) for choice in chosen}


def _made(choice: ModelChoice, study: Protocol, data: StudyData) -> RiskPipeline | MultiplyImputed:
    asked = study.validation
    causes, columns = len(data.cohort.causes) or 1, data.features.columns
    pipeline = make_model(choice, binary=data.binary, causes=causes, features=columns, imputation=asked.imputation, seed=study.seed)
    check_model(data, pipeline).check()
    if asked.imputation == "multiple" and "impute" in pipeline.named_steps and data.X.isna().any(axis=None):
        return MultiplyImputed(pipeline, imputations=asked.imputations, random_state=study.seed)
    return pipeline


# Validation -----------------------------------------------------------------------------------------------------------


def _resampled(
    study: Protocol, data: StudyData, pipelines: Models, scoring: Scoring, way: _Way
) -> tuple[Bootstrap | None, list[pd.DataFrame]]:
    """Correct the study's own model for optimism."""
    if not study.validation.bootstrap:
        return None, []
    name, pipeline = next(iter(pipelines.items()))
    how = {"resamples": study.validation.bootstrap, "keep_risks": True, **way._asdict()}
    found = bootstrap(pipeline, data.X, data.y, scoring=scoring, persons=data.rows["person"], **how)
    apparent = found.table.assign(value=found.table["apparent"], lower=np.nan, upper=np.nan)
    corrected = found.table.assign(value=found.table["corrected"])
    return found, [_performance(apparent, name, "apparent"), _performance(corrected, name, "corrected")]


def _cross_validated(study: Protocol, data: StudyData, pipelines: Models, scoring: Scoring, way: _Way) -> _Tried:
    """Predict each person of the development data by models made without them."""
    found = {
        name: cross_validate(
            pipeline, data.X, data.y, scoring=scoring, persons=data.rows["person"], folds=study.validation.folds, **way._asdict()
        )
        for name, pipeline in pipelines.items()
    }
    risks = {name: one.risk[0][:, _columns(scoring)] for name, one in found.items()}
    judged = Judged(tr("交叉验证", "cross-validation"), data, risks, scoring.horizons)
    return _Tried({}, [_performance(one.pooled, name, "cross_validation") for name, one in found.items()], judged)


def _final(data: StudyData, pipelines: Models, resampled: Bootstrap | None) -> _Tried:
    """Fit the models to all data; the bootstrap has done so with the study's own."""
    sample, (own, *others) = Sample.of(data.X, data.y, data.rows["person"]), pipelines
    models = {own: sample.fit(pipelines[own]) if resampled is None else resampled.model}
    return _Tried(models | {name: sample.fit(pipelines[name]) for name in others}, [])


def _held_out(data: StudyData, split: Split, pipelines: Models, scoring: Scoring, way: _Way, looks: Path | None) -> _Tried:
    """Fit the models to the development part, and look at the hold-out: once for all of them, and counted."""
    asked = data.protocol.validation
    found = try_hold_out(
        pipelines,
        data.X,
        data.y,
        split,
        scoring=scoring,
        key=split_key(split, asked, data.origin, seed=way.seed),
        origin=data.origin,
        persons=data.rows["person"],
        looks=looks,
        told={"protocol": data.protocol.hash},
        **way._asdict(),
    )
    tables = [_performance(table, str(name), "holdout") for name, table in found.table.groupby("model", sort=False)]
    risks = {name: risk[:, _columns(scoring)] for name, risk in found.risk.items()}
    return _Tried(
        found.models, tables, Judged(tr("留出集", "hold-out"), data.take(split.held), risks, scoring.horizons), found.looks.number
    )


def _columns(scoring: Scoring) -> list[int]:
    return list(scoring.columns) if scoring.times else [0]


def _performance(table: pd.DataFrame, model: str, sample: str) -> pd.DataFrame:
    return table.rename(columns={"lower": "low", "upper": "high"}).assign(model=model, sample=sample)
