"""What is known to be true of the generated hospital, in tables that never go to a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.synthetic.catalogue import read_table
from workbench.synthetic.columns import DAY_SECONDS, arrow_table
from workbench.synthetic.survival import BASELINE_SCALE_DAYS, BASELINE_SHAPE

if TYPE_CHECKING:
    from workbench.synthetic.omop import Block

__all__ = ["CANARIES", "hazards", "index_canaries", "provider_canaries", "survival"]

#: A planted identifier and where it stands: `start` and `end` are code points of a text column, missing where the token is the value.
CANARIES = pa.schema(
    [
        ("token", pa.string()),
        ("kind", pa.string()),
        ("person_id", pa.int64()),
        ("table_name", pa.string()),
        ("column_name", pa.string()),
        ("row_id", pa.int64()),
        ("start", pa.int64()),
        ("end", pa.int64()),
    ]
)
_HAZARDS = pa.schema(
    [
        ("term", pa.string()),
        ("name", pa.string()),
        ("covariate", pa.string()),
        ("log_hr", pa.float64()),
        ("hazard_ratio", pa.float64()),
        ("outcome", pa.string()),
        ("index", pa.string()),
        ("baseline_shape", pa.float64()),
        ("baseline_scale_days", pa.float64()),
    ]
)
_INDEX_KINDS = ("name", "identity_number", "phone", "address", "mrn", "insurance_number", "contact_name", "contact_phone")


def hazards() -> pa.Table:
    """Give the planted proportional-hazards model, one row per term."""
    table = read_table("hazards")
    log_hr = table.numbers("log_hr")
    columns = {name: table.texts(name) for name in ("term", "name", "covariate")}
    columns |= {"log_hr": log_hr, "hazard_ratio": np.round(np.exp(log_hr), 4), "outcome": "death", "index": "first inpatient visit"}
    columns |= {"baseline_shape": BASELINE_SHAPE, "baseline_scale_days": BASELINE_SCALE_DAYS}
    return arrow_table("truth_hazards", len(table), columns, schema=_HAZARDS)


def survival(block: Block) -> pa.Table:
    """Give, for every patient with an admission, the values that the planted model saw and what came of them."""
    rows = np.flatnonzero(block.deaths.index >= 0)
    terms = read_table("hazards").texts("term")
    fields = [("person_id", pa.int64()), ("index_date", pa.date32()), ("time_days", pa.float64()), ("event", pa.int64())]
    columns = {
        "person_id": block.people.person_id[rows],
        "index_date": block.deaths.index_time[rows] // DAY_SECONDS,
        "time_days": block.deaths.follow_up_days[rows],
        "event": block.deaths.event[rows],
        **{term: block.deaths.covariates[rows, column] for column, term in enumerate(terms)},
    }
    return arrow_table("truth_survival", len(rows), columns, schema=pa.schema(fields + [(term, pa.float64()) for term in terms]))


def index_canaries(index: pa.Table, persons: pa.Table) -> pa.Table:
    """List the identifiers of the patient index, each distinct token of a patient once, and the record number in ``person``."""
    parts = []
    for kind in _INDEX_KINDS:
        grouped = (
            index.select(["person_id", kind, "record_id"])
            .group_by(["person_id", kind], use_threads=False)
            .aggregate([("record_id", "min")])
        )
        found = grouped.filter(pc.is_valid(grouped[kind]))
        parts.append(_listed(found[kind], kind, found["person_id"], "identifiers", kind, found["record_id_min"]))
    own = persons["person_id"]
    parts.append(_listed(persons["person_source_value"], "mrn", own, "person", "person_source_value", own))
    return pa.concat_tables(parts)


def provider_canaries(providers: pa.Table) -> pa.Table:
    """List the doctors' names."""
    n = providers.num_rows
    return _listed(
        providers["provider_name"], "doctor_name", pa.nulls(n, pa.int64()), "provider", "provider_name", providers["provider_id"]
    )


def _listed(tokens: pa.ChunkedArray, kind: str, person: object, table: str, column: str, rows: object) -> pa.Table:
    n = len(tokens)
    missing = pa.nulls(n, pa.int64())
    texts = [pa.repeat(pa.scalar(text), n) for text in (kind, table, column)]
    return pa.table([tokens, texts[0], person, texts[1], texts[2], rows, missing, missing], schema=CANARIES)
