"""What a sealed session is: a pure plan of namespaces, mounts, limits, devices, environment and manifest.

Nothing here touches the machine, so the isolation is unit-tested without root. `hub_config.bubblewrap` writes a plan
as the sandbox's arguments and `hub_config.agent` carries it out.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import tomli_w

from hub_config.errors import Refused
from hub_config.layout import Folder, Layout, account_id, session_id
from hub_config.settings import MEBIBYTE, Limits, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LIBRARY", "MANIFEST", "NAMESPACES", "Mount", "Plan", "Seat", "plan"]

HOME = "/home/work"
DATA = "/data"
OUTBOX = "/outbox"
SHARED = "/shared"
STATUS = "/run/airlock"
GATE = "/run/hub"
LIBRARY = "/opt/workbench/library"
MANIFEST = "/run/workbench/session.toml"
JUPYTER = f"{LIBRARY}/hub_config/session/jupyter"
NAMESPACES = ("user", "ipc", "pid", "net", "uts", "cgroup")

# What a program needs of the machine's /etc, and no more: no passwords, no host names, no service configuration.
HOST_ETC = ("/etc/alternatives", "/etc/fonts", "/etc/ld.so.cache", "/etc/localtime", "/etc/mime.types")
SHARED_MEMORY_BYTES = 1024 * MEBIBYTE


@dataclass(frozen=True)
class Mount:
    """One entry of a session's file tree.

    Parameters
    ----------
    kind : {"ro", "ro-try", "rw", "dev", "tmpfs", "proc", "devices", "symlink"}
        ``ro-try`` is left out where the host lacks it; ``dev`` passes one device node; ``devices`` is a minimal /dev.
    target : str
        Path inside the session.
    source : str, optional
        Path on the host, or what a symlink says.
    size_bytes : int, optional
        Limit of a tmpfs.
    """

    kind: Literal["ro", "ro-try", "rw", "dev", "tmpfs", "proc", "devices", "symlink"]
    target: str
    source: str = ""
    size_bytes: int = 0


@dataclass(frozen=True)
class Seat:
    """What the machine assigns to one session: numbers, the library's copy and the hub's token."""

    uid: int
    gid: int
    library: str
    token: str


@dataclass(frozen=True)
class Plan:
    """Everything that makes a sealed session, decided and not yet done."""

    sid: str
    user: str
    project: str
    uid: int
    gid: int
    namespaces: tuple[str, ...]
    mounts: tuple[Mount, ...]
    limits: Limits
    devices: tuple[str, ...]
    environment: Mapping[str, str]
    manifest: str
    files: Mapping[Path, str]
    folders: tuple[Folder, ...]
    command: tuple[str, ...]
    working_folder: str = HOME
    capabilities: tuple[str, ...] = ()


def plan(user: str, project: str, settings: Settings, *, seat: Seat) -> Plan:
    """Decide what the session of a user in a project is.

    Parameters
    ----------
    user, project : str
        Names in the settings; the user has to be a member of the project.
    settings : Settings
        The centre's settings.
    seat : Seat
        What the machine assigned.

    Returns
    -------
    Plan
        Everything that the agent is to carry out.

    Raises
    ------
    Refused
        If the user is not a member of the project, or there is no such project.
    """
    if not settings.is_member(user, project):
        message = f"{user!r} is not a member of project {project!r}"
        raise Refused(message, hint="members are listed under [[projects]] in the centre's settings")
    layout = Layout(settings.paths.state, settings.first_id)
    sid = session_id(user, project)
    manifest = _manifest(user, project, sid, settings)
    root_files = layout.session_files(sid)
    return Plan(
        sid=sid,
        user=user,
        project=project,
        uid=seat.uid,
        gid=seat.gid,
        namespaces=NAMESPACES,
        mounts=_mounts(user, project, sid, settings, layout, seat, root_files),
        limits=settings.limits,
        devices=settings.devices,
        environment=MappingProxyType(_environment(user, project, settings, seat)),
        manifest=manifest,
        files=MappingProxyType(_files(user, seat, manifest, root_files)),
        folders=_folders(user, project, sid, settings, layout, seat),
        command=(str(settings.image.python), "-P", "-m", "hub_config.session"),
    )


def _mounts(user: str, project: str, sid: str, settings: Settings, layout: Layout, seat: Seat, root_files: Path) -> tuple[Mount, ...]:
    """List the file tree in the order in which it is built; all of it but home, shared folder, outbox and the tmpfs is read-only."""
    return (
        Mount("ro", "/usr", "/usr"),
        *(Mount("symlink", f"/{name}", f"usr/{name}") for name in ("bin", "sbin", "lib", "lib64")),
        *(Mount("ro-try", path, path) for path in HOST_ETC),
        *(Mount("ro", f"/etc/{name}", str(root_files / "etc" / name)) for name in ("passwd", "group", "hosts", "nsswitch.conf")),
        *(Mount("ro", str(prefix), str(prefix)) for prefix in settings.image.prefixes),
        Mount("ro", LIBRARY, str(layout.library(seat.library))),
        Mount("proc", "/proc"),
        Mount("devices", "/dev"),
        Mount("tmpfs", "/dev/shm", size_bytes=SHARED_MEMORY_BYTES),  # noqa: S108  (a mount point inside the sandbox)
        *(Mount("dev", device, device) for device in settings.devices),
        Mount("tmpfs", "/tmp", size_bytes=settings.limits.tmp_mb * MEBIBYTE),  # noqa: S108  (a mount point inside the sandbox)
        Mount("ro", GATE, str(layout.gate_folder)),
        Mount("ro", str(Path(MANIFEST).parent), str(root_files / "workbench")),
        Mount("ro", STATUS, str(layout.airlock_status(project, user))),
        Mount("ro", DATA, str(settings.paths.slices / project)),
        Mount("rw", HOME, str(layout.home(sid))),
        Mount("rw", SHARED, str(layout.shared(project))),
        Mount("rw", OUTBOX, str(layout.outbox(project, user))),
    )


def _manifest(user: str, project: str, sid: str, settings: Settings) -> str:
    """Write the session manifest, the one document that the hub and the library share."""
    return tomli_w.dumps(
        {
            "schema": 1,
            "user": user,
            "project": project,
            "session": sid,
            "language": settings.language,
            "data": {"store": DATA},
            "home": {"path": HOME},
            "shared": {"path": SHARED},
            "disclosure": {"threshold": settings.disclosure.threshold, "rounding": settings.disclosure.rounding},
            "display": {"bytes_per_hour": int(settings.guard.budget_mb_per_hour * MEBIBYTE)},
            "release": {"outbox": OUTBOX, "status": STATUS},
            "broker": {"socket": f"{GATE}/gate.sock"},
        }
    )


def _files(user: str, seat: Seat, manifest: str, root_files: Path) -> dict[Path, str]:
    """Write the root-owned files that the session sees and cannot change."""
    return {
        root_files / "workbench" / "session.toml": manifest,
        root_files / "workbench" / "library": f"{seat.library}\n",  # which copy of our packages the session runs
        root_files / "etc" / "passwd": (
            f"root:x:0:0:root:/nonexistent:/usr/sbin/nologin\n{user}:x:{seat.uid}:{seat.gid}::{HOME}:/bin/bash\n"
            "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
        ),
        root_files / "etc" / "group": f"root:x:0:\nproject:x:{seat.gid}:\nnogroup:x:65534:\n",
        root_files / "etc" / "hosts": "127.0.0.1 localhost session\n::1 localhost\n",
        root_files / "etc" / "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    }


def _folders(user: str, project: str, sid: str, settings: Settings, layout: Layout, seat: Seat) -> tuple[Folder, ...]:
    """List the folders that the session writes to or reads answers from, with their owners."""
    airlock = account_id(settings.first_id, "airlock")
    outbox, status = layout.outbox(project, user), layout.airlock_status(project, user)
    return (
        Folder(layout.home(sid), seat.uid, seat.gid, 0o700),
        Folder(layout.shared(project), 0, seat.gid, 0o2770),  # what is made in it belongs to the project
        Folder(outbox.parent, 0, airlock, 0o751),
        Folder(outbox, seat.uid, airlock, 0o2750),  # what is put in belongs to the airlock's group, which reads it
        Folder(status.parent, airlock, airlock, 0o711),
        Folder(status, airlock, seat.gid, 0o2750),
    )


def _environment(user: str, project: str, settings: Settings, seat: Seat) -> dict[str, str]:
    """Compute the whole environment; the hub's token is the only secret in it and the only thing that the hub supplies."""
    prefix = f"/user/{user}/{project}/"
    gate = "http+unix://%2frun%2fhub%2fgate.sock/hub/api"
    access = json.dumps([f"access:servers!server={user}/{project}", f"access:servers!user={user}"])
    threads = str(max(1, math.floor(settings.limits.cpu_cores)))
    return {
        "PATH": f"{settings.image.python.parent}:/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": LIBRARY,
        "PYTHONNOUSERSITE": "1",
        "LANG": "C.UTF-8",
        "HOME": HOME,
        "USER": user,
        "LOGNAME": user,
        "SHELL": "/bin/bash",
        "WORKBENCH_SESSION": MANIFEST,
        "WORKBENCH_LANGUAGE": settings.language,
        "IPYTHONDIR": f"{HOME}/.ipython",
        "MATPLOTLIBRC": f"{LIBRARY}/hub_config/session/matplotlibrc",
        "MPLCONFIGDIR": f"{HOME}/.config/matplotlib",
        "JUPYTER_CONFIG_DIR": JUPYTER,  # root-owned: no level of Jupyter's configuration is the user's
        "JUPYTER_RUNTIME_DIR": "/tmp/jupyter",  # noqa: S108  (the session's own tmpfs)
        "JUPYTERLAB_SETTINGS_DIR": f"{HOME}/.jupyter/lab/user-settings",
        "JUPYTERLAB_WORKSPACES_DIR": f"{HOME}/.jupyter/lab/workspaces",
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "JUPYTERHUB_API_TOKEN": seat.token,
        "JUPYTERHUB_API_URL": gate,
        "JUPYTERHUB_ACTIVITY_URL": f"{gate}/users/{user}/activity",
        "JUPYTERHUB_BASE_URL": "/",
        "JUPYTERHUB_CLIENT_ID": f"jupyterhub-user-{user}-{project}",
        "JUPYTERHUB_COOKIE_HOST_PREFIX_ENABLED": "0",
        "JUPYTERHUB_DEFAULT_URL": "/lab",
        "JUPYTERHUB_DISABLE_USER_CONFIG": "1",
        "JUPYTERHUB_HOST": "",
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": access,
        "JUPYTERHUB_OAUTH_SCOPES": access,
        "JUPYTERHUB_OAUTH_CALLBACK_URL": f"{prefix}oauth_callback",
        "JUPYTERHUB_OAUTH_CLIENT_ALLOWED_SCOPES": "[]",
        "JUPYTERHUB_ROOT_DIR": HOME,
        "JUPYTERHUB_SERVER_NAME": project,
        "JUPYTERHUB_SERVICE_PREFIX": prefix,
        "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:8888{prefix}",
        "JUPYTERHUB_USER": user,
    }
