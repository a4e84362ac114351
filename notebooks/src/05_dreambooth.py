# %% [markdown]
# # 用 DreamBooth 教模型一个自己的东西
#
# *Teaching a thing of one's own with DreamBooth*
#
# ## 简介
#
# DreamBooth（Ruiz 等 2023，arXiv:2208.12242）用几张图教模型一个具体的东西：用“罕见的词加类别”称呼它，例如“朵拉鸟”，训练模型把这个称呼
# 画成图里的样子。罕见的词没有现成的意思，类别则告诉模型从哪里学起。模型的权重也在学，所以能学会 Textual Inversion 说不出的样子；
# 代价是可能忘记这一类别的其他东西，让所有的鸟都变成朵拉鸟。DreamBooth 的办法是同时复习模型自己画的类别图。
#
# 随包附带的模型没有见过企鹅：训练它时，这样东西的图全部留了出来。我们把它当作自己的一只鸟，叫它“朵拉鸟”。本 Notebook 依次介绍：
#
# 1. 准备九张图，看看底模画得怎样；
# 2. 类别图与训练；
# 3. 不用类别图会怎样；
# 4. 使用：画风、背景、强弱、ModelScope。
#
# 最后用独立的裁判检验：朵拉鸟学会了，鸟还是鸟。

# %% [markdown]
# ## 费用与资源说明
#
# | 项目 | 说明 |
# | --- | --- |
# | 费用 | 不产生费用：模型、训练集与裁判都随包附带，不访问任何模型社区 |
# | 机器 | 两个 CPU 核、4 GB 内存即可，不需要 GPU |
# | 时间 | 约 7 分钟，其中两次训练各约 1 分半 |
#
# 换成十亿参数的模型需要一块 16 GB 显存的 GPU（训练全部权重要更多），写法见下面的参数。

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
# `DEVICE = "cuda"`、`RESOLUTION = 512`，学习率改为 `1e-4` 左右，类别图 100 到 200 张。

# %% tags=["parameters"]
FAST = False
SEED = 0
MODEL = "pai-diffusion-mini-zh"
RESOLUTION = 256
STEPS = 120
DEVICE = "cpu"
OUTPUT = "out/dreambooth"

# %%
from pathlib import Path

from pai_modelscope import Sampler, fine_tune, open_dataset
from pai_modelscope.images import contact_sheet

CLASS, THING = "鸟", "朵拉鸟"  # 类别，罕见的词加类别
base = Sampler.from_pretrained(MODEL, device=DEVICE)
steps = 6 if FAST else 20


def draw(sampler, texts, seed=SEED, **options):
    """每个提示词一张图，种子依次加一。"""
    asked = [{"text": text, "seed": seed + i} for i, text in enumerate(texts)]
    return [picture.image for picture in sampler(asked, num_inference_steps=steps, **options)]


# %% [markdown]
# ## 训练集
#
# 下面把留出来的九张企鹅写成图片文件，就像自己收集的一样，标题写在 `metadata.jsonl` 里，一张图可以有几个，训练时随机取一个。
# 标题如实写画面里别的东西，这里是画风：标题里说清楚的，就不会算到朵拉鸟头上。没有标题的图也可以，一律用下面的 `instance_prompt`。

# %%
import json

mine = Path(OUTPUT, "pictures")
mine.mkdir(parents=True, exist_ok=True)
held = open_dataset("held_concept", size=512).filter(
    lambda name, source: name == "企鹅" and not source.startswith("icon-park"), input_columns=["name", "source"]
)
rows, lines = list(held), []
for number, row in enumerate(rows):
    row["image"].save(mine / f"{number}.png")
    captions = [form.format(THING, row["style"]) for form in ("{},{}", "{1}的{0}", "一个{},{}")]
    lines.append(json.dumps({"file_name": f"{number}.png", "text": captions}, ensure_ascii=False) + "\n")
(mine / "metadata.jsonl").write_text("".join(lines), encoding="utf-8")
contact_sheet([row["image"].resize((256, 256)) for row in rows], [row["style"] for row in rows], 5)

# %% [markdown]
# 底模会画鸟，不会画企鹅。“朵拉”对它没有意思：

# %%
STYLES = ["三维立体风格", "柔和彩绘风格", "渐变卡通风格", "现代扁平风格"][: 1 if FAST else 4]
asked = [f"{CLASS},{STYLES[0]}", f"企鹅,{STYLES[0]}", f"{THING},{STYLES[0]}"]
contact_sheet(draw(base, asked), asked, 3)

# %% [markdown]
# ## 类别图与训练
#
# 训练前，底模按 `class_prompt` 画 `num_class_images` 张类别图。训练时一半是朵拉鸟，一半是类别图，标题只写“鸟”：
# 模型一边学朵拉鸟，一边复习自己原来怎样画鸟，这就是“先验保持”（prior preservation）。几个选项的意思：
#
# - `instance_prompt`：罕见的词加类别；没有标题的图以它为标题，LoRA 的文件里也记着它；
# - `class_data_dir`：类别图存放的目录。模型、提示词与尺寸不变时直接取用，不再重画，几次训练可以共用；
#   目录里自己放的图片优先作为类别图，不够的才由模型来画；
# - `prior_loss_weight`：类别图的损失占多大的份量；
# - `rank`：LoRA 的秩。不写（即 0）就训练 UNet 的全部权重，论文就是这样做的：学得更像，忘得更快，结果是一整个模型，
#   学习率要小得多（例如 `1e-5`）。LoRA 只有几 MB，可以随时卸下，这里用它；
# - `text_rank`：文本编码器也学一个 LoRA；训练全部权重时对应的是 `train_text_encoder=True`。


# %%
def teach(name, fast_steps=40, **classes):
    """训练一次，返回结果所在的目录；`classes` 是与类别图有关的选项。"""
    return fine_tune(
        "dreambooth",
        pretrained_model_name_or_path=MODEL,
        train_data_dir=str(mine),
        output_dir=f"{OUTPUT}/{name}",
        overwrite_output_dir=True,
        resolution=192 if FAST else RESOLUTION,
        cache_latents=True,
        max_train_steps=fast_steps if FAST else STEPS,
        train_batch_size=4 if FAST else 8,
        instance_prompt=f"一只{THING}",
        rank=16,
        learning_rate=2e-3,
        lr_warmup_steps=5,
        caption_dropout=0.0,
        seed=SEED,
        **classes,
    )


kept = {"class_prompt": CLASS, "num_class_images": 4 if FAST else 18, "class_data_dir": f"{OUTPUT}/class"}
result = teach("penguin", **kept)
print(*sorted(path.name for path in result.iterdir()))

# %% [markdown]
# 底模画的类别图，姿态相近，颜色各不相同：

# %%
from PIL import Image

drawn = sorted(Path(OUTPUT, "class").rglob("*.png"))[:12]
contact_sheet([Image.open(path) for path in drawn], [path.stem for path in drawn], 6)

# %% [markdown]
# 结果目录可以像模型一样打开，LoRA 随之装上。同样的句子、同样的种子，训练前与训练后：

# %%
tuned = Sampler.from_pretrained(result, device=DEVICE)
texts = [f"{THING},{style}" for style in STYLES]
pictures = draw(base, texts) + draw(tuned, texts)
contact_sheet(pictures, [f"{when}：{text}" for when in ("训练前", "训练后") for text in texts], len(texts))

# %% [markdown]
# ## 鸟还是鸟吗
#
# 再训练一次，不画类别图，别的都不变。第一行是底模画的鸟，第二行是用类别图训练之后的，第三行是不用类别图的：

# %%
forgetful = Sampler.from_pretrained(teach("penguin-without-class", fast_steps=10), device=DEVICE)
texts = [f"{CLASS},{style}" for style in STYLES]
pictures = [image for sampler in (base, tuned, forgetful) for image in draw(sampler, texts)]
labels = [f"{how}：{text}" for how in ("底模", "有类别图", "没有类别图") for text in texts]
contact_sheet(pictures, labels, len(texts))

# %% [markdown]
# ## 使用
#
# 朵拉鸟与别的名称一样，可以换画风、换背景。“三维立体风格”不在九张图里：

# %%
texts = [
    f"{THING},三维立体风格,浅蓝色背景",
    f"{THING},黑白剪影风格",
    f"{THING},淡彩风格,黄色背景",
    f"{THING},扁平插画风格,粉色背景",
]
contact_sheet(draw(tuned, texts[:: 2 if FAST else 1]), texts[:: 2 if FAST else 1], 4)

# %% [markdown]
# 装到已经打开的模型上，用 `add_lora`，在提示词里写 `<lora:名称:强度>`。强度小的时候，介于鸟与朵拉鸟之间：

# %%
text = f"{THING},三维立体风格"
lora = base.add_lora(result / "penguin.safetensors")
strengths = [0, 1] if FAST else [0, 0.4, 0.7, 1.0]
by_strength = [draw(base, [f"{text} <lora:{lora}:{strength}>"])[0] for strength in strengths]
contact_sheet(by_strength, [f"强度 {strength}" for strength in strengths], 4)

# %% [markdown]
# ModelScope 的写法；三种方式画出来逐位相同：

# %%
import numpy as np
from modelscope.pipelines import pipeline

p = pipeline("text-to-image-synthesis", str(result), device=DEVICE)
theirs = p({"text": text}, seed=SEED, num_inference_steps=steps)["output_imgs"][0][:, :, ::-1]
same = all(np.array_equal(each, theirs) for each in (draw(tuned, [text])[0], by_strength[-1]))
print(f"逐位相同：{same}")

# %% [markdown]
# 命令行的写法：
#
# ```bash
# pai-modelscope train dreambooth --train_data_dir pictures --output_dir penguin --max_train_steps 120 \
#     --instance_prompt 一只朵拉鸟 --class_prompt 鸟 --num_class_images 18 \
#     --rank 16 --learning_rate 2e-3 --resolution 256
# pai-modelscope generate '朵拉鸟,三维立体风格' --model penguin/result
# ```

# %% [markdown]
# ## 结果与检验
#
# 裁判是与模型分开训练的。训练中没有出现过下面的句子和种子。两个问题：
#
# 1. 朵拉鸟：训练后画的，是不是比底模画的鸟更像九张真正的企鹅；
# 2. 鸟：从一千多个名称里找五个最像的，训练后画的鸟是不是仍有“鸟”而没有“企鹅”。

# %%
from pai_modelscope.evaluation import Critic

critic, real = Critic(), [row["image"] for row in rows]
FORMS = ["{},三维立体风格", "{},三维立体风格,浅蓝色背景", "一只{},渐变卡通风格", "{},现代扁平风格,浅蓝色背景"]
forms = FORMS[:2] if FAST else FORMS * 2


def judged(sampler, word):
    """图，与真正的企鹅有多像，其中有多少是鸟而不是企鹅"""
    images = draw(sampler, [form.format(word) for form in forms], seed=SEED + 1000)
    birds, penguins = (critic.finds(images, name) for name in (CLASS, "企鹅"))
    return images, critic.likeness(images, real), np.mean(np.array(birds) & ~np.array(penguins))


base_birds, untaught, thing = judged(base, CLASS), judged(base, THING), judged(tuned, THING)
birds, lost = judged(tuned, CLASS), judged(forgetful, CLASS)
closer = (thing[1] > base_birds[1]).float().mean().item()
alike = [each[1].mean().item() for each in (base_birds, untaught, thing)]
print(f"比底模的鸟更像企鹅的朵拉鸟：{closer:.2f}")
print("与企鹅的相似度：底模的鸟 {:.2f}，训练前的朵拉鸟 {:.2f}，训练后的朵拉鸟 {:.2f}".format(*alike))
for how, (_, likeness, share) in {"底模": base_birds, "有类别图": birds, "没有类别图": lost}.items():
    print(f"提示词写鸟，{how}：是鸟而不是企鹅 {share:.2f}，与企鹅的相似度 {likeness.mean():.2f}")

# %%
count = min(len(forms), len(FORMS))
shown = [image for images, *_ in (base_birds, thing, birds, lost) for image in images[:count]]
labels = [how for how in ("底模：鸟", "朵拉鸟", "有类别图：鸟", "没有类别图：鸟") for _ in range(count)]
contact_sheet(shown, labels, count)

# %% [markdown]
# 最后的检验：朵拉鸟九成以上比底模的鸟更像企鹅，提示词只写“鸟”时八成以上仍是鸟（快速模式只训练十几秒，只要求朵拉鸟比训练前更像企鹅，
# 鸟的比例不比底模低太多）；ModelScope 与采样器画的是同一张图。

# %% tags=["figures"]
{
    "比底模的鸟更像企鹅的朵拉鸟": round(closer, 3),
    "与企鹅的相似度，底模的鸟": round(alike[0], 3),
    "与企鹅的相似度，训练前的朵拉鸟": round(alike[1], 3),
    "与企鹅的相似度，训练后的朵拉鸟": round(alike[2], 3),
    "鸟仍是鸟，底模": round(float(base_birds[2]), 3),
    "鸟仍是鸟，有类别图": round(float(birds[2]), 3),
    "鸟仍是鸟，没有类别图": round(float(lost[2]), 3),
}

# %%
assert alike[2] > alike[1] if FAST else closer >= 0.9, "the thing is drawn"
assert birds[2] >= (base_birds[2] - 0.5 if FAST else 0.8), "the class is kept"
assert same

# %% [markdown]
# ## 延伸
#
# - 自己的东西：五到二十张图；罕见的词用模型认识、又与别的东西无关的两三个字，太常见的词会把原来的意思带进来。
# - 学过头（姿态、背景都与训练图一样）就减少步数或调小强度；不够像就提高 `rank`，或加上 `text_rank`。
# - 文件要小、不动模型，用 Textual Inversion，见上一个 Notebook；要学的是画风，用 LoRA。
