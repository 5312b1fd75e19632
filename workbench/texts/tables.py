"""Notes out of a table (CSV, Parquet, JSON lines, Excel): which column is what, row by row, whatever is broken told apart and counted."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from nlp.annotations import Note
from nlp.documents import document_kinds, standard_kind
from nlp.titles import section_names
from workbench.errors import DataError
from workbench.locale import tr
from workbench.texts.table_rows import MIXED, mended, open_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["FIELDS", "ReadNote", "ReadReport", "TextTable", "find_columns", "open_texts", "read_time"]

#: Field -> names of its column, the likelier first; compared without case, blanks and underscores.
FIELDS: dict[str, tuple[str, ...]] = {
    field: tuple(names.split())
    for field, names in {
        "text": "note_text text note_content report_text content report note raw_text full_text "
        "病历文本 病历内容 文书内容 文书文本 记录内容 报告内容 报告文本 文本 文本内容 正文 内容 全文 原文 病历 报告 "
        "病程记录 入院记录 出院记录 出院小结 手术记录",
        "note_id": "note_id document_id doc_id report_id text_id id "
        "文书编号 文书ID 文书号 病历ID 病历编号 报告编号 报告号 报告单号 检查号 检查编号 文档编号 编号 序号",
        "document_type": "note_type document_type doc_type note_class note_source_value report_type type kind note_title title "
        "文书类型 文书类别 文书名称 病历类型 报告类型 报告类别 报告名称 检查类型 检查类别 文书标题 类型 类别 标题",
        "written": "written note_datetime note_date report_time report_date created_at charttime datetime date time "
        "书写时间 记录时间 书写日期 记录日期 报告时间 报告日期 检查时间 检查日期 创建时间 文书时间 日期 时间",
        "admitted": "admitted admission_time admission_date admit_time admittime 入院时间 入院日期",
        "operated": "operated operation_time operation_date surgery_date 手术时间 手术日期",
        "department": "department dept ward 科室 科室名称 科别 所在科室 病区",
        "person_id": "person_id patient_id subject_id patient pid mrn "
        "患者ID 患者编号 患者号 患者标识 病人ID 病人编号 病人号 登记号 病案号 病历号",
        "visit_id": "visit_occurrence_id visit_id encounter_id admission_id hadm_id "
        "就诊ID 就诊号 就诊编号 就诊流水号 住院号 住院流水号 住院ID",
    }.items()
}
#: Sections whose titles are facts in columns of their own: none of them is a text to be read.
_NO_TEXT = ("一般项目", "签名")
#: Columns named like a part of a report, besides the titles of sections.
_PARTS = ("报告结果",)
#: Rows that tell which of several columns is the text.
_LOOKED_AT = 200
_TIMES = ("written", "admitted", "operated")
_TIME = re.compile(
    r"\s*(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?(?:[\sT,]*(\d{1,2})\s*[:：时点]\s*(?:(\d{1,2})(?:\s*[:：分]\s*(\d{1,2}))?)?)?"
)
_COMPACT = re.compile(r"\s*(\d{4})(\d\d)(\d\d)(?:[\sT]*(\d\d):?(\d\d)(?::?(\d\d))?)?\s*\Z")


class ReadNote(NamedTuple):
    """A note with its row in the file, from 1 and without the header, and whose it is."""

    row: int
    note: Note
    person_id: str = ""
    visit_id: str = ""


@dataclass(slots=True)
class ReadReport:
    """What could not be read, counted, with the first places; no word of the file."""

    rows: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    noticed: Counter[str] = field(default_factory=Counter)
    #: Types of document that the source gives and that name no kind known here.
    unknown_types: Counter[str] = field(default_factory=Counter)
    places: dict[str, list[int]] = field(default_factory=dict)

    def refuse(self, row: int, why: str) -> None:
        """Count a row that is left out."""
        self.refused[why] += 1
        self._place(row, why)

    def notice(self, row: int, what: str) -> None:
        """Count something odd in a row that is read all the same."""
        self.noticed[what] += 1
        self._place(row, what)

    def _place(self, row: int, what: str) -> None:
        places = self.places.setdefault(what, [])
        if len(places) < 5:
            places.append(row)

    def lines(self) -> list[str]:
        """Say each, how often and where first."""
        lines = []
        for what, count in [*self.refused.items(), *self.noticed.items()]:
            places = self.places[what]
            more = ", ..." if count > len(places) else ""
            lines.append(f"{count} x {what} ({tr('行', 'rows')} {', '.join(map(str, places))}{more})")
        return lines


def _plain(name: str) -> str:
    return re.sub(r"[\s_\-（()）]", "", name).casefold()


def find_columns(
    header: Sequence[str], given: Mapping[str, Sequence[str]] | None = None, rows: Iterable[Mapping[str, Any]] = ()
) -> dict[str, tuple[str, ...]]:
    """Tell which column is what.

    Parameters
    ----------
    header : sequence of str
        Names of the columns.
    given : mapping of str to sequence of str, optional
        Columns named by the user, by field of :data:`FIELDS`; for ``text`` there may be several, which are joined under their names.
    rows : iterable of mapping, optional
        Some rows of the table: of several columns that are named like a text the longest is taken, without rows the likelier name.

    Returns
    -------
    dict of str to tuple of str
        Columns by field; fields without a column are left out.

    Raises
    ------
    DataError
        If a column named is not there, or none looks like the text.

    Examples
    --------
    >>> find_columns(["病案号", "文书类型", "病历内容"])
    {'text': ('病历内容',), 'document_type': ('文书类型',), 'person_id': ('病案号',)}
    """
    given = {name: tuple(columns) for name, columns in (given or {}).items() if columns}
    for columns in given.values():
        for column in columns:
            if column not in header:
                raise DataError(f"there is no column {column!r}", hint=f"columns: {', '.join(header)}")
    taken = {column for columns in given.values() for column in columns}
    by_name: dict[str, str] = {}
    for column in header:
        if column not in taken:
            by_name.setdefault(_plain(column), column)
    found: dict[str, tuple[str, ...]] = {}
    for name, words in FIELDS.items():
        fitting = [by_name[_plain(word)] for word in words if _plain(word) in by_name]
        if name in given:
            found[name] = given[name]
        elif fitting:
            column = _longest(fitting, rows) if name == "text" else fitting[0]
            del by_name[_plain(column)]
            found[name] = (column,)
        taken.update(found.get(name, ()))
    if "text" not in found and (sections := _sections_in(header, taken)):
        found["text"] = sections
    if "text" not in found:
        raise DataError("no column looks like the text of a note", hint=f"name it with --text; columns: {', '.join(header)}")
    return found


def _longest(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    lengths = Counter(dict.fromkeys(columns, 0))
    for row in rows:
        lengths.update({column: len(str(row.get(column) or "")) for column in columns})
    return max(columns, key=lengths.__getitem__)


def _sections_in(header: Sequence[str], taken: set[str]) -> tuple[str, ...]:
    """Return the columns that are named like sections: 检查所见 and 诊断意见 of a report in columns of their own."""
    sections = (section for section in section_names().values() if section.name not in _NO_TEXT)
    titles = {*_PARTS, *(title for section in sections for title in section.titles)}
    return tuple(column for column in header if column.strip() in titles and column not in taken)


@cache
def _is_known(document_type: str) -> bool:
    return standard_kind(document_type) in document_kinds()


def read_time(cell: object) -> datetime | None:
    """Read a moment as hospitals write it; None where it is none.

    Examples
    --------
    >>> read_time("2021年3月5日 9时"), read_time("20210305")
    (datetime.datetime(2021, 3, 5, 9, 0), datetime.datetime(2021, 3, 5, 0, 0))
    """
    if isinstance(cell, datetime):
        return cell.replace(tzinfo=None)
    if isinstance(cell, date):
        return datetime(cell.year, cell.month, cell.day)
    matched = _TIME.match(str(cell)) or _COMPACT.match(str(cell))
    if not matched:
        return None
    try:
        return datetime(*(int(part or 0) for part in matched.groups()))
    except ValueError:
        return None


@dataclass(frozen=True)
class TextTable:
    """A file of notes, opened.

    Parameters
    ----------
    path : Path
        The file.
    columns : dict of str to tuple of str
        As :func:`find_columns` gives them.
    work : Path
        Folder for a copy in UTF-8, where one is needed.
    """

    path: Path
    columns: dict[str, tuple[str, ...]]
    work: Path

    def notes(self, report: ReadReport) -> Iterator[ReadNote]:
        """Yield the notes in the order of the file, lazily; what is refused goes to the report."""
        with open_rows(self.path, self.work) as (_, rows):
            for number, row in enumerate(rows, 1):
                report.rows += 1
                if isinstance(row, str):
                    report.refuse(number, row)
                elif (found := self.note_of(number, row, report)) is not None:
                    yield found

    def note_of(self, number: int, row: Mapping[str, Any], report: ReadReport) -> ReadNote | None:
        """Return the note of one row, or None where the row is refused."""
        text = self._text(row)
        if text is None:
            report.refuse(number, "the text is no text")
            return None
        if not text.strip():
            report.notice(number, "the text is empty")
        if MIXED.search(text):
            text = mended(text)
            report.notice(number, "bytes in another encoding than the file's")
        cells = {name: self._cell(row, name) for name in ("note_id", "document_type", "department", "person_id", "visit_id")}
        if cells["document_type"] and not _is_known(cells["document_type"]):
            report.unknown_types[cells["document_type"]] += 1
        times = {name: self._time(row, name, number, report) for name in _TIMES}
        note = Note(text, cells["note_id"] or str(number), cells["document_type"], *times.values(), cells["department"])
        return ReadNote(number, note, cells["person_id"], cells["visit_id"])

    def _text(self, row: Mapping[str, Any]) -> str | None:
        columns = self.columns["text"]
        parts = [row.get(column) for column in columns]
        if any(part is not None and not isinstance(part, str) for part in parts):
            return None
        if len(columns) == 1:
            return parts[0] or ""
        return "\n".join(f"{column.strip()}：{part}" for column, part in zip(columns, parts, strict=True) if part and part.strip())

    def _cell(self, row: Mapping[str, Any], name: str) -> str:
        value = row.get(self.columns[name][0]) if name in self.columns else None
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # an identifier that a spreadsheet made a number
        return "" if value is None else mended(str(value)).strip()

    def _time(self, row: Mapping[str, Any], name: str, number: int, report: ReadReport) -> datetime | None:
        value = row.get(self.columns[name][0]) if name in self.columns else None
        if value is None or not str(value).strip():
            return None
        moment = read_time(value)
        if moment is None:
            report.notice(number, f"{self.columns[name][0]} is no time")
        return moment


def open_texts(path: Path, work: Path, given: Mapping[str, Sequence[str]] | None = None) -> TextTable:
    """Open a file of notes and tell its columns.

    Parameters
    ----------
    path : Path
        ``.csv``, ``.tsv``, ``.txt`` (also ``.gz``), ``.parquet``, ``.jsonl``, ``.ndjson`` or ``.xlsx``.
    work : Path
        Folder for a copy in UTF-8, where one is needed.
    given : mapping, optional
        As :func:`find_columns` takes it.

    Raises
    ------
    DataError
        If the file is not there, of no known kind, cannot be read, or has no text.
    """
    if not path.is_file():
        raise DataError(f"there is no file {path}", hint="name a CSV, Parquet, JSON lines or Excel file of notes")
    with open_rows(path, work) as (header, rows):
        known = (row for row in islice(rows, _LOOKED_AT) if not isinstance(row, str))
        return TextTable(path, find_columns(header, given, known), work)
