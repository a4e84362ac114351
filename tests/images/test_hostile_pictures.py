"""Pictures that claim more than they hold, or hold far more than a picture: refused in one line, in bounded memory."""

import importlib.metadata
import io
import os
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from pai_modelscope import UserError, limits
from pai_modelscope.adapters.embedding_pictures import read_picture
from pai_modelscope.data import open_training_set, scan
from pai_modelscope.images import open_image, open_mask
from pai_modelscope.images.annotators import annotate
from pai_modelscope.images.avif import avif_problem
from pai_modelscope.images.heads import tags_fit, tile_pixels
from tests.support.limited import answers_within
from tests.support.picture_files import picture

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))


def coded(image: Image.Image, kind: str, **how) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **how)
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, rows: bytes, more: bytes = b"", interlaced: int = 0) -> bytes:
    """A PNG of 8 bits a colour; `rows` begin with a filter byte each."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, interlaced))
    return b"\x89PNG\r\n\x1a\n" + head + more + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


ROWS = b"".join(b"\0" + row.tobytes() for row in np.asarray(NOISE))
SEGMENT = b"\xff\xe1" + struct.pack(">H", 9) + b"Exif\0\0\0"


def resized(content: bytes, marker: bytes, width: int, height: int) -> bytes:
    """A JPEG whose frame says another size."""
    made, place = bytearray(content), content.index(marker)
    made[place + 5 : place + 9] = struct.pack(">HH", height, width)
    return bytes(made)


def short_tiff() -> bytes:
    """Its first strip is all that there is of twice as many rows."""
    made = bytearray(coded(NOISE, "TIFF"))
    for tag, value in ((257, 128), (278, 64)):  # ImageLength and RowsPerStrip
        place = next(
            made.find(struct.pack("<HH", tag, kind)) for kind in (3, 4) if struct.pack("<HH", tag, kind) in made
        )
        made[place + 8 : place + 12] = struct.pack("<I", value)
    return bytes(made)


def directory(count: int, size: int, start: int = 0x4000) -> bytes:
    """EXIF whose tags all name the same bytes."""
    entries = b"".join(struct.pack("<HHII", start + tag, 7, size, 0) for tag in range(count))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", count) + entries + bytes(4)


def tiff(layout: list[tuple[int, int, int]], rows: bytes) -> bytes:
    """A TIFF of 8x8 pixels of four bytes, deflated; `layout`: tag, type and value of further tags."""
    size = 322 if any(tag == 322 for tag, _, _ in layout) else 278
    offsets, counts = (324, 325) if size == 322 else (273, 279)
    own = [(256, 3, 8), (257, 3, 8), (259, 3, 8), (262, 3, 2), (277, 3, 4), (284, 3, 1), (338, 3, 2), *layout]
    place = 8 + 2 + 12 * (len(own) + 3) + 4
    entries = [(258, 3, 4, place), (offsets, 4, 1, place + 8), (counts, 4, 1, len(rows))]
    entries += [(tag, kind, 1, value) for tag, kind, value in own]
    entries.sort(key=lambda entry: entry[0])
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + body + bytes(4) + struct.pack("<4H", *[8] * 4) + rows


def deflated_zeros(mebibytes: int) -> bytes:
    deflate = zlib.compressobj(1)
    return b"".join(deflate.compress(bytes(2**20)) for _ in range(mebibytes)) + deflate.flush()


@pytest.mark.parametrize("kind", ["PNG", "interlaced", "JPEG", "progressive", "TIFF"])
def test_pictures_of_fewer_pixels_than_they_claim_are_refused(kind) -> None:
    jpeg, progressive = coded(NOISE, "JPEG"), coded(NOISE, "JPEG", progressive=True)
    made = {
        "PNG": lambda: png(64, 64, ROWS[: len(ROWS) // 2]),
        "interlaced": lambda: png(64, 64, b"\1" * (len(ROWS) // 2), interlaced=1),
        "JPEG": lambda: resized(jpeg, b"\xff\xc0", 64, 80),
        "progressive": lambda: resized(progressive, b"\xff\xc2", 64, 80),
        "TIFF": short_tiff,
    }[kind]()
    with pytest.raises(UserError, match=r"(claims 64x\d+ pixels and holds fewer|is damaged or cut off)"):
        open_image(made)


def test_pictures_that_end_black_or_gray_are_whole() -> None:
    """What a decoder leaves of missing pixels may be what is there."""
    for colour in ("black", (128, 128, 128), (127, 127, 127)):
        plain = Image.new("RGB", (61, 67), colour)
        for kind, how in (
            ("PNG", {}),
            ("JPEG", {"quality": 100}),
            ("JPEG", {"progressive": True}),
            ("JPEG", {"subsampling": 2, "restart_marker_blocks": 3}),
            ("TIFF", {}),
            ("TIFF", {"compression": "tiff_lzw"}),
        ):
            assert open_image(coded(plain, kind, **how)).size == (61, 67)
        assert open_image(coded(plain.convert("L"), "JPEG")).size == (61, 67)
        assert open_image(coded(plain.convert("1"), "PNG")).size == (61, 67)
        assert open_image(coded(plain.convert("CMYK"), "JPEG")).size == (61, 67)
    assert open_image(png(64, 64, bytes(len(ROWS)))).getbbox() is None
    passes = bytes(64 * 64 * 3 + 15 * 16)  # seven interlaced passes, a filter byte before each row: more than enough
    assert open_image(png(64, 64, passes, interlaced=1)).getbbox() is None


@pytest.mark.parametrize(
    ("size", "words"),
    [((2**26, 1), "too large"), ((1, 2**26), "too large"), ((6500, 100), "too oblong"), ((64, 4200), "too oblong")],
)
def test_sides_and_proportions_have_bounds(tmp_path: Path, size, words, monkeypatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    long = Image.new("L", size, 255)
    long.save(tmp_path / "0.png")
    calls = (
        lambda: open_image(tmp_path / "0.png"),
        lambda: open_mask(tmp_path / "0.png"),
        lambda: annotate("canny", tmp_path / "0.png"),
        lambda: open_image(long),
        lambda: open_image(np.broadcast_to(np.uint8(0), size[::-1])),
        lambda: open_training_set(tmp_path, caption="一")[0],
    )
    for call in calls:
        with pytest.raises(UserError, match=words):
            call()


def test_a_control_picture_that_filters_cannot_hold_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(limits, "ANNOTATED_PIXELS", 64 * 64)
    assert annotate("canny", NOISE).size == (64, 64)
    with pytest.raises(UserError, match="The picture for softedge is 65x64"):
        annotate("softedge", NOISE.resize((65, 64)))


def test_bombs_are_refused_or_opened_in_bounded_memory(tmp_path: Path) -> None:
    base, gif = coded(NOISE, "JPEG"), coded(NOISE.quantize(64), "GIF")
    text = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**26)))
    entries = directory(5000, 60_000)
    colours = 13 + 3 * 64
    bombs = {
        "rows": png(8000, 8000, b""),
        "jpeg": resized(base, b"\xff\xc0", 8000, 8000),
        "progressive": resized(coded(NOISE, "JPEG", progressive=True), b"\xff\xc2", 8000, 8000),
        "text": png(64, 64, ROWS, text),
        "texts": png(64, 64, ROWS, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**20 - 1))) * 200),
        "profile": png(64, 64, ROWS, chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(2**26)))),
        "chunks": png(64, 64, ROWS, chunk(b"abCd", b"") * 500_000),
        "segments": base[:2] + SEGMENT * 1_000_000 + base[2:],
        "long segments": base[:2] + (b"\xff\xe1\xff\xff" + b"Exif\0\0" + bytes(65527)) * 500 + base[2:],
        "scans": base[:-2] + base[base.index(b"\xff\xda") : -2] * 1000 + base[-2:],
        "comments": gif[:colours] + b"\x21\xfe\x01a\0" * 1_000_000 + gif[colours:],
        "comment": gif[:colours] + b"\x21\xfe" + (b"\xff" + bytes(255)) * 60_000 + b"\0" + gif[colours:],
        "frames": b"II*\0\x08\0\0\0" + b"".join(struct.pack("<HI", 0, 14 + 6 * i) for i in range(1_000_000)),
        "tags": directory(60_000, 700_000, 0),
        "exif": base[:2] + b"\xff\xe1" + struct.pack(">H", 8 + len(entries)) + b"Exif\0\0" + entries + base[2:],
        "exif in png": png(64, 64, ROWS, chunk(b"eXIf", directory(40_000, 700_000))),
    }
    for name, content in bombs.items():
        (tmp_path / name).write_bytes(content)
    setup = "from pai_modelscope.images import open_image\n"
    setup += f"call = lambda name: open_image({str(tmp_path)!r} + '/' + name).size"
    answers = answers_within(setup, list(bombs))
    sound = {name for name, answer in answers.items() if answer == "(64, 64)"}
    assert sound == {"exif", "exif in png"}  # a picture whose metadata is forged is still a picture
    assert all(answer.startswith("UserError: The image ") for name, answer in answers.items() if name not in sound)
    assert "has too many segments" in answers["segments"] and "has too many scans" in answers["scans"]
    assert "has too long comments" in answers["comment"] and "has too many chunks" in answers["chunks"]


def forged(content: bytes, box: bytes, start: int, value: bytes) -> bytes:
    """An AVIF with other bytes in each of its boxes of a kind; `start` counts from the box's name."""
    made = bytearray(content)
    for found in re.finditer(box, content):
        made[found.start() + start : found.start() + start + len(value)] = value
    return bytes(made)


AVIF = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")


@AVIF
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA"])
@pytest.mark.parametrize("size", [(1, 1), (40, 57), (257, 64)])
@pytest.mark.parametrize("how", [{}, {"subsampling": "4:4:4"}, {"quality": 100}, {"exif": Image.Exif().tobytes()}])
def test_avifs_whose_streams_hold_what_their_boxes_claim_are_opened(tmp_path: Path, mode, size, how) -> None:
    file = tmp_path / "a.avif"
    file.write_bytes(coded(NOISE.convert(mode).resize(size), "AVIF", **how))
    assert open_image(file).size == size


@AVIF
def test_avifs_whose_streams_hold_another_size_are_refused(tmp_path: Path) -> None:
    """libavif decodes what the stream says: 16384 x 16384 pixels of one colour take 3 KB, and 551 MB."""
    large = coded(Image.new("RGB", (16384, 16384)), "AVIF", speed=10)
    small, moving = coded(NOISE, "AVIF"), coded(NOISE, "AVIF", save_all=True, append_images=[NOISE])
    alpha = coded(NOISE.convert("RGBA"), "AVIF")
    eight = struct.pack(">II", 8, 8)
    files = {
        "large.avif": forged(large, b"ispe", 8, eight),
        "mif1.avif": forged(forged(large, b"ispe", 8, eight), b"ftyp", 4, b"mif1"),
        "small.avif": forged(small, b"ispe", 8, struct.pack(">II", 128, 128)),
        "alpha.avif": forged(alpha, b"ispe", 8, eight),
        "still.avif": forged(forged(moving, b"ispe", 8, eight), b"ftyp", 4, b"avif"),
        "moving.avif": moving,
        "no-size.avif": forged(large, b"ispe", 0, b"free"),
        "no-stream.avif": forged(small, b"iloc", 18, struct.pack(">I", 2**31)),
        "two.avif": forged(small, b"colr", 0, b"ispe"),
        "cut.avif": small[:300],
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    answers = answers_within(
        "from pai_modelscope.images import open_image as call", [str(tmp_path / name) for name in files], memory=64
    )
    answers = {Path(name).name: answer for name, answer in answers.items()}
    assert [name for name, answer in answers.items() if not answer.startswith("UserError: ")] == []
    assert "16384x16384 pixels where its head claims 8x8" in answers["large.avif"]
    assert "64x64 pixels where its head claims 8x8" in answers["still.avif"]
    assert "a sequence of pictures" in answers["moving.avif"]
    with pytest.raises(UserError, match="16384x16384"):
        read_picture(tmp_path / "large.avif")


@AVIF
def test_bytes_of_an_avif_may_be_anything() -> None:
    good, random = coded(NOISE.convert("RGBA"), "AVIF"), np.random.default_rng(0)
    for _ in range(3000):
        made = bytearray(good)
        for place in random.integers(0, 480, random.integers(1, 4)):
            made[place] = random.choice([0, 1, 2, 127, 128, 255, random.integers(256)])
        assert isinstance(avif_problem(bytes(made[: random.integers(1, len(made))])), str)


def test_tiffs_of_tiles_far_larger_than_the_picture_are_refused_before_one_is_decoded(tmp_path: Path) -> None:
    """Pillow looks at the last of tags that are there twice, and libtiff, which decodes, at the first."""
    large, zeros = 10_240, deflated_zeros(400)
    files = {
        "tile": tiff([(322, 4, large), (323, 4, large)], zeros),
        "signed": tiff([(322, 9, large), (323, 9, large)], zeros),
        "twice": tiff([(322, 4, large), (322, 4, 16), (323, 4, large), (323, 4, 16)], zeros),
        "strip": tiff([(278, 4, large * large)], zeros),  # no strip is longer than the picture
        "sound": tiff([(322, 3, 2048), (323, 3, 2048)], deflated_zeros(16)),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    setup = "from pai_modelscope.images import open_image\n"
    setup += f"call = lambda name: open_image({str(tmp_path)!r} + '/' + name).size"
    answers = answers_within(setup, list(files))
    assert answers["sound"] == answers["strip"] == "(8, 8)"
    assert "is 8x8 pixels in tiles of 104857600 each; valid are tiles of up to 4194304" in answers["tile"]
    assert "has a tag on the layout of its pixels that is no whole number" in answers["signed"]
    assert "has a tag on the layout of its pixels twice" in answers["twice"]


def test_the_size_of_tiles_in_either_order_of_bytes() -> None:
    little = tiff([(322, 3, 48), (323, 4, 32)], b"")
    big = b"MM\0*\0\0\0\x08\0\x02" + struct.pack(">HHIHHHHII", 322, 3, 1, 48, 0, 323, 4, 1, 32) + bytes(4)
    assert tile_pixels(little) == tile_pixels(big) == 48 * 32
    assert tile_pixels(coded(NOISE, "TIFF")) == tile_pixels(b"II*") == 0


def test_tags_that_point_to_themselves_or_to_further_tags_are_counted() -> None:
    loop = b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 34665, 4, 1, 8) + bytes(4)
    assert tags_fit(loop)
    inner = b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 34665, 4, 1, 26) + bytes(4)
    assert not tags_fit(inner + struct.pack("<HHHII", 1, 1, 7, 2**31, 0))
    assert tags_fit(b"") and tags_fit(b"MM\0*") and tags_fit(bytes(100))
    assert tags_fit(coded(NOISE, "TIFF")) and tags_fit(coded(NOISE, "TIFF", big_tiff=True))


def test_pipes_devices_and_endless_files_are_no_pictures(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    for path in (tmp_path / "pipe.png", "/dev/zero"):
        for read in (open_image, open_mask):
            with pytest.raises(UserError, match="is a named pipe or a device: give a regular file"):
                read(path)
    (tmp_path / "pipe.txt").write_text("一")
    picture(0).save(tmp_path / "0.png")
    (tmp_path / "0.txt").write_text("一")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "zero.txt").write_text("一")
    with pytest.warns(UserWarning, match=r"2 broken, 1 sound: .*pipe\.png is a named pipe"):
        assert len(scan(open_training_set(tmp_path), on_broken="skip")) == 1
    with open(tmp_path / "sparse.png", "wb") as file:
        file.write(coded(NOISE, "PNG")[:100])
        file.truncate(2**40)
    with pytest.raises(UserError, match="1099511627776 bytes; valid are up to"):
        open_image(tmp_path / "sparse.png")


def installed(folder: Path, name: str) -> None:
    """What pip leaves of a package beside its files."""
    (folder / f"{name.replace('-', '_')}-5.0.dist-info").mkdir(parents=True)
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 5.0\n"
    (folder / f"{name.replace('-', '_')}-5.0.dist-info" / "METADATA").write_text(metadata)


def test_two_packages_of_opencv_are_named_when_annotators_are_imported(tmp_path: Path) -> None:
    code = "import pai_modelscope; print('package', flush=True); import pai_modelscope.images.annotators"
    for others in ([], ["opencv-python"], ["opencv-python", "opencv-contrib-python"]):
        folder = tmp_path / str(len(others))
        [installed(folder, name) for name in others]
        paths = os.pathsep.join([str(folder), *sys.path])
        done = subprocess.run(
            [sys.executable, "-W", "always", "-c", code],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "PYTHONPATH": paths},
        )
        assert done.returncode == 0, done.stderr
        if not others:
            assert "cv2" not in done.stderr
            continue
        ours = f"opencv-python-headless {importlib.metadata.version('opencv-python-headless')}"
        assert f"{len(others) + 1} packages bring the same module cv2 ({ours}, opencv-python 5.0" in done.stderr
        assert done.stderr.count("packages bring the same module") == 1 and "pip uninstall -y" in done.stderr
