"""The audit: a register of guards, and the walk along it that every fit makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from workbench.errors import DataError
from workbench.risk.guards import (
    clocks,
    columns,
    counts,
    definition,
    duplicates,
    encoding,
    fitting,
    identity,
    immortal,
    landmarks,
    outcomes,
    proxies,
    purity,
    splits,
    truncation,
)
from workbench.risk.guards.case import Case
from workbench.risk.guards.findings import SEVERITIES, Audit, Finding, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from workbench.risk.extraction.dataset import Source, StudyData

__all__ = ["GUARDS", "Guard", "audit", "check_model", "check_split"]


class Guard(NamedTuple):
    """An entry of the register.

    Parameters
    ----------
    name : str
        What it is called in findings.
    title : Text
        What it makes sure of.
    find : callable
        Yields findings.
    needs : str
        ``""``, or what it cannot do without: ``source`` (it extracts again, so it is left out with ``deep=False``), ``poisonable`` (such a
        source that takes poison), ``model`` or ``split``.
    """

    name: str
    title: Text
    find: Callable[[Case], Iterator[Finding]]
    needs: str = ""


#: All guards. The documentation's table is made of it.
GUARDS: tuple[Guard, ...] = (
    Guard("as_of", Text("各值在预测之前已可得", "every value was available before the prediction"), clocks.as_of),
    Guard("after_discharge", Text("没有出院后才知道的列", "no column is known only after discharge"), columns.after_discharge),
    Guard("outcome_copy", Text("没有预测因子就是结局", "no predictor is the outcome itself"), columns.outcome_copies),
    Guard("truncation", Text("删去或打乱之后的数据，预测因子不变", "what came later changes nothing"), truncation.truncation, "source"),
    Guard("same_again", Text("重新取数，结果相同", "extracted again, the data are the same"), truncation.same_again, "source"),
    Guard("poison", Text("把结局混入之后的数据，预测因子不变", "the outcome put in later changes none"), truncation.poison, "poisonable"),
    Guard("proxy", Text("没有单凭自己就几乎判定结局的预测因子", "no predictor alone nearly settles the outcome"), proxies.proxies),
    Guard("pure_values", Text("没有只见于一种结局的取值", "no value stands with one outcome alone"), purity.pure_values),
    Guard("counts", Text("计数只计到预测时刻", "counts end at the prediction"), counts.counts_without_clock),
    Guard("identifier", Text("预测因子不是编号", "no predictor is an id"), identity.identifiers),
    Guard("date_number", Text("预测因子不是日期", "no predictor is a date"), identity.dates_as_numbers),
    Guard("row_order", Text("行的顺序不泄漏结局", "the order of rows does not tell the outcome"), identity.row_order),
    Guard("outcome_encoding", Text("没有用全部数据的结局编码的列", "no column was encoded by the outcome"), encoding.encoded_by_outcome),
    Guard("split_persons", Text("同一患者不在划分的两侧", "nobody stands on both sides of the split"), splits.parted_persons, "split"),
    Guard("split_times", Text("留出集晚于建模集", "what is held out is later"), splits.parted_times, "split"),
    Guard("split_sites", Text("院区不跨两侧", "no hospital stands on both sides"), splits.parted_sites),
    Guard("split_promise", Text("划分方式与数据相符", "the split suits the data"), splits.promised_split),
    Guard("duplicates", Text("没有患者以两个编号出现", "nobody stands in the data under two ids"), duplicates.duplicates),
    Guard("split_duplicates", Text("没有患者以两个编号分在两侧", "no one is on both sides twice"), duplicates.duplicates_across, "split"),
    Guard("fitted_before", Text("模型未在重抽样前拟合", "the model was not fitted before the resampling"), fitting.fitted_before, "model"),
    Guard("scaled_before", Text("未用全部数据标准化", "nothing was scaled over all rows"), fitting.scaled_before),
    Guard("imputed_before", Text("未用全部数据填补", "nothing was filled in over all rows"), fitting.imputed_before),
    Guard("landmarks", Text("每次预测时结局尚未发生", "every prediction is made before the outcome"), landmarks.landmark_rows),
    Guard("late_rules", Text("入组规则只用当时已知的信息", "rules ask for what was known only"), immortal.late_rules),
    Guard("least_follow_up", Text("入组不要求先存活一段时间", "nobody had to survive a while to enter"), immortal.least_follow_up),
    Guard("immortal_exposure", Text("没有要先存活才会有的预测因子", "no predictor had to be lived for"), immortal.immortal_exposure),
    Guard("shared_codes", Text("预测因子与结局定义不共用编码", "no predictor shares codes with the outcome"), definition.shared_codes),
    Guard("soon_outcomes", Text("结局不紧随预测发生", "outcomes do not come right after the prediction"), outcomes.soon_outcomes),
    Guard("enough_events", Text("结局数足够", "there are enough outcomes"), outcomes.enough_events),
    Guard("finite_values", Text("没有无穷值", "no value is infinite"), outcomes.finite_values),
    Guard("holdout_looks", Text("留出集未被反复查看", "the hold-out was not looked at again and again"), outcomes.holdout_looks),
)  # fmt: skip


#: Guards that find, each in its way, a column that tells the outcome.
_ALIKE = ("outcome_copy", "proxy", "pure_values")

_RANKS = list(SEVERITIES)


def audit(
    data: StudyData,
    source: Source | None = None,
    *,
    deep: bool = True,
    model: object | None = None,
    split: tuple[np.ndarray, np.ndarray] | None = None,
    looks: int = 0,
) -> Audit:
    """Ask every guard what is wrong with the data of a study.

    Parameters
    ----------
    data : StudyData
        The data.
    source : Source, optional
        Where they came from; without it what extracts again is skipped, and said to be.
    deep : bool
        Whether to extract again: four to twelve extractions.
    model : estimator, optional
        What is about to be fitted.
    split : pair of ndarray of int, optional
        Positions of the rows for learning, and of those held out.
    looks : int
        How often the hold-out was looked at before.

    Returns
    -------
    Audit
        ``audit(...).check()`` raises where something is refused.
    """
    return _walk(Case.of(data, source=source if deep else None, model=model, split=split, looks=looks), GUARDS)


def check_split(data: StudyData, train: np.ndarray, test: np.ndarray) -> Audit:
    """Ask the guards of splits alone.

    Parameters
    ----------
    data : StudyData
        The data.
    train, test : ndarray of int
        Positions of the rows for learning, and of those held out.

    Returns
    -------
    Audit

    Raises
    ------
    DataError
        If a position is not one of a row.
    """
    return _walk(Case.of(data, split=_checked(data, train, test)), tuple(guard for guard in GUARDS if guard.needs == "split"))


def check_model(data: StudyData, model: object) -> Audit:
    """Ask the guards of what is about to be fitted alone."""
    return _walk(Case.of(data, model=model), tuple(guard for guard in GUARDS if guard.needs == "model"))


def _walk(case: Case, guards: tuple[Guard, ...]) -> Audit:
    able = {"": True, "source": case.source is not None, "model": case.model is not None, "split": case.split is not None}
    able["poisonable"] = isinstance(case.source, truncation.Poisonable)
    ran = [guard for guard in guards if able[guard.needs]]
    found = list(_once(finding._replace(guard=guard.name) for guard in ran for finding in guard.find(case)))
    found.sort(key=lambda finding: _RANKS.index(finding.severity))
    skipped = tuple(guard.name for guard in guards if guard not in ran)
    return Audit(tuple(found), tuple(guard.name for guard in ran), skipped, {guard.name: guard.title for guard in guards})


def _once(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Leave out what a guard says of a column of which one like it has said as much."""
    said: dict[str, str] = {}
    for finding in findings:
        if finding.guard in _ALIKE:
            before = said.get(finding.subject)
            if before and _RANKS.index(before) <= _RANKS.index(finding.severity):
                continue
            said[finding.subject] = finding.severity
        yield finding


def _checked(data: StudyData, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    sides = np.asarray(train), np.asarray(test)
    n = len(data.rows)
    for name, side in zip(("train", "test"), sides, strict=True):
        if side.dtype == bool:
            raise DataError(f"{name} is a mask; wanted positions of rows", hint="numpy.flatnonzero(mask)")
        if len(side) == 0 or side.min() < 0 or side.max() >= n:
            raise DataError(f"{name} holds {len(side)} positions, not all of them within the {n} rows", hint="give positions from 0 on")
    return sides
