"""Stage 5, the folders of a release: `python -m recipes.mini.assemble --work build/mini --out build/mini/assets`.

Writes `pai-diffusion-mini-zh/` (plain diffusers layout with `configuration.json`), `chinese-clip-mini/` and `judge/`.
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import BertTokenizer, CLIPTextModel, VisionTextDualEncoderModel

from recipes.mini import models
from recipes.mini.data import Workspace
from recipes.mini.tokenizer import PUNCTUATION

CONFIGURATION = {
    "framework": "pytorch",
    "task": "text-to-image-synthesis",
    "pipeline": {"type": "pai-diffusion"},
    "generation": {"num_inference_steps": 20, "guidance_scale": 5.0, "guidance_rescale": 0.7},
}


def assemble_pipeline(
    work: Path,
    folder: Path,
    unet: str = "unet",
    vae: str = "stage/vae-decoder",
    text_encoder: str = "clip/result/text_encoder",
) -> None:
    """The Stable Diffusion folder in fp16, of what training left in `work`."""
    pipeline = StableDiffusionPipeline(
        vae=AutoencoderKL.from_pretrained(work / vae, torch_dtype=torch.float16),
        text_encoder=CLIPTextModel.from_pretrained(work / text_encoder, dtype=torch.float16),
        tokenizer=BertTokenizer.from_pretrained(work / "tokenizer"),
        unet=UNet2DConditionModel.from_pretrained(work / unet / "result/unet", torch_dtype=torch.float16),
        scheduler=models.scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    shutil.copy(work / "tokenizer/vocab.txt", folder / "tokenizer/vocab.txt")
    for part in ("vae", "unet"):
        forget_origin(folder / part / "config.json")
    finish_text_tower(folder / "text_encoder")
    write_json(folder / "configuration.json", CONFIGURATION)


def forget_origin(path: Path) -> None:
    """diffusers notes the folder that a part was loaded from, which means nothing on another machine."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config.pop("_name_or_path", None)
    write_json(path, config)


def finish_text_tower(folder: Path) -> None:
    """Give punctuation a meaning, and let the tower open alike under transformers 4 and 5, and plain diffusers.

    Version 4 looks for keys under `text_model.`; version 5 accepts both. Version 5 loads in the stored dtype while
    diffusers loads UNet and VAE as float32, so the configuration has to ask for float32.
    """
    weights = load_file(folder / "model.safetensors")
    teach_punctuation(weights, (folder.parent / "tokenizer/vocab.txt").read_text(encoding="utf-8").split())
    prefixed = {k if k.startswith("text_model.") else f"text_model.{k}": v for k, v in weights.items()}
    save_file(prefixed, folder / "model.safetensors", metadata={"format": "pt"})
    ask_for_float32(folder / "config.json")


def assemble_judge(work: Path, folder: Path) -> None:
    """fp16 weights and the tokenizer beside them."""
    model = VisionTextDualEncoderModel.from_pretrained(work / "judge/result/clip", dtype=torch.float16)
    model.save_pretrained(folder, safe_serialization=True)
    Workspace(work).tokenizer().save_pretrained(folder)
    ask_for_float32(folder / "config.json")


def assemble_image_tower(work: Path, folder: Path) -> None:
    """What CLIP has beyond the text tower, which already ships with the pipeline: `ChineseClip` joins the two."""
    model = VisionTextDualEncoderModel.from_pretrained(work / "clip/result/clip", dtype=torch.float16)
    folder.mkdir(parents=True, exist_ok=True)
    model.config.save_pretrained(folder)
    own = {k: v.contiguous() for k, v in model.state_dict().items() if not k.startswith("text_model.")}
    save_file(own, folder / "model.safetensors", metadata={"format": "pt"})
    ask_for_float32(folder / "config.json")


def teach_punctuation(weights: dict[str, torch.Tensor], vocabulary: list[str]) -> None:
    """Let every mark read as the comma, in place: captions know only the ASCII comma, so the others learned nothing.

    `weights` are the text tower's; `vocabulary` lists its tokens by id.
    """
    name = next(key for key in weights if key.endswith("token_embedding.weight"))
    table = weights[name].clone()
    comma = table[vocabulary.index(",")]
    for token, row in zip(vocabulary, table, strict=True):
        if token in PUNCTUATION and token != ":":  # the grammar of captions has a colon of its own
            row.copy_(comma)
    weights[name] = table


def ask_for_float32(path: Path) -> None:
    config = json.loads(path.read_text(encoding="utf-8"))
    config["dtype"] = config["torch_dtype"] = "float32"
    write_json(path, config)


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.mini.assemble")
    parser.add_argument("--work", type=Path, default=Path("build/mini"))
    parser.add_argument("--out", type=Path, default=Path("build/mini/assets"))
    parser.add_argument("--unet", default="unet", help="which UNet run to take")
    args = parser.parse_args()
    assemble_pipeline(args.work, args.out / "pai-diffusion-mini-zh", args.unet)
    # A run that trains the UNet on may have trained neither anew.
    if (args.work / "judge/result").exists():
        assemble_judge(args.work, args.out / "judge")
    if (args.work / "clip/result/clip").exists():
        assemble_image_tower(args.work, args.out / "chinese-clip-mini")


if __name__ == "__main__":
    main()
