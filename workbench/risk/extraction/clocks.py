"""When a record of the store became available: the clocks of the store's tables, on which nothing later than a prediction can be read.

OMOP says when something was, seldom when it was known:

=============  ===================================================================================================================
labs, vitals,  ``measurement_datetime``. OMOP has no time of the result: what the ingest wrote there counts, and should be the time of the
images         report where the hospital has one.
diagnoses      of a stay: its end, for front pages are coded at discharge, but where their status says that they are diagnoses of
               admission; of other encounters: their own time. A stay that has not ended has no diagnoses yet.
medications,   their start.
procedures,
observations,
encounters
findings       the time of their note; ``finding_datetime`` is the time that the note speaks of. Those of the family are none.
=============  ===================================================================================================================

A date without a time, and midnight, which OMOP writes where no time is known, stand for the end of that day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import ibis

from workbench.cohort.plan import source
from workbench.domains import DOMAINS, SETTINGS
from workbench.errors import DefinitionError
from workbench.risk.extraction.asof import end_of_day

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from workbench.domains import Domain

__all__ = ["ADMISSION_STATUS", "ADMISSION_WORDS", "DOMAIN_OF", "Times", "timed", "with_times"]

#: Source of a predictor -> domain of the store. Numbers of vital signs and of images are measurements too.
DOMAIN_OF = {
    "labs": "labs",
    "vitals": "labs",
    "images": "labs",
    "diagnoses": "diagnoses",
    "medications": "medications",
    "procedures": "procedures",
    "encounters": "encounters",
    "findings": "findings",
    "observations": "observations",
    "deaths": "deaths",
}

#: Condition status concepts of OMOP: admission, primary admission and secondary admission diagnosis; the last is the one of SNOMED.
ADMISSION_STATUS = (32890, 32901, 32907, 4203942)

#: How sources write that a diagnosis is one of admission (``condition_status_source_value``).
ADMISSION_WORDS = ("入院", "入院诊断", "门诊诊断", "门急诊诊断", "门（急）诊诊断", "门(急)诊诊断", "admission")

#: Whom a finding may be about that is not the patient.
_OTHERS = ("family", "other")

_STAYS = (*SETTINGS["inpatient"], *SETTINGS["icu"])


class Times(NamedTuple):
    """When a record was available, and when it is about; the first may be missing, for what is not known yet."""

    available: ir.TimestampValue
    recorded: ir.TimestampValue

    def by(self, clock: Literal["available", "recorded"]) -> ir.TimestampValue:
        """Return the time by the clock that a predictor asks for."""
        return self.available if clock == "available" else self.recorded


def timed(time: ir.TimestampValue | None, day: ir.DateValue) -> ir.TimestampValue:
    """Return a time, and the end of the day where there is none; midnight is none.

    Parameters
    ----------
    time : ibis timestamp or None
        None where the table has no such column.
    day : ibis date
        Its date.

    Returns
    -------
    ibis timestamp
    """
    if time is None:
        return end_of_day(day)
    midnight = day.cast("timestamp(6)")
    return ibis.ifelse(time.notnull() & (time != midnight), time, end_of_day(day))


def with_times(word: str, columns: tuple[str, ...]) -> tuple[ir.Table, Times]:
    """Return a domain's table with its clocks.

    Parameters
    ----------
    word : str
        A domain of :data:`DOMAIN_OF`.
    columns : tuple of str
        Columns wanted beside those of the clocks.

    Returns
    -------
    table : ibis Table
        Rows of a person.
    times : Times
        Of its rows.

    Raises
    ------
    DefinitionError
        If nothing says when the domain's records became available.

    Examples
    --------
    >>> table, times = with_times("labs", ("value_as_number",))
    >>> times.available.type()
    Timestamp(timezone=None, scale=6, nullable=True)
    """
    if word not in DOMAIN_OF.values():
        raise DefinitionError(f"nothing in the store says when {word} became available", hint=f"one of: {', '.join(DOMAIN_OF)}")
    place = DOMAINS[word]
    if word == "diagnoses":
        return _diagnoses(place, columns)
    if word == "findings":
        return _findings(place, columns)
    table = source(place.table, _needed(place, columns))
    own = table[place.start_time]
    return table, Times(timed(own, table[place.start]), _about(own, table[place.start]))


def _needed(place: Domain, columns: tuple[str, ...], *more: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in ("person_id", place.start, place.start_time, *more, *columns) if name))


def _about(time: ir.TimestampValue, day: ir.DateValue) -> ir.TimestampValue:
    return ibis.coalesce(time, day.cast("timestamp(6)"))


def _diagnoses(place: Domain, columns: tuple[str, ...]) -> tuple[ir.Table, Times]:
    status = ("condition_status_concept_id", "condition_status_source_value")
    table = source(place.table, _needed(place, columns, "visit_occurrence_id", *status))
    visits = source("visit_occurrence", ("visit_occurrence_id", "visit_concept_id", "visit_end_date", "visit_end_datetime"))
    visits = visits.rename(_visit="visit_occurrence_id")
    joined = table.left_join(visits, table.visit_occurrence_id == visits["_visit"])
    joined = joined.select(*table.columns, "visit_concept_id", "visit_end_date", "visit_end_datetime")
    own, left = timed(joined[place.start_time], joined[place.start]), timed(joined.visit_end_datetime, joined.visit_end_date)
    by_concept = joined.condition_status_concept_id.isin(ADMISSION_STATUS).fill_null(False)
    by_word = joined.condition_status_source_value.isin(ADMISSION_WORDS).fill_null(False)
    coded_at_discharge = joined.visit_concept_id.isin(_STAYS).fill_null(False) & ~(by_concept | by_word)
    at_discharge = ibis.ifelse(joined.visit_end_date.isnull(), ibis.null("timestamp(6)"), ibis.greatest(own, left))
    return joined, Times(ibis.ifelse(coded_at_discharge, at_discharge, own), _about(joined[place.start_time], joined[place.start]))


def _findings(place: Domain, columns: tuple[str, ...]) -> tuple[ir.Table, Times]:
    table = source(place.table, _needed(place, columns, "note_id", "experiencer"))
    table = table.filter(table.experiencer.notin(_OTHERS).fill_null(True))
    notes = source("note", ("note_id", "note_date", "note_datetime")).rename(_note="note_id")
    joined = table.left_join(notes, table.note_id == notes["_note"]).select(*table.columns, "note_date", "note_datetime")
    written = timed(joined.note_datetime, joined.note_date)
    return joined, Times(written, _about(joined[place.start_time], joined[place.start]))
