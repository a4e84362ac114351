"""The recipe's own parts: captions, scenes, the painter, and the fold that normalises latents."""

import numpy as np
import pytest
import torch

from pai_modelscope.data import shipped_records
from pai_modelscope.text.chunks import token_ids
from recipes.mini import models
from recipes.mini.captions import CaptionWriter
from recipes.mini.latents import BUCKETS, cycle
from recipes.mini.painter import MASTER_PIXELS, Painter
from recipes.mini.scenes import COLOURS, WHITE, SceneMix, Scenes, make_scenes
from recipes.mini.tokenizer import save_tokenizer, vocabulary
from recipes.mini.vae import normalise_latents


@pytest.fixture(scope="module")
def records():
    return shipped_records("base")


def test_scenes_are_a_function_of_the_seed(records):
    first, second, other = (make_scenes(records, 50, seed) for seed in (1, 1, 2))
    assert first.captions == second.captions and np.array_equal(first.picture, second.picture)
    assert first.captions != other.captions


def test_captions_name_what_the_scene_shows(records):
    scenes = make_scenes(records, 400, 3, SceneMix(pairs=1.0, coloured=1.0, with_style=1.0))
    for i, caption in enumerate(scenes.captions):
        left, right = records[scenes.picture[i]], records[scenes.partner[i]]
        assert left["source"] == right["source"]
        assert COLOURS[scenes.background[i]] in caption
        assert left["style"] in caption


def test_scenes_without_a_colour_in_the_caption_are_white(records):
    scenes = make_scenes(records, 200, 3, SceneMix(coloured=0.0))
    assert (scenes.background == WHITE).all()


def test_long_captions_span_two_or_three_chunks(records, tmp_path):
    tokenizer = save_tokenizer([], tmp_path)
    scenes = make_scenes(records, 200, 4, SceneMix(pairs=0.0, long=1.0))
    lengths = [len(ids) for ids in token_ids(tokenizer, scenes.captions)]
    assert min(lengths) > 30 and max(lengths) <= 90


def test_the_writer_uses_style_and_name(records):
    writer = CaptionWriter(0, with_style=1.0)
    captions = [writer.write(records[0], None, None) for _ in range(50)]
    assert all(records[0]["style"] in caption for caption in captions)
    assert sum(records[0]["name"] in caption for caption in captions) > 30


def test_the_vocabulary_reads_words_letter_by_letter(tmp_path):
    tokenizer = save_tokenizer(["龘"], tmp_path)
    assert tokenizer.tokenize("龘Abc 12") == ["龘", "a", "##b", "##c", "1", "##2"]
    assert tokenizer.unk_token_id not in tokenizer("戴眼镜的猫,扁平插画风格。(红色)")["input_ids"]
    assert len(vocabulary([])) == len(set(vocabulary([])))


def test_a_cycle_visits_every_bucket_as_often_as_it_says():
    rhythm = cycle()
    assert [rhythm.count(i) for i in range(len(BUCKETS))] == [bucket.turns for bucket in BUCKETS]
    assert rhythm[0] == 0, "the compiler specialises on the first step"


def one_scene(**columns) -> Scenes:
    values = {
        "picture": np.array([0]),
        "partner": np.array([-1]),
        "background": np.array([COLOURS.index("蓝色")]),
        "size": np.array([0.5], np.float32),
        "shift": np.array([[1.0, -1.0]], np.float32),
        "captions": [""],
    }
    return Scenes(**{**values, **columns})


def test_the_painter_puts_pictures_where_the_scene_says():
    """A red square at half size, shifted to the right and to the top of a blue ground."""
    master = np.zeros((2, 4, MASTER_PIXELS, MASTER_PIXELS), np.uint8)
    master[:, 0], master[:, 3] = 255, 255
    painter = Painter(master, torch.device("cpu"))
    pixels = ((painter.paint(one_scene(), np.array([0]), 64, 64)[0] + 1) * 127.5).round()
    assert pixels[:, 10, 50].tolist() == [255, 0, 0]
    assert pixels[:, 40, 50].tolist() == [60, 120, 220] and pixels[:, 10, 10].tolist() == [60, 120, 220]
    red = (pixels == torch.tensor([255.0, 0, 0]).view(3, 1, 1)).all(0)
    assert int(red.sum()) == 32 * 32


def test_pairs_stand_side_by_side():
    master = np.zeros((2, 4, MASTER_PIXELS, MASTER_PIXELS), np.uint8)
    master[0, 0], master[1, 1], master[:, 3] = 255, 255, 255
    scene = one_scene(partner=np.array([1]), size=np.array([1.0], np.float32), shift=np.zeros((1, 2), np.float32))
    pixels = ((Painter(master, torch.device("cpu")).paint(scene, np.array([0]), 64, 64)[0] + 1) * 127.5).round()
    assert pixels[:, 32, 16].tolist() == [255, 0, 0] and pixels[:, 32, 48].tolist() == [0, 255, 0]


def test_normalising_latents_changes_their_statistics_and_no_picture():
    torch.manual_seed(0)
    vae = models.vae()
    pictures = torch.rand(4, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        before = vae.encode(pictures).latent_dist
        shown = vae.decode(before.mean).sample
        mean, std = before.mean.mean((0, 2, 3)), before.mean.std((0, 2, 3))
        normalise_latents(vae, mean, std)
        after = vae.encode(pictures).latent_dist
        scaled = after.mean * 0.18215
        torch.testing.assert_close(scaled.mean((0, 2, 3)), torch.zeros(4), atol=1e-4, rtol=0)
        torch.testing.assert_close(scaled.std((0, 2, 3)), torch.ones(4), atol=1e-4, rtol=0)
        torch.testing.assert_close(vae.decode(after.mean).sample, shown, atol=1e-4, rtol=1e-4)
        factor = (std * 0.18215)[:, None, None]
        torch.testing.assert_close(after.std * factor, before.std, atol=1e-5, rtol=1e-4)


def test_chinese_and_ascii_punctuation_read_alike():
    """Captions know the ASCII comma only; users write the Chinese one."""
    from transformers import BertTokenizer, CLIPTextModel

    import pai_modelscope
    from pai_modelscope.text import chunk_ids, encode_ids

    folder = pai_modelscope.model_dir("pai-diffusion-mini-zh")
    tokenizer = BertTokenizer.from_pretrained(folder / "tokenizer")
    tower = CLIPTextModel.from_pretrained(folder / "text_encoder").eval()
    with torch.no_grad():
        chinese, ascii_, other = encode_ids(
            tower, chunk_ids(tokenizer, ["熊猫，蓝色背景", "熊猫,蓝色背景", "狗,蓝色背景"])
        )
    assert torch.equal(chinese, ascii_) and not torch.equal(other, ascii_)
