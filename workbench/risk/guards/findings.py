"""What the guards found: findings, and an audit that holds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Literal, NamedTuple

from workbench.errors import DataError
from workbench.locale import tr

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

__all__ = ["SEVERITIES", "Audit", "Finding", "Severity", "Text", "note", "refuse", "warn"]

Severity = Literal["refuse", "warn", "note"]


class Text(NamedTuple):
    """A sentence in both languages; ``str`` gives it in the language in force."""

    zh: str
    en: str

    def __str__(self) -> str:
        return tr(self.zh, self.en)


#: From the gravest on: a refusal stops a fit, a warning is printed with every figure, a note is for the reader.
SEVERITIES: dict[Severity, Text] = {"refuse": Text("拒绝", "refused"), "warn": Text("警告", "warning"), "note": Text("提示", "note")}

#: Subjects that are no predictor's or rule's name, as people read them.
SUBJECTS: dict[str, Text] = {
    "rows": Text("数据行", "rows"),
    "outcome": Text("结局", "outcome"),
    "split": Text("数据划分", "split"),
    "validation.split": Text("数据划分（validation.split）", "validation.split"),
    "follow-up": Text("随访", "follow-up"),
    "hold-out": Text("留出集", "hold-out"),
}


class Finding(NamedTuple):
    """What a guard found.

    Parameters
    ----------
    severity : {"refuse", "warn", "note"}
        How grave it is.
    subject : str
        The predictor, or the part of the study.
    found : Text
        What was found, with numbers.
    advice : Text
        What to do.
    guard : str
        The guard's name in the register.
    """

    severity: Severity
    subject: str
    found: Text
    advice: Text
    guard: str = ""

    @property
    def about(self) -> str:
        """The subject, in the language in force."""
        return str(SUBJECTS.get(self.subject, self.subject))


def refuse(subject: str, found: tuple[str, str], advice: tuple[str, str]) -> Finding:
    """Return a finding that stops a fit; texts as (Chinese, English)."""
    return Finding("refuse", subject, Text(*found), Text(*advice))


def warn(subject: str, found: tuple[str, str], advice: tuple[str, str]) -> Finding:
    """Return a finding that is printed with every figure; texts as (Chinese, English)."""
    return Finding("warn", subject, Text(*found), Text(*advice))


def note(subject: str, found: tuple[str, str], advice: tuple[str, str]) -> Finding:
    """Return a finding for the reader; texts as (Chinese, English)."""
    return Finding("note", subject, Text(*found), Text(*advice))


@dataclass(frozen=True)
class Audit:
    """What the guards found in the data of a study. It holds counts and names, no patient's value.

    Parameters
    ----------
    findings : tuple of Finding
        The gravest first.
    ran : tuple of str
        The guards that were asked.
    skipped : tuple of str
        The guards that could not be asked: they need the source, or were left out with ``deep=False``.
    titles : mapping of str to Text
        Guard -> what it makes sure of, as people read it.
    """

    findings: tuple[Finding, ...]
    ran: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    titles: Mapping[str, Text] = field(default_factory=dict)

    @property
    def refused(self) -> tuple[Finding, ...]:
        """The findings that stop a fit."""
        return tuple(finding for finding in self.findings if finding.severity == "refuse")

    @property
    def warned(self) -> tuple[Finding, ...]:
        """The findings that are printed with every figure."""
        return tuple(finding for finding in self.findings if finding.severity == "warn")

    def of(self, guard: str) -> tuple[Finding, ...]:
        """Return what one guard found."""
        return tuple(finding for finding in self.findings if finding.guard == guard)

    def check(self) -> Audit:
        """Return the audit, or raise where something is refused.

        Raises
        ------
        DataError
            Naming each refusal, and what to do about the first.
        """
        if not self.refused:
            return self
        lines = [f"{finding.subject}: {finding.found.en} [{finding.guard}]" for finding in self.refused]
        hint = "; ".join(dict.fromkeys(finding.advice.en for finding in self.refused))
        raise DataError(f"the audit refuses the study's data ({len(lines)} findings): " + "; ".join(lines), hint=hint)

    def table(self) -> pd.DataFrame:
        """Return a row a finding: guard, severity, subject, what was found, what to do, in the language in force."""
        import pandas as pd

        heads = tr("检查项", "guard"), tr("级别", "severity"), tr("对象", "subject"), tr("发现", "found"), tr("处理建议", "what to do")
        rows = [(self._title(f.guard), str(SEVERITIES[f.severity]), f.about, str(f.found), str(f.advice)) for f in self.findings]
        return pd.DataFrame(rows, columns=list(heads))

    def _title(self, guard: str) -> str:
        return str(self.titles.get(guard, guard))

    def _repr_html_(self) -> str:
        counts = [f"{text} {sum(f.severity == name for f in self.findings)}" for name, text in SEVERITIES.items()]
        head = tr(f"数据审查：运行 {len(self.ran)} 项检查；", f"Audit: {len(self.ran)} guards ran; ") + tr("，", ", ").join(counts)
        skipped = tr("未运行：", "Not run: ") + tr("；", "; ").join(map(self._title, self.skipped)) if self.skipped else ""
        table = self.table().to_html(index=False, escape=True, border=0) if self.findings else ""
        return f"<div><p><b>{escape(head)}</b></p>{table}<p>{escape(skipped)}</p></div>"

    def __str__(self) -> str:
        lines = [f"[{SEVERITIES[f.severity]}] {f.about}{tr('：', ': ')}{f.found} → {f.advice}" for f in self.findings]
        return "\n".join(lines) or tr(f"{len(self.ran)} 项检查均未发现问题", f"{len(self.ran)} guards found nothing")
