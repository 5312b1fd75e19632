"""The researcher's words over the OMOP tables: diagnoses, labs, notes ... as data.

A *domain* says which table holds the events of a word, which columns carry its identity, codes and dates, and which
named fields a condition may use. Engines walk these declarations; nothing here reads data.

Dates follow OHDSI's convention (circe-be): an event whose end is not recorded ends one day after it starts.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["DOMAINS", "SETTINGS", "SEXES", "Domain", "Field"]

#: Visit settings: word -> visit concept ids of the OMOP CDM.
SETTINGS: dict[str, tuple[int, ...]] = {
    "inpatient": (9201, 262),
    "outpatient": (9202,),
    "emergency": (9203, 262),
    "icu": (32037,),
}

#: Sex: word -> gender concept ids of the OMOP CDM.
SEXES: dict[str, tuple[int, ...]] = {"female": (8532,), "male": (8507,)}


@dataclass(frozen=True)
class Field:
    """One thing a condition may ask of an event.

    Parameters
    ----------
    column : str
        Column of the domain's table, or of `via` where given.
    kind : {"number", "string", "concept", "date", "words"}
        ``words`` is full text, searched as a substring of the normalised note.
    via : {"", "visit", "care_site", "provider"}
        Table reached through the event's visit, that visit's care site, or the event's provider.
    words : dict of str to tuple of int
        Words that stand for concept ids.
    """

    column: str
    kind: str
    via: str = ""
    words: dict[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Domain:
    """One of the researcher's words and the table behind it.

    Parameters
    ----------
    word, word_zh : str
        The word in English (as in code) and in Chinese (as on screen).
    table, key : str
        OMOP table and its primary key.
    start, start_time : str
        Columns of the start date and, where there is one, the start datetime (else empty).
    concept, source_value, source_concept : str
        Columns of the standard concept id, the source code and the source concept id; empty where there is none.
    end : str
        Column of the end date; empty where there is none. A missing end is the day after the start.
    supply : str
        Column of days supplied, used where the end is missing (drugs only).
    visit : str
        Column of the visit; empty where there is none.
    via : str
        Set where the table has no person column of its own: the table that has (costs belong to a visit).
    fields : dict of str to Field
        What a condition may ask.
    """

    word: str
    word_zh: str
    table: str
    key: str
    start: str
    start_time: str = ""
    concept: str = ""
    source_value: str = ""
    source_concept: str = ""
    end: str = ""
    supply: str = ""
    visit: str = "visit_occurrence_id"
    via: str = ""
    fields: dict[str, Field] = field(default_factory=dict)


def _visit_fields() -> dict[str, Field]:
    return {
        "setting": Field("visit_concept_id", "concept", "visit", SETTINGS),
        "department": Field("care_site_source_value", "string", "care_site"),
    }


def _coded(word: str, word_zh: str, table: str, stem: str, *, fields: dict[str, Field] | None = None, **columns: str) -> Domain:
    """Declare a table that follows OMOP's naming pattern for clinical events."""
    declared: dict[str, str] = {
        "key": f"{table}_id",
        "concept": f"{stem}_concept_id",
        "source_value": f"{stem}_source_value",
        "source_concept": f"{stem}_source_concept_id",
        "start": f"{stem}_start_date",
        "start_time": f"{stem}_start_datetime",
        "end": f"{stem}_end_date",
    }
    declared.update(columns)
    shared = {"type": Field(f"{stem}_type_concept_id", "concept"), "specialty": Field("specialty_concept_id", "concept", "provider")}
    return Domain(word, word_zh, table, **declared, fields=shared | _visit_fields() | (fields or {}))  # type: ignore[arg-type]


def _era(word: str, word_zh: str, table: str, stem: str, fields: dict[str, Field]) -> Domain:
    return Domain(
        word,
        word_zh,
        table,
        f"{table}_id",
        f"{table}_start_date",
        end=f"{table}_end_date",
        concept=f"{stem}_concept_id",
        visit="",
        fields=fields,
    )


_VALUE = {
    "value": Field("value_as_number", "number"),
    "value_concept": Field("value_as_concept_id", "concept"),
    "value_source": Field("value_source_value", "string"),
    "unit": Field("unit_source_value", "string"),
    "unit_concept": Field("unit_concept_id", "concept"),
}
_MEASUREMENT = _VALUE | {
    "operator": Field("operator_concept_id", "concept"),
    "range_low": Field("range_low", "number"),
    "range_high": Field("range_high", "number"),
}


def _measurement(word: str, word_zh: str) -> Domain:
    return _coded(
        word,
        word_zh,
        "measurement",
        "measurement",
        start="measurement_date",
        start_time="measurement_datetime",
        end="",
        fields=_MEASUREMENT,
    )


def _note(word: str, word_zh: str) -> Domain:
    return Domain(
        word,
        word_zh,
        "note",
        "note_id",
        "note_date",
        "note_datetime",
        concept="note_class_concept_id",
        source_value="note_source_value",
        fields={
            "text": Field("note_text", "words"),
            "kind": Field("note_source_value", "string"),
            "title": Field("note_title", "string"),
            "type": Field("note_type_concept_id", "concept"),
            **_visit_fields(),
        },
    )


_ALL = (
    Domain(
        "encounters",
        "就诊",
        "visit_occurrence",
        "visit_occurrence_id",
        "visit_start_date",
        "visit_start_datetime",
        concept="visit_concept_id",
        source_value="visit_source_value",
        source_concept="visit_source_concept_id",
        end="visit_end_date",
        fields={
            "type": Field("visit_type_concept_id", "concept"),
            "specialty": Field("specialty_concept_id", "concept", "provider"),
            "admitted_from": Field("admitted_from_concept_id", "concept"),
            "discharged_to": Field("discharged_to_concept_id", "concept"),
            **_visit_fields(),
        },
    ),
    _coded("diagnoses", "诊断", "condition_occurrence", "condition", fields={"status": Field("condition_status_concept_id", "concept")}),
    _coded(
        "medications",
        "用药",
        "drug_exposure",
        "drug",
        start="drug_exposure_start_date",
        start_time="drug_exposure_start_datetime",
        end="drug_exposure_end_date",
        supply="days_supply",
        fields={
            "quantity": Field("quantity", "number"),
            "days_supply": Field("days_supply", "number"),
            "refills": Field("refills", "number"),
            "route": Field("route_concept_id", "concept"),
            "route_source": Field("route_source_value", "string"),
        },
    ),
    _coded(
        "procedures",
        "手术操作",
        "procedure_occurrence",
        "procedure",
        start="procedure_date",
        start_time="procedure_datetime",
        end="procedure_end_date",
        fields={"quantity": Field("quantity", "number"), "modifier": Field("modifier_concept_id", "concept")},
    ),
    _measurement("labs", "检验"),
    _measurement("vitals", "生命体征"),
    _coded(
        "observations",
        "观察",
        "observation",
        "observation",
        start="observation_date",
        start_time="observation_datetime",
        end="",
        fields=_VALUE | {"value_text": Field("value_as_string", "string"), "qualifier": Field("qualifier_concept_id", "concept")},
    ),
    _coded(
        "devices",
        "器械",
        "device_exposure",
        "device",
        start="device_exposure_start_date",
        start_time="device_exposure_start_datetime",
        end="device_exposure_end_date",
        fields={"quantity": Field("quantity", "number")},
    ),
    Domain(
        "specimens",
        "标本",
        "specimen",
        "specimen_id",
        "specimen_date",
        "specimen_datetime",
        concept="specimen_concept_id",
        source_value="specimen_source_value",
        visit="",
        fields={"type": Field("specimen_type_concept_id", "concept"), "quantity": Field("quantity", "number")},
    ),
    _note("notes", "病历文书"),
    _note("reports", "检查报告"),
    Domain(
        "findings",
        "发现",
        "finding",
        "finding_id",
        "finding_date",
        "finding_datetime",
        concept="finding_concept_id",
        source_value="finding_source_value",
        fields={
            "assertion": Field("assertion", "string"),
            "experiencer": Field("experiencer", "string"),
            "value": Field("value_as_number", "number"),
            "unit": Field("unit_source_value", "string"),
            "run": Field("run_id", "string"),
            **_visit_fields(),
        },
    ),
    Domain(
        "images",
        "影像检查",
        "image_occurrence",
        "image_occurrence_id",
        "image_occurrence_date",
        concept="modality_concept_id",
        source_value="modality_source_value",
        fields={
            "body_part": Field("anatomic_site_source_value", "string"),
            "verdict": Field("geometry_verdict", "string"),
            "slices": Field("n_slices", "number"),
            "slice_mm": Field("slice_mm", "number"),
            "manufacturer": Field("manufacturer_source_value", "string"),
            "model": Field("model_source_value", "string"),
            **_visit_fields(),
        },
    ),
    Domain(
        "deaths",
        "死亡",
        "death",
        "person_id",
        "death_date",
        "death_datetime",
        concept="cause_concept_id",
        source_value="cause_source_value",
        source_concept="cause_source_concept_id",
        visit="",
        fields={"type": Field("death_type_concept_id", "concept")},
    ),
    Domain(
        "costs",
        "费用",
        "cost",
        "cost_id",
        "visit_start_date",
        "visit_start_datetime",
        concept="cost_concept_id",
        source_value="cost_source_value",
        end="visit_end_date",
        visit="cost_event_id",
        via="visit_occurrence",
        fields={"total": Field("total_charge", "number"), "paid_by_patient": Field("paid_by_patient", "number"), **_visit_fields()},
    ),
    _era("diagnosis_eras", "诊断期", "condition_era", "condition", {"occurrences": Field("condition_occurrence_count", "number")}),
    _era(
        "medication_eras",
        "用药期",
        "drug_era",
        "drug",
        {"exposures": Field("drug_exposure_count", "number"), "gap_days": Field("gap_days", "number")},
    ),
    _era(
        "dose_eras",
        "剂量期",
        "dose_era",
        "drug",
        {"dose": Field("dose_value", "number"), "unit_concept": Field("unit_concept_id", "concept")},
    ),
    Domain(
        "encounter_details",
        "就诊明细",
        "visit_detail",
        "visit_detail_id",
        "visit_detail_start_date",
        "visit_detail_start_datetime",
        concept="visit_detail_concept_id",
        source_value="visit_detail_source_value",
        source_concept="visit_detail_source_concept_id",
        end="visit_detail_end_date",
        fields={"type": Field("visit_detail_type_concept_id", "concept"), **_visit_fields()},
    ),
    Domain(
        "observation_periods",
        "观察期",
        "observation_period",
        "observation_period_id",
        "observation_period_start_date",
        concept="period_type_concept_id",
        end="observation_period_end_date",
        visit="",
    ),
    Domain(
        "payer_plan_periods",
        "医保期",
        "payer_plan_period",
        "payer_plan_period_id",
        "payer_plan_period_start_date",
        concept="payer_concept_id",
        source_value="payer_source_value",
        source_concept="payer_source_concept_id",
        end="payer_plan_period_end_date",
        visit="",
    ),
)

#: Every domain by its English word. Each also answers to the fields ``start``, ``end``, ``duration_days``, ``age`` (years at
#: its start) and ``sex``, which need no declaration because they are computed alike everywhere.
DOMAINS: dict[str, Domain] = {domain.word: domain for domain in _ALL}
