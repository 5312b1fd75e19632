"""What cleaning did to a table: every rule that applied, to which column, to how many of how many values."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import pandas as pd

from workbench.locale import tr

__all__ = ["RULES", "Change", "Cleaned", "Rule"]


class Rule(NamedTuple):
    """A rule of cleaning.

    Parameters
    ----------
    kind : {"changed", "doubtful", "told"}
        Whether values were changed, somebody has to decide before the column is used, or the reader should know.
    zh, en : str
        What it does.
    """

    kind: str
    zh: str
    en: str


#: Every rule by its name.
RULES: dict[str, Rule] = {
    "unknown_item": Rule("doubtful", "名称不在目录中，原样保留", "name is not in the catalogue; left as it is"),
    "ambiguous_item": Rule("doubtful", "名称对应多个项目，原样保留", "name means several items; left as it is"),
    "unit_unknown": Rule("doubtful", "单位不适用于该项目，原样保留", "unit does not fit the item; left as it is"),
    "unit_doubtful": Rule(
        "doubtful", "数值明显属于另一单位，未换算，原样保留", "values are plainly in another unit; not converted, left as they are"
    ),
    "codes_doubtful": Rule("doubtful", "编码含义不明，原样保留", "what the codes mean is not certain; left as they are"),
    "other_unit_likely": Rule("doubtful", "部分数值像是另一单位", "some values look like another unit"),
    "unit_assumed": Rule("told", "未注明单位，按目录单位处理", "no unit was stated; taken to be the catalogue's"),
    "renamed": Rule("told", "列名改为目录名称", "column got the catalogue's name"),
    "empty": Rule("told", "没有任何数值", "no value at all"),
    "left_out": Rule("told", "未作为预测因子", "no predictor was made of it"),
    "converted": Rule("changed", "换算单位", "converted to the item's unit"),
    "below_detection": Rule(
        "changed", "低于检测下限（<x），取 x 的给定比例", "below what can be measured (<x): set to a stated share of x"
    ),
    "above_detection": Rule("changed", "高于检测上限（>x），取 x", "above what can be measured (>x): set to x"),
    "range": Rule("changed", "区间取中点", "a range: set to its middle"),
    "mark_removed": Rule("changed", "去除箭头、H/L 等标记", "arrow or mark of high or low taken off"),
    "own_unit": Rule("changed", "数值后带单位，按该单位读取", "unit behind the number was read"),
    "no_result": Rule("changed", "无结果（未检、溶血等），置为缺失", "no result (not done, haemolysis ...): set to missing"),
    "qualitative": Rule("changed", "定量项目出现定性结果，置为缺失", "a word such as negative where a number is wanted: set to missing"),
    "unreadable": Rule("changed", "无法识别，置为缺失", "cannot be read: set to missing"),
    "infinite": Rule("changed", "无穷大（或超过 1e30），置为缺失", "infinite, or beyond 1e30: set to missing"),
    "outlier": Rule("changed", "超出生理或检测界限，置为缺失", "beyond the item's limits: set to missing"),
    "coded": Rule("changed", "文字改为统一编码", "words replaced by codes"),
    "uncoded": Rule("changed", "无法归类，置为缺失", "no category: set to missing"),
    "dated": Rule("changed", "转为日期", "read as a time"),
    "excel_date": Rule("changed", "Excel 序号转为日期", "Excel's number of a day read as a time"),
    "impossible_date": Rule("changed", "日期不可能，置为缺失", "time cannot be: set to missing"),
    "repeats_joined": Rule("changed", "同一项目同一时间的重复值合并", "repeated values of one item at one time joined"),
    "repeats_conflict": Rule("changed", "重复值互相矛盾，置为缺失", "repeated values contradict each other: set to missing"),
}


class Change(NamedTuple):
    """One rule applied to one column; no value of a patient stands in it.

    Parameters
    ----------
    column : str
        As the table had it.
    item : str
        Key of the item; empty where none was found.
    rule : str
        Key of :data:`RULES`.
    count, of : int
        Values that the rule applied to, of how many that were not missing.
    note : str
        Units, or the items that a name may mean.
    """

    column: str
    item: str
    rule: str
    count: int
    of: int
    note: str = ""


class Cleaned(NamedTuple):
    """A cleaned table and its log.

    Parameters
    ----------
    table : DataFrame
        Columns are items' keys and values in the items' units; what could not be decided is as it was.
    changes : tuple of Change
        In the order of the columns. Counts are of patients: outside a session they need the centre's rules for small numbers.
    """

    table: pd.DataFrame
    changes: tuple[Change, ...]

    @property
    def doubtful(self) -> tuple[Change, ...]:
        """What somebody has to decide."""
        return tuple(change for change in self.changes if RULES[change.rule].kind == "doubtful")

    def log(self) -> pd.DataFrame:
        """Return the log as a table, in the language in force."""
        rows = [(*change, tr(RULES[change.rule].zh, RULES[change.rule].en)) for change in self.changes]
        return pd.DataFrame(rows, columns=[*Change._fields, "meaning"])

    def summary(self) -> str:
        """Return the log in a few lines: first what is doubtful, then how many values each rule changed."""
        lines = [
            tr(f"清洗：{len(self.table)} 行，{self.table.shape[1]} 列", f"Cleaning: {len(self.table)} rows, {self.table.shape[1]} columns")
        ]
        for change in self.doubtful:
            lines.append(f"! {change.column}: {tr(RULES[change.rule].zh, RULES[change.rule].en)}{_note(change)}")
        counts, columns = Counter[str](), Counter[str]()
        for change in self.changes:
            if RULES[change.rule].kind == "changed":
                counts[change.rule] += change.count
                columns[change.rule] += 1
        for rule, count in counts.items():
            where = tr(f"{count} 个值，{columns[rule]} 列", f"{count} values in {columns[rule]} columns")
            lines.append(f"- {tr(RULES[rule].zh, RULES[rule].en)}: {where}")
        return "\n".join(lines)


def _note(change: Change) -> str:
    counted = f"{change.count}/{change.of}" if change.count else ""
    note = ", ".join(part for part in (counted, change.note) if part)
    return f" ({note})" if note else ""
