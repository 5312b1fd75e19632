"""Where a report tells what: kept while it is written, asked by the checklists at its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

    from workbench.disclosure import DisclosurePolicy
    from workbench.report import Report
    from workbench.risk.reporting.contents import Population, ReportContents

__all__ = ["FACTS", "Fact", "Writer"]

#: What a run can tell; the checklists' `filled_by` are of these.
_NAMES = """
    title objective source dates eligibility flow follow_up outcome predictors clocks cleaning missing model resampling split
    split_differences split_baseline clusters measures updating prediction imbalance output sample_size counts baseline equation performance
    subgroups calibration benefit stability audit protocol code limitations input_quality
"""
FACTS = frozenset(_NAMES.split())


class Fact(NamedTuple):
    """Something told: its section, and what is told there in a few words (such as the table's number)."""

    place: str
    evidence: str


@dataclass
class Writer:
    """A report in the making, what it is made of, and what it has told so far.

    Parameters
    ----------
    report : Report
        Being written.
    contents : ReportContents
        The study's result.
    policy : DisclosurePolicy
        What may be shown.
    people : Population
        How many persons, as may be shown.
    performance : DataFrame
        The contents' performance, ordered by sample.
    """

    report: Report
    contents: ReportContents
    policy: DisclosurePolicy
    people: Population
    performance: pd.DataFrame
    told: dict[str, list[Fact]] = field(default_factory=dict)

    def tell(self, *facts: str, evidence: str = "") -> None:
        """Note that the report has just told something, here.

        Raises
        ------
        KeyError
            If a fact is none of :data:`FACTS`: a checklist would never ask for it.
        """
        for fact in facts:
            if fact not in FACTS:
                raise KeyError(fact)
            self.told.setdefault(fact, []).append(Fact(self.report.place, evidence))

    def show(self, place: str, *facts: str) -> int:
        """Add the figures and tables that belong to a place; return how many there were."""
        shown = 0
        for chart in self.contents.charts.get(place, ()):
            self.report.add(chart)
            self.tell(*facts, evidence=self.report.last_number)
            shown += 1
        for caption, table in self.contents.tables.get(place, ()):
            self.report.table(table, caption)
            self.tell(*facts, evidence=self.report.last_number)
            shown += 1
        return shown
