# %% [markdown]
# # 01 第一个队列
#
# 这一课用合成医院的数据走完一次队列研究的开头：写出队列定义，在数据仓库上运行，看筛选流程、基线特征、一位患者的时间线和入组依据，
# 最后得到一份可以申请出域的报告。合成医院里没有真实患者，可以放心练习。
#
# 预计用时 30 分钟。读完后你会：
#
# 1. 用研究方案的语言写出入组事件、纳入与排除规则；
# 2. 看懂筛选流程图，并知道为什么图上的人数是取整过的；
# 3. 从一条规则追到使它成立的那一行记录、那一句病历。

# %% [markdown]
# ## 1 打开数据
#
# 在会话里不需要任何参数：仓库是课题获准的那一份数据切片，只读。每份快照有自己的编号，同一个定义在同一份快照上永远得到同样的答案。

# %%
import workbench as wb
from workbench.cohort.language import cohort

snapshot = wb.open_store()
snapshot.id

# %% [markdown]
# ## 2 写一个队列
#
# 队列定义由三部分组成：**入组事件**（给出每位患者的索引日期）、**规则**（每条都有名字，会出现在流程图里）、**随访终点**（不写时为可观察期结束）。
#
# 下面的研究对象是首次因 2 型糖尿病住院的成年患者。`icd10cn("E11")` 表示以 E11 开头的所有诊断编码；窗口以索引日期为 0，负数表示之前，两端都包含在内。

# %%
diabetes = (
    cohort("2型糖尿病住院患者")
    .enter(wb.diagnoses(wb.icd10cn("E11"), setting="inpatient"), limit="first")
    .require("成年", wb.age >= 18)
    .require("前后90天测过 HbA1c", wb.labs("HbA1c").within(days=(-90, 90)))
    .exclude("此前有恶性肿瘤", wb.diagnoses(wb.icd10cn("C00-C97")).before(days=1))
)
diabetes.hash

# %% [markdown]
# 这串字符是定义的指纹：改动任何一条规则，它都会变。论文里写上它和快照编号，别人就能核对你用的是哪个队列。

# %% [markdown]
# ## 3 运行，看筛选流程
#
# 一次扫描就得到全部规则的结果，所以流程图可以换顺序重画而不必再查数据。

# %%
result = diabetes.run(snapshot)
result.attrition()

# %%
result.attrition(["此前有恶性肿瘤", "前后90天测过 HbA1c", "成年"])

# %% [markdown]
# 两张图的起点和终点相同，中间不同：先用哪条规则，哪条规则“排除”的人看起来就多。汇报时应说明顺序。
#
# 图上的人数都取整过，少于阈值的写成“<10”。这是数据中心的披露规则，不是近似计算：会话里的 `result.rows` 仍是准确的，但它只能留在会话里。

# %%
len(result.rows), result.rows["person_id"].nunique()

# %% [markdown]
# ## 4 基线特征
#
# 不指定变量时，`describe()` 给出年龄、性别、科室、住院天数、合并症、常见诊断、检验与用药。也可以自己指定，并按分组比较。

# %%
result.describe()

# %%
from workbench.cohort.variables import Age, LengthOfStay, Sex, Value

hba1c = Value(wb.labs("HbA1c").within(days=(-90, 90)), name="hba1c", label="HbA1c", unit="%")
result.describe([Age(), hba1c, LengthOfStay()], by=Sex())

# %% [markdown]
# **想一想** HbA1c 的单位写成 `"%"` 之后，用 mmol/mol 报告的结果去了哪里？把 `unit` 去掉再看一次均值，会发生什么？（系统不替你换算单位：宁可缺失，不可混用。）

# %% [markdown]
# ## 5 图
#
# 每张图下面都有它所依据的计数表。审查员首先看的就是这张表。

# %%
from workbench.cohort.figures import age_sex_pyramid, histogram

frame = result.frame([Age(), Sex(), hba1c])
age_sex_pyramid(frame["age"], frame["sex"])

# %%
histogram(frame["hba1c"], label="HbA1c", unit="%")

# %% [markdown]
# ## 6 一位患者
#
# 时间线和入组依据是个体级的，只能在会话里看。依据精确到记录，如果规则问的是病历文字，还会标出是哪几个字。

# %%
person = int(result.rows["person_id"].iloc[0])
result.timeline(person, around_days=(-365, 365))

# %%
result.evidence(person)

# %% [markdown]
# ## 7 成果出域
#
# 报告只接受知道自己怎样才安全的对象（流程图、基线表、图），不接受裸的数据表。写好之后，用 `wb.release.request(...)` 提交，由审查员决定。

# %%
from tempfile import mkdtemp

report = wb.Report("2型糖尿病住院患者", result, subtitle="课程第 1 课")
report.section("研究对象").add(result.attrition())
report.section("基线特征").add(result.describe([Age(), Sex(), hba1c, LengthOfStay()]))
report.section("分布").add(age_sex_pyramid(frame["age"], frame["sex"]))
report.write(mkdtemp(prefix="lesson-01-"))

# %% [markdown]
# ## 练习
#
# 1. 把入组改为“末次”住院（`limit="last"`），哪些人的索引日期变了？
# 2. 加一条规则：索引日期之后 30 天内有胰岛素用药。药品编码可以用 `result.engine.events(...)` 查看。
# 3. 用 `workbench template run cohort_description -p codes=I50 -p lab=BNP --out report` 不写代码得到一份心力衰竭队列的报告。
