"""A variable asked of one note: hits, company, assertion, window and the five kinds of value."""

from __future__ import annotations

from datetime import datetime

import pytest

from nlp.annotations import ClinicalText, Mention, Quantity, Relation, TimeExpression
from nlp.errors import VariableError
from nlp.variables.answers import CONFIDENCE
from nlp.variables.definition import Aggregate, Category, Near, Target, Value, Variable, Window
from nlp.variables.evaluate import CompiledSet, evaluate
from nlp.variables.values import in_unit
from tests.lib.variable_notes import by_hand

LENGTH = Value(kind="quantity", unit="mm", range=(1, 200))


def variable(*terms: str, name: str = "v", **fields) -> Variable:
    target = fields.pop("target", None) or Target(terms=terms)
    return Variable(name=name, target=target, **fields)


def values(asked: Variable, text: ClinicalText, **clock) -> list:
    return [answer.value for answer in evaluate(asked, text, **clock) if not answer.why_not]


def reasons(asked: Variable, text: ClinicalText, **clock) -> list[str]:
    return [answer.why_not for answer in evaluate(asked, text, **clock)]


def test_presence_is_the_assertion_of_each_hit():
    text = by_hand("咳嗽3天，无发热。", absent=("发热",))
    assert values(variable("咳嗽", "发热"), text) == ["present", "absent"]
    assert reasons(variable("发热", assertion=("present",)), text) == ["absent"]


def test_words_are_found_whatever_their_width_and_case_but_latin_ones_whole():
    assert len(values(variable("CA"), by_hand("ＣＡ升高，ca19-9正常，CA125正常"))) == 1
    assert values(variable("ｃａ125"), by_hand("CA125正常")) == ["present"]


def test_longest_words_count_and_not_in_excludes():
    text = by_hand("糖尿病足，糖尿病。")
    assert len(values(variable("糖尿病", "糖尿病足"), text)) == 2
    asked = variable(target=Target(terms=("糖尿病",), not_in=("糖尿病足",)))
    assert [answer.start for answer in evaluate(asked, text)] == [5]


def test_words_of_variables_that_cross_are_found_for_each():
    asked = CompiledSet([variable("右肺结节", name="a"), variable("结节影", name="b"), variable("结节", name="c")])
    assert [answer.variable for answer in asked.evaluate(by_hand("右肺结节影。")).answers] == ["a", "b", "c"]


def test_spans_count_in_the_raw_text():
    raw = "<p>&nbsp;ＣＴ：结节，大小８ｍｍ。</p>"
    (answer,) = evaluate(variable("结节", value=LENGTH), by_hand(raw))
    assert raw[answer.start : answer.end] == "８ｍｍ"
    assert [raw[start:end] for start, end in answer.evidence] == ["结节", "８ｍｍ"]
    (unfinished,) = evaluate(variable("结节", value=LENGTH), by_hand(raw, finished=False))
    assert unfinished == answer


def test_mentions_by_preferred_name_label_and_code():
    text = by_hand("心梗。")
    text.mentions = [Mention(0, 2, "problem", "心肌梗死", "I21.900", "base")]
    for target in (Target(terms=("心肌梗死",)), Target(labels=("problem",)), Target(codes=("I21",))):
        assert values(variable(target=target), text) == ["present"]
    for target in (Target(codes=("I22",)), Target(terms=("心肌梗死",), synonyms=False)):
        assert values(variable(target=target), text) == []


def test_near_words_side_and_site():
    text = by_hand("左肺结节，右肾结节，钙化。")
    assert len(values(variable("结节", near=Near(with_any=("肾",), within="clause")), text)) == 1
    assert reasons(variable("结节", near=Near(without=("钙化",))), text) == ["near what excludes it"] * 2
    assert reasons(variable("结节", near=Near(laterality=("right",))), text) == ["not near", ""]
    assert reasons(variable("结节", near=Near(site=("/左./",), within="clause")), text) == ["", "not near"]


def test_levofloxacin_is_no_side():
    assert reasons(variable("静滴", near=Near(laterality=("left",))), by_hand("左氧氟沙星静滴。")) == ["not near"]


def test_sections_and_documents():
    text = by_hand("检查所见：结节。检查结论：结节？", document_type="CT报告")
    assert [answer.start for answer in evaluate(variable("结节", sections=("检查结论",)), text)] == [13]
    assert evaluate(variable("结节", documents=("MR报告",)), text) == []
    (answer,) = evaluate(variable("结节", sections=("检查结论",), documents=("CT报告",)), by_hand("结节。"))
    unknown = CONFIDENCE["sections unknown"] * CONFIDENCE["document type unknown"]
    assert answer.confidence == pytest.approx(unknown, abs=1e-4)


@pytest.mark.parametrize(
    ("raw", "expect"),
    [
        ("结节，大小约8mm×6mm。", [8.0]),
        ("结节1.2cm，肿块20mm。", [12.0, 20.0]),
        ("结节多枚，分别为5mm、8mm和9mm。", [5.0, 8.0, 9.0]),
        ("结节，边界清楚光整，周围可见毛刺征及胸膜牵拉改变，直径8mm。", []),
        ("结节。直径8mm。", []),
        ("结节80cm。", []),
        ("结节重8mg。", []),
    ],
)
def test_quantity_after_the_hit(raw, expect):
    assert values(variable("结节", "肿块", value=LENGTH), by_hand(raw)) == expect


def test_why_a_quantity_is_missing():
    assert reasons(variable("结节", value=LENGTH), by_hand("结节80cm。")) == ["implausible"]
    assert reasons(variable("结节", value=LENGTH), by_hand("结节。")) == ["no value"]


def test_a_bound_quantity_goes_before_the_nearer_one():
    text = by_hand("结节，层厚5mm，直径8mm。")
    text.mentions = [Mention(0, 2, "finding")]
    text.relations = [Relation(0, 12, 0, "value", 1)]
    assert values(variable("结节", value=LENGTH), text) == [8.0]


def test_a_quantity_bound_to_something_behind_is_not_taken():
    text = by_hand("肝大小正常，脾厚40mm。")
    text.mentions = [Mention(0, 1, "anatomy"), Mention(6, 7, "anatomy")]
    text.relations = [Relation(6, 12, 1, "value", 0)]
    assert values(variable("肝", value=LENGTH), text) == []
    assert values(variable("脾", value=LENGTH), text) == [40.0]


def test_bare_numbers_count_where_allowed():
    text = by_hand("血红蛋白 98，2024年复查。")
    asked = {"kind": "quantity", "unit": "g/L"}
    assert values(variable("血红蛋白", value=Value(**asked)), text) == []
    assert values(variable("血红蛋白", value=Value(**asked, bare=True)), text) == [98.0]
    assert values(variable(target=Target(regex=("结石(?P<value>[0-9两三]+)枚",)), value=Value(kind="quantity")), by_hand("结石三枚")) == [
        3.0
    ]


def test_take_and_side():
    text = by_hand("5mm×8mm结节6mm。")
    text.quantities = [Quantity(0, 7, "size", (5.0, 8.0), "mm"), Quantity(9, 12, "scalar", (6.0,), "mm")]

    def of(**fields):
        return values(variable("结节", value=Value(kind="quantity", unit="mm", **fields)), text)

    assert (of(where="before", take="min"), of(where="before", take="mean"), of(), of(where="near", gap=0)) == ([5.0], [6.5], [6.0], [6.0])


def test_a_group_of_a_pattern_gives_the_value():
    asked = variable(target=Target(regex=("清扫淋巴结(?P<value>[0-9]+)枚",)), value=Value(kind="quantity"))
    (answer,) = evaluate(asked, by_hand("术中清扫淋巴结12枚。"))
    assert (answer.value, answer.start, answer.end) == (12.0, 7, 9)


SMOKING = Value(
    kind="category",
    categories=(
        Category(name="已戒", words=("戒烟",)),
        Category(name="从不", words=("吸烟",), assertion=("absent",)),
        Category(name="目前", words=("吸烟", "/吸烟?[0-9]+年/")),
    ),
)


def test_categories_without_a_target_are_the_target():
    asked = variable(target=Target(), value=SMOKING)
    assert values(asked, by_hand("吸烟20年，戒烟5年。")) == ["目前", "已戒"]
    assert values(asked, by_hand("否认吸烟。", absent=("吸烟",))) == ["从不"]


def test_categories_round_a_target():
    kinds = (
        Category(name="实性", words=("实性",)),
        Category(name="部分实性", words=("部分实性",)),
        Category(name="磨玻璃", words=("/磨玻璃|GGO/",)),
    )
    asked = variable("结节", value=Value(kind="category", categories=kinds, gap=6))
    assert values(asked, by_hand("部分实性结节。左肺ggo结节。囊性结节。")) == ["部分实性", "磨玻璃"]
    assert values(asked, by_hand("未见实性结节。", absent=("结节",))) == []
    assert values(asked, by_hand("结节，无实性成分。", absent=("实性",))) == []


def test_between_two_hits_a_word_belongs_to_the_nearer():
    kinds = (Category(name="清", words=("清楚",)), Category(name="不清", words=("不清楚",)))
    asked = variable("结节", value=Value(kind="category", categories=kinds))
    answers = evaluate(asked, by_hand("结节边界清楚，另见一枚结节边界不清楚。"))
    assert [(answer.evidence[0], answer.value) for answer in answers] == [((0, 2), "清"), ((11, 13), "不清")]


def test_dates_bound_or_near():
    text = by_hand("2019年5月行胃癌根治术。")
    text.times = [TimeExpression(0, 7, "absolute", "month", datetime(2019, 5, 1), datetime(2019, 5, 31))]
    assert values(variable("胃癌根治术", value=Value(kind="date")), text) == ["2019-05"]
    text.times = [TimeExpression(0, 7, "relative", "month")]
    assert reasons(variable("胃癌根治术", value=Value(kind="date")), text) == ["clock unknown"]


@pytest.mark.parametrize(
    ("scope", "expect"), [("match", "结节"), ("after", "边界清"), ("clause", "右肺结节边界清"), ("sentence", "右肺结节边界清，无毛刺")]
)
def test_text_by_scope(scope, expect):
    assert values(variable("结节", value=Value(kind="text", scope=scope)), by_hand("右肺结节边界清，无毛刺。")) == [expect]


def test_the_text_of_a_section_and_what_is_in_it():
    text = by_hand("检查所见：结节8mm。检查结论：考虑良性，12mm。")
    section = Target(section=("检查结论",))
    assert values(variable(target=section, value=Value(kind="text")), text) == ["考虑良性，12mm"]
    assert values(variable(target=section, value=LENGTH), text) == [12.0]
    kinds = (Category(name="良性", words=("良性",)),)
    assert values(variable(target=section, value=Value(kind="category", categories=kinds)), text) == ["良性"]


def test_staging_systems():
    text = by_hand("BI-RADS 4A类，GCS 12分")
    text.quantities = [
        Quantity(0, 11, "stage", system="BI-RADS", text="4A"),
        Quantity(12, 19, "score", (12.0,), system="GCS", text="12"),
    ]
    four = Value(kind="category", categories=(Category(name="可疑", words=("4A", "4B")),))
    assert values(variable(target=Target(system="BI-RADS"), value=four), text) == ["可疑"]
    assert values(variable(target=Target(system="BI-RADS"), value=Value(kind="text")), text) == ["4A"]
    assert values(variable(target=Target(system="GCS"), value=Value(kind="quantity")), text) == [12.0]


def test_window():
    def asked(anchor, *days):
        return variable("骨折", window=Window(anchor=anchor, days=days))

    clock = {"written": datetime(2024, 1, 10), "admitted": datetime(2024, 1, 8)}
    text = by_hand("骨折。", **clock)
    assert reasons(asked("admitted", 0, 3), text) == [""]
    assert reasons(asked("admitted", 0, 1), text) == ["outside window"]
    assert reasons(asked("admitted", 3, None), text) == ["outside window"]
    assert reasons(asked("operated", 0, 1), text) == ["clock unknown"]
    assert reasons(asked("index", -5, 0), text, index=datetime(2024, 1, 12)) == [""]
    text.mentions = [Mention(0, 2, "problem")]
    text.times = [TimeExpression(0, 2, "absolute", "year", datetime(2019, 1, 1), datetime(2019, 12, 31))]
    text.relations = [Relation(0, 2, 0, "time", 0)]
    assert reasons(asked("admitted", None, -365), text) == [""]


def test_the_family_is_not_the_patient():
    text = by_hand("父亲患糖尿病。")
    text.mentions = [Mention(3, 6, "problem", experiencer="family")]
    assert reasons(variable("糖尿病"), text) == ["family"]
    assert values(variable("糖尿病", experiencer=("family",)), text) == ["present"]


def test_a_pattern_that_runs_too_long_is_refused_and_the_rest_goes_on(monkeypatch):
    from nlp.variables import compiled, patterns

    slow = Variable(name="slow", target=Target(regex=("(a+)+b",)))
    asked = CompiledSet([slow, variable("结节", name="quick")])
    monkeypatch.setattr(compiled, "matches", lambda pattern, text: patterns.matches(pattern, text, seconds=0.01))
    text = by_hand("结节" + "a" * 400)
    found = asked.evaluate(text)
    assert [answer.variable for answer in found.answers] == ["quick"]
    assert found.refused == (("slow", "a pattern ran longer than it may"),)
    with pytest.raises(VariableError, match=r"variable 'slow' on note 0: a pattern ran longer"):
        evaluate(slow, text)


def test_evaluation_changes_nothing():
    text = by_hand("右肺结节，大小８ｍｍ；无咳嗽。", absent=("咳嗽",))
    before = [list(getattr(text, name)) for name in ("mentions", "quantities", "sections", "relations")]
    asked = variable("结节", value=LENGTH)
    assert evaluate(asked, text) == evaluate(asked, text)
    assert before == [getattr(text, name) for name in ("mentions", "quantities", "sections", "relations")]


@pytest.mark.parametrize("raw", ["", "\x00\ud800结节\U0001f600", "结节" * 3, "。，、：", "结节1" + "0" * 400 + "mm"])
def test_strange_texts_are_no_trouble(raw):
    asked = [variable("结节", value=LENGTH, name="a"), variable(target=Target(), value=SMOKING, name="b")]
    asked += [variable("结节", value=Value(kind="text", scope="sentence"), name="c", aggregate=Aggregate(rule="all"))]
    for answer in CompiledSet(asked).evaluate(by_hand(raw)).answers:
        assert 0 <= answer.start <= answer.end <= len(raw)


def test_units():
    value = Value(kind="quantity", unit="mmol/L", analyte="血糖")
    assert in_unit(Quantity(0, 1, "scalar", (100.0,), "mg/dL"), value)[0] == pytest.approx(5.55, abs=0.01)
    assert in_unit(Quantity(0, 1, "scalar", (100.0,), "mm"), value) is None
    assert in_unit(Quantity(0, 1, "scalar", (3.0,)), Value(kind="quantity")) == (3.0,)
    assert in_unit(Quantity(0, 1, "scalar", (3.0,), "mm", dimension="length"), Value(kind="quantity")) is None
