"""The template of image models run for real on tiny data: it shows what it says, and writes a bundle that opens."""

from __future__ import annotations

import nbformat
import pytest

from imaging.errors import ImageDataError, TaskError
from imaging.models.bundle import open_bundle
from imaging.models.task import write_task
from tests.lib.imaging_tasks import classification_task, segmentation_task
from tests.lib.paths import REPOSITORY
from workbench.templates import check_values, open_template, run_template

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def outside_a_session(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_SESSION", str(tmp_path / "none.toml"))
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def run(tmp_path, **given):
    template = open_template("image_model")
    return run_template(template, check_values(template, given), tmp_path / "out", home=tmp_path, keep_notebook=True, progress=False)


def outputs(done, kind):
    notebook = nbformat.read(done.notebook, as_version=4)
    return [output.data[kind] for cell in notebook.cells for output in cell.get("outputs", ()) if kind in output.get("data", {})]


@pytest.mark.parametrize("make", [classification_task, segmentation_task], ids=["classification", "segmentation"])
def test_a_task_becomes_a_bundle(make, tmp_path):
    (tmp_path / "in").mkdir()
    task = make(tmp_path / "in")
    write_task(task, tmp_path / "task.yaml")
    done = run(tmp_path, task=str(tmp_path / "task.yaml"), examples="4", device="cpu")
    assert open_bundle(done.folder / "bundle").metadata["name"] == task.name
    written = {path.relative_to(done.folder).parts[0] for path in done.files}
    assert written == {"bundle"}, "no picture of a patient, no checkpoint"
    texts = outputs(done, "text/plain")
    assert any(f"第 {task.training.epochs} 轮" in text or "训练结束" in text for text in texts)
    assert len(outputs(done, "image/png")) == 2
    (card,) = [text for text in outputs(done, "text/markdown") if text.startswith("# ")]
    assert "不是医疗器械" in card
    tables = outputs(done, "text/html")
    assert any("几何判定" in table or "测试" in table for table in tables)
    assert ("设备 A" in "".join(tables)) == (task.name == "square"), "results apart where scanners are known"


def test_a_task_of_the_house_needs_its_data(tmp_path):
    with pytest.raises(ImageDataError, match=r"pneumoniamnist\.npz"):
        run(tmp_path, data=str(tmp_path))


def test_a_task_that_is_not_there(tmp_path):
    with pytest.raises(TaskError, match="cannot be read"):
        run(tmp_path, task="nothing")
