"""What a report asks of a study's result, and the counts of the study's persons that it may show."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from workbench import disclosure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from workbench.cohort.baseline import BaselineTable
    from workbench.cohort.figures import Chart
    from workbench.disclosure import DisclosurePolicy, SafeCount
    from workbench.risk.extraction.dataset import StudyData
    from workbench.risk.models.equation import Equation

__all__ = ["PERFORMANCE_COLUMNS", "SUBGROUP_COLUMNS", "Place", "Population", "ReportContents", "event_of_rows", "population", "safe_words"]

#: Where a chart or a further table belongs.
Place = Literal[
    "description",
    "missing",
    "model",
    "discrimination",
    "calibration",
    "benefit",
    "subgroups",
    "clusters",
    "stability",
    "alarms",
    "updating",
]

#: Columns of :attr:`ReportContents.performance`.
PERFORMANCE_COLUMNS = ("model", "sample", "measure", "horizon_days", "threshold", "value", "low", "high", "note")

#: Columns of :attr:`ReportContents.subgroups`; persons and events are exact, and shown through the policy.
SUBGROUP_COLUMNS = ("variable", "group", "persons", "events", "measure", "horizon_days", "value", "low", "high", "note")


class ReportContents(Protocol):
    """What a report is made of. Charts and tables are safe to show; counts are exact, and the report shows them through the policy."""

    @property
    def data(self) -> StudyData:
        """The data of the study, its protocol among them."""

    @property
    def development(self) -> StudyData:
        """The rows that the model was made of."""

    @property
    def model(self) -> str:
        """Name of the study's model, as the performance calls it."""

    @property
    def equation(self) -> Equation | None:
        """The model as an equation with a baseline at the study's horizons; None where it is none."""

    @property
    def audit(self) -> pd.DataFrame:
        """What the guards found, all text."""

    @property
    def baseline(self) -> BaselineTable | None:
        """The baseline table."""

    @property
    def charts(self) -> Mapping[Place, Sequence[Chart]]:
        """Figures by where they belong."""

    @property
    def tables(self) -> Mapping[Place, Sequence[tuple[str, pd.DataFrame]]]:
        """Further tables, caption and text that passed the policy, by where they belong."""

    @property
    def performance(self) -> pd.DataFrame:
        """Columns :data:`PERFORMANCE_COLUMNS`; samples as :data:`workbench.risk.reporting.performance.SAMPLES` names them."""

    @property
    def subgroups(self) -> pd.DataFrame | None:
        """Columns :data:`SUBGROUP_COLUMNS`."""

    @property
    def sample_size(self) -> pd.DataFrame | None:
        """What was asked of the sample and what it has, all text."""

    @property
    def looks(self) -> int:
        """How often the hold-out was looked at."""

    @property
    def warnings(self) -> Sequence[str]:
        """What the run warned of."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Packages and their versions."""


@dataclass(frozen=True)
class Population:
    """How many persons a study has, as it may be shown.

    Parameters
    ----------
    persons : SafeCount
        All, shown as in the flow of patients.
    outcomes : tuple of (str, SafeCount)
        Persons by what happened to them: each cause in order, and nothing.
    n_events : int
        Persons with the outcome, exact.
    """

    persons: SafeCount
    outcomes: tuple[tuple[str, SafeCount], ...]
    n_events: int


#: A count of persons or their records within a sentence: "3 人", "13 of 432 rows", "2/80".
_COUNTED = re.compile(
    r"(?<![\d.,<≥≤])(\d+)(?=\s*(?:人|例|名|位|行|条|个值|个事件|of\s+\d|/\s*\d|"
    r"(?:early )?(?:patient|person|row|record|event|case|value|people|outcome)s?\b))"
)


def safe_words(text: str, policy: DisclosurePolicy) -> str:
    """Return a sentence of a guard, a warning or a remark with its counts hidden or rounded.

    Examples
    --------
    >>> from workbench.disclosure import DisclosurePolicy
    >>> safe_words("3 of 432 rows lack a predictor; 2.5 times", DisclosurePolicy(threshold=10, rounding=5))
    '<10 of 430 rows lack a predictor; 2.5 times'
    """
    return _COUNTED.sub(lambda found: str(disclosure.suppress_count(int(found[1]), policy=policy)), text)


def event_of_rows(data: StudyData) -> np.ndarray:
    """Return the cause of each row's event, 1 for the outcome and 0 for none, of shape (n,)."""
    return (data.y if data.binary else data.y["event"]).astype(int)


def population(data: StudyData, policy: DisclosurePolicy, *, nothing: str) -> Population:
    """Count persons by outcome; a person with several predictions counts once, by the outcome before any other cause.

    Parameters
    ----------
    data : StudyData
        The study's data.
    policy : DisclosurePolicy
        What may be shown.
    nothing : str
        What persons without any event are called.
    """
    causes = data.cohort.causes or ("",)
    rank = np.where(event_of_rows(data) == 0, len(causes) + 1, event_of_rows(data))
    first = data.rows["person"].groupby(data.rows["person"]).ngroup().to_numpy()
    best = np.full(first.max() + 1 if len(first) else 0, len(causes) + 1)
    np.minimum.at(best, first, rank)
    counts = [int((best == cause).sum()) for cause in range(1, len(causes) + 2)]
    total = disclosure.suppress_flow([int(best.size)], policy=policy)[0].remaining
    shown = disclosure.suppress_table(counts, policy=policy, total=total).cells[0]
    return Population(total, tuple(zip((*causes, nothing), shown, strict=True)), counts[0])
