"""``workbench imaging train`` and ``predict``: a bundle from a task file, and what it says of a folder of series."""

from __future__ import annotations

import csv
import json

import numpy as np
import pydicom
import pytest

from imaging.models.task import write_task
from imaging.results import read_segmentation
from imaging.volumes import read_volume
from tests.lib.command import workbench_command
from tests.lib.dicom_files import ct_series, write
from tests.lib.imaging_tasks import segmentation_task
from tests.lib.paths import REPOSITORY


def run(*arguments) -> int:
    return workbench_command("imaging", *arguments)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A segmentation of bright balls, trained by the command."""
    place = tmp_path_factory.mktemp("task")
    write_task(segmentation_task(place), place / "task.yaml")
    assert run("train", place / "task.yaml", "--out", place / "bundle", "--device", "cpu", "--quiet") == 0
    return place / "bundle"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A ball in noise as a CT series, and a series with a slice missing."""
    place = tmp_path_factory.mktemp("in")
    slices, rows, columns = np.indices((16, 16, 16)) - 8
    ball = (slices**2 + rows**2 + columns**2 < 20) * 300 + np.random.default_rng(3).normal(size=(16, 16, 16)) * 100
    for series, without in ((1, ()), (2, (5,))):
        datasets = ct_series(16, series=series, size=16, spacing_mm=1.0, PixelSpacing=[1, 1], RescaleIntercept=0)
        for ds, plane in zip(datasets, ball.astype("<i2"), strict=True):
            ds.PixelData = plane.tobytes()
        write([ds for number, ds in enumerate(datasets) if number not in without], place / str(series))
    return place


@pytest.fixture(scope="module")
def predicted(bundle, folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "results"
    return run("predict", bundle, folder, "--out", out, "--quiet"), out


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_training_tells_its_results_and_what_to_do_next(bundle, capsys):
    assert (bundle / "docs" / "README.md").is_file()
    assert run("train", bundle.parent / "task.yaml", "--out", bundle, "--device", "cpu", "--quiet") == 3, "a bundle lies there"
    assert run("train", bundle.parent / "task.yaml", "--out", bundle, "--device", "cpu", "--force") == 0
    shown = capsys.readouterr()
    assert "dice ball" in shown.out
    assert shown.out.splitlines()[-1].startswith("bundle=ball@")
    assert f"workbench imaging predict {bundle}" in shown.out


def test_each_series_gets_a_mask_that_lies_on_it_and_measurements(predicted, folder):
    code, out = predicted
    assert code == 4, "one series was refused"
    done = {row["outcome"]: row for row in rows_of(out / "predictions.csv")}
    assert done["refused"]["segmentation"] == ""
    paths = sorted((folder / "1").iterdir())
    volume = read_volume(paths)
    found = read_segmentation(out / done["written"]["segmentation"], volume)
    assert found.mask.shape == (16, 16, 16)
    values = {row["measure"]: float(row["value"]) for row in rows_of(out / "measurements.csv") if row["label_name"] == "ball"}
    assert 0.1 < values["volume_ml"] < 1.5
    report = pydicom.dcmread(out / done["written"]["report"])
    assert report.Modality == "SR"
    assert report.StudyInstanceUID == pydicom.dcmread(paths[0]).StudyInstanceUID


def test_a_class_without_a_standard_code_is_said_on_screen_and_in_the_file(predicted, bundle, folder, tmp_path, capsys):
    _, out = predicted
    (row,) = [row for row in rows_of(out / "predictions.csv") if row["outcome"] == "written"]
    (segment,) = pydicom.dcmread(out / row["segmentation"]).SegmentSequence
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodingSchemeDesignator == "99CWB"
    run("predict", bundle, folder / "1", "--out", tmp_path / "r", "--quiet")
    assert "99CWB" in capsys.readouterr().err


def test_what_was_made_is_not_made_again(predicted, bundle, folder, capsys):
    _, out = predicted
    run("predict", bundle, folder, "--out", out, "--quiet")
    assert capsys.readouterr().out.splitlines()[-1] == "written=1 refused=1 unchanged=2 no_image=0 files_refused=0"


def test_a_resampled_mask_comes_back_onto_the_slices_that_were_scanned(bundle, folder, tmp_path):
    assert run("predict", bundle, folder / "2", "--out", tmp_path / "r", "--policy", "resample", "--quiet") == 0
    (row,) = rows_of(tmp_path / "r" / "predictions.csv")
    mask = pydicom.dcmread(tmp_path / "r" / row["segmentation"])
    known = {pydicom.dcmread(path).SOPInstanceUID for path in (folder / "2").iterdir()}
    used = {item.ReferencedSOPInstanceUID for item in mask.ReferencedSeriesSequence[0].ReferencedInstanceSequence}
    assert used <= known


def test_series_of_another_modality_are_left_alone(bundle, folder, tmp_path):
    assert run("predict", bundle, folder, "--out", tmp_path / "r", "--modality", "MR", "--quiet") == 0
    assert rows_of(tmp_path / "r" / "predictions.csv") == []


def test_a_bundle_that_was_changed_is_refused(bundle, folder, tmp_path, capsys):
    import shutil

    copy = shutil.copytree(bundle, tmp_path / "copy")
    metadata = json.loads((copy / "configs" / "metadata.json").read_text(encoding="utf-8"))
    (copy / "configs" / "metadata.json").write_text(json.dumps(metadata | {"name": "other"}), encoding="utf-8")
    assert run("predict", copy, folder, "--out", tmp_path / "r", "--quiet") == 7
    assert not (tmp_path / "r").exists()
    assert run("predict", bundle, folder, "--out", tmp_path / "r", "--sha256", "0" * 64, "--quiet") == 7


def test_a_model_is_not_asked_of_series_that_it_is_not_for(folder, tmp_path):
    """Those of another modality, and those whose values are of another scale: what it would say of these means nothing."""
    x_ray = ct_series(1, series=3, size=16, Modality="CR", RescaleIntercept=0)[0]
    x_ray.PixelData = np.full(256, 3000, "<i2").tobytes()
    write([x_ray], tmp_path / "in")
    (tmp_path / "in" / "ct.dcm").write_bytes(min((folder / "1").iterdir()).read_bytes())
    assert run("predict", REPOSITORY / "templates" / "bundles" / "pneumonia", tmp_path / "in", "--out", tmp_path / "out", "--quiet") == 4
    done = {row["modality"]: row for row in rows_of(tmp_path / "out" / "predictions.csv")}
    assert done["CT"]["why"] == "模型用于 CR/DX，此序列为 CT"
    assert done["CR"]["why"].startswith("图像的灰度范围与模型不同")
    assert not any(row["label"] for row in done.values())
