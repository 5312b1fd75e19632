"""Notes of the synthetic hospital: every span is where it says, what is denied is not there, every identifier is listed."""

import re

import numpy as np
import pyarrow as pa
import pytest

from workbench.identifiers import is_identity_number, scan
from workbench.synthetic import generate, reference_tables
from workbench.synthetic.concepts import concept_id
from workbench.synthetic.identity import identity_numbers
from workbench.synthetic.notes.build import GOLD_RUN
from workbench.synthetic.notes.markup import Mention, Slot, Template, parse, templates
from workbench.synthetic.notes.terms import term
from workbench.tables import ASSERTIONS

VITAL_LABELS = {"T", "P", "R", "BP", "脉搏", "呼吸"}
KINDS = {
    "入院记录",
    "首次病程记录",
    "病程记录",
    "出院小结",
    "死亡记录",
    "CT报告",
    "超声报告",
    "病理报告",
    "门诊病历",
    "急诊病历",
    "健康体检记录",
}


@pytest.fixture(scope="module")
def hospital():
    return next(generate(300, 4, progress=False))


@pytest.fixture(scope="module")
def notes(hospital):
    return {row["note_id"]: row for row in hospital["note"].to_pylist()}


@pytest.fixture(scope="module")
def spans(hospital):
    return hospital["truth_spans"].to_pylist()


def test_every_span_is_its_surface(notes, spans):
    assert len(spans) > 20_000
    for span in spans:
        text = notes[span["note_id"]]["note_text"]
        assert text[span["span_start"] : span["span_end"]] == span["surface"]
        assert span["surface"] in VITAL_LABELS or term(span["surface"]).name == span["term"]


def test_every_value_is_printed_where_it_says(notes, spans):
    valued = [span for span in spans if span["value"] is not None]
    assert len(valued) > 5000
    for span in valued:
        printed = notes[span["note_id"]]["note_text"][span["value_start"] : span["value_end"]]
        number = re.match(r"-?[\d.]+", printed).group()
        assert float(number) == pytest.approx(span["value"], abs=0.51 if "." not in number else 1e-6)
        assert printed.endswith(span["unit"] or "")


def test_spans_of_a_note_do_not_overlap(spans):
    last = {}
    for span in spans:
        assert span["span_start"] >= last.get(span["note_id"], 0)
        last[span["note_id"]] = span["span_end"]


def test_all_kinds_of_notes_and_assertions_occur(notes, spans):
    assert {row["note_source_value"] for row in notes.values()} == KINDS
    assert {span["assertion"] for span in spans} == set(ASSERTIONS)
    assert {span["experiencer"] for span in spans} == {"patient", "family"}


def test_denied_words_follow_a_word_of_denial(notes, spans):
    cue = re.compile(r"无|否认|未|不|（-）|\(-\)|阴性|排除|（－）|除外")
    missed = 0
    denied = [span for span in spans if span["assertion"] == "absent"]
    for span in denied:
        text = notes[span["note_id"]]["note_text"]
        missed += not cue.search(text[max(span["span_start"] - 40, 0) : span["span_end"] + 30])
    assert len(denied) > 5000
    assert missed == 0


def test_a_history_does_not_deny_what_the_patient_has(hospital, notes, spans):
    """In an admission record no disease or sign is both found in the patient and denied."""
    both = []
    said = {}
    for span in spans:
        if notes[span["note_id"]]["note_source_value"] == "入院记录" and span["experiencer"] == "patient":
            said.setdefault((span["note_id"], span["term"]), set()).add(span["assertion"])
    both = [key for key, assertions in said.items() if {"present", "absent"} <= assertions]
    assert not both, [name for _, name in both][:10]


def test_past_diseases_are_the_coded_ones(hospital, notes, spans):
    codes = hospital["condition_occurrence"].to_pandas()
    diabetic = set(codes[codes.condition_source_value.str.startswith("E11")].person_id)
    said = {
        notes[s["note_id"]]["person_id"]
        for s in spans
        if s["term"] == "2型糖尿病" and s["assertion"] == "present" and s["experiencer"] == "patient"
    }
    assert said
    assert said <= diabetic | said & diabetic or len(said - diabetic) / len(said) < 0.15


def test_findings_are_the_spans(hospital, notes, spans):
    found = hospital["finding"].to_pylist()
    assert len(found) == len(spans)
    for finding, span in zip(found[:2000], spans[:2000], strict=True):
        assert (finding["note_id"], finding["span_start"], finding["finding_source_value"]) == (
            span["note_id"],
            span["span_start"],
            span["term"],
        )
        assert finding["finding_concept_id"] == concept_id("LOCAL_TERM", span["term"])
        assert finding["run_id"] == GOLD_RUN
        assert finding["person_id"] == notes[span["note_id"]]["person_id"]


def test_canaries_in_notes_are_where_they_say(hospital, notes):
    listed = [row for row in hospital["truth_canaries"].to_pylist() if row["table_name"] == "note"]
    assert len(listed) > 3000
    for row in listed:
        assert notes[row["row_id"]]["note_text"][row["start"] : row["end"]] == row["token"]


def test_numbers_found_by_scanning_are_the_numbers_listed(hospital, notes):
    listed = {(row["row_id"], row["start"], row["end"]) for row in hospital["truth_canaries"].to_pylist()
              if row["table_name"] == "note" and row["kind"] in {"identity_number", "phone", "contact_phone"}}  # fmt: skip
    found = {(key, hit.start, hit.end) for key, row in notes.items() for hit in scan(row["note_text"])}
    assert found == listed


def test_names_and_record_numbers_stand_nowhere_else(hospital, notes):
    """Every place where a planted name, address or record number stands is listed, or lies within one that is."""
    rows = hospital["truth_canaries"].to_pylist() + reference_tables(4)["truth_canaries"].to_pylist()
    tokens = {row["token"] for row in rows if row["kind"] in {"name", "contact_name", "doctor_name", "mrn", "address"}}
    where = {}
    for row in rows:
        if row["table_name"] == "note":
            where.setdefault(row["row_id"], []).append((row["start"], row["end"]))
    pattern = re.compile("|".join(sorted(map(re.escape, tokens), key=len, reverse=True)))
    for key, row in notes.items():
        for match in pattern.finditer(row["note_text"]):
            assert any(start <= match.start() and match.end() <= end for start, end in where.get(key, ())), match.span()


def test_no_table_for_the_store_holds_a_canary_but_notes_and_record_numbers(hospital):
    tokens = set(hospital["truth_canaries"]["token"].to_pylist())
    for name, table in hospital.items():
        if name in {"note", "identifiers", "person"} or name.startswith("truth_"):
            continue
        for field in table.schema:
            if field.type == pa.string():
                assert not tokens & set(table[field.name].unique().to_pylist()), (name, field.name)


def test_planted_numbers_pass_their_check_and_belong_to_nobody(hospital):
    index = hospital["identifiers"].to_pandas()
    first = index.drop_duplicates("person_id")
    assert first.identity_number.map(is_identity_number).all()
    assert first.identity_number.str.startswith("7199").all()
    assert first.phone.str.fullmatch(r"154\d{8}").all()
    born = hospital["person"].to_pandas().birth_datetime.dt.strftime("%Y%m%d")
    assert (first.identity_number.str[6:14].to_numpy() == born.to_numpy()).all()


def test_the_patient_index_has_something_to_link(hospital):
    index = hospital["identifiers"].to_pandas()
    per_person = index.groupby("person_id").agg({"record_id": "size", "phone": "nunique", "identity_number": "nunique", "name": "nunique"})
    assert 2 < per_person.record_id.mean() < 3
    assert per_person.phone.gt(1).any()
    assert index.identity_number.isna().any()


def test_notes_per_admission_is_about_what_was_asked(hospital):
    clinics = {"门诊病历", "急诊病历", "健康体检记录"}
    for wanted, low, high in ((6.0, 5.0, 7.0), (2.0, 1.7, 2.3)):
        tables = next(generate(300, 4, progress=False, notes_per_admission=wanted))
        inside = sum(kind not in clinics for kind in tables["note"]["note_source_value"].to_pylist())
        stays = sum(concept == 9201 for concept in tables["visit_occurrence"]["visit_concept_id"].to_pylist())
        assert low < inside / stays < high


def test_notes_do_not_read_alike(notes):
    records = [row["note_text"] for row in notes.values() if row["note_source_value"] == "入院记录"]
    openings = {re.sub(r"[\d\w]", "", text.split("\n")[0]) for text in records}
    assert len(openings) >= 3
    assert len({text[text.index("\n") :] for text in records}) == len(records)


@pytest.mark.parametrize("text", ["无[发热|-", "无发热|-]", "见{vitals", "[发热|x]"])
def test_markup_that_does_not_close_is_refused(text):
    with pytest.raises(ValueError, match=r"bracket|flag"):
        parse(text)


def test_a_mention_of_an_undeclared_term_is_refused():
    with pytest.raises(KeyError):
        parse("见[无此术语]")


def test_markup_is_read_into_pieces():
    template = parse("父亲患[高血压|f]，无[T=体温|-]{vitals}")
    assert template.pieces[1] == Mention("高血压", term("高血压"), "present", "family")
    assert template.pieces[3] == Mention("T", term("体温"), "absent", "patient")
    assert template.pieces[4] == Slot("vitals")
    assert template.denied == {"体温"}


def test_every_sentence_of_the_data_files_parses():
    def leaves(node):
        if isinstance(node, Template):
            return 1
        children = node.values() if isinstance(node, dict) else (node if isinstance(node, tuple) else ())
        return sum(map(leaves, children))

    assert leaves(templates("notes")) > 130
    assert leaves(templates("reports")) > 100


def test_identity_numbers_end_in_their_check_character():
    assert all(map(is_identity_number, identity_numbers(np.array([-7305, 12000]), np.array([1, 998]), np.array([719_901, 719_990]))))


def test_no_patient_has_the_name_of_a_doctor(hospital):
    rows = hospital["truth_canaries"].to_pylist()
    doctors = set(reference_tables(4)["provider"]["provider_name"].to_pylist())
    assert {row["token"] for row in rows if row["kind"] == "doctor_name"} <= doctors
    assert not doctors & {row["token"] for row in rows if row["kind"] in {"name", "contact_name"}}
