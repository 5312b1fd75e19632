"""Phenotypes of the OHDSI PhenotypeLibrary on random data of 20,000 persons: exactly what the Java-made SQL counts."""

import csv

import pytest

from tests.lib.paths import shared
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
