"""What a picture can be of, when and where, and how it is painted: the words for each, and how each kind is ordered.

Poems are read into these concepts, the beautifier looks for them in a prompt, and prompts are made of their words.
"""

from typing import Literal, NamedTuple

Kind = Literal["thing", "place", "season", "time", "weather", "mood", "style"]
# The order in which a prompt names them.
KINDS: tuple[Kind, ...] = ("place", "thing", "season", "time", "weather", "mood", "style")


class Concept(NamedTuple):
    """`words`: what a prompt says for it, the plainest first; all of them mean it wherever they stand in a prompt."""

    name: str
    kind: Kind
    words: tuple[str, ...]


_TABLES: dict[Kind, str] = {
    "place": """
        湖: 湖面 湖 湖水 湖边 湖畔
        群山: 群山 山峰 群峰 崇山峻岭
        小桥流水: 小桥流水
        村庄: 村庄 山村 小村 村落 乡村
        大海: 大海 海 海面 海洋
        沙漠: 沙漠 大漠 沙丘
        园林: 园林 庭院 花园
        古城: 古城 宫殿 城堡
        城市: 城市 都市
        竹林: 竹林
        荷塘: 荷塘 荷花池
        草原: 草原
        梯田: 梯田
        森林: 森林 树林
        花海: 花海
        河: 河流 江河 河水 江面 河
        溪流: 小溪 溪流 溪水
        池塘: 池塘 池水
        泉水: 泉水 清泉
        田野: 田野 原野 田地
        河岸: 河岸 岸边
        小岛: 小岛 岛屿
        街道: 街道 小巷
    """,
    "thing": """
        远山: 山 远山 青山 高山
        雪山: 雪山
        瀑布: 瀑布
        云海: 云海
        石头: 石头 岩石 山石
        日出: 日出 朝阳
        太阳: 太阳 烈日
        落日: 日落 落日 夕阳
        明月: 月亮 明月 满月 圆月
        弯月: 弯月 月牙 新月
        星空: 星空 银河 星星
        白云: 云 白云 云朵
        彩霞: 彩霞 云霞 晚霞 霞光
        彩虹: 彩虹
        松树: 松树 松
        柳树: 柳树 垂柳 柳
        绿树: 绿树 大树 树
        花树: 花 花树 鲜花 桃花
        红叶: 红叶 枫叶 枫树
        黄叶: 落叶 黄叶
        枯树: 枯树
        竹子: 竹子
        梅花: 梅花
        荷花: 荷花 莲花
        荷叶: 荷叶
        芦苇: 芦苇
        菊花: 菊花
        牡丹: 牡丹 牡丹花
        兰花: 兰花
        芭蕉: 芭蕉
        草地: 草地 青草 小草 草
        青苔: 青苔
        稻田: 水稻 稻田 稻穗
        果子: 水果 果子
        小路: 小路 小径
        亭子: 亭子 凉亭
        寺塔: 寺庙 寺塔 宝塔
        茅屋: 茅屋 木屋
        民居: 房屋 房子 民居
        楼阁: 楼阁 楼台
        城楼: 城楼 城门
        城墙: 城墙
        高楼: 高楼 高楼大厦
        门: 门 大门
        窗: 窗户 窗
        篱笆: 篱笆
        水井: 水井
        小桥: 小桥 桥 拱桥
        小船: 小船 船 小舟
        帆船: 帆船
        龙舟: 龙舟
        渔翁: 渔翁 渔夫
        牧童: 牧童
        灯塔: 灯塔
        蒙古包: 蒙古包
        月洞门: 月洞门
        灯笼: 灯笼 红灯笼
        灯火: 灯火 灯
        蜡烛: 蜡烛
        炊烟: 炊烟
        烟花: 烟花 爆竹
        沙滩: 沙滩
        海浪: 海浪 波浪 浪花
        飞鸟: 鸟 飞鸟 小鸟
        燕子: 燕子
        大雁: 大雁
        白鹭: 白鹭
        雄鹰: 鹰 雄鹰
        乌鸦: 乌鸦
        喜鹊: 喜鹊
        凤凰: 凤凰
        鸳鸯: 鸳鸯
        仙鹤: 仙鹤 白鹤
        鸭子: 鸭子
        鸡: 公鸡 鸡
        鱼: 鱼
        龙: 龙
        蝴蝶: 蝴蝶
        蝉: 蝉
        萤火虫: 萤火虫
        马: 马 骏马
        羊: 绵羊 羊
        水牛: 水牛 牛
        鹿: 鹿
        狗: 狗
        猿猴: 猴子 猿猴
        老虎: 老虎
        骆驼: 骆驼
        行人: 行人 旅人
        美人: 美人 女子
        将士: 将士 士兵
        儿童: 儿童 孩子
        僧人: 僧人
        酒: 酒 酒杯
        茶: 茶
        琴: 古琴 琴
        笛子: 笛子
        琵琶: 琵琶
        钟: 钟
        鼓: 鼓
        剑: 剑 宝剑
        弓箭: 弓箭
        旗: 旗帜 旗
        书: 书
        信: 信
        镜子: 镜子
        扇子: 扇子
        伞: 伞
        马车: 马车
        秋千: 秋千
        风筝: 风筝
        珍珠: 珍珠
        雪人: 雪人
        冰: 冰
        火: 火
    """,
    "season": """
        春: 春天 春日 春季
        夏: 夏天 夏日 夏季
        秋: 秋天 秋日 秋季
        冬: 冬天 冬日 冬季
    """,
    "time": """
        清晨: 清晨 早晨 黎明 拂晓
        白天: 白天 白日里 午后 正午
        黄昏: 傍晚 黄昏 日暮
        夜晚: 夜晚 夜里 深夜 夜色 夜景
    """,
    "weather": """
        晴: 晴天 晴朗 晴空
        雾: 薄雾 雾 雾气 晨雾 雾蒙蒙
        雨: 细雨 雨 下雨 大雨 雨中
        雪: 雪 雪花 下雪 大雪 飘雪
        雨后: 雨后
        霜: 霜
        乌云: 乌云
        闪电: 闪电
    """,
    "mood": """
        宁静: 宁静 安静 静谧
        孤寂: 孤独 孤寂 寂静
        忧伤: 忧伤 忧愁 悲伤
        欢快: 欢快 快乐 喜庆
        壮阔: 壮阔 辽阔 气势磅礴
    """,
    "style": """
        水墨画: 水墨画 水墨 中国画 国画 水墨风格
        青绿山水: 青绿山水
        水彩画: 水彩画 水彩
        油画: 油画
        扁平风景: 扁平风景
        剪纸: 剪纸
        版画: 版画
        动漫风景: 动漫风景 动漫风格
    """,
}


# What a concept is a kind of: said where a model knows the word for the kind alone.
BROADER = {
    **dict.fromkeys(("燕子", "大雁", "白鹭", "雄鹰", "乌鸦", "喜鹊"), "飞鸟"),
    "鸳鸯": "鸭子",
    "黄叶": "绿树",
    "城楼": "楼阁",
}


def _concepts() -> dict[str, Concept]:
    """By name; a name stands once."""
    concepts: dict[str, Concept] = {}
    for kind, table in _TABLES.items():
        for line in table.strip().splitlines():
            name, _, words = line.strip().partition(": ")
            concepts[name] = Concept(name, kind, tuple(words.split()))
    return concepts


CONCEPTS = _concepts()
