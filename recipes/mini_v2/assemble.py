"""Stage 5, a model's folder: `python -m recipes.mini_v2.assemble --work build/v2 --out build/v2/model --float8`.

With `--float8` the weights take a byte each, see `recipes.mini_v2.float8`.
"""

import argparse
from pathlib import Path

from recipes.mini.assemble import assemble_pipeline
from recipes.mini_v2.clip import tower_folder
from recipes.mini_v2.float8 import to_float8


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.mini_v2.assemble")
    parser.add_argument("--work", type=Path, default=Path("build/v2"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--unet", default="unet", help="which UNet run to take")
    parser.add_argument("--float8", action="store_true", help="a byte a weight")
    args = parser.parse_args()
    text_encoder = tower_folder(args.work, args.unet).relative_to(args.work)
    assemble_pipeline(args.work, args.out, args.unet, "stage/vae", str(text_encoder))
    if args.float8:
        to_float8(args.out)


if __name__ == "__main__":
    main()
