# %% [markdown]
# # 使用十亿参数的 PAI-Diffusion 模型
#
# *Using the big PAI-Diffusion checkpoints*
#
# ## 简介
#
# 前面的 Notebook 用的是随包附带的小模型。它与 PAI 发布的十亿参数模型结构相同，代码也就相同：只要改模型名和设备。本 Notebook 说明要改什么、要多大的显存：
#
# 1. 有哪些模型，在哪里下载；
# 2. 打开与画图；
# 3. 显存花在哪里：不下载权重，也能算出来；
# 4. 显存不够时怎么办：半精度、逐个搬运、分块解码；
# 5. 多张 GPU 训练；
# 6. 转成 WebUI 的单个文件，再转回来。
#
# 默认的参数下，同样的调用由小模型在 CPU 上离线完成；需要 GPU 的几行只在 `DEVICE = "cuda"` 时执行。最后用数字检验：算出的显存与实测相符；
# 半精度与单精度画得几乎一样；转成单个文件再转回来，画出来逐位相同。

# %% [markdown]
# ## 费用与资源说明
#
# | 项目 | 默认（自带的小模型） | 十亿参数的模型 |
# | --- | --- | --- |
# | 费用 | 不产生费用，不访问任何模型社区 | 下载免费；GPU 按所选规格计费 |
# | 机器 | 两个 CPU 核、4 GB 内存 | 画图：4 GB 显存；训练 LoRA：4 GB；训练全部权重：8 GB 到 16 GB，见下文 |
# | 时间 | 约 1 分钟 | 另加下载的时间 |

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
# 参数。`FAST` 为 `True` 时步数少，结论不变。换成十亿参数的模型只要改两行：`MODEL = "pai-diffusion-general-large-zh"`，`DEVICE = "cuda"`
# （需要 GPU 与网络）。

# %% tags=["parameters"]
FAST = False
SEED = 7
MODEL = "pai-diffusion-mini-zh"
DEVICE = "cpu"
OUTPUT = "out/big"

# %% [markdown]
# ## 有哪些模型
#
# 模型库写着每个模型在两个社区上的名字；带问号的，没有从模型卡片上得到证实。终端里是 `pai-modelscope zoo list`。

# %%
from pai_modelscope import zoo

big = [entry for entry in zoo.entries() if entry.kind == "base" and not entry.shipped]
for entry in big:
    print(f"{entry.name}: {entry.resolution} 像素，{entry.modelscope_id}，{entry.huggingface_id}")

# %% [markdown]
# 每个模型的许可、版本与推荐设置，`pai-modelscope zoo show NAME`：

# %%
print(zoo.show("pai-diffusion-general-large-zh"))

# %% [markdown]
# `model_dir` 把模型名变成本地目录，依次在这些地方找：这个路径的目录、安装包、ModelScope 的缓存、Hugging Face 的缓存、ModelScope、Hugging Face。
# 下载中断了会接着下载。环境变量 `MODELSCOPE_ENDPOINT` 与 `HF_ENDPOINT` 可以指向镜像。不想联网时写 `local_files_only=True`，本地没有就说清楚：

# %%
from pai_modelscope import UserError, model_dir

try:
    print(model_dir("pai-diffusion-general-large-zh", local_files_only=True))
except UserError as error:
    print(error)

# %% [markdown]
# ## 打开与画图
#
# `torch_dtype` 不写时，CPU 上用单精度（float32），GPU 上用半精度（float16）。尺寸、步数与引导强度，各个模型推荐自己的，都不用写。

# %%
import torch

from pai_modelscope import Sampler

steps = 10 if FAST else 20
prompt = "雾蒙蒙的日出在湖面上"
sampler = Sampler.from_pretrained(MODEL, device=DEVICE)
picture = sampler(prompt, seed=SEED, num_inference_steps=steps)[0].image
print(f"{sampler.name}：{picture.width} x {picture.height}，{sampler.pipe.dtype}")
picture

# %% [markdown]
# 在 GPU 上，看看画这一张图最多用了多少显存：

# %%
if DEVICE == "cuda":
    torch.cuda.reset_peak_memory_stats()
    sampler(prompt, seed=SEED, num_inference_steps=steps)
    print(f"显存最多 {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")

# %% [markdown]
# ## 显存花在哪里
#
# 不必下载也能算。PyTorch 的 `meta` 设备上，张量只有形状，没有数据：按 PAI-Diffusion 的配置（UNet 与 Stable Diffusion 1.5 相同，
# 文本编码器有 12 层、宽 768、词表 21,128）造出整个模型，一个字节的权重也不占。

# %%
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

text_config = CLIPTextConfig(
    vocab_size=21128,
    hidden_size=768,
    intermediate_size=3072,
    num_hidden_layers=12,
    num_attention_heads=12,
    max_position_embeddings=32,
    bos_token_id=2,
    eos_token_id=3,
)
with torch.device("meta"):
    parts = {
        "UNet": UNet2DConditionModel(sample_size=64, cross_attention_dim=768),
        "VAE": AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=(128, 256, 512, 512),
            layers_per_block=2,
        ),
        "文本编码器": CLIPTextModel(text_config),
    }
sizes = {name: sum(weight.numel() for weight in part.parameters()) for name, part in parts.items()}
own = {name: getattr(sampler.pipe, part) for name, part in zip(sizes, ("unet", "vae", "text_encoder"), strict=True)}
for name, part in own.items():
    print(f"{name}：{sizes[name] / 1e6:.0f} 百万个参数；{sampler.name}：{part.num_parameters() / 1e6:.1f} 百万个")

# %% [markdown]
# 每个参数要占几个字节，由用法决定：
#
# | 用法 | 每个参数的字节数 |
# | --- | --- |
# | 画图，半精度 | 权重 2 |
# | 训练 LoRA，底模是半精度 | UNet 的权重 2（LoRA 自己只有几百万个参数） |
# | 训练 UNet，bf16 与 8 位优化器 | 权重 2，梯度 2，AdamW 的两个状态各 1，合计 6 |
# | 训练 UNet，单精度与 AdamW | 权重 4，梯度 4，两个状态各 4，合计 16 |
#
# 训练时用了 `cache_latents`，VAE 与文本编码器不在显存里。算出来的是下限，此外还有中间结果。右边是实测的最大显存：一块 H100 80 GB、
# torch 2.11、512 x 512，训练的批量为 1，出自 `benchmarks/README.md`。

# %%
GIB = 2**30
unet, whole = sizes["UNet"], sum(sizes.values())
computed = {"画图": 2 * whole, "LoRA": 2 * unet, "8 位": 6 * unet, "单精度": 16 * unet}
computed = {use: count / GIB for use, count in computed.items()}
measured = {"画图": 2.6, "LoRA": 3.0, "8 位": 5.5, "单精度": 13.5}  # GiB，H100
for use, value in computed.items():
    print(f"{use}：算出 {value:.1f} GiB，实测 {measured[use]} GiB，其余 {measured[use] - value:.1f} GiB 是中间结果")

# %% [markdown]
# 所以：4 GB 的显卡能画图、能训练 LoRA，8 GB 的能训练全部权重（慢一些），16 GB 的能用单精度训练。批量每加大一些，多出来的只是中间结果：
# 同一块 H100 上批量 32 的 LoRA 是 36.5 GiB，此时加上 `--gradient_checkpointing`，用时间换显存。

# %% [markdown]
# ## 显存不够时
#
# ### 半精度
#
# GPU 上默认就是 float16。bf16 的范围与单精度相同，不会溢出，CPU 上也能用。位数少，细节会与单精度的不同，画的还是同一样东西：

# %%
import numpy as np

from pai_modelscope.images import contact_sheet

halved = Sampler.from_pretrained(MODEL, device=DEVICE, torch_dtype="bfloat16")
whole_precision = Sampler.from_pretrained(MODEL, device=DEVICE, torch_dtype="float32")
texts = ["猫头鹰,扁平插画风格", "熊猫,三维立体风格"][: 1 if FAST else 2]
seeds = [SEED + i for i in range(len(texts))]
full, half = (
    [each.image for each in one(texts, seed=seeds, num_inference_steps=steps)] for one in (whole_precision, halved)
)
contact_sheet(full + half, [f"{name}：{text}" for name in ("float32", "bfloat16") for text in texts], len(texts))

# %% [markdown]
# ### 逐个搬运
#
# `sampler.pipe` 是普通的 diffusers pipeline，它的办法都能用。`enable_model_cpu_offload` 让三个部分轮流进显存，
# 同一时刻只有一个：最大的是 UNet。代价是每张图多搬几次。

# %%
if DEVICE == "cuda":
    offloaded = Sampler.from_pretrained(MODEL, device="cpu", torch_dtype="float16")
    offloaded.pipe.enable_model_cpu_offload()
    torch.cuda.reset_peak_memory_stats()
    offloaded(prompt, seed=SEED, num_inference_steps=steps)
    print(f"显存最多 {torch.cuda.max_memory_allocated() / GIB:.1f} GiB")
print(f"算出的下限：{2 * unet / GIB:.1f} GiB，而不是 {2 * whole / GIB:.1f} GiB")

# %% [markdown]
# ### 分块解码
#
# 画很大的图时，VAE 的中间结果最占显存。`enable_tiling` 把画面分块解码，接缝处渐变。下面把一张图放大到两倍，再过一遍 VAE：

# %%
from pai_modelscope.evaluation.autoencoder import reconstruct

large = picture.resize((2 * picture.width, 2 * picture.height))
at_once = reconstruct(sampler.pipe, [large])[0]
sampler.pipe.vae.enable_tiling()
in_tiles = reconstruct(sampler.pipe, [large])[0]
sampler.pipe.vae.disable_tiling()
contact_sheet([at_once, in_tiles], ["一次解码", "分块解码"], 2)

# %% [markdown]
# ## 多张 GPU 训练
#
# 同一条训练命令，前面加上 `accelerate launch`。有几张卡就起几个进程，每张卡各算一批，所以总批量是 `train_batch_size` 乘以卡数。
# 下面训练一个 LoRA；没有两张 GPU 时只显示命令。

# %%
cards = torch.cuda.device_count()
launch = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", str(max(cards, 2))]
train = {
    "pretrained_model_name_or_path": MODEL,
    "train_data_dir": "shipped:style",
    "output_dir": f"{OUTPUT}/lora",
    "resolution": 512,
    "max_train_steps": 500,
    "train_batch_size": 8,
    "mixed_precision": "bf16",
    "learning_rate": 1e-4,
}
flags = [word for name, value in train.items() for word in (f"--{name}", str(value))]
command = [*launch, "--module", "pai_modelscope.cli", "train", "lora", *flags]
if cards > 1:
    subprocess.check_call(command)
else:
    print("accelerate launch", *command[3:])

# %% [markdown]
# 其余的选项（FSDP、DeepSpeed、几台机器）由 `accelerate config` 写进配置文件，命令不变。各种训练方法怎样选、一秒能训练多少张图，
# 见 `benchmarks/README.md`：一块 H100 上，批量 32、512 x 512，训练全部权重每秒 83 张，编译（`--compile`）后 126 张，LoRA 90 张。

# %% [markdown]
# ## 转成单个文件，再转回来
#
# WebUI 读的是单个 `.safetensors` 文件。终端里是 `pai-modelscope convert MODEL FILE` 与 `pai-modelscope convert FILE FOLDER`。
# 配置与词表写在文件头里，所以转回来不缺什么。

# %%
import shutil
from pathlib import Path

from pai_modelscope.families.single_file import from_single_file, to_single_file

folder = Path(OUTPUT)
folder.mkdir(parents=True, exist_ok=True)
(folder / "model.safetensors").unlink(missing_ok=True)
shutil.rmtree(folder / "model", ignore_errors=True)
file = to_single_file(MODEL, folder / "model.safetensors")
back = from_single_file(file, folder / "model")
print(f"{file.name}：{file.stat().st_size / 2**20:.0f} MiB；{', '.join(sorted(each.name for each in back.iterdir()))}")

# %% [markdown]
# 别的程序写的文件没有配置与词表，要说明像谁：`pai-modelscope convert FILE FOLDER --base pai-diffusion-general-large-zh`。

# %%
again = Sampler.from_pretrained(back, device=DEVICE)(prompt, seed=SEED, num_inference_steps=steps)[0].image
contact_sheet([picture, again], ["原来的模型", "转成单个文件又转回来"], 2)

# %% [markdown]
# ## 结果与检验
#
# 三个说法，每个都用数字检验：
#
# 1. 按配置算出的显存是实测的下限，至少占实测的一半；
# 2. bf16 与单精度画的是同一样东西：在裁判（见 Notebook 12）眼里，相似度（-1 到 1）不小于 0.8；分块解码与一次解码几乎一样，峰值信噪比（PSNR）在
#    30 dB 以上；
# 3. 转成单个文件再转回来，画出来逐位相同。


# %%
from pai_modelscope.evaluation.judge import SHIPPED_JUDGE, Judge


def psnr(one, other):
    """两张图的峰值信噪比，单位 dB；越大越像，30 dB 以上很难看出差别"""
    error = np.square(np.asarray(one, dtype=float) - np.asarray(other, dtype=float)).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


judge = Judge.load(SHIPPED_JUDGE, "cpu")
half_alike = (judge.images(full) * judge.images(half)).sum(1).tolist()
tiled_psnr = psnr(at_once, in_tiles)
different = int((np.asarray(picture) != np.asarray(again)).sum())
shares = {use: value / measured[use] for use, value in computed.items()}
print(f"bf16 与单精度的相似度：{', '.join(f'{value:.2f}' for value in half_alike)}；分块解码：{tiled_psnr:.1f} dB")
print(f"转回来以后不同的像素值：{different}；算出的占实测的：{', '.join(f'{v:.0%}' for v in shares.values())}")

# %% tags=["figures"]
{
    "十亿参数模型的参数，百万": round(whole / 1e6, 3),
    "算出的画图显存，GiB": round(computed["画图"], 3),
    "算出的 LoRA 显存，GiB": round(computed["LoRA"], 3),
    "算出的 8 位训练显存，GiB": round(computed["8 位"], 3),
    "算出的单精度训练显存，GiB": round(computed["单精度"], 3),
    "算出的占实测的最小比例": round(min(shares.values()), 3),
    "bf16 与单精度，相似度": round(min(half_alike), 3),
    "分块与一次解码，PSNR": round(tiled_psnr, 3),
    "转换后不同的像素值": different,
}

# %%
assert all(0.5 <= share <= 1 for share in shares.values()), "what is computed bounds what was measured"
assert min(half_alike) >= 0.8 and tiled_psnr >= 30
assert different == 0

# %% [markdown]
# ## 延伸
#
# - 训练、编辑、ControlNet：前面各个 Notebook 的参数里写着换成十亿参数的模型要改什么。
# - 画图要快：`sampler.pipe.unet.compile(mode="reduce-overhead", fullgraph=True)`。一块 H100 上 512 x 512、25 步由 1.04 秒减到 0.21 秒，
#   编译本身要几分钟，每个进程、每种尺寸一次。
# - `python -m benchmarks.full_size` 与 `python -m benchmarks.training` 在自己的 GPU 上重新测量上面的数字，用的是随机的权重，不必下载。
