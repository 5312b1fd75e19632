"""Guards: nobody's place in the study, and no predictor, needs a time that they had to survive first."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import xlogy

from workbench.risk.guards.columns import late_name
from workbench.risk.guards.findings import Finding, refuse, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.risk.guards.case import Case

__all__ = ["immortal_exposure", "late_rules", "least_follow_up"]

#: Parts of the outcomes that count as early.
_EARLY = np.linspace(0.05, 0.4, 15)

#: An early hazard ratio is told against this share of the later one: the frail die first, so that honest ratios lie farther from 1 early
#: than late, and about the half by that alone.
_HONEST = 0.5

#: From which normal deviate on it is told (of 180 studies in which nothing leaks the highest had 2.9), and at most which share the early
#: outcomes are of what was expected. Hazards that cross do so honestly: SUPPORT2's disease groups go down to 0.10, while nobody dies
#: before the end of a stay that is counted as a predictor.
_WARN, _REFUSE = (3.3, 0.04), (5.5, 0.01)

#: Events that follow at once upon a time without any, from which on the gap is no chance (exp(-15) = 3e-7).
_FOLLOWING = 15


def late_rules(case: Case) -> Iterator[Finding]:
    """Look for rules of the study that ask for what is known only after the prediction: the length of follow-up, how it ended."""
    for rule in case.data.protocol.rules:
        if rule.column in case.data.protocol.outcome.columns or late_name(rule.column) is not None:
            yield refuse(
                rule.name,
                (
                    f"入组规则使用了预测之后才知道的列“{rule.column}”",
                    f"the rule asks for '{rule.column}', which is known only after the prediction",
                ),
                (
                    "改用预测时刻已知的条件；随访不足者不排除，按删失处理",
                    "ask for what is known at the prediction; who is followed for a short time stays in, and is censored",
                ),
            )


def least_follow_up(case: Case) -> Iterator[Finding]:
    """Look for a time after the prediction in which nobody has the outcome and nobody leaves, and right after which many do.

    Who came into the study had to survive it. It is told once fifteen outcomes fall into as long a time after it. A blackout that the
    protocol asks for is no such time, nor is the grain of times in whole days or months.
    """
    if case.follow is None or not case.event.any():
        return
    first = ~pd.Series(case.persons).duplicated().to_numpy()
    time, event = case.follow.time[first], case.event[first]
    least, grains = float(time.min()), np.diff(np.unique(time))
    if least <= 3 * grains.min(initial=least) or least <= 1.5 * case.data.protocol.outcome.blackout_hours / 24:
        return
    following = int((event & (time <= 2 * least)).sum())
    if following >= _FOLLOWING:
        yield refuse(
            "follow-up",
            (
                f"前 {least:.3g} 天无人发生结局、也无人失访，之后同样长的时间内却有 {following} 例结局",
                f"for {least:.3g} days nobody has the outcome or leaves, and in as long a time after them {following} have it",
            ),
            (
                "像是只收了活过这段时间的人：把预测时刻移到它的末尾（index.plus_hours）",
                "it seems that only who survived them came into the study: move the prediction to their end (index.plus_hours)",
            ),
        )


class _Early(NamedTuple):
    observed: int
    expected: float
    deviate: float


def immortal_exposure(case: Case) -> Iterator[Finding]:
    """Look for predictors whose bearers have hardly any early outcomes although they have later ones: they had to live to get it.

    The early outcomes that are expected are those of the others, times the ratio of the hazards later on; whether the early ratio is less
    than half the later is judged by its likelihood. Tried with 1,000 patients and 500 outcomes or more; with fewer it may stay silent.
    """
    if case.follow is None or case.event.sum() < 20:
        return
    first = case.firsts
    periods = _periods(case.follow.time[first], case.event[first])
    for name in case.data.X:
        tried = [early for exposed in _exposed(case.data.X[name].iloc[first]) for early in _compared(periods, exposed)]
        told = [early for early in tried if _is(early, _WARN)]
        if not told:
            continue
        worst = max(told, key=lambda early: (_is(early, _REFUSE), early.deviate))
        say = refuse if _is(worst, _REFUSE) else warn
        yield say(
            name,
            (
                f"有此特征者早期发生结局 {worst.observed} 例，按其后期的风险应约有 {worst.expected:.0f} 例",
                f"who has it had {worst.observed} early outcomes; by their later risk about {worst.expected:.0f} were expected",
            ),
            (
                "可能要先存活才会有它（永生时间偏倚）：只取预测时刻已知的值",
                "it may be that one had to live to get it (immortal time): take what was known at the prediction only",
            ),
        )


def _is(early: _Early, limit: tuple[float, float]) -> bool:
    return early.deviate > limit[0] and early.observed <= limit[1] * early.expected


def _exposed(column: pd.Series) -> list[np.ndarray]:
    """Return who bears a predictor: who has a value, each of few values, more than none, the upper half. What is lived for is gained."""
    there = column.notna().to_numpy()
    found = [there] if not there.all() else []
    if pd.api.types.is_numeric_dtype(column) and column.nunique() > 2:
        found += [(column > limit).to_numpy() for limit in {0.0, float(column.median())}]
    elif column.nunique() <= 12:
        found += [(column == value).to_numpy() for value in column.dropna().unique()]
    return [exposed for exposed in found if 20 <= exposed.sum() <= len(exposed) - 20]


def _periods(time: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Return outcomes and time spent, early and late, by each part of the outcomes that counts as early: (n, parts, 2 x 2)."""
    cut = np.quantile(time[event], _EARLY)
    early = event[:, None] & (time[:, None] <= cut)
    spent = np.minimum(time[:, None], cut)
    return np.stack([early, event[:, None] & ~early, spent, time[:, None] - spent], axis=-1)


def _compared(periods: np.ndarray, exposed: np.ndarray) -> Iterator[_Early]:
    """Compare the ratio of hazards before a time with that after it: by persons' time, and the likelihood that it halves at most."""
    of, every = periods[exposed].sum(axis=0), periods.sum(axis=0)
    for part in np.stack([of, every - of], axis=-1).reshape(-1, 2, 2, 2):
        events, spent = part
        if events[1].min() < 10 or spent.min() <= 0:
            continue
        late = events[1] / spent[1]
        expected = float(events[0, 1] / spent[0, 1] * late[0] / late[1] * spent[0, 0])
        spent[0, 0] *= _HONEST
        yield _Early(int(events[0, 0]), expected, _deviate(events, spent) * (events[0, 0] < _HONEST * expected))


def _deviate(events: np.ndarray, spent: np.ndarray) -> float:
    """Return the root of the likelihood ratio of one hazard ratio in both periods (rows) against one in each; groups are columns."""
    of, rest = spent.T
    total = events.sum(axis=1)
    whole = events[:, 0].sum()
    square = np.prod(of) * (total.sum() - whole)
    linear = total[0] * of[0] * rest[1] + total[1] * of[1] * rest[0] - whole * (of[0] * rest[1] + of[1] * rest[0])
    ratio = (-linear + np.sqrt(linear**2 + 4 * square * whole * np.prod(rest))) / (2 * square) if square > 0 else np.inf
    if not np.isfinite(ratio):
        return 0.0
    share = ratio * of / (ratio * of + rest)
    fitted = total[:, None] * np.column_stack([share, 1 - share])
    return float(np.sqrt(max(0.0, 2 * np.sum(xlogy(events, events) - xlogy(events, fitted)))))
