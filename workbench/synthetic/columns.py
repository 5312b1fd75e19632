"""Columns of a block as numpy arrays: random draws row by row, repetition, and the step to Arrow."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from workbench.tables import arrow_schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["BLOCK", "ROW_STRIDE", "Words", "arrow_table", "days_to_month", "pick", "repeat", "row_ids", "stream"]

#: Patients that are drawn together from one seed. Part of the meaning of a seed: another value is another hospital.
BLOCK = 2000
#: Room for the keys of one table within one block, so that keys depend on the block alone.
ROW_STRIDE = 10_000_000
DAY_SECONDS = 86_400


def stream(seed: int, block: int, stage: str) -> np.random.Generator:
    """Give the random stream of one stage of one block; streams of different stages never depend on one another."""
    return np.random.default_rng(np.random.SeedSequence([seed, block, zlib.crc32(stage.encode())]))


def row_ids(block: int, n_rows: int) -> np.ndarray:
    """Give `n_rows` keys of a table, unique over all blocks.

    Raises
    ------
    OverflowError
        If a block holds more rows than its range of keys.
    """
    if n_rows > ROW_STRIDE:
        raise OverflowError(f"{n_rows} rows in block {block}; a block has room for {ROW_STRIDE}")
    return np.arange(1, n_rows + 1, dtype=np.int64) + block * ROW_STRIDE


def pick(rng: np.random.Generator, weights: np.ndarray) -> np.ndarray:
    """Draw one column per row with probability proportional to `weights`, of shape (n_rows, n_columns)."""
    cumulated = np.cumsum(weights, axis=1)
    threshold = rng.random(len(weights)) * cumulated[:, -1]
    return np.minimum((cumulated <= threshold[:, None]).sum(axis=1), weights.shape[1] - 1)


def repeat(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give, for each of `sum(counts)` rows, the parent row and the place among its siblings.

    Examples
    --------
    >>> repeat(np.array([2, 0, 1]))
    (array([0, 0, 2]), array([0, 1, 0]))
    """
    parent = np.repeat(np.arange(len(counts)), counts)
    first = np.cumsum(counts) - counts
    return parent, np.arange(len(parent)) - first[parent]


def days_to_month(days: np.ndarray) -> np.ndarray:
    """Give the month, 0 to 11, of days since 1970-01-01."""
    return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12


class Words:
    """A text column as indices into few distinct texts; -1 is a missing value.

    Parameters
    ----------
    index : ndarray of int
        Place in `texts`.
    texts : sequence of str
        The distinct texts.
    """

    def __init__(self, index: np.ndarray, texts: Sequence[str]) -> None:
        self.index = np.asarray(index)
        self.texts = texts

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, rows: np.ndarray) -> Words:
        return Words(self.index[rows], self.texts)

    def to_arrow(self) -> pa.Array:
        """Give the column as Arrow strings."""
        missing = self.index < 0
        index = pa.array(self.index, pa.int32(), mask=missing if missing.any() else None)
        return pa.array(list(self.texts), pa.string()).take(index)


def _to_arrow(values: object, kind: pa.DataType, n_rows: int) -> pa.Array:
    if isinstance(values, Words):
        return values.to_arrow()
    if isinstance(values, pa.Array):
        return values
    if values is None:
        return pa.nulls(n_rows, kind)
    if np.isscalar(values):
        return pa.repeat(pa.scalar(values, kind), n_rows)
    if isinstance(values, list):
        return pa.array(values, kind)
    return _from_numpy(np.asarray(values), kind)


def _from_numpy(array: np.ndarray, kind: pa.DataType) -> pa.Array:
    """Days are integers since 1970-01-01, times seconds since then; NaN is a missing value."""
    mask = np.isnan(array) if array.dtype.kind == "f" else None
    if mask is not None and not mask.any():
        mask = None
    if pa.types.is_floating(kind):
        return pa.array(array, kind, mask=mask)
    whole = np.where(mask, 0, array).astype(np.int64) if mask is not None else array.astype(np.int64)
    if pa.types.is_date32(kind):
        return pa.array(whole.astype(np.int32), pa.int32(), mask=mask).cast(kind)
    if pa.types.is_timestamp(kind):
        return pa.array(whole * 1_000_000, pa.int64(), mask=mask).cast(kind)
    return pa.array(whole, kind, mask=mask)


def arrow_table(name: str, n_rows: int, columns: Mapping[str, object], schema: pa.Schema | None = None) -> pa.Table:
    """Build a table of the data contract; columns that are not given are missing values, a scalar stands for every row.

    Parameters
    ----------
    name : str
        Table of the data contract.
    n_rows : int
        Number of rows.
    columns : mapping of str to ndarray, Words, pa.Array, list or scalar
        Days as integers since 1970-01-01 and times as seconds since then.
    schema : pa.Schema, optional
        Schema to use in place of the contract's (truth tables).

    Raises
    ------
    KeyError
        If a column is not in the schema.
    """
    schema = schema or arrow_schema(name)
    unknown = set(columns) - set(schema.names)
    if unknown:
        raise KeyError(f"table {name} has no columns {sorted(unknown)}")
    arrays = [_to_arrow(columns.get(field.name), field.type, n_rows) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)
