"""Guards that extract again: without the future, with a shuffled future, and with a future that tells the outcome."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import pandas as pd

from workbench.errors import DataError, DefinitionError
from workbench.risk.guards.findings import Finding, Text, refuse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.risk.extraction.dataset import Source
    from workbench.risk.guards.case import Case

__all__ = ["Poisonable", "poison", "same_again", "truncation"]

#: Persons whose predictors are extracted again; more would prove no more.
_PERSONS = 3000


@runtime_checkable
class Poisonable(Protocol):
    """A source that can be given a perfect predictor after the prediction."""

    def poisoned(self, rows: pd.DataFrame, truth: np.ndarray) -> Source:
        """Return a source in which every number that became known at or after its person's first prediction tells the truth.

        It is the greatest of its item where the truth is, and the least elsewhere: plausible, so that cleaning lets it pass.
        """


def truncation(case: Case) -> Iterator[Finding]:
    """Prove that no predictor reads what became known at or after the prediction.

    Everything at or after it is deleted, then shuffled; the predictors must stay the same to the bit. Where a person has several rows, the
    first, the last and one drawn at random are tried, each with its own cut, because what lies after one landmark lies before the next.
    """
    found: dict[str, list[str]] = {}
    for rows, before in _cuts(case):
        for how in ("delete", "permute"):
            for name in _changed(case, rows, before, case.source.truncated(rows, how=how, seed=case.data.protocol.seed)):
                found.setdefault(name, []).append(how)
    for name, ways in found.items():
        zh = "、".join(_DONE[how].zh for how in _DONE if how in ways)
        en = " or ".join(_DONE[how].en for how in _DONE if how in ways)
        yield refuse(name, (f"未来数据被{zh}后，其取值改变", f"its values change when the future is {en}"), _MEND)


_DONE = {"delete": Text("删除", "deleted"), "permute": Text("打乱", "shuffled")}
_MEND = "该预测因子读取了预测时刻之后的数据，请改正取数", "it reads what came after the prediction: mend its extraction"


def poison(case: Case) -> Iterator[Finding]:
    """Put the outcome itself into the records after the prediction: a predictor that changes has read it."""
    rows, before = _cuts(case)[0]
    had = set(case.data.rows["person"][case.event])
    for name in _changed(case, rows, before, case.source.poisoned(rows, rows["person"].isin(had).to_numpy())):
        yield refuse(name, ("在预测时刻之后放入的结局改变了它", "an outcome that was placed after the prediction changes it"), _MEND)


def same_again(case: Case) -> Iterator[Finding]:
    """Extract once more: predictors that differ from what the source gives were changed after the extraction, or depend on chance."""
    again = case.source.features(case.data.protocol, case.data.rows).X
    for name in _differing(case.data.X, again):
        yield refuse(
            name,
            ("与重新取数的结果不同", "it differs from what the source gives"),
            (
                "取数之后不要改动数据；预处理放进模型流水线",
                "change nothing after the extraction: what prepares data is a step of the model",
            ),
        )


def _cuts(case: Case) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    """Return rows, one a person, and their predictors.

    Where persons have several rows, predictors are extracted for these alone: cleaning may decide by all that was known at the last.
    """
    persons, random = pd.Series(case.persons), np.random.default_rng(case.data.protocol.seed)
    first = np.flatnonzero(~persons.duplicated())
    if len(first) == len(persons) <= _PERSONS:
        return [(case.data.rows, case.data.X)]
    if len(first) > _PERSONS:
        chosen = np.flatnonzero(persons.isin(persons.iloc[random.choice(first, _PERSONS, replace=False)]))
        case = replace(case, data=case.data.take(chosen))
        return _cuts(case)
    drawn = random.permutation(len(persons))
    anyone = np.sort(drawn[~persons.iloc[drawn].duplicated().to_numpy()])
    tables = [
        case.data.rows.iloc[places].reset_index(drop=True) for places in (first, np.flatnonzero(~persons.duplicated(keep="last")), anyone)
    ]
    return [(rows, case.source.features(case.data.protocol, rows).X) for rows in tables]


def _changed(case: Case, rows: pd.DataFrame, before: pd.DataFrame, source: Source) -> list[str]:
    """Name the columns that another source gives otherwise; all of them where it cannot give any: then they need the future.

    Those that a study takes by the clock of recording read what was not yet known; it says so, and another guard warns of it.
    """
    told = case.data.features.provenance
    recorded = set(told.loc[told["clock"] == "recorded", "feature"])
    try:
        changed = _differing(before, source.features(case.data.protocol, rows).X)
    except (DataError, DefinitionError):
        changed = list(before)
    return [name for name in changed if name not in recorded]


def _differing(before: pd.DataFrame, after: pd.DataFrame) -> list[str]:
    """Name the columns that are not the same to the bit, or that one table lacks."""
    names = dict.fromkeys([*before, *after])
    return [name for name in names if name not in before or name not in after or not _same(before[name], after[name])]


def _same(one: pd.Series, other: pd.Series) -> bool:
    if len(one) != len(other):
        return False
    if pd.api.types.is_numeric_dtype(one) and pd.api.types.is_numeric_dtype(other):
        return bool(np.array_equal(one.to_numpy(float), other.to_numpy(float), equal_nan=True))
    left, right = one.astype(object).to_numpy(), other.astype(object).to_numpy()
    return bool(((left == right) | (pd.isna(left) & pd.isna(right))).all())
