# %% [markdown]
# # 竞争风险 Competing risks
# 关心的事件会被另一事件抢先（再住院之前死亡）时：累积发生率、为什么 1−KM 高估、原因别 Cox 与 Fine-Gray 模型，直到 TRIPOD+AI 报告。
# Cumulative incidence where another event comes first, why 1−KM is too high, cause-specific and Fine-Gray models, and the report.

# %% tags=["parameters"]
title: str = "成人首次住院后一年内再住院（死亡为竞争事件）"  # 报告标题
days: int = 365  # 预测多少天内的再住院
bootstrap: int = 50  # 自助法次数：试跑用 20，写论文用 200 以上
study: str = ""  # 研究方案文件（YAML），如 templates/studies/framingham.yaml；空为下面对数据仓库定义的研究
table: list[str] = []  # 表格文件（CSV、Excel、Parquet，逗号分隔），与 study 一起给；空为数据仓库
store: str = ""  # 数据仓库路径；空为会话自带的仓库
out: str = "竞争风险"  # 报告写到哪个文件夹
language: str = "zh"  # 报告语言：zh 中文，en English

# %%
import pandas as pd
from IPython.display import HTML

import workbench as wb
from workbench.cohort.language import cohort
from workbench.errors import DefinitionError
from workbench.locale import tr
from workbench.risk.description.follow_up import follow_up
from workbench.risk.survival.curves import at_times, cumulative_incidence, kaplan_meier
from workbench.risk.survival.outcome import follow, outcome

wb.set_language(language)
if table and not study:
    raise DefinitionError("tables are given, but no study that says how they are read", hint="-p study=STUDY.yaml")

# %% [markdown]
# ## 1 研究方案 Protocol
# **竞争事件**发生以后，关心的事件就不会再发生（死者不会再住院）；**删失**则只是看不到了，以后还可能发生。两者不能混为一谈。
#
# 没有给方案文件时：每名成人首次住院后 24 小时起，第一个发生的是再次住院还是死亡。住院期间自然不会“再住院”，曲线开头因此是平的。

# %%
if study:
    protocol = wb.risk.Study.read(study)
else:
    admitted = cohort(title).enter(wb.encounters(setting="inpatient"), limit="first")
    protocol = wb.risk.Study(
        title=title,
        cohort=admitted.require(tr("年龄 ≥18 岁", "Age ≥18 years"), wb.age >= 18),
        index={"plus_hours": 24},
        outcome={
            "label": tr("再次住院", "Readmission"),
            "events": {"encounters": "inpatient"},
            "competing": {tr("死亡", "Death"): "deaths"},
            "horizons_days": [days],
        },
        predictors=[
            {"person": ["age", "sex"]},
            {"labs": ["血红蛋白", "肌酐", "白蛋白"]},
            {"diagnoses": ["C"], "name": "cancer", "label": tr("既往恶性肿瘤", "Cancer before")},
        ],
        models=["cause_specific", "fine_gray"],
        validation={"split": "none"},
        thresholds=[0.3, 0.5],
        seed=1,
    )
if not protocol.outcome.competing:
    raise DefinitionError("the study has no competing event", hint="outcome.competing, or template risk_model")
protocol = protocol.changed(validation=protocol.validation.model_copy(update={"bootstrap": bootstrap}))
source = protocol.source(table or wb.open_store(store or None))
data = protocol.extract(source)
causes = data.cohort.causes
follow_up(data.y, causes=causes)

# %% [markdown]
# ## 2 累积发生率 Cumulative incidence
# 怎样读：每条线是到某一时间**实际**发生该事件的比例；各条线与“都未发生”的比例相加等于 1。
# 每一种事件都要够多：竞争事件太少时，与普通生存分析没有差别，也估不出它的模型。

# %%
wb.risk.incidence_curves(data.y, causes=causes)

# %% [markdown]
# ## 3 为什么不能用 1−KM Why not 1−KM
# 把竞争事件当删失，等于假设死者“若不死，也会以同样的速度再住院”。于是 1−KM 估的是一个没有人会死的世界，必然偏高；
# 各种事件的 1−KM 相加甚至会超过 1。下表两列之差就是错误的大小。

# %%
given = follow(data.y)
horizon = protocol.outcome.horizons_days[-1] if protocol.outcome.horizons_days else float(pd.Series(given.time).median())
rows = []
for number, cause in enumerate(causes, start=1):
    right = at_times(cumulative_incidence(data.y, cause=number)["incidence"], [horizon], start=0.0)[0]
    naive = 1 - at_times(kaplan_meier(outcome(given.time, given.event == number))["survival"], [horizon], start=1.0)[0]
    rows.append((cause, f"{right:.1%}", f"{naive:.1%}"))
pd.DataFrame(rows, columns=[tr(f"{horizon:g} 天", f"{horizon:g} days"), tr("累积发生率", "Incidence"), tr("1−KM（错误）", "1−KM (wrong)")])

# %% [markdown]
# ## 4 审查泄漏 Guards
# 与其他模型相同：预测时还不知道的事不能进模型。“拒绝”必须改方案。

# %%
protocol.audit(source)

# %% [markdown]
# ## 5 两种模型 Two models
# - **原因别 Cox**（cause-specific）：每种事件一个模型，回答“还没发生任何事件的人里，这个因素使该事件快多少”，适合说病因；
#   合起来算出绝对风险。
# - **Fine-Gray**：直接对累积发生率建模，系数说“这个因素使最终发生的比例怎样变”，适合预测；它的 HR 不能当作病因的比值读。
#   一个只减少死亡的因素，在 Fine-Gray 里会显得“增加”再住院：活着的人多了。
#
# 比较两个模型看校准和 Brier 评分，C 指数差 0.01 没有意义。

# %%
result = protocol.run(source, progress=True)
shown = result.drawn()


def show(*places: str) -> None:
    """Show the figures and tables of some places."""
    for place in places:
        for chart in shown.charts.get(place, []):
            display(HTML(f"<b>{chart.title}</b>"), chart)
        for caption, frame in shown.tables.get(place, []):
            display(HTML(f"<b>{caption}</b>"), frame)


display(result)
result.sample_size

# %% [markdown]
# ## 6 校准、区分度、净获益 Calibration, discrimination, net benefit
# 先看校准：绝对风险要与 Aalen-Johansen 的实际发生率比，不与 1−KM 比。决策曲线里死亡者算作“没有再住院”。

# %%
show("calibration", "discrimination", "benefit")

# %% [markdown]
# ## 7 模型、亚组与稳定性 Model, sub-groups, stability

# %%
show("model", "subgroups", "clusters", "stability", "missing")

# %% [markdown]
# ## 8 报告 Report
# report.html、report.docx、metrics.csv、card.json。看过没有问题，再申请出域：
# `wb.release.request([f"{out}/report.html", f"{out}/card.json"], title=title, purpose="用途")`

# %%
files = result.report(out)
print(*files, sep="\n")
