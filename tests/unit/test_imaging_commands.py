"""``workbench imaging inspect`` and ``convert``: what lies there, what is made of it, what is broken, stop and go on."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel
import numpy as np
import pytest

from tests.lib.command import workbench_command
from tests.lib.dicom_files import ct_series, index_file, write
from workbench.locale import set_language
from workbench.series import folders

PATIENT = ("Wang", "王", "P1", "小东", "1.2.826")


@pytest.fixture
def folder(tmp_path):
    """A plain series in a folder of a Chinese name, one with a slice missing, one that leans."""
    source = tmp_path / "影像" / "in"
    write(ct_series(4), source / "王小东")
    write(ct_series(6, series=2, without=[2]), source / "b")
    write(ct_series(5, series=3, tilt_degrees=15), source / "c")
    return source


@pytest.fixture
def imaging(capsys):
    def run(*arguments) -> tuple[int, list[str], str]:
        code = workbench_command("imaging", *arguments)
        shown = capsys.readouterr()
        return code, shown.out.splitlines(), shown.err

    return run


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def volumes(out):
    return {row["verdict"]: row for row in rows_of(out / "volumes.csv")}


# ---------------------------------------------------------------------------------------------------------------- inspect


def test_each_series_has_its_verdict_and_what_can_be_made_of_it(folder, tmp_path, imaging):
    code, lines, _ = imaging("inspect", folder, "--out", tmp_path / "s.csv", "--quiet")
    assert (code, lines[-1]) == (0, "series=3 instances=14 refused=0")
    assert lines[-2] == f"下一步: workbench imaging convert '{folder}' --out DIR [--policy resample|keep]"
    rows = {row["verdict"]: row for row in rows_of(tmp_path / "s.csv")}
    assert [(row["policies"], row["slice_mm"], row["slices"]) for row in (rows["regular"], rows["gap"])] == [
        ("none needed", "5.0", "4"),
        ("resample keep", "", "5"),
    ]
    assert rows["gap"]["reasons"] == "第 2 层之后缺 1 层：间隔 10.0 mm，而层距为 5.0 mm"
    assert rows["sheared"]["verdict_words"] == "倾斜（机架倾角）"
    assert rows["regular"]["body_part"] == "Chest"
    assert rows_of(tmp_path / "s.files.csv") == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.csv", "s.files.csv", "影像"], "nothing else is left"


def test_the_screen_speaks_english(folder, tmp_path, imaging):
    set_language("en")
    try:
        _, lines, _ = imaging("inspect", folder, "--out", tmp_path / "s.csv", "--quiet")
    finally:
        set_language("zh")
    assert "  CT\t1\tslices missing" in lines
    assert "1 slices are missing after slice 2" in (tmp_path / "s.csv").read_text(encoding="utf-8")


def test_what_is_broken_is_listed_and_the_rest_goes_on(folder, tmp_path, imaging):
    whole = (folder / "b" / "slice0001.dcm").read_bytes()
    (folder / "cut.dcm").write_bytes(whole[:300])
    (folder / "empty").write_bytes(b"")
    (folder / "readme.txt").write_text("viewer\n" * 100, encoding="utf-8")
    (folder / "old.zip").write_bytes(b"PK\x03\x04" + bytes(400))
    (folder / "link").symlink_to("nowhere")
    code, lines, said = imaging("inspect", folder, "--out", tmp_path / "s.csv", "--quiet")
    assert (code, lines[-1]) == (4, "series=3 instances=14 refused=3")
    assert "1 x 不是 DICOM 文件" in said
    reasons = {(Path(row["path"]).name, row["reason"]) for row in rows_of(tmp_path / "s.files.csv")}
    assert reasons == {
        ("cut.dcm", "missing"),
        ("empty", "empty"),
        ("readme.txt", "not-dicom"),
        ("old.zip", "archive"),
        ("link", "broken-link"),
    }


def test_what_is_no_dicom_at_all_is_no_fault(folder, tmp_path, imaging):
    (folder / "readme.txt").write_text("viewer\n" * 100, encoding="utf-8")
    assert imaging("inspect", folder, "--out", tmp_path / "s.csv", "--quiet")[0] == 0


def test_names_in_gbk_are_read(folder, tmp_path, imaging):
    there = folder / os.fsdecode("王".encode("gbk"))
    there.mkdir()
    (folder / "b" / "slice0001.dcm").rename(there / os.fsdecode(b"\xcd\xf5.dcm"))
    code, lines, _ = imaging("inspect", folder, "--out", tmp_path / "s.csv", "--quiet")
    assert (code, lines[-1]) == (0, "series=3 instances=14 refused=0")
    code, lines, _ = imaging("convert", folder, "--out", tmp_path / "v", "--policy", "keep", "--quiet")
    assert lines[-1].startswith("written=3 refused=0")


def test_an_index_that_names_what_is_not_there_is_told(folder, tmp_path, imaging):
    write(ct_series(1, series=9), folder, stem="SLICE")
    (folder / "DICOMDIR").write_bytes(index_file("SLICE0000.dcm", "GONE"))
    code, lines, _ = imaging("inspect", folder / "DICOMDIR", "--out", tmp_path / "s.csv", "--quiet")
    assert (code, lines[-1]) == (4, "series=4 instances=15 refused=1")
    assert {row["reason"] for row in rows_of(tmp_path / "s.files.csv")} == {"index", "not-there"}


@pytest.mark.parametrize("command", ["inspect", "convert"])
@pytest.mark.parametrize("content", [{}, {"a.txt": b"no image " * 50}])
def test_a_folder_without_an_image_is_refused(tmp_path, imaging, command, content):
    (tmp_path / "in").mkdir()
    for name, data in content.items():
        (tmp_path / "in" / name).write_bytes(data)
    code, _, said = imaging(command, tmp_path / "in", "--out", tmp_path / "o.csv", "--quiet")
    assert code == 4
    assert f"没有可读的 DICOM 文件，共 {len(content)} 个文件" in said
    assert not list(tmp_path.glob(".*"))
    assert not (tmp_path / "o.csv").exists()


@pytest.mark.parametrize("command", ["inspect", "convert"])
def test_what_is_no_folder_is_refused(folder, tmp_path, imaging, command):
    for source in (tmp_path / "none", folder / "b" / "slice0001.dcm"):
        code, _, said = imaging(command, source, "--out", tmp_path / "o.csv", "--quiet")
        assert (code, "不是文件夹" in said) == (4, True)


def test_places_that_cannot_be_written_are_refused_before_any_work(folder, tmp_path, imaging):
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert imaging("inspect", folder, "--out", tmp_path / "no" / "s.csv")[0] == 8
    assert imaging("inspect", folder, "--out", tmp_path / "s.doc")[0] == 4
    assert imaging("convert", folder, "--out", tmp_path / "file" / "v")[0] == 8
    assert imaging("convert", folder, "--out", folder)[0] == 3
    assert imaging("convert", folder, "--out", tmp_path / "v", "--policy", "guess")[0] == 3


def test_a_kept_catalogue_is_read_again(folder, tmp_path, imaging):
    options = ("--out", tmp_path / "s.csv", "--catalogue", tmp_path / "kept", "--quiet")
    imaging("inspect", folder, *options)
    before = rows_of(tmp_path / "s.csv")
    (folder / "b" / "slice0000.dcm").unlink()
    _, lines, _ = imaging("inspect", folder, *options)
    assert lines[-1] == "series=3 instances=13 refused=0"
    assert rows_of(tmp_path / "s.csv") != before
    assert (tmp_path / "kept" / "series.parquet").is_file()


# ---------------------------------------------------------------------------------------------------------------- convert


def test_without_a_policy_only_what_is_regular_is_written(folder, tmp_path, imaging):
    out = tmp_path / "v"
    code, lines, said = imaging("convert", folder, "--out", out, "--quiet")
    assert (code, lines[-1]) == (4, "written=1 refused=2 unchanged=0 no_image=0 files_refused=0")
    assert "被拒绝: 缺层; 第 2 层之后缺 1 层" in said
    rows = volumes(out)
    image = nibabel.load(out / rows["regular"]["file"])
    assert image.shape == (8, 8, 4)
    np.testing.assert_allclose(image.affine[:3, 3], [100, 100, 0])
    assert int(image.dataobj[0, 0, 3]) == 3 - 1024
    assert (rows["regular"]["unit"], rows["gap"]["outcome"], rows["gap"]["file"]) == ("HU", "refused", "")


def test_nothing_written_says_whose_it_is(folder, tmp_path, imaging):
    short = ct_series(4)
    short[1].PixelData = bytes(10)
    write(short, folder / "王小东")
    out = tmp_path / "v"
    assert imaging("convert", folder, "--out", out, "--quiet")[0] == 4
    assert any(row["outcome"] == "failed" for row in rows_of(out / "volumes.csv"))
    text = "".join(f"{path.name} {path.read_text(encoding='utf-8') if path.suffix != '.gz' else ''}" for path in out.iterdir())
    assert [word for word in PATIENT if word in text] == []
    assert not list(out.glob(".*")), "the catalogue, which holds names, is gone"


def test_the_same_command_makes_nothing_again_and_a_policy_makes_more(folder, tmp_path, imaging):
    out = tmp_path / "v"
    imaging("convert", folder, "--out", out, "--quiet")
    made = (out / volumes(out)["regular"]["file"]).stat().st_mtime_ns
    assert "unchanged=3" in imaging("convert", folder, "--out", out, "--quiet")[1][-1]
    assert (out / volumes(out)["regular"]["file"]).stat().st_mtime_ns == made
    code, lines, _ = imaging("convert", folder, "--out", out, "--policy", "resample", "--quiet")
    assert (code, lines[-1]) == (0, "written=3 refused=0 unchanged=0 no_image=0 files_refused=0")
    assert volumes(out)["gap"]["slices"] == "6"
    imaging("convert", folder, "--out", out, "--policy", "refuse", "--quiet")
    assert len(list(out.glob("*.nii.gz"))) == 1, "what the policy refuses now is gone"


def test_stacks_are_split_into_files_of_their_own(tmp_path, imaging):
    both = ct_series(3) + ct_series(3, ImageOrientationPatient=[1, 0, 0, 0, 0, -1])
    for number, ds in enumerate(both):
        ds.SOPInstanceUID += f".{number}"
    write(both, tmp_path / "in")
    assert imaging("convert", tmp_path / "in", "--out", tmp_path / "v", "--quiet")[0] == 4
    imaging("convert", tmp_path / "in", "--out", tmp_path / "v", "--policy", "split", "--quiet")
    rows = rows_of(tmp_path / "v" / "volumes.csv")
    assert [row["part"] for row in rows] == ["1", "2"]
    assert rows[0]["file"].endswith("-1.nii.gz")


LIES = {
    "pixels": ({"Rows": 4}, "像素数据的长度或帧数与文件头不符"),
    "header": ({"RescaleSlope": None}, "文件头中的取值不可能"),
    "none": ({"PixelData": None}, "没有像素数据"),
}


@pytest.mark.parametrize("what", LIES)
def test_why_a_series_makes_no_volume_is_said_in_chinese_without_its_file(what, tmp_path, imaging):
    values, words = LIES[what]
    write(ct_series(2, **values), tmp_path / "in")
    assert imaging("convert", tmp_path / "in", "--out", tmp_path / "v", "--quiet")[0] == 4
    (row,) = rows_of(tmp_path / "v" / "volumes.csv")
    assert (row["outcome"], words in row["why"], str(tmp_path) in row["why"]) == ("failed", True, False)


def test_slices_of_two_units_and_other_kernels_are_told_in_chinese(tmp_path, imaging):
    mixed, kernels = ct_series(2), ct_series(4, series=2)
    mixed[1].RescaleType = "US"
    for number, dataset in enumerate(kernels):
        dataset.ConvolutionKernel = ("B30f", "B60f")[number % 2]
    write(mixed, tmp_path / "in" / "a")
    write(kernels, tmp_path / "in" / "b")
    assert imaging("convert", tmp_path / "in", "--out", tmp_path / "v", "--quiet")[0] == 4
    why = "".join(row["why"] for row in rows_of(tmp_path / "v" / "volumes.csv"))
    assert "各层的单位或换算不一致" in why
    assert "各帧的 ConvolutionKernel 不同：2 种取值" in why


def test_what_is_stored_white_to_black_is_said_beside_its_volume(tmp_path, imaging):
    write(ct_series(2, PhotometricInterpretation="MONOCHROME1"), tmp_path / "in" / "a")
    write(ct_series(2, series=2), tmp_path / "in" / "b")
    assert imaging("convert", tmp_path / "in", "--out", tmp_path / "v", "--quiet")[0] == 0
    assert {row["low_is_white"].lower() for row in rows_of(tmp_path / "v" / "volumes.csv")} == {"true", "false"}


def test_images_of_several_patients_make_no_volume(tmp_path, imaging):
    mixed = ct_series(4)
    mixed[2].PatientID = "other"
    write(mixed, tmp_path / "in")
    imaging("inspect", tmp_path / "in", "--out", tmp_path / "s.csv", "--quiet")
    assert rows_of(tmp_path / "s.csv")[0]["policies"] == "none serves"
    code, lines, said = imaging("convert", tmp_path / "in", "--out", tmp_path / "v", "--policy", "keep", "--quiet")
    assert (code, lines[-1].split()[:2]) == (4, ["written=0", "refused=1"])
    assert "多个患者号" in said


def test_colours_make_no_nifti_and_inspect_says_so(tmp_path, imaging):
    coloured = ct_series(
        1, PhotometricInterpretation="RGB", SamplesPerPixel=3, BitsAllocated=8, BitsStored=8, HighBit=7, PixelRepresentation=0
    )
    coloured[0].PlanarConfiguration = 0
    coloured[0].PixelData = bytes(8 * 8 * 3)
    write(coloured, tmp_path / "in")
    imaging("inspect", tmp_path / "in", "--out", tmp_path / "s.csv", "--quiet")
    assert rows_of(tmp_path / "s.csv")[0]["policies"] == "none serves"
    code, _, said = imaging("convert", tmp_path / "in", "--out", tmp_path / "v", "--policy", "keep", "--quiet")
    assert (code, "像素为颜色，不是灰度" in said) == (4, True)


@pytest.mark.parametrize("out", ["/proc/series", "/dev/null/series"])
def test_a_place_that_takes_no_file_is_refused(folder, imaging, out):
    assert imaging("inspect", folder, "--out", f"{out}.csv", "--quiet")[0] == 8
    assert imaging("convert", folder, "--out", out, "--quiet")[0] == 8


def test_series_without_images_are_left_out(tmp_path, imaging):
    report = ct_series(1, Rows=None, Columns=None, Modality="SR")
    del report[0].PixelData
    write([*report, *ct_series(2, series=2)], tmp_path / "in")
    code, lines, _ = imaging("convert", tmp_path / "in", "--out", tmp_path / "v", "--quiet")
    assert (code, lines[-1]) == (0, "written=1 refused=0 unchanged=0 no_image=1 files_refused=0")


def test_two_at_once_are_refused(folder, tmp_path, imaging):
    with folders.work_folder(tmp_path / "v"):
        code, _, said = imaging("convert", folder, "--out", tmp_path / "v", "--quiet")
    assert (code, "另一个进程正在写入" in said) == (8, True)


def test_a_killed_run_goes_on(tmp_path, imaging):
    for series in range(1, 13):
        write(ct_series(3, series=series, size=256), tmp_path / "in" / str(series))
    out = tmp_path / "v"
    command = [sys.executable, "-m", "workbench.cli", "imaging", "convert", str(tmp_path / "in"), "--out", str(out), "--quiet"]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list(out.glob("*.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.005)
    running.send_signal(signal.SIGKILL)
    running.wait()
    made = {path.name: path.stat().st_mtime_ns for path in out.glob("*.json")}
    assert 2 <= len(made) < 12
    for path in out.glob("*.json"):
        assert (out / json.loads(path.read_text(encoding="utf-8"))["rows"][0]["file"]).is_file()
    code, lines, _ = imaging("convert", tmp_path / "in", "--out", out, "--quiet")
    assert (code, lines[-1]) == (0, f"written=12 refused=0 unchanged={len(made)} no_image=0 files_refused=0")
    assert {name: (out / name).stat().st_mtime_ns for name in made} == made
    assert len(list(out.iterdir())) == 25, "nothing unfinished is left"
