"""Start, watch and stop the processes of a hub: ``up``, ``down`` and ``status``.

It runs as root because it hands out accounts, and it listens to nothing: the only root process that anybody can talk to
is the agent. All processes die with it, whatever kills it.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil
import tomli_w

from hub_config import library
from hub_config.cgroups import detect
from hub_config.components import PROXY, Component, components, identity
from hub_config.errors import HubError, SettingsError
from hub_config.layout import Layout, account_id
from hub_config.passwords import generate, hash_password
from hub_config.sandbox import make_folder
from hub_config.settings import Settings, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Supervisor", "check", "down", "running_pid", "set_password"]

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
READY_S = 90.0
STOP_S = 10.0
RESTARTS_PER_MINUTE = 3
SOURCE = Path(__file__).resolve().parents[1]


def check(settings: Settings) -> list[str]:
    """List what this machine lacks for sealed sessions; an empty list means that nothing is missing."""
    tests = (
        (os.geteuid() == 0, "not root: the agent needs root for uids, control groups and namespaces (use sudo)"),
        (shutil.which("bwrap") is not None, "bubblewrap is missing (apt install bubblewrap)"),
        (shutil.which("node") is not None, "node is missing (apt install nodejs; version 20 or later)"),
        (
            (settings.paths.node / PROXY).exists(),
            f"configurable-http-proxy is missing (npm install --prefix {settings.paths.node} configurable-http-proxy@5.3)",
        ),
        (settings.image.python.exists(), f"image.python {settings.image.python} does not exist"),
        (
            any(settings.image.python.resolve().is_relative_to(tree) for tree in (*settings.image.prefixes, Path("/usr"))),
            f"image.python leads to {settings.image.python.resolve()}, which sessions do not see (add its tree to image.prefixes)",
        ),
        *((prefix.is_dir(), f"image.prefixes: {prefix} is not a folder") for prefix in settings.image.prefixes),
        *((Path(device).exists(), f"devices: {device} does not exist") for device in settings.devices),
        *((_others_may_pass(path), f"{path} cannot be reached by other accounts (chmod o+x it)") for path in _walked(settings)),
    )
    faults = [text for passed, text in tests if not passed]
    return faults or _sandbox_faults(settings)


def _walked(settings: Settings) -> list[Path]:
    """List the existing folders that sessions' accounts have to pass through."""
    image = (settings.image.python.parent, settings.image.python.resolve().parent, *settings.image.prefixes)
    ends = (settings.paths.state.parent, settings.paths.slices, settings.paths.node, *image)
    return sorted({folder for end in ends for folder in (end, *end.parents) if folder.is_dir()})


def _others_may_pass(folder: Path) -> bool:
    return bool(folder.stat().st_mode & 0o001)


def _sandbox_faults(settings: Settings) -> list[str]:
    """Try the smallest sandbox as a session's account."""
    uid = settings.first_id + 999
    words = ["bwrap", "--unshare-user", "--unshare-net", "--disable-userns", "--ro-bind", "/usr", "/usr"]
    words += ["--symlink", "usr/lib64", "/lib64", "--symlink", "usr/lib", "/lib", "/usr/bin/true"]
    tried = subprocess.run(words, user=uid, group=uid, extra_groups=[], capture_output=True, text=True, cwd="/", check=False)
    if tried.returncode == 0:
        return []
    return [f"an unprivileged account cannot build a sandbox: {tried.stderr.strip()} (are user namespaces switched off?)"]


def running_pid(layout: Layout) -> int | None:
    """Return the pid of the supervisor that holds the lock, or None."""
    try:
        with layout.lock.open("r", encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read() or 0) or None
    except FileNotFoundError:
        return None
    return None


def down(settings: Settings) -> bool:
    """Stop a running hub and wait until it is gone; return whether there was one."""
    layout = Layout(settings.paths.state, settings.first_id)
    pid = running_pid(layout)
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 4 * STOP_S
    while running_pid(layout) == pid:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)  # its processes die with it
        time.sleep(0.1)
    while _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return True


def _runs(pid: int) -> bool:
    """Say whether a process still runs; one that ended and waits for its parent does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def set_password(settings: Settings, user: str, password: str) -> None:
    """Store the hash of a local password; it holds from the next sign-in on."""
    layout = Layout(settings.paths.state, settings.first_id)
    stored = _read_toml(layout.passwords)
    stored[user] = hash_password(password)
    hub = account_id(settings.first_id, "hub")
    _write_private(layout.passwords, stored, group=hub)


def _read_toml(path: Path) -> dict[str, str]:
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _write_private(path: Path, table: dict, *, group: int = 0) -> None:
    """Write a root-owned file that at most one group reads, in one step."""
    aside = path.with_name(f".{path.name}.partial")
    aside.unlink(missing_ok=True)
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(tomli_w.dumps(table))
    os.chown(aside, 0, group)
    aside.chmod(0o640 if group else 0o600)
    aside.replace(path)


@dataclass
class Supervisor:
    """Runs one hub.

    Parameters
    ----------
    table : dict
        The centre's settings as read from TOML; they are checked here.
    say : callable
        Takes one line of progress.
    """

    table: dict
    say: Callable[[str], None]
    processes: dict[str, subprocess.Popen] = field(default_factory=dict)
    starts: dict[str, list[float]] = field(default_factory=dict)
    stopping: threading.Event = field(default_factory=threading.Event)
    digest: str = ""

    def __post_init__(self) -> None:
        self.settings = parse(self.table)
        self.layout = Layout(self.settings.paths.state, self.settings.first_id)

    def run(self, when_ready: Callable[[Supervisor], None]) -> None:
        """Start everything, call back when it is ready, and keep it running until told to stop.

        Raises
        ------
        HubError
            If the machine lacks something, a hub runs already, or a process does not come up.
        """
        if faults := check(self.settings):
            message = "this machine cannot run sealed sessions yet:\n  - " + "\n  - ".join(faults)
            raise SettingsError(message)
        os.umask(0o022)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self.stopping.set())
        self.layout.state.mkdir(parents=True, exist_ok=True)
        with self._locked():
            plan = self._prepare()
            try:
                self._start_all(plan)
                if not self.stopping.is_set():
                    when_ready(self)
                self._watch(plan)
            finally:
                self._stop_all(plan)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with self.layout.lock.open("a+", encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                message = f"a hub runs already on {self.layout.state} (pid {running_pid(self.layout)})"
                raise HubError(message, hint="`python -m hub_config down` stops it") from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield
            file.truncate(0)

    def _prepare(self) -> tuple[Component, ...]:
        self._refuse_taken_port()
        for folder in self.layout.folders():
            make_folder(folder)
        for path in self.layout.run.rglob("*.sock"):
            path.unlink()
        self.digest = library.copy(SOURCE, self.layout.state / "library")
        self.say(f"library {self.digest} copied")
        self._copy_settings()
        if self.settings.login.authenticator == "local":
            self._first_passwords()
        return components(self.settings, library=self.digest, proxy_token=secrets.token_hex(32))

    def _refuse_taken_port(self) -> None:
        public = self.settings.public
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((public.address, public.port))
            except OSError as error:
                message = f"{public.address}:{public.port} cannot be used: {error.strerror}"
                raise HubError(message, hint="set another public.port in the settings") from error

    def _copy_settings(self) -> None:
        """Give the services their own copy; sign-in options, which may hold secrets, go to the hub alone."""
        hub = account_id(self.settings.first_id, "hub")
        _write_private(self.layout.hub_settings_copy, self.table, group=hub)
        _write_private(self.layout.settings_copy, {key: value for key, value in self.table.items() if key != "login"})
        self.layout.settings_copy.chmod(0o644)

    def _first_passwords(self) -> None:
        """Make a password for everybody who has none yet, and leave it for root to hand over."""
        stored = _read_toml(self.layout.passwords)
        fresh = {user.name: generate() for user in self.settings.users if user.name not in stored}
        for name, password in fresh.items():
            set_password(self.settings, name, password)
        if fresh:
            _write_private(self.layout.first_passwords, {**_read_toml(self.layout.first_passwords), **fresh})

    def first_passwords(self) -> dict[str, str]:
        """Return the generated passwords that still hold, by user."""
        return _read_toml(self.layout.first_passwords)

    def _start_all(self, plan: tuple[Component, ...]) -> None:
        for component in plan:
            self._start(component)
        for number, component in enumerate(plan, start=1):
            self._wait_until_ready(component)
            self.say(f"[{number}/{len(plan)}] {component.name} ready")
        self._wait_for_public_address()

    def _start(self, component: Component) -> None:
        uid, groups = identity(component, self.settings.first_id)
        self.starts.setdefault(component.name, []).append(time.monotonic())
        with (self.layout.state / "logs" / f"{component.name}.log").open("ab") as log:
            self.processes[component.name] = subprocess.Popen(
                component.command,
                user=uid,
                group=uid,
                extra_groups=groups,
                umask=component.umask,
                env=self._environment(component),
                cwd=component.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    def _environment(self, component: Component) -> dict[str, str]:
        return {
            "PATH": f"{self.settings.image.python.parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "PYTHONPATH": str(self.layout.library(self.digest)),
            "PYTHONUNBUFFERED": "1",
            "LANG": "C.UTF-8",
            "HOME": str(component.folder),
            "USER": component.account,
            "LOGNAME": component.account,
            **component.environment,
        }

    def _wait_until_ready(self, component: Component) -> None:
        deadline = time.monotonic() + READY_S
        while component.ready is not None and not _accepts(component.ready) and not self.stopping.is_set():
            self._check_alive(component)
            if time.monotonic() > deadline:
                message = f"{component.name} is not ready after {READY_S:.0f} s: {self._tail(component)}"
                raise HubError(message)
            self.stopping.wait(0.05)

    def _check_alive(self, component: Component) -> None:
        if self.processes[component.name].poll() is not None:
            message = f"{component.name} ended at the start: {self._tail(component)}"
            raise HubError(message, hint=f"its log is {self.layout.state}/logs/{component.name}.log")

    def _wait_for_public_address(self) -> None:
        deadline = time.monotonic() + READY_S
        url = self.settings.public.url.replace("0.0.0.0", "127.0.0.1")  # noqa: S104  (compared, not bound)
        while not self.stopping.wait(0.1):
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{url}/hub/api", verify=False).status_code == 200:  # noqa: S501  (a self-check on this machine)
                    return
            if time.monotonic() > deadline:
                message = f"the hub does not answer at {url}"
                raise HubError(message, hint=f"see {self.layout.state}/logs")

    def _watch(self, plan: tuple[Component, ...]) -> None:
        while not self.stopping.wait(0.5):
            for component in plan:
                if self.processes[component.name].poll() is not None:
                    self._restart(component)

    def _restart(self, component: Component) -> None:
        recent = [moment for moment in self.starts[component.name] if time.monotonic() - moment < 60]
        if len(recent) > RESTARTS_PER_MINUTE:
            message = f"{component.name} ended {len(recent)} times within a minute: {self._tail(component)}"
            raise HubError(message)
        self.say(f"{component.name} ended with {self.processes[component.name].returncode}; starting it again")
        self._start(component)

    def _stop_all(self, plan: tuple[Component, ...]) -> None:
        """Stop in the reverse order, so that the agent, who ends the sessions, is last."""
        for component in reversed(plan):
            process = self.processes.get(component.name)
            if process is None:
                continue
            for number in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=STOP_S)
                    break
            self.say(f"{component.name} stopped")
        self._remove_groups()

    def _remove_groups(self) -> None:
        """Remove sessions' control groups that a killed agent could not."""
        hierarchy = detect()
        for name in hierarchy.names(f"{self.layout.instance}-"):
            hierarchy.group(name).remove()

    def _tail(self, component: Component) -> str:
        log = self.layout.state / "logs" / f"{component.name}.log"
        return log.read_text(encoding="utf-8", errors="replace")[-1500:].strip()


def _die_with_parent() -> None:
    """Between fork and exec, after the account has changed: be killed when the supervisor ends, and never gain privileges."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
