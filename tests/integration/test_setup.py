"""`make setup` in a new clone at the path of an old one: the environment is ready, the link to it is not."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.lib.paths import REPOSITORY


def test_a_new_clone_finds_the_environment_of_an_old_one(tmp_path: Path) -> None:
    checkout, images = tmp_path / "checkout", tmp_path / "images"
    checkout.mkdir()
    for name in ("Makefile", "constraints.txt", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, checkout)

    def make(*arguments: str) -> str:
        command = ["make", "--no-print-directory", "-C", str(checkout), f"IMAGES={images}", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    ready = Path(make("--eval=where: ; @echo $(STAMP)", "where").strip())
    ready.parent.mkdir(parents=True)
    ready.touch()

    make("setup")

    assert (checkout / ".venv").resolve() == ready.parent
