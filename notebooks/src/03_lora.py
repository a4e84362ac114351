# %% [markdown]
# # 用 LoRA 教模型一种画风
#
# *Teaching a style with LoRA*
#
# ## 简介
#
# LoRA（Hu 等 2021，arXiv:2106.09685）不改动模型的权重，只在选定的层旁边学习两个小矩阵的乘积。学到的东西是一个几 MB 的文件，可以随时装上、
# 调整强弱、与别的 LoRA 混合，也可以交给 WebUI 使用。2023 年的文章用它对 PAI-Diffusion 做轻量化微调。
#
# 随包附带的模型没有见过“描边卡通风格”：训练它时，这种画风的图全部留了出来。本 Notebook 依次介绍：
#
# 1. 看看训练集，看看底模画得怎样；
# 2. 训练一个 LoRA，并在训练中看到画面的变化；
# 3. 使用：强弱、提示词里的写法、ModelScope；
# 4. 再训练一个改变背景的 LoRA，把两个混合起来；
# 5. 导出给 WebUI 使用。
#
# 最后用独立的裁判检验：画风学会了，其他的画风没有忘。

# %% [markdown]
# ## 费用与资源说明
#
# | 项目 | 说明 |
# | --- | --- |
# | 费用 | 不产生费用：模型、训练集与裁判都随包附带，不访问任何模型社区 |
# | 机器 | 两个 CPU 核、4 GB 内存即可，不需要 GPU |
# | 时间 | 约 10 分钟，其中训练画风约 5 分钟 |
#
# 换成十亿参数的模型需要一块 16 GB 显存的 GPU，写法见下面的参数。

# %% [markdown]
# ## 准备工作
#
# 如果还没有安装 `pai_modelscope`，下面的单元格会从本仓库安装它；已经安装时什么也不做。

# %%
import importlib.util
import os
import subprocess
import sys

if importlib.util.find_spec("pai_modelscope") is None:
    place = ".." if os.path.isfile("../setup.cfg") else "git+{REPOSITORY}"
    subprocess.check_call([sys.executable, "-m", "pip", "install", "-q", place])

# %% [markdown]
# 参数。`FAST` 为 `True` 时步数少、图少，检验的标准也相应降低。换成十亿参数的模型只要改 `MODEL`（例如 `"pai-diffusion-general-large-zh"`）、
# `DEVICE = "cuda"`、`RESOLUTION = 512` 和自己的 `DATA`。

# %% tags=["parameters"]
FAST = False
SEED = 0
MODEL = "pai-diffusion-mini-zh"
DATA = "shipped:style"
RESOLUTION = 256
STEPS = 350
DEVICE = "cpu"
OUTPUT = "out/lora"

# %%
from pathlib import Path

from pai_modelscope import Sampler, fine_tune
from pai_modelscope.images import contact_sheet

STYLE = "描边卡通风格"
base = Sampler.from_pretrained(MODEL, device=DEVICE)
steps = 6 if FAST else 20


def draw(sampler, texts, **options):
    """每个提示词一张图，种子依次加一。"""
    asked = [{"text": text, "seed": SEED + i} for i, text in enumerate(texts)]
    return [picture.image for picture in sampler(asked, num_inference_steps=steps, **options)]


# %% [markdown]
# ## 训练集
#
# `shipped:style` 是随包附带的 715 张描边卡通图标，每张有中文名称，标题的形式是“名称,描边卡通风格”。换成自己的图，把 `DATA` 写成一个目录即可：
# 目录里放图片，每张旁边放一个同名的 `.txt`；或者放一个 `metadata.jsonl`，每行是 `{"file_name": ..., "text": ...}`。

# %%
from pai_modelscope.data import open_training_set

pictures = open_training_set(DATA)
shown = [pictures[place] for place in range(0, 160, 20)]
print(f"{len(pictures)} 张图，标题例如：{shown[0].captions[0]}")
contact_sheet([each.read().resize((256, 256)) for each in shown], [each.captions[0] for each in shown], 4)

# %% [markdown]
# 底模听得懂这些名称，却不知道这种画风：

# %%
WORDS = ["猫", "房子", "汽车", "花"]
before = draw(base, [f"{word},{STYLE}" for word in WORDS])
contact_sheet(before, WORDS, 4)

# %% [markdown]
# ## 训练
#
# `fine_tune` 返回结果所在的目录。几个选项的意思：
#
# - `rank`：两个小矩阵的秩，越大能学的越多，文件也越大；
# - `targets="all-linear"`：所有的线性层都学，`"conv"` 连卷积层也学。只学注意力层（默认）学不到线条与涂色；
# - `replay_data_dir`：训练时三成的图是底模本来就会的各种画风，标题写着各自的画风。这样，模型学会的是“描边卡通风格”这几个字，
#   而不是把所有的画都变成描边卡通；
# - `snr_gamma`：Min-SNR 加权（Hang 等 2023，arXiv:2303.09556）。噪声很少与很多的时刻各算各的份量，画风学得更快；
# - `cache_latents`：每张图只经过一次 VAE，结果存在磁盘上；
# - `validation_prompts`：训练前、中、后各画一次，存在 `samples` 目录里。
#
# `overwrite_output_dir` 让单元格可以重复运行，每次从头训练。训练可以随时中断；把它换成 `resume_from_checkpoint="latest"`
# 再运行，就会接着训练，结果与不中断时逐位相同。

# %%
result = fine_tune(
    "lora",
    pretrained_model_name_or_path=MODEL,
    train_data_dir=DATA,
    output_dir=f"{OUTPUT}/outline",
    overwrite_output_dir=True,
    resolution=128 if FAST else RESOLUTION,
    cache_latents=True,
    max_train_samples=32 if FAST else 300,
    replay_data_dir=None if FAST else "shipped:known",
    replay_share=0.3,
    max_train_steps=12 if FAST else STEPS,
    train_batch_size=4 if FAST else 8,
    rank=32,
    targets="all-linear",
    learning_rate=2e-3,
    lr_scheduler="cosine",
    lr_warmup_steps=10,
    snr_gamma=5.0,
    caption_dropout=0.0,
    seed=SEED,
    validation_prompts=[f"{word},{STYLE}" for word in WORDS[: 2 if FAST else 4]],
    validation_inference_steps=steps,
)
print(*sorted(path.name for path in result.iterdir()))

# %% [markdown]
# 训练前、训练后，同样的提示词、同样的种子：

# %%
from PIL import Image

grids = sorted(Path(OUTPUT, "outline/samples").glob("step-*.png"))
contact_sheet([Image.open(grids[0]), Image.open(grids[-1])], ["训练前", "训练后"], 2)

# %% [markdown]
# ## 使用
#
# 结果目录可以像模型一样打开，LoRA 随之装上：`Sampler.from_pretrained(result)`，ModelScope 的 `pipeline` 也是如此。
# 更常用的是把它装到已经打开的模型上，在提示词里用 `<lora:名称:强度>` 调用，一次可以用几个：

# %%
lora = base.add_lora(result / "outline.safetensors")
strengths = [0, 1] if FAST else [0, 0.4, 0.7, 1.0]
by_strength = [draw(base, [f"汽车,{STYLE} <lora:{lora}:{strength}>"])[0] for strength in strengths]
contact_sheet(by_strength, [f"强度 {strength}" for strength in strengths], 4)

# %% [markdown]
# ModelScope 的写法，画出来逐位相同：

# %%
import numpy as np
from modelscope.pipelines import pipeline

p = pipeline("text-to-image-synthesis", str(result), device=DEVICE)
car = p({"text": f"汽车,{STYLE}"}, seed=SEED, num_inference_steps=steps)["output_imgs"][0]
same_in_modelscope = np.array_equal(car[:, :, ::-1], np.asarray(by_strength[-1]))
print(f"与采样器画的逐位相同：{same_in_modelscope}")

# %% [markdown]
# ## 混合两个 LoRA
#
# 再训练一个只改变背景的 LoRA：24 张模型本来就会画的图，都放在浅蓝色的背景上，标题里不提背景。所以装上它，画什么都是浅蓝色的背景。
# 训练集也可以是 `datasets` 或 ModelScope 的数据集对象。

# %%
from pai_modelscope import open_dataset

sky = fine_tune(
    "lora",
    pretrained_model_name_or_path=MODEL,
    train_data_dir=open_dataset("known", background="浅蓝色").select(range(24)),
    output_dir=f"{OUTPUT}/sky",
    overwrite_output_dir=True,
    resolution=128,
    max_train_steps=40 if FAST else 60,
    train_batch_size=4 if FAST else 8,
    rank=4,
    targets="all-linear",
    learning_rate=2e-3,
    caption_dropout=0.0,
    seed=SEED,
)
base.add_lora(sky / "sky.safetensors")
mixes = ["", "<lora:outline:1>", "<lora:sky:1>", "<lora:outline:1> <lora:sky:1>"]
mixed = [draw(base, [f"房子,{STYLE} {tags}"])[0] for tags in mixes]
contact_sheet(mixed, ["底模", "画风", "背景", "画风与背景"], 4)

# %% [markdown]
# ## 导出给 WebUI
#
# 结果目录里已经有两种格式：`pytorch_lora_weights.safetensors` 给 diffusers，`outline.safetensors`（kohya 的键名）给 WebUI，复制到 WebUI 的
# `models/Lora` 即可。命令行 `pai-modelscope adapter inspect FILE` 显示文件的内容，`adapter convert` 在各种格式之间转换，
# `adapter merge` 把几个 LoRA 合并进模型。

# %%
from pai_modelscope.adapters import read_lora

found = read_lora(result / "outline.safetensors")
rank = max(found.ranks.values())
print(f"{found.kind} 格式，秩 {rank}，{len(found.ranks)} 层，底模 {found.metadata['base_model']}")

# %% [markdown]
# 命令行的写法：
#
# ```bash
# pai-modelscope train lora --train_data_dir shipped:style --replay_data_dir shipped:known --replay_share 0.3 \
#     --output_dir outline --max_train_steps 350 --rank 32 --targets all-linear --learning_rate 2e-3 \
#     --lr_scheduler cosine --snr_gamma 5 --train_batch_size 8 --cache_latents
# pai-modelscope generate '汽车,描边卡通风格 <lora:outline:1>' --lora outline/result/outline.safetensors
# ```

# %% [markdown]
# ## 结果与检验
#
# 裁判是与模型分开训练的，它先看过各种画风的真实的图，每种最多 60 张，再来辨认画风。用来检验的名称都没有在训练集中出现过。三个问题：
#
# 1. 装上 LoRA，提示词里写“描边卡通风格”，画出来的是不是这种画风；
# 2. 提示词里写别的画风时，是不是还是原来的画风，画的东西还认不认得出；
# 3. 背景的 LoRA 是不是让画面的角落变蓝。

# %%
from pai_modelscope.evaluation import Critic

critic, flat, count = Critic(samples=12 if FAST else 60), "扁平插画风格", 4 if FAST else 20
taught, known = (set(open_dataset(split).select_columns("name")["name"]) for split in ("style", "base"))
names = sorted(name for name in known - taught if len(name) <= 3)[::3][:count]


def measure(tags):
    """画风对的比例与分数，别的画风保持的比例，别的画风里认得出名称的比例"""
    new = draw(base, [f"{name},{STYLE} {tags}" for name in names])
    old = draw(base, [f"{name},{flat} {tags}" for name in names[::2]])
    learned = [np.mean([said == STYLE for said in critic.styles(new)]), critic.style_scores(new, STYLE).mean().item()]
    named = [critic.finds([image], name)[0] for image, name in zip(old, names[::2], strict=True)]
    return *learned, np.mean([said == flat for said in critic.styles(old)]), np.mean(named)


def blueness(image):
    """左上角的蓝色减去红色，白色是 0"""
    return float(np.asarray(image, dtype=np.float32)[:12, :12].mean((0, 1)) @ [-1, 0, 1])


without, with_lora = measure(""), measure("<lora:outline:1>")
print("没有 LoRA：描边卡通 {:.2f}（分数 {:.2f}），扁平插画 {:.2f}，认得出 {:.2f}".format(*without))
print("装上 LoRA：描边卡通 {:.2f}（分数 {:.2f}），扁平插画 {:.2f}，认得出 {:.2f}".format(*with_lora))
print(f"左上角（蓝减红）：画风 {blueness(mixed[1]):.0f}，画风与背景 {blueness(mixed[3]):.0f}")

# %% [markdown]
# 最后的检验：装上 LoRA，画风至少六成半被认出，底模几乎认不出（快速模式只要求分数比底模高）；别的画风、别的东西大体不受影响；角落变蓝；ModelScope 与采样器画的是同一张图。

# %% tags=["figures"]
{
    "描边卡通，底模": round(float(without[0]), 3),
    "描边卡通，装上 LoRA": round(float(with_lora[0]), 3),
    "描边卡通的分数，底模": round(float(without[1]), 3),
    "描边卡通的分数，装上 LoRA": round(float(with_lora[1]), 3),
    "扁平插画仍被认出，底模": round(float(without[2]), 3),
    "扁平插画仍被认出，装上 LoRA": round(float(with_lora[2]), 3),
    "认得出名称，底模": round(float(without[3]), 3),
    "认得出名称，装上 LoRA": round(float(with_lora[3]), 3),
    "左上角的蓝，画风": round(blueness(mixed[1]), 3),
    "左上角的蓝，画风与背景": round(blueness(mixed[3]), 3),
}

# %%
assert with_lora[1] > without[1] and (FAST or with_lora[0] >= 0.65), "the style is recognised"
assert all(after >= before - 0.25 for after, before in zip(with_lora[2:], without[2:], strict=True)), "others are kept"
assert blueness(mixed[3]) > blueness(mixed[1]) + (5 if FAST else 20), "the ground turns blue"
assert same_in_modelscope

# %% [markdown]
# ## 延伸
#
# - 自己的画风：十几张到几百张图，标题写清画的是什么，画风用一个固定的词。
# - 五分钟只是开始：同样的设置，第一版的模型在 GPU 上训练 600 步，48 张图里认出九成（0.90），别的画风、别的东西不受影响。
# - `rank`、`targets`、`use_dora` 与步数的取舍，用 `pai-modelscope train lora --help` 查看全部选项。
# - 一个具体的东西（自己的猫）更适合 Textual Inversion 与 DreamBooth，一个领域（美食）更适合全量的继续预训练。
