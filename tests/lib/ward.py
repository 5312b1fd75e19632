"""A small made-up ward as OMOP tables in memory, for tests of what a researcher sees of a cohort."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import pyarrow as pa

from workbench.cohort.query import Age, CodeItem, Codelist, Cohort, Condition, Entry, Events, Observed, Occurs, Rule, Window
from workbench.cohort.result import CohortResult
from workbench.store.memory import MemoryEngine
from workbench.tables import arrow_schema
from workbench.tables import table as declared

DIABETES = Events("diagnoses", Codelist((CodeItem("E11", "ICD10CN", descendants=True),)))


class MemoryTables:
    """Tables with a snapshot's `read` and `id`."""

    id = "ward-1"

    def __init__(self, tables: dict[str, pa.Table]) -> None:
        self.tables = tables

    def read(self, table, columns=None, filters=None):
        found = self.tables.get(table, arrow_schema(table).empty_table())
        found = found.filter(filters) if filters is not None else found
        return found.select(list(columns)) if columns is not None else found


def table(name: str, rows: list[dict]) -> pa.Table:
    schema = arrow_schema(name)
    filler = {column.name: 0 if column.type == "integer" else "" for column in declared(name).columns if column.required}
    return pa.table({field.name: pa.array([row.get(field.name, filler.get(field.name)) for row in rows], field.type) for field in schema})


def ward(persons: int = 400, seed: int = 7) -> dict[str, pa.Table]:
    """Persons with one or two stays each, E11 and other diagnoses, HbA1c and LDH, insulin, notes and deaths."""
    random = np.random.default_rng(seed)
    rows: dict[str, list[dict]] = {
        name: []
        for name in (
            "person",
            "observation_period",
            "visit_occurrence",
            "care_site",
            "condition_occurrence",
            "drug_exposure",
            "measurement",
            "note",
            "death",
        )
    }
    rows["care_site"] = [{"care_site_id": n, "care_site_name": name} for n, name in enumerate(("内分泌科", "心内科", "呼吸科"), 1)]
    for person in range(1, persons + 1):
        _add_person(rows, person, random)
    return {name: table(name, listed) for name, listed in rows.items()}


def _add_person(rows: dict[str, list[dict]], person: int, random: np.random.Generator) -> None:
    born = int(random.integers(1935, 2010))
    rows["person"].append(
        {
            "person_id": person,
            "gender_concept_id": int(random.choice([8507, 8532])),
            "year_of_birth": born,
            "month_of_birth": int(random.integers(1, 13)),
        }
    )
    first = date(2020, 1, 1) + timedelta(days=int(random.integers(0, 700)))
    rows["observation_period"].append(
        {
            "observation_period_id": person,
            "person_id": person,
            "observation_period_start_date": first - timedelta(days=int(random.integers(0, 900))),
            "observation_period_end_date": date(2024, 12, 31),
        }
    )
    for stay in range(int(random.integers(1, 3))):
        _add_stay(rows, person, first + timedelta(days=200 * stay), random)
    if random.random() < 0.2:
        rows["death"].append({"person_id": person, "death_date": first + timedelta(days=int(random.integers(1, 20)))})


def _add_stay(rows: dict[str, list[dict]], person: int, start: date, random: np.random.Generator) -> None:
    at = datetime(start.year, start.month, start.day, 9)
    visit = len(rows["visit_occurrence"]) + 1
    days = int(random.integers(2, 15))
    shared = {"person_id": person, "visit_occurrence_id": visit}
    rows["visit_occurrence"].append(
        {
            **shared,
            "visit_concept_id": 9201,
            "visit_start_date": start,
            "visit_start_datetime": at,
            "visit_end_date": start + timedelta(days=days),
            "care_site_id": int(random.integers(1, 4)),
        }
    )
    for code in random.choice(["E11.900", "E11.200", "I10.x00", "J18.900", "I50.900"], size=2, replace=False):
        _append(
            rows, "condition_occurrence", shared, condition_start_date=start, condition_start_datetime=at, condition_source_value=str(code)
        )
    for test, unit, mean in (("HbA1c", "%", 7.2), ("LDH", "U/L", 260.0)):
        for hour in random.integers(1, 200, size=3):
            moment = at + timedelta(hours=int(hour))
            value = round(float(mean * random.lognormal(0, 0.25)), 1)
            _append(
                rows,
                "measurement",
                shared,
                measurement_date=moment.date(),
                measurement_datetime=moment,
                measurement_source_value=test,
                value_as_number=value,
                unit_source_value=unit,
            )
    if random.random() < 0.3:
        _append(
            rows,
            "drug_exposure",
            shared,
            drug_exposure_start_date=start,
            drug_exposure_end_date=start + timedelta(days=days),
            drug_source_value="胰岛素",
        )
    words = "否认高血压史。" if random.random() < 0.5 else "既往高血压史十年，口服降压药。"
    _append(
        rows,
        "note",
        shared,
        note_date=start,
        note_datetime=at,
        note_source_value="入院记录",
        note_title="入院记录",
        note_text=f"患者因血糖升高入院。{words}",
    )


def _append(rows: dict[str, list[dict]], name: str, shared: dict, **values) -> None:
    rows[name].append({f"{name}_id": len(rows[name]) + 1, **shared, **values})


def diabetes_cohort(*, keep: str = "all") -> Cohort:
    text = Events("notes", conditions=(Condition("text", "contains", ("高血压",)),))
    high = Events("labs", Codelist((CodeItem("HbA1c", "LOCAL"),)), conditions=(Condition("value", "ge", (6.5,)),))
    insulin = Events("medications", Codelist((CodeItem("胰岛素", "LOCAL"),)))
    return Cohort(
        "2型糖尿病住院患者",
        Entry((DIABETES,)),
        rules=(
            Rule("成年", "require", Age("ge", (18,))),
            Rule("既往观察满一年", "require", Observed(before_days=365)),
            Rule("前后90天 HbA1c≥6.5%", "require", Occurs((high,), (Window(-90, 90),))),
            Rule("病历提到高血压", "require", Occurs((text,))),
            Rule("使用胰岛素", "exclude", Occurs((insulin,), (Window(None, 0),))),
        ),
        keep=keep,
    )


def run_ward(cohort: Cohort | None = None, *, persons: int = 400) -> CohortResult:
    tables = ward(persons)
    engine, definition = MemoryEngine(tables), cohort or diabetes_cohort()
    return CohortResult(definition, engine.run(definition), engine, MemoryTables(tables))
