"""Putting Parquet rows in order with DuckDB, in bounded memory: what does not fit is sorted on the disk."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from workbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["PROJECTIONS", "ROW_GROUP_ROWS", "Arranger", "Projection", "bounded_connection", "parquet_relation", "quoted"]

#: Rows in a row group: DuckDB's own unit, so that one thread works on one group.
ROW_GROUP_ROWS = 122_880

_MAX_THREADS = 4


@dataclass(frozen=True)
class Projection:
    """A second copy of a table, in another order."""

    table: str
    order: tuple[str, ...]


def _by_concept(table: str, stem: str, start: str) -> Projection:
    return Projection(table, (f"{stem}_concept_id", f"{stem}_source_value", "person_id", start, f"{table}_id"))


#: Projections by name. A histogram of one test reads 60 times fewer bytes where the test's rows lie together, and a
#: timeline of one patient where the patient's do; so the large coded tables are kept both ways.
PROJECTIONS: dict[str, Projection] = {
    "measurement_by_concept": _by_concept("measurement", "measurement", "measurement_date"),
    "condition_by_concept": _by_concept("condition_occurrence", "condition", "condition_start_date"),
    "drug_by_concept": _by_concept("drug_exposure", "drug", "drug_exposure_start_date"),
}


def quoted(text: object) -> str:
    """Write a value as an SQL string."""
    return "'" + str(text).replace("'", "''") + "'"


def parquet_relation(*paths: Path) -> str:
    """Write the relation of Parquet files, to stand after FROM; signs of their names that DuckDB takes for patterns are none."""
    return f"read_parquet([{', '.join(quoted(glob.escape(str(path))) for path in paths)}], union_by_name = true)"


def bounded_connection(temporary: Path, memory_limit: str, *, database: str = ":memory:") -> duckdb.DuckDBPyConnection:
    """Open DuckDB with a memory limit, spilling to a folder, without its own progress bar."""
    temporary.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect(database)
    connection.execute(f"SET memory_limit = {quoted(memory_limit)}")
    connection.execute(f"SET temp_directory = {quoted(temporary)}")
    connection.execute(f"SET threads = {min(_MAX_THREADS, os.cpu_count() or 1)}")
    connection.execute("SET preserve_insertion_order = false")
    connection.execute("SET enable_progress_bar = false")
    return connection


@dataclass(frozen=True)
class Arranger:
    """Sorts Parquet files.

    Parameters
    ----------
    temporary : Path
        Folder to spill to; made when first needed.
    memory_limit : str
        What sorting may use, as DuckDB writes sizes.
    """

    temporary: Path
    memory_limit: str

    def sort(self, source: Path, target: Path, order: Sequence[str]) -> None:
        """Write the rows of `source` to `target` in the order of the columns."""
        target.parent.mkdir(parents=True, exist_ok=True)
        columns = ", ".join(f'"{name}"' for name in order)
        with bounded_connection(self.temporary, self.memory_limit) as connection:
            connection.execute(
                f"COPY (SELECT * FROM {parquet_relation(source)} ORDER BY {columns}) TO {quoted(target)} "
                f"(FORMAT parquet, PARQUET_VERSION V2, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP_ROWS})"
            )

    def refuse_repeats(self, source: Path, key: str) -> None:
        """Raise where a key names more than one row."""
        with bounded_connection(self.temporary, self.memory_limit) as connection:
            query = f"SELECT count(*) - count(DISTINCT {key}) FROM {parquet_relation(source)}"
            ((repeats,),) = connection.execute(query).fetchall()
        if repeats:
            raise DataError(
                f"{key} is repeated in {repeats} rows of table person", hint="each person has one row; link persons before publishing"
            )
