# %% [markdown]
# # 把模型变成服务：任务、进度与各种客户端
#
# *The service: jobs, progress and clients of every kind*
#
# ## 简介
#
# `pai-modelscope serve` 让别的程序通过 HTTP 用模型。一个请求是一个任务，先写进磁盘，再回答。本 Notebook 启动一个服务，然后：
#
# 1. 交一个任务，一边画一边看进度与预览；
# 2. 换两个别人写的客户端（OpenAI 的与 Stable Diffusion WebUI 的），同一个种子得到同一张图；
# 3. 取消一个很长的任务；
# 4. 画到一半时强行杀掉服务（`kill -9`），重启以后任务还在，图也一样；
# 5. 读出图里“由人工智能生成”的标识；
# 6. 看看服务自己的网页。
#
# 最后用数字检验这些说法，并让服务正常退出。

# %% [markdown]
# ## 费用与资源说明
#
# | 项目 | 说明 |
# | --- | --- |
# | 费用 | 不产生费用：模型随包附带，服务只在本机，不访问任何模型社区 |
# | 机器 | 两个 CPU 核、4 GB 内存即可，不需要 GPU |
# | 时间 | 约 2 分钟 |

# %% [markdown]
# ## 准备工作
#
# 如果还没有安装 `pai_modelscope` 或服务要用的包，下面的单元格会安装它们，连同两个客户端；已经安装时什么也不做。

# %%
import importlib.util
import os
import subprocess
import sys

if importlib.util.find_spec("pai_modelscope") is None or importlib.util.find_spec("uvicorn") is None:
    place = "..[serve]" if os.path.isfile("../setup.cfg") else "pai_modelscope[serve] @ git+{REPOSITORY}"
    subprocess.check_call([sys.executable, "-m", "pip", "install", "-q", place])
if clients := [name for name in ("openai", "webuiapi") if importlib.util.find_spec(name) is None]:
    subprocess.check_call([sys.executable, "-m", "pip", "install", "-q", *clients])

# %% [markdown]
# 参数。`FAST` 为 `True` 时步数少一些，结论不变。`OUTPUT` 是服务的任务与图所在的目录。

# %% tags=["parameters"]
FAST = False
SEED = 3
MODEL = "pai-diffusion-mini-zh"
DEVICE = "cpu"
OUTPUT = "out/service"

# %%
import atexit
import base64
import contextlib
import io
import json
import re
import time
from pathlib import Path

import httpx
from IPython.display import display
from PIL import Image

from pai_modelscope.images import contact_sheet
from pai_modelscope.images.picture_text import read_label

steps = 6 if FAST else 20
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"  # 本机的服务不走代理
Path(OUTPUT).mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## 启动服务
#
# 在终端里是 `pai-modelscope serve --data out/service/data`。这里让它作为子进程运行：`--port 0` 取一个空着的端口，
# `/readyz` 回答 200 就可以画图了。它的日志每行一个 JSON，写在 `OUTPUT` 里。
# 用完在最后关掉；中途出错、Notebook 停下来时，`atexit` 也会关掉它。


# %%
def start():
    """启动服务，等它能画图；返回进程与地址。"""
    log = Path(OUTPUT, "serve.log")
    words = ["serve", "--port", "0", "--data", f"{OUTPUT}/data", "--model", MODEL, "--device", DEVICE]
    words += ["--preview-steps", str(steps // 4 + 1)]
    with log.open("w") as lines:
        process = subprocess.Popen([sys.executable, "-m", "pai_modelscope.cli", *words], stderr=lines)
    atexit.register(stop, process, 3)
    while process.poll() is None:
        if found := re.search(r"listening on (\S+)", log.read_text(encoding="utf-8")):
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{found[1]}/readyz").status_code == 200:
                    return process, found[1]
        time.sleep(0.2)
    raise RuntimeError(log.read_text(encoding="utf-8"))


def stop(process, seconds=60):
    """请服务退出（SIGTERM）：它画完手上的再走，等不到就强行结束。"""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


# %%
server, address = start()
client = httpx.Client(base_url=address, timeout=600)
print("地址：", address)
print("模型：", [model["id"] for model in client.get("/v1/models").json()["data"]])

# %% [markdown]
# ## 一个任务，一边画一边看
#
# `POST /v1/jobs` 立刻回答，给出任务的 `id`。`/v1/jobs/ID/events` 是服务器推送的事件（server-sent events）：排第几个、画到第几步、
# 大致的样子，最后是整个任务。用 `httpx` 读只要几行：

# %%
request = {
    "prompt": "水墨画,清晨,湖面,小船,远山",
    "seed": SEED,
    "num_inference_steps": steps,
    "guidance_scale": 5.0,
    "scheduler": "DPM++ 2M Karras",
}


def watch(job):
    """一个任务的事件：名称与内容。"""
    with client.stream("GET", f"/v1/jobs/{job['id']}/events") as answer:
        for line in answer.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield name, json.loads(line.removeprefix("data: "))


def fetch(job):
    """任务的第一张图，原样的文件。"""
    return client.get(job["pictures"][0]["url"]).raise_for_status().content


def opened(content):
    return Image.open(io.BytesIO(content)).convert("RGB")


# %% [markdown]
# 在 JupyterLab 里运行下面的单元格，图在原地一步步清楚起来。

# %%
first = client.post("/v1/jobs", json=request).raise_for_status().json()
print(f"回答：{first['state']}，任务 {first['id']}")
screen, previews = display(Image.new("RGB", (256, 256), "#eee"), display_id=True), {}
for name, told in watch(first):
    if name == "preview":
        previews[told["step"]] = opened(base64.b64decode(told["image"].split(",")[1]))
        screen.update(previews[told["step"]])
first, file = told, Path(OUTPUT, "jobs.png")
file.write_bytes(fetch(first))
picture = opened(file.read_bytes())
screen.update(picture)

# %% [markdown]
# 途中的预览，与最后的图。预览是小图，不占多少时间；`--preview-steps 0` 就不画。

# %%
contact_sheet([*previews.values(), picture], [*(f"第 {step} 步" for step in previews), "画完"], 5)

# %% [markdown]
# ## 别人的客户端
#
# 已经有程序在用 OpenAI 或 Stable Diffusion WebUI 的接口？换一个地址就能用这个服务。对方的协议里没有的选项写在旁边：
# OpenAI 的客户端里是 `extra_body`。设了令牌时，`api_key` 就是令牌；这里没有设，写什么都行。

# %%
from openai import OpenAI

extra = {name: value for name, value in request.items() if name != "prompt"}
with OpenAI(base_url=f"{address}/v1", api_key="none") as openai_client:
    answer = openai_client.images.generate(prompt=request["prompt"], size="256x256", extra_body=extra)
by_openai = Path(OUTPUT, "openai.png")
by_openai.write_bytes(base64.b64decode(answer.data[0].b64_json))

# %% [markdown]
# WebUI 的接口把采样器与噪声的安排分成两个名称，步数与引导也另有叫法：

# %%
from webuiapi import WebUIApi

webui = WebUIApi(baseurl=f"{address}/sdapi/v1", sampler="DPM++ 2M", scheduler="Karras")
by_webui = webui.txt2img(
    prompt=request["prompt"], seed=SEED, steps=steps, cfg_scale=request["guidance_scale"], width=256, height=256
)
same = [picture, opened(by_openai.read_bytes()), by_webui.image.convert("RGB")]
contact_sheet(same, ["自己的协议", "openai", "webuiapi"], 3)

# %% [markdown]
# 一个种子，一张图，谁来要都一样。DashScope、ModelScope、Hugging Face、EAS、MCP 与 gradio 的客户端也是这样用，
# 见[服务](../docs/zh/serve.md)。
#
# ## 取消
#
# 下面的任务要走 150 步。看到第三步就用 `DELETE` 取消它，紧接着交下一个任务：下一个什么时候开始，就知道前一个什么时候真的停了。

# %%
long = client.post("/v1/jobs", json={**request, "num_inference_steps": 150}).raise_for_status().json()
reached, after, since, cancelled, pace = 0, 0, time.time(), None, 0.0
for name, told in watch(long):
    if name == "step" and cancelled:
        after = told["step"] - reached
    elif name == "step":
        since, reached = (time.time(), 0) if told["step"] == 0 else (since, told["step"])
        if reached >= 3:
            pace = (time.time() - since) / reached
            cancelled = time.time()
            client.delete(f"/v1/jobs/{long['id']}").raise_for_status()
second = client.post("/v1/jobs", json=request).raise_for_status().json()
long = told
print(f"任务：{long['state']}，停在第 {reached + after} 步，共 150 步；每步约 {pace:.2f} 秒")

# %% [markdown]
# ## kill -9 之后
#
# 第二个任务与第一个完全一样，正在画。画到第二步，给服务一个 `SIGKILL`：它来不及做任何事。

# %%
for name, told in watch(second):
    if name == "step" and told["step"] >= 2:
        break
second = client.get(f"/v1/jobs/{second['id']}").json()
waited = second["started"] - cancelled
server.kill()
server.wait()
with contextlib.suppress(httpx.TransportError):
    client.get("/healthz")
    raise AssertionError("它还活着")
print(f"取消后 {waited:.2f} 秒，第二个任务开始；画到第 {told['step']} 步时，服务被杀掉了")

# %% [markdown]
# 在同一个目录上再启动一次。任务在磁盘上，种子在接受时就定下了，所以正在画的那个会从头再画，结果逐像素相同；
# 画完的原样还在。

# %%
killed_at = time.monotonic()
server, address = start()
client = httpx.Client(base_url=address, timeout=600)
print(
    f"{time.monotonic() - killed_at:.0f} 秒后又能画图了；第二个任务：",
    client.get(f"/v1/jobs/{second['id']}").json()["state"],
)
second = [told for _, told in watch(second)][-1]
again = opened(fetch(second))
kept = fetch(client.get(f"/v1/jobs/{first['id']}").json()) == file.read_bytes()
contact_sheet([picture, again], ["第一个任务", "第二个：杀掉、重启以后"], 2)

# %% [markdown]
# ## 内容标识
#
# 按 GB 45438-2025，生成的图要带标识。服务画的每个文件里都有：是不是生成的，谁生成的，编号是什么。别人能访问的服务还会把字写在画面上。

# %%
labels = {path.name: read_label(path) for path in (file, by_openai)}
labels[file.name]

# %% [markdown]
# 在终端里，这个命令也能读别处的图的标识：

# %%
command = [sys.executable, "-m", "pai_modelscope.cli", "label", "check", str(file), str(by_openai)]
print(subprocess.run(command, capture_output=True, text=True).stdout)

# %% [markdown]
# ## 网页
#
# 服务有自己的网页：绘图、参数还原、历史、对比网格。它只让自己嵌进自己的页面（`frame-ancestors 'self'`），
# 别的网站套不住它，Notebook 也不例外；所以请点下面的地址，在新的标签页里打开，趁服务还开着。
# 在远处的机器上，先转发端口。下面的图是仓库里的截图。

# %%
print("网页：", address)
shot = Path("../docs/images/serve-page.png")
if shot.is_file():
    display(Image.open(shot))

# %% [markdown]
# ## 结果与检验
#
# 1. 三个客户端要同一张图，像素一个也不差；
# 2. 取消的任务在一步之内让出位置，150 步没有走完；
# 3. 服务被 `kill -9` 时正在画的任务，重启以后画完，与没有被打断的逐像素相同；画完的文件一个字节也没有变；
# 4. 图里有标识，说它是生成的；
# 5. 服务收到 SIGTERM 以后自己退出。
#
# 先让服务退出，再检验。

# %%
import numpy as np

client.close()
stop(server)


def apart(one, other):
    """两张图的像素最多相差多少。"""
    return int(np.abs(np.asarray(one, int) - np.asarray(other, int)).max())


between_clients = max(apart(picture, other) for other in same)
after_kill = apart(picture, again)
labelled = sum(label is not None and label["Label"] == "1" for label in labels.values())
print(
    f"客户端之间相差 {between_clients}，杀掉前后相差 {after_kill}；带标识的文件 {labelled} 个；退出的状态 {server.returncode}"
)

# %% tags=["figures"]
{
    "三个客户端的图最大相差": between_clients,
    "途中有预览": int(len(previews) >= 2),
    "取消以后至多再走一步": int(after <= 1),
    "kill -9 前后的图最大相差": after_kill,
    "带标识的文件": labelled,
}

# %%
assert between_clients == 0 and len(set(np.asarray(picture).ravel().tolist())) > 50
assert long["state"] == "cancelled" and after <= 1 and waited < 2 * pace + 1
assert second["state"] == "done" and after_kill == 0 and kept
assert labelled == len(labels) and len(previews) >= 2
assert server.returncode in (0, -15)

# %% [markdown]
# ## 延伸
#
# - `make serve` 安装并启动服务；`pai-modelscope serve --help` 列出全部选项，`/docs` 列出请求的全部字段。
# - 给别人用：`--host 0.0.0.0 --token-file tokens.txt`，每个用户一个令牌，见[服务](../docs/zh/serve.md)。
# - 内容由经营服务的人决定：`--safety refuse` 与 `--prompt-words words.txt`。
# - 用自己的 LoRA：Notebook 03 训练的，用 `--lora` 告诉服务，提示词里写 `<lora:名称:0.8>`。
