"""Calibration against published figures from R, against statsmodels, and against sums by hand.

The German breast cancer study validates a Cox model of the Rotterdam one. McLernon et al. (2023), Annals of Internal Medicine 176:105,
print for it in R 4.2 (survival, rms, riskRegression; github.com/danielegiardiello/Prediction_performance_survival, 01_predsurv_minimal):
O/E 1.0173902, slope 1.0562040 (0.8158872 to 1.2965207), ICI 0.0302, E50 0.0263, E90 0.0747, Emax 0.0754, Brier 0.22, scaled 0.10, AUC at
4.99 years 0.68. In the curve rms's cph and ours differ by less than 0.0002.
"""

from __future__ import annotations

import numpy as np
import pytest
from lifelines.datasets import load_gbsg2
from scipy.optimize import least_squares
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM

from tests.lib.survival_data import draw
from workbench.errors import DataError
from workbench.risk.evaluation.accuracy import brier, dynamic_auc
from workbench.risk.evaluation.calibration import calibration, calibration_points
from workbench.risk.evaluation.calibration_curve import calibration_curve
from workbench.risk.evaluation.probability_regression import LOGIT, regress
from workbench.risk.evaluation.pseudo import pseudo_observations
from workbench.risk.survival.curves import cumulative_incidence, kaplan_meier
from workbench.risk.survival.outcome import outcome
from workbench.risk.survival.splines import spline_basis

pytestmark = pytest.mark.usefixtures("english")


def german():
    """Return outcomes within 5 years and the predictions of the model that was fitted to the Rotterdam study."""
    d = load_gbsg2()
    nodes = spline_basis(np.minimum(d["pnodes"], 19), [0, 1, 9])
    X = np.c_[(d["tsize"] > 20) & (d["tsize"] <= 50), d["tsize"] > 50, nodes, d["tgrade"] == "III"].astype(float)
    risk = 1 - np.exp(-0.2183978593791216 * np.exp(X @ [0.34184229, 0.57355491, 0.30396512, -0.81116694, 0.36171007]))
    years = d["time"].to_numpy() / 365.25
    return outcome(np.minimum(years, 5), (d["cens"].to_numpy() == 1) & (years <= 5)), risk


def test_it_agrees_with_the_published_validation():
    y, risk = german()
    table = calibration(y, risk, horizon=5)
    assert 1 / table.loc["expected_observed", "estimate"] == pytest.approx(1.0173902, abs=2e-7)
    observed = kaplan_meier(y).iloc[-1]
    wide = np.exp(1.959964 * observed["std_error"] / (1 - observed["survival"]))  # Debray et al. (2017), BMJ 356:i6460
    ratio, lower, upper = table.loc["expected_observed", ["estimate", "lower", "upper"]]
    assert (lower, upper) == (pytest.approx(ratio / wide), pytest.approx(ratio * wide))
    assert table.loc["slope", ["estimate", "lower", "upper"]].tolist() == pytest.approx([1.0562040, 0.8158872, 1.2965207], abs=2e-7)
    curve = calibration_curve(y, risk, horizon=5)
    assert curve[1:] == pytest.approx([0.03017958, 0.02627822, 0.07466548, 0.07543556], abs=2e-4)
    assert brier(y, risk, 4.99).round(2).loc[4.99, ["brier", "scaled"]].tolist() == [0.22, 0.10]
    assert dynamic_auc(y, risk, 4.99).round(2).tolist() == [0.68]


def rivals(n=300, *, whole_days=False):
    d = draw(n, whole_days=whole_days)
    cause = np.where(d.event, 1 + d.stratum % 2, 0)
    return outcome(d.time, cause), 1 - np.exp(-0.3 * np.exp(d.X @ [0.4, -0.2, 0.3]))


def test_a_pseudo_observation_is_what_leaving_the_person_out_changes():
    y, _ = rivals(60, whole_days=True)

    def incidence(some):
        return cumulative_incidence(some, cause=2)["incidence"].loc[:9].iloc[-1]

    wanted = [60 * incidence(y) - 59 * incidence(np.delete(y, i)) for i in range(60)]
    assert (y["time"] == 9).any()
    np.testing.assert_allclose(pseudo_observations(y, 9, cause=2), wanted, atol=1e-12)


def test_a_pseudo_observation_without_censoring_is_the_event():
    d = draw(100)
    np.testing.assert_allclose(pseudo_observations(outcome(d.time, np.ones(100)), 8), d.time <= 8, atol=1e-10)


def test_with_competing_risks_intercept_and_slope_are_those_of_the_least_squares():
    y, risk = rivals()
    table, seen, x = calibration(y, risk, horizon=10), pseudo_observations(y, 10), np.log(-np.log1p(-risk))

    def fitted(beta):
        return 1 - np.exp(-np.exp(beta[0] + (beta[1] if len(beta) > 1 else 1) * x))

    for row, begin in (("intercept", [0.0]), ("slope", [0.0, 1.0])):
        peer = least_squares(lambda beta: seen - fitted(beta), begin, xtol=1e-14, gtol=1e-14, ftol=1e-14)
        spread = np.linalg.inv(peer.jac.T @ peer.jac)
        spread = spread @ (peer.jac.T * peer.fun**2) @ peer.jac @ spread
        error = np.sqrt(spread[-1, -1])
        assert table.loc[row, ["estimate", "std_error"]].tolist() == pytest.approx([peer.x[-1], error], rel=1e-5)
        assert table.loc[row, "upper"] - table.loc[row, "estimate"] == pytest.approx(1.959964 * error, rel=1e-5)
    curve = cumulative_incidence(y, cause=1).loc[:10].iloc[-1]
    assert table.loc["observed"].tolist() == pytest.approx(curve[["incidence", "std_error", "lower", "upper"]].tolist())


def test_a_binary_outcome_agrees_with_statsmodels():
    rng = np.random.default_rng(0)
    risk = rng.beta(2, 4, 500)
    y = rng.random(500) < 1 / (1 + np.exp(0.3 - 0.7 * np.log(risk / (1 - risk))))
    x, table = np.log(risk / (1 - risk)), calibration(y, risk)
    slope = GLM(y, np.c_[np.ones(500), x], family=Binomial()).fit()
    large = GLM(y, np.ones((500, 1)), family=Binomial(), offset=x).fit()
    assert table.loc["slope", ["estimate", "std_error"]].tolist() == pytest.approx([slope.params[1], slope.bse[1]], rel=1e-6)
    assert table.loc["intercept", ["estimate", "std_error"]].tolist() == pytest.approx([large.params[0], large.bse[0]], rel=1e-6)
    assert table.loc["observed", "estimate"] == y.mean()
    curve = calibration_curve(y, risk, knots=4)
    again = GLM(y, np.c_[np.ones(500), spline_basis(x, np.quantile(x, [0.05, 0.35, 0.65, 0.95]))], family=Binomial()).fit()
    assert curve.ici == pytest.approx(np.abs(again.fittedvalues - risk).mean(), rel=1e-6)
    gap = np.abs(again.fittedvalues - risk)
    assert curve[2:] == pytest.approx([np.median(gap), np.quantile(gap, 0.9), gap.max()], rel=1e-6)


@pytest.mark.parametrize("kind", ["binary", "times", "causes"])
def test_right_predictions_lie_on_the_diagonal_and_extreme_ones_have_a_slope_below_1(kind):
    rng = np.random.default_rng(1)
    n, horizon = 6000, None if kind == "binary" else 1.0
    hazard = np.exp(rng.normal(-0.5, 0.7, n))
    risk = 1 - np.exp(-hazard)
    died, lost = rng.exponential(1 / hazard) + 1e-9, rng.exponential(2.0, n) + 1e-9
    other = rng.exponential(1 / 0.3, n) + 1e-9 if kind == "causes" else np.full(n, np.inf)
    if kind == "causes":
        risk = hazard / (hazard + 0.3) * (1 - np.exp(-hazard - 0.3))
    time = np.minimum.reduce([died, lost, other])
    y = died <= 1 if kind == "binary" else outcome(time, np.select([time == died, time == other], [1, 2], 0))
    table = calibration(y, risk, horizon=horizon)
    for row, truth in {"expected_observed": 1, "intercept": 0, "slope": 1}.items():
        assert table.loc[row, "lower"] < truth < table.loc[row, "upper"], row
    assert calibration_curve(y, risk, horizon=horizon).ici < 0.03
    extreme = (1 - (1 - risk) ** np.exp(np.log(hazard) + 0.5)).clip(0.001, 0.999)
    assert calibration(y, extreme, horizon=horizon).loc["slope", "upper"] < 0.8
    assert calibration_curve(y, extreme, horizon=horizon).ici > 0.05
    points = calibration_points(y, risk, horizon=horizon)
    assert ((points["lower"] < points["predicted"]) & (points["predicted"] < points["upper"])).mean() >= 0.8
    assert (np.diff(points["predicted"]) > 0).all()


def test_points_are_the_curves_of_their_groups():
    d = draw(200, whole_days=True)
    y, risk = outcome(d.time, d.event), np.round(1 - np.exp(-0.3 * np.exp(d.X @ [0.4, -0.2, 0.3])), 2)
    points = calibration_points(y, risk, groups=4, horizon=10)
    low = (
        y[risk < np.quantile(risk, 0.25)]
        if len(y[risk < np.quantile(risk, 0.25)]) == points.loc[1, "n"]
        else y[risk <= np.quantile(risk, 0.25)]
    )
    curve = kaplan_meier(low).loc[:10].iloc[-1]
    wanted = [len(low), (low["event"] & (low["time"] <= 10)).sum(), 1 - curve["survival"], 1 - curve["upper"], 1 - curve["lower"]]
    assert points.loc[1, ["n", "events", "observed", "lower", "upper"]].tolist() == pytest.approx(wanted)
    assert points["n"].sum() == 200
    assert len(calibration_points(y, np.full(200, 0.3), horizon=10)) == 1


def test_a_group_begins_at_its_edge():
    risk, y = np.repeat([0.1, 0.2, 0.3, 0.4], 5), np.arange(20) % 2 == 0
    points = calibration_points(y, risk, edges=[0.2, 0.4])
    assert points["n"].tolist() == [5, 10, 5]
    assert points["predicted"].tolist() == pytest.approx([0.1, 0.25, 0.4])
    assert points["events"].tolist() == [3, 5, 2]


def test_a_group_that_was_not_followed_so_far_has_no_share():
    y = outcome([1, 2, 3, 9, 9, 8], [True, False, False, True, False, True])
    points = calibration_points(y, [0.1, 0.1, 0.1, 0.5, 0.5, 0.5], groups=2, horizon=9)
    assert points["observed"].tolist() == [pytest.approx(np.nan, nan_ok=True), pytest.approx(2 / 3)]


def test_predictions_without_spread_have_no_slope_and_no_curve():
    d = draw(100)
    table = calibration(outcome(d.time, d.event), np.full(100, 0.3), horizon=10)
    assert np.isnan(table.loc["slope"]).all()
    assert np.isfinite(table.loc["intercept"]).all()
    with pytest.raises(DataError, match="all 100 predictions are equal"):
        calibration_curve(d.event, np.full(100, 0.3))


def test_a_column_without_information_is_refused():
    with pytest.raises(DataError, match="no finite intercept or slope"):
        regress(np.array([1.0, 0.0]), np.zeros((2, 1)), LOGIT, start=np.zeros(1))


def test_predictions_of_0_and_1_are_moved_and_told():
    risk = np.r_[0.0, 1.0, np.linspace(0.1, 0.9, 98)]
    y = np.random.default_rng(0).random(100) < risk
    with pytest.warns(UserWarning, match="2 of 100 predictions are exactly 0 or 1"):
        assert np.isfinite(calibration(y, risk).loc["slope"]).all()
    with pytest.warns(UserWarning, match="2 of 100"):
        assert calibration_curve(y, risk).curve["predicted"].iloc[[0, -1]].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("y", "risk", "horizon", "found"),
    [
        ([True, True], [0.5, 0.5], None, "the same outcome"),
        ([True, np.nan], [0.5, 0.5], None, "missing"),
        ([0, 2], [0.5, 0.5], None, "other than 0 and 1"),
        ([True, False], [0.5, -0.5], None, "1 of 2 predictions are not within 0 and 1"),
        ([True, False], [0.5, np.nan], None, "1 of 2 predictions are missing"),
        (outcome([1, 2], [1, 0]), [0.5, 0.5], None, "give the horizon"),
        ([True, False], [0.5, 0.5], 3, "no structured array"),
        (outcome([1, 2], [0, 0]), [0.5, 0.5], 1, "nobody had the event"),
        (outcome([1, 2], [1, 0]), [0.5, 0.5], 3, "nobody was followed up"),
        ([True, False, True, False], [0.9, 0.1, 0.8, 0.2], None, "no finite intercept or slope"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(y, risk, horizon, found):
    with pytest.raises(DataError, match=found):
        calibration(np.asarray(y), risk, horizon=horizon)


def of_few(seed):
    d = draw(40, seed=seed, whole_days=bool(seed % 2))
    return outcome(d.time, np.where(d.event, 1 + d.stratum % 2, 0)), 1 - np.exp(-0.3 * np.exp(d.X @ [0.8, -0.4, 0.3]))


@pytest.mark.parametrize(("seed", "slope"), [(56, 1.1145), (111, 0.1817)])
def test_where_pseudo_observations_scatter_the_search_still_ends(seed, slope):
    y, risk = of_few(seed)  # with the expected curvature alone it would not, within 100 steps
    assert calibration(y, risk, horizon=10).loc["slope", "estimate"] == pytest.approx(slope, abs=1e-4)


@pytest.mark.parametrize("seed", [44, 134])
def test_a_slope_without_end_is_refused(seed):
    y, risk = of_few(seed)
    with pytest.raises(DataError, match="no finite intercept or slope"):
        calibration(y, risk, horizon=10)
