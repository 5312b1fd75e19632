"""The template of de-identification runs on a store with notes, and its report may leave."""

from __future__ import annotations

import pytest

from tests.lib.noted import noted_store
from tests.lib.paths import REPOSITORY
from workbench.disclosure import DisclosurePolicy
from workbench.pseudonyms import PseudonymKey
from workbench.release.checks import Scope, check_file
from workbench.store import open_store
from workbench.templates import check_values, open_template, run_template
from workbench.texts.deidentified import deidentify_notes
from workbench.texts.notes import notes

pytestmark = pytest.mark.integration

TEXTS = (
    ("入院记录", "患者王小芳，女，56岁，家住河北省承德市双滦区应营子村3组，电话13800138000，糖尿病10年。"),
    ("病程记录", "张主任查房，2021-03-02复查血糖。"),
)


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.lib.noted.TEXTS", TEXTS)
    noted_store(tmp_path / "store", people=60, notes_each=2)
    return tmp_path / "store"


@pytest.fixture(autouse=True)
def outside_a_session(tmp_path, monkeypatch):
    (tmp_path / "policy.toml").write_text("[disclosure]\nthreshold = 10\nrounding = 5\n", encoding="utf-8")
    monkeypatch.setenv("WORKBENCH_POLICY", str(tmp_path / "policy.toml"))
    monkeypatch.setenv("WORKBENCH_SESSION", str(tmp_path / "none.toml"))
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))


def test_its_report_may_leave_and_holds_no_word_of_a_note(store, tmp_path):
    template = open_template("deidentify_notes")
    done = run_template(template, check_values(template, {"store": str(store)}), tmp_path / "out", home=tmp_path, progress=False)
    scope = Scope(policy=DisclosurePolicy(threshold=10, rounding=5))
    for path in done.folder.iterdir():
        assert not check_file(path.name, path.read_bytes(), scope=scope)
    page = (done.folder / "report.html").read_text(encoding="utf-8")
    assert "直接标识" in page
    assert "王小芳" not in page


def test_notes_of_a_store_inside_a_session(store):
    done = deidentify_notes(notes(open_store(store)), key=PseudonymKey(b"k" * 32), shift_days=180, progress=False)
    assert not done.texts()["note_text"].str.contains("王小芳|13800138000|应营子").any()
    assert set(done.counts().iloc[:, 0]) >= {"姓名", "手机号", "住址", "医师", "日期"}
    assert {row[0] for row in done.sample(1).rows} >= {"姓名", "手机号"}
    assert len(done.unread(3)) == 3
