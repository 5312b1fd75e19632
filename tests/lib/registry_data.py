"""A small study of made-up patients, and a source that can say where values come from."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.risk.extraction.dataset import CohortRows, Feature, Features, FlowStep, StudyData
from workbench.risk.extraction.evidence import Evidence
from workbench.risk.protocol.protocol import Protocol


def small_study(n: int = 12) -> StudyData:
    """Twelve patients with age, sex, LDH and a diagnosis; the LDH of the third is missing."""
    rng = np.random.default_rng(0)
    protocol = Protocol(
        title="急性胰腺炎专病库",
        tables={"patient": "编号"},
        outcome={"label": "死亡", "kind": "binary", "status": "结局"},
        predictors=[{"column": ["年龄", "性别"]}, {"labs": "乳酸脱氢酶"}],
    )
    index = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 120, n), unit="D")
    rows = pd.DataFrame({"person": np.arange(1001, 1001 + n), "index_at": index, "predicted_at": index + pd.Timedelta(hours=24)})
    X = pd.DataFrame(
        {
            "age": rng.integers(30, 80, n).astype(float),
            "sex": pd.Categorical(rng.choice(["男", "女"], n), categories=["女", "男"]),
            "ldh": rng.normal(300, 60, n).round(),
            "htn": rng.integers(0, 2, n).astype(float),
        }
    )
    X.loc[2, "ldh"] = np.nan
    columns = (
        Feature("age", "年龄", "岁", "number", "column"),
        Feature("sex", "性别", "", "category", "column"),
        Feature("ldh", "乳酸脱氢酶", "U/L", "number", "labs", "ldh"),
        Feature("htn", "高血压", "", "yes_no", "diagnoses"),
    )
    cohort = CohortRows(rows, rng.random(n) < 0.3, ("死亡",), (FlowStep("入组", n, n),))
    return StudyData(protocol, cohort, Features(X, columns, pd.DataFrame()), "made-up")


class KnownSource:
    """Says where an LDH and a diagnosis come from."""

    def evidence(self, data, row, feature):
        if feature == "ldh" and pd.notna(data.X.at[row, "ldh"]):
            value = f"{data.X.at[row, 'ldh']:g}"
            return [
                Evidence("2024-01-01 07:30", "measurement", "乳酸脱氢酶", value, "U/L", "88"),
                Evidence("2024-01-01 02:10", "measurement", "乳酸脱氢酶", "295", "U/L", "71"),
            ]
        if feature == "htn":
            return [Evidence("2024-01-01", "note", "高血压", "present", text="既往有高血压病史10年，否认糖尿病。", start=3, end=6)]
        return []
