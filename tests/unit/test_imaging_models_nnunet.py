"""nnU-Net as an engine: data in its form and command lines, checked by stand-ins for its three programs; not nnU-Net itself."""

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

from imaging.errors import ImageDataError, MissingPart, ModelError, TaskError
from imaging.models.nnunet import train_nnunet
from imaging.models.task import write_task
from imaging.volumes import write_nifti
from tests.lib.command import workbench_command
from tests.lib.imaging_tasks import placed, segmentation_task
from tests.lib.paths import REPOSITORY

#: A stand-in that refuses what nnU-Net's documentation does not allow, and answers by a threshold.
STAND_IN = """#!{python}
import json, os, re, sys, time
from pathlib import Path
import nibabel, numpy as np

raw, ready, results = (Path(os.environ["nnUNet_" + name]) for name in ("raw", "preprocessed", "results"))
program, arguments = Path(sys.argv[0]).name, sys.argv[1:]
with open(raw.parent / "calls.txt", "a") as file:
    file.write(" ".join([program, *arguments]) + chr(10))
(dataset,) = raw.iterdir()
assert re.fullmatch(r"Dataset501_[A-Za-z0-9_]+", dataset.name)
if os.environ.get("STAND_IN_FAILS") == program:
    sys.exit("no room on the device")
if program == "nnUNetv2_plan_and_preprocess":
    assert arguments == ["-d", "501", "-c", "3d_fullres", "--verify_dataset_integrity"]
    described = json.loads((dataset / "dataset.json").read_text())
    assert set(described) == {{"channel_names", "labels", "numTraining", "file_ending"}}
    assert described["labels"]["background"] == 0
    assert sorted(described["labels"].values()) == list(range(len(described["labels"])))
    labels = sorted((dataset / "labelsTr").iterdir())
    assert len(labels) == described["numTraining"]
    for label in labels:
        name = label.name.removesuffix(described["file_ending"])
        for channel in described["channel_names"]:
            image = nibabel.load(dataset / "imagesTr" / f"{{name}}_{{int(channel):04d}}{{described['file_ending']}}")
            mask = nibabel.load(label)
            assert image.shape == mask.shape and np.allclose(image.affine, mask.affine)
            assert set(np.unique(np.asarray(mask.dataobj))) <= set(described["labels"].values())
    (ready / dataset.name).mkdir()
    (ready / dataset.name / "nnUNetPlans.json").write_text("{{}}")
elif program == "nnUNetv2_train":
    assert arguments[:3] == ["501", "3d_fullres", "0"]
    (fold,) = json.loads((ready / dataset.name / "splits_final.json").read_text())
    known = {{path.name.removesuffix(".nii.gz") for path in (dataset / "labelsTr").iterdir()}}
    assert set(fold["train"]) | set(fold["val"]) == known and not set(fold["train"]) & set(fold["val"])
    place = results / dataset.name / "nnUNetTrainer__nnUNetPlans__3d_fullres" / "fold_0"
    place.mkdir(parents=True, exist_ok=True)
    (place / "checkpoint_latest.pth").write_text("")
    if os.environ.get("STAND_IN_HANGS"):
        time.sleep(600)
    (place / "checkpoint_final.pth").write_text("")
else:
    given = dict(zip(arguments[::2], arguments[1::2]))
    assert set(given) == {{"-i", "-o", "-d", "-c", "-f", "-tr", "-device"}}
    Path(given["-o"]).mkdir(exist_ok=True)
    for path in Path(given["-i"]).iterdir():
        image = nibabel.load(path)
        found = (np.asarray(image.dataobj) > 1.5).astype(np.uint8)
        nibabel.save(nibabel.Nifti1Image(found, image.affine), Path(given["-o"]) / (path.name.removesuffix("_0000.nii.gz") + ".nii.gz"))
"""


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """The stand-ins on the path."""
    place = tmp_path / "bin"
    place.mkdir()
    for name in ("nnUNetv2_plan_and_preprocess", "nnUNetv2_train", "nnUNetv2_predict"):
        (place / name).write_text(STAND_IN.format(python=sys.executable))
        (place / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
    return place


@pytest.fixture
def task(tmp_path):
    (tmp_path / "in").mkdir()
    return segmentation_task(tmp_path / "in").model_copy(update={"network": {"name": "nnunet"}})


def calls(work: Path) -> list[str]:
    return (work / "calls.txt").read_text().splitlines()


def test_the_cases_are_trained_on_answered_and_measured(task, programs, tmp_path):
    told = []
    found = train_nnunet(task, tmp_path / "out", device="cpu", told=told.append)
    assert json.loads((tmp_path / "out" / "results.json").read_text()) == found
    assert found["results"]["test"]["n_cases"] == found["data"]["test"]["n_cases"] == 2
    assert 0.5 < found["results"]["test"]["metrics"]["dice ball"]["value"] < 1
    assert [line.split()[0] for line in told] == ["nnUNetv2_plan_and_preprocess", "nnUNetv2_train", "nnUNetv2_predict"]
    assert "501 3d_fullres 0 -tr nnUNetTrainer -device cpu" in told[1]
    assert calls(tmp_path / "out.work") == told


def test_the_command_takes_the_task_to_nnunet(task, programs, tmp_path, capsys):
    write_task(task, tmp_path / "t.yaml")
    assert workbench_command("imaging", "train", tmp_path / "t.yaml", "--out", tmp_path / "out") == 0
    shown = capsys.readouterr()
    assert "dice ball" in shown.out
    assert shown.out.splitlines()[-1] == f"results={tmp_path / 'out' / 'results.json'}"
    assert "nnUNetv2_train 501 3d_fullres 0 -tr nnUNetTrainer -device cuda" in shown.err


def test_images_lie_where_they_lay(task, programs, tmp_path):
    affine = np.array([[0, 0, 2.0, 5], [-1.5, 0, 0, 7], [0, 1.0, 0, -3], [0, 0, 0, 1]])
    values = np.random.default_rng(1).normal(size=(16, 16, 16)).astype(np.float32)
    for name in ("images", "labels"):
        write_nifti(placed(values if name == "images" else (values > 1).astype(np.uint8), affine), tmp_path / "in" / name / "c0.nii.gz")
    train_nnunet(task, tmp_path / "out", device="cpu")
    original = nibabel.load(tmp_path / "in" / "images" / "c0.nii.gz")
    raw = tmp_path / "out.work" / "nnUNet_raw" / "Dataset501_ball"
    same = [
        nibabel.load(path)
        for path in raw.rglob("*_0000.nii.gz")
        if np.array_equal(np.asarray(nibabel.load(path).dataobj), np.asarray(original.dataobj))
    ]
    assert len(same) == 1
    assert np.allclose(same[0].affine, original.affine)
    assert not [path for path in raw.rglob("*") if "c0" in path.name], "cases are numbered, not named"


def test_what_is_finished_is_not_done_again(task, programs, tmp_path, monkeypatch):
    monkeypatch.setenv("STAND_IN_FAILS", "nnUNetv2_predict")
    with pytest.raises(ModelError, match="nnUNetv2_predict failed with exit code 1") as told:
        train_nnunet(task, tmp_path / "out", device="cpu")
    assert "no room on the device" in Path(told.value.hint.rsplit(": ")[-1]).read_text()
    assert not (tmp_path / "out").exists()
    monkeypatch.delenv("STAND_IN_FAILS")
    train_nnunet(task, tmp_path / "out", device="cpu")
    assert [line.split()[0].removeprefix("nnUNetv2_") for line in calls(tmp_path / "out.work")] == [
        "plan_and_preprocess",
        "train",
        "predict",
        "predict",
    ]


def test_a_training_that_is_stopped_ends_its_programs_and_goes_on(task, programs, tmp_path):
    write_task(task, tmp_path / "t.yaml")
    code = (
        "import sys; from imaging.models.nnunet import train_nnunet; from imaging.models.task import read_task;"
        "train_nnunet(read_task(sys.argv[1]), sys.argv[2], device='cpu')"
    )
    given = [sys.executable, "-c", code, str(tmp_path / "t.yaml"), str(tmp_path / "out")]
    environment = os.environ | {"STAND_IN_HANGS": "1", "PYTHONPATH": str(REPOSITORY)}
    latest = tmp_path / "out.work/nnUNet_results/Dataset501_ball/nnUNetTrainer__nnUNetPlans__3d_fullres/fold_0/checkpoint_latest.pth"
    with subprocess.Popen(given, env=environment, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 180
        while not latest.exists():
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    left = [path for path in Path("/proc").glob("[0-9]*/cmdline") if str(programs).encode() in _read(path)]
    assert not left
    train_nnunet(task, tmp_path / "out", device="cpu")
    assert calls(tmp_path / "out.work")[-2].endswith(" --c")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_work_of_another_task_is_not_gone_on_with(task, programs, tmp_path):
    train_nnunet(task, tmp_path / "out", device="cpu")
    other = task.model_copy(update={"split": task.split.model_copy(update={"seed": 9})})
    with pytest.raises(ModelError, match="another task"):
        train_nnunet(other, tmp_path / "other", work=tmp_path / "out.work", device="cpu")
    with pytest.raises(TaskError, match="taken"):
        train_nnunet(task, tmp_path / "out", device="cpu")


def test_without_nnunet_it_is_said_what_to_do(task, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingPart, match="nnU-Net is not installed here: no nnUNetv2_plan_and_preprocess"):
        train_nnunet(task, tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"network": {"name": "nnunet", "configuration": "4d"}}, "network.configuration"),
        ({"network": {"name": "nnunet", "trainer": "x; rm -rf /"}}, "network.trainer"),
        ({"classes": ("background", "ignore")}, "meaning of its own"),
        ({"kind": "classification"}, "is for segmentation"),
    ],
)
def test_a_task_that_it_cannot_do_is_refused(task, tmp_path, change, words):
    with pytest.raises(TaskError, match=words):
        train_nnunet(task.model_copy(update=change), tmp_path / "out")


def test_a_sheared_image_is_refused(task, programs, tmp_path):
    lean = np.eye(4)
    lean[1, 2] = 0.3
    for name in ("images", "labels"):
        write_nifti(placed(np.zeros((16, 16, 16), np.uint8), lean), tmp_path / "in" / name / "c3.nii.gz")
    with pytest.raises(ImageDataError, match="right angles"):
        train_nnunet(task, tmp_path / "out", device="cpu")
