"""The recipe of detection on nodules planted in the real chest CT: free-response curve and CPU-seconds, beside a filter for bright blobs.

One patient's CT is the background of every case: the network learns in one lung and is tried in the upper half of the other. So a vessel
that looks like a nodule is a false positive in every case, and few such places decide the curve; intervals are over plantings, not over
patients, and no figure here says how real nodules are found. As measured: network 0.458 [0.325, 0.589] after 393 CPU-seconds, filter 0.247
[0.150, 0.357], of 59 nodules in 36 cases; one training, one seed. Run with OMP_NUM_THREADS=1:
``python tests/bench/bench_imaging_detection.py``.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy import ndimage

from imaging.models import froc
from imaging.models.boxes import boxes_from
from imaging.models.cases import cases_of
from imaging.models.detecting import MOST, detect
from imaging.models.inference import Model
from imaging.models.metrics import intervals
from imaging.models.planted import plant_folder
from imaging.models.preparing import CaseSet
from imaging.models.split import split_cases
from imaging.models.task import read_task
from imaging.models.training import train
from imaging.volumes import read_volume, write_nifti

ROOT = Path(__file__).resolve().parents[2]
SERIES = ROOT.parent / "shared" / "data" / "imaging" / "chest_ct_harbin" / "series"

#: Most CPU-seconds of the training. The network is to find more than the filter does.
LIMIT = 600

#: Half of them to train on, a fifth to validate.
CASES = 120


def main() -> bool:
    task = read_task(ROOT / "templates" / "tasks" / "nodules.yaml")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "cts").mkdir()
        write_nifti(read_volume(sorted(SERIES.iterdir())), place / "cts" / "chest.nii.gz")
        began = time.process_time()
        count = plant_folder(place / "cts", place / "planted", cases=CASES, seed=1)
        print(f"{count} nodules in {CASES} cases planted in {time.process_time() - began:.0f} CPU-s")
        data = {key: str(place / "planted" / name) for key, name in (("images", "images"), ("boxes", "boxes.csv"), ("table", "cases.csv"))}
        task = task.model_copy(update={"data": task.data.model_copy(update=data)})
        began = time.process_time()
        bundle = train(task, place / "bundle", device="cpu", progress=told)
        spent = time.process_time() - began
        test = CaseSet(split_cases(cases_of(task), task.split).test, task.transforms)
        cases = [test[index] for index in range(len(test))]
        model = Model(bundle.network, window=task.window, classes=len(task.classes))
        began = time.process_time()
        by_network = [detect(model, case.image) for case in cases]
        asked = (time.process_time() - began) / len(cases)
    truth = [case.boxes for case in cases]
    print(f"training {spent:.0f} CPU-s (limit {LIMIT}), {asked:.1f} CPU-s a case of {cases[0].image.shape[1:]} voxels")
    print(f"test: {len(cases)} cases, {sum(map(len, truth))} nodules; sensitivity at false positives a case")
    keys = [case.key for case in test.cases]
    by_filter = [blobs(case.image[0], task.transforms.spacing_mm[2]) for case in cases]
    network, filtered = (shown(name, found, truth, keys) for name, found in (("network", by_network), ("blobs", by_filter)))
    return network > filtered and spent <= LIMIT


def blobs(image: np.ndarray, spacing_mm: float) -> np.ndarray:
    """What a difference of Gaussians finds: places brighter than what is about them, surest first."""
    bright = ndimage.gaussian_filter(image, (0.3, *(3 / spacing_mm,) * 2)) - ndimage.gaussian_filter(image, (1, *(10 / spacing_mm,) * 2))
    about = 2 * round(7 / spacing_mm) + 1
    peaks = np.argwhere((bright == ndimage.maximum_filter(bright, (3, about, about))) & (bright > 0.02))
    score = bright[tuple(peaks.T)]
    best = np.argsort(-score)[:MOST]
    return boxes_from(peaks[best] + 0.5, np.broadcast_to([1.0, *(12 / spacing_mm,) * 2], (len(best), 3)), 1, score[best])


def shown(name: str, found: list[np.ndarray], truth: list[np.ndarray], keys: list[str]) -> float:
    most = max(map(len, truth))
    table = froc.found_table(found, truth, (most, MOST))
    told = intervals(froc.statistics(table, most), keys)
    rates = "  ".join(f"{rate:g}: {told[f'sensitivity {rate:g} FP/scan']['value']:.2f}" for rate in froc.RATES)
    print(f"  {name:8} CPM {told['cpm']['value']:.3f} [{told['cpm']['low']:.3f}, {told['cpm']['high']:.3f}]  {rates}")
    return told["cpm"]["value"]


def told(epoch) -> None:
    print(f"  epoch {epoch.epoch}/{epoch.epochs}: loss {epoch.loss:.4f}, validation {epoch.score:.4f}", flush=True)


if __name__ == "__main__":
    sys.exit(not main())
