"""What can be in a composition: what captions call it, how it is counted, how large it is, where it can be.

Only what is certain is in the table: a bird that is drawn on a branch does not fly, a head stands nowhere.
"""

from dataclasses import dataclass

# A letter for every collection, so that a line below can say in which of them a thing is drawn whole and from the side.
COLLECTIONS = {
    "t": "twemoji",
    "f": "fluent-emoji-flat",
    "e": "emojione",
    "x": "fxemoji",
    "n": "noto",
    "v": "noto-v1",
    "u": "fluent-emoji",
    "g": "fluent-emoji-3d",
    "o": "openclipart",
    "h": "sweethome3d",
}
LAND, WATER, AIR = "land", "water", "air"
_PLACES = {"l": LAND, "w": WATER, "a": AIR}
_ALL = "tfexnvug"

# The record's name, the word of captions where it is another one ('-': the same), measure words (the first is the
# plainest), the size among the things of a scene (its longer side, 1 is the picture), where it can be (l: it stands or
# lies on land, w: it swims on water, a: it flies), and in which collections it is drawn so. Without the last two a
# thing is on plain grounds alone.
_TABLE = f"""
猫|-|只|0.22|l|tfnvug
黑猫|-|只|0.22|l|tfnug
狗|-|只 条|0.24|l|tfnvug
贵宾犬|-|只|0.22|l|fxnvug
斑点狗|-|只|0.24
兔子|-|只|0.20|l|tfnvug
老虎|-|只|0.32|l|tfnvug
豹子|-|只|0.30|l|tfnvug
狮子|-|只|0.3
狐狸|-|只|0.24
狼|-|只|0.28
熊|-|只|0.3
熊猫|-|只|0.3
考拉|-|只|0.24
北极熊|-|只|0.3
猪|-|头 只|0.25|l|tfnvug
奶牛|-|头|0.32|l|tfxnvug
公牛|-|头|0.32|l|tfxnvug
山羊|-|只|0.26|l|fenvug
公鸡|-|只|0.20|l|tfexnvug
小鸡|-|只|0.15|l|tfenvug
火鸡|-|只|0.2|l|tfenvug
孔雀|-|只|0.26|l|tfnug
火烈鸟|-|只|0.26|l|tfnug
袋鼠|-|只|0.3|l|tfnug
犀牛|-|头|0.34|l|fnug
河马|-|头|0.32|l|tfnug
斑马|-|匹|0.32|l|fnug
猴子|-|只|0.26|l|tfnug
刺猬|-|只|0.18|l|fnug
龟|乌龟|只|0.2|l|{_ALL}
松鼠|-|只|0.2|l|{_ALL}
驴|-|头|0.3|l|tfnug
霸王龙|-|只|0.42|l|tfnug
蜥蜴类|恐龙|只|0.44|l|tfnug
大野牛|野牛|头|0.32|l|tfnug
獾|-|只|0.22|l|tfnug
臭鼬|-|只|0.2|l|tfnug
海狸|河狸|只|0.2|l|tfnug
渡渡鸟|-|只|0.24|l|tfnug
美洲鸵|羊驼|只|0.32|l|tfnug
老鼠|-|只|0.15|l|tfnvug
泰迪熊|-|只 个|0.2|l|tfnug
鹅|-|只|0.24|l|tfnug
青蛙|-|只|0.15
马|-|匹|0.34
鹿|-|只|0.32
双峰骆驼|骆驼|匹|0.34
独角兽|-|只|0.3
蛇|-|条|0.2
龙|-|条|0.4
蜘蛛|-|只|0.12
蚂蚁|-|只|0.1
瓢虫|-|只|0.1
毛毛虫|-|条|0.12
蝴蝶|-|只|0.14
蜜蜂|-|只|0.13|a|{_ALL}
鸟|-|只|0.16
鸽|鸽子|只|0.17|a|{_ALL}
鹰|老鹰|只|0.22|a|fnug
飞翔的老鹰|老鹰|只|0.24|a|o
蝙蝠|-|只|0.16|a|tfnvug
猫头鹰|-|只|0.2
鹦鹉|-|只|0.2
凤凰|-|只|0.26|a|tfnug
鸭子|-|只|0.18
天鹅|-|只|0.26|w|tfnug
鱼|-|条|0.2
热带鱼|-|条|0.18
河豚|-|条|0.2
鲸鱼|-|头 只|0.36|w|{_ALL}
喷水的鲸|喷水的鲸鱼|头 只|0.36|w|fenvug
海豚|-|只 条|0.28
鲨鱼|-|条|0.32
水母|-|只|0.2
蟹|螃蟹|只|0.18
海螺|-|只 个|0.14
飞机|-|架|0.26|a|{_ALL}
小型飞机|小飞机|架|0.24|a|tfenvug
气球|-|个 只|0.2|a|{_ALL}
风筝|-|只|0.22|a|tfnug
飞碟|-|个 架|0.24|a|tfnug
降落伞|-|个|0.26|a|tfnug
热气球|-|个|0.3|a|o
船|轮船|艘|0.36|w|fnug
快艇|-|艘|0.28|w|n
帆船|-|艘|0.34
汽车|-|辆|0.32|l|fexnvug
出租车|-|辆|0.32|l|{_ALL}
公交车|-|辆|0.42|l|{_ALL}
货车|-|辆|0.4|l|{_ALL}
消防车|-|辆|0.4|l|{_ALL}
救护车|-|辆|0.38|l|{_ALL}
警车|-|辆|0.32|l|{_ALL}
拖拉机|-|辆|0.34|l|{_ALL}
自行车|-|辆|0.26|l|tfxnvug
摩托车|-|辆|0.28|l|tfnvug
运动型多用途车|越野车|辆|0.34|l|{_ALL}
三轮摩托车|三轮车|辆|0.32|l|tfnug
蒸汽火车|-|列|0.4
房子|-|座 栋|0.44|l|tfenvug
教堂|-|座|0.5|l|tfenvug
欧洲城堡|城堡|座|0.54|l|tfexnvug
帐篷|-|顶 座|0.34|l|tfvug
马戏团帐篷|-|顶 座|0.42|l|tfenvug
喷泉|-|座|0.34|l|fenvug
邮筒|-|个|0.26|l|tfenvug
圣诞树|-|棵|0.44|l|{_ALL}
松树|-|棵|0.44
落叶树|树|棵|0.44
棕榈树|-|棵|0.44
盆栽植物|盆栽|盆|0.24
郁金香|-|朵 枝|0.24
玫瑰|-|朵 枝|0.24
红玫瑰|-|朵 枝|0.24
芙蓉|芙蓉花|朵|0.2
樱花|-|朵|0.2
花束|-|束|0.24
四叶草|-|株 片|0.2
枫叶|-|片|0.2
星星|-|颗|0.2
云|-|朵|0.26
弯月|月牙|弯 个|0.22
满月|月亮|个|0.24
太阳|-|个|0.26
彩虹|-|道|0.3
伞|-|把|0.24
椅子|-|把|0.26
床|-|张|0.3
门|-|扇|0.34
窗户|-|扇|0.26
电视机|-|台|0.26
台式电脑|电脑|台|0.26
笔记本电脑|-|台|0.24
手机|-|部|0.2
相机|照相机|台|0.2
收音机|-|台|0.2
电话|-|部|0.2
闹钟|-|个|0.2
座钟|-|台 个|0.2
灯泡|-|个 只|0.2
蜡烛|-|支 根|0.2
合上的书本|书|本|0.2
铅笔|-|支|0.2
画笔|-|支|0.2
剪刀|-|把|0.2
锤子|-|把|0.2
扳手|-|把|0.2
斧头|-|把|0.2
钥匙|-|把|0.2
合上的锁|锁|把|0.2
铃铛|-|个|0.2
鼓|-|面 个|0.24
小提琴|-|把|0.24
小号|-|把 支|0.24
萨克斯管|-|支|0.24
三角钢琴|-|架|0.4
足球|-|个|0.2
篮球|-|个|0.2
礼物|礼物盒|个|0.2
奖杯|-|座 个|0.2
礼帽|-|顶|0.2
眼镜|-|副|0.2
墨镜|-|副|0.2
书包|-|个|0.2
手提包|-|个|0.2
钱袋|-|个|0.2
筐|篮子|个 只|0.22
桶|水桶|个 只|0.2
包裹|-|个|0.2
购物车|-|辆|0.24
扫帚|-|把|0.24
梯子|-|架|0.3
磁铁|-|块|0.2
望远镜|-|架|0.24
显微镜|-|台|0.24
水晶球|-|个|0.22
骰子|-|颗 个|0.18
机器人|-|个|0.24
宝石|钻石|颗|0.18
戒指|-|枚|0.18
锚|船锚|个|0.24
指南针|-|个|0.2
游戏手柄|-|个|0.2
滑板|-|块|0.24
雪橇|-|架|0.28
"""


@dataclass(frozen=True)
class Noun:
    """A thing as captions call it. `record`: the name of its pictures; `size`: of its longer side in a scene, as a
    share of the picture's shorter side; `place`: LAND, WATER, AIR, or '' for plain grounds alone; `sides`: the
    collections in which it can be there."""

    record: str
    word: str
    measures: tuple[str, ...]
    size: float
    place: str
    sides: frozenset[str]

    @property
    def alive(self) -> bool:
        """Whether it swims and stands, where a thing floats and is put."""
        return self.measures[0] in ("只", "头", "匹", "条") and self.word not in ("气球", "风筝", "泰迪熊")


def _noun(line: str) -> Noun:
    record, word, measures, size, place, letters = [*line.split("|"), "", ""][:6]
    sides = frozenset(COLLECTIONS[letter] for letter in letters)
    return Noun(
        record, record if word == "-" else word, tuple(measures.split()), float(size), _PLACES.get(place, ""), sides
    )


NOUNS: dict[str, Noun] = {noun.record: noun for noun in map(_noun, _TABLE.split("\n")[1:-1])}
BUILDINGS = ("房子", "教堂", "城堡", "帐篷", "马戏团帐篷")  # what something small can stand in front of
SQUARE = ("书", "手机", "门", "窗户", "床", "货车", "公交车")  # what fills its box to the corners
