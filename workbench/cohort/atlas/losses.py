"""What a translation between circe JSON and our own definition could not carry over."""

from __future__ import annotations

from dataclasses import dataclass, field

from workbench.locale import tr

__all__ = ["Loss", "Losses", "report"]


@dataclass(frozen=True)
class Loss:
    """One part without a counterpart.

    Parameters
    ----------
    path : str
        Where it stands: ``PrimaryCriteria.CriteriaList[0].ConditionOccurrence.StopReason``.
    reason, reason_zh : str
        Why it has no counterpart.
    """

    path: str
    reason: str
    reason_zh: str

    def __str__(self) -> str:
        return f"{self.path}: {tr(self.reason_zh, self.reason)}"


@dataclass
class Losses:
    """Collects losses while a definition is walked, so that a report names all of them and not only the first."""

    found: list[Loss] = field(default_factory=list)

    def add(self, path: str, reason: str, reason_zh: str) -> None:
        """Record a part, once."""
        loss = Loss(path, reason, reason_zh)
        if loss not in self.found:
            self.found.append(loss)


def report(losses: tuple[Loss, ...]) -> str:
    """Write losses as text, one line each.

    Examples
    --------
    >>> from workbench.locale import set_language
    >>> set_language("en")
    >>> print(report((Loss("Exit", "reason", "原因"),)))
    1 part has no counterpart:
      - Exit: reason
    >>> print(report(()))
    every part has a counterpart
    """
    if not losses:
        return tr("所有部分均有对应", "every part has a counterpart")
    count = len(losses)
    head = tr(f"{count} 个部分没有对应：", f"{count} part{'s have' if count > 1 else ' has'} no counterpart:")
    return "\n".join([head, *(f"  - {loss}" for loss in losses)])
