"""One patient of a hospital in three kinds of data: images, notes and tables of a project agree, and none of them names the patient."""

import csv
import datetime

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pydicom
import pytest

from tests.lib.command import workbench_command
from tests.lib.dicom_files import ct_series, write
from workbench.ingest.hospital import ingest_hospital
from workbench.projects.project import read_project
from workbench.projects.provision import provision
from workbench.pseudonyms import PseudonymKey
from workbench.store import Store
from workbench.synthetic.extract import build

_PROJECT = """
[project]
name = "chest"
title = "Chest"
lead = "ada"
members = ["ada"]

[slice]
shift_days = 70

[approval]
reference = "2026-1"
by = "board"
on = 2026-01-02
"""


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    """The extract, the store made of it, the slice of a project, and their keys."""
    place = tmp_path_factory.mktemp("hospital")
    build(place / "raw", n_patients=12, seed=11)
    key = PseudonymKey.load(place / "keys" / "store.key")
    ingest_hospital(place / "raw", place / "store", key=key)
    (place / "chest.toml").write_text(_PROJECT, encoding="utf-8")
    project = read_project(place / "chest.toml")
    own = PseudonymKey.load(place / "keys" / "chest.key")
    provision(project, Store(place / "store").latest(), slices=place / "slices", key=own)
    return place


@pytest.fixture
def imaging(capsys):
    def run(*arguments):
        code = workbench_command("imaging", *arguments)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run


def noted(hospital):
    """Return the index record of a patient who has notes, the day of the first one as it was and as it is, and its text."""
    notes = ds.dataset(next((hospital / "raw" / "tables").glob("note*"))).to_table(columns=["person_id", "note_date"]).to_pylist()
    index = ds.dataset(hospital / "raw" / "identifiers").to_table().to_pylist()
    person = min(note["person_id"] for note in notes)
    days = sorted(note["note_date"] for note in notes if note["person_id"] == person)
    return next(record for record in index if record["person_id"] == person), days


def test_images_notes_and_tables_of_a_project_agree(hospital, tmp_path, imaging):
    record, days = noted(hospital)
    name = record["name"]
    series = ct_series(
        2,
        PatientID=record["mrn"],
        PatientName="",
        SpecificCharacterSet="ISO_IR 192",
        StudyDate=f"{days[0]:%Y%m%d}",
        ImageComments=f"{name} {record['phone']} {record['identity_number']}",
    )
    write(series, tmp_path / "pacs")
    write(ct_series(1, study=2, PatientID="NOBODY-1"), tmp_path / "pacs" / "stranger")

    patients = tmp_path / "patients.csv"
    code, said, _ = imaging("patients", hospital / "raw", "--key", hospital / "keys" / "store.key", "--out", patients)
    assert code == 0
    assert "records=" in said
    assert patients.stat().st_mode & 0o077 == 0
    code, said, _ = imaging(
        *("deidentify", tmp_path / "pacs", "--out", tmp_path / "clean", "--project", hospital / "chest.toml", "--quiet"),
        *("--keys", hospital / "keys", "--patients", patients, "--slice", hospital / "slices" / "chest"),
    )
    assert code == 4
    assert "written=2 held_back=1" in said

    images = [pydicom.dcmread(path) for path in sorted((tmp_path / "clean").rglob("*.dcm"))]
    granted = Store(hospital / "slices" / "chest").latest()
    persons = granted.read("person", ["person_id"])["person_id"].to_pylist()
    assert {int(image.PatientID) for image in images} <= set(persons)
    notes = [note for note in granted.read("note").to_pylist() if note["person_id"] == int(images[0].PatientID)]
    moved = datetime.datetime.strptime(images[0].StudyDate, "%Y%m%d").date() - days[0]
    assert [note["note_date"] for note in sorted(notes, key=lambda note: note["note_date"])] == [day + moved for day in days]
    assert moved.days % 7 == 0
    for value in (name, record["phone"], record["identity_number"], record["mrn"]):
        assert not any(value in note["note_text"] for note in notes)
        assert not any(value.encode() in path.read_bytes() for path in (tmp_path / "clean").rglob("*.dcm"))


def test_a_number_that_two_patients_have_is_left_out(hospital, tmp_path, imaging):
    raw = tmp_path / "raw"
    (raw / "identifiers").mkdir(parents=True)
    table = ds.dataset(hospital / "raw" / "identifiers").to_table().to_pylist()
    first, second = table[0], next(record for record in table if record["identity_number"] != table[0]["identity_number"])
    pq.write_table(pa.Table.from_pylist([first, second | {"mrn": first["mrn"]}, second]), raw / "identifiers" / "one.parquet")
    code, said, told = imaging("patients", raw, "--key", hospital / "keys" / "store.key", "--out", tmp_path / "p.csv")
    assert (code, "records=1 shared=1" in said, "扣留" in told) == (0, True, True)
    rows = list(csv.DictReader((tmp_path / "p.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["patient_id"] for row in rows] == [second["mrn"]]


def test_a_slice_of_another_key_is_refused(hospital, tmp_path, imaging):
    write(ct_series(1), tmp_path / "pacs")
    imaging("patients", hospital / "raw", "--key", hospital / "keys" / "store.key", "--out", tmp_path / "p.csv")
    code, _, _ = imaging(
        *("deidentify", tmp_path / "pacs", "--out", tmp_path / "clean", "--project", "other", "--quiet", "--keys", tmp_path / "keys"),
        *("--patients", tmp_path / "p.csv", "--slice", hospital / "slices" / "chest"),
    )
    assert code == 4
    assert not (tmp_path / "clean").exists()


def test_a_key_or_column_that_is_not_there_is_refused(hospital, tmp_path, imaging):
    key, out = hospital / "keys" / "store.key", tmp_path / "p.csv"
    assert imaging("patients", hospital / "raw", "--key", tmp_path / "no.key", "--out", out)[0] == 4
    assert not (tmp_path / "no.key").exists()
    assert imaging("patients", hospital / "raw", "--key", key, "--out", out, "--column", "pacs_id")[0] == 4
    assert imaging("patients", tmp_path, "--key", key, "--out", out)[0] == 4
    assert not out.exists()
