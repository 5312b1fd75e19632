"""nnU-Net (Isensee et al. 2021) as an engine of its own, where it is installed: our data in its form, its programs, our measures.

``network: {name: nnunet}`` in a task asks for it. nnU-Net decides spacing, patch, network and augmentation itself: the task's are not used.
Patients are split, leaks looked for and the test cases measured as for every other task. It runs as programs of its own, with its three
folders in their environment; none of its code is imported. What it learns stays in its own form in the work folder: its checkpoints are
pickles, which only nnU-Net opens, and are no bundle.

The data form and the command lines are those of its documentation (version 2.8: ``dataset_format``, ``manual_data_splits``,
``how_to_use_nnunet``). nnU-Net itself cannot be installed beside a CPU build of PyTorch, so the tests run stand-ins that check what they
are given against that documentation; a run of nnU-Net proper has not been seen here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from imaging.errors import ImageDataError, MissingPart, ModelError, PlaceError, TaskError
from imaging.models import metrics
from imaging.models.cases import cases_of
from imaging.models.evaluation import grouped
from imaging.models.preparing import CaseSet
from imaging.models.split import kept_apart, split_cases
from imaging.volumes import read_nifti

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imaging.models.cases import Case, Sample
    from imaging.models.task import Task

__all__ = ["NnUNet", "train_nnunet"]

#: Its programs; all are part of one installation.
PROGRAMS = ("nnUNetv2_plan_and_preprocess", "nnUNetv2_train", "nnUNetv2_predict")

#: A number that the Medical Segmentation Decathlon has not taken; the folders are ours alone, so that it is the only data set there.
_NUMBER, _PLANS, _FOLD = 501, "nnUNetPlans", 0

#: LPS to RAS and back; NIfTI is in RAS.
_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])


class NnUNet(BaseModel):
    """What may be said of nnU-Net under ``network``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["nnunet"] = "nnunet"
    configuration: Literal["2d", "3d_fullres", "3d_lowres"] = "3d_fullres"
    trainer: Annotated[str, Field(pattern=r"^nnUNetTrainer[A-Za-z0-9_]{0,64}$")] = "nnUNetTrainer"


def train_nnunet(
    task: Task, out: Path | str, *, work: Path | str | None = None, device: str = "cuda", told: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """Train nnU-Net on a task's cases, let it answer the test cases and measure them.

    Parameters
    ----------
    task : Task
        Of a segmentation, with paths that exist.
    out : Path or str
        Folder of ``results.json``; it must not be there.
    work : Path or str, optional
        Folder of nnU-Net's data, checkpoints and logs, which are patients' data; `out` with .work unless given. What is finished there is
        not done again.
    device : str
        cuda or cpu; nnU-Net's own training of 1,000 epochs takes days on a CPU.
    told : callable, optional
        Told each command before it runs.

    Returns
    -------
    dict
        As in ``results.json``: engine, data and results.

    Raises
    ------
    MissingPart
        If nnU-Net is not installed.
    TaskError, ImageDataError
        If the task or its data are not for nnU-Net.
    ModelError
        If one of its programs fails; its log is named.
    PlaceError
        If a folder cannot be written.
    """
    out, settings = Path(out), _settings(task)
    work = Path(work or f"{out}.work").absolute()
    for program in PROGRAMS:
        if shutil.which(program) is None:
            raise MissingPart(f"nnU-Net is not installed here: no {program}", hint="pip install nnunetv2, or name a network of our table")
    if out.exists():
        raise TaskError(f"{out} is taken", hint="choose another place")
    try:
        engine = _Engine(task, settings, work, device, told or (lambda _: None))
        found = engine.run()
        out.mkdir(parents=True)
        aside = out / ".results.part"
        aside.write_text(json.dumps(found, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        aside.replace(out / "results.json")
    except OSError as error:
        raise PlaceError(
            f"{error.filename or work}: {error.strerror or type(error).__name__}", hint="make room; look at the paths"
        ) from error
    return found


def _settings(task: Task) -> NnUNet:
    if task.kind != "segmentation":
        raise TaskError("network.name: nnunet is for segmentation")
    reserved = {"background", "ignore"} & {name.lower() for name in task.classes[1:]}
    if reserved:
        raise TaskError(f"classes: nnU-Net gives {', '.join(sorted(reserved))} a meaning of its own", hint="another name")
    try:
        return NnUNet(**task.network)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise TaskError(f"network.{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


class _Engine:
    """One training: its folders, its cases and its commands."""

    def __init__(self, task: Task, settings: NnUNet, work: Path, device: str, told: Callable[[str], None]) -> None:
        self.task, self.settings, self.work, self.device, self.told = task, settings, work, device.split(":")[0] or "cuda", told
        self.dataset = f"Dataset{_NUMBER}_{re.sub('[^A-Za-z0-9]', '_', task.name)}"
        self.folders = {f"nnUNet_{name}": work / f"nnUNet_{name}" for name in ("raw", "preprocessed", "results")}
        parts = split_cases(cases_of(task), task.split)
        whole = CaseSet([case for part in parts for case in part], task.transforms)
        self.digest = whole.look_at_all()
        self.parts, self.leaks = kept_apart(parts, whole.marks, task.split)
        self.judged = self.parts.test or self.parts.validation

    def run(self) -> dict[str, Any]:
        """Do what is not done yet, and return the results."""
        raw, ready, fold = self._places()
        self._begin()
        if not (raw / "dataset.json").is_file():
            _write_data(raw, self.task, self.parts.train, self.parts.validation, self.judged)
        number, kind = str(_NUMBER), self.settings.configuration
        if not (ready / f"{_PLANS}.json").is_file():
            self._call("nnUNetv2_plan_and_preprocess", "-d", number, "-c", kind, "--verify_dataset_integrity")
        _write_json(ready / "splits_final.json", [_split(self.parts.train, self.parts.validation)])
        if not (fold / "checkpoint_final.pth").is_file():
            resumed = ["--c"] if (fold / "checkpoint_latest.pth").is_file() else []
            self._call("nnUNetv2_train", number, kind, str(_FOLD), "-tr", self.settings.trainer, "-device", self.device, *resumed)
        answers = self.work / "predicted"
        given = ("-i", str(raw / "imagesTs"), "-o", str(answers), "-d", number, "-c", kind, "-f", str(_FOLD))
        self._call("nnUNetv2_predict", *given, "-tr", self.settings.trainer, "-device", self.device)
        return self._measured(answers)

    def _places(self) -> tuple[Path, Path, Path]:
        raw, ready, results = (folder / self.dataset for folder in self.folders.values())
        return raw, ready, results / f"{self.settings.trainer}__{_PLANS}__{self.settings.configuration}" / f"fold_{_FOLD}"

    def _begin(self) -> None:
        """Make the folders; refuse those of another task or other data."""
        mark, now = (
            self.work / "task.json",
            {"data": self.digest, "classes": list(self.task.classes), "split": self.task.split.model_dump()},
        )
        if mark.is_file() and json.loads(mark.read_text(encoding="utf-8")) != now:
            raise ModelError(f"{self.work} holds another task or other data", hint="take it away to begin anew, or give another one")
        for folder in self.folders.values():
            folder.mkdir(parents=True, exist_ok=True)
        _write_json(mark, now)

    def _call(self, *command: str) -> None:
        """Run a program of nnU-Net's to its end; stopped together with us, its helpers too."""
        self.told(" ".join(command))
        log = self.work / f"{command[0]}.log"
        environment = os.environ | {name: str(folder) for name, folder in self.folders.items()}
        with log.open("ab") as file:
            process = subprocess.Popen(command, env=environment, stdout=file, stderr=file, stdin=subprocess.DEVNULL, start_new_session=True)
            try:
                code = process.wait()
            except BaseException:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait()
                raise
        if code:
            raise ModelError(f"{command[0]} failed with exit code {code}", hint=f"its own words: {log}")

    def _measured(self, answers: Path) -> dict[str, Any]:
        values = np.array([_dice(answers, number, case, self.task) for number, case in enumerate(self.judged)])

        def statistics(chosen: np.ndarray) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
            return metrics.segmentation(values[chosen], self.task.classes)

        part = "test" if self.parts.test else "validation"
        counts = {
            name: {"n_cases": len(cases), "n_patients": len({case.patient for case in cases})}
            for name, cases in self.parts._asdict().items()
        }
        return {
            "name": self.task.name,
            "engine": self.settings.model_dump(),
            "data": counts | {"sha256": self.digest},
            "results": {part: grouped(self.judged, statistics, self.task.min_group)},
        }


# Data -----------------------------------------------------------------------------------------------------------------


def _write_data(folder: Path, task: Task, train: Sequence[Case], validation: Sequence[Case], judged: Sequence[Case]) -> None:
    """Write cases in nnU-Net's raw form, under numbers instead of their keys; dataset.json comes last, when all is there."""
    for name in ("imagesTr", "labelsTr", "imagesTs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    units = set()
    for name, cases in (("Tr", [*train, *validation]), ("Ts", judged)):
        for number, case in enumerate(cases):
            sample = case.read()
            units.add((sample.unit, sample.image.shape[0]))
            _write_case(folder, name, number, sample, case.key)
    if len(units) != 1:
        raise ImageDataError("cases differ in unit or channels, which nnU-Net takes for one kind", hint="train on one kind")
    ((unit, channels),) = units
    document = {
        "channel_names": {str(number): "CT" if unit == "HU" else f"image {number}" for number in range(channels)},
        "labels": {"background": 0, **{name: number for number, name in enumerate(task.classes) if number}},
        "numTraining": len(train) + len(validation),
        "file_ending": ".nii.gz",
    }
    _write_json(folder / "dataset.json", document)


def _write_case(folder: Path, part: str, number: int, sample: Sample, key: str) -> None:
    import nibabel

    if sample.affine is None or sample.image.ndim != 4:
        raise ImageDataError(f"{key}: has no geometry, which nnU-Net plans by")
    axes = sample.affine[:3, :3] / np.linalg.norm(sample.affine[:3, :3], axis=0)
    if not np.allclose(axes.T @ axes, np.eye(3), atol=1e-3):
        raise ImageDataError(f"{key}: its axes are not at right angles, which nnU-Net cannot read", hint="policy: resample")
    affine = _FLIP @ sample.affine
    for channel, image in enumerate(sample.image):
        nibabel.save(
            nibabel.Nifti1Image(image.T.astype(np.float32), affine), folder / f"images{part}" / f"{_case(number)}_{channel:04d}.nii.gz"
        )
    if part == "Tr":
        nibabel.save(nibabel.Nifti1Image(sample.mask.T.astype(np.uint8), affine), folder / "labelsTr" / f"{_case(number)}.nii.gz")


def _case(number: int) -> str:
    return f"case_{number:05d}"


def _split(train: Sequence[Case], validation: Sequence[Case]) -> dict[str, list[str]]:
    """Return the one fold: our own validation cases, by their numbers."""
    return {
        "train": [_case(number) for number in range(len(train))],
        "val": [_case(number) for number in range(len(train), len(train) + len(validation))],
    }


def _dice(answers: Path, number: int, case: Case, task: Task) -> np.ndarray:
    path = answers / f"{_case(number)}.nii.gz"
    if not path.is_file():
        raise ModelError(f"nnU-Net left no answer {path.name}", hint=f"look at the logs beside {answers}")
    found, truth = np.rint(read_nifti(path).array).astype(int), case.read().mask
    if found.shape != truth.shape or found.min() < 0 or found.max() >= len(task.classes):
        raise ModelError(f"{path}: the answer has another shape or other labels than its image")
    return metrics.dice(truth, found, len(task.classes))


def _write_json(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
