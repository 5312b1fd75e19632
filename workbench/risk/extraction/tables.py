"""Plain tables as the source of a study: one row a patient, one a patient and time, or one a result; one file or several."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from workbench.errors import DefinitionError
from workbench.risk.cleaning.items import items
from workbench.risk.extraction.columns import Columns
from workbench.risk.extraction.outcomes import find_cohort, selected
from workbench.risk.extraction.predictors import find_features
from workbench.risk.extraction.readers import PlainTable, at_latest, file_hash, read_plain, read_times, unknown
from workbench.risk.extraction.roles import fact_columns, known_at

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workbench.risk.extraction.dataset import CohortRows, Features, StudyData
    from workbench.risk.extraction.evidence import Evidence
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
        return find_features(selected(self._columns(protocol), protocol.rules), protocol, rows)

    def evidence(self, data: StudyData, row: int, feature: str) -> list[Evidence]:
        """Return the cells behind one value; see :func:`~workbench.risk.extraction.table_evidence.table_evidence`."""
        from workbench.risk.extraction.table_evidence import table_evidence

        return table_evidence(self._columns(data.protocol), data, row, feature)

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
        random = np.random.default_rng(seed) if how == "permute" else None
        changed = self._later(rows, lambda _, cells, names, late: _without(cells, names, late, random))
        return replace(changed, id=f"{self.id}+{how}{seed if random else ''}")

    def poisoned(self, rows: pd.DataFrame, truth: np.ndarray) -> TableSource:
        """Return the tables with numbers that tell the truth in place of those that became known at or after the first predictions.

        Parameters
        ----------
        rows : DataFrame
            Rows of a study, one a person.
        truth : ndarray of bool, of n rows
            Whose numbers become high ones of their item; the others' become low ones, both usual, so that cleaning lets them pass.

        Returns
        -------
        TableSource
        """
        told = pd.Series(np.asarray(truth, bool), index=rows["person"].to_numpy())
        layout = self.columns.layout

        def poison(table: PlainTable, cells: pd.DataFrame, names: list[str], late: np.ndarray) -> pd.DataFrame:
            results = layout.value in names
            items, numbers = (cells[layout.item], [layout.value]) if results else (None, names)
            true = table.person.map(told).eq(True).to_numpy()
            return cells.assign(**{name: _told(cells[name], items, late, true) for name in numbers})

        return replace(self._later(rows, poison), id=f"{self.id}+poison")

    def _later(self, rows: pd.DataFrame, change: Callable[[PlainTable, pd.DataFrame, list[str], np.ndarray], pd.DataFrame]) -> TableSource:
        """Change cells of rows that became known at or after each person's first prediction."""
        layout, dated = self.columns.layout, known_at(self.columns, self.study)
        stay = fact_columns(self.columns, self.study) | {layout.patient, layout.time, layout.available}
        first = rows.groupby("person")["predicted_at"].min()

        def changed(table: PlainTable) -> PlainTable:
            predicted, cells = table.person.map(first), table.cells
            if table.known is not None:
                content = [name for name in cells.columns if name not in stay]
                cells = change(table, cells, content, (table.known >= predicted).to_numpy())
            for column, time in dated.items():
                if column in cells and time in cells:
                    known = at_latest(read_times(cells[time], []))
                    cells = change(table, cells, [column], (known >= predicted).to_numpy())
            return replace(table, cells=cells)

        return replace(self, columns=Columns(tuple(map(changed, self.columns.tables)), layout))

    def _columns(self, protocol: Protocol) -> Columns:
        if protocol.plain().get("tables") != self.study.plain().get("tables"):
            raise DefinitionError("the tables were read by another layout than the study's", hint="read_tables(files, protocol) again")
        return self.columns


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
    columns = Columns(read_plain(files, protocol.tables), protocol.tables)
    _check_words(columns)
    return TableSource(columns, file_hash(files), protocol)


def _check_words(columns: Columns) -> None:
    """Refuse names, units and codes of what is not there: misspelt, they would change nothing and say nothing."""
    layout, there = columns.layout, set(columns.names)
    if layout.names or layout.units:
        there |= {part.name for part in columns.parts()}
    for key, words, known in (
        ("names", layout.names, there),
        ("units", layout.units, there | items().keys()),
        ("codes", layout.codes, set(columns.names)),
    ):
        if lost := [word for word in words if word not in known]:
            raise unknown(f"column or item (tables.{key})", lost[0], sorted(known - items().keys()))


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


def _told(column: pd.Series, items: pd.Series | None, late: np.ndarray, true: np.ndarray) -> pd.Series:
    """Put high numbers of an item where the truth is and low ones elsewhere, in place of its late numbers."""
    numbers = pd.to_numeric(column, errors="coerce")
    by = numbers.groupby(np.zeros(len(numbers)) if items is None else items.fillna("").to_numpy())
    low, high = (by.transform("quantile", share) for share in (0.05, 0.95))
    return column.where(~late | numbers.isna().to_numpy(), high.where(true, low))
