"""The geometry verdict of each series of a catalogue, from rows of the table of instances; few files are opened again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from functools import partial
from itertools import chain, groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
from pydicom.datadict import tag_for_keyword

from imaging.dicom.files import path_from_text
from imaging.dicom.reading import open_bounded
from imaging.dicom.rows import table_of
from imaging.dicom.tables import CHANGED, KINDS, OTHERS, PLACED, SLICES
from imaging.dicom.tags import FIELDS
from imaging.errors import ImageDataError
from imaging.geometry import Frame, Verdict, frames_of, judge
from imaging.geometry.frames import DIMENSIONS, SEQUENCES, TOP_LEVEL
from imaging.geometry.reasons import TOLERANCES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import duckdb

    from imaging.geometry import Geometry

__all__ = ["COLUMNS", "VERDICTS", "judge_changed", "rules", "verdict_of"]

#: Raised where the same rows would be judged otherwise than before.
_VERSION = 2

_PLAIN = tuple(field for field in FIELDS if field.keyword in TOP_LEVEL)
_KEYWORDS = [(field.name, field.keyword) for field in _PLAIN]
_TAGS = [tag_for_keyword(keyword) for keyword in (*TOP_LEVEL, *SEQUENCES)]

#: Columns of the table of instances that a verdict needs.
COLUMNS = ("path", "problems", *(field.name for field in _PLAIN))

#: What may differ from slice to slice of one kind: dimensions too that only tell repeated positions apart.
_ORDER = {dimension.keyword for dimension in DIMENSIONS if not dimension.apart} - {"ImageType"}
_BY_SLICE = {"path", "sop_instance_uid", "image_position_patient", *(field.name for field in _PLAIN if field.keyword in _ORDER)}
_FRAME = [field.name for field in fields(Frame) if field.name not in ("instance", "position")]
#: Positions beyond are broken values more often than places.
_FAR_MM = 1e5
_AT_ONCE = 1_000
_UIDS = itemgetter(0, 1)

#: `reasons` are JSON objects: a code of :data:`imaging.geometry.reasons.REASONS` and its parameters.
VERDICTS = pa.schema(
    [
        ("study_instance_uid", pa.string()),
        ("series_instance_uid", pa.string()),
        ("verdicts", pa.list_(pa.string())),
        ("reasons", pa.list_(pa.string())),
        ("n_slices", pa.int64()),
        ("spacing_mm", pa.list_(pa.float64())),
        ("deviation_mm", pa.float64()),
    ]
)


def rules() -> int:
    """Return a number that changes with what a verdict rests on beside its files: the tolerances and the version of the rules."""
    stated = json.dumps([_VERSION, VERDICTS.names, COLUMNS, TOLERANCES])
    return int.from_bytes(hashlib.sha256(stated.encode()).digest()[:8], "big")


class _Verdict(NamedTuple):
    """The columns of :data:`VERDICTS` that say what a series is."""

    verdicts: list[str]
    reasons: list[str]
    n_slices: int | None = None
    spacing_mm: list[float] | None = None
    deviation_mm: float | None = None


_NO_IMAGE = _Verdict([], ['{"code": "no_image"}'])


def judge_changed(database: duckdb.DuckDBPyConnection) -> None:
    """Judge the series that changed, one in memory at a time.

    Most instances differ only in position, UID and order, so that one header stands for all of its kind. Series with several frames in a
    file or without positions, and those whose positions repeat, are judged from every header.

    Parameters
    ----------
    database : DuckDBPyConnection
        With the tables `instances`, `new_series` and `old_series`; is given the table `judged`, with :data:`VERDICTS`.
    """
    columns = ", ".join(f'"{name}"' for name in COLUMNS)
    database.execute(CHANGED)
    database.execute(PLACED.format(common=", ".join(f'"{name}"' for name in COLUMNS if name not in _BY_SLICE)))
    kinds = groupby(_rows(database, KINDS.format(columns=columns)), key=_UIDS)
    slices = groupby(_rows(database, SLICES), key=_UIDS)
    plain = [(*uids, *found) for (_, heads), (uids, some) in zip(kinds, slices, strict=True) if (found := _plain_verdict(heads, some))]
    database.register("found", table_of(plain, VERDICTS))
    database.execute("CREATE OR REPLACE TABLE judged AS FROM found")
    others = groupby(_rows(database, OTHERS.format(columns=columns)), key=_UIDS)
    rest = [(*uids, *verdict_of(dict(zip(COLUMNS, row[2:], strict=True)) for row in some)) for uids, some in others]
    database.register("found", table_of(rest, VERDICTS))
    database.execute("INSERT INTO judged FROM found")


def _rows(database: duckdb.DuckDBPyConnection, query: str) -> Iterator[tuple]:
    return chain.from_iterable(iter(partial(database.cursor().execute(query).fetchmany, _AT_ONCE), []))


def _plain_verdict(kinds: Iterable[tuple], slices: Iterable[tuple]) -> _Verdict | None:
    """Return the verdict of (study, series, kind, instance, position) by one header of each kind; None where more has to be read."""
    try:
        common = {alike: _common(dict(zip(COLUMNS, head, strict=True))) for _, _, alike, *head in kinds}
    except ImageDataError:
        return _NO_IMAGE
    frames = [Frame(**common[alike], instance=instance, position=tuple(position)) for _, _, alike, instance, position in slices]
    if any(abs(place) > _FAR_MM for frame in frames for place in frame.position):
        return None
    geometry = judge(frames)
    return None if geometry.has(Verdict.MULTI_STACK) else _told(geometry)


def _common(row: dict[str, Any]) -> dict[str, Any]:
    """Return what the frames of instances like this one have in common."""
    (frame,) = _frames(row)
    return {name: getattr(frame, name) for name in _FRAME}


def verdict_of(rows: Iterable[dict[str, Any]]) -> _Verdict:
    """Return the verdict of one series.

    Parameters
    ----------
    rows : iterable of dict
        Its instances, with :data:`COLUMNS`.

    Returns
    -------
    tuple
        Verdicts, reasons, slices, spacing (between slices, rows, columns, in mm) and deviation; without a verdict where the instances
        are no images.

    Examples
    --------
    >>> verdict_of([{"path": "a", "rows": None, "columns": None}]).verdicts
    []
    """
    try:
        return _told(judge([frame for row in rows for frame in _frames(row)]))
    except ImageDataError:
        return _NO_IMAGE


def _told(geometry: Geometry) -> _Verdict:
    return _Verdict(
        [str(verdict) for verdict in geometry.verdicts],
        [json.dumps({"code": reason.code, **reason.values}, ensure_ascii=False, default=str) for reason in geometry.reasons],
        geometry.shape[0] if geometry.shape else None,
        list(geometry.spacing_mm) if geometry.spacing_mm else None,
        float(geometry.deviation_mm),
    )


def _frames(row: dict[str, Any]) -> Iterator[Frame]:
    """Yield the frames of an instance; where its header has several or no place, they may stand in sequences, which are read now."""
    if row.get("rows") is not None and (row.get("number_of_frames") is not None or row.get("image_position_patient") is None):
        yield from frames_of(open_bounded(path_from_text(row["path"]), tags=_TAGS))
        return
    values = {
        keyword: tuple(value) if isinstance(value, list) else value for name, keyword in _KEYWORDS if (value := row.get(name)) is not None
    }
    for wrong in row.get("problems") or ():
        tag = int(wrong[1:5] + wrong[6:10], 16)
        values |= {field.keyword: "?" for field in _PLAIN if field.tag == tag}
    yield from frames_of(values)
