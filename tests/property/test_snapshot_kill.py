"""A publish that is killed, at any point, leaves the earlier snapshot whole, and the next publish works."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.lib.omop_csv import write_csv
from tests.lib.paths import REPOSITORY
from tests.lib.stores import persons, small_store
from workbench.store import SnapshotWriter, Store
from workbench.store.verify import verify

# The publisher, with SIGKILL instead of (before) or after one function: {module}.{function}.
_PUBLISHER = """
import os, signal, sys
from workbench.store import arrange, manifest, staging, writer
from tests.lib.stores import small_store

def kill():
    os.kill(os.getpid(), signal.SIGKILL)

def killing(function, when):
    def deadly(*args, **options):
        if function is os_rename and "/snapshots/" not in str(args[1]):  # the one rename that publishes
            return function(*args, **options)
        if when == "after":
            function(*args, **options)
        kill()
    return deadly

os_rename = os.rename
owner, name, when = eval(sys.argv[2]), sys.argv[3], sys.argv[4]
if name:
    setattr(owner, name, killing(getattr(owner, name), when))
print("go", flush=True)
small_store(sys.argv[1], people=50, rows=int(sys.argv[5]), source="killed")
"""

_POINTS = [
    ("writer.SnapshotWriter", "_publish"),
    ("arrange.Arranger", "sort"),
    ("arrange.Arranger", "refuse_repeats"),
    ("writer", "hash_tree"),
    ("writer.SnapshotWriter", "_write_manifest"),
    ("staging", "flush_tree"),
    ("staging.os", "rename"),
    ("staging.Staging", "_release"),
]


def _publisher(store, owner: str, name: str, when: str, rows: int = 2000) -> subprocess.Popen:
    command = [sys.executable, "-c", _PUBLISHER, str(store), owner, name, when, str(rows)]
    return subprocess.Popen(command, cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, stdout=subprocess.PIPE)


def _check_whole(store, before: str) -> None:
    """The earlier snapshot is there and clean; whatever else is visible is whole; a new publish works and cleans up."""
    assert before in {manifest.id for manifest in Store(store).snapshots()}
    assert verify(store)[1] == []
    after = small_store(store, source="next")
    assert Store(store).latest().id == after
    assert [path.name for path in (store / "staging").iterdir()] == [".lock"]
    assert verify(store)[1] == []


@pytest.mark.parametrize(("owner", "name"), _POINTS, ids=[name for _, name in _POINTS])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_at_a_step_loses_nothing(tmp_path, owner, name, when):
    before = small_store(tmp_path, source="earlier")
    with _publisher(tmp_path, owner, name, when) as process:
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    visible = [manifest.source for manifest in Store(tmp_path).snapshots()]
    renamed = (name, when) in {("rename", "after"), ("_release", "before"), ("_release", "after"), ("_publish", "after")}
    assert visible == ["earlier", "killed"] if renamed else visible == ["earlier"]
    _check_whole(tmp_path, before)


@pytest.mark.parametrize("delay_ms", [5, 40, 120, 250])
def test_a_kill_at_any_time_loses_nothing(tmp_path, delay_ms):
    before = small_store(tmp_path, source="earlier")
    with _publisher(tmp_path, "None", "", "", rows=60_000) as process:
        process.stdout.readline()
        time.sleep(delay_ms / 1000)
        process.kill()
        process.communicate(timeout=60)
    _check_whole(tmp_path, before)


_IMPORTER = """
import os, signal, sys
from pathlib import Path
from workbench.ingest.intake import Intake
from workbench.ingest.publish import import_data

def deadly(self, prepared, take=Intake.take):
    if prepared.declared.name == sys.argv[3]:
        os.kill(os.getpid(), signal.SIGKILL)
    return take(self, prepared)

Intake.take = deadly
import_data(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.mark.parametrize("table", ["person", "observation_period"])
def test_a_killed_import_loses_nothing(tmp_path, table):
    before = small_store(tmp_path / "store", source="earlier")
    source = write_csv(tmp_path / "in")
    command = [sys.executable, "-c", _IMPORTER, str(source), str(tmp_path / "store"), table]
    done = subprocess.run(command, cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert [manifest.id for manifest in Store(tmp_path / "store").snapshots()] == [before]
    _check_whole(tmp_path / "store", before)


def test_a_living_writer_is_not_cleaned_away(tmp_path):
    with SnapshotWriter(tmp_path, source="slow") as writer:
        writer.write("person", persons(3))
        with _publisher(tmp_path, "None", "", "") as process:
            process.communicate(timeout=60)
        assert process.returncode == 0
    assert [manifest.source for manifest in Store(tmp_path).snapshots()] == ["killed", "slow"]
    assert verify(tmp_path)[1] == []
