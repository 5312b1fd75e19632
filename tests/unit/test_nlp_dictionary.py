"""Dictionaries: what is found, what is a piece of another word, what a wrong file is told."""

import pytest

from nlp import ClinicalText, Note
from nlp.dictionary import Dictionary, DictionaryMentions, Problem, Term, base_dictionary, read_dictionary
from nlp.errors import TextDataError
from nlp.normal import fold, normalise


def found(terms, text, *, nested=False):
    dictionary = Dictionary(Term(term, "test") for term in terms)
    text = fold(normalise(text).text)
    return [text[start:end] for start, end, _ in dictionary.find(text, nested=nested)]


WORDS = {
    "inside a Latin word": (["CA", "CA19-9"], "CA19-9升高", ["ca19-9"]),
    "piece of an unknown word": (["CA", "HER"], "CA19-9 HER-2 CA125", []),
    "before its value": (["WBC", "Cr", "BP", "P"], "WBC12.5 Cr88umol/L BP120/80 P80次/分", ["wbc", "cr", "bp", "p"]),
    "a stage is no value": (["T", "N"], "T2N0M0", []),
    "three letters before a number": (["HPV", "PLT"], "HPV16 PLT210", ["hpv", "plt"]),
    "case and width": (["Her-2"], "ＨＥＲ－２（＋）", ["her-2"]),
    "longest first": (["腹痛", "右下腹痛"], "右下腹痛", ["右下腹痛"]),
}


@pytest.mark.parametrize(("terms", "text", "expected"), WORDS.values(), ids=WORDS)
def test_what_is_a_word(terms, text, expected):
    assert found(terms, text) == expected


def test_nested_terms_are_kept_on_demand_and_crossing_ones_never():
    assert found(["糖尿病", "2型糖尿病", "病肾病"], "2型糖尿病肾病", nested=True) == ["2型糖尿病", "糖尿病"]


def test_empty_long_and_equal_terms_are_left_out_and_counted():
    dictionary = Dictionary([Term("ＣＴ", "test"), Term(" ", "test"), Term("ct", "test"), Term("长" * 201, "test")])
    assert [term.term for term in dictionary.terms] == ["ＣＴ"]
    assert dictionary.problems == [Problem(2, "empty"), Problem(3, "duplicate"), Problem(4, "long")]


def test_the_version_follows_the_terms():
    assert Dictionary([Term("甲", "x")]).version != Dictionary([Term("甲", "y")]).version


def test_mentions_carry_preferred_name_code_and_version(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("term,label,preferred,code,synonyms\n# a comment\n发热,symptom,,R50.9,发烧|发热待查\n", encoding="utf-8-sig")
    component = DictionaryMentions(dictionary=path)
    text = ClinicalText(Note("发烧3天"), normalise("发烧3天"))
    (mention,) = component.predict(text)
    assert (mention.start, mention.end, mention.label, mention.term, mention.code) == (0, 2, "symptom", "发热", "R50.9")
    assert mention.source == component.version == read_dictionary(path).version


WRONG = {
    "no heading": ("发热\tsymptom\n", "line 1: the heading lacks label, term"),
    "unknown column": ("term\tlabel\tcolour\n", "line 1: unknown column 'colour'"),
    "columns": ("term\tlabel\n发热\tsymptom\n咳嗽\n", "line 3: 1 columns, the heading has 2"),
    "label": ("term\tlabel\n发热\t\n", "line 2: no label"),
}


@pytest.mark.parametrize(("content", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_file_is_told_its_line(tmp_path, content, message):
    path = tmp_path / "wrong.tsv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(TextDataError) as caught:
        read_dictionary(path)
    assert message in str(caught.value)


def test_a_file_in_another_encoding_or_missing_is_refused(tmp_path):
    path = tmp_path / "gbk.tsv"
    path.write_bytes("term\tlabel\n发热\tsymptom\n".encode("gbk"))
    for wrong in (path, tmp_path / "none.tsv"):
        with pytest.raises(TextDataError):
            read_dictionary(wrong)


def test_the_base_dictionary_is_sound():
    dictionary = base_dictionary()
    labels = {"problem", "symptom", "sign", "finding", "test", "drug", "procedure", "habit", "anatomy"}
    assert {term.label for term in dictionary.terms} == labels
    assert len(dictionary) > 2_000
    assert [problem for problem in dictionary.problems if problem.why != "duplicate"] == []
    assert len({term.term for term in dictionary.terms if term.term.strip() != term.term}) == 0
