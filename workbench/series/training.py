"""What a notebook shows of a training: the task's cases, example images with truth and answer, results by scanner and verdict."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import yaml

from imaging.geometry import Geometry, Verdict
from imaging.models.bundle import CARDS
from imaging.models.card import measure_name
from imaging.models.cases import cases_of
from imaging.models.split import split_cases
from imaging.models.task import Task, read_task
from imaging.viewer import Exhibit, contact_sheet
from imaging.volumes import Volume
from workbench.errors import DataError
from workbench.locale import get_language, tr
from workbench.series.looking import watermark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imaging.models.bundle import Bundle
    from imaging.models.cases import Case, Sample

__all__ = ["card_of", "cases_table", "example_sheet", "open_task", "results_table", "task_text"]

#: Tasks that come along with the templates.
_TASKS = Path(__file__).resolve().parents[2] / "templates" / "tasks"

_PARTS = {"train": ("训练", "training"), "validation": ("验证", "validation"), "test": ("测试", "test")}


def open_task(name: str, *, data: str = "", epochs: int = 0) -> Task:
    """Open a task file, or a task that comes along by its name.

    Parameters
    ----------
    name : str
        Path of a YAML file, or ``pneumonia``, ``hippocampus`` ...
    data : str
        Folder of the data, from which the task's paths are meant; the file's own folder where empty.
    epochs : int
        Most epochs instead of the task's; the task's where 0.

    Raises
    ------
    TaskError
        If it cannot be read.
    """
    path = Path(name) if Path(name).suffix in (".yaml", ".yml") else _TASKS / f"{name}.yaml"
    task = read_task(path, data=data or None)
    return task if not epochs else task.model_copy(update={"training": task.training.model_copy(update={"epochs": epochs})})


def task_text(task: Task) -> str:
    """Return a task as YAML, without its paths and what it leaves as it is by default."""
    said = task.model_dump(mode="json", exclude={"data"}, exclude_unset=True)
    return yaml.safe_dump(said, allow_unicode=True, sort_keys=False, width=100, default_flow_style=None)


def cases_table(task: Task) -> pd.DataFrame:
    """Return how many cases, patients and scanners each part has, and of a classification how many of each class.

    Parameters
    ----------
    task : Task
        With paths that exist. Cases of which leaks are found are dropped, or refuse the training, only when it begins.
    """
    rows = []
    for part, cases in split_cases(cases_of(task), task.split)._asdict().items():
        row: dict[str, Any] = {
            tr("部分", "part"): tr(*_PARTS[part]),
            tr("例数", "cases"): len(cases),
            tr("患者数", "patients"): len({case.patient for case in cases}),
            tr("设备数", "scanners"): len({case.scanner for case in cases if case.scanner}),
        }
        counts = Counter(case.label for case in cases if case.label is not None)
        rows.append(row | {name: counts[number] for number, name in enumerate(task.classes) if counts})
    return pd.DataFrame(rows).set_index(tr("部分", "part"))


def results_table(bundle: Bundle) -> pd.DataFrame:
    """Return a model's results with 95 % intervals: the test cases, their scanners and verdicts, then the validation cases.

    Parameters
    ----------
    bundle : Bundle
        Trained here.

    Raises
    ------
    DataError
        If it was not.
    """
    results = bundle.metadata["workbench"].get("results")
    if not results:
        raise DataError(
            tr("此模型不是在这里训练的，没有结果", "this model was not trained here: it has no results"),
            hint=tr("见模型卡", "see its card"),
        )
    rows = []
    for part in sorted(results, key=("test", "validation").index):
        rows.append(_row(tr(*_PARTS[part]), "", results[part]))
        for name, words in (("scanner", ("设备", "scanner")), ("verdict", ("几何判定", "verdict"))):
            rows += [_row(tr(*_PARTS[part]), f"{tr(*words)} {group}", each) for group, each in results[part].get(f"by_{name}", {}).items()]
    return pd.DataFrame(rows).set_index([tr("部分", "part"), tr("分组", "group")])


def _row(part: str, group: str, found: dict[str, Any]) -> dict[str, Any]:
    row = {tr("部分", "part"): part, tr("分组", "group"): group, tr("例数", "cases"): found["n_cases"]}
    for measure, each in found["metrics"].items():
        told = each["value"] is not None
        row[measure_name(measure, get_language())] = f"{each['value']:.3f} ({each['low']:.3f}-{each['high']:.3f})" if told else "-"
    return row


def example_sheet(task: Task, bundle: Bundle | None = None, *, part: str = "test", count: int = 8, seed: int = 1, size: int = 160) -> bytes:
    """Return example images of a part on one page, with what is true of them and what a model says.

    Parameters
    ----------
    task : Task
        Where the cases lie.
    bundle : Bundle, optional
        Asked about each, where it is given.
    part : str
        train, validation or test.
    count, seed : int
        How many are drawn, and how.
    size : int
        Pixels of a tile.

    Returns
    -------
    bytes
        PNG with the session's watermark. A mask is shown on the slice where the truth is largest: the truth first, then the model's.

    Raises
    ------
    DataError
        If the part has no cases.
    """
    cases = getattr(split_cases(cases_of(task), task.split), part)
    if not cases:
        raise DataError(
            tr(f"{tr(*_PARTS[part])}部分没有例子", f"the {part} part has no cases"), hint=tr("请选择另一部分", "name another part")
        )
    drawn = np.random.default_rng(seed).permutation(len(cases))[:count]
    exhibits = (exhibit for number in sorted(drawn) for exhibit in _exhibits(task, bundle, cases[number]))
    return contact_sheet(exhibits, columns=8, size=size, watermark=watermark(), language=get_language())


def _exhibits(task: Task, bundle: Bundle | None, case: Case) -> Iterator[Exhibit]:
    sample = case.read()
    said = bundle.predict(_volume(sample)) if bundle else None
    if sample.mask is None:
        yield Exhibit(volume=_volume(sample), label=_label(task, case, said))
        return
    masks = [(tr("标注", "truth"), sample.mask), *([(tr("模型", "model"), said.mask)] if said else [])]
    at = int((sample.mask > 0).sum(axis=(1, 2)).argmax())
    for label, mask in masks:
        yield Exhibit(volume=_volume(sample, at), mask=mask[at : at + 1], label=label)


def _label(task: Task, case: Case, said: Any) -> str:
    truth = "" if case.label is None else task.classes[case.label]
    if said is None or said.label is None:
        return truth
    mark = "✓" if said.label == truth else "✗"
    return f"{truth} {mark} {said.shares[said.label]:.2f}"


def _volume(sample: Sample, at: int | None = None) -> Volume:
    """Return a sample as a volume; with `at`, that slice alone, for a picture."""
    image = sample.image
    grey = image[0] if image.shape[0] == 1 else np.moveaxis(image, 0, -1)
    array = grey[None] if image.ndim == 3 else grey
    affine = sample.affine
    if at is not None:
        array, affine = array[at : at + 1], None
    spacing = None if affine is None else tuple(float(np.linalg.norm(affine[:3, axis])) for axis in (2, 1, 0))
    shape = tuple(array.shape[:3])
    geometry = Geometry(verdicts=(Verdict.REGULAR,), reasons=(), order=(), shape=shape, spacing_mm=spacing, affine=affine)
    return Volume(array=array, affine=affine, spacing_mm=spacing, unit=sample.unit, geometry=geometry)


def card_of(folder: Path | str) -> str:
    """Return a bundle's card in the language of the screen, as Markdown."""
    return (Path(folder) / CARDS[get_language()]).read_text(encoding="utf-8")
