"""Clinical research workbench: cohorts, notes, images and risk over data that stay in the house.

Import it as ``wb``. Names are loaded on first use, so that ``import workbench`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from workbench import cohort, release, risk
    from workbench.broker_client import feasibility
    from workbench.codelists import (
        codelist,
        codelist_from_csv,
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
    from workbench.cohort import variables
    from workbench.cohort.language import (
        age,
        all_of,
        any_event,
        any_of,
        at_least_of,
        at_most_of,
        calendar_age,
        costs,
        deaths,
        devices,
        diagnoses,
        difference,
        encounters,
        ethnicity,
        events,
        findings,
        images,
        in_cohort,
        index_date,
        intersection,
        labs,
        medications,
        not_,
        notes,
        observations,
        observed,
        orders,
        procedures,
        race,
        reports,
        sex,
        union,
        vitals,
    )
    from workbench.cohort.language import load as load_cohort
    from workbench.locale import set_language
    from workbench.report import Report
    from workbench.series.measurements import publish_measurements
    from workbench.series.occurrences import index_images
    from workbench.store import open_store
    from workbench.templates import list_templates, run_template
    from workbench.texts.shared_sets import share_variables
    from workbench.texts.variable_files import variable_set
    from workbench.texts.variable_form import VariableForm

_LANGUAGE = """
    age all_of any_event any_of at_least_of at_most_of calendar_age costs deaths devices
    diagnoses difference encounters ethnicity events findings images in_cohort index_date intersection labs
    medications not_ notes observations observed orders procedures race reports sex union
    vitals
"""

_CODES = (
    "codelist codelist_from_csv codelist_minus codelist_union concepts drug_codes icd10cn icd9cm3 local_lab source_codes source_concepts"
)

#: Public name -> (module, name there); a module where the second is empty.
_PLACES: dict[str, tuple[str, str]] = {
    **{name: ("workbench.cohort.language", name) for name in _LANGUAGE.split()},
    **{name: ("workbench.codelists", name) for name in _CODES.split()},
    "cohort": ("workbench.cohort", ""),
    "load_cohort": ("workbench.cohort.language", "load"),
    "images": ("workbench.series.chosen", "images"),
    "index_images": ("workbench.series.occurrences", "index_images"),
    "publish_measurements": ("workbench.series.measurements", "publish_measurements"),
    "notes": ("workbench.texts.notes", "notes"),
    "VariableForm": ("workbench.texts.variable_form", "VariableForm"),
    "share_variables": ("workbench.texts.shared_sets", "share_variables"),
    "variable_set": ("workbench.texts.variable_files", "variable_set"),
    "variables": ("workbench.cohort.variables", ""),
    "Report": ("workbench.report", "Report"),
    "feasibility": ("workbench.broker_client", "feasibility"),
    "list_templates": ("workbench.templates", "list_templates"),
    "open_store": ("workbench.store", "open_store"),
    "release": ("workbench.release", ""),
    "risk": ("workbench.risk", ""),
    "run_template": ("workbench.templates", "run_template"),
    "set_language": ("workbench.locale", "set_language"),
}

__all__ = [
    "Report",
    "VariableForm",
    "age",
    "all_of",
    "any_event",
    "any_of",
    "at_least_of",
    "at_most_of",
    "calendar_age",
    "codelist",
    "codelist_from_csv",
    "codelist_minus",
    "codelist_union",
    "cohort",
    "concepts",
    "costs",
    "deaths",
    "devices",
    "diagnoses",
    "difference",
    "drug_codes",
    "encounters",
    "ethnicity",
    "events",
    "feasibility",
    "findings",
    "icd9cm3",
    "icd10cn",
    "images",
    "in_cohort",
    "index_date",
    "index_images",
    "intersection",
    "labs",
    "list_templates",
    "load_cohort",
    "local_lab",
    "medications",
    "not_",
    "notes",
    "observations",
    "observed",
    "open_store",
    "orders",
    "procedures",
    "publish_measurements",
    "race",
    "release",
    "reports",
    "risk",
    "run_template",
    "set_language",
    "sex",
    "share_variables",
    "source_codes",
    "source_concepts",
    "union",
    "variable_set",
    "variables",
    "vitals",
]


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name not in _PLACES:
        raise AttributeError(f"module 'workbench' has no attribute {name!r}")
    module, attribute = _PLACES[name]
    found = import_module(module)
    value = getattr(found, attribute) if attribute else found
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
