"""`pai-modelscope demo`: the first pictures, drawn the way a ModelScope user would draw them."""

import argparse
import statistics
import time

from pai_modelscope.cli.output_folder import Folder
from pai_modelscope.cli.terminal import Commands, program, quieten_bars, say, show
from pai_modelscope.config.model import DEFAULT_MODEL

SEED = 7
PROMPTS = (
    "雾蒙蒙的日出在湖面上",
    "青绿山水,群山,松树,白云",
    "油画,金色的黄昏,大海,帆船",
    "剪纸,月夜的古城,红灯笼",
    "孤舟蓑笠翁,独钓寒江雪",
    "一只小船在星空里航行",
    "短发女孩头像,戴眼镜",
    "猫头鹰,三维立体风格",
)
NEXT = """
Next:
  {program} generate '水墨画,雪后的山村' --num-images 4
  {program} generate --poem '空山新雨后,天气晚来秋' --scroll
  {program} zoo list
  make lab      opens the notebooks; 01 is the same from Python, in ModelScope and in plain diffusers"""


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser("demo", help="eight pictures by the model that ships")
    parser.add_argument("--output", default="out/demo", metavar="DIR", help="default: out/demo")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Draw `PROMPTS` through `modelscope.pipelines.pipeline`; print where they are and how long one took."""
    from pai_modelscope import model_dir

    folder = Folder(args.output)
    say("loading PyTorch, ModelScope and the model")
    from modelscope.pipelines import pipeline

    quieten_bars()
    pipe = pipeline("text-to-image-synthesis", str(model_dir(DEFAULT_MODEL)))
    images, seconds = [], []
    for prompt in PROMPTS:
        start = time.perf_counter()
        result = pipe({"text": prompt, "seed": SEED, "output_type": "pil"})
        seconds.append(time.perf_counter() - start)
        image, text = result["output_imgs"][0], result["infotext"][0]
        path = folder.save(image, f"seed{SEED}", text)
        images.append(image)
        show(f"{path}  {prompt}")
    sheet = folder.save_sheet(images, list(PROMPTS))
    width, height = images[0].size
    show(f"\n{len(images)} pictures in {folder.path}/, all on one page: {sheet}")
    show(f"{statistics.median(seconds):.1f} s a picture ({width} x {height})")
    show(NEXT.format(program=program()))
