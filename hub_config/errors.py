"""Errors of the hub side; it shares no code with the library, so it has its own."""

from __future__ import annotations

__all__ = ["HubError", "Refused", "SettingsError"]


class HubError(Exception):
    """Base of the errors that whoever runs the hub is meant to read.

    Parameters
    ----------
    message : str
        What was found and what was wanted.
    hint : str, optional
        What to do next.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  -> {self.hint}" if self.hint else self.message


class SettingsError(HubError):
    """The centre's settings are missing, unreadable or mean nothing; nothing is started."""

    exit_code = 5


class Refused(HubError):
    """The request was understood and a rule forbids it."""

    exit_code = 6
