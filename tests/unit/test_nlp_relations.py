"""Relations: the corpus of our own sentences, and the values that the synthetic hospital wrote beside its mentions."""

import re
from collections import defaultdict
from datetime import datetime

import pytest
import yaml

from nlp.annotations import ClinicalText, Mention, Note
from nlp.normal import normalise
from nlp.quantities import Quantities
from nlp.relations import Relations
from nlp.sentences import Clauses, Sentences
from nlp.times import Times
from tests.lib.paths import REPOSITORY

CORPUS = yaml.safe_load((REPOSITORY / "tests/corpus/relations.yaml").read_text("utf-8"))["sentences"]
LABELS = {
    "p": "problem",
    "s": "symptom",
    "g": "sign",
    "f": "finding",
    "t": "test",
    "d": "drug",
    "o": "procedure",
    "h": "habit",
    "a": "anatomy",
}
PRECISION_FLOOR = RECALL_FLOOR = 0.97


def marked(say: str) -> tuple[str, list[Mention]]:
    """Read ``{a左肾}{f囊肿}``; marks may nest."""
    text, open_marks, mentions, place = "", [], [], 0
    while place < len(say):
        if say[place] == "{":
            open_marks.append((len(text), LABELS[say[place + 1]]))
            place += 2
            continue
        if say[place] == "}":
            start, label = open_marks.pop()
            mentions.append(Mention(start, len(text), label))
        else:
            text += say[place]
        place += 1
    assert not open_marks, f"a mark never closes: {say}"
    assert mentions, f"no mark: {say}"
    return text, sorted(mentions, key=lambda one: (one.start, -one.end))


def structured(text: str, mentions: list[Mention]) -> ClinicalText:
    clinical = ClinicalText(Note(text, written=datetime(2021, 6, 15)), normalise(text), mentions=mentions)
    clinical.sentences = Sentences().predict(clinical)
    clinical.clauses = Clauses().predict(clinical)
    clinical.quantities = Quantities().predict(clinical)
    clinical.times = Times().predict(clinical)
    clinical.relations = Relations().predict(clinical)
    return clinical


def said(clinical: ClinicalText) -> list[str]:
    lists = {"value": clinical.quantities, "distance": clinical.quantities, "site": clinical.mentions, "time": clinical.times}
    return [
        f"{clinical.text_of(clinical.mentions[one.mention])} {one.kind} "
        + (one.text if one.kind == "laterality" else clinical.text_of(lists[one.kind][one.target]))
        for one in clinical.relations
    ]


def lean(relation: str) -> str:
    """Take 约 and the like from a value: whether they belong to its span is the quantities' business."""
    parts = re.fullmatch("(.+ (?:value|distance) )(.+)", relation, re.DOTALL)
    return parts[1] + parts[2].lstrip("最大小约为直径") if parts else relation


def test_a_wrong_expectation_is_found():
    found = said(structured(*marked("{f结节}8mm")))
    assert found == ["结节 value 8mm"]
    assert lean("结节 value 约8mm") == lean(found[0]) != lean("结节 value 9mm")


@pytest.mark.parametrize("sentence", CORPUS, ids=[sentence["say"] for sentence in CORPUS])
def test_corpus(sentence):
    found = said(structured(*marked(sentence["say"])))
    assert [lean(normalise(one).text) for one in sentence["is"]] == [lean(one) for one in found]


def test_spans_cover_both_ends_of_a_relation():
    clinical = structured(*marked("{a右肺上叶}见一{f结节}，大小约8×6mm"))
    value = next(one for one in clinical.relations if one.kind == "value")
    assert clinical.text_of(value).startswith("结节")
    assert clinical.text_of(value).endswith("8×6mm")


@pytest.mark.parametrize(
    ("say", "landmarks"),
    [
        ("{f肿物}距远端切缘约3cm，距离近端切缘仅8cm", ["远端切缘", "近端切缘"]),
        ("{p肿瘤}，距肛缘（齿状线）约8cm", ["肛缘(齿状线)"]),
        ("{f结节}，相距3cm", [""]),
    ],
)
def test_a_distance_tells_what_it_is_measured_from(say, landmarks):
    assert [one.text for one in structured(*marked(say)).relations if one.kind == "distance"] == landmarks


def test_without_sentences_the_text_is_cut_at_its_stops():
    clinical = structured(*marked("{p高血压}。{t血糖}7.8mmol/L，{t血钾}4.1mmol/L"))
    whole = Relations().predict(clinical)
    clinical.sentences, clinical.clauses = [], []
    assert Relations().predict(clinical) == whole
    assert len(whole) == 2


def test_labels_of_other_models_are_understood():
    text, mentions = marked("{a右肺}{f结节}8mm")
    mentions = [mentions[0]._replace(label="解剖部位"), mentions[1]._replace(label="疾病和诊断")]
    assert [one.kind for one in structured(text, mentions).relations] == ["laterality", "value", "site", "laterality"]


def test_nested_mentions_that_end_together_have_one_size():
    found = said(structured(*marked("{f肺{f结节}}8mm")))
    assert found == ["肺结节 value 8mm", "结节 value 8mm"]


@pytest.mark.parametrize("text", ["", "🙂" * 50, ",,,,。。。", "3" * 3000, "左右双两" * 500])
def test_odd_text_never_raises(text):
    mentions = [
        Mention(at, min(at + 2, len(text)), label) for at, label in zip(range(0, len(text), 2), list(LABELS.values()) * 300, strict=False)
    ]
    clinical = structured(text, mentions)
    assert all(0 <= one.start <= one.end <= len(clinical.text) for one in clinical.relations)


def test_values_of_the_synthetic_hospital_are_bound():
    """Gold mentions, found quantities: stages and signs in brackets have no value in the hospital's truth and do not count."""
    from workbench.synthetic import generate

    (tables,) = generate(24, seed=11, progress=False)
    spans = defaultdict(list)
    for row in tables["truth_spans"].to_pylist():
        spans[row["note_id"]].append(row)
    right = bound = wanted = 0
    for note in tables["note"].to_pylist():
        rows = spans[note["note_id"]]
        if len(normalise(note["note_text"]).text) != len(note["note_text"]):
            continue
        clinical = structured(note["note_text"], [Mention(row["span_start"], row["span_end"], row["entity_type"]) for row in rows])
        wanted += sum(row["value"] is not None for row in rows)
        for one in clinical.relations:
            if one.kind != "value" or clinical.quantities[one.target].kind in ("stage", "score"):
                continue
            row, quantity = rows[one.mention], clinical.quantities[one.target]
            bound += 1
            right += row["value"] is not None and quantity.start < row["value_end"] and row["value_start"] < quantity.end
    assert wanted > 500
    assert right / bound >= PRECISION_FLOOR
    assert right / wanted >= RECALL_FLOOR
