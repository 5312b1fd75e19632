"""What a report is made of: each part already safe to show, in a form that a page, a Word file and a CSV can be written from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from workbench.cohort import baseline_view
from workbench.cohort.attrition import Attrition
from workbench.cohort.baseline import BaselineTable
from workbench.cohort.figures import Chart
from workbench.errors import DefinitionError
from workbench.locale import tr

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from matplotlib.figure import Figure

    from workbench.disclosure import DisclosurePolicy

__all__ = ["Bullets", "Code", "Definitions", "Drawing", "Grid", "Paragraph", "Part", "Section", "Shown", "prepare", "text_grid"]

#: What knows its safe form.
Shown = Attrition | BaselineTable | Chart


@dataclass(frozen=True)
class Section:
    """A heading; `level` 1 or 2, `number` empty where the report does not number its sections."""

    title: str
    level: int = 1
    number: str = ""
    kind: ClassVar[str] = "section"

    @property
    def heading(self) -> str:
        """Number and title."""
        return f"{self.number} {self.title}".strip()


@dataclass(frozen=True)
class Paragraph:
    """A paragraph."""

    text: str
    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class Bullets:
    """A list."""

    items: tuple[str, ...]
    kind: ClassVar[str] = "bullets"


@dataclass(frozen=True)
class Definitions:
    """Names and what each stands for."""

    pairs: tuple[tuple[str, str], ...]
    kind: ClassVar[str] = "definitions"


@dataclass(frozen=True)
class Code:
    """Lines of code, as they are."""

    text: str
    kind: ClassVar[str] = "code"


@dataclass(frozen=True)
class Grid:
    """A table of text.

    Parameters
    ----------
    caption, number : str
        Its title, and its number in the report.
    table : DataFrame of text
        For the CSV; a column of categories stands second where there are any.
    note : str
        Beneath it.
    indented : tuple of bool, one a row
        Whether a row is a category of the row above; empty for none.
    html : str
        The table as HTML where a view of its own makes it.
    words : bool
        Whether cells hold sentences: such columns are aligned to the left.
    """

    caption: str
    number: str
    table: pd.DataFrame
    note: str = ""
    indented: tuple[bool, ...] = ()
    html: str = ""
    words: bool = False
    kind: ClassVar[str] = "table"

    @property
    def shown(self) -> pd.DataFrame:
        """The table as it is read: a category stands in place of its variable's name."""
        if not self.indented:
            return self.table
        first, second = self.table.columns[:2]
        label = self.table[second].where(self.table[second] != "", self.table[first])
        return self.table.drop(columns=[second]).assign(**{first: label})


@dataclass(frozen=True)
class Drawing:
    """A figure and the counts that it is drawn from."""

    caption: str
    number: str
    figure: Figure
    table: pd.DataFrame
    note: str = ""
    wide: bool = False
    kind: ClassVar[str] = "figure"
    svg: str = field(default="", repr=False)


#: A figure so wide, or with so many columns in its table, has its table beneath it, not beside it.
_WIDE_IN, _WIDE_COLUMNS = 7.0, 6

Part = Section | Paragraph | Bullets | Definitions | Code | Grid | Drawing


def prepare(shown: Shown, policy: DisclosurePolicy, *, caption: str = "", number: Callable[[str], str]) -> Grid | Drawing:
    """Ask something for its safe form.

    Parameters
    ----------
    shown : Attrition, BaselineTable or Chart
        What is to be shown.
    policy : DisclosurePolicy
        The report's.
    caption : str
        In place of its own title.
    number : callable
        Gives the next number of a kind, ``table`` or ``figure``.

    Raises
    ------
    DefinitionError
        If it has no safe form, or was drawn under another policy.
    """
    for kind, made in _PREPARED.items():
        if isinstance(shown, kind):
            return made(shown, policy, caption, number)
    raise DefinitionError(
        f"a report cannot show {type(shown).__name__}", hint="add an Attrition, a BaselineTable or a Chart: they know their safe form"
    )


def text_grid(frame: pd.DataFrame, *, caption: str, number: str, note: str = "", words: bool = False) -> Grid:
    """Take a table whose cells are text that passed the policy.

    Raises
    ------
    DefinitionError
        If a cell is a number, or a column's name stands twice: nobody has then said how it may be shown.
    """
    bare = (
        [str(name) for name in frame.columns if not all(isinstance(cell, str) for cell in frame[name])]
        if frame.columns.is_unique
        else ["?"]
    )
    if bare:
        raise DefinitionError(
            f"the table {caption!r} has columns that are not text: {', '.join(bare)}",
            hint="write counts as the disclosure policy shows them, other numbers with the decimals wanted",
        )
    return Grid(caption, number, frame.rename(columns=str).reset_index(drop=True), note, words=words)


def _attrition(shown: Attrition, policy: DisclosurePolicy, caption: str, number: Callable[[str], str]) -> Drawing:
    table = shown.table(policy=policy)
    kinds = {
        "entry": tr("入组", "entry"),
        "require": tr("要求", "require"),
        "exclude": tr("排除", "exclude"),
        "keep": tr("限定", "limit"),
        "cohort": tr("队列", "cohort"),
    }
    table["kind"] = table["kind"].map(kinds)
    table.columns = [
        tr("步骤", "Step"),
        tr("类型", "Kind"),
        tr("剩余人数", "Persons"),
        tr("移出人数", "Excluded"),
        tr("索引日期数", "Index dates"),
    ]
    title = caption or tr("研究对象筛选流程", "Flow of patients")
    return Drawing(title, number("figure"), shown.figure(policy=policy), table, wide=True, svg=shown.svg(policy=policy))


def _baseline(shown: BaselineTable, policy: DisclosurePolicy, caption: str, number: Callable[[str], str]) -> Grid:
    table = baseline_view.to_frame(shown, policy=policy)
    return Grid(
        caption or tr("基线特征", "Baseline characteristics"),
        number("table"),
        table,
        baseline_view.footnote(shown, policy=policy),
        tuple(level != "" for level in table.iloc[:, 1]),
        baseline_view.to_html(shown, policy=policy, styled=False),
    )


def _chart(shown: Chart, policy: DisclosurePolicy, caption: str, number: Callable[[str], str]) -> Drawing:
    if shown.policy != policy:
        raise DefinitionError(
            f"the figure {shown.title!r} was drawn under {shown.policy}, the report is under {policy}",
            hint="draw it under the policy of the report",
        )
    wide = shown.figure.get_figwidth() >= _WIDE_IN or shown.counts.shape[1] >= _WIDE_COLUMNS
    return Drawing(caption or shown.title, number("figure"), shown.figure, shown.counts, shown.note, wide, svg=shown.svg())


_PREPARED = {Attrition: _attrition, BaselineTable: _baseline, Chart: _chart}
