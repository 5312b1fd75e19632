"""Imputation inside resampling, Rubin's rules, and which values are missing together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from lifelines import NelsonAalenFitter
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.lib.survival_data import draw
from workbench.errors import DataError, DefinitionError
from workbench.risk.imputation.chained import describe, outcome_columns
from workbench.risk.imputation.impute import ChainedImputer, TypicalImputer, completed, multiple
from workbench.risk.imputation.missing import missing_patterns
from workbench.risk.imputation.pooling import pool
from workbench.risk.survival.cox import CoxRegression
from workbench.risk.survival.outcome import outcome

pytestmark = pytest.mark.usefixtures("english")


@pytest.mark.parametrize(
    ("m", "estimate", "within", "between", "complete_df", "wanted"),
    [
        # Printed by pool() of van Buuren's mice 3 in R:
        # pool(with(mice(airquality, m = 5), lm(Temp ~ Ozone + Solar.R + Wind))), rows (Intercept) and Ozone: t, df, riv, lambda, fmi
        (5, 72.55796363, 6.595501, 0.5750036463, 148, (7.285505, 101.97555, 0.1046174, 0.0947092, 0.1119569)),
        (5, 0.16081480, 4.935193e-04, 0.0001610921, 148, (6.868298e-04, 34.09063, 0.3916979, 0.2814533, 0.3201987)),
        # a mixed model with m = 100
        (100, 0.2036040, 0.0003501917, 0.002179912, 237, (0.002551903, 25.95727, 6.2871610, 0.8627723, 0.8722503)),
    ],
)
def test_rubins_rules_agree_with_mice(m, estimate, within, between, complete_df, wanted):
    steps = np.arange(m) - (m - 1) / 2
    estimates = estimate + steps * np.sqrt(between / steps.var(ddof=1))
    row = pool(estimates[:, None], np.full((m, 1), within), complete_df=complete_df).iloc[0]
    assert row["estimate"] == pytest.approx(estimate)
    got = [row["standard_error"] ** 2, *row[["df", "increase", "share_missing", "missing_information"]]]
    assert got == pytest.approx(wanted, rel=2e-6)


def test_pooled_intervals_are_those_of_t_and_bad_input_is_refused():
    pooled = pool([[1.0, 0.0], [1.2, 0.0]], [[0.04, 1.0], [0.05, 1.0]], names=["a", "b"])
    assert pooled.loc["b", ["lower", "upper"]].tolist() == pytest.approx([-1.959964, 1.959964])
    assert pooled.loc["b", "df"] == np.inf
    with pytest.raises(DataError, match="1 completed data sets"):
        pool([[1.0]], [[1.0]])
    with pytest.raises(DataError, match="negative"):
        pool([[1.0], [1.0]], [[1.0], [-1.0]])
    with pytest.raises(DataError, match="shape"):
        pool([[1.0], [1.0]], [[1.0]])


def gappy(n: int, seed: int):
    """Two covariates, correlated, of hazard ratio exp(0.3); the second missing where the first is high and the event happened."""
    rng = np.random.default_rng(seed)
    first = rng.normal(size=n)
    second = 0.5 * first + rng.normal(size=n) * 0.75**0.5
    died, lost = rng.exponential(np.exp(-0.3 * first - 0.3 * second)), rng.exponential(0.5, n)
    y = outcome(np.minimum(died, lost), died <= lost)
    gap = rng.random(n) < 1 / (1 + np.exp(1 - first - y["event"]))
    return pd.DataFrame({"first": first, "second": np.where(gap, np.nan, second)}), y


def cox_pooled(X, y, m, **options):
    fits = [CoxRegression().fit(whole, y) for whole in completed(X, y, m=m, imputer=ChainedImputer(n_iter=1, **options))]
    return pool([fit.coef_ for fit in fits], [np.diag(fit.covariance_) for fit in fits], complete_df=int(y["event"].sum()) - 2)


def linear_pooled(seed: int, n: int = 300) -> pd.DataFrame:
    """A linear model of coefficients 0.5 and 0.5; the second covariate missing where the first and the outcome are high."""
    rng = np.random.default_rng(seed)
    first = rng.normal(size=n)
    second = 0.5 * first + rng.normal(size=n)
    y = 0.5 * first + 0.5 * second + rng.normal(size=n)
    gap = rng.random(n) < 1 / (1 + np.exp(1 - 0.5 * first - 0.5 * y))
    estimates, variances = [], []
    for whole in completed(
        pd.DataFrame({"first": first, "second": np.where(gap, np.nan, second)}), y, m=5, imputer=ChainedImputer(n_iter=1)
    ):
        X = np.column_stack([np.ones(n), whole])
        inverse = np.linalg.inv(X.T @ X)
        beta = inverse @ X.T @ y
        estimates.append(beta[1:])
        variances.append((np.diag(inverse) * ((y - X @ beta) ** 2).sum() / (n - 3))[1:])
    return pool(estimates, variances, complete_df=n - 3)


def test_pooled_coefficients_cover_what_was_planted():
    pooled = [linear_pooled(seed) for seed in range(100)]
    covered = np.mean([((one["lower"] < 0.5) & (one["upper"] > 0.5)).to_numpy() for one in pooled], axis=0)
    estimates = np.array([one["estimate"] for one in pooled])
    assert ((covered >= 0.90) & (covered <= 0.99)).all()
    np.testing.assert_allclose(estimates.mean(axis=0), 0.5, atol=0.03)
    # The stated errors are the true ones.
    np.testing.assert_allclose(np.mean([one["standard_error"] for one in pooled], axis=0), estimates.std(axis=0), rtol=0.25)


def test_without_the_outcome_coefficients_shrink():
    X, y = gappy(3000, 1)
    with_outcome, without = (cox_pooled(X, y, 2, use_outcome=use)["estimate"].iloc[1] for use in (True, False))
    assert with_outcome == pytest.approx(0.3, abs=0.08)
    assert without < with_outcome - 0.1


def test_the_cumulative_hazard_is_nelson_and_aalens():
    d = draw(200, whole_days=True)
    columns = outcome_columns(outcome(d.time, d.event))
    peer = NelsonAalenFitter(nelson_aalen_smoothing=False).fit(d.time, d.event).cumulative_hazard_.iloc[:, 0].loc[d.time].to_numpy()
    assert columns.shape == (200, 2)
    assert np.corrcoef(columns[:, 1], peer)[0, 1] > 0.999  # lifelines counts tied events one after another
    assert outcome_columns(outcome(d.time, 1 + d.stratum % 2)).shape == (200, 4)
    assert outcome_columns(outcome(d.time, np.zeros(200, bool))).shape == (200, 0)


def mixed(n: int = 600, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    age = rng.normal(60, 10, n)
    ward = np.where(rng.random(n) < 1 / (1 + np.exp(-(age - 60) / 3)), "内科", np.where(rng.random(n) < 0.5, "外科", "急诊"))
    table = pd.DataFrame(
        {
            "age": age,
            "ward": ward.astype(object),
            "crp": np.exp(rng.normal(2, 0.5, n) + (age - 60) / 20),
            "smoker": (rng.random(n) < 0.3) * 1.0,
        }
    )
    for name in ("ward", "crp", "smoker"):
        table.loc[rng.random(n) < 0.3, name] = np.nan
    return table


def test_numbers_are_matched_and_categories_drawn():
    table = mixed()
    whole = ChainedImputer().fit_transform(table)
    assert not whole.isna().any().any()
    pd.testing.assert_frame_equal(whole.where(table.notna()), table)
    assert whole["crp"].isin(table["crp"]).all()
    assert set(whole["smoker"]) == {0, 1}
    drawn = table["ward"].isna()
    old = table["age"] > 65
    assert (whole.loc[drawn & old, "ward"] == "内科").mean() == pytest.approx((table.loc[~drawn & old, "ward"] == "内科").mean(), abs=0.12)
    assert np.corrcoef(np.log(whole.loc[table["crp"].isna(), "crp"]), whole.loc[table["crp"].isna(), "age"])[0, 1] > 0.4


def test_columns_missing_together_are_drawn_together():
    rng = np.random.default_rng(0)
    first = rng.normal(size=500)
    table = pd.DataFrame({"first": first, "second": first + 0.1 * rng.normal(size=500), "third": rng.normal(size=500)})
    table.loc[:249, ["first", "second"]] = np.nan
    whole = ChainedImputer().fit_transform(table)
    assert np.corrcoef(whole.loc[:249, "first"], whole.loc[:249, "second"])[0, 1] > 0.9


def test_the_same_seed_gives_the_same_and_copies_differ():
    table = mixed(200)
    one, again = (ChainedImputer(n_iter=2, random_state=3).fit_transform(table) for _ in range(2))
    pd.testing.assert_frame_equal(one, again)
    sets = completed(table, m=3, imputer=ChainedImputer(n_iter=2))
    assert len(sets) == 3
    assert not sets[0].equals(sets[1])
    with pytest.raises(DefinitionError, match="0 chained imputers"):
        multiple(StandardScaler())


def test_other_data_are_completed_without_their_outcome():
    X, y = gappy(400, 2)
    imputer = ChainedImputer(n_iter=2).fit(X[:300], y[:300])
    test = X[300:]
    pd.testing.assert_frame_equal(imputer.transform(test), imputer.transform(test))
    nothing = imputer.transform(pd.DataFrame({"first": [np.nan, 0.5], "second": [np.nan, np.nan]}))  # first had no gap in training
    assert not nothing.isna().any().any()
    strong = pd.DataFrame({"first": np.full(200, 2.0), "second": np.full(200, np.nan)})
    assert imputer.transform(strong)["second"].mean() == pytest.approx(1.0, abs=0.35)


def test_it_works_inside_a_pipeline_and_resampling():
    X, y = gappy(300, 3)
    pipeline = make_pipeline(ChainedImputer(n_iter=2), StandardScaler().set_output(transform="pandas"), CoxRegression())
    assert cross_val_score(pipeline, X, y, cv=3).mean() > 0.6
    copies = multiple(pipeline, m=2)
    assert len({copy[0].random_state for copy in copies}) == 2
    assert list(clone(copies[0]).fit(X, y)[-1].summary().index) == ["first", "second"]
    assert ChainedImputer(n_iter=1).fit_transform(X.to_numpy()).shape == (300, 2)


@pytest.mark.parametrize("imputer", [ChainedImputer(n_iter=1), TypicalImputer()])
def test_what_cannot_be_learnt_is_named(imputer):
    table = mixed(100).assign(nothing=np.nan, constant=[1.0] * 50 + [np.nan] * 50)
    with pytest.warns(UserWarning, match="left out: nothing"), pytest.warns(UserWarning, match="filled with it: constant"):
        whole = clone(imputer).fit_transform(table)
    assert "nothing" not in whole
    assert (whole["constant"] == 1).all()
    fitted = clone(imputer).fit(mixed(100))
    with pytest.warns(UserWarning, match=r"training data lack count as missing: ward \(2 rows\)"):
        strange = fitted.transform(mixed(4, seed=1).assign(ward=["口腔科", "内科", None, "口腔科"]))
    assert set(strange["ward"]) <= {"内科", "外科", "急诊"}
    with pytest.raises(DataError, match="age holds 1 infinite values"):
        fitted.transform(mixed(4).assign(age=[1, 2, np.inf, 3]))
    with pytest.raises(DataError, match="age was numbers in training"):
        fitted.transform(mixed(4).assign(age=list("abcd")))
    with pytest.raises(DataError, match="no column has a value"):
        clone(imputer).fit(pd.DataFrame({"a": [np.nan, np.nan]}))


def test_bad_parameters_are_refused():
    with pytest.raises(DefinitionError, match="donors=0"):
        ChainedImputer(donors=0).fit(mixed(20))
    with pytest.raises(DataError, match="20 rows have predictors and 19"):
        ChainedImputer().fit(mixed(20), np.arange(19.0))


def test_medians_and_indicators_come_from_training():
    train = pd.DataFrame({"crp": [1.0, np.nan, 9.0, 2.0], "age": [50.0, 60, 70, 80], "ward": pd.Categorical(["a", "b", None, "b"])})
    imputer = TypicalImputer().fit(train)
    assert imputer.fill_ == {"crp": 2, "age": 65, "ward": "b"}
    new = imputer.transform(pd.DataFrame({"crp": [np.nan], "age": [np.nan], "ward": pd.Categorical([None], categories=["a", "b"])}))
    assert new.iloc[0].tolist() == [2, 65, "b", 1, 1]
    assert list(new) == list(imputer.get_feature_names_out()) == ["crp", "age", "ward", "crp_missing", "ward_missing"]
    assert new["ward"].dtype == "category"
    assert TypicalImputer(indicators=False).fit_transform(train).shape == (4, 3)


def test_a_column_with_the_name_of_an_indicator_is_refused():
    X = pd.DataFrame({"crp": [1.0, np.nan, 9.0], "crp_missing": [0.0, 1, 0]})
    with pytest.raises(DataError, match="have the names of columns: crp_missing"):
        TypicalImputer().fit(X)
    assert list(TypicalImputer().fit_transform(X.fillna(0))) == list(X)


def test_patterns_of_missing_values_are_counted():
    table = mixed(300)
    patterns = missing_patterns(table)
    assert patterns["patients"].sum() == 300
    for _, row in patterns.iterrows():
        same = np.logical_and.reduce([table[name].isna() == row[name] for name in table])
        assert same.sum() == row["patients"]
    assert patterns["patients"].is_monotonic_decreasing
    assert list(missing_patterns(table, ["crp"])) == ["crp", "patients", "columns_missing"]
    assert missing_patterns(table[:0])["patients"].sum() == 0


def test_a_column_of_two_values_is_a_category():
    layout = describe(mixed(50))
    assert [column.levels is None for column in layout.columns] == [True, False, True, False]
