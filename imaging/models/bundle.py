"""A trained model as a folder in the layout of MONAI bundles: metadata, weights, card, and the hash of each; nothing in it can run.

MONAI's own loaders evaluate expressions of a bundle's configuration and unpickle its weights. Here the configuration is data that is
checked (:mod:`imaging.models.recipe`), the network comes from a table of ours by its name, and weights are safetensors whose names and
shapes must be the network's before one of them is read.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open

from imaging.errors import ImagingError, ModelError
from imaging.models.boxes import grid_to_lps, moved
from imaging.models.cases import sample_of
from imaging.models.detecting import detect
from imaging.models.inference import LIMIT_BYTES, Model, mask_on, segment, shares_of
from imaging.models.preparing import prepare
from imaging.models.recipe import Recipe

if TYPE_CHECKING:
    import os

    import numpy as np
    from torch import nn

    from imaging.volumes import Volume

__all__ = [
    "CARDS",
    "Bundle",
    "Prediction",
    "check_tensors",
    "file_hash",
    "load_weights",
    "open_bundle",
    "read_metadata",
    "version_of",
]

#: Files of a bundle, as MONAI names them, and the list of their hashes, which is ours.
METADATA, WEIGHTS, HASHES = "configs/metadata.json", "models/model.safetensors", "sha256.json"

#: The card, by its language.
CARDS = {"zh": "docs/README.zh-CN.md", "en": "docs/README.md"}

FILES = (METADATA, WEIGHTS, *CARDS.values())
_LARGEST_TEXT = 10_000_000


class Prediction(NamedTuple):
    """What a bundle says of an image.

    Parameters
    ----------
    label : str or None
        Class that was decided for, of a classification.
    shares : dict of str to float
        Predicted probability of each class, of a classification.
    mask : ndarray of shape (slices, rows, columns), uint8, or None
        Labels on the image's own grid, of a segmentation.
    source : str
        Name and version of the bundle.
    boxes : ndarray of shape (n,), BOX, or None
        What was found, the surest first, in LPS mm, of a detection.
    """

    label: str | None
    shares: dict[str, float]
    mask: np.ndarray | None
    source: str
    boxes: np.ndarray | None = None


class Bundle:
    """A bundle that was audited and opened.

    Parameters
    ----------
    metadata : dict
        As in the file.
    recipe : Recipe
        How it is asked.
    network : Module
        With its weights.
    version : str
        SHA-256 of the list of hashes.
    device : str
        cpu, cuda ...
    """

    def __init__(self, metadata: dict[str, Any], recipe: Recipe, network: nn.Module, version: str, device: str = "cpu") -> None:
        self.metadata, self.recipe, self.version = metadata, recipe, version
        self.network = network.to(device).eval()
        sizes = {"window": recipe.window, "classes": len(recipe.classes)}
        blending = {"overlap": recipe.overlap, "blend": recipe.blend, "padding": recipe.padding}
        self._model = Model(network, flips=recipe.flips, device=device, **sizes, **blending)

    @property
    def source(self) -> str:
        """Name and the first 12 digits of the hash, as written into results."""
        return f"{self.metadata['name']}@{self.version[:12]}"

    def predict(self, volume: Volume, *, limit_bytes: int = LIMIT_BYTES) -> Prediction:
        """Return what the bundle says of a volume.

        Parameters
        ----------
        volume : Volume
            Of a series, or from NIfTI.
        limit_bytes : int
            See ``inference.segment``.

        Returns
        -------
        Prediction

        Raises
        ------
        ImageDataError
            If the volume has not the unit, the geometry or the axes that the bundle needs, or does not fit into the limit.
        """
        sample = sample_of(volume)
        prepared = prepare(sample, self.recipe.transforms)
        if prepared.image.shape[0] != self.recipe.channels:
            raise ModelError(
                f"found {prepared.image.shape[0]} channels, wanted {self.recipe.channels}", hint="take images as it was trained on"
            )
        if self.recipe.kind == "detection":
            found = detect(self._model, prepared.image)
            boxes = moved(found[found["score"] >= (self.recipe.threshold or 0)], grid_to_lps(prepared.affine))
            return Prediction(None, {}, None, self.source, boxes)
        if self.recipe.kind == "segmentation":
            labels = segment(self._model, self.recipe.turned(prepared.image), limit_bytes=limit_bytes)
            labels = self.recipe.turned_back(self.recipe.pruned(labels))
            return Prediction(None, {}, mask_on(sample, prepared, labels, len(self.recipe.classes)), self.source)
        shares = shares_of(self._model, [self.recipe.turned(prepared.image)])[0]
        return Prediction(self._decided(shares), dict(zip(self.recipe.classes, map(float, shares), strict=True)), None, self.source)

    def _decided(self, shares: np.ndarray) -> str:
        threshold = self.recipe.threshold
        return self.recipe.classes[int(shares.argmax()) if threshold is None else int(shares[1] >= threshold)]


def read_metadata(folder: Path | str) -> dict[str, Any]:
    """Return a bundle's metadata after its files were compared with their hashes; no weight is read."""
    folder = Path(folder)
    _audited(folder)
    return _json(folder / METADATA)


def open_bundle(folder: Path | str, *, sha256: str | None = None, device: str = "cpu") -> Bundle:
    """Audit a bundle, then load it.

    Parameters
    ----------
    folder : Path or str
        The bundle.
    sha256 : str, optional
        Its version as its user knows it. A folder's own hashes tell of accidents; only a hash from elsewhere tells of a bundle that was
        changed together with them.
    device : str
        cpu, cuda ...

    Returns
    -------
    Bundle

    Raises
    ------
    ModelError
        If a file is missing, changed, not a plain file, or not in the list; if the metadata or the weights are not understood.
    """
    folder = Path(folder)
    version = version_of(_audited(folder))
    if sha256 is not None and sha256 != version:
        raise ModelError(f"{folder} is version {version}, wanted {sha256}", hint="it is another bundle, or was changed")
    metadata = _json(folder / METADATA)
    if not isinstance(metadata.get("name"), str):
        raise ModelError(f"{folder / METADATA} has no name")
    try:
        recipe = Recipe(**metadata["workbench"]["recipe"])
        network = recipe.build_empty()
    except (ImagingError, ValidationError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{folder / METADATA} has no recipe that this version can build ({type(error).__name__})",
            hint="a bundle of MONAI's own is brought in first: workbench imaging import",
        ) from error
    _fill(network, folder / WEIGHTS)
    return Bundle(metadata, recipe, network, version, device)


def load_weights(network: nn.Module, path: str | os.PathLike[str], *, sha256: str) -> None:
    """Load weights from elsewhere into a network of ours.

    Parameters
    ----------
    network : Module
        Whose names and shapes they must have.
    path : path
        A safetensors file, or a .pt or .pth file with a state dictionary and nothing else (``imaging.models.pickled``).
    sha256 : str
        Of the file, known from where it comes from.

    Raises
    ------
    ModelError
        If the hash differs, or it cannot be read as weights, or is for another network.
    """
    from imaging.models.pickled import read_state

    path = Path(path)
    if file_hash(path) != sha256:
        raise ModelError(f"{path} has another hash than was given", hint="fetch it again; compare the hash with that of its source")
    if path.suffix in (".pt", ".pth"):
        tensors, wanted = read_state(path), network.state_dict()
        check_tensors({name: tuple(tensor.shape) for name, tensor in tensors.items()}, wanted, str(path))
        _take(network, {name: tensors[name].to(tensor.dtype) for name, tensor in wanted.items()}, path)
    else:
        _fill(network, path)


def _fill(network: nn.Module, path: Path) -> None:
    """Give a network the tensors of a file, once all names, shapes and types are known to be its own."""
    wanted = network.state_dict()
    try:
        with safe_open(path, "pt") as file:
            found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no mapping
            check_tensors(found, wanted, str(path))
            tensors = {name: file.get_tensor(name).to(tensor.dtype) for name, tensor in wanted.items()}
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"{path} cannot be read as safetensors ({type(error).__name__})",
            hint="give a safetensors file, or a state dictionary that torch.save wrote (.pt)",
        ) from error
    _take(network, tensors, path)


def _take(network: nn.Module, tensors: dict[str, torch.Tensor], path: Path) -> None:
    if not all(torch.isfinite(tensor).all() for tensor in tensors.values() if tensor.is_floating_point()):
        raise ModelError(f"{path} has weights that are no numbers")
    network.load_state_dict(tensors, assign=any(tensor.is_meta for tensor in network.state_dict().values()))


def check_tensors(found: dict[str, tuple[int, ...]], wanted: dict[str, torch.Tensor], place: str) -> None:
    """Refuse weights whose names or shapes are not a network's.

    Parameters
    ----------
    found : dict of str to tuple of int
        Shapes by name.
    wanted : dict of str to Tensor
        The network's state.
    place : str
        Said in the error.

    Raises
    ------
    ModelError
        If they differ.
    """
    other = [name for name, tensor in wanted.items() if found.get(name) != tuple(tensor.shape)]
    if other or len(found) != len(wanted):
        raise ModelError(
            f"{place}: {len(other)} of {len(wanted)} tensors are missing or of another shape, others {len(found.keys() - wanted)}",
            hint="the weights are for another network or other settings",
        )


def _audited(folder: Path) -> dict[str, str]:
    """Return the hashes of a bundle's files after comparing each."""
    hint = "copy the bundle again from where it was trained, or train it anew"
    hashes = _json(folder / HASHES)
    if set(hashes) != set(FILES):
        raise ModelError(f"{folder / HASHES}: found other files than {', '.join(FILES)}", hint="it is no bundle of this version")
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()} - {HASHES}
    for name in sorted(there - hashes.keys()):
        raise ModelError(f"{folder / name} is not in the bundle's list", hint="take it away: a bundle holds nothing else")
    for name, wanted in hashes.items():
        if file_hash(folder / name) != wanted:
            raise ModelError(f"{folder / name} is not what the bundle's list says", hint=hint)
    return hashes


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a plain file.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    ModelError
        If it is missing, or a link.
    """
    if path.is_symlink() or not path.is_file():
        raise ModelError(f"{path} is missing or no plain file", hint="give a folder that training wrote, or a safetensors file")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _json(path: Path) -> dict[str, Any]:
    try:
        if path.is_symlink() or path.stat().st_size > _LARGEST_TEXT:
            raise ValueError("a link, or too large")
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise TypeError("no object")
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read ({type(error).__name__})", hint="give a folder that training wrote") from error
    return found


def version_of(hashes: dict[str, str]) -> str:
    """Return a bundle's version, the SHA-256 over the hashes of its files.

    Parameters
    ----------
    hashes : dict of str to str
        By file.
    """
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode("ascii")).hexdigest()
