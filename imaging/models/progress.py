"""How a training is getting on, while it runs: one figure in a notebook that is drawn anew after each epoch, or a line each elsewhere.

The figure is SVG in the cell's output: no script and no connection besides the notebook's own, so that it also stands in a saved one.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imaging.models.training import Epoch, Step

__all__ = ["TrainingView", "figure_of", "line_of"]

_WORDS = {
    "zh": {
        "line": "第 {epoch}/{epochs} 轮：损失 {loss:.4f}，验证 {score:.4f}，最好 {best:.4f}（第 {best_epoch} 轮），{seconds:.0f} 秒",
        "left": "，至多还需 {left}",
        "step": "第 {epoch}/{epochs} 轮进行中：第 {step}/{steps} 步",
        "waiting": "训练即将开始：正在准备图像",
        "loss": "训练损失",
        "score": "验证得分",
        "over": "训练结束：共 {epoch} 轮，最好 {best:.4f}（第 {best_epoch} 轮）",
        "units": ("秒", "分", "小时"),
    },
    "en": {
        "line": "epoch {epoch}/{epochs}: loss {loss:.4f}, validation {score:.4f}, best {best:.4f} (epoch {best_epoch}), {seconds:.0f} s",
        "left": ", at most {left} left",
        "step": "epoch {epoch}/{epochs} under way: step {step}/{steps}",
        "waiting": "about to train: preparing the images",
        "loss": "training loss",
        "score": "validation score",
        "over": "training is over: {epoch} epochs, best {best:.4f} (epoch {best_epoch})",
        "units": ("s", "min", "h"),
    },
}

#: A step is shown if none was for so long.
_SECONDS = 1.0

#: Pixels of a panel and around it.
_WIDTH, _HEIGHT, _LEFT, _TOP, _GAP = 260, 130, 46, 82, 70
_LOSS, _SCORE, _INK, _QUIET, _GRID = "#c2410c", "#1d4ed8", "#1f2937", "#6b7280", "#e5e7eb"


class TrainingView:
    """Takes each epoch and step of a training and shows them: ``train(task, out, progress=view, steps=view.step)``.

    Parameters
    ----------
    language : str
        zh or en.

    Examples
    --------
    >>> from imaging.models.training import Epoch
    >>> view = TrainingView("en")
    >>> view.add(Epoch(1, 4, 0.5, 0.8, 0.8, 1, 30.0))
    >>> view
    epoch 1/4: loss 0.5000, validation 0.8000, best 0.8000 (epoch 1), 30 s, at most 1.5 min left
    """

    def __init__(self, language: str = "zh") -> None:
        self.language = language
        self.epochs: list[Epoch] = []
        self.now: Step | None = None
        self.over = False
        self._handle, self._shown = None, 0.0
        self._show()

    def __call__(self, epoch: Epoch) -> None:
        """Show an epoch more."""
        self.add(epoch)
        self._show()

    def add(self, epoch: Epoch) -> None:
        """Take an epoch without showing it."""
        self.epochs.append(epoch)
        self.now = None

    def step(self, step: Step) -> None:
        """Take a step; a notebook shows it unless it showed another a moment ago."""
        self.now = step
        if self._handle is not None and time.monotonic() - self._shown > _SECONDS:
            self._show()

    def close(self) -> None:
        """Say that the training is over, which it may be before its last epoch."""
        self.over, self.now = True, None
        self._show()

    def __repr__(self) -> str:
        return line_of(self.epochs, self.language, over=self.over)

    def _repr_html_(self) -> str:
        return figure_of(self.epochs, self.language, now=self.now, over=self.over)

    def _show(self) -> None:
        self._shown = time.monotonic()
        if self._handle is None and not _in_notebook():
            if self.epochs:
                sys.stderr.write(f"{self!r}\n")
            return
        if self._handle is None:
            from IPython.display import display

            self._handle = display(self, display_id=True)
        else:
            self._handle.update(self)


def _in_notebook() -> bool:
    """Tell whether a kernel shows what is displayed; an IPython at a terminal does not."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")


def line_of(epochs: Sequence[Epoch], language: str, *, over: bool = False) -> str:
    """Return where a training stands, in one line.

    Parameters
    ----------
    epochs : sequence of Epoch
        So far.
    language : str
        zh or en.
    over : bool
        Whether there will be no more.

    Returns
    -------
    str
    """
    words = _WORDS[language]
    if not epochs:
        return words["waiting"]
    last = epochs[-1]
    if over:
        return words["over"].format(**last._asdict())
    left = (last.epochs - last.epoch) * sum(each.seconds for each in epochs) / len(epochs)
    return words["line"].format(**last._asdict()) + (words["left"].format(left=_span(left, words["units"])) if left else "")


def _span(seconds: float, units: tuple[str, str, str]) -> str:
    if seconds < 60:
        return f"{seconds:.0f} {units[0]}"
    return f"{seconds / 60:.1f} {units[1]}" if seconds < 3600 else f"{seconds / 3600:.1f} {units[2]}"


def _step_line(epochs: Sequence[Epoch], now: Step, words: dict) -> str:
    """Return where within an epoch a training stands; before the first is over, what is left can only be told from its steps."""
    line = words["step"].format(**now._asdict())
    if epochs:
        return line
    left = now.seconds / now.step * (now.steps * (now.epochs - now.epoch + 1) - now.step)
    return line + words["left"].format(left=_span(left, words["units"]))


def figure_of(epochs: Sequence[Epoch], language: str, *, now: Step | None = None, over: bool = False) -> str:
    """Return loss and validation over the epochs as SVG, below a bar and a line that says where the training stands.

    Parameters
    ----------
    epochs : sequence of Epoch
        So far.
    language : str
        zh or en.
    now : Step, optional
        Where within the next epoch it stands.
    over : bool
        Whether there will be no more.

    Returns
    -------
    str
        SVG, 700 pixels wide.
    """
    words = _WORDS[language]
    last = epochs[-1] if epochs else None
    share = 1 if over else _share(last, now)
    width = 2 * _WIDTH + 2 * _LEFT + _GAP
    parts = [
        f'<text x="0" y="14" fill="{_INK}" font-size="13">{line_of(epochs, language, over=over)}</text>',
        f'<rect x="0" y="24" width="{width}" height="6" rx="3" fill="{_GRID}"/>',
        f'<rect x="0" y="24" width="{width * share:.1f}" height="6" rx="3" fill="{_SCORE}"/>',
    ]
    if now:
        parts.append(f'<text x="0" y="46" fill="{_QUIET}" font-size="11">{_step_line(epochs, now, words)}</text>')
    if last:
        first, most = epochs[0].epoch, max(last.epoch, 2) if over else max(last.epochs, 2)
        parts += _panel(words["loss"], [each.loss for each in epochs], _LOSS, _LEFT, (first, most), None)
        parts += _panel(words["score"], [each.score for each in epochs], _SCORE, _LEFT + _WIDTH + _GAP, (first, most), last.best_epoch)
    height = _TOP + _HEIGHT + 30 if last else 56
    looks = 'font-family="sans-serif" style="background:#fff;padding:8px"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" {looks}>{"".join(parts)}</svg>'


def _share(last: Epoch | None, now: Step | None) -> float:
    """Return how much of all epochs is done."""
    if now:
        return (now.epoch - 1 + now.step / now.steps) / now.epochs
    return last.epoch / last.epochs if last else 0.0


def _panel(title: str, values: list[float], colour: str, left: float, epochs: tuple[int, int], best: int | None) -> list[str]:
    """Return a curve with its axes; `epochs` are the first that is there and the last that may be."""
    first, most = epochs
    low, high = min(values), max(values)
    room = (high - low) * 0.08 or max(abs(high) * 0.05, 1e-6)
    low, high = low - room, high + room

    def at(epoch: int, value: float) -> tuple[float, float]:
        return left + (epoch - 1) / (most - 1) * _WIDTH, _TOP + (high - value) / (high - low) * _HEIGHT

    points = [at(first + number, value) for number, value in enumerate(values)]
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    ticks = [(low + (high - low) * share, _TOP + (1 - share) * _HEIGHT) for share in (0, 0.5, 1)]
    parts = [f'<text x="{left}" y="{_TOP - 10}" fill="{_QUIET}" font-size="12">{title}</text>']
    for value, y in ticks:
        parts.append(f'<line x1="{left}" x2="{left + _WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="{_GRID}"/>')
        parts.append(f'<text x="{left - 10}" y="{y + 4:.1f}" fill="{_QUIET}" font-size="10" text-anchor="end">{value:.3g}</text>')
    for epoch in sorted({1, (most + 1) // 2, most}):
        x = at(epoch, low)[0]
        parts.append(f'<text x="{x:.1f}" y="{_TOP + _HEIGHT + 16}" fill="{_QUIET}" font-size="10" text-anchor="middle">{epoch}</text>')
    parts.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2" stroke-linejoin="round"/>')
    shown = [points[best - first]] if best and best >= first else []
    for x, y in (*shown, points[-1]):
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>')
    if shown:
        x, y = shown[0]
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="7" fill="none" stroke="{colour}" stroke-width="1.5"/>')
    return parts
