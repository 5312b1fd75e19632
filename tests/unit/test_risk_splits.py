"""Persons are never on two sides, whatever parts them; what cannot be parted is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.errors import DataError, DefinitionError
from workbench.risk.protocol.parts import Validation
from workbench.risk.survival.outcome import outcome
from workbench.risk.validation.splits import FoldsWarning, HoldOutShareWarning, hold_out, home_sites, person_folds

pytestmark = pytest.mark.usefixtures("english")


def study(n=300, seed=0, **columns):
    """Rows of persons that come once to five times, at two hospitals or more, in the order of nothing."""
    rng = np.random.default_rng(seed)
    person = rng.integers(0, n // 2, n)
    rows = pd.DataFrame({"person": person, "index_at": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n), unit="D")})
    rows["care_site"] = np.array(["甲", "乙", "丙", "丁"])[np.minimum(rng.geometric(0.5, n) - 1, 3)]
    return rows.assign(**columns), rng.random(n) < 0.2


@pytest.mark.parametrize("timed", [False, True])
def test_folds_hold_whole_persons_and_as_many_events(timed):
    rows, y = study()
    given = outcome(np.ones(300), np.where(y, 1, 2 * (np.arange(300) % 2))) if timed else y
    fold = person_folds(rows["person"], given, folds=5, seed=1)
    assert (rows.assign(fold=fold).groupby("person")["fold"].nunique() == 1).all()
    had = rows.assign(fold=fold, y=y).groupby("person").agg({"fold": "first", "y": "any"})
    assert np.ptp(had.groupby("fold")["y"].sum()) <= 1
    assert np.ptp(had.groupby("fold").size()) <= 2
    assert (fold == person_folds(rows["person"], given, folds=5, seed=1)).all()
    assert (fold != person_folds(rows["person"], given, folds=5, seed=2)).any()


def test_too_few_events_make_fewer_folds_or_none():
    y = np.arange(40) < 3
    with pytest.warns(FoldsWarning, match="fewer than 5 folds: only 3 persons had the outcome, one a fold"):
        assert set(person_folds(np.arange(40), y)) == {0, 1, 2}
    with pytest.warns(FoldsWarning, match="only 3 persons did not have"):
        person_folds(np.arange(40), ~y)
    with pytest.raises(DataError, match="1 of 40 persons had the outcome"):
        person_folds(np.arange(40), y & (np.arange(40) == 0))
    with pytest.raises(DataError, match="1 of 20 persons"):  # three events of one person
        person_folds(np.repeat(np.arange(20), 3), np.arange(60) < 3)
    with pytest.raises(DefinitionError, match="folds=1"):
        person_folds(np.arange(40), y, folds=1)


def test_of_outcomes_with_times_everybody_may_have_it():
    everybody = person_folds(np.arange(40), outcome(np.arange(1.0, 41), np.ones(40, bool)), folds=4)
    assert np.bincount(everybody).tolist() == [10] * 4
    with pytest.raises(DataError, match="1 of 40 persons"):
        person_folds(np.arange(40), outcome(np.arange(1.0, 41), np.arange(40) < 1))


def sides(rows, split):
    return (set(rows["person"].iloc[part]) for part in (split.development, split.held))


@pytest.mark.filterwarnings("ignore::workbench.risk.validation.splits.HoldOutShareWarning")  # whole sites
@pytest.mark.parametrize("how", ["time", "site", "random"])
@pytest.mark.parametrize("seed", range(5))
def test_nobody_is_on_two_sides(how, seed):
    rows, y = study(seed=seed)
    split = hold_out(rows, y, Validation(split=how, holdout=0.3), seed=seed)
    development, held = sides(rows, split)
    assert not development & held
    assert len(split.development) + len(split.held) + split.left_out == len(rows)
    assert split.how == how


def test_the_latest_persons_are_held_out_and_nothing_that_is_learnt_from_is_later():
    rows, y = study()
    split = hold_out(rows, y, Validation(holdout=0.25))
    first = rows.groupby("person")["index_at"].min()
    assert split.how == "time"
    assert rows["index_at"].iloc[split.development].max() < split.cut == rows["index_at"].iloc[split.held].min()
    _, held = sides(rows, split)
    assert held == set(first.index[first >= split.cut])
    assert len(held) == pytest.approx(0.25 * len(first), abs=2)
    assert split.left_out > 0


def test_persons_of_one_date_stay_together():
    rows = pd.DataFrame({"person": range(10), "index_at": pd.to_datetime(["2020-01-01"] * 4 + ["2020-02-01"] * 6)})
    y = np.arange(10) % 2 == 0
    with pytest.warns(HoldOutShareWarning, match="the hold-out has 60% of the patients, 20% were asked for"):
        assert len(hold_out(rows, y, Validation(holdout=0.2)).held) == 6
    with pytest.raises(DataError, match="no index date parts the 10 persons: at least 80% of them have the same one"):
        hold_out(rows.assign(index_at=rows["index_at"].iloc[0]), y, Validation(holdout=0.2))


def test_whole_hospitals_are_held_out_the_smallest_first():
    rows, y = study()
    split = hold_out(rows, y, Validation(split="site", holdout=0.1))
    there, held = (set(rows["care_site"].iloc[part]) for part in (split.development, split.held))
    assert held == set(split.sites)
    assert not there & held
    sizes = pd.Series(home_sites(rows)).groupby(rows["person"]).first().value_counts()
    assert set(split.sites) == set(sizes.index[::-1][: len(split.sites)])
    named = hold_out(rows.rename(columns={"care_site": "院区"}), y, Validation(split="site", site="院区", held_sites=("甲",)))
    assert set(rows["care_site"].iloc[named.held]) == {"甲"}


def test_hospitals_by_number_are_found():
    rows, y = study()
    rows["care_site"] = rows["care_site"].map({"甲": 1, "乙": 2, "丙": 3, "丁": 4})
    split = hold_out(rows, y, Validation(split="site", held_sites=(2,)))
    assert set(rows["care_site"].iloc[split.held]) == {2}
    assert split.sites == (2,)


def test_a_persons_hospital_is_that_of_their_first_row():
    rows = pd.DataFrame({"person": ["a", "b", "a"], "index_at": pd.to_datetime(["2021", "2020", "2020"]), "care_site": ["x", "y", "z"]})
    assert home_sites(rows).tolist() == ["z", "y", "z"]
    assert home_sites(rows.assign(index_at=pd.NaT)).tolist() == ["x", "y", "x"]


def test_a_split_at_random_keeps_the_share_of_events():
    rows, y = study(n=1000)
    split = hold_out(rows, y, Validation(split="random", holdout=0.4), seed=3)
    had = pd.Series(y).groupby(rows["person"]).any()
    _, held = sides(rows, split)
    assert had[list(held)].sum() == round(0.4 * had.sum())


def test_none_is_none():
    rows, y = study()
    assert hold_out(rows, y, Validation(split="none")) is None
    assert hold_out(rows.assign(index_at=pd.NaT), y, Validation()) is None


@pytest.mark.parametrize(
    ("asked", "columns", "says"),
    [
        ({"split": "time"}, {"index_at": pd.NaT}, "300 of 300 rows have no index date"),
        ({"split": "site", "site": "ward"}, {}, "no column 'ward'"),
        ({"split": "site"}, {"care_site": None}, "300 of 300 rows have no site"),
        ({"split": "site"}, {"care_site": "甲"}, "one site only"),
        ({"split": "site", "held_sites": ("戊",)}, {}, "nobody is of the sites"),
    ],
)
def test_what_cannot_be_parted_is_refused(asked, columns, says):
    rows, y = study(**columns)
    with pytest.raises(DataError, match=says):
        hold_out(rows, y, Validation(**asked))


def test_a_side_of_one_class_is_refused():
    rows, y = study()
    late = (rows["index_at"] > "2022-01-01").to_numpy()
    with pytest.raises(DataError, match="nobody in the hold-out"):
        hold_out(rows, y & ~late, Validation(holdout=0.1))
    with pytest.raises(DataError, match="everybody in the hold-out"):
        hold_out(rows, y | late, Validation(holdout=0.05))
    with pytest.raises(DataError, match="1 of 300 rows have no person"):
        hold_out(rows.assign(person=rows["person"].astype(float).where(rows.index > 0)), y, Validation())
