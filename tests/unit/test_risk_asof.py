"""The as-of join against a plain reading of its rule: a record counts where it was available before the prediction, and not too long."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import DataError, DefinitionError
from workbench.risk.extraction.asof import PICKS, collect, end_of_day

NOON = pd.Timestamp("2024-03-01 12:00")
WANTED = ["feature", "item", "pick", "look_back_hours", "gap_hours"]


def hours(before):
    return NOON - pd.Timedelta(hours=before)


def frame(records):
    return pd.DataFrame(records, columns=["person", "item", "time", "value"]).astype({"value": float, "person": "int64", "item": str})


def ask(records, *wanted, rows=((0, 1, NOON),)):
    rows = pd.DataFrame(rows, columns=["row", "person", "predicted_at"])
    found = collect(rows, frame(records), pd.DataFrame(wanted, columns=WANTED))
    return found.set_index(["row", "feature"])


def slope(seen):
    if len({time for time, _ in seen}) < 2:
        return math.nan
    days = [(time - NOON) / pd.Timedelta(days=1) for time, _ in seen]
    day, value = np.mean(days), np.mean([value for _, value in seen])
    return sum((d - day) * (v - value) for d, (_, v) in zip(days, seen, strict=True)) / sum((d - day) ** 2 for d in days)


REFERENCE = {
    "last": lambda seen: max(seen)[1],
    "first": lambda seen: max((value for time, value in seen if time == min(seen)[0])),
    "min": lambda seen: min(value for _, value in seen),
    "max": lambda seen: max(value for _, value in seen),
    "mean": lambda seen: np.mean([value for _, value in seen]),
    "slope": slope,
    "count": len,
    "any": lambda _: 1.0,
}


def reference(rows, records, wanted):
    """Say what each row knew, record by record."""
    found = {}
    for row, person, at in rows:
        for feature, item, pick, back, gap in wanted:
            earliest = None if back is None else at - pd.Timedelta(hours=back)
            seen = [
                (time, value)
                for whose, what, time, value in records
                if (whose, what) == (person, item)
                and time < at - pd.Timedelta(hours=gap)
                and (earliest is None or time >= earliest)
                and (pick in ("count", "any") or not math.isnan(value))
            ]
            if seen:
                nearest = min((at - time) / pd.Timedelta(hours=1) for time, _ in seen)
                found[row, feature] = (REFERENCE[pick](seen), len(seen), nearest)
    return found


offsets = st.integers(-6, 40).map(lambda half: hours(half / 2))
values = st.sampled_from([math.nan, -3.5, 0.0, 0.1, 0.2, 0.3, 7.0, 1e6])
some_records = st.lists(st.tuples(st.integers(1, 3), st.sampled_from("ab"), offsets, values), max_size=40)
some_rows = st.lists(st.tuples(st.integers(1, 3), offsets), min_size=1, max_size=6).map(
    lambda rows: [(number, person, at) for number, (person, at) in enumerate(rows)]
)
windows = st.tuples(
    st.sampled_from("abc"), st.sampled_from(PICKS), st.sampled_from([None, 0.5, 4.0, 24.0]), st.sampled_from([0.0, 0.5, 3.0])
)
EACH = [("a", pick, None, 0.0) for pick in PICKS]  # every pick always, so that one statement is compiled
some_wanted = st.lists(windows, max_size=8).map(lambda asked: [(f"f{at}", *one) for at, one in enumerate([*asked, *EACH])])


@settings(max_examples=30, deadline=None)
@given(some_rows, some_records, some_wanted, st.randoms())
def test_it_finds_what_a_plain_reading_finds_in_any_order(rows, records, wanted, random):
    found = ask(records, *wanted, rows=rows)
    expected = reference(rows, records, wanted)
    assert set(found.index) == set(expected)
    for place, (value, count, nearest) in expected.items():
        row = found.loc[place]
        assert row["value"] == pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True), place
        assert (row["records"], row["nearest_hours"]) == (count, pytest.approx(nearest))
    shuffled = random.sample(records, len(records))  # must not move a single bit
    pd.testing.assert_frame_equal(ask(shuffled, *wanted, rows=rows), found, check_exact=True)


def test_neither_the_moment_of_the_prediction_nor_that_of_the_gap_counts_but_that_of_the_look_back_does():
    records = [(1, "a", hours(h), h) for h in (0, 1, 2, 3)]
    found = ask(records, ("x", "a", "last", None, 0.0), ("gap", "a", "last", None, 1.0), ("back", "a", "first", 2.0, 0.0))
    assert found["value"].to_dict() == {(0, "x"): 1.0, (0, "gap"): 2.0, (0, "back"): 2.0}
    assert ask([(1, "a", NOON, 5.0)], ("x", "a", "last", None, 0.0)).empty


def test_of_equal_times_the_greatest_value_counts():
    records = [(1, "a", hours(2), value) for value in (3.0, 9.0, 4.0)]
    found = ask(records, ("last", "a", "last", None, 0.0), ("first", "a", "first", None, 0.0), ("slope", "a", "slope", None, 0.0))
    assert found["value"].to_dict() == {(0, "last"): 9.0, (0, "first"): 9.0, (0, "slope"): pytest.approx(math.nan, nan_ok=True)}


def test_a_slope_keeps_its_digits_far_from_the_prediction():
    start = 24.0 * 3650
    records = [(1, "a", hours(start - minute / 60), 100 + 2 * minute) for minute in range(4)]
    found = ask(records, ("x", "a", "slope", None, 0.0))
    assert found["value"].item() == pytest.approx(2 * 60 * 24, rel=1e-9)


def test_the_order_of_the_records_moves_no_bit():
    random = np.random.default_rng(3)
    records = [(1, "a", hours(float(h)), value) for h, value in zip(random.uniform(1, 999, 400), random.lognormal(0, 9, 400), strict=True)]
    wanted = [(pick, "a", pick, None, 0.0) for pick in PICKS]
    found = ask(records, *wanted)
    for order in (records[::-1], sorted(records, key=lambda record: record[3])):
        pd.testing.assert_frame_equal(ask(order, *wanted), found, check_exact=True)


def test_a_feature_may_have_several_items_and_a_person_several_rows():
    records = [(1, "a", hours(30), 1.0), (1, "b", hours(3), 2.0), (2, "a", hours(3), 9.0)]
    rows = [(0, 1, NOON), (1, 1, hours(20)), (2, 2, NOON)]
    found = ask(records, ("x", "a", "count", None, 0.0), ("x", "b", "count", None, 0.0), rows=rows)
    assert found["value"].to_dict() == {(0, "x"): 2.0, (1, "x"): 1.0, (2, "x"): 1.0}


def test_the_end_of_a_day_comes_before_the_next():
    day = pd.Series([pd.Timestamp("2024-02-28"), pd.Timestamp("2024-12-31 10:00")])
    assert end_of_day(day).tolist() == [pd.Timestamp("2024-02-28 23:59:59.999999"), pd.Timestamp("2024-12-31 23:59:59.999999")]


def test_what_it_cannot_answer_is_refused():
    with pytest.raises(DefinitionError, match="median"):
        ask([], ("x", "a", "median", None, 0.0))
    with pytest.raises(DataError, match="time"):
        collect(pd.DataFrame({"row": [0], "person": [1], "predicted_at": [NOON]}), pd.DataFrame({"person": [1], "item": ["a"]}),
                pd.DataFrame([("x", "a", "last", None, 0.0)], columns=WANTED))  # fmt: skip
    with pytest.raises(DataError, match="do not fit"):
        ask([(1, "a", "soon", 1.0)], ("x", "a", "last", None, 0.0))
