"""Small stores for tests."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import pyarrow as pa

from workbench.store import SnapshotWriter
from workbench.tables import arrow_schema


def persons(count: int) -> pa.Table:
    """`count` people, numbered from 1."""
    rows = [
        {
            "person_id": number,
            "gender_concept_id": 8507 if number % 2 else 8532,
            "year_of_birth": 1940 + number % 60,
            "race_concept_id": 0,
            "ethnicity_concept_id": 0,
            "person_source_value": f"P{number:06d}",
        }
        for number in range(1, count + 1)
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema("person"))


def measurements(count: int, people: int, *, seed: int = 0) -> pa.Table:
    """`count` laboratory results of `people` people, in no order."""
    random = np.random.default_rng(seed)
    days = random.integers(0, 3000, count)
    start = date(2015, 1, 1)
    columns = {
        "measurement_id": np.arange(1, count + 1),
        "person_id": random.integers(1, people + 1, count),
        "measurement_concept_id": random.choice([3004410, 3004249, 0], count),
        "measurement_date": [start + timedelta(days=int(day)) for day in days],
        "measurement_datetime": [datetime(2015, 1, 1) + timedelta(days=int(day), hours=3) for day in days],
        "measurement_type_concept_id": np.full(count, 32856),
        "value_as_number": random.normal(6, 1, count),
        "unit_source_value": ["%"] * count,
        "measurement_source_value": [f"lab{number % 7}" for number in range(count)],
    }
    return pa.table(columns).select(list(columns))


def small_store(path, *, people: int = 20, rows: int = 200, source: str = "a test") -> str:
    """Publish people and their results; give the snapshot's id."""
    with SnapshotWriter(path, source=source) as writer:
        writer.write("person", persons(people))
        writer.write("measurement", measurements(rows, people))
    return writer.snapshot_id
