"""``python -m imaging.models TASK.yaml OUT``: what ``torchrun --nproc-per-node 4 -m imaging.models`` starts."""

from __future__ import annotations

import argparse
import sys

from imaging.errors import ImagingError
from imaging.models.task import read_task


def main() -> int:
    """Train the task and say each epoch on the standard error; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m imaging.models", description="Train a task and write its bundle.")
    parser.add_argument("task", help="YAML file")
    parser.add_argument("out", help="folder of the bundle")
    parser.add_argument("--work", help="folder of checkpoint and event files")
    parser.add_argument("--cache", help="folder of prepared images")
    parser.add_argument("--device", default="")
    parser.add_argument("--force", action="store_true")
    given = parser.parse_args()
    try:
        task = read_task(given.task)
        from imaging.models.progress import TrainingView
        from imaging.models.training import train

        train(task, given.out, work=given.work, cache=given.cache, device=given.device, force=given.force, progress=TrainingView("en"))
    except ImagingError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
