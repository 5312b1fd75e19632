"""Local passwords: hashes in a file that only root writes, and the authenticator that checks them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
import tomllib
from pathlib import Path

from jupyterhub.auth import Authenticator
from traitlets import Unicode

__all__ = ["LocalAuthenticator", "Throttle", "generate", "hash_password", "verify"]

COST, BLOCK, LANES = 1 << 14, 8, 1  # RFC 7914's interactive setting
SALT_BYTES = 16
FREE_FAILURES, WAIT_S = 5, 30.0
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # without those that are mistaken for one another


def generate() -> str:
    """Make a password: four groups of four, about 79 bits."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(4))


def hash_password(password: str) -> str:
    """Hash a password with scrypt and a fresh salt."""
    salt = secrets.token_bytes(SALT_BYTES)
    return "$".join(("scrypt", str(COST), str(BLOCK), str(LANES), _text(salt), _text(_scrypt(password, salt, COST, BLOCK, LANES))))


def verify(password: str, stored: str) -> bool:
    """Say whether a password fits a stored hash; a hash of an unknown form fits nothing."""
    kind, *rest = stored.split("$")
    if kind != "scrypt" or len(rest) != 5:
        return False
    cost, block, lanes = (int(number) for number in rest[:3])
    salt, wanted = (base64.b64decode(part) for part in rest[3:])
    return hmac.compare_digest(_scrypt(password, salt, cost, block, lanes), wanted)


def _scrypt(password: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=cost, r=block, p=lanes)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Throttle:
    """After some failures in a row a name has to wait; names do not slow each other down."""

    def __init__(self) -> None:
        self.failures: dict[str, tuple[int, float]] = {}

    def waits(self, name: str, *, now: float) -> bool:
        """Say whether the name has to wait still."""
        count, last = self.failures.get(name, (0, 0.0))
        return count >= FREE_FAILURES and now - last < WAIT_S

    def note(self, name: str, *, success: bool, now: float) -> None:
        """Note the outcome of an attempt."""
        if success:
            self.failures.pop(name, None)
        else:
            self.failures[name] = (self.failures.get(name, (0, 0.0))[0] + 1, now)


class LocalAuthenticator(Authenticator):
    """Checks passwords against a TOML file of ``name = "hash"``."""

    passwords = Unicode(config=True, help="File of hashes.")

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self._throttle = Throttle()

    async def authenticate(self, _handler: object, data: dict[str, str]) -> str | None:
        """Return the user's name if the password is right."""
        name, now = data["username"].strip().lower(), time.monotonic()
        if name not in self.allowed_users or self._throttle.waits(name, now=now):
            return None
        stored = tomllib.loads(Path(self.passwords).read_text(encoding="utf-8")).get(name, "")
        right = verify(data["password"], stored)
        self._throttle.note(name, success=right, now=now)
        return name if right else None

    async def refresh_user(self, user: object, *_handler: object, **_options: object) -> bool:
        """Make people who were taken out of the settings sign in again, which they then cannot."""
        return user.name in self.allowed_users
