"""Templates run for real, in a kernel of their own, on a store: what they write can be requested for release."""

import re
from pathlib import Path

import nbformat
import pytest

from nlp.errors import TextDataError
from tests.lib.paths import REPOSITORY, shared
from tests.lib.ward import ward
from workbench.disclosure import DisclosurePolicy
from workbench.errors import DataError, DefinitionError, PolicyError, WorkbenchError
from workbench.ingest.mapping import read_mapping
from workbench.ingest.publish import import_data
from workbench.release.checks import Scope, check_file
from workbench.store import SnapshotWriter
from workbench.templates import check_values, open_template, run_template

pytestmark = pytest.mark.integration

POLICY = DisclosurePolicy(threshold=10, rounding=5)


@pytest.fixture(scope="module")
def ward_store(tmp_path_factory) -> Path:
    store = tmp_path_factory.mktemp("ward") / "store"
    with SnapshotWriter(store, source="a made-up ward") as writer:
        for name, rows in ward(600).items():
            writer.write(name, rows)
    return store


@pytest.fixture(autouse=True)
def outside_a_session(tmp_path, monkeypatch):
    policy = tmp_path / "policy.toml"
    policy.write_text("[disclosure]\nthreshold = 10\nrounding = 5\n", encoding="utf-8")
    monkeypatch.setenv("WORKBENCH_POLICY", str(policy))
    monkeypatch.setenv("WORKBENCH_SESSION", str(tmp_path / "none.toml"))
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))


def run(name, out, home, force=False, keep_notebook=False, **given):
    template = open_template(str(name))
    return run_template(template, check_values(template, given), out, home=home, force=force, keep_notebook=keep_notebook, progress=False)


def assert_may_leave(folder: Path) -> None:
    """Both files are there, and no check of the release finds anything in them."""
    assert sorted(path.name for path in folder.iterdir()) == ["report.csv", "report.html"]
    for path in folder.iterdir():
        found = check_file(path.name, path.read_bytes(), scope=Scope(policy=POLICY))
        assert not found, [(finding.check, finding.place, finding.reason) for finding in found]


def test_cohort_description_writes_a_report_that_may_leave(ward_store, tmp_path):
    done = run("cohort_description", tmp_path / "out", tmp_path, keep_notebook=True, store=str(ward_store), lookback_days="0")
    assert_may_leave(done.folder)
    page = (done.folder / "report.html").read_text(encoding="utf-8")
    for words in ("研究对象", "基线特征", "缺失情况", "来源与方法", "阈值 10"):
        assert words in page
    assert not re.search(r"(?:src|href)=[\"']https?:|<script|<link", page), "the page stands alone"
    assert nbformat.read(done.notebook, as_version=4).cells
    assert done.notebook.stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".out")] == []


def test_inpatient_outcome_on_real_patients(tmp_path):
    store = tmp_path / "store"
    workbook = shared("risk/tongji_covid") / "time_series_375_prerpocess.xlsx"
    import_data(workbook, store, mapping=read_mapping(REPOSITORY / "templates" / "mappings" / "tongji.yaml"))
    done = run("inpatient_outcome", tmp_path / "out", tmp_path, store=str(store), language="en")
    assert_may_leave(done.folder)
    page = (done.folder / "report.html").read_text(encoding="utf-8")
    assert "Baseline characteristics by outcome" in page
    assert "Death in hospital: Yes" in page
    assert done.notebook is None


MINE = """# %% [markdown]
# # Mine

# %% tags=["parameters"]
what: str = "write"  # what to do
table: str = ""  # a file to read
out: str = "mine"  # where to write

# %% [markdown]
# ## Doing it

# %%
from pathlib import Path
from nlp.errors import TextDataError
from workbench.errors import PolicyError

Path(out, "result.txt").write_text(Path(table).read_text() if table else "x")
if what == "refuse":
    raise PolicyError("nothing is set", hint="set it")
if what == "fail":
    {}["patient 17"]
if what == "break":
    raise TextDataError("line 3 has no code", hint="mend it")
if what == "nothing":
    Path(out, "result.txt").unlink()
"""


@pytest.fixture
def mine(tmp_path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(MINE, encoding="utf-8")
    return path


def test_a_failed_cell_is_named_and_leaves_no_output(mine, tmp_path):
    with pytest.raises(PolicyError, match=r"cell 4 \(Doing it\) of template mine stopped: nothing is set") as caught:
        run(mine, tmp_path / "out", tmp_path, what="refuse")
    assert caught.value.hint.startswith("set it. the notebook up to there: ")
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))
    assert len(list((tmp_path / "template-runs").iterdir())) == 1


def test_what_the_text_package_says_is_told(mine, tmp_path):
    with pytest.raises(TextDataError, match=r"cell 4 \(Doing it\) of template mine stopped: line 3 has no code") as caught:
        run(mine, tmp_path / "out", tmp_path, what="break")
    assert caught.value.hint.startswith("mend it. the notebook up to there: ")


def test_a_path_means_what_it_means_to_who_typed_it(mine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.csv").write_text("of the user", encoding="utf-8")
    run(mine, tmp_path / "out", tmp_path, table="mine.csv")
    assert (tmp_path / "out" / "result.txt").read_text(encoding="utf-8") == "of the user"


def test_where_to_write_is_said_in_one_way_only(mine, tmp_path):
    with pytest.raises(DefinitionError, match="filled by the run"):
        check_values(open_template(str(mine)), {"out": "elsewhere"})
    mine.write_text(MINE.replace('out: str = "mine"', 'place: str = "mine"'), encoding="utf-8")
    with pytest.raises(DefinitionError, match="does not ask where to write") as caught:
        run(mine, tmp_path / "out", tmp_path)
    assert "report.write(out)" in caught.value.hint


def test_an_error_of_another_kind_tells_its_kind_and_no_value(mine, tmp_path):
    with pytest.raises(WorkbenchError, match="stopped: KeyError") as caught:
        run(mine, tmp_path / "out", tmp_path, what="fail")
    assert "17" not in caught.value.message


def test_an_output_that_is_there_is_replaced_only_when_told(mine, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "old.txt").write_text("old", encoding="utf-8")
    with pytest.raises(DataError, match="is there already"):
        run(mine, out, tmp_path)
    with pytest.raises(DataError, match="wrote nothing"):
        run(mine, out, tmp_path, force=True, what="nothing")
    assert (out / "old.txt").exists(), "a run that fails replaces nothing"
    run(mine, out, tmp_path, force=True)
    assert [path.name for path in out.iterdir()] == ["result.txt"]


def test_no_report_without_a_policy(ward_store, tmp_path, monkeypatch):
    monkeypatch.delenv("WORKBENCH_POLICY")
    with pytest.raises(PolicyError, match="there is no disclosure policy"):
        run("cohort_description", tmp_path / "out", tmp_path, store=str(ward_store), lookback_days="0")


def test_a_wrong_parameter_of_a_template_is_told_before_anything_runs(tmp_path):
    with pytest.raises(DefinitionError, match="wanted int"):
        run("cohort_description", tmp_path / "out", tmp_path, min_age="adult")
