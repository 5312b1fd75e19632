"""Performance within groups: which groups there are, what is told of each, and whether they differ."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from workbench.errors import DataError
from workbench.risk.extraction.dataset import CohortRows, Feature, Features, StudyData
from workbench.risk.protocol.protocol import Protocol
from workbench.risk.validation.performance import Scoring, performance
from workbench.risk.validation.subgroups import AGES, bands, groups_of, subgroups

pytestmark = pytest.mark.usefixtures("english")

SCORING = Scoring(measures=("auroc", "observed_expected", "slope"))


def study(n=800, seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    x, sex = rng.normal(size=n), np.where(np.arange(n) % 2, "男", "女")
    y = rng.random(n) < 1 / (1 + np.exp(1 - x - shift * (np.arange(n) % 2)))
    return y, 1 / (1 + np.exp(1 - x)), pd.DataFrame({"sex": sex})


def test_each_group_has_its_own_figures_and_counts():
    y, risk, groups = study()
    persons = np.arange(800) // 4
    found = subgroups(y, risk, groups, scoring=SCORING, persons=persons, resamples=20, workers=1).table
    men = (groups["sex"] == "男").to_numpy()
    own = found.query("group == '男'")
    np.testing.assert_allclose(own["value"], performance(y[men], risk[men], measures=SCORING.measures)["value"])
    assert own[["rows", "persons", "events"]].drop_duplicates().to_numpy().tolist() == [[400, 200, np.unique(persons[men & y]).size]]
    assert (own["lower"] < own["value"]).all()
    assert (own["value"] < own["upper"]).all()


def test_groups_that_differ_are_told_from_those_that_do_not():
    for shift, differs in ((0.0, False), (1.5, True)):
        y, risk, groups = study(shift=shift)
        found = subgroups(y, risk, groups, scoring=SCORING, resamples=60, workers=1).differences.set_index("measure")
        assert (found.loc["observed_expected", "p"] < 0.01) == differs
    assert found["by"].unique().tolist() == ["sex"]


def test_a_group_with_few_events_is_counted_and_not_measured():
    y, risk, groups = study()
    groups.loc[:19, "sex"] = "不详"
    groups.loc[20:22, "sex"] = None
    found = subgroups(y, risk, groups, scoring=SCORING, resamples=5, workers=1).table.set_index("group")
    assert found.loc["不详", ["rows", "events", "note"]].tolist() == [20, y[:20].sum(), "fewer than 10 events: not evaluated"]
    assert found.loc["missing", "rows"] == 3
    assert found.loc[["不详", "missing"], "value"].isna().all()
    none = subgroups(y, risk, groups, scoring=SCORING, least_events=1000, resamples=5, workers=1)
    assert len(none.table) == 4
    assert none.differences.empty


def data(asked=()):
    n = 60
    X = pd.DataFrame({"age_years": np.linspace(10, 90, n), "ldh": np.arange(n) * 1.0, "sex": pd.Categorical(["男", "女"] * 30)})
    columns = (
        Feature("age_years", "年龄", "岁", "number", "person", "age"),
        Feature("ldh", "LDH", "U/L", "number", "labs", "LDH"),
        Feature("sex", "性别", "", "category", "person", "sex"),
    )
    rows = pd.DataFrame({"person": range(n), "index_at": pd.date_range("2020-06-01", periods=n, freq="10D"), "ward": ["a"] * n})
    rows["care_site"] = ["x"] * 59 + ["y"]
    protocol = Protocol(
        title="t", tables={"patient": "p"}, outcome={"label": "o", "kind": "binary"}, predictors=[{"column": "LDH"}], subgroups=asked
    )
    return StudyData(protocol, CohortRows(rows, np.arange(n) % 3 == 0, ("o",), ()), Features(X, columns, pd.DataFrame()), "origin")


def test_the_usual_groups_and_those_of_the_protocol():
    groups = groups_of(data(asked=("LDH", "ward")))
    assert groups.columns.tolist() == ["age", "sex", "care_site", "LDH", "year"]  # a ward that is everybody's is none
    assert groups["age"].cat.categories.tolist() == ["<18", "18-<45", "45-<60", "60-<75", "≥75"]
    assert groups["LDH"].value_counts().tolist() == [20, 20, 20]
    assert groups["year"].cat.categories.tolist() == ["2020", "2021", "2022"]
    with pytest.raises(DataError, match="no columns \\['院区'\\]"):
        groups_of(data(asked=("院区",)))


def test_a_column_asked_by_its_name_is_no_group_beside_its_item():
    given = data(asked=("ldh", "age_years", "sex"))
    assert groups_of(given).columns.tolist() == ["age", "sex", "care_site", "LDH", "year"]


def test_yes_and_no_are_words():
    given = data(asked=("bled",))
    bled = Feature("bled", "出血", "", "yes_no", "column")
    features = Features(given.X.assign(bled=np.arange(60) % 2.0), (*given.features.columns, bled), given.features.provenance)
    assert groups_of(replace(given, features=features))["bled"].unique().tolist() == ["no", "yes"]


def test_bands_begin_at_their_edges_and_keep_gaps():
    column = bands(pd.Series([17.9, 18, 44.9, 75, None]), AGES)
    assert column.astype(object).where(column.notna(), None).tolist() == ["<18", "18-<45", "18-<45", "≥75", None]
    assert bands(pd.Series([2.0, 10.0, None])).cat.categories.tolist() == ["2", "10"]
    assert bands(pd.Series(["a", "b"])).tolist() == ["a", "b"]


def test_wrong_groups_are_refused():
    y, risk, groups = study()
    with pytest.raises(DataError, match="800 rows have an outcome and 5 have groups"):
        subgroups(y, risk, groups.iloc[:5], scoring=SCORING)
    with pytest.raises(DataError, match="a column with 800 values makes no groups"):
        subgroups(y, risk, pd.DataFrame({"id": range(800)}), scoring=SCORING)
