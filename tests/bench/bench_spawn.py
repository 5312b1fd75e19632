"""Time from the click to a ready session: hub, guard and sandbox against a plain local spawner, taken turn about.

Run as root: ``python tests/bench/bench_spawn.py``. Prints medians and their ratio; the target is at most 1.2.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from hub_config.client import HubClient  # noqa: E402  (found beside this file, not installed)
from hub_config.components import PROXY  # noqa: E402
from tests.lib.hub_client import free_port, node_folder, start_hub  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 7
TARGET = 1.2
PASSWORD = "plain-hub-for-timing"
PLAIN = """
c = get_config()
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_port = {hub_port}
c.ConfigurableHTTPProxy.command = ["node", "{proxy}"]
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = "{password}"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.JupyterHub.allow_named_servers = True
c.Spawner.args = ["--allow-root"]
c.Spawner.default_url = "/lab"
c.JupyterHub.tornado_settings = {{"slow_spawn_timeout": 1}}
"""


@contextmanager
def plain_hub() -> Iterator[str]:
    """Run a hub with JupyterHub's own simple spawner, everything else alike."""
    root = Path(tempfile.mkdtemp(prefix="plain-", dir="/var/tmp"))
    port = free_port()
    config = root / "jupyterhub_config.py"
    proxy = node_folder() / PROXY / "bin" / "configurable-http-proxy"
    config.write_text(PLAIN.format(port=port, hub_port=free_port(), api_port=free_port(), proxy=proxy, password=PASSWORD), encoding="utf-8")
    environment = {**os.environ, "PATH": f"{Path(sys.prefix).resolve()}/bin:{os.environ['PATH']}"}
    with (root / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "-f", str(config)], cwd=root, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    address = f"http://127.0.0.1:{port}"
    try:
        while _status(f"{address}/hub/api") != 200:
            assert process.poll() is None, (root / "log").read_text()
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(root)


def _status(url: str) -> int:
    try:
        return httpx.get(url).status_code
    except httpx.HTTPError:
        return 0


def measure(client: HubClient, project: str) -> tuple[float, float]:
    """Return the seconds until the session is ready, and those for a kernel and its first cell."""
    ready = client.spawn(project)
    began = time.perf_counter()
    assert client.execute("6 * 7") == "42"
    cell = time.perf_counter() - began
    client.stop()
    return ready, cell


def main() -> None:
    """Take turns and print a table."""
    for sealed in start_hub():
        with plain_hub() as address, sealed.client("alice") as ours, HubClient(address, "alice", PASSWORD) as plain:
            ours.login()
            plain.login()
            times: dict[str, list[tuple[float, float]]] = {"sealed": [], "plain": []}
            for _ in range(ROUNDS):
                times["sealed"].append(measure(ours, "heart"))
                times["plain"].append(measure(plain, "heart"))
    print(f"{'':8} {'ready, s':>10} {'first cell, s':>14}   median of {ROUNDS}, taken turn about")
    medians = {name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in times.items()}
    for name, (ready, cell) in medians.items():
        print(f"{name:8} {ready:10.2f} {cell:14.2f}")
    ratios = [ours / plain for ours, plain in zip(medians["sealed"], medians["plain"], strict=True)]
    print(f"{'ratio':8} {ratios[0]:10.2f} {ratios[1]:14.2f}   target for ready: at most {TARGET}")


if __name__ == "__main__":
    main()
