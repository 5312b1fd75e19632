"""The figures of a study's report, by where they belong. What cannot be shown safely is left out, and said to be."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from workbench.errors import DataError, DefinitionError, Refusal
from workbench.locale import tr
from workbench.risk.interpretation.alarm_chart import alarm_chart, lead_chart, safe_alarms, workload_table
from workbench.risk.interpretation.comparison_chart import comparison_chart, site_chart, subgroup_chart
from workbench.risk.interpretation.effects import effects_chart, forest_chart
from workbench.risk.interpretation.nomogram import nomogram, safe_spans
from workbench.risk.interpretation.performance_charts import calibration_chart, decision_chart, roc_chart
from workbench.risk.interpretation.shap_chart import dependence_chart, explain, importance_chart
from workbench.risk.models.preparation import own_factors
from workbench.risk.reporting.card import exportable, withheld
from workbench.risk.reporting.performance import best_sample, sample_label, shared
from workbench.risk.validation.performance import Scoring

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

    from workbench.cohort.figures import Chart
    from workbench.disclosure import DisclosurePolicy
    from workbench.risk.interpretation.alarm_chart import Alarms
    from workbench.risk.interpretation.shap_chart import Explained
    from workbench.risk.models.multiple import MultiplyImputed
    from workbench.risk.models.pipeline import RiskPipeline
    from workbench.risk.study.result import StudyResult

__all__ = ["Shown", "shown_of"]


#: A learning curve costs so many fits; it is drawn of a study that asks for as many resamples, of at most so many rows.
_CURVE_FITS, _CURVE_ROWS = 25, 3000


class Shown(NamedTuple):
    """Figures and tables by where they belong, and what was left out, and why."""

    charts: dict[str, list[Chart]]
    tables: dict[str, list[tuple[str, pd.DataFrame]]]
    left_out: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Once:
    """What several figures are drawn of, worked out once, and kept no longer than they are drawn."""

    result: StudyResult
    policy: DisclosurePolicy

    @cached_property
    def explained(self) -> Explained:
        """SHAP values of the study's model, at the last horizon."""
        result, data = self.result, self.result.development
        horizon = result.horizons[-1] if result.horizons else None
        return explain(result.fitted, data.X, data.rows["person"], horizon_days=horizon, seed=result.data.protocol.seed)

    @cached_property
    def alarms(self) -> Alarms:
        """What comes of alarms by the study's model, for rows that it had not seen."""
        judged, asked = self.result.judged, self.result.data.protocol
        horizon = {} if judged.data.binary else {"horizon_hours": 24 * self.result.horizons[-1]}
        risk, every = judged.risk(self.result.model), asked.index.landmarks.every_hours
        return safe_alarms(judged.data.rows, judged.data.y, risk, **horizon, every_hours=every, seed=asked.seed, policy=self.policy)


def shown_of(result: StudyResult, policy: DisclosurePolicy) -> Shown:
    """Draw the figures of a result and make its further tables.

    Parameters
    ----------
    result : StudyResult
        The result.
    policy : DisclosurePolicy
        What may be shown.

    Returns
    -------
    Shown
    """
    shown, once = Shown({}, {}, ()), _Once(result, policy)
    left_out = []
    for place, name, draw in _makers(once):
        with _named(tr("图", "The figure"), name, left_out):
            shown.charts.setdefault(place, []).append(draw())
    for place, caption, make in _tables(once):
        with _named(tr("表", "The table"), caption, left_out):
            table = make()
            if table is not None and len(table):
                shown.tables.setdefault(place, []).append((caption, table))
    return shown._replace(left_out=tuple(left_out))


@contextmanager
def _named(what: str, name: str, left_out: list[str]) -> Iterator[None]:
    """Keep in mind what is refused: the rest of a report does not depend on it."""
    try:
        yield
    except (DataError, DefinitionError, Refusal) as error:
        left_out.append(tr("{0}“{1}”未列出：{2}", "{0} {1!r} is left out: {2}").format(what, name, error.shown))


def _makers(once: _Once) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    result, policy = once.result, once.policy
    yield from _of_description(result, policy)
    yield from _of_model(once)
    for horizon in result.horizons or (None,):
        yield from _of_performance(result, horizon, policy)
    if len(result.pipelines) > 1:
        yield "discrimination", tr("各模型的比较", "models compared"), lambda: _compared(result, policy)
    if result.resampled is not None and not result.landmarks:
        yield "stability", tr("预测稳定性", "stability"), lambda: _stability(result, policy)
    if _curve_is_paid_for(result):
        yield "stability", tr("学习曲线", "learning curve"), lambda: _learning_curve(result, policy)
    if result.subgroups is not None:
        yield "subgroups", tr("亚组森林图", "sub-groups"), lambda: subgroup_chart(result.subgroups, policy=policy)
    if result.sites is not None:
        yield "clusters", tr("各中心森林图", "forest plot of sites"), lambda: site_chart(result.sites, policy=policy)
    if result.landmarks:
        yield from _of_alarms(once)


def _stability(result: StudyResult, policy: DisclosurePolicy) -> Chart:
    from workbench.risk.interpretation.stability_chart import stability_chart
    from workbench.risk.validation.stability import stability

    groups = min(10, len(result.development.y) // max(policy.threshold, 1)) or 1
    horizon = result.horizons[-1] if result.horizons else None
    return stability_chart(stability(result.resampled, result.development.y, horizon=horizon, groups=groups), policy=policy)


def _curve_is_paid_for(result: StudyResult) -> bool:
    """Say whether a learning curve is worth its fits: the study asks for as many resamples, and has few rows and one a person."""
    return not result.landmarks and result.data.protocol.validation.bootstrap >= _CURVE_FITS and len(result.development.y) <= _CURVE_ROWS


def _learning_curve(result: StudyResult, policy: DisclosurePolicy) -> Chart:
    from workbench.risk.interpretation.learning_curve_chart import learning_curve_chart
    from workbench.risk.validation.learning_curve import learning_curve

    data = result.development
    scoring = Scoring.of(result.data.protocol).quick()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the run has told them of all rows
        curve = learning_curve(result.fitted, data.X, data.y, scoring=scoring, persons=data.rows["person"], seed=result.data.protocol.seed)
    return learning_curve_chart(curve, policy=policy)


def _of_alarms(once: _Once) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    judged, policy = once.result.judged, once.policy
    title = tr("报警负担（{0}）", "Burden of alarms ({0})").format(judged.label)
    yield "alarms", tr("报警负担", "burden of alarms"), lambda: alarm_chart(once.alarms, title=title, policy=policy)
    if not judged.data.binary:
        yield "alarms", tr("提前时间", "lead time"), lambda: lead_chart(once.alarms, policy=policy)


def _of_description(result: StudyResult, policy: DisclosurePolicy) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    from workbench.risk.description import correlation, curves, missing

    data = result.data
    if not data.binary and not result.landmarks:
        several = {"causes": data.cohort.causes} if len(data.cohort.causes) > 1 else {}
        draw = curves.incidence_curves if several else curves.survival_curves
        yield "description", tr("随访曲线", "curves"), lambda: draw(data.y, **several, policy=policy)
    yield "description", tr("相关", "correlation"), lambda: correlation.correlation(data, policy=policy)
    for draw_missing in (missing.missing_shares, missing.missing_by, missing.missing_combinations):
        yield "missing", tr("缺失", "missing values"), partial(draw_missing, data, policy=policy)


def _of_model(once: _Once) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    result, policy = once.result, once.policy
    pipeline, data, features = _pipeline(result), result.development, result.data.features.columns
    if hasattr(pipeline, "steps") and hasattr(pipeline.steps[-1][1], "covariance_"):
        ratio = result.equation.ratio
        yield "model", tr("森林图", "forest plot"), lambda: forest_chart(pipeline, data.X, features=features, ratio=ratio, policy=policy)
        yield "model", tr("效应曲线", "effects"), lambda: effects_chart(pipeline, data.X, features=features, ratio=ratio, policy=policy)
    else:
        columns = {"features": features, "policy": policy}
        yield "model", tr("SHAP 重要性", "SHAP importance"), lambda: importance_chart(once.explained, **columns)
        yield "model", tr("SHAP 依赖图", "SHAP dependence"), lambda: dependence_chart(once.explained, **columns)
    if not withheld(result.equation, data, policy):
        spans, equation = safe_spans(data.X, policy=policy), exportable(result.equation, data, policy)
        yield "model", tr("列线图", "nomogram"), lambda: nomogram(equation, spans, features=features).chart(policy=policy)


def _compared(result: StudyResult, policy: DisclosurePolicy) -> Chart:
    """Compare the models on the sample that they share."""
    rows = shared(result.performance)
    sample = best_sample(rows)
    title = tr("各模型的比较（{0}）", "Models compared ({0})").format(sample_label(sample))
    persons = (result.judged.data if sample == "holdout" else result.development).rows["person"].nunique()
    return comparison_chart(rows, persons=persons, title=title, policy=policy)


def _of_performance(result: StudyResult, horizon: float | None, policy: DisclosurePolicy) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    judged = result.judged
    y, risks = judged.data.y, {name: judged.risk(name, horizon) for name in judged.models}
    where = judged.label

    def titled(what: str) -> str:
        days = "" if horizon is None else tr("，{0:g} 天", ", {0:g} days").format(horizon)
        return tr("{0}（{1}{2}）", "{0} ({1}{2})").format(what, where, days)

    calibration, benefit = tr("校准曲线", "Calibration"), tr("决策曲线", "Decision curve")
    own, how = risks[result.model], {"horizon": horizon, "persons": judged.data.rows["person"], "policy": policy}
    yield "discrimination", "ROC", lambda: roc_chart(y, risks, title=titled("ROC"), **how)
    yield "calibration", calibration, lambda: calibration_chart(y, own, title=titled(calibration), **how)
    yield "benefit", benefit, lambda: decision_chart(y, risks, title=titled(benefit), **how)


def _tables(once: _Once) -> Iterator[tuple[str, str, Callable[[], pd.DataFrame | None]]]:
    from workbench.risk.description.correlation import collinearity
    from workbench.risk.description.follow_up import follow_up

    result, policy, data = once.result, once.policy, once.result.data
    if not data.binary and not result.landmarks:
        caption = tr("随访与事件", "Follow-up and events")
        yield "description", caption, lambda: follow_up(data.y, causes=data.cohort.causes, policy=policy)
    yield "model", tr("共线性", "Collinearity"), lambda: collinearity(data, policy=policy).table
    if result.landmarks:
        yield "alarms", tr("不同报警负荷下的表现", "Alarms at workloads"), lambda: workload_table(once.alarms, policy=policy)
    yield "model", tr("比例风险假定检验", "Test of proportional hazards"), lambda: proportional(result)


def _pipeline(result: StudyResult) -> RiskPipeline | MultiplyImputed:
    """Return the study's model, its coefficients pooled where several completions of the data were fitted."""
    return result.fitted if hasattr(result.fitted, "steps") or result.equation is None else result.fitted.pooled()


def proportional(result: StudyResult) -> pd.DataFrame | None:
    """Test proportional hazards of a Cox model, the columns of each predictor together; None where it has no answer.

    That is: of other models; of several completions, each of which has residuals of its own; of several rows a person, which the test does
    not know to depend on each other.
    """
    from workbench.risk.interpretation.proportional import proportional_hazards_test, told

    if not hasattr(result.fitted, "steps"):
        return None
    model = result.fitted.steps[-1][1]
    if not hasattr(model, "regression_") or result.development.rows["person"].duplicated().any():
        return None
    rows = result.development.X
    for _, step in result.fitted.steps[:-1]:
        rows = step.transform(rows)
    blocks: dict[str, list[int]] = {}
    for at, factor in enumerate(own_factors(result.fitted)):
        blocks.setdefault(factor.feature, []).append(at)
    table = proportional_hazards_test(np.asarray(rows, float), result.development.y, model.coef_, model.covariance_, blocks=blocks)
    return told(table, {feature.name: feature.label for feature in result.data.features.columns})
