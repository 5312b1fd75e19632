"""What the text package counts and does, in the words of the screen."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tqdm import tqdm

from workbench.locale import tr

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from nlp.reading import ReadReport

__all__ = ["interval", "read_lines", "right", "training_bar"]

#: Words of :mod:`nlp` -> Chinese; what is not here is shown as it is.
_WORDS = {
    # what was read
    "lines": "行",
    "examples": "文本",
    "entities": "实体",
    "names": "名称",
    "pairs": "对照",
    "lines refused": "行被拒绝",
    "lines repeated": "行重复",
    "texts repeated": "文本重复",
    "entities refused": "实体被拒绝",
    "entities repeated": "实体重复",
    "entities mended": "实体位置已修正",
    "codes repeated": "编码重复",
    "codes missing": "缺编码",
    "codes too long": "编码过长",
    "names empty": "缺名称",
    "control characters": "含控制字符",
    "arrays not closed": "数组未结束",
    # what a training does
    "without the held-out part": "留出部分文本",
    "all texts": "全部文本",
    "encoder and CRF": "编码器与CRF",
    "encoder": "编码器",
    "candidates": "候选",
    "sieve": "初筛",
    "features": "特征",
    "first judge": "第一次排序",
    "second judge": "第二次排序",
    "done": "完成",
}


def _said(english: str) -> str:
    return tr(_WORDS.get(english, english), english)


def read_lines(report: ReadReport, *, limit: int = 10) -> list[str]:
    """Return the counts of a reading on one line, then up to `limit` of its problems.

    Examples
    --------
    >>> from nlp.reading import ReadReport
    >>> report = ReadReport()
    >>> report.refuse("line 2", "no JSON", "one JSON object a line")
    >>> read_lines(report)
    ['行 1，行被拒绝 1', '  line 2: no JSON; wanted one JSON object a line']
    """
    counts = tr("，", ", ").join(tr(f"{_said(kind)} {number}", f"{number} {kind}") for kind, number in report.counts.items())
    lines = [counts, *(f"  {problem.place}: {problem.found}; wanted {problem.wanted}" for problem in report.problems[:limit])]
    more = len(report.problems) - limit
    return [*lines, tr(f"  另有 {more} 处", f"  and {more} more")] if more > 0 else lines


def interval(low: float, high: float) -> str:
    """Return a 95 % interval as it is shown behind a figure."""
    return f"({low:.3f}-{high:.3f})"


def right(cells: Iterable[str], *, width: int = 9) -> str:
    """Return cells of a table one beside the other, each at the right of its columns; a Chinese character takes two.

    Examples
    --------
    >>> right(["F1", "召回率"], width=7)
    '     F1 召回率'
    """
    return "".join(" " * (width - len(cell) - sum(ord(character) > 0x2E7F for character in cell)) + cell for cell in cells)


@contextmanager
def training_bar() -> Iterator[Callable[[float, str], None]]:
    """Draw a bar on stderr; what is given tells it the share that is done, and what is being done."""
    label = tr("训练", "train")
    with tqdm(total=1.0, desc=label, file=sys.stderr, bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}") as bar:

        def progress(share: float, stage: str) -> None:
            bar.set_description_str(tr(f"{label}：{_said(stage)}", f"{label}: {stage}"), refresh=False)
            bar.update(max(0.0, share - bar.n))
            bar.refresh()

        yield progress
