"""The registry in a real JupyterLab and browser: the source of a value a click away, a correction, a visit, both languages."""

from __future__ import annotations

import os

import pytest

from tests.lib.lab import REPOSITORY, opened_page, running_lab
from workbench.journal import read_entries

pytestmark = pytest.mark.integration

#: Where pictures are left for a look, if anywhere.
PICTURES = os.environ.get("WORKBENCH_PICTURES", "")
CELL = """
import sys; sys.path.insert(0, {repository!r})
from datetime import date
from pathlib import Path
from tests.lib.registry_data import KnownSource, small_study
from workbench.risk.registry.form import FormItem, form_of
from workbench.risk.registry.registry import Registry
added = [FormItem("smoking", "吸烟", kind="category", choices=("从不", "已戒", "现吸")),
         FormItem("quality", "生活质量", "分", "number", "visit", low=0, high=100)]
data = small_study()
registry = Registry(data, form_of(data, added=added, follow_up_days=(30, 90, 180), window_days=15), Path({home!r}) / "registry", "张三",
                    KnownSource(), today=date(2024, 5, 1))
registry.show()
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    home = tmp_path_factory.mktemp("registry-lab")
    with running_lab(home, CELL.format(repository=str(REPOSITORY), home=str(home))) as address:
        yield home, address


@pytest.fixture(scope="module")
def page(lab):
    with opened_page(lab[1], ".wb-registry .wb-field") as page:
        yield page


def picture(page, name):
    if PICTURES:
        page.locator(".wb-registry").first.screenshot(path=f"{PICTURES}/{name}.png")


def entries(home):
    return [entry for path in home.glob("registry/*.jsonl") for entry in read_entries(path).entries]


def settle(page, home, count):
    for _ in range(100):
        if len(entries(home)) >= count:
            page.wait_for_timeout(300)
            return entries(home)
        page.wait_for_timeout(100)
    raise AssertionError("the entry was not written")


def test_a_value_is_traced_and_corrected(lab, page):
    home, _ = lab
    page.locator(".wb-field[data-item=htn]").click()
    page.locator(".wb-records mark").wait_for()
    assert page.locator(".wb-records mark").inner_text() == "高血压"
    picture(page, "registry_source")
    page.locator(".wb-field[data-item=ldh]").click()
    page.locator(".wb-records li", has_text="measurement").first.wait_for()
    page.locator("[name=wb-value]").fill("512")
    page.locator("[name=wb-save]").click()
    page.locator(".wb-fault", has_text="理由").wait_for()
    assert entries(home) == []
    page.locator("[name=wb-value]").fill("512")
    page.locator("[name=wb-reason]").fill("原始报告为512")
    page.locator("[name=wb-save]").click()
    assert settle(page, home, 1)[0]["value"] == 512
    page.locator(".wb-field[data-item=ldh] .wb-changed").wait_for()
    assert page.locator(".wb-field[data-item=ldh] s").count() == 1
    picture(page, "registry_corrected")
    page.locator("[name=wb-withdraw]").click()
    assert settle(page, home, 2)[1]["kind"] == "withdrawn"


def test_follow_up_is_entered_and_leaves_the_due_list(lab, page):
    home, _ = lab
    page.get_by_role("tab", name="到期随访").click()
    row = page.locator(".wb-registry tbody tr").first
    picture(page, "registry_due")
    row.get_by_role("button").click()
    page.locator("[name=wb-made-30]").wait_for()
    page.locator("[name=wb-made-30]").fill("2024-02-15")
    page.locator("[name=wb-visit-30]").click()
    found = settle(page, home, 3)[2]
    assert (found["day"], found["state"], found["date"]) == (30, "done", "2024-02-15")
    picture(page, "registry_visit")
    page.get_by_role("tab", name="更正记录").click()
    assert page.locator(".wb-registry tbody tr").count() == 3
    picture(page, "registry_journal")


def test_english_is_a_switch_away_and_nothing_is_fetched(lab, page):
    page.get_by_role("button", name="English").click()
    page.get_by_role("tab", name="Form").click()
    page.locator("h4", has_text="Laboratory").wait_for()
    picture(page, "registry_english")
    assert page.outside == []
