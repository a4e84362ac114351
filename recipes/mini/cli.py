"""The few flags that all stages share."""

import argparse
from pathlib import Path


def parse(stage: str, steps: int, batch: int, learning_rate: float, **extra: str) -> argparse.Namespace:
    """Flags of `stage`; `extra` adds string options with their defaults."""
    parser = argparse.ArgumentParser(prog=f"python -m recipes.mini.{stage}")
    parser.add_argument("--work", type=Path, default=Path("build/mini"), help="the folder of this recipe run")
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--batch", type=int, default=batch, help="pictures a process and step")
    parser.add_argument("--learning-rate", type=float, default=learning_rate)
    parser.add_argument("--precision", choices=("no", "bf16", "fp16"), default="no")
    parser.add_argument("--compile", action="store_true", help="torch.compile the heavy modules")
    parser.add_argument("--scenes", type=int, default=0, help="fewer scenes than the recipe's, for a trial")
    parser.add_argument("--checkpointing-steps", type=int, default=2000)
    parser.add_argument(
        "--max-seconds", type=float, default=0, help="save and stop after this time; run again to go on"
    )
    parser.add_argument("--finish", action="store_true", help="write the stage's result even if stopped by time")
    for option, default in extra.items():
        parser.add_argument(f"--{option.replace('_', '-')}", default=default)
    return parser.parse_args()
