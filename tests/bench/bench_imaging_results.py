"""Masks written, read and measured: CPU-seconds of ours beside highdicom and SimpleITK, in one run.

Run: ``python -m tests.bench.bench_imaging_results [SLICES]``. Two labels, bone and lung by thresholds, over a series of 512 x 512 slices
made as in :mod:`tests.bench.bench_imaging_volume`. Each arm runs three rounds, and the best counts; masks and values are compared. It
exits with 1 where a mask or a value differs, or a BINARY segmentation takes longer than highdicom by itself with pydicom's headers.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import highdicom
import numpy as np
import pydicom
import SimpleITK
from pydicom.sr.coding import Code

from imaging.measures import measure
from imaging.results import ANATOMICAL, Encoding, NewSeries, Segment, read_segmentation, save, segmentation
from imaging.results.segments import describe
from imaging.volumes import read_volume
from tests.bench.bench_imaging_volume import SLICES, make

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 3
NOISE = 1.15  # of CPU-seconds from round to round on a shared machine
SEGMENTS = (
    Segment(label=1, name="Bone", category=ANATOMICAL, kind=Code("272673000", "SCT", "Bone")),
    Segment(label=2, name="Lung", category=ANATOMICAL, kind=Code("39607008", "SCT", "Lung")),
)


def best(*works: Callable[[], object]) -> list[tuple[float, object]]:
    """Return the least CPU-seconds of each over the rounds, and its last answer; they take turns, so that a busy minute is everybody's."""
    spent, answers = [[] for _ in works], [None] * len(works)
    for _ in range(ROUNDS):
        for number, work in enumerate(works):
            start = time.process_time()
            answers[number] = work()
            spent[number].append(time.process_time() - start)
    return [(min(each), answer) for each, answer in zip(spent, answers, strict=True)]


def simpleitk(volume: object, mask: np.ndarray) -> SimpleITK.LabelShapeStatisticsImageFilter:
    """Volume, centroid, box, principal axes, Feret diameter and perimeter; values apart."""
    labels, image = SimpleITK.GetImageFromArray(mask), SimpleITK.GetImageFromArray(volume.array)
    for each in (labels, image):
        each.SetSpacing(volume.spacing_mm[::-1])
    shape, values = SimpleITK.LabelShapeStatisticsImageFilter(), SimpleITK.LabelIntensityStatisticsImageFilter()
    shape.ComputePerimeterOn()
    shape.Execute(labels)
    values.Execute(labels, image)
    return shape


def by_highdicom(mask: np.ndarray, paths: list[Path], encoding: Encoding) -> highdicom.seg.Segmentation:
    """Make the same segmentation with highdicom alone, headers read by pydicom."""
    return highdicom.seg.Segmentation(
        source_images=[pydicom.dcmread(path, stop_before_pixels=True) for path in paths],
        pixel_array=mask,
        segmentation_type=encoding.value,
        segment_descriptions=[describe(segment, number) for number, segment in enumerate(SEGMENTS, start=1)],
        **NewSeries().arguments("Segmentation", 300),
    )


def main() -> None:
    """Print the table."""
    missed = []
    slices = int(sys.argv[1]) if len(sys.argv) > 1 else SLICES
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = make(folder / "ct", slices)
        volume = read_volume(paths)
        mask = np.where(volume.array > 300, 1, np.where(volume.array < -700, 2, 0)).astype(np.uint8)
        for encoding in Encoding:
            (spent, result), (alone, _) = best(
                lambda encoding=encoding: segmentation(volume, mask, SEGMENTS, paths, encoding=encoding),
                lambda encoding=encoding: by_highdicom(mask, paths, encoding),
            )
            path = save(result, folder / "seg.dcm")
            print(f"{encoding:9} made  {spent:6.2f} CPU-s, {path.stat().st_size / 1e6:.1f} MB, headers of {slices} sources read among it")
            print(f"{'':9} by highdicom {alone:6.2f} CPU-s: {alone / spent:.2f} times as long")
            if encoding is Encoding.BINARY and spent > NOISE * alone:
                missed.append("BINARY made no slower than by highdicom alone")
            (spent, found), (theirs, _) = best(
                lambda path=path: read_segmentation(path, volume),
                lambda path=path: highdicom.seg.segread(path).get_volume(combine_segments=True),
            )
            print(f"{encoding:9} read  {spent:6.2f} CPU-s, equal: {np.array_equal(found.mask, mask)}")
            if not np.array_equal(found.mask, mask):
                missed.append(f"{encoding} equal masks")
            print(f"{'':9} by highdicom {theirs:6.2f} CPU-s")
        (spent, regions), (theirs, shape) = best(lambda: measure(volume, mask), lambda: simpleitk(volume, mask))
        print(f"measured {spent:6.2f} CPU-s for {sum(region.values['voxels'] for region in regions) / 1e6:.1f} million voxels in 2 regions")
        equal = all(abs(shape.GetPhysicalSize(region.label) / 1000 / region.values["volume_ml"] - 1) < 1e-9 for region in regions)
        print(f"by SimpleITK {theirs:6.2f} CPU-s, volumes equal: {equal}")
        missed += [] if equal else ["volumes equal to SimpleITK's"]
    for wanted in missed:
        print(f"missed: {wanted}")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
