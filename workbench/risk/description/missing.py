"""What is missing: how much of each predictor, in which combinations, and in which groups."""

from __future__ import annotations

from string import ascii_uppercase
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from workbench import disclosure
from workbench.cohort.baseline import baseline_table
from workbench.cohort.baseline_view import suppress_by_group
from workbench.cohort.figures import Chart, missingness
from workbench.cohort.plotting import ACCENT, GRID, MUTED, PALETTE, new_figure, style, tidy, wrap
from workbench.errors import DataError
from workbench.locale import tr
from workbench.risk.description.curve_drawing import MOST_GROUPS
from workbench.risk.description.people import OUTCOME, chosen, groups_of, people
from workbench.risk.imputation.missing import missing_patterns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from workbench.disclosure import DisclosurePolicy, SafeCount
    from workbench.risk.extraction.dataset import StudyData

__all__ = ["missing_by", "missing_combinations", "missing_shares"]

_MOST_PATTERNS, _MOST_COLUMNS, _LABEL_COLUMNS = 12, 10, 30


def missing_shares(
    data: StudyData | pd.DataFrame,
    *,
    columns: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    policy: DisclosurePolicy | None = None,
) -> Chart:
    """Draw how many persons have no value of each predictor.

    Parameters
    ----------
    data : StudyData or DataFrame
        A study, or a table with one row a person.
    columns : sequence of str, optional
        Which; all predictors where None.
    labels : mapping of str to str, optional
        What is shown for a column.
    policy : DisclosurePolicy, optional
        The centre's where None.

    Returns
    -------
    Chart
        Predictors without a missing value are counted in its note.

    Raises
    ------
    DefinitionError
        If there is no such column.
    """
    found = people(data, labels=labels)
    names = chosen(found, columns)
    return missingness(found.frame[names], labels={name: found.labels.get(name, name) for name in names}, policy=policy)


def missing_by(
    data: StudyData | pd.DataFrame,
    by: str = OUTCOME,
    *,
    columns: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    policy: DisclosurePolicy | None = None,
) -> Chart:
    """Draw which share of each group has no value of a predictor: a difference tells that values are not missing at random.

    Parameters
    ----------
    data : StudyData or DataFrame
        A study, or a table with one row a person.
    by : str
        Column of the groups, at most six; ``outcome`` for the state of a study's persons at the end of follow-up.
    columns, labels, policy
        As in :func:`missing_shares`.

    Returns
    -------
    Chart
        Its table has P and SMD, worked out as in the baseline table; no dot stands for a share that may not be shown.

    Raises
    ------
    DataError
        If no predictor has a missing value, or there are more than six groups.
    DefinitionError
        If there is no such column.
    """
    policy = policy or disclosure.load_policy()
    found = people(data, labels=labels)
    groups = groups_of(data, found, by)
    gone = found.frame[[name for name in chosen(found, columns) if name != by]].isna()
    gone = gone.loc[groups.notna().to_numpy(), gone.any()].astype(float)
    if gone.empty:
        raise DataError("no predictor has a missing value", zh="预测因子没有缺失", hint="leave the figure out")
    named = {name: found.labels.get(name, name) for name in gone}
    table = baseline_table(gone.assign(**{by: groups[gone.index].array}), by=by, columns=list(gone), labels=named)
    if len(table.groups) > MOST_GROUPS:
        raise DataError(
            f"{len(table.groups)} groups to draw; at most {MOST_GROUPS} can be told apart",
            zh=f"有 {len(table.groups)} 组，图中最多能区分 {MOST_GROUPS} 组",
            hint="join some groups",
        )
    shares = []
    for variable in table.variables:
        safe = suppress_by_group([*variable.counts, variable.missing], policy)
        totals = safe.column_totals or (safe.total,)
        cells = safe.cells[0] if safe.column_totals else safe.cells[0][:1]
        shares.append([disclosure.percentage(cell, total) for cell, total in zip(cells, totals, strict=True)])
    shown = table.to_frame(policy=policy).drop(columns=[tr("类别", "Category"), tr("缺失", "Missing")])
    note = tr("点为各组中缺失者的百分比；被抑制的不画。", "Dots: per cent of each group without a value; hidden ones are not drawn.")
    figure = _draw_groups([variable.label for variable in table.variables], table.groups, shares)
    return Chart(tr("各组缺失情况", "Missing values by group"), figure, shown, policy, note)


def missing_combinations(
    data: StudyData | pd.DataFrame,
    *,
    columns: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    policy: DisclosurePolicy | None = None,
) -> Chart:
    """Draw which predictors are missing together, and in how many persons.

    Parameters
    ----------
    data, columns, labels, policy
        As in :func:`missing_shares`.

    Returns
    -------
    Chart
        A row a combination, the commonest first, at most twelve; rare ones are joined, for a combination of few persons may tell who
        they are. Of many incomplete predictors the ten that are missing most often count.

    Raises
    ------
    DataError
        If nothing is missing.
    """
    policy = policy or disclosure.load_policy()
    found = people(data, labels=labels)
    frame = found.frame[chosen(found, columns)]
    missing = frame.isna().sum()
    incomplete = missing[missing > 0].sort_values(ascending=False, kind="stable").index[:_MOST_COLUMNS].tolist()
    if not incomplete:
        raise DataError("no predictor has a missing value", zh="预测因子没有缺失", hint="leave the figure out")
    patterns = missing_patterns(frame, incomplete)
    kept = _common(patterns["patients"].to_numpy(), policy.threshold)
    others = int(patterns["patients"].sum() - patterns["patients"].iloc[kept].sum())
    counts = [*patterns["patients"].iloc[kept].tolist(), *([others] if others else [])]
    total = disclosure.suppress_flow([len(frame)], policy=policy)[0].remaining
    cells = disclosure.suppress_table(counts, policy=policy, total=total).cells[0]
    named = [found.labels.get(name, name) for name in incomplete]
    rows = [_Pattern(tuple(row), cell) for row, cell in zip(patterns.iloc[kept][incomplete].to_numpy(), cells, strict=False)]
    rows += [_Pattern(None, cells[-1])] if others else []
    marks = [["" if row.missing is None else "○" if gone else "●" for gone in row.missing or incomplete] for row in rows]
    heads = [tr("组合", "Combination"), tr("人数", "Persons"), *named]
    names = [tr("其他组合", "Other combinations") if row.missing is None else ascii_uppercase[at] for at, row in enumerate(rows)]
    table = pd.DataFrame([[name, str(row.count), *mark] for name, row, mark in zip(names, rows, marks, strict=True)], columns=heads)
    left_out = int((missing > 0).sum()) - len(incomplete)
    note = tr("空心为缺失，实心为有值。", "Open: missing; filled: there is a value.")
    if left_out:
        note += tr("另有 {0} 个有缺失的变量未计入。", " {0} more incomplete predictors are not counted.").format(left_out)
    figure = _draw_patterns(named, rows, names, policy)
    return Chart(tr("缺失组合", "Missing together"), figure, table, policy, note)


class _Pattern(NamedTuple):
    """Which columns are missing (None of the joined), and in how many persons."""

    missing: tuple[bool, ...] | None
    count: SafeCount


def _common(counts: np.ndarray, threshold: int) -> list[int]:
    """Keep the combinations of enough persons, as long as those joined are enough together."""
    kept = [at for at, count in enumerate(counts) if count >= threshold][:_MOST_PATTERNS]
    while kept and 0 < counts.sum() - counts[kept].sum() < threshold:
        kept.pop()
    return kept


# Drawing --------------------------------------------------------------------------------------------------------------


def _draw_groups(labels: Sequence[str], groups: Sequence[str], shares: Sequence[Sequence[float | None]]) -> Figure:
    wrapped = ["\n".join(wrap(label, _LABEL_COLUMNS)) for label in labels]
    at = np.arange(len(labels))
    with style():
        figure = new_figure(6.0, 0.9 + 0.26 * max(3, sum(label.count("\n") + 1 for label in wrapped)))
        axes = figure.add_subplot()
        tidy(axes, grid="x")
        axes.hlines(at, 0, 100, color=GRID, linewidth=0.8)
        for number, name in enumerate(groups):
            points = [(share[number], place) for share, place in zip(shares, at, strict=True) if share[number] is not None]
            axes.plot(
                *(zip(*points, strict=True) if points else ([], [])), "o", color=PALETTE[number], label="\n".join(wrap(name, 24)), ms=5.5
            )
        axes.set(yticks=at, yticklabels=wrapped, ylim=(len(labels) - 0.4, -0.6), xlim=(-2, 102), xlabel=tr("缺失 (%)", "Missing (%)"))
        figure.legend(loc="outside upper right", ncols=3, fontsize=9)
    return figure


def _draw_patterns(labels: Sequence[str], rows: Sequence[_Pattern], names: Sequence[str], policy: DisclosurePolicy) -> Figure:
    wrapped = ["\n".join(wrap(label, 24)) for label in labels]
    at, width = np.arange(len(rows)), 0.3 * len(labels)
    shown = [row.count.shown or 0 for row in rows]
    with style():
        figure = new_figure(max(3.2, width) + 3.0, 1.8 + 0.3 * len(rows))
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=[max(width, 1.2), 2.2])
        for axes in (left, right):
            tidy(axes, grid="x")
            axes.grid(visible=False)
            axes.spines["left"].set_visible(False)
        for place, row in enumerate(rows):
            for column, gone in enumerate(row.missing or ()):
                left.plot(column, place, "o", ms=7, mfc="white" if gone else GRID, mec=ACCENT if gone else GRID, mew=1.4)
            if row.missing is None:
                left.text((len(labels) - 1) / 2, place, names[place], color=MUTED, ha="center", va="center", fontsize=9)
        left.set_yticks(at, ["" if row.missing is None else name for name, row in zip(names, rows, strict=True)])
        left.set(xlim=(-0.6, len(labels) - 0.4), ylim=(len(rows) - 0.4, -0.6))
        left.set_xticks(np.arange(len(labels)), wrapped, rotation=90, fontsize=8.5)
        right.barh(at, shown, height=0.6, color=ACCENT)
        longest = max([*shown, policy.threshold])
        for place, row in enumerate(rows):
            right.text((row.count.shown or 0) + 0.02 * longest, place, str(row.count), color=MUTED, va="center", fontsize=9)
        right.set(xlim=(0, longest * 1.3), xticks=[], xlabel=tr("人数", "Persons"))
    return figure
