"""What a baseline table tells where the researcher names no variable: the person, the encounter, and what is frequent."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from workbench.cohort.comorbidity import CHARLSON
from workbench.cohort.extract import Source, around
from workbench.cohort.query import CodeItem, Codelist, Events, Occurs, Window
from workbench.cohort.variables import Age, Department, LengthOfStay, Occurrence, Setting, Sex, Value
from workbench.locale import get_language, tr

if TYPE_CHECKING:
    import pandas as pd

    from workbench.cohort.engine import Engine
    from workbench.cohort.extract import Tables, Variable

__all__ = ["default_variables"]

#: Persons among whom the frequent codes are sought; spread evenly over the cohort, so the choice is the same each time.
_SAMPLE_PERSONS = 5_000
_TOP = {"diagnoses": 10, "labs": 16, "medications": 10}

_DIAGNOSES = Occurs((Events("diagnoses"),), (Window(-365, 0),))
_LABS = Occurs((Events("labs"),), (Window(-30, 30),))
_MEDICATIONS = Occurs((Events("medications"),), (Window(-90, 0),))
_ICD = re.compile(r"[A-Z]\d\d")


def default_variables(index: pd.DataFrame, *, engine: Engine, tables: Tables) -> tuple[Variable, ...]:
    """Return the variables of a baseline table for a cohort of which nothing is known.

    Age, sex, setting, department, length of stay; Charlson's comorbidities recorded in the year up to the index date; the
    most frequent diagnoses in that year; the laboratory value nearest to the index within 30 days, of the tests most
    frequent there; the drugs most frequent in the
    90 days up to it.

    Parameters
    ----------
    index : DataFrame
        As :func:`workbench.cohort.extract.index_frame` returns it.
    engine, tables
        Where the frequent codes are sought.
    """
    sample = _sample(index)
    source = Source(engine, tables)
    return (
        *(Age(), Sex(), Setting(), Department(), LengthOfStay()),
        *_comorbidities(sample, source),
        *_diagnoses(sample, source),
        *_labs(sample, source),
        *_medications(sample, source),
    )


def _sample(index: pd.DataFrame) -> pd.DataFrame:
    persons = index["person_id"].unique()
    step = -(-len(persons) // _SAMPLE_PERSONS) or 1
    return index[index["person_id"].isin(persons[::step])]


def _comorbidities(index: pd.DataFrame, source: Source) -> list[Variable]:
    found = set(around(_DIAGNOSES, index, source)["code"].dropna())
    return [
        Occurrence(
            _DIAGNOSES,
            name=f"charlson_{group.name}",
            label=group.label_zh if get_language() == "zh" else group.label,
            prefixes=group.prefixes,
        )
        for group in CHARLSON
        if any(code.startswith(group.prefixes) for code in found)
    ]


def _frequent(index: pd.DataFrame, source: Source, asked: Occurs) -> pd.DataFrame:
    """Return the codes that most persons have there, with the label and unit most often beside them."""
    domain = asked.events[0].domain
    near = around(asked, index, source)
    near = near[near["code"].notna() & (near["code"] != "")]
    if domain == "diagnoses":
        near = near.assign(code=near["code"].where(~near["code"].str.match(_ICD), near["code"].str[:3]))
    if domain == "labs":
        near = near[near["value"].notna()]
    persons = near.drop_duplicates(["person_id", "code"])["code"].value_counts(sort=False).rename("persons").reset_index()
    chosen = persons.sort_values(["persons", "code"], ascending=[False, True]).head(_TOP[domain])["code"]
    said = near[near["code"].isin(chosen)].groupby("code")[["label", "unit"]].agg(_commonest)
    return said.reindex(chosen)


def _commonest(values: pd.Series) -> str:
    known = values[values.notna() & (values != "")]
    return "" if known.empty else str(known.mode().iloc[0])


def _diagnoses(index: pd.DataFrame, source: Source) -> list[Variable]:
    found = _frequent(index, source, _DIAGNOSES)
    names = _category_names(list(found.index), source)
    return [
        Occurrence(
            _DIAGNOSES,
            name=f"diagnosis_{code}",
            label=tr("诊断：{0}（前 1 年）", "Diagnosis: {0} (year before)").format(_named(code, names.get(code, row.label))),
            prefixes=(code,) if _ICD.fullmatch(code) else (),
            codes=(code,),
        )
        for code, row in found.iterrows()
    ]


def _category_names(codes: list[str], source: Source) -> dict[str, str]:
    """Look up names of codes in the store's own vocabulary: a category's name is not that of its commonest member."""
    found = source.tables.read(
        "concept", ["concept_code", "concept_name", "vocabulary_id"], pc.field("concept_code").isin(codes)
    ).to_pylist()
    return {row["concept_code"]: row["concept_name"] for row in found if "ICD10" in (row["vocabulary_id"] or "")}


def _labs(index: pd.DataFrame, source: Source) -> list[Variable]:
    found = _frequent(index, source, _LABS)
    if found.empty:
        return []
    codes = Codelist(tuple(item for code in found.index for item in _items(code)))
    asked = Occurs((Events("labs", codes),), _LABS.windows)
    return [Value(asked, name=f"lab_{code}", label=_named(code, row.label), unit=row.unit, code=code) for code, row in found.iterrows()]


def _items(code: str) -> list[CodeItem]:
    """Ask for a listed code in both columns that it may come from: an event without a source value lists its concept."""
    return [CodeItem(code, "source"), *([CodeItem(code, "concept")] if code.isascii() and code.isdigit() else [])]


def _medications(index: pd.DataFrame, source: Source) -> list[Variable]:
    return [
        Occurrence(
            _MEDICATIONS,
            name=f"medication_{code}",
            label=tr("用药：{0}（前 90 天）", "Drug: {0} (90 days before)").format(_named(code, row.label)),
            codes=(code,),
        )
        for code, row in _frequent(index, source, _MEDICATIONS).iterrows()
    ]


def _named(code: str, label: str) -> str:
    return f"{label} ({code})" if label and label != code else code
