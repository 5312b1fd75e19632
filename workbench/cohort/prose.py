"""A definition in plain words, Chinese or English: what each rule asks, for a protocol or a reviewer."""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING

from workbench.cohort.query import (
    Age,
    AllOf,
    AnyOf,
    AtLeast,
    AtMost,
    Cohort,
    Combination,
    InCohort,
    IndexDate,
    Not,
    Observed,
    Occurs,
    Person,
)
from workbench.locale import tr

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workbench.codelists import CodeItem, Codelist
    from workbench.cohort.query import Condition, Criterion, Definition, Events, Exit, Window

__all__ = ["in_words"]

#: Codes of a list that are named one by one.
_MOST_CODES = 6

_SIGNS = {"eq": "=", "ne": "≠", "lt": "<", "le": "≤", "gt": ">", "ge": "≥"}
_LIMITS = {"all": ("全部", "all"), "first": ("首次", "the first"), "last": ("末次", "the last")}
_FIELDS = {"sex": ("性别", "sex"), "race": ("种族", "race"), "ethnicity": ("民族", "ethnicity")}
_JOINED = {"union": ("并集", "union"), "intersection": ("交集", "intersection"), "difference": ("差集", "difference")}
_DISTINCT = {
    "day": ("不同日期", "different days"),
    "concept": ("不同概念", "different concepts"),
    "visit": ("不同就诊", "different visits"),
}


def in_words(definition: Definition) -> str:
    """Say what a definition asks, one line a step.

    Parameters
    ----------
    definition : Cohort or Combination
        What to put into words.

    Returns
    -------
    str
        In the language of :func:`workbench.locale.get_language`.

    Examples
    --------
    >>> from workbench.cohort.language import age, cohort, deaths
    >>> print(in_words(cohort("死亡").enter(deaths()).require("成年", age >= 18).definition))
    队列“死亡”
      进入：死亡；取全部
      须满足“成年”：年龄 ≥ 18 岁
      结束：观察期结束
    """
    return "\n".join(_combination(definition) if isinstance(definition, Combination) else _cohort(definition))


def _combination(combination: Combination) -> list[str]:
    title = tr(f"“{combination.name}”：以下队列的", f'"{combination.name}": the ') + _word(_JOINED[combination.operator])
    return [title + tr("", " of"), *(f"  {line}" for part in combination.cohorts for line in in_words(part).splitlines())]


def _cohort(cohort: Cohort) -> list[str]:
    entry = cohort.entry
    lines = [_labelled(tr("进入", "enter"), f"{_union(entry.events)}{tr('；取', '; take ')}{_word(_LIMITS[entry.limit])}")]
    if entry.observed is not None:
        lines.append(_labelled(tr("进入时", "on entry"), _said(entry.observed)))
    if entry.qualifying is not None:
        limited = f"{tr('；取', '; take ')}{_word(_LIMITS[entry.qualified_limit])}"
        lines.append(_labelled(tr("进入条件", "entry counts where"), f"{_said(entry.qualifying)}{limited}"))
    for rule in cohort.rules:
        verb = tr("须满足", "require") if rule.kind == "require" else tr("须排除", "exclude")
        lines.append(_labelled(tr(f"{verb}“{rule.name}”", f'{verb} "{rule.name}"'), _said(rule.criterion)))
    if cohort.keep != "all":
        lines.append(_labelled(tr("保留", "keep"), _word(_LIMITS[cohort.keep])))
    lines.append(_labelled(tr("结束", "exit"), _exit(cohort.exit)))
    if cohort.censor:
        lines.append(_labelled(tr("删失", "censor"), _union(cohort.censor)))
    if cohort.collapse_gap_days is not None:
        days = cohort.collapse_gap_days
        lines.append(_labelled(tr("合并", "merge"), tr(f"间隔不超过 {days} 天的记录", f"rows at most {days} days apart")))
    if cohort.date_range != (None, None):
        first, last = (day or "…" for day in cohort.date_range)
        lines.append(_labelled(tr("日期范围", "dates"), tr(f"{first} 至 {last}", f"{first} to {last}")))
    return [tr(f"队列“{cohort.name}”", f'Cohort "{cohort.name}"'), *(f"  {line}" for line in lines)]


def _labelled(label: str, text: str) -> str:
    return tr(f"{label}：{text}", f"{label}: {text}")


def _word(pair: tuple[str, str]) -> str:
    return tr(*pair)


def _exit(asked: Exit) -> str:
    if asked.kind == "offset":
        edge = tr("开始", "start") if asked.edge == "start" else tr("结束", "end")
        return tr(f"索引事件{edge}后 {asked.days} 天", f"{asked.days} days after the {edge} of the index event")
    if asked.kind == "era":
        run = tr(f"{_union(asked.events)}连续（间隔不超过 {asked.gap_days} 天）中断时", f"the end of a run of {_union(asked.events)}")
        extra = tr(f"，每次延续 {asked.days} 天", f", each lasting {asked.days} more days") if asked.days else ""
        return run + tr("", f" with gaps of at most {asked.gap_days} days") + extra
    return tr("观察期结束", "end of observation")


# ------------------------------------------------------------------------------------------------------------- events


def _union(events: Iterable[Events]) -> str:
    return tr(" 或 ", " or ").join(_events(each) for each in events)


def _events(events: Events) -> str:
    name = tr(events.place.word_zh, events.place.word)
    coded = f"〔{_codes(events.codes)}〕" if events.codes else ""
    asked = [_condition(condition) for condition in events.conditions]
    if events.first:
        asked.insert(0, tr("首次", "first ever"))
    if events.nested is not None:
        asked.append(tr("且围绕该事件：", "and around it: ") + _said(events.nested))
    told = tr("，", ", ").join(asked)
    return name + coded + (tr(f"（{told}）", f" ({told})") if asked else "")


def _codes(codes: Codelist) -> str:
    if codes.name:
        return codes.name
    taken = tr("，除 ", " but not ") + _items(codes.exclude) if codes.exclude else ""
    return _items(codes.include) + taken


def _items(items: tuple[CodeItem, ...]) -> str:
    named = ", ".join(f"{item.code}{'*' if item.descendants else ''}" for item in items[:_MOST_CODES])
    more = len(items) - _MOST_CODES
    return named + (tr(f" 等 {len(items)} 项", f" and {more} more") if more > 0 else "")


def _condition(condition: Condition) -> str:
    field = f"{condition.field}/{condition.of}" if condition.of else condition.field
    return _compared(field, condition.operator, condition.values)


def _compared(field: str, operator: str, values: tuple[object, ...]) -> str:
    shown = ", ".join(map(str, values))
    if len(values) == 1:  # one of a single value is that value
        operator = {"in": "eq", "not_in": "ne"}.get(operator, operator)
    if operator in _SIGNS:
        return f"{field} {_SIGNS[operator]} {shown}"
    low, high = (values[0], values[-1]) if values else ("", "")
    return {
        "between": tr(f"{field} 在 {low} 至 {high} 之间", f"{field} from {low} to {high}"),
        "not_between": tr(f"{field} 不在 {low} 至 {high} 之间", f"{field} outside {low} to {high}"),
        "in": tr(f"{field} 为 {shown} 之一", f"{field} one of {shown}"),
        "not_in": tr(f"{field} 不为 {shown}", f"{field} none of {shown}"),
        "contains": tr(f"{field} 含“{shown}”", f'{field} contains "{shown}"'),
        "is_missing": tr(f"{field} 缺失", f"{field} is missing"),
        "is_present": tr(f"{field} 有值", f"{field} is present"),
    }[operator]


def _placed(window: Window) -> str:
    event = tr("开始", "start") if window.event == "start" else tr("结束", "end")
    index = tr("索引日期", "the index date") if window.index == "start" else tr("索引事件结束", "the end of the index event")
    unit = tr("天", "days") if window.unit == "days" else tr("小时", "hours")
    low, high = ("−∞" if window.start is None else f"{window.start:+d}"), ("+∞" if window.end is None else f"{window.end:+d}")
    return tr(f"{event}于{index} {low} 至 {high} {unit}", f"{event} {low} to {high} {unit} from {index}")


# ----------------------------------------------------------------------------------------------------------- criteria


@singledispatch
def _said(criterion: Criterion) -> str:
    raise TypeError(f"{type(criterion).__name__} is no criterion")


@_said.register(Occurs)
def _(criterion: Occurs) -> str:
    parts = [f"{_number(criterion)}{_union(criterion.events)}", *(_placed(window) for window in criterion.windows)]
    if criterion.same_visit:
        parts.append(tr("同一次就诊", "in the same visit"))
    if criterion.within_observation:
        parts.append(tr("同一观察期内", "in the same observation period"))
    return tr("，", ", ").join(parts)


def _number(criterion: Occurs) -> str:
    if (criterion.operator, criterion.count) == ("eq", 0):
        return tr("没有", "no ")
    if (criterion.operator, criterion.count, criterion.distinct) == ("ge", 1, ""):
        return tr("有", "")
    kind = _word(_DISTINCT[criterion.distinct]) if criterion.distinct else tr("次", "times")
    return tr(f"次数 {_SIGNS[criterion.operator]} {criterion.count}（{kind}）的", f"{_SIGNS[criterion.operator]} {criterion.count} {kind} ")


@_said.register(Age)
def _(criterion: Age) -> str:
    field = tr("年龄", "age") if not criterion.calendar else tr("年龄（按年份）", "age by calendar year")
    return _compared(field, criterion.operator, criterion.values) + tr(" 岁", " years")


@_said.register(Person)
def _(criterion: Person) -> str:
    return _compared(_word(_FIELDS[criterion.field]), criterion.operator, criterion.values)


@_said.register(IndexDate)
def _(criterion: IndexDate) -> str:
    field = tr("索引日期", "index date") if criterion.edge == "start" else tr("索引事件结束日期", "end of the index event")
    return _compared(field, criterion.operator, criterion.values)


@_said.register(Observed)
def _(criterion: Observed) -> str:
    before, after = criterion.before_days, criterion.after_days
    return tr(f"索引日期前已观察 {before} 天、后观察 {after} 天", f"observed {before} days before and {after} days after the index date")


@_said.register(InCohort)
def _(criterion: InCohort) -> str:
    placed = "" if criterion.window is None else tr("，", ", ") + _placed(criterion.window)
    return tr(f"属于队列“{criterion.cohort.name}”", f'in cohort "{criterion.cohort.name}"') + placed


@_said.register(AllOf)
def _(criterion: AllOf) -> str:
    return tr(" 且 ", " and ").join(_bracketed(each) for each in criterion.criteria) or tr("恒成立", "always")


@_said.register(AnyOf)
def _(criterion: AnyOf) -> str:
    return tr(" 或 ", " or ").join(_bracketed(each) for each in criterion.criteria) or tr("恒不成立", "never")


@_said.register(AtLeast)
def _(criterion: AtLeast) -> str:
    listed = tr("；", "; ").join(_bracketed(each) for each in criterion.criteria)
    return tr(f"至少满足 {criterion.count} 项：{listed}", f"at least {criterion.count} of: {listed}")


@_said.register(AtMost)
def _(criterion: AtMost) -> str:
    listed = tr("；", "; ").join(_bracketed(each) for each in criterion.criteria)
    return tr(f"至多满足 {criterion.count} 项：{listed}", f"at most {criterion.count} of: {listed}")


@_said.register(Not)
def _(criterion: Not) -> str:
    return tr("并非", "not ") + tr(f"（{_said(criterion.criterion)}）", f"({_said(criterion.criterion)})")


def _bracketed(criterion: Criterion) -> str:
    joined = isinstance(criterion, AllOf | AnyOf | AtLeast | AtMost | Occurs)
    return tr(f"（{_said(criterion)}）", f"({_said(criterion)})") if joined else _said(criterion)
