"""Answers of many notes made one, sets compared, functions registered, runs that go on."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from nlp import Note, load, quantities, read
from nlp.errors import TextDataError, VariableError
from nlp.variables.aggregate import Given, aggregate
from nlp.variables.answers import Answer
from nlp.variables.catalogue import Catalogue, Found, Function, Parameter
from nlp.variables.definition import Aggregate, Bilingual, Category, Target, Test, Value, Variable, Window
from nlp.variables.evaluate import CompiledSet
from nlp.variables.functions import builtin
from nlp.variables.ready import ready_variables
from nlp.variables.run import Row, Tally, structure_notes
from nlp.variables.sets import Change, VariableSet, compose
from nlp.variables.try_out import run_examples, run_tests
from nlp.variables.vocabulary import standard_vocabulary
from workbench.synthetic import generate

COUGH = Variable(name="cough", target=Target(terms=("咳嗽",)))
FEVER = Variable(name="fever", target=Target(terms=("发热",)))


def asked(kind: str, rule: str, **value) -> Variable:
    return Variable(name="v", target=Target(terms=("x",)), value=Value(kind=kind, **value), aggregate=Aggregate(rule=rule))


def given(*values, days=None, **fields) -> list[Given]:
    days = days or range(1, len(values) + 1)
    return [
        Given(note, Answer("v", "h", value, earliest=datetime(2024, 1, day) if day else None, **fields))
        for note, (value, day) in enumerate(zip(values, days, strict=True))
    ]


# --- aggregation ---
@pytest.mark.parametrize(
    ("rule", "expect", "note"),
    [("first", 8, 1), ("last", 5, 0), ("min", 5, 0), ("max", 9, 2), ("mean", 22 / 3, None), ("count", 3, None), ("all", (8, 9, 5), None)],
)
def test_rules_over_quantities(rule, expect, note):
    result = aggregate(asked("quantity", rule, unit="mm"), given(5, 8, 9, days=[9, 1, 2]))
    assert result.value == pytest.approx(expect) if rule == "mean" else result.value == expect
    assert (result.given.note_id if result.given else None) == note


def test_presence_prefers_the_stronger_and_categories_the_first_listed():
    assert aggregate(asked("presence", "any"), given("absent", "possible", "present", "historical")).given.note_id == 2
    kinds = tuple(Category(name=name, words=(name,)) for name in "abc")
    for rule, expect in (("any", "a"), ("max", "c"), ("min", "a"), ("first", "b")):
        assert aggregate(asked("category", rule, categories=kinds), given("b", "c", "a")).value == expect


def test_grades_of_a_system_are_compared_by_its_order():
    variable = Variable(name="v", target=Target(system="BI-RADS"), value=Value(kind="category"), aggregate=Aggregate(rule="max"))
    assert aggregate(variable, given("4A", "4B", "2")).value == "4B"


def test_what_does_not_count_and_what_is_not_there():
    assert aggregate(asked("quantity", "first"), given(None, why_not="no value")).value is None
    assert aggregate(asked("presence", "count"), []).value == 0
    assert aggregate(asked("presence", "count"), [*given("present"), *given("absent", assertion="absent")]).value == 1


def test_nearest_to_the_anchor_and_zones_do_not_matter():
    variable = Variable(name="v", target=Target(terms=("x",)), aggregate=Aggregate(rule="nearest"), window=Window(anchor="index"))
    answers = [
        item._replace(anchor=datetime.fromisoformat("2024-01-06T00:00:00+08:00")) for item in given("present", "absent", days=[1, 9])
    ]
    assert aggregate(variable, answers).value == "absent"


def test_answers_without_a_time_come_last():
    assert aggregate(asked("quantity", "first"), given(1, 2, days=[None, 5])).value == 2
    assert aggregate(asked("quantity", "last"), given(1, 2, days=[None, 5])).value == 1


# --- sets ---
def test_sets():
    one = VariableSet(name="s", variables=(COUGH, FEVER))
    assert one.hash == VariableSet(name="t", version="2", variables=(FEVER, COUGH)).hash
    assert not one.diff(one)
    assert one.select(["fever"]).variables == (FEVER,)
    with pytest.raises(VariableError, match="did you mean cough"):
        one.select(["coug"])
    with pytest.raises(VariableError, match="two variables are named 'cough'"):
        VariableSet(name="s", variables=(COUGH, COUGH))


def test_the_difference_names_the_fields():
    changed = Variable(name="cough", target=Target(terms=("干咳",)), tests=(Test(text="干咳", expect="present"),))
    difference = VariableSet(name="s", variables=(COUGH, FEVER)).diff(VariableSet(name="s", variables=(changed,)))
    assert (difference.added, difference.removed) == ((), ("fever",))
    assert difference.changed == (
        Change("cough", "target.terms", ["咳嗽"], ["干咳"]),
        Change("cough", "tests", None, [{"text": "干咳", "expect": "present"}]),
    )


def test_composition_keeps_one_meaning_a_name():
    one, two = VariableSet(name="a", variables=(COUGH,)), VariableSet(name="b", variables=(COUGH, FEVER))
    assert [variable.name for variable in compose("c", one, two)] == ["cough", "fever"]
    other = VariableSet(name="d", variables=(Variable(name="cough", target=Target(terms=("呛咳",))),))
    with pytest.raises(VariableError, match="variable 'cough' of set 'd' means something else"):
        compose("c", one, other)


# --- functions ---
@pytest.fixture(scope="module")
def language():
    return load()


@pytest.mark.parametrize("name", list(builtin()))
def test_every_function_does_what_its_examples_say(name, language):
    function = builtin()[name]
    assert function.examples
    assert all(function.description)
    assert [(outcome.text, outcome.got) for outcome in run_examples(function, language=language) if not outcome.passed] == []


def test_a_function_of_ones_own(language):
    mine = builtin()

    @mine.function(description=Bilingual("字数", "Length"), parameters={"terms": Parameter("words", Bilingual("词", "Words"))})
    def length_of(view, *, terms):
        for hit in view.find(terms):
            yield Found.at(hit, float(hit.end - hit.start))

    variable = Variable(
        name="v",
        target=Target(function="length_of", parameters=(("terms", ("咳嗽",)),)),
        value=Value(kind="quantity"),
        tests=(Test(text="咳嗽", expect=2),),
    )
    assert run_tests(variable, language=language, catalogue=mine)[0].passed
    assert "length_of" not in builtin()
    with pytest.raises(VariableError, match="there is no function 'length_of'"):
        CompiledSet([variable])
    with pytest.raises(VariableError, match="already"):
        mine.function(description=Bilingual(), parameters={}, name="length_of")(lambda view: iter(()))
    with pytest.raises(VariableError, match="takes the keywords terms, but none are described"):
        mine.function(description=Bilingual(), parameters={})(lambda view, *, terms: iter(()))


def test_the_version_of_a_set_holds_its_functions():
    def catalogue(version):
        function = Function(name="f", call=lambda view: iter(()), description=Bilingual(), parameters={}, version=version)
        return Catalogue((function,))

    variable = Variable(name="v", target=Target(function="f"))
    one, same, other = (CompiledSet([variable], catalogue=catalogue(version)).version for version in "112")
    assert one == same != other


def test_every_staging_system_is_in_the_vocabulary():
    source = Path(quantities.__file__).with_name("stage_forms.py").read_text(encoding="utf-8")
    assert set(re.findall('system="([^"]+)"', source)) <= standard_vocabulary().systems


# --- runs ---
def test_rows_have_their_provenance(language):
    note = Note("无发热，咳嗽３天。", note_id=7, written=datetime(2024, 3, 4))
    rows = list(structure_notes([COUGH, FEVER], [note], language))
    assert [(row.note_id, row.answer.variable, row.answer.value, row.evidence) for row in rows] == [
        (7, "cough", "present", "咳嗽"),
        (7, "fever", "absent", "发热"),
    ]
    assert rows[0].answer.hash == COUGH.hash
    assert note.text[rows[0].answer.start : rows[0].answer.end] == "咳嗽"
    assert "assertion" in rows[0].pipeline
    assert isinstance(rows[0], Row)


def test_a_run_is_lazy_and_no_note_ends_it(language):
    taken = []

    def notes():
        for note in ("咳嗽。", None, Note(None, note_id="x"), 5, "", "\ud800咳嗽\x00", "咳嗽" * 3):
            taken.append(note)
            yield note

    tally = Tally()
    rows = structure_notes([COUGH], notes(), language, tally=tally)
    assert next(rows).note_id == 0
    assert len(taken) == 1
    assert len(list(rows)) == 4
    assert (tally.notes, tally.rows, tally.refused) == (7, 5, {("", "its text is no text"): 3})
    assert tally.where[1] == ("x", "", "its text is no text")


def test_a_function_that_fails_refuses_its_variable_on_that_note_alone(language):
    mine = Catalogue()

    @mine.function(description=Bilingual(), parameters={})
    def fails(view):
        yield Found(1.0, 0, 1)
        if "坏" in view.text:
            raise ZeroDivisionError(view.text)
        if "差" in view.text:
            raise TextDataError("the list of wards is empty")
        if "远" in view.text:
            yield Found(1.0, 50, 9999)

    broken = Variable(name="broken", target=Target(function="fails"), value=Value(kind="quantity"))
    tally = Tally()
    notes = [Note(text, number) for number, text in enumerate(("好咳嗽", "坏咳嗽", "差咳嗽", "远咳嗽"))]
    rows = list(structure_notes([broken, COUGH], notes, language, tally=tally, catalogue=mine, all_answers=True))
    assert [row.note_id for row in rows if row.answer.variable == "cough"] == [0, 1, 2, 3]
    assert [row.note_id for row in rows if row.answer.variable == "broken"] == [0], "what it gave before it failed is no answer"
    assert tally.where == [
        (1, "broken", "function fails failed with ZeroDivisionError"),
        (2, "broken", "the list of wards is empty"),
        (3, "broken", "function fails gave a span outside the note: 50 to 9999"),
    ]


def test_a_word_that_no_dictionary_knows_is_judged_and_bound(language):
    odd = Variable(name="odd", target=Target(terms=("窈窕征",)), value=Value(kind="quantity", unit="mm"))
    note = "无发热、窈窕征，咳嗽；见窈窕征，大小8mm×6mm。父亲有窈窕征。"
    rows = structure_notes([COUGH, FEVER, odd], [note], language, all_answers=True)
    assert [(row.answer.value, row.answer.why_not) for row in rows][2:] == [(None, "absent"), (8.0, ""), (None, "family")]


def test_a_variable_answers_alone_what_it_answers_in_a_set(language):
    notes = next(generate(25, 5, progress=False))["note"].select(["note_text", "note_source_value"]).to_pylist()
    texts = list(read(language, [Note(row["note_text"], document_type=row["note_source_value"]) for row in notes]))
    variables = ready_variables()
    together = CompiledSet(variables)
    expected = [Counter(together.evaluate(text).answers) for text in texts]
    given = [Counter() for _ in texts]
    for variable in variables:
        asked = CompiledSet([variable])
        for counted, text in zip(given, texts, strict=True):
            counted.update(asked.evaluate(text).answers)
    assert sum(map(Counter.total, given)) > 1000
    assert given == expected


def test_a_test_stands_in_the_variables_section_and_document(language):
    variable = Variable(
        name="v",
        target=Target(terms=("结节",)),
        sections=("检查结论",),
        documents=("CT报告",),
        tests=(
            Test(text="右肺结节。", expect="present"),
            Test(text="检查所见：右肺结节。\n检查结论：未见异常。", expect=None),
            Test(text="右肺结节。", expect="absent"),
        ),
    )
    assert [outcome.passed for outcome in run_tests(variable, language=language)] == [True, True, False]
