# %% [markdown]
# # 生存分析 Survival curves
# 随访与事件、Kaplan-Meier 曲线（风险人数、置信区间）、分组比较与 log-rank 检验，写成可申请出域的报告。
# Follow-up, Kaplan-Meier curves with numbers at risk, groups compared by the log-rank test.

# %% tags=["parameters"]
title: str = "首次住院成人的总生存"  # 报告标题
by: str = "age"  # 按哪个变量分组，如 sex、age；空为不分组
cuts: list[float] = [65]  # 数值变量的分界（事先定好，不看结局）；分类变量不用
study: str = ""  # 研究方案文件（YAML），如 templates/studies/gbsg2.yaml；空为下面对数据仓库定义的研究
table: list[str] = []  # 表格文件（CSV、Excel、Parquet，逗号分隔），与 study 一起给；空为数据仓库
store: str = ""  # 数据仓库路径；空为会话自带的仓库
out: str = "生存分析"  # 报告写到哪个文件夹
language: str = "zh"  # 报告语言：zh 中文，en English

# %%
from itertools import pairwise

import numpy as np
import pandas as pd
from IPython.display import HTML

import workbench as wb
from workbench.cohort.language import cohort
from workbench.errors import DefinitionError
from workbench.locale import tr
from workbench.risk.description.flow import flow_chart
from workbench.risk.description.follow_up import follow_up
from workbench.risk.description.people import groups_of, people

wb.set_language(language)
if table and not study:
    raise DefinitionError("tables are given, but no study that says how they are read", hint="-p study=STUDY.yaml")

# %% [markdown]
# ## 1 研究方案 Protocol
# 生存分析要说清：**起点**（每个人从哪一刻开始计时）、**事件**、**删失**（随访结束时还没有发生）。
# 没有给方案文件时：每名成人首次住院后 24 小时起，到死亡或观察结束。
#
# 常见错误是**永恒时间偏倚**：用起点之后才知道的事分组，例如“后来做了手术的人”，他们至少活到了手术那天，曲线必然显得好。
# 分组的变量必须在起点就知道。

# %%
if study:
    protocol = wb.risk.Study.read(study)
else:
    admitted = cohort(title).enter(wb.encounters(setting="inpatient"), limit="first")
    protocol = wb.risk.Study(
        title=title,
        cohort=admitted.require(tr("年龄 ≥18 岁", "Age ≥18 years"), wb.age >= 18),
        index={"plus_hours": 24},
        outcome={"label": tr("死亡", "Death"), "events": {"deaths": "all"}, "horizons_days": [365]},
        predictors=[{"person": ["age", "sex"]}, {"labs": ["血红蛋白", "肌酐", "白蛋白"]}],
    )
data = protocol.extract(table or wb.open_store(store or None))
if data.binary:
    raise DefinitionError("the study's outcome has no times, so there is no curve", hint="outcome.kind: survival, with a time")
if protocol.index.landmarks:
    raise DefinitionError("a curve begins once a patient, and the study has landmarks", hint="leave out index.landmarks")
flow = flow_chart(data.cohort.flow)
flow

# %% [markdown]
# ## 2 分组 Groups
# 数值变量按事先定好的分界分组。**不要**试遍所有分界再挑 P 值最小的一个：那样的“最佳截断值”在新病人身上站不住。
# 能不分组就不分组：连续变量宜直接进 Cox 模型（见 `risk_model`）。

# %%
groups = None
if by:
    found = people(data)
    groups = groups_of(data, found, by)
    if pd.api.types.is_numeric_dtype(groups):
        if not cuts:
            raise DefinitionError(f"{by!r} is a number and there are no cuts", hint="-p cuts=65")
        edges = [-np.inf, *sorted(cuts), np.inf]
        names = [f"<{edges[1]:g}", *(f"{low:g}~<{high:g}" for low, high in pairwise(edges[1:-1])), f"≥{edges[-2]:g}"]
        groups = pd.cut(groups, edges, right=False, labels=[f"{found.label(by)} {name}" for name in names])

# %% [markdown]
# ## 3 随访 Follow-up
# 中位随访时间用“反向 Kaplan-Meier”估计（把事件与删失对调），不是存活者随访时间的中位数。
# 事件太少时曲线和检验都不可靠：每组至少要有十几个事件；少于披露阈值的曲线不画。

# %%
causes = data.cohort.causes
followed = follow_up(data.y, by=groups, causes=causes)
followed

# %% [markdown]
# ## 4 曲线 Curves
# 怎样读：纵轴是到某一时间仍未发生事件的比例，带子是 95% 置信区间，下面是**风险人数**。
#
# - 曲线尾部只剩少数人，一个人就能使曲线大跌：风险人数很少的一段不要解释。
# - log-rank 检验只说两条曲线**有没有**差别，不说差多少；曲线交叉时它很不敏感。
# - 没有调整混杂：年龄不同的两组，生存不同不等于分组因素有作用。
# - 有**竞争事件**（例如关心再住院，而病人先死了）时，1−KM 会高估发生率，这里改画累积发生率；见 `competing_risks`。

# %%
several = len(causes) > 1
chosen = {"causes": causes} if several else {}
draw = wb.risk.incidence_curves if several else wb.risk.survival_curves
curves = [draw(data.y, **chosen, title=tr(f"{causes[0]}：全部患者", f"{causes[0]}: all patients"))]
if groups is not None:
    curves.append(draw(data.y, by=groups, **chosen, title=tr(f"{causes[0]}：按{found.label(by)}", f"{causes[0]} by {found.label(by)}")))
for chart in curves:
    display(HTML(f"<b>{chart.title}</b>"), chart)

# %% [markdown]
# ## 5 报告 Report
# 写成 report.html、report.csv 和 report.docx。看过没有问题，再申请出域：
# `wb.release.request([f"{out}/report.html", f"{out}/report.docx"], title=title, purpose="用途")`

# %%
source = [(tr("研究方案（SHA-256）", "Protocol (SHA-256)"), protocol.hash), (tr("数据版本", "Snapshot of the data"), data.origin)]
report = wb.Report(protocol.title, source, subtitle=tr("生存分析", "Survival"))
report.section(tr("研究对象", "Patients")).add(flow)
report.add(wb.risk.table_one(data), caption=tr("基线特征", "Baseline characteristics"))
report.section(tr("随访与事件", "Follow-up and events")).table(followed, tr("随访与事件", "Follow-up and events"))
report.section(
    tr("曲线", "Curves"),
    tr("未调整的比较；分组变量在随访开始时已知。", "Not adjusted; groups are known when follow-up begins."),
)
for chart in curves:
    report.add(chart)
report.write(out, word=True)
report
