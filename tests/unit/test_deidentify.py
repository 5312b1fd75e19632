"""De-identified tables keep their meaning and lose their patients."""

from datetime import date, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workbench.errors import DataError
from workbench.ingest.deidentify import OMITTED, Deidentifier, Policy
from workbench.pseudonyms import PseudonymKey
from workbench.store.writer import conform
from workbench.tables import TABLES, arrow_schema

KEY = PseudonymKey(b"k" * 32)
PERSONS = (11, 12, 13)
TEXT = "患者王芳，2021-03-01入院，否认糖尿病。联系电话13800138000。"


def rows(name, *records):
    """Fill the required columns that a test does not care about."""
    fillers = {"integer": 0, "number": 0.0, "text": "x", "date": date(2021, 3, 1), "datetime": datetime(2021, 3, 1)}
    required = {column.name: fillers[column.type] for column in TABLES[name].columns if column.required}
    columns = sorted({key for record in records for key in record} | set(required))
    return conform(name, pa.table({column: [(required | record).get(column) for record in records] for column in columns}))


@pytest.fixture
def files(tmp_path):
    start = TEXT.index("糖尿病")
    tables = [
        rows(
            "person",
            *(
                {"person_id": p, "year_of_birth": 1970, "month_of_birth": 12, "day_of_birth": 30, "person_source_value": f"MRN{p}"}
                for p in PERSONS
            ),
        ),
        rows(
            "visit_occurrence",
            *({"visit_occurrence_id": 100 + p, "person_id": p, "visit_source_value": f"住院号{p}", "provider_id": 5} for p in PERSONS),
        ),
        rows(
            "condition_occurrence",
            *(
                {
                    "condition_occurrence_id": 200 + p,
                    "person_id": p,
                    "visit_occurrence_id": 100 + p,
                    "condition_start_date": date(2021, 3, 4),
                }
                for p in PERSONS
            ),
        ),
        rows(
            "measurement",
            {"measurement_id": 1, "person_id": 11, "value_source_value": "12.5", "measurement_datetime": datetime(2021, 3, 1, 8, 30)},
            {"measurement_id": 2, "person_id": 12, "value_source_value": "见王芳的报告"},
            {"measurement_id": 9, "person_id": 12, "value_source_value": "13800138000"},
            *({"measurement_id": 3 + i, "person_id": p, "value_source_value": "阴性"} for i, p in enumerate(PERSONS)),
        ),
        rows("note", {"note_id": 7, "person_id": 11, "visit_occurrence_id": 111, "note_text": TEXT, "note_date": date(2021, 3, 2)}),
        rows(
            "finding", {"finding_id": 1, "note_id": 7, "person_id": 11, "span_start": start, "span_end": start + 3, "assertion": "absent"}
        ),
        rows(
            "cost",
            {"cost_id": 1, "cost_event_id": 111, "cost_domain_id": "Visit"},
            {"cost_id": 2, "cost_event_id": 999, "cost_domain_id": "Drug"},
        ),
        rows("provider", {"provider_id": 5, "provider_name": "李医生"}),
        rows("location", {"location_id": 3, "address_1": "朝阳路8号", "state": "北京市"}),
    ]
    names = ["person", "visit_occurrence", "condition_occurrence", "measurement", "note", "finding", "cost", "provider", "location"]
    out = {}
    for name, table in zip(names, tables, strict=True):
        path = tmp_path / f"{name}.parquet"
        pq.write_table(table, path)
        out[name] = [path]
    return out


def made(files, scratch, *, key=KEY, shift_days=182, persons=None, text_persons=3, patient=()):
    known = {11: {"王芳": "姓名"}}
    policy = Policy(shift_days=shift_days, text_persons=text_persons)
    source = Deidentifier(files, key, policy, scratch, persons=persons, identifiers=known, patient=dict(patient))
    return {name: pa.Table.from_batches(source.batches(name), schema=arrow_schema(name)).to_pylist() for name in source.tables}


def test_no_identifier_is_left_in_any_table(files, tmp_path):
    everything = str(made(files, tmp_path))
    for identifier in ("王芳", "李医生", "朝阳路", "MRN", "住院号", "13800138000", "2021-03-01"):
        assert identifier not in everything, identifier


def test_references_still_hold(files, tmp_path):
    out = made(files, tmp_path)
    visits = {row["visit_occurrence_id"]: row["person_id"] for row in out["visit_occurrence"]}
    assert len(visits) == 3
    assert all(visits[row["visit_occurrence_id"]] == row["person_id"] for row in out["condition_occurrence"])
    assert {row["provider_id"] for row in out["visit_occurrence"]} == {row["provider_id"] for row in out["provider"]}
    assert [row["cost_event_id"] for row in out["cost"]] == [out["note"][0]["visit_occurrence_id"]]


def test_intervals_stay_and_dates_move_alike_in_one_person(files, tmp_path):
    out = made(files, tmp_path)
    visit = {row["person_id"]: row["visit_start_date"] for row in out["visit_occurrence"]}
    assert all((row["condition_start_date"] - visit[row["person_id"]]).days == 3 for row in out["condition_occurrence"])
    shift = KEY.shift_days(11, at_most=182)
    assert shift != 0
    assert (visit[KEY.person(11)] - date(2021, 3, 1)).days == shift
    timed = next(row["measurement_datetime"] for row in out["measurement"] if row["measurement_datetime"])
    assert (timed - datetime(2021, 3, 1, 8, 30)).days == shift


def test_note_dates_move_with_the_tables_and_spans_with_the_text(files, tmp_path):
    out = made(files, tmp_path)
    (note,), (finding,) = out["note"], out["finding"]
    visit = next(row["visit_start_date"] for row in out["visit_occurrence"] if row["person_id"] == note["person_id"])
    assert visit.isoformat() in note["note_text"]
    assert note["note_text"][finding["span_start"] : finding["span_end"]] == "糖尿病"
    assert (finding["note_id"], finding["person_id"]) == (note["note_id"], note["person_id"])


def test_free_text_stays_only_where_many_share_it(files, tmp_path):
    values = [row["value_source_value"] for row in made(files, tmp_path)["measurement"]]
    assert sorted(values, key=str) == ["12.5", None, None, "阴性", "阴性", "阴性"]


def test_birth_moves_and_loses_its_day(files, tmp_path):
    for row in made(files, tmp_path)["person"]:
        assert (row["day_of_birth"], row["birth_datetime"]) == (None, None)
        assert row["year_of_birth"] in (1970, 1971)


def test_store_keeps_true_dates(files, tmp_path):
    out = made(files, tmp_path, shift_days=0)
    assert {row["visit_start_date"] for row in out["visit_occurrence"]} == {date(2021, 3, 1)}
    assert "2021-03-01" in out["note"][0]["note_text"]


def test_slices_of_two_projects_share_no_person(files, tmp_path):
    one, other = (made(files, tmp_path, key=PseudonymKey(letter * 32)) for letter in (b"a", b"b"))
    assert not {row["person_id"] for row in one["person"]} & {row["person_id"] for row in other["person"]}


def test_slice_holds_the_granted_persons_alone(files, tmp_path):
    out = made(files, tmp_path, persons=[12])
    assert [row["person_id"] for row in out["person"]] == [KEY.person(12)]
    assert [len(out[name]) for name in ("visit_occurrence", "condition_occurrence", "measurement", "note", "finding", "cost")] == [
        1,
        1,
        3,
        0,
        0,
        0,
    ]


def test_the_patient_stays_where_the_first_registration_was_refused(files, tmp_path):
    out = made(files, tmp_path, patient={12: 7, 13: 7})
    assert sorted(row["person_id"] for row in out["person"]) == sorted([KEY.person(11), KEY.person(7)])


def test_a_row_whose_required_reference_leads_nowhere_falls_out(files, tmp_path):
    path = tmp_path / "visit_detail.parquet"
    pq.write_table(rows("visit_detail", *({"visit_detail_id": n, "person_id": 11, "visit_occurrence_id": n} for n in (111, 999))), path)
    assert len(made(files | {"visit_detail": [path]}, tmp_path)["visit_detail"]) == 1


def test_two_records_of_one_patient_become_one_person(files, tmp_path):
    out = made(files, tmp_path, patient={12: 11})
    assert sorted(row["person_id"] for row in out["person"]) == sorted([KEY.person(11), KEY.person(13)])
    assert [row["person_id"] for row in out["visit_occurrence"]].count(KEY.person(11)) == 2


def test_same_key_same_bytes(files, tmp_path):
    assert made(files, tmp_path) == made(files, tmp_path)


def test_tables_with_untyped_references_are_left_out():
    assert {"fact_relationship", "episode_event"} <= OMITTED


def test_without_persons_there_is_nothing_to_do(tmp_path):
    with pytest.raises(DataError, match="no person table"):
        Deidentifier({}, KEY, Policy(shift_days=0), tmp_path)
