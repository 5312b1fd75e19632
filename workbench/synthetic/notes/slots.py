"""What the slots of templates are filled with: plain words, identifiers, enumerations of mentions, quantities."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from workbench.synthetic.columns import DAY_SECONDS
from workbench.synthetic.notes.facts import VITALS
from workbench.synthetic.notes.terms import term

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.synthetic.notes.chart import Chart

__all__ = ["FILLERS", "WORDS"]

_SHORTER = {"小时": "1小时", "天": "1天", "周": "3天", "月": "1周", "年": "2周"}
# Nobody dates the beginning of a chronic disease farther back.
_LONGEST_MEMORY_YEARS = 30
_JOBS = ("农民", "退休", "工人", "教师", "职员", "个体经营", "学生", "无业")
_ALLERGENS = ("青霉素", "头孢类药物", "磺胺类药物", "海鲜")


def _age_text(chart: Chart) -> str:
    if chart.age >= 3:
        return f"{int(chart.age)}岁"
    months = int(chart.age * 12)
    return f"{months // 12}岁{months % 12}月" if months >= 12 else (f"{months}月" if months else f"{max(int(chart.age * 365), 1)}天")


def _number(low: int, high: int) -> Callable[[Chart], str]:
    return lambda chart: str(low + int(chart.dice.random() * (high - low + 1)))


#: Slots that are plain words.
WORDS: dict[str, Callable[[Chart], str]] = {
    "sex": lambda chart: "男" if chart.male else "女",
    "sex_person": lambda chart: ("男性" if chart.male else "女性") if chart.age >= 14 else ("男童" if chart.male else "女童"),
    "age": _age_text,
    "ethnic": lambda chart: chart.hospital.ethnic[chart.hospital.block.people.ethnic[chart.person]],
    "dept": lambda chart: chart.hospital.department[chart.hospital.facts.department[chart.visit]],
    "date_in": lambda chart: chart.date(chart.hospital.start[chart.visit], clock=chart.dice.random() < 0.4),
    "date_out": lambda chart: chart.date(chart.hospital.end[chart.visit], clock=chart.dice.random() < 0.3),
    "date_note": lambda chart: chart.date(chart.time, clock=chart.dice.random() < 0.6),
    "date_short": lambda chart: f"{datetime.fromtimestamp(chart.time, tz=UTC):%m-%d}",
    "days": lambda chart: str(max((chart.hospital.end[chart.visit] - chart.hospital.start[chart.visit]) // DAY_SECONDS, 1)),
    "day": lambda chart: str((chart.time - chart.hospital.start[chart.visit]) // DAY_SECONDS + 1),
    "op_day": lambda chart: str(max((chart.time - chart.operation[1]) // DAY_SECONDS, 1) if chart.operation else 1),
    "ago": lambda chart: chart.ago,
    "ago_short": lambda chart: _SHORTER[chart.unit],
    "ago_long": lambda chart: chart.one(("1年余", "3年", "5年余", "10余年", "半年")),
    "health": lambda chart: chart.one(("一般", "尚可", "良好", "欠佳")),
    "nutrition": lambda chart: chart.one(("良好", "中等", "欠佳")),
    "onset": lambda chart: chart.one(("急性", "慢性")) if chart.unit in ("天", "周") else ("急性" if chart.unit == "小时" else "慢性"),
    "job": lambda chart: chart.one(_JOBS) if chart.age >= 18 else "学生",
    "allergen": lambda chart: chart.one(_ALLERGENS),
    "arrival": lambda chart: chart.one(("步行", "轮椅", "120平车送入", "家属搀扶")),
    "kin": lambda chart: chart.one(("父亲", "母亲", "其父", "其母", "哥哥", "姐姐", "祖母")),
    "kilos": _number(2, 8),
    "years": _number(2, 30),
    "packs": _number(5, 30),
    "liang": _number(2, 6),
    "children": _number(1, 3),
    "child_rank": _number(1, 2),
    "birth_weight": lambda chart: f"{2.6 + chart.dice.random() * 1.3:.2f}",
    "marry_age": _number(20, 30),
    "weeks": _number(1, 4),
    "hr": lambda chart: (
        f"{chart.round[2]:.0f}" if chart.round and not math.isnan(chart.round[2]) else str(66 + int(chart.dice.random() * 24))
    ),
    "exam_no": lambda chart: f"{chart.dice.randrange(10**6):06d}",
}


def _identifier(kind: str) -> Callable[[Chart], None]:
    return lambda chart: chart.writer.canary(getattr(chart.hospital.who, kind)[chart.person], kind)


def _informant(chart: Chart) -> None:
    who = chart.hospital.who
    if chart.age >= 16 and chart.dice.random() < 0.7:
        chart.writer.add("患者本人")
        return
    chart.writer.add(f"患者{who.contact_relation[chart.person]}")
    chart.writer.canary(who.contact_name[chart.person], "contact_name")


def _doctor(senior: bool) -> Callable[[Chart], None]:
    def write(chart: Chart) -> None:
        doctors = chart.hospital.doctors
        place = chart.provider - 1 if not senior else (chart.provider + 1 + int(chart.dice.random() * 2)) % len(doctors)
        chart.writer.canary(doctors[place], "doctor_name")

    return write


def _part(part: str) -> Callable[[Chart], None]:
    return lambda chart: chart.sentence(chart.hospital.sentences[part])


def _negatives(prefix: str) -> Callable[[Chart], None]:
    def write(chart: Chart) -> None:
        words = chart.some(chart.negatives, 4)
        if not words:
            chart.writer.add("无其他不适")
            return
        chart.writer.add(prefix)
        chart.mentions(words[:-1], "absent")
        if len(words) > 1:
            chart.writer.add(chart.one(("、", "及", "、")))
        chart.mentions(words[-1:], "absent")

    return write


def _diagnosis(assertion: str, *, principal: bool) -> Callable[[Chart], None]:
    def write(chart: Chart) -> None:
        names = chart.diagnosis_names()[:1] if principal else chart.diagnosis_names()[:8]
        for place, name in enumerate(names):
            if len(names) > 1:
                chart.writer.add(f"{place + 1}.")
            doubtful = assertion == "possible"
            chart.writer.mention(name, term(name), "possible" if doubtful else "present")
            if doubtful:
                chart.writer.add(chart.one(("？", "可能", "?")))
            chart.writer.add(" " if place < len(names) - 1 else "")

    return write


def _diagnosis_lines(chart: Chart) -> None:
    for place, name in enumerate(chart.diagnosis_names()[:10]):
        chart.writer.add(f"{place + 1}. ")
        chart.writer.mention(name, term(name), "present")
        chart.writer.add("\n")


def _differential(assertion: str) -> Callable[[Chart], None]:
    def write(chart: Chart) -> None:
        words = chart.some(chart.differential, 2)
        if words:
            chart.mentions(words, assertion)
        else:
            chart.writer.add("其他疾病")

    return write


def _differential_lines(chart: Chart) -> None:
    for place, word in enumerate(chart.some(chart.differential, 2)):
        chart.writer.add(f"{place + 1}.")
        chart.writer.mention(word, term(word), "possible")
        chart.writer.add(
            chart.one(
                ("：可有类似表现，但目前依据不足，可进一步检查排除；", "：需完善影像学检查鉴别；", "：结合病史暂不支持，必要时复查。")
            )
        )


def _ruled_out(chart: Chart) -> None:
    chart.writer.add("目前无")
    words = chart.some(chart.differential, 1) or ["低血糖"]
    chart.mentions(words, "absent")
    chart.writer.add("依据")


def _labs_said(chart: Chart) -> None:
    _labs(chart, chart.labs)


def _labs_last(chart: Chart) -> None:
    _labs(chart, chart.hospital.facts.last_labs[chart.visit][:3])


def _labs(chart: Chart, rows: list[tuple[int, float]]) -> None:
    if not rows:
        chart.writer.add(chart.one(("化验结果未见明显异常", "检验结果待回报")))
        return
    between = chart.one(("", " ", "：", "为"))
    times = chart.one(("×", "*", "x"))
    by_code = chart.dice.random() < 0.4
    for place, (item, value) in enumerate(rows):
        lab = chart.hospital.lab[item]
        chart.writer.add(chart.one(("，", "、")) if place else "")
        surface = lab["code" if by_code else "name"]
        unit = f"{times}{lab['unit']}" if lab["unit"].startswith("10^") else lab["unit"]
        chart.writer.quantity(surface, term(surface), between or " ", f"{value:.{lab['decimals']}f}", value, unit)
        if lab["high"] and value > float(lab["high"]):
            chart.writer.add(chart.one(("↑", "", "（↑）")))


def _labs_line(chart: Chart) -> None:
    if chart.labs:
        chart.writer.add(chart.one(("辅助检查：", "化验：", "查")))
        _labs_said(chart)
        chart.writer.add("。\n")


_VITAL_WORDS = {"T": ("体温", "℃"), "HR": ("脉搏", "次/分"), "RR": ("呼吸频率", "次/分"), "SBP": ("血压", "mmHg")}
_VITAL_STYLES = (("T", "P", "R", "BP"), ("体温", "脉搏", "呼吸", "血压"), ("T：", "P：", "R：", "BP："))


def _vitals(most: int) -> Callable[[Chart], None]:
    def write(chart: Chart) -> None:
        if chart.round is None:
            chart.writer.add("生命体征平稳" + ("" if most == 4 else "。"))
            return
        values = dict(zip(VITALS, chart.round[1:], strict=True))
        style = chart.one(_VITAL_STYLES)
        shown = [key for key in (("T", "HR", "RR", "SBP") if most == 4 else ("SBP", "HR")) if not math.isnan(values[key])]
        for place, key in enumerate(shown):
            name, unit = _VITAL_WORDS[key]
            label = style[list(_VITAL_WORDS).index(key)]
            printed = f"{values[key]:.1f}" if key == "T" else f"{values[key]:.0f}"
            if key == "SBP":
                printed = f"{printed}/{values['DBP']:.0f}" if not math.isnan(values["DBP"]) else printed
            chart.writer.add(chart.one((" ", "，", ", ")) if place else "")
            chart.writer.quantity(label.rstrip("："), term(name), "：" if label.endswith("：") else " ", printed, values[key], unit)
        if most != 4 and shown:
            chart.writer.add("。")

    return write


def _vitals_last(chart: Chart) -> None:
    rounds = chart.hospital.facts.rounds[chart.visit]
    kept, chart.round = chart.round, rounds[-1] if rounds else None
    _vitals(4)(chart)
    chart.round = kept


def _drugs(at_home: bool) -> Callable[[Chart], None]:
    def write(chart: Chart) -> None:
        rows = [(chart.hospital.drug[row], dose) for row, dose in chart.hospital.facts.drugs[chart.visit]]
        usual = [(drug, dose) for drug, dose in rows if int(drug["days"]) >= 7] if at_home else rows
        if not usual:
            chart.writer.add("对症" if not at_home else "暂不用药")
            return
        for place, (drug, dose) in enumerate(chart.some(usual, 4)):
            chart.writer.add("、" if place else "")
            surface = drug["name" if chart.dice.random() < 0.6 else "ingredient"]
            chart.writer.quantity(surface, term(surface), chart.one((" ", "")), f"{dose:g}", dose, drug["unit"])
            chart.writer.add(chart.one((f" {drug['freq']}", f" {drug['freq']} {drug['route']}", "")))

    return write


def _drug_past(chart: Chart) -> None:
    rows = chart.hospital.facts.drugs[chart.visit]
    if not rows:
        chart.writer.add("对症")
        return
    name = chart.hospital.drug[rows[0][0]]["ingredient"]
    chart.writer.mention(name, term(name), "historical")


def _past_diseases(chart: Chart, most: int) -> None:
    """Say how long the patient has had what diseases, with a pressure or a drug as people tell it."""
    onset = chart.hospital.onset[chart.person]
    for place, disease in enumerate(chart.some(chart.diseases, most)):
        name = chart.hospital.disease_name[disease]
        years = min(int((chart.day - onset[disease]) / 365), _LONGEST_MEMORY_YEARS)
        chart.writer.add("，" if place else "")
        chart.writer.add(chart.one(("有", "患", "")))
        chart.writer.mention(name, term(name), "present")
        chart.writer.add(chart.one(("病史", "")) + (f"{years}年" if years else "数月"))
        if name == "高血压":
            top = 150 + int(chart.dice.random() * 50)
            chart.writer.add("，")
            chart.writer.quantity("血压", term("血压"), "最高", f"{top}/{top - 60 - int(chart.dice.random() * 20)}", top, "mmHg")
    chart.writer.add("。")


def _past_short(chart: Chart) -> None:
    if chart.diseases:
        _past_diseases(chart, 3)
    else:
        chart.writer.add(chart.one(("既往体健。", "无特殊病史。", "平素体健。")))


def _denied(most: int) -> Callable[[Chart], None]:
    def write(chart: Chart) -> None:
        onset = chart.hospital.onset[chart.person]
        absent = [
            name
            for name, places in chart.hospital.deniable
            if all(onset[place] > chart.day for place in places) and name not in chart.present
        ]
        chart.mentions(chart.some(absent, most) or ["遗传病"], "absent")

    return write


def _signs(chart: Chart) -> None:
    chart.mentions(chart.signs, "present")


def _signs_short(chart: Chart) -> None:
    if chart.signs:
        _signs(chart)
        chart.writer.add("。")


def _symptoms(assertion: str, most: int = 4) -> Callable[[Chart], None]:
    return lambda chart: chart.mentions(chart.symptoms[:most], assertion)


def _symptoms_gone(chart: Chart) -> None:
    chart.writer.add(chart.one(("无", "未再诉", "已无")))
    chart.mentions(chart.symptoms[:2], "absent")


def _operation(chart: Chart) -> None:
    if chart.operation:
        name = chart.hospital.procedure[chart.operation[0]]["name"]
        chart.writer.mention(name, term(name), "present")


def _operation_sentence(chart: Chart) -> None:
    if chart.operation:
        chart.writer.add(f"于{chart.date(chart.operation[1])}在{chart.one(('全麻', '局麻', '椎管内麻醉'))}下行")
        _operation(chart)
        chart.writer.add("，过程顺利，")


def _family_disease(chart: Chart) -> None:
    name = chart.one(("高血压", "2型糖尿病", "冠心病", "脑梗死", "胃恶性肿瘤", "肺恶性肿瘤"))
    chart.writer.mention(name, term(name), "present", "family")


def _habit(name: str, holds: str) -> Callable[[Chart], None]:
    def write(chart: Chart) -> None:
        answer = "yes" if getattr(chart.hospital.block.people, holds)[chart.person] else "no"
        chart.sentence(chart.hospital.sentences[f"{name}_{answer}"])

    return write


def _region(part: str) -> Callable[[Chart], None]:
    return _part(f"{part}_normal")


def _doctor_line(chart: Chart) -> None:
    chart.writer.add(chart.one(("医师：", "签名：", "医师签名：")))
    _doctor(senior=False)(chart)


#: Slots that write mentions, identifiers or sentences of their own.
FILLERS: dict[str, Callable[[Chart], None]] = {
    **{kind: _identifier(kind) for kind in ("name", "mrn", "phone", "address", "contact_phone")},
    "idnum": _identifier("identity_number"),
    "contact": _identifier("contact_name"),
    "relation": lambda chart: chart.writer.add(chart.hospital.who.contact_relation[chart.person]),
    "informant": _informant,
    "doctor": _doctor(senior=False),
    "doctor2": _doctor(senior=True),
    "doctor_line": _doctor_line,
    "symptoms": _symptoms("present"),
    "symptoms_some": _symptoms("present", 2),
    "symptoms_if": _symptoms("hypothetical", 2),
    "symptoms_gone": _symptoms_gone,
    "negatives_no": _negatives("无"),
    "negatives_deny": _negatives("否认"),
    "dx_main": _diagnosis("present", principal=True),
    "dx_possible": _diagnosis("possible", principal=True),
    "dx_possible_main": _diagnosis("possible", principal=True),
    "dx_list": _diagnosis("present", principal=False),
    "dx_lines": _diagnosis_lines,
    "ddx_possible": _differential("possible"),
    "ddx_excluded": _differential("absent"),
    "ddx_absent": _ruled_out,
    "ddx_lines": _differential_lines,
    "labs_said": _labs_said,
    "labs_last": _labs_last,
    "labs_line": _labs_line,
    "vitals": _vitals(4),
    "vitals_short": _vitals(2),
    "vitals_last": _vitals_last,
    "drugs": _drugs(at_home=False),
    "drugs_home": _drugs(at_home=True),
    "drug_past": _drug_past,
    "past_short": _past_short,
    "denied": _denied(4),
    "denied_without": _denied(3),
    "signs": _signs,
    "signs_short": _signs_short,
    "op": _operation,
    "op_sentence": _operation_sentence,
    "family_disease": _family_disease,
    "smoking": _habit("smoking", "smoking"),
    "drinking": _habit("drinking", "drinking"),
    **{region: _region(region) for region in ("chest", "heart", "abdomen", "limbs")},
    **{part: _part(part) for part in ("before", "course", "degree", "general", "labs_today", "dose_today")},
}
