"""Local concepts: one id for each code of the hospital, above 2,000,000,000 as OMOP asks of local vocabularies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from workbench.synthetic.catalogue import read_table
from workbench.synthetic.notes.terms import terms

__all__ = ["Concept", "ancestry", "concept_id", "concepts"]


@dataclass(frozen=True)
class Concept:
    """One concept of a local vocabulary, or one of OMOP's own that the data refer to.

    Parameters
    ----------
    concept_id : int
        Key.
    code, name : str
        Code in its vocabulary, and name.
    vocabulary, domain, concept_class : str
        OMOP ids of these.
    standard : str
        ``S`` standard, ``C`` classification.
    parent : str
        Code of the next broader concept of the same vocabulary; empty at the top.
    """

    concept_id: int
    code: str
    name: str
    vocabulary: str
    domain: str
    concept_class: str
    standard: str = "S"
    parent: str = ""


_FIRST_ID = {
    "ICD10CN": 2_000_100_000,
    "ICD9CM3CN": 2_000_200_000,
    "LOCAL_DRUG": 2_000_300_000,
    "LOCAL_LAB": 2_000_400_000,
    "LOCAL_OBS": 2_000_500_000,
    "LOCAL_TERM": 2_000_600_000,
}


@cache
def concepts() -> tuple[Concept, ...]:
    """List every concept that a generated table can refer to."""
    local = [*_diagnoses(), *_procedures(), *_drugs(), *_labs(), *_observations(), *_terms()]
    places: dict[str, int] = {}
    numbered = []
    for code, name, vocabulary, domain, kind, standard, parent in local:
        places[vocabulary] = places.get(vocabulary, 0) + 1
        numbered.append(
            Concept(_FIRST_ID[vocabulary] + places[vocabulary], code, name, vocabulary, domain, kind, standard=standard, parent=parent)
        )
    own = [
        Concept(int(row["concept_id"]), row["code"], row["name"], row["vocabulary"], row["domain"], row["class"])
        for row in read_table("omop_concepts").rows()
    ]
    return (*numbered, *own)


@cache
def _ids() -> dict[tuple[str, str], int]:
    return {(concept.vocabulary, concept.code): concept.concept_id for concept in concepts()}


def concept_id(vocabulary: str, code: str) -> int:
    """Give the id of a local code.

    Raises
    ------
    KeyError
        If the vocabulary has no such code.
    """
    return _ids()[vocabulary, code]


@cache
def ancestry() -> tuple[tuple[int, int, int], ...]:
    """List (ancestor, descendant, levels between) of all concepts; each is its own descendant at level 0."""
    parents = {(concept.vocabulary, concept.code): concept.parent for concept in concepts()}
    rows = []
    for concept in concepts():
        code, level = concept.code, 0
        while code:
            rows.append((concept_id(concept.vocabulary, code), concept.concept_id, level))
            code, level = parents[concept.vocabulary, code], level + 1
    return tuple(rows)


_Row = tuple[str, str, str, str, str, str, str]


def _diagnoses() -> list[_Row]:
    """Chapters, categories (E11), subcategories (E11.2) and codes (E11.200x021)."""

    def row(code: str, name: str, kind: str, standard: str, parent: str) -> _Row:
        return code, name, "ICD10CN", "Condition", kind, standard, parent

    chapters = read_table("icd10cn_chapters").rows()
    categories = dict(zip(read_table("icd10cn_categories").texts("code"), read_table("icd10cn_categories").texts("name"), strict=True))
    codes = dict(zip(read_table("icd10cn").texts("code"), read_table("icd10cn").texts("name"), strict=True))
    chapter_of = {code: next(c["code"] for c in chapters if c["first"] <= code <= c["last"]) for code in categories}
    rows = [row(c["code"], c["name"], "ICD10 Chapter", "C", "") for c in chapters]
    rows += [row(code, name, "ICD10 Category", "S", chapter_of[code]) for code, name in categories.items()]
    for middle in sorted({code[:5] for code in codes if code[3] == "." and code[4] != "x"}):
        whole = next((codes[code] for code in (f"{middle}00", f"{middle}x00") if code in codes), None)
        rows.append(row(middle, whole or f"{categories[middle[:3]]}（亚目{middle}）", "ICD10 Subcategory", "S", middle[:3]))
    rows += [row(code, name, "ICD10 Code", "S", code[:3] if code[4] == "x" else code[:5]) for code, name in codes.items()]
    return rows


def _procedures() -> list[_Row]:
    codes = dict(zip(read_table("procedures").texts("code"), read_table("procedures").texts("name"), strict=True))
    groups = sorted({code[:2] for code in codes})
    rows = [(code, f"ICD-9-CM3 类目 {code}", "ICD9CM3CN", "Procedure", "ICD9CM3 Category", "C", "") for code in groups]
    return rows + [(code, name, "ICD9CM3CN", "Procedure", "ICD9CM3 Code", "S", code[:2]) for code, name in codes.items()]


def _drugs() -> list[_Row]:
    def row(code: str, name: str, kind: str, standard: str, parent: str) -> _Row:
        return code, name, "LOCAL_DRUG", "Drug", kind, standard, parent

    table = read_table("drugs")
    parent_class = dict(zip(table.texts("ingredient"), table.texts("class"), strict=True))
    rows = [row(f"class:{name}", name, "Drug Class", "C", "") for name in dict.fromkeys(table.texts("class"))]
    rows += [row(f"ingredient:{name}", name, "Ingredient", "S", f"class:{group}") for name, group in parent_class.items()]
    products = zip(table.texts("code"), table.texts("name"), table.texts("ingredient"), strict=True)
    return rows + [row(code, name, "Clinical Drug", "S", f"ingredient:{ingredient}") for code, name, ingredient in products]


def _labs() -> list[_Row]:
    table = read_table("labs")
    rows = [(f"panel:{panel}", panel, "LOCAL_LAB", "Measurement", "Panel", "C", "") for panel in dict.fromkeys(table.texts("panel"))]
    items = zip(table.texts("code"), table.texts("name"), table.texts("panel"), strict=True)
    return rows + [(code, name, "LOCAL_LAB", "Measurement", "Lab Test", "S", f"panel:{panel}") for code, name, panel in items]


def _observations() -> list[_Row]:
    table = read_table("observations")
    return [
        (code, name, "LOCAL_OBS", "Observation", "Local", "S", "")
        for code, name in zip(table.texts("code"), table.texts("name"), strict=True)
    ]


def _terms() -> list[_Row]:
    names = {term.name: term.kind for term in terms().values()}
    return [(name, name, "LOCAL_TERM", "Note", kind, "S", "") for name, kind in names.items()]
