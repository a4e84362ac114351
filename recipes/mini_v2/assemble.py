"""Stage 5, a model's folder: `python -m recipes.mini_v2.assemble --work build/v2 --out build/v2/model --float8`.

With `--float8` matrices of UNet and text tower take a byte a weight. diffusers and transformers open them as they open
float16, in the precision that they are asked for.
"""

import argparse
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from recipes.mini.assemble import assemble_pipeline

FLOAT8_PARTS = ("unet", "text_encoder")


def to_float8(file: Path) -> None:
    """Round the matrices of a file of weights to `float8_e4m3fn`; vectors, which are few, stay."""
    weights = {
        name: value.to(torch.float8_e4m3fn) if value.ndim > 1 else value for name, value in load_file(file).items()
    }
    save_file(weights, file, metadata={"format": "pt"})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.mini_v2.assemble")
    parser.add_argument("--work", type=Path, default=Path("build/v2"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--unet", default="unet", help="which UNet run to take")
    parser.add_argument("--float8", action="store_true", help="UNet and text tower in a byte a weight")
    args = parser.parse_args()
    assemble_pipeline(args.work, args.out, args.unet, "stage/vae", "stage/text_encoder")
    for part in FLOAT8_PARTS if args.float8 else ():
        for file in (args.out / part).glob("*.safetensors"):
            to_float8(file)


if __name__ == "__main__":
    main()
