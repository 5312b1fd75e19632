"""Counts below the centre's threshold, counts not rounded, and counts that a percentage or a total gives away.

A whole number is taken for a count unless the words over it or before it say that it is something else: a count that nobody
labelled is the fault that reviewers reject most.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from workbench.release.checks.figures import Column, Figure, Meaning, columns, is_total, meaning_of, read_figure, stated_size
from workbench.release.findings import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.disclosure import DisclosurePolicy
    from workbench.release.checks.parts import Document, Scope, Table

__all__ = ["find"]

_NAME = "small cells"
_HIDE = "make the table with the workbench's own functions, which hide and round, or merge categories"
#: Counts in running text: "n = 7", "7 例", "7 patients".
_IN_TEXT = re.compile(
    r"\b[nN]\s*[=＝]\s*(\d[\d,]*)(?![\d.,]*\d*\s*%)|(?<![\d.<＜≤,])(\d[\d,]*)\s*(?:例|名患者|位患者|个患者|人(?![\w])|patients\b|persons\b|cases\b)"
)


def find(document: Document, scope: Scope) -> Iterator[Finding]:
    """Look at every table, then at counts in running text."""
    for table in document.tables:
        for fault in () if table.is_too_long else _of_table(table, scope.policy):
            yield document.finding(_NAME, *fault)
    for text in document.texts:
        for number, line in enumerate(text.text.splitlines(), start=1):
            counts = [int((m[1] or m[2]).replace(",", "")) for m in _IN_TEXT.finditer(line)]
            if any(0 < count < scope.policy.threshold for count in counts):
                yield document.finding(_NAME, Severity.BLOCK, f"{text.place}, line {number}", _below(scope.policy), _HIDE)


_Fault = tuple[Severity, str, str, str]


def _of_table(table: Table, policy: DisclosurePolicy) -> Iterator[_Fault]:
    body = columns(table)
    labels = body[0].cells if body else ()
    first_row = 1 + (len(table.rows) - len(labels))
    for column in body:
        for row, (label, cell) in enumerate(zip(labels, column.cells, strict=True), start=first_row):
            place = f"{table.place}, row {row}, column {column.number}"
            yield from (
                (severity, place, reason, advice) for severity, reason, advice in _of_cell(column, label, read_figure(cell), policy)
            )
        yield from _of_flow(table, column, policy)
    yield from _of_shares(table, body, policy)
    yield from _of_totals(table, body)


def _of_cell(column: Column, label: str, figure: Figure, policy: DisclosurePolicy) -> Iterator[tuple[Severity, str, str]]:
    """Judge one cell by what its head and its row's label say of it."""
    meaning = _meaning(column, label, figure)
    if figure.count is None or meaning in (Meaning.OTHER, Meaning.PERCENTAGE) or _numbers_rows(column, meaning):
        return
    sure = meaning is Meaning.COUNT or _all_whole(column)
    if 0 < figure.count < policy.threshold:
        yield (Severity.BLOCK if sure else Severity.WARN), _below(policy), _HIDE
    elif figure.count % policy.rounding:
        severity = Severity.BLOCK if meaning is Meaning.COUNT else Severity.WARN
        yield severity, f"a count that is not a multiple of {policy.rounding}", "round it; name the column if it is not a count of persons"


def _meaning(column: Column, label: str, figure: Figure) -> Meaning:
    """Weigh the head against the row's label: either may say that the numbers are something else, or that they are counts."""
    if figure.percentage is not None:
        return Meaning.COUNT  # a whole number with its percentage in one cell
    over = meaning_of(column.head)
    before = meaning_of(label) if column.number > 1 else Meaning.UNKNOWN
    if Meaning.COUNT in (over, before) and over is not Meaning.OTHER:
        return Meaning.COUNT
    return over if over is not Meaning.UNKNOWN else before


def _numbers_rows(column: Column, meaning: Meaning) -> bool:
    """Tell whether a first column, not said to be of counts, only numbers its rows."""
    return column.number == 1 and meaning is not Meaning.COUNT and list(column.cells) == [str(n + 1) for n in range(len(column.cells))]


def _all_whole(column: Column) -> bool:
    """Tell whether a column without a telling head holds whole numbers or hidden cells only, more than one of them."""
    figures = [read_figure(cell) for cell in column.cells if cell.strip() not in ("", "-", "—")]
    return len(figures) > 1 and all(figure.count is not None or figure.hidden for figure in figures)


def _of_flow(table: Table, column: Column, policy: DisclosurePolicy) -> Iterator[_Fault]:
    """Find small differences between neighbouring counts of a column that says how many remain."""
    if not re.search(r"剩余|纳入|remain|left|after|included", column.head, re.IGNORECASE):
        return
    counts = [read_figure(cell).count for cell in column.cells]
    for row, (before, after) in enumerate(pairwise(counts), start=1):
        if before is not None and after is not None and 0 < before - after < policy.threshold:
            place = f"{table.place}, column {column.number}, between data rows {row} and {row + 1}"
            yield Severity.BLOCK, place, f"two counts differ by fewer than {policy.threshold} persons", _HIDE


def _of_shares(table: Table, body: list[Column], policy: DisclosurePolicy) -> Iterator[_Fault]:
    """Find percentages that, with the size of their group, give a small count."""
    sizes = [column for column in body if meaning_of(column.head) is Meaning.COUNT or is_total(column.head)]
    for column in body:
        for row, cell in enumerate(column.cells):
            figure = read_figure(cell)
            share, decimals = _share(column, figure, cell)
            if share is None or figure.count is not None:
                continue
            stated = stated_size(column.head) or stated_size(body[0].cells[row])
            beside = [read_figure(size.cells[row]).count for size in sizes if size is not column]
            if any(size and _gives_small(share, decimals, size, policy) for size in (stated, *beside)):
                place = f"{table.place}, data row {row + 1}, column {column.number}"
                yield Severity.BLOCK, place, f"the percentage and the size of its group give a count below {policy.threshold}", _HIDE


def _share(column: Column, figure: Figure, cell: str) -> tuple[float | None, int]:
    """Give a percentage and its decimals, whether the sign stands in the cell or in the head."""
    if figure.percentage is not None:
        return figure.percentage, figure.decimals
    if figure.number is not None and meaning_of(column.head) is Meaning.PERCENTAGE and 0 <= figure.number <= 100:
        return figure.number, len(cell.strip().partition(".")[2])
    return None, 0


def _gives_small(share: float, decimals: int, size: int, policy: DisclosurePolicy) -> bool:
    """Tell whether every count that rounds to `share` per cent of `size` is small."""
    half = 0.5 * 10**-decimals + 1e-9
    low, high = (share - half) * size / 100, (share + half) * size / 100
    possible = range(max(0, int(-(-low // 1))), int(high // 1) + 1)
    return bool(possible) and possible[0] > 0 and possible[-1] < policy.threshold


def _of_totals(table: Table, body: list[Column]) -> Iterator[_Fault]:
    """Find lines with one hidden cell, a total, and nothing else unknown: the hidden count is the difference."""
    rows = list(zip(*(column.cells for column in body), strict=True)) if body else []
    heads = [column.head for column in body]
    for number, row in enumerate(rows, start=1):
        if _one_hidden(row[1:], [is_total(head) for head in heads[1:]]):
            yield Severity.BLOCK, f"{table.place}, data row {number}", "one hidden cell, which the total gives away", _HIDE
    labels = [is_total(row[0]) for row in rows]
    for column in body[1:]:
        if _one_hidden(column.cells, labels):
            yield Severity.BLOCK, f"{table.place}, column {column.number}", "one hidden cell, which the total gives away", _HIDE


def _one_hidden(cells: tuple[str, ...], totals: list[bool]) -> bool:
    figures = [read_figure(cell) for cell in cells]
    parts = [figure for figure, total in zip(figures, totals, strict=True) if not total]
    known = any(total and figure.count for figure, total in zip(figures, totals, strict=True))
    return known and len(parts) > 1 and sum(f.hidden for f in parts) == 1 and all(f.hidden or f.count is not None for f in parts)


def _below(policy: DisclosurePolicy) -> str:
    return f"a count from 1 to {policy.threshold - 1}; the threshold is {policy.threshold}"
