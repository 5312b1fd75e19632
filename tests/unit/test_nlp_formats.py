"""Annotated corpora: every form is read, every wrong line reported by its place without a word of the note, the rest goes on."""

import json

import pytest

from nlp.entities import Entity, Example
from nlp.entities.formats import example_json, read_examples
from nlp.errors import TextDataError, VariableError
from nlp.reading import ReadReport
from tests.lib.paths import shared

TEXT = "患者腹痛3天，腹痛加重"


def write(tmp_path, *lines, name="a.jsonl"):
    file = tmp_path / name
    file.write_text("\n".join(line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines), encoding="utf-8")
    return file


def read(file, name):
    report = ReadReport()
    return read_examples(file, name, report=report), report


FORMS = {
    "ccks 2017": (
        "ccks",
        {"id": "一般项目-17", "text": TEXT, "entities": [{"start": 2, "end": 4, "type": "症状", "text": "腹痛"}]},
        "17",
        "症状",
    ),
    "ccks 2019": ("ccks", {"originalText": TEXT, "entities": [{"label_type": "症状", "start_pos": 2, "end_pos": 4}]}, "", "症状"),
    "cmeee lists": ("cmeee", {"text": TEXT, "entities": [[2, 4, "sym"]]}, "", "sym"),
    "cmeee official": ("cmeee", {"text": TEXT, "entities": [{"start_idx": 2, "end_idx": 3, "type": "sym", "entity": "腹痛"}]}, "", "sym"),
    "cmeee exclusive": ("cmeee", {"text": TEXT, "entities": [{"start_idx": 2, "end_idx": 4, "type": "sym", "entity": "腹痛"}]}, "", "sym"),
    "own": ("jsonl", {"text": TEXT, "entities": [{"start": 2, "end": 4, "label": "sym"}], "group": "p1"}, "p1", "sym"),
}


@pytest.mark.parametrize("array", [False, True], ids=["lines", "array"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_reads_alike(tmp_path, form, array):
    name, record, group, label = FORMS[form]
    file = write(tmp_path, json.dumps([record, record | {"text": TEXT}], indent=1) if array else record)
    examples, _ = read(file, name)
    assert examples[0] == Example(TEXT, (Entity(2, 4, label),), group)


WRONG = {
    "no JSON": ('{"text": ', "no JSON"),
    "no object": ("3", "a int"),
    "no text": ({"entities": []}, "no text"),
    "text a number": ({"text": 5}, "no text"),
    "entities a word": ({"text": "a", "entities": "x"}, "entities that are a str"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_line_is_reported_and_the_rest_read(tmp_path, case):
    line, found = WRONG[case]
    examples, report = read(write(tmp_path, {"text": "好"}, line, {"text": "行"}), "jsonl")
    assert [example.text for example in examples] == ["好", "行"]
    assert report.counts["lines refused"] == 1
    assert report.problems[0].place == "line 2"
    assert found in report.problems[0].found


BAD_ENTITIES = {
    "beyond": {"start": 2, "end": 99, "label": "x"},
    "negative": {"start": -1, "end": 2, "label": "x"},
    "empty": {"start": 2, "end": 2, "label": "x"},
    "no label": {"start": 2, "end": 4},
    "a word": {"start": "2", "end": 4, "label": "x"},
    "true": {"start": True, "end": 4, "label": "x"},
    "none": None,
    "ambiguous": {"start": 0, "end": 2, "label": "x", "text": "腹痛"},
    "nowhere": {"start": 0, "end": 2, "label": "x", "text": "头痛"},
}


@pytest.mark.parametrize("case", BAD_ENTITIES)
def test_a_wrong_entity_is_refused_and_the_text_kept(tmp_path, case):
    good = {"start": 2, "end": 4, "label": "sym"}
    examples, report = read(write(tmp_path, {"text": TEXT, "entities": [BAD_ENTITIES[case], good]}), "jsonl")
    assert examples[0].entities == (Entity(2, 4, "sym"),)
    assert report.counts["entities refused"] == 1
    assert report.problems[0].place == "line 1, entity 1"
    assert not any(letter in report.summary() for letter in TEXT if letter > "\u3000" and letter != "，")


def test_an_only_occurrence_is_moved_to(tmp_path):
    examples, report = read(write(tmp_path, {"text": TEXT, "entities": [{"start": 0, "end": 2, "label": "x", "text": "加重"}]}), "jsonl")
    assert examples[0].entities == (Entity(9, 11, "x"),)
    assert report.counts["entities mended"] == 1


def test_repeats_are_noted(tmp_path):
    entity = {"start": 2, "end": 4, "label": "sym"}
    examples, report = read(write(tmp_path, {"text": TEXT, "entities": [entity, entity]}, {"text": TEXT}), "jsonl")
    assert len(examples) == 2
    assert len(examples[0].entities) == 1
    assert (report.counts["texts repeated"], report.counts["entities repeated"]) == (1, 1)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_encodings(tmp_path, encoding):
    file = tmp_path / "a.jsonl"
    file.write_bytes(json.dumps({"text": TEXT}, ensure_ascii=False).encode(encoding))
    assert read_examples(file, "jsonl")[0].text == TEXT


def test_a_line_of_no_encoding_is_refused_alone(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_bytes(json.dumps({"text": "好的"}, ensure_ascii=False).encode() + b'\n{"text": "\xff\xff"}\n')
    examples, report = read(file, "jsonl")
    assert [example.text for example in examples] == ["好的"]
    assert "neither UTF-8" in report.problems[0].found


def test_a_broken_array_gives_what_stands_before_the_break(tmp_path):
    examples, report = read(write(tmp_path, '[{"text": "好"}, {"text": "行"}, {"te'), "jsonl")
    assert len(examples) == 2
    assert "element 3" in report.summary()
    examples, report = read(write(tmp_path, '[{"text": "好"}'), "jsonl")
    assert report.counts["arrays not closed"] == 1


def test_line_separators_inside_a_note_end_no_line(tmp_path):
    assert read_examples(write(tmp_path, {"text": "甲\u2028乙\x85丙"}), "jsonl")[0].text == "甲\u2028乙\x85丙"


def test_nothing_readable_is_an_error(tmp_path):
    with pytest.raises(TextDataError, match="no example"):
        read_examples(write(tmp_path, "x", "y"), "jsonl")
    with pytest.raises(TextDataError, match="cannot be read"):
        read_examples(tmp_path / "nowhere", "jsonl")
    with pytest.raises(VariableError, match="not known"):
        read_examples(write(tmp_path, {"text": "好"}), "conll")


@pytest.mark.parametrize("text", ["腹痛", "\ud800腹", ""])
def test_our_own_form_round_trips(tmp_path, text):
    example = Example(text, (Entity(0, 1, "x"),) if text else (), "p1")
    assert read_examples(write(tmp_path, example_json(example)), "jsonl") == [example]


@pytest.mark.parametrize(
    ("path", "name", "texts", "entities", "groups"),
    [
        ("text/ccks2017/notes_train.jsonl", "ccks", 958, 23998, 240),
        ("text/ccks2019/notes_800.jsonl", "ccks", 800, 14068, 1),
        ("text/cmeee/CMeEE_train_v1_nested.jsonl", "cmeee", 15000, 61794, 1),
    ],
)
def test_the_public_corpora(path, name, texts, entities, groups):
    examples, report = read(shared(path), name)
    assert (len(examples), sum(len(example.entities) for example in examples)) == (texts, entities)
    assert len({example.group for example in examples}) == groups
    assert report.counts["lines refused"] == 0


def test_all_entities_refused_is_an_error_not_a_file_without_entities(tmp_path):
    path = tmp_path / "other.jsonl"
    path.write_text('{"text": "腹痛", "entities": [{"start": 0, "end": 2, "label": "sym"}]}\n', encoding="utf-8")
    with pytest.raises(TextDataError, match="every entity was refused in the format ccks") as caught:
        read_examples(path, "ccks")
    assert "jsonl" in caught.value.hint
    assert "腹痛" not in str(caught.value)


def test_labels_are_one_line_that_can_be_printed(tmp_path):
    path = tmp_path / "labels.jsonl"
    labels = ["a\tb", "\ud800", "x\u202ey", "症\u3000状 ", "\x00"]
    lines = [json.dumps({"text": "腹痛", "entities": [{"start": 0, "end": 2, "label": label}]}) for label in labels]
    path.write_text("\n".join(lines), encoding="utf-8")
    report = ReadReport()
    found = [entity.label for example in read_examples(path, "jsonl", report=report) for entity in example.entities]
    assert found == ["a b", "症 状"]
    assert report.counts["entities refused"] == 3
