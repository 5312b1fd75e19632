"""Series joined to patients: rows of ``image_occurrence``, series of a cohort, volumes of them, what is shown."""

from __future__ import annotations

import datetime
import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pydicom
import pytest
from PIL import Image

import workbench as wb
from imaging.errors import GeometryError, TaskError
from imaging.results import Algorithm, Segment, coding_of, save, segmentation
from imaging.volumes import RefusedGeometry, write_nifti
from tests.lib.dicom_files import ct_series, uid, write
from tests.lib.manifest import in_a_session
from workbench.cohort.events import EventSet
from workbench.disclosure import DisclosurePolicy
from workbench.errors import DataError, DefinitionError, PolicyError
from workbench.series.looking import watermark
from workbench.series.occurrences import index_images
from workbench.store import SnapshotWriter, Store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Three patients; the third has no images."""
    place = tmp_path_factory.mktemp("store")
    people = {"person_id": [11, 12, 13], "gender_concept_id": [8507] * 3, "year_of_birth": [1960] * 3}
    people |= {"race_concept_id": [0] * 3, "ethnicity_concept_id": [0] * 3}
    visits = {"visit_occurrence_id": [1, 2, 3], "person_id": [11, 12, 13], "visit_concept_id": [9201] * 3, "visit_type_concept_id": [0] * 3}
    visits |= {name: [datetime.date(2024, 1, 1)] * 3 for name in ("visit_start_date", "visit_end_date")}
    concept = {"concept_id": [4058], "concept_name": ["Chest"], "domain_id": ["x"], "vocabulary_id": ["SNOMED"], "concept_class_id": ["x"]}
    concept |= {
        "concept_code": ["816094009"],
        "valid_start_date": [datetime.date(2000, 1, 1)],
        "valid_end_date": [datetime.date(2099, 1, 1)],
    }
    with SnapshotWriter(place, source="test") as writer:
        writer.write("person", pa.table(people))
        writer.write("visit_occurrence", pa.table(visits))
        writer.write("concept", pa.table(concept))
    return Store(place).latest()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Chest CTs of two patients, one with a slice missing; a head of the first; one of nobody, one mixed, one without a date."""
    place = tmp_path_factory.mktemp("影像")
    write(ct_series(4, study=1, PatientID="11"), place / "a")
    write(ct_series(6, study=2, without=[2], PatientID="12"), place / "b")
    write(ct_series(3, study=3, PatientID="11", BodyPartExamined="HEAD", StudyDate="20240301", SeriesDate="20240301"), place / "c")
    write(ct_series(2, study=4, PatientID="王"), place / "d")
    mixed = ct_series(2, study=5, PatientID="11")
    mixed[1].PatientID = "12"
    write(mixed, place / "e")
    write(ct_series(2, study=6, PatientID="11", StudyDate="", SeriesDate="19990230"), place / "f")
    return place


@pytest.fixture(scope="module")
def indexed(store, folder, tmp_path_factory):
    return index_images(folder, store, place=tmp_path_factory.mktemp("catalogue"), progress=False)


def test_each_series_of_a_patient_gets_a_row_and_others_are_counted(indexed):
    assert (indexed.joined, dict(indexed.left_out)) == (3, {"no_patient": 1, "several_patients": 1, "no_date": 1})
    assert str(indexed).startswith("3 个序列已关联患者（3 个无唯一就诊）；1 ")
    row = wb.images(indexed.snapshot, body_part="chest", verdict="regular").table().iloc[0]
    assert (row["person_id"], row["modality_source_value"], row["anatomic_site_source_value"]) == (11, "CT", "胸部")
    assert (row["n_slices"], row["slice_mm"], row["manufacturer_source_value"]) == (4, 5.0, "Maker")
    assert row["anatomic_site_concept_id"] == 4058
    assert row["image_occurrence_date"] == datetime.date(2024, 1, 2)


def test_series_have_the_encounter_in_which_their_day_lies(indexed, store, tmp_path):
    assert indexed.without_visit == 3
    place = tmp_path / "in"
    for number, day in enumerate(["20231231", "20240101", "20240105", "20240109", "20240110"], start=1):
        write(ct_series(2, study=20, series=number, PatientID="12", StudyDate=day, SeriesDate=day), place / str(number))
    found = index_images(place, with_visits(store, tmp_path / "store"), place=tmp_path / "c", progress=False)
    rows = found.snapshot.read("image_occurrence").sort_by("image_occurrence_date")
    assert (rows["visit_occurrence_id"].to_pylist(), found.without_visit) == ([None, None, 5, 5, 6], 2)
    chosen = wb.cohort("t").enter(wb.images("CT", setting="inpatient", department="放射科")).run(found.snapshot)
    assert [str(day)[:10] for day in chosen.rows["start_date"]] == ["2024-01-05", "2024-01-09"]


def with_visits(store, place):
    """Publish a store whose patient 12 is in hospital twice, and once more as an outpatient on the first day."""
    kinds, starts = [9202, 9201, 9202], [datetime.date(2024, 1, day) for day in (1, 1, 10)]
    ends = [datetime.date(2024, 1, 1), datetime.date(2024, 1, 9), None]
    visits = {"visit_occurrence_id": [4, 5, 6], "person_id": [12] * 3, "visit_concept_id": kinds, "visit_type_concept_id": [0] * 3}
    visits |= {"visit_start_date": starts, "visit_end_date": ends, "care_site_id": [1, 1, 1]}
    with SnapshotWriter(place, source="test") as writer:
        writer.write("person", store.read("person"))
        writer.write("visit_occurrence", pa.table(visits))
        writer.write("care_site", pa.table({"care_site_id": [1], "care_site_source_value": ["放射科"], "care_site_name": ["放射科"]}))
    return Store(place).latest()


def test_a_series_that_the_store_has_is_not_counted_twice(indexed, folder, tmp_path):
    again = index_images(folder, indexed.snapshot, place=tmp_path / "c", progress=False)
    assert (again.joined, again.left_out["in_store"]) == (0, 3)
    assert again.snapshot.read("image_occurrence").num_rows == 3


def test_rows_stand_beside_those_of_a_store_with_fewer_columns(store, folder, tmp_path):
    old = {"image_occurrence_id": [1], "person_id": [13], "image_occurrence_date": [datetime.date(2024, 1, 2)], "modality_concept_id": [0]}
    with SnapshotWriter(tmp_path / "store", source="test") as writer:
        writer.write("person", store.read("person"))
        writer.write("image_occurrence", pa.table(old | {"image_series_uid": ["1.2.3"], "modality_source_value": ["CT"]}))
    earlier = Store(tmp_path / "store").latest()
    (file,) = earlier.files("image_occurrence")
    file.chmod(0o600)
    pq.write_table(pq.read_table(file, columns=[*old, "image_series_uid", "modality_source_value"], partitioning=None), file)
    found = index_images(folder, earlier, place=tmp_path / "c", progress=False).snapshot
    assert sorted(found.read("image_occurrence", ["n_slices"])["n_slices"].to_pylist(), key=str) == [3, 4, 5, None]
    regular = wb.cohort("t").enter(wb.images("CT", verdict="regular")).run(found)
    assert sorted(regular.rows["person_id"]) == [11, 11]
    assert len(wb.cohort("t").enter(wb.images("CT")).run(found).rows) == 4


def test_the_snapshot_names_what_was_added(indexed, store):
    assert indexed.snapshot.id.startswith(f"{store.id}+")
    assert indexed.snapshot.read("image_occurrence").num_rows == 3
    assert store.read("image_occurrence").num_rows == 0


def test_patient_ids_may_be_joined_by_an_index(store, folder, tmp_path):
    found = index_images(folder, store, persons={"王": 13, "11": 12}, place=tmp_path / "c", progress=False)
    assert sorted(wb.images(found.snapshot).table()["person_id"]) == [12, 12, 13]


def test_a_changed_folder_gives_another_version(store, folder, tmp_path):
    source = tmp_path / "in"
    write(ct_series(3, study=1, PatientID="11"), source)
    first = index_images(source, store, place=tmp_path / "c", progress=False)
    again = index_images(source, store, place=tmp_path / "c", progress=False)
    assert (first.snapshot.id, again.indexed.read) == (again.snapshot.id, 0)
    (source / "slice0002.dcm").unlink()
    assert index_images(source, store, place=tmp_path / "c", progress=False).snapshot.id != first.snapshot.id


@pytest.mark.parametrize(
    ("asked", "persons"),
    [
        ({}, [11, 11, 12]),
        ({"modality": "MR"}, []),
        ({"modality": ["CT", "MR"], "body_part": "CHEST"}, [11, 12]),
        ({"body_part": "头部"}, [11]),
        ({"verdict": "gap"}, [12]),
        ({"verdict": ("gap", "regular")}, [11, 11, 12]),
        ({"slice_mm": (None, 5)}, [11, 11]),
        ({"slice_mm": (5.1, None)}, []),
    ],
)
def test_series_are_chosen_by_what_they_are(indexed, asked, persons):
    assert wb.images(indexed.snapshot, **asked).table()["person_id"].tolist() == persons


def test_series_of_a_cohort_are_those_of_its_patients_near_the_index_date(indexed):
    result = Result(indexed.snapshot, [(11, "2024-02-28"), (11, "2024-02-27"), (13, "2024-01-01")])
    assert wb.images(result).table()["person_id"].tolist() == [11, 11]
    near = wb.images(result, days=(0, 3)).table()
    assert near["image_occurrence_date"].tolist() == [datetime.date(2024, 3, 1)]
    assert wb.images(result, days=(-1, 0)).count() == 0


class Result:
    """A cohort that has run, as far as images need it."""

    def __init__(self, snapshot, rows):
        self.snapshot = snapshot
        self.rows = pd.DataFrame(rows, columns=["person_id", "start"]).assign(start=lambda frame: pd.to_datetime(frame["start"]))


def test_cohorts_ask_for_series_and_series_for_cohorts(indexed):
    assert isinstance(wb.images("CT", body_part="胸部"), EventSet)
    result = wb.cohort("t").enter(wb.images("CT", body_part="胸部"), limit="first").run(indexed.snapshot)
    assert sorted(result.rows.iloc[:, 0]) == [11, 12]
    assert wb.images(result, days=(0, 0)).table()["anatomic_site_source_value"].tolist() == ["胸部", "胸部"]


def test_a_series_is_read_as_its_geometry_allows(indexed):
    chosen = wb.images(indexed.snapshot)
    volume = chosen.volume(uid(1, 1))
    assert (volume.shape, volume.unit) == ((4, 8, 8), "HU")
    with pytest.raises(RefusedGeometry):
        chosen.volume(uid(2, 1))
    row = chosen.table().query("person_id == 12").iloc[0]
    assert chosen.volume(row, "resample").shape == (6, 8, 8)


def test_a_series_of_others_is_not_read(indexed):
    with pytest.raises(DataError, match="no series of the set"):
        wb.images(indexed.snapshot, verdict="gap").volume(uid(1, 1))


def test_series_are_shown_without_their_voxels(indexed):
    pytest.importorskip("anywidget")
    viewer = wb.images(indexed.snapshot, verdict="regular").show()
    assert len(viewer.series) == 1
    assert "胸部" in str(viewer.series)
    assert viewer._exhibits[0].frame_of_reference == uid(1, 1, 0), "series of one space are scrolled together"
    with pytest.raises(DataError, match="nothing to show"):
        wb.images(indexed.snapshot, modality="MR").show()
    with pytest.raises(DefinitionError, match="at most 4"):
        wb.images(indexed.snapshot).show(*[uid(1, 1)] * 5)


def test_a_mask_is_drawn_over_the_series_that_it_is_of(indexed, tmp_path):
    pytest.importorskip("anywidget")
    chosen, one = wb.images(indexed.snapshot), uid(1, 1)
    volume = chosen.volume(one)
    labels = np.zeros(volume.shape, np.uint8)
    labels[1:3, 2:5, 3:6] = 1
    liver = Segment(label=1, name="肝脏", **coding_of("肝脏", 1)._asdict())
    files = {
        "seg.dcm": lambda path: save(segmentation(volume, labels, [liver], chosen.paths(one)), path),
        "labels.nii.gz": lambda path: write_nifti(replace(volume, array=labels), path),
    }
    given = [labels, *(write(tmp_path / name) for name, write in files.items())]
    for mask, name in zip(given, ("1", "肝脏", "1"), strict=True):
        viewer = chosen.show(one, mask=mask)
        assert np.array_equal(viewer._exhibits[0].labels, labels)
        assert [each[0] for each in viewer.series[0]["mask"]] == [name]
    both = chosen.show(one, uid(3, 1), mask=[None, np.ones((3, 8, 8), np.uint8)])
    assert [exhibit.labels is None for exhibit in both._exhibits] == [True, False]
    for mask in ([labels, None], labels[1:], tmp_path / "nowhere.dcm"):
        with pytest.raises((DefinitionError, DataError, TaskError)):
            chosen.show(one, mask=mask)
    with pytest.raises(GeometryError, match="none of them the volume's"):
        chosen.show(uid(3, 1), mask=tmp_path / "seg.dcm")


def test_boxes_of_a_detection_are_drawn_where_they_lie(indexed, tmp_path):
    pytest.importorskip("anywidget")
    chosen, one = wb.images(indexed.snapshot), uid(1, 1)
    volume = chosen.volume(one)
    x, y, z = (volume.affine @ (2, 3, 1, 1))[:3]
    head = "series_instance_uid,class,score,x_mm,y_mm,z_mm,size_x_mm,size_y_mm,size_z_mm\n"
    rows = [f"{one},nodule,0.4,{x},{y},{z},1.5,1.5,6", f"{one},nodule,0.9,{x},{y},{z},0.5,0.5,1", f"{uid(3, 1)},other,1,{x},{y},{z},9,9,9"]
    (tmp_path / "boxes.csv").write_text(head + "\n".join(rows), encoding="utf-8")
    viewer = chosen.show(one, mask=tmp_path / "boxes.csv")
    labels = viewer._exhibits[0].labels
    assert labels[1, 3, 2] == 1, "the surer one on top"
    assert np.argwhere(labels == 2).tolist() == [[1, r, c] for r in (2, 3, 4) for c in (1, 2, 3) if (r, c) != (3, 2)]
    assert [each[0] for each in viewer.series[0]["mask"]] == ["nodule 0.90", "nodule 0.40"]
    (tmp_path / "boxes.csv").write_text("series_instance_uid,score\n", encoding="utf-8")
    with pytest.raises(DataError, match="缺少列 class"):
        chosen.show(one, mask=tmp_path / "boxes.csv")


def test_what_is_looked_at_in_a_session_is_watermarked_and_charged(indexed, tmp_path, monkeypatch):
    pytest.importorskip("anywidget")
    in_a_session(monkeypatch, tmp_path / "session.toml", user="lin", project="heart", bytes_per_hour=40_000)
    chosen = wb.images(indexed.snapshot, verdict="regular")
    sent = []
    for viewer in (chosen.show(), chosen.show()):
        monkeypatch.setattr(viewer, "send", lambda content, buffers=None: sent.append((content, buffers)))
        for number in range(20):
            viewer.handle({"id": str(number), "do": "show", "series": 0, "plane": "axial", "index": 0, "size": 256})
    passed = [buffers[0] for _, buffers in sent if buffers]
    assert 0 < sum(map(len, passed)) <= 30_000 < sum(map(len, passed)) + len(passed[0]), "three quarters of what the guard gives, in all"
    assert sent[-1][0]["fault"] == "budget"
    assert watermark().startswith("heart lin ")


def test_a_contact_sheet_has_a_tile_a_series(indexed):
    page = Image.open(io.BytesIO(wb.images(indexed.snapshot).sheet(columns=2, size=96)))
    assert page.width == 2 * 96 + 3 * 6
    assert page.height > 2 * 96, "three series, the one with a gap among them, in two rows"
    with pytest.raises(DataError, match="nothing to show"):
        wb.images(indexed.snapshot, modality="MR").sheet()


@pytest.mark.parametrize(
    "asked", [{"verdict": "fine"}, {"slice_mm": (2, 1)}, {"days": (0, 1)}, {"kind": "CT"}], ids=lambda asked: next(iter(asked))
)
def test_what_makes_no_sense_is_refused(indexed, asked):
    with pytest.raises(DefinitionError):
        wb.images(indexed.snapshot, **asked)


def test_a_snapshot_without_images_has_an_empty_set(store):
    assert wb.images(store).table().empty


def test_series_are_measured_within_a_mask_and_asked_for_by_the_value(indexed, tmp_path):
    chosen, one = wb.images(indexed.snapshot), uid(1, 1)
    volume = chosen.volume(one)
    labels = np.zeros(volume.shape, np.uint8)
    labels[1:3, 2:6, 2:6] = 1
    nodule = Segment(label=1, name="nodule", **coding_of("nodule", 1)._asdict(), algorithm=Algorithm(name="net", version="1"))
    path = save(segmentation(volume, labels, [nodule], chosen.paths(one)), tmp_path / "seg.dcm")
    values = chosen.measure(one, path)
    (volume_ml,) = values.query("measure == 'volume_ml'")["value"]
    assert volume_ml == pytest.approx(32 * 0.7 * 0.7 * 5 / 1000)
    assert set(values["bundle"]) == {"AUTOMATIC net"}
    assert set(values["mask"]) == {pydicom.dcmread(path).SOPInstanceUID}
    assert set(values["subject"]) == {"11"}
    by_hand = chosen.measure(one, labels)
    assert by_hand["value"].tolist() == values["value"].tolist()
    with pytest.raises(RefusedGeometry):
        chosen.measure(uid(2, 1), labels)
    snapshot = wb.publish_measurements(values, indexed.snapshot, place=tmp_path / "p")
    for least, persons in ((volume_ml - 0.001, [11]), (volume_ml + 0.001, [])):
        larger = wb.labs("nodule volume_ml").where(value_ge=least, unit="mL")
        result = wb.cohort("t").enter(wb.images("CT"), limit="first").require("v", larger).run(snapshot)
        assert list(result.rows.iloc[:, 0]) == persons


def test_counts_of_series_hide_what_is_small(indexed, monkeypatch):
    policy = DisclosurePolicy(threshold=2, rounding=1)
    counted = wb.images(indexed.snapshot).counts(policy=policy)
    assert counted["geometry_verdict"].tolist() == ["规则", "缺层", "规则"]
    assert set(counted["patients"]) == {"已抑制"}, "each is one patient"
    wb.set_language("en")
    english = wb.images(indexed.snapshot).counts(policy=policy)
    wb.set_language("zh")
    assert set(english["anatomic_site_source_value"]) == {"Chest", "Head"}
    assert set(english["geometry_verdict"]) == {"regular", "slices missing"}
    assert wb.images(indexed.snapshot).counts("modality_source_value", policy=policy).values.tolist() == [["CT", "2"]]
    assert wb.images(indexed.snapshot, modality="MR").counts(policy=policy).empty
    monkeypatch.setenv("WORKBENCH_POLICY", "")
    with pytest.raises(PolicyError):
        wb.images(indexed.snapshot).counts()


MEASURED = "series,label,label_name,lesion,measure,value,unit,mask_sha256,bundle\n"


def test_measured_values_are_asked_as_any_other(indexed, tmp_path):
    rows = [
        f"{uid(1, 1)},1,lung,0,volume_ml,4200.5,mL,ab,net@12",
        f"{uid(2, 1)},1,lung,0,volume_ml,2000,mL,ac,net@12",
        f"{uid(2, 1)},2,nodule,2,recist_mm,,mm,ac,",
    ]
    (tmp_path / "m.csv").write_text(MEASURED + "\n".join(rows), encoding="utf-8")
    snapshot = wb.publish_measurements(tmp_path / "m.csv", indexed.snapshot, place=tmp_path / "p")
    result = wb.cohort("t").enter(wb.labs("lung volume_ml").where(value_gt=3000), limit="first").run(snapshot)
    assert list(result.rows.iloc[:, 0]) == [11]
    feature = snapshot.read("image_feature").to_pylist()[0]
    images = snapshot.read("image_occurrence").to_pylist()
    assert feature["alg_system"] == "net@12"
    assert feature["image_occurrence_id"] in {row["image_occurrence_id"] for row in images}
    assert snapshot.read("measurement").num_rows == 2, "an empty value is none"
    assert wb.images(snapshot).count() == 3, "the series stay"


@pytest.mark.parametrize(
    "text", [MEASURED + "1.2.3,1,lung,0,volume_ml,1,mL,ab,x\n", "series,value\n1,2\n", MEASURED + "1,1,l,0,m,much,mL,a,b\n"]
)
def test_measured_values_that_fit_no_series_are_refused(indexed, tmp_path, text):
    (tmp_path / "m.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError):
        wb.publish_measurements(tmp_path / "m.csv", indexed.snapshot, place=tmp_path / "p")
