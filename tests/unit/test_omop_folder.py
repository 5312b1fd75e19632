"""Any OMOP folder as a snapshot: Parquet in place, all else fitted once."""

from datetime import date

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from tests.lib.circe_cases import random_tables
from workbench.errors import DataError
from workbench.store.duckdb import DuckDBEngine
from workbench.store.folder import OmopFolder
from workbench.tables import arrow_schema


@pytest.fixture
def tables():
    return random_tables(2, ties=True)


def test_fitting_parquet_is_read_in_place(tables, tmp_path):
    pq.write_table(tables["person"], tmp_path / "person.parquet")
    with OmopFolder(tmp_path) as folder:
        assert folder.files("person") == [tmp_path / "person.parquet"]
        assert folder.tables == {"person"}
        assert folder.files("death") == []
        assert folder.schema("death") == arrow_schema("death")
        assert folder.read("person", ["person_id"]).num_rows == tables["person"].num_rows


def test_csv_gives_what_parquet_gives(tables, tmp_path):
    for name in ("person", "observation_period", "condition_occurrence", "concept"):
        pa_csv.write_csv(tables[name], tmp_path / f"{name.upper()}.csv")
    with OmopFolder(tmp_path) as folder:
        for name in ("person", "condition_occurrence"):
            assert folder.read(name).cast(tables[name].schema).sort_by([(f"{name}_id", "ascending")]) == tables[name].sort_by(
                [(f"{name}_id", "ascending")]
            )


def test_names_of_cdm_53_capitals_timestamps_and_athena_dates(tmp_path):
    visit = pa.table(
        {"VISIT_OCCURRENCE_ID": [1], "person_id": [1.0], "visit_start_date": ["2020-01-02 00:00:00"], "discharge_to_concept_id": [8536]}
    )
    (tmp_path / "visit_occurrence").mkdir()
    pq.write_table(visit, tmp_path / "visit_occurrence" / "a.parquet")
    pq.write_table(pa.table({"person_id": [1]}), tmp_path / "person.parquet")
    (tmp_path / "concept.csv").write_text("concept_id\tvalid_start_date\tinvalid_reason\n1\t19700101\t\n", encoding="utf-8")
    with OmopFolder(tmp_path) as folder:
        found = folder.read("visit_occurrence", ["visit_occurrence_id", "person_id", "visit_start_date", "discharged_to_concept_id"])
        assert found.to_pylist()[0] == {
            "visit_occurrence_id": 1,
            "person_id": 1,
            "visit_start_date": date(2020, 1, 2),
            "discharged_to_concept_id": 8536,
        }
        assert folder.read("concept", ["valid_start_date", "invalid_reason"]).to_pylist() == [
            {"valid_start_date": date(1970, 1, 1), "invalid_reason": None}
        ]


def test_values_that_do_not_fit_are_counted(tmp_path):
    pq.write_table(pa.table({"person_id": ["1", "two", "2.5", None]}), tmp_path / "person.parquet")
    with OmopFolder(tmp_path) as folder, pytest.raises(DataError, match=r"2 values of person\.person_id are no integer"):
        folder.files("person")


def test_broken_and_missing_files(tmp_path):
    with pytest.raises(DataError, match="has no person table"):
        OmopFolder(tmp_path)
    (tmp_path / "person.parquet").write_bytes(b"no parquet")
    with OmopFolder(tmp_path) as folder, pytest.raises(DataError, match="cannot be read as Parquet"):
        folder.files("person")


def test_the_scratch_folder_goes(tables, tmp_path):
    pa_csv.write_csv(tables["person"], tmp_path / "person.csv")
    with OmopFolder(tmp_path) as folder, DuckDBEngine(folder, progress=False):
        scratch = folder.files("person")[0].parent
        assert scratch.is_dir()
    assert not scratch.exists()
