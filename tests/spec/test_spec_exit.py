"""When follow-up ends, and what becomes of a person's rows."""

from tests.lib.spec import Finds, Refuses, Spec, death, diagnosis, drug, lab, period, specs
from workbench.cohort.language import cohort, deaths, diagnoses, labs, medications

DM = cohort("c").enter(diagnoses("E11"))
ONE = (diagnosis(1, "2020-03-01", end="2020-03-05"),)
OBSERVED = (*ONE, period(1, "2020-01-01", "2020-12-31"))


def on_insulin(*spans, **options):
    given = tuple(drug(1, start, end=end) for start, end in spans)
    return (*OBSERVED, *given), DM.exit_at(while_on=medications("insulin"), **options)


def era(title: str, spans, end: str, **options) -> Finds:
    given, asked = on_insulin(*spans, **options)
    return Finds(title, given, asked, rows=[(1, "2020-03-01", end)])


@specs(
    Finds(
        "With nothing said, follow-up ends with the observation period that holds the index date",
        OBSERVED,
        DM,
        rows=[(1, "2020-03-01", "2020-12-31")],
    ),
    Finds("Where no period holds the index date, it ends with the index event", ONE, DM, rows=[(1, "2020-03-01", "2020-03-05")]),
    Finds("An index event without an end ends the day after", (diagnosis(1, "2020-03-01"),), DM, rows=[(1, "2020-03-01", "2020-03-02")]),
    Finds(
        "exit_at(days=n) ends n days after the start of the index event",
        OBSERVED,
        DM.exit_at(days=30),
        rows=[(1, "2020-03-01", "2020-03-31")],
    ),
    Finds("exit_at(days=0) ends on the index date", OBSERVED, DM.exit_at(days=0), rows=[(1, "2020-03-01", "2020-03-01")]),
    Finds(
        "exit_at(after='end') counts from the end of the index event",
        OBSERVED,
        DM.exit_at(days=30, after="end"),
        rows=[(1, "2020-03-01", "2020-04-04")],
    ),
    Finds("No exit lies after the end of observation", OBSERVED, DM.exit_at(days=1000), rows=[(1, "2020-03-01", "2020-12-31")]),
    Finds("Without observation an exit by days is not cut", ONE, DM.exit_at(days=1000), rows=[(1, "2020-03-01", "2022-11-26")]),
    era("exit_at(while_on=...) ends with the run of events that holds the index date", [("2020-02-01", "2020-05-01")], "2020-05-01"),
    era(
        "Events that touch or overlap are one run",
        [("2020-02-01", "2020-04-01"), ("2020-04-01", "2020-05-01"), ("2020-04-15", "2020-04-20")],
        "2020-05-01",
    ),
    era("An event inside another does not shorten the run", [("2020-02-01", "2020-06-01"), ("2020-02-10", "2020-02-12")], "2020-06-01"),
    era("A run that begins on the index date holds it", [("2020-03-01", "2020-04-01")], "2020-04-01"),
    era("A run that ends on the index date holds it", [("2020-02-01", "2020-03-01")], "2020-03-01"),
    era("A gap breaks the run", [("2020-02-01", "2020-04-01"), ("2020-04-02", "2020-05-01")], "2020-04-01"),
    era(
        "A gap of gap_days does not break the run", [("2020-02-01", "2020-04-01"), ("2020-05-01", "2020-06-01")], "2020-06-01", gap_days=30
    ),
    era("A longer gap does", [("2020-02-01", "2020-04-01"), ("2020-05-02", "2020-06-01")], "2020-04-01", gap_days=30),
    era(
        "extra_days let each event outlast its end",
        [("2020-02-01", "2020-04-01"), ("2020-04-08", "2020-05-01")],
        "2020-05-08",
        extra_days=7,
    ),
    era("Extra days alone may hold the index date", [("2020-02-01", "2020-02-25")], "2020-03-06", extra_days=10),
    era("supply_days replace the recorded end", [("2020-02-15", "2020-12-01")], "2020-03-16", supply_days=30),
    era("Without a run that holds the index date it ends with observation", [("2020-04-01", "2020-05-01")], "2020-12-31"),
    era("A run is cut by the end of observation", [("2020-02-01", "2021-05-01")], "2020-12-31"),
    era(
        "A chain of runs may be long",
        [("2020-02-20", "2020-03-10"), ("2020-03-15", "2020-03-20"), ("2020-03-25", "2020-04-01")],
        "2020-04-01",
        gap_days=5,
    ),
    Finds(
        "censor() ends follow-up at the first such event",
        (*OBSERVED, death(1, "2020-06-01")),
        DM.censor(deaths()),
        rows=[(1, "2020-03-01", "2020-06-01")],
    ),
    Finds(
        "A censoring event on the index date ends follow-up there",
        (*OBSERVED, death(1, "2020-03-01")),
        DM.censor(deaths()),
        rows=[(1, "2020-03-01", "2020-03-01")],
    ),
    Finds(
        "A censoring event before the index date does nothing",
        (*OBSERVED, lab(1, "2020-02-01")),
        DM.censor(labs("LDH")),
        rows=[(1, "2020-03-01", "2020-12-31")],
    ),
    Finds(
        "A censoring event after the exit does nothing",
        (*OBSERVED, death(1, "2020-06-01")),
        DM.exit_at(days=30).censor(deaths()),
        rows=[(1, "2020-03-01", "2020-03-31")],
    ),
    Finds("Censoring needs no observation", (*ONE, lab(1, "2020-03-03")), DM.censor(labs("LDH")), rows=[(1, "2020-03-01", "2020-03-03")]),
    Finds(
        "The earliest of several censoring events counts",
        (*OBSERVED, death(1, "2020-06-01"), lab(1, "2020-05-01")),
        DM.censor(deaths(), labs("LDH")),
        rows=[(1, "2020-03-01", "2020-05-01")],
    ),
    Finds(
        "Without collapse() every kept entry gives a row",
        (diagnosis(1, "2020-03-01", end="2020-03-09"), diagnosis(1, "2020-03-05", end="2020-03-07")),
        DM,
        rows=[(1, "2020-03-01", "2020-03-09"), (1, "2020-03-05", "2020-03-07")],
    ),
    Finds(
        "collapse() merges rows that overlap or share a day",
        (
            diagnosis(1, "2020-03-01", end="2020-03-09"),
            diagnosis(1, "2020-03-09", end="2020-03-12"),
            diagnosis(1, "2020-03-13", end="2020-03-14"),
            diagnosis(2, "2020-03-09", end="2020-03-12"),
        ),
        DM.collapse(),
        rows=[(1, "2020-03-01", "2020-03-12"), (1, "2020-03-13", "2020-03-14"), (2, "2020-03-09", "2020-03-12")],
    ),
    Finds(
        "collapse(gap_days=n) merges rows that start at most n days after the latest end",
        (
            diagnosis(1, "2020-03-01", end="2020-03-09"),
            diagnosis(1, "2020-03-02", end="2020-03-03"),
            diagnosis(1, "2020-03-16", end="2020-03-17"),
            diagnosis(1, "2020-03-25", end="2020-03-26"),
        ),
        DM.collapse(gap_days=7),
        rows=[(1, "2020-03-01", "2020-03-17"), (1, "2020-03-25", "2020-03-26")],
    ),
    Finds(
        "between_dates() clips rows and drops those outside",
        (
            diagnosis(1, "2020-03-01", end="2020-03-09"),
            diagnosis(2, "2020-02-01", end="2020-02-28"),
            diagnosis(3, "2020-03-05", end="2020-03-31"),
        ),
        DM.between_dates("2020-03-03", "2020-03-20"),
        rows=[(1, "2020-03-03", "2020-03-09"), (3, "2020-03-05", "2020-03-20")],
    ),
    Finds(
        "between_dates() may be open on one side",
        (diagnosis(1, "2020-03-01", end="2020-03-09"), diagnosis(2, "2020-02-01", end="2020-02-28")),
        DM.between_dates("2020-03-09", None),
        rows=[(1, "2020-03-09", "2020-03-09")],
    ),
    Finds(
        "Rows are merged before they are clipped",
        (diagnosis(1, "2020-03-01", end="2020-03-02"), diagnosis(1, "2020-03-05", end="2020-03-09")),
        DM.collapse(gap_days=3).between_dates("2020-03-03", "2020-03-04"),
        rows=[(1, "2020-03-03", "2020-03-04")],
    ),
    Finds(
        "An entry that would end before its index date is kept but gives no row",
        (diagnosis(1, "2020-03-05", end="2020-03-01"),),
        DM,
        rows=[],
        kept=[(1, "2020-03-05")],
    ),
    Refuses("An exit is by days or by a run of events", lambda: DM.exit_at(days=1, while_on=medications()), "one of the two"),
    Refuses("Exit days are not negative", lambda: DM.exit_at(days=-1), "exit days is -1"),
    Refuses("Events of an exit have no index to be placed from", lambda: DM.exit_at(while_on=medications().after()), "exit of 'c'"),
    Refuses("Censoring events have no index to be placed from", lambda: DM.censor(deaths().after()), "censoring of 'c'"),
    Refuses("A gap is not negative", lambda: DM.collapse(gap_days=-1), "collapse_gap_days"),
)
def test_exit(spec: Spec, make) -> None:
    spec.check(make)
