"""Missing values, correlation, flow and cleaning log as people may see them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.stats.contingency import association
from statsmodels.stats.outliers_influence import variance_inflation_factor

from tests.lib.paths import shared
from workbench.disclosure import DisclosurePolicy
from workbench.errors import DataError, DefinitionError
from workbench.locale import set_language
from workbench.release.checks import check_file
from workbench.release.checks.parts import Scope
from workbench.release.findings import Severity
from workbench.report import Report
from workbench.risk.cleaning.changes import Change
from workbench.risk.description.correlation import collinearity, correlation
from workbench.risk.description.curves import incidence_curves, survival_curves
from workbench.risk.description.distributions import distributions
from workbench.risk.description.flow import cleaning_log, flow_chart
from workbench.risk.description.follow_up import follow_up
from workbench.risk.description.missing import missing_by, missing_combinations, missing_shares
from workbench.risk.description.table_one import table_one
from workbench.risk.extraction.dataset import FlowStep
from workbench.risk.survival.outcome import outcome

POLICY = DisclosurePolicy(threshold=10, rounding=5)


@pytest.fixture(scope="module")
def patients() -> pd.DataFrame:
    random, n = np.random.default_rng(1), 500
    age = random.normal(60, 10, n)
    frame = pd.DataFrame(
        {
            "age": age,
            "creatinine": np.exp(age / 20 + random.normal(0, 0.3, n)),
            "ward": random.choice(["内科", "外科", "急诊"], n),
            "grade": pd.Categorical(np.where(age > 65, "高", np.where(age > 55, "中", "低"))),
            "smoker": random.integers(0, 2, n).astype(float),
            "died": random.integers(0, 2, n),
        }
    )
    frame.loc[random.random(n) < np.where(frame["died"] == 1, 0.4, 0.1), "creatinine"] = np.nan
    frame.loc[:3, "smoker"] = np.nan
    return frame


@pytest.fixture
def english():
    set_language("en")
    yield
    set_language("zh")


def cell(chart, row: str, column: str) -> str:
    return chart.counts.set_index(chart.counts.columns[0]).loc[row, column]


# Correlation ----------------------------------------------------------------------------------------------------------


def test_pairs_are_measured_by_what_they_are(patients):
    chart = correlation(patients, policy=POLICY)
    known = patients.dropna()
    assert cell(chart, "肌酐", "年龄") == f"{stats.spearmanr(*patients[['age', 'creatinine']].dropna().to_numpy().T).statistic:.2f}"
    assert cell(chart, "grade", "ward") == f"{association(pd.crosstab(patients['grade'], patients['ward'])):.2f}"
    groups = [part.rank() for _, part in patients.groupby("ward", observed=True)["age"]]
    assert len(groups) == 3
    h = stats.kruskal(*(part for _, part in patients.groupby("ward")["age"])).statistic
    assert cell(chart, "ward", "年龄") == f"{np.sqrt(h / (len(patients) - 1)):.2f}"  # the ratio of ranks is Kruskal-Wallis' H over n - 1
    assert len(known) < len(patients)


def test_strong_pairs_are_named_and_few_persons_hidden(patients):
    frame = patients.assign(
        double=patients["age"] * 2 + 1, rare=np.arange(500) < 4, short=np.where(np.arange(500) < 6, 1.0, np.nan), same=1
    )
    frame.loc[:5, "short"] = np.arange(6.0)
    chart = correlation(frame, policy=POLICY)
    assert "年龄 ~ double (1.00)" in chart.note
    assert cell(chart, "rare", "年龄") == "已抑制"
    assert cell(chart, "short", "年龄") == "已抑制"
    assert "1 个变量没有变化" in chart.note
    assert "same" not in chart.counts.columns
    assert "肌酐 ~" not in chart.note


def test_pearson_can_be_asked_for(patients):
    chart = correlation(patients, columns=["age", "creatinine"], method="pearson", policy=POLICY)
    assert cell(chart, "肌酐", "年龄") == f"{patients['age'].corr(patients['creatinine']):.2f}"
    assert chart.note.startswith("Pearson")


def test_sixty_predictors_stay_readable():
    random = np.random.default_rng(2)
    frame = pd.DataFrame(random.normal(size=(300, 60)), columns=[f"名称很长很长很长很长很长的检查项目{k}" for k in range(60)])
    chart = correlation(frame, policy=POLICY)
    assert chart.counts.shape == (60, 62)
    assert chart.figure.get_figwidth() > 15
    assert chart.svg().count("名称很长") == 60


def test_inflation_is_statsmodels(patients):
    frame = patients[["age", "smoker"]].fillna({"smoker": patients["smoker"].median()}).assign(noisy=patients["age"] + np.arange(500) % 7)
    found = collinearity(frame, policy=POLICY)
    design = np.column_stack([np.ones(500), frame.to_numpy()])
    expected = [f"{variance_inflation_factor(design, at):.2f}" for at in (1, 2, 3)]
    assert found.table["GVIF"].tolist() == expected
    assert found.condition_number == pytest.approx(np.linalg.cond(design / np.linalg.norm(design, axis=0)))


def test_a_category_has_a_generalised_factor(patients):
    """Fox and Monette: det(R11) det(R22) / det(R), the same whichever category is left out."""
    frame = patients[["age", "grade"]]
    other = frame.assign(grade=frame["grade"].cat.reorder_categories(["高", "中", "低"]))
    one, two = (collinearity(given, policy=POLICY).table for given in (frame, other))
    assert one.iloc[1].tolist() == two.iloc[1].tolist()
    assert one["自由度"].tolist() == ["1", "2"]
    assert one["GVIF"].iloc[0] == one["GVIF"].iloc[1]  # of two predictors each explains the other


def test_what_follows_from_others_is_infinite_and_too_few_are_refused(patients):
    frame = patients[["age", "smoker"]].assign(double=patients["age"] * 2)
    found = collinearity(frame, policy=POLICY)
    assert found.table["GVIF"].tolist()[::2] == ["∞", "∞"]
    assert "∞" in found.note
    with pytest.raises(DataError, match="1 predictors that vary"):
        collinearity(patients[["age"]], policy=POLICY)
    with pytest.raises(DataError, match="fewer than two predictors vary"):
        correlation(pd.DataFrame({"a": [1.0] * 20, "b": np.nan}), policy=POLICY)
    with pytest.raises(DefinitionError, match="'nothing'"):
        correlation(patients, columns=["nothing"], policy=POLICY)


# Missing --------------------------------------------------------------------------------------------------------------


def test_shares_and_groups_of_missing_values(patients):
    shares = missing_shares(patients, policy=POLICY).counts
    assert shares.iloc[:, 0].tolist()[-1] == "肌酐" or shares.iloc[:, 0].tolist()[0] == "肌酐"
    chart = missing_by(patients, "died", policy=POLICY)
    creatinine = chart.counts.iloc[0]
    assert creatinine.iloc[0] == "肌酐, n (%)"
    assert creatinine["P"] == "<0.001"
    smoker = chart.counts.iloc[1]
    assert smoker.iloc[1:].tolist() == ["已抑制"] * 5  # four persons, by group
    with pytest.raises(DataError, match="no predictor has a missing"):
        missing_by(patients[["age", "died"]], "died", policy=POLICY)


@pytest.mark.parametrize("groups", [1, 6])
def test_missing_by_one_and_six_groups(patients, groups):
    frame = patients.assign(g=[f"第{k % groups}组" for k in range(500)])
    chart = missing_by(frame, "g", columns=["creatinine"], policy=POLICY)
    assert chart.counts.iloc[0, 0] == "肌酐, n (%)"
    assert chart.svg()
    with pytest.raises(DataError, match="7 groups"):
        missing_by(patients.assign(g=np.arange(500) % 7), "g", columns=["creatinine"], policy=POLICY)


def test_rare_combinations_are_joined(patients):
    frame = patients.drop(columns="died").assign(more=patients["creatinine"].where(np.arange(500) % 2 == 0, 1.0))
    chart = missing_combinations(frame, policy=POLICY)
    counts = [int(text.replace(",", "")) for text in chart.counts["人数"] if text[0].isdigit()]
    assert all(count >= 10 and count % 5 == 0 for count in counts)
    assert chart.counts.iloc[-1, 0] == "其他组合"
    assert set(chart.counts.iloc[:-1, 2:].to_numpy().ravel()) == {"○", "●"}
    rows = chart.counts.iloc[:-1]
    assert (rows["smoker"] == "●").all()  # four persons have no smoker: in no combination that is shown
    with pytest.raises(DataError, match="no predictor has a missing"):
        missing_combinations(frame[["age"]], policy=POLICY)


def test_columns_without_any_value():
    frame = pd.DataFrame({"none": np.full(100, np.nan), "word": pd.Series([None] * 100, dtype=object), "x": np.arange(100.0)})
    assert missing_combinations(frame, policy=POLICY).counts.iloc[0, 2:].tolist() == ["○", "○"]
    assert missing_shares(frame, policy=POLICY).counts.iloc[0, 1] == "100 (100.0%)"


# Flow, cleaning, distributions ----------------------------------------------------------------------------------------


def test_the_flow_is_on_its_grid_and_tells_rows_unless_they_grew():
    steps = [FlowStep("全部", 1250, 1234), FlowStep("成人", 1190, 1187), FlowStep("纳入", 1188, 1185)]
    chart = flow_chart(steps, policy=POLICY)
    assert chart.counts.to_numpy().tolist() == [
        ["全部", "1,230", "", "1,250"],
        ["成人", "1,190", "40", "1,190"],
        ["纳入", "1,190", "", "1,190"],
    ]
    grown = flow_chart([*steps, FlowStep("标志点", 5000, 1185)], policy=POLICY)
    assert list(grown.counts.columns) == ["步骤", "人数", "排除"]
    assert "1,230" in chart.svg()
    with pytest.raises(DataError, match="no step"):
        flow_chart([], policy=POLICY)


def test_the_cleaning_log_hides_small_counts_and_their_rest():
    changes = (
        Change("血糖", "glucose", "outlier", 3, 500, "0-100 mmol/L"),
        Change("血糖", "glucose", "converted", 498, 500),
        Change("钾", "potassium", "converted", 400, 400),
        Change("肌酐", "creatinine", "unit_doubtful", 100, 300),
    )
    log = cleaning_log(changes, policy=POLICY)
    assert log["列"].tolist() == ["肌酐", "血糖", "血糖", "钾"]
    assert log["值数"].tolist() == ["100", "已抑制", "已抑制", "400"]


def test_distributions_of_numbers_only(patients):
    charts = distributions(patients.assign(few=patients["age"].where(np.arange(500) < 5), endless=np.inf), "died", policy=POLICY)
    assert set(charts) == {"age", "creatinine"}


def test_english(english, patients):
    assert list(correlation(patients, policy=POLICY).counts.columns[1:3]) == ["Persons", "Age"]
    assert missing_combinations(patients.drop(columns="smoker"), policy=POLICY).counts.columns[1] == "Persons"
    assert flow_chart([FlowStep("All", 20, 20)], policy=POLICY).counts.columns[0] == "Step"


def test_all_of_it_passes_the_release_checks(patients):
    y = outcome(np.random.default_rng(3).exponential(300, 500), patients["died"])
    report = Report("描述", [("数据", "示例")], policy=POLICY)
    for shown in (
        table_one(patients, by="died", weights=np.linspace(0.5, 2, 500)),
        survival_curves(y, patients["smoker"], policy=POLICY),
        incidence_curves(y, policy=POLICY),
        correlation(patients, policy=POLICY),
        missing_shares(patients, policy=POLICY),
        missing_by(patients, "died", policy=POLICY),
        missing_combinations(patients, policy=POLICY),
        flow_chart([FlowStep("全部", 620, 612), FlowStep("成人", 510, 500)], policy=POLICY),
        *distributions(patients, "died", policy=POLICY).values(),
    ):
        report.add(shown, caption="图表")
    report.table(collinearity(patients, policy=POLICY).table, "共线性")
    report.table(cleaning_log([Change("钾", "potassium", "outlier", 3, 400)], policy=POLICY), "清洗")
    report.table(follow_up(y, patients["died"], policy=POLICY), "随访")
    for name, content in (("report.html", report.html().encode()), ("report.docx", report.word())):
        found = check_file(name, content, scope=Scope(policy=POLICY))
        assert not [each for each in found if each.severity is Severity.BLOCK]


def test_support2_in_all_figures():
    frame = pd.read_csv(shared("risk/support2/support2.csv"))
    for chart in (
        missing_shares(frame, policy=POLICY),
        missing_by(frame, "dzclass", columns=["alb", "pafi", "urine", "scoma"], policy=POLICY),
        missing_combinations(frame, policy=POLICY),
        correlation(frame, columns=["age", "sex", "dzgroup", "meanbp", "wblc", "aps", "sps"], policy=POLICY),
    ):
        assert "<text" in chart.svg()
        assert len(chart.counts)
