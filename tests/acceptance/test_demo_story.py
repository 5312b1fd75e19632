"""``make demo``, told for real on a small hospital: everything between a raw extract and a released report."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.lib.paths import REPOSITORY

pytestmark = pytest.mark.integration


@pytest.fixture
def place():
    if os.geteuid() != 0:
        pytest.skip("the story needs root for its sandbox")
    missing = [program for program in ("bwrap", "node", "chromium") if shutil.which(program) is None]
    if missing:
        pytest.skip(f"the story needs {', '.join(missing)} (make setup installs them)")
    folder = Path(tempfile.mkdtemp(prefix="cwb-story-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder / "demo"
    shutil.rmtree(folder)


def tell(place, *words):
    return [sys.executable, "-m", "hub_config.demo", "--patients", "400", "--place", str(place), *words]


def alive(place):
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                found += [process.name] if str(place / "state").encode() in (process / "cmdline").read_bytes() else []
            except OSError:
                continue
    return found


def test_the_story_ends_with_a_released_report_and_leaves_nothing_running(place):
    done = subprocess.run(tell(place, "--language", "en"), cwd=REPOSITORY, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    for line in ("browser download", "network from the kernel", "12 MB through the output channel"):
        assert f"✗ {line}" in done.stdout
    assert "intact" in done.stdout
    (report,) = (place / "state" / "airlock" / "released").rglob("report.html")
    assert report.stat().st_size > 5_000
    assert (place / "report.png").read_bytes().startswith(b"\x89PNG")
    assert alive(place) == []


def test_a_story_killed_half_way_takes_its_hub_along(place):
    story = subprocess.Popen(tell(place), cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for line in story.stdout:
        if "ready at" in line:
            break
    assert alive(place)
    story.send_signal(signal.SIGKILL)
    story.wait()
    story.stdout.close()
    deadline = time.monotonic() + 60
    while alive(place) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert alive(place) == []
