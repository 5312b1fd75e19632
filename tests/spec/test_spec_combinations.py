"""Unions, intersections and differences of cohorts."""

from tests.lib.spec import Finds, Refuses, Spec, diagnosis, lab, specs
from workbench.cohort.language import cohort, diagnoses, difference, intersection, labs, union

GIVEN = (
    diagnosis(1, "2020-01-01", end="2020-01-31"),
    diagnosis(1, "2020-03-01", end="2020-03-31"),
    diagnosis(2, "2020-01-01", end="2020-01-31"),
    lab(1, "2020-01-01"),
    lab(1, "2020-02-01"),
    lab(3, "2020-01-01"),
)
dm, ldh = cohort("dm").enter(diagnoses("E11")), cohort("ldh").enter(labs("LDH"))
never = cohort("never").enter(labs("CRP"))


@specs(
    Finds(
        "A union holds the rows of all; of rows with one person and start, those of the cohort named first",
        GIVEN,
        dm | ldh,
        rows=[
            (1, "2020-01-01", "2020-01-31"),
            (1, "2020-02-01", "2020-02-02"),
            (1, "2020-03-01", "2020-03-31"),
            (2, "2020-01-01", "2020-01-31"),
            (3, "2020-01-01", "2020-01-02"),
        ],
    ),
    Finds(
        "The order of a union matters for such rows",
        GIVEN,
        ldh | dm,
        rows=[
            (1, "2020-01-01", "2020-01-02"),
            (1, "2020-02-01", "2020-02-02"),
            (1, "2020-03-01", "2020-03-31"),
            (2, "2020-01-01", "2020-01-31"),
            (3, "2020-01-01", "2020-01-02"),
        ],
    ),
    Finds(
        "An intersection keeps the rows of the first whose person is in every other",
        GIVEN,
        dm & ldh,
        rows=[(1, "2020-01-01", "2020-01-31"), (1, "2020-03-01", "2020-03-31")],
    ),
    Finds("A difference keeps the rows of the first whose person is in no other", GIVEN, dm - ldh, rows=[(2, "2020-01-01", "2020-01-31")]),
    Finds("An intersection with an empty cohort is empty", GIVEN, dm & never, rows=[]),
    Finds(
        "A difference from an empty cohort is the first cohort",
        GIVEN,
        dm - never,
        rows=[(1, "2020-01-01", "2020-01-31"), (1, "2020-03-01", "2020-03-31"), (2, "2020-01-01", "2020-01-31")],
    ),
    Finds("Three cohorts may be joined at once", GIVEN, difference(dm, ldh, never), rows=[(2, "2020-01-01", "2020-01-31")]),
    Finds("Every other cohort must hold the person of an intersection", GIVEN, intersection(dm, ldh, never), rows=[]),
    Finds("Combinations may be joined again", GIVEN, (dm | ldh) - dm, rows=[(3, "2020-01-01", "2020-01-02")]),
    Finds(
        "Rows that one cohort holds twice stay twice in a union",
        (diagnosis(1, "2020-01-01"), diagnosis(1, "2020-01-01")),
        dm | never,
        rows=[(1, "2020-01-01", "2020-01-02"), (1, "2020-01-01", "2020-01-02")],
    ),
    Finds("A combination has no entries of its own", GIVEN, dm | ldh, kept=[]),
    Refuses("A combination needs two cohorts", lambda: union(dm), "wanted two or more"),
    Refuses("Only cohorts are combined", lambda: union(dm, labs("LDH")), "union joins cohorts"),
    Refuses("Cohorts are joined with |, & and -, not with `and`", lambda: dm and ldh, "a & b"),
)
def test_combinations(spec: Spec, make) -> None:
    spec.check(make)


def test_parts_are_answered_in_order(make) -> None:
    from tests.lib.spec import tables

    answer = make(tables(*GIVEN)).run((dm | ldh).definition)
    assert [part.rows.num_rows for part in answer.parts] == [3, 3]
