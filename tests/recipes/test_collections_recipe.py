"""Pictures of other hands: licences, held-out things, names, drawings and portraits, on examples made by hand."""

import gzip
import io
import json
import re
import shutil
import zipfile
from pathlib import Path
from random import Random

import pytest
from PIL import Image

from pai_modelscope.data.render import render_svg
from recipes.collections import build, furniture, iconify, names, openclipart, portraits
from recipes.collections.debian import changelog
from recipes.collections.drawing import colouring, cut_out
from recipes.collections.leaks import HELD_CHINESE, HELD_ENGLISH, chinese_leak, english_leak, leak
from recipes.collections.licenses import LicenseError, agreed_license, contradiction
from recipes.collections.names import Names, read_table, stands_alone
from recipes.collections.pictures import LeftOut, Picture
from recipes.collections.portrait_captions import PORTRAIT_WORDS, captions, phrases
from recipes.collections.portrait_styles import STYLES, Choice
from recipes.mini.dataset.packages import Icon
from recipes.mini.dataset.sources import SOURCES
from recipes.mini.dataset.splits import HELD_CONCEPTS

TABLES = ("openclipart", "sweethome3d", *(collection.source for collection in iconify.COLLECTIONS))


def picture(**more: object) -> Picture:
    plain = {"id": "here/one", "source": "here", "svg": "<svg/>", "name": "猫", "style": "剪贴画风格"}
    return Picture(**({**plain, "license": "MIT", "author": "A", "url": "https://example.org/"} | more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("statements", "name"),
    [
        (["MIT", "MIT"], "MIT"),
        (["CC BY 4.0", "CC-BY-4.0"], "CC-BY-4.0"),
        (["CC0 1.0"], "CC0-1.0"),
        (["http://web.resource.org/cc/PublicDomain"], "Public-Domain"),
    ],
)
def test_an_allowed_licence_is_named(statements: list[str], name: str) -> None:
    assert agreed_license(statements) == name


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        ([], "no licence stated"),
        (["MIT", None], "no licence stated"),
        (["MIT", "Apache-2.0"], "licences differ: Apache-2.0 and MIT"),
        (
            ["http://creativecommons.org/licenses/GPL/2.0/"],
            "licence not allowed: http://creativecommons.org/licenses/GPL",
        ),
        (["CC-BY-SA-4.0"], "licence not allowed: CC-BY-SA-4.0"),
        (["Free for personal and commercial use"], "licence not allowed: Free for personal"),
    ],
)
def test_other_licences_are_refused(statements: list[str], reason: str) -> None:
    with pytest.raises(LicenseError, match=re.escape(reason)):
        agreed_license(statements)


@pytest.mark.parametrize(
    "text",
    ["<dc:title>copyleft</dc:title>", "TigerLGPL.SVG", "(c) 2005", "ALL CODE COPYRIGHT PROTECTED 2000", "Share-Alike"],
)
def test_words_against_a_licence_are_found(text: str) -> None:
    assert contradiction(text)


def test_a_dedication_contradicts_nothing() -> None:
    assert (
        contradiction("The author owned all copyrights in the work and dedicates them to the public. d='m1,2c3,4'")
        is None
    )


@pytest.mark.parametrize(
    ("declared", "design", "stated", "result"),
    [
        ("(MIT AND CC-BY-4.0)", "CC BY 4.0", "CC BY 4.0", "CC-BY-4.0"),
        ("MIT", "CC0 1.0", "CC0 1.0", "CC0-1.0"),
        ("MIT", "CC BY 4.0", "CC BY 4.0", None),
        ("(MIT AND CC-BY-4.0)", "CC BY 4.0", "CC0 1.0", None),
        ("See LICENSE file", "Free for personal and commercial use", "Free for personal and commercial use", None),
    ],
)
def test_the_licence_of_a_design_is_not_that_of_its_code(
    tmp_path: Path, declared: str, design: str, stated: str, result: str | None
) -> None:
    (tmp_path / "package.json").write_text(json.dumps({"license": declared}), encoding="utf-8")
    text = f"# Design\n\nSource: S\nLicense: {design} (https://example.org/)\n\n# Code\n\nMIT License\n"
    (tmp_path / "LICENSE").write_text(text, encoding="utf-8")
    if result:
        assert portraits.design_license(tmp_path, {"license": {"name": stated}}) == result
    else:
        with pytest.raises(LicenseError):
            portraits.design_license(tmp_path, {"license": {"name": stated}})


def test_every_held_out_concept_has_names_in_both_languages() -> None:
    assert list(HELD_CHINESE) == list(HELD_ENGLISH) == list(HELD_CONCEPTS.values())
    assert all(chinese_leak(name) == name for name in HELD_CONCEPTS.values())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("elephant", "大象"),
        ("animals/bodypart/olifant_mo_01", "大象"),
        ("lumaca_turbo_architetto__01", "蜗牛"),
        ("NinJa Tux", "企鹅"),
        ("Black And White Kings", "皇冠"),
        ("bass-guitar", "吉他"),
        ("GiraffeCichlid", "长颈鹿"),
        ("snowman-fill", "雪人"),
        ("sun_flower_ganson", "向日葵"),
        ("turkey_on_platter_01", "food"),
        ("slate-apple", "food"),
        ("icons8-cup", "food"),
        ("pie-chart", None),
        ("data pie", None),
        ("party balloons", None),
        ("desk_lamp", None),
        ("watering can, cupboard, panda", None),
    ],
)
def test_english_names_that_leak(text: str, found: str | None) -> None:
    assert english_leak(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("一只小象", "大象"),
        ("戴王冠的国王", "皇冠"),
        ("红苹果", "food"),
        ("梨", "food"),
        ("咖啡杯", "food"),
        ("奖杯", None),
        ("橄榄球头盔", None),
        ("派对帽", None),
        ("国际象棋", None),
        ("气象站", None),
    ],
)
def test_chinese_names_that_leak(text: str, found: str | None) -> None:
    assert chinese_leak(text) == found


@pytest.mark.parametrize(
    "more",
    [
        {"name": "大象"},
        {"aliases": ["动物", "象头"]},
        {"keywords": ["蜂蜜"]},
        {"en_name": "Cactus"},
        {"id": "openclipart/recreation/holiday/snowman_01"},
        {"captions": ["戴皇冠的女孩头像"]},
        {"attributes": {"hat": "王冠"}},
    ],
)
def test_a_leak_is_left_out_and_counted(more: dict) -> None:
    left_out = LeftOut()
    assert build.without_leaks([picture(), picture(**more)], left_out) == [picture()]
    assert sum(left_out.counts.values()) == 1 and leak(picture(**more))


@pytest.mark.parametrize("source", TABLES)
def test_written_names_leak_nothing_and_stay_in_their_domain(source: str) -> None:
    table = read_table(source)
    assert len(table) > 60
    for place, written in table.items():
        assert not any(map(chinese_leak, written.names)) and not english_leak(place), (place, written)
        assert all(re.search("[一-鿿]", name) and not re.search(r"\s", name) for name in written.names), (
            place,
            written,
        )
        assert not any(word in name for name in written.names for word in PORTRAIT_WORDS), (place, written)
        assert len(set(written.names)) == len(written.names), (place, written)


@pytest.mark.parametrize("line", ["cat", "cat\t", "dog\t狗", "cat\t猫\t喵"])
def test_a_bad_line_of_names_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.setattr(names, "TABLES", tmp_path)
    (tmp_path / "here.tsv").write_text(f"dog\t狗|小狗\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="give each picture once"):
        read_table("here")


def test_names_of_weather_and_places_don_t_stand_alone() -> None:
    assert (
        stands_alone(Names("雨伞", ())) and stands_alone(Names("雪茄", ())) and stands_alone(Names("沙滩球", ("球",)))
    )
    assert not stands_alone(Names("日出", ())) and not stands_alone(Names("帐篷", ("露营",)))


def test_style_phrases_are_those_of_no_other_source() -> None:
    phrases = [style.phrase for style in STYLES] + list(openclipart.STYLES.values())
    phrases += [phrase for collection in iconify.COLLECTIONS for phrase in collection.styles.values()]
    assert len(set(phrases)) == len(phrases) and not set(phrases) & {source.style for source in SOURCES}
    assert all(any(word in style.phrase for word in PORTRAIT_WORDS) for style in STYLES)


PAGE = '<svg xmlns="http://www.w3.org/2000/svg" width="75pt" height="75pt">{}</svg>'  # 100 x 100 user units


def test_a_drawing_is_cut_out_of_its_page() -> None:
    """A square of 20 in a corner fills the new box but for a margin of four hundredths on each side."""
    metadata = "<metadata><x>(c) 2005</x></metadata><!-- editor -->"
    svg = cut_out(PAGE.format(metadata + '<rect x="70" y="10" width="20" height="20" fill="red"/>').encode())
    assert "2005" not in svg and "editor" not in svg
    box = render_svg(svg, 100).getchannel("A").point(lambda value: 255 * (value > 127)).getbbox()
    assert box is not None and all(abs(side - wanted) <= 1 for side, wanted in zip(box, (4, 4, 96, 96), strict=True))


def test_a_drawing_over_the_edge_is_whole_and_a_scrap_far_away_is_not() -> None:
    over = cut_out(PAGE.format('<rect x="-20" y="40" width="60" height="20"/>').encode())
    left, _, width, _ = map(float, re.findall(r'viewBox="([^"]*)"', over)[0].split())
    assert left < -20 and 62 < width < 70
    scrap = cut_out(PAGE.format('<circle cx="50" cy="50" r="40"/><rect x="180" y="0" width="15" height="9"/>').encode())
    left, _, width, _ = map(float, re.findall(r'viewBox="([^"]*)"', scrap)[0].split())
    assert left > 0 and width < 100


@pytest.mark.parametrize(
    ("svg", "reason"),
    [
        (b"<svg", "no valid SVG"),
        (PAGE.format("").encode(), "draws nothing"),
        (b'<svg xmlns="http://www.w3.org/2000/svg" width="100%"/>', "states no size"),
    ],
)
def test_what_is_no_drawing_is_refused(svg: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        cut_out(svg)


@pytest.mark.parametrize(
    ("colours", "kind"),
    [(["black"], "silhouette"), (["black", "white"], "grey"), (["black", "red"], "colour"), ([], "grey")],
)
def test_colouring(colours: list[str], kind: str) -> None:
    image = Image.new("RGBA", (96, 96))
    for index, colour in enumerate(colours):
        image.paste(Image.new("RGBA", (30, 60), colour), (10 + 30 * index, 10))
    assert colouring(image) == kind


class NoEmoji:
    """Stands for the names of emoji, which come from npm packages."""

    def family(self, written: Names) -> str:
        return f"collections:{written.name}"

    def keywords(self, written: Names) -> list[str]:
        return []


NAMESPACES = (
    'xmlns="http://www.w3.org/2000/svg" xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
    'xmlns:cc="http://web.resource.org/cc/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
)
CLIPART = (
    f'<svg {NAMESPACES} viewBox="0 0 9 9"><metadata><dc:title>A &amp; B</dc:title>'
    "<dc:creator><dc:title>Ann</dc:title></dc:creator>{license}</metadata>{body}</svg>"
)
FREE = '<cc:license rdf:resource="http://web.resource.org/cc/PublicDomain"/>'


def unpacked(root: Path, package: str, version: str) -> None:
    """Write the changelog that a package of this version brings."""
    path = root / changelog(package)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(f"{package} ({version}) unstable; urgency=low\n".encode()))


@pytest.fixture
def debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An unpacked package of one file that may be used, and one for each reason why a file may not."""
    folder = tmp_path / openclipart._FOLDER
    shape = '<rect x="1" y="{}" width="7" height="2" fill="{}"/>'
    files = {
        "animals/cat": CLIPART.format(license=FREE, body=shape.format(1, "red")),
        "animals/cat_again": CLIPART.format(license=FREE, body=shape.format(1, "red")),
        "animals/gpl": CLIPART.format(license=FREE.replace("PublicDomain", "GPL"), body=shape.format(2, "red")),
        "animals/silent": CLIPART.format(license="", body=shape.format(3, "red")),
        "animals/copyleft": CLIPART.format(
            license=FREE + "<dc:rights>copyleft</dc:rights>", body=shape.format(4, "red")
        ),
        "animals/photo": CLIPART.format(license=FREE, body='<image href="data:,"/>'),
        "animals/letters": CLIPART.format(license=FREE, body="<text>A</text>"),
        "animals/unnamed": CLIPART.format(license=FREE, body=shape.format(5, "red")),
        "animals/crab": CLIPART.format(license=FREE, body=shape.format(6, "red")),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.svg").write_text(text, encoding="utf-8")
    (folder / "food").mkdir()
    (folder / "food/crab.svg").symlink_to(folder / "animals/crab.svg")
    unpacked(tmp_path, openclipart.PACKAGE, openclipart.VERSION)
    table = {name: Names("猫", ()) for name in files if name != "animals/unnamed"}
    monkeypatch.setattr(openclipart, "read_table", lambda source: table)
    return tmp_path


def test_clipart_is_read_file_by_file(debian: Path) -> None:
    left_out = LeftOut()
    pictures = list(openclipart.read(debian, NoEmoji(), left_out))  # type: ignore[arg-type]
    assert [found.id for found in pictures] == ["openclipart/animals/cat"]
    found = pictures[0]
    assert (found.name, found.author, found.en_name) == ("猫", "Ann", "A & B")
    assert (found.license, found.style, found.bare) == ("Public-Domain", "剪贴画风格", True)
    assert left_out.table()["openclipart"] == {
        "food, by its folder": 1,
        "holds a raster picture, whose origin is not stated": 1,
        "holds text in a font of its own": 1,
        "licence not allowed: http://web.resource.org/cc/GPL": 1,
        "no Chinese name written": 1,
        "no licence stated": 1,
        "repeats another picture": 1,
        "the file contradicts its licence: copyleft": 1,
    }


def test_another_version_of_clipart_is_refused(debian: Path) -> None:
    unpacked(debian, openclipart.PACKAGE, "1:0.19-1")
    with pytest.raises(RuntimeError, match="names were written for"):
        list(openclipart.read(debian, NoEmoji(), LeftOut()))  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match="dpkg -x"):
        list(openclipart.read(debian / "nowhere", NoEmoji(), LeftOut()))  # type: ignore[arg-type]


ADDRESS = "http://creativecommons.org/licenses/by/3.0/"
BY = "Thank you.\nReleased under\nCreative Commons Attribution 3.0\n"
ZERO = "Released under\r\nCreative Commons Zero (Public Domain)"


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An unpacked package with one catalogue: a model that may be used, and one for each reason why one may not."""
    folder = tmp_path / furniture._FOLDER
    folder.mkdir(parents=True)
    picture = io.BytesIO()
    Image.new("RGBA", (128, 128), "red").save(picture, "PNG")
    beside = {"bed": BY, "zero": ZERO, "alike": f"{BY} Attribution-ShareAlike 3.0", "silent": "Have fun.", "sofa": BY}
    lines = ["# a catalogue", "name=All of them", "license=none of this"]
    with zipfile.ZipFile(folder / "Here.sh3f", "w") as catalogue:
        catalogue.writestr("LICENSE.TXT", f"This file is under\n{ADDRESS}\n")
        for number, (name, text) in enumerate(beside.items(), 1):
            title = {"bed": "Bed", "sofa": "Sofa"}.get(name, "Table")
            lines += [
                f"name#{number}={title}",
                f"icon#{number}=/here/{name}.png",
                f"model#{number}=/here/{name}/{name}.obj",
            ]
            lines += [f"creator#{number}=Ann"]
            catalogue.writestr(f"here/{name}.png", picture.getvalue())
            catalogue.writestr(f"here/{name}/license.txt", text)
        catalogue.writestr("PluginFurnitureCatalog.properties", "\n".join(lines))
    unpacked(tmp_path, furniture.PACKAGE, furniture.VERSION)
    table = {"Bed": Names("床", ()), "Table": Names("桌子", ()), "Here/bed": Names("双人床", ("床",))}
    monkeypatch.setattr(furniture, "read_table", lambda source: table)
    return tmp_path


def test_models_are_read_one_by_one(models: Path) -> None:
    left_out = LeftOut()
    found = list(furniture.read(models, NoEmoji(), left_out))  # type: ignore[arg-type]
    assert [(one.id, one.name, one.aliases) for one in found] == [("sweethome3d/Here/bed", "双人床", ["床"])]
    assert (found[0].license, found[0].author, found[0].pixels) == ("CC-BY-3.0", "Ann", 128)
    assert render_svg(found[0].svg, 64).getpixel((32, 32)) == (255, 0, 0, 255)
    assert left_out.table()["sweethome3d"] == {
        "licence not allowed: more than attribution is asked for": 1,
        "licences differ: CC-BY-3.0 and CC0-1.0": 1,
        "no Chinese name written": 1,
        "no licence stated": 1,
    }


def test_the_largest_size_and_both_variants_are_taken() -> None:
    fluent, meteocons = iconify.COLLECTIONS[1:]
    sizes = [Icon(f"mail-{size}", (), str(size)) for size in (16, 48, 24)]
    assert {key: icon.svg for key, icon in iconify._variants(fluent, iter(sizes)).items()} == {("mail", ""): "48"}
    both = [Icon("rain", (), "a"), Icon("rain-fill", (), "b")]
    assert sorted(iconify._variants(meteocons, iter(both))) == [("rain", "fill"), ("rain", "line")]


def test_what_an_animation_fades_in_is_drawn() -> None:
    drop = '<rect width="9" height="9" opacity="0"><animate attributeName="opacity" values="0;1"/></rect>'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">{drop}</svg>'
    assert render_svg(svg, 8).getbbox() is None and render_svg(iconify._still(svg), 8).getbbox() == (0, 0, 8, 8)


def all_choices() -> list[Choice]:
    return [choice for style in STYLES for feature in style.features for choice in feature]


def test_nothing_that_portraits_say_leaks() -> None:
    said = {words for choice in all_choices() for words in (choice.phrase, *choice.also.values())}
    assert len(said) > 80 and not [words for words in said if words and chinese_leak(words)]
    assert "sailormoonCrown" not in str(STYLES)


def test_choices_are_complete() -> None:
    for choice in all_choices():
        assert bool(choice.attribute) == bool(choice.phrase), choice
        assert choice.person in ("", "女", "男") and choice.weight > 0 and all(choice.options.values()), choice


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.package)
def test_drafts_depend_on_their_seed_and_never_mix_women_with_beards(style) -> None:
    drafts = [portraits.draft(style, Random(seed)) for seed in range(200)]
    assert drafts == [portraits.draft(style, Random(seed)) for seed in range(200)]
    assert {len({choice.person for choice in draft.chosen} - {""}) for draft in drafts} <= {0, 1}
    assert len({json.dumps(draft.options, sort_keys=True) for draft in drafts}) > 150
    values = [value for draft in drafts for value in draft.options.values() if isinstance(value, list)]
    assert {len(value) for value in values} == {1}
    men = sum(draft.person == "男" for draft in drafts)
    assert 8 < men < 150


def test_the_other_choice_starts_from_what_is_fixed() -> None:
    """Without that, short hair would keep the long hair behind it, and long hair would seem to change nothing."""
    toon_head = next(style for style in STYLES if style.package == "toon-head")
    long = [
        draft.others[0]
        for draft in (portraits.draft(toon_head, Random(seed)) for seed in range(100))
        if draft.chosen[0].phrase == "长发"
    ]
    assert long and all(other for other in long)
    for other in long:
        assert other and other["rearHairProbability"] == (100 if "rearHair" in other else 0)


FACE = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96"><rect width="96" height="96" fill="{}"/>{}</svg>'


def test_only_what_can_be_seen_is_said() -> None:
    """Hair under a hat keeps no colour; a mouth behind a mask and angry eyes behind dark glasses are not told."""
    plain = FACE.format("tan", "")
    changed = FACE.format("tan", '<rect width="9" height="9"/>')
    kinds = ["hat", "hair_color", "expression", "clothes", "clothes_color"]
    words = dict(zip(kinds, ["帽子", "红色", "生气", "衣服", "蓝色"], strict=True))

    def seen(others: dict[str, str | None], **more: str) -> dict[str, str]:
        chosen = [Choice(kind, phrase, {}) for kind, phrase in {**words, **more}.items()]
        draft = portraits.Draft({}, chosen, [], "男")
        return portraits.attributes_seen(draft, plain, [others.get(choice.attribute, changed) for choice in chosen])

    assert seen({"clothes": None}) == {
        "person": "男",
        "hat": "帽子",
        "expression": "生气",
        "clothes": "衣服",
        "clothes_color": "蓝色",
    }
    assert "clothes" not in seen({"clothes": None, "clothes_color": plain})
    assert "expression" not in seen({}, glasses="墨镜") and "expression" not in seen({}, mask="口罩")
    assert "hair" not in seen({}, hair="秃顶") and "person" not in seen({}, hair="秃顶")
    assert seen({}, hair="秃顶", beard="小胡子")["person"] == "男"
    assert seen({}, hair="短发")["hair_color"] == "红色" and "hair_color" not in seen({"hair": plain}, hair="短发")


def test_how_much_of_a_change_is_seen() -> None:
    before = Image.new("RGB", (96, 96), "grey")
    for pixels, levels, result in ((14, 40, True), (13, 40, False), (200, 20, False)):
        after = before.copy()
        after.paste((128 + levels, 128, 128), (0, 0, pixels, 1) if pixels < 96 else (0, 0, 96, 3))
        assert portraits.differs(before, after) is result


def test_a_portrait_is_framed_whole() -> None:
    """Hair that the style's frame cuts is inside; a bust ends at the lower edge, a head is in the middle."""
    stated = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96">{}</svg>'

    def ink(body: str) -> tuple[int, int, int, int]:
        alpha = render_svg(portraits.framed(stated.format(body)), 200).getchannel("A")
        box = alpha.point(lambda value: 255 * (value > 127)).getbbox()
        assert box is not None
        return box

    left, top, right, bottom = ink('<rect x="20" y="60" width="60" height="90"/><circle cx="4" cy="40" r="20"/>')
    assert left > 8 and top > 8 and right < 192 and bottom == 200
    left, top, right, bottom = ink('<circle cx="40" cy="30" r="20"/>')
    assert left > 8 and abs(left - (200 - right)) <= 3 and abs(top - (200 - bottom)) <= 3


ATTRIBUTES = {
    "person": "女",
    "hair": "长发",
    "hair_color": "红色",
    "glasses": "墨镜",
    "hat": "帽子",
    "hat_color": "绿色",
    "expression": "生气",
    "clothes": "衬衫",
    "clothes_color": "蓝色",
    "skin": "浅色皮肤",
}


def test_phrases_say_each_thing_once() -> None:
    assert phrases(ATTRIBUTES) == ["红色长发", "戴墨镜", "戴绿色帽子", "表情生气", "穿蓝色衬衫", "浅色皮肤"]
    assert phrases({"hair": "光头", "hair_color": "红色", "clothes": "衣服", "beard": "胡茬"}) == ["光头", "有胡茬"]


def test_captions_say_portrait_and_nothing_that_is_not_there() -> None:
    written = captions(ATTRIBUTES, "几何人像风格", Random(5), 40)
    assert len(written) == len(set(written)) == 40 and written == captions(ATTRIBUTES, "几何人像风格", Random(5), 40)
    rest = "|".join([*phrases(ATTRIBUTES), "女孩|女人|女生|几何人像风格|头像|人像|肖像|一个|的|，|、"])
    for caption in written:
        assert any(word in caption for word in PORTRAIT_WORDS)
        assert re.sub(rest, "", caption) == "", caption
    assert not any("女" in caption for caption in captions({"glasses": "眼镜"}, "几何人像风格", Random(1)))


@pytest.mark.skipif(shutil.which("node") is None, reason="Node draws the portraits")
def test_node_draws_what_the_options_say(tmp_path: Path) -> None:
    """A core and a style of a few lines stand for DiceBear's packages."""
    for name, code in {
        "core": "export const createAvatar = (style, options) => ({toString: () => style.draw(options)})",
        "face": "export const meta = {title: 'Face'}; export const draw = (options) => `<svg>${options.hair[0]}</svg>`",
    }.items():
        (tmp_path / f"@dicebear/{name}/lib").mkdir(parents=True)
        (tmp_path / f"@dicebear/{name}/lib/index.js").write_text(code, encoding="utf-8")
        (tmp_path / f"@dicebear/{name}/package.json").write_text('{"type": "module"}', encoding="utf-8")
    requests = [{"meta": "face"}, {"style": "face", "options": {"hair": ["长发"]}}]
    assert portraits.node(tmp_path, requests) == [{"title": "Face"}, {"svg": "<svg>长发</svg>"}]
    with pytest.raises(RuntimeError, match="Node failed"):
        portraits.node(tmp_path, [{"style": "nobody", "options": {}}])


def test_the_build_refuses_what_must_not_be() -> None:
    build.check([picture(), picture(id="here/two")])
    for wrong in ([picture(), picture()], [picture(license="CC-BY-SA-4.0")], [picture(name="")], [picture(author="")]):
        with pytest.raises(RuntimeError):
            build.check(wrong)


def test_the_notice_names_whom_a_licence_asks_for() -> None:
    pictures = [picture(author="Ann"), picture(author="Bob"), picture(source="free", license="CC0-1.0", author="Eve")]
    text = build.notice(pictures)
    assert "- here, by Ann, Bob, MIT, https://example.org/" in text
    assert "- free, by 1 author, CC0-1.0, https://example.org/" in text and "Eve" not in text


def test_the_versions_of_the_packages_are_exact() -> None:
    folder = Path(build.__file__).parent
    wanted = json.loads((folder / "package.json").read_text(encoding="utf-8"))["dependencies"]
    locked = json.loads((folder / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert {f"@iconify-json/{collection.source}" for collection in iconify.COLLECTIONS} <= wanted.keys()
    for package, version in wanted.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version) and locked[f"node_modules/{package}"]["version"] == version
    styles = {name for name in locked if name.startswith("node_modules/@dicebear/")}
    drawn = {
        f"node_modules/@dicebear/{name}" for name in (*(style.package for style in STYLES), *portraits.PASSED_OVER)
    }
    assert drawn <= styles
