"""Weights out of a PyTorch file (.pt, .pth), which is a pickle: read only where it names tensors and nothing that could run.

``torch.load(weights_only=True)`` is a restricted reader that has had holes (CVE-2025-32434). So three things are done before it is called:
the pickle's own instructions are listed, without being carried out, and whatever names anything but tensors refuses the file; sizes that
are declared are compared with those that are there; and what is loaded is a new archive of just these records, so that two readers of
zip archives cannot disagree about what the file holds.
"""

from __future__ import annotations

import pickletools
import shutil
import tempfile
import zipfile
from pathlib import Path

import torch

from imaging.errors import ModelError

__all__ = ["read_state"]

#: What the pickle of a state dictionary names; storages besides.
_NAMED = {"collections OrderedDict", "torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_parameter", "torch Size"}
_STORAGES = {f"torch {kind}Storage" for kind in ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")}

#: Other ways of a pickle to name or make things, and those of protocols that PyTorch does not write.
_FORBIDDEN = {"STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "PERSID", "NEXT_BUFFER", "BYTEARRAY8"}

_LARGEST_PICKLE = 20_000_000

#: Where a checkpoint keeps the network's state, if it holds more than that.
_STATES = ("model", "state_dict", "network")


def read_state(path: Path, *, place: Path | None = None) -> dict[str, torch.Tensor]:
    """Return the tensors of a state dictionary.

    Parameters
    ----------
    path : Path
        As ``torch.save`` writes it since PyTorch 1.6: of a state dictionary, or of a dictionary that holds one as ``model`` or
        ``state_dict``.
    place : Path, optional
        Folder of the copy that is loaded, for as long as that takes; that for temporary files unless given.

    Returns
    -------
    dict of str to Tensor
        On the CPU.

    Raises
    ------
    ModelError
        If it is TorchScript, which is code; if it names anything but tensors (said by name); if it declares more than it holds.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=".weights-", dir=place) as work, zipfile.ZipFile(path) as archive:
            _check_names(archive.read(_audited(archive, path)))
            clean = Path(work, "audited.zip")
            _copy(archive, clean)
            found = torch.load(clean, map_location="cpu", weights_only=True)
    except zipfile.BadZipFile as error:
        raise ModelError(
            f"{path.name} is a bare pickle, no archive of weights", hint="save its state dictionary as safetensors where you trust it"
        ) from error
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"{path.name}: PyTorch cannot read its weights ({type(error).__name__})", hint="fetch it again") from error
    return _tensors(found, path)


def _copy(archive: zipfile.ZipFile, target: Path) -> None:
    """Write an archive's records anew; each is compared with its checksum on the way."""
    with zipfile.ZipFile(target, "w") as copied:
        for member in archive.infolist():
            with archive.open(member) as record, copied.open(member.filename, "w", force_zip64=True) as clean:
                shutil.copyfileobj(record, clean)


def _audited(archive: zipfile.ZipFile, path: Path) -> str:
    """Return the name of the record of instructions, once the archive's records are known to be what a state dictionary has."""
    members = archive.infolist()
    names = [member.filename for member in members]
    if any("/code/" in name or name.endswith("/constants.pkl") for name in names):
        raise ModelError(
            f"{path.name} is TorchScript: a program, not weights", hint="ask for the state dictionary (model.pt) or safetensors"
        )
    if any(member.compress_type != zipfile.ZIP_STORED for member in members) or len(set(names)) < len(names):
        raise ModelError(f"{path.name} has packed or repeated records, which PyTorch never writes")
    if sum(member.file_size for member in members) > path.stat().st_size:
        raise ModelError(f"{path.name} declares more bytes than it holds")
    pickles = [member for member in members if member.filename.endswith(".pkl")]
    if len(pickles) != 1 or not pickles[0].filename.endswith("/data.pkl") or pickles[0].file_size > _LARGEST_PICKLE:
        raise ModelError(f"{path.name}: found {len(pickles)} pickles, wanted data.pkl alone, of at most {_LARGEST_PICKLE} bytes")
    return pickles[0].filename


def _check_names(pickle: bytes) -> None:
    """Refuse instructions that name anything but tensors; none is carried out."""
    for opcode, argument, _ in pickletools.genops(pickle):
        if opcode.name in _FORBIDDEN:
            raise ModelError(f"the weights' pickle uses {opcode.name}, which no state dictionary needs", hint="do not load it anywhere")
        if opcode.name == "GLOBAL" and argument not in _NAMED | _STORAGES:
            raise ModelError(
                f"the weights' pickle names {argument[:100]!a}: more than tensors", hint="it could run code: do not load it anywhere"
            )


def _tensors(found: object, path: Path) -> dict[str, torch.Tensor]:
    for name in _STATES:
        if isinstance(found, dict) and isinstance(found.get(name), dict):
            found = found[name]
    if not isinstance(found, dict) or not found or not all(isinstance(name, str) for name in found):
        raise ModelError(f"{path.name} holds no state dictionary", hint="save network.state_dict()")
    tensors = {name: each.detach() for name, each in found.items() if isinstance(each, torch.Tensor)}
    other = [name for name in found if name not in tensors]
    if other:
        raise ModelError(f"{path.name}: {len(other)} entries of its state are no tensors, as {other[0][:100]!a}")
    # A tensor of stride 0 may declare any shape over one number.
    if sum(each.numel() * each.element_size() for each in tensors.values()) > 2 * path.stat().st_size:
        raise ModelError(f"{path.name} declares tensors of more bytes than it holds")
    return tensors
