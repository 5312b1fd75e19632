"""From the drawn hospital to tables of the data contract."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from workbench.synthetic.catalogue import catalogue, read_table
from workbench.synthetic.columns import DAY_SECONDS, Words, arrow_table, row_ids, stream
from workbench.synthetic.concepts import concept_id
from workbench.synthetic.diagnoses import PRINCIPAL, Diagnoses
from workbench.synthetic.identity import record_numbers
from workbench.synthetic.people import FEMALE, People
from workbench.synthetic.treatments import TIMES_PER_DAY, Drugs, Procedures
from workbench.synthetic.visits import EMERGENCY, Visits

if TYPE_CHECKING:
    import pyarrow as pa

    from workbench.synthetic.measurements import Measurements
    from workbench.synthetic.survival import Deaths

__all__ = ["Block", "departments_of", "providers_of", "tables"]

_EHR, _ORDER, _PRESCRIPTION, _LAB, _ALGORITHM, _CERTIFICATE = 32817, 32833, 32838, 32856, 32882, 32815
_VISIT_CONCEPTS = np.array([9201, 9202, 9203])
_ICU = "1201"


@dataclass(frozen=True)
class Block:
    """All that was drawn of one block of patients.

    Parameters
    ----------
    seed : int
        Seed of the hospital.
    people, visits, deaths, diagnoses, drugs, procedures, measurements
        What the modules of the same names drew.
    states : ndarray of shape (n_visits, n_states)
        How active each state is in each encounter.
    """

    seed: int
    people: People
    visits: Visits
    deaths: Deaths
    diagnoses: Diagnoses
    drugs: Drugs
    procedures: Procedures
    measurements: Measurements
    states: np.ndarray

    @property
    def number(self) -> int:
        """Number of the block."""
        return self.people.block

    @property
    def visit_id(self) -> np.ndarray:
        """Key of every encounter."""
        return row_ids(self.number, len(self.visits))

    def patient(self, visit: np.ndarray) -> np.ndarray:
        """Key of the patient of encounters `visit`."""
        return self.people.person_id[self.visits.person[visit]]


def tables(block: Block) -> dict[str, pa.Table]:
    """Give the OMOP tables of one block, notes and eras excepted."""
    makers = (_person, _observation_period, _visit_occurrence, _visit_detail, _condition_occurrence, _drug_exposure,
              _procedure_occurrence, _measurement, _observation, _death, _payer_plan_period, _cost)  # fmt: skip
    return {maker.__name__.removeprefix("_"): maker(block) for maker in makers}


@cache
def _ids_of(table: str, vocabulary: str, column: str = "code") -> np.ndarray:
    return np.array([concept_id(vocabulary, code) for code in read_table(table).texts(column)])


def _words(table: str, rows: np.ndarray, column: str = "code") -> Words:
    return Words(rows, read_table(table).texts(column))


def departments_of(visits: Visits) -> np.ndarray:
    """Give the department, as a row of ``departments.tsv``, of each encounter: emergencies go to the emergency department."""
    known = catalogue()
    own = np.array([known.departments.index(code) for code in read_table("reasons").texts("dept")])
    return np.where(visits.setting == EMERGENCY, known.departments.index("1101"), own[visits.reason])


def providers_of(seed: int, block: int, department: np.ndarray) -> np.ndarray:
    """Give a doctor of the department, numbered through the hospital from 1."""
    doctors = read_table("departments").numbers("doctors").astype(np.int64)
    first = np.cumsum(doctors) - doctors
    drawn = stream(seed, block, "providers").random(len(department))
    return first[department] + (drawn * doctors[department]).astype(np.int64) + 1


def _person(block: Block) -> pa.Table:
    people = block.people
    born = people.birth.astype("datetime64[D]")
    month = born.astype("datetime64[M]")
    return arrow_table(
        "person",
        len(people),
        {
            "person_id": people.person_id,
            "gender_concept_id": np.where(people.sex == FEMALE, 8532, 8507),
            "year_of_birth": born.astype("datetime64[Y]").astype(np.int64) + 1970,
            "month_of_birth": month.astype(np.int64) % 12 + 1,
            "day_of_birth": (born - month).astype(np.int64) + 1,
            "birth_datetime": people.birth * DAY_SECONDS,
            "race_concept_id": 8515,
            "ethnicity_concept_id": 0,
            "location_id": people.person_id % len(read_table("places")) + 1,
            "person_source_value": record_numbers(people),
            "gender_source_value": Words(people.sex, ["女", "男"]),
            "gender_source_concept_id": 0,
            "ethnicity_source_value": _words("ethnic", people.ethnic, "name"),
        },
    )


def _observation_period(block: Block) -> pa.Table:
    people = block.people
    last = people.entry.copy()
    np.maximum.at(last, block.visits.person, block.visits.end_day)
    end = np.minimum(np.maximum(people.exit, last), block.deaths.day)
    return arrow_table(
        "observation_period",
        len(people),
        {
            "observation_period_id": people.person_id,
            "person_id": people.person_id,
            "observation_period_start_date": people.entry,
            "observation_period_end_date": end,
            "period_type_concept_id": _EHR,
        },
    )


def _visit_occurrence(block: Block) -> pa.Table:
    visits = block.visits
    ids = block.visit_id
    department = departments_of(visits)
    same = np.zeros(len(visits), bool)
    same[1:] = visits.person[1:] == visits.person[:-1]
    through = visits.inpatient & visits.from_emergency
    leaving = np.where(~visits.inpatient, -1, np.where(visits.died, 2, np.where(_against_advice(block), 1, 0)))
    return arrow_table(
        "visit_occurrence",
        len(visits),
        {
            "visit_occurrence_id": ids,
            "person_id": block.patient(np.arange(len(visits))),
            "visit_concept_id": _VISIT_CONCEPTS[visits.setting],
            "visit_start_date": visits.start_day,
            "visit_start_datetime": visits.start,
            "visit_end_date": visits.end_day,
            "visit_end_datetime": visits.end,
            "visit_type_concept_id": _EHR,
            "provider_id": providers_of(block.seed, block.number, department),
            "care_site_id": department + 1,
            "visit_source_value": Words(visits.setting, ["住院", "门诊", "急诊"]),
            "visit_source_concept_id": 0,
            "admitted_from_concept_id": np.where(through, 9203, 0),
            "admitted_from_source_value": Words(np.where(visits.inpatient, through.astype(int), -1), ["门诊", "急诊"]),
            "discharged_to_concept_id": 0,
            "discharged_to_source_value": Words(leaving, ["医嘱离院", "非医嘱离院", "死亡"]),
            "preceding_visit_occurrence_id": np.where(same, ids - 1, np.nan),
        },
    )


def _against_advice(block: Block) -> np.ndarray:
    drawn = stream(block.seed, block.number, "leaving").random(len(block.visits))
    return drawn < 0.025 + 0.02 * np.clip(block.visits.severity - 1, 0, 2)


def _visit_detail(block: Block) -> pa.Table:
    """Intensive care: one row from a few hours after admission to about a third of the stay, or to death."""
    visits = block.visits
    rows = np.flatnonzero(visits.icu & visits.inpatient)
    drawn = stream(block.seed, block.number, "icu").random((2, len(rows)))
    stay = (visits.end - visits.start)[rows]
    start = visits.start[rows] + (stay * 0.15 * drawn[0]).astype(np.int64)
    end = np.where(visits.died[rows], visits.end[rows], start + np.maximum(stay * (0.15 + 0.4 * drawn[1]), 3600)).astype(np.int64)
    end = np.minimum(end, visits.end[rows])
    return arrow_table(
        "visit_detail",
        len(rows),
        {
            "visit_detail_id": row_ids(block.number, len(rows)),
            "person_id": block.patient(rows),
            "visit_detail_concept_id": 32037,
            "visit_detail_start_date": start // DAY_SECONDS,
            "visit_detail_start_datetime": start,
            "visit_detail_end_date": end // DAY_SECONDS,
            "visit_detail_end_datetime": end,
            "visit_detail_type_concept_id": _EHR,
            "care_site_id": catalogue().departments.index(_ICU) + 1,
            "visit_detail_source_value": "重症监护",
            "visit_occurrence_id": block.visit_id[rows],
        },
    )


def _condition_occurrence(block: Block) -> pa.Table:
    rows, visits = block.diagnoses, block.visits
    concept = _ids_of("icd10cn", "ICD10CN")[rows.code]
    return arrow_table(
        "condition_occurrence",
        len(rows),
        {
            "condition_occurrence_id": row_ids(block.number, len(rows)),
            "person_id": block.patient(rows.visit),
            "condition_concept_id": concept,
            "condition_start_date": visits.start_day[rows.visit],
            "condition_start_datetime": visits.start[rows.visit],
            "condition_end_date": visits.end_day[rows.visit],
            "condition_end_datetime": visits.end[rows.visit],
            "condition_type_concept_id": _EHR,
            "condition_status_concept_id": np.where(rows.role == PRINCIPAL, 32902, 32908),
            "visit_occurrence_id": block.visit_id[rows.visit],
            "condition_source_value": _words("icd10cn", rows.code),
            "condition_source_concept_id": concept,
            "condition_status_source_value": Words(rows.role, ["主要诊断", "其他诊断"]),
        },
    )


def _drug_exposure(block: Block) -> pa.Table:
    rows, visits, table = block.drugs, block.visits, read_table("drugs")
    inpatient = visits.inpatient[rows.visit]
    end = rows.start + (rows.days - 1) * DAY_SECONDS
    end = np.maximum(np.where(inpatient, np.minimum(end, visits.end[rows.visit]), end), rows.start)
    per_day = np.array([TIMES_PER_DAY[word] for word in table.texts("freq")])[rows.drug]
    concept = _ids_of("drugs", "LOCAL_DRUG")[rows.drug]
    return arrow_table(
        "drug_exposure",
        len(rows),
        {
            "drug_exposure_id": row_ids(block.number, len(rows)),
            "person_id": block.patient(rows.visit),
            "drug_concept_id": concept,
            "drug_exposure_start_date": rows.start // DAY_SECONDS,
            "drug_exposure_start_datetime": rows.start,
            "drug_exposure_end_date": end // DAY_SECONDS,
            "drug_exposure_end_datetime": end,
            "drug_type_concept_id": np.where(inpatient, _ORDER, _PRESCRIPTION),
            "refills": 0,
            "quantity": np.round(rows.dose * np.maximum(per_day * rows.days, 1), 3),
            "days_supply": rows.days,
            "sig": _directions(rows),
            "route_concept_id": 0,
            "visit_occurrence_id": block.visit_id[rows.visit],
            "drug_source_value": _words("drugs", rows.drug),
            "drug_source_concept_id": concept,
            "route_source_value": _words("drugs", rows.drug, "route"),
            "dose_unit_source_value": _words("drugs", rows.drug, "unit"),
        },
    )


def _directions(rows: Drugs) -> Words:
    """Give the directions of every order, as "0.5g tid 口服"; there are few distinct ones."""
    table = read_table("drugs")
    unit, freq, route = (table.texts(name) for name in ("unit", "freq", "route"))
    keys, index = np.unique(np.stack([rows.drug, np.round(rows.dose * 10_000).astype(np.int64)]), axis=1, return_inverse=True)
    texts = [f"{dose / 10_000:g}{unit[drug]} {freq[drug]} {route[drug]}" for drug, dose in keys.T.tolist()]
    return Words(index.reshape(-1), texts)


def _procedure_occurrence(block: Block) -> pa.Table:
    rows = block.procedures
    concept = _ids_of("procedures", "ICD9CM3CN")[rows.procedure]
    return arrow_table(
        "procedure_occurrence",
        len(rows),
        {
            "procedure_occurrence_id": row_ids(block.number, len(rows)),
            "person_id": block.patient(rows.visit),
            "procedure_concept_id": concept,
            "procedure_date": rows.start // DAY_SECONDS,
            "procedure_datetime": rows.start,
            "procedure_end_date": rows.start // DAY_SECONDS,
            "procedure_type_concept_id": _ORDER,
            "quantity": 1,
            "visit_occurrence_id": block.visit_id[rows.visit],
            "procedure_source_value": _words("procedures", rows.procedure),
            "procedure_source_concept_id": concept,
            "modifier_source_value": _words("procedures", rows.procedure, "kind"),
        },
    )


def _measurement(block: Block) -> pa.Table:
    rows, table = block.measurements, read_table("labs")
    female = block.people.sex[block.visits.person[rows.visit]] == FEMALE
    concept = _ids_of("labs", "LOCAL_LAB")[rows.lab]
    units = dict(zip(read_table("units").texts("unit"), read_table("units").numbers("concept_id"), strict=True))
    unit_concept = np.array([int(units.get(unit, 0)) for unit in table.texts("unit")])
    value, low, high, unit, unit_ids = _unit_variants(block, rows, female, unit_concept[rows.lab])
    vital = np.isin(np.array(table.texts("panel")), ["VITAL", "BODY"])[rows.lab]
    printed = Words(np.where(rows.below, rows.lab, -1), [f"<{number}" for number in table.texts("min")])
    return arrow_table(
        "measurement",
        len(rows),
        {
            "measurement_id": row_ids(block.number, len(rows)),
            "person_id": block.patient(rows.visit),
            "measurement_concept_id": concept,
            "measurement_date": rows.time // DAY_SECONDS,
            "measurement_datetime": rows.time,
            "measurement_type_concept_id": np.where(vital, _EHR, _LAB),
            "operator_concept_id": np.where(rows.below, 4171756, np.nan),
            "value_as_number": value,
            "unit_concept_id": unit_ids,
            "range_low": low,
            "range_high": high,
            "visit_occurrence_id": block.visit_id[rows.visit],
            "measurement_source_value": _words("labs", rows.lab),
            "measurement_source_concept_id": concept,
            "unit_source_value": unit,
            "value_source_value": printed,
        },
    )


def _unit_variants(
    block: Block, rows: Measurements, female: np.ndarray, unit_concept: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Words, np.ndarray]:
    """Give value, reference range, unit and unit concept; some analysers report other units in some years, correctly labelled."""
    table = read_table("labs")
    ranges = {name: table.numbers(name) for name in ("low", "high", "f_low", "f_high")}
    low = np.where(female & ~np.isnan(ranges["f_low"])[rows.lab], ranges["f_low"][rows.lab], ranges["low"][rows.lab])
    high = np.where(female & ~np.isnan(ranges["f_high"])[rows.lab], ranges["f_high"][rows.lab], ranges["high"][rows.lab])
    value, unit = rows.value.copy(), rows.lab.copy()
    texts = [text or "" for text in table.texts("unit")]
    drawn = stream(block.seed, block.number, "units").random(len(rows))
    unit = np.where(np.array([not text for text in texts])[rows.lab], -1, unit)
    for place, row in enumerate(read_table("unit_variants").rows()):
        lab = catalogue().lab(row["code"])
        inside = (
            (rows.lab == lab) & (rows.time // DAY_SECONDS >= int(row["first_day"])) & (rows.time // DAY_SECONDS <= int(row["last_day"]))
        )
        other = inside & (drawn < float(row["share"]))
        factor, decimals = float(row["factor"]), int(row["decimals"])
        offset = float(row["offset"])
        value[other] = np.round(value[other] * factor + offset, decimals)
        low[other] = np.round(low[other] * factor + offset, decimals)
        high[other] = np.round(high[other] * factor + offset, decimals)
        unit[other] = len(table) + place
        unit_concept = np.where(other, int(row["concept_id"]), unit_concept)
    return value, low, high, Words(unit, [*texts, *read_table("unit_variants").texts("unit")]), unit_concept


def _observation(block: Block) -> pa.Table:
    """Habits and allergies asked at admission, the outcome of a stay, follow-up calls, and where the patient died."""
    parts = [*_histories(block), _follow_ups(block), _places_of_death(block)]
    person, visit, time, code, text = (np.concatenate([part[place] for part in parts]) for place in range(5))
    order = np.lexsort((code, time, person))
    person, visit, time, code, text = (column[order] for column in (person, visit, time, code, text))
    codes = read_table("observations").texts("code")
    concept = _ids_of("observations", "LOCAL_OBS")[code]
    visit_id = np.where(visit >= 0, block.visit_id[np.maximum(visit, 0)] if len(block.visits) else 0, np.nan)
    return arrow_table(
        "observation",
        len(person),
        {
            "observation_id": row_ids(block.number, len(person)),
            "person_id": block.people.person_id[person],
            "observation_concept_id": concept,
            "observation_date": time // DAY_SECONDS,
            "observation_datetime": time,
            "observation_type_concept_id": _EHR,
            "value_as_string": Words(text, _ANSWERS),
            "visit_occurrence_id": visit_id,
            "observation_source_value": Words(code, codes),
            "observation_source_concept_id": concept,
        },
    )


_ANSWERS = ["从不吸烟", "当前吸烟", "从不饮酒", "当前饮酒", "无药物过敏", "青霉素过敏", "头孢类过敏", "磺胺类过敏", "存活", "失访", "死亡",
            "本院", "院外", "急", "一般", "危"]  # fmt: skip
_Rows = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _facts(block: Block, visit: np.ndarray, code: str, answer: np.ndarray) -> _Rows:
    place = read_table("observations").texts("code").index(code)
    return block.visits.person[visit], visit, block.visits.start[visit] + 3600, np.full(len(visit), place), answer


def _histories(block: Block) -> list[_Rows]:
    visits, people = block.visits, block.people
    rng = stream(block.seed, block.number, "histories")
    admitted = np.flatnonzero(visits.inpatient)
    person = visits.person[admitted]
    allergy = np.where(rng.random(len(people)) < 0.07, rng.integers(5, 8, len(people)), 4)
    adult = people.age_at(person, visits.start_day[admitted]) >= 14
    urgent = np.where(visits.severity[admitted] > 1.5, 15, np.where(visits.from_emergency[admitted], 13, 14))
    return [
        _facts(block, admitted[adult], "SMOKING", people.smoking[person[adult]].astype(int)),
        _facts(block, admitted[adult], "DRINKING", 2 + people.drinking[person[adult]].astype(int)),
        _facts(block, admitted, "ALLERGY", allergy[person]),
        _facts(block, admitted, "ADMITCOND", urgent),
    ]


def _follow_ups(block: Block) -> _Rows:
    """Call 30, 90, 180 and 365 days after discharge while the patient is under observation; one in ten is not answered."""
    visits, people = block.visits, block.people
    rng = stream(block.seed, block.number, "follow-up")
    visit = np.repeat(np.flatnonzero(visits.inpatient & ~visits.died), 4)
    day = visits.end_day[visit] + np.tile([30, 90, 180, 365], len(visit) // 4)
    person = visits.person[visit]
    asked = rng.random(len(visit)) < 0.5
    died = block.deaths.day[person]
    kept = np.flatnonzero(asked & (day <= people.exit[person]) & (day <= died))
    answer = np.where(rng.random(len(kept)) < 0.1, 9, 8)
    code = np.full(len(kept), read_table("observations").texts("code").index("FOLLOWUP"))
    return person[kept], np.full(len(kept), -1), day[kept] * DAY_SECONDS + 36_000, code, answer


def _places_of_death(block: Block) -> _Rows:
    person = np.flatnonzero(np.isfinite(block.deaths.time))
    here = np.zeros(len(block.people), bool)
    here[block.visits.person[block.visits.died]] = True
    code = np.full(len(person), read_table("observations").texts("code").index("DEATHPLACE"))
    return person, np.full(len(person), -1), block.deaths.time[person].astype(np.int64), code, np.where(here[person], 11, 12)


def _death(block: Block) -> pa.Table:
    person = np.flatnonzero(np.isfinite(block.deaths.time))
    time = block.deaths.time[person].astype(np.int64)
    code = _cause_of_death(block)[person]
    concept = _ids_of("icd10cn", "ICD10CN")[code]
    here = np.isin(person, block.visits.person[block.visits.died])
    return arrow_table(
        "death",
        len(person),
        {
            "person_id": block.people.person_id[person],
            "death_date": time // DAY_SECONDS,
            "death_datetime": time,
            "death_type_concept_id": np.where(here, _EHR, _CERTIFICATE),
            "cause_concept_id": concept,
            "cause_source_value": _words("icd10cn", code),
            "cause_source_concept_id": concept,
        },
    )


def _cause_of_death(block: Block) -> np.ndarray:
    """Take the principal diagnosis of the last admission of each patient."""
    rows = block.diagnoses
    leading = np.flatnonzero((rows.role == PRINCIPAL) & block.visits.inpatient[rows.visit])
    cause = np.zeros(len(block.people), np.int64)
    cause[block.visits.person[rows.visit[leading]]] = rows.code[leading]
    return cause


def _payer_plan_period(block: Block) -> pa.Table:
    people = block.people
    return arrow_table(
        "payer_plan_period",
        len(people),
        {
            "payer_plan_period_id": people.person_id,
            "person_id": people.person_id,
            "payer_plan_period_start_date": people.entry,
            "payer_plan_period_end_date": people.exit,
            "payer_concept_id": 0,
            "payer_source_value": _words("payers", people.payer, "name"),
            "plan_source_value": _words("payers", people.payer, "code"),
        },
    )


def _cost(block: Block) -> pa.Table:
    """One row per encounter: what its reason, its stay, its drugs and intensive care cost, and who pays."""
    visits, payers = block.visits, read_table("payers")
    rng = stream(block.seed, block.number, "costs")
    table = read_table("drugs")
    spent = table.numbers("price")[block.drugs.drug] * block.drugs.days
    drugs = np.bincount(block.drugs.visit, weights=spent, minlength=len(visits))
    days = np.maximum((visits.end - visits.start) / DAY_SECONDS, 1)
    base = read_table("reasons").numbers("cost")[visits.reason] * np.where(visits.inpatient, 1.0, 0.06)
    care = np.where(visits.inpatient, days * 420, 60) + np.where(visits.icu, days * 3800, 0)
    total = np.round((base + care) * np.exp(rng.normal(0, 0.35, len(visits))) + drugs, 2)
    share = np.where(visits.inpatient, payers.numbers("inpatient")[_payer(block)], payers.numbers("outpatient")[_payer(block)])
    paid = np.round(total * np.clip(share * rng.normal(1, 0.08, len(visits)), 0, 0.97), 2)
    return arrow_table(
        "cost",
        len(visits),
        {
            "cost_id": row_ids(block.number, len(visits)),
            "cost_event_id": block.visit_id,
            "cost_domain_id": "Visit",
            "cost_type_concept_id": _EHR,
            "currency_concept_id": 0,
            "total_charge": total,
            "total_cost": np.round(total * 0.92, 2),
            "total_paid": total,
            "paid_by_payer": paid,
            "paid_by_patient": np.round(total - paid, 2),
            "payer_plan_period_id": block.people.person_id[visits.person],
            "drg_source_value": _groups(block),
            "cost_concept_id": 0,
            "cost_source_value": "总费用",
        },
    )


def _payer(block: Block) -> np.ndarray:
    return block.people.payer[block.visits.person]


def _groups(block: Block) -> Words:
    """Give a group of the form of CHS-DRG: category of the reason's department, kind of treatment, number, weight of complications."""
    visits = block.visits
    operated = np.zeros(len(visits), bool)
    kinds = np.array(read_table("procedures").texts("kind"))[block.procedures.procedure]
    operated[block.procedures.visit[kinds == "op"]] = True
    level = np.digitize(visits.severity, [0.7, 1.3])
    index = np.where(visits.inpatient, (visits.reason * 2 + operated) * 3 + level, -1)
    texts = [
        f"{chr(65 + reason % 26)}{'RB'[surgical]}{reason % 9 + 1}{(5, 3, 1)[weight]}"
        for reason in range(len(catalogue().reasons))
        for surgical in (0, 1)
        for weight in range(3)
    ]
    return Words(index, texts)
