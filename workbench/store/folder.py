"""Any OMOP folder, read as if it were a snapshot: no import, nothing copied where the files already fit.

A table is a folder of Parquet or CSV parts (``person/part-0.parquet``), or one file (``person.parquet``, ``PERSON.csv``,
``person.csv.gz``), in OMOP CDM 5.3 or 5.4. A Parquet table whose column names and types fit the data contract is read in
place. Any other (CSV, names in capitals, the names of CDM 5.3, dates stored as text or timestamps, columns missing) is
written once, on first use, as fitting Parquet into a scratch folder that goes with the view.

It is a view to ask questions of, not a store: nothing is checked beyond types, and the data may change under it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from workbench.errors import DataError
from workbench.tables import TABLES, Table, arrow_schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workbench.store.snapshots import Snapshot

__all__ = ["RENAMED", "OmopFolder", "connect"]

#: Names of CDM 5.3 that 5.4 changed: table -> old column -> new column.
RENAMED: dict[str, dict[str, str]] = {
    "visit_occurrence": {
        "admitting_source_concept_id": "admitted_from_concept_id",
        "admitting_source_value": "admitted_from_source_value",
        "discharge_to_concept_id": "discharged_to_concept_id",
        "discharge_to_source_value": "discharged_to_source_value",
    },
    "visit_detail": {
        "admitting_source_concept_id": "admitted_from_concept_id",
        "admitting_source_value": "admitted_from_source_value",
        "discharge_to_concept_id": "discharged_to_concept_id",
        "discharge_to_source_value": "discharged_to_source_value",
        "visit_detail_parent_id": "parent_visit_detail_id",
    },
}

_SQL_TYPES = {"integer": "BIGINT", "number": "DOUBLE", "text": "VARCHAR", "date": "DATE", "datetime": "TIMESTAMP"}
_SUFFIXES = (".parquet", ".csv", ".csv.gz")


class OmopFolder:
    """A read-only view of an OMOP folder with the reading API of :class:`workbench.store.snapshots.Snapshot`.

    Use it as a context manager: leaving it removes the scratch folder.

    Parameters
    ----------
    source : str or Path
        The folder.

    Raises
    ------
    DataError
        If there is no such folder, or it holds no ``person`` table.

    Examples
    --------
    >>> OmopFolder("/nowhere")
    Traceback (most recent call last):
    ...
    workbench.errors.DataError: there is no folder /nowhere
      -> give a folder of OMOP tables in Parquet or CSV
    """

    def __init__(self, source: str | Path) -> None:
        self.source = Path(source).resolve()
        if not self.source.is_dir():
            raise DataError(f"there is no folder {source}", hint="give a folder of OMOP tables in Parquet or CSV")
        self._sources = _tables_in(self.source)
        if "person" not in self._sources:
            raise DataError(
                f"the folder {source} has no person table",
                hint="wanted person.parquet, person.csv, or a folder person/ of such files",
            )
        self._scratch = tempfile.TemporaryDirectory(prefix="workbench-omop-")
        self._ready: dict[str, list[Path]] = {}

    def __enter__(self) -> OmopFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the scratch folder; the view cannot be read afterwards."""
        self._scratch.cleanup()

    @property
    def path(self) -> Path:
        """The folder."""
        return self.source

    @property
    def roots(self) -> tuple[Path, ...]:
        """Folders under which every file of :meth:`files` lies: the folder and the scratch folder."""
        return (self.source, self.scratch)

    @property
    def scratch(self) -> Path:
        """Folder that goes when the view is closed."""
        return Path(self._scratch.name).resolve()

    @property
    def id(self) -> str:
        """Name of the folder; unlike a snapshot's it fixes no bytes."""
        return self.source.name

    @property
    def tables(self) -> frozenset[str]:
        """Names of the tables of the data contract that the folder holds."""
        return frozenset(self._sources)

    def files(self, table: str) -> list[Path]:
        """Parquet files of a table that fit the data contract; empty where the folder has no such table.

        Raises
        ------
        DataError
            If a file cannot be read, or values do not fit their column's type; says how many.
        """
        if table not in self._sources:
            return []
        if table not in self._ready:
            self._ready[table] = self._make_ready(TABLES[table], self._sources[table])
        return list(self._ready[table])

    def projection(self, name: str) -> list[Path]:  # noqa: ARG002  (the snapshot's signature)
        """Return no files: a bare folder has no projections."""
        return []

    def index_path(self, name: str) -> None:  # noqa: ARG002  (the snapshot's signature)
        """Return None: a bare folder has no indexes."""
        return

    def schema(self, table: str) -> pa.Schema:
        """Arrow schema of a table as :meth:`files` gives it; that of the data contract where the folder has none."""
        files = self.files(table)
        return pq.read_schema(files[0]).remove_metadata() if files else arrow_schema(table)

    def read(self, table: str, columns: Sequence[str] | None = None, filters: Any = None) -> pa.Table:
        """Read a table into memory, as :meth:`workbench.store.snapshots.Snapshot.read`."""
        files = self.files(table)
        schema = self.schema(table)
        if not files:
            return pa.schema([schema.field(name) for name in (schema.names if columns is None else columns)]).empty_table()
        return pq.read_table(files, columns=None if columns is None else list(columns), filters=filters)

    def _make_ready(self, table: Table, sources: list[Path]) -> list[Path]:
        if _is_parquet(sources[0]) and all(_fits(table, _parquet_schema(source)) for source in sources):
            return sources
        target = self.scratch / f"{table.name}.parquet"
        with duckdb.connect() as connection:
            _write_fitting(connection, table, sources, target)
        return [target]


def _tables_in(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for entry in sorted(folder.iterdir()):
        name = entry.name.split(".")[0].lower()
        parts = _parts(entry)
        if name in TABLES and parts:
            found.setdefault(name, parts)
    return found


def _is_parquet(source: Path) -> bool:
    return source.name.lower().endswith(".parquet")


def _parts(entry: Path) -> list[Path]:
    if entry.is_file():
        return [entry] if entry.name.lower().endswith(_SUFFIXES) else []
    parts = [part for part in sorted(entry.rglob("*")) if part.is_file() and part.name.lower().endswith(_SUFFIXES)]
    return [part for part in parts if _is_parquet(part) == _is_parquet(parts[0])]


def _parquet_schema(source: Path) -> pa.Schema:
    try:
        return pq.read_schema(source)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{source} cannot be read as Parquet ({type(error).__name__})", hint="replace the file") from error


def _fits(table: Table, schema: pa.Schema) -> bool:
    found = {field.name: field.type for field in schema}
    return all(column.name in found and _ALIKE[column.type](found[column.name]) for column in table.columns if not column.extension)


_ALIKE = {
    "integer": pa.types.is_integer,
    "number": lambda found: pa.types.is_floating(found) or pa.types.is_integer(found) or pa.types.is_decimal(found),
    "text": lambda found: pa.types.is_string(found) or pa.types.is_large_string(found),
    "date": pa.types.is_date32,
    "datetime": lambda found: pa.types.is_timestamp(found) and found.tz is None,
}


def _write_fitting(connection: duckdb.DuckDBPyConnection, table: Table, sources: list[Path], target: Path) -> None:
    """Write a table under the contract's names and types; columns beyond the contract are kept as they are."""
    try:
        relation = _relation(sources)
        described = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
        columns = _columns(table, {name: kind for name, kind, *_ in described})
        _refuse_misfits(connection, table, relation, columns)
        selected = ", ".join(f'{expression} AS "{name}"' for name, (expression, _) in columns.items())
        connection.execute(f"COPY (SELECT {selected} FROM {relation}) TO {_quoted(target)} (FORMAT parquet)")
    except duckdb.Error as error:
        raise DataError(f"table {table.name} in {sources[0].parent} cannot be read ({type(error).__name__})") from error


def _quoted(path: Path | str) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _relation(sources: list[Path]) -> str:
    names = "[" + ", ".join(map(_quoted, sources)) + "]"
    if _is_parquet(sources[0]):
        return f"read_parquet({names}, union_by_name=true)"
    return f"read_csv({names}, header=true, all_varchar=true, union_by_name=true)"


def _columns(table: Table, found: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Column of the view -> (SQL expression, source column, empty where the folder has none)."""
    renamed = RENAMED.get(table.name, {})
    by_name = {renamed.get(name.lower(), name.lower()): name for name in found}
    columns = {
        column.name: (_cast(by_name[column.name], _SQL_TYPES[column.type], found), by_name[column.name])
        if column.name in by_name
        else (f"CAST(NULL AS {_SQL_TYPES[column.type]})", "")
        for column in table.columns
    }
    return columns | {name: (f'"{source}"', "") for name, source in by_name.items() if name not in columns}


def _cast(source: str, wanted: str, found: dict[str, str]) -> str:
    name = f'"{source}"'
    if found[source] == "VARCHAR" and wanted != "VARCHAR":
        name = f"NULLIF(trim({name}), '')"
    if found[source] == "VARCHAR" and wanted == "DATE":
        # Vocabulary files of Athena write 20240131.
        return (
            f"COALESCE(TRY_CAST({name} AS DATE), CAST(TRY_CAST({name} AS TIMESTAMP) AS DATE), CAST(TRY_STRPTIME({name}, '%Y%m%d') AS DATE))"
        )
    if found[source] in ("INTEGER", "BIGINT") and wanted == "DATE":
        return f"CAST(TRY_STRPTIME(CAST({name} AS VARCHAR), '%Y%m%d') AS DATE)"
    if wanted == "BIGINT":
        # 1.0 in a CSV written from floating point is an identifier; 1.5 is not, and DuckDB's cast would round it.
        number = f"TRY_CAST({name} AS DOUBLE)"
        return f"CASE WHEN {number} = floor({number}) THEN TRY_CAST(CAST({name} AS VARCHAR) AS BIGINT) END"
    return f"TRY_CAST({name} AS {wanted})"


def _refuse_misfits(connection: duckdb.DuckDBPyConnection, table: Table, relation: str, columns: dict[str, tuple[str, str]]) -> None:
    """Raise where a value is present in the file and absent after the cast."""
    checked = {name: pair for name, pair in columns.items() if pair[1]}
    counts = ", ".join(
        f"count(*) FILTER (WHERE trim(CAST(\"{source}\" AS VARCHAR)) <> '' AND ({expression}) IS NULL)"
        for expression, source in checked.values()
    )
    found = connection.execute(f"SELECT {counts} FROM {relation}").fetchone() if counts else ()
    for name, count in zip(checked, found or (), strict=True):
        if count:
            raise DataError(
                f"{count} values of {table.name}.{name} are no {table[name].type}",
                hint=f"mend the file, or import it: workbench store import {table.name}",
            )


def connect(folder: OmopFolder | Snapshot, *, spill: Path | None = None, memory_limit: str = "1400MB") -> duckdb.DuckDBPyConnection:
    """Open DuckDB with a view on every table of the data contract; a table that the folder lacks is empty.

    The connection reads the folder's files and nothing else, and its settings are locked: text that others wrote (ATLAS
    definitions compiled by circepy) runs on it.

    Parameters
    ----------
    folder : OmopFolder or Snapshot
        What to open; a folder must outlive the connection.
    spill : Path, optional
        Folder for data beyond `memory_limit`; without it a query that needs more fails.
    memory_limit : str
        What DuckDB may hold in memory, as it writes sizes.

    Returns
    -------
    duckdb.DuckDBPyConnection
    """
    connection = duckdb.connect()
    settings = {
        "memory_limit": f"'{memory_limit}'",
        **({"temp_directory": _quoted(spill)} if spill else {"max_temp_directory_size": "'0KB'"}),
        "allowed_directories": "[" + ", ".join(_quoted(f"{root}/") for root in folder.roots) + "]",
        "enable_external_access": "false",
        "lock_configuration": "true",
    }
    for name, value in settings.items():
        connection.execute(f"SET {name} = {value}")
    for name, table in TABLES.items():
        connection.execute(f'CREATE VIEW "{name}" AS {_view(folder.files(name), table)}')
    return connection


def _view(files: list[Path], table: Table) -> str:
    if files:
        return f"SELECT * FROM {_relation(files)}"
    columns = ", ".join(f'CAST(NULL AS {_SQL_TYPES[column.type]}) AS "{column.name}"' for column in table.columns)
    return f"SELECT {columns} WHERE false"
