"""Cox's regression against a fused compiled loop (the floor) and lifelines; concordance, Kaplan-Meier, bootstrap; in one run, side by side.

CPU seconds of one thread. Run: ``python tests/bench/bench_risk.py [PERSONS]``; a million by default, lifelines on a tenth of them.
Exit code 1 where Cox takes more than 1.5 times the floor, or more than a twentieth of lifelines.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy is loaded

import sys
import time
import warnings

import numba
import numpy as np
import pandas as pd

from workbench.risk.survival.concordance import harrell
from workbench.risk.survival.cox import CoxRegression
from workbench.risk.survival.curves import kaplan_meier
from workbench.risk.survival.outcome import outcome

COVARIATES, ROUNDS = 20, 3


@numba.njit(fastmath=True)
def _fused(x, end, event, eta):  # noqa: C901 - one loop is its point
    """Log likelihood, score and information by Efron, rows sorted by falling time, groups of ties ending at `end`."""
    p = x.shape[1]
    s0, s1, s2 = 0.0, np.zeros(p), np.zeros((p, p))
    value, score, information = 0.0, np.zeros(p), np.zeros((p, p))
    d1, d2 = np.zeros(p), np.zeros((p, p))
    begin = 0
    for stop in end:
        d, d0 = 0, 0.0
        d1[:] = 0.0
        d2[:, :] = 0.0
        for i in range(begin, stop):
            w = np.exp(eta[i])
            s0 += w
            for a in range(p):
                s1[a] += w * x[i, a]
                for b in range(a + 1):
                    s2[a, b] += w * x[i, a] * x[i, b]
            if event[i]:
                d += 1
                value += eta[i]
                d0 += w
                for a in range(p):
                    score[a] += x[i, a]
        if d > 1:
            for i in range(begin, stop):
                if event[i]:
                    w = np.exp(eta[i])
                    for a in range(p):
                        d1[a] += w * x[i, a]
                        for b in range(a + 1):
                            d2[a, b] += w * x[i, a] * x[i, b]
        for tie in range(d):
            f = tie / d
            phi = s0 - f * d0
            value -= np.log(phi)
            for a in range(p):
                ma = (s1[a] - f * d1[a]) / phi
                score[a] -= ma
                for b in range(a + 1):
                    information[a, b] += (s2[a, b] - f * d2[a, b]) / phi - ma * (s1[b] - f * d1[b]) / phi
        begin = stop
    return value, score, information


def floor(x: np.ndarray, time_: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Newton's method over the fused loop."""
    scale = x.std(axis=0)
    order = np.argsort(-time_, kind="stable")
    z, when, happened = np.ascontiguousarray((x[order] - x.mean(axis=0)) / scale), time_[order], event[order]
    end = np.r_[np.flatnonzero(when[1:] != when[:-1]) + 1, len(when)]
    beta, before = np.zeros(x.shape[1]), -np.inf
    for _ in range(40):
        value, score, lower = _fused(z, end, happened, z @ beta)
        if value - before < 1e-10 * abs(value):
            break
        beta, before = beta + np.linalg.solve(lower + np.tril(lower, -1).T, score), value
    return beta / scale


def lifelines(x: np.ndarray, time_: np.ndarray, event: np.ndarray) -> np.ndarray:
    from lifelines import CoxPHFitter

    table = pd.DataFrame(x, columns=[f"x{j}" for j in range(x.shape[1])]).assign(time=time_, event=event)
    return CoxPHFitter().fit(table, "time", "event").params_.to_numpy()


def ours(x: np.ndarray, time_: np.ndarray, event: np.ndarray) -> np.ndarray:
    return CoxRegression().fit(x, outcome(time_, event)).coef_


def seconds(call, *arguments) -> tuple[float, object]:
    start = time.process_time()
    result = call(*arguments)
    return time.process_time() - start, result


def drawn(n: int, *, whole_days: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x, beta = rng.normal(size=(n, COVARIATES)), rng.normal(size=COVARIATES) * 0.2
    died, lost = rng.exponential(365 * np.exp(-x @ beta)), rng.exponential(365, n)
    when = np.minimum(died, lost)
    return x, np.ceil(when) if whole_days else when, died <= lost


def bootstrap(n: int = 5000, times: int = 200) -> float:
    """Fit and judge resamples, as Harrell's optimism does."""
    x, when, event = drawn(n, whole_days=True)
    rng, spent = np.random.default_rng(1), time.process_time()
    for _ in range(times):
        rows = rng.integers(0, n, n)
        risk = x @ ours(x[rows], when[rows], event[rows])
        harrell(outcome(when[rows], event[rows]), risk[rows]), harrell(outcome(when, event), risk)
    return time.process_time() - spent


def main() -> int:
    warnings.simplefilter("ignore")
    n = int(float(sys.argv[1])) if len(sys.argv) > 1 else 1_000_000
    small = drawn(1000, whole_days=True)
    floor(*small), lifelines(*small), ours(*small), harrell(outcome(*small[1:]), small[0][:, 0])  # imports and compilation
    missed = False
    for whole_days in (False, True):
        data = drawn(n, whole_days=whole_days)
        rounds = [(seconds(ours, *data), seconds(floor, *data)) for _ in range(ROUNDS)]
        mine, least = (min(pair[which][0] for pair in rounds) for which in (0, 1))
        apart = np.abs(rounds[0][0][1] - rounds[0][1][1]).max()
        part = tuple(array[: n // 10] for array in data)
        peer, mine_of_part = seconds(lifelines, *part)[0], min(seconds(ours, *part)[0] for _ in range(ROUNDS))
        kind = "whole days" if whole_days else "distinct times"
        print(
            f"Cox, Efron, {n:,} x {COVARIATES}, {kind}: {mine:.2f} CPU-s, fused loop {least:.2f}: ratio {mine / least:.2f} (wanted <= 1.5)"
        )
        print(
            f"  coefficients apart {apart:.1e}; lifelines on {n // 10:,}: {peer / mine_of_part:.0f} times as long (distinct: wanted >= 20)"
        )
        missed |= mine > 1.5 * least or (not whole_days and peer < 20 * mine_of_part)
    x, when, event = data
    spent = seconds(harrell, outcome(when, event), x[:, 0])[0], seconds(kaplan_meier, outcome(*drawn(n, whole_days=False)[1:]))[0]
    print(f"Harrell's C {spent[0]:.2f}, Kaplan-Meier {spent[1]:.2f} CPU-s")
    print(f"bootstrap 200 x 5,000: {bootstrap():.1f} CPU-s (wanted <= 3)")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
