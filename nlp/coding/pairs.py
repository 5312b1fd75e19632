"""Pairs that a coder learns from: a term as somebody wrote it, and the names that it was coded with."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nlp.coding.codebook import key
from nlp.errors import TextDataError
from nlp.reading import ReadReport, json_records, table_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Pair", "fold_of", "read_pairs"]

_HEADERS = (
    frozenset(("原始词", "原始术语", "原始名称", "诊断", "诊断描述", "text", "term", "原文")),
    frozenset(("标准词", "标准术语", "标准名称", "normalized_result", "names", "name", "名称")),
)
_BREAK = re.compile(r"##")
_WANTED = '{"text", "normalized_result"} or a table with 原始词 and 标准词, several names joined by ##'


class Pair(NamedTuple):
    """A term as written and the names that it stands for."""

    text: str
    names: tuple[str, ...]


def read_pairs(path: Path | str, *, report: ReadReport | None = None) -> list[Pair]:
    r"""Read pairs.

    Parameters
    ----------
    path : Path or str
        JSON (an array or one object a line) with ``text`` and ``normalized_result``, or TSV, CSV or xlsx with 原始词 and 标准词 or without
        a header; several names are joined by ``##``.
    report : ReadReport, optional
        Filled with counts of "lines", "pairs" and "lines refused", and the place of each refused line.

    Returns
    -------
    list of Pair
        In the order of the file.

    Raises
    ------
    TextDataError
        If the file cannot be read, or nothing in it can be used.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "pairs.tsv"
    ...     _ = path.write_text("原始词\t标准词\n糖网伴高血压\t糖尿病视网膜病变##高血压\n", encoding="utf-8")
    ...     read_pairs(path)
    [Pair(text='糖网伴高血压', names=('糖尿病视网膜病变', '高血压'))]
    """
    path = Path(path)
    report = ReadReport() if report is None else report
    pairs = []
    rows = _json_rows(path, report) if path.suffix.lower() in {".json", ".jsonl"} else table_rows(path, _HEADERS)
    for place, cells in rows:
        report.counts["lines"] += 1
        text, names = (*cells, "", "")[:2]
        kept = tuple(dict.fromkeys(name for part in _BREAK.split(names) if (name := part.strip().strip('"“”').strip())))
        if key(text) and kept:
            pairs.append(Pair(text, kept))
        else:
            report.add("lines refused", place, "no term, or no name for it", _WANTED)
    report.counts["pairs"] = len(pairs)
    if not pairs:
        raise TextDataError(f"{path} has no pair of a term and its names ({report.counts['lines']} lines read)", hint=f"wanted {_WANTED}")
    return pairs


def fold_of(text: str, folds: int) -> int:
    """Return which part of the data a term falls into; the same term always into the same.

    Parameters
    ----------
    text : str
        A term.
    folds : int
        How many parts there are.

    Returns
    -------
    int
        From 0 to `folds` - 1.

    Examples
    --------
    >>> fold_of("高血压", 4) == fold_of("高 血压", 4)
    True
    """
    return int(sha256(key(text).encode("utf-8", "surrogatepass")).hexdigest(), 16) % folds


def _json_rows(path: Path, report: ReadReport) -> Iterator[tuple[str, tuple[str, str]]]:
    for place, record in json_records(path, report):
        found = record if isinstance(record, dict) else {}
        text, names = found.get("text"), found.get("normalized_result", found.get("names"))
        if isinstance(names, list):
            names = "##".join(name for name in names if isinstance(name, str))
        yield place, (text if isinstance(text, str) else "", names if isinstance(names, str) else "")
