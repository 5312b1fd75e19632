"""The pipeline: what load gives, how notes go through, what spaCy sees, what no text may break."""

import subprocess
import sys
from datetime import datetime

import pytest
from spacy.tokens import Doc

import nlp
from nlp.annotations import Mention
from nlp.dictionary import Dictionary, Term
from nlp.errors import MissingPart, VariableError
from nlp.pipeline import COMPONENTS, Component, Part, structure

FIVE = ["normalise", "documents", "sections", "sentences", "clauses"]


@pytest.fixture(scope="module")
def language():
    return nlp.load(components=[*FIVE, "dictionary"])


def test_import_loads_nothing_heavy():
    code = "import sys, nlp; print(sorted({'spacy', 'torch', 'jieba', 'rjieba', 'ahocorasick_rs'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_tokens_are_characters(language):
    document = language("体温３８℃ \n，😀")
    assert [token.text for token in document] == list("体温３８℃ \n，😀")
    assert document.text == "体温３８℃ \n，😀"


def test_records_count_in_the_raw_text(language):
    document = language("<p>主诉：发&nbsp;</p>\u200b发热３天。无Ⅲ度咳嗽")
    text = document._.clinical
    assert text.finished
    assert [text.text_of(mention) for mention in text.mentions] == ["发热", "咳嗽"]
    assert [(span.text, span.label_) for span in document.spans["mentions"]] == [("发热", "symptom"), ("咳嗽", "symptom")]
    assert [entity.text for entity in document.ents] == ["发热", "咳嗽"]
    assert [span.label_ for span in document.spans["sections"]] == ["主诉"]


def test_read_and_pipe_agree_and_keep_what_is_known_of_the_note(language):
    notes = [nlp.Note("主诉：发热3天", 7, "门诊病历", written=datetime(2023, 1, 2)), "咳嗽"]
    direct = list(nlp.read(language, iter(notes)))
    assert direct[0].note is notes[0]
    assert [text.mentions for text in direct] == [document._.clinical.mentions for document in language.pipe(["主诉：发热3天", "咳嗽"])]
    assert [(document.text, context) for document, context in language.pipe([("咳嗽", 5)], as_tuples=True)] == [("咳嗽", 5)]


def test_read_goes_through_pipes_of_others_too():
    mine = nlp.load(components=["normalise", "dictionary"])
    seen = []

    @mine.__class__.component("test_listener")
    def listener(document):
        seen.append(len(document._.clinical.mentions))
        return document

    mine.add_pipe("test_listener")
    assert [len(text.mentions) for text in nlp.read(mine, ["发热、咳嗽"])] == [2]
    assert seen == [2]


def test_a_component_that_adds_keeps_order():
    class Late:
        version = "late-1"

        def predict(self, text):
            return [Mention(0, 2, "x")]

    class Early(Late):
        def predict(self, text):
            return [Mention(1, 3, "y"), Mention(0, 1, "y")]

    row = Component("a", "", "mentions", extends=True)
    text = structure("甲乙丙", [Part(row, Early()), Part(row, Late())])
    assert [mention[:2] for mention in text.mentions] == [(0, 2), (0, 1), (1, 3)]


def test_what_cannot_be_loaded_is_named():
    with pytest.raises(VariableError, match="no pipeline 'en'"):
        nlp.load("en")
    with pytest.raises(VariableError, match="no component 'sectoins'"):
        nlp.load(components=["sectoins"])
    with pytest.raises(VariableError, match="no component 'x'"):
        nlp.load(options={"x": {}})


def test_a_component_whose_module_is_missing_says_so(monkeypatch):
    row = Component("magic", "nlp.magic_that_is_not:Magic", "mentions")
    monkeypatch.setattr("nlp.pipeline.COMPONENTS", (*COMPONENTS, row))
    monkeypatch.setattr("nlp.pipeline._BY_NAME", {component.name: component for component in (*COMPONENTS, row)})
    with pytest.raises(MissingPart, match=r"nlp\.magic_that_is_not:Magic"):
        nlp.load(components=["magic"])


def test_options_reach_their_component():
    mine = nlp.load(components=["dictionary"], options={"dictionary": {"dictionary": Dictionary([Term("甲乙", "x")]), "nested": False}})
    assert [mention.label for mention in mine("甲乙")._.clinical.mentions] == ["x"]


HARD = {
    "empty": "",
    "blank": " \n\t\u3000",
    "long": "患者3天前出现发热，体温38.5℃。" * 60_000,
    "one line of titles": "主诉：" * 2_000,
    "control": "\x00\x01\x1b[0m\x7f",
    "surrogates": "体\ud800温\udfff38℃",
    "emoji": "发热😀👨‍👩‍👧3天",
    "traditional": "主訴：發燒３天，無咳嗽。既往史：否認高血壓。",
    "table": "项目\t结果\t单位\n白细胞\t12.3\t10^9/L\n|血压|120/80|mmHg|",
    "html": "<table><tr><td>主诉</td><td>发热</td></tr></table>&nbsp;&#x1F600;&#99999999;",
    "rtf": r"{\rtf1\ansi \'b7\'a2\'c8\'c8\par}",
    "brackets": "【【【（（（" * 500,
    "numbers": "1.2.3.4.5" * 3_000,
}


@pytest.mark.parametrize("text", HARD.values(), ids=HARD)
def test_no_text_breaks_the_whole_pipeline(text):
    clinical = structure(text, nlp.load().parts) if len(text) < 100_000 else structure(text, nlp.load(components=FIVE).parts)
    for record in [*clinical.sections, *clinical.sentences, *clinical.clauses, *clinical.mentions, *clinical.quantities, *clinical.times]:
        assert 0 <= record.start <= record.end <= len(text)


def test_a_surrogate_is_replaced_in_its_token_only(language):
    document = language("体\ud800温")
    assert document[1].text == "\ufffd"
    assert document._.clinical.raw == "体\ud800温"


def test_a_document_has_sentences_and_can_be_written_and_read(language):
    document = language("主诉：发热3天。无咳嗽。\n查体：体温３８℃。")
    wanted = [document._.clinical.raw[sentence.start : sentence.end] for sentence in document._.clinical.sentences]
    assert [sentence.text.strip() for sentence in document.sents] == [text.strip() for text in wanted]
    again = Doc(language.vocab).from_bytes(document.to_bytes())
    assert [(each.text, each.label_) for each in again.spans["mentions"]] == [
        (each.text, each.label_) for each in document.spans["mentions"]
    ]
    assert again.text == document.text
    assert again._.clinical is None
    assert list(language("").sents) == []


def test_several_processes_of_spacy_are_refused_in_words():
    language = nlp.load(components=["normalise"])
    with pytest.raises(VariableError, match="n_process"):
        language.pipe(["咳嗽"], n_process=2)
    assert [(document.text, context) for document, context in language.pipe([("咳嗽", 1)], as_tuples=True)] == [("咳嗽", 1)]
