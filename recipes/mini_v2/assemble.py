"""Stage 5, a model's folder: `python -m recipes.mini_v2.assemble --work build/v2 --out build/v2/model --float8`.

With `--float8` the weights take a byte each, see `recipes.mini_v2.float8`.
"""

import argparse
from pathlib import Path

from recipes.mini.assemble import assemble_pipeline
from recipes.mini_v2.clip import tower_folder
from recipes.mini_v2.float8 import to_float8


def assemble(work: Path, out: Path, unet: str = "unet", float8: bool = False) -> None:
    """The folder of what training left in `work`. `unet`: the name of the UNet's run; `float8`: a byte a weight."""
    text_encoder = tower_folder(work, unet).relative_to(work)
    assemble_pipeline(work, out, unet, "stage/vae", str(text_encoder))
    if float8:
        to_float8(out)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.mini_v2.assemble")
    parser.add_argument("--work", type=Path, default=Path("build/v2"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--unet", default="unet", help="which UNet run to take")
    parser.add_argument("--float8", action="store_true", help="a byte a weight")
    args = parser.parse_args()
    assemble(args.work, args.out, args.unet, args.float8)


if __name__ == "__main__":
    main()
