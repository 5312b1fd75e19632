"""Plain tables as the source of a study: one row a patient, one a patient and time, or one a result; one file or several."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from workbench.errors import DefinitionError
from workbench.risk.cleaning.items import items
from workbench.risk.extraction.columns import Columns
from workbench.risk.extraction.outcomes import find_cohort, selected
from workbench.risk.extraction.predictors import find_features
from workbench.risk.extraction.readers import PlainTable, at_latest, file_hash, read_plain, read_times, unknown
from workbench.risk.extraction.roles import fact_columns, known_at

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
        return find_features(selected(self._columns(protocol), protocol.rules), protocol, rows)

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
        layout, dated = self.columns.layout, known_at(self.columns, self.study)
        stay = fact_columns(self.columns, self.study) | {layout.patient, layout.time, layout.available}
        tables = tuple(_truncated(table, first, stay, dated, random) for table in self.columns.tables)
        return replace(self, columns=Columns(tables, layout), id=f"{self.id}+{how}{seed if random else ''}")

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


def _truncated(
    table: PlainTable, first: pd.Series, stay: frozenset[str], dated: dict[str, str], random: np.random.Generator | None
) -> PlainTable:
    predicted = table.person.map(first)
    cells = table.cells.copy(deep=False)
    if table.known is not None:
        content = [name for name in cells.columns if name not in stay]
        cells = _without(cells, content, (table.known >= predicted).to_numpy(), random)
    for column, time in dated.items():
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
