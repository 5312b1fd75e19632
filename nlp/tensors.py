"""Named arrays on disk in the safetensors format: a JSON head and plain numbers, nothing that can run.

Written here in a few lines so that a model's folder needs no package but NumPy to be read. Format: 8 bytes with the head's length, the head
(name -> dtype, shape, data_offsets), then the numbers, little endian.
"""

from __future__ import annotations

import json
import math
import struct
from typing import TYPE_CHECKING

import numpy as np

from nlp.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["read_tensors", "write_tensors"]

_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "U8": "|u1",
    "I8": "|i1",
    "BOOL": "|b1",
}
_NAMES = {np.dtype(dtype): name for name, dtype in _DTYPES.items() if name != "BF16"}
_LARGEST_HEAD = 100_000_000


def write_tensors(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name.

    Parameters
    ----------
    path : Path
        File to write.
    arrays : mapping of str to ndarray
        Of a dtype that the format knows (float16, 32, 64, the integers, bool).

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_tensors(Path(folder) / "a.safetensors", {"w": np.arange(3, dtype=np.float32)})
    ...     read_tensors(Path(folder) / "a.safetensors")["w"]
    array([0., 1., 2.], dtype=float32)
    """
    head: dict[str, dict] = {}
    place = 0
    ordered = sorted(arrays.items())
    for name, array in ordered:
        head[name] = {
            "dtype": _NAMES[array.dtype.newbyteorder("<")],
            "shape": list(array.shape),
            "data_offsets": [place, place + array.nbytes],
        }
        place += array.nbytes
    text = json.dumps(head, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, array in ordered:
            file.write(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes())


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Read all arrays of a file; bfloat16 comes as float32.

    Parameters
    ----------
    path : Path
        A safetensors file.

    Returns
    -------
    dict of str to ndarray
        By name.

    Raises
    ------
    ModelError
        If the file is cut short or is no safetensors file.
    """
    try:
        data = path.read_bytes()
        length = struct.unpack_from("<Q", data)[0]
        if length > min(_LARGEST_HEAD, len(data)):
            raise ValueError("the head is longer than the file")
        head = json.loads(data[8 : 8 + length].decode("utf-8"))
        body = memoryview(data)[8 + length :]
        return {name: _array(body, entry) for name, entry in head.items() if name != "__metadata__"}
    except (OSError, struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{path} cannot be read as safetensors ({type(error).__name__})", hint="copy the file again from its source"
        ) from error


def _array(body: memoryview, entry: dict) -> np.ndarray:
    start, end = entry["data_offsets"]
    dtype = np.dtype(_DTYPES[entry["dtype"]])
    if not 0 <= start <= end <= len(body) or end - start != math.prod(entry["shape"]) * dtype.itemsize:
        raise ValueError("an array reaches past the file")
    array = np.frombuffer(body[start:end], dtype).reshape(entry["shape"])
    if entry["dtype"] == "BF16":
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array.copy()
