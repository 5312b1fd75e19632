"""The hazard net and boosted trees on public sets, and a landmark model on Tongji, against what was measured before the work began.

Antolini's C where hazards may cross, Harrell's for trees; death within 48 h by daily landmarks with folds by patient, beside folds by row,
which leak. Run: ``python tests/bench/bench_risk_nets.py [SET ...]``; sets as in ``bench_risk_quality.py``, which says what they want
installed. Exit code 1 where a figure falls more than 0.002 short.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy is loaded

import sys
import time
import warnings
from typing import TYPE_CHECKING

import numpy as np
from bench_risk_quality import DATA, SETS, SLACK
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from workbench.risk.extraction.dataset import extract
from workbench.risk.extraction.tables import read_tables
from workbench.risk.models.catalogue import make_model
from workbench.risk.models.landmark import stacked
from workbench.risk.protocol.parts import ModelChoice
from workbench.risk.protocol.protocol import Protocol
from workbench.risk.survival.concordance import antolini, harrell

if TYPE_CHECKING:
    import pandas as pd

#: Set, model, figure -> what was measured of the same model.
MEASURED = {
    ("WHAS500", "hazard_net", "td-C"): 0.779,
    ("METABRIC", "hazard_net", "td-C"): 0.669,
    ("METABRIC", "lightgbm", "C"): 0.647,
    ("FLCHAIN", "lightgbm", "C"): 0.801,
    ("Tongji, 24 h", "lightgbm", "AUROC"): 0.949,
    ("Tongji, 48 h", "lightgbm", "AUROC"): 0.884,
}
#: The same of another model, a survival forest: printed beside, not a floor.
FORESTS = {("SUPPORT2, 14", "hazard_net", "td-C"): 0.640, ("SUPPORT2, 26", "hazard_net", "td-C"): 0.705}

LANDMARKS = Protocol(
    title="48 h",
    tables={"patient": "PATIENT_ID", "time": "RE_DATE", "fill_down": True},
    index={"at": "Admission time", "plus_hours": 24, "landmarks": {"every_hours": 24, "until_hours": 720}},
    outcome={"label": "death", "kind": "binary", "status": "outcome", "at": "Discharge time", "horizons_days": [2], "end": "stay"},
    predictors=[
        {"column": ["age", "gender"]},
        {"labs": "all"},
        {"labs": "all", "pick": "slope", "look_back_hours": 120},
        {"labs": "all", "pick": "count", "look_back_hours": 48},
    ],
)


def of_times(name: str, X: pd.DataFrame, y: np.ndarray) -> dict[str, float]:
    """Return Antolini's and Harrell's C, and CPU seconds of a fit, over five folds."""
    scores = []
    for train, test in StratifiedKFold(5, shuffle=True, random_state=1).split(X, y["event"]):
        model, begun = make_model(ModelChoice(name=name), binary=False, causes=1), time.process_time()
        model.fit(X.iloc[train], y[train])
        taken = time.process_time() - begun
        grid = np.unique(np.quantile(y["time"][train][y["event"][train]], np.linspace(0.005, 1, 200)))
        risk = model.predict_risk(X.iloc[test], grid)
        rank = model[-1].predict(model[:-1].transform(X.iloc[test])) if name == "lightgbm" else risk.mean(axis=1)
        scores.append((antolini(y[test], 1 - risk, grid), harrell(y[test], rank), taken))
    return dict(zip(("td-C", "C", "seconds"), np.mean(scores, axis=0), strict=True))


def of_truths(X: pd.DataFrame, y: np.ndarray, splits: list[tuple[np.ndarray, np.ndarray]], persons: np.ndarray) -> dict[str, float]:
    """Return AUROC, AUPRC and Brier score of the predictions of all folds together."""
    risk = np.empty(len(y))
    for train, test in splits:
        model = make_model(ModelChoice(name="lightgbm"), binary=True, causes=1)
        risk[test] = model.fit(X.iloc[train], y[train], model__groups=persons[train]).predict_risk(X.iloc[test])[:, 0]
    return {"AUROC": roc_auc_score(y, risk), "AUPRC": average_precision_score(y, risk), "Brier": brier_score_loss(y, risk)}


def told(name: str, model: str, found: dict[str, float]) -> bool:
    """Print figures; return whether one falls short."""
    before = {key: MEASURED.get((name, model, key)) for key in found}
    short = {key: wanted is not None and found[key] < wanted - SLACK for key, wanted in before.items()}
    beside = {key: f" (a forest {FORESTS[name, model, key]:.3f})" for key in found if (name, model, key) in FORESTS}
    beside |= {key: f" (measured {wanted:.3f})" for key, wanted in before.items() if wanted is not None}
    lines = [f"{key} {value:.4f}{beside.get(key, '')}" for key, value in found.items()]
    print(f"{name:16s} {model:12s} {'  '.join(lines)}  {'SHORT' if any(short.values()) else 'ok'}", flush=True)
    return any(short.values())


def landmarks() -> bool:
    """Print the landmark model by patient and by row; return whether it falls short."""
    path = DATA / "tongji_covid" / "time_series_375_prerpocess_en.xlsx"
    data = stacked(extract(LANDMARKS, read_tables([path], LANDMARKS)))
    persons, rows = data.rows["person"].to_numpy(), np.arange(len(data.y))
    by_person = StratifiedGroupKFold(5, shuffle=True, random_state=1).split(rows, data.y, persons)
    by_row = StratifiedKFold(5, shuffle=True, random_state=1).split(rows, data.y)
    short = told("Tongji, 48 h", "lightgbm", of_truths(data.X, data.y, list(by_person), persons))
    told("by row: a leak", "lightgbm", of_truths(data.X, data.y, list(by_row), rows))
    return short


def main(sets: list[str]) -> int:
    """Print a line a set and model; return 1 where one falls short."""
    short = False
    for name, model in dict.fromkeys((name, model) for name, model, _ in MEASURED | FORESTS if not sets or name in sets):
        if name == "Tongji, 48 h":
            short |= landmarks()
            continue
        try:
            X, y = SETS[name]()
        except (ImportError, OSError) as reason:
            print(f"{name:16s} left out: {reason}")
            continue
        rows = np.arange(len(y))
        if y.dtype.names is None:
            found = of_truths(X, y, list(StratifiedKFold(5, shuffle=True, random_state=1).split(rows, y)), rows)
        else:
            found = of_times(model, X, y)
        short |= told(name, model, found)
    return int(short)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main(sys.argv[1:]))
