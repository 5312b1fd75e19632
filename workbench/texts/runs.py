"""Runs: a set of variables asked of many notes, block by block, so that a run can stop, go on and be asked again.

A run's folder holds one file for each variable (by its hash) and block of notes. What lies there is not computed again: a run that was
killed goes on where it was, and a set of which one variable was changed asks that one variable. Which folder it is follows from the
snapshot, the notes chosen and the versions of the pipeline's components, so that a newer rule never meets older answers.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm import tqdm

from nlp import load, read
from nlp.variables.evaluate import CompiledSet
from workbench.errors import DataError
from workbench.session import current, in_session
from workbench.store.overlay import FINDING, with_findings
from workbench.tables import arrow_schema
from workbench.texts.notes import BLOCK_NOTES, ChosenNote, NoteSet
from workbench.texts.wide import Per, cell_sources, wide_table
from workbench.texts.workers import default_workers, work_on

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    import pandas as pd

    from nlp.variables.answers import Answer
    from nlp.variables.definition import Variable
    from nlp.variables.sets import VariableSet
    from workbench.store.overlay import SnapshotWithFindings
    from workbench.texts.review import Review

__all__ = ["ANSWERS", "REFUSED", "StructuredNotes", "structure"]

#: A cell of the tidy table: what one place of a note answers to a variable. Offsets in code points of the note's text, ends exclusive.
ANSWERS = pa.schema(
    [
        ("person_id", pa.int64()),
        ("visit_occurrence_id", pa.int64()),
        ("note_id", pa.int64()),
        ("note_datetime", pa.timestamp("us")),
        ("document_type", pa.string()),
        ("department", pa.string()),
        ("variable", pa.string()),
        ("variable_hash", pa.string()),
        ("value_number", pa.float64()),
        ("value_text", pa.string()),
        ("unit", pa.string()),
        ("comparator", pa.string()),
        ("assertion", pa.string()),
        ("experiencer", pa.string()),
        ("span_start", pa.int64()),
        ("span_end", pa.int64()),
        ("evidence", pa.string()),
        ("confidence", pa.float64()),
        ("earliest", pa.timestamp("us")),
        ("latest", pa.timestamp("us")),
        ("why_not", pa.string()),
    ]
)
#: What could not be asked: a note and a variable (empty: all), and why; no word of the note.
REFUSED = pa.schema([("note_id", pa.int64()), ("variable", pa.string()), ("why", pa.string())])
_SHORT = 16  # hex digits of a hash in a file's name
_FINDING_BASE = 1 << 62
_PRESENCE = frozenset({"present", "absent", "possible", "historical", "hypothetical"})


class _Task(NamedTuple):
    number: int
    notes: list[ChosenNote]
    index: dict[int, list[datetime]]


class _Done(NamedTuple):
    number: int
    notes: int
    answers: pa.Table
    refused: pa.Table


# ------------------------------------------------------------------------------------------------------- in each process

_asked: CompiledSet | None = None
_language: object = None


def _prepare(variables: tuple[Variable, ...], components: Mapping[str, Mapping[str, object]]) -> None:
    global _asked, _language
    _asked = CompiledSet(variables)
    _language = _asked.pipeline(load(options=components))


def _work(task: _Task) -> _Done:
    rows: list[dict] = []
    refused: list[dict] = []
    for chosen in task.notes:
        try:
            (text,) = read(_language, [chosen.note])
            evaluation = _asked.evaluate(text, index=_nearest(task.index.get(chosen.person_id, ()), chosen.note.written))
        except Exception as error:
            refused.append({"note_id": chosen.note.note_id, "variable": "", "why": f"failed with {type(error).__name__}"})
            continue
        rows += (_row(chosen, text.document_type, answer) for answer in evaluation.answers)
        refused += ({"note_id": chosen.note.note_id, "variable": each.variable, "why": each.why} for each in evaluation.refused)
    return _Done(task.number, len(task.notes), pa.Table.from_pylist(rows, ANSWERS), pa.Table.from_pylist(refused, REFUSED))


def _nearest(dates: Sequence[datetime], written: datetime | None) -> datetime | None:
    """Return the index date nearest to a note, for a patient may have several."""
    if not dates or written is None:
        return dates[0] if dates else None
    return min(dates, key=lambda day: abs(day - written))


def _row(chosen: ChosenNote, document_type: str, answer: Answer) -> dict:
    note = chosen.note
    number = float(answer.value) if isinstance(answer.value, int | float) else None
    return {
        "person_id": chosen.person_id,
        "visit_occurrence_id": chosen.visit_occurrence_id,
        "note_id": note.note_id,
        "note_datetime": note.written,
        "document_type": document_type,
        "department": note.department,
        "variable": answer.variable,
        "variable_hash": answer.hash,
        "value_number": number,
        "value_text": None if answer.value is None or number is not None else str(answer.value),
        "unit": answer.unit,
        "comparator": answer.comparator,
        "assertion": str(answer.assertion),
        "experiencer": answer.experiencer,
        "span_start": answer.start,
        "span_end": answer.end,
        "evidence": _shown(note.text, answer),
        "confidence": answer.confidence,
        "earliest": answer.earliest,
        "latest": answer.latest,
        "why_not": answer.why_not,
    }


def _shown(text: str, answer: Answer) -> str:
    """Return the words from the first to the last span that led to an answer."""
    spans = [*answer.evidence, (answer.start, answer.end)]
    shown = text[min(start for start, _ in spans) : max(end for _, end in spans)]
    return shown.encode("utf-8", "replace").decode()  # a lone surrogate cannot be written


# ---------------------------------------------------------------------------------------------------------------- runs


@dataclass(frozen=True, eq=False)
class StructuredNotes:
    """Answers of a set of variables on some notes.

    Parameters
    ----------
    notes : NoteSet
        The notes asked.
    variables : VariableSet
        What was asked.
    folder : Path
        Where the answers lie.
    pipeline : str
        Version of the pipeline, 16 hex digits.
    """

    notes: NoteSet
    variables: VariableSet
    folder: Path
    pipeline: str
    n_notes: int = field(repr=False, default=0)

    @cached_property
    def answers(self) -> pa.Table:
        """Every answer, those included that do not count; columns of :data:`ANSWERS`. Person-level: for use inside the session."""
        files = [file for variable in self.variables for file in sorted(_folder_of(self.folder, variable).glob("block-*.parquet"))]
        return pa.concat_tables([ANSWERS.empty_table(), *(pq.read_table(file, schema=ANSWERS) for file in files)])

    @cached_property
    def refused(self) -> pd.DataFrame:
        """What could not be asked: note, variable and why."""
        files = sorted((self.folder / "refused").glob("*.parquet"))
        return pa.concat_tables([REFUSED.empty_table(), *(pq.read_table(file, schema=REFUSED) for file in files)]).to_pandas()

    def table(self, *, all_answers: bool = False) -> pd.DataFrame:
        """Return the tidy table: one row an answer, with provenance.

        Parameters
        ----------
        all_answers : bool
            Whether to give those as well that do not count; ``why_not`` says why.
        """
        found = self.answers if all_answers else self.answers.filter(pc.equal(self.answers["why_not"], ""))
        return found.sort_by(
            [("person_id", "ascending"), ("note_datetime", "ascending"), ("note_id", "ascending"), ("variable", "ascending")]
        ).to_pandas()

    def wide(self, per: Per = "patient") -> pd.DataFrame:
        """Return one row a patient or encounter and one column a variable; see :func:`workbench.texts.wide.wide_table`."""
        return wide_table(self.answers, self.variables, per=per, anchor=self._anchor)

    def sources(self, per: Per = "patient") -> pd.DataFrame:
        """Say which note and span each cell of :meth:`wide` comes from."""
        return cell_sources(self.answers, self.variables, per=per, anchor=self._anchor)

    def summary(self) -> pd.DataFrame:
        """Count for each variable: patients and notes with an answer that counts, patients of whom it is said to be present."""
        import pandas as pd

        rows = []
        for variable in self.variables:
            mine = self.answers.filter(pc.equal(self.answers["variable"], variable.name))
            counts = mine.filter(pc.equal(mine["why_not"], ""))
            rows.append(
                {
                    "variable": variable.name,
                    "title": variable.title.zh or variable.name,
                    "patients": pc.count_distinct(counts["person_id"]).as_py(),
                    "notes": pc.count_distinct(counts["note_id"]).as_py(),
                    "patients_present": pc.count_distinct(counts.filter(pc.equal(counts["assertion"], "present"))["person_id"]).as_py(),
                    "answers": counts.num_rows,
                    "not_counted": mine.num_rows - counts.num_rows,
                }
            )
        return pd.DataFrame(rows)

    def review(self, variables: Iterable[str] | None = None, *, n: int = 200, reviewer: str = "", **options: Any) -> Review:
        """Draw a sample of the answers and review it in the notebook; see :func:`workbench.texts.review.open_review` for the options."""
        from workbench.texts.review import open_review  # loads the widget, which a run does not need

        return open_review(self, variables, n=n, reviewer=reviewer, **options)

    def _anchor(self, person_id: int, written: datetime | None) -> datetime | None:
        return _nearest(self.notes.index_dates_of(person_id), written)

    def publish(self) -> SnapshotWithFindings:
        """Store the answers that count as findings of the project, so that cohorts can ask for them.

        A finding's source value is the variable's name, and ``name=value`` for a category; number, unit, assertion, experiencer, span
        and the note's date are in their columns; the run is the folder's name.

        Returns
        -------
        SnapshotWithFindings
            The snapshot with the findings beside its own: run cohorts on it.

        Examples
        --------
        ``cohort.require("结节≥8mm", wb.findings("nodule_long_axis").where(value_ge=8)).run(structured.publish())``
        """
        version = sha256(f"{self.folder.name} {CompiledSet(self.variables).version}".encode()).hexdigest()[:12]
        file = self.folder / "findings" / f"{version}.parquet"
        if not file.is_file():
            _write(_findings(self.answers, self.folder.name, int(version[:7], 16)), file)
        return with_findings(self.notes.snapshot, file, version=version)


def structure(
    notes: NoteSet,
    variables: VariableSet,
    *,
    folder: Path | None = None,
    workers: int | None = None,
    components: Mapping[str, Mapping[str, object]] | None = None,
    progress: bool = True,
) -> StructuredNotes:
    """Ask notes a set of variables.

    Parameters
    ----------
    notes : NoteSet
        What to ask; see :func:`workbench.texts.notes.notes`.
    variables : VariableSet
        What is asked.
    folder : Path, optional
        Where runs are kept; by default ``texts`` in the session's home, else in the working folder.
    workers : int, optional
        Processes; by default one a processor, and one alone for few notes.
    components : mapping, optional
        Options of the pipeline's components, as :func:`nlp.load` takes them.
    progress : bool
        Whether to draw a bar on stderr.

    Returns
    -------
    StructuredNotes

    Raises
    ------
    VariableError
        If a variable cannot be asked.
    EnvironmentFault
        If a worker was killed. What was finished is kept: run again to go on.
    """
    options = dict(components or {})
    pipeline = _pipeline_version(options)
    place = (Path(folder) if folder else _home()) / "runs" / f"{notes.hash}-{pipeline}"
    place.mkdir(parents=True, exist_ok=True)
    _note_down(place, notes, pipeline)
    total = notes.count()
    missing = _missing(place, variables, -(-total // BLOCK_NOTES))
    if any(missing.values()):
        _run(
            place,
            notes,
            tuple(variable for variable in variables if missing[variable.name]),
            missing,
            total,
            options,
            workers,
            progress=progress,
        )
    return StructuredNotes(notes, variables, place, pipeline, total)


def _run(
    place: Path,
    notes: NoteSet,
    asked: tuple[Variable, ...],
    missing: Mapping[str, set[int]],
    total: int,
    options: dict,
    workers: int | None,
    *,
    progress: bool,
) -> None:
    wanted = set().union(*missing.values())
    processes = workers or (default_workers() if len(wanted) > 2 else 1)
    with tqdm(total=total, desc="notes", unit="note", disable=not progress, initial=total - min(total, len(wanted) * BLOCK_NOTES)) as bar:
        for done in work_on(_tasks(notes, wanted), _work, prepare=_prepare, given=(asked, options), workers=processes):
            _keep(place, asked, done)
            bar.update(done.notes)


def _tasks(notes: NoteSet, wanted: set[int]) -> Iterator[_Task]:
    for number, block in enumerate(notes.blocks()):
        if number in wanted:
            index = {chosen.person_id: notes.index_dates_of(chosen.person_id) for chosen in block}
            yield _Task(number, block, index)


def _missing(place: Path, variables: VariableSet, blocks: int) -> dict[str, set[int]]:
    """Return the numbers of the blocks that each variable was not yet asked of."""
    return {
        variable.name: {number for number in range(blocks) if not _file_of(_folder_of(place, variable), number).is_file()}
        for variable in variables
    }


def _keep(place: Path, asked: tuple[Variable, ...], done: _Done) -> None:
    """Write a block's answers, one file a variable; the refused first, so that a block that is there is complete."""
    if done.refused.num_rows:
        names = sha256("".join(variable.hash for variable in asked).encode()).hexdigest()[:_SHORT]
        _write(done.refused, place / "refused" / f"{names}-{done.number:06d}.parquet")
    for variable in asked:
        mine = done.answers.filter(pc.equal(done.answers["variable_hash"], variable.hash))
        _write(mine, _file_of(_folder_of(place, variable), done.number))


def _folder_of(place: Path, variable: Variable) -> Path:
    return place / "answers" / f"{variable.name}-{_version_of(variable)[:_SHORT]}"


@lru_cache(maxsize=1024)
def _version_of(variable: Variable) -> str:
    """Return the variable's version: not its hash alone, for a function that it calls may answer differently when it is newer."""
    return CompiledSet((variable,)).version


def _file_of(folder: Path, number: int) -> Path:
    return folder / f"block-{number:06d}.parquet"


def _write(table: pa.Table, file: Path) -> None:
    """Write a table under its name only when it is whole."""
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        pq.write_table(table, aside, compression="zstd")
        aside.replace(file)
    finally:
        aside.unlink(missing_ok=True)


def _note_down(place: Path, notes: NoteSet, pipeline: str) -> None:
    """Say in the folder what it answers."""
    facts = {"snapshot": notes.snapshot.id, "notes": notes.hash, "kinds": list(notes.kinds), "days": notes.days, "pipeline": pipeline}
    file = place / "run.json"
    if file.is_file():
        known = json.loads(file.read_text(encoding="utf-8"))
        if known.get("notes") != notes.hash:
            raise DataError(f"{place} holds another run", hint="give another folder")
        return
    aside = file.with_name(f".run.json.{os.getpid()}")
    aside.write_text(json.dumps(facts, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    aside.replace(file)


def _pipeline_version(options: Mapping[str, Mapping[str, object]]) -> str:
    """Return a hash of the versions of all components: answers of two pipelines never mix."""
    versions = [part.predictor.version for part in load(options=options).own_parts()]
    return sha256("\n".join(versions).encode()).hexdigest()[:_SHORT]


def _home() -> Path:
    return (current().home.path if in_session() else Path.cwd()) / "texts"


def _findings(answers: pa.Table, run: str, number: int) -> pa.Table:
    """Return the answers that count in the form of the table ``finding``."""
    rows = answers.filter(pc.equal(answers["why_not"], ""))
    schema = arrow_schema(FINDING)
    first = _FINDING_BASE + (number << 32)
    named = [
        name if value is None or value in _PRESENCE else f"{name}={value}"
        for name, value in zip(rows["variable"].to_pylist(), rows["value_text"].to_pylist(), strict=True)
    ]
    columns = {
        "finding_id": pa.array(range(first, first + rows.num_rows), pa.int64()),
        "run_id": pa.repeat(run, rows.num_rows),
        "note_id": rows["note_id"],
        "person_id": rows["person_id"],
        "visit_occurrence_id": rows["visit_occurrence_id"],
        "finding_concept_id": pa.repeat(0, rows.num_rows),
        "finding_source_value": pa.array(named, pa.string()),
        "finding_date": rows["note_datetime"].cast(pa.date32()),
        "finding_datetime": rows["note_datetime"],
        "span_start": rows["span_start"],
        "span_end": rows["span_end"],
        "entity_type": pa.repeat("variable", rows.num_rows),
        "assertion": rows["assertion"],
        "experiencer": rows["experiencer"],
        "value_as_number": rows["value_number"],
        "unit_source_value": rows["unit"],
    }
    return pa.table(columns).select(schema.names).cast(schema)
