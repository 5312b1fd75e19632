"""Sample size against the examples of the papers and of R's pmsampsize."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from tests.lib.risk_models import Logistic
from workbench.errors import DataError, DefinitionError
from workbench.risk.survival.outcome import outcome
from workbench.risk.validation.sample_size import check, needed_for_binary, needed_for_survival, r2_of_c


@pytest.mark.parametrize(
    ("r2", "parameters", "prevalence", "shrinkage", "optimism", "risk"),
    [
        (0.288, 24, 0.174, 623, 668, 221),
        (0.55, 24, 0.174, 255, 532, 221),
        (0.288, 36, 0.174, 934, 1002, 221),
        (0.288, 24, 0.25, 623, 583, 289),
    ],
)
def test_binary_outcomes_need_what_pmsampsize_says(r2, parameters, prevalence, shrinkage, optimism, risk):
    """Tests 4.1 to 4.4 of pmsampsize 1.0; it rounds the shrinkage that keeps the optimism small to two or three digits."""
    found = {need.criterion: need.n for need in needed_for_binary(prevalence=prevalence, parameters=parameters, r2=r2)}
    assert (found["shrinkage"], found["overall risk"]) == (shrinkage, risk)
    assert found["optimism"] == pytest.approx(optimism, rel=0.015)


@pytest.mark.parametrize(
    ("r2", "parameters", "rate", "follow_up", "shrinkage", "optimism"),
    [
        (0.051, 25, 0.065, 2.07, 4286, 875),
        (0.065, 25, 0.065, 2.07, 3335, 868),
        (0.051, 25, 0.1, 2.07, 4286, 725),
        (0.06, 40, 0.08, 5, 5798, 974),
        (0.3, 80, 0.03, 5, 1974, 2279),
    ],
)
def test_times_to_an_event_need_what_pmsampsize_says(r2, parameters, rate, follow_up, shrinkage, optimism):
    """Tests 3.1, 3.2, 3.4, 3.7 and 3.9 of pmsampsize 1.0, with the same rounding."""
    needs = needed_for_survival(rate=rate, mean_follow_up=follow_up, horizon=2, parameters=parameters, r2=r2)
    assert needs[0].n == shrinkage
    assert needs[1].n == pytest.approx(optimism, rel=0.015)


def test_the_examples_of_the_papers():
    """Venous thromboembolism, Riley et al. (2019), section 5: 5143; pre-eclampsia, Riley et al. (2020), BMJ: 5249, 73 and 544."""
    assert needed_for_survival(rate=0.065, mean_follow_up=2.07, horizon=2, parameters=30, r2=0.051)[0].n == 5143
    shrinkage, _, risk, error = needed_for_binary(prevalence=0.05, parameters=30, r2=0.05)
    assert (shrinkage.n, risk.n, error.n) == (5249, 73, 544)


def test_the_overall_risk_is_as_near_as_was_asked():
    need = needed_for_survival(rate=0.1, mean_follow_up=3, horizon=5, parameters=2)[-1]
    error = np.sqrt(0.1 / (need.n * 3))
    ends = 1 - np.exp(-5 * (0.1 + 1.96 * error * np.array([-1, 1])))
    assert np.ptp(ends) / 2 == pytest.approx(0.05, abs=0.001)


def test_r2_of_c_is_that_of_simulated_patients():
    rng = np.random.default_rng(0)
    y = np.arange(200_000) < 60_000
    x = rng.normal(size=len(y)) + np.sqrt(2) * 0.8416 * y  # C = 0.8
    risk = Logistic().fit(x[:, None], y).predict_risk(x[:, None])[:, 0]
    likelihood = np.where(y, np.log(risk), np.log1p(-risk)).mean()
    r2 = 1 - np.exp(2 * (0.3 * np.log(0.3) + 0.7 * np.log(0.7) - likelihood))
    assert r2_of_c(norm.cdf(0.8416), 0.3) == pytest.approx(r2, abs=0.003)
    assert r2_of_c(0.5, 0.3) == pytest.approx(0, abs=1e-9)


def test_a_study_is_held_against_what_it_needs():
    y = np.arange(400) % 5 == 0
    found = check(y, 10)
    assert (found.wanted, found.found, found.events, found.events_per_parameter) == (898, 400, 80, 8.0)
    assert not found.enough
    assert "10 个参数至少需要 898 人" in found.sentence
    assert "不足" in found.sentence
    assert check(np.tile(y, 3), 10).enough
    assert check(np.tile(y, 3), 10).table()["n"].max() == 898
    assert check(y, 10, c=0.9).wanted < 898 < check(y, 10, c=0.6).wanted


def test_the_shrinkage_that_is_expected_is_that_for_which_so_many_are_needed():
    y = np.arange(898) % 5 == 0
    found = check(y, 10, r2=check(np.arange(400) % 5 == 0, 10).r2)
    assert found.shrinkage == pytest.approx(0.9, abs=0.0005)
    assert check(np.arange(30) % 5 == 0, 10).shrinkage == 0


def test_times_to_an_event_are_held_against_what_they_need():
    rng = np.random.default_rng(0)
    time = np.minimum(rng.exponential(1000, 500), 800)
    cause = np.where(time < 800, 1 + (rng.random(500) < 0.3), 0)
    found = check(outcome(time, cause), 5, horizon=365)
    assert found.events == (cause == 1).sum()
    by_hand = needed_for_survival(rate=found.events / time.sum(), mean_follow_up=time.mean(), horizon=365, parameters=5)
    assert found.needs == by_hand


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: check(np.zeros(5, bool), 2), DataError, "0 of 5 persons"),
        (lambda: check(np.ones(5, bool), 2), DataError, "5 of 5 persons"),
        (lambda: check(np.arange(9) % 2 == 0, 0), DefinitionError, "parameters=0"),
        (lambda: check(outcome([1.0], [True]), 1), DefinitionError, "wants a horizon"),
        (lambda: needed_for_binary(prevalence=1.2, parameters=3), DefinitionError, "prevalence=1.2"),
        (lambda: needed_for_binary(prevalence=0.1, parameters=3, r2=0.9), DefinitionError, "less than 0.478"),
        (lambda: needed_for_binary(prevalence=0.1, parameters=3, shrinkage=1), DefinitionError, "shrinkage=1"),
        (lambda: r2_of_c(0.4, 0.1), DefinitionError, "c=0.4"),
    ],
)
def test_figures_that_cannot_be_are_refused(call, error, says):
    with pytest.raises(error, match=says):
        call()
