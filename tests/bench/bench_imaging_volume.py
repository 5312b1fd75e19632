"""Uncompressed CT as a volume: slices per CPU-second of ours, SimpleITK, MONAI, highdicom and pydicom, in one run.

Run: ``python -m tests.bench.bench_imaging_volume [SLICES]``. A series of 512 x 512 slices of 16 bits is made in a scratch folder from the
real chest CT where that is there, else from noise. Each arm runs in turn, several rounds, and the best round
counts; the volumes are compared.
"""

from __future__ import annotations

import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pydicom

from imaging.volumes import open_series, read_volume
from tests.lib.dicom_files import ct_series, write
from tests.lib.paths import REPOSITORY

SLICES, ROUNDS, SIZE = 140, 5, 512
REAL = REPOSITORY.parent / "shared" / "data" / "imaging" / "chest_ct_harbin" / "series"


def make(folder: Path, slices: int) -> list[Path]:
    """Make a series as long as wanted: the headers of a scanner where there are any."""
    real = sorted(REAL.glob("*.dcm")) if REAL.exists() else []
    if not real:
        noise = np.random.default_rng(1).integers(0, 4000, SIZE * SIZE, "<i2").tobytes()
        return write(ct_series(slices, size=SIZE, PixelData=noise), folder)
    datasets = []
    for number in range(slices):
        dataset = pydicom.dcmread(real[number % len(real)])
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
        dataset.ImagePositionPatient = [*dataset.ImagePositionPatient[:2], 312 - 8 * number]
        dataset.InstanceNumber = number + 1
        datasets.append(dataset)
    return write(datasets, folder)


def ours(paths: list[Path]) -> np.ndarray:
    return read_volume(paths).array


def headers(paths: list[Path]) -> tuple[int, int, int]:
    return open_series(paths).geometry.shape


def simpleitk(paths: list[Path]) -> np.ndarray:
    import SimpleITK

    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(paths[0].parent)))
    return SimpleITK.GetArrayFromImage(reader.Execute())


def monai(paths: list[Path]) -> np.ndarray:
    from monai.data import PydicomReader
    from monai.transforms import LoadImage

    return np.asarray(LoadImage(reader=PydicomReader(), image_only=True)(str(paths[0].parent))).T


def highdicom(paths: list[Path]) -> np.ndarray:
    import highdicom

    return highdicom.get_volume_from_series([pydicom.dcmread(path) for path in paths]).array


def plain(paths: list[Path]) -> np.ndarray:
    datasets = sorted((pydicom.dcmread(path) for path in paths), key=lambda dataset: dataset.ImagePositionPatient[2])
    return np.stack([dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept) for dataset in datasets]).astype(
        np.int16
    )


ARMS = {"ours": ours, "SimpleITK": simpleitk, "MONAI PydicomReader": monai, "highdicom": highdicom, "pydicom and numpy": plain}


def measured(arm, paths: list[Path]) -> tuple[float, object]:
    before = time.process_time()
    answer = arm(paths)
    return time.process_time() - before, answer


def main() -> None:
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        paths = make(Path(folder) / "series", int(sys.argv[1]) if len(sys.argv) > 1 else SLICES)
        best = dict.fromkeys([*ARMS, "ours, headers and verdict only"], float("inf"))
        volumes = {}
        for _ in range(ROUNDS):
            for name, arm in ARMS.items():
                spent, volumes[name] = measured(arm, paths)
                best[name] = min(best[name], spent)
            best["ours, headers and verdict only"] = min(best["ours, headers and verdict only"], measured(headers, paths)[0])
        for name, spent in best.items():
            same = "" if name not in volumes else "equal" if equal(volumes[name], volumes["ours"]) else "OTHER VALUES"
            print(f"{name:32} {len(paths) / spent:7.0f} slices/CPU-s   ours is {spent / best['ours']:5.2f} times as fast   {same}")


def equal(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two volumes are alike, whichever end they begin at."""
    return one.shape == other.shape and any(np.array_equal(turned, other) for turned in (one, one[::-1]))


if __name__ == "__main__":
    main()
