"""Bundles in the form of the MONAI Model Zoo: the layout, keys and expressions of ``spleen_ct_segmentation`` 0.5.9 with a small network."""

from __future__ import annotations

import copy
import json
import zipfile
from typing import TYPE_CHECKING, Any

import torch
from monai.networks import nets

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CONFIG", "METADATA", "changed", "packed", "zoo_bundle"]

NETWORK = {
    "_target_": "UNet",
    "spatial_dims": 3,
    "in_channels": 1,
    "out_channels": 2,
    "channels": [4, 8, 16],
    "strides": [2, 2],
    "num_res_units": 2,
    "norm": "batch",
}

CONFIG: dict[str, Any] = {
    "imports": ["$import glob", "$import os"],
    "bundle_root": ".",
    "image_key": "image",
    "output_dir": "$@bundle_root + '/eval'",
    "datalist": "$list(sorted(glob.glob(@dataset_dir + '/imagesTs/*.nii.gz')))",
    "dataset_dir": "/workspace/data/Task09_Spleen",
    "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
    "network_def": NETWORK,
    "network": "$@network_def.to(@device)",
    "preprocessing": {
        "_target_": "Compose",
        "transforms": [
            {"_target_": "LoadImaged", "keys": "@image_key"},
            {"_target_": "EnsureChannelFirstd", "keys": "@image_key"},
            {"_target_": "Orientationd", "keys": "@image_key", "axcodes": "RAS"},
            {"_target_": "Spacingd", "keys": "@image_key", "pixdim": [1.5, 1.25, 2.0], "mode": "bilinear"},
            {
                "_target_": "ScaleIntensityRanged",
                "keys": "@image_key",
                "a_min": -57,
                "a_max": 164,
                "b_min": 0,
                "b_max": 1,
                "clip": True,
            },
            {"_target_": "EnsureTyped", "keys": "@image_key", "device": "@device"},
        ],
    },
    "dataset": {"_target_": "Dataset", "data": "$[{'image': i} for i in @datalist]", "transform": "@preprocessing"},
    "inferer": {"_target_": "SlidingWindowInferer", "roi_size": [16, 12, 8], "sw_batch_size": 4, "overlap": 0.5},
    "postprocessing": {
        "_target_": "Compose",
        "transforms": [
            {"_target_": "Activationsd", "keys": "pred", "softmax": True},
            {
                "_target_": "Invertd",
                "keys": "pred",
                "transform": "@preprocessing",
                "orig_keys": "@image_key",
                "nearest_interp": False,
                "to_tensor": True,
            },
            {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
            {"_target_": "SaveImaged", "keys": "pred", "output_dir": "@output_dir"},
        ],
    },
    "handlers": [{"_target_": "StatsHandler", "iteration_log": False}],
    "checkpointloader": {
        "_target_": "CheckpointLoader",
        "load_path": "$@bundle_root + '/models/model.pt'",
        "load_dict": {"model": "@network"},
    },
    "initialize": ["$monai.utils.set_determinism(seed=123)"],
    "run": ["$@evaluator.run()"],
}

_TENSOR = {"type": "image", "spatial_shape": [16, 12, 8], "dtype": "float32", "value_range": [0, 1], "is_patch_data": True}

METADATA: dict[str, Any] = {
    "schema": "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json",
    "version": "0.5.9",
    "changelog": {"0.5.9": "use monai 1.4"},
    "monai_version": "1.4.0",
    "pytorch_version": "2.4.0",
    "numpy_version": "1.24.4",
    "required_packages_version": {"nibabel": "5.2.1"},
    "name": "Spleen CT segmentation",
    "task": "Decathlon spleen segmentation",
    "description": "A pre-trained model for volumetric (3D) segmentation of the spleen from CT image",
    "authors": "MONAI team",
    "copyright": "Copyright (c) MONAI Consortium",
    "data_source": "Task09_Spleen.tar from http://medicaldecathlon.com/",
    "data_type": "nibabel",
    "eval_metrics": {"mean_dice": 0.961},
    "intended_use": "This is an example, not to be used for diagnostic purposes",
    "references": ["Xia, Yingda, et al."],
    "network_data_format": {
        "inputs": {"image": _TENSOR | {"format": "hounsfield", "modality": "CT", "num_channels": 1, "channel_def": {"0": "image"}}},
        "outputs": {"pred": _TENSOR | {"format": "segmentation", "num_channels": 2, "channel_def": {"0": "background", "1": "spleen"}}},
    },
}


def changed(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy with another value at a path such as ``preprocessing.transforms.3.pixdim``; None takes it away."""
    found = copy.deepcopy(document)
    *way, last = path.split(".")
    at: Any = found
    for each in way:
        at = at[int(each)] if isinstance(at, list) else at[each]
    if value is None:
        del at[int(last) if isinstance(at, list) else last]
    elif isinstance(at, list):
        at[int(last)] = value
    else:
        at[last] = value
    return found


def zoo_bundle(folder: Path, *, config: dict[str, Any] = CONFIG, metadata: dict[str, Any] = METADATA, seed: int = 5) -> nets.UNet:
    """Write a bundle as the zoo has it, with what its own are accompanied by; return the network that it holds."""
    for name in ("configs", "models", "docs", "scripts"):
        (folder / name).mkdir(parents=True)
    (folder / "configs" / "inference.json").write_text(json.dumps(config))
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata))
    (folder / "configs" / "train.json").write_text('{"run": ["$@trainer.run()"]}')
    (folder / "docs" / "README.md").write_text("# Model Overview\n")
    (folder / "scripts" / "__init__.py").write_text("raise SystemExit('code of a bundle ran')\n")
    (folder / "LICENSE").write_text("Apache License, Version 2.0\n")
    torch.manual_seed(seed)
    network = nets.UNet(**{name: value for name, value in NETWORK.items() if name != "_target_"}).eval()
    for name, buffer in network.named_buffers():  # as after a training
        if "running" in name:
            buffer.uniform_(0.5, 1.5)
    torch.save(network.state_dict(), folder / "models" / "model.pt")
    return network


def packed(folder: Path, path: Path) -> Path:
    """Pack a bundle as the zoo does: its folder within the archive."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for each in sorted(folder.rglob("*")):
            if each.is_file():
                archive.write(each, f"{folder.name}/{each.relative_to(folder).as_posix()}")
    return path
