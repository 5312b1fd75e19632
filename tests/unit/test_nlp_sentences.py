"""Sentences and clauses."""

import pytest

import nlp
from nlp.pipeline import structure


@pytest.fixture(scope="module")
def parts():
    return nlp.load(components=["normalise", "sections", "sentences", "clauses"]).parts


SENTENCES = {
    "marks": ("发热3天。咳嗽；无痰！腹痛", ["发热3天。", "咳嗽；", "无痰！", "腹痛"]),
    "numbers": ("体温38.5℃,T36。5℃,白细胞12.3。", ["体温38.5℃,T36。5℃,白细胞12.3。"]),
    "doubt": ("考虑肺癌？待排，结核？建议复查。", ["考虑肺癌？待排，结核？", "建议复查。"]),
    "lists over lines": ("无发热、\n咳嗽,\n咳痰。", ["无发热、\n咳嗽,\n咳痰。"]),
    "lines": ("诊断:\n1.肺炎\n2.高血压\n", ["诊断:", "1.肺炎", "2.高血压"]),
    "full stop of the keyboard": ("既往体健. 2患者男.血压120/80mmHg.神清", ["既往体健.", "2患者男.", "血压120/80mmHg.", "神清"]),
    "abbreviation": ("P.E.正常,No.3", ["P.E.正常,No.3"]),
    "closing marks": ("诉“头痛。”无呕吐。", ["诉“头痛。”", "无呕吐。"]),
    "wrapped": (
        "患者三天前无明显诱因出现发热咳嗽伴有咳痰为白色粘\n痰量不多无胸痛及呼吸困难自服药物治疗效果不佳来我院\n门诊查胸片示右下肺炎症",
        None,
    ),
}


@pytest.mark.parametrize(("text", "expected"), SENTENCES.values(), ids=SENTENCES)
def test_sentences(parts, text, expected):
    found = structure(text, parts)
    assert [found.text_of(sentence) for sentence in found.sentences] == (expected or [text])


def test_clauses_know_their_sentence(parts):
    found = structure("发热,体温38.5,1,200元。1.肺炎 2.高血压；无", parts)
    assert [(found.text_of(clause), clause.sentence) for clause in found.clauses] == [
        ("发热,", 0),
        ("体温38.5,", 0),
        ("1,200元。", 0),
        ("1.肺炎 ", 1),
        ("2.高血压；", 1),
        ("无", 2),
    ]
