"""The five-rule diabetes cohort with its attrition: ours, hand-written SQL and circepy's SQL, side by side.

Each run is a process of its own; runs of all contenders alternate, and the median counts. CPU is what the process used after its
imports and up to the answer in Arrow (compiling included); `process` adds interpreter and imports. All use DuckDB with the same
threads and memory limit.

    python tests/bench/bench_cohort.py --persons 100000 1000000 --work .demo/bench
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

THREADS = 2
MEMORY_LIMIT = "1400MB"

_CODES = """
WITH diabetes AS (SELECT descendant_concept_id AS id FROM concept_ancestor WHERE ancestor_concept_id = 201826),
insulin AS (SELECT descendant_concept_id AS id FROM concept_ancestor WHERE ancestor_concept_id = 21600713),
dx AS MATERIALIZED (SELECT person_id, condition_start_date AS day FROM condition_occurrence
                    WHERE condition_concept_id IN (SELECT id FROM diabetes)),
idx AS MATERIALIZED (SELECT person_id, min(day) AS day FROM dx GROUP BY person_id)
"""

HAND = (
    _CODES
    + """
SELECT i.person_id, i.day FROM idx i JOIN person p USING (person_id)
JOIN observation_period o ON o.person_id = i.person_id
 AND i.day BETWEEN o.observation_period_start_date + 365 AND o.observation_period_end_date
WHERE year(i.day) - p.year_of_birth >= 18
AND EXISTS (SELECT 1 FROM {measurement} m WHERE m.person_id = i.person_id AND m.measurement_concept_id = 3004410
            AND m.value_as_number >= 6.5 AND m.measurement_date BETWEEN i.day - 90 AND i.day + 90)
AND NOT EXISTS (SELECT 1 FROM drug_exposure x WHERE x.person_id = i.person_id AND x.drug_concept_id IN (SELECT id FROM insulin)
                AND x.drug_exposure_start_date < i.day)
AND (SELECT count(*) FROM dx WHERE dx.person_id = i.person_id AND dx.day BETWEEN i.day AND i.day + 365) >= 2
ORDER BY i.person_id
"""
)

HAND_ATTRITION = (
    _CODES
    + """,
observed AS (SELECT DISTINCT i.person_id FROM idx i JOIN observation_period o ON o.person_id = i.person_id
             AND i.day BETWEEN o.observation_period_start_date + 365 AND o.observation_period_end_date),
high AS (SELECT DISTINCT i.person_id FROM idx i JOIN {measurement} m ON m.person_id = i.person_id AND m.measurement_concept_id = 3004410
         AND m.value_as_number >= 6.5 AND m.measurement_date BETWEEN i.day - 90 AND i.day + 90),
treated AS (SELECT DISTINCT i.person_id FROM idx i JOIN drug_exposure x ON x.person_id = i.person_id
            AND x.drug_concept_id IN (SELECT id FROM insulin) AND x.drug_exposure_start_date < i.day),
repeated AS (SELECT i.person_id FROM idx i JOIN dx ON dx.person_id = i.person_id AND dx.day BETWEEN i.day AND i.day + 365
             GROUP BY i.person_id HAVING count(*) >= 2)
SELECT i.person_id, i.day, (year(i.day) - p.year_of_birth >= 18)::INT + 2 * (o.person_id IS NOT NULL)::INT
  + 4 * (h.person_id IS NOT NULL)::INT + 8 * (t.person_id IS NOT NULL)::INT + 16 * (r.person_id IS NOT NULL)::INT AS mask
FROM idx i JOIN person p USING (person_id) LEFT JOIN observed o USING (person_id) LEFT JOIN high h USING (person_id)
LEFT JOIN treated t USING (person_id) LEFT JOIN repeated r USING (person_id) ORDER BY i.person_id
"""
)


def _concept_set(number: int, concept: int, name: str, domain: str) -> dict:
    about = {"CONCEPT_ID": concept, "CONCEPT_NAME": name, "DOMAIN_ID": domain, "VOCABULARY_ID": "SNOMED", "CONCEPT_CODE": "x"}
    item = {"concept": about | {"STANDARD_CONCEPT": "S"}, "includeDescendants": True}
    return {"id": number, "name": name, "expression": {"items": [item]}}


def _rule(
    name: str, *, criteria: dict | None = None, window: tuple[dict, dict] | None = None, kind: int = 2, count: int = 1, age: bool = False
) -> dict:
    group = {"Type": "ALL", "CriteriaList": [], "DemographicCriteriaList": [], "Groups": []}
    if age:
        group["DemographicCriteriaList"] = [{"Age": {"Value": 18, "Op": "gte"}}]
    if criteria and window:
        place = {"Start": window[0], "End": window[1], "UseEventEnd": False}
        occurs = {"Type": kind, "Count": count}
        group["CriteriaList"] = [{"Criteria": criteria, "StartWindow": place, "Occurrence": occurs, "IgnoreObservationPeriod": True}]
    return {"name": name, "expression": group}


CIRCE = {
    "ConceptSets": [
        _concept_set(0, 201826, "T2DM", "Condition"),
        _concept_set(1, 3004410, "HbA1c", "Measurement"),
        _concept_set(2, 21600713, "insulin", "Drug"),
    ],
    "PrimaryCriteria": {
        "CriteriaList": [{"ConditionOccurrence": {"CodesetId": 0, "First": True}}],
        "ObservationWindow": {"PriorDays": 365, "PostDays": 0},
        "PrimaryCriteriaLimit": {"Type": "First"},
    },
    "QualifiedLimit": {"Type": "First"},
    "ExpressionLimit": {"Type": "First"},
    "InclusionRules": [
        _rule("adult", age=True),
        _rule(
            "HbA1c",
            criteria={"Measurement": {"CodesetId": 1, "ValueAsNumber": {"Value": 6.5, "Op": "gte"}}},
            window=({"Days": 90, "Coeff": -1}, {"Days": 90, "Coeff": 1}),
        ),
        _rule("no insulin", criteria={"DrugExposure": {"CodesetId": 2}}, window=({"Coeff": -1}, {"Days": 1, "Coeff": -1}), kind=0, count=0),
        _rule(
            "two diagnoses",
            criteria={"ConditionOccurrence": {"CodesetId": 0}},
            window=({"Days": 0, "Coeff": -1}, {"Days": 365, "Coeff": 1}),
            count=2,
        ),
    ],
    "CensoringCriteria": [],
    "CollapseSettings": {"CollapseType": "ERA", "EraPad": 0},
    "CensorWindow": {},
    "cdmVersionRange": ">=5.0.0",
}


def diabetes_cohort():
    """Return the same cohort in our own nodes."""
    from workbench.cohort.query import Age, CodeItem, Codelist, Cohort, Condition, Entry, Events, Observed, Occurs, Rule, Window

    def concepts(concept: int) -> Codelist:
        return Codelist((CodeItem(str(concept), "concept", descendants=True),))

    diabetes = Events("diagnoses", concepts(201826))
    high = Events("labs", concepts(3004410), (Condition("value", "ge", (6.5,)),))
    return Cohort(
        "2型糖尿病",
        Entry((diabetes,), limit="first"),
        rules=(
            Rule("成年", "require", Age("ge", (18,), calendar=True)),
            Rule("既往观察满一年", "require", Observed(before_days=365)),
            Rule("前后90天 HbA1c≥6.5%", "require", Occurs((high,), (Window(-90, 90),))),
            Rule("既往使用胰岛素", "exclude", Occurs((Events("medications", concepts(21600713)),), (Window(None, -1),))),
            Rule("一年内至少两次诊断", "require", Occurs((diabetes,), (Window(0, 365),), count=2)),
        ),
        collapse_gap_days=0,
    )


# ------------------------------------------------------------------------------------------- one run, in its process


def _connect(snapshot):
    import duckdb

    connection = duckdb.connect(config={"threads": THREADS, "memory_limit": MEMORY_LIMIT, "preserve_insertion_order": False})
    for name in snapshot.tables:
        _view(connection, name, snapshot.files(name))
    _view(connection, "measurement_by_concept", snapshot.projection("measurement_by_concept"))
    return connection


def _view(connection, name: str, files: list[Path]) -> None:
    connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({[str(file) for file in files]})")


def _run_sql(sql: str, measurement: str, snapshot):
    found = _connect(snapshot).sql(sql.format(measurement=measurement)).to_arrow_table()
    return found.column_names, found


def _run_ours(snapshot, *, projection: bool = True):
    from workbench.store.duckdb import DuckDBEngine

    if not projection:
        object.__setattr__(snapshot, "projection", lambda _name: [])
    with DuckDBEngine(snapshot, memory_limit=MEMORY_LIMIT, threads=THREADS, progress=False) as engine:
        answer = engine.run(diabetes_cohort())
    return answer.rows.column_names, answer


def _run_circepy(snapshot):
    from workbench.cohort.atlas.circe import circe_rows

    found = circe_rows(_connect(snapshot), json.dumps(CIRCE))
    return found.column_names, found


CONTENDERS = {
    "hand-written, cohort only": lambda snapshot: _run_sql(HAND, "measurement", snapshot),
    "hand-written with attrition": lambda snapshot: _run_sql(HAND_ATTRITION, "measurement", snapshot),
    "hand-written with attrition, by concept": lambda snapshot: _run_sql(HAND_ATTRITION, "measurement_by_concept", snapshot),
    "circepy": _run_circepy,
    "ours": _run_ours,
    "ours without projection": lambda snapshot: _run_ours(snapshot, projection=False),
}


def _import_all(name: str) -> None:
    """Import before the clock starts what the contender needs."""
    import duckdb  # noqa: F401  (imported for its time)
    import pyarrow  # noqa: F401  (imported for its time)

    if name.startswith("ours"):
        import workbench.store.duckdb
    if name == "circepy":
        import workbench.cohort.atlas.circe  # noqa: F401  (imported for its time)


def run_one(name: str, store: Path) -> dict:
    """Run one contender once in this process."""
    from workbench.store.snapshots import Store

    snapshot = Store(store).latest()
    _import_all(name)
    before, started = _cpu(resource.RUSAGE_SELF), time.perf_counter()
    _, found = CONTENDERS[name](snapshot)
    used = {"cpu": _cpu(resource.RUSAGE_SELF) - before, "wall": time.perf_counter() - started}
    used["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return used | _checks(found)


def _cpu(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def _checks(found) -> dict:
    """Give what contenders must agree on: persons and, where there is one, how often each mask occurs."""
    table = getattr(found, "rows", found)
    masks = getattr(found, "entries", found)
    if "mask" not in masks.column_names:
        return {"persons": table.num_rows, "masks": None}
    counts = masks.group_by("mask").aggregate([("mask", "count")]).sort_by("mask").to_pydict()
    kept = sum(n for mask, n in zip(counts["mask"], counts["mask_count"], strict=True) if mask == 0b10111)
    return {"persons": kept, "masks": dict(zip(map(str, counts["mask"]), counts["mask_count"], strict=True))}


# --------------------------------------------------------------------------------------------------- the whole bench


def bench(store: Path, *, repeats: int) -> dict[str, dict]:
    """Run all contenders in turn and return the medians."""
    runs: dict[str, list[dict]] = {name: [] for name in CONTENDERS}
    for _ in range(repeats + 1):  # the first round warms the disk cache and is thrown away
        for name in CONTENDERS:
            before = _cpu(resource.RUSAGE_CHILDREN)
            command = [sys.executable, __file__, "--one", name, "--store", str(store)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(f"{name} failed:\n{done.stderr}")
            runs[name].append(json.loads(done.stdout) | {"process": _cpu(resource.RUSAGE_CHILDREN) - before})
    _agree(runs)
    return {name: _median(each[1:]) for name, each in runs.items()}


def _median(runs: list[dict]) -> dict:
    return {key: statistics.median(run[key] for run in runs) for key in ("cpu", "process", "wall", "peak_mb", "persons")}


def _agree(runs: dict[str, list[dict]]) -> None:
    persons = {run["persons"] for each in runs.values() for run in each}
    masks = {json.dumps(run["masks"], sort_keys=True) for each in runs.values() for run in each if run["masks"]}
    if len(persons) > 1 or len(masks) > 1:
        sys.exit(f"the contenders do not agree: persons {persons}, {len(masks)} different attritions")


def show(persons: int, found: dict[str, dict]) -> None:
    """Print one table."""
    base, peer = found["hand-written with attrition"], found["circepy"]
    print(f"\n{persons:,} persons; {found['ours']['persons']:,.0f} in the cohort; all contenders agree on persons and masks")
    print(f"{'':42}{'CPU s':>8}{'process':>9}{'wall s':>8}{'peak MB':>9}{'/ hand':>8}{'/ circepy':>10}")
    for name, row in found.items():
        ratios = f"{row['cpu'] / base['cpu']:8.2f}{row['cpu'] / peer['cpu']:10.2f}"
        print(f"{name:42}{row['cpu']:8.2f}{row['process']:9.2f}{row['wall']:8.2f}{row['peak_mb']:9.0f}{ratios}")


def judge(found: dict[int, dict[str, dict]]) -> None:
    """Print what was aimed at and what was found, on the largest number of persons."""
    sizes = sorted(found)
    rows = found[sizes[-1]]
    ours = rows["ours"]
    figures = [
        ("ours / hand-written with attrition", ours["cpu"] / rows["hand-written with attrition"]["cpu"], 1.15),
        ("ours / circepy", ours["cpu"] / rows["circepy"]["cpu"], 0.5),
        ("peak memory of ours, GB", ours["peak_mb"] / 1024, 2.0),
    ]
    if len(sizes) > 1:
        figures.append((f"CPU, {sizes[-1]:,} / {sizes[0]:,} persons", ours["cpu"] / found[sizes[0]]["ours"]["cpu"], 10.0))
    print(f"\nOn {sizes[-1]:,} persons:")
    for name, value, limit in figures:
        print(f"  {name:42}{value:8.2f}   at most {limit:<5} {'met' if value <= limit else 'NOT MET'}")


def main() -> None:
    """Bench, or one run of one contender."""
    parser = argparse.ArgumentParser(description="Cohort search: ours, hand-written SQL and circepy's SQL.")
    parser.add_argument("--persons", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--work", type=Path, default=Path(".demo/bench"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--remove", action="store_true", help="remove each store after its runs")
    parser.add_argument("--one", choices=CONTENDERS)
    parser.add_argument("--store", type=Path)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(run_one(asked.one, asked.store)))
        return
    found = {}
    for persons in asked.persons:
        builder = [sys.executable, str(Path(__file__).with_name("big_store.py")), str(persons), "--work", str(asked.work)]
        subprocess.run(builder, check=True)  # apart: a child inherits the peak memory of whoever starts it
        store = asked.work / f"store-{persons}"
        found[persons] = bench(store, repeats=asked.repeats)
        show(persons, found[persons])
        if asked.remove:
            shutil.rmtree(store)
    judge(found)


if __name__ == "__main__":
    main()
