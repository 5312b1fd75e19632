"""An error browser: every mistake of a model in its surroundings, as a page or a table."""

from __future__ import annotations

import csv
import io
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import DataError
from workbench.locale import tr
from workbench.outfile import write_whole
from workbench.texts.answers_file import harmless

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nlp.entities import Entity, Example
    from nlp.entities.evaluation import Mistake

__all__ = ["check_page", "write_mistakes"]

_AROUND = 30
_COLUMNS = (
    "text",
    "group",
    "kind",
    "gold_start",
    "gold_end",
    "gold_label",
    "found_start",
    "found_end",
    "found_label",
    "score",
    "before",
    "words",
    "after",
)
_STYLE = (
    "body{font:15px/1.6 sans-serif;margin:2em;max-width:70em}table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ddd;"
    "padding:.3em .6em;text-align:left;vertical-align:top}ins,del,u{text-decoration:none}ins{background:#d7f0d7}del{background:#f8d7d7}"
    "u{background:#fbeec2}small{color:#666}label{margin-right:1em}"
)
# Rows are shown and hidden by their class alone, so that the page needs no script.
_KINDS = {
    "missed": ("漏标", "missed"),
    "spurious": ("误标", "spurious"),
    "wrong boundary": ("边界错误", "wrong boundary"),
    "wrong type": ("类型错误", "wrong type"),
}


def check_page(path: Path) -> None:
    """Refuse a file that is neither a page nor a table.

    Parameters
    ----------
    path : Path
        What is to be written.

    Raises
    ------
    DataError
        Before any work is done.
    """
    if path.suffix.lower() not in {".html", ".htm", ".csv"}:
        raise DataError(f"{path} ends in {path.suffix or 'nothing'}", hint="wanted a page (.html) or a table (.csv)")


def write_mistakes(path: Path, examples: Sequence[Example], mistakes: Sequence[Mistake], *, title: str = "") -> None:
    """Write mistakes with their surroundings.

    Parameters
    ----------
    path : Path
        ``.html`` for a page, ``.csv`` for a table (UTF-8 with a mark, so that spreadsheets show it rightly).
    examples : sequence of Example
        The texts that the mistakes count in.
    mistakes : sequence of Mistake
        See ``nlp.entities.evaluation.find_mistakes``.
    title : str
        The model.

    Raises
    ------
    DataError
        If the ending is another.
    """
    check_page(path)
    if path.suffix.lower() == ".csv":
        write_whole(path, _list(examples, mistakes), encoding="utf-8-sig")
    else:
        write_whole(path, _page(examples, mistakes, title))


def _list(examples: Sequence[Example], mistakes: Sequence[Mistake]) -> str:
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for mistake in mistakes:
        text, (start, end) = examples[mistake.text].text, _span(mistake)
        gold, found = (tuple(each[:3]) if each else ("", "", "") for each in (mistake.gold, mistake.found))
        score = f"{mistake.found.score:.3f}" if mistake.found else ""
        around = (text[max(0, start - _AROUND) : start], text[start:end], text[end : end + _AROUND])
        row = (mistake.text + 1, examples[mistake.text].group, mistake.kind, *gold, *found, score, *around)
        writer.writerow(map(harmless, row))
    return lines.getvalue()


def _span(mistake: Mistake) -> tuple[int, int]:
    spans = [each for each in (mistake.gold, mistake.found) if each]
    return min(each.start for each in spans), max(each.end for each in spans)


def _page(examples: Sequence[Example], mistakes: Sequence[Mistake], title: str) -> str:
    counts = {kind: sum(mistake.kind == kind for mistake in mistakes) for kind in _KINDS}
    boxes = "".join(
        f'<input type="checkbox" id="{_slug(kind)}" checked><label for="{_slug(kind)}">{tr(*_KINDS[kind])} {count}</label>'
        for kind, count in counts.items()
    )
    hide = "".join(f"body:has(#{_slug(kind)}:not(:checked)) tr.{_slug(kind)}{{display:none}}" for kind in _KINDS)
    head = "".join(
        f"<th>{tr(*words)}</th>"
        for words in (("文本", "text"), ("错误", "mistake"), ("标准", "gold"), ("模型", "model"), ("上下文", "context"))
    )
    rows = "\n".join(_row(examples[mistake.text], mistake) for mistake in mistakes)
    name = f"{tr('模型错误', 'Mistakes of the model')} {escape(title)}"
    legend = tr("绿：标准标注；红：模型标注；黄：两者重叠", "green: gold; red: model; yellow: both")
    return (
        f'<!doctype html>\n<html lang="{tr("zh", "en")}"><head><meta charset="utf-8"><title>{name}</title>'
        f"<style>{_STYLE}{hide}</style></head>"
        f"<body><h1>{name}</h1><p>{boxes}</p><p><small>{legend}</small></p><table><thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table>"
        "</body></html>\n"
    )


def _slug(kind: str) -> str:
    return kind.replace(" ", "-")


def _row(example: Example, mistake: Mistake) -> str:
    score = f" <small>{mistake.found.score:.2f}</small>" if mistake.found else ""
    group = f" <small>{escape(example.group)}</small>" if example.group else ""
    return (
        f'<tr class="{_slug(mistake.kind)}"><td>{mistake.text + 1}{group}</td><td>{tr(*_KINDS[mistake.kind])}</td>'
        f"<td>{_label(mistake.gold)}</td><td>{_label(mistake.found)}{score}</td><td>{_context(example.text, mistake)}</td></tr>"
    )


def _label(entity: Entity | None) -> str:
    return escape(entity.label) if entity else "-"


def _context(text: str, mistake: Mistake) -> str:
    """Return the words around a mistake with both spans marked."""
    start, end = _span(mistake)
    parts = [escape(text[max(0, start - _AROUND) : start])]
    edges = sorted({start, end, *(place for each in (mistake.gold, mistake.found) if each for place in each[:2])})
    for one, other in pairwise(edges):
        in_gold, in_found = (each is not None and each.start <= one and other <= each.end for each in (mistake.gold, mistake.found))
        tag = {(True, True): "u", (True, False): "ins", (False, True): "del"}[in_gold, in_found]
        parts.append(f"<{tag}>{escape(text[one:other])}</{tag}>")
    return "".join([*parts, escape(text[end : end + _AROUND])])
