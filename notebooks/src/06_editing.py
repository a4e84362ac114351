# %% [markdown]
# # 以图生图、局部重绘与外扩
#
# *Image to image, inpainting, outpainting*
#
# ## 简介
#
# 从一张已有的图出发，有三种画法：
#
# 1. **以图生图**：整张图重画，`strength` 决定离原图多远；
# 2. **局部重绘**：只重画遮罩（mask）里白色的部分，遮罩以外的像素一个也不变；
# 3. **外扩**：在图的四周继续画。
#
# 本 Notebook 用随包附带的小模型 `pai-diffusion-mini-zh` 演示这三种画法，最后用数字检验：`strength` 越小离原图越近，
# 遮罩以外逐像素不变，重绘的部分确实变成了想要的东西。

# %% [markdown]
# ## 费用与资源说明
#
# | 项目 | 说明 |
# | --- | --- |
# | 费用 | 不产生费用：模型随包附带，不访问任何模型社区 |
# | 机器 | 两个 CPU 核、4 GB 内存即可，不需要 GPU |
# | 时间 | 约 2 分钟 |

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
# 参数。`FAST` 为 `True` 时步数少、图少，结论不变。换成十亿参数的模型只要改 `MODEL` 与 `DEVICE = "cuda"`（需要 GPU 与网络）。

# %% tags=["parameters"]
FAST = False
SEED = 3
MODEL = "pai-diffusion-mini-zh"
DEVICE = "cpu"

# %%
import pai_modelscope
from pai_modelscope import Sampler
from pai_modelscope.images import contact_sheet

sampler = Sampler.from_pretrained(MODEL, device=DEVICE)
steps = 10 if FAST else 20

# %% [markdown]
# 起点是一张水彩：春天的村庄。换成自己的图也一样：可以是路径、PIL 图片、BGR 数组、字节或 data URL；照片的方向（EXIF）会自动转正，
# 透明部分铺成白色。

# %%
village = sampler("水彩画,春天的村庄,桃花,小河", seed=7, num_inference_steps=steps)[0].image
village

# %% [markdown]
# ## 以图生图
#
# `strength` 在 0 与 1 之间：越小越像原图，越大越听文字的。下面把春天的水彩重画成秋天的油画：路与树还在原处，桃花渐渐变成红叶。

# %%
strengths = [0.3, 0.8] if FAST else [0.3, 0.5, 0.65, 0.8]
drawn = [
    sampler("油画,秋天的村庄,黄昏", image=village, strength=strength, seed=SEED, num_inference_steps=steps)[0].image
    for strength in strengths
]
contact_sheet([village, *drawn], ["原图", *(f"strength {strength}" for strength in strengths)], 5)

# %% [markdown]
# ModelScope 的写法相同，任务名是 `image-to-image-generation`：

# %%
from modelscope.pipelines import pipeline
from PIL import Image

folder = str(pai_modelscope.model_dir(MODEL))
p = pipeline("image-to-image-generation", folder, pipeline_name="pai-diffusion-img2img", device=DEVICE)
result = p({"text": "版画,冬天的村庄,雪", "image": village, "strength": 0.7}, seed=SEED, num_inference_steps=steps)
Image.fromarray(result["output_img"][:, :, ::-1])

# %% [markdown]
# 自己试一试：同一个村庄，换文字、换种子。

# %%
from pai_modelscope.notebook import prompt_box

prompt_box(sampler, "水墨画,夏天的村庄,雨后", seed=SEED, image=village, strength=0.7, num_inference_steps=steps)

# %% [markdown]
# ## 局部重绘
#
# 先画一座房子，再在左上角画一个太阳。`mask_only=True` 只把遮罩周围的一小块放大到模型的分辨率来画，画完缩小贴回去，
# 因此小东西也能画清楚。

# %%
from PIL import ImageDraw

house = sampler("房子,扁平插画风格,浅蓝色背景", seed=5, num_inference_steps=steps)[0].image
mask = Image.new("L", house.size)
ImageDraw.Draw(mask).rectangle((8, 8, 88, 88), fill=255)
repaint = {"image": house, "mask": mask, "mask_only": True, "mask_padding": 0, "num_inference_steps": steps}
sunny = sampler("太阳,扁平插画风格,浅蓝色背景", seed=SEED, **repaint)[0].image
contact_sheet([house, mask.convert("RGB"), sunny], ["原图", "遮罩：白色重画", "太阳"])

# %% [markdown]
# 重绘之前与之后：

# %% tags=["before-after"]
from IPython.display import display

display(house)
display(sunny)
print("局部重绘：左上角画上太阳，遮罩以外的像素一个也不变")

# %% [markdown]
# ## 外扩
#
# `outpaint=(左, 右, 上, 下)` 给出要加宽的像素数。新画的部分与原图有一点重叠；小模型的接缝有时还看得出来，可以换种子多试几次。

# %%
lake_text = "水墨画,清晨,湖面,小船"
lake = sampler(lake_text, seed=7, num_inference_steps=steps)[0].image
wide = sampler(lake_text, image=lake, outpaint=(96, 96, 0, 0), seed=SEED, num_inference_steps=steps)[0].image
display(lake, wide)

# %% [markdown]
# ## 结果与检验
#
# 三个说法，每个都用数字检验：`strength` 越大离原图越远；遮罩以外一个像素也没有变；重绘之后“太阳”进入前十，之前不在。

# %%
import numpy as np

distances = [float(np.abs(np.asarray(each, float) - np.asarray(village, float)).mean()) for each in drawn]
for strength, distance in zip(strengths, distances, strict=True):
    print(f"strength {strength}: 与原图平均相差 {distance:.1f} / 255")

# %%
changed = (np.asarray(sunny) != np.asarray(house)).any(2)
far = np.ones_like(changed)
far[:104, :104] = False  # 遮罩加上羽化的宽度
print(f"遮罩以外改变的像素：{int(changed[far].sum())}；遮罩以内改变的比例：{changed[8:88, 8:88].mean():.0%}")

# %% [markdown]
# 重绘的部分是不是太阳，由独立训练的“裁判”来认：把左上角裁下来，看“太阳”排在全部名称的第几位。

# %%
from pathlib import Path

from pai_modelscope.evaluation import Judge
from pai_modelscope.evaluation.metrics import ranks
from pai_modelscope.evaluation.pictures import open_pictures

candidates = open_pictures("shipped").names
judge = Judge.load(Path(pai_modelscope.__file__).parent / "assets" / "judge")
right = {place for place, name in enumerate(candidates) if name in ("太阳", "日出")}
corner = (4, 4, 92, 92)
features = judge.images([picture.crop(corner) for picture in (house, sunny)])
before, after = (ranks(features, judge.texts(candidates), [right, right]) + 1).tolist()
print(f"“太阳”的名次：重绘前 {before}，重绘后 {after}，共 {len(candidates)} 个名称")

# %% tags=["figures"]
{
    "strength 最小时与原图相差": round(distances[0], 3),
    "strength 最大时与原图相差": round(distances[-1], 3),
    "遮罩以外改变的像素": int(changed[far].sum()),
    "遮罩以内改变的比例": round(float(changed[8:88, 8:88].mean()), 3),
    "重绘前太阳的名次": before,
    "重绘后太阳的名次": after,
}

# %%
assert distances == sorted(distances) and distances[0] < 0.6 * distances[-1]
assert not changed[far].any() and changed[8:88, 8:88].mean() > 0.5
assert after <= 10 < before

# %% [markdown]
# ## 延伸
#
# - 终端里：`pai-modelscope generate '太阳' --image house.png --mask mask.png --mask-only`；`--outpaint 96,96,0,0`；
#   图里记着全部参数，`--like` 能逐位重画。
# - 用边缘、深度或姿态来约束画面，见 Notebook 07。
