"""Captions of icons. What they say beside the subject is nothing that a painter of scenes can show.

Version 1 called icons 雾蒙蒙的 and placed them 在湖面上, which taught it to read past these words. Version 2 paints
mist and lakes, so that an icon's caption must not speak of them.
"""

from recipes.mini.captions import OPENINGS, CaptionWriter

MODIFIERS = (
    *("可爱的", "漂亮的", "小小的", "有趣的", "精致的", "简单的", "快乐的", "神秘的", "复古的", "生动的"),
    *("干净的", "迷人的", "特别的", "普通的", "常见的", "好看的", "精美的", "别致的"),
)
PLACES = ("在纸上", "在卡片上", "在屏幕上", "在书页上", "在贴纸上", "在徽章上", "在封面上", "在海报上")
# 一只火车 is nobody's word: compositions count with the right measure words.
_OPENINGS = tuple(opening for opening in OPENINGS if opening != "一只")


def icon_captions(seed: int, with_style: float = 0.7) -> CaptionWriter:
    """A writer of icons' captions. `with_style`: the share that names the style."""
    return CaptionWriter(seed, with_style, MODIFIERS, PLACES, _OPENINGS)
