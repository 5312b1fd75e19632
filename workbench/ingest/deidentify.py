"""De-identify tables under one key: persons, records, dates, texts. Used for the store and, under another key, for a slice.

What happens to a column follows from the data contract (:mod:`workbench.tables`): person ids become keyed pseudonyms,
record ids are numbered anew (they carry no meaning across slices), references follow them, dates move by the person's
shift, names and addresses are emptied, free text is kept only where many persons share it, notes are scrubbed. A row whose
required reference leads nowhere (to a visit refused at import, say) falls out.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from workbench.errors import DataError
from workbench.ingest.note_batches import BATCH, RawNote, scrub_batches
from workbench.ingest.scrub import Edit, Scrubbed
from workbench.tables import TABLES, Column, Table, arrow_schema

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from workbench.pseudonyms import PseudonymKey

__all__ = ["EMPTIED", "OMITTED", "Deidentifier", "Policy"]

#: Tables whose references name rows of any table; they cannot follow a renumbering and are left out.
OMITTED = frozenset({"fact_relationship", "episode", "episode_event", "cohort", "cohort_definition", "note_nlp", "metadata"})

#: Columns that are emptied: (table, column), or ("*", column) for all tables.
EMPTIED = frozenset(
    {
        ("person", "person_source_value"),
        ("person", "day_of_birth"),
        ("person", "birth_datetime"),
        *(
            ("location", name)
            for name in ("address_1", "address_2", "city", "zip", "county", "location_source_value", "latitude", "longitude")
        ),
        *(("provider", name) for name in ("provider_name", "npi", "dea", "provider_source_value", "year_of_birth")),
        ("visit_occurrence", "visit_source_value"),
        ("visit_detail", "visit_detail_source_value"),
        ("specimen", "specimen_source_id"),
        ("payer_plan_period", "family_source_value"),
        ("image_occurrence", "wadors_uri"),
        ("image_occurrence", "local_path"),
        ("*", "unique_device_id"),
        ("*", "production_id"),
        ("*", "lot_number"),
        ("*", "measurement_time"),
    }
)

#: Free text in event tables: kept where it is a number or where `Policy.text_persons` persons share it.
_SHARED_TEXT = frozenset({"value_source_value", "value_as_string", "sig", "stop_reason", "note_title"})

#: Record ids that other tables refer to: each gets a map of old to new numbers.
_REFERRED = (
    "care_site",
    "location",
    "provider",
    "visit_occurrence",
    "visit_detail",
    "payer_plan_period",
    "procedure_occurrence",
    "note",
    "image_occurrence",
)

#: A result in figures; anything longer could be a telephone or an identity number.
_SHORT_NUMBER = r"[<>=≤≥~±+-]{0,2}\s*[0-9]{1,7}(\.[0-9]{1,6})?"

_ROW_BATCH, _FINDING_NOTES = 100_000, 20_000
#: Where each edit of each note goes, for the spans of findings.
_EDITS = pa.schema([("old_note", pa.int64()), ("start", pa.int64()), ("end", pa.int64()), ("text", pa.string())])


@dataclass(frozen=True)
class Policy:
    """How far de-identification goes; stored in the manifest of what it made.

    Parameters
    ----------
    shift_days : int
        Greatest date shift of a person, in days; 0 leaves dates as they are (the store, which no researcher sees).
    text_persons : int
        A free text other than a note stays only if so many persons share it.
    """

    shift_days: int
    text_persons: int = 10

    def record(self) -> dict[str, object]:
        """Return the policy as the manifest states it (no key, no shift of any person)."""
        return {"method": "workbench-deidentify/2", "shift_days_at_most": self.shift_days, "text_persons": self.text_persons}


@dataclass
class Deidentifier:
    """De-identify one set of tables.

    Parameters
    ----------
    files : mapping of str to sequence of Path
        Parquet files of each table.
    key : PseudonymKey
        Key of the store or of the project.
    policy : Policy
        How far to go.
    persons : Collection of int, optional
        Keep only these (a slice); None keeps all.
    identifiers : mapping of int to mapping of str to str, optional
        What the patient index knows of a patient, all records together: identifier -> kind. The staff's names come from
        the provider table.
    patient : mapping of int to int, optional
        Person id -> the person id that stands for the same patient (see :mod:`workbench.ingest.patient_index`); the
        others' records become that patient's.
    memory_limit : str
        For DuckDB; beyond it, work spills to `scratch`.
    """

    files: Mapping[str, Sequence[Path]]
    key: PseudonymKey
    policy: Policy
    scratch: Path
    persons: Collection[int] | None = None
    identifiers: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    patient: Mapping[int, int] = field(default_factory=dict)
    memory_limit: str = "2GB"
    _edits_kept: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        if not self.files.get("person"):
            raise DataError("there is no person table to de-identify", hint="import the data set first")
        self._db = duckdb.connect(config={"memory_limit": self.memory_limit, "temp_directory": str(self.scratch)})
        for name, files in self.files.items():
            if files and name in TABLES:
                self._db.execute(
                    f"create view {_quoted(name)} as select * from read_parquet(?, union_by_name = true)".replace("?", _list(files))
                )
        self._map_persons()
        for name in _REFERRED:
            self._map_records(TABLES[name])

    @property
    def tables(self) -> list[str]:
        """Tables that will be made, persons first and notes before findings."""
        return [name for name in TABLES if self.files.get(name) and name not in OMITTED]

    def batches(self, name: str) -> Iterator[pa.RecordBatch]:
        """Yield the de-identified rows of a table, of its `arrow_schema`, ordered as a snapshot is."""
        if name == "note":
            yield from self._notes()
        elif name == "finding":
            yield from self._findings()
        else:
            for batch in self._db.sql(self._select(TABLES[name])).to_arrow_reader(_ROW_BATCH):
                yield pa.RecordBatch.from_arrays(batch.columns, schema=arrow_schema(name))

    def _map_persons(self) -> None:
        wanted = "" if self.persons is None else "where person_id in (select unnest(?))"
        old = (
            self._db.execute(f"select person_id from person {wanted} order by 1", [] if self.persons is None else [list(self.persons)])
            .fetchnumpy()["person_id"]
            .tolist()
        )
        patients = [self.patient.get(person, person) for person in old]
        new = [self.key.person(patient) for patient in patients]
        if len(set(old)) != len(old) or len(set(new)) != len(set(patients)):
            raise DataError(
                "two persons share an id, or two pseudonyms fall together", hint="mend duplicate person ids first (see the import report)"
            )
        shift = [self.key.shift_days(patient, at_most=self.policy.shift_days) for patient in patients]
        first: dict[int, int] = {}
        for person, patient in zip(old, patients, strict=True):  # in order of the ids: the first that was accepted stands
            first.setdefault(patient, person)
        stands = [first[patient] == person for person, patient in zip(old, patients, strict=True)]
        table = pa.table(
            {
                "old": pa.array(old, pa.int64()),
                "new": pa.array(new, pa.int64()),
                "shift": pa.array(shift, pa.int32()),
                "stands": pa.array(stands, pa.bool_()),
            }
        )
        self._db.register("person_arrow", table)
        self._db.execute("create temp table map_person as select * from person_arrow")
        self._db.unregister("person_arrow")

    def _map_records(self, table: Table) -> None:
        (key,) = table.key
        if not self.files.get(table.name):
            self._db.execute(f"create temp table map_{table.name}(old bigint, new bigint)")
            return
        joined, order = (
            ("join map_person p on p.old = t.person_id", f"p.new, t.{table.start}, t.{key}") if table.person else ("", f"t.{key}")
        )
        numbered = f"select t.{key} old, row_number() over (order by {order}) as new from {_quoted(table.name)} t {joined}"
        self._db.execute(f"create temp table map_{table.name} as {numbered}")

    def _select(self, table: Table, *, extra: str = "") -> str:
        present = set(self._columns(table.name))
        joins, order, needed = [], "", [_ROWS[table.name]] if table.name in _ROWS else []
        if table.person:
            joins.append("join map_person p on p.old = t.person_id")
            named = [table.start, *(name for name in table.key if name in present)]
            order = f"order by {', '.join(['p.new', *(f't.{name}' for name in named if name)])}"
        columns = []
        for column in table.columns:
            expression, join = self._expression(table, column) if column.name in present else ("null", "")
            columns.append(f"({expression})::{_SQL[column.type]} as {_quoted(column.name)}")
            joins += [join] if join and join not in joins else []
            needed += [f"{expression} is not null"] if join and column.required else []
        where = f"where {' and '.join(needed)} " if needed else ""
        where += _ONCE.get(table.name, "")
        return f"select {', '.join(columns)}{extra} from {_quoted(table.name)} t {' '.join(joins)} {where} {order}"

    def _expression(self, table: Table, column: Column) -> tuple[str, str]:
        """Return the SQL of a column's new value and the join it needs."""
        name = f"t.{_quoted(column.name)}"
        if (table.name, column.name) in EMPTIED or ("*", column.name) in EMPTIED:
            return "null", ""
        if column.name == table.person:
            return "p.new", ""
        if table.name == "cost" and column.name == "cost_event_id":
            return "map_cost.new", f"left join map_visit_occurrence map_cost on map_cost.old = {name}"
        if table.kind == "vocabulary" or column.references in {"concept", "vocabulary", "domain", "concept_class", "relationship"}:
            return name, ""
        return self._record(table, column, name) or self._value(table, column, name)

    def _record(self, table: Table, column: Column, name: str) -> tuple[str, str] | None:
        """Return the SQL of a record id or a reference to one, or None for any other column."""
        refers = table.name if (column.name,) == table.key and table.name in _REFERRED else column.references
        if refers in _REFERRED:
            alias = f"map_{column.name}"
            return f"{alias}.new", f"left join map_{refers} {alias} on {alias}.old = {name}"
        if (column.name,) == table.key and column.type == "integer":
            order = f"p.new, {f't.{table.start}, ' if table.start else ''}{name}" if table.person else name
            return f"row_number() over (order by {order})", ""
        if column.references or column.name.endswith("_event_id"):
            return "null", ""
        return None

    def _value(self, table: Table, column: Column, name: str) -> tuple[str, str]:
        """Return the SQL of a value: dates move, birth moves, shared text stays."""
        moved = bool(table.person)
        match column.type:
            case "date" if moved:
                return f"{name} + p.shift", ""
            case "datetime" if moved:
                return f"{name} + to_days(p.shift)", ""
            case "integer" if table.name == "person" and column.name in ("year_of_birth", "month_of_birth"):
                return f"case when {name} is not null then {column.name.removesuffix('_of_birth')}({_BIRTH} + p.shift) end", ""
            case "text" if column.name in _SHARED_TEXT and table.kind != "site":
                return self._shared_text(table, name), ""
            case "text" if column.name.endswith("_uid"):
                return "null", ""
            case _:
                return name, ""

    def _shared_text(self, table: Table, name: str) -> str:
        column = name.removeprefix("t.")
        own = f"{_quoted(table.name)} join map_person on map_person.old = person_id"
        shared = f"select {column} from {own} group by 1 having count(distinct new) >= {self.policy.text_persons}"
        return f"case when regexp_full_match(trim({name}), '{_SHORT_NUMBER}') or {name} in ({shared}) then {name} end"

    def _columns(self, name: str) -> list[str]:
        return [row[0] for row in self._db.execute(f"describe {_quoted(name)}").fetchall()]

    def _notes(self) -> Iterator[pa.RecordBatch]:
        """Yield scrubbed notes, and keep their edits: each note is scrubbed once."""
        self._db.execute('create or replace table note_edit (old_note bigint, "start" bigint, "end" bigint, "text" varchar)')
        waiting: deque[pa.RecordBatch] = deque()
        (count,) = self._db.execute("select count(*) from note").fetchone()
        for scrubbed in scrub_batches(self._note_batches(waiting), staff=self._staff_names(), notes=count):
            batch = waiting.popleft()
            self._keep_edits(batch["old_note"].to_pylist(), scrubbed)
            texts = pa.array([each.text for each in scrubbed], pa.string())
            columns = {name: batch[name] for name in arrow_schema("note").names} | {"note_text": texts}
            yield pa.RecordBatch.from_pydict(columns, schema=arrow_schema("note"))
        self._edits_kept = True

    def _note_batches(self, waiting: deque[pa.RecordBatch]) -> Iterator[list[RawNote]]:
        """Yield batches to be scrubbed; their rows wait for the answer in `waiting`."""
        for batch in self._raw_notes(BATCH):
            waiting.append(batch)
            yield [self._raw_note(row) for row in batch.select(["note_text", "old_person", "shift", "old_date"]).to_pylist()]

    def _raw_note(self, row: Mapping[str, Any]) -> RawNote:
        patient = self.patient.get(row["old_person"], row["old_person"])
        return RawNote(row["note_text"] or "", self.identifiers.get(patient, {}), row["shift"], row["old_date"])

    def _keep_edits(self, old: Sequence[int], scrubbed: Sequence[Scrubbed]) -> None:
        rows = [(note, edit.start, edit.end, edit.text) for note, each in zip(old, scrubbed, strict=True) for edit in each.edits]
        if rows:
            self._db.register("batch_edit", pa.table(dict(zip(_EDITS.names, zip(*rows, strict=True), strict=True)), schema=_EDITS))
            self._db.execute("insert into note_edit select * from batch_edit")
            self._db.unregister("batch_edit")

    def _raw_notes(self, size: int) -> Iterator[pa.RecordBatch]:
        extra = ", t.person_id as old_person, p.shift as shift, t.note_date as old_date, t.note_id as old_note"
        with self._db.cursor() as cursor:
            yield from cursor.sql(self._temporary(self._select(TABLES["note"], extra=extra), "raw_note")).to_arrow_reader(size)

    def _temporary(self, select: str, name: str) -> str:
        """Keep a result as a table once, since temporary tables belong to one connection."""
        self._db.execute(f"create table if not exists {name} as {select}")
        return f"select * from {name}"

    def _staff_names(self) -> list[str]:
        if not self.files.get("provider"):
            return []
        names = self._db.execute(
            "select distinct trim(provider_name) from provider where length(trim(provider_name)) > 1 order by 1"
        ).fetchall()
        return [name for (name,) in names]

    def _findings(self) -> Iterator[pa.RecordBatch]:
        """Yield findings with their spans moved as the edits of their note moved the text."""
        if not self._edits_kept:
            deque(self._notes(), maxlen=0)
        self._temporary(self._select(TABLES["finding"], extra=", t.note_id as old_note"), "raw_finding")
        for notes in self._raw_notes(_FINDING_NOTES):  # each asks all findings once
            self._db.register("batch_note", pa.table({"old_note": notes["old_note"]}))
            within = "old_note in (select old_note from batch_note)"
            found = self._db.sql(f"select * from raw_finding where {within} order by person_id, finding_date, finding_id").to_arrow_table()
            edits = self._db.sql(f'select * from note_edit where {within} order by old_note, "start"').to_arrow_table()
            self._db.unregister("batch_note")
            if found.num_rows:
                yield from _moved_spans(found, edits).to_batches()


def _moved_spans(found: pa.Table, edits: pa.Table) -> pa.Table:
    edits_of: dict[int, list[Edit]] = {}
    for row in edits.to_pylist():
        edits_of.setdefault(row["old_note"], []).append(Edit(row["start"], row["end"], row["text"]))
    keys, starts, ends = (found[name].to_pylist() for name in ("old_note", "span_start", "span_end"))
    spans = [Scrubbed("", tuple(edits_of.get(note, ()))).move(start, end) for note, start, end in zip(keys, starts, ends, strict=True)]
    columns = {name: found[name] for name in arrow_schema("finding").names}
    columns["span_start"] = pa.chunked_array([[start for start, _ in spans]], pa.int64())
    columns["span_end"] = pa.chunked_array([[end for _, end in spans]], pa.int64())
    return pa.table(columns, schema=arrow_schema("finding"))


#: Rows that are kept of a table: costs of a visit, one row a patient, the first death.
_ROWS = {"cost": "t.cost_domain_id = 'Visit'", "person": "p.stands"}
_ONCE = {"death": "qualify row_number() over (partition by p.new order by t.death_date, t.person_id) = 1"}
_BIRTH_DAY = "case when t.month_of_birth is null then 1 else coalesce(t.day_of_birth, 15) end"
_BIRTH = f"make_date(t.year_of_birth, coalesce(t.month_of_birth, 7), {_BIRTH_DAY})"
_SQL = {"integer": "bigint", "number": "double", "text": "varchar", "date": "date", "datetime": "timestamp"}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _list(files: Sequence[Path]) -> str:
    return "[" + ", ".join("'" + str(file).replace("'", "''") + "'" for file in files) + "]"
