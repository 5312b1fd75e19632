"""The index of notes: where it lies, what breaks it, what it gives back."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from workbench.cohort.words import normalise
from workbench.errors import IntegrityError
from workbench.store.notes_index import NotesIndex, build_notes_index, fast_normalise, scan_notes

NOTES = {
    1: "否认糖尿病史。",
    -2: "ＨｂＡ１ｃ 8.2 %，糖尿\n病肾病？",
    3: "",
    2**63 - 1: "HBA1C 正常",
    5: "病",
    6: None,
    7: "𠮷野家 ﬁbrosis",
}


def batch(notes: dict[int, str | None]) -> pa.Table:
    return pa.table({"note_id": pa.array(notes, pa.int64()), "note_text": pa.array(notes.values(), pa.string())})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("index")
    assert build_notes_index([batch(NOTES)], folder) == 6
    return folder


@pytest.mark.parametrize(
    ("needles", "wanted"),
    [
        (["糖尿病"], [-2, 1]),
        (["病"], [-2, 1, 5]),
        (["史。"], [1]),
        (["。"], [1]),
        (["hba1c"], [-2, 2**63 - 1]),
        (["a1"], [-2, 2**63 - 1]),
        (["8.2%"], [-2]),
        (["fi"], [7]),
        (["𠮷"], [7]),
        (["𠮷野", "否认"], [1, 7]),
        (["正常人"], []),
        (["z"], []),
        (["\ud83d"], []),
        ([], []),
    ],
)
def test_hits(folder, needles: list[str], wanted: list[int]) -> None:
    with NotesIndex(folder) as index:
        assert index.search(needles).tolist() == wanted


def test_a_needle_of_white_space_is_refused(folder) -> None:
    with NotesIndex(folder) as index, pytest.raises(ValueError, match="empty after normalisation"):
        index.search([" \n"])


def test_an_index_of_no_notes_finds_nothing(tmp_path) -> None:
    build_notes_index([], tmp_path)
    with NotesIndex(tmp_path) as index:
        assert index.search(["糖尿病", "病"]).size == 0


def test_nothing_is_written_where_the_index_lies(folder) -> None:
    before = sorted((file.name, file.stat().st_mtime_ns) for file in folder.iterdir())
    with NotesIndex(folder) as index:
        index.search(["糖尿病"])
    assert sorted((file.name, file.stat().st_mtime_ns) for file in folder.iterdir()) == before
    assert not [name for name, _ in before if name.endswith(".lock")]


_SEARCH = """
import os, sys
from pathlib import Path
from workbench.store.notes_index import NotesIndex
if os.geteuid() == 0:
    os.setuid(65534)
print(NotesIndex(Path(sys.argv[1])).search(["糖尿病"]).size)
"""


def test_another_user_can_search_what_it_may_only_read() -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folder is closed to others
        folder = Path(name)
        build_notes_index([batch(NOTES)], folder)
        folder.chmod(0o555)
        done = subprocess.run([sys.executable, "-c", _SEARCH, name], capture_output=True, text=True, check=False)
        folder.chmod(0o755)
    assert done.stdout.strip() == "2", done.stderr


@pytest.mark.parametrize("damage", ["missing", "empty", "garbage"])
def test_a_broken_index_is_named_and_not_searched(tmp_path, damage: str) -> None:
    folder = tmp_path / "notes"
    if damage != "missing":
        folder.mkdir()
    if damage == "garbage":
        build_notes_index([batch(NOTES)], folder)
        (folder / "meta.json").write_text("{}", encoding="utf-8")
    with pytest.raises(IntegrityError, match="cannot be read"):
        NotesIndex(folder)


def test_batches_are_taken_one_at_a_time(tmp_path) -> None:
    alive = []

    def stream():
        for at in range(50):
            alive.append(at)
            yield batch({at * 10 + row: f"记录{at}号血糖{row}" for row in range(10)})

    assert build_notes_index(stream(), tmp_path) == 500
    with NotesIndex(tmp_path) as index:
        assert index.search(["记录7号"]).tolist() == list(range(70, 80))
        assert index.search(["血糖"]).size == 500


def test_the_fast_form_is_the_normal_form() -> None:
    every = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x30000)]))
    assert fast_normalise(every) == normalise(every)


def test_a_scan_takes_keys_and_texts_by_position() -> None:
    table = pa.table({"key": [1, 2, 3], "anything": ["血 糖", None, "血压"]})
    assert scan_notes(table.to_batches(), ["血糖"]).tolist() == [1]
    assert scan_notes([], ["血糖"]).dtype == np.int64
