"""Pseudonyms for tests of de-identification: HMAC of kind and value, as the workbench makes them."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

__all__ = ["TestKeys"]


@dataclass(frozen=True)
class TestKeys:
    """Keys of a project; `persons` None: every patient is in it."""

    __test__ = False

    secret: bytes = b"x" * 32
    persons: frozenset[str] | None = None
    at_most: int = 182

    def _number(self, kind: str, value: str) -> int:
        return int.from_bytes(hmac.digest(self.secret, f"{kind}\0{value}".encode(), hashlib.sha256)[:16], "big")

    def person(self, patient_id: str) -> str | None:
        if not patient_id or (self.persons is not None and patient_id not in self.persons):
            return None
        return str(self._number("person", patient_id) % (2**53 - 1) + 1)

    def shift_days(self, patient_id: str) -> int:
        weeks = self.at_most // 7
        return 7 * (self._number("shift", patient_id) % (2 * weeks + 1) - weeks)

    def uid(self, uid: str) -> str:
        return f"2.25.{self._number('uid', uid)}"
