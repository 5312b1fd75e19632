"""``workbench store``: what each command prints, and its exit code."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from tests.lib.omop_csv import with_rows, write_csv
from tests.lib.stores import small_store
from workbench.commands.store import app
from workbench.errors import EXIT_CODES, IntegrityError, WorkbenchError
from workbench.locale import set_language
from workbench.store import Store
from workbench.store.dictionary import dictionary_html, dictionary_markdown
from workbench.tables import TABLES


@pytest.fixture
def run():
    """Run a command; give its exit code and what it printed."""

    def call(*arguments):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if isinstance(result.exception, WorkbenchError):
            return result.exception.exit_code, result.output + str(result.exception)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.output

    return call


@pytest.fixture
def english():
    set_language("en")
    yield
    set_language("zh")


def test_list_names_every_snapshot(tmp_path, run):
    first, second = small_store(tmp_path), small_store(tmp_path)
    code, output = run("list", "--store", tmp_path)
    assert code == 0
    assert output.index(first) < output.index(second)
    assert "2 snapshots" in output
    assert "Next: workbench store show" in output


def test_the_store_may_be_named_by_the_environment(tmp_path, run, monkeypatch):
    small_store(tmp_path)
    monkeypatch.setenv("WORKBENCH_STORE", str(tmp_path))
    assert run("list")[0] == 0
    monkeypatch.delenv("WORKBENCH_STORE")
    code, output = run("list")
    assert (code, "no store is named" in output) == (4, True)


def test_show_tells_tables_policy_and_report(tmp_path, run):
    run("import", write_csv(tmp_path / "in"), "--out", tmp_path / "store")
    code, output = run("show", "--store", tmp_path / "store")
    assert code == 0
    assert "not de-identified" in output
    assert "# Import of in" in output
    assert run("show", "nothing", "--store", tmp_path / "store")[0] == 4


def test_verify_names_the_fault_and_exits_with_seven(tmp_path, run):
    small_store(tmp_path)
    assert run("verify", tmp_path)[0] == 0
    [file] = Store(tmp_path).latest().files("person")
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-1])
    code, output = run("verify", tmp_path)
    assert code == IntegrityError.exit_code == 7
    assert "changed: " in output
    assert "tables/person/part-00000.parquet" in output
    assert run("verify", tmp_path / "nothing")[0] == 4


def test_import_prints_the_report_and_the_quarantine(tmp_path, run):
    source = write_csv(tmp_path / "in", with_rows("condition_occurrence", "103,9,1,2020-03-01,32817,E11,10"))
    code, output = run("import", source, "--out", tmp_path / "store")
    assert code == 0
    assert "| refused | condition_occurrence | person_id | no such person | 1 |" in output
    assert "Quarantine" in output
    assert f"Snapshot {Store(tmp_path / 'store').latest().id}" in output


def test_import_wants_a_store_or_a_preview(tmp_path, run):
    assert run("import", write_csv(tmp_path / "in"))[0] == 2
    assert run("import", tmp_path / "in", "--preview")[0] == 3
    assert run("import", tmp_path / "nothing", "--out", tmp_path / "store")[0] == 4


def test_preview_shows_mapped_rows_and_writes_nothing(tmp_path, run):
    write_csv(tmp_path / "in")
    (tmp_path / "m.yaml").write_text(
        "tables: {p: {file: person.csv}}\nperson: {from: p, key: person_id, columns: {year_of_birth: year_of_birth}}\n", encoding="utf-8"
    )
    code, output = run("import", tmp_path / "in", "--mapping", tmp_path / "m.yaml", "--preview")
    assert code == 0
    assert "person: 3 rows" in output
    assert "year_of_birth=1960" in output
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("command", ["list", "show", "verify", "dictionary", "import"])
def test_help_has_an_example_and_exit_codes(run, command):
    code, output = run(command, "--help")
    assert code == 0
    assert f"workbench store {command}" in output
    assert f"0: {EXIT_CODES[0]}" in output


@pytest.mark.parametrize("ending", [".md", ".html"])
def test_the_dictionary_names_every_table_and_column(tmp_path, run, ending):
    code, _ = run("dictionary", "--out", tmp_path / f"d{ending}")
    page = (tmp_path / f"d{ending}").read_text(encoding="utf-8")
    assert code == 0
    assert all(name in page for name in TABLES)
    assert all(column.name in page for table in TABLES.values() for column in table.columns)


def test_the_dictionary_speaks_chinese_by_default():
    assert "数据字典" in dictionary_markdown()
    assert "患者编号" in dictionary_html()


def test_the_dictionary_speaks_english_when_asked(english):
    assert dictionary_markdown().startswith("# Data dictionary")


def test_another_ending_is_refused(tmp_path, run):
    assert run("dictionary", "--out", tmp_path / "d.pdf")[0] == 3
