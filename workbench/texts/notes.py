"""Which notes to structure: those of a cohort, in an order that the snapshot fixes, read in blocks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nlp.annotations import Note
from workbench.cohort.language import CohortBuilder, CombinationBuilder
from workbench.cohort.language import notes as notes_criterion
from workbench.errors import DataError, DefinitionError
from workbench.store.snapshots import Snapshot, open_store

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from nlp.variables.sets import VariableSet
    from workbench.cohort.events import EventSet
    from workbench.cohort.result import CohortResult
    from workbench.texts.runs import StructuredNotes

__all__ = ["BLOCK_NOTES", "ChosenNote", "NoteSet", "notes"]

#: Notes in a block: what is structured, written and resumed as one.
BLOCK_NOTES = 500

_COLUMNS = ("note_id", "person_id", "note_date", "note_datetime", "note_text", "note_source_value", "visit_occurrence_id")
_FACTS = ("note_id", "person_id", "note_date", "note_source_value", "visit_occurrence_id")


@dataclass(frozen=True, slots=True)
class ChosenNote:
    """A note with whose it is."""

    note: Note
    person_id: int
    visit_occurrence_id: int | None


@dataclass(frozen=True, eq=False)
class NoteSet:
    """Notes of a snapshot, chosen by patient, kind and date.

    Parameters
    ----------
    snapshot : Snapshot
        Where the notes lie.
    persons : ndarray of int64, of shape (n_rows,), optional
        Patients in ascending order, one entry an index date; all where None.
    index_dates : ndarray of datetime64[D], of shape (n_rows,), optional
        Index date of each entry.
    kinds : tuple of str
        Kinds of note as the source names them; all where empty.
    days : (int, int), optional
        Days around an index date, both ends included, within which a note must have been written.
    """

    snapshot: Snapshot
    persons: np.ndarray | None = field(default=None, repr=False)
    index_dates: np.ndarray | None = field(default=None, repr=False)
    kinds: tuple[str, ...] = ()
    days: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.days is not None and self.index_dates is None:
            raise DefinitionError(
                "days around the index date are asked for, but there is no cohort", hint="wb.notes(cohort.run(store), days=(-30, 0))"
            )
        if self.days is not None and not _is_pair(self.days):
            raise DefinitionError(f"days is {self.days!r}; wanted two whole numbers, the first and the last day, as in (-30, 0)")
        if self.days is not None and self.days[0] > self.days[1]:
            raise DefinitionError(f"days is {self.days}; wanted the earlier end first, as in (-30, 0)")

    @property
    def hash(self) -> str:
        """SHA-256 of what is chosen, the snapshot included; 16 hex digits."""
        digest = sha256(repr((self.snapshot.manifest.id, self.kinds, self.days)).encode())
        for array in (self.persons, self.index_dates):
            digest.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]

    def count(self) -> int:
        """Count the notes without reading their texts."""
        return sum(batch.num_rows for batch in self._batches(_COLUMNS[:4] + _COLUMNS[5:]))

    def blocks(self, size: int = BLOCK_NOTES) -> Iterator[list[ChosenNote]]:
        """Yield the notes in blocks of equal size, always in the same order.

        Parameters
        ----------
        size : int
            Notes a block; the last may be smaller.
        """
        block: list[ChosenNote] = []
        for batch in self._batches(_COLUMNS):
            for row in batch.to_pylist():
                block.append(self._chosen(row))
                if len(block) == size:
                    yield block
                    block = []
        if block:
            yield block

    def structure(self, variables: VariableSet, **options: Any) -> StructuredNotes:
        """Ask the notes a set of variables; see :func:`workbench.texts.runs.structure` for the options."""
        from workbench.texts.runs import structure  # loads the pipeline, which choosing notes does not need

        return structure(self, variables, **options)

    def index_date(self, person_id: int, written: datetime | None) -> datetime | None:
        """Return the index date of a patient that is nearest to a note, for there may be several; None where there is no cohort."""
        if self.persons is None or self.index_dates is None:
            return None
        low, high = np.searchsorted(self.persons, [person_id, person_id + 1])
        dates = self.index_dates[low:high].astype("datetime64[us]").tolist()
        return min(dates, key=lambda day: abs(day - written) if written else day, default=None)

    def facts(self) -> pa.Table:
        """Return what is known of each note besides its text: note_id, person_id, kind, department and the year it was written."""
        parts = [batch.select(list(_FACTS)) for batch in self._batches(_FACTS)]
        whole = pa.Table.from_batches(parts) if parts else pa.table({name: [] for name in _FACTS})
        return pa.table(
            {
                "note_id": whole["note_id"],
                "person_id": whole["person_id"],
                "kind": [kind or "" for kind in whole["note_source_value"].to_pylist()],
                "department": [self._visits.get(visit, (None, ""))[1] for visit in whole["visit_occurrence_id"].to_pylist()],
                "year": [day.year if day else 0 for day in whole["note_date"].to_pylist()],
            }
        )

    def find(self, note_ids: Collection[int]) -> dict[int, ChosenNote]:
        """Read these notes only.

        Parameters
        ----------
        note_ids : collection of int
            Those that are not among the chosen notes are left out.
        """
        wanted = pa.array(sorted(note_ids), pa.int64())
        rows = (row for batch in self._batches(_COLUMNS) for row in batch.filter(pc.is_in(batch["note_id"], wanted)).to_pylist())
        return {row["note_id"]: self._chosen(row) for row in rows}

    # ------------------------------------------------------------------------------------------------------ internals

    def _batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for file in self.snapshot.files("note"):
            for batch in pq.ParquetFile(file).iter_batches(batch_size=2000, columns=list(columns)):
                chosen = batch.filter(self._mask(batch))
                if chosen.num_rows:
                    yield chosen

    def _mask(self, batch: pa.RecordBatch) -> pa.Array:
        mask = np.ones(batch.num_rows, bool)
        if self.persons is not None:
            mask &= np.isin(batch.column("person_id").to_numpy(zero_copy_only=False), self.persons)
        if self.kinds:
            mask &= pc.is_in(batch.column("note_source_value"), pa.array(self.kinds)).to_numpy(zero_copy_only=False).astype(bool)
        if self.days is not None:
            mask &= self._in_days(batch)
        return pa.array(mask)

    def _in_days(self, batch: pa.RecordBatch) -> np.ndarray:
        persons = batch.column("person_id").to_numpy(zero_copy_only=False)
        written = batch.column("note_date").cast(pa.int32()).to_numpy(zero_copy_only=False)
        index = self.index_dates.astype("datetime64[D]").astype(np.int64)
        low, high = np.searchsorted(self.persons, persons, "left"), np.searchsorted(self.persons, persons, "right")
        first, last = self.days
        inside = np.zeros(len(persons), bool)
        for place in np.flatnonzero(high > low):
            apart = written[place] - index[low[place] : high[place]]
            inside[place] = bool(((apart >= first) & (apart <= last)).any())
        return inside

    def _chosen(self, row: dict[str, Any]) -> ChosenNote:
        visit = row["visit_occurrence_id"]
        admitted, department = self._visits.get(visit, (None, ""))
        written = row["note_datetime"] or datetime.combine(row["note_date"], datetime.min.time())
        note = Note(
            row["note_text"] or "",
            row["note_id"],
            row["note_source_value"] or "",
            written,
            admitted,
            self._operated(visit, written),
            department,
        )
        return ChosenNote(note, row["person_id"], visit)

    @cached_property
    def _visits(self) -> dict[int, tuple[datetime | None, str]]:
        """Encounter -> (when it began, its department)."""
        sites = dict(
            zip(
                *(column.to_pylist() for column in self.snapshot.read("care_site", ["care_site_id", "care_site_name"]).columns), strict=True
            )
        )
        visits = self._of_persons("visit_occurrence", ["visit_occurrence_id", "visit_start_date", "visit_start_datetime", "care_site_id"])
        return {
            row["visit_occurrence_id"]: (
                _moment(row["visit_start_datetime"], row["visit_start_date"]),
                sites.get(row["care_site_id"]) or "",
            )
            for row in visits.to_pylist()
        }

    @cached_property
    def _operations(self) -> dict[int, list[datetime]]:
        """Encounter -> when its operations took place, ascending; ICD-9-CM3 00 to 86, the rest is examination and therapy."""
        columns = ["visit_occurrence_id", "procedure_date", "procedure_datetime", "procedure_source_value"]
        found: dict[int, list[datetime]] = {}
        for row in self._of_persons("procedure_occurrence", columns).to_pylist():
            chapter = (row["procedure_source_value"] or "")[:2]
            if row["visit_occurrence_id"] is not None and chapter.isdigit() and int(chapter) <= 86:
                found.setdefault(row["visit_occurrence_id"], []).append(_moment(row["procedure_datetime"], row["procedure_date"]))
        return {visit: sorted(times) for visit, times in found.items()}

    def _operated(self, visit: int | None, written: datetime) -> datetime | None:
        return max((time for time in self._operations.get(visit, ()) if time <= written), default=None)

    def _of_persons(self, table: str, columns: list[str]) -> pa.Table:
        chosen = None if self.persons is None else pc.is_in(pc.field("person_id"), pa.array(np.unique(self.persons)))
        return self.snapshot.read(table, columns, chosen)


def _is_pair(days: Any) -> bool:
    return isinstance(days, tuple | list) and len(days) == 2 and all(isinstance(day, Integral) for day in days)


def _moment(time: datetime | None, day: Any) -> datetime:
    return time or datetime.combine(day, datetime.min.time())


def notes(
    cohort: CohortResult | CohortBuilder | CombinationBuilder | Snapshot | None = None,
    *,
    days: tuple[int, int] | None = None,
    **asked: Any,
) -> NoteSet | EventSet:
    """Choose the notes of a cohort to structure them; or, without a cohort, ask for notes in a rule.

    Parameters
    ----------
    cohort : CohortResult, cohort, or Snapshot, optional
        Whose notes: a cohort that has run, one that is run here on the session's store, or everybody in a snapshot. Without it the
        call is the criterion :func:`workbench.cohort.language.notes` and takes its words.
    days : (int, int), optional
        Days around the index date, both ends included.
    **asked
        ``kind``: kind of note or several, as the source names them.

    Returns
    -------
    NoteSet or EventSet

    Raises
    ------
    DefinitionError
        If what is given is no cohort, or `days` makes no sense.
    """
    if cohort is None:
        return notes_criterion(**asked, **({} if days is None else {"days": days}))
    kinds = asked.pop("kind", None) or ()
    if asked:
        raise DefinitionError(f"{next(iter(asked))!r} does not choose the notes of a cohort", hint="say kind=..., days=(first, last)")
    chosen = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    if isinstance(cohort, Snapshot):
        return NoteSet(cohort, kinds=chosen, days=days)
    result = cohort.run(open_store()) if isinstance(cohort, CohortBuilder | CombinationBuilder) else cohort
    return _of_result(result, chosen, days)


def _of_result(result: Any, kinds: tuple[str, ...], days: tuple[int, int] | None) -> NoteSet:
    if not hasattr(result, "rows") or not hasattr(result, "snapshot"):
        raise DefinitionError(f"wb.notes() takes a cohort, not a {type(result).__name__}", hint="wb.notes(cohort.run(wb.open_store()))")
    if not isinstance(result.snapshot, Snapshot):
        raise DataError(
            "the cohort was not run on a snapshot of a store, so its notes cannot be read", hint="run it: cohort.run(wb.open_store())"
        )
    rows = result.rows
    persons, starts = rows.iloc[:, 0].to_numpy(np.int64), rows.iloc[:, 1].to_numpy("datetime64[D]")
    order = np.lexsort((starts, persons))
    return NoteSet(result.snapshot, persons[order], starts[order], kinds, days)
