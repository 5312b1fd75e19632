"""Other tools that de-identify, as a program of its own: it runs in whichever environment has them, and imports nothing of ours.

Beside them stands the plainest way that there is: a recursion over the Standard's table with pydicom. It is the measure of speed.

``python deidentify_peers.py TOOL IN OUT`` cleans every file of a folder, with the tool's own defaults, and prints CPU-seconds at best.
"""

import hashlib
import logging
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

TABLE = Path(__file__).resolve().parents[2] / "imaging" / "deidentify" / "data" / "profile.tsv"
PLAIN = "pydicom recursion"


def by_dcmanon() -> Callable[[Path, Path], None]:
    from dcmanon import Anonymizer

    tool = Anonymizer()
    return lambda source, out: out.write_bytes(tool.anonymize(str(source)))


def by_dicom_anonymizer() -> Callable[[Path, Path], None]:
    from dicomanonymizer import anonymize_dicom_file

    return lambda source, out: anonymize_dicom_file(str(source), str(out))


def by_dicognito() -> Callable[[Path, Path], None]:
    import pydicom
    from dicognito.anonymizer import Anonymizer

    tool = Anonymizer(seed="bench")

    def clean(source: Path, out: Path) -> None:
        dataset = pydicom.dcmread(source)
        tool.anonymize(dataset)
        dataset.save_as(out)

    return clean


def by_deid() -> Callable[[Path, Path], None]:
    from deid.config import DeidRecipe
    from deid.dicom import replace_identifiers

    recipe = DeidRecipe()

    def clean(source: Path, out: Path) -> None:
        replace_identifiers([str(source)], deid=recipe, save=True, output_folder=str(out.parent), overwrite=True, remove_private=True)

    return clean


def by_recursion() -> Callable[[Path, Path], None]:
    import pydicom
    from pydicom.dataset import FileMetaDataset

    actions = table()

    def file(source: Path, out: Path) -> None:
        dataset = pydicom.dcmread(source)
        recurse(dataset, actions)
        dataset.PatientName = dataset.PatientID = "someone"
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
        dataset.file_meta, dataset.preamble = meta, bytes(128)
        dataset.save_as(out, enforce_file_format=True)

    return file


def table() -> dict[int, str]:
    """Return the table's last letter by tag, and S for what is moved."""
    rows = [line.split("\t") for line in TABLE.read_text(encoding="utf-8").splitlines() if line[:1] not in ("", "#")]
    moved = rows[0].index("modified_dates")
    plain = (row for row in rows[1:] if set(row[0]) <= set("0123456789ABCDEF"))
    return {int(row[0], 16): "S" if row[moved] else row[1].rstrip("*")[-1] for row in plain}


def recurse(dataset: Any, actions: dict[int, str]) -> None:
    for tag in list(dataset.keys()):
        number = int(tag)
        action = actions.get(number)
        if action == "X" or number >> 16 & 1 or number >> 24 in (0x50, 0x60):
            del dataset[tag]
        elif action or dataset.get_item(tag).VR in ("SQ", "UI"):
            replace(dataset[tag], actions, action)


def replace(element: Any, actions: dict[int, str], action: str | None) -> None:
    if element.VR == "SQ":
        for item in element.value:
            recurse(item, actions)
    elif element.VR == "UI":
        element.value = [uid(value) for value in element.value] if element.VM > 1 else uid(element.value or "")
    elif action == "S":
        element.value = day(str(element.value)) if element.VR in ("DA", "DT") else element.value
    elif action in ("Z", "D"):
        element.value = None


def uid(value: str) -> str:
    return value if value.startswith("1.2.840.10008.") else f"2.25.{int.from_bytes(hashlib.sha256(value.encode()).digest()[:16], 'big')}"


def day(value: str) -> str:
    try:
        return f"{date(int(value[:4]), int(value[4:6]), int(value[6:8])) - timedelta(91):%Y%m%d}{value[8:]}"
    except ValueError:
        return ""


TOOLS = {PLAIN: by_recursion, "dcmanon": by_dcmanon, "dicom-anonymizer": by_dicom_anonymizer, "dicognito": by_dicognito, "deid": by_deid}


def clean_all(tool: Callable[[Path, Path], None], sources: Iterable[Path], out: Path) -> float:
    """Clean files one by one, and return CPU-seconds; what a tool refuses it does not write."""
    start = time.process_time()
    for source in sources:
        try:
            tool(source, out / source.name)
        except Exception as error:
            print(f"{source.name}: {type(error).__name__}", file=sys.stderr)
    return time.process_time() - start


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    tool, paths = TOOLS[sys.argv[1]](), sorted(Path(sys.argv[2]).iterdir())
    # Twice: what a tool imports and compiles on first use is no part of its speed.
    print(min(clean_all(tool, paths, Path(sys.argv[3])) for _ in range(2)))
