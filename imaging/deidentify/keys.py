"""Where pseudonyms come from: whoever holds the project's key. Nothing here can make one."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Keys"]


class Keys(Protocol):
    """Pseudonyms of one project, the same for tables, notes and images."""

    def person(self, patient_id: str) -> str | None:
        """Return the pseudonym of a patient.

        Parameters
        ----------
        patient_id : str
            Patient ID (0010,0020), without blanks around it.

        Returns
        -------
        str or None
            At most 64 letters, digits and ``-_.``; None for a patient that the project does not have.
        """

    def shift_days(self, patient_id: str) -> int:
        """Return by how many days all dates of a patient move.

        Parameters
        ----------
        patient_id : str
            As in `person`.
        """

    def uid(self, uid: str) -> str:
        """Return what stands for a UID (at most 64 digits and dots); the same for the same UID.

        Parameters
        ----------
        uid : str
            Of an instance, a series, a frame of reference ...
        """
