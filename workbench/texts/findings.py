"""Answers in the form of the table ``finding``, which cohorts ask."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from workbench.store.overlay import FINDING
from workbench.tables import arrow_schema

__all__ = ["findings"]

_FINDING_BASE = 1 << 62
_PRESENCE = frozenset({"present", "absent", "possible", "historical", "hypothetical"})


def findings(answers: pa.Table, run: str, number: int) -> pa.Table:
    """Return the answers that count as findings.

    Parameters
    ----------
    answers : pyarrow.Table
        Columns of :data:`workbench.texts.runs.ANSWERS`.
    run : str
        Name of the run.
    number : int
        Of the set of findings: identifiers of two numbers never meet.
    """
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
