"""``workbench cohort``: rows are written whole or not at all, and no count is shown without a policy."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from tests.lib.stores import small_store
from workbench.cohort.engine import ROW_SCHEMA
from workbench.cohort.query import CodeItem, Codelist, Cohort, Combination, Condition, Entry, Events, Occurs, Rule, Window
from workbench.cohort.serial import definition_hash, write_definition
from workbench.commands.cohort import app
from workbench.errors import DataError, DefinitionError, EnvironmentFault, PolicyError
from workbench.store.snapshots import Store

LABS = Events("labs", Codelist((CodeItem("3004410", "concept"),)), (Condition("value", "ge", (5.0,)),))
COHORT = Cohort("有 HbA1c", Entry((LABS,), limit="first"), (Rule("再次升高", "require", Occurs((LABS,), (Window(1, None),), count=3)),))


@pytest.fixture(autouse=True)
def _outside_a_session(monkeypatch, tmp_path) -> None:
    monkeypatch.delenv("WORKBENCH_POLICY", raising=False)
    monkeypatch.setenv("WORKBENCH_SESSION", str(tmp_path / "no-manifest.toml"))


@pytest.fixture
def store(tmp_path):
    small_store(tmp_path / "store", people=60, rows=3_000)
    return tmp_path / "store"


@pytest.fixture
def policy(tmp_path):
    path = tmp_path / "policy.toml"
    path.write_text("[disclosure]\nthreshold = 10\nrounding = 5\n", encoding="utf-8")
    return path


def saved(path, definition=COHORT):
    path.write_text(write_definition(definition), encoding="utf-8")
    return path


def call(*arguments):
    return CliRunner().invoke(app, [str(each) for each in arguments])


def test_run_writes_the_rows_and_shows_no_count_without_a_policy(tmp_path, store) -> None:
    out = tmp_path / "rows.parquet"
    result = call("run", saved(tmp_path / "c.json"), "--store", store, "--out", out)
    assert result.exit_code == 0, result.output
    rows = pq.read_table(out)
    assert rows.schema.equals(ROW_SCHEMA)
    assert rows.num_rows > 20
    told = result.output.replace(Store(store).latest().id, "").replace(definition_hash(COHORT), "").replace(str(tmp_path), "")
    assert not any(character.isdigit() for character in told), told
    assert "no disclosure policy" in result.output


def test_under_a_policy_the_attrition_is_shown_rounded(tmp_path, store, policy) -> None:
    result = call("run", saved(tmp_path / "c.json"), "--store", store, "--out", tmp_path / "r.parquet", "--policy", policy)
    assert result.exit_code == 0, result.output
    lines = [line for line in result.output.splitlines() if "再次升高" in line]
    assert len(lines) == 1
    assert int(lines[0].split()[0]) % 10 == 0


def test_a_combination_shows_its_persons_under_a_policy(tmp_path, store, policy) -> None:
    both = Combination("两者", "union", (COHORT, Cohort("另一", Entry((LABS,)))))
    result = call("run", saved(tmp_path / "c.json", both), "--store", store, "--out", tmp_path / "r.parquet", "--policy", policy)
    assert result.output.splitlines()[0].split() == ["60", "两者"]


def test_a_named_policy_that_cannot_be_used_stops_the_run(tmp_path, store) -> None:
    out = tmp_path / "r.parquet"
    result = call("run", saved(tmp_path / "c.json"), "--store", store, "--out", out, "--policy", tmp_path / "none.toml")
    assert isinstance(result.exception, PolicyError)
    assert not out.exists()


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        (lambda tmp_path, store: ("missing.json", store, tmp_path / "r.parquet"), DataError),
        (lambda tmp_path, store: (_text(tmp_path, "{}"), store, tmp_path / "r.parquet"), DefinitionError),
        (lambda tmp_path, store: (saved(tmp_path / "c.json"), tmp_path / "nowhere", tmp_path / "r.parquet"), DataError),
        (lambda tmp_path, store: (saved(tmp_path / "c.json"), store, tmp_path / "no" / "r.parquet"), EnvironmentFault),
    ],
    ids=["no file", "no definition", "no store", "no folder"],
)
def test_a_wrong_call_is_a_typed_error_and_writes_nothing(tmp_path, store, broken, error) -> None:
    file, where, out = broken(tmp_path, store)
    result = call("run", file, "--store", where, "--out", out)
    assert isinstance(result.exception, error), result.exception
    assert not out.exists()


def test_what_stood_there_stays_when_writing_fails(tmp_path, store, monkeypatch) -> None:
    out = tmp_path / "rows.parquet"
    out.write_bytes(b"before")

    def full(_rows, file) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("workbench.commands.cohort.pq.write_table", full)
    result = call("run", saved(tmp_path / "c.json"), "--store", store, "--out", out)
    assert isinstance(result.exception, EnvironmentFault)
    assert out.read_bytes() == b"before"
    assert not list(tmp_path.glob(".rows*"))


def test_show_and_hash(tmp_path) -> None:
    file = saved(tmp_path / "c.json")
    shown = call("show", file).output
    assert "Rule: name=再次升高, kind=require" in shown
    assert "value" in shown
    assert call("hash", file).output.strip() == definition_hash(COHORT)


def _text(folder, text: str):
    path = folder / "bad.json"
    path.write_text(text, encoding="utf-8")
    return path
