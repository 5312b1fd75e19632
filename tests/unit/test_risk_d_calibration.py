"""D-calibration against its definition, person by person."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2

from tests.lib.survival_data import draw
from workbench.errors import DataError
from workbench.risk.evaluation.d_calibration import d_calibration
from workbench.risk.survival.outcome import outcome


def by_hand(event, own, bins):
    """Haider et al. (2020), equation 7: who is censored at c counts with the share of [0, c] that lies in the bin."""
    counts = np.zeros(bins)
    for had, c in zip(event, own, strict=True):
        for k in range(bins):
            low, high = k / bins, (k + 1) / bins
            if had:
                counts[k] += low <= c < high or (c == 1 and k == bins - 1)
            elif c == 0:
                counts[k] += k == 0
            else:
                counts[k] += (c - low) / c if low <= c < high else (high - low) / c if c >= high else 0
    return counts


@pytest.mark.parametrize("bins", [4, 10])
def test_who_is_censored_counts_in_all_bins_below(bins):
    d = draw(200)
    own = np.random.default_rng(0).random(200)
    own[:4] = [0, 1, 0, 1]
    event = d.event.copy()
    event[:4] = [True, True, False, False]
    result = d_calibration(outcome(d.time, event), own, bins=bins)
    wanted = by_hand(event, own, bins)
    np.testing.assert_allclose(result.table["observed"], wanted)
    assert result.table["observed"].sum() == pytest.approx(200)
    statistic = ((wanted - 200 / bins) ** 2 / (200 / bins)).sum()
    assert (result.statistic, result.p) == (pytest.approx(statistic), pytest.approx(chi2.sf(statistic, bins - 1)))


def test_the_true_curves_pass_and_shifted_ones_do_not():
    d = draw(3000, seed=2)
    hazard = np.exp(d.X @ [0.5, -0.3, 0.2]) / 20
    y, times = outcome(d.time, d.event), np.linspace(0.5, 60, 240)
    right = np.exp(-np.outer(hazard, times))
    assert d_calibration(y, np.exp(-hazard * d.time)).p > 0.05
    assert d_calibration(y, right, times).p > 0.05
    assert d_calibration(y, right**1.5, times).p < 1e-6


def test_curves_are_interpolated_and_end_at_the_last_time():
    y = outcome([1.0, 3.0, 5.0, 9.0], [True, True, False, True])
    curves = np.tile([0.8, 0.4], (4, 1))
    whole = d_calibration(y, curves, [2.0, 6.0], bins=5).table["observed"]
    own = d_calibration(outcome([1, 3, 5, 9], [True, True, False, False]), [0.9, 0.7, 0.5, 0.4], bins=5).table["observed"]
    np.testing.assert_allclose(whole, own)


def test_what_cannot_be_tested_is_refused():
    y = outcome([1.0, 2.0], [True, False])
    with pytest.raises(DataError, match="nobody had the event"):
        d_calibration(outcome([1.0, 2.0], [False, False]), [0.5, 0.5])
    with pytest.raises(DataError, match="times must be greater than 0 and rise"):
        d_calibration(y, [[0.5, 0.5]] * 2, [2.0, 1.0])
    with pytest.raises(DataError, match="2 of 2 predictions are not within 0 and 1"):
        d_calibration(y, [1.5, 2.0])
    with pytest.raises(DataError, match=r"wanted \(2, 3\)"):
        d_calibration(y, [[0.5, 0.5]] * 2, [1.0, 2.0, 3.0])
