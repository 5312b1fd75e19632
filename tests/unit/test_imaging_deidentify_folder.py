"""De-identification of folders: every file has a record, what is interrupted goes on, and two files never become one."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pydicom
import pytest

from imaging.deidentify import folder as folder_module
from imaging.deidentify.folder import deidentify_folder
from imaging.deidentify.pixels import PixelPolicy
from imaging.deidentify.profile import Options
from imaging.deidentify.records import REASONS, Record, record_table
from imaging.errors import PlaceError, TaskError
from tests.lib.dicom_files import ct_series, encoded, write
from tests.lib.dicom_keys import TestKeys

KEYS = TestKeys(persons=frozenset({"P1", "P2"}))
HEADER_ONLY = PixelPolicy(reading="none")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two patients of the project, one of another, a text, an archive and a hidden file."""
    for study in (1, 2, 3):
        write(ct_series(3, study=study), tmp_path / "王小东" / f"study{study}")
    (tmp_path / "王小东" / "note.txt").write_text("nothing " * 50, encoding="utf-8")
    (tmp_path / "王小东" / ".hidden").write_bytes(b"x")
    return tmp_path / "王小东"


def run(source: Path, **more: object):
    place = source.parent
    return deidentify_folder(source, place / "out", records=place / "records", **({"keys": KEYS, "pixels": HEADER_ONLY} | more))


def rows(source: Path) -> list[dict]:
    return pq.read_table(source.parent / "records" / "records.parquet").to_pylist()


def files(source: Path) -> dict[str, bytes]:
    out = source.parent / "out"
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_every_file_is_written_or_held_back_with_its_reason(source: Path) -> None:
    seen: list[tuple[int, int]] = []
    done = run(source, progress=lambda *of: seen.append(of), batch=4)
    assert (done.files, done.done, done.written, done.held_back) == (11, 10, 6, 5)
    assert done.reasons == {"hidden": 1, "no-person": 3, "not-dicom": 1}
    assert seen == [(0, 10), (4, 10), (8, 10), (10, 10)]
    records = rows(source)
    assert (source.parent / "records").stat().st_mode & 0o077 == 0
    assert len(records) == 11
    assert {row["reason"] for row in records} - {""} <= set(REASONS)
    assert sorted(row["out"] for row in records if row["out"]) == sorted(files(source))
    for name in files(source):
        dataset = pydicom.dcmread(source.parent / "out" / name)
        assert name == f"{dataset.PatientID}/{dataset.StudyInstanceUID}/{dataset.SeriesInstanceUID}/{dataset.SOPInstanceUID}.dcm"


def test_several_processes_write_the_same(source: Path) -> None:
    run(source)
    one = files(source)
    deidentify_folder(
        source, source.parent / "more", records=source.parent / "more_records", keys=KEYS, pixels=HEADER_ONLY, workers=2, batch=2
    )
    more = {path.relative_to(source.parent / "more").as_posix(): path.read_bytes() for path in (source.parent / "more").rglob("*.dcm")}
    assert more == one


def test_a_second_run_looks_at_what_is_new(source: Path) -> None:
    run(source)
    write(ct_series(1, study=2, series=9), source / "later")
    done = run(source)
    assert (done.done, done.unchanged, done.written) == (1 + 3, 7, 7)  # those of a patient whom the project lacks are tried again
    assert len(rows(source)) == 12


def test_what_was_taken_away_is_written_again(source: Path) -> None:
    run(source)
    before = files(source)
    (source.parent / "out" / next(iter(before))).unlink()
    assert run(source).done == 1 + 3
    assert files(source) == before


def test_a_run_that_was_killed_goes_on(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, count = folder_module._one, 0

    def killed(path: str, work: object):
        nonlocal count
        count += 1
        if count > 5:
            raise KeyboardInterrupt
        return one(path, work)

    monkeypatch.setattr(folder_module, "_one", killed)
    with pytest.raises(KeyboardInterrupt):
        run(source, batch=2)
    monkeypatch.undo()
    assert not [name for name in files(source) if "/." in name]
    done = run(source, batch=2)
    assert (done.done, done.unchanged, done.written) == (6, 4, 6)
    assert len(rows(source)) == 11


def test_what_a_killed_run_left_half_written_goes(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = folder_module.write_whole

    def half(pieces: list[bytes], path: Path, *, mark: str = "") -> None:
        if not mark:
            return whole(pieces, path)
        path.parent.mkdir(parents=True)
        path.with_name(f".{mark}half").write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(folder_module, "write_whole", half)
    with pytest.raises(KeyboardInterrupt):
        run(source)
    monkeypatch.undo()
    assert [name for name in files(source) if "/." in name]
    assert run(source).written == 6
    assert sorted(files(source)) == sorted(row["out"] for row in rows(source) if row["out"])


def test_a_process_ends_with_the_one_that_it_works_for(tmp_path: Path) -> None:
    program = (
        "import os, sys, time\n"
        "from imaging.dicom.processes import process_pool\n"
        "if __name__ == '__main__':\n"
        "    pool = process_pool(1)\n"
        "    print(pool.submit(os.getpid).result(), flush=True)\n"
        "    time.sleep(60)\n"
    )
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, tmp_path / "program.py"], stdout=subprocess.PIPE, text=True, env=environment) as parent:
        child = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 30
    while is_there(child) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_there(child)


def is_there(process: int) -> bool:
    """Say whether a process runs; one that has ended and that nobody waited for does not."""
    try:
        return "State:\tZ" not in (Path("/proc") / str(process) / "status").read_text(encoding="utf-8")
    except OSError:
        return False


def test_the_same_instance_twice_is_written_once_and_another_under_its_uid_not_at_all(source: Path) -> None:
    first = ct_series(1, study=1)[0]
    (source / "copy.dcm").write_bytes(encoded(first))
    first.SeriesDescription = "another"
    (source / "other.dcm").write_bytes(encoded(first))
    done = run(source)
    assert done.reasons["conflict"] == 1  # the first by name stands
    assert len(files(source)) == 6


def test_of_two_processes_that_write_to_one_place_one_stands(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(b"second")
    records = [Record(source=name, out="a.dcm", sha256_out=hashlib.sha256(name.encode()).hexdigest()) for name in ("first", "second")]
    rows = folder_module._without_conflicts(record_table(records), tmp_path).to_pylist()
    assert [(row["out"], row["reason"]) for row in rows] == [("", "conflict"), ("a.dcm", "")]


def test_other_options_or_keys_want_another_place(source: Path) -> None:
    run(source)
    with pytest.raises(TaskError, match="other options or keys"):
        run(source, options=Options(dates="full"))
    with pytest.raises(TaskError, match="other options or keys"):
        run(source, keys=TestKeys(secret=b"z" * 32))


def test_places_that_cannot_be(source: Path, tmp_path: Path) -> None:
    with pytest.raises(PlaceError, match="no folder"):
        deidentify_folder(tmp_path / "nowhere", tmp_path / "out", records=tmp_path / "records", keys=KEYS)
    with pytest.raises(TaskError, match="among the de-identified"):
        deidentify_folder(source, tmp_path / "out", records=tmp_path / "out" / "records", keys=KEYS)


def test_originals_are_never_among_what_is_written(source: Path, tmp_path: Path) -> None:
    for folder, out, records in (
        (source, source, tmp_path / "r"),
        (source / "study1", source, tmp_path / "r"),
        (source, tmp_path / "o", source),
    ):
        with pytest.raises(TaskError, match="originals lie"):
            deidentify_folder(folder, out, records=records, keys=KEYS)
    (tmp_path / "link").symlink_to(source)
    with pytest.raises(TaskError, match="originals lie"):
        deidentify_folder(tmp_path / "link", source, records=tmp_path / "r", keys=KEYS)


def test_a_place_within_the_originals_is_not_read_again(source: Path) -> None:
    for unchanged in (0, 7):
        done = deidentify_folder(source, source / "clean", records=source / "records", keys=KEYS, pixels=HEADER_ONLY)
        assert (done.written, done.unchanged) == (6, unchanged)


def test_what_the_last_look_found_is_counted(source: Path) -> None:
    first = ct_series(1, study=9, size=256, PatientID="P1", PatientName="Zhang^XiaoMing")[0]
    first.PixelData = first.PixelData[:-40] + b"  Zhang XiaoMing  ".ljust(40)
    (source / "hidden.dcm").write_bytes(encoded(first))
    done = run(source)
    assert (done.residual > 0, done.reasons["residual"]) == (True, 1)


def test_a_place_that_cannot_be_written(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"a file")
    with pytest.raises(PlaceError, match="cannot be written"):
        run(source)
