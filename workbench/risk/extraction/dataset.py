"""The data of a study, and what is asked of where they come from."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from workbench.locale import tr

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from workbench.risk.cleaning.changes import Change
    from workbench.risk.protocol.protocol import Protocol as StudyProtocol

__all__ = ["ROW_COLUMNS", "CohortRows", "Feature", "Features", "FlowStep", "ItemsLeftOut", "Source", "StudyData", "UnitsMixed", "extract"]

#: Columns of the rows, the last (the index encounter) of a store only; further ones are sites and sub-groups.
ROW_COLUMNS = ("person", "index_at", "predicted_at", "visit")


class ItemsLeftOut(UserWarning):
    """A study asks for all items of a source, and some are no predictors."""


class UnitsMixed(UserWarning):
    """Some values of an item look like another unit's; they were taken as they are."""


class FlowStep(NamedTuple):
    """A step of the flow of patients: what was asked, and how many rows and persons were left."""

    name: str
    rows: int
    persons: int


class Feature(NamedTuple):
    """A column of the predictors."""

    name: str
    label: str
    unit: str
    kind: Literal["number", "category", "yes_no"]
    source: str
    item: str = ""


@dataclass(frozen=True, eq=False)
class CohortRows:
    """Who is in the study, when each prediction is made, and what happened.

    Parameters
    ----------
    rows : DataFrame of n rows, index 0 to n - 1
        :data:`ROW_COLUMNS` (the times NaT where tables have no dates), and columns for sites, sub-groups and landmarks
        (``landmark_hours``).
    y : ndarray of shape (n,)
        Structured as :func:`workbench.risk.survival.outcome.outcome` makes it, times in days from the prediction, causes counted from 1;
        or bool for a binary outcome.
    causes : tuple of str
        Labels of the causes; the first is the outcome.
    flow : tuple of FlowStep
        From all rows to those that are left.
    """

    rows: pd.DataFrame
    y: np.ndarray
    causes: tuple[str, ...]
    flow: tuple[FlowStep, ...]


@dataclass(frozen=True, eq=False)
class Features:
    """What was known of each row at its prediction.

    Parameters
    ----------
    X : DataFrame of shape (n, p)
        float64 columns (missing is NaN), or ``category`` columns of words.
    columns : tuple of Feature
        One a column of `X`.
    provenance : DataFrame, one row a column of `X`
        ``feature``, ``source``, ``asked`` (item or codes), ``pick``, ``look_back_hours``, ``gap_hours``, ``clock``, ``known`` (rows with a
        value), ``records`` (records used), ``nearest_hours`` (the least time between a record's clock and its prediction; NaN of what has
        no time).
    changes : tuple of Change
        What cleaning did.
    """

    X: pd.DataFrame
    columns: tuple[Feature, ...]
    provenance: pd.DataFrame
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, eq=False)
class StudyData:
    """The data of a study: person-level, for use inside the session.

    Parameters
    ----------
    protocol : Protocol
        What was asked.
    cohort : CohortRows
        Who, when and what happened.
    features : Features
        What was known.
    origin : str
        Id of the snapshot, or a hash of the files.
    """

    protocol: StudyProtocol
    cohort: CohortRows
    features: Features
    origin: str

    @property
    def X(self) -> pd.DataFrame:
        """The predictors, of shape (n, p)."""
        return self.features.X

    @property
    def y(self) -> np.ndarray:
        """The outcome, of shape (n,)."""
        return self.cohort.y

    @property
    def rows(self) -> pd.DataFrame:
        """Person and times of each row."""
        return self.cohort.rows

    @property
    def binary(self) -> bool:
        """Whether the outcome has no times."""
        return self.y.dtype.names is None

    def take(self, places: np.ndarray) -> StudyData:
        """Return some rows, by their positions; their index counts from 0 again."""
        rows, X = (table.iloc[places].reset_index(drop=True) for table in (self.rows, self.X))
        return replace(self, cohort=replace(self.cohort, rows=rows, y=self.y[places]), features=replace(self.features, X=X))


class Source(Protocol):
    """Where a study's data come from: a store, or plain tables."""

    @property
    def id(self) -> str:
        """Id of the snapshot, or a hash of the files."""

    def cohort(self, protocol: StudyProtocol) -> CohortRows:
        """Find the rows of a study and their outcomes."""

    def features(self, protocol: StudyProtocol, rows: pd.DataFrame) -> Features:
        """Find what was known of each row before its prediction."""

    def truncated(self, rows: pd.DataFrame, *, how: Literal["delete", "permute"], seed: int = 0) -> Source:
        """Return a source in which everything that became known at or after each person's first prediction is gone, or shuffled."""


def extract(protocol: StudyProtocol, source: Source) -> StudyData:
    """Find the data of a study.

    Parameters
    ----------
    protocol : Protocol
        What is asked.
    source : Source
        Where it is asked.

    Returns
    -------
    StudyData
        :class:`ItemsLeftOut` warns of items that are no predictors though all were asked for, :class:`UnitsMixed` of items that may be in
        several units.

    Raises
    ------
    DataError
        If nobody is left, or a column or item is not there.
    DefinitionError
        If the protocol does not fit this kind of source.
    """
    cohort = source.cohort(protocol)
    features = source.features(protocol, cohort.rows)
    _tell_left_out(features.changes)
    _tell_mixed(features.changes)
    return StudyData(protocol, cohort, features, source.id)


def _tell_left_out(changes: tuple[Change, ...]) -> None:
    """Warn of items that are no predictors though all were asked for: how many, and why."""
    why = Counter(change.note for change in changes if change.rule == "left_out")
    if why:
        reasons = tr("；", "; ").join(tr(f"{reason}（{count} 个）", f"{reason} ({count})") for reason, count in why.items())
        told = (
            f"{why.total()} 个项目未作为预测因子：{reasons}。名称见数据清洗记录",
            f"{why.total()} items are no predictors: {reasons}. The log names them",
        )
        warnings.warn(tr(*told), ItemsLeftOut, stacklevel=3)


def _tell_mixed(changes: tuple[Change, ...]) -> None:
    """Warn of items some of whose values look like another unit's."""
    mixed = dict.fromkeys(change.column for change in changes if change.rule == "other_unit_likely")
    if mixed:
        told = (
            f"部分数值像是另一单位，未换算：{'、'.join(mixed)}。请核对原始数据，或用 tables.units 说明单位",
            f"some values look like another unit's and are taken as they are: {', '.join(mixed)}. Look at them, or say it in tables.units",
        )
        warnings.warn(tr(*told), UnitsMixed, stacklevel=3)
