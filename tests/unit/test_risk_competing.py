"""Models of competing risks: against printed figures of R, against their own definitions, and input that they refuse."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from tests.lib.transplants import transplants
from workbench.errors import DataError
from workbench.risk.models.catalogue import make_model
from workbench.risk.models.competing import CauseSpecific, FineGray
from workbench.risk.models.linear import CoxModel
from workbench.risk.models.subdistribution import maximised, weighted_risk_sets
from workbench.risk.protocol.parts import ModelChoice
from workbench.risk.reporting.model import terms_table
from workbench.risk.survival.cox import CoxRegression
from workbench.risk.survival.curves import at_times, censoring_survival, cumulative_incidence
from workbench.risk.survival.outcome import follow, outcome

HORIZONS = [6.0, 24.0, 60.0]


def made(name, **parameters):
    return make_model(ModelChoice(name=name, parameters=parameters), binary=False, causes=2)


def columns():
    X, y = transplants()
    levels = {
        "F": X["Sex"] == "F",
        "AML": X["D"] == "AML",
        **{f"CR{i}": X["Phase"] == f"CR{i}" for i in (1, 2, 3)},
        "PB": X["Source"] == "PB",
    }
    return pd.DataFrame({"Age": X["Age"], **levels}).astype(float), y


def test_fine_gray_prints_what_r_prints():
    """Scrucca et al. (2010), table 2: ``crr(ftime, Status, x)`` of R's cmprsk, the coefficients to 2 units of the fourth decimal."""
    X, y = columns()
    model = FineGray().fit(X, y)
    np.testing.assert_allclose(model.coef_, [-0.0185, -0.0352, -0.4723, -1.1018, -1.0200, -0.7314, 0.9211], atol=2e-4)
    errors = [0.0119, 0.2900, 0.3054, 0.3764, 0.3558, 0.5766, 0.5530]
    np.testing.assert_allclose(np.sqrt(np.diag(model.covariance_)), errors, atol=1e-4)


def test_fine_gray_is_cox_with_weights_that_fade():
    """Geskus (2011): split where the weight changes, the rows of those with another cause make an ordinary weighted Cox regression."""
    X, y = columns()
    given, rows = follow(y), []
    times = np.unique(given.time[given.event == 1])
    for person, (time, event) in enumerate(zip(given.time, given.event, strict=True)):
        rows.append((person, 0.0, time, event == 1, 1.0))
        later, start = times[times > time] if event == 2 else [], time
        for until in later:
            weight = censoring_survival(y, [until])[0] / censoring_survival(y, [time])[0]
            rows.append((person, start, until, False, weight))
            start = until
    long = pd.DataFrame(rows, columns=["person", "start", "stop", "event", "weight"])
    peer = CoxRegression(ties="breslow").fit(
        X.iloc[long["person"]].to_numpy(), outcome(long["stop"], long["event"], entry=long["start"]), sample_weight=long["weight"]
    )
    ours = FineGray().fit(X, y)
    np.testing.assert_allclose(ours.coef_, peer.coef_, atol=1e-9)
    np.testing.assert_allclose(ours.baseline_[1], peer.baseline_[0], rtol=1e-9)


def test_errors_of_fine_gray_know_that_the_censoring_is_estimated():
    """Each person's pull on the coefficient is what leaving them out does; without the censoring's part it would be 0.019 off, not 0.009.

    Early another cause takes mostly high values, then most are censored, and the outcome comes late: so the weights matter.
    """
    rng = np.random.default_rng(1)
    time = np.r_[rng.uniform(0, 1, 50), rng.uniform(1, 2, 50), rng.uniform(1.5, 3, 50)]
    time, cause = np.sort(time), np.repeat([2, 0, 1], 50)[np.argsort(time)]
    x = (rng.normal(size=150) + 1.5 * (cause == 2))[:, None]

    def fitted(kept):
        sets = weighted_risk_sets(x[kept], time[kept], cause[kept], outcome(time[kept], cause[kept]))
        return sets, maximised(sets, 0.0)[0]

    sets, beta = fitted(np.arange(150))
    top = sets.derivatives(beta)
    pulls = sets.score_residuals(beta, top) @ np.linalg.inv(top.information)
    left_out = np.array([beta - fitted(np.delete(np.arange(150), person))[1] for person in range(150)])
    assert np.linalg.norm(pulls - left_out) < 0.012


def test_without_other_causes_fine_gray_is_cox():
    X, y = columns()
    one = outcome(y["time"], y["event"] == 1)
    ours, peer = FineGray().fit(X, one), CoxModel(ties="breslow").fit(X, one)
    np.testing.assert_allclose(ours.coef_, peer.coef_, atol=1e-8)
    np.testing.assert_allclose(ours.predict_risk(X, HORIZONS), peer.predict_risk(X, HORIZONS), atol=1e-9)
    robust = CoxRegression(ties="breslow", robust=True).fit(X, one)
    np.testing.assert_allclose(ours.covariance_, robust.covariance_, atol=1e-9)


def test_incidences_of_all_causes_leave_the_share_without_event():
    X, y = columns()
    model = CauseSpecific().fit(X, y)
    hazards = sum(-np.log(1 - one.predict_risk(X, HORIZONS)) for one in model.models_.values())
    incidence = sum(model.incidence(X, HORIZONS, cause=cause) for cause in (1, 2))
    np.testing.assert_allclose(incidence, 1 - np.exp(-hazards), atol=1e-12)
    assert (model.predict_risk(X, HORIZONS) < model.models_[1].predict_risk(X, HORIZONS)).all()


def test_with_no_effect_the_incidence_is_that_of_aalen_and_johansen():
    _, y = columns()
    X = pd.DataFrame({"noise": np.random.default_rng(0).normal(size=len(y))})
    curve = at_times(cumulative_incidence(y)["incidence"], HORIZONS, start=0)
    for model in (CauseSpecific(alpha=1e9), FineGray(alpha=1e9)):
        np.testing.assert_allclose(model.fit(X, y).predict_risk(X, HORIZONS), np.tile(curve, (len(y), 1)), atol=2e-3)


def test_a_large_table_is_summed_in_parts():
    X, y = columns()
    model = CauseSpecific().fit(X, y)
    many = pd.concat([X] * 4, ignore_index=True)
    np.testing.assert_array_equal(model.predict_risk(many, HORIZONS), np.tile(model.predict_risk(X, HORIZONS), (4, 1)))


def test_the_equation_of_fine_gray_is_the_pipeline():
    X, y = transplants()
    model = made("fine_gray").fit(X, y)
    equation = model.equation(HORIZONS)
    np.testing.assert_allclose(equation.predict_risk(X), model.predict_risk(X, HORIZONS), atol=1e-12)
    assert (equation.ratio, terms_table(equation, {}).columns[-1]) == ("SHR", "SHR (95% CI)")


def test_cause_specific_hazards_have_equations_and_the_risk_has_none():
    X, y = transplants()
    model = made("cause_specific", knots=0, alpha=0.0).fit(X, y)
    assert model.equation(HORIZONS) is None
    hazards = sum(-np.log(1 - one.equation(model, HORIZONS).predict_risk(X)) for one in model[-1].models_.values())
    incidence = sum(model[-1].incidence(model[:-1].transform(X), HORIZONS, cause=cause) for cause in (1, 2))
    np.testing.assert_allclose(incidence, 1 - np.exp(-hazards), atol=1e-12)


@pytest.mark.parametrize("name", ["cause_specific", "fine_gray"])
def test_conventions_of_scikit_learn(name):
    X, y = transplants()
    first = made(name).set_output(transform="pandas").fit(X, y)
    np.testing.assert_array_equal(clone(first).fit(X, y).predict_risk(X, HORIZONS), first.predict_risk(X, HORIZONS))
    risk = first.predict_risk(X, HORIZONS)
    assert (np.diff(risk, axis=1) >= 0).all()
    assert 0 <= risk.min() <= risk.max() <= 1


TIME = np.random.default_rng(3).exponential(9, 60) + 0.1
NUMBERS = pd.DataFrame(np.random.default_rng(2).normal(size=(60, 3)), columns=["a", "b", "c"])
CAUSE = np.arange(60) % 3
LATE = outcome(TIME, CAUSE, entry=TIME / 2)


@pytest.mark.parametrize("name", ["cause_specific", "fine_gray"])
@pytest.mark.parametrize("cause", [0, 2])
def test_no_event_of_the_outcome(name, cause):
    with pytest.raises(DataError, match="nobody had an event of cause 1"):
        made(name).fit(NUMBERS, outcome(TIME, np.where(CAUSE == 1, cause, CAUSE)))


def test_late_entries():
    with pytest.raises(DataError, match="entered after time 0"):
        made("fine_gray").fit(NUMBERS, LATE)
    assert np.isfinite(made("cause_specific").fit(NUMBERS, LATE).predict_risk(NUMBERS, [9.0])).all()


def test_columns_that_fine_gray_cannot_learn():
    y = outcome(TIME, CAUSE)
    wide = pd.DataFrame(np.random.default_rng(4).normal(size=(60, 25))).add_prefix("x")
    with pytest.raises(DataError, match="25 columns against 20 events"):
        FineGray().fit(wide, y)
    with pytest.raises(DataError, match="sums of others"):
        FineGray().fit(NUMBERS.assign(d=NUMBERS["a"] + NUMBERS["b"]), y)
    assert np.isfinite(FineGray(alpha="aic").fit(wide, y).coef_).all()


def test_separation():
    early = outcome(np.where(CAUSE == 1, 1 + TIME / 100, 9 + TIME), CAUSE)
    told = NUMBERS.assign(a=np.where(CAUSE == 1, 5.0, 0.0) + NUMBERS["b"] / 100)
    with pytest.raises(DataError, match=r"without error.*: a"):
        FineGray().fit(told, early)
    assert np.isfinite(FineGray(alpha=1.0).fit(told, early).coef_).all()


def test_ties_everywhere():
    y = outcome(np.ones(60), CAUSE)
    for name in ("cause_specific", "fine_gray"):
        assert made(name).fit(NUMBERS, y).predict_risk(NUMBERS, [1.0]).mean() == pytest.approx(1 / 3, abs=0.06)


def test_the_cause_that_cannot_be_learnt_is_named():
    rare = np.where(CAUSE == 2, 0, CAUSE)
    rare[0] = 2
    with pytest.raises(DataError, match="cause 2: 3 covariates against 1 events"):
        CauseSpecific().fit(NUMBERS, outcome(TIME, rare))
    assert np.isfinite(CauseSpecific(alpha="aic").fit(NUMBERS, outcome(TIME, rare)).predict_risk(NUMBERS, [9.0])).all()
