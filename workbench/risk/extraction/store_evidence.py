"""Where the values of a study on a store come from: the rows of the store that fell into a predictor's window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis
import pandas as pd

from workbench.cohort.plan import source
from workbench.domains import DOMAINS
from workbench.locale import tr
from workbench.risk.extraction.evidence import Evidence, excerpt, feature_of, picked_from, shown_number, shown_time
from workbench.risk.extraction.store_items import find_wanted
from workbench.risk.extraction.store_records import code_table, records

if TYPE_CHECKING:
    from workbench.risk.extraction.dataset import StudyData
    from workbench.risk.extraction.store_items import Codes, Wanted

__all__ = ["store_evidence"]

_NOTED = ("note_id", "span_start", "span_end")


#: Assertions of findings, as people read them.
_ASSERTIONS = {
    "present": ("肯定", "present"),
    "absent": ("否定", "absent"),
    "possible": ("可能", "possible"),
    "hypothetical": ("假设", "hypothetical"),
    "historical": ("既往", "historical"),
}


def store_evidence(codes: Codes, data: StudyData, row: int, name: str) -> list[Evidence]:
    """Return the rows of a store behind one value.

    Parameters
    ----------
    codes : Codes
        Of the store.
    data : StudyData
        The study's.
    row : int
        Index of the row.
    name : str
        Of the predictor.

    Returns
    -------
    list of Evidence
        Empty where nothing is known. Where one record was picked it is the first, else the newest is. A result in another unit has what
        the store holds as its text, a finding the words of its note.

    Raises
    ------
    DataError
        If the study has no such row or predictor.
    """
    feature = feature_of(data, row, name)
    if feature.source == "person":
        return _of_person(codes, data, row, feature.item)
    timed = [one for one in data.protocol.predictors if one.source != "person"]
    wanted = next((one for one in find_wanted(codes, timed)[0] if one.feature.name == name), None)
    if wanted is None:  # made by a model, as the time of a landmark is
        return []
    found = picked_from(_rows(codes, data, row, wanted), data.rows.at[row, "predicted_at"], wanted.predictor)
    notes = _notes(codes, found) if wanted.domain == "findings" else {}
    return [_told(wanted, one, notes) for one in found.to_dict("records")]


def _rows(codes: Codes, data: StudyData, row: int, wanted: Wanted) -> pd.DataFrame:
    """Read all records of one person that answer to a predictor, oldest key first."""
    place, visit = DOMAINS[wanted.domain], wanted.predictor.same_visit
    more = (place.key, "person_id", *(_NOTED if wanted.domain == "findings" else ()))
    found = records(wanted.domain, wanted.predictor.clock, visit=visit, more=tuple(dict.fromkeys(more)))
    found = found.filter(found.person_id == int(data.rows.at[row, "person"]))
    if visit:
        known = data.rows.at[row, "visit"]
        found = found.filter(found.person == (-1 if pd.isna(known) else int(known)))
    concept = source("concept", ("concept_id", "concept_name"))
    named = found.left_join(concept, found.concept == concept.concept_id)
    rows = named.select(*found.columns, named=ibis.ifelse(named.concept != 0, named.concept_name, "")).rename(_key=place.key)
    return codes.engine.select(rows.order_by("_key"), _codes=code_table({0: wanted})).to_pandas(integer_object_nulls=True)


def _notes(codes: Codes, found: pd.DataFrame) -> dict[int, str]:
    """Read the notes that findings were read from."""
    keys = sorted({int(key) for key in found["note_id"].dropna()})
    notes = source("note", ("note_id", "note_text"))
    read = codes.engine.select(notes.filter(notes.note_id.isin(keys)).select("note_id", "note_text")).to_pydict() if keys else {}
    return dict(zip(read.get("note_id", ()), read.get("note_text", ()), strict=True))


def _told(wanted: Wanted, row: dict, notes: dict[int, str]) -> Evidence:
    code = row["code"] or (f"concept:{row['concept']}" if row["concept"] else "")
    name = row["named"] or ""
    plain = Evidence(shown_time(row["time"]), DOMAINS[wanted.domain].table, " ".join(filter(None, [code, name])), "", key=str(row["_key"]))
    if wanted.domain == "labs":
        return _number(wanted, row, plain)
    if wanted.domain == "findings":
        text, start, end = _words(row, notes)
        said = tr(*_ASSERTIONS[row["mark"]]) if row["mark"] in _ASSERTIONS else row["mark"]
        return plain._replace(value=said, text=text, start=start, end=end)
    if wanted.domain == "observations":
        return plain._replace(value=row["mark"])
    return plain._replace(value=code, item=name)


def _number(wanted: Wanted, row: dict, plain: Evidence) -> Evidence:
    given = f"{'<' * row['below']}{shown_number(row['raw'])}"
    if wanted.counted:  # counted as it stands
        return plain._replace(value=given, unit=row["mark"])
    same = row["value"] == row["raw"]
    return plain._replace(value=shown_number(row["value"]), unit=wanted.feature.unit, text="" if same else f"{given} {row['mark']}".strip())


def _words(row: dict, notes: dict[int, str]) -> tuple[str, int, int]:
    text = notes.get(row["note_id"]) or ""
    start, end = (-1 if pd.isna(row[name]) else int(row[name]) for name in ("span_start", "span_end"))
    return excerpt(text, start, end) if text and 0 <= start < end else ("", -1, -1)


def _of_person(codes: Codes, data: StudyData, row: int, fact: str) -> list[Evidence]:
    columns = ("person_id", "gender_concept_id", "gender_source_value", "year_of_birth", "month_of_birth", "day_of_birth")
    person = source("person", columns)
    found = codes.engine.select(person.filter(person.person_id == int(data.rows.at[row, "person"])).select(*columns)).to_pylist()
    told = []
    for one in found[:1]:
        born = "-".join(f"{part:02d}" for part in (one["year_of_birth"], one["month_of_birth"], one["day_of_birth"]) if part is not None)
        sex = one["gender_source_value"] or f"concept:{one['gender_concept_id']}"
        item, value = (tr("出生日期", "Date of birth"), born) if fact == "age" else (tr("性别", "Sex"), sex)
        told.append(Evidence("", "person", item, value, key=str(one["person_id"])))
    return told
