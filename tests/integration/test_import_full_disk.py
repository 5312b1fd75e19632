"""A full disk stops an import or a publish with a clear error; the earlier snapshot stays whole."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tests.lib.omop_csv import write_csv
from tests.lib.stores import measurements, persons, small_store
from workbench.errors import EnvironmentFault
from workbench.ingest.publish import import_data
from workbench.store import SnapshotWriter, Store
from workbench.store.verify import verify

_SIZE_MB = 3


@pytest.fixture
def small_disk(tmp_path):
    """A disk of three megabytes."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small disk needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_SIZE_MB}m", "tmpfs", str(disk)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"this machine lets nobody mount: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def _fill(store):
    with SnapshotWriter(store, source="too much") as writer:
        writer.write("person", persons(1000))
        for part in range(40):
            writer.write("measurement", measurements(20_000, 1000, seed=part))


def _check_earlier(store, before):
    assert [manifest.id for manifest in Store(store).snapshots()] == [before]
    assert verify(store)[1] == []
    assert [path.name for path in (store / "staging").iterdir()] == [".lock"]
    assert small_store(store, people=3, rows=5) == Store(store).latest().id


def test_a_publish_on_a_full_disk(small_disk):
    before = small_store(small_disk / "store", people=3, rows=5)
    with pytest.raises(EnvironmentFault, match="the disk is full"):
        _fill(small_disk / "store")
    _check_earlier(small_disk / "store", before)


def test_an_import_on_a_full_disk(small_disk, tmp_path):
    before = small_store(small_disk / "store", people=3, rows=5)
    rows = "".join(f"{number},{number % 3 + 1},{number},2020-03-0{number % 9 + 1},32817,{number * 7919},10\n" for number in range(200_000))
    header = "condition_occurrence_id,person_id,condition_concept_id,condition_start_date,condition_type_concept_id,condition_source_value,"
    source = write_csv(tmp_path / "in")
    (source / "condition_occurrence.csv").write_text(f"{header}visit_occurrence_id\n{rows}", encoding="utf-8")
    with pytest.raises(EnvironmentFault, match="the disk is full"):
        import_data(source, small_disk / "store")
    _check_earlier(small_disk / "store", before)
