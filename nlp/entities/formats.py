"""Annotated corpora in, examples out: the public Chinese clinical formats and our own.

Every wrong line is reported by its place, with what was found and what was wanted, and the rest is read. No message holds a word of a note.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from nlp.entities import Entity, Example
from nlp.errors import TextDataError, VariableError
from nlp.reading import ReadReport, json_records

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FORMATS", "Format", "example_json", "read_examples"]


class Format(NamedTuple):
    """How one corpus names its parts; keys are tried in order.

    `ends` maps the key of an entity's end to what has to be added to make it exclusive. `wanted` is the line as a reader would write it.
    """

    texts: tuple[str, ...]
    starts: tuple[str, ...]
    ends: dict[str, int]
    labels: tuple[str, ...]
    surfaces: tuple[str, ...]
    wanted: str


#: Name -> shape. A list entity is [start, end exclusive, label] in every format.
FORMATS: dict[str, Format] = {
    "ccks": Format(
        texts=("originalText", "text"),
        starts=("start_pos", "start"),
        ends={"end_pos": 0, "end": 0},
        labels=("label_type", "type"),
        surfaces=("text",),
        wanted='{"originalText", "entities": [{"label_type", "start_pos", "end_pos"}]} '
        'or {"id", "text", "entities": [{"start", "end", "type", "text"}]}',
    ),
    "cmeee": Format(
        texts=("text",),
        starts=("start_idx", "start"),
        ends={"end_idx": 1, "end": 0},
        labels=("type", "label"),
        surfaces=("entity",),
        wanted='{"text", "entities": [[start, end, type]]} or {"text", "entities": [{"start_idx", "end_idx", "type", "entity"}]}',
    ),
    "jsonl": Format(
        texts=("text",),
        starts=("start",),
        ends={"end": 0},
        labels=("label",),
        surfaces=("text", "surface"),
        wanted='{"text", "entities": [{"start", "end", "label"}], "group"}',
    ),
}


class _Refused(Exception):
    """What is wrong with one record: (found, wanted)."""


def read_examples(path: Path | str, format: str, *, report: ReadReport | None = None) -> list[Example]:  # noqa: A002  (the option's name)
    """Read an annotated corpus.

    JSON lines and JSON arrays are read alike, in UTF-8 (with or without a mark), UTF-16 with a mark, or GB 18030. An entity whose given
    surface stands elsewhere is moved where that is certain (an end one off, or one occurrence in the text) and refused otherwise.

    Parameters
    ----------
    path : Path or str
        The file.
    format : {"ccks", "cmeee", "jsonl"}
        Which corpus it follows.
    report : ReadReport, optional
        Takes the problems and counts.

    Returns
    -------
    list of Example
        One for each good line, entities in order of (start, -end, label). The group is the patient's number in a CCKS id, or "group".

    Raises
    ------
    VariableError
        If the format is not known.
    TextDataError
        If the file cannot be read, or no line of it can, or there are entities and not one can be used.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> file = Path(tempfile.mkdtemp(), "one.jsonl")
    >>> _ = file.write_text('{"text": "腹痛3天", "entities": [{"start": 0, "end": 2, "label": "sym"}]}', encoding="utf-8")
    >>> read_examples(file, "jsonl")
    [Example(text='腹痛3天', entities=(Entity(start=0, end=2, label='sym', score=1.0),), group='')]
    """
    if format not in FORMATS:
        raise VariableError(f"the format {format!r} is not known", hint=f"wanted one of {', '.join(FORMATS)}")
    report = ReadReport() if report is None else report
    shape, seen, examples = FORMATS[format], {}, []
    for place, record in json_records(path, report):
        report.counts["lines"] += 1
        try:
            example = _example(record, shape, place, report)
        except _Refused as refusal:
            report.add("lines refused", place, *refusal.args)
            continue
        if example.text in seen:
            report.add("texts repeated", place, f"the same text as {seen[example.text]}", "each text once (kept)")
        seen.setdefault(example.text, place)
        examples.append(example)
    report.counts["examples"] += len(examples)
    report.counts["entities"] += sum(len(example.entities) for example in examples)
    if not examples:
        raise TextDataError(
            f"{path} holds no example of the format {format}" + (f"; {report.summary(limit=3)}" if report.problems else ""),
            hint=f"wanted lines such as {shape.wanted}",
        )
    if report.counts["entities refused"] and not report.counts["entities"]:
        raise TextDataError(
            f"{path}: every entity was refused in the format {format}; {report.summary(limit=3)}",
            hint=f"is it in another format? There are {', '.join(FORMATS)}",
        )
    return examples


def example_json(example: Example) -> str:
    """Return an example as one line of our own format, ``jsonl``.

    Parameters
    ----------
    example : Example
        Any example.

    Returns
    -------
    str
        Without the end of line.

    Examples
    --------
    >>> example_json(Example("腹痛", (Entity(0, 2, "sym"),)))
    '{"text": "腹痛", "entities": [{"start": 0, "end": 2, "label": "sym"}]}'
    """
    entities = [{"start": entity.start, "end": entity.end, "label": entity.label} for entity in example.entities]
    record = {"text": example.text, "entities": entities} | ({"group": example.group} if example.group else {})
    # A lone surrogate cannot be written in UTF-8, only as an escape.
    return json.dumps(record, ensure_ascii=any("\ud800" <= letter <= "\udfff" for letter in example.text))


def _example(record: object, shape: Format, place: str, report: ReadReport) -> Example:
    if not isinstance(record, dict):
        raise _Refused(f"a {type(record).__name__}", f"an object: {shape.wanted}")
    text = _first(record, shape.texts)
    if not isinstance(text, str):
        raise _Refused(f"no text under {' or '.join(shape.texts)}", shape.wanted)
    given = record.get("entities", ())
    if not isinstance(given, list | tuple):
        raise _Refused(f"entities that are a {type(given).__name__}", "a list of entities")
    found: set[Entity] = set()
    for number, each in enumerate(given, start=1):
        where = f"{place}, entity {number}"
        try:
            entity = _entity(each, text, shape, where, report)
        except _Refused as refusal:
            report.add("entities refused", where, *refusal.args)
            continue
        if entity in found:
            report.add("entities repeated", where, "the same span and label again", "each once (kept once)")
        found.add(entity)
    return Example(text, tuple(sorted(found, key=lambda entity: (entity.start, -entity.end, entity.label))), _group(record))


def _entity(given: object, text: str, shape: Format, where: str, report: ReadReport) -> Entity:
    """Return one entity whose span lies in the text and says what its surface, if any, says."""
    if isinstance(given, dict):
        start, label, surface = _first(given, shape.starts), _first(given, shape.labels), _first(given, shape.surfaces)
        end, more = next(((given[key], more) for key, more in shape.ends.items() if key in given), (None, 0))
    elif isinstance(given, list) and len(given) >= 3:
        (start, end, label), surface, more = given[:3], None, 0
    else:
        raise _Refused(f"an entity that is a {type(given).__name__}", shape.wanted)
    if not (_whole(start) and _whole(end)):
        raise _Refused("a start or an end that is no whole number", shape.wanted)
    label = " ".join(label.split()) if isinstance(label, str) else ""
    if not label:
        raise _Refused("no label", shape.wanted)
    if not label.isprintable():
        raise _Refused("a label with control or invisible characters", "a label of letters, digits and signs")
    end += more
    if isinstance(surface, str) and surface and text[max(start, 0) : end] != surface:
        start, end = _mend(text, surface, start, end)
        report.add("entities mended", where, "a span that does not say the given words", "one that does (moved)")
    if not 0 <= start < end <= len(text):
        raise _Refused(f"the span {start} to {end} in a text of {len(text)} characters", "0 <= start < end <= length")
    return Entity(start, end, label)


def _mend(text: str, surface: str, start: int, end: int) -> tuple[int, int]:
    """Return where the surface certainly stands: an end counted otherwise, else its only occurrence."""
    if start >= 0 and text.startswith(surface, start) and abs(start + len(surface) - end) <= 1:
        return start, start + len(surface)
    place = text.find(surface)
    if place < 0 or text.find(surface, place + 1) >= 0:
        raise _Refused(
            "a span that does not say the given words, which stand in the text " + ("never" if place < 0 else "more than once"),
            "the span of those words",
        )
    return place, place + len(surface)


def _group(record: dict) -> str:
    """Return the group, or the number that ends an id such as 一般项目-17: the patient, whose sections share it."""
    group = record.get("group")
    if group not in (None, ""):
        return str(group)
    number = re.search(r"(\d+)\D*$", str(record.get("id", "")))
    return number[1] if number else ""


def _first(record: dict, keys: tuple[str, ...]) -> object:
    return next((record[key] for key in keys if key in record), None)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
