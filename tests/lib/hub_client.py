"""A hub for tests: its own state folder, port and accounts, started by the real command and torn down after."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
import tomli_w

from hub_config.client import HubClient
from hub_config.layout import Layout
from hub_config.settings import parse
from hub_config.supervisor import check

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[2]
FIRST_ID = 310_000
START_S = 90


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def node_folder() -> Path:
    """Where the Makefile installs the proxy: beside the virtual environment, or where WORKBENCH_NODE says."""
    return Path(os.environ.get("WORKBENCH_NODE", Path(sys.prefix).resolve().parent / "node"))


def centre_table(root: Path, **changes: object) -> dict:
    """Settings of a small centre: two projects, two researchers who share one of them, a reviewer."""
    prefix = Path(sys.prefix).resolve()
    return {
        "first_id": FIRST_ID,
        "paths": {"state": str(root / "state"), "slices": str(root / "slices"), "node": str(node_folder())},
        "public": {"port": free_port()},
        "image": {"python": str(prefix / "bin" / "python"), "prefixes": [str(prefix)]},
        "disclosure": {"threshold": 10, "rounding": 5},
        "limits": {"memory_mb": 512, "cpu_cores": 1.0, "processes": 128, "tmp_mb": 64},
        "guard": {"budget_mb_per_hour": 24, "message_mb": 2, "content_mb": 4},
        "users": [
            {"name": "alice", "role": "researcher"},
            {"name": "bob", "role": "student"},
            {"name": "rui", "role": "reviewer"},
            {"name": "sun", "role": "staff"},
        ],
        "projects": [
            {"name": "heart", "title": "心衰研究", "members": ["alice", "bob"]},
            {"name": "lung", "title": "肺癌研究", "members": ["alice"]},
        ],
        **changes,
    }


@dataclass
class RunningHub:
    """A hub started by ``python -m hub_config up``."""

    root: Path
    table: dict
    process: subprocess.Popen | None = None

    @property
    def config(self) -> Path:
        return self.root / "centre.toml"

    @property
    def layout(self) -> Layout:
        settings = parse(self.table)
        return Layout(settings.paths.state, settings.first_id)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.table['public']['port']}"

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "hub_config", *words, "--config", str(self.config)]

    def up(self) -> None:
        self.config.write_text(tomli_w.dumps(self.table), encoding="utf-8")
        log = (self.root / "up.log").open("w", encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        with log:
            self.process = subprocess.Popen(self.command("up"), cwd=REPOSITORY, env=environment, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + START_S
        while "ready at" not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.1)

    def said(self) -> str:
        return (self.root / "up.log").read_text(encoding="utf-8")

    def run(self, word: str) -> subprocess.CompletedProcess:
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        return subprocess.run(self.command(word), cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=60, check=False)

    def down(self) -> None:
        """Stop the hub as its owner does, and reap it."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=60)

    def client(self, user: str) -> HubClient:
        passwords = tomllib.loads(self.layout.first_passwords.read_text(encoding="utf-8"))
        return HubClient(self.address, user, passwords[user])

    def processes(self) -> list[psutil.Process]:
        """Every process on the machine that runs under an account of this hub."""
        found = []
        for process in psutil.process_iter(["uids", "status"]):
            uids = process.info["uids"]
            if uids and FIRST_ID <= uids.real < FIRST_ID + 10_000 and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process)
        return found

    def groups(self) -> list[Path]:
        """Every control group of this hub."""
        return [path for path in Path("/sys/fs/cgroup").rglob(f"{self.layout.instance}-*") if path.is_dir()]


def start_hub(**changes: object) -> Iterator[RunningHub]:
    """Start a hub, or skip with what this machine lacks; yields it and leaves nothing behind."""
    root = Path(tempfile.mkdtemp(prefix="cwb-", dir="/var/tmp"))
    root.chmod(0o755)
    table = centre_table(root, **changes)
    for project in table["projects"]:
        folder = root / "slices" / project["name"]
        folder.mkdir(parents=True)
        (folder / "patients.csv").write_text(f"project\n{project['name']}\n", encoding="utf-8")
    hub = RunningHub(root, table)
    try:
        if faults := check(parse(table)):
            pytest.skip("a real hub cannot run here: " + "; ".join(faults))
        hub.up()
        yield hub
    finally:
        hub.down()
        shutil.rmtree(root)
