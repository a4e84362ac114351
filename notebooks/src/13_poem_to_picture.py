# %% [markdown]
# # 古诗配图：从一句诗到一幅立轴
#
# *Pictures of poems: from a line of verse to a hanging scroll*
#
# ## 简介
#
# “空山新雨后，天气晚来秋”——诗里有时令、天气、景物，却没有一句是写给模型看的提示词。本 Notebook 把诗读成提示词，再画成画：
#
# 1. 读诗：哪些字说的是什么，哪些字没有画面，哪些是“无”的东西；
# 2. 由诗得到提示词，读一读，改一改，再画；
# 3. 装裱成一比三的立轴：竖排的诗句、年月与印章；
# 4. 同样的办法用在普通的提示词上：补上没有说的季节、光线与构图；
# 5. 一组名句，从读诗到画一气呵成。
#
# 读诗靠一张唐宋诗词用语的表，不联网，也不用大语言模型：每一步都看得见、改得了。

# %% [markdown]
# ## 费用与资源说明
#
# | 项目 | 说明 |
# | --- | --- |
# | 费用 | 不产生费用：模型、字体与用语表随包附带，不访问任何模型社区 |
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
# 参数。`FAST` 为 `True` 时步数和图都少一些。

# %% tags=["parameters"]
FAST = False
SEED = 7
MODEL = "pai-diffusion-mini-zh"
DEVICE = "cpu"

# %%
from pai_modelscope import Sampler
from pai_modelscope.images import contact_sheet

sampler = Sampler.from_pretrained(MODEL, device=DEVICE)
size = {"num_inference_steps": 8} if FAST else {}

# %% [markdown]
# ## 读诗
#
# `read_poem` 把诗切成词，说明每个词画的是什么。繁体字也能读，先由 OpenCC 转成简体。

# %%
from pai_modelscope.prompting.poem import read_poem

autumn = read_poem("空山新雨後，天氣晚來秋")
print(autumn.report())

# %% [markdown]
# 诗说“没有”的、只是比喻的、梦里的东西不画：“千山鸟飞绝”有山而没有鸟，“疑是银河落九天”没有银河。
# 表里没有的词由模型自己的文本编码器找相近的；仍不懂的列出来，不会悄悄丢掉。

# %%
for line in ["千山鸟飞绝，万径人踪灭", "飞流直下三千尺，疑是银河落九天", "孤帆远影碧空尽，唯见长江天际流"]:
    reading = read_poem(line)
    print(line, "→", reading.prompt(), "；不画：", "、".join(reading.of_way("absent")) or "（没有）")

# %% [markdown]
# ## 从诗到画
#
# `poem=` 由诗得到提示词，只用模型学过的词与画风；`picture.prompt` 是实际用的提示词。

# %%
first = sampler(poem="空山新雨后，天气晚来秋", seed=SEED, **size)[0]
print(first.prompt)
first.image

# %% [markdown]
# 提示词是给人读、给人改的。把自己的话写在诗旁边，它排在前面；或者干脆改写。下面换成月夜：

# %%
edited = first.prompt.replace("傍晚", "黄昏").replace("黄昏", "夜晚,明月")  # 各个模型说法不一
second = sampler(edited, seed=SEED, **size)[0]
contact_sheet([first.image, second.image], [first.prompt, edited])

# %% [markdown]
# ## 立轴
#
# `scroll=True` 另外装裱出一幅一比三的立轴：诗句从右到左竖排，用开源的毛笔字体，下面是年月与印章。画本身不变。

# %%
mounted = sampler(
    poem="明月松间照，清泉石上流", scroll=True, scroll_date="丙午冬", scroll_seal="山水", seed=SEED, **size
)[0]
print(mounted.prompt)
mounted.scroll

# %% [markdown]
# 命令行里是 `pai-modelscope generate --poem '明月松间照，清泉石上流' --scroll --scroll-seal 山水`。
#
# ## 普通的提示词
#
# `beautify=True` 补上提示词没有说的：季节、时辰与光线、画风、构图，由种子挑选；已经说了的不动。补了什么，看得见。

# %%
plain = sampler("湖面上的小船", seed=SEED, **size)[0]
better = sampler("湖面上的小船", beautify=True, seed=SEED, **size)[0]
contact_sheet([plain.image, better.image], [plain.prompt, better.prompt])

# %% [markdown]
# ## 一组名句

# %%
lines = [
    "空山新雨后，天气晚来秋",
    "大漠孤烟直，长河落日圆",
    "孤舟蓑笠翁，独钓寒江雪",
    "停车坐爱枫林晚，霜叶红于二月花",
    "小桥流水人家，古道西风瘦马",
    "接天莲叶无穷碧，映日荷花别样红",
][:: 3 if FAST else 1]
drawn = [sampler(poem=line, seed=SEED, **size)[0] for line in lines]
contact_sheet(
    [picture.image for picture in drawn], [f"{line}：{p.prompt}" for line, p in zip(lines, drawn, strict=True)], 3
)

# %% [markdown]
# ## 结果与检验
#
# 1. 读诗：下面六句里人人都看得见的东西，读出来了多少；说“没有”的，一样也没有读成“有”；
# 2. 繁体与简体读成同一条提示词；
# 3. 装裱不改变画的任何一位，立轴的长宽比不小于三；
# 4. 由诗画出的图，凭自己的 `infotext` 可以逐位重画。

# %%
import numpy as np

from pai_modelscope.images.infotext import parse_infotext

named = {
    "空山新雨后，天气晚来秋": {"远山", "雨后", "黄昏", "秋"},
    "大漠孤烟直，长河落日圆": {"沙漠", "炊烟", "河", "落日"},
    "孤舟蓑笠翁，独钓寒江雪": {"小船", "渔翁", "河", "雪"},
    "停车坐爱枫林晚，霜叶红于二月花": {"马车", "红叶", "黄昏"},
    "小桥流水人家，古道西风瘦马": {"小桥流水", "民居", "小路", "马", "秋"},
    "接天莲叶无穷碧，映日荷花别样红": {"荷叶", "荷花"},
}
seen = {line: set(read_poem(line).concepts) for line in named}
found = sum(len(named[line] & seen[line]) for line in named)
wanted = sum(map(len, named.values()))
absent = {"飞鸟": "千山鸟飞绝，万径人踪灭", "星空": "疑是银河落九天", "花树": "霜叶红于二月花"}
drawn_though_absent = [thing for thing, line in absent.items() if thing in read_poem(line).concepts]
print(f"读出 {found} / {wanted}；说没有却读成有的：{drawn_though_absent}")

# %%
same_prompt = read_poem("千山鳥飛絕，萬徑人蹤滅").prompt() == read_poem("千山鸟飞绝，万径人踪灭").prompt()
bare = sampler(poem="明月松间照，清泉石上流", seed=SEED, **size)[0]
options = parse_infotext(first.infotext)
options.pop("model")
again = sampler(options.pop("text"), **options)[0]
same_bits = [np.array_equal(np.asarray(a.image), np.asarray(b.image)) for a, b in ((bare, mounted), (again, first))]
aspect = mounted.scroll.height / mounted.scroll.width
print(f"繁简同一：{same_prompt}；装裱不改画、重画逐位相同：{same_bits}；立轴高宽比 {aspect:.2f}")

# %% tags=["figures"]
{
    "读出的景物": round(found / wanted, 3),
    "立轴的高宽比": round(aspect, 2),
    "一组名句的张数": len(drawn),
}

# %%
assert found == wanted and not drawn_though_absent
assert same_prompt and all(same_bits)
assert edited != first.prompt
assert aspect >= 2.9 and better.prompt != plain.prompt == "湖面上的小船"

# %% [markdown]
# ## 延伸
#
# - `pai-modelscope generate --poem '...' --scroll` 在终端里做同样的事；`--beautify` 补全普通的提示词。
# - 提示词体检与热力图见 Notebook 02：一个词没有画出来，先看看模型学过没有。
# - 横幅：给 `width=768, height=256`，装裱出来就是手卷。
# - 用自己的模型：在模型目录里放一个 `vocabulary.json`，读诗时就只用它学过的词与画风。
