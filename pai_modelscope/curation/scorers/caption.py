"""What a caption says of itself: its length, its language, and signs that it does not describe its picture."""

import re
from collections.abc import Sequence

from pai_modelscope.curation.pairs import Pair
from pai_modelscope.curation.scorer import Scorer, Scores, Value

_CHINESE = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")
_ADDRESS = re.compile(r"https?:|www\.|\w+@\w+\.|[\w-]+\.(?:com|cn|net|org|cc|tv)(?![\w])", re.IGNORECASE | re.ASCII)
_PHONE = re.compile(r"(?<!\d)(?:1[3-9]\d{9}|400[- ]?\d{3}[- ]?\d{4}|0\d{2,3}[- ]\d{7,8})(?!\d)")
# Words of shops, which describe an offer and no picture.
_ADVERT = re.compile(
    "包邮|批发|厂家|价格|报价|促销|特价|优惠|折扣|代理|加盟|旗舰店|正品|现货|供应|专卖|热卖|新款|爆款|秒杀|微信|加微|"
    "咨询|电话|客服|官网|点击|下载|免费|淘宝|天猫|京东|拼多多|阿里巴巴"
)


class CaptionScorer(Scorer):
    """`characters`: without white space; `chinese`: their share that are Chinese characters; `repeated`: the share of
    the most frequent one."""

    def score(self, pairs: Sequence[Pair]) -> Scores:
        rows = [_row(pair.caption) for pair in pairs]
        return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}

    def digest(self) -> str:
        return "1"


def _row(caption: str) -> dict[str, Value]:
    text = "".join(caption.split())
    most = max((text.count(character) for character in set(text)), default=0)
    return {
        "characters": len(text),
        "chinese": round(len(_CHINESE.findall(text)) / len(text), 4) if text else 0.0,
        "address": _ADDRESS.search(caption) is not None,
        "phone": _PHONE.search(caption) is not None,
        "advert": _ADVERT.search(caption) is not None,
        "repeated": round(most / len(text), 4) if text else 0.0,
    }
