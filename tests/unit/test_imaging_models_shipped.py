"""Bundles that come along: each is the one that is named, small, and as good as its card says."""

import pytest

from imaging.models.bundle import CARDS, open_bundle
from imaging.models.cases import cases_of
from imaging.models.evaluation import evaluate
from imaging.models.inference import Model
from imaging.models.preparing import CaseSet
from imaging.models.task import read_task
from tests.lib.paths import REPOSITORY, shared

FOLDER = REPOSITORY / "templates" / "bundles"
VERSION = "9e135251c2e2f8b5e3fa05dd9b8d5ada0a4167a49d0e002cb1754fb0b1c7ccff"


def test_the_bundle_is_the_one_that_is_named_and_says_whose_data_it_learnt_from():
    bundle = open_bundle(FOLDER / "pneumonia", sha256=VERSION)
    assert VERSION in (FOLDER / "README.md").read_text(encoding="utf-8")
    assert bundle.metadata["workbench"]["licence"] == "CC BY 4.0"
    for name in CARDS.values():
        card = (FOLDER / "pneumonia" / name).read_text(encoding="utf-8")
        assert "CC BY 4.0" in card
        assert "MedMNIST v2 (Yang et al. 2023), from Kermany et al. 2018" in card
    assert sum(path.stat().st_size for path in (FOLDER / "pneumonia").rglob("*") if path.is_file()) < 500_000


def test_what_the_card_states_holds_on_the_data():
    data = shared("imaging/pneumoniamnist/pneumoniamnist.npz")
    bundle = open_bundle(FOLDER / "pneumonia", sha256=VERSION)
    task = read_task(REPOSITORY / "templates" / "tasks" / "pneumonia.yaml", data=data.parent)
    recipe, stated = bundle.recipe, bundle.metadata["workbench"]["results"]["test"]
    test = [case for case in cases_of(task) if case.part == "test"]
    model = Model(bundle.network, window=recipe.window, classes=2, flips=recipe.flips)
    found = evaluate(task, model, CaseSet(test, recipe.transforms), recipe.threshold)
    assert found["n_cases"] == stated["n_cases"] == 624
    for measure, each in stated["metrics"].items():
        assert found["metrics"][measure]["value"] == pytest.approx(each["value"], abs=0.002), measure
    assert stated["metrics"]["auc"]["value"] >= 0.944
    assert stated["metrics"]["accuracy"]["value"] >= 0.854
