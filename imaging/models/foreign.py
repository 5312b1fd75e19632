"""A model bundle from elsewhere, as the MONAI Model Zoo packs them, made one of ours: audited, then loaded.

Taken are its weights, as tensors, and what its configuration means in our words (:mod:`imaging.models.foreign_settings`); left behind, by
name, is everything else: scripts, TorchScript, configurations of training. The bundle that is written holds no pickle and no expression,
and names the hash of what it was made from.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load_file

from imaging.errors import ModelError
from imaging.models.bundle import Bundle, check_tensors, open_bundle
from imaging.models.foreign_files import METADATA, Source, open_source
from imaging.models.foreign_settings import recipe_of
from imaging.models.networks import count_parameters
from imaging.models.packing import SCHEMA, check_free, write_files
from imaging.models.pickled import read_state

if TYPE_CHECKING:
    import torch

    from imaging.models.recipe import Recipe

__all__ = ["Found", "import_bundle", "look_into"]

_SETTINGS = ("configs/inference.json", "configs/inference.yaml", "configs/inference.yml")
_LICENCES = ("LICENSE", "docs/license.txt", "docs/LICENSE", "license.txt")
_WEIGHTS = ("models/model.safetensors", "models/model.pt", "models/model.pth")

#: Texts of the metadata that are taken over, as the makers' own words.
_TEXTS = ("version", "name", "task", "description", "authors", "copyright", "data_source", "intended_use", "image_classes", "label_classes")
_LONGEST, _LONGEST_LICENCE = 2000, 100_000


class Found(NamedTuple):
    """What a bundle from elsewhere would be here.

    Parameters
    ----------
    name : str
        As it calls itself.
    sha256 : str
        Of its archive; of a folder, over the names and hashes of all its files.
    recipe : Recipe
        How it would be asked.
    weights : str
        File that its weights are taken from.
    left_out : tuple of str
        Files that are not looked at.
    """

    name: str
    sha256: str
    recipe: Recipe
    weights: str
    left_out: tuple[str, ...]


def look_into(path: Path | str) -> Found:
    """Audit a bundle from elsewhere, weights included, and return what it would be; nothing is kept.

    Parameters
    ----------
    path : Path or str
        Its folder, or its .zip file.

    Returns
    -------
    Found

    Raises
    ------
    ModelError, PlaceError
        As :func:`import_bundle`.
    """
    with open_source(path) as source:
        found, _, _ = _read(source)
        return found


def import_bundle(path: Path | str, out: Path | str, *, sha256: str, force: bool = False) -> Bundle:
    """Make a bundle of ours from one from elsewhere.

    Parameters
    ----------
    path : Path or str
        Its folder, or its .zip file.
    out : Path or str
        Folder of the bundle to write.
    sha256 : str
        Its hash (see :class:`Found`), known from its source or from who approved it.
    force : bool
        Whether a bundle at `out` is replaced.

    Returns
    -------
    Bundle
        As written and opened again.

    Raises
    ------
    ModelError
        If its hash is another; if it holds links, names that lead outside, or more than it may; if its weights are code, or a pickle of
        anything but tensors, or of another network; if its configuration is not understood. What was found is said.
    TaskError, PlaceError
        If `out` is taken or cannot be written.
    """
    out = Path(out)
    check_free(out, force=force)
    with open_source(path, place=out.absolute().parent if out.absolute().parent.is_dir() else None) as source:
        if source.sha256 != sha256:
            raise ModelError(
                f"{path} has the SHA-256 {source.sha256}, wanted {sha256}", hint="it is another bundle, or was changed: fetch it again"
            )
        found, metadata, tensors = _read(source)
    write_files(_ours(found, metadata), tensors, count_parameters(found.recipe.build_empty()), out, force=force)
    return open_bundle(out)


def _read(source: Source) -> tuple[Found, dict[str, Any], dict[str, torch.Tensor]]:
    """Return what a source holds: configuration first, so that weights are read only for a network that is known."""
    metadata = source.settings(METADATA)
    settings = _one_of(source, _SETTINGS, "configuration")
    recipe = recipe_of(source.settings(settings), metadata)
    weights = _one_of(source, _WEIGHTS, "weights")
    tensors = _tensors(source.take(weights), weights)
    wanted = recipe.build_empty().state_dict()
    check_tensors({name: tuple(tensor.shape) for name, tensor in tensors.items()}, wanted, weights)
    tensors = {name: tensors[name].to(tensor.dtype) for name, tensor in wanted.items()}
    licence = next((name for name in _LICENCES if name in source.files), "")
    metadata["licence_text"] = source.take(licence).read_text(encoding="utf-8", errors="replace")[:_LONGEST_LICENCE] if licence else ""
    left_out = tuple(sorted(source.files.keys() - {METADATA, settings, weights, licence}))
    name = " ".join(str(metadata.get("name") or "imported").split())[:64]
    return Found(name, source.sha256, recipe, weights, left_out), metadata, tensors


def _one_of(source: Source, names: tuple[str, ...], what: str) -> str:
    for name in names:
        if name in source.files:
            return name
    others = [name for name in source.files if name.startswith("models/")] if what == "weights" else []
    code = ", which is TorchScript: a program, not weights" if any(name.endswith(".ts") for name in others) else ""
    raise ModelError(
        f"the bundle has no {what} that is read here; found {sorted(others)[:5]!a}{code}", hint=f"wanted one of {', '.join(names)}"
    )


def _tensors(path: Path, name: str) -> dict[str, torch.Tensor]:
    if path.suffix != ".safetensors":
        return read_state(path, place=path.parent)
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{name} cannot be read as safetensors ({type(error).__name__})", hint="fetch it again") from error


def _ours(found: Found, metadata: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata of our bundle: the makers' texts by MONAI's schema, and under ``workbench`` what decides the answers."""
    texts = {name: metadata[name][:_LONGEST] if isinstance(metadata.get(name), str) else "" for name in _TEXTS}
    said = metadata.get("eval_metrics")
    return texts | {
        "schema": SCHEMA,
        "version": texts["version"] or "0",
        "name": found.name,
        "monai_version": str(metadata.get("monai_version", ""))[:64],
        "pytorch_version": str(metadata.get("pytorch_version", ""))[:64],
        "numpy_version": str(metadata.get("numpy_version", ""))[:64],
        "required_packages_version": {},
        "changelog": {},
        "eval_metrics": {
            str(name): value for name, value in (said if isinstance(said, dict) else {}).items() if isinstance(value, int | float)
        },
        "references": [str(each)[:_LONGEST] for each in metadata.get("references") or () if isinstance(each, str)],
        "network_data_format": metadata["network_data_format"],
        "workbench": {
            "recipe": found.recipe.model_dump(mode="json"),
            "origin": {"sha256": found.sha256, "weights": found.weights, "left_out": list(found.left_out[:100])},
            "licence": texts["copyright"],
            "licence_text": metadata["licence_text"],
        },
    }
