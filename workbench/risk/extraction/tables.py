"""Plain tables as the source of a study: one row a patient, one a patient and time, or one a result; one file or several."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from workbench.errors import DefinitionError
from workbench.risk.extraction.columns import Columns
from workbench.risk.extraction.outcomes import find_cohort, selected
from workbench.risk.extraction.predictors import facts_asked, find_features
from workbench.risk.extraction.readers import PlainTable, at_latest, file_hash, read_plain, read_times

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from workbench.risk.extraction.dataset import CohortRows, Features
    from workbench.risk.protocol.protocol import Protocol

__all__ = ["TableSource", "read_tables"]


@dataclass(frozen=True, eq=False)
class TableSource:
    """Plain tables; keeps the protocol of :class:`~workbench.risk.extraction.dataset.Source`.

    Parameters
    ----------
    columns : Columns
        The tables.
    id : str
        Hash of the files, and what was done to them.
    study : Protocol
        The study that they were read for.
    """

    columns: Columns
    id: str
    study: Protocol

    def cohort(self, protocol: Protocol) -> CohortRows:
        """Find the rows of a study and their outcomes."""
        return find_cohort(self._columns(protocol), protocol)

    def features(self, protocol: Protocol, rows: pd.DataFrame) -> Features:
        """Find what was known of each row before its prediction."""
        return find_features(selected(self._columns(protocol), protocol.rules), protocol, rows.reset_index(drop=True))

    def truncated(self, rows: pd.DataFrame, *, how: Literal["delete", "permute"], seed: int = 0) -> TableSource:
        """Return the tables with everything that became known at or after each person's first prediction gone, or shuffled.

        Facts of a patient stay, for they stand in each row of a timed table; but for those with a time of their own (``known_at``).

        Parameters
        ----------
        rows : DataFrame
            Rows of a study.
        how : {"delete", "permute"}
            Whether what is later is emptied, or dealt anew among the rows that are later.
        seed : int
            Of the shuffling.

        Returns
        -------
        TableSource
        """
        first = rows.groupby("person")["predicted_at"].min()
        random = np.random.default_rng(seed) if how == "permute" else None
        tables = tuple(_truncated(table, first, self._of_patients, self._known_at, random) for table in self.columns.tables)
        return replace(self, columns=Columns(tables, self.columns.layout), id=f"{self.id}+{how}{seed if random else ''}")

    def _columns(self, protocol: Protocol) -> Columns:
        if protocol.tables != self.study.tables:
            raise DefinitionError("the tables were read by another layout than the study's", hint="read_tables(files, protocol) again")
        return self.columns

    @property
    def _of_patients(self) -> frozenset[str]:
        """Columns that stay: those that say how a table is read, and facts of a patient."""
        layout = self.columns.layout
        words = facts_asked(self.study)
        named = {name for name in words if name in self.columns.names} | {
            name for word in words - set(self.columns.names) if (item := self.columns.item_of(word))
            for name in self.columns.names if self.columns.item_of(name) == item
        }  # fmt: skip
        return frozenset(named | {layout.patient, layout.time, layout.available})

    @property
    def _known_at(self) -> dict[str, str]:
        """Columns that became known at a time of their own, and the column of that time."""
        dated = [predictor for predictor in self.study.predictors if predictor.known_at]
        return {self.columns.column(name): self.columns.column(one.known_at) for one in dated for name in one.of}


def read_tables(files: Sequence[Path], protocol: Protocol) -> TableSource:
    """Read plain tables as the source of a study.

    Parameters
    ----------
    files : sequence of Path
        CSV or TSV (UTF-8, UTF-16, GB18030; also packed), Excel workbooks, Parquet.
    protocol : Protocol
        The study; its ``tables`` say what the columns are called.

    Returns
    -------
    TableSource

    Raises
    ------
    DataError
        If a file cannot be read, or has no patients.
    DefinitionError
        If the study has no ``tables``, or they name columns that are not there.
    """
    if protocol.tables is None:
        raise DefinitionError("the study does not say how tables are read", hint="tables: {patient: <column>}")
    files = [Path(path) for path in files]
    return TableSource(Columns(read_plain(files, protocol.tables), protocol.tables), file_hash(files), protocol)


def _truncated(
    table: PlainTable, first: pd.Series, of_patients: frozenset[str], known_at: dict[str, str], random: np.random.Generator | None
) -> PlainTable:
    predicted = table.person.map(first)
    cells = table.cells.copy(deep=False)
    if table.known is not None:
        content = [name for name in cells.columns if name not in of_patients]
        cells = _without(cells, content, (table.known >= predicted).to_numpy(), random)
    for column, time in known_at.items():
        if column in cells and time in cells:
            known = at_latest(read_times(cells[time], []))
            cells = _without(cells, [column], (known >= predicted).to_numpy(), random)
    return replace(table, cells=cells)


def _without(cells: pd.DataFrame, content: list[str], late: np.ndarray, random: np.random.Generator | None) -> pd.DataFrame:
    """Empty some cells of late rows, or deal them anew among these rows."""
    places = np.flatnonzero(late)
    dealt = None if random is None else random.permutation(places)
    columns = {}
    for name in content:
        values = cells[name].copy()
        if dealt is None:
            values = values.where(~late)
        else:
            values.iloc[places] = values.to_numpy()[dealt]
        columns[name] = values
    return cells.assign(**columns)
