"""Series looked at: pictures drawn in the kernel, with a watermark, masks laid over them, charged to what the session may show."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from imaging.results import read_segmentation
from imaging.viewer.allowance import Allowance
from imaging.viewer.exhibits import Exhibit
from imaging.volumes import Volume, open_series, read_nifti, read_volume
from workbench.errors import DataError, DefinitionError
from workbench.locale import tr
from workbench.series.words import reason_words
from workbench.session import current, in_session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imaging.volumes import Policy

__all__ = ["Drawn", "Mask", "charge", "drawn", "exhibit_of", "masks_for", "watermark"]

#: Share of what a session may show in an hour that goes to pictures; the rest is for the notebook itself. The guard, outside, charges all.
_SHARE = 0.75
_SECONDS = 3600

#: Columns of a box in LPS mm: middle, and length along each axis; boxes that are drawn, the surest.
_BOX = ("x_mm", "y_mm", "z_mm", "size_x_mm", "size_y_mm", "size_z_mm")
_MOST_BOXES = 50

Mask = str | os.PathLike[str] | np.ndarray | Volume


class Drawn(NamedTuple):
    """A mask on a volume.

    Parameters
    ----------
    labels : ndarray, Volume or None
        On the volume's voxels.
    names : mapping of int to str
        Of the labels.
    source, drawn_by : str
        SOP Instance UID of a SEG, or the file's name; and the algorithm that a SEG names.
    """

    labels: np.ndarray | Volume | None = None
    names: Mapping[int, str] = {}
    source: str = ""
    drawn_by: str = ""


def exhibit_of(paths: Sequence[str], label: str, policy: Policy | str, mask: Mask | None = None, *, uid: str = "", **shown: Any) -> Exhibit:
    """Return a series as it is shown.

    Parameters
    ----------
    paths : sequence of str
        Its files.
    label : str
        Beside it; no patient's name or number belongs here.
    policy : Policy or str
        What to do about a verdict.
    mask : path, ndarray or Volume, optional
        A DICOM SEG of the series, a NIfTI file of labels, a table of boxes, or labels on the volume's voxels.
    uid : str
        Series Instance UID, by which boxes are chosen.
    **shown
        As :class:`imaging.viewer.exhibits.Exhibit` takes them: window, plane.

    Raises
    ------
    ImagingError
        If the series makes no volume under the policy, or the mask does not lie on it.
    """
    series = open_series(paths)
    volume = read_volume(series, policy)
    spaces = {frame.frame_of_reference for frame in series.frames}
    over = drawn(mask, volume, uid)
    return Exhibit(
        volume=volume,
        label=label,
        mask=over.labels,
        mask_names=over.names,
        frame_of_reference=spaces.pop() if len(spaces) == 1 else "",
        notices=tuple(map(reason_words, volume.geometry.reasons)),
        **shown,
    )


def masks_for(mask: Mask | Sequence[Mask | None] | None, count: int) -> Sequence[Mask | None]:
    """Return a mask, or none, for each of the series.

    Parameters
    ----------
    mask : path, ndarray, Volume or a list of them, optional
        One where there is one series, else one a series in their order.
    count : int
        Of the series.

    Raises
    ------
    DefinitionError
        If there are more or fewer masks than series.
    """
    masks = [None] * count if mask is None else mask if isinstance(mask, (list, tuple)) else [mask]
    if len(masks) != count:
        raise DefinitionError(f"{len(masks)} masks for {count} series", hint="mask=[one, None], in the order of the series")
    return masks


def watermark() -> str:
    """Return who looks, and when."""
    now = f"{datetime.now():%Y-%m-%d %H:%M}"
    with suppress(Exception):
        if in_session():
            session = current()
            return f"{session.project} {session.user} {now}"
    return now


def charge(size: int) -> bool:
    """Take the bytes of a picture from what all viewers of this kernel may show; outside a session nothing is counted.

    Parameters
    ----------
    size : int
        In bytes.
    """
    return not in_session() or _allowance(current().display.bytes_per_hour).take(size)


@cache
def _allowance(bytes_per_hour: int) -> Allowance:
    return Allowance(_SHARE * bytes_per_hour / _SECONDS, _SHARE * bytes_per_hour)


def drawn(mask: Mask | None, volume: Volume, uid: str = "") -> Drawn:
    """Return a mask, read where it is a file, on a volume.

    Parameters
    ----------
    mask : path, ndarray, Volume or None
        A DICOM SEG, a NIfTI file, labels, or the ``boxes.csv`` of a detection.
    volume : Volume
        What it is of.
    uid : str
        Series Instance UID, by which boxes are chosen.

    Raises
    ------
    DataError
        If the file is not there.
    ImagingError
        If it is no mask, or not of this volume.
    """
    if mask is None or isinstance(mask, (np.ndarray, Volume)):
        return Drawn(mask)
    path = Path(mask)
    if not path.is_file():
        raise DataError(
            tr(f"掩膜文件不存在：{path}", f"there is no file {path}"), hint=tr("请给出 SEG 或 NIfTI 文件", "give a SEG or NIfTI file")
        )
    if path.name.endswith((".nii", ".nii.gz")):
        return Drawn(read_nifti(path), source=path.name)
    if path.suffix == ".csv":
        return _boxes(path, volume, uid)
    found = read_segmentation(path, volume)
    names = {segment.number: segment.name for segment in found.segments}
    by = sorted({segment.algorithm for segment in found.segments} - {"MANUAL", ""})
    return Drawn(found.mask, names, found.instance, ", ".join(by))


def _boxes(path: Path, volume: Volume, uid: str) -> Drawn:
    """Return the boxes of a series as labels, the surest first in number and on top."""
    table = pd.read_csv(path)
    if missing := sorted({"series_instance_uid", "class", "score", *_BOX} - set(table.columns)):
        raise DataError(
            tr(f"{path} 缺少列 {missing[0]}", f"{path} lacks the column {missing[0]}"), hint="boxes.csv of workbench imaging predict"
        )
    if volume.affine is None:
        raise DataError(tr("该序列没有空间位置，无法画框", "the series has no place in space: boxes cannot be drawn on it"))
    found = table[table["series_instance_uid"] == uid].sort_values("score", ascending=False).head(_MOST_BOXES)
    labels = np.zeros(volume.shape[:3], np.uint8)
    for number, box in reversed(list(enumerate(found[list(_BOX)].to_numpy(float), start=1))):
        _fill(labels, volume.affine, box[:3], box[3:] / 2, number)
    names = {number: f"{row['class']} {row['score']:.2f}" for number, row in enumerate(found.to_dict("records"), start=1)}
    return Drawn(labels, names, path.name)


def _fill(labels: np.ndarray, affine: np.ndarray, centre_mm: np.ndarray, half_mm: np.ndarray, number: int) -> None:
    """Give the voxels whose middles lie within a box a number; only those about it are looked at."""
    corners = np.array([(*(centre_mm + half_mm * signs), 1) for signs in product((-1, 1), repeat=3)]) @ np.linalg.inv(affine).T
    ends = np.array(labels.shape)[::-1]
    low = np.clip(np.floor(corners[:, :3].min(axis=0)).astype(int), 0, ends)
    high = np.clip(np.ceil(corners[:, :3].max(axis=0)).astype(int) + 1, 0, ends)
    part = tuple(slice(one, other) for one, other in zip(low[::-1], high[::-1], strict=True))
    index = np.stack(np.meshgrid(*(np.arange(one, other) for one, other in zip(low, high, strict=True)), indexing="ij"), axis=-1)
    apart = np.abs(index @ affine[:3, :3].T + affine[:3, 3] - centre_mm)
    labels[part][(apart <= half_mm).all(axis=-1).T] = number
