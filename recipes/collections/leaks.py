"""What the base UNet must never see: the twelve held-out concepts, and food and drink, in Chinese and in English."""

import re

from recipes.collections.pictures import Picture

# By concept of `recipes.mini.dataset.splits.HELD_CONCEPTS`: further names, and who is drawn with the thing.
HELD_CHINESE = {
    "大象": ("大象", "小象", "象头"),
    "火箭": ("火箭", "导弹", "航天飞机"),
    "吉他": ("吉他", "贝斯", "尤克里里"),
    "向日葵": ("向日葵", "太阳花", "葵花"),
    "企鹅": ("企鹅",),
    "皇冠": ("皇冠", "王冠", "花冠", "国王", "王后", "女王", "皇后", "王子", "公主"),
    "仙人掌": ("仙人掌", "仙人球"),
    "章鱼": ("章鱼", "八爪鱼"),
    "雪人": ("雪人",),
    "蜗牛": ("蜗牛",),
    "直升机": ("直升机", "直升飞机"),
    "长颈鹿": ("长颈鹿",),
}
# English, and the Italian, French and Dutch of Open Clip Art's titles. Tux is Linux's penguin.
HELD_ENGLISH = {
    "大象": "elephant|elefante|elefantone|olifant|mammoth",
    "火箭": "rocket|missile|razzo|space ?shuttle",
    "吉他": "guitar|chitarra|guitare|ukulele|banjo",
    "向日葵": "sun ?flower|girasole|tournesol",
    "企鹅": "penguin|pinguino|tux|linux",
    "皇冠": "crown|corona|couronne|tiara|king|queen|prince|princess|principessa|royal",
    "仙人掌": "cactus|cacti|saguaro",
    "章鱼": "octopus|polpo|piovra",
    "雪人": "snow ?man|pupazzo di neve",
    "蜗牛": "snail|lumaca|escargot",
    "直升机": "helicopter|chopper|elicottero",
    "长颈鹿": "giraffe|giraffa",
}
# Names that are food as a part of a longer one; an olive is food, an 橄榄球 is not, and neither is a trophy (奖杯).
_FOOD_PARTS = (
    "食物|食品|美食|水果|蔬菜|饮料|热饮|葡萄|甜瓜|西瓜|南瓜|黄瓜|橘子|橙子|柠檬|青柠|香蕉|菠萝|芒果|苹果|樱桃|草莓|蓝莓|猕猴桃|桃子|梨子|西红柿|番茄|"
    "橄榄(?!球)|椰子|鳄梨|牛油果|茄子|土豆|胡萝卜|萝卜|白菜|玉米|辣椒|灯笼椒|西兰花|大蒜|洋葱|花生|栗子|豌豆|蘑菇|竹笋|面包|羊角|卷饼|烙饼|华夫|芝士|奶酪|"
    "排骨|鸡腿|烤鸡|肉块|培根|汉堡|薯条|披萨|热狗|三明治|饼干|鸡蛋|煎蛋|沙拉|爆米花|黄油|罐头|盒饭|饭团|米饭|面条|意粉|寿司|天妇罗|月饼|饺子|火锅|烧烤|"
    "冰激凌|冰淇淋|雪糕|刨冰|甜甜圈|蛋糕|巧克力|糖果|棒棒糖|蜂蜜|奶瓶|牛奶|奶茶|咖啡|茶壶|热茶|茶叶|清酒|白酒|红酒|啤酒|葡萄酒|香槟|鸡尾酒|酒瓶|可乐|果汁|"
    "冰块|(?<!奖)杯|筷子|餐具|刀叉|勺|菜刀|平底锅|饭碗|盘子|小龙虾"
)
_FOOD_NAMES = "梨|桃|蒜|姜|豆|蛋|派|糖|盐|罐|匙|碗|锅|茶|酒|肉|饭|面|米|双耳瓶"
_FOOD_ENGLISH = (
    "food|fruit|vegetable|drink|beverage|grapes?|melon|watermelon|pumpkin|lemon|banana|pineapple|mango|apples?|"
    "pear|peach|cherry|cherries|strawberry|strawberries|tomato|olive|coconut|avocado|potato|carrot|corn|pepper|"
    "cucumber|broccoli|garlic|onion|peanut|beans?|chestnut|mushroom|toadstool|champignon|bread|croissant|"
    "cornetto|bagel|pancake|waffle|cheese|meat|bacon|hamburger|fries|pizza|hot ?dog|sandwich|tramezzino|egg|eggs|"
    "uovo|salad|popcorn|butter|spaghetti|pasta|rice|sushi|dumpling|fondue|ice ?cream|doughnut|donut|cookie|cake|"
    "cupcake|chocolate|candy|candied|lollipop|honey ?pot|baby ?bottle|biberon|(?<!spray )(?<!medicine )bottle|milk|"
    "coffee(?! table)|tea|teapot|wine|"
    "beer|cocktail|cup|mug|ice ?cube|chopsticks|fork(?! ?lift)|spoon|pan|scolapasta|platter|crawfish|turkey on platter|"
    "tacchino di natale|(?<!data )pie(?! chart)"
)
_HELD = {
    concept: (re.compile("|".join(HELD_CHINESE[concept])), re.compile(rf"\b(?:{HELD_ENGLISH[concept]})(?:e?s)?\d*\b"))
    for concept in HELD_CHINESE
}
_FOOD = re.compile(f"{_FOOD_PARTS}|^(?:{_FOOD_NAMES})$")
_FOOD_EN = re.compile(rf"\b(?:{_FOOD_ENGLISH})\d*\b")


def chinese_leak(text: str) -> str | None:
    """Return the held-out concept, or "food", that a Chinese text names; None if it names none."""
    concept = next((concept for concept, (chinese, _) in _HELD.items() if chinese.search(text)), None)
    return concept or ("food" if _FOOD.search(text) else None)


def english_leak(text: str) -> str | None:
    """Return the held-out concept, or "food", that an English title, path or icon name names; None if it names none."""
    words = " ".join(re.findall(r"[a-z]+|\d+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower()))
    concept = next((concept for concept, (_, english) in _HELD.items() if english.search(words)), None)
    return concept or ("food" if _FOOD_EN.search(words) else None)


def leak(picture: Picture) -> str | None:
    """Return what a picture would leak by any of its names, captions or attributes; None if nothing."""
    chinese = (picture.name, *picture.aliases, *picture.keywords, *picture.captions, *picture.attributes.values())
    found = next(filter(None, map(chinese_leak, chinese)), None)
    return found or english_leak(picture.en_name) or english_leak(picture.id)
