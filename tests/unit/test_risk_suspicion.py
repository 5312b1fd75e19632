"""Models that are better than honest ones."""

import warnings

import numpy as np
import pandas as pd
import pytest

from workbench.risk.models.catalogue import make_model
from workbench.risk.protocol.parts import ModelChoice
from workbench.risk.study.study import Study
from workbench.risk.study.suspicion import NothingLearntWarning, TooGoodWarning, warn_if_nothing_learnt, warn_if_too_good


def told(**values):
    return pd.DataFrame([{"model": "cox", "sample": sample, "measure": "harrell_c", "value": value} for sample, value in values.items()])


def test_only_rows_that_a_model_had_not_seen_count():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_too_good(told(apparent=0.99, cross_validation=0.95))
    with pytest.warns(TooGoodWarning, match=r"cox .*0\.980"):
        warn_if_too_good(told(cross_validation=0.95, holdout=0.98))


def test_two_columns_whose_difference_is_the_outcome_are_told(tmp_path):
    draw = np.random.default_rng(1)
    died, some = draw.uniform(size=300) < 0.4, draw.normal(0, 10, 300)
    table = pd.DataFrame({"编号": range(300), "甲": some.round(3), "乙": (some + 5 * died).round(3), "结局": died.astype(int)})
    table.to_csv(tmp_path / "table.csv", index=False)
    study = Study(
        title="试",
        tables={"patient": "编号"},
        outcome={"label": "死亡", "kind": "binary", "status": "结局"},
        predictors=[{"column": ["甲", "乙"]}],
        validation={"split": "none", "bootstrap": 0},
    )
    assert study.audit(tmp_path / "table.csv").refused == (), "no column gives it away"
    assert any("logistic" in line and "结局" in line for line in study.run(tmp_path / "table.csv", workers=1).warned)


def test_a_ridge_as_strong_as_can_be_is_told():
    draw = np.random.default_rng(0)
    X, signal = pd.DataFrame({"甲": draw.normal(size=400), "乙": draw.normal(size=400)}), draw.normal(size=400)
    nothing, something = (np.abs(draw.normal(size=400)) > 1.5, X["甲"] + signal > 0)
    made = {
        name: make_model(ModelChoice(name="logistic"), binary=True, causes=1).fit(X, np.asarray(truth))
        for name, truth in (("something", something), ("nothing", nothing))
    }
    assert made["nothing"][-1].alpha_ > made["something"][-1].alpha_
    with pytest.warns(NothingLearntWarning, match="nothing") as told_of:
        warn_if_nothing_learnt(made)
    assert len(told_of) == 1
