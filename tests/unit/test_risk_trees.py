"""Boosted trees: the partial likelihood by hand and against Cox, calibration, exact SHAP, gaps and categories, what is refused."""

import sys

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import approx_fprime
from sklearn.base import clone

from tests.lib.survival_data import draw
from workbench.errors import DataError, DefinitionError, EnvironmentFault
from workbench.risk.models.breslow import Breslow
from workbench.risk.models.catalogue import make_model
from workbench.risk.models.common import BeyondFollowUp
from workbench.risk.models.equation import UnseenCategories
from workbench.risk.models.trees import BoostedTrees, NothingLearnt
from workbench.risk.protocol.parts import ModelChoice
from workbench.risk.survival.cox import CoxRegression
from workbench.risk.survival.curves import kaplan_meier
from workbench.risk.survival.outcome import Follow, follow, outcome

QUICK = {"members": 2, "patience": 5, "learning_rate": 0.1}


@pytest.fixture(scope="module")
def drawn():
    return draw(500)


@pytest.fixture(scope="module")
def table(drawn):
    X = pd.DataFrame(drawn.X, columns=["a", "b", "c"]).assign(ward=pd.Categorical(np.array(["x", "y", "z", "w"])[drawn.stratum]))
    X.loc[::7, "b"] = np.nan
    return X


@pytest.fixture(scope="module")
def trees(drawn, table):
    return BoostedTrees(**QUICK).fit(table, outcome(drawn.time, drawn.event))


# ------------------------------------------------------------------------------------------------------------- the likelihood


def test_likelihood_by_hand():
    """Events at 1 and 2 of weights 1 and 2; hazard ratios 1, 2, 4: log(7) + 2 log(6) - 0 - 2 log 2, over the weight 3."""
    given = Follow(np.array([1.0, 2.0, 3.0]), np.array([True, True, False]), None)
    one = Breslow.of(given, np.ones(3))
    assert one.loss(np.log([1.0, 2.0, 4.0])) == pytest.approx((np.log(7) + np.log(6) - np.log(2)) / 2)
    time, hazard = one.baseline(np.log([1.0, 2.0, 4.0]))
    assert time.tolist() == [1, 2]
    np.testing.assert_allclose(hazard, [1 / 7, 1 / 7 + 1 / 6])


@pytest.mark.parametrize("entries", [False, True])
def test_gradient_is_the_slope_of_the_loss(entries):
    drawn = draw(40, whole_days=True)
    breslow = Breslow.of(Follow(drawn.time, drawn.event, drawn.entry if entries else None), drawn.weight)
    score = np.random.default_rng(0).normal(size=40)
    total = breslow.weight.sum()
    gradient, hessian = breslow.derivatives(score)
    np.testing.assert_allclose(gradient / total, approx_fprime(score, breslow.loss, 1e-7), atol=1e-5)
    bumped = [breslow.derivatives(score + 1e-5 * np.eye(40)[i])[0][i] for i in range(40)]
    np.testing.assert_allclose(hessian, (bumped - gradient) / 1e-5, atol=1e-3)


@pytest.mark.parametrize("entries", [False, True])
def test_baseline_and_score_are_cox_s(drawn, entries):
    given = Follow(drawn.time, drawn.event, drawn.entry if entries else None)
    cox = CoxRegression(ties="breslow").fit(drawn.X, outcome(given.time, given.event, entry=given.entry))
    breslow = Breslow.of(given, np.ones(500))
    _, hazard = breslow.baseline(cox.predict(drawn.X))
    np.testing.assert_allclose(hazard, cox.baseline_[0].to_numpy())
    np.testing.assert_allclose(breslow.derivatives(cox.predict(drawn.X))[0] @ drawn.X, 0, atol=1e-5)


# ------------------------------------------------------------------------------------------------------------- risks


def test_risks_follow_known_hazards(trees, drawn, table):
    true = 1 - np.exp(-np.exp(drawn.X @ [0.5, -0.3, 0.2]) / 20 * 10)
    risk = trees.predict_risk(table, [5.0, 10.0])
    assert np.corrcoef(risk[:, 1], true)[0, 1] > 0.7
    assert abs(risk[:, 1].mean() - true.mean()) < 0.05
    assert (risk[:, 0] <= risk[:, 1]).all()


def test_binary_risks_are_calibrated():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(2000, 3))
    true = 1 / (1 + np.exp(-2 * X[:, 0] + 1))
    model = BoostedTrees(**QUICK).fit(X[:1000], rng.random(1000) < true[:1000])
    risk = model.predict_risk(X[1000:])[:, 0]
    assert np.corrcoef(risk, true[1000:])[0, 1] > 0.95
    assert abs(risk.mean() - true[1000:].mean()) < 0.03


def test_the_same_numbers_each_time(trees, drawn, table):
    again = clone(trees).fit(table, outcome(drawn.time, drawn.event))
    np.testing.assert_array_equal(again.predict(table), trees.predict(table))
    assert trees.n_features_in_ == 4
    assert trees.feature_names_in_.tolist() == ["a", "b", "c", "ward"]


def test_contributions_add_up(trees, table):
    parts, base = trees.contributions(table)
    assert parts.shape == (500, 4)
    np.testing.assert_allclose(parts.sum(axis=1) + base, trees.predict(table), atol=1e-9)


def test_weights_count():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(400, 1))
    y = rng.random(400) < 1 / (1 + np.exp(-X[:, 0]))
    weight = np.where(y, 3.0, 1.0)
    risk = BoostedTrees(**QUICK).fit(X, y, sample_weight=weight).predict_risk(X)[:, 0]
    assert np.average(risk, weights=weight) == pytest.approx(np.average(y, weights=weight), abs=0.03)


def test_entries_are_heeded():
    """Half enter at 5: the baseline is Kaplan and Meier's of the whole, who all have the same hazard."""
    rng = np.random.default_rng(3)
    time, entry = rng.exponential(10, 2000) + 0.01, np.where(np.arange(2000) % 2, 5.0, 0.0)
    chosen = time > entry
    y = outcome(time[chosen], np.ones(chosen.sum(), bool), entry=entry[chosen])
    with pytest.warns(NothingLearnt):
        model = BoostedTrees(members=2, min_rows=2000).fit(rng.normal(size=(chosen.sum(), 1)), y)
    survival = kaplan_meier(y)["survival"]
    risk = model.predict_risk([[3.0]], [5.0])[0, 0]
    assert risk == pytest.approx(1 - survival[survival.index <= 5].iloc[-1], abs=0.005)


def test_what_is_missing_tells(drawn):
    rng = np.random.default_rng(4)
    y = rng.random(500) < 0.4
    X = np.where(y & (rng.random(500) < 0.9), np.nan, rng.normal(size=500))[:, None]
    risk = BoostedTrees(**QUICK).fit(X, y).predict_risk(X)[:, 0]
    assert risk[np.isnan(X[:, 0])].min() > 0.9
    assert risk[~np.isnan(X[:, 0])].mean() < 0.2


@pytest.mark.usefixtures("english")
def test_a_category_unseen_counts_as_missing_and_is_told(trees, table):
    new = table.iloc[:4].assign(ward=pd.Categorical(["new", "x", "new", None]))
    with pytest.warns(UnseenCategories, match=r"as missing: ward \(2 rows\)"):
        got = trees.predict(new)
    np.testing.assert_array_equal(got, trees.predict(new.assign(ward=pd.Categorical([None, "x", None, None], categories=["x"]))))


def test_the_order_of_categories_does_not_matter(trees, table):
    turned = table.assign(ward=table["ward"].cat.reorder_categories(["z", "w", "y", "x"]))
    np.testing.assert_array_equal(trees.predict(turned), trees.predict(table))


def test_noise_gives_all_the_same_risk_and_says_so():
    rng = np.random.default_rng(5)
    X, y = rng.normal(size=(60, 1)), np.arange(60) < 20
    with pytest.warns(NothingLearnt):
        risk = BoostedTrees(**QUICK, min_rows=40).fit(X, y).predict_risk(X)
    np.testing.assert_allclose(risk, 1 / 3)


def test_columns_all_missing_constant_or_huge_and_more_than_rows(drawn, table):
    X = table.iloc[:80].assign(empty=np.nan, constant=1.0, huge=np.where(np.arange(80) == 3, 1e300, 1.0))
    X = pd.concat([X, pd.DataFrame(np.random.default_rng(0).normal(size=(80, 100)), columns=[f"n{i}" for i in range(100)])], axis=1)
    risk = BoostedTrees(**QUICK).fit(X, outcome(drawn.time, drawn.event)[:80]).predict_risk(X, [5.0])
    assert np.isfinite(risk).all()


# ------------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (X, outcome(y["time"], np.zeros(500, bool))), "0 persons with the event"),
        (lambda X, y: (X, np.ones(500, bool)), "same outcome"),
        (lambda X, y: (X, np.arange(500) > 0), "1 persons without the event"),
        (lambda X, y: (X.iloc[[0] * 500], y), "no column varies"),
        (lambda X, y: (X.assign(b=np.inf), y), "'b' holds 500 infinite"),
        (lambda X, y: (X.assign(ward="x"), y), "'ward' is neither"),
        (lambda X, y: (X, y[:9]), "500 rows have predictors and 9"),
        (lambda X, y: (X, outcome(y["time"], np.arange(500) % 3)), "several causes"),
    ],
    ids=["no event", "one class", "one without", "constant", "infinite", "text", "lengths", "causes"],
)
def test_refuses(drawn, table, change, message):
    X, y = change(table, outcome(drawn.time, drawn.event))
    with pytest.raises(DataError, match=message):
        BoostedTrees(**QUICK).fit(X, y)


def test_refuses_one_person(drawn, table):
    with pytest.raises(DataError, match="1 persons"):
        BoostedTrees(**QUICK).fit(table, outcome(drawn.time, drawn.event), groups=np.zeros(500))


def test_refuses_parameters_and_horizons(trees, drawn, table):
    with pytest.raises(DefinitionError, match="leaves=1"):
        BoostedTrees(leaves=1).fit(table, outcome(drawn.time, drawn.event))
    with pytest.raises(DefinitionError, match="horizons"):
        trees.predict_risk(table)
    with pytest.warns(BeyondFollowUp):
        trees.predict_risk(table, [1e4])


def test_says_what_to_install(drawn, table, monkeypatch):
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(EnvironmentFault, match=r"clinical-workbench\[risk\]"):
        BoostedTrees().fit(table, outcome(drawn.time, drawn.event))


def test_runs_from_the_catalogue(drawn, table):
    model = make_model(ModelChoice(name="lightgbm", parameters=QUICK), binary=False, causes=1, seed=3, imputation="multiple")
    y = outcome(drawn.time, drawn.event)
    assert model.fit(table, y).predict_risk(table, [5.0, 10.0]).shape == (500, 2)
    assert model["model"].random_state == 3
    assert follow(y).event.any()
