"""The planted survival model: proportional hazards of death from the first admission on, with known coefficients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.synthetic.catalogue import CANCERS, catalogue, read_table
from workbench.synthetic.columns import DAY_SECONDS

if TYPE_CHECKING:
    from workbench.synthetic.people import People
    from workbench.synthetic.visits import Visits

__all__ = ["BASELINE_SCALE_DAYS", "BASELINE_SHAPE", "NEVER", "Deaths", "draw_deaths"]

#: Weibull baseline: cumulative hazard (t / scale) ** shape of a woman of 60 without any of the terms.
BASELINE_SHAPE = 0.7
BASELINE_SCALE_DAYS = 95_000.0
#: A day after all others.
NEVER = 10**7


@dataclass(frozen=True)
class Deaths:
    """Survival from the index admission, one row per patient.

    Parameters
    ----------
    index : ndarray of int
        Row of the index visit in the visits that the model saw; -1 where the patient has no admission.
    index_time, time : ndarray of float
        Seconds since 1970-01-01 of the index admission and of the death observed; ``inf`` for none.
    covariates : ndarray of shape (n, n_terms)
        Values of the terms of ``hazards.tsv``; zero where there is no index.
    follow_up_days : ndarray of float
        Days from index to death or end of observation.
    event : ndarray of bool
        Whether the follow-up ends with death.
    """

    index: np.ndarray
    index_time: np.ndarray
    time: np.ndarray
    covariates: np.ndarray
    follow_up_days: np.ndarray
    event: np.ndarray

    @property
    def day(self) -> np.ndarray:
        """Day of death since 1970-01-01; `NEVER` where none was observed."""
        return np.where(self.event, np.where(self.event, self.time, 0) // DAY_SECONDS, NEVER).astype(np.int64)


def draw_deaths(rng: np.random.Generator, people: People, visits: Visits) -> Deaths:
    """Draw the death of every patient with an admission from the planted model, censored at the end of observation."""
    index = np.full(len(people), -1)
    rows = np.flatnonzero(visits.inpatient)[::-1]
    index[visits.person[rows]] = rows
    admitted = index >= 0
    covariates = np.where(admitted[:, None], _covariates(people, visits, np.maximum(index, 0)), 0.0)
    linear = covariates @ read_table("hazards").numbers("log_hr")
    survival = BASELINE_SCALE_DAYS * (rng.exponential(size=len(people)) / np.exp(linear)) ** (1 / BASELINE_SHAPE)
    index_time = np.where(admitted, visits.start[np.maximum(index, 0)] if len(visits) else 0, np.inf)
    death = np.floor(index_time + np.maximum(survival * DAY_SECONDS, 1800))
    leave = np.maximum((people.exit + 1.0) * DAY_SECONDS, index_time + 1800)
    event = admitted & (death < leave)
    days = np.where(admitted, (np.minimum(death, leave) - np.where(admitted, index_time, 0)) / DAY_SECONDS, 0)
    return Deaths(index, index_time, np.where(event, death, np.inf), covariates, days, event)


def _covariates(people: People, visits: Visits, index: np.ndarray) -> np.ndarray:
    rows, days = np.arange(len(people)), visits.start_day[index]
    return np.stack([_covariate(rule, people, visits, index, rows, days) for rule in read_table("hazards").texts("covariate")], axis=1)


def _covariate(rule: str, people: People, visits: Visits, index: np.ndarray, rows: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Give a covariate by the rule that ``hazards.tsv`` names."""
    kind, _, argument = rule.partition(":")
    if kind == "disease":
        return people.has(argument, rows, days).astype(float)
    if kind == "group":
        return np.any([people.has(name, rows, days) for name in CANCERS], axis=0).astype(float)
    if kind == "reason":
        return np.isin(visits.reason[index], [catalogue().reason(name) for name in argument.split(",")]).astype(float)
    simple = {
        "age_years_minus_60_div_10": (people.age_at(rows, days) - 60) / 10,
        "sex_male": people.sex.astype(float),
        "smoking_current": people.smoking.astype(float),
        "t2dm_hba1c_minus_7": np.where(people.has("t2dm", rows, days), people.hba1c - 7, 0.0),
    }
    return simple[kind]
