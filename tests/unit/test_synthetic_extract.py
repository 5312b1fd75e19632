"""The raw extract on disk, its command line, and the faults planted in it."""

import errno
import json
from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from workbench.commands.synthetic import app
from workbench.errors import DataError, EnvironmentFault
from workbench.synthetic import extract, faults, generate
from workbench.synthetic.catalogue import Table, read_table
from workbench.tables import TABLES


@pytest.fixture(scope="module")
def faulty():
    return next(generate(2000, 9, progress=False, notes_per_admission=0, faults=True))


@pytest.fixture(scope="module")
def clean():
    return next(generate(2000, 9, progress=False, notes_per_admission=0))


def listed(tables, fault, name):
    rows = tables["truth_faults"]
    return rows.filter(pc.and_(pc.equal(rows["fault"], fault), pc.equal(rows["table_name"], name)))["row_id"].to_pylist()


def rows_of(tables, name, keys):
    table = tables[name]
    return table.filter(pc.is_in(table[TABLES[name].key[0]], pa.array(keys, pa.int64())))


def test_every_fault_is_planted_at_about_its_rate(faulty):
    planted = Counter(zip(faulty["truth_faults"]["fault"].to_pylist(), faulty["truth_faults"]["table_name"].to_pylist(), strict=True))
    for row in read_table("faults").rows():
        expected = float(row["share"]) * faulty[row["table"]].num_rows
        assert planted[row["fault"], row["table"]] <= 2 * expected + 12, row
    assert len(planted) >= 9


def test_rows_that_are_not_listed_are_as_they_were(clean, faulty):
    twice = faulty["truth_same_person"]
    again = pa.concat_arrays([twice[name].combine_chunks() for name in ("person_id", "same_as_person_id")])
    for name in ("visit_occurrence", "condition_occurrence", "drug_exposure", "measurement", "observation", "person"):
        listed_rows = pa.array(_all_listed(faulty, name), pa.int64())
        key = TABLES[name].key[0]
        before, after = (
            table.filter(pc.invert(pc.or_(pc.is_in(table[key], listed_rows), pc.is_in(table["person_id"], again))))
            for table in (clean[name], faulty[name])
        )
        assert after.cast(before.schema).equals(before), name
        assert before.num_rows > 0.95 * clean[name].num_rows


def _all_listed(tables, name):
    rows = tables["truth_faults"]
    return rows.filter(pc.equal(rows["table_name"], name))["row_id"].to_pylist()


def test_no_row_has_two_faults_however_many_there_are(clean, monkeypatch):
    rows = read_table("faults")
    often = Table("faults", {name: ["0.2"] * len(rows) if name == "share" else rows.texts(name) for name in rows.rows()[0]})
    monkeypatch.setattr(faults, "read_table", lambda _name: often)
    found = faults.plant(9, 0, clean)["truth_faults"]
    names = zip(found["table_name"].to_pylist(), found["row_id"].to_pylist(), strict=True)
    assert max(Counter(names).values()) == 1


def test_each_fault_is_what_it_says(faulty):
    assert pc.all(
        pc.is_null(rows_of(faulty, "drug_exposure", listed(faulty, "missing_required", "drug_exposure"))["drug_exposure_start_date"])
    ).as_py()
    stays = rows_of(faulty, "visit_occurrence", listed(faulty, "end_before_start", "visit_occurrence"))
    assert pc.all(pc.less(stays["visit_end_date"], stays["visit_start_date"])).as_py()
    others = rows_of(faulty, "condition_occurrence", listed(faulty, "sex_conflict", "condition_occurrence"))
    assert set(others["condition_source_value"].to_pylist()) == {"D25.900"}
    men = faulty["person"].filter(pc.equal(faulty["person"]["gender_concept_id"], 8507))["person_id"].to_pylist()
    assert set(others["person_id"].to_pylist()) <= set(men)
    lost = rows_of(faulty, "drug_exposure", listed(faulty, "unknown_visit", "drug_exposure"))["visit_occurrence_id"].to_pylist()
    assert lost
    assert not set(lost) & set(faulty["visit_occurrence"]["visit_occurrence_id"].to_pylist())
    glucose = rows_of(faulty, "measurement", listed(faulty, "wrong_unit", "measurement"))
    assert set(glucose["unit_source_value"].to_pylist()) <= {"mmol/L"}
    early = rows_of(faulty, "condition_occurrence", listed(faulty, "before_birth", "condition_occurrence")).to_pandas()
    born = faulty["person"].to_pandas().set_index("person_id").birth_datetime.dt.date
    assert (early.condition_start_date < born.loc[early.person_id].to_numpy()).all()


def test_patients_registered_twice_are_whole_and_can_be_linked(clean, faulty):
    pairs = faulty["truth_same_person"].to_pandas()
    assert 4 <= len(pairs) <= 40
    assert faulty["person"].num_rows == clean["person"].num_rows + len(pairs)
    owner = faulty["visit_occurrence"].to_pandas().set_index("visit_occurrence_id").person_id
    assert set(pairs.person_id) | set(pairs.same_as_person_id) <= set(owner)
    for name in ("measurement", "condition_occurrence", "procedure_occurrence"):
        rows = faulty[name].to_pandas()
        assert (rows.person_id == owner.loc[rows.visit_occurrence_id].to_numpy()).all(), name
    periods = faulty["observation_period"].to_pandas().set_index("person_id")
    assert (
        periods.loc[pairs.person_id].observation_period_start_date.to_numpy()
        >= periods.loc[pairs.same_as_person_id].observation_period_start_date.to_numpy()
    ).all()
    index = faulty["identifiers"].to_pandas().drop_duplicates("person_id").set_index("person_id")
    assert (index.loc[pairs.person_id].identity_number.to_numpy() == index.loc[pairs.same_as_person_id].identity_number.to_numpy()).all()
    assert (index.loc[pairs.person_id].mrn.to_numpy() != index.loc[pairs.same_as_person_id].mrn.to_numpy()).all()
    assert index.mrn.is_unique
    assert faulty["identifiers"]["record_id"].to_pandas().is_unique


def test_the_extract_is_written_whole(tmp_path):
    out = tmp_path / "raw"
    result = CliRunner().invoke(app, ["build", "--patients", "120", "--seed", "2", "--out", str(out), "--chunk", "50"])
    assert result.exit_code == 0, result.output
    assert "Next:" in result.output
    done = json.loads((out / "build.json").read_text(encoding="utf-8"))
    assert done["n_patients"] == 120
    for name, n_rows in done["rows"].items():
        folder = extract._folder_of(out, name)
        assert sum(pq.read_metadata(file).num_rows for file in folder.glob("part-*.parquet")) == n_rows, name
    assert not (out / "tables" / "identifiers").exists()
    assert {folder.name for folder in (out / "truth").iterdir()} == {"spans", "canaries", "faults", "survival", "hazards", "same_person"}
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_no_notes_writes_none(tmp_path):
    extract.build(tmp_path / "raw", n_patients=20, seed=1, notes_per_admission=0, progress=False)
    assert not (tmp_path / "raw" / "tables" / "note").exists()


def test_an_existing_folder_is_left_alone(tmp_path):
    (tmp_path / "keep").write_text("mine")
    with pytest.raises(DataError, match="exists already"):
        extract.build(tmp_path, n_patients=5, seed=1, progress=False)
    assert (tmp_path / "keep").read_text() == "mine"


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(extract.pq, "write_table", full)
    with pytest.raises(EnvironmentFault, match="No space left"):
        extract.build(tmp_path / "raw", n_patients=5, seed=1, progress=False)
    assert not list(tmp_path.iterdir())
