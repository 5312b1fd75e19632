"""Publishing a snapshot: write aside, sort, project, index, hash, then rename into place."""

from __future__ import annotations

import difflib
import logging
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm import tqdm

from workbench import __version__
from workbench.errors import DataError
from workbench.store.arrange import PROJECTIONS, ROW_GROUP_ROWS, Arranger
from workbench.store.manifest import MANIFEST_NAME, Manifest, TableEntry, hash_tree
from workbench.store.staging import Staging, readable_faults
from workbench.tables import SCHEMA_VERSION, Table, arrow_schema, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

__all__ = ["SnapshotWriter", "conform"]

logger = logging.getLogger(__name__)

_PARQUET = {"compression": "zstd", "version": "2.6"}

Batches = pa.Table | pa.RecordBatch | pa.RecordBatchReader


def conform(name: str, batch: pa.Table) -> pa.Table:
    """Bring rows into the form that the data contract gives their table.

    Columns are put in order, absent optional ones filled with nulls and types widened where nothing is lost.

    Parameters
    ----------
    name : str
        Table of the contract.
    batch : pyarrow.Table
        Rows, of any size.

    Returns
    -------
    pyarrow.Table
        With exactly :func:`workbench.tables.arrow_schema` of the table.

    Raises
    ------
    DataError
        If a column is unknown, a required one missing or empty somewhere, or a type cannot be brought over without loss.
    """
    schema = arrow_schema(name)
    for found in batch.column_names:
        if found not in schema.names:
            near = difflib.get_close_matches(found, schema.names, n=1)
            raise DataError(
                f"table {name} has no column {found!r}", hint=f"did you mean {near[0]!r}?" if near else f"it has: {', '.join(schema.names)}"
            )
    return pa.table([_conform_column(name, field, batch) for field in schema], schema=schema)


def _conform_column(name: str, field: pa.Field, batch: pa.Table) -> pa.ChunkedArray | pa.Array:
    if field.name not in batch.column_names:
        if not field.nullable:
            raise DataError(f"table {name} lacks its required column {field.name}")
        return pa.nulls(batch.num_rows, field.type)
    column = batch.column(field.name)
    if column.null_count and not field.nullable:
        raise DataError(f"{name}.{field.name} is required and empty in {column.null_count} of {batch.num_rows} rows")
    if column.type == field.type:
        return column
    try:
        return pc.cast(column, field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"{name}.{field.name} is {column.type} with values that do not fit; wanted {field.type}") from error


def _tables(batches: Batches | Iterable[Batches]) -> Iterator[pa.Table]:
    """Give any accepted form as a stream of tables."""
    if isinstance(batches, pa.Table):
        yield batches
    elif isinstance(batches, pa.RecordBatch):
        yield pa.Table.from_batches([batches])
    else:
        for batch in batches:
            yield from _tables(batch)


class _Spool:
    """Rows of one table as they come, in a Parquet file that becomes the table's own where they came in order."""

    def __init__(self, declared: Table, path: Path) -> None:
        self.declared = declared
        self.path = path
        self.rows = 0
        self.ordered = True
        self._order = declared.sort[:2]
        self._last: tuple[Any, ...] | None = None
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = pq.ParquetWriter(path, arrow_schema(declared.name), **_PARQUET)

    def add(self, rows: pa.Table) -> None:
        self.ordered = self.ordered and self._follows(rows)
        self.rows += rows.num_rows
        self._waiting.append(rows)
        self._waiting_rows += rows.num_rows
        if self._waiting_rows >= ROW_GROUP_ROWS:
            self._flush(whole_groups=True)

    def _flush(self, *, whole_groups: bool) -> None:
        rows = pa.concat_tables(self._waiting).combine_chunks() if self._waiting else None
        if rows is None:
            return
        cut = rows.num_rows - rows.num_rows % ROW_GROUP_ROWS if whole_groups else rows.num_rows
        self._writer.write_table(rows.slice(0, cut), row_group_size=ROW_GROUP_ROWS)
        self._waiting = [rows.slice(cut)]
        self._waiting_rows = rows.num_rows - cut

    def _follows(self, rows: pa.Table) -> bool:
        """Whether the rows continue the order (person, first day) without a step back."""
        if not self._order or not rows.num_rows:
            return True
        columns = [rows.column(name).combine_chunks() for name in self._order]
        first, last = (tuple(column[at].as_py() for column in columns) for at in (0, -1))
        before, self._last = self._last, last
        return (before is None or before <= first) and _ascending(columns)

    def close(self) -> None:
        self._flush(whole_groups=False)
        self._writer.close()


def _ascending(columns: list[pa.Array]) -> bool:
    """Whether rows are in lexicographic order of the columns, none of which holds nulls."""
    tied: pa.Array | None = None
    for column in columns:
        left, right = column.slice(0, len(column) - 1), column.slice(1)
        wrong, equal = pc.greater(left, right), pc.equal(left, right)
        if pc.any(wrong if tied is None else pc.and_(tied, wrong)).as_py():
            return False
        tied = equal if tied is None else pc.and_(tied, equal)
    return True


class SnapshotWriter:
    """Write one snapshot; nothing of it is visible before the last step, and nothing at all after an error.

    Rows may come in any order and in pieces of any size. Memory stays bounded by `memory_limit` (sorting spills to the
    staging folder) plus one row group a table.

    Parameters
    ----------
    store_path : str or Path
        Folder of the store; made if it is not there.
    source : str
        Where the data come from, in words.
    policy : dict, optional
        De-identification policy that was applied.
    parent : str, optional
        Snapshot that this one is made from.
    note : str
        Remark for readers.
    memory_limit : str
        What sorting may use, as DuckDB writes sizes.
    progress : bool
        Whether to show a progress bar on stderr.

    Attributes
    ----------
    snapshot_id : str
        Set once the snapshot is in place.

    Raises
    ------
    DataError
        If rows do not fit the data contract.
    EnvironmentFault
        If the disk is full.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with SnapshotWriter(folder, source="an example") as writer:
    ...         writer.write("location", pa.table({"location_id": [2, 1]}))
    ...     [path.name for path in (Path(folder) / "snapshots" / writer.snapshot_id / "tables").iterdir()]
    ['location']
    """

    def __init__(
        self,
        store_path: str | Path,
        *,
        source: str,
        policy: dict[str, Any] | None = None,
        parent: str | None = None,
        note: str = "",
        memory_limit: str = "1GB",
        progress: bool = False,
    ) -> None:
        self._store = Path(store_path)
        self._about = {"source": source, "policy": policy, "parent": parent, "note": note}
        self._memory_limit = memory_limit
        self._progress = progress
        self._spools: dict[str, _Spool] = {}
        self._indexes: dict[str, Callable[[Path], object]] = {}
        self._documents: dict[str, bytes] = {}
        self.snapshot_id = ""

    def __enter__(self) -> Self:
        with readable_faults(f"cannot write to {self._store}"):
            self._staging = Staging(self._store)
        self._snapshot = self._staging.path
        self._work = self._snapshot / ".work"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                with readable_faults(f"the snapshot could not be written to {self._store}"):
                    self._publish()
        finally:
            if not self.snapshot_id:
                self._staging.drop()

    def write(self, name: str, batches: Batches | Iterable[Batches]) -> None:
        """Add rows to a table.

        Parameters
        ----------
        name : str
            Table of the data contract.
        batches : pyarrow.Table, RecordBatch, RecordBatchReader, or iterable of these
            Rows; where there are none, the snapshot holds the table as empty.

        Raises
        ------
        DataError
            If the table is unknown or rows do not fit it (see :func:`conform`).
        """
        declared = table(name)
        with readable_faults(f"table {name} could not be written to {self._store}"):
            spool = self._spool(declared)
            for batch in _tables(batches):
                spool.add(conform(name, batch))

    def add_index(self, name: str, build: Callable[[Path], object]) -> None:
        """Have an index built once the tables stand.

        Parameters
        ----------
        name : str
            Name of the index.
        build : callable
            Called with the empty folder ``<snapshot>/index/<name>``; the tables lie in ``folder.parents[1] / "tables"``.
        """
        self._indexes[name] = build

    def add_document(self, name: str, content: str) -> None:
        """Put a text file, such as the import report, beside the manifest."""
        self._documents[name] = content.encode()

    def _spool(self, declared: Table) -> _Spool:
        if declared.name not in self._spools:
            self._spools[declared.name] = _Spool(declared, self._work / "spool" / f"{declared.name}.parquet")
        return self._spools[declared.name]

    def _publish(self) -> None:
        if not self._spools:
            raise DataError("no table was written", hint="a snapshot holds at least one table")
        for spool in self._spools.values():
            spool.close()
        steps = [*self._arrange_steps(), *self._index_steps()]
        for label, step in tqdm(steps, desc="publish", unit="step", disable=not self._progress):
            logger.debug("publish: %s", label)
            step()
        shutil.rmtree(self._work)
        for name, content in self._documents.items():
            (self._snapshot / name).write_bytes(content)
        created = datetime.now(UTC).isoformat(timespec="microseconds")
        name = self._write_manifest(created)
        self._staging.publish(name)
        self.snapshot_id = name

    def _arrange_steps(self) -> Iterator[tuple[str, Callable[[], object]]]:
        """List what puts each table, then each projection, in its order."""
        arranger = Arranger(self._work / "tmp", self._memory_limit)
        for name, spool in sorted(self._spools.items()):
            yield name, partial(self._place, arranger, spool)
        for name, projection in PROJECTIONS.items():
            if projection.table in self._spools and self._spools[projection.table].rows:
                source = self._part("tables", projection.table)
                yield name, partial(arranger.sort, source, self._part("projections", name), projection.order)

    def _place(self, arranger: Arranger, spool: _Spool) -> None:
        name = spool.declared.name
        target = self._part("tables", name)
        if spool.ordered:
            target.parent.mkdir(parents=True)
            spool.path.rename(target)
        else:
            arranger.sort(spool.path, target, spool.declared.sort)
            spool.path.unlink()
        if name == "person":
            arranger.refuse_repeats(target, "person_id")

    def _index_steps(self) -> Iterator[tuple[str, Callable[[], object]]]:
        for name, build in self._indexes.items():
            folder = self._snapshot / "index" / name
            yield name, partial(_build_index, build, folder)

    def _part(self, kind: str, name: str) -> Path:
        return self._snapshot / kind / name / "part-00000.parquet"

    def _write_manifest(self, created: str) -> str:
        """Hash every file, write the manifest and give the id that its bytes make."""
        manifest = Manifest(
            id="",
            created=created,
            schema_version=SCHEMA_VERSION,
            library=__version__,
            tables={name: self._entry(spool) for name, spool in sorted(self._spools.items())},
            files=tuple(hash_tree(self._snapshot, progress=self._progress)),
            **self._about,
        )
        content = manifest.to_bytes()
        (self._snapshot / MANIFEST_NAME).write_bytes(content)
        return Manifest.name_for(created, content)

    @staticmethod
    def _entry(spool: _Spool) -> TableEntry:
        return TableEntry(spool.rows, {field.name: str(field.type) for field in arrow_schema(spool.declared.name)})


def _build_index(build: Callable[[Path], object], folder: Path) -> None:
    """Build an index; an empty folder would be an extra one to `verify`, so none is kept."""
    folder.mkdir(parents=True)
    build(folder)
    for path in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        if not any(path.iterdir()):
            path.rmdir()
    if not any(folder.iterdir()):
        folder.rmdir()
        with suppress(OSError):
            folder.parent.rmdir()
