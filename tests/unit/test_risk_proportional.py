"""The test of proportional hazards against lifelines, and whether it finds what it should."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter
from lifelines.datasets import load_rossi
from lifelines.statistics import proportional_hazard_test

from workbench.errors import DefinitionError
from workbench.risk.interpretation.proportional import proportional_hazards_test, schoenfeld_residuals, told
from workbench.risk.survival.cox import CoxRegression
from workbench.risk.survival.outcome import outcome


@pytest.mark.parametrize("transform", ["rank", "identity"])
def test_it_agrees_with_lifelines(transform):
    table = load_rossi()
    rng = np.random.default_rng(0)
    table["week"] = table["week"] + rng.permutation(len(table)) / 1000  # without ties, where the packages differ
    peer = CoxPHFitter().fit(table, "week", "arrest")
    names = peer.params_.index
    found = proportional_hazards_test(
        table[names], outcome(table["week"], table["arrest"] == 1), peer.params_, peer.variance_matrix_, transform=transform
    )
    wanted = proportional_hazard_test(peer, table, time_transform=transform).summary
    np.testing.assert_allclose(found["statistic"][:-1], wanted.loc[names, "test_statistic"], rtol=1e-6)
    residuals = schoenfeld_residuals(table[names], outcome(table["week"], table["arrest"] == 1), peer.params_)
    order = table[table["arrest"] == 1].index
    np.testing.assert_allclose(residuals, peer.compute_residuals(table, "schoenfeld").loc[order], atol=1e-4)


def drawn(n: int, *, crossing: bool, seed: int):
    """Hazards that are proportional, or whose ratio turns round half way."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, n))
    early = rng.exponential(np.exp(-0.7 * x))
    late = 0.5 + rng.exponential(np.exp(0.7 * x if crossing else -0.7 * x))
    time = np.where(early < 0.5, early, late)
    return np.c_[x, z, x**2], outcome(np.minimum(time, 3) + 1e-6, time < 3)


@pytest.mark.parametrize("transform", ["km", "rank", "identity"])
def test_it_finds_a_ratio_that_turns_round_and_only_that(transform):
    false, found = 0, 0
    for seed in range(40):
        for crossing in (False, True):
            X, y = drawn(400, crossing=crossing, seed=seed)
            model = CoxRegression().fit(X, y)
            p = proportional_hazards_test(X, y, model.coef_, model.covariance_, blocks={"x": [0, 2], "z": [1]}, transform=transform)["p"]
            found += crossing and p["x"] < 0.01
            false += (not crossing) * (p["x"] < 0.05) + (p["z"] < 0.05)
    assert found == 40
    assert false <= 12  # of 120 at 5 %


def test_late_entries_are_at_risk_from_their_entry_on():
    X, y = drawn(300, crossing=False, seed=1)
    late = outcome(y["time"], y["event"], entry=y["time"] * np.random.default_rng(0).uniform(0, 0.9, 300))
    residuals = schoenfeld_residuals(X, late, [0.7, 0, 0])
    events = np.flatnonzero(late["event"])
    at = events[17]
    inside = (late["entry"] < late["time"][at]) & (late["time"] >= late["time"][at])
    weight = np.exp(0.7 * X[inside, 0])
    np.testing.assert_allclose(residuals[17], X[at] - np.average(X[inside], axis=0, weights=weight), atol=1e-10)


def test_columns_that_do_not_vary_are_left_out_and_an_unknown_transform_refused():
    X, y = drawn(200, crossing=False, seed=2)
    X[:, 1] = 3.0
    covariance = np.diag([0.01, np.nan, 0.01])
    found = proportional_hazards_test(X, y, [0.7, 0, 0], covariance, blocks={"x": [0, 2], "constant": [1]})
    assert found.index.tolist() == ["x", "global"]
    assert told(found, {"x": "年龄"}).iloc[:, 0].tolist() == ["年龄", "全部"]
    assert isinstance(told(found, {}), pd.DataFrame)
    with pytest.raises(DefinitionError, match="km, rank or identity"):
        proportional_hazards_test(X, y, [0.7, 0, 0], covariance, transform="log")
