"""The painter of dishes: every dish in every style, the same bits for a seed, captions that name what shows."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from transformers import BertTokenizer

from pai_modelscope import model_dir
from pai_modelscope.data import open_training_set, shipped_records
from recipes.dishes import captions as wording
from recipes.dishes import training_set
from recipes.dishes.captions import captions
from recipes.dishes.facts import TABLES, VIEWS
from recipes.dishes.menu import MENU
from recipes.dishes.paint import Painting, facts_of, paint
from recipes.dishes.style import STYLES
from recipes.dishes.vessels import VESSELS

SMALL = (128, 128)


@pytest.mark.parametrize("style", STYLES)
def test_every_dish_is_painted_in_every_style(style: str) -> None:
    for seed, dish in enumerate(MENU):
        painting = paint(seed, SMALL, dish=dish, style=style)
        assert painting.image.shape == (128, 128, 3) and painting.image.dtype == np.uint8
        assert painting.image.std() > 12, f"{dish} in {style} is nearly one colour"
        bare = float((painting.labels == 0).mean())
        vessel = painting.sights[painting.facts.vessel].area if painting.facts.vessel in painting.sights else 0.0
        assert 1 - bare - vessel > 0.08, f"{dish} in {style} fills too little of the picture"


def test_there_are_sixty_dishes_in_vessels_that_exist() -> None:
    assert len(MENU) == 60
    for dish in MENU.values():
        assert set(dish.vessels) <= set(VESSELS) and set(dish.views) <= set(VIEWS)
    assert len([dish for dish in MENU.values() if len(dish.vessels) >= 3]) >= 50


def test_a_seed_gives_the_same_bits() -> None:
    first, second = paint(7, SMALL), paint(7, SMALL)
    assert np.array_equal(first.image, second.image) and first.facts == second.facts
    assert captions(first, np.random.default_rng(1)) == captions(second, np.random.default_rng(1))
    assert not np.array_equal(first.image, paint(8, SMALL).image)


def test_dish_style_vessel_and_view_are_sampled_jointly() -> None:
    facts = [facts_of(seed) for seed in range(6000)]
    pairs = {(f.dish, f.style) for f in facts}
    assert len(pairs) == len(MENU) * len(STYLES)
    assert {(f.dish, f.vessel) for f in facts} == {(d.name, v) for d in MENU.values() for v in d.vessels}
    assert {(f.dish, f.view) for f in facts} == {(d.name, v) for d in MENU.values() for v in d.views}
    assert {f.table for f in facts} == set(TABLES)
    assert all(MENU[f.dish].hot for f in facts if f.steam)


def _words_of(painting: Painting) -> dict[str, bool]:
    """Whether each word that captions may hold is true of a picture."""
    facts, seen = painting.facts, painting.sights
    truth = {phrase: name in seen for name, phrases in wording.TOPPINGS.items() for phrase in phrases}
    truth |= {phrase: name in seen for name, phrases in wording.BESIDE.items() for phrase in phrases}
    truth |= {f"{word}{place}的": name in seen for name, v in VESSELS.items() for word in v.words for place in "里上"}
    truth |= {phrase: name == painting.table for name, phrases in wording.TABLES.items() for phrase in phrases}
    truth |= dict.fromkeys(wording.SEAL, "印章" in seen)
    truth |= dict.fromkeys(wording.STEAM, facts.steam)
    truth |= {word: word in VIEWS[facts.view].words for view in VIEWS.values() for word in view.words}
    truth |= {word: word in STYLES[facts.style].words for style in STYLES.values() for word in style.words}
    return truth


def test_captions_name_only_what_shows() -> None:
    used = set()
    for seed in range(120):
        painting = paint(seed, SMALL)
        truth = _words_of(painting)
        # A word inside a longer one that is true says nothing of its own.
        true = [word for word, holds in truth.items() if holds]
        for caption in captions(painting, np.random.default_rng(seed), 20):
            assert painting.facts.dish in caption and "，，" not in caption
            for word, holds in truth.items():
                if word in caption and not any(word in longer for longer in true):
                    assert holds, f"{seed}: {caption} says {word}"
            used |= {word for word in true if word in caption}
    assert len(used) > 60


def test_the_shipped_model_has_a_token_for_every_character_of_a_caption() -> None:
    tokenizer = BertTokenizer.from_pretrained(model_dir("pai-diffusion-mini-zh") / "tokenizer")
    written = {
        character
        for seed, dish in enumerate(list(MENU) * 3)
        for caption in captions(paint(seed, (64, 64), dish=dish), np.random.default_rng(seed))
        for character in caption
    }
    assert [each for each in sorted(written) if tokenizer.tokenize(each) == [tokenizer.unk_token]] == []


def test_hidden_things_are_not_named() -> None:
    pictures = (paint(seed, SMALL, dish="牛肉面", view="俯拍") for seed in range(20))
    painting = next(picture for picture in pictures if "葱花" in picture.sights)
    assert any("葱花" in caption for caption in captions(painting, np.random.default_rng(0), 80))
    painting.sights.pop("葱花")
    assert not any("葱花" in caption for caption in captions(painting, np.random.default_rng(0), 80))


def test_kinds_of_captions_are_drawn_evenly() -> None:
    painting = paint(3, SMALL, dish="牛肉面", view="俯拍")
    drawn = captions(painting, np.random.default_rng(0), 2 * len(wording.KINDS))
    assert len(drawn) == 20
    with_style = sum(any(word in caption for word in STYLES[painting.facts.style].words) for caption in drawn)
    assert with_style == 12, "ten of the twenty, and two that would be a count and a name alone"


def _features(image: np.ndarray) -> np.ndarray:
    """Colours of the middle: their histogram, and their means on a small grid; edges by direction on a coarse one."""
    side = image.shape[0]
    middle = image[side // 8 : -side // 8, side // 8 : -side // 8]
    lab = cv2.cvtColor(middle, cv2.COLOR_RGB2LAB)
    histogram = cv2.calcHist([lab], [0, 1, 2], None, [4, 8, 8], [0, 256, 90, 190, 90, 210]).ravel()
    grid = cv2.resize(lab, (4, 4), interpolation=cv2.INTER_AREA).astype(np.float32).ravel() / 255
    grey = middle.mean(2).astype(np.float32)
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    strength, angle = cv2.cartToPolar(across, down)
    edges = [
        np.histogram(a % np.pi, 6, (0, np.pi), weights=s)[0] / s.size / 100
        for a, s in zip(_quarters(angle), _quarters(strength), strict=True)
    ]
    return np.concatenate([np.sqrt(histogram / middle[..., 0].size), grid, np.concatenate(edges)])


def _quarters(field: np.ndarray) -> list[np.ndarray]:
    half = field.shape[0] // 2
    return [field[y : y + half, x : x + half] for y in (0, half) for x in (0, half)]


@pytest.mark.slow
def test_dishes_are_told_apart_by_colour_and_edges() -> None:
    """By the nearest centroid of eight pictures a dish, over all vessels, views and tables; chance is 0.017."""
    style = "写实美食"

    def rows(start: int, count: int) -> np.ndarray:
        pictures = [[paint(start + k, SMALL, dish=d, style=style).image for k in range(count)] for d in MENU]
        return np.array([[_features(image) for image in row] for row in pictures])

    train, test = rows(0, 8), rows(1000, 3)
    scale = train.reshape(-1, train.shape[-1]).std(0) + 1e-3
    centroids = train.mean(1) / scale
    distances = ((test[:, :, None] / scale - centroids[None, None]) ** 2).sum(-1)
    right = float((distances.argmin(-1) == np.arange(len(MENU))[:, None]).mean())
    print(f"nearest centroid: {right:.3f}")
    assert right > 0.8


def test_no_dish_is_named_in_the_base_models_training_set() -> None:
    """The base model never sees food: no dish's name is that of a picture of version 1 that is no food."""
    trained = set()
    for record in shipped_records():
        if not record["is_food"]:
            trained |= {record["name"], *record["aliases"]}
    assert len(trained) > 500
    assert not set(MENU) & trained


def test_garnishes_come_and_go() -> None:
    seen = ["葱花" in paint(seed, SMALL, dish="牛肉面", view="俯拍").sights for seed in range(16)]
    assert 4 <= sum(seen) <= 15


def test_a_training_set_is_the_same_however_many_paint_it(tmp_path: Path) -> None:
    dishes = ["月饼", "牛肉面"]
    one = training_set.write(tmp_path / "one", 5, dishes, first_seed=3, side=64, workers=1)
    two = training_set.write(tmp_path / "two", 5, dishes, first_seed=3, side=64, workers=2)
    for file in sorted(one.iterdir()):
        assert file.read_bytes() == (two / file.name).read_bytes()
    opened = open_training_set(str(one), size=64, caption_column="captions")
    assert len(opened) == 5
    for number, picture in enumerate(opened):
        painting = paint(3 + number, (64, 64), dish=dishes[number % 2])
        assert np.array_equal(np.asarray(picture.read().convert("RGB")), painting.image)
        assert any(dishes[number % 2] in caption for caption in picture.captions)


def test_a_dish_that_is_not_on_the_menu_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["training_set", str(tmp_path / "out"), "--dishes", "月饼,披萨"])
    with pytest.raises(SystemExit):
        training_set.main()
    assert "not on the menu: 披萨" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_an_unfinished_folder_does_not_look_whole(tmp_path: Path) -> None:
    training_set.write(tmp_path, 1, ["月饼"], side=64)
    with pytest.raises(cv2.error):
        training_set.write(tmp_path, 1, ["月饼"], side=0)
    assert not (tmp_path / "metadata.jsonl").exists()
