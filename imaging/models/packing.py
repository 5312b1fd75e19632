"""Writing a bundle in one step: metadata by MONAI's schema, weights, card, and the hash of each."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as package_version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from safetensors import SafetensorError
from safetensors.torch import save_file

from imaging.errors import PlaceError, TaskError
from imaging.models.bundle import CARDS, FILES, HASHES, METADATA, WEIGHTS, file_hash, version_of
from imaging.models.card import card_text
from imaging.models.networks import count_parameters
from imaging.models.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor, nn

    from imaging.models.task import Task

__all__ = ["SCHEMA", "Learnt", "check_free", "write_bundle", "write_files"]

#: Of MONAI's metadata; by it :func:`_metadata` is written.
SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """What a training leaves, for :func:`write_bundle`.

    Parameters
    ----------
    task : Task
        What was asked.
    network : Module
        With the weights that are kept.
    channels : int
        Of an image.
    threshold : float or None
        Share of the second of two classes, or score of a box, from which on it is decided for.
    results : dict
        Part -> what ``evaluation.evaluate`` returned.
    data : dict
        Counts of each part, hash of the data, and counts of what leaked.
    history : list of dict
        Loss and score of each epoch.
    best_epoch : int
        The one that is kept.
    """

    task: Task
    network: nn.Module
    channels: int
    threshold: float | None
    results: dict[str, Any]
    data: dict[str, Any]
    history: list[dict[str, float]]
    best_epoch: int


def write_bundle(learnt: Learnt, folder: Path | str, *, force: bool = False) -> str:
    """Write what a training left as a bundle, in one step.

    Parameters
    ----------
    learnt : Learnt
        What the training left.
    folder : Path or str
        Where it is to lie.
    force : bool
        Whether a bundle that lies there is replaced.

    Returns
    -------
    str
        Its version.

    Raises
    ------
    TaskError
        If the place is taken.
    PlaceError
        If it cannot be written.
    """
    return write_files(_metadata(learnt), learnt.network.state_dict(), count_parameters(learnt.network), Path(folder), force=force)


def write_files(metadata: dict[str, Any], tensors: dict[str, Tensor], parameters: int, folder: Path, *, force: bool = False) -> str:
    """Write metadata, weights, cards and hashes as a bundle, in one step.

    Parameters
    ----------
    metadata : dict
        With ours under ``workbench``.
    tensors : dict of str to Tensor
        The network's state.
    parameters : int
        How many numbers it learnt, for the card.
    folder : Path
        Where it is to lie.
    force : bool
        Whether a bundle that lies there is replaced.

    Returns
    -------
    str
        Its version.

    Raises
    ------
    TaskError, PlaceError
        As :func:`write_bundle`.
    """
    check_free(folder, force=force)
    aside = folder.with_name(f".{folder.name}.{uuid4().hex}.part")
    try:
        for name in FILES:
            (aside / name).parent.mkdir(parents=True, exist_ok=True)
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, aside / WEIGHTS)
        (aside / METADATA).write_text(json.dumps(metadata, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        shutil.copymode(aside / METADATA, aside / WEIGHTS)  # safetensors leaves it readable to its writer alone
        for language, name in CARDS.items():
            (aside / name).write_text(card_text(metadata, parameters, language), encoding="utf-8")
        hashes = {name: file_hash(aside / name) for name in FILES}
        (aside / HASHES).write_text(json.dumps(hashes, indent=2) + "\n", encoding="utf-8")
        _sync(aside)
        _move(aside, folder)
    except (OSError, SafetensorError) as error:
        raise PlaceError(f"{folder} cannot be written ({type(error).__name__})", hint="choose another place, or make room") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return version_of(hashes)


def check_free(folder: Path, *, force: bool) -> None:
    """Refuse a place where something lies that must not be written over.

    Parameters
    ----------
    folder : Path
        Where a bundle is to lie.
    force : bool
        Whether a bundle may be replaced; anything else never is.

    Raises
    ------
    TaskError
        If the place is taken.
    """
    if not folder.exists() and not folder.is_symlink():
        return
    if folder.is_symlink() or not (folder / HASHES).is_file():
        raise TaskError(f"{folder} is taken by something that is no bundle", hint="choose another place")
    if not force:
        raise TaskError(f"{folder} is a bundle already", hint="choose another place, or replace it with force")


def _metadata(learnt: Learnt) -> dict[str, Any]:
    """Return metadata by MONAI's schema, and under ``workbench`` what only we need."""
    task = learnt.task
    recipe = Recipe(
        kind=task.kind,
        classes=task.classes,
        codes=task.codes,
        modalities=task.modalities,
        channels=learnt.channels,
        transforms=task.transforms,
        network=task.network,
        flips=task.flips,
        threshold=learnt.threshold,
    )
    packages = {name: package_version(name) for name in ("monai", "torch", "numpy", "safetensors", "nibabel")}
    final = learnt.results.get("test", learnt.results["validation"])
    return {
        "schema": SCHEMA,
        "version": "1.0.0",
        "changelog": {"1.0.0": f"trained {datetime.now(UTC).date().isoformat()}"},
        "monai_version": packages["monai"],
        "pytorch_version": packages["torch"],
        "numpy_version": packages["numpy"],
        "required_packages_version": {name: packages[name] for name in ("safetensors", "nibabel")},
        "name": task.name,
        "task": task.kind,
        "description": f"{task.kind} into {', '.join(task.classes)}",
        "authors": "trained with the workbench",
        "copyright": task.licence,
        "data_source": task.data_source,
        "data_type": task.data.form,
        "image_classes": "grey values" if learnt.channels == 1 else f"{learnt.channels} channels",
        "label_classes": ", ".join(task.classes),
        "pred_classes": f"{len(task.classes)} channels, probabilities of {', '.join(task.classes)}",
        "eval_metrics": {name: each["value"] for name, each in final["metrics"].items()},
        "intended_use": task.intended_use,
        "references": [],
        "network_data_format": {
            "inputs": {"image": _format("image", recipe, ["intensity"] * learnt.channels)},
            "outputs": {"pred": _boxes_format(task) if task.kind == "detection" else _format("probabilities", recipe, list(task.classes))},
        },
        "workbench": {
            "recipe": recipe.model_dump(mode="json"),
            "training": task.training.model_dump(mode="json") | {"augment": task.augment.model_dump(mode="json")},
            "split": task.split.model_dump(mode="json"),
            "initial_sha256": task.initial.sha256 if task.initial else None,
            "data": learnt.data,
            "results": learnt.results,
            "best_epoch": learnt.best_epoch,
            "history": learnt.history,
            "licence": task.licence,
        },
    }


def _format(kind: str, recipe: Recipe, meaning: list[str]) -> dict[str, Any]:
    """Return MONAI's description of a tensor that goes in or comes out."""
    scaled = recipe.transforms.window_hu or recipe.transforms.value_range
    segments, values = recipe.kind == "segmentation", "hounsfield" if recipe.transforms.window_hu else "magnitude"
    return {
        "type": "image" if segments else kind,
        "format": values if kind == "image" else "segmentation" if segments else "classes",
        "num_channels": len(meaning),
        "spatial_shape": list(recipe.window) if kind == "image" or segments else [],
        "dtype": "float32",
        "value_range": [0, 1] if scaled or kind != "image" else [],
        "is_patch_data": recipe.transforms.patch is not None,
        "channel_def": {str(number): name for number, name in enumerate(meaning)},
    }


def _boxes_format(task: Task) -> dict[str, Any]:
    """Return MONAI's description of boxes, as its bundle for nodules has it."""
    return {
        "type": "object",
        "format": "dictionary",
        "num_channels": 1,
        "spatial_shape": [],
        "dtype": "float32",
        "value_range": [],
        "is_patch_data": False,
        "channel_def": {str(number): name for number, name in enumerate(task.classes) if number},
    }


def _sync(folder: Path) -> None:
    """Bring every file to the disk before the rename makes it the bundle."""
    for path in (*folder.rglob("*"), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _move(aside: Path, folder: Path) -> None:
    """Put a bundle in its place; one that lies there is moved aside first, and back where the new one cannot follow."""
    old = folder.with_name(f".{folder.name}.{uuid4().hex}.old")
    replaced = folder.exists()
    if replaced:
        folder.rename(old)
    try:
        aside.rename(folder)
    except OSError:
        if replaced:
            with suppress(OSError):
                old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
