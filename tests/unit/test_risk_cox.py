"""Cox's regression against statsmodels, against its own definition, and with input that it must refuse."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from statsmodels.duration.hazard_regression import PHReg

from tests.lib.survival_data import draw
from workbench.errors import DataError, DefinitionError
from workbench.risk.survival.cox import CoxRegression
from workbench.risk.survival.outcome import follow, outcome
from workbench.risk.survival.partial_likelihood import derivatives, risk_sets


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("whole_days", [False, True])
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("stratified", [False, True])
def test_it_agrees_with_statsmodels(ties, whole_days, late, stratified):
    d = draw(whole_days=whole_days)
    entry, strata = d.entry if late else None, d.stratum if stratified else None
    peer = PHReg(d.time, d.X, status=d.event.astype(int), entry=entry, strata=strata, ties=ties).fit()
    ours = CoxRegression(ties=ties).fit(d.X, outcome(d.time, d.event, entry=entry), strata=strata)
    np.testing.assert_allclose(ours.coef_, peer.params, atol=1e-8)
    np.testing.assert_allclose(ours.summary()["standard_error"], peer.bse, atol=1e-8)
    np.testing.assert_allclose(ours.log_likelihood_, peer.llf, rtol=1e-10)


def test_clusters_agree_with_statsmodels():
    d = draw(whole_days=True)
    peer = PHReg(d.time, d.X, status=d.event.astype(int), ties="breslow").fit(groups=d.stratum)
    ours = CoxRegression(ties="breslow").fit(d.X, outcome(d.time, d.event), cluster=d.stratum)
    np.testing.assert_allclose(ours.summary()["standard_error"], peer.bse, atol=1e-8)


def test_weights_agree_with_lifelines():
    d = draw(whole_days=True)
    table = pd.DataFrame(d.X, columns=list("abc")).assign(time=d.time, event=d.event, weight=d.weight)
    peer = CoxPHFitter().fit(table, "time", "event", weights_col="weight", robust=True)
    ours = CoxRegression(tol=1e-14).fit(d.X, outcome(d.time, d.event), sample_weight=d.weight)
    np.testing.assert_allclose(ours.coef_, peer.params_, atol=5e-6)  # lifelines stops earlier
    np.testing.assert_allclose(ours.log_likelihood_, peer.log_likelihood_, rtol=1e-9)


def test_with_breslow_a_weight_of_two_is_two_persons():
    d, twice = draw(100, whole_days=True), np.arange(100) % 3 == 0
    rows = np.r_[np.arange(100), np.flatnonzero(twice)]
    doubled = CoxRegression(ties="breslow").fit(d.X[rows], outcome(d.time[rows], d.event[rows], entry=d.entry[rows]))
    weighted = CoxRegression(ties="breslow").fit(d.X, outcome(d.time, d.event, entry=d.entry), sample_weight=1.0 + twice)
    np.testing.assert_allclose(doubled.coef_, weighted.coef_, atol=1e-9)


def test_the_sandwich_is_what_each_persons_weight_moves():
    d = draw(60, whole_days=True)
    y = outcome(d.time, d.event, entry=d.entry)

    def moved(person: int) -> np.ndarray:
        both = []
        for step in (1e-4, -1e-4):
            weight = np.ones(60)
            weight[person] += step
            both.append(CoxRegression(tol=1e-13).fit(d.X, y, sample_weight=weight, strata=d.stratum).coef_)
        return (both[0] - both[1]) / 2e-4

    pulls = np.array([moved(person) for person in range(60)])
    robust = CoxRegression(tol=1e-13, robust=True).fit(d.X, y, strata=d.stratum)
    np.testing.assert_allclose(robust.covariance_, pulls.T @ pulls, rtol=1e-5)


def test_sweeping_in_chunks_changes_nothing(monkeypatch):
    d = draw(300, whole_days=True)
    given = follow(outcome(d.time, d.event, entry=d.entry))
    results = []
    for rows in (10**6, 7):
        monkeypatch.setattr("workbench.risk.survival.partial_likelihood._CHUNK", rows)
        sets = risk_sets(given, strata=d.stratum)
        results.append(derivatives(sets, np.vstack([np.ones(300), d.X[sets.order].T]), np.array([0.4, -0.1, 0.3])))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-11)


def test_survival_agrees_with_lifelines():
    d = draw()
    table = pd.DataFrame(d.X, columns=list("abc"))
    peer = CoxPHFitter().fit(table.assign(time=d.time, event=d.event, stratum=d.stratum), "time", "event", strata="stratum")
    ours = CoxRegression().fit(table, outcome(d.time, d.event), strata=d.stratum)
    wanted = peer.predict_survival_function(table[:8].assign(stratum=d.stratum[:8]), times=[1, 10, 30]).T.loc[
        range(8)
    ]  # it sorts by stratum
    np.testing.assert_allclose(ours.predict_survival(table[:8], [1, 10, 30], strata=d.stratum[:8]), wanted, atol=1e-5)
    assert (ours.predict_survival(table[:2], [0], strata=d.stratum[:2]) == 1).all()


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
def test_an_elastic_net_fulfils_its_conditions(l1_ratio):
    d = draw(whole_days=True)
    alpha, scale = 25.0, d.X.std(axis=0)
    model = CoxRegression(alpha=alpha, l1_ratio=l1_ratio, tol=1e-14).fit(d.X, outcome(d.time, d.event))
    sets = risk_sets(follow(outcome(d.time, d.event)))
    beta = model.coef_ * scale
    slope = derivatives(sets, np.vstack([np.ones(len(d.X)), (d.X / scale)[sets.order].T]), beta).gradient - alpha * (1 - l1_ratio) * beta
    active = beta != 0
    np.testing.assert_allclose(slope[active], alpha * l1_ratio * np.sign(beta[active]), atol=1e-5)
    assert (np.abs(slope[~active]) <= alpha * l1_ratio + 1e-6).all()
    assert np.isnan(model.covariance_).all()


def test_it_is_an_estimator_like_others():
    d = draw()
    X, y = pd.DataFrame(d.X, columns=["年龄", "血红蛋白", "肌酐"]), outcome(d.time, d.event)
    pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), CoxRegression(alpha=1.0))
    assert cross_val_score(pipeline, X, y, cv=3).mean() > 0.55
    assert list(clone(pipeline).fit(X, y)[-1].summary().index) == ["年龄", "血红蛋白", "肌酐"]


@pytest.mark.usefixtures("english")
@pytest.mark.parametrize("add", [lambda d: np.full(len(d.X), 3.0), lambda d: d.X[:, 0] - 2 * d.X[:, 1]])
def test_a_covariate_that_adds_nothing_is_named_and_gets_0(add):
    d = draw()
    X = pd.DataFrame(np.c_[d.X, add(d)], columns=[*"abc", "spare"])
    with pytest.warns(ConvergenceWarning, match="coefficient 0: spare"):
        model = CoxRegression().fit(X, outcome(d.time, d.event))
    alone = CoxRegression().fit(X[["a", "b", "c"]], outcome(d.time, d.event))
    np.testing.assert_allclose(model.coef_, [*alone.coef_, 0], atol=1e-9)
    assert np.isnan(model.summary().loc["spare", "p"])


@pytest.mark.parametrize("tells", [lambda d: d.event.astype(float), lambda d: (d.time < 5).astype(float)])
def test_separation_is_refused_by_name(tells):
    d = draw()
    X = pd.DataFrame(np.c_[d.X, tells(d)], columns=[*"abc", "icu"])
    with pytest.raises(DataError, match="no finite value: icu"):
        CoxRegression().fit(X, outcome(d.time, d.event))
    assert np.isfinite(CoxRegression(alpha=1.0).fit(X, outcome(d.time, d.event)).coef_).all()


def test_what_cannot_be_learnt_is_refused():
    d = draw(20)
    y = outcome(d.time, d.event)
    with pytest.raises(DataError, match="nobody had the event"):
        CoxRegression().fit(d.X, outcome(d.time, np.zeros(20, bool)))
    with pytest.raises(DataError, match="3 covariates against 1 events"):
        CoxRegression().fit(d.X, outcome(d.time, np.arange(20) == 3))
    with pytest.raises(DataError, match="several causes"):
        CoxRegression().fit(d.X, outcome(d.time, np.arange(20) % 3))
    with pytest.raises(DataError, match="20 persons have covariates and 19"):
        CoxRegression().fit(d.X, y[1:])
    with pytest.raises(DataError, match="20 case weights"):
        CoxRegression().fit(d.X, y, sample_weight=np.r_[-1.0, np.ones(19)])
    with pytest.raises(ValueError, match="NaN"):
        CoxRegression().fit(np.where(d.X > 1, np.nan, d.X), y)
    with pytest.raises(DefinitionError, match="exact"):
        CoxRegression(ties="exact").fit(d.X, y)
    with pytest.raises(DefinitionError, match="l1_ratio=2"):
        CoxRegression(l1_ratio=2).fit(d.X, y)
    with pytest.raises(DataError, match="1 persons are of no stratum"):
        CoxRegression(alpha=1).fit(d.X, y, strata=d.stratum).predict_survival(d.X[:1], [1], strata=[9])


@pytest.mark.parametrize(
    ("time", "event", "entry", "found"),
    [
        ([1, 0], [1, 0], None, "1 of 2 persons have a time of zero"),
        ([1, np.inf], [1, 0], None, "missing or infinite"),
        ([1, 2], [1, -1], None, "no whole number"),
        ([1, 2], [1, 0], [1, 0], "enter at their time"),
        ([1, 2], [1, 0], [-1, 0], "before time 0"),
        ([1, 2, 3], [1, 0], None, "differ in shape"),
    ],
)
def test_an_outcome_that_cannot_be_is_refused(time, event, entry, found):
    with pytest.raises(DataError, match=found):
        outcome(time, event, entry=entry)
    with pytest.raises(DataError, match="no structured array"):
        follow(np.array([1.0, 2.0]))
