"""Net benefit against dcurves 1.1.7, and with competing risks group by group.

The expected figures are those of ``dcurves.dca(..., thresholds=[0.1, 0.3, 0.5])`` on the same draw, with ``time=10`` and for a binary
outcome.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.lib.survival_data import draw
from workbench.errors import DataError, DefinitionError
from workbench.risk.evaluation.net_benefit import decision_curve
from workbench.risk.evaluation.shares import event_share, shares_among
from workbench.risk.survival.outcome import outcome

COLUMNS = ["positive", "true_positive", "false_positive", "net_benefit", "intervention_avoided"]
WITH_TIMES = [
    [0.996666666667, 0.353493368213, 0.643173298454, 0.282029668385, 0.006209955043],
    [0.71, 0.314060378659, 0.395939621341, 0.144371969513, 0.159515575391],
    [0.226666666667, 0.147833549035, 0.078833117631, 0.069000431404, 0.362589019320],
]
BINARY = [
    [0.996666666667, 0.66, 0.336666666667, 0.622592592593, 0.003333333333],
    [0.71, 0.506666666667, 0.203333333333, 0.419523809524, -0.221111111111],
    [0.226666666667, 0.186666666667, 0.04, 0.146666666667, -0.173333333333],
]


def predicted(d):
    return 1 - np.exp(-np.exp(d.X @ [0.4, -0.2, 0.3]) * 10 / 20)


def test_it_agrees_with_dcurves():
    d = draw(300)
    timed = decision_curve(outcome(d.time, d.event), predicted(d), [0.1, 0.3, 0.5], horizon=10)
    np.testing.assert_allclose(timed[COLUMNS], WITH_TIMES, atol=1e-11)
    np.testing.assert_allclose(timed["treat_all"], [0.281339673380, 0.076008151488, -0.293588587916], atol=1e-11)
    plain = decision_curve(d.time <= 12, predicted(d), [0.1, 0.3, 0.5])
    np.testing.assert_allclose(plain[COLUMNS], BINARY, atol=1e-11)
    np.testing.assert_allclose(plain["standardised"], plain["net_benefit"] / 0.66)
    assert (timed["treat_none"] == 0).all()


def rivals():
    d = draw(250, whole_days=True)
    return d, outcome(d.time, np.where(d.event, 1 + d.stratum % 2, 0))


def test_with_competing_risks_the_share_is_that_of_aalen_and_johansen():
    d, y = rivals()
    risk = predicted(d)
    curve = decision_curve(y, risk, [0.2, 0.4], horizon=9, cause=2, harm=0.01)
    for threshold in (0.2, 0.4):
        above = risk >= threshold
        true = above.mean() * event_share(y[above], horizon=9, cause=2).estimate
        row = curve.loc[threshold]
        assert row["true_positive"] == pytest.approx(true)
        assert row["net_benefit"] == pytest.approx(true - threshold / (1 - threshold) * (above.mean() - true) - 0.01)


@pytest.mark.parametrize("cause", [1, 2])
@pytest.mark.parametrize("horizon", [1, 7, 20])
def test_shares_of_many_groups_are_those_of_each(cause, horizon):
    d, y = rivals()
    groups = [d.stratum == k for k in range(4)] + [d.X[:, 0] > 0]
    wanted = [event_share(y[inside], horizon=horizon, cause=cause).estimate for inside in groups]
    np.testing.assert_allclose(shares_among(y, groups, horizon=horizon, cause=cause), wanted, atol=1e-12)


def test_a_threshold_that_nobody_reaches_or_above_which_nobody_stays_is_told():
    y = outcome([1, 2, 3, 9, 10, 8], [True, False, False, True, False, True])
    curve = decision_curve(y, [0.6, 0.6, 0.6, 0.1, 0.1, 0.1], [0.05, 0.3, 0.7], horizon=9)
    assert curve["net_benefit"].tolist() == [pytest.approx(curve.loc[0.05, "treat_all"]), pytest.approx(np.nan, nan_ok=True), 0]


@pytest.mark.parametrize("thresholds", [[0.0, 0.5], [0.5, 1.0], [0.5, 0.4], [], [np.nan]])
def test_thresholds_lie_within_0_and_1(thresholds):
    with pytest.raises(DefinitionError, match="thresholds must rise"):
        decision_curve([True, False], [0.3, 0.2], thresholds)


def test_what_has_no_net_benefit_is_refused():
    d = draw(50)
    y = outcome(d.time, d.event)
    with pytest.raises(DataError, match="50 of 50 predictions are not within 0 and 1"):
        decision_curve(y, np.full(50, 20.0), horizon=10)
    with pytest.raises(DataError, match="nobody was followed up"):
        decision_curve(y, np.full(50, 0.2), horizon=1e5)
    with pytest.raises(DataError, match="give the horizon"):
        decision_curve(y, np.full(50, 0.2))
