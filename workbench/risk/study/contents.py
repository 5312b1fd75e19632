"""A study's result as a report asks for it: under one disclosure policy."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import pandas as pd

from workbench.risk.description.table_one import table_one
from workbench.risk.interpretation.comparison_chart import safe_sites
from workbench.risk.reporting.contents import PERFORMANCE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workbench.cohort.baseline import BaselineTable
    from workbench.cohort.figures import Chart
    from workbench.disclosure import DisclosurePolicy
    from workbench.risk.extraction.dataset import StudyData
    from workbench.risk.models.equation import Equation
    from workbench.risk.reporting.contents import Place
    from workbench.risk.study.result import StudyResult

__all__ = ["StudyContents"]

#: Packages whose versions a report names.
_PACKAGES = ("clinical-workbench", "numpy", "pandas", "scipy", "scikit-learn", "numba", "duckdb", "torch", "lightgbm", "matplotlib")


@dataclass(frozen=True, eq=False)
class StudyContents:
    """What a report is made of; keeps the protocol :class:`workbench.risk.reporting.contents.ReportContents`.

    Parameters
    ----------
    result : StudyResult
        The result.
    policy : DisclosurePolicy
        What may be shown.
    """

    result: StudyResult
    policy: DisclosurePolicy

    @property
    def data(self) -> StudyData:
        """The data of the study."""
        return self.result.data

    @property
    def development(self) -> StudyData:
        """The rows that the models were made of."""
        return self.result.development

    @property
    def model(self) -> str:
        """Name of the study's model."""
        return self.result.model

    @property
    def equation(self) -> Equation | None:
        """The study's model as an equation."""
        return self.result.equation

    @property
    def audit(self) -> pd.DataFrame:
        """What the guards found, all text."""
        return self.result.found.table()

    @property
    def baseline(self) -> BaselineTable:
        """The baseline table, by outcome."""
        return table_one(self.result.data, by="outcome")

    @property
    def charts(self) -> Mapping[Place, Sequence[Chart]]:
        """Figures by where they belong."""
        return self.result.drawn(self.policy).charts

    @property
    def tables(self) -> Mapping[Place, Sequence[tuple[str, pd.DataFrame]]]:
        """Further tables by where they belong."""
        return self.result.drawn(self.policy).tables

    @property
    def performance(self) -> pd.DataFrame:
        """Every measure of every model on every sample."""
        result = self.result
        if result.sites is None:
            return result.performance
        mean = safe_sites(result.sites, policy=self.policy).joined.rename(columns={"estimate": "value", "lower": "low", "upper": "high"})
        over = mean.assign(model=result.model, sample="sites")[list(PERFORMANCE_COLUMNS)]
        return pd.concat([result.performance, over], ignore_index=True)

    @property
    def subgroups(self) -> pd.DataFrame | None:
        """Performance by sub-group."""
        return self.result.subgroups

    @property
    def sample_size(self) -> pd.DataFrame | None:
        """What the sample should have, and has."""
        return self.result.sample_size

    @property
    def looks(self) -> int:
        """How often the hold-out was looked at."""
        return self.result.looks

    @property
    def warnings(self) -> Sequence[str]:
        """What the run warned of, and which figures and tables could not be shown safely."""
        return (*self.result.warned, *self.result.drawn(self.policy).left_out)

    @property
    def environment(self) -> Mapping[str, str]:
        """Packages and their versions."""
        return {name: found for name in _PACKAGES if (found := _version(name))}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
