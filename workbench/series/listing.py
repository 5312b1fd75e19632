"""The table of a folder's series, and of the files that are none: what lies there, and what can be made of it."""

from __future__ import annotations

import re
from hashlib import sha256
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from workbench.series.indexing import is_image, policies_for
from workbench.series.words import file_words, reason_from_row, reason_words, verdict_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from workbench.series.indexing import Catalogue

__all__ = ["FILES", "SERIES", "SPACING", "file_rows", "reasons_of", "schema_of", "series_name", "series_row", "table_blocks"]

#: Columns of the spacing in mm, in the order of an array's axes.
SPACING = ("slice_mm", "row_mm", "column_mm")

#: Columns that are no text.
_TYPES = (
    dict.fromkeys(
        ["series_number", "n_instances", "n_frames", "n_duplicates", "n_conflicts", "bytes", "part", "slices", "rows", "columns"],
        pa.int64(),
    )
    | dict.fromkeys(SPACING, pa.float64())
    | dict.fromkeys(["several_patients", "low_is_white"], pa.bool_())
)


def schema_of(names: str) -> pa.Schema:
    """Return the schema of a table about series.

    Parameters
    ----------
    names : str
        Its columns.
    """
    return pa.schema([(name, _TYPES.get(name, pa.string())) for name in names.split()])


#: One row a series. `name` is that of its files where it is converted; `verdict` are codes, `verdict_words` and `reasons` the words for
#: them; `policies` are those under which volumes are made of it, `none needed` or `none serves`.
SERIES = schema_of(
    """name modality body_part series_number series_description verdict verdict_words policies slices rows columns slice_mm row_mm column_mm
    n_instances n_frames bytes n_duplicates n_conflicts several_patients study_date manufacturer manufacturer_model_name reasons
    study_instance_uid series_instance_uid first_path"""
)

#: One row for each thing wrong with a file: `what` is worded, `text` says it with its numbers.
FILES = schema_of("path tag reason what text")

_BLOCK = 5_000
_UNNAMED = re.compile(r"[^A-Z0-9]")


def series_name(row: Mapping[str, Any]) -> str:
    """Return a name that tells a series from all others and says nothing of whose it is.

    Parameters
    ----------
    row : mapping
        Of a catalogue's table of series.

    Examples
    --------
    >>> series_name({"modality": "CT", "study_instance_uid": "1.2.3", "series_instance_uid": "1.2.3.4"})
    'CT-978fc9c410fb'
    """
    modality = _UNNAMED.sub("", (row["modality"] or "").upper())[:16] or "XX"
    uids = f"{row['study_instance_uid']} {row['series_instance_uid']}"
    return f"{modality}-{sha256(uids.encode()).hexdigest()[:12]}"


def series_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of :data:`SERIES`.

    Parameters
    ----------
    row : mapping
        Of a catalogue's table of series.
    """
    spacing = row["spacing_mm"] or (None, None, None)
    return {name: row[name] for name in SERIES.names if name in row} | {
        "name": series_name(row),
        "verdict": " ".join(row["verdicts"]),
        "verdict_words": verdict_words(row["verdicts"]),
        "policies": _policies(row),
        "slices": row["n_slices"],
        **dict(zip(SPACING, spacing, strict=True)),
        "reasons": "; ".join(reasons_of(row)),
    }


def reasons_of(row: Mapping[str, Any]) -> list[str]:
    """Return what the verdict rests on, worded.

    Parameters
    ----------
    row : mapping
        Of a catalogue's table of series.
    """
    return [reason_words(reason_from_row(text)) for text in row["reasons"]]


def file_rows(catalogue: Catalogue) -> Iterator[dict[str, str]]:
    """Yield rows of :data:`FILES`.

    Parameters
    ----------
    catalogue : Catalogue
        Its quarantine is worded.
    """
    for row in catalogue.quarantine():
        yield {name: row[name] for name in ("path", "tag", "reason", "text")} | {"what": file_words(row["reason"])}


def table_blocks(rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield rows as tables, few of them in memory.

    Parameters
    ----------
    rows : iterable of mapping
        Drawn as they are needed.
    schema : pyarrow.Schema
        Of the tables.
    """
    rows = iter(rows)
    while block := list(islice(rows, _BLOCK)):
        yield pa.Table.from_pylist(block, schema)


def _policies(row: Mapping[str, Any]) -> str:
    if not is_image(row):
        return ""
    serving = policies_for(row)
    return "none needed" if serving is None else " ".join(serving) or "none serves"
