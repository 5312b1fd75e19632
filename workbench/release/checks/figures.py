"""Read the cells of result tables: counts, counts with percentages, percentages, hidden cells, and the words that say which."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from itertools import zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.release.checks.parts import Table

__all__ = [
    "Column",
    "Figure",
    "Meaning",
    "columns",
    "is_note_like",
    "is_person_like",
    "is_total",
    "meaning_of",
    "read_figure",
    "stated_size",
]


class Meaning(Enum):
    """What the words over a column or before a row say of its numbers."""

    COUNT = "count"
    PERCENTAGE = "percentage"
    OTHER = "other"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Figure:
    """What one cell holds: a count, a percentage with its decimals, a hidden count, or a number of another kind."""

    count: int | None = None
    percentage: float | None = None
    decimals: int = 0
    hidden: bool = False
    number: float | None = None


@dataclass(frozen=True)
class Column:
    """A column of a table without its head: its number from 1, its head, its cells."""

    number: int
    head: str
    cells: tuple[str, ...]


_WORDS: tuple[tuple[Meaning, re.Pattern[str]], ...] = (
    (
        Meaning.OTHER,
        re.compile(
            r"年龄|岁|天|日|月|年|时间|均值|平均|中位|标准差|四分位|最小|最大|系数|比值|风险比|标准误|自由度|卡方|概率|生存|评分|得分|等级|分级|分期|序号|步骤"
            r"|编码|代码|节点|浓度|水平|单位|指标值|参考"
            r"|\bage\b|year|month|\bday|week|hour|time|mean|median|\bsd\b|\biqr\b|quantile|\bmin\b|\bmax\b"
            r"|coef|\bhr\b|\bor\b|\brr\b|\bci\b|p[- ]?value|^p$"
            r"|ratio|\bse\b|std_error|auc|score|points|χ|vif|grade|stage|level|rank|index|order|step|code|concept|icd|version|seed|knots|unit|degrees|\bdf\b|chi|statistic|survival|probab|horizon",
            re.IGNORECASE,
        ),
    ),
    (Meaning.PERCENTAGE, re.compile(r"%|百分|占比|构成比|比例|percent|proportion|\bpct\b|share", re.IGNORECASE)),
    (
        Meaning.COUNT,
        re.compile(
            r"人数|例数|频数|计数|人次|患者数|事件数|样本量|剩余|纳入|排除|缺失|在险|例$|人$|\bn\b|^no\b\.?$|\bno\.|\bno of\b"
            r"|number|count|freq|patients|persons|people|cases|events"
            r"|at[_ ]risk|remaining|excluded|missing|observed|censored",
            re.IGNORECASE,
        ),
    ),
)
_TOTAL = re.compile(r"^\s*(合计|总计|总体|全部|总数|小计|total|all|overall|sum|margin)", re.IGNORECASE)
_PERSON = re.compile(
    r"^(患者|病人|受试者)?(姓名|编号|住院号|病案号|门诊号|就诊号|身份证号?码?|证件号码?|电话|手机号?码?|联系电话|地址|住址|医保号)$"
    r"|^(patient|person|subject|participant|visit|encounter|admission|case|record|hospital|medical record)?[ _-]?"
    r"(id|no|name|identifier|mrn|ssn|phone|mobile|address)$|pseudonym|uid$|^mrn$|visit_occurrence_id|person_source",
    re.IGNORECASE,
)
_NOTE = re.compile(
    r"^(证据|依据|原文|病历|文书|笔记|报告|句子|文本)(原文|文本|全文|内容|片段|摘录)?$|(证据|病历|文书|报告|笔记)(原文|全文|正文|片段|摘录)"
    r"|^evidence|^(clinical |source )?(note|report)[ _-]?(text|body)$|^snippets?$|^sentences?$",
    re.IGNORECASE,
)
_NUMBER = r"\d{1,3}(?:,\d{3})+|\d+"
_COUNT = re.compile(rf"({_NUMBER})(?:\.0)?")
_PERCENTAGE = re.compile(r"(\d{1,3}(?:\.(\d+))?)\s*%")
_COUNT_WITH = re.compile(rf"({_NUMBER})\s*\(\s*<?(\d{{1,3}}(?:\.(\d+))?)\s*(%?)\s*\)")
_FRACTION = re.compile(rf"({_NUMBER})\s*/\s*({_NUMBER})(?:\s*\(.*\))?")
_HIDDEN = re.compile(r"[<＜≤]\s*\d+|\[c\]|\*+|已抑制|抑制|hidden|suppressed|redacted", re.IGNORECASE)
_DECIMAL = re.compile(r"[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?")
_SIZE_IN_BRACKETS = re.compile(rf"[(（]?\s*\b[nN]\s*[=＝:：]\s*(?:{_NUMBER})\s*[)）]?")
_RANGE = re.compile(r"\d\s*[-~–—至到]\s*\d|[<>≤≥＜＞]\s*=?\s*\d|\d\s*岁?\s*(及以上|以上|以下)|\d\s*\+")
_SIZE = re.compile(rf"\b[nN]\s*[=＝:：]\s*({_NUMBER})")


def read_figure(cell: str) -> Figure:
    """Read one cell.

    Examples
    --------
    >>> read_figure("1,234 (5.6%)").count, read_figure("<10").hidden, read_figure("3.5%").percentage
    (1234, True, 3.5)
    """
    text = cell.replace("（", "(").replace("）", ")").replace("％", "%").strip()
    if _HIDDEN.fullmatch(text):
        return Figure(hidden=True)
    if found := _COUNT.fullmatch(text):
        return Figure(count=_whole(found[1]), number=float(_whole(found[1])))
    if found := _COUNT_WITH.fullmatch(text):
        return Figure(count=_whole(found[1]), percentage=float(found[2]) if found[4] else None, decimals=len(found[3] or ""))
    if found := _FRACTION.fullmatch(text):
        return Figure(count=_whole(found[1]))
    if found := _PERCENTAGE.fullmatch(text):
        return Figure(percentage=float(found[1]), decimals=len(found[2] or ""))
    if found := _DECIMAL.fullmatch(text):
        return Figure(number=float(found[0]))
    return Figure()


def meaning_of(words: str) -> Meaning:
    """Say what the words over a column or before a row tell of its numbers; "n (%)" is a count, "40-60 years" is a group."""
    plain = _SIZE_IN_BRACKETS.sub("", words).strip()
    if re.search(r"\bn\s*\(\s*%|例数?\s*[（(]\s*[%％]|人数?\s*[（(]\s*[%％]", plain, re.IGNORECASE):
        return Meaning.COUNT
    for meaning, pattern in _WORDS:
        if pattern.search(plain):
            return Meaning.UNKNOWN if meaning is Meaning.OTHER and _RANGE.search(plain) else meaning
    return Meaning.UNKNOWN


def is_note_like(head: str) -> bool:
    """Tell whether a head names words of notes."""
    return _NOTE.search(head.strip()) is not None


def is_total(words: str) -> bool:
    """Tell whether a head or a first cell names a total."""
    return _TOTAL.match(words) is not None


def is_person_like(head: str) -> bool:
    """Tell whether a head names something that belongs to one person."""
    return _PERSON.search(head.strip()) is not None


def stated_size(words: str) -> int | None:
    """Find the size of a group stated in words, such as "(n = 200)"."""
    found = _SIZE.search(words)
    return _whole(found[1]) if found else None


def columns(table: Table) -> list[Column]:
    """Part a table into columns; the first row is the head unless it holds a number of its own."""
    has_head = bool(table.rows) and not any(_DECIMAL.fullmatch(cell.strip()) for cell in table.rows[0] if cell.strip())
    head, body = (table.rows[0], table.rows[1:]) if has_head else ((), table.rows)
    width = max((len(row) for row in table.rows), default=0)
    by_column = list(zip_longest(*body, fillvalue="")) or [()] * width
    return [Column(i + 1, head[i] if i < len(head) else "", tuple(cells)) for i, cells in enumerate(by_column)]


def _whole(text: str) -> int:
    return int(text.replace(",", ""))
