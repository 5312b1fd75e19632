"""Codelists: which codes mean a disease, a drug, a test.

A codelist is written on source codes (ICD-10-CN, ICD-9-CM3, insurance or local codes), so that it works before any mapping
to standard concepts exists, or on OMOP concepts where a vocabulary is loaded. Codes are checked as they are written: blanks
and wrong shapes are errors; full-width characters in ICD codes are made half-width and duplicates dropped, each with a
`CodelistNote`. Local codes and names are compared as the source writes them, full-width brackets and all.
"""

from workbench.codelists.build import (
    CodelistNote,
    codelist,
    codelist_minus,
    codelist_union,
    concepts,
    drug_codes,
    icd9cm3,
    icd10cn,
    local_lab,
    source_codes,
    source_concepts,
)
from workbench.codelists.files import codelist_from_csv
from workbench.codelists.nodes import CodeItem, Codelist

__all__ = [
    "CodeItem",
    "Codelist",
    "CodelistNote",
    "codelist",
    "codelist_from_csv",
    "codelist_minus",
    "codelist_union",
    "concepts",
    "drug_codes",
    "icd9cm3",
    "icd10cn",
    "local_lab",
    "source_codes",
    "source_concepts",
]
