"""The card of a model: what it is for, how well it does, and its equation, in a JSON file that tells of no patient.

A model is a channel by which patients leave: a fitted Cox model stores every event time, a forest's leaves hold a person or two, an
imputer holds values. So a card is text and numbers that a reader can check, never a pickle: coefficients, and a baseline coarsened to at
most 50 horizons with at least as many persons' events between any two of them as the disclosure policy asks of a count. A model that
is no equation has a card without weights that says why.
"""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import workbench
from workbench.errors import DataError
from workbench.locale import tr
from workbench.risk.models.equation import Equation, Factor, Term
from workbench.risk.reporting.contents import event_of_rows, population

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from workbench.disclosure import DisclosurePolicy
    from workbench.risk.extraction.dataset import StudyData
    from workbench.risk.reporting.contents import ReportContents

__all__ = ["MOST_HORIZONS", "SCHEMA", "card", "card_text", "coarsened", "exportable", "read_card", "withheld"]

#: Name and version of the form.
SCHEMA = "workbench-card/1"

#: A baseline has no more horizons than this.
MOST_HORIZONS = 50

#: Significant digits of a number; finer ones tell of the data and nothing of the risk.
_DIGITS = 8

#: Fields of a factor as the card calls them -> as :class:`Factor` does. What stands for missing values is an imputer's, and left out.
_FACTOR = {
    "feature": "feature",
    "transform": "transform",
    "level": "level",
    "words": "words",
    "knots": "knots",
    "basis_index": "basis",
    "centre": "centre",
    "scale": "scale",
}
_PLAIN = ("name", "kind", "strata", "source", "update")


def withheld(equation: Equation | None, data: StudyData, policy: DisclosurePolicy) -> tuple[str, ...]:
    """Return why a model's numbers may not leave; empty where they may.

    Parameters
    ----------
    equation : Equation or None
        The model; None where it is none.
    data : StudyData
        What it was made of.
    policy : DisclosurePolicy
        Its threshold is the least number of persons that a number may rest on.

    Returns
    -------
    tuple of str
        Reasons, in the language in force.
    """
    if equation is None:
        return (
            tr(
                "模型不是单一的方程（竞争风险、树、网络）：其各部分可能只对应少数患者，不导出",
                "the model is no single equation (competing risks, trees, a net): its parts may rest on few patients and do not leave",
            ),
        )
    if equation.source and not equation.update:
        return ()  # entered from a paper: nothing in it is of these patients
    return tuple(_reasons(equation, data, policy))


def _reasons(equation: Equation, data: StudyData, policy: DisclosurePolicy) -> Iterator[str]:
    if population(data, policy, nothing="").n_events < policy.threshold:
        yield tr(f"结局事件少于 {policy.threshold} 例的阈值", f"fewer events than the threshold of {policy.threshold}")
    for feature, wanted in sorted({(factor.feature, factor) for term in equation.terms for factor in term.factors}, key=lambda f: f[0]):
        if feature not in data.X.columns:
            yield tr(f"数据中没有变量 {feature}，无法核查", f"the data have no {feature}, so that nobody can check")
        elif _rests_on_few(wanted, data, policy.threshold):
            told = {"level": (f"的类别“{wanted.level}”", f" at {wanted.level!r}"), "spline": ("的样条节点", " at a knot")}
            zh, en = told.get(wanted.transform, ("的某一取值", " at one of its values"))
            join = f"parameters: {{rare: {policy.threshold}}}"
            more = tr(f"（模型的 {join} 可合并少见类别）", f" (the model's {join} joins rare categories)")
            yield tr(f"{feature}{zh}只涉及少数患者", f"{feature}{en} rests on few patients") + more * (wanted.transform == "level")
    if equation.kind != "logistic" and not coarsened(equation, data, policy):
        yield tr("预测时点之间的事件过少，基线不能给出", "too few events between the horizons: the baseline cannot be told")


def _rests_on_few(factor: Factor, data: StudyData, threshold: int) -> bool:
    """Tell whether a number of the factor is of fewer persons than the threshold."""
    column = data.X[factor.feature]
    if factor.transform == "missing":
        return _few(column.isna(), data, threshold) or _few(column.notna(), data, threshold)
    if factor.transform == "level":
        return _few(column.astype(str).isin(factor.all_words), data, threshold)
    if factor.transform == "spline":
        return any(_few(column <= knot, data, threshold) or _few(column >= knot, data, threshold) for knot in factor.knots)
    values = column.dropna()
    return values.nunique() <= 2 and any(_few(column == value, data, threshold) for value in values.unique())


def _few(rows: Any, data: StudyData, threshold: int) -> bool:
    return int(data.rows.loc[np.asarray(rows, bool), "person"].nunique()) < threshold


def coarsened(equation: Equation, data: StudyData, policy: DisclosurePolicy) -> tuple[tuple[float, float], ...]:
    """Return the part of a baseline that tells of no event's time.

    Parameters
    ----------
    equation : Equation
        With a baseline at any horizons.
    data : StudyData
        Whose events it was made of.
    policy : DisclosurePolicy
        Its threshold is the least number of persons with an event between two horizons, and before the first.

    Returns
    -------
    tuple of (float, float)
        At most :data:`MOST_HORIZONS` of the baseline's points, by rising horizon: the study's own before all others, and of the others none
        that is a time of the data.
    """
    own = set(data.protocol.outcome.horizons_days)
    if equation.source and not equation.update:
        return equation.baseline
    happened = event_of_rows(data) == 1
    times, persons = data.y["time"][happened], data.rows["person"].to_numpy()[happened]
    kept: list[float] = []
    told = {horizon for horizon, _ in equation.baseline} - (set(data.y["time"].tolist()) - own)  # a time in the data would tell itself
    for horizon in sorted(told, key=lambda day: (day not in own, day)):
        edges = [0.0, *sorted([*kept, horizon])]
        between = (len(set(persons[(times > low) & (times <= high)])) for low, high in pairwise(edges))
        if len(kept) < MOST_HORIZONS and min(between) >= policy.threshold:
            kept.append(horizon)
    return tuple(sorted({point for point in equation.baseline if point[0] in kept}))


def exportable(equation: Equation, data: StudyData, policy: DisclosurePolicy) -> Equation:
    """Return the equation that may leave: rounded, coarsened, without words of few patients and without what stands for missing values."""
    common = {name: {str(word) for word in data.X[name].unique() if not _few(data.X[name].astype(str) == str(word), data, policy.threshold)}
              for name, _ in equation.levels if name in data.X.columns}  # fmt: skip

    def factor(given: Factor) -> Factor:
        return replace(
            given,
            words=tuple(word for word in given.words if word in common.get(given.feature, ()) and word != given.level),
            knots=tuple(map(_rounded, given.knots)),
            centre=_rounded(given.centre),
            scale=_rounded(given.scale),
            fill=None,
        )

    def levels(name: str, words: tuple[str, ...]) -> tuple[str, ...]:
        joined = [word for term in equation.terms for f in term.factors if f.feature == name for word in factor(f).all_words]
        return tuple(dict.fromkeys(word for word in (*words, *joined) if word in common.get(name, ()) or word in joined))

    return replace(
        equation,
        terms=tuple(
            replace(
                term,
                factors=tuple(map(factor, term.factors)),
                coefficient=_rounded(term.coefficient),
                std_error=_rounded(term.std_error),
            )
            for term in equation.terms
        ),
        intercept=_rounded(equation.intercept),
        mean=_rounded(equation.mean),
        baseline=tuple((horizon, _rounded(share)) for horizon, share in (coarsened(equation, data, policy) if equation.baseline else ())),
        levels=tuple((name, levels(name, words)) for name, words in equation.levels),
    )


def card(contents: ReportContents, *, policy: DisclosurePolicy, performance: Iterable[dict[str, Any]] = ()) -> dict[str, Any]:
    """Return the card of a study's model.

    Parameters
    ----------
    contents : ReportContents
        The study's result.
    policy : DisclosurePolicy
        What may be shown.
    performance : iterable of dict
        Its performance, already safe to show.

    Returns
    -------
    dict
        Plain values; ``equation`` is None where ``weights_withheld`` says why.
    """
    data, made_of = contents.data, contents.development
    protocol, reasons = data.protocol, withheld(contents.equation, made_of, policy)
    people = population(data, policy, nothing=tr("未发生", "event-free"))
    equation = None if reasons or contents.equation is None else exportable(contents.equation, made_of, policy)
    return {
        "schema": SCHEMA,
        "title": protocol.title,
        "model": contents.model,
        "software": f"clinical-workbench {workbench.__version__}",
        "protocol_sha256": protocol.hash,
        "snapshot": data.origin,
        "intended_use": tr(
            "用于研究；用于诊疗之前须在使用地外部验证并按需更新。用途、使用者与诊疗路径由作者填写。",
            "Research; before care it wants external validation where it is used. Purpose, users and care path: author to write.",
        ),
        "outcome": {"label": protocol.outcome.label, "form": protocol.outcome.kind, "horizons_days": list(protocol.outcome.horizons_days)},
        "population": [{"outcome": tr("全部", "All"), "persons": _shown(people.persons)}]
        + [{"outcome": label, "persons": _shown(count)} for label, count in people.outcomes],
        "predictors": [{"feature": f.name, "label": f.label, "unit": f.unit, "form": f.kind} for f in data.features.columns],
        "performance": list(performance),
        "weights_withheld": list(reasons),
        "equation": None if equation is None else _plain(equation, persons=_shown(population(made_of, policy, nothing="").persons)),
        "missing_values": tr(
            "每个预测因子都须有值；填补所用的数值不导出。", "Every predictor must be given; what stood for missing values stays."
        ),
        "disclosure": tr("阈值 {0}，取整 {1}", "threshold {0}, rounding {1}").format(policy.threshold, policy.rounding),
    }


def card_text(given: dict[str, Any]) -> str:
    """Return a card as JSON text."""
    return json.dumps(given, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def read_card(path: str | Path) -> Equation:
    """Read the equation of a card.

    Parameters
    ----------
    path : str or Path
        The card.json of a report.

    Returns
    -------
    Equation
        It predicts what the model of the card predicts, up to the digits that the card has.

    Raises
    ------
    DataError
        If the file is no card, or its weights were withheld.
    """
    try:
        given = json.loads(Path(path).read_text(encoding="utf-8"))
        known = isinstance(given, dict) and given.get("schema") == SCHEMA
    except (OSError, ValueError) as error:
        raise DataError(f"the card {path} cannot be read: {error}") from error
    if not known:
        raise DataError(f"{path} is no model card of the form {SCHEMA}", hint="a report writes one as card.json")
    if given.get("equation") is None:
        raise DataError(f"the card has no equation: {'; '.join(given.get('weights_withheld', ()))}", hint="fit an equation (Cox, logistic)")
    try:
        return _equation(given["equation"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"the equation of {path} is broken: {type(error).__name__} at {error}", hint="take the card as it was written"
        ) from error


def _plain(equation: Equation, *, persons: int | str) -> dict[str, Any]:
    """Return an equation as plain values; each coefficient says of how many persons it tells."""
    return {
        **{name: getattr(equation, name) for name in _PLAIN if getattr(equation, name)},
        **({"intercept": equation.intercept} if equation.kind == "logistic" else {"mean": equation.mean}),
        "baseline": [{"horizon_days": horizon, "survival": share} for horizon, share in equation.baseline],
        "levels": [{"feature": name, "words": list(words)} for name, words in equation.levels],
        "terms": [
            {
                "label": term.label,
                "persons": persons,
                "coefficient": term.coefficient,
                **({} if np.isnan(term.std_error) else {"std_error": term.std_error}),
                "factors": [_plain_factor(factor) for factor in term.factors],
            }
            for term in equation.terms
        ],
    }


def _plain_factor(factor: Factor) -> dict[str, Any]:
    """Return what differs from a factor's defaults."""
    plain = Factor(feature="")
    named = {key: getattr(factor, name) for key, name in _FACTOR.items() if getattr(factor, name) != getattr(plain, name)}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in named.items()}


def _equation(given: dict[str, Any]) -> Equation:
    terms = tuple(
        Term(
            tuple(
                Factor(**{_FACTOR[key]: tuple(value) if isinstance(value, list) else value for key, value in factor.items()})
                for factor in term["factors"]
            ),
            float(term["coefficient"]),
            float(term.get("std_error", "nan")),
            term.get("label", ""),
        )
        for term in given["terms"]
    )
    return Equation(
        **{name: given[name] for name in (*_PLAIN, "intercept", "mean") if name in given},
        terms=terms,
        baseline=tuple((float(point["horizon_days"]), float(point["survival"])) for point in given["baseline"]),
        levels=tuple((each["feature"], tuple(each["words"])) for each in given["levels"]),
    )


def _shown(count: Any) -> int | str:
    return str(count) if count.shown is None else count.shown


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
