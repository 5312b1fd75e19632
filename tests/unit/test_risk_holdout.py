"""The hold-out: models are made without it, and every look at it is counted, whatever the model and whoever is killed."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from tests.lib.risk_models import Logistic
from workbench.errors import DataError, EnvironmentFault
from workbench.risk.protocol.parts import Validation
from workbench.risk.validation.holdout import LooksWarning, look, split_key, try_hold_out
from workbench.risk.validation.performance import Scoring, performance
from workbench.risk.validation.splits import Split, hold_out

AUROC = Scoring(measures=("auroc", "slope"))


@pytest.fixture
def study(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    y = rng.random(400) < 1 / (1 + np.exp(-X[:, 0]))
    split = Split(np.arange(300), np.arange(300, 400), "time")
    return (
        X,
        y,
        split,
        {"scoring": AUROC, "key": "k", "origin": "o", "looks": tmp_path / "a" / "looks.jsonl", "resamples": 20, "workers": 1},
    )


def test_the_model_is_made_of_the_development_part_and_tried_on_the_other(study):
    X, y, split, options = study
    found = try_hold_out({"main": Logistic(), "small": Logistic(C=1e-4)}, X, y, split, told={"protocol": "p"}, **options)
    risk = Logistic().fit(X[:300], y[:300]).predict_risk(X[300:])
    np.testing.assert_allclose(found.risk["main"], risk)
    expected = performance(y[300:], risk, measures=AUROC.measures)["value"]
    np.testing.assert_allclose(found.table.query("model == 'main'")["value"], expected)
    assert found.differences["model"].unique().tolist() == ["small"]
    assert found.looks == (1, 1, 0)
    (entry,) = map(json.loads, options["looks"].read_text().splitlines())
    assert {name: entry[name] for name in ("key", "origin", "rows", "events", "models", "protocol")} == {
        "key": "k",
        "origin": "o",
        "rows": 100,
        "events": int(y[300:].sum()),
        "models": ["main", "small"],
        "protocol": "p",
    }


def test_another_model_is_a_second_look(study):
    X, y, split, options = study
    try_hold_out({"a": Logistic()}, X, y, split, **options)
    with pytest.warns(LooksWarning, match="2"):
        assert try_hold_out({"b": Logistic(C=1)}, X, y, split, **options).looks.number == 2
    assert look(options["looks"], key="other", origin="o") == (1, 3, 0)
    assert look(options["looks"], key="new", origin="new") == (1, 1, 0)


def test_a_model_that_fails_is_no_look_and_a_look_without_a_record_does_not_happen(study, monkeypatch):
    X, y, split, options = study
    with pytest.raises(ValueError, match="NaN"):
        try_hold_out({"a": Logistic()}, np.where(np.arange(400)[:, None] == 3, np.nan, X), y, split, **options)
    assert not options["looks"].exists()
    options["looks"].parent.write_text("a file where the folder should be")
    monkeypatch.setattr(Logistic, "predict_risk", lambda *_: pytest.fail("looked at"))
    with pytest.raises(EnvironmentFault, match="cannot be written"):
        try_hold_out({"a": Logistic()}, X, y, split, **options)


def test_a_damaged_line_counts_as_a_look(tmp_path):
    path = tmp_path / "looks.jsonl"
    look(path, key="k", origin="o")
    with path.open("a") as file:
        file.write('{"key": "k", "ori')
    with pytest.warns(LooksWarning):
        found = look(path, key="k", origin="o")
    assert found == (3, 3, 1)
    assert len(path.read_text().splitlines()) == 3


def test_looks_of_several_processes_have_numbers_of_their_own(tmp_path):
    program = (
        "import sys, warnings; warnings.simplefilter('ignore'); from pathlib import Path\n"
        "from workbench.risk.validation.holdout import look\n"
        "print(*[look(Path(sys.argv[1]), key='k', origin='o').number for _ in range(20)])"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "looks.jsonl")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    numbers = [int(word) for one in running for word in one.communicate()[0].split()]
    assert sorted(numbers) == list(range(1, 61))


def test_the_name_of_a_hold_out_does_not_depend_on_the_study_around_it():
    rows = pd.DataFrame({"person": range(40), "index_at": pd.date_range("2020", periods=40), "care_site": ["a", "b", "c", "d"] * 10})
    y = np.arange(40) % 3 == 0

    def key(origin="o", seed=0, **asked):
        given = Validation(**asked)
        return split_key(hold_out(rows, y, given, seed=seed), given, origin, seed=seed)

    assert key() == key(split="time") == key(bootstrap=7, folds=9) == key(seed=5)
    different = [key(), key(origin="new"), key(holdout=0.3), key(split="site"), key(split="site", held_sites=("c",)), key(split="random")]
    assert len(set(different)) == 6
    assert key(split="random", seed=1) != key(split="random", seed=2)
    assert key(split="site", held_sites=("b", "c")) == key(split="site", held_sites=("c", "b"))


def test_a_person_in_both_parts_is_refused(study):
    X, y, split, options = study
    with pytest.raises(DataError, match="1 persons in both parts"):
        try_hold_out({"a": Logistic()}, X, y, split, persons=np.r_[np.arange(399), 5], **options)
    with pytest.raises(DataError, match="0 models"):
        try_hold_out({}, X, y, split, **options)
    assert not options["looks"].exists()


def test_no_patients_value_is_recorded(study):
    X, y, split, options = study
    persons = np.array([f"Z{number:06}" for number in range(400)])
    try_hold_out({"a": Logistic()}, X, y, split, persons=persons, **options)
    text = options["looks"].read_text()
    assert "Z0" not in text
    assert options["looks"].stat().st_mode & 0o077 == 0
