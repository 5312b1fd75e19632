"""A study from its file to its report, and what stops it."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from tests.lib.risk_tables import patients, survival_study, written
from tests.lib.timed_leaks import timed_study
from workbench.cli import app
from workbench.disclosure import DisclosurePolicy
from workbench.errors import DataError, DefinitionError, EnvironmentFault
from workbench.journal import read_entries
from workbench.release.checks import Scope, check_file
from workbench.release.findings import Severity
from workbench.risk.models.catalogue import make_model
from workbench.risk.protocol.parts import ModelChoice
from workbench.risk.study.figures import _of_model, _Once, proportional
from workbench.risk.study.horizons import HorizonsWarning, horizons_of
from workbench.risk.study.run import run
from workbench.risk.study.study import Study
from workbench.risk.validation.fitting import fitted

POLICY = DisclosurePolicy(threshold=10, rounding=5)
QUICK = {"bootstrap": 0, "folds": 3, "split": "none"}


@pytest.fixture
def policy(tmp_path, monkeypatch):
    path = tmp_path / "policy.toml"
    path.write_text("[disclosure]\nthreshold = 10\nrounding = 5\n", encoding="utf-8")
    monkeypatch.setenv("WORKBENCH_POLICY", str(path))
    monkeypatch.setenv("HOME", str(tmp_path))
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return written(tmp_path_factory.mktemp("risk") / "patients.csv", patients(300))


@pytest.fixture(scope="module")
def result(table):
    return Study(**survival_study(models=["spline_cox", "cox"])).run(table, workers=1)


def test_the_result_tells_of_every_model_and_sample(result):
    performance = (
        result.performance.drop_duplicates(["model", "sample", "measure"]).set_index(["model", "sample", "measure"]).sort_index()["value"]
    )
    assert result.model == "spline_cox"
    assert 0.6 < performance["spline_cox", "corrected", "harrell_c"] < 0.85
    assert performance["spline_cox", "apparent", "harrell_c"] > performance["spline_cox", "corrected", "harrell_c"]
    assert ("cox", "cross_validation", "slope") in performance.index
    assert set(result.subgroups["variable"]) >= {"性别", "年份"}
    risk = result.predict_risk(result.data.X)
    assert risk.shape == (300, 1)
    complete = result.data.X.notna().all(axis=1)
    np.testing.assert_allclose(result.equation.predict_risk(result.data.X[complete]), risk[complete], atol=1e-10)


def test_the_report_may_leave_as_it_stands(result, policy, tmp_path):
    files = result.report(tmp_path / "out", policy=POLICY)
    assert sorted(files) == ["card.json", "metrics.csv", "report.docx", "report.html"]
    for name, path in files.items():
        found = [each for each in check_file(name, path.read_bytes(), scope=Scope(policy=POLICY)) if each.severity is not Severity.NOTE]
        assert not found, [(finding.check, finding.place, finding.reason) for finding in found]
    page = files["report.html"].read_text(encoding="utf-8")
    for words in ("列线图", "决策曲线", "校准曲线", "TRIPOD+AI", "森林图", "亚组", result.data.protocol.hash):
        assert words in page


@pytest.mark.parametrize(("threshold", "drawn"), [(10, True), (200, False)])
def test_numbers_that_may_not_leave_are_not_drawn_as_a_nomogram(result, threshold, drawn):
    once = _Once(result, DisclosurePolicy(threshold=threshold, rounding=5))
    assert ("列线图" in [name for _, name, _ in _of_model(once)]) == drawn


def test_the_same_seed_gives_the_same_result_whatever_the_workers(table, result):
    again = Study(**survival_study(models=["spline_cox", "cox"])).run(table, workers=2)
    pd.testing.assert_frame_equal(again.performance, result.performance)


def test_looks_at_the_hold_out_are_counted(table, tmp_path):
    study = Study(**survival_study(validation={"bootstrap": 0, "folds": 3, "split": "time"}))
    journal = tmp_path / "looks.jsonl"
    first = run(study, study.source(table), looks=journal, workers=1)
    second = run(study.changed(models=["cox"]), study.source(table), looks=journal, workers=1)
    assert (first.looks, second.looks) == (1, 2)
    assert len(read_entries(journal).entries) == 2
    assert any("2" in each for each in second.warned)
    assert set(first.performance["sample"]) == {"cross_validation", "holdout"}
    assert first.judged.data.rows["index_at"].min() > first.development.rows["index_at"].max()


def test_a_horizon_that_is_not_named_is_chosen_and_said(table):
    study = survival_study()
    del study["outcome"]["horizons_days"]
    made = Study(**study)
    data = made.extract(table)
    with pytest.warns(HorizonsWarning, match="已按随访时间选定 365 天"):
        chosen = horizons_of(data)
    assert chosen == (365.0,)
    with pytest.raises(DataError, match="followed up to 5000"):
        horizons_of(Study(**survival_study(outcome={**study["outcome"], "horizons_days": [5000]})).extract(table))


def test_a_binary_outcome_runs_as_well(table):
    outcome = {"label": "死亡", "kind": "binary", "status": "结局"}
    found = Study(**survival_study(outcome=outcome, validation={"bootstrap": 0, "folds": 3, "split": "none"})).run(table, workers=1)
    assert found.model == "logistic"
    assert found.horizons == ()
    assert "auroc" in set(found.performance["measure"])


def test_a_printed_result_shows_counts_as_the_policy_does(result):
    told = replace(result, warned=("建模时没有的类别按参照类别处理：血型（3 行）",))
    assert told.told().endswith("血型（3 行）")
    assert told.told(POLICY).endswith("血型（<10 行）")


#: Columns of which a model learns nothing, a rare category, and a predictor that few have.
POOR = {"常数": 1.0, "空列": np.nan, "血型": ["A", "B"] * 48 + ["O", "AB", "稀有甲", "稀有乙"], "少测项": [8.0, 9.0, 12.0] + [np.nan] * 97}


def test_what_a_study_of_poor_data_tells_is_in_the_language_in_force(tmp_path):
    outcome = {"label": "死亡", "status": "结局", "time": "随访天数"}
    columns = ["年龄", "肌酐", *POOR]
    study = Study(**survival_study(index={}, outcome=outcome, predictors=[{"column": columns}], subgroups=["血型"]))
    found = study.run(written(tmp_path / "poor.csv", patients(100).assign(**POOR)), workers=2)
    left_out = found.drawn(DisclosurePolicy(threshold=60, rounding=5)).left_out
    told = [
        *found.warned,
        *found.performance["note"],
        *left_out,
        found.told(),
        *found.found.table().astype(str).sum(axis=1),
    ]
    assert {text for text in told if re.search(r"[A-Za-z]{2,} [a-z]{2,}", text)} == set()
    assert "未纳入的列：常数（只有一个值）、空列（全部缺失）" in found.warned
    assert any("研究未指定预测时点" in each for each in found.warned)
    assert any("次重抽样：未纳入的列" in each for each in found.warned)
    assert left_out


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"models": ["spline_coxx"]}, DefinitionError, "spline_cox"),
        ({"models": ["logistic"]}, DefinitionError, "does not suit"),
        ({"predictors": [{"column": ["年龄", "结局"]}]}, DefinitionError, "结局"),
        ({"predictors": [{"column": ["体重"]}]}, DefinitionError, "体重"),
        ({"subgroups": ["民族"]}, (DataError, DefinitionError), "民族"),
        ({"rules": [{"name": "百岁", "column": "年龄", "at_least": 120}]}, DataError, "nobody|no patient|left"),
    ],
)
def test_what_cannot_be_run_is_refused(table, change, error, words):
    with pytest.raises(error, match=words):
        Study(**survival_study(**change)).run(table, workers=1)


def test_a_study_wants_data_that_fit_it(table, tmp_path):
    study = Study(**survival_study())
    with pytest.raises(DefinitionError, match="no cohort"):
        study.run(type("Snapshot", (), {"read": None, "id": "x"})())
    with pytest.raises(DefinitionError, match="int"):
        study.run(3)
    with pytest.raises(DataError):
        study.run(tmp_path / "none.csv")


def test_the_command_runs_and_checks(table, policy, tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(survival_study(), allow_unicode=True), encoding="utf-8")
    runner = CliRunner()
    checked = runner.invoke(app, ["risk", "check", str(file), "--table", str(table)], catch_exceptions=False)
    assert checked.exit_code == 0
    done = runner.invoke(app, ["risk", "run", str(file), "--table", str(table), "--out", str(tmp_path / "out"), "--workers", "1"])
    assert done.exit_code == 0, done.output
    assert "Harrell C 指数" in done.output
    assert json.loads((tmp_path / "out" / "card.json").read_text(encoding="utf-8"))["model"] == "spline_cox"
    shown = runner.invoke(app, ["risk", "example"])
    assert Study(**yaml.safe_load(shown.output)).title
    both = runner.invoke(app, ["risk", "check", str(file), "--table", str(table), "--store", str(tmp_path)])
    assert isinstance(both.exception, DefinitionError)


def test_without_a_policy_nothing_is_run(table, tmp_path, monkeypatch):
    monkeypatch.delenv("WORKBENCH_POLICY", raising=False)
    monkeypatch.setenv("WORKBENCH_SESSION", str(tmp_path / "none.toml"))
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(survival_study(), allow_unicode=True), encoding="utf-8")
    done = CliRunner().invoke(app, ["risk", "run", str(file), "--table", str(table), "--out", str(tmp_path / "out")])
    assert type(done.exception).__name__ == "PolicyError"
    assert not (tmp_path / "out").exists()


def late_reports(folder, clock):
    """Results that were taken before the prediction, and reported after it."""
    rng = np.random.default_rng(5)
    n = 150
    base = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 200, n), unit="D")
    value = rng.normal(80, 15, n)
    table = pd.DataFrame(
        {
            "编号": np.arange(n),
            "入院时间": base,
            "采样时间": base + pd.Timedelta(hours=6),
            "报告时间": base + pd.to_timedelta(rng.choice([8, 30], n), unit="h"),
            "肌酐": value.round(1),
            "结局": (rng.random(n) < 1 / (1 + np.exp(-(value - 80) / 15))).astype(int),
            "出院时间": base + pd.Timedelta(days=9),
        }
    )
    study = Study(
        title="迟报",
        tables={"patient": "编号", "time": "采样时间", "available": "报告时间", "units": {"肌酐": "umol/L"}},
        index={"at": "入院时间", "plus_hours": 24},
        outcome={"label": "死亡", "kind": "binary", "status": "结局", "at": "出院时间"},
        predictors=[{"labs": "肌酐", "clock": clock}],
    )
    return study, written(folder / f"{clock}.csv", table)


def test_the_clock_of_recording_is_warned_of_and_the_other_keeps_the_future_out(tmp_path):
    study, file = late_reports(tmp_path, "available")
    known = study.extract(file).X.iloc[:, 0].notna().mean()
    assert 0.3 < known < 0.7
    assert not study.audit(file).of("as_of")
    study, file = late_reports(tmp_path, "recorded")
    audit = study.audit(file)
    assert study.extract(file).X.iloc[:, 0].notna().all()
    assert [finding.severity for finding in audit.of("as_of")] == ["warn"]
    assert not audit.refused


def test_a_model_that_takes_no_weights_is_refused_where_patients_have_several_rows():
    data, persons = patients(200), np.repeat(np.arange(100), 2)
    X, y = (
        data[["年龄", "肌酐"]],
        np.array(list(zip(data["结局"] == 1, data["随访天数"], strict=True)), dtype=[("event", bool), ("time", float)]),
    )
    model = make_model(ModelChoice(name="fine_gray"), binary=False, causes=2)
    y2 = np.array(list(zip(np.where(y["event"], 1 + persons % 2, 0), y["time"], strict=True)), dtype=[("event", int), ("time", float)])
    assert fitted(model, X, y2, groups=persons).predict_risk(X, [365.0]).shape == (200, 1)
    with pytest.raises(DefinitionError, match="takes no weights"):
        fitted(model, X, y2, sample_weight=np.ones(200), groups=persons)


def test_the_errors_of_a_landmark_study_are_by_person_and_the_report_says_so(policy, tmp_path):
    protocol, source = timed_study(tmp_path, 300, 1, landmarks=True)
    asked = {"outcome": protocol.outcome.model_copy(update={"kind": "survival"}), "models": ["cox"], "validation": QUICK}
    index = protocol.index.model_copy(update={"plus_hours": 72})  # nobody leaves before
    found = run(protocol.changed(index=index, **asked), source, workers=1)
    data, persons = found.development, found.development.rows["person"]
    assert persons.duplicated().any()
    by_person, by_row = (fitted(found.fitted, data.X, data.y, groups=groups)[-1].covariance_ for groups in (persons, None))
    np.testing.assert_allclose(found.fitted[-1].covariance_, by_person)
    assert not np.allclose(by_person, by_row)
    assert [term.std_error for term in found.equation.terms] == pytest.approx(np.sqrt(np.diag(by_person)).tolist())
    assert proportional(found) is None  # the test does not know persons
    page = found.report(tmp_path / "out", policy=POLICY)["report.html"].read_text(encoding="utf-8")
    assert "标准误按患者聚类" in page


def test_trees_take_gaps_as_they_are_beside_a_model_of_several_completions(table):
    asked = {"models": ["cox", "lightgbm"], "validation": {**QUICK, "folds": 2, "imputation": "multiple", "imputations": 2}}
    found = Study(**survival_study(**asked)).run(table, workers=1)
    assert found.data.X.isna().any(axis=None)
    assert [type(model).__name__ for model in found.pipelines.values()] == ["MultiplyImputed", "RiskPipeline"]


def test_the_sample_size_counts_whoever_had_the_outcome_after_any_prediction(tmp_path):
    protocol, source = timed_study(tmp_path, 300, 1, landmarks=True)
    found = run(protocol.changed(models=["logistic"], validation=QUICK), source, workers=1)
    persons = found.development.rows["person"]
    had = persons[found.development.y].nunique()
    assert had > found.development.y[~persons.duplicated()].sum()
    assert f"现有 {persons.nunique()} 人、{had} 例结局" in found.sample_size.iloc[-1, 0]


@pytest.mark.parametrize("out", ["patients.csv", "patients.csv/out"])
def test_a_folder_that_cannot_be_written_to_is_refused_before_the_work(table, policy, tmp_path, monkeypatch, out):
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(survival_study(), allow_unicode=True), encoding="utf-8")
    monkeypatch.setattr(Study, "run", lambda *_, **__: pytest.fail("the study was run"))
    done = CliRunner().invoke(app, ["risk", "run", str(file), "--table", str(table), "--out", str(table.parent / out)])
    assert isinstance(done.exception, EnvironmentFault)


def test_a_check_refuses_models_that_cannot_be_made(table):
    for models, told in (
        (["logistc"], "did you mean"),
        (["logistic"], "does not suit"),
        ([{"name": "cox", "parameters": {"alfa": 1}}], "alpha"),
    ):
        with pytest.raises(DefinitionError, match=told):
            Study(**survival_study(models=models)).audit(table)
