"""describe() on 10,000 patients x 30 variables against tableone, interleaved in one run; prints medians and their ratio.

Both make the grouped table with P values and SMD and write it as text; ours also applies the disclosure policy.
Run: ``python -m tests.bench.bench_describe``. Exit code 1 where ours takes half of tableone's time or more.
"""

import statistics
import sys
import time
import warnings

import numpy as np
import pandas as pd

from workbench.cohort.baseline import baseline_table
from workbench.disclosure import DisclosurePolicy

PATIENTS, VARIABLES, ROUNDS = 10_000, 30, 7
POLICY = DisclosurePolicy(threshold=10, rounding=5)


def make_patients(seed: int = 0) -> tuple[pd.DataFrame, list[str], list[str], list[str]]:
    """18 numbers (9 of them skewed), 6 yes-or-no and 6 categories of five, a tenth missing, in two groups."""
    random = np.random.default_rng(seed)
    normal = {f"normal_{n}": random.normal(60, 10, PATIENTS) for n in range(9)}
    skewed = {f"skewed_{n}": random.lognormal(5, 1, PATIENTS) for n in range(9)}
    binary = {f"binary_{n}": random.integers(0, 2, PATIENTS).astype(float) for n in range(6)}
    choice = {f"choice_{n}": random.choice(list("abcde"), PATIENTS).astype(object) for n in range(6)}
    frame = pd.DataFrame(normal | skewed | binary | choice)
    assert frame.shape[1] == VARIABLES
    frame = frame.mask(random.random(frame.shape) < 0.1)
    frame["group"] = random.choice(["A", "B"], PATIENTS)
    return frame, [*normal, *skewed], list(skewed), [*binary, *choice]


def ours(frame: pd.DataFrame) -> str:
    return baseline_table(frame, by="group").to_frame(policy=POLICY).to_string()


def theirs(frame: pd.DataFrame, continuous: list[str], nonnormal: list[str], categorical: list[str]) -> str:
    from tableone import TableOne

    columns = [*continuous, *categorical]
    table = TableOne(
        frame,
        columns=columns,
        categorical=categorical,
        continuous=continuous,
        nonnormal=nonnormal,
        groupby="group",
        pval=True,
        smd=True,
        include_null=False,
    )
    return table.tabulate(tablefmt="plain")


def seconds(call, *arguments) -> float:
    start = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - start


def main() -> int:
    warnings.simplefilter("ignore")
    frame, *kinds = make_patients()
    ours(frame), theirs(frame, *kinds)  # imports and caches
    times = [(seconds(ours, frame), seconds(theirs, frame, *kinds)) for _ in range(ROUNDS)]
    mine, peer = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"baseline table, {PATIENTS:,} patients x {VARIABLES} variables, median of {ROUNDS}, interleaved")
    print(f"  workbench {mine:.3f} s   tableone {peer:.3f} s   ratio {mine / peer:.3f} (wanted < 0.5)")
    return int(mine >= peer / 2)


if __name__ == "__main__":
    sys.exit(main())
