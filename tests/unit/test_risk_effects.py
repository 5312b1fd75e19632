"""Ratios between values of a predictor are differences of the model's own predictions, with the covariance's error."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from lifelines.datasets import load_gbsg2

from workbench.disclosure import DisclosurePolicy
from workbench.errors import DataError, DefinitionError
from workbench.risk.extraction.dataset import Feature
from workbench.risk.interpretation.contrasts import contrasts
from workbench.risk.interpretation.effects import effects_chart, forest_chart
from workbench.risk.interpretation.nomogram import nomogram, safe_spans
from workbench.risk.models.catalogue import make_model
from workbench.risk.protocol.parts import ModelChoice
from workbench.risk.survival.outcome import outcome

POLICY = DisclosurePolicy(threshold=10, rounding=5)


@pytest.fixture(scope="module")
def breast():
    table = load_gbsg2()
    X = table.drop(columns=["time", "cens"])
    X = X.astype({name: "category" if X[name].dtype == object else float for name in X})
    return X.assign(node=(X["pnodes"] > 3).astype(float)), outcome(table["time"], table["cens"] == 1)


def fitted(name, X, y):
    binary = "logistic" in name
    features = [Feature(str(each), str(each), "", "category" if X[each].dtype == "category" else "number", "column") for each in X]
    return make_model(ModelChoice(name=name), binary=binary, causes=1, features=features).fit(X, y["event"] if binary else y)


def test_of_a_line_it_is_the_coefficient(breast):
    X, y = breast
    model = fitted("cox", X, y)
    names = [str(name) for name in model.steps[-1][1].feature_names_in_]
    place = next(at for at, name in enumerate(names) if "tsize" in name)
    regression = model.steps[-1][1]
    found = contrasts(model, X, "tsize", [40.0, 20.0], reference=20.0).table
    np.testing.assert_allclose(found["log_ratio"], [20 * regression.coef_[place], 0], atol=1e-10)
    np.testing.assert_allclose(found["std_error"], [20 * np.sqrt(regression.covariance_[place, place]), 0], atol=1e-10)


@pytest.mark.parametrize("name", ["spline_cox", "spline_logistic", "cox", "logistic"])
def test_it_is_the_difference_of_predictions(breast, name):
    X, y = breast
    model = fitted(name, X, y)
    rows = X.iloc[[5, 5, 5]].reset_index(drop=True)
    rows["age"], rows["tgrade"] = [50.0, 60.0, 50.0], pd.Categorical(["II", "II", "III"], X["tgrade"].cat.categories)
    risk = model.predict_risk(rows, None if "logistic" in name else [1000.0])[:, 0]
    scale = np.log(risk / (1 - risk)) if "logistic" in name else np.log(-np.log(1 - risk))
    age = contrasts(model, X, "age", [60.0], reference=50.0).table
    grade = contrasts(model, X, "tgrade", ["III"], reference="II").table
    np.testing.assert_allclose([age["log_ratio"][0], grade["log_ratio"][0]], scale[1:] - scale[0], atol=1e-8)
    assert (grade["lower"] < grade["ratio"]).all()
    assert (grade["ratio"] < grade["upper"]).all()


def test_the_figures_tell_of_enough_persons_only(breast):
    X, y = breast
    X = X.assign(rare=pd.Categorical(["甲"] * 5 + ["乙"] * (len(X) - 5)), few=np.r_[np.ones(4), np.zeros(len(X) - 4)])
    model = fitted("cox", X, y)
    table = forest_chart(model, X, ratio="HR", policy=POLICY).counts
    assert not table["预测因子"].isin(["rare", "few"]).any()
    assert table.loc[table["预测因子"] == "node", "比较"].tolist() == ["是 对 否"]
    assert len(table) == 10
    curves = effects_chart(model, X, ratio="HR", policy=POLICY).counts
    assert set(curves["预测因子"]) == {"age", "tsize", "pnodes", "progrec", "estrec"}
    assert curves["取值水平"].astype(float).max() < X[["progrec", "estrec"]].max().max()


def test_what_has_no_coefficients_is_refused(breast):
    X, y = breast
    model = fitted("cox", X, y)
    with pytest.raises(DefinitionError, match="no predictor"):
        contrasts(model, X, "weight", [1.0], reference=0.0)
    with pytest.raises(DefinitionError, match="no coefficients"):
        contrasts(model[:-1], X, "age", [1.0], reference=0.0)
    with pytest.raises(DataError, match="enough persons"):
        forest_chart(model, X.head(8), policy=POLICY)
    with pytest.raises(DataError, match="enough persons"):
        effects_chart(model, X.head(8), policy=POLICY)


def test_many_predictors_are_prepared_once_and_the_figure_stays_readable(breast, monkeypatch):
    X, y = breast
    noise = pd.DataFrame(np.random.default_rng(0).normal(size=(len(X), 50)), columns=[f"n{place}" for place in range(50)])
    X = pd.concat([X, noise], axis=1)
    model, prepared = fitted("cox", X, y), []
    step = type(model.steps[0][1])
    plain = step.transform
    monkeypatch.setattr(step, "transform", lambda self, rows: prepared.append(len(rows)) or plain(self, rows))
    table = forest_chart(model, X, ratio="HR", policy=POLICY).counts
    assert len(prepared) == 1
    assert len(table) == 40
    assert {"pnodes", "progrec"} <= set(table["预测因子"])
    with pytest.raises(DefinitionError, match="at most 30"):
        nomogram(model.equation((365.0,)), safe_spans(X, policy=POLICY))
