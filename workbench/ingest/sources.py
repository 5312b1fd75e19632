"""Opening what is to be imported: folders and zips of CSV or Parquet, DuckDB and SQLite files, Excel workbooks.

Parquet and DuckDB are read where they lie. Everything else is first copied, row by row, into Parquet of text columns, so that
what follows reads one form; a line that cannot be read goes to the quarantine, not to the floor.
"""

from __future__ import annotations

import shutil
import sqlite3
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import openpyxl

from workbench.errors import DataError
from workbench.ingest.delimited import as_utf8, reader_sql
from workbench.ingest.rows import checked_header, copy_rows
from workbench.store.arrange import parquet_relation, quoted
from workbench.store.staging import is_disk_full

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["SourceTable", "identifier", "is_source_fault", "open_source", "read_file", "read_workbook"]

_TEXT_ENDINGS = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz")
_ENDINGS = (*_TEXT_ENDINGS, ".parquet")
_DUCKDB_ENDINGS = (".duckdb", ".db", ".ddb")
_SQLITE_MAGIC = b"SQLite format 3\x00"
_DUCKDB_MAGIC = b"DUCK"
_NOT_THE_SOURCE = (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException, duckdb.OutOfMemoryException)
_NOISE = ("__MACOSX", "_SUCCESS")
_BLOCK_BYTES = 1 << 22


@dataclass(frozen=True)
class SourceTable:
    """One table of a source.

    Parameters
    ----------
    name : str
        Name in the source, lower case, without a schema.
    relation : str
        SQL that can stand after FROM.
    columns : dict of str to str
        DuckDB type by column, as the source writes the names.
    origin : str
        File or table that it comes from, for the report.
    unreadable : Path or None
        Parquet of the lines that could not be read.
    """

    name: str
    relation: str
    columns: dict[str, str]
    origin: str
    unreadable: Path | None = None


def identifier(name: str) -> str:
    """Write a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def is_source_fault(error: duckdb.Error) -> bool:
    """Tell whether an error that DuckDB raised while it read a source is the source's, not ours or the machine's."""
    return not (isinstance(error, _NOT_THE_SOURCE) or is_disk_full(error))


def open_source(connection: duckdb.DuckDBPyConnection, path: Path, work: Path) -> list[SourceTable]:
    """Find the tables of a data set.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Where views and attached files live.
    path : Path
        Folder, zip, DuckDB or SQLite file.
    work : Path
        Folder for copies; not cleaned here.

    Returns
    -------
    list of SourceTable
        By name.

    Raises
    ------
    DataError
        If there is nothing at `path` that can be read as tables.
    """
    if not path.exists():
        raise DataError(f"there is nothing at {path}", hint="name a folder, a zip, a DuckDB or SQLite file")
    if path.is_dir():
        return _open_folder(connection, path, work)
    if zipfile.is_zipfile(path) and path.suffix.lower() != ".xlsx":
        return _open_folder(connection, _unpack(path, work / "unpacked"), work)
    with path.open("rb") as stream:
        head = stream.read(len(_SQLITE_MAGIC))
    if head == _SQLITE_MAGIC:
        return _open_sqlite(connection, path, work)
    if path.suffix.lower() in _DUCKDB_ENDINGS or head[8:12] == _DUCKDB_MAGIC:
        return _open_duckdb(connection, path)
    raise DataError(
        f"{path.name} is not a data set of tables",
        hint="name a folder or zip of CSV or Parquet, a DuckDB or SQLite file; for other files give --mapping",
    )


def _unpack(archive: Path, folder: Path) -> Path:
    """Unpack the tables of a zip; names are rebuilt from their parts, so that none leads outside the folder."""
    with zipfile.ZipFile(archive) as unpacked:
        wanted = [info for info in unpacked.infolist() if _is_table_file(Path(info.filename)) and not info.is_dir()]
        needed = sum(info.file_size for info in wanted)
        folder.mkdir(parents=True, exist_ok=True)
        if needed > shutil.disk_usage(folder).free:
            raise DataError(
                f"{archive.name} holds {needed:,} bytes unpacked; the disk of {folder.parent} has less", hint="name another --out"
            )
        for info in wanted:
            parts = [part for part in Path(info.filename).parts if part not in ("/", "..")]
            target = folder.joinpath(*parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with unpacked.open(info) as source, target.open("wb") as sink:
                    shutil.copyfileobj(source, sink, _BLOCK_BYTES)
            except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
                raise DataError(f"{info.filename} in {archive.name} cannot be unpacked: {error}") from error
    return folder


def _is_table_file(path: Path) -> bool:
    hidden = any(part.startswith(".") or part in _NOISE for part in path.parts)
    return not hidden and path.name.lower().endswith(_ENDINGS)


def _stem(path: Path) -> str:
    return path.name.split(".", maxsplit=1)[0].lower()


def _table_files(folder: Path) -> dict[str, list[Path]]:
    """Files by table: one file each, or a folder each with parts."""
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.name.startswith((".", "__")):
            parts = sorted(part for part in path.rglob("*") if part.is_file() and _is_table_file(part.relative_to(path)))
            if parts:
                files.setdefault(path.name.lower(), []).extend(parts)
        elif path.is_file() and _is_table_file(Path(path.name)):
            files.setdefault(_stem(path), []).append(path)
    return files


def _found_files(folder: Path) -> dict[str, list[Path]]:
    """Files by table, of the folder or, where it has no persons, of the one inside it that has."""
    files = _table_files(folder)
    if "person" in files:
        return files
    inner = (_table_files(path) for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith((".", "__")))
    return next((found for found in inner if "person" in found), files)


def _open_folder(connection: duckdb.DuckDBPyConnection, folder: Path, work: Path) -> list[SourceTable]:
    files = _found_files(folder)
    if not files:
        raise DataError(
            f"no CSV or Parquet file in {folder}", hint="one file a table (person.csv, person.parquet) or one folder a table with parts"
        )
    return [read_files(connection, name, paths, work) for name, paths in sorted(files.items())]


def read_files(connection: duckdb.DuckDBPyConnection, name: str, paths: Sequence[Path], work: Path) -> SourceTable:
    """Open the files of one table, all CSV or all Parquet.

    Raises
    ------
    DataError
        If the kinds are mixed, or a file cannot be read.
    """
    kinds = {".parquet" if path.suffix.lower() == ".parquet" else "csv" for path in paths}
    if len(kinds) > 1:
        raise DataError(f"table {name} is there both as Parquet and as CSV", hint="leave one of the two in the folder")
    origin = paths[0].name if len(paths) == 1 and _stem(paths[0]) == name else f"{name}/ ({len(paths)} files)"
    if kinds == {".parquet"}:
        relation = parquet_relation(*paths)
        return _described(connection, SourceTable(name, relation, {}, origin))
    return replace(_copy_csv(connection, name, paths, work), origin=origin)


def _described(connection: duckdb.DuckDBPyConnection, table: SourceTable) -> SourceTable:
    try:
        rows = connection.execute(f"DESCRIBE SELECT * FROM {table.relation}").fetchall()
    except (duckdb.Error, UnicodeDecodeError) as error:
        raise DataError(
            f"{table.origin} cannot be read: {_first_line(error)}", hint="is the file whole? write it again from the source"
        ) from error
    return replace(table, columns={row[0]: row[1] for row in rows})


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]


# CSV -------------------------------------------------------------------------------------------------------------------


def _copy_csv(connection: duckdb.DuckDBPyConnection, name: str, paths: Sequence[Path], work: Path) -> SourceTable:
    """Copy CSV files into Parquet of text columns, with the number of each row."""
    target, rejected = work / "read" / f"{name}.parquet", work / "read" / f"{name}.unreadable.parquet"
    target.parent.mkdir(parents=True, exist_ok=True)
    files = [as_utf8(path, work / "utf8" / name) for path in paths if path.stat().st_size]
    if not files:
        raise DataError(f"{paths[0].name} is empty: not even a header", hint="remove the file, or write its header")
    reader = " UNION ALL BY NAME ".join(f"SELECT * FROM {reader_sql(file)}" for file in files)
    try:
        connection.execute("DROP TABLE IF EXISTS reject_errors; DROP TABLE IF EXISTS reject_scans; SET preserve_insertion_order = true")
        connection.execute(f"COPY (SELECT row_number() OVER () AS _row, * FROM ({reader})) TO {quoted(target)} (FORMAT parquet)")
        connection.execute("SET preserve_insertion_order = false")
        ((bad,),) = connection.execute("SELECT count(*) FROM reject_errors").fetchall()
        if bad:
            connection.execute(f"COPY (SELECT line, error_message, csv_line FROM reject_errors) TO {quoted(rejected)} (FORMAT parquet)")
    except duckdb.Error as error:
        if not is_source_fault(error):
            raise
        raise DataError(
            f"{paths[0].name} cannot be read as CSV: {_first_line(error)}", hint="one header line, one delimiter, UTF-8 or GB18030"
        ) from error
    table = _described(connection, SourceTable(name, parquet_relation(target), {}, paths[0].name))
    return replace(table, unreadable=rejected if bad else None)


# Databases -------------------------------------------------------------------------------------------------------------


def _open_duckdb(connection: duckdb.DuckDBPyConnection, path: Path) -> list[SourceTable]:
    try:
        connection.execute(f"ATTACH {quoted(path)} AS source (READ_ONLY)")
    except duckdb.Error as error:
        raise DataError(
            f"{path.name} cannot be opened as a DuckDB file: {_first_line(error)}",
            hint="was it written by a newer DuckDB? export it as Parquet",
        ) from error
    rows = connection.execute("SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'source' ORDER BY ALL").fetchall()
    if not rows:
        raise DataError(f"{path.name} holds no table")
    names = [name.lower() for _, name in rows]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise DataError(f"table {min(repeated)} is in more than one schema of {path.name}", hint="export the schema that you mean")
    return [
        _described(connection, SourceTable(name.lower(), f"source.{identifier(schema)}.{identifier(name)}", {}, f"{path.name}:{name}"))
        for schema, name in rows
    ]


def _open_sqlite(connection: duckdb.DuckDBPyConnection, path: Path, work: Path) -> list[SourceTable]:
    """Copy the tables of a SQLite file (DuckDB would need an extension from the network)."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        try:
            names = [
                row[0]
                for row in database.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
                )
            ]
            return [_copy_sqlite(connection, database, name, path, work) for name in names]
        except sqlite3.DatabaseError as error:
            raise DataError(f"{path.name} cannot be read as a SQLite file: {error}") from error


def _copy_sqlite(connection: duckdb.DuckDBPyConnection, database: sqlite3.Connection, name: str, path: Path, work: Path) -> SourceTable:
    cursor = database.execute(f"SELECT * FROM {identifier(name)}")
    columns = [column[0] for column in cursor.description]
    relation = copy_rows(columns, cursor, work / "read" / f"{name.lower()}.parquet")
    return _described(connection, SourceTable(name.lower(), relation, {}, f"{path.name}:{name}"))


# Row by row ------------------------------------------------------------------------------------------------------------


def read_workbook(
    connection: duckdb.DuckDBPyConnection, name: str, path: Path, work: Path, *, sheet: str | None = None, header_row: int = 1
) -> SourceTable:
    """Copy one sheet of an Excel workbook.

    Parameters
    ----------
    name : str
        Name to give the table.
    sheet : str, optional
        Sheet; the first by default.
    header_row : int
        Row that holds the names of the columns, from 1.

    Raises
    ------
    DataError
        If the workbook or the sheet cannot be read, or the header is empty or repeats a name.
    """
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, openpyxl.utils.exceptions.InvalidFileException) as error:
        raise DataError(f"{path.name} cannot be read as an Excel workbook: {_first_line(error)}", hint="save it as .xlsx") from error
    try:
        if sheet is not None and sheet not in book.sheetnames:
            raise DataError(f"{path.name} has no sheet {sheet!r}", hint=f"it has: {', '.join(book.sheetnames)}")
        rows = book[sheet or book.sheetnames[0]].iter_rows(min_row=header_row, values_only=True)
        columns = checked_header(next(rows, ()), path)
        relation = copy_rows(columns, _filled_rows(rows, len(columns)), work / "read" / f"{name}.parquet")
    finally:
        book.close()
    return _described(connection, SourceTable(name, relation, {}, path.name))


def _filled_rows(rows: Iterable[Sequence[object]], width: int) -> Iterator[Sequence[object]]:
    for row in rows:
        cut = tuple(row[:width]) + (None,) * (width - len(row))
        if any(value is not None for value in cut):
            yield cut


def read_file(
    connection: duckdb.DuckDBPyConnection, name: str, path: Path, work: Path, *, sheet: str | None = None, header_row: int = 1
) -> SourceTable:
    """Open one file of any kind under a name.

    Raises
    ------
    DataError
        If its kind is unknown or it cannot be read.
    """
    if path.suffix.lower() in (".xlsx", ".xlsm"):
        return read_workbook(connection, name, path, work, sheet=sheet, header_row=header_row)
    if not _is_table_file(Path(path.name)):
        raise DataError(f"{path.name} is of no kind that can be read", hint=f"one of: .xlsx, {', '.join(_ENDINGS)}")
    return replace(read_files(connection, name, [path], work), origin=path.name)
