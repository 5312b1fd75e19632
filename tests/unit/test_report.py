"""The report: what it refuses, and the cells of its CSV."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.cohort.figures import boxes, histogram
from workbench.disclosure import DisclosurePolicy
from workbench.errors import DefinitionError
from workbench.report import Report
from workbench.report.parts import _chart

CHROMIUM = Path("/usr/bin/chromium")
POLICY = DisclosurePolicy(threshold=10, rounding=5)
VALUES, GROUPS = pd.Series(np.arange(200.0)), pd.Series(["存活", "死亡"] * 100)


@pytest.fixture
def report() -> Report:
    return Report("t", None, policy=POLICY)


def test_a_figure_drawn_under_another_policy_is_refused(report):
    with pytest.raises(DefinitionError, match="was drawn under"):
        report.add(histogram(VALUES, label="x", policy=DisclosurePolicy(threshold=2, rounding=1)))
    assert report.csv().empty
    assert not report.add(histogram(VALUES, label="x", policy=DisclosurePolicy(threshold=10, rounding=5))).csv().empty


def test_cells_of_a_grouped_histogram_name_their_group(report):
    cells = report.add(histogram(VALUES, label="x", by=GROUPS, policy=POLICY)).csv()
    assert set(cells["column"]) == {"人数"}
    assert all(row.endswith(("| 存活", "| 死亡")) for row in cells["row"])
    assert not cells["row"].duplicated().any()


def test_cells_of_boxes_are_of_their_group(report):
    cells = report.add(boxes(VALUES, GROUPS, label="x", policy=POLICY)).csv()
    assert set(cells["row"]) == {"存活", "死亡"}


def test_in_a_cell_the_page_keeps_its_styles_to_itself(report, monkeypatch):
    monkeypatch.setattr(Report, "_provenance", lambda _: [])
    page = report.section("研究对象")._repr_html_()
    assert "<style>.wb-report{" in page
    assert "研究对象" in page
    assert "<body" not in page
    assert "<script" not in page


def test_a_table_of_many_columns_lies_beneath_its_figure():
    chart = histogram(VALUES, label="年龄", policy=POLICY)
    wide = replace(chart, counts=pd.concat([chart.counts] * 3, axis=1))
    assert [_chart(one, POLICY, "", str).wide for one in (chart, wide)] == [False, True]


@pytest.mark.skipif(not CHROMIUM.exists(), reason="chromium is not installed")
def test_long_heads_wrap_so_that_a_table_stays_on_the_page(report, tmp_path):
    from playwright.sync_api import sync_playwright

    heads = [f"corrected for optimism of model {place} (bootstrap)" for place in range(4)]
    page = tmp_path / "report.html"
    page.write_text(report.table(pd.DataFrame([["0.885 (0.855, 0.912)"] * 4], columns=heads), "Performance").html(), encoding="utf-8")
    with sync_playwright() as play:
        shown = play.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"]).new_page(viewport={"width": 1280, "height": 800})
        shown.goto(page.as_uri())
        assert shown.evaluate("[...document.querySelectorAll('.scroll')].map(one => one.scrollWidth <= one.clientWidth)") == [True]
