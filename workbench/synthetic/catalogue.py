"""What the hospital knows: diseases, reasons of encounters, codes, formulary, laboratory items, read from data files.

Everything clinical that is not logic stands in ``data/*.tsv``; this module turns it into arrays that the generator multiplies.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

__all__ = ["AGE_BANDS", "CANCERS", "Catalogue", "Table", "catalogue", "read_table"]

#: Upper limits, in years, of the age bands of ``reasons.tsv``.
AGE_BANDS = np.array([3, 14, 30, 45, 60, 75])
#: Chronic diseases that count as cancer.
CANCERS = ("ca_lung", "ca_gastric", "ca_colorectal", "ca_liver", "ca_breast", "ca_thyroid", "ca_esophagus", "ca_cervix",
           "ca_prostate", "lymphoma")  # fmt: skip


class Table:
    """A data file of tab-separated columns.

    Parameters
    ----------
    name : str
        File name, for messages.
    columns : dict of str to list of str
        Texts by column.
    """

    def __init__(self, name: str, columns: dict[str, list[str]]) -> None:
        self.name = name
        self._columns = columns

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))

    def texts(self, column: str) -> list[str]:
        """Give a column as written."""
        return self._columns[column]

    def numbers(self, column: str, default: float = np.nan) -> np.ndarray:
        """Give a column as numbers; an empty cell is `default`."""
        return np.array([float(text) if text else default for text in self._columns[column]])

    def rows(self) -> list[dict[str, str]]:
        """Give the table row by row."""
        names = list(self._columns)
        return [dict(zip(names, row, strict=True)) for row in zip(*self._columns.values(), strict=True)]


@cache
def read_table(name: str) -> Table:
    """Read ``data/<name>.tsv``; lines that start with ``#`` are comments, a short row ends in empty cells.

    Raises
    ------
    ValueError
        If a row has more cells than the header.
    """
    text = resources.files("workbench.synthetic").joinpath("data", f"{name}.tsv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    header, *rows = (line.split("\t") for line in lines)
    if any(len(row) > len(header) for row in rows):
        raise ValueError(f"{name}.tsv has a row of more cells than its header of {len(header)}")
    padded = [row + [""] * (len(header) - len(row)) for row in rows]
    return Table(name, {column: [row[place] for row in padded] for place, column in enumerate(header)})


@dataclass(frozen=True)
class Catalogue:
    """Arrays over the data files.

    Parameters
    ----------
    diseases, reasons, incidentals, departments, labs, panels, classes : tuple of str
        Keys in file order; `states` is diseases, reasons, incidentals and "any" in one row of columns.
    codes_of : dict of str to tuple of ndarray
        Code group -> rows of ``icd10cn.tsv`` and their weights.
    lab_shift, lab_fading : ndarray of shape (n_states, n_labs)
        Effect of a state on an item, and the part of it that goes with recovery, in standard deviations.
    panel_in, panel_out, panel_repeat : ndarray of shape (n_states, n_panels)
        Chances of an order.
    drug_in, drug_out, drug_chronic : ndarray of shape (n_states, n_classes)
        Chances that a class of drugs is used.
    """

    diseases: tuple[str, ...]
    reasons: tuple[str, ...]
    incidentals: tuple[str, ...]
    states: tuple[str, ...]
    departments: tuple[str, ...]
    labs: tuple[str, ...]
    panels: tuple[str, ...]
    classes: tuple[str, ...]
    codes_of: dict[str, tuple[np.ndarray, np.ndarray]]
    lab_panel: np.ndarray
    lab_shift: np.ndarray
    lab_fading: np.ndarray
    panel_in: np.ndarray
    panel_out: np.ndarray
    panel_repeat: np.ndarray
    drug_class: np.ndarray
    drug_in: np.ndarray
    drug_out: np.ndarray
    drug_chronic: np.ndarray

    def disease(self, key: str) -> int:
        """Give the column of a chronic disease."""
        return self.diseases.index(key)

    def state(self, key: str) -> int:
        """Give the column of a state."""
        return self.states.index(key)

    def reason(self, key: str) -> int:
        """Give the number of a reason."""
        return self.reasons.index(key)

    def lab(self, code: str) -> int:
        """Give the column of a laboratory item or vital sign."""
        return self.labs.index(code)


def _matrix(table: Table, value: str, rows: tuple[str, ...], columns: tuple[str, ...], column: str) -> np.ndarray:
    matrix = np.zeros((len(rows), len(columns)))
    for state, other, number in zip(table.texts("state"), table.texts(column), table.numbers(value, 0.0), strict=True):
        matrix[rows.index(state), columns.index(other)] = number
    return matrix


def _code_groups() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    table = read_table("icd10cn")
    groups = np.array(table.texts("group"))
    weights = table.numbers("weight")
    return {group: (np.flatnonzero(groups == group), weights[groups == group]) for group in dict.fromkeys(groups.tolist())}


@cache
def catalogue() -> Catalogue:
    """Read and connect all data files once."""
    diseases = tuple(read_table("chronic").texts("key"))
    reasons = tuple(read_table("reasons").texts("key"))
    incidentals = tuple(read_table("incidental").texts("group"))
    states = (*diseases, *reasons, *incidentals, "any")
    labs, panel_of = read_table("labs").texts("code"), read_table("labs").texts("panel")
    panels = tuple(dict.fromkeys(panel_of))
    classes_of = read_table("drugs").texts("class")
    classes = tuple(dict.fromkeys(classes_of))
    effects, orders, uses = read_table("lab_effects"), read_table("panels"), read_table("drug_use")
    shift = _matrix(effects, "shift", states, tuple(labs), "code")
    return Catalogue(
        diseases=diseases,
        reasons=reasons,
        incidentals=incidentals,
        states=states,
        departments=tuple(read_table("departments").texts("code")),
        labs=tuple(labs),
        panels=panels,
        classes=classes,
        codes_of=_code_groups(),
        lab_panel=np.array([panels.index(panel) for panel in panel_of]),
        lab_shift=shift,
        lab_fading=shift * _matrix(effects, "fades", states, tuple(labs), "code"),
        panel_in=_matrix(orders, "inpatient", states, panels, "panel"),
        panel_out=_matrix(orders, "outpatient", states, panels, "panel"),
        panel_repeat=_matrix(orders, "repeat", states, panels, "panel"),
        drug_class=np.array([classes.index(name) for name in classes_of]),
        drug_in=_matrix(uses, "inpatient", states, classes, "class"),
        drug_out=_matrix(uses, "outpatient", states, classes, "class"),
        drug_chronic=_matrix(uses, "chronic", states, classes, "class"),
    )
