"""``workbench atlas`` on a small folder: who answers, what is reported, what happens when nothing can."""

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from tests.lib.circe_cases import random_tables
from workbench.cohort.atlas.runner import AtlasRunner
from workbench.cohort.serial import load
from workbench.commands.atlas import app
from workbench.locale import set_language
from workbench.store.duckdb import DuckDBEngine
from workbench.store.folder import OmopFolder, connect

SEED = 4


def definition(criterion, **parts):
    return {
        "ConceptSets": [],
        "PrimaryCriteria": {
            "CriteriaList": [criterion],
            "ObservationWindow": {"PriorDays": 0, "PostDays": 0},
            "PrimaryCriteriaLimit": {"Type": "All"},
        },
        "QualifiedLimit": {"Type": "All"},
        "ExpressionLimit": {"Type": "All"},
        "InclusionRules": [],
    } | parts


OWN = definition({"ConditionOccurrence": {}})
CIRCEPY = definition({"ConditionOccurrence": {"DateAdjustment": {"startOffset": 1, "endOffset": 1}}})
NEITHER = definition({"LocationRegion": {"CodesetId": 0}})


@pytest.fixture(autouse=True)
def english():
    set_language("en")
    yield
    set_language("zh")


def write_tables(tables, folder):
    for name, table in tables.items():
        (folder / name).mkdir(parents=True)
        pq.write_table(table, folder / name / "part-0.parquet")


@pytest.fixture
def omop(tmp_path):
    folder = tmp_path / "omop"
    write_tables(random_tables(SEED, ties=False), folder)
    return folder


def answer(folder, found):
    with OmopFolder(folder) as view, DuckDBEngine(view, progress=False) as engine, connect(view) as connection:
        return AtlasRunner(engine, connection).run(json.dumps(found), cohort_id="1")


def test_who_answers(omop):
    own, theirs, nobody = (answer(omop, found) for found in (OWN, CIRCEPY, NEITHER))
    assert (own.by, theirs.by, nobody.by) == ("own", "circepy", "error")
    assert own.rows.num_rows > 0
    assert theirs.rows.num_rows > 0
    assert "DateAdjustment" in theirs.explain()
    assert "circepy failed" in nobody.explain()


def test_data_that_break_a_rule_go_to_circepy(tmp_path):
    tables = random_tables(SEED, ties=False)
    periods = tables["observation_period"]
    tables["observation_period"] = pa.concat_tables([periods, periods])
    write_tables(tables, tmp_path / "omop")
    found = answer(tmp_path / "omop", OWN)
    assert found.by == "circepy"
    assert "overlap" in found.reasons[0]


def test_procedures_with_a_recorded_end_go_to_circepy_only_where_an_end_is_asked(tmp_path):
    tables = random_tables(SEED, ties=False)
    procedures = tables["procedure_occurrence"]
    column = procedures.schema.get_field_index("procedure_end_date")
    tables["procedure_occurrence"] = procedures.set_column(column, "procedure_end_date", procedures["procedure_date"])
    write_tables(tables, tmp_path / "omop")
    procedure = {"ProcedureOccurrence": {}}
    exit_at_end = {"DateOffset": {"DateField": "EndDate", "Offset": 0}}
    assert answer(tmp_path / "omop", definition(procedure)).by == "own"
    assert answer(tmp_path / "omop", definition(procedure, EndStrategy=exit_at_end)).by == "circepy"


def test_run_writes_counts_and_goes_on_after_an_error(omop, tmp_path):
    folder = tmp_path / "definitions"
    folder.mkdir()
    for name, found in {"1": OWN, "2": CIRCEPY, "10": NEITHER}.items():
        (folder / f"{name}.json").write_text(json.dumps(found), encoding="utf-8")
    (folder / "11.json").write_text("no JSON", encoding="utf-8")
    out = tmp_path / "counts.csv"
    result = CliRunner().invoke(app, ["run", str(folder), "--omop", str(omop), "--out", str(out)])
    assert result.exit_code == 3
    with out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["cohort_id"], row["by"]) for row in rows] == [("1", "own"), ("2", "circepy"), ("10", "error"), ("11", "error")]
    assert int(rows[0]["rows"]) >= int(rows[0]["persons"]) > 0
    assert (rows[2]["persons"], rows[2]["rows"]) == ("", "")
    report = (tmp_path / "counts.report.csv").read_text(encoding="utf-8")
    assert "DateAdjustment" in report
    assert "LocationRegion" in report
    assert "10: could not be answered" in result.stderr


def test_run_of_one_file(omop, tmp_path):
    file, out = tmp_path / "7.json", tmp_path / "counts.csv"
    file.write_text(json.dumps(OWN), encoding="utf-8-sig")
    result = CliRunner().invoke(app, ["run", str(file), "--omop", str(omop), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert out.read_text(encoding="utf-8").splitlines()[1].startswith("7,")


def test_import_and_export_report_and_refuse_losses(tmp_path):
    file, ours, back = tmp_path / "1.json", tmp_path / "ours.json", tmp_path / "back.json"
    file.write_text(json.dumps(OWN), encoding="utf-8")
    result = CliRunner().invoke(app, ["import", str(file), "--out", str(ours)])
    assert result.exit_code == 0, result.output
    assert "every part has a counterpart" in result.output
    assert load(ours).name == "1"
    assert CliRunner().invoke(app, ["export", str(ours), "--out", str(back)]).exit_code == 0
    assert "ConditionOccurrence" in back.read_text(encoding="utf-8")

    file.write_text(json.dumps(CIRCEPY), encoding="utf-8")
    refused = tmp_path / "refused.json"
    result = CliRunner().invoke(app, ["import", str(file), "--out", str(refused)])
    assert result.exit_code != 0
    assert "DateAdjustment" in result.output
    assert not refused.exists()
    assert CliRunner().invoke(app, ["import", str(file), "--out", str(refused), "--allow-loss"]).exit_code == 0
    assert refused.exists()


def test_text_in_a_definition_reaches_no_file(omop, tmp_path):
    """What circepy writes runs where only the data can be read: a text that breaks out of its quotes finds nothing."""
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n", encoding="utf-8")
    text = f"x' OR (SELECT count(*) FROM read_csv('{secret}')) > 0 OR '' = '"
    found = answer(omop, definition({"ConditionOccurrence": {"StopReason": {"Op": "contains", "Text": text}}}))
    assert found.by == "circepy"
    assert found.rows.num_rows == 0
    with OmopFolder(omop) as view, connect(view) as connection, pytest.raises(Exception, match="disabled by configuration"):
        connection.execute(f"SELECT * FROM read_csv('{secret}')")
