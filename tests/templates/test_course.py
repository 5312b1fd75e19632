"""The notebooks of the course run from top to bottom on a store, and survive the round trip through Jupyter unchanged."""

import jupytext
import papermill
import pytest

from tests.lib.paths import REPOSITORY
from tests.lib.ward import ward
from workbench.store import SnapshotWriter

TEXTS = sorted([*(REPOSITORY / "notebooks").glob("*.py"), *(REPOSITORY / "templates").glob("*.py")])
LESSONS = [path for path in TEXTS if path.parent.name == "notebooks"]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_round_trip_is_byte_identical(path):
    text = path.read_text(encoding="utf-8")
    notebook = jupytext.reads(text, fmt="py:percent")
    notebook.metadata["jupytext"] = {"notebook_metadata_filter": "-all", "cell_metadata_filter": "tags,-all"}
    assert jupytext.writes(notebook, fmt="py:percent") == text


@pytest.mark.integration
@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_lesson_runs(path, tmp_path, monkeypatch):
    with SnapshotWriter(tmp_path / "store", source="a made-up ward") as writer:
        for name, rows in ward(600).items():
            writer.write(name, rows)
    (tmp_path / "policy.toml").write_text("[disclosure]\nthreshold = 10\nrounding = 5\n", encoding="utf-8")
    monkeypatch.setenv("WORKBENCH_POLICY", str(tmp_path / "policy.toml"))
    monkeypatch.setenv("WORKBENCH_SESSION", str(tmp_path / "none.toml"))
    monkeypatch.setenv("WORKBENCH_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    notebook = jupytext.read(path)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    executed = papermill.execute_notebook(notebook, str(tmp_path / "lesson.ipynb"), cwd=str(tmp_path), progress_bar=False)
    shown = [output for cell in executed.cells for output in cell.get("outputs", []) if "text/html" in output.get("data", {})]
    assert len(shown) >= 5
