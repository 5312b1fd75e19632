"""Equations of papers: against their worked examples, and input that they tell of."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.lib.paths import REPOSITORY
from workbench.errors import DataError, DefinitionError
from workbench.risk.models.equation import IncompleteRows
from workbench.risk.models.published import OutsideRange, published, published_names

DATA = REPOSITORY / "workbench" / "risk" / "models" / "data"
CHINA_PAR = published("china_par")
PERSONS = pd.DataFrame([CHINA_PAR.examples["person"] | row for row in CHINA_PAR.examples["risks"]])


def test_china_par_gives_the_risks_that_its_paper_prints():
    risk = 100 * CHINA_PAR.predict_risk(PERSONS).ravel()
    np.testing.assert_allclose(risk, PERSONS["risk"], atol=0.1)


def test_china_par_gives_the_sums_that_its_paper_prints():
    for equation, male, printed in zip(CHINA_PAR.equations, (1, 0), (142.04, 119.22), strict=True):
        person = PERSONS[(PERSONS["male"] == male) & (PERSONS["age"] == 60)]
        np.testing.assert_allclose(equation.linear_predictor(person), printed, atol=0.07)


def test_china_par_gives_the_example_of_the_guideline():
    """Guideline on the assessment and management of cardiovascular risk in China (2019), appendix 1: the official calculator says 4.7 %.

    With coefficients of two decimals where no finer ones can be had, 0.2 per cent points are lost.
    """
    man = {"male": 1, "age": 40, "sbp": 145, "treated": 0, "tc": 5.2 / 0.0259, "hdl": 1.3 / 0.0259, "waist": 80, "smoker": 0, "diabetes": 0}
    risk = CHINA_PAR.predict_risk(pd.DataFrame([man | {"north": 1, "urban": 1, "family_history": 1}]))
    assert 100 * risk.item() == pytest.approx(4.7, abs=0.2)


def test_a_finer_number_rounds_to_the_printed_one():
    entries = [
        term for entry in yaml.safe_load((DATA / "china_par.yaml").read_text(encoding="utf-8"))["equations"] for term in entry["terms"]
    ]
    finer = [term for term in entries if "printed" in term]
    assert len(finer) == 6
    assert all(Decimal(str(term["coefficient"])).quantize(Decimal("0.01")) == Decimal(str(term["printed"])) for term in finer)
    assert all("from" in term for term in finer)


def test_treatment_changes_the_coefficient_of_blood_pressure():
    treated, untreated = (CHINA_PAR.predict_risk(PERSONS.assign(treated=value)) for value in (1, 0))
    assert (treated > untreated).all()


def test_the_nodule_model_by_hand():
    patient = pd.DataFrame(
        {"age": [70], "diameter": [15], "spiculation": [0], "family_history": [1], "calcification": [1], "clear_border": [1]}
    )
    odds = np.exp(-4.496 + 0.07 * 70 + 0.0676 * 15 + 1.267 - 1.615 - 1.408)
    assert published("pkuph_nodule").predict_risk(patient).item() == pytest.approx(odds / (1 + odds), abs=1e-12)


@pytest.mark.parametrize("name", published_names())
def test_each_says_where_it_is_from(name):
    found = published(name)
    assert "doi" in found.paper + found.verified
    assert found.verified
    assert found.title == found.titles["zh"]
    used = {factor.feature for equation in found.equations for term in equation.terms for factor in term.factors}
    assert used == set(found.predictors)
    assert all({"label", "unit"} <= set(about) for about in found.predictors.values())
    assert all(equation.source for equation in found.equations)


@pytest.mark.usefixtures("english")
def test_who_was_not_of_the_derivation_is_told():
    with pytest.warns(OutsideRange, match="8 of 8"):
        CHINA_PAR.predict_risk(PERSONS.assign(age=80))


@pytest.mark.usefixtures("english")
def test_what_is_missing_is_told():
    gaps = PERSONS.astype(float)
    gaps.loc[0, "male"], gaps.loc[5, "sbp"] = np.nan, np.nan
    with pytest.warns(IncompleteRows) as told:
        risk = CHINA_PAR.predict_risk(gaps).ravel()
    assert {str(one.message).split(" and ")[0] for one in told} == {
        "1 of 8 rows lack 'male'",
        "1 of 4 rows lack a predictor of 'china_par'",
    }
    assert np.flatnonzero(np.isnan(risk)).tolist() == [0, 5]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda X: X.assign(male=2), "none of"),
        (lambda X: X.drop(columns="male"), "'male' is missing"),
        (lambda X: X.drop(columns="waist"), "'waist' is missing"),
        (lambda X: X.assign(tc=0), "8 .*logarithm|4 infinite values, or"),
        (lambda X: X.assign(hdl=np.inf), "infinite"),
        (lambda X: X.assign(sbp="high"), "texts"),
    ],
)
def test_bad_columns(change, found):
    with pytest.raises(DataError, match=found):
        CHINA_PAR.predict_risk(change(PERSONS))


def test_no_such_equation():
    with pytest.raises(DefinitionError, match="china_par, pkuph_nodule"):
        published("framingham")
