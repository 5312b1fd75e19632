"""Functions of the catalogue on sentences as notes write them: whose number it is, and where the search for it ends."""

from __future__ import annotations

import pytest

import nlp
from nlp.errors import VariableError
from nlp.variables import CompiledSet, parse_set
from nlp.variables.catalogue import Function, Parameter
from nlp.variables.definition import Bilingual, Target, Test, Value, Variable
from nlp.variables.functions import builtin
from nlp.variables.try_out import as_note
from nlp.variables.view import NoteView


@pytest.fixture(scope="module")
def language():
    return nlp.load()


@pytest.fixture(scope="module")
def find(language):
    catalogue = builtin()
    plain = Variable(name="plain", target=Target(terms=("x",)))

    def found(function, text, **parameters):
        note = as_note(language, plain, Test(text=text, expect=None))
        return [item.value for item in catalogue[function].find(NoteView(note), parameters)]

    return found


@pytest.mark.parametrize(
    ("drug", "text", "a_day"),
    [
        # The next drug ends the search, known or not.
        ("二甲双胍", "二甲双胍、达格列净10mg qd", []),
        ("阿托伐他汀", "阿托伐他汀、阿司匹林100mg qd", []),
        ("二甲双胍", "二甲双胍及消渴颗粒10mg qd", []),
        ("二甲双胍", "二甲双胍(格华止，施贵宝)0.5g b.i.d.", [1000.0]),
        # The frequency nearest behind the dose, else before it.
        ("二甲双胍", "二甲双胍缓释片0.5g tid，格列美脲2mg qd", [1500.0]),
        ("二甲双胍", "二甲双胍0.5g，餐后服用，bid", [1000.0]),
        ("二甲双胍", "二甲双胍每日3次，每次0.5g", [1500.0]),
        ("二甲双胍", "二甲双胍 0.5g 每8小时一次", [1500.0]),
        ("甲氨蝶呤", "甲氨蝶呤14mg 每周1次", [2.0]),
        ("阿托伐他汀", "阿托伐他汀20mg每晚一次", [20.0]),
        ("阿托伐他汀", "阿托伐他汀20mgqd口服", [20.0]),
        # As told for a day, for a time, and by the parts of a day.
        ("二甲双胍", "二甲双胍1.5g/d", [1500.0]),
        ("二甲双胍", "二甲双胍0.5g/次，2次/日", [1000.0]),
        ("二甲双胍", "二甲双胍0.5g 3/日", [1500.0]),
        ("二甲双胍", "二甲双胍早0.5g 晚1.0g", [1500.0]),
        ("二甲双胍", "二甲双胍 早晚各0.5g", [1000.0]),
        # What stands on the box is no dose.
        ("二甲双胍", "二甲双胍0.25g*48片/盒 每次0.5g 一日两次", [1000.0]),
        ("二甲双胍", "二甲双胍 0.5 tid", []),
    ],
)
def test_the_dose_of_a_day_is_that_of_the_drug(find, drug, text, a_day):
    assert find("drug_with_dose", text, terms=(drug,), unit="mg", daily=True) == a_day


def test_doses_in_units_are_added_up(find):
    assert find("drug_with_dose", "门冬胰岛素三餐前各4U", terms=("门冬胰岛素",), unit="U", daily=True) == [12.0]
    assert find("drug_with_dose", "甘精胰岛素早12U 晚10u", terms=("甘精胰岛素",), unit="U", daily=True) == [22.0]


def test_a_single_dose_is_not_read_from_that_of_a_day(find):
    assert find("drug_with_dose", "二甲双胍1.5g/d", terms=("二甲双胍",), unit="mg", daily=False) == []


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("饮酒20年，每日2两，吸烟30年，每日20支，已戒烟5年。", [30.0]),
        ("高血压病史10年，每日吸烟20支，已吸烟30年。", [30.0]),
        ("吸烟，每日20支，高血压10年。", []),
        ("吸烟、饮酒史20年，每日20支，每日白酒2两。", [20.0]),
        ("患者糖尿病20年，吸烟，每日20支，30年。", [30.0]),
        ("20余年吸烟史，每天1包。", [20.0]),
        ("吸烟20年，每天一包半。", [30.0]),
        ("吸烟20年，一包半/天。", [30.0]),
    ],
)
def test_years_and_amount_are_those_of_smoking(find, text, number):
    assert find("pack_years", text) == number


@pytest.mark.parametrize(
    ("text", "share"),
    [("Ki-67（60-70%+）", [70.0]), ("Ki-67(+60%~70%)", [70.0]), ("Ki-67 指数约10至15%，ER(90%)", [15.0]), ("Ki-67(+)，ER(90%)", [])],
)
def test_the_share_of_a_range_is_its_upper_end(find, text, share):
    assert find("percent_positive", text, terms=("Ki-67",)) == share


@pytest.fixture(scope="module")
def ask(language):
    def asked(text, *terms, **value):
        variable = Variable(name="x", target=Target(terms=terms), value=Value(kind="quantity", **value))
        note = as_note(language, variable, Test(text=text, expect=None))
        values = [answer.value for answer in CompiledSet([variable]).evaluate(note).answers]
        return next((one for one in values if one is not None), None)

    return asked


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("CEA参考值0-5ng/mL", None),
        ("CEA正常范围（<5ng/ml）", None),
        ("CEA 0-5 ng/ml 参考值；结果8.9", None),  # the result stands in another sentence
        ("CEA参考值0-5 ng/ml，结果8.9", 8.9),
        ("CEA（参考值：0-5ng/ml）8.9ng/ml", 8.9),
        ("CEA参考区间<5ng/ml，结果12ng/ml", 12.0),
        ("CEA 8.9 ng/ml 参考范围 0-5 ng/ml", 8.9),
        ("CEA<5ng/ml，在正常范围内", 5.0),
        ("CEA (0-5ng/ml)：3.2ng/ml", 3.2),
        ("CEA（正常＜5ng/ml）12.5ng/ml", 12.5),
        ("CEA O.5ng/ml", None),
        ("CEA l2.5ng/ml", None),
        ("CEA(ng/ml) 12.5", 12.5),
        ("CEA（ng/ml）：12", 12.0),
        ("CEA[ng/mL] 结果 12", 12.0),
        ("癌胚抗原 CEA 5.2ng/ml", 5.2),
    ],
)
def test_a_reference_range_is_no_result(ask, find, text, number):
    assert ask(text, "CEA", unit="ng/mL") == number
    assert find("value_near_term", text, terms=("CEA",), unit="ng/mL", gap=20.0) == ([] if number is None else [number])


def test_a_bare_range_in_brackets_is_no_result(ask):
    assert ask("CEA [0-5] 8.9", "CEA", unit="ng/mL", bare=True) == 8.9


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("EF:60 FS:33%", None),
        ("EF正常，FS 33%", None),
        ("EF FS 33%", None),
        ("EF(Simpson) 60% FS 33%", 60.0),
        ("射血分数（LVEF）：60%", 60.0),
    ],
)
def test_another_measure_ends_the_search(ask, find, text, number):
    assert ask(text, "EF", "射血分数", unit="%") == number
    assert find("value_near_term", text, terms=("EF", "射血分数"), unit="%", gap=20.0) == ([] if number is None else [number])


@pytest.mark.parametrize(
    ("text", "term", "number"),
    [
        ("尿肌酐 8.8mmol/L", "肌酐", None),
        ("脑脊液中葡萄糖 2.5mmol/L，葡萄糖 6.1mmol/L", "葡萄糖", 6.1),
        ("脑脊液葡萄糖 2.5mmol/L", "脑脊液葡萄糖", 2.5),
        ("少尿，肌酐 0.88mmol/L", "肌酐", 0.88),
        ("血肌酐 0.88mmol/L", "肌酐", 0.88),
    ],
)
def test_a_specimen_before_the_term_makes_it_another_test(ask, find, text, term, number):
    assert ask(text, term, unit="mmol/L") == number
    assert find("value_near_term", text, terms=(term,), unit="mmol/L", gap=9.0) == ([] if number is None else [number])


@pytest.mark.parametrize("place", ["(IM 33)", "（IM33）", "(SE 4 IM 33)"])
def test_the_number_of_an_image_does_not_part_a_nodule_from_its_lobe(find, place):
    assert find("laterality_of", f"右肺下叶{place}见一结节，长径6.5 mm", terms=("结节",)) == ["right"]


@pytest.mark.parametrize(
    ("function", "parameters", "wanted"),
    [
        ("blood_pressure", "{which: sys}", "'which' is 'sys', wanted one of systolic, diastolic"),
        ("lymph_node_total", "{which: metastatic}", "'which' is 'metastatic', wanted one of positive, examined"),
        ("largest_size", "{terms: [结节], within: page}", "'within' is 'page', wanted one of clause, sentence, section"),
        ("lasted", "{terms: [高血压], unit: 小時}", "'unit' is '小時', wanted one of 年, 月, 周, 天, 小时"),
    ],
)
def test_a_choice_that_a_function_does_not_offer_is_refused(function, parameters, wanted):
    variable = f"{{name: x, target: {{function: {function}, parameters: {parameters}}}, value: {{kind: quantity}}}}"
    loaded = parse_set(f"schema: clinical-variables/1\nname: s\nvariables:\n- {variable}")
    assert [wanted in str(problem) for problem in loaded.refused] == [True], loaded.refused


def test_a_choice_lists_what_it_offers():
    unlisted = Function(
        name="f",
        call=lambda view, *, how: None,
        description=Bilingual("f", "f"),
        parameters={"how": Parameter("choice", Bilingual("h", "h"))},
    )
    with pytest.raises(VariableError, match="'how' lists choices exactly where it is a choice"):
        builtin().add(unlisted)
