"""Text drawn into pictures, in Chinese and Latin letters, and the watermark."""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby

import numpy as np
from PIL import Image, ImageDraw, ImageFont

__all__ = ["draw_text", "stamp", "text_width"]

#: Fonts with Chinese letters, by file name, the first that is installed. Some have no Latin letters, so that those come from another.
_CHINESE = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansSC-Regular.otf",
    "SourceHanSansSC-Regular.otf",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf",
    "msyh.ttc",
    "simhei.ttf",
)
_LATIN = ("NotoSans-Regular.ttf", "DejaVuSans.ttf")

#: First letter that is looked for in a Chinese font.
_WIDE = "\u2e80"

#: How much a watermark lightens dark pixels and darkens light ones; how it leans; its letters' height as a share of the picture, and
#: the ends of that in pixels.
_TONE, _DEGREES, _HEIGHT, _LEAST, _MOST = 34, 24, 0.024, 13, 20


@lru_cache(maxsize=32)
def _font(size: int, wide: bool) -> ImageFont.FreeTypeFont:
    for name in _CHINESE if wide else _LATIN:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)


def _runs(text: str) -> list[tuple[bool, str]]:
    return [(wide, "".join(run)) for wide, run in groupby(text, key=lambda letter: letter >= _WIDE)]


def text_width(text: str, size: int) -> int:
    """Return how many pixels wide a line is.

    Parameters
    ----------
    text : str
        One line.
    size : int
        Height of its letters in pixels.
    """
    return round(sum(_font(size, wide).getlength(run) for wide, run in _runs(text)))


def draw_text(image: Image.Image, place: tuple[int, int], text: str, *, size: int, fill: int | tuple[int, int, int]) -> None:
    """Draw one line.

    Parameters
    ----------
    image : Image
        Drawn into.
    place : tuple of 2 int
        Left end of its base line, in pixels.
    text : str
        Chinese and Latin letters may be mixed.
    size : int
        Height of its letters in pixels.
    fill : int or tuple of 3 int
        Grey or colour.
    """
    draw, (x, y) = ImageDraw.Draw(image), place
    for wide, run in _runs(text):
        font = _font(size, wide)
        draw.text((x, y), run, font=font, fill=fill, anchor="ls")
        x += font.getlength(run)


def stamp(pixels: np.ndarray, text: str) -> None:
    """Draw a watermark all over a picture, in place: visible on black, on white and on grey, and in every part of it.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width) or (height, width, 3)
        The picture; contiguous.
    text : str
        What is drawn; nothing is where it is empty.

    Examples
    --------
    >>> picture = np.zeros((64, 64), np.uint8)
    >>> stamp(picture, "user")
    >>> bool(picture.any())
    True
    """
    if not text:
        return
    marked = _marked(pixels.shape[0], pixels.shape[1], text)
    flat = pixels.reshape(-1, *pixels.shape[2:])
    found = flat[marked]
    flat[marked] = np.where(found < 128, found + np.uint8(_TONE), found - np.uint8(_TONE))


@lru_cache(maxsize=16)
def _marked(height: int, width: int, text: str) -> np.ndarray:
    """Return the flat indices of the pixels that a watermark marks; the same until its time moves on."""
    size = min(max(_LEAST, round(max(height, width) * _HEIGHT)), _MOST)
    span = int(np.hypot(height, width)) + 4 * size
    sheet = Image.new("L", (span, span))
    step = text_width(text, size) + 3 * size
    for row, y in enumerate(range(size, span + size, 6 * size)):
        for x in range(-step // 2 * (row % 2), span, step):
            draw_text(sheet, (x, y), text, size=size, fill=255)
    turned = np.asarray(sheet.rotate(_DEGREES, Image.Resampling.BILINEAR))
    top, left = (span - height) // 2, (span - width) // 2
    found = np.flatnonzero(turned[top : top + height, left : left + width] > 127)
    found.setflags(write=False)
    return found
