"""Carry out a plan as root: folders, root-owned files, listener, control group, bubblewrap. Used by the agent only."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import tempfile
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hub_config.bubblewrap import arguments
from hub_config.errors import HubError
from hub_config.layout import Folder, Layout
from hub_config.seccomp import filter_file

if TYPE_CHECKING:
    from pathlib import Path

    from hub_config.cgroups import Group
    from hub_config.isolation import Plan

__all__ = ["Sandbox", "make_folder", "open_slice", "start"]

BACKLOG = 128
LOG_LIMIT_BYTES = 4 << 20


@dataclass
class Sandbox:
    """A running session."""

    sid: str
    user: str
    project: str
    process: subprocess.Popen
    group: Group
    layout: Layout

    def exit_code(self) -> int | None:
        """Return None while it runs."""
        return self.process.poll()

    def trim_log(self) -> None:
        """Keep the session's log small; what it prints is up to the user's code."""
        log = self.layout.session_log(self.sid)
        with suppress(FileNotFoundError):
            if log.stat().st_size > LOG_LIMIT_BYTES:
                os.truncate(log, 0)

    def stop(self) -> None:
        """End every process of the session at once and remove its traces from the machine."""
        self.process.kill()  # pid 1 of the session dies with it (--die-with-parent), and all others with that
        self.group.remove()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=5)
        self.layout.session_socket(self.sid).unlink(missing_ok=True)
        shutil.rmtree(self.layout.session_files(self.sid), ignore_errors=True)


def start(plan: Plan, *, layout: Layout, group: Group, guard_id: int) -> Sandbox:
    """Start a planned session.

    Parameters
    ----------
    plan : Plan
        What to build.
    layout : Layout
        Where its parts lie.
    group : Group
        The control group that it gets.
    guard_id : int
        The account that may connect to the session.

    Returns
    -------
    Sandbox
        The running session.

    Raises
    ------
    HubError
        If the sandbox does not come up; the message ends with what it printed.
    """
    for folder in plan.folders:
        make_folder(folder)
    for path, text in plan.files.items():
        _write_root_file(path, text)
    log = layout.session_log(plan.sid)
    log.write_bytes(b"")
    with ExitStack() as stack:
        listener = stack.enter_context(_listener(layout.session_socket(plan.sid), guard_id))
        rules = stack.enter_context(filter_file())
        words = stack.enter_context(tempfile.TemporaryFile())
        output = stack.enter_context(log.open("ab"))
        read_end, write_end = os.pipe()
        words.write(b"".join(word.encode() + b"\0" for word in arguments(plan, info_fd=write_end, seccomp_fd=rules.fileno())))
        words.flush()
        words.seek(0)
        group.create(plan.limits)
        try:
            process = subprocess.Popen(
                ["bwrap", "--args", str(words.fileno()), "--", *plan.command],
                preexec_fn=_become(plan, group),
                pass_fds=(listener.fileno(), rules.fileno(), words.fileno(), write_end),
                start_new_session=True,
                env={**plan.environment, "LISTEN_FD": str(listener.fileno())},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
            )
        finally:
            os.close(write_end)
        with os.fdopen(read_end) as report:
            told = report.read()
    if not told:
        process.wait()
        group.remove()
        message = f"the sandbox of {plan.user} in {plan.project} did not start: {_tail(log)}"
        raise HubError(message, hint="run `python -m hub_config check` for what this machine lacks")
    return Sandbox(plan.sid, plan.user, plan.project, process, group, layout)


def make_folder(folder: Folder) -> None:
    """Make a folder, or mend its owner and mode; a symlink in its place is refused."""
    folder.path.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(folder.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchown(descriptor, folder.owner, folder.group)
        os.fchmod(descriptor, folder.mode)
    finally:
        os.close(descriptor)


def open_slice(path: Path, gid: int) -> None:
    """Let the project's group, and nobody else but root, into the project's slice.

    Parameters
    ----------
    path : Path
        The slice. A symlink, or a folder that is not root's, is left as it is: the centre keeps its own rules there.
    gid : int
        The project's group.

    Raises
    ------
    HubError
        If there is no slice.
    """
    if not path.is_dir():
        message = f"the project has no data slice: {path} is not a folder"
        raise HubError(message, hint="publish the approved slice there first")
    found = path.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == 0:
        make_folder(Folder(path, 0, gid, 0o750))


def _write_root_file(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o755)
    path.parent.parent.chmod(0o755)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o444)


def _listener(path: Path, owner: int) -> socket.socket:
    """Listen on a unix socket that only one account may connect to.

    The descriptor is inherited by the session. The path is never visible inside, so the session cannot put anything in
    its place; and a unix listener, unlike a TCP one, cannot be turned into a connection to the host's network.
    """
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o600)
    os.chown(path, owner, owner)
    listener.listen(BACKLOG)
    return listener


def _become(plan: Plan, group: Group):
    """Return what runs between fork and exec: join the group as root, then give root up for good."""

    def drop() -> None:
        group.enter()
        os.setgroups([])
        os.setresgid(plan.gid, plan.gid, plan.gid)
        os.setresuid(plan.uid, plan.uid, plan.uid)
        os.umask(0o027)

    return drop


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-600:].strip() or "it printed nothing"
