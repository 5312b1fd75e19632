"""Small models with ``predict_risk``, for tests of what is done with models."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression

from workbench.risk.survival.cox import CoxRegression


class Cox(CoxRegression):
    def predict_risk(self, X, times):
        return 1 - self.predict_survival(X, times)


class Logistic(LogisticRegression):
    def __init__(self, *, C=np.inf, max_iter=200):
        super().__init__(C=C, max_iter=max_iter)

    def predict_risk(self, X, times=None):
        return self.predict_proba(X)[:, 1:]
