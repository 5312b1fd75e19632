"""A study's result for the tests of reports: a Cox model of lifelines' recidivism data, with a hospital and gaps made up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pandas as pd
from lifelines.datasets import load_rossi

from workbench.cohort.baseline import BaselineTable, baseline_table
from workbench.cohort.figures import Chart
from workbench.disclosure import DisclosurePolicy
from workbench.risk.cleaning.changes import Change
from workbench.risk.extraction.dataset import CohortRows, Feature, Features, FlowStep, StudyData
from workbench.risk.interpretation.performance_charts import calibration_chart, decision_chart
from workbench.risk.models.catalogue import make_model
from workbench.risk.models.equation import Equation
from workbench.risk.protocol.parts import ModelChoice
from workbench.risk.protocol.protocol import Protocol
from workbench.risk.survival.outcome import outcome
from workbench.risk.validation.performance import performance

POLICY = DisclosurePolicy(threshold=10, rounding=5)
HORIZONS = (140.0, 350.0)

FEATURES = (
    Feature("age", "年龄", "岁", "number", "person"),
    Feature("prio", "既往次数", "次", "number", "column"),
    Feature("fin", "资助", "", "yes_no", "column"),
    Feature("site", "医院", "", "category", "column"),
)


@dataclass(frozen=True)
class Result:
    """What a report asks for."""

    data: StudyData
    model: str
    equation: Equation | None
    performance: pd.DataFrame
    development: StudyData = None
    audit: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame({"检查项": ["proxies"], "级别": ["提示"], "发现": ["有 4 人的取值只见于事件"]})
    )
    baseline: BaselineTable | None = None
    charts: Mapping[str, Sequence[Chart]] = field(default_factory=dict)
    tables: Mapping[str, Sequence[tuple[str, pd.DataFrame]]] = field(default_factory=dict)
    subgroups: pd.DataFrame | None = None
    sample_size: pd.DataFrame | None = field(
        default_factory=lambda: pd.DataFrame({"准则": ["全局收缩因子 ≥ 0.9"], "所需": ["≥ 300"], "是否满足": ["是"]})
    )
    looks: int = 2
    warnings: Sequence[str] = ("3 of 432 rows lack a predictor",)
    environment: Mapping[str, str] = field(default_factory=lambda: {"numpy": np.__version__, "pandas": pd.__version__})


def protocol(**more: object) -> Protocol:
    """The study's protocol."""
    given = {
        "title": "再次入狱的风险预测",
        "tables": {"patient": "编号"},
        "outcome": {"label": "再次被捕", "status": "arrest", "time": "week", "time_unit": "weeks", "horizons_days": HORIZONS},
        "predictors": [{"column": ["age", "prio", "fin", "site"]}],
        "rules": [{"name": "年龄不小于 17 岁", "column": "age", "at_least": 17}],
        "models": ["spline_cox"],
        "thresholds": (0.2, 0.3),
    }
    return Protocol(**{**given, **more})


def rossi(**more: object) -> StudyData:
    """The study's data."""
    frame, rng = load_rossi(), np.random.default_rng(1)
    X = pd.DataFrame(
        {
            "age": frame["age"].astype(float).where(rng.random(len(frame)) > 0.1),
            "prio": frame["prio"].astype(float),
            "fin": frame["fin"].astype(float),
            "site": pd.Categorical(rng.choice(["甲院", "乙院"], len(frame))),
        }
    )
    rows = pd.DataFrame({"person": np.arange(len(frame)), "index_at": pd.NaT, "predicted_at": pd.NaT})
    y = outcome(frame["week"] * 7.0, frame["arrest"].astype(bool))
    flow = (FlowStep("全部记录", 500, 500), FlowStep("年龄不小于 17 岁", 432, 432))
    provenance = pd.DataFrame(
        {
            "feature": list(X),
            "source": ["person", "column", "column", "column"],
            "pick": ["", "count", "any", ""],
            "look_back_hours": [None, 240.0, None, None],
            "known": X.notna().sum().to_numpy(),
            "nearest_hours": [np.nan, 12.0, np.nan, np.nan],
        }
    )
    changes = (Change("age", "age", "outlier", 13, 420), Change("prio", "", "unknown_item", 0, 432))
    cohort = CohortRows(rows, y, ("再次被捕",), flow)
    return StudyData(protocol(**more), cohort, Features(X, FEATURES, provenance, changes), "sha256:" + "ab" * 8)


@cache
def fitted(model: str = "spline_cox") -> tuple[StudyData, object]:
    """The data, and a model fitted to them."""
    data = rossi()
    pipeline = make_model(ModelChoice(name=model), binary=False, causes=1, features=FEATURES)
    return data, pipeline.fit(data.X, data.y)


@cache
def result() -> Result:
    """The result of the study."""
    data, pipeline = fitted()
    risk = pipeline.predict_risk(data.X, HORIZONS)
    made = performance(data.y, risk, times=HORIZONS, horizons=HORIZONS, thresholds=(0.2, 0.3))
    rows = [
        made.assign(
            model=model, sample=sample, value=made["value"] - less, low=made["value"] - less - 0.05, high=made["value"] - less + 0.05
        )
        for model, less in (("spline_cox", 0.0), ("cox", 0.01))
        for sample in ("corrected", "apparent")
    ]
    subgroups = pd.DataFrame(
        [(*group, "harrell_c", np.nan, 0.6, 0.5, 0.7, "")
         for group in (("医院", "甲院", 212, 57), ("医院", "乙院", 220, 57), ("资助", "是", 216, 48), ("资助", "否", 9, 4))],
        columns=["variable", "group", "persons", "events", "measure", "horizon_days", "value", "low", "high", "note"],
    )  # fmt: skip
    table = data.X.drop(columns="site").assign(医院=data.X["site"].astype(str), 结局=np.where(data.y["event"], "是", "否"))
    return Result(
        data,
        "spline_cox",
        pipeline.equation(HORIZONS),
        pd.concat(rows, ignore_index=True),
        development=data,
        baseline=baseline_table(table, by="结局", labels={"age": "年龄", "prio": "既往次数", "fin": "资助"}),
        charts={
            "calibration": [calibration_chart(data.y, risk[:, -1], horizon=HORIZONS[-1], policy=POLICY)],
            "benefit": [decision_chart(data.y, {"spline_cox": risk[:, -1]}, horizon=HORIZONS[-1], policy=POLICY)],
        },
        subgroups=subgroups,
    )
