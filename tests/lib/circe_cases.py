"""Random ATLAS definitions and random small OMOP data, by seed: what our translation and circepy's SQL must agree on.

The data are nasty on purpose: events outside observation, before birth and after death, missing and reversed ends, missing
values, equal dates, persons never observed, two observation periods. What circe-be itself leaves open is kept out: where a
limit on qualified or included events is asked, no two events of a person share a day, because circe-be orders by day alone.
"""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

import pyarrow as pa

from workbench.cohort.atlas.mapping import CRITERIA, Attribute
from workbench.domains import DOMAINS
from workbench.tables import arrow_schema

START = date(2020, 1, 1)
DAYS = 120
PERSONS = range(1, 9)
CONCEPTS = range(1, 9)
#: Criteria for which circepy 0.3.0 writes SQL that DuckDB refuses, so that there is nothing to compare with.
UNUSABLE = ("Specimen", "VisitDetail", "PayerPlanPeriod")

_POOLS = {
    "sex": (8507, 8532),
    "setting": (9201, 9202),
    "specialty": (1, 2),
}


# ---------------------------------------------------------------------------------------------------------------- data


def random_tables(seed: int, *, ties: bool) -> dict[str, pa.Table]:
    """Small OMOP tables; with `ties` false no two events of a person start on one day."""
    rng = random.Random(seed)
    days = {person: iter(rng.sample(range(-10, DAYS + 10), DAYS + 20)) for person in PERSONS}

    def start(person: int) -> date:
        offset = rng.randrange(-10, DAYS + 10) if ties else next(days[person])
        return START + timedelta(days=offset)

    tables = {"person": _person(rng), "observation_period": _periods(rng), "provider": _providers()}
    tables |= _vocabulary(rng)
    for domain in dict.fromkeys(DOMAINS[kind.domain].table for kind in CRITERIA.values()):
        if domain not in tables:
            tables[domain] = _events(rng, domain, start)
    return {name: _as_table(name, rows) for name, rows in tables.items()}


def _as_table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    schema = arrow_schema(name)
    return pa.table({field.name: pa.array([row.get(field.name) for row in rows], field.type) for field in schema})


def _person(rng: random.Random) -> list[dict[str, Any]]:
    return [
        {
            "person_id": person,
            "gender_concept_id": rng.choice((8507, 8532, 0)),
            "year_of_birth": rng.choice((1950, 1990, 2002, 2020)),
            "race_concept_id": rng.choice((1, 2, 0)),
            "ethnicity_concept_id": rng.choice((1, 2)),
        }
        for person in PERSONS
    ]


def _periods(rng: random.Random) -> list[dict[str, Any]]:
    rows = []
    for person in list(PERSONS)[1:]:  # the first is never observed
        cut = rng.randrange(20, DAYS - 20)
        spans = [(0, DAYS)] if rng.random() < 0.6 else [(0, cut), (cut + rng.randrange(1, 10), DAYS)]
        for begins, ends in spans:
            rows.append(
                {
                    "observation_period_id": len(rows) + 1,
                    "person_id": person,
                    "observation_period_start_date": START + timedelta(days=begins),
                    "observation_period_end_date": START + timedelta(days=ends),
                    "period_type_concept_id": 1,
                }
            )
    return rows


def _providers() -> list[dict[str, Any]]:
    return [{"provider_id": number, "specialty_concept_id": number} for number in (1, 2)]


def _vocabulary(rng: random.Random) -> dict[str, list[dict[str, Any]]]:
    held = [concept for concept in CONCEPTS if concept != 8]  # events of concept 8 exist, the concept does not
    concepts = [{"concept_id": concept, "invalid_reason": "D" if concept == 7 else None} for concept in held]
    pairs = {(concept, concept) for concept in held} | {(1, 2), (1, 3), (1, 7), (1, 8), (4, 5)}
    return {
        "concept": concepts,
        "concept_ancestor": [{"ancestor_concept_id": a, "descendant_concept_id": b} for a, b in sorted(pairs)],
        "concept_relationship": [
            {"concept_id_1": 6, "concept_id_2": 2, "relationship_id": "Maps to"},
            {"concept_id_1": 5, "concept_id_2": 3, "relationship_id": "Maps to", "invalid_reason": "D"},
            {"concept_id_1": 4, "concept_id_2": 6, "relationship_id": "Mapped from"},
        ],
    }


def _events(rng: random.Random, table: str, start: Any) -> list[dict[str, Any]]:
    names = set(arrow_schema(table).names)
    domain = next(domain for domain in DOMAINS.values() if domain.table == table)
    numbers = list(range(1, 41))
    rng.shuffle(numbers)
    rows = []
    persons = [person for person in PERSONS if rng.random() < 0.6] if table == "death" else [rng.choice(PERSONS) for _ in numbers]
    for number, person in zip(numbers, persons, strict=False):
        if table == "visit_occurrence":
            person = PERSONS[number % len(PERSONS)]
        visits = [visit for visit in range(1, 41) if PERSONS[visit % len(PERSONS)] == person]
        row: dict[str, Any] = {"person_id": person, "visit_occurrence_id": rng.choice((None, *visits))}
        row |= {name: _value(rng, name) for name in sorted(names) if name not in row}
        row[domain.start] = start(person)
        if domain.end:
            missing = domain.table not in ("visit_occurrence", "visit_detail") and "era" not in table and rng.random() < 0.3
            row[domain.end] = None if missing else row[domain.start] + timedelta(days=rng.choice((-2, 0, 0, 1, 3, 10, 40)))
        if table == "procedure_occurrence":
            row["procedure_end_date"] = None
        row[domain.key] = person if table == "death" else number
        rows.append(row)
    return [{name: value for name, value in row.items() if name in names} for row in rows]


def _value(rng: random.Random, name: str) -> Any:
    if name == "visit_concept_id":
        return rng.choice((9201, 9202, 1, 2, 3))
    if name == "provider_id":
        return rng.choice((None, 1, 2))
    if name in ("value_as_number", "range_low", "range_high", "quantity", "dose_value"):
        return rng.choice((None, 0, 1, 2, 3, 4)) if name == "quantity" else rng.choice((None, 0.0, 1.0, 2.5, 3.0, 4.12345))
    if name in ("days_supply", "refills", "gap_days", "condition_occurrence_count", "drug_exposure_count"):
        return rng.choice((None, 0, 1, 2, 5, 30))
    if name == "value_as_string":
        return rng.choice((None, "yes", "No", "no"))
    return rng.choice((None, *CONCEPTS) if name.endswith("_type_concept_id") else CONCEPTS) if name.endswith("concept_id") else None


# --------------------------------------------------------------------------------------------------------- definitions


def random_definition(seed: int, *, ties: bool) -> dict[str, Any]:
    """A circe definition that our query can say; with `ties` no limit that circe-be decides by the day alone."""
    rng = random.Random(seed)
    limits = ("All",) if ties else ("All", "First", "Last")
    found: dict[str, Any] = {
        "ConceptSets": [_concept_set(rng, number) for number in range(4)],
        "PrimaryCriteria": {
            "CriteriaList": [_criterion(rng, 1, entry=True) for _ in range(rng.choice((1, 1, 2)))],
            "ObservationWindow": {"PriorDays": rng.choice((0, 0, 5, 20)), "PostDays": rng.choice((0, 0, 10))},
            "PrimaryCriteriaLimit": {"Type": rng.choice(("All", "All", "First", "Last"))},
        },
        "QualifiedLimit": {"Type": rng.choice(limits)},
        "ExpressionLimit": {"Type": rng.choice(limits)},
        "InclusionRules": [{"name": f"r{i}", "expression": _group(rng, 2)} for i in range(rng.choice((0, 1, 1, 2)))],
        "EndStrategy": _exit(rng),
        "CensoringCriteria": [_criterion(rng, 1) for _ in range(rng.choice((0, 0, 1)))],
        "CollapseSettings": {"CollapseType": "ERA", "EraPad": rng.choice((0, 0, 1, 30))},
        "CensorWindow": _censor_window(rng),
    }
    if rng.random() < 0.4:
        found["AdditionalCriteria"] = _group(rng, 2)
    return found


def _concept_set(rng: random.Random, number: int) -> dict[str, Any]:
    items = [
        {
            "concept": {"CONCEPT_ID": concept},
            "isExcluded": position > 0 and rng.random() < 0.25,
            "includeDescendants": rng.random() < 0.5,
            "includeMapped": rng.random() < 0.3,
        }
        for position, concept in enumerate(rng.sample(CONCEPTS, rng.choice((1, 2, 3, 4))))
    ]
    return {"id": number, "name": f"set {number}", "expression": {"items": items}}


def _criterion(rng: random.Random, depth: int, *, entry: bool = False) -> dict[str, Any]:
    names = [name for name in CRITERIA if name not in UNUSABLE and not (entry and name == "DoseEra")]
    name = rng.choice((*names, "ConditionOccurrence", "DrugExposure", "Measurement", "VisitOccurrence"))
    kind = CRITERIA[name]
    body: dict[str, Any] = {}
    chance = rng.random()
    if kind.codes and chance < 0.7:
        body[kind.codes] = rng.randrange(4)
    elif kind.source and chance < 0.8:
        body[kind.source] = rng.randrange(4)
    if kind.first and name != "DeviceExposure" and rng.random() < 0.2:
        body["First"] = True
    for attribute, declared in kind.attributes.items():
        if (name, attribute) == ("DrugExposure", "OccurrenceEndDate"):
            continue  # circe-be compares the start, circepy the end
        if rng.random() < (0.05 if entry else 0.08):
            body[attribute] = _attribute(rng, declared)
            if declared.exclude:
                body[declared.exclude] = rng.random() < 0.5
    if depth > 0 and rng.random() < 0.2:
        # circepy wants even an empty group's events observed, circe-be does not: never empty here.
        body["CorrelatedCriteria"] = _group(rng, depth - 1) | {"CriteriaList": [_correlated(rng, depth - 1)]}
    return {name: body}


def _attribute(rng: random.Random, declared: Attribute) -> Any:
    if declared.type == "concepts":
        pool = _POOLS.get(declared.field, tuple(CONCEPTS))
        return [{"CONCEPT_ID": concept} for concept in rng.sample(pool, rng.randrange(1, len(pool)))]
    if declared.type == "text":
        return {"Op": rng.choice(("eq", "!eq")), "Text": rng.choice(("yes", "no"))}
    if declared.type == "date":
        return _range(rng, lambda: (START + timedelta(days=rng.randrange(DAYS))).isoformat())
    if declared.field == "calendar_age":
        return _range(rng, lambda: rng.choice((0, 18, 30, 70)))
    # circepy cuts the quantity of drugs to whole numbers, circe-be does not: only whole numbers mean the same to both.
    cut = declared.type == "integer" or declared.field == "quantity"
    return _range(rng, lambda: rng.choice((0, 1, 2, 3, 5, 30) if cut else (0, 0.5, 1, 2.5, 4.1234)))


def _range(rng: random.Random, value: Any) -> dict[str, Any]:
    operator = rng.choice(("lt", "lte", "eq", "gt", "gte", "gte", "bt", "!bt"))
    found = {"Op": operator, "Value": value()}
    return found | {"Extent": value()} if operator.endswith("bt") else found


def _group(rng: random.Random, depth: int) -> dict[str, Any]:
    kind = rng.choice(("ALL", "ALL", "ANY", "AT_LEAST", "AT_MOST"))
    found: dict[str, Any] = {
        "Type": kind,
        "CriteriaList": [_correlated(rng, depth - 1) for _ in range(rng.choice((0, 1, 1, 2)))],
        "DemographicCriteriaList": [_demographic(rng)] if rng.random() < 0.25 else [],
        "Groups": [_group(rng, depth - 1)] if depth > 0 and rng.random() < 0.25 else [],
    }
    return found | {"Count": rng.choice((0, 1, 2))} if kind.startswith("AT_") else found


def _correlated(rng: random.Random, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "Criteria": _criterion(rng, depth),
        "Occurrence": {"Type": rng.choice((0, 1, 2, 2, 2)), "Count": rng.choice((0, 1, 1, 2))},
        "RestrictVisit": rng.random() < 0.15,
        "IgnoreObservationPeriod": rng.random() < 0.3,
    }
    found["StartWindow"] = _window(rng, UseEventEnd=rng.choice((False, False, None, True)))
    if rng.random() < 0.4:
        found["EndWindow"] = _window(rng, UseEventEnd=rng.choice((True, True, None, False)))
    name, body = next(iter(found["Criteria"].items()))
    columns = ("START_DATE", "VISIT_ID") if name == "Death" else ("DOMAIN_CONCEPT", "START_DATE", "VISIT_ID", None)
    if rng.random() < 0.2 and "CorrelatedCriteria" not in body:  # circe-be's SQL fails on different values of nested criteria
        found["Occurrence"] |= {"IsDistinct": True, "CountColumn": rng.choice(columns)}
    return found


def _window(rng: random.Random, **flags: Any) -> dict[str, Any]:
    offsets = (-60, -14, -3, -1, 0, 0, 1, 3, 14, 60)
    low, high = sorted((rng.choice(offsets), rng.choice(offsets)))
    start = {"Coeff": -1} if rng.random() < 0.35 else {"Days": abs(low), "Coeff": -1 if low < 0 else 1}
    end = {"Coeff": 1} if rng.random() < 0.35 else {"Days": abs(high), "Coeff": -1 if high < 0 else 1}
    return {"Start": start, "End": end, "UseIndexEnd": rng.choice((None, False, True)), **flags}


def _demographic(rng: random.Random) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if rng.random() < 0.5:
        found["Age"] = _range(rng, lambda: rng.choice((0, 18, 30, 70)))
    if rng.random() < 0.4:
        found["Gender"] = [{"CONCEPT_ID": rng.choice((8507, 8532))}]
    if rng.random() < 0.2:
        found["Race"] = [{"CONCEPT_ID": 1}]
    for name in ("OccurrenceStartDate", "OccurrenceEndDate"):
        if rng.random() < 0.2:
            found[name] = _range(rng, lambda: (START + timedelta(days=rng.randrange(DAYS))).isoformat())
    return found


def _exit(rng: random.Random) -> dict[str, Any] | None:
    offset = {"DateField": rng.choice(("StartDate", "EndDate")), "Offset": rng.choice((0, 1, 7, 400))}
    era: dict[str, Any] = {"DrugCodesetId": rng.randrange(4), "GapDays": rng.choice((0, 5, 30)), "Offset": rng.choice((0, 2))}
    if rng.random() < 0.3:
        era["DaysSupplyOverride"] = rng.choice((1, 10))
    return rng.choice((None, {"DateOffset": offset}, {"DateOffset": offset}, {"CustomEra": era}))


def _censor_window(rng: random.Random) -> dict[str, Any]:
    found = {}
    if rng.random() < 0.15:
        found["StartDate"] = (START + timedelta(days=30)).isoformat()
    if rng.random() < 0.15:
        found["EndDate"] = (START + timedelta(days=90)).isoformat()
    return found
