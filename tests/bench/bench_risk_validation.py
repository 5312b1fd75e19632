"""The optimism bootstrap against the bare loop of fits that it cannot do without; its measures; in one run, side by side.

CPU seconds of one thread. Run: ``python tests/bench/bench_risk_validation.py [PERSONS]``; 5,000 by default. Exit code 1 where the
bootstrap of C takes more than 1.5 times the bare loop.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy is loaded

import sys
import time
import warnings

import numpy as np

from workbench.risk.survival.concordance import antolini, harrell
from workbench.risk.survival.cox import CoxRegression
from workbench.risk.survival.outcome import outcome
from workbench.risk.validation.bootstrap import bootstrap
from workbench.risk.validation.intervals import with_intervals
from workbench.risk.validation.performance import Scoring

COVARIATES, RESAMPLES = 20, 200
CURVE = Scoring(tuple(np.arange(20.0, 401, 20)), (100.0, 200.0, 400.0), (0.1, 0.2, 0.3))


class Cox(CoxRegression):
    """With risks by horizon."""

    def predict_risk(self, X, times):
        return 1 - self.predict_survival(X, times)


def drawn(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x, beta = rng.normal(size=(n, COVARIATES)), rng.normal(size=COVARIATES) * 0.2
    died, lost = rng.exponential(365 * np.exp(-x @ beta)), rng.exponential(900, n)
    return x, outcome(np.ceil(np.minimum(died, lost)), died <= lost)


def bare(x: np.ndarray, y: np.ndarray) -> None:
    """Fit and rank, nothing else."""
    rng = np.random.default_rng(1)
    for _ in range(RESAMPLES):
        rows = rng.integers(0, len(y), len(y))
        risk = x @ CoxRegression().fit(x[rows], y[rows]).coef_
        harrell(y[rows], risk[rows]), harrell(y, risk)


def seconds(call, *arguments, **named) -> float:
    begun = time.process_time()
    call(*arguments, **named)
    return time.process_time() - begun


def main() -> int:
    warnings.simplefilter("ignore")
    n = int(float(sys.argv[1])) if len(sys.argv) > 1 else 5000
    x, y = drawn(n)
    small = drawn(300)
    bootstrap(Cox(), *small, scoring=CURVE, resamples=2, workers=1)  # compilation
    risk = Cox().fit(x, y).predict_risk(x, np.array(CURVE.times))
    for one in (CURVE, CURVE.quick()):
        one.scores(*small[1:], Cox().fit(*small).predict_risk(small[0], np.array(one.times)))
    rank = Scoring((400.0,), measures=("harrell_c",))
    given = {"resamples": RESAMPLES, "workers": 1}
    floor = min(seconds(bare, x, y) for _ in range(2))
    mine = min(seconds(bootstrap, Cox(), x, y, scoring=rank, **given) for _ in range(2))
    told = f"bootstrap of C, {RESAMPLES} x {n:,} x {COVARIATES}: {mine:.1f} CPU-s"
    print(f"{told}, bare loop {floor:.1f}: ratio {mine / floor:.2f} (wanted <= 1.5)")
    print(f"bootstrap of all that a resample affords, 3 horizons: {seconds(bootstrap, Cox(), x, y, scoring=CURVE, **given):.1f} CPU-s")
    print(f"intervals of everything, 20 times, 3 horizons: {seconds(with_intervals, y, risk, scoring=CURVE, **given):.1f} CPU-s")
    grid = Scoring(CURVE.times, measures=("antolini_c",))
    print(
        f"Antolini's C: {1000 * seconds(grid.scores, y, risk):.0f} ms, by pairs {1000 * seconds(antolini, y, 1 - risk, CURVE.times):.0f} ms"
    )
    return int(mine > 1.5 * floor)


if __name__ == "__main__":
    sys.exit(main())
