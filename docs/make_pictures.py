"""The pictures of the README and of the model card, made with the shipped model: `make readme-pictures`."""

from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from pai_modelscope.cli.demo import PROMPTS, SEED
from recipes.mini_v2.draw import TEXTS, draw, prompts_of

HERE = Path(__file__).resolve().parent / "images"
CARD = HERE.parents[1] / "pai_modelscope/assets/pai-diffusion-mini-zh/samples.webp"
EDITING_SEED = 3
TAUGHT = (  # result, method, what the base model draws, what was taught
    ("lora/outline", "LoRA", "房子,描边卡通风格", "房子,描边卡通风格"),
    ("textual-inversion/sunflower", "Textual Inversion", "花,柔和彩绘风格", "<向日葵>,柔和彩绘风格"),
    ("dreambooth/penguin", "DreamBooth", "鸟,柔和彩绘风格", "朵拉鸟,柔和彩绘风格"),
    ("food/full", "继续预训练", "草莓,渐变卡通风格", "草莓,渐变卡通风格"),
)
SIDE = 256  # what the model draws


def main() -> None:
    from pai_modelscope.sampling import Sampler

    HERE.mkdir(exist_ok=True)
    sampler = Sampler.from_pretrained("pai-diffusion-mini-zh", device="cpu")
    print(demo(sampler, HERE / "demo.png"))
    print(card(sampler, CARD))
    print(editing(sampler, HERE / "editing.png"))
    print(training(sampler, HERE / "training.png"))


def demo(sampler: Any, path: Path) -> Path:
    """What `make demo` draws."""
    from pai_modelscope.images import contact_sheet

    pictures = [_draw(sampler, prompt, seed=SEED) for prompt in PROMPTS]
    contact_sheet(pictures, list(PROMPTS), 4).save(path, optimize=True)
    return path


def card(sampler: Any, path: Path) -> Path:
    """All of the 64 prompts that were fixed before training, none left out, none drawn twice."""
    from diffusers.utils import make_image_grid

    pictures = draw(sampler, prompts_of(TEXTS / "prompts64.jsonl"), 16, (SIDE, SIDE))
    small = [picture.resize((160, 160), Image.Resampling.LANCZOS) for picture in pictures]
    make_image_grid(small, 8, 8).save(path, quality=80, method=6)
    return path


def editing(sampler: Any, path: Path) -> Path:
    """A column for each way to draw from a picture: what is given above, what is drawn below."""
    from pai_modelscope.images import contact_sheet

    columns = [column(sampler) for column in (_img2img, _inpaint, _outpaint, _control)]
    cells = [column[row] for row in (0, 1) for column in columns]
    pictures = [picture.resize((200, 200), Image.Resampling.LANCZOS) for picture, _ in cells]
    contact_sheet(pictures, [label for _, label in cells], len(columns)).save(path, optimize=True)
    return path


def training(sampler: Any, path: Path) -> Path:
    """Before and after what the notebooks of training left in notebooks/out: run `make notebooks` first."""
    from pai_modelscope.images import contact_sheet
    from pai_modelscope.sampling import Sampler

    above, below = [], []
    for folder, how, before, after in TAUGHT:
        taught = Sampler.from_pretrained(HERE.parents[1] / "notebooks/out" / folder / "result", device="cpu")
        above.append((_draw(sampler, before, seed=SEED), before))
        below.append((_draw(taught, after, seed=SEED), f"{how}：{after}"))
    pictures = [picture.resize((200, 200), Image.Resampling.LANCZOS) for picture, _ in above + below]
    contact_sheet(pictures, [label for _, label in above + below], len(TAUGHT)).save(path, optimize=True)
    return path


Column = tuple[tuple[Image.Image, str], tuple[Image.Image, str]]


def _draw(sampler: Any, text: str, seed: int = EDITING_SEED, **options: Any) -> Image.Image:
    return sampler(text, seed=seed, **options)[0].image


def _img2img(sampler: Any) -> Column:
    boat = Image.new("RGB", (SIDE, SIDE), "white")
    pen = ImageDraw.Draw(boat)
    pen.polygon([(40, 150), (216, 150), (186, 204), (70, 204)], fill="brown")
    pen.polygon([(124, 40), (124, 140), (50, 140)], fill="orange")
    pen.polygon([(136, 60), (136, 140), (196, 140)], fill="gold")
    pen.line((130, 30, 130, 150), fill="black", width=4)
    drawn = _draw(sampler, "帆船,三维立体风格", image=boat, strength=0.7)
    return (boat, "原图：草图"), (drawn, "以图生图：帆船,三维立体风格")


def _inpaint(sampler: Any) -> Column:
    house = _draw(sampler, "房子,扁平插画风格,浅蓝色背景", seed=5)
    mask = Image.new("L", house.size)
    ImageDraw.Draw(mask).rectangle((8, 8, 72, 72), fill=255)
    text = "太阳,扁平插画风格,浅蓝色背景"
    drawn = _draw(sampler, text, image=house, mask=mask, mask_only=True, mask_padding=0)
    shown = house.copy()
    shown.paste("white", mask=mask)
    return (shown, "原图与遮罩"), (drawn, "局部重绘：太阳")


def _outpaint(sampler: Any) -> Column:
    text = "蝴蝶,扁平插画风格,浅蓝色背景"
    half = _draw(sampler, text, seed=7).crop((0, 0, SIDE // 2, SIDE))
    drawn = _draw(sampler, text, seed=1, image=half, outpaint=(0, SIDE // 2, 0, 0))
    shown = Image.new("RGB", (SIDE, SIDE), (225, 225, 225))
    shown.paste(half)
    return (shown, "原图：半张"), (drawn, "外扩：蝴蝶")


def _control(sampler: Any) -> Column:
    from pai_modelscope.data import open_dataset
    from pai_modelscope.images.annotators import annotate

    held = open_dataset("control_test", size=SIDE)
    bear = held[held["name"].index("熊")]["image"]
    drawn = _draw(sampler, "熊猫,三维立体风格", control={"canny": bear})
    return (annotate("canny", bear), "边缘（Canny）"), (drawn, "按边缘：熊猫,三维立体风格")


if __name__ == "__main__":
    main()
