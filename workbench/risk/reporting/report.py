"""A study's report: report.html, report.docx, metrics.csv and card.json, all four or none."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from workbench import disclosure
from workbench.errors import EnvironmentFault
from workbench.locale import tr
from workbench.report import Report
from workbench.risk.reporting.card import card, card_text
from workbench.risk.reporting.checklists import probast_table, tripod_table
from workbench.risk.reporting.contents import population, safe_words
from workbench.risk.reporting.facts import Writer
from workbench.risk.reporting.limitations import limitations, why_lower
from workbench.risk.reporting.methods import write_methods
from workbench.risk.reporting.performance import card_rows, checked, metrics
from workbench.risk.reporting.results import write_results

if TYPE_CHECKING:
    from datetime import date

    from workbench.disclosure import DisclosurePolicy
    from workbench.risk.reporting.contents import ReportContents

__all__ = ["FILES", "study_report", "write_report"]

#: What a report consists of.
FILES = ("report.html", "report.docx", "metrics.csv", "card.json")

#: Begin of the name of a folder in which a report is made, beside the place that its files then take.
_PART = ".part."
#: A report is written in seconds; a folder so old was left by a process that was killed.
_LEFT_SECONDS = 3600


def write_report(
    contents: ReportContents, folder: str | Path, *, policy: DisclosurePolicy | None = None, day: date | None = None
) -> dict[str, Path]:
    """Write a study's report.

    Parameters
    ----------
    contents : ReportContents
        The study's result.
    folder : str or Path
        Where the four files go; it is made. Files of an older report are replaced, all four or none; others stay.
    policy : DisclosurePolicy, optional
        The centre's where None.
    day : date, optional
        On the report; today where None. The same result on the same day gives the same bytes.

    Returns
    -------
    dict of str to Path
        The files by name.

    Raises
    ------
    PolicyError
        If `policy` is None and the centre has set none.
    DataError, DefinitionError
        If the result lacks something, or holds what has no safe form; an older report then stays as it was.
    EnvironmentFault
        If the folder cannot be written to.
    """
    policy = policy or disclosure.load_policy()
    report = study_report(contents, policy=policy, day=day)
    ordered = checked(contents.performance, contents.model)
    people = population(contents.data, policy, nothing="")
    own = ordered[ordered["model"] == contents.model]
    made = card(contents, policy=policy, performance=card_rows(own, people.persons))
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=_PART, dir=folder))
    except OSError as error:
        raise EnvironmentFault(f"{folder} cannot be written to: {error.strerror}", hint="name another folder") from error
    try:
        (aside / "report.html").write_text(report.html(), encoding="utf-8")
        (aside / "report.docx").write_bytes(report.word())
        metrics(ordered, contents.model, people.persons, policy).to_csv(aside / "metrics.csv", index=False, encoding="utf-8-sig")
        (aside / "card.json").write_text(card_text(made), encoding="utf-8")
        _replace(aside, folder)
        _sweep(folder)
    except OSError as error:
        raise EnvironmentFault(f"{folder} cannot be written to: {error.strerror}", hint="name another folder, or make room") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return {name: folder / name for name in FILES}


def study_report(contents: ReportContents, *, policy: DisclosurePolicy | None = None, day: date | None = None) -> Report:
    """Return a study's report before it is written, to be looked at in a notebook; parameters as `write_report`."""
    policy = policy or disclosure.load_policy()
    data = contents.data
    protocol = data.protocol
    performance = checked(contents.performance, contents.model)
    report = Report(
        protocol.title,
        [(tr("研究方案（SHA-256）", "Protocol (SHA-256)"), protocol.hash), (tr("数据版本", "Snapshot of the data"), data.origin)],
        subtitle=tr("疾病风险预测模型研究报告", "Report of a risk prediction study"),
        policy=policy,
        numbered=True,
        day=day,
    )
    writer = Writer(report, contents, policy, population(data, policy, nothing=tr("未发生", "Event-free")), performance)
    for write in (_introduction, write_methods, write_results, _discussion, _record, _code, _tripod, _probast):
        write(writer)
    return report


def _sweep(folder: Path) -> None:
    """Delete what processes that were killed left; a report that is written at this moment is younger."""
    for left in folder.glob(f"{_PART}*"):
        if left.is_dir() and time.time() - left.stat().st_mtime > _LEFT_SECONDS:
            shutil.rmtree(left, ignore_errors=True)


def _replace(aside: Path, folder: Path) -> None:
    """Put the new files in place; where one cannot be, the old ones come back."""
    old = aside / "old"
    old.mkdir()
    kept = [name for name in FILES if (folder / name).is_file()]
    done: list[str] = []
    try:
        for name in kept:
            (folder / name).replace(old / name)
        for name in FILES:
            (aside / name).replace(folder / name)
            done.append(name)
    except OSError:
        for name in done:
            (folder / name).unlink(missing_ok=True)
        for name in kept:
            if (old / name).exists():
                (old / name).replace(folder / name)
        raise


def _introduction(writer: Writer) -> None:
    report, protocol = writer.report, writer.contents.data.protocol
    report.section(tr("背景与目的", "Background and objectives"))
    writer.tell("title")
    report.text(
        tr(
            "【作者填写】疾病负担与诊疗背景；已有的预测模型；目标人群、使用者与用途；已知的健康不平等。",
            "[Author to write] Burden and care; existing models; target population, users and purpose; known health inequalities.",
        )
    )
    held = {"holdout", "external"} & set(writer.performance["sample"])
    what = tr("建立并验证", "develop and validate") if held else tr("建立并内部验证", "develop and internally validate")
    days = tr("、", ", ").join(f"{day:g}" for day in protocol.outcome.horizons_days)
    by = tr(f"（{days} 天内）", f" within {days} days") if days else ""
    report.text(
        tr(
            f"目的：{what}预测“{protocol.outcome.label}”{by}的多变量模型。",
            f"Objective: to {what} a multivariable model of {protocol.outcome.label!r}{by}.",
        )
    )
    writer.tell("objective")


def _discussion(writer: Writer) -> None:
    report = writer.report
    report.section(tr("讨论", "Discussion"))
    report.section(tr("结果的解释", "Interpretation"), level=2)
    report.text(
        tr("【作者填写】主要结果的解释；公平性；与既往研究的比较。", "[Author to write] What the results mean; fairness; previous studies.")
    )
    report.section(tr("为何数值可能低于已发表的模型", "Why figures may be lower than published ones"), level=2)
    for text in why_lower():
        report.text(text)
    report.section(tr("局限", "Limitations"), level=2)
    report.bullets([*limitations(writer), tr("【作者补充】程序无法得知的局限。", "[Author to add] Limits that the run cannot know.")])
    writer.tell("limitations")
    report.section(tr("使用", "Use"), level=2)
    report.text(
        tr(
            "输入的单位与定义须与“候选预测因子”一致；超出建模集范围的数值不宜外推。"
            "模型卡中的方程要求每个变量都有值：缺失时不给出预测，而不是代入默认值。",
            "Units and definitions have to be those of the candidate predictors; do not extrapolate. The equation of the model card "
            "wants every predictor: where one is missing it gives no prediction rather than one from a default.",
        )
    )
    writer.tell("input_quality")


def _record(writer: Writer) -> None:
    report, contents = writer.report, writer.contents
    protocol = contents.data.protocol
    report.section(tr("方案、数据审查与环境", "Protocol, audit and environment"))
    report.section(tr("方案与版本", "Protocol and versions"), level=2)
    report.definitions(
        [
            (tr("研究方案（SHA-256）", "Protocol (SHA-256)"), protocol.hash),
            (tr("数据版本", "Snapshot of the data"), contents.data.origin),
            (tr("随机种子", "Seed"), str(protocol.seed)),
            (tr("留出集查看次数", "Looks at the hold-out"), str(contents.looks)),
        ]
    )
    writer.tell("protocol", evidence=f"SHA-256 {protocol.hash[:12]}…")
    report.section(tr("数据审查与警告", "Audit and warnings"), level=2)
    if len(contents.audit):
        shown = contents.audit.map(lambda cell: safe_words(str(cell), writer.policy))
        report.table(shown, tr("数据审查的发现", "What the guards found"), words=True)
        writer.tell("audit", evidence=report.last_number)
    else:
        report.text(tr("数据审查没有发现问题。", "The guards found nothing."))
        writer.tell("audit")
    if contents.warnings:
        report.text(tr("运行时的警告：", "Warnings of the run:")).bullets(
            dict.fromkeys(safe_words(warning, writer.policy) for warning in contents.warnings)
        )
    report.section(tr("软件环境", "Environment"), level=2)
    report.definitions(contents.environment.items())


def _tripod(writer: Writer) -> None:
    writer.report.section(tr("附录：TRIPOD+AI 清单", "Appendix: TRIPOD+AI"))
    table = tripod_table(writer.told)
    note = tr(
        "Collins 等，BMJ 2024;385:e078378（CC BY 4.0）；中文为本软件的译文，要求有删节，以原文为准。",
        "Collins et al., BMJ 2024;385:e078378 (CC BY 4.0); items are shortened, the original holds.",
    )
    writer.report.table(table, "TRIPOD+AI", note=note, words=True)


def _probast(writer: Writer) -> None:
    writer.report.section(tr("附录：PROBAST+AI 依据", "Appendix: evidence for PROBAST+AI"))
    writer.report.text(
        tr("程序只给出各信号问题的依据，判断由评估者作出。", "The run gives evidence for each signalling question; a person judges.")
    )
    note = tr("Moons 等，BMJ 2025;388:e082505（CC BY 4.0）；中文为本软件的译文。", "Moons et al., BMJ 2025;388:e082505 (CC BY 4.0).")
    writer.report.table(probast_table(writer.told), "PROBAST+AI", note=note, words=True)


def _code(writer: Writer) -> None:
    protocol = writer.contents.data.protocol
    report = writer.report.section(tr("附录：代码", "Appendix: code"))
    report.text(tr("study.yaml：", "study.yaml:"))
    report.code(yaml.safe_dump(protocol.plain(), allow_unicode=True, sort_keys=False, width=100).rstrip())
    source = "--store STORE" if protocol.tables is None else "--table FILE"
    writer.tell("code")
    report.text(tr("重新运行：", "To run it again:")).code(
        f"workbench risk check study.yaml {source}\nworkbench risk run study.yaml {source} --out out"
    )
