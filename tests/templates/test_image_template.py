"""The template of image series on synthetic images: a report that may leave, with a cohort by a measured value."""

import re

import pytest

from tests.lib.paths import REPOSITORY
from tests.lib.ward import ward
from tests.templates.test_run_templates import assert_may_leave, run
from workbench.store import SnapshotWriter, Store
from workbench.synthetic.images import MASKS, make_images

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def outside_a_session(tmp_path, monkeypatch):
    (tmp_path / "policy.toml").write_text("[disclosure]\nthreshold = 10\nrounding = 5\n", encoding="utf-8")
    monkeypatch.setenv("WORKBENCH_POLICY", str(tmp_path / "policy.toml"))
    monkeypatch.setenv("WORKBENCH_SESSION", str(tmp_path / "none.toml"))
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.chdir(tmp_path)


def test_series_are_counted_looked_at_measured_and_asked_for(tmp_path):
    with SnapshotWriter(tmp_path / "store", source="a made-up ward") as writer:
        for name, rows in ward(100).items():
            writer.write(name, rows)
    made = tmp_path / "made"
    make_images(Store(tmp_path / "store").latest(), made, n_patients=40)
    given = {"images": made / "dicom", "masks": made / MASKS, "store": tmp_path / "store"}
    done = run("image_series", tmp_path / "out", tmp_path, keep_notebook=True, **{name: str(value) for name, value in given.items()})
    assert_may_leave(done.folder)
    page = (done.folder / "report.html").read_text(encoding="utf-8")
    assert "nodule volume_ml" in page
    assert "CT · 胸部 · 规则" in page
    assert not re.search(r"<img|image/png", page), "no patient's picture"
    notebook = done.notebook.read_text(encoding="utf-8")
    assert notebook.count("widget-view+json") == 2, "one series, and one with its mask"
    assert "image/png" in notebook
