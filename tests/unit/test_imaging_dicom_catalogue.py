"""The catalogue: what is in it, what an unchanged file costs, what a kill loses, and what is double."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pydicom.sr._concepts_dict import concepts

from imaging.dicom import rows
from imaging.dicom import verdicts as verdicts_module
from imaging.dicom.body_parts import _table, body_part
from imaging.dicom.catalogue import index_folder
from imaging.dicom.reading import open_bounded
from imaging.dicom.tags import FIELDS
from imaging.errors import ImageDataError, PlaceError
from imaging.geometry import frames_of, judge
from imaging.geometry.frames import TOP_LEVEL
from imaging.geometry.reasons import TOLERANCES
from tests.lib.dicom_files import PYDICOM_FILES, ct_series, index_file, uid, write
from tests.lib.paths import REPOSITORY, shared

#: What pydicom makes of GBK bytes in a code string, for which the Standard allows no Chinese.
AS_LATIN = "胸部".encode("gb18030").decode("latin-1")


def table(out: Path, name: str) -> list[dict]:
    rows = pq.read_table(out / f"{name}.parquet").to_pylist()
    return sorted(rows, key=lambda row: row["path"]) if name == "instances" else rows


@pytest.fixture
def folder(tmp_path) -> Path:
    write(ct_series(4), tmp_path / "in" / "a")
    write(ct_series(3, series=2, BodyPartExamined=AS_LATIN, PatientName="王^小东"), tmp_path / "in" / "b")
    (tmp_path / "in" / "notes.txt").write_text("not an image " * 30, encoding="utf-8")
    (tmp_path / "in" / "empty.dcm").write_bytes(b"")
    return tmp_path / "in"


def test_instances_series_and_quarantine(folder, tmp_path):
    indexed = index_folder(folder, tmp_path / "out")
    assert (indexed.files, indexed.read, indexed.instances, indexed.series, indexed.quarantined) == (9, 9, 7, 2, 2)
    first, second = table(tmp_path / "out", "series")
    assert (first["series_instance_uid"], first["n_instances"], first["n_frames"], first["modality"]) == (uid(1, 1), 4, 4, "CT")
    assert (second["body_part_examined"], second["body_part_code"], second["body_part"]) == (AS_LATIN, "816094009", "Chest")
    assert first["bytes"] == sum(path.stat().st_size for path in (folder / "a").iterdir())
    (row,) = [row for row in table(tmp_path / "out", "instances") if row["path"].endswith("b/slice0002.dcm")]
    assert (row["image_position_patient"], row["rows"], row["patient_name"]) == ([-100.0, -100.0, 10.0], 8, "王^小东")
    assert [(Path(row["path"]).name, row["reason"]) for row in table(tmp_path / "out", "quarantine")] == [
        ("empty.dcm", "empty"),
        ("notes.txt", "not-dicom"),
    ]


def test_only_what_changed_is_read_again(folder, tmp_path, monkeypatch):
    index_folder(folder, tmp_path / "out")
    read = []
    plain = rows.read_header
    monkeypatch.setattr(rows, "read_header", lambda path, **options: read.append(Path(path).name) or plain(path, **options))
    again = index_folder(folder, tmp_path / "out")
    assert (again.read, again.unchanged, again.removed, read) == (0, 9, 0, [])
    write(ct_series(5)[4:], folder / "a", stem="new")
    (folder / "b" / "slice0000.dcm").unlink()
    os.utime(folder / "b" / "slice0001.dcm", ns=(1, 1))
    after = index_folder(folder, tmp_path / "out")
    assert (after.read, after.unchanged, after.removed, after.instances) == (2, 7, 2, 7)
    assert sorted(read) == ["new0000.dcm", "slice0001.dcm"]
    fresh = index_folder(folder, tmp_path / "fresh")
    assert fresh.instances == after.instances
    for name in ("instances", "series", "quarantine"):
        assert table(tmp_path / "out", name) == table(tmp_path / "fresh", name)


def test_several_processes_and_small_batches_give_the_same_tables(folder, tmp_path):
    index_folder(folder, tmp_path / "one")
    index_folder(folder, tmp_path / "many", workers=2, batch=2)
    for name in ("instances", "series", "quarantine"):
        assert table(tmp_path / "one", name) == table(tmp_path / "many", name)


def test_same_bytes_and_other_bytes_under_one_uid_are_told_apart(folder, tmp_path):
    shutil.copy(folder / "a" / "slice0000.dcm", folder / "z_copy.dcm")
    write(ct_series(1, SeriesDescription="edited"), folder / "z", stem="edited")
    indexed = index_folder(folder, tmp_path / "out")
    assert (indexed.duplicates, indexed.conflicts, indexed.instances) == (1, 3, 9)
    found = {Path(row["path"]).name: row for row in table(tmp_path / "out", "instances") if row["sop_instance_uid"] == uid(1, 1, 1)}
    assert found["z_copy.dcm"]["duplicate_of"] == str(folder / "a" / "slice0000.dcm")
    assert found["edited0000.dcm"]["duplicate_of"] is None
    assert all(row["conflict"] for row in found.values())
    first = table(tmp_path / "out", "series")[0]
    assert (first["n_instances"], first["n_duplicates"], first["n_conflicts"]) == (5, 1, 2)
    (folder / "z" / "edited0000.dcm").unlink()
    assert index_folder(folder, tmp_path / "out").conflicts == 0


def test_a_run_that_was_killed_is_gone_on_with(tmp_path):
    write(ct_series(40), tmp_path / "in")
    killed = """
import os, signal, sys
from imaging.dicom.catalogue import index_folder
def stop(done, total):
    if total and done >= 20:
        os.kill(os.getpid(), signal.SIGKILL)
index_folder(sys.argv[1], sys.argv[2], batch=5, progress=stop)
"""
    ended = subprocess.run([sys.executable, "-c", killed, tmp_path / "in", tmp_path / "out"], cwd=REPOSITORY, check=False)
    assert ended.returncode == -9
    assert not (tmp_path / "out" / "instances.parquet").exists()
    half = [
        tmp_path / "out" / name
        for name in (".series.parquet.0123456789ab", ".work/.part-1.instances.parquet.0123456789ab", ".work/spill/a")
    ]
    half[-1].parent.mkdir(exist_ok=True)
    for path in half:
        path.write_bytes(b"half")
    indexed = index_folder(tmp_path / "in", tmp_path / "out")
    assert (indexed.unchanged, indexed.read, indexed.instances) == (20, 20, 40)
    assert list((tmp_path / "out" / ".work").glob("*.parquet")) == []
    assert not any(path.exists() for path in half)


def test_odd_names_links_archives_and_indexes(tmp_path):
    folder = tmp_path / "in"
    write(ct_series(1), folder)
    (folder / "slice0000.dcm").rename(folder / os.fsdecode("胸 片's.dcm".encode("gb18030")))
    (folder / "round").symlink_to(folder)
    (folder / "DICOMDIR").write_bytes(index_file("GONE"))
    shutil.make_archive(str(folder / "packed"), "zip", folder, "DICOMDIR")
    out = folder / "it's the catalogue"
    for _ in range(2):
        told = []
        indexed = index_folder(folder, out, progress=lambda *done, told=told: told.append(done))
        assert told[0] == (4, None)
        assert told[-1] == (indexed.read, indexed.read)
        assert (indexed.instances, indexed.quarantined) == (1, 3)
        assert {(Path(row["path"]).name, row["reason"]) for row in table(out, "quarantine")} == {
            ("round", "seen"),
            ("DICOMDIR", "index"),
            ("DICOMDIR", "not-there"),
            ("packed.zip", "archive"),
        }
    assert (indexed.read, indexed.unchanged) == (0, 3)


def test_every_file_of_pydicom_is_somewhere(tmp_path):
    indexed = index_folder(PYDICOM_FILES, tmp_path / "out", batch=50)
    assert indexed.instances + indexed.quarantined == indexed.files
    reasons = {Path(row["path"]).name: row["reason"] for row in table(tmp_path / "out", "quarantine")}
    assert reasons["MR_truncated.dcm"] == "cut-short"
    assert reasons["zipMR.gz"] == "archive"


def test_a_file_without_identity_is_quarantined_and_a_wrong_value_only_told(tmp_path):
    write(ct_series(1, SeriesInstanceUID=None), tmp_path / "in" / "a")
    (path,) = write(ct_series(1), tmp_path / "in" / "b")
    path.write_bytes(path.read_bytes().replace(b"IS\x02\x001 ", b"IS\x02\x00x "))
    index_folder(tmp_path / "in", tmp_path / "out")
    assert [(row["tag"], row["reason"]) for row in table(tmp_path / "out", "quarantine")] == [("(0020,000E)", "missing")]
    (row,) = table(tmp_path / "out", "instances")
    assert row["problems"] == ["(0020,0011) bad-value", "(0020,0013) bad-value"]
    assert row["instance_number"] is None


@pytest.mark.parametrize("name", ["b*", "b?", "[b]c", "{bc}", "b'c", "影像 #1%20"])
def test_a_folder_may_have_any_name(name, tmp_path):
    for number, folder in enumerate([tmp_path / "bc", tmp_path / name], start=1):
        write(ct_series(number, study=number), folder)
        for _ in range(2):
            assert index_folder(folder, folder / "out").instances == number


def test_too_little_memory_or_a_place_that_cannot_be_written_is_told(folder, tmp_path):
    with pytest.raises(PlaceError, match="2 MB do not suffice"):
        index_folder(folder, tmp_path / "out", memory_mb=2)
    assert index_folder(folder, tmp_path / "out").instances == 7
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(PlaceError, match="cannot be written"):
        index_folder(folder, tmp_path / "file" / "out")


def test_two_processes_do_not_write_one_catalogue(folder, tmp_path):
    with pytest.raises(PlaceError, match="another process"):
        index_folder(folder, tmp_path / "out", progress=lambda done, total: index_folder(folder, tmp_path / "out"))
    with pytest.raises(PlaceError, match="no folder"):
        index_folder(tmp_path / "nowhere", tmp_path / "out")


def test_codes_of_body_parts_are_those_of_the_standard():
    known = {(code, meaning) for entry in concepts["SCT"].values() for code, (meaning, _) in entry.items()}
    parts = set(_table().values())
    assert len(parts) > 70
    assert {(part.code, part.meaning) for part in parts} <= known


@pytest.mark.parametrize(
    ("written", "meaning"),
    [
        ("CHEST", "Chest"),
        ("chest ", "Chest"),
        ("胸部", "Chest"),
        ("C_SPINE", "Cervical spine"),
        ("右手", "Hand"),
        ("L-SPINE", "Lumbar spine"),
        ("HEAD", "Head"),
        (AS_LATIN, "Chest"),
        ("胸部".encode().decode("latin-1"), "Chest"),
        ("头颅", "Head"),
    ],
)
def test_spellings_of_body_parts(written, meaning):
    assert body_part(written).meaning == meaning


@pytest.mark.parametrize("written", ["", "其他", "CTA", "LEFT"])
def test_what_the_table_does_not_know_has_no_term(written):
    assert body_part(written) is None


def verdicts(out: Path) -> dict[str, list[str]]:
    return {row["series_instance_uid"]: row["verdicts"] for row in table(out, "series")}


def test_the_geometry_of_each_series_is_judged_and_judged_again_only_where_it_changed(tmp_path, monkeypatch):
    folder, out = tmp_path / "in", tmp_path / "out"
    for number, options in enumerate([{}, {"without": (3,)}, {"tilt_degrees": 12}, {"ImagePositionPatient": None}], start=1):
        write(ct_series(8, series=number, **options), folder / str(number))
    index_folder(folder, out)
    assert verdicts(out) == {uid(1, 1): ["regular"], uid(1, 2): ["gap"], uid(1, 3): ["sheared"], uid(1, 4): ["multi_stack", "unplaced"]}
    regular, gap, *_ = table(out, "series")
    assert (regular["n_slices"], regular["spacing_mm"], regular["deviation_mm"]) == (8, [5, 0.7, 0.7], 0)
    assert json.loads(gap["reasons"][0])["code"] == "gap"
    judged = []
    monkeypatch.setattr(verdicts_module, "judge", lambda frames: judged.append(1) or judge(frames))
    (folder / "1" / "slice0004.dcm").unlink()
    index_folder(folder, out)
    assert len(judged) == 1
    assert verdicts(out)[uid(1, 1)] == ["gap"]
    assert verdicts(out)[uid(1, 3)] == ["sheared"]
    # Other tolerances, or a later version of the rules: every series is judged again, and no file read.
    monkeypatch.setattr("imaging.dicom.verdicts.TOLERANCES", TOLERANCES._replace(step_mm=0.1))
    assert index_folder(folder, out).read == 0
    assert len(judged) == 5
    monkeypatch.setattr("imaging.dicom.verdicts._VERSION", 1_000)
    index_folder(folder, out)
    assert len(judged) == 9


def test_verdicts_of_rows_equal_those_of_pydicoms_headers(tmp_path):
    folders = [shared("imaging/chest_ct_harbin"), shared("imaging/head_ct_gantry_tilt"), shared("imaging/burned_in_text"), PYDICOM_FILES]
    for number, folder in enumerate(folders):
        out = tmp_path / str(number)
        index_folder(folder, out)
        members: dict[tuple, list] = {}
        for row in table(out, "instances"):
            if row["duplicate_of"] is None:
                key = row["study_instance_uid"], row["series_instance_uid"]
                members.setdefault(key, []).append(row["path"])
        for row in table(out, "series"):
            paths = members[row["study_instance_uid"], row["series_instance_uid"]]
            try:
                expected = [
                    str(verdict) for verdict in judge([frame for path in paths for frame in frames_of(open_bounded(path))]).verdicts
                ]
            except ImageDataError:
                expected = []
            assert row["verdicts"] == expected, paths


def test_the_catalogue_keeps_what_the_geometry_reads():
    assert set(TOP_LEVEL) <= {field.keyword for field in FIELDS}


def test_tables_that_say_all_already_are_left_as_they_are(folder, tmp_path, monkeypatch):
    out = folder / ".catalogue"
    assert index_folder(folder, out).quarantined == 2, "its own folder is not looked at"

    def written() -> tuple[int, ...]:
        return tuple((out / f"{name}.parquet").stat().st_ino for name in ("instances", "series", "quarantine"))

    before = written()
    assert index_folder(folder, out).unchanged == 9
    assert written() == before
    (folder / ".hidden").write_bytes(b"x")
    assert index_folder(folder, out).quarantined == 3
    (folder / ".hidden").unlink()
    assert index_folder(folder, out).quarantined == 2
    before = written()
    monkeypatch.setattr("imaging.dicom.verdicts._VERSION", 1_000)
    index_folder(folder, out)
    assert written() != before


def test_slices_that_only_their_order_tells_apart_are_judged_from_every_header(tmp_path):
    phases = [dataset for phase in (1, 2) for dataset in ct_series(5, AcquisitionNumber=phase)]
    for number, dataset in enumerate(phases):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid(7, number)
    write(phases, tmp_path / "in" / "phases")
    write([*ct_series(3, series=2), *ct_series(6, series=2, ImageType=["DERIVED", "SECONDARY"])[3:]], tmp_path / "in" / "kinds")
    write(ct_series(3, series=3, ImagePositionPatient=["1e7", "0", "0"]), tmp_path / "in" / "far")
    index_folder(tmp_path / "in", tmp_path / "out")
    assert verdicts(tmp_path / "out") == {uid(1, 1): ["multi_stack"], uid(1, 2): ["regular"], uid(1, 3): ["multi_stack", "unplaced"]}
