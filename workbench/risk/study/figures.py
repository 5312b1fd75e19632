"""The figures of a study's report, by where they belong. What cannot be shown safely is left out, and said to be."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from workbench.errors import DataError, DefinitionError, Refusal
from workbench.locale import tr
from workbench.risk.interpretation.effects import effects_chart, forest_chart
from workbench.risk.interpretation.nomogram import nomogram, safe_spans
from workbench.risk.interpretation.performance_charts import calibration_chart, decision_chart, roc_chart
from workbench.risk.models.preparation import own_factors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

    from workbench.cohort.figures import Chart
    from workbench.disclosure import DisclosurePolicy
    from workbench.risk.study.result import StudyResult

__all__ = ["Shown", "shown_of"]


class Shown(NamedTuple):
    """Figures and tables by where they belong, and what was left out, and why."""

    charts: dict[str, list[Chart]]
    tables: dict[str, list[tuple[str, pd.DataFrame]]]
    left_out: tuple[str, ...]


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
    shown = Shown({}, {}, ())
    left_out = []
    for place, name, draw in _makers(result, policy):
        with _named(tr("图", "The figure"), name, left_out):
            shown.charts.setdefault(place, []).append(draw())
    for place, caption, make in _tables(result, policy):
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
        left_out.append(tr("{0}“{1}”未列出：{2}", "{0} {1!r} is left out: {2}").format(what, name, error.message))


def _makers(result: StudyResult, policy: DisclosurePolicy) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    yield from _of_description(result, policy)
    yield from _of_model(result, policy)
    for horizon in result.horizons or (None,):
        yield from _of_performance(result, horizon, policy)
    if result.resampled is not None and not result.landmarks:
        yield "stability", tr("预测稳定性", "stability"), lambda: _stability(result, policy)


def _stability(result: StudyResult, policy: DisclosurePolicy) -> Chart:
    from workbench.risk.interpretation.stability_chart import stability_chart
    from workbench.risk.validation.stability import stability

    groups = min(10, len(result.development.y) // max(policy.threshold, 1)) or 1
    horizon = result.horizons[-1] if result.horizons else None
    return stability_chart(stability(result.resampled, result.development.y, horizon=horizon, groups=groups), policy=policy)


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


def _of_model(result: StudyResult, policy: DisclosurePolicy) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    pipeline, data, features = result.fitted, result.development, result.data.features.columns
    ratio = tr("OR", "OR") if data.binary else "HR"
    if hasattr(_model(result), "covariance_"):
        yield "model", tr("森林图", "forest plot"), lambda: forest_chart(pipeline, data.X, features=features, ratio=ratio, policy=policy)
        yield "model", tr("效应曲线", "effects"), lambda: effects_chart(pipeline, data.X, features=features, ratio=ratio, policy=policy)
    if result.equation is not None:
        spans = safe_spans(data.X, policy=policy)
        yield "model", tr("列线图", "nomogram"), lambda: nomogram(result.equation, spans, features=features).chart(policy=policy)


def _of_performance(result: StudyResult, horizon: float | None, policy: DisclosurePolicy) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    judged = result.judged
    y, risks = judged.data.y, {name: judged.risk(name, horizon) for name in judged.models}
    where = judged.label

    def titled(what: str) -> str:
        days = "" if horizon is None else tr("，{0:g} 天", ", {0:g} days").format(horizon)
        return tr("{0}（{1}{2}）", "{0} ({1}{2})").format(what, where, days)

    calibration, benefit = tr("校准曲线", "Calibration"), tr("决策曲线", "Decision curve")
    own = risks[result.model]
    yield "discrimination", "ROC", lambda: roc_chart(y, risks, horizon=horizon, title=titled("ROC"), policy=policy)
    yield "calibration", calibration, lambda: calibration_chart(y, own, horizon=horizon, title=titled(calibration), policy=policy)
    yield "benefit", benefit, lambda: decision_chart(y, risks, horizon=horizon, title=titled(benefit), policy=policy)


def _tables(result: StudyResult, policy: DisclosurePolicy) -> Iterator[tuple[str, str, Callable[[], pd.DataFrame | None]]]:
    from workbench.risk.description.correlation import collinearity
    from workbench.risk.description.follow_up import follow_up

    data = result.data
    if not data.binary and not result.landmarks:
        caption = tr("随访与事件", "Follow-up and events")
        yield "description", caption, lambda: follow_up(data.y, causes=data.cohort.causes, policy=policy)
    yield "model", tr("共线性", "Collinearity"), lambda: collinearity(data, policy=policy).table
    yield "model", tr("比例风险假定检验", "Test of proportional hazards"), lambda: proportional(result)


def _model(result: StudyResult) -> object:
    """Return the last step of the study's model; itself where several completions of the data were fitted."""
    return result.fitted.steps[-1][1] if hasattr(result.fitted, "steps") else result.fitted


def proportional(result: StudyResult) -> pd.DataFrame | None:
    """Test proportional hazards of a Cox model, the columns of each predictor together; None of other models."""
    from workbench.risk.interpretation.proportional import proportional_hazards_test, told

    model = _model(result)
    if not hasattr(model, "regression_"):
        return None
    rows = result.development.X
    for _, step in result.fitted.steps[:-1]:
        rows = step.transform(rows)
    blocks: dict[str, list[int]] = {}
    for at, factor in enumerate(own_factors(result.fitted)):
        blocks.setdefault(factor.feature, []).append(at)
    table = proportional_hazards_test(np.asarray(rows, float), result.development.y, model.coef_, model.covariance_, blocks=blocks)
    return told(table, {feature.name: feature.label for feature in result.data.features.columns})
