"""Warnings where a study's model is better than honest models of patients are, or knows nothing."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from workbench.locale import tr
from workbench.risk.models.ridge import STRONGEST

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from workbench.risk.models.multiple import MultiplyImputed
    from workbench.risk.models.pipeline import RiskPipeline

__all__ = ["NothingLearntWarning", "TooGoodWarning", "warn_if_nothing_learnt", "warn_if_too_good"]

#: Honest models of the outcome of patients stay below: of a Chinese cohort, results of the first day reach an AUROC of 0.95, those of the
#: whole stay 0.99.
_HONEST = 0.97

#: Measures of how well persons are told apart, and samples that the model had not seen.
_TELLS, _UNSEEN = ("auroc", "auc", "harrell_c"), ("cross_validation", "holdout")


class TooGoodWarning(UserWarning):
    """Predictors together tell the outcome, though none of them does alone."""


def warn_if_too_good(performance: pd.DataFrame) -> None:
    """Warn of models that tell persons apart nearly without error: what no column gives away, several may.

    The guards look at a column at a time, so that two columns whose difference is the outcome pass them.

    Parameters
    ----------
    performance : DataFrame
        Columns `model`, `sample`, `measure` and `value`.
    """
    unseen = performance[performance["measure"].isin(_TELLS) & performance["sample"].isin(_UNSEEN)]
    for model, value in unseen.groupby("model", sort=False)["value"].max().items():
        if value >= _HONEST:
            warnings.warn(
                tr(
                    f"模型 {model} 的区分度达 {value:.3f}，高于诚实模型通常可及：核对是否有几个预测因子合起来给出结局",
                    f"the model {model} reaches a discrimination of {value:.3f}, more than honest models do: look for predictors that"
                    " together give the outcome",
                ),
                TooGoodWarning,
                stacklevel=2,
            )


class NothingLearntWarning(UserWarning):
    """The penalty that suits a model is the strongest there is."""


def warn_if_nothing_learnt(models: Mapping[str, RiskPipeline | MultiplyImputed]) -> None:
    """Warn of models whose coefficients are shrunk to nearly nothing, for their calibration slopes are then any number.

    Parameters
    ----------
    models : mapping of str to fitted models
        By name.
    """
    for name, model in models.items():
        last = getattr(model, "copies_", [model])[0].steps[-1][1]
        if getattr(last, "alpha_", 0) >= STRONGEST:
            warnings.warn(
                tr(
                    f"模型 {name}：预测因子对结局的解释不优于机遇，系数被压缩到几乎为 0，校准斜率没有意义",
                    f"the model {name}: the predictors tell no more than chance, so coefficients are shrunk to nearly 0 and a calibration"
                    " slope means nothing",
                ),
                NothingLearntWarning,
                stacklevel=2,
            )
