"""Sheets of pictures to look at, because figures miss what eyes see at once."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pai_modelscope.evaluation import prompts
from pai_modelscope.evaluation.prompts import ARTICLE, Case
from pai_modelscope.evaluation.rows import Bench
from pai_modelscope.images.colors import NAMED_COLOURS

SENTENCES = (
    ARTICLE,
    "雾蒙蒙的日出在湖面上,扁平插画风格",
    "下雪的山",
    "月亮和星星",
    "戴眼镜的猫",
    "一只可爱的熊猫在草地上",
    "请画一辆红色的汽车",
    "樱花,粉色背景",
    "海边的房子",
    "快乐的小狗,三维立体风格",
    "夜晚的城市",
    "画一条蓝色的鲸鱼",
)
NAMES = 8
PAIRS = 12


def names_by_style(bench: Bench) -> tuple[list[str], int]:
    """Names down, styles across: names that were trained in the most styles."""
    trained = bench.pictures.of("train")
    counts = Counter({record.name: 0 for record in prompts.shuffled(trained, "sheet")})
    counts.update(name for name, _ in {(record.name, record.style_id) for record in trained})
    styles = sorted({record.style for record in trained})
    names = [name for name, _ in counts.most_common(NAMES)]
    return [f"{name},{style}" for name in names for style in styles], len(styles)


def backgrounds(bench: Bench) -> tuple[list[str], int]:
    names = [record.name for record in prompts.sample(bench.pictures.of("train"), 3)]
    return [f"{name},{colour}背景" for name in names for colour in NAMED_COLOURS], len(NAMED_COLOURS)


def write_sheets(bench: Bench, folder: Path) -> None:
    """Write the sheets as PNG; a data set without trained pictures gives fewer of them."""
    from pai_modelscope.images import contact_sheet

    sheets = {
        "sentences": (list(SENTENCES), 4),
        "names_by_style": names_by_style(bench),
        "backgrounds": backgrounds(bench),
        "two_objects": ([case.prompt for case in prompts.two_objects(bench.pictures, 2 * PAIRS)], 6),
    }
    for name, (texts, columns) in sheets.items():
        if texts:
            images = bench.draw_prompts([(text, 0) for text in texts], {})
            contact_sheet(images, texts, columns).save(folder / f"{name}.png")
    for split in ("held_pair", "train"):
        _beside_real(bench, prompts.named(bench.pictures, split, 2 * PAIRS), folder / f"{split}.png")


def _beside_real(bench: Bench, cases: Sequence[Case], path: Path) -> None:
    """Real drawings, and beside each what the model drew for its name and style."""
    from pai_modelscope.images import contact_sheet

    if not cases:
        return
    real, drawn = bench.real([case.scene for case in cases]), bench.draw(cases, {})
    images = [image for pair in zip(real, drawn, strict=True) for image in pair]
    labels = [label for case in cases for label in ("真实:" + case.scene.records[0].name, case.prompt)]
    contact_sheet(images, labels, 8).save(path)
