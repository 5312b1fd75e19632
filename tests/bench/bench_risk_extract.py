"""How long a study's predictors take from a store, and how much memory: 100,000 patients x 200 features.

OMP_NUM_THREADS=1 python tests/bench/bench_risk_extract.py 100000 --work .demo/bench
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

from big_store import big_snapshot

from workbench.cohort.language import cohort, encounters
from workbench.risk.extraction.dataset import extract
from workbench.risk.extraction.store import StoreSource
from workbench.risk.protocol.protocol import Protocol
from workbench.store.duckdb import DuckDBEngine

PICKS = ("last", "min", "max", "mean")


def study(features: int) -> Protocol:
    """A study of everybody's last encounter: its outcome is the next one that is in hospital."""
    asked = [{"person": ["age", "sex"]}]
    for at in range((features - 2) * 3 // 4):
        asked.append({"labs": f"检验项目{at * 4}", "unit": "mmol/L", "pick": PICKS[at % 4], "look_back_days": 730 if at % 2 else None})
    for at in range(features - 2 - len(asked) + 1):
        kind = ("diagnoses", "medications")[at % 2]
        code = f"{chr(70 + at % 15)}{at:02d}" if kind == "diagnoses" else f"药品{at * 20}"
        asked.append({kind: code, "pick": "count" if at % 3 else "any", "name": f"{kind}_{at}"})
    index = cohort("末次就诊").enter(encounters(), limit="last")
    outcome = {"label": "住院", "events": {"diagnoses": "all"}}
    return Protocol(title="bench", cohort=index, predictors=asked, outcome=outcome)


def main() -> None:
    """Extract, and print rows, CPU seconds and peak memory."""
    parser = argparse.ArgumentParser()
    parser.add_argument("persons", type=int, nargs="?", default=100_000)
    parser.add_argument("--features", type=int, default=200)
    parser.add_argument("--work", type=Path, default=Path(".demo/bench"))
    asked = parser.parse_args()
    snapshot = big_snapshot(asked.persons, asked.work)
    source = StoreSource(DuckDBEngine(snapshot, threads=1), origin=snapshot.id)
    protocol, records = study(asked.features), snapshot.manifest.tables
    before, clock = time.process_time(), time.perf_counter()
    data = extract(protocol, source)
    cpu, wall = time.process_time() - before, time.perf_counter() - clock
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    used = int(data.features.provenance["records"].sum())
    print(f"measurements {records['measurement'].rows:,}, diagnoses {records['condition_occurrence'].rows:,}")
    print(f"X {data.X.shape[0]:,} x {data.X.shape[1]}, records used {used:,}, CPU {cpu:.1f} s, wall {wall:.1f} s, peak {peak:.2f} GB")


if __name__ == "__main__":
    main()
