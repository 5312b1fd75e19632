"""Orders: drugs by class from what the patient has, and procedures from what the encounter is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.synthetic.catalogue import catalogue, read_table
from workbench.synthetic.columns import DAY_SECONDS, stream
from workbench.synthetic.people import FEMALE

if TYPE_CHECKING:
    from workbench.synthetic.people import People
    from workbench.synthetic.visits import Visits

__all__ = ["TIMES_PER_DAY", "Drugs", "Procedures", "draw_drugs", "draw_procedures"]

#: Administrations per day by the abbreviations of an order.
TIMES_PER_DAY = {"qd": 1, "bid": 2, "tid": 3, "qid": 4, "qn": 1, "q12h": 2, "q8h": 3, "q6h": 4, "qw": 1 / 7, "qod": 0.5, "prn": 1,
                 "once": 1, "持续": 1, "5id": 5}  # fmt: skip


@dataclass(frozen=True)
class Drugs:
    """Drug orders of one block in order of visit.

    Parameters
    ----------
    visit, drug : ndarray of int
        Rows of the encounter and of ``drugs.tsv``.
    start : ndarray of int
        Seconds since 1970-01-01.
    days : ndarray of int
        Days of use, at least 1.
    dose : ndarray of float
        Dose of one administration in the drug's unit.
    """

    visit: np.ndarray
    drug: np.ndarray
    start: np.ndarray
    days: np.ndarray
    dose: np.ndarray

    def __len__(self) -> int:
        return len(self.visit)


@dataclass(frozen=True)
class Procedures:
    """Procedures of one block in order of visit.

    Parameters
    ----------
    visit, procedure : ndarray of int
        Rows of the encounter and of ``procedures.tsv`` (the first row of its code).
    start : ndarray of int
        Seconds since 1970-01-01.
    """

    visit: np.ndarray
    procedure: np.ndarray
    start: np.ndarray

    def __len__(self) -> int:
        return len(self.visit)


def _union(states: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """Give 1 - prod(1 - chance) over the active states, of shape (n_visits, n_columns)."""
    spared = np.log1p(-np.minimum(chances, 0.999)).astype(np.float32)
    return -np.expm1((states > 0).astype(np.float32) @ spared)


def draw_drugs(seed: int, people: People, visits: Visits, states: np.ndarray) -> Drugs:
    """Draw drug orders: a patient keeps the classes and the products of chronic treatment from encounter to encounter."""
    rng = stream(seed, people.block, "drugs")
    known = catalogue()
    acute = known.drug_chronic == 0
    inpatient = visits.inpatient[:, None]
    chronic_chance = np.where(inpatient, *(_union(states, chance * ~acute) for chance in (known.drug_in, known.drug_out)))
    acute_chance = np.where(inpatient, *(_union(states, chance * acute) for chance in (known.drug_in, known.drug_out)))
    own = rng.random((len(people), len(known.classes)), np.float32)[visits.person]
    fickle = rng.random(own.shape, np.float32)
    uses = (np.where(fickle < 0.88, own, rng.random(own.shape, np.float32)) < chronic_chance) | (
        rng.random(own.shape, np.float32) < acute_chance
    )
    known_before = visits.inpatient | (rng.random(len(visits)) < 0.85)
    visit, drug_class = np.nonzero(uses & known_before[:, None])
    product = _products(rng, len(people))[visits.person[visit], drug_class]
    return _orders(rng, visits, visit, product)


def _products(rng: np.random.Generator, n: int) -> np.ndarray:
    """Choose for every patient the product of every class, of shape (n, n_classes)."""
    known, weights = catalogue(), read_table("drugs").numbers("weight")
    products = np.zeros((n, len(known.classes)), np.int64)
    for column in range(len(known.classes)):
        members = np.flatnonzero(known.drug_class == column)
        products[:, column] = rng.choice(members, n, p=weights[members] / weights[members].sum())
    return products


def _orders(rng: np.random.Generator, visits: Visits, visit: np.ndarray, drug: np.ndarray) -> Drugs:
    table = read_table("drugs")
    usual = table.numbers("days")[drug]
    stay = np.maximum(visits.end_day - visits.start_day, 1)[visit]
    inpatient = visits.inpatient[visit]
    delay = np.where(inpatient, np.minimum(rng.exponential(0.35, len(visit)), stay - 0.2) * DAY_SECONDS + 1800, 900).astype(np.int64)
    start = np.minimum(visits.start[visit] + delay, visits.end[visit])
    left = np.maximum((visits.end[visit] - start) // DAY_SECONDS, 1)
    short = np.minimum(np.maximum(rng.poisson(np.minimum(usual, 9)), 1), left)
    days = np.where(inpatient, np.where(usual >= 14, left, short), usual).astype(np.int64)
    dose = table.numbers("dose")[drug] * rng.choice([0.5, 1, 1, 1, 1, 1, 1, 2], len(visit))
    whole = np.isin(np.array(table.texts("unit"))[drug], ["粒", "支", "滴"])
    return Drugs(visit, drug, start, days, np.where(whole, table.numbers("dose")[drug], np.round(dose, 4)))


def draw_procedures(seed: int, people: People, visits: Visits, states: np.ndarray) -> Procedures:
    """Draw procedures: examinations early in a stay, the operation after one to five days."""
    rng = stream(seed, people.block, "procedures")
    table = read_table("procedures")
    codes = table.texts("code")
    first = np.array([codes.index(code) for code in codes])
    column = np.array([catalogue().state(state) for state in table.texts("state")])
    chance = np.where(visits.inpatient[:, None], table.numbers("inpatient"), table.numbers("outpatient"))
    women_only = np.array(table.texts("sex")) == "F"
    men_only = np.array(table.texts("sex")) == "M"
    female = (people.sex[visits.person] == FEMALE)[:, None]
    chance = chance * (states[:, column] > 0) * ~(women_only & ~female) * ~(men_only & female)
    visit, row = np.nonzero(rng.random(chance.shape) < chance)
    _, kept = np.unique(visit * len(codes) + first[row], return_index=True)
    visit, row = visit[kept], first[row[kept]]
    return Procedures(visit, row, _procedure_times(rng, visits, visit, np.array(table.texts("kind"))[row]))


def _procedure_times(rng: np.random.Generator, visits: Visits, visit: np.ndarray, kind: np.ndarray) -> np.ndarray:
    wait = np.where(kind == "op", 1 + rng.exponential(1.6, len(visit)), rng.exponential(0.5, len(visit)) + 0.02) * DAY_SECONDS
    stay = (visits.end - visits.start)[visit]
    wait = np.where(visits.inpatient[visit], np.minimum(wait, stay * 0.85), np.minimum(wait * 0.04, stay))
    return visits.start[visit] + wait.astype(np.int64)
