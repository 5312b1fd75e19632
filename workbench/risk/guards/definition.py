"""Guards between the predictors and the outcome's definition: shared codes, and outcomes that come too soon to be predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.risk.guards.findings import Finding, note, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.risk.guards.case import Case
    from workbench.risk.protocol.parts import Outcome

__all__ = ["shared_codes", "soon_outcomes"]


def shared_codes(case: Case) -> Iterator[Finding]:
    """Look for predictors that read the codes or items by which the outcome is defined; codes match by prefix, either way."""
    defining = {_plain(code) for code in _codes(case.data.protocol.outcome)} - {"", "ALL"}
    for predictor in case.data.protocol.predictors:
        shared = sorted(word for word in predictor.of if any(_overlap(_plain(word), code) for code in defining))
        if shared:
            yield warn(
                predictor.name or ", ".join(shared),
                (f"与结局定义共用编码：{'、'.join(shared)}", f"it shares codes with the outcome's definition: {', '.join(shared)}"),
                (
                    "确认是既往史而非结局本身的记录；否则去掉，或设空窗（gap_hours）",
                    "make sure that it is history and no record of the outcome; else leave it out, or keep a gap (gap_hours)",
                ),
            )


def _codes(outcome: Outcome) -> list[str]:
    """Return the codes and items of the outcome's definition."""
    return [*outcome.codes, *(word for words in outcome.events.values() for word in words)]


def _plain(code: str) -> str:
    return code.replace(".", "").replace(" ", "").upper()


def _overlap(word: str, code: str) -> bool:
    """Whether one is the beginning of the other, or they are equal: an ICD code has three signs at least."""
    short, long = sorted((word, code), key=len)
    return short == long or (
        len(short) >= 3 and short[0].isascii() and short[0].isalpha() and short[1].isdigit() and long.startswith(short)
    )


def soon_outcomes(case: Case) -> Iterator[Finding]:
    """Tell the share of outcomes within a day of the prediction: the signs of an outcome that has begun are no prediction."""
    if case.follow is None or not case.event.any() or case.data.protocol.outcome.blackout_hours >= 24:
        return
    soon = float((case.follow.time[case.event] <= 1).mean())
    if soon > 0:
        yield note(
            "outcome",
            (f"{soon:.1%} 的结局发生在预测后 24 小时内", f"{soon:.1%} of the outcomes come within 24 h of the prediction"),
            ("考虑设空白期（blackout_hours: 24），并报告其影响", "consider a blackout (blackout_hours: 24), and report what it changes"),
        )
