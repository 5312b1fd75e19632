"""Variables over many notes: a lazy stream of rows with provenance; one bad note never ends it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nlp.annotations import Note
from nlp.errors import NlpError
from nlp.pipeline import load, read
from nlp.variables.evaluate import CompiledSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from spacy.language import Language

    from nlp.variables.answers import Answer
    from nlp.variables.catalogue import Catalogue
    from nlp.variables.definition import Variable

__all__ = ["Row", "Tally", "pipeline_version", "short_version", "structure_notes"]

#: Longest text that a row carries as its evidence.
EVIDENCE_CHARACTERS = 200


class Row(NamedTuple):
    """An answer with the note that it comes from.

    `document_type` is the kind that the pipeline took the note for; `evidence` the words of the raw note from the finding to its value (the
    value's alone where they lie more than 200 characters apart); `pipeline` the versions of all components.
    """

    note_id: int | str
    document_type: str
    answer: Answer
    evidence: str
    pipeline: str


@dataclass(slots=True)
class Tally:
    """Counts of a run, filled while its rows are taken.

    Parameters
    ----------
    notes, rows : int
        How many were read and given.
    refused : Counter
        Of (variable or "", reason): what could not be asked.
    where : list of (note_id, variable, reason)
        The first `most` of them.
    most : int, optional
        How many places are kept; all where None.
    """

    notes: int = 0
    rows: int = 0
    refused: Counter = field(default_factory=Counter)
    where: list[tuple[int | str, str, str]] = field(default_factory=list)
    most: int | None = 100

    def refuse(self, note_id: int | str, variable: str, reason: str) -> None:
        """Count a refusal."""
        self.refused[variable, reason] += 1
        if self.most is None or len(self.where) < self.most:
            self.where.append((note_id, variable, reason))


def structure_notes(
    variables: Iterable[Variable] | CompiledSet,
    notes: Iterable[Note | str],
    language: Language | None = None,
    *,
    tally: Tally | None = None,
    catalogue: Catalogue | None = None,
    index: Callable[[Note], datetime | None] | None = None,
    all_answers: bool = False,
) -> Iterator[Row]:
    """Ask notes all variables of a set, as lazily as they come.

    Parameters
    ----------
    variables : VariableSet, iterable of Variable or CompiledSet
        What to ask.
    notes : iterable of Note or str
        In any number.
    language : Language, optional
        A pipeline of :func:`nlp.load`; the standard one if not said.
    tally : Tally, optional
        Counts what is read, given and refused.
    catalogue : Catalogue, optional
        The functions that variables may call; the built-in ones if not said.
    index : callable, optional
        Gives the index date of a note's patient.
    all_answers : bool
        Give the answers that do not count too, with their reason.

    Yields
    ------
    Row
        For each note in order, for each variable in order, each answer in order of the text.
    """
    asked = variables if isinstance(variables, CompiledSet) else CompiledSet(variables, catalogue=catalogue)
    pipeline = language if language is not None else load()
    version = pipeline_version(pipeline)
    tally = tally if tally is not None else Tally()
    for note in notes:
        tally.notes += 1
        known = note if isinstance(note, Note) else Note(note) if isinstance(note, str) else None
        if known is None or not isinstance(known.text, str):
            tally.refuse(getattr(note, "note_id", tally.notes - 1), "", "its text is no text")
            continue
        for row in _rows(asked, pipeline, known, version, tally, index):
            if all_answers or not row.answer.why_not:
                tally.rows += 1
                yield row


def _rows(
    asked: CompiledSet, pipeline: Language, note: Note, version: str, tally: Tally, index: Callable[[Note], datetime | None] | None
) -> list[Row]:
    try:
        text = next(iter(read(pipeline, [note])))
        evaluation = asked.evaluate(text, index=index(note) if index else None)
    except NlpError as error:
        tally.refuse(note.note_id, "", error.message)
        return []
    except Exception as error:
        # A run over a million notes does not end on one of them; the kind of error names no word of the note.
        tally.refuse(note.note_id, "", f"failed with {type(error).__name__}")
        return []
    for refused in evaluation.refused:
        tally.refuse(note.note_id, refused.variable, refused.why)
    return [Row(note.note_id, text.document_type, answer, _evidence(note.text, answer), version) for answer in evaluation.answers]


def _evidence(text: str, answer: Answer) -> str:
    spans = [*answer.evidence, (answer.start, answer.end)]
    start, end = min(start for start, _ in spans), max(end for _, end in spans)
    if end - start > EVIDENCE_CHARACTERS:
        start, end = answer.start, min(answer.end, answer.start + EVIDENCE_CHARACTERS)
    return text[start:end]


def pipeline_version(language: Language) -> str:
    """Return the versions of all components of a pipeline, in order, and what stands for the rules that they follow."""
    parts = getattr(language, "parts", None)
    named = [part.predictor.version for part in parts] if parts else language.pipe_names
    return " ".join([*named, f"rules-{_rules()}"])


@cache
def _rules() -> str:
    """Return 12 hex digits of the package's code and tables: nobody has to remember to raise a version when a rule changes."""
    digest = sha256()
    for file in sorted(Path(__file__).parents[1].rglob("*.*")):
        if file.suffix in (".py", ".yaml", ".tsv", ".txt", ".json", ".safetensors"):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def short_version(versions: str) -> str:
    """Return 16 hex digits that stand for the versions of all components."""
    return sha256(versions.encode()).hexdigest()[:16]
