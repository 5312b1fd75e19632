"""Disease-risk studies: from a cohort or a table to models, figures that hold, and the report.

Names are loaded on first use. A study is a :class:`~workbench.risk.study.study.Study`; the parts beneath can be used by themselves.

Examples
--------
An equation of a paper, tried on one's own patients, and brought up to date by as little as they ask for:

>>> import numpy as np
>>> import pandas as pd
>>> import workbench as wb
>>> wb.risk.published_names()
('china_par', 'pkuph_nodule')
>>> nodules, rng = wb.risk.published("pkuph_nodule"), np.random.default_rng(0)
>>> X = pd.DataFrame({name: rng.integers(0, 2, 500).astype(float) for name in nodules.predictors})
>>> X = X.assign(age=rng.normal(60, 10, 500), diameter=rng.normal(15, 5, 500))
>>> risk = nodules.predict_risk(X)[:, 0]
>>> found = wb.risk.update(nodules.equations[0], X, rng.random(500) < risk / (4 - 3 * risk))  # a quarter of the odds
>>> found.kind, found.performance.loc["expected_observed"].round(2).tolist()
('intercept', [1.73, 1.0])
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.risk.description.curves import incidence_curves, survival_curves
    from workbench.risk.description.table_one import table_one
    from workbench.risk.guards.audit import audit
    from workbench.risk.models.published import published, published_names
    from workbench.risk.models.updating import update
    from workbench.risk.registry.form import FormItem, form_of
    from workbench.risk.registry.registry import Registry
    from workbench.risk.reporting.card import read_card
    from workbench.risk.study.study import Study
    from workbench.risk.survival.outcome import outcome

#: Public name -> module.
_PLACES = {
    "FormItem": "workbench.risk.registry.form",
    "Registry": "workbench.risk.registry.registry",
    "Study": "workbench.risk.study.study",
    "audit": "workbench.risk.guards.audit",
    "form_of": "workbench.risk.registry.form",
    "incidence_curves": "workbench.risk.description.curves",
    "outcome": "workbench.risk.survival.outcome",
    "published": "workbench.risk.models.published",
    "published_names": "workbench.risk.models.published",
    "read_card": "workbench.risk.reporting.card",
    "survival_curves": "workbench.risk.description.curves",
    "table_one": "workbench.risk.description.table_one",
    "update": "workbench.risk.models.updating",
}

__all__ = [
    "FormItem",
    "Registry",
    "Study",
    "audit",
    "form_of",
    "incidence_curves",
    "outcome",
    "published",
    "published_names",
    "read_card",
    "survival_curves",
    "table_one",
    "update",
]


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name not in _PLACES:
        raise AttributeError(f"module 'workbench.risk' has no attribute {name!r}")
    globals()[name] = getattr(import_module(_PLACES[name]), name)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
