"""177 patients after a transplant for acute leukaemia: relapse (1) or death without it (2), as Scrucca et al. publish them.

Scrucca, Santucci and Aversa (2010), Regression modeling of competing risk using R: an in depth guide for clinicians, Bone Marrow Transplant
45:1388; the table is also ``casebase::bmtcrr`` in R. Times in months.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from workbench.risk.survival.outcome import outcome

if TYPE_CHECKING:
    import numpy as np


def transplants() -> tuple[pd.DataFrame, np.ndarray]:
    """Return the predictors, and the outcomes with their causes."""
    table = pd.read_csv(Path(__file__).with_suffix(".tsv"), sep="\t")
    return table[["Age", "Sex", "D", "Phase", "Source"]].astype({"Age": float}), outcome(table["ftime"], table["Status"])
