"""Lists of diagnoses cut into items, coded with the words they come from."""

from __future__ import annotations

import pytest

import workbench as wb
from nlp.coding.codebook import Codebook
from nlp.coding.coder import Coder
from tests.lib.noted import noted_store
from workbench.errors import DataError
from workbench.texts.diagnoses import code_diagnoses, diagnosis_sections, diagnosis_terms, snapshot_codebook


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1.肺炎 2.2型糖尿病 3.高血压病3级(极高危)", ["肺炎", "2型糖尿病", "高血压病3级(极高危)"]),
        ("1.2型糖尿病 2.2型糖尿病肾病", ["2型糖尿病", "2型糖尿病肾病"]),
        ("1、肺炎；2、心力衰竭（NYHA Ⅲ级）\n3、胸腔积液", ["肺炎", "心力衰竭（NYHA Ⅲ级）", "胸腔积液"]),
        ("①肺炎②胸腔积液", ["肺炎", "胸腔积液"]),
        ("（1）肺炎 （2）贫血", ["肺炎", "贫血"]),
        ("肺部感染\n\n 同前\n待查。", ["肺部感染"]),
        ("血钾 3.2 mmol/L", ["血钾 3.2 mmol/L"]),
        ("1.肺炎？\n2.\n3.？", ["肺炎？"]),
        ("", []),
    ],
)
def test_items_of_a_list(text, wanted):
    found = diagnosis_terms(text)
    assert [term.text for term in found] == wanted
    assert all(text[term.start : term.end] == term.text for term in found)


def test_each_code_leads_back_to_its_words(tmp_path):
    snapshot = noted_store(tmp_path / "store", people=2)
    structured = wb.notes(snapshot, kind="出院小结").structure(diagnosis_sections(["出院诊断"]), folder=tmp_path, workers=1, progress=False)
    coder = Coder(Codebook.of([("J18.900", "肺炎"), ("E11.900", "2型糖尿病")]), domain="diagnosis")
    found = code_diagnoses(structured, coder)
    assert set(zip(found["term"], found["code"], strict=True)) == {("肺炎", "J18.900"), ("2型糖尿病", "E11.900")}
    texts = dict(zip(*(column.to_pylist() for column in snapshot.read("note", ["note_id", "note_text"]).columns), strict=True))
    assert all(texts[row.note_id][row.span_start : row.span_end] == row.term for row in found.itertuples())


def test_a_codebook_of_ones_own_or_the_snapshots(tmp_path):
    snapshot = noted_store(tmp_path / "store", people=1)
    with pytest.raises(DataError, match="names no ICD-10 code"):
        snapshot_codebook(snapshot)
    (tmp_path / "codes.tsv").write_text("J18.900\t肺炎\n", encoding="utf-8")
    assert snapshot_codebook(snapshot, tmp_path / "codes.tsv").get("肺炎").code == "J18.900"
