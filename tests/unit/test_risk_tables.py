"""Plain tables as the source of a study: their forms, what is refused, and that nothing from after a prediction gets in."""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import workbench.risk.protocol
from tests.lib.paths import shared
from workbench.errors import DataError, DefinitionError
from workbench.risk.extraction.dataset import ItemsLeftOut, UnitsMixed, extract
from workbench.risk.extraction.tables import read_tables
from workbench.risk.protocol.files import read_study
from workbench.risk.protocol.protocol import Protocol

STAY = {"label": "死亡", "kind": "binary", "status": "结局"}
DEATH = {"label": "死亡", "status": "结局", "time": "随访"}


def patients(**more):
    return pd.DataFrame({"编号": ["a", "b", "c", "d"], "年龄": [60, 71, 48, 80], "结局": [1, 0, 0, 1], "随访": [10, 40, 7, 3], **more})


def study(outcome=STAY, predictors=({"column": "年龄"},), **more):
    return Protocol(**{"title": "t", "tables": {"patient": "编号"}, "outcome": outcome, "predictors": list(predictors), **more})


def files(folder, *tables):
    paths = []
    for place, table in enumerate(tables):
        paths.append(folder / f"table{place}.csv")
        table.to_csv(paths[-1], index=False)
    return paths


def run(folder, protocol, *tables):
    return extract(protocol, read_tables(files(folder, *tables), protocol))


def step(data, words):
    (found,) = [one for one in data.cohort.flow if words in one.name]
    return found.rows, found.persons


# forms and files --------------------------------------------------------------------------------------------------------------


def test_a_row_a_patient(tmp_path):
    data = run(tmp_path, study(), patients())
    assert data.X["年龄"].tolist() == [60, 71, 48, 80]
    assert data.y.tolist() == [True, False, False, True]
    assert data.rows["person"].tolist() == ["a", "b", "c", "d"]
    assert data.rows["predicted_at"].isna().all()
    assert data.features.columns[0] == ("年龄", "年龄", "岁", "number", "column", "age")
    assert [(one.rows, one.persons) for one in data.cohort.flow] == [(4, 4), (4, 4)]


def test_without_a_column_of_patients_each_row_is_one(tmp_path):
    data = run(tmp_path, study(tables={"patient": ""}), patients().drop(columns="编号"))
    assert data.rows["person"].tolist() == ["1", "2", "3", "4"]
    assert data.X["年龄"].tolist() == [60, 71, 48, 80]
    with pytest.raises(DefinitionError, match="patient is empty"):
        study(tables={"patient": "", "time": "采样时间"})


@pytest.mark.parametrize("kind", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "tsv", "gz", "semicolon", "xlsx", "sheet", "parquet"])
def test_the_kind_of_file_makes_no_difference(tmp_path, kind):
    table, sheet = patients(性别=["男", "女", "女", None]), ""
    path = tmp_path / {"tsv": "t.tsv", "gz": "t.csv.gz", "xlsx": "t.xlsx", "sheet": "t.xlsx", "parquet": "t.parquet"}.get(kind, "t.csv")
    if kind == "sheet":
        sheet = "第二页"
        with pd.ExcelWriter(path) as book:
            pd.DataFrame({"x": [1]}).to_excel(book, sheet_name="第一页", index=False)
            table.to_excel(book, sheet_name=sheet, index=False)
    elif kind == "xlsx":
        table.to_excel(path, index=False)
    elif kind == "parquet":
        table.to_parquet(path)
    elif kind == "gz":
        path.write_bytes(gzip.compress(table.to_csv(index=False).encode()))
    else:
        table.to_csv(
            path,
            index=False,
            sep={"tsv": "\t", "semicolon": ";"}.get(kind, ","),
            encoding=kind if "utf" in kind or "gb" in kind else "utf-8",
        )
    protocol = study(predictors=[{"column": ["年龄", "性别"]}], tables={"patient": "编号", "sheet": sheet})
    data = extract(protocol, read_tables([path], protocol))
    assert data.X["年龄"].tolist() == [60, 71, 48, 80]
    assert data.X["性别"].astype(object).where(data.X["性别"].notna(), None).tolist() == ["male", "female", "female", None]
    assert data.X["性别"].cat.categories.tolist() == ["female", "male"]
    assert len(data.origin) == 64


TIMED = {"patient": "编号", "time": "采样时间"}
RESULTS = {**TIMED, "item": "项目", "value": "结果", "unit": "单位"}
AT = {"at": "入院", "plus_hours": 24}


def dated(**more):
    return patients(**{"入院": ["2024-03-01 08:00"] * 4, **more}).drop(columns="随访")


def draws():
    """Of a: 5, then 6 before the prediction (2024-03-02 08:00), 99 at it; of b none before it; of c one of each item; of d nothing."""
    rows = [("a", "03-01 09:00", 5, 70), ("a", "03-02 07:00", 6, None), ("a", "03-02 08:00", 25, 80), ("b", "03-03 10:00", 7, 75)]
    rows += [("c", "03-01 10:00", 8, None), ("c", "03-01 12:00", None, 90)]
    return pd.DataFrame([(who, f"2024-{when}", *values) for who, when, *values in rows], columns=["编号", "采样时间", "葡萄糖", "肌酐"])


def results():
    long = draws().melt(["编号", "采样时间"], var_name="项目", value_name="结果").dropna()
    long["单位"] = long["项目"].map({"葡萄糖": "mmol/L", "肌酐": "umol/L"})
    return long


@pytest.mark.parametrize(
    ("layout", "table"), [(TIMED, draws()), (RESULTS, results()), (RESULTS, results().iloc[::-1])], ids=["times", "results", "turned"]
)
def test_results_are_known_strictly_before_the_prediction(tmp_path, layout, table):
    asked = [{"labs": ["葡萄糖", "creatinine"]}, {"labs": "glucose", "pick": "max"}, {"labs": "肌酐", "pick": "count"}]
    data = run(tmp_path, study(predictors=asked, tables=layout, index=AT), dated(), table)
    np.testing.assert_array_equal(data.X["glucose"], [6, np.nan, 8, np.nan])
    np.testing.assert_array_equal(data.X["creatinine"], [70, np.nan, 90, np.nan])
    np.testing.assert_array_equal(data.X["glucose_max"], [6, np.nan, 8, np.nan])
    assert data.X["creatinine_count"].tolist() == [1, 0, 1, 0]
    assert (data.rows["predicted_at"] == pd.Timestamp("2024-03-02 08:00")).all()
    told = data.features.provenance.set_index("feature").loc["glucose"]
    assert (told["known"], told["records"], told["nearest_hours"], told["asked"], told["clock"]) == (2, 3, 1.0, "glucose", "available")
    assert data.features.columns[2].label == "葡萄糖（最大值）"
    assert data.features.columns[3].unit == ""


def test_all_items_are_those_that_the_catalogue_knows(tmp_path):
    table = draws().assign(心率=80, 备注="x", 结局二=1, 酸碱度=7.4)
    with pytest.warns(ItemsLeftOut, match="^3 个项目未作为预测因子：名称不在项目目录中，或对应多个项目（3 个）。名称见数据清洗记录$"):
        data = run(tmp_path, study(predictors=[{"labs": "all"}, {"vitals": "all"}], tables=TIMED, index=AT), dated(), table)
    assert list(data.X) == ["glucose", "creatinine", "heart_rate"]
    assert {change.column for change in data.features.changes if change.rule == "left_out"} == {"备注", "结局二", "酸碱度"}


def test_items_that_cleaning_cannot_decide_are_left_out_of_all_and_told(tmp_path):
    table = draws().assign(ca="no")
    with pytest.warns(ItemsLeftOut, match="多数值不是该项目的结果（1 个）"):
        data = run(tmp_path, study(predictors=[{"labs": "all"}], tables=TIMED, index=AT), dated(), table)
    assert list(data.X) == ["glucose", "creatinine"]


def test_gap_look_back_and_the_two_clocks(tmp_path):
    table = results().assign(报告=lambda rows: rows["采样时间"].replace({"2024-03-02 07:00": "2024-03-02 09:00"}))
    asked = [
        {"labs": "glucose", "name": "known"},
        {"labs": "glucose", "name": "drawn", "clock": "recorded"},
        {"labs": "glucose", "name": "recent", "look_back_hours": 20},
        {"labs": "glucose", "name": "gap", "clock": "recorded", "gap_hours": 1},
    ]
    source = study(predictors=asked, tables={**RESULTS, "available": "报告"}, index=AT)
    data = run(tmp_path, source, dated(), table)
    assert data.X.iloc[0].to_dict() == pytest.approx({"known": 5, "drawn": 6, "recent": np.nan, "gap": 5}, nan_ok=True)


def test_what_is_known_before_it_is_taken_is_known_when_it_is_taken(tmp_path):
    table = results().assign(报告="2024-03-01 08:30")
    data = run(tmp_path, study(predictors=[{"labs": "glucose"}], tables={**RESULTS, "available": "报告"}, index=AT), dated(), table)
    np.testing.assert_array_equal(data.X["glucose"], [6, np.nan, 8, np.nan])


def test_a_day_without_a_clock_is_its_end(tmp_path):
    table = pd.DataFrame({"编号": ["a", "b"], "采样时间": ["2024-03-01", "2024-03-02"], "葡萄糖": [5, 7]})
    data = run(tmp_path, study(predictors=[{"labs": "葡萄糖"}], tables=TIMED, index=AT), dated(), table)
    np.testing.assert_array_equal(data.X["glucose"], [5, np.nan, np.nan, np.nan])
    data = run(tmp_path, study(predictors=[{"labs": "葡萄糖"}], tables=TIMED, index={"at": "入院", "plus_hours": 15.9}), dated(), table)
    assert data.X["glucose"].isna().all()


def test_blank_patients_are_filled_down_only_where_asked(tmp_path):
    table = draws()
    table.loc[table["编号"].duplicated(), "编号"] = None
    with pytest.raises(DataError, match=r"3 of 6 rows of table1\.csv have no patient"):
        run(tmp_path, study(predictors=[{"labs": "葡萄糖"}], tables=TIMED, index=AT), dated(), table)
    data = run(tmp_path, study(predictors=[{"labs": "葡萄糖"}], tables={**TIMED, "fill_down": True}, index=AT), dated(), table)
    np.testing.assert_array_equal(data.X["glucose"], [6, np.nan, 8, np.nan])


def test_patients_are_the_same_whether_a_file_writes_12_or_12_0(tmp_path):
    one, two = dated(编号=[1, 2, 3, 4]), draws().assign(编号=draws()["编号"].map({"a": 1.0, "b": 2.0, "c": 3.0}))
    one.to_csv(tmp_path / "one.csv", index=False)
    two.to_parquet(tmp_path / "two.parquet")
    protocol = study(predictors=[{"labs": "葡萄糖"}], tables=TIMED, index=AT)
    data = extract(protocol, read_tables([tmp_path / "one.csv", tmp_path / "two.parquet"], protocol))
    assert data.X["glucose"].notna().sum() == 2


def test_repeated_results_are_joined_by_their_median_and_told(tmp_path):
    table = pd.DataFrame({"编号": "a", "采样时间": "2024-03-01 09:00", "葡萄糖": [4, 5, 9]})
    data = run(tmp_path, study(predictors=[{"labs": "葡萄糖"}], tables=TIMED, index=AT), dated(), table)
    assert data.X["glucose"][0] == 5
    assert ("glucose", "repeats_joined", 3) in {(change.item, change.rule, change.count) for change in data.features.changes}


# words ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"labs": "肌酐酶谱"}, "no item '肌酐酶谱'\n  -> nearest: 肌酐"),
        ({"labs": "钾"}, "no '钾' .*Potassium.*\n  -> tables.names"),
        ({"column": "年龄组"}, "no column '年龄组'\n  -> nearest: 年龄"),
        ({"column": "结局"}, "is the outcome's"),
        ({"column": "编号"}, "says how the tables are read"),
        ({"column": "住院号"}, "an identifier"),
        ({"column": "入院"}, "a date"),
        ({"column": "年龄", "pick": "max"}, "one value a patient"),
        ({"labs": "葡萄糖", "kind": "category"}, "known_at and kind belong to a column"),
        ({"diagnoses": "I21"}, "plain tables have no diagnoses"),
        ({"column": "葡萄糖"}, "changes within 1 patients"),
        ({"labs": "备注"}, "holds words"),
        ({"images": "all"}, "no images"),
    ],
)
def test_what_cannot_be_a_predictor_is_refused(tmp_path, asked, message):
    with pytest.raises(DefinitionError, match=message):
        run(tmp_path, study(predictors=[asked], tables=TIMED, index=AT), dated(), draws().assign(备注="好", 住院号="z"))


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ({"patient": "编 号"}, "no column .tables.patient. '编 号'\n  -> nearest: 编号"),
        ({**TIMED, "time": "采样"}, "nearest: 采样时间"),
        ({**TIMED, "item": "项目"}, "only one of item and value"),
        ({**TIMED, "names": {"葡萄": "glucose"}}, "tables.names"),
        ({**TIMED, "units": {"葡萄": "mg/dL"}}, "tables.units"),
        ({**TIMED, "codes": {"性": {1: "男"}}}, "tables.codes"),
        ({**TIMED, "names": {"葡萄糖": "sugar"}}, "no item 'sugar'"),
        ({"patient": ""}, "nothing joins the rows of 2 tables"),
    ],
)
def test_a_layout_that_does_not_fit_is_refused(tmp_path, layout, message):
    with pytest.raises(DefinitionError, match=message):
        run(tmp_path, study(predictors=[{"labs": "葡萄糖"}], tables=layout, index=AT), dated(), draws())


def test_ambiguous_names_want_a_word_of_the_protocol(tmp_path):
    table = draws().rename(columns={"葡萄糖": "酸碱度"}).assign(酸碱度=7.4)
    with pytest.raises(DefinitionError, match=r"no 'ph' .*\n.*tables\.names"):
        run(tmp_path, study(predictors=[{"labs": "ph"}], tables=TIMED, index=AT), dated(), table)
    layout = {**TIMED, "names": {"酸碱度": "ph"}}
    data = run(tmp_path, study(predictors=[{"labs": "ph"}], tables=layout, index=AT), dated(), table)
    assert list(data.X) == ["ph"]


def test_a_wrong_unit_is_refused_and_a_stated_one_believed(tmp_path):
    table = patients(血糖=[90, 100, 110, 95])
    with pytest.raises(DefinitionError, match="plainly in another unit"):
        run(tmp_path, study(predictors=[{"labs": "血糖"}]), table)
    data = run(tmp_path, study(predictors=[{"labs": "血糖"}], tables={"patient": "编号", "units": {"血糖": "mg/dL"}}), table)
    assert data.X["glucose"][0] == pytest.approx(90 / 18.016, rel=1e-3)
    timed = draws().assign(葡萄糖=[90, 100, 110, 120, 90, 95])
    with pytest.raises(DefinitionError, match="unit_doubtful"):
        run(tmp_path, study(predictors=[{"labs": "葡萄糖"}], tables=TIMED, index={**AT, "plus_hours": 100}), dated(), timed)


def test_uncleaned_tables_are_taken_as_they_are(tmp_path):
    layout = {"patient": "编号", "clean": False}
    data = run(
        tmp_path,
        study(predictors=[{"labs": "血糖"}, {"column": "性别"}], tables=layout),
        patients(血糖=[90, 100, 110, 95], 性别=["男"] * 4),
    )
    assert data.X["glucose"].tolist() == [90, 100, 110, 95]
    assert data.X["性别"].tolist() == ["男"] * 4
    assert data.features.columns[0].unit == ""


@pytest.mark.parametrize(("layout", "table"), [(TIMED, draws()), (RESULTS, results())], ids=["times", "results"])
def test_uncleaned_results_are_taken_as_they_are(tmp_path, layout, table):
    table = table.replace({"2024-03-01 10:00": "2024-03-01 11:00"}).assign(
        **({"葡萄糖": table["葡萄糖"] * 1000} if "葡萄糖" in table else {})
    )
    table = table.assign(**({"结果": table["结果"] * 1000} if "结果" in table else {}))
    data = run(tmp_path, study(predictors=[{"labs": "葡萄糖"}], tables={**layout, "clean": False}, index=AT), dated(), table)
    np.testing.assert_array_equal(data.X["glucose"], [6000, np.nan, 8000, np.nan])


def test_of_repeated_grades_the_highest_counts(tmp_path):
    table = pd.DataFrame({"编号": "a", "采样时间": "2024-03-01 09:00", "尿蛋白": ["-", "+", "2+"], "葡萄糖": [5, 6, 9]})
    data = run(tmp_path, study(predictors=[{"labs": ["尿蛋白", "葡萄糖"]}], tables=TIMED, index=AT), dated(), table)
    assert data.X.iloc[0].tolist() == [2, 6]


def test_an_item_of_words_is_refused_in_a_table_of_results(tmp_path):
    table = pd.concat([results(), results().assign(项目="培养", 结果="阴性", 单位=None)])
    with pytest.raises(DefinitionError, match="'培养' holds words"):
        run(tmp_path, study(predictors=[{"labs": ["培养", "葡萄糖"]}], tables=RESULTS, index=AT), dated(), table)


def test_categories_codes_and_words(tmp_path):
    table = patients(
        性别=[0, 1, 1, None], 分期=["I", "II", None, "II"], 教育=[1, 2, 9, 1], 手术=["是", "否", "是", "NA"], 随机=[0, 1, 1, 0]
    )
    layout = {"patient": "编号", "codes": {"性别": {0: "女", 1: "男"}, "教育": {1: "小学", 2: "中学"}}}
    asked = [{"column": ["性别", "分期", "教育", "随机"]}, {"column": "手术", "kind": "yes_no"}, {"column": "结局二", "kind": "category"}]
    data = run(tmp_path, study(predictors=asked, tables=layout), table.assign(结局二=[1, 2, 3, 1]))
    shown = {name: [None if pd.isna(value) else value for value in data.X[name]] for name in data.X}
    assert shown == {
        "性别": ["female", "male", "male", None],
        "分期": ["I", "II", None, "II"],
        "教育": ["小学", "中学", None, "小学"],
        "随机": [0, 1, 1, 0],
        "手术": [1, 0, 1, None],
        "结局二": ["1", "2", "3", "1"],
    }
    assert [feature.kind for feature in data.features.columns] == ["category", "category", "category", "yes_no", "yes_no", "category"]
    assert ("教育", "uncoded", 1) in {(change.column, change.rule, change.count) for change in data.features.changes}


def test_sexes_of_no_agreed_meaning_stay_codes_and_are_told(tmp_path):
    data = run(tmp_path, study(predictors=[{"column": "性别"}]), patients(性别=[0, 1, 1, 0]))
    assert data.X["性别"].tolist() == ["0", "1", "1", "0"]
    assert "codes_doubtful" in {change.rule for change in data.features.changes}


def test_yes_and_no_written_1_and_2_stay_codes_until_somebody_says(tmp_path):
    """Taken for 1 = yes, the others would be missing."""
    table, layout = patients(吸烟=[1, 2, 1, 2]), {"patient": "编号", "codes": {"吸烟": {1: "是", 2: "否"}}}
    assert run(tmp_path, study(predictors=[{"column": "吸烟"}]), table).X["吸烟"].tolist() == ["1", "2", "1", "2"]
    assert run(tmp_path, study(predictors=[{"column": "吸烟"}], tables=layout), table).X["吸烟"].tolist() == [1, 0, 1, 0]
    with pytest.raises(DefinitionError, match="which is yes"):
        run(tmp_path, study(predictors=[{"column": "手术", "kind": "yes_no"}]), patients(手术=[1, 2, 1, 2]))


def test_a_name_that_means_something_else_is_not_emptied(tmp_path):
    data = run(tmp_path, study(predictors=[{"column": "ca"}]), patients(ca=["no", "yes", "metastatic", "no"]))
    assert data.X["ca"].tolist() == ["no", "yes", "metastatic", "no"]
    assert [change.note for change in data.features.changes if change.rule == "unknown_item"] == ["不是钙"]
    timed = draws().assign(ca="no")
    with pytest.raises(DefinitionError, match="no result of this item"):
        run(tmp_path, study(predictors=[{"labs": "ca"}], tables=TIMED, index=AT), dated(), timed)


def test_texts_that_are_no_category_are_refused(tmp_path):
    table = pd.DataFrame({"编号": range(60), "结局": [0, 1] * 30, "主诉": [f"发热{day}天" for day in range(60)]})
    with pytest.raises(DefinitionError, match="60 different texts in 60 values"):
        run(tmp_path, study(predictors=[{"column": "主诉"}]), table)
    data = run(tmp_path, study(predictors=[{"column": "主诉", "kind": "category"}]), table)
    assert len(data.X["主诉"].cat.categories) == 60


@pytest.mark.parametrize("kind", ["yes_no", "number"])
def test_a_stated_kind_that_most_values_are_not_is_refused(tmp_path, kind):
    with pytest.raises(DefinitionError, match=f"most values of column 'x' are no {kind}"):
        run(tmp_path, study(predictors=[{"column": "x", "kind": kind}]), patients(x=["甲", "乙", "甲", "1"]))


def test_an_unknown_item_in_two_units_is_refused(tmp_path):
    table = results().assign(项目="新指标")
    protocol = study(predictors=[{"labs": "新指标"}], tables=RESULTS, index=AT)
    with pytest.raises(DefinitionError, match="'新指标' is in 2 units"):
        run(tmp_path, protocol, dated(), table)
    data = run(tmp_path, protocol, dated(), table.assign(单位="ng/mL"))
    assert data.features.columns[0].unit == "ng/mL"


def test_rows_without_a_time_are_not_used_and_counted(tmp_path):
    protocol = study(predictors=[{"labs": "葡萄糖"}], tables=TIMED, index=AT)
    data = run(tmp_path, protocol, dated(), draws().assign(采样时间=["2024-03-01 09:00", None, "不详", None, None, None]))
    np.testing.assert_array_equal(data.X["glucose"], [5, np.nan, np.nan, np.nan])
    assert ("采样时间", 5) in {(change.column, change.count) for change in data.features.changes if change.rule == "unreadable"}
    with pytest.raises(DataError, match=r"no row of table1\.csv has a time"):
        run(tmp_path, protocol, dated(), draws().assign(采样时间=None))


def test_nested_values_are_text(tmp_path):
    patients(标签=[[1, 2], [3], None, [4]]).to_parquet(tmp_path / "t.parquet")
    protocol = study(predictors=[{"column": ["标签", "年龄"]}])
    assert extract(protocol, read_tables([tmp_path / "t.parquet"], protocol)).X["标签"][0] == "[1, 2]"


def test_two_predictors_need_two_names(tmp_path):
    asked = [{"labs": "葡萄糖"}, {"labs": "glucose", "look_back_hours": 6}]
    with pytest.raises(DefinitionError, match="two predictors are called glucose"):
        run(tmp_path, study(predictors=asked, tables=TIMED, index=AT), dated(), draws())


# facts that a time has ----------------------------------------------------------------------------------------------------------


def test_a_fact_of_a_timed_table_must_not_vary(tmp_path):
    table = draws().assign(年龄=60, 科室=["ICU", "ICU", "普通", "ICU", "ICU", "ICU"], 诊断=[None, None, "x", "x", "x", "x"])
    protocol = study(predictors=[{"column": "科室"}], tables=TIMED, index=AT)
    with pytest.raises(DefinitionError, match=r"changes within 1 patients.*\n.*asked as labs"):
        run(tmp_path, protocol, dated(), table)
    with pytest.raises(DefinitionError, match="filled only later than the first row of 1 patients"):
        run(tmp_path, protocol.changed(predictors=[{"column": "诊断"}]), dated(), table)
    with pytest.raises(DefinitionError, match="differs between tables for 2 patients"):
        run(tmp_path, protocol.changed(predictors=[{"column": "年龄"}]), dated(), table)


def test_an_outcome_may_be_written_in_the_last_row(tmp_path):
    table = draws().assign(转归=[None, None, 1, 0, None, 0], 入院="2024-03-01 08:00")
    protocol = study({**STAY, "status": "转归"}, [{"labs": "葡萄糖"}], tables=TIMED, index=AT)
    data = run(tmp_path, protocol, table)
    assert dict(zip(data.rows["person"], data.y, strict=True)) == {"a": True, "b": False, "c": False}


def test_a_table_of_other_patients_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no patient of the study is in table1\.csv"):
        run(
            tmp_path,
            study(predictors=[{"labs": "葡萄糖"}], tables=TIMED, index=AT),
            dated(),
            draws().assign(编号=[f"0{who}" for who in range(6)]),
        )


def test_a_column_counts_only_where_it_was_known(tmp_path):
    table = dated(CT=[1.5, 2.5, 3.5, 4.5], 报告=["2024-03-02 07:00", "2024-03-02 08:00", "2024-03-02", None])
    protocol = study(predictors=[{"column": "CT", "known_at": "报告"}], tables=TIMED, index=AT)
    data = run(tmp_path, protocol, table, draws())
    np.testing.assert_array_equal(data.X["CT"], [1.5, np.nan, np.nan, np.nan])
    assert data.features.provenance["nearest_hours"].tolist() == [1.0]
    gap = run(tmp_path, protocol.changed(predictors=[{"column": "CT", "known_at": "报告", "gap_hours": 1}]), table, draws())
    assert gap.X["CT"].isna().all()
    with pytest.raises(DefinitionError, match="needs a prediction with a time"):
        run(tmp_path, protocol.changed(index={}), table, draws())


# outcomes -----------------------------------------------------------------------------------------------------------------------


def test_lengths_of_follow_up_are_told_in_days(tmp_path):
    for unit, days in {"hours": 10 / 24, "days": 10, "weeks": 70, "months": 304.375, "years": 3652.5}.items():  # as figures count
        data = run(tmp_path, study({**DEATH, "time_unit": unit}), patients())
        assert data.y["time"][0] == pytest.approx(days)
    assert data.y["event"].tolist() == [True, False, False, True]
    assert data.y.dtype["event"].kind == "b"


def test_competing_outcomes_are_causes(tmp_path):
    table = patients(结局=["死亡", "出院 ", "转院", "死亡"])
    data = run(tmp_path, study({**DEATH, "event": "死亡", "competing": {"离院": ["出院", "转院"]}}), table)
    assert data.y["event"].tolist() == [1, 2, 2, 1]
    assert data.cohort.causes == ("死亡", "离院")
    with pytest.raises(DefinitionError, match="stands for two outcomes"):
        run(tmp_path, study({**DEATH, "event": "死亡", "competing": {"离院": ["出院", "死亡"]}}), table)
    other = patients(死亡=[1, 0, 0, 1], 结局=[1, 0, 0, 0])
    data = run(tmp_path, study({**DEATH, "competing": {"病死": {"死亡": 1}}}), other)
    assert data.y["event"].tolist() == [1, 0, 0, 2], "where the status tells of the outcome, another column tells of nothing"
    with pytest.raises(DefinitionError, match="死亡"):
        run(tmp_path, study({**DEATH, "competing": {"病死": {"死亡": 1}}}, [{"column": "死亡"}]), other)
    with pytest.raises(DataError, match="no patient has the outcome '离院'"):
        run(tmp_path, study({**DEATH, "event": "死亡", "competing": {"离院": "离院"}}), table)


def test_dates_of_the_end_count_from_the_prediction(tmp_path):
    table = dated(结束=["2024-03-02 20:00", "2024-03-12 08:00", "2024-03-02 08:00", "2024-03-02"])
    data = run(tmp_path, study({"label": "死亡", "status": "结局", "at": "结束"}, index=AT), table)
    assert data.rows["person"].tolist() == ["a", "b", "d"]
    np.testing.assert_allclose(data.y["time"], [0.5, 10, 16 / 24], atol=1e-9)
    assert step(data, "尚无结局") == (3, 3)


def test_between_two_days_without_a_clock_follow_up_is_whole(tmp_path):
    table = patients(入院="2024-03-01", 结束=["2024-03-11", "2024-03-01", "2024-02-29", None])
    data = run(tmp_path, study({"label": "死亡", "status": "结局", "at": "结束"}, index={"at": "入院"}), table)
    assert data.y["time"].tolist() == [10, 0.5]
    assert step(data, "结局不详") == (3, 3)


def test_numbers_with_a_unit_behind_are_no_category(tmp_path):
    table = pd.DataFrame({"编号": range(90), "年龄": 60, "结局": [0, 1] * 45, "随访": 5, "射血": [f"{30 + k % 30}%" for k in range(90)]})
    with pytest.raises(DefinitionError, match="30 different texts, most of which begin with a number"):
        run(tmp_path, study(predictors=[{"column": "射血"}]), table)
    taken = run(tmp_path, study(predictors=[{"column": "射血", "kind": "category"}]), table)
    assert taken.X["射血"].nunique() == 30


def test_dates_that_make_a_follow_up_beyond_a_life_are_refused(tmp_path):
    table = patients(入院=["1850-01-01", "2024-03-01", "2024-03-01", "2024-03-01"], 结束="2024-03-11")
    with pytest.raises(DataError, match="1 patients are followed for more than 120 years\n  -> one of the two dates"):
        run(tmp_path, study({"label": "死亡", "status": "结局", "at": "结束"}, index={"at": "入院"}), table)


def test_who_ended_before_the_prediction_or_unknown_leaves(tmp_path):
    table = patients(结局=[1, None, 0, 1], 随访=[0, 40, 7, 3])
    data = run(tmp_path, study(DEATH), table)
    assert data.rows["person"].tolist() == ["c", "d"]
    assert step(data, "结局不详") == (3, 3)
    assert step(data, "尚无结局") == (2, 2)


def test_a_blackout_and_a_horizon(tmp_path):
    soon = run(tmp_path, study({**DEATH, "blackout_hours": 72}), patients())
    assert soon.rows["person"].tolist() == ["a", "b", "c"]
    assert step(soon, "72 小时内") == (3, 3)
    binary = run(tmp_path, study({**DEATH, "kind": "binary", "horizons_days": [8]}), patients())
    assert (binary.rows["person"].tolist(), binary.y.tolist()) == (["a", "b", "d"], [False, False, True])
    stay = run(tmp_path, study({**DEATH, "kind": "binary", "horizons_days": [8], "end": "stay"}), patients())
    assert stay.y.tolist() == [False, False, False, True]


@pytest.mark.parametrize(
    ("outcome", "more", "error", "message"),
    [
        ({**DEATH, "event": 7}, {}, DataError, "no patient has the outcome '死亡'"),
        (DEATH, {"随访": [-9, 1, 2, 3]}, DataError, "1 patients have a negative follow-up"),
        (DEATH, {"随访": [1e12, 1, 2, 3]}, DataError, "1 patients are followed for more than 120 years"),
        (DEATH, {"随访": ["三天", 1, 2, np.inf]}, DataError, "2 values of column '随访' are no numbers"),
        (DEATH, {"随访": [0, 0, 0, 0]}, DataError, "nobody is left after"),
        (DEATH, {"随访": [0, 4, 4, 0]}, DataError, "no row has the outcome '死亡' after its prediction"),
        (STAY, {"结局": [1, 1, 1, 1]}, DataError, "every row has the outcome"),
        (STAY, {"结局": [None] * 4}, DataError, "no patient has the outcome"),
        ({**STAY, "status": "结果"}, {}, DefinitionError, "no column '结果'\n  -> nearest: 结局"),
        ({**STAY, "status": ""}, {}, DefinitionError, "outcome.status is missing"),
        ({"label": "死亡", "status": "结局"}, {}, DefinitionError, "has no time"),
        ({**DEATH, "at": "随访"}, {}, DefinitionError, "has a time and an at"),
        ({"label": "死亡", "status": "结局", "at": "随访"}, {}, DefinitionError, "there is none"),
        ({**STAY, "blackout_hours": 2}, {}, DefinitionError, "needs a time of the outcome"),
        ({**STAY, "horizons_days": [2]}, {}, DefinitionError, "needs a time of the outcome"),
        ({**DEATH, "kind": "binary", "horizons_days": [2, 3]}, {}, DefinitionError, "several horizons"),
        ({**DEATH, "events": {"deaths": "all"}}, {}, DefinitionError, "asked of a store"),
    ],
)
def test_impossible_outcomes_are_refused(tmp_path, outcome, more, error, message):
    with pytest.raises(error, match=message):
        run(tmp_path, study(outcome), patients(**more))


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ({"plus_hours": 2}, "there is none"),
        ({"landmarks": {"every_hours": 24, "until_hours": 48}}, "landmarks need index.at"),
        ({"at": "年龄"}, "no value of column 年龄 is a date"),
        ({"at": "住院"}, "no column '住院'\n  -> nearest: 入院"),
    ],
)
def test_impossible_indexes_are_refused(tmp_path, index, message):
    with pytest.raises((DataError, DefinitionError), match=message):
        run(tmp_path, study(index=index), dated())


@pytest.mark.parametrize(
    ("when", "message"),
    [
        (["03/01/2024 08:00"] * 4, "1 values of column 入院 begin with a day or a month"),
        (["2024-03-01T08:00:00+08:00"] * 4, "have a zone"),
        (["2024-03-01T08:00:00Z"] * 4, "have a zone"),
        ([1, 2, 3, 4], "no value of column 入院 is a date"),
    ],
)
def test_times_that_can_be_read_in_two_ways_are_refused(tmp_path, when, message):
    with pytest.raises(DataError, match=message):
        run(tmp_path, study(index=AT), dated(入院=when))


def test_times_are_read_in_any_other_form(tmp_path):
    when = ["2024年3月1日 8时0分", "2024/3/1 8:00", "20240301080000", "45352.333333"]
    data = run(tmp_path, study(index=AT), dated(入院=when))
    assert (data.rows["predicted_at"] == pd.Timestamp("2024-03-02 08:00")).all()
    dated(入院=pd.Timestamp("2024-03-01 08:00", tz="Asia/Shanghai")).to_parquet(tmp_path / "t.parquet")
    source = read_tables([tmp_path / "t.parquet"], study(index=AT))
    with pytest.raises(DataError, match="have a zone"):
        source.cohort(study(index=AT))


def test_landmarks_are_made_while_at_risk_and_outcome_free(tmp_path):
    ends = ["2024-03-03 08:00", "2024-03-09 08:00", "2024-03-01 07:00", "2024-03-02 09:00"]
    index = {"at": "入院", "landmarks": {"every_hours": 24, "until_hours": 72}}
    asked = study({"label": "死亡", "status": "结局", "at": "结束"}, [{"labs": "葡萄糖"}], tables=TIMED, index=index)
    data = run(tmp_path, asked, dated(结束=ends), draws())
    assert list(zip(data.rows["person"], data.rows["landmark_hours"], strict=True)) == [
        *(("a", hour) for hour in (0, 24)),
        *(("b", hour) for hour in (0, 24, 48, 72)),
        *(("d", hour) for hour in (0, 24)),
    ]
    np.testing.assert_allclose(data.y["time"], [2, 1, 8, 7, 6, 5, 25 / 24, 1 / 24])
    np.testing.assert_array_equal(data.X["glucose"], [np.nan, 6, np.nan, np.nan, np.nan, 7, np.nan, np.nan])
    assert step(data, "每 24 小时预测一次") == (8, 3)
    with pytest.raises(DefinitionError, match="end before the first prediction"):
        run(tmp_path, asked.changed(index={**index, "plus_hours": 100}), dated(结束=ends), draws())


def test_a_landmark_knows_what_was_known_by_then(tmp_path):
    table = draws().assign(报告=["2024-03-03 07:00", *draws()["采样时间"][1:]])
    index = {"at": "入院", "landmarks": {"every_hours": 24, "until_hours": 48}}
    outcome = {"label": "死亡", "status": "结局", "at": "结束"}
    asked = {"labs": "葡萄糖", "pick": "first"}
    protocol = study(outcome, [asked], tables={**TIMED, "available": "报告"}, index=index)
    data = run(tmp_path, protocol, dated(结束="2024-04-01 08:00"), table)
    np.testing.assert_array_equal(data.X["glucose_first"][data.rows["person"] == "a"], [np.nan, 6, 6])
    recorded = run(tmp_path, protocol.changed(predictors=[{**asked, "clock": "recorded"}]), dated(结束="2024-04-01 08:00"), table)
    np.testing.assert_array_equal(recorded.X["glucose_first"][recorded.rows["person"] == "a"], [np.nan, 5, 5])


# rules, sites, patients -----------------------------------------------------------------------------------------------------------


def test_rules_make_the_flow_and_keep_rows_of_their_table(tmp_path):
    table = pd.concat([patients(次=[1] * 4), patients(次=[2] * 4, 年龄=[61, 72, None, 81])])
    with pytest.raises(DataError, match=r"table0\.csv has 4 rows more than patients"):
        run(tmp_path, study(), table)
    rules = [{"name": "第二次", "column": "次", "one_of": [2]}, {"name": "75岁以下", "column": "年龄", "at_most": 75}]
    data = run(tmp_path, study(rules=rules), table)
    assert data.X["年龄"].tolist() == [61, 72]
    assert [(one.rows, one.persons) for one in data.cohort.flow] == [(8, 4), (4, 4), (2, 2), (2, 2)]


@pytest.mark.parametrize(
    ("rule", "error", "message"),
    [
        ({"column": "年龄"}, DefinitionError, "asks nothing"),
        ({"column": "年岁", "at_least": 1}, DefinitionError, "no column"),
        ({"column": "分期", "at_least": 1}, DataError, "4 values of column '分期' are no numbers"),
        ({"column": "分期", "one_of": ["IV"]}, DataError, "nobody is left after 'r'"),
    ],
)
def test_rules_that_mean_nothing_are_refused(tmp_path, rule, error, message):
    with pytest.raises(error, match=message):
        run(tmp_path, study(rules=[{"name": "r", **rule}]), patients(分期=list("abcd")))


def test_sites_and_subgroups_are_carried(tmp_path):
    table = dated(院区=["东", "西", "东", None], 性别=["男", "女", "男", "女"])
    asked = [{"column": "性别", "name": "sex"}, {"labs": ["葡萄糖", "肌酐"]}]
    protocol = study(predictors=asked, tables=TIMED, index=AT, subgroups=["sex", "glucose", "葡萄糖"], validation={"site": "院区"})
    data = run(tmp_path, protocol.changed(subgroups=["sex", "葡萄糖"]), table, draws())
    assert data.rows["sex"].tolist() == ["male", "female", "male", "female"]
    assert data.rows["院区"].tolist()[:3] == ["东", "西", "东"]
    assert "葡萄糖" not in data.rows
    with pytest.raises(DefinitionError, match="no column '科室'"):
        run(tmp_path, protocol.changed(subgroups=["科室"]), table, draws())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no header"),
        ("编号,年龄,结局\n", "no row"),
        ("编号,年龄,结局\n1,2,0\n ,2,1\n", "1 of 2 rows of t.csv have no patient"),
        ("编号,年龄,年龄\n1,2,3\n", "年龄"),
        ("编号,年龄,结局\n1,2,0\n1,2,3,4,5\n", "row 3 has 5 cells, not 3"),
        ("编号,年龄,结局\n1,2,0\n1,2\n", "row 3 has 2 cells, not 3"),
    ],
)
def test_files_that_are_no_tables_are_refused(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_tables([tmp_path / "t.csv"], study())


def test_files_that_are_not_there_are_refused(tmp_path):
    with pytest.raises(DataError, match="no table was given"):
        read_tables([], study())
    with pytest.raises(DataError, match="there is no file"):
        read_tables([tmp_path / "t.csv"], study())
    (tmp_path / "t.xlsx").write_bytes(b"no workbook")
    with pytest.raises(DataError, match="Excel"):
        read_tables([tmp_path / "t.xlsx"], study())
    with pytest.raises(DefinitionError, match="how tables are read"):
        read_tables(files(tmp_path, patients()), study().model_copy(update={"tables": None}))


def test_results_want_a_time_and_the_layout_they_were_read_by(tmp_path):
    with pytest.raises(DataError, match="results without a time"):
        run(tmp_path, study(tables={"patient": "编号", "item": "项目", "value": "结果"}), patients(), results())
    with pytest.raises(DefinitionError, match="timed results need a prediction with a time"):
        run(tmp_path, study(predictors=[{"labs": "葡萄糖"}], tables=TIMED), dated(), draws())
    source = read_tables(files(tmp_path, dated(), draws()), study(tables={**TIMED, "codes": {"年龄": {1: 2}}}))
    assert source.cohort(Protocol(**source.study.plain())).rows["person"].size == 4  # codes are text after a round trip
    with pytest.raises(DefinitionError, match="another layout"):
        source.cohort(study(tables=TIMED))


# nothing from after the prediction ----------------------------------------------------------------------------------------------


def reference(rows, records, pick, look_back, gap):
    """Pick values in plain Python: of equal times the median."""
    found = []
    for person, at in rows:
        by_time = {}
        for time, value in records.get(person, []):
            age = (at - time).total_seconds() / 3600
            if age > gap and (look_back is None or age <= look_back):
                by_time.setdefault(time, []).append(value)
        values = [float(np.median(by_time[time])) for time in sorted(by_time)]
        picked = {
            "last": lambda v: v[-1],
            "first": lambda v: v[0],
            "min": min,
            "max": max,
            "mean": np.mean,
            "count": len,
            "any": lambda _: 1,
        }
        found.append(picked[pick](values) if values else 0.0 if pick in ("count", "any") else np.nan)
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_features_equal_plain_python_and_know_nothing_of_later(tmp_path, seed):
    """Random records, whole hours, so that many lie on the edges of look-backs and gaps and many at one time."""
    random, n = np.random.default_rng(seed), 60
    start = pd.Timestamp("2024-03-01 00:30")
    who, hours = random.integers(0, n, 1500), random.integers(0, 60, 1500)
    value = random.choice([4.5, 5.0, 5.5, 6.0], 1500)
    table = pd.DataFrame(
        {"编号": who, "采样时间": start + pd.to_timedelta(hours, unit="h"), "项目": "葡萄糖", "结果": value, "单位": "mmol/L"}
    )
    records = {str(one): list(zip(rows["采样时间"], rows["结果"], strict=True)) for one, rows in table.groupby("编号")}
    choices = [
        (*pair, gap)
        for pair in itertools.product(["last", "first", "min", "max", "mean", "count", "any"], [None, 6.0])
        for gap in (0.0, 5.0)
    ]
    asked = [
        {"labs": "glucose", "pick": pick, "look_back_hours": back, "gap_hours": gap, "name": f"{pick}{back}{gap}"}
        for pick, back, gap in choices
    ]
    protocol = study(predictors=[*asked, {"column": "年龄"}], tables=RESULTS, index={"at": "入院"})
    first = pd.DataFrame(
        {
            "编号": range(n),
            "年龄": 60,
            "结局": random.integers(0, 2, n),
            "入院": start + pd.to_timedelta(random.integers(0, 60, n), unit="h"),
        }
    )
    source = read_tables(files(tmp_path, first, table), protocol)
    data = extract(protocol, source)
    rows = list(zip(data.rows["person"], data.rows["predicted_at"], strict=True))
    for choice, one in zip(choices, asked, strict=True):
        np.testing.assert_allclose(data.X[one["name"]], reference(rows, records, *choice), err_msg=one["name"])
    for how in ("delete", "permute"):
        cut = source.truncated(data.rows, how=how, seed=seed)
        pd.testing.assert_frame_equal(cut.features(protocol, data.rows).X, data.X, check_exact=True)


@pytest.mark.parametrize("how", ["delete", "permute"])
@pytest.mark.parametrize(("layout", "table"), [(TIMED, draws()), (RESULTS, results())], ids=["times", "results"])
def test_truncation_reaches_what_a_leak_would_use(tmp_path, how, layout, table):
    table = table.assign(报告=table["采样时间"].where(table["采样时间"] != "2024-03-01 09:00", "2024-03-02 10:00"))
    asked = [{"labs": "葡萄糖", "pick": "first"}, {"labs": "葡萄糖", "pick": "first", "clock": "recorded", "name": "leak"}]
    asked.append({"column": "CT", "known_at": "CT时间"})
    protocol = study(predictors=asked, tables={**layout, "available": "报告"}, index=AT)
    first = dated(CT=[1.0, 2.0, 3.0, 4.0], CT时间=["2024-03-02 07:00"] + ["2024-03-05 07:00"] * 3)
    source = read_tables(files(tmp_path, first, table), protocol)
    data = extract(protocol, source)
    cut = source.truncated(data.rows, how=how, seed=1)
    after = cut.features(protocol, data.rows).X
    honest = ["glucose_first", "CT"]
    pd.testing.assert_frame_equal(after[honest], data.X[honest], check_exact=True)
    assert not after["leak"].equals(data.X["leak"])
    assert cut.id.startswith(f"{source.id}+{how}")
    poisoned = source.poisoned(data.rows, data.y).features(protocol, data.rows).X
    pd.testing.assert_frame_equal(poisoned[honest], data.X[honest], check_exact=True)
    assert poisoned["leak"][0] > data.X["leak"][0]  # the outcome is a's
    raw = cut.columns.raw("CT")
    assert list(raw) == ["1.0"] if how == "delete" else sorted(raw) == ["1.0", "2.0", "3.0", "4.0"]


def test_what_comes_later_does_not_decide_how_values_are_read(tmp_path):
    """Enough later values in mg/dL would make cleaning doubt the whole column."""
    early = pd.DataFrame({"编号": ["a", "b"], "采样时间": "2024-03-01 09:00", "葡萄糖": [5, 6]})
    late = pd.DataFrame({"编号": "c", "采样时间": [f"2024-03-05 {hour:02}:00" for hour in range(1, 24)], "葡萄糖": 100})
    data = run(tmp_path, study(predictors=[{"labs": "葡萄糖"}], tables=TIMED, index=AT), dated(), pd.concat([early, late]))
    np.testing.assert_array_equal(data.X["glucose"], [5, 6, np.nan, np.nan])


# real tables ----------------------------------------------------------------------------------------------------------------------

TONGJI = """
title: 新冠肺炎住院患者院内死亡
tables:
  patient: PATIENT_ID
  time: RE_DATE
  fill_down: true
  names: {酸碱度: ph}
index: {at: 入院时间, plus_hours: 24}
outcome:
  label: 院内死亡
  kind: binary
  status: 出院方式
predictors:
- column: [年龄, 性别]
- labs: all
"""


def test_tongji_by_a_short_study_file(tmp_path):
    path = shared("risk/tongji_covid/time_series_375_prerpocess.xlsx")
    (tmp_path / "study.yaml").write_text(TONGJI, encoding="utf-8")
    assert TONGJI.count("\n") <= 30
    protocol = read_study(tmp_path / "study.yaml")
    source = read_tables([path], protocol)
    with pytest.warns(ItemsLeftOut, match="^1 个项目"), pytest.warns(UnitsMixed, match="血红蛋白"):
        data = extract(protocol, source)
    assert (len(data.y), int(data.y.sum())) == (375, 174)
    assert data.X.shape == (375, 75)
    assert {"ldh", "hs_crp", "lymphocytes_share", "ph", "年龄", "性别"} <= set(data.X)
    raw = source.columns.tables[0].cells[["PATIENT_ID", "RE_DATE", "入院时间", "乳酸脱氢酶"]].dropna(subset=["RE_DATE"])  # texts
    raw = raw.assign(PATIENT_ID=raw["PATIENT_ID"].ffill(), 乳酸脱氢酶=raw["乳酸脱氢酶"].astype(float))
    known = raw[pd.to_datetime(raw["RE_DATE"]) < pd.to_datetime(raw["入院时间"]) + pd.Timedelta(hours=24)].dropna()
    last = known.sort_values("RE_DATE").groupby("PATIENT_ID")["乳酸脱氢酶"].last().reindex(data.rows["person"])
    np.testing.assert_array_equal(data.X["ldh"], last)
    pd.testing.assert_frame_equal(source.truncated(data.rows, how="delete").features(protocol, data.rows).X, data.X, check_exact=True)


def test_tongji_by_landmarks():
    path = shared("risk/tongji_covid/time_series_375_prerpocess_en.xlsx")
    protocol = Protocol(
        title="48 h",
        tables={"patient": "PATIENT_ID", "time": "RE_DATE", "fill_down": True},
        index={"at": "Admission time", "landmarks": {"every_hours": 24, "until_hours": 240}},
        outcome={"label": "death", "kind": "binary", "status": "outcome", "at": "Discharge time", "horizons_days": [2], "end": "stay"},
        predictors=[{"column": "age"}, {"labs": ["LDH", "hs_crp"]}],
    )
    data = extract(protocol, read_tables([path], protocol))
    rows = data.rows.assign(y=data.y)
    assert rows.groupby("person")["y"].sum().le(2).all()  # in the last 48 h there are two landmarks at most
    assert rows["person"].nunique() > 370
    assert rows.groupby("person")["landmark_hours"].is_monotonic_increasing.all()


def test_support2(tmp_path):
    """One row a patient. Known only after discharge, and for the guards to find: slos, charges, totcst, totmcst, sfdm2, hospdead, adls."""
    path = shared("risk/support2/support2.csv")
    protocol = Protocol(
        title="SUPPORT2",
        tables={"patient": "sno", "units": {"crea": "mg/dL", "alb": "g/dL"}},
        outcome={"label": "死亡", "status": "death", "time": "d.time", "horizons_days": [365]},
        predictors=[{"column": ["age", "sex", "dzgroup", "num.co", "ca"]}, {"labs": ["crea", "alb"]}, {"vitals": "all"}],
    )
    with pytest.warns(UnitsMixed, match="：urine。"):
        data = extract(protocol, read_tables([path], protocol))
    raw = pd.read_csv(path)
    assert (len(data.y), int(data.y["event"].sum())) == (9105, int(raw["death"].sum()))
    np.testing.assert_array_equal(data.y["time"], raw["d.time"])
    np.testing.assert_allclose(data.X["creatinine"], raw["crea"] * 88.4017, rtol=1e-5)
    assert set(data.X["ca"].cat.categories) == {"no", "yes", "metastatic"}
    assert {"map", "heart_rate", "respiration", "temperature"} <= set(data.X)


def test_framingham_at_the_first_examination():
    path = shared("risk/framingham/framingham.csv")
    protocol = Protocol(
        title="CVD",
        tables={"patient": "RANDID", "units": {"TOTCHOL": "mg/dL"}},
        outcome={"label": "CVD", "status": "CVD", "time": "TIMECVD"},
        rules=[{"name": "first", "column": "PERIOD", "one_of": [1]}, {"name": "no CHD", "column": "PREVCHD", "one_of": [0]}],
        predictors=[{"column": ["AGE", "SEX", "SYSBP", "TOTCHOL", "CURSMOKE", "DIABETES"]}],
    )
    source = read_tables([path], protocol)
    data = extract(protocol, source)
    assert [(one.rows, one.persons) for one in data.cohort.flow][:3] == [(11627, 4434), (4434, 4434), (4240, 4240)]
    assert data.X["SEX"].value_counts()["female"] > 2300
    with pytest.raises(DataError, match="7193 rows more than patients"):
        source.cohort(protocol.changed(rules=[]))


def test_the_example_of_a_study_file_runs(tmp_path):
    protocol = read_study(Path(workbench.risk.protocol.__file__).parent / "example.yaml")
    ends = {
        "离院方式": ["死亡", "医嘱离院", "非医嘱离院", "死亡"],
        "出院时间": "2024-03-09 10:00",
        "院区": ["东", "西"] * 2,
        "转入": ["否"] * 3 + ["是"],
    }
    first = dated(性别=[0, 1, 1, 0], CT评分=[1, 2, 3, 4], CT报告时间="2024-03-03 08:00", **ends).rename(
        columns={"编号": "患者编号", "入院": "入院时间"}
    )
    named = {"编号": "患者编号", "项目": "项目名称"}
    later = results().assign(报告时间=lambda rows: rows["采样时间"]).replace({"葡萄糖": "酸碱度"}).rename(columns=named)
    more = later[later["项目名称"] == "肌酐"]
    later = pd.concat(
        [later, more.assign(项目名称="LDH", 单位="U/L", 结果=200), more.assign(项目名称="中性粒细胞计数", 单位="10^9/L", 结果=4)]
    )
    data = run(tmp_path, protocol, first, later)
    assert data.cohort.causes == ("院内死亡", "出院")
    assert list(data.X) == ["年龄", "性别", "CT评分", "ldh", "neutrophils", "肌酐最高值"]
    assert data.features.columns[-1].label == "72小时内肌酐最高值"
    assert set(data.rows["person"]) == {"a", "b", "c"}
    assert data.rows["landmark_hours"].max() == 168
