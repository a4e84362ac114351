"""Pictures in other sizes, and the way back."""

import numpy as np
import pytest
from PIL import Image

from pai_modelscope import UserError
from pai_modelscope.images import nearest_size, resize

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("how", ["fit", "crop", "stretch"])
@pytest.mark.parametrize("size", [(64, 48), (96, 40), (40, 96), (1, 30)])
def test_what_is_resized_comes_back_to_its_place(how, size):
    """A smooth picture: there and back it is itself, within what another resolution costs."""
    y, x = np.mgrid[: size[1], : size[0]]
    image = Image.fromarray(np.stack([100 + x, 50 + y, 150 + x - y // 2], axis=-1).astype(np.uint8))
    placed = resize(image, 128, 128, how)
    assert placed.image.size == (128, 128) and placed.size == size
    back = placed.back(placed.image)
    left, top, right, bottom = placed.source
    assert back.size == (right - left, bottom - top)
    assert np.abs(np.asarray(back).astype(int) - np.asarray(image.crop(placed.source))).max() <= 4
    whole, full = (0, 0, *size), (0, 0, 128, 128)
    assert (placed.source == whole) == (how != "crop" or size[0] == size[1])
    assert (placed.inside == full) == (how != "fit" or size[0] == size[1])


def test_crop_cuts_the_middle_and_fit_repeats_the_border():
    wide = Image.fromarray(np.repeat(np.arange(0, 240, 20, dtype=np.uint8)[None, :, None], 4, 0).repeat(3, 2))  # 12x4
    cut = resize(wide, 4, 4, "crop")
    assert cut.source == (4, 0, 8, 4) and np.asarray(cut.image)[0, :, 0].tolist() == [80, 100, 120, 140]
    fit = resize(wide, 12, 8, "fit")
    assert fit.inside == (0, 2, 12, 6) and all(
        np.array_equal(row, np.asarray(wide)[0]) for row in np.asarray(fit.image)
    )
    mask = fit.apply(Image.new("L", wide.size, 255))
    assert np.asarray(mask)[:, 0].tolist() == [0, 0, 255, 255, 255, 255, 0, 0]  # the added border is kept as it is
    assert fit.apply(wide).tobytes() == fit.image.tobytes()
    square = Image.new("L", (64, 64))
    square.paste(255, (16, 16, 48, 48))
    enlarged = resize(square, 200, 200, "stretch").image
    assert not np.asarray(enlarged)[:48].any() and enlarged.getpixel((100, 100)) == 255  # nothing rings beside it
    with pytest.raises(UserError, match="is 4x4; valid is one of 12x4"):
        fit.apply(cut.image)
    with pytest.raises(UserError, match="is 12x4; valid is one of 12x8"):
        fit.back(wide)


def test_the_nearest_size_keeps_ratio_and_area():
    assert nearest_size(Image.new("L", (1920, 1080)), around=512) == (680, 384)
    assert nearest_size(Image.new("L", (500, 333))) == (504, 336)
    assert nearest_size(Image.new("L", (500, 500)), multiple=64, around=(768, 512)) == (640, 640)
    assert nearest_size(Image.new("L", (4000, 1)), around=64) == (4048, 8)
    for width, height in RNG.integers(60, 1000, (200, 2)):
        sides = nearest_size(Image.new("L", (int(width), int(height))), around=512)
        ideal = np.array([width, height]) * 512 / np.sqrt(width * height)
        assert not any(side % 8 for side in sides) and np.abs(sides - ideal).max() <= 4
