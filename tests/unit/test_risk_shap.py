"""SHAP values: sums are outputs, an equation's by hand, interactions by Shapley's formula."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from tests.lib.survival_data import draw
from workbench.errors import DefinitionError
from workbench.risk.interpretation.shap_chart import _levels
from workbench.risk.models.catalogue import make_model
from workbench.risk.models.equation import Equation, Factor, Term
from workbench.risk.models.shap import _of_equation, shap_values
from workbench.risk.protocol.parts import ModelChoice
from workbench.risk.survival.outcome import outcome

DRAWN = draw(300)
X = pd.DataFrame(DRAWN.X, columns=["a", "b", "c"]).assign(ward=np.where(DRAWN.stratum > 1, "ICU", "general"))
X.loc[::7, "b"] = np.nan
TIMES, SICK = outcome(DRAWN.time, DRAWN.event), DRAWN.event
QUICK = {"hazard_net": {"members": 2, "hidden": (8,), "max_epochs": 10}, "lightgbm": {"members": 2}}


def _made(name: str, *, binary: bool):
    y = (X["a"].to_numpy() + DRAWN.X[:, 1] + np.random.default_rng(0).normal(size=300) > 0) if binary else TIMES
    return make_model(ModelChoice(name=name, parameters=QUICK.get(name, {})), binary=binary, causes=1).fit(X, y)


@pytest.mark.parametrize("name", ["logistic", "spline_logistic", "lightgbm", "hazard_net"])
def test_sums_are_the_log_odds(name):
    model = _made(name, binary=True)
    found = shap_values(model, X.iloc[:40], background=X)
    assert found.features == ("a", "b", "c", "ward")
    assert found.scale == "log odds"
    np.testing.assert_allclose(found.values.sum(axis=1) + found.base, logit(model.predict_risk(X.iloc[:40])[:, 0]), atol=1e-6)
    assert np.abs(found.values[:, 0]).mean() > np.abs(found.values[:, 2]).mean()


def test_gaps_that_are_drawn_are_explained_as_drawn():
    given = X.assign(ward=np.where(np.arange(300) % 50 == 0, "A", np.where(np.arange(300) % 50 == 1, "B", X["ward"])))
    choice = ModelChoice(name="spline_logistic", parameters={"rare": 8})
    model = make_model(choice, binary=True, causes=1, imputation="multiple").fit(given, SICK)
    found, whole = shap_values(model, given), given["b"].notna().to_numpy()
    assert np.isfinite(found.values).all()
    total = found.values.sum(axis=1) + found.base
    np.testing.assert_allclose(total[whole], logit(model.predict_risk(given)[whole, 0]), atol=1e-9)


@pytest.mark.parametrize("name", ["cox", "spline_cox", "lightgbm"])
def test_sums_order_risks(name):
    model = _made(name, binary=False)
    found = shap_values(model, X.iloc[:40], background=X)
    total = found.values.sum(axis=1) + found.base
    risk = np.log(-np.log1p(-model.predict_risk(X.iloc[:40], [10.0])[:, 0]))
    assert found.scale == "log hazard"
    np.testing.assert_allclose(total - total.mean(), risk - risk.mean(), atol=1e-6)


def test_sums_are_the_log_cumulative_hazard_of_the_net():
    model = _made("hazard_net", binary=False)
    found = shap_values(model, X.iloc[:20], background=X, horizon_days=10.0)
    risk = model.predict_risk(X.iloc[:20], [10.0])[:, 0]
    np.testing.assert_allclose(found.values.sum(axis=1) + found.base, np.log(-np.log1p(-risk)), atol=1e-6)
    with pytest.raises(DefinitionError, match="horizon"):
        shap_values(model, X)


def test_the_same_each_time_and_the_global_generator_untouched():
    model = _made("hazard_net", binary=True)
    np.random.seed(3)
    first, state = shap_values(model, X.iloc[:5], seed=1), np.random.random()
    np.random.seed(3)
    assert np.random.random() == state
    np.testing.assert_array_equal(shap_values(model, X.iloc[:5], seed=1).values, first.values)


def test_an_equation_by_hand():
    """2 a - b: against the means 1 and 3 the row (2, 7) has 2 (2 - 1) and -(7 - 3)."""
    equation = Equation("e", (Term((Factor("a"),), 2.0), Term((Factor("b"),), -1.0)), "logistic", intercept=0.5)
    found = _of_equation(equation, pd.DataFrame({"a": [2.0], "b": [7.0]}), pd.DataFrame({"a": [0.0, 2.0], "b": [2.0, 4.0]}))
    assert found.values.tolist() == [[2, -4]]
    assert found.base == 0.5 + 2 - 3


def test_an_interaction_is_shared():
    """a b at (3, 5) against (1, 2): a alone adds 2 * 2, after b 2 * 5: 7 on average; b 3 * 1 or 3 * 3: 6."""
    equation = Equation("e", (Term((Factor("a"), Factor("b")), 1.0),), "logistic")
    found = _of_equation(equation, pd.DataFrame({"a": [3.0], "b": [5.0]}), pd.DataFrame({"a": [1.0], "b": [2.0]}))
    assert found.values.tolist() == [[7, 6]]
    assert found.base == 2


def test_what_does_not_matter_has_none():
    equation = Equation("e", (Term((Factor("a"),), 2.0), Term((Factor("b"),), 0.0)), "logistic")
    found = _of_equation(equation, X[["a"]].assign(b=1.0), X[["a"]].assign(b=2.0))
    np.testing.assert_array_equal(found.values[:, 1], 0)


def test_words_that_cleaning_writes_are_shown_in_the_language_in_force():
    assert _levels(pd.Series(["male", "female", "II"], dtype="category"))[1] == ["II", "女", "男"]
