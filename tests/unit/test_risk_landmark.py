"""Landmark models: stacking, and standard errors by person against other implementations."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from sklearn.base import clone

from tests.lib.survival_data import draw
from workbench.errors import DataError, DefinitionError
from workbench.risk.extraction.dataset import CohortRows, Features, StudyData
from workbench.risk.models.catalogue import make_model
from workbench.risk.models.competing import FineGray
from workbench.risk.models.landmark import stacked
from workbench.risk.models.linear import CoxModel, LogisticModel
from workbench.risk.models.multiple import MultiplyImputed
from workbench.risk.protocol.parts import ModelChoice
from workbench.risk.protocol.protocol import Protocol
from workbench.risk.survival.cox import CoxRegression
from workbench.risk.survival.outcome import outcome
from workbench.risk.validation.fitting import fitted

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


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 1e-9], ids=["no ridge", "ridge"])
def test_errors_by_person_are_those_of_cox_regression(weighted, alpha):
    y, weight = outcome(DRAWN.time, DRAWN.event), DRAWN.weight if weighted else None
    model = make_model(ModelChoice(name="cox", parameters={"alpha": alpha}), binary=False, causes=1)
    naive, robust = (clone(model).fit(X, y, sample_weight=weight, groups=groups) for groups in (np.arange(400), PERSON))
    expected = CoxRegression().fit(X, y, cluster=PERSON, sample_weight=weight)
    np.testing.assert_allclose(robust[-1].covariance_, expected.covariance_, rtol=1e-6)
    assert not np.allclose(robust[-1].covariance_, naive[-1].covariance_)
    np.testing.assert_array_equal(robust[-1].coef_, naive[-1].coef_)
    errors = [term.std_error for term in robust.equation([5.0]).terms]
    np.testing.assert_allclose(errors, np.sqrt(np.diag(expected.covariance_)), rtol=1e-6)


def test_errors_by_person_are_statsmodels():
    y = DRAWN.event
    model = make_model(ModelChoice(name="logistic", parameters={"alpha": 0.0}), binary=True, causes=1).fit(X, y, groups=PERSON)
    groups = {"groups": PERSON, "use_correction": False}
    expected = sm.GLM(y.astype(float), sm.add_constant(X), family=sm.families.Binomial()).fit(cov_type="cluster", cov_kwds=groups)
    np.testing.assert_allclose(model[-1].covariance_, expected.cov_params(), rtol=1e-5)


CAUSE = outcome(DRAWN.time, np.where(DRAWN.event, 1 + (np.arange(400) % 3 == 0), 0))


@pytest.mark.parametrize(
    ("model", "y", "expected"),
    [
        (CoxModel(ties="breslow"), outcome(DRAWN.time, DRAWN.event), CoxRegression(ties="breslow", robust=True)),
        (FineGray(), CAUSE, FineGray()),
    ],
    ids=["cox", "fine_gray"],
)
def test_rows_that_stand_twice_tell_nothing_new(model, y, expected):
    """Errors by person of rows that stand twice are the robust ones by row of the rows themselves."""
    twice = np.tile(np.arange(400), 2)
    doubled = model.fit(X.iloc[twice], y[twice], groups=twice).covariance_
    np.testing.assert_allclose(doubled, expected.fit(X, y).covariance_, rtol=1e-6)


def test_errors_by_person_reach_several_completions():
    gappy = X.mask(np.random.default_rng(0).random(X.shape) < 0.2)
    made = make_model(ModelChoice(name="logistic"), binary=True, causes=1, imputation="multiple")
    whole = MultiplyImputed(made, imputations=2)
    by_row, by_person = (fitted(whole, gappy, DRAWN.event, groups=groups) for groups in (None, PERSON))
    np.testing.assert_array_equal(by_person.table_["estimate"], by_row.table_["estimate"])
    own = by_person.copies_[0]
    columns = clone(own[:-1]).fit_transform(gappy, DRAWN.event)
    alone = LogisticModel(alpha=own[-1].alpha_).fit(columns, DRAWN.event, groups=PERSON)
    np.testing.assert_allclose(own[-1].covariance_, alone.covariance_, rtol=1e-6)
    assert not np.allclose(by_person.table_["standard_error"], by_row.table_["standard_error"])
