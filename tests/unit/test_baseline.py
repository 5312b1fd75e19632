"""The baseline table: against hand-computed numbers, against tableone, and what of it is shown."""

import html
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from workbench.cohort.baseline import BaselineTable, baseline_table
from workbench.cohort.baseline_view import to_frame
from workbench.disclosure import DisclosurePolicy
from workbench.errors import DataError, DefinitionError, PolicyError, Refusal
from workbench.locale import set_language

POLICY = DisclosurePolicy(threshold=10, rounding=5)


@pytest.fixture(scope="module")
def patients() -> pd.DataFrame:
    random = np.random.default_rng(3)
    n = 600
    frame = pd.DataFrame(
        {
            "age": random.normal(60, 12, n).round(),
            "ldh": random.lognormal(5.6, 0.9, n),
            "smoker": random.integers(0, 2, n),
            "ward": random.choice(["内科", "外科", "急诊"], n, p=[0.6, 0.3, 0.1]),
            "rare": random.choice(["a", "b"], n, p=[0.995, 0.005]),
            "died": random.choice([0, 1], n, p=[0.8, 0.2]),
        }
    )
    frame.loc[random.random(n) < 0.1, "ldh"] = np.nan
    frame.loc[random.random(n) < 0.05, "ward"] = None
    return frame


def variable(table: BaselineTable, name: str):
    return next(found for found in table.variables if found.name == name)


def test_moments_by_hand():
    table = baseline_table(pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0, None]}))
    (found,) = table.variables
    (moments,) = found.moments
    assert (moments.n, moments.mean, moments.median, moments.q25, moments.q75) == (4, 2.5, 2.5, 1.75, 3.25)
    assert moments.sd == pytest.approx(1.2909944)
    assert found.missing == (1,)


def test_skewed_numbers_are_told_by_median_and_others_by_mean():
    table = baseline_table(pd.DataFrame({"even": np.arange(100.0), "skewed": np.exp(np.arange(100) / 10)}))
    assert [found.kind for found in table.variables] == ["mean", "median"]
    told = baseline_table(pd.DataFrame({"even": np.arange(100.0)}), told_as={"even": "median"})
    assert told.variables[0].kind == "median"


def test_categories_by_hand():
    frame = pd.DataFrame({"c": ["x", "y", "y", None, "y", "x"], "g": ["a", "a", "a", "a", "b", "b"]})
    found = variable(baseline_table(frame, by="g"), "c")
    assert found.levels == ("y", "x")
    assert found.counts == ((2, 1), (1, 1))
    assert found.missing == (1, 0)


def test_declared_order_of_categories_is_kept_and_unused_ones_fall_out():
    column = pd.Categorical(["low", "high", "high"], categories=["low", "middle", "high"], ordered=True)
    assert baseline_table(pd.DataFrame({"c": column})).variables[0].levels == ("low", "high")


def test_rare_categories_are_joined():
    frame = pd.DataFrame({"c": list("aaabbcde")})
    found = baseline_table(frame, max_levels=3).variables[0]
    assert found.levels == ("a", "b", "其他（3 类）")
    assert found.counts == ((3,), (2,), (3,))


def test_smd_by_hand():
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0, 3.0, 4.0, 5.0], "g": list("aaabbb")})
    assert variable(baseline_table(frame, by="g"), "x").comparison.smd == pytest.approx(2.0)
    # Two categories, shares 1/4 and 3/4: |1/4 - 3/4| / sqrt(3/16) = 1.1547
    frame = pd.DataFrame({"c": list("xyyyxxxy"), "g": list("aaaabbbb")})
    assert variable(baseline_table(frame, by="g"), "c").comparison.smd == pytest.approx(1.154700538)


def test_three_groups_take_anova_and_the_largest_smd():
    frame = pd.DataFrame({"x": np.arange(30.0), "g": np.repeat(["a", "b", "c"], 10)})
    comparison = variable(baseline_table(frame, by="g"), "x").comparison
    parts = [np.arange(10.0) + 10 * n for n in range(3)]
    assert comparison.test == "ANOVA"
    assert comparison.p == pytest.approx(stats.f_oneway(*parts).pvalue)
    assert comparison.smd == pytest.approx(20 / np.std(parts[0], ddof=1))


@pytest.mark.parametrize("order", ["abc", "cab", "bca"])
def test_the_largest_smd_is_found_whatever_the_order_of_the_groups(order):
    parts = {"a": [1.0, 1.0, 1.0], "b": [2.0, 2.0, 2.0], "c": [3.0, 4.0, 5.0]}
    frame = pd.DataFrame({"x": np.concatenate([parts[name] for name in order]), "g": np.repeat(["1", "2", "3"], 3)})
    comparison = variable(baseline_table(frame, by="g", told_as={"x": "mean"}), "x").comparison
    assert comparison.smd == pytest.approx(3 / np.sqrt(0.5)), "a and b have no spread, so their own SMD is not defined"


@pytest.mark.parametrize(("language", "words"), [("zh", "χ²（Yates 校正）"), ("en", "χ² (Yates' correction)")])
def test_the_note_names_the_correction_of_two_by_two(language, words):
    frame = pd.DataFrame({"c": ["x", "y"] * 100, "g": ["a"] * 100 + ["b"] * 100})
    set_language(language)
    try:
        table = baseline_table(frame, by="g")
        assert variable(table, "c").comparison.test == words
        assert words in html.unescape(table.html(policy=POLICY))
    finally:
        set_language("zh")


@pytest.mark.parametrize(
    ("values", "test"),
    [
        ([1.0] * 6, ""),
        ([1.0, 1.0, 1.0, 2.0, 2.0, 2.0], ""),
        ([1.0, 2.0, 3.0, 3.0, 4.0, 5.0], "Welch t"),
        ([1.0, 2.0, 3.0, None, None, None], ""),
    ],
    ids=["constant", "no spread", "spread", "a group without values"],
)
def test_no_test_where_none_can_be_made(values, test):
    frame = pd.DataFrame({"x": values, "g": list("aaabbb")})
    assert variable(baseline_table(frame, by="g", told_as={"x": "mean"}), "x").comparison.test == test


def test_same_numbers_as_tableone(patients):
    """Expected numbers are those of tableone 0.9 on the same table, for every kind of variable."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tableone import TableOne

        peer = TableOne(
            patients,
            columns=["age", "ldh", "smoker", "ward", "rare"],
            categorical=["smoker", "ward", "rare"],
            continuous=["age", "ldh"],
            nonnormal=["ldh"],
            groupby="died",
            pval=True,
            smd=True,
            htest_name=True,
            pval_digits=9,
            decimals=6,
            include_null=False,
        ).tableone
    peer.columns = peer.columns.droplevel(0)
    ours = baseline_table(patients, by="died")
    for name, row in (
        ("age", "age, mean (SD)"),
        ("ldh", "ldh, median [Q1,Q3]"),
        ("smoker", "smoker, n (%)"),
        ("ward", "ward, n (%)"),
        ("rare", "rare, n (%)"),
    ):
        theirs, comparison = peer.loc[row].iloc[0], variable(ours, name).comparison
        assert comparison.p == pytest.approx(float(theirs["P-Value"]), abs=1e-8), name
        assert comparison.smd == pytest.approx(abs(float(theirs["SMD (0,1)"])), abs=6e-4), name  # it prints three digits
    age, ldh = variable(ours, "age").moments, variable(ours, "ldh").moments
    assert peer.loc["age, mean (SD)"].iloc[0]["Overall"] == f"{age[0].mean:.6f} ({age[0].sd:.6f})"
    assert peer.loc["ldh, median [Q1,Q3]"].iloc[0]["1"] == f"{ldh[2].median:.6f} [{ldh[2].q25:.6f},{ldh[2].q75:.6f}]"
    ward = peer.loc["ward, n (%)"]
    found = variable(ours, "ward")
    for level, counts in zip(found.levels, found.counts, strict=True):
        assert ward.loc[level]["0"].startswith(f"{counts[0]} (")


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"columns": ["weight"]}, DefinitionError, "no column 'weight'"),
        ({"by": "arm"}, DefinitionError, "no column 'arm'"),
        ({"told_as": {"x": "mode"}}, DefinitionError, "wanted mean, median or category"),
        ({"told_as": {"t": "mean"}}, DefinitionError, "has no mean"),
        ({"max_levels": 1}, DefinitionError, "wanted 2 or more"),
    ],
    ids=["column", "group", "told as", "mean of text", "levels"],
)
def test_wrong_use_is_told(arguments, error, words):
    with pytest.raises(error, match=words):
        baseline_table(pd.DataFrame({"x": [1.0, 2.5], "t": ["a", "b"]}), **arguments)


def test_nobody_is_an_error():
    with pytest.raises(DataError, match="no patient"):
        baseline_table(pd.DataFrame({"x": []}))


def test_infinite_and_empty_columns_are_missing():
    table = baseline_table(pd.DataFrame({"x": [1.5, np.inf, 2.5], "nothing": [np.nan] * 3}))
    assert [found.missing for found in table.variables] == [(1,), (3,)]
    assert to_frame(table, policy=DisclosurePolicy(threshold=2, rounding=1)).iloc[1, 2] == "—"


# What is shown --------------------------------------------------------------------------------------------------------


def test_nothing_is_shown_without_a_policy(patients, monkeypatch):
    monkeypatch.delenv("WORKBENCH_POLICY", raising=False)
    monkeypatch.setenv("WORKBENCH_SESSION", "/nowhere/session.toml")
    table = baseline_table(patients)
    for show in (table.to_frame, table.html, table._repr_html_):
        with pytest.raises(PolicyError):
            show()


def test_the_text_that_a_notebook_keeps_beside_the_table_has_no_number(patients):
    assert repr(baseline_table(patients)) == "BaselineTable(groups=('',), by='', overall=True, language='')"


def test_shown_counts_are_rounded_or_hidden(patients):
    shown = to_frame(baseline_table(patients, by="died"), policy=POLICY)
    text = " ".join(shown[shown["变量"].str.endswith("n (%)")].astype(str).to_numpy().ravel())
    rare = shown[shown["变量"].str.startswith("rare")]
    assert "已抑制" in " ".join(rare.astype(str).to_numpy().ravel())
    assert rare.iloc[0][["P", "SMD"]].tolist() == ["已抑制", "已抑制"], "worked out from hidden cells"
    counts = [int(word.replace(",", "")) for word in text.replace("(", " ").split() if word.replace(",", "").isdigit()]
    assert counts
    assert all(count % 5 == 0 for count in counts)


def test_small_group_hides_the_statistics_that_would_give_it_away():
    frame = pd.DataFrame({"x": np.arange(200.0), "g": ["a"] * 120 + ["b"] * 75 + ["c"] * 5})
    row = to_frame(baseline_table(frame, by="g"), policy=POLICY).iloc[0]
    assert row.iloc[2] == "99.5 (57.9)"
    assert [row.iloc[place] for place in (4, 5)] == ["已抑制", "已抑制"], "c is small; with b hidden too its mean cannot be worked out"
    assert row["P"] == row["SMD"] == "已抑制"


def test_a_group_that_covers_a_small_one_is_chosen_by_place():
    frame = pd.DataFrame({"x": np.arange(200.0), "g": ["a"] * 75 + ["b"] * 5 + ["c"] * 120})
    row = to_frame(baseline_table(frame, by="g"), policy=POLICY).iloc[0]
    assert [row.iloc[place] == "已抑制" for place in (3, 4, 5)] == [False, True, True]


@pytest.mark.parametrize(("n", "shown"), [(39, "已抑制"), (40, "10, 29")], ids=["too few beyond a quartile", "enough"])
def test_quartiles_need_persons_beyond_them(n, shown):
    row = to_frame(baseline_table(pd.DataFrame({"x": np.arange(float(n))})), policy=POLICY)
    told = to_frame(baseline_table(pd.DataFrame({"x": np.arange(float(n))}), told_as={"x": "median"}), policy=POLICY)
    assert "[" not in row.iloc[0, 2]
    assert f"[{shown}]" in told.iloc[0, 2]


@pytest.mark.parametrize(("n", "shown"), [(19, "已抑制"), (20, "10 [已抑制]")], ids=["too few beside a median", "enough"])
def test_a_median_needs_persons_on_either_side(n, shown):
    told = to_frame(baseline_table(pd.DataFrame({"x": np.arange(float(n))}), told_as={"x": "median"}), policy=POLICY)
    assert told.iloc[0, 2] == shown


@pytest.mark.parametrize(
    ("sizes", "levels"),
    [
        ({"内科": 60, "外科": 40, "张三": 1}, ["内科", "其他"]),
        ({"内科": 60, "外科": 40, "张三": 6, "李四": 5}, ["内科", "外科", "其他"]),
        ({"内科": 60, "外科": 40}, ["内科", "外科"]),
        ({"张三": 1, "李四": 1, "王五": 1}, ["其他"]),
        ({f"科室{n}": 5 if n > 3 else 50 for n in range(20)}, ["科室0", "科室1", "科室2", "科室3", "其他"]),
    ],
    ids=["a single name", "enough names together", "none rare", "all rare", "many"],
)
def test_rare_words_are_not_shown(sizes, levels):
    frame = pd.DataFrame({"c": [word for word, size in sizes.items() for _ in range(size)]})
    shown = to_frame(baseline_table(frame), policy=POLICY)
    assert shown["类别"].tolist() == ["", *levels]
    if sum(sizes.values()) > 10:
        assert "已抑制" not in " ".join(shown.iloc[:, 2])


def test_declared_categories_keep_their_names():
    sex = pd.Categorical(["女"] * 60 + ["男"] * 50 + ["不详"] * 3, categories=["女", "男", "不详"])
    assert to_frame(baseline_table(pd.DataFrame({"sex": sex})), policy=POLICY)["类别"].tolist() == ["", "女", "男", "不详"]


def test_text_of_a_variable_is_escaped():
    page = baseline_table(pd.DataFrame({"x": [1.0, 2.0, 4.0] * 20}), labels={"x": "<script>alert(1)</script>"}).html(policy=POLICY)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


# Weights --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sampled() -> tuple[pd.DataFrame, np.ndarray]:
    random, n = np.random.default_rng(7), 400
    group = random.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])
    choice = random.choice(["x", "y", "z"], n, p=[0.5, 0.3, 0.2])
    weight = random.uniform(0.5, 4, n).round(2)
    number = random.normal(50, 10, n) + (group == "b") * 2
    return pd.DataFrame({"g": group, "c": choice, "x": number, "s": np.exp(random.normal(0, 1, n)).round(1)}), weight


def test_weighted_categories_are_tested_as_by_rao_and_scott(sampled):
    """Expected: ``svy.Sample(df, svy.Design(wgt="w")).categorical.tabulate("c", "g").stats.f`` of svy, the F of Rao and Scott."""
    frame, weight = sampled
    found = variable(baseline_table(frame, by="g", weights=weight), "c")
    assert found.comparison.p == pytest.approx(0.6269408703200483, rel=1e-9)
    assert sum(row[0] for row in found.weighted) == pytest.approx(400)
    assert found.weighted[0][0] / 400 == pytest.approx(0.26536 + 0.15079 + 0.10554, abs=2e-5)


def test_weighted_means_are_tested_with_the_sandwich(sampled):
    """Expected: the Wald F of statsmodels' ``WLS(x, groups, weights=w).fit(cov_type="HC0")``, variance times n / (n - 1) as in svyglm."""
    frame, weight = sampled
    found = variable(baseline_table(frame, by="g", weights=weight), "x")
    assert found.comparison.p == pytest.approx(0.06605722779685667, rel=1e-9)
    assert found.moments[0].mean == pytest.approx(np.average(frame["x"], weights=weight))
    assert found.moments[0].effective == pytest.approx(weight.sum() ** 2 / (weight**2).sum())


def test_weights_of_one_change_nothing_but_the_test(sampled):
    frame, _ = sampled
    plain, same = baseline_table(frame, by="g"), baseline_table(frame, by="g", weights=np.full(len(frame), 3.0))
    for ours, peer in zip(same.variables, plain.variables, strict=True):
        assert ours.counts == peer.counts
        assert ours.comparison.p == pytest.approx(peer.comparison.p, rel=0.05)
        assert ours.comparison.smd == pytest.approx(peer.comparison.smd, rel=1e-9)


def test_weighted_tests_keep_their_level():
    random, hits = np.random.default_rng(5), np.zeros(3)
    for _ in range(300):
        weight = random.lognormal(0, 1, 200)
        frame = pd.DataFrame({"g": random.choice(["a", "b"], 200), "m": random.normal(size=200), "c": random.choice(list("xyz"), 200)})
        frame["s"] = np.exp(2 * random.normal(size=200))
        hits += [found.comparison.p < 0.05 for found in baseline_table(frame, by="g", weights=weight).variables]
    assert (hits / 300 < 0.09).all()
    assert (hits > 0).all()


def test_one_heavy_person_is_not_shown_as_a_group(sampled):
    frame, weight = sampled
    heavy = weight.copy()
    heavy[0] = 1e9
    table = baseline_table(frame, weights=heavy)
    with pytest.raises(Refusal, match="speak for a group"):
        to_frame(table, policy=POLICY)


def test_weights_that_are_none_are_refused(sampled):
    frame, weight = sampled
    with pytest.raises(DataError, match="1 of 400 weights"):
        baseline_table(frame, weights=np.r_[np.nan, weight[1:]])
    with pytest.raises(DataError, match="wanted \\(400,\\)"):
        baseline_table(frame, weights=weight[1:])
    with pytest.raises(DataError, match="no patient"):
        baseline_table(frame, weights=np.zeros(400))


def test_what_is_shown_of_weights_is_on_the_grid_and_hidden_with_its_persons(sampled):
    frame, weight = sampled
    frame = frame.assign(c=pd.Categorical(frame["c"].where(frame.index >= 4, "w")))
    shown = to_frame(baseline_table(frame, by="g", weights=weight), policy=POLICY)
    counts = shown[shown.iloc[:, 1] != ""]
    assert counts.iloc[0, 2] == "已抑制" or counts.iloc[-1, 2] == "已抑制"
    numbers = [int(cell.split(" ")[0]) for cell in counts.iloc[:, 2:6].to_numpy().ravel() if cell[0].isdigit()]
    assert numbers
    assert all(number % 5 == 0 for number in numbers)
    assert "n_eff=" in shown.columns[2]


def test_everyone_can_be_left_out_and_the_language_chosen(sampled):
    frame, _ = sampled
    shown = baseline_table(frame, by="g", overall=False, language="en").to_frame(policy=POLICY)
    assert shown.columns[0] == "Variable"
    assert shown.columns[2].startswith("a (n=")
    assert baseline_table(frame, by="g").to_frame(policy=POLICY).columns[0] == "变量"
