"""`adapter merge` and `adapter extract`: LoRAs into a model's folder, and out of one again."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file

from pai_modelscope import Sampler, adapters
from pai_modelscope.cli import main
from pai_modelscope.errors import UserError
from pai_modelscope.tensor_files import is_float8
from pai_modelscope.zoo.folders import copy_model
from tests.support.adapter_files import ATTENTION, MODEL, TEXT, outputs, random_lora, same_state, spoilt
from tests.support.command_line import names

MINI = "pai-diffusion-mini-zh"
UNET, CLIP = "unet/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"
FIRST, SECOND = 0.8, 1.4
SUNSET = "海边日落,油画"  # which fills the picture: a thing before white would hardly change


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two LoRAs: of UNet and text encoder, and of other layers of the UNet alone."""
    from tests.support.adapter_files import shipped_pipe

    folder, pipe = tmp_path_factory.mktemp("loras"), shipped_pipe()
    both = adapters.LoraFile("PEFT", random_lora(pipe.unet, ATTENTION), random_lora(pipe.text_encoder, TEXT, seed=1))
    both.alphas = dict.fromkeys(both.ranks, 2.0)
    other = adapters.LoraFile("PEFT", random_lora(pipe.unet, ".*conv1|.*to_q", rank=2, seed=2))
    return [
        adapters.write_lora(both, folder / "墨=1.safetensors", "kohya"),
        adapters.write_lora(other, folder / "b", "peft"),
    ]


@pytest.fixture(scope="module")
def merged(files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("merged") / "模型"
    given = [f"{file}={weight}" for file, weight in zip(files, (FIRST, SECOND), strict=True)]
    assert main(["adapter", "merge", MINI, *given, str(folder)]) == 0
    return folder


def with_loras(pipe: Any, files: list[Path]) -> tuple[torch.Tensor, torch.Tensor]:
    for file, name in zip(files, ("a", "b"), strict=True):
        adapters.load_lora(pipe, adapters.read_lora(file), name)
    adapters.set_loras(pipe, {"a": FIRST, "b": SECOND})
    return outputs(pipe)


def test_a_merged_folder_draws_what_its_loras_draw(merged: Path, files: list[Path], pipe: Any) -> None:
    plain, expected = outputs(pipe), with_loras(pipe, files)
    drawn = outputs(StableDiffusionPipeline.from_pretrained(merged))
    for got, wanted, before in zip(drawn, expected, plain, strict=True):
        # The folder holds float16, as the model it was made from: a thousandth of what the LoRAs do.
        assert (got - wanted).abs().max() < 0.01 * (wanted - before).abs().max()
    options = {"num_inference_steps": 3, "height": 128, "width": 128, "seed": 1}
    ours = np.asarray(Sampler.from_pretrained(merged, device="cpu")(SUNSET, **options)[0].image).astype(int)
    sampler = Sampler.from_pretrained(MODEL, device="cpu")
    theirs = sampler(SUNSET, loras={str(files[0]): FIRST, str(files[1]): SECOND}, **options)[0].image
    assert np.abs(ours - np.asarray(theirs)).mean() < 1
    assert np.abs(ours - np.asarray(sampler(SUNSET, **options)[0].image)).mean() > 10


def test_a_merged_folder_is_the_model_but_for_what_the_loras_change(merged: Path, files: list[Path]) -> None:
    """Every file of the model without its card, and every bit that no LoRA touches."""
    assert names(merged.parent) == [merged.name]
    kept = sorted(path.relative_to(MODEL) for path in MODEL.rglob("*") if path.is_file() and path.parent != MODEL)
    assert sorted(p.relative_to(merged) for p in merged.rglob("*") if p.is_file() and p.parent != merged) == kept
    assert names(merged) == sorted({path.name for path in MODEL.iterdir()} - {"README.md", "samples.webp"})
    for path in kept:
        if str(path) not in (UNET, CLIP):
            assert (merged / path).read_bytes() == (MODEL / path).read_bytes()
    loras = [adapters.read_lora(file) for file in files]
    touched = {name.partition(".")[2] for lora in loras for name in lora.ranks}
    for name in (UNET, CLIP):
        before, after = load_file(MODEL / name), load_file(merged / name)
        assert before.keys() == after.keys()
        changed = {key for key in before if not torch.equal(before[key].float(), after[key].float())}
        for key, tensor in before.items():  # what takes a byte is not rounded to one again
            grown = key in changed and is_float8(tensor)
            assert after[key].dtype == (torch.float16 if grown else tensor.dtype)
        own = {key for key in before if key.removesuffix(".weight").removeprefix("text_model.") in touched}
        assert changed == own and changed


@pytest.mark.parametrize("form", ["diffusers", "peft", "kohya"])
@pytest.mark.slow
def test_extraction_gives_back_what_was_merged(form: str, merged: Path, files: list[Path], pipe: Any, tmp_path: Path):
    output = tmp_path / ("found" if form == "peft" else "found.safetensors")
    assert main(["adapter", "extract", str(merged), MINI, str(output), "--rank", "6", "--to", form]) == 0
    found = adapters.read_lora(output)
    assert set(found.ranks.values()) == {6} and float(found.metadata.get("extracted_share", 1)) > 0.99
    assert found.ranks.keys() == {name for file in files for name in adapters.read_lora(file).ranks}
    plain = outputs(pipe)
    adapters.load_lora(pipe, found, "found")
    drawn = outputs(pipe)
    adapters.unload_lora(pipe, "found")
    for got, wanted, before in zip(drawn, with_loras(pipe, files), plain, strict=True):
        assert (got - wanted).abs().max() < 0.02 * (wanted - before).abs().max()


def test_a_smaller_rank_keeps_less(merged: Path, tmp_path: Path) -> None:
    shares = []
    for rank in (1, 3):
        output = tmp_path / f"{rank}.safetensors"
        assert main(["adapter", "extract", str(merged), MINI, str(output), "--rank", str(rank), "--to", "kohya"]) == 0
        shares.append(float(adapters.read_lora(output).metadata["extracted_share"]))
    assert 0.1 < shares[0] < shares[1] < 0.99


def test_embeddings_are_no_layers(pipe: Any, shipped: Any) -> None:
    """A text encoder that learned words too, in today's transformers and, with all under `text_model`, in version 4."""
    lora = adapters.LoraFile("PEFT", {}, random_lora(pipe.text_encoder, TEXT))
    adapters.merge_lora(pipe, lora)
    pipe.text_encoder.get_input_embeddings().weight += 0.01
    for wrap in (lambda model: model, lambda model: torch.nn.ModuleDict({"text_model": model})):
        texts = (wrap(pipe.text_encoder), wrap(shipped.text_encoder))
        found = adapters.extract_lora(pipe.unet, shipped.unet, 4, text_encoders=texts)
        assert found.unet == {} and found.ranks.keys() == lora.ranks.keys()
        assert float(found.metadata["extracted_share"]) < 0.999


def test_other_layouts_of_a_folder(pipe: Any, tmp_path: Path) -> None:
    """Half-precision copies under their own names, a stale pickle, leftovers of training: one copy comes out."""
    folder = tmp_path / "model"
    shutil.copytree(MODEL, folder)
    (folder / UNET).rename(folder / "unet" / "diffusion_pytorch_model.fp16.safetensors")
    torch.save({}, folder / "unet" / "diffusion_pytorch_model.bin")
    newer = {key.removeprefix("text_model."): tensor for key, tensor in load_file(folder / CLIP).items()}
    save_file({key: tensor.float() for key, tensor in newer.items()}, folder / CLIP)
    for left in ("checkpoint-9/optimizer.bin", ".git/config", "logs/a.log"):
        (folder / left).parent.mkdir(parents=True, exist_ok=True)
        (folder / left).touch()
    lora = adapters.LoraFile("PEFT", random_lora(pipe.unet, ATTENTION), random_lora(pipe.text_encoder, TEXT))
    file = adapters.write_lora(lora, tmp_path / "a.safetensors", "kohya")
    assert main(["adapter", "merge", str(folder), str(file), str(tmp_path / "out")]) == 0
    out = tmp_path / "out"
    assert names(out / "unet") == ["config.json", Path(UNET).name]
    assert names(out) == sorted({path.name for path in MODEL.iterdir()} - {"README.md", "samples.webp"})
    adapters.merge_lora(pipe, lora)
    stored = load_file(out / CLIP)
    assert stored.keys() == newer.keys()
    own = {key.removeprefix("text_model."): tensor for key, tensor in pipe.text_encoder.state_dict().items()}
    assert same_state(stored, {key: own[key] for key in stored})  # float32 here: the very same numbers


def test_a_copy_is_the_model_without_its_card_and_what_is_left_out(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(MODEL, tmp_path / "model"))
    (copy / "unet").rename(tmp_path / "unet")
    (copy / "unet").symlink_to(tmp_path / "unet")
    for name in ("LICENSE", ".note", "pytorch_model.bin", "unet/diffusion_pytorch_model.bin", "logs/a.log", "../b/c"):
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).touch()
    index = json.loads((copy / "model_index.json").read_text("utf-8"))
    (copy / "model_index.json").write_text(json.dumps(index | {"../b": ["a", "b"]}), "utf-8")
    made = tmp_path / "deep" / "made"
    copy_model(copy, made, but=["vae", "tokenizer/*.txt"])
    assert sorted(path.relative_to(tmp_path / "deep").as_posix() for path in made.parent.rglob("*.*")) == [
        *(f"made/{name}.json" for name in ("configuration", "model_index", "scheduler/scheduler_config")),
        *(f"made/text_encoder/{name}" for name in ("config.json", "model.safetensors")),
        *(f"made/tokenizer/{name}.json" for name in ("tokenizer", "tokenizer_config")),
        *(f"made/unet/{name}" for name in ("config.json", "diffusion_pytorch_model.safetensors")),
        "made/vocabulary.json",
    ]
    assert (made / "LICENSE").exists() and not (made / "unet").is_symlink()
    with pytest.raises(UserError, match=r"is no model: it has no model_index\.json"):
        copy_model(tmp_path / "b", tmp_path / "none")


def test_what_cannot_be_merged_or_extracted(
    merged: Path, files: list[Path], pipe: Any, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    (tmp_path / "a.safetensors").touch()
    adapters.write_lora(spoilt(pipe, "SD 1.x or PAI-Diffusion")[0], tmp_path / "wide.safetensors", "kohya")
    before = names(tmp_path)
    out, lora = str(tmp_path / "out"), str(files[0])
    file = str(tmp_path / "out.safetensors")
    for arguments, says in (
        (["merge", MINI, f"{lora}=1", str(tmp_path / "mine")], "exists already"),
        (["merge", MINI, f"{lora}=heavy", out], "FILE=WEIGHT"),
        (["merge", MINI, f"{lora}=nan", out], "FILE=WEIGHT"),
        (["merge", MINI, f"{lora}=1e9", out], "is beyond torch.float16"),
        (["merge", MINI, str(tmp_path / "nope.safetensors"), out], "nope.safetensors"),
        (["merge", "nope", f"{lora}=1", out], "nope"),
        (["merge", MINI, str(tmp_path / "wide.safetensors"), out], "does not fit the model"),
        (["merge", MINI, out], "OUTPUT"),
        (["extract", MINI, MINI, file, "--to", "kohya"], "nothing to extract"),
        (["extract", str(merged), MINI, file, "--rank", "0", "--to", "kohya"], "rank is 0"),
        (["extract", str(merged), MINI, out, "--to", "kohya"], "does not end in .safetensors"),
        (["extract", str(merged), MINI, str(tmp_path / "a.safetensors"), "--to", "kohya"], "exists already"),
        (["extract", str(merged), MINI, file, "--to", "peft"], "leave the ending away"),
        (["extract", str(merged), str(tmp_path / "mine"), file, "--to", "kohya"], "mine"),
    ):
        try:
            status = main(["adapter", *arguments])
        except SystemExit as exit_:  # argparse's own way out
            status = int(str(exit_.code))
        printed = capsys.readouterr()
        assert status == 2 and len(printed.err.splitlines()) == 1 and says in printed.err, (arguments, printed.err)
        assert names(tmp_path) == before, arguments
    adapters.load_lora(pipe, adapters.read_lora(files[0]), "甲")
    with pytest.raises(UserError, match="LoRAs are loaded"):
        adapters.save_merged(pipe, MODEL, tmp_path / "out")
    assert names(tmp_path) == before
