"""Text in images: RapidOCR over ONNX Runtime, whose weights for Chinese and English lie in its wheel, and a quick look before it."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imaging.errors import MissingPart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Reader = Callable[[np.ndarray], list["Text"]]

__all__ = ["Box", "Text", "has_strokes", "read_text"]

#: Least confidence, 0 to 1, for what is taken for text; of characters higher than this share of the image more, since anatomy has such
#: shapes.
LEAST_SCORE, LEAST_SCORE_HIGH, HIGH = 0.5, 0.9, 0.12

#: Longest side that the detector is given, in pixels; an image of more than the second is also read in tiles, which overlap by the third,
#: more than a line of text.
_SIDE, _LARGE, _OVERLAP = 2000, 2600, 300
#: Images with a shorter side than this are also read at twice their size: characters of 12 pixels are then large enough.
_SMALL = 900

#: A scanner's own edges take two pixels or more, and its values are never quite the same. Thin drawn strokes stand out from both sides by
#: the first share of the range; thick ones are flat beside a step of the second share; so many points of either are drawn ones.
_THIN, _THICK, _POINTS = 0.25, 0.5, 4


class Box(NamedTuple):
    """A rectangle of an image: columns `left` to `right` and rows `top` to `bottom`, ends exclusive, from 0."""

    left: int
    top: int
    right: int
    bottom: int


class Text(NamedTuple):
    """What was read, where, and how surely (0 to 1)."""

    words: str
    score: float
    box: Box


def read_text(image: np.ndarray) -> list[Text]:
    """Return all text of an image.

    Parameters
    ----------
    image : ndarray of shape (rows, columns) or (rows, columns, 3), uint8
        Grey or RGB.

    Returns
    -------
    list of Text
        What was found at each scale; the same line may stand there more than once.

    Raises
    ------
    MissingPart
        If the reader of text is not installed.
    """
    colour = np.ascontiguousarray(image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2))
    # The detector enlarges the shorter side: a strip without room beside it would become gigabytes.
    least = max(colour.shape[:2]) // 4
    colour = np.pad(colour, [(0, max(least - size, 0)) for size in colour.shape[:2]] + [(0, 0)])
    engine = _engine()
    found = []
    for tile, left, top, scale in _tiles(colour):
        for corners, words, score in engine(tile)[0] or ():
            (low_x, low_y), (high_x, high_y) = np.min(corners, axis=0) / scale, np.max(corners, axis=0) / scale
            box = Box(int(low_x) + left, int(low_y) + top, int(np.ceil(high_x)) + left + 1, int(np.ceil(high_y)) + top + 1)
            high = min(box.right - box.left, box.bottom - box.top) > HIGH * min(colour.shape[:2])
            if words.strip() and (not high or score >= LEAST_SCORE_HIGH):
                found.append(Text(words, float(score), box))
    return found


def _tiles(image: np.ndarray) -> Iterator[tuple[np.ndarray, int, int, float]]:
    """Yield the image at each size at which it is read, with the place and the scale of each."""
    import cv2

    rows, columns = image.shape[:2]
    yield image, 0, 0, 1.0
    if min(rows, columns) < _SMALL and max(rows, columns) <= _SIDE:
        yield cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), 0, 0, 2.0
    if max(rows, columns) > _LARGE:
        for top in _starts(rows):
            for left in _starts(columns):
                yield np.ascontiguousarray(image[top : top + _SIDE, left : left + _SIDE]), left, top, 1.0


def _starts(length: int) -> range:
    return range(0, max(length - _OVERLAP, 1), _SIDE - _OVERLAP)


@functools.cache
def _engine() -> Callable:
    try:
        from rapidocr_onnxruntime import RapidOCR
    except ImportError as error:
        raise MissingPart("the reader of burned-in text is not installed", hint="pip install 'clinical-workbench[imaging]'") from error
    engine = RapidOCR(text_score=LEAST_SCORE, max_side_len=_SIDE, intra_op_num_threads=1, inter_op_num_threads=1)
    # It writes what it does not find to the console.
    logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)
    return engine


def has_strokes(values: np.ndarray) -> bool:
    """Say whether a cross-section has lines sharper than a scanner's own, as drawn characters have: it has to be read then.

    Looked at are the whole range and that of all but a hundredth of the values at each end: in both the edges of lung, bone and air stay
    soft.

    Parameters
    ----------
    values : ndarray of shape (rows, columns)
        Stored values; of colours and floats nothing can be said, and they are read.

    Examples
    --------
    >>> smooth = np.add.outer(np.arange(64), np.arange(64))
    >>> drawn = smooth.copy()
    >>> drawn[4:40:4, 8:40] = 255
    >>> has_strokes(smooth), has_strokes(drawn)
    (False, True)
    """
    if values.ndim == 3 or values.dtype.kind == "f" or values.shape[1] < 5:
        return True
    # Every second row is enough: characters have more.
    rows = values[::2].astype(np.int64 if values.dtype.itemsize > 2 else np.int32)
    low, high = map(int, np.percentile(rows[::3, ::6], (1, 99)))
    usual, whole = high - low, int(rows.max()) - int(rows.min())
    thin = _peaks(np.clip(rows, low, high), _THIN * usual) + _peaks(rows, _THIN * whole)
    return thin + _plateaus(rows, low + _THIN * usual, _THICK * usual) > _POINTS


def _peaks(rows: np.ndarray, least: float) -> int:
    """Return how many points differ by more than `least` from both neighbours in their row."""
    before, here, after = rows[:, :-2], rows[:, 1:-1], rows[:, 2:]
    brighter, darker = here - np.maximum(before, after), np.minimum(before, after) - here
    return int(np.count_nonzero(brighter > int(least)) + np.count_nonzero(darker > int(least)))


def _plateaus(rows: np.ndarray, floor: float, least: float) -> int:
    """Return how many points above `floor` equal their neighbour beside a step of more than `least` over two points."""
    here, after = rows[:, 3:-1], rows[:, 4:]
    steep = np.abs(rows[:, 2:-2] - rows[:, :-4]) > int(least)
    return int(np.count_nonzero(steep & (here == after) & (here > int(floor))))
