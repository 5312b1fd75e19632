"""Plain tables of made-up patients whose outcome depends on what is recorded of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from pathlib import Path


def patients(n: int = 400, *, seed: int = 0) -> pd.DataFrame:
    """A row a patient: age, sex, hospital, admission, two results (one with gaps), death within the stay, follow-up."""
    rng = np.random.default_rng(seed)
    age, sex = rng.normal(62, 13, n).clip(18, 95).round(), rng.choice(["男", "女"], n)
    crea, alb = rng.lognormal(4.4, 0.35, n).round(1), rng.normal(36, 6, n).round(1)
    lp = 0.05 * (age - 62) + 0.4 * (sex == "男") + 1.0 * np.log(crea / 80) - 0.07 * (alb - 36)
    died, lost = rng.exponential(700 * np.exp(-lp)), rng.uniform(60, 1200, n)
    return pd.DataFrame(
        {
            "编号": [f"P{number:04d}" for number in range(n)],
            "年龄": age,
            "性别": sex,
            "院区": rng.choice(["东院", "西院", "南院"], n),
            "入院时间": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 1200, n), unit="D"),
            "肌酐": crea,
            "白蛋白": np.where(rng.random(n) < 0.15, np.nan, alb),
            "结局": (died <= lost).astype(int),
            "随访天数": np.minimum(died, lost).round(2) + 0.1,
        }
    )


def written(path: Path, table: pd.DataFrame) -> Path:
    """Write a table as CSV."""
    table.to_csv(path, index=False, encoding="utf-8")
    return path


def survival_study(**changes) -> dict:
    """A study of the follow-up, quick to run."""
    return {
        "title": "住院患者一年死亡",
        "tables": {"patient": "编号", "units": {"肌酐": "umol/L", "白蛋白": "g/L"}},
        "index": {"at": "入院时间"},
        "outcome": {"label": "死亡", "status": "结局", "time": "随访天数", "horizons_days": [365]},
        "predictors": [{"column": ["年龄", "性别", "肌酐", "白蛋白"]}],
        "validation": {"bootstrap": 5, "folds": 3, "split": "none"},
        "thresholds": [0.2, 0.4],
        "seed": 3,
        **changes,
    }
