"""The ModelScope pipeline: registration, which models reach it, what goes in and what comes out."""

import importlib
import json
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import pai_modelscope
from pai_modelscope import UserError, model_dir
from pai_modelscope.pipelines import dispatch, registration

TASK = "text-to-image-synthesis"
MINI = model_dir("pai-diffusion-mini-zh")
QUICK = {"num_inference_steps": 2, "height": 64, "width": 96}


@pytest.fixture(scope="module")
def pipeline() -> Any:
    from modelscope.pipelines import pipeline

    return pipeline


@pytest.fixture(scope="module")
def pipe(pipeline: Any) -> Any:
    return pipeline(TASK, str(MINI), device="cpu")


def folder(path: Path, config: dict[str, Any] | None, tokenizer: str = "BertTokenizer") -> str:
    """The shipped model (its parts linked) with another configuration.json or tokenizer class."""
    path.mkdir()
    for each in MINI.iterdir():
        if each.is_dir():
            (path / each.name).symlink_to(each)
    index = json.loads((MINI / "model_index.json").read_text("utf-8"))
    (path / "model_index.json").write_text(json.dumps({**index, "tokenizer": ["transformers", tokenizer]}))
    if config is not None:
        (path / "configuration.json").write_text(json.dumps({"framework": "pytorch", "task": TASK, **config}))
    return str(path)


# Registration


def test_the_package_waits_for_modelscope_and_registers_once(tmp_path: Path):
    """With a stand-in for ModelScope, whose own import takes seconds."""
    package = tmp_path / "modelscope"
    (package / "pipelines").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "pipelines" / "__init__.py").write_text("pipeline = len(__name__)\nprint('modelscope runs')\n")
    code = """
        import sys, time
        start = time.perf_counter()
        import pai_modelscope
        assert time.perf_counter() - start < 0.1
        import pai_modelscope.pipelines as ours
        ours.register = lambda: print('registered', sys.modules['modelscope.pipelines'].pipeline)
        pai_modelscope.register_on_import()             # twice is harmless
        import modelscope.pipelines, modelscope.pipelines
        print(type(modelscope.pipelines.__spec__.loader).__name__)
        pai_modelscope.register_on_import()             # the other order
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    lines = done.stdout.splitlines()
    assert lines[:2] == ["modelscope runs", "registered 20"], done.stderr
    assert lines[2:] == ["SourceFileLoader", "registered 20"]


def test_an_import_of_modelscope_that_fails_may_be_tried_again(tmp_path: Path):
    package = tmp_path / "modelscope"
    (package / "pipelines").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "pipelines" / "__init__.py").write_text(
        "import os\nif os.environ.pop('FAIL', ''): raise OSError('no')\n"
    )
    code = """
        import os, pai_modelscope.pipelines as ours
        ours.register = lambda: print('registered')
        os.environ['FAIL'] = '1'
        try:
            import modelscope.pipelines
        except OSError:
            import modelscope.pipelines
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout == "registered\n", done.stderr


def test_reload_and_second_import_register_the_new_class_once(pipeline: Any):
    from modelscope.pipelines import builder
    from modelscope.utils import hf_util

    def registered() -> Any:
        return builder.PIPELINES.get(dispatch.TYPE, TASK)

    first = registered()
    importlib.reload(pai_modelscope)
    assert registered() is first
    kept = {name: sys.modules.pop(name) for name in [*sys.modules] if name.split(".")[0] == "pai_modelscope"}
    try:
        importlib.import_module("pai_modelscope")
        assert registered() is not first
        assert registered().__name__ == first.__name__
        for function in (builder.build_pipeline, hf_util.hf_pipeline):
            original = getattr(function, dispatch._MARK)
            assert not hasattr(original, dispatch._MARK)  # wrapped once, not twice
        assert not [each for each in sys.meta_path if hasattr(each, registration._MARK)]
    finally:
        for name in [*sys.modules]:
            if name.split(".")[0] == "pai_modelscope":
                del sys.modules[name]
        sys.modules.update(kept)
        kept["pai_modelscope.pipelines"].register()
    assert registered() is first


def test_public_names_come_when_they_are_asked_for():
    assert set(pai_modelscope.__all__) <= set(dir(pai_modelscope))
    assert pai_modelscope.model_dir is model_dir
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = pai_modelscope.nothing


# Which models reach it


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch, pipeline: Any) -> list[dict[str, Any]]:
    """What ModelScope would build, without building it."""
    from modelscope.pipelines import builder

    seen: list[dict[str, Any]] = []
    monkeypatch.setattr(builder, "build_from_cfg", lambda cfg, *_, **__: seen.append(dict(cfg)))
    return seen


CONFIGURATIONS = [
    {"pipeline": {"type": "pai-diffusion"}},
    {"pipeline": {"type": "diffusers-stable-diffusion"}},
    {"pipeline": {"type": "chinese-stable-diffusion"}},
    {"pipeline": {"type": "a-name-that-nobody-registered"}},
    {"pipeline": {}},
    {},
    None,
]


@pytest.mark.parametrize("config", CONFIGURATIONS, ids=str)
def test_a_model_of_the_family_is_ours_whatever_its_configuration_names(
    pipeline: Any, chosen: list[dict[str, Any]], tmp_path: Path, config: dict[str, Any] | None
):
    path = folder(tmp_path / "model", config)
    pipeline(TASK, path, device="cpu", torch_dtype="float32")
    assert [(each["type"], each["model"], each["device"], each["torch_dtype"]) for each in chosen] == [
        ("pai-diffusion", path, "cpu", "float32")
    ]


@pytest.mark.parametrize("named", ["diffusers-stable-diffusion", "chinese-stable-diffusion", "something-else"])
def test_other_models_keep_modelscopes_own_pipelines(
    pipeline: Any, chosen: list[dict[str, Any]], tmp_path: Path, named: str
):
    pipeline(TASK, folder(tmp_path / "model", {"pipeline": {"type": named}}, tokenizer="CLIPTokenizer"))
    assert [each["type"] for each in chosen] == [named]


def test_other_models_without_a_type_go_to_transformers(pipeline: Any, tmp_path: Path):
    with pytest.raises(Exception, match="Unknown task text-to-image-synthesis"):
        pipeline(TASK, folder(tmp_path / "model", {}, tokenizer="CLIPTokenizer"))


def test_other_tasks_and_an_explicit_name_are_obeyed(pipeline: Any, chosen: list[dict[str, Any]], tmp_path: Path):
    path = folder(tmp_path / "model", {"pipeline": {"type": "pai-diffusion"}})
    pipeline(TASK, path, pipeline_name="diffusers-stable-diffusion")
    pipeline("image-to-image-generation", folder(tmp_path / "other", {"pipeline": {"type": "some-type"}}))
    pipeline(TASK, "PAI/pai-diffusion-artist-large-zh", pipeline_name="pai-diffusion", trust_remote_code=True)
    assert [each["type"] for each in chosen] == ["diffusers-stable-diffusion", "some-type", "pai-diffusion"]


# What goes in and what comes out


def test_a_text_a_dict_and_a_list_give_the_same_pictures(pipe: Any):
    text = "雾蒙蒙的日出在湖面上"
    plain = pipe(text, seed=3, **QUICK)
    assert plain.keys() == {"output_imgs", "seeds", "infotext", "flagged"}
    image = plain["output_imgs"][0]
    assert (image.shape, image.dtype, image.flags.c_contiguous) == ((64, 96, 3), np.uint8, True)
    for given in ({"text": text}, {"text": text, "seed": 3, **QUICK}):
        assert np.array_equal(pipe(given, seed=3, **QUICK)["output_imgs"][0], image)
    listed = pipe([text, {"text": "熊猫", "seed": 4}], seed=3, batch_size=1, **QUICK)
    assert [each["seeds"] for each in listed] == [[3], [4]]
    assert np.array_equal(listed[0]["output_imgs"][0], image)


def test_bgr_is_the_default_and_pil_is_rgb(pipe: Any):
    bgr = pipe("红色的苹果", seed=1, **QUICK)["output_imgs"][0]
    pil = pipe("红色的苹果", seed=1, output_type="pil", **QUICK)["output_imgs"][0]
    assert pil.mode == "RGB"
    assert np.array_equal(np.asarray(pil)[:, :, ::-1], bgr)


def test_seed_and_infotext_of_a_result_make_it_again(pipe: Any):
    first = pipe("熊猫", **QUICK)
    again = pipe("熊猫", seed=first["seeds"][0], **QUICK)
    assert np.array_equal(first["output_imgs"][0], again["output_imgs"][0])
    assert first["infotext"][0].startswith("熊猫\n")
    assert f"Seed: {first['seeds'][0]}" in first["infotext"][0]


def test_pictures_are_shared_out_to_their_texts(pipe: Any):
    results = pipe([{"text": "猫", "num_images_per_prompt": 2}, "狗"], seed=5, output_type="pil", **QUICK)
    assert [len(each["output_imgs"]) for each in results] == [2, 1]
    assert [text.split("\n")[0] for each in results for text in each["infotext"]] == ["猫", "猫", "狗"]


def test_a_data_set_gives_a_generator(pipe: Any):
    from datasets import Dataset
    from modelscope.msdatasets import MsDataset

    texts = MsDataset.to_ms_dataset(Dataset.from_dict({"text": ["猫", "狗"]}))
    results = pipe(texts, seed=0, **QUICK)
    assert [each["infotext"][0].split("\n")[0] for each in results] == ["猫", "狗"]


def test_progress_is_called_back(pipe: Any):
    calls: list[tuple[Any, ...]] = []

    def callback(step: int, total: int) -> None:
        calls.append((step, total))

    pipe("猫", seed=0, callback=callback, **QUICK)
    pipe({"text": "猫", "callback": callback}, seed=0, **QUICK)
    assert calls == [(1, 2), (2, 2), (1, 2), (2, 2)]


def test_a_generator_gives_the_seeds(pipe: Any):
    import torch

    def draw(generator: torch.Generator) -> Any:
        return pipe("猫", generator=generator, **QUICK)

    generator = torch.Generator().manual_seed(7)
    first, second = draw(generator), draw(generator)
    assert first["seeds"] == draw(torch.Generator().manual_seed(7))["seeds"] != second["seeds"]
    again = pipe("猫", seed=second["seeds"][0], **QUICK)
    assert np.array_equal(again["output_imgs"][0], second["output_imgs"][0])


# Bad input


@pytest.mark.parametrize(
    ("given", "options", "said"),
    [
        ("猫", {"guidance": 3}, "guidance_scale"),
        ({"text": "猫", "stepz": 3}, {}, "num_inference_steps"),
        ({"prompt": "猫"}, {}, "text"),
        ("", {}, "empty"),
        (5, {}, "text"),
        ("猫", {"output_type": "jpeg"}, "'pil'"),
        ("猫", {"num_images_per_prompt": 0}, "num_images_per_prompt"),
    ],
    ids=str,
)
def test_bad_input_is_one_line_with_the_way_out(pipe: Any, given: Any, options: dict[str, Any], said: str):
    with pytest.raises(UserError, match=said) as caught:
        pipe(given, **options)
    assert "\n" not in str(caught.value)


def test_errors_of_the_constructor_survive_modelscope(pipeline: Any, tmp_path: Path):
    with pytest.raises(UserError, match="PaiDiffusionPipeline: unknown option stepz; valid are model, device"):
        pipeline(TASK, str(MINI), stepz=3)
    with pytest.raises(UserError, match="there is no folder '/nowhere/at/all'"):
        pipeline(TASK, "/nowhere/at/all", pipeline_name="pai-diffusion", trust_remote_code=True)
    path = Path(folder(tmp_path / "model", {"pipeline": {"type": "pai-diffusion"}}))
    (path / "unet").unlink()
    with pytest.raises(UserError, match=r"it lacks unet/config\.json, unet's weights"):
        pipeline(TASK, str(path))


def test_devices_go_by_modelscopes_names(pipeline: Any, monkeypatch: pytest.MonkeyPatch):
    from pai_modelscope import sampling

    seen = []
    monkeypatch.setattr(
        sampling, "Sampler", SimpleNamespace(from_pretrained=lambda _, device, **__: seen.append(device))
    )
    for device in (None, "gpu", "cpu", "gpu:1", "cuda:0"):
        pipeline(TASK, str(MINI), device=device)
    assert seen == [None, None, "cpu", "cuda:1", "cuda:0"]
