"""How many events, sequences of events, events within encounters."""

from tests.lib.spec import INDEX_DAY, Finds, Holds, Spec, diagnosis, drug, index, lab, period, person, procedure, specs, visit
from workbench.cohort.language import age, any_event, cohort, diagnoses, encounters, labs, medications, observed, orders, procedures

E11, LDH = diagnoses("E11"), labs("LDH")


def times(person_id: int, *days: str, **values):
    return tuple(diagnosis(person_id, day, **values) for day in days)


ONE_TWO_THREE = (
    index(1),
    *times(2, "2020-01-01"),
    *times(3, "2020-01-01", "2020-02-01"),
    *times(4, "2020-01-01", "2020-02-01", "2020-03-01"),
)
SPREAD = (
    *times(1, "2018-01-01", "2020-01-01"),
    *times(2, "2019-01-01", "2019-12-31"),
    *times(3, "2019-01-01", "2020-01-02"),
    *times(4, "2020-01-01"),
)
ADMISSIONS = (
    visit(1, "2020-01-01", "2020-01-05"),
    visit(1, "2020-01-31"),
    visit(2, "2020-01-01", "2020-01-05"),
    visit(2, "2020-02-01"),
    visit(3, "2020-01-01"),
)


@specs(
    Holds("Events given as a criterion ask for at least one", ONE_TWO_THREE, E11, [2, 3, 4]),
    Holds("at_least(n) asks for n or more events", ONE_TWO_THREE, E11.at_least(2), [3, 4]),
    Holds("at_most(n) asks for n or fewer, none included", ONE_TWO_THREE, E11.at_most(1), [1, 2]),
    Holds("exactly(n) asks for n", ONE_TWO_THREE, E11.exactly(2), [3]),
    Holds("none() asks that there is no such event", ONE_TWO_THREE, E11.none(), [1]),
    Holds("at_least(0) always holds", ONE_TWO_THREE, E11.at_least(0), [1, 2, 3, 4]),
    Holds("Only events in the window are counted", ONE_TWO_THREE, E11.within(days=(-150, 0)).at_least(2), [4]),
    Holds(
        "Several events on one day are several events",
        (*times(1, "2020-01-01", "2020-01-01"), *times(2, "2020-01-01")),
        E11.at_least(2),
        [1],
    ),
    Holds(
        "distinct='day' counts days",
        (*times(1, "2020-01-01", "2020-01-01"), *times(2, "2020-01-01", "2020-01-02")),
        E11.at_least(2, distinct="day"),
        [2],
    ),
    Holds(
        "distinct='visit' counts visits, and events without one are not counted",
        (
            *times(1, "2020-01-01", "2020-01-02", visit_occurrence_id=7),
            *times(2, "2020-01-01", visit_occurrence_id=7),
            *times(2, "2020-01-01", visit_occurrence_id=8),
            *times(3, "2020-01-01", visit_occurrence_id=7),
            *times(3, "2020-01-01"),
        ),
        E11.at_least(2, distinct="visit"),
        [2],
    ),
    Holds(
        "distinct='concept' counts standard concepts",
        (
            diagnosis(1, "2020-01-01", condition_concept_id=5),
            diagnosis(1, "2020-01-02", condition_concept_id=5),
            diagnosis(2, "2020-01-01", condition_concept_id=5),
            diagnosis(2, "2020-01-01", condition_concept_id=6),
            diagnosis(3, "2020-01-01", condition_concept_id=5),
            diagnosis(3, "2020-01-01", condition_concept_id=None),
        ),
        diagnoses().at_least(2, distinct="concept"),
        [2],
    ),
    Holds(
        "Events of a union are counted together",
        (diagnosis(1, "2020-01-01"), lab(1, "2020-01-01"), lab(2, "2020-01-01")),
        any_event(E11, LDH).at_least(2),
        [1],
    ),
    Holds("An event that two sets of a union hold counts twice", times(1, "2020-01-01"), any_event(E11, diagnoses()).exactly(2), [1]),
    Holds(
        "at_least(n, within_days=d) asks for n events of which the last starts at most d days after the first",
        SPREAD,
        E11.at_least(2, within_days=365),
        [2],
    ),
    Holds(
        "With within_days a window places the first of the events",
        (*times(1, "2020-06-01", "2020-07-01"), *times(2, "2020-06-20", "2020-07-01")),
        E11.at_least(2, within_days=60).within(days=(-30, 0)),
        [1],
    ),
    Holds(
        "Distinct days may be asked within a span",
        (*times(1, "2020-01-01", "2020-01-01"), *times(2, "2020-01-01", "2020-01-02")),
        E11.at_least(2, within_days=30, distinct="day"),
        [2],
    ),
    Finds(
        "An entry event may ask for repetition: the clock starts with the first of the run",
        SPREAD,
        cohort("c").enter(E11.at_least(2, within_days=365)),
        kept=[(2, "2019-01-01")],
    ),
    Holds(
        "followed_by() asks for a later event, on the next day at the earliest",
        (
            procedure(1, "2020-01-01"),
            diagnosis(1, "2020-01-02", "I21"),
            procedure(2, "2020-01-01"),
            diagnosis(2, "2020-01-01", "I21"),
            procedure(3, "2020-01-02"),
            diagnosis(3, "2020-01-01", "I21"),
        ),
        procedures().followed_by(diagnoses("I21")),
        [1],
    ),
    Holds(
        "followed_by(within_days=d) gives the latest day on which it may start",
        ADMISSIONS,
        encounters(setting="inpatient").before().followed_by(encounters(setting="inpatient"), within_days=30),
        [1],
    ),
    Holds(
        "followed_by(from_days=0) lets both fall on one day",
        (procedure(1, "2020-01-01"), diagnosis(1, "2020-01-01", "I21")),
        procedures().followed_by(diagnoses("I21"), from_days=0),
        [1],
    ),
    Holds(
        "The later event keeps its own count",
        (procedure(1, "2020-01-01"), lab(1, "2020-01-02"), procedure(2, "2020-01-01"), lab(2, "2020-01-02"), lab(2, "2020-01-03")),
        procedures().followed_by(LDH.at_least(2), within_days=7),
        [2],
    ),
    Holds(
        "Sequences may be longer than two",
        (
            diagnosis(1, "2020-01-01"),
            drug(1, "2020-01-05"),
            procedure(1, "2020-01-09"),
            diagnosis(2, "2020-01-01"),
            procedure(2, "2020-01-05"),
            drug(2, "2020-01-09"),
        ),
        E11.followed_by(medications().followed_by(procedures())),
        [1],
    ),
    Holds(
        "preceded_by() asks for an earlier event",
        (procedure(1, "2020-01-08"), drug(1, "2020-01-01"), procedure(2, "2020-01-09"), drug(2, "2020-01-01")),
        procedures().preceded_by(medications(), within_days=7),
        [1],
    ),
    Holds(
        "during() asks for events between the first and the last day of an encounter",
        (
            *(visit(person_id, "2020-01-01", "2020-01-05", concept=32037) for person_id in (1, 2, 3, 4)),
            lab(1, "2020-01-01"),
            lab(2, "2020-01-05"),
            lab(3, "2020-01-06"),
            lab(4, "2019-12-31"),
        ),
        LDH.during(encounters(setting="icu")),
        [1, 2],
    ),
    Holds(
        "having() takes each event as its own index",
        (person(1, "1980-01-01"), person(2, "2010-01-01"), *times(1, "2020-01-01"), *times(2, "2020-01-01")),
        E11.having(age >= 18),
        [1],
    ),
    Holds(
        "having() may ask for observation around the event",
        (*times(1, "2020-01-01"), *times(2, "2020-01-01"), period(1, "2019-01-01", "2020-12-31"), period(2, "2019-06-01", "2020-12-31")),
        E11.having(observed(before_days=365)),
        [1],
    ),
    Holds(
        "same_visit() inside having() means the visit of that event",
        (
            diagnosis(1, "2020-01-01", visit_occurrence_id=8),
            lab(1, "2020-01-01", visit_occurrence_id=8),
            lab(2, "2020-01-01", visit_occurrence_id=9),
            diagnosis(2, "2020-01-01", visit_occurrence_id=8),
        ),
        E11.having(LDH.same_visit()),
        [1],
    ),
    Finds(
        "first() keeps each person's earliest event",
        (*times(1, "2020-03-01", "2020-01-01"),),
        cohort("c").enter(E11.first()),
        kept=[(1, "2020-01-01")],
    ),
    Finds(
        "first() before where() takes the first event of these codes, whether or not it meets the condition",
        (lab(1, "2020-01-01", 1), lab(1, "2020-02-01", 9), lab(2, "2020-01-01", 9)),
        cohort("c").enter(LDH.first().where(value_gt=5)),
        kept=[(2, "2020-01-01")],
    ),
    Finds(
        "first() after where() takes the first event that meets the condition",
        (lab(1, "2020-01-01", 1), lab(1, "2020-02-01", 9), lab(1, "2020-03-01", 9), lab(2, "2020-01-01", 9)),
        cohort("c").enter(LDH.where(value_gt=5).first()),
        kept=[(1, "2020-02-01"), (2, "2020-01-01")],
    ),
    Finds(
        "Of several first events on one day the one with the smallest key is first",
        times(1, "2020-01-01", "2020-01-01"),
        cohort("c").enter(E11.first()),
        keys=[1],
    ),
    Finds(
        "last() keeps the events of the latest day",
        times(1, "2020-01-01", "2020-03-01", "2020-03-01"),
        cohort("c").enter(E11.last()),
        keys=[2, 3],
    ),
    Finds(
        "first() of a union takes the earliest day over all its domains",
        (diagnosis(1, "2020-03-01"), lab(1, "2020-02-01"), diagnosis(2, "2020-01-01"), lab(2, "2020-02-01")),
        cohort("c").enter(any_event(E11, LDH).first()),
        kept=[(1, "2020-02-01"), (2, "2020-01-01")],
    ),
    Holds(
        "Orders are drugs and procedures whose record type says ordered",
        (
            drug(1, INDEX_DAY, drug_type_concept_id=32838),
            procedure(2, INDEX_DAY, procedure_type_concept_id=32833),
            drug(3, INDEX_DAY, drug_type_concept_id=32817),
        ),
        orders(),
        [1, 2],
    ),
)
def test_counts(spec: Spec, make) -> None:
    spec.check(make)
