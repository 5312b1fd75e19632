# %% [markdown]
# # 影像模型 Image model
# 从任务文件到模型包：检查数据和划分、训练（看得到进度，可断点续跑）、按设备和几何判定报告结果、查看例图、写出带模型卡的模型包。
# From a task file to a bundle: data and split, training that can be watched and resumed, results by scanner and verdict, examples, card.

# %% tags=["parameters"]
task: str = "pneumonia"  # 任务文件（YAML）；或自带任务的名称：pneumonia 分类，hippocampus 分割
data: str = ""  # 数据所在文件夹，任务里的路径从这里算起；空为任务文件所在的文件夹
epochs: int = 0  # 最多训练几轮；0 按任务文件。试跑用 1
examples: int = 8  # 看几例
device: str = ""  # cpu、cuda……；空为有 GPU 就用 GPU
work: str = ""  # 断点文件夹：给出后，中断的训练可以接着跑；空为不保留
out: str = "影像模型"  # 模型包写到哪个文件夹
language: str = "zh"  # 语言：zh 中文，en English

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

from IPython.display import Image, Markdown

import workbench as wb
from imaging.models.progress import TrainingView
from imaging.models.training import train
from workbench.series.training import card_of, cases_table, example_sheet, open_task, results_table, task_text

wb.set_language(language)
asked = open_task(task, data=data, epochs=epochs)

# %% [markdown]
# ## 1 任务 Task
# 任务文件写明：类别、数据、划分、预处理（带单位）、增强、网络、训练、用途和许可。训练前就写定；改了任务或数据，断点不再接续。

# %%
Markdown(f"```yaml\n{task_text(asked)}```")

# %% [markdown]
# ## 2 数据与划分 Data and split
# 按**患者**划分，同一患者的图像只在一侧。训练开始时还会查重：同一患者或像素相同的图像出现在两侧时，按任务的 `split.leaks` 拒绝训练或剔除。
# 设备数为 0 是因为数据没有说明设备；那样就没有分设备的结果。

# %%
cases_table(asked)

# %%
Image(example_sheet(asked, part="train", count=examples))

# %% [markdown]
# ## 3 训练 Training
# 左边是训练损失，右边是验证得分（分类为 AUC，分割为平均 Dice），圆圈是保留的那一轮。验证得分连续若干轮不再提高就停止。
# TensorBoard 文件在断点文件夹的 `events` 里。

# %%
view = TrainingView(language)
with TemporaryDirectory(prefix="image-model-") as scratch:
    kept = work or Path(scratch, "work")
    bundle = train(asked, Path(out, "bundle"), work=kept, device=device, progress=view, steps=view.step)
view.close()

# %% [markdown]
# ## 4 结果 Results
# 测试集只在这里用一次。括号内是按患者重抽样得到的 95% 置信区间。患者少于 `min_group` 的设备和几何判定不单列。
# 区间宽，说明例数不够；某台设备明显较差，说明模型不能直接用在那里。

# %%
results_table(bundle)

# %% [markdown]
# ## 5 例图 Examples
# 从测试集随机抽取，不是挑选的。分类：真实类别、判对 ✓ 判错 ✗、所判类别的概率（两类时按模型卡里的阈值判，不一定是 0.5）。
# 分割：左为标注，右为模型。
# 图像是患者数据，只在会话里看，不写入输出文件夹。

# %%
Image(example_sheet(asked, bundle, part="test" if "test" in bundle.metadata["workbench"]["results"] else "validation", count=examples))

# %% [markdown]
# ## 6 模型卡与模型包 Card and bundle
# 模型包在 `out` 文件夹的 `bundle` 里：权重（safetensors，不含代码）、元数据、中英文模型卡、各文件的哈希值。
# 用它：`workbench imaging predict 模型包 文件夹 --out 结果`。权重可能“记住”训练数据，出域须经审查。

# %%
Markdown(card_of(Path(out, "bundle")))
