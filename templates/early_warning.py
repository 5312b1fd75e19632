# %% [markdown]
# # 早期预警 Early warning
# 住院期间每隔若干小时预测一次：之后若干小时内是否死亡。按人划分的验证、校准，以及预警负担：每 100 住院日多少次报警，几次是真的，提前多久。
# Landmark predictions during a stay, validated by patient, with the burden of alarms.

# %% tags=["parameters"]
title: str = "住院患者 72 小时死亡预警"  # 报告标题
every_hours: int = 24  # 每隔多少小时预测一次
until_hours: int = 336  # 入院后多少小时为止
within_hours: int = 72  # 预测多少小时内的死亡
silence_hours: int = 48  # 报警之后静默多少小时
bootstrap: int = 50  # 自助法次数：试跑用 20，写论文用 200 以上
study: str = ""  # 研究方案文件（YAML），如 templates/studies/tongji_landmarks.yaml；空为下面对数据仓库定义的研究
table: list[str] = []  # 表格文件（CSV、Excel、Parquet，逗号分隔），与 study 一起给；空为数据仓库
store: str = ""  # 数据仓库路径；空为会话自带的仓库
out: str = "早期预警"  # 报告写到哪个文件夹
language: str = "zh"  # 报告语言：zh 中文，en English

# %%
from IPython.display import HTML

import workbench as wb
from workbench.cohort.language import cohort
from workbench.errors import DefinitionError
from workbench.locale import tr
from workbench.risk.alarms.burden import at_workload

wb.set_language(language)
if table and not study:
    raise DefinitionError("tables are given, but no study that says how they are read", hint="-p study=STUDY.yaml")

# %% [markdown]
# ## 1 研究方案 Protocol
# 预警不是预测一次，而是**每隔一段时间**用当时已知的资料再预测一次（landmark）。规则：
#
# - 只在病人仍住院、仍未发生结局时预测；每次只用那一刻之前已经出来的结果。
# - 一个病人有许多行，这些行很像。划分样本必须**按人**：同一人的行若一部分用来建模、一部分用来验证，AUC 会虚高（实测可由 0.88 升到 0.96）。
# - 住得久的人行数多，所以重抽样和区间都按患者，不按行。
# - 事件按**人**数，不按行数：50 个死者贡献 150 行，仍然只有 50 个事件。
#
# 没有给方案文件时用全部成人住院，变量宜少：事件不多。

# %%
if study:
    protocol = wb.risk.Study.read(study)
else:
    admitted = cohort(title).enter(wb.encounters(setting="inpatient"), limit="all")
    protocol = wb.risk.Study(
        title=title,
        cohort=admitted.require(tr("年龄 ≥18 岁", "Age ≥18 years"), wb.age >= 18),
        index={"landmarks": {"every_hours": every_hours, "until_hours": until_hours}},
        outcome={
            "label": tr(f"{within_hours} 小时内死亡", f"Death within {within_hours} h"),
            "kind": "binary",
            "events": {"deaths": "all"},
            "end": "stay",
            "horizons_days": [within_hours / 24],
        },
        predictors=[{"person": ["age"]}, {"vitals": ["血氧饱和度", "心率"], "look_back_hours": 48}, {"labs": ["白蛋白", "血红蛋白"]}],
        validation={"split": "none"},
        thresholds=[0.02, 0.05],
        seed=1,
    )
if not protocol.index.landmarks:
    raise DefinitionError("the study predicts once, so there is nothing to warn of again", hint="index.landmarks, or template risk_model")
protocol = protocol.changed(validation=protocol.validation.model_copy(update={"bootstrap": bootstrap}))
source = protocol.source(table or wb.open_store(store or None))

# %% [markdown]
# ## 2 审查泄漏 Guards
# 预警最容易泄漏：住院天数、全程次数、出院诊断，以及**因为病重才做**的检查（查了就等于快死了）。“拒绝”必须改方案。
# 有结局的人不足 10 个时检查项会拒绝：这时该做的是收集更多病人，不是换一个模型。

# %%
protocol.audit(source)

# %% [markdown]
# ## 3 建模与验证 Models and validation
# 与只预测一次时相同，只是重抽样与交叉验证都按人进行。

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


result

# %% [markdown]
# ## 4 校准与区分度 Calibration and discrimination
# 事件少见（每行不到百分之一）时，AUROC 很容易好看：把 99% 没事的行排在后面就行了。所以要先看校准，再看下面的报警负担。
#
# O/E 远小于 1 是**高估**：警报里说的“5%”实际不到 5%。这样的模型要先重新校准截距才能按概率设阈值，否则决策曲线会低于“不干预”。

# %%
show("calibration", "discrimination", "benefit")

# %% [markdown]
# ## 5 报警负担 Burden of alarms
# 护士关心的不是 AUC，而是**每天响几次、几次是真的、来不来得及**：
#
# - 阳性预测值：报警之后真的在期限内发生的比例；灵敏度：发生结局的人里，有多少人事先报过警；
# - 静默：一个人报警后若干小时内不再报，次数会少很多（下表）。
#
# 先定病区每 100 住院日能应付几次报警，再由它定阈值；不要反过来。预测都来自没有用这些病人建的模型。

# %%
judged = result.judged
horizon_hours = None if result.data.binary else 24 * result.horizons[-1]
every = protocol.index.landmarks.every_hours
columns = {
    "threshold": tr("阈值", "threshold"),
    "alarms_per_100_days": tr("每 100 住院日报警", "alarms per 100 days"),
    "ppv": tr("阳性预测值", "PPV"),
    "sensitivity": tr("灵敏度", "sensitivity"),
}
for silence in (0, silence_hours):
    burden = at_workload(
        judged.data.rows,
        judged.data.y,
        judged.risk(result.model),
        silence_hours=silence,
        horizon_hours=horizon_hours,
        every_hours=every,
        resamples=0,
    )
    display(
        HTML(tr(f"<b>静默 {silence} 小时</b>", f"<b>{silence} h of silence</b>")), burden[list(columns)].rename(columns=columns).round(3)
    )
show("alarms")

# %% [markdown]
# ## 6 模型本身 The model
# 系数说的是“这样的病人风险高”，不是“纠正它就能救命”。血氧低的人常常已经在吸氧：治疗本身改变了数据。

# %%
show("model", "subgroups", "clusters", "missing")

# %% [markdown]
# ## 7 报告 Report
# report.html、report.docx、metrics.csv、card.json。上线之前还须前瞻性静默运行：历史数据里的好表现不等于病床边有用。申请出域：
# `wb.release.request([f"{out}/report.html", f"{out}/card.json"], title=title, purpose="用途")`

# %%
files = result.report(out)
print(*files, sep="\n")
