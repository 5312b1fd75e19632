"""A report that can leave: one self-contained page of suppressed tables and figures with their counts, and the same as CSV.

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
from workbench.cohort import baseline_view
from workbench.cohort.attrition import Attrition
from workbench.cohort.baseline import BaselineTable
from workbench.cohort.figures import Chart
from workbench.cohort.render import render
from workbench.errors import DefinitionError
from workbench.locale import tr

if TYPE_CHECKING:
    from workbench.cohort.result import CohortResult
    from workbench.disclosure import DisclosurePolicy

__all__ = ["Report"]


@dataclass
class Report:
    """A report in the making.

    Parameters
    ----------
    title : str
        Heading of the page.
    result : CohortResult
        The cohort that it tells of; the page's foot names its definition and snapshot.
    subtitle : str
        A line beneath the heading.
    policy : DisclosurePolicy, optional
        The centre's where None.

    Raises
    ------
    PolicyError
        If `policy` is None and the centre has set none.

    Examples
    --------
    ``Report("2型糖尿病住院患者", result).section("研究对象").add(result.attrition()).write(folder)``
    """

    title: str
    result: CohortResult
    subtitle: str = ""
    policy: DisclosurePolicy | None = None
    _parts: list[dict[str, object]] = field(default_factory=list, init=False, repr=False)
    _tables: list[tuple[str, pd.DataFrame]] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse to begin without a policy."""
        self.policy = self.policy or disclosure.load_policy()

    def section(self, title: str, text: str = "") -> Report:
        """Begin a section."""
        self._parts.append({"kind": "section", "title": title, "text": text})
        return self

    def text(self, text: str) -> Report:
        """Add a paragraph. Do not write numbers into it that did not pass the policy."""
        self._parts.append({"kind": "text", "text": text})
        return self

    def add(self, shown: Attrition | BaselineTable | Chart, *, caption: str = "") -> Report:
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
        for kind, prepare in _PREPARED.items():
            if isinstance(shown, kind):
                title, part, table = prepare(shown, self.policy)
                self._parts.append({"caption": caption or title, **part})
                self._tables.append((caption or title, table))
                return self
        raise DefinitionError(
            f"a report cannot show {type(shown).__name__}", hint="add an Attrition, a BaselineTable or a Chart: they know their safe form"
        )

    def html(self) -> str:
        """Return the whole page."""
        return self._render("report.html.j2")

    def _repr_html_(self) -> str:
        """Show the page in a notebook: a sealed session opens no page of its own."""
        return self._render("report_cell.html.j2")

    def _render(self, page: str) -> str:
        return render(
            page,
            title=self.title,
            subtitle=self.subtitle,
            parts=_numbered(self._parts),
            provenance=self._provenance(),
            today=date.today().isoformat(),
        )

    def csv(self) -> pd.DataFrame:
        """Return every table of the page as one, a line a cell: what it counts, of which row, its value, in which table."""
        long = [_long(title, table) for title, table in self._tables]
        return pd.concat(long, ignore_index=True) if long else pd.DataFrame(columns=_LONG)

    def write(self, folder: str | Path = ".") -> tuple[Path, Path]:
        """Write ``report.html`` and ``report.csv`` into a folder, which is made if it is not there, and return their paths."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        page, cells = Path(folder) / "report.html", Path(folder) / "report.csv"
        page.write_text(self.html(), encoding="utf-8")
        self.csv().to_csv(cells, index=False, encoding="utf-8-sig")  # the mark lets spreadsheets read the Chinese
        return page, cells

    def _provenance(self) -> list[tuple[str, str]]:
        explained = self.result.explain()
        return [
            (tr("队列", "Cohort"), explained.name),
            (tr("队列定义（SHA-256）", "Definition (SHA-256)"), explained.definition_hash),
            (tr("数据快照", "Snapshot"), explained.snapshot or "—"),
            (tr("查询引擎", "Engine"), explained.engine),
            (tr("软件版本", "Software"), f"clinical-workbench {workbench.__version__}"),
            (
                tr("披露控制", "Disclosure policy"),
                tr(
                    "阈值 {0}，取整 {1}，流程图取整 {2}；统计量至少 {0} 人",
                    "threshold {0}, rounding {1}, flow {2}; statistics of at least {0}",
                ).format(self.policy.threshold, self.policy.rounding, self.policy.flow_grid),
            ),
        ]


def _attrition(shown: Attrition, policy: DisclosurePolicy) -> tuple[str, dict[str, object], pd.DataFrame]:
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
    return (
        tr("研究对象筛选流程", "Flow of patients"),
        {"kind": "figure", "svg": shown.svg(policy=policy), "counts": table, "note": "", "wide": True},
        table,
    )


def _baseline(shown: BaselineTable, policy: DisclosurePolicy) -> tuple[str, dict[str, object], pd.DataFrame]:
    html = baseline_view.to_html(shown, policy=policy, styled=False)
    return tr("基线特征", "Baseline characteristics"), {"kind": "table", "html": html}, baseline_view.to_frame(shown, policy=policy)


def _chart(shown: Chart, policy: DisclosurePolicy) -> tuple[str, dict[str, object], pd.DataFrame]:
    if shown.policy != policy:
        raise DefinitionError(
            f"the figure {shown.title!r} was drawn under {shown.policy}, the report is under {policy}",
            hint="draw it under the policy of the report",
        )
    return shown.title, {"kind": "figure", "svg": shown.svg(), "counts": shown.counts, "note": shown.note, "wide": False}, shown.counts


#: Columns of the CSV; what a cell counts stands first, as the label that machine checks read.
_LONG = ["column", "row", "value", "table"]

_PREPARED = {Attrition: _attrition, BaselineTable: _baseline, Chart: _chart}


def _numbered(parts: list[dict[str, object]]) -> list[dict[str, object]]:
    """Give figures and tables their numbers, each kind on its own."""
    seen = {"figure": 0, "table": 0}
    words = {"figure": tr("图", "Figure"), "table": tr("表", "Table")}
    numbered = []
    for part in parts:
        kind = str(part["kind"])
        if kind in seen:
            seen[kind] += 1
            part = {**part, "number": f"{words[kind]} {seen[kind]}"}
        numbered.append(part)
    return numbered


def _long(title: str, table: pd.DataFrame) -> pd.DataFrame:
    """Turn a table into a line a cell; empty cells are left out."""
    labels = [name for name in (tr("类别", "Category"), tr("类型", "Kind"), tr("组", "Group")) if name in table.columns[1:]]
    rows = table[[table.columns[0], *labels]].agg(lambda row: " | ".join(filter(None, row.astype(str))), axis=1)
    body = table.drop(columns=[table.columns[0], *labels]).assign(row=rows)
    long = body.melt(id_vars="row", var_name="column", value_name="value")
    return long[long["value"] != ""].assign(table=title)[_LONG]
