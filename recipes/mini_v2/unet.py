"""Stage 4, the UNet: `python -m recipes.mini_v2.unet --work build/v2`, trained as version 1's, on more pictures."""

import argparse
import ast
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from transformers import CLIPTextModel

from pai_modelscope.config import TrainingConfig
from pai_modelscope.text import chunk_ids
from pai_modelscope.training import train
from pai_modelscope.training.sharding import open_accelerator
from recipes.mini.models import scheduler
from recipes.mini_v2 import models
from recipes.mini_v2.clip import tokenizer_of
from recipes.mini_v2.float8 import RoundedFineTuning
from recipes.mini_v2.latents import LatentSource, parse_turns
from recipes.mini_v2.pool import parse_shares


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.mini_v2.unet")
    parser.add_argument("--work", type=Path, default=Path("build/v2"))
    parser.add_argument("--name", default="unet", help="of the run's folder")
    parser.add_argument("--init", type=Path, help="a UNet's folder to begin from")
    parser.add_argument("--text", type=Path, help="a text tower's folder; that of the CLIP stage where left out")
    parser.add_argument("--channels", default="(96, 192, 288)")
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=768)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--text-learning-rate", type=float, help="of the text tower, which else does not learn")
    parser.add_argument("--optimizer", default="muon")
    parser.add_argument("--decay", type=float, default=0.9995, help="of the averaged weights")
    parser.add_argument("--shares", default="landscapes=0.6,icons=0.4", help="of the domains")
    parser.add_argument(
        "--turns",
        default="256x256=1",
        help="of a cycle's steps, by size; '+' for long texts: 256x256=44,256x256+=4,384x256=2",
    )
    parser.add_argument(
        "--rounded", type=float, default=0.0, help="share of the steps, the last, that see float8 weights"
    )
    parser.add_argument("--precision", choices=("no", "bf16"), default="no")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--checkpointing-steps", type=int, default=2000)
    parser.add_argument("--max-seconds", type=float, default=0)
    args = parser.parse_args()
    config = TrainingConfig(
        output_dir=str(args.work / args.name),
        max_train_steps=args.steps,
        train_batch_size=args.batch,
        optimizer=args.optimizer,
        learning_rate=args.learning_rate,
        lr_warmup_steps=min(500, args.steps // 10),
        ema_decay=args.decay,
        mixed_precision=args.precision,
        compile=args.compile,
        seed=3,
        logging_steps=100,
        checkpointing_steps=args.checkpointing_steps,
        max_train_seconds=args.max_seconds,
        resume_from_checkpoint="latest",
    )
    accelerator = open_accelerator(config)
    source = LatentSource(args.work, parse_shares(args.shares), parse_turns(args.turns), accelerator.device)
    torch.manual_seed(3)
    network = (
        UNet2DConditionModel.from_pretrained(args.init) if args.init else models.unet(ast.literal_eval(args.channels))
    )
    method = RoundedFineTuning(
        network,
        CLIPTextModel.from_pretrained(args.text or args.work / "stage/text_encoder", dtype=torch.float32),
        scheduler(),
        chunk_ids(tokenizer_of(args.work), [""])[0, 0],
        first_rounded=round(args.steps * (1 - args.rounded)),
        text_encoder_lr=args.text_learning_rate,
    )
    train(method, source, config, accelerator)


if __name__ == "__main__":
    main()
