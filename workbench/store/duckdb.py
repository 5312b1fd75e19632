"""The embedded engine: DuckDB over a snapshot's Parquet.

A thin runner. What to compute is decided in :mod:`workbench.cohort.compile`; here statements are carried out on a connection
that may read the snapshot and nothing else, in bounded memory, with a bar on a terminal, and may be interrupted.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import duckdb
import pyarrow as pa
from tqdm import tqdm

from workbench.cohort.compile import ASKED, compile_definition, compile_events
from workbench.cohort.engine import ENTRY_SCHEMA, EVENT_SCHEMA, ROW_SCHEMA, Answer
from workbench.cohort.plan import SqlStep, base_table, sources, to_sql
from workbench.errors import DataError, EnvironmentFault, IntegrityError
from workbench.store.memory import MemoryEngine
from workbench.store.notes_index import NotesIndex, scan_notes
from workbench.store.overlay import SnapshotWithRows
from workbench.store.person_tables import concept_items, person_tables
from workbench.tables import arrow_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import ibis.expr.types as ir
    import numpy as np
    from ibis.expr.operations import Node

    from workbench.cohort.engine import RuleEvidence
    from workbench.cohort.plan import Output, Script, TextStep
    from workbench.cohort.query import Cohort, Definition, Events
    from workbench.store.snapshots import Snapshot

__all__ = ["DuckDBEngine"]

#: What DuckDB may hold before it spills to disk; leaves room below 2 GB for results and Python itself.
MEMORY_LIMIT = "1400MB"

_SQL_TYPES = {pa.int64(): "BIGINT", pa.float64(): "DOUBLE", pa.string(): "VARCHAR", pa.date32(): "DATE", pa.timestamp("us"): "TIMESTAMP"}
_TEXT_BATCH_ROWS = 8192
_T = TypeVar("_T")


class DuckDBEngine:
    """Answer definitions on one snapshot.

    Parameters
    ----------
    snapshot : Snapshot
        What to ask. A table that it lacks is empty.
    memory_limit : str
        What DuckDB may hold in memory, as it writes sizes; beyond it data spill to a temporary folder.
    threads : int, optional
        Threads to use; by default those this process may run on.
    progress : bool, optional
        Whether to show a bar on stderr; by default on a terminal only.

    Notes
    -----
    The engine keeps the protocol :class:`workbench.cohort.engine.Engine`. Its connection is closed, and its temporary folder
    removed, by :meth:`close`, at the end of a ``with`` block, or when the engine is garbage.
    """

    def __init__(
        self, snapshot: Snapshot, *, memory_limit: str = MEMORY_LIMIT, threads: int | None = None, progress: bool | None = None
    ) -> None:
        self._snapshot: Snapshot | None = snapshot
        self._open(memory_limit, threads, progress, allowed=snapshot.roots)

    @classmethod
    def from_tables(cls, tables: Mapping[str, pa.Table], *, threads: int = 1) -> DuckDBEngine:
        """Make an engine over tables in memory, for tests and small studies.

        Parameters
        ----------
        tables : mapping of str to pyarrow.Table
            Tables of the data contract by name; columns that are absent are missing everywhere.
        threads : int
            Threads to use.

        Raises
        ------
        DataError
            If a table is not in the contract, or a column does not fit it.
        """
        engine = cls.__new__(cls)
        engine._snapshot = None
        engine._open(MEMORY_LIMIT, threads, progress=False, allowed=[])
        for name, table in tables.items():
            engine._load(name, table)
        return engine

    def __enter__(self) -> DuckDBEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and remove what was spilled."""
        self._finalizer()

    # ------------------------------------------------------------------------------------------------------- answers

    def run(self, definition: Definition) -> Answer:
        """Answer a definition; see :class:`workbench.cohort.engine.Engine`.

        Raises
        ------
        IntegrityError
            If a file of the snapshot cannot be read.
        EnvironmentFault
            If memory or disk run out.
        """
        with _clear_faults(), self._connection.cursor() as cursor:
            script = self._compile(definition)
            self._carry_out(script, cursor)
            return _collect(script.output, cursor)

    def events(self, events: Events, persons: Sequence[int] | None = None) -> pa.Table:
        """List the rows of an event set; see :class:`workbench.cohort.engine.Engine`."""
        with _clear_faults(), self._connection.cursor() as cursor:
            script = compile_events(events, of_asked=persons is not None, vocabulary=self._has_vocabulary())
            if persons is not None:
                cursor.register(ASKED, pa.table({"person_id": pa.array(persons, pa.int64())}))
            self._carry_out(script, cursor)
            return _fetch(script.output.rows, cursor, EVENT_SCHEMA)

    def evidence(self, cohort: Cohort, person_id: int) -> tuple[tuple[RuleEvidence, ...], ...]:
        """Say what made each rule true for one person; see :class:`workbench.cohort.engine.Engine`.

        Only that person's rows are read; the reference engine judges them.
        """
        with _clear_faults():
            names = {base_table(name) for name in self._compile(cohort).tables}
            found = person_tables(self._rows_where, names, person_id, concept_items(cohort))
            if not found["concept"].num_rows and self._has_vocabulary():
                found["concept"] = self._query("SELECT * FROM concept LIMIT 1")  # an empty one would say: no vocabulary
        return MemoryEngine(found).evidence(cohort, person_id)

    def select(self, rows: ir.Table, **given: pa.Table) -> pa.Table:
        """Return the rows of an expression over tables of the store.

        Parameters
        ----------
        rows : ibis Table
            Made of :func:`workbench.cohort.plan.source` and of the tables that are given.
        **given : pyarrow.Table
            Tables of the caller's by name; a name starts with ``_``.

        Returns
        -------
        pyarrow.Table

        Raises
        ------
        IntegrityError
            If a file of the snapshot cannot be read.
        EnvironmentFault
            If memory or disk run out.
        """
        with _clear_faults(), self._connection.cursor() as cursor:
            sql, tables = _compiled(rows.op())
            for name in tables:
                self._make_ready(name)
            for name, table in given.items():
                cursor.register(name, table)
            return _interruptible(cursor, lambda: cursor.sql(sql).to_arrow_table())

    def sql(self, definition: Definition) -> str:
        """Return the SQL that :meth:`run` carries out."""
        return self._compile(definition).text()

    # ----------------------------------------------------------------------------------------------------- internals

    def _open(self, memory_limit: str, threads: int | None, progress: bool | None, *, allowed: Sequence[Path]) -> None:
        spill = Path(tempfile.mkdtemp(prefix="workbench-duckdb-"))
        self._show = progress
        self._ready: set[str] = set()
        self._connection = duckdb.connect()
        self._finalizer = weakref.finalize(self, _shut, self._connection, spill)
        settings = {
            "memory_limit": memory_limit,
            "threads": threads or len(os.sched_getaffinity(0)),
            "temp_directory": str(spill),
            "preserve_insertion_order": False,
            "enable_progress_bar": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allowed_directories": [f"{path.absolute()}/" for path in (*allowed, spill)],
            "enable_external_access": False,
            "lock_configuration": True,
        }
        for name, value in settings.items():
            self._connection.execute(f"SET {name} = {_literal(value)}")

    def _compile(self, definition: Definition) -> Script:
        return compile_definition(definition, vocabulary=self._has_vocabulary())

    def _has_vocabulary(self) -> bool:
        self._make_ready("concept")
        return self._connection.execute("SELECT 1 FROM concept LIMIT 1").fetchone() is not None

    def _query(self, sql: str) -> pa.Table:
        with self._connection.cursor() as cursor:
            return cursor.sql(sql).to_arrow_table()

    def _rows_where(self, table: str, column: str, values: Iterable[int]) -> pa.Table:
        """Read the rows of a table whose column holds one of some whole numbers."""
        self._make_ready(table)
        inside = ", ".join(str(int(value)) for value in values)
        return self._query(f"SELECT * FROM {_quoted(table)} WHERE {_quoted(column)} IN ({inside or 'NULL'})")

    def _carry_out(self, script: Script, cursor: duckdb.DuckDBPyConnection) -> None:
        for name in sorted(script.tables):
            self._make_ready(name)
        disable = None if self._show is None else not self._show
        for step in tqdm(script.steps, desc="cohort", unit="step", disable=disable, delay=1, leave=False):
            if isinstance(step, SqlStep):
                _interruptible(cursor, partial(cursor.execute, f"CREATE TEMP TABLE {_quoted(step.name)} AS {step.sql}"))
            else:
                self._find_text(step, cursor)

    def _find_text(self, step: TextStep, cursor: duckdb.DuckDBPyConnection) -> None:
        """Make the table of a text step: from the index where the snapshot has one, else by reading the texts."""
        found = pa.table({"key": pa.array(self._text_keys(step, cursor), pa.int64())})
        cursor.register("_found_text", found)
        cursor.execute(f"CREATE TEMP TABLE {_quoted(step.name)} AS SELECT key FROM _found_text")
        cursor.unregister("_found_text")

    def _text_keys(self, step: TextStep, cursor: duckdb.DuckDBPyConnection) -> np.ndarray:
        folder = self._snapshot.index_path("notes") if self._snapshot is not None and step.table == "note" else None
        if folder is not None:
            with NotesIndex(folder) as index:
                return index.search(step.needles)
        self._make_ready(step.table)
        key, column, table = _quoted(step.key), _quoted(step.column), _quoted(step.table)
        texts = cursor.sql(f"SELECT {key}, {column} FROM {table} WHERE {column} IS NOT NULL")
        return scan_notes(texts.to_arrow_reader(_TEXT_BATCH_ROWS), step.needles)

    # -------------------------------------------------------------------------------------------------------- tables

    def _make_ready(self, name: str) -> None:
        """Put a view over the files of a table or projection in place."""
        if name in self._ready:
            return
        table = base_table(name)
        files = self._files(name, table)
        if table != name and not files:
            self._make_ready(table)
            body = f"SELECT * FROM {_quoted(table)}"
        else:
            # Rows that a project adds have all columns; a snapshot of an earlier version has fewer.
            mixed = isinstance(self._snapshot, SnapshotWithRows) and bool(self._snapshot.added_files(table))
            body = _select(table, files, self._snapshot.schema(table) if self._snapshot is not None else None, mixed=mixed)
        self._connection.execute(f"CREATE VIEW {_quoted(name)} AS {body}")
        self._ready.add(name)

    def _files(self, name: str, table: str) -> list[Path]:
        if self._snapshot is None:
            return []
        return self._snapshot.files(name) if name == table else self._snapshot.projection(name)

    def _load(self, name: str, table: pa.Table) -> None:
        schema = arrow_schema(name)
        extra = sorted(set(table.column_names) - set(schema.names))
        if extra:
            raise DataError(f"table {name} has no column {extra[0]!r}", hint=f"it has: {', '.join(schema.names)}")
        columns = [
            table[field.name].cast(field.type) if field.name in table.column_names else pa.nulls(table.num_rows, field.type)
            for field in schema
        ]
        self._connection.register("_loaded", pa.table(columns, names=schema.names))
        self._connection.execute(f"CREATE TABLE {_quoted(name)} AS SELECT * FROM _loaded")
        self._connection.unregister("_loaded")
        self._ready.add(name)


@lru_cache(maxsize=128)
def _compiled(rows: Node) -> tuple[str, tuple[str, ...]]:
    """Compile an expression once, however many batches it is asked for; and name the tables of the store that it reads."""
    expression = rows.to_expr()
    return to_sql(expression), tuple(sorted(sources(expression)))


@contextmanager
def _clear_faults() -> Iterator[None]:
    """Turn DuckDB's faults into errors that say what to do; their texts may quote values, so they are not passed on."""
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise EnvironmentFault(
            "the query needs more memory or spill space than it may use", hint="raise memory_limit, or free disk space"
        ) from None
    except (duckdb.IOException, duckdb.InvalidInputException, duckdb.SerializationException) as error:
        raise IntegrityError(
            f"a file of the snapshot cannot be read, or there is no room to spill to ({type(error).__name__})",
            hint="run: workbench store verify DIR; look at the free space of the temporary folder",
        ) from None
    except (duckdb.ConversionException, duckdb.OutOfRangeException) as error:
        raise DataError(
            f"a value is beyond what its type can hold ({type(error).__name__})", hint="look for dates and numbers that cannot be true"
        ) from None


def _interruptible(cursor: duckdb.DuckDBPyConnection, call: Callable[[], _T]) -> _T:
    """Wait for a statement in a way that Ctrl-C ends it at once; DuckDB by itself looks for signals between tasks only."""
    with ThreadPoolExecutor(max_workers=1) as worker:
        waiting = worker.submit(call)
        try:
            return waiting.result()
        except KeyboardInterrupt:
            cursor.interrupt()
            raise


def _shut(connection: duckdb.DuckDBPyConnection, spill: Path) -> None:
    connection.close()
    shutil.rmtree(spill, ignore_errors=True)


def _collect(output: Output, cursor: duckdb.DuckDBPyConnection) -> Answer:
    return Answer(
        rows=_fetch(output.rows, cursor, ROW_SCHEMA),
        entries=_fetch(output.entries, cursor, ENTRY_SCHEMA) if output.entries else ENTRY_SCHEMA.empty_table(),
        parts=tuple(_collect(part, cursor) for part in output.parts),
    )


def _fetch(sql: str, cursor: duckdb.DuckDBPyConnection, schema: pa.Schema) -> pa.Table:
    return _interruptible(cursor, lambda: cursor.sql(sql).to_arrow_table()).cast(schema)


def _select(table: str, files: Sequence[Path], schema: pa.Schema | None, *, mixed: bool = False) -> str:
    """Select the contract's columns, in its types, from files, which may be of mixed versions, or, where there are none, nothing."""
    wanted = arrow_schema(table)
    have = {field.name: field.type for field in schema} if files and schema is not None else {}
    columns = ", ".join(_column(field, have.get(field.name)) for field in wanted)
    if not files:
        return f"SELECT {columns} WHERE FALSE"
    source = f"read_parquet({_literal([str(path.absolute()) for path in files])}, union_by_name = {mixed})"
    return f"SELECT {columns} FROM {source}"


def _column(field: pa.Field, found: pa.DataType | None) -> str:
    name = _quoted(field.name)
    if found == field.type or (found is not None and pa.types.is_integer(found) and pa.types.is_integer(field.type)):
        return name  # a cast would keep filters from reaching the files
    return f"CAST({name if found is not None else 'NULL'} AS {_SQL_TYPES[field.type]}) AS {name}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_literal(one) for one in value)}]"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)
