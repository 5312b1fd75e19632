"""CPU time and bytes of a slice from the volume to the picture that a browser gets, beside matplotlib's way to a picture.

Run: python -m tests.bench.bench_imaging_viewer. It exits with 1 where the dearest picture, of any plane, with a mask, at the most pixels
that there are, takes more CPU time or bytes than matplotlib's of 512 pixels.
"""

from __future__ import annotations

import io
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from imaging.viewer import render_slice
from imaging.volumes import read_volume
from tests.lib.paths import shared

if TYPE_CHECKING:
    from collections.abc import Callable

    from imaging.volumes import Volume

ROUNDS = 30


def timed(work: Callable[[int], bytes]) -> tuple[float, int]:
    """Return CPU milliseconds and bytes of one round."""
    work(0)
    begun = time.process_time()
    sizes = [len(work(number)) for number in range(ROUNDS)]
    return (time.process_time() - begun) * 1000 / ROUNDS, int(np.median(sizes))


def by_matplotlib(volume: Volume, index: int) -> bytes:
    """Return a slice as it is often drawn in notebooks: 512 pixels of PNG."""
    figure, file = Figure(figsize=(5.12, 5.12), dpi=100), io.BytesIO()
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(volume.array[index], cmap="gray", vmin=-1350, vmax=150)
    axes.axis("off")
    figure.savefig(file, format="png")
    return file.getvalue()


def main() -> None:
    """Print a line for each way."""
    chest = read_volume(sorted(shared("imaging/chest_ct_harbin/series").glob("*")))
    mask = (chest.array > 150).astype(np.uint8) + 2 * ((chest.array < -300) & (chest.array > -950)).astype(np.uint8)
    dearest, largest = 0.0, 0
    for size in (512, 768):
        for plane in ("axial", "coronal", "sagittal"):
            for name, labels in (("", None), (" with mask", mask)):
                spent, amount = timed(
                    lambda n, p=plane, s=size, m=labels: render_slice(
                        chest, p, n % 30, "lung", s, mask=m, watermark="张三 · heart · 2026-11-22"
                    ).jpeg()
                )
                print(f"{plane:9s} {size} px{name:10s} {spent:6.1f} ms {amount / 1024:6.0f} KB")
                dearest, largest = max(dearest, spent), max(largest, amount)
    spent, amount = timed(lambda n: by_matplotlib(chest, n % 30))
    print(f"matplotlib 512 px          {spent:6.1f} ms {amount / 1024:6.0f} KB")
    print(f"of matplotlib's: {dearest / spent:.2f} of the time, {largest / amount:.2f} of the bytes")
    sys.exit(dearest > spent or largest > amount)


if __name__ == "__main__":
    main()
