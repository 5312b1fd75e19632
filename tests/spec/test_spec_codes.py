"""Codelists: source codes, prefixes, exclusions, concepts with descendants and mappings."""

from tests.lib.spec import Holds, Refuses, Spec, ancestor, concept, death, diagnosis, drug, lab, maps_to, specs
from workbench.codelists import (
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
from workbench.cohort.language import cohort, deaths, diagnoses, labs, medications

CODES = tuple(
    diagnosis(person_id, "2020-01-01", code)
    for person_id, code in enumerate(("E11", "E11.900", "E11.2", "E14", "e11", None, "AE11"), start=1)
)


def coded(person_id: int, standard: int | None, source: int | None = None, value: str | None = None):
    return diagnosis(person_id, "2020-01-01", value, condition_concept_id=standard, condition_source_concept_id=source)


# 10 > 11 > 12, and 13 which is no longer valid; 90 is a source concept that maps to 11.
VOCABULARY = (
    *(concept(key) for key in (10, 11, 12, 90)),
    concept(13, invalid="D"),
    *(ancestor(10, below) for below in (10, 11, 12, 13, 14)),
    maps_to(90, 11),
    maps_to(91, 11, invalid="D"),
    maps_to(92, 11, relationship="Is a"),
)
STANDARD = tuple(coded(person_id, person_id) for person_id in (9, 10, 11, 12, 13, 14, 90, 91, 92))


@specs(
    Holds("A text given as a code is one source value, compared exactly", CODES, diagnoses("E11"), [1]),
    Holds("Several texts are alternatives", CODES, diagnoses(["E11", "E14"]), [1, 4]),
    Holds("No codes means any code, even a missing one", CODES, diagnoses(), [1, 2, 3, 4, 5, 6, 7]),
    Holds("An ICD-10-CN code stands for every code that starts with it", CODES, diagnoses(icd10cn("E11")), [1, 2, 3]),
    Holds("descendants=False compares an ICD-10-CN code exactly", CODES, diagnoses(icd10cn("E11", descendants=False)), [1]),
    Holds("A range of categories holds both ends", CODES, diagnoses(icd10cn("E10-E14")), [1, 2, 3, 4]),
    Holds("Excluded codes are taken away with all that start with them", CODES, diagnoses(icd10cn("E11", exclude=["E11.2"])), [1, 2]),
    Holds("Codelists can be joined", CODES, diagnoses(codelist_union(icd10cn("E11.9"), icd10cn("E14"))), [2, 4]),
    Holds("One codelist can be taken away from another", CODES, diagnoses(codelist_minus(icd10cn("E11"), icd10cn("E11.9"))), [1, 3]),
    Holds(
        "A percent sign and an underscore in a code are ordinary characters",
        (
            lab(1, "2020-01-01", code="a%"),
            lab(2, "2020-01-01", code="ab"),
            lab(3, "2020-01-01", code="a_c"),
            lab(4, "2020-01-01", code="abc"),
        ),
        labs(source_codes("a%", "a_", system="LOCAL", descendants=True)),
        [1, 3],
    ),
    Holds(
        "Quotes and backslashes in a code are ordinary characters",
        (lab(1, "2020-01-01", code="a'b"), lab(2, "2020-01-01", code='a"\\b')),
        labs(local_lab("a'b", 'a"\\b')),
        [1, 2],
    ),
    Holds(
        "Local laboratory codes are compared exactly",
        (lab(1, "2020-01-01", code="HbA1c"), lab(2, "2020-01-01", code="hba1c"), lab(3, "2020-01-01", code="糖化血红蛋白（HPLC）")),
        labs(local_lab("HbA1c", "糖化血红蛋白（HPLC）")),
        [1, 3],
    ),
    Holds(
        "Drug codes may be asked by prefix",
        (drug(1, "2020-01-01", "A10AB01"), drug(2, "2020-01-01", "A10BA02")),
        medications(drug_codes("A10A", system="ATC", descendants=True)),
        [1],
    ),
    Holds("A concept is compared with the standard concept", (*STANDARD, *VOCABULARY), diagnoses(concepts(11, descendants=False)), [11]),
    Holds(
        "descendants of a concept count where the vocabulary holds them as valid",
        (*STANDARD, *VOCABULARY),
        diagnoses(concepts(10)),
        [10, 11, 12],
    ),
    Holds("An invalid concept still counts where it is named itself", (*STANDARD, *VOCABULARY), diagnoses(concepts(13)), [13]),
    Holds("A concept that the vocabulary does not hold stands for nothing", (*STANDARD, *VOCABULARY), diagnoses(concepts(9)), []),
    Holds("Without a vocabulary a concept id is taken as it stands", STANDARD, diagnoses(concepts(9, 10)), [9, 10]),
    Holds(
        "mapped=True adds the concepts that map to it, by valid mappings",
        (*STANDARD, *VOCABULARY),
        diagnoses(concepts(11, descendants=False, mapped=True)),
        [11, 90],
    ),
    Holds(
        "mapped=True with descendants adds what maps to any of them",
        (*STANDARD, *VOCABULARY),
        diagnoses(concepts(10, mapped=True)),
        [10, 11, 12, 90],
    ),
    Holds(
        "Excluded concepts are taken away with their descendants",
        (*STANDARD, *VOCABULARY),
        diagnoses(concepts(10, exclude=[11], descendants=True)),
        [10, 12],
    ),
    Holds(
        "Source concepts are compared with their own column",
        (coded(1, 11, 90), coded(2, 90, 11), *VOCABULARY),
        diagnoses(source_concepts(90)),
        [1],
    ),
    Holds(
        "Codes for different columns are alternatives",
        (coded(1, 11), coded(2, 0, value="E11.9"), coded(3, 0, value="E14")),
        diagnoses([concepts(11), icd10cn("E11")]),
        [1, 2],
    ),
    Holds(
        "An excluded code takes away only on its own column",
        (coded(1, 11, value="E11.9"), coded(2, 11, value="E14")),
        diagnoses(codelist_minus(concepts(11), icd10cn("E11"))),
        [2],
    ),
    Holds(
        "A missing code is not excluded",
        (coded(1, 11, value=None), coded(2, 11, value="E11")),
        diagnoses(codelist_minus(concepts(11), icd10cn("E11"))),
        [1],
    ),
    Holds(
        "Deaths may be asked by cause",
        (death(1, "2020-01-01", "I21.9"), death(2, "2020-01-01", "C34"), death(3, "2020-01-01")),
        deaths(icd10cn("I21")),
        [1],
    ),
    Refuses("A code that does not look like ICD-10 is refused", lambda: icd10cn("糖尿病"), "does not look like a code of ICD-10-CN"),
    Refuses("A code that does not look like ICD-9-CM3 is refused", lambda: icd9cm3("E11"), "does not look like a code of ICD-9-CM3"),
    Refuses("A range cannot run backwards", lambda: icd10cn("E14-E10"), "range 'E14-E10'"),
    Refuses("A blank code is refused", lambda: local_lab(" "), "blank"),
    Refuses("A codelist needs a code", lambda: icd10cn(), "empty"),
    Refuses("A concept id is a whole number", lambda: concepts("E11"), "not a whole number"),
    Refuses("A bare number is not a code", lambda: _rule(diagnoses(201826)), "wb.concepts(201826)"),
    Refuses(
        "A domain without source concepts cannot be asked for them",
        lambda: _rule(labs().having(diagnoses(source_concepts(1))) & _notes()),
        "notes",
    ),
    Refuses(
        "Codelists cannot be joined where one excludes what the other holds",
        lambda: codelist_union(icd10cn("E11", exclude=["E11.2"]), icd10cn("E11.2")),
        "cannot be joined",
    ),
)
def test_codes(spec: Spec, make) -> None:
    spec.check(make)


def _notes():
    from workbench.cohort.language import events

    return events("notes", source_concepts(1))


def _rule(criterion) -> object:
    return cohort("c").enter(deaths()).require("rule", criterion)
