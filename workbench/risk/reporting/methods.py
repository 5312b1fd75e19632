"""The methods of a report, worded from the protocol and the data: what a reader needs to judge, and nothing that was not done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from workbench import disclosure
from workbench.locale import tr
from workbench.risk.cleaning.changes import RULES
from workbench.risk.cleaning.shown import shown_unit
from workbench.risk.models.catalogue import takes_gaps
from workbench.risk.reporting.contents import safe_words
from workbench.risk.reporting.performance import SAMPLES, label_of, sample_label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from workbench.disclosure import DisclosurePolicy
    from workbench.risk.extraction.dataset import StudyData
    from workbench.risk.protocol.parts import Validation
    from workbench.risk.reporting.facts import Writer

__all__ = ["write_methods"]

#: Sources of predictors.
_SOURCES = {
    "person": ("基本信息", "person"),
    "labs": ("检验", "laboratory"),
    "vitals": ("生命体征", "vital signs"),
    "images": ("影像测量", "images"),
    "diagnoses": ("诊断", "diagnoses"),
    "medications": ("用药", "medications"),
    "procedures": ("手术操作", "procedures"),
    "encounters": ("就诊", "encounters"),
    "findings": ("文书提取", "findings in notes"),
    "observations": ("问诊与观察", "observations"),
    "column": ("数据表的列", "column of the tables"),
}
_PICKS = {
    "last": ("最近一次", "last"),
    "first": ("首次", "first"),
    "min": ("最低", "lowest"),
    "max": ("最高", "highest"),
    "mean": ("平均", "mean"),
    "slope": ("变化率", "slope"),
    "count": ("次数", "count"),
    "any": ("有无", "any"),
}
_CLOCKS = {"available": ("可得时间", "when available"), "recorded": ("记录时间", "when recorded"), "index": ("索引时刻", "at the index")}
_SPLITS = {
    "time": ("按时间：最近入组的约 {0} 患者留出", "by time: the latest {0} of patients are held out"),
    "site": ("按医院：整家医院留出，约占患者的 {0}", "by hospital: whole hospitals are held out, about {0} of patients"),
    "random": ("随机：约 {0} 患者留出", "at random: {0} of patients are held out"),
    "none": ("未设留出集，仅用重抽样验证", "no hold-out: validation by resampling alone"),
}


def write_methods(writer: Writer) -> None:
    """Write the section on methods, a part for each thing that TRIPOD+AI asks of them."""
    writer.report.section(tr("方法", "Methods"))
    for title, write in _PARTS():
        writer.report.section(title, level=2)
        write(writer)


def _PARTS() -> list[tuple[str, Callable[[Writer], None]]]:
    return [
        (tr("数据来源", "Source of data"), _source),
        (tr("研究对象与预测时刻", "Patients and time of prediction"), _patients),
        (tr("结局", "Outcome"), _outcome),
        (tr("预测因子", "Predictors"), _predictors),
        (tr("数据清洗与缺失值", "Cleaning and missing values"), _cleaning),
        (tr("样本量", "Sample size"), _sample_size),
        (tr("模型", "Model"), _model),
        (tr("验证与评价指标", "Validation and measures"), _validation),
    ]


def _source(writer: Writer) -> None:
    data = writer.contents.data
    where = (
        tr("数据取自医院数据仓库的一份不可变快照", "Data are of one immutable snapshot of the hospital's store")
        if data.protocol.cohort is not None and data.protocol.tables is None
        else tr("数据取自研究者提供的数据表", "Data are tables that the researchers gave")
    )
    name = data.origin[:16]  # whole in the appendix: a word as long as a line tears the line before it apart
    writer.report.text(tr(f"{where}（{name}）。", f"{where} ({name})."))
    writer.tell("source")
    if dates := _accrual(data, writer.policy.threshold):
        first, last = dates
        writer.report.text(
            tr(
                f"索引时刻自 {first} 至 {last}（以月计；两端各略去人数不足阈值的一段，去标识化数据的日期已平移）。",
                f"Index times run from {first} to {last} (months; without the few at both ends; dates of de-identified data are shifted).",
            )
        )
        writer.tell("dates", evidence=f"{first}–{last}")


def _accrual(data: StudyData, threshold: int) -> tuple[str, str] | None:
    """Return the months between which patients entered, so that enough persons lie beyond on either side."""
    times = pd.to_datetime(data.rows["index_at"]).dropna()
    if len(times) < 2 * threshold:
        return None
    ordered = times.sort_values()
    return f"{ordered.iloc[threshold - 1]:%Y-%m}", f"{ordered.iloc[-threshold]:%Y-%m}"


def _patients(writer: Writer) -> None:
    protocol, index = writer.contents.data.protocol, writer.contents.data.protocol.index
    rules = [rule.name for rule in protocol.rules] or [step.name for step in writer.contents.data.cohort.flow]
    writer.report.text(tr("依次满足下列条件者进入研究：", "Patients belong to the study by these steps:")).bullets(rules)
    if protocol.cohort is not None:
        writer.report.text(tr("队列定义的全文见附录代码。", "The definition of the cohort stands in the appendix of code."))
    writer.tell("eligibility")
    shift = tr(f"索引时刻之后 {index.plus_hours:g} 小时", f"{index.plus_hours:g} hours after the index") if index.plus_hours else ""
    moment = shift or tr("索引时刻", "the index time")
    if index.landmarks is not None:
        marks = index.landmarks
        moment += tr(
            f"起每 {marks.every_hours:g} 小时一次，至 {marks.until_hours:g} 小时，仅限仍处于风险中的患者",
            f", then every {marks.every_hours:g} hours up to {marks.until_hours:g}, while the patient is at risk",
        )
    writer.report.text(tr(f"预测时刻为{moment}。", f"The prediction is made at {moment}."))


def _outcome(writer: Writer) -> None:
    data = writer.contents.data
    outcome = data.protocol.outcome
    kind = (
        tr("是否发生（二分类）", "whether it happens (binary)")
        if data.binary
        else tr("发生时间（生存结局，允许删失）", "when it happens (survival, censored)")
    )
    facts = [(tr("结局", "Outcome"), outcome.label), (tr("类型", "Kind"), kind)]
    if outcome.horizons_days:
        facts.append((tr("预测时点", "Horizons"), tr("、", ", ").join(f"{day:g}" for day in outcome.horizons_days) + tr(" 天", " days")))
    if len(data.cohort.causes) > 1:
        facts.append((tr("竞争事件", "Competing events"), tr("、", ", ").join(data.cohort.causes[1:])))
    if outcome.blackout_hours:
        gap = tr(
            f"预测后 {outcome.blackout_hours:g} 小时内发生者不计入", f"within {outcome.blackout_hours:g} hours of the prediction: left out"
        )
        facts.append((tr("间隔", "Gap"), gap))
    writer.report.definitions(facts)
    writer.tell("outcome")


def _predictors(writer: Writer) -> None:
    data = writer.contents.data
    told = data.features.provenance.set_index("feature") if "feature" in data.features.provenance else pd.DataFrame()
    rows = []
    for feature in data.features.columns:
        of = told.loc[feature.name] if feature.name in told.index else pd.Series(dtype=object)
        rows.append(
            (
                feature.label or feature.name,
                feature.unit or "—",
                _word(_SOURCES, feature.source),
                _word(_PICKS, of.get("pick", "")) or "—",
                _hours(of.get("look_back_hours")),
                _word(_CLOCKS, of.get("clock", "")) or "—",
            )
        )
    heads = [tr("变量", "Variable"), tr("单位", "Unit"), tr("来源", "Source"), tr("取值方式", "Pick")]
    table = pd.DataFrame(rows, columns=[*heads, tr("回溯时间", "Look-back time"), tr("时钟", "Clock")])
    writer.report.table(table, tr("候选预测因子", "Candidate predictors"), words=True)
    writer.tell("predictors", evidence=writer.report.last_number)
    writer.report.text(
        tr(
            "每个变量只取预测时刻之前已经可得的记录；之后的记录由查询排除，并由截断检验核对："
            "删除或打乱预测时刻之后的全部记录，全部预测因子须逐位不变。",
            "Only records available before the prediction count; the query leaves out later ones, and a truncation test deletes or "
            "shuffles everything after it: the features have to stay the same, bit by bit.",
        )
    )
    writer.tell("clocks")


def _word(words: dict[str, tuple[str, str]], key: object) -> str:
    if str(key) in words:
        return tr(*words[str(key)])
    return "" if pd.isna(key) else str(key)


def _hours(hours: object) -> str:
    if hours is None or pd.isna(hours):
        return tr("全部既往", "all before")
    value = float(hours)
    return tr(f"{value / 24:g} 天", f"{value / 24:g} days") if value >= 48 else tr(f"{value:g} 小时", f"{value:g} hours")


def _cleaning(writer: Writer) -> None:
    changes = writer.contents.data.features.changes
    if changes:
        policy = writer.policy
        rows = [
            (
                change.column,
                tr(RULES[change.rule].zh, RULES[change.rule].en) if change.rule in RULES else change.rule,
                str(disclosure.suppress_count(int(change.count), policy=policy)) if change.count else "—",
                shown_unit(change.note) or "—",
            )
            for change in changes
        ]
        heads = [
            tr("列", "Column"),
            tr("处理", "What was done"),
            tr("记录数（人数规则取整）", "Count (rounded as persons)"),
            tr("说明", "Remark"),
        ]
        writer.report.table(pd.DataFrame(rows, columns=heads), tr("数据清洗记录", "Log of cleaning"), words=True)
        writer.tell("cleaning", evidence=writer.report.last_number)
    else:
        writer.report.text(
            tr("单位、别名和生理界限按项目目录核对，没有改动。", "Units, aliases and limits were checked: nothing was changed.")
        )
        writer.tell("cleaning")
    writer.report.text(tr("", " ").join(_gaps(writer)))
    writer.tell("missing")


def _gaps(writer: Writer) -> Iterator[str]:
    """Say what became of missing values, by the models that were run."""
    data, run = writer.contents.data, list(dict.fromkeys(writer.performance["model"]))
    if not data.X.isna().any(axis=None):
        yield tr("候选预测因子没有缺失值。", "No predictor has missing values.")
        return
    as_they_are, validation = [name for name in run if takes_gaps(name)], data.protocol.validation
    if len(as_they_are) < len(run):
        yield (
            tr(
                f"缺失值用链式方程多重填补（{validation.imputations} 次），在每次重抽样内重新拟合。所评价的风险是各次所建模型风险的平均；"
                "所列方程的系数按 Rubin 规则合并，由它算得的风险可与之略有不同。",
                f"Missing values: chained equations ({validation.imputations} times), fitted in each resample. Risks that were judged are "
                "means over the models of each; an equation has coefficients joined by Rubin's rules, and its risks may differ a little.",
            )
            if validation.imputation == "multiple"
            else tr(
                "缺失值以训练数据的典型值填补（数值取中位数、类别取众数），在每次重抽样内重新拟合。",
                "Missing values take the training data's typical value (median, most frequent word), fitted in each resample.",
            )
        )
    if as_they_are:
        names = tr("、", ", ").join(as_they_are)
        yield tr(f"{names} 直接使用缺失值，不作填补。", f"Missing values are not filled for {names}, which take them as they are.")
    yield tr("没有因缺失而剔除研究对象。", "Nobody was left out for them.")


def _sample_size(writer: Writer) -> None:
    writer.report.text(
        tr(
            "样本量由现有数据决定，未事先计算；按 Riley 等的准则核对其是否足以建立该模型。",
            "The size is that of the data at hand, not worked out beforehand; the criteria of Riley et al. tell whether it is enough.",
        )
    )
    if writer.contents.sample_size is not None:
        table = writer.contents.sample_size.map(lambda cell: _asked(str(cell), writer.policy))
        writer.report.table(table, tr("样本量核对", "Check of the sample size"), words=True)
        writer.tell("sample_size", evidence=writer.report.last_number)


def _asked(cell: str, policy: DisclosurePolicy) -> str:
    """Return a cell of the sample size: a number that is asked for is no count of persons; counts in sentences are."""
    return f"≥ {cell}" if cell.replace(",", "").isdigit() else safe_words(cell, policy)


def _model(writer: Writer) -> None:
    protocol = writer.contents.data.protocol
    chosen = [f"{choice.name}（{_parameters(choice.parameters)}）" if choice.parameters else choice.name for choice in protocol.models] or [
        protocol.main_model.name
    ]
    writer.report.definitions(
        [
            (tr("研究模型", "The study's model"), writer.contents.model),
            (tr("方案所列模型", "Models of the protocol"), tr("、", ", ").join(chosen)),
            (tr("随机种子", "Seed"), str(protocol.seed)),
        ]
    )
    if writer.contents.equation is not None:
        forms = _forms(writer)
        writer.report.text(tr(f"连续变量的函数形式：{forms}。", f"Form of continuous predictors: {forms}."))
        if writer.contents.development.rows["person"].duplicated().any():
            clustered = "同一患者有多次预测，各行并不独立：系数的标准误按患者聚类（三明治估计）。"
            writer.report.text(tr(clustered, "Rows of one patient depend on each other: standard errors are the sandwich by patient."))
    writer.report.text(
        tr(
            "预处理、填补、变量变换与拟合合为一个流程，在每个重抽样样本中从头重做；罚参数的选择也在其中。未使用过采样、欠采样等类别不平衡处理。",
            "Preparation, imputation, transformation and fit are one pipeline, made anew in each resample, with the choice of penalties. "
            "No method against class imbalance was used.",
        )
    )
    writer.tell("model", "imbalance", "prediction")
    if not (writer.contents.charts.get("updating") or writer.contents.tables.get("updating")):
        writer.report.text(tr("评价之后没有更新模型。", "The model was not updated after its evaluation."))
        writer.tell("updating")
    told = tr("模型输出为预测时点前发生结局的概率", "The output is the probability of the outcome by the horizon")
    thresholds = tr("、", ", ").join(f"{100 * level:g}%" for level in protocol.thresholds)
    writer.report.text(
        told
        + (
            tr(f"；分类与净获益在阈值 {thresholds} 处计算。", f"; classes and net benefit at {thresholds}.")
            if thresholds
            else tr("。", ".")
        )
    )
    writer.tell("output")


def _parameters(parameters: dict[str, object]) -> str:
    return tr("，", ", ").join(f"{name}={value}" for name, value in parameters.items())


def _forms(writer: Writer) -> str:
    words = {
        "identity": tr("线性", "linear"),
        "log": tr("对数", "logarithm"),
        "spline": tr("限制性立方样条", "restricted cubic spline"),
        "level": tr("类别指示变量", "indicators of categories"),
        "missing": tr("缺失指示变量", "indicators of missing values"),
    }
    used = {factor.transform for term in writer.contents.equation.terms for factor in term.factors}
    return tr("、", ", ").join(word for name, word in words.items() if name in used) or "—"


def _validation(writer: Writer) -> None:
    contents = writer.contents
    validation, performance = contents.data.protocol.validation, writer.performance
    samples = [name for name in (*SAMPLES, *performance["sample"].unique()) if (performance["sample"] == name).any()]
    share = f"{100 * validation.holdout:g}%"
    split = tr(*_SPLITS[validation.split]).format(share) if validation.split else _found_split(samples)
    writer.report.definitions(
        [
            (tr("数据划分", "Split"), split + tr("；同一患者只在一侧", "; a patient is on one side only")),
            (
                tr("内部验证", "Internal validation"),
                tr("；", "; ").join(_resampling(validation)),
            ),
            (tr("报告的样本", "Samples reported"), tr("、", ", ").join(map(sample_label, dict.fromkeys(samples)))),
            (tr("指标", "Measures"), tr("、", ", ").join(_labels(performance["measure"]))),
        ]
    )
    writer.tell("split", "resampling", "measures")
    if validation.leave_one_site_out:
        writer.report.text(
            tr(
                "逐中心验证（内部-外部验证）：每个中心的患者由其余中心建立的模型预测；各中心的结果在该指标的适当尺度上以随机效应模型合并"
                "（限制性最大似然，Hartung-Knapp 区间），预测区间给出新中心可能的表现。发生结局者过少的中心不单独评价。",
                "Site by site (internal-external validation): patients of each site are predicted by a model made at the others; sites are "
                "joined by random effects (restricted maximum likelihood, Hartung and Knapp's interval); the prediction interval says what "
                "a new site may show. Sites where too few had the outcome are not evaluated by themselves.",
            )
        )
        writer.tell("clusters")
    if "holdout" in samples:
        writer.report.text(
            tr(
                "建模集与留出集来源相同，入选条件、结局和预测因子的定义一致，差别只来自上述划分。",
                "Development and held-out data share source, eligibility, outcome and predictors; they differ by the split alone.",
            )
        )
        writer.tell("split_differences")


def _resampling(validation: Validation) -> Iterator[str]:
    if validation.bootstrap:
        yield tr(
            f"自助法重抽样 {validation.bootstrap} 次校正研究模型的乐观偏差",
            f"{validation.bootstrap} bootstrap resamples correct the study's model for optimism",
        )
    yield tr(f"{validation.folds} 折按患者分组交叉验证", f"cross-validation of {validation.folds} folds by patient")
    yield tr("区间由按患者的自助抽样得出", "intervals by drawing patients with replacement")


def _found_split(samples: Iterable[str]) -> str:
    held = {"holdout", "external"} & set(samples)
    return tr("已留出一部分患者", "some patients are held out") if held else tr(*_SPLITS["none"])


def _labels(measures: pd.Series) -> list[str]:
    return list(dict.fromkeys(map(label_of, measures)))
