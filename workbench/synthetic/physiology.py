"""What measured values have to do with one another and with the patient: sums, formulas, childhood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.synthetic.catalogue import catalogue
from workbench.synthetic.people import FEMALE

if TYPE_CHECKING:
    from workbench.synthetic.people import People

__all__ = ["Draws", "reconcile"]


@dataclass(frozen=True)
class Draws:
    """Values of items at draws (a blood sample, a round of vital signs).

    Parameters
    ----------
    people : People
        Patients of the block.
    person : ndarray of int
        Row of the patient of each draw.
    age : ndarray of float
        Age in years at each draw.
    states : ndarray of shape (n_draws, n_states)
        How active each state is at the draw's encounter.
    place : dict of str to int
        Item -> column of `values`.
    values : ndarray of shape (n_draws, n_items)
        In the units of ``labs.tsv``; changed in place by `reconcile`.
    """

    people: People
    person: np.ndarray
    age: np.ndarray
    states: np.ndarray
    place: dict[str, int]
    values: np.ndarray

    def __contains__(self, item: str) -> bool:
        return item in self.place

    def __getitem__(self, item: str) -> np.ndarray:
        return self.values[:, self.place[item]]

    def __setitem__(self, item: str, values: np.ndarray) -> None:
        self.values[:, self.place[item]] = values

    @property
    def female(self) -> np.ndarray:
        """Whether the patient of each draw is a woman."""
        return self.people.sex[self.person] == FEMALE

    def active(self, state: str) -> np.ndarray:
        """How active a state is at each draw."""
        return self.states[:, catalogue().state(state)]


def reconcile(draws: Draws) -> None:
    """Make the values of each draw agree with one another, in place."""
    for item, rule in _RULES:
        if item in draws:
            rule(draws)


def _glucose(draws: Draws) -> None:
    """Let fasting glucose follow the usual HbA1c of a patient with diabetes (ADAG, Nathan 2008: 1.59 HbA1c - 2.59, less after a night)."""
    usual = draws.people.hba1c[draws.person]
    for disease, shift in (("t2dm", 0.0), ("t1dm", 0.8)):
        rows = draws.active(disease) > 0
        spread = draws["GLU"][rows] / 5.1
        draws["GLU"][rows] = np.maximum(1.59 * (usual[rows] + shift) - 3.4, 4.2) * spread**1.6
    draws["GLU"] *= 1 + 0.8 * draws.active("dka")


def _glycated(draws: Draws) -> None:
    usual = draws.people.hba1c[draws.person]
    for disease, shift in (("t2dm", 0.0), ("t1dm", 0.8)):
        rows = draws.active(disease) > 0
        draws["HbA1c"][rows] = usual[rows] + shift


def _kidney(draws: Draws) -> None:
    """Raise what the kidney clears by the patient's own degree of disease; eGFR by CKD-EPI 2009 (Levey, Ann Intern Med 2009;150:604)."""
    draws["CREA"] *= np.where(draws.age < 18, 0.3 + 0.7 * draws.age / 18, 1.0)
    disease = np.exp(draws.people.kidney[draws.person] * (draws.active("ckd") > 0))
    for name, power in (("CREA", 1.0), ("UREA", 0.8), ("CysC", 0.7)):
        draws[name] *= disease**power
    kappa, alpha = np.where(draws.female, 0.7, 0.9), np.where(draws.female, -0.329, -0.411)
    ratio = draws["CREA"] / 88.4 / kappa
    factor = 141 * np.minimum(ratio, 1) ** alpha * np.maximum(ratio, 1) ** -1.209
    draws["eGFR"] = factor * 0.993 ** np.maximum(draws.age, 18) * np.where(draws.female, 1.018, 1.0)


def _blood_count(draws: Draws) -> None:
    """Make the differential add up to 100 %, counts what the percentages of the white cells are, and the red indices agree."""
    young = np.clip((6 - draws.age) / 6, 0, 1)
    draws["LYMPH%"] += 22 * young
    draws["NEUT%"] -= 22 * young
    parts = [draws.place[name] for name in ("NEUT%", "LYMPH%", "MONO%", "EO%", "BASO%")]
    shares = np.maximum(draws.values[:, parts], [[4, 0.6, 0.3, 0.0, 0.0]])
    draws.values[:, parts] = shares / shares.sum(axis=1, keepdims=True) * 100
    for name in ("NEUT", "LYMPH", "MONO"):
        draws[f"{name}#"] = draws[f"{name}%"] * draws["WBC"] / 100
    draws["HCT"] = np.maximum(draws["HGB"], 25) / np.maximum(draws["MCHC"], 250) * 100
    draws["MCV"] = np.clip(draws["MCV"], 58, 118)
    draws["RBC"] = draws["HCT"] * 10 / draws["MCV"]


def _liver(draws: Draws) -> None:
    """Make direct and indirect bilirubin add up, and protein be albumin and globulin."""
    draws["DBIL"] = np.minimum(draws["DBIL"], draws["TBIL"] * 0.85)
    draws["IBIL"] = draws["TBIL"] - draws["DBIL"]
    draws["ALB"] = np.maximum(draws["ALB"], 14)
    draws["TP"] = draws["ALB"] + np.maximum(draws["GLB"], 12)


def _clotting(draws: Draws) -> None:
    draws["INR"] = (np.maximum(draws["PT"], 8) / 11.8) ** 1.05


def _lipids(draws: Draws) -> None:
    """Make total cholesterol the sum of its parts (Friedewald, in mmol/L, with a limit on the triglycerides' part)."""
    draws["TC"] = np.maximum(draws["LDL-C"] + draws["HDL-C"], 1) + np.minimum(draws["TG"] / 2.2, 2.5)


def _vital_signs(draws: Draws) -> None:
    """Shift pulse, breathing and pressure to the ages of childhood, and pressure up with old age."""
    young = np.clip((12 - draws.age) / 12, 0, 1)
    draws["HR"] += 45 * young
    draws["RR"] += 12 * young
    draws["SBP"] += -32 * young + 0.28 * np.clip(draws.age - 45, 0, 40)
    draws["DBP"] = np.minimum(draws["DBP"] - 22 * young, draws["SBP"] - 15)
    draws["SpO2"] = np.minimum(draws["SpO2"], 100)


def _body(draws: Draws) -> None:
    """Make weight what height and body mass index say; children are as tall as their age (WHO growth standards, roughly)."""
    age = draws.age
    child = np.clip(50 + 25 * np.minimum(age, 1) + 12 * np.clip(age - 1, 0, 1) + 6.2 * np.clip(age - 2, 0, 16), 48, 175)
    draws["HEIGHT"] = np.where(age < 18, np.minimum(child, draws["HEIGHT"] + 5), draws["HEIGHT"])
    draws["WEIGHT"] = draws.people.bmi[draws.person] * (draws["HEIGHT"] / 100) ** 2
    draws["BMI"] = np.round(draws["WEIGHT"], 1) / (np.round(draws["HEIGHT"]) / 100) ** 2


# The item whose presence shows that a draw has the panel, and what follows for it.
_RULES = (
    ("GLU", _glucose),
    ("HbA1c", _glycated),
    ("CREA", _kidney),
    ("WBC", _blood_count),
    ("TBIL", _liver),
    ("INR", _clotting),
    ("TC", _lipids),
    ("SBP", _vital_signs),
    ("HEIGHT", _body),
)
