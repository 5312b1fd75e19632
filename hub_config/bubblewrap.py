"""A plan written as bubblewrap's arguments. Pure; the arguments go through a file descriptor, never through argv."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hub_config.isolation import Mount, Plan

__all__ = ["arguments"]

_ONE_TO_ONE = {"ro": "--ro-bind", "ro-try": "--ro-bind-try", "rw": "--bind", "dev": "--dev-bind", "symlink": "--symlink"}
_TARGET_ONLY = {"proc": "--proc", "devices": "--dev"}


def arguments(plan: Plan, *, info_fd: int, seccomp_fd: int) -> list[str]:
    """Write the sandbox's arguments.

    Parameters
    ----------
    plan : Plan
        What is to be built.
    info_fd : int
        Where bubblewrap reports the pid of the session's first process.
    seccomp_fd : int
        Where bubblewrap reads the system-call filter.

    Returns
    -------
    list of str
        Arguments without the program and without the command.
    """
    return [
        *(f"--unshare-{name}" for name in plan.namespaces),
        "--disable-userns",
        *("--uid", str(plan.uid), "--gid", str(plan.gid)),
        *("--cap-drop", "ALL"),
        *(item for name in plan.capabilities for item in ("--cap-add", name)),
        *("--new-session", "--die-with-parent", "--hostname", "session"),
        *(item for mount in plan.mounts for item in _mount(mount)),
        *("--remount-ro", "/dev", "--remount-ro", "/"),
        *("--chdir", plan.working_folder),
        *("--info-fd", str(info_fd)),
        *("--seccomp", str(seccomp_fd)),
    ]


def _mount(mount: Mount) -> tuple[str, ...]:
    if mount.kind == "tmpfs":
        return ("--size", str(mount.size_bytes), "--perms", "1777", "--tmpfs", mount.target)
    if mount.kind in _TARGET_ONLY:
        return (_TARGET_ONLY[mount.kind], mount.target)
    return (_ONE_TO_ONE[mount.kind], mount.source, mount.target)
