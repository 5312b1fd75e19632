"""The network finds names where no wording was foreseen, reads blanks inside names, and can be trained again."""

import random

import pytest

from nlp.identifiers import training
from nlp.identifiers.planting import Maker
from nlp.identifiers.reading import squeezed
from nlp.identifiers.tagger import NameModel, name_model

SENTENCES = (
    "夜间[沈嘉禾]的止痛泵由[秦雨桐]更换。",
    "标本交接单:送[林玉珍],收[贺志明]。",
    "据[邱国强]回忆,当时[邱淑芬]已摔倒。",
    "[欧阳海燕]及[魏长林]轮流陪夜。",
    "3床[罗秀兰],空腹抽血。",
    "[王 芳] 女 45岁",
    "患者 [卓玛央金] 昨夜入睡好",
    "采集病史者[陈明义]谨记",
    "妻[罗雅琴],子[高俊杰]、[高俊豪]均健。",
    "离院手续由[方志刚]办。",
    "现场目击者[许国强]称,其倒地约3分钟。",
    "组长[侯建军],按压[孟晓燕]、[彭立新],用药[贾红]。",
    "(主)[郝志远]/(一)[崔永亮]/(二)[常晓云]",
)
PLAIN = (
    "白细胞升高,高血压3级,黄疸待查,石膏固定,常规消毒。",
    "予万古霉素、华法林,安静休息,平素体健,易疲劳。",
    "右肺上叶尖段结节,双侧胸腔积液,于今日复查。",
    "霍奇金淋巴瘤、马凡综合征、墨菲征阴性。",
)


def unmarked(sentence):
    text, names, start = "", [], 0
    for character in sentence:
        if character == "[":
            start = len(text)
        elif character == "]":
            names.append((start, len(text)))
        else:
            text += character
    return text, names


@pytest.mark.parametrize("sentence", SENTENCES)
def test_names_in_sentences_of_no_list(sentence):
    text, names = unmarked(sentence)
    assert [(found.start, found.end) for found in name_model().find(text, alone=0.0, beside=0.0)] == names


@pytest.mark.parametrize("text", PLAIN)
def test_clinical_words_are_no_names(text):
    assert name_model().find(text, alone=0.0, beside=0.0) == []


def test_staff_is_told_from_others():
    found = name_model().find("患者周海洋由钱志远主任医师接诊", alone=0.0, beside=0.0)
    assert [one.staff for one in found] == [False, True]


@pytest.mark.parametrize(
    ("text", "short"),
    [("主 治 医 师  平 美 轩", "主治医师平美轩"), ("姓名  王   芳  女", "姓名 王芳 女"), ("血压 120 mmHg", "血压 120 mmHg"), ("", "")],
)
def test_blanks_inside_words_are_taken_out(text, short):
    squeezed_text, places = squeezed(text)
    assert squeezed_text == short
    assert len(places) == len(short) + 1
    assert all(text[place] == character for place, character in zip(places, short, strict=False))


def test_a_model_learns_from_few_texts():
    texts = ["患者入院后体温正常,血压平稳,今日查房未见异常。", "请心内科主任医师会诊,家属表示理解。", "双肺呼吸音清,腹软,无压痛。"] * 20
    arrays = training.train(texts, ["高血压", "白内障", "黄疸"], frames=3_000, say=lambda line: None)
    dice = random.Random(1)
    maker = Maker(texts, ["高血压"], dice)
    model = NameModel(arrays)
    found = planted = 0
    for _ in range(200):
        text, spans = maker.sentence("{staff}{sep}{N}{title}{mark}")
        planted += len(spans)
        found += sum((one.start, one.end) in spans for one in model.find(text, alone=0.0, beside=0.0))
    assert found >= 0.7 * planted
