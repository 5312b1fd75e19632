"""Headers and the catalogue against peers, in one run: files per CPU-second on plain CT files.

The files are the real chest and head CT beside the checkout. Peers: pydicom (``stop_before_pixels`` and the same attributes),
gdcm's scanner, and a loop that keeps bytes and makes no values. Then a folder of series with those headers, each with UIDs of its own, is
indexed from nothing, verdicts of geometry and all, and again: then nothing is read. The last part indexes a larger folder and looks at
the growth of memory. Exit code 1 where headers, or the catalogue from nothing, are below 8,000 files per CPU-second or four times pydicom.
"""

import os
import resource
import struct
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import gdcm
import pydicom
from pyarrow.parquet import read_table

from imaging.dicom.alike import Alike
from imaging.dicom.catalogue import index_folder
from imaging.dicom.header import read_header
from imaging.dicom.structure import LONG_VRS
from imaging.dicom.tags import BY_TAG, FIELDS, UNDEFINED

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "imaging"
FOLDERS = ("chest_ct_harbin/series", "head_ct_gantry_tilt/ge_hispeed")
WANTED_SPEED, WANTED_RATIO, WANTED_GROWTH_MB = 8_000, 4, 300
ROUNDS, FILES, FEW, MANY = 3, 20_000, 1_000, 50_000
PIXELS = b"\xe0\x7f\x10\x00OW"
FILLING = bytes(12_000)


def by_pydicom(path: str) -> list:
    dataset = pydicom.dcmread(path, stop_before_pixels=True)
    return [dataset.get(field.tag) for field in FIELDS]


def by_gdcm(paths: list[str]) -> None:
    scanner = gdcm.Scanner()
    for field in FIELDS:
        scanner.AddTag(gdcm.Tag(field.tag >> 16, field.tag & 0xFFFF))
    scanner.Scan(paths)


def best(work: Callable[[], object], files: int, times: int) -> float:
    """Return files per CPU-second, the best of several rounds: others share this machine."""
    found = 0.0
    for _ in range(times):
        start = time.process_time()
        work()
        found = max(found, files / (time.process_time() - start))
    return found


def multiplied(paths: list[str], n: int, folder: Path) -> Path:
    """Write series with the headers of the real ones, each with UIDs of its own, and pixel data that suffice for the reading of a head."""
    heads = [Path(path).read_bytes().partition(PIXELS)[0] for path in paths]
    read = [pydicom.dcmread(path, stop_before_pixels=True) for path in paths]
    uids = [[str(uid).encode() for uid in (each.SOPInstanceUID, each.SeriesInstanceUID, each.StudyInstanceUID)] for each in read]
    for number in range(n):
        times, which = divmod(number, len(paths))
        data = heads[which]
        for uid, own in zip(uids[which], (number, times, times), strict=True):
            data = data.replace(uid, uid[:-8] + str(10_000_000 + own).encode())
        place = folder / f"{times:05d}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{which:05d}.dcm").write_bytes(data + PIXELS + b"\0\0" + len(FILLING).to_bytes(4, "little") + FILLING)
    return folder


def scanned(path: str) -> dict[int, bytes]:
    """Step through one header and keep bytes, no values: what a loop in Python costs on this machine now, the floor for what reads more."""
    with Path(path).open("rb") as file:
        data = file.read(65_536)
    at, found = 132, {}
    while at + 12 <= len(data):
        group, element = struct.unpack_from("<HH", data, at)
        if (group, element) == (0x7FE0, 0x0010):
            break
        long = data[at + 4 : at + 6] in LONG_VRS
        (length,) = struct.unpack_from("<I" if long else "<H", data, at + (8 if long else 6))
        begin = at + (12 if long else 8)
        if length == UNDEFINED:
            break
        if group << 16 | element in BY_TAG:
            found[group << 16 | element] = data[begin : begin + length]
        at = begin + length
    return found


def headers(paths: list[str]) -> tuple[float, float]:
    """Return files per CPU-second: ours, one after another, and pydicom's."""
    many = paths * 20
    alike = Alike()
    ours = best(lambda: [read_header(path, alike=alike) for path in many], len(many), ROUNDS)
    alone = best(lambda: [read_header(path) for path in many], len(many), ROUNDS)
    theirs = best(lambda: [by_pydicom(path) for path in paths], len(paths), ROUNDS)
    scanner = best(lambda: by_gdcm(paths), len(paths), ROUNDS)
    floor = best(lambda: [scanned(path) for path in many], len(many), ROUNDS)
    print(f"headers, {len(FIELDS)} attributes, files per CPU-second")
    named = {"imaging": ours, "each alone": alone, "bytes only": floor, "gdcm.Scanner": scanner, "pydicom": theirs}
    for name, speed in named.items():
        print(f"  {name:14} {speed:8.0f}   imaging is {ours / speed:.1f} times")
    return ours, theirs


def catalogue(paths: list[str], place: Path, theirs: float) -> float:
    """Return files per CPU-second of a catalogue from nothing."""
    folder = multiplied(paths, FILES, place / "files")
    out = iter(place / f"catalogue{number}" for number in range(ROUNDS))
    first = best(lambda: index_folder(folder, next(out), memory_mb=256), FILES, ROUNDS)
    again = best(lambda: index_folder(folder, place / "catalogue0", memory_mb=256), FILES, 1)
    series = len(read_table(place / "catalogue0" / "series.parquet"))
    print(
        f"catalogue from nothing: {first:8.0f} files per CPU-second, {first / theirs:.1f} times pydicom's reading alone ({series} series)"
    )
    print(f"catalogue, again:       {again:8.0f} files per CPU-second")
    return first


def growth(paths: list[str], place: Path) -> float:
    """Return by how many MB memory grows from a small folder to a large one."""
    index_folder(multiplied(paths, FEW, place / "few"), place / "few-out", memory_mb=256)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    index_folder(multiplied(paths, MANY, place / "many"), place / "many-out", memory_mb=256)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"memory: {MANY} files take {grown:.0f} MB more than {FEW}")
    return grown


def main() -> int:
    warnings.simplefilter("ignore")
    if not SHARED.exists():
        print(f"no real data in {SHARED}")
        return 0
    paths = sorted(os.fspath(path) for folder in FOLDERS for path in (SHARED / folder).glob("*.dcm"))
    ours, theirs = headers(paths)
    with tempfile.TemporaryDirectory() as place:
        indexed = catalogue(paths, Path(place), theirs)
        grown = growth(paths, Path(place))
    slowest = min(ours, indexed)
    return int(slowest < WANTED_SPEED or slowest < WANTED_RATIO * theirs or grown > WANTED_GROWTH_MB)


if __name__ == "__main__":
    sys.exit(main())
