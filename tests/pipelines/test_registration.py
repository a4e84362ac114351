"""How the pipeline gets into ModelScope, and which models reach it."""

import importlib
import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import pai_modelscope
from pai_modelscope import model_dir, registration
from pai_modelscope.pipelines import dispatch

TASK = "text-to-image-synthesis"
MINI = model_dir("pai-diffusion-mini-zh")


@pytest.fixture(scope="module")
def pipeline() -> Any:
    from modelscope.pipelines import pipeline

    return pipeline


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
    from modelscope.trainers.builder import TRAINERS
    from modelscope.utils import hf_util

    trainers = dict(TRAINERS.modules["default"])

    def registered() -> Any:
        return builder.PIPELINES.get(dispatch.PIPELINE_TYPE, TASK)

    first = registered()
    importlib.reload(pai_modelscope)
    assert registered() is first
    kept = {name: sys.modules.pop(name) for name in [*sys.modules] if name.split(".")[0] == "pai_modelscope"}
    try:
        importlib.import_module("pai_modelscope")
        assert registered() is not first
        assert registered().__name__ == first.__name__
        trainer = TRAINERS.modules["default"]["pai-diffusion-lora"]
        assert trainer is not trainers["pai-diffusion-lora"] and trainer.spec.name == "lora"
        for function in (builder.build_pipeline, hf_util.hf_pipeline):
            original = getattr(function, dispatch._MARK)
            assert not hasattr(original, dispatch._MARK)  # wrapped once, not twice
        assert not [each for each in sys.meta_path if hasattr(each, registration._MARK)]
    finally:
        for name in [*sys.modules]:
            if name.split(".")[0] == "pai_modelscope":
                del sys.modules[name]
        sys.modules.update(kept)
        TRAINERS.modules["default"].update(trainers)
        builder.PIPELINES.register_module(TASK, dispatch.PIPELINE_TYPE, first, force=True)
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
    for given in (path, model_dir(path)):
        pipeline(TASK, given, device="cpu", torch_dtype="float32")
    built = {"type": "pai-diffusion", "model": path, "device": "cpu", "torch_dtype": "float32"}
    assert [{name: each[name] for name in built} for each in chosen] == [built, built]
    assert type(chosen[1]["model"]) is str


@pytest.mark.parametrize("named", ["diffusers-stable-diffusion", "chinese-stable-diffusion", "something-else"])
def test_other_models_keep_modelscopes_own_pipelines(
    pipeline: Any, chosen: list[dict[str, Any]], tmp_path: Path, named: str
):
    path = folder(tmp_path / "model", {"pipeline": {"type": named}}, tokenizer="CLIPTokenizer")
    for given in (path, model_dir(path)):
        pipeline(TASK, given)
    assert [(each["type"], each["model"]) for each in chosen] == [(named, path)] * 2


def test_other_models_without_a_type_go_to_transformers(pipeline: Any, tmp_path: Path):
    with pytest.raises(Exception, match="Unknown task text-to-image-synthesis"):
        pipeline(TASK, folder(tmp_path / "model", {}, tokenizer="CLIPTokenizer"))


def test_other_tasks_and_an_explicit_name_are_obeyed(pipeline: Any, chosen: list[dict[str, Any]], tmp_path: Path):
    path = folder(tmp_path / "model", {"pipeline": {"type": "pai-diffusion"}})
    pipeline(TASK, path, pipeline_name="diffusers-stable-diffusion")
    pipeline("image-to-image-generation", folder(tmp_path / "other", {"pipeline": {"type": "some-type"}}))
    pipeline(TASK, "PAI/pai-diffusion-artist-large-zh", pipeline_name="pai-diffusion", trust_remote_code=True)
    assert [each["type"] for each in chosen] == ["diffusers-stable-diffusion", "some-type", "pai-diffusion"]
