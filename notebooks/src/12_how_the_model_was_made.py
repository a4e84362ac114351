# %% [markdown]
# # 自带的小模型是怎样得到的
#
# *How the shipped model was made and judged*
#
# ## 简介
#
# 前面的 Notebook 都在用 `pai-diffusion-mini-zh`。它不是 PAI 发布的模型，而是本项目训练的，结构与 PAI-Diffusion 相同：风景由本项目的画师程序画出，
# 图标、物件与头像来自公开许可的图集。这里讲的是第二版；第一版只会画图标，它的来历在 `recipes/mini`。
# 本 Notebook 按训练的顺序，把它的每个部分打开来看，并且亲手量一量：
#
# 1. 数据：画师程序与图集，什么许可，哪些留出来不给模型看；
# 2. 分词器与文本编码器；
# 3. VAE：图与潜变量之间的来回；
# 4. UNet：加噪、去噪与它的几次训练，再从随机的权重开始训练一百多步；
# 5. 裁判：怎样评判，模型卡片上的数字是什么意思。
#
# 训练的程序、设置与记录在 `recipes/mini_v2`，模型卡片在模型目录的 `README.md`；文中没有注明“量一量”的数字出自训练的记录。
# 最后检验自己量到的：VAE 的还原、潜变量的分布、裁判的评分、损失的下降。

# %% [markdown]
# ## 费用与资源说明
#
# | 项目 | 说明 |
# | --- | --- |
# | 费用 | 不产生费用：模型、数据与裁判都随包附带，不访问任何模型社区 |
# | 机器 | 两个 CPU 核、4 GB 内存即可，不需要 GPU |
# | 时间 | 约 3 分钟 |
#
# 完整地重新训练需要 GPU，这个模型用的是一块到两块 H200；每个阶段的命令在 `recipes/mini_v2/README.md`。

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
# 参数。`FAST` 为 `True` 时步数少、图少，检验的标准也相应降低。换成别的模型，讲到的数字就不再是它的，检验也不再适用。

# %% tags=["parameters"]
FAST = False
SEED = 3
MODEL = "pai-diffusion-mini-zh"
STEPS = 120
DEVICE = "cpu"
OUTPUT = "out/making"

# %% [markdown]
# ## 数据
#
# UNet 学四类图：
#
# | | 从哪里来 | 程序 |
# | --- | --- | --- |
# | 风景 | 画师程序：八种画风、十八种地方，时间、季节、天气与景物随机；同一个种子总是同一张图 | `recipes/landscapes` |
# | 图标与物件 | 公开许可的图集，每张有中文名称，画在白色或十二种颜色的底上 | `recipes/mini`、`recipes/collections` |
# | 组合 | 一到四样东西，数量与位置事先定好；也有云里的鲸鱼这样的奇景 | `recipes/compositions` |
# | 头像 | DiceBear 的十一套头像，头发、眼镜、胡子、衣服各有说法 | `recipes/collections` |
#
# 画师知道自己画了什么，所以标题只写图上看得见的东西；同一张图有几种写法，有的是词，有的是句子。第三次训练结束时，256 x 256 的图有
# 风景 89,000 张、组合 83,000 张、图标 80,000 张、头像 20,000 张、物件 9,000 张。
#
# 随包附带的是图标中的 13,686 张矢量图，够本系列的训练与检验使用。每张图都记着作者、来源与许可：

# %%
from collections import Counter

from pai_modelscope.data import shipped_records

records = shipped_records()
counts = Counter((row["license"], row["source"]) for row in records)
for (licence, source), number in sorted(counts.items()):
    print(f"{licence:<12}{source:<28}{number:>6} 张")

# %% [markdown]
# 有些图特意留了出来，UNet 从未见过，以后训练新的画风、新的东西、新的领域，才能检验学到了什么：
#
# | 留出来的 | 是什么 |
# | --- | --- |
# | `style` | 一整套图，画风是“描边卡通风格” |
# | `held_concept` | 十二样东西：大象、火箭、吉他、向日葵、企鹅、皇冠、仙人掌、章鱼、雪人、蜗牛、直升机、长颈鹿 |
# | `food` | 所有的食物 |
# | `held_pair` | 名称和画风都学过，这样的搭配没有见过；裁判也没有见过 |
#
# 同一个设计的图（例如一个表情的各种肤色、同一来源的几种画法）总在一起，不会一半用来训练、一半用来检验。

# %%
from pai_modelscope import open_dataset
from pai_modelscope.images import contact_sheet

splits = {"base": "学过的", "style": "没有见过的画风", "held_concept": "没有见过的东西", "food": "没有见过的领域"}
shown, labels = [], []
for split, what in splits.items():
    rows = open_dataset(split, size=128).shuffle(seed=SEED).select(range(4))
    shown += [row["image"].convert("RGB") for row in rows]
    labels += [f"{what}：{name}" for name in rows["name"]]
contact_sheet(shown, labels, 4)

# %% [markdown]
# 画师画的是什么样，UNet 学到的就是什么样。下面是模型画的四种画风：

# %%
from pai_modelscope import Sampler

sampler = Sampler.from_pretrained(MODEL, device=DEVICE)
scenes = ["水墨画,清晨,湖面,小船", "水彩画,春天的村庄,桃花,小河", "油画,秋天的村庄,黄昏", "扁平风景,傍晚,海边,灯塔"]
scenes = scenes[: 2 if FAST else 4]
contact_sheet([picture.image for picture in sampler(scenes, seed=[7] * len(scenes))], scenes, 4)

# %% [markdown]
# ## 分词器与文本编码器
#
# 分词器是 `BertTokenizer`，词表 5,840 个，一个汉字一个 token，一段 32 个；比第一版多出来的是唐诗宋词里常用的字。
# 量一量：全部名称都能用它写出来吗？

# %%
from pai_modelscope import model_dir
from pai_modelscope.text import unknown_characters

tokenizer = sampler.pipe.tokenizer
names = sorted({row["name"] for row in records})
unwritable = [name for name in names if unknown_characters(tokenizer, name)]
print(f"词表 {len(tokenizer)} 个；{len(names)} 个名称里写不出的：{len(unwritable)} 个")
print(tokenizer.tokenize("雾蒙蒙的日出在湖面上"))

# %% [markdown]
# 文本编码器是中文 CLIP 的一半：四层、宽 256。它先与一个图像编码器（ConvNeXt）一起训练，让图与它的文字靠近；最后一次训练里，
# 它与 UNet 一起接着学。三个部分的权重都存成 8 位浮点数（`float8_e4m3fn`），打开以后按 32 位或 16 位计算。量一量：

# %%
own = {"UNet": sampler.pipe.unet, "文本编码器": sampler.pipe.text_encoder, "VAE": sampler.pipe.vae}
millions = {name: sum(weight.numel() for weight in part.parameters()) / 1e6 for name, part in own.items()}
for name, value in millions.items():
    print(f"{name}：{value:.1f} 百万个参数")
stored = sum(file.stat().st_size for file in model_dir(MODEL).rglob("*.safetensors"))
print(f"权重文件一共 {stored / 2**20:.1f} MiB，每个参数 {stored / sum(millions.values()) / 1e6:.2f} 个字节")

# %% [markdown]
# ## VAE
#
# VAE 把 256 x 256 的图压成 32 x 32、4 个通道的潜变量，UNet 只在潜变量上工作。训练它的损失是像素与边缘的误差、特征的距离，
# 再加一个判别器，让叶子与瓦片不糊；EQ-VAE 让转动、缩小的潜变量还原成转动、缩小的图。最后，潜变量的平均与标准差并入权重，
# 乘以 0.18215 以后，全部数据的平均与标准差是 0 与 1；下面量的只是图标，多是白底，平均因此偏离 0。
#
# 量一量：取留出来的图标，编码再解码，算峰值信噪比（PSNR）。训练的记录里，它自己的第三次训练以后，图标的平均是 36.3 dB，头像 32.5 dB，
# 风景 27.3 dB：风景里的小东西与其说是还原，不如说是重画。

# %%
import torch

from pai_modelscope.evaluation import metrics
from pai_modelscope.evaluation.autoencoder import reconstruct
from pai_modelscope.evaluation.judge import to_bytes

count = 8 if FAST else 48
art = open_dataset("held_pair", size=256).shuffle(seed=SEED).select(range(count))
originals = [row["image"].convert("RGB") for row in art]
restored = reconstruct(sampler.pipe, originals)
pairs = zip(originals, restored, strict=True)
decibels = torch.tensor([metrics.psnr(to_bytes(a) / 255, to_bytes(b) / 255) for a, b in pairs])
print(f"{count} 张的平均 PSNR：{decibels.mean():.1f} dB，最差的 {decibels.min():.1f} dB")

# %% [markdown]
# 原图、还原的图，以及四个通道的潜变量：

# %%
from PIL import Image

vae, processor = sampler.pipe.vae, sampler.pipe.image_processor


@torch.no_grad()
def latents_of(images):
    """UNet 看到的潜变量"""
    pixels = processor.preprocess(images).to(vae.device, vae.dtype)
    return vae.encode(pixels).latent_dist.mode() * vae.config.scaling_factor


latents = torch.cat([latents_of([image]) for image in originals]).float().cpu()
levels = ((latents[0] / 6 + 0.5).clamp(0, 1) * 255).byte().numpy()  # 0 是中灰
channels = [Image.fromarray(each).resize((256, 256), Image.Resampling.NEAREST).convert("RGB") for each in levels]
spread = latents.mean().item(), latents.std().item()
print("潜变量的平均 {:.2f}，标准差 {:.2f}".format(*spread))
contact_sheet([originals[0], restored[0], *channels], ["原图", "还原", *(f"通道 {i}" for i in range(4))], 6)

# %% [markdown]
# ## UNet
#
# ### 加噪
#
# UNet 学的是从加了噪声的潜变量里认出原来的样子。噪声分 1,000 级。通常的设置在最后一级还剩一点原图，画出来的底色就总是偏灰；这里用
# zero terminal SNR（Lin 等 2023，arXiv:2305.08891），最后一级什么也不剩，UNet 预测的是速度（v-prediction）。

# %%
scheduler = sampler.pipe.scheduler
noise = torch.randn(latents[:1].shape, generator=torch.Generator().manual_seed(SEED))
times = [0, 50, 150, 400, 999]
noisy = [scheduler.add_noise(latents[:1], noise, torch.tensor([time])) for time in times]
with torch.no_grad():
    decoded = [vae.decode(each.to(vae.device, vae.dtype) / vae.config.scaling_factor).sample for each in noisy]
remaining = scheduler.alphas_cumprod[-1].sqrt().item()
print(f"最后一级剩下的原图：{remaining:.6f}")
contact_sheet([processor.postprocess(each)[0] for each in decoded], [f"第 {time} 级" for time in times], 5)

# %% [markdown]
# ### 几次训练
#
# | | 机器 | 步数与批量 | 看过的潜变量 | 时间 |
# | --- | --- | --- | ---: | ---: |
# | 第二次 | 一块 H200 | 8,643 x 768 | 660 万 | 1,285 秒 |
# | 第三次 | 两块 H200 | 4,535 x 1,536 | 700 万 | 953 秒 |
# | 第四次 | 两块 H200 | 4,320 x 1,536 | 660 万 | 1,000 秒 |
# | 第五次 | 一块 H200 | 3,458 x 768 | 270 万 | 688 秒 |
#
# 第一次训练的是大一些的 UNet（28.5 百万个参数），为了装进这个包，没有用它。以后每一次从上一次的权重的平均开始。优化器是 Muon。
# 留出来的风景的损失，第二次之后是 0.326，第三次之后是 0.321；图标是 0.211 与 0.191。
#
# ### 自己训练一百多步
#
# 同样的 UNet、随机的权重、同一个训练程序。这里只用 64 张图标、小尺寸，看看损失怎样下降：

# %%
import json
import shutil
from pathlib import Path

from diffusers import UNet2DConditionModel

from pai_modelscope import fine_tune

start = Path(OUTPUT, "random")
shutil.rmtree(start, ignore_errors=True)
shutil.copytree(model_dir(MODEL), start, ignore=shutil.ignore_patterns("unet"))
torch.manual_seed(SEED)
config = UNet2DConditionModel.load_config(model_dir(MODEL) / "unet")
UNet2DConditionModel.from_config(config).save_pretrained(start / "unet")

# %%
result = fine_tune(
    "full",
    pretrained_model_name_or_path=str(start),
    train_data_dir="shipped:base",
    output_dir=f"{OUTPUT}/few-steps",
    overwrite_output_dir=True,
    resolution=128,
    cache_latents=True,
    max_train_samples=64,
    max_train_steps=30 if FAST else STEPS,
    train_batch_size=4 if FAST else 8,
    optimizer="muon",
    learning_rate=2e-3,
    lr_warmup_steps=5,
    logging_steps=5,
    seed=SEED,
)

# %%
import matplotlib.pyplot as plt

lines = [json.loads(line) for line in Path(OUTPUT, "few-steps/log.jsonl").read_text().splitlines()]
logged = [line for line in lines if "loss" in line]
losses = [line["loss"] for line in logged]
first, last = losses[0], sum(losses[-3:]) / 3
figure, axes = plt.subplots(figsize=(6, 2.5))
axes.plot([line["step"] for line in logged], losses, marker=".")
axes.set(xlabel="step", ylabel="loss", ylim=(0, None))
print(f"损失：开始 {first:.2f}，最后 {last:.2f}")

# %% [markdown]
# ## 裁判
#
# 图标画得像不像，由裁判说了算。它由 EfficientNet 与 BERT 组成，与画图的模型分开训练，没有共用的权重，也没有见过 `held_pair`。它给每张图的所有候选名称排名次：
#
# - R@1、R@5：正确的名称排在第一、前五的比例；
# - 占真实的比例：裁判自己也会认错，所以拿真实的图作参照，两个比例相除。
#
# 300 个学过的名称与画风，R@1 是 0.670，R@5 是 0.870（真实的图 0.883 与 0.983）；300 个没有见过的搭配，R@1 是 0.407，真实的图是 0.423。
#
# 风景与头像由另一个裁判问：画风对不对，是不是那个时间、那个地方，东西在不在。画的与画师的图（真实的）答对的比例：
#
# | | 画的 | 真实的 | | 画的 | 真实的 |
# | --- | ---: | ---: | --- | ---: | ---: |
# | 画风 | 0.89 | 0.90 | 数量 | 0.86 | 0.95 |
# | 时间 | 1.00 | 0.93 | 奇景 | 0.97 | 0.92 |
# | 天气 | 0.69 | 0.71 | 头发的颜色 | 0.96 | 0.98 |
# | 地方 | 0.98 | 0.98 | 眼镜 | 0.95 | 1.00 |
# | 东西 | 0.61 | 0.60 | 表情 | 0.73 | 0.88 |
#
# 风景里的东西，画师画的它也只认得出六成，所以两列要一起看。它没有随包附带，程序是 `recipes/mini_v2/judge.py`。
#
# 量一量：没有见过的搭配取几个，候选名称是随包附带的：

# %%
from pai_modelscope.evaluation import Judge, prompts
from pai_modelscope.evaluation.judge import SHIPPED_JUDGE
from pai_modelscope.evaluation.pictures import open_pictures, render_all

pictures, judge = open_pictures("shipped"), Judge.load(SHIPPED_JUDGE)
cases = prompts.held_pairs(pictures, 8 if FAST else 24)
asked = [{"text": case.prompt, "seed": case.seed} for case in cases]
drawn = [picture.image for picture in sampler(asked, num_inference_steps=8 if FAST else 20)]
real = render_all([case.scene for case in cases])
place = {name: number for number, name in enumerate(pictures.names)}
right = [{place[name] for name in case.targets[0]} for case in cases]
features = judge.texts(pictures.names)
ranks = {
    "真实的": metrics.ranks(judge.images(real), features, right) + 1,
    "画的": metrics.ranks(judge.images(drawn), features, right) + 1,
}
recall = {who: (found <= 5).float().mean().item() for who, found in ranks.items()}
chance = metrics.chance(right, len(features), 5)
print(f"候选名称 {len(features)} 个，随机猜的 R@5 {chance:.3f}")
print("R@5：真实的 {真实的:.2f}，画的 {画的:.2f}".format(**recall))

# %%
shown = [image for pair in zip(real[:6], drawn[:6], strict=True) for image in pair]
labels = [f"{case.prompt[:12]}，{who} 第 {int(ranks[who][i])} 位" for i, case in enumerate(cases[:6]) for who in ranks]
contact_sheet(shown, labels, 4)

# %% [markdown]
# ## 结果与检验
#
# 自己量到的，与说过的一致：
#
# 1. VAE 还原留出来的图，平均 PSNR 在 29 dB 以上；潜变量的平均离 0 不到半个标准差，标准差接近 1；
# 2. 最后一级噪声里，原图什么也不剩；词表写得出全部名称；
# 3. 没有见过的搭配，画的 R@5 不到真实的一半就算失败，也必须远远超过随机猜；
# 4. 从随机的权重开始，一百多步以后，损失降到开始的七成以下（快速模式几十步，九成以下）。

# %% tags=["figures"]
{
    "VAE 的平均 PSNR": round(decibels.mean().item(), 3),
    "潜变量的平均": round(spread[0], 3),
    "潜变量的标准差": round(spread[1], 3),
    "R@5，真实的图": round(recall["真实的"], 3),
    "R@5，画的图": round(recall["画的"], 3),
    "R@5，随机猜": round(chance, 3),
    "损失，开始": round(first, 3),
    "损失，最后": round(last, 3),
    "UNet 的参数，百万": round(millions["UNet"], 3),
    "写不出的名称": len(unwritable),
}

# %%
assert decibels.mean() >= 29 and abs(spread[0]) < 0.5 and 0.7 < spread[1] < 1.4
assert remaining < 1e-4 and not unwritable
assert recall["画的"] >= 0.5 * recall["真实的"] and recall["画的"] >= 20 * chance
assert last <= (0.9 if FAST else 0.7) * first, "the loss falls"

# %% [markdown]
# ## 延伸
#
# - 模型卡片的整张表：`pai-modelscope evaluate`，在 CPU 上要几个小时；`pai-modelscope evaluate --limit 32` 只要几分钟。
# - 每个阶段的设置、比较过的其他做法与数字：`recipes/mini_v2/README.md`；第一版的：`recipes/mini/README.md`。
# - 它画不好什么：风景里的小东西会糊，头像的表情常常不对，文字画不出；说“左边是猫，右边是狗”，大约一半画得对。
#   照片不在数据里，食物留给 Notebook 09。
# - 留出来的图怎样用来检验训练：Notebook 03、04、05、07、09。
