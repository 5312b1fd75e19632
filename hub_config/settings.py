"""The centre's settings: frozen dataclasses read from ``centre.toml``.

An unknown key, a missing required key or a value of the wrong type is an error that names the key and its path.
Nothing that guards disclosure has a default: where the centre has not decided, nothing starts.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import tomllib
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hub_config.errors import SettingsError
from hub_config.roles import ROLES

__all__ = [
    "Disclosure",
    "Guard",
    "Image",
    "Limits",
    "Login",
    "Paths",
    "Project",
    "Public",
    "Service",
    "Settings",
    "User",
    "load",
    "parse",
]

SLUG = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
SERVICE_ACCOUNTS = ("airlock", "broker", "portal", "root")
MEBIBYTE = 1 << 20


def _check(condition: bool, key: str, found: object, wanted: str) -> None:
    if not condition:
        message = f"{key} is {found!r}, wanted {wanted}"
        raise SettingsError(message)


@dataclass(frozen=True)
class Paths:
    """Where things lie on this machine; every path is absolute."""

    state: Path
    slices: Path
    node: Path = Path("/opt/clinical-workbench/node")

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            _check(value.is_absolute(), item.name, str(value), "an absolute path")
        state = str(self.state)
        _check(state == state.lower(), "state", state, "lower-case letters (it holds the unix sockets, whose URLs are lower-cased)")
        _check(len(state) <= 60, "state", state, "at most 60 characters (a unix socket's path has room for 107)")


@dataclass(frozen=True)
class Public:
    """The address that browsers come to."""

    port: int
    address: str = "127.0.0.1"
    tls_key: str = ""
    tls_certificate: str = ""

    def __post_init__(self) -> None:
        _check(0 < self.port < 65536, "port", self.port, "1 to 65535")
        _check(bool(self.tls_key) == bool(self.tls_certificate), "tls_key", self.tls_key, "both tls_key and tls_certificate, or neither")

    @property
    def url(self) -> str:
        """The address as a browser writes it."""
        return f"{'https' if self.tls_key else 'http'}://{self.address}:{self.port}"


@dataclass(frozen=True)
class Image:
    """The interpreter that sessions and services run, and the read-only trees it needs besides /usr."""

    python: Path
    prefixes: tuple[Path, ...]

    def __post_init__(self) -> None:
        _check(self.python.is_absolute(), "python", str(self.python), "an absolute path")
        _check(
            any(self.python.is_relative_to(prefix) for prefix in (*self.prefixes, Path("/usr"))),
            "python",
            str(self.python),
            "a path under one of image.prefixes or /usr, which are what a session sees",
        )


@dataclass(frozen=True)
class Disclosure:
    """The centre's policy on small counts; both are required."""

    threshold: int
    rounding: int

    def __post_init__(self) -> None:
        _check(self.threshold >= 1, "threshold", self.threshold, "1 or more")
        _check(self.rounding >= 1, "rounding", self.rounding, "1 or more")


@dataclass(frozen=True)
class Limits:
    """What one session may use."""

    memory_mb: int = 4096
    cpu_cores: float = 2.0
    processes: int = 512
    tmp_mb: int = 1024

    def __post_init__(self) -> None:
        _check(self.memory_mb >= 256, "memory_mb", self.memory_mb, "256 or more")
        _check(self.cpu_cores > 0, "cpu_cores", self.cpu_cores, "more than 0")
        _check(self.processes >= 64, "processes", self.processes, "64 or more")
        _check(self.tmp_mb >= 16, "tmp_mb", self.tmp_mb, "16 or more")


@dataclass(frozen=True)
class Guard:
    """How much may leave a session through the browser."""

    budget_mb_per_hour: float = 32.0
    message_mb: float = 4.0
    content_mb: float = 8.0

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            _check(value > 0, item.name, value, "more than 0")


@dataclass(frozen=True)
class Login:
    """How people prove who they are: ``local`` passwords, or any JupyterHub authenticator class by its dotted name."""

    authenticator: str = "local"
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class User:
    """A person who may sign in."""

    name: str
    role: str
    display: str = ""

    def __post_init__(self) -> None:
        _check(bool(SLUG.fullmatch(self.name)), "name", self.name, "1 to 32 of a-z, 0-9 and '-', not at an end")
        _check(self.role in ROLES, "role", self.role, f"one of {', '.join(ROLES)}")


@dataclass(frozen=True)
class Project:
    """An approved project: its slice is ``<paths.slices>/<name>``."""

    name: str
    members: tuple[str, ...]
    title: str = ""

    def __post_init__(self) -> None:
        _check(bool(SLUG.fullmatch(self.name)), "name", self.name, "1 to 32 of a-z, 0-9 and '-', not at an end")


@dataclass(frozen=True)
class Service:
    """A process that runs beside the hub; ``{state}``, ``{own}`` and ``{python}`` in the command are filled in."""

    name: str
    command: tuple[str, ...]
    account: str = "airlock"
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check(bool(SLUG.fullmatch(self.name)), "name", self.name, "1 to 32 of a-z, 0-9 and '-', not at an end")
        _check(len(self.command) > 0, "command", self.command, "a program and its arguments")
        _check(self.account in SERVICE_ACCOUNTS, "account", self.account, f"one of {', '.join(SERVICE_ACCOUNTS)}")


@dataclass(frozen=True)
class Settings:
    """Everything that a data centre decides."""

    paths: Paths
    public: Public
    image: Image
    disclosure: Disclosure
    limits: Limits = Limits()
    guard: Guard = Guard()
    login: Login = Login()
    users: tuple[User, ...] = ()
    projects: tuple[Project, ...] = ()
    services: tuple[Service, ...] = ()
    devices: tuple[str, ...] = ()
    language: Literal["zh", "en"] = "zh"
    title: str = "临床数据工作台"
    first_id: int = 200_000

    def __post_init__(self) -> None:
        for name in ("users", "projects", "services"):
            names = [item.name for item in getattr(self, name)]
            _check(len(names) == len(set(names)), name, names, "each name once")
        known = {user.name for user in self.users}
        for project in self.projects:
            strangers = sorted(set(project.members) - known)
            _check(not strangers, f"projects.{project.name}.members", strangers, "names listed under [[users]]")
        _check(self.first_id >= 1000, "first_id", self.first_id, "1000 or more")

    def project(self, name: str) -> Project | None:
        """Return the project of that name, or None."""
        return next((project for project in self.projects if project.name == name), None)

    def is_member(self, user: str, project: str) -> bool:
        """Say whether the user belongs to the project."""
        found = self.project(project)
        return found is not None and user in found.members


def load(path: Path) -> Settings:
    """Read the centre's settings.

    Parameters
    ----------
    path : Path
        A ``centre.toml``; ``hub_config/centre.example.toml`` explains every line.

    Returns
    -------
    Settings
        Checked, with defaults filled in.

    Raises
    ------
    SettingsError
        If the file cannot be read, a key is unknown or missing, or a value is of the wrong type or out of range.
    """
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        message = f"cannot read the settings at {path}: {error.strerror}"
        raise SettingsError(message, hint="copy hub_config/centre.example.toml and name it with --config") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{path} is not TOML in UTF-8: {error}"
        raise SettingsError(message) from error
    return parse(table)


def parse(table: dict[str, Any]) -> Settings:
    """Build settings from a parsed TOML table; see `load` for what is raised."""
    return _build(Settings, table, "")


def _build(kind: type, table: object, where: str) -> Any:
    if not isinstance(table, dict):
        message = f"{where} is {type(table).__name__}, wanted a table"
        raise SettingsError(message)
    hints = typing.get_type_hints(kind)
    fields = {item.name: item for item in dataclasses.fields(kind)}
    _refuse_unknown(table, list(fields), where)
    _refuse_missing(table, fields, where)
    values = {name: _value(hints[name], value, _join(where, name)) for name, value in table.items()}
    try:
        return kind(**values)
    except SettingsError as error:
        raise SettingsError(_join(where, error.message), hint=error.hint) from None


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _refuse_unknown(table: dict[str, Any], known: list[str], where: str) -> None:
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {_join(where, near[0])}?" if near else f"known here: {', '.join(known)}"
            message = f"unknown key {_join(where, key)}"
            raise SettingsError(message, hint=hint)


def _refuse_missing(table: dict[str, Any], fields: dict[str, dataclasses.Field], where: str) -> None:
    for name, item in fields.items():
        required = item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
        if required and name not in table:
            message = f"missing key {_join(where, name)}"
            raise SettingsError(message, hint="it has no default on purpose; see hub_config/centre.example.toml")


def _value(hint: Any, value: object, where: str) -> Any:
    origin = typing.get_origin(hint)
    if dataclasses.is_dataclass(hint):
        return _build(hint, value, where)
    if origin is tuple:
        item = typing.get_args(hint)[0]
        _check(isinstance(value, list), where, value, "a list")
        return tuple(_value(item, entry, f"{where}[{i}]") for i, entry in enumerate(value))
    if origin is dict:
        _check(isinstance(value, dict), where, value, "a table")
        item = typing.get_args(hint)[1]
        return value if item is Any else {key: _value(item, entry, _join(where, key)) for key, entry in value.items()}
    if origin is Literal:
        _check(value in typing.get_args(hint), where, value, f"one of {', '.join(typing.get_args(hint))}")
        return value
    return _scalar(hint, value, where)


def _scalar(hint: type, value: object, where: str) -> Any:
    if hint is Path:
        _check(isinstance(value, str), where, value, "a path in quotes")
        return Path(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    _check(type(value) is hint, where, value, f"a value of type {hint.__name__}")
    return value
