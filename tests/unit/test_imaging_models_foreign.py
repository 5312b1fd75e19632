"""Bundles from elsewhere: what is brought in answers as MONAI's own pipeline does; what could do harm or is not understood is refused."""

import contextlib
import copy
import io
import json
import os
import pickle
import shutil
import stat
import struct
import zipfile
from dataclasses import replace

import jsonschema
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from imaging.errors import ModelError, TaskError
from imaging.models.bundle import CARDS, WEIGHTS, open_bundle
from imaging.models.cases import Sample
from imaging.models.foreign import import_bundle, look_into
from imaging.models.foreign_settings import recipe_of
from imaging.models.preparing import prepare
from imaging.volumes import write_nifti
from tests.lib.imaging_tasks import placed
from tests.lib.monai_schema import SCHEMA
from tests.lib.zoo_bundles import CONFIG, METADATA, changed, packed, zoo_bundle


@pytest.fixture
def zoo(tmp_path):
    """A bundle of the zoo's form, which a test may spoil."""
    zoo_bundle(tmp_path / "spleen")
    return tmp_path / "spleen"


def brought_in(source, out):
    return import_bundle(source, out, sha256=look_into(source).sha256)


def state(folder, tensors):
    torch.save(tensors, folder / "models" / "model.pt")


class TestBroughtIn:
    @pytest.mark.filterwarnings("ignore:NvImgCodecPydicomReader")
    @pytest.mark.parametrize(
        ("axcodes", "slices", "windows"),
        [
            ("RAS", 20, {"overlap": 0.5}),
            ("LPS", 20, {"overlap": 0.25, "mode": "gaussian"}),
            ("SAR", 20, {"overlap": 0.5}),
            ("RAS", 5, {"overlap": 0.5, "padding_mode": "replicate"}),
        ],
        ids=["RAS", "LPS, gaussian", "SAR", "smaller than a window"],
    )
    def test_it_answers_as_monais_own_pipeline_does(self, tmp_path, axcodes, slices, windows):
        """Spacing as the model wants it, so that both compute on the same grid: equal in every voxel."""
        from monai import transforms as monai
        from monai.inferers import SlidingWindowInferer

        spacing = {"RAS": [1.5, 1.25, 2.0], "LPS": [1.5, 1.25, 2.0], "SAR": [2.0, 1.25, 1.5]}[axcodes]
        config = changed(changed(CONFIG, "preprocessing.transforms.2.axcodes", axcodes), "preprocessing.transforms.3.pixdim", spacing)
        network = zoo_bundle(tmp_path / "spleen", config=changed(config, "inferer", config["inferer"] | windows))
        bundle = brought_in(packed(tmp_path / "spleen", tmp_path / "s.zip"), tmp_path / "b")
        values = np.random.default_rng(2).normal(size=(slices, 30, 28)).cumsum(axis=0).astype(np.float32) * 60
        affine = np.diag([-1.5, 1.25, 2.0, 1.0])
        affine[:3, 3] = (12.3, -40.1, 7)
        volume = replace(placed(values, affine), unit="HU")
        write_nifti(volume, tmp_path / "i.nii.gz")
        before = monai.Compose(
            [
                monai.LoadImaged("image"),
                monai.EnsureChannelFirstd("image"),
                monai.Orientationd("image", axcodes=axcodes, labels=None),
                monai.Spacingd("image", pixdim=spacing, mode="bilinear"),
                monai.ScaleIntensityRanged("image", -57, 164, 0, 1, clip=True),
            ]
        )
        case = before({"image": str(tmp_path / "i.nii.gz")})
        with torch.inference_mode():
            case["pred"] = SlidingWindowInferer([16, 12, 8], 4, **windows)(case["image"][None], network)[0]
        after = monai.Compose(
            [
                monai.Activationsd("pred", softmax=True),
                monai.Invertd("pred", before, orig_keys="image", nearest_interp=False),
                monai.AsDiscreted("pred", argmax=True),
            ]
        )
        theirs = after(case)["pred"][0].numpy().transpose(2, 1, 0)
        assert 0.05 < theirs.mean() < 0.95
        assert np.array_equal(bundle.predict(volume).mask, theirs)

    def test_of_each_label_the_largest_piece_is_kept(self):
        """As KeepLargestConnectedComponent does by default: each label by itself, corners connect."""
        last = {"_target_": "KeepLargestConnectedComponentd", "keys": "pred", "applied_labels": [1, 2]}
        config = changed(CONFIG, "postprocessing.transforms", [*CONFIG["postprocessing"]["transforms"], last])
        recipe = recipe_of(config, METADATA)
        assert recipe.largest == (1, 2)
        wanted = np.zeros((12, 14, 16), np.uint8)
        wanted[2:5, 3:6, 1:4], wanted[5, 6, 4], wanted[2:4, 3:5, 8:10] = 1, 1, 2
        labels = wanted.copy()
        labels[9:11, 9:11, 9:11], labels[0, 0, 15], labels[2, 3, 12] = 1, 2, 2
        assert np.array_equal(recipe.pruned(labels), wanted)
        assert np.array_equal(recipe_of(CONFIG, METADATA).pruned(labels), labels)

    def test_what_is_written_holds_no_expression_and_tells_where_it_is_from(self, zoo, tmp_path):
        archive = packed(zoo, tmp_path / "s.zip")
        bundle = brought_in(archive, tmp_path / "b")
        ours = bundle.metadata["workbench"]
        assert ours["origin"]["sha256"] == look_into(archive).sha256
        assert ours["origin"]["left_out"] == ["configs/train.json", "docs/README.md", "scripts/__init__.py"]
        assert ours["licence_text"].startswith("Apache License")
        text = (tmp_path / "b" / "configs" / "metadata.json").read_text(encoding="utf-8")
        assert "$" not in text
        assert "_target_" not in text
        jsonschema.Draft201909Validator(SCHEMA).validate(bundle.metadata)
        card = (tmp_path / "b" / CARDS["en"]).read_text(encoding="utf-8")
        assert "was not measured here" in card
        assert "mean_dice: 0.961" in card
        assert bundle.recipe.classes == ("background", "spleen")

    def test_a_folder_and_yaml_and_safetensors_are_taken_too(self, zoo, tmp_path):
        import yaml

        (zoo / "configs" / "inference.yaml").write_text(yaml.safe_dump(CONFIG))
        (zoo / "configs" / "inference.json").unlink()
        one = brought_in(zoo, tmp_path / "one")
        save_file(torch.load(zoo / "models" / "model.pt", weights_only=True), zoo / "models" / "model.safetensors")
        (zoo / "models" / "model.pt").unlink()
        other = brought_in(zoo, tmp_path / "other")
        assert (tmp_path / "one" / WEIGHTS).read_bytes() == (tmp_path / "other" / WEIGHTS).read_bytes()
        assert one.recipe == other.recipe

    def test_a_checkpoint_that_holds_the_state_among_other_things(self, zoo, tmp_path):
        tensors = torch.load(zoo / "models" / "model.pt", weights_only=True)
        state(zoo, {"model": tensors, "epoch": 3, "loss": 0.25})
        assert brought_in(zoo, tmp_path / "b").source.startswith("Spleen CT segmentation@")

    def test_a_densenet_of_the_zoos_template_has_its_weights_names(self, tmp_path):
        from monai.networks import nets

        network = {"_target_": "monai.networks.nets.DenseNet121", "spatial_dims": 2, "in_channels": 1, "out_channels": 2}
        config = changed(CONFIG, "network_def", network) | {
            "inferer": {"_target_": "SimpleInferer"},
            "preprocessing": {
                "_target_": "Compose",
                "transforms": [
                    {"_target_": "LoadImaged", "keys": "image"},
                    {"_target_": "EnsureChannelFirstd", "keys": "image"},
                    {"_target_": "Resized", "keys": "image", "spatial_size": [32, 48], "mode": "bilinear", "anti_aliasing": True},
                    {"_target_": "NormalizeIntensityd", "keys": "image"},
                ],
            },
        }
        zoo_bundle(tmp_path / "d", config=config)
        torch.manual_seed(1)
        whole = nets.DenseNet121(2, 1, 2).eval()
        state(tmp_path / "d", whole.state_dict())
        bundle = brought_in(tmp_path / "d", tmp_path / "b")
        image = np.random.default_rng(1).normal(size=(1, 48, 32)).astype(np.float32)
        found = bundle.predict(placed(image, np.eye(4)))
        with torch.inference_mode():
            seen = torch.from_numpy((image - image.mean()) / image.std())[None].transpose(2, 3)  # MONAI reads (column, row)
            wanted = whole(seen).softmax(dim=1)[0].numpy()
        assert list(found.shares.values()) == pytest.approx(wanted.tolist(), abs=1e-4)


class TestHash:
    def test_only_the_bundle_that_was_meant_is_brought_in(self, zoo, tmp_path):
        archive = packed(zoo, tmp_path / "s.zip")
        known, known_folder = look_into(archive).sha256, look_into(zoo).sha256
        data = bytearray(archive.read_bytes())
        data[len(data) // 2] ^= 1
        (tmp_path / "t.zip").write_bytes(data)
        (zoo / "docs" / "more.txt").write_text("a file besides")
        for source, wanted in ((tmp_path / "t.zip", known), (zoo, known_folder)):
            with pytest.raises(ModelError, match="SHA-256"):
                import_bundle(source, tmp_path / "b", sha256=wanted)
        assert not (tmp_path / "b").exists()
        assert not list(tmp_path.glob(".bundle-*"))

    def test_a_place_that_is_taken_is_refused(self, zoo, tmp_path):
        (tmp_path / "b").mkdir()
        with pytest.raises(TaskError, match="taken"):
            import_bundle(zoo, tmp_path / "b", sha256="0" * 64)


def archive_with(path, *members):
    """A bundle's archive with further members, each (ZipInfo or name, bytes)."""
    with zipfile.ZipFile(path, "a") as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


class TestArchives:
    @pytest.mark.parametrize(
        "name", ["../../.bashrc", "spleen/../../x", "/etc/x", "C:/x", "spleen\\..\\x"], ids=["up", "within", "root", "drive", "backslash"]
    )
    def test_a_path_that_leads_outside_refuses_the_whole(self, zoo, tmp_path, name):
        with pytest.raises(ModelError, match="leads outside"):
            look_into(archive_with(packed(zoo, tmp_path / "s.zip"), (name, b"x")))

    def test_links_are_refused(self, zoo, tmp_path):
        link = zipfile.ZipInfo("spleen/models/model.ts")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        with pytest.raises(ModelError, match="holds plain files"):
            look_into(archive_with(packed(zoo, tmp_path / "s.zip"), (link, b"/etc/passwd")))
        (zoo / "models" / "other.pt").symlink_to("/etc/passwd")
        with pytest.raises(ModelError, match="holds plain files"):
            look_into(zoo)

    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_a_name_that_stands_twice_is_refused(self, zoo, tmp_path):
        with pytest.raises(ModelError, match="twice"):
            look_into(archive_with(packed(zoo, tmp_path / "s.zip"), ("spleen/configs/inference.json", b"{}")))

    def test_a_bomb_is_refused_before_it_is_unpacked(self, zoo, tmp_path):
        (zoo / "zeros").write_bytes(bytes(50_000_000))
        with pytest.raises(ModelError, match="200 times"):
            look_into(packed(zoo, tmp_path / "s.zip"))

    def test_a_size_that_is_declared_and_not_there(self, zoo, tmp_path):
        path = packed(zoo, tmp_path / "s.zip")
        data = path.read_bytes()
        at = data.index(b"PK\x01\x02")  # the first entry of the directory; its size at 24
        path.write_bytes(data[: at + 24] + struct.pack("<I", 0xFFFFFFF0) + data[at + 28 :])
        with pytest.raises(ModelError, match="unpacks to more"):
            look_into(path)

    def test_an_encrypted_member_is_refused(self, zoo, tmp_path):
        path = packed(zoo, tmp_path / "s.zip")
        data = bytearray(path.read_bytes())
        data[data.index(b"PK\x01\x02") + 8] |= 1  # the flag in the directory
        path.write_bytes(data)
        with pytest.raises(ModelError, match="encrypted"):
            look_into(path)

    def test_a_way_of_packing_that_may_take_gigabytes_is_refused(self, zoo, tmp_path):
        path = packed(zoo, tmp_path / "s.zip")
        with zipfile.ZipFile(path, "a", zipfile.ZIP_LZMA) as archive:
            archive.writestr("spleen/more", b"x")
        with pytest.raises(ModelError, match="packed in a way"):
            look_into(path)

    def test_two_bundles_or_none_in_an_archive(self, zoo, tmp_path):
        with pytest.raises(ModelError, match="more than one"):
            look_into(archive_with(packed(zoo, tmp_path / "s.zip"), ("other/configs/metadata.json", b"{}")))
        (tmp_path / "no.zip").write_bytes(b"no archive")
        with pytest.raises(ModelError, match="no zip archive"):
            look_into(tmp_path / "no.zip")
        with pytest.raises(ModelError, match="missing"):
            look_into(tmp_path / "nothing")


class Harm:
    """What a pickle runs when it is opened."""

    def __reduce__(self):
        return (os.system, ("touch /tmp/harm-was-done",))


def rewritten(path, change):
    """Write the records of a PyTorch file anew: `change` takes and returns name and bytes."""
    with zipfile.ZipFile(path) as archive:
        records = [change(member.filename, archive.read(member)) for member in archive.infolist()]
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in records:
            archive.writestr(name, data)


class TestWeights:
    def test_a_pickle_that_runs_something_is_refused_by_its_name(self, zoo):
        torch.save({"weight": torch.zeros(2), "harm": Harm()}, zoo / "models" / "model.pt")
        with pytest.raises(ModelError, match="system'"):
            look_into(zoo)

    def test_a_bare_pickle_is_refused(self, zoo):
        (zoo / "models" / "model.pt").write_bytes(pickle.dumps(Harm()))
        with pytest.raises(ModelError, match="bare pickle"):
            look_into(zoo)

    def test_a_second_pickle_beside_the_first_is_refused(self, zoo):
        path = zoo / "models" / "model.pt"
        archive_with(path, ("model/other/data.pkl", pickle.dumps(Harm(), protocol=2)))
        with pytest.raises(ModelError, match="2 pickles"):
            look_into(zoo)

    @pytest.mark.parametrize("protocol", [0, 2, 4])
    def test_no_protocol_hides_a_name(self, zoo, protocol):
        harm = pickle.dumps(Harm(), protocol=protocol)
        rewritten(zoo / "models" / "model.pt", lambda name, data: (name, harm if name.endswith("data.pkl") else data))
        with pytest.raises(ModelError, match=r"system|STACK_GLOBAL"):
            look_into(zoo)

    @pytest.mark.filterwarnings("ignore::DeprecationWarning")
    def test_torchscript_is_refused_as_the_program_that_it_is(self, zoo):
        with io.BytesIO() as file:
            torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), file)
            program = file.getvalue()
        (zoo / "models" / "model.ts").write_bytes(program)
        assert look_into(zoo).left_out[-2:] == ("models/model.ts", "scripts/__init__.py"), "beside weights it is left behind"
        (zoo / "models" / "model.pt").write_bytes(program)
        with pytest.raises(ModelError, match="TorchScript: a program"):
            look_into(zoo)
        (zoo / "models" / "model.pt").unlink()
        with pytest.raises(ModelError, match=r"model\.ts.*TorchScript"):
            look_into(zoo)

    def test_a_huge_tensor_over_one_number_is_refused(self, zoo):
        tensors = torch.load(zoo / "models" / "model.pt", weights_only=True)
        name = next(iter(tensors))
        state(zoo, tensors | {name: torch.zeros(1).expand(10**12)})
        with pytest.raises(ModelError, match="declares tensors of more bytes"):
            look_into(zoo)

    def test_records_cut_short_packed_or_of_another_size(self, zoo, tmp_path):
        path = zoo / "models" / "model.pt"
        whole = path.read_bytes()
        rewritten(path, lambda name, data: (name, data[: len(data) // 2] if "/data/" in name else data))
        with pytest.raises(ModelError):
            look_into(zoo)
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ModelError):
            look_into(zoo)
        path.write_bytes(whole)
        with zipfile.ZipFile(path) as archive:
            records = {member.filename: archive.read(member) for member in archive.infolist()}
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in records.items():
                archive.writestr(name, data)
        with pytest.raises(ModelError, match="packed or repeated"):
            look_into(zoo)

    def test_weights_of_another_network_are_refused(self, zoo):
        tensors = torch.load(zoo / "models" / "model.pt", weights_only=True)
        for spoilt in (tensors | {"more": torch.zeros(1)}, dict(list(tensors.items())[1:]), {"a": 1}, {}, [1]):
            state(zoo, spoilt)
            with pytest.raises(ModelError):
                look_into(zoo)


class TestSettings:
    @pytest.mark.parametrize(
        ("path", "value", "words"),
        [
            ("network_def._target_", "SwinUNETR", "network_def: 'SwinUNETR' is not understood"),
            ("network_def._target_", "scripts.net.Mine", "'scripts.net.Mine' is not understood"),
            ("network_def._target_", "os.system", "'os.system'"),
            ("network_def._target_", "$__import__('os').system", "not understood"),
            ("network_def.act", "relu", "UNet.act"),
            ("network_def.strides", [2, 1], "network_def.strides"),
            ("network_def.channels", [10**9, 4, 4], "UNet.channels"),
            ("network_def.out_channels", "$1+1", "network_def.out_channels is an expression"),
            ("network_def.out_channels", "@nothing", "there is no '@nothing'"),
            ("network_def.out_channels", 3, "channels, the network has 3"),
            ("network_def", "$@network_def.to(@device)", "is an expression"),
            ("network_def", None, "network_def: found no _target_"),
            ("preprocessing.transforms.3.pixdim", "$[1.5] * 3", "preprocessing.3.pixdim is an expression"),
            ("preprocessing.transforms.3.mode", "nearest", "Spacingd.mode"),
            ("preprocessing.transforms.3", None, "one of Orientationd and Spacingd alone"),
            ("preprocessing.transforms.2.axcodes", "RAR", "axcodes"),
            ("preprocessing.transforms.4.clip", False, "ScaleIntensityRanged.clip"),
            ("preprocessing.transforms.4.b_min", -1.0, "ScaleIntensityRanged.b_min"),
            ("preprocessing.transforms.4.a_max", -1000, "makes no model"),
            ("preprocessing.transforms.4", {"_target_": "CropForegroundd", "keys": "image"}, "'CropForegroundd' is not understood"),
            ("preprocessing.transforms.4", {"_target_": "NormalizeIntensityd", "keys": "image", "divisor": 2}, "divisor"),
            ("preprocessing.transforms.4", {"_target_": "ScaleIntensityd", "keys": "image", "factor": 0.5}, "factor"),
            ("preprocessing.transforms.4", {"_target_": "EnsureTyped", "keys": "image"}, "decide the scale"),
            ("preprocessing.transforms.1", {"_target_": "Lambdad", "keys": "image", "func": "$lambda x: x"}, "'Lambdad'"),
            ("preprocessing.transforms.0.keys", ["image", "label"], "LoadImaged.keys"),
            ("preprocessing.transforms.0.keys", "other", "works on 2 images"),
            ("preprocessing.transforms", "$@other", "found no list"),
            ("inferer.roi_size", [96, 96], "roi_size for each axis"),
            ("inferer._target_", "SimpleInferer", "Extra inputs"),
            ("inferer.padding_mode", "reflect", "padding_mode"),
            ("postprocessing.transforms.0", {"_target_": "Activationsd", "keys": "pred", "sigmoid": True}, "Activationsd"),
            ("postprocessing.transforms.2", {"_target_": "AsDiscreted", "keys": "pred", "threshold": 0.5}, "AsDiscreted"),
            ("postprocessing.transforms.2", {"_target_": "FillHolesd", "keys": "pred"}, "'FillHolesd' is not understood"),
            (
                "postprocessing.transforms.2",
                {"_target_": "KeepLargestConnectedComponentd", "keys": "pred", "applied_labels": [1]},
                "comes before AsDiscreted",
            ),
            ("postprocessing.transforms", [], "neither softmax nor argmax"),
        ],
    )
    def test_what_is_not_understood_is_refused_by_its_name(self, path, value, words):
        with pytest.raises(ModelError) as told:
            recipe_of(changed(CONFIG, path, value), METADATA)
        assert words in str(told.value)

    def test_a_transform_out_of_order_is_refused(self):
        steps = CONFIG["preprocessing"]["transforms"]
        with pytest.raises(ModelError, match="Spacingd comes after ScaleIntensityRanged"):
            recipe_of(changed(CONFIG, "preprocessing.transforms", [*steps[:3], steps[4], steps[3]]), METADATA)

    @pytest.mark.parametrize(
        ("steps", "words"),
        [
            ([{"_target_": "NormalizeIntensityd", "nonzero": True}, {"_target_": "ScaleIntensityd", "minv": -1.0, "maxv": 1.0}], ""),
            ([{"_target_": "ScaleIntensityd", "minv": 0, "maxv": 1}, {"_target_": "NormalizeIntensityd"}], ""),
            ([{"_target_": "ScaleIntensityd"}], ""),
            ([{**CONFIG["preprocessing"]["transforms"][4]}, {"_target_": "ScaleIntensityd"}], ""),
            ([{"_target_": "ScaleIntensityd"}, {"_target_": "NormalizeIntensityd", "nonzero": True}], "comes before"),
            ([{**CONFIG["preprocessing"]["transforms"][4]}, {"_target_": "NormalizeIntensityd"}], "decide the scale"),
            ([{"_target_": "ScaleIntensityd"}, {"_target_": "ScaleIntensityd"}], "comes after"),
        ],
        ids=["nonzero, then range", "range, then normal", "range", "window, then range", "range, then nonzero", "two", "twice"],
    )
    def test_scales_are_monais_or_refused(self, steps, words):
        from monai import transforms as monai

        steps = [step | {"keys": "image"} for step in steps]
        config = changed(CONFIG, "preprocessing.transforms", [*CONFIG["preprocessing"]["transforms"][:4], *steps])
        if words:
            with pytest.raises(ModelError, match=words):
                recipe_of(config, METADATA)
            return
        transforms = recipe_of(config, METADATA).transforms
        image = 300 + np.random.default_rng(4).normal(size=(1, 4, 5, 6)).astype(np.float32) * 200
        image[:, :2] = 0
        whole = monai.Compose([getattr(monai, step["_target_"])(**{k: v for k, v in step.items() if k != "_target_"}) for step in steps])
        wanted = whole({"image": image.copy()})["image"]  # MONAI normalises in place
        sample = Sample(image, None, None, "HU")
        assert np.allclose(prepare(sample, transforms.model_copy(update={"spacing_mm": None})).image, np.asarray(wanted), atol=1e-5)

    def test_references_are_followed_and_never_for_ever(self):
        config = changed(CONFIG, "network_def.out_channels", "@sizes#classes") | {"sizes": {"classes": "@number"}, "number": 2}
        assert len(recipe_of(config, METADATA).classes) == 2
        with pytest.raises(ModelError, match="deep"):
            recipe_of(config | {"number": "@sizes#classes"}, METADATA)

    def test_values_without_a_unit_have_a_range_of_values(self):
        metadata = changed(METADATA, "network_data_format.inputs.image.format", "magnitude")
        metadata = changed(metadata, "network_data_format.inputs.image.modality", "MR")
        assert recipe_of(CONFIG, metadata).transforms.value_range == (-57, 164)
        assert recipe_of(CONFIG, METADATA).transforms.window_hu == (-57, 164)

    @pytest.mark.parametrize("path", ["network_data_format", "network_data_format.inputs", "network_data_format.outputs.pred"])
    def test_metadata_that_do_not_say_what_goes_in_and_out(self, path):
        with pytest.raises(ModelError, match="metadata"):
            recipe_of(CONFIG, changed(METADATA, path, None))

    def test_no_code_of_the_bundle_runs(self, zoo, tmp_path):
        """Every text of the configuration that is not looked at could be an expression of harm."""
        config = copy.deepcopy(CONFIG)
        for name in ("imports", "device", "handlers", "run", "initialize", "dataset"):
            config[name] = f"$open({str(tmp_path / 'harm')!r}, 'w')"
        (zoo / "configs" / "inference.json").write_text(json.dumps(config))
        brought_in(zoo, tmp_path / "b")
        assert not (tmp_path / "harm").exists()

    def test_a_bundle_that_is_not_brought_in_is_refused_with_what_to_do(self, zoo, tmp_path):
        with pytest.raises(ModelError):
            open_bundle(zoo)
        shutil.rmtree(zoo / "models")
        with pytest.raises(ModelError, match="no weights"):
            look_into(zoo)


#: What a value of a configuration may be changed to.
ODD = (None, 0, -1, 10**30, float("nan"), "", "$x", "@image_key", "@@", "%a", "@a#b", [], {}, [[]] * 3, {"_target_": "UNet"}, "x" * 5000)


def damaged(chance, data):
    """Bytes with bits turned, numbers blown up, a stretch repeated elsewhere, or the end cut off."""
    found, at = bytearray(data), chance.integers(len(data))
    way = chance.integers(4)
    if way == 0:
        found[at] ^= 1 << chance.integers(8)
    elif way == 1:
        found[at : at + 4] = b"\xff\xff\xff\x7f"
    elif way == 2:
        other = chance.integers(len(data))
        found[at : at + 50] = found[other : other + 50]
    else:
        del found[at:]
    return bytes(found)


def odd(chance, value):
    """A document with one value changed or taken away, at any depth."""
    if isinstance(value, (dict, list)) and value and chance.random() < 0.8:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        key = keys[chance.integers(len(keys))]
        found = copy.copy(value)
        found[key] = odd(chance, found[key])
        return found
    return ODD[chance.integers(len(ODD))]


class TestDamaged:
    """Whatever is wrong with a bundle, it is refused with our error or taken; nothing else is raised."""

    def test_archives_and_weights(self, zoo, tmp_path):
        chance, path = np.random.default_rng(11), zoo / "models" / "model.pt"
        archive, weights = packed(zoo, tmp_path / "s.zip").read_bytes(), path.read_bytes()
        for _ in range(40):
            (tmp_path / "t.zip").write_bytes(damaged(chance, archive))
            path.write_bytes(damaged(chance, weights))
            for source in (tmp_path / "t.zip", zoo):
                with contextlib.suppress(ModelError):
                    look_into(source)

    def test_configurations(self):
        chance, refused = np.random.default_rng(12), 0
        for _ in range(300):
            config, metadata = odd(chance, CONFIG), odd(chance, METADATA)
            try:
                recipe_of(config if isinstance(config, dict) else {}, metadata if isinstance(metadata, dict) else {})
            except ModelError:
                refused += 1
        assert refused > 50
