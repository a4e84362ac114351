"""The label of generated pictures, in files and on them: GB 45438-2025, and TC260-PG-20259A for where it stands."""

import io
import json
import re
import struct
import time
import zlib
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from pai_modelscope import Picture, UserError, limits
from pai_modelscope.config.labels import PRODUCER_VARIABLE
from pai_modelscope.images.aigc_label import Labelling, labelling
from pai_modelscope.images.aigc_mark import marked
from pai_modelscope.images.infotext import read_png
from pai_modelscope.images.picture_text import picture_file, read_label
from tests.images.test_picture_text import exif

TEXT = "猫\nNegative prompt: 狗\nSteps: 2, Sampler: Euler, CFG scale: 5, Seed: 7, Size: 64x64"
NAMESPACE = "http://www.tc260.org.cn/ns/AIGC/1.0/"
FIELDS = ["Label", "ContentProducer", "ProduceID", "ReservedCode1", "ContentPropagator", "PropagateID", "ReservedCode2"]
RNG = np.random.default_rng(3)
NOISE = Image.fromarray(RNG.integers(0, 256, (96, 128, 3), dtype=np.uint8))
KINDS = ("png", "jpeg", "webp")


def saved(folder: Path, content: bytes, name: str = "a.png") -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def xmp_of(content: bytes) -> bytes:
    """The XMP of a file by its format's own specification, read by hand."""
    if content.startswith(b"\x89PNG"):
        place = 8
        while place < len(content):
            length, kind = struct.unpack(">I4s", content[place : place + 8])
            chunk = content[place + 8 : place + 8 + length]
            if kind == b"iTXt" and chunk.startswith(b"XML:com.adobe.xmp\0"):
                assert chunk[18:22] == bytes(4), "not compressed, no language"
                return chunk[22:]
            place += 12 + length
    elif content.startswith(b"\xff\xd8"):
        place = 2
        while content[place + 1] != 0xDA:
            (length,) = struct.unpack(">H", content[place + 2 : place + 4])
            segment = content[place + 4 : place + 2 + length]
            if content[place + 1] == 0xE1 and segment.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
                return segment[29:]
            place += 2 + length
    else:
        place = 12
        while place < len(content):
            kind, length = struct.unpack("<4sI", content[place : place + 8])
            if kind == b"XMP ":
                return content[place + 8 : place + 8 + length]
            place += 8 + length + length % 2
    return b""


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_holds_the_label_where_the_guide_puts_it(kind: str, tmp_path: Path) -> None:
    content = picture_file(NOISE, kind, TEXT, Labelling(producer="001191330100MA2XXXXX0X00000"))
    packet = xmp_of(content).decode("utf-8-sig")
    assert 'xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/"' in packet and packet.endswith('<?xpacket end="r"?>')
    (element,) = ElementTree.fromstring(packet).iter(f"{{{NAMESPACE}}}AIGC")
    label = json.loads(element.text or "")
    assert list(label) == FIELDS
    assert label["Label"] == "1" and label["ContentProducer"] == "001191330100MA2XXXXX0X00000"
    assert re.fullmatch("[0-9a-f]{32}", label["ProduceID"])
    assert (label["ContentPropagator"], label["PropagateID"]) == (label["ContentProducer"], label["ProduceID"])
    assert label["ReservedCode1"] == label["ReservedCode2"] == ""
    path = saved(tmp_path, content, f"a.{kind}")
    assert read_label(path) == label
    assert read_png(path)["seed"] == 7 and read_png(path)["text"] == "猫"
    if kind == "png":
        with Image.open(path) as image:
            assert np.array_equal(np.asarray(image), np.asarray(NOISE))


def number(kind: str, image: Image.Image = NOISE, text: str = TEXT, place: str = "metadata") -> str:
    packet = xmp_of(picture_file(image, kind, text, labelling(place))).decode()
    found = re.search('"ProduceID":"([^"]+)"', packet)
    assert found
    return found[1]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_picture_gives_the_same_bytes_and_another_one_another_number(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = picture_file(NOISE, kind, TEXT, labelling("both"))
    monkeypatch.setattr(time, "time", lambda: 4e9)
    assert picture_file(NOISE.copy(), kind, TEXT, labelling("both")) == first
    assert number(kind) == number("png") == number(kind, place="both")
    other = NOISE.copy()
    other.putpixel((5, 5), (1, 2, 3))
    numbers = {number(kind), number(kind, other), number(kind, text=f"{TEXT}, Clip skip: 2")}
    assert len(numbers | {number(kind, NOISE.transpose(Image.Transpose.ROTATE_90))}) == 4


def test_places() -> None:
    plain = np.asarray(NOISE)
    for place, inside, visible in (
        ("off", False, False),
        ("metadata", True, False),
        ("visible", False, True),
        ("both", True, True),
    ):
        content = picture_file(NOISE, "png", TEXT, labelling(place))
        assert bool(xmp_of(content)) is inside, place
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), plain) is not visible, place
    assert picture_file(NOISE, "png", TEXT) == picture_file(NOISE, "png", TEXT, labelling("metadata"))
    assert labelling(usual="both") == labelling("both") != labelling("metadata", usual="both")
    with pytest.raises(UserError, match="aigc_label is 'everywhere'; valid are 'off', 'metadata', 'visible', 'both'"):
        labelling("everywhere")


def test_the_producer_comes_from_the_option_then_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PRODUCER_VARIABLE, raising=False)
    assert Labelling().producer == "pai_modelscope"
    monkeypatch.setenv(PRODUCER_VARIABLE, "painters-of-hangzhou")
    assert labelling("both").producer == "painters-of-hangzhou"
    assert b'"ContentProducer":"painters-of-hangzhou"' in picture_file(NOISE, "jpeg", TEXT)
    assert labelling(producer="A&B<!>").producer == "A&B<!>"
    label = json.loads(
        next(
            ElementTree.fromstring(xmp_of(picture_file(NOISE, "png", "", Labelling(producer="A&B<!>")))).iter(
                f"{{{NAMESPACE}}}AIGC"
            )
        ).text
        or ""
    )
    assert label["ContentProducer"] == "A&B<!>"
    for wrong in ("", "a b", 'a"b', "a\\b", "杭州画社", "a\n", "x" * 201):
        with pytest.raises(UserError, match="aigc_producer is"):
            labelling(producer=wrong)
    monkeypatch.setenv(PRODUCER_VARIABLE, "two words")
    with pytest.raises(UserError, match="'two words'"):
        labelling()


# The visible mark


def heights(ink: np.ndarray) -> list[int]:
    """Of the letters, which empty columns part."""
    columns = ink.any(0)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], columns.astype(int), [0]))))
    letters = [ink[:, start:end] for start, end in zip(edges[::2], edges[1::2], strict=True)]
    rows = [np.flatnonzero(letter.any(1)) for letter in letters]
    return [int(each[-1] - each[0] + 1) for each in rows]


SIZES = [(256, 256), (96, 384), (384, 256), (512, 768), (1024, 1024), (2048, 1536)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("ground", [(0, 0, 0), (255, 255, 255), (128, 128, 128), (200, 30, 30)])
def test_the_mark_is_legible_in_a_corner(size: tuple[int, int], ground: tuple[int, int, int]) -> None:
    picture = Image.new("RGB", size, ground)
    before = np.asarray(picture)
    after = np.asarray(marked(picture)).astype(int)
    changed = (after != before).any(2)
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    short = min(size)
    assert rows[0] > 0.8 * size[1] and columns[0] > 0.25 * size[0], "a corner, and no more"
    assert 0 < size[1] - 1 - rows[-1] < 0.1 * short and 0 < size[0] - 1 - columns[-1] < 0.1 * short, "at its edge"
    corner = after[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].sum(2)
    letters = heights(corner > 0.55 * corner.max())
    assert len(letters) >= 4 and min(letters) >= 0.05 * short, letters

    def luminance(value: float) -> float:  # of a grey, WCAG 2.2
        part = value / 3 / 255
        return float(part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4)

    plate = float(np.median(corner))  # most of it is the plate
    assert (luminance(corner.max()) + 0.05) / (luminance(plate) + 0.05) > 4.5, "the contrast of text, WCAG AA"


def test_the_mark_says_what_the_standard_asks_for_in_a_font_that_has_it() -> None:
    from pai_modelscope.images.aigc_mark import MARK
    from pai_modelscope.images.fonts import PLAIN, shipped_font

    assert "AI" in MARK and "生成" in MARK
    font = shipped_font(PLAIN, 40)
    drawn = [bytes(font.getmask(letter)) for letter in MARK]
    assert bytes(font.getmask("\U0002a700")) not in drawn, "none of them is the box of a missing character"
    assert len(set(drawn)) == len(MARK)


def test_a_transparent_and_a_grey_picture_are_marked() -> None:
    assert marked(Image.new("RGBA", (128, 128), (9, 9, 9, 0))).getpixel((0, 0)) == (9, 9, 9, 0)
    assert marked(Image.new("L", (128, 128), 7)).getbbox() is not None


# What Python keeps


def test_a_picture_saves_itself_with_its_label(tmp_path: Path) -> None:
    picture = Picture(NOISE.copy(), 7, TEXT, "猫")
    for kind in ("png", "jpg", "webp"):
        picture.save(tmp_path / f"a.{kind}")
        label = read_label(tmp_path / f"a.{kind}")
        assert label and label["ContentProducer"] == "pai_modelscope" and read_png(tmp_path / f"a.{kind}")["seed"] == 7
    picture.save(tmp_path / "a.png", aigc_label="visible", aigc_producer="x")  # a second time: it is replaced
    assert read_label(tmp_path / "a.png") is None
    with Image.open(tmp_path / "a.png") as image:
        assert not np.array_equal(np.asarray(image), np.asarray(NOISE))
    assert picture.image == NOISE, "the picture in memory has no mark"
    with pytest.raises(UserError, match=r"ends with '\.bmp'; valid are \.png, \.jpg, \.jpeg, \.webp"):
        picture.save(tmp_path / "a.bmp")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="can't be written"):
        picture.save(tmp_path / "file" / "a.png")


# Labels of others


def label_of(**changes: object) -> dict[str, object]:
    values = ("1", "001191330100MA2XXXXX0X00000", "p-1", "", "001191330100MA2XXXXX0X00000", "p-1", "")
    return {k: v for k, v in (dict(zip(FIELDS, values, strict=True)) | changes).items() if v is not None}


def packet(label: str, form: str = "element", prefix: str = "TC260") -> str:
    about = f'<rdf:Description rdf:about="" xmlns:{prefix}="{NAMESPACE}"'
    inner = {
        "element": f"{about}><{prefix}:AIGC>{escape(label, {chr(34): '&quot;'})}</{prefix}:AIGC></rdf:Description>",
        "cdata": f"{about}><{prefix}:AIGC><![CDATA[{label}]]></{prefix}:AIGC></rdf:Description>",
        "attribute": f"{about} {prefix}:AIGC={quoteattr(label)}/>",
    }[form]
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">{inner}</rdf:RDF></x:xmpmeta>'
        f'{" " * 2000}<?xpacket end="w"?>'
    )


def with_xmp(folder: Path, xmp: str, kind: str = "png") -> Path:
    file, image = io.BytesIO(), Image.new("RGB", (16, 16))
    if kind == "png":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp)
        image.save(file, "PNG", pnginfo=info)
    else:
        image.save(file, kind, xmp=xmp.encode())
    return saved(folder, file.getvalue(), f"a.{kind}")


@pytest.mark.parametrize("kind", [*KINDS, "avif"])
@pytest.mark.parametrize("form", ["element", "cdata", "attribute"])
def test_both_forms_of_xmp_are_read(form: str, kind: str, tmp_path: Path) -> None:
    if kind == "avif" and "AVIF" not in Image.registered_extensions().values():
        pytest.skip("this Pillow has no AVIF")
    label = label_of(ContentProducer="豆包", Label="2", ReservedCode1='a "b" <c>')
    for text in (label, {"AIGC": label}):
        said = packet(json.dumps(text, ensure_ascii=False), form, "t" if kind == "png" else "TC260")
        assert read_label(with_xmp(tmp_path, said, kind)) == label


def test_the_guides_other_places_are_read(tmp_path: Path) -> None:
    label = label_of()
    info = PngImagePlugin.PngInfo()
    info.add_text("AIGC", json.dumps({"AIGC": label}))
    NOISE.save(tmp_path / "a.png", pnginfo=info)
    comment = b"ASCII\0\0\0" + json.dumps({"AIGC": label}).encode()
    NOISE.save(tmp_path / "a.jpg", exif=exif(comment))
    NOISE.save(tmp_path / "a.webp", exif=exif(comment))
    assert all(read_label(tmp_path / f"a.{kind}") == label for kind in ("png", "jpg", "webp"))


def test_files_without_a_label_have_none(tmp_path: Path) -> None:
    NOISE.save(tmp_path / "a.png")
    assert read_label(tmp_path / "a.png") is None
    elsewhere = packet(json.dumps(label_of())).replace(NAMESPACE, "http://example.org/ns/")
    assert read_label(with_xmp(tmp_path, elsewhere)) is None
    NOISE.save(tmp_path / "a.jpg", exif=exif(b"UNICODE\0" + TEXT.encode("utf-16-be")))
    assert read_label(tmp_path / "a.jpg") is None


@pytest.mark.parametrize(
    ("label", "words"),
    [
        *((json.dumps(label_of(**{name: None})), f"lacks {name}") for name in FIELDS),
        (json.dumps(label_of(Label=1)), "lacks Label, or gives something else than a text"),
        (json.dumps(label_of(Label="AIGC")), "Label of its label is 'AIGC'; valid are 1, 2, 3"),
        (json.dumps(label_of(Label="0")), "Label of its label is '0'"),
        (json.dumps(label_of(ContentProducer="", ProduceID=" ")), "leaves ContentProducer and ProduceID empty"),
        ('{"Label":"1"', "can't be read as JSON"),
        ("", "can't be read as JSON"),
        ("[1]", "valid is a JSON object"),
        ('{"Label":"1","Label":"2"}', "gives 'Label' twice"),
        ("[" * 100_000, "nests more than 64"),
        (f'{{"Label":{"9" * 10_000}}}', "can't be read as JSON"),
    ],
)
def test_a_malformed_label_is_named(label: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=re.escape(words)) as error:
        read_label(with_xmp(tmp_path, packet(label)))
    assert str(error.value).startswith(f"{tmp_path / 'a.png'}: ") and len(str(error.value)) < 600


def test_two_labels_are_one_too_many(tmp_path: Path) -> None:
    one = packet(json.dumps(label_of()))
    twice = one.replace(
        "<rdf:Description", f"{re.findall('<rdf:Description.*</rdf:Description>', one)[0]}<rdf:Description"
    )
    with pytest.raises(UserError, match="it holds 2 labels; GB 45438-2025 has one in a file"):
        read_label(with_xmp(tmp_path, twice))


BOMB = (
    '<!DOCTYPE x [<!ENTITY a0 "lol">'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    + f']><x xmlns:TC260="{NAMESPACE}"><TC260:AIGC>&a11;</TC260:AIGC></x>'
)
OUTSIDE = (
    f'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><TC260:AIGC xmlns:TC260="{NAMESPACE}">&a;</TC260:AIGC>'
)
HOSTILE = {
    "entities that unfold": (BOMB, "document type declaration"),
    "a file elsewhere": (OUTSIDE, "document type declaration"),
    "an unknown entity": (packet("{}").replace("{}", "&nothing;"), "no XML"),
    "no XML": ("Label: 1", "no XML"),
    "cut off": (packet("{}")[:200], "no XML"),
    "empty": (" ", "no XML"),
    "huge": (packet("x" * limits.XMP_BYTES), "valid are up to"),
    "deep": ("<a>" * 300_000, "no XML"),
    "many names": ("<a " + " ".join(f"b{n}=''" for n in range(60_000)), "no XML"),
    "another encoding": ('<?xml version="1.0" encoding="utf-7"?><a>', "no XML"),
}


@pytest.mark.parametrize("kind", ["png", "webp"])
@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_xmp_is_one_error_in_bounded_time(what: str, kind: str, tmp_path: Path) -> None:
    xmp, words = HOSTILE[what]
    path = with_xmp(tmp_path, xmp, kind)
    start = time.process_time()
    with pytest.raises(UserError, match=words) as error:
        read_label(path)
    assert time.process_time() - start < 2
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_xmp_that_is_packed_a_thousand_times_is_refused(tmp_path: Path) -> None:
    content = picture_file(NOISE, "png", TEXT, labelling("off"))
    chunk = b"iTXtXML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b"<a>" + b" " * 2**27 + b"</a>", 9)
    packed = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    with pytest.raises(UserError, match="can't be read as a picture"):
        read_label(saved(tmp_path, content[:33] + packed + content[33:]))


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_was_cut_off_is_one_error(kind: str, tmp_path: Path) -> None:
    content = picture_file(NOISE, kind, TEXT)
    place = content.index(b"TC260:AIGC")
    for cut in (0, 20, place, place + 40, len(content) // 2):
        with pytest.raises(UserError):
            read_label(saved(tmp_path, content[:cut]))
