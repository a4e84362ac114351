"""Stage 5, a model's folder: `python -m recipes.mini_v2.assemble --work build/v2 --out build/v2/model`."""

import argparse
from pathlib import Path

from recipes.mini.assemble import assemble_pipeline


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.mini_v2.assemble")
    parser.add_argument("--work", type=Path, default=Path("build/v2"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--unet", default="unet", help="which UNet run to take")
    args = parser.parse_args()
    assemble_pipeline(args.work, args.out, args.unet, "stage/vae", "stage/text_encoder")


if __name__ == "__main__":
    main()
