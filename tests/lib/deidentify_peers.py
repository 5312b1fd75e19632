"""Other tools that de-identify, as a program of its own: it runs in whichever environment has them, and imports nothing of ours.

``python deidentify_peers.py TOOL IN OUT`` cleans every file of a folder, with the tool's own defaults, and prints CPU-seconds.
"""

import logging
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path


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


TOOLS = {"dcmanon": by_dcmanon, "dicom-anonymizer": by_dicom_anonymizer, "dicognito": by_dicognito, "deid": by_deid}


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
    print(clean_all(TOOLS[sys.argv[1]](), sorted(Path(sys.argv[2]).iterdir()), Path(sys.argv[3])))
