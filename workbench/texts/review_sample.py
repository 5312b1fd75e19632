"""Which answers to review: for each variable notes with and without a finding, by kind, department, year and band of confidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nlp.documents import document_kinds
from nlp.review.items import Item
from nlp.review.sampling import confidence_band, draw_sample
from nlp.variables.aggregate import Given, aggregate
from workbench.texts.asking import answer_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from nlp.variables.answers import Answer
    from nlp.variables.definition import Variable
    from workbench.texts.runs import StructuredNotes

__all__ = ["sample_items"]

_STRATA = ("kind", "department", "year")


def sample_items(structured: StructuredNotes, variables: Sequence[Variable], n: int, *, seed: int = 0, floor: int = 2) -> list[Item]:
    """Draw the items of a review.

    Each variable has an equal share of `n`, half of it notes where something was found (they bound the precision) and half notes where
    nothing was (they bound the recall), as far as there are such; within a half, strata by kind of note, department, year and, where
    something was found, band of confidence.

    Parameters
    ----------
    structured : StructuredNotes
        What was asked and answered.
    variables : sequence of Variable
        Of the set that was asked.
    n : int
        Items in all.
    seed : int, default 0
        Of the draw.
    floor : int, default 2
        Fewest items of a stratum, where it has as many.

    Returns
    -------
    list of Item
        Variable by variable, in random order within each, so that a review that stops early has seen a random part.
    """
    facts = structured.notes.facts().to_pandas()
    items: list[Item] = []
    for place, variable in enumerate(variables):
        share = n // len(variables) + (place < n % len(variables))
        items += _of_variable(structured, variable, facts, share, seed=seed + place, floor=floor)
    return items


def _of_variable(structured: StructuredNotes, variable: Variable, facts: pd.DataFrame, n: int, *, seed: int, floor: int) -> list[Item]:
    answers = structured.answers
    mine = answers.filter(pc.and_(pc.equal(answers["variable"], variable.name), pc.equal(answers["why_not"], "")))
    surest = mine.select(["note_id", "confidence"]).to_pandas().groupby("note_id")["confidence"].max()
    has = facts["note_id"].isin(surest.index)
    found, rest = facts[has], facts[~has & _asked(variable, facts["kind"])]
    half = min(len(found), max(n - n // 2, n - len(rest)))
    banded = found.assign(band=surest.reindex(found["note_id"]).map(confidence_band).to_numpy())
    drawn = _drawn(banded, (*_STRATA, "band"), half, seed, floor) + _drawn(rest, _STRATA, n - half, seed + 1, floor)
    given: dict[int, list[Answer]] = {row.note_id: [] for row, *_ in drawn}
    for cells in mine.filter(pc.is_in(mine["note_id"], pa.array(given, pa.int64()))).to_pylist():
        given[cells["note_id"]].append(answer_of(cells))
    items = [_item(variable, row, stratum, weight, given[row.note_id]) for row, stratum, weight in drawn]
    return [items[place] for place in np.random.default_rng(seed).permutation(len(items))]


def _asked(variable: Variable, kinds: pd.Series) -> pd.Series:
    """Tell which notes the variable is asked of: by the standard kinds it names; a kind by no standard name may be any."""
    if not variable.documents:
        return kinds == kinds
    return kinds.isin(variable.documents) | ~kinds.isin(list(document_kinds()))


def _drawn(facts: pd.DataFrame, columns: tuple[str, ...], n: int, seed: int, floor: int) -> list[tuple]:
    """Return (note, name of its stratum, weight) of a stratified sample."""
    if not n or facts.empty:
        return []
    grouped = facts.groupby(list(columns))
    codes, names = grouped.ngroup().tolist(), [" · ".join(str(part) for part in key if part != "") for key, _ in grouped["note_id"]]
    sample = draw_sample(codes, n, seed=seed, floor=floor)
    drawn = [names[codes[place]] if codes[place] in sample.strata else "other" for place in sample.places]
    return list(zip(facts.iloc[sample.places].itertuples(), drawn, sample.weights.tolist(), strict=True))


def _item(variable: Variable, row: object, stratum: str, weight: float, answers: list[Answer]) -> Item:
    blank = Item(int(row.note_id), variable.name, variable.hash, stratum=stratum, weight=weight, person_id=int(row.person_id))
    if not answers:
        return blank
    given = [Given(place, answer) for place, answer in enumerate(answers)]
    result = aggregate(variable, given)
    best = (result.given or given[0]).answer
    value = best.value if result.given or isinstance(result.value, tuple) else result.value
    others = tuple((each.answer.start, each.answer.end) for each in given if each.answer is not best)
    return blank._replace(
        found=True,
        value=value,
        unit=best.unit,
        assertion=best.assertion,
        confidence=best.confidence,
        start=best.start,
        end=best.end,
        others=others,
    )
