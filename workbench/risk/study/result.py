"""What a study found: models, their performance, and the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from workbench import disclosure
from workbench.locale import tr
from workbench.risk.reporting.contents import safe_words
from workbench.risk.reporting.performance import best_sample, estimate, label_of, sample_label
from workbench.risk.study.figures import shown_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import pandas as pd

    from workbench.disclosure import DisclosurePolicy
    from workbench.risk.extraction.dataset import StudyData
    from workbench.risk.guards.findings import Audit
    from workbench.risk.models.equation import Equation
    from workbench.risk.models.multiple import MultiplyImputed
    from workbench.risk.models.pipeline import RiskPipeline
    from workbench.risk.study.figures import Shown
    from workbench.risk.validation.bootstrap import Bootstrap
    from workbench.risk.validation.sites import SiteValidation

__all__ = ["Judged", "StudyResult"]


@dataclass(frozen=True, eq=False)
class Judged:
    """Predictions of rows that the models had not seen.

    Parameters
    ----------
    label : str
        Of the sample.
    data : StudyData
        Its n rows.
    risks : mapping of str to ndarray of shape (n, m)
        By model; a column a horizon, or one.
    horizons : tuple of float
        Days of the columns; empty of a binary outcome.
    """

    label: str
    data: StudyData
    risks: Mapping[str, np.ndarray]
    horizons: tuple[float, ...]

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models."""
        return tuple(self.risks)

    def risk(self, model: str, horizon: float | None = None) -> np.ndarray:
        """Return a model's risks by one horizon, of shape (n,); by the last where None."""
        return self.risks[model][:, -1 if horizon is None else self.horizons.index(horizon)]


@dataclass(frozen=True, eq=False, repr=False)
class StudyResult:
    """What a study found. Person-level within: for use inside the session; :meth:`report` writes what may leave.

    Parameters
    ----------
    data : StudyData
        All rows.
    development : StudyData
        Rows that the models were made of.
    found : Audit
        What the guards found.
    horizons : tuple of float
        In days; empty of a binary outcome.
    pipelines : mapping of str to RiskPipeline or MultiplyImputed
        The models, fitted to the development data; the study's own first.
    performance : DataFrame
        Columns as :data:`workbench.risk.reporting.contents.PERFORMANCE_COLUMNS`.
    judged : Judged
        Predictions for rows that the models had not seen: the hold-out's, or those of cross-validation.
    resampled : Bootstrap or None
        The study's model in resamples.
    sites : SiteValidation or None
        The study's model hospital by hospital, where the protocol asks for it.
    subgroups, sample_size : DataFrame or None
        Performance by sub-group; what the sample should have.
    looks : int
        How often the hold-out was looked at.
    warned : sequence of str
        What the run warned of.
    """

    data: StudyData
    development: StudyData
    found: Audit
    horizons: tuple[float, ...]
    pipelines: Mapping[str, RiskPipeline | MultiplyImputed]
    performance: pd.DataFrame
    judged: Judged
    resampled: Bootstrap | None = None
    sites: SiteValidation | None = None
    subgroups: pd.DataFrame | None = None
    sample_size: pd.DataFrame | None = None
    looks: int = 0
    warned: Sequence[str] = ()
    _drawn: dict = field(default_factory=dict, init=False, repr=False)

    @property
    def model(self) -> str:
        """Name of the study's model."""
        return next(iter(self.pipelines))

    @property
    def fitted(self) -> RiskPipeline | MultiplyImputed:
        """The study's model."""
        return self.pipelines[self.model]

    @cached_property
    def equation(self) -> Equation | None:
        """The study's model as an equation with its baseline at the horizons; None where it is none."""
        return self.fitted.equation(self.horizons)

    @property
    def landmarks(self) -> bool:
        """Whether there are several predictions a patient."""
        return self.data.protocol.index.landmarks is not None

    def drawn(self, policy: DisclosurePolicy | None = None) -> Shown:
        """Return figures and tables under a policy, the centre's where None, and what was left out; made once a policy."""
        policy = policy or disclosure.load_policy()
        if policy not in self._drawn:
            self._drawn[policy] = shown_of(self, policy)
        return self._drawn[policy]

    def predict_risk(self, X: pd.DataFrame, times: Sequence[float] | None = None) -> np.ndarray:
        """Return risks by the study's model; see :class:`~workbench.risk.models.pipeline.RiskPipeline`."""
        return self.fitted.predict_risk(X, self.horizons or None if times is None else times)

    def report(self, folder: str | Path, *, policy: DisclosurePolicy | None = None) -> dict[str, Path]:
        """Write report.html, report.docx, metrics.csv and card.json; see :func:`workbench.risk.reporting.report.write_report`."""
        from workbench.risk.reporting.report import write_report
        from workbench.risk.study.contents import StudyContents

        policy = policy or disclosure.load_policy()
        return write_report(StudyContents(self, policy), folder, policy=policy)

    def told(self, policy: DisclosurePolicy | None = None) -> str:
        """Return the figures that matter most, in a few lines; counts in warnings as a policy shows them, exact where it is None."""
        sample = best_sample(self.performance)
        own = self.performance[(self.performance["model"] == self.model) & (self.performance["sample"] == sample)]
        chosen = own[own["measure"].isin(("harrell_c", "auroc", "auc", "brier", "slope", "observed_expected"))]
        lines = [tr("模型 {0}，{1}", "Model {0}, {1}").format(self.model, sample_label(sample))]
        for row in chosen.itertuples():
            days = "" if row.horizon_days != row.horizon_days else tr(f"（{row.horizon_days:g} 天）", f" ({row.horizon_days:g} days)")
            lines.append(f"  {label_of(row.measure)}{days} {estimate(row.measure, row.value, row.low, row.high)}")
        warned = self.warned if policy is None else [safe_words(each, policy) for each in self.warned]
        return "\n".join([*lines, *(f"! {each}" for each in warned)])

    def __repr__(self) -> str:
        return self.told()

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(self.told())}</pre>"
