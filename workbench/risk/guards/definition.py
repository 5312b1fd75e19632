"""Guard between the predictors and the outcome's definition: shared codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.risk.guards.findings import Finding, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.risk.guards.case import Case
    from workbench.risk.protocol.parts import Outcome

__all__ = ["shared_codes"]


def shared_codes(case: Case) -> Iterator[Finding]:
    """Look for predictors that read the codes or items by which the outcome, or a competing event, is defined.

    Codes match by prefix, either way.
    """
    defining = {_plain(code) for code in _codes(case.data.protocol.outcome)} - {"", "ALL"}
    for predictor in case.data.protocol.predictors:
        shared = sorted(word for word in predictor.of if any(_overlap(_plain(word), code) for code in defining))
        if shared:
            yield warn(
                predictor.name or ", ".join(shared),
                (
                    f"与结局或竞争事件的定义共用编码：{'、'.join(shared)}",
                    f"it shares codes with what defines the outcome or a competing event: {', '.join(shared)}",
                ),
                (
                    "确认它是既往史，而不是结局本身的记录；否则去掉，或设间隔（gap_hours）",
                    "make sure that it is history and no record of the outcome; else leave it out, or keep a gap (gap_hours)",
                ),
            )


def _codes(outcome: Outcome) -> list[str]:
    """Return the codes and items by which the outcome and its competing events are defined."""
    words: list[Any] = [outcome.codes, *outcome.events.values()]
    for meaning in outcome.competing.values():
        words += meaning.values() if isinstance(meaning, dict) else [meaning]
    return [str(word) for one in words for word in (one if isinstance(one, tuple) else (one,))]


def _plain(code: str) -> str:
    return code.replace(".", "").replace(" ", "").upper()


def _overlap(word: str, code: str) -> bool:
    """Whether one is the beginning of the other, or they are equal: an ICD code has three signs at least."""
    short, long = sorted((word, code), key=len)
    return short == long or (
        len(short) >= 3 and short[0].isascii() and short[0].isalpha() and short[1].isdigit() and long.startswith(short)
    )
