# %% [markdown]
# # 提示词、采样器、种子与模型库
#
# *Prompts, schedulers, seeds and the model zoo*
#
# ## 简介
#
# 同一个模型，怎样写提示词、怎样选采样器和种子，画出来的图大不一样。本 Notebook 依次介绍：
#
# 1. 画风、时间与季节、权重、长提示词、模型不认识的字、提示词体检与热力图、负向提示词；
# 2. 采样器与步数；
# 3. 种子，以及怎样再次画出同一张图；
# 4. 提示词里的 embedding 与 LoRA：当场各做几个，再用 `<词>` 与 `<lora:名字:权重>` 调用；
# 5. 模型库：PAI-Diffusion 系列已经发布的模型。
#
# 每一节的说法都在最后一节用数字检验。

# %% [markdown]
# ## 费用与资源说明
#
# | 项目 | 说明 |
# | --- | --- |
# | 费用 | 不产生费用：模型随包附带，不访问任何模型社区 |
# | 机器 | 两个 CPU 核、4 GB 内存即可，不需要 GPU |
# | 时间 | 约 5 分钟 |

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
# 参数。`FAST` 为 `True` 时步数和图都少一些。换成十亿参数的模型只要改 `MODEL` 与 `DEVICE = "cuda"`（需要 GPU 与网络）；
# 画风与背景的说法是自带的模型学过的，最后的检验也是为它写的。

# %% tags=["parameters"]
FAST = False
SEED = 7
MODEL = "pai-diffusion-mini-zh"
DEVICE = "cpu"
OUTPUT = "out/prompts"

# %% [markdown]
# `Sampler` 是 ModelScope pipeline 背后的采样器，参数完全相同，导入更快。`draw` 画图并拼成一张带中文标注的总览图。

# %%
from pai_modelscope import Sampler
from pai_modelscope.images import contact_sheet

sampler = Sampler.from_pretrained(MODEL, device=DEVICE)
size = {"num_inference_steps": 10} if FAST else {}


def draw(texts, **options):
    pictures = sampler(texts, **{"seed": [SEED] * len(texts), **size, **options})
    return contact_sheet([picture.image for picture in pictures], [picture.prompt for picture in pictures])


# %% [markdown]
# ## 提示词
#
# ### 画风、时间与季节
#
# 自带的模型会画风景、人物头像与图标。风景有八种画风；画风、季节、时间、天气、地方和东西，用逗号隔开，想到什么写什么。

# %%
styles = ["水墨画", "水彩画", "油画", "版画", "青绿山水", "扁平风景", "剪纸", "动漫风景"]
draw([f"{style},秋天,黄昏,湖面,小船" for style in styles[: 2 if FAST else 8]])

# %%
draw([f"水彩画,{season}的村庄" for season in ["春天", "冬天", "夏天", "秋天"][: 2 if FAST else 4]])

# %%
draw([f"油画,{time},大海,灯塔" for time in ["清晨", "夜晚", "正午", "黄昏"][: 2 if FAST else 4]])

# %% [markdown]
# ### 图标与人物
#
# 单写一样东西的名称，画出来是图标。图标有十种画风，也可以写背景的颜色，一共十二种；人物写头发、眼镜、胡子、衣服的颜色。

# %%
looks = ["扁平插画风格", "三维立体风格", "黑白剪影风格", "柔和彩绘风格"]
draw([f"猫头鹰,{look}" for look in looks[: 2 if FAST else 4]])

# %%
draw([f"狐狸,{colour}背景" for colour in ["红色", "浅蓝色", "黑色", "黄色"][: 2 if FAST else 4]])

# %%
people = ["短发女孩头像,戴眼镜", "长发女孩头像,红色衣服", "白胡子老爷爷头像", "卷发男孩头像,蓝色衣服"]
draw([f"{person},卡通人像风格" for person in people[: 2 if FAST else 4]])

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
    "水墨画,秋天的黄昏,薄雾笼罩着湖面,湖上有一只小船,船上坐着渔翁,远处是连绵的群山,岸边有松树和亭子,天上有飞鸟,夕阳"
)
ids = chunk_ids(sampler.pipe.tokenizer, [long_prompt])
for chunk in ids[0]:
    print(sampler.pipe.tokenizer.decode(chunk, skip_special_tokens=True))

# %%
draw([long_prompt, "水墨画,秋天,黄昏,湖面,小船"])

# %% [markdown]
# ### 模型不认识的字
#
# 词表之外的字不会被悄悄忽略：画图时会给出警告，也可以事先检查。

# %%
from pai_modelscope.text import unknown_characters

unknown_characters(sampler.pipe.tokenizer, "熊貓和竹子")

# %% [markdown]
# ### 提示词体检
#
# 模型只会画它学过的词。`check_prompt` 在画图之前说明一条提示词里有什么它不认识：没有的字，没学过的词与它知道的相近的词，
# 以及不起作用的词。学过哪些词，写在模型目录的 `vocabulary.json` 里。

# %%
check = sampler.check_prompt("水墨画,漂亮的湖面,乌篷船")
print(check.report())

# %% [markdown]
# `heat_map` 画出提示词，并标出每个词在图中哪里起了作用：交叉注意力对所有步、层与头取平均（Tang 等 2022，arXiv:2210.04885）。

# %%
heat = sampler.heat_map("左边是熊猫,右边是自行车,蓝色背景", seed=3, **size)
heat.sheet()

# %% [markdown]
# 命令行里是 `pai-modelscope check-prompt '...' --heat-map`。
#
# ### 负向提示词
#
# `negative_prompt` 写不希望出现的内容，长度同样不限。下面是同一个种子的蝴蝶，右边的一张不要黑白剪影。
# 每条文本可以写成字典，带上自己的选项。

# %%
draw(["蝴蝶", {"text": "蝴蝶", "negative_prompt": "黑白剪影风格"}])

# %% [markdown]
# ### 自己试一试
#
# 把上面的写法写进框里，改种子与步数，按“生成”。

# %%
from pai_modelscope.notebook import prompt_box

prompt_box(sampler, "油画,秋天的村庄,(红叶:1.2),黄昏", seed=SEED, **size)

# %% [markdown]
# ## 采样器
#
# 采样器按名字选择。默认是模型自己的 DDIM；步数少的时候，二阶方法往往更好。

# %%
import time

from pai_modelscope.sampling import SCHEDULERS

print("、".join(SCHEDULERS))
chosen = ["DDIM", "DPM++ 2M", "UniPC", "Euler a"]
if not FAST:
    chosen += ["DPM++ 2M Karras", "DPM++ 2M SDE", "DPM++ SDE", "Euler", "Heun", "LMS", "DPM2 a", "DEIS", "DDPM", "PNDM"]
pictures, labels = [], []
for name in chosen:
    start = time.perf_counter()
    pictures.append(sampler("水墨画,清晨,湖面,小船", seed=SEED, scheduler=name, num_inference_steps=10)[0].image)
    labels.append(f"{name} {time.perf_counter() - start:.1f} 秒")
contact_sheet(pictures, labels)

# %% [markdown]
# `LCM` 只用于为它蒸馏过的模型或 LoRA，用在别的模型上会得到一行清楚的说明：

# %%
from pai_modelscope import UserError

try:
    sampler("湖面", scheduler="LCM")
except UserError as error:
    print(error)

# %% [markdown]
# ## 种子
#
# 种子决定初始噪声。一次画几张时，第 i 张图的种子是 `seed + i`，与 WebUI 的规则相同；不写种子则随机选取，并记录在结果里。

# %%
four = sampler("油画,秋天的村庄,黄昏", seed=SEED, num_images_per_prompt=2 if FAST else 4, **size)
contact_sheet([picture.image for picture in four], [f"种子 {picture.seed}" for picture in four])

# %% [markdown]
# `infotext` 记录了再次画出同一张图所需的全部信息；命令行 `pai-modelscope generate` 把它写进 PNG,`--like` 再读出来。

# %%
from pai_modelscope.images.infotext import parse_infotext

options = parse_infotext(four[-1].infotext)
print(four[-1].infotext, options, sep="\n")

# %% [markdown]
# ## 提示词里的 embedding
#
# embedding 给模型添一个新词：文件里存着几个向量，代替这个词进入文本编码器。别人训练好的文件这样用：
# `sampler.add_embedding(文件)`，然后在提示词里写它的词，例如 `<小奶猫>`。
#
# 训练要等后面的 Notebook；这里不训练，也做一个真正的 embedding 文件：把“三维立体风格”六个字的向量抄出来，取名 `<立体>`。
# 于是 `狐狸,<立体>` 应当与写出六个字画得逐位相同，少读一个向量都不行。

# %%
import shutil
from pathlib import Path

from pai_modelscope.adapters import Embedding, write_embedding

work_dir = Path(OUTPUT, "adapters")
shutil.rmtree(work_dir, ignore_errors=True)  # 单元格可以重复运行
work_dir.mkdir(parents=True)
tokenizer, encoder = sampler.pipe.tokenizer, sampler.pipe.text_encoder
vectors = encoder.get_input_embeddings().weight[tokenizer("三维立体风格", add_special_tokens=False).input_ids]
file = write_embedding(Embedding("<立体>", vectors), work_dir / "solid.safetensors", "diffusers")
print(sampler.add_embedding(file), tuple(vectors.shape))

# %%
written = ["狐狸,<立体>", "狐狸,三维立体风格"]
with_word, spelled_out = (picture.image for picture in sampler(written, seed=[SEED, SEED], **size))
contact_sheet([with_word, spelled_out], written)

# %% [markdown]
# ## 提示词里的 LoRA
#
# LoRA 是加在模型权重上的低秩矩阵，一个小文件就能改变画风。`sampler.add_lora(文件)` 之后，在提示词里写 `<lora:名字:权重>`。
#
# 通常 LoRA 由训练得到。这里用几秒钟算出两个：注意力层用矩阵 `to_k`、`to_v` 读取文本编码器的输出，让它们读到一句话 $c_i$ 时，
# 得到的正是原来读到另一句话 $c_i^*$ 的结果，这有闭式解，就是“概念编辑”（Orgad 等 2023，arXiv:2303.08084；Gandikota 等
# 2024，arXiv:2308.14761）：
#
# $$\min_{W'} \sum_i \lVert W' c_i - W c_i^* \rVert^2 + \lambda \lVert W' - W \rVert^2$$
#
# 再用 `extract_lora` 从新旧两个模型之差里取出低秩的部分，`write_lora` 写成文件，与训练得到的 LoRA 格式完全相同。

# %%
import torch
from diffusers import UNet2DConditionModel

from pai_modelscope import model_dir


def states(texts):
    return sampler.pipe.encode_prompt(texts, DEVICE, 1, False)[0].flatten(0, 1).float().cpu()


@torch.no_grad()
def edited(pairs, strength=100.0):
    """模型的 UNet，读每一对里的前一句，如同读后一句。"""
    before, after = (states([pair[i] for pair in pairs]) for i in (0, 1))
    gram = before.T @ before + strength * torch.eye(before.shape[1])
    shift = torch.linalg.solve(gram, before.T @ (after - before)).T
    unet = UNet2DConditionModel.from_pretrained(model_dir(MODEL) / "unet")
    for name, layer in unet.named_modules():
        if name.endswith(("attn2.to_k", "attn2.to_v")):
            layer.weight += layer.weight @ shift
    return unet


# %% [markdown]
# “剪影”把“扁平插画风格”读成“黑白剪影风格”，“黄底”把“白色背景”读成“黄色背景”。计算时用三百来个名称造句，下面要画的东西不在其中。

# %%
from pai_modelscope.adapters import extract_lora, write_lora
from pai_modelscope.data import shipped_records

things = ["蝴蝶", "房子"] if FAST else ["蝴蝶", "房子", "猫头鹰", "自行车", "狐狸"]
texts = [f"{name},扁平插画风格,白色背景" for name in things]
untouched = sampler(texts[0], seed=SEED, **size)[0].image  # 还没有 LoRA 的时候，最后一节用来比较
known = [name for name in dict.fromkeys(row["name"] for row in shipped_records("base")) if name not in things][::5]
plain = [f"{name},扁平插画风格,白色背景" for name in known]
base = UNet2DConditionModel.from_pretrained(model_dir(MODEL) / "unet")
for name, old, new in [("剪影", "扁平插画风格", "黑白剪影风格"), ("黄底", "白色背景", "黄色背景")]:
    lora = extract_lora(edited([(text, text.replace(old, new)) for text in plain]), base, rank=32)
    file = write_lora(lora, work_dir / f"{name}.safetensors", "diffusers")
    share = float(lora.metadata["extracted_share"])
    print(f"{sampler.add_lora(file)}：{file.stat().st_size / 1024:.0f} KB，保留了两个模型之差的 {share:.0%}")

# %% [markdown]
# 同一句提示词，LoRA 的权重从 0 到 1：

# %%
weighted = [f"{texts[0]} <lora:剪影:{weight}>" for weight in ([0, 0.5] if FAST else [0, 0.4, 0.7, 1])]
weak_to_strong = [picture.image for picture in sampler(weighted, seed=[SEED] * len(weighted), **size)]
contact_sheet(weak_to_strong, [text.split()[-1] for text in weighted])

# %% [markdown]
# 用一个、用另一个、两个同时用。写在调用里也可以：`loras={"剪影.safetensors": 0.8}`。

# %%
uses = {"没有 LoRA": "", "剪影": "<lora:剪影:1>", "黄底": "<lora:黄底:1>", "剪影与黄底": "<lora:剪影:1> <lora:黄底:1>"}
by_use = [[p.image for p in sampler([f"{t} {tags}" for t in texts], seed=SEED, **size)] for tags in uses.values()]
labels = [f"{name}：{use}" for use in uses for name in things]
contact_sheet([image for images in by_use for image in images], labels, len(things))

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
# 六个说法，每个都用数字检验：
#
# 1. 背景颜色听从提示词：数一数有多少张图的背景是写明的颜色；
# 2. 长提示词一个字也没有丢：把各段解码后拼起来，与原文比较；
# 3. 由 `infotext` 再画一次，得到逐位相同的图；换一个种子则不同；
# 4. 写 embedding 的词与写出原来的六个字，逐位相同；
# 5. 权重为 0 的 LoRA、用过又关掉的 LoRA，与没有 LoRA 逐位相同；“剪影”去掉颜色（饱和度降到三分之一以下），“黄底”换掉背景，
#    两个同时用时两件事都发生；
# 6. 体检认出没学过的词；热力图里，“熊猫”多在左边起作用，“自行车”多在右边，而画热力图不改变图的任何一位。

# %%
import numpy as np

from pai_modelscope.evaluation import background_colour
from pai_modelscope.images.colors import NAMED_COLOURS

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


# %%
def equal(one, other):
    return np.array_equal(np.asarray(one), np.asarray(other))


def saturation(image):
    return np.asarray(image.convert("HSV"))[..., 1].mean()


word = equal(with_word, spelled_out)
off = [equal(untouched, picture) for picture in (weak_to_strong[0], by_use[0][0])]
neither, silhouettes, grounds, both = by_use
colourless = sum(saturation(b) < saturation(a) / 3 for a, b in zip(neither, silhouettes, strict=True))
colourless_both = sum(saturation(b) < saturation(a) for a, b in zip(grounds, both, strict=True))
yellow = [sum(background_colour(image) == "黄色" for image in images) for images in by_use]
print(f"embedding 的词与原文逐位相同：{word}；权重 0、用后关掉与没有 LoRA 相同：{off}")
print(f"“剪影”去掉颜色：{colourless} / {len(things)}；背景为黄色的张数：{dict(zip(uses, yellow, strict=True))}")

# %%
half = heat.picture.image.width // 2
sides = {word: (heat.words[word][:, :half].mean(), heat.words[word][:, half:].mean()) for word in ("熊猫", "自行车")}
plain = sampler(heat.picture.prompt, seed=3, **size)[0].image
print("左半边与右半边的热度：", {word: tuple(round(float(value), 2) for value in both) for word, both in sides.items()})

# %% tags=["figures"]
{
    "背景颜色正确的比例": round(hits / len(asked), 3),
    "长提示词的分段": len(ids[0]),
    "剪影去掉颜色的比例": round(float(colourless / len(things)), 3),
    "黄底换掉背景的比例": round(yellow[2] / len(things), 3),
    "两个同时用，黄色背景的比例": round(yellow[3] / len(things), 3),
}

# %%
assert hits >= 0.8 * len(asked) and kept == long_prompt and same == [True, False]
assert word and all(off)
assert [(word.text, word.nearest[0]) for word in check.unlearned] == [("乌篷船", "小船")]
assert check.read_past == ("漂亮的",)
assert (
    sides["熊猫"][0] > sides["熊猫"][1] and sides["自行车"][1] > sides["自行车"][0] and equal(plain, heat.picture.image)
)
assert min(colourless, colourless_both) >= 0.6 * len(things), "the silhouette takes the colours away"
assert min(yellow[2:]) >= 0.6 * len(things) > max(yellow[:2]), "the ground turns yellow"

# %% [markdown]
# ## 延伸
#
# - `pai-modelscope zoo show NAME` 在终端里查看模型的许可与推荐设置。
# - 终端里用 LoRA：`pai-modelscope generate '猫头鹰 <lora:ink:0.8>' --lora ink.safetensors`；`pai-modelscope adapter inspect ink.safetensors`
#   显示文件的内容，`adapter convert` 转成 kohya（WebUI）等格式，`adapter merge` 合并进模型。
# - `pai-modelscope generate --from-file prompts.txt --num-images 4` 一次画很多张。
# - 十亿参数的模型用法完全相同：`Sampler.from_pretrained("PAI/pai-diffusion-artist-large-zh")`（需要 GPU 与网络），见 Notebook 11。
