"""The viewer in a notebook: the browser asks for slices and measurements, the kernel draws and measures.

Pictures go as messages and are never part of the widget's state, so that no notebook keeps them; the state holds names and numbers of
what may be asked for. A message is answered or refused, whatever it holds.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np
import traitlets

from imaging.errors import ImagingError, TaskError
from imaging.viewer.allowance import Allowance
from imaging.viewer.exhibits import Exhibit, words
from imaging.viewer.messages import Look, Place, look_in, name_in, place_in, point_in
from imaging.viewer.readout import circle_in, distance_between, value_at
from imaging.viewer.rendering import COLOURS, LIMIT, MaskStyle, Picture, render_slice

if TYPE_CHECKING:
    from collections.abc import Callable

    from imaging.viewer.planes import View
    from imaging.volumes import Volume

__all__ = ["Viewer"]

_HERE = Path(__file__).parent

#: Bytes that a read-out is charged for; how many a second, and at once: a hand on a mouse needs no more.
READOUT_BYTES, READOUTS_PER_SECOND, READOUTS_AT_ONCE = 64, 12.0, 60

#: Names of a mask's labels that are listed.
MOST_LABELS = 64


class Viewer(anywidget.AnyWidget):
    """Viewer of one or more volumes.

    Parameters
    ----------
    *shown : Exhibit or Volume
        What is shown; the first two side by side.
    watermark : str or callable
        Text drawn all over each picture (session, user, time), or what gives it; given anew for each picture.
    charge : callable, optional
        Called with the bytes about to be sent; where it gives False, they are not sent. None charges nobody.
    limit : int
        Pixels of a picture's longer side, at most; 768 is the most that there is.
    layout : str, optional
        one, three (planes) or side (by side); side for two volumes, else one.
    language : str
        zh or en; the reader may change it.

    Raises
    ------
    TaskError
        If there is nothing to show, or a setting means nothing.
    """

    _esm = _HERE / "widget.js"
    _css = _HERE / "widget.css"
    series = traitlets.List().tag(sync=True)
    settings = traitlets.Dict().tag(sync=True)
    words = traitlets.Dict().tag(sync=True)
    language = traitlets.Unicode("zh").tag(sync=True)

    def __init__(
        self,
        *shown: Exhibit | Volume,
        watermark: str | Callable[[], str] = "",
        charge: Callable[[int], bool] | None = None,
        limit: int = LIMIT,
        layout: str | None = None,
        language: str = "zh",
    ) -> None:
        exhibits = tuple(one if isinstance(one, Exhibit) else Exhibit(volume=one) for one in shown)
        layout = layout or ("side" if len(exhibits) > 1 else "one")
        if not exhibits or layout not in words(language)["layouts"] or not 256 <= limit <= LIMIT:
            raise TaskError(
                f"viewer: found {len(exhibits)} volumes, layout {layout!r}, limit {limit}",
                hint=f"at least one volume; layout one, three or side; limit 256 to {LIMIT}",
            )
        self._exhibits, self._limit = exhibits, limit
        self._watermark = watermark if callable(watermark) else lambda: watermark
        self._charge = charge or (lambda _: True)
        self._readouts = Allowance(READOUTS_PER_SECOND, READOUTS_AT_ONCE)
        super().__init__(
            series=[_described(exhibit, exhibits[0]) for exhibit in exhibits],
            settings={"layout": layout, "limit": limit},
            words={each: words(each) for each in ("zh", "en")},
            language=language,
        )
        self.on_msg(lambda _, content, __: self.handle(content))

    def handle(self, message: Any) -> None:
        """Answer a message of the browser; one that is not valid gets a fault, one without a name gets nothing.

        Parameters
        ----------
        message : dict
            `id`, and `do`: show, read, distance or circle; see :mod:`imaging.viewer.messages` for the rest.
        """
        name = name_in(message)
        if name is None:
            return
        action = {"show": self._show, "read": self._read, "distance": self._distance, "circle": self._circle}.get(_text(message.get("do")))
        try:
            answer, picture = action(message) if action else ({"fault": "request"}, None)
        except ImagingError:
            answer, picture = {"fault": "request"}, None
        size = READOUT_BYTES if picture is None else len(picture)
        if "fault" not in answer and not self._charge(size):
            answer, picture = {"fault": "budget"}, None
        # A closed page hears nothing.
        with contextlib.suppress(OSError):
            self.send({"id": name, **answer}, buffers=None if picture is None else [picture])

    # --------------------------------------------------------------------------------------------------------- answers

    def _show(self, message: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        look = look_in(message, self._exhibits, self._limit)
        index, point, outside = _slice_of(look)
        exhibit, view, _ = look.place
        picture = render_slice(
            exhibit.volume,
            view.plane,
            index,
            look.window or exhibit.first_window,
            look.size,
            mask=exhibit.labels if look.mask is not None else None,
            mask_style=look.mask or MaskStyle(),
            watermark=self._watermark(),
            inverted=look.inverted,
            box=look.box,
        )
        return _told(picture, point) | {"outside": outside}, picture.jpeg()

    def _read(self, message: dict[str, Any]) -> tuple[dict[str, Any], None]:
        exhibit, view, index = self._asked(message)
        voxel = view.index_at(index, *point_in(message, "at"))
        mm = view.mm_of(voxel)
        return {"value": _finite(value_at(exhibit.volume, voxel)), "point": None if mm is None else mm.tolist()}, None

    def _distance(self, message: dict[str, Any]) -> tuple[dict[str, Any], None]:
        _, view, index = self._asked(message)
        one, other = (view.index_at(index, *point_in(message, name)) for name in ("from", "to"))
        return {"length": distance_between(view, one, other)}, None

    def _circle(self, message: dict[str, Any]) -> tuple[dict[str, Any], None]:
        exhibit, view, index = self._asked(message)
        centre, edge = (view.index_at(index, *point_in(message, name)) for name in ("from", "to"))
        found = circle_in(exhibit.volume, view, centre, edge)
        return {name: _finite(value) for name, value in found._asdict().items()}, None

    def _asked(self, message: dict[str, Any]) -> Place:
        if not self._readouts.take(1):
            raise TaskError("message: more read-outs a second than are given")
        return place_in(message, self._exhibits)


def _slice_of(look: Look) -> tuple[int, np.ndarray | None, bool]:
    """Return the slice, the point to mark within it (LPS mm), and whether the point that was asked for lies beyond the volume's ends."""
    _, view, index = look.place
    voxel = None if look.point_mm is None else view.voxel_of(np.array(look.point_mm))
    if voxel is None:
        return index or 0, view.mm_of(view.index_at(index or 0, 0.5, 0.5)), False
    wanted = voxel[view.axes[0]]
    found = int(np.clip(np.rint(wanted), 0, view.count - 1)) if index is None else index
    voxel[view.axes[0]] = found
    return found, view.mm_of(voxel), bool(index is None and not -0.5 <= wanted <= view.count - 0.5)


def _told(picture: Picture, point: np.ndarray | None) -> dict[str, Any]:
    """Return what is written beside a picture."""
    view: View = picture.view
    place = view.position(picture.index)
    height, width = picture.pixels.shape[:2]
    return {
        "index": picture.index,
        "position": None if place is None else [place[0], round(place[1], 2)],
        "point": None if point is None else point.tolist(),
        "mark": None if point is None else list(view.share_at(view.voxel_of(point))),
        "width": width,
        "height": height,
    }


def _described(exhibit: Exhibit, first: Exhibit) -> dict[str, Any]:
    """Return what the browser is told of a volume: names and numbers of what may be asked for."""
    volume = exhibit.volume
    chosen = next(iter(exhibit.views)) if exhibit.plane is None else exhibit.plane
    return {
        "label": exhibit.label,
        "unit": volume.unit,
        "plane": str(chosen),
        "planes": [_plane(view) for view in exhibit.views.values()],
        "window": None if exhibit.first_window is None else list(exhibit.first_window),
        "presets": [[name, *window] for name, window in exhibit.presets.items()],
        "mask": [[exhibit.mask_names.get(label, str(label)), COLOURS[(label - 1) % len(COLOURS)]] for label in _used(exhibit.labels)],
        "start": _start(exhibit),
        "placed": volume.affine is not None,
        "linked": exhibit.shares_place(first),
        "moves": exhibit.moves,
        "rate": exhibit.frames_per_second,
        "notices": list(exhibit.notices),
    }


def _start(exhibit: Exhibit) -> list[float] | None:
    """Return the voxel nearest to the mask's middle, in the slice that has most of it, in LPS mm; None without a mask or an affine."""
    labels, affine = exhibit.labels, exhibit.volume.affine
    if labels is None or affine is None:
        return None
    most = int(np.argmax([np.count_nonzero(plane) for plane in labels]))
    inside = np.argwhere(labels[most])
    if not inside.size:
        return None
    row, column = inside[np.abs(inside - inside.mean(axis=0)).sum(axis=1).argmin()]
    return (affine[:3] @ (column, row, most, 1)).tolist()


def _used(labels: np.ndarray | None) -> list[int]:
    """Return the first labels that a mask has, slice by slice: a whole one would be sorted."""
    found: set[int] = set()
    for plane in () if labels is None else labels:
        found.update(np.unique(plane).tolist() if plane.any() else ())
    return sorted(map(int, found - {0}))[:MOST_LABELS]


def _plane(view: View) -> dict[str, Any]:
    height, width = view.size
    return {
        "name": str(view.plane),
        "count": view.count,
        "letters": view.letters,
        "oblique": round(view.oblique_degrees),
        "aspect": height / width,
    }


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _finite(value: float | list[int] | None) -> float | list[int] | None:
    """Return None for what JSON has no word for."""
    return None if isinstance(value, float) and not np.isfinite(value) else value
