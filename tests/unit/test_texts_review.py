"""Review of structured notes: sample, widget's decisions, two reviewers, gold."""

from __future__ import annotations

import json

import pytest

import workbench as wb
from nlp.entities import Entity, Example
from nlp.entities.training import Request, train_model
from nlp.errors import TextDataError
from nlp.variables import load_set
from nlp.variables.definition import Bilingual, Target, Value, Variable
from nlp.variables.sets import VariableSet
from nlp.variables.try_out import run_tests
from tests.lib.manifest import in_a_session
from tests.lib.noted import noted_store
from workbench.errors import DefinitionError
from workbench.texts.review_words import words

COUGH = Variable(name="cough", title=Bilingual("咳嗽", "Cough"), target=Target(terms=("咳嗽",)))
SIZE = Variable(name="nodule_size", documents=("CT报告",), target=Target(terms=("结节",)), value=Value(kind="quantity", unit="mm"))
ASKED = VariableSet(name="asked", variables=(COUGH, SIZE))


@pytest.fixture(scope="module")
def structured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("review")
    return wb.notes(noted_store(folder / "store", people=8)).structure(ASKED, folder=folder / "texts", workers=1, progress=False)


@pytest.fixture
def review(structured, tmp_path):
    return structured.review(n=16, reviewer="甲", folder=tmp_path)


def press(review, verdict, **more):
    review.widget().handle({"do": "decide", "verdict": verdict} | more)
    return review.widget().state


def until(review, *, found, variable="nodule_size"):
    """Go to the first item of this kind."""
    widget = review.widget()
    place = next(place for place, item in enumerate(review.items) if (item.found, item.variable) == (found, variable))
    while widget.state["place"] != place:
        widget.handle({"do": "go", "by": 1 if place > widget.state["place"] else -1})
    return review.items[place]


def test_the_sample_has_both_sides_of_each_variable_and_weighs_as_much_as_all_notes(review):
    sides = {(item.variable, item.found) for item in review.items}
    assert sides == {("cough", True), ("cough", False), ("nodule_size", True), ("nodule_size", False)}
    assert sum(item.weight for item in review.items if item.variable == "cough") == pytest.approx(32)
    assert review.strata()["items"].sum() == 16


def test_a_variable_that_found_nothing_is_sampled_among_the_rest(tmp_path):
    rare = VariableSet(name="rare", variables=(Variable(name="rare", target=Target(terms=("血友病",))),))
    store = noted_store(tmp_path / "store", people=4)
    review = wb.notes(store).structure(rare, folder=tmp_path / "texts", workers=1, progress=False).review(n=6, reviewer="甲")
    assert [item.found for item in review.items] == [False] * 6
    assert sum(item.weight for item in review.items) == pytest.approx(16)
    press(review, "accept")
    assert review.metrics().loc[0, ["precision", "recall"]].isna().all()


def test_a_review_without_notes_shows_that_there_is_nothing(structured, tmp_path):
    none = wb.notes(structured.notes.snapshot, kind="没有这种文书").structure(ASKED, folder=tmp_path / "texts", workers=1, progress=False)
    review = none.review(n=8, reviewer="甲")
    assert review.widget().state["item"] is None
    review.widget().handle({"do": "decide", "verdict": "accept"})
    assert review.metrics().empty


def test_the_same_review_is_gone_on_with_and_a_second_reviewer_has_the_same_items(structured, review, tmp_path):
    press(review, "accept")
    again = structured.review(n=16, reviewer="甲", folder=tmp_path)
    assert again.widget().state["place"] == 1
    second = structured.review(n=16, reviewer="乙", folder=tmp_path)
    assert second.items == review.items
    assert second.widget().state["done"] == 0
    assert second.widget().state["item"]["decision"] is None


def test_the_members_of_a_project_meet_in_its_shared_folder(structured, tmp_path, monkeypatch):
    (tmp_path / "shared").mkdir()
    for user in ("wang", "li"):
        in_a_session(monkeypatch, tmp_path / user, user=user, shared=tmp_path / "shared")
        review = structured.review(n=16)
        assert (review.reviewer, review.folder.parent) == (user, tmp_path / "shared" / "reviews")
        press(review, "accept")
    assert [len(review.decisions()), len(review.decisions(own=True))] == [2, 1]


def test_a_key_writes_one_line_and_goes_on(review):
    state = press(review, "accept")
    (line,) = review.log.file_of("甲").path.read_text(encoding="utf-8").splitlines()
    assert (json.loads(line)["item"], json.loads(line)["reviewer"], json.loads(line)["verdict"]) == (review.items[0].key, "甲", "accept")
    assert (state["place"], state["done"]) == (1, 1)
    review.widget().handle({"do": "undo"})
    assert [each.verdict for each in review.log.read()] == ["accept", "withdrawn"]
    assert (review.widget().state["place"], review.widget().state["done"]) == (0, 0)


def test_the_page_gets_the_source_its_titles_and_the_span(review):
    item = until(review, found=True)
    shown = review.widget().state["item"]
    assert "8" in shown["text"][shown["start"] : shown["end"]]
    assert next(shown["text"][start:end] for start, end, _ in shown["sections"]).startswith("影像所见")
    assert (shown["value"], shown["unit"], item.value) == (8.0, "mm", 8.0)
    assert shown["about"] == ["CT报告", "呼吸科", shown["about"][2]]


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        ({"verdict": "correct", "value": "很大", "assertion": "present"}, "number"),
        ({"verdict": "correct", "value": "inf", "assertion": "present"}, "number"),
        ({"verdict": "correct", "value": "8", "assertion": "present"}, "unchanged"),
        ({"verdict": "correct", "value": "9", "start": 5, "end": 99_999}, "span"),
        ({"verdict": "correct", "value": "9", "start": "a", "end": "b"}, "span"),
    ],
)
def test_a_correction_that_means_nothing_is_refused_on_screen(review, message, fault):
    until(review, found=True)
    assert press(review, **message)["fault"] == fault
    assert not review.log.folder.exists()


def test_reject_where_nothing_was_found_is_refused(review):
    until(review, found=False)
    assert press(review, "reject")["fault"] == "nothing"


def test_nonsense_from_the_page_changes_nothing(review):
    for message in ({}, {"do": "erase"}, {"do": "decide"}, {"do": "decide", "verdict": "withdrawn"}, {"do": "undo"}):
        review.widget().handle(message)
    assert not review.log.folder.exists()


def test_a_correction_becomes_a_gold_test_and_an_example(review, tmp_path):
    item = until(review, found=True)
    text = review.notes[item.note_id].note.text
    start = text.index("8×6mm")
    press(review, "correct", value="6", assertion="present", start=start, end=start + 5)
    path = tmp_path / "project" / "variables.yaml"
    grown = review.gold(path)
    (test,) = grown["nodule_size"].tests
    assert (test.expect, test.document, test.section) == (6, "CT报告", "检查所见")
    assert grown.hash == ASKED.hash
    assert load_set(path).set["nodule_size"].tests == grown["nodule_size"].tests
    (outcome,) = run_tests(grown["nodule_size"])
    assert (outcome.got, outcome.passed) == (8, False)
    assert review.gold(path)["nodule_size"].tests == (test,)  # once
    (noted,) = [json.loads(line) for line in (tmp_path / "project" / "variables.gold.jsonl").read_text(encoding="utf-8").splitlines()]
    assert (noted["item"], noted["reviewer"], noted["verdict"]) == (item.key, "甲", "correct")
    (example,) = review.training_examples()
    assert [example.example.text[each.start : each.end] for each in example.example.entities] == ["8×6mm"]


def test_verdicts_retrain_a_model(structured, tmp_path):
    review = structured.review(["cough"], n=16, reviewer="甲", folder=tmp_path)
    for _ in range(16):
        press(review, "accept")
    texts = [f"患者出现{word}{days}天。" for word in ("咳嗽", "发热", "腹痛") for days in range(4)]
    base = [Example(text, (Entity(4, 6, "symptom"),), f"p{place}") for place, text in enumerate(texts)]
    train_model(base, tmp_path / "model", Request(kind="crf", minutes=0.1))
    with pytest.raises(DefinitionError, match="symptom"):
        review.retrain(tmp_path / "model", base)
    with pytest.raises(TextDataError, match="left to learn"):  # the notes of this store are all alike
        review.retrain(tmp_path / "model", base, labels={"cough": "symptom"})
    gold = [Example("今日咳嗽加重。", (Entity(2, 4, "symptom"),), "other")]
    found = review.retrain(tmp_path / "model", base, labels={"cough": "symptom"}, gold=gold)
    assert {each.label for each in found.types} == {"", "symptom"}
    assert found.types[0].n_gold > 0
    found.discard()


def test_two_reviewers_differ_and_a_third_rules(structured, review, tmp_path):
    second = structured.review(n=16, reviewer="乙", folder=tmp_path)
    for number in range(4):
        press(review, "accept")
        press(second, "accept" if number else "unsure")
    assert review.agreement()["agreed"].tolist() == [0.75]
    assert set(review.disagreements()["reviewer"]) == {"甲", "乙"}
    third = review.adjudicate("丙")
    assert len(third.items) == 1
    assert [each["reviewer"] for each in third.widget().state["item"]["others_said"]] == ["甲", "乙"]
    assert review.metrics()["open"].sum() == 1
    assert third.metrics().equals(review.metrics())  # of the whole sample, not of what is disputed
    press(third, "accept")
    assert review.metrics()["open"].sum() == 0
    assert len(review.adjudicate("丙").items) == 1  # what was ruled can be looked at again


def test_metrics_live_and_as_a_table(review):
    for _ in range(16):
        state = press(review, "accept")
    assert state["done"] == 16
    table = review.metrics().set_index("variable")
    assert table.loc["cough", "precision"] == 1.0
    assert table.loc["cough", "recall"] == 1.0
    assert 0 < table.loc["cough", "recall_low"] < table.loc["cough", "precision_low"] < 1
    assert state["metrics"][0]["precision"]["low"] == table.loc["cough", "precision_low"]


def test_the_variable_on_screen_is_the_first_of_the_metrics(review):
    for variable in ("nodule_size", "cough"):
        until(review, found=True, variable=variable)
        rows = review.widget().state["metrics"]
        assert [row["current"] for row in rows] == [True, False]
        assert rows[0]["variable"]["en"].lower().startswith(variable[:5])


def test_lone_surrogates_are_shown_one_for_one(review, monkeypatch):
    item = review.items[0]
    chosen = review.notes[item.note_id]
    monkeypatch.setitem(review.notes, item.note_id, type(chosen)(chosen.note._replace(text="咳\ud800嗽😀𠮷。"), 1, 1))
    review.widget().handle({"do": "go", "by": -1})
    shown = review.widget().state["item"]["text"]
    assert len(shown) == 6
    json.dumps(shown, ensure_ascii=False).encode("utf-8")


def test_who_reviews_has_to_be_said_and_the_sample_to_be_large_enough(structured):
    with pytest.raises(DefinitionError, match=r"审核人|reviewer"):
        structured.review(n=16)
    with pytest.raises(DefinitionError, match="4"):
        structured.review(n=3, reviewer="甲")


def test_every_text_of_the_screen_is_there_in_both_languages():
    zh, en = words()["zh"], words()["en"]
    assert zh.keys() == en.keys()
    assert all(zh.values())
    assert all(en.values())
