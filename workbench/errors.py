"""Typed errors: what was found, what was wanted, what to do; each kind with its exit code."""

from __future__ import annotations

from workbench.locale import tr

__all__ = [
    "EXIT_CODES",
    "DataError",
    "DefinitionError",
    "EnvironmentFault",
    "IntegrityError",
    "PolicyError",
    "Refusal",
    "WorkbenchError",
]


class WorkbenchError(Exception):
    """Base of all errors that a user of the workbench is meant to read.

    Parameters
    ----------
    message : str
        What was found and what was wanted, without any patient's value.
    hint : str, optional
        What to do next.
    zh : str, optional
        The message in Chinese, of an error that may stand in a report as the reason why something is not there.
    """

    exit_code = 1
    meaning = "unexpected failure inside the workbench"

    def __init__(self, message: str, *, hint: str = "", zh: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.zh = zh

    @property
    def shown(self) -> str:
        """The message in the language in force, for where it is told beside results and stops nothing."""
        return tr(self.zh or self.message, self.message)

    def __str__(self) -> str:
        """Give the message, and the hint on a line of its own."""
        return f"{self.message}\n  -> {self.hint}" if self.hint else self.message

    def _render_traceback_(self) -> list[str]:
        """Give what a notebook shows: a traceback through our code tells its reader nothing."""
        return [f"{type(self).__name__}: {self}"]


class DefinitionError(WorkbenchError):
    """A definition (cohort, mapping, template parameter) that cannot mean anything."""

    exit_code = 3
    meaning = "a definition, mapping or parameter is wrong"


class DataError(WorkbenchError):
    """Input data that cannot be read or breaks the data contract."""

    exit_code = 4
    meaning = "input data are missing, broken or break the data contract"


class PolicyError(WorkbenchError):
    """A policy of the centre is missing or unusable, so the action stops."""

    exit_code = 5
    meaning = "a policy of the centre is missing or unusable (fail closed)"


class Refusal(WorkbenchError):
    """The action is understood and not allowed."""

    exit_code = 6
    meaning = "the action was understood and refused by a rule"


class IntegrityError(WorkbenchError):
    """Bytes differ from what their manifest or ledger says."""

    exit_code = 7
    meaning = "bytes differ from what a manifest or the ledger says"


class EnvironmentFault(WorkbenchError):
    """The machine lacks something: a program, space, a permission."""

    exit_code = 8
    meaning = "the machine lacks a program, space or a permission"


#: Exit code -> meaning; 0 and 2 are the command line's own. The help pages print it.
EXIT_CODES: dict[int, str] = {
    0: "done",
    2: "wrong use of the command line",
    **{
        kind.exit_code: kind.meaning
        for kind in (
            WorkbenchError,
            DefinitionError,
            DataError,
            PolicyError,
            Refusal,
            IntegrityError,
            EnvironmentFault,
        )
    },
}
