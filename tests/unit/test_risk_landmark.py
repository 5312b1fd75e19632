"""Landmark models: stacking, weights, and standard errors by person against other implementations."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from tests.lib.survival_data import draw
from workbench.errors import DataError, DefinitionError
from workbench.risk.extraction.dataset import CohortRows, Features, StudyData
from workbench.risk.models.catalogue import make_model
from workbench.risk.models.landmark import clustered, person_weights, stacked
from workbench.risk.protocol.parts import ModelChoice
from workbench.risk.protocol.protocol import Protocol
from workbench.risk.survival.cox import CoxRegression
from workbench.risk.survival.outcome import outcome

DRAWN = draw(400)
X = pd.DataFrame(DRAWN.X, columns=["a", "b", "c"])
PERSON = np.repeat(np.arange(100), 4)


def _data(y, **rows) -> StudyData:
    protocol = Protocol(title="t", tables={"patient": "p"}, outcome={"label": "o", "status": "s"}, predictors=[{"column": "a"}])
    table = pd.DataFrame({"person": PERSON, "index_at": pd.NaT, "predicted_at": pd.NaT} | rows)
    return StudyData(protocol, CohortRows(table, y, ("o",), ()), Features(X, (), pd.DataFrame({"feature": list(X)})), "x")


def test_stacking_adds_the_landmark_and_ends_follow_up():
    hours = np.tile([0.0, 24, 48, 72], 100)
    cause = np.where(DRAWN.event, 1 + np.arange(400) % 2, 0)
    data = stacked(_data(outcome(DRAWN.time, cause), landmark_hours=hours), horizon_days=5.0)
    assert data.X["landmark_hours"].tolist() == hours.tolist()
    assert data.features.columns[-1].name == data.features.provenance["feature"].iloc[-1] == "landmark_hours"
    assert data.y["time"].max() == 5
    early = DRAWN.time <= 5
    np.testing.assert_array_equal(data.y["event"], np.where(early, cause, 0))
    binary = stacked(_data(DRAWN.event, landmark_hours=hours))
    np.testing.assert_array_equal(binary.y, DRAWN.event)


def test_stacking_refuses_what_it_cannot():
    with pytest.raises(DataError, match="no landmarks"):
        stacked(_data(DRAWN.event))
    with pytest.raises(DefinitionError, match="horizon_days=None"):
        stacked(_data(outcome(DRAWN.time, DRAWN.event), landmark_hours=0.0))


def test_persons_count_alike():
    weight = person_weights(["a", "b", "b", "b", "a", "c"])
    totals = pd.Series(weight).groupby(list("abbbac")).sum()
    np.testing.assert_allclose(totals, 2)


@pytest.mark.parametrize("weighted", [False, True])
def test_errors_by_person_are_those_of_cox_regression(weighted):
    y, weight = outcome(DRAWN.time, DRAWN.event), DRAWN.weight if weighted else None
    model = make_model(ModelChoice(name="cox"), binary=False, causes=1).fit(X, y, model__sample_weight=weight)
    expected = CoxRegression().fit(X, y, cluster=PERSON, sample_weight=weight)
    robust = clustered(model, X, y, PERSON, sample_weight=weight)
    np.testing.assert_allclose(robust[-1].covariance_, expected.covariance_, rtol=1e-6)
    assert not np.allclose(robust[-1].covariance_, model[-1].covariance_)
    errors = [term.std_error for term in robust.equation([5.0]).terms]
    np.testing.assert_allclose(errors, np.sqrt(np.diag(expected.covariance_)), rtol=1e-6)


def test_errors_by_person_are_statsmodels():
    y = DRAWN.event
    model = make_model(ModelChoice(name="logistic", parameters={"alpha": 0.0}), binary=True, causes=1).fit(X, y)
    groups = {"groups": PERSON, "use_correction": False}
    expected = sm.GLM(y.astype(float), sm.add_constant(X), family=sm.families.Binomial()).fit(cov_type="cluster", cov_kwds=groups)
    np.testing.assert_allclose(clustered(model, X, y, PERSON)[-1].covariance_, expected.cov_params(), rtol=1e-5)


def test_trees_have_no_errors():
    model = make_model(ModelChoice(name="lightgbm", parameters={"members": 2}), binary=True, causes=1).fit(X, DRAWN.event)
    with pytest.raises(DefinitionError, match="BoostedTrees"):
        clustered(model, X, DRAWN.event, PERSON)
