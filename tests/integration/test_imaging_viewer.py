"""The viewer in a real JupyterLab and browser: wheel, keys, drags, planes, two series, measurements, a cine, both languages."""

from __future__ import annotations

import json
import os

import pytest

from tests.lib.lab import REPOSITORY, opened_page, running_lab

pytestmark = pytest.mark.integration

#: Where pictures are left for a look, if anywhere.
PICTURES = os.environ.get("WORKBENCH_PICTURES", "")
CELL = """
import sys; sys.path.insert(0, {repository!r})
import numpy as np
from imaging.viewer import Exhibit
from imaging.viewer.widget import Viewer
from tests.unit.test_imaging_viewer import made
z, y, x = np.mgrid[:40, :64, :80]
ball = lambda radius: np.where(np.hypot(np.hypot(x - 40, y - 32), 4 * (z - 20)) < radius, 60, -900).astype(np.int16)
volume = made((40, 64, 80), np.diag([1.0, 1.0, 4.0, 1.0]), array=ball(25))
finer = made((160, 64, 80), np.diag([1.0, 1.0, 1.0, 1.0]), array=np.repeat(ball(15), 4, axis=0))
mask = (volume.array > 0).astype(np.uint8)
shown = Exhibit(volume=volume, label='胸部CT', mask=mask, mask_names={{1: '结节'}}, window='lung', frame_of_reference='1.2')
stamp = '张三 · heart · 2026-11-22 15:00'
Viewer(shown, watermark=stamp)
"""
CINE = """
frames = np.zeros((12, 48, 64, 3), np.uint8)
for k in range(12): frames[k, :, 5 * k: 5 * k + 5] = (200, 40, 40)
cine = Exhibit(volume=made(frames.shape[:3], placed=False, array=frames, unit=''), label='超声', frames_per_second=20)
Viewer(cine, watermark=stamp)
"""
SPENT = "Viewer(shown, charge=lambda size: size < 100)"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    home = tmp_path_factory.mktemp("lab")
    with (
        running_lab(home, CELL.format(repository=str(REPOSITORY))) as address,
        opened_page(address, ".wb-viewer .wb-stage[data-index]") as page,
    ):
        page.set_viewport_size({"width": 1280, "height": 800})
        page.faults = []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.keyboard.press("Control+b")  # without the list of files
        page.home = home
        yield page


def run(page, code):
    """Put code in the first cell's place and run it."""
    page.locator(".jp-Notebook .jp-InputArea-editor .cm-content").first.click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(code)
    page.keyboard.press("Control+Enter")
    page.wait_for_timeout(800)


def shown(page, number=0):
    return page.locator(".wb-stage").nth(number)


def at_slice(page, index, number=0):
    page.locator(f".wb-pane:nth-child({number + 1}) .wb-stage[data-index='{index}']").wait_for(timeout=15_000)


def middle(page, number=0):
    shown(page, number).scroll_into_view_if_needed()
    box = page.locator(".wb-stage canvas").nth(number).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, box


def drag(page, start, end):
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    page.mouse.move(*end)
    page.mouse.up()


def picture(page, name):
    if PICTURES:
        page.locator(".wb-viewer").first.screenshot(path=f"{PICTURES}/{name}.png")


def corner(page, name, number=0):
    return page.locator(f".wb-{name}").nth(number).inner_text()


def test_wheel_slider_and_keys_change_the_slice_and_the_notebook_hears_no_key(page):
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    at_slice(page, 20)
    x, y, _ = middle(page)
    page.mouse.move(x, y)
    page.mouse.wheel(0, 120)
    at_slice(page, 21)
    page.mouse.wheel(0, 240)
    at_slice(page, 23)
    page.mouse.wheel(0, -53)
    at_slice(page, 22)
    for _ in range(4):
        page.mouse.wheel(0, -10)
    at_slice(page, 21)
    shown(page).focus()
    for key, wanted in (("ArrowDown", 22), ("ArrowLeft", 21), ("PageDown", 25), ("End", 39), ("Home", 0), ("a", 0), ("d", 0)):
        page.keyboard.press(key)
        at_slice(page, wanted)
    page.locator(".wb-under input").evaluate("one => { one.value = 20; one.dispatchEvent(new Event('input')); }")
    at_slice(page, 20)
    assert corner(page, "where") == "层 21/40　S 80.0 mm"
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells
    picture(page, "viewer")


def test_windows_by_button_key_and_drag(page):
    page.locator(".wb-presets [data-name=mediastinum]").click()
    assert corner(page, "windowed") == "窗位 40 窗宽 400"
    shown(page).focus()
    page.keyboard.press("1")
    assert corner(page, "windowed") == "窗位 -600 窗宽 1500"
    x, y, _ = middle(page)
    drag(page, (x, y), (x, y + 30))
    assert corner(page, "windowed") == "窗位 -450 窗宽 1500"
    page.locator(".wb-free input").nth(1).fill("800")
    page.locator(".wb-free input").nth(1).press("Enter")
    assert corner(page, "windowed") == "窗位 -450 窗宽 800"
    shown(page).dblclick()
    assert corner(page, "windowed") == "窗位 -600 窗宽 1500"


def grey_at(page, across, down):
    page.wait_for_timeout(400)
    return page.evaluate(
        """([across, down]) => { const canvas = document.querySelector('.wb-stage canvas');
          return [...canvas.getContext('2d').getImageData(across * canvas.width, down * canvas.height, 3, 3).data].slice(0, 3); }""",
        [across, down],
    )


def test_the_picture_is_that_of_the_volume_and_inverts_with_its_mask_hidden(page):
    shown(page).focus()
    page.keyboard.press("m")
    light, dark = grey_at(page, 0.5, 0.45), grey_at(page, 0.05, 0.06)
    assert min(light) > 150 > 110 > max(dark)
    page.keyboard.press("i")
    assert max(grey_at(page, 0.5, 0.45)) < 110
    page.keyboard.press("i")
    page.keyboard.press("m")
    red, _, blue = grey_at(page, 0.5, 0.45)
    assert red > blue + 20
    assert page.locator(".wb-legend").inner_text().split()[-1] == "结节"


def test_lengths_circles_and_values_are_the_kernels(page):
    x, y, box = middle(page)
    scale = box["width"] / 80
    page.locator("[data-name=distance]").click()
    drag(page, (x - 15 * scale, y), (x + 15 * scale, y))
    page.locator(".wb-stage svg text", has_text="30.0 mm").wait_for(timeout=10_000)
    page.locator("[data-name=circle]").click()
    drag(page, (x, y), (x, y + 10 * scale))
    page.locator(".wb-stage svg text", has_text="均值 60 ± 0 HU").wait_for(timeout=10_000)
    assert "半径 10.0 mm" in page.locator(".wb-stage svg").text_content()
    page.mouse.move(x + 3, y + 3)
    page.locator(".wb-read", has_text="60 HU").wait_for(timeout=10_000)
    page.mouse.move(x - 38 * scale, y)
    page.locator(".wb-read", has_text="-900 HU").wait_for(timeout=10_000)
    picture(page, "viewer_measured")
    page.keyboard.press("ArrowDown")
    at_slice(page, 21)
    assert page.locator(".wb-stage svg text").count() == 0, "measurements stay on their slice"
    page.keyboard.press("Escape")


def test_no_more_pixels_are_asked_for_than_the_screen_shows(page):
    _, _, box = middle(page)
    drawn = page.evaluate("document.querySelector('.wb-stage canvas').width")
    assert box["width"] <= drawn < box["width"] + 64


def test_zoom_shows_a_part(page):
    x, y, _ = middle(page)
    page.keyboard.press("+")
    page.keyboard.press("+")
    page.keyboard.press("+")
    red, _, blue = grey_at(page, 0.03, 0.5)
    assert (red, blue) != (0, 0)
    page.locator("[data-name=window]").click()
    page.mouse.dblclick(x, y)


def test_a_point_is_found_in_three_planes(page):
    shown(page).focus()
    page.keyboard.press("ArrowUp")
    at_slice(page, 20)
    page.locator("[data-name=three]").click()
    for number, index in enumerate((20, 32, 40)):  # what was looked at goes on
        at_slice(page, index, number)
    page.locator("[data-name=point]").click()
    x, y, box = middle(page)
    page.mouse.click(x + box["width"] * 0.1 + 1, y - box["height"] * 0.1)
    at_slice(page, 48, 2)
    at_slice(page, 25, 1)
    assert [page.locator(".wb-pane").nth(place).locator(".wb-letter").all_inner_texts() for place in range(3)] == [
        ["R", "L", "A", "P"],
        ["R", "L", "S", "I"],
        ["A", "P", "S", "I"],
    ]
    _, _, coronal = middle(page, 1)
    assert coronal["height"] / coronal["width"] == pytest.approx(2, abs=0.02), "40 slices of 4 mm, 80 columns of 1 mm"
    picture(page, "viewer_three")


def test_two_series_are_scrolled_together_by_millimetres(page):
    run(page, "Viewer(shown, Exhibit(volume=finer, label='随访', frame_of_reference='1.2'), watermark=stamp, language='en')")
    at_slice(page, 80, 1)
    x, y, _ = middle(page)
    page.mouse.move(x, y)
    page.mouse.wheel(0, 600)
    at_slice(page, 25)
    at_slice(page, 100, 1)
    assert corner(page, "where", 1) == "Slice 101/160　S 100.0 mm"
    page.locator("input[name=wb-linked]").uncheck()
    page.mouse.move(*middle(page)[:2])
    page.mouse.wheel(0, 50)
    at_slice(page, 26)
    page.wait_for_timeout(500)
    at_slice(page, 100, 1)
    picture(page, "viewer_english")
    page.locator(".wb-switch").click()
    page.get_by_text("联动").wait_for()


def test_series_of_which_nobody_knows_the_space_are_linked_only_by_hand(page):
    run(page, "Viewer(volume, finer)")
    at_slice(page, 80, 1)
    linked = page.locator("input[name=wb-linked]")
    assert (linked.is_checked(), linked.is_enabled()) == (False, True)
    assert "参考系" in page.locator(".wb-check[title]").get_attribute("title")
    page.mouse.move(*middle(page)[:2])
    page.mouse.wheel(0, 120)
    at_slice(page, 21)
    linked.check()
    at_slice(page, 84, 1)


def test_a_colour_cine_plays_and_says_that_it_is_not_calibrated(page):
    run(page, CINE)
    at_slice(page, 6)
    assert "没有空间标定" in page.locator(".wb-notice").inner_text()
    page.locator(".wb-play").click()
    seen = set()
    for _ in range(60):
        seen.add(shown(page).get_attribute("data-index"))
        page.wait_for_timeout(40)
    assert len(seen) >= 8
    page.locator(".wb-play").click()
    picture(page, "viewer_cine")


def test_a_spent_budget_is_said(page):
    run(page, SPENT)
    page.locator(".wb-fault", has_text="额度已用完").wait_for(timeout=15_000)


def test_no_picture_is_kept_in_the_notebook_and_nothing_is_asked_of_the_network(page):
    page.keyboard.press("Control+s")
    page.wait_for_timeout(1500)
    saved = (page.home / "work" / "notebook.ipynb").read_text(encoding="utf-8")
    assert len(saved) < 60_000
    assert "/9j/" not in saved, "the beginning of a JPEG in base 64"
    outputs = [kind for cell in json.loads(saved)["cells"] for output in cell.get("outputs", []) for kind in output.get("data", {})]
    assert set(outputs) <= {"text/plain", "application/vnd.jupyter.widget-view+json"}
    assert page.faults == []
    assert [url for url in page.outside if not url.startswith(("data:", "blob:"))] == []
