# %% [markdown]
# # 提示词、采样器、种子与模型库
#
# *Prompts, schedulers, seeds and the model zoo*
#
# ## 简介
#
# 同一个模型，怎样写提示词、怎样选采样器和种子，画出来的图大不一样。本 Notebook 依次介绍：
#
# 1. 画风、权重、长提示词、模型不认识的字、负向提示词；
# 2. 采样器与步数；
# 3. 种子，以及怎样再次画出同一张图；
# 4. 模型库：PAI-Diffusion 系列已经发布的模型。
#
# 每一节的说法都在最后一节用数字检验。

# %% [markdown]
# ## 费用与资源说明
#
# | 项目 | 说明 |
# | --- | --- |
# | 费用 | 不产生费用：模型随包附带，不访问任何模型社区 |
# | 机器 | 两个 CPU 核、4 GB 内存即可，不需要 GPU |
# | 时间 | 约 3 分钟 |

# %% [markdown]
# ## 准备工作
#
# 如果还没有安装 `pai_modelscope`，下面的单元格会从本仓库安装它；已经安装时什么也不做。

# %%
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("pai_modelscope") is None:
    subprocess.check_call([sys.executable, "-m", "pip", "install", "-q", "-e", ".."])

# %% [markdown]
# 参数。`FAST` 为 `True` 时步数和图都少一些。

# %% tags=["parameters"]
FAST = False
SEED = 7

# %% [markdown]
# `Sampler` 是 ModelScope pipeline 背后的采样器，参数完全相同，导入更快。`draw` 画图并拼成一张带中文标注的总览图。

# %%
from pai_modelscope import Sampler
from pai_modelscope.images import contact_sheet

sampler = Sampler.from_pretrained("pai-diffusion-mini-zh")
size = {"num_inference_steps": 10} if FAST else {}


def draw(texts, **options):
    pictures = sampler(texts, **{"seed": [SEED] * len(texts), **size, **options})
    return contact_sheet([picture.image for picture in pictures], [picture.prompt for picture in pictures])


# %% [markdown]
# ## 提示词
#
# ### 画风与背景
#
# 自带的模型学过十种画风和十二种背景颜色，直接写在提示词里即可。

# %%
styles = ["扁平插画风格", "三维立体风格", "黑白剪影风格", "柔和彩绘风格"]
draw([f"猫头鹰,{style}" for style in styles])

# %%
draw([f"狐狸,{colour}背景" for colour in ["红色", "浅蓝色", "黑色", "黄色"]])

# %% [markdown]
# ### 权重
#
# 语法与 Stable Diffusion WebUI 相同：`(词)` 加强到 1.1 倍，`(词:1.5)` 加强到 1.5 倍，`[词]` 减弱到 1.1 分之一，`\(` 是普通括号。
# 同时写两种画风时，权重决定偏向哪一种。

# %%
from pai_modelscope.text import parse_weights

parse_weights("(熊猫:1.5)和[竹子],蓝色背景")

# %%
draw([f"蝴蝶,(黑白剪影风格:{line}),(三维立体风格:{solid})" for line, solid in [(1.8, 0.5), (1, 1), (0.5, 1.8)]])

# %% [markdown]
# ### 长提示词
#
# 文本编码器一次读 32 个 token（其中 30 个留给正文）。更长的提示词会分段编码，尽量在逗号处分段，不会悄悄截断。

# %%
from pai_modelscope.text import chunk_ids

long_prompt = (
    "一只可爱的熊猫,在安静的森林里,阳光明亮,画面干净,线条清晰,色彩明快,构图居中,细节丰富,扁平插画风格,浅蓝色背景"
)
ids = chunk_ids(sampler.pipe.tokenizer, [long_prompt])
for chunk in ids[0]:
    print(sampler.pipe.tokenizer.decode(chunk, skip_special_tokens=True))

# %%
draw([long_prompt, "熊猫,扁平插画风格,浅蓝色背景"])

# %% [markdown]
# ### 模型不认识的字
#
# 词表之外的字不会被悄悄忽略：画图时会给出警告，也可以事先检查。

# %%
from pai_modelscope.text import unknown_characters

unknown_characters(sampler.pipe.tokenizer, "熊貓和竹子")

# %% [markdown]
# ### 负向提示词
#
# `negative_prompt` 写不希望出现的内容，长度同样不限。下面是同一个种子的蝴蝶，右边的一张不要黑白剪影。
# 每条文本可以写成字典，带上自己的选项。

# %%
draw(["蝴蝶", {"text": "蝴蝶", "negative_prompt": "黑白剪影风格"}])

# %% [markdown]
# ## 采样器
#
# 采样器按名字选择。默认是模型自己的 DDIM；步数少的时候，二阶方法往往更好。

# %%
import time

from pai_modelscope.sampling import SCHEDULERS

chosen = ["DDIM", "DPM++ 2M", "UniPC", "Euler a"] if FAST else [name for name in SCHEDULERS if name != "LCM"]
pictures, labels = [], []
for name in chosen:
    start = time.perf_counter()
    pictures.append(sampler("熊猫,扁平插画风格", seed=SEED, scheduler=name, num_inference_steps=10)[0].image)
    labels.append(f"{name} {time.perf_counter() - start:.1f} 秒")
contact_sheet(pictures, labels)

# %% [markdown]
# `LCM` 只用于为它蒸馏过的模型或 LoRA，用在别的模型上会得到一行清楚的说明：

# %%
from pai_modelscope import UserError

try:
    sampler("熊猫", scheduler="LCM")
except UserError as error:
    print(error)

# %% [markdown]
# ## 种子
#
# 种子决定初始噪声。一次画几张时，第 i 张图的种子是 `seed + i`，与 WebUI 的规则相同；不写种子则随机选取，并记录在结果里。

# %%
four = sampler("蝴蝶", seed=SEED, num_images_per_prompt=2 if FAST else 4, **size)
contact_sheet([picture.image for picture in four], [f"种子 {picture.seed}" for picture in four])

# %% [markdown]
# `infotext` 记录了再次画出同一张图所需的全部信息；命令行 `pai-modelscope generate` 把它写进 PNG,`--like` 再读出来。

# %%
from pai_modelscope.images.infotext import parse_infotext

options = parse_infotext(four[-1].infotext)
print(four[-1].infotext, options, sep="\n")

# %% [markdown]
# ## 模型库
#
# `zoo` 列出 PAI-Diffusion 系列已经发布的模型，以及它们在 ModelScope 与 Hugging Face 上的位置。

# %%
from pai_modelscope import zoo

print(zoo.table())

# %%
print(zoo.show("pai-diffusion-artist-large-zh"))

# %% [markdown]
# ## 结果与检验
#
# 三个说法，三个数字：
#
# 1. 背景颜色听从提示词：数一数有多少张图的背景是写明的颜色；
# 2. 长提示词一个字也没有丢：把各段解码后拼起来，与原文比较；
# 3. 由 `infotext` 再画一次，得到逐位相同的图；换一个种子则不同。

# %%
import numpy as np

from pai_modelscope.evaluation import background_colour
from pai_modelscope.images.colours import NAMED_COLOURS

asked = list(NAMED_COLOURS)[:: 2 if FAST else 1]
drawn = sampler([f"熊猫,{colour}背景" for colour in asked], seed=SEED, **size)
seen = [background_colour(picture.image) for picture in drawn]
hits = sum(a == b for a, b in zip(asked, seen, strict=True))
print(f"背景颜色正确:{hits} / {len(asked)}")

# %%
kept = "".join(sampler.pipe.tokenizer.decode(chunk, skip_special_tokens=True) for chunk in ids[0]).replace(" ", "")
print("长提示词完整:", kept == long_prompt)

# %%
text = options.pop("text")
options.pop("model")
again, other = (sampler(text, **{**options, "seed": seed})[0] for seed in (options["seed"], 12345))
same = [np.array_equal(np.asarray(four[-1].image), np.asarray(picture.image)) for picture in (again, other)]
print(f"相同种子逐位相同:{same[0]};不同种子相同:{same[1]}")

# %% [markdown]
# ## 延伸
#
# - `pai-modelscope zoo show NAME` 在终端里查看模型的许可与推荐设置。
# - `pai-modelscope generate --from-file prompts.txt --num-images 4` 一次画很多张。
# - 十亿参数的模型用法完全相同：`Sampler.from_pretrained("PAI/pai-diffusion-artist-large-zh")`（需要 GPU 与网络）。

# %%
assert hits >= 0.8 * len(asked) and kept == long_prompt and same == [True, False]
