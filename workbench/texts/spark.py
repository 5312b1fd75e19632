"""The same answers on Spark: a frame of notes -> a frame of answers, by mapInArrow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from nlp.variables.evaluate import CompiledSet
from nlp.variables.run import short_version
from workbench.errors import DataError, EnvironmentFault
from workbench.texts.asking import Asker, Block
from workbench.texts.stream import CELLS, FORM
from workbench.texts.tables import ReadReport, TextTable, find_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pyspark.sql import DataFrame

    from nlp.variables.definition import Variable

__all__ = ["answer_batches", "structure_frame"]

#: What a frame of answers holds: the tidy table of a file but for the row's number, which a frame does not have.
FRAME = pa.schema([field for field in CELLS if field.name != "row"])

_AT_ONCE = 500
#: In each Python worker of Spark: the pipeline of the set asked last. Workers live on from task to task.
_ready: dict[tuple[Variable, ...], Asker] = {}


def structure_frame(frame: DataFrame, variables: Iterable[Variable], *, columns: Mapping[str, Sequence[str]] | None = None) -> DataFrame:
    """Ask the notes of a Spark frame a set of variables.

    Parameters
    ----------
    frame : pyspark.sql.DataFrame
        One row a note; columns are told by their names as :func:`workbench.texts.tables.find_columns` does. One names the note.
    variables : VariableSet or iterable of Variable
        What is asked.
    columns : mapping of str to sequence of str, optional
        Columns by field where their names do not tell.

    Returns
    -------
    pyspark.sql.DataFrame
        One row an answer, as in the tidy table of :func:`workbench.texts.stream.structure_file`; lazy as every frame. A note that cannot
        be asked gives one row whose variable is empty and whose ``why_not`` says why.

    Raises
    ------
    DataError
        If no column is the text, or none names the note.
    EnvironmentFault
        If pyspark is not installed.

    Notes
    -----
    The workers have to have this package: an archive of the environment (``spark.archives``), or a shared folder.

    Examples
    --------
    ``structure_frame(spark.read.parquet("notes.parquet"), ready_set("chest_ct")).write.parquet("answers.parquet")``
    """
    try:
        from pyspark.sql.pandas.types import from_arrow_schema
    except ImportError as error:
        raise EnvironmentFault("pyspark is not installed", hint='pip install "clinical-workbench[bench]"') from error
    found = find_columns(frame.columns, columns)
    if "note_id" not in found:
        raise DataError("no column names the note", hint=f"say columns={{'note_id': [...]}}; columns: {', '.join(frame.columns)}")
    asked = tuple(variables)
    CompiledSet(asked)  # what cannot be asked is told here, not on a worker

    def answers(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return answer_batches(batches, asked, found)

    needed = list(dict.fromkeys(column for chosen in found.values() for column in chosen))
    return frame.select(*needed).mapInArrow(answers, from_arrow_schema(FRAME, prefer_timestamp_ntz=True))


def answer_batches(
    batches: Iterable[pa.RecordBatch], variables: tuple[Variable, ...], columns: Mapping[str, tuple[str, ...]]
) -> Iterator[pa.RecordBatch]:
    """Answer batches of notes, one batch or more for each; memory holds one at a time.

    Parameters
    ----------
    batches : iterable of pyarrow.RecordBatch
        With the columns named.
    variables : tuple of Variable
        What is asked.
    columns : mapping of str to tuple of str
        As :func:`workbench.texts.tables.find_columns` gives them.

    Yields
    ------
    pyarrow.RecordBatch
        Columns of :data:`FRAME`.
    """
    if variables not in _ready:
        _ready.clear()
        _ready[variables] = Asker(variables, FORM)
    table = TextTable(Path(), dict(columns), Path())
    for batch in batches:
        for start in range(0, batch.num_rows, _AT_ONCE):
            yield from _answered(batch.slice(start, _AT_ONCE), table, _ready[variables])


def _answered(batch: pa.RecordBatch, table: TextTable, asker: Asker) -> Iterator[pa.RecordBatch]:
    report = ReadReport()
    rows = batch.to_pylist()
    notes = (table.note_of(number, row, report) for number, row in enumerate(rows))
    found = asker.answer(Block(0, {note.row: note for note in notes if note is not None}))
    failed = [(number, "", why) for why in report.refused for number in report.places[why]] + found.refused
    name, version = table.columns["note_id"][0], short_version(asker.pipeline)
    refused = [
        {"note_id": str(rows[number][name]), "variable": variable, "pipeline": version, "why_not": f"refused: {why}"}
        for number, variable, why in failed
    ]
    together = pa.concat_tables([found.answers.drop_columns("row"), pa.Table.from_pylist(refused, FRAME)])
    yield from together.combine_chunks().to_batches()
