"""The steps before a model, and a model fitted to several completed tables."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import clone

from workbench.errors import DataError, DefinitionError
from workbench.risk.imputation.impute import ChainedImputer, TypicalImputer
from workbench.risk.interpretation.contrasts import contrasts
from workbench.risk.models.catalogue import make_model
from workbench.risk.models.equation import Factor, UnseenCategories
from workbench.risk.models.multiple import MultiplyImputed
from workbench.risk.models.preparation import ColumnsLeftOut, LinearColumns, UsableColumns, known_words, own_factors, steps
from workbench.risk.protocol.parts import ModelChoice
from workbench.risk.survival.cox import CoxRegression
from workbench.risk.survival.outcome import outcome

WARDS = ["A"] * 40 + ["B"] * 30 + ["C"] * 3 + ["D"] * 3 + ["E"] * 1

#: What three levels of few are called together, in the language of the tests.
JOINED = "其他（3 类）"


def table(n=77):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"age": rng.normal(60, 10, n), "crp": rng.lognormal(1, 1, n), "grade": rng.integers(1, 4, n).astype(float)})
    return X.assign(ward=pd.Categorical(WARDS[:n]), male=rng.integers(0, 2, n).astype(float))


@pytest.mark.parametrize("dtype", ["boolean", pd.ArrowDtype(pa.bool_())], ids=str)
def test_truths_of_any_type_are_numbers(dtype):
    flag = pd.Series([True, False, None] * 25 + [True, False], dtype=dtype)
    found = UsableColumns().fit_transform(table().assign(male=flag))["male"]
    assert found.tolist()[:2] == [1.0, 0.0]
    assert found.isna().sum() == 25


def test_rare_levels_are_joined_and_the_commonest_is_the_reference():
    fitted = UsableColumns(rare=5).fit(table())
    assert [level.words for level in fitted.levels_["ward"]] == [("A",), ("B",), ("C", "D", "E")]
    assert fitted.transform(table())["ward"].value_counts().to_dict() == {"A": 40, "B": 30, JOINED: 7}


def test_rare_levels_too_few_to_stand_alone_join_the_reference():
    fitted = UsableColumns(rare=10).fit(table())
    assert [level.words for level in fitted.levels_["ward"]] == [("A", "C", "D", "E"), ("B",)]


def test_the_only_other_level_is_kept_however_rare():
    ward = pd.Categorical(["A"] * 75 + ["B", "C"])
    fitted = UsableColumns(rare=10).fit(table().assign(ward=ward))
    assert [level.words for level in fitted.levels_["ward"]] == [("A",), ("B", "C")]


def test_the_name_of_joined_levels_tells_no_word_of_few_patients():
    words = ["A"] * 50 + [f"w{i}" for i in range(27)]
    fitted = pipeline(rare=5).fit(table().assign(ward=words), np.arange(77) % 2 == 0)
    joined = fitted.equation().terms[-2]
    assert len(joined.factors[0].words) == 27
    assert "w1" not in joined.label + joined.factors[0].level


@pytest.mark.usefixtures("english")
def test_categories_never_seen_are_counted_and_are_the_reference():
    fitted = UsableColumns().fit(table())
    with pytest.warns(UnseenCategories, match=r"ward \(2 rows\)"):
        found = fitted.transform(table().assign(ward=["X", "Y", *WARDS[2:]]))
    assert found["ward"].tolist()[:2] == ["A", "A"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a missing category is no unseen one
        assert fitted.transform(table().assign(ward=[None, *WARDS[1:]]))["ward"].isna().tolist()[:2] == [True, False]


@pytest.mark.usefixtures("english")
def test_columns_that_teach_nothing_are_named():
    X = table().assign(constant=1.0, empty=np.nan, one_word="yes", flag=[1.0, *[np.nan] * 76])
    with pytest.warns(ColumnsLeftOut, match=r"constant \(one value\), empty \(all missing\), one_word \(one value\), flag \(one value\)"):
        fitted = UsableColumns().fit(X)
    assert list(fitted.get_feature_names_out()) == list(table().columns)
    assert fitted.transform(X).columns.tolist() == list(table().columns)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda X: X.assign(crp=X["crp"].where(X.index > 0, np.inf)), "'crp' holds 1 infinite"),
        (lambda X: X.drop(columns="age"), "predictors are missing: age"),
        (lambda X: X.assign(crp="high"), "hold texts now: crp"),
    ],
)
def test_columns_that_cannot_be_used(change, found):
    with pytest.raises(DataError, match=found):
        UsableColumns().fit(table()).transform(change(table()))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda X: X.assign(name=[f"P{i}" for i in range(77)]), "'name' holds 77 words in 77 rows: texts or identifiers"),
        (lambda X: X.assign(born=pd.Timestamp("1950-01-01")), "'born' holds dates"),
        (lambda X: pd.concat([X, X[["crp"]]], axis=1), "columns are there twice: crp"),
    ],
)
def test_columns_that_are_no_predictors(change, found):
    with pytest.raises(DataError, match=found):
        UsableColumns().fit(change(table()))


def test_infinite_values_in_training():
    with pytest.raises(DataError, match="'age' holds 77 infinite"):
        UsableColumns().fit(table().assign(age=-np.inf))


def test_nothing_left():
    with pytest.warns(ColumnsLeftOut), pytest.raises(DataError, match="no column varies"):
        UsableColumns().fit(pd.DataFrame({"a": [1.0, 1.0], "b": [np.nan, np.nan]}))


def test_arrays_are_tables_without_names():
    values = table()[["age", "crp"]].to_numpy()
    assert UsableColumns().fit_transform(values).columns.tolist() == ["x0", "x1"]


def test_the_order_of_columns_does_not_matter():
    fitted = UsableColumns().fit(table())
    pd.testing.assert_frame_equal(fitted.transform(table()[["ward", "male", "age", "grade", "crp"]]), fitted.transform(table()))


def test_numbers_of_few_values_stay_straight():
    usable = UsableColumns(rare=5).fit_transform(table())
    names = ["age", "age'", "age''", "crp", "crp'", "crp''", "grade", "ward=B", f"ward={JOINED}", "male"]
    assert list(LinearColumns().fit(usable).get_feature_names_out()) == names
    assert list(LinearColumns(knots=0).fit(usable).get_feature_names_out()) == [name for name in names if "'" not in name]
    with pytest.raises(DefinitionError, match="knots=2"):
        LinearColumns(knots=2).fit(usable)


def pipeline(**parameters):
    return make_model(ModelChoice(name="logistic", parameters=parameters), binary=True, causes=1)


def test_factors_are_of_the_predictors_themselves():
    X = table()
    X.loc[:9, "crp"], X.loc[5:12, "ward"] = np.nan, np.nan
    fitted = pipeline(missing_indicators=True, rare=5).fit(X, np.arange(77) % 2 == 0)
    factors = {fitted["linear"].get_feature_names_out()[place]: factor for place, factor in enumerate(own_factors(fitted))}
    assert factors["crp"] == Factor("crp", fill=float(np.median(X["crp"].dropna())))
    assert factors["crp_missing"] == Factor("crp", "missing")
    assert factors[f"ward={JOINED}"] == Factor("ward", "level", level=JOINED, words=("C", "D", "E"), fill="A")
    assert known_words(fitted) == (("ward", ("A", "B", "C", "D", "E")),)


def test_everything_is_learnt_from_training_data_alone():
    X, y = table(), np.arange(77) % 2 == 0
    fitted = pipeline(knots=4).fit(X, y)
    alone = fitted.predict_risk(X.head(1))
    others = X.assign(age=X["age"] + 100, crp=X["crp"] * 100)
    np.testing.assert_array_equal(fitted.predict_risk(pd.concat([X.head(1), others]))[:1], alone)


def test_imputations():
    assert isinstance(dict(steps(imputation="multiple", seed=7))["impute"], ChainedImputer)
    assert isinstance(dict(steps())["impute"], TypicalImputer)
    with pytest.raises(DefinitionError, match="'none'"):
        steps(imputation="none")
    with pytest.raises(DefinitionError, match="missing_indicators"):
        steps(imputation="multiple", missing_indicators=True)


def test_steps_are_estimators():
    for name, step in steps(missing_indicators=True, knots=5, rare=3):
        assert clone(step).get_params() == step.get_params(), name
    fixed = LinearColumns(factors=(Factor("age"),))
    assert clone(fixed).fit(table()).transform(table()).columns.tolist() == ["age"]


def gappy(n=400):
    rng = np.random.default_rng(5)
    age, crp = rng.normal(0, 1, n), rng.normal(0, 1, n)
    died, lost = rng.exponential(900 * np.exp(-0.6 * age - 0.4 * crp)), rng.uniform(100, 2000, n)
    X = pd.DataFrame({"age": age, "crp": 0.5 * age + crp})
    y = outcome(np.minimum(died, lost) + 0.5, died < lost)
    whole = X.copy()
    X.loc[rng.random(n) < 0.3, "crp"] = np.nan
    return X, y, whole


def test_a_pooled_model_is_near_that_of_whole_data():
    X, y, whole = gappy()
    pooled, best = MultiplyImputed(completing("cox"), imputations=5).fit(X, y), CoxRegression().fit(whole, y)
    error = pooled.table_["standard_error"].to_numpy()
    np.testing.assert_allclose(pooled.table_["estimate"], best.coef_, atol=1.5 * error.max())
    assert (error > np.sqrt(np.diag(best.covariance_))).all()
    assert pooled.table_["between"].gt(0).all()


@pytest.mark.parametrize(("name", "binary"), [("cox", False), ("spline_cox", False), ("logistic", True), ("spline_logistic", True)])
def test_a_pooled_equation_is_near_the_mean_of_the_models(name, binary):
    X, y, whole = gappy()
    pooled = MultiplyImputed(completing(name, binary=binary), imputations=4).fit(X, y["event"] if binary else y)
    times = None if binary else [365.0, 1000.0]
    equation = pooled.equation(() if binary else times)
    np.testing.assert_allclose(equation.predict_risk(whole), pooled.predict_risk(whole, times), atol=0.02)
    assert [term.std_error for term in equation.terms] == pooled.table_["standard_error"].tolist()[binary:]
    assert len({copy["linear"].factors_ for copy in pooled.copies_}) == 1


@pytest.mark.parametrize("binary", [False, True])
def test_ratios_of_a_pooled_model_are_rubins(binary):
    X, y, _ = gappy()
    pooled = MultiplyImputed(completing("logistic" if binary else "cox", binary=binary), imputations=4).fit(X, y["event"] if binary else y)
    found = contrasts(pooled.pooled(), X, "crp", [2.0], reference=1.0).table.iloc[0]
    assert (found["log_ratio"], found["std_error"]) == pytest.approx(tuple(pooled.table_.loc["crp", ["estimate", "standard_error"]]))


def completing(name, *, binary=False, causes=1):
    return make_model(ModelChoice(name=name), binary=binary, causes=causes, imputation="multiple")


def test_weights_and_copies():
    X, y, _ = gappy()
    model = MultiplyImputed(completing("cox"), imputations=2, random_state=5)
    plain, weighted = clone(model).fit(X, y), clone(model).fit(X, y, sample_weight=np.linspace(0.2, 2, len(X)))
    assert not np.allclose(plain.table_["estimate"], weighted.table_["estimate"])
    np.testing.assert_array_equal(clone(model).fit(X, y).predict_risk(X, [365.0]), plain.predict_risk(X, [365.0]))


def test_what_is_no_equation_is_averaged():
    X, y, _ = gappy()
    both = outcome(y["time"], np.arange(400) % 3)
    model = MultiplyImputed(completing("cause_specific", causes=2), imputations=2).fit(X, both)
    assert model.equation([365.0]) is None
    np.testing.assert_allclose(model.predict_risk(X, [365.0]), np.mean([copy.predict_risk(X, [365.0]) for copy in model.copies_], axis=0))


def test_what_cannot_be_pooled():
    X, y, _ = gappy()
    with pytest.raises(DefinitionError, match="chained imputers"):
        MultiplyImputed(make_model(ModelChoice(name="cox"), binary=False, causes=1)).fit(X, y)
    with pytest.raises(DataError, match="1 completed data sets"):
        MultiplyImputed(completing("cox"), imputations=1).fit(X, y)
