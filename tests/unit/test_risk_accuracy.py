"""AUC and Brier score at horizons against scikit-survival 0.28.0, and against sums over persons and pairs.

The expected figures are those of ``sksurv.metrics.cumulative_dynamic_auc``, ``brier_score`` and
``integrated_brier_score``, run on the same draws.
"""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from tests.lib.survival_data import draw
from workbench.errors import DataError
from workbench.risk.evaluation.accuracy import brier, dynamic_auc, integrated_brier
from workbench.risk.survival.curves import censoring_survival, cumulative_incidence
from workbench.risk.survival.outcome import outcome

TIMES = np.array([3.0, 8.0, 15.0, 25.0])
PEER = {
    0: (
        [0.700557392987, 0.72566700819, 0.766453885729, 0.728265476214],
        [0.114491304725, 0.186518720382, 0.205597838396, 0.202085486739, 0.1892431656440836],
    ),
    1: (
        [0.700467796128, 0.725685430819, 0.766216909322, 0.728582021012],
        [0.11238182893, 0.18386709831, 0.19695806141, 0.207071456725, 0.1860753621724343],
    ),
}


def predicted(X: np.ndarray, times=TIMES) -> np.ndarray:
    return 1 - np.exp(-np.outer(np.exp(X @ [0.4, -0.2, 0.3]), np.asarray(times) / 20))


@pytest.mark.parametrize("trained_on", [0, 1])
def test_it_agrees_with_scikit_survival(trained_on):
    d, t = draw(300), draw(500, seed=1) if trained_on else draw(300)
    y, train = outcome(d.time, d.event), outcome(t.time, t.event) if trained_on else None
    score = np.round(d.X @ [0.4, -0.2, 0.3], 1)
    auc, errors = PEER[trained_on]
    np.testing.assert_allclose(dynamic_auc(y, score, TIMES, train=train), auc, atol=1e-11)
    np.testing.assert_allclose(brier(y, predicted(d.X), TIMES, train=train)["brier"], errors[:4], atol=1e-11)
    assert integrated_brier(y, predicted(d.X), TIMES, train=train).brier == pytest.approx(errors[4], abs=1e-11)


def by_hand(d, cause, risk, horizon):
    """Sum over persons and pairs, with ties between events, censorings and the horizon."""
    n = len(d.time)
    left = censoring_survival(outcome(d.time, cause), np.minimum(d.time, horizon))
    known = [cause[i] > 0 or d.time[i] >= horizon for i in range(n)]
    case = [known[i] and d.time[i] <= horizon and cause[i] == 2 for i in range(n)]
    share = cumulative_incidence(outcome(d.time, cause), cause=2)["incidence"].loc[:horizon].iloc[-1]
    error = sum((case[i] - risk[i]) ** 2 / left[i] for i in range(n) if known[i]) / n
    null = sum((case[i] - share) ** 2 / left[i] for i in range(n) if known[i]) / n
    better = pairs = 0.0
    for i in np.flatnonzero(case):
        for j in range(n):
            if known[j] and not case[j]:
                better += ((risk[i] > risk[j]) + 0.5 * (risk[i] == risk[j])) / left[i] / left[j]
                pairs += 1 / left[i] / left[j]
    return error, null, better / pairs


def test_competing_risks_and_ties_are_as_summed_by_hand():
    d = draw(120, whole_days=True)
    cause = np.where(d.event, 1 + d.stratum % 2, 0)
    y, times = outcome(d.time, cause), [4.0, 9.0, 14.0]
    assert ((d.time == 9) & ~d.event).any()
    risk = np.round(predicted(d.X, times) / 2, 2)
    table, auc = brier(y, risk, times, cause=2), dynamic_auc(y, risk, times, cause=2)
    for column, horizon in enumerate(times):
        error, null, pairs = by_hand(d, cause, risk[:, column], horizon)
        assert table.loc[horizon].tolist() == pytest.approx([error, null, 1 - error / null])
        assert auc[horizon] == pytest.approx(pairs)


def test_a_study_that_ends_at_the_horizon_is_a_study_without_censoring():
    d = draw(200)
    died = d.time <= 10
    y = outcome(np.minimum(d.time, 10), died)
    risk = predicted(d.X, [10])
    assert brier(y, risk, 10).loc[10, "brier"] == pytest.approx(brier_score_loss(died, risk[:, 0]))
    assert brier(y, risk, 10).loc[10, "null"] == pytest.approx(died.mean() * (1 - died.mean()))
    assert dynamic_auc(y, risk, 10)[10] == pytest.approx(roc_auc_score(died, risk[:, 0]))


def test_the_null_model_has_a_scaled_score_of_0_and_perfect_predictions_of_1():
    d = draw(200)
    y = outcome(np.minimum(d.time, 20), d.time <= 20)
    share = np.tile([(d.time <= t).mean() for t in TIMES[:3]], (200, 1))
    assert brier(y, share, TIMES[:3])["scaled"].tolist() == pytest.approx([0, 0, 0], abs=1e-12)
    assert integrated_brier(y, share, TIMES[:3]).scaled == pytest.approx(0, abs=1e-12)
    assert brier(y, (d.time[:, None] <= TIMES[:3]).astype(float), TIMES[:3])["scaled"].tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"times": [0.001]}, "nobody had the event"),
        ({"times": [1e4]}, "nobody was followed up to the horizon"),
        ({"times": [5.0, 5.0]}, "rise"),
        ({"times": [-1.0]}, "greater than 0"),
        ({"times": [np.nan]}, "finite"),
        ({"cause": 3}, "cause 3"),
        ({"risk": np.full(50, 1.2)}, "50 of 50 predictions are not within 0 and 1"),
        ({"risk": np.full(49, 0.2)}, r"shape \(49,\), wanted \(50, 1\)"),
        ({"risk": np.r_[np.nan, np.full(49, 0.2)]}, "1 of 50 predictions are missing"),
        ({"train": outcome([1.0, 2.0], [False, True])}, None),
        ({"train": outcome([1.0, 2.0], [True, False])}, "everybody is censored before the horizon"),
    ],
)
def test_predictions_that_cannot_be_evaluated_are_refused(change, found):
    d = draw(50)
    given = {"y": outcome(d.time, d.event), "risk": np.full(50, 0.2), "times": [5.0]} | change
    if found is None:
        assert 0 < brier(**given).loc[5, "brier"] < 1
        return
    with pytest.raises(DataError, match=found):
        brier(**given)


def test_what_else_is_refused():
    d = draw(50)
    with pytest.raises(DataError, match="entered after time 0"):
        brier(outcome(d.time, d.event, entry=d.entry), np.full(50, 0.2), 5)
    with pytest.raises(DataError, match="all who are known at the horizon 3"):
        dynamic_auc(outcome([1.0, 2.0, 3.0], [True, True, True]), [1, 2, 3], 3)
    with pytest.raises(DataError, match="1 of 50 risks are missing or infinite"):
        dynamic_auc(outcome(d.time, d.event), np.r_[np.inf, np.zeros(49)], 5)
    with pytest.raises(DataError, match="risks of shape"):
        dynamic_auc(outcome(d.time, d.event), np.zeros((50, 2)), [5, 6, 7])
    with pytest.raises(DataError, match="two horizons"):
        integrated_brier(outcome(d.time, d.event), np.full(50, 0.2), 5)
