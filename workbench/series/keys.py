"""Pseudonyms of a project's images: those of its tables and notes, from the same key."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workbench.errors import DataError
from workbench.locale import tr
from workbench.pseudonyms import PseudonymKey  # noqa: TC001  (it travels to other processes)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

__all__ = ["Patients", "ProjectKeys", "of_slice", "read_patients"]


@dataclass(frozen=True)
class Patients:
    """What is known of the patients of the images.

    Parameters
    ----------
    persons : dict of str to int
        Patient ID in the files -> person of the store.
    known : dict of str to tuple of str
        Patient ID -> names, numbers and the like that must not remain; of a person with several patient IDs all that is known.
    """

    persons: dict[str, int] = field(repr=False)
    known: dict[str, tuple[str, ...]] = field(repr=False)


@dataclass(frozen=True)
class ProjectKeys:
    """Pseudonyms for :mod:`imaging.deidentify`.

    Parameters
    ----------
    key : PseudonymKey
        The project's.
    at_most : int
        Greatest date shift, in days; that of the project's slice, so that images and tables move alike.
    persons : mapping of str to int, optional
        Patient ID in the files -> person of the store. Patients that it lacks are not let out. Without it patients get pseudonyms that
        agree with no table.

    Examples
    --------
    >>> keys = ProjectKeys(PseudonymKey(bytes(32)), 182, {"P1": 7})
    >>> keys.person("P1") == str(PseudonymKey(bytes(32)).person(7)), keys.person("P2")
    (True, None)
    """

    key: PseudonymKey
    at_most: int
    persons: Mapping[str, int] | None = field(default=None, repr=False)

    def person(self, patient_id: str) -> str | None:
        """Return the pseudonym of a patient: in a slice, the person's id there.

        Parameters
        ----------
        patient_id : str
            As the files have it.
        """
        who = self._who(patient_id)
        return None if who is None else str(self.key.person(who))

    def shift_days(self, patient_id: str) -> int:
        """Return by how many days a patient's dates move.

        Parameters
        ----------
        patient_id : str
            As the files have it.
        """
        return self.key.shift_days(self._who(patient_id), at_most=self.at_most)

    def uid(self, uid: str) -> str:
        """Return what stands for a UID.

        Parameters
        ----------
        uid : str
            As the files have it.
        """
        return self.key.uid(uid)

    def _who(self, patient_id: str) -> int | str | None:
        # A patient ID is no person of the store, though both may be numbers.
        return f"patient {patient_id}" if self.persons is None else self.persons.get(patient_id)


def read_patients(path: Path) -> Patients:
    """Read a table of patients.

    Parameters
    ----------
    path : Path
        CSV in UTF-8 or GB18030 with ``patient_id``, ``person_id``; what stands in other columns must not remain in the files.

    Raises
    ------
    DataError
        If it cannot be read, lacks a column, or a person is no whole number.
    """
    text = _text(path)
    rows = list(csv.DictReader(text.splitlines()))
    wanted = ("patient_id", "person_id")
    if not rows or not set(wanted) <= set(rows[0]):
        raise DataError(
            tr(f"{path} 缺少列 patient_id、person_id，或没有行", f"{path} lacks the columns patient_id and person_id, or has no row"),
            hint=tr("每行一名患者；其他列写已知的姓名、号码", "one row a patient; other columns hold known names and numbers"),
        )
    persons: dict[str, int] = {}
    known: dict[int, dict[str, None]] = {}
    for number, row in enumerate(rows, 2):
        patient, person = ((row[name] or "").strip() for name in wanted)
        if not patient or not person.isdecimal() or not person.isascii() or persons.get(patient, int(person)) != int(person):
            raise DataError(
                tr(
                    f"{path} 第 {number} 行的编号为空、不是整数或前后矛盾",
                    f"{path}, line {number}: an id is empty, no number, or contradicts another",
                )
            )
        persons[patient] = int(person)
        others = (value.strip() for name, value in row.items() if name not in wanted and isinstance(value, str) and value.strip())
        known.setdefault(int(person), {}).update(dict.fromkeys((patient, *others)))
    return Patients(persons, {patient: tuple(known[person]) for patient, person in persons.items()})


def of_slice(patients: Patients, key: PseudonymKey, members: Collection[int]) -> Patients:
    """Return the patients who are in a project's slice.

    Parameters
    ----------
    patients : Patients
        Of the store.
    key : PseudonymKey
        The project's.
    members : collection of int
        Person ids of the slice.

    Raises
    ------
    DataError
        If none is: the slice was cut under another key, or from another store.
    """
    members = frozenset(members)
    persons = {patient: person for patient, person in patients.persons.items() if key.person(person) in members}
    if not persons:
        raise DataError(
            tr("患者表中无人属于该数据切片", "no patient of the table is in the slice"),
            hint=tr("密钥、患者表和数据切片须出自同一数据仓库和课题", "key, table and slice must be of one store and project"),
        )
    return Patients(persons, {patient: patients.known[patient] for patient in persons})


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(tr(f"无法读取 {path}：{error.strerror}", f"{path} cannot be read: {error.strerror}")) from error
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise DataError(tr(f"{path} 既不是 UTF-8 也不是 GB18030", f"{path} is neither UTF-8 nor GB18030"))
