"""Age, sex, calendar, observation, membership of other cohorts, and how criteria are joined."""

from tests.lib.spec import INDEX_DAY, Holds, Refuses, Spec, diagnosis, index, lab, period, person, specs
from workbench.codelists import icd10cn
from workbench.cohort.language import (
    age,
    all_of,
    any_of,
    at_least_of,
    at_most_of,
    calendar_age,
    cohort,
    deaths,
    diagnoses,
    ethnicity,
    in_cohort,
    index_date,
    labs,
    not_,
    observed,
    race,
    sex,
)

# Day before, on and after the 20th birthday; month missing (July), day missing (1st), both missing; no year, no person row.
BORN = (
    *(
        person(person_id, born)
        for person_id, born in enumerate(
            ("2000-06-16", "2000-06-15", "2000-06-14", "2000-00-15", "2000-06-00", "1999-00-00", "2001-00-00"), start=1
        )
    ),
    person(8, None),
    *(index(person_id) for person_id in range(1, 10)),
)
LEAP = (person(1, "2000-02-29"), index(1, "2018-02-28"), person(2, "2000-02-29"), index(2, "2018-03-01"))
SEXES = (person(1, sex=8532), person(2, sex=8507), person(3, sex=0), person(4, sex=None), *(index(person_id) for person_id in range(1, 6)))
PERIODS = (
    *(index(person_id) for person_id in range(1, 7)),
    period(1, "2019-06-16", "2020-12-31"),  # 365 days before, 2020 being a leap year
    period(2, "2019-06-17", "2020-12-31"),
    period(3, "2019-01-01", "2020-06-14"),
    period(4, "2019-01-01", "2020-06-01"),
    period(4, "2020-06-10", "2020-12-31"),
    period(5, "2018-01-01", INDEX_DAY),
)
SICK = (
    *(index(person_id) for person_id in (1, 2, 3, 4)),
    diagnosis(1, "2020-06-01"),
    diagnosis(2, "2020-01-01"),
    diagnosis(3, "2020-06-20"),
)
FACTS = (
    *(index(person_id) for person_id in (1, 2, 3, 4)),
    lab(1, INDEX_DAY, code="a"),
    lab(1, INDEX_DAY, code="b"),
    lab(1, INDEX_DAY, code="c"),
    lab(2, INDEX_DAY, code="a"),
    lab(2, INDEX_DAY, code="b"),
    lab(3, INDEX_DAY, code="a"),
)
A, B, C = labs("a"), labs("b"), labs("c")
sick = cohort("sick").enter(diagnoses("E11"))


@specs(
    Holds("Age counts whole years by the birthday; a missing month is July, a missing day the 1st", BORN, age >= 20, [2, 3, 5, 6]),
    Holds("Calendar age subtracts the years", BORN, calendar_age >= 20, [1, 2, 3, 4, 5, 6]),
    Holds("Whose year of birth is not known has no age", BORN, (age >= 0) | (age < 0), [1, 2, 3, 4, 5, 6, 7]),
    Holds("age.between: both ends belong to it", BORN, age.between(19, 19), [1, 4]),
    Holds("age == compares for equality", BORN, age == 20, [2, 3, 5, 6]),
    Holds("age != leaves out those without an age", BORN, age != 20, [1, 4, 7]),
    Holds("Who was born on 29 February is a year older on 1 March of other years", LEAP, age >= 18, [2]),
    Holds("sex takes the words female and male", SEXES, sex == "female", [1]),
    Holds("sex != leaves out those whose sex is missing, not those whose sex is recorded as unknown", SEXES, sex != "female", [2, 3]),
    Holds("sex.is_in takes several, and concept ids", SEXES, sex.is_in("male", 0), [2, 3]),
    Holds(
        "race and ethnicity are concept ids",
        (person(1, race_concept_id=8515), person(2, race_concept_id=8527), index(1), index(2)),
        race == 8515,
        [1],
    ),
    Holds(
        "ethnicity is a column of its own",
        (person(1, ethnicity_concept_id=5), person(2, ethnicity_concept_id=6), index(1), index(2)),
        ethnicity != 5,
        [2],
    ),
    Holds("index_date asks for the calendar", (index(1, "2019-12-31"), index(2, "2020-01-01")), index_date >= "2020-01-01", [2]),
    Holds(
        "index_date.between: both ends belong to it",
        (index(1, "2020-01-01"), index(2, "2020-01-31"), index(3, "2020-02-01")),
        index_date.between("2020-01-01", "2020-01-31"),
        [1, 2],
    ),
    Holds("observed() asks that an observation period holds the index date", PERIODS, observed(), [1, 2, 4, 5]),
    Holds("observed(before_days=n) asks for n days before, in one period", PERIODS, observed(before_days=365), [1, 5]),
    Holds("observed(after_days=n) asks for n days after, in the same period", PERIODS, observed(after_days=1), [1, 2, 4]),
    Holds("Without observation periods nobody is observed", (index(1),), observed(), []),
    Holds("in_cohort() asks for membership at any time", SICK, in_cohort(sick), [1, 2, 3]),
    Holds("in_cohort(days=...) places the start of the other cohort's row around the index", SICK, in_cohort(sick, days=(-30, 0)), [1]),
    Holds(
        "in_cohort(event='end') places its end",
        (index(1), index(2), diagnosis(1, "2020-01-01", end="2020-06-15"), diagnosis(2, "2020-01-01", end="2020-06-14")),
        in_cohort(sick, days=(0, 0), event="end"),
        [1],
    ),
    Holds(
        "Membership means a row that the other cohort's rules and exit leave",
        SICK,
        in_cohort(sick.require("later", index_date > "2020-06-01")),
        [3],
    ),
    Holds(
        "Membership of a combination of cohorts",
        SICK,
        in_cohort(sick - cohort("late").enter(diagnoses().where(start_gt=INDEX_DAY))),
        [1, 2],
    ),
    Holds("a & b: both hold", FACTS, A & B, [1, 2]),
    Holds("a | b: at least one holds", FACTS, B | C, [1, 2]),
    Holds("~a: it does not hold", FACTS, ~A, [4]),
    Holds("not_(a) is ~a", FACTS, not_(B), [3, 4]),
    Holds("all_of: every criterion holds", FACTS, all_of(A, B, C), [1]),
    Holds("any_of: at least one criterion holds", FACTS, any_of(A, B, C), [1, 2, 3]),
    Holds("at_least_of(n): n or more of them hold", FACTS, at_least_of(2, A, B, C), [1, 2]),
    Holds("at_most_of(n): n or fewer of them hold", FACTS, at_most_of(1, A, B, C), [3, 4]),
    Holds("Of no criteria, all hold", FACTS, all_of(), [1, 2, 3, 4]),
    Holds("Of no criteria, none holds", FACTS, any_of(), []),
    Holds("Joined criteria may be joined again", FACTS, (A & ~B) | (C & B), [1, 3]),
    Holds("Not missing a value is not the same as another value: ~ turns a missing answer into yes", BORN, ~(age >= 20), [1, 4, 7, 8, 9]),
    Refuses("Criteria are joined with &, not with `and`", lambda: A and B, "a & b"),
    Refuses("Criteria are negated with ~, not with `not`", lambda: not A, "~a"),
    Refuses("Comparisons are not chained", lambda: 18 <= age <= 80, "wb.age.between(18, 80)"),
    Refuses("Age itself is no criterion", lambda: _rule(age), "compare it: wb.age >= 18"),
    Refuses("A codelist is no criterion", lambda: _rule(icd10cn("E11")), "say whose codes they are"),
    Refuses("A cohort is no criterion", lambda: _rule(sick), "wb.in_cohort(other)"),
    Refuses("A truth value is no criterion", lambda: _rule(True), "where a criterion is wanted"),
    Refuses("Age is compared with numbers", lambda: _rule(age >= "18"), "compared with '18'"),
    Refuses("An unknown sex is named with those that are known", lambda: _rule(sex == "femal"), "did you mean 'female'?"),
    Refuses("in_cohort takes a cohort", lambda: _rule(in_cohort(A)), "where a cohort is wanted"),
    Refuses("Days of observation are not negative", lambda: _rule(observed(before_days=-1)), "days observed before is -1"),
)
def test_person(spec: Spec, make) -> None:
    spec.check(make)


def _rule(criterion) -> object:
    return cohort("c").enter(deaths()).require("rule", criterion)
