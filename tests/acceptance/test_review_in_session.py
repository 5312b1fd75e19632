"""A researcher structures notes, reviews them and runs a template in a sealed session, in a browser, through the doors that people use."""

from __future__ import annotations

import json
import os
from pathlib import Path

import nbformat
import pytest

from tests.lib.hub_client import start_hub
from tests.lib.noted import noted_store

pytestmark = pytest.mark.integration

CHROMIUM = Path("/usr/bin/chromium")
#: Where a picture is left for a look, if anywhere.
PICTURES = os.environ.get("WORKBENCH_PICTURES", "")
CELL = """
import workbench as wb
from nlp.variables import ready_set
notes = wb.notes(wb.open_store(), kind="CT报告")
structured = notes.structure(ready_set("chest_ct"), workers=1, progress=False)
structured.review(["lung_nodule"], n=8)
"""


@pytest.fixture(scope="module")
def hub():
    if not CHROMIUM.exists():
        pytest.skip("there is no Chromium")
    yield from start_hub(limits={"memory_mb": 2048, "cpu_cores": 1.0, "processes": 256, "tmp_mb": 64})


@pytest.fixture(scope="module")
def page(hub):
    """Alice's notebook in a browser that carries her cookies; what the browser asked of other hosts is kept."""
    from playwright.sync_api import sync_playwright

    noted_store(hub.root / "slices" / "heart", people=12)
    with hub.client("alice") as client, sync_playwright() as play:
        client.login()
        client.spawn("heart")
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        saved = client.request("PUT", "api/contents/review.ipynb", json={"type": "notebook", "format": "json", "content": notebook})
        assert saved.status_code == 201
        browser = play.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1440, "height": 1000})
        cookies = [{"name": each.name, "value": each.value, "domain": "127.0.0.1", "path": each.path} for each in client.http.cookies.jar]
        context.add_cookies(cookies)
        page = context.new_page()
        page.outside, page.refused = [], []
        page.on("request", lambda request: page.outside.append(request.url) if not _own(request.url, hub.address) else None)
        page.on("response", lambda response: page.refused.append(response.url) if response.status >= 400 else None)
        page.home = f"{hub.address}{client.prefix}lab/tree/"
        run(page, "review.ipynb")
        yield page
        browser.close()


def run(page, notebook):
    """Open a notebook and run all of it by the menu, since a key may come before the notebook listens."""
    page.goto(f"{page.home}{notebook}")
    page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').wait_for(timeout=120_000)
    page.locator(".jp-Notebook .jp-Cell").first.click()
    page.get_by_role("menuitem", name="运行").first.click()
    page.locator(".lm-Menu-itemLabel", has_text="运行所有单元格").first.click()


def _own(url: str, address: str) -> bool:
    return url.startswith((address, "data:", "blob:"))


def test_a_decision_by_key_moves_the_precision_and_nothing_comes_from_outside(hub, page):
    page.locator(".wb-review .wb-note, .jp-OutputArea-output").first.wait_for(timeout=180_000)
    assert page.locator("[data-mime-type*=stderr]").all_inner_texts() == []
    page.locator(".wb-review .wb-note").wait_for(timeout=20_000)
    precision = page.locator(".wb-metrics tbody tr").first.locator("td").nth(1)
    assert precision.inner_text() == "—"
    page.locator(".wb-review").focus()
    for _ in range(8):  # to an item with a finding
        if not page.locator(".wb-none").count():
            break
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(300)
    page.keyboard.press("a")
    page.locator(".wb-metrics b", has_text="100.0%").first.wait_for(timeout=20_000)
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/review_in_session.png")
    assert page.outside == []
    logs = (hub.layout.shared("heart") / "reviews").glob("*/decisions/*")
    kept = [json.loads(line) for log in logs for line in log.read_text(encoding="utf-8").splitlines()]
    assert [(each["reviewer"], each["verdict"]) for each in kept] == [("alice", "accept")]


def test_a_template_runs_to_its_end_shows_its_page_and_asks_for_nothing_that_is_refused(hub, page):
    page.refused.clear()
    run(page, "模板/deidentify_notes.ipynb?reset")  # without the notebook of the test before
    page.locator(".wb-report h1, [data-mime-type*=error]").first.wait_for(timeout=180_000, state="attached")
    assert page.locator("[data-mime-type*=error]").all_inner_texts() == []
    assert page.locator(".wb-report h1").inner_text() == "住院患者病历去标识"
    assert sorted(path.name for path in hub.layout.state.glob("homes/*/模板/病历去标识/*")) == ["report.csv", "report.html"]
    assert [url for url in page.refused if "resolvePath" not in url] == [], "that one is asked for whatever looks like a path in an output"
