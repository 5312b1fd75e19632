"""Stability of risks, and the learning curve."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.lib.risk_models import Cox, Logistic
from tests.lib.survival_data import draw
from workbench.disclosure import DisclosurePolicy
from workbench.errors import DataError, DefinitionError
from workbench.release.checks import Scope, check_file
from workbench.report import Report
from workbench.risk.interpretation.stability_chart import stability_chart
from workbench.risk.survival.outcome import outcome
from workbench.risk.validation.bootstrap import bootstrap
from workbench.risk.validation.learning_curve import learning_curve
from workbench.risk.validation.performance import Scoring
from workbench.risk.validation.stability import stability

pytestmark = pytest.mark.usefixtures("english")

AUROC = Scoring(measures=("auroc",))
POLICY = DisclosurePolicy(threshold=10, rounding=5)


def binary(n=300, p=8, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    return X, rng.random(n) < 1 / (1 + np.exp(1 - X[:, 0]))


@pytest.fixture(scope="module")
def found():
    X, y = binary()
    return y, bootstrap(Logistic(), X, y, scoring=AUROC, resamples=30, keep_risks=True, workers=1)


def test_no_figure_of_a_group_reads_as_a_count_of_its_persons(found):
    """A mean difference of 2.7% in a group of 110 would be 3 persons to a check, and to a reader."""
    y, boot = found
    told = stability(boot, y)._replace(by_risk=stability(boot, y).by_risk.assign(n=110, mape=0.027))
    chart = stability_chart(told, policy=POLICY)
    report = Report("t", [("x", "y")], policy=POLICY).add(chart)
    assert not check_file("report.html", report.html().encode(), scope=Scope(policy=POLICY))


def test_differences_are_counted_person_by_person(found):
    y, boot = found
    told = stability(boot, y, thresholds=[0.3])
    risk, risks = boot.risk[:, 0], boot.risks
    one = told.persons.iloc[7]
    assert one["mape"] == pytest.approx(np.mean(np.abs(risks[:, 7] - risk[7])), rel=1e-5)
    assert one[["lower", "upper"]].tolist() == pytest.approx(np.quantile(risks[:, 7], [0.025, 0.975]).tolist())
    assert told.mape == pytest.approx(np.abs(risks - risk).mean(), rel=1e-5)
    other = ((risks >= 0.3) != (risk >= 0.3)).mean(axis=0)
    assert told.classification.to_numpy().tolist() == [pytest.approx([0.3, other.mean(), (other > 0.1).mean()])]
    assert told.by_risk["n"].tolist() == [30] * 10
    assert (told.by_risk["n"] @ told.by_risk["mape"]) / 300 == pytest.approx(told.mape)
    assert told.calibration["curve"].nunique() == 30


def test_more_patients_make_risks_more_stable(found):
    y, boot = found
    X, more = binary(3000)
    large = bootstrap(Logistic(), X, more, scoring=AUROC, resamples=30, keep_risks=True, workers=1)
    assert stability(large, more).mape < 0.5 * stability(boot, y).mape


def test_models_that_are_all_alike_are_stable(found):
    y, boot = found
    same = replace(boot, risks=np.repeat(boot.risk.T.astype(np.float32), 5, axis=0))
    told = stability(same, y, thresholds=[0.2, 0.5])
    assert told.mape == 0
    assert (told.classification["unsettled"] == 0).all()


def test_a_model_whose_risks_are_all_equal_has_no_curve(found):
    y, boot = found
    flat = replace(boot, risks=np.full((3, len(y)), 0.3, np.float32))
    assert stability(flat, y).calibration.empty


def test_times_have_curves_at_the_last_horizon():
    d = draw(200)
    y = outcome(d.time, d.event)
    boot = bootstrap(Cox(), d.X, y, scoring=Scoring(times=(5, 12), measures=("harrell_c",)), resamples=5, keep_risks=True, workers=1)
    told = stability(boot, y, horizon=12, curves=3)
    assert told.calibration["curve"].nunique() == 3
    assert told.persons["risk"].tolist() == boot.risk[:, -1].tolist()


def test_wrong_input_is_refused(found):
    y, boot = found
    with pytest.raises(DataError, match="kept no risks"):
        stability(replace(boot, risks=None), y)
    with pytest.raises(DataError, match="10 outcomes for the risks of 300 rows"):
        stability(boot, y[:10])
    with pytest.raises(DefinitionError, match="thresholds"):
        stability(boot, y, thresholds=[1.0])


def test_the_learning_curve_rises_on_persons_that_no_model_knew():
    X, y = binary(600, p=20)
    table = learning_curve(Logistic(), X, y, scoring=AUROC, shares=(0.1, 0.4, 1.0), repeats=2, workers=1)
    assert table["persons"].tolist() == [48, 192, 480]
    assert table["mean"].is_monotonic_increasing
    assert (table["least"] < table["mean"]).all()
    assert table["fits"].tolist() == [10, 10, 10]


class Memory(Logistic):
    def fit(self, X, y):
        self.seen_ = set(X[:, 0])
        return self

    def predict_risk(self, X, times=None):
        assert not self.seen_ & set(X[:, 0])
        return np.full((len(X), 1), 0.5)


def test_persons_stay_together():
    y = binary(300)[1]
    persons = np.arange(300) // 3
    table = learning_curve(Memory(), persons[:, None], y, scoring=AUROC, persons=persons, shares=(0.5, 1.0), workers=1)
    assert (table["note"] == "").all()
    with pytest.raises(DataError, match="no model could be fitted"):
        learning_curve(Memory(), persons[:, None], y, scoring=AUROC, shares=(1.0,), workers=1)


def test_parts_that_are_too_small_are_told():
    d = draw(120)
    y, scoring = outcome(d.time, d.event), Scoring(times=(8,), measures=("harrell_c",))
    table = learning_curve(Cox(), d.X, y, scoring=scoring, shares=(0.04, 1.0), workers=1)
    assert "fits failed" in table["note"].iloc[0]
    assert table["note"].iloc[-1] == ""
    assert table["fits"].iloc[-1] == 5


@pytest.mark.parametrize("shares", [(), (0,), (0.5, 0.4), (0.5, 1.1)])
def test_shares_that_cannot_be_are_refused(shares):
    with pytest.raises(DefinitionError, match="shares"):
        learning_curve(Logistic(), *binary(), scoring=AUROC, shares=shares)
