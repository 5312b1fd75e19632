"""A pipeline whose last step predicts risks: everything before it is learnt inside the resample, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from sklearn import get_config
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from workbench.errors import DefinitionError

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

    def fit(
        self,
        X: pd.DataFrame,
        y: np.ndarray | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        **params: Any,
    ) -> Self:
        """Fit every step.

        Parameters
        ----------
        X : DataFrame of shape (n, p)
            Predictors.
        y : ndarray of shape (n,)
            Outcomes.
        sample_weight : array-like of float, shape (n,), optional
            For the model.
        groups : array-like of shape (n,), optional
            Whose the rows are, for a model that holds rows of its own out, or tells errors by person; others do without.
        **params : object
            As scikit-learn's pipeline takes them.

        Returns
        -------
        RiskPipeline
            This, fitted.

        Raises
        ------
        DefinitionError
            If there are weights, and the model takes none.
        """
        (name, model), routed = self.steps[-1], get_config()["enable_metadata_routing"]
        if sample_weight is not None:
            if not has_fit_parameter(model, "sample_weight"):
                raise DefinitionError(f"{type(model).__name__} takes no weights", hint="leave the weights out, or choose another model")
            params["sample_weight" if routed else f"{name}__sample_weight"] = sample_weight
        if groups is not None and not routed and has_fit_parameter(model, "groups"):
            params[f"{name}__groups"] = groups
        return super().fit(X, y, **params)

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
