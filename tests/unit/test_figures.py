"""Figures of a cohort: drawn from suppressed counts alone, with Chinese that every machine can show."""

import logging

import numpy as np
import pandas as pd
import pytest

from workbench.cohort import plotting
from workbench.cohort.figures import age_sex_pyramid, boxes, histogram, missingness, nice_edges
from workbench.disclosure import DisclosurePolicy
from workbench.errors import DataError, PolicyError
from workbench.locale import set_language

POLICY = DisclosurePolicy(threshold=10, rounding=5)


@pytest.fixture(scope="module")
def ages() -> pd.Series:
    return pd.Series(np.random.default_rng(1).normal(58, 17, 900).clip(0, 104).round())


@pytest.fixture(scope="module")
def sexes() -> pd.Series:
    return pd.Series(np.random.default_rng(2).choice(["女", "男"], 900))


def numbers(frame: pd.DataFrame) -> list[int]:
    words = frame.iloc[:, 1:].astype(str).to_numpy().ravel()
    return [int(word.replace(",", "")) for word in words if word.replace(",", "").isdigit()]


def test_pyramid_counts_are_rounded_and_its_outer_bands_open(ages, sexes):
    chart = age_sex_pyramid(ages, sexes, policy=POLICY)
    bands = chart.counts.iloc[:, 0].tolist()
    assert bands[0].startswith("<")
    assert bands[-1].startswith("≥")
    assert numbers(chart.counts)
    assert all(n % 5 == 0 and (n == 0 or n >= 10) for n in numbers(chart.counts))
    assert list(chart.counts.columns[1:]) == ["女", "男"]


def test_a_few_of_unknown_sex_do_not_join_the_others(ages, sexes):
    sexes = sexes.where(sexes.index >= 4, "不详")
    chart = age_sex_pyramid(ages, sexes, policy=POLICY)
    assert list(chart.counts.columns[1:]) == ["女", "男"]
    assert not chart.note.startswith("有一组")


@pytest.mark.parametrize("size", [12, 45, 300, 5000])
def test_no_bin_of_a_histogram_shows_a_small_count(size):
    values = pd.Series(np.random.default_rng(size).lognormal(5, 1.2, size))
    groups = pd.Series(np.random.default_rng(4).choice(["存活", "死亡"], size, p=[0.8, 0.2]))
    for chart in (histogram(values, label="乳酸脱氢酶", policy=POLICY), histogram(values, label="乳酸脱氢酶", by=groups, policy=POLICY)):
        assert all(n == 0 or n >= 10 for n in numbers(chart.counts))
        assert len(chart.counts) <= 18


def test_a_tail_too_small_by_itself_is_joined_further_in():
    values = pd.Series([50.0] * 40 + [150.0] * 20 + [250.0] * 4 + [350.0] * 3)
    chart = histogram(values, label="x", policy=DisclosurePolicy(threshold=10, rounding=1))
    shown = chart.counts["人数"].tolist()
    assert "已抑制" not in shown
    assert shown[-1] == "27", "7 beyond 200 are too few, so the 20 before them are taken in"


def test_groups_that_lie_apart_hide_nothing_that_joining_can_show():
    random = np.random.default_rng(5)
    values = pd.Series(np.concatenate([random.normal(25, 8, 170), random.normal(7, 4, 145)]).clip(0.1))
    groups = pd.Series(["存活"] * 170 + ["死亡"] * 145)
    chart = histogram(values, by=groups, label="淋巴细胞", policy=POLICY)
    assert "已抑制" not in chart.counts["人数"].tolist()
    assert (chart.counts["组"].value_counts() >= 3).all()


def test_a_group_too_small_to_show_is_not_told_apart():
    values, groups = pd.Series(np.arange(100.0)), pd.Series(["存活"] * 96 + ["死亡"] * 4)
    chart = histogram(values, by=groups, label="x", policy=POLICY)
    assert chart.counts["组"].unique().tolist() == ["全部"]
    assert "未分组" in chart.note
    assert list(age_sex_pyramid(values, groups, policy=POLICY).counts.columns[1:]) == ["全部"]


def test_edges_of_a_histogram_lie_inside_what_the_policy_allows():
    values = np.concatenate([np.random.default_rng(0).normal(100, 10, 500), [9_999.0]])
    edges = nice_edges(values, policy=POLICY)
    assert edges.max() < 200, "one patient's extreme value sets no edge"
    assert nice_edges(np.full(50, 7.0), policy=POLICY).tolist() == [7.0]


def test_boxes_leave_out_quantiles_that_too_few_lie_beyond():
    values = pd.Series(np.arange(150.0))
    chart = boxes(values, pd.Series(["many"] * 110 + ["few"] * 40), label="x", policy=POLICY)
    few, many = chart.counts.to_numpy().tolist()
    assert few[2] == few[6] == "已抑制"
    assert few[4] != "已抑制"
    assert "已抑制" not in many


def test_a_group_too_small_for_any_quantile_is_an_error_when_alone():
    with pytest.raises(DataError, match="too few"):
        boxes(pd.Series([1.0, 2.0]), pd.Series(["a", "a"]), label="x", policy=POLICY)


def test_missingness_hides_few_missing_and_counts_the_complete():
    frame = pd.DataFrame({"a": [1.0] * 100, "b": [np.nan] * 3 + [1.0] * 97, "c": [np.nan] * 40 + [1.0] * 60})
    chart = missingness(frame, policy=POLICY)
    shown = dict(chart.counts.to_numpy().tolist())
    assert shown["c"] == "40 (40.0%)"
    assert not shown["b"][0].isdigit()
    assert "a" not in shown
    assert "1 个变量没有缺失" in chart.note


@pytest.mark.parametrize(
    "draw",
    [
        lambda: age_sex_pyramid(pd.Series([50.0] * 20), pd.Series(["女"] * 20)),
        lambda: histogram(pd.Series(np.arange(50.0)), label="x"),
        lambda: boxes(pd.Series(np.arange(50.0)), pd.Series(["a"] * 50), label="x"),
        lambda: missingness(pd.DataFrame({"a": [1.0]})),
    ],
    ids=["pyramid", "histogram", "boxes", "missingness"],
)
def test_no_figure_without_a_policy(draw, monkeypatch):
    monkeypatch.delenv("WORKBENCH_POLICY", raising=False)
    monkeypatch.setenv("WORKBENCH_SESSION", "/nowhere/session.toml")
    with pytest.raises(PolicyError):
        draw()


def test_svg_is_the_same_each_time_and_holds_text_and_no_trace_of_its_making(ages, sexes):
    first, second = (age_sex_pyramid(ages, sexes, policy=POLICY).svg() for _ in range(2))
    assert first == second
    assert ">人数</text>" in first
    assert "<metadata" not in first
    assert "matplotlib.org" not in first
    assert "<image" not in first


def test_no_glyph_is_missing(ages, sexes, caplog):
    with caplog.at_level(logging.WARNING):
        plotting.to_svg(age_sex_pyramid(ages, sexes, policy=POLICY).figure)
    assert not [record for record in caplog.records if "font" in record.getMessage().lower() or "glyph" in record.getMessage().lower()]


def test_the_language_is_a_switch_away(ages, sexes):
    set_language("en")
    try:
        assert age_sex_pyramid(ages, sexes, policy=POLICY).title == "Age and sex"
    finally:
        set_language("zh")


def test_colours_and_fonts_of_other_figures_are_left_alone(ages, sexes):
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    age_sex_pyramid(ages, sexes, policy=POLICY).svg()
    assert dict(mpl.rcParams) == before
