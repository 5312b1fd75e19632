"""A small study of made-up patients, and a source that can say where values come from."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd

from nlp.variables.sets import VariableSet
from tests.lib.noted import START, noted_store
from workbench.cohort.language import cohort, encounters
from workbench.risk.extraction.dataset import CohortRows, Feature, Features, FlowStep, StudyData
from workbench.risk.extraction.evidence import Evidence
from workbench.risk.protocol.protocol import Protocol
from workbench.risk.study.study import Study


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


def structured_store(home):
    """Eight patients with results, a death and notes, read by a small run whose findings are published."""
    import workbench as wb
    from tests.unit.test_texts_review import COUGH, SIZE

    day, hour = timedelta(days=1), timedelta(hours=1)
    people = range(1, 9)
    periods = [
        {"observation_period_id": person, "person_id": person, "observation_period_start_date": (START - 400 * day).date(),
         "observation_period_end_date": (START + 400 * day).date(), "period_type_concept_id": 32817} for person in people
    ]  # fmt: skip
    results = [(person, START + after * hour, code, value, unit) for person in people for after, code, value, unit in (
        (2, "LDH", 240.0 + 10 * person, "U/L"), (14, "LDH", 300.0 + person, "U/L"), (3, "肌酐", 0.8 + person / 10, "mg/dL"))]  # fmt: skip
    labs = [
        {"measurement_id": key, "person_id": person, "measurement_concept_id": 0, "measurement_date": at.date(), "measurement_datetime": at,
         "measurement_type_concept_id": 32856, "measurement_source_value": code, "value_as_number": value, "unit_source_value": unit}
        for key, (person, at, code, value, unit) in enumerate(results, start=1)
    ]  # fmt: skip
    smoking = {"observation_id": 1, "person_id": 1, "observation_concept_id": 0, "observation_date": START.date(),
               "observation_type_concept_id": 32817, "observation_source_value": "吸烟", "value_as_string": "当前吸烟"}  # fmt: skip
    died = {"person_id": 2, "death_date": (START + 60 * day).date(), "death_type_concept_id": 32817}
    more = {"observation_period": periods, "measurement": labs, "observation": [smoking], "death": [died]}
    notes = wb.notes(noted_store(home / "store", people=8, more=more))
    return notes.structure(VariableSet(name="asked", variables=(SIZE, COUGH)), folder=home / "texts", workers=1, progress=False).publish()


def structured_study() -> Study:
    """Death after the fourth day of the stay, by results, findings of notes, observations and facts."""
    return Study(
        title="肺结节专病库",
        cohort=cohort("住院").enter(encounters(setting="inpatient"), limit="first"),
        index={"plus_hours": 96},
        outcome={"label": "死亡", "events": {"deaths": "all"}},
        predictors=[
            {"person": ["age", "sex"]},
            {"labs": ["LDH", "肌酐"]},
            {"findings": "cough", "name": "cough", "label": "咳嗽"},
            {"observations": "吸烟=当前吸烟", "name": "smoking", "label": "当前吸烟"},
        ],
    )
