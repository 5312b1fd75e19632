"""Guards on columns as such: what is known only after the stay, and what is the outcome under another name."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from workbench.risk.guards.findings import Finding, refuse, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.risk.guards.case import Case

__all__ = ["LateName", "after_discharge", "late_name", "outcome_copies"]

#: Order of values and order of follow-up that agree so well are one thing.
_SAME_ORDER = 0.995

#: A column whose order follows the length of follow-up so well, among those with the event and among those without, was made from it.
_MADE_OF_TIME, _LIKE_TIME = 0.8, 0.65


class LateName(NamedTuple):
    """An entry of the table of names: what columns are called whose values come after the stay."""

    name: str
    how: str
    severity: str
    zh: str
    en: str


@cache
def _late_names() -> tuple[LateName, ...]:
    text = files("workbench.risk.guards").joinpath("data/after_discharge.tsv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return tuple(LateName(*line.split("\t")) for line in lines[1:])


def late_name(name: str) -> LateName | None:
    """Return the entry that a column's name matches; None where it tells of nothing late.

    Examples
    --------
    >>> late_name("住院天数（天）").en
    'length of the stay'
    >>> late_name("ICU_LOS").en, late_name("blast_count"), late_name("last_glucose"), late_name("既往住院天数")
    ('length of the stay', None, None, None)
    """
    words = re.findall(r"[a-z]+|\d+|[^\W\d_a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())
    plain = f" {' '.join(words)} "
    if any(_stands(entry, plain) for entry in _late_names() if entry.how == "earlier"):
        return None
    return next((entry for entry in _late_names() if entry.how != "earlier" and _stands(entry, plain)), None)


def _stands(entry: LateName, plain: str) -> bool:
    if entry.how == "whole":
        return plain.replace(" ", "") == entry.name.replace(" ", "")
    chinese = not entry.name.isascii()
    return entry.name in plain.replace(" ", "") if chinese else f" {entry.name} " in plain


def after_discharge(case: Case) -> Iterator[Finding]:
    """Compare the names of the predictors with the table of what is known only after the stay.

    A name is no proof: a predictor with a clock that lies before the prediction is left alone, whatever it is called.
    """
    clocked = _clocked(case)
    for column in case.data.features.columns:
        entry = next((hit for hit in map(late_name, {column.name, column.label, column.item} - {""}) if hit), None)
        if entry is None or column.name in clocked:
            continue
        say = refuse if entry.severity == "refuse" else warn
        yield say(
            column.name,
            (f"从列名“{entry.name}”看：{entry.zh}", f"by its name ('{entry.name}'): {entry.en}"),
            (
                "从预测因子中去掉；若预测时刻确已知道，用 known_at 指明何时知道，或改名",
                "leave it out; if it was known at the prediction, say when by known_at, or rename it",
            ),
        )


def _clocked(case: Case) -> set[str]:
    table = case.data.features.provenance
    return set(table.loc[(table["nearest_hours"] > 0) & (table["source"] != "column"), "feature"])


def outcome_copies(case: Case) -> Iterator[Finding]:
    """Look for the outcome, or a competing event, among the predictors: by names of columns, equal values, the order of follow-up."""
    own = set(case.data.protocol.outcome.columns)
    for column in case.data.features.columns:
        if own & {column.name, column.item}:
            yield refuse(
                column.name,
                ("结局定义所用的列被用作预测因子", "a column that defines the outcome is among the predictors"),
                ("从预测因子中去掉", "leave it out"),
            )
        elif (found := _copy(case, case.data.X[column.name])) is not None:
            yield found


def _copy(case: Case, values: pd.Series) -> Finding | None:
    for target in case.ends:
        if _tells_event(values.iloc[target.rows], target.event):
            return refuse(
                str(values.name),
                (
                    f"每个取值只对应有或无{target.name.zh}，就是它的另一种写法",
                    f"each of its values stands with {target.name.en} always or never: it is that under another name",
                ),
                ("从预测因子中去掉", "leave it out"),
            )
    if case.follow is None or not pd.api.types.is_numeric_dtype(values):
        return None
    order = _order_of_time(values, case)
    if order < _LIKE_TIME:
        return None
    text = (
        f"与随访时间的长短一致（秩相关 {order:.3f}，有结局者与无结局者均如此）",
        f"it goes with the length of follow-up (rank correlation {order:.3f} at least, with the outcome and without)",
    )
    say = refuse if order >= _MADE_OF_TIME else warn
    return say(
        str(values.name),
        text,
        ("像是由随访时间算出，或在整个随访期内计数：请去掉", "it seems to be made of follow-up, or counted over it: leave it out"),
    )


def _tells_event(values: pd.Series, event: np.ndarray) -> bool:
    """Whether the values that recur, absence among them, part events from others without exception; nearly all rows have one."""
    if min(event.sum(), (~event).sum()) < 5:
        return False
    codes = pd.factorize(values, use_na_sentinel=False)[0]
    rows, ones = np.bincount(codes), np.bincount(codes, weights=event)
    recurring = rows >= 2
    return bool(np.isin(ones[recurring] / rows[recurring], (0.0, 1.0)).all() and rows[recurring].sum() >= 0.9 * len(values))


def _order_of_time(values: pd.Series, case: Case) -> float:
    """Return the lesser of the rank correlations with follow-up among those with the outcome and among the others, 0 where they disagree.

    Who enters late is followed for a shorter time, so that the date of entry follows the censoring honestly: what is the order of the
    index dates is no sign.
    """
    time = pd.Series(case.follow.time)
    entered = pd.Series(pd.to_datetime(case.data.rows["index_at"]).astype("int64").to_numpy(), index=time.index)
    values = values.reset_index(drop=True)
    if entered.nunique() > 1 and abs(values.corr(entered, method="spearman")) > 0.9:
        return 0.0
    orders = [_spearman(values[rows], time[rows]) for rows in (case.event, ~case.event) if rows.sum() >= 10]
    if not orders or len({order > 0 for order in orders}) > 1:
        return 0.0
    least = min(map(abs, orders))
    return least if len(orders) == 2 else least * (least >= _SAME_ORDER)


def _spearman(one: pd.Series, other: pd.Series) -> float:
    both = one.notna() & other.notna()
    if both.sum() < 10 or one[both].nunique() < 2 or other[both].nunique() < 2:
        return 0.0
    return float(one[both].corr(other[both], method="spearman"))
