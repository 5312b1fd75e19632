"""What a note can say of each encounter, gathered from the drawn block once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from workbench.synthetic.catalogue import catalogue, read_table
from workbench.synthetic.columns import DAY_SECONDS
from workbench.synthetic.omop import departments_of, providers_of
from workbench.synthetic.people import FEMALE

if TYPE_CHECKING:
    from workbench.synthetic.omop import Block

__all__ = ["VITALS", "Facts", "gather"]

#: Vital signs of a round, in the order of `Facts.rounds`.
VITALS = ("T", "HR", "RR", "SBP", "DBP", "SpO2")
_SAID = 5


@dataclass(frozen=True)
class Facts:
    """Lists by encounter.

    Parameters
    ----------
    diagnoses : list of list of int
        Rows of ``icd10cn.tsv``, the principal one first.
    drugs : list of list of (int, float)
        Row of ``drugs.tsv`` and dose.
    procedures : list of list of (int, int)
        Row of ``procedures.tsv`` and time.
    first_labs, last_labs : list of list of (int, float)
        Item and value, the most abnormal first, of the first day and of the last draw.
    rounds : list of list of tuple
        (time, values of `VITALS`) of every round of vital signs.
    provider, department : list of int
        Provider id and row of ``departments.tsv``.
    """

    diagnoses: list[list[int]]
    drugs: list[list[tuple[int, float]]]
    procedures: list[list[tuple[int, int]]]
    first_labs: list[list[tuple[int, float]]]
    last_labs: list[list[tuple[int, float]]]
    rounds: list[list[tuple[float, ...]]]
    provider: list[int]
    department: list[int]


def gather(block: Block) -> Facts:
    """Gather the facts of all encounters of a block."""
    n = len(block.visits)
    drugs, procedures = block.drugs, block.procedures
    department = departments_of(block.visits)
    return Facts(
        diagnoses=_grouped(n, block.diagnoses.visit, block.diagnoses.code.tolist()),
        drugs=_grouped(n, drugs.visit, list(zip(drugs.drug.tolist(), drugs.dose.tolist(), strict=True))),
        procedures=_grouped(n, procedures.visit, list(zip(procedures.procedure.tolist(), procedures.start.tolist(), strict=True))),
        first_labs=_notable(block, first=True),
        last_labs=_notable(block, first=False),
        rounds=_rounds(block),
        provider=providers_of(block.seed, block.number, department).tolist(),
        department=department.tolist(),
    )


def _grouped(n: int, visit: np.ndarray, rows: list) -> list[list]:
    """Cut rows that are in order of visit into one list per visit."""
    bounds = np.searchsorted(visit, np.arange(n + 1)).tolist()
    return [rows[low:high] for low, high in pairwise(bounds)]


def _notable(block: Block, *, first: bool) -> list[list[tuple[int, float]]]:
    """Give the items of the first day (or of the last draw) of each encounter that lie farthest outside their range."""
    rows, visits, table = block.measurements, block.visits, read_table("labs")
    vital = np.isin(np.array(table.texts("panel"), dtype=str), ["VITAL", "BODY"])
    if first:
        inside = rows.time <= visits.start[rows.visit] + int(1.2 * DAY_SECONDS)
    else:
        latest = np.zeros(len(visits), np.int64)
        lab_rows = ~vital[rows.lab]
        np.maximum.at(latest, rows.visit[lab_rows], rows.time[lab_rows])
        inside = rows.time >= latest[rows.visit]
    kept = np.flatnonzero(inside & ~vital[rows.lab])
    visit, lab, value = rows.visit[kept], rows.lab[kept], rows.value[kept]
    order = np.lexsort((lab, -_abnormality(block, visit, lab, value), visit))
    visit, lab, value = visit[order], lab[order], value[order]
    rank = np.arange(len(visit)) - np.searchsorted(visit, visit)
    top = rank < _SAID
    return _grouped(len(visits), visit[top], list(zip(lab[top].tolist(), value[top].tolist(), strict=True)))


def _abnormality(block: Block, visit: np.ndarray, lab: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Give how many widths of the reference range a value lies outside it; items that everybody knows count for a little more."""
    table = read_table("labs")
    female = block.people.sex[block.visits.person[visit]] == FEMALE
    low, high = table.numbers("low", 0.0)[lab], table.numbers("high", 1e9)[lab]
    own_low, own_high = table.numbers("f_low")[lab], table.numbers("f_high")[lab]
    low = np.where(female & ~np.isnan(own_low), own_low, low)
    high = np.where(female & ~np.isnan(own_high), own_high, high)
    outside = np.maximum(low - value, value - high) / np.maximum(high - low, 1e-6)
    famous = np.isin(lab, [catalogue().lab(code) for code in ("WBC", "HGB", "CRP", "GLU", "HbA1c", "CREA", "ALT", "K", "cTnI", "D-D")])
    return np.minimum(outside, 5) + 0.3 * famous


def _rounds(block: Block) -> list[list[tuple[float, ...]]]:
    rows, known = block.measurements, catalogue()
    column = np.full(len(known.labs), -1)
    column[[known.lab(code) for code in VITALS]] = np.arange(len(VITALS))
    kept = np.flatnonzero(column[rows.lab] >= 0)
    visit, time = rows.visit[kept], rows.time[kept]
    new = np.ones(len(kept), bool)
    new[1:] = (visit[1:] != visit[:-1]) | (time[1:] != time[:-1])
    place = np.cumsum(new) - 1
    values = np.full((int(new.sum()), len(VITALS) + 1), np.nan)
    values[place, column[rows.lab[kept]] + 1] = rows.value[kept]
    values[:, 0] = time[new]
    return _grouped(len(block.visits), visit[new], [tuple(row) for row in values.tolist()])
