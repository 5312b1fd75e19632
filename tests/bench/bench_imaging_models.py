"""Networks trained on the shared data, beside what was published: CPU-seconds of the whole training, and the test cases' results.

PneumoniaMNIST: ResNet-18 of MedMNIST v2 (Yang et al. 2023) has AUC 0.944 and ACC 0.854. Hippocampus (Task04 of the Medical Segmentation
Decathlon): nnU-Net (Isensee et al. 2021) has Dice 0.90 / 0.89 on five folds of the 260 cases; here a fifth is held out and no case of it is
looked at before. Run with OMP_NUM_THREADS=1: ``python tests/bench/bench_imaging_models.py [pneumonia] [hippocampus]``.
"""

import sys
import tempfile
import time
from pathlib import Path

from imaging.models.bundle import open_bundle
from imaging.models.task import read_task
from imaging.models.training import train
from imaging.volumes import read_nifti

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data" / "imaging"

#: Task -> where its data lie, what was published or asked for, and the most CPU-seconds.
TASKS = {
    "pneumonia": ({"file": "pneumoniamnist/pneumoniamnist.npz"}, {"auc": 0.944, "accuracy": 0.854}, 180),
    "hippocampus": (
        {"images": "hippocampus/imagesTr", "labels": "hippocampus/labelsTr"},
        {"dice anterior": 0.89, "dice posterior": 0.875},
        1800,
    ),
}


def run(name: str) -> bool:
    places, wanted, limit = TASKS[name]
    task = read_task(ROOT / "templates" / "tasks" / f"{name}.yaml")
    task = task.model_copy(update={"data": task.data.model_copy(update={key: str(DATA / place) for key, place in places.items()})})
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        bundle = train(task, Path(folder, "bundle"), device="cpu", progress=told)
        spent = time.process_time() - began
        size = sum(path.stat().st_size for path in Path(folder, "bundle").rglob("*") if path.is_file())
        print(f"{name}: {spent:.0f} CPU-s (limit {limit}), {size / 1e6:.1f} MB")
        good = spent <= limit
        for measure, least in wanted.items():
            found = bundle.metadata["workbench"]["results"]["test"]["metrics"][measure]
            good &= found["value"] >= least
            print(f"  {measure:16} {found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]  asked for {least}")
        if name == "hippocampus":
            asked(Path(folder, "bundle"))
    return good


def told(epoch) -> None:
    print(f"  epoch {epoch.epoch}/{epoch.epochs}: loss {epoch.loss:.4f}, validation {epoch.score:.4f}", flush=True)


def asked(folder: Path) -> None:
    """How long a bundle takes to open and to answer."""
    began = time.process_time()
    bundle = open_bundle(folder)
    opened = time.process_time()
    volumes = [read_nifti(path) for path in sorted((DATA / "hippocampus" / "imagesTs").glob("h*.nii.gz"))[:10]]
    for volume in volumes:
        bundle.predict(volume)
    print(f"  opened in {opened - began:.2f} CPU-s, {(time.process_time() - opened) / len(volumes):.2f} CPU-s a volume")


if __name__ == "__main__":
    met = [run(name) for name in sys.argv[1:] or TASKS]
    sys.exit(not all(met))
