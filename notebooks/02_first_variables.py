# %% [markdown]
# # 02 从病历到变量
#
# 这一课把病历文字变成可以统计的变量：看机器怎样读一句话，自己定义一个变量并写测试句，在一个队列的文书上运行，
# 核对证据，得到一人一行的表，再用结果筛出新的队列。用的仍是合成医院的数据，可以放心练习。
#
# 预计用时 40 分钟。读完后你会：
#
# 1. 说清“否认高血压”“父亲患高血压”“高血压待排”在数据里分别是什么；
# 2. 用 YAML 或 Python 定义变量，用测试句保护它；
# 3. 从表里的一格追到病历的那几个字，并知道为什么要抽样核对。

# %% [markdown]
# ## 1 机器怎样读一句话
#
# 读病历分几步：把全角、异体、单位写法统一，认出章节，切成句子和分句，找到词，判断**断言**（有、否认、可疑、既往、假设）和**是谁的**（患者、家属），
# 再认数值和时间。所有位置都是原文的第几个字，随时能指回去。
#
# 表里断言写作 present（有）、absent（否认）、possible（可疑）、historical（既往）、hypothetical（假设）。
#
# 下面一格第一次运行要加载词典和规则，约需几秒到十几秒；左边是 `[*]` 就还在运行。

# %%
import pandas as pd

import nlp
from nlp.annotations import Note

language = nlp.load()
note = Note("主诉：血糖升高3年。\n既往史：否认高血压、冠心病。父亲患高血压。\n查体：血压165/95mmHg。\n诊断：肺部感染待排。")
text = next(nlp.read(language, [note]))
pd.DataFrame([(text.text_of(each), each.label, each.assertion, each.experiencer, text.section_at(each.start).name) for each in text.mentions],
             columns=["词", "类型", "断言", "谁的", "章节"])

# %%
pd.DataFrame([(text.text_of(each), each.kind, each.values, each.unit) for each in text.quantities], columns=["原文", "种类", "数值", "单位"])

# %% [markdown]
# **想一想** 如果只搜“高血压”三个字，这份病历会被算成高血压患者吗？“无”“否认”之外，你还见过哪些写法表示没有？

# %% [markdown]
# ## 2 定义一个变量
#
# 一个变量就是向每份文书提的一个问题。下面问“有没有高血压史”：在哪些词上看，取有无，一名患者多份文书时取“有”优先。
# **测试句**写明遇到这句话应该得到什么；改定义之前先加测试句，改完再跑一遍，才知道没有改坏。
#
# 高血压是慢性病，“既往高血压史十年”说明现在仍有，所以期望是“有”；“曾患肺炎，已愈”才是“既往”。

# %%
from nlp.variables import parse_set, run_tests

mine = parse_set("""
schema: clinical-variables/1
name: lesson
version: "1"
title: {zh: 第二课}
variables:
- name: hypertension
  title: {zh: 高血压史}
  target:
    terms: [高血压, 高血压病]
    not_in: [高血压性心脏病]
  aggregate: {rule: any}
  tests:
  - {text: 既往高血压史十年。, expect: present}
  - {text: 否认高血压、糖尿病史。, expect: absent}
  - {text: 父亲患高血压。, expect: null}
- name: hyperglycaemia
  title: {zh: 血糖升高}
  target: [血糖升高, 高血糖, 血糖偏高]
  tests:
  - {text: 因血糖升高入院。, expect: present}
""").set
pd.DataFrame([(each.variable, each.text, each.expect, each.got, each.passed) for each in run_tests(mine)], columns=["变量", "测试句", "期望", "得到", "通过"])

# %% [markdown]
# 不想写 YAML，就用表单：填词语、章节和测试句，边填边试，保存后是同样的 YAML 文件，用
# `wb.variable_set("我的变量.yaml")` 取出来提问，用 `wb.share_variables` 交给课题的其他成员。

# %%
import workbench as wb

wb.VariableForm(mine["hypertension"], path="我的变量.yaml")

# %% [markdown]
# 变量库里有现成的变量，每个都带测试句，可以直接用，也可以拿来改：`workbench text variables list` 列出，`workbench text variables show library:history` 打印。

# %%
from nlp.variables import ready_names, ready_set

pd.DataFrame([(name, ready_set(name).title.zh, len(ready_set(name))) for name in ready_names()], columns=["名称", "内容", "变量数"])

# %% [markdown]
# ## 3 在队列的文书上提问
#
# 先有队列，再取这些人的文书。运行可以中断，再运行会从断点继续；改了哪个变量，只有那个变量重算。

# %%
from pathlib import Path
from tempfile import mkdtemp

from workbench.cohort.language import cohort

snapshot = wb.open_store()
diabetes = cohort("2型糖尿病住院患者").enter(wb.diagnoses(wb.icd10cn("E11"), setting="inpatient"), limit="first")
result = diabetes.run(snapshot)
structured = wb.notes(result, kind="入院记录", days=(-30, 30)).structure(mine, folder=Path(mkdtemp(prefix="lesson-02-")), progress=False)
structured.summary()

# %% [markdown]
# 整齐表一行一个答案，带文书号、断言、原文位置、原文和变量指纹。它是个体级的，只能留在会话里。

# %%
structured.table().head()

# %% [markdown]
# ## 4 核对
#
# 发表之前必须由人核对。样本按变量和断言分层，拿不准的在前，黄色是取值所在的原文。

# %%
from workbench.texts.shown import describe_notes, evidence_sample

evidence_sample(structured, each=3)

# %% [markdown]
# 正式审核用 `structured.review(n=200)`：逐条显示原文，按键接受、改正、拒绝或存疑，随时给出每个变量的精确率、召回率和区间，改正的句子可以变成测试句。

# %% [markdown]
# ## 5 一人一行，以及每一格的出处

# %%
structured.wide("patient").head()

# %%
structured.sources("patient").head()

# %% [markdown]
# None 是“没有提到”，不是“没有”。否认的人和没提到的人要分开报告：

# %%
describe_notes(structured, result)

# %% [markdown]
# ## 6 用病历里的发现筛队列
#
# `publish()` 把答案存为课题的发现，和诊断、检验一样可以写进规则。默认只算本人、肯定的；要别的断言就写明，如 `assertion=["possible"]`。

# %%
narrowed = diabetes.require("病历记载高血压史", wb.findings("hypertension").within(days=(-30, 30)))
narrowed.run(structured.publish()).attrition()

# %% [markdown]
# ## 练习
#
# 1. 给 `hypertension` 加一条测试句“高血压病史不详”，它应该得到什么？跑一遍，看机器怎么说。
# 2. 定义一个数值变量：入院时收缩压（提示：`value: {kind: quantity, unit: mmHg}`）。
# 3. 用 `workbench template run note_structuring -p variables=library:history --out report` 不写代码得到一份报告。
# 4. 手里有一张从系统导出的病历表？`workbench text structure library:history --notes 病历.csv --out 结果.xlsx --wide patient`。
