"""Tables in which a row may be one person.

Signs: a column that names persons, dates down a column, measurements that differ in every row without a number of contributors
beside them, long codes that differ in every row, words of notes, and sheer length.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from workbench.release.checks.figures import Column, Meaning, columns, is_note_like, is_person_like, meaning_of, read_figure
from workbench.release.checks.parts import MOST_ROWS
from workbench.release.findings import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.release.checks.parts import Document, Scope, Table

__all__ = ["find"]

_NAME = "row level"
_ADVICE = "release summaries of groups, each with its number of persons"
_DATE = re.compile(r"(19|20)\d\d[-/.年]\s?\d{1,2}[-/.月]\s?\d{1,2}日?([ T]\d{1,2}:\d\d.*)?")
# Words rather than a label; a sentence rather than words: with a full stop or several marks in it.
_PROSE = re.compile(r"[\u4e00-\u9fff].{3,}")
_SENTENCE = re.compile(r"(?=.*[\u4e00-\u9fff]{4}).{6,}(?:。|[,，;；].+[,，;；。]).*", re.DOTALL)
#: A grid of a predictor's values has no more points than this.
_LONGEST_GRID = 10
_CODE = re.compile(r"(?=.*\d)[A-Za-z0-9_-]{6,}")


def find(document: Document, scope: Scope) -> Iterator[Finding]:
    """Look at every table."""
    for table in document.tables:
        for severity, place, reason in _of_table(table, scope.policy.threshold):
            yield document.finding(_NAME, severity, place, reason, _ADVICE)


def _of_table(table: Table, threshold: int) -> Iterator[tuple[Severity, str, str]]:
    if table.is_too_long:
        yield Severity.BLOCK, table.place, f"{len(table.rows)} rows; results have at most {MOST_ROWS}"
        return
    body = columns(table)
    counted = any(meaning_of(column.head) is Meaning.COUNT for column in body)
    curve = bool(body) and _grid(body[0].cells)
    for column in body:
        place = f"{table.place}, column {column.number}"
        filled = [cell.strip() for cell in column.cells if cell.strip()]
        if is_person_like(column.head) and filled:
            yield Severity.BLOCK, place, "the head names something that belongs to one person"
        elif is_note_like(column.head) and any(_PROSE.search(cell) for cell in filled):
            yield Severity.BLOCK, place, "the head names words of notes"
        elif len(filled) >= threshold:
            plain = counted or _even_steps(column, body[0])
            yield from ((severity, place, reason) for severity, reason in _of_column(column, filled, counted=plain, curve=curve))


def _of_column(column: Column, cells: list[str], *, counted: bool, curve: bool) -> Iterator[tuple[Severity, str]]:
    """Judge a column of at least as many cells as the threshold."""
    distinct = len(set(cells)) == len(cells)
    if sum(_DATE.fullmatch(cell) is not None for cell in cells) > len(cells) / 2:
        yield Severity.BLOCK, "a date in each row"
    elif distinct and all(_CODE.fullmatch(cell) for cell in cells) and not all(read_figure(cell).number is not None for cell in cells):
        yield Severity.WARN, "a code of its own in each row"
    elif not counted and sum(_SENTENCE.fullmatch(cell) is not None for cell in cells) > len(cells) / 2:
        yield Severity.WARN, "a sentence in nearly each row, and no number of persons beside it: are they words of notes?"
    elif distinct and all(cell.isdigit() and len(cell) >= 5 for cell in cells) and meaning_of(column.head) is not Meaning.COUNT:
        yield Severity.BLOCK, "a long number of its own in each row"
    elif not counted and _measurements(cells) and not _shares(cells) and meaning_of(column.head) is not Meaning.PERCENTAGE:
        summary = curve or (meaning_of(column.head) is Meaning.OTHER and _is_summary(column.head))
        yield (
            (Severity.WARN if summary else Severity.BLOCK),
            "a measurement of its own in nearly each row, and no number of persons beside it",
        )


def _measurements(cells: list[str]) -> bool:
    """Tell whether nearly all cells are numbers with a fraction, and nearly all differ."""
    numbers = [cell for cell in cells if read_figure(cell).number is not None and "." in cell]
    return len(numbers) >= 0.8 * len(cells) and len(set(numbers)) >= 0.9 * len(numbers)


def _grid(cells: tuple[str, ...]) -> bool:
    """Tell whether percentages rise in even steps, up to their rounding: a curve is drawn so, and no persons are."""
    found = [read_figure(cell) for cell in cells]
    if len(found) < 3 or any(figure.percentage is None for figure in found):
        return False
    steps = [later.percentage - earlier.percentage for earlier, later in pairwise(found)]
    return min(steps) > 0 and max(steps) - min(steps) <= 2.1 * 10 ** -min(figure.decimals for figure in found)


def _even_steps(column: Column, labels: Column) -> bool:
    """Tell whether a column's numbers go in even steps, a few for each label before them: the grid of a curve, never persons' values."""
    blocks: dict[str, list[float]] = {}
    for label, cell in zip(labels.cells, column.cells, strict=True):
        number = read_figure(cell).number
        if number is not None:
            blocks.setdefault(label, []).append(number)
    longest = max(map(len, blocks.values()), default=0)
    return column is not labels and 4 <= longest <= _LONGEST_GRID and all(_even(numbers) for numbers in blocks.values() if len(numbers) > 2)


def _even(numbers: list[float]) -> bool:
    step = (numbers[-1] - numbers[0]) / (len(numbers) - 1)
    within = 0.011 * max(map(abs, numbers))  # half a unit of the third digit, of both ends of a step
    return abs(step) > within and all(abs(later - earlier - step) <= within for earlier, later in pairwise(numbers))


def _shares(cells: list[str]) -> bool:
    """Tell whether the numbers are shares of a whole."""
    total = sum(read_figure(cell).number or 0.0 for cell in cells)
    return any(abs(total - whole) < 0.01 * whole for whole in (1, 100))


def _is_summary(head: str) -> bool:
    return (
        re.search(
            r"均值|平均|中位|标准差|标准误|系数|比值|风险比|生存|概率|mean|median|\bsd\b|\bse\b|std_error|coef|\bhr\b|\bor\b|\bci\b|^p|survival|probab",
            head,
            re.IGNORECASE,
        )
        is not None
    )
