"""The form of a variable: typed, tried out, saved; what it does not show is kept."""

from __future__ import annotations

import pytest

from nlp.errors import VariableError
from nlp.variables import load_set, ready_variables, save_set
from nlp.variables.definition import Target, Test, Value, Variable, Window
from nlp.variables.sets import VariableSet
from workbench.errors import DefinitionError
from workbench.texts.shared_sets import share_variables
from workbench.texts.variable_form import VariableForm, _flat, _merged, _plain, _words

SIZE = Variable(
    name="size",
    target=Target(terms=("结节",)),
    value=Value(kind="quantity", unit="mm", range=(1, 200)),
    window=Window(anchor="written", days=(-30, 0)),
    tests=(Test(text="右肺结节8mm。", expect=8, document="CT报告"),),
)


@pytest.fixture
def path(tmp_path):
    save_set(
        VariableSet(name="mine", version="3", variables=(Variable(name="cough", target=Target(terms=("咳嗽",))), SIZE)),
        tmp_path / "mine.yaml",
    )
    return tmp_path / "mine.yaml"


def type_in(form, do="try", tests=None, **typed):
    named = {key.replace("__", "."): value for key, value in typed.items()}
    form.handle({"do": do, "form": form.state["form"] | named, "tests": form.state["tests"] if tests is None else tests})
    return form.state


def test_a_new_variable_is_typed_tried_out_and_saved(tmp_path):
    form = VariableForm(path=tmp_path / "new.yaml")
    tests = [{"text": "患者咳嗽3天。", "expect": "present"}, {"text": "无咳嗽。", "expect": ""}]
    state = type_in(form, name="cough", target__terms=["咳嗽"], title__zh="咳嗽", tests=tests)
    assert [outcome["passed"] for outcome in state["outcomes"]] == [True, False]
    assert state["outcomes"][1]["got"] == "absent"
    assert not (tmp_path / "new.yaml").exists()
    assert type_in(form, do="save")["saved"] == "new.yaml"
    (saved,) = load_set(tmp_path / "new.yaml").set
    assert (saved.name, saved.target.terms, saved.title.zh, len(saved.tests)) == ("cough", ("咳嗽",), "咳嗽", 2)


def test_a_variable_is_tried_out_before_it_has_a_name_but_not_saved(tmp_path):
    form = VariableForm(path=tmp_path / "new.yaml")
    assert form.state["problem"] == "", "an empty form is no mistake yet"
    tests = [{"text": "患者咳嗽3天。", "expect": "present"}]
    assert type_in(form, target__terms=["咳嗽"], tests=tests)["outcomes"][0]["passed"]
    assert type_in(form, do="save")["field"] == "name"
    assert not (tmp_path / "new.yaml").exists()


def test_what_the_form_saved_can_be_shared(tmp_path):
    form = VariableForm(path=tmp_path / "我的变量.yaml")
    type_in(form, do="save", name="cough", target__terms=["咳嗽"])
    shared = share_variables(load_set(tmp_path / "我的变量.yaml").set, folder=tmp_path / "shared")
    assert load_set(shared).set["cough"] == form.variable


def test_an_answer_says_what_it_answers(path):
    form = VariableForm("size", path=path)
    form.handle({"do": "try", "form": form.state["form"], "tests": form.state["tests"], "turn": 7})
    assert form.state["turn"] == 7


def test_what_the_form_does_not_show_is_kept(path):
    form = VariableForm("size", path=path)
    assert form.variable == SIZE
    type_in(form, do="save", target__not_in=["结节病"], name="long_axis")
    found = load_set(path).set
    assert [variable.name for variable in found] == ["cough", "long_axis"]
    assert found.version == "3"
    assert (found["long_axis"].window, found["long_axis"].tests, found["long_axis"].target.not_in) == (SIZE.window, SIZE.tests, ("结节病",))


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"value__unit": "公尺寸"}, "unit"),
        ({"name": "Bad Name"}, "name"),
        ({"target__terms": []}, "target"),
        ({"sections": ["没有此节"]}, "sections"),
    ],
)
def test_what_cannot_mean_anything_is_said_and_not_saved(path, typed, says):
    before = path.read_bytes()
    state = type_in(VariableForm("size", path=path), do="save", **typed)
    assert state["problem"]
    assert says in state["field"]
    assert not state["saved"]
    assert path.read_bytes() == before


def test_an_expectation_is_a_number_where_the_value_is(path):
    form = VariableForm("size", path=path)
    state = type_in(form, tests=[{"text": "结节8mm。", "expect": "8"}, {"text": "结节8mm。", "expect": "大"}])
    assert state["problem"] or [each["passed"] for each in state["outcomes"]] == [True, False]


def test_another_kind_drops_the_fields_that_it_has_not(path):
    form = VariableForm("size", path=path)
    type_in(form, value__kind="presence", tests=[])
    assert form.variable.value == Value()


def test_a_set_with_an_unreadable_variable_is_not_written_over(tmp_path):
    (tmp_path / "bad.yaml").write_text(
        "schema: clinical-variables/1\nname: x\nvariables:\n- {name: a, target: {term: [x]}}\n", encoding="utf-8"
    )
    assert type_in(VariableForm(SIZE, path=tmp_path / "bad.yaml"), do="save")["problem"]
    with pytest.raises(DefinitionError, match="bad"):
        VariableForm("a", path=tmp_path / "bad.yaml")


def test_an_unknown_name_is_refused(path):
    with pytest.raises(VariableError, match="nothing_such"):
        VariableForm("nothing_such", path=path)


@pytest.mark.parametrize("message", [{}, {"do": "erase"}, {"do": "save"}, {"do": "try", "form": 3}])
def test_nonsense_from_the_page_changes_nothing(path, message):
    form = VariableForm("size", path=path)
    form.handle(message)
    assert form.variable == SIZE


def test_ready_variables_go_through_the_form_unchanged():
    from workbench.texts.variable_form import _checked

    for variable in list(ready_variables())[::4]:
        raw = _plain(variable)
        assert _checked(_merged(raw, _flat(raw), raw.get("tests", []))) == variable


def test_every_text_is_there_in_both_languages():
    table = _words()
    assert table["zh"].keys() == table["en"].keys()
    assert all(table["zh"].values())
