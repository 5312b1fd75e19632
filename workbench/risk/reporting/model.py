"""A model as a report prints it: every term, the baseline at the horizons, and a patient who never was, worked out by hand."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.locale import tr
from workbench.risk.cleaning.shown import shown_word
from workbench.risk.interpretation.nomogram import safe_spans
from workbench.risk.reporting.card import exportable, withheld

if TYPE_CHECKING:
    from workbench.disclosure import DisclosurePolicy
    from workbench.risk.extraction.dataset import Feature
    from workbench.risk.models.equation import Equation, Factor, Term
    from workbench.risk.reporting.facts import Writer

__all__ = ["baseline_table", "example_patient", "terms_table", "write_equation"]

#: 95 % of a normal distribution lies within so many standard errors.
_Z95 = 1.959964


def write_equation(writer: Writer) -> None:
    """Write the full model and a worked example; or why its numbers may not leave."""
    report, contents = writer.report, writer.contents
    reasons = withheld(contents.equation, contents.development, writer.policy)
    if reasons:
        report.text(tr("模型的系数不能随报告导出：", "The model's numbers cannot leave with this report:")).bullets(reasons)
        report.text(
            tr(
                "可在会话内用于预测；如须公开，请改用方程类模型。",
                "It predicts inside the session; to publish, choose an equation.",
            )
        )
        return
    equation = exportable(contents.equation, contents.development, writer.policy)
    labels = {feature.name: feature.label or feature.name for feature in contents.data.features.columns}
    report.text(_formula(equation))
    caption = tr(f"完整模型：{contents.model}", f"The full model: {contents.model}")
    report.table(terms_table(equation, labels), caption, note=_note(equation), words=True)
    writer.tell("equation", evidence=report.last_number)
    if equation.kind != "logistic":
        of_whom = tr(f"线性预测值 LP = {equation.mean:.8g} 时的", f"At LP = {equation.mean:.8g}: ")
        report.table(
            baseline_table(equation), tr("各预测时点的基线", "Baseline at each horizon"), note=of_whom + _share(equation) + tr("。", ".")
        )
        writer.tell("equation", evidence=report.last_number)
    _write_example(writer, equation, labels)


def terms_table(equation: Equation, labels: dict[str, str]) -> pd.DataFrame:
    """Return a row a term: how it is worked out, its coefficient with standard error, and the ratio where one unit has a meaning."""
    rows, uses = [], Counter(factor.feature for term in equation.terms for factor in term.factors if factor.transform != "level")
    if equation.kind == "logistic":
        rows.append((tr("截距", "Intercept"), "—", f"{equation.intercept:.8g} (—)", "—"))
    for term in equation.terms:
        how = " × ".join(_how(factor, labels) for factor in term.factors)
        spread = f"{term.std_error:.4g}" if np.isfinite(term.std_error) else "—"
        alone = len(term.factors) == 1 and uses[term.factors[0].feature] <= 1
        rows.append((_name(term, labels), how, f"{term.coefficient:.8g} ({spread})", _ratio(term) if alone else "—"))
    heads = [tr("项", "Term"), tr("计算方法", "Worked out as"), tr("系数 (标准误)", "Coefficient (SE)"), f"{equation.ratio} (95% CI)"]
    return pd.DataFrame(rows, columns=heads)


def baseline_table(equation: Equation) -> pd.DataFrame:
    """Return the baseline, a row a horizon."""
    rows = [(f"{horizon:g}", f"{share:.8g}") for horizon, share in equation.baseline]
    return pd.DataFrame(rows, columns=[tr("预测时点（天）", "Horizon (days)"), tr("基线 S₀", "Baseline S₀")])


def _share(equation: Equation) -> str:
    if equation.kind == "fine_gray":
        return tr("1 − 累积发生率（有竞争事件）", "1 − the cumulative incidence, with competing events")
    return tr("无事件概率", "the share without the event")


def example_patient(X: pd.DataFrame, policy: DisclosurePolicy) -> pd.DataFrame | None:
    """Return one row of made-up values: the middle of each predictor's usual range, to two digits; None where a range cannot be told.

    Parameters
    ----------
    X : DataFrame of shape (n, p)
        The predictors.
    policy : DisclosurePolicy
        What may be told of a range.
    """
    spans = safe_spans(X, policy=policy)
    if set(spans) != set(X.columns):
        return None
    made = {
        name: span[0] if isinstance(span[0], str) else 1.0 if span == (0.0, 1.0) else float(f"{np.mean(span):.2g}")
        for name, span in spans.items()
    }
    return pd.DataFrame({name: [value] for name, value in made.items()})


def _formula(equation: Equation) -> str:
    if equation.kind != "logistic":
        shift = f"{'+' if equation.mean < 0 else '−'} {abs(equation.mean):.8g}"
        return tr(
            f"风险(t) = 1 − S₀(t) ^ exp(LP {shift})，LP 为下表各项“系数 × 计算值”之和。",
            f"Risk(t) = 1 − S₀(t) ^ exp(LP {shift}); LP is the sum of coefficient × worked-out value over the table.",
        )
    return tr(
        "风险 = 1 / (1 + exp(−LP))，LP 为下表截距与各项“系数 × 计算值”之和。",
        "Risk = 1 / (1 + exp(−LP)); LP is the intercept and the sum of coefficient × worked-out value over the table.",
    )


def _name(term: Term, labels: dict[str, str]) -> str:
    """Return what a term is called: its predictors' labels, primes for the functions of a spline, as in R's rms."""
    words = {"level": tr("：{0}", ": {0}"), "missing": tr("缺失", " missing")}
    named = [
        labels.get(factor.feature, factor.feature) + words.get(factor.transform, "").format(shown_word(factor.level)) + "′" * factor.basis
        for factor in term.factors
    ]
    return " × ".join(named)


def _how(factor: Factor, labels: dict[str, str]) -> str:
    name = labels.get(factor.feature, factor.feature)
    if factor.transform == "missing":
        return tr(f"{name}缺失为 1，否则 0", f"1 if {name} is missing, else 0")
    if factor.transform == "level":
        words = tr("、", ", ").join(map(shown_word, factor.all_words))
        return tr(f"{name}为“{words}”时取 1，否则取 0", f"1 if {name} is {words}, else 0")
    inner = {"log": f"ln({name})", "spline": f"RCS{factor.basis + 1}({name}; {', '.join(f'{knot:.8g}' for knot in factor.knots)})"}
    text = inner.get(factor.transform, name)
    text = f"({text} {'+' if factor.centre < 0 else '−'} {abs(factor.centre):.8g})" if factor.centre else text
    return f"{text} / {factor.scale:.8g}" if factor.scale != 1 else text


def _ratio(term: Term) -> str:
    """Return a hazard or odds ratio for one unit of a predictor that has no other term; a dash where a unit means nothing."""
    factor = term.factors[0]
    if factor.transform in ("spline", "log"):
        return "—"
    unit = term.coefficient / (factor.scale if factor.transform == "identity" else 1.0)
    if not np.isfinite(term.std_error):
        return f"{np.exp(unit):.3f} (—)"
    error = abs(unit / term.coefficient * term.std_error) if term.coefficient else term.std_error
    return f"{np.exp(unit):.3f} ({np.exp(unit - _Z95 * error):.3f}, {np.exp(unit + _Z95 * error):.3f})"


def _note(equation: Equation) -> str:
    splines = any(factor.transform == "spline" for term in equation.terms for factor in term.factors)
    if not splines:
        return ""
    return tr(
        "RCS1(x) = x；其余为节点 t₁…t_k 的限制性立方样条基函数（Harrell 2015，第 2.4.5 节，除以 (t_k − t₁)²）。比值按变量一个单位计。",
        "RCS1(x) = x; the others are the restricted cubic spline functions of the knots (Harrell 2015, 2.4.5, over (t_k − t₁)²). "
        "Ratios are for one unit.",
    )


def _write_example(writer: Writer, equation: Equation, labels: dict[str, str]) -> None:
    """Work out one patient who never was, step by step."""
    used = list(dict.fromkeys(factor.feature for term in equation.terms for factor in term.factors))
    patient = example_patient(writer.contents.data.X[used], writer.policy) if used else None
    if patient is None:
        return
    features = {feature.name: feature for feature in writer.contents.data.features.columns}
    report = writer.report
    report.text(tr("算例（虚构的患者，不对应任何真实患者）：", "A worked example (a patient who never was):"))
    report.definitions([(labels.get(name, name), _value(patient[name].iloc[0], features[name])) for name in used])
    steps = [(_name(term, labels), _product(term, patient)) for term in equation.terms]
    report.table(
        pd.DataFrame(steps, columns=[tr("项", "Term"), tr("系数 × 计算值 = 乘积", "Coefficient × worked-out value = product")]),
        tr("算例的线性预测值", "The example's linear predictor"),
    )
    lp = float(equation.linear_predictor(patient)[0]) + (equation.intercept if equation.kind == "logistic" else 0.0)
    risks = equation.predict_risk(patient)[0]
    days = [tr(f"{horizon:g} 天", f"{horizon:g} days") for horizon, _ in equation.baseline] or [""]
    told = tr("；", "; ").join(f"{day} {100 * risk:.1f}%".strip() for day, risk in zip(days, risks, strict=True))
    report.text(tr(f"LP = {lp:z.4f}，预测风险：{told}。", f"LP = {lp:z.4f}; predicted risk: {told}."))
    writer.tell("equation", "prediction", evidence=tr("算例", "worked example"))


def _product(term: Term, patient: pd.DataFrame) -> str:
    value = float(np.prod([factor.values(patient)[0] for factor in term.factors]))
    return f"{term.coefficient:.6g} × {value:.6g} = {term.coefficient * value:z.4f}"


def _value(value: str | float, feature: Feature) -> str:
    if isinstance(value, str):
        return shown_word(value)
    return tr("是", "yes") if feature.kind == "yes_no" else f"{value:g} {feature.unit}".strip()
