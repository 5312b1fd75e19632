"""A small store with notes, for tests of what is read out of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

from tests.lib.stores import persons
from workbench.store import SnapshotWriter, open_store
from workbench.tables import arrow_schema

if TYPE_CHECKING:
    from workbench.store.snapshots import Snapshot

#: Kind and text, in turn.
TEXTS = (
    ("CT报告", "影像所见：右肺上叶见一结节，大小约8×6mm。左肺未见异常。印象：右肺上叶结节。"),
    ("CT报告", "影像所见：双肺纹理清晰，未见结节。印象：双肺未见明显异常。"),
    ("入院记录", "主诉：咳嗽3天。\n现病史：患者3天前出现咳嗽，无发热。\n既往史：否认糖尿病。"),
    ("出院小结", "出院诊断：1.肺炎 2.2型糖尿病"),
)
START = datetime(2021, 3, 1, 9)


def rows_of(table: str, rows: list[dict]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=arrow_schema(table))


def noted_store(path, *, people: int = 4, notes_each: int = 4, more: dict[str, list[dict]] | None = None) -> Snapshot:
    """Publish people with one stay and `notes_each` notes each, and rows of more tables."""
    visits = [
        {
            "visit_occurrence_id": person,
            "person_id": person,
            "visit_concept_id": 9201,
            "visit_start_date": START.date(),
            "visit_start_datetime": START,
            "visit_end_date": START.date() + timedelta(days=9),
            "visit_type_concept_id": 32817,
            "care_site_id": 1,
        }
        for person in range(1, people + 1)
    ]
    notes = []
    for person in range(1, people + 1):
        for place in range(notes_each):
            kind, text = TEXTS[(person + place) % len(TEXTS)]
            written = START + timedelta(days=place, hours=1)
            notes.append(
                {
                    "note_id": len(notes) + 1,
                    "person_id": person,
                    "note_date": written.date(),
                    "note_datetime": written,
                    "note_type_concept_id": 32817,
                    "note_class_concept_id": 0,
                    "note_title": kind,
                    "note_text": text,
                    "encoding_concept_id": 32678,
                    "language_concept_id": 4182948,
                    "visit_occurrence_id": person,
                    "note_source_value": kind,
                }
            )
    with SnapshotWriter(path, source="a test") as writer:
        writer.write("person", persons(people))
        writer.write("care_site", rows_of("care_site", [{"care_site_id": 1, "care_site_name": "呼吸科", "care_site_source_value": "0301"}]))
        writer.write("visit_occurrence", rows_of("visit_occurrence", visits))
        writer.write("note", rows_of("note", notes))
        for table, rows in (more or {}).items():
            writer.write(table, rows_of(table, rows))
    return open_store(path)
