"""Restricted cubic splines against the formula of R's rms, and as a transformer like others."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from workbench.errors import DefinitionError
from workbench.risk.survival.cox import CoxRegression
from workbench.risk.survival.outcome import outcome
from workbench.risk.survival.splines import RestrictedCubicSplines, harrell_knots, spline_basis


def rcspline_eval(x, knots):
    """Write rms::rcspline.eval(x, knots, norm=2) down, term by term."""
    k, kd = len(knots), (knots[-1] - knots[0]) ** (2 / 3)
    columns = []
    for j in range(k - 2):
        column = [
            max((v - knots[j]) / kd, 0) ** 3
            + (
                (knots[k - 2] - knots[j]) * max((v - knots[-1]) / kd, 0) ** 3
                - (knots[-1] - knots[j]) * max((v - knots[k - 2]) / kd, 0) ** 3
            )
            / (knots[-1] - knots[k - 2])
            for v in x
        ]
        columns.append(column)
    return np.array(columns).T


@pytest.mark.parametrize("k", [3, 4, 5, 6, 7])
def test_the_basis_is_that_of_rms(k):
    x = np.random.default_rng(k).gamma(2, 20, 500)
    knots = harrell_knots(x, k)
    basis = spline_basis(x, knots)
    np.testing.assert_allclose(basis[:, 1:], rcspline_eval(x, knots), rtol=1e-10, atol=1e-9)
    np.testing.assert_array_equal(basis[:, 0], x)


def test_a_value_worked_out_by_hand():
    # knots 0, 1, 3: (2^3 + (1 * 0 - 3 * 1) / 2) / 9 = 6.5 / 9 at 2; the tail beyond 3 is straight
    assert spline_basis([2.0], [0.0, 1.0, 3.0])[0].tolist() == pytest.approx([2, 6.5 / 9])
    beyond = spline_basis([4.0, 5.0, 6.0, 60.0], [0.0, 1.0, 3.0])[:, 1]
    assert np.diff(beyond, 2)[0] == pytest.approx(0, abs=1e-12)
    assert beyond[3] - beyond[2] == pytest.approx(54 * (beyond[1] - beyond[0]))
    assert spline_basis([-5.0, 0.0], [0.0, 1.0, 3.0])[:, 1].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("k", "shares"),
    [
        (3, [0.1, 0.5, 0.9]),
        (4, [0.05, 0.35, 0.65, 0.95]),
        (5, [0.05, 0.275, 0.5, 0.725, 0.95]),
        (7, [0.025, *np.arange(1, 7) * 0.95 / 6 + 0.025]),
    ],
)
def test_knots_lie_where_harrell_places_them(k, shares):
    x = np.random.default_rng(0).normal(size=1000)
    np.testing.assert_allclose(harrell_knots(x, k), np.quantile(x, shares))


def test_of_few_values_the_outer_knots_are_the_fifth():
    assert harrell_knots(np.arange(60)[::-1], 4)[[0, -1]].tolist() == [4, 55]


def frame(n=200):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {"年龄": rng.normal(60, 10, n), "male": rng.integers(0, 2, n), "tied": np.where(rng.random(n) < 0.99, 0, rng.random(n))}
    )


def test_it_is_a_transformer_like_others():
    X = frame()
    splines = RestrictedCubicSplines(min_distinct=3).set_output(transform="pandas")
    out = clone(splines).fit(X).transform(X)
    assert out.columns.tolist() == ["年龄", "年龄'", "年龄''", "male", "tied"]
    np.testing.assert_array_equal(out[["年龄", "male", "tied"]], X)
    assert [len(knots) for knots in clone(splines).fit(X).knots_] == [4, 0, 0]
    assert RestrictedCubicSplines(knots=3).fit(X.to_numpy()).get_feature_names_out().tolist() == ["x0", "x0'", "x1", "x2"]
    y = outcome(np.random.default_rng(1).exponential(np.exp((X["年龄"] - 60) ** 2 / 200)), np.ones(200))
    model = make_pipeline(splines, CoxRegression(alpha=0.1)).fit(X, y)
    assert model.score(X, y) > 0.65 > CoxRegression(alpha=0.1).fit(X, y).score(X, y)


def test_the_knots_are_those_of_the_fit_and_a_missing_value_stays_missing():
    X = frame()
    X.loc[3, "年龄"] = np.nan
    splines = RestrictedCubicSplines().fit(X)
    out = splines.transform(X[:5])
    assert np.isnan(out[3, :3]).all()
    assert np.isfinite(np.delete(out, 3, axis=0)).all()
    np.testing.assert_array_equal(splines.transform(X)[:5], out)


def test_fewer_than_3_knots_and_infinite_values_are_refused():
    with pytest.raises(DefinitionError, match="knots=2"):
        RestrictedCubicSplines(knots=2).fit(frame())
    with pytest.raises(ValueError, match="infinity"):
        RestrictedCubicSplines().fit([[np.inf], [1.0]])
