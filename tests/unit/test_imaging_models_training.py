"""From a task to a bundle and back: learning, kills, two processes, and bundles that were tampered with."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from imaging.errors import ImageDataError, ModelError, PlaceError, TaskError
from imaging.models import packing
from imaging.models.bundle import HASHES, METADATA, WEIGHTS, file_hash, load_weights, open_bundle, read_metadata, version_of
from imaging.models.networks import build_network
from imaging.models.task import Task, write_task
from imaging.models.training import train
from imaging.volumes import read_nifti
from tests.lib.imaging_tasks import classification_task, placed, segmentation_task

TEXT = b"cos\nsystem\n(S'touch /tmp/x'\ntR."


def changed(task, **training):
    return task.model_copy(update={"training": task.training.model_copy(update=training)})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A classification that was trained once, with what was told of its epochs."""
    folder = tmp_path_factory.mktemp("classification")
    told = []
    task = classification_task(folder)
    return task, train(task, folder / "bundle", device="cpu", progress=told.append), told, folder / "bundle"


@pytest.fixture
def copy(made, tmp_path):
    """A copy of the bundle that a test may spoil."""
    import shutil

    return shutil.copytree(made[3], tmp_path / "copy")


def rehash(folder):
    """Write the list of hashes anew, as one who changes a bundle on purpose does."""
    hashes = {name: file_hash(folder / name) for name in json.loads((folder / HASHES).read_text())}
    (folder / HASHES).write_text(json.dumps(hashes))


class TestTraining:
    def test_a_classification_learns_and_says_how_well(self, made):
        _, bundle, told, _ = made
        assert [epoch.epoch for epoch in told] == [1, 2, 3, 4, 5, 6]
        result = bundle.metadata["workbench"]["results"]["test"]
        assert result["metrics"]["auc"]["value"] > 0.9
        assert result["metrics"]["auc"]["low"] <= result["metrics"]["auc"]["value"] <= result["metrics"]["auc"]["high"]
        assert result["n_cases"] == 2 * result["n_patients"] == 36
        assert set(result["by_scanner"]) == {"A", "B"}
        assert sum(each["n_cases"] for each in result["by_scanner"].values()) == 36

    def test_nothing_of_a_patient_or_a_path_leaves_with_the_bundle(self, made):
        task, _, _, folder = made
        work = folder.with_name("bundle.work")
        for path in (*folder.rglob("*"), *work.rglob("*")):
            if path.is_file():
                data = path.read_bytes()
                assert b"SECRET" not in data
                assert task.data.file.encode() not in data

    def test_a_small_group_has_no_result_of_its_own(self, made, tmp_path):
        task = made[0].model_copy(update={"min_group": 19})
        bundle = train(changed(task, epochs=1), tmp_path / "b", device="cpu")
        assert "by_scanner" not in bundle.metadata["workbench"]["results"]["test"]

    def test_a_segmentation_learns_and_answers_on_the_images_grid(self, tmp_path):
        bundle = train(segmentation_task(tmp_path), tmp_path / "b", device="cpu", cache=tmp_path / "cache")
        assert bundle.metadata["workbench"]["results"]["test"]["metrics"]["dice ball"]["value"] > 0.6
        volume = read_nifti(tmp_path / "images" / "c0.nii.gz")
        found = bundle.predict(volume)
        assert found.mask.shape == volume.shape
        assert found.source == f"ball@{bundle.version[:12]}"
        truth = read_nifti(tmp_path / "labels" / "c0.nii.gz").array
        assert 2 * (truth & found.mask).sum() / (truth.sum() + found.mask.sum()) > 0.6

    @pytest.mark.parametrize("made_by", [classification_task, segmentation_task])
    def test_a_kill_changes_nothing(self, made_by, tmp_path):
        task = changed(made_by(tmp_path), epochs=5)
        if task.kind == "segmentation":
            task = task.model_copy(update={"network": {"name": "plain_unet", "channels": (8, 16)}})
        write_task(task, tmp_path / "t.yaml")
        train(task, tmp_path / "whole", device="cpu")
        command = [sys.executable, "-m", "imaging.models", str(tmp_path / "t.yaml"), str(tmp_path / "killed"), "--device", "cpu"]
        alone = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}  # sums of other threads round otherwise
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=alone) as process:
            line = next(line for line in process.stderr if line.startswith("epoch 2/5"))
            assert line
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert not (tmp_path / "killed").exists()
        told = []
        train(task, tmp_path / "killed", device="cpu", progress=told.append)
        assert told[0].epoch >= 3
        one, other = (load_file(tmp_path / name / WEIGHTS) for name in ("whole", "killed"))
        assert all(torch.equal(one[name], other[name]) for name in one)
        results = [read_metadata(tmp_path / name)["workbench"]["results"] for name in ("whole", "killed")]
        assert results[0] == results[1]

    def test_a_checkpoint_of_another_task_or_a_broken_one_is_refused(self, made, tmp_path):
        task, folder = made[0], made[3]
        work = folder.with_name("bundle.work")
        with pytest.raises(ModelError, match="another task or other data"):
            train(changed(task, epochs=9), tmp_path / "b", work=work, device="cpu")
        (tmp_path / "w").mkdir()
        (tmp_path / "w" / "checkpoint.safetensors").write_bytes((work / "checkpoint.safetensors").read_bytes()[:500])
        with pytest.raises(ModelError, match="cannot be read"):
            train(task, tmp_path / "b", work=tmp_path / "w", device="cpu")

    @pytest.mark.parametrize("patch", [(16, 12, 16), (8, 8, 8)])
    def test_a_patch_that_the_network_cannot_take_is_refused(self, patch, tmp_path):
        task = segmentation_task(tmp_path)
        changes = {
            "network": {"name": "plain_unet", "channels": (2,) * 4},
            "transforms": task.transforms.model_copy(update={"patch": patch}),
        }
        with pytest.raises(TaskError, match=f"windows of {patch[0]} x {patch[1]}"):
            train(task.model_copy(update=changes), tmp_path / "b", device="cpu")

    def test_training_stops_when_validation_does_not_get_better(self, made, tmp_path):
        told = []
        train(changed(made[0], epochs=50, patience=2, learning_rate=1e-9), tmp_path / "b", device="cpu", progress=told.append)
        assert told[-1].epoch < 50
        assert told[-1].epoch - told[-1].best_epoch == 2

    def test_cases_on_both_sides_are_named_beside_the_checkpoint(self, made, tmp_path):
        with np.load(made[0].data.file) as arrays:
            known = dict(arrays)
        known["patients"] = np.arange(len(known["labels"])).astype(str)
        known["images"][:60] = known["images"][60:]  # every image twice, as different patients
        np.savez(tmp_path / "b.npz", **known)
        task = changed(made[0], epochs=1).model_copy(update={"data": made[0].data.model_copy(update={"file": str(tmp_path / "b.npz")})})
        with pytest.raises(TaskError, match="on both sides of the split"):
            train(task, tmp_path / "b", device="cpu")
        dropped = task.model_copy(update={"split": task.split.model_copy(update={"leaks": "drop"})})
        bundle = train(dropped, tmp_path / "b", device="cpu")
        rows = (tmp_path / "b.work" / "leaks.csv").read_text().splitlines()
        assert rows[0] == "kind,case,other,part"
        assert len(rows) - 1 == bundle.metadata["workbench"]["data"]["leaks"]["same_pixels"] > 10

    def test_mixed_precision_learns_too(self, made, tmp_path):
        bundle = train(changed(made[0], precision="bfloat16"), tmp_path / "b", device="cpu")
        assert bundle.metadata["workbench"]["results"]["test"]["metrics"]["auc"]["value"] > 0.9

    def test_a_place_that_is_taken_is_refused_before_any_work(self, made, tmp_path):
        (tmp_path / "b").mkdir()
        for place, words in ((tmp_path / "b", "no bundle"), (made[3], "a bundle already")):
            with pytest.raises(TaskError, match=words):
                train(made[0], place, work=tmp_path / "w", device="cpu")
            assert not (tmp_path / "w").exists()

    def test_a_work_folder_that_cannot_be_is_refused(self, made, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(PlaceError, match="file"):
            train(made[0], tmp_path / "b", work=tmp_path / "file" / "w", device="cpu")

    def test_a_failed_write_leaves_the_old_bundle(self, made, tmp_path, monkeypatch):
        train(changed(made[0], epochs=1), tmp_path / "b", device="cpu")
        before = version_of(json.loads((tmp_path / "b" / HASHES).read_text()))
        monkeypatch.setattr(packing, "save_file", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(PlaceError):
            train(changed(made[0], epochs=1, seed=2), tmp_path / "b", work=tmp_path / "w2", device="cpu", force=True)
        assert open_bundle(tmp_path / "b").version == before
        assert not list(tmp_path.glob(".*.part"))

    @pytest.mark.nightly
    def test_two_processes_learn_what_one_learns(self, tmp_path):
        task = segmentation_task(tmp_path)
        task = task.model_copy(update={"network": {"name": "plain_unet", "channels": (4, 8)}})  # dropout would differ between processes
        write_task(task, tmp_path / "t.yaml")
        train(task, tmp_path / "one", device="cpu")
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "imaging.models"]
        given = [str(tmp_path / "t.yaml"), str(tmp_path / "two"), "--device", "cpu"]
        subprocess.run([*launch, *given], check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True)
        # Weights before a normalisation have no gradient but rounding, which AdamW makes steps of: what is told must agree.
        one, two = (read_metadata(tmp_path / name)["workbench"] for name in ("one", "two"))
        for key in ("loss", "score"):
            assert [each[key] for each in one["history"]] == pytest.approx([each[key] for each in two["history"]], rel=2e-3)
        found = [each["results"]["test"]["metrics"]["dice ball"]["value"] for each in (one, two)]
        assert found[0] == pytest.approx(found[1], abs=0.01)


class TestBundle:
    def test_an_opened_bundle_says_what_was_measured(self, made):
        task, bundle, _, folder = made
        again = open_bundle(folder, sha256=bundle.version)
        with np.load(task.data.file) as arrays:
            images, labels = arrays["images"], arrays["labels"]
        found = [again.predict(placed(image[None], np.eye(4))) for image in images]
        assert np.mean([each.label == task.classes[label] for each, label in zip(found, labels, strict=True)]) > 0.85
        assert sum(found[0].shares.values()) == pytest.approx(1)

    @pytest.mark.parametrize("name", [METADATA, WEIGHTS, "docs/README.md"])
    def test_a_changed_byte_is_found(self, copy, name):
        data = bytearray((copy / name).read_bytes())
        data[len(data) // 2] ^= 1
        (copy / name).write_bytes(data)
        with pytest.raises(ModelError, match="not what the bundle's list says"):
            open_bundle(copy)

    @pytest.mark.parametrize("name", ["models/model.pt", "scripts/__init__.py", "configs/inference.json"])
    def test_a_file_besides_is_refused(self, copy, name):
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_bytes(TEXT)
        with pytest.raises(ModelError, match="not in the bundle's list"):
            open_bundle(copy)

    def test_who_may_read_one_file_may_read_all(self, copy):
        assert len({path.stat().st_mode for path in copy.rglob("*") if path.is_file()}) == 1

    def test_links_and_missing_files_are_refused(self, copy):
        aside = copy.with_name("elsewhere")
        (copy / WEIGHTS).rename(aside)
        with pytest.raises(ModelError, match="missing"):
            open_bundle(copy)
        (copy / WEIGHTS).symlink_to(aside)
        with pytest.raises(ModelError, match="no plain file"):
            open_bundle(copy)

    def test_one_changed_together_with_its_hashes_is_told_by_the_hash_from_elsewhere(self, copy, made):
        metadata = json.loads((copy / METADATA).read_text())
        metadata["workbench"]["recipe"]["threshold"] = 0.999
        (copy / METADATA).write_text(json.dumps(metadata))
        rehash(copy)
        assert open_bundle(copy).recipe.threshold == 0.999
        with pytest.raises(ModelError, match="wanted"):
            open_bundle(copy, sha256=made[1].version)

    @pytest.mark.parametrize(
        "change",
        [
            {"network": {"name": "resnet", "channels": [4096] * 4}},
            {"network": {"name": "resnet", "layers": [10**9] * 4}},
            {"network": {"_target_": "os.system", "command": "$__import__('os')"}},
            {"network": "resnet"},
            {"kind": "detection"},
            {"channels": 10**9},
            {"classes": ["a"]},
            {"transforms": {"size": None}},
            {"transforms": {"size": [16, 16, 16, 16]}},
            {"extra": 1},
        ],
    )
    def test_a_recipe_that_is_not_ours_is_refused_in_no_time(self, copy, change):
        metadata = json.loads((copy / METADATA).read_text())
        metadata["workbench"]["recipe"] |= change
        (copy / METADATA).write_text(json.dumps(metadata))
        rehash(copy)
        began = time.process_time()
        with pytest.raises(ModelError):
            open_bundle(copy)
        assert time.process_time() - began < 5

    @pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 100_000, '{"sha256.json": "0"}', '{"configs/metadata.json": 3}'])
    def test_a_list_of_hashes_that_is_none_is_refused(self, copy, text):
        (copy / HASHES).write_text(text)
        with pytest.raises(ModelError):
            open_bundle(copy)

    def test_weights_of_another_network_or_no_numbers_are_refused(self, copy):
        tensors = load_file(copy / WEIGHTS)
        name = next(name for name, tensor in tensors.items() if tensor.ndim > 1)
        for spoilt in (
            tensors | {"more": torch.zeros(1)},
            tensors | {name: torch.zeros(3)},
            tensors | {name: tensors[name] * float("nan")},
        ):
            save_file(spoilt, copy / WEIGHTS)
            rehash(copy)
            with pytest.raises(ModelError, match=r"tensors|no numbers"):
                open_bundle(copy)

    def test_weights_from_elsewhere_load_by_hash_and_run_nothing(self, made, tmp_path):
        task, folder = made[0], made[3]

        def network():
            return build_network(task.network, kind=task.kind, dims=2, channels=1, classes=2)

        known, pickled = load_file(folder / WEIGHTS), tmp_path / "model.pt"
        torch.save(known, pickled)
        for path in (folder / WEIGHTS, pickled):
            fresh = network()
            load_weights(fresh, path, sha256=file_hash(path))
            assert all(torch.equal(tensor, known[name]) for name, tensor in fresh.state_dict().items())
            with pytest.raises(ModelError, match="another hash"):
                load_weights(network(), path, sha256="0" * 64)
        for spoilt in (TEXT, pickled.read_bytes()[:1000]):
            pickled.write_bytes(spoilt)
            with pytest.raises(ModelError):
                load_weights(network(), pickled, sha256=file_hash(pickled))
        torch.save(known | {name: tensor * float("nan") for name, tensor in known.items() if tensor.ndim > 1}, pickled)
        with pytest.raises(ModelError, match="no numbers"):
            load_weights(network(), pickled, sha256=file_hash(pickled))

    def test_a_training_begins_with_given_weights(self, made, tmp_path):
        task, _, _, folder = made
        initial = {"file": str(folder / WEIGHTS), "sha256": file_hash(folder / WEIGHTS)}
        begun = Task(**changed(task, epochs=1, learning_rate=1e-9).plain() | {"initial": initial})
        told = []
        bundle = train(begun, tmp_path / "b", device="cpu", progress=told.append)
        assert told[0].score > 0.9
        assert bundle.metadata["workbench"]["initial_sha256"] == initial["sha256"]

    def test_images_that_the_bundle_is_not_for_are_refused(self, made):
        with pytest.raises(ImageDataError, match="axes"):
            made[1].predict(placed(np.zeros((3, 16, 16)), np.eye(4)))
