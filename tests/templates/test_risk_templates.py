"""Templates of risk studies run for real, on a store and on public tables: they explain themselves, and what they write may leave."""

from __future__ import annotations

from pathlib import Path

import lifelines
import pytest

from tests.lib.paths import REPOSITORY, shared
from workbench.disclosure import DisclosurePolicy
from workbench.errors import DataError, DefinitionError
from workbench.release.checks import Scope, Severity, check_file
from workbench.risk.study.study import Study
from workbench.store import SnapshotWriter
from workbench.synthetic import generate, reference_tables
from workbench.templates import check_values, open_template, run_template

pytestmark = pytest.mark.integration
SLOW = pytest.mark.nightly  # a minute of CPU each; each template also has a quick one

POLICY = DisclosurePolicy(threshold=10, rounding=5)
STUDIES = REPOSITORY / "templates" / "studies"
PAGE = ["report.csv", "report.docx", "report.html"]
STUDY = ["card.json", "metrics.csv", "report.docx", "report.html"]


def hospital(folder: Path, patients: int) -> Path:
    """A store of a synthetic hospital without notes."""
    with SnapshotWriter(folder, source="synthetic hospital") as writer:
        (drawn,) = generate(patients, 7, progress=False, notes_per_admission=0)
        for name, rows in {**reference_tables(7), **drawn}.items():
            if name != "identifiers" and not name.startswith("truth_"):
                writer.write(name, rows)
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    return hospital(tmp_path_factory.mktemp("hospital") / "store", 3000)


@pytest.fixture(autouse=True)
def outside_a_session(tmp_path, monkeypatch):
    policy = tmp_path / "policy.toml"
    policy.write_text("[disclosure]\nthreshold = 10\nrounding = 5\n", encoding="utf-8")
    monkeypatch.setenv("WORKBENCH_POLICY", str(policy))
    monkeypatch.setenv("WORKBENCH_SESSION", str(tmp_path / "none.toml"))
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def public(name: str) -> Path:
    """The file of a public set; the test is skipped where it is not there."""
    if name == "gbsg2":
        return Path(lifelines.__file__).parent / "datasets" / "gbsg2.csv"
    workbook = "tongji_covid/time_series_375_prerpocess.xlsx"
    places = {
        "tongji": workbook,
        "tongji_landmarks": workbook,
        "support2": "support2/support2.csv",
        "framingham": "framingham/framingham.csv",
    }
    return shared(f"risk/{places[name]}")


def of_tables(name: str) -> dict[str, str]:
    return {"study": str(STUDIES / f"{name}.yaml"), "table": str(public(name))}


def run(name: str, folder: Path, **given: str) -> str:
    """Run a template and return its page, when all that it wrote may leave."""
    template = open_template(name)
    done = run_template(template, check_values(template, given), folder / "out", home=folder, progress=False)
    assert sorted(path.name for path in done.files) == (PAGE if name in ("baseline_table", "survival") else STUDY)
    for path in done.files:
        found = check_file(path.name, path.read_bytes(), scope=Scope(policy=POLICY))
        found = [finding for finding in found if finding.severity is not Severity.NOTE]  # a reviewer looks at pictures
        assert not found, [(finding.check, finding.place, finding.reason) for finding in found]
    return (done.folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("baseline_table", {}, ("纳入排除流程", "基线特征", "缺失情况", "标准化")),
        ("survival", {"language": "en"}, ("Follow-up and events", "log-rank", "Age")),
        pytest.param(
            "risk_model",
            {"bootstrap": "5", "language": "en"},
            ("Calibration", "Decision curve", "TRIPOD+AI", "Death within 365 days"),
            marks=SLOW,
        ),
        pytest.param("early_warning", {"bootstrap": "5"}, ("预警负担", "校准曲线", "72 小时内死亡"), marks=SLOW),
        pytest.param("competing_risks", {"bootstrap": "5"}, ("再次住院", "累积发生率", "fine_gray"), marks=SLOW),
    ],
)
def test_a_template_runs_on_the_synthetic_hospital(store, tmp_path, name, given, words):
    page = run(name, tmp_path, store=str(store), **given)
    assert [word for word in words if word not in page] == []


@pytest.mark.parametrize(
    ("name", "study", "given", "words"),
    [
        pytest.param("baseline_table", "support2", {}, ("肌酐 (umol/L)", "dzgroup"), marks=SLOW),
        ("survival", "gbsg2", {"by": "horTh"}, ("log-rank", "复发或死亡")),
        ("risk_model", "gbsg2", {"bootstrap": "5"}, ("列线图", "pnodes")),
        pytest.param("risk_model", "tongji", {"bootstrap": "5"}, ("乳酸脱氢酶", "院内死亡"), marks=SLOW),
        ("early_warning", "tongji_landmarks", {"bootstrap": "5"}, ("预警负担", "48 小时内死亡")),
        pytest.param("competing_risks", "framingham", {"bootstrap": "5"}, ("冠心病", "死亡", "累积发生率"), marks=SLOW),
    ],
)
def test_a_template_runs_on_public_tables(tmp_path, name, study, given, words):
    page = run(name, tmp_path, **of_tables(study), **given)
    assert [word for word in words if word not in page] == []


def test_competing_risks_of_a_tenth_of_a_public_table(tmp_path):
    head, *lines = public("framingham").read_text(encoding="utf-8").splitlines()
    small = tmp_path / "framingham.csv"
    small.write_text("\n".join([head, *lines[::10]]), encoding="utf-8")
    page = run("competing_risks", tmp_path, **{**of_tables("framingham"), "table": str(small)}, bootstrap="5")
    assert [word for word in ("冠心病", "死亡", "累积发生率") if word not in page] == []


@pytest.mark.parametrize(
    ("study", "rows", "events"),
    [("gbsg2", 686, 299), ("support2", 9105, 6201), ("framingham", 4240, 1046), ("tongji", 375, 174), ("tongji_landmarks", 3635, 296)],
)
def test_a_study_file_of_the_house_fits_its_public_set(study, rows, events):
    protocol = Study.read(STUDIES / f"{study}.yaml")
    data = protocol.extract(public(study))
    happened = data.y if data.binary else data.y["event"] == 1
    assert (len(data.y), int(happened.sum())) == (rows, events)
    assert not protocol.audit(public(study)).refused


@pytest.mark.parametrize(
    ("name", "given", "kind", "words"),
    [
        ("risk_model", {"table": "patients.csv"}, DefinitionError, "no study that says how they are read"),
        ("early_warning", {"study": "gbsg2"}, DefinitionError, "predicts once"),
        ("competing_risks", {"study": "gbsg2"}, DefinitionError, "no competing event"),
        ("survival", {"study": "tongji"}, DefinitionError, "no times"),
    ],
)
def test_a_study_that_does_not_suit_is_refused(tmp_path, name, given, kind, words):
    with pytest.raises(kind, match=words):
        run(name, tmp_path, **(of_tables(given["study"]) if "study" in given else given))


def test_too_few_events_are_told(tmp_path):
    """A warning of deaths in hospital cannot be learnt of 300 patients."""
    with pytest.raises(DataError, match=r"ha(ve|s) the outcome"):
        run("early_warning", tmp_path, store=str(hospital(tmp_path / "store", 300)), bootstrap="0")
