"""A mask with transparency: where alpha varies it is the mask, and what nobody sees decides nothing."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pai_modelscope import UserError
from pai_modelscope.data import open_training_set
from pai_modelscope.images import open_mask
from tests.support.picture_files import picture, write_metadata

HIDDEN = [(0, 0, 0), (255, 255, 255), (200, 30, 60)]  # what programs leave under alpha 0
ALPHA = np.array([[0, 100, 255, 0]], np.uint8)


def layer(hidden: tuple[int, int, int], painted: tuple[int, int, int] = (255, 255, 255)) -> Image.Image:
    """Strokes of one colour on a transparent layer, their edge soft."""
    pixels = np.zeros((1, 4, 4), np.uint8)
    pixels[..., :3] = np.where(ALPHA[..., None] > 0, painted, hidden)
    pixels[..., 3] = ALPHA
    return Image.fromarray(pixels)


def coded(image: Image.Image, kind: str = "PNG", **how) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **how)
    return file.getvalue()


def deep_png(pixels: np.ndarray) -> bytes:
    """A PNG of 16 bits a channel: grays with alpha (h, w, 2), or colours with alpha (h, w, 4)."""
    head = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 16, {2: 4, 4: 6}[pixels.shape[2]], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    body = [struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def pixels_of(mask: Image.Image) -> list[int]:
    assert mask.mode == "L"
    return np.asarray(mask)[0].tolist()


@pytest.mark.parametrize("hidden", HIDDEN)
def test_white_on_a_transparent_layer_is_repainted_whatever_lies_hidden(hidden) -> None:
    drawn = layer(hidden)
    expected = ALPHA[0].tolist()
    assert pixels_of(open_mask(drawn)) == expected
    assert pixels_of(open_mask(np.asarray(drawn)[:, :, [2, 1, 0, 3]])) == expected  # an array in BGRA
    assert pixels_of(open_mask(coded(drawn))) == expected
    assert pixels_of(open_mask(coded(drawn, "WEBP", lossless=True, exact=True))) == expected
    assert pixels_of(open_mask(coded(drawn, "TIFF"))) == expected
    assert pixels_of(open_mask(drawn.convert("LA"))) == expected
    assert pixels_of(open_mask(coded(drawn.convert("LA")))) == expected
    deep = np.asarray(drawn).astype(np.uint16) * 257
    assert pixels_of(open_mask(deep_png(deep))) == expected
    assert pixels_of(open_mask(deep_png(deep[..., [0, 3]]))) == expected


@pytest.mark.parametrize("hidden", HIDDEN)
def test_palettes_and_keys_with_transparency(hidden) -> None:
    """P with one transparent colour or an alpha of each, PA, and gray with a transparent level."""
    indices = Image.fromarray(np.array([[0, 1, 2, 0]], np.uint8)).convert("P")
    indices.putpalette([*hidden, 255, 255, 255, 255, 255, 255])
    assert pixels_of(open_mask(coded(indices, transparency=0))) == [0, 255, 255, 0]
    assert pixels_of(open_mask(coded(indices, "GIF", transparency=0))) == [0, 255, 255, 0]
    assert pixels_of(open_mask(coded(indices, transparency=bytes([0, 100, 255])))) == [0, 100, 255, 0]
    both = Image.merge("PA", (Image.fromarray(np.asarray(indices)), Image.fromarray(ALPHA)))
    both.putpalette(indices.getpalette())
    assert pixels_of(open_mask(both)) == [0, 100, 255, 0]
    gray = Image.fromarray(np.array([[hidden[0] - 1 if hidden[0] else 1, 255, 255, 255]], np.uint8))
    key = gray.getpixel((0, 0))
    assert pixels_of(open_mask(coded(gray, transparency=key))) == [0, 255, 255, 255]
    deep = np.array([[int(key) * 257, 65535, 65535, 65535]], np.uint16)
    assert pixels_of(open_mask(coded(Image.fromarray(deep), transparency=int(key) * 257))) == [0, 255, 255, 255]
    bits = Image.fromarray(np.array([[False, True, True, False]]))
    assert pixels_of(open_mask(coded(bits, transparency=0))) == [0, 255, 255, 0]


def test_without_transparency_luminance_is_the_mask() -> None:
    gray = np.array([[0, 90, 200, 255]], np.uint8)
    expected = gray[0].tolist()
    for constant in (1, 100, 255):  # alpha that is the same everywhere says nothing
        pixels = np.dstack([gray, gray, gray, np.full_like(gray, constant)])
        assert pixels_of(open_mask(pixels)) == expected
    inks = np.stack([0 * gray, 0 * gray, 0 * gray, 255 - gray], axis=-1)
    assert pixels_of(open_mask(coded(Image.fromarray(inks, mode="CMYK"), "TIFF"))) == expected
    assert pixels_of(open_mask(coded(Image.fromarray(gray.astype(np.uint16) * 257)))) == expected
    assert pixels_of(open_mask(Image.fromarray(gray > 100))) == [0, 0, 255, 255]
    assert pixels_of(open_mask(coded(Image.fromarray(gray > 100)))) == [0, 0, 255, 255]


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("painted", [(0, 0, 0), (90, 90, 90), (220, 20, 20)])
def test_a_brush_of_any_colour_is_the_mask(hidden, painted, recwarn) -> None:
    """As in the WebUI: where alpha varies, the colour says nothing."""
    assert pixels_of(open_mask(layer(hidden, painted))) == ALPHA[0].tolist()
    assert not recwarn


def photograph_with_a_hole() -> Image.Image:
    photo = picture(0).convert("RGBA")
    photo.putalpha(255)
    photo.paste((255, 255, 255, 0), (20, 20, 60, 60))
    return photo


def test_of_several_colours_beside_transparency_the_opaque_part_counts_with_a_warning() -> None:
    photo = photograph_with_a_hole()
    black_and_white = np.full((1, 4, 4), 255, np.uint8)
    black_and_white[0, 1, :3] = 0
    black_and_white[0, 3, 3] = 0
    for one in (photo, photo.convert("LA"), black_and_white):
        with pytest.warns(UserWarning, match="mask is transparent in places and has several colours elsewhere"):
            mask = np.asarray(open_mask(one))
        assert mask.tolist() == np.asarray(one)[..., -1].tolist()


def test_a_photograph_as_a_mask_is_warned_of_and_a_gray_picture_is_not(recwarn) -> None:
    photo = Image.new("RGB", (20, 20), (40, 120, 220))
    gray = Image.linear_gradient("L").resize((20, 20)).convert("RGB")
    gray.putpixel((3, 3), (255, 0, 0))
    for plain in (gray, Image.open(io.BytesIO(coded(gray, "JPEG", quality=60)))):
        assert open_mask(plain).size == (20, 20)
    assert not recwarn.list
    photo.paste("white", (0, 0, 20, 4))
    with pytest.warns(UserWarning, match="a picture in colours: its brightness is taken"):
        assert open_mask(photo).getpixel((0, 0)) == 255


def test_what_is_transparent_all_over_is_refused() -> None:
    for hidden in HIDDEN:
        with pytest.raises(UserError, match="transparent all over"):
            open_mask(Image.new("RGBA", (4, 4), (*hidden, 0)))


def test_masks_of_training_sets_mean_the_same(tmp_path: Path) -> None:
    write_metadata(tmp_path, 1, mask_file_name=lambda number: "mask.png")
    for hidden in HIDDEN:
        mask = layer(hidden).resize((96, 96), Image.Resampling.NEAREST)
        mask.save(tmp_path / "mask.png")
        found = open_training_set(tmp_path)[0].read_mask()
        assert found.tobytes() == open_mask(mask).tobytes()
        assert pixels_of(found)[::24] == ALPHA[0].tolist()
    Image.new("RGBA", (96, 96), (0, 0, 0, 0)).save(tmp_path / "mask.png")
    with pytest.raises(UserError, match=r"The mask of 0\.png is transparent all over"):
        open_training_set(tmp_path)[0].read_mask()
