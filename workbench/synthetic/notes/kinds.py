"""The kinds of notes of an encounter, each made of the sentence parts of ``notes.yaml``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.synthetic.columns import DAY_SECONDS

if TYPE_CHECKING:
    from workbench.synthetic.notes.chart import Chart

__all__ = ["admission", "clinic", "course", "discharge", "first_course"]

_HOUR = 3600


def _close(chart: Chart, kind: str, title: str) -> None:
    chart.writer.close(chart.visit, kind, title, chart.time, chart.provider)


def _past_history(chart: Chart) -> None:
    chart.say("past_head")
    if chart.diseases:
        chart.slot("past_short")
    chart.say("past_deny", "past_infection", "past_operation" if chart.age >= 30 else "past_operation_young")
    chart.say("allergy" if chart.dice.random() < 0.07 else "allergy_none")


def _personal_history(chart: Chart) -> None:
    if chart.age < 14:
        chart.say("personal_child")
        return
    chart.say("personal")
    if chart.age >= 24:
        chart.say("marriage")
    chart.say("family" if chart.dice.random() < 0.3 else "family_none")


def _examination(chart: Chart) -> None:
    chart.say("exam")
    if chart.signs:
        chart.say("signs_found")
        chart.writer.add("\n")


def admission(chart: Chart) -> None:
    """Write the 入院记录, some hours after admission."""
    chart.time = chart.hospital.start[chart.visit] + _HOUR + int(chart.dice.random() * 6 * _HOUR)
    chart.say("head", "complaint_known" if chart.unit == "年" and chart.dice.random() < 0.5 else "complaint", "present_illness")
    _past_history(chart)
    _personal_history(chart)
    _examination(chart)
    chart.say("auxiliary" if chart.labs else "auxiliary_none", "preliminary", "signature")
    _close(chart, "入院记录", "入院记录")


def first_course(chart: Chart) -> None:
    """Write the 首次病程记录, within eight hours of admission as the rules ask."""
    chart.time = chart.hospital.start[chart.visit] + _HOUR + int(chart.dice.random() * 5 * _HOUR)
    chart.say("first_course", "reasoning", "plan")
    chart.slot("doctor_line")
    _close(chart, "首次病程记录", "首次病程记录")


def course(chart: Chart, share: float) -> None:
    """Write a 病程记录 at `share` of the stay, of the days after the operation where there was one."""
    hospital = chart.hospital
    start, end = hospital.start[chart.visit], hospital.end[chart.visit]
    chart.time = start + int((end - start) * share)
    rounds = hospital.facts.rounds[chart.visit]
    chart.round = next((row for row in reversed(rounds) if row[0] <= chart.time), chart.round)
    chart.labs = chart.some(hospital.facts.first_labs[chart.visit] if share < 0.4 else hospital.facts.last_labs[chart.visit], 3)
    after = chart.operation is not None and chart.time >= chart.operation[1] + DAY_SECONDS
    chart.say("course_after_operation" if after else "course_note")
    _close(chart, "病程记录", "术后病程记录" if after else "日常病程记录")


def discharge(chart: Chart, *, died: bool) -> None:
    """Write the 出院小结, or the 死亡记录 of a patient who died."""
    chart.time = chart.hospital.end[chart.visit]
    chart.labs = chart.hospital.facts.first_labs[chart.visit]
    if died:
        chart.say("death_note")
        chart.slot("doctor_line")
        _close(chart, "死亡记录", "死亡记录")
        return
    chart.say("discharge_head", "discharge_body", "discharge_state", "discharge_diagnosis", "discharge_advice")
    chart.slot("doctor_line")
    _close(chart, "出院小结", "出院小结")


def clinic(chart: Chart, *, emergency: bool, checkup: bool) -> None:
    """Write the record of a visit to the clinic, to the emergency department or for a health check."""
    chart.time = chart.hospital.start[chart.visit] + 600
    kind = "急诊病历" if emergency else ("健康体检记录" if checkup else "门诊病历")
    chart.say("emergency" if emergency else ("checkup" if checkup else "clinic"))
    _close(chart, kind, kind)
