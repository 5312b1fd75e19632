"""Linear models of risk from the catalogue: their equations, their ridge, and input that they refuse."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from lifelines.datasets import load_gbsg2
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from statsmodels.api import GLM, add_constant, families

from workbench.errors import DataError, DefinitionError
from workbench.risk.models.catalogue import make_model
from workbench.risk.models.common import BeyondFollowUp
from workbench.risk.models.equation import IncompleteRows, UnseenCategories
from workbench.risk.models.linear import CoxModel, LogisticModel
from workbench.risk.models.ridge import ridge_by_aic
from workbench.risk.protocol.parts import ModelChoice
from workbench.risk.survival.outcome import outcome

HORIZONS = [365.0, 1000.0]


def made(name, *, binary=False, causes=1, imputation="single", **parameters):
    choice = ModelChoice(name=name, parameters=parameters)
    return make_model(choice, binary=binary, causes=causes, imputation=imputation, seed=3)


def breast_cancer(gaps=0.0):
    """GBSG2, 686 women, as lifelines packages it; values left out at random."""
    d = load_gbsg2()
    X, y = d.drop(columns=["time", "cens"]), outcome(d["time"], d["cens"] == 1)
    rng = np.random.default_rng(0)
    for name in ("age", "tgrade"):
        X.loc[rng.random(len(X)) < gaps, name] = np.nan
    return X, y


CASES = [("cox", False), ("spline_cox", False), ("logistic", True), ("spline_logistic", True)]


@pytest.mark.parametrize(("name", "binary"), CASES)
@pytest.mark.parametrize("gaps", [0.0, 0.2])
@pytest.mark.parametrize("missing_indicators", [False, True])
def test_the_equation_is_the_pipeline(name, binary, gaps, missing_indicators):
    X, y = breast_cancer(gaps)
    model = made(name, binary=binary, missing_indicators=missing_indicators).fit(X, y["event"] if binary else y)
    times = None if binary else HORIZONS
    equation = model.equation(() if binary else HORIZONS)
    np.testing.assert_allclose(equation.predict_risk(X, times), model.predict_risk(X, times), atol=1e-12)
    assert {factor.feature for term in equation.terms for factor in term.factors} == set(X.columns)
    assert all(term.std_error > 0 for term in equation.terms)


@pytest.mark.usefixtures("english")
def test_after_chained_imputation_the_equation_is_for_complete_rows():
    X, y = breast_cancer(0.2)
    model = made("spline_cox", imputation="multiple").fit(X, y)
    whole = X.notna().all(axis=1).to_numpy()
    with pytest.warns(IncompleteRows, match=f"{(~whole).sum()} of 686"):
        risk = model.equation(HORIZONS).predict_risk(X)
    np.testing.assert_allclose(risk[whole], model.predict_risk(X[whole], HORIZONS), atol=1e-12)
    assert np.isnan(risk[~whole]).all()


def test_logistic_regression_agrees_with_statsmodels():
    X, y = breast_cancer()
    x, weight = X[["age", "tsize"]], 1.0 + (X["menostat"] == "Post")
    peer = GLM(y["event"].astype(float), add_constant(x), families.Binomial(), freq_weights=weight).fit()
    ours = LogisticModel(alpha=0).fit(x, y["event"], sample_weight=weight)
    np.testing.assert_allclose([ours.intercept_, *ours.coef_], peer.params, rtol=1e-8)
    np.testing.assert_allclose(np.sqrt(np.diag(ours.covariance_)), peer.bse, rtol=1e-6)


def test_the_ridge_is_that_of_the_least_criterion():
    """Refitted at many strengths, Akaike's criterion is least where the one fit says."""
    rng = np.random.default_rng(1)
    z = rng.normal(size=(300, 12))
    z = (z - z.mean(axis=0)) / z.std(axis=0)
    truth = rng.random(300) < 1 / (1 + np.exp(-z[:, :3] @ [0.6, -0.4, 0.3]))
    chosen, rarer = LogisticModel().fit(z, truth).alpha_, min(truth.sum(), (~truth).sum())

    def criterion(alpha):
        model = LogisticModel(alpha=alpha).fit(z, truth)
        risk = model.predict_risk(z).ravel()
        information = (z * (risk * (1 - risk))[:, None]).T @ z
        kept = np.trace(np.linalg.solve(information + alpha * np.eye(12), information))
        return -2 * np.log(np.where(truth, risk, 1 - risk)).sum() + 2 * kept * (1 + (kept + 1) / (rarer - kept - 1))

    assert criterion(chosen) <= min(criterion(alpha) for alpha in (0.1, 1, 3, 10, 30, 100, 1000)) + 0.1


def test_with_nothing_to_learn_the_ridge_is_as_strong_as_can_be():
    assert ridge_by_aic(100 * np.eye(3), np.zeros(3), np.zeros(3), size=50) == pytest.approx(10_000)


def test_a_ridge_shrinks_and_keeps_its_errors():
    X, y = breast_cancer()
    x = X[["age", "tsize", "pnodes"]]
    free, held = CoxModel().fit(x, y), CoxModel(alpha=100.0).fit(x, y)
    assert (np.abs(held.coef_) < np.abs(free.coef_)).all()
    assert (np.diag(held.covariance_) < np.diag(free.covariance_)).all()
    np.testing.assert_allclose(CoxModel(alpha=1e-9).fit(x, y).covariance_, free.covariance_, rtol=1e-6)


def test_a_ridge_of_logistic_regression_keeps_its_errors():
    X, y = breast_cancer()
    z = (X[["age", "tsize"]] - X[["age", "tsize"]].mean()) / X[["age", "tsize"]].std(ddof=0)
    model = LogisticModel(alpha=50.0).fit(z, y["event"])
    risk, x = model.predict_risk(z), np.column_stack([np.ones(len(z)), z])
    np.testing.assert_allclose(model.covariance_, np.linalg.inv((x * risk * (1 - risk)).T @ x + np.diag([0, 50, 50])), rtol=1e-9)


def test_entries_and_weights_reach_the_regression():
    X, y = breast_cancer()
    late = outcome(y["time"], y["event"], entry=y["time"] / 2)
    x = X[["pnodes", "age"]]
    weight = np.linspace(0.5, 1.5, len(x))
    assert CoxModel().fit(x, late).coef_[0] != pytest.approx(CoxModel().fit(x, y).coef_[0])
    weighted = made("cox").fit(X, y, model__sample_weight=weight)
    assert weighted[-1].coef_[0] != pytest.approx(made("cox").fit(X, y)[-1].coef_[0])


@pytest.mark.parametrize(("name", "binary"), CASES)
def test_weights_are_routed(name, binary):
    X, y = breast_cancer()
    y, weight = y["event"] if binary else y, np.linspace(0.5, 1.5, len(X))
    by_name = made(name, binary=binary).fit(X, y, model__sample_weight=weight)
    with config_context(enable_metadata_routing=True):
        model = made(name, binary=binary)
        model[-1].set_fit_request(sample_weight=True)
        model.fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(model[-1].coef_, by_name[-1].coef_)


@pytest.mark.usefixtures("english")
def test_categories_never_seen_count_as_the_reference():
    X, y = breast_cancer()
    model = made("cox").fit(X, y)
    strange, usual = X.head(9).assign(tgrade="IV"), X.head(9).assign(tgrade="II")
    with pytest.warns(UnseenCategories, match=r"tgrade \(9 rows\)"):
        risk = model.predict_risk(strange, HORIZONS)
    np.testing.assert_array_equal(risk, model.predict_risk(usual, HORIZONS))
    with pytest.warns(UnseenCategories, match=r"tgrade \(9 rows\)"):
        np.testing.assert_allclose(model.equation(HORIZONS).predict_risk(strange), risk, atol=1e-12)


@pytest.mark.usefixtures("english")
def test_a_horizon_beyond_the_follow_up_is_told():
    X, y = breast_cancer()
    model = made("cox").fit(X, y)
    with pytest.warns(BeyondFollowUp, match=r"up to 9000; the risk by the longest follow-up is given$"):
        far = model.predict_risk(X, [9000.0])
    np.testing.assert_array_equal(far, model.predict_risk(X, [y["time"].max()]))


NUMBERS = pd.DataFrame(np.random.default_rng(2).normal(size=(60, 3)), columns=["a", "b", "c"])
TIME = np.random.default_rng(3).exponential(9, 60) + 0.1
HALF = np.arange(60) % 2 == 0
FIRST = np.arange(60) == 0


def refused(name, X, y, binary, found, **parameters):
    with pytest.raises(DataError, match=found):
        made(name, binary=binary, **parameters).fit(X, y)


@pytest.mark.parametrize("name", ["cox", "spline_cox"])
def test_bad_outcomes_with_times(name):
    refused(name, NUMBERS, outcome(TIME, ~HALF & HALF), False, "nobody had the event")
    refused(name, NUMBERS, outcome(TIME, np.where(HALF, 1, 2)), False, "several causes")


@pytest.mark.parametrize("name", ["logistic", "spline_logistic"])
def test_one_class(name):
    refused(name, NUMBERS, np.ones(60, bool), True, "all 60 persons have the same outcome")


@pytest.mark.parametrize(("name", "y", "binary"), [("spline_cox", outcome(TIME, FIRST), False), ("logistic", FIRST, True)])
def test_of_one_event_a_ridge_learns_little(name, y, binary):
    model = made(name, binary=binary).fit(NUMBERS, y)
    risk = model.predict_risk(NUMBERS, None if binary else [TIME[0]])
    assert np.isfinite(risk).all()
    assert 0 <= risk.min() <= risk.max() < 0.9


def test_of_one_event_without_a_ridge_nothing_is_learnt():
    refused("cox", NUMBERS, outcome(TIME, FIRST), False, "3 covariates against 1 events")
    refused("logistic", NUMBERS, FIRST, True, "3 columns against 1 of the rarer outcome", alpha=0)


def test_more_columns_than_persons():
    wide = pd.DataFrame(np.random.default_rng(4).normal(size=(60, 90))).add_prefix("x")
    refused("cox", wide, outcome(TIME, HALF), False, "90 covariates against 30 events")
    refused("logistic", wide, HALF, True, "90 columns", alpha=0)
    for name, y, binary in (("spline_cox", outcome(TIME, HALF), False), ("logistic", HALF, True)):
        assert np.isfinite(made(name, binary=binary).fit(wide, y)[-1].coef_).all()


def test_separation():
    told = NUMBERS.assign(a=np.where(HALF, 5.0, 0.0) + NUMBERS["b"] / 100)
    refused("logistic", told, HALF, True, "without error.*: a", alpha=0)
    early = outcome(np.where(HALF, 1 + TIME / 100, 9 + TIME), HALF)
    refused("cox", told, early, False, "no finite value: a")
    assert np.isfinite(made("logistic", binary=True).fit(told, HALF)[-1].coef_).all()
    assert np.isfinite(made("spline_cox").fit(told, early)[-1].coef_).all()


def test_sums_of_others():
    double = NUMBERS.assign(d=NUMBERS["a"] + NUMBERS["b"])
    refused("logistic", double, HALF, True, "sums of others", alpha=0)
    with pytest.warns(ConvergenceWarning, match="d"):
        made("cox").fit(double, outcome(TIME, HALF))


def test_ties_everywhere():
    for name in ("cox", "spline_cox"):
        risk = made(name).fit(NUMBERS, outcome(np.ones(60), HALF)).predict_risk(NUMBERS, [1.0])
        assert 0.4 < risk.mean() < 0.7


def test_events_that_weigh_nothing_are_none():
    with pytest.raises(DataError, match="30 persons have the same outcome"):
        LogisticModel().fit(NUMBERS, HALF, sample_weight=~HALF)
    with pytest.raises(DataError, match="nobody had the event"):
        CoxModel().fit(NUMBERS, outcome(TIME, HALF), sample_weight=~HALF)


@pytest.mark.parametrize("weight", [np.full(60, np.nan), -np.ones(60), np.zeros(60), np.ones(59)])
@pytest.mark.parametrize(
    ("model", "y"), [(LogisticModel(), HALF), (CoxModel(), outcome(TIME, HALF)), (CoxModel(alpha=1), outcome(TIME, HALF))]
)
def test_weights_that_are_none(model, y, weight):
    with pytest.raises(DataError, match="wanted 60 case weights"):
        model.fit(NUMBERS, y, sample_weight=weight)


@pytest.mark.parametrize(("model", "y"), [(LogisticModel(), HALF), (CoxModel(), outcome(TIME, HALF))])
def test_outcomes_of_another_length(model, y):
    with pytest.raises(DataError, match=r"60 persons have .* and 40 have an outcome"):
        model.fit(NUMBERS, y[:40])


@pytest.mark.parametrize("times", [None, (), [0.0], [np.inf], [-3.0]])
def test_horizons_that_are_none(times):
    with pytest.raises(DefinitionError, match="horizons"):
        CoxModel().fit(NUMBERS, outcome(TIME, HALF)).predict_risk(NUMBERS, times)


def test_a_binary_outcome_has_no_horizon():
    with pytest.raises(DefinitionError, match="no horizons"):
        LogisticModel().fit(NUMBERS, HALF).predict_risk(NUMBERS, [3.0])


@pytest.mark.parametrize("alpha", [-1.0, np.nan, "much", (1.0, 2.0)])
def test_a_strength_that_is_none(alpha):
    with pytest.raises(DefinitionError, match="alpha"):
        CoxModel(alpha=alpha).fit(NUMBERS, outcome(TIME, HALF))


@pytest.mark.parametrize(
    ("parameters", "found"),
    [({"knots": 2}, "knots=2"), ({"knots": "four"}, "knots='four'"), ({"rare": -1}, "rare=-1"), ({"ties": "exact"}, "ties='exact'")],
)
def test_parameters_that_mean_nothing(parameters, found):
    with pytest.raises(DefinitionError, match=found):
        made("spline_cox", **parameters).fit(NUMBERS, outcome(TIME, HALF))


@pytest.mark.parametrize(
    ("name", "binary", "causes", "parameters", "found"),
    [
        ("spline-cox", False, 1, {}, "did you mean 'spline_cox'"),
        ("forest of trees", False, 1, {}, "known: "),
        ("cox", False, 1, {"alfa": 1}, "did you mean 'alpha'"),
        ("cox", True, 1, {}, "does not suit a binary outcome"),
        ("cox", False, 2, {}, "does not suit a competing outcome"),
        ("logistic", False, 1, {}, "does not suit a survival outcome"),
        ("cox", False, 1, {"seed": 1}, "no parameter 'seed'"),
    ],
)
def test_choices_that_mean_nothing(name, binary, causes, parameters, found):
    with pytest.raises(DefinitionError, match=found):
        made(name, binary=binary, causes=causes, **parameters)


@pytest.mark.parametrize(("name", "binary"), CASES)
def test_conventions_of_scikit_learn(name, binary):
    X, y = breast_cancer(0.1)
    y = y["event"] if binary else y
    times = None if binary else HORIZONS
    with pytest.raises(NotFittedError):
        made(name, binary=binary).predict_risk(X, times)
    first = made(name, binary=binary).set_output(transform="pandas").fit(X, y)
    again = clone(first).fit(X, y)
    np.testing.assert_array_equal(first.predict_risk(X, times), again.predict_risk(X, times))
    assert clone(first).get_params()["linear__knots"] == (4 if name.startswith("spline") else 0)
    assert list(first[:-1].transform(X).columns) == list(first[-1].feature_names_in_)
    shuffled = X.iloc[::-1][sorted(X.columns)].sample(frac=1, random_state=0)
    np.testing.assert_allclose(first.predict_risk(shuffled, times), first.predict_risk(X.loc[shuffled.index], times), atol=1e-14)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first.predict_risk(X.head(1), times)
