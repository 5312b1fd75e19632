"""Small tasks for networks: data that a network of a thousand numbers learns in seconds."""

import numpy as np

from imaging.geometry import Geometry, Verdict
from imaging.models.task import Task
from imaging.volumes import Volume, write_nifti

__all__ = ["classification_task", "detection_task", "placed", "segmentation_task"]


def placed(array, affine) -> Volume:
    """An array as a volume without a unit."""
    geometry = Geometry(verdicts=(Verdict.REGULAR,), reasons=(), order=(), shape=array.shape, spacing_mm=(1.0, 1.0, 1.0), affine=affine)
    return Volume(array=array, affine=affine, spacing_mm=(1.0, 1.0, 1.0), unit="", geometry=geometry)


def segmentation_task(folder, count=8) -> Task:
    """A bright ball in noise, of another size in each case."""
    chance = np.random.default_rng(7)
    for name in ("images", "labels"):
        (folder / name).mkdir(exist_ok=True)
    for number in range(count):
        slices, rows, columns = np.indices((16, 16, 16)) - chance.integers(6, 10, 3)[:, None, None, None]
        mask = (slices**2 + rows**2 + columns**2 < chance.integers(9, 25)).astype(np.uint8)
        image = mask * 3.0 + chance.normal(size=mask.shape)
        for name, array in (("images", image.astype(np.float32)), ("labels", mask)):
            write_nifti(placed(array, np.eye(4)), folder / name / f"c{number}.nii.gz")
    return Task(
        name="ball",
        kind="segmentation",
        classes=("background", "ball"),
        data={"form": "nifti", "images": str(folder / "images"), "labels": str(folder / "labels")},
        split={"validation": 0.25, "test": 0.25},
        transforms={"spacing_mm": (1, 1, 1), "patch": (16, 16, 16)},
        augment={"rotate_degrees": 10, "noise": 0.1},
        network={"name": "unet", "channels": (4, 8), "dropout": 0.1},
        training={"epochs": 4, "batch": 2, "learning_rate": 0.02, "loss": "dice_cross_entropy", "average": 0.5},
    )


def detection_task(folder, count=10) -> Task:
    """One bright ball or two in noise, of other sizes and places in each case; the last case has none. Voxels of 2 x 1 x 1 mm."""
    chance = np.random.default_rng(9)
    (folder / "images").mkdir(exist_ok=True)
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    affine[:3, 3] = -20, 30, 100
    lines = ["file,x_mm,y_mm,z_mm,diameter_mm"]
    for number in range(count):
        image = chance.normal(size=(12, 32, 32))
        for side in range(int(number < count - 1) + int(number % 2)):
            middle, diameter = (
                np.array([chance.integers(4, 9), chance.integers(6, 26), chance.integers(6, 12) + 14 * side]),
                chance.uniform(5, 8),
            )
            away = (np.indices(image.shape) - middle[:, None, None, None]) * np.array([2, 1, 1])[:, None, None, None]
            image[(away**2).sum(axis=0) < (diameter / 2) ** 2] += 6
            x, y, z = affine[:3, :3] @ middle[::-1] + affine[:3, 3]
            lines.append(f"c{number}.nii.gz,{x},{y},{z},{diameter}")
        write_nifti(placed(image.astype(np.float32), affine), folder / "images" / f"c{number}.nii.gz")
    (folder / "boxes.csv").write_text("\n".join(lines), encoding="utf-8")
    return Task(
        name="balls",
        kind="detection",
        classes=("background", "ball"),
        data={"form": "nifti", "images": str(folder / "images"), "boxes": str(folder / "boxes.csv")},
        split={"validation": 0.2, "test": 0.3},
        transforms={"spacing_mm": (2, 1, 1), "patch": (8, 24, 24)},
        augment={"shift": 0.2, "flip": ("rows", "columns"), "foreground": 0.8},
        network={"name": "retinanet", "channels": (8,), "strides": ((1, 2, 2),), "pyramid": 8, "anchors": ((3, 6, 6),)},
        training={"epochs": 8, "batch": 4, "patches": 8, "learning_rate": 0.01, "loss": "atss", "average": 0.5},
    )


def classification_task(folder, cases=120) -> Task:
    """Noise, with a bright square or without; two images a patient, two scanners."""
    chance = np.random.default_rng(8)
    labels = np.arange(cases) // 2 % 2
    images = chance.normal(size=(cases, 16, 16))
    images[labels == 1, 4:11, 5:12] += 2
    patients, scanners = np.array([f"SECRET-{number // 2}" for number in range(cases)]), np.array(["A", "B"])[np.arange(cases) // 4 % 2]
    np.savez(folder / "a.npz", images=images.astype(np.float32), labels=labels, patients=patients, scanners=scanners)
    return Task(
        name="square",
        kind="classification",
        classes=("without", "with"),
        data={"form": "arrays", "file": str(folder / "a.npz")},
        split={"validation": 0.2, "test": 0.3},
        transforms={"size": (16, 16)},
        augment={"shift": 0.05, "noise": 0.1, "flip": ("columns",)},
        network={"name": "resnet", "channels": (4, 4, 8, 8)},
        training={"epochs": 6, "batch": 8, "learning_rate": 0.01, "balance": True, "average": 0.5},
        flips=("columns",),
        intended_use="A test.",
        licence="CC0",
        min_group=3,
    )
