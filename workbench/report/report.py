"""A report that can leave: one self-contained page of suppressed tables and figures with their counts, the same as Word and as CSV.

Whatever is added is asked for its safe form (``to_frame``, ``table``, ``counts``) under one policy; nothing person-level has one.
The page holds no script, no link and nothing fetched from elsewhere, and prints well.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

import workbench
from workbench import disclosure
from workbench.cohort.render import render
from workbench.cohort.result import CohortResult
from workbench.locale import tr
from workbench.report.parts import Bullets, Code, Definitions, Drawing, Grid, Paragraph, Section, prepare, text_grid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workbench.disclosure import DisclosurePolicy
    from workbench.report.parts import Part, Shown

__all__ = ["Report"]


@dataclass
class Report:
    """A report in the making.

    Parameters
    ----------
    title : str
        Heading of the page.
    source : CohortResult or iterable of (str, str)
        The cohort that it tells of, whose definition and snapshot the page's foot names; or what the foot says, name and value.
    subtitle : str
        A line beneath the heading.
    policy : DisclosurePolicy, optional
        The centre's where None.
    numbered : bool
        Whether sections have numbers.
    day : date, optional
        Beneath the heading; today where None.

    Raises
    ------
    PolicyError
        If `policy` is None and the centre has set none.

    Examples
    --------
    ``Report("2型糖尿病住院患者", result).section("研究对象").add(result.attrition()).write(folder)``
    """

    title: str
    source: CohortResult | Iterable[tuple[str, str]] | None = None
    subtitle: str = ""
    policy: DisclosurePolicy | None = None
    numbered: bool = False
    day: date | None = None
    _parts: list[Part] = field(default_factory=list, init=False, repr=False)
    _counts: dict[str, int] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse to begin without a policy."""
        self.policy = self.policy or disclosure.load_policy()

    @property
    def parts(self) -> tuple[Part, ...]:
        """What was added, in order."""
        return tuple(self._parts)

    @property
    def place(self) -> str:
        """Where the report stands: the number and title of its last section."""
        return next((part.heading for part in reversed(self._parts) if isinstance(part, Section)), "")

    @property
    def last_number(self) -> str:
        """The number of the last table or figure, such as ``表 2``."""
        return next((part.number for part in reversed(self._parts) if isinstance(part, Grid | Drawing)), "")

    def section(self, title: str, text: str = "", *, level: int = 1) -> Report:
        """Begin a section, or a part of one where `level` is 2."""
        self._parts.append(Section(title, level, self._section_number(level)))
        return self.text(text) if text else self

    def text(self, text: str) -> Report:
        """Add a paragraph. Do not write numbers into it that did not pass the policy."""
        return self._put(Paragraph(text))

    def bullets(self, items: Iterable[str]) -> Report:
        """Add a list."""
        return self._put(Bullets(tuple(items)))

    def definitions(self, pairs: Iterable[tuple[str, str]]) -> Report:
        """Add names, and what each stands for."""
        return self._put(Definitions(tuple(pairs)))

    def code(self, text: str) -> Report:
        """Add lines of code, as they are."""
        return self._put(Code(text))

    def add(self, shown: Shown, *, caption: str = "") -> Report:
        """Add a flow chart, a baseline table or a figure, with the counts beneath it.

        Parameters
        ----------
        shown : Attrition, BaselineTable or Chart
            What to show.
        caption : str
            Beneath its number; its own title where empty.

        Raises
        ------
        DefinitionError
            If it is anything else: a bare DataFrame or figure has no safe form; or if a Chart was drawn under another policy.
        """
        return self._put(prepare(shown, self.policy, caption=caption, number=self._next_number))

    def table(self, frame: pd.DataFrame, caption: str, *, note: str = "", words: bool = False) -> Report:
        """Add a table whose cells are text: counts as the policy shows them, other numbers with their decimals.

        Parameters
        ----------
        frame : DataFrame of text
            The table.
        caption, note : str
            Over and beneath it.
        words : bool
            Whether cells hold sentences.

        Raises
        ------
        DefinitionError
            If a cell is a number: nobody has then said how it may be shown.
        """
        return self._put(text_grid(frame, caption=caption, number=self._next_number("table"), note=note, words=words))

    def _put(self, part: Part) -> Report:
        self._parts.append(part)
        return self

    def _section_number(self, level: int) -> str:
        if not self.numbered:
            return ""
        chapter = self._counts["section"] = self._counts.get("section", 0) + (level == 1)
        if level == 1:
            self._counts["part"] = 0
            return str(chapter)
        self._counts["part"] += 1
        return f"{chapter}.{self._counts['part']}"

    def _next_number(self, kind: str) -> str:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return f"{tr('图', 'Figure') if kind == 'figure' else tr('表', 'Table')} {self._counts[kind]}"

    def html(self) -> str:
        """Return the whole page."""
        return self._render("report.html.j2")

    def _repr_html_(self) -> str:
        """Show the page in a notebook: a sealed session opens no page of its own."""
        return self._render("report_cell.html.j2")

    def _render(self, page: str) -> str:
        return render(page, title=self.title, subtitle=self.subtitle, parts=self._parts, provenance=self._provenance(), today=self._today())

    def csv(self) -> pd.DataFrame:
        """Return every table of the page as one, a line a cell: what it counts, of which row, its value, in which table."""
        long = [_long(part.caption, part.table) for part in self._parts if isinstance(part, Grid | Drawing) and len(part.table)]
        return pd.concat(long, ignore_index=True) if long else pd.DataFrame(columns=_LONG)

    def word(self) -> bytes:
        """Return the report as a Word file; the same report on the same day has the same bytes."""
        from workbench.report.word import to_word

        return to_word(self.title, self.subtitle, self._today(), self.parts, self._provenance())

    def write(self, folder: str | Path = ".", *, word: bool = False) -> tuple[Path, ...]:
        """Write ``report.html``, ``report.csv`` and perhaps ``report.docx`` into a folder, which is made, and return their paths."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        page, cells = Path(folder) / "report.html", Path(folder) / "report.csv"
        page.write_text(self.html(), encoding="utf-8")
        self.csv().to_csv(cells, index=False, encoding="utf-8-sig")  # the mark lets spreadsheets read the Chinese
        if not word:
            return page, cells
        document = Path(folder) / "report.docx"
        document.write_bytes(self.word())
        return page, cells, document

    def _today(self) -> str:
        return (self.day or date.today()).isoformat()

    def _provenance(self) -> list[tuple[str, str]]:
        return [
            *(_of_cohort(self.source) if isinstance(self.source, CohortResult) else self.source or ()),
            (tr("软件版本", "Software"), f"clinical-workbench {workbench.__version__}"),
            (
                tr("披露控制", "Disclosure policy"),
                tr(
                    "阈值 {0}，取整 {1}，流程图取整 {2}；统计量至少 {0} 人",
                    "threshold {0}, rounding {1}, flow {2}; statistics of at least {0}",
                ).format(self.policy.threshold, self.policy.rounding, self.policy.flow_grid),
            ),
        ]


def _of_cohort(result: CohortResult) -> list[tuple[str, str]]:
    explained = result.explain()
    return [
        (tr("队列", "Cohort"), explained.name),
        (tr("队列定义（SHA-256）", "Definition (SHA-256)"), explained.definition_hash),
        (tr("数据快照", "Snapshot"), explained.snapshot or "—"),
        (tr("查询引擎", "Engine"), explained.engine),
    ]


#: Columns of the CSV; what a cell counts stands first, as the label that machine checks read.
_LONG = ["column", "row", "value", "table"]


def _long(title: str, table: pd.DataFrame) -> pd.DataFrame:
    """Turn a table into a line a cell; empty cells are left out."""
    labels = [name for name in (tr("类别", "Category"), tr("类型", "Kind"), tr("组", "Group")) if name in table.columns[1:]]
    rows = table[[table.columns[0], *labels]].agg(lambda row: " | ".join(filter(None, row.astype(str))), axis=1)
    body = table.drop(columns=[table.columns[0], *labels]).assign(row=rows)
    long = body.melt(id_vars="row", var_name="column", value_name="value")
    return long[long["value"] != ""].assign(table=title)[_LONG]
