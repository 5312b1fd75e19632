"""From files to rows: one of the table of instances, or one of the quarantine with its reason."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from imaging.dicom.alike import Alike
from imaging.dicom.files import archive_kind, path_from_text, read_index
from imaging.dicom.header import read_header
from imaging.dicom.refusals import Problem, Refusal, problem
from imaging.dicom.tags import BY_NAME, FIELDS, INDEX_CLASS, REQUIRED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imaging.dicom.structure import Limits

__all__ = ["FILE", "INSTANCES", "QUARANTINE", "Batch", "rows_of", "table_of"]

_TYPES = {"DS": pa.float64(), "FD": pa.float64(), "IS": pa.int64(), "US": pa.int32()}

#: What tells one state of a file from another: an unchanged file is not read again.
FILE = [("path", pa.string()), ("size", pa.int64()), ("modified_ns", pa.int64())]


def _column(vr: str, count: int) -> pa.DataType:
    plain = _TYPES.get(vr, pa.string())
    return plain if count == 1 else pa.list_(plain)


#: One row an instance. `problems` are values that could not be read, as "tag reason"; the last three are set where another file
#: has the same SOP Instance UID.
INSTANCES = pa.schema(
    [
        *FILE,
        *((field.name, _column(field.vr, field.count)) for field in FIELDS),
        ("problems", pa.list_(pa.string())),
        ("sha256", pa.string()),
        ("duplicate_of", pa.string()),
        ("conflict", pa.bool_()),
    ]
)

#: The columns that a file's reading gives.
_READ = INSTANCES.names[len(FILE) : -3]

#: One row a file that is not in the table of instances (or one for each thing wrong with it).
QUARANTINE = pa.schema([*FILE, ("tag", pa.string()), ("reason", pa.string()), ("text", pa.string())])


class Batch(NamedTuple):
    """What was read of some files."""

    instances: pa.Table
    quarantine: pa.Table


def rows_of(files: Iterable[tuple[str, int, int]], limits: Limits | None = None) -> Batch:
    """Read the headers of files.

    Parameters
    ----------
    files : iterable of (str, int, int)
        Path (as :func:`imaging.dicom.files.path_text` has it), size and time of change of each.
    limits : Limits, optional
        What is refused beyond.

    Returns
    -------
    Batch
        Every file is in one of the two tables.
    """
    alike = Alike()
    instances: list[tuple] = []
    quarantine: list[tuple] = []
    for file in files:
        found = _read(path_from_text(file[0]), limits, alike)
        if isinstance(found, dict):
            instances.append((*file, *map(found.get, _READ), None, None, None))
        else:
            quarantine.extend((*file, *wrong) for wrong in found)
    return Batch(table_of(instances, INSTANCES), table_of(quarantine, QUARANTINE))


def table_of(rows: list[tuple], schema: pa.Schema) -> pa.Table:
    """Return rows as a table.

    Parameters
    ----------
    rows : list of tuple
        With a value for each column.
    schema : pyarrow.Schema
        Of the table.
    """
    columns = zip(*rows, strict=True) if rows else ([] for _ in schema)
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema)


def _read(path: str, limits: Limits | None, alike: Alike) -> dict[str, Any] | list[Problem]:
    """Return an instance's values, or why it has none."""
    try:
        values, problems, _ = read_header(path, limits=limits, alike=alike)
    except Refusal as refusal:
        return [_archive(path, refusal) or refusal.problem]
    if values.get("media_storage_sop_class_uid") == INDEX_CLASS:
        return [problem(None, "index"), *_index_problems(path)]
    missing = [problem(BY_NAME[name].tag, "missing") for name in REQUIRED if name not in values]
    if missing:
        return [wrong for wrong in problems if wrong.tag in {other.tag for other in missing}] or missing
    if problems:
        values["problems"] = sorted(f"{wrong.tag} {wrong.reason}" for wrong in problems)
    return values


def _archive(path: str, refusal: Refusal) -> Problem | None:
    """Return that a file is an archive, where it was refused as not DICOM because it is one."""
    if refusal.reason != "not-dicom":
        return None
    kind = ""
    with suppress(OSError), Path(path).open("rb") as file:
        kind = archive_kind(file.read(512))
    return problem(None, "archive", kind=kind) if kind else None


def _index_problems(path: str) -> tuple[Problem, ...]:
    try:
        return read_index(path).problems
    except Refusal as refusal:
        return (refusal.problem,)
