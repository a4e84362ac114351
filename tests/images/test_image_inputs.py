"""What users bring as pictures and masks, in all its forms."""

import base64
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from pai_modelscope import UserError
from pai_modelscope.images import open_image, open_mask

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
PICTURE = Image.fromarray(RGB)


def coded(image: Image.Image, kind: str = "PNG", **how) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **how)
    return file.getvalue()


def same(image: Image.Image, pixels: np.ndarray) -> bool:
    return image.mode == ("RGB" if pixels.ndim == 3 else "L") and np.array_equal(np.asarray(image), pixels)


def test_every_kind_of_source_is_the_same_picture(tmp_path):
    data, path = coded(PICTURE), tmp_path / "图片.png"
    path.write_bytes(data)
    text = base64.b64encode(data).decode()
    wrapped = "\n ".join(text[i : i + 20] for i in range(0, len(text), 20))
    percent = text.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    urls = [f"data:image/png;base64,{form}" for form in (text, wrapped + "\n", percent, text.rstrip("="))]
    sources = [str(path), path, data, bytearray(data), PICTURE, RGB[:, :, ::-1], *urls, "DATA:;BASE64," + text]
    assert len(text) % 4 == 0 and "=" in text and "+" in text  # else the forms above would not differ
    assert [same(open_image(source), RGB) for source in sources] == [True] * len(sources)
    open_image(PICTURE).paste("red", (0, 0, 7, 5))
    assert same(PICTURE, RGB)  # what is given is not shared


def test_arrays_are_bgr_gray_and_bgra():
    assert open_image(np.array([[[1, 2, 3]]], np.uint8)).getpixel((0, 0)) == (3, 2, 1)
    assert open_image(np.array([[9]], np.uint8)).getpixel((0, 0)) == (9, 9, 9)
    assert open_image(np.array([[[9]]], np.uint8)).getpixel((0, 0)) == (9, 9, 9)
    assert open_image(np.array([[[1, 2, 3, 255]]], np.uint8)).getpixel((0, 0)) == (3, 2, 1)
    assert open_image(np.array([[[1, 2, 3, 0]]], np.uint8)).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "JPEG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_stand_upright(tmp_path, kind, orientation):
    blocks = np.kron(RNG.integers(0, 2, (2, 3)) * 255, np.ones((16, 16))).astype(np.uint8)
    stored = np.stack([blocks, np.zeros_like(blocks), 255 - blocks], axis=-1)
    stored[:16, :16] = (0, 255, 0)  # no two orientations look alike
    flipped = stored[::-1, ::-1]
    turned = np.rot90(stored, -1), flipped.swapaxes(0, 1), np.rot90(stored)
    upright = [stored, stored[:, ::-1], flipped, stored[::-1], stored.swapaxes(0, 1), *turned][orientation - 1]
    exif = Image.Exif()
    exif[0x0112] = orientation
    how = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}.get(kind, {})
    path = tmp_path / f"photo.{kind.lower()}"
    path.write_bytes(coded(Image.fromarray(stored), kind, exif=exif, **how))
    opened = open_image(path)
    assert np.abs(np.asarray(opened).astype(int) - upright).max() <= (3 if kind == "JPEG" else 0)
    assert open_image(opened).tobytes() == opened.tobytes()  # not turned again
    with Image.open(path) as picture:
        assert open_image(picture).tobytes() == opened.tobytes()


def test_transparency_is_laid_on_white():
    rgba = Image.new("RGBA", (3, 1))
    for x, alpha in enumerate((0, 51, 255)):
        rgba.putpixel((x, 0), (200, 100, 0, alpha))
    expected = np.array([[[255, 255, 255], [244, 224, 204], [200, 100, 0]]], np.uint8)  # 255 - 0.2 * (255 - c)
    assert same(open_image(rgba), expected) and same(open_image(coded(rgba)), expected)
    palette = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    palette.putpalette([10, 20, 30, 40, 50, 60])
    assert same(open_image(coded(palette)), np.array([[[10, 20, 30], [40, 50, 60]]], np.uint8))
    clear = np.array([[[255, 255, 255], [40, 50, 60]]], np.uint8)
    assert same(open_image(coded(palette, transparency=0)), clear)
    assert same(open_image(coded(palette, "GIF", transparency=0)), clear)
    keyed = coded(Image.fromarray(np.array([[7, 8]], np.uint8)), transparency=7)
    assert same(open_image(keyed), np.array([[[255] * 3, [8] * 3]], np.uint8))
    assert open_image(Image.new("LA", (1, 1), (0, 51))).getpixel((0, 0)) == (204, 204, 204)
    assert open_image(Image.new("La", (1, 1), (0, 51))).getpixel((0, 0)) == (204, 204, 204)


def test_grays_of_16_bit_keep_their_upper_half():
    deep = np.array([[0, 128, 129, 257, 32768, 65535]], np.uint16)
    gray = np.array([[0, 0, 1, 1, 128, 255]], np.uint8)  # value / 257, rounded
    for kind in ("PNG", "TIFF"):
        assert same(open_image(coded(Image.fromarray(deep), kind)), np.repeat(gray[..., None], 3, axis=2))
    assert same(open_mask(coded(Image.fromarray(deep))), gray)
    with pytest.warns(UserWarning, match="several colours"):  # alpha is the mask, and one gray is transparent
        keyed = open_mask(coded(Image.fromarray(deep), transparency=128))
    assert same(keyed, np.array([[255, 0, 255, 255, 255, 255]], np.uint8))
    turned = Image.Exif()
    turned[0x0112] = 3
    assert np.asarray(open_image(coded(Image.fromarray(deep), exif=turned)))[0, :, 0].tolist() == gray[0, ::-1].tolist()


def test_other_modes_become_rgb():
    assert same(open_image(Image.fromarray(np.array([[True, False]]))), np.array([[[255] * 3, [0] * 3]], np.uint8))
    inks = {(0, 255, 255, 0): (255, 0, 0), (0, 0, 0, 255): (0, 0, 0), (255, 0, 0, 0): (0, 255, 255)}
    for ink, colour in inks.items():
        for data in (coded(Image.new("CMYK", (8, 8), ink), "TIFF"), coded(Image.new("CMYK", (8, 8), ink), "JPEG")):
            assert np.abs(np.asarray(open_image(data)).astype(int) - colour).max() <= 2
    assert open_image(coded(PICTURE, "GIF")).size == (7, 5)
    views = coded(PICTURE, "MPO", save_all=True, append_images=[PICTURE])  # what some phones write
    assert open_image(views).size == (7, 5)
    assert np.abs(np.asarray(open_image(PICTURE.convert("YCbCr"))).astype(int) - RGB).max() <= 3


def test_colour_profiles_are_converted_to_srgb():
    """A profile whose red and blue primaries are exchanged: its red is sRGB's blue."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"----").replace(b"bXYZ", b"rXYZ").replace(b"----", b"bXYZ")
    other = swapped.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))
    assert other != swapped != srgb
    red = Image.new("RGB", (2, 2), "red")
    assert np.abs(np.asarray(open_image(coded(red, icc_profile=other))).astype(int) - (0, 0, 255)).max() <= 2
    clear = Image.new("RGBA", (2, 2), (255, 0, 0, 51))
    assert np.abs(np.asarray(open_image(coded(clear, icc_profile=other))).astype(int) - (204, 204, 255)).max() <= 2
    for profile in (srgb, other[:200], b"no profile"):
        assert open_image(coded(red, icc_profile=profile)).getpixel((0, 0)) == (255, 0, 0)


def header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds no pixels."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IEND", b"")]
    body = [struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


NOISE = Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("https://example.com/a.png", "'https://example.com/a.png' is on the network: download it"),
        ("HTTP://example.com/a.png", "download it"),
        ("missing\n.png", r"There is no picture 'missing .png'"),
        (Path("/"), "is a folder"),
        ("", "is a folder"),
        ("a\0b", "(can't be read|There is no)"),
        ("x" * 5000, "x…x+' can't be read"),
        ("far/" * 50 + "missing.png", r"There is no picture 'far/far/.*….*/missing.png'"),
        (b"", "is empty"),
        (b"hello", "not a picture of a known format; valid are PNG, JPEG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "not a picture of a known format"),
        (header(50000, 50000), "too large"),
        (header(12000, 12000), r"too large \(12000x12000\)"),
        (header(8193, 8192), r"too large \(8193x8192\); valid are up to 64 megapixels"),
        (header(8, 8), "damaged or cut off"),
        (coded(NOISE, "JPEG")[:-900], "damaged or cut off .*truncated"),
        (coded(NOISE)[:-900], "damaged or cut off"),
        (coded(NOISE)[:20], "(damaged|not a picture)"),
        (coded(NOISE, "GIF", save_all=True, append_images=[PICTURE.resize((64, 64))]), "has more than one frame"),
        (coded(NOISE, "PNG", save_all=True, append_images=[PICTURE.resize((64, 64))]), "has more than one frame"),
        ("data:image/png;base64,", "is empty"),
        ("data:image/png;base64,!!" + "A" * 500, "can't be read"),
        ("data:image/png;base64,QUJD", "not a picture"),
        ("data:image/png,abc", "no ;base64"),
        ("data:image/png;base64", "no ;base64"),
        (RGB / 255, r"float64 \(5, 7, 3\); valid is uint8"),
        (RGB.astype(np.int64), "int64"),
        (RGB.transpose(2, 0, 1)[:, :, :6], r"\(3, 5, 6\); valid are \(height, width\)"),
        (RGB[None], r"\(1, 5, 7, 3\)"),
        (np.zeros((0, 4, 3), np.uint8), r"\(0, 4, 3\)"),
        (np.zeros((4, 4, 2), np.uint8), r"\(4, 4, 2\)"),
        (np.broadcast_to(np.uint8(0), (2**14, 2**14)), "too large"),
        (Image.new("F", (2, 2)), r"32-bit pixels \(mode F\)"),
        (Image.new("I", (2, 2)), r"32-bit pixels \(mode I\)"),
        (Image.new("RGB", (0, 3)), "0x3 pixels, so empty"),
        (None, "is a NoneType; valid are a path"),
        ([1, 2], "is a list"),
    ],
)
def test_what_is_no_picture_is_told_in_one_line(source, words):
    with pytest.raises(UserError, match=words) as error:
        open_image(source, what="picture")
    assert str(error.value).startswith(("The picture", "There is no picture")) and "\n" not in str(error.value)
    assert len(str(error.value)) < 400


def test_files_that_cannot_be_read(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(coded(PICTURE))

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(UserError, match=r"a\.png' can't be read \(Permission denied\)"):
        open_image(tmp_path / "a.png")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"])
def test_damaged_files_never_end_in_another_error(kind):
    exif = Image.Exif()
    exif[0x0112] = 6
    whole = np.frombuffer(
        coded(NOISE.resize((16, 16)), kind, **({} if kind in "GIF BMP" else {"exif": exif})), np.uint8
    )
    for _ in range(60):
        bad = whole[: RNG.integers(4, len(whole) + 1)].copy()
        bad[RNG.integers(0, len(bad), 3)] = RNG.integers(0, 256, 3)
        try:
            assert open_image(bad.tobytes()).mode == "RGB"
        except UserError as error:
            assert "\n" not in str(error)


def test_white_is_repainted():
    gray = np.array([[0, 127, 255]], np.uint8)
    assert same(open_mask(gray), gray) and same(open_mask(Image.fromarray(gray).convert("RGB")), gray)
    assert same(open_mask(gray == 255), np.array([[0, 0, 255]], np.uint8))
    assert same(open_mask(Image.fromarray(gray).convert("RGBA")), gray)  # opaque: its colours count
    assert open_mask(Image.new("RGBA", (2, 2), "white")).getcolors() == [(4, 255)]
    assert open_mask(gray, size=(3, 1)).size == (3, 1)


def test_masks_that_cannot_be():
    with pytest.raises(UserError, match="mask is 7x5 and the picture 8x5"):
        open_mask(Image.new("L", (7, 5), 255), size=(8, 5))
    for empty in (
        np.full((2, 2), 127, np.uint8),
        np.zeros((2, 2), bool),
        np.full((2, 2, 4), 255, np.uint8)[:, :, :3] * 0,
    ):
        with pytest.raises(UserError, match="nothing to repaint"):
            open_mask(empty)
    with pytest.raises(UserError, match="The mask is a NoneType"):
        open_mask(None)
