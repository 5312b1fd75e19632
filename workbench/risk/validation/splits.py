"""Who makes a model and who tries it: whole persons, by chance, by time or by hospital."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pandas as pd

from workbench.errors import DataError, DefinitionError
from workbench.locale import tr
from workbench.risk.validation.persons import Persons

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from workbench.risk.protocol.parts import Scalar, Validation

__all__ = ["FoldsWarning", "HoldOutShareWarning", "Split", "happened", "hold_out", "home_sites", "person_folds"]

#: Column of hospitals, where the study names none.
SITE = "care_site"

#: A hold-out whose share of persons lies farther from what was asked is told of.
_OFF = 0.05


class FoldsWarning(UserWarning):
    """There are fewer folds than were asked for, as too few persons had the outcome."""


class HoldOutShareWarning(UserWarning):
    """The hold-out is larger or smaller than was asked for, as dates and sites are not parted."""


class Split(NamedTuple):
    """A development part and a hold-out; no person is in both.

    Parameters
    ----------
    development, held : ndarray of int
        Positions of rows, rising.
    how : {"time", "site", "random"}
        What parts them.
    cut : Timestamp or None
        Index date of the first person held out, where time parts them.
    sites : tuple
        Held out, where sites part them.
    left_out : int
        Rows in neither part: later ones of persons of the development part, that lie behind the cut or at a site held out.
    """

    development: np.ndarray
    held: np.ndarray
    how: Literal["time", "site", "random"]
    cut: pd.Timestamp | None = None
    sites: tuple[Scalar, ...] = ()
    left_out: int = 0


def happened(y: np.ndarray) -> np.ndarray:
    """Return whether each row has the outcome: the event, or its first cause.

    Parameters
    ----------
    y : structured ndarray or ndarray of bool, shape (n,)
        Outcomes.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    return np.asarray(y, bool) if y.dtype.names is None else y[y.dtype.names[0]].astype(int) == 1


def person_folds(persons: ArrayLike, y: np.ndarray, *, folds: int = 5, seed: int = 0) -> np.ndarray:
    """Deal persons out to folds that have as many persons with the outcome each.

    Parameters
    ----------
    persons : array-like of shape (n,)
        Whose the rows are.
    y : structured ndarray or ndarray of bool, shape (n,)
        Outcomes; a person has it who has it in any row.
    folds : int
        At least 2. Fewer are made, with a :class:`FoldsWarning`, where fewer persons had the outcome, or, without times, had it not.
    seed : int
        Of the deal.

    Returns
    -------
    ndarray of int, shape (n,)
        The fold of each row, from 0.

    Raises
    ------
    DataError
        If fewer than two persons had the outcome, or, without times, had it not.
    DefinitionError
        If there are fewer than 2 folds.

    Examples
    --------
    >>> person_folds(["a", "a", "b", "c", "d"], np.array([True, False, False, True, False]), folds=2).tolist()
    [0, 0, 0, 1, 1]
    """
    if folds < 2:
        raise DefinitionError(f"folds={folds}: wanted 2 or more")
    whole = Persons.of(persons, len(y))
    had = whole.any(happened(y))
    with_times = y.dtype.names is not None  # then who had it later is who had it not at a horizon: there need be nobody without
    most = int(had.sum() if with_times else min(had.sum(), (~had).sum()))
    if most < 2:
        raise DataError(
            f"{int(had.sum())} of {whole.n} persons had the outcome, too few for two folds", hint="choose another outcome, or more patients"
        )
    if most < folds:
        zh, en = ("发生", "had") if had.sum() == most else ("未发生", "did not have")
        told = (
            f"不足 {folds} 折：{zh}结局者仅 {most} 人，每折一人",
            f"fewer than {folds} folds: only {most} persons {en} the outcome, one a fold",
        )
        warnings.warn(tr(*told), FoldsWarning, stacklevel=2)
    rng, fold = np.random.default_rng(seed), np.empty(whole.n, int)
    dealt = np.r_[rng.permutation(np.flatnonzero(had)), rng.permutation(np.flatnonzero(~had))]
    fold[dealt] = np.arange(whole.n) % min(folds, most)
    return fold[whole.codes]


def home_sites(rows: pd.DataFrame, site: str = "") -> np.ndarray:
    """Return the site of each row's person: that of their first row.

    Parameters
    ----------
    rows : DataFrame of n rows
        With ``person``, the column of sites, and ``index_at`` where rows have dates.
    site : str
        Name of the column; ``care_site`` where empty.

    Returns
    -------
    ndarray of shape (n,)
        Sites.

    Raises
    ------
    DataError
        If there is no such column, or a site is missing.
    """
    name = site or SITE
    if name not in rows:
        raise DataError(f"there is no column {name!r} of sites", hint="give its name in validation.site")
    missing = int(rows[name].isna().sum())
    if missing:
        raise DataError(f"{missing} of {len(rows)} rows have no site in {name!r}", hint="fill them, or leave them out by a rule")
    whole = Persons(rows["person"])
    sites = rows[name].astype(object).to_numpy()
    return sites[whole.first(_dates(rows))][whole.codes]


def hold_out(rows: pd.DataFrame, y: np.ndarray, asked: Validation, *, seed: int = 0) -> Split | None:
    """Part a study into development and hold-out, as its protocol asks.

    Parameters
    ----------
    rows : DataFrame of n rows
        ``person``, ``index_at``, and the column of sites where they part the study.
    y : structured ndarray or ndarray of bool, shape (n,)
        Outcomes.
    asked : Validation
        Of the protocol: how, what share of persons, which sites.
    seed : int
        Of a split at random.

    Returns
    -------
    Split or None
        None where the protocol asks for no hold-out, or for none in particular and there are no dates. By time the persons whose first
        index date is latest are held out, those of one date together; :class:`HoldOutShareWarning` tells of a share far from that asked.

    Raises
    ------
    DataError
        If a date or site is missing, a part would be empty, or nobody or everybody in it had the outcome.
    """
    dates = _dates(rows)
    how = asked.split or ("none" if dates is None else "time")
    if how == "none":
        return None
    whole = Persons.of(rows["person"], len(y))
    parted = {"time": _by_time, "site": _by_site, "random": _by_chance}[how](rows, y, whole, asked, seed)
    for name, part in (("development part", parted.development), ("hold-out", parted.held)):
        had = happened(y)[part]
        if not had.any() or (had.all() and y.dtype.names is None):
            everybody = "everybody" if len(part) and had.all() else "nobody"
            raise DataError(f"{everybody} in the {name} ({len(part)} rows) had the outcome", hint="choose another split or share")
    if how != "random" and not asked.held_sites:
        _tell_share(parted.held, whole, asked.holdout)
    return parted


def _tell_share(held: np.ndarray, whole: Persons, wanted: float) -> None:
    """Warn where dates or sites, which are not parted, let the hold-out have another size."""
    found = len(np.unique(whole.codes[held])) / whole.n
    if abs(found - wanted) > _OFF:
        told = (
            f"留出集占全部患者的 {found:.0%}，方案要求 {wanted:.0%}：同一日期或同一中心的患者不拆开",
            f"the hold-out has {found:.0%} of the patients, {wanted:.0%} were asked for: those of one date or one site stay together",
        )
        warnings.warn(tr(*told), HoldOutShareWarning, stacklevel=3)


def _dates(rows: pd.DataFrame) -> pd.Series | None:
    return rows["index_at"] if "index_at" in rows and rows["index_at"].notna().any() else None


def _by_time(rows: pd.DataFrame, _: np.ndarray, whole: Persons, asked: Validation, __: int) -> Split:
    at = _dates(rows)
    if at is None or at.isna().any():
        missing = len(rows) if at is None else int(at.isna().sum())
        raise DataError(f"{missing} of {len(rows)} rows have no index date to part them by", hint="give index.at, or choose another split")
    first = at.iloc[whole.first(at)].to_numpy()
    cut = np.sort(first)[len(first) - _held(asked, whole.n)]
    if cut == first.min():
        raise DataError(
            f"no index date parts the {whole.n} persons: at least {1 - asked.holdout:.0%} of them have the same one",
            hint="are these dates of the index? else choose another split",
        )
    held = first[whole.codes] >= cut
    before = at.to_numpy() < cut
    return Split(np.flatnonzero(~held & before), np.flatnonzero(held), "time", pd.Timestamp(cut), (), int((~held & ~before).sum()))


def _by_site(rows: pd.DataFrame, _: np.ndarray, whole: Persons, asked: Validation, __: int) -> Split:
    home, own = home_sites(rows, asked.site), rows[asked.site or SITE].astype(object).to_numpy()
    sites, count = np.unique(home[whole.first()].astype(str), return_counts=True)
    known = {str(site): site for site in home}
    if len(sites) < 2:
        raise DataError(f"there is one site only ({len(rows)} rows)", hint="choose another split")
    wanted = [str(site) for site in asked.held_sites]
    absent = set(wanted) - set(sites)
    if absent:
        raise DataError(f"nobody is of the sites {sorted(absent)}", hint=f"there are {', '.join(sites)}")
    if not wanted:
        by_size = np.argsort(count, kind="stable")
        enough = int(np.searchsorted(np.cumsum(count[by_size]), _held(asked, whole.n))) + 1
        wanted = list(sites[by_size[: min(enough, len(sites) - 1)]])
    held, there = (np.isin(some.astype(str), wanted) for some in (home, own))
    chosen = tuple(known[site] for site in wanted)
    # a person held out takes no row of another site along, either
    return Split(np.flatnonzero(~held & ~there), np.flatnonzero(held & there), "site", None, chosen, int((held != there).sum()))


def _by_chance(_: pd.DataFrame, y: np.ndarray, whole: Persons, asked: Validation, seed: int) -> Split:
    had, rng = whole.any(happened(y)), np.random.default_rng(seed)
    chosen = [rng.permutation(some)[: round(asked.holdout * len(some))] for some in (np.flatnonzero(had), np.flatnonzero(~had))]
    held = np.isin(whole.codes, np.concatenate(chosen))
    return Split(np.flatnonzero(~held), np.flatnonzero(held), "random")


def _held(asked: Validation, persons: int) -> int:
    return max(1, round(asked.holdout * persons))
