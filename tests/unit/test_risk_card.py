"""Model cards: they predict what the model predicts, and no patient's time, value or rare word can be read off."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from tests.lib.study_reports import HORIZONS, POLICY, fitted, result, rossi
from workbench.disclosure import DisclosurePolicy
from workbench.errors import DataError
from workbench.release.checks import Scope, check_file
from workbench.risk.models.equation import Equation, Factor, Term
from workbench.risk.reporting.card import MOST_HORIZONS, card, card_text, coarsened, exportable, read_card, withheld
from workbench.risk.survival.outcome import outcome


@pytest.fixture
def written(tmp_path):
    def write(**parts):
        path = tmp_path / "card.json"
        path.write_text(card_text(card(dataclasses.replace(result(), **parts), policy=POLICY)), encoding="utf-8")
        return path

    return write


def on(*factors: Factor, kind: str = "logistic", **more) -> Equation:
    return Equation("e", tuple(Term((factor,), 0.5) for factor in factors), kind, **more)


def test_a_card_predicts_what_the_model_predicts(written):
    data, pipeline = fitted()
    complete = data.X.dropna().reset_index(drop=True)
    read = read_card(written())
    assert np.abs(read.predict_risk(complete, HORIZONS) - pipeline.predict_risk(complete, HORIZONS)).max() < 1e-6


def test_no_time_of_an_event_can_be_read_off(written):
    """Asked for every event time and half a day after each: no time of the data is told, and 10 persons or more lie between any two."""
    data, pipeline = fitted()
    times = np.unique(data.y["time"][data.y["event"]])
    equation = pipeline.equation((*times, *(times[:-1] + 0.5), *HORIZONS))
    assert len(equation.baseline) > 1.5 * MOST_HORIZONS
    text = written(equation=equation).read_text(encoding="utf-8")
    kept = [horizon for horizon, _ in read_card_text(text)]
    happened = np.sort(data.y["time"][data.y["event"]])
    between = np.diff([0, *(np.searchsorted(happened, horizon, side="right") for horizon in kept)])
    assert len(kept) <= MOST_HORIZONS
    assert between.min() >= POLICY.threshold
    assert not (set(kept) - set(HORIZONS)) & set(data.y["time"])
    assert set(HORIZONS) <= set(kept)  # the study's own come first
    assert len(kept) > len(HORIZONS)


def read_card_text(text: str) -> list[tuple[float, float]]:
    return [(point["horizon_days"], point["survival"]) for point in json.loads(text)["equation"]["baseline"]]


def test_many_events_do_not_make_more_than_fifty_horizons():
    data = rossi()
    rng = np.random.default_rng(0)
    many = data.take(rng.integers(0, len(data.rows), 5000))
    many.rows["person"] = np.arange(5000)
    y = outcome(rng.uniform(1, 1000, 5000), np.ones(5000, bool))
    many = dataclasses.replace(many, cohort=dataclasses.replace(many.cohort, y=y))
    equation = on(Factor("fin"), kind="cox", baseline=tuple((float(day), 1 - day / 1200) for day in range(10, 1000, 5)))
    assert len(coarsened(equation, many, POLICY)) == MOST_HORIZONS


def test_a_card_holds_nothing_of_the_imputer_and_few_digits(written):
    text = written().read_text(encoding="utf-8")
    assert any(factor.fill is not None for term in result().equation.terms for factor in term.factors)
    assert "fill" not in text
    assert max(len(number.strip("-.0").replace(".", "")) for number in numbers(json.loads(text)["equation"])) <= 8


def numbers(given):
    if isinstance(given, dict):
        given = list(given.values())
    if isinstance(given, list):
        return [number for each in given for number in numbers(each)]
    return [repr(given)] if isinstance(given, float) and abs(given) >= 1e-3 else []


@pytest.mark.usefixtures("english")
def test_rows_that_lack_a_predictor_get_no_prediction(written):
    X = fitted()[0].X.head(40)
    with pytest.warns(match="lack a predictor"):
        risk = read_card(written()).predict_risk(X)
    assert (np.isnan(risk).any(axis=1) == X["age"].isna()).all()


def test_a_net_or_trees_have_a_card_without_weights(written):
    path = written(equation=None)
    given = json.loads(path.read_text(encoding="utf-8"))
    assert given["equation"] is None
    assert "不是单一的方程" in given["weights_withheld"][0]
    with pytest.raises(DataError, match="no equation"):
        read_card(path)


REFUSED = {
    "a rare category": on(Factor("site", "level", level="丙院")),
    "a rare yes": on(Factor("rare")),
    "a knot of few": on(Factor("prio", "spline", knots=(0.0, 3.0, 18.0), basis=1)),
    "a rare gap": on(Factor("gap", "missing")),
    "unknown to the data": on(Factor("elsewhere")),
    "baseline between few": on(Factor("fin"), kind="cox", baseline=((7.0, 0.99),)),
}


@pytest.fixture(scope="module")
def few():
    """Data in which some things are of fewer than ten persons."""
    data = rossi()
    n = len(data.rows)
    site = data.X["site"].astype(str).where(np.arange(n) >= 4, "丙院").astype("category")
    rare = pd.Series((np.arange(n) < 9).astype(float))
    X = data.X.assign(site=site, rare=rare, gap=np.where(np.arange(n) < 3, np.nan, 1.0))
    return dataclasses.replace(data, features=dataclasses.replace(data.features, X=X))


@pytest.mark.parametrize("equation", REFUSED.values(), ids=REFUSED)
def test_what_rests_on_few_persons_is_withheld(equation, few):
    assert len(withheld(equation, few, POLICY)) == 1


def test_a_rare_category_names_the_parameter_that_joins_it(few):
    assert "rare: 10" in withheld(REFUSED["a rare category"], few, POLICY)[0]
    assert "rare:" not in withheld(REFUSED["a rare yes"], few, POLICY)[0]


def test_what_rests_on_enough_persons_is_not(few):
    fine = on(Factor("fin"), Factor("site", "level", level="乙院"), Factor("prio", "spline", knots=(0.0, 2.0, 10.0), basis=1))
    assert withheld(fine, few, POLICY) == ()
    assert withheld(on(Factor("rare")), few, DisclosurePolicy(threshold=5, rounding=5)) == ()


def test_few_events_are_withheld(few):
    assert len(withheld(on(Factor("fin")), few.take(np.flatnonzero(~few.y["event"])), POLICY)) >= 1


def test_a_published_equation_is_of_nobody_here(few):
    assert withheld(on(Factor("rare"), source="Paper 2020, table 2"), few, POLICY) == ()
    assert withheld(on(Factor("rare"), source="Paper 2020, table 2", update="intercept"), few, POLICY)


def test_rare_words_joined_into_a_level_are_not_told(few):
    joined = on(Factor("site", "level", level="其他", words=("乙院", "丙院")), levels=(("site", ("甲院", "乙院", "丙院")),))
    out = exportable(joined, few, POLICY)
    assert "丙院" not in repr(out)
    with_names = few.X.assign(site=few.X["site"].astype(str).replace("丙院", "其他"))
    assert np.allclose(out.predict_risk(with_names), joined.predict_risk(few.X))


@pytest.mark.parametrize(
    ("text", "fault"),
    [("{", "cannot be read"), ("[]", "no model card"), ('{"schema": "other"}', "no model card"),
     ('{"schema": "workbench-card/1", "equation": {"terms": [{}]}}', "broken")],
    ids=["no JSON", "a list", "another form", "a broken equation"],
)  # fmt: skip
def test_what_is_no_card_is_refused(tmp_path, text, fault):
    (tmp_path / "card.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=fault):
        read_card(tmp_path / "card.json")


def test_the_card_passes_the_release_checks(written):
    found = check_file("card.json", written().read_bytes(), scope=Scope(policy=POLICY))
    assert not [finding for finding in found if finding.severity.value == "block"]
