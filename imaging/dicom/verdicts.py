"""The geometry verdict of each series of a catalogue, from rows of the table of instances; few files are opened again."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pydicom.datadict import tag_for_keyword

from imaging.dicom.files import path_from_text
from imaging.dicom.reading import open_bounded
from imaging.dicom.tags import FIELDS
from imaging.errors import ImageDataError
from imaging.geometry import frames_of, judge
from imaging.geometry.frames import SEQUENCES, TOP_LEVEL
from imaging.geometry.reasons import TOLERANCES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imaging.geometry import Frame

__all__ = ["COLUMNS", "VERDICTS", "rules", "verdict_of"]

#: Raised where the same rows would be judged otherwise than before.
_VERSION = 2

_PLAIN = tuple(field for field in FIELDS if field.keyword in TOP_LEVEL)
_KEYWORDS = [(field.name, field.keyword) for field in _PLAIN]
_TAGS = [tag_for_keyword(keyword) for keyword in (*TOP_LEVEL, *SEQUENCES)]

#: Columns of the table of instances that a verdict needs.
COLUMNS = ("path", "problems", *(field.name for field in _PLAIN))

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


def verdict_of(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the verdict of one series.

    Parameters
    ----------
    rows : iterable of dict
        Its instances, with :data:`COLUMNS`.

    Returns
    -------
    dict
        Verdicts, reasons, slices, spacing (between slices, rows, columns, in mm) and deviation; without a verdict where the instances
        are no images.

    Examples
    --------
    >>> verdict_of([{"path": "a", "rows": None, "columns": None}])["verdicts"]
    []
    """
    try:
        geometry = judge([frame for row in rows for frame in _frames(row)])
    except ImageDataError:
        return {"verdicts": [], "reasons": ['{"code": "no_image"}'], "n_slices": None, "spacing_mm": None, "deviation_mm": None}
    return {
        "verdicts": [str(verdict) for verdict in geometry.verdicts],
        "reasons": [json.dumps({"code": reason.code, **reason.values}, ensure_ascii=False, default=str) for reason in geometry.reasons],
        "n_slices": geometry.shape[0] if geometry.shape else None,
        "spacing_mm": list(geometry.spacing_mm) if geometry.spacing_mm else None,
        "deviation_mm": float(geometry.deviation_mm),
    }


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
