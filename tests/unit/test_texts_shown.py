"""Structured notes shown: patients described through the policy, evidence to be read."""

from __future__ import annotations

import pandas as pd
import pytest

import workbench as wb
from nlp.variables.definition import Target, Value, Variable
from nlp.variables.sets import VariableSet
from tests.lib.noted import noted_store
from workbench.cohort.baseline_view import to_frame
from workbench.disclosure import DisclosurePolicy
from workbench.errors import DataError
from workbench.texts.shown import category_bars, describe_notes, evidence_sample, patient_columns

POLICY = DisclosurePolicy(threshold=3, rounding=1)
SET = VariableSet(
    name="asked",
    variables=(
        Variable(name="cough", target=Target(terms=("咳嗽",))),
        Variable(name="anaemia", target=Target(terms=("贫血",))),
        Variable(name="size", target=Target(terms=("结节",)), value=Value(kind="quantity", unit="mm")),
    ),
)


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shown")
    snapshot = noted_store(folder / "store", people=12, notes_each=2)
    result = wb.cohort("all").enter(wb.encounters()).run(snapshot)
    return wb.notes(result).structure(SET, folder=folder, workers=1, progress=False), result


def test_every_patient_has_a_row_and_what_is_not_said_is_told(asked):
    frame = patient_columns(*asked)
    assert len(frame) == 12
    assert frame["cough"].value_counts().to_dict() == {"有": 6, "未提及": 6}
    assert list(frame["anaemia"].cat.categories) == ["未提及"]
    assert frame["size"].dropna().tolist() == [8.0] * 6


def test_patients_are_described_through_the_policy(asked):
    shown = to_frame(describe_notes(*asked), policy=POLICY)
    assert "6 (50.0%)" in shown.to_string()
    hidden = to_frame(describe_notes(*asked), policy=DisclosurePolicy(threshold=10, rounding=5))
    assert "6" not in hidden.to_string().replace("16", "")


def test_bars_hide_small_counts_and_need_enough_persons():
    values = pd.Series(["有"] * 40 + ["否认"] * 4 + ["未提及"] * 30, dtype="category")
    chart = category_bars(values, label="咳嗽", policy=DisclosurePolicy(threshold=10, rounding=5))
    assert "4" not in chart.counts.iloc[:, 1].tolist()
    assert chart.note
    with pytest.raises(DataError, match="fewer than 10"):
        category_bars(values[values != "有"], label="咳嗽", policy=DisclosurePolicy(threshold=10, rounding=5))


def test_evidence_is_stratified_and_lit(asked):
    sample = evidence_sample(asked[0], each=2)
    assert len(sample) == 4
    assert {words for *_, words, _ in sample.rows} == {"咳嗽", "约8×6mm"}
    page = sample._repr_html_()
    assert "<mark>咳嗽</mark>" in page
    assert evidence_sample(asked[0], each=2) == sample
