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
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from nlp import load
from nlp.variables.evaluate import CompiledSet
from nlp.variables.run import Row, Tally, pipeline_version, structure_notes
from workbench.texts.answers_file import write_answers
from workbench.texts.tables import ReadReport, open_texts
from workbench.texts.wide_file import check_wide_columns, wide_answers, wide_path
from workbench.texts.workers import default_workers, work_on

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from spacy.language import Language

    from nlp.variables.definition import Variable
    from workbench.texts.tables import ReadNote, TextTable

__all__ = ["CELLS", "Streamed", "answer_notes", "structure_file"]

#: A line of the tidy table: what one place of a note answers to a variable. Offsets in code points of the note's text, ends exclusive;
#: `row` is the note's place in its file, `pipeline` a hash of the versions of all components, `value` a text, `value_number` its number.
CELLS = pa.schema(
    [
        ("row", pa.int64()),
        ("note_id", pa.string()),
        ("person_id", pa.string()),
        ("visit_id", pa.string()),
        ("document_type", pa.string()),
        ("note_datetime", pa.timestamp("us")),
        ("variable", pa.string()),
        ("variable_hash", pa.string()),
        ("value", pa.string()),
        ("value_number", pa.float64()),
        ("unit", pa.string()),
        ("comparator", pa.string()),
        ("assertion", pa.string()),
        ("experiencer", pa.string()),
        ("span_start", pa.int64()),
        ("span_end", pa.int64()),
        ("evidence", pa.string()),
        ("confidence", pa.float64()),
        ("time", pa.timestamp("us")),
        ("pipeline", pa.string()),
        ("why_not", pa.string()),
    ]
)
#: Notes in a block: what one process works on at a time, and what a stopped run loses at most.
BLOCK_NOTES = 200


class _Task(NamedTuple):
    number: int
    notes: list[ReadNote]


class _Done(NamedTuple):
    number: int
    notes: int
    answers: pa.Table
    places: list[tuple[int, str, str]]  # row, variable, reason
    reasons: dict[str, int]


@dataclass(slots=True)
class Streamed:
    """What a run over a file did.

    Parameters
    ----------
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

    notes: int = 0
    answers: int = 0
    read: ReadReport = field(default_factory=ReadReport)
    refused: Counter[str] = field(default_factory=Counter)
    places: list[tuple[int, str, str]] = field(default_factory=list)
    pipeline: str = ""
    written: list[Path] = field(default_factory=list)


# ------------------------------------------------------------------------------------------------------- in each process

_asked: CompiledSet | None = None
_language: Language | None = None
_all_answers = False


def _prepare(variables: tuple[Variable, ...], all_answers: bool) -> None:
    global _asked, _language, _all_answers
    _asked, _all_answers = CompiledSet(variables), all_answers
    _language = _asked.pipeline(load())


def _work(task: _Task) -> _Done:
    tally = Tally()
    answers = answer_notes(task.notes, _asked, _language, tally=tally, all_answers=_all_answers)
    reasons = Counter({f"{variable}: {why}" if variable else why: count for (variable, why), count in tally.refused.items()})
    return _Done(task.number, len(task.notes), answers, tally.where, dict(reasons))


def answer_notes(
    notes: Sequence[ReadNote], asked: CompiledSet, language: Language, *, tally: Tally | None = None, all_answers: bool = False
) -> pa.Table:
    """Ask some notes a set of variables.

    Parameters
    ----------
    notes : sequence of ReadNote
        A block that fits into memory.
    asked : CompiledSet
        The variables.
    language : Language
        The pipeline of `asked`.
    tally : Tally, optional
        Counts what is refused; its places are rows.
    all_answers : bool
        Give the answers that do not count too, with their reason.

    Returns
    -------
    pyarrow.Table
        Columns of :data:`CELLS`, in order of the notes, of the variables and of the text.
    """
    # Each note goes by its row: identifiers of a file may repeat.
    by_row = {each.row: each for each in notes}
    numbered = (each.note._replace(note_id=each.row) for each in notes)
    rows = structure_notes(asked, numbered, language, tally=tally, all_answers=all_answers)
    return pa.Table.from_pylist([_cell(by_row[row.note_id], row) for row in rows], CELLS)


def _cell(read: ReadNote, row: Row) -> dict[str, Any]:
    number = float(row.value) if isinstance(row.value, int | float) and not isinstance(row.value, bool) else None
    return {
        "row": read.row,
        "note_id": _writable(str(read.note.note_id)),
        "person_id": _writable(read.person_id),
        "visit_id": _writable(read.visit_id),
        "document_type": _writable(read.note.document_type),
        "note_datetime": read.note.written,
        "variable": row.variable,
        "variable_hash": row.variable_hash,
        "value": None if row.value is None else _writable(f"{row.value:.15g}" if number is not None else str(row.value)),
        "value_number": number,
        "unit": row.unit,
        "comparator": row.comparator,
        "assertion": str(row.assertion),
        "experiencer": row.experiencer,
        "span_start": row.span_start,
        "span_end": row.span_end,
        "evidence": _writable(row.evidence),
        "confidence": row.confidence,
        "time": row.time.replace(tzinfo=None) if row.time else None,
        "pipeline": short_version(row.pipeline),
        "why_not": row.why_not,
    }


def short_version(versions: str) -> str:
    """Return 16 hex digits that stand for the versions of all components."""
    return sha256(versions.encode()).hexdigest()[:16]


def _writable(text: str) -> str:
    """Replace lone surrogates, which cannot be written, with marks of equal length."""
    return text.encode("utf-8", "replace").decode()


# ---------------------------------------------------------------------------------------------------------------- a file


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
    version = pipeline_version(CompiledSet(asked).pipeline(load()))
    work = out.parent / f".{out.name}.work-{_key(source, asked, version, columns, all_answers)}"
    for stale in out.parent.glob(f".{out.name}.work-*"):
        if stale != work:
            shutil.rmtree(stale, ignore_errors=True)
    copies = work / f"copy-{os.getpid()}"
    blocks = work / "blocks"
    blocks.mkdir(parents=True, exist_ok=True)
    try:
        table = open_texts(source, copies, columns)
        check_wide_columns(wide, table.columns)
        done = _run(table, blocks, asked, Streamed(pipeline=version), workers, all_answers, progress=progress)
    finally:
        shutil.rmtree(copies, ignore_errors=True)
        if not any(blocks.iterdir()):
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
    bar = tqdm(desc="notes", unit="note", disable=not progress)
    tasks = _tasks(table.notes(done.read), folder, done, bar)
    with bar:
        for found in work_on(tasks, _work, prepare=_prepare, given=(asked, all_answers), workers=processes):
            _keep(folder, found)
            _count(done, found.notes, found.answers.num_rows, found.reasons, found.places)
            bar.update(found.notes)
    return done


def _answers(folder: Path) -> Iterator[pa.Table]:
    return (pq.read_table(file, schema=CELLS) for file in sorted(folder.glob("block-*.parquet")))


def _tasks(notes: Iterator[ReadNote], folder: Path, done: Streamed, bar: tqdm) -> Iterator[_Task]:
    """Yield the blocks that were not answered yet; those that were are counted from what lies there."""
    block: list[ReadNote] = []
    number = 0
    for note in notes:
        block.append(note)
        if len(block) == BLOCK_NOTES:
            yield from _unless_done(_Task(number, block), folder, done, bar)
            block, number = [], number + 1
    if block:
        yield from _unless_done(_Task(number, block), folder, done, bar)


def _unless_done(task: _Task, folder: Path, done: Streamed, bar: tqdm) -> Iterator[_Task]:
    file = _file(folder, task.number)
    if not file.is_file():
        yield task
        return
    kept = pq.read_metadata(file)
    told = json.loads(kept.metadata[b"refused"])
    _count(done, len(task.notes), kept.num_rows, told["reasons"], told["places"])
    bar.update(len(task.notes))


def _count(done: Streamed, notes: int, answers: int, reasons: Mapping[str, int], places: Iterable[Sequence]) -> None:
    done.notes += notes
    done.answers += answers
    done.refused.update(reasons)
    done.places += [tuple(place) for place in places][: 100 - len(done.places)]


def _keep(folder: Path, found: _Done) -> None:
    file = _file(folder, found.number)
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    told = json.dumps({"reasons": found.reasons, "places": found.places})
    try:
        pq.write_table(found.answers.replace_schema_metadata({"refused": told}), aside, compression="zstd")
        aside.replace(file)
    finally:
        aside.unlink(missing_ok=True)


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
