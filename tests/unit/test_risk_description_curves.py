"""Curves that people may see: right where they are told, and no event to be read off."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from lifelines.datasets import load_rossi, load_waltons

from tests.lib.paths import shared
from workbench.disclosure import DisclosurePolicy
from workbench.errors import DataError, DefinitionError
from workbench.risk.description.curves import incidence_curves, survival_curves
from workbench.risk.description.follow_up import follow_up
from workbench.risk.description.safe_curve import axis, curve_end, rounded_shares, safe_time, safe_times
from workbench.risk.survival.outcome import outcome

POLICY = DisclosurePolicy(threshold=10, rounding=5)
EXACT = DisclosurePolicy(threshold=2, rounding=1)


def told(chart, name="全部") -> pd.DataFrame:
    """Return the points of a curve as numbers."""
    rows = chart.counts[(chart.counts.iloc[:, 0] == name) & (chart.counts.iloc[:, 2] != "")]
    return rows.iloc[:, 1:3].astype(float).set_axis(["time", "value"], axis=1)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("n", [60, 400, 3000])
def test_between_two_told_times_lie_no_event_or_enough(n, seed):
    random = np.random.default_rng(seed)
    events = np.sort(np.ceil(random.weibull(0.6, n) * 200) if seed % 2 else random.exponential(300, n))
    ticks = axis(float(np.quantile(events, 0.95))).ticks * axis(float(np.quantile(events, 0.95))).days
    times = safe_times(events, ticks, end=ticks[-1] * 7 / 8, threshold=10)
    inside = [int(np.sum((events > start) & (events <= stop))) for start, stop in pairwise(times)]
    assert all(count == 0 or count >= 10 for count in inside)
    assert len(times) > 2
    grid = ticks[1] / 64  # whatever the events, times are parts of a tick
    np.testing.assert_allclose(times / grid, np.round(times / grid), atol=1e-6)


def test_events_that_move_within_a_part_that_is_not_halved_change_no_time():
    events, ticks = np.arange(1.0, 101.0), np.array([0.0, 50.0, 100.0])
    moved = events.copy()
    moved[13] += 0.4
    np.testing.assert_array_equal(*(safe_times(given, ticks, end=100.0, threshold=20) for given in (events, moved)))


def test_many_early_events_are_not_drawn_out_by_a_few_late_ones():
    events = np.r_[np.linspace(0.001, 0.06, 300), 0.7, 0.8, 0.9]
    times = safe_times(events, np.array([0.0, 1.0, 2.0]), end=1.0, threshold=10)
    assert times.tolist() == [0, 1 / 64, 2 / 64, 3 / 64, 1]


def test_the_first_event_is_not_found_by_what_is_empty_before_it():
    for first in (1.0, 7.0, 12.0):
        times = safe_times(np.arange(first, 41.0), np.array([0.0, 20.0, 40.0]), end=40.0, threshold=10)
        assert min(first - times[times < first]) + 1 >= min(first, 5)
        assert np.diff(times).min() >= 5


def test_too_few_events_are_told_nowhere():
    assert safe_times(np.array([10.0] * 9), np.array([0.0, 20.0, 40.0]), end=40.0, threshold=10).tolist() == [0.0]
    joined = safe_times(np.r_[[5.0] * 12, [25.0] * 4, [45.0] * 8], np.array([0.0, 20.0, 40.0, 60.0]), end=60.0, threshold=10)
    assert joined[-1] == 60.0
    assert 40.0 not in joined


def test_the_curve_is_kaplan_and_meiers_where_it_is_told():
    """Expected: lifelines 0.30.3, ``KaplanMeierFitter().fit(rossi.week * 7, rossi.arrest).predict([100, 200, 300])``."""
    rossi = load_rossi()
    points = told(survival_curves(outcome(rossi["week"] * 7, rossi["arrest"]), time_unit="days", policy=EXACT)).set_index("time")["value"]
    expected = {100.0: 0.946759, 200.0: 0.865741, 300.0: 0.798611}
    for time, value in expected.items():
        assert points[time] == pytest.approx(value, abs=0.0015)


def test_who_has_the_event_at_a_time_is_at_risk_there():
    """As R's ``summary(survfit(Surv(time, event) ~ 1), times = c(0, 10, 20, 30, 40))`` has it: 100, 80, 60, 40, 20."""
    chart = survival_curves(outcome(np.repeat([5, 10, 20, 30, 40], 20), np.ones(100, bool)), time_unit="days", policy=EXACT)
    rows = chart.counts[chart.counts["在险人数"] != ""]
    shown = dict(zip(rows.iloc[:, 1].astype(float), rows["在险人数"].astype(float), strict=True))
    assert {time: shown[time] for time in (0, 10, 20, 30)} == {0: 100, 10: 80, 20: 60, 30: 40}


def test_the_test_and_medians_of_waltons_are_lifelines():
    """Expected: lifelines 0.30.3, ``logrank_test`` (P 2e-28) and ``median_survival_time_`` (58 of the controls, 26 of miR-137)."""
    waltons = load_waltons()
    y = outcome(waltons["T"], waltons["E"])
    assert "log-rank P<0.001" in survival_curves(y, waltons["group"], policy=POLICY).note
    medians = follow_up(y, waltons["group"], policy=DisclosurePolicy(threshold=2, rounding=1)).iloc[:, -1].tolist()
    assert [text.split(" ")[0] for text in medians] == ["58", "26"]


def test_stratified_test_is_named_and_differs():
    random, n = np.random.default_rng(4), 600
    stratum = random.choice([0, 1], n)
    group = np.where(random.random(n) < 0.2 + 0.6 * stratum, "甲", "乙")
    y = outcome(random.exponential(np.where(stratum, 100, 300)), np.ones(n, bool))
    plain, layered = (survival_curves(y, group, strata=given, policy=POLICY).note for given in (None, stratum))
    assert "log-rank P<0.001" in plain
    assert "分层 log-rank P=0." in layered


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_curves_end_while_enough_are_at_risk_and_numbers_are_on_the_grid(groups):
    random, n = np.random.default_rng(groups), 700
    time = random.exponential(500, n)
    by = pd.Series(random.choice([f"第{k}组" for k in range(groups)], n)) if groups > 1 else None
    chart = survival_curves(outcome(time, random.random(n) < 0.7), by, policy=POLICY)
    names = ["全部"] if by is None else sorted(by.unique())
    for name in names:
        own = time if by is None else time[(by == name).to_numpy()]
        assert np.sum(own > told(chart, name)["time"].iloc[-1] * 30.4375) >= 10
    risk = chart.counts.iloc[:, 4]
    assert all(int(text.replace(",", "")) % 10 == 0 for text in risk if text and not text.startswith("<"))


def test_a_curve_ends_where_fewer_would_be_at_risk():
    edges = np.array([0.0, 1.0, 2.0, 3.0])
    assert curve_end(np.array([40, 12, 10, 9]), edges, 10) == 2.0
    assert curve_end(np.array([4, 12, 13, 10]), edges, 10) == 3.0  # persons enter late
    assert curve_end(np.array([9, 8, 7, 6]), edges, 10) == 0.0


def test_shares_are_as_coarse_as_counts():
    random = np.random.default_rng(0)
    chart = survival_curves(outcome(random.exponential(100, 80), np.ones(80, bool)), policy=POLICY)
    steps = told(chart)["value"] * 80 / 5
    np.testing.assert_allclose(steps, np.round(steps), atol=0.02)
    assert rounded_shares(np.array([0.5, 1.2]), 4, POLICY).tolist() == [0.0, 1.0]


def test_a_group_of_three_is_left_out_with_its_cover_and_the_test():
    random, n = np.random.default_rng(5), 500
    by = np.where(np.arange(n) < 3, "三人", np.where(np.arange(n) % 2, "甲", "乙"))
    y = outcome(random.exponential(100, n), np.ones(n, bool))
    chart = survival_curves(y, by, policy=POLICY)
    names = set(chart.counts.iloc[:, 0])
    assert "三人" not in names
    assert len(names) == 1
    assert "未显示" in chart.note
    assert "P" not in chart.note.replace("Persons", "")
    assert "三人" not in chart.svg()


def test_groups_of_0_and_1_are_told_in_words():
    random = np.random.default_rng(11)
    y = outcome(random.exponential(100, 300), np.ones(300, bool))
    by = pd.Series(random.integers(0, 2, 300), name="吸烟")
    assert set(survival_curves(y, by, policy=POLICY).counts.iloc[:, 0]) == {"吸烟：否", "吸烟：是"}
    assert follow_up(y, by.to_numpy(), policy=POLICY).iloc[:, 0].tolist() == ["否", "是"]


def test_who_has_no_group_is_left_out():
    random = np.random.default_rng(6)
    y = outcome(random.exponential(100, 300), np.ones(300, bool))
    by = pd.Series(np.where(np.arange(300) % 3, "甲", None))
    assert set(survival_curves(y, by, policy=POLICY).counts.iloc[:, 0]) == {"甲"}


def test_nothing_happened_is_a_flat_line():
    y = outcome(np.linspace(1, 100, 60), np.zeros(60, bool))
    assert set(told(survival_curves(y, policy=POLICY))["value"]) == {1.0}
    assert "—" in follow_up(y, policy=POLICY).iloc[0, -1]


def test_refusals():
    y = outcome(np.arange(1, 9), np.ones(8, bool))
    with pytest.raises(DataError, match="fewer than 10"):
        survival_curves(y, policy=POLICY)
    many = outcome(np.arange(1, 201), np.ones(200, bool))
    with pytest.raises(DataError, match="7 groups"):
        survival_curves(many, np.arange(200) % 7, policy=POLICY)
    with pytest.raises(DataError, match="too few persons or events"):
        survival_curves(outcome(np.arange(1, 201), np.arange(200) < 3), policy=POLICY)
    with pytest.raises(DefinitionError, match="time_unit"):
        survival_curves(many, time_unit="fortnights", policy=POLICY)
    with pytest.raises(DataError, match="199 groups"):
        survival_curves(many, np.zeros(199), policy=POLICY)


def test_incidences_and_the_share_without_event_sum_to_one():
    random, n = np.random.default_rng(8), 4000
    y = outcome(random.exponential(100, n), random.choice([0, 1, 2], n))
    both = incidence_curves(y, causes=("死亡", "出院"), policy=EXACT)
    alone = told(survival_curves(y, policy=EXACT)).set_index("time")["value"]
    one, two = (told(both, name).set_index("time")["value"] for name in ("死亡", "出院"))
    shared_times = sorted(set(alone.index) & set(one.index) & set(two.index))
    assert len(shared_times) > 20
    np.testing.assert_allclose(alone[shared_times] + one[shared_times] + two[shared_times], 1, atol=0.002)


def test_the_test_of_incidences_says_what_it_compares():
    random, n = np.random.default_rng(9), 800
    group = random.choice(["男", "女"], n)
    y = outcome(random.exponential(np.where(group == "男", 50, 200)), random.choice([1, 2], n))
    note = incidence_curves(y, group, causes=("死亡", "出院"), policy=POLICY).note
    assert "死亡 原因别 log-rank P<0.001" in note


def test_a_median_is_told_as_roughly_as_others_share_it():
    events = np.array([250.0, 380.0, 412.0, 440.0])
    assert safe_time(412.0, events, threshold=1) == 412.0
    assert safe_time(412.0, events, threshold=3) == 400.0
    assert safe_time(412.0, events, threshold=9) is None
    assert safe_time(np.inf, events, threshold=1) is None


def test_follow_up_is_the_reverse_kaplan_meier_and_hides_small_groups():
    random, n = np.random.default_rng(10), 20_000
    ends, dies = random.uniform(100, 1000, n), random.exponential(400, n)
    y = outcome(np.minimum(ends, dies), dies < ends)
    shown = follow_up(y, policy=POLICY, time_unit="days").iloc[0]
    assert float(shown.iloc[4].split(" ")[0]) == pytest.approx(550, abs=15)  # whatever the deaths, half were to be watched 550 days
    by = np.where(np.arange(n) < 4, "少", "多")
    assert follow_up(y, by, policy=POLICY).iloc[:, 1].tolist() == ["已抑制", "已抑制"]


def test_support2_by_class_of_disease():
    frame = pd.read_csv(shared("risk/support2/support2.csv"))
    chart = survival_curves(outcome(frame["d.time"], frame["death"].astype(bool)), frame["dzclass"], policy=POLICY)
    assert "log-rank P<0.001" in chart.note
    cancer = told(chart, "Cancer").set_index("time")["value"]
    assert cancer[1.0] == pytest.approx(0.276, abs=0.01)
    assert "<text" in chart.svg()
