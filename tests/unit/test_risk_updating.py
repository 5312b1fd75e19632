"""Updating an equation: what each kind changes, and that the closed test changes no more than is needed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning
from statsmodels.api import GLM, add_constant, families

from workbench.errors import DataError, DefinitionError
from workbench.risk.models.equation import Equation, Factor, IncompleteRows, Term
from workbench.risk.models.linear import CoxModel
from workbench.risk.models.updating import update
from workbench.risk.survival.outcome import outcome

COEFFICIENTS = {"age": 0.05, "crp": 0.4, "male": 0.5}
TERMS = tuple(Term((Factor(name, "log" if name == "crp" else "identity"),), value) for name, value in COEFFICIENTS.items())
LOGISTIC = Equation("old", TERMS, "logistic", intercept=-4.0, source="a paper")
COX = Equation("old", TERMS, "cox", mean=3.5, baseline=((365.0, 0.9), (1825.0, 0.7)), source="a paper")


def persons(n=3000, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"age": rng.normal(60, 10, n), "crp": rng.lognormal(1, 1, n), "male": rng.integers(0, 2, n).astype(float)})


def happened(X, equation=LOGISTIC, seed=1):
    log_odds = equation.intercept + equation.linear_predictor(X)
    return np.random.default_rng(seed).random(len(X)) < expit(log_odds)


def followed(X, *, slope=1.0, twist=0.0, seed=2):
    rng = np.random.default_rng(seed)
    died = rng.exponential(10_000 * np.exp(-slope * (COX.linear_predictor(X) - 3.5) - twist * X["male"]))
    return outcome(np.minimum(died, 2500.0) + 0.5, died < 2500)


#: How new patients differ from those of the equation, and what the closed test then changes.
DRIFTS = {
    "none": LOGISTIC,
    "intercept": replace(LOGISTIC, intercept=-5.0),
    "slope": replace(LOGISTIC, intercept=-2.2, terms=tuple(replace(term, coefficient=0.5 * term.coefficient) for term in TERMS)),
    "refit": replace(LOGISTIC, terms=(*TERMS[:2], replace(TERMS[2], coefficient=-0.8))),
}


@pytest.mark.parametrize("kind", DRIFTS)
def test_the_closed_test_changes_what_has_changed(kind):
    X = persons()
    found = update(LOGISTIC, X, happened(X, DRIFTS[kind]))
    assert found.kind == kind
    assert found.tests["freedom"].tolist() == [4, 3, 2]
    assert found.performance.loc["intercept", "after"] == pytest.approx(0, abs=0.15)


def test_it_keeps_the_source_and_names_the_update():
    X = persons()
    found = update(LOGISTIC, X, happened(X, DRIFTS["intercept"]), kind="intercept")
    assert found.equation.source == "a paper"
    assert found.equation.update.startswith("intercept: ")
    assert "3000 patients" in found.equation.update
    assert found.tests.empty
    untouched = update(LOGISTIC, X, happened(X), kind="none")
    assert untouched.equation == LOGISTIC


def test_each_kind_agrees_with_statsmodels():
    X, drift = persons(), DRIFTS["refit"]
    y = happened(X, drift)
    lp = LOGISTIC.intercept + LOGISTIC.linear_predictor(X)
    columns = X.assign(crp=np.log(X["crp"]))

    def fitted(design, offset=None):
        return GLM(y.astype(float), design, families.Binomial(), offset=offset).fit()

    shift = fitted(np.ones(len(X)), lp).params.item()
    assert update(LOGISTIC, X, y, kind="intercept").equation.intercept == pytest.approx(-4.0 + shift, abs=1e-7)
    intercept, slope = fitted(add_constant(lp)).params
    both = update(LOGISTIC, X, y, kind="slope").equation
    assert both.intercept == pytest.approx(intercept - 4 * slope, abs=1e-7)
    assert both.terms[0].coefficient == pytest.approx(0.05 * slope, abs=1e-9)
    refitted, peer = update(LOGISTIC, X, y, kind="refit").equation, fitted(add_constant(columns))
    np.testing.assert_allclose([refitted.intercept, *(term.coefficient for term in refitted.terms)], peer.params, atol=1e-6)
    np.testing.assert_allclose([term.std_error for term in refitted.terms], peer.bse.iloc[1:], atol=1e-6)
    statistic = update(LOGISTIC, X, y).tests.loc["slope", "statistic"]
    assert statistic == pytest.approx(2 * (peer.llf - fitted(add_constant(lp)).llf), abs=1e-6)


@pytest.mark.parametrize(("change", "kind"), [({}, "intercept"), ({"slope": 0.5}, "slope"), ({"twist": -1.2}, "refit")])
def test_the_closed_test_with_times(change, kind):
    X = persons()
    found = update(COX, X, followed(X, **change))
    assert found.kind == kind
    assert found.tests["freedom"].tolist() == [3, 2]
    assert found.performance.loc["expected_observed", "after"] == pytest.approx(1, abs=0.05)
    assert found.performance.loc["slope", "after"] == pytest.approx(1, abs=0.12)


def test_a_predictor_that_is_the_same_for_all_takes_no_freedom_of_the_test():
    X = persons().assign(hospital=1.0)
    wider = replace(COX, terms=(*COX.terms, Term((Factor("hospital"),), 0.4)))
    with pytest.warns(ConvergenceWarning):
        found = update(wider, X, followed(X))
    pd.testing.assert_frame_equal(found.tests, update(COX, X, followed(X)).tests)


def test_a_new_baseline_gives_the_observed_risk():
    X = persons()
    y = followed(X)
    found = update(COX, X, y, kind="intercept")
    assert found.performance.loc["expected_observed", "before"] != pytest.approx(1, abs=0.1)
    assert found.performance.loc["expected_observed", "after"] == pytest.approx(1, abs=0.02)
    assert [horizon for horizon, _ in found.equation.baseline] == [365.0, 1825.0]
    assert [term.coefficient for term in found.equation.terms] == list(COEFFICIENTS.values())


def test_a_refit_with_times_is_a_cox_regression():
    X = persons(500)
    y = followed(X)
    peer = CoxModel().fit(X.assign(crp=np.log(X["crp"])), y)
    found = update(COX, X, y, kind="refit").equation
    np.testing.assert_allclose(found.predict_risk(X), peer.predict_risk(X.assign(crp=np.log(X["crp"])), [365, 1825]), atol=1e-9)


def test_bad_input():
    X = persons(200)
    y, late = happened(X), followed(X)
    with pytest.raises(DefinitionError, match="no update"):
        update(LOGISTIC, X, y, kind="guess")
    with pytest.raises(DataError, match="same outcome"):
        update(LOGISTIC, X, np.ones(200, bool))
    with pytest.raises(DataError, match="nobody had the event"):
        update(COX, X, outcome(late["time"], np.zeros(200, bool)))
    with pytest.raises(DataError, match="several causes"):
        update(COX, X, outcome(late["time"], np.arange(200) % 3))
    with pytest.raises(DataError, match="horizon of 1825"):
        update(COX, X, outcome(np.minimum(late["time"], 900.0), late["event"] & (late["time"] < 900)))
    with pytest.raises(DataError, match="same linear predictor"):
        update(LOGISTIC, X.assign(age=60.0, crp=1.0, male=1.0), y)
    with pytest.warns(IncompleteRows), pytest.raises(DataError, match="1 of 200 rows lack"):
        update(LOGISTIC, X.assign(age=X["age"].where(X.index > 0)), y)
    with pytest.raises(DataError, match="'crp' is missing"):
        update(LOGISTIC, X.drop(columns="crp"), y)
