"""How much each predictor adds to each prediction: SHAP values of any model of the catalogue, in terms of the study's predictors."""

from __future__ import annotations

import warnings
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from workbench.errors import DefinitionError
from workbench.risk.models.equation import Equation
from workbench.risk.models.extras import needed
from workbench.risk.models.preparation import own_factors

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from workbench.risk.models.equation import Term
    from workbench.risk.models.pipeline import RiskPipeline

__all__ = ["ShapValues", "shap_values"]

#: Rows that stand for all others where a model can only be asked.
_BACKGROUND = 100
#: Probabilities are kept so far from 0 and 1, where a link has no value.
_EDGE = 1e-9


class ShapValues(NamedTuple):
    """SHAP values.

    Parameters
    ----------
    values : ndarray of float, shape (n, p)
        What each predictor adds in each row.
    base : float
        What they are added to: each row's sum is the model's output there.
    features : tuple of str
        The predictors.
    scale : {"log odds", "log hazard", "log cumulative hazard"}
        Of the output.
    """

    values: np.ndarray
    base: float
    features: tuple[str, ...]
    scale: str


def shap_values(
    pipeline: RiskPipeline, X: pd.DataFrame, *, background: pd.DataFrame | None = None, horizon_days: float | None = None, seed: int = 0
) -> ShapValues:
    """Return SHAP values of a fitted model.

    Parameters
    ----------
    pipeline : RiskPipeline
        Fitted, from :func:`workbench.risk.models.catalogue.make_model`.
    X : DataFrame of shape (n, q)
        Predictors.
    background : DataFrame, optional
        Rows against which predictions are explained, `X` by default; of trees, the training data.
    horizon_days : float, optional
        Of the risk that is explained; needed for a model of times that is neither trees nor an equation.
    seed : int
        Of the background's sample and of the order of predictors, for such a model.

    Returns
    -------
    ShapValues
        Of trees exactly (path-dependent); of an equation exactly (predictors taken as independent); of others by permutations forth and
        back against 100 rows of the background, so that sums are exact and parts are estimates.

    Raises
    ------
    DefinitionError
        If a horizon is needed.
    EnvironmentFault
        If the package shap is needed and not installed.

    Notes
    -----
    Lundberg and Lee (2017), NeurIPS 30; Lundberg et al. (2020), Nature Machine Intelligence 2:56; interactions of an equation are shared by
    Shapley's formula. The risk of a net is explained as log odds, or as the logarithm of the cumulative hazard.

    Examples
    --------
    >>> import pandas as pd
    >>> from workbench.risk.models.catalogue import make_model
    >>> from workbench.risk.protocol.parts import ModelChoice
    >>> X = pd.DataFrame({"age": np.arange(50.0, 90), "crp": np.tile([1.0, 5.0, 9.0, 2.0], 10)})
    >>> model = make_model(ModelChoice(name="logistic"), binary=True, causes=1).fit(X, np.tile([False, True, True, False, True], 8))
    >>> found = shap_values(model, X)
    >>> bool(np.allclose(found.values.sum(axis=1) + found.base, np.log(model.predict_risk(X) / (1 - model.predict_risk(X)))[:, 0]))
    True
    """
    prepared, model = pipeline[:-1].transform(X), pipeline[-1]
    background = X if background is None else background
    if hasattr(model, "contributions"):
        values, base = model.contributions(prepared)
        return ShapValues(values, base, tuple(map(str, prepared.columns)), "log hazard" if model.baseline_ is not None else "log odds")
    if hasattr(model, "equation"):
        times = () if horizon_days is None else [horizon_days]
        equation = pipeline.equation(times or [getattr(model, "last_time_", 1.0)])
        if isinstance(equation, Equation):
            return _of_equation(equation, *(_completed(pipeline, table) for table in (X, background)))
    return _by_permutation(pipeline, prepared, background, horizon_days, seed)


def _completed(pipeline: RiskPipeline, X: pd.DataFrame) -> pd.DataFrame:
    """Return predictors as the equation takes them: completed where no one value of it stands for a gap."""
    return X if hasattr(pipeline["impute"], "fill_") else pipeline[:-2].transform(X)


def _of_equation(equation: Equation, X: pd.DataFrame, background: pd.DataFrame) -> ShapValues:
    features = tuple(dict.fromkeys(factor.feature for term in equation.terms for factor in term.factors))
    values, base = np.zeros((len(X), len(features))), equation.intercept
    for term in equation.terms:
        parts, mean = _shared(term, X, background)
        base += mean
        for feature, part in parts.items():
            values[:, features.index(feature)] += part
    return ShapValues(values, float(base), features, "log odds" if equation.kind == "logistic" else "log hazard")


def _shared(term: Term, X: pd.DataFrame, background: pd.DataFrame) -> tuple[dict[str, np.ndarray], float]:
    """Share a term among its predictors by Shapley's formula: what each value changes against the background's, in each order."""
    names = list(dict.fromkeys(factor.feature for factor in term.factors))
    own, others = (
        {name: np.prod([factor.values(table) for factor in term.factors if factor.feature == name], axis=0) for name in names}
        for table in (X, background)
    )

    def known(chosen: tuple[str, ...]) -> np.ndarray:
        rest = np.prod([others[name] for name in names if name not in chosen], axis=0)
        return term.coefficient * np.mean(rest) * np.prod([np.ones(len(X)), *(own[name] for name in chosen)], axis=0)

    parts = {}
    for name in names:
        rest = [other for other in names if other != name]
        gains = [
            (known((*chosen, name)) - known(chosen)) / (len(names) * comb(len(rest), size))
            for size in range(len(names))
            for chosen in combinations(rest, size)
        ]
        parts[name] = np.sum(gains, axis=0)
    return parts, float(known(())[0])


def _by_permutation(
    pipeline: RiskPipeline, prepared: pd.DataFrame, background: pd.DataFrame, horizon_days: float | None, seed: int
) -> ShapValues:
    asked = _output(pipeline[-1], horizon_days)
    random = np.random.default_rng(seed)
    chosen = random.choice(len(background), min(_BACKGROUND, len(background)), replace=False)
    others = pipeline[:-1].transform(background.iloc[chosen])
    shap = _shap()
    state = np.random.get_state()
    try:
        masker = shap.maskers.Independent(others.to_numpy(float), max_samples=len(chosen))
        explainer = shap.PermutationExplainer(asked, masker, seed=seed)
        found = explainer(prepared.to_numpy(float), max_evals=2 * prepared.shape[1] + 1, silent=True)
    finally:
        np.random.set_state(state)
    of_column = [factor.feature for factor in own_factors(pipeline)]
    features = tuple(dict.fromkeys(of_column))
    values = np.column_stack([found.values[:, [name == feature for name in of_column]].sum(axis=1) for feature in features])
    scale = "log odds" if horizon_days is None else "log cumulative hazard"
    return ShapValues(values, float(np.mean(found.base_values)), features, scale)


def _output(model: object, horizon_days: float | None) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function that is explained: log odds of the risk, or, by a horizon, the logarithm of the cumulative hazard."""
    timed = not np.isnan(getattr(model, "last_time_", np.nan))
    if timed and horizon_days is None:
        raise DefinitionError("the risk of a model of times is explained at a horizon", hint="give horizon_days")
    names = getattr(model, "feature_names_in_", None)

    def asked(columns: np.ndarray) -> np.ndarray:
        given = columns if names is None else pd.DataFrame(columns, columns=names)
        risk = np.clip(model.predict_risk(given, [horizon_days] if timed else None)[:, 0], _EDGE, 1 - _EDGE)
        return np.log(-np.log1p(-risk)) if timed else np.log(risk / (1 - risk))

    return asked


def _shap() -> ModuleType:
    with warnings.catch_warnings():
        # shap 0.51 asks matplotlib for what will go, and spares nobody who imports it.
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        return needed("shap")
