"""The hospital's own codebook in: codes, names and synonyms, with everything wrong in it reported by its line.

A codebook is a table (TSV, CSV, xlsx; UTF-8, UTF-16 or GB 18030; with a header or not): a code, a name and, if there are any, synonyms.
What is wrong in a line is reported and counted, and the rest is used. Only a codebook with nothing usable in it is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nlp.errors import TextDataError
from nlp.normal import fold, normalise
from nlp.reading import ReadReport, table_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Codebook", "Entry", "key", "read_codebook"]

#: For each column what its header may be called, folded.
_HEADERS = tuple(
    frozenset(names.split())
    for names in (
        "code 编码 代码 疾病编码 疾病代码 诊断编码 诊断代码 手术编码 手术代码 icd编码 icd10 项目编码 项目代码 药品编码 药品代码 医保编码",
        "name 名称 疾病名称 诊断名称 手术名称 手术操作名称 项目名称 药品名称 通用名 中文名称 标准名称 标准词 术语",
        "synonym synonyms alias aliases 别名 同义词 俗称 简称 英文名 英文缩写 缩写 商品名",
    )
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028\u2029\ufeff\ud800-\udfff]")
_LONGEST_CODE = 60
_SYNONYM_BREAK = re.compile(r"##|[;；|\n]")
_QUOTES = "\"“”'‘’「」"


def key(text: str) -> str:
    """Return the form in which terms and names are compared: normalised, lower case, without blanks and outer quotation marks.

    Parameters
    ----------
    text : str
        A term or a name.

    Returns
    -------
    str
        Possibly empty.

    Examples
    --------
    >>> key("“ＨＥＲ－2 阳性乳腺癌”")
    'her-2阳性乳腺癌'
    """
    return "".join(fold(normalise(text).text).split()).strip(_QUOTES)


class Entry(NamedTuple):
    """A name of the codebook; `codes` has the most specific code first, and more where the codebook gives the name several times."""

    name: str
    codes: tuple[str, ...] = ()
    synonyms: tuple[str, ...] = ()

    @property
    def code(self) -> str:
        """The most specific code, or an empty text for a name that the codebook does not have."""
        return self.codes[0] if self.codes else ""


@dataclass(frozen=True, slots=True)
class Codebook:
    """Names with their codes, each name once.

    Parameters
    ----------
    entries : tuple of Entry
        In the order of the file.
    name : str
        What the codebook is called.

    Examples
    --------
    >>> book = Codebook.of([("I10", "高血压"), ("E11.9", "2型糖尿病", ("T2DM",))])
    >>> book.get("高血压").code
    'I10'
    """

    entries: tuple[Entry, ...]
    name: str = ""
    _by_key: dict[str, Entry] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_key", {key(entry.name): entry for entry in reversed(self.entries)})

    @staticmethod
    def of(rows: Iterable[Sequence], *, name: str = "") -> Codebook:
        """Return a codebook of (code, name) or (code, name, synonyms) rows; wrong rows are left out."""
        return _collect(((f"row {number}", row) for number, row in enumerate(rows, start=1)), name, ReadReport())

    def get(self, name: str) -> Entry | None:
        """Return the entry of a name, compared without width, case and blanks."""
        return self._by_key.get(key(name))

    @property
    def version(self) -> str:
        """First 12 hexadecimal digits of the hash over all entries."""
        digest = sha256()
        for entry in self.entries:
            digest.update("\t".join((entry.name, *entry.codes, "", *entry.synonyms)).encode("utf-8", "surrogatepass") + b"\n")
        return digest.hexdigest()[:12]


def read_codebook(path: Path | str, *, report: ReadReport | None = None) -> Codebook:
    r"""Read a codebook.

    Parameters
    ----------
    path : Path or str
        TSV, CSV or xlsx (its first sheet). Without a header the columns are code, name, synonyms. Several synonyms in one cell are apart
        by ``;``, ``|`` or ``##``; every further column is one more.
    report : ReadReport, optional
        Filled with what was found: counts of "lines", "names", and of what was wrong ("codes missing", "codes too long", "names empty",
        "control characters", "codes repeated", "names repeated", "lines repeated").

    Returns
    -------
    Codebook
        What could be used.

    Raises
    ------
    TextDataError
        If the file cannot be read, or nothing in it can be used.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "codes.tsv"
    ...     _ = path.write_text("编码\t名称\nI10\t高血压\n\t心悸\n", encoding="utf-8")
    ...     report = ReadReport()
    ...     book = read_codebook(path, report=report)
    >>> [entry.name for entry in book.entries], report.problems[0].place
    (['高血压'], 'line 3')
    """
    path = Path(path)
    report = ReadReport() if report is None else report
    book = _collect(table_rows(path, _HEADERS), path.stem, report)
    if not book.entries:
        raise TextDataError(
            f"{path} has no line with a code and a name ({report.counts['lines']} lines read)", hint="wanted a table: code, name, synonyms"
        )
    return book


def _collect(rows: Iterable[tuple[str, Sequence]], name: str, report: ReadReport) -> Codebook:
    """Gather lines into entries: a name given twice is one entry with two codes."""
    names: dict[str, tuple[str, list[str], dict[str, None]]] = {}
    owner: dict[str, str] = {}
    for place, row in rows:
        report.counts["lines"] += 1
        line = _line(place, row, report)
        if line is None:
            continue
        code, text, synonyms = line
        same = key(text)
        _, codes, known = names.setdefault(same, (text, [], {}))
        if code in codes and not set(synonyms) - known.keys():
            report.add("lines repeated", place, f"code {code} with the same name as before", "each line once")
        elif codes and code not in codes:
            report.add(
                "names repeated",
                place,
                f"the name of {codes[0]} again with {code}",
                "one code a name; the longest is given, with the others",
            )
        if owner.setdefault(code, same) != same:
            report.add("codes repeated", place, f"code {code} again with another name", "one name a code; both names are used")
        known.update(dict.fromkeys(synonyms))
        if code not in codes:
            codes.append(code)
    report.counts["names"] = len(names)
    entries = (Entry(text, tuple(sorted(codes, key=len, reverse=True)), tuple(known)) for text, codes, known in names.values())
    return Codebook(tuple(entries), name)


def _line(place: str, row: Sequence, report: ReadReport) -> tuple[str, str, list[str]] | None:
    """Return (code, name, synonyms) of a line, or nothing where it cannot be used."""
    flat = [part for cell in row[2:] for part in ([cell] if isinstance(cell, str) else cell)]
    cells = [_CONTROL.sub("", str(cell)) for cell in (*row[:2], *flat)]
    if any(_CONTROL.search(str(cell)) for cell in (*row[:2], *flat)):
        report.add("control characters", place, "control or invisible characters", "plain text; they were taken out")
    code, name = (cell.strip().strip(_QUOTES).strip() for cell in [*cells, "", ""][:2])
    if len(code) > _LONGEST_CODE:
        report.add("codes too long", place, f"a code of {len(code)} characters", f"a code of at most {_LONGEST_CODE}: is the name first?")
        return None
    if not key(name):
        report.add("names empty", place, f"no name for code {code}" if code else "neither code nor name", "code and name")
        return None
    if not code:
        report.add("codes missing", place, "a name without a code", "code and name")
        return None
    synonyms = [part.strip() for cell in cells[2:] for part in _SYNONYM_BREAK.split(cell)]
    return code, name, [part for part in synonyms if key(part) and key(part) != key(name)]
