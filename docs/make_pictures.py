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
    ("food/full", "继续预训练", "汤圆,写实美食", "汤圆,写实美食"),
)
SIDE = 256  # what the model draws


def main() -> None:
    from pai_modelscope.sampling import Sampler

    HERE.mkdir(exist_ok=True)
    sampler = Sampler.from_pretrained("pai-diffusion-mini-zh", device="cpu")
    print(demo(sampler, HERE / "demo.webp"))
    print(card(sampler, CARD))
    print(editing(sampler, HERE / "editing.webp"))
    print(training(sampler, HERE / "training.webp"))


def demo(sampler: Any, path: Path) -> Path:
    """What `make demo` draws."""
    from pai_modelscope.images import contact_sheet

    pictures = [_draw(sampler, prompt, seed=SEED) for prompt in PROMPTS]
    contact_sheet(pictures, list(PROMPTS), 4).save(path, quality=92, method=6)
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
    contact_sheet(pictures, [label for _, label in cells], len(columns)).save(path, quality=92, method=6)
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
    contact_sheet(pictures, [label for _, label in above + below], len(TAUGHT)).save(path, quality=92, method=6)
    return path


Column = tuple[tuple[Image.Image, str], tuple[Image.Image, str]]


def _draw(sampler: Any, text: str, seed: int = EDITING_SEED, **options: Any) -> Image.Image:
    return sampler(text, seed=seed, **options)[0].image


def _img2img(sampler: Any) -> Column:
    boat = Image.new("RGB", (SIDE, SIDE), (250, 190, 120))
    pen = ImageDraw.Draw(boat)
    pen.ellipse((170, 60, 215, 105), fill=(255, 110, 60))
    pen.rectangle((0, 150, SIDE, SIDE), fill=(60, 90, 160))
    pen.polygon([(60, 170), (150, 170), (135, 200), (75, 200)], fill=(90, 40, 20))
    pen.polygon([(100, 70), (100, 165), (55, 165)], fill=(240, 230, 210))
    pen.polygon([(108, 90), (108, 165), (150, 165)], fill=(240, 230, 210))
    drawn = _draw(sampler, "油画,黄昏的大海,帆船,落日", image=boat, strength=0.6)
    return (boat, "原图：草图"), (drawn, "以图生图：油画,黄昏的大海")


def _inpaint(sampler: Any) -> Column:
    lake = _draw(sampler, "水墨画,湖面,远山,小船", seed=5)
    mask = Image.new("L", lake.size)
    ImageDraw.Draw(mask).rectangle((150, 16, 240, 106), fill=255)
    drawn = _draw(sampler, "水墨画,湖面,远山,小船,红日", image=lake, mask=mask)
    shown = lake.copy()
    shown.paste("white", mask=mask)
    return (shown, "原图与遮罩"), (drawn, "局部重绘：红日")


def _outpaint(sampler: Any) -> Column:
    text = "青绿山水,群山,松树,白云"
    half = _draw(sampler, text, seed=7).crop((0, 0, SIDE // 2, SIDE))
    drawn = _draw(sampler, text, seed=1, image=half, outpaint=(0, SIDE // 2, 0, 0))
    shown = Image.new("RGB", (SIDE, SIDE), (225, 225, 225))
    shown.paste(half)
    return (shown, "原图：半张"), (drawn, "外扩：青绿山水")


def _control(sampler: Any) -> Column:
    drawing = rough_drawing()
    drawn = _draw(sampler, "油画,秋天的湖面,黄昏,小船", control={"sketch": drawing})
    return (drawing, "涂鸦"), (drawn, "涂鸦成山水：油画,秋天,黄昏")


def rough_drawing() -> Image.Image:
    """Two mountains, a lake, a boat, a tree and the sun, in the palette of sketches."""
    from pai_modelscope.images.sketch_palette import SKETCH_COLOURS as INK

    drawing = Image.new("RGB", (SIDE, SIDE), INK["天"])
    pen = ImageDraw.Draw(drawing)
    pen.ellipse((24, 16, 52, 44), fill=INK["日月"])
    pen.polygon([(0, 160), (72, 60), (144, 160)], fill=INK["山"])
    pen.polygon([(90, 160), (180, 40), (SIDE, 160)], fill=INK["山"])
    pen.rectangle((0, 160, SIDE, SIDE), fill=INK["水"])
    pen.polygon([(60, 200), (120, 200), (108, 216), (72, 216)], fill=INK["船"])
    pen.polygon([(SIDE, 208), (168, SIDE), (SIDE, SIDE)], fill=INK["地"])
    pen.rectangle((214, 190, 222, 224), fill=INK["树"])
    pen.ellipse((188, 132, 248, 192), fill=INK["树"])
    return drawing


if __name__ == "__main__":
    main()
