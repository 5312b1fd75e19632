"""Review: samples, decisions, metrics and what becomes of corrections."""

from __future__ import annotations

import json
import multiprocessing
import os
import stat

import pytest

from nlp.entities import Entity
from nlp.errors import TextDataError
from nlp.review import (
    Decision,
    DecisionFile,
    DecisionLog,
    Item,
    agreement,
    disagreements,
    draw_sample,
    finals,
    gold_tests,
    measure,
    read_items,
    training_examples,
    wilson,
    write_items,
)
from nlp.review.decisions import check, same
from nlp.review.gold import Judged, label_of, sentence_span, with_tests
from nlp.review.sampling import allocate, confidence_band, merge_small
from nlp.variables.definition import Target, Value, Variable
from nlp.variables.sets import VariableSet

COUGH = Variable(name="cough", target=Target(terms=("咳嗽",)))
SIZE = Variable(name="size", target=Target(terms=("结节",)), value=Value(kind="quantity", unit="mm"))
TEXT = "主诉：发热。\n患者咳嗽3天，无痰。右肺结节8mm。"
AT = TEXT.index("咳嗽")


def cough(number=1, **changes):
    found = {"found": True, "value": "present", "assertion": "present", "start": AT, "end": AT + 2, "person_id": 7}
    return Item(number, "cough", COUGH.hash, **(found | changes))


def says(item, verdict, reviewer="a", **more):
    return Decision(item.key, reviewer, verdict, **more)


# ------------------------------------------------------------------------------------------------------------- sampling


def test_a_sample_is_the_same_for_the_same_seed_and_another_for_another():
    strata = ["a", "b", "c"] * 100
    one, again, other = (draw_sample(strata, 40, seed=seed).places.tolist() for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_every_stratum_gets_its_floor_and_the_rest_is_shared_in_proportion():
    assert allocate({"a": 1000, "b": 100, "c": 3}, 60, floor=5) == {"a": 52, "b": 5, "c": 3}


def test_more_draws_than_units_take_all():
    sample = draw_sample(["a"] * 3 + ["b"] * 2, 50)
    assert sorted(sample.places) == [0, 1, 2, 3, 4]
    assert set(sample.weights) == {1.0}


def test_strata_that_a_sample_cannot_serve_are_put_together():
    strata = [f"s{number}" for number in range(100)] + ["big"] * 50
    assert set(merge_small(strata, at_most=2)) == {"big", "other"}
    assert len(draw_sample(strata, 10, floor=2).strata) == 5


def test_an_empty_frame_gives_an_empty_sample():
    assert draw_sample([], 10).strata == {}


@pytest.mark.parametrize(("confidence", "band"), [(1.0, ">=0.95"), (0.95, ">=0.95"), (0.81, ">=0.8"), (0.1, ">=0")])
def test_confidence_band(confidence, band):
    assert confidence_band(confidence) == band


def test_items_come_back_from_their_file_equal(tmp_path):
    items = [cough(others=((1, 2), (3, 9))), Item("n2", "size", weight=3.5)]
    write_items(items, tmp_path / "sample.jsonl")
    assert read_items(tmp_path / "sample.jsonl") == items


def test_a_line_that_is_no_item_is_named(tmp_path):
    (tmp_path / "sample.jsonl").write_text('{"note_id": 1, "variable": "x"}\n{"nonsense": 1}\n', encoding="utf-8")
    with pytest.raises(TextDataError, match="line 2"):
        read_items(tmp_path / "sample.jsonl")


# ------------------------------------------------------------------------------------------------------------ decisions


def test_decisions_are_lines_that_come_back(tmp_path):
    file = DecisionFile(tmp_path / "d.jsonl")
    made = [file.append(says(cough(number), "accept")) for number in range(3)]
    assert file.read() == made
    assert [json.loads(line)["verdict"] for line in (tmp_path / "d.jsonl").read_text(encoding="utf-8").splitlines()] == ["accept"] * 3
    assert all(decision.time for decision in made)


def test_a_torn_last_line_is_dropped_with_a_count_and_the_next_decision_is_whole(tmp_path):
    file = DecisionFile(tmp_path / "d.jsonl")
    file.append(says(cough(1), "accept"))
    with file.path.open("ab") as stream:
        stream.write(b'{"item": "2|co' + b"x" * 999)  # longer than the line that comes after it
    assert [each.item for each in file.read()] == [cough(1).key]
    assert file.torn == 1
    file.append(says(cough(3), "reject"))
    assert [each.verdict for each in file.read()] == ["accept", "reject"]
    assert (file.torn, file.damaged) == (1, [])


def test_a_damaged_line_is_skipped_and_named(tmp_path):
    file = DecisionFile(tmp_path / "d.jsonl")
    file.append(says(cough(1), "accept"))
    with file.path.open("ab") as stream:
        stream.write(b'\xff\xfe\n{"item": "1", "reviewer": 5, "verdict": "accept"}\n')
    file.append(says(cough(2), "accept"))
    assert len(file.read()) == 2
    assert file.damaged == [2, 3]


def test_decisions_of_several_reviewers_are_told_by_time(tmp_path):
    log = DecisionLog(tmp_path / "decisions")
    assert log.read() == []
    times = {"甲": (1, 4, 2), "a/b": (3,), "a_b": (5,)}
    made = {name: [log.append(says(cough(at), "accept", name, time=f"2024-01-0{at}")) for at in days] for name, days in times.items()}
    assert len(list(log.folder.iterdir())) == 3
    assert [each.time[-1] for each in log.read()] == ["1", "3", "4", "2", "5"], "each reviewer's own order stands"
    assert [each for each in log.read() if each.reviewer == "甲"] == made["甲"]
    assert agreement(log.read()) == []


def test_nobody_decides_in_anothers_name(tmp_path):
    log = DecisionLog(tmp_path / "decisions")
    log.file_of("乙").append(says(cough(1), "accept", "甲"))
    log.append(says(cough(1), "reject", "乙"))
    assert [(each.reviewer, each.verdict) for each in log.read()] == [("乙", "reject")]


def test_what_is_made_in_a_folder_of_a_group_is_the_groups_too(tmp_path):
    (tmp_path / "group").mkdir()
    (tmp_path / "group").chmod(0o2770)
    before = os.umask(0o077)
    try:
        for name in ("group", "own"):
            DecisionLog(tmp_path / name / "review" / "decisions").append(says(cough(1), "accept"))
            write_items([cough()], tmp_path / name / "review" / "sample.jsonl")
    finally:
        os.umask(before)
    modes = {str(path.relative_to(tmp_path)).split("-")[0]: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert {modes["group/review"], modes["group/review/decisions"]} == {0o2770}
    assert {modes["group/review/sample.jsonl"], modes["group/review/decisions/a"]} == {0o640}
    assert {modes["own/review"], modes["own/review/decisions"]} == {0o700}
    assert {modes["own/review/sample.jsonl"], modes["own/review/decisions/a"]} == {0o600}


def _write_many(path, reviewer):
    for number in range(30):
        DecisionFile(path).append(says(cough(number), "accept", reviewer))


def test_two_processes_write_one_file(tmp_path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_write_many, args=(tmp_path / "d.jsonl", name)) for name in "ab"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    file = DecisionFile(tmp_path / "d.jsonl")
    assert len(file.read()) == 60
    assert (file.torn, file.damaged) == (0, [])


def test_the_last_decision_of_a_reviewer_counts_and_may_be_withdrawn():
    item = cough()
    assert finals([says(item, "accept"), says(item, "reject")])[item.key].decision.verdict == "reject"
    assert finals([says(item, "accept"), says(item, "withdrawn")]) == {}


def test_reviewers_who_differ_leave_an_item_open_until_it_is_adjudicated():
    item = cough()
    made = [says(item, "accept"), says(item, "reject", "b")]
    assert finals(made)[item.key].decision is None
    assert [key for key, _ in disagreements(made)] == [item.key]
    final = finals([*made, says(item, "reject", "c", adjudicator=True)])[item.key]
    assert (final.decision.verdict, final.adjudicated) == ("reject", True)


def test_the_same_correction_with_another_span_is_the_same():
    one, two = (says(cough(), "correct", assertion="absent", start=start, end=9) for start in (3, 4))
    assert same(one, two)
    assert not same(one, two._replace(assertion="possible"))


def test_kappa_is_that_of_the_textbook():
    # Cohen's kappa of the table [[20, 5], [10, 15]]: observed 0.70, by chance 0.50, kappa 0.40.
    pairs = [("accept", "accept")] * 20 + [("accept", "reject")] * 5 + [("reject", "accept")] * 10 + [("reject", "reject")] * 15
    made = []
    for number, verdicts in enumerate(pairs):
        made += [says(cough(number), verdict, name) for name, verdict in zip("ab", verdicts, strict=True)]
    (found,) = agreement(made)
    assert (found.n, found.agreed, round(found.kappa, 12)) == (50, 0.7, 0.4)


def test_kappa_is_not_given_where_both_say_one_thing_throughout():
    made = [says(cough(number), "accept", name) for number in range(5) for name in "ab"]
    assert agreement(made)[0].kappa is None


@pytest.mark.parametrize(
    ("decision", "item", "message"),
    [
        ({"verdict": "great"}, {}, "verdict is"),
        ({"verdict": "accept", "reviewer": " "}, {}, "no name"),
        ({"verdict": "reject"}, {"found": False}, "nothing to reject"),
        ({"verdict": "correct", "value": "present", "assertion": "present"}, {}, "changes nothing"),
        ({"verdict": "missed", "start": 5, "end": 5}, {}, "span is empty"),
    ],
)
def test_a_decision_that_means_nothing_is_refused(decision, item, message):
    about = cough(**item)
    with pytest.raises(TextDataError, match=message):
        check(Decision(**({"item": about.key, "reviewer": "a"} | decision)), about)


# -------------------------------------------------------------------------------------------------------------- metrics


def test_wilson_interval_of_the_textbook():
    # Newcombe, Stat. Med. 17 (1998) 857-872, table I: 81/263 -> 0.2553 to 0.3662; 0/20 -> 0 to 0.1611.
    assert [round(each, 4) for each in wilson(81 / 263, 263)[1:]] == [0.2553, 0.3662]
    assert [round(each, 4) for each in wilson(0, 20)[1:]] == [0.0, 0.1611]


def judged(right, wrong, missed, rightly_nothing, *, weight=1.0, rest_weight=None):
    items = [cough(number, weight=weight) for number in range(right + wrong)]
    rest = [cough(1000 + number, found=False, weight=rest_weight or weight) for number in range(missed + rightly_nothing)]
    made = [says(item, "accept" if place < right else "reject") for place, item in enumerate(items)]
    made += [says(item, "missed" if place < missed else "accept") for place, item in enumerate(rest)]
    return measure([*items, *rest], finals(made))[0]


def test_precision_recall_and_f1_of_counts():
    found = judged(80, 20, 10, 90, weight=50)
    assert found.precision.value == 0.8
    assert found.recall.value == pytest.approx(80 / 90)
    assert found.f1.value == pytest.approx(160 / 190)
    for each in (found.precision, found.recall, found.f1):
        assert each.low < each.value < each.high
        assert each.more > 0


def test_what_was_missed_is_carried_to_all_notes_by_its_weight():
    assert judged(80, 20, 10, 90, rest_weight=5).recall.value == pytest.approx(80 / 130)


def test_nothing_missed_among_few_of_many_notes_does_not_bound_recall():
    assert judged(100, 0, 0, 50, rest_weight=1000).recall.low < 0.1
    assert judged(100, 0, 0, 50, rest_weight=0.1).recall.low > 0.9


def test_a_correction_is_wrong_and_missed_but_another_span_alone_is_right():
    items = [cough(number) for number in range(3)]
    made = [
        says(items[0], "correct", value="absent", assertion="absent"),
        says(items[1], "correct", value="present", assertion="present", start=1, end=2),
        says(items[2], "missed", value="present", assertion="present"),
    ]
    found = measure(items, finals(made))[0]
    assert found.precision.value == pytest.approx(2 / 3)
    assert found.recall.value == pytest.approx(2 / 4)


def test_unsure_and_open_items_are_counted_and_left_out():
    items = [cough(number) for number in range(3)]
    made = [says(items[0], "unsure"), says(items[1], "accept"), says(items[1], "reject", "b")]
    found = measure(items, finals(made))[0]
    assert (found.items, found.found, found.unsure, found.open) == (3, 0, 1, 1)
    assert found.precision.value is None


def test_how_many_more_gives_the_width_it_promises():
    found = judged(45, 5, 0, 0, weight=100)
    total = 50 + found.precision.more
    low, high = wilson(0.9, total)[1:]
    assert (high - low) / 2 <= 0.0301
    low, high = wilson(0.9, total - 10)[1:]
    assert (high - low) / 2 > 0.03


def test_no_more_is_asked_than_there_is():
    assert judged(20, 5, 1, 9).precision.more == 0


def test_recall_says_nothing_before_a_note_without_a_finding_was_judged():
    items = [cough(1), cough(2, found=False)]
    found = measure(items, finals([says(items[0], "accept")]))[0]
    assert found.precision.value == 1.0
    assert found.recall.value is None


# ----------------------------------------------------------------------------------------------------------------- gold


@pytest.mark.parametrize(
    ("text", "span", "sentence"),
    [
        ("发热。咳嗽3天，无痰。查体", (3, 5), "咳嗽3天，无痰。"),
        ("发热。\n  咳嗽", (6, 8), "咳嗽"),
        ("咳嗽", (0, 2), "咳嗽"),
        ("发热。咳嗽。", (0, 6), "发热。咳嗽。"),
    ],
)
def test_sentence_round_a_span(text, span, sentence):
    low, high = sentence_span(text, *span)
    assert text[low:high] == sentence


def case(decision, item=None, **more):
    return Judged(item or cough(), decision, TEXT, "入院记录", **more)


def test_verdicts_become_tests_with_provenance():
    item = cough()
    (rejected,) = gold_tests([case(says(item, "reject"))], {"cough": COUGH})
    assert (rejected.test.text, rejected.test.expect, rejected.test.document) == ("患者咳嗽3天，无痰。", None, "入院记录")
    assert (rejected.item, rejected.reviewer, rejected.verdict) == (item.key, "a", "reject")
    (corrected,) = gold_tests([case(says(item, "correct", assertion="absent"))], {"cough": COUGH})
    assert corrected.test.expect == "absent"
    nothing = [says(item, "unsure"), says(item, "missed", assertion="present")]  # the last one without a span
    assert gold_tests([case(each) for each in nothing], {"cough": COUGH}) == []


def test_a_missed_quantity_expects_its_value_where_it_stands():
    start = TEXT.index("8mm")
    item = Item(2, "size", SIZE.hash)
    (test,) = gold_tests([case(says(item, "missed", value=8, start=start, end=start + 3), item)], {"size": SIZE})
    assert (test.test.text, test.test.expect) == ("右肺结节8mm。", 8)


def test_gold_goes_into_a_set_once_and_changes_no_hash():
    variables = VariableSet(name="s", variables=(COUGH,))
    gold = gold_tests([case(says(cough(), "accept"))] * 2, {"cough": COUGH})
    grown = with_tests(variables, gold)
    assert len(grown["cough"].tests) == 1
    assert grown.hash == variables.hash
    assert gold_tests([case(says(cough(), "accept"))], {"cough": grown["cough"]}) == []


class _Everything:
    labels = ("cough", "sign")
    version = "x"

    def tag(self, texts):
        return [(Entity(2, 4, "cough", 0.7), Entity(0, 2, "sign", 0.9)) for _ in texts]


def test_corrections_become_examples_and_what_was_not_asked_is_kept():
    (rejected,) = training_examples([case(says(cough(), "reject"))], lambda name: name, tagger=_Everything())
    assert rejected.example.text == "患者咳嗽3天，无痰。"
    assert rejected.example.entities == (Entity(0, 2, "sign"),)
    assert rejected.example.group == "7"
    moved = says(cough(), "correct", value="present", assertion="present", start=AT - 2, end=AT + 2)
    (example,) = training_examples([case(moved)], lambda name: name)
    assert [example.example.text[entity.start : entity.end] for entity in example.example.entities] == ["患者咳嗽"]


def test_the_label_is_the_variables_own_where_it_names_one():
    assert label_of(COUGH) == "cough"
    assert label_of(Variable(name="any", target=Target(labels=("symptom",)))) == "symptom"
