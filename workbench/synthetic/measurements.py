"""Laboratory results and vital signs: what is ordered, when, and the values that the patient's states lead to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.synthetic.catalogue import catalogue, read_table
from workbench.synthetic.columns import DAY_SECONDS, repeat, stream
from workbench.synthetic.people import FEMALE
from workbench.synthetic.physiology import Draws, reconcile
from workbench.synthetic.visits import EMERGENCY, OUTPATIENT

if TYPE_CHECKING:
    from workbench.synthetic.people import People
    from workbench.synthetic.visits import Visits

__all__ = ["Measurements", "draw_measurements"]

# Share of ordered results that never arrive (sample clotted, analyser down).
_LOST = 0.012
_VITAL_DAYS = 10


@dataclass(frozen=True)
class Measurements:
    """Results of one block in order of visit and time.

    Parameters
    ----------
    visit, lab : ndarray of int
        Rows of the encounter and of ``labs.tsv``.
    time : ndarray of int
        Seconds since 1970-01-01.
    value : ndarray of float
        Result in the unit of ``labs.tsv``.
    below : ndarray of bool
        Whether the analyser prints "<" before its lower limit.
    """

    visit: np.ndarray
    lab: np.ndarray
    time: np.ndarray
    value: np.ndarray
    below: np.ndarray

    def __len__(self) -> int:
        return len(self.visit)

    def take(self, rows: np.ndarray) -> Measurements:
        """Keep `rows`, in their order."""
        return Measurements(**{name: values[rows] for name, values in vars(self).items()})


@dataclass(frozen=True)
class _Source:
    """What values are computed from: `own` holds each patient's standing deviation of each item, of shape (n_people, n_labs)."""

    people: People
    visits: Visits
    states: np.ndarray
    own: np.ndarray


def draw_measurements(seed: int, people: People, visits: Visits, states: np.ndarray) -> Measurements:
    """Draw all results; whether an item is measured depends on the states and the severity, so values miss not at random."""
    rng = stream(seed, people.block, "measurements")
    source = _Source(people, visits, states, rng.normal(size=(len(people), len(catalogue().labs))))
    parts = [_melted(rng, source, *_laboratory_draws(rng, visits, states)), _melted(rng, source, *_vital_draws(rng, visits))]
    joined = Measurements(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])})
    return joined.take(np.lexsort((joined.lab, joined.time, joined.visit)))


def _laboratory_draws(rng: np.random.Generator, visits: Visits, states: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give (visit, time, panels ordered) of every blood draw."""
    known = catalogue()
    chance = np.where(visits.inpatient[:, None], _best(states, known.panel_in), _best(states, known.panel_out))
    chance = chance * np.where(visits.setting == EMERGENCY, 2.2, 1.0)[:, None] ** (chance < 0.4)
    ordered = rng.random(chance.shape) < np.minimum(chance, 0.995) * np.clip(0.93 + 0.07 * visits.severity, 0, 1)[:, None]
    stay = (visits.end - visits.start) / DAY_SECONDS
    more = np.where(visits.inpatient, rng.poisson(np.minimum(stay, 40) / 8 * np.clip(visits.severity, 0.25, 2)), 0)
    more = np.where(stay < 1.5, 0, np.minimum(more, 25))
    visit, place = repeat(np.where(ordered.any(axis=1), 1 + more, 0))
    again = (
        rng.random((len(visit), len(known.panels)))
        < _best(states, known.panel_repeat)[visit] * (0.35 + 0.65 * np.clip(visits.severity[visit], 0, 1))[:, None]
    )
    panels = ordered[visit] & (again | (place == 0)[:, None])
    first = np.where(visits.inpatient, 0.15, 0.02)[visit] * rng.random(len(visit))
    later = 1 + (stay[visit] - 1.2).clip(0.1) * (place - rng.random(len(visit)) * 0.6) / (more[visit] + 0.5)
    wait = np.where(place == 0, first, np.round(later) + 0.27 - (visits.start[visit] % DAY_SECONDS) / DAY_SECONDS)
    time = visits.start[visit] + (np.clip(wait, 0.004, np.maximum(stay[visit] * 0.97, 0.004)) * DAY_SECONDS).astype(np.int64)
    _, distinct = np.unique(visit * 10**11 + time, return_index=True)
    return visit[distinct], time[distinct], panels[distinct]


def _best(states: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """Give the highest chance over the active states, of shape (n_visits, n_columns)."""
    best = np.zeros((len(states), chances.shape[1]))
    for state in np.flatnonzero(chances.any(axis=1)):
        rows = np.flatnonzero(states[:, state] > 0)
        best[rows] = np.maximum(best[rows], chances[state])
    return best


def _vital_draws(rng: np.random.Generator, visits: Visits) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give (visit, time, panels) of every round of vital signs: daily in a stay, once elsewhere."""
    known = catalogue()
    stay = (visits.end - visits.start) / DAY_SECONDS
    daily = np.minimum(np.ceil(stay), _VITAL_DAYS).astype(np.int64) * np.where(visits.icu, 2, 1)
    seen = rng.random(len(visits)) < np.where(visits.setting == OUTPATIENT, 0.45, 0.92)
    visit, place = repeat(np.where(visits.inpatient, daily, seen.astype(np.int64)))
    per_day = np.where(visits.icu, 2, 1)[visit]
    wait = np.where(place == 0, 0.01, place / per_day + (rng.random(len(visit)) - 0.5) * 0.1 - 0.1)
    time = visits.start[visit] + (np.clip(wait, 0.003, np.maximum(stay[visit] * 0.99, 0.003)) * DAY_SECONDS).astype(np.int64)
    panels = np.zeros((len(visit), len(known.panels)), bool)
    panels[:, known.panels.index("VITAL")] = True
    body = known.panels.index("BODY")
    panels[:, body] = (place == 0) & (rng.random(len(visit)) < np.where(visits.inpatient, 0.88, 0.12)[visit])
    return visit, time, panels


def _melted(rng: np.random.Generator, source: _Source, visit: np.ndarray, time: np.ndarray, panels: np.ndarray) -> Measurements:
    """Compute the items of each draw and keep those measured, as one row per item."""
    known = catalogue()
    columns = np.flatnonzero(panels.any(axis=0)[known.lab_panel])
    values = _values(rng, source, visit, time, columns)
    measured = panels[:, known.lab_panel[columns]] & (rng.random(values.shape) > _LOST)
    row, column = np.nonzero(measured)
    return _printed(visit[row], columns[column], time[row], values[row, column])


def _values(rng: np.random.Generator, source: _Source, visit: np.ndarray, time: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Give the value of items `columns` at each draw, in their units, of shape (n_draws, n_columns)."""
    known, table, people, visits = catalogue(), read_table("labs"), source.people, source.visits
    person = visits.person[visit]
    share = table.numbers("person")[columns]
    score = np.sqrt(share) * source.own[person][:, columns] + np.sqrt(1 - share) * rng.normal(size=(len(visit), len(columns)))
    passed = (time - visits.start[visit]) / np.maximum(visits.end - visits.start, 1)[visit]
    recovery = np.where(visits.died[visit], -0.3 * passed, passed)
    effect, fading = source.states @ known.lab_shift[:, columns], source.states @ known.lab_fading[:, columns]
    score += effect[visit] - fading[visit] * recovery[:, None]
    female = (people.sex[person] == FEMALE)[:, None]
    mean = np.where(female, table.numbers("f_mean")[columns], table.numbers("mean")[columns])
    sd = table.numbers("sd")[columns]
    lognormal = np.array(table.texts("spread"), dtype=str)[columns] == "log"
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.where(lognormal, np.exp(np.log(np.maximum(mean, 1e-9)) + sd * score), mean + sd * score)
    place = {known.labs[column]: position for position, column in enumerate(columns.tolist())}
    age = people.age_at(person, visits.start_day[visit])
    reconcile(Draws(people, person, age, source.states[visit], place, values))
    return values


def _printed(visit: np.ndarray, lab: np.ndarray, time: np.ndarray, value: np.ndarray) -> Measurements:
    """Round to the decimals of the analyser and stop at what it can print."""
    table = read_table("labs")
    low, high = table.numbers("min")[lab], table.numbers("max")[lab]
    scale = 10.0 ** table.numbers("decimals")[lab]
    printed = np.round(np.clip(np.nan_to_num(value, nan=1.0), low, high) * scale) / scale
    return Measurements(visit, lab, time, printed, (value < low) & (low > 0))
