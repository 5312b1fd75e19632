"""Encounters: why, where, when and how long; readmissions; and the last admission of those who die."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from workbench.synthetic.catalogue import AGE_BANDS, CANCERS, catalogue, read_table
from workbench.synthetic.columns import DAY_SECONDS, pick, repeat, stream
from workbench.synthetic.seasons import FIRST_COVID, STUDY_END, clock, draw_days, in_season
from workbench.synthetic.survival import Deaths, draw_deaths

if TYPE_CHECKING:
    from workbench.synthetic.people import People

__all__ = ["EMERGENCY", "INPATIENT", "OUTPATIENT", "SETTINGS", "Visits", "draw_visits"]

INPATIENT, OUTPATIENT, EMERGENCY = 0, 1, 2
SETTINGS = ("inpatient", "outpatient", "emergency")
_VISITS_PER_RATE = 1.7 / 1000
_READMITTED = 0.11
_LAST_ADMISSION = 0.32


@dataclass(frozen=True)
class Visits:
    """Encounters of one block in order of patient and time, each array of length n_visits.

    Parameters
    ----------
    person : ndarray of int
        Row of the patient.
    setting, reason : ndarray of int
        Place in `SETTINGS` and in the catalogue's reasons.
    start, end : ndarray of int
        Seconds since 1970-01-01.
    severity : ndarray of float
        Latent severity: 0 well, 1 as usual for an admission, 2 and more critical.
    icu : ndarray of bool
        Whether a part of the stay is spent in intensive care.
    died : ndarray of bool
        Whether the encounter ends with the patient's death.
    from_emergency : ndarray of bool
        Whether the patient was admitted through the emergency department.
    """

    person: np.ndarray
    setting: np.ndarray
    reason: np.ndarray
    start: np.ndarray
    end: np.ndarray
    severity: np.ndarray
    icu: np.ndarray
    died: np.ndarray
    from_emergency: np.ndarray

    def __len__(self) -> int:
        return len(self.person)

    @property
    def start_day(self) -> np.ndarray:
        """Days since 1970-01-01."""
        return self.start // DAY_SECONDS

    @property
    def end_day(self) -> np.ndarray:
        """Days since 1970-01-01."""
        return self.end // DAY_SECONDS

    @property
    def inpatient(self) -> np.ndarray:
        """Whether the encounter is an admission."""
        return self.setting == INPATIENT

    def take(self, rows: np.ndarray) -> Visits:
        """Keep `rows`, in their order."""
        return Visits(**{name: values[rows] for name, values in vars(self).items()})


def draw_visits(seed: int, people: People) -> tuple[Visits, Deaths]:
    """Draw all encounters of a block and the deaths that the planted hazards lead to.

    A patient's first admission is the index of the survival model; encounters after the death are dropped, the one it
    falls into ends with it, and a third of those who would die at home come back for a last admission.
    """
    rng = stream(seed, people.block, "visits")
    visits = _without_overlaps(_with_follow_ups(rng, people, _planned(rng, people)))
    deaths = draw_deaths(stream(seed, people.block, "survival"), people, visits)
    visits = _before_death(visits, deaths)
    visits = _without_overlaps(_concat([visits, _last_admissions(rng, people, visits, deaths)]))
    return _marked_deaths(rng, visits, deaths), deaths


def _rates(people: People, days: np.ndarray) -> np.ndarray:
    """Give the rate of every reason for every patient as of `days`, of shape (n, n_reasons)."""
    known, table = catalogue(), read_table("reasons")
    ages = people.age_at(np.arange(len(people)), days)
    bands = np.digitize(ages, AGE_BANDS)
    by_age = np.stack([table.numbers(f"a{band}") for band in range(len(AGE_BANDS) + 1)])
    by_sex = np.stack([table.numbers("female"), table.numbers("male")])
    present = people.onset <= days[:, None]
    rates = by_age[bands] * by_sex[people.sex]
    for column, disease in enumerate(table.texts("needs")):
        if disease != "-":
            rates[:, column] *= present[:, known.disease(disease)]
    boosts = read_table("reason_boosts")
    for disease, reason, ratio in zip(boosts.texts("disease"), boosts.texts("reason"), boosts.numbers("ratio"), strict=True):
        rates[:, known.reason(reason)] *= np.where(present[:, known.disease(disease)], ratio, 1.0)
    rates[:, known.reason("delivery")] *= ages < 49
    rates[:, known.reason("neonate")] *= ages < 0.09
    return rates


def _planned(rng: np.random.Generator, people: People) -> Visits:
    """Draw the encounters that no other leads to: one on the first day, the others by rate over the years of observation."""
    now, later = _rates(people, people.entry), _rates(people, people.exit)
    now = now * np.stack([in_season(season, people.entry) for season in read_table("reasons").texts("season")], axis=1)
    years = (people.exit - people.entry) / 365.25
    more = rng.poisson(people.frailty * later.sum(axis=1) * years * _VISITS_PER_RATE)
    more = np.minimum(more, 60) * (later.sum(axis=1) > 0)
    person, place = repeat(1 + more)
    reason = np.where(place == 0, pick(rng, now + 1e-9)[person], 0)
    reason[place > 0] = pick(rng, later[person[place > 0]])
    setting = _draw_setting(rng, reason)
    day = np.where(place == 0, people.entry[person], 0)
    first = np.maximum(people.entry[person] + 1, _onset_of_reason(people, person, reason))
    day[place > 0] = _seasonal_days(rng, reason, setting, first, people.exit[person])[place > 0]
    unheard_of = (reason == catalogue().reason("covid")) & (day < FIRST_COVID)
    reason[unheard_of] = catalogue().reason("influenza")
    return _complete(rng, people, person, setting, reason, day)


def _draw_setting(rng: np.random.Generator, reason: np.ndarray) -> np.ndarray:
    table = read_table("reasons")
    inpatient, emergency = table.numbers("p_in")[reason], table.numbers("p_ed")[reason]
    uniform = rng.random(len(reason))
    return np.where(uniform < inpatient, INPATIENT, np.where(uniform < inpatient + emergency, EMERGENCY, OUTPATIENT))


def _onset_of_reason(people: People, person: np.ndarray, reason: np.ndarray) -> np.ndarray:
    known = catalogue()
    needs = np.array([known.disease(name) if name != "-" else -1 for name in read_table("reasons").texts("needs")])[reason]
    onset = people.onset[person, needs]
    return np.where((needs >= 0) & np.isfinite(onset), onset, -1e6).astype(np.int64)


def _seasonal_days(rng: np.random.Generator, reason: np.ndarray, setting: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    seasons = np.array(read_table("reasons").texts("season"))[reason]
    last = np.minimum(last, STUDY_END)
    first = np.minimum(first, last)
    days = np.zeros(len(reason), np.int64)
    for season in np.unique(seasons):
        for kind, word in enumerate(SETTINGS):
            rows = np.flatnonzero((seasons == season) & (setting == kind))
            days[rows] = draw_days(rng, first[rows], last[rows], season=str(season), setting=word)
    return days


def _complete(
    rng: np.random.Generator, people: People, person: np.ndarray, setting: np.ndarray, reason: np.ndarray, day: np.ndarray
) -> Visits:
    """Add the time of day, the length of stay, the severity and intensive care."""
    table = read_table("reasons")
    seconds = np.zeros(len(person), np.int64)
    for kind, word in enumerate(SETTINGS):
        rows = np.flatnonzero(setting == kind)
        seconds[rows] = clock(rng, word, len(rows))
    age = people.age_at(person, day)
    severity = table.numbers("severity")[reason] * np.exp(rng.normal(0, 0.35, len(person)) - 0.06) * (0.85 + 0.004 * age)
    icu = (setting == INPATIENT) & (rng.random(len(person)) < table.numbers("icu")[reason] * np.clip(severity / 1.1, 0.2, 2.2))
    long = table.numbers("los_days")[reason] * np.exp(table.numbers("los_sigma")[reason] * rng.normal(size=len(person)))
    long = np.clip(long * (0.75 + 0.25 * severity) * np.where(icu, 1.5, 1.0), 0.6, 150)
    leave = (day + np.maximum(np.round(long), 1)) * DAY_SECONDS + clock(rng, "inpatient", len(person))
    start = day * DAY_SECONDS + seconds
    stay = np.where(setting == EMERGENCY, rng.gamma(2, 2.2 * 3600, len(person)), rng.gamma(4, 420, len(person)))
    end = np.where(setting == INPATIENT, np.minimum(leave, (STUDY_END + 1) * DAY_SECONDS - 3600), start + stay).astype(np.int64)
    through = (setting == INPATIENT) & (rng.random(len(person)) < table.numbers("p_ed")[reason] * 1.2 + 0.03)
    end = np.maximum(end, start + 600)
    return Visits(person, setting, reason, start, end, severity, icu, np.zeros(len(person), bool), through)


def _with_follow_ups(rng: np.random.Generator, people: People, planned: Visits) -> Visits:
    """Add what an admission leads to: cycles of chemotherapy, readmission, a visit to the clinic after discharge."""
    known = catalogue()
    cancer = np.isin(planned.reason, [known.reason(f"{name}_visit") for name in CANCERS if name != "ca_thyroid"]) & planned.inpatient
    cycles = np.where(cancer & (rng.random(len(planned)) < 0.4), rng.integers(1, 5, len(planned)), 0)
    chemo = _after(rng, people, planned, cycles, np.full(len(planned), known.reason("chemo")), INPATIENT, gap=(21, 7))
    back = planned.inpatient & (rng.random(len(planned)) < _READMITTED * np.clip(planned.severity, 0.3, 1.6))
    again = _after(rng, people, planned, back.astype(np.int64), planned.reason, INPATIENT, gap=(4, 40))
    review = (planned.inpatient & (rng.random(len(planned)) < 0.45)).astype(np.int64)
    clinic = _after(rng, people, planned, review, planned.reason, OUTPATIENT, gap=(10, 35))
    return _concat([planned, chemo, again, clinic])


def _after(
    rng: np.random.Generator, people: People, visits: Visits, counts: np.ndarray, reason: np.ndarray, setting: int, *, gap: tuple[int, int]
) -> Visits:
    """Draw `counts` encounters after each visit, one `gap` (days at least, and mean excess) after another, within observation."""
    parent, place = repeat(counts)
    wait = (gap[0] + rng.exponential(gap[1], len(parent))) * (place + 1)
    day = visits.end_day[parent] + np.maximum(wait.astype(np.int64), 1)
    person = visits.person[parent]
    inside = np.flatnonzero(day <= np.minimum(people.exit[person], STUDY_END - 3))
    return _complete(rng, people, person[inside], np.full(len(inside), setting), reason[parent[inside]], day[inside])


def _concat(parts: list[Visits]) -> Visits:
    return Visits(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])})


def _without_overlaps(visits: Visits) -> Visits:
    """Put the encounters in order and drop each that begins before an earlier one of the same patient has ended."""
    ordered = visits.take(np.lexsort((visits.start, visits.person)))
    offset = ordered.person.astype(np.int64) * 10**11
    latest = np.maximum.accumulate(ordered.end + offset)
    free = np.ones(len(ordered), bool)
    free[1:] = (ordered.start + offset)[1:] > latest[:-1]
    return ordered.take(np.flatnonzero(free))


def _before_death(visits: Visits, deaths: Deaths) -> Visits:
    died = deaths.time[visits.person]
    kept = visits.take(np.flatnonzero(visits.start < died))
    return replace(kept, end=np.minimum(kept.end, deaths.time[kept.person]).astype(np.int64))


def _last_admissions(rng: np.random.Generator, people: People, visits: Visits, deaths: Deaths) -> Visits:
    ends_in = np.zeros(len(people), bool)
    ends_in[visits.person[visits.end == deaths.time[visits.person]]] = True
    person = np.flatnonzero(np.isfinite(deaths.time) & ~ends_in & (rng.random(len(people)) < _LAST_ADMISSION))
    died = deaths.time[person].astype(np.int64)
    reason = _fatal_reason(rng, people, person, died // DAY_SECONDS)
    start = died - (rng.gamma(1.6, 4.5, len(person)) * DAY_SECONDS).astype(np.int64) - 7200
    last = _complete(rng, people, person, np.full(len(person), INPATIENT), reason, start // DAY_SECONDS)
    through = rng.random(len(person)) < 0.6
    inside = np.flatnonzero(start // DAY_SECONDS > people.entry[person])
    return replace(last, start=start, end=died, from_emergency=through).take(inside)


def _fatal_reason(rng: np.random.Generator, people: People, person: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Choose what a last admission is for among the diseases that the patient has."""
    table = read_table("fatal")
    reasons = np.array([catalogue().reason(name) for name in table.texts("reason")])
    present = [np.ones(len(person), bool) if name == "any" else people.has(name, person, days) for name in table.texts("disease")]
    return reasons[pick(rng, np.stack(present, axis=1) * table.numbers("weight"))]


def _marked_deaths(rng: np.random.Generator, visits: Visits, deaths: Deaths) -> Visits:
    """Mark the encounter that the death falls into; those who die in it were sicker."""
    died = visits.end == deaths.time[visits.person]
    severity = np.where(died, np.maximum(visits.severity * 1.5, rng.normal(1.9, 0.3, len(visits))), visits.severity)
    icu = visits.icu | (died & visits.inpatient & (rng.random(len(visits)) < 0.4))
    return replace(visits, died=died, severity=severity, icu=icu)
