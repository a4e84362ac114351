"""The zoo without a hub: what it knows, what it says, what counts as a whole model folder, what is fetched."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pai_modelscope import zoo
from pai_modelscope.errors import UserError
from pai_modelscope.zoo.folders import needed
from pai_modelscope.zoo.push import faults, licence

MINI = "pai-diffusion-mini-zh"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A model folder that a test may spoil; the weights are links."""
    source = zoo.model_dir(MINI)
    target = tmp_path / "model"
    shutil.copytree(source, target, copy_function=_link_weights)
    return target


def _link_weights(source: str, target: str) -> None:
    if source.endswith(".safetensors"):
        Path(target).symlink_to(Path(source).resolve())
    else:
        shutil.copy(source, target)


# What it knows


def test_every_released_checkpoint_is_listed_once():
    kinds = {kind: sum(entry.kind == kind for entry in zoo.entries()) for kind in ("base", "lora", "controlnet")}
    assert kinds == {"base": 8, "lora": 2, "controlnet": 5}
    ids = [each for entry in zoo.entries() for each in (entry.name, entry.modelscope_id, entry.huggingface_id) if each]
    assert len(ids) == len(set(ids))


def test_adapters_name_a_base_model_of_the_zoo():
    for entry in zoo.entries():
        assert (entry.base is None) == (entry.kind == "base")
        if entry.base:
            assert zoo.find(entry.base).kind == "base"


def test_unconfirmed_facts_are_fields_and_are_marked_in_what_users_read():
    doubtful = [(entry, field) for entry in zoo.entries() for field in entry.unconfirmed]
    assert ("pai-diffusion-anime-large-zh", "modelscope_id") in [(entry.name, field) for entry, field in doubtful]
    for entry, field in doubtful:
        assert f"{getattr(entry, field)} (unconfirmed)" in zoo.show(entry.name)


@pytest.mark.parametrize(
    "name",
    ["PAI/pai-diffusion-food-large-zh", "alibaba-pai/pai-diffusion-food-large-zh", "PAI-Diffusion-Food-Large-zh"],
)
def test_a_model_is_found_by_name_and_by_either_id(name: str):
    assert zoo.find(name).name == "pai-diffusion-food-large-zh"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("pai-difusion-anime-large", "pai-diffusion-anime-large-zh"),
        ("food", "pai-diffusion-food-large-zh"),
        ("Taiyi", "Taiyi-Stable-Diffusion-1B-Chinese-v0.1"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_right_one(typed: str, meant: str):
    with pytest.raises(UserError, match=meant):
        zoo.find(typed)


def test_the_table_lines_up_and_names_everything():
    lines = zoo.table().splitlines()
    assert all(any(line.startswith(entry.name) for line in lines) for entry in zoo.entries())
    column = lines[0].index("HUGGING FACE")
    rows = zip(zoo.entries(), lines[1 : len(zoo.entries()) + 1], strict=True)
    starts = [line[column:] for entry, line in rows if not entry.shipped]
    assert len(starts) == len(zoo.entries()) - 3
    assert all(start.startswith(("alibaba-pai/", "IDEA-CCNL/")) for start in starts)


def test_show_reads_the_shipped_models_settings_from_its_own_file():
    settings = json.loads((zoo.model_dir(MINI) / "configuration.json").read_text("utf-8"))["generation"]
    assert all(f"{key}={value!r}" in zoo.show(MINI) for key, value in settings.items())


def test_the_room_imports_no_torch_and_no_modelscope():
    code = "import sys, pai_modelscope.zoo; print({'torch', 'modelscope', 'modelscope_hub'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# model_dir without a hub


def test_a_folder_wins_and_comes_back_absolute(copy: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(copy.parent)
    assert zoo.model_dir("model") == zoo.model_dir(copy) == copy.resolve()


def test_the_shipped_model_is_whole_and_of_the_family():
    folder = zoo.model_dir(MINI)
    assert zoo.problem(folder) is None
    assert zoo.is_family(folder)


@pytest.mark.parametrize("name", ["./nowhere", "nowhere", "a/b/c", "~nobody/model", "", "一只猫" * 200])
def test_what_is_neither_folder_nor_id_is_refused_without_asking_a_hub(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pai_modelscope.zoo.resolve.hubs", None)
    with pytest.raises(UserError, match="no folder") as caught:
        zoo.model_dir(name)
    assert "\n" not in str(caught.value)


def test_a_file_is_refused(tmp_path: Path):
    file = tmp_path / "model.ckpt"
    file.write_bytes(b"1")
    with pytest.raises(UserError, match="is a file"):
        zoo.model_dir(file)


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("model_index.json", "model_index.json"),
        ("unet/diffusion_pytorch_model.safetensors", "unet's weights"),
        ("vae/config.json", "vae/config.json"),
        ("scheduler/scheduler_config.json", "scheduler/scheduler_config.json"),
        ("tokenizer", "tokenizer/tokenizer.json"),
        ("text_encoder", "text_encoder/config.json, text_encoder's weights"),
    ],
)
def test_a_folder_that_lacks_a_part_is_named_with_the_part(copy: Path, missing: str, said: str):
    path = copy / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(UserError, match=f"it lacks {said}\\.") as caught:
        zoo.model_dir(copy)
    assert "\n" not in str(caught.value)


def test_an_empty_weights_file_counts_as_missing(copy: Path):
    weights = copy / "vae" / "diffusion_pytorch_model.safetensors"
    weights.unlink()
    weights.touch()
    assert zoo.problem(copy) == "it lacks vae's weights"


def test_a_missing_shard_is_noticed(copy: Path):
    index = {"weight_map": {"a": "diffusion_pytorch_model.safetensors", "b": "second.safetensors"}}
    (copy / "unet" / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
    assert zoo.problem(copy) == "it lacks some of unet's weights"


def test_an_unreadable_index_is_said(copy: Path):
    (copy / "model_index.json").write_text('{"unet": [')
    assert zoo.problem(copy) == "its model_index.json is not readable JSON"


def test_controlnets_and_adapters_are_folders_too(tmp_path: Path):
    (tmp_path / "pytorch_lora_weights.bin").write_bytes(b"1")
    assert zoo.model_dir(tmp_path) == tmp_path.resolve()


def test_an_empty_folder_is_no_model(tmp_path: Path):
    with pytest.raises(UserError, match=r"no model_index\.json and no weights"):
        zoo.model_dir(tmp_path)


@pytest.mark.parametrize(
    ("tokenizer", "text_encoder", "ours"),
    [
        ("BertTokenizer", "BertModel", True),
        ("BertTokenizerFast", "CLIPTextModel", True),
        ("CLIPTokenizer", "CLIPTextModel", False),
        ("BertTokenizer", "BertForTokenClassification", False),
    ],
)
def test_the_family_is_known_by_its_text_side(tmp_path: Path, tokenizer: str, text_encoder: str, ours: bool):
    index = {
        "_class_name": "StableDiffusionPipeline",
        "tokenizer": ["transformers", tokenizer],
        "text_encoder": ["transformers", text_encoder],
        "safety_checker": [None, None],
    }
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    assert zoo.is_family(tmp_path) is ours


# What is fetched of a repository


def test_each_network_is_fetched_once():
    files = [
        "model_index.json",
        "README.md",
        "v1-5-pruned.ckpt",
        "v1-5-pruned.safetensors",
        "unet/config.json",
        "unet/diffusion_pytorch_model.bin",
        "unet/diffusion_pytorch_model.fp16.bin",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/diffusion_pytorch_model.non_ema.safetensors",
        "unet/diffusion_pytorch_model.safetensors",
        "unet/diffusion_flax_model.msgpack",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "text_encoder/pytorch_model.bin",
        "vae/config.json",
        "vae/diffusion_pytorch_model.bin",
        "vae/diffusion_pytorch_model.fp16.bin",
        "vae_decoder/model.onnx",
    ]
    assert needed(files) == [
        "README.md",
        "model_index.json",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/config.json",
        "vae/diffusion_pytorch_model.bin",
    ]


def test_a_variant_that_is_the_only_copy_is_fetched_with_all_its_shards():
    files = [
        "config.json",
        "diffusion_pytorch_model.fp16-00001-of-00002.safetensors",
        "diffusion_pytorch_model.fp16-00002-of-00002.safetensors",
        "diffusion_pytorch_model.safetensors.index.fp16.json",
    ]
    assert needed([*files, "diffusion_pytorch_model.fp16.bin"]) == files


def test_adapters_in_the_root_are_fetched():
    assert needed(["README.md", "pytorch_lora_weights.bin", "pytorch_lora_weights.safetensors"]) == [
        "README.md",
        "pytorch_lora_weights.safetensors",
    ]


# What may be pushed


def test_all_faults_of_a_folder_are_reported_together(copy: Path):
    (copy / "README.md").write_text("---\nlanguage: zh\n---\n# no licence\n")
    (copy / "configuration.json").write_text('{"framework": "pytorch"}')
    weights = copy / "vae" / "diffusion_pytorch_model.safetensors"
    content = weights.read_bytes()
    weights.unlink()
    weights.write_bytes(content[: len(content) // 2])
    found = faults(copy)
    assert len(found) == 3
    assert "lacks a licence" in found[0]
    assert "lacks task, pipeline.type" in found[1]
    assert "vae/diffusion_pytorch_model.safetensors does not open" in found[2]


def test_bin_weights_with_code_in_them_are_a_fault(tmp_path: Path):
    import torch

    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n")
    (tmp_path / "configuration.json").write_text('{"framework": "pytorch", "task": "t", "pipeline": {"type": "p"}}')
    torch.save({"weight": torch.zeros(2)}, tmp_path / "pytorch_model.bin")
    assert faults(tmp_path) == []
    torch.save({"weight": Path("/")}, tmp_path / "pytorch_model.bin")  # needs code to be unpickled
    assert ["pytorch_model.bin does not open" in each for each in faults(tmp_path)] == [True]


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("---\nlicense: apache-2.0\n---\n", "apache-2.0"),
        ("---\nlicense: 'MIT'\n---", "MIT"),
        ("---\nlicense:\n---", None),
        ("license: mit", None),
        ("---\nlicense: mit", None),
    ],
)
def test_the_licence_is_read_from_the_cards_head(tmp_path: Path, card: str, expected: str | None):
    (tmp_path / "README.md").write_text(card)
    assert licence(tmp_path) == expected


def test_a_push_with_faults_sends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"OWNER/NAME.*no README\.md"):
        zoo.push(tmp_path, "no-owner", token="ms-1")
