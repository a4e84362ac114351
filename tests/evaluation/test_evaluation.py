"""The measures against numbers derived by hand, the prompts against their promises, and one small table end to end."""

import json
import lzma
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw

from pai_modelscope.adapters.result_manifest import Tuned, write_tuned
from pai_modelscope.errors import UserError
from pai_modelscope.evaluation import metrics, prompts, report, rows
from pai_modelscope.evaluation.__main__ import main
from pai_modelscope.evaluation.judge import SHIPPED_JUDGE, Judge, judge_pixels
from pai_modelscope.evaluation.pictures import Pictures, Scene, open_pictures, render, render_all
from pai_modelscope.images.colors import NAMED_COLOURS
from tests.sampling.test_loras import lora_file

SQUARE = '<svg viewBox="0 0 10 10" xmlns="http://www.w3.org/2000/svg"><path fill="{}" d="M2 2h6v6H2z"/></svg>'


def unit(*rows: tuple[float, ...]) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.tensor(rows).float(), dim=-1)


TEXTS = unit((1, 0), (0.8, 0.6), (0, 1), (-1, 0))


def test_retrieval_counts_the_texts_that_are_nearer() -> None:
    images = unit((1, 0), (0.1, 1), (1, 0.1))
    targets = [{0}, {1}, {3}]  # first place; second, after text 2; last of four
    assert metrics.ranks(images, TEXTS, targets).tolist() == [0, 1, 3]
    assert [metrics.retrieval(images, TEXTS, targets, k) for k in (1, 2, 3, 4)] == [1 / 3, 2 / 3, 2 / 3, 1.0]


def test_any_of_several_right_texts_counts() -> None:
    images = unit((0.1, 1))
    assert metrics.ranks(images, TEXTS, [{1, 3}]).tolist() == [1]
    assert metrics.ranks(images, TEXTS, [{1, 2}]).tolist() == [0]  # the other right one in front is no rival


def test_ties_with_wrong_texts_count_against_the_picture() -> None:
    same = unit((1, 0), (1, 0), (1, 0))
    assert metrics.ranks(unit((1, 0)), same, [{1}]).tolist() == [2]


def test_chance_is_what_drawing_without_replacement_gives() -> None:
    assert metrics.chance([{0}], 4, 1) == pytest.approx(1 / 4)
    assert metrics.chance([{0}], 100, 5) == pytest.approx(5 / 100)
    assert metrics.chance([{0, 1}], 4, 2) == pytest.approx(1 - 1 / 6)  # C(2, 2) / C(4, 2) misses both
    assert metrics.chance([set(), {0}], 2, 2) == pytest.approx(1 / 2)


def gaussian(mean: tuple[float, ...], root: torch.Tensor) -> torch.Tensor:
    """Samples whose mean and covariance are exactly `mean` and `root @ root.T`."""
    torch.manual_seed(0)
    noise = torch.randn(50, len(mean), dtype=torch.float64)
    noise = noise - noise.mean(0)
    whitening = torch.linalg.inv(torch.linalg.cholesky(torch.cov(noise.T)))
    return noise @ whitening.T @ root.T + torch.tensor(mean)


def test_frechet_distance_of_gaussians_known_in_closed_form() -> None:
    # Diagonal covariances: |mu|^2 + sum of (sigma_a - sigma_b)^2.
    a = gaussian((0, 0), torch.diag(torch.tensor([1.0, 2.0])).double())
    b = gaussian((3, 4), torch.diag(torch.tensor([4.0, 2.0])).double())
    assert metrics.frechet_distance(a, b) == pytest.approx(25 + 9)
    assert metrics.frechet_distance(a, a) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_where_covariances_do_not_commute() -> None:
    # In two dimensions tr (A B)^(1/2) = sqrt(tr AB + 2 sqrt(det A det B)).
    a = gaussian((0, 0), torch.tensor([[1.0, 0], [0, 3]]).double())
    b = gaussian((0, 0), torch.tensor([[2.0, 0], [1, 1]]).double())
    cov_a, cov_b = torch.tensor([[1.0, 0], [0, 9]]), torch.tensor([[4.0, 2], [2, 2]])
    cross = math.sqrt(float((cov_a @ cov_b).trace()) + 2 * math.sqrt(9 * 4))
    assert metrics.frechet_distance(a, b) == pytest.approx(10 + 6 - 2 * cross)


def test_frechet_distance_with_fewer_samples_than_features() -> None:
    torch.manual_seed(1)
    a = torch.randn(6, 40)
    assert metrics.frechet_distance(a, a) == pytest.approx(0, abs=1e-5)
    assert metrics.frechet_distance(a, a + 1) == pytest.approx(40, rel=1e-5)


def test_psnr_of_a_constant_error() -> None:
    black = torch.zeros(2, 3, 4, 4)
    assert metrics.psnr(black, black + 0.1) == pytest.approx(20)
    assert metrics.psnr(black, black) == math.inf


@pytest.mark.parametrize("name", NAMED_COLOURS)
def test_background_is_read_past_a_drawing_that_touches_the_edge(name: str) -> None:
    other = "红色" if name != "红色" else "蓝色"
    image = Image.new("RGB", (64, 64), NAMED_COLOURS[name])
    ImageDraw.Draw(image).rectangle((10, 0, 30, 63), fill=NAMED_COLOURS[other])
    assert metrics.background_colour(image) == name


def test_named_colours_are_told_apart_in_spite_of_noise() -> None:
    pixels = (torch.tensor(NAMED_COLOURS["浅蓝色"]) + torch.tensor([12, -12, 9])).clamp(0, 255).tolist()
    assert metrics.background_colour(Image.new("RGB", (16, 16), tuple(pixels))) == "浅蓝色"


def test_halves_are_trimmed_to_their_drawing() -> None:
    image = Image.new("RGB", (256, 256), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((20, 100, 59, 119), fill="red")  # 40 x 20, left
    draw.rectangle((200, 10, 219, 49), fill="blue")  # 20 x 40, right
    left, right = metrics.halves(image)
    assert left.size == right.size == (46, 46)  # 40 and twice eight hundredths of it
    assert left.getpixel((23, 23)) == (255, 0, 0) and right.getpixel((23, 23)) == (0, 0, 255)
    assert left.getpixel((23, 5)) == right.getpixel((5, 23)) == (255, 255, 255)
    empty = Image.new("RGB", (20, 30), "green")
    assert metrics.trim(empty).size == (20, 30)


def test_probe_separates_what_is_separable() -> None:
    torch.manual_seed(2)
    labels = torch.arange(60) % 3
    labels[labels == 2] = (torch.arange(20) > 0).long() * 2  # classes of unequal size
    features = torch.randn(60, 8) * 0.1 + torch.eye(3, 8)[labels] + 7  # far from zero, and of unequal scale
    features *= torch.logspace(-3, 3, 8)
    probe = metrics.ridge_probe(features[:30], labels[:30], 3)
    assert metrics.probe_classes(features[30:], probe).equal(labels[30:])


def test_the_judge_sees_wide_pictures_whole_and_unstretched() -> None:
    wide = Image.new("RGB", (64, 32), (0, 0, 0))
    ImageDraw.Draw(wide).rectangle((16, 8, 47, 23), fill=(255, 255, 255))
    pixels = judge_pixels([wide], 64, "cpu")
    assert pixels.shape == (1, 3, 64, 64) and pixels.min() == -1 and pixels.max() == 1
    lit = (pixels[0, 0] > 0).nonzero()
    assert lit.min(0).values.tolist() == [24, 16] and lit.max(0).values.tolist() == [39, 47]


def row_of(i: int, **changes: object) -> dict:
    """A record of a made-up data set with 20 names in two styles."""
    name, style = f"物{i // 2}", ("甲风格", "乙风格")[i % 2]
    values = {
        "id": f"{style}/{i}",
        "key": name,
        "family": name,
        "name": name,
        "aliases": [],
        "keywords": [f"词{i // 6}"],
    }
    values |= {"style": style, "style_id": style, "split": "train", "base": True, "variant": False}
    return values | {"is_flag": False, "svg": SQUARE.format("red")} | changes


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Pictures:
    changes: dict[int, dict] = {12: {"name": "物5"}}  # a second drawing of the same thing in the same style
    changes |= {3: {"split": "held_pair"}, 5: {"split": "held_pair"}, 6: {"is_flag": True}, 8: {"aliases": ["物7"]}}
    path = tmp_path_factory.mktemp("set") / "pictures.jsonl.xz"
    with lzma.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row_of(i, **changes.get(i, {}))) + "\n" for i in range(40))
    return open_pictures(str(path))


def test_right_names_include_aliases_that_are_candidates(pictures: Pictures) -> None:
    record = next(record for record in pictures.records if record.aliases)
    assert pictures.targets(record) == {"物4", "物7"}
    assert len(pictures.names) == 20


def test_flags_are_candidates_but_never_asked_for(pictures: Pictures) -> None:
    assert "物3" in pictures.names
    assert "甲风格/6" not in {record.id for record in pictures.of("train")}


def test_a_smaller_sample_is_the_beginning_of_a_larger_one(pictures: Pictures) -> None:
    for row in rows.ROWS:
        assert row.cases(pictures, 3) == row.cases(pictures, 12)[: len(row.cases(pictures, 3))], row.name


def test_one_thing_is_asked_for_once_in_each_style(pictures: Pictures) -> None:
    asked = [(record.name, record.style_id) for record in prompts.sample(pictures.of("train"), 40)]
    assert len(asked) == len(set(asked)) == len({record.id for record in pictures.of("train")}) - 1


def test_prompts_never_change(pictures: Pictures) -> None:
    case = prompts.held_pairs(pictures, 1)[0]
    assert (case.prompt, case.seed) == ("物2,乙风格", 4249960354)


def test_keyword_prompts_accept_every_bearer(pictures: Pictures) -> None:
    for case in prompts.keywords(pictures, 10):
        word = next(part for part in case.prompt.replace("的", ",").split(",") if part.startswith("词"))
        assert case.targets[0] >= pictures.bearers(word)
        assert len(case.targets[0]) >= 2


def test_colours_take_turns_and_are_named(pictures: Pictures) -> None:
    cases = prompts.colours(pictures, 24)
    assert {case.scene.colour for case in cases} == set(NAMED_COLOURS)
    assert all(case.scene.colour in case.prompt for case in cases)


def test_fresh_pairs_and_their_reference_share_nothing(pictures: Pictures) -> None:
    asked = {case.scene.records[0].id for case in prompts.fresh_pairs(pictures, 4)}
    assert len(asked) == 1 and asked.isdisjoint(record.id for record in prompts.other_held_pairs(pictures, 4))


def test_real_scenes_are_drawn_as_their_prompts_say(pictures: Pictures) -> None:
    record = pictures.records[0]
    one = render(Scene((record,), "绿色"))
    assert metrics.background_colour(one) == "绿色" and one.getpixel((128, 128)) == (255, 0, 0)
    two = render(Scene((record, record)))
    assert [two.getpixel((x, 128)) for x in (64, 192)] == [(255, 0, 0)] * 2 and two.getpixel((128, 128)) == (255,) * 3
    assert render_all([Scene((record,), "绿色")])[0].tobytes() == one.tobytes()


def test_table_shows_share_and_chance() -> None:
    result = {"name": "x", "title": "names", "prompts": 8, "seconds": 1, "chance": {"R@1": 0.01}}
    result |= {"generated": {"R@1": 0.4}, "real": {"R@1": 0.8}}
    result["share"] = report.ratio(result["generated"], result["real"])
    assert report._lines(result) == ["| names | 8 | R@1 | 0.400 | 0.800 | 0.500 | 0.010 |"]


@pytest.mark.slow
def test_the_shipped_judge_knows_real_pictures_it_never_saw(tmp_path: Path) -> None:
    assert main(["--rows", "judge", "vae", "--limit", "32", "--no-sheets", "--out", str(tmp_path)]) == 0
    judge, vae = json.loads((tmp_path / "report.json").read_text())["rows"]
    # 0.59 and 0.84 here.
    assert judge["prompts"] == 32 and judge["real"]["R@1"] > 0.5 and judge["real"]["R@5"] > 0.7
    assert judge["chance"]["R@5"] < 0.002
    assert vae["generated"]["mean PSNR"] > 31


@pytest.mark.slow
def test_the_table_of_the_shipped_model_on_a_few_prompts(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = ["--rows", "held_pair", "background", "frechet", "--limit", "4", "--out", str(tmp_path)]
    assert main([*arguments, "--no-sheets"]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    held, background, frechet = report["rows"]
    assert report["candidates"] >= 1900
    assert held["generated"]["R@5"] >= 0.5 and held["share"]["R@5"] == held["generated"]["R@5"] / held["real"]["R@5"]
    assert background["generated"]["colour"] == 1 and background["real"]["colour"] == 1
    assert frechet["real"]["Fréchet"] > 0
    table = (tmp_path / "report.md").read_text()
    assert "held-out (name, style) pairs | 4 |" in table and "CPU cores" in table
    assert "held_pair: R@1" in capsys.readouterr().out


def test_pictures_are_those_that_users_get(sampler: Any) -> None:
    """Alone, under control, and drawn again for another row."""
    pictures = open_pictures("shipped")
    small = {"num_inference_steps": 2, "height": 64, "width": 64, "guidance_scale": 5.0}
    judge = Judge.load(SHIPPED_JUDGE)
    bench = rows.Bench(judge=judge, pictures=pictures, limit=2, sampler=sampler, options=small, batch=1)
    cases = prompts.held_pairs(pictures, 2)
    drawn = bench.draw(cases, {})
    assert drawn == [sampler(case.prompt, seed=case.seed, **small)[0].image for case in cases]
    assert [id(image) for image in bench.draw(cases, {})] == [id(image) for image in drawn]
    steered = rows.under_control(bench, cases[:1], {})[0]
    control = {"canny": {"image": bench.real([cases[0].scene])[0], "model": rows.CONTROLNET}}
    assert steered == sampler(cases[0].prompt, seed=cases[0].seed, control=control, **small)[0].image != drawn[0]


@pytest.mark.slow
def test_the_lora_of_a_training_result_is_judged_with_its_model(tmp_path: Path) -> None:
    lora_file(tmp_path, "ruin", seed=0)
    write_tuned(tmp_path, Tuned("pai-diffusion-mini-zh", {"ruin.safetensors": 30.0}))
    arguments = ["--model", str(tmp_path), "--rows", "background", "--limit", "4", "--no-sheets"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["loras"] == {"ruin.safetensors": 30.0}
    assert report["rows"][0]["generated"]["colour"] < 1  # where the base model's is 1


def test_a_limit_below_one_is_refused(capsys: pytest.CaptureFixture) -> None:
    assert main(["--limit", "0"]) == 2
    assert capsys.readouterr().err.startswith("error: --limit is 0")


def test_a_folder_without_judge_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="lacks config"):
        Judge.load(tmp_path)


def test_bad_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no file"):
        open_pictures(str(tmp_path / "none.xz"))
    (tmp_path / "bad.xz").write_bytes(b"no xz")
    with pytest.raises(UserError, match="no list of pictures"):
        open_pictures(str(tmp_path / "bad.xz"))


def test_the_own_clip_finds_the_caption_of_a_picture():
    """Both towers are joined rightly: 40 pictures against their 40 captions, chance 1 in 40."""
    from pai_modelscope.data import open_dataset
    from pai_modelscope.evaluation.clip import ChineseClip

    rows = open_dataset("base", size=128).select(range(0, 1600, 40))
    clip = ChineseClip.load()
    scores = clip.images([row["image"] for row in rows]) @ clip.texts([row["text"] for row in rows]).T
    assert (scores.argmax(1) == torch.arange(len(rows))).float().mean() > 0.6
