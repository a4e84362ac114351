# %% [markdown]
# # 第一张图：ModelScope 与 diffusers 两种方式
#
# *The first picture: with ModelScope and with plain diffusers*
#
# ## 简介
#
# PAI-Diffusion 是阿里云机器学习平台 PAI 开源的中文文图生成模型系列。本 Notebook 用随包附带的小模型 `pai-diffusion-mini-zh`。
# 它会画水墨、水彩、油画等画风的风景，也会画人物头像与图标。先看几张，再以两种方式画文章里的那句话：
#
# 1. ModelScope 的 `pipeline`；
# 2. 原生 diffusers 的 `StableDiffusionPipeline`。
#
# 两段代码与 PAI-Diffusion 发布文章中的示例相同，只换了模型名和设备。最后验证两件事：两种方式画出的是同一张图；画的内容与文字相符。

# %% [markdown]
# ## 费用与资源说明
#
# | 项目 | 说明 |
# | --- | --- |
# | 费用 | 不产生费用：模型随包附带，不访问任何模型社区 |
# | 机器 | 两个 CPU 核、4 GB 内存即可，不需要 GPU |
# | 时间 | 约 2 分钟 |
#
# 在 PAI-DSW 中选择最小的 CPU 规格就可以运行。

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
# 参数。`FAST` 为 `True` 时步数和图都少一些，结论不变。换成十亿参数的模型只要改 `MODEL`（例如 `"PAI/pai-diffusion-artist-large-zh"`）与
# `DEVICE = "cuda"`，需要 GPU 与网络。

# %% tags=["parameters"]
FAST = False
SEED = 7
MODEL = "pai-diffusion-mini-zh"
DEVICE = "cpu"
OUTPUT = "out/first-picture"

# %% [markdown]
# ## 先看几张
#
# 用逗号隔开的几个词，写画风、时间、地方和东西，就是一条提示词；写成一句话也可以。

# %%
from pai_modelscope import Sampler
from pai_modelscope.images import contact_sheet

sampler = Sampler.from_pretrained(MODEL, device=DEVICE)
size = {"num_inference_steps": 10} if FAST else {}
wishes = [
    "雾蒙蒙的日出在湖面上",
    "水墨画,清晨,湖面,小船",
    "短发女孩头像,戴眼镜,卡通人像风格",
    "蝴蝶,三维立体风格",
    "扁平风景,傍晚,海边,灯塔",
    "一只小船在星空里航行",
][: 2 if FAST else 6]
contact_sheet([picture.image for picture in sampler(wishes, seed=[SEED] * len(wishes), **size)], wishes, 3)

# %% [markdown]
# ## 用 ModelScope 画第一张图
#
# 导入 `pai_modelscope` 就完成了注册。`model_dir` 把模型名变成本地目录；它同样接受 ModelScope 或 Hugging Face 上的模型名，
# 例如 `PAI/pai-diffusion-artist-large-zh`，本机没有时才去下载。

# %%
from pathlib import Path

import pai_modelscope

folder = str(pai_modelscope.model_dir(MODEL))
Path(OUTPUT).mkdir(parents=True, exist_ok=True)

# %% [markdown]
# 下面是文章中的 ModelScope 示例。返回的 `output_imgs` 与所有 ModelScope pipeline 一样，是 BGR 顺序的 uint8 数组，可以直接交给 OpenCV 保存。

# %%
import cv2
from modelscope.pipelines import pipeline

p = pipeline("text-to-image-synthesis", folder, device=DEVICE)
result = p({"text": "雾蒙蒙的日出在湖面上"})
image = result["output_imgs"][0]
cv2.imwrite(f"{OUTPUT}/image.png", image)

# %%
from PIL import Image

Image.open(f"{OUTPUT}/image.png")

# %% [markdown]
# 没有指定种子时会随机选一个，并在结果里告诉我们；`infotext` 记录了再次画出同一张图所需的全部信息。

# %%
print(result["seeds"], result["infotext"][0], sep="\n")

# %% [markdown]
# ## 用 diffusers 画同一句话
#
# 模型目录就是标准的 diffusers 格式，不依赖本项目的任何代码。在 GPU 上用半精度，与 `pipeline` 的默认相同。

# %%
import torch
from diffusers import StableDiffusionPipeline

model_id = folder
pipe = StableDiffusionPipeline.from_pretrained(model_id)
pipe = pipe.to(DEVICE, torch.float32 if DEVICE == "cpu" else torch.float16)

prompt = "雾蒙蒙的日出在湖面上"
image = pipe(prompt).images[0]
image.save(f"{OUTPUT}/result.png")
image

# %% [markdown]
# ## 自己试一试
#
# 改提示词、种子与步数，按“生成”。`Sampler` 是 ModelScope pipeline 背后的采样器；画法与上面相同，写错了会在框里说明。

# %%
from pai_modelscope.notebook import prompt_box

prompt_box(sampler, "水彩画,春天的村庄,桃花,小河", seed=SEED, **size)

# %% [markdown]
# ## 两种方式画出的是同一张图
#
# 给定相同的种子和相同的设置，两种方式应当得到同一张图。下面逐像素比较（每个颜色通道的取值是 0 到 255）。

# %%
import numpy as np

settings = {"num_inference_steps": 8 if FAST else 20, "guidance_scale": 5.0, "guidance_rescale": 0.7}
ours = p({"text": prompt, "seed": SEED, "output_type": "pil", **settings})["output_imgs"][0]
theirs = pipe(prompt, generator=torch.Generator().manual_seed(SEED), **settings).images[0]
difference = np.abs(np.asarray(ours, dtype=int) - np.asarray(theirs, dtype=int)).max()
print(f"最大相差 {difference} / 255")

# %% [markdown]
# ## 结果与检验
#
# 画得像不像，由一个独立训练的图文匹配模型（“裁判”）来回答：给它一张图和上千个中文名称，看正确的名称排在第几位。
# 裁判与画图的模型没有任何共用的权重。它学的是图标的名称，所以这里请它认图标。

# %%
from pai_modelscope.evaluation import Judge
from pai_modelscope.evaluation.metrics import ranks
from pai_modelscope.evaluation.pictures import open_pictures

names = (
    ["熊猫", "猫头鹰", "蝴蝶", "雪山"] if FAST else ["熊猫", "猫头鹰", "蝴蝶", "雪山", "狐狸", "鲸鱼", "樱花", "蜜蜂"]
)
prompts = [{"text": f"{name},扁平插画风格", "seed": SEED, "output_type": "pil", **size} for name in names]
pictures = [result["output_imgs"][0] for result in p(prompts)]

# %%
candidates = open_pictures("shipped").names
judge = Judge.load(Path(pai_modelscope.__file__).parent / "assets" / "judge")
right = [{candidates.index(name)} for name in names]
places = ranks(judge.images(pictures), judge.texts(candidates), right) + 1
print(f"候选名称 {len(candidates)} 个")
for name, place in zip(names, places.tolist(), strict=True):
    print(f"{name}: 第 {place} 位")

# %%
contact_sheet(pictures, [f"{name}:第 {place} 位" for name, place in zip(names, places.tolist(), strict=True)])

# %% [markdown]
# 最后的检验：两种方式画出的图逐像素一致（允许 2/255 的舍入误差），并且正确名称的名次，中位数在前五位以内。
# 随机猜测的中位数是候选名称数的一半。

# %% tags=["figures"]
{
    "两种方式最大相差": int(difference),
    "正确名称名次的中位数": round(places.median().item(), 3),
    "第一位就对的比例": round((places == 1).float().mean().item(), 3),
    "候选名称": len(candidates),
}

# %%
assert difference <= 2 and places.median() <= 5

# %% [markdown]
# ## 延伸
#
# - 在终端里画图：`pai-modelscope generate '水墨画,清晨,湖面,小船' --seed 7`。
# - 下一个 Notebook 介绍提示词、权重、采样器、种子与模型库。
# - 十亿参数的模型怎样选、需要多少显存，见 Notebook 11；自带的小模型怎样得到，见 Notebook 12。
