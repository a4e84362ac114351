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
# 随包附带的模型没有见过任何食物：训练它时，食物全部留了出来。教它的是一位画师程序（`recipes/dishes`）：六十道中国菜，七种画法，标题只写
# 图上看得见的东西。本 Notebook 依次介绍：
#
# 1. 画一套训练集，看看底模画得怎样；
# 2. 继续预训练：一边学做菜，一边复习原来会画的；
# 3. 美食模型与为底模训练的 LoRA 同时使用；
# 4. 美食模型与为底模训练的 ControlNet 同时使用。
#
# 最后用独立的裁判检验：端上来的是哪道菜认得出来了；原来会画的，大半还会。

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
# `DEVICE = "cuda"`、`RESOLUTION = 512`、自己的 `REPLAY`，学习率改为 `1e-5` 左右。

# %% tags=["parameters"]
FAST = False
SEED = 0
MODEL = "pai-diffusion-mini-zh"
CONTROLNET = "pai-diffusion-mini-zh-controlnet-canny"
MENU = "牛肉面,月饼,小笼包,麻婆豆腐,糖葫芦,番茄炒蛋,北京烤鸭,汤圆"
PICTURES = 480
REPLAY = "shipped:known"
RESOLUTION = 192
STEPS = 600
DEVICE = "cpu"
OUTPUT = "out/food"

# %%
from pai_modelscope import Sampler, fine_tune, open_dataset
from pai_modelscope.images import contact_sheet

base = Sampler.from_pretrained(MODEL, device=DEVICE)
steps = 6 if FAST else 20
menu = MENU.split(",")[: 3 if FAST else None]


def draw(sampler, texts, seed=SEED, **options):
    """每个提示词一张图，种子依次加一。"""
    asked = [{"text": text, "seed": seed + i} for i, text in enumerate(texts)]
    return [picture.image for picture in sampler(asked, num_inference_steps=steps, **options)]


# %% [markdown]
# ## 训练集
#
# 画师从种子画出菜、器皿、桌面与配料，同一个种子总是同一张图。两个 CPU 核上先教八道菜；`MENU` 里可以换成六十道中的任何几道，
# 名单在 `recipes/dishes/menu`。种子从一千万起的另画一些，只用来检验。

# %%
from pathlib import Path


def painted(name, count, first_seed):
    """画师画的一个文件夹：图片与 metadata.jsonl。"""
    folder = Path(OUTPUT, name).resolve()
    call = [sys.executable, "-m", "recipes.dishes.training_set", str(folder), "--dishes", ",".join(menu)]
    call += ["--count", str(count), "--first-seed", str(first_seed), "--side", str(RESOLUTION), "--workers", "2"]
    subprocess.run(call, cwd="..", check=True, capture_output=True)
    return folder


DATA = painted("dishes", 24 if FAST else PICTURES, first_seed=0)
TEST = painted("dishes-test", (1 if FAST else 3) * len(menu), first_seed=10_000_000)

# %%
import json

from PIL import Image


def rows_of(folder):
    """每张图的一行：file_name、text、captions、dish、style，以及打开的图"""
    rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]
    return [row | {"image": Image.open(folder / row["file_name"]).convert("RGB")} for row in rows]


learned, unseen = rows_of(DATA), rows_of(TEST)
contact_sheet([row["image"] for row in learned[:12]], [row["text"] for row in learned[:12]], 6)

# %% [markdown]
# 底模没有见过食物，画的是它会画的别的东西：

# %%
DISHES = ["一碗牛肉面,写实美食", "月饼,写实美食", "一笼小笼包,手绘美食", "麻婆豆腐,写实美食"][: 2 if FAST else 4]
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
# - `caption_column`：每张图有几种写法的标题，每次取一种；
# - `caption_dropout`：少数的图不看标题，引导（guidance）需要它。
#
# 训练可以随时中断；把 `overwrite_output_dir` 换成 `resume_from_checkpoint="latest"` 再运行，就会接着训练，结果与不中断时逐位相同。

# %%
result = fine_tune(
    "full",
    pretrained_model_name_or_path=MODEL,
    train_data_dir=str(DATA),
    caption_column="captions",
    replay_data_dir=None if FAST else REPLAY,
    replay_share=0.3,
    output_dir=f"{OUTPUT}/full",
    overwrite_output_dir=True,
    resolution=128 if FAST else RESOLUTION,
    cache_latents=True,
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
# 没有一张食物），再分别装到底模与美食模型上。前两样东西底模与美食模型都会画，后两样只有美食模型会：

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
for sampler in (base, food):
    sampler.add_lora(sky / "sky.safetensors")

KNOWN, NEW = ["雨伞,扁平插画风格", "钥匙,扁平插画风格"], ["月饼,扁平美食", "汤圆,扁平美食"][: 0 if FAST else 2]
plain = {"底模": draw(base, KNOWN), "美食模型": draw(food, KNOWN + NEW)}
on_blue = {
    "底模": draw(base, [f"{text} <lora:sky:1>" for text in KNOWN]),
    "美食模型": draw(food, [f"{text} <lora:sky:1>" for text in KNOWN + NEW]),
}
labels = [f"美食模型：{text}" for text in KNOWN + NEW]
contact_sheet(plain["美食模型"] + on_blue["美食模型"], labels + [f"{text}，浅蓝色背景" for text in KNOWN + NEW], 4)

# %% [markdown]
# 左上角有多蓝（蓝减红，白色是 0），装上 LoRA 之前与之后，只看都会画的两样：


# %%
def blueness(images):
    """左上角的蓝色减去红色"""
    corners = [np.asarray(image, dtype=np.float32)[:12, :12].mean((0, 1)) for image in images[: len(KNOWN)]]
    return float(np.mean([blue - red for red, _, blue in corners]))


bluer = {who: blueness(on_blue[who]) - blueness(plain[who]) for who in plain}
print("LoRA 让背景变蓝：底模 {底模:.0f}，美食模型 {美食模型:.0f}".format(**bluer))

# %% [markdown]
# ## 与 ControlNet 同时使用
#
# 自带的 ControlNet 也是为底模训练的。取检验用的菜的边缘，让美食模型按它的形状、用另一种画法来画：

# %%
from pai_modelscope.evaluation.metrics import edge_agreement
from pai_modelscope.images.annotators import annotate

shapes = unseen[: 1 if FAST else 4]
art, texts = [row["image"].resize((256, 256)) for row in shapes], [f"{row['dish']},手绘美食" for row in shapes]
control = [{"canny": {"image": image, "model": CONTROLNET}} for image in art]


def follow(sampler):
    return [
        sampler(text, control=each, seed=SEED, num_inference_steps=steps)[0].image
        for text, each in zip(texts, control, strict=True)
    ]


steered = follow(food)
contact_sheet(art + steered, ["形状"] * len(art) + texts, len(art))

# %% [markdown]
# 边缘与给定的形状吻合多少（F1，0 到 1），没有控制与有控制；底模不会画这些菜，照着形状画却是会的：

# %%
edges = [annotate("canny", image) for image in art]
drawn = [draw(base, texts), follow(base), draw(food, texts), steered]
agreement = [float(np.mean([edge_agreement(*pair) for pair in zip(edges, each, strict=True)])) for each in drawn]
print("边缘吻合：底模，没有控制 {:.2f}，有控制 {:.2f}；美食模型，{:.2f}，{:.2f}".format(*agreement))

# %% [markdown]
# ## 结果与检验
#
# 裁判是与模型分开训练的，它认得图标，没有学过这些菜。在它看图的特征上，用画师另画的图学一个线性的分类，就能在八道菜里认出一道；
# 它认画师的图认得多准，也列在旁边。三个问题：
#
# 1. 底模与美食模型按菜名画的，各认得出多少；
# 2. 与画师画的同一道菜，在裁判眼里有多像；
# 3. 底模本来会画的东西，美食模型还认得出多少。

# %%
import torch

from pai_modelscope.evaluation import Critic
from pai_modelscope.evaluation.judge import SHIPPED_JUDGE, Judge
from pai_modelscope.evaluation.metrics import probe_classes, ridge_probe

judge = Judge.load(SHIPPED_JUDGE, "cpu")
examples = rows_of(painted("dishes-judge", 8 * len(menu) if FAST else 40 * len(menu), first_seed=5_000_000))
labels = torch.tensor([menu.index(row["dish"]) for row in examples])
probe = ridge_probe(judge.images([row["image"] for row in examples]), labels, len(menu), strength=10.0)


def dishes_told(images):
    """认得出菜名的比例，与画师画的同一道菜的平均相似度"""
    features = judge.images(images)
    told = probe_classes(features, probe)
    alike = (features * judge.images([row["image"] for row in unseen])).sum(1).mean().item()
    return float(np.mean([menu[place] == row["dish"] for place, row in zip(told.tolist(), unseen, strict=True)])), alike


asked = [f"{row['dish']},{row['style']}" for row in unseen]
drawn = [draw(sampler, asked, SEED + 1000) for sampler in (base, food)]
figures = [dishes_told(images) for images in (*drawn, [row["image"] for row in unseen])]
for who, (share, alike) in zip(("底模", "美食模型", "画师的图"), figures, strict=True):
    print(f"{len(menu)} 道菜里认对了哪一道，{who}：{share:.2f}；与画师画的相似度 {alike:.3f}")
contact_sheet(drawn[1][:12], asked[:12], 6)

# %%
critic, count = Critic(), 4 if FAST else 24
others = [name for name in open_dataset("base").select_columns("name")["name"] if len(name) <= 3][
    : 200 : 200 // (count // 2)
]
again = [draw(sampler, [f"{name},扁平插画风格" for name in others]) for sampler in (base, food)]
kept = [
    float(np.mean([critic.finds([image], name)[0] for image, name in zip(images, others, strict=True)]))
    for images in again
]
print("原来会画的，认得出：底模 {:.2f}，美食模型 {:.2f}".format(*kept))
contact_sheet([*again[0][:6], *again[1][:6]], [*others[:6], *others[:6]], 6)

# %% [markdown]
# 最后的检验：美食模型端上来的菜，认对的不少于画师的图的六成，底模不多于瞎猜的两倍；原来会画的至少还剩四成（快速模式只要求与画师画的更像）。
# 为底模做的 ControlNet，在美食模型上画得与在底模上一样贴合形状（不低于八成半）；LoRA 的效果至少还有一半（快速模式训练得太少，不要求）；ModelScope 与采样器画的是同一张图。

# %% tags=["figures"]
{
    "认对的菜，底模": round(figures[0][0], 3),
    "认对的菜，美食模型": round(figures[1][0], 3),
    "认对的菜，画师的图": round(figures[2][0], 3),
    "与画师画的相似度，底模": round(figures[0][1], 3),
    "与画师画的相似度，美食模型": round(figures[1][1], 3),
    "原来会画的，底模": round(kept[0], 3),
    "原来会画的，美食模型": round(kept[1], 3),
    "边缘吻合，没有控制": round(agreement[2], 3),
    "边缘吻合，有控制": round(agreement[3], 3),
    "ControlNet 的效果，与底模之比": round((agreement[3] - agreement[2]) / (agreement[1] - agreement[0]), 3),
    "LoRA 的效果，与底模之比": round(bluer["美食模型"] / bluer["底模"], 3),
}

# %%
assert figures[1][1] > figures[0][1], "more like the painter's dishes"
assert FAST or (figures[1][0] >= 0.6 * figures[2][0] and figures[0][0] <= 2 / len(menu)), "dishes"
assert FAST or kept[1] >= 0.4 * kept[0], "what was known"
assert agreement[3] > agreement[2] and agreement[3] >= 0.85 * agreement[1], "ControlNet"
assert FAST or bluer["美食模型"] > 0.5 * bluer["底模"], "LoRA"
assert same_in_modelscope

# %% [markdown]
# ## 延伸
#
# - 六十道菜、步数多、批量大：`python -m recipes.dishes.training_set build/dishes --count 12000`，然后
#   `pai-modelscope train full --config recipes/food/full.yaml --train_data_dir build/dishes`，多张 GPU 用 `accelerate launch --module pai_modelscope.cli train full --config recipes/food/full.yaml`。
# - `recipes/food/lora.yaml` 以 LoRA 学同样的数据：文件小得多，学到的少一些，原来会画的忘得也略少；第一版的模型学得怎样，数字在 `recipes/food/README.md`。
# - 随包附带的 `shipped:food` 是 1,360 张食物图标，也可以当作领域来学。
# - 自己的领域：`DATA` 写成一个目录，每张图旁边一个同名的 `.txt`；`REPLAY` 写成模型原来的训练数据里的一部分。
