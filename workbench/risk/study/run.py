"""A study run from its source to its result: extraction, guards, models, validation."""

from __future__ import annotations

import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from workbench.errors import DefinitionError
from workbench.locale import tr
from workbench.risk.extraction.dataset import extract
from workbench.risk.guards.audit import audit, check_model, check_split
from workbench.risk.models.catalogue import make_model
from workbench.risk.reporting.contents import PERFORMANCE_COLUMNS
from workbench.risk.study.horizons import horizons_of
from workbench.risk.study.result import Judged, StudyResult
from workbench.risk.validation.bootstrap import bootstrap
from workbench.risk.validation.crossval import cross_validate
from workbench.risk.validation.fitting import MultiplyImputed, Sample
from workbench.risk.validation.intervals import with_intervals
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

__all__ = ["run"]

#: Times of a risk curve, for measures of whole curves.
_CURVE = 20


class _Way(NamedTuple):
    """How things are run."""

    seed: int
    workers: int | None
    progress: bool


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
    with _told() as told, tqdm(total=5, disable=not way.progress, bar_format="{desc} |{bar}| {n_fmt}/{total_fmt} {elapsed}") as bar:
        _step(bar, tr("提取数据", "extraction"), advance=0)
        data = extract(study, source)
        data, horizons = _with_horizons(data)
        _step(bar, tr("检查泄漏", "guards"))
        found = audit(data, source).check()
        split = hold_out(data.rows, data.y, study.validation, seed=study.seed)
        development = data if split is None else data.take(split.development)
        if split is not None:
            check_split(data, split.development, split.held).check()
        pipelines = _pipelines(study, development, models)
        _step(bar, tr("拟合与重抽样", "models and resampling"))
        scoring = Scoring.of(data.protocol, curve=_CURVE)
        fitted, resampled, tables = _resampled(study, development, pipelines, scoring, way)
        _step(bar, tr("交叉验证", "cross-validation"))
        judged = _cross_validated(development, pipelines, scoring, study, way, tables)
        _step(bar, tr("留出集", "hold-out"))
        count = 0
        if split is not None:
            judged, count = _held_out(data, split, fitted, scoring, way, tables, looks)
        _step(bar, tr("完成", "done"))
    return StudyResult(
        data=data,
        development=development,
        found=found,
        horizons=horizons,
        pipelines=fitted,
        performance=pd.concat(tables, ignore_index=True)[list(PERFORMANCE_COLUMNS)],
        judged=judged,
        resampled=resampled,
        looks=count,
        warnings=_all_told(told, found, resampled),
    )


def _step(bar: tqdm, name: str, *, advance: int = 1) -> None:
    bar.set_description_str(name, refresh=False)
    bar.update(advance)


@contextmanager
def _told() -> Iterator[list[warnings.WarningMessage]]:
    """Collect what is warned of: it belongs to the result."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", UserWarning)
        yield told


def _all_told(told: list[warnings.WarningMessage], found: Audit, resampled: Bootstrap | None) -> tuple[str, ...]:
    lines = [f"{finding.subject}: {finding.found}" for finding in found.warned] + [str(each.message) for each in told]
    if resampled is not None:
        lines += [tr("{0} 次重抽样：{1}", "{0} resamples: {1}").format(count, what) for what, count in resampled.warnings.items()]
        lines += [tr("{0} 次重抽样失败：{1}", "{0} resamples failed: {1}").format(count, why) for why, count in resampled.failures.items()]
    return tuple(dict.fromkeys(lines))


def _with_horizons(data: StudyData) -> tuple[StudyData, tuple[float, ...]]:
    """Complete the protocol by its horizons, so that what is reported is what was run."""
    from dataclasses import replace

    horizons = horizons_of(data)
    if horizons == data.protocol.outcome.horizons_days:
        return data, horizons
    outcome = data.protocol.outcome.model_copy(update={"horizons_days": horizons})
    return replace(data, protocol=data.protocol.changed(outcome=outcome)), horizons


def _pipelines(study: Protocol, data: StudyData, models: Sequence[str] | None) -> dict[str, RiskPipeline | MultiplyImputed]:
    """Make the study's models, not fitted."""
    chosen = [choice for choice in study.all_models if models is None or choice.name in models]
    if not chosen:
        raise DefinitionError(f"none of {models} is a model of the study", hint=f"it has {', '.join(c.name for c in study.all_models)}")
    return {choice.name: _made(choice, study, data) for choice in chosen}


def _made(choice: ModelChoice, study: Protocol, data: StudyData) -> RiskPipeline | MultiplyImputed:
    asked = study.validation
    pipeline = make_model(
        choice,
        binary=data.binary,
        causes=len(data.cohort.causes) or 1,
        features=data.features.columns,
        imputation=asked.imputation,
        seed=study.seed,
    )
    check_model(data, pipeline).check()
    if asked.imputation == "multiple" and data.X.isna().any(axis=None):
        return MultiplyImputed(pipeline, imputations=asked.imputations, random_state=study.seed)
    return pipeline


def _weight(data: StudyData) -> np.ndarray | None:
    """Return weights by which patients count alike, however many predictions they have; None where each has one."""
    rows = data.rows.groupby("person")["person"].transform("size").to_numpy()
    return None if (rows == 1).all() else 1 / rows * len(rows) / (1 / rows).sum()


def _resampled(
    study: Protocol, data: StudyData, pipelines: dict[str, RiskPipeline | MultiplyImputed], scoring: Scoring, way: _Way
) -> tuple[dict[str, RiskPipeline], Bootstrap | None, list[pd.DataFrame]]:
    """Fit every model; correct the study's own for optimism."""
    sample = Sample.of(data.X, data.y, data.rows["person"], _weight(data))
    (name, first), *others = pipelines.items()
    tables, boot = [], None
    if study.validation.bootstrap:
        boot = bootstrap(
            first,
            data.X,
            data.y,
            scoring=scoring,
            persons=data.rows["person"],
            sample_weight=_weight(data),
            resamples=study.validation.bootstrap,
            keep_risks=True,
            **way._asdict(),
        )
        apparent = boot.table.assign(value=boot.table["apparent"], lower=np.nan, upper=np.nan)
        tables = [
            _performance(apparent, name, "apparent"),
            _performance(boot.table.assign(value=boot.table["corrected"]), name, "corrected"),
        ]
    fitted = {name: sample.fit(first) if boot is None else boot.model}
    fitted |= {other: sample.fit(pipeline) for other, pipeline in others}
    return fitted, boot, tables


def _cross_validated(
    data: StudyData,
    pipelines: dict[str, RiskPipeline | MultiplyImputed],
    scoring: Scoring,
    study: Protocol,
    way: _Way,
    tables: list[pd.DataFrame],
) -> Judged:
    """Predict each person of the development data by models made without them."""
    risks = {}
    for name, pipeline in pipelines.items():
        found = cross_validate(
            pipeline,
            data.X,
            data.y,
            scoring=scoring,
            persons=data.rows["person"],
            sample_weight=_weight(data),
            folds=study.validation.folds,
            **way._asdict(),
        )
        tables.append(_performance(found.pooled, name, "cross_validation"))
        risks[name] = found.risk[0][:, _columns(scoring)]
    return Judged(tr("交叉验证", "cross-validation"), data.y, np.arange(len(data.y)), risks, scoring.horizons)


def _held_out(
    data: StudyData,
    split: Split,
    fitted: dict[str, RiskPipeline],
    scoring: Scoring,
    way: _Way,
    tables: list[pd.DataFrame],
    looks: Path | None,
) -> tuple[Judged, int]:
    """Look at the hold-out, once for all models, and count it."""
    from workbench.risk.validation.holdout import count_look

    held = data.take(split.held)
    sample = Sample.of(held.X, held.y, held.rows["person"])
    count = count_look(data.protocol, data.origin, models=tuple(fitted), path=looks)
    risks = {}
    for name, model in fitted.items():
        risk = sample.risk(model, scoring)
        found = with_intervals(held.y, risk, scoring=scoring, persons=held.rows["person"], **way._asdict())
        tables.append(_performance(found, name, "holdout"))
        risks[name] = risk[:, _columns(scoring)]
    return Judged(tr("留出集", "hold-out"), held.y, split.held, risks, scoring.horizons), count


def _columns(scoring: Scoring) -> list[int]:
    return list(scoring.columns) if scoring.times else [0]


def _performance(table: pd.DataFrame, model: str, sample: str) -> pd.DataFrame:
    return table.rename(columns={"lower": "low", "upper": "high"}).assign(model=model, sample=sample)
