"""Diagnoses of each encounter: the principal one from its reason, the chronic diseases known by then, and what else is found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.synthetic.catalogue import CANCERS, catalogue, read_table
from workbench.synthetic.columns import stream

if TYPE_CHECKING:
    from workbench.synthetic.people import People
    from workbench.synthetic.visits import Visits

__all__ = ["PRINCIPAL", "SECONDARY", "Diagnoses", "activity", "draw_diagnoses"]

PRINCIPAL, SECONDARY = 0, 1
# Diseases whose presence the survival model uses are always coded in an admission, so that the truth can be recovered.
_ALWAYS_CODED = ("t2dm", "ckd", "chf", "stroke", "copd", "cirrhosis", *CANCERS)
_CODED_INPATIENT, _CODED_OUTPATIENT = 0.85, 0.16


@dataclass(frozen=True)
class Diagnoses:
    """Diagnoses of one block in order of visit and rank.

    Parameters
    ----------
    visit : ndarray of int
        Row of the encounter.
    code : ndarray of int
        Row of ``icd10cn.tsv``.
    role : ndarray of int
        `PRINCIPAL` or `SECONDARY`.
    state : ndarray of int
        State of the catalogue that the diagnosis stands for.
    """

    visit: np.ndarray
    code: np.ndarray
    role: np.ndarray
    state: np.ndarray

    def __len__(self) -> int:
        return len(self.visit)


def draw_diagnoses(seed: int, people: People, visits: Visits) -> tuple[Diagnoses, np.ndarray]:
    """Draw the diagnoses of every encounter.

    Returns
    -------
    diagnoses : Diagnoses
        Rows.
    incidental : ndarray of shape (n_visits, n_incidentals), bool
        What was found beside the known diseases.
    """
    rng = stream(seed, people.block, "diagnoses")
    incidental = _incidental(rng, people, visits)
    reasons = read_table("reasons").texts("codes")
    principal = _codes(rng, people, visits, np.arange(len(visits)), [reasons[reason] for reason in visits.reason.tolist()])
    known = catalogue()
    secondary_visit, secondary_state = np.nonzero(np.concatenate([_chronic_coded(rng, people, visits), incidental], axis=1))
    keys = (*known.diseases, *known.incidentals)
    columns = np.array([known.state(key) for key in keys])
    secondary = _codes(rng, people, visits, secondary_visit, [keys[state] for state in secondary_state.tolist()])
    visit = np.concatenate([np.arange(len(visits)), secondary_visit])
    code = np.concatenate([principal, secondary])
    role = np.repeat([PRINCIPAL, SECONDARY], [len(visits), len(secondary)])
    state = np.concatenate([visits.reason + len(known.diseases), columns[secondary_state]])
    rows = np.lexsort((state, role, visit))
    return _distinct(Diagnoses(visit[rows], code[rows], role[rows], state[rows])), incidental


def activity(people: People, visits: Visits, incidental: np.ndarray) -> np.ndarray:
    """Give how active each state is in each encounter: 1 for a chronic disease, the severity for the reason.

    Returns
    -------
    ndarray of shape (n_visits, n_states)
        Zero where the state is absent.
    """
    known = catalogue()
    matrix = np.zeros((len(visits), len(known.states)))
    n_diseases, n_reasons = len(known.diseases), len(known.reasons)
    matrix[:, :n_diseases] = people.onset[visits.person] <= visits.end_day[:, None]
    matrix[np.arange(len(visits)), n_diseases + visits.reason] = np.clip(visits.severity, 0.2, 3)
    matrix[:, n_diseases + n_reasons : -1] = incidental
    matrix[:, -1] = 1
    return matrix


def _chronic_coded(rng: np.random.Generator, people: People, visits: Visits) -> np.ndarray:
    known = catalogue()
    present = people.onset[visits.person] <= visits.start_day[:, None]
    always = np.isin(known.diseases, _ALWAYS_CODED)
    chance = np.where(visits.inpatient[:, None], np.where(always, 1.0, _CODED_INPATIENT), _CODED_OUTPATIENT)
    coded = present & (rng.random(present.shape) < chance)
    own = np.array([known.diseases.index(group) if group in known.diseases else -1 for group in read_table("reasons").texts("codes")])
    rows = np.flatnonzero(own[visits.reason] >= 0)
    coded[rows, own[visits.reason[rows]]] = False
    return coded


def _incidental(rng: np.random.Generator, people: People, visits: Visits) -> np.ndarray:
    table = read_table("incidental")
    age = people.age_at(visits.person, visits.start_day)
    chance = table.numbers("prob") * visits.severity[:, None] ** table.numbers("severity_power")
    chance = chance * table.numbers("age_per10") ** ((age[:, None] - 60) / 10)
    chance = chance * np.where(visits.inpatient, 1.0, 0.05)[:, None]
    return rng.random(chance.shape) < np.minimum(chance, 0.6)


def _codes(rng: np.random.Generator, people: People, visits: Visits, visit: np.ndarray, groups: list[str]) -> np.ndarray:
    """Choose a code within the group of each row; a patient keeps the code of a chronic disease for four rows of five."""
    known = catalogue()
    names, index = np.unique(np.array(groups, dtype=str), return_inverse=True)
    stable = _person_uniform(people, visits.person[visit], index, names)
    uniform = np.where(rng.random(len(visit)) < 0.8, stable, rng.random(len(visit)))
    codes = np.zeros(len(visit), np.int64)
    for place, name in enumerate(names):
        rows = np.flatnonzero(index == place)
        members, weights = known.codes_of[str(name)]
        share = np.cumsum(weights) / weights.sum()
        codes[rows] = members[np.minimum(np.searchsorted(share, uniform[rows], side="right"), len(members) - 1)]
    return codes


def _person_uniform(people: People, person: np.ndarray, group: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Give a number in [0, 1) that a patient and a group always share (a hash, so that no stream is consumed)."""
    salt = np.array([int.from_bytes(str(name).encode()[-6:], "big") for name in names], dtype=np.uint64)
    mixed = people.person_id[person].astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) ^ (salt[group] * np.uint64(0xC2B2AE3D27D4EB4F))
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(32)
    return (mixed >> np.uint64(11)).astype(np.float64) / 2**53


def _distinct(rows: Diagnoses) -> Diagnoses:
    """Keep the first of equal codes within a visit."""
    codes = np.array(read_table("icd10cn").texts("code"))
    _, same = np.unique(codes, return_inverse=True)
    _, first = np.unique(rows.visit * len(codes) + same[rows.code], return_index=True)
    kept = np.sort(first)
    return Diagnoses(rows.visit[kept], rows.code[kept], rows.role[kept], rows.state[kept])
