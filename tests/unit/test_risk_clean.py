"""The catalogue of items, and cleaning: what is recognised, converted, set to missing and said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.lib.paths import shared
from workbench.errors import DataError, DefinitionError
from workbench.locale import set_language
from workbench.risk.cleaning.changes import RULES
from workbench.risk.cleaning.clean import LongColumns, clean, clean_long
from workbench.risk.cleaning.items import KINDS, conversion, find_item, item, items
from workbench.risk.cleaning.steps import CleaningRules
from workbench.risk.cleaning.values import read_categories, read_dates, read_grades, read_numbers


def rules_of(cleaned, column=None):
    return {change.rule: change.count for change in cleaned.changes if column in (None, change.column)}


def test_the_catalogue_is_whole():
    assert len(items()) >= 120
    for one in items().values():
        assert one.kind in KINDS, one.key
        assert all(conversion(one, unit) for unit in (one.unit, *one.units)), one.key
        assert find_item(one.zh).items, one.key
        if one.kind == "number":
            assert one.low <= one.usual_low <= one.usual_high <= one.high, one.key
            assert one.why in ("life", "assay", "share"), one.key


@pytest.mark.parametrize(
    ("key", "unit", "factor"),
    [  # as printed in tables of SI units (AMA Manual of Style, 11th ed., 17.5); 1 conventional unit is so many of ours
        ("glucose", "mg/dL", 0.0555),
        ("creatinine", "mg/dL", 88.4),
        ("urea_nitrogen", "mg/dL", 0.357),
        ("uric_acid", "mg/dL", 59.485),
        ("total_cholesterol", "mg/dL", 0.0259),
        ("triglyceride", "mg/dL", 0.0113),
        ("total_bilirubin", "mg/dL", 17.104),
        ("calcium", "mg/dL", 0.25),
        ("magnesium", "mg/dL", 0.411),
        ("phosphate", "mg/dL", 0.323),
        ("hemoglobin", "g/dL", 10),
        ("albumin", "g/dL", 10),
        ("ft4", "ng/dL", 12.871),
        ("ft3", "pg/mL", 1.536),
        ("cortisol", "ug/dL", 27.588),
        ("vitamin_d", "ng/mL", 2.496),
        ("iron", "ug/dL", 0.179),
        ("lactate", "mg/dL", 0.111),
        ("insulin", "pmol/L", 1 / 6),
        ("sbp", "kPa", 7.5006),
        ("wbc", "10^3/uL", 1),
        ("hs_troponin_i", "ng/mL", 1000),
        ("nt_probnp", "pmol/L", 8.457),
        ("d_dimer", "ug/mL(FEU)", 1),
        ("d_dimer", "ng/mL FEU", 0.001),
        ("d_dimer", "ng/mL DDU", 0.002),  # one unit of D-dimer stands for two of fibrinogen
        ("cd4", "cells/uL", 1),
        ("age", "岁", 1),
        ("esr", "mm/1h", 1),
    ],
)
def test_units_convert_as_tables_print_them(key, unit, factor):
    assert conversion(item(key), unit).factor == pytest.approx(factor, rel=0.006)


def test_units_with_an_offset():
    assert conversion(item("hba1c"), "mmol/mol")[0] * 53 + conversion(item("hba1c"), "mmol/mol")[1] == pytest.approx(7.0, abs=0.01)
    assert conversion(item("temperature"), "℉")[0] * 98.6 + conversion(item("temperature"), "℉")[1] == pytest.approx(37)


@pytest.mark.parametrize(
    ("name", "keys", "unit"),
    [
        ("血糖（mg/dL）", ["glucose"], "mg/dL"),
        ("glucose_mg_dl", ["glucose"], "mg/dl"),
        ("谷丙转氨酶(ALT)", ["alt"], ""),
        ("血清钾(mmol/L)", ["potassium"], "mmol/L"),
        ("白细胞计数 ×10⁹/L", ["wbc"], "×109/L"),
        ("血清白蛋白测定", ["albumin"], ""),
        ("空腹血糖", ["fasting_glucose"], ""),
        ("甘油三酯(TG)(mmol/L)", ["triglyceride"], "mmol/L"),
        ("白细胞(WBC) [10^9/L]", ["wbc"], "10^9/L"),
        ("谷丙转氨酶ALT", ["alt"], ""),
        ("收缩压mmHg", ["sbp"], "mmHg"),
        ("体温℃", ["temperature"], "°C"),
        ("尿糖GLU", ["glucose", "urine_glucose"], ""),
        ("血红蛋白A2", [], ""),
        ("FBG", ["fasting_glucose", "fibrinogen"], ""),
        ("FBG(g/L)", ["fibrinogen"], "g/L"),
        ("CK-MB(ng/mL)", ["ck_mb_mass"], "ng/mL"),
        ("CK-MB[U/L]", ["ck_mb_activity"], "U/L"),
        ("PCT", ["plateletcrit", "procalcitonin"], ""),
        ("中性粒细胞(%)", ["neutrophils_share"], ""),
        ("血糖(空腹)", [], ""),
        ("血糖(ALT)", ["alt", "glucose"], ""),
        ("备注", [], ""),
    ],
)
def test_names_are_recognised(name, keys, unit):
    found = find_item(name)
    assert (sorted(one.key for one in found.items), found.unit) == (keys, unit)


@pytest.mark.parametrize(
    ("key", "value"),
    [  # reported of living patients, or of infants
        ("glucose", 147.6), ("creatinine", 6524), ("sodium", 255), ("chloride", 200), ("triglyceride", 230), ("ph", 6.33), ("pco2", 501),
        ("temperature", 11.8), ("temperature", 46.5), ("platelets", 10_000), ("ck", 200_000),
        ("procalcitonin", 500), ("bnp", 70_000), ("ferritin", 250_000), ("height", 25), ("weight", 0.25), ("weight", 610), ("bmi", 5),
        ("heart_rate", 400), ("respiration", 120), ("sbp", 370), ("uric_acid", 2), ("fio2", 15),
    ],
)  # fmt: skip
def test_what_has_been_measured_in_a_living_patient_is_no_error(key, value):
    assert item(key).low <= value <= item(key).high


@pytest.mark.parametrize(
    "text", ["01/02/2020", "20/1/31", "2020", "2020-01", "09:05", "2020-01-31T09:05:00Z", "2020-01-31 09:05+08:00", "May"]
)
def test_a_time_whose_day_or_zone_must_be_guessed_is_none(text):
    read = read_dates(pd.Series([text]))
    assert (np.isnat(read.values[0]), read.counts) == (True, {"unreadable": 1})


def test_times_to_the_second_are_read_as_people_write_them():
    texts = ["2020年1月31日9时5分30秒", "2020/1/31 9:05:30", "20200131090530", "31-Jan-2020 09:05:30", "2020-01-31T09:05:30.000"]
    assert (read_dates(pd.Series(texts)).values == np.datetime64("2020-01-31T09:05:30")).all()
    texts = ["2020年1月31日21时", "20200131 21:00", "2020-01-31 9:00 PM", "Jan 31, 2020 9 PM", "2020-01-31 21:00:00.0"]
    assert (read_dates(pd.Series(texts)).values == np.datetime64("2020-01-31T21:00:00")).all()


def test_texts_are_read_by_rule():
    read = read_numbers(
        pd.Series(
            ["<0.5", "＞1000", "阴性", "++", "5.6↑", "5.6 H", "3-5", "1,200", "5.6 mmol/L", "99 mg/dL", "标本溶血", "abc", "3 kg", None, 7]
        ),
        convert=lambda unit: conversion(item("glucose"), unit),
    )
    wanted = [0.25, 1000, np.nan, np.nan, 5.6, 5.6, 4, 1200, 5.6, 5.495, np.nan, np.nan, np.nan, np.nan, 7]
    np.testing.assert_allclose(read.values, wanted, atol=1e-3)
    assert read.counts == {
        "below_detection": 1, "above_detection": 1, "qualitative": 2, "mark_removed": 2, "range": 1, "own_unit": 2, "no_result": 1,
        "unreadable": 2,
    }  # fmt: skip
    assert read_numbers(pd.Series(["7.1(H)", "7.1（↓）", "\N{MINUS SIGN}3.2"])).values.tolist() == [7.1, 7.1, -3.2]
    for great in (np.inf, -1e300, "1e31"):
        read = read_numbers(pd.Series([1.0, great], dtype=object))
        assert (np.isnan(read.values[1]), read.counts["infinite"]) == (True, 1)


def test_grades_categories_and_dates_get_one_form():
    assert read_grades(pd.Series(["-", "±", "（+）", "2+", "+++", "4+", "x"])).values.tolist()[:-1] == [0, 0.5, 1, 2, 3, 4]
    assert read_categories(pd.Series(["男", "M", 1, 2, 2.0, "未说明", "?"]), "sex").values.tolist()[:5] == [
        "male",
        "male",
        "male",
        "female",
        "female",
    ]
    assert read_categories(pd.Series([0, 1]), "sex") is None
    assert read_categories(pd.Series([0, 1]), "sex", codes={0: "female", 1: "male"}).values.tolist() == ["female", "male"]
    assert read_categories(pd.Series(["有", "阴性", 1, -1]), "yes_no").counts == {"coded": 2, "uncoded": 1}
    assert read_categories(pd.Series([1, 2, 2, 1, 9]), "yes_no") is None  # 2 is no in one hospital, and former in another
    assert read_categories(pd.Series([1, 2]), "yes_no", codes={1: 1, 2: 0}).values.tolist() == [1, 0]
    dates = read_dates(pd.Series(["2020/1/31", "2020年1月31日", "20200131", 43861, pd.Timestamp("2020-01-31"), "1800-01-01", "?", "32日"]))
    assert (dates.values[:5] == np.datetime64("2020-01-31")).all()
    assert np.isnat(dates.values[5:]).all()
    assert dates.counts == {"dated": 4, "excel_date": 1, "no_result": 1, "unreadable": 1, "impossible_date": 1}


def test_stated_units_are_converted_and_limits_kept():
    cleaned = clean(pd.DataFrame({"血糖(mg/dL)": [90.0, 99.0, 5000.0], "收缩压": [120, 0, 130]}))
    np.testing.assert_allclose(cleaned.table["glucose"], [90 * 0.0555074, 99 * 0.0555074, np.nan], rtol=1e-6)
    assert cleaned.table["sbp"].isna().tolist() == [False, True, False]
    assert rules_of(cleaned, "血糖(mg/dL)") == {"converted": 3, "outlier": 1, "renamed": 0}
    assert all(change.of == 3 for change in cleaned.changes)


@pytest.mark.parametrize("name", ["血糖", "血糖(mmol/L)"])
def test_values_plainly_in_another_unit_are_flagged_never_converted(name):
    table = pd.DataFrame({name: [95.0, 101, 110, 88, 130]})
    cleaned = clean(table)
    pd.testing.assert_frame_equal(cleaned.table, table)
    assert [(change.rule, change.note.split(" / ")[1]) for change in cleaned.doubtful] == [("unit_doubtful", "mg/dL?")]
    told = clean(table, rules=CleaningRules(units={name: "mg/dL"}))
    assert told.table["glucose"].iloc[0] == pytest.approx(5.27, abs=0.01)
    assert not told.doubtful


def test_an_item_that_the_healthy_lack_is_doubted_where_no_unit_is_stated_and_nearly_all_is_far_beyond():
    rng = np.random.default_rng(0)
    in_ug_per_l, of_the_sick = rng.lognormal(5.7, 0.4, 50), rng.lognormal(2, 1.2, 50)
    assert [change.rule for change in clean(pd.DataFrame({"D-二聚体": in_ug_per_l})).doubtful] == ["unit_doubtful"]
    assert not clean(pd.DataFrame({"D-二聚体": of_the_sick})).doubtful
    assert not clean(pd.DataFrame({"D-二聚体(mg/L)": in_ug_per_l})).doubtful
    assert clean(pd.DataFrame({"D-二聚体(μg/L)": in_ug_per_l})).table["d_dimer"].tolist() == pytest.approx(in_ug_per_l / 1000)


def test_a_unit_that_does_not_fit_stops_the_column():
    table = pd.DataFrame({"血糖(mmHg)": [5.0, 6.0]})
    cleaned = clean(table)
    pd.testing.assert_frame_equal(cleaned.table, table)
    assert rules_of(cleaned) == {"unit_unknown": 0}


def test_single_values_of_another_unit_are_told():
    values = np.r_[np.full(50, 5.3), [95.0, 92, 98]]
    assert rules_of(clean(pd.DataFrame({"血糖": values})))["other_unit_likely"] == 3


def test_what_is_unknown_or_ambiguous_stays_and_is_named():
    table = pd.DataFrame({"备注": ["a", "b"], "P": [80, 90], "酸碱度": [7.4, 5.5], "性别": [0, 1]})
    cleaned = clean(table)
    pd.testing.assert_frame_equal(cleaned.table, table)
    assert [change.rule for change in cleaned.doubtful] == ["unknown_item", "ambiguous_item", "ambiguous_item", "codes_doubtful"]
    decided = clean(table, rules=CleaningRules(names={"P": "pulse", "酸碱度": "urine_ph"}, codes={"sex": {0: "female", 1: "male"}}))
    assert list(decided.table) == ["备注", "pulse", "urine_ph", "sex"]


def test_two_columns_of_one_item_are_joined():
    table = pd.DataFrame(
        {"血糖": [5.0, np.nan, 6.0, 5.0], "GLU": [np.nan, 7.0, 8.0, 5.0], "性别": ["男", "女", "男", None], "gender": ["M", "M", None, "F"]}
    )
    cleaned = clean(table)
    assert cleaned.table["glucose"].tolist() == [5, 7, 7, 5]
    assert cleaned.table["sex"].fillna("").tolist() == ["male", "", "male", "female"]
    assert rules_of(cleaned, "glucose") == {"repeats_joined": 2}
    assert rules_of(cleaned, "sex") == {"repeats_joined": 2, "repeats_conflict": 1}
    assert clean(table, rules=CleaningRules(repeats="last")).table["glucose"].tolist() == [5, 7, 8, 5]
    assert list(clean(pd.DataFrame({"x": [1], "检验时间": ["2020-01-01"], "报告时间": ["2020-01-02"]})).table) == [
        "x",
        "record_time",
        "报告时间",
    ]


def test_of_grades_and_of_yes_and_no_in_two_columns_the_highest_counts():
    table = {"吸烟": ["是", "否", None], "smoker": ["否", "否", "是"], "尿蛋白": ["+", "-", "++"], "PRO": ["3+", "-", None]}
    cleaned = clean(pd.DataFrame(table))
    assert cleaned.table["smoking"].tolist() == [1, 0, 1]
    assert cleaned.table["urine_protein"].tolist() == [3, 0, 2]
    assert [change.note for change in cleaned.changes if change.rule == "repeats_joined"] == ["2 columns, max"] * 2


def long_table():
    rows = [
        (1, "GLU", "99", "mg/dL", "2020/1/31"),
        (1, "血糖", "5.7", "mmol/L", "2020-01-31"),
        (1, "血糖", "6.1", "mmol/L", "2020-02-01"),
        (2, "WBC", "<0.2", "", "2020-01-31"),
        (2, "尿蛋白", "+", None, "2020-01-31"),
        (2, "PRO", "2+", None, "2020-01-31"),
        (2, "什么", "1", "", "2020-01-31"),
    ]
    return pd.DataFrame(rows, columns=["patient_id", "item", "value", "unit", "time"])


def test_a_long_table_is_cleaned_by_item_and_unit():
    cleaned = clean_long(long_table())
    got = [tuple(row) for row in cleaned.table[["patient_id", "item", "value", "unit"]].itertuples(index=False)]
    assert [row[:2] for row in got] == [(1, "glucose"), (1, "glucose"), (2, "urine_protein"), (2, "wbc"), (2, "什么")]
    assert [float(row[2]) for row in got] == pytest.approx([5.597, 6.1, 2, 0.1, 1], abs=1e-3)
    assert got[0][3] == "mmol/L"
    assert rules_of(cleaned, "glucose") == {"repeats_joined": 2}
    assert rules_of(cleaned, "什么") == {"unknown_item": 0}
    again = clean_long(cleaned.table)
    pd.testing.assert_frame_equal(again.table, cleaned.table)
    with pytest.raises(DataError, match="no column result"):
        clean_long(long_table(), columns=LongColumns(value="result"))


def test_cleaning_twice_changes_nothing_and_the_input_stays():
    table = pd.DataFrame(
        {
            "性别": ["男", "F", "女"],
            "肌酐(mg/dL)": ["0.9", "<0.4", "1.1"],
            "尿糖": ["-", "+", "±"],
            "WBC": [5.0, 1e6, 6.0],
            "入院日期": ["2020/1/1", None, 43861],
        }
    )
    before = table.copy(deep=True)
    once = clean(table)
    pd.testing.assert_frame_equal(table, before)
    twice = clean(once.table)
    pd.testing.assert_frame_equal(twice.table, once.table)
    assert {RULES[change.rule].kind for change in twice.changes} <= {"told"}


def test_the_summary_is_in_both_languages():
    cleaned = clean(pd.DataFrame({"血糖(mg/dL)": [90.0, 99.0, 5000.0], "备注": [1, 2, 3]}))
    assert "! 备注: 名称不在目录中" in cleaned.summary()
    assert "换算单位: 3 个值，1 列" in cleaned.summary()
    try:
        set_language("en")
        assert "beyond the item's limits: set to missing: 1 values in 1 columns" in cleaned.summary()
    finally:
        set_language("zh")
    assert not any(value in cleaned.log().to_string() for value in ("90.0", "5000"))


def test_decisions_that_cannot_be_are_refused():
    with pytest.raises(DefinitionError, match="repeats='mode'"):
        CleaningRules(repeats="mode")
    with pytest.raises(DefinitionError, match="no item 'sugar'"):
        CleaningRules(names={"血糖": "sugar"})
    with pytest.raises(DefinitionError, match="below_detection=2"):
        CleaningRules(below_detection=2)


def test_the_tongji_workbook_is_known():
    table = pd.read_excel(shared("risk/tongji_covid/time_series_375_prerpocess.xlsx"))
    assert {name: len(find_item(name).items) for name in table if len(find_item(name).items) != 1} == {"酸碱度": 2}
    cleaned = clean(table, rules=CleaningRules(names={"酸碱度": "ph"}))
    # The file mixes blood and urine: cells per uL of sediment among counts of blood, pH of urine; and some haemoglobin is in g/dL.
    outliers = {change.item: change.count for change in cleaned.changes if change.rule == "outlier"}
    assert outliers == {"hemoglobin": 1, "platelets": 4, "wbc": 1, "rbc": 79, "ph": 169}
    assert {"hemoglobin": 15}.items() <= {change.item: change.count for change in cleaned.doubtful}.items()
    pd.testing.assert_frame_equal(clean(cleaned.table).table, cleaned.table)
