"""The registry: values with their sources, corrections beside source data, follow-up that is due."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from tests.lib.registry_data import KnownSource, small_study
from workbench.errors import DataError, DefinitionError
from workbench.locale import set_language
from workbench.risk.protocol.parts import Source
from workbench.risk.protocol.protocol import Protocol
from workbench.risk.registry.follow_up import visits_of
from workbench.risk.registry.form import FormItem, RegistryForm, form_of
from workbench.risk.registry.registry import Registry
from workbench.risk.study.study import Study
from workbench.risk.survival.outcome import outcome

QUALITY = FormItem("quality", "生活质量", "分", "number", "visit", low=0, high=100)
SMOKING = FormItem("smoking", "吸烟", kind="category", choices=("从不", "已戒", "现吸"))


@pytest.fixture
def registry(tmp_path):
    data = small_study()
    form = form_of(data, added=[SMOKING, QUALITY], follow_up_days=(30, 90), window_days=10)
    return Registry(data, form, tmp_path / "registry", "张三", KnownSource(), today=date(2024, 4, 1))


def value(registry, person, name):
    return next(filled for filled in registry.filled(person) if filled.item.name == name)


def test_the_form_is_filled_from_the_source(registry):
    data = registry.data
    assert value(registry, 1001, "age").value == data.X.at[0, "age"]
    assert value(registry, 1001, "sex").value in ("男", "女")
    assert value(registry, 1003, "ldh").value is None
    assert value(registry, 1001, "smoking").value is None
    assert [item.name for item in registry.form.groups()["检验"]] == ["ldh"]
    assert [each.table for each in registry.evidence(1001, "ldh")] == ["measurement"] * 2
    assert registry.evidence(1001, "smoking") == []


def test_a_correction_stands_beside_the_source_and_can_be_taken_back(registry):
    source = registry.data.X.copy(deep=True)
    registry.correct(1001, "ldh", "512", reason="录入错误，见原始报告")
    found = value(registry, 1001, "ldh")
    assert (found.value, found.corrected, found.source) == (512.0, 512.0, source.at[0, "ldh"])
    pd.testing.assert_frame_equal(registry.data.X, source)
    table = registry.table()
    assert table.at[1001, "ldh"] == 512
    assert table.at[1001, "corrected"] == "ldh"
    assert table.at[1002, "corrected"] == ""
    other = Registry(registry.data, registry.form, registry.folder, "李四", today=registry.today)
    assert value(other, 1001, "ldh").entry["by"] == "张三"
    other.withdraw(1001, "ldh", reason="复核无误")
    assert value(registry, 1001, "ldh").value == source.at[0, "ldh"]
    journal = registry.corrections()
    assert journal["kind"].tolist() == ["value", "withdrawn"]
    assert journal["by"].tolist() == ["张三", "李四"]
    assert journal["was"].tolist() == [source.at[0, "ldh"], 512]


def test_an_emptied_value_is_a_correction(registry):
    registry.correct(1001, "ldh", "", reason="溶血标本")
    assert value(registry, 1001, "ldh").value is None
    assert value(registry, 1001, "ldh").entry is not None
    assert pd.isna(registry.table().at[1001, "ldh"])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"item": "ldh", "value": "高", "reason": "r"}, "数值"),
        ({"item": "ldh", "value": "-5", "reason": "r"}, "超出"),
        ({"item": "ldh", "value": "inf", "reason": "r"}, "超出"),
        ({"item": "ldh", "value": "400"}, "理由"),
        ({"item": "sex", "value": "M", "reason": "r"}, "女、男"),
        ({"item": "htn", "value": "可能", "reason": "r"}, "是或否"),
        ({"item": "smoking", "value": "偶尔"}, "从不"),
        ({"item": "weight", "value": "60"}, "no item"),
        ({"item": "quality", "value": "60"}, "belong together"),
        ({"item": "quality", "value": "60", "day": 45}, "belong together"),
        ({"item": "smoking", "value": "从不", "day": 30}, "belong together"),
    ],
)
def test_what_cannot_be_a_value_is_refused_and_nothing_written(registry, given, words):
    with pytest.raises(DefinitionError, match=words):
        registry.correct(1001, **given)
    assert registry.corrections().empty


def test_the_same_value_is_no_correction(registry):
    with pytest.raises(DefinitionError, match="相同"):
        registry.correct(1001, "age", registry.data.X.at[0, "age"], reason="r")
    with pytest.raises(DefinitionError, match="没有可撤回"):
        registry.withdraw(1001, "age")


def test_an_unknown_patient_is_refused(registry):
    for act in (registry.filled, lambda person: registry.correct(person, "smoking", "从不"), registry.visits):
        with pytest.raises(DataError, match="not in the registry"):
            act(999)


def test_follow_up_is_due_and_ends(registry):
    index = registry.data.rows["index_at"]
    early = registry.persons[int((index < "2024-02-01").to_numpy().argmax())]
    assert registry.visits(early)[0].state == "late"
    assert early in registry.due()["person"].tolist()
    registry.visit(early, 30, made="2024-02-20")
    registry.correct(early, "quality", "72", day=30)
    visit = registry.visits(early)[0]
    assert (visit.state, visit.made) == ("done", date(2024, 2, 20))
    assert registry.table().at[early, "quality@30"] == 72
    registry.visit(early, 30, state="lost")
    assert [each.state for each in registry.visits(early)] == ["lost", "ended"]
    assert early not in registry.due()["person"].tolist()
    before = {"day": 90, "made": "2019-12-31"}
    for wrong in ({"day": 31, "made": "2024-02-20"}, {"day": 90, "state": "ill"}, {"day": 90}, {"day": 90, "made": "三月"}, before):
        with pytest.raises(DefinitionError):
            registry.visit(early, **wrong)


def test_the_schedule_ends_with_a_death():
    form = RegistryForm((), (30, 90, 180), window_days=15)
    visits = visits_of(form, pd.Timestamp("2024-01-01"), [], date(2024, 12, 1), died=date(2024, 3, 1))
    assert [visit.state for visit in visits] == ["late", "ended", "ended"]
    assert [visit.state for visit in visits_of(form, pd.Timestamp("2024-01-01"), [], date(2024, 1, 17))] == ["due", "ahead", "ahead"]


def test_every_source_of_a_predictor_has_a_group():
    assert all(FormItem("x", "x", group=source).group_label for source in Source.__args__)


def dying(events, competing=None):
    """The small study with times: the first two die (or, with `competing`, the second of it), the others are watched for 200 days."""
    data = small_study()
    asked = {"label": "死亡", "events": events, "competing": competing or {}}
    protocol = Protocol(title="t", tables={"patient": "编号"}, outcome=asked, predictors=[{"column": "年龄"}])
    causes = np.array([1, 2 if competing else 1] + [0] * (len(data.rows) - 2))
    y = outcome(np.where(causes > 0, 40.0, 200.0), causes)
    return replace(data, protocol=protocol, cohort=replace(data.cohort, y=y, causes=("死亡", *(competing or ()))))


@pytest.mark.parametrize(
    ("data", "ended"),
    [
        (dying({"deaths": "all"}), {1001, 1002}),
        (dying({"diagnoses": "I21"}, {"他因死亡": "deaths"}), {1002}),
        (dying({"deaths": "all"}, {"移植": "Z94"}), {1001}),
        (dying({"deaths": "all", "diagnoses": "I21"}), set()),
        (dying({}), set()),
    ],
    ids=["death", "competing", "transplant", "composite", "tables"],
)
def test_nothing_is_due_after_a_death_of_the_source(tmp_path, data, ended):
    registry = Registry(data, form_of(data, follow_up_days=(30, 90)), tmp_path, "张三", today=date(2030, 1, 1))
    states = {person: [visit.state for visit in registry.visits(person)] for person in registry.persons}
    assert {person for person, found in states.items() if found == ["late", "ended"]} == ended
    assert all(states[person] == ["late", "late"] for person in set(registry.persons) - ended)
    assert set(registry.due()["person"]) == set(registry.persons)
    predicted = data.rows.at[0, "predicted_at"]
    assert registry.ending(1001)[:2] == ("死亡", (predicted + pd.Timedelta(days=40)).date())
    assert registry.ending(1005)[:2] == ("至此未发生", (data.rows.at[4, "predicted_at"] + pd.Timedelta(days=200)).date())


def test_the_outcome_is_shown_and_cannot_be_corrected(registry):
    widget = registry.show()
    assert widget.state["ending"] == ["死亡", "死亡" if registry.data.y[0] else "未发生", ""]
    with pytest.raises(DefinitionError, match="no item"):
        registry.correct(1001, "死亡", "1", reason="r")


def test_a_study_opens_its_registry_in_one_call(tmp_path):
    table = pd.DataFrame({"编号": [7, 8], "入院": "2024-03-01", "年龄": [61, 55], "结局": [0, 1]})
    table.to_csv(tmp_path / "p.csv", index=False)
    outcome = {"label": "死亡", "kind": "binary", "status": "结局"}
    study = Study(title="t", tables={"patient": "编号"}, index={"at": "入院"}, outcome=outcome, predictors=[{"column": "年龄"}])
    registry = study.registry(tmp_path / "p.csv", folder=tmp_path, editor="张三", added=[SMOKING], follow_up_days=[30], window_days=5)
    assert [each.key for each in registry.evidence("8", "年龄")] == ["3"]
    assert registry.form.by_name["smoking"] == SMOKING
    assert (registry.form.follow_up_days, registry.form.window_days) == ((30,), 5)
    widget = registry.show()
    widget.handle({"do": "item", "item": "年龄"})
    assert widget.state["evidence"][0][1:3] == ["p.csv", "年龄"]


def test_a_registry_wants_a_name_and_dates(registry, tmp_path):
    with pytest.raises(DefinitionError, match="no name"):
        Registry(registry.data, registry.form, tmp_path, " ")
    registry.data.rows.loc[0, "index_at"] = pd.NaT
    with pytest.raises(DefinitionError, match="no index dates"):
        Registry(registry.data, registry.form, tmp_path, "张三")
    with pytest.raises(DefinitionError, match="rise"):
        RegistryForm((), (90, 30))
    with pytest.raises(DefinitionError, match="same name"):
        form_of(registry.data, added=[FormItem("age", "年龄")])


def test_the_widget_shows_faults_and_writes_nothing_then(registry):
    widget = registry.show()
    widget.handle({"do": "open", "person": "1002"})
    widget.handle({"do": "item", "item": "ldh"})
    assert widget.state["evidence"][0][1] == "measurement"
    widget.handle({"do": "correct", "item": "ldh", "value": "高", "reason": "r"})
    assert "数值" in widget.state["fault"]
    widget.handle({"do": "correct", "item": "ldh", "value": "333", "reason": "复核"})
    assert widget.state["fault"] == ""
    shown = {field["name"]: field for _, fields in widget.state["groups"] for field in fields}
    assert (shown["ldh"]["value"], shown["ldh"]["corrected"], shown["ldh"]["reason"]) == (333, True, "复核")
    assert len(widget.state["journal"]) == 1
    for odd in ({}, {"do": "drop"}, {"do": "correct"}, {"do": "open"}, {"do": "visit", "day": "x"}, {"do": "item", "item": 3}):
        widget.handle(odd)
    assert len(registry.corrections()) == 1
    try:
        widget.handle({"do": "language", "to": "en"})
        assert widget.language == "en"
        assert widget.state["groups"][0][0] == "Person"
    finally:
        set_language("zh")


def test_a_search_finds_patients_by_part_of_their_number(registry):
    widget = registry.show()
    widget.handle({"do": "search", "text": "100"})
    assert widget.state["total"] == 9
    widget.handle({"do": "search", "text": "1012"})
    assert widget.state["persons"] == ["1012"]
