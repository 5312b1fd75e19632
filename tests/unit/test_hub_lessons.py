"""What a new session finds in its home."""

import nbformat

from hub_config.session.lessons import put_lessons
from tests.lib.paths import REPOSITORY


def test_course_and_templates_become_notebooks_with_their_parameters(tmp_path):
    written = put_lessons(REPOSITORY, tmp_path, "zh")
    assert {path.relative_to(tmp_path).as_posix() for path in written} >= {"课程/01_first_cohort.ipynb", "模板/note_structuring.ipynb"}
    notebook = nbformat.read(tmp_path / "模板" / "note_structuring.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec["name"] == "python3"
    assert notebook.cells[0].cell_type == "markdown"
    assert any("parameters" in cell.metadata.get("tags", []) for cell in notebook.cells)


def test_the_users_work_is_never_written_over(tmp_path):
    (tmp_path / "course").mkdir()
    mine = tmp_path / "course" / "01_first_cohort.ipynb"
    mine.write_text("mine")
    assert mine not in put_lessons(REPOSITORY, tmp_path, "en")
    assert mine.read_text() == "mine"
    assert put_lessons(REPOSITORY, tmp_path, "en") == []
    assert not list(tmp_path.rglob(".*"))
