"""Who the patients are by name: planted identifiers that no real person has, and the records that the hospital's systems keep of them.

Every number has the form of a real one and passes its check, and cannot be anyone's:

- identity numbers (GB 11643-1999) carry the division code 7199xx: province 71 stands in GB/T 2260, but no division of it is assigned and no
  number is issued under it;
- mobile numbers begin with 154, which the Ministry's numbering plan does not assign;
- land lines carry the area code 0600, which is not assigned;
- the city, its districts and its streets are fictional.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from workbench.synthetic.catalogue import read_table
from workbench.synthetic.columns import arrow_table, row_ids, stream
from workbench.synthetic.people import MALE, People

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["IDENTIFIERS", "Identities", "doctor_names", "draw_identities", "identifiers", "identity_numbers", "record_numbers"]

_DIVISION = 719_900
_WEIGHTS = np.array([7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2])
_CHECK = "10X98765432"
# Characters that begin the given name of doctors and of nobody else, so that a name found tells whose it is.
_DOCTORS_ONLY = "承景怀思允知启书"
_SYSTEMS = ("HIS", "EMR", "LIS", "PACS", "医保")

#: Columns of the patient index of the raw extract.
IDENTIFIERS = pa.schema(
    [
        ("record_id", pa.int64()),
        ("person_id", pa.int64()),
        ("source_system", pa.string()),
        ("name", pa.string()),
        ("sex", pa.string()),
        ("birth_date", pa.date32()),
        ("identity_number", pa.string()),
        ("phone", pa.string()),
        ("address", pa.string()),
        ("mrn", pa.string()),
        ("insurance_number", pa.string()),
        ("contact_name", pa.string()),
        ("contact_relation", pa.string()),
        ("contact_phone", pa.string()),
    ]
)


@dataclass(frozen=True)
class Identities:
    """Identifiers of the patients of one block, each list of length n.

    Parameters
    ----------
    name, identity_number, phone, address, mrn, insurance_number : list of str
        The patient's own.
    contact_name, contact_relation, contact_phone : list of str
        The relative to be called.
    """

    name: list[str]
    identity_number: list[str]
    phone: list[str]
    address: list[str]
    mrn: list[str]
    insurance_number: list[str]
    contact_name: list[str]
    contact_relation: list[str]
    contact_phone: list[str]


@cache
def _name_parts() -> tuple[list[str], np.ndarray, dict[int, list[str]]]:
    table = read_table("surnames")
    given = read_table("given_names")
    weights = table.numbers("weight")
    by_sex = {
        sex: [text for text, kind in zip(given.texts("characters"), given.texts("sex"), strict=True) if kind in (letter, "-")]
        for sex, letter in ((MALE, "M"), (1 - MALE, "F"))
    }
    return table.texts("surname"), weights / weights.sum(), by_sex


def _names(rng: np.random.Generator, sex: np.ndarray, *, first: str = "") -> list[str]:
    """Draw names of a surname and two characters, the former of `first` where that is given."""
    surnames, shares, given = _name_parts()
    family = rng.choice(len(surnames), len(sex), p=shares)
    drawn = rng.random((2, len(sex)))
    return [
        surnames[f] + (first or given[s])[int(a * len(first or given[s]))] + given[s][int(b * len(given[s]))]
        for f, s, a, b in zip(family.tolist(), sex.tolist(), *drawn.tolist(), strict=True)
    ]


@cache
def doctor_names(seed: int) -> list[str]:
    """Give the names of all doctors of the hospital, in order of their provider id; no patient and no relative can have one of them."""
    n = int(read_table("departments").numbers("doctors").sum())
    rng = stream(seed, 0, "doctors")
    return _names(rng, rng.integers(0, 2, n), first=_DOCTORS_ONLY)


def identity_numbers(birth: np.ndarray, sequence: np.ndarray, division: np.ndarray) -> list[str]:
    """Give identity numbers with their check character by GB 11643-1999 (ISO 7064 MOD 11-2).

    Parameters
    ----------
    birth : ndarray of int
        Days since 1970-01-01.
    sequence : ndarray of int
        Three last digits before the check, odd for men.
    division : ndarray of int
        Six digits.

    Examples
    --------
    >>> identity_numbers(np.array([-7305]), np.array([1]), np.array([719901]))
    ['719901195001010010']
    """
    born = birth.astype("datetime64[D]")
    year = born.astype("datetime64[Y]").astype(np.int64) + 1970
    month = born.astype("datetime64[M]").astype(np.int64) % 12 + 1
    day = (born - born.astype("datetime64[M]")).astype(np.int64) + 1
    body = ((division * 10**8 + year * 10**4 + month * 100 + day) * 1000 + sequence).astype(np.int64)
    digits = body[:, None] // 10 ** np.arange(16, -1, -1) % 10
    check = (digits * _WEIGHTS).sum(axis=1) % 11
    return [f"{number}{_CHECK[place]}" for number, place in zip(body.tolist(), check.tolist(), strict=True)]


def _phones(rng: np.random.Generator, n: int) -> list[str]:
    return [f"154{number:08d}" for number in rng.integers(0, 10**8, n).tolist()]


def _addresses(rng: np.random.Generator, place: np.ndarray) -> list[str]:
    districts, streets = read_table("places").texts("district"), read_table("streets").texts("street")
    numbers = np.stack(
        [place, rng.integers(0, len(streets), len(place)), rng.integers(1, 399, len(place)), rng.integers(1, 30, len(place)),
         rng.integers(1, 18, len(place)) * 100 + rng.integers(1, 5, len(place))]
    )  # fmt: skip
    return [f"{districts[p]}{streets[s]}{number}号{house}幢{room}室" for p, s, number, house, room in numbers.T.tolist()]


def draw_identities(seed: int, people: People) -> Identities:
    """Draw the identifiers of the patients of a block."""
    rng = stream(seed, people.block, "identity")
    n = len(people)
    place = people.person_id % len(read_table("places"))
    relation_sex = rng.integers(0, 2, n)
    old = people.age_at(np.arange(n), people.entry)
    relation = [_relation(age, sex, own) for age, sex, own in zip(old.tolist(), relation_sex.tolist(), people.sex.tolist(), strict=True)]
    sequence = rng.integers(0, 500, n) * 2 + (people.sex == MALE)
    return Identities(
        name=_names(rng, people.sex),
        identity_number=identity_numbers(people.birth, sequence, _DIVISION + people.person_id % 90 + 1),
        phone=_phones(rng, n),
        address=_addresses(rng, place),
        mrn=record_numbers(people),
        insurance_number=[f"YB{number:012d}" for number in rng.integers(0, 10**12, n).tolist()],
        contact_name=_names(rng, relation_sex),
        contact_relation=relation,
        contact_phone=_phones(rng, n),
    )


def record_numbers(people: People) -> list[str]:
    """Give the hospital's record number (病案号) of every patient."""
    return [f"ZY{key + 700_000_000:010d}" for key in people.person_id.tolist()]


def _relation(age: float, sex: int, own: int) -> str:
    if age < 18:
        return "父亲" if sex == MALE else "母亲"
    if age > 60:
        return "儿子" if sex == MALE else "女儿"
    return "配偶" if sex != own else ("兄弟" if sex == MALE else "姐妹")


def identifiers(seed: int, people: People, who: Identities) -> pa.Table:
    """Give the patient index of a block: one to five records a patient, with the small errors of the systems.

    Errors: a name with one character mistaken, an identity number missing or mistyped, a birth date off by a digit, a telephone
    of earlier years, an address cut short. The first record of a patient is free of errors.
    """
    rng = stream(seed, people.block, "index")
    extra = rng.binomial(len(_SYSTEMS) - 1, 0.38, len(people))
    person = np.repeat(np.arange(len(people)), extra + 1)
    place = np.arange(len(person)) - np.repeat(np.cumsum(extra + 1) - extra - 1, extra + 1)
    drawn = rng.random((5, len(person))) + (place == 0)
    rows = person.tolist()

    def vary(values: Sequence[str], chance: np.ndarray, share: float, change: object) -> list[str | None]:
        return [change(values[row]) if u < share else values[row] for row, u in zip(rows, chance.tolist(), strict=True)]  # type: ignore[operator]

    birth = people.birth[person] + np.where(drawn[2] < 0.02, rng.choice([-365, -30, -10, -1, 1, 9, 31, 366], len(person)), 0)
    return arrow_table(
        "identifiers",
        len(person),
        {
            "record_id": row_ids(people.block, len(person)),
            "person_id": people.person_id[person],
            "source_system": [_SYSTEMS[number] for number in place.tolist()],
            "name": vary(who.name, drawn[0], 0.03, _mistaken),
            "sex": ["女男"[sex] for sex in people.sex[person].tolist()],
            "birth_date": birth,
            "identity_number": vary(
                who.identity_number,
                drawn[1],
                0.12,
                lambda number: None if number[-2] in "0123456" else number[:-4] + number[-3:] + number[-4],
            ),
            "phone": vary(who.phone, drawn[3], 0.2, lambda number: number[:7] + number[:6:-1]),
            "address": vary(who.address, drawn[4], 0.2, lambda text: text[: text.index("号") + 1]),
            "mrn": [who.mrn[row] for row in rows],
            "insurance_number": [who.insurance_number[row] for row in rows],
            "contact_name": [who.contact_name[row] for row in rows],
            "contact_relation": [who.contact_relation[row] for row in rows],
            "contact_phone": [who.contact_phone[row] for row in rows],
        },
        schema=IDENTIFIERS,
    )


_ALIKE = dict(zip("伟芳娜敏静丽强磊军洋", "玮芬娜闵婧莉墙垒君阳", strict=True))


def _mistaken(name: str) -> str:
    """Mistake a character for one that sounds alike; where none does, the name stays."""
    return name[:-1] + _ALIKE.get(name[-1], name[-1])
