"""A folder of results by series: each has a record, written last, so that a run that was killed goes on; what is unfinished is apart."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imaging.errors import ImagingError, PlaceError
from nlp.writing import whole_file
from workbench.errors import EnvironmentFault, WorkbenchError
from workbench.locale import tr
from workbench.series.words import file_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

__all__ = ["Made", "made_once", "records", "unnamed", "work_folder"]


@dataclass(frozen=True, slots=True)
class Made:
    """What became of a series.

    Parameters
    ----------
    rows : list of dict
        Each with `outcome`.
    unchanged : bool
        Whether it was made before.
    """

    rows: list[dict[str, Any]]
    unchanged: bool = False


@contextmanager
def work_folder(out: Path) -> Iterator[Path]:
    """Give the hidden folder in which one process at a time keeps what is unfinished; it stays where that process was killed.

    Parameters
    ----------
    out : Path
        Folder of the conversion.

    Raises
    ------
    EnvironmentFault
        If another process writes there, or it cannot be made.
    """
    work = out / ".work"
    try:
        work.mkdir(parents=True, exist_ok=True)
        handle = os.open(work, os.O_RDONLY)
    except OSError as error:
        raise EnvironmentFault(
            tr(f"无法写入 {out}：{error.strerror}", f"{out} cannot be written to: {error.strerror}"),
            hint=tr("请指定另一个文件夹", "name another folder"),
        ) from error
    try:
        _lock(handle, out)
        try:
            yield work
        except (WorkbenchError, ImagingError):
            _clear(work)
            raise
        _clear(work)
    finally:
        os.close(handle)


def made_once(
    name: str, out: Path, *, state: Mapping[str, str], files: tuple[str, ...], work: Path, make: Callable[[], dict[str, Any]]
) -> Made:
    """Return what a series' record says, and make it first where there is none for this state.

    Parameters
    ----------
    name : str
        Of the series.
    out : Path
        Folder of the results.
    state : mapping of str to str
        What the results follow from: with another value they are made anew.
    files : tuple of str
        Columns of the rows that name files of `out`; those of an earlier state that are not made again are removed.
    work : Path
        Folder for what is unfinished.
    make : callable
        Makes them; returns the record: ``rows``, and what else is to be kept.

    Raises
    ------
    PlaceError
        If the record cannot be written.
    """
    record = out / f"{name}.json"
    known = _read(record)
    before = _named(known.get("rows", ()), files)
    if known and {key: known.get(key) for key in state} == dict(state) and all((out / file).is_file() for file in before):
        return Made(known["rows"], unchanged=True)
    content = make()
    for file in before - _named(content["rows"], files):
        (out / file).unlink(missing_ok=True)
    _write(record, dict(state) | content, work)
    return Made(content["rows"])


def records(out: Path, what: str = "rows") -> Iterator[dict[str, Any]]:
    """Yield what all records in a folder hold, those of earlier runs on other folders too.

    Parameters
    ----------
    out : Path
        Folder of the results.
    what : str
        Part of the records.
    """
    for file in sorted(out.glob("*.json")):
        yield from _read(file).get(what, ())


def unnamed(error: Exception, paths: list[str]) -> str:
    """Return what an error says with numbers in place of files, whose names may name patients.

    Parameters
    ----------
    error : Exception
        As it was raised.
    paths : list of str
        The files.
    """
    text = getattr(error, "message", "") or type(error).__name__
    for number, path in sorted(enumerate(paths, 1), key=lambda each: -len(each[1])):
        text = text.replace(path, f"[{number}/{len(paths)}]")
    code = getattr(error, "code", "")
    return tr(f"{file_words(code)}（{text}）", text) if code else text


def _lock(handle: int, out: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise EnvironmentFault(
            tr(f"另一个进程正在写入 {out}", f"another process writes to {out}"), hint=tr("请等它结束", "wait until it has finished")
        ) from error


def _clear(work: Path) -> None:
    """Remove what is unfinished, and the folder where nothing else is in it."""
    shutil.rmtree(work, ignore_errors=True)
    with suppress(OSError):
        work.parent.rmdir()


def _named(rows: Iterable[Mapping[str, Any]], columns: tuple[str, ...]) -> set[str]:
    return {row[column] for row in rows for column in columns if row.get(column)}


def _read(record: Path) -> dict[str, Any]:
    """Return a record, empty where there is none that can be read."""
    try:
        known = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) and "rows" in known else {}


def _write(record: Path, content: dict[str, Any], work: Path) -> None:
    """Write a record in one step; what a kill leaves of it lies in the folder for what is unfinished."""
    try:
        with whole_file(work / record.name) as aside:
            aside.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        (work / record.name).replace(record)
    except OSError as error:
        raise PlaceError(f"{record}: cannot be written ({error.strerror})", hint="make room, or choose another folder") from error
