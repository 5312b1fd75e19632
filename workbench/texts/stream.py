"""Notes of a file -> answers in a file, block by block with worker processes: memory does not grow with the number of notes.

Beside the output lies a hidden work folder while a run goes on, with one file a block. What is there is not computed again, so a run that
was stopped or killed goes on where it was; the folder's name follows from the notes, the variables and the pipeline, so that another
question never meets these answers. The output appears when it is whole.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count, islice
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
from tqdm import tqdm

from nlp import load
from nlp.variables.evaluate import CompiledSet
from nlp.variables.run import pipeline_version
from workbench.locale import tr
from workbench.texts.answers_file import write_answers
from workbench.texts.asking import Block, Form, answer_blocks, answer_cells, read_facts, table_schema, writable, write_block, written_under
from workbench.texts.tables import ReadReport, open_texts
from workbench.texts.wide_file import check_wide_columns, wide_answers, wide_path
from workbench.workers import default_workers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from nlp.variables.definition import Variable
    from nlp.variables.run import Row
    from workbench.texts.asking import Refusals
    from workbench.texts.tables import ReadNote, TextTable

__all__ = ["CELLS", "FORM", "Streamed", "structure_file"]

#: A line of the tidy table: what one place of a note answers to a variable. Offsets in code points of the note's text, ends exclusive;
#: `row` is the note's place in its file, `pipeline` a hash of the versions of all components, `value` a text, `value_number` its number.
CELLS = table_schema(
    "row note_id person_id visit_id document_type note_datetime variable variable_hash value value_number unit comparator assertion "
    "experiencer span_start span_end evidence confidence time pipeline why_not"
)
#: Notes in a block: what one process works on at a time, and what a stopped run loses at most.
BLOCK_NOTES = 200
_PLACES = 100


def _cells(read: ReadNote, row: Row) -> dict[str, Any]:
    found = answer_cells(row)
    return found | {
        "row": read.row,
        "note_id": writable(str(read.note.note_id)),
        "person_id": writable(read.person_id),
        "visit_id": writable(read.visit_id),
        "document_type": writable(read.note.document_type) or found["document_type"],
        "note_datetime": read.note.written,
    }


#: How the answers of a file become :data:`CELLS`.
FORM = Form(CELLS, _cells)


@dataclass(slots=True)
class Streamed:
    """What a run over a file did.

    Parameters
    ----------
    texts : tuple of str
        Columns that were read as the text.
    notes, answers : int
        How many notes were asked and answers written.
    read : ReadReport
        What could not be read.
    refused : Counter
        Of "variable: reason" (or the reason alone): what could not be asked.
    places : list of (row, variable, reason)
        The first hundred of them.
    pipeline : str
        Versions of all components.
    written : list of Path
        The files.
    """

    texts: tuple[str, ...] = ()
    notes: int = 0
    answers: int = 0
    read: ReadReport = field(default_factory=ReadReport)
    refused: Counter[str] = field(default_factory=Counter)
    places: list[tuple[int, str, str]] = field(default_factory=list)
    pipeline: str = ""
    written: list[Path] = field(default_factory=list)


def structure_file(
    source: Path,
    out: Path,
    variables: Iterable[Variable],
    *,
    columns: Mapping[str, Sequence[str]] | None = None,
    workers: int | None = None,
    wide: str = "",
    all_answers: bool = False,
    progress: bool = True,
) -> Streamed:
    """Ask the notes of a file a set of variables and write the answers to another.

    Parameters
    ----------
    source : Path
        See :func:`workbench.texts.tables.open_texts`.
    out : Path
        ``.csv``, ``.parquet`` or ``.xlsx``; replaced in one step.
    variables : VariableSet or iterable of Variable
        What is asked.
    columns : mapping, optional
        Columns by field where their names do not tell; see :func:`workbench.texts.tables.find_columns`.
    workers : int, optional
        Processes; by default one a processor, and one alone for a small file.
    wide : str
        Write a second table beside it, one row a note, patient or encounter.
    all_answers : bool
        Write the answers that do not count too, with their reason.
    progress : bool
        Whether to draw a bar on stderr.

    Returns
    -------
    Streamed

    Raises
    ------
    DataError
        If the file cannot be read, or the output not written.
    EnvironmentFault
        If a worker was killed. What was finished is kept: run again to go on.
    """
    asked = tuple(variables)
    version = pipeline_version(load())
    work = out.parent / f".{out.name}.work-{_key(source, asked, version, columns, all_answers)}"
    for stale in out.parent.glob(f".{out.name}.work-*"):
        if stale != work:
            shutil.rmtree(stale, ignore_errors=True)
    copies = work / f"copy-{os.getpid()}"
    blocks = work / "blocks"
    try:
        with written_under(blocks):
            table = open_texts(source, copies, columns)
        check_wide_columns(wide, table.columns)
        done = _run(table, blocks, asked, Streamed(table.columns["text"], pipeline=version), workers, all_answers, progress=progress)
    finally:
        shutil.rmtree(copies, ignore_errors=True)
        if not any(blocks.glob("*")):
            shutil.rmtree(work, ignore_errors=True)
    facts = {"pipeline": version}
    if wide:
        rows = wide_answers(_answers(blocks), asked, wide)
        write_answers(wide_path(out, wide), [rows], rows.schema, facts)
        done.written.append(wide_path(out, wide))
    write_answers(out, _answers(blocks), CELLS, facts)
    done.written.append(out)
    shutil.rmtree(work, ignore_errors=True)
    return done


def _run(
    table: TextTable, folder: Path, asked: tuple[Variable, ...], done: Streamed, workers: int | None, all_answers: bool, *, progress: bool
) -> Streamed:
    processes = workers or (default_workers() if table.path.stat().st_size > 1 << 20 else 1)
    bar = tqdm(desc=tr("文书", "notes"), unit=tr("份", "note"), disable=not progress)
    blocks = _blocks(table.notes(done.read), folder, done, bar)
    with bar:
        for found in answer_blocks(blocks, asked, FORM, None, all_answers, workers=processes):
            write_block(found.answers, found.refused, _file(folder, found.number))
            _count(done, found.notes, found.answers.num_rows, found.refused)
            bar.update(found.notes)
    return done


def _answers(folder: Path) -> Iterator[pa.Table]:
    return (pq.read_table(file, schema=CELLS) for file in sorted(folder.glob("block-*.parquet")))


def _blocks(notes: Iterator[ReadNote], folder: Path, done: Streamed, bar: tqdm) -> Iterator[Block]:
    """Yield the blocks that were not answered yet; those that were are counted from what lies there."""
    for number in count():
        block = Block(number, {each.row: each for each in islice(notes, BLOCK_NOTES)})
        if not block.notes:
            return
        file = _file(folder, number)
        if not file.is_file():
            yield block
            continue
        _count(done, len(block.notes), *read_facts(file))
        bar.update(len(block.notes))


def _count(done: Streamed, notes: int, answers: int, refused: Refusals) -> None:
    done.notes += notes
    done.answers += answers
    done.refused.update(f"{variable}: {why}" if variable else why for _, variable, why in refused)
    done.places += refused[: _PLACES - len(done.places)]


def _file(folder: Path, number: int) -> Path:
    return folder / f"block-{number:07d}.parquet"


def _key(source: Path, asked: tuple[Variable, ...], version: str, columns: Mapping | None, all_answers: bool) -> str:
    """Return a hash of all that the answers follow from."""
    digest = sha256()
    if source.is_file():
        with source.open("rb") as stream:
            while block := stream.read(1 << 22):
                digest.update(block)
    rest = [
        version,
        CompiledSet(asked).version,
        [each.name for each in asked],
        sorted((columns or {}).items()),
        all_answers,
        BLOCK_NOTES,
        CELLS.names,
    ]
    digest.update(json.dumps(rest, ensure_ascii=False, default=list).encode("utf-8", "replace"))
    return digest.hexdigest()[:16]
