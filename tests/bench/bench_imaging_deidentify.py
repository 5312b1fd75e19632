"""De-identification against peers, in one run: files per CPU-second on plain CT files, and which of the planted probes are left.

The files are the real chest and head CT beside the checkout, each an instance of its own, with text in pixels not looked for, as no peer
does. Ours are told twice: file by file, as the peers are, and as the command does a folder, with records. The measure is the plainest
recursion over the table with pydicom, by the same Python, round by round: a machine that others use as well is slow for both. Peers are
started in the environment that ``DEIDENTIFY_PEERS`` names (its ``python``), by default in this one; those that are not there are named.
Exit code 1 if a probe is left, if a peer leaves as few, or below 250 files per CPU-second, measured or where the recursion does its 274.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pydicom

from imaging.deidentify.file import deidentify_file
from imaging.deidentify.folder import deidentify_folder
from imaging.deidentify.pixels import PixelPolicy
from tests.lib.deidentify_peers import PLAIN, TOOLS
from tests.lib.dicom_files import ct_series
from tests.lib.dicom_keys import TestKeys
from tests.lib.dicom_probes import BYTES, NAME, PATIENT, PLACES, SPELT, left, planted

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "imaging"
FOLDERS = ("chest_ct_harbin/series", "head_ct_gantry_tilt/ge_hispeed")
PEERS = Path(__file__).resolve().parents[1] / "lib" / "deidentify_peers.py"
WANTED_SPEED, FILES, ROUNDS = 250, 140, 4
#: What the recursion does on a machine of its own, files per CPU-second.
CALM = 274
HEADERS, PATIENTS = PixelPolicy(reading="none"), {PATIENT: ["张^晓明"]}


def plain_files(folder: Path) -> list[Path]:
    """Write real files, each with a SOP Instance UID of its own."""
    sources = sorted(path for name in FOLDERS for path in (SHARED / name).iterdir() if path.suffix == ".dcm")
    made = []
    for number in range(FILES):
        source = sources[number % len(sources)]
        uid = pydicom.dcmread(source, specific_tags=["SOPInstanceUID"]).SOPInstanceUID.encode()
        made.append(folder / f"{number:04d}.dcm")
        made[-1].write_bytes(source.read_bytes().replace(uid, uid[:-4] + f"{1000 + number}".encode()))
    return made


def probe_files(folder: Path) -> dict[str, str]:
    """Write a file for each probe; return the file's name and the probe."""
    found = {}
    for number, place in enumerate([*PLACES, *BYTES, *SPELT], start=100):
        latin = {"PatientName": "Zhang^XiaoMing", "SpecificCharacterSet": "ISO_IR 100"} if "Chinese" in place else {}
        base = ct_series(1, size=16, **({"PatientName": NAME, "PatientID": PATIENT} | latin))[0]
        data, found[f"{number}.dcm"] = planted(base, place, number)
        (folder / f"{number}.dcm").write_bytes(data)
    return found


def by_file(source: Path, out: Path) -> float:
    start = time.process_time()
    for path in sorted(source.iterdir()):
        deidentify_file(path, out / path.name, keys=TestKeys(), pixels=HEADERS, patients=PATIENTS)
    return time.process_time() - start


def by_folder(source: Path, out: Path) -> float:
    start = time.process_time()
    deidentify_folder(source, out / "clean", records=out / "records", keys=TestKeys(), pixels=HEADERS, patients=PATIENTS)
    return time.process_time() - start


def by_peer(name: str, source: Path, out: Path) -> float | None:
    """Return a peer's CPU-seconds, or None where it is not there or does not start."""
    python = sys.executable if name == PLAIN else os.environ.get("DEIDENTIFY_PEERS", sys.executable)
    done = subprocess.run([python, PEERS, name, source, out], capture_output=True, text=True, check=False)
    return float(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def run(name: str, place: Path, source: Path) -> tuple[float | None, Path]:
    out = Path(tempfile.mkdtemp(dir=place))
    return (OURS[name](source, out) if name in OURS else by_peer(name, source, out)), out


OURS = {"imaging": by_file, "imaging, folder": by_folder}


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        plain, probes = place / "plain", place / "probes"
        for path in (plain, probes):
            path.mkdir()
        plain_files(plain)
        planted_in = probe_files(probes)
        by_place = len(PLACES) + len(BYTES)
        print(f"{FILES} plain CT files, {len(planted_in)} probes (of which {by_place} by place and {len(SPELT)} by spelling)")
        # Round by round, so that a busy minute is everybody's.
        rounds = [{name: run(name, place, plain)[0] for name in (*OURS, *TOOLS)} for _ in range(ROUNDS)]
        speeds = {name: None if None in (times := [each[name] for each in rounds]) else FILES / min(times) for name in rounds[0]}
        remaining = {name: told(name, speed, place, probes, planted_in) for name, speed in speeds.items()}
    least = min(speeds[name] for name in OURS)
    calm = least / (speeds[PLAIN] or CALM) * CALM
    print(f"  {calm / CALM:.2f} times the plain recursion: {calm:.0f} files per CPU-second where that does {CALM}")
    peers = [count for name, count in remaining.items() if name not in OURS and count is not None]
    return 0 if remaining["imaging"] == 0 and all(peers) and max(least, calm) >= WANTED_SPEED else 1


def told(name: str, speed: float | None, place: Path, probes: Path, planted_in: dict[str, str]) -> int | None:
    """Say how fast a tool is and how many probes it leaves, and return these."""
    if speed is None:
        print(f"  {name:17} absent")
        return None
    shown = f"  {name:17} {speed:6.0f} files per CPU-second"
    if OURS.get(name) is by_folder:
        print(shown)
        return None
    _, out = run(name, place, probes)
    files = {path.name: path for path in out.rglob("*.dcm")}
    remaining = sum(left(files[file].read_bytes(), probe) for file, probe in planted_in.items() if file in files)
    print(f"{shown}, {remaining:2} probes left, {len(planted_in) - len(files):2} files not written")
    return remaining


if __name__ == "__main__":
    sys.exit(main())
