"""Blocks of notes asked a set of variables, in this process or several; their answers as tables, and on disk whole or not at all."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from nlp import load
from nlp.variables.answers import Answer
from nlp.variables.evaluate import CompiledSet, naive
from nlp.variables.run import Tally, pipeline_version, short_version, structure_notes
from nlp.writing import whole_file
from workbench.errors import EnvironmentFault
from workbench.locale import tr
from workbench.workers import work_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from nlp.variables.catalogue import Catalogue
    from nlp.variables.definition import Variable
    from nlp.variables.run import Row

__all__ = [
    "Answered",
    "Asker",
    "Block",
    "Form",
    "answer_blocks",
    "answer_cells",
    "answer_of",
    "read_facts",
    "table_schema",
    "write_block",
    "written_under",
]

_WHOLE = ("row", "span_start", "span_end")
_REAL = ("value_number", "confidence")
_TIMES = ("note_datetime", "earliest", "latest", "time")

#: The name of a note, a variable (empty: all of them) and why it could not be asked; no word of the note.
Refusals = list[tuple[int, str, str]]


def table_schema(names: str, *, whole: tuple[str, ...] = ()) -> pa.Schema:
    """Return the schema of a table of answers; `names` are its columns, `whole` those of them that are whole numbers besides the usual."""
    types = dict.fromkeys((*_WHOLE, *whole), pa.int64()) | dict.fromkeys(_REAL, pa.float64()) | dict.fromkeys(_TIMES, pa.timestamp("us"))
    return pa.schema([(name, types.get(name, pa.string())) for name in names.split()])


class Form(NamedTuple):
    """How answers become a table: its columns, and the function (of a module) that gives the cells of a note and one of its rows."""

    schema: pa.Schema
    cells: Callable[[Any, Row], dict[str, Any]]


class Block(NamedTuple):
    """Notes that one process works on at a time: by the name that refusals give them, things with a `note`; index dates by that name."""

    number: int
    notes: Mapping[int, Any]
    index: Mapping[int, datetime | None] | None = None


class Answered(NamedTuple):
    """The answers of a block."""

    number: int
    notes: int
    answers: pa.Table
    refused: Refusals


class Asker:
    """A set of variables with its pipeline.

    Parameters
    ----------
    variables : tuple of Variable
        What is asked.
    form : Form
        How answers become a table.
    components : mapping, optional
        Options of the pipeline's components, as :func:`nlp.load` takes them.
    all_answers : bool
        Whether to give the answers that do not count too, with their reason.
    catalogue : Catalogue, optional
        The functions that variables may call; the built-in ones if not said.
    """

    def __init__(
        self,
        variables: tuple[Variable, ...],
        form: Form,
        components: Mapping[str, Mapping[str, object]] | None = None,
        all_answers: bool = False,
        catalogue: Catalogue | None = None,
    ) -> None:
        self._asked, self._language = CompiledSet(variables, catalogue=catalogue), load(options=components)
        self._form, self._all_answers = form, all_answers
        #: The versions of the pipeline's components.
        self.pipeline = pipeline_version(self._language)

    def answer(self, block: Block) -> Answered:
        """Ask a block; its answers come in order of the notes, of the variables and of the text."""
        tally = Tally(most=None)
        # Each note goes by its name in the block: identifiers of a file may repeat.
        notes = [source.note._replace(note_id=name) for name, source in block.notes.items()]
        index = block.index or {}
        rows = structure_notes(
            self._asked, notes, self._language, tally=tally, all_answers=self._all_answers, index=lambda note: index.get(note.note_id)
        )
        cells = [self._form.cells(block.notes[row.note_id], row) for row in rows]
        return Answered(block.number, len(notes), pa.Table.from_pylist(cells, self._form.schema), tally.where)


# ------------------------------------------------------------------------------------------------------- in each process

_asker: Asker | None = None


def _prepare(*given: Any) -> None:
    global _asker
    _asker = Asker(*given)


def _work(block: Block) -> Answered:
    return _asker.answer(block)


def answer_blocks(blocks: Iterable[Block], *given: Any, workers: int) -> Iterator[Answered]:
    """Answer blocks in their order, with what :class:`Asker` takes; see :func:`workbench.workers.work_on`."""
    return work_on(blocks, _work, prepare=_prepare, given=given, workers=workers)


# ----------------------------------------------------------------------------------------------------------------- cells


def answer_cells(row: Row) -> dict[str, Any]:
    """Return the cells of an answer that any table may have."""
    answer = row.answer
    number = float(answer.value) if isinstance(answer.value, int | float) and not isinstance(answer.value, bool) else None
    text = None if answer.value is None or number is not None else writable(str(answer.value))
    earliest, latest = (time and naive(time) for time in (answer.earliest, answer.latest))
    return {
        "document_type": writable(row.document_type),
        "variable": answer.variable,
        "variable_hash": answer.hash,
        "value": text if number is None else f"{number:.15g}",
        "value_text": text,
        "value_number": number,
        "unit": answer.unit,
        "comparator": answer.comparator,
        "assertion": str(answer.assertion),
        "experiencer": answer.experiencer,
        "span_start": answer.start,
        "span_end": answer.end,
        "evidence": writable(row.evidence),
        "confidence": answer.confidence,
        "earliest": earliest,
        "latest": latest,
        "time": earliest or latest,
        "pipeline": short_version(row.pipeline),
        "why_not": answer.why_not,
    }


def writable(text: str) -> str:
    """Replace lone surrogates, which cannot be written, with marks of equal length."""
    return text.encode("utf-8", "replace").decode()


def answer_of(cells: Mapping[str, Any]) -> Answer:
    """Return an answer from the row of a table with value_text, value_number, earliest and latest."""
    return Answer(
        cells["variable"],
        cells["variable_hash"],
        cells["value_text"] if cells["value_number"] is None else cells["value_number"],
        unit=cells["unit"],
        comparator=cells["comparator"],
        assertion=cells["assertion"],
        experiencer=cells["experiencer"],
        start=cells["span_start"],
        end=cells["span_end"],
        confidence=cells["confidence"],
        earliest=cells["earliest"],
        latest=cells["latest"],
    )


# --------------------------------------------------------------------------------------------------------------- on disk


def write_block(answers: pa.Table, refused: Refusals, file: Path) -> None:
    """Write a block's answers with what was refused; a file that is there is complete."""
    with written_under(file.parent), whole_file(file) as aside:
        pq.write_table(answers.replace_schema_metadata({"refused": json.dumps(refused)}), aside, compression="zstd")


@contextmanager
def written_under(folder: Path) -> Iterator[None]:
    """Make a folder to write to; a disk that is full and the like become an error that says so.

    Parameters
    ----------
    folder : Path
        Where the run keeps its files.

    Raises
    ------
    EnvironmentFault
        If something there cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise EnvironmentFault(
            tr(
                f"无法写入 {folder}：{error.strerror or type(error).__name__}",
                f"{folder} cannot be written to: {error.strerror or type(error).__name__}",
            ),
            hint=tr(
                "腾出空间或检查权限；已完成的部分已保存，再运行一次从断点继续",
                "make room or mend permissions; what is done is kept: run it again to go on",
            ),
        ) from error


def read_facts(file: Path) -> tuple[int, Refusals]:
    """Return how many answers a block's file has, and what was refused."""
    known = pq.read_metadata(file)
    return known.num_rows, [tuple(each) for each in json.loads(known.metadata[b"refused"])]
