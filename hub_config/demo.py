"""``make demo``: the whole story without a click, through the same doors that people use.

Staff build and publish a store and provision a project; a researcher opens a sealed session through the proxy, runs a
template in it, fails to get anything out by three forbidden ways, and asks for a release; a reviewer approves it. Nothing
here reaches into another component: it types commands and speaks to the hub as a browser does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from hub_config.errors import HubError

__all__ = ["Story", "main"]

CHECKOUT = Path(__file__).resolve().parents[1]
PROJECT, RESEARCHER, STUDENT, REVIEWER = "demo", "lin", "chen", "zhao"
PROJECT_TITLE = {"synthetic": "2型糖尿病住院患者的临床特征", "tongji": "入院24小时检验与住院结局"}
FIRST_ID = 200_000


@dataclass
class Story:
    """One telling of the story.

    Parameters
    ----------
    place : Path
        Folder in which everything happens; sessions' accounts must be able to pass through it.
    data : Path or None
        Folder with real input; None builds the synthetic hospital.
    patients : int
        Size of the synthetic hospital.
    english : bool
        Speak English instead of Chinese.
    """

    place: Path
    data: Path | None
    patients: int
    english: bool
    began: float = field(default_factory=time.monotonic)
    step: int = 0

    @property
    def state(self) -> Path:
        """The hub's state directory."""
        return self.place / "state"

    @property
    def config(self) -> Path:
        """The centre's settings that the story writes."""
        return self.place / "centre.toml"

    def say(self, zh: str, en: str) -> None:
        """Print a line of the story."""
        print(en if self.english else zh, flush=True)  # noqa: T201  (the demonstration speaks)

    def chapter(self, zh: str, en: str) -> None:
        """Begin a numbered step."""
        self.step += 1
        text = f"[{self.step}] {en if self.english else zh}"
        print(f"\n\033[1m{text}\033[0m  ({time.monotonic() - self.began:.0f} s)", flush=True)  # noqa: T201

    def run(self, *words: str | Path, refused: bool = False, show: bool = True) -> str:
        """Type a ``workbench`` command and show what it prints; a failure ends the story unless a refusal is wanted.

        Raises
        ------
        HubError
            If the command fails, or does not fail although a refusal was wanted.
        """
        arguments = [str(word) for word in words]
        print(f"  $ workbench {' '.join(arguments)}", flush=True)  # noqa: T201
        environment = {
            **os.environ,
            "WORKBENCH_POLICY": str(self.place / "policy.toml"),
            "WORKBENCH_LANGUAGE": "en" if self.english else "zh",
        }
        done = subprocess.run(
            [sys.executable, "-m", "workbench.cli", *arguments],
            cwd=CHECKOUT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=None if show else subprocess.PIPE,
            text=True,
        )
        if show:
            print("".join(f"    {line}\n" for line in done.stdout.splitlines()[:25]), end="", flush=True)  # noqa: T201
        if refused == (done.returncode == 0):
            message = f"workbench {' '.join(arguments)} ended with {done.returncode}"
            raise HubError(message, hint="the lines above say why")
        return done.stdout
