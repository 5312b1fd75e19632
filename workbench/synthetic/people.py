"""Who the patients are: age and sex, habits, chronic diseases with their onset, and how long the hospital sees them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from workbench.synthetic.catalogue import catalogue, read_table
from workbench.synthetic.columns import BLOCK, pick, stream
from workbench.synthetic.seasons import STUDY_END, STUDY_START, draw_days

__all__ = ["FEMALE", "MALE", "People", "draw_people"]

FEMALE, MALE = 0, 1
DAYS_PER_YEAR = 365.25
_SEX_ONLY = {"bph": MALE, "ca_prostate": MALE, "fibroid": FEMALE, "ca_cervix": FEMALE}


@dataclass(frozen=True)
class People:
    """Patients of one block, each array of length n.

    Parameters
    ----------
    block : int
        Number of the block.
    person_id : ndarray of int
        Keys.
    sex : ndarray of int
        0 female, 1 male.
    birth, entry, exit : ndarray of int
        Days since 1970-01-01: birth, first encounter, end of observation.
    smoking, drinking : ndarray of bool
        Current habits.
    bmi : ndarray of float
        kg/m2.
    onset : ndarray of shape (n, n_diseases)
        Day of onset of each chronic disease, ``inf`` for never.
    hba1c : ndarray of float
        Usual HbA1c in %; what a patient with diabetes shows at any time is near it.
    kidney : ndarray of float
        How far chronic kidney disease goes once it is there: logarithm of the ratio of creatinine.
    frailty : ndarray of float
        How readily the person comes to hospital, mean 1.
    ethnic, payer : ndarray of int
        Rows of ``ethnic.tsv`` and ``payers.tsv``.
    """

    block: int
    person_id: np.ndarray
    sex: np.ndarray
    birth: np.ndarray
    entry: np.ndarray
    exit: np.ndarray
    smoking: np.ndarray
    drinking: np.ndarray
    bmi: np.ndarray
    onset: np.ndarray
    hba1c: np.ndarray
    kidney: np.ndarray
    frailty: np.ndarray
    ethnic: np.ndarray
    payer: np.ndarray

    def __len__(self) -> int:
        return len(self.person_id)

    def age_at(self, rows: np.ndarray, days: np.ndarray) -> np.ndarray:
        """Give the age in years of patients `rows` on `days`."""
        return (days - self.birth[rows]) / DAYS_PER_YEAR

    def has(self, disease: str, rows: np.ndarray, days: np.ndarray) -> np.ndarray:
        """Tell whether patients `rows` have a chronic disease on `days`."""
        return self.onset[rows, catalogue().disease(disease)] <= days


def draw_people(seed: int, block: int, n: int) -> People:
    """Draw the patients of one block.

    Parameters
    ----------
    seed, block : int
        Seed of the hospital and number of the block.
    n : int
        Patients of the block, at most `BLOCK`.
    """
    rng = stream(seed, block, "people")
    sex, age = _age_and_sex(rng, n)
    entry = draw_days(rng, np.full(n, STUDY_START), np.full(n, STUDY_END - 14), season="flat", setting="outpatient")
    birth = entry - (age * DAYS_PER_YEAR).astype(np.int64)
    smoking = rng.random(n) < np.where(sex == MALE, 0.46, 0.025) * np.clip((age - 16) / 10, 0, 1) * np.clip((95 - age) / 30, 0.3, 1)
    bmi = np.where(age >= 18, rng.normal(23.6, 3.3, n) + 0.4 * (sex == MALE), rng.normal(16.5, 2, n) + age * 0.22).clip(11.5, 45)
    drinking = rng.random(n) < np.where(sex == MALE, 0.33, 0.03) * (age >= 18)
    frailty = rng.gamma(1.6, 1 / 1.6, n)
    onset = _onsets(rng, sex, birth, smoking, bmi)
    ids = np.arange(1, n + 1, dtype=np.int64) + block * BLOCK
    leave = _leave(rng, entry)
    hba1c = np.clip(6.2 + rng.gamma(2.6, 0.95, n), 5.6, 16)
    kidney = rng.gamma(1.1, 0.42, n).clip(0, 2.2)
    ethnic = rng.choice(len(read_table("ethnic")), n, p=_shares(read_table("ethnic").numbers("weight")))
    payer = _payers(rng, age)
    return People(block, ids, sex, birth, entry, leave, smoking, drinking, bmi, onset, hba1c, kidney, frailty, ethnic, payer)


def _shares(weights: np.ndarray) -> np.ndarray:
    return weights / weights.sum()


def _age_and_sex(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    bands = read_table("pyramid")
    weights = np.concatenate([bands.numbers("female"), bands.numbers("male")])
    drawn = rng.choice(len(weights), n, p=_shares(weights))
    sex, band = np.divmod(drawn, len(bands))
    low, high = bands.numbers("from")[band], bands.numbers("to")[band]
    return sex, low + (high - low) * rng.random(n)


def _leave(rng: np.random.Generator, entry: np.ndarray) -> np.ndarray:
    """End of observation: a third come from afar for one matter, the rest stay with the hospital for years."""
    stays = np.where(rng.random(len(entry)) < 0.33, rng.exponential(70, len(entry)), rng.exponential(2600, len(entry)))
    return np.minimum(entry + 1 + stays.astype(np.int64), STUDY_END)


def _payers(rng: np.random.Generator, age: np.ndarray) -> np.ndarray:
    table = read_table("payers")
    shares = np.stack([table.numbers(group) for group in ("child", "adult", "old")])
    group = np.digitize(age, [18, 60])
    return pick(rng, shares[group])


def _onsets(rng: np.random.Generator, sex: np.ndarray, birth: np.ndarray, smoking: np.ndarray, bmi: np.ndarray) -> np.ndarray:
    """Draw the day of onset of every chronic disease from proportional hazards with earlier diseases as causes."""
    table, known = read_table("chronic"), catalogue()
    cum60, shape = table.numbers("cum60"), table.numbers("shape")
    ratios = {name: table.numbers(f"hr_{name}") for name in ("male", "smoking", "bmi5")}
    links, parents = _links(), table.texts("only_after")
    ages = np.full((len(sex), len(known.diseases)), np.inf)
    for column, disease in enumerate(known.diseases):
        factor = np.where(sex == MALE, ratios["male"][column], 1.0) * np.where(smoking, ratios["smoking"][column], 1.0)
        factor = factor * ratios["bmi5"][column] ** ((bmi - 23.5) / 5)
        factor = factor * cum60[column] * (sex == _SEX_ONLY[disease] if disease in _SEX_ONLY else 1.0)
        causes = [(ages[:, cause], ratio) for cause, effect, ratio in links if effect == column]
        ages[:, column] = _first_age(rng.exponential(size=len(sex)), factor, shape[column], causes)
        if parents[column] != "-":
            parent = ages[:, known.disease(parents[column])]
            ages[:, column] = np.where(ages[:, column] >= parent, ages[:, column], np.inf)
    return np.where(np.isfinite(ages), birth[:, None] + np.floor(ages * DAYS_PER_YEAR), np.inf)


@cache
def _links() -> list[tuple[int, int, float]]:
    """Give (cause, effect, hazard ratio) as columns of diseases.

    Raises
    ------
    ValueError
        If a cause stands after its effect, so that its onset would not be known in time.
    """
    table, known = read_table("disease_links"), catalogue()
    links = [(known.disease(row["cause"]), known.disease(row["effect"]), float(row["hazard_ratio"])) for row in table.rows()]
    late = [known.diseases[cause] for cause, effect, _ in links if cause >= effect]
    if late:
        raise ValueError(f"causes {late} stand after their effects in chronic.tsv; move them up")
    return links


def _first_age(budget: np.ndarray, factor: np.ndarray, shape: float, causes: list[tuple[np.ndarray, float]]) -> np.ndarray:
    """Give the age at which the hazard accumulated reaches `budget`; each cause multiplies it from its own onset on.

    The cumulative hazard of the reference is (age / 60) ** shape, so the inverse is exact between two causes.
    """
    if not causes:
        with np.errstate(divide="ignore"):
            return _within_life(60 * (budget / factor) ** (1 / shape))
    starts = np.stack([np.minimum(age, 1e6) for age, _ in causes], axis=1)
    order = np.argsort(starts, axis=1)
    starts = np.take_along_axis(starts, order, axis=1)
    ratios = np.take_along_axis(np.broadcast_to([ratio for _, ratio in causes], starts.shape), order, axis=1)
    spent, reached, rate, found = np.zeros(len(budget)), np.zeros(len(budget)), factor.copy(), np.full(len(budget), np.inf)
    for place in range(starts.shape[1] + 1):
        upto = (starts[:, place] / 60) ** shape if place < starts.shape[1] else np.full(len(budget), np.inf)
        with np.errstate(divide="ignore", invalid="ignore"):
            needed = reached + (budget - spent) / rate
        inside = (needed <= upto) & np.isinf(found) & (rate > 0)
        found = np.where(inside, 60 * np.maximum(needed, 0) ** (1 / shape), found)
        if place < starts.shape[1]:
            spent, reached, rate = spent + rate * (upto - reached), upto, rate * ratios[:, place]
    return _within_life(found)


def _within_life(ages: np.ndarray) -> np.ndarray:
    return np.where(ages <= 110, ages, np.inf)
