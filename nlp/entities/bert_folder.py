"""A BERT, RoBERTa-wwm or MacBERT from a local folder in HuggingFace's layout, read without their library.

Wanted are ``config.json``, ``vocab.txt`` and ``model.safetensors`` or ``pytorch_model.bin``; the latter is opened by torch with
``weights_only=True``, which builds tensors and nothing else.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from nlp.entities.pretrained import Pretrained, Shape
from nlp.errors import MissingPart, ModelError
from nlp.tensors import read_tensors

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_bert_folder"]

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
_CONFIG = {
    "hidden": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "feedforward": "intermediate_size",
    "positions": "max_position_embeddings",
}
#: Ours -> theirs, below ``encoder.layer.N.``; the first three are joined into ``attention``.
_JOINED = ("attention.self.query", "attention.self.key", "attention.self.value")
_PARTS = {
    "mix": "attention.output.dense",
    "mix_norm": "attention.output.LayerNorm",
    "widen": "intermediate.dense",
    "narrow": "output.dense",
    "narrow_norm": "output.LayerNorm",
}
_HINT = "give a folder with config.json, vocab.txt and model.safetensors or pytorch_model.bin of a BERT"


def read_bert_folder(folder: Path, *, layers: int = 0) -> Pretrained:
    """Read the weights of a BERT from a folder.

    Parameters
    ----------
    folder : Path
        As HuggingFace lays it out.
    layers : int, default 0
        How many of the lowest layers to take; all where 0.

    Returns
    -------
    Pretrained
        With a row for each token that is one character.

    Raises
    ------
    MissingPart
        If the folder or one of its files is not there.
    ModelError
        If the files are not those of a BERT.
    """
    for name in ("config.json", "vocab.txt"):
        if not (folder / name).is_file():
            raise MissingPart(f"{folder} has no {name}", hint=_HINT)
    try:
        shape = _shape(json.loads((folder / "config.json").read_text(encoding="utf-8")))
        tokens = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
        shape = shape._replace(layers=min(layers or shape.layers, shape.layers))
        return _pretrained(folder.name, shape, [token.rstrip("\r") for token in tokens], _weights(folder))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder} does not hold a BERT that this version knows ({error!r:.120})", hint=_HINT) from error


def _shape(config: dict) -> Shape:
    if config.get("model_type", "bert") != "bert" or config.get("hidden_act", "gelu") != "gelu":
        raise ValueError(f"model_type {config.get('model_type')!r}, hidden_act {config.get('hidden_act')!r}")
    sizes = {ours: int(config[theirs]) for ours, theirs in _CONFIG.items()}
    return Shape(**sizes, epsilon=float(config.get("layer_norm_eps", 1e-12)))


def _weights(folder: Path) -> dict[str, np.ndarray]:
    if (folder / "model.safetensors").is_file():
        arrays = read_tensors(folder / "model.safetensors")
    elif (folder / "pytorch_model.bin").is_file():
        arrays = _read_bin(folder / "pytorch_model.bin")
    else:
        raise MissingPart(f"{folder} has no model.safetensors and no pytorch_model.bin", hint=_HINT)
    # Older files say gamma and beta; some hold the trunk below "bert.", some alone.
    renamed = {}
    for name, array in arrays.items():
        name = name.removeprefix("bert.")
        renamed[name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")] = array.astype(np.float32)
    return renamed


def _read_bin(path: Path) -> dict[str, np.ndarray]:
    try:
        import torch
    except ImportError as error:
        raise MissingPart("pytorch_model.bin needs torch", hint="pip install 'clinical-workbench[text]'") from error
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a broken or hostile file makes the reader raise
        raise ModelError(
            f"{path} cannot be read as plain weights ({type(error).__name__})", hint="convert it to model.safetensors"
        ) from error
    return {name: tensor.float().numpy() for name, tensor in tensors.items()}


def _pretrained(name: str, shape: Shape, tokens: list[str], weights: dict[str, np.ndarray]) -> Pretrained:
    rows: dict[str, int] = {}
    for row, token in enumerate(tokens):
        rows.setdefault(token, row)
    characters = [token for token in rows if len(token) == 1]
    words = weights["embeddings.word_embeddings.weight"][[*(rows[token] for token in _SPECIAL), *(rows[token] for token in characters)]]
    arrays = {
        "words.weight": words + weights["embeddings.token_type_embeddings.weight"][0],
        "positions.weight": weights["embeddings.position_embeddings.weight"],
        "norm.weight": weights["embeddings.LayerNorm.weight"],
        "norm.bias": weights["embeddings.LayerNorm.bias"],
    }
    for number in range(shape.layers):
        arrays |= _layer(number, weights)
    return Pretrained(name, shape, tuple(characters), arrays)


def _layer(number: int, weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    theirs = f"encoder.layer.{number}."
    ours = f"layers.{number}."
    found = {}
    for kind in ("weight", "bias"):
        found[f"{ours}attention.{kind}"] = np.concatenate([weights[f"{theirs}{part}.{kind}"] for part in _JOINED])
        found |= {f"{ours}{own}.{kind}": weights[f"{theirs}{part}.{kind}"] for own, part in _PARTS.items()}
    return found
