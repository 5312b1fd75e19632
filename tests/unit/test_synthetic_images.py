"""Synthetic images: of the store's own patients, of known geometries, with nodules whose size is known; the same from the same seed."""

import csv
from collections import Counter

import pytest

import workbench as wb
from tests.lib.command import workbench_command
from tests.lib.ward import ward
from workbench.errors import DataError, DefinitionError
from workbench.store import SnapshotWriter, Store
from workbench.synthetic.images import MASKS, make_images


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    place = tmp_path_factory.mktemp("store")
    with SnapshotWriter(place, source="test") as writer:
        for name, rows in ward(60).items():
            writer.write(name, rows)
    return Store(place).latest()


@pytest.fixture(scope="module")
def made(store, tmp_path_factory):
    out = tmp_path_factory.mktemp("images")
    return make_images(store, out, n_patients=14, seed=3), out


@pytest.fixture(scope="module")
def indexed(store, made, tmp_path_factory):
    return wb.index_images(made[1] / "dicom", store, place=tmp_path_factory.mktemp("catalogue"), progress=False)


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.dcm") if "masks" not in path.parts}


def test_every_series_is_of_a_patient_of_the_store(made, indexed, store):
    counts, out = made
    assert (indexed.joined, dict(indexed.left_out)) == (counts.series, {})
    assert len(contents(out)) == counts.files
    table = wb.images(indexed.snapshot).table()
    assert table["person_id"].nunique() == counts.patients == 14
    seen = store.read("visit_occurrence", ["person_id", "visit_start_date"]).to_pandas().groupby("person_id")["visit_start_date"].min()
    assert all(0 <= (row.image_occurrence_date - seen[row.person_id]).days < 4 for row in table.itertuples())


def test_there_are_several_geometries(indexed):
    table = wb.images(indexed.snapshot).table()
    verdicts = Counter(table.query("modality_source_value == 'CT'")["geometry_verdict"])
    assert {"regular", "sheared"} < set(verdicts)
    assert set(verdicts) <= {"regular", "gap", "irregular", "sheared"}
    assert set(table.query("modality_source_value == 'CR'")["geometry_verdict"]) == {"single unplaced uncalibrated"}


def test_a_nodule_has_the_volume_that_was_put_there(made, indexed):
    with (made[1] / MASKS).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == made[0].masks > 1
    chosen = wb.images(indexed.snapshot)
    for row in rows:
        values = chosen.measure(row["series_instance_uid"], made[1] / row["mask"]).set_index("measure")["value"]
        assert values["volume_ml"] == pytest.approx(float(row["volume_ml"]), rel=0.1)
        assert values["mean"] == pytest.approx(30, abs=6), "the ball is where its mask says"


def test_the_same_seed_gives_the_same_images_and_another_does_not(made, store, tmp_path):
    make_images(store, tmp_path / "a", n_patients=2, seed=3)
    make_images(store, tmp_path / "b", n_patients=2, seed=4)
    first, other, all_ = contents(tmp_path / "a"), contents(tmp_path / "b"), contents(made[1])
    assert first.items() <= all_.items()
    assert first != other


def test_what_cannot_be_made_is_refused(store, tmp_path):
    with pytest.raises(DefinitionError, match="at least 1"):
        make_images(store, tmp_path / "x", n_patients=0)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(DefinitionError, match="not empty"):
        make_images(store, tmp_path / "full")
    with SnapshotWriter(tmp_path / "nobody", source="test") as writer:
        writer.write("person", ward(10)["person"])
    with pytest.raises(DataError, match="nobody"):
        make_images(Store(tmp_path / "nobody").latest(), tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_the_command_says_what_was_made_and_what_next(store, tmp_path, capsys):
    place = store.path.parents[1]
    assert workbench_command("synthetic", "images", "--store", place, "--out", tmp_path / "o", "--patients", 1) == 0
    assert capsys.readouterr().out.startswith("1 patients, ")
