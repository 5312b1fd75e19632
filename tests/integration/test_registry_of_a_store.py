"""The registry of a study on a store, in a real JupyterLab and browser: each value leads to its rows and to the words of its notes."""

from __future__ import annotations

import os

import pytest

from tests.lib.lab import REPOSITORY, opened_page, running_lab

pytestmark = pytest.mark.integration

#: Where pictures are left for a look, if anywhere.
PICTURES = os.environ.get("WORKBENCH_PICTURES", "")
CELL = """
import sys; sys.path.insert(0, {repository!r})
from pathlib import Path
from tests.lib.registry_data import structured_store, structured_study
home = Path({home!r})
registry = structured_study().registry(structured_store(home), folder=home / "registry", editor="张三", follow_up_days=(30, 90))
registry.show()
"""


def picture(page, name):
    if PICTURES:
        page.locator(".wb-registry").first.screenshot(path=f"{PICTURES}/{name}.png")


def test_values_of_a_store_lead_to_its_rows_and_to_the_words_of_its_notes(tmp_path):
    cell = CELL.format(repository=str(REPOSITORY), home=str(tmp_path))
    with running_lab(tmp_path, cell) as address, opened_page(address, ".wb-registry .wb-field") as page:
        page.locator(".wb-list button", has_text="2").first.click()
        page.locator(".wb-form strong", has_text="患者 2").wait_for()
        assert "死亡 2021-04-30" in page.locator(".wb-ending").inner_text().replace("\n", " ")
        page.locator(".wb-field[data-item=cough]").click()
        page.locator(".wb-records mark").first.wait_for()
        assert page.locator(".wb-records mark").first.inner_text() == "咳嗽"
        assert "finding" in page.locator(".wb-records li").first.inner_text()
        picture(page, "registry_store_note")
        page.locator(".wb-field[data-item=creatinine]").click()
        page.locator(".wb-records blockquote", has_text="1 mg/dL").wait_for()
        assert "umol/L" in page.locator(".wb-records li").first.inner_text()
        picture(page, "registry_store_result")
        page.locator(".wb-field[data-item=ldh]").click()
        page.locator(".wb-records li", has_text="302").first.wait_for()
        assert page.locator(".wb-records li").count() == 2
        assert "女" in page.locator(".wb-field[data-item=sex]").inner_text()
        assert page.locator("[name=wb-visit-90]").count() == 1
        assert "随访已结束" in page.locator(".wb-form table").inner_text()
