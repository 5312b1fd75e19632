"""The optimism bootstrap: against resamples gone through by hand, and against the truth where predictors are noise."""

from __future__ import annotations

import os
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.metrics import roc_auc_score

from tests.lib.risk_models import Cox, Logistic
from tests.lib.survival_data import draw
from workbench.errors import DataError, DefinitionError, EnvironmentFault
from workbench.locale import tr
from workbench.risk.imputation.impute import ChainedImputer, TypicalImputer
from workbench.risk.models.multiple import MultiplyImputed
from workbench.risk.models.pipeline import RiskPipeline
from workbench.risk.survival.outcome import outcome
from workbench.risk.validation.bootstrap import bootstrap
from workbench.risk.validation.performance import Scoring
from workbench.risk.validation.persons import Persons
from workbench.risk.validation.spread import seeds, spread

pytestmark = pytest.mark.usefixtures("english")

AUROC = Scoring(measures=("auroc",))


def noise(n=120, p=15, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, p)), np.arange(n) % 3 == 0


def test_optimism_is_that_of_resamples_gone_through_by_hand():
    X, y = noise()
    found = bootstrap(Logistic(), X, y, scoring=AUROC, resamples=20, seed=7, level=0.8, workers=1).table.iloc[0]
    gaps = []
    for seed in np.random.SeedSequence(7).spawn(20):
        rows = np.random.default_rng(seed).integers(0, len(y), len(y))
        risk = Logistic().fit(X[rows], y[rows]).predict_risk(X)[:, 0]
        gaps.append(roc_auc_score(y[rows], risk[rows]) - roc_auc_score(y, risk))
    apparent = roc_auc_score(y, Logistic().fit(X, y).predict_risk(X)[:, 0])
    assert found["apparent"] == pytest.approx(apparent)
    assert found["corrected"] == pytest.approx(apparent - np.mean(gaps))
    assert found["lower"] == pytest.approx(apparent - np.quantile(gaps, 0.9))
    assert found["upper"] == pytest.approx(apparent - np.quantile(gaps, 0.1))


def test_of_noise_little_is_left():
    """Ten tables of noise: the true AUROC is 0.5 and the true slope 0, whatever the model thinks of itself.

    All of it the bootstrap does not take away: a resample is of data in which the model of noise is true.
    """
    scoring, rows = Scoring(measures=("auroc", "slope")), []
    for seed in range(10):
        found = bootstrap(Logistic(), *noise(n=300, p=10, seed=seed), scoring=scoring, resamples=25, workers=1).table
        rows.append(found[["apparent", "corrected"]].to_numpy().ravel())
    auroc, corrected_auroc, slope, corrected_slope = np.mean(rows, axis=0)
    assert auroc > 0.6
    assert 0.48 < corrected_auroc < 0.55
    assert slope == pytest.approx(1, abs=0.01)
    assert corrected_slope < 0.6


class Watching(BaseEstimator):
    """Fails unless it is given persons whole; predicts at random."""

    def fit(self, X, y):
        persons, count = np.unique(X[:, 0], return_counts=True)
        size = np.where(persons % 2 == 0, 3, 1)
        assert (count % size == 0).all()
        return self

    def predict_risk(self, X, times=None):
        return np.random.default_rng(0).random((len(X), 1))


def test_persons_are_drawn_with_all_their_rows():
    persons = np.repeat(np.arange(40), np.where(np.arange(40) % 2 == 0, 3, 1))
    order = np.random.default_rng(0).permutation(len(persons))
    X = persons[order, None].astype(float)
    y = X[:, 0] % 3 == 0
    found = bootstrap(Watching(), X, y, scoring=AUROC, persons=X[:, 0], resamples=10, workers=1)
    assert not found.failures
    with pytest.raises(DataError, match="AssertionError"):
        bootstrap(Watching(), X, y, scoring=AUROC, resamples=10, workers=1)


def test_the_number_of_workers_changes_nothing():
    d = draw(150)
    given = {"scoring": Scoring(times=(5, 12), thresholds=(0.3,)), "resamples": 12, "keep_risks": True, "seed": 3}
    one, two = (bootstrap(Cox(), d.X, outcome(d.time, d.event), workers=workers, **given) for workers in (1, 2))
    pd.testing.assert_frame_equal(one.table, two.table, check_exact=True)
    assert (one.risks == two.risks).all()
    assert one.risks.shape == (12, 150)
    other = bootstrap(Cox(), d.X, outcome(d.time, d.event), workers=1, **{**given, "seed": 4})
    assert (other.table["optimism"] != one.table["optimism"]).all()


class Fragile(Logistic):
    """Fails where a rare value is not drawn."""

    def fit(self, X, y, sample_weight=None):
        if (X[:, -1] > 0).sum() == 0:
            raise DataError("the rare value is missing", hint="none")
        return super().fit(X[:, :-1], y, sample_weight)

    def predict_risk(self, X, times=None):
        return super().predict_risk(X[:, :-1])


@pytest.mark.parametrize(("rare", "refused"), [(4, False), (1, True)])
def test_resamples_that_fail_are_counted_and_too_many_refused(rare, refused):
    X, y = noise()
    X = np.c_[X, np.arange(len(X)) < rare]
    if refused:
        with pytest.raises(DataError, match=r"of 60 resamples failed \(\d+: the rare value is missing\)"):
            bootstrap(Fragile(), X, y, scoring=AUROC, resamples=60, workers=1)
        return
    found = bootstrap(Fragile(), X, y, scoring=AUROC, resamples=60, workers=1)
    assert list(found.failures) == ["the rare value is missing"]
    assert 0 < found.failed <= 6
    assert found.table["resamples"].item() == 60 - found.failed


def test_a_measure_that_most_resamples_lack_is_no_number():
    """With 60 of 61 followed for a short time only, few resamples reach the horizon."""
    d = draw(61)
    time = np.where(np.arange(61) == 60, 30, np.minimum(d.time, 10))
    y = outcome(time, d.event & (np.arange(61) < 60))
    table = bootstrap(Cox(), d.X, y, scoring=Scoring(times=(20,), measures=("harrell_c", "brier")), resamples=40, workers=1).table
    table = table.set_index("measure")
    assert np.isfinite(table.loc["harrell_c", "corrected"])
    assert np.isnan(table.loc["brier", "corrected"])
    assert "of 40 resamples only" in table.loc["brier", "note"]


def test_the_whole_pipeline_is_learnt_in_each_resample_and_its_warnings_are_counted():
    X, y = noise(p=3)
    table = pd.DataFrame(X, columns=list("abc"))
    table.loc[1:, "a"] = np.nan  # a constant where it is not drawn: no value at all
    pipeline = RiskPipeline([("impute", TypicalImputer(indicators=False)), ("model", Logistic())])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline.fit(table, y)
        found = bootstrap(pipeline, table, y, scoring=AUROC, resamples=50, workers=1)
    assert found.warnings["columns without any value are left out: a"] == pytest.approx(50 * np.exp(-1), abs=12)


def test_weights_reach_the_model():
    X, y = noise(p=2)
    weight = np.where(X[:, 0] > 0, 5.0, 0.5)
    plain = bootstrap(Logistic(), X, y, scoring=AUROC, sample_weight=weight, resamples=2, workers=1)
    piped = bootstrap(RiskPipeline([("model", Logistic())]), X, y, scoring=AUROC, sample_weight=weight, resamples=2, workers=1)
    np.testing.assert_allclose(plain.risk[:, 0], Logistic().fit(X, y, weight).predict_risk(X)[:, 0])
    np.testing.assert_array_equal(plain.risk, piped.risk)


def test_risks_of_several_completions_are_averaged():
    X, y = noise(p=2)
    table = pd.DataFrame(X, columns=["a", "b"])
    table.loc[::4, "a"] = np.nan
    one = RiskPipeline([("impute", ChainedImputer(n_iter=2)), ("model", Logistic())])
    model = MultiplyImputed(one, imputations=3, random_state=1).fit(table, y)
    risks = [copy.predict_risk(table) for copy in model.copies_]
    assert (risks[0] != risks[1]).any()
    np.testing.assert_allclose(model.predict_risk(table), sum(risks) / 3)


def _warn(item):
    warnings.warn(f"of piece {item % 2}", RuntimeWarning, stacklevel=1)
    return item


def test_what_a_worker_warns_of_is_told_once():
    with pytest.warns(RuntimeWarning) as told:
        assert list(spread(_warn, (), range(6), workers=2)) == list(range(6))
    assert sorted(str(one.message) for one in told) == ["of piece 0", "of piece 1"]


def _speaks(item):
    return tr(f"第 {item} 件", f"piece {item}")


def test_worker_processes_speak_the_language_in_force():
    assert list(spread(_speaks, (), range(2), workers=2)) == ["piece 0", "piece 1"]


def _end(item):
    if item == 5:
        os._exit(1)
    return item


def test_results_come_in_order_and_a_killed_worker_is_told():
    assert list(spread(pow, (2,), range(20), workers=2)) == [2**k for k in range(20)]
    with pytest.raises(EnvironmentFault, match="ended before its work was done"):
        list(spread(_end, (), range(20), workers=2))


def test_more_resamples_begin_with_the_same():
    first, more = (np.random.default_rng(seeds(1, n)[1]).integers(0, 100, 5) for n in (2, 5))
    assert (first == more).all()


def test_rows_of_persons():
    persons = Persons(["b", "a", "b", "c"])
    assert persons.rows(np.array([0, 2, 0])).tolist() == [0, 2, 3, 0, 2]
    assert persons.first(order=[5, 1, 2, 1]).tolist() == [2, 1, 3]
    assert persons.any(np.array([False, False, True, False])).tolist() == [True, False, False]
    with pytest.raises(DataError, match="1 of 2 rows have no person"):
        Persons(["a", None])


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"resamples": 1}, DefinitionError, "resamples=1"),
        ({"level": 95}, DefinitionError, "level=95"),
        ({"persons": [1, 2]}, DataError, "120 rows and 2 persons"),
        ({"sample_weight": [1.0]}, DataError, "1 with a weight"),
        ({"y": [True]}, DataError, "1 with an outcome"),
        ({"estimator": TypicalImputer()}, DefinitionError, "no predict_risk"),
        ({"scoring": Scoring(times=(3,), measures=("auc",))}, DataError, "binary outcome with 1 times"),
    ],
)
def test_wrong_input_is_refused(change, error, says):
    X, y = noise()
    given = {"estimator": Logistic(), "X": X, "y": y, "scoring": AUROC, "resamples": 5, "workers": 1} | change
    with pytest.raises(error, match=says):
        bootstrap(given.pop("estimator"), given.pop("X"), given.pop("y"), **given)


@pytest.mark.nightly
def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """Eighty studies of 500 patients with 5 predictors, each model judged on 20,000 others: C, O/E and slope of that very model."""
    scoring, rng = Scoring(measures=("auroc", "observed_expected", "slope")), np.random.default_rng(0)

    def patients(n):
        X = rng.normal(size=(n, 5))
        return X, rng.random(n) < 1 / (1 + np.exp(1 - X.sum(axis=1) * 0.6))

    others, held = patients(20_000), []
    for seed in range(80):
        found = bootstrap(Logistic(), *patients(500), scoring=scoring, resamples=100, seed=seed, workers=1)
        truth = [score.value for score in scoring.scores(others[1], found.model.predict_risk(others[0]))]
        held.append((found.table["lower"] <= truth) & (truth <= found.table["upper"]))
    assert (np.mean(held, axis=0) > 0.85).all()
