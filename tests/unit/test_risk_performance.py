"""Performance in one table: the same numbers as the single measures, and a reason where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.lib.survival_data import draw
from workbench.errors import DataError, DefinitionError
from workbench.risk.evaluation.accuracy import brier, dynamic_auc, weighted_auc
from workbench.risk.evaluation.calibration import calibration
from workbench.risk.evaluation.classification import binary_accuracy
from workbench.risk.evaluation.cox_slope import cox_slope
from workbench.risk.evaluation.net_benefit import decision_curve
from workbench.risk.survival.concordance import antolini, harrell, uno
from workbench.risk.survival.cox import CoxRegression
from workbench.risk.survival.outcome import outcome
from workbench.risk.validation.measures import FAMILIES, MEASURES
from workbench.risk.validation.performance import Scoring, performance

pytestmark = pytest.mark.usefixtures("english")

TIMES = (3.0, 6.0, 9.0, 12.0, 15.0)


@pytest.fixture(scope="module")
def timed():
    d = draw(300)
    return outcome(d.time, d.event), 1 - np.exp(-np.outer(np.exp(d.X @ [0.4, -0.2, 0.3]), TIMES) / 20)


def value(table, measure, **where):
    rows = table[table["measure"] == measure]
    for column, wanted in where.items():
        rows = rows[rows[column] == wanted]
    assert len(rows) == 1
    return rows["value"].item()


def test_each_number_is_that_of_its_own_function(timed):
    y, risk = timed
    table = performance(y, risk, times=TIMES, horizons=[9], thresholds=[0.2, 0.4])
    assert (table["note"] == "").all()
    assert set(table["measure"]) == {name for family in FAMILIES if family.outcome != "binary" for name in family.names}
    assert value(table, "harrell_c") == harrell(y, risk[:, -1])
    assert value(table, "uno_c") == uno(y, risk[:, -1], tau=15)
    assert value(table, "auc", horizon_days=9) == pytest.approx(dynamic_auc(y, risk[:, 2], 9).item())
    assert value(table, "scaled_brier") == pytest.approx(brier(y, risk[:, 2], 9)["scaled"].item())
    weak = calibration(y, risk[:, 2], horizon=9)["estimate"]
    assert value(table, "observed_expected") == pytest.approx(weak["observed"] / weak["expected"])
    assert value(table, "slope") == pytest.approx(weak["slope"])
    assert value(table, "intercept") == weak["intercept"]
    benefit = decision_curve(y, risk[:, 2], [0.2, 0.4], horizon=9)["net_benefit"]
    assert value(table, "net_benefit", threshold=0.4) == benefit[0.4]


def test_a_binary_outcome_has_measures_of_its_own(timed):
    y, risk = timed[0]["event"], timed[1][:, 2]
    table = performance(y, risk, thresholds=[0.3])
    assert table["horizon_days"].isna().all()
    accuracy = binary_accuracy(y, risk)
    assert [value(table, name) for name in accuracy._fields] == pytest.approx(list(accuracy))
    assert value(table, "sensitivity", threshold=0.3) == np.mean(risk[y] >= 0.3)
    assert {"harrell_c", "auc"}.isdisjoint(table["measure"])
    again = performance(y.astype(int), risk[:, None], thresholds=[0.3])
    assert again.equals(table)


@pytest.mark.parametrize("whole_days", [False, True])
def test_antolini_counts_pairs_with_the_curve_at_the_end_of_each_interval(whole_days):
    d = draw(200, whole_days=whole_days)
    y, risk = outcome(d.time, d.event), np.sort(np.round(np.random.default_rng(0).random((200, 3)), 1), axis=1)
    times = np.array([3.0, 8.5, 15.0])
    ends = antolini(y, 1 - risk, np.r_[0.0, times[:-1] + 1e-9])  # what happens at a time belongs to the interval before it
    assert value(performance(y, risk, times=times, measures=["antolini_c"]), "antolini_c") == pytest.approx(ends, abs=1e-12)


def test_antolini_of_curves_in_proportion_is_harrell_however_coarse_they_are(timed):
    y, risk = timed
    table = performance(y, risk[:, [0, 4]], times=[3, 15], measures=["antolini_c", "harrell_c"])
    assert value(table, "antolini_c") == pytest.approx(value(table, "harrell_c"), abs=1e-12)
    assert antolini(y, 1 - risk[:, [0, 4]], [3, 15]) < value(table, "antolini_c") - 0.02  # steps at the times alone leave ties


def test_competing_risks_keep_who_had_another_cause_at_risk():
    y = outcome([1, 2, 3, 4], [1, 2, 0, 1])
    risk = np.array([0.9, 0.6, 0.5, 0.4])
    table = performance(y, risk, times=3, measures=["harrell_c", "uno_c", "d_calibration_p"])
    assert value(table, "harrell_c") == 0.75  # the first rightly before three; the last, at risk beside the second, wrongly
    assert table.set_index("measure").loc["uno_c", "note"].startswith("Uno's C has no form for competing risks")
    assert "all causes" in table.set_index("measure").loc["d_calibration_p", "note"]


def test_what_cannot_be_worked_out_is_no_number_and_says_why(timed):
    y, risk = timed
    table = performance(y, risk[:, :2], times=[3, 500], horizons=[500]).set_index("measure")
    assert table.loc["auc", "note"] == "nobody was followed up to the horizon 500"
    assert table.loc[["auc", "brier", "slope", "ici"], "value"].isna().all()
    assert np.isfinite(table.loc["harrell_c", "value"])
    one = performance(np.ones(5, bool), np.full(5, 0.3), thresholds=[0.2])
    assert one["value"].isna().all()
    assert (one["note"] == "all 5 persons have the same outcome, so there is nothing to compare").all()
    equal = performance(timed[0]["event"], np.full(300, 0.3), measures=["slope", "ici", "npv"], thresholds=[0.2]).set_index("measure")
    assert equal.loc["slope", "note"] == equal.loc["npv", "note"] == "is not defined here"
    assert "all 300 predictions are equal" in equal.loc["ici", "note"]


def test_what_was_changed_stands_in_the_note():
    y, risk = np.array([0, 1, 0, 1] * 5, bool), np.array([0.2, 0.9, 0.4, 0.3] * 4 + [0.6, 0.2, 0.0, 1.0])
    assert performance(y, risk, measures=["slope"])["note"].item() == "2 of 20 predictions are exactly 0 or 1 and were moved by 1e-06"


@pytest.mark.parametrize(
    ("y", "risk", "options", "error", "says"),
    [
        ([1, 0, 1], [0.1, np.nan, 0.2], {}, DataError, "1 of 3 predictions are missing"),
        ([1, 0, 1], [0.1, 1.2, 0.2], {}, DataError, "not within 0 and 1"),
        ([1, 0, 1], [0.1, 0.2], {}, DataError, "shape"),
        ([1, 0, 2], [0.1, 0.2, 0.3], {}, DataError, "0 and 1"),
        ([1, 0, None], [0.1, 0.2, 0.3], {}, DataError, "0 and 1"),
        ([1, 0, 1], [0.1, 0.2, 0.3], {"times": 3}, DataError, "binary outcome with 1 times"),
        ("timed", [0.1] * 300, {}, DataError, "time to an event with 0 times"),
        ("timed", [0.1] * 300, {"times": [0]}, DefinitionError, "times"),
        ("timed", [[0.1] * 2] * 300, {"times": [3, 2]}, DefinitionError, "rise"),
        ("timed", [0.1] * 300, {"times": [3], "horizons": [4]}, DefinitionError, "none of the times"),
        ([1, 0, 1], [0.1, 0.2, 0.3], {"thresholds": [1.0]}, DefinitionError, "less than 1"),
        ([1, 0, 1], [0.1, 0.2, 0.3], {"measures": ["auk"]}, DefinitionError, "unknown measures: auk"),
    ],
)
def test_wrong_input_is_refused(timed, y, risk, options, error, says):
    with pytest.raises(error, match=says):
        performance(timed[0] if y == "timed" else np.array(y), risk, **options)


def test_the_same_numbers_come_in_the_same_order_whatever_the_data(timed):
    y, risk = timed
    scoring = Scoring(TIMES, (9,), (0.2,))
    few = scoring.scores(y[:3], risk[:3])
    assert [one[:2] for one in few] == [one[:2] for one in scoring.scores(y, risk)]


@pytest.mark.parametrize("whole_days", [False, True])
def test_the_fast_slope_is_that_of_the_regression(whole_days):
    d = draw(250, whole_days=whole_days)
    x = 3 + 0.01 * d.X[:, 0]
    slow = CoxRegression().fit(x[:, None], outcome(d.time, d.event))
    assert cox_slope(x, d.time, d.event) == pytest.approx((slow.coef_[0], slow.covariance_[0, 0] ** 0.5), rel=1e-8)
    assert np.isnan(cox_slope(np.full(250, 0.3), d.time, d.event)).all()
    with pytest.raises(DataError, match="no finite slope"):
        cox_slope(-d.time, d.time, d.event)


def test_weighted_pairs_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    case, weight, risk = rng.random(300) < 0.3, rng.uniform(0, 3, 300), np.round(rng.random(300), 1)
    assert weighted_auc(case, weight, risk, horizon=1) == pytest.approx(roc_auc_score(case, risk, sample_weight=weight), abs=1e-12)
    with pytest.raises(DataError, match="all who are known"):
        weighted_auc(case, np.where(case, weight, 0), risk, horizon=1)


def test_competing_risks_have_the_figures_of_their_own_functions():
    d = draw(300)
    y = outcome(d.time, np.where(d.event, 1 + d.stratum % 2, 0))
    risk = (1 - np.exp(-np.outer(np.exp(d.X @ [0.4, -0.2, 0.3]), TIMES) / 20)) / 2
    table = performance(y, risk, times=TIMES, horizons=[9])
    weak = calibration(y, risk[:, 2], horizon=9)["estimate"]
    assert value(table, "slope") == weak["slope"]
    assert value(table, "intercept") == weak["intercept"]
    assert value(table, "observed_expected") == pytest.approx(weak["observed"] / weak["expected"])
    assert value(table, "auc") == pytest.approx(dynamic_auc(y, risk[:, 2], 9).item())
    assert value(table, "brier") == pytest.approx(brier(y, risk[:, 2], 9)["brier"].item())


def test_every_measure_has_a_name_and_a_family():
    assert {name for family in FAMILIES for name in family.names} == set(MEASURES)
    assert all(measure.label for measure in MEASURES.values())


def test_a_resample_is_spared_what_costs_more_than_a_fit():
    quick = Scoring(TIMES, (9,)).quick()
    assert quick.times == (9, 15)
    assert {"ici", "ibs"}.isdisjoint(name for family in quick.families(binary=False) for name in family.names)
    assert Scoring(TIMES, measures=("ici",)).quick().measures == ("ici",)
