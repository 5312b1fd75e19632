"""Templates over notes run for real on a small store; what they write may leave."""

from __future__ import annotations

import pytest

from tests.lib.noted import noted_store
from tests.lib.paths import REPOSITORY
from workbench.disclosure import DisclosurePolicy
from workbench.errors import DataError, DefinitionError
from workbench.release.checks import Scope, check_file
from workbench.templates import check_values, open_template, run_template

pytestmark = pytest.mark.integration

POLICY = DisclosurePolicy(threshold=10, rounding=5)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("noted") / "store"
    noted_store(folder, people=60, notes_each=3)
    return folder


@pytest.fixture(autouse=True)
def outside_a_session(tmp_path, monkeypatch):
    (tmp_path / "policy.toml").write_text("[disclosure]\nthreshold = 10\nrounding = 5\n", encoding="utf-8")
    monkeypatch.setenv("WORKBENCH_POLICY", str(tmp_path / "policy.toml"))
    monkeypatch.setenv("WORKBENCH_SESSION", str(tmp_path / "none.toml"))
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))


def run(name, tmp_path, **given):
    template = open_template(name)
    return run_template(template, check_values(template, given), tmp_path / "out", home=tmp_path, progress=False)


def page_that_may_leave(done):
    assert sorted(path.name for path in done.folder.iterdir()) == ["report.csv", "report.html"]
    for path in done.folder.iterdir():
        found = check_file(path.name, path.read_bytes(), scope=Scope(policy=POLICY))
        assert not found, [(finding.check, finding.place, finding.reason) for finding in found]
    return (done.folder / "report.html").read_text(encoding="utf-8")


def test_note_structuring(store, tmp_path):
    page = page_that_may_leave(run("note_structuring", tmp_path, store=str(store), variables="library:example", wanted="cough"))
    for words in ("病历记载", "咳嗽", "未提及", "由发现筛选的队列", "病历记载：咳嗽"):
        assert words in page
    assert "45 (75.0%)" in page, "three notes of four in turn: three patients of four have the note that says so"


def test_note_structuring_names_the_variables_there_are(store, tmp_path):
    with pytest.raises(DefinitionError, match="no variable 'fever'") as caught:
        run("note_structuring", tmp_path, store=str(store), variables="library:example", wanted="fever")
    assert "cough" in caught.value.hint


def test_report_variables(store, tmp_path):
    page = page_that_may_leave(run("report_variables", tmp_path, store=str(store), variables="library:example"))
    assert "肺结节长径" in page
    assert "未作图" in page, "nobody's report speaks of smoking"


def test_icd_coding(store, tmp_path):
    (tmp_path / "codes.tsv").write_text("J18.900\t肺炎\nE11.900\t2型糖尿病\n", encoding="utf-8")
    page = page_that_may_leave(run("icd_coding", tmp_path, store=str(store), codebook=str(tmp_path / "codes.tsv")))
    assert "诊断编码" in page


def test_icd_coding_without_such_a_section(store, tmp_path):
    with pytest.raises(DataError, match="没有章节术后诊断"):
        run("icd_coding", tmp_path, store=str(store), sections="术后诊断", kinds="入院记录")


@pytest.mark.parametrize("name", ["report_variables", "icd_coding"])
def test_a_kind_of_note_that_nobody_has_is_answered_with_those_there_are(name, store, tmp_path):
    with pytest.raises(DataError, match="没有符合条件的文书") as caught:
        run(name, tmp_path, store=str(store), kinds="CT")
    assert "CT报告" in caught.value.hint
