"""Write the notes of one block and turn them into tables."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from workbench.synthetic.catalogue import catalogue, read_table
from workbench.synthetic.columns import DAY_SECONDS, arrow_table, row_ids, stream
from workbench.synthetic.concepts import concept_id
from workbench.synthetic.identity import doctor_names
from workbench.synthetic.notes import kinds, reports
from workbench.synthetic.notes.chart import Chart, Hospital
from workbench.synthetic.notes.facts import gather
from workbench.synthetic.notes.writer import Writer
from workbench.synthetic.truth import CANARIES
from workbench.synthetic.visits import EMERGENCY, INPATIENT

if TYPE_CHECKING:
    from workbench.synthetic.identity import Identities
    from workbench.synthetic.omop import Block

__all__ = ["GOLD_RUN", "SPANS", "note_tables"]

#: Run id of the findings that come from the truth.
GOLD_RUN = "synthetic-gold"
#: A mention and what it means; offsets in code points of ``note_text``, ends exclusive; value_start and value_end cover number and unit.
SPANS = pa.schema(
    [
        ("note_id", pa.int64()),
        ("person_id", pa.int64()),
        ("span_start", pa.int64()),
        ("span_end", pa.int64()),
        ("surface", pa.string()),
        ("term", pa.string()),
        ("code", pa.string()),
        ("entity_type", pa.string()),
        ("assertion", pa.string()),
        ("experiencer", pa.string()),
        ("value", pa.float64()),
        ("unit", pa.string()),
        ("value_start", pa.int64()),
        ("value_end", pa.int64()),
    ]
)
_CLINIC_SHARE = 0.1
_EHR, _UTF8, _CHINESE = 32817, 32678, 4182948


def note_tables(block: Block, who: Identities, notes_per_admission: float) -> dict[str, pa.Table]:
    """Give ``note``, ``finding``, ``truth_spans`` and the canaries of the notes, ``truth_note_canaries``.

    Parameters
    ----------
    block : Block
        The drawn block.
    who : Identities
        Identifiers of its patients.
    notes_per_admission : float
        Mean number of notes of an admission, greater than 0: the admission record, the discharge summary, the first course note
        and the reports come first, daily notes make up the rest. Other encounters have a note in a tenth of that share.
    """
    writer = Writer()
    _write_all(block, who, notes_per_admission, writer)
    note = _note(block, writer)
    spans = _spans(block, writer)
    return {"note": note, "finding": _finding(block, writer, spans), "truth_spans": spans, "truth_note_canaries": _canaries(block, writer)}


def _write_all(block: Block, who: Identities, notes_per_admission: float, writer: Writer) -> None:
    hospital = Hospital(block, gather(block), who, doctor_names(block.seed))
    rng = stream(block.seed, block.number, "notes")
    seeds = rng.integers(0, 2**62, len(block.visits)).tolist()
    written = (rng.random(len(block.visits)) < min(notes_per_admission * _CLINIC_SHARE, 1)).tolist()
    daily = rng.poisson(max(notes_per_admission - 4.2, 0), len(block.visits)).tolist()
    settings, died = block.visits.setting.tolist(), block.visits.died.tolist()
    checkup = catalogue().reason("checkup")
    active = block.states > 0
    for visit, (setting, seed) in enumerate(zip(settings, seeds, strict=True)):
        if setting != INPATIENT and not written[visit]:
            continue
        chart = Chart(hospital, writer, random.Random(seed), visit)  # noqa: S311  (chance of a story, not of a secret)
        if setting == INPATIENT:
            _admission(chart, notes_per_admission, daily[visit], died=died[visit], active=active[visit].tolist())
        else:
            kinds.clinic(chart, emergency=setting == EMERGENCY, checkup=hospital.reason[visit] == checkup)


def _admission(chart: Chart, wanted: float, daily: int, *, died: bool, active: list[bool]) -> None:
    """Write the notes of an admission in order of time; where fewer are wanted than the rules ask, the first kinds are kept."""
    kinds.admission(chart)
    if chart.dice.random() < wanted - 2:
        kinds.first_course(chart)
    if chart.dice.random() < wanted - 3:
        _reports(chart, active)
    days = (chart.hospital.end[chart.visit] - chart.hospital.start[chart.visit]) // DAY_SECONDS
    several = min(daily, max(days - 1, 0))
    for place in range(several):
        kinds.course(chart, (place + 1) / (several + 1))
    if chart.dice.random() < wanted - 1:
        kinds.discharge(chart, died=died)


def _reports(chart: Chart, active: list[bool]) -> None:
    hospital, examinations = chart.hospital, reports.examinations()
    for row, time in hospital.facts.procedures[chart.visit]:
        examination = examinations.get(hospital.procedure[row]["code"])
        if examination:
            reports.write_report(chart, examination, time, active, _reader(chart, examination.department))
    options = reports.pathology_of(chart, active)
    if options:
        taken = chart.operation[1] if chart.operation else hospital.start[chart.visit] + DAY_SECONDS
        reports.write_pathology(chart, options, taken, _reader(chart, "3203"))


def _reader(chart: Chart, department: str) -> tuple[int, str]:
    table = read_table("departments")
    place = table.texts("code").index(department)
    doctors = table.numbers("doctors").astype(int)
    first = int(doctors[:place].sum())
    chosen = first + int(chart.dice.random() * int(doctors[place]))
    return chosen + 1, chart.hospital.doctors[chosen]


def _note(block: Block, writer: Writer) -> pa.Table:
    visit, kind, title, time, provider, text = (list(column) for column in zip(*writer.notes, strict=True)) if writer.notes else ([],) * 6
    rows = np.array(visit, np.int64)
    seconds = np.array(time, np.int64)
    return arrow_table(
        "note",
        len(rows),
        {
            "note_id": row_ids(block.number, len(rows)),
            "person_id": block.patient(rows),
            "note_date": seconds // DAY_SECONDS,
            "note_datetime": seconds,
            "note_type_concept_id": _EHR,
            "note_class_concept_id": 0,
            "note_title": title,
            "note_text": text,
            "encoding_concept_id": _UTF8,
            "language_concept_id": _CHINESE,
            "provider_id": np.array(provider, np.int64),
            "visit_occurrence_id": block.visit_id[rows],
            "note_source_value": kind,
        },
    )


def _note_persons(block: Block, writer: Writer, notes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give (note ids, visits) of the notes at places `notes`."""
    visits = np.array([row[0] for row in writer.notes], np.int64)
    return row_ids(block.number, len(writer.notes))[notes], visits[notes]


def _spans(block: Block, writer: Writer) -> pa.Table:
    columns = list(zip(*writer.spans, strict=True)) if writer.spans else [()] * 11
    notes, visits = _note_persons(block, writer, np.array(columns[0], np.int64))
    names = ("span_start", "span_end", "term", "surface", "assertion", "experiencer", "value", "unit", "value_start", "value_end")
    by_name = {name: list(column) for name, column in zip(names, columns[1:], strict=True)}
    terms = by_name.pop("term")
    return arrow_table(
        "truth_spans",
        len(notes),
        {
            **by_name,
            "note_id": notes,
            "person_id": block.patient(visits),
            "term": [term.name for term in terms],
            "code": [term.code for term in terms],
            "entity_type": [term.kind for term in terms],
        },
        schema=SPANS,
    )


def _finding(block: Block, writer: Writer, spans: pa.Table) -> pa.Table:
    """Give the spans as findings of the run `GOLD_RUN`."""
    places = np.array([row[0] for row in writer.spans], np.int64)
    times = np.array([row[3] for row in writer.notes], np.int64)[places]
    _, visits = _note_persons(block, writer, places)
    ids = {name: concept_id("LOCAL_TERM", name) for name in set(spans["term"].to_pylist())}
    shared = ("note_id", "person_id", "span_start", "span_end", "entity_type", "assertion", "experiencer")
    return arrow_table(
        "finding",
        len(places),
        {
            **{name: spans[name].combine_chunks() for name in shared},
            "finding_id": row_ids(block.number, len(places)),
            "run_id": GOLD_RUN,
            "visit_occurrence_id": block.visit_id[visits],
            "finding_concept_id": [ids[name] for name in spans["term"].to_pylist()],
            "finding_source_value": spans["term"].combine_chunks(),
            "finding_date": times // DAY_SECONDS,
            "finding_datetime": times,
            "value_as_number": spans["value"].combine_chunks(),
            "unit_source_value": spans["unit"].combine_chunks(),
        },
    )


def _canaries(block: Block, writer: Writer) -> pa.Table:
    columns = list(zip(*writer.canaries, strict=True)) if writer.canaries else [()] * 5
    notes, visits = _note_persons(block, writer, np.array(columns[0], np.int64))
    return arrow_table(
        "truth_canaries",
        len(notes),
        {
            "token": list(columns[3]),
            "kind": list(columns[4]),
            "person_id": block.patient(visits),
            "table_name": "note",
            "column_name": "note_text",
            "row_id": notes,
            "start": list(columns[1]),
            "end": list(columns[2]),
        },
        schema=CANARIES,
    )
