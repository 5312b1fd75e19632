"""Decisions at a threshold, counted one by one; Wilson's interval as published."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix

from workbench.errors import DataError, DefinitionError
from workbench.risk.evaluation.classification import at_thresholds, binary_accuracy

RISK = np.round(np.random.default_rng(0).random(300), 2)
TRUTH = np.random.default_rng(1).random(300) < RISK


@pytest.mark.parametrize("threshold", [0.0, 0.25, 0.5, 0.99, 1.0])
def test_counts_and_intervals_are_those_of_scikit_learn_and_scipy(threshold):
    row = at_thresholds(TRUTH, RISK, [threshold]).loc[threshold]
    tn, fp, fn, tp = confusion_matrix(TRUTH, threshold <= RISK).ravel()
    assert row[["true_negative", "false_positive", "false_negative", "true_positive"]].tolist() == [tn, fp, fn, tp]
    for name, hits, n in (("sensitivity", tp, tp + fn), ("specificity", tn, tn + fp), ("ppv", tp, tp + fp), ("npv", tn, tn + fn)):
        if not n:
            assert np.isnan(row[[name, f"{name}_lower", f"{name}_upper"]].astype(float)).all()
            continue
        bounds = binomtest(int(hits), int(n)).proportion_ci(method="wilson")
        assert row[[name, f"{name}_lower", f"{name}_upper"]].tolist() == pytest.approx([hits / n, *bounds], abs=1e-12)


def test_accuracy_of_a_few_persons_by_hand():
    found = binary_accuracy([1, 0, 1, 0], [0.9, 0.6, 0.6, 0.1])
    assert found.auroc == 3.5 / 4
    assert found.auprc == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert found.brier == pytest.approx((0.01 + 0.36 + 0.16 + 0.01) / 4)
    assert found.scaled_brier == pytest.approx(1 - found.brier / 0.25)


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(DataError, match="the same outcome"):
        binary_accuracy([1, 1], [0.1, 0.2])
    with pytest.raises(DataError, match="not within"):
        binary_accuracy([1, 0], [0.1, 2])
    with pytest.raises(DefinitionError, match="0 to 1"):
        at_thresholds([1, 0], [0.1, 0.2], [1.5])
    with pytest.raises(DataError, match="other than 0 and 1"):
        at_thresholds(["yes", "no"], [0.1, 0.2], [0.5])
