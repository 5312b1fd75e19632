"""Findings in doctor-patient chat: reading, features, trees, and the scores on public dialogues."""

from __future__ import annotations

import copy
import json
from importlib.resources import files

import numpy as np
import pytest

from nlp.assertion.dialogue import ATTRIBUTES, DialogueAssertions, Refused, answered, digest, read_dialogue, read_dialogues, score_table
from nlp.assertion.dialogue_features import describe, feature_names
from nlp.errors import ModelError, TextDataError
from nlp.trees import Trees
from tests.lib.paths import shared

CHAT = {
    "dialog_id": 7,
    "dialog_info": [
        {
            "text": "请问有发热、皮疹吗？",
            "sender": "医生",
            "ner": [
                {"name": "发热", "mention": "发热", "range": [3, 5], "attr": "阴性"},
                {"name": "皮疹", "mention": "皮疹", "range": [6, 8], "attr": "阴性"},
            ],
        },
        {"text": "都没有", "sender": "患者", "ner": []},
        {"text": "就是咳嗽三天了", "sender": "患者", "ner": [{"name": "undefined", "mention": "咳嗽", "range": [2, 4], "attr": ""}]},
    ],
}


def changed(path, value):
    """Return the chat with one field changed; `path` leads to it."""
    data = copy.deepcopy(CHAT)
    *way, last = path
    place = data
    for step in way:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return data


def test_a_dialogue_is_read_and_answered():
    dialogue = read_dialogue(CHAT)
    assert [(mention.turn, mention.key, mention.named, mention.answer) for mention in dialogue.mentions] == [
        (0, "发热", True, "阴性"), (0, "皮疹", True, "阴性"), (2, "咳嗽", False, "")
    ]  # fmt: skip
    assert DialogueAssertions().predict(dialogue) == ["阴性", "阴性", "阳性"]


def test_answers_go_back_to_where_the_findings_stood():
    dialogue = read_dialogue(CHAT)
    before = copy.deepcopy(CHAT)
    after = answered(CHAT, dialogue, ["其他", "阳性", "不标注"])
    assert before == CHAT
    assert [entity["attr"] for turn in after["dialog_info"] for entity in turn["ner"]] == ["其他", "阳性", "不标注"]


def test_gold_attributes_do_not_change_the_answers():
    one, other = read_dialogue(CHAT), read_dialogue(changed(("dialog_info", 0, "ner", 0, "attr"), "阳性"))
    assert one != other
    assert np.array_equal(describe(one), describe(other))


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        (("dialog_info",), None, "dialog_info is missing"),
        (("dialog_info",), "text", "dialog_info is a str"),
        (("dialog_info", 1, "sender"), "护士", r"dialog_info\[1\].sender"),
        (("dialog_info", 1, "text"), 3, r"dialog_info\[1\].text is a int"),
        (("dialog_info", 2, "ner"), None, r"dialog_info\[2\].ner is missing"),
        (("dialog_info", 0, "ner", 1, "range"), [6, 99], r"ner\[1\].range does not lie"),
        (("dialog_info", 0, "ner", 1, "range"), [5, 7], r"ner\[1\].range does not hold"),
        (("dialog_info", 0, "ner", 1, "attr"), "positive", r"ner\[1\].attr"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_wrong_is_named_by_field_without_the_words_of_the_chat(path, value, field):
    with pytest.raises(TextDataError, match=field) as problem:
        read_dialogue(changed(path, value))
    assert "咳嗽" not in str(problem.value)


def test_a_bad_line_is_refused_by_number_and_the_rest_read(tmp_path):
    path = tmp_path / "chat.jsonl"
    path.write_text("\n".join([json.dumps(CHAT), "", "{broken", json.dumps({"dialog_id": 1})]), "utf-8")
    good, broken, empty = read_dialogues(path)
    assert not isinstance(good, Refused)
    assert (broken.line, empty.line) == (3, 4)
    assert "dialog_info" in empty.problem


def test_an_array_is_read_too(tmp_path):
    path = tmp_path / "chat.json"
    path.write_text(json.dumps([CHAT, 3]), "utf-8")
    good, bad = read_dialogues(path)
    assert good[1] == read_dialogue(CHAT)
    assert isinstance(bad, Refused)


def test_a_file_that_cannot_be_read_is_one_clear_error(tmp_path):
    with pytest.raises(TextDataError, match=r"chat\.json"):
        list(read_dialogues(tmp_path / "chat.json"))
    (tmp_path / "chat.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TextDataError, match="no text in an encoding"):
        list(read_dialogues(tmp_path / "chat.json"))


@pytest.mark.parametrize("content", [b"[{", b"[" * 100_000, b'{"a":' * 100_000, b'{"n": ' + b"9" * 5000 + b"}"])
def test_what_is_no_json_is_refused_by_its_place(tmp_path, content):
    path = tmp_path / "chat.json"
    path.write_bytes(content)
    (refused,) = read_dialogues(path)
    assert isinstance(refused, Refused)
    assert refused.line == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gb18030"])
def test_encodings_of_dialogues(tmp_path, encoding):
    path = tmp_path / "chat.jsonl"
    path.write_text(json.dumps(CHAT, ensure_ascii=False), encoding)
    ((_, dialogue),) = read_dialogues(path)
    assert dialogue == read_dialogue(CHAT)


def test_a_broken_array_gives_what_stands_before_the_break(tmp_path):
    path = tmp_path / "chat.json"
    path.write_text("[" + json.dumps(CHAT) + ", {", "utf-8")
    good, broken = read_dialogues(path)
    assert good[1] == read_dialogue(CHAT)
    assert broken.line == 2


def test_features_have_their_names():
    dialogue = read_dialogue(CHAT)
    features = describe(dialogue)
    assert features.shape == (3, len(feature_names()))
    assert len(set(feature_names())) == len(feature_names())
    by_name = dict(zip(feature_names(), features.T, strict=True))
    assert by_name["doctor"].tolist() == [1, 1, 0]
    assert by_name["asked_for"].tolist() == [1, 1, 0]
    assert by_name["answer_kind"].tolist() == [3, 3, 0]


@pytest.mark.parametrize(
    ("text", "denied"),
    [
        ("没有发热", 1),
        ("不发热", 1),
        ("发热没有了", 3),
        ("发热的可能性不大", 3),
        ("有没有发热", 0),
        ("发热三天", 0),
        ("咳嗽厉害发热", 0),
        ("没有明显发热", 1),
        ("没有咳嗽和发热", 4),
        ("不考虑是病毒性发热", 4),
        ("没几天又开始发热", 0),
        ("没吃药还发热", 0),
    ],
)
def test_denial_right_around_a_finding(text, denied):
    at = text.index("发热")
    entity = {"name": "发热", "mention": "发热", "range": [at, at + 2]}
    features = describe(read_dialogue({"dialog_info": [{"text": text, "sender": "患者", "ner": [entity]}]}))
    assert features[0, feature_names().index("denied")] == denied


def feature(name, *turns, place=0):
    """Return a feature of a finding named 发热 in its turn; doctor and patient speak in turn, the doctor first."""
    info = []
    for number, text in enumerate(turns):
        found = [{"name": "发热", "mention": "发热", "range": [text.index("发热"), text.index("发热") + 2]}] if "发热" in text else []
        info.append({"text": text, "sender": ["医生", "患者"][number % 2], "ner": found})
    return describe(read_dialogue({"dialog_info": info}))[place, feature_names().index(name)]


def test_a_denial_within_the_words_of_a_finding():
    entity = {"name": "大便干燥", "mention": "大便不干", "range": [0, 4]}
    features = describe(read_dialogue({"dialog_info": [{"text": "大便不干", "sender": "患者", "ner": [entity]}]}))
    assert features[0, feature_names().index("denied")] == 5


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("有没有发热", 1),
        ("发热吗，咳嗽几天了", 1),
        ("还有其他症状吗？如发热", 1),
        ("发热还是怕冷", 1),
        ("有没有夜里睡觉的时候发热的情况", 1),
        ("发热几天了？", 0),
        ("除了发热还有什么不舒服吗？", 0),
        ("这是发热引起的", 0),
    ],
)
def test_what_a_doctor_asks_for(text, asked):
    assert feature("asked_for", text) == asked


def test_a_patient_who_denies_and_then_asks_something_else():
    assert feature("asked_for", "怎么了", "没有发热，需要吃药吗？") == 0
    assert feature("denied", "怎么了", "没有发热，需要吃药吗？") == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (["没有发热"], 1),
        (["不热", "", "发热一次"], 3),
        (["有发热"], 2),
        (["没有。吃饭都还好"], 3),
        (["不明显"], 3),
        (["不知道"], 5),
        (["有的"], 4),
        (["三天了", "多大了", "没有"], 7),
        (["你说的这些都没有"], 3),
        (["三天了"], 6),
        ([], 0),
    ],
)
def test_how_the_other_side_answers(answer, kind):
    assert feature("answer_kind", "有没有发热", *answer) == kind


@pytest.mark.parametrize(("question", "answer", "kinds"), [
    ("有没有发热、咳嗽", "有点咳嗽，其他没有", (8, 2)),
    ("有没有发热、咳嗽", "咳嗽三天", (9, 2)),
    ("是发热还是咳嗽", "咳嗽", (10, 2)),
])  # fmt: skip
def test_an_answer_that_names_one_of_two(question, answer, kinds):
    named = [{"name": name, "mention": name, "range": [question.index(name), question.index(name) + 2]} for name in ("发热", "咳嗽")]
    turns = [{"text": question, "sender": "医生", "ner": named}, {"text": answer, "sender": "患者", "ner": []}]
    features = describe(read_dialogue({"dialog_info": turns}))
    assert tuple(features[:, feature_names().index("answer_kind")]) == kinds


@pytest.mark.parametrize(
    ("question", "answer", "wanted"),
    [("拉肚子吗 发热吗", "不拉 有点低烧", "阴性"), ("还咳嗽吗？", "不怎么咳了", "阴性"), ("有没有恶心", "嗯有点", "阳性")],
)
def test_a_plain_answer_in_the_next_turn_decides(question, answer, wanted):
    word = next(word for word in ("拉肚子", "咳嗽", "恶心") if word in question)
    start = question.index(word)
    asked = {"name": word, "mention": word, "range": [start, start + len(word)]}
    turns = [{"text": question, "sender": "医生", "ner": [asked]}, {"text": answer, "sender": "患者", "ner": []}]
    assert DialogueAssertions().predict(read_dialogue({"dialog_id": 1, "dialog_info": turns})) == [wanted]


def test_trees_answer_as_the_library_that_learnt_them():
    from sklearn.ensemble import HistGradientBoostingClassifier

    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 5))
    answers = (features[:, 0] > 0).astype(int) + (features[:, 1] > 1)
    model = HistGradientBoostingClassifier(max_iter=5, random_state=0, early_stopping=False).fit(features, answers)
    trees = Trees.read(json.loads(json.dumps(Trees.of(model).numbers())))
    assert np.allclose(trees.probabilities(features), model.predict_proba(features), atol=1e-3)


def test_the_score_is_the_mean_over_the_four_classes():
    rows, macro = score_table([("阳性", "阳性"), ("阳性", "阴性"), ("阴性", "阴性")])
    assert [round(row[4], 3) for row in rows] == [0.667, 0.667, 0, 0]
    assert macro == pytest.approx(1 / 3)


def test_a_model_with_other_features_is_refused():
    with pytest.raises(ModelError, match="other features"):
        DialogueAssertions({"features": ["doctor"], "classes": list(ATTRIBUTES)})


def test_an_empty_dialogue_has_no_answers():
    assert DialogueAssertions().predict(read_dialogue({"dialog_info": []})) == []


def test_the_card_says_what_was_measured():
    card = DialogueAssertions().card
    assert set(card["interval"]) == {"macro", *ATTRIBUTES}
    low, high = card["interval"]["macro"]
    assert low < card["macro_f1"] < high


def test_a_dialogue_is_known_again_by_its_words():
    assert digest(read_dialogue(CHAT)) == digest(read_dialogue(changed(("dialog_info", 0, "ner"), [])))
    assert digest(read_dialogue(CHAT)) != digest(read_dialogue(changed(("dialog_info", 1, "text"), "有")))


def test_what_was_learnt_from_is_answered_by_the_fold_that_has_not_seen_it():
    dialogue, data = read_dialogue(CHAT), json.loads((files("nlp") / "data" / "dialogue_model.json").read_text("utf-8"))
    assert not DialogueAssertions(data).learnt_from(dialogue)
    for place, wanted in enumerate(ATTRIBUTES):
        # A set of trees that always says one thing.
        data["folds"][place] |= {"offsets": [99.0 * (name == wanted) for name in ATTRIBUTES], "held_out": [f"{place}"]}
    data["folds"][2]["held_out"].append(digest(dialogue))
    model = DialogueAssertions(data)
    assert model.learnt_from(dialogue)
    assert model.predict(dialogue) == [ATTRIBUTES[2]] * 3


@pytest.fixture(scope="module")
def public():
    """Scores of the model on the dialogues that it was learnt from, each answered by the fold that has not seen it."""
    model, pairs = DialogueAssertions(), []
    for row in read_dialogues(shared("text/mdcfnpc/dialogues_300.jsonl")):
        _, dialogue = row
        assert model.learnt_from(dialogue)
        pairs += [(m.answer, answer) for m, answer in zip(dialogue.mentions, model.predict(dialogue), strict=True) if m.answer]
    return model.card, score_table(pairs)


def test_public_dialogues_give_the_score_of_the_card(public):
    card, (rows, macro) = public
    assert macro == pytest.approx(card["macro_f1"], abs=0.002)
    assert {row[0]: row[4] for row in rows} == pytest.approx(card["f1"], abs=0.003)
