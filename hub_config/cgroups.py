"""Control groups, version 1 and 2: what a limit writes where (tables), and a thin class that writes it."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hub_config.errors import HubError
from hub_config.settings import MEBIBYTE, Limits

__all__ = ["Group", "Hierarchy", "detect", "files_v1", "files_v2"]

CPU_PERIOD_US = 100_000
CONTROLLERS = ("memory", "cpu", "pids")
ROOT = Path("/sys/fs/cgroup")


def files_v1(limits: Limits) -> dict[str, dict[str, str]]:
    """List what is written for these limits under version 1: controller -> file -> value, in the order of writing."""
    memory = str(limits.memory_mb * MEBIBYTE)
    return {
        "memory": {"memory.limit_in_bytes": memory, "memory.memsw.limit_in_bytes": memory},
        "cpu": {"cpu.cfs_period_us": str(CPU_PERIOD_US), "cpu.cfs_quota_us": str(int(limits.cpu_cores * CPU_PERIOD_US))},
        "pids": {"pids.max": str(limits.processes)},
    }


def files_v2(limits: Limits) -> dict[str, str]:
    """List what is written for these limits under version 2: file -> value."""
    return {
        "memory.max": str(limits.memory_mb * MEBIBYTE),
        "memory.swap.max": "0",
        "cpu.max": f"{int(limits.cpu_cores * CPU_PERIOD_US)} {CPU_PERIOD_US}",
        "pids.max": str(limits.processes),
    }


# Kernels without swap accounting lack these; all other files have to be there.
OPTIONAL_FILES = frozenset({"memory.memsw.limit_in_bytes", "memory.swap.max"})


@dataclass(frozen=True)
class Hierarchy:
    """Where groups are made on this machine: one folder under version 2, one per controller under version 1."""

    version: int
    folders: dict[str, Path]
    mounts: tuple[Path, ...]

    def group(self, name: str) -> Group:
        """Return the group of that name; it is not made yet."""
        return Group(name, self)

    def names(self, prefix: str) -> set[str]:
        """Find groups by the beginning of their name, wherever an earlier run put them."""
        return {path.name for path in self.find(f"{prefix}*")}

    def find(self, pattern: str) -> list[Path]:
        """Return the folders of groups whose name matches the pattern, at any depth."""
        return [path for mount in self.mounts for path in mount.rglob(pattern) if path.is_dir()]


def detect(root: Path = ROOT, *, own: str | None = None) -> Hierarchy:
    """Find out which version holds the controllers that limits need, and prepare it.

    Parameters
    ----------
    root : Path
        Where control groups are mounted.
    own : str, optional
        Text of ``/proc/self/cgroup``; read from there when not given.

    Returns
    -------
    Hierarchy
        The version in use and the folders below which groups are made.

    Raises
    ------
    HubError
        If neither version offers memory, cpu and pids: without limits no session is started.
    """
    text = Path("/proc/self/cgroup").read_text(encoding="utf-8") if own is None else own
    memberships = dict(line.split(":", 2)[1:] for line in text.splitlines())
    if (root / "cgroup.controllers").exists():
        return _version_2(root, memberships.get("", "/"))
    return _version_1(root, memberships)


def _version_1(root: Path, memberships: dict[str, str]) -> Hierarchy:
    folders = {}
    for controller in CONTROLLERS:
        names = next((names for names in memberships if controller in names.split(",")), None)
        mount = root / controller
        if names is None or not mount.is_dir():
            message = f"control group controller {controller!r} is not mounted under {root}"
            raise HubError(message, hint="mount it, or boot with the unified hierarchy (cgroup version 2)")
        folders[controller] = mount / memberships[names].strip("/")
    return Hierarchy(1, folders, tuple(root / controller for controller in CONTROLLERS))


def _version_2(root: Path, own: str) -> Hierarchy:
    available = (root / "cgroup.controllers").read_text(encoding="utf-8").split()
    missing = sorted(set(CONTROLLERS) - set(available))
    if missing:
        message = f"the unified control group hierarchy at {root} lacks {', '.join(missing)}"
        raise HubError(message, hint="boot with cgroup_no_v1=all, or enable the controllers")
    base = root / own.strip("/")
    if base != root:
        _move_processes_to_a_leaf(base)
    (base / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in CONTROLLERS), encoding="utf-8")
    return Hierarchy(2, {"": base}, (root,))


def _move_processes_to_a_leaf(base: Path) -> None:
    """Empty our own group: version 2 hands controllers down only from a group without processes."""
    leaf = base / "services"
    leaf.mkdir(exist_ok=True)
    for pid in (base / "cgroup.procs").read_text(encoding="utf-8").split():
        with suppress(ProcessLookupError):
            (leaf / "cgroup.procs").write_text(pid, encoding="utf-8")


@dataclass(frozen=True)
class Group:
    """One session's group in every hierarchy that limits it."""

    name: str
    hierarchy: Hierarchy

    @property
    def folders(self) -> list[Path]:
        """The group's folders, one per hierarchy."""
        return [base / self.name for base in self.hierarchy.folders.values()]

    def create(self, limits: Limits) -> None:
        """Make the group and write its limits; a limit that cannot be written is an error."""
        if self.hierarchy.version == 2:
            self._write(self.folders[0], files_v2(limits))
            return
        table = files_v1(limits)
        for controller, base in self.hierarchy.folders.items():
            self._write(base / self.name, table[controller])

    @staticmethod
    def _write(folder: Path, files: dict[str, str]) -> None:
        folder.mkdir(exist_ok=True)
        for name, value in files.items():
            path = folder / name
            if path.exists() or name not in OPTIONAL_FILES:
                path.write_text(value, encoding="utf-8")

    def enter(self) -> None:
        """Put the calling process into the group (between fork and exec, still as root)."""
        for folder in self.folders:
            with (folder / "cgroup.procs").open("w") as file:
                file.write(str(os.getpid()))

    def remove(self, *, patience_s: float = 5.0) -> bool:
        """Kill what is in the group and remove it, also where an earlier run left it; say whether it is gone."""
        deadline = time.monotonic() + patience_s
        while folders := self.hierarchy.find(self.name):
            for folder in folders:
                _kill(folder)
                with suppress(OSError):
                    folder.rmdir()
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


def _kill(folder: Path) -> None:
    with suppress(OSError):
        for pid in (folder / "cgroup.procs").read_text(encoding="utf-8").split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
