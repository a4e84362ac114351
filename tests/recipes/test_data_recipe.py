"""How the data set is made: names, families, splits and packing, on small examples worked out by hand."""

import json
import lzma
import re
from pathlib import Path

import pytest

from pai_modelscope.data import shipped_records
from pai_modelscope.data.shipped import FOLDER
from recipes.mini.dataset import names, pack, splits
from recipes.mini.dataset.build import read_records, write_records
from recipes.mini.dataset.codepoints import family, has_skin_tone, is_variant, key_of_hex, key_of_text, slug
from recipes.mini.dataset.packages import square_svg
from recipes.mini.dataset.sources import SOURCES, icon_title

SUMMARY = {
    "sources": {
        source.name: {
            "package": source.package,
            "version": "1.0.0",
            "license": source.license,
            "author": source.author,
        }
        for source in SOURCES
    },
    "tables": {"cldr-annotations-full": "1", "emojibase-data": "2", "@icon-park/svg": "3"},
}


@pytest.mark.parametrize(
    ("emoji", "key", "group"),
    [
        ("🍎", "1F34E", "1F34E"),
        ("❤️", "2764", "2764"),
        ("👋🏽", "1F44B-1F3FD", "1F44B"),
        ("👩‍🍳", "1F469-200D-1F373", "1F9D1-200D-1F373"),
        ("👨🏿‍🍳", "1F468-1F3FF-200D-1F373", "1F9D1-200D-1F373"),
        ("🏃‍♀️‍➡️", "1F3C3-200D-2640-200D-27A1", "1F3C3"),
        ("👨‍👩‍👧", "1F468-200D-1F469-200D-1F467", "1F46A"),
        ("👩‍❤️‍💋‍👨", "1F469-200D-2764-200D-1F48B-200D-1F468", "1F48F"),
        ("👨‍❤️‍👨", "1F468-200D-2764-200D-1F468", "1F491"),
        ("🧑‍🤝‍🧑", "1F9D1-200D-1F91D-200D-1F9D1", "1F46B"),
        ("🏳️‍🌈", "1F3F3-200D-1F308", "1F3F3-200D-1F308"),
        ("🏳️‍⚧️", "1F3F3-200D-26A7", "1F3F3-200D-26A7"),
        ("☃️", "2603", "26C4"),
        ("🇨🇳", "1F1E8-1F1F3", "1F1E8-1F1F3"),
    ],
)
def test_keys_and_families(emoji: str, key: str, group: str) -> None:
    assert key_of_text(emoji) == key
    assert key_of_hex(key.lower().replace("-", "_")) == key
    assert family(key) == group


def test_variants_are_people_drawn_again() -> None:
    assert is_variant("1F469-200D-1F373") and is_variant("1F9D1-200D-1F9B0")
    assert not is_variant("1F9D1-200D-1F373") and not is_variant("1F3F3-200D-1F308") and not is_variant("2603")
    assert has_skin_tone("1F44B-1F3FD") and not has_skin_tone("1F3FD")


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("日文的“免费”按钮", "日文的免费按钮"),
        ("旗: 英格兰", "英格兰旗帜"),
        ("按键: 5", "按键5"),
        ("家庭: 男人、女人、女孩", "男人女人女孩组成的家庭"),
        ("男人: 红发", "红发男人"),
        ("行人: 面向右边", "面向右边的行人"),
        ("SOON 箭头", "SOON箭头"),
        (":红苹果:", "红苹果"),
    ],
)
def test_labels_become_names(label: str, name: str) -> None:
    assert names.clean(label) == name


def test_small_text_helpers() -> None:
    assert names.country_code("1F1E8-1F1F3") == "CN"
    assert names.mostly_chinese("cool按钮") and not names.mostly_chinese("Safari浏")
    assert icon_title("口红1") == "口红" and icon_title("文件夹-关") == "文件夹关" and icon_title("F8") == "F8"
    assert slug("flag: Côte d’Ivoire") == "flag-cote-divoire"


def test_square_box() -> None:
    """A 36 x 20 flag is centred in a 36 x 36 box: 8 units of air above and below."""
    assert 'viewBox="0 -8 36 36"' in square_svg("<g/>", 0, 0, 36, 20)
    assert 'color="#202020"' in square_svg('<path fill="currentColor"/>', 0, 0, 1, 1)


def record(source: str, key: str, **more: object) -> dict:
    plain = {"is_food": False, "is_flag": False, "base": True, "variant": False, "keywords": [], "name": key}
    return {"id": f"{source}/{key}", "source": source, "key": key, "family": key} | plain | more


def test_chance_depends_on_its_parts_only() -> None:
    assert splits.chance("a", "b") == splits.chance("a", "b") != splits.chance("ab")
    values = [splits.chance(str(i)) for i in range(2000)]
    assert 0.48 < sum(values) / 2000 < 0.52 and min(values) >= 0 and max(values) < 1


def test_held_pairs_leave_three_styles() -> None:
    sources = ["twemoji", "noto", "noto-v1", "emojione", "fluent-emoji", "fluent-emoji-flat", "streamline-emojis"]
    records = [record(source, f"F{i}") for i in range(300) for source in sources]
    held = splits.held_pairs(records, excluded={"F7"}, share=0.9)
    left = {f"F{i}": 5 - sum(pair[0] == f"F{i}" for pair in held) for i in range(300)}
    assert min(left.values()) == 3 and left["F7"] == 5
    assert "streamline" not in {style for _, style in held}
    share = splits.held_pairs(records, excluded=set(), share=0.06)
    assert 0.04 * 1500 < len(share) < 0.08 * 1500
    assert share == splits.held_pairs(records[::-1], excluded=set(), share=0.06)


def test_assign_puts_food_first_and_cleans_keywords() -> None:
    elephant = record("twemoji", "1F418", name="大象")
    zoo = record("noto", "ZOO", name="动物园", keywords=["大象", "笼子"])
    rows = [
        elephant,
        zoo,
        record("streamline-emojis", "1F34E", is_food=True),
        record("streamline-emojis", "1F418", name="大象"),
        record("icon-park", "rocket", family="icon-park:火箭筒", name="火箭筒"),
    ]
    splits.assign(rows)
    assert [row["split"] for row in rows] == ["held_concept", "train", "food", "held_style", "held_concept"]
    assert zoo["keywords"] == ["笼子"]


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    """Some rows of every part, and two that must stay out: a trained one without a twin, one without a vector form."""
    picked = shipped_records()[::40]
    pairs = pack.control_ids(shipped_records())
    partners = sorted((r for r in shipped_records() if r["id"] in pairs), key=lambda r: (r["key"], r["source"]))[:60]
    known = {row["id"] for row in picked}
    noto = record("noto", "1F42A", svg="<svg/>", split="train", license="Apache-2.0")
    raster = record("fluent-emoji-3d", "1F42A", raster="a.webp", split="held_pair", license="MIT")
    return [*picked, *(row for row in partners if row["id"] not in known), noto, raster]


def test_packing_twice_gives_the_same_bytes(rows: list[dict], tmp_path: Path) -> None:
    for folder in ("a", "b"):
        pack.pack(rows, SUMMARY, tmp_path / folder)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert "README.md" in names and len(names) == 6
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_packing_keeps_what_ships_and_nothing_else(rows: list[dict]) -> None:
    chosen = pack.parts(rows)
    packed = {row["id"] for part in chosen.values() for row in part}
    assert "noto/1F42A" not in packed and "fluent-emoji-3d/1F42A" not in packed
    assert {row["split"] for row in chosen["food"]} == {"food"} and {row["source"] for row in chosen["base"]} == {
        "twemoji"
    }
    assert {row["id"] for row in chosen["control"]} == pack.control_ids(rows) != set()


def test_packing_refuses_a_licence_that_must_not_ship(rows: list[dict], tmp_path: Path) -> None:
    shared_alike = next(row for row in rows if row["split"] == "food") | {"license": "CC-BY-SA-4.0"}
    with pytest.raises(RuntimeError, match="CC-BY-SA"):
        pack.pack([*rows, shared_alike], SUMMARY, tmp_path)


def test_the_shipped_files_are_what_the_recipe_writes(tmp_path: Path) -> None:
    """Writing the shipped rows again gives the shipped lines: nothing was edited by hand."""
    shipped, again = FOLDER / "style.jsonl.xz", tmp_path / "style.jsonl.xz"
    write_records(read_records(shipped), again)
    assert lzma.decompress(again.read_bytes()) == lzma.decompress(shipped.read_bytes())


def test_equal_records_give_equal_bytes(tmp_path: Path) -> None:
    for name, row in (("a", {"id": 1, "name": "猫"}), ("b", {"name": "猫", "id": 1})):
        write_records([row], tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_npm_versions_are_exact() -> None:
    folder = Path(pack.__file__).parents[1]
    wanted = json.loads((folder / "package.json").read_text(encoding="utf-8"))["dependencies"]
    locked = json.loads((folder / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert {source.package for source in SOURCES} <= wanted.keys()
    for package, version in wanted.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), package
        assert locked[f"node_modules/{package}"]["version"] == version
    assert not {"openmoji", "@iconify-json/openmoji", "@iconify-json/emojione-v1"} & wanted.keys()
