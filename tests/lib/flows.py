"""Hand-made answers of an engine, for tests of the flow."""

import pyarrow as pa

from workbench.cohort.engine import ENTRY_SCHEMA, ROW_SCHEMA, Answer
from workbench.cohort.query import Age, Cohort, Entry, Events, Rule


def answer(persons, masks, kept=None) -> Answer:
    n = len(persons)
    kept = [False] * n if kept is None else kept
    columns = {
        "person_id": persons,
        "index_date": [0] * n,
        "index_datetime": [None] * n,
        "event_end_date": [0] * n,
        "event_set": [0] * n,
        "event_key": list(range(n)),
        "visit_occurrence_id": [None] * n,
        "mask": masks,
        "kept": kept,
    }
    rows = [person for person, keep in zip(persons, kept, strict=True) if keep]
    return Answer(
        pa.table(
            [pa.array(rows, pa.int64()), pa.array([0] * len(rows), pa.date32()), pa.array([0] * len(rows), pa.date32())], schema=ROW_SCHEMA
        ),
        pa.table({field.name: pa.array(columns[field.name], field.type) for field in ENTRY_SCHEMA}),
    )


def cohort(*kinds: str, keep: str = "all") -> Cohort:
    rules = tuple(Rule(f"rule {n}", kind, Age("ge", (18,))) for n, kind in enumerate(kinds))
    return Cohort("c", Entry((Events("diagnoses"),)), rules=rules, keep=keep)
