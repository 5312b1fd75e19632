"""Survival, incidence, tests and concordance against peers and against counting every pair."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from lifelines import KaplanMeierFitter
from statsmodels.duration.survfunc import CumIncidenceRight, survdiff

from tests.lib.survival_data import draw
from workbench.errors import DataError
from workbench.risk.survival.concordance import antolini, harrell, uno
from workbench.risk.survival.curves import at_times, censoring_survival, cumulative_incidence, kaplan_meier, log_rank, quantile
from workbench.risk.survival.outcome import outcome


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_kaplan_meier_agrees_with_lifelines(late, weighted):
    d = draw(whole_days=True)
    entry = d.entry if late else None
    weight = np.where(d.stratum > 1, 2, 1) if weighted else None
    peer = KaplanMeierFitter().fit(d.time, d.event, entry=entry, weights=weight)
    ours = kaplan_meier(outcome(d.time, d.event, entry=entry), weight=weight)
    np.testing.assert_allclose(at_times(ours["survival"], peer.timeline, start=1), peer.survival_function_.iloc[:, 0], atol=1e-12)
    bounds = peer.confidence_interval_.loc[ours.index]
    np.testing.assert_allclose(ours[["lower", "upper"]], bounds, atol=1e-12)
    assert quantile(ours)[0] == peer.median_survival_time_


def test_a_median_that_is_not_reached_is_infinite():
    assert quantile(kaplan_meier(outcome([1, 2, 3], [True, False, False])))[0] == np.inf


def test_who_weighs_nothing_is_not_there_and_wrong_weights_are_refused():
    y, weight = outcome([1, 2, 3, 4], [True, True, True, False]), [2, 1, 0, 0]
    pd.testing.assert_frame_equal(kaplan_meier(y, weight=weight), kaplan_meier(y[:2], weight=weight[:2]))
    assert cumulative_incidence(y, weight=weight)["incidence"].tolist() == pytest.approx([2 / 3, 1])
    for wrong in ([1, 1], [1, 1, 1, -1], [1, 1, 1, np.nan]):
        with pytest.raises(DataError, match="wanted 4 case weights"):
            kaplan_meier(y, weight=wrong)


def test_a_curve_that_falls_to_nothing_before_others_enter_is_told():
    y = outcome([1, 5, 6, 7], [True, True, False, True], entry=[0, 3, 3, 4])
    for curve in (kaplan_meier, cumulative_incidence):
        with pytest.warns(UserWarning, match="延迟进入"):
            curve(y)


def test_cumulative_incidence_agrees_with_statsmodels():
    d = draw(whole_days=True)
    cause = np.where(d.event, 1 + d.stratum % 2, 0)
    peer = CumIncidenceRight(d.time, cause)
    for k in (1, 2):
        ours = cumulative_incidence(outcome(d.time, cause), cause=k)
        np.testing.assert_allclose(at_times(ours["incidence"], peer.times, start=0), peer.cinc[k - 1], atol=1e-12)
        np.testing.assert_allclose(at_times(ours["std_error"], peer.times, start=0), peer.cinc_se[k - 1], atol=1e-12)
    assert ((ours["lower"] <= ours["incidence"]) & (ours["incidence"] <= ours["upper"])).all()
    with pytest.raises(DataError, match="cause 3"):
        cumulative_incidence(outcome(d.time, cause), cause=3)


@pytest.mark.parametrize("stratified", [False, True])
def test_the_log_rank_test_agrees_with_statsmodels(stratified):
    d = draw(whole_days=True)
    group, strata = np.digitize(d.X[:, 0], [-0.5, 0.5]), d.stratum if stratified else None
    statistic, p = survdiff(d.time, d.event.astype(int), group, strata=strata)
    ours = log_rank(outcome(d.time, d.event), group, strata=strata)
    assert (ours.statistic, ours.p, ours.freedom) == (pytest.approx(statistic), pytest.approx(p), 2)
    assert ours.table["observed"].sum() == pytest.approx(ours.table["expected"].sum())
    with pytest.raises(DataError, match="two groups"):
        log_rank(outcome(d.time, d.event), np.zeros(len(group)))
    with pytest.raises(DataError, match="1 persons have no group"):
        log_rank(outcome(d.time, d.event), np.where(np.arange(len(group)) == 3, None, "a"))


def test_censoring_comes_after_events_of_the_same_time():
    y = outcome([1, 2, 2, 3, 3], [False, True, False, True, False])
    assert censoring_survival(y, [1, 2, 3, 4]) == pytest.approx([1, 4 / 5, 4 / 5 * 2 / 3, 0])


def every_pair(d, higher, weight) -> float:
    """Compare all pairs one by one; `higher(i, j)` tells whether i had the higher risk when i had the event."""
    better = pairs = 0.0
    for i in np.flatnonzero(d.event):
        for j in range(len(d.time)):
            if d.entry[j] < d.time[i] and (d.time[j] > d.time[i] or (d.time[j] == d.time[i] and not d.event[j])):
                better += weight[i] * higher(i, j)
                pairs += weight[i]
    return better / pairs


def test_concordance_is_that_of_every_pair():
    d = draw(150, whole_days=True)
    y, risk = outcome(d.time, d.event, entry=d.entry), np.round(d.X[:, 0], 1)

    def higher(i, j):
        return (risk[i] > risk[j]) + 0.5 * (risk[i] == risk[j])

    assert harrell(y, risk) == pytest.approx(every_pair(d, higher, np.ones(150)))
    left = censoring_survival(y, d.time)
    assert uno(y, risk, tau=20) == pytest.approx(every_pair(d, higher, np.where(d.time < 20, left**-2, 0)))


def test_antolini_asks_at_the_time_of_the_event():
    d = draw(120, whole_days=True)
    times = np.array([2.0, 5.0, 9.0, 30.0])
    survival = np.sort(np.random.default_rng(3).random((120, 4)).round(1))[:, ::-1]

    def higher(i, j):
        column = np.searchsorted(times, d.time[i], side="right") - 1
        one, other = (survival[k, column] if column >= 0 else 1 for k in (i, j))
        return (one < other) + 0.5 * (one == other)

    assert antolini(outcome(d.time, d.event, entry=d.entry), survival, times) == pytest.approx(every_pair(d, higher, np.ones(120)))


def test_concordance_refuses_what_cannot_be_compared():
    y = outcome([1.0, 2.0], [False, True])
    with pytest.raises(DataError, match="no pair"):
        harrell(y, [1, 2])
    with pytest.raises(DataError, match="1 of 2 risks are missing"):
        harrell(y, [1, np.nan])
    with pytest.raises(DataError, match="shape"):
        harrell(y, [1])
    with pytest.raises(DataError, match="everybody is censored before tau=5"):
        uno(outcome([1.0, 2.0, 3.0], [True, False, True]), [1, 2, 3], train=outcome([1.0, 2.0], [True, False]), tau=5)
    with pytest.raises(DataError, match="a column a time"):
        antolini(y, [[1.0], [1.0]], [1.0, 2.0])


def test_an_incidence_that_rounding_keeps_from_one_has_bounds():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        time = rng.exponential(5, 30)
        ours = cumulative_incidence(outcome(time, np.where(time == time.max(), True, rng.random(30) < 0.6)))
        assert ours["incidence"].iloc[-1] == pytest.approx(1)
        assert (ours["lower"] <= ours["incidence"] + 1e-12).iloc[:-1].all()
