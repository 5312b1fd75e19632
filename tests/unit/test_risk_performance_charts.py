"""Figures of performance tell of groups, never of a person."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.disclosure import DisclosurePolicy
from workbench.errors import DataError
from workbench.risk.interpretation.performance_charts import calibration_chart, decision_chart, roc_chart, safe_cuts
from workbench.risk.survival.outcome import outcome

POLICY = DisclosurePolicy(threshold=10, rounding=5)


def drawn(n: int = 800, seed: int = 0, shift: float = -1.0):
    rng = np.random.default_rng(seed)
    risk = 1 / (1 + np.exp(-rng.normal(shift, 1.2, n)))
    return risk, rng.random(n) < risk


def with_times(n: int = 800):
    rng = np.random.default_rng(1)
    lp = rng.normal(0, 1, n)
    died, lost = rng.exponential(400 * np.exp(-lp)), rng.uniform(100, 900, n)
    return 1 - np.exp(-np.exp(lp) * 365 / 400), outcome(np.minimum(died, lost), died <= lost)


@given(seed=st.integers(0, 10_000), n=st.integers(5, 400), shift=st.floats(-4, 4), most=st.integers(2, 20), digits=st.integers(1, 4))
def test_every_part_holds_enough_of_both(seed, n, shift, most, digits):
    risk, y = drawn(n, seed, shift)
    risk = risk.round(digits)
    cuts = safe_cuts(risk, y, most=most, threshold=10)
    parts = np.searchsorted(cuts, risk, side="right")
    for part in range(len(cuts) + 1) if len(cuts) else ():
        assert y[parts == part].sum() >= 10
        assert (~y[parts == part]).sum() >= 10
    assert len(cuts) < most


@given(seed=st.integers(0, 1000), n=st.integers(100, 400))
def test_of_several_rows_a_person_counts_once(seed, n):
    risk, y = drawn(n, seed)
    persons = np.random.default_rng(seed).integers(0, n // 4, n)
    cuts = safe_cuts(risk, y, most=10, threshold=10, persons=persons)
    parts = np.searchsorted(cuts, risk, side="right")
    for part in range(len(cuts) + 1) if len(cuts) else ():
        assert len(np.unique(persons[(parts == part) & y])) >= 10
        assert len(np.unique(persons[(parts == part) & ~y])) >= 10


def test_figures_of_one_person_with_many_rows_are_refused():
    risk, y = drawn(800)
    one = np.where(y, 0, np.arange(800))
    with pytest.raises(DataError, match="no ROC curve"):
        roc_chart(y, {"a": risk}, persons=one, policy=POLICY)
    assert "过少" in calibration_chart(y, risk, persons=one, policy=POLICY).counts.iloc[0, 0]
    few = decision_chart(y, {"a": risk}, persons=np.arange(800) % 9, policy=POLICY).counts
    assert (few["a"] == "—").all()


def test_the_groups_lie_on_the_diagonal_where_the_predictions_are_right():
    for chart in (
        calibration_chart(*drawn(4000)[::-1], policy=POLICY),
        calibration_chart(*with_times(4000)[::-1], horizon=365, policy=POLICY),
    ):
        table = chart.counts
        predicted = table["预测风险"].str.rstrip("%").astype(float)
        low = table.iloc[:, 3].str.extract(r"\(([\d.]+),")[0].astype(float)
        high = table.iloc[:, 3].str.extract(r", ([\d.]+)\)")[0].astype(float)
        assert len(table) >= 5
        assert (predicted.between(low, high)).mean() >= 0.8
        assert table["人数"].str.replace(",", "").astype(int).mod(5).eq(0).all()


def test_no_group_is_shown_where_events_are_few():
    risk, _ = drawn()
    y = np.zeros(len(risk), bool)
    y[np.argsort(risk)[20::50]] = True
    chart = calibration_chart(y, risk, policy=POLICY)
    assert "过少" in chart.counts.iloc[0, 0]
    assert "ICI" in chart.note
    perfect = np.where(y, 0.9, 0.1) + risk / 100
    with pytest.raises(DataError, match="calibration figure"):
        calibration_chart(y, perfect, policy=POLICY)
    with pytest.raises(DataError, match="no ROC curve"):
        roc_chart(y, {"a": risk}, policy=POLICY)


@pytest.mark.parametrize("times", [False, True])
def test_the_points_of_a_roc_curve_are_shares_of_cases_and_controls(times):
    risk, y = with_times() if times else drawn()
    horizon = 365 if times else None
    chart = roc_chart(y, {"model": risk, "coin": np.random.default_rng(0).random(len(y))}, horizon=horizon, policy=POLICY)
    points = chart.counts.set_index("模型")
    x, s = (points.loc["model", name].str.rstrip("%").astype(float) for name in ("1 − 特异度", "灵敏度"))
    assert (np.diff(x) >= 0).all()
    assert (np.diff(s) >= 0).all()
    area = np.trapezoid(np.r_[0, s, 100], np.r_[0, x, 100]) / 1e4
    assert area > 0.7
    coin = points.loc["coin"]
    assert abs(coin["灵敏度"].str.rstrip("%").astype(float) - coin["1 − 特异度"].str.rstrip("%").astype(float)).max() < 15


@pytest.mark.parametrize("times", [False, True])
def test_a_decision_curve_leaves_out_points_of_few_persons(times):
    risk, y = with_times() if times else drawn()
    chart = decision_chart(y, {"model": risk}, horizon=365 if times else None, policy=POLICY)
    assert chart.counts["model"].iloc[0] in ("—", chart.counts["全部干预"].iloc[0])
    few = decision_chart(y, {"model": np.where(risk > np.sort(risk)[-5], 0.9, 0.05)}, horizon=365 if times else None, policy=POLICY)
    assert (few.counts["model"].iloc[6:] == "—").all()
    assert "决策曲线" in chart.title
    assert chart.svg().startswith("<svg")
