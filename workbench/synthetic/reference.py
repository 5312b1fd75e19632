"""Tables that do not depend on patients: concepts, departments, doctors, places, and where the data come from."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from workbench.synthetic.catalogue import read_table
from workbench.synthetic.columns import arrow_table
from workbench.synthetic.concepts import ancestry, concepts
from workbench.synthetic.identity import doctor_names
from workbench.synthetic.seasons import STUDY_END
from workbench.synthetic.truth import hazards, provider_canaries

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["HOSPITAL", "reference_tables"]

#: Name of the hospital; no such hospital exists.
HOSPITAL = "云泽大学附属第一医院"
_FROM, _UNTIL = 0, (date(2099, 12, 31) - date(1970, 1, 1)).days
_VOCABULARIES = {
    "ICD10CN": "ICD-10 国家临床版（合成子集）",
    "ICD9CM3CN": "ICD-9-CM3 手术操作（合成子集）",
    "LOCAL_DRUG": "本院药品目录（合成）",
    "LOCAL_LAB": "本院检验项目（合成）",
    "LOCAL_OBS": "本院观察项（合成）",
    "LOCAL_TERM": "病历文书术语（合成）",
    "LOCAL_REF": "本院参照值",
}


def reference_tables(seed: int) -> dict[str, pa.Table]:
    """Give the tables of the hospital itself.

    Parameters
    ----------
    seed : int
        Seed of the hospital; it decides the doctors' names.

    Returns
    -------
    dict of str to pyarrow.Table
        ``concept``, ``concept_ancestor``, ``vocabulary``, ``source_to_concept_map``, ``care_site``, ``provider``, ``location``
        and ``cdm_source``;
        ``truth_hazards`` and the doctors' names in ``truth_canaries``.
    """
    providers = _provider(seed)
    return {
        "concept": _concept(),
        "concept_ancestor": _concept_ancestor(),
        "vocabulary": _vocabulary(),
        "source_to_concept_map": _source_to_concept_map(),
        "care_site": _care_site(),
        "provider": providers,
        "location": _location(),
        "cdm_source": _cdm_source(),
        "truth_hazards": hazards(),
        "truth_canaries": provider_canaries(providers),
    }


def _concept() -> pa.Table:
    rows = concepts()
    columns = {
        "concept_id": "concept_id",
        "concept_name": "name",
        "domain_id": "domain",
        "vocabulary_id": "vocabulary",
        "concept_class_id": "concept_class",
        "standard_concept": "standard",
        "concept_code": "code",
    }
    return arrow_table(
        "concept",
        len(rows),
        {column: [getattr(row, field) for row in rows] for column, field in columns.items()}
        | {"valid_start_date": np.full(len(rows), _FROM), "valid_end_date": np.full(len(rows), _UNTIL)},
    )


def _concept_ancestor() -> pa.Table:
    ancestor, descendant, levels = (list(column) for column in zip(*ancestry(), strict=True))
    return arrow_table(
        "concept_ancestor",
        len(levels),
        {
            "ancestor_concept_id": ancestor,
            "descendant_concept_id": descendant,
            "min_levels_of_separation": levels,
            "max_levels_of_separation": levels,
        },
    )


def _vocabulary() -> pa.Table:
    names = {concept.vocabulary: _VOCABULARIES.get(concept.vocabulary, concept.vocabulary) for concept in concepts()}
    return arrow_table(
        "vocabulary",
        len(names),
        {
            "vocabulary_id": list(names),
            "vocabulary_name": list(names.values()),
            "vocabulary_version": "synthetic 1",
            "vocabulary_concept_id": 0,
        },
    )


def _source_to_concept_map() -> pa.Table:
    rows = [concept for concept in concepts() if concept.vocabulary in _VOCABULARIES and concept.standard == "S"]
    return arrow_table(
        "source_to_concept_map",
        len(rows),
        {
            "source_code": [row.code for row in rows],
            "source_concept_id": [row.concept_id for row in rows],
            "source_vocabulary_id": [row.vocabulary for row in rows],
            "source_code_description": [row.name for row in rows],
            "target_concept_id": [row.concept_id for row in rows],
            "target_vocabulary_id": [row.vocabulary for row in rows],
            "valid_start_date": np.full(len(rows), _FROM),
            "valid_end_date": np.full(len(rows), _UNTIL),
        },
    )


def _care_site() -> pa.Table:
    table = read_table("departments")
    return arrow_table(
        "care_site",
        len(table),
        {
            "care_site_id": np.arange(1, len(table) + 1),
            "care_site_name": table.texts("name"),
            "place_of_service_concept_id": 0,
            "care_site_source_value": table.texts("name"),
            "place_of_service_source_value": table.texts("code"),
        },
    )


def _provider(seed: int) -> pa.Table:
    table = read_table("departments")
    department = np.repeat(np.arange(len(table)), table.numbers("doctors").astype(int))
    names = doctor_names(seed)
    return arrow_table(
        "provider",
        len(names),
        {
            "provider_id": np.arange(1, len(names) + 1),
            "provider_name": names,
            "specialty_concept_id": table.numbers("specialty")[department],
            "care_site_id": department + 1,
            "provider_source_value": [f"D{number:04d}" for number in range(1, len(names) + 1)],
            "specialty_source_value": [table.texts("name")[row] for row in department.tolist()],
        },
    )


def _location() -> pa.Table:
    table = read_table("places")
    return arrow_table(
        "location",
        len(table),
        {
            "location_id": np.arange(1, len(table) + 1),
            "city": [text[:3] for text in table.texts("district")],
            "county": [text[3:] for text in table.texts("district")],
            "zip": table.texts("zip"),
            "location_source_value": table.texts("district"),
        },
    )


def _cdm_source() -> pa.Table:
    return arrow_table(
        "cdm_source",
        1,
        {
            "cdm_source_name": HOSPITAL,
            "cdm_source_abbreviation": "SYNTHETIC",
            "cdm_holder": HOSPITAL,
            "source_description": "合成数据，不含任何真实患者",
            "source_release_date": np.array([STUDY_END]),
            "cdm_release_date": np.array([STUDY_END]),
            "cdm_version": "5.4",
            "cdm_version_concept_id": 756265,
            "vocabulary_version": "synthetic 1",
        },
    )
