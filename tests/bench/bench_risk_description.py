"""Table one of 100,000 patients x 20 variables with P and SMD, plain and weighted, beside tableone; then a study's figures.

Run: ``python -m tests.bench.bench_risk_description``; one thread (OMP_NUM_THREADS=1). CPU seconds, the least of three.
Exit code 1 where the table takes more than 1 CPU second.
"""

import sys
import time
import warnings

import numpy as np
import pandas as pd

from workbench.disclosure import DisclosurePolicy
from workbench.risk.description.correlation import correlation
from workbench.risk.description.curves import incidence_curves, survival_curves
from workbench.risk.description.missing import missing_by
from workbench.risk.description.table_one import table_one
from workbench.risk.survival.outcome import outcome

PATIENTS = 100_000
POLICY = DisclosurePolicy(threshold=10, rounding=5)


def make_patients(seed: int = 0) -> tuple[pd.DataFrame, list[str], list[str]]:
    """12 numbers (6 skewed), 4 yes-or-no and 4 categories of five, a tenth missing, in two groups."""
    random = np.random.default_rng(seed)
    numbers = {f"normal_{n}": random.normal(60, 10, PATIENTS) for n in range(6)}
    numbers |= {f"skewed_{n}": random.lognormal(5, 1, PATIENTS) for n in range(6)}
    words = {f"binary_{n}": random.integers(0, 2, PATIENTS).astype(float) for n in range(4)}
    words |= {f"choice_{n}": pd.Categorical(random.choice(list("abcde"), PATIENTS)) for n in range(4)}
    frame = pd.DataFrame(numbers | words)
    frame = frame.mask(random.random(frame.shape) < 0.1)
    frame["group"] = random.choice(["A", "B"], PATIENTS)
    return frame, list(numbers), list(words)


def seconds(call) -> float:
    taken = []
    for _ in range(3):
        start = time.process_time()
        call()
        taken.append(time.process_time() - start)
    return min(taken)


def peer(frame: pd.DataFrame, numbers: list[str], words: list[str]) -> float:
    from tableone import TableOne

    start = time.process_time()
    TableOne(
        frame,
        columns=[*numbers, *words],
        categorical=words,
        nonnormal=[name for name in numbers if name.startswith("skewed")],
        groupby="group",
        pval=True,
        smd=True,
    ).tabulate()
    return time.process_time() - start


def main() -> int:
    warnings.simplefilter("ignore")
    frame, numbers, words = make_patients()
    random = np.random.default_rng(1)
    weights = random.uniform(0.3, 4, PATIENTS)
    plain = seconds(lambda: table_one(frame, by="group").to_frame(policy=POLICY))
    weighted = seconds(lambda: table_one(frame, by="group", weights=weights).to_frame(policy=POLICY))
    theirs = peer(frame, numbers, words)
    print(f"table one, {PATIENTS:,} x {len(numbers + words)}, P and SMD, CPU s: {plain:.2f} (wanted 1)   weighted {weighted:.2f}")
    print(f"  tableone {theirs:.2f}   ratio {plain / theirs:.3f}")
    time_days, cause = random.exponential(700, PATIENTS).clip(1e-3, 2500), random.choice([0, 1, 2], PATIENTS)
    y = outcome(time_days, cause)
    print(f"survival by group with test {seconds(lambda: survival_curves(y, frame['group'], policy=POLICY)):.2f} s")
    print(f"incidence of two causes by group {seconds(lambda: incidence_curves(y, frame['group'], policy=POLICY)):.2f} s")
    print(f"missing by group {seconds(lambda: missing_by(frame, 'group', policy=POLICY)):.2f} s")
    print(f"correlation of 20 {seconds(lambda: correlation(frame, columns=[*numbers, *words], policy=POLICY)):.2f} s")
    return int(plain > 1)


if __name__ == "__main__":
    sys.exit(main())
