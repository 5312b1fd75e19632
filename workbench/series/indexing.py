"""The catalogue of a folder, as commands use it: made beside what they write, read series by series, gone when they are done."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow.parquet as pq
from tqdm import tqdm

from imaging.dicom.catalogue import Indexed, index_folder
from imaging.dicom.files import path_from_text
from imaging.geometry import Verdict
from imaging.volumes.assembly import SERVES, Policy, questioned
from workbench.errors import DataError
from workbench.locale import tr
from workbench.series.words import file_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


__all__ = ["LEFT_OUT", "Catalogue", "catalogued", "folder_of", "index_shown", "is_image", "need_instances", "policies_for"]

#: Reasons for which a file is left out, while nothing is wrong with it.
LEFT_OUT = ("archive", "hidden", "index", "not-dicom", "seen", "special")

_MEMORY = "512MB"
_SERIES = """
SELECT series.*, held.paths
FROM read_parquet(?) AS series
JOIN (
  SELECT study_instance_uid, series_instance_uid, list(path ORDER BY path) AS paths
  FROM read_parquet(?) WHERE duplicate_of IS NULL GROUP BY ALL
) AS held USING (study_instance_uid, series_instance_uid)
ORDER BY study_instance_uid, series_instance_uid
"""
_REASONS = """
SELECT reason, count(*) AS files FROM (
  SELECT arg_min(reason, (list_contains(?, reason), reason)) AS reason FROM read_parquet(?) GROUP BY path
) GROUP BY reason ORDER BY files DESC, reason
"""


@dataclass(frozen=True)
class Catalogue:
    """The tables of a folder's catalogue.

    Parameters
    ----------
    place : Path
        Where they lie.
    indexed : Indexed
        What the indexing did.
    """

    place: Path
    indexed: Indexed

    def series(self) -> Iterator[dict[str, Any]]:
        """Yield the row of each series with the `paths` of its instances, in the order of their UIDs."""
        with self._database() as database:
            found = database.execute(_SERIES, [self._pattern("series"), self._pattern("instances")])
            names = [column[0] for column in found.description]
            while row := found.fetchone():
                named = dict(zip(names, row, strict=True))
                yield named | {"paths": [path_from_text(path) for path in named["paths"]]}

    def quarantine(self) -> Iterator[dict[str, Any]]:
        """Yield a row for each thing wrong with a file that is no instance: path, tag, reason and text among the columns."""
        for batch in pq.ParquetFile(self._file("quarantine")).iter_batches():
            yield from batch.to_pylist()

    def reasons(self) -> Counter[str]:
        """Count the files that are no instances by their reasons; a file with several counts for the gravest, the first by name."""
        with self._database() as database:
            return Counter(dict(database.execute(_REASONS, [list(LEFT_OUT), self._pattern("quarantine")]).fetchall()))

    def refused(self) -> int:
        """Count the files with which something is wrong: broken ones, and a DICOMDIR that names what is not there."""
        return sum(count for reason, count in self.reasons().items() if reason not in LEFT_OUT)

    def _database(self) -> duckdb.DuckDBPyConnection:
        return duckdb.connect(config={"memory_limit": _MEMORY, "threads": 2, "temp_directory": str(self.place / "spill")})

    def _file(self, name: str) -> Path:
        return self.place / f"{name}.parquet"

    def _pattern(self, name: str) -> str:
        return str(self._file(name)).replace("[", "[[]")


def folder_of(source: Path) -> Path:
    """Return the folder to read.

    Parameters
    ----------
    source : Path
        A folder, or the DICOMDIR in it.

    Raises
    ------
    DataError
        If it is neither.
    """
    if source.is_dir():
        return source
    if source.is_file() and source.name.upper() == "DICOMDIR":
        return source.parent
    raise DataError(
        tr(f"{source} 不是文件夹", f"{source} is no folder"),
        hint=tr("请指定存放 DICOM 文件的文件夹，或其中的 DICOMDIR", "name the folder of the DICOM files, or the DICOMDIR in it"),
    )


@contextmanager
def catalogued(source: Path, work: Path, *, keep: Path | None = None, progress: bool = True) -> Iterator[Catalogue]:
    """Give the catalogue of a folder, and clear it away when all has gone well.

    A run that was killed leaves what it has read: the next one goes on from there. The catalogue holds patients' names, so that it is
    kept only where that is asked for.

    Parameters
    ----------
    source : Path
        A folder, or the DICOMDIR in it.
    work : Path
        Folder for the catalogue of this run.
    keep : Path, optional
        Folder for a catalogue that stays: the next run reads only what has changed.
    progress : bool
        Whether to draw a bar on stderr.

    Raises
    ------
    DataError
        If it is no folder.
    PlaceError
        If it cannot be read, or the catalogue not be written.
    """
    folder = folder_of(source)
    place = keep or work
    indexed = index_shown(folder, place, progress=progress)
    done = False
    try:
        yield Catalogue(place, indexed)
        done = True
    finally:
        if place == work and (done or not indexed.instances):
            shutil.rmtree(work, ignore_errors=True)


def index_shown(folder: Path, place: Path, *, progress: bool = True) -> Indexed:
    """Index a folder with a bar on stderr.

    Parameters
    ----------
    folder : Path
        Of DICOM files.
    place : Path
        Folder of the catalogue.
    progress : bool
        Whether to draw the bar.

    Raises
    ------
    PlaceError
        If the folder cannot be read, or the catalogue not be written.
    """
    with tqdm(unit=tr("文件", "file"), disable=not progress, file=sys.stderr) as bar:

        def tell(done: int, total: int | None) -> None:
            step = ("列出", "list") if total is None else ("读取", "read") if done < total else ("汇总", "sum up")
            bar.set_description_str(tr(*step), refresh=False)
            bar.total, bar.n = total, done
            bar.refresh()

        return index_folder(folder, place, progress=tell)


def need_instances(source: Path, catalogue: Catalogue) -> None:
    """Refuse a folder without any DICOM file that can be read.

    Parameters
    ----------
    source : Path
        What was read.
    catalogue : Catalogue
        Of it.

    Raises
    ------
    DataError
        If there is none, with the reasons.
    """
    if catalogue.indexed.instances:
        return
    listed = tr("，", ", ").join(f"{file_words(reason)} {count}" for reason, count in catalogue.reasons().most_common())
    files = catalogue.indexed.files
    raise DataError(
        tr(f"{source} 中没有可读的 DICOM 文件，共 {files} 个文件", f"{source} holds no DICOM file that can be read, of {files} files")
        + (tr(f"：{listed}", f": {listed}") if listed else ""),
        hint=tr("请检查文件夹；压缩包需先解压", "look at the folder; archives have to be unpacked first"),
    )


def is_image(row: Mapping[str, Any]) -> bool:
    """Whether a series has frames that were judged.

    Parameters
    ----------
    row : mapping
        Of the table of series.
    """
    return bool(row["verdicts"])


def policies_for(row: Mapping[str, Any]) -> tuple[Policy, ...] | None:
    """Return the policies under which a series makes volumes of grey values.

    Parameters
    ----------
    row : mapping
        Of the table of series.

    Returns
    -------
    tuple of Policy or None
        None where none is needed; empty where none serves: colours, frames that nothing tells apart, images of several patients.
    """
    if row["several_patients"] or any('"repeated_unexplained"' in reason for reason in row["reasons"]):
        return ()
    in_question = questioned(map(Verdict, row["verdicts"]))
    if Verdict.COLOUR in in_question:
        return ()
    if not in_question:
        return None
    return tuple(policy for policy in Policy if all(policy in SERVES[verdict] for verdict in in_question))
