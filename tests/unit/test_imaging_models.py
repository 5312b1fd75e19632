"""Tasks, cases, splits, preparing, augmenting, metrics, event files: truth by construction, scikit-learn and protobuf as oracles."""

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from imaging.dicom.catalogue import index_folder
from imaging.errors import ImageDataError, TaskError
from imaging.models.augmenting import _matrix, augmented, generator_for
from imaging.models.cases import Case, Sample, cases_of
from imaging.models.inference import Model, _slabs, mask_on, segment
from imaging.models.logs import EventFile, crc32c
from imaging.models.metrics import auc, best_threshold, classification, dice, intervals
from imaging.models.networks import build_network, count_parameters
from imaging.models.preparing import CaseSet, Prepared, prepare
from imaging.models.split import find_leaks, fingerprint, kept_apart, split_cases, thumbnail
from imaging.models.task import Arrays, Augment, Split, Task, Transforms, read_task, write_task
from imaging.volumes import write_nifti
from tests.lib.dicom_files import ct_series, write
from tests.lib.imaging_tasks import placed, segmentation_task

PLAIN = {
    "name": "t",
    "kind": "classification",
    "classes": ("no", "yes"),
    "data": {"form": "arrays", "file": "/data/a.npz"},
    "transforms": {"size": (16, 16)},
    "network": {"name": "densenet"},
}


def cases(patients, part=""):
    return [
        Case(key=f"{part}{number}", patient=patient, part=part, label=number % 2, read=lambda: None)
        for number, patient in enumerate(patients)
    ]


def marks_of(images):
    return {key: (fingerprint(image), thumbnail(image)) for key, image in images.items()}


class TestTask:
    def test_a_task_is_the_same_after_yaml(self, tmp_path):
        task = Task(**PLAIN, training={"epochs": 3}, augment={"flip": ["columns"]}, initial={"file": "/w", "sha256": "a" * 64})
        assert read_task(write_task(task, tmp_path / "t.yaml")) == task

    def test_paths_are_meant_from_the_file(self, tmp_path):
        write_task(Task(**PLAIN | {"data": {"form": "arrays", "file": "a.npz"}}), tmp_path / "t.yaml")
        assert read_task(tmp_path / "t.yaml").data.file == str(tmp_path / "a.npz")

    @pytest.mark.parametrize(
        ("change", "named"),
        [
            ({"netwrok": 1}, "netwrok"),
            ({"training": {"epochs": 0}}, "training.epochs"),
            ({"training": {"learning_rate": float("nan")}}, "training.learning_rate"),
            ({"training": {"loss": "dice_cross_entropy"}}, "training.loss"),
            ({"kind": "segmentation"}, "training.loss"),
            ({"classes": ("no", "no")}, "stands twice"),
            ({"transforms": {}}, "transforms.size"),
            ({"transforms": {"size": (10**9, 1)}}, "transforms.size"),
            ({"transforms": {"size": (8, 8), "window_hu": (240, -160)}}, "smaller value first"),
            ({"split": {"validation": 0.5, "test": 0.5}}, "nothing to train"),
            ({"name": "../x"}, "name"),
        ],
    )
    def test_what_cannot_be_meant_is_named(self, change, named):
        with pytest.raises(TaskError, match=named):
            Task(**PLAIN | change)

    @pytest.mark.parametrize("text", ["name: a\nname: b", "- 1", "a: [", "a: !!python/object/apply:os.getcwd []", "\xff"])
    def test_a_file_that_is_no_task_is_refused(self, tmp_path, text):
        (tmp_path / "t.yaml").write_bytes(text.encode("latin-1"))
        with pytest.raises(TaskError):
            read_task(tmp_path / "t.yaml")

    @pytest.mark.parametrize("name", ["pneumonia", "hippocampus", "nodules"])
    def test_the_tasks_that_come_along_can_be_read(self, name):
        task = read_task(Path(__file__).parents[2] / "templates" / "tasks" / f"{name}.yaml")
        sizes = {"dims": len(task.window), "channels": 1, "classes": len(task.classes)}
        assert build_network(task.network, kind=task.kind, **sizes)

    @pytest.mark.parametrize(
        "network",
        [{"name": "os.system"}, {"name": "unet"}, {"name": "densenet", "growth_rate": 10**9}, {"name": "densenet", "_target_": "x"}, {}],
    )
    def test_a_network_outside_the_table_is_refused(self, network):
        with pytest.raises(TaskError, match="network"):
            build_network(network, kind="classification", dims=2, channels=1, classes=2)

    @pytest.mark.parametrize("shape", [(24, 32), (8, 16, 24)])
    def test_a_plain_unet_scores_each_voxel_and_holds_each_weight_once(self, shape):
        settings = {"name": "plain_unet", "channels": (4, 8, 8)}
        network = build_network(settings, kind="segmentation", dims=len(shape), channels=2, classes=3)
        assert network(torch.zeros(1, 2, *shape)).shape == (1, 3, *shape)
        weights = network.state_dict().values()
        assert len({tensor.data_ptr() for tensor in weights}) == len(weights)
        assert sum(tensor.numel() for tensor in weights) == count_parameters(network)


class TestCases:
    def test_arrays_know_patients_scanners_and_the_split(self, tmp_path):
        images = np.zeros((3, 4, 4), np.uint8)
        np.savez(
            tmp_path / "a.npz",
            train_images=images,
            train_labels=[[0], [1], [1]],
            train_patients=["a", "a", "b"],
            val_images=images,
            val_labels=[0, 1, 0],
            val_scanners=["S"] * 3,
        )
        found = cases_of(Task(**PLAIN | {"data": Arrays(file=str(tmp_path / "a.npz"))}))
        assert [(case.patient, case.part, case.scanner, case.label) for case in found][1:4] == [
            ("a", "train", "", 1),
            ("b", "train", "", 1),
            ("val_000000", "validation", "S", 0),
        ]

    @pytest.mark.parametrize(
        "arrays",
        [
            {"images": np.array([{"code": 1}], dtype=object), "labels": np.zeros(1, int)},
            {"images": np.zeros((2, 4, 4)), "labels": np.zeros(3, int)},
            {"images": np.zeros((2, 4, 4)), "labels": np.array([0.5, 1])},
            {"images": np.zeros((2, 4)), "labels": np.zeros(2, int)},
            {"images": np.zeros((2, 4, 4)), "labels": np.array([0, 7])},
            {"images": np.zeros((2, 4, 4)), "labels": np.zeros(2, int), "patients": np.array(["a"])},
            {"other": np.zeros(3)},
        ],
    )
    def test_arrays_that_say_something_else_are_refused(self, tmp_path, arrays):
        np.savez(tmp_path / "a.npz", **arrays)
        with pytest.raises((ImageDataError, TaskError)):
            cases_of(Task(**PLAIN | {"data": Arrays(file=str(tmp_path / "a.npz"))}))

    def test_a_label_map_elsewhere_than_its_image_is_refused(self, tmp_path):
        task = segmentation_task(tmp_path, count=1)
        moved = np.eye(4)
        moved[0, 3] = 5
        write_nifti(placed(np.zeros((16, 16, 16), np.uint8), moved), tmp_path / "labels" / "c0.nii.gz")
        with pytest.raises(ImageDataError, match="lies elsewhere"):
            cases_of(task)[0].read()

    def test_series_of_a_catalogue_have_patient_scanner_and_verdict(self, tmp_path):
        for series, slices in ((1, 4), (2, 5)):
            write(
                ct_series(slices, series=series, study=series, PatientID=f"P-{series}", Manufacturer="ACME"), tmp_path / "in" / str(series)
            )
        index_folder(tmp_path / "in", tmp_path / "catalogue")
        import pyarrow.parquet as pq

        uids = sorted(pq.read_table(tmp_path / "catalogue" / "series.parquet")["series_instance_uid"].to_pylist())
        (tmp_path / "t.csv").write_text("series_instance_uid,label\n" + "".join(f"{uid},yes\n" for uid in uids))
        data = {
            "form": "catalogue",
            "catalogue": str(tmp_path / "catalogue"),
            "root": str(tmp_path / "in"),
            "table": str(tmp_path / "t.csv"),
        }
        found = cases_of(Task(**PLAIN | {"data": data, "transforms": {"size": (4, 8, 8), "window_hu": (-160, 240)}}))
        assert {(case.patient, case.scanner, case.verdict, case.label) for case in found} == {
            ("P-1", "ACME Model 1", "regular", 1),
            ("P-2", "ACME Model 1", "regular", 1),
        }
        assert {case.read().image.shape[1] for case in found} == {4, 5}
        assert found[0].read().unit == "HU"


class TestSplit:
    def test_a_patient_is_on_one_side_whatever_the_order(self):
        those = cases([f"p{number // 3}" for number in range(90)])
        parts = split_cases(those, Split(validation=0.2, test=0.3))
        patients = [{case.patient for case in part} for part in parts]
        assert [len(each) for each in patients] == [15, 6, 9]
        assert len(set.union(*patients)) == 30
        again = split_cases(those[::-1], Split(validation=0.2, test=0.3))
        assert {case.key for case in again.test} == {case.key for case in parts.test}

    def test_leaks_are_found_and_refused_or_dropped(self):
        chance = np.random.default_rng(1)
        train, test = cases(["a", "b", "c", "d"], "train"), cases(["a", "e", "f"], "test")
        parts = split_cases([*train, *test, *cases(["v", "w"], "validation")], Split())
        images = {case.key: chance.normal(size=(1, 32, 32)) for part in parts for case in part}
        images["test1"] = images["train1"]  # the same pixels
        images["test2"] = images["train2"] * 1.5 + 7 + chance.normal(size=(1, 32, 32)) * 0.01  # near duplicate
        leaks = find_leaks(parts, marks_of(images))
        assert {(leak.kind, leak.case, leak.other) for leak in leaks} == {
            ("same_patient", "train0", "test0"),
            ("same_pixels", "train1", "test1"),
            ("near_duplicate", "train2", "test2"),
        }
        with pytest.raises(TaskError, match="2 cases are on both sides"):
            kept_apart(parts, marks_of(images), Split())
        kept, _ = kept_apart(parts, marks_of(images), Split(leaks="drop"))
        assert [case.key for case in kept.train] == ["train2", "train3"]

    def test_a_split_for_some_cases_is_refused(self):
        with pytest.raises(TaskError, match="have no split"):
            split_cases([*cases(["a"], "train"), *cases(["b"])], Split())

    def test_thumbnails_of_flat_and_tiny_images(self):
        assert not thumbnail(np.full((1, 3, 5), 7.0)).any()
        assert np.linalg.norm(thumbnail(np.arange(6.0).reshape(1, 1, 2, 3))) == pytest.approx(1)


FIELD = np.array([2.0, -3.0, 5.0])
#: Columns run to the right, rows to the head, slices to the front; oblique by a little would have no whole steps.
TURNED = np.array([[-1.5, 0, 0, 40.0], [0, 0, -2.0, 10.0], [0, 1.0, 0, -7.0], [0, 0, 0, 1.0]])


def field(affine, shape):
    slices, rows, columns = np.indices(shape)
    return (np.stack([columns, rows, slices, np.ones(shape)], axis=-1) @ affine.T)[..., :3] @ FIELD


class TestPreparing:
    @pytest.mark.parametrize("lean", [0.0, 0.3], ids=["upright", "sheared"])
    def test_a_linear_field_stays_where_it_is_when_turned_and_resampled(self, lean):
        affine = TURNED.copy()
        affine[2, 2] = lean
        image = field(affine, (9, 10, 11))[None]
        prepared = prepare(Sample(image, None, affine), Transforms(spacing_mm=(0.5, 1.0, 1.5), value_range=(-1000, 1000), patch=(4, 4, 4)))
        assert np.allclose(np.linalg.norm(prepared.affine[:3, :3], axis=0), (1.5, 1.0, 0.5))
        assert (np.diag(prepared.affine)[:3] > 0).all()  # columns to the left, rows to the back, slices to the head
        found, wanted = prepared.image[0] * 2000 - 1000, field(prepared.affine, prepared.image.shape[1:])
        axes = prepared.affine[:3, :3] / np.linalg.norm(prepared.affine[:3, :3], axis=0)
        assert np.allclose(axes.T @ axes, np.eye(3), atol=1e-6)
        points = np.stack([*np.indices(found.shape)[::-1], np.ones(found.shape)], axis=-1) @ (np.linalg.inv(affine) @ prepared.affine).T
        inside = ((points[..., :3] >= 0) & (points[..., :3] <= [10, 9, 8])).all(axis=-1)
        assert inside.sum() > 200
        assert np.abs(found - wanted)[inside].max() < 0.01

    def test_a_mask_comes_back_onto_the_image_that_it_was_made_of(self):
        truth = np.zeros((9, 10, 11), np.uint8)
        truth[2:6, 3:7, 1:9], truth[6:8, 2:5, 4:6] = 1, 2
        sample = Sample(truth[None].astype(float), truth, TURNED)
        for spacing in ((1.0, 2.0, 1.5), (0.5, 1.0, 0.75)):
            prepared = prepare(sample, Transforms(spacing_mm=spacing, patch=(4, 4, 4)))
            assert np.array_equal(mask_on(sample, prepared, prepared.mask, 3), truth)

    def test_units_axes_and_geometry_are_asked_for(self):
        flat = Sample(np.zeros((1, 4, 4)))
        for sample, transforms, words in (
            (flat, Transforms(window_hu=(0, 1), size=(4, 4)), "wanted HU"),
            (flat, Transforms(spacing_mm=(1, 1, 1), size=(4, 4)), "no geometry"),
            (Sample(np.zeros((1, 3, 4, 4))), Transforms(size=(4, 4)), "wanted 2 axes"),
            (Sample(np.full((1, 4, 4), np.nan)), Transforms(size=(4, 4)), "no numbers"),
            (Sample(np.full((1, 4, 4), 3000.0)), Transforms(value_range=(0, 255), size=(4, 4)), "100% of the values lie above 255"),
        ):
            with pytest.raises(ImageDataError, match=words):
                prepare(sample, transforms)

    def test_cases_of_other_channels_are_refused(self):
        those = [
            Case(key=key, patient=key, label=0, read=lambda count=count: Sample(np.ones((count, 8, 8))))
            for key, count in (("a", 1), ("b", 3))
        ]
        with pytest.raises(ImageDataError, match="b: found 3 channels"):
            CaseSet(those, Transforms(size=(8, 8))).look_at_all()

    def test_prepared_cases_are_kept_until_file_or_transforms_change(self, tmp_path):
        source = tmp_path / "a"
        source.write_bytes(b"1")
        reads = []

        def read():
            reads.append(1)
            return Sample(np.random.default_rng(0).normal(size=(1, 8, 8)))

        case = Case(key="a", patient="p", read=read, files=(source,))
        for transforms, wanted in ((Transforms(size=(8, 8)), 1), (Transforms(size=(8, 8)), 1), (Transforms(size=(4, 4)), 2)):
            those = CaseSet([case], transforms, tmp_path / "cache")
            assert those[0].image.shape[1:] == transforms.size
            assert those.marks["a"][0]
            assert len(reads) == wanted
        source.write_bytes(b"22")
        first = min((tmp_path / "cache").iterdir())
        first.write_bytes(first.read_bytes()[:100])  # cut short: prepared anew
        CaseSet([case], Transforms(size=(8, 8)), tmp_path / "cache")[0]
        assert len(reads) == 3


class TestAugmenting:
    image = Prepared(np.random.default_rng(1).random((1, 6, 7, 8)).astype(np.float32), np.arange(336).reshape(6, 7, 8).astype(np.uint8) % 3)

    def test_nothing_asked_nothing_done(self):
        image, mask = augmented(self.image, (6, 7, 8), Augment(), generator_for(1))
        assert np.allclose(image, self.image.image, atol=1e-5)
        assert np.array_equal(mask, self.image.mask)

    def test_image_and_mask_are_flipped_together(self):
        seen = set()
        for seed in range(20):
            image, mask = augmented(self.image, (6, 7, 8), Augment(flip=("rows",)), generator_for(seed))
            turned = np.array_equal(mask, self.image.mask[:, ::-1])
            wanted = self.image.image[:, :, ::-1] if turned else self.image.image
            assert np.allclose(image, wanted, atol=1e-5)
            seen.add(turned)
        assert seen == {True, False}

    def test_rotation_is_about_angles_in_the_patient(self):
        steps = np.array([0.5, 1.0, 4.0])  # columns, rows, slices
        matrix = _matrix((10, 20, 30), (10, 20, 30), torch.zeros(3), Augment(rotate_degrees=30), generator_for(3), steps[::-1].tolist())
        size = np.array([30, 20, 10])
        in_mm = np.diag(steps * size) @ matrix[:, :3].double().numpy() @ np.diag(1 / (steps * size))
        assert np.allclose(in_mm.T @ in_mm, np.eye(3), atol=1e-5)
        assert not np.allclose(in_mm, np.eye(3), atol=1e-2)

    def test_a_patch_about_a_label_holds_it(self):
        mask = np.zeros((20, 20, 20), np.uint8)
        mask[17, 3, 9] = 1
        large = Prepared(mask[None].astype(np.float32), mask)
        assert all(augmented(large, (6, 6, 6), Augment(foreground=1), generator_for(seed))[1].sum() == 1 for seed in range(5))


class TestMetrics:
    def test_auc_is_scikit_learns_with_ties_and_weights(self):
        chance = np.random.default_rng(2)
        for _ in range(20):
            truth, score = chance.random(50) < 0.4, chance.integers(0, 8, 50) / 8
            weights = chance.integers(0, 4, (3, 50)).astype(float)
            wanted = [roc_auc_score(truth, score, sample_weight=row) for row in weights]
            assert auc(truth, score, weights) == pytest.approx(wanted)

    def test_undefined_is_none(self):
        found = intervals(classification(np.zeros(4, int), np.full((4, 2), 0.5), 0.5), list("abcd"), draws=50)
        assert found["auc"] == {"value": None, "low": None, "high": None}
        assert found["sensitivity"]["value"] is None

    def test_cases_of_a_patient_come_and_go_together(self):
        chance = np.random.default_rng(3)
        hits = np.repeat(chance.random(40) < 0.7, 25)
        statistic = {"hit": lambda weights: weights @ hits / weights.sum(axis=1)}
        apart = intervals(statistic, [str(number) for number in range(1000)])["hit"]
        together = intervals(statistic, [str(number // 25) for number in range(1000)])["hit"]
        assert together["high"] - together["low"] > 4 * (apart["high"] - apart["low"])

    def test_the_threshold_divides_best(self):
        chance = np.random.default_rng(4)
        truth = chance.random(300) < 0.3
        score = np.round(chance.normal(truth, 1), 1)

        def gain(threshold):
            return (score[truth] >= threshold).mean() + (score[~truth] < threshold).mean()

        assert gain(best_threshold(truth, score)) == pytest.approx(max(gain(value) for value in np.unique(score)))

    def test_dice_by_hand(self):
        truth, found = np.array([1, 1, 1, 2, 0, 0]), np.array([1, 1, 0, 0, 0, 3])
        assert dice(truth, found, 5) == pytest.approx([0.8, 0, 0, np.nan], nan_ok=True)


class TestInference:
    model = Model(
        build_network({"name": "unet", "channels": (4, 8)}, kind="segmentation", dims=3, channels=1, classes=3), window=(8, 8, 8), classes=3
    )

    def test_slabs_cover_each_slice_once_within_the_limit(self):
        a_slice = 20 * 20 * 4 * 8
        for slices in (30, 31, 100):
            slabs = list(_slabs(self.model, (slices, 20, 20), 20 * a_slice))
            assert [number for _, start, stop, _ in slabs for number in range(start, stop)] == list(range(slices))
            assert all(high - low <= 20 for low, _, _, high in slabs)

    def test_slabs_change_little_and_too_little_memory_is_refused(self):
        torch.manual_seed(0)
        image = np.random.default_rng(5).normal(size=(1, 40, 12, 12)).astype(np.float32)
        whole, slabs = segment(self.model, image), segment(self.model, image, limit_bytes=12 * 12 * 4 * 8 * 24)
        assert (whole == slabs).mean() > 0.97
        with pytest.raises(ImageDataError, match="limit"):
            segment(self.model, image, limit_bytes=12 * 12 * 4 * 8 * 10)

    def test_mirror_images_are_turned_back(self):
        model = Model(torch.nn.Conv2d(1, 2, 1), window=(6, 6), classes=2, flips=("rows", "columns"))
        once = Model(model.network, window=(6, 6), classes=2)
        image = np.random.default_rng(6).normal(size=(1, 6, 6)).astype(np.float32)
        assert np.array_equal(segment(model, image), segment(once, image))


class TestEventFile:
    def test_crc_of_the_standard(self):
        assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, B.4
        assert crc32c(bytes(range(32))) == 0x46DD794E

    def test_protobuf_reads_what_was_written(self, tmp_path):
        event_class = event_message()
        log = EventFile(tmp_path)
        log.write(1, {"loss/train": 0.5, "score": 0.25})
        log.write(300, {"loss/train": 0.125})
        data = next(tmp_path.iterdir()).read_bytes()
        events = []
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            events.append(event_class.FromString(data[12 : 12 + length]))
            data = data[16 + length :]
        assert events[0].file_version == "brain.Event:2"
        assert [(e.step, {v.tag: v.simple_value for v in e.summary.value}) for e in events[1:]] == [
            (1, {"loss/train": 0.5, "score": 0.25}),
            (300, {"loss/train": 0.125}),
        ]


def event_message():
    """TensorBoard's Event, from its .proto's numbers, as protobuf's own class."""
    pool_module = pytest.importorskip("google.protobuf.descriptor_pool")
    from google.protobuf import descriptor_pb2, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="event.proto", package="t", syntax="proto3")
    double, number, single, text, message = 1, 3, 2, 9, 11
    for name, fields in {
        "Value": (("tag", 1, text, 1, None), ("simple_value", 2, single, 1, None)),
        "Summary": (("value", 1, message, 3, ".t.Value"),),
        "Event": (
            ("wall_time", 1, double, 1, None),
            ("step", 2, number, 1, None),
            ("file_version", 3, text, 1, None),
            ("summary", 5, message, 1, ".t.Summary"),
        ),
    }.items():
        kind = file.message_type.add(name=name)
        for field_name, place, type_, label, of in fields:
            kind.field.add(name=field_name, number=place, type=type_, label=label, type_name=of)
    pool = pool_module.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Event"))
