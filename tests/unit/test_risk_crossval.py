"""Cross-validation by person and by site, intervals, comparisons, and figures of several places joined."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.metrics import roc_auc_score

from tests.lib.risk_models import Logistic
from tests.lib.survival_data import draw
from workbench.errors import DataError, DefinitionError
from workbench.risk.survival.outcome import outcome
from workbench.risk.validation.crossval import cross_validate
from workbench.risk.validation.intervals import compare, with_intervals
from workbench.risk.validation.measures import MEASURES
from workbench.risk.validation.performance import Scoring, performance
from workbench.risk.validation.random_effects import random_effects
from workbench.risk.validation.sites import leave_one_site_out

pytestmark = pytest.mark.usefixtures("english")

AUROC = Scoring(measures=("auroc",))


def binary(n=400, seed=0, slope=1.0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    return X, rng.random(n) < 1 / (1 + np.exp(1 - slope * X[:, 0]))


class Memory(BaseEstimator):
    """Predicts 1 for who was seen in training, and counts the rows it learnt from."""

    def fit(self, X, y):
        self.seen_ = np.unique(X[:, 0])
        return self

    def predict_risk(self, X, times=None):
        return np.isin(X[:, :1], self.seen_).astype(float)


def test_nobody_is_predicted_by_a_model_that_knew_them():
    rng = np.random.default_rng(0)
    persons = rng.integers(0, 60, 300)
    y = rng.random(300) < 0.3
    found = cross_validate(Memory(), persons[:, None], y, scoring=AUROC, persons=persons, repeats=2, resamples=0, workers=1)
    assert (found.risk == 0).all()
    assert (cross_validate(Memory(), persons[:, None], y, scoring=AUROC, resamples=0, workers=1).risk == 1).any()


def test_folds_are_fitted_one_by_one_and_pooled():
    X, y = binary()
    scoring = Scoring(thresholds=(0.3,))
    found = cross_validate(Logistic(), X, y, scoring=scoring, folds=4, repeats=2, resamples=0, seed=5, workers=1)
    by_hand = np.empty(len(y))
    for fold in range(4):
        inside = found.fold[1] == fold
        by_hand[inside] = Logistic().fit(X[~inside], y[~inside]).predict_risk(X[inside])[:, 0]
    np.testing.assert_allclose(found.risk[1, :, 0], by_hand)
    of_repeats = [performance(y, risk, thresholds=[0.3])["value"] for risk in found.risk]
    np.testing.assert_allclose(found.pooled["value"], np.mean(of_repeats, axis=0))
    first = found.folds.query("repeat == 0 and fold == 2 and measure == 'auroc'")
    inside = found.fold[0] == 2
    assert first["value"].item() == pytest.approx(roc_auc_score(y[inside], found.risk[0, inside, 0]))
    assert (first["rows"].item(), first["events"].item()) == (inside.sum(), y[inside].sum())
    assert (found.fold[0] != found.fold[1]).any()


def test_the_standard_error_of_the_auroc_is_hanleys():
    """Hanley and McNeil (1982), Radiology 143:29, equation 2 with the exponential approximation."""
    X, y = binary(600)
    row = with_intervals(y, 1 / (1 + np.exp(-X[:, 0])), scoring=AUROC, resamples=300, workers=1).iloc[0]
    auc, n1, n0 = row["value"], y.sum(), (~y).sum()
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    error = np.sqrt((auc * (1 - auc) + (n1 - 1) * (q1 - auc**2) + (n0 - 1) * (q2 - auc**2)) / n1 / n0)
    assert (row["upper"] - row["lower"]) / 2 / 1.96 == pytest.approx(error, rel=0.12)
    assert row["std_error"] == pytest.approx(error / auc / (1 - auc), rel=0.12)  # of the log odds


def test_what_costs_much_is_drawn_less_often_and_its_interval_is_as_wide():
    X, y = binary(500)
    risk = 1 / (1 + np.exp(1 - X[:, 0]))
    thin, full = (
        with_intervals(y, risk, scoring=Scoring(measures=names), resamples=200, workers=1).set_index("measure")
        for names in (None, ("ici", "auroc"))
    )
    assert thin.loc["auroc"].equals(full.loc["auroc"])
    assert thin.loc["ici", "std_error"] == pytest.approx(full.loc["ici", "std_error"], rel=0.4)
    assert thin.loc["ici", "upper"] - thin.loc["ici", "value"] == pytest.approx(1.96 * thin.loc["ici", "std_error"], rel=1e-3)
    assert (thin["note"] == "").all()


def test_the_interval_of_a_distance_ends_at_nought():
    rng = np.random.default_rng(3)
    risk = rng.uniform(0.1, 0.9, 200)
    table = with_intervals(rng.random(200) < risk, risk, scoring=Scoring(), resamples=50, workers=1).set_index("measure")
    assert table.loc[["ici", "e50", "e90"], "lower"].tolist() == [0, 0, 0]
    assert (table.loc[["ici", "e50", "e90"], "value"] > 0).all()


def test_times_to_an_event_have_an_interval_for_all_but_a_p():
    d = draw(150)
    times = np.arange(2.0, 16, 2)
    risk = 1 - np.exp(-np.outer(np.exp(d.X @ [0.4, -0.2, 0.3]), times) / 20)
    table = with_intervals(outcome(d.time, d.event), risk, scoring=Scoring(tuple(times), (8,), (0.3,)), resamples=50, workers=1)
    bare = table[table["lower"].isna()]
    assert bare["measure"].tolist() == ["d_calibration_p"]
    assert (table["note"] == "").all()
    rest = table.drop(index=bare.index)
    assert ((rest["lower"] < rest["value"]) & (rest["value"] < rest["upper"])).mean() > 0.95


def test_rows_of_one_person_tell_no_more_than_one():
    X, y = binary(200)
    risk, again = 1 / (1 + np.exp(-X[:, 0])), np.repeat(np.arange(200), 4)
    once, grouped = (
        with_intervals(*given, scoring=AUROC, persons=who, resamples=100, workers=1).iloc[0]
        for given, who in (((y, risk), None), ((y[again], risk[again]), again))
    )
    assert grouped["std_error"] == pytest.approx(once["std_error"])
    rows = with_intervals(y[again], risk[again], scoring=AUROC, resamples=100, workers=1).iloc[0]
    assert rows["std_error"] < 0.7 * once["std_error"]


def test_models_are_compared_on_the_same_draws():
    X, y = binary()
    good, bad = 1 / (1 + np.exp(1 - X[:, 0])), np.full(400, y.mean())
    table = compare(y, {"good": good, "same": good, "bad": bad}, scoring=AUROC, resamples=100, workers=1).set_index("model")
    assert table.loc["same", ["difference", "lower", "upper"]].tolist() == [0, 0, 0]
    assert table.loc["bad", "difference"] == pytest.approx(0.5 - roc_auc_score(y, good))
    assert table.loc["bad", "upper"] < 0
    assert set(table["reference"]) == {"good"}
    with pytest.raises(DataError, match="1 models"):
        compare(y, {"good": good}, scoring=AUROC)
    with pytest.raises(DataError, match="shapes"):
        compare(y, {"good": good, "two": np.c_[good, good]}, scoring=AUROC)


def test_a_measure_that_most_draws_lack_has_no_interval():
    y = np.arange(30) == 0
    table = with_intervals(y, np.linspace(0.2, 0.1, 30), scoring=AUROC, resamples=50, workers=1)
    assert table["value"].item() == 1
    assert np.isnan(table["lower"].item())
    assert "no interval" in table["note"].item()


def test_each_site_is_tried_by_a_model_of_the_others():
    site = np.repeat(["甲", "乙", "丙", "丁"], [150, 120, 100, 30])
    y = np.arange(400) % 4 == 0
    y[370:] = np.arange(30) < 3
    X = np.unique(site, return_inverse=True)[1][:, None].astype(float)
    found = leave_one_site_out(Memory(), X, y, site, scoring=Scoring(measures=("brier",)), resamples=10, workers=1)
    assert (found.risk[:370] == 0).all()
    assert np.isnan(found.risk[370:]).all()
    assert found.sites.set_index("site").loc["丁", ["rows", "events", "note"]].tolist() == [30, 3, "fewer than 10 events: not evaluated"]
    assert found.joined["places"].item() == 3


def test_sites_are_joined_on_the_scale_of_the_measure():
    X, y = binary(900)
    site = np.arange(900) % 3
    scoring = Scoring(measures=("auroc", "observed_expected"))
    found = leave_one_site_out(Logistic(), X, y, site, scoring=scoring, resamples=40, workers=1)
    row = found.joined.set_index("measure").loc["auroc"]
    own = found.sites.query("measure == 'auroc'")
    inside = site == 1
    risk = Logistic().fit(X[~inside], y[~inside]).predict_risk(X[inside])[:, 0]
    assert own.query("site == 1")["value"].item() == pytest.approx(roc_auc_score(y[inside], risk))
    by_hand = random_effects(np.log(own["value"] / (1 - own["value"])), own["std_error"])
    assert row["estimate"] == pytest.approx(1 / (1 + np.exp(-by_hand.estimate)))
    assert row["predicted_lower"] <= row["lower"] < row["estimate"] < row["upper"] <= row["predicted_upper"] < 1


#: The 13 trials of BCG vaccine of Colditz et al. (1994), as in R's metafor: cases and others, vaccinated and not.
BCG = """4 119 11 128, 6 300 29 274, 3 228 11 209, 62 13536 248 12619, 33 5036 47 5761, 180 1361 372 1079, 8 2537 10 619,
505 87886 499 87892, 29 7470 45 7232, 17 1699 65 1600, 186 50448 141 27197, 5 2493 3 2338, 27 16886 29 17825"""


def test_random_effects_are_those_of_metafor():
    """The figures that metafor prints for ``rma(yi, vi, data=dat.bcg, test="knha")``, log risk ratios by REML."""
    a, b, c, d = np.array([row.split() for row in BCG.split(",")], float).T
    found = random_effects(np.log(a / (a + b) / (c / (c + d))), np.sqrt(1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)))
    assert round(found.estimate, 4) == -0.7145
    assert round(found.tau2, 4) == 0.3132
    assert round(found.q, 4) == 152.2330
    assert round(100 * found.i2, 2) == 92.22
    assert (round(found.lower, 4), round(found.upper, 4)) == (-1.1084, -0.3206)


def test_places_that_are_alike_have_no_variance_between():
    found = random_effects([0.1, 0.12, 0.11], [0.1, 0.1, 0.1])
    assert found.tau2 == found.i2 == 0
    assert found.p > 0.9


@pytest.mark.parametrize("measure", MEASURES)
def test_scales_lead_back(measure):
    assert MEASURES[measure].off_scale(MEASURES[measure].on_scale([0.3])).item() == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"sites": ["a"] * 400}, DataError, "one site only"),
        ({"sites": ["a", None] * 200}, DataError, "200 sites for 400 rows"),
        ({"sites": ["a"]}, DataError, "1 sites for 400 rows"),
        ({"sites": ["a", "b"] * 200, "persons": np.arange(400) // 2}, DataError, "a person is at two sites"),
        ({"sites": ["a", "b"] * 200, "least_events": 1000}, DataError, "no site has 1000 persons with the event"),
    ],
)
def test_wrong_sites_are_refused(change, error, says):
    X, y = binary()
    with pytest.raises(error, match=says):
        leave_one_site_out(Logistic(), X, y, scoring=AUROC, resamples=2, workers=1, **change)


def test_wrong_input_is_refused():
    X, y = binary()
    with pytest.raises(DefinitionError, match="repeats=0"):
        cross_validate(Logistic(), X, y, scoring=AUROC, repeats=0)
    with pytest.raises(DefinitionError, match="resamples=-1"):
        with_intervals(y, X[:, 0] ** 0, scoring=AUROC, resamples=-1)
    with pytest.raises(DataError, match="not finite"):
        random_effects([0.1, np.nan], [1, 1])
    with pytest.raises(DataError, match="1 figures"):
        random_effects([0.1], [1])
