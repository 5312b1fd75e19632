"""Reports of examinations: CT, ultrasound and pathology, line by line from the states of the patient."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from workbench.synthetic.catalogue import catalogue, read_table
from workbench.synthetic.columns import DAY_SECONDS
from workbench.synthetic.notes.markup import Template, templates
from workbench.synthetic.notes.terms import term

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.synthetic.notes.chart import Chart

__all__ = ["Examination", "examinations", "pathology_of", "write_pathology", "write_report"]

_LOBES = ("右肺上叶", "右肺中叶", "右肺下叶", "左肺上叶", "左肺下叶", "右肺下叶背段")
_BRAIN = ("左侧基底节区", "右侧基底节区", "左侧额叶", "右侧颞叶", "双侧放射冠", "右侧丘脑")


@dataclass(frozen=True)
class Line:
    """One thing that a report speaks of.

    Parameters
    ----------
    states : tuple of int
        States of the catalogue that show it.
    shown, normal, impression : tuple of Template
        What is written where it shows, where it does not, and in the conclusion.
    """

    states: tuple[int, ...]
    shown: tuple[Template, ...]
    normal: tuple[Template, ...]
    impression: tuple[Template, ...]


@dataclass(frozen=True)
class Examination:
    """A kind of examination and how its report is written."""

    code: str
    kind: str
    title: str
    department: str
    head: tuple[Template, ...]
    lines: tuple[Line, ...]
    clean: tuple[Template, ...]


@cache
def examinations() -> dict[str, Examination]:
    """Give the examinations that have a report, by procedure code."""
    found = {}
    for name, node in templates("reports").items():
        if name == "pathology":
            continue
        lines = tuple(
            Line(
                tuple(catalogue().state(state) for state in line["when"] if state != "none"),
                line["shown"],
                line.get("normal", ()),
                line["impression"],
            )
            for line in node["lines"]
        )
        found[node["code"]] = Examination(node["code"], node["kind"], node["title"], node["department"], node["head"], lines, node["clean"])
    return found


def pathology_of(chart: Chart, active: list[bool]) -> tuple[Template, ...] | None:
    """Give the pathology reports that fit the first disease with tissue; None where no tissue was taken for one."""
    taken = any(
        chart.hospital.procedure[row]["kind"] == "op" or "活组织" in chart.hospital.procedure[row]["name"]
        for row, _ in chart.hospital.facts.procedures[chart.visit]
    )
    if not taken:
        return None
    reason = catalogue().reasons[chart.hospital.reason[chart.visit]]
    codes = read_table("reasons").texts("codes")[chart.hospital.reason[chart.visit]]
    key = {"cholecystitis": "gallstone"}.get(codes, codes)
    found = templates("reports")["pathology"]
    return found.get(key) if reason != "chemo" and any(active) else None


class _Slots:
    """Fills the slots of a report: the place is the same all through, sizes carry their unit."""

    def __init__(self, chart: Chart) -> None:
        self.chart = chart
        self.fixed = {"lobe": chart.one(_LOBES), "brain": chart.one(_BRAIN), "side": chart.one(("左侧", "右侧"))}

    def __call__(self, name: str) -> None:
        if name in self.fixed:
            self.chart.writer.add(self.fixed[name])
        elif name in _SIZES:
            _SIZES[name](self.chart)
        else:
            self.chart.slot(name)


def _measured(wording: str, low: float, high: float, unit: str, between: str) -> Callable[[Chart], None]:
    def write(chart: Chart) -> None:
        value = round(low + (high - low) * chart.dice.random(), 0 if unit in ("mm", "次/分", "%") else 1)
        chart.writer.quantity(wording, term(wording), between, f"{value:g}", value, unit)

    return write


def _plain(low: float, high: float, unit: str, *, both: bool = False) -> Callable[[Chart], None]:
    def write(chart: Chart) -> None:
        first = low + (high - low) * chart.dice.random()
        digits = 1 if unit == "cm" else 0
        text = f"{first:.{digits}f}"
        if both:
            text += chart.one(("×", "*", "x")) + f"{first * (0.6 + 0.35 * chart.dice.random()):.{digits}f}"
        chart.writer.add(text + unit)

    return write


_SIZES: dict[str, Callable[[Chart], None]] = {
    "nodule": _measured("肺结节", 3, 9, "mm", "，直径约"),
    "mass": _measured("肺占位", 1.5, 6.5, "cm", "，大小约"),
    "mass_liver": _measured("肝占位", 2, 9, "cm", "，大小约"),
    "ef": _measured("左室射血分数", 32, 68, "%", "（LVEF）"),
    "fetal": _measured("胎心率", 125, 160, "次/分", "约"),
    "size": _plain(1.2, 5.5, "cm", both=True),
    "fluid": _plain(9, 38, "mm"),
    "portal": _plain(14, 18, "mm"),
    "stone": _plain(4, 28, "mm", both=True),
    "thyroid": _plain(4, 26, "mm", both=True),
    "fibroid": _plain(14, 72, "mm", both=True),
    "bpd": _plain(60, 96, ""),
    "ki67": _plain(5, 80, ""),
    "depth": _plain(3, 12, ""),
    "cores": _plain(2, 11, ""),
    "nodes": lambda chart: chart.writer.add(f"{1 + int(chart.dice.random() * 5)}/{8 + int(chart.dice.random() * 18)}"),
    "nodes0": lambda chart: chart.writer.add(f"0/{8 + int(chart.dice.random() * 18)}"),
}


def _signed(chart: Chart, examination_doctor: str) -> None:
    chart.writer.add(chart.one(("\n报告医师：", "\n诊断医师：", "\n报告者：")))
    chart.writer.canary(examination_doctor, "doctor_name")
    chart.writer.add(f"  {chart.date(chart.time)}")


def write_report(chart: Chart, examination: Examination, time: int, active: list[bool], reader: tuple[int, str]) -> None:
    """Write the report of one examination: what is seen, then the conclusion.

    Parameters
    ----------
    chart : Chart
        The encounter's chart.
    examination : Examination
        What was examined.
    time : int
        Seconds since 1970-01-01 of the examination.
    active : list of bool
        Which states of the catalogue the patient has.
    reader : tuple of int and str
        Provider id and name of who reports.
    """
    chart.time = time
    slots = _Slots(chart)
    writer = chart.writer
    writer.fill(chart.one(examination.head), slots)
    shown = []
    for line in examination.lines:
        seen = any(active[state] for state in line.states)
        if seen:
            shown.append(line)
        options = line.shown if seen else line.normal
        if options:
            writer.fill(chart.one(options), slots)
    writer.add(chart.one(("\n诊断意见：", "\n印象：", "\n结论：")))
    if not shown:
        writer.fill(chart.one(examination.clean), slots)
    for place, line in enumerate(shown):
        writer.add(f"{place + 1}." if len(shown) > 1 else "")
        writer.fill(chart.one(line.impression), slots)
        writer.add("；" if place < len(shown) - 1 else "。")
    _signed(chart, reader[1])
    writer.close(chart.visit, examination.kind, examination.title, time, reader[0])


def write_pathology(chart: Chart, options: tuple[Template, ...], time: int, reader: tuple[int, str]) -> None:
    """Write a pathology report, some days after the tissue was taken."""
    chart.time = time + int((2 + chart.dice.random() * 3) * DAY_SECONDS)
    writer = chart.writer
    slots = _Slots(chart)
    writer.add(chart.one(("病理检查报告单\n姓名：", "病理报告  ", "病理诊断报告\n患者：")))
    chart.slot("name")
    writer.add(f"  病理号：{chart.dice.randrange(10**6):06d}\n")
    writer.add(chart.one(("病理诊断：", "诊断：", "送检组织镜下所见及诊断：")))
    writer.fill(chart.one(options), slots)
    _signed(chart, reader[1])
    writer.close(chart.visit, "病理报告", "病理诊断报告", chart.time, reader[0])
