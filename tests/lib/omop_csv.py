"""A small OMOP data set as CSV, and ways to write it down."""

from __future__ import annotations

from pathlib import Path

PERSON = """person_id,gender_concept_id,year_of_birth,month_of_birth,day_of_birth,race_concept_id,ethnicity_concept_id,person_source_value
1,8507,1960,5,20,0,0,甲
2,8532,1975,,,0,0,乙
3,8507,1990,1,1,0,0,丙
"""

VISIT = """visit_occurrence_id,person_id,visit_concept_id,visit_start_date,visit_end_date,visit_type_concept_id,admitting_source_value
10,1,9201,2020-03-01,2020-03-10,32817,急诊
11,2,9202,2020/04/01,2020/04/01,32817,
12,3,9201,20200501,,32817,
"""

CONDITION = """condition_occurrence_id,person_id,condition_concept_id,condition_start_date,condition_type_concept_id,\
condition_source_value,visit_occurrence_id
100,1,201826,2020-03-01,32817,E11.9,10
101,2,201826,2020-04-01,32817,E11.9,11
102,3,,2020-05-01 08:30:00,32817,I10,12
"""

DATA_SET = {"person": PERSON, "visit_occurrence": VISIT, "condition_occurrence": CONDITION}


def write_csv(folder: Path, tables: dict[str, str] = DATA_SET, *, encoding: str = "utf-8", ending: str = ".csv") -> Path:
    """Write tables as one CSV file each."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in tables.items():
        (folder / f"{name}{ending}").write_text(text, encoding=encoding, newline="")
    return folder


def with_rows(table: str, *rows: str) -> dict[str, str]:
    """The data set with rows added to a table."""
    return DATA_SET | {table: DATA_SET[table] + "".join(f"{row}\n" for row in rows)}
