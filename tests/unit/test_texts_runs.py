"""Runs over the notes of a store: what is asked, kept, resumed and published."""

from __future__ import annotations

import linecache
import os
import signal
import subprocess
import sys

import pytest

import workbench as wb
from nlp.variables.catalogue import Catalogue, Found
from nlp.variables.definition import Bilingual, Target, Value, Variable
from nlp.variables.functions import builtin
from nlp.variables.sets import VariableSet
from tests.lib.noted import noted_store
from workbench.errors import DefinitionError, WorkbenchError
from workbench.texts import runs
from workbench.texts.notes import NoteSet

COUGH = Variable(name="cough", target=Target(terms=("咳嗽",)))
DIABETES = Variable(name="diabetes", target=Target(terms=("糖尿病",)))
SIZE = Variable(name="nodule_size", documents=("CT报告",), target=Target(terms=("结节",)), value=Value(kind="quantity", unit="mm"))
ASKED = VariableSet(name="asked", variables=(COUGH, DIABETES, SIZE))


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    return noted_store(tmp_path_factory.mktemp("store"), people=8)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(runs, "BLOCK_NOTES", 8)
    monkeypatch.setattr(NoteSet.blocks, "__defaults__", (8,))


def ask(snapshot, folder, *, variables=ASKED, **options):
    return wb.notes(snapshot).structure(variables, folder=folder, workers=1, progress=False, **options)


def fail_on(monkeypatch, note_id):
    evaluate = runs.CompiledSet.evaluate

    def fails_once(self, text, *, index=None):
        if text.note.note_id == note_id:
            raise RuntimeError("of a note's words nothing may be said")
        return evaluate(self, text, index=index)

    monkeypatch.setattr(runs.CompiledSet, "evaluate", fails_once)


def files_of(folder):
    return {path.relative_to(folder): path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}


def test_a_tidy_table_says_where_each_value_stands(snapshot, tmp_path):
    found = ask(snapshot, tmp_path).table()
    size = found[found["variable"] == "nodule_size"]
    assert set(size["value_number"]) == {8.0}
    assert set(size["unit"]) == {"mm"}
    texts = dict(zip(*(column.to_pylist() for column in snapshot.read("note", ["note_id", "note_text"]).columns), strict=True))
    for row in size.itertuples():
        assert "8" in texts[row.note_id][row.span_start : row.span_end]
        assert row.evidence in texts[row.note_id]


def test_absence_is_an_answer_of_a_presence_variable(snapshot, tmp_path):
    found = ask(snapshot, tmp_path).table()
    diabetes = found[found["variable"] == "diabetes"]
    assert set(diabetes["value_text"]) == {"absent", "present"}


def test_a_wide_table_has_a_row_a_patient_and_says_where_each_cell_comes_from(snapshot, tmp_path):
    asked = ask(snapshot, tmp_path)
    wide = asked.wide("patient")
    assert list(wide.columns) == ["cough", "diabetes", "nodule_size"]
    assert wide["cough"].eq("present").all()
    assert len(wide) == 8
    assert wide["diabetes"].eq("present").all(), "present in one note outweighs absent in another"
    sources = asked.sources("encounter")
    cells = asked.wide("encounter").stack()
    assert len(sources) == len(cells) == 24
    texts = dict(zip(*(column.to_pylist() for column in snapshot.read("note", ["note_id", "note_text"]).columns), strict=True))
    cough = sources[sources["variable"] == "cough"]
    assert all(texts[row.note_id][int(row.span_start) : int(row.span_end)] == "咳嗽" for row in cough.itertuples())


def test_a_finished_run_asks_nothing(snapshot, tmp_path, monkeypatch):
    before = ask(snapshot, tmp_path).table()
    monkeypatch.setattr(runs, "answer_blocks", None)
    assert ask(snapshot, tmp_path).table().equals(before)


def test_only_a_changed_variable_is_asked_again(snapshot, tmp_path):
    ask(snapshot, tmp_path)
    before = files_of(tmp_path)
    changed = VariableSet(name="asked", variables=(COUGH, DIABETES, Variable(name="nodule_size", target=Target(terms=("结节", "占位")))))
    ask(snapshot, tmp_path, variables=changed)
    after = files_of(tmp_path)
    assert {path: time for path, time in after.items() if path in before} == before
    assert {path.parts[3].split("-")[0] for path in after.keys() - before.keys()} == {"nodule_size"}


def test_a_newer_function_asks_again(snapshot, tmp_path, monkeypatch):
    ask(snapshot, tmp_path)
    before = files_of(tmp_path)
    monkeypatch.setattr(runs.CompiledSet, "version", property(lambda self: "f" * 64))
    runs._version_of.cache_clear()
    ask(snapshot, tmp_path)
    runs._version_of.cache_clear()
    assert len(files_of(tmp_path)) == 2 * len(before)


def test_only_a_missing_block_is_asked_again(snapshot, tmp_path):
    whole = ask(snapshot, tmp_path).table()
    before = files_of(tmp_path)
    lost = sorted(path for path in before if "block-000001" in path.name)
    for path in lost:
        (tmp_path / path).unlink()
    assert ask(snapshot, tmp_path).table().equals(whole)
    after = files_of(tmp_path)
    assert sorted(path for path in after if after[path] != before[path]) == lost


def test_processes_give_what_one_process_gives(snapshot, tmp_path):
    alone = ask(snapshot, tmp_path / "one").table()
    several = wb.notes(snapshot).structure(ASKED, folder=tmp_path / "two", workers=2, progress=False).table()
    assert several.equals(alone)


_KILLED = """
import sys
from pathlib import Path
from tests.unit.test_texts_runs import ASKED
from workbench.store import open_store
from workbench.texts import runs
from workbench.texts.notes import NoteSet
NoteSet.blocks.__defaults__ = (8,)
runs.BLOCK_NOTES = 8
keep = runs._keep
def slowly(folders, done):
    keep(folders, done)
    print(done.number, flush=True)
    if done.number:
        sys.stdin.readline()
runs._keep = slowly
runs.structure(NoteSet(open_store(sys.argv[1])), ASKED, folder=Path(sys.argv[2]), workers=1, progress=False)
"""


def test_a_killed_run_goes_on_where_it_was(snapshot, tmp_path):
    whole = ask(snapshot, tmp_path / "whole").table()
    store = snapshot.path.parents[1]
    command = [sys.executable, "-c", _KILLED, str(store), str(tmp_path / "killed")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "0\n"
    assert process.stdout.readline() == "1\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    before = files_of(tmp_path / "killed")
    assert {path.name for path in before} == {"block-000000.parquet", "block-000001.parquet"}
    assert ask(snapshot, tmp_path / "killed").table().equals(whole)
    after = files_of(tmp_path / "killed")
    assert all(after[path] == time for path, time in before.items())


def test_one_note_that_fails_is_counted_and_the_rest_goes_on(snapshot, tmp_path, monkeypatch):
    fail_on(monkeypatch, 3)
    asked = ask(snapshot, tmp_path)
    assert asked.refused.to_dict("records") == [{"note_id": 3, "variable": "", "why": "failed with RuntimeError"}]
    assert set(asked.table(all_answers=True)["note_id"]) == set(range(1, 33)) - {3}


def test_refused_notes_are_asked_again_where_that_is_wanted_and_where_the_variable_changed(snapshot, tmp_path, monkeypatch):
    with monkeypatch.context() as failing:
        fail_on(failing, 3)
        ask(snapshot, tmp_path)
    assert len(ask(snapshot, tmp_path).refused) == 1, "what was answered is not asked again"
    changed = VariableSet(name="asked", variables=(Variable(name="cough", target=Target(terms=("咳嗽", "干咳"))),))
    assert ask(snapshot, tmp_path, variables=changed).refused.empty
    before = files_of(tmp_path)
    again = ask(snapshot, tmp_path, retry_refused=True)
    assert again.refused.empty
    assert set(again.table(all_answers=True)["note_id"]) == set(range(1, 33))
    after = files_of(tmp_path)
    assert {path.name for path in after if after[path] != before[path]} == {"block-000000.parquet"}


def test_a_cohort_asks_for_what_was_published(snapshot, tmp_path):
    published = ask(snapshot, tmp_path).publish()
    large = wb.cohort("结节").enter(wb.encounters()).require("结节≥8mm", wb.findings("nodule_size").where(value_ge=8))
    assert large.run(published).rows["person_id"].nunique() == 8
    assert large.run(snapshot).rows.empty
    assert published.id.startswith(snapshot.id + "+")
    ids = published.read("finding")["finding_id"].to_pylist()
    assert len(ids) == len(set(ids))


def test_notes_of_a_cohort_are_those_of_its_patients_in_its_window(snapshot):
    cohort = wb.cohort("前三人").enter(wb.encounters()).require("男", wb.sex == "male")
    chosen = wb.notes(cohort.run(snapshot), kind="CT报告", days=(0, 1))
    found = [each for block in chosen.blocks() for each in block]
    assert {each.person_id % 2 for each in found} == {1}
    assert {each.note.document_type for each in found} == {"CT报告"}
    assert {(each.note.written - each.note.admitted).days for each in found} <= {0, 1}
    assert chosen.count() == len(found) > 0


def test_without_a_cohort_notes_are_a_criterion():
    assert wb.notes(text="咳嗽").node.events[0].conditions[0].operator == "contains"


def test_days_without_a_cohort_and_things_that_are_no_cohort_are_refused(snapshot):
    with pytest.raises(DefinitionError, match="no cohort"):
        wb.notes(snapshot, days=(0, 1))
    with pytest.raises(DefinitionError, match="not a int"):
        wb.notes(3)
    with pytest.raises(DefinitionError, match="does not choose"):
        wb.notes(snapshot, text="咳嗽")


@pytest.mark.parametrize("days", [(7,), 7, (0, 1, 2), (None, 0), ("-7", "0")])
def test_days_are_two_whole_numbers(snapshot, days):
    cohort = wb.cohort("所有人").enter(wb.encounters())
    with pytest.raises(DefinitionError, match=r"wanted two whole numbers"):
        wb.notes(cohort.run(snapshot), days=days)


def own_functions(body: str) -> Catalogue:
    """Return the built-in functions and one as a researcher writes it into a cell of a notebook."""
    functions = builtin()
    cell = f"def how_long(view):\n    {body}\n"
    place = f"<cell {len(linecache.cache)}>"
    linecache.cache[place] = (len(cell), None, cell.splitlines(keepends=True), place)
    names = {"Found": Found, "__name__": "__main__"}
    exec(compile(cell, place, "exec"), names)
    functions.function(description=Bilingual("字数", "Length"), parameters={})(names["how_long"])
    return functions


OWN = VariableSet(name="own", variables=(COUGH, Variable(name="own", target=Target(function="how_long"), value=Value(kind="quantity"))))


def test_functions_of_a_notebook_are_asked_and_asked_again_when_they_change(snapshot, tmp_path):
    functions = own_functions("yield Found(float(len(view.text)), 0, 1)")
    structured = wb.notes(snapshot).structure(OWN, catalogue=functions, folder=tmp_path, progress=False)
    assert len(structured.table()[lambda table: table["variable"] == "own"]) == 32
    assert structured.publish().read("finding").num_rows == len(structured.table())
    before = files_of(tmp_path)
    changed = own_functions("yield Found(1.0, 0, 1)")
    again = wb.notes(snapshot).structure(OWN, catalogue=changed, folder=tmp_path, progress=False)
    assert set(again.wide()["own"]) == {1.0}
    assert {path.parts[3].split("-")[0] for path in files_of(tmp_path).keys() - before.keys() if "answers" in path.parts} == {"own"}


def test_functions_of_a_notebook_cannot_be_sent_to_other_processes(snapshot, tmp_path):
    functions = own_functions("yield Found(1.0, 0, 1)")
    with pytest.raises(DefinitionError, match="'how_long' was defined in the notebook"):
        wb.notes(snapshot).structure(OWN, catalogue=functions, workers=2, folder=tmp_path, progress=False)


def test_a_stopped_run_says_so_in_a_line_and_keeps_what_is_done(snapshot, tmp_path, monkeypatch):
    keep = runs._keep

    def stopped(folders, done):
        keep(folders, done)
        if done.number:
            raise KeyboardInterrupt

    with monkeypatch.context() as pressed:
        pressed.setattr(runs, "_keep", stopped)
        with pytest.raises(WorkbenchError, match="已停止") as error:
            ask(snapshot, tmp_path)
    assert error.value.__suppress_context__
    before = files_of(tmp_path)
    assert len(before) == 2 * len(ASKED)
    whole = ask(snapshot, tmp_path / "whole").table()
    assert ask(snapshot, tmp_path).table().equals(whole)
    assert {path: time for path, time in files_of(tmp_path).items() if path in before} == before


def test_no_answer_at_all_gives_empty_tables(snapshot, tmp_path):
    nothing = VariableSet(name="none", variables=(Variable(name="none", target=Target(terms=("猩红热样皮疹",))),))
    structured = ask(snapshot, tmp_path, variables=nothing)
    assert structured.wide().empty
    assert structured.wide("encounter").empty
    assert structured.sources().empty
    assert structured.summary()["answers"].tolist() == [0]


def test_progress_is_shown(snapshot, tmp_path, capfd):
    wb.notes(snapshot).structure(ASKED, folder=tmp_path, workers=1)
    shown = capfd.readouterr().err
    assert "32/32" in shown
    assert "文书" in shown
