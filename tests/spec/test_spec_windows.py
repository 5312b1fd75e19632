"""Windows around the index: days, hours, open sides, edges, the index's own visit, observation."""

from tests.lib.spec import INDEX_DAY, Finds, Holds, Refuses, Spec, diagnosis, drug, image, index, lab, period, specs
from workbench.cohort.language import cohort, deaths, diagnoses, encounters, images, labs, medications

LDH = labs("LDH")
# Days -91, -90, -1, 0, 1, 90, 91 from the index, one person each.
AROUND = tuple(
    lab(person_id, day)
    for person_id, day in enumerate(
        ("2020-03-16", "2020-03-17", "2020-06-14", INDEX_DAY, "2020-06-16", "2020-09-13", "2020-09-14"), start=1
    )
)
AT_EIGHT = tuple(index(person_id, "2020-06-15 08:00") for person_id in range(1, 7))
TIMES = (
    *AT_EIGHT,
    lab(1, "2020-06-15 07:59"),
    lab(2, "2020-06-15 08:00"),
    lab(3, "2020-06-16 08:00"),
    lab(4, "2020-06-16 08:01"),
    lab(5, "2020-06-15"),
    lab(6, "2020-06-14 08:00"),
)
STAYS = (
    drug(1, "2020-06-01", end="2020-06-14"),
    drug(2, "2020-06-01", end="2020-06-15"),
    drug(3, "2020-06-01", end="2020-06-30"),
    drug(4, "2020-06-20", end="2020-06-30"),
)
LONG = (index(1, INDEX_DAY, "2020-06-25"), index(2, INDEX_DAY, "2020-06-25"))


@specs(
    Holds("Events without a window count at any time", AROUND, LDH, [1, 2, 3, 4, 5, 6, 7]),
    Holds("Both ends of a window of days belong to it", AROUND, LDH.within(days=(-90, 90)), [2, 3, 4, 5, 6]),
    Holds("A window may begin and end on the same day", AROUND, LDH.within(days=(-1, -1)), [3]),
    Holds("A window open to the past has no earliest day", AROUND, LDH.within(days=(None, -90)), [1, 2]),
    Holds("A window open to the future has no latest day", AROUND, LDH.within(days=(90, None)), [6, 7]),
    Holds("A window open on both sides places nothing", AROUND, LDH.within(days=(None, None)), [1, 2, 3, 4, 5, 6, 7]),
    Holds("Several windows must all hold", AROUND, LDH.within(days=(-90, 90)).within(days=(0, None)), [4, 5, 6]),
    Holds("before() means strictly before the index date", AROUND, LDH.before(), [1, 2, 3]),
    Holds("before(days=n) means at least n days before", AROUND, LDH.before(days=90), [1, 2]),
    Holds("after() means strictly after the index date", AROUND, LDH.after(), [5, 6, 7]),
    Holds("after(days=n) means at least n days after", AROUND, LDH.after(days=91), [7]),
    Holds("on_index() means on the index date", AROUND, LDH.on_index(), [4]),
    Holds("Days compare dates, whatever the time", (lab(1, "2020-06-15 23:59"), lab(2, "2020-06-16 00:00")), LDH.on_index(), [1]),
    Holds("Both ends of a window of hours belong to it", TIMES, LDH.within(hours=(0, 24)), [2, 3]),
    Holds("Hours before the index are negative", TIMES, LDH.within(hours=(-24, -1)), [6]),
    Holds("An open window of hours still needs times on both sides", TIMES, LDH.within(hours=(None, None)), [1, 2, 3, 4, 6]),
    Holds("Hours may be open to the past", TIMES, LDH.within(hours=(None, 0)), [1, 2, 6]),
    Holds("Without a time of the index no window of hours holds", (lab(1, "2020-06-15 08:00"),), LDH.within(hours=(-100, 100)), []),
    Holds(
        "A domain without times lies in no window of hours", (*AT_EIGHT, image(1, INDEX_DAY, "CT")), images().within(hours=(None, None)), []
    ),
    Holds("A window may place the end of an event", STAYS, medications().within(days=(0, None), event="end"), [2, 3, 4]),
    Holds(
        "Start and end of an event may be placed together: it covers the index date",
        STAYS,
        medications().within(days=(None, 0)).within(days=(0, None), event="end"),
        [2, 3],
    ),
    Holds(
        "An event without an end ends the day after it starts",
        (drug(1, "2020-06-14"), drug(2, "2020-06-13")),
        medications().within(days=(0, None), event="end"),
        [1],
    ),
    Holds(
        "A drug without an end lasts for its days of supply",
        (drug(1, "2020-06-01", days_supply=14), drug(2, "2020-06-01", days_supply=13), drug(3, INDEX_DAY, days_supply=0)),
        medications().within(days=(0, None), event="end"),
        [1, 3],
    ),
    Holds(
        "A recorded end goes before the days of supply",
        (drug(1, "2020-06-01", end="2020-06-02", days_supply=90),),
        medications().within(days=(0, None), event="end"),
        [],
    ),
    Holds(
        "A window may be counted from the end of the index event",
        (*LONG, lab(1, "2020-06-24"), lab(2, "2020-06-26")),
        LDH.within(days=(0, 30), index="end"),
        [2],
    ),
    Holds(
        "An index event without an end ends the day after it starts",
        (lab(1, "2020-06-15"), lab(2, "2020-06-16")),
        LDH.within(days=(0, 0), index="end"),
        [2],
    ),
    Holds(
        "same_visit() takes events of the index event's own visit",
        (index(1), index(2), lab(1, INDEX_DAY, visit_occurrence_id=1), lab(2, INDEX_DAY, visit_occurrence_id=1)),
        LDH.same_visit(),
        [1],
    ),
    Finds(
        "An index event without a visit shares none",
        (diagnosis(1, INDEX_DAY), lab(1, INDEX_DAY)),
        cohort("c").enter(diagnoses("E11")).require("same visit", LDH.same_visit()),
        kept=[],
    ),
    Holds("An event without a visit is in no visit of the index", (index(1), lab(1, INDEX_DAY)), LDH.same_visit(), []),
    Holds(
        "within_observation() takes events of the observation period that holds the index date",
        (
            *(lab(person_id, "2020-02-01") for person_id in (1, 2, 3)),
            period(1, "2020-01-01", "2020-12-31"),
            period(2, "2020-01-01", "2020-03-31"),
            period(2, "2020-06-01", "2020-12-31"),
        ),
        LDH.within_observation(),
        [1],
    ),
    Holds(
        "Both days of an observation period belong to it",
        (lab(1, "2020-06-20"), period(1, INDEX_DAY, "2020-06-20"), lab(2, "2020-06-21"), period(2, INDEX_DAY, "2020-06-20")),
        LDH.within_observation(),
        [1],
    ),
    Holds(
        "within_observation() closes the open side of a window on an event's end",
        (
            drug(1, "2020-06-20", end="2020-06-30"),
            drug(2, "2020-06-20", end="2020-07-01"),
            *(period(person_id, "2020-01-01", "2020-06-30") for person_id in (1, 2)),
        ),
        medications().within(days=(0, None), event="end").within_observation(),
        [1],
    ),
    Holds("The index event itself counts where it fits", (index(1),), encounters("INDEX").on_index(), [1]),
    Holds("Only events of the same person count", (lab(1, INDEX_DAY), lab(2, "2020-01-01")), LDH.on_index(), [1]),
    Refuses("A window cannot end before it starts", lambda: _rule(LDH.within(days=(1, -1))), "swap the two"),
    Refuses("A window is a pair of days", lambda: _rule(LDH.within(days=90)), "wanted two whole numbers"),
    Refuses("A window is given in days or in hours", lambda: _rule(LDH.within()), "one of them"),
    Refuses("A window in hours is counted from start to start", lambda: _rule(LDH.within(hours=(0, 24), event="end")), "start to start"),
    Refuses("Days are whole numbers", lambda: _rule(LDH.before(days="30")), "wanted two whole numbers"),
)
def test_windows(spec: Spec, make) -> None:
    spec.check(make)


def _rule(criterion) -> object:
    return cohort("c").enter(deaths()).require("rule", criterion)
