"""Eras: runs of a diagnosis or an ingredient with gaps of at most 30 days, as OHDSI derives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.synthetic.catalogue import read_table
from workbench.synthetic.columns import arrow_table, row_ids
from workbench.synthetic.concepts import concept_id

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["GAP_DAYS", "condition_era", "drug_era", "eras"]

#: Longest gap, in days, that an era bridges.
GAP_DAYS = 30


def eras(
    person: np.ndarray, concept: np.ndarray, start: np.ndarray, end: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Join rows of one person and concept whose gap is at most `GAP_DAYS`.

    Parameters
    ----------
    person, concept : ndarray of int
        Keys.
    start, end : ndarray of int
        First and last day, as days since 1970-01-01.

    Returns
    -------
    person, concept, start, end, count, gap_days : ndarray of int
        Eras in order of person, concept and start; `gap_days` is the number of days of an era that no row covers.
    """
    order = np.lexsort((end, start, concept, person))
    person, concept, start, end = person[order], concept[order], start[order], end[order]
    if not len(person):
        return person, concept, start, end, start, start
    change = np.ones(len(person), bool)
    change[1:] = (person[1:] != person[:-1]) | (concept[1:] != concept[:-1])
    group = np.cumsum(change)
    reach = np.maximum.accumulate(end + group * 10**7)
    gap = np.zeros(len(person), np.int64)
    gap[1:] = start[1:] + group[1:] * 10**7 - reach[:-1]
    new = change | (gap > GAP_DAYS)
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(person)) - 1
    uncovered = np.add.reduceat(np.where(new, 0, np.maximum(gap - 1, 0)), first)
    counts = last - first + 1
    return person[first], concept[first], start[first], reach[last] - group[last] * 10**7, counts, uncovered


def _days(table: pa.Table, column: str) -> np.ndarray:
    return table[column].cast("int32").to_numpy().astype(np.int64)


def condition_era(block: int, conditions: pa.Table) -> pa.Table:
    """Derive ``condition_era`` from ``condition_occurrence`` of one block."""
    columns = (conditions["person_id"].to_numpy(), conditions["condition_concept_id"].to_numpy())
    person, concept, start, end, count, _ = eras(
        *columns, _days(conditions, "condition_start_date"), _days(conditions, "condition_end_date")
    )
    return arrow_table(
        "condition_era",
        len(person),
        {
            "condition_era_id": row_ids(block, len(person)),
            "person_id": person,
            "condition_concept_id": concept,
            "condition_era_start_date": start,
            "condition_era_end_date": end,
            "condition_occurrence_count": count,
        },
    )


def drug_era(block: int, exposures: pa.Table) -> pa.Table:
    """Derive ``drug_era`` by ingredient from ``drug_exposure`` of one block."""
    drugs = read_table("drugs")
    products = np.array([concept_id("LOCAL_DRUG", code) for code in drugs.texts("code")])
    ingredients = np.array([concept_id("LOCAL_DRUG", f"ingredient:{name}") for name in drugs.texts("ingredient")])
    ranks = np.argsort(products)
    ingredient = ingredients[ranks[np.searchsorted(products[ranks], exposures["drug_concept_id"].to_numpy())]]
    person, concept, start, end, count, gap = eras(
        exposures["person_id"].to_numpy(),
        ingredient,
        _days(exposures, "drug_exposure_start_date"),
        _days(exposures, "drug_exposure_end_date"),
    )
    return arrow_table(
        "drug_era",
        len(person),
        {
            "drug_era_id": row_ids(block, len(person)),
            "person_id": person,
            "drug_concept_id": concept,
            "drug_era_start_date": start,
            "drug_era_end_date": end,
            "drug_exposure_count": count,
            "gap_days": gap,
        },
    )
