"""Rules: what they say, and that nothing of them is run."""

import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from pai_modelscope.curation.rules import read_rule
from pai_modelscope.errors import UserError

TABLE = pa.table(
    {
        "clip": pa.array([0.1, 0.2, 0.3, None], pa.float32()),
        "advert": [True, False, False, False],
        "side": [64, 128, 256, 512],
        "caption": ["猫", "狗", "鱼", "鸟"],
    }
)


def kept(rule: str) -> list[int]:
    found = ds.dataset(TABLE).to_table(filter=read_rule(rule, TABLE.schema.names))
    return list(found["side"].to_pylist())


@pytest.mark.parametrize(
    ("rule", "sides"),
    [
        ("clip >= 0.15", [128, 256]),
        ("not clip >= 0.15", [64]),
        ("not advert", [128, 256, 512]),
        ("clip > 0.15 and side < 200 or advert", [64, 128]),
        ("100 < side <= 256", [128, 256]),
        ("side * 2 - 28 >= 228", [128, 256, 512]),
        ("caption in ['猫', '鸟']", [64, 512]),
        ("side not in (64, 512)", [128, 256]),
        ("caption == '狗'", [128]),
        ("clip > -1", [64, 128, 256]),
        (" ( side / 2 ) == 32 ", [64]),
    ],
)
def test_what_is_kept(rule: str, sides: list[int]) -> None:
    assert kept(rule) == sides


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("", "can't be read"),
        ("clip >", "can't be read"),
        ("clp > 1", "there is no column 'clp'; valid are advert, caption, clip, side"),
        ("clip", None),
        ("1 < 2", "names no column"),
        ("__import__('os').system('true')", "is no condition"),
        ("clip.__class__ == 1", "is no number, text or column"),
        ("(lambda: 1)() > side", "is no number, text or column"),
        ("[x for x in side] == 1", "is no number, text or column"),
        ("side ** 99999999 > 1", "is no number, text or column"),
        ("side + 'a' > 1", "computes with a text"),
        ("1 / 0 < side", "can't be computed"),
        ("side is None", "no comparison"),
        ("side in caption", "after 'in' comes a list"),
        ("(" * 100 + "side > 1" + ")" * 100, None),
        ("not " * 60 + "advert", "nests deeper"),
        ("side > " + "9" * 3000, "has 3007 characters"),
        ("f'{side}' == 1", "is no number, text or column"),
    ],
)
def test_what_is_no_rule(rule: str, says: str | None) -> None:
    if says is None:
        read_rule(rule, TABLE.schema.names)
        return
    with pytest.raises(UserError) as error:
        read_rule(rule, TABLE.schema.names)
    assert says in str(error.value)
