"""Diagnosis texts of notes -> codes of a codebook, each with its words, its candidates and whether a person has to look."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
import pyarrow.compute as pc

from nlp.coding.codebook import Codebook, read_codebook
from nlp.variables import VariableSet
from nlp.variables.definition import Bilingual, Target, Value, Variable
from workbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nlp.coding.coder import Coded, Coder
    from workbench.store.snapshots import Snapshot
    from workbench.texts.runs import StructuredNotes

__all__ = ["CODED", "Term", "code_diagnoses", "diagnosis_sections", "diagnosis_terms", "recorded_codes", "snapshot_codebook"]

#: Columns of :func:`code_diagnoses`: one row an answer, and one with an empty code for a term without any.
CODED = ["person_id", "visit_occurrence_id", "note_id", "span_start", "span_end", "term", "code", "name", "score", "rule", "candidates"]

_BREAK = re.compile(r"[\n;；。①-⑳]|(?:^|(?<=[\s;；,，、。）)]))[(（]?(\d{1,2})[.．、)）][ \t\u3000]*(?P<digit>(?=\d))?")
_NO_DIAGNOSIS = re.compile(r"[\s\d.．、,，:：()（）?？/\-]*\Z|(?:同前|同上|同入院诊断|待查|待定|无|其他|其它)\Z")
_WHOLE = re.compile(r"[A-Z]\d\d(?:\.\w+)?\Z")


class Term(NamedTuple):
    """A diagnosis as written, with its span in the text that it was cut from."""

    text: str
    start: int
    end: int


def diagnosis_terms(text: str) -> list[Term]:
    """Cut a list of diagnoses into its items: by lines, numbers in a line, semicolons.

    Parameters
    ----------
    text : str
        What stands below the title.

    Returns
    -------
    list of Term
        Items that name nothing (同前, 待查) are left out.

    Examples
    --------
    >>> [term.text for term in diagnosis_terms("1.肺炎 2.2型糖尿病；高血压病3级")]
    ['肺炎', '2型糖尿病', '高血压病3级']
    """
    places, start, number = [], 0, 0
    for cut in _BREAK.finditer(text):
        if cut[1]:
            # 3.2型糖尿病 is the third item where the second went before, and else a number.
            if cut["digit"] is not None and int(cut[1]) != number + 1:
                continue
            number = int(cut[1])
        places.append((start, cut.start()))
        start = cut.end()
    places.append((start, len(text)))
    terms = []
    for first, last in places:
        part = text[first:last]
        shown = part.strip(" \t\r　,，、:：")
        if shown and not _NO_DIAGNOSIS.match(shown):
            begin = first + part.index(shown)
            terms.append(Term(shown, begin, begin + len(shown)))
    return terms


def diagnosis_sections(sections: Sequence[str]) -> VariableSet:
    """Return a set of one variable: the text of these sections."""
    asked = Variable(
        name="diagnosis_text",
        title=Bilingual("诊断文本", "Text of the diagnoses"),
        target=Target(section=tuple(sections)),
        value=Value(kind="text"),
    )
    return VariableSet(name="diagnoses", variables=(asked,))


def snapshot_codebook(snapshot: Snapshot, path: Path | None = None) -> Codebook:
    """Return the codebook of a file, or else the diagnosis codes of the snapshot itself.

    Parameters
    ----------
    snapshot : Snapshot
        Its table ``concept`` names the codes of the source.
    path : Path, optional
        A codebook of the hospital; see :func:`nlp.coding.codebook.read_codebook`.

    Raises
    ------
    DataError
        If the snapshot names no diagnosis code.
    """
    if path is not None:
        return read_codebook(path)
    named = snapshot.read("concept", ["concept_code", "concept_name", "vocabulary_id"]).to_pylist()
    rows = [
        (row["concept_code"], row["concept_name"]) for row in named if "ICD10" in row["vocabulary_id"] and _WHOLE.match(row["concept_code"])
    ]
    leaves = [row for row in rows if "." in row[0]] or rows
    if not leaves:
        raise DataError("the snapshot names no ICD-10 code", hint="give a codebook: a table of code, name and synonyms")
    return Codebook.of(leaves, name=f"snapshot {snapshot.id}")


def recorded_codes(snapshot: Snapshot, persons: Sequence[int]) -> dict[int, set[str]]:
    """Return the diagnosis codes that the source itself gives, by encounter."""
    import pyarrow as pa

    columns = ["visit_occurrence_id", "condition_source_value"]
    found = snapshot.read("condition_occurrence", columns, pc.is_in(pc.field("person_id"), pa.array(sorted(set(persons)), pa.int64())))
    codes: dict[int, set[str]] = {}
    for row in found.to_pylist():
        codes.setdefault(row["visit_occurrence_id"], set()).add(row["condition_source_value"] or "")
    return codes


def code_diagnoses(structured: StructuredNotes, coder: Coder) -> pd.DataFrame:
    """Code the diagnoses of notes.

    Parameters
    ----------
    structured : StructuredNotes
        Answers to :func:`diagnosis_sections`.
    coder : Coder
        With the codebook.

    Returns
    -------
    pandas.DataFrame
        Columns of :data:`CODED`; spans in code points of the note's text; candidates as "code name" joined by ``|``, best first.
        Person-level: for use inside the session.
    """
    found = [(row, term) for row in structured.table().itertuples() for term in diagnosis_terms(row.value_text or "")]
    terms = sorted({term.text for _, term in found})
    coded = dict(zip(terms, coder.code(terms), strict=True)) if terms else {}
    rows = [line for row, term in found for line in _lines(row, term, coded[term.text])]
    return pd.DataFrame(rows, columns=CODED)


def _lines(row: object, term: Term, coded: Coded) -> list[tuple]:
    start, end = row.span_start + term.start, row.span_start + term.end
    known = (row.person_id, row.visit_occurrence_id, row.note_id, start, end, term.text)
    ranked = "|".join(f"{each.code} {each.name}" for each in coded.candidates[:5])
    answers = [(each.code, each.name, round(each.score, 3), each.rule) for each in coded.answers] or [("", "", 0.0, "")]
    return [(*known, *answer, ranked) for answer in answers]
