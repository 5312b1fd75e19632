"""Keyed pseudonyms: the same key gives the same stand-in in tables, notes and images; another key gives another.

Everything is HMAC-SHA256 of the kind and the value under one 32-byte key, so that without the key a pseudonym can be
neither recomputed nor traced, and two projects' slices cannot be joined.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workbench.errors import EnvironmentFault, PolicyError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["PseudonymKey"]

_KEY_BYTES = 32


@dataclass(frozen=True)
class PseudonymKey:
    """A secret from which pseudonyms and date shifts follow.

    Parameters
    ----------
    secret : bytes of length 32
        Never shown, logged or stored beside what it made.
    """

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != _KEY_BYTES:
            raise PolicyError(
                f"a pseudonym key has {len(self.secret)} bytes; wanted {_KEY_BYTES}",
                hint="give a key file that such a command made; one that is not there yet is made",
            )

    @classmethod
    def load(cls, path: Path) -> PseudonymKey:
        """Read the key in a file, or make one there that only its owner can read.

        Raises
        ------
        EnvironmentFault
            If others may read the file.
        """
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_bytes(_KEY_BYTES))
        if path.stat().st_mode & 0o077:
            raise EnvironmentFault(
                f"key file {path} can be read by others", hint=f"chmod 600 {path}, and consider whether the key is still secret"
            )
        return cls(path.read_bytes())

    def digest(self, kind: str, value: object) -> bytes:
        """Return the 32-byte digest of a value of some kind (``person``, ``uid`` ...)."""
        return hmac.digest(self.secret, f"{kind}\0{value}".encode(), hashlib.sha256)

    def person(self, person_id: int) -> int:
        """Return the pseudonymous person id, in 1 to 2**53 - 1 so that every tool reads it exactly."""
        return int.from_bytes(self.digest("person", person_id)[:8], "big") % (2**53 - 1) + 1

    def shift_days(self, person_id: int, *, at_most: int) -> int:
        """Return a person's date shift: whole weeks between -`at_most` and `at_most` days.

        Weeks keep the day of the week, which drives admissions and staffing; every date of the person moves alike, so
        intervals stay.
        """
        weeks = at_most // 7
        return 7 * (int.from_bytes(self.digest("shift", person_id)[:8], "big") % (2 * weeks + 1) - weeks)

    def uid(self, uid: str) -> str:
        """Return the stand-in of a DICOM UID (a UUID-derived UID, PS3.5 section B.2)."""
        return f"2.25.{int.from_bytes(self.digest('uid', uid)[:16], 'big')}"
