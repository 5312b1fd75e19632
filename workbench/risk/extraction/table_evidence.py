"""Where the values of a study on plain tables come from: file, row and column, and the cell as it stands."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from workbench.risk.extraction.evidence import Evidence, feature_of, picked_from, shown_number, shown_time
from workbench.risk.extraction.outcomes import selected
from workbench.risk.extraction.predictors import Request, asked_columns, standing_column
from workbench.risk.extraction.readers import at_latest, read_times
from workbench.risk.extraction.records import joined_repeats, read_lines

if TYPE_CHECKING:
    from workbench.risk.extraction.columns import Columns, Part
    from workbench.risk.extraction.dataset import Feature, StudyData
    from workbench.risk.extraction.predictors import Wanted
    from workbench.risk.extraction.readers import PlainTable

__all__ = ["table_evidence"]


def table_evidence(columns: Columns, data: StudyData, row: int, name: str) -> list[Evidence]:
    """Return the cells behind one value.

    Parameters
    ----------
    columns : Columns
        The tables, as they were read.
    data : StudyData
        The study's.
    row : int
        Index of the row.
    name : str
        Of the predictor.

    Returns
    -------
    list of Evidence
        Empty where nothing is known. Where one result was picked it is the first, else the newest is. Of several results of one item at
        one time each is told, with the value that they were joined to. ``key`` is the row as a spreadsheet counts it, the header being the
        first; rows that are wholly empty may not be counted.

    Raises
    ------
    DataError
        If the study has no such row or predictor.
    """
    feature = feature_of(data, row, name)
    asked = _asked(columns, data)
    wanted = asked.wanted.get(name)
    if wanted is None:  # made by a model, as the time of a landmark is
        return []
    return _results(asked, data, row, wanted, feature) if wanted.timed else _facts(asked, data, row, wanted, feature)


class _Asked(NamedTuple):
    request: Request
    wanted: dict[str, Wanted]


@lru_cache(maxsize=2)
def _asked(columns: Columns, data: StudyData) -> _Asked:
    """Return what a study asks of its tables; kept, for a person looks at one value after another."""
    request = Request(selected(columns, data.protocol.rules), data.protocol, data.rows)
    wanted = [one for predictor in data.protocol.predictors for one in asked_columns(request, predictor, [])]
    return _Asked(request, {one.name: one for one in wanted})


@lru_cache(maxsize=16)
def _lines(request: Request, key: str, clock: str) -> tuple[pd.DataFrame, tuple[Part, ...]]:
    """Return the cleaned results of an item and where they stand; cleaning decides on whole columns."""
    parts = tuple(part for part in request.parts if part.key == key and request.is_timed(part))
    return read_lines(request.early(clock), parts, request.persons).table, parts


def _results(asked: _Asked, data: StudyData, row: int, wanted: Wanted, feature: Feature) -> list[Evidence]:
    request, clock = asked.request, wanted.predictor.clock
    whole, parts = _lines(request, wanted.key, clock)
    lines = whole[whole["person"] == request.persons.get_loc(data.rows.at[row, "person"])]
    joined = joined_repeats(lines.drop(columns=["place", "row"]), parts, [])
    lines = lines.drop(columns="value").merge(joined, on=["person", "item", "taken", "known"], validate="many_to_one")
    lines = lines.assign(time=lines["known" if clock == "available" else "taken"])
    unit = feature.unit or (wanted.item.unit if wanted.item else "")
    found = picked_from(lines, data.rows.at[row, "predicted_at"], wanted.predictor)
    tables = request.early(clock).tables
    return [_told(request.columns, tables[one.place], one, parts, unit) for one in found.itertuples()]


def _told(columns: Columns, table: PlainTable, line: object, parts: tuple[Part, ...], unit: str) -> Evidence:
    """Tell a result with its cells."""
    layout, cells = columns.layout, table.cells.iloc[line.row]
    if table.form == "results":
        item, text = cells[layout.item], " ".join(str(cells[name]) for name in (layout.value, layout.unit) if pd.notna(cells.get(name)))
    else:
        held = [part.name for part in parts if part.table == line.place and pd.notna(cells[part.name])]
        item, text = " / ".join(held), " / ".join(str(cells[name]) for name in held)
    return Evidence(shown_time(line.time), table.name, str(item), shown_number(line.value), unit, _number_of(cells.name), text)


def _facts(asked: _Asked, data: StudyData, row: int, wanted: Wanted, feature: Feature) -> list[Evidence]:
    """Tell the cells of a fact; of a fact that became known after the prediction there are none."""
    columns, person, value = asked.request.columns, data.rows.at[row, "person"], data.X.at[row, feature.name]
    known = wanted.predictor.known_at
    if known and pd.isna(value):
        return []
    column, told = standing_column(asked.request, wanted), []
    for table in columns.tables:
        if column not in table.cells:
            continue
        cells = table.cells[(table.person == person).to_numpy() & table.cells[column].notna().to_numpy()]
        times = at_latest(read_times(cells[columns.column(known)], [])) if known and columns.column(known) in cells else None
        for line in cells.index:
            time = "" if times is None else shown_time(times[line])
            unit, text = feature.unit if pd.notna(value) else "", str(cells.at[line, column])
            told.append(Evidence(time, table.name, column, shown_number(value), unit, _number_of(line), text))
    return told


def _number_of(line: object) -> str:
    """Return a row as a spreadsheet counts it: from 1, and the header is the first."""
    return str(int(line) + 2)
