"""Where a training stands, in one safetensors file that is there whole or not at all."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from imaging.errors import ModelError, PlaceError

if TYPE_CHECKING:
    from pathlib import Path

    import torch

__all__ = ["State", "read_checkpoint", "write_checkpoint"]


@dataclass(slots=True, kw_only=True)
class State:
    """What a training knows besides its tensors.

    Parameters
    ----------
    task : str
        Digest of the task and its data: another one does not go on from here.
    epoch : int
        Epochs that are done.
    best, best_epoch : float, int
        Best validation and when; the epoch is 0 before the first.
    history : list of dict
        epoch, loss, score of each epoch.
    scaler : dict
        State of the gradient scaler, for float16.
    """

    task: str
    epoch: int = 0
    best: float = float("-inf")
    best_epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    scaler: dict[str, float] = field(default_factory=dict)


def write_checkpoint(path: Path, state: State, tensors: dict[str, dict[str, torch.Tensor]]) -> None:
    """Write a checkpoint.

    Parameters
    ----------
    path : Path
        The file; the one before it stands until this one is on the disk.
    state : State
        What is known.
    tensors : dict of str to dict
        Tensors by group and name.

    Raises
    ------
    PlaceError
        If it cannot be written.
    """
    flat = {
        f"{group}/{name}": tensor.detach().cpu().contiguous().clone() for group, those in tensors.items() for name, tensor in those.items()
    }
    aside = path.with_name(f".{uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        save_file(flat, aside, {"state": json.dumps(asdict(state))})
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        aside.replace(path)
    except (OSError, SafetensorError) as error:
        raise PlaceError(
            f"{path}: the checkpoint cannot be written ({type(error).__name__})", hint="make room, or choose another work folder"
        ) from error
    finally:
        aside.unlink(missing_ok=True)


def read_checkpoint(path: Path, task: str) -> tuple[State, dict[str, dict[str, torch.Tensor]]] | None:
    """Read a checkpoint.

    Parameters
    ----------
    path : Path
        The file.
    task : str
        Digest of what is to be trained.

    Returns
    -------
    tuple of State and dict, or None
        None where there is none.

    Raises
    ------
    ModelError
        If it is broken, or of another task.
    """
    if not path.exists():
        return None
    hint = "take the work folder away to begin anew, or give another one"
    try:
        with safe_open(path, "pt") as file:
            state = State(**json.loads(file.metadata()["state"]))
            tensors: dict[str, dict[str, torch.Tensor]] = {}
            for name in file.keys():  # noqa: SIM118 - no mapping
                group, _, rest = name.partition("/")
                tensors.setdefault(group, {})[rest] = file.get_tensor(name)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: the checkpoint cannot be read ({type(error).__name__})", hint=hint) from error
    if state.task != task:
        raise ModelError(f"{path} is the checkpoint of another task or other data", hint=hint)
    return state, tensors


def _sweep(folder: Path) -> None:
    """Remove what killed writers left."""
    for path in folder.glob(".*.part"):
        with suppress(OSError):
            path.unlink()
