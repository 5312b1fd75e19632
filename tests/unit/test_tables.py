"""The data contract: what other modules rely on, and what OMOP prescribes."""

from __future__ import annotations

import pyarrow as pa
import pytest

from workbench.domains import DOMAINS
from workbench.errors import DataError
from workbench.tables import TABLES, arrow_schema, table

_VIA = {"visit": "visit_occurrence", "care_site": "care_site", "provider": "provider"}


@pytest.mark.parametrize("word", sorted(DOMAINS))
def test_every_column_of_a_domain_exists(word):
    domain = DOMAINS[word]
    own = {domain.key, domain.concept, domain.source_value, domain.source_concept, domain.supply, domain.visit} - {""}
    timed = {domain.start, domain.start_time, domain.end} - {""}
    assert own <= set(TABLES[domain.table].names)
    assert timed <= set(TABLES[domain.via or domain.table].names)
    assert not [field for field in domain.fields.values() if field.column not in TABLES[_VIA.get(field.via, domain.table)].names]


@pytest.mark.parametrize("word", sorted(DOMAINS))
def test_every_domain_reaches_a_person(word):
    domain = DOMAINS[word]
    assert TABLES[domain.via or domain.table].person == "person_id"


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_table_is_well_formed(name):
    declared = TABLES[name]
    assert len(set(declared.names)) == len(declared.names)
    assert set(declared.key) <= set(declared.names)
    assert {declared.start, declared.end} - {""} <= set(declared.names)
    assert all(column.description and column.description_zh for column in declared.columns)
    assert {column.references for column in declared.columns} - {""} <= set(TABLES)


def test_types_follow_from_names_and_marks():
    types = {field.name: field.type for field in arrow_schema("measurement")}
    assert types["measurement_concept_id"] == pa.int64()
    assert types["measurement_date"] == pa.date32()
    assert types["measurement_datetime"] == pa.timestamp("us")
    assert types["value_as_number"] == pa.float64()
    assert types["measurement_source_value"] == pa.string()


def test_finding_carries_what_derived_facts_need():
    finding = TABLES["finding"]
    assert finding.kind == "derived"
    assert finding["assertion"].allowed == ("present", "absent", "possible", "hypothetical", "historical")
    assert finding["span_start"].unit == "code points"
    assert finding["run_id"].type == "text"
    assert "snippet" not in finding.names


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("visit_occurrence", "visit_start_date", "visit_end_date"),
        ("procedure_occurrence", "procedure_date", "procedure_end_date"),
        ("measurement", "measurement_date", ""),
        ("person", "", ""),
        ("cdm_source", "", ""),
    ],
)
def test_first_and_last_day_are_found(name, start, end):
    assert (TABLES[name].start, TABLES[name].end) == (start, end)


def test_references_point_to_keys_not_to_the_row_itself():
    assert TABLES["death"]["person_id"].references == "person"
    assert TABLES["person"]["person_id"].references == ""
    assert TABLES["visit_detail"]["parent_visit_detail_id"].references == "visit_detail"
    assert TABLES["concept_ancestor"]["ancestor_concept_id"].references == "concept"


def test_an_unknown_table_or_column_is_named():
    with pytest.raises(DataError, match="no table 'persons'"):
        table("persons")
    with pytest.raises(KeyError, match="no column 'birthday'"):
        TABLES["person"]["birthday"]
