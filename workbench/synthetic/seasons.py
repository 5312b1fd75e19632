"""When people come: seasons of diseases, weekdays, holidays, the growth of the hospital and the empty spring of 2020."""

from __future__ import annotations

from functools import cache

import numpy as np

from workbench.synthetic.columns import days_to_month

__all__ = ["FIRST_COVID", "STUDY_END", "STUDY_START", "clock", "draw_days", "in_season"]

#: First and last day of the hospital's data, as days since 1970-01-01: 2016-01-01 and 2024-12-31.
STUDY_START, STUDY_END = 16_801, 20_088
#: First day on which COVID-19 was known.
FIRST_COVID = 18_262

_MONTHS = {
    "flat": (1,) * 12,
    "winter": (1.7, 1.3, 1.1, 0.9, 0.8, 0.65, 0.6, 0.6, 0.75, 0.95, 1.25, 1.7),
    "influenza": (2.8, 1.5, 1.2, 0.6, 0.3, 0.25, 0.3, 0.35, 0.3, 0.5, 1.3, 2.9),
    "coldmild": (1.25, 1.1, 1.1, 1.0, 0.95, 0.85, 0.8, 0.8, 0.9, 1.0, 1.1, 1.25),
    "summer": (0.7, 0.65, 0.75, 0.95, 1.25, 1.4, 1.4, 1.3, 1.1, 0.95, 0.75, 0.7),
    "spring": (0.85, 0.85, 1.2, 1.4, 1.3, 1.05, 0.85, 0.85, 1.0, 1.0, 0.9, 0.85),
    "autumn": (1.0, 0.85, 0.9, 0.92, 0.95, 0.95, 1.0, 1.05, 1.12, 1.15, 1.1, 1.05),
    "trauma": (0.9, 0.8, 0.95, 1.05, 1.1, 1.05, 1.05, 1.05, 1.05, 1.1, 1.0, 0.9),
    "feast": (1.15, 1.35, 0.95, 0.95, 0.95, 0.95, 0.95, 0.95, 1.05, 1.2, 0.95, 1.05),
    "covid": (1,) * 12,
}
# Monday first.
_WEEKDAYS = {
    "inpatient": (1.35, 1.25, 1.15, 1.05, 0.95, 0.65, 0.6),
    "outpatient": (1.5, 1.25, 1.15, 1.1, 1.05, 0.6, 0.35),
    "emergency": (1.0, 0.97, 0.96, 0.96, 1.0, 1.06, 1.08),
}
_GROWTH_PER_YEAR = 1.055
# First and last day, and share of the usual number of encounters: the spring of 2020, the winter wave of 2022, Spring Festivals.
_CLOSED = (
    (18_285, 18_340, 0.35), (18_340, 18_400, 0.7), (19_335, 19_365, 0.75), (16_838, 16_845, 0.45), (17_193, 17_200, 0.45),
    (17_577, 17_584, 0.45), (17_931, 17_938, 0.45), (18_669, 18_676, 0.45), (19_023, 19_030, 0.45), (19_378, 19_385, 0.45),
    (19_763, 19_771, 0.45),
)  # fmt: skip
# The waves of COVID-19: before 2022-12 few, then many.
_COVID = (
    (STUDY_START, FIRST_COVID, 0.0),
    (FIRST_COVID, 18_340, 0.5),
    (18_340, 19_327, 0.04),
    (19_327, 19_390, 12.0),
    (19_390, STUDY_END + 1, 1.0),
)


def in_season(season: str, days: np.ndarray) -> np.ndarray:
    """Give how frequent a disease of `season` is on `days`, relative to its mean over the year."""
    weight = np.array(_MONTHS[season])[days_to_month(days)]
    if season == "covid":
        weight = weight * np.select([(days >= first) & (days < last) for first, last, _ in _COVID], [share for *_, share in _COVID])
    return weight


@cache
def _weights(season: str, setting: str) -> np.ndarray:
    days = np.arange(STUDY_START, STUDY_END + 1)
    weight = in_season(season, days) * np.array(_WEEKDAYS[setting])[(days + 3) % 7]
    weight = weight * _GROWTH_PER_YEAR ** ((days - STUDY_START) / 365.25)
    for first, last, share in _CLOSED:
        weight[first - STUDY_START : last - STUDY_START] *= share if setting != "emergency" else (1 + share) / 2
    return np.concatenate([[0.0], np.cumsum(weight)])


def draw_days(rng: np.random.Generator, first: np.ndarray, last: np.ndarray, *, season: str, setting: str) -> np.ndarray:
    """Draw one day per row between `first` and `last` (both included), as often as the season and the weekday tell.

    Parameters
    ----------
    rng : numpy.random.Generator
        Stream to draw from.
    first, last : ndarray of int
        Days since 1970-01-01 within the study.
    season : str
        One of the seasons of ``reasons.tsv``.
    setting : {"inpatient", "outpatient", "emergency"}
        Weekday pattern.

    Returns
    -------
    ndarray of int
        Days; where the window has no weight at all, `first`.
    """
    cumulated = _weights(season, setting)
    low, high = cumulated[first - STUDY_START], cumulated[last - STUDY_START + 1]
    target = low + (high - low) * rng.random(len(first))
    drawn = np.searchsorted(cumulated, target, side="right") - 1 + STUDY_START
    return np.clip(drawn, first, last)


def clock(rng: np.random.Generator, setting: str, n: int) -> np.ndarray:
    """Draw `n` times of day in seconds: clinics in two half days, admissions by day, emergencies round the clock."""
    if setting == "outpatient":
        hours = np.where(rng.random(n) < 0.62, rng.normal(9.7, 0.9, n), rng.normal(15, 0.8, n)).clip(7.8, 17.4)
    elif setting == "inpatient":
        hours = rng.normal(11.5, 2.6, n).clip(7.5, 21)
    else:
        hours = rng.normal(18.5, 5.5, n) % 24
    return (hours * 3600).astype(np.int64)
