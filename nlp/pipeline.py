"""The pipeline: which components there are, in which order they run, and how notes go through them.

A component is a class with ``version: str`` and a pure ``predict(text: ClinicalText)`` that answers the records it found. The table below
says which field of the :class:`~nlp.annotations.ClinicalText` its answer becomes. Components read ``text.text``, the normalised text, and
count in it; the last step, ``finish``, moves all records to code points of the raw text.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from nlp.annotations import ClinicalText, Mention, Note
from nlp.errors import MissingPart, VariableError
from nlp.normal import NormalText, normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from spacy.language import Language

__all__ = ["COMPONENTS", "Component", "Part", "Predictor", "finish", "load", "read", "structure", "unfinished"]


class Predictor(Protocol):
    """What every component keeps."""

    version: str

    def predict(self, text: ClinicalText) -> Any:
        """Answer the records found, without changing the text."""


class Component(NamedTuple):
    """A row of the table of components.

    Parameters
    ----------
    name : str
        Name in the pipeline.
    where : str
        ``module:class``, imported when first asked for.
    fills : str
        Field of the clinical text that the answer becomes.
    extends : bool
        Whether the answer is added to what the field holds already, instead of taking its place.
    default : bool
        Whether the pipeline has the component without being asked.
    """

    name: str
    where: str
    fills: str
    extends: bool = False
    default: bool = True


# In the order in which they run. A component that reads a field stands below those that fill it.
COMPONENTS = (
    Component("normalise", "nlp.pipeline:Normalise", "normal"),
    Component("documents", "nlp.sections:Documents", "document_type"),
    Component("sections", "nlp.sections:Sections", "sections"),
    Component("sentences", "nlp.sentences:Sentences", "sentences"),
    Component("clauses", "nlp.sentences:Clauses", "clauses"),
    Component("dictionary", "nlp.dictionary:DictionaryMentions", "mentions", extends=True),
    Component("tagger", "nlp.pipeline:TaggerMentions", "mentions", extends=True, default=False),
    Component("quantities", "nlp.quantities:Quantities", "quantities"),
    Component("times", "nlp.times:Times", "times"),
    Component("assertion", "nlp.assertion:Assertions", "mentions"),
    Component("relations", "nlp.relations:Relations", "relations"),
    Component("coding", "nlp.coding:Coding", "mentions", default=False),
    Component("identifiers", "nlp.identifiers:Identifiers", "identifiers", default=False),
)
_BY_NAME = {component.name: component for component in COMPONENTS}


class Part:
    """A component at work: asks for the answer and writes it into the text.

    Parameters
    ----------
    component : Component
        Row of the table.
    predictor : Predictor
        Its instance.
    """

    __slots__ = ("component", "predictor")

    def __init__(self, component: Component, predictor: Predictor) -> None:
        self.component = component
        self.predictor = predictor

    def apply(self, text: ClinicalText) -> None:
        """Write the predictor's answer into its field, in order of position where it adds to others."""
        answer = self.predictor.predict(text)
        field = self.component.fills
        if self.component.extends and (before := getattr(text, field)):
            answer = sorted([*before, *answer], key=_position)
        setattr(text, field, answer)


def _position(record: tuple) -> tuple[int, int]:
    return record[0], -record[1]


class Normalise:
    """Makes the text that the other components read; see :mod:`nlp.normal`."""

    version = "normalise-1"

    def predict(self, text: ClinicalText) -> NormalText:
        """Return the normalised raw text."""
        return normalise(text.raw)


class TaggerMentions:
    """Mentions by a model that keeps :class:`nlp.entities.Tagger` (a CRF, an encoder, several combined).

    Parameters
    ----------
    tagger : Tagger
        The loaded model.
    """

    def __init__(self, tagger: Any) -> None:
        self.tagger = tagger
        self.version = tagger.version

    def predict(self, text: ClinicalText) -> list:
        """Return a mention for every entity of the model."""
        return [
            Mention(entity.start, entity.end, entity.label, source=self.version, score=entity.score)
            for entity in self.tagger.tag([text.text])[0]
        ]


def load(
    name: str = "zh_clinical",
    *,
    components: Iterable[str] | None = None,
    add: Iterable[str] = (),
    without: Iterable[str] = (),
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Language:
    """Return a spaCy Language that structures clinical notes.

    Its tokens are the characters of the raw text, so that token and character offsets are the same; what it finds is in
    ``doc._.clinical``, a :class:`~nlp.annotations.ClinicalText`, and for users of spaCy in ``doc.spans["mentions"]``,
    ``doc.spans["sections"]`` and ``doc.ents``.

    Parameters
    ----------
    name : str, default "zh_clinical"
        Name of the pipeline.
    components : iterable of str, optional
        Names of the components to run, of :data:`COMPONENTS`; the table's order holds. Without it, those that the table marks so.
    add, without : iterable of str, optional
        Components more, or fewer, than those.
    options : mapping of str to mapping, optional
        Keyword arguments for the class of a component, by name: ``{"dictionary": {"dictionary": mine}}``.

    Returns
    -------
    spacy.language.Language
        The pipeline.

    Raises
    ------
    VariableError
        If there is no pipeline or component of that name.
    MissingPart
        If a component asked for is not installed.

    Examples
    --------
    >>> language = load(components=["normalise"])
    >>> language("体温３８．５℃")._.clinical.text
    '体温38.5℃'
    """
    if name != "zh_clinical":
        raise VariableError(f"there is no pipeline {name!r}", hint='the pipeline for Chinese notes is "zh_clinical"')
    from nlp.language import clinical_language

    return clinical_language(_parts(components, set(add), set(without), options or {}))


def _parts(components: Iterable[str] | None, add: set[str], without: set[str], options: Mapping[str, Mapping[str, Any]]) -> list[Part]:
    asked = set(add) if components is None else {*components, *add}
    for unknown in sorted((asked | without | options.keys()) - _BY_NAME.keys()):
        raise VariableError(f"there is no component {unknown!r}", hint=f"components: {', '.join(_BY_NAME)}")
    chosen = asked if components is not None else asked | {row.name for row in COMPONENTS if row.default and _exists(row)}
    return [Part(row, _class_of(row)(**options.get(row.name, {}))) for row in COMPONENTS if row.name in chosen - without]


def _exists(component: Component) -> bool:
    return find_spec(component.where.partition(":")[0]) is not None


def _class_of(component: Component) -> type:
    module, _, name = component.where.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise MissingPart(
            f"the component {component.name!r} needs {component.where}, which cannot be imported: {error}",
            hint=f"install what is missing, or load the pipeline without=[{component.name!r}]",
        ) from error


def structure(note: Note | str, parts: Iterable[Part]) -> ClinicalText:
    """Run components over one note, without spaCy.

    Parameters
    ----------
    note : Note or str
        The note.
    parts : iterable of Part
        What to run, in order; ``language.parts`` of a loaded pipeline.

    Returns
    -------
    ClinicalText
        With all records in code points of the raw text.
    """
    note = note if isinstance(note, Note) else Note(note)
    text = ClinicalText(note, NormalText(note.text), document_type=note.document_type)
    for part in parts:
        part.apply(text)
    return finish(text)


def read(language: Language, notes: Iterable[Note | str]) -> Iterator[ClinicalText]:
    """Structure notes one after another, as lazily as they come.

    Parameters
    ----------
    language : spacy.language.Language
        A pipeline that :func:`load` made.
    notes : iterable of Note or str
        The notes, in any number.

    Yields
    ------
    ClinicalText
        One for each note, in their order, with records in code points of the raw text.

    Notes
    -----
    No spaCy document is made where the pipeline has no component but ours, which saves a fifth of the time.

    Examples
    --------
    >>> language = load(components=["normalise"])
    >>> [text.note.note_id for text in read(language, [Note("体温３８℃", note_id=7)])]
    [7]
    """
    parts = language.own_parts()
    if parts is not None:
        return (structure(note, parts) for note in notes)
    documents = language.pipe(language.tokenizer.document(note if isinstance(note, Note) else Note(note)) for note in notes)
    return (document._.clinical for document in documents)


_SPANNED = ("sections", "sentences", "clauses", "mentions", "quantities", "times", "relations", "identifiers")


def finish(text: ClinicalText) -> ClinicalText:
    """Move all records from the normalised to the raw text; nothing to do where offsets agree, as they mostly do."""
    if not text.finished and text.normal.breaks:
        for field, records in _all_moved(text, text.normal.raw).items():
            setattr(text, field, records)
    text.finished = True
    return text


def unfinished(text: ClinicalText) -> ClinicalText:
    """Return a note with its records in the normalised text; the same object where they count there already, or where offsets agree.

    Parameters
    ----------
    text : ClinicalText
        It is not changed.

    Returns
    -------
    ClinicalText
        Not finished, unless the two texts have the same offsets.
    """
    if not text.finished or not text.normal.breaks:
        return text
    return replace(text, finished=False, **_all_moved(text, text.normal.normal))


def _all_moved(text: ClinicalText, span: Callable[[int, int], tuple[int, int]]) -> dict[str, list]:
    return {field: [_moved(record, span) for record in getattr(text, field)] for field in _SPANNED}


def _moved(record: Any, span: Callable[[int, int], tuple[int, int]]) -> Any:
    start, end = span(record.start, record.end)
    moved = record._replace(start=start, end=end)
    if getattr(record, "cue", (-1, -1)) != (-1, -1):
        moved = moved._replace(cue=span(*record.cue))
    if hasattr(record, "body"):
        moved = moved._replace(body=span(record.body, record.body)[0])
    return moved
