"""Runs: a set of variables asked of many notes, block by block, so that a run can stop, go on and be asked again.

A run's folder holds one file for each variable (by its hash) and block of notes. What lies there is not computed again: a run that was
killed goes on where it was, and a set of which one variable was changed asks that one variable. Which folder it is follows from the
snapshot, the notes chosen and the versions of the pipeline's components, so that a newer rule never meets older answers. A note that could
not be asked (a pattern ran too long, a component failed) is told in the file of its block; it is asked again with ``retry_refused``, and
of itself where the variable or the pipeline has changed.
"""

from __future__ import annotations

import inspect
import json
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm import tqdm

from nlp import load
from nlp.variables.evaluate import CompiledSet
from nlp.variables.run import pipeline_version, short_version
from nlp.writing import whole_file
from workbench.errors import DataError, DefinitionError, WorkbenchError
from workbench.locale import tr
from workbench.session import current, in_session
from workbench.store.overlay import with_findings
from workbench.texts.asking import Answered, Block, Form, answer_blocks, answer_cells, read_facts, table_schema, write_block, written_under
from workbench.texts.findings import findings
from workbench.texts.notes import BLOCK_NOTES, ChosenNote, NoteSet
from workbench.texts.wide import Per, cell_sources, wide_table
from workbench.workers import default_workers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pandas as pd

    from nlp.variables.catalogue import Catalogue
    from nlp.variables.definition import Variable
    from nlp.variables.run import Row
    from nlp.variables.sets import VariableSet
    from workbench.store.overlay import SnapshotWithRows
    from workbench.texts.review import Review

__all__ = ["ANSWERS", "StructuredNotes", "structure"]

#: A cell of the tidy table: what one place of a note answers to a variable. Offsets in code points of the note's text, ends exclusive.
ANSWERS = table_schema(
    "person_id visit_occurrence_id note_id note_datetime document_type department variable variable_hash value_number value_text unit "
    "comparator assertion experiencer span_start span_end evidence confidence earliest latest why_not",
    whole=("person_id", "visit_occurrence_id", "note_id"),
)
_SHORT = 16  # hex digits of a hash in a file's name


def _cells(chosen: ChosenNote, row: Row) -> dict[str, Any]:
    return answer_cells(row) | {
        "person_id": chosen.person_id,
        "visit_occurrence_id": chosen.visit_occurrence_id,
        "note_id": chosen.note.note_id,
        "note_datetime": chosen.note.written,
        "department": chosen.note.department,
    }


_FORM = Form(ANSWERS, _cells)


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
    catalogue : Catalogue, optional
        The functions that the variables call; the built-in ones if not said.
    """

    notes: NoteSet
    variables: VariableSet
    folder: Path
    pipeline: str
    catalogue: Catalogue | None = None

    @cached_property
    def answers(self) -> pa.Table:
        """Every answer, those included that do not count; columns of :data:`ANSWERS`. Person-level: for use inside the session."""
        return pa.concat_tables([ANSWERS.empty_table(), *(pq.read_table(file, schema=ANSWERS) for file in self._files())])

    @cached_property
    def refused(self) -> pd.DataFrame:
        """What could not be asked: note, variable (empty: all) and why; see `retry_refused` of :func:`structure`."""
        import pandas as pd

        rows = dict.fromkeys(refusal for file in self._files() for refusal in read_facts(file)[1])
        return pd.DataFrame(sorted(rows), columns=["note_id", "variable", "why"])

    def _files(self) -> list[Path]:
        folders = (_folder_of(self.folder, variable, self.catalogue) for variable in self.variables)
        return [file for folder in folders for file in sorted(folder.glob("block-*.parquet"))]

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
        return wide_table(self.answers, self.variables, per=per, anchor=self.notes.index_date)

    def sources(self, per: Per = "patient") -> pd.DataFrame:
        """Say which note and span each cell of :meth:`wide` comes from."""
        return cell_sources(self.answers, self.variables, per=per, anchor=self.notes.index_date)

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

    def publish(self) -> SnapshotWithRows:
        """Store the answers that count as findings of the project, so that cohorts can ask for them.

        A finding's source value is the variable's name, and ``name=value`` for a category; number, unit, assertion, experiencer, span
        and the note's date are in their columns; the run is the folder's name.

        Returns
        -------
        SnapshotWithRows
            The snapshot with the findings beside its own: run cohorts on it.

        Examples
        --------
        ``cohort.require("结节≥8mm", wb.findings("nodule_long_axis").where(value_ge=8)).run(structured.publish())``
        """
        asked = " ".join(sorted(_version_of(variable, self.catalogue) for variable in self.variables))
        version = sha256(f"{self.folder.name} {asked}".encode()).hexdigest()[:12]
        file = self.folder / "findings" / f"{version}.parquet"
        if not file.is_file():
            with written_under(file.parent), whole_file(file) as aside:
                pq.write_table(findings(self.answers, self.folder.name, int(version[:7], 16)), aside)
        return with_findings(self.notes.snapshot, file, version=version)


def structure(
    notes: NoteSet,
    variables: VariableSet,
    *,
    folder: Path | None = None,
    catalogue: Catalogue | None = None,
    workers: int | None = None,
    components: Mapping[str, Mapping[str, object]] | None = None,
    retry_refused: bool = False,
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
    catalogue : Catalogue, optional
        The functions that the variables may call; the built-in ones if not said. A function defined in a notebook lives in the
        notebook's process alone, so that a run with a catalogue stays in this process unless `workers` is said.
    workers : int, optional
        Processes; by default one a processor, and one alone for few notes.
    components : mapping, optional
        Options of the pipeline's components, as :func:`nlp.load` takes them.
    retry_refused : bool
        Whether to ask the blocks again in which a note was refused, as after a run on a machine that was short of memory or time.
    progress : bool
        Whether to draw a bar on stderr.

    Returns
    -------
    StructuredNotes

    Raises
    ------
    VariableError
        If a variable cannot be asked.
    DefinitionError
        If several processes are wanted and a function cannot be sent to them.
    EnvironmentFault
        If a worker was killed. What was finished is kept: run again to go on.
    """
    options = dict(components or {})
    pipeline = short_version(pipeline_version(load(options=options)))
    place = (Path(folder) if folder else _home()) / "runs" / f"{notes.hash}-{pipeline}"
    _note_down(place, notes, pipeline)
    total = notes.count()
    missing = {
        variable: _missing(_folder_of(place, variable, catalogue), -(-total // BLOCK_NOTES), retry_refused) for variable in variables
    }
    asked = tuple(variable for variable, blocks in missing.items() if blocks)
    wanted = set().union(*missing.values())
    processes = workers or (default_workers() if len(wanted) > 2 and catalogue is None else 1)
    if processes > 1:
        _check_sendable(catalogue)
    if wanted:
        done = answer_blocks(_blocks(notes, wanted), asked, _FORM, options, True, catalogue, workers=processes)
        folders = {variable: _folder_of(place, variable, catalogue) for variable in asked}
        _keep_all(done, folders, total=total, before=max(0, total - len(wanted) * BLOCK_NOTES), progress=progress)
    return StructuredNotes(notes, variables, place, pipeline, catalogue)


def _keep_all(answered: Iterator[Answered], folders: Mapping[Variable, Path], *, total: int, before: int, progress: bool) -> None:
    """Write blocks as they are answered, and say how far it is."""
    bar = tqdm(total=total, initial=before, desc=tr("文书", "notes"), unit=tr("份", "note"), disable=not progress)
    with closing(answered), bar:
        try:
            for done in answered:
                _keep(folders, done)
                bar.update(done.notes)
        except KeyboardInterrupt:
            message = tr("已停止；已完成的部分已保存，再运行一次从断点继续", "stopped; what is done is kept: run it again to go on")
            raise WorkbenchError(message) from None


def _check_sendable(catalogue: Catalogue | None) -> None:
    """Refuse functions that another process could not find."""
    for name in catalogue or ():
        call = catalogue[name].call
        if call.__module__ == "__main__" or "<" in call.__qualname__:
            raise DefinitionError(
                f"the function {name!r} was defined in the notebook (or inside another function), where other processes cannot find it",
                hint="leave out workers=, or define it in a module (.py) and import it",
            )


def _blocks(notes: NoteSet, wanted: set[int]) -> Iterator[Block]:
    for number, block in enumerate(notes.blocks()):
        if number in wanted:
            index = {chosen.note.note_id: notes.index_date(chosen.person_id, chosen.note.written) for chosen in block}
            yield Block(number, {chosen.note.note_id: chosen for chosen in block}, index)


def _missing(folder: Path, blocks: int, retry_refused: bool) -> set[int]:
    """Return the numbers of the blocks that a variable was not yet asked of, or that refused it a note."""
    files = {number: _file_of(folder, number) for number in range(blocks)}
    return {number for number, file in files.items() if not file.is_file() or (retry_refused and read_facts(file)[1])}


def _keep(folders: Mapping[Variable, Path], done: Answered) -> None:
    """Write a block's answers, one file a variable."""
    for variable, folder in folders.items():
        answers = done.answers.filter(pc.equal(done.answers["variable"], variable.name))
        refused = [refusal for refusal in done.refused if refusal[1] in ("", variable.name)]
        write_block(answers, refused, _file_of(folder, done.number))


def _file_of(folder: Path, number: int) -> Path:
    return folder / f"block-{number:06d}.parquet"


def _folder_of(place: Path, variable: Variable, catalogue: Catalogue | None) -> Path:
    return place / "answers" / f"{variable.name}-{_version_of(variable, catalogue)[:_SHORT]}"


@lru_cache(maxsize=1024)
def _version_of(variable: Variable, catalogue: Catalogue | None) -> str:
    """Return the variable's version: not its hash alone, for a function that it calls may answer differently when it is newer.

    Of a function of the user's own its source counts too: who tries it out in a notebook changes it more often than its version.
    """
    version = CompiledSet((variable,), catalogue=catalogue).version
    if catalogue is None or not variable.target.function:
        return version
    try:
        source = inspect.getsource(catalogue[variable.target.function].call)
    except (OSError, TypeError):  # typed at a prompt, or no function of Python: its version has to do
        return version
    return sha256(f"{version} {source}".encode()).hexdigest()


def _note_down(place: Path, notes: NoteSet, pipeline: str) -> None:
    """Say in the folder what it answers."""
    facts = {"snapshot": notes.snapshot.id, "notes": notes.hash, "kinds": list(notes.kinds), "days": notes.days, "pipeline": pipeline}
    file = place / "run.json"
    if file.is_file():
        known = json.loads(file.read_text(encoding="utf-8"))
        if known.get("notes") != notes.hash:
            raise DataError(f"{place} holds another run", hint="give another folder")
        return
    with written_under(place), whole_file(file) as aside:
        aside.write_text(json.dumps(facts, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _home() -> Path:
    return (current().home.path if in_session() else Path.cwd()) / "texts"
