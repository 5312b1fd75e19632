"""Entry events, index dates and limits."""

from tests.lib.spec import Finds, Refuses, Spec, diagnosis, lab, period, specs
from workbench.cohort.language import age, any_event, cohort, diagnoses, labs, observed

E11 = diagnoses("E11")

THREE = (diagnosis(1, "2020-03-01"), diagnosis(1, "2020-01-01"), diagnosis(1, "2020-02-01"), diagnosis(2, "2020-05-05"))
TIES = (diagnosis(1, "2020-03-01"), diagnosis(1, "2020-01-01"), diagnosis(1, "2020-03-01"), diagnosis(1, "2020-01-01"))


@specs(
    Finds(
        "Every entry event starts a clock: its start is an index date",
        THREE,
        cohort("c").enter(E11),
        kept=[(1, "2020-01-01"), (1, "2020-02-01"), (1, "2020-03-01"), (2, "2020-05-05")],
    ),
    Finds(
        "limit='first' keeps each person's earliest entry",
        THREE,
        cohort("c").enter(E11, limit="first"),
        kept=[(1, "2020-01-01"), (2, "2020-05-05")],
    ),
    Finds(
        "limit='last' keeps each person's latest entry",
        THREE,
        cohort("c").enter(E11, limit="last"),
        kept=[(1, "2020-03-01"), (2, "2020-05-05")],
    ),
    Finds(
        "Of several first entries on one day, the one with the smallest key is kept", TIES, cohort("c").enter(E11, limit="first"), keys=[2]
    ),
    Finds(
        "Of several last entries on one day, the one with the smallest key is kept", TIES, cohort("c").enter(E11, limit="last"), keys=[1]
    ),
    Finds(
        "Entry events may come from several domains",
        (diagnosis(1, "2020-03-01"), lab(1, "2020-02-01"), lab(2, "2020-04-01")),
        cohort("c").enter(E11, labs("LDH"), limit="first"),
        kept=[(1, "2020-02-01"), (2, "2020-04-01")],
    ),
    Finds(
        "A union of events enters like its parts",
        (diagnosis(1, "2020-03-01"), lab(1, "2020-02-01"), lab(2, "2020-04-01")),
        cohort("c").enter(any_event(E11, labs("LDH")), limit="first"),
        kept=[(1, "2020-02-01"), (2, "2020-04-01")],
    ),
    Finds(
        "On one day and with one key, the event set named first comes first",
        (lab(1, "2020-03-01"), diagnosis(1, "2020-03-01", end="2020-03-20")),
        cohort("c").enter(E11, labs("LDH"), limit="first").exit_at(days=0, after="end"),
        rows=[(1, "2020-03-01", "2020-03-20")],
    ),
    Finds(
        "An event that two entry sets hold enters once for each",
        (diagnosis(1, "2020-03-01"),),
        cohort("c").enter(E11, diagnoses()),
        kept=[(1, "2020-03-01"), (1, "2020-03-01")],
    ),
    Finds(
        "observed= drops entries without such observation before the limit is applied",
        (diagnosis(1, "2020-01-01"), diagnosis(1, "2021-06-01"), period(1, "2020-01-01", "2021-12-31")),
        cohort("c").enter(E11, limit="first", observed=observed(before_days=365)),
        kept=[(1, "2021-06-01")],
    ),
    Finds(
        "qualifying= drops entries after the limit",
        (diagnosis(1, "2020-01-01"), diagnosis(1, "2020-06-01"), lab(1, "2020-06-01"), diagnosis(2, "2020-06-01"), lab(2, "2020-06-01")),
        cohort("c").enter(E11, limit="first", qualifying=labs("LDH").on_index()),
        kept=[(2, "2020-06-01")],
    ),
    Finds(
        "qualified_limit limits the entries that qualify",
        (diagnosis(1, "2020-01-01"), diagnosis(1, "2020-06-01"), diagnosis(1, "2020-08-01"), lab(1, "2020-06-01"), lab(1, "2020-08-01")),
        cohort("c").enter(E11, qualifying=labs("LDH").on_index(), qualified_limit="first"),
        kept=[(1, "2020-06-01")],
    ),
    Finds(
        "keep('first') keeps the first entry that meets every rule",
        (*THREE, lab(1, "2020-02-01"), lab(1, "2020-03-01")),
        cohort("c").enter(E11).require("LDH", labs("LDH").on_index()).keep("first"),
        kept=[(1, "2020-02-01")],
    ),
    Finds(
        "keep('last') keeps the last entry that meets every rule",
        (*THREE, lab(1, "2020-01-01"), lab(1, "2020-02-01")),
        cohort("c").enter(E11).require("LDH", labs("LDH").on_index()).keep("last"),
        kept=[(1, "2020-02-01")],
    ),
    Finds("A cohort without rules keeps every entry", (diagnosis(1, "2020-01-01"),), cohort("c").enter(E11), kept=[(1, "2020-01-01")]),
    Finds(
        "A required rule must hold and an excluded one must not",
        (
            diagnosis(1, "2020-01-01"),
            diagnosis(2, "2020-01-01"),
            diagnosis(3, "2020-01-01"),
            lab(1, "2020-01-01"),
            lab(2, "2020-01-01"),
            lab(2, "2020-01-01", code="CRP"),
        ),
        cohort("c").enter(E11).require("LDH", labs("LDH")).exclude("CRP", labs("CRP")),
        kept=[(1, "2020-01-01")],
    ),
    Finds(
        "A row without a start date is no event",
        (diagnosis(1, "2020-01-01"), diagnosis(2, "2020-01-01", condition_start_date=None)),
        cohort("c").enter(E11),
        kept=[(1, "2020-01-01")],
    ),
    Finds(
        "A row without a person is no event",
        (diagnosis(1, "2020-01-01"), diagnosis(None, "2020-01-01")),
        cohort("c").enter(E11),
        kept=[(1, "2020-01-01")],
    ),
    Finds("A table that the snapshot lacks is empty", (), cohort("c").enter(E11).require("LDH", labs("LDH")), rows=[], kept=[]),
    Refuses("A cohort needs an entry event", lambda: cohort("c").definition, "no entry event"),
    Refuses("A cohort has one entry", lambda: cohort("c").enter(E11).enter(E11), "entry event already"),
    Refuses("Entry events have no index, so they cannot be placed in a window", lambda: cohort("c").enter(E11.before()), "entry of 'c'"),
    Refuses("Entry events have no index, so they cannot be counted around one", lambda: cohort("c").enter(E11.at_least(2)), "entry of 'c'"),
    Refuses("observed= takes wb.observed(...) only", lambda: cohort("c").enter(E11, observed=age >= 18), "observed="),
    Refuses("A limit is all, first or last", lambda: cohort("c").enter(E11, limit="frist"), "did you mean 'first'?"),
    Refuses("Two rules cannot have one name", lambda: cohort("c").enter(E11).require("a", age > 1).exclude("a", age > 2), "twice: a"),
    Refuses("A rule needs a name", lambda: cohort("c").enter(E11).require(" ", age > 1), "no name"),
)
def test_entry(spec: Spec, make) -> None:
    spec.check(make)
