"""Validation hospital by hospital, from the study file to the report: who is evaluated, what is joined, and what may be seen."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from tests.lib.risk_tables import patients, survival_study, written
from workbench.disclosure import DisclosurePolicy
from workbench.errors import DataError
from workbench.release.checks import Scope, check_file
from workbench.release.findings import Severity
from workbench.risk.interpretation.comparison_chart import safe_sites, site_chart
from workbench.risk.models.catalogue import make_model
from workbench.risk.protocol.parts import ModelChoice
from workbench.risk.study.study import Study
from workbench.risk.validation.performance import Scoring
from workbench.risk.validation.sites import SiteValidation, leave_one_site_out

POLICY = DisclosurePolicy(threshold=10, rounding=5)
ASKED = {"bootstrap": 0, "folds": 3, "split": "none", "site": "院区", "leave_one_site_out": True}


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    table = patients(400, seed=2)
    table.loc[:7, "院区"] = "北院"
    file = written(tmp_path_factory.mktemp("sites") / "patients.csv", table)
    return Study(**survival_study(models=["cox"], validation=ASKED, subgroups=[])).run(file, workers=1)


def test_each_hospital_is_predicted_by_a_model_made_at_the_others(result):
    data, inside = result.data, (result.data.rows["院区"] == "西院").to_numpy()
    model = make_model(ModelChoice(name="cox"), binary=False, causes=1, features=data.features.columns)
    model.fit(data.X[~inside], data.y[~inside])
    np.testing.assert_allclose(result.sites.risk[inside], model.predict_risk(data.X[inside], [365.0]))
    assert set(result.sites.sites["measure"].dropna()) == {"harrell_c", "observed_expected", "slope"}
    assert np.isnan(result.sites.risk[(data.rows["院区"] == "北院").to_numpy()]).all()


def test_the_report_tells_of_hospitals_and_may_leave(result, tmp_path):
    files = result.report(tmp_path / "out", policy=POLICY)
    for name, path in files.items():
        found = check_file(name, path.read_bytes(), scope=Scope(policy=POLICY))
        assert not [each for each in found if each.severity is not Severity.NOTE], name
    page = re.sub(r"<svg.*?</svg>", "", files["report.html"].read_text(encoding="utf-8"), flags=re.DOTALL)
    assert "北院" not in page  # 8 persons
    assert "未分析各医院间的差别" not in page
    for item, section in (("12d", "验证与评价指标"), ("23b", "各中心间的差别")):
        row = re.search(rf"<tr>\s*<t[dh][^>]*>{item}<.*?</tr>", page, flags=re.DOTALL)[0]
        assert section in row
        assert "作者填写" not in row
    metrics = pd.read_csv(files["metrics.csv"])
    own = metrics[metrics["sample"] == "sites"].set_index("measure")
    joined = safe_sites(result.sites, policy=POLICY).joined.set_index("measure")
    np.testing.assert_allclose(own[["value", "low", "high"]], joined.loc[own.index, ["estimate", "lower", "upper"]], atol=1e-5)


def test_the_figure_tells_the_mean_and_where_a_new_hospital_lies(result):
    told = site_chart(result.sites, policy=POLICY).counts.set_index("中心")
    joined = safe_sites(result.sites, policy=POLICY).joined.set_index("measure").loc["harrell_c"]
    assert set(told.index[:3]) == {"东院", "西院", "南院"}
    c = next(name for name in told.columns if "Harrell" in name)
    assert told.loc["合并", c] == f"{joined.estimate:.3f} ({joined.lower:.3f}, {joined.upper:.3f})"
    assert told.loc["95% 预测区间", c] == f"{joined.predicted_lower:.3f}, {joined.predicted_upper:.3f}"
    assert (told["人数"].iloc[:3] == "已抑制").any()  # else that of the fourth, of 8 persons, would follow from the sum


def made(**counts) -> SiteValidation:
    rows = [
        (site, persons, persons, events, "auroc", np.nan, np.nan, 0.7 + at / 50, 0.1, 0.6, 0.8, "")
        for at, (site, (persons, events)) in enumerate(counts.items())
    ]
    columns = ["site", "rows", "persons", "events", "measure", "horizon_days", "threshold", "value", "std_error", "lower", "upper", "note"]
    return SiteValidation(pd.DataFrame(rows, columns=columns), pd.DataFrame(), np.empty(0))


def test_a_hospital_of_few_persons_of_either_kind_is_neither_shown_nor_joined():
    found = made(many=(100, 40), more=(90, 30), all_events=(50, 45), few_events=(200, 9))
    safe = safe_sites(found, policy=POLICY)
    assert safe.sites["site"].tolist() == ["many", "more"]
    assert safe.joined["places"].item() == 2
    assert 0.70 < safe.joined["estimate"].item() < 0.72
    assert set(site_chart(found, policy=POLICY).counts.iloc[:, 0][:2]) == {"many", "more"}
    with pytest.raises(DataError, match="fewer than two sites"):
        site_chart(made(many=(100, 40), few_events=(200, 9)), policy=POLICY)


def test_persons_are_counted_not_their_rows():
    rng = np.random.default_rng(0)
    person, x = np.repeat(np.arange(100), 5), rng.normal(size=500)
    site = np.where(person < 40, "甲", np.where(person < 80, "乙", "丙"))
    y = (rng.random(500) < 1 / (1 + np.exp(-x))) & ((person < 80) | (person < 85))  # 5 persons of the third have it, in many rows
    model = make_model(ModelChoice(name="logistic"), binary=True, causes=1)
    found = leave_one_site_out(
        model, pd.DataFrame({"x": x}), y, site, scoring=Scoring(measures=("auroc",)), persons=person, resamples=5, workers=1
    )
    third = found.sites.set_index("site").loc["丙"]
    assert y[site == "丙"].sum() > 10
    assert third["events"] == 5
    assert np.isnan(third["value"])
    assert np.isnan(found.risk[site == "丙"]).all()
    assert found.joined["places"].item() == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"site": "院区"}, "one site only"),
        ({"site": ""}, "no column 'care_site'"),
        ({"site": "床号"}, "no site has 10 persons with the event"),
    ],
)
def test_what_cannot_be_tried_by_hospital_is_refused(tmp_path, change, words):
    table = patients(120).assign(院区="东院", 床号=range(120))
    study = Study(**survival_study(models=["cox"], validation={**ASKED, **change}))
    with pytest.raises(DataError, match=words):
        study.run(written(tmp_path / "patients.csv", table), workers=1)


def test_the_key_changes_no_study_that_does_not_use_it():
    plain = Study(**survival_study())
    asked = plain.changed(validation={**survival_study()["validation"], "leave_one_site_out": False})
    assert asked.hash == plain.hash
