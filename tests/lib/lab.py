"""A JupyterLab with one notebook, and a browser on it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

from tests.lib.hub_client import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

CHROMIUM = Path("/usr/bin/chromium")
REPOSITORY = Path(__file__).resolve().parents[2]


@contextmanager
def running_lab(home: Path, cell: str) -> Iterator[str]:
    """Serve a notebook with one cell from a home; give its address."""
    if not CHROMIUM.exists():
        pytest.skip("there is no Chromium")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    (home / "work").mkdir()
    nbformat.write(notebook, home / "work" / "notebook.ipynb")
    port = free_port()
    environment = os.environ | {"HOME": str(home), "JUPYTER_CONFIG_DIR": str(home / "config"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--port={port}", "--ip=127.0.0.1", "--allow-root"]
    command += ["--IdentityProvider.token=", "--ServerApp.password=", f"--ServerApp.root_dir={home / 'work'}", "--ServerApp.port_retries=0"]
    with (home / "lab.log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=home)
        try:
            _wait(f"http://127.0.0.1:{port}/api/status", server)
            yield f"http://127.0.0.1:{port}/lab/tree/notebook.ipynb"
        finally:
            server.terminate()
            server.wait(20)


def _wait(url: str, server: subprocess.Popen) -> None:
    for _ in range(240):
        assert server.poll() is None
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise AssertionError("JupyterLab did not start")


@contextmanager
def opened_page(address: str, selector: str) -> Iterator:
    """Open a notebook, run its cell until something is shown, and give the page; `page.outside` holds addresses asked elsewhere."""
    from playwright.sync_api import sync_playwright

    outside: list[str] = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.set_default_timeout(90_000)
        page.on("request", lambda request: outside.append(request.url) if "127.0.0.1" not in request.url else None)
        page.goto(address)
        _run_until_shown(page, selector)
        page.outside = outside
        yield page
        browser.close()


def _run_until_shown(page, selector):
    """Run the first cell; again where the key came before the notebook could take it."""
    from playwright.sync_api import TimeoutError as NotShown

    for _ in range(4):
        page.locator(".jp-Notebook .jp-Cell").first.click()
        page.keyboard.press("Control+Enter")
        try:
            page.locator(selector).first.wait_for(timeout=60_000)
        except NotShown:
            continue
        return
    raise AssertionError(f"{selector} was not shown")
