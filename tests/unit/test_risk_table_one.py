"""Table one of a study: who is described, by what name, in which language; the numbers are tests/unit/test_baseline.py's."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.lib.paths import shared
from workbench.disclosure import DisclosurePolicy
from workbench.errors import DefinitionError
from workbench.release.checks import check_file
from workbench.release.checks.parts import Scope
from workbench.release.findings import Severity
from workbench.risk.cleaning.clean import clean
from workbench.risk.description.people import people
from workbench.risk.description.table_one import table_one
from workbench.risk.extraction.dataset import CohortRows, Feature, Features, StudyData
from workbench.risk.survival.outcome import outcome

POLICY = DisclosurePolicy(threshold=10, rounding=5)


@pytest.fixture
def study() -> StudyData:
    """150 persons, each with two landmarks."""
    random, n = np.random.default_rng(1), 300
    rows = pd.DataFrame(
        {
            "person": np.repeat(np.arange(n // 2), 2),
            "index_at": pd.Timestamp("2020-01-01"),
            "predicted_at": pd.Timestamp("2020-01-01") + pd.to_timedelta(24 * (1 - np.arange(n) % 2), unit="h"),
            "site": random.choice(["东院", "西院"], n),
        }
    )
    X = pd.DataFrame({"creatinine": random.lognormal(4.4, 0.4, n), "sex": pd.Categorical(random.choice(["男", "女"], n))})
    X.loc[::5, "creatinine"] = np.nan
    y = outcome(random.exponential(100, n), random.choice([0, 1, 2], n))
    columns = (
        Feature("creatinine", "肌酐", "umol/L", "number", "labs", "creatinine"),
        Feature("sex", "性别（自报）", "", "category", "person", "sex"),
    )
    return StudyData(None, CohortRows(rows, y, ("死亡", "出院"), ()), Features(X, columns, pd.DataFrame()), "test")


def test_a_person_of_many_landmarks_counts_once_with_the_first(study):
    table = table_one(study)
    assert table.sizes == (150,)
    assert (people(study).places % 2 == 1).all()  # the second row of each person is the earlier one
    known = study.X["creatinine"].to_numpy()[1::2]
    assert table.variables[0].moments[0].median == pytest.approx(np.nanmedian(known))


def test_labels_follow_the_language_but_a_label_of_the_protocol_stays(study):
    chinese, english = (table_one(study, language=language).to_frame(policy=POLICY).iloc[:, 0] for language in ("zh", "en"))
    assert chinese.iloc[0] == "肌酐 (umol/L), 均值 (标准差)"
    assert english.iloc[0] == "Creatinine (umol/L), mean (SD)"
    assert english.iloc[1].startswith("性别（自报）")


def test_groups_by_outcome_are_the_causes(study):
    table = table_one(study, by="outcome", columns=["creatinine", "site"])
    assert table.groups == ("未发生", "死亡", "出院")
    assert [found.name for found in table.variables] == ["creatinine", "site"]
    assert sum(table.sizes) == 150


def test_weights_are_given_a_row_and_taken_of_the_persons(study):
    weights = np.where(np.arange(300) % 2 == 1, 1.0, 1000.0)
    assert table_one(study, weights=weights).variables[0].moments[0].mean == pytest.approx(np.nanmean(study.X["creatinine"][1::2]))


def test_a_table_gets_names_of_items_but_no_unit_that_nobody_stated():
    frame = pd.DataFrame({"creatinine": np.linspace(0.5, 2, 40), "own": np.arange(40)})
    shown = table_one(frame, units={"own": "cm"}, language="en").to_frame(policy=POLICY).iloc[:, 0].tolist()
    assert shown == ["Creatinine, mean (SD)", "own (cm), mean (SD)"]


def test_unknown_columns_are_refused(study):
    with pytest.raises(DefinitionError, match="'glucose'"):
        table_one(study, columns=["glucose"])
    with pytest.raises(DefinitionError, match="'ward'"):
        table_one(study, by="ward")


def test_empty_columns_a_group_of_three_and_thirty_levels():
    random, n = np.random.default_rng(2), 900
    frame = pd.DataFrame(
        {
            "g": np.where(np.arange(n) < 3, "三人", random.choice(["甲", "乙", "丙", "丁", "戊"], n)),
            "none": np.full(n, np.nan),
            "word": pd.Series([None] * n, dtype=object),
            "many": random.choice([f"科室{i}" for i in range(30)], n),
            "x": random.normal(size=n),
        }
    )
    shown = table_one(frame, by="g").to_frame(policy=POLICY)
    few = next(name for name in shown.columns if name.startswith("三人"))
    assert few == "三人 (n=已抑制)"
    assert set(shown.loc[shown.iloc[:, 0].str.startswith("x"), few]) == {"已抑制"}
    assert (shown.iloc[:, 0] == "many, n (%)").sum() <= 11
    assert shown.loc[shown.iloc[:, 0].str.startswith("none"), "缺失"].item().startswith("900")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_support2_by_death(language):
    frame = pd.read_csv(shared("risk/support2/support2.csv"))
    shown = table_one(frame, by="death", columns=["age", "dzgroup", "bili"], language=language).to_frame(policy=POLICY)
    assert shown.iloc[0, 2:5].tolist() == ["62.7 (15.6)", "58.6 (16.7)", "64.6 (14.7)"]


@pytest.mark.parametrize(("language", "label"), [("zh", "年龄"), ("en", "Age")])
def test_tongji_with_its_chinese_headers(language, label):
    raw = pd.read_excel(shared("risk/tongji_covid/time_series_375_prerpocess.xlsx"))
    raw["PATIENT_ID"] = raw["PATIENT_ID"].ffill()
    first = clean(raw.rename(columns={"PATIENT_ID": "person"}).groupby("person").first()[["年龄", "性别", "乳酸脱氢酶", "出院方式"]]).table
    shown = table_one(first, by=first.columns[-1], language=language).to_frame(policy=POLICY)
    assert shown.iloc[0, 0].startswith(label)
    assert shown.columns[2].endswith("(n=380)")  # 375 on the grid of the flow
    assert shown.iloc[0, -2] == "<0.001"


def test_english_heads_are_not_taken_for_counts(study):
    table = table_one(study, by="outcome", language="en")
    assert table.groups[0] == "Event-free"
    frame = pd.DataFrame({"pressure": np.random.default_rng(3).integers(0, 600, 400), "died": np.arange(400) % 2})
    for each in (table, table_one(frame, by="died", language="en")):
        found = check_file("table.csv", each.to_frame(policy=POLICY).to_csv(index=False).encode(), scope=Scope(policy=POLICY))
        assert not [fault for fault in found if fault.severity is Severity.BLOCK]
