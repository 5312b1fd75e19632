"""Figures of a cohort, each with the counts beneath it: what is drawn is what the policy lets through, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench import disclosure
from workbench.cohort.plotting import ACCENT, FEMALE, GRID, INK, MALE, MUTED, PALETTE, new_figure, style, tidy, to_svg, wrap
from workbench.cohort.render import render
from workbench.errors import DataError
from workbench.locale import tr

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from workbench.disclosure import DisclosurePolicy, SafeCount

__all__ = ["Chart", "age_sex_pyramid", "boxes", "histogram", "missingness"]

_AGE_STEP = 10
_MOST_BINS = 16
_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
#: Letters that fit under a histogram in a line.
_MOST_LETTERS = 60
#: Half-width columns of a label beside a bar.
_LABEL_COLUMNS = 32


@dataclass(frozen=True)
class Chart:
    """A figure and the counts that it is drawn from, both already safe to show.

    Parameters
    ----------
    title : str
        What it shows.
    figure : matplotlib Figure
        The drawing.
    counts : DataFrame
        The numbers drawn, all text.
    policy : DisclosurePolicy
        What made them safe to show.
    note : str
        How to read it.
    """

    title: str
    figure: Figure
    counts: pd.DataFrame
    policy: DisclosurePolicy
    note: str = ""

    def svg(self) -> str:
        """Return the drawing as SVG text."""
        return to_svg(self.figure)

    def _repr_html_(self) -> str:
        return render("chart.html.j2", chart=self, svg=self.svg(), styled=True)


def age_sex_pyramid(ages: pd.Series, sexes: pd.Series, *, policy: DisclosurePolicy | None = None) -> Chart:
    """Draw how many women and men there are in each age band.

    Parameters
    ----------
    ages : Series of numbers, one a person
        Age in whole years; persons without one are left out.
    sexes : Series of text
        The two most frequent values are drawn, the left side for the first in code order (female, then male).
    policy : DisclosurePolicy, optional
        The centre's where None.

    Returns
    -------
    Chart

    Raises
    ------
    DataError
        If nobody has both an age and a sex.
    PolicyError
        If `policy` is None and the centre has set none.
    """
    policy = policy or disclosure.load_policy()
    known = ages.notna() & sexes.notna()
    if not known.any():
        raise DataError("nobody has both an age and a sex")
    known &= sexes.isin(sexes[known].value_counts().index[:2])  # first, so that a few of another do not join these two
    age, (sex, undivided) = ages[known].astype(float), _safe_groups(sexes[known].astype(str), policy)
    sides = sorted(sex.unique(), key=lambda name: (name not in ("女", "Female", "female"), name))
    edges, cells = _binned(age.to_numpy(), sex, sides, np.arange(_AGE_STEP, 100.0, _AGE_STEP), policy)
    labels = _bin_labels(edges, whole=True)
    figure = _draw_pyramid(labels, sides, cells, policy)
    table = pd.DataFrame([[str(cell) for cell in row] for row in cells], columns=sides)
    table.insert(0, tr("年龄（岁）", "Age (years)"), labels)
    return Chart(tr("年龄与性别", "Age and sex"), figure, table, policy, undivided + _hatched_note(cells, policy))


def histogram(
    values: pd.Series, *, label: str, unit: str = "", by: pd.Series | None = None, policy: DisclosurePolicy | None = None
) -> Chart:
    """Draw how the values of one number are spread.

    Parameters
    ----------
    values : Series of numbers, one a person
        Missing values are left out.
    label, unit : str
        Name and unit on the axis.
    by : Series, optional
        Groups to draw one above the other, at most six; drawn as one where a group is smaller than the threshold.
    policy : DisclosurePolicy, optional
        The centre's where None.

    Returns
    -------
    Chart
        The outermost bins are open, so that no bound is one person's value.

    Raises
    ------
    DataError
        If fewer persons have a value than the policy's threshold, or there are more groups than can be told apart.
    """
    policy = policy or disclosure.load_policy()
    known = values.notna() & (by.notna() if by is not None else True)
    numbers = values[known].to_numpy(dtype=float)
    if numbers.size < policy.threshold:
        raise DataError(f"fewer than {policy.threshold} persons have a value of {label}", hint="leave the figure out")
    everyone = pd.Series(tr("全部", "All"), index=values.index)[known]
    groups, undivided = (everyone, "") if by is None else _safe_groups(by[known].astype(str), policy)
    names = sorted(groups.unique())
    if len(names) > len(PALETTE):
        raise DataError(f"{len(names)} groups to draw; at most {len(PALETTE)} can be told apart", hint="join some groups")
    edges = nice_edges(numbers, policy=policy)
    panels = [_panel(numbers, groups, name, edges, policy) for name in names]
    axis = f"{label} ({unit})" if unit else label
    figure = _draw_histogram(panels, label=axis, policy=policy)
    rows = [(bin_label, panel.name, str(cell)) for panel in panels for bin_label, cell in zip(panel.labels, panel.cells, strict=True)]
    table = pd.DataFrame(rows, columns=[axis, tr("组", "Group"), tr("人数", "Persons")])
    return Chart(label, figure, table, policy, undivided + _hatched_note([panel.cells for panel in panels], policy))


@dataclass(frozen=True)
class _Panel:
    """The bins of one group."""

    name: str
    labels: list[str]
    cells: list[SafeCount]


def _panel(numbers: np.ndarray, groups: pd.Series, name: str, edges: np.ndarray, policy: DisclosurePolicy) -> _Panel:
    own, cells = _binned(numbers, groups, [name], edges, policy)
    return _Panel(name, _bin_labels(own), [cell for (cell,) in cells])


def _safe_groups(groups: pd.Series, policy: DisclosurePolicy) -> tuple[pd.Series, str]:
    """Return the groups, or all as one where a group is too small: the bars of the others would tell its size."""
    if groups.value_counts().min() >= policy.threshold:
        return groups, ""
    note = tr("有一组人数过少，故未分组。", "One group is too small, so the groups are drawn together. ")
    return pd.Series(tr("全部", "All"), index=groups.index), note


def boxes(values: pd.Series, by: pd.Series, *, label: str, unit: str = "", policy: DisclosurePolicy | None = None) -> Chart:
    """Draw median, quartiles and the 10th and 90th centile of a number by group; never a single person's value.

    Parameters and errors are those of `histogram`; a quantile is left out where too few persons lie beyond it.
    """
    policy = policy or disclosure.load_policy()
    frame = pd.DataFrame({"value": pd.to_numeric(values), "group": by}).dropna()
    groups = {str(name): part.to_numpy(dtype=float) for name, part in frame.groupby("group", sort=True, observed=True)["value"]}
    safe = {name: _quantiles(part, policy) for name, part in groups.items()}
    if all(found[0.5] is None for found in safe.values()):
        raise DataError(f"every group has too few persons with a value of {label}", hint="leave the figure out")
    sizes = disclosure.suppress_table([len(part) for part in groups.values()], policy=policy).cells[0]
    figure = _draw_boxes(list(safe), list(safe.values()), label=f"{label} ({unit})" if unit else label)
    heads = {q: tr("中位数", "Median") if q == 0.5 else tr("P{0:.0f} 水平", "P{0:.0f} level").format(100 * q) for q in _QUANTILES}
    rows = [[name, str(n), *(_number(found[q]) for q in heads)] for (name, found), n in zip(safe.items(), sizes, strict=True)]
    table = pd.DataFrame(rows, columns=[tr("组", "Group"), "n", *heads.values()])
    note = tr("箱体为四分位数，须线为第 10 与第 90 百分位数。", "Boxes are quartiles, whiskers the 10th and 90th centile.")
    return Chart(label, figure, table, policy, note)


def missingness(frame: pd.DataFrame, *, labels: Mapping[str, str] | None = None, policy: DisclosurePolicy | None = None) -> Chart:
    """Draw how many persons have no value of each column.

    Parameters
    ----------
    frame : DataFrame, one row a person
        Columns to look at; those with every value are only counted in the note, if any has not.
    labels : mapping of str to str, optional
        What is shown for a column.
    policy : DisclosurePolicy, optional
        The centre's where None.

    Returns
    -------
    Chart
    """
    policy = policy or disclosure.load_policy()
    total = disclosure.suppress_flow([len(frame)], policy=policy)[0].remaining
    missing = frame.isna().sum()
    drawn = missing[missing > 0] if missing.any() else missing
    rows = []
    for name, count in drawn.items():
        safe = disclosure.suppress_table([int(count), len(frame) - int(count)], policy=policy, total=total).cells[0][0]
        rows.append(((labels or {}).get(str(name), str(name)), safe, disclosure.percentage(safe, total)))
    rows.sort(key=lambda row: row[2] or 0)  # by what is shown, so that the order tells nothing more
    figure = _draw_missingness(rows)
    shown = [(label, str(safe) if not percent else f"{safe} ({percent:.1f}%)") for label, safe, percent in reversed(rows)]
    table = pd.DataFrame(shown, columns=[tr("变量", "Variable"), tr("缺失人数 (%)", "Persons missing, n (%)")])
    complete = len(missing) - len(drawn)
    note = tr("另有 {0} 个变量没有缺失。", "{0} more variables have no missing value.").format(complete) if complete else ""
    return Chart(tr("缺失情况", "Missing values"), figure, table, policy, note)


def nice_edges(numbers: np.ndarray, *, policy: DisclosurePolicy) -> np.ndarray:
    """Return inner bin edges at round numbers between the outermost quantiles that the policy allows to be told.

    Parameters
    ----------
    numbers : ndarray of shape (n_persons,)
        Finite values.
    policy : DisclosurePolicy
        Its threshold sets how far out an edge may lie.

    Returns
    -------
    ndarray of shape (n_edges,)
        Increasing, at least one.

    Examples
    --------
    >>> from workbench.disclosure import DisclosurePolicy
    >>> nice_edges(np.arange(1000.0), policy=DisclosurePolicy(threshold=10, rounding=5)).tolist()[:3]
    [100.0, 200.0, 300.0]
    """
    beyond = min(0.5, max(0.02, policy.threshold / numbers.size))
    low, high = np.quantile(numbers, (beyond, 1 - beyond))
    if not high > low:
        return np.array([low])
    rough = (high - low) / min(_MOST_BINS - 2, max(4, 2 * np.cbrt(numbers.size)))
    scale = 10.0 ** np.floor(np.log10(rough))
    step = scale * next(factor for factor in (1, 2, 5, 10) if factor * scale >= rough)
    edges = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
    return np.round(edges, 10) if edges.size else np.array([low])


def _binned(
    numbers: np.ndarray, groups: pd.Series, names: Sequence[str], edges: np.ndarray, policy: DisclosurePolicy
) -> tuple[np.ndarray, list[tuple[SafeCount, ...]]]:
    """Count by bin and group, and suppress each group's counts under its own total.

    From the fullest bin outwards, the first in which some group has too few is joined with all beyond it into one open bin.
    Totals over the groups are not shown anywhere, so groups need no cover from each other.
    """
    bins = np.digitize(numbers, edges)
    counts = np.array([np.bincount(bins[(groups == name).to_numpy()], minlength=len(edges) + 1) for name in names]).T
    edges, counts = _join_tail(edges, counts, policy.threshold)
    backwards, counts = _join_tail(edges[::-1], counts[::-1], policy.threshold)
    columns = [disclosure.suppress_table(column, policy=policy).cells[0] for column in counts[::-1].T]
    return backwards[::-1], list(zip(*columns, strict=True))


def _join_tail(edges: np.ndarray, counts: np.ndarray, threshold: int) -> tuple[np.ndarray, np.ndarray]:
    """Join the bins before the fullest one, from the sparse one nearest to it, and further in while they are still too few.

    The fullest is the one in which the smallest group is largest: groups may lie apart.
    """
    fullest = int(np.argmax(counts.min(axis=1)))
    sparse = [at for at in range(fullest) if (counts[at] < threshold).any()]
    last = max(sparse, default=-1)
    while 0 <= last < len(edges) and (counts[: last + 1].sum(axis=0) < threshold).any():
        last += 1
    if last < 1:
        return edges, counts
    return edges[last:], np.vstack([counts[: last + 1].sum(axis=0), counts[last + 1 :]])


def _bin_labels(edges: Sequence[float], *, whole: bool = False) -> list[str]:
    """Name the bins; of whole numbers, the upper end is the last one inside."""
    if not len(edges):
        return [tr("全部", "All")]
    shown = [f"{edge:g}" for edge in edges]
    upper = [f"{edge - 1:g}" if whole else f"{edge:g}" for edge in edges[1:]]
    return [f"<{shown[0]}", *(f"{a}–{b}" for a, b in zip(shown[:-1], upper, strict=True)), f"≥{shown[-1]}"]


def _quantiles(values: np.ndarray, policy: DisclosurePolicy) -> dict[float, float | None]:
    found = np.quantile(values, _QUANTILES)
    return {
        q: disclosure.suppress_quantile(float(v), q=q, contributors=len(values), policy=policy)
        for q, v in zip(_QUANTILES, found, strict=True)
    }


def _number(value: float | None) -> str:
    return tr("已抑制", "hidden") if value is None else f"{value:.4g}"


def _hatched_note(cells: Sequence[Sequence[SafeCount]], policy: DisclosurePolicy) -> str:
    if not any(cell.hidden for row in cells for cell in row):
        return ""
    return tr(
        "斜纹条为已抑制的计数，其高度固定，不代表人数（阈值 {0}）。",
        "Hatched bars are hidden counts; their height is fixed (threshold {0}).",
    ).format(policy.threshold)


# Drawing --------------------------------------------------------------------------------------------------------------


def _bars(
    axes: Axes, at: np.ndarray, cells: Sequence[SafeCount], *, colour: str, width: float, policy: DisclosurePolicy, across: int = 0
) -> None:
    """Draw counts as bars, upwards, or sideways where `across` is 1 (right) or -1 (left); a hidden one is hatched and of fixed length."""
    draw, thick = (axes.barh, "height") if across else (axes.bar, "width")
    for hidden in (False, True):
        chosen = [number for number, cell in enumerate(cells) if cell.hidden == hidden]
        lengths = np.array([policy.threshold / 2 if hidden else cells[number].shown for number in chosen], dtype=float)
        looks = {"color": "white", "edgecolor": colour, "hatch": "////", "linewidth": 0.6, "alpha": 0.6} if hidden else {"color": colour}
        if chosen:
            draw(at[chosen], lengths * (across or 1), **{thick: width}, **looks)


def _draw_pyramid(labels: Sequence[str], sides: Sequence[str], cells: Sequence[Sequence[SafeCount]], policy: DisclosurePolicy) -> Figure:
    at = np.arange(len(labels))
    with style():
        figure = new_figure(5.4, 0.6 + 0.3 * max(4, len(labels)))
        axes = figure.add_subplot()
        tidy(axes, grid="x")
        for number in range(len(sides)):
            across, colour = (-1, FEMALE) if number == 0 and len(sides) > 1 else (1, MALE)
            _bars(axes, at, [row[number] for row in cells], colour=colour, width=0.78, policy=policy, across=across)
        longest = max([cell.shown or 0 for row in cells for cell in row] + [policy.threshold])
        axes.set(yticks=at, yticklabels=labels, xlim=(-longest * 1.08 if len(sides) > 1 else 0, longest * 1.08))
        axes.axvline(0, color="white", linewidth=1.5)
        axes.xaxis.set_major_formatter(lambda value, _: f"{abs(value):,.0f}")
        axes.set_xlabel(tr("人数", "Persons"))
        for number, side in enumerate(sides):
            place, colour = (0.02, FEMALE) if number == 0 and len(sides) > 1 else (0.98, MALE)
            axes.text(
                place, 1.0, side, color=colour, ha="left" if place < 0.5 else "right", va="bottom", transform=axes.transAxes, fontsize=10.5
            )
    return figure


def _draw_histogram(panels: Sequence[_Panel], *, label: str, policy: DisclosurePolicy) -> Figure:
    """Draw a panel a group, one above the other; each has bins of its own, for its tails are joined by its own counts."""
    with style():
        figure = new_figure(5.4, 0.6 + (2.0 if len(panels) == 1 else 1.55 * len(panels)))
        rows = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
        for number, (axes, panel) in enumerate(zip(rows, panels, strict=True)):
            at = np.arange(len(panel.labels))
            colour = ACCENT if len(panels) == 1 else PALETTE[number]
            tidy(axes)
            _bars(axes, at, panel.cells, colour=colour, width=0.88, policy=policy)
            crowded = sum(len(text) + 2 for text in panel.labels) > _MOST_LETTERS
            axes.set_xticks(at, panel.labels, rotation=35 if crowded else 0, ha="right" if crowded else "center", rotation_mode="anchor")
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
            axes.set_ylabel(tr("人数", "Persons"))
            if len(panels) > 1:
                axes.set_title(panel.name, color=colour)
        rows[-1].set_xlabel(label)
    return figure


def _draw_boxes(names: Sequence[str], quantiles: Sequence[Mapping[float, float | None]], *, label: str) -> Figure:
    with style():
        figure = new_figure(5.4, 0.7 + 0.5 * len(names))
        axes = figure.add_subplot()
        tidy(axes, grid="x")
        for at, found in enumerate(quantiles):
            _draw_box(axes, at, found, colour=PALETTE[at % len(PALETTE)])
        axes.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.4, -0.6), xlabel=label)
        axes.use_sticky_edges = False
        axes.autoscale(axis="x")
    return figure


def _draw_box(axes: Axes, at: int, found: Mapping[float, float | None], *, colour: str) -> None:
    if found[0.5] is None:
        axes.text(
            0.5,
            at,
            tr("人数不足，已抑制", "too few persons, hidden"),
            color=MUTED,
            ha="center",
            va="center",
            transform=axes.get_yaxis_transform(),
        )
        return
    if found[0.1] is not None and found[0.9] is not None:
        axes.plot([found[0.1], found[0.9]], [at, at], color=colour, linewidth=1.2)
    if found[0.25] is not None and found[0.75] is not None:
        axes.barh(at, found[0.75] - found[0.25], left=found[0.25], height=0.5, color=colour, alpha=0.35, edgecolor=colour)
    axes.plot([found[0.5]] * 2, [at - 0.25, at + 0.25], color=INK, linewidth=1.6)


def _draw_missingness(rows: Sequence[tuple[str, SafeCount, float | None]]) -> Figure:
    labels = ["\n".join(wrap(label, _LABEL_COLUMNS)) for label, _, _ in rows]
    longest = max(label.count("\n") for label in labels)
    with style():
        figure = new_figure(5.4, 0.5 + (0.24 + 0.16 * longest) * max(3, len(rows)))
        axes = figure.add_subplot()
        tidy(axes, grid="x")
        axes.grid(visible=False)
        at = np.arange(len(rows))
        axes.barh(at, 100, height=0.62, color=GRID)
        axes.barh(at, [percent or 0 for _, _, percent in rows], height=0.62, color=ACCENT)
        axes.set(yticks=at, yticklabels=labels, xlim=(0, 115), xticks=[])
        axes.spines["left"].set_visible(False)
        for place, (_, _, percent) in enumerate(rows):
            axes.text(102, place, "—" if percent is None else f"{percent:.1f}%", va="center", color=MUTED, fontsize=8.5)
    return figure
