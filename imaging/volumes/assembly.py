"""From a series to volumes, as far as its verdict and the caller's policy allow; what is not allowed is refused with the reasons."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from imaging.errors import GeometryError, ImageDataError, TaskError
from imaging.geometry import Geometry, Verdict
from imaging.volumes.series import Series, open_series
from imaging.volumes.values import apply, unit_of
from imaging.volumes.volume import SliceSource, Volume

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping

__all__ = ["LIMIT_BYTES", "SERVES", "Part", "Policy", "RefusedGeometry", "check_size", "parts", "questioned", "read_volume", "read_volumes"]

#: A volume that needs more memory than this is refused before any is taken.
LIMIT_BYTES = 8 << 30


class Policy(StrEnum):
    """What to do about a verdict."""

    #: Make nothing of it.
    REFUSE = "refuse"
    #: Make a volume of each stack.
    SPLIT = "split"
    #: Interpolate onto a regular grid.
    RESAMPLE = "resample"
    #: Stack the slices as they are; there is no affine where none is true.
    KEEP = "keep"


#: Verdict -> policies under which a volume is made all the same. REGULAR, MULTI_FRAME and SINGLE need none.
SERVES: dict[Verdict, tuple[Policy, ...]] = {
    Verdict.GAP: (Policy.RESAMPLE, Policy.KEEP),
    Verdict.IRREGULAR: (Policy.RESAMPLE, Policy.KEEP),
    Verdict.SHEARED: (Policy.RESAMPLE, Policy.KEEP),
    Verdict.MULTI_STACK: (Policy.SPLIT, Policy.RESAMPLE, Policy.KEEP),
    Verdict.LOCALISER: (Policy.SPLIT, Policy.KEEP),
    Verdict.COLOUR: (Policy.KEEP,),
    Verdict.UNPLACED: (Policy.KEEP,),
    Verdict.UNCALIBRATED: (Policy.KEEP,),
    Verdict.MOSAIC: (Policy.KEEP,),
}

#: Of one frame these do no harm: its values are right, and without an affine nothing can be measured in mm.
_HARMLESS_ALONE = (Verdict.UNPLACED, Verdict.UNCALIBRATED)

_NOT_INTERPOLATED = (Verdict.COLOUR, Verdict.MOSAIC, Verdict.UNCALIBRATED, Verdict.UNPLACED)
_UNEVEN = (Verdict.GAP, Verdict.IRREGULAR, Verdict.SHEARED)


class RefusedGeometry(GeometryError):
    """A series that the policy makes no volume of.

    Parameters
    ----------
    geometry : Geometry
        Verdicts and reasons, for the caller to word.
    verdicts : tuple of Verdict
        Those that stand in the way.
    """

    def __init__(self, geometry: Geometry, verdicts: tuple[Verdict, ...]) -> None:
        self.geometry, self.verdicts = geometry, verdicts
        ways = [f"{verdict}: {' or '.join(SERVES[verdict])}" for verdict in verdicts if geometry.stacks or verdict != Verdict.MULTI_STACK]
        super().__init__(
            f"geometry is {', '.join(geometry.verdicts)}, wanted one regular stack: {'; '.join(map(str, geometry.reasons))}",
            hint=f"policies that serve: {', '.join(ways)}" if ways else "nothing in the headers says how to make a volume of it",
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """One volume that a series may be made into; pixels are not read before :meth:`read`.

    Parameters
    ----------
    series : Series
        The series.
    geometry : Geometry
        Of this part.
    refused : tuple of Verdict
        What stands in the way under the policy; empty where nothing does.
    resample : bool
        Whether it is to be interpolated.
    key : dict
        What tells it from the other parts.
    """

    series: Series
    geometry: Geometry
    refused: tuple[Verdict, ...] = ()
    resample: bool = False
    key: dict[str, object] = field(default_factory=dict)

    def read(self, *, step_mm: float | None = None, limit_bytes: int = LIMIT_BYTES) -> Volume:
        """Return the volume.

        Parameters
        ----------
        step_mm : float, optional
            Between slices of a resampled volume; the missing slices' step, or the median one, unless given.
        limit_bytes : int
            Memory that its array may take.

        Returns
        -------
        Volume
            The volume.

        Raises
        ------
        RefusedGeometry
            If its verdicts are refused.
        ImageDataError
            If pixels cannot be decoded, or the array is larger than the limit.
        """
        if self.refused:
            raise RefusedGeometry(self.geometry, self.refused)
        _compare_duplicates(self.series, self.series.geometry, set(self.geometry.order))
        if self.resample:
            from imaging.volumes.resampling import resampled

            return resampled(self, step_mm=step_mm, limit_bytes=limit_bytes)
        return _stacked(self, limit_bytes)


def parts(series: Series, policy: Policy | str | Mapping[Verdict, Policy] = Policy.REFUSE) -> list[Part]:
    """Return the volumes that a policy makes of a series, those that it refuses too, without reading pixels.

    Parameters
    ----------
    series : Series
        The series.
    policy : Policy or mapping of Verdict to Policy
        One for all verdicts, or one each; a verdict without one is refused.

    Returns
    -------
    list of Part
        One, or one for each stack.

    Raises
    ------
    TaskError
        If there is no such policy.
    """
    chosen = _chosen(policy)
    whole = series.geometry
    if not whole.stacks or chosen[Verdict.MULTI_STACK] is Policy.REFUSE:
        return [_part(series, whole, chosen, {})]
    return [_part(series, stack.geometry, chosen, stack.key) for stack in whole.stacks]


def questioned(verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
    """Return those of a geometry's verdicts that need a policy which serves.

    Parameters
    ----------
    verdicts : iterable of Verdict
        All that hold.

    Examples
    --------
    >>> questioned([Verdict.GAP, Verdict.MULTI_FRAME]), questioned([Verdict.SINGLE, Verdict.UNPLACED])
    ((<Verdict.GAP: 'gap'>,), ())
    """
    found = tuple(verdicts)
    alone = _HARMLESS_ALONE if Verdict.SINGLE in found else ()
    return tuple(verdict for verdict in found if verdict in SERVES and verdict not in alone)


def read_volumes(
    source: Series | Iterable[str | os.PathLike[str]],
    policy: Policy | str | Mapping[Verdict, Policy] = Policy.REFUSE,
    *,
    step_mm: float | None = None,
    limit_bytes: int = LIMIT_BYTES,
) -> list[Volume]:
    """Return all volumes of a series, or none: the first that is refused ends it.

    Parameters
    ----------
    source : Series or iterable of path
        The series, or its files.
    policy : Policy or mapping of Verdict to Policy
        See :func:`parts`.
    step_mm : float, optional
        See :meth:`Part.read`.
    limit_bytes : int
        Memory that each array may take.

    Returns
    -------
    list of Volume
        Array, affine, spacing, unit, verdict and where each slice came from.

    Raises
    ------
    RefusedGeometry
        If the verdict forbids a volume under this policy.
    ImageDataError
        If files or pixels cannot be read.
    """
    found = parts(_opened(source), policy)
    for part in found:
        if part.refused:
            raise RefusedGeometry(part.geometry, part.refused)
    return [part.read(step_mm=step_mm, limit_bytes=limit_bytes) for part in found]


def read_volume(
    source: Series | Iterable[str | os.PathLike[str]],
    policy: Policy | str | Mapping[Verdict, Policy] = Policy.REFUSE,
    *,
    step_mm: float | None = None,
    limit_bytes: int = LIMIT_BYTES,
) -> Volume:
    """Return the one volume of a series; everything else as :func:`read_volumes`.

    Parameters
    ----------
    source, policy, step_mm, limit_bytes : object
        See there.

    Returns
    -------
    Volume
        See there.

    Raises
    ------
    RefusedGeometry
        If the series makes more than one, too.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> volume = read_volume([get_testdata_file("CT_small.dcm")])
    >>> volume.shape, volume.unit, int(volume.array.min())
    ((1, 128, 128), 'HU', -896)
    """
    series = _opened(source)
    found = parts(series, policy)
    if len(found) > 1:
        raise RefusedGeometry(series.geometry, (Verdict.MULTI_STACK,))
    return found[0].read(step_mm=step_mm, limit_bytes=limit_bytes)


def _opened(source: Series | Iterable[str | os.PathLike[str]]) -> Series:
    return source if isinstance(source, Series) else open_series(source)


def _chosen(policy: Policy | str | Mapping[Verdict, Policy]) -> dict[Verdict, Policy]:
    try:
        if isinstance(policy, str):
            return dict.fromkeys(Verdict, Policy(policy))
        return dict.fromkeys(Verdict, Policy.REFUSE) | {Verdict(verdict): Policy(value) for verdict, value in policy.items()}
    except ValueError as error:
        raise TaskError(f"{error}; wanted one of {', '.join(Policy)}", hint="a policy, or a verdict's name with its policy") from error


def _part(series: Series, geometry: Geometry, chosen: dict[Verdict, Policy], key: dict[str, object]) -> Part:
    in_question = questioned(geometry.verdicts)
    resample = any(chosen[verdict] is Policy.RESAMPLE for verdict in in_question if verdict in _UNEVEN)
    # A part that is still of several stacks cannot be told apart; what has no grey values or no spacing cannot be interpolated.
    never = (Verdict.MULTI_STACK, *(_NOT_INTERPOLATED if resample else ()))
    refused = tuple(verdict for verdict in in_question if chosen[verdict] not in SERVES[verdict] or verdict in never)
    return Part(series=series, geometry=geometry, refused=refused, resample=resample, key=key)


def _stacked(part: Part, limit_bytes: int) -> Volume:
    series, geometry = part.series, part.geometry
    order, first = geometry.order, series.frames[geometry.order[0]]
    colours = geometry.has(Verdict.COLOUR)
    unit = "" if colours else unit_of(series.places[index].meaning for index in order)
    shape = (*geometry.shape, 3) if colours else geometry.shape
    check_size(shape, series.dtype_of(order), limit_bytes)
    frames = series.stored(order)
    # A header that declares more than its file holds is found out before memory is taken for all of it.
    frames = chain([next(frames)], frames)
    array = np.empty(shape, series.dtype_of(order))
    for slot, index, stored in zip(array, order, frames, strict=True):
        if colours:
            slot[...] = stored
        else:
            apply(stored, series.places[index].meaning, slot)
    return Volume(
        array=array,
        affine=geometry.affine,
        spacing_mm=geometry.spacing_mm,
        unit=unit,
        geometry=geometry,
        slices=tuple(SliceSource(series.frames[index].instance, series.frames[index].number) for index in order),
        low_is_white=first.photometric == "MONOCHROME1",
        key=part.key,
    )


def check_size(shape: tuple[int, ...], dtype: np.dtype, limit_bytes: int) -> None:
    """Refuse an array that would take too much memory.

    Parameters
    ----------
    shape : tuple of int
        Its shape.
    dtype : dtype
        Its type.
    limit_bytes : int
        What it may take.

    Raises
    ------
    ImageDataError
        If it would take more.
    """
    needed = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if needed > limit_bytes:
        raise ImageDataError(
            f"the volume takes {needed} bytes, the limit is {limit_bytes}", hint="read fewer slices, or raise limit_bytes", code="too-large"
        )


def _compare_duplicates(series: Series, geometry: Geometry, wanted: set[int]) -> None:
    """Refuse a series in which one instance UID stands for two images."""
    for kept, dropped in geometry.duplicates:
        if kept in wanted and not np.array_equal(*(next(series.stored([index])) for index in (kept, dropped))):
            raise ImageDataError(
                f"{series.places[dropped].path}: same SOP Instance UID as another file of the series, other pixels",
                hint="one of the two was changed without a new UID: find out which, and leave it out",
                code="same-uid",
            )
