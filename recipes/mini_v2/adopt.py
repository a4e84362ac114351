"""Go on from what ships: `python -m recipes.mini_v2.adopt --assets pai_modelscope/assets --work build/v2`.

Puts the shipped VAE, text tower and tokenizer where the later stages look for them, so that the UNet can be trained on
(`python -m recipes.mini_v2.unet --init build/v2/adopted/unet`) without the stages before it.
"""

import argparse
import shutil
from pathlib import Path

MODEL = "pai-diffusion-mini-zh"
PLACES = {"vae": "stage/vae", "text_encoder": "stage/text_encoder", "tokenizer": "tokenizer", "unet": "adopted/unet"}


def adopt(assets: Path, work: Path) -> list[Path]:
    """Copy the parts; what a stage has already written stays. Returns the folders that were filled."""
    filled = []
    for part, place in PLACES.items():
        target = work / place
        if not target.exists():
            shutil.copytree(assets / MODEL / part, target)
            filled.append(target)
    return filled


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.mini_v2.adopt")
    parser.add_argument("--assets", type=Path, default=Path("pai_modelscope/assets"))
    parser.add_argument("--work", type=Path, default=Path("build/v2"))
    args = parser.parse_args()
    for folder in adopt(args.assets, args.work):
        print(folder)


if __name__ == "__main__":
    main()
