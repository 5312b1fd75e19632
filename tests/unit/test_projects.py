"""A project's file says what is granted; provisioning refuses what must not be handed over."""

from datetime import date

import pytest

from tests.unit.test_deidentify import rows
from workbench.errors import DefinitionError, Refusal
from workbench.projects.project import read_project
from workbench.projects.provision import provision
from workbench.pseudonyms import PseudonymKey
from workbench.store import SnapshotWriter, Store

KEY = PseudonymKey(b"p" * 32)
GOOD = """
[project]
name = "heart"
title = "t"
lead = "li"
members = ["li"]
[slice]
{slice}
[approval]
by = "committee"
on = 2026-01-02
reference = "r1"
"""


def project(folder, text=GOOD, **slots):
    path = folder / "project.toml"
    path.write_text(text.format(slice=slots.get("slice", "")), encoding="utf-8")
    return read_project(path)


def store(folder, *, policy=None):
    with SnapshotWriter(folder / "store", source="test", policy=policy) as writer:
        writer.write("person", rows("person", {"person_id": 1, "year_of_birth": 1970}))
        writer.write("visit_occurrence", rows("visit_occurrence", {"visit_occurrence_id": 1, "person_id": 1}))
        writer.write("note", rows("note", {"note_id": 1, "person_id": 1, "note_text": "王芳入院", "note_date": date(2020, 1, 1)}))
    return Store(folder / "store").latest()


def test_a_slice_has_its_own_persons_dates_and_no_more(tmp_path):
    made = provision(project(tmp_path), store(tmp_path, policy={"method": "x"}), slices=tmp_path / "slices", key=KEY)
    assert made.read("person")["person_id"].to_pylist() == [KEY.person(1)]
    assert made.manifest.policy["project"] == "heart"
    assert made.index_path("notes") is not None


def test_notes_of_a_store_that_was_not_deidentified_are_refused(tmp_path):
    with pytest.raises(Refusal, match="not de-identified"):
        provision(project(tmp_path), store(tmp_path), slices=tmp_path / "slices", key=KEY)
    granted = project(tmp_path, slice='tables = ["visit_occurrence"]')
    assert "note" not in provision(granted, store(tmp_path), slices=tmp_path / "slices", key=KEY).tables


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("[slice]", "[slcie]"), "unknown section"),
        (("lead =", "laed ="), "unknown key project.laed"),
        (('lead = "li"', 'lead = "wu"'), "not among its members"),
        (('name = "heart"', 'name = "Heart Study"'), "lower-case"),
        (('by = "committee"\n', ""), "approval.by is missing"),
        (("{slice}", "shift_days = 3"), "whole weeks"),
        (("{slice}", 'shift_days = "3"'), "wanted int"),
        (('title = "t"', "title = 5"), "wanted str"),
    ],
)
def test_a_wrong_project_file_is_named(tmp_path, change, said):
    with pytest.raises(DefinitionError, match=said):
        project(tmp_path, GOOD.replace(*change))


@pytest.mark.parametrize("tables", ['["finding"]', '["nosuch"]'])
def test_tables_that_make_no_slice_are_refused(tmp_path, tables):
    with pytest.raises(DefinitionError):
        provision(project(tmp_path, slice=f"tables = {tables}"), store(tmp_path, policy={"method": "x"}), slices=tmp_path / "s", key=KEY)
