"""How well a run de-identified, by a key of planted values: read, scored by the ten MIDI-B actions, and worded."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from imaging.deidentify.score import ACTIONS, Row, score, shares
from imaging.dicom.files import path_text
from workbench.errors import DataError
from workbench.locale import tr

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from imaging.deidentify.score import Verdict

__all__ = ["ACTION_WORDS", "failed_rows", "read_key", "score_lines", "score_run"]

#: Action -> Chinese; English is that of :data:`imaging.deidentify.score.ACTIONS`.
ACTION_WORDS: dict[str, str] = {
    "tag_retained": "属性仍在",
    "text_notnull": "属性仍在且不为空",
    "text_retained": "属性仍含该值",
    "text_removed": "属性不再含该值",
    "date_shifted": "日期已平移，与该患者其他日期天数相同",
    "uid_changed": "UID 已更换",
    "uid_consistent": "UID 的替换值处处一致，且不与别的相同",
    "patid_consistent": "患者号的替换值处处一致，且不与别的相同",
    "pixels_hidden": "矩形内每帧只有一个值",
    "pixels_retained": "矩形或整幅图像逐位不变",
}

_COLUMNS = ("file", "path", "action", "value")


def read_key(path: Path, folder: Path) -> list[Row]:
    """Read a key of planted values.

    Parameters
    ----------
    path : Path
        CSV in UTF-8: ``file`` (below the folder of originals), ``path``, ``action``, ``value`` and, if it is known, ``patient``;
        see :class:`imaging.deidentify.score.Row`.
    folder : Path
        The originals.

    Raises
    ------
    DataError
        If it cannot be read, lacks a column, or names an action that is none or a file that is not there.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            tr(f"无法读取 {path}", f"{path} cannot be read"), hint=tr("应为 UTF-8 的 CSV", "a CSV in UTF-8 is wanted")
        ) from error
    if not rows or not set(_COLUMNS) <= set(rows[0]):
        raise DataError(
            tr(f"{path} 没有行，或缺少列 {'、'.join(_COLUMNS)}", f"{path} has no row, or lacks a column of {', '.join(_COLUMNS)}"),
            hint=tr("每行一个植入的值", "one row a planted value"),
        )
    key = [Row(*(row[name] or "" for name in _COLUMNS), row.get("patient") or "") for row in rows]
    wrong = sum(row.action not in ACTIONS for row in key)
    if wrong:
        raise DataError(
            tr(f"{path} 有 {wrong} 行的 action 不是已知动作", f"{path} has {wrong} rows with an action that is none"),
            hint=tr("可用：", "one of: ") + ", ".join(ACTIONS),
        )
    absent = sum(not (folder / name).is_file() for name in {row.file for row in key})
    if absent:
        raise DataError(
            tr(f"{path} 所列的 {absent} 个文件不在 {folder} 中", f"{absent} files that {path} names are not in {folder}"),
            hint=tr("file 列是文件夹内的相对路径", "the column file holds paths below the folder"),
        )
    return key


def score_run(key: Iterable[Row], folder: Path, out: Path, records: Path) -> list[Verdict]:
    """Score what a run wrote.

    Parameters
    ----------
    key : iterable of Row
        What was planted; files that the run did not write lose every row.
    folder : Path
        The originals.
    out : Path
        What was written.
    records : Path
        Folder of the run's records, which say what became of which.
    """
    key, folder = list(key), folder.absolute()
    told = pq.read_table(records / "records.parquet", columns=["source", "out"]).to_pylist()
    written = {row["source"]: out / row["out"] for row in told if row["out"]}
    originals = {name: folder / name for name in {row.file for row in key}}
    cleaned = {name: written.get(path_text(str(path))) for name, path in originals.items()}
    return score(key, originals, {name: path for name, path in cleaned.items() if path is not None})


def score_lines(verdicts: Iterable[Verdict]) -> list[str]:
    """Return the score by action, a line each, the whole last.

    Parameters
    ----------
    verdicts : iterable of Verdict
        Of :func:`score_run`.
    """
    words = {"all": tr("合计", "all rows")} | {action: tr(ACTION_WORDS[action], said) for action, said in ACTIONS.items()}
    return [f"  {share.passed}/{share.total}  {share.share:.2%}  {action}  {words[action]}" for action, share in shares(verdicts).items()]


def failed_rows(verdicts: Iterable[Verdict]) -> str:
    """Return the rows that were not kept to as CSV; it holds planted values.

    Parameters
    ----------
    verdicts : iterable of Verdict
        Of :func:`score_run`.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow((*Row._fields, "found"))
    writer.writerows((*verdict.row, verdict.found) for verdict in verdicts if not verdict.passed)
    return text.getvalue()
