"""The flow of patients into a study, and what cleaning did to their values, as people may see them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pandas as pd

from workbench import disclosure
from workbench.cohort.attrition import Attrition, Step
from workbench.cohort.figures import Chart
from workbench.errors import DataError
from workbench.locale import tr
from workbench.risk.cleaning.changes import RULES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workbench.disclosure import DisclosurePolicy
    from workbench.risk.cleaning.changes import Change
    from workbench.risk.extraction.dataset import FlowStep

__all__ = ["cleaning_log", "flow_chart"]


def flow_chart(flow: Sequence[FlowStep], *, title: str = "", policy: DisclosurePolicy | None = None) -> Chart:
    """Draw how many persons were left after each step.

    Parameters
    ----------
    flow : sequence of FlowStep
        From all to those that are left; persons never increase.
    title : str
        Of the figure.
    policy : DisclosurePolicy, optional
        The centre's where None.

    Returns
    -------
    Chart
        Counts on the grid of :func:`workbench.disclosure.suppress_flow`. Predictions (rows) are told beside the persons, unless
        landmarks made more of them on the way.

    Raises
    ------
    DataError
        If there is no step.

    Examples
    --------
    >>> from workbench.disclosure import DisclosurePolicy
    >>> from workbench.risk.extraction.dataset import FlowStep
    >>> steps = [FlowStep("全部", 1234, 1234), FlowStep("年龄 ≥18 岁", 1180, 1180)]
    >>> flow_chart(steps, policy=DisclosurePolicy(threshold=10, rounding=5)).counts.iloc[:, 1].tolist()
    ['1,230', '1,180']
    """
    if not flow:
        raise DataError("the flow has no step", hint="it begins with all rows")
    policy = policy or disclosure.load_policy()
    by_rows = all(later.rows <= earlier.rows for earlier, later in pairwise(flow))
    kinds = ["entry", *["require"] * (len(flow) - 2), "cohort"][: len(flow)]
    steps = [Step(step.name, kind, step.persons, step.rows if by_rows else step.persons) for step, kind in zip(flow, kinds, strict=True)]
    name = title or tr("纳入排除流程", "Flow of patients")
    attrition = Attrition(name, tuple(steps))
    shown = attrition.table(policy=policy)
    heads = {"step": tr("步骤", "Step"), "persons": tr("人数", "Persons"), "excluded": tr("排除", "Excluded")}
    if (shown["persons"] != shown["index_dates"]).any():
        heads["index_dates"] = tr("预测次数", "Predictions")
    note = tr("计数取整到 {0}；排除数由所示人数相减得出。", "Counts are rounded to {0}; the excluded are the differences of what is shown.")
    return Chart(name, attrition.figure(policy=policy), shown[list(heads)].rename(columns=heads), policy, note.format(policy.flow_grid))


def cleaning_log(changes: Sequence[Change], *, policy: DisclosurePolicy | None = None) -> pd.DataFrame:
    """Tell what cleaning did: which rule to which column, and to how many values.

    Parameters
    ----------
    changes : sequence of Change
        Of :func:`workbench.risk.cleaning.clean.clean`.
    policy : DisclosurePolicy, optional
        The centre's where None.

    Returns
    -------
    DataFrame
        All text; what somebody has to decide first. A count of values is treated as one of persons, and hidden as well where its rest is
        small.
    """
    policy = policy or disclosure.load_policy()
    order = sorted(changes, key=lambda change: RULES[change.rule].kind != "doubtful")
    kinds = {"doubtful": tr("待定", "to decide"), "changed": tr("已改", "changed"), "told": tr("说明", "told")}
    rows = []
    for change in order:
        safe = disclosure.suppress_table([change.count, max(change.of - change.count, 0)], policy=policy)
        rule = RULES[change.rule]
        rows.append((change.column, kinds[rule.kind], tr(rule.zh, rule.en), str(safe.cells[0][0]), str(safe.total), change.note))
    heads = [tr("列", "Column"), tr("类型", "Kind"), tr("规则", "Rule"), tr("值数", "Values"), tr("共", "Of"), tr("备注", "Note")]
    return pd.DataFrame(rows, columns=heads)
