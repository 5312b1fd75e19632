"""A pipeline whose last step predicts risks: everything before it is learnt inside the resample, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn.pipeline import Pipeline

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import ArrayLike

    from workbench.risk.models.equation import Equation

__all__ = ["RiskPipeline"]


class RiskPipeline(Pipeline):
    """Steps that prepare predictors, and a model of risk at their end.

    The model has ``predict_risk(X, times)``: of shape (n, m) by horizon in days, of the first cause where there are several; (n, 1), and no
    times, where the outcome is binary.
    """

    def predict_risk(self, X: pd.DataFrame, times: ArrayLike | None = None) -> np.ndarray:
        """Return the risk of each row by each horizon, of shape (n, m)."""
        for _, step in self.steps[:-1]:
            X = step.transform(X)
        return self.steps[-1][1].predict_risk(X, times)

    def equation(self, horizons_days: ArrayLike = ()) -> Equation | None:
        """Return the model in terms of the pipeline's own predictors; None where it is no equation (trees, nets)."""
        model = self.steps[-1][1]
        if not hasattr(model, "equation"):
            return None
        return model.equation(self, horizons_days)
