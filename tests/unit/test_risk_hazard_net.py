"""The hazard net: its likelihood by hand, known hazards, competing causes, and what it refuses."""

import sys

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone

from tests.lib.survival_data import draw
from workbench.errors import DataError, DefinitionError, EnvironmentFault
from workbench.risk.models.catalogue import make_model
from workbench.risk.models.common import BeyondFollowUp
from workbench.risk.models.hazard_net import HazardNet, Intervals
from workbench.risk.models.inner_split import inner_parts
from workbench.risk.models.networks import Teaching, Training, _Trainer, log_shares
from workbench.risk.protocol.parts import ModelChoice
from workbench.risk.survival.curves import cumulative_incidence, kaplan_meier
from workbench.risk.survival.outcome import Follow, follow, outcome

QUICK = {"members": 2, "hidden": (8,), "dropout": 0.1, "max_epochs": 40, "patience": 5}


@pytest.fixture(scope="module")
def drawn():
    return draw(400)


@pytest.fixture(scope="module")
def net(drawn):
    return HazardNet(**QUICK).fit(drawn.X, outcome(drawn.time, drawn.event))


def test_each_is_exposed_for_the_part_of_an_interval_that_was_watched():
    intervals = Intervals(np.array([0.0, 2.0, 4.0, 8.0]))
    given = Follow(np.array([3.0, 3.0, 8.0, 4.0]), np.array([False, True, False, True]), np.array([0.0, 0.0, 1.0, 0.0]))
    expected = [[1, 0.5, 0], [1, 1, 0], [0.5, 1, 1], [1, 1, 0]]
    np.testing.assert_allclose(intervals.exposed(given), expected)
    assert intervals.place(given.time).tolist() == [1, 1, 2, 1]


def test_intervals_hold_as_many_events_and_are_fewer_where_events_are_few():
    many = Follow(np.arange(1.0, 101), np.ones(100, bool), None)
    edges = Intervals.of(many, wanted=4).edges
    assert np.histogram(many.time, edges + 1e-9)[0].tolist() == [25, 25, 25, 25]
    assert len(Intervals.of(Follow(many.time, many.time <= 12, None), wanted=10).edges) == 3
    assert Intervals.of(Follow(np.full(9, 5.0), np.ones(9, bool), None), wanted=1).edges.tolist() == [0, 5]


def test_the_loss_is_the_likelihood_of_the_causes():
    """Two causes, two intervals: watched through the first and half of the second; event of cause 2 in the first."""
    teaching = Teaching(
        np.zeros((2, 1)), np.array([[1, 0.5], [1, 0]]), np.array([np.zeros((2, 2)), [[0, 1], [0, 0]]]), np.ones(2), np.array([0, 1])
    )
    trainer = _Trainer(teaching, Training((3,), 0.0, 0.01, 0.0, 2, 1, 1, 0))
    logits = torch.tensor([[0.3, -0.2], [0.5, 0.1]])
    p = np.exp(logits.numpy()) / (1 + np.exp(logits.numpy()).sum(1, keepdims=True))
    stay = 1 - p.sum(1)
    loss = trainer._loss(logits.expand(1, 2, 2, 2), trainer.exposed, trainer.happened)
    np.testing.assert_allclose(loss[0], [-np.log(stay[0]) - 0.5 * np.log(stay[1]), -np.log(p[0, 1])], rtol=1e-6)
    np.testing.assert_allclose(np.exp(log_shares(logits.numpy())[1]), p, rtol=1e-6)


def test_incidence_by_hand():
    """Hazards 0.5 then 0.2 of one cause: half way through the first interval survival is the root of a half."""
    intervals = Intervals(np.array([0.0, 2.0, 4.0]))
    logits = np.log([[[1.0], [0.25]]])
    risk = intervals.incidence(logits, np.array([1.0, 2.0, 4.0, 9.0]), 1)
    np.testing.assert_allclose(risk, [[1 - 0.5**0.5, 0.5, 0.6, 0.6]])


def test_incidence_of_all_causes_and_survival_make_one():
    logits = np.random.default_rng(0).normal(size=(5, 3, 2))
    intervals, times = Intervals(np.array([0.0, 1.0, 2.0, 5.0])), np.array([0.5, 2.0, 4.0])
    total = sum(intervals.incidence(logits, times, cause) for cause in (1, 2))
    stay = np.cumsum(log_shares(logits)[0], axis=1)
    np.testing.assert_allclose(total[:, 1], 1 - np.exp(stay[:, 1]))
    np.testing.assert_allclose(total[:, 2], 1 - np.exp(stay[:, 1] + (stay[:, 2] - stay[:, 1]) * 2 / 3))


def test_risks_follow_known_hazards(drawn):
    """Hazards are exp(x b) / 20, with b = 0.5, -0.3, 0.2; the mean risk is Kaplan and Meier's."""
    y = outcome(drawn.time, drawn.event)
    risk = HazardNet(members=5).fit(drawn.X, y).predict_risk(drawn.X, [10.0])[:, 0]
    true = 1 - np.exp(-np.exp(drawn.X @ [0.5, -0.3, 0.2]) / 2)
    survival = kaplan_meier(y)["survival"]
    assert np.corrcoef(risk, true)[0, 1] > 0.9
    assert risk.mean() == pytest.approx(1 - survival[survival.index <= 10].iloc[-1], abs=0.02)


def test_the_same_numbers_each_time_and_no_state_touched(net, drawn):
    torch.manual_seed(5)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    again = clone(net).fit(drawn.X, outcome(drawn.time, drawn.event))
    np.testing.assert_array_equal(again.predict_risk(drawn.X, [5.0]), net.predict_risk(drawn.X, [5.0]))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == threads
    other = clone(net).set_params(random_state=1).fit(drawn.X, outcome(drawn.time, drawn.event))
    assert (other.predict_risk(drawn.X, [5.0]) != net.predict_risk(drawn.X, [5.0])).any()


def test_numpy_predicts_what_torch_trained(drawn):
    y = outcome(drawn.time, drawn.event)
    model = HazardNet(**QUICK).fit(drawn.X, y)
    given = follow(y)
    teaching = Teaching(model._scaled(drawn.X), model.intervals_.exposed(given), np.zeros((400, 10, 1)), np.ones(400), np.arange(400) % 2)
    trainer = _Trainer(teaching, model._training())
    trainer.layers = [tuple(map(torch.from_numpy, layer)) for layer in model.networks_.layers]
    expected = trainer._forward(trainer.X.expand(2, 400, 3)).numpy()
    np.testing.assert_allclose(model.networks_.logits(model._scaled(drawn.X)), expected, atol=1e-5)


def test_incidence_averages_to_aalen_and_johansen():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(1500, 2))
    first, second, lost = rng.exponential(10 * np.exp(-X[:, 0])), rng.exponential(15 * np.exp(X[:, 1])), rng.exponential(20, 1500)
    time = np.minimum(np.minimum(first, second), lost) + 0.01
    y = outcome(time, np.argmin([lost, first, second], axis=0))
    model = HazardNet(**QUICK).fit(X, y)
    for cause in (1, 2):
        curve = cumulative_incidence(y, cause=cause)["incidence"]
        observed = curve[curve.index <= 8].iloc[-1]
        assert abs(model.predict_risk(X, [8.0], cause=cause).mean() - observed) < 0.03
    assert np.corrcoef(model.predict_risk(X, [8.0])[:, 0], X[:, 0])[0, 1] > 0.6


def test_entry_is_heeded():
    """Who enters at 5 says nothing of the first five days: hazards there are those of the others."""
    rng = np.random.default_rng(2)
    time, entry = rng.exponential(10, 3000) + 0.01, np.where(np.arange(3000) % 2, 5.0, 0.0)
    chosen = time > entry
    X, y = rng.normal(size=(chosen.sum(), 1)), outcome(time[chosen], np.ones(chosen.sum(), bool), entry=entry[chosen])
    risk = HazardNet(**QUICK).fit(X, y).predict_risk(X, [5.0]).mean()
    assert abs(risk - (1 - np.exp(-0.5))) < 0.03


def test_binary_outcomes():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(600, 2))
    y = rng.random(600) < 1 / (1 + np.exp(-2 * X[:, 0]))
    risk = HazardNet(**QUICK).fit(X, y).predict_risk(X)
    assert risk.shape == (600, 1)
    assert np.corrcoef(risk[:, 0], 1 / (1 + np.exp(-2 * X[:, 0])))[0, 1] > 0.9
    assert abs(risk.mean() - y.mean()) < 0.03


def test_weights_count():
    rng = np.random.default_rng(4)
    X, y = rng.normal(size=(400, 1)), rng.random(400) < 0.5
    risk = HazardNet(**QUICK).fit(X, y, sample_weight=np.where(y, 3.0, 1.0)).predict_risk(X).mean()
    assert 0.7 < risk < 0.8


def test_a_person_s_rows_stay_together():
    person = np.repeat(np.arange(50), 4)
    part = inner_parts(np.zeros((200, 1)), (np.arange(200) % 3 == 0).astype(int), person, parts=5, seed=0)
    assert pd.Series(part).groupby(person).nunique().eq(1).all()
    assert sorted(np.unique(part)) == [0, 1, 2, 3, 4]


def test_rows_that_are_equal_by_nature_are_persons_of_their_own():
    assert np.bincount(inner_parts(np.zeros((100, 1)), np.arange(100) % 2, None, parts=5, seed=0)).tolist() == [20] * 5


def test_one_person_is_refused(drawn):
    with pytest.raises(DataError, match="1 persons"):
        HazardNet(**QUICK).fit(drawn.X, outcome(drawn.time, drawn.event), groups=np.zeros(400))


def test_copies_of_a_row_stay_together():
    rng = np.random.default_rng(5)
    rows = rng.integers(0, 200, 200)
    X = rng.normal(size=(200, 2))[rows]
    part = inner_parts(X, (rows % 3 == 0).astype(int), None, parts=5, seed=0)
    assert pd.Series(part).groupby(rows).nunique().eq(1).all()


def test_huge_values_and_values_beyond_training_count_as_the_edge(drawn):
    X, y = drawn.X.copy(), outcome(drawn.time, drawn.event)
    X[7, 0] = 1e300
    model = HazardNet(**QUICK).fit(X, y)
    far, edge = drawn.X[:5].copy(), drawn.X[:5].copy()
    far[:, 0], edge[:, 0] = 1e305, 1e300
    np.testing.assert_array_equal(model.predict_risk(far, [5.0]), model.predict_risk(edge, [5.0]))
    whole = HazardNet(**QUICK).fit(drawn.X, y).predict_risk(drawn.X, [5.0])
    assert np.corrcoef(model.predict_risk(drawn.X, [5.0])[:, 0], whole[:, 0])[0, 1] > 0.9


def test_constant_columns_and_more_columns_than_rows(drawn):
    X = np.hstack([drawn.X[:60], np.ones((60, 1)), np.random.default_rng(0).normal(size=(60, 80))])
    risk = HazardNet(**QUICK).fit(X, outcome(drawn.time, drawn.event)[:60]).predict_risk(X, [5.0])
    assert np.isfinite(risk).all()
    assert (risk > 0).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (X, outcome(y["time"], np.zeros(400, bool))), "0 persons with the event"),
        (lambda X, y: (X, np.ones(400, bool)), "same outcome"),
        (lambda X, y: (X, np.arange(400) < 1), "1 persons with the event"),
        (lambda X, y: (X, np.arange(400) > 0), "1 persons without the event"),
        (lambda X, y: (X, y[:9]), "400 rows have predictors and 9"),
        (lambda X, y: (X, outcome(y["time"], np.where(y["event"], 2, 0))), "0 persons with the event"),
    ],
    ids=["no event", "one class", "one event", "one without", "lengths", "only another cause"],
)
def test_refuses(drawn, change, message):
    X, y = change(drawn.X, outcome(drawn.time, drawn.event))
    with pytest.raises(DataError, match=message):
        HazardNet(**QUICK).fit(X, y)


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_refuses_what_is_no_number(drawn, net, value):
    X = drawn.X.copy()
    X[3, 1] = value
    with pytest.raises(ValueError, match=r"infinity|NaN"):
        HazardNet(**QUICK).fit(X, outcome(drawn.time, drawn.event))
    with pytest.raises(ValueError, match=r"infinity|NaN"):
        net.predict_risk(X, [1.0])


def test_refuses_weights_and_parameters(drawn):
    y = outcome(drawn.time, drawn.event)
    with pytest.raises(DataError, match="case weights"):
        HazardNet(**QUICK).fit(drawn.X, y, sample_weight=-np.ones(400))
    with pytest.raises(DefinitionError, match="dropout=1"):
        HazardNet(dropout=1.0).fit(drawn.X, y)
    with pytest.raises(DefinitionError, match="members=1"):
        HazardNet(members=1).fit(drawn.X, y)


def test_horizons_are_checked(net, drawn):
    with pytest.raises(DefinitionError, match="horizons"):
        net.predict_risk(drawn.X)
    with pytest.warns(BeyondFollowUp):
        net.predict_risk(drawn.X, [1e4])
    with pytest.raises(DefinitionError, match="cause=2"):
        net.predict_risk(drawn.X, [1.0], cause=2)


def test_says_what_to_install(drawn, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(EnvironmentFault, match=r"clinical-workbench\[risk\]"):
        HazardNet().fit(drawn.X, outcome(drawn.time, drawn.event))


def test_runs_from_the_catalogue(drawn):
    X = pd.DataFrame(drawn.X, columns=["a", "b", "c"]).assign(ward=np.where(drawn.stratum > 1, "ICU", "general"))
    X.loc[::7, "b"] = np.nan
    model = make_model(ModelChoice(name="hazard_net", parameters=QUICK), binary=False, causes=1, seed=3)
    y = outcome(drawn.time, drawn.event)
    assert model.fit(X, y).predict_risk(X, [5.0, 10.0]).shape == (400, 2)
    assert model["model"].random_state == 3
    assert model["model"].n_features_in_ == 4
