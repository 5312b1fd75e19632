"""A study's report: its sections, what stands where, its bytes, and that it passes the release checks as it stands."""

import dataclasses
import json
import os
import time
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.lib.study_reports import POLICY, Result, fitted, result, rossi
from workbench.disclosure import DisclosurePolicy
from workbench.errors import DataError, DefinitionError, EnvironmentFault
from workbench.locale import set_language
from workbench.release.checks import Scope, check_file
from workbench.report.parts import Grid, Section
from workbench.risk.models.equation import UnseenCategories, tell_unseen
from workbench.risk.reporting.card import exportable
from workbench.risk.reporting.checklists import probast_items, probast_table, tripod_items, tripod_table
from workbench.risk.reporting.contents import population, safe_words
from workbench.risk.reporting.facts import FACTS, Fact
from workbench.risk.reporting.model import baseline_table, example_patient, terms_table
from workbench.risk.reporting.performance import LeftOut, best_sample, compared, metrics, subgroup_table, table_of
from workbench.risk.reporting.report import FILES, study_report, write_report

DAY = date(2026, 1, 2)
SCOPE = Scope(policy=POLICY)


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> dict[str, Path]:
    return write_report(result(), tmp_path_factory.mktemp("report"), policy=POLICY, day=DAY)


@pytest.fixture(scope="module")
def report():
    return study_report(result(), policy=POLICY, day=DAY)


def changed(**parts) -> Result:
    return dataclasses.replace(result(), **parts)


def table(report, caption: str) -> pd.DataFrame:
    return next(part.table for part in report.parts if isinstance(part, Grid) and part.caption.startswith(caption))


# -- what leaves --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_each_file_passes_the_release_checks(written, name):
    found = check_file(name, written[name].read_bytes(), scope=SCOPE)
    assert not [finding for finding in found if finding.severity.value == "block"]


def test_an_english_report_passes_too(tmp_path):
    set_language("en")
    try:
        audit = pd.DataFrame({"guard": ["proxies"], "found": ["nothing"]})
        files = write_report(changed(charts={}, baseline=None, audit=audit), tmp_path, policy=POLICY)
    finally:
        set_language("zh")
    page = files["report.html"].read_text(encoding="utf-8")
    assert "Appendix: TRIPOD+AI" in page
    blocks = [f for name, path in files.items() for f in check_file(name, path.read_bytes(), scope=SCOPE) if f.severity.value == "block"]
    assert not blocks


def test_the_page_is_self_contained(written):
    page = written["report.html"].read_text(encoding="utf-8")
    assert not [word for word in ("<script", "<link", "src=", "@import", "<a ") if word in page]


def test_the_same_result_on_the_same_day_has_the_same_bytes(written, tmp_path):
    again = write_report(result(), tmp_path, policy=POLICY, day=DAY)
    assert [again[name].read_bytes() == written[name].read_bytes() for name in FILES] == [True] * 4


def test_the_printed_numbers_are_those_of_the_card():
    equation = exportable(result().equation, result().data, POLICY)
    printed = terms_table(equation, {})["系数 (标准误)"].str.split(" ").str[0].astype(float)
    assert printed.tolist() == [term.coefficient for term in equation.terms]
    assert baseline_table(equation).iloc[:, 1].astype(float).tolist() == [share for _, share in equation.baseline]


def test_small_counts_in_words_are_hidden(written):
    page = written["report.html"].read_text(encoding="utf-8")
    assert "有 &lt;10 人的取值" in page
    assert "&lt;10 of 430 rows" in page


@pytest.mark.usefixtures("english")
def test_rows_with_words_that_a_model_does_not_know_are_hidden_where_they_are_few():
    with pytest.warns(UnseenCategories) as told:
        tell_unseen({"ward": 2, "device": 99})
    assert safe_words(str(told[0].message), POLICY).endswith("ward (<10 rows), device (100 rows)")


def test_metrics_have_the_size_of_the_study_beside_them(written):
    cells = pd.read_csv(written["metrics.csv"], dtype=str)
    assert set(cells["study_persons"]) == {"430"}
    assert {"spline_cox", "cox"} == set(cells["model"])
    assert len(cells) == len(result().performance)


@pytest.mark.usefixtures("english")
def test_too_many_metrics_are_left_out_with_a_warning():
    many = pd.concat([result().performance.assign(threshold=0.01)] * 20)
    people = population(result().data, POLICY, nothing="")
    with pytest.warns(LeftOut, match="left out"):
        cells = metrics(many, "spline_cox", people.persons, POLICY)
    assert len(cells) == 999
    assert set(cells["model"]) == {"spline_cox"}


# -- whole or not at all ------------------------------------------------------------------------------------------------


def test_a_result_that_cannot_be_shown_leaves_the_old_report(tmp_path):
    files = write_report(changed(charts={}), tmp_path, policy=POLICY, day=DAY)
    before = {name: path.read_bytes() for name, path in files.items()}
    bare = {"model": [("a table of numbers", pd.DataFrame({"x": [1, 2]}))]}
    with pytest.raises(DefinitionError, match="not text"):
        write_report(changed(tables=bare), tmp_path, policy=POLICY, day=DAY)
    assert {name: path.read_bytes() for name, path in files.items()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)


def test_a_disk_that_fails_half_way_leaves_the_old_report(tmp_path, monkeypatch):
    files = write_report(changed(charts={}), tmp_path, policy=POLICY, day=DAY)
    before = {name: path.read_bytes() for name, path in files.items()}
    move = Path.replace

    def fails(self, target):
        if self.name == "metrics.csv" and self.parent.name.startswith(".part."):
            raise OSError(28, "No space left on device")
        return move(self, target)

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(EnvironmentFault, match="No space"):
        write_report(changed(charts={}, looks=7), tmp_path, policy=POLICY, day=DAY)
    assert {name: path.read_bytes() for name, path in files.items()} == before


def test_other_files_of_the_folder_stay(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    write_report(changed(charts={}), tmp_path, policy=POLICY, day=DAY)
    assert (tmp_path / "mine.txt").read_text() == "x"


def test_what_a_killed_run_left_is_deleted_when_it_is_old(tmp_path):
    for name, hours in ((".part.old", 2), (".part.new", 0)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.html").write_text("half a report")
        os.utime(tmp_path / name, (time.time() - 3600 * hours,) * 2)
    write_report(changed(charts={}), tmp_path, policy=POLICY, day=DAY)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([".part.new", *FILES])


def test_a_folder_in_the_place_of_a_file_is_refused_and_stays(tmp_path):
    (tmp_path / "metrics.csv").mkdir()
    (tmp_path / "metrics.csv" / "mine.txt").write_text("x")
    with pytest.raises(EnvironmentFault, match="cannot be written"):
        write_report(changed(charts={}), tmp_path, policy=POLICY, day=DAY)
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == ["metrics.csv", "metrics.csv/mine.txt"]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "out").write_text("x")
    with pytest.raises(EnvironmentFault, match="cannot be written"):
        write_report(changed(charts={}), tmp_path / "out", policy=POLICY)


# -- sections -----------------------------------------------------------------------------------------------------------


def test_sections_stand_in_the_order_of_a_paper(report):
    chapters = [part.title for part in report.parts if isinstance(part, Section) and part.level == 1]
    assert chapters == [
        "背景与目的",
        "方法",
        "结果",
        "讨论",
        "方案、数据审查与环境",
        "附录：代码",
        "附录：TRIPOD+AI 清单",
        "附录：PROBAST+AI 依据",
    ]


def test_the_worked_example_adds_up(report):
    steps = table(report, "算例的线性预测值").iloc[:, 1]
    products = [float(step.rpartition("= ")[2]) for step in steps]
    data, pipeline = fitted()
    patient = example_patient(data.X, POLICY)
    equation = result().equation
    assert sum(products) == pytest.approx(equation.linear_predictor(patient)[0], abs=1e-3)
    risk = pipeline.predict_risk(patient.assign(site=pd.Categorical(patient["site"], ["甲院", "乙院"])), (140.0, 350.0))[0]
    told = next(part.text for part in report.parts if getattr(part, "text", "").startswith("LP = "))
    assert told.endswith(f"140 天 {100 * risk[0]:.1f}%；350 天 {100 * risk[1]:.1f}%。")


def test_a_model_that_is_no_equation_says_so():
    report = study_report(changed(equation=None, charts={}), policy=POLICY)
    assert any("不能随报告导出" in getattr(part, "text", "") for part in report.parts)
    assert not [part for part in report.parts if isinstance(part, Grid) and part.caption.startswith("完整模型")]
    twenty_two = table(report, "TRIPOD+AI").set_index("序号").loc["22", "回答位置"]
    assert twenty_two == "作者填写"


def test_it_says_what_became_of_missing_values_by_model():
    made, data = result().performance, result().data
    trees = made.assign(model=made["model"].replace({"spline_cox": "lightgbm"}))
    complete = dataclasses.replace(data, features=dataclasses.replace(data.features, X=data.X.fillna({"age": 40.0})))
    pages = [
        study_report(changed(**parts, charts={}, baseline=None), policy=POLICY, day=DAY).html()
        for parts in (
            {},
            {"model": "lightgbm", "equation": None, "performance": trees},
            {"model": "lightgbm", "equation": None, "performance": trees[trees["model"] == "lightgbm"]},
            {"data": complete},
        )
    ]
    assert [("典型值填补" in page, "lightgbm 直接使用缺失值" in page) for page in pages] == [
        (True, False),
        (True, True),
        (False, True),
        (False, False),
    ]
    assert "没有缺失值" in pages[3]


def test_its_limits_tell_of_predictors_that_have_no_time_and_a_study_whose_values_have_one_has_no_such_limit():
    def told(data) -> list[str]:
        page = study_report(changed(data=data), policy=POLICY, day=DAY)
        return [line for line in map(str, page.parts) if "没有时间，无法核对" in line]

    assert "2 个预测因子" in told(rossi())[0]
    features = rossi().features
    clocked = dataclasses.replace(features, provenance=features.provenance.assign(nearest_hours=12.0))
    assert told(dataclasses.replace(rossi(), features=clocked)) == []


def test_it_says_that_a_pooled_equation_is_not_the_mean_of_the_models():
    data = rossi(validation={"imputation": "multiple"})
    page = study_report(changed(data=data, charts={}, baseline=None), policy=POLICY, day=DAY).html()
    assert "由它算得的风险可与之略有不同" in page


def test_a_study_without_a_bootstrap_does_not_tell_of_one():
    told = [
        study_report(changed(data=rossi(validation={"bootstrap": resamples}), charts={}, baseline=None), policy=POLICY, day=DAY).html()
        for resamples in (0, 100)
    ]
    assert ["重抽样 100 次" in page for page in told] == [False, True]
    assert not [page for page in told if "重抽样 0 次" in page]


def test_the_baseline_and_terms_are_the_equations(report):
    told = table(report, "完整模型")
    coefficients = told["系数 (标准误)"].str.split().str[0].astype(float).tolist()
    assert coefficients == pytest.approx([term.coefficient for term in result().equation.terms], rel=1e-5)
    shown = table(report, "各预测时点的基线")
    assert shown.iloc[:, 0].tolist() == ["140", "350"]
    assert shown.iloc[:, 1].astype(float).tolist() == pytest.approx([share for _, share in result().equation.baseline], abs=1e-6)


def test_a_ratio_stands_only_where_one_unit_means_something(report):
    told = table(report, "完整模型").set_index("项")["HR (95% CI)"]
    assert told["年龄"] == "—"  # it has spline terms as well
    assert told["资助"].startswith(f"{np.exp(result().equation.terms[6].coefficient):.3f} (")


def test_persons_with_several_predictions_count_once():
    data = result().data
    twice = data.take(np.repeat(np.arange(len(data.rows)), 2))
    assert population(twice, POLICY, nothing="无").outcomes == population(data, POLICY, nothing="无").outcomes
    assert [str(count) for _, count in population(data, POLICY, nothing="无").outcomes] == ["115", "320"]


def test_small_subgroups_have_no_estimate(report):
    shown = table(report, "各亚组的表现").set_index("组")
    assert shown.loc["否", ["人数", "事件数", "估计值 (95% CI)"]].tolist() == ["已抑制"] * 3
    assert shown.loc["甲院", "估计值 (95% CI)"] == "0.600 (0.500, 0.700)"


def test_a_subgroup_that_was_not_evaluated_has_dashes():
    groups = result().subgroups
    groups = pd.concat([groups, groups.iloc[[0]].assign(variable="年份", measure=None, value=np.nan, low=np.nan, high=np.nan)])
    assert subgroup_table(groups, POLICY).iloc[-1, 4:].tolist() == ["—", "", "—"]


def test_the_sample_to_believe_is_the_least_optimistic():
    performance = pd.DataFrame({"sample": ["apparent", "corrected"]})
    assert best_sample(performance) == "corrected"
    assert best_sample(pd.DataFrame({"sample": ["holdout", "corrected"]})) == "holdout"


def test_models_are_compared_on_the_sample_that_they_share():
    rows = [("a", sample, at) for at, sample in enumerate(("apparent", "cross_validation", "corrected"))] + [("b", "cross_validation", 9)]
    told = pd.DataFrame(rows, columns=["model", "sample", "value"])
    told = told.assign(measure="auroc", horizon_days=np.nan, threshold=np.nan, low=np.nan, high=np.nan, note="")
    assert compared(told, "a").iloc[0, 1:].tolist() == ["1.000 (—)", "9.000 (—)"]
    assert compared(told[told["model"] == "a"], "a") is None


def test_samples_stand_beside_each_other():
    own = result().performance.query("model == 'spline_cox'")
    wide = table_of(own, by_threshold=False)
    assert list(wide.columns[2:]) == ["乐观校正（自助法）", "表观（建模集）"]  # in the order given: the report orders them first
    assert not wide.duplicated(["指标", "预测时点（天）"]).any()


def test_a_performance_without_the_model_is_refused():
    with pytest.raises(DataError, match="rows of the model 'other'"):
        study_report(changed(model="other"), policy=POLICY)
    with pytest.raises(DataError, match="lacks sample"):
        study_report(changed(performance=result().performance.drop(columns="sample")), policy=POLICY)


def test_a_figure_under_another_policy_is_refused():
    with pytest.raises(DefinitionError, match="was drawn under"):
        study_report(result(), policy=DisclosurePolicy(threshold=5, rounding=5))


# -- checklists ---------------------------------------------------------------------------------------------------------


def test_tripod_has_its_27_items_and_52_lines():
    numbers = [item.number for item in tripod_items()]
    assert len(numbers) == len(set(numbers)) == 52
    assert list(dict.fromkeys(int(number.rstrip("abcdefg")) for number in numbers)) == list(range(1, 28))
    assert sum(bool(item.filled_by) for item in tripod_items()) == 33


def test_probast_has_16_and_18_questions():
    parts = [item.group[1].partition(": ")[0] for item in probast_items()]
    assert (parts.count("Development (quality)"), parts.count("Evaluation (risk of bias)")) == (16, 18)


def test_the_checklists_ask_only_for_what_a_report_tells():
    asked = {name for item in (*tripod_items(), *probast_items()) for name in item.filled_by}
    assert asked <= FACTS


def test_each_answer_names_a_section_of_the_report(report):
    headings = {part.heading for part in report.parts if isinstance(part, Section)}
    lines = table(report, "TRIPOD+AI")
    answered = lines[lines["回答位置"] != "作者填写"]
    assert len(answered) == 28  # without dates, a hold-out and several centres
    assert all(place.partition(" (")[0] in headings for cell in answered["回答位置"] for place in cell.split("；"))
    assert set(lines.loc[lines["序号"].isin(["2", "3a", "6c", "14", "17", "18a", "25"]), "回答位置"]) == {"作者填写"}


def test_a_hold_out_is_shown_beside_the_development():
    data = result().data
    held = result().performance.assign(sample="holdout")
    made = changed(development=data.take(np.arange(300)), performance=held, charts={}, looks=3)
    report = study_report(made, policy=POLICY, day=DAY)
    heads = list(table(report, "建模集与留出集的比较").columns)
    assert heads[3:5] == ["建模集 (n=300)", "留出集 (n=130)"]
    lines = table(report, "TRIPOD+AI").set_index("序号")["回答位置"]
    assert lines["16"].startswith("2.8")
    assert lines["20c"] == "3.2 基线特征 (表 6)"
    assert any("留出集已被查看 3 次" in item for part in report.parts if part.kind == "bullets" for item in part.items)
    few = study_report(changed(development=data.take(np.arange(425)), charts={}), policy=POLICY)
    assert not [part for part in few.parts if isinstance(part, Grid) and part.caption.startswith("建模集与")]


def test_an_answer_names_the_place_and_the_table():
    lines = tripod_table({"sample_size": [Fact("2.6 样本量", "表 3"), Fact("2.6 样本量", "表 4")]}).set_index("序号")
    assert lines.loc["10", "回答位置"] == "2.6 样本量 (表 3、表 4)"
    assert lines.loc["11", "回答位置"] == "作者填写"


def test_probast_gives_evidence_and_never_a_judgement(report):
    lines = table(report, "PROBAST+AI")
    assert set(lines["判断"]) == {"由评估者判断"}
    assert (lines["报告中的位置"] != "运行不能提供依据").sum() >= 30
    assert set(probast_table({})["报告中的位置"]) == {"运行不能提供依据"}


def test_a_product_of_nought_has_no_sign():
    equation = result().equation
    negative = tuple(dataclasses.replace(term, coefficient=-abs(term.coefficient)) for term in equation.terms)
    told = study_report(changed(equation=dataclasses.replace(equation, terms=negative), charts={}), policy=POLICY, day=DAY)
    products = {step.rpartition("= ")[2] for step in table(told, "算例的线性预测值").iloc[:, 1]}
    assert "0.0000" in products
    assert "-0.0000" not in products


def test_the_appendix_holds_the_study_and_how_to_run_it(report, written):
    code = [part.text for part in report.parts if part.kind == "code"]
    assert code[0].startswith("title: 再次入狱的风险预测")
    assert code[1].splitlines() == ["workbench risk check study.yaml --table FILE", "workbench risk run study.yaml --table FILE --out out"]
    protocol = result().data.protocol
    assert protocol.hash in written["report.html"].read_text(encoding="utf-8")
    assert json.loads(written["card.json"].read_text(encoding="utf-8"))["protocol_sha256"] == protocol.hash
