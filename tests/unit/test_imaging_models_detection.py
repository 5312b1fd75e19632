"""Detection: boxes moved right, free-response curves beside MONAI's and by hand, planted nodules, and a network that finds balls."""

import csv
import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from monai.metrics.froc import compute_froc_curve_data, compute_froc_score
from safetensors.torch import load_file
from scipy import ndimage

from imaging.errors import ImageDataError, PlaceError, TaskError
from imaging.models.augmenting import _boxes_within, augmented, generator_for
from imaging.models.boxes import BOX, COLUMNS, boxes_from, corners, grid_to_lps, moved, plain_boxes, read_boxes, settled
from imaging.models.bundle import WEIGHTS, open_bundle, read_metadata
from imaging.models.cases import cases_of
from imaging.models.detecting import MOST, _starts, detect
from imaging.models.froc import RATES, found_table, froc, hits, one_false_a_scan, overlaps
from imaging.models.inference import Model
from imaging.models.metrics import intervals
from imaging.models.networks import build_network
from imaging.models.planted import lungs, plant, plant_folder
from imaging.models.preparing import Prepared
from imaging.models.task import Augment, Task, write_task
from imaging.models.training import train
from imaging.volumes import read_nifti, read_volume, write_nifti
from tests.lib.command import workbench_command
from tests.lib.dicom_files import ct_series, write
from tests.lib.imaging_tasks import detection_task, placed
from tests.lib.paths import shared

CLASSES = ("background", "nodule", "cyst")


def ball(shape, centre, size):
    """An ellipsoid that touches the sides of a box, in voxels that go from i to i + 1."""
    places = np.indices(shape).transpose(1, 2, 3, 0) + 0.5
    return ((((places - centre) / (np.array(size) / 2)) ** 2).sum(axis=-1) < 1).astype(np.float32)


def extent(image):
    """Where the half-bright part of an image begins and ends."""
    places = np.argwhere(image > 0.5)
    return np.r_[places.min(axis=0), places.max(axis=0) + 1]


def row(**given):
    return {"file": "a", "x_mm": "1", "y_mm": "2", "z_mm": "3", "diameter_mm": "4", "class": "nodule"} | given


class TestBoxes:
    def test_a_table_says_sizes_or_a_diameter_class_and_what_is_ignored(self):
        rows = [row(), row(file="b", diameter_mm="", size_x_mm="1", size_y_mm="2", size_z_mm="3", ignore="yes", **{"class": "cyst"})]
        found = read_boxes(rows, "file", CLASSES, "t.csv")
        assert found["a"]["size"].tolist() == [[4, 4, 4]]
        assert np.array_equal(found["b"], boxes_from([[1, 2, 3]], [[1, 2, 3]], 2, 1.0, True))
        assert plain_boxes(found["b"], CLASSES)[0]["class"] == "cyst"

    @pytest.mark.parametrize(
        ("change", "named"),
        [
            ({"x_mm": "nan"}, "line 3: x_mm is no number"),
            ({"x_mm": ""}, "line 3: x_mm is no number"),
            ({"z_mm": "inf"}, "z_mm"),
            ({"diameter_mm": "0"}, "found a size of 0 mm"),
            ({"diameter_mm": "-3"}, "found a size of -3 mm"),
            ({"diameter_mm": "four"}, "diameter_mm is no number"),
            ({"diameter_mm": ""}, "size_x_mm is no number"),
            ({"class": "node"}, "none of the task's"),
            ({"class": "background"}, "none of the task's"),
            ({"class": ""}, "none of the task's"),
            ({"ignore": "maybe"}, "neither yes nor no"),
        ],
    )
    def test_a_bad_row_is_refused_with_its_line(self, change, named):
        with pytest.raises(ImageDataError, match=named):
            read_boxes([row(), row(**change)], "file", CLASSES, "t.csv")

    def test_a_box_outside_the_image_is_refused_and_none_is_thinner_than_a_voxel(self):
        affine = np.diag([0.5, 0.5, 8.0, 1.0])
        inside, outside = boxes_from([[5, 5, 16]], [[4, 4, 4]]), boxes_from([[5, 5, 100]], [[4, 4, 4]])
        assert settled(inside, (4, 20, 20), affine)["size"].tolist() == [[4, 4, 8]]
        with pytest.raises(ImageDataError, match="box 2 of 2 lies outside"):
            settled(np.concatenate([inside, outside]), (4, 20, 20), affine)
        with pytest.raises(ImageDataError, match="no geometry"):
            settled(inside, (4, 20, 20), None)

    def test_a_box_and_its_ellipsoid_are_turned_together(self):
        turn, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = turn * [1, 2, 0.5], (3, -4, 5)
        box = boxes_from([[1, 2, 3]], [[4, 6, 9]])
        sphere = np.random.default_rng(3).normal(size=(200_000, 3))
        points = box["centre"] + sphere / np.linalg.norm(sphere, axis=1, keepdims=True) * box["size"] / 2
        there = points @ matrix[:3, :3].T + matrix[:3, 3]
        assert np.allclose(np.r_[there.min(axis=0), there.max(axis=0)], corners(moved(box, matrix))[0], atol=0.01)

    def test_a_grid_and_lps_agree_with_the_voxels(self):
        affine = np.array([[0, 2.0, 0, 5], [1, 0, 0, 6], [0, 0, -3, 7], [0, 0, 0, 1]])
        column, line, plane = 4, 2, 1
        middle = affine @ [column, line, plane, 1]
        assert np.allclose(grid_to_lps(affine) @ [plane + 0.5, line + 0.5, column + 0.5, 1], middle)


class TestAugmentedBoxes:
    @pytest.mark.parametrize(
        ("augment", "spacing", "tolerance"),
        [
            (Augment(foreground=1), None, 0.01),
            (Augment(foreground=1, flip=("slices", "rows", "columns"), shift=0.2), None, 1.1),
            (Augment(foreground=1, zoom=0.5, rotate_degrees=40), None, 1.6),
            (Augment(foreground=1, rotate_degrees=40, flip=("rows",)), (2.0, 1.0, 1.0), 1.6),
        ],
    )
    def test_boxes_lie_where_the_ball_is(self, augment, spacing, tolerance):
        shape, window = (30, 40, 44), (24, 32, 32)
        centre, size = (14, 21, 20), (8, 14, 14) if spacing is None else (8, 16, 16)
        image = ball(shape, centre, size)
        prepared = Prepared(image[None], None, None, boxes_from([centre], [size]))
        seen = 0
        for seed in range(12):
            patch, boxes = augmented(prepared, window, augment, generator_for(seed), spacing)
            ends = corners(boxes)[0]
            if (ends[:3] > 0).all() and (ends[3:] < window).all():
                seen += 1
                assert np.abs(ends - extent(patch[0].numpy())).max() <= tolerance
        assert seen >= 4

    def test_a_lesion_of_one_thick_slice_stays_in_one(self):
        image = np.zeros((12, 40, 40), np.float32)
        image[5, 16:24, 16:24] = 1
        prepared = Prepared(image[None], None, None, boxes_from([[5.5, 20, 20]], [[1, 8, 8]]))
        varied = Augment(foreground=1, rotate_degrees=180, zoom=0.3, shift=0.2, flip=("slices", "columns"))
        turned = set()
        for seed in range(8):
            patch, boxes = augmented(prepared, (6, 32, 32), varied, generator_for(seed), (8.0, 2.0, 2.0))
            (bright,) = np.flatnonzero(patch[0].amax(dim=(1, 2)) > 1e-3)
            assert patch.max() > 0.99
            assert corners(boxes)[0, [0, 3]] == pytest.approx([bright, bright + 1])
            turned.add((int(bright), round(float(boxes["size"][0, 1]), 3)))
        assert len(turned) == 8

    def test_a_box_is_cut_at_the_border_and_ignored_where_its_middle_is_outside(self):
        boxes = boxes_from([[10, 10, 10], [10, 10, 15], [10, 10, 18]], [[6, 6, 6]] * 3)
        found = _boxes_within(boxes, (20, 20, 14))
        assert found["ignored"].tolist() == [False, True]
        assert corners(found).tolist() == [[7, 7, 7, 13, 13, 13], [7, 7, 12, 13, 13, 14]]

    def test_patches_are_drawn_about_boxes_that_count(self):
        boxes = boxes_from([[3, 3, 3], [26, 26, 26]], [[2, 2, 2]] * 2, ignored=[True, False])
        prepared = Prepared(np.zeros((1, 30, 30, 30), np.float32), None, None, boxes)
        for seed in range(6):
            _, found = augmented(prepared, (8, 8, 8), Augment(foreground=1), generator_for(seed))
            assert len(found) == 1
            assert not found["ignored"][0]


def scored(centres, scores, label=1):
    return boxes_from(centres, [[2, 2, 2]] * len(centres), label, scores)


class TestFroc:
    truth = boxes_from([[0, 0, 0], [20, 0, 0], [40, 0, 0]], [[4, 4, 4], [10, 10, 10], [4, 4, 4]], 1, 1.0, [False, False, True])

    def test_a_middle_within_the_radius_is_a_hit(self):
        found = scored([[1.9, 0, 0], [2.1, 0, 0], [1.5, 1.5, 0], [24, 2, 2]], [1, 1, 1, 1])
        assert hits(found, self.truth)[:, :2].tolist() == [[True, False], [False, False], [False, False], [False, True]]
        assert not hits(scored([[0, 0, 0]], [1], label=2), self.truth).any()

    def test_overlap_by_hand(self):
        assert overlaps(boxes_from([[0, 0, 0]], [[2, 2, 2]]), boxes_from([[1, 0, 0], [9, 9, 9]], [[2, 2, 2]] * 2)).tolist() == [[1 / 3, 0]]
        assert hits(boxes_from([[1.9, 0, 0]], [[4, 4, 4]]), self.truth, iou=0.4)[0].tolist() == [False, False, False]

    def test_a_lesion_counts_once_and_an_ignored_one_not_at_all(self):
        found = [scored([[0, 0, 0], [1, 0, 0], [40, 0, 0], [99, 0, 0]], [0.3, 0.9, 0.8, 0.4]), np.empty(0, BOX)]
        table = found_table(found, [self.truth, np.empty(0, BOX)], (3, MOST))
        assert table[0, :2].tolist() == [0.9, -np.inf]
        assert np.isnan(table[0, 2])
        assert table[0, 3] == 0.4
        assert np.isnan(table[0, 4:]).all()
        assert np.isnan(table[1]).all()

    def test_sensitivities_by_hand(self):
        # Two scans, four lesions. By falling score: found, false, found, false, false, missed two.
        table = np.array([[0.9, 0.5, 0.7, 0.4], [-np.inf, -np.inf, 0.3, np.nan]])
        # Curve: (0, .25), (.5, .25), (.5, .5), (1, .5), (1.5, .5)
        assert froc(table, 2, np.ones((1, 2)))[0].tolist() == [0.25, 0.25, 0.5, 0.5, 0.5, 0.5, 0.5]
        assert froc(table, 2, np.array([[1.0, 0]]))[0].tolist() == pytest.approx([0.5, 0.5, 0.5, 1, 1, 1, 1])
        assert np.isnan(froc(np.full((2, 3), np.nan), 1, np.ones((1, 2)))).all()

    def test_nothing_found_is_0_and_all_found_is_1(self):
        assert froc(np.array([[-np.inf, np.nan]]), 1, np.ones((1, 1)))[0].tolist() == [0] * 7
        assert froc(np.array([[0.5, np.nan]]), 1, np.ones((1, 1)))[0].tolist() == [1] * 7

    def test_it_is_monais_with_ties_and_with_cases_drawn_anew(self):
        chance = np.random.default_rng(5)
        for _ in range(20):
            table = chance.integers(1, 40, size=(6, 14)) / 40
            table[chance.random(table.shape) < 0.2] = np.nan
            table[:, :4][chance.random((6, 4)) < 0.3] = -np.inf
            times = chance.multinomial(6, np.full(6, 1 / 6))
            drawn = np.repeat(table, times, axis=0)
            lesions, false = drawn[:, :4][~np.isnan(drawn[:, :4])], drawn[:, 4:][~np.isnan(drawn[:, 4:])]
            # MONAI leaves the least score out, which is that of a missed lesion there: one below all is put in its place.
            rates, sensitivity = compute_froc_curve_data(np.r_[false, -1.0], np.maximum(lesions, -1.0), len(lesions), 6)
            wanted = compute_froc_score(rates, sensitivity, RATES)
            assert froc(table, 4, times[None].astype(float)).mean() == pytest.approx(wanted)

    def test_one_patient_has_no_interval(self):
        table = np.array([[0.9, 0.5], [0.4, 0.6]])
        found = intervals({"cpm": lambda weights: froc(table, 1, weights).mean(axis=1)}, ["a", "a"])
        assert found["cpm"]["value"] is not None
        assert found["cpm"]["low"] is None

    def test_the_score_at_one_false_positive_a_scan(self):
        table = np.array([[0.9, 0.8, 0.7, 0.6], [0.9, 0.5, np.nan, np.nan]])
        least = one_false_a_scan(table, 1)
        assert 0.6 < least < 0.7
        assert one_false_a_scan(table[:, :2], 1) == 0


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(1)
    settings = {"name": "retinanet", "channels": (8, 8), "strides": ((1, 2, 2), (2, 2, 2)), "pyramid": 8, "anchors": ((1, 4, 4), (3, 8, 8))}
    return build_network(settings, kind="detection", dims=3, channels=1, classes=3)


class TestNetwork:
    def test_each_anchor_is_told_of_in_its_own_place(self, network):
        anchors, places = network.anchors((4, 8, 8))
        assert network(torch.zeros(2, 1, 4, 8, 8)).shape == (2, len(anchors), 2 + 6)
        assert places == [4 * 4 * 4, 2 * 2 * 2]
        assert anchors[0].tolist() == [0, -1, -1, 1, 3, 3]
        middles = ((anchors[:, :3] + anchors[:, 3:]) / 2).numpy()
        told = torch.zeros(len(anchors), 8)
        ends, _ = network.boxes(told, (4, 8, 8))
        assert np.allclose((ends[:, :3] + ends[:, 3:]) / 2, middles)

    def test_maps_and_anchors_are_in_one_order(self, network):
        # A bias apart, what the network says of a place depends on what is near it: a change far off reaches no anchor here.
        quiet, loud = torch.zeros(1, 1, 4, 64, 64), torch.zeros(1, 1, 4, 64, 64)
        loud[..., 60:, 60:] = 5
        network.eval()
        with torch.no_grad():
            change = (network(loud) - network(quiet)).abs().sum(dim=(0, 2)).numpy()
        anchors, _ = network.anchors((4, 64, 64))
        middles = ((anchors[:, :3] + anchors[:, 3:]) / 2).numpy()
        strongest = middles[np.argsort(-change)[:20]]
        assert (strongest[:, 1:] > 40).all()

    def test_every_weight_learns_with_and_without_boxes(self, network):
        images = torch.rand(2, 1, 4, 32, 32, generator=torch.Generator().manual_seed(1))
        truth = [boxes_from([[2, 16, 16], [2, 5, 5]], [[1, 6, 6], [2, 8, 8]], [1, 2], ignored=[False, True]), np.empty(0, BOX)]
        for given in (truth, [truth[1]] * 2):
            network.zero_grad()
            network.loss(network(images), given, (4, 32, 32)).backward()
            assert all(weight.grad is not None for weight in network.parameters())

    def test_anchors_on_an_ignored_box_teach_nothing(self, network):
        anchors, _ = network.anchors((4, 32, 32))
        told = torch.zeros(1, len(anchors), 8, requires_grad=True)
        with torch.no_grad():
            told[..., :2] = -9
            told[0, ((anchors[:, :3] + anchors[:, 3:]) / 2 - torch.tensor([2, 16, 16])).norm(dim=1) < 4, :2] = 9
        network.loss(told, [boxes_from([[2, 16, 16]], [[4, 12, 12]], 1, 1.0, True)], (4, 32, 32)).backward()
        assert told.grad[0, told[0, :, 0] == 9].abs().sum() == 0
        assert told.grad.abs().sum() > 0

    @pytest.mark.parametrize(
        "change", [{"channels": (12,), "strides": ((1, 1, 1),)}, {"strides": ((1, 2, 2),)}, {"anchors": ((0, 1, 1),)}, {"channels": ()}]
    )
    def test_settings_that_cannot_be_built_are_refused(self, change):
        with pytest.raises(TaskError, match="network"):
            build_network({"name": "retinanet"} | change, kind="detection", dims=3, channels=1, classes=2)
        with pytest.raises(TaskError, match="wanted 3"):
            build_network({"name": "retinanet"}, kind="detection", dims=2, channels=1, classes=2)


class Bright(torch.nn.Module):
    """Says of each voxel above 0.5 that a box of 5 lies about it, so that detecting can be tried without learning."""

    def forward(self, images):
        return images.flatten(1)[..., None]

    def boxes(self, told, window):
        middles = np.indices(window).reshape(3, -1).T + 0.5
        return np.concatenate([middles - 2.5, middles + 2.5], axis=1), (told.numpy() > 0.5) * np.minimum(told.numpy(), 1.0)


class Shy(Bright):
    """Is sure of a wrong box where it sees a spot at the border of a window."""

    def boxes(self, told, window):
        ends, scores = super().boxes(told, window)
        column = (ends[:, 2] + ends[:, 5]) / 2
        border = (column < 2) | (column > window[2] - 2)
        ends[border, 0] += 4
        scores[border & (scores[:, 0] > 0)] = 1
        return ends, scores


class TestDetecting:
    def test_windows_cover_the_image(self):
        for shape in ((5, 9, 30), (16, 16, 16), (17, 40, 3)):
            seen = np.zeros(shape, bool)
            for start in _starts(shape, (8, 8, 8)):
                seen[tuple(slice(low, low + 8) for low in start)] = True
            assert seen.all()

    def test_each_spot_is_found_once_where_it_is_in_any_window(self):
        chance = np.random.default_rng(4)
        for shape in ((12, 40, 50), (3, 7, 30)):
            image = np.zeros((1, *shape), np.float32)
            spots = [(2, 3, 3), (shape[0] - 1, 5, 27), (1, shape[1] - 2, 14)]
            for spot in spots:
                image[(0, *spot)] = chance.uniform(0.6, 0.9)
            found = detect(Model(Bright(), window=(8, 16, 16), classes=2), image)
            whole = np.clip(np.array(spots) + 0.5 + 2.5, None, shape) + np.clip(np.array(spots) + 0.5 - 2.5, 0, None)
            assert sorted(map(tuple, found["centre"])) == sorted(map(tuple, whole / 2))
            assert (np.diff(found["score"]) <= 0).all()

    def test_the_window_that_sees_it_best_answers(self):
        image = np.zeros((1, 8, 16, 60), np.float32)
        for column in range(4, 58, 9):
            image[0, 4, 8, column] = 0.9
        found = detect(Model(Shy(), window=(8, 16, 16), classes=2), image)
        assert len(found) == 6
        assert (found["size"] == 5).all()

    def test_a_crowd_is_bounded(self):
        image = np.random.default_rng(1).random((1, 20, 60, 60)).astype(np.float32)
        assert len(detect(Model(Bright(), window=(8, 16, 16), classes=2), image)) == MOST


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("detection")
    task = detection_task(folder)
    return task, train(task, folder / "bundle", device="cpu"), folder


class TestTraining:
    def test_balls_are_found_and_told_in_lps(self, made):
        task, bundle, folder = made
        results = bundle.metadata["workbench"]["results"]["test"]
        assert results["metrics"]["cpm"]["value"] > 0.6
        assert results["n_boxes"] >= 3
        (case,) = [case for case in cases_of(task) if case.key == "c3.nii.gz"]
        truth = case.read().boxes
        found = open_bundle(folder / "bundle").predict(read_nifti(folder / "images" / "c3.nii.gz")).boxes
        assert hits(found, truth)[: len(truth)].any(axis=0).all()
        assert np.abs(found["size"][0] - truth["size"].mean()).max() < 4
        assert (found["score"] >= bundle.recipe.threshold).all()

    def test_the_card_says_what_counts_as_found(self, made):
        text = (made[2] / "bundle" / "docs" / "README.md").read_text(encoding="utf-8")
        assert "CPM" in text
        assert "LUNA16" in text

    def test_a_folder_of_series_gets_a_table_of_boxes_in_lps(self, made, tmp_path):
        datasets = ct_series(12, size=32, spacing_mm=2.0, PixelSpacing=[1, 1], RescaleIntercept=0)
        array = np.random.default_rng(3).normal(size=(12, 32, 32)) * 100 + ball((12, 32, 32), (6, 21, 9), (3.5, 7, 7)) * 600
        for ds, plane in zip(datasets, array.astype("<i2"), strict=True):
            ds.PixelData = plane.tobytes()
        write(datasets, tmp_path / "in")
        assert workbench_command("imaging", "predict", made[2] / "bundle", tmp_path / "in", "--quiet", "--out", tmp_path / "out") == 0
        with (tmp_path / "out" / "boxes.csv").open(encoding="utf-8", newline="") as file:
            found = list(csv.DictReader(file))
        (volume,) = [read_volume(sorted((tmp_path / "in").iterdir()))]
        brightest = np.argwhere(volume.array > 400).mean(axis=0)  # slices may be turned: where the ball is, the volume says
        wanted = volume.affine @ [*brightest[::-1], 1]
        assert found[0]["class"] == "ball"
        assert np.abs(np.array([float(found[0][name]) for name in COLUMNS[:3]]) - wanted[:3]).max() < 2
        assert [float(each["score"]) for each in found] == sorted((float(each["score"]) for each in found), reverse=True)
        assert found[0]["bundle"] == made[1].source

    def test_a_kill_changes_nothing(self, made, tmp_path):
        task = made[0].model_copy(update={"training": made[0].training.model_copy(update={"epochs": 3, "patches": 2})})
        write_task(task, tmp_path / "t.yaml")
        train(task, tmp_path / "whole", device="cpu")
        command = [sys.executable, "-m", "imaging.models", str(tmp_path / "t.yaml"), str(tmp_path / "killed"), "--device", "cpu"]
        alone = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=alone) as process:
            assert next(line for line in process.stderr if line.startswith("epoch 1/3"))
            process.send_signal(signal.SIGKILL)
        train(task, tmp_path / "killed", device="cpu")
        one, other = (load_file(tmp_path / name / WEIGHTS) for name in ("whole", "killed"))
        assert all(torch.equal(one[name], other[name]) for name in one)
        results = [read_metadata(tmp_path / name)["workbench"]["results"] for name in ("whole", "killed")]
        assert results[0] == results[1]

    @pytest.mark.parametrize(
        ("line", "named"),
        [
            ("c1.nii.gz,0,0,900,5", "c1.nii.gz: box .* lies outside the image"),
            ("d1.nii.gz,0,0,110,5", "d1.nii.gz is none of the cases"),
            ("c1.nii.gz,0,0,110,-5", "line 2: found a size of -5 mm"),
        ],
    )
    def test_bad_boxes_stop_a_training_by_name(self, made, tmp_path, line, named):
        (tmp_path / "boxes.csv").write_text(f"file,x_mm,y_mm,z_mm,diameter_mm\n{line}\n", encoding="utf-8")
        task = made[0].model_copy(update={"data": made[0].data.model_copy(update={"boxes": str(tmp_path / "boxes.csv")})})
        with pytest.raises(ImageDataError, match=named):
            train(task, tmp_path / "b", device="cpu")

    @pytest.mark.parametrize(
        ("change", "named"),
        [
            ({"data": {"form": "nifti", "images": "i", "labels": "l"}}, "data.boxes"),
            ({"data": {"form": "nifti", "images": "i", "labels": "l", "boxes": "b"}}, "data.labels"),
            ({"data": {"form": "arrays", "file": "a"}}, "data.form"),
            ({"transforms": {"patch": (8, 8, 8)}}, "transforms.spacing_mm"),
            ({"flips": ("rows",)}, "flips"),
            ({"training": {"loss": "cross_entropy"}}, "training.loss"),
        ],
    )
    def test_a_task_that_cannot_be_is_refused(self, made, change, named):
        with pytest.raises(TaskError, match=named):
            Task(**made[0].plain() | change)


def chest(shape=(16, 96, 128), spacing=(4.0, 2.0, 2.0)):
    """Two lungs in a body, a vessel in one of them."""
    array = np.full(shape, -1000, np.int16)
    places = np.indices(shape).transpose(1, 2, 3, 0) * spacing
    middle = np.array(shape) * spacing / 2
    array[(((places - middle) / [1000, 80, 118]) ** 2).sum(axis=-1) < 1] = 40
    for side in (-52, 52):
        array[(((places - middle - [0, 0, side]) / [40, 50, 40]) ** 2).sum(axis=-1) < 1] = -850
    array[:, 40:44, 30:34] = 30
    array = (array + np.random.default_rng(1).normal(0, 10, shape)).astype(np.int16)
    volume = placed(array, np.diag([*spacing[::-1], 1.0]))
    return replace(volume, spacing_mm=spacing, unit="HU")


class TestPlanted:
    def test_nodules_lie_in_the_lung_and_their_boxes_about_them(self):
        volume = chest()
        lung = lungs(volume)
        array, boxes = plant(volume, lung, 6, np.random.default_rng(2))
        changed = array != volume.array
        assert len(boxes) >= 4
        assert not (changed & ~lung).any()
        assert (array[changed] >= volume.array[changed]).all()
        labels, _ = ndimage.label(ndimage.binary_dilation(changed, iterations=1))
        on_grid = moved(boxes, np.linalg.inv(grid_to_lps(volume.affine)))
        within = np.zeros_like(lung)
        for low, high in zip(corners(on_grid)[:, :3], corners(on_grid)[:, 3:], strict=True):
            part = tuple(slice(max(int(a) - 2, 0), int(np.ceil(b)) + 2) for a, b in zip(low, high, strict=True))
            assert changed[part].any()
            assert len(np.unique(labels[part][changed[part]])) == 1
            within[part] = True
        assert not (changed & ~within).any()
        assert (boxes["size"] > 2).all()
        assert (boxes["size"] < 30).all()

    def test_one_is_where_the_seed_says(self):
        volume = chest()
        lung = lungs(volume)
        one, same, other = (plant(volume, lung, 3, np.random.default_rng(seed))[0] for seed in (1, 1, 2))
        assert np.array_equal(one, same)
        assert not np.array_equal(one, other)

    def test_a_nodule_at_the_pleura_stays_within_the_lung(self):
        volume = chest()
        lung = lungs(volume)
        array, boxes = plant(volume, lung, 4, np.random.default_rng(3), pleural=1.0)
        assert len(boxes) >= 3
        changed = array != volume.array
        assert not (changed & ~lung).any()
        edge = lung & ~ndimage.binary_erosion(lung, iterations=2)
        assert (changed & edge).any()

    def test_thick_slices_show_a_small_nodule_faintly(self):
        thin, thick = (chest((n, 96, 128), (mm, 2.0, 2.0)) for n, mm in ((64, 1.0), (8, 8.0)))
        brightest = []
        for volume in (thin, thick):
            values = []
            for seed in range(12):
                array, boxes = plant(volume, lungs(volume), 1, np.random.default_rng(seed))
                if len(boxes) and boxes["size"].max() < 7:
                    values.append((array.astype(float) - volume.array).max())
            brightest.append(max(values))
        assert brightest[1] < 0.8 * brightest[0]

    def test_a_folder_of_one_patient_is_told_apart_by_region_and_trains(self, tmp_path):
        (tmp_path / "cts").mkdir()
        write_nifti(chest(), tmp_path / "cts" / "a.nii.gz")
        count = plant_folder(tmp_path / "cts", tmp_path / "out", cases=10, seed=3)
        with (tmp_path / "out" / "cases.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        with (tmp_path / "out" / "boxes.csv").open(encoding="utf-8", newline="") as file:
            assert len(list(csv.DictReader(file))) == count > 5
        assert [each["split"] for each in rows] == ["train"] * 5 + ["validation"] * 2 + ["test"] * 3
        assert len({(each["patient"], each["split"]) for each in rows}) == 3
        data = {"form": "nifti", "images": str(tmp_path / "out" / "images"), "boxes": str(tmp_path / "out" / "boxes.csv"), "unit": "HU"}
        given = {"data": data | {"table": str(tmp_path / "out" / "cases.csv")}, "classes": ("background", "nodule")}
        task = Task(**detection_task(tmp_path).plain() | given)
        for case in cases_of(task):
            sample = case.read()
            assert sample.unit == "HU"
            assert (sample.boxes["centre"] > 0).all()
        with pytest.raises(PlaceError):
            plant_folder(tmp_path / "cts", tmp_path / "out")

    def test_what_is_no_chest_is_refused(self, tmp_path):
        with pytest.raises(ImageDataError, match="nothing like a lung"):
            lungs(placed(np.zeros((8, 40, 40), np.int16), np.eye(4)))
        with pytest.raises(ImageDataError, match="holds no"):
            plant_folder(tmp_path, tmp_path / "out")

    def test_the_lungs_of_a_real_chest(self):
        volume = read_volume(sorted(shared("imaging/chest_ct_harbin/series").iterdir()))
        lung = lungs(volume)
        litres = lung.sum() * np.prod(volume.spacing_mm) / 1e6
        assert 2 < litres < 4
        array, boxes = plant(volume, lung, 3, np.random.default_rng(1))
        assert len(boxes) == 3
        assert np.array_equal(array[~lung], volume.array[~lung])
