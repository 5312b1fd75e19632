"""A whole study of SUPPORT2, from the CSV file to report.html, report.docx, metrics.csv and card.json.

Wall seconds; exit code 1 where it takes more than 120. Run: ``python tests/bench/bench_risk_report.py``.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy is loaded

import sys
import tempfile
import time
from pathlib import Path

from workbench.disclosure import DisclosurePolicy
from workbench.risk.study.study import Study

HERE = Path(__file__).resolve().parents[2]
DATA = HERE.parent / "shared" / "data" / "risk" / "support2" / "support2.csv"
WANTED_S = 120


def main() -> int:
    if not DATA.exists():
        print("SUPPORT2 is not there: nothing is measured")
        return 0
    study = Study.read(HERE / "templates" / "studies" / "support2.yaml").changed(validation={"bootstrap": 200, "split": "none"})
    begun = time.perf_counter()
    result = study.run(DATA, progress=sys.stderr.isatty())
    print(f"run      {time.perf_counter() - begun:6.1f} s  ({len(study.all_models)} models, 200 resamples)")
    with tempfile.TemporaryDirectory() as folder:
        result.report(folder, policy=DisclosurePolicy(threshold=10, rounding=5))
    wall = time.perf_counter() - begun
    print(f"report   {wall:6.1f} s in all; wanted {WANTED_S}")
    print(result.told())
    return int(wall > WANTED_S)


if __name__ == "__main__":
    sys.exit(main())
