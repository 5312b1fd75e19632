"""Models of risk on public data sets, the same five folds for all: Harrell's C and the integrated Brier score, against what was measured.

Run: ``python tests/bench/bench_risk_quality.py [MODEL ...]``; spline_cox, cox and logistic by default. Sets are left out, with the reason,
where scikit-survival, which packages them, or h5py is not installed. Exit code 1 where C falls more than 0.002 below the measured one.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy is loaded

import sys
import time
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from lifelines.datasets import load_gbsg2
from scipy.io import arff
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from workbench.risk.evaluation.accuracy import integrated_brier
from workbench.risk.models.catalogue import make_model
from workbench.risk.protocol.parts import ModelChoice
from workbench.risk.survival.concordance import harrell
from workbench.risk.survival.outcome import outcome

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "risk"
SLACK = 0.002

#: Set -> model -> what was measured before the work began: Harrell's C (AUROC for Tongji), and the integrated Brier score if known.
MEASURED: dict[str, dict[str, tuple[float, float]]] = {
    "WHAS500": {"cox": (0.773, 0.155), "spline_cox": (0.780, 0.154), "hazard_net": (0.779, np.nan)},
    "GBSG2": {"cox": (0.684, 0.173), "spline_cox": (0.700, 0.169)},
    "METABRIC": {"cox": (0.634, 0.186), "spline_cox": (0.646, 0.183)},
    "Rotterdam/GBSG": {"cox": (0.663, 0.186), "spline_cox": (0.682, 0.179)},
    "SUPPORT2, 14": {"cox": (0.599, 0.216), "spline_cox": (0.612, 0.213)},
    "SUPPORT2, 26": {"cox": (0.684, 0.194), "spline_cox": (0.687, np.nan)},
    "FLCHAIN": {"cox": (0.794, 0.088), "spline_cox": (0.797, 0.088)},
    "Tongji, 24 h": {"logistic": (0.935, np.nan), "lightgbm": (0.949, np.nan)},
}

_FOURTEEN = "age sex race num.co diabetes dementia ca meanbp hrt resp temp wblc sod crea"
_DAY_3 = "dzgroup dzclass income edu scoma pafi alb bili ph glucose bun urine adlp adls"
#: The predictors of SUPPORT2 by the number of them.
SUPPORT2 = {14: _FOURTEEN.split(), 26: [name for name in f"{_FOURTEEN} {_DAY_3}".split() if name not in ("diabetes", "dementia")]}


def _survival(table: pd.DataFrame, times: str, event: str, true: object = 1) -> tuple[pd.DataFrame, np.ndarray]:
    followed = table[times].astype(float).clip(lower=0.5)
    return table.drop(columns=[times, event]), outcome(followed, table[event] == true)


def _arff(name: str) -> pd.DataFrame:
    packages = find_spec("sksurv")
    if packages is None:
        raise ImportError("scikit-survival, which packages it, is not installed")
    data, _ = arff.loadarff(Path(packages.origin).parent / "datasets" / "data" / f"{name}.arff")
    table = pd.DataFrame(data)
    for column in table.select_dtypes(object):
        table[column] = table[column].str.decode("utf-8").replace("?", np.nan)
    return table


def _deepsurv(name: str) -> tuple[pd.DataFrame, np.ndarray]:
    import h5py

    with h5py.File(DATA / "deepsurv_splits" / f"{name}_train_test.h5") as file:
        parts = [{key: file[side][key][:] for key in "xte"} for side in ("train", "test")]
    x, t, e = (np.concatenate([part[key] for part in parts]) for key in "xte")
    return pd.DataFrame(x.astype(float)).add_prefix("x"), outcome(np.clip(t.astype(float), 1e-3, None), e == 1)


def _flchain() -> tuple[pd.DataFrame, np.ndarray]:
    table = _arff("flchain").drop(columns=["chapter"]).astype({"sample.yr": float, "flc.grp": float})
    return _survival(table, "futime", "death", "dead")


def _support2(predictors: int) -> tuple[pd.DataFrame, np.ndarray]:
    table = pd.read_csv(DATA / "support2" / "support2.csv", skipinitialspace=True)
    return _survival(table[[*SUPPORT2[predictors], "d.time", "death"]], "d.time", "death")


def _tongji() -> tuple[pd.DataFrame, np.ndarray]:
    table = pd.read_excel(DATA / "tongji_covid" / "time_series_375_prerpocess_en.xlsx")
    table["PATIENT_ID"] = table["PATIENT_ID"].ffill()
    early = table[(table["RE_DATE"] - table["Admission time"]).dt.total_seconds() <= 24 * 3600]
    labs = [name for name in table.columns[7:] if pd.api.types.is_numeric_dtype(table[name])]
    last = early.sort_values("RE_DATE").groupby("PATIENT_ID")[labs].last()
    people = table.groupby("PATIENT_ID")[["age", "gender", "outcome"]].first()
    X = people[["age", "gender"]].join(last).astype(float)
    return X.loc[:, X.notna().mean() >= 0.5].reset_index(drop=True), (people["outcome"] == 1).to_numpy()


SETS = {
    "WHAS500": lambda: _survival(_arff("whas500"), "lenfol", "fstat", "1"),
    "GBSG2": lambda: _survival(load_gbsg2(), "time", "cens"),
    "METABRIC": lambda: _deepsurv("metabric_IHC4_clinical"),
    "Rotterdam/GBSG": lambda: _deepsurv("gbsg_cancer"),
    "SUPPORT2, 14": lambda: _support2(14),
    "SUPPORT2, 26": lambda: _support2(26),
    "FLCHAIN": _flchain,
    "Tongji, 24 h": _tongji,
}


def measured(name: str, X: pd.DataFrame, y: np.ndarray) -> tuple[float, float, float]:
    """Return C and the integrated Brier score (AUROC and not a number for a binary outcome), and CPU seconds of a fit."""
    binary = y.dtype.names is None
    event, scores = y if binary else y["event"], []
    for train, test in StratifiedKFold(5, shuffle=True, random_state=1).split(X, event):
        model = make_model(ModelChoice(name=name), binary=binary, causes=1, seed=0)
        begun = time.process_time()
        model.fit(X.iloc[train], y[train])
        taken = time.process_time() - begun
        scores.append((*_scored(model, X.iloc[test], y[train], y[test], binary=binary), taken))
    return tuple(np.mean(scores, axis=0))


def _scored(model: object, X: pd.DataFrame, train: np.ndarray, test: np.ndarray, *, binary: bool) -> tuple[float, float]:
    if binary:
        return roc_auc_score(test, model.predict_risk(X).ravel()), np.nan
    low, high = np.quantile(test["time"][test["event"]], [0.05, 0.95])
    grid = np.linspace(low, min(high, np.quantile(train["time"], 0.98)), 50)
    risk = model.predict_risk(X, grid)
    known = test["time"] < train["time"].max()
    # The last horizon's risk ranks persons where hazards are proportional, but reaches 1 in floating point where they are high.
    rank = model[-1].predict(model[:-1].transform(X)) if hasattr(model[-1], "lp_mean_") else risk.mean(axis=1)
    return harrell(test, rank), integrated_brier(test[known], risk[known], grid, train=train).brier


def main(models: list[str]) -> int:
    """Print a line a set and model; return 1 where one falls short."""
    short = False
    for name, load in SETS.items():
        wanted = [model for model in models if model in MEASURED[name]]
        try:
            X, y = load()
        except (ImportError, OSError) as reason:
            print(f"{name:16s} left out: {reason}")
            continue
        for model in wanted:
            c, ibs, seconds = measured(model, X, y)
            before, before_ibs = MEASURED[name][model]
            falls = c < before - SLACK
            short |= falls
            told = (
                f"C {c:.4f} (measured {before:.3f})  IBS {ibs:.4f} ({before_ibs:.3f})  fit {seconds:6.2f} s  {'SHORT' if falls else 'ok'}"
            )
            print(f"{name:16s} {model:12s} {told}", flush=True)
    return int(short)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main(sys.argv[1:] or ["spline_cox", "cox", "logistic"]))
