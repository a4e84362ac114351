# %% [markdown]
# # 用 Textual Inversion 教模型一个新词
#
# *Teaching a new word with Textual Inversion*
#
# ## 简介
#
# Textual Inversion（Gal 等 2022，arXiv:2208.01618）不改动模型的任何权重，只给文本编码器加一个新词，学习这个词的几个向量。
# 学到的东西是一个几 KB 的文件，装上就能在提示词里使用这个词，与其他的词、画风、权重写法随意搭配，也可以交给 WebUI 使用。
#
# 随包附带的模型没有见过向日葵：训练它时，这样东西的图全部留了出来。本 Notebook 依次介绍：
#
# 1. 准备九张图，看看底模画得怎样；
# 2. 训练一个新词 `<向日葵>`；
# 3. 看看什么变了，什么没有变；
# 4. 使用：三种打开的方式，与画风、背景、权重搭配；
# 5. 导出给 WebUI 使用。
#
# 最后用独立的裁判检验：新词画的比底模的“花”更像真正的向日葵。

# %% [markdown]
# ## 费用与资源说明
#
# | 项目 | 说明 |
# | --- | --- |
# | 费用 | 不产生费用：模型、训练集与裁判都随包附带，不访问任何模型社区 |
# | 机器 | 两个 CPU 核、4 GB 内存即可，不需要 GPU |
# | 时间 | 约 5 分钟，其中训练约 2 分钟 |
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
# `DEVICE = "cuda"`、`RESOLUTION = 512`，学习率改为 `5e-4` 左右。

# %% tags=["parameters"]
FAST = False
SEED = 0
MODEL = "pai-diffusion-mini-zh"
RESOLUTION = 192
STEPS = 250
DEVICE = "cpu"
OUTPUT = "out/textual-inversion"

# %%
from pathlib import Path

from pai_modelscope import Sampler, fine_tune
from pai_modelscope.images import contact_sheet

WORD, NEAR = "<向日葵>", "花"  # 新词，和一个意思相近的、模型认识的词
base = Sampler.from_pretrained(MODEL, device=DEVICE)
steps = 8 if FAST else 20


def draw(sampler, texts, seed=SEED, **options):
    """每个提示词一张图，种子依次加一。"""
    asked = [{"text": text, "seed": seed + i} for i, text in enumerate(texts)]
    return [picture.image for picture in sampler(asked, num_inference_steps=steps, **options)]


# %% [markdown]
# ## 训练集
#
# 下面把留出来的九张向日葵写成图片文件，就像自己收集的一样，每张旁边一个同名的 `.txt`，每行一个标题，训练时随机取一个。
# 标题里写上新词，其余如实写画面里别的东西，这里是画风：标题里说清楚的，就不会学到新词里去。

# %%
from pai_modelscope import open_dataset

mine = Path(OUTPUT, "pictures")
mine.mkdir(parents=True, exist_ok=True)
held = open_dataset("held_concept", size=512).filter(
    lambda name, source: name == "向日葵" and not source.startswith("icon-park"), input_columns=["name", "source"]
)
rows = list(held)
for number, row in enumerate(rows):
    row["image"].save(mine / f"{number}.png")
    style = row["style"]
    captions = [f"{WORD},{style}", f"{style}的{WORD}", f"一个{WORD},{style}"]
    (mine / f"{number}.txt").write_text("\n".join(captions), encoding="utf-8")
contact_sheet([row["image"].resize((256, 256)) for row in rows], [row["style"] for row in rows], 5)

# %% [markdown]
# 标题里没有新词的图（例如只写了“照片”），训练时改用下面这样的模板，每次随机取一句。要学的是一种画风时，写
# `learnable_property="style"`，模板就换成另一组，例如“一幅……风格的画”。

# %%
from pai_modelscope.methods import template_captions

print(*template_captions(WORD)[:5], *template_captions("<水墨>", "style")[:2], sep="\n")

# %% [markdown]
# 底模会画“花”，不会画“向日葵”。新词还没有装上的时候，模型把它拆成单个的字来读，并且给出警告：

# %%
print(base.pipe.tokenizer.tokenize(WORD))
asked = [f"{word},扁平插画风格" for word in (NEAR, "向日葵", WORD)]
contact_sheet(draw(base, asked), asked, 3)

# %% [markdown]
# ## 训练
#
# `fine_tune` 返回结果所在的目录。几个选项的意思：
#
# - `placeholder_token`：新词，用尖括号括起来，就不会与普通的文字相混；
# - `initializer_token`：从哪个词的向量开始学。可以是几个字：向量比字少，几个字取平均；向量比字多，从头再用一遍；
# - `num_vectors`：新词有几个向量。多的能记住更多细节，在提示词里占的位置也更多（自带的模型每段 30 个），一般 1 到 8 个；
# - `learning_rate`：只有几个向量在学，学习率可以比 LoRA 更大；
# - `cache_latents`：每张图只经过一次 VAE，结果存在磁盘上；
# - `validation_prompts`：训练前、后各画一次，存在 `samples` 目录里。

# %%
result = fine_tune(
    "textual-inversion",
    pretrained_model_name_or_path=MODEL,
    train_data_dir=str(mine),
    output_dir=f"{OUTPUT}/sunflower",
    overwrite_output_dir=True,
    resolution=RESOLUTION,
    cache_latents=True,
    max_train_steps=24 if FAST else STEPS,
    train_batch_size=4 if FAST else 8,
    placeholder_token=WORD,
    initializer_token=NEAR,
    num_vectors=6,
    learning_rate=2e-3,
    lr_warmup_steps=5,
    caption_dropout=0.0,
    seed=SEED,
    validation_prompts=[f"{WORD},{style}" for style in ("扁平插画风格", "柔和彩绘风格")],
    validation_inference_steps=steps,
)
print(*sorted(path.name for path in result.iterdir()))

# %% [markdown]
# 训练前（六个向量都是“花”）、训练后，同样的提示词、同样的种子：

# %%
from PIL import Image

grids = sorted(Path(OUTPUT, "sunflower/samples").glob("step-*.png"))
contact_sheet([Image.open(grids[0]), Image.open(grids[-1])], ["训练前", "训练后"], 2)

# %% [markdown]
# ## 什么变了
#
# 学到的全部东西就是这几个向量：

# %%
from pai_modelscope.adapters import read_embedding

file = result / "learned_embeds.safetensors"
learned = read_embedding(file)
count, width = learned.vectors.shape
print(f"{learned.token}：{count} 个向量，各 {width} 维，文件 {file.stat().st_size / 1024:.1f} KB")

# %% [markdown]
# 结果目录可以像模型一样打开，新词随之装上：分词器的副本多认识几个词，它们的向量排在文本编码器的词表之前。与底模逐个比较权重，
# 一个也没有变。

# %%
import torch

tuned = Sampler.from_pretrained(result, device=DEVICE)
new_rows, changed = len(tuned.tokenizer) - len(base.tokenizer), []
for part in ("unet", "vae", "text_encoder"):
    ours, theirs = (getattr(sampler.pipe, part).state_dict() for sampler in (tuned, base))
    changed += [name for name in ours.keys() | theirs.keys() if not torch.equal(ours[name], theirs[name])]
print(f"词表多了 {new_rows} 行；变了的权重：{changed or '没有'}")

# %% [markdown]
# ## 使用
#
# 装到已经打开的模型上，用 `add_embedding`，它返回新词；一个模型可以装许多个。不用新词的提示词，画出来的与装上之前逐位相同。

# %%
import numpy as np

plain = f"{NEAR},渐变卡通风格"
untouched = draw(base, [plain])[0]
assert base.add_embedding(file) == WORD
others_unchanged = np.array_equal(untouched, draw(base, [plain])[0])
print(f"不用新词的图没有变：{others_unchanged}")

# %% [markdown]
# ModelScope 的写法；三种方式画出来逐位相同：

# %%
from modelscope.pipelines import pipeline

text = f"{WORD},圆润贴纸风格"
p = pipeline("text-to-image-synthesis", str(result), device=DEVICE)
theirs = p({"text": text}, seed=SEED, num_inference_steps=steps)["output_imgs"][0][:, :, ::-1]
ours = [draw(sampler, [text])[0] for sampler in (tuned, base)]
same = all(np.array_equal(each, theirs) for each in ours)
print(f"逐位相同：{same}")

# %% [markdown]
# 底模的“花”在上，新词在下，同样的句子、同样的种子：

# %%
STYLES = ["扁平插画风格", "渐变卡通风格", "柔和彩绘风格", "立体渐变风格"]
texts = [f"{word},{style}" for word in (NEAR, WORD) for style in STYLES[: 2 if FAST else 4]]
pictures = draw(base, texts[: len(texts) // 2]) + draw(base, texts[len(texts) // 2 :])
contact_sheet(pictures, texts, len(texts) // 2)

# %% [markdown]
# 新词与别的词一样，可以换画风、换背景、加权重、写进反向提示词。“三维立体风格”不在九张图里：

# %%
texts = [f"{WORD},三维立体风格", f"{WORD},黑白剪影风格", f"{WORD},扁平插画风格,浅蓝色背景", f"({WORD}:1.3),淡彩风格"]
edited = draw(base, texts[:: 2 if FAST else 1])
contact_sheet(edited, texts[:: 2 if FAST else 1], 4)

# %% [markdown]
# ## 导出给 WebUI
#
# 结果目录里有两种格式：`learned_embeds.safetensors` 给 diffusers，`向日葵.safetensors` 给 WebUI，复制到 WebUI 的 `embeddings` 即可。
# WebUI 以文件名为新词，文件名里不能有尖括号，所以在那里提示词写“向日葵”。训练时加上 `save_as_full_pipeline=True`，
# 结果就是一个完整的模型，词表里已有新词，用原生 diffusers 打开。
#
# 命令行的写法：
#
# ```bash
# pai-modelscope train textual-inversion --train_data_dir pictures --output_dir sunflower --max_train_steps 250 \
#     --placeholder_token '<向日葵>' --initializer_token 花 --num_vectors 6 --learning_rate 2e-3 --resolution 192
# pai-modelscope generate '<向日葵>,三维立体风格' --model sunflower/result
# ```

# %% [markdown]
# ## 结果与检验
#
# 裁判是与模型分开训练的，它看两张图有多像。每种画风、每种句式各画一张，种子是新的。每个句子用底模的“花”和新词各画一张。三个问题：
#
# 1. 新词画的，是不是比底模的“花”更像九张真正的向日葵；
# 2. 新词画的，是更像真正的向日葵，还是更像底模的“花”；
# 3. 从一千多个名称里找五个最像的，有没有“向日葵”。

# %%
from pai_modelscope.evaluation import Critic

critic, real = Critic(), [row["image"] for row in rows]
looks = ["扁平插画风格", "柔和彩绘风格", "现代扁平风格", "渐变卡通风格", "立体渐变风格", "圆润贴纸风格"]
FORMS = [form.format("{}", look) for form in ("{},{}", "{1}的{0}", "一个{},{}") for look in looks]
forms = FORMS[:4] if FAST else FORMS
flowers, sunflowers = (draw(base, [form.format(word) for form in forms], SEED + 1000) for word in (NEAR, WORD))

before, after = (critic.likeness(images, real) for images in (flowers, sunflowers))
closer = (after > before).float().mean().item()
left_flowers = (after > critic.likeness(sunflowers, flowers)).float().mean().item()
found = [np.mean(critic.finds(images, "向日葵")) for images in (flowers, sunflowers)]
print(f"比底模的花更像向日葵：{closer:.2f}；相似度：底模的花 {before.mean():.2f}，新词 {after.mean():.2f}")
print(f"更像向日葵而不是底模的花：{left_flowers:.2f}")
print("认得出是向日葵：底模的花 {:.2f}，新词 {:.2f}".format(*found))

# %%
contact_sheet(flowers[:4] + sunflowers[:4], [form.format(word) for word in (NEAR, WORD) for form in forms[:4]], 4)

# %% [markdown]
# 最后的检验：九成以上的句子，新词比底模的“花”更像真正的向日葵（快速模式只训练几秒，只要求一半以上）；模型的权重一个也没有变；
# 不用新词的图不变；ModelScope 与采样器画的是同一张图。

# %% tags=["figures"]
{
    "比底模的花更像向日葵的比例": round(closer, 3),
    "更像向日葵而不是底模的花的比例": round(left_flowers, 3),
    "与向日葵的相似度，底模的花": round(before.mean().item(), 3),
    "与向日葵的相似度，新词": round(after.mean().item(), 3),
    "认得出是向日葵，底模的花": round(float(found[0]), 3),
    "认得出是向日葵，新词": round(float(found[1]), 3),
    "词表多了的行数": int(new_rows),
    "变了的权重": len(changed),
}

# %%
assert closer >= (0.5 if FAST else 0.9), "the word draws the thing"
assert new_rows == len(learned.vectors) == 6 and not changed, "only new rows"
assert others_unchanged and same

# %% [markdown]
# ## 延伸
#
# - 自己的东西：五到十几张图，角度、背景不同，标题写清背景与画风。
# - 新词只能说出模型本来就画得出的东西。与模型会画的相差太远时（例如由“鸟”学企鹅），用 DreamBooth 或 LoRA，见下一个 Notebook。
# - `pai-modelscope train textual-inversion --help` 查看全部选项，`adapter inspect FILE` 显示文件的内容。
