"""Contact sheets: many slices on one page, for a quick look."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from imaging.errors import TaskError
from imaging.viewer.exhibits import Exhibit, words
from imaging.viewer.lettering import draw_text, stamp, text_width
from imaging.viewer.rendering import encoded, render_slice

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imaging.volumes import Volume

__all__ = ["contact_sheet"]

#: Tiles and pixels of a tile, at most: what leaves in one picture has an end.
MOST_TILES, MOST_PIXELS = 96, 320

_TEXT, _GAP, _PAPER, _INK, _QUIET = 13, 6, (17, 21, 26), (236, 240, 244), (150, 160, 170)


def contact_sheet(
    shown: Iterable[Exhibit | Volume], *, each: int = 1, columns: int = 6, size: int = 192, watermark: str = "", language: str = "zh"
) -> bytes:
    """Return slices of volumes on one page.

    Parameters
    ----------
    shown : iterable of Exhibit or Volume
        What is shown, in this order; one is held at a time.
    each : int
        Slices of each, evenly spaced; the middle one if 1.
    columns : int
        Tiles in a row.
    size : int
        Pixels of a tile's side, 64 to 320.
    watermark : str
        Drawn over the page.
    language : str
        zh or en.

    Returns
    -------
    bytes
        PNG.

    Raises
    ------
    TaskError
        If there is nothing to show, or more than 96 tiles, or a number is impossible.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> from imaging.volumes import read_volume
    >>> contact_sheet([read_volume([get_testdata_file("CT_small.dcm")])])[1:4]
    b'PNG'
    """
    if not (each >= 1 and columns >= 1 and 64 <= size <= MOST_PIXELS):
        raise TaskError(
            f"contact sheet: found each {each}, columns {columns}, size {size}",
            hint=f"at least one slice and column, and 64 to {MOST_PIXELS} pixels",
        )
    tiles: list[np.ndarray] = []
    for one in shown:
        tiles += _tiles(one if isinstance(one, Exhibit) else Exhibit(volume=one), each, size, words(language))
        if len(tiles) > MOST_TILES:
            raise TaskError(f"contact sheet: found {len(tiles)} tiles or more, wanted at most {MOST_TILES}", hint="show fewer volumes")
    if not tiles:
        raise TaskError("contact sheet: found no volume, wanted at least one")
    columns = min(columns, len(tiles))
    height, width = tiles[0].shape[:2]
    page = np.full((-(-len(tiles) // columns) * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, 3), _PAPER, np.uint8)
    for number, tile in enumerate(tiles):
        top, left = (_GAP + place * (side + _GAP) for place, side in zip(divmod(number, columns), (height, width), strict=True))
        page[top : top + height, left : left + width] = tile
    stamp(page, watermark)
    return encoded(page, "PNG", compress_level=6)


def _tiles(exhibit: Exhibit, each: int, size: int, said: dict) -> Iterator[np.ndarray]:
    """Yield tiles of one size: the slice in the middle, letters at its edges, two lines below."""
    view = next(iter(exhibit.views.values()))
    chosen = range(view.count) if view.count <= each else np.rint((np.arange(each) + 0.5) * view.count / each - 0.5).astype(int)
    for index in map(int, chosen):
        picture = render_slice(exhibit.volume, view.plane, index, exhibit.first_window, size, mask=exhibit.labels)
        tile = Image.new("RGB", (size, size + 2 * _TEXT + 14), _PAPER)
        image = Image.fromarray(picture.pixels)
        tile.paste(image, ((size - image.width) // 2, (size - image.height) // 2))
        _letter(tile, view.letters, size)
        number = said["slice"].replace("{}", str(index + 1), 1).replace("{}", str(view.count), 1)
        place = view.position(index)
        draw_text(tile, (0, size + _TEXT + 4), _cut(exhibit.label or said["planes"][view.plane], size), size=_TEXT, fill=_INK)
        line = number + (f"  {place[0]} {place[1]:.1f} mm" if place else "")
        draw_text(tile, (0, size + 2 * _TEXT + 8), _cut(line, size), size=_TEXT - 2, fill=_QUIET)
        yield np.asarray(tile)


def _letter(tile: Image.Image, letters: tuple[str, str, str, str] | None, size: int) -> None:
    if letters is None:
        return
    left, _, top, _ = letters
    draw_text(tile, (3, size // 2), left, size=_TEXT - 1, fill=_INK)
    draw_text(tile, (size // 2, _TEXT), top, size=_TEXT - 1, fill=_INK)


def _cut(text: str, width: int) -> str:
    """Return as much of a line as there is room for."""
    if text_width(text, _TEXT) <= width:
        return text
    while text and text_width(f"{text}…", _TEXT) > width:
        text = text[:-1]
    return f"{text}…"
