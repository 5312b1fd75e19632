"""Conditions on the fields of events: numbers, texts, concepts, dates, full text, and where values are missing."""

from datetime import date

from tests.lib.spec import (
    INDEX_DAY,
    Finds,
    Holds,
    Refuses,
    Spec,
    care_site,
    cost,
    diagnosis,
    drug,
    drug_era,
    finding,
    image,
    index,
    lab,
    note,
    observation,
    person,
    procedure,
    provider,
    specs,
    visit,
)
from workbench.cohort.language import (
    any_event,
    cohort,
    costs,
    deaths,
    diagnoses,
    encounters,
    events,
    findings,
    images,
    labs,
    medications,
    notes,
    observations,
    procedures,
    reports,
    vitals,
)

LDH = labs("LDH")
VALUES = tuple(lab(person_id, INDEX_DAY, value) for person_id, value in enumerate((1, 2, 3, 4, None), start=1))
RANGES = (
    lab(1, INDEX_DAY, 30, range_high=10),
    lab(2, INDEX_DAY, 29, range_high=10),
    lab(3, INDEX_DAY, 30, range_high=0),
    lab(4, INDEX_DAY, 30, range_high=None),
    lab(5, INDEX_DAY, None, range_high=10),
)
NOTES = (
    note(1, INDEX_DAY, "患者糖尿病肾病，HbA1c 8.2%。", "入院记录"),
    note(2, INDEX_DAY, "糖尿病\n 肾病", "出院小结"),
    note(3, INDEX_DAY, "ＨＢＡ１Ｃ升高", "出院小结"),
    note(4, INDEX_DAY, "否认糖尿病", "入院记录"),
    note(5, INDEX_DAY, None),
)
WARDS = (
    care_site(1, "内分泌科"),
    care_site(2, "心内科"),
    visit(1, "2020-01-01", care_site_id=1),
    visit(2, "2020-01-01", care_site_id=2, concept=9202),
    visit(3, "2020-01-01", concept=262),
    diagnosis(1, "2020-01-01", visit_occurrence_id=1),
    diagnosis(2, "2020-01-01", visit_occurrence_id=2),
    diagnosis(3, "2020-01-01", visit_occurrence_id=3),
    diagnosis(4, "2020-01-01"),
)
FINDINGS = (
    finding(1, INDEX_DAY, "糖尿病肾病"),
    finding(2, INDEX_DAY, "糖尿病肾病", "absent"),
    finding(3, INDEX_DAY, "糖尿病肾病", "possible"),
    finding(4, INDEX_DAY, "糖尿病肾病", experiencer="family"),
    finding(5, INDEX_DAY, "糖尿病"),
)


def _ages():
    return (
        person(1, "2000-06-15"),
        person(2, "2000-06-16"),
        *(lab(person_id, INDEX_DAY) for person_id in (1, 2, 3)),
    )


@specs(
    Holds("value_ge: at least", VALUES, LDH.where(value_ge=3), [3, 4]),
    Holds("value_gt: more than", VALUES, LDH.where(value_gt=3), [4]),
    Holds("value_le: at most", VALUES, LDH.where(value_le=2), [1, 2]),
    Holds("value_lt: less than", VALUES, LDH.where(value_lt=2), [1]),
    Holds("A value without an ending is compared for equality", VALUES, LDH.where(value=2), [2]),
    Holds("value_ne: another value; a missing one is not another", VALUES, LDH.where(value_ne=2), [1, 3, 4]),
    Holds("value_between: both ends belong to it", VALUES, LDH.where(value_between=(2, 3)), [2, 3]),
    Holds("value_not_between: outside both ends", VALUES, LDH.where(value_not_between=(2, 3)), [1, 4]),
    Holds("A list of values asks for one of them", VALUES, LDH.where(value=[1, 4]), [1, 4]),
    Holds("value_not_in: none of them; a missing one is not none of them", VALUES, LDH.where(value_not_in=[1, 4]), [2, 3]),
    Holds("value_is_missing finds events without a value", VALUES, LDH.where(value_is_missing=True), [5]),
    Holds("value_is_present finds events with a value", VALUES, LDH.where(value_is_present=True), [1, 2, 3, 4]),
    Holds("value_is_missing=False means is present", VALUES, LDH.where(value_is_missing=False), [1, 2, 3, 4]),
    Holds("Several conditions must all hold", VALUES, LDH.where(value_ge=2).where(value_le=3), [2, 3]),
    Holds(
        "A condition is tried event by event, not on the person",
        (lab(1, INDEX_DAY, 9, unit="U/L"), lab(1, INDEX_DAY, 1, unit="g/L")),
        LDH.where(value_gt=5, unit="g/L"),
        [],
    ),
    Holds(
        "unit compares the unit as the source writes it",
        (lab(1, INDEX_DAY, 7, unit="%"), lab(2, INDEX_DAY, 7, unit="mmol/mol"), lab(3, INDEX_DAY, 7)),
        LDH.where(value_ge=6.5, unit="%"),
        [1],
    ),
    Holds("A whole number and a decimal are one number", (lab(1, INDEX_DAY, 6.0), lab(2, INDEX_DAY, 6.5)), LDH.where(value=6), [1]),
    Holds("value_per_range_high divides one field by another", RANGES, LDH.where(value_per_range_high_ge=3), [1]),
    Holds("A division by zero or by a missing value is missing", RANGES, LDH.where(value_per_range_high_is_missing=True), [3, 4, 5]),
    Holds(
        "Concept fields are compared by concept id",
        (lab(1, INDEX_DAY, value_as_concept_id=9191), lab(2, INDEX_DAY, value_as_concept_id=9189)),
        LDH.where(value_concept=9191),
        [1],
    ),
    Holds("setting asks for the kind of the event's visit", WARDS, diagnoses(setting="inpatient"), [1, 3]),
    Holds("An emergency admission is both emergency and inpatient", WARDS, diagnoses(setting="emergency"), [3]),
    Holds("Several settings are alternatives", WARDS, diagnoses(setting=["outpatient", "emergency"]), [2, 3]),
    Holds(
        "setting_ne leaves out every visit of that word, and events without a visit", WARDS, diagnoses().where(setting_ne="inpatient"), [2]
    ),
    Holds("Encounters have their own setting", WARDS, encounters(setting="outpatient").before(), [2]),
    Holds("department asks for the care site of the event's visit", WARDS, diagnoses(department="内分泌科"), [1]),
    Holds("An event without a visit or care site has no department", WARDS, diagnoses().where(department_is_missing=True), [3, 4]),
    Holds(
        "specialty asks for the event's provider",
        (
            provider(1, 38004456),
            provider(2, 38004446),
            diagnosis(1, INDEX_DAY, provider_id=1),
            diagnosis(2, INDEX_DAY, provider_id=2),
            diagnosis(3, INDEX_DAY),
        ),
        diagnoses().where(specialty=38004456),
        [1],
    ),
    Holds(
        "sex of an event is that of its person",
        (person(1, sex=8532), person(2, sex=8507), lab(1, INDEX_DAY), lab(2, INDEX_DAY), lab(3, INDEX_DAY)),
        LDH.where(sex="female"),
        [1],
    ),
    Holds(
        "sex_ne needs a person row",
        (person(1, sex=8532), person(2, sex=8507), lab(1, INDEX_DAY), lab(2, INDEX_DAY), lab(3, INDEX_DAY)),
        LDH.where(sex_ne="female"),
        [2],
    ),
    Holds("age of an event is the age at its start, by the birthday", _ages(), LDH.where(age_ge=20), [1]),
    Holds("calendar_age of an event subtracts the years", _ages(), LDH.where(calendar_age_ge=20), [1, 2]),
    Holds("start asks for the calendar date", (lab(1, "2020-01-31"), lab(2, "2020-02-01")), LDH.where(start_ge="2020-02-01"), [2]),
    Holds("Dates may be given as dates", (lab(1, "2020-01-31"), lab(2, "2020-02-01")), LDH.where(start_lt=date(2020, 2, 1)), [1]),
    Holds(
        "end is the recorded end or the day after the start",
        (drug(1, INDEX_DAY), drug(2, INDEX_DAY, end="2020-06-15")),
        medications().where(end_gt=INDEX_DAY),
        [1],
    ),
    Holds(
        "duration_days counts from start to end",
        (visit(1, "2020-01-01", "2020-01-11"), visit(2, "2020-01-01", "2020-01-10")),
        encounters().where(duration_days_ge=10),
        [1],
    ),
    Holds("An event without an end lasts one day", (diagnosis(1, INDEX_DAY),), diagnoses().where(duration_days=1), [1]),
    Holds("notes(text=...) finds words in the text", NOTES, notes(text="糖尿病肾病"), [1, 2]),
    Holds("Line breaks and blanks inside words do not matter", NOTES, notes(text="糖尿病 肾病"), [1, 2]),
    Holds("Case and full width do not matter", NOTES, notes(text="HbA1c"), [1, 3]),
    Holds("Of several texts one must occur", NOTES, notes(text=["肾病", "升高"]), [1, 2, 3]),
    Holds("Two text conditions must both hold in one note", NOTES, notes(text="肾病").where(text="hba1c"), [1]),
    Holds("A percent sign in a text is an ordinary character", NOTES, notes(text="8.2%。"), [1]),
    Holds("An underscore in a text is an ordinary character", NOTES, notes(text="糖_病"), []),
    Holds("A single character may be searched", NOTES, notes(text="升"), [3]),
    Holds("Text search does not know negation", NOTES, notes(text="糖尿病"), [1, 2, 4]),
    Holds("kind asks for the kind of note", NOTES, notes(text="糖尿病", kind="入院记录"), [1, 4]),
    Holds("A note without text is found by text_is_missing", NOTES, notes().where(text_is_missing=True), [5]),
    Holds(
        "Reports lie with the notes and are told apart by kind",
        (note(1, INDEX_DAY, "双肺磨玻璃影", "CT报告"), note(2, INDEX_DAY, "磨玻璃影", "入院记录")),
        reports(kind="CT报告", text="磨玻璃影"),
        [1],
    ),
    Holds("findings() asks for what a note affirms of the patient", FINDINGS, findings("糖尿病肾病"), [1]),
    Holds("assertion asks for another statement of the note", FINDINGS, findings("糖尿病肾病", assertion=["absent", "possible"]), [2, 3]),
    Holds("experiencer asks whom it concerns", FINDINGS, findings("糖尿病肾病", experiencer="family"), [4]),
    Holds("assertion=None takes any statement", FINDINGS, findings("糖尿病肾病", assertion=None), [1, 2, 3]),
    Holds(
        "Findings have values and units",
        (finding(1, INDEX_DAY, "HbA1c", value_as_number=8.0), finding(2, INDEX_DAY, "HbA1c", value_as_number=5.0)),
        findings("HbA1c").where(value_ge=6.5),
        [1],
    ),
    Holds(
        "images() asks by modality and body part",
        (
            image(1, INDEX_DAY, "CT", anatomic_site_source_value="胸部"),
            image(2, INDEX_DAY, "CT"),
            image(3, INDEX_DAY, "MR", anatomic_site_source_value="胸部"),
        ),
        images("CT", body_part="胸部"),
        [1],
    ),
    Holds(
        "Images have a geometry verdict and a spacing",
        (
            image(1, INDEX_DAY, "CT", geometry_verdict="regular", slice_mm=1.0),
            image(2, INDEX_DAY, "CT", geometry_verdict="regular", slice_mm=5.0),
            image(3, INDEX_DAY, "CT", geometry_verdict="gap", slice_mm=1.0),
            image(4, INDEX_DAY, "CT"),
        ),
        images("CT", verdict="regular").where(slice_mm_le=2),
        [1],
    ),
    Holds(
        "costs() are those of encounters, on the encounter's days",
        (
            visit(1, "2020-01-01"),
            visit(2, "2020-01-01"),
            visit(3, "2020-07-01"),
            cost(1, 20000),
            cost(2, 100),
            cost(3, 20000),
            cost(9, 20000),
        ),
        costs("药费").where(total_gt=10000).before(),
        [1],
    ),
    Holds(
        "Costs take setting and department from their encounter",
        (index(1), index(2), visit(1, INDEX_DAY), visit(2, INDEX_DAY, concept=9202), cost(3, 10), cost(4, 10)),
        costs(setting="outpatient"),
        [2],
    ),
    Holds(
        "observations() have text values",
        (observation(1, INDEX_DAY, "吸烟史", value_as_string="吸烟"), observation(2, INDEX_DAY, "吸烟史", value_as_string="不吸烟")),
        observations("吸烟史").where(value_text="吸烟"),
        [1],
    ),
    Holds(
        "events(domain) reaches every domain",
        (drug_era(1, "2020-01-01", "2020-12-31", drug_exposure_count=3), drug_era(2, "2020-01-01", "2020-12-31", drug_exposure_count=1)),
        events("medication_eras").where(exposures_ge=2),
        [1],
    ),
    Holds(
        "vitals() and labs() share a table and are told apart by code",
        (lab(1, INDEX_DAY, 39, "体温"), lab(2, INDEX_DAY, 36.5, "体温")),
        vitals("体温").where(value_gt=38.5),
        [1],
    ),
    Holds(
        "procedures() have a quantity",
        (procedure(1, INDEX_DAY, quantity=2), procedure(2, INDEX_DAY, quantity=1)),
        procedures().where(quantity_ge=2),
        [1],
    ),
    Holds(
        "where() on a union applies to every domain of it",
        (drug(1, INDEX_DAY, quantity=2), procedure(2, INDEX_DAY, quantity=1), procedure(3, INDEX_DAY, quantity=2)),
        any_event(medications(), procedures()).where(quantity_ge=2),
        [1, 3],
    ),
    Finds(
        "Conditions filter entry events too",
        (lab(1, "2020-01-01", 1), lab(1, "2020-02-01", 9)),
        cohort("c").enter(LDH.where(value_gt=5), limit="first"),
        kept=[(1, "2020-02-01")],
    ),
    Refuses(
        "An unknown field is named with the rule and the nearest field",
        lambda: _rule(LDH.where(vlaue_ge=1)),
        "rule \"前后90天 HbA1c≥6.5%\": labs has no field 'vlaue'",
    ),
    Refuses("The nearest field is offered", lambda: _rule(LDH.where(vlaue_ge=1)), "did you mean 'value'?"),
    Refuses("A number is not compared with a text", lambda: _rule(LDH.where(value_ge="6.5")), "compared with '6.5'"),
    Refuses("A number is not compared with nothing", lambda: _rule(LDH.where(value=None)), "compared with None"),
    Refuses("An unknown word is named with those that are known", lambda: _rule(LDH.where(setting="ward")), "inpatient, outpatient"),
    Refuses("Concepts have no order", lambda: _rule(LDH.where(value_concept_ge=1)), "cannot be asked 'ge'"),
    Refuses("between takes two values", lambda: _rule(LDH.where(value_between=(1, 2, 3))), "has 3 values; wanted 2"),
    Refuses("A text to find cannot be blank", lambda: _rule(notes(text=" \u3000")), "not blank"),
    Refuses("Only numbers are divided", lambda: _rule(LDH.where(value_per_unit_ge=1)), "both must be numbers"),
    Refuses("Labs have no text", lambda: _rule(LDH.where(text="x")), "labs has no field 'text'"),
    Refuses("A date must be one", lambda: _rule(LDH.where(start_ge="2020-02-30")), "2020-02-30"),
)
def test_conditions(spec: Spec, make) -> None:
    spec.check(make)


def _rule(criterion) -> object:
    return cohort("c").enter(deaths()).require("前后90天 HbA1c≥6.5%", criterion)
