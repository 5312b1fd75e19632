"""Images looked at in a sealed session: through proxy and guard, in a real browser; what passes are pictures, and never voxels."""

from __future__ import annotations

import io
import json
import os
import struct
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from tests.lib.hub_client import start_hub
from tests.lib.lab import CHROMIUM
from tests.lib.ward import ward
from workbench.store import SnapshotWriter, Store
from workbench.synthetic.images import MASKS, make_images

pytestmark = pytest.mark.integration

#: Where pictures are left for a look, if anywhere.
PICTURES = os.environ.get("WORKBENCH_PICTURES", "")
LOOK = """
import csv
from pathlib import Path
import workbench as wb
images = wb.index_images('/data/images/dicom', wb.open_store(), progress=False)
cohort = wb.cohort('胸部CT').enter(wb.images('CT', body_part='胸部', verdict='regular'), limit='first')
chosen = wb.images(cohort.run(images.snapshot), verdict='regular')
rows = list(csv.DictReader(open('/data/images/{masks}', encoding='utf-8')))
mask = {{row['series_instance_uid']: Path('/data/images') / row['mask'] for row in rows}}
uids = sorted(mask)
chosen.show(uids[0], mask=mask[uids[0]])
"""
SIDE = "chosen.show(uids[0], uids[1], mask=[mask[uids[0]], mask[uids[1]]], language='en')"
SHOWN = ".wb-viewer .wb-stage[data-index]"


@pytest.fixture(scope="module")
def hub():
    for running in start_hub(limits={"memory_mb": 2048, "cpu_cores": 2.0, "processes": 128, "tmp_mb": 64}):
        place = running.root / "slices" / "heart"
        with SnapshotWriter(place, source="a made-up ward") as writer:
            for name, rows in ward(60).items():
                writer.write(name, rows)
        make_images(Store(place).latest(), place / "images", n_patients=12, seed=3)
        for path in (place, *place.rglob("*")):  # the session's account is another
            path.chmod(0o755 if path.is_dir() else 0o644)
        yield running


@pytest.fixture(scope="module")
def page(hub):
    """A page of the session with the notebook open and its cell run; `page.frames_seen` are the frames that came to the browser."""
    from playwright.sync_api import sync_playwright

    if not CHROMIUM.exists():
        pytest.skip("there is no Chromium")
    with hub.client("alice") as client:
        client.login()
        client.spawn("heart")
        cell = {"cell_type": "code", "source": LOOK.format(masks=MASKS), "metadata": {}, "outputs": [], "execution_count": None, "id": "a"}
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        notebook = {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
        client.request("PUT", "api/contents/look.ipynb", json={"type": "notebook", "content": notebook}).raise_for_status()
        prefix, password = client.prefix, client.password
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.set_default_timeout(90_000)
        page.frames_seen = []
        page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: page.frames_seen.append(frame)))
        page.goto(f"{hub.address}/hub/login")
        page.fill("input[name=username]", "alice")
        page.fill("input[name=password]", password)
        page.click("[type=submit]")
        page.goto(f"{hub.address}{prefix}lab/tree/look.ipynb")
        run(page)
        yield page
        browser.close()


def run(page, code=""):
    """Run the first cell, with other code in its place where there is any, until something is shown."""
    cell = page.locator(".jp-Notebook .jp-InputArea-editor .cm-content").first
    for _ in range(4):
        cell.click()
        if code:
            page.keyboard.press("Control+a")
            page.keyboard.insert_text(code)
        page.keyboard.press("Control+Enter")
        try:
            page.locator(SHOWN).first.wait_for(timeout=60_000)
        except Exception:  # the key came before the notebook could take it
            continue
        page.wait_for_timeout(1500)
        return
    raise AssertionError(page.locator(".jp-OutputArea-output").all_inner_texts())


def picture(page, name):
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/{name}.png")


def buffers(frames):
    """Yield the binary buffers of Jupyter's messages, in either protocol."""
    for frame in frames:
        if isinstance(frame, str):
            assert not json.loads(frame).get("buffers")
            continue
        (count,) = struct.unpack_from("<Q", frame)
        offsets = struct.unpack_from(f"<{count}Q", frame, 8)
        yield from (frame[start:end] for start, end in pairwise(offsets[5:]))


# Before the page: Playwright's loop would stand in the way of the client's.
def test_synthetic_images_are_made_and_joined_in_a_session(hub):
    with hub.client("bob") as client:
        client.login()
        client.spawn("heart")
        told = client.execute(
            "import workbench as wb\nfrom pathlib import Path\nfrom workbench.synthetic.images import make_images\n"
            "made = make_images(wb.open_store(), Path('synthetic_images'), n_patients=2)\n"
            "print(wb.index_images('synthetic_images/dicom', wb.open_store(), progress=False).joined == made.series > 1)"
        )
        client.stop()
    assert told.strip().endswith("True")


def test_a_series_with_its_mask_is_seen_in_the_session(page):
    legend = page.locator(".wb-legend").inner_text()
    assert "nodule" in legend
    picture(page, "session_zh")
    page.locator(".wb-presets [data-name=lung]").click()
    page.wait_for_timeout(800)
    picture(page, "session_lung")
    page.locator("[data-name=three]").click()
    page.wait_for_timeout(1500)
    picture(page, "session_three")
    assert page.locator(".wb-windowed").all_inner_texts() == ["窗位 -600 窗宽 1500"] * 3, "what was looked at goes on"
    for place in range(3):
        assert coloured(page, place), "each plane begins where the mask is"


def coloured(page, place):
    """Whether a pane has pixels that are not grey, as a mask's are."""
    return page.evaluate(
        """(place) => { const canvas = document.querySelectorAll('.wb-stage canvas')[place];
          const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
          for (let at = 0; at < data.length; at += 4) if (data[at] - data[at + 2] > 40) return true;
          return false; }""",
        place,
    )


def test_two_series_side_by_side_in_english(page):
    page.locator("[data-name=one]").click()
    run(page, SIDE)
    page.locator(".wb-pane:nth-child(2) .wb-stage[data-index]").wait_for()
    picture(page, "session_side_en")
    assert "Window" in page.locator(".wb-viewer").inner_text() or "window" in page.locator(".wb-viewer").inner_text()


def test_only_small_pictures_of_eight_bits_passed(page, hub):
    seen = [Image.open(io.BytesIO(data)) for data in buffers(page.frames_seen)]
    assert len(seen) > 4
    assert {image.format for image in seen} == {"JPEG"}
    assert {image.mode for image in seen} <= {"L", "RGB"}
    assert max(max(image.size) for image in seen) <= 768
    paths = sorted((hub.root / "slices" / "heart" / "images" / "dicom").rglob("*.dcm"))[::7]
    everything = b"".join(frame if isinstance(frame, bytes) else frame.encode() for frame in page.frames_seen)
    for path in paths:
        row = np.frombuffer(path.read_bytes()[-2 * 96 * 96 :], "<u2").reshape(-1, 96)[48]
        assert row[20:60].tobytes() not in everything
        assert (row[20:60].astype("<f4") - 1024).tobytes() not in everything


def test_the_guard_recorded_the_bytes(page, hub):
    page.goto("about:blank")
    page.wait_for_timeout(1500)
    lines = map(json.loads, hub.layout.audit.read_text(encoding="utf-8").splitlines())
    channels = [line for line in lines if line.get("event") == "channel" and "kernels" in line["path"]]
    assert sum(line["bytes"] for line in channels) >= sum(len(frame) for frame in page.frames_seen if isinstance(frame, bytes))
