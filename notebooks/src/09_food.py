# %% [markdown]
# # 美食领域的继续预训练
#
# *Continued pretraining for the food domain*
#
# ## 简介
#
# 一个领域有成百上千样东西，一个 LoRA 或一个新词装不下，这时让 UNet 的全部权重在领域的图文数据上接着学，叫作继续预训练。2023 年的文章就这样
# 由通用模型得到了美食模型，文本编码器保持不变，再与 LoRA、ControlNet 配合使用。
#
# 随包附带的模型没有见过任何食物：训练它时，食物全部留了出来。本 Notebook 依次介绍：
#
# 1. 看看训练集，看看底模画得怎样；
# 2. 继续预训练：一边学美食，一边复习原来会画的；
# 3. 美食模型与为底模训练的 LoRA 同时使用；
# 4. 美食模型与为底模训练的 ControlNet 同时使用。
#
# 最后用独立的裁判检验：没有参加训练的画风里，食物认得出来了；原来会画的，大半还会。

# %% [markdown]
# ## 费用与资源说明
#
# | 项目 | 说明 |
# | --- | --- |
# | 费用 | 不产生费用：模型、训练集与裁判都随包附带，不访问任何模型社区 |
# | 机器 | 两个 CPU 核、4 GB 内存即可，不需要 GPU |
# | 时间 | 约 15 分钟，其中训练约 10 分钟 |
#
# 这里的设置适合两个 CPU 核。有 GPU 时用 `recipes/food/full.yaml`（全部权重）与 `recipes/food/lora.yaml`（LoRA），学得多得多。

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
# `DEVICE = "cuda"`、`RESOLUTION = 512`、自己的 `DATA` 与 `REPLAY`，学习率改为 `1e-5` 左右。

# %% tags=["parameters"]
FAST = False
SEED = 0
MODEL = "pai-diffusion-mini-zh"
CONTROLNET = "pai-diffusion-mini-zh-controlnet-canny"
DATA = "shipped:food"
REPLAY = "shipped:known"
RESOLUTION = 192
STEPS = 800
DEVICE = "cpu"
OUTPUT = "out/food"

# %%
from pai_modelscope import Sampler, fine_tune, open_dataset
from pai_modelscope.images import contact_sheet

base = Sampler.from_pretrained(MODEL, device=DEVICE)
steps = 6 if FAST else 20


def draw(sampler, texts, seed=SEED, **options):
    """每个提示词一张图，种子依次加一。"""
    asked = [{"text": text, "seed": seed + i} for i, text in enumerate(texts)]
    return [picture.image for picture in sampler(asked, num_inference_steps=steps, **options)]


# %% [markdown]
# ## 训练集
#
# `shipped:food` 是随包附带的 1,360 张食物，14 种画风，标题的形式是“名称,画风”。另有 164 张放在 `shipped:food_test`：同样的食物，
# 换了一种画风，只用来检验。`shipped:known` 是底模本来就会的 280 张，用来复习。

# %%
from pai_modelscope.data import open_training_set

pictures = open_training_set(DATA, size=256)
shown = [pictures[place] for place in range(0, len(pictures), len(pictures) // 12)][:12]
contact_sheet([each.read() for each in shown], [each.captions[0] for each in shown], 6)

# %% [markdown]
# 底模没有见过食物，画的是它会画的别的东西：

# %%
DISHES = ["汉堡,扁平插画风格", "寿司,现代扁平风格", "草莓,渐变卡通风格", "生日蛋糕,扁平插画风格"][: 2 if FAST else 4]
before = draw(base, DISHES)
contact_sheet(before, DISHES, 4)

# %% [markdown]
# ## 继续预训练
#
# 几个选项的意思：
#
# - `"full"`：UNet 的全部权重都学；文本编码器不变，所以为底模做的新词还能用；
# - `replay_data_dir`、`replay_share`：三成的图来自底模本来就会的，否则一边学一边忘；
# - `cache_latents`：每张图、每个标题只编码一次，结果存在磁盘上；
# - `caption_dropout`：少数的图不看标题，引导（guidance）需要它。
#
# 训练可以随时中断；把 `overwrite_output_dir` 换成 `resume_from_checkpoint="latest"` 再运行，就会接着训练，结果与不中断时逐位相同。

# %%
result = fine_tune(
    "full",
    pretrained_model_name_or_path=MODEL,
    train_data_dir=DATA,
    replay_data_dir=None if FAST else REPLAY,
    replay_share=0.3,
    output_dir=f"{OUTPUT}/full",
    overwrite_output_dir=True,
    resolution=128 if FAST else RESOLUTION,
    cache_latents=True,
    max_train_samples=40 if FAST else None,
    max_train_steps=30 if FAST else STEPS,
    train_batch_size=4 if FAST else 8,
    learning_rate=3e-4,
    lr_scheduler="cosine",
    lr_warmup_steps=5 if FAST else 30,
    caption_dropout=0.05,
    seed=SEED,
)
print(*sorted(path.name for path in result.iterdir()))

# %% [markdown]
# 结果是一整个模型，与底模一样打开；ModelScope 也是如此，画出来逐位相同：

# %%
import numpy as np
from modelscope.pipelines import pipeline

food = Sampler.from_pretrained(result, device=DEVICE)
after = draw(food, DISHES)
p = pipeline("text-to-image-synthesis", str(result), device=DEVICE)
theirs = p({"text": DISHES[0]}, seed=SEED, num_inference_steps=steps)["output_imgs"][0]
same_in_modelscope = np.array_equal(theirs[:, :, ::-1], np.asarray(after[0]))
print(f"与采样器画的逐位相同：{same_in_modelscope}")
contact_sheet(before + after, [f"{when}：{text}" for when in ("底模", "美食模型") for text in DISHES], len(DISHES))

# %% [markdown]
# 同一句话、同一个种子，训练之前与之后：

# %% tags=["before-after"]
from IPython.display import display

display(before[0])
display(after[0])
print(f"继续预训练：同一句“{DISHES[0]}”、同一个种子，底模与美食模型")

# %% [markdown]
# ## 与 LoRA 同时使用
#
# 美食模型是从底模学来的，为底模训练的 LoRA 对它仍然有效。下面在底模上训练一个只改变背景的 LoRA（24 张底模会画的图，放在浅蓝色的背景上，
# 没有一张食物），再装到美食模型上：

# %%
sky = fine_tune(
    "lora",
    pretrained_model_name_or_path=MODEL,
    train_data_dir=open_dataset("known", background="浅蓝色").select(range(24)),
    output_dir=f"{OUTPUT}/sky",
    overwrite_output_dir=True,
    resolution=128,
    max_train_steps=15 if FAST else 60,
    train_batch_size=8,
    rank=4,
    targets="all-linear",
    learning_rate=2e-3,
    caption_dropout=0.0,
    seed=SEED,
)
food.add_lora(sky / "sky.safetensors")
on_blue = draw(food, [f"{text} <lora:sky:1>" for text in DISHES])
contact_sheet(after + on_blue, [*DISHES, *(f"{text}，浅蓝色背景" for text in DISHES)], len(DISHES))

# %% [markdown]
# ## 与 ControlNet 同时使用
#
# 自带的 ControlNet 也是为底模训练的。取检验用的食物的边缘，让美食模型按它的形状、用另一种画风来画：

# %%
from pai_modelscope.evaluation.metrics import edge_agreement
from pai_modelscope.images.annotators import annotate

art = open_dataset("food_test").filter(lambda style: style == "扁平插画风格", input_columns="style")
shapes = list(art.select(range(2 if FAST else 4)))
art, texts = [row["image"].convert("RGB") for row in shapes], [f"{row['name']},立体渐变风格" for row in shapes]
control = [{"canny": {"image": image, "model": CONTROLNET}} for image in art]
steered = [
    food(text, control=each, seed=SEED, num_inference_steps=steps)[0].image
    for text, each in zip(texts, control, strict=True)
]
contact_sheet(art + steered, ["形状"] * len(art) + texts, len(art))

# %% [markdown]
# 边缘与给定的形状吻合多少（F1，0 到 1），没有控制与有控制：

# %%
edges = [annotate("canny", image) for image in art]
free = draw(food, texts)
agreement = [np.mean([edge_agreement(*pair) for pair in zip(edges, each, strict=True)]) for each in (free, steered)]
print("边缘吻合的平均：没有控制 {:.2f}，有控制 {:.2f}".format(*agreement))

# %% [markdown]
# ## 结果与检验
#
# 裁判是与模型分开训练的，它在一千多个名称里找与图最像的五个。三个问题：
#
# 1. `food_test` 里的食物与画风（这样的搭配没有参加训练），底模与美食模型画的，认得出名称的各有多少，真实的图又有多少；
# 2. 底模本来会画的东西，美食模型还认得出多少；
# 3. 画面与名称的相似度。

# %%
from pai_modelscope.evaluation import Critic

critic, count = Critic(), 4 if FAST else 24
rows = open_dataset("food_test").shuffle(seed=SEED).select(range(count))
names, real = rows["name"], [row["image"].convert("RGB") for row in rows]
texts = [f"{name},{style}" for name, style in zip(names, rows["style"], strict=True)]
if FAST:  # 半分钟只学得到训练过的几张
    texts = [pictures[place].captions[0] for place in range(0, 40, 40 // count)]
    names = [text.split(",")[0] for text in texts]


def recognised(images, names):
    """认得出名称的比例，与名称的平均相似度"""
    found = [critic.finds([image], name)[0] for image, name in zip(images, names, strict=True)]
    alike = [critic.likeness([image], name).item() for image, name in zip(images, names, strict=True)]
    return np.mean(found), np.mean(alike)


drawn = [draw(sampler, texts, SEED + 1000) for sampler in (base, food)]
figures = [recognised(images, names) for images in (*drawn, real)]
for who, (found, alike) in zip(("底模", "美食模型", "真实的图"), figures, strict=True):
    print(f"食物，{who}：认得出 {found:.2f}，与名称的相似度 {alike:.3f}")

# %%
others = [name for name in open_dataset("base").select_columns("name")["name"] if len(name) <= 3][
    : 200 : 200 // (count // 2)
]
kept = [recognised(draw(sampler, [f"{name},扁平插画风格" for name in others]), others)[0] for sampler in (base, food)]
print("原来会画的，认得出：底模 {:.2f}，美食模型 {:.2f}".format(*kept))
contact_sheet(drawn[1][:8], texts[:8], 4)


# %%
def blueness(images):
    """左上角的蓝色减去红色，白色是 0"""
    return float(np.mean([np.asarray(image, dtype=np.float32)[:12, :12].mean((0, 1)) @ [-1, 0, 1] for image in images]))


blue = [blueness(images) for images in (after, on_blue)]
print("左上角（蓝减红）：美食模型 {:.0f}，装上背景的 LoRA {:.0f}".format(*blue))

# %% [markdown]
# 最后的检验：没有参加训练的画风里，美食模型认得出的食物不少于真实的图的六成，底模十个里认不出一个（快速模式只要求与名称更像）；
# 原来会画的至少还剩一半；有控制时边缘更吻合；LoRA 让背景变蓝；ModelScope 与采样器画的是同一张图。

# %% tags=["figures"]
{
    "认得出食物，底模": round(float(figures[0][0]), 3),
    "认得出食物，美食模型": round(float(figures[1][0]), 3),
    "认得出食物，真实的图": round(float(figures[2][0]), 3),
    "与名称的相似度，底模": round(float(figures[0][1]), 3),
    "与名称的相似度，美食模型": round(float(figures[1][1]), 3),
    "原来会画的，底模": round(float(kept[0]), 3),
    "原来会画的，美食模型": round(float(kept[1]), 3),
    "边缘吻合，没有控制": round(float(agreement[0]), 3),
    "边缘吻合，有控制": round(float(agreement[1]), 3),
    "左上角的蓝，美食模型": round(blue[0], 3),
    "左上角的蓝，装上 LoRA": round(blue[1], 3),
}

# %%
assert figures[1][1] > figures[0][1] and (FAST or figures[1][0] >= max(0.6 * figures[2][0], figures[0][0] + 0.2))
assert kept[1] >= (0.2 if FAST else 0.5) * kept[0], "what was known"
assert agreement[1] > agreement[0] and blue[1] > blue[0] + 5, "ControlNet and LoRA"
assert same_in_modelscope

# %% [markdown]
# ## 延伸
#
# - 步数多、批量大，学得好得多：`pai-modelscope train full --config recipes/food/full.yaml`，
#   多张 GPU 用 `accelerate launch --module pai_modelscope.cli train full --config recipes/food/full.yaml`。
# - `recipes/food/lora.yaml` 以 LoRA 学同样的数据：文件小得多，学到的少一些，原来会画的忘得也略少；第一版的模型学得怎样，数字在 `recipes/food/README.md`。
# - 自己的领域：`DATA` 写成一个目录，每张图旁边一个同名的 `.txt`；`REPLAY` 写成模型原来的训练数据里的一部分。
