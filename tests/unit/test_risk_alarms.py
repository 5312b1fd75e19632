"""Alarm burden: a ward worked out by hand, silence, workloads, intervals, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from workbench.errors import DataError, DefinitionError
from workbench.risk.alarms.burden import alarm_burden, at_workload
from workbench.risk.survival.outcome import outcome

# Daily predictions. A dies at hour 60, B leaves at 72, C dies at 40; horizon 48 hours.
ROWS = pd.DataFrame({"person": list("AAABBBCC"), "landmark_hours": [0, 24, 48, 0, 24, 48, 0, 24]})
DAYS = np.array([60, 36, 12, 72, 48, 24, 40, 16]) / 24
Y = outcome(DAYS, np.array([1, 1, 1, 0, 0, 0, 1, 1], bool))
RISK = np.array([0.6, 0.7, 0.9, 0.6, 0.1, 0.6, 0.2, 0.3])
PLAIN = {"horizon_hours": 48, "resamples": 0}


def test_a_ward_by_hand():
    """Alarms at 0.5: A at 0 (60 h ahead: too early), 24 and 48 (true); B at 0 and 48; C none. Watched 60 + 72 + 40 hours."""
    row = alarm_burden(ROWS, Y, RISK, 0.5, **PLAIN).loc[(0.5, 0.0)]
    assert row["alarms"] == 5
    assert row["alarms_per_100_days"] == pytest.approx(5 / (172 / 24) * 100)
    assert row["ppv"] == pytest.approx(2 / 5)
    assert row["events"] == 2
    assert row["sensitivity"] == 1 / 2
    assert row["lead_hours"] == 36


def test_silence_by_hand():
    """After A's alarm at 0 there is none for 36 hours: 24 is silent, 48 is true with 12 hours to go; B's second is after 48."""
    table = alarm_burden(ROWS, Y, RISK, 0.5, silence_hours=36, **PLAIN)
    assert table.index.tolist() == [(0.5, 0.0), (0.5, 36.0)]
    row = table.loc[(0.5, 36.0)]
    assert (row["alarms"], row["ppv"], row["lead_hours"]) == (4, 1 / 4, 12)
    assert alarm_burden(ROWS, Y, RISK, 0.5, silence_hours=24, **PLAIN)["alarms"].tolist() == [5, 5]


def test_lead_time_is_of_each_person_s_first_true_alarm():
    row = alarm_burden(ROWS, Y, RISK, 0.2, **PLAIN).iloc[0]
    assert (row["lead_hours_q1"], row["lead_hours"], row["lead_hours_q3"]) == (36, 36, 40)


def test_the_order_of_rows_does_not_matter():
    order = np.random.default_rng(0).permutation(8)
    mixed = alarm_burden(ROWS.iloc[order].reset_index(drop=True), Y[order], RISK[order], [0.2, 0.5], silence_hours=36, **PLAIN)
    pd.testing.assert_frame_equal(mixed, alarm_burden(ROWS, Y, RISK, [0.2, 0.5], silence_hours=36, **PLAIN))


def test_binary_outcomes_have_no_lead_and_a_day_a_prediction():
    row = alarm_burden(ROWS, np.array([0, 1, 1, 0, 0, 0, 1, 1], bool), RISK, 0.5, resamples=0).iloc[0]
    assert row["alarms_per_100_days"] == pytest.approx(5 / 8 * 100)
    assert (row["ppv"], row["sensitivity"]) == (2 / 5, 1 / 2)
    assert np.isnan(row["lead_hours"])


def test_dates_serve_as_times():
    rows = pd.DataFrame(
        {"person": ROWS["person"], "predicted_at": pd.Timestamp("2020-01-01") + pd.to_timedelta(ROWS["landmark_hours"], "h")}
    )
    pd.testing.assert_frame_equal(alarm_burden(rows, Y, RISK, 0.5, **PLAIN), alarm_burden(ROWS, Y, RISK, 0.5, **PLAIN))


def test_another_cause_is_not_the_event():
    y = outcome(DAYS, np.array([1, 1, 1, 0, 0, 0, 2, 2]))
    assert alarm_burden(ROWS, y, RISK, 0.2, **PLAIN)["events"].tolist() == [1]


def test_a_gap_counts_as_watched_no_longer_than_a_prediction_stands():
    rows = ROWS.assign(landmark_hours=[0, 24, 480, 0, 24, 48, 0, 24])
    row = alarm_burden(rows, np.array([0, 1, 1, 0, 0, 0, 1, 1], bool), RISK, 0.5, resamples=0).iloc[0]
    assert row["alarms_per_100_days"] == pytest.approx(5 / 8 * 100)


def test_workload_is_the_lowest_threshold_within_it():
    """By falling threshold 1, 2, then 5 alarms in 172 hours."""
    table = at_workload(ROWS, Y, RISK, [1, 14, 30, 60, 1000], horizon_hours=48, resamples=0)
    assert table["threshold"].fillna(-1).tolist() == [-1, 0.9, 0.7, 0.7, 0.1]
    assert table["alarms"].tolist() == [0, 1, 2, 2, 8]
    assert table.loc[14, "ppv"] == 1
    assert np.isnan(table.loc[1, "ppv"])


def _ward(persons: int, seed: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    stay = rng.integers(1, 12, persons)
    rows = pd.DataFrame(
        {"person": np.repeat(np.arange(persons), stay), "landmark_hours": 24.0 * np.concatenate([np.arange(n) for n in stay])}
    )
    dies, end = rng.random(persons) < 0.3, 24.0 * stay
    left = (end[rows["person"]] - rows["landmark_hours"].to_numpy()) / 24
    y = outcome(left, dies[rows["person"]])
    return rows, y, np.clip(0.3 * dies[rows["person"]] - 0.02 * left + 0.15 * rng.normal(size=len(rows)) + 0.4, 0, 1)


def test_intervals_cover_and_are_repeatable():
    """The PPV of 40 wards of 150 patients against that of 4,000: covered by the 95 % intervals of most."""
    truth = alarm_burden(*_ward(4000, 0), 0.55, horizon_hours=48, resamples=0)["ppv"].iloc[0]
    tables = [alarm_burden(*_ward(150, seed), 0.55, horizon_hours=48, resamples=200).iloc[0] for seed in range(1, 41)]
    covered = sum(row["ppv_lower"] <= truth <= row["ppv_upper"] for row in tables)
    assert 34 <= covered <= 40
    again = alarm_burden(*_ward(150, 1), 0.55, horizon_hours=48, resamples=200).iloc[0]
    pd.testing.assert_series_equal(again, tables[0])


def test_samples_come_in_portions(monkeypatch):
    ward = _ward(100, 3)
    whole = alarm_burden(*ward, [0.5, 0.6], horizon_hours=48, resamples=50, silence_hours=48)
    monkeypatch.setattr("workbench.risk.alarms.burden._CELLS", 700)
    pd.testing.assert_frame_equal(alarm_burden(*ward, [0.5, 0.6], horizon_hours=48, resamples=50, silence_hours=48), whole)


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ({"y": np.zeros(8, bool), "horizon_hours": None}, DataError, "followed by the event"),
        ({"risk": np.full(8, np.nan)}, DataError, "missing"),
        ({"risk": np.where(np.arange(8) == 1, np.inf, 0.5)}, DataError, "missing"),
        ({"risk": RISK[:7]}, DataError, "7 predictions"),
        ({"rows": ROWS.assign(landmark_hours=0.0)}, DataError, "at the time of another"),
        ({"rows": ROWS[["person"]]}, DataError, "neither landmark_hours nor predicted_at"),
        ({"rows": ROWS.assign(person=list("ABCDEFGH"))}, DefinitionError, "every_hours"),
        ({"horizon_hours": None}, DefinitionError, "horizon_hours=None"),
        ({"y": Y["event"]}, DefinitionError, "no times"),
        ({"thresholds": []}, DefinitionError, "finite"),
        ({"thresholds": np.nan}, DefinitionError, "finite"),
        ({"silence_hours": -1}, DefinitionError, "silence_hours=-1"),
        ({"every_hours": 0.0}, DefinitionError, r"every_hours=0\.0"),
    ],
    ids=[
        "no event",
        "missing",
        "infinite",
        "lengths",
        "twice",
        "no time",
        "one each",
        "horizon",
        "binary",
        "none",
        "nan",
        "silence",
        "every",
    ],
)
def test_refuses(given, kind, message):
    with pytest.raises(kind, match=message):
        alarm_burden(**{"rows": ROWS, "y": Y, "risk": RISK, "thresholds": 0.5, "horizon_hours": 48} | given)


def test_refuses_a_workload_of_none():
    with pytest.raises(DefinitionError, match="workload"):
        at_workload(ROWS, Y, RISK, 0, horizon_hours=48)


def test_one_person_has_figures():
    row = alarm_burden(ROWS[:3], Y[:3], RISK[:3], 0.5, horizon_hours=48).iloc[0]
    assert (row["sensitivity"], row["sensitivity_lower"]) == (1, 1)


def test_a_silence_as_long_as_the_interval_silences_nothing_whatever_the_clock_says():
    """Differences of times are not exact: 24 h may be 23.99999999999."""
    start = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.random.default_rng(0).integers(0, 100_000_000, 300), unit="s")
    hours = np.tile(np.arange(0, 240, 24), 300)
    at = np.repeat(start, 10) + pd.to_timedelta(hours, unit="h")
    rows = pd.DataFrame({"person": np.repeat(np.arange(300), 10), "predicted_at": at})
    table = alarm_burden(rows, hours == 24, np.ones(3000), 0.5, silence_hours=24, resamples=0)
    assert table["alarms"].tolist() == [3000, 3000]
