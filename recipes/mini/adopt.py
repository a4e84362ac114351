"""Go on from what ships: `python -m recipes.mini.adopt --assets pai_modelscope/assets --work build/mini`.

Puts the shipped VAE, text tower and tokenizer where the stages `latents`, `unet` and `assemble` look for them, so that
the UNet can be trained on (`python -m recipes.mini.unet --init build/mini/adopted/unet`) without the stages before it.
"""

import argparse
import shutil
from pathlib import Path

MODEL = "pai-diffusion-mini-zh"
# The encoder is the same in both VAE folders; the shipped decoder is the one that `decoder` trained.
PLACES = (
    ("vae", "stage/vae"),
    ("vae", "stage/vae-decoder"),
    ("text_encoder", "clip/result/text_encoder"),
    ("tokenizer", "tokenizer"),
    ("unet", "adopted/unet"),
)


def adopt(assets: Path, work: Path) -> list[Path]:
    """Copy the parts; what a stage has already written stays. Returns the folders that were filled."""
    filled = []
    for part, place in PLACES:
        target = work / place
        if not target.exists():
            shutil.copytree(assets / MODEL / part, target)
            filled.append(target)
    return filled


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.mini.adopt")
    parser.add_argument("--assets", type=Path, default=Path("pai_modelscope/assets"))
    parser.add_argument("--work", type=Path, default=Path("build/mini"))
    args = parser.parse_args()
    for folder in adopt(args.assets, args.work):
        print(folder)


if __name__ == "__main__":
    main()
