"""What definitions compile to: how often tables are read, what is escaped, how deep the statements go."""

from __future__ import annotations

import re
from datetime import date

import pyarrow as pa
import pytest

from workbench.cohort.compile import compile_definition
from workbench.cohort.plan import BY_CONCEPT, SqlStep, TextStep
from workbench.cohort.query import (
    MAX_RULES,
    AllOf,
    CodeItem,
    Codelist,
    Cohort,
    Combination,
    Condition,
    Entry,
    Events,
    InCohort,
    IndexDate,
    Not,
    Observed,
    Occurs,
    Rule,
    Window,
)
from workbench.store.duckdb import DuckDBEngine
from workbench.tables import arrow_schema

DAY = date(2020, 6, 15)
HOSTILE = [
    "E11' OR '1'='1",
    "'; DROP TABLE condition_occurrence; --",
    'E11" OR ""="',
    "E%",
    "E_1",
    "E11\\",
    "糖尿病’",
    "E11\u0000x",
    "{person_id}",
    "$1",
    "?",
    "E11 /*",
]


def concepts(*ids: int, descendants: bool = False) -> Codelist:
    return Codelist(tuple(CodeItem(str(each), "concept", descendants=descendants) for each in ids))


def icd(code: str, *, descendants: bool = False) -> Codelist:
    return Codelist((CodeItem(code, "ICD10CN", descendants=descendants),))


def statements(definition, *, vocabulary: bool = True) -> list[str]:
    return [step.sql for step in compile_definition(definition, vocabulary=vocabulary).steps if isinstance(step, SqlStep)]


def reading(definition, table: str) -> list[str]:
    names = f"{table}|{BY_CONCEPT.get(table, table)}"
    return [sql for sql in statements(definition) if re.search(rf'(FROM|JOIN) "({names})"', sql)]


def diagnoses(codes: list[str]) -> dict[str, pa.Table]:
    schema = arrow_schema("condition_occurrence")
    rows = [
        {
            "condition_occurrence_id": at,
            "person_id": at,
            "condition_start_date": DAY,
            "condition_concept_id": at,
            "condition_source_value": code,
        }
        for at, code in enumerate(codes, 1)
    ]
    return {"condition_occurrence": pa.Table.from_pylist(rows, schema=pa.schema([schema.field(name) for name in rows[0]]))}


def persons_of(engine: DuckDBEngine, definition) -> list[int]:
    return engine.run(definition).rows.column("person_id").to_pylist()


# ------------------------------------------------------------------------------------------------------------ safety


@pytest.mark.parametrize("at", range(len(HOSTILE)))
@pytest.mark.parametrize("descendants", [False, True])
def test_a_hostile_code_finds_its_own_row_and_nothing_else(at: int, descendants: bool) -> None:
    with DuckDBEngine.from_tables(diagnoses([*HOSTILE, "E11", "X"])) as engine:
        entry = Events("diagnoses", icd(HOSTILE[at], descendants=descendants))
        assert persons_of(engine, Cohort("c", Entry((entry,)))) == [at + 1]
        assert len(persons_of(engine, Cohort("all", Entry((Events("diagnoses"),))))) == len(HOSTILE) + 2


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_condition_value_is_compared_as_it_stands(text: str) -> None:
    schema = arrow_schema("measurement")
    names = ("measurement_id", "person_id", "measurement_date", "measurement_concept_id", "unit_source_value")
    rows = [dict(zip(names, (at, at, DAY, 0, unit), strict=True)) for at, unit in enumerate((text, "%", None), 1)]
    labs = pa.Table.from_pylist(rows, schema=pa.schema([schema.field(name) for name in names]))
    with DuckDBEngine.from_tables({"measurement": labs}) as engine:
        for operator, wanted in (("eq", [1]), ("ne", [2]), ("in", [1]), ("not_in", [2])):
            entry = Events("labs", conditions=(Condition("unit", operator, (text,)),))
            assert persons_of(engine, Cohort("c", Entry((entry,)))) == wanted


def test_a_hostile_name_is_not_part_of_the_statements() -> None:
    name = '"; DROP TABLE person; --'
    rule = Rule(name, "require", IndexDate("ge", (DAY,)))
    assert all("DROP" not in sql for sql in statements(Cohort(name, Entry((Events("diagnoses"),)), (rule,))))


# ------------------------------------------------------------------------------------------------- how much is read


def test_a_table_asked_several_times_for_codes_is_read_once() -> None:
    counted = [Rule(str(code), "require", Occurs((Events("diagnoses", concepts(code)),), (Window(-9, 9),), count=2)) for code in (2, 3, 4)]
    cohort = Cohort("c", Entry((Events("diagnoses", concepts(1)),), limit="first"), tuple(counted))
    assert len(reading(cohort, "condition_occurrence")) == 1


def test_tables_that_the_entry_does_not_read_are_read_for_its_persons_only() -> None:
    rules = [Rule(str(code), "require", Occurs((Events("medications", concepts(code)),))) for code in (2, 3)]
    (shared,) = reading(Cohort("c", Entry((Events("diagnoses", concepts(1)),)), tuple(rules)), "drug_exposure")
    assert re.search(r'"person_id" IN \(SELECT "t\d+"\."person_id" FROM "_entries', shared)


def test_no_statement_reads_all_columns_of_a_table() -> None:
    conditions = (Condition("setting", "eq", ("inpatient",)), Condition("department", "eq", ("心内科",)), Condition("age", "ge", (18,)))
    entry = Events("diagnoses", concepts(1, descendants=True), conditions=conditions, first=True)
    rules = (
        Rule("a", "require", Occurs((Events("labs", concepts(2), (Condition("value", "ge", (6.5,)),)),), within_observation=True)),
        Rule("b", "exclude", Occurs((Events("diagnoses", icd("I10", descendants=True)),), (Window(None, -1),))),
        Rule("c", "require", Observed(365)),
    )
    for sql in statements(Cohort("c", Entry((entry,)), rules)):
        assert not re.search(r'SELECT \* FROM "[a-z]', sql), sql


def test_labs_by_concept_read_the_projection_and_labs_by_source_code_the_table() -> None:
    by_concept = Cohort("c", Entry((Events("labs", concepts(1)),)))
    by_code = Cohort("c", Entry((Events("labs", Codelist((CodeItem("GLU", "LOCAL_LAB"),))),)))
    assert compile_definition(by_concept, vocabulary=True).tables >= {"measurement_by_concept"}
    assert "measurement" in compile_definition(by_code, vocabulary=True).tables


def test_the_same_cohort_inside_two_rules_is_compiled_once() -> None:
    inner = Cohort("inner", Entry((Events("deaths"),)))
    rules = tuple(Rule(str(at), "require", InCohort(inner, Window(0, at))) for at in range(3))
    assert len(reading(Cohort("c", Entry((Events("diagnoses"),)), rules), "death")) == 1


def test_a_deep_definition_stays_a_row_of_short_statements() -> None:
    criterion = Occurs((Events("diagnoses", concepts(1)),))
    for depth in range(12):
        criterion = Occurs(
            (Events("diagnoses", concepts(depth), nested=AllOf((criterion, Not(criterion)))),), (Window(-depth, depth),), count=depth
        )
    found = statements(Cohort("deep", Entry((Events("diagnoses", nested=criterion),))))
    assert max(map(len, found)) < 6_000
    assert len(found) < 120


# --------------------------------------------------------------------------------------------------------- edges


def test_every_bit_of_the_mask_is_used() -> None:
    rules = tuple(Rule(str(at), "require", IndexDate("ge" if at % 3 else "lt", (DAY,))) for at in range(MAX_RULES))
    with DuckDBEngine.from_tables(diagnoses(["E11"])) as engine:
        entries = engine.run(Cohort("c", Entry((Events("diagnoses"),)), rules)).entries
    assert entries.column("mask").to_pylist() == [sum(1 << at for at in range(MAX_RULES) if at % 3)]
    assert entries.column("kept").to_pylist() == [False]


def test_ids_beyond_64_bits_and_far_windows_break_nothing() -> None:
    with DuckDBEngine.from_tables(diagnoses(["E11"])) as engine:
        assert persons_of(engine, Cohort("c", Entry((Events("diagnoses", concepts(10**25)),)))) == []
        for window, wanted in ((Window(-(10**6), 10**6), [1]), (Window(10**6, None), []), (Window(-(10**6), 10**6, unit="hours"), [])):
            far = Rule("far", "require", Occurs((Events("diagnoses"),), (window,)))
            assert persons_of(engine, Cohort("c", Entry((Events("diagnoses"),)), (far,))) == wanted


def test_a_number_is_compared_exactly() -> None:
    value = 0.1 + 0.2
    schema = arrow_schema("measurement")
    names = ("measurement_id", "person_id", "measurement_date", "measurement_concept_id", "value_as_number")
    values = (value, 0.3, float("nan"), None)
    rows = [dict(zip(names, (at, at, DAY, 0, each), strict=True)) for at, each in enumerate(values, 1)]
    labs = pa.Table.from_pylist(rows, schema=pa.schema([schema.field(name) for name in names]))
    wanted = {"eq": [1], "ne": [2], "ge": [1], "gt": [], "le": [1, 2], "not_in": [2]}
    with DuckDBEngine.from_tables({"measurement": labs}) as engine:
        for operator, persons in wanted.items():
            entry = Events("labs", conditions=(Condition("value", operator, (value,)),))
            assert persons_of(engine, Cohort("c", Entry((entry,)))) == persons, operator
        missing = Events("labs", conditions=(Condition("value", "is_missing"),))
        assert persons_of(engine, Cohort("c", Entry((missing,)))) == [3, 4]


def test_texts_are_a_step_of_their_own_with_normalised_needles() -> None:
    entry = Events("notes", conditions=(Condition("text", "contains", ("糖尿病 ", "ＨｂＡ１ｃ")),))
    steps = compile_definition(Cohort("c", Entry((entry,))), vocabulary=False).steps
    assert [step.needles for step in steps if isinstance(step, TextStep)] == [("hba1c", "糖尿病")]


def test_the_script_reads_as_sql_with_every_table_that_it_makes() -> None:
    one = Cohort("one", Entry((Events("diagnoses"),)))
    both = Combination("both", "union", (one, Cohort("two", Entry((Events("deaths"),)))))
    script = compile_definition(both, vocabulary=False)
    text = script.text()
    assert all(f'CREATE TEMP TABLE "{step.name}" AS' in text for step in script.steps)
    assert text.count("ORDER BY") >= 5  # entries and rows of two cohorts, rows of both
