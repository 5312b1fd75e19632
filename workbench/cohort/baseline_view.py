"""A baseline table as people may see it: counts hidden and rounded by the centre's policy, statistics only of enough persons.

A statistic is hidden where fewer than the threshold contribute, and then of further groups too, until those hidden hold the
threshold of persons together and are two or more: the mean of everyone less the means shown would give it away. A P value or an SMD is
shown only where everything that it was worked out from is. Words of too few persons are joined: a rare word may be a name.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench import disclosure
from workbench.cohort.render import render
from workbench.errors import Refusal
from workbench.locale import tr

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workbench.cohort.baseline import BaselineTable, Comparison, Moments, VariableSummary
    from workbench.disclosure import DisclosurePolicy, SafeCount, SafeTable

__all__ = ["footnote", "to_frame", "to_html"]


@dataclass(frozen=True)
class _Row:
    """One line: of a variable, or of one of its categories."""

    label: str
    level: str
    groups: tuple[str, ...]
    missing: str = ""
    p: str = ""
    smd: str = ""

    def cells(self, *, compared: bool, overall: bool) -> tuple[str, ...]:
        return (*(self.groups if overall else self.groups[1:]), self.missing, *((self.p, self.smd) if compared else ()))


@dataclass(frozen=True)
class _Sheet:
    """The table as it may be shown."""

    heads: tuple[str, ...]
    rows: tuple[_Row, ...]
    compared: bool
    tests: frozenset[str] = field(default_factory=frozenset)
    overall: bool = True


def to_frame(table: BaselineTable, *, policy: DisclosurePolicy | None = None) -> pd.DataFrame:
    """Return a baseline table as people may see it.

    Parameters
    ----------
    table : BaselineTable
        Exact numbers.
    policy : DisclosurePolicy, optional
        The centre's where None.

    Returns
    -------
    DataFrame
        One row a variable or category, all text: variable, category, everyone, each group, missing, and P and SMD where there
        are groups.

    Raises
    ------
    PolicyError
        If `policy` is None and the centre has set none.
    """
    sheet = _sheet(table, policy or disclosure.load_policy())
    heads = [head.replace("\n", " ") for head in sheet.heads]
    rows = [(row.label, row.level, *row.cells(compared=sheet.compared, overall=sheet.overall)) for row in sheet.rows]
    return pd.DataFrame(rows, columns=[heads[0], tr("类别", "Category"), *heads[1:]])


def to_html(table: BaselineTable, *, policy: DisclosurePolicy | None = None, styled: bool = True) -> str:
    """Return a baseline table as people may see it, as HTML with its footnote; parameters as `to_frame`."""
    policy = policy or disclosure.load_policy()
    sheet = _sheet(table, policy)
    rows = [
        {"label": row.label, "level": row.level, "cells": row.cells(compared=sheet.compared, overall=sheet.overall)} for row in sheet.rows
    ]
    return render("baseline.html.j2", heads=sheet.heads, rows=rows, note=_note(sheet, table, policy), styled=styled)


def footnote(table: BaselineTable, *, policy: DisclosurePolicy | None = None) -> str:
    """Return what stands beneath a baseline table: its rules, and the tests that were made; parameters as `to_frame`."""
    policy = policy or disclosure.load_policy()
    return _note(_sheet(table, policy), table, policy)


def _sheet(table: BaselineTable, policy: DisclosurePolicy) -> _Sheet:
    compared = len(table.groups) > 1
    sizes = suppress_by_group([table.sizes], policy)
    shown_sizes = [sizes.total, *sizes.cells[0]] if compared else [sizes.total]
    names = [tr("全部", "All"), *table.groups] if compared else [tr("全部", "All")]
    overall = table.overall or not compared
    counted = [f"n={size}" for size in shown_sizes]
    if table.effective:
        counted = [f"{n}, n_eff={n_eff}" for n, n_eff in zip(counted, _effective(table, policy), strict=True)]
    heads = (
        tr("变量", "Variable"),
        *[f"{name}\n({n})" for name, n in zip(names, counted, strict=True)][0 if overall else 1 :],
        tr("缺失", "Missing"),
        *(("P", "SMD") if compared else ()),
    )
    rows: list[_Row] = []
    for variable in table.variables:
        rows += _numbers(variable, policy) if variable.continuous else _categories(variable, policy)
    return _Sheet(heads, tuple(rows), compared, frozenset(v.comparison.test for v in table.variables), overall)


def _effective(table: BaselineTable, policy: DisclosurePolicy) -> list[str]:
    """Return the effective numbers as shown; refuse weights by which few persons speak for a group that is shown."""
    fewest = min(table.effective)
    if fewest < policy.threshold <= min(table.sizes):
        raise Refusal(
            f"the weights let fewer than {policy.threshold} persons speak for a group", hint="truncate the weights, or join the groups"
        )
    return [str(disclosure.suppress_count(int(n), policy=policy)) for n in table.effective]


def suppress_by_group(counts: Iterable[Iterable[int]], policy: DisclosurePolicy) -> SafeTable:
    """Suppress rows by groups; the size of the cohort shows as in its flow chart, so that the two agree and add nothing."""
    grid = np.array([list(row) for row in counts], dtype=np.int64)
    total = disclosure.suppress_flow([int(grid.sum())], policy=policy)[0].remaining
    if grid.shape[1] == 1:
        return disclosure.suppress_table(grid[:, 0], policy=policy, total=total)
    if grid.shape[0] == 1:
        return disclosure.suppress_table(grid[0], policy=policy, total=total)
    return disclosure.suppress_table(grid, policy=policy, total=total, keep=frozenset({"total", "columns"}))


# Numbers --------------------------------------------------------------------------------------------------------------


def _numbers(variable: VariableSummary, policy: DisclosurePolicy) -> list[_Row]:
    parts = variable.moments[1:] or variable.moments
    missing = _missing([[part.n for part in parts], variable.missing], policy)
    hidden = _hidden_groups([part.contributors for part in parts], policy)
    everyone = 0 < variable.moments[0].contributors < policy.threshold
    flags = [everyone, *hidden] if len(variable.moments) > 1 else [everyone]
    cells = tuple(_moments(m, variable.kind, variable.decimals, policy, hide=flag) for m, flag in zip(variable.moments, flags, strict=True))
    p, smd = _comparison(variable.comparison, hide=any(flags))
    name = f"{variable.label} ({variable.unit})" if variable.unit else variable.label
    told = tr("均值 (标准差)", "mean (SD)") if variable.kind == "mean" else tr("中位数 [四分位数]", "median [quartiles]")
    return [_Row(f"{name}, {told}", "", cells, missing, p, smd)]


def _missing(counts: list, policy: DisclosurePolicy) -> str:
    safe = suppress_by_group(counts, policy)
    last = safe.cells[0][-1] if len(counts[0]) == 1 else safe.row_totals[-1]
    return _share(last, safe.total)


def _hidden_groups(sizes: list[int], policy: DisclosurePolicy) -> list[bool]:
    """Hide groups below the threshold, and then others from the last one on, whatever their size, until those hidden are safe together."""
    hidden = [0 < size < policy.threshold for size in sizes]
    for at in reversed(range(len(sizes))):
        together = [size for size, hide in zip(sizes, hidden, strict=True) if hide]
        if not together or (len(together) > 1 and sum(together) >= policy.threshold):
            break
        hidden[at] = hidden[at] or sizes[at] > 0
    return hidden


def _moments(moments: Moments, kind: str, decimals: int, policy: DisclosurePolicy, *, hide: bool) -> str:
    if hide:
        return tr("已抑制", "hidden")
    if not moments.n:
        return "—"
    if kind == "mean":
        return f"{moments.mean:z,.{decimals}f} ({moments.sd:z,.{decimals}f})"
    if disclosure.suppress_quantile(moments.median, q=0.5, contributors=moments.contributors, policy=policy) is None:
        return tr("已抑制", "hidden")
    quartile = disclosure.suppress_quantile(0.0, q=0.25, contributors=moments.contributors, policy=policy) is not None
    spread = f"{moments.q25:z,.{decimals}f}, {moments.q75:z,.{decimals}f}" if quartile else tr("已抑制", "hidden")
    return f"{moments.median:z,.{decimals}f} [{spread}]"


# Categories -----------------------------------------------------------------------------------------------------------


def _categories(variable: VariableSummary, policy: DisclosurePolicy) -> list[_Row]:
    exact, variable = variable, _join_rare(variable, policy)
    safe = suppress_by_group([*variable.counts, variable.missing], policy)
    grouped = len(variable.missing) > 1
    cells = (
        [[row_total, *row] for row_total, row in zip(safe.row_totals, safe.cells, strict=True)] if grouped else [[c] for c in safe.cells[0]]
    )
    totals = [safe.total, *safe.column_totals]
    everyone = sum(map(sum, (*variable.counts, variable.missing)))
    for row, counts in zip(cells, (*variable.counts, variable.missing), strict=True):
        if sum(counts) == everyone and not row[0].hidden:
            row[0] = safe.total  # all of the cohort: shown as the cohort is, not rounded to another grid
    weights = [*variable.weighted, *[(None,) * len(totals)] * (len(cells) - len(variable.weighted))]
    shares = [
        tuple(_share(*each, policy) for each in zip(row, totals, weighted, strict=True))
        for row, weighted in zip(cells, weights, strict=True)
    ]
    missing = shares[-1][0]
    p, smd = _comparison(variable.comparison, hide=variable is not exact or any(cell.hidden for row in cells[:-1] for cell in row))
    label = f"{variable.label}, n (%)"
    if variable.kind == "yes":
        return [_Row(label, "", shares[0], missing, p, smd)]
    blank = ("",) * len(totals)
    levels = [_Row(label, level, share) for level, share in zip(variable.levels, shares[:-1], strict=True)]
    return [_Row(label, "", blank, missing, p, smd), *levels]


def _join_rare(variable: VariableSummary, policy: DisclosurePolicy) -> VariableSummary:
    """Join words of too few persons into one category, so that no rare word is shown, be it a name or a place.

    While the joined are too few together, the last category by place joins them: a name shown tells that its persons are not few, so it
    could not cover them. Neither the number of the joined is told. Declared categories and pairs tell nothing by their names.
    """
    sums = [sum(counts) for counts in variable.counts]
    if variable.declared or len(sums) <= 2 or min(sums) >= policy.threshold:
        return variable
    named = len(sums) - 1 if variable.others else len(sums)
    kept = [at for at in range(named) if sums[at] >= policy.threshold]
    while kept and sum(sums) - sum(sums[at] for at in kept) < policy.threshold:
        kept.pop()
    joined = [variable.counts[at] for at in range(len(sums)) if at not in kept]
    others = tuple(sum(column) for column in zip(*joined, strict=True))
    levels = (*(variable.levels[at] for at in kept), tr("其他", "Others"))
    counts = (*(variable.counts[at] for at in kept), others)
    sums = [tuple(map(sum, zip(*(row for at, row in enumerate(variable.weighted) if at not in kept), strict=True)))]
    weighted = (*(variable.weighted[at] for at in kept), *sums) if variable.weighted else ()
    return replace(variable, levels=levels, counts=counts, weighted=weighted)


def _share(part: SafeCount, whole: SafeCount, weighted: float | None = None, policy: DisclosurePolicy | None = None) -> str:
    """Show a count and its share; of weighted persons the weights' sum, on the same grid, where the persons themselves may be shown."""
    if weighted is not None and part.shown:
        part = disclosure.suppress_count(round(weighted), policy=policy)
    percent = disclosure.percentage(part, whole)
    return str(part) if percent is None or part.shown == 0 else f"{part} ({percent:.1f}%)"


def _comparison(comparison: Comparison, *, hide: bool) -> tuple[str, str]:
    if hide:
        return tr("已抑制", "hidden"), tr("已抑制", "hidden")
    p = "—" if np.isnan(comparison.p) else "<0.001" if comparison.p < 0.001 else f"{comparison.p:.3f}"
    return p, "—" if np.isnan(comparison.smd) else f"{comparison.smd:.2f}"


def _note(sheet: _Sheet, table: BaselineTable, policy: DisclosurePolicy) -> str:
    parts = [
        tr(
            "偏度绝对值大于 1 的数值变量用中位数 [四分位数]，其余用均值 (标准差)；百分比以该列全部人数为分母。",
            "Numbers with absolute skewness above 1: median [quartiles], others: mean (SD); per cent are of all in the column.",
        ),
        tr(
            "{0} 人以下的格与其补充格已抑制，其余计数取整到 {1}。",
            "Counts below {0} and the cells that cover them are hidden, others rounded to {1}.",
        ).format(policy.threshold, policy.rounding),
    ]
    if table.effective:
        parts.append(
            tr(
                "均值、分位数与比例已加权（n_eff：Kish 有效人数），缺失按人数计；检验采用加权抽样的方差。",
                "Means, quantiles and shares are weighted (n_eff: Kish's effective number), missing counts persons; tests use the "
                "variance of weighted sampling.",
            )
        )
    if sheet.compared:
        parts.append(
            tr(
                "P：{0}；未作多重比较校正。SMD：标准化均数差{1}。由被抑制的数得出的 P 与 SMD 不显示。",
                "P: {0}; not adjusted for multiple tests. SMD: standardised mean difference{1}. P and SMD of hidden figures are not shown.",
            ).format(
                tr("、", ", ").join(sorted(filter(None, sheet.tests))) or "—",
                tr("（多组时取两两最大）", " (largest of any pair)") if len(table.groups) > 2 else "",
            )
        )
    return tr("", " ").join(parts)
